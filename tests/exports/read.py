"""Opens every export by a program that is not ours and compares what it reads with what was written."""

import datetime
import decimal
import io
import json
import struct
import sys
import tempfile
import urllib.request

import duckdb
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pyroaring

URL = sys.argv[1]
FIELDS = "name,vip,lead_score,mrr,tags,born,last_seen"
COUNT = 50_000
UTC = datetime.timezone.utc


def call(method, path, body=None, media="application/json"):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, method=method, headers={"Content-Type": media})
    with urllib.request.urlopen(request) as answer:
        return answer.read(), answer.headers


def export(format, fields=FIELDS):
    body, headers = call("GET", f"/v1/segments/All/members?format={format}" + (f"&fields={fields}" if fields else ""))
    assert int(headers["Throng-Count"]) == COUNT, headers
    return body, headers


def person(n):
    """A contact, by the types that a reader should see; None is absent."""
    return {
        "key": f"k-{n}",
        "name": None if n % 5 == 0 else f"Näme {n}",
        "vip": None if n % 7 == 0 else n % 2 == 0,
        "lead_score": None if n % 3 == 0 else n / 8,
        "mrr": None if n % 4 == 0 else decimal.Decimal(n * 37 - 5_000) / 100,
        "tags": None if n % 6 == 0 else [f"t{n % 11}", f"u{n % 3}"],
        "born": None if n % 9 == 0 else datetime.date(1950, 1, 1) + datetime.timedelta(days=n % 20_000),
        "last_seen": None if n % 8 == 0 else datetime.datetime(2026, 1, 1, tzinfo=UTC) + datetime.timedelta(milliseconds=n * 777),
    }


def sent(contact):
    plain = {"last_seen": lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "born": str, "mrr": str}
    return {name: plain.get(name, lambda value: value)(value) for name, value in contact.items() if value is not None}


def write():
    types = {
        "name": {"type": "text"}, "vip": {"type": "boolean"}, "lead_score": {"type": "number"}, "tags": {"type": "set"},
        "mrr": {"type": "money", "currency": "EUR"}, "born": {"type": "date"}, "last_seen": {"type": "timestamp"},
    }
    call("PATCH", "/v1/schema", {"properties": types})
    people = [person(n) for n in range(COUNT)]
    lines = "\n".join(json.dumps(sent(contact)) for contact in people)
    answer = json.loads(call("POST", "/v1/contacts/import", lines.encode(), "application/x-ndjson")[0])
    assert answer["accepted"] == COUNT, answer
    call("POST", "/v1/segments", {"name": "All", "rule": "everyone"})
    return people


def check_table(table, people, whose):
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {
        "key": "string", "name": "string", "vip": "bool", "lead_score": "double", "mrr": "decimal128(19, 2)",
        "tags": "list<element: string not null>", "born": "date32[day]", "last_seen": "timestamp[ms, tz=UTC]",
    }, (whose, kinds)
    assert table.to_pylist() == people, whose
    table.validate(full=True)
    print(f"{whose}: {table.num_rows} rows, {table.num_columns} typed columns, all values equal")


def main():
    people = write()
    arrow, _ = export("arrow")
    check_table(pyarrow.ipc.open_stream(arrow).read_all(), people, f"Arrow IPC by pyarrow {pyarrow.__version__}")
    parquet, _ = export("parquet")
    check_table(pyarrow.parquet.read_table(io.BytesIO(parquet)), people, f"Parquet by pyarrow {pyarrow.__version__}")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(parquet)
        file.flush()
        duck = duckdb.connect()
        duck.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(["key", *FIELDS.split(",")])
        rows = duck.execute(f"SELECT {columns} FROM read_parquet('{file.name}')").fetchall()
        wanted = [tuple(contact[name] for name in ["key", *FIELDS.split(",")]) for contact in people]
        assert len(rows) == COUNT
        for got, want in zip(rows, wanted):
            assert got == want, (got, want)
        total = duck.execute(f"SELECT sum(mrr) FROM read_parquet('{file.name}')").fetchone()[0]
        assert total == sum(contact["mrr"] for contact in people if contact["mrr"] is not None)
        print(f"Parquet by DuckDB {duckdb.__version__}: {len(rows)} rows equal, sums exact")
    for format in ["csv", "ndjson"]:
        body, _ = export(format)
        with tempfile.NamedTemporaryFile(suffix="." + format) as file:
            file.write(body)
            file.flush()
            reader = "read_csv" if format == "csv" else "read_json"
            options = ", header = true" if format == "csv" else ", format = 'newline_delimited'"
            found = duck.execute(f"SELECT count(*), count(DISTINCT key), sum(lead_score) FROM {reader}('{file.name}'{options})").fetchone()
            wanted = (COUNT, COUNT, sum(contact["lead_score"] or 0 for contact in people))
            assert found == wanted, (format, found, wanted)
    print(f"CSV and NDJSON by DuckDB {duckdb.__version__}: {COUNT} rows each")
    imports(people, parquet)
    roaring(people)


def imports(people, parquet):
    """What pyarrow and DuckDB write comes in, and is read back as it was."""
    table = pyarrow.parquet.read_table(io.BytesIO(parquet))
    files = {}
    for packing in ["snappy", "zstd", "gzip", "lz4", "none"]:
        out = io.BytesIO()
        pyarrow.parquet.write_table(table, out, compression=packing, row_group_size=7_000)
        files[f"pyarrow {pyarrow.__version__}, {packing}"] = out.getvalue()
    odd = table.set_column(table.schema.get_field_index("name"), "name", table["name"].dictionary_encode())
    odd = odd.set_column(odd.schema.get_field_index("last_seen"), "last_seen", odd["last_seen"].cast(pyarrow.timestamp("ns", "Asia/Tokyo")))
    odd = odd.set_column(odd.schema.get_field_index("tags"), "tags", odd["tags"].cast(pyarrow.large_list(pyarrow.large_string())))
    out = io.BytesIO()
    pyarrow.parquet.write_table(odd, out, version="2.6", data_page_version="2.0", use_deprecated_int96_timestamps=True)
    files[f"pyarrow {pyarrow.__version__}, dictionaries, int96, large lists"] = out.getvalue()
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        duck = duckdb.connect()
        duck.execute("SET TimeZone = 'UTC'")
        duck.register("people", table)
        duck.execute(f"COPY (SELECT * FROM people) TO '{file.name}' (FORMAT parquet, COMPRESSION zstd)")
        files[f"DuckDB {duckdb.__version__}, zstd"] = open(file.name, "rb").read()
        duck.execute(f"COPY (SELECT uuid() AS key, 5::HUGEINT AS big, 1::UTINYINT AS small) TO '{file.name}' (FORMAT parquet)")
        odd_types = open(file.name, "rb").read()
    everyone = lambda: json_lines(export("ndjson")[0])
    before = everyone()
    for whose, file in files.items():
        for n in range(0, COUNT, 997):
            call("PUT", f"/v1/contacts/k-{n}", {"name": "overwritten"})
        assert everyone() != before
        answer = json.loads(call("POST", "/v1/contacts/import?mode=replace", file, "application/vnd.apache.parquet")[0])
        assert (answer["accepted"], answer["updated"], answer["rejected"]) == (COUNT, COUNT, 0), (whose, answer)
        assert everyone() == before, whose
        print(f"Parquet from {whose}: {COUNT} contacts in, all values equal")
    answer = json.loads(call("POST", "/v1/contacts/import", odd_types, "application/vnd.apache.parquet")[0])
    assert answer["created"] == 1, answer
    newest = json.loads(call("GET", f"/v1/contacts?limit=100000")[0])["contacts"][-1]
    assert len(newest["key"]) == 36 and newest["big"] == 5 and newest["small"] == 1, newest
    call("DELETE", "/v1/contacts/" + newest["key"])


def json_lines(body):
    return [json.loads(line) for line in body.splitlines()]


def roaring(people):
    body, headers = export("roaring", fields=None)
    ids = pyroaring.BitMap.deserialize(body)
    length = int(headers["Throng-Roaring-Bytes"])
    assert len(ids) == COUNT and ids == pyroaring.BitMap.deserialize(body[:length])
    assert body[length:length + 8] == b"THRONGK1"
    at, keys = length + 40, []
    while at < len(body):
        (size,) = struct.unpack_from("<H", body, at)
        keys.append(body[at + 2:at + 2 + size].decode())
        at += 2 + size
    assert keys == [contact["key"] for contact in people]
    by_id = dict(zip(ids, keys))
    call("POST", "/v1/segments", {"name": "Chosen", "members": []})
    odd = pyroaring.BitMap(id for id in ids if id % 2)
    path = f"/v1/segments/Chosen/members?mode=replace&database={headers['Throng-Database']}"
    answer = json.loads(call("POST", path, odd.serialize(), "application/vnd.roaring")[0])
    assert answer["count"] == len(odd), answer
    members = call("GET", "/v1/segments/Chosen/members")[0].decode().splitlines()
    assert {json.loads(line)["key"] for line in members} == {by_id[id] for id in odd}
    print(f"Roaring by pyroaring {pyroaring.__version__}: {len(ids)} ids with their keys out, {len(odd)} back in")


main()
