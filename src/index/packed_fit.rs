//! How positions are packed: which base, which step, how many bytes a code.

/// Steps worth trying, longest first: powers of ten for decimals; days, hours, minutes and seconds of milliseconds.
const STEPS: [u64; 23] = [
    1_000_000_000_000_000_000,
    100_000_000_000_000_000,
    10_000_000_000_000_000,
    1_000_000_000_000_000,
    100_000_000_000_000,
    10_000_000_000_000,
    1_000_000_000_000,
    100_000_000_000,
    10_000_000_000,
    1_000_000_000,
    100_000_000,
    86_400_000,
    10_000_000,
    3_600_000,
    1_000_000,
    100_000,
    60_000,
    10_000,
    1_000,
    100,
    10,
    // Weeks of days.
    7,
    1,
];

/// The whole step of split codes: a second of milliseconds.
pub(super) const FINE: u64 = 1_000;

/// How wide codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    None,
    U8,
    U16,
    U32,
    U64,
    Split,
    Wide,
}

/// Where positions lie and what divides them all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    min: i128,
    max: i128,
    /// Zero when all are zero.
    divisor: u128,
}

impl Span {
    /// The span of some positions, if there is one.
    pub(super) fn of(positions: impl Iterator<Item = i128>) -> Option<Span> {
        let mut span: Option<Span> = None;
        for position in positions {
            let size = position.unsigned_abs();
            match &mut span {
                None => span = Some(Span { min: position, max: position, divisor: size }),
                Some(span) => {
                    span.min = span.min.min(position);
                    span.max = span.max.max(position);
                    if span.divisor != 1 && (span.divisor == 0 || size % span.divisor != 0) {
                        span.divisor = common_divisor(span.divisor, size);
                    }
                }
            }
        }
        span
    }

    fn step(&self) -> u64 {
        let divides = |step: &u64| self.divisor.is_multiple_of(u128::from(*step));
        STEPS.into_iter().find(divides).unwrap_or(1)
    }

    /// Steps from the smallest to the largest position, or none when the line is too short for that.
    fn steps(&self, step: u64) -> Option<u128> {
        let distance = self.max.checked_sub(self.min)?;
        Some(distance as u128 / u128::from(step))
    }
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A choice of base, step and width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) base: i128,
    pub(super) step: u64,
    pub(super) width: Width,
}

impl Fit {
    /// For no position at all.
    pub(super) fn nothing() -> Fit {
        Fit { base: 0, step: 1, width: Width::None }
    }

    /// The fewest bytes that hold the span.
    pub(super) fn tight(span: &Span) -> Fit {
        let step = span.step();
        match span.steps(step) {
            Some(0) => Fit { base: span.min, step, width: Width::None },
            Some(steps) => Fit::of(span, step, steps, steps),
            None => Fit { base: 0, step: 1, width: Width::Wide },
        }
    }

    /// Bytes for at least as much again, with half of what is free below and half above, so that whichever way
    /// positions grow, they seldom outgrow the fit.
    pub(super) fn roomy(span: &Span) -> Fit {
        let step = span.step();
        let Some(steps) = span.steps(step) else { return Fit { base: 0, step: 1, width: Width::Wide } };
        if steps == 0 {
            return Fit { base: span.min, step, width: Width::None };
        }
        let fit = Fit::of(span, step, steps, steps.saturating_mul(2));
        let most: u64 = match fit.width {
            Width::U8 => u8::MAX.into(),
            Width::U16 => u16::MAX.into(),
            Width::U32 | Width::Split => u32::MAX.into(),
            Width::U64 => u64::MAX,
            Width::None | Width::Wide => return fit,
        };
        let used = span.max.wrapping_sub(fit.base) as u128 / u128::from(fit.step);
        let below = u128::from(most).saturating_sub(used) / 2 * u128::from(fit.step);
        let base = i128::try_from(below).ok().and_then(|below| fit.base.checked_sub(below));
        Fit { base: base.unwrap_or(fit.base), ..fit }
    }

    /// The width for codes up to `wanted`, of which `steps` are needed.
    fn of(span: &Span, step: u64, steps: u128, wanted: u128) -> Fit {
        let fit = |width| Fit { base: span.min, step, width };
        let whole_base = span.min.checked_sub(span.min.rem_euclid(i128::from(FINE)));
        let whole_wanted = wanted.saturating_mul(u128::from(step)) / u128::from(FINE) + 1;
        match (wanted, whole_base) {
            (0..=0xff, _) => fit(Width::U8),
            (0x100..=0xffff, _) => fit(Width::U16),
            (0x1_0000..=0xffff_ffff, _) => fit(Width::U32),
            (_, Some(base)) if step < FINE && whole_wanted <= u128::from(u32::MAX) => {
                Fit { base, step: FINE, width: Width::Split }
            }
            // The last code is kept free: a distance that is too long is cut to it.
            _ if steps < u128::from(u64::MAX) => fit(Width::U64),
            _ => Fit { base: 0, step: 1, width: Width::Wide },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tight(values: &[i128]) -> (u64, Width) {
        let fit = Fit::tight(&Span::of(values.iter().copied()).unwrap());
        (fit.step, fit.width)
    }

    #[test]
    fn steps_and_widths_are_the_useful_ones() {
        const ONE: i128 = 1_000_000_000_000_000_000;
        const DAY: i128 = 86_400_000;
        assert_eq!(tight(&[17 * ONE, 42 * ONE]), (ONE as u64, Width::U8));
        assert_eq!(tight(&[17 * ONE, 42 * ONE + ONE / 4]), (ONE as u64 / 100, Width::U16));
        assert_eq!(tight(&[-3 * DAY, 20_000 * DAY]), (DAY as u64, Width::U16));
        assert_eq!(tight(&[1_790_000_000_000, 1_700_000_123_000]), (1_000, Width::U32));
        assert_eq!(tight(&[1_790_000_000_000, 1_700_000_123_456]), (FINE, Width::Split));
        assert_eq!(tight(&[1_700_000_000_001, 1_700_000_000_002]), (1, Width::U8));
        assert_eq!(tight(&[0, 0, 0]), (STEPS[0], Width::None));
        assert_eq!(tight(&[5]), (1, Width::None));
        assert_eq!(tight(&[1, i128::from(u64::MAX)]), (1, Width::U64));
        assert_eq!(tight(&[1, i128::from(u64::MAX) + 1]), (1, Width::Wide));
        assert_eq!(tight(&[i128::MIN, i128::MAX]), (1, Width::Wide));
        assert!(STEPS.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn room_is_left_on_both_sides() {
        let span = Span::of([1_001, 1_011].into_iter()).unwrap();
        let fit = Fit::roomy(&span);
        assert_eq!((fit.step, fit.width), (1, Width::U8));
        assert!(fit.base < 1_001 - 100 && fit.base + 255 > 1_011 + 100);
        let edge = Span::of([i128::MIN, i128::MIN + 1].into_iter()).unwrap();
        assert_eq!(Fit::roomy(&edge).base, i128::MIN);
    }
}
