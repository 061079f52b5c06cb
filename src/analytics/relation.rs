//! How two sets stand to each other, found without counting more than it takes.

use crate::bitmap::posting::Posting;

/// From this share of common members on two sets are nearly the same. Units: percent of those in either.
pub const NEAR_PERCENT: u64 = 95;
/// From this share on they overlap much. Units: percent of those in either.
pub const MUCH_PERCENT: u64 = 50;

/// How two sets stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    /// How many are in both.
    pub both: u64,
    /// How many are in either.
    pub either: u64,
}

impl Relation {
    /// Whether at least so many percent of those in either are in both.
    pub fn reaches(self, percent: u64) -> bool {
        self.both * 100 >= self.either * percent
    }

    /// The share of those in either who are in both (Jaccard). Of two empty sets there is none.
    pub fn jaccard(self) -> Option<f64> {
        (self.either > 0).then(|| self.both as f64 / self.either as f64)
    }
}

/// How two sets stand to each other, if one lies within the other or they overlap much; both must have members. `looks`
/// counts the pairs of chunks that were looked at, and the pair itself.
pub fn relation(a: &Posting, b: &Posting, looks: &mut u64) -> Option<Relation> {
    *looks += 1;
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let (few, many) = (small.len(), large.len());
    // So many must be common: 2 · both ≥ either, where either = few + many − both.
    let enough = ((few + many) * MUCH_PERCENT).div_ceil(100 + MUCH_PERCENT);
    let (mut both, mut seen) = (0, 0);
    for (chunk, members) in small.chunks() {
        *looks += 1;
        seen += u64::from(members.len());
        both += u64::from(small.and_len_of(large, chunk));
        if both < seen && both + (few - seen) < enough {
            return None;
        }
    }
    (few > 0 && (both == few || both >= enough)).then_some(Relation { both, either: few + many - both })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_neither_within_nor_much() {
        let mut random = 5u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % n
        };
        let (mut told, mut looks) = (0, 0);
        for _ in 0..2_000 {
            let (step, keep, more) = (1 + next(3) as u32 * 5_000, next(100), next(40));
            let a: Posting = (0..300_000u32).step_by(step.max(3_000) as usize).collect();
            let b: Posting = (0..300_000u32)
                .step_by(3_000)
                .filter(|id| if a.contains(*id) { next(100) >= keep / 3 } else { next(100) < more })
                .collect();
            let (both, either) = (a.and_len(&b), a.or(&b).len());
            let wanted = both > 0 && (both == a.len().min(b.len()) || 2 * both >= either);
            assert_eq!(relation(&a, &b, &mut looks), wanted.then_some(Relation { both, either }));
            told += u32::from(wanted);
        }
        assert!((200..1_900).contains(&told), "{told}");
        assert!((4_000..=12_000).contains(&looks), "{looks} looks");
        assert_eq!(relation(&Posting::new(), &Posting::range(5), &mut looks), None);
    }
}
