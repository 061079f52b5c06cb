//! The retry plan: what a call came to, and what follows from it.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The longest wait that a receiver may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The receiver answered with this status.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// The connection was refused, or broke before an answer.
    Connection,
    /// The name of the host could not be resolved.
    Unresolved,
    /// The host resolved to an address that may not be called.
    Denied,
    /// No secure connection could be made: a bad certificate, most likely.
    Tls,
    /// What came back is not HTTP.
    Malformed,
}

impl Outcome {
    /// The word for programs. It is coarse, so that nobody can explore a network by webhooks.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Status(_) => "status",
            Outcome::Timeout => "timeout",
            Outcome::Connection => "connection",
            Outcome::Unresolved => "unresolved",
            Outcome::Denied => "denied",
            Outcome::Tls => "tls",
            Outcome::Malformed => "malformed",
        }
    }

    /// The status, if the receiver answered.
    pub fn status(self) -> Option<u16> {
        if let Outcome::Status(status) = self { Some(status) } else { None }
    }

    /// Whether the receiver has taken the message.
    pub fn is_taken(self) -> bool {
        matches!(self, Outcome::Status(200..=299))
    }

    /// Whether it is about this message and not about the receiver: other messages may fare better.
    pub fn is_about_message(self) -> bool {
        matches!(self, Outcome::Status(status) if (400..500).contains(&status) && !matches!(status, 408 | 425 | 429))
    }
}

/// What is done next with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It is tried again after this time.
    Again(Duration),
    /// It is given up.
    GiveUp,
    /// The receiver wants nothing any more (410).
    Gone,
}

/// When a message is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The wait before each try while the receiver is in trouble; the first one is 0.
    pub receiver: Vec<Duration>,
    /// The wait before each try of a message that the receiver refuses.
    pub message: Vec<Duration>,
}

impl Default for Plan {
    /// The plan of Standard Webhooks, about three days; for a refused message five tries within an hour.
    fn default() -> Plan {
        let (second, minute, hour) = (1, 60, 3_600);
        let waits = |waits: &[u64]| waits.iter().map(|wait| Duration::from_secs(*wait)).collect();
        Plan {
            receiver: waits(&[
                0,
                5 * second,
                5 * minute,
                30 * minute,
                2 * hour,
                5 * hour,
                10 * hour,
                14 * hour,
                20 * hour,
                24 * hour,
            ]),
            message: waits(&[0, 5 * second, 5 * minute, 20 * minute, 30 * minute]),
        }
    }
}

impl Plan {
    /// The longest wait between two tries.
    pub fn longest(&self) -> Duration {
        let longest = self.receiver.iter().chain(&self.message).max().copied().unwrap_or_default();
        (longest * 6 / 5).max(RETRY_AFTER_MAX)
    }

    /// What follows from the `tries`-th try, counted from 1, of a message that came to an outcome of this kind: tries
    /// while the receiver was in trouble do not count as refusals, nor the other way round.
    pub fn judge(&self, outcome: Outcome, retry_after: Option<Duration>, id: &str, tries: u32) -> Verdict {
        if outcome.is_taken() {
            return Verdict::Taken;
        }
        if outcome == Outcome::Status(410) {
            return Verdict::Gone;
        }
        let waits = if outcome.is_about_message() { &self.message } else { &self.receiver };
        match waits.get(tries as usize) {
            None => Verdict::GiveUp,
            Some(wait) => {
                let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
                Verdict::Again(spread(*wait, id, tries).max(asked))
            }
        }
    }
}

/// A wait that is up to a fifth longer or shorter, the same for the same try of a message: so that many messages that
/// failed at once do not come back at once.
fn spread(wait: Duration, id: &str, tries: u32) -> Duration {
    let share = xxh3_64(format!("{id} {tries}").as_bytes()) % 401;
    wait * (800 + share as u32) / 1_000
}

/// A list of waits such as `0s,5s,5m,2h,100ms`.
///
/// Errors: a sentence.
pub fn parse_waits(text: &str) -> Result<Vec<Duration>, String> {
    let waits: Vec<Duration> = text.split(',').map(|wait| parse_wait(wait.trim())).collect::<Result<_, _>>()?;
    match waits.len() {
        1..=100 => Ok(waits),
        n => Err(format!("a plan has 1 to 100 tries, not {n}")),
    }
}

/// A time such as `15s`.
///
/// Errors: a sentence.
pub fn parse_wait(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a time such as 100ms, 5s, 5m or 2h");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = u64::from_str(&text[..digits]).map_err(|_| wrong())?;
    let ms: u64 = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let longest = 30 * 24 * 3_600_000;
    number.checked_mul(ms).filter(|ms| *ms <= longest).map(Duration::from_millis).ok_or_else(wrong)
}

/// What the header `Retry-After` asks for: seconds, or a date that is measured from `now` (milliseconds since 1970).
pub fn retry_after(header: &str, now: i64) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(header.trim()).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_millis(u64::try_from(now).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fifth(wait: Duration, of: Duration) -> bool {
        (of * 4 / 5..=of * 6 / 5).contains(&wait)
    }

    #[test]
    fn the_plan_is_that_of_the_standard() {
        let plan = Plan::default();
        for outcome in
            [Outcome::Status(500), Outcome::Timeout, Outcome::Status(302), Outcome::Status(429), Outcome::Denied]
        {
            let mut total = Duration::ZERO;
            for tries in 1..10 {
                let Verdict::Again(wait) = plan.judge(outcome, None, "m", tries) else { panic!("{outcome:?} {tries}") };
                assert!(fifth(wait, plan.receiver[tries as usize]), "{outcome:?} {tries}: {wait:?}");
                total += wait;
            }
            assert!((200_000..340_000).contains(&total.as_secs()), "about three days: {total:?}");
            assert_eq!(plan.judge(outcome, None, "m", 10), Verdict::GiveUp);
        }
    }

    #[test]
    fn a_refused_message_is_given_up_within_an_hour() {
        let plan = Plan::default();
        for status in [400, 401, 404, 413, 422] {
            let outcome = Outcome::Status(status);
            assert!(matches!(plan.judge(outcome, None, "m", 4), Verdict::Again(_)));
            assert_eq!(plan.judge(outcome, None, "m", 5), Verdict::GiveUp);
        }
        assert!(plan.message.iter().sum::<Duration>() * 6 / 5 < Duration::from_secs(3_600 * 6 / 5));
    }

    #[test]
    fn success_is_2xx_alone_and_410_is_the_end() {
        let plan = Plan::default();
        for status in 100..600 {
            let taken = plan.judge(Outcome::Status(status), None, "m", 1) == Verdict::Taken;
            assert_eq!(taken, (200..300).contains(&status), "{status}");
            let gone = plan.judge(Outcome::Status(status), None, "m", 1) == Verdict::Gone;
            assert_eq!(gone, status == 410, "{status}");
        }
    }

    #[test]
    fn receivers_may_ask_for_time_but_not_for_ever() {
        let plan = Plan::default();
        let wait = |asked: u64| plan.judge(Outcome::Status(429), Some(SECOND * asked as u32), "m", 1);
        assert_eq!(wait(60), Verdict::Again(60 * SECOND));
        assert_eq!(wait(1_000_000), Verdict::Again(RETRY_AFTER_MAX));
        assert!(matches!(wait(0), Verdict::Again(wait) if fifth(wait, 5 * SECOND)));
        let now = 784_111_777_000;
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(60 * SECOND));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!((retry_after(" 7 ", now), retry_after("soon", now)), (Some(7 * SECOND), None));
        assert_eq!(retry_after("99999999999999999999", now), None);
    }

    #[test]
    fn plans_are_written_as_times() {
        let read = parse_waits("0s, 100ms,5m,2h").unwrap();
        assert_eq!(read, [0, 100, 300_000, 7_200_000].map(Duration::from_millis));
        for bad in ["", "5", "s", "-1s", "5 s", "1d", "99999999999999999999s", "999h,"] {
            assert!(parse_waits(bad).is_err(), "{bad}");
        }
    }
}
