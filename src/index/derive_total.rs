//! Exact sums and means of positions, whatever their order: the width never runs out, only the result is bounded.

use crate::model::{
    number::{Number, ONE},
    time::{Day, Timestamp},
    value::ValueType,
};

/// A sum under way. Values are split at 10^18, so that 2^60 of the greatest numbers still add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    whole: i128,
    rest: i128,
    count: i128,
}

impl Total {
    /// Adds a position.
    pub fn add(&mut self, position: i128) {
        self.whole += position.div_euclid(ONE);
        self.rest += position.rem_euclid(ONE);
        self.count += 1;
    }

    /// How many were added.
    pub fn count(&self) -> i128 {
        self.count
    }

    /// The sum, or the end of 128 bits that it lies beyond.
    pub fn sum(&self) -> i128 {
        let whole = self.whole + self.rest.div_euclid(ONE);
        whole.checked_mul(ONE).and_then(|whole| whole.checked_add(self.rest.rem_euclid(ONE))).unwrap_or(if whole < 0 {
            i128::MIN
        } else {
            i128::MAX
        })
    }

    /// The mean, to the nearest unit of the type, a half to the even one; `None` of nothing.
    pub fn mean(&self) -> Option<i128> {
        if self.count == 0 {
            return None;
        }
        let whole = self.whole + self.rest.div_euclid(ONE);
        let units = whole.rem_euclid(self.count) * ONE + self.rest.rem_euclid(ONE);
        let mean = whole.div_euclid(self.count) * ONE + units.div_euclid(self.count);
        let twice = units.rem_euclid(self.count) * 2;
        let up = twice > self.count || (twice == self.count && mean % 2 != 0);
        Some(mean + i128::from(up))
    }
}

/// The least and the greatest position of a type.
pub fn bounds(ty: ValueType) -> (i128, i128) {
    match ty {
        ValueType::Number => (Number::MIN.0, Number::MAX.0),
        ValueType::Money(_) => (i128::from(i64::MIN), i128::from(i64::MAX)),
        ValueType::Timestamp => (i128::from(Timestamp::MIN.0), i128::from(Timestamp::MAX.0)),
        ValueType::Date => (i128::from(Day::MIN.0), i128::from(Day::MAX.0)),
        ValueType::Boolean => (0, 1),
        ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set => (i128::MIN, i128::MAX),
    }
}

/// A position kept within its type.
pub fn clamp(ty: ValueType, position: i128) -> i128 {
    let (least, greatest) = bounds(ty);
    position.clamp(least, greatest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(positions: &[i128]) -> Total {
        let mut total = Total::default();
        positions.iter().for_each(|position| total.add(*position));
        total
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let (big, low) = (Number::MAX.0, Number::MIN.0);
        let up = total(&[big; 40]);
        assert_eq!(up.sum(), i128::MAX, "beyond 128 bits");
        let mut values = vec![big; 40];
        values.extend([low; 40]);
        values.push(7);
        let back = total(&values).sum();
        values.reverse();
        assert_eq!(total(&values).sum(), back);
        assert_eq!(back, 40 * (big + low) + 7);
        assert_eq!(total(&[low; 40]).sum(), i128::MIN);
        assert_eq!(total(&[-1, -2, 5 * ONE]).sum(), 5 * ONE - 3);
    }

    #[test]
    fn means_round_half_to_even() {
        assert_eq!(total(&[]).mean(), None);
        assert_eq!(total(&[1, 2]).mean(), Some(2));
        assert_eq!(total(&[2, 3]).mean(), Some(2));
        assert_eq!(total(&[-1, -2]).mean(), Some(-2));
        assert_eq!(total(&[-2, -3]).mean(), Some(-2));
        assert_eq!(total(&[1, 1, 2]).mean(), Some(1));
        assert_eq!(total(&[-1, -1, -2]).mean(), Some(-1));
        assert_eq!(total(&[ONE, 2 * ONE]).mean(), Some(ONE + ONE / 2));
        assert_eq!(total(&[Number::MAX.0; 1_000]).mean(), Some(Number::MAX.0));
        assert_eq!(total(&[Number::MIN.0; 1_001]).mean(), Some(Number::MIN.0));
    }
}
