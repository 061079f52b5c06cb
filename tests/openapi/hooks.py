"""Bodies that are no JSON go out as they are: a text as its bytes. Retries are not what a run along the links means."""

import itertools

import schemathesis

CREATIONS = itertools.count()


@schemathesis.serializer("application/x-ndjson", "text/csv", "application/vnd.roaring")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def filter_body(context, body):
    # A name from an answer is put into a path as it is, without encoding its per cent signs: another name arrives.
    return not (isinstance(body, dict) and "%" in str(body.get("name", "")))


@schemathesis.hook
def before_call(context, case, kwargs):
    # A key and body seen before are a retry, answered as the first time; what was made then may be deleted since, and
    # schemathesis would look for it. So every creation in a run along the links has a key of its own.
    if case.meta.phase.name.value == "stateful" and case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"creation-{next(CREATIONS)}"
