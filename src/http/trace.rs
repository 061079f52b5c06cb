//! The trace that a call is part of (W3C Trace Context, 2021): taken as it is told, never begun here.

use axum::http::HeaderMap;
use uuid::Uuid;

use crate::webhook::client::Carried;

/// The header that tells it.
const PARENT: &str = "traceparent";
/// What tracing systems say beside it, which is passed on as it is.
const STATE: &str = "tracestate";
/// How much of that is passed on. Units: bytes; the specification wants 512 at least.
const STATE_BYTES_MAX: usize = 512;

/// A trace and what of it called us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    id: String,
    flags: u8,
    state: Option<String>,
}

impl Trace {
    /// The trace of a call. One that is not told as the specification wants it is none.
    pub fn of(headers: &HeaderMap) -> Option<Trace> {
        let mut told = headers.get_all(PARENT).iter();
        let (Some(parent), None) = (told.next(), told.next()) else { return None };
        let (id, flags) = parse(parent.to_str().ok()?)?;
        let states: Option<Vec<&str>> = headers.get_all(STATE).iter().map(|state| state.to_str().ok()).collect();
        let state = states.map(|states| states.join(",")).filter(|state| (1..=STATE_BYTES_MAX).contains(&state.len()));
        Some(Trace { id: id.to_owned(), flags, state })
    }

    /// Its id: 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What a call that this one makes carries: the same trace, with a parent of its own.
    pub fn carried(&self) -> Carried {
        // The first half of a random UUID has its version in it, so it is never zero.
        let parent = Uuid::new_v4().as_u64_pair().0;
        let parent = format!("00-{}-{parent:016x}-{:02x}", self.id, self.flags & SAMPLED);
        Carried { parent, state: self.state.clone() }
    }
}

/// The flag that says that the trace is recorded; the others have no meaning yet, and are not passed on.
const SAMPLED: u8 = 1;

/// The id and the flags of a `traceparent`. Of later versions what this one knows is read (3.2.4 there).
fn parse(text: &str) -> Option<(&str, u8)> {
    let bytes = text.as_bytes();
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    if bytes.len() < 55 || !text.is_ascii() || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let (version, id, parent, flags) = (&text[..2], &text[3..35], &text[36..52], &text[53..55]);
    let is_whole = match version {
        "00" => bytes.len() == 55,
        _ => bytes.len() == 55 || bytes[55] == b'-',
    };
    let is_fine = is_whole && version != "ff" && [version, id, parent, flags].into_iter().all(is_hex);
    if !is_fine || is_zero(id) || is_zero(parent) {
        return None;
    }
    Some((id, u8::from_str_radix(flags, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(told: &[(&'static str, &str)]) -> Option<Trace> {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            headers.append(*name, value.parse().unwrap());
        }
        Trace::of(&headers)
    }

    #[test]
    fn a_trace_is_taken_as_the_specification_has_it() {
        let good = format!("00-{ID}-00f067aa0ba902b7-01");
        for (told, flags) in [
            (good.clone(), 1),
            (format!("00-{ID}-00f067aa0ba902b7-00"), 0),
            (format!("00-{ID}-00f067aa0ba902b7-ff"), 255),
            (format!("cc-{ID}-00f067aa0ba902b7-01"), 1),
            (format!("cc-{ID}-00f067aa0ba902b7-01-what-the-future-will-be-like"), 1),
        ] {
            let trace = of(&[(PARENT, &told)]).unwrap_or_else(|| panic!("{told}"));
            assert_eq!((trace.id(), trace.flags), (ID, flags), "{told}");
        }
        for bad in [
            String::new(),
            good[..54].to_owned(),
            format!("{good}-"),
            format!("{good}0"),
            format!("cc-{ID}-00f067aa0ba902b7-01.what"),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("0-{ID}-00f067aa0ba902b7-001"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{ID}-0000000000000000-01"),
            good.to_uppercase(),
            format!("00_{ID}-00f067aa0ba902b7-01"),
            format!("00-{ID}-00f067aa0ba902b7-0g"),
            format!("00-{}x-00f067aa0ba902b7-01", &ID[..31]),
        ] {
            assert_eq!(of(&[(PARENT, &bad)]), None, "{bad}");
        }
        assert_eq!(of(&[(PARENT, &good), (PARENT, &good)]), None, "told twice");
        assert_eq!(of(&[(STATE, "a=1")]), None);
    }

    #[test]
    fn what_is_carried_on_has_a_parent_of_its_own() {
        let told = format!("00-{ID}-00f067aa0ba902b7-ff");
        let trace = of(&[(PARENT, &told), (STATE, "a=1"), (STATE, "b=2")]).unwrap();
        let (one, two) = (trace.carried(), trace.carried());
        assert_ne!(one.parent, two.parent);
        assert_eq!(parse(&one.parent), Some((ID, 1)), "flags that mean nothing yet are not passed on");
        assert!(!one.parent.contains("00f067aa0ba902b7"));
        assert_eq!(one.state.as_deref(), Some("a=1,b=2"));
        let long = "a=".to_owned() + &"x".repeat(511);
        assert_eq!(of(&[(PARENT, &told), (STATE, &long)]).unwrap().carried().state, None);
    }
}
