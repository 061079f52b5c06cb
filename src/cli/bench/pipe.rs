//! `throng bench --ask`: rules from standard input, a line each, answered with the time that each took, so that a script
//! can ask by turns what it also asks of others.

use std::{
    hint::black_box,
    io::{BufRead, Write},
};

use serde_json::{Value, json};

use crate::{
    cli::{
        bench::ask::{parsed, timed},
        failure::Failure,
    },
    db::database::Database,
    model::{
        name::{ContactKey, Name},
        request::{ContactWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
    },
};

/// Answers line after line until the input ends. A line that cannot be answered is answered with what is wrong.
///
/// Errors: when the input or the output breaks off.
pub fn answer(db: &Database, input: impl BufRead, mut output: impl Write) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::operator(format!("the questions broke off: {error}"));
    for line in input.lines() {
        let line = line.map_err(broken)?;
        if line.trim().is_empty() {
            continue;
        }
        let told = match serde_json::from_str(&line) {
            Ok(asked) => one(db, &asked).unwrap_or_else(|failure| json!({ "error": failure.message })),
            Err(error) => json!({ "error": format!("a question is a JSON object: {error}") }),
        };
        writeln!(output, "{told}").and_then(|()| output.flush()).map_err(broken)?;
    }
    Ok(())
}

fn one(db: &Database, asked: &Value) -> Result<Value, Failure> {
    let text = |key: &str| asked[key].as_str().map(str::to_owned);
    if let Some(text) = text("count") {
        let (us, count) = timed(|| counted(db, &text));
        return Ok(json!({ "count": count?, "us": us }));
    }
    if let Some(text) = text("ids") {
        let (us, ids) = timed(|| {
            let view = db.view();
            Ok::<_, Failure>(view.query(&parsed(&view, &text)?, None)?.to_ids())
        });
        let ids = black_box(ids?);
        let sum: u64 = ids.iter().map(|id| u64::from(*id)).sum();
        return Ok(json!({ "count": ids.len(), "sum": sum, "us": us }));
    }
    if let Some(key) = text("lookup") {
        let (us, segments) = timed(|| db.view().segments_of(&key));
        return Ok(json!({ "segments": segments, "us": us }));
    }
    if let (Some(name), Some(rule)) = (text("save"), text("rule")) {
        let source = SegmentSource::Rule(RuleSource::Text(rule.as_str().into()));
        let create = SegmentCreate { name: name.as_str().into(), description: None, source };
        let (us, written) = timed(|| written(db, Request::CreateSegment(create)));
        written?;
        return Ok(json!({ "us": us }));
    }
    if let (Some(key), Some(tag)) = (text("contact"), text("tag")) {
        let key = ContactKey::new(&key).map_err(|error| Failure::caller(error.to_string()))?;
        let tags = Name::new("tags").map_err(|error| Failure::caller(error.to_string()))?;
        let values = vec![(tags, Input::List(vec![Input::Text(tag.as_str().into())]))];
        let write = Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values });
        let (us, seen) = timed(|| {
            written(db, write)?;
            counted(db, &format!("Has tag \"{tag}\""))
        });
        return Ok(json!({ "count": seen?, "us": us }));
    }
    Err(Failure::caller(
        "a question has \"count\", \"ids\", \"lookup\", \"save\" and \"rule\", or \"contact\" and \"tag\"",
    ))
}

/// As everyone does it: the text read, bound and answered.
fn counted(db: &Database, text: &str) -> Result<u64, Failure> {
    let view = db.view();
    Ok(view.count(&parsed(&view, text)?, None)?)
}

fn written(db: &Database, request: Request) -> Result<(), Failure> {
    for result in db.write(request)?.results {
        result.map_err(|refusal| Failure::operator(refusal.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::options::Options, model::time::Timestamp};

    #[test]
    fn lines_are_answered_one_by_one() {
        let db = Database::open(Options::default().at(Timestamp(1_777_593_600_000))).unwrap();
        let asked = "{\"contact\":\"u-1\",\"tag\":\"VIP\"}\n\n{\"count\":\"Has tag VIP\"}\n{\"ids\":\"everyone\"}\n\
            {\"save\":\"VIPs\",\"rule\":\"Has tag VIP\"}\n{\"lookup\":\"u-1\"}\n{\"count\":\"Has tag (\"}\nno JSON\n{}\n";
        let mut told = Vec::new();
        answer(&db, asked.as_bytes(), &mut told).unwrap();
        let told: Vec<Value> =
            String::from_utf8(told).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(told.len(), 8);
        assert!(told[..3].iter().all(|answer| answer["count"] == 1 && answer["us"].as_f64() > Some(0.0)), "{told:?}");
        assert_eq!(told[4]["segments"], json!(["VIPs"]));
        assert!(told[5..].iter().all(|answer| answer["error"].is_string()), "{told:?}");
    }
}
