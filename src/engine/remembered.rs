//! Outcomes kept under idempotency keys, so that a retried call is answered as the first time.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{
    id::Lsn,
    planted::{Bug, planted},
    request::{Applied, REFUSAL_CODES, Refusal, RefusalKind},
    time::Timestamp,
};

/// How long an outcome is kept, by the instants of the log. Units: milliseconds.
pub const KEPT_MS: i64 = 86_400_000;
/// What is left of a refusal's words once a contact was erased.
const DETAIL_ERASED: &str =
    "refused, as it was the first time; what was said then is gone, as a contact was erased since";
/// Parts that are copied one at a time on a write.
const SHARDS: usize = 512;
/// Outcomes of one part; beyond that the oldest goes.
const SHARD_MAX: usize = 2_048;
/// What the outcomes of one part may weigh; beyond that the oldest go, but never the newest. Units: bytes.
const SHARD_BYTES_MAX: usize = 512 << 10;
/// So many outcomes of a day are kept at least, unless they are heavier than most.
const KEPT_LEAST: usize = 1_000_000;
/// What an outcome weighs that says one thing of all its requests. Units: bytes.
const PLAIN_BYTES: usize = 2 * BASE_BYTES;
const BASE_BYTES: usize = 96;

const _: () = assert!(SHARDS * SHARD_MAX >= KEPT_LEAST && SHARD_MAX * PLAIN_BYTES <= SHARD_BYTES_MAX);

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// A digest of the call.
    pub digest: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Where it stands in the log.
    pub lsn: Lsn,
    /// Outcomes with how many in a row are equal: of a large import nearly all are.
    results: Vec<(u32, Outcome)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Outcome {
    Applied(Applied),
    Refused { kind: RefusalKind, code: Box<str>, pointer: String, detail: String },
}

impl Remembered {
    /// An outcome to keep.
    pub fn new(digest: u64, at: Timestamp, lsn: Lsn, results: &[Result<Applied, Refusal>]) -> Remembered {
        let outcome = |result: &Result<Applied, Refusal>| match result {
            Ok(applied) => Outcome::Applied(applied.clone()),
            Err(Refusal { kind, code, pointer, detail }) => {
                Outcome::Refused { kind: *kind, code: (*code).into(), pointer: pointer.clone(), detail: detail.clone() }
            }
        };
        let mut runs: Vec<(u32, Outcome)> = Vec::new();
        for outcome in results.iter().map(outcome) {
            match runs.last_mut() {
                Some((count, last)) if *last == outcome => *count += 1,
                _ => runs.push((1, outcome)),
            }
        }
        runs.shrink_to_fit();
        Remembered { digest, at, lsn, results: runs }
    }

    /// The results as they were answered.
    pub fn results(&self) -> Vec<Result<Applied, Refusal>> {
        let result = |outcome: &Outcome| match outcome {
            Outcome::Applied(applied) => Ok(applied.clone()),
            Outcome::Refused { kind, code, pointer, detail } => Err(Refusal {
                kind: *kind,
                code: REFUSAL_CODES.iter().find(|known| ***known == **code).copied().unwrap_or("refused"),
                pointer: pointer.clone(),
                detail: detail.clone(),
            }),
        };
        let runs = self.results.iter();
        runs.flat_map(|(count, outcome)| std::iter::repeat_with(|| result(outcome)).take(*count as usize)).collect()
    }

    /// About how many bytes it takes. Units: bytes.
    fn weight(&self) -> usize {
        let run = |(_, outcome): &(u32, Outcome)| {
            BASE_BYTES
                + match outcome {
                    Outcome::Applied(Applied::Members { unknown }) => {
                        unknown.iter().map(|key| 24 + key.as_str().len()).sum()
                    }
                    Outcome::Applied(_) => 0,
                    Outcome::Refused { code, pointer, detail, .. } => code.len() + pointer.len() + detail.len(),
                }
        };
        BASE_BYTES + self.results.iter().map(run).sum::<usize>()
    }

    /// Whether the outcome spells a contact's key, or says in words why something was refused: these may spell any value.
    fn may_spell(&self, key: &str) -> bool {
        self.results.iter().any(|(_, outcome)| match outcome {
            Outcome::Applied(Applied::Members { unknown }) => unknown.iter().any(|unknown| unknown.as_str() == key),
            Outcome::Applied(_) => false,
            Outcome::Refused { detail, .. } => detail != DETAIL_ERASED,
        })
    }

    /// Forgets what spells a contact, and not that the call was made.
    fn erase(&mut self, key: &str) {
        for (_, outcome) in &mut self.results {
            match outcome {
                Outcome::Applied(Applied::Members { unknown }) => unknown.retain(|unknown| unknown.as_str() != key),
                Outcome::Applied(_) => {}
                Outcome::Refused { detail, .. } => *detail = DETAIL_ERASED.to_owned(),
            }
        }
    }
}

type Shard = BTreeMap<Box<str>, Remembered>;

/// All outcomes kept. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Empty, or [`SHARDS`] long.
    shards: Arc<Vec<Arc<Shard>>>,
}

fn shard_of(key: &str) -> usize {
    xxh3_64(key.as_bytes()) as usize % SHARDS
}

impl Memory {
    /// The outcome under a key, unless it is too old.
    pub fn find(&self, key: &str, now: Timestamp) -> Option<&Remembered> {
        let kept = self.shards.get(shard_of(key))?.get(key)?;
        (now.0.saturating_sub(kept.at.0) < KEPT_MS || planted(Bug::KeepOld)).then_some(kept)
    }

    /// Keeps an outcome, and forgets those that are too old, too many or too heavy beside it. With each one another part
    /// is looked through for old ones, so that they are all gone some hundred calls later.
    pub fn keep(&mut self, key: &str, outcome: Remembered) {
        let shards = Arc::make_mut(&mut self.shards);
        shards.resize_with(SHARDS, Arc::default);
        let (now, own) = (outcome.at.0, shard_of(key));
        let is_old = |kept: &Remembered| now.saturating_sub(kept.at.0) >= KEPT_MS;
        for place in [own, outcome.lsn.0 as usize % SHARDS] {
            if shards[place].values().any(is_old) {
                Arc::make_mut(&mut shards[place]).retain(|_, kept| !is_old(kept));
            }
        }
        let shard = Arc::make_mut(&mut shards[own]);
        shard.remove(key);
        let mut weight = outcome.weight() + shard.values().map(Remembered::weight).sum::<usize>();
        while shard.len() >= SHARD_MAX || (weight > SHARD_BYTES_MAX && !shard.is_empty()) {
            let oldest = shard.iter().min_by_key(|(_, kept)| kept.lsn).map(|(key, _)| key.clone());
            let gone = oldest.and_then(|oldest| shard.remove(&oldest));
            weight -= gone.map_or(0, |gone| gone.weight());
        }
        shard.insert(key.into(), outcome);
    }

    /// Forgets what outcomes spell of a contact. They stay, so that a retry still counts once.
    pub fn erase(&mut self, contact_key: &str) {
        if !self.iter().any(|(_, kept)| kept.may_spell(contact_key)) {
            return;
        }
        for shard in Arc::make_mut(&mut self.shards) {
            if shard.values().any(|kept| kept.may_spell(contact_key)) {
                Arc::make_mut(shard).values_mut().for_each(|kept| kept.erase(contact_key));
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&Box<str>, &Remembered)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// All outcomes, by key.
    pub fn entries(&self) -> BTreeMap<Box<str>, Remembered> {
        self.iter().map(|(key, kept)| (key.clone(), kept.clone())).collect()
    }

    /// The memory of some outcomes.
    pub fn from_entries(entries: BTreeMap<Box<str>, Remembered>) -> Memory {
        if entries.is_empty() {
            return Memory::default();
        }
        let mut shards: Vec<Shard> = vec![Shard::new(); SHARDS];
        for (key, kept) in entries {
            shards[shard_of(&key)].insert(key, kept);
        }
        Memory { shards: Arc::new(shards.into_iter().map(Arc::new).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::ContactKey;

    fn outcome(at: i64, results: &[Result<Applied, Refusal>]) -> Remembered {
        Remembered::new(7, Timestamp(at), Lsn(at as u64), results)
    }

    #[test]
    fn outcomes_come_back_for_a_day() {
        let refusal = Refusal {
            kind: RefusalKind::Invalid,
            code: "wrong_type",
            pointer: "/x".into(),
            detail: "\"x\" expects a number".into(),
        };
        let results = vec![Ok(Applied::Created), Err(refusal)];
        let mut memory = Memory::default();
        memory.keep("k", outcome(1_000, &results));
        assert_eq!(memory.find("k", Timestamp(1_000 + KEPT_MS - 1)).unwrap().results(), results);
        assert_eq!(memory.find("k", Timestamp(1_000 + KEPT_MS)), None);
        assert_eq!(memory.find("other", Timestamp(1_000)), None);
        assert_eq!(Memory::from_entries(memory.entries()), memory);
    }

    #[test]
    fn equal_results_in_a_row_are_kept_once() {
        let mut results = vec![Ok(Applied::Created); 4_096];
        results[7] = Ok(Applied::Updated);
        let kept = outcome(1, &results);
        assert_eq!((kept.results.len(), kept.results()), (3, results));
    }

    #[test]
    fn old_and_surplus_outcomes_go() {
        let mut memory = Memory::default();
        memory.keep("old", outcome(0, &[]));
        for n in 0..1_000 {
            memory.keep(&format!("k{n}"), outcome(KEPT_MS + n, &[]));
        }
        let entries = memory.entries();
        assert_eq!((entries.len(), entries.contains_key("old")), (1_000, false));
    }

    #[test]
    fn a_part_keeps_as_many_as_make_a_million_of_all() {
        let mut memory = Memory::default();
        let mut keys = (0..).map(|n| format!("k{n}")).filter(|key| shard_of(key) == 7);
        let kept: Vec<String> = keys.by_ref().take(SHARD_MAX).collect();
        for (at, key) in kept.iter().enumerate() {
            memory.keep(key, outcome(at as i64, &[Ok(Applied::Created)]));
        }
        assert!(kept.iter().all(|key| memory.find(key, Timestamp(0)).is_some()));
        memory.keep(&keys.next().unwrap(), outcome(SHARD_MAX as i64, &[Ok(Applied::Created)]));
        assert_eq!((memory.find(&kept[0], Timestamp(0)), memory.entries().len()), (None, SHARD_MAX));
    }

    #[test]
    fn heavy_outcomes_push_out_the_oldest_but_never_the_newest() {
        let unknown = |n: u64, keys: u64| -> Vec<ContactKey> {
            (0..keys).map(|key| ContactKey::new(&format!("nobody-{n}-{key}-{}", "x".repeat(200))).unwrap()).collect()
        };
        let mut memory = Memory::default();
        let kept = 4_000u64;
        for n in 0..kept {
            let unknown = unknown(n, 400);
            memory.keep(&format!("k{n}"), outcome(n as i64, &[Ok(Applied::Members { unknown })]));
            assert!(memory.find(&format!("k{n}"), Timestamp(n as i64)).is_some());
        }
        for shard in memory.shards.iter() {
            assert!(shard.values().map(Remembered::weight).sum::<usize>() <= SHARD_BYTES_MAX);
        }
        let entries = memory.entries();
        assert!((2_000..kept as usize).contains(&entries.len()), "{}", entries.len());
        // One that is heavier than all may be stays until the next one of its part.
        let unknown = unknown(kept, 4_000);
        memory.keep("k0", outcome(kept as i64, &[Ok(Applied::Members { unknown })]));
        assert!(memory.find("k0", Timestamp(kept as i64)).is_some());
    }

    #[test]
    fn erasure_reaches_it() {
        let unknown = vec![ContactKey::new("canary").unwrap()];
        let mut memory = Memory::default();
        memory.keep("a", outcome(1, &[Ok(Applied::Members { unknown })]));
        memory.keep("b", outcome(1, &[Ok(Applied::Removed)]));
        let refusal = |detail: &str| Refusal {
            kind: RefusalKind::Invalid,
            code: "wrong_type",
            pointer: "/lead_score".into(),
            detail: detail.into(),
        };
        memory.keep("c", outcome(1, &[Ok(Applied::Created), Err(refusal("\"her score\" is no number"))]));
        memory.erase("canary");
        let kept = memory.entries();
        assert_eq!(kept.len(), 3, "the calls are still known: {kept:?}");
        assert!(!format!("{kept:?}").contains("canary") && !format!("{kept:?}").contains("her score"), "{kept:?}");
        assert_eq!(kept["c"].results(), [Ok(Applied::Created), Err(refusal(DETAIL_ERASED))]);
        assert_eq!(kept["a"].results(), [Ok(Applied::Members { unknown: vec![] })]);
    }

    #[test]
    fn codes_are_sorted() {
        assert!(REFUSAL_CODES.is_sorted());
    }
}
