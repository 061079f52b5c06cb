//! Sets of positions on a type's line: unions of spans, and the exact comparison of sums and averages.

use std::cmp::Ordering;

/// A union of spans, both ends included: ascending, disjoint, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spans(Vec<(i128, i128)>);

impl Spans {
    /// The union of any spans; those whose first is after their last are empty.
    pub fn new(mut spans: Vec<(i128, i128)>) -> Spans {
        spans.retain(|(first, last)| first <= last);
        spans.sort_unstable();
        let mut merged: Vec<(i128, i128)> = Vec::with_capacity(spans.len());
        for (first, last) in spans {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Spans(merged)
    }

    /// One span.
    pub fn one(first: i128, last: i128) -> Spans {
        Spans::new(vec![(first, last)])
    }

    /// Becomes one span, in the memory it has.
    pub fn set_one(&mut self, first: i128, last: i128) {
        self.0.clear();
        if first <= last {
            self.0.push((first, last));
        }
    }

    /// Whether a position lies in one of the spans.
    pub fn contains(&self, position: i128) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= position);
        after > 0 && position <= self.0[after - 1].1
    }

    /// Whether nothing lies in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The spans in order.
    pub fn as_slice(&self) -> &[(i128, i128)] {
        &self.0
    }
}

/// A sum of positions, wide enough for any number of them: `high × 2⁶⁴ + low`, `low < 2⁶⁴`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wide {
    high: i128,
    low: u64,
}

impl Wide {
    /// The sum with one position more.
    pub fn plus(self, position: i128) -> Wide {
        let low = u128::from(self.low) + u128::from(position as u64);
        Wide { high: self.high + (position >> 64) + (low >> 64) as i128, low: low as u64 }
    }

    /// A position so many times.
    pub fn product(position: i128, times: u32) -> Wide {
        let low = u128::from(position as u64) * u128::from(times);
        Wide { high: (position >> 64) * i128::from(times) + (low >> 64) as i128, low: low as u64 }
    }

    /// The quotient, cut off; `None` when the sum is beyond 128 bits or nothing is shared out.
    pub fn divided(self, by: u32) -> Option<i128> {
        let high = i64::try_from(self.high).ok()?;
        (i128::from(high) << 64 | i128::from(self.low)).checked_div(i128::from(by))
    }
}

/// Bounds on a rational number: none, or a position that may or may not itself be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The least, and whether it is inside.
    pub lower: Option<(i128, bool)>,
    /// The greatest, and whether it is inside.
    pub upper: Option<(i128, bool)>,
}

impl Interval {
    /// Whether `sum / count` is inside. Exact: `sum` is compared with `bound × count`.
    #[inline]
    pub fn contains(&self, sum: Wide, count: u32) -> bool {
        let holds = |bound: Option<(i128, bool)>, wanted: Ordering| {
            bound.is_none_or(|(position, inside)| match sum.cmp(&Wide::product(position, count)) {
                Ordering::Equal => inside,
                other => other == wanted,
            })
        };
        holds(self.lower, Ordering::Greater) && holds(self.upper, Ordering::Less)
    }
}

/// Bounds on a count: from the first to the second, and not the third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CountTest {
    /// The least.
    pub least: u64,
    /// The greatest.
    pub most: u64,
    /// A count that does not pass.
    pub except: Option<u64>,
}

impl CountTest {
    /// At least one.
    pub const SOME: CountTest = CountTest { least: 1, most: u64::MAX, except: None };

    /// None.
    pub const NONE: CountTest = CountTest { least: 0, most: 0, except: None };

    /// Whether a count passes.
    #[inline]
    pub fn accepts(&self, count: u64) -> bool {
        (self.least..=self.most).contains(&count) && self.except != Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_merge_and_find() {
        let spans = Spans::new(vec![(5, 7), (1, 2), (3, 3), (9, 8), (20, i128::MAX), (30, 40)]);
        assert_eq!(spans.as_slice(), [(1, 3), (5, 7), (20, i128::MAX)]);
        let inside: Vec<i128> = (0..22).filter(|v| spans.contains(*v)).collect();
        assert_eq!(inside, [1, 2, 3, 5, 6, 7, 20, 21]);
        assert!(Spans::one(4, 3).is_empty());
    }

    #[test]
    fn sums_do_not_overflow_and_averages_are_exact() {
        let huge = i128::MAX / 2;
        let sum = (0..1_000).fold(Wide::default(), |sum, _| sum.plus(huge));
        assert_eq!(sum, Wide::product(huge, 1_000));
        let low = (0..1_000).fold(Wide::default(), |sum, _| sum.plus(-huge));
        assert_eq!(low, Wide::product(-huge, 1_000));
        assert!(low < Wide::default() && Wide::default() < sum);
        assert_eq!(sum.plus(-5).plus(5), sum);
        let mean = |values: &[i128], interval: Interval| {
            let sum = values.iter().fold(Wide::default(), |sum, v| sum.plus(*v));
            interval.contains(sum, values.len() as u32)
        };
        let below_3 = Interval { lower: None, upper: Some((3, false)) };
        assert!(mean(&[2, 3, 3], below_3), "8/3 < 3");
        assert!(!mean(&[3, 3, 3], below_3));
        assert!(!mean(&[2, 3, 3], Interval { lower: None, upper: Some((2, true)) }), "8/3 is not at most 2");
        assert!(mean(&[-1, -2], Interval { lower: Some((-2, false)), upper: Some((-1, false)) }));
    }

    #[test]
    fn counts_hold_all_their_bounds() {
        let test = CountTest { least: 2, most: 5, except: Some(3) };
        let passing: Vec<u64> = (0..8).filter(|n| test.accepts(*n)).collect();
        assert_eq!(passing, [2, 4, 5]);
    }
}
