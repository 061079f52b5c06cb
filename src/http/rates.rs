//! How often may someone call? Rates by key, by address of those who show none, and of keys that are none; off unless set.
//!
//! A caller may use up the calls of its span at once, and then one each time as its share of the span has passed (the
//! generic cell rate algorithm, by `governor`).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use serde_json::{Value, json};

use crate::{
    db::keys::Grant,
    http::problem::Problem,
    model::rate::{Rate, Span},
};

/// Addresses that are remembered before it is first looked which may call freely again, and be forgotten.
const ADDRESSES_KEPT: usize = 10_000;
/// Addresses that are remembered at most. Whoever has more of them is not held by a limit for each.
const ADDRESSES_MAX: usize = 200_000;

/// What was set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Calls of one key, unless the key has a rate of its own, and of one address without a key.
    pub calls: Option<Rate>,
    /// Keys that are none, from one address.
    pub failures: Option<Rate>,
}

/// Who called how often.
#[derive(Default)]
pub struct Rates {
    settings: Settings,
    keys: Mutex<BTreeMap<String, (Rate, Arc<DefaultDirectRateLimiter>)>>,
    addresses: Option<Addresses>,
    failures: Option<Addresses>,
}

/// How often each address called.
struct Addresses {
    rate: Rate,
    known: Mutex<Known>,
}

struct Known {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    /// Past so many it is looked whom to forget.
    look_at: usize,
}

fn quota(rate: Rate) -> Quota {
    match rate.span {
        Span::Second => Quota::per_second(rate.calls),
        Span::Minute => Quota::per_minute(rate.calls),
        Span::Hour => Quota::per_hour(rate.calls),
    }
}

impl Rates {
    /// Counts by these.
    pub fn of(settings: Settings) -> Rates {
        Rates {
            settings,
            keys: Mutex::default(),
            addresses: settings.calls.map(Addresses::of),
            failures: settings.failures.map(Addresses::of),
        }
    }

    /// Counts a call of a key.
    ///
    /// Errors: 429.
    pub fn key(&self, grant: &Grant) -> Result<(), Problem> {
        let Some(rate) = grant.rate.or(self.settings.calls) else { return Ok(()) };
        let limiter = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            match keys.get(&grant.id) {
                Some((known, limiter)) if *known == rate => Arc::clone(limiter),
                _ => {
                    let limiter = Arc::new(RateLimiter::direct(quota(rate)));
                    keys.insert(grant.id.clone(), (rate, Arc::clone(&limiter)));
                    limiter
                }
            }
        };
        let said = || format!("the key {} may call {rate}", grant.id);
        limiter.check().map_err(|late| too_often(&said(), late.wait_time_from(DefaultClock::default().now())))
    }

    /// Counts a call without a key.
    ///
    /// Errors: 429.
    pub fn address(&self, from: Option<IpAddr>) -> Result<(), Problem> {
        self.addresses.as_ref().map_or(Ok(()), |all| all.check(from, "this address may call"))
    }

    /// Counts a key that is none: by the rate of these, else as a call without a key.
    ///
    /// Errors: 429. One that is good is served all the same: whoever guesses keeps no one else out.
    pub fn failure(&self, from: Option<IpAddr>) -> Result<(), Problem> {
        match &self.failures {
            Some(all) => all.check(from, "this address may show keys that are none"),
            None => self.address(from),
        }
    }

    /// As the status tells them.
    pub fn to_json(&self) -> Value {
        let told = |rate: Option<Rate>| rate.map(|rate| rate.to_string());
        json!({
            "per_key": told(self.settings.calls),
            "per_address": told(self.settings.calls),
            "failed_logins": told(self.settings.failures),
        })
    }
}

impl Addresses {
    fn of(rate: Rate) -> Addresses {
        let known = Known { limiter: RateLimiter::keyed(quota(rate)), look_at: ADDRESSES_KEPT };
        Addresses { rate, known: Mutex::new(known) }
    }

    fn check(&self, from: Option<IpAddr>, said: &str) -> Result<(), Problem> {
        let Some(from) = from else { return Ok(()) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.limiter.len() > known.look_at {
            known.limiter.retain_recent();
            if known.limiter.len() > ADDRESSES_MAX / 2 {
                known.limiter = RateLimiter::keyed(quota(self.rate));
            }
            // Not before they are twice as many again, so that looking costs each call a little at most.
            known.look_at = ADDRESSES_KEPT.max(2 * known.limiter.len());
        }
        let late = known.limiter.check_key(&network(from));
        let rate = self.rate;
        late.map_err(|late| too_often(&format!("{said} {rate}"), late.wait_time_from(DefaultClock::default().now())))
    }
}

/// Whom an address stands for: of IPv6 a household has 2^64 addresses.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

fn too_often(said: &str, wait: std::time::Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let seconds = u32::try_from(seconds.max(1)).unwrap_or(u32::MAX);
    let detail = format!("too many calls: {said}; try again in {seconds} s");
    Problem { retry_after: Some(seconds), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(id: &str, rate: Option<&str>) -> Grant {
        Grant { id: id.into(), scopes: Vec::new(), rate: rate.map(|rate| rate.parse().unwrap()) }
    }

    #[test]
    fn each_key_and_each_address_has_calls_of_its_own() {
        let calls: Rate = "3/h".parse().unwrap();
        let rates = Rates::of(Settings { calls: Some(calls), failures: Some(calls) });
        let (one, own) = (grant("a", None), grant("b", Some("5/h")));
        assert_eq!((0..9).filter(|_| rates.key(&one).is_ok()).count(), 3);
        assert_eq!((0..9).filter(|_| rates.key(&own).is_ok()).count(), 5, "a rate of its own");
        assert_eq!((0..9).filter(|_| rates.key(&grant("b", Some("7/h"))).is_ok()).count(), 7, "which was changed");
        let late = rates.key(&one).unwrap_err();
        assert_eq!((late.status.as_u16(), late.code), (429, "rate_limited"));
        assert!((1_100..=1_200).contains(&late.retry_after.unwrap()), "{late:?}");
        let address = |text: &str| Some(text.parse().unwrap());
        for from in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
            assert_eq!((0..9).filter(|_| rates.address(address(from)).is_ok()).count(), 3, "{from}");
            assert_eq!((0..9).filter(|_| rates.failure(address(from)).is_ok()).count(), 3, "{from}");
        }
        assert!(rates.address(address("2001:db8::2:1")).is_err(), "one household");
        assert!(rates.address(address("::ffff:10.0.0.1")).is_err(), "the same address in another form");
        assert!(rates.address(None).is_ok(), "a caller in this process");
    }

    #[test]
    fn keys_that_are_none_count_as_calls_without_one_unless_they_have_a_rate() {
        let rates = Rates::of(Settings { calls: Some("3/h".parse().unwrap()), failures: None });
        let from = Some("10.0.0.1".parse().unwrap());
        assert_eq!((0..9).filter(|_| rates.failure(from).is_ok()).count(), 3);
        assert!(rates.address(from).is_err() && rates.key(&grant("a", None)).is_ok());
    }

    #[test]
    fn many_addresses_cost_neither_time_nor_memory_without_end() {
        let all = Addresses::of("1/h".parse().unwrap());
        let (mut looks, mut look_at, mut most) = (0, ADDRESSES_KEPT, 0);
        for n in 0..ADDRESSES_MAX as u32 + 50_000 {
            all.check(Some(std::net::Ipv4Addr::from(0x0a00_0000 + n).into()), "").unwrap();
            let known = all.known.lock().unwrap();
            most = most.max(known.limiter.len());
            looks += u32::from(known.look_at != look_at);
            look_at = known.look_at;
        }
        assert!(most <= ADDRESSES_MAX && most > 2 * ADDRESSES_KEPT, "{most}");
        assert!(looks <= 10, "{looks}");
    }

    #[test]
    fn unset_means_unlimited() {
        let rates = Rates::default();
        let from = Some("10.0.0.1".parse().unwrap());
        assert!((0..10_000).all(|_| rates.key(&grant("a", None)).is_ok() && rates.address(from).is_ok()));
        assert!(rates.failure(from).is_ok());
        assert_eq!((0..9).filter(|_| rates.key(&grant("b", Some("2/h"))).is_ok()).count(), 2);
    }
}
