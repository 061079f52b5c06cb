//! Parquet files in, over a socket and as typed: every type, what is refused and where, and our own exports back again.
//! `tests/exports/run` brings files that other people's programs wrote.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::Arc,
};

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array,
    RecordBatch, StringArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    UInt64Array,
    builder::{ListBuilder, StringBuilder, StringDictionaryBuilder},
    types::Int32Type,
};
use arrow_schema::{DataType, Field};
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    data_type::{ByteArrayType, Int64Type, Int96, Int96Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const PARQUET: &str = "application/vnd.apache.parquet";

fn file_as(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    file_as(columns, Compression::UNCOMPRESSED)
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn start(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(&folder.path().join("data"), &[&["--clock", "2026-05-01T00:00:00Z"], arguments].concat());
    (folder, server)
}

fn import(server: &Server, file: Vec<u8>) -> Reply {
    server.send("POST", "/v1/contacts/import", PARQUET, file)
}

fn lists(values: &[Option<&[Option<&str>]>]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for value in values {
        for text in value.unwrap_or_default() {
            lists.values().append_option(*text);
        }
        lists.append(value.is_some());
    }
    Arc::new(lists.finish())
}

#[test]
fn every_type_means_what_it_says() {
    let (_folder, server) = start(&["--time-zone", "Europe/Berlin"]);
    server.ok(
        "PATCH",
        "/v1/schema",
        json!({"properties": {"mrr": {"type": "money", "currency": "EUR"}, "born": {"type": "date"}, "seen": {"type": "timestamp"}}}),
    );
    let mut plan = StringDictionaryBuilder::<Int32Type>::new();
    ["pro", "free"].iter().for_each(|word| plan.append_value(word));
    plan.append_null();
    // 2026-07-01T10:00:00.123456Z, and a wall clock of the same digits, which in summer is two hours ahead.
    let at = 1_782_900_000_123_456;
    let zoned = TimestampMicrosecondArray::from(vec![Some(at), None, Some(-1)]).with_timezone("+00:00");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("Key", Arc::new(Int64Array::from(vec![7, 8, 9]))),
        ("plan", Arc::new(plan.finish())),
        ("score", Arc::new(Float64Array::from(vec![Some(0.1), Some(-12.0), None]))),
        ("visits", Arc::new(UInt64Array::from(vec![Some(9_223_372_036_854_775_807), None, Some(0)]))),
        (
            "mrr",
            Arc::new(
                Decimal128Array::from(vec![Some(123_450), Some(-1), None]).with_precision_and_scale(30, 2).unwrap(),
            ),
        ),
        ("vip", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("born", Arc::new(Date32Array::from(vec![Some(0), None, Some(-1)]))),
        ("seen", Arc::new(zoned)),
        ("wall_time", Arc::new(TimestampNanosecondArray::from(vec![Some(at * 1_000), None, None]))),
        ("tags", lists(&[Some(&[Some("VIP"), None, Some("x;y")]), Some(&[]), None])),
    ];
    let reply = import(&server, file(columns));
    assert_eq!(reply.status, 200, "{}", reply.text);
    let told = reply.json();
    assert_eq!((&told["accepted"], &told["rejected"]), (&json!(3), &json!(0)), "{told}");
    let contact = server.ok("GET", "/v1/contacts/7", Value::Null);
    assert_eq!(
        contact,
        json!({
            "key": "7", "plan": "pro", "score": 0.1, "visits": 9_223_372_036_854_775_807u64, "mrr": contact["mrr"],
            "vip": true, "born": "1970-01-01", "created": "2026-05-01T00:00:00Z", "seen": "2026-07-01T10:00:00.123Z",
            "wall_time": "2026-07-01T08:00:00.123Z", "tags": ["VIP", "x;y"],
        })
    );
    assert_eq!(server.count("MRR = €1234.50 AND Born = 1970-01-01"), 1);
    let next = server.ok("GET", "/v1/contacts/9", Value::Null);
    assert_eq!(next["born"], "1969-12-31");
    assert_eq!(next["seen"], "1969-12-31T23:59:59.999Z");
    assert_eq!(next.get("tags"), None);
    // A null leaves what was there; in replace mode it goes.
    let second = || file(vec![("key", texts(&[Some("7")])), ("plan", texts(&[None])), ("vip", texts(&[None]))]);
    assert_eq!(import(&server, second()).json()["updated"], 1);
    assert_eq!(server.ok("GET", "/v1/contacts/7", Value::Null)["plan"], "pro");
    assert_eq!(server.send("POST", "/v1/contacts/import?mode=replace", PARQUET, second()).json()["updated"], 1);
    assert_eq!(server.ok("GET", "/v1/contacts/7", Value::Null), json!({"key": "7", "created": contact["created"]}));
}

#[test]
fn what_is_wrong_is_told_with_row_and_column() {
    let (_folder, server) = start(&[]);
    let keys = || texts(&[Some("a"), Some(""), None, Some("d")]);
    let score = Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.0, 1e300]));
    let told = import(&server, file(vec![("key", keys()), ("score", score)])).json();
    assert_eq!((&told["accepted"], &told["rejected"]), (&json!(0), &json!(4)), "{told}");
    let errors: Vec<String> = (told["errors"].as_array().unwrap().iter())
        .map(|error| {
            format!("{} {} {}", error["line"], error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(errors, ["1 /score bad_value", "2 /key bad_key", "3  no_key", "4 /score number_out_of_range"]);
    assert!(told["errors"][0]["detail"].as_str().unwrap().contains("row 1, column \"score\": NaN"), "{told}");

    let one = || texts(&[Some("a")]);
    let refused: Vec<(Vec<(&str, ArrayRef)>, &str)> = vec![
        (vec![("name", one())], "no column \"key\""),
        (vec![("key", one()), ("at", Arc::new(Time64MicrosecondArray::from(vec![1])))], "column \"at\" is of the type"),
        (vec![("key", one()), ("raw", Arc::new(BinaryArray::from(vec![&b"x"[..]])))], "column \"raw\" is of the type"),
        (vec![("key", Arc::new(Float64Array::from(vec![1.5])))], "a key or an id is a text or a whole number"),
        (vec![("key", one()), ("createdAt", one()), ("created_at", one())], "second spelling"),
        (vec![("key", one()), ("", one())], "column \"\""),
        (
            vec![("key", one()), ("raw", Arc::new(FixedSizeBinaryArray::try_from_iter([[0u8; 16]].iter()).unwrap()))],
            "column \"raw\" is of the type",
        ),
    ];
    for (columns, wanted) in refused {
        let reply = import(&server, file(columns));
        assert_eq!(reply.status, 422, "{}", reply.text);
        assert!(reply.text.replace("\\\"", "\"").contains(wanted), "{wanted}: {}", reply.text);
    }
    assert_eq!(server.ok("GET", "/v1/status", Value::Null)["contacts"], 0);
}

#[test]
fn a_damaged_file_is_refused_whatever_is_wrong_with_it() {
    let (folder, server) = start(&[]);
    let keys: Vec<String> = (0..3_000).map(|n| format!("k-{n}")).collect();
    let names = keys.iter().map(|key| Some(key.as_str())).collect::<Vec<_>>();
    let whole = file_as(vec![("key", texts(&names)), ("name", texts(&names))], Compression::SNAPPY);
    for bad in [&b""[..], b"PAR1", b"key,name\nu-1,Ada\n", &whole[..whole.len() - 1], &whole[1..]] {
        let reply = import(&server, bad.to_vec());
        assert!([400, 422].contains(&reply.status), "{}", reply.text);
    }
    let mut refused = 0;
    for step in (4..whole.len()).step_by(whole.len() / 150) {
        let mut bad = whole.clone();
        bad[step] ^= 0xff;
        let reply = import(&server, bad);
        // A flip within a text is another text: Parquet has no checksum that must be there.
        assert!([200, 400, 422].contains(&reply.status), "byte {step}: {} {}", reply.status, reply.text);
        refused += usize::from(reply.status != 200);
    }
    assert!(refused > 5, "{refused} of 150");
    assert_eq!(import(&server, whole).json()["rejected"], 0);
    // What was sent lies in no file any more.
    let left: Vec<_> = fs::read_dir(folder.path().join("data")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("upload")), "{left:?}");
}

#[test]
fn events_come_as_columns_too() {
    let (_folder, server) = start(&[]);
    let at = || {
        Arc::new(
            TimestampMicrosecondArray::from(vec![1_777_000_000_000_000, 1_777_000_000_000_001]).with_timezone("UTC"),
        )
    };
    let ids = || Arc::new(Int64Array::from(vec![Some(1), Some(2)]));
    let kind = || texts(&[Some("purchase"), Some("purchase")]);
    let who = || texts(&[Some("u-1"), Some("u-2")]);
    let amount =
        || Arc::new(Decimal128Array::from(vec![1_250, 99]).with_precision_and_scale(10, 2).unwrap()) as ArrayRef;
    let flat = file(vec![("ID", ids()), ("contact", who()), ("event", kind()), ("at", at()), ("amount", amount())]);
    let told = server.send("POST", "/v1/events", PARQUET, flat.clone()).json();
    assert_eq!(
        (&told["accepted"], &told["duplicates"], &told["rejected"]),
        (&json!(2), &json!(0), &json!(0)),
        "{told}"
    );
    assert_eq!(server.count("sum(purchase.amount) = $12.50"), 1);
    assert_eq!(server.send("POST", "/v1/events", PARQUET, flat).json()["duplicates"], 2);
    let inside = StructArray::from(vec![
        (
            Arc::new(Field::new("amount", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![Some(5), None])) as ArrayRef,
        ),
        (Arc::new(Field::new("product", DataType::Utf8, true)), texts(&[Some("book"), Some("pen")])),
    ]);
    let nested = file(vec![("contact", who()), ("event", kind()), ("properties", Arc::new(inside))]);
    let told = server.send("POST", "/v1/events", PARQUET, nested).json();
    assert_eq!(told["accepted"], 2, "{told}");
    assert_eq!(server.count("did purchase where product = \"pen\""), 1);
    assert_eq!(server.count("sum(purchase.amount) = $17.50"), 1);
    let reply = server.send("POST", "/v1/events", PARQUET, file(vec![("contact", who())]));
    assert!(reply.status == 422 && reply.text.contains("no column \\\"event\\\""), "{}", reply.text);
}

/// A file of many rows, packed in some way.
fn many(rows: usize, compression: Compression) -> Vec<u8> {
    let keys: Vec<String> = (0..rows).map(|n| format!("k-{n}")).collect();
    let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
    let scores = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    file_as(vec![("key", texts(&keys)), ("score", scores)], compression)
}

#[test]
fn files_of_every_packing_come_by_both_doors() {
    let folder = tempfile::tempdir().unwrap();
    let packings = [
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
    ];
    for (place, packing) in packings.into_iter().enumerate() {
        fs::write(folder.path().join("people.parquet"), many(25_000, packing)).unwrap();
        let data = format!("data-{place}");
        let told = throng(folder.path(), &["import", "people.parquet", "--data", &data]);
        assert!(told.contains("25,000 accepted, 25,000 created"), "{told}");
    }
}

fn throng(at: &Path, arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_throng")).current_dir(at).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// As Spark, Impala and Hive write instants.
fn int96(days: u32, nanos: u64) -> Int96 {
    let mut value = Int96::new();
    value.set_data(nanos as u32, (nanos >> 32) as u32, 2_440_588 + days);
    value
}

#[test]
fn int96_is_an_instant_whatever_the_zone() {
    let (_folder, server) = start(&["--time-zone", "Europe/Berlin"]);
    let schema = "message contacts {
        required binary key (UTF8); required int96 seen; required int96 ends_at;
        required int64 told_at (TIMESTAMP(NANOS,false));
        optional group visits (LIST) { repeated group list { optional int96 element; } }
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    // 2026-07-01T10:00:00.123456789Z, and an end that 64 bits of nanoseconds do not reach.
    let (seen, end) = (int96(20_635, 36_000_123_456_789), int96(2_932_896, 86_399_999_999_999));
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&["u-1".into()], None, None).unwrap();
    column.close().unwrap();
    for value in [seen, end] {
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<Int96Type>().write_batch(&[value], None, None).unwrap();
        column.close().unwrap();
    }
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1_782_900_000_123_456_789], None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&[seen], Some(&[3]), Some(&[0])).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    let told = import(&server, writer.into_inner().unwrap()).json();
    assert_eq!(told["accepted"], 1, "{told}");
    let contact = server.ok("GET", "/v1/contacts/u-1", Value::Null);
    assert_eq!(contact["seen"], "2026-07-01T10:00:00.123Z", "{contact}");
    assert_eq!(contact["visits"], json!(["2026-07-01T10:00:00.123Z"]), "{contact}");
    assert_eq!(contact["ends_at"], "9999-12-31T23:59:59.999Z", "{contact}");
    assert_eq!(contact["told_at"], "2026-07-01T08:00:00.123Z", "what has no zone is a wall clock's");
}

#[test]
fn few_files_are_sent_at_a_time() {
    let (_folder, server) = start(&[]);
    let whole = many(10, Compression::UNCOMPRESSED);
    let slow = || {
        let mut socket = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        let head = format!(
            "POST /v1/contacts/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: {PARQUET}\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n",
            whole.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        // That the body is wanted is said once the call has its place.
        let mut told = [0; 12];
        socket.read_exact(&mut told).unwrap();
        assert_eq!(&told, b"HTTP/1.1 100");
        socket
    };
    let mut sockets: Vec<TcpStream> = (0..4).map(|_| slow()).collect();
    let refused = import(&server, whole.clone());
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{}", refused.text);
    assert!(refused.text.contains("too_many_uploads"), "{}", refused.text);
    let mut first = sockets.remove(0);
    first.write_all(&whole).unwrap();
    let mut told = String::new();
    first.read_to_string(&mut told).unwrap();
    assert!(told.contains("HTTP/1.1 200"), "{told}");
    assert_eq!(import(&server, whole.clone()).json()["accepted"], 10);
}

#[test]
fn a_packed_file_of_columns_is_not_read_as_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.parquet.gz"), b"PAR1").unwrap();
    for arguments in [&["import", "x.parquet.gz"][..], &["import", "--events", "x.parquet.gz"]] {
        let told = throng(folder.path(), arguments);
        assert!(told.contains("a Parquet file is packed inside; unpack it first"), "{told}");
    }
}

#[test]
fn our_own_export_comes_back_as_it_was() {
    let (_folder, server) = start(&[]);
    let types =
        json!({"mrr": {"type": "money", "currency": "EUR"}, "born": {"type": "date"}, "seen": {"type": "timestamp"}});
    server.ok("PATCH", "/v1/schema", json!({"properties": types}));
    let line = |n: usize| {
        let mut contact = json!({"key": format!("k-{n}")});
        let mut put = |every: usize, name: &str, value: Value| {
            if n.is_multiple_of(every) {
                contact[name] = value;
            }
        };
        put(2, "name", format!("Näme {n}").into());
        put(3, "lead_score", json!(n as f64 / 8.0));
        put(4, "mrr", format!("{}.{:02}", n * 37, n % 100).into());
        put(5, "tags", json!([format!("t{}", n % 11), "a;b"]));
        put(6, "born", format!("19{:02}-02-{:02}", n % 100, n % 28 + 1).into());
        put(7, "seen", format!("2026-04-{:02}T12:34:56.{:03}Z", n % 28 + 1, n % 1_000).into());
        put(8, "vip", (n.is_multiple_of(16)).into());
        format!("{contact}\n")
    };
    let lines: String = (0..4_000).map(line).collect();
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json()["accepted"], 4_000);
    server.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    let fields = "fields=name,lead_score,mrr,tags,born,seen,vip";
    let export = |server: &Server, format: &str| {
        let path = format!("/v1/segments/All/members?format={format}&{fields}");
        server.with_headers("GET", &path, &[], vec![])
    };
    let (_other_folder, other) = start(&[]);
    other.ok("PATCH", "/v1/schema", json!({"properties": types}));
    other.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    let told = import(&other, export(&server, "parquet").bytes).json();
    assert_eq!((&told["created"], &told["rejected"]), (&json!(4_000), &json!(0)), "{told}");
    assert_eq!(export(&other, "ndjson").text, export(&server, "ndjson").text);
}
