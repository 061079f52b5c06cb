//! Members as every format, and lists of ids back in, over a socket. `tests/exports/run` has them read by other
//! people's programs.

use std::{collections::BTreeSet, io::Cursor};

use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, ListArray, RecordBatch, StringArray,
    TimestampMillisecondArray, cast::AsArray,
};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringBitmap;
use serde_json::{Value, json};

use crate::support::server::{Reply, Server};

const FIELDS: &str = "name,vip,lead_score,mrr,tags,born,last_seen";

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &["--clock", "2026-05-01T00:00:00Z"]);
    server.ok(
        "PATCH",
        "/v1/schema",
        json!({"properties": {
            "mrr": {"type": "money", "currency": "EUR"}, "born": {"type": "date"}, "vip": {"type": "boolean"},
            "last_seen": {"type": "timestamp"}, "lead_score": {"type": "number"}, "tags": {"type": "set"},
        }}),
    );
    let lines = concat!(
        r#"{"key":"u-1","name":"Ada","vip":true,"lead_score":80.25,"mrr":"1234.50","tags":["VIP","x;y"],"born":"1990-02-28","last_seen":"2026-04-30T12:34:56.789Z"}"#,
        "\n",
        r#"{"key":"=cmd","name":"=1+1","vip":false,"lead_score":-3,"mrr":-0.01,"tags":["@home"]}"#,
        "\n",
        r#"{"key":"ü/3"}"#,
        "\n",
    );
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json()["accepted"], 3);
    server.ok("POST", "/v1/segments", json!({"name": "All", "rule": "everyone"}));
    (folder, server)
}

fn export(server: &Server, query: &str) -> Reply {
    let reply = server.call("GET", &format!("/v1/segments/All/members?{query}"), Value::Null);
    assert_eq!(reply.status, 200, "{query}: {}", reply.text);
    assert!(reply.header("throng-lsn").is_some());
    reply
}

fn arrow(reply: &Reply) -> Vec<RecordBatch> {
    assert_eq!(reply.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    let reader = arrow_ipc::reader::StreamReader::try_new(Cursor::new(reply.bytes.clone()), None).unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

fn parquet(reply: &Reply) -> Vec<RecordBatch> {
    assert_eq!(reply.header("content-type"), Some("application/vnd.apache.parquet"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(reply.bytes.clone())).unwrap();
    reader.build().unwrap().collect::<Result<_, _>>().unwrap()
}

fn keys(batches: &[RecordBatch]) -> Vec<String> {
    let columns = batches.iter().map(|batch| batch.column(0).as_string::<i32>());
    columns.flat_map(|column| column.iter().map(|key| key.unwrap().to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn columns_are_typed_and_hold_what_was_written() {
    let (_folder, server) = server();
    for batches in [
        arrow(&export(&server, &format!("format=arrow&fields={FIELDS}"))),
        parquet(&export(&server, &format!("format=parquet&fields={FIELDS}"))),
    ] {
        let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names.join(","), format!("key,{FIELDS}"));
        assert_eq!(keys(&batches), ["u-1", "=cmd", "ü/3"]);
        assert_eq!(schema.field(4).metadata()["currency"], "EUR");
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let (names, vip) = (column("name"), column("vip"));
        let names: &StringArray = names.as_string();
        assert_eq!(names.iter().collect::<Vec<_>>(), [Some("Ada"), Some("=1+1"), None], "nothing is guarded here");
        let vip: &BooleanArray = vip.as_boolean();
        assert_eq!(vip.iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
        let scores = column("lead_score");
        let scores: &Float64Array = scores.as_any().downcast_ref().unwrap();
        assert_eq!(scores.iter().collect::<Vec<_>>(), [Some(80.25), Some(-3.0), None]);
        let money = column("mrr");
        let money: &Decimal128Array = money.as_any().downcast_ref().unwrap();
        assert_eq!((money.scale(), money.value(0), money.value(1), money.is_null(2)), (2, 123_450, -1, true));
        let tags = column("tags");
        let tags: &ListArray = tags.as_list();
        let lists: Vec<Option<Vec<String>>> = tags
            .iter()
            .map(|list| list.map(|list| list.as_string::<i32>().iter().map(|text| text.unwrap().into()).collect()))
            .collect();
        assert_eq!(lists, [Some(vec!["VIP".to_owned(), "x;y".into()]), Some(vec!["@home".into()]), None]);
        let born = column("born");
        let born: &Date32Array = born.as_any().downcast_ref().unwrap();
        assert_eq!((born.value(0), born.is_null(1)), (7_363, true));
        let seen = column("last_seen");
        assert_eq!(*seen.data_type(), DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
        let seen: &TimestampMillisecondArray = seen.as_any().downcast_ref().unwrap();
        assert_eq!((seen.value(0), seen.is_null(1)), (1_777_552_496_789, true));
    }
}

#[test]
fn csv_runs_no_formula() {
    let (_folder, server) = server();
    let csv = export(&server, "format=csv&fields=name,tags").text;
    assert_eq!(csv, "key,name,tags\r\nu-1,Ada,VIP;x;y\r\n'=cmd,'=1+1,'@home\r\nü/3,,\r\n");
}

#[test]
fn every_format_has_everyone_once_and_pages_add_up() {
    let (_folder, server) = server();
    let mut lines = String::new();
    for n in 0..20_000 {
        lines.push_str(&format!("{{\"key\":\"n-{n}\",\"lead_score\":{n},\"tags\":[\"t{}\"]}}\n", n % 7));
    }
    assert_eq!(server.send("POST", "/v1/contacts/import", "application/x-ndjson", lines).json()["accepted"], 20_000);
    let told = export(&server, "format=ndjson");
    let key = |line: &str| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    let all: Vec<String> = told.text.lines().map(key).collect();
    assert_eq!((all.len(), told.header("throng-count")), (20_003, Some("20003")));
    for query in ["", "&fields=lead_score,tags"] {
        assert_eq!(keys(&arrow(&export(&server, &format!("format=arrow{query}")))), all);
        assert_eq!(keys(&parquet(&export(&server, &format!("format=parquet{query}")))), all);
    }
    for format in ["arrow", "parquet"] {
        let (mut paged, mut after) = (vec![], String::new());
        loop {
            let page = export(&server, &format!("format={format}&limit=7001{after}"));
            paged.extend(keys(&if format == "arrow" { arrow(&page) } else { parquet(&page) }));
            match page.header("throng-next") {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(paged, all, "{format}");
    }
    let accepted = [("accept", "application/vnd.apache.parquet")];
    let by_accept = server.with_headers("GET", "/v1/segments/All/members", &accepted, vec![]);
    assert_eq!(keys(&parquet(&by_accept)), all);
}

#[test]
fn ids_go_out_with_their_keys_and_come_back_in() {
    let (_folder, server) = server();
    let list = export(&server, "format=roaring");
    assert_eq!(list.header("content-type"), Some("application/vnd.roaring"));
    let ids = RoaringBitmap::deserialize_from(&list.bytes[..]).unwrap();
    let length: usize = list.header("throng-roaring-bytes").unwrap().parse().unwrap();
    assert_eq!((ids.len(), ids.serialized_size()), (3, length));
    let mut rest = &list.bytes[length + 40..];
    assert_eq!(&list.bytes[length..length + 8], b"THRONGK1");
    let mut told = vec![];
    while let [low, high, tail @ ..] = rest {
        let (key, tail) = tail.split_at(usize::from(u16::from_le_bytes([*low, *high])));
        told.push(String::from_utf8(key.to_vec()).unwrap());
        rest = tail;
    }
    assert_eq!(told, ["u-1", "=cmd", "ü/3"]);

    server.ok("POST", "/v1/segments", json!({"name": "Sent", "members": []}));
    let send = |query: &str, bytes: &[u8]| {
        server.send("POST", &format!("/v1/segments/Sent/members{query}"), "application/vnd.roaring", bytes)
    };
    assert_eq!(send("", &list.bytes).json()["count"], 3);
    let mut alone = vec![];
    let first = RoaringBitmap::from_iter([ids.min().unwrap(), 4_000_000_000]);
    first.serialize_into(&mut alone).unwrap();
    let database = list.header("throng-database").unwrap();
    let answer = send(&format!("?mode=replace&database={database}"), &alone).json();
    assert_eq!((&answer["count"], &answer["unknown_ids"]), (&json!(1), &json!(1)), "{answer}");
    let code = |reply: Reply| (reply.status, reply.json()["type"].as_str().unwrap_or_default().to_owned());
    let refused = |word: &str| (422, format!("urn:throng:problem:{word}"));
    assert_eq!(code(send("", &alone)), refused("no_database"));
    assert_eq!(code(send("?database=00000000-0000-0000-0000-000000000000", &alone)), refused("other_database"));
    let (_other_folder, other) = self::server();
    let foreign = other.send("POST", "/v1/segments/All/members", "application/vnd.roaring", list.bytes.clone());
    assert_eq!(code(foreign), refused("other_database"));
    for cut in [0, 3, length - 1, length + 1, length + 39, list.bytes.len() - 1] {
        assert!([400, 422].contains(&send("", &list.bytes[..cut]).status), "{cut}");
    }
    // An erased contact's id is given to nobody else.
    server.ok("DELETE", "/v1/contacts/u-1", Value::Null);
    server.ok("PUT", "/v1/contacts/new", json!({}));
    let answer = send("?mode=replace", &list.bytes).json();
    assert_eq!((&answer["count"], &answer["unknown_ids"]), (&json!(2), &json!(1)), "{answer}");
    let members = server.call("GET", "/v1/segments/Sent/members", Value::Null).text;
    let members: BTreeSet<&str> = members.lines().collect();
    assert_eq!(members, BTreeSet::from([r#"{"key":"=cmd"}"#, r#"{"key":"ü/3"}"#]));
    assert_eq!(
        code(server.call("GET", "/v1/segments/All/members?format=roaring&limit=2", Value::Null)),
        refused("whole_list")
    );
}
