"""Bodies that are no JSON go out as they are: a text as its bytes."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv", "application/vnd.roaring")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
