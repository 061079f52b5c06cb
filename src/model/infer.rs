//! The type of a name that nobody declared, from the values seen.

use crate::model::{
    number::Number,
    request::Input,
    time::{Day, Timestamp},
    value::ValueType,
};

/// The types that values can suggest, in the order of the counts of [`Inference`].
const SUGGESTED: [ValueType; 5] =
    [ValueType::Boolean, ValueType::Number, ValueType::Set, ValueType::Timestamp, ValueType::Text];

/// Which type an unknown name gets, from the values seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inference {
    seen: [u32; SUGGESTED.len()],
    first: Option<ValueType>,
    cells: bool,
}

impl Inference {
    /// Takes one more value into account.
    pub fn see(&mut self, input: &Input) {
        let Some(ty) = type_of(input) else { return };
        self.first.get_or_insert(ty);
        self.cells |= matches!(input, Input::Cell(_));
        let place = SUGGESTED.iter().position(|known| *known == ty).unwrap_or(SUGGESTED.len() - 1);
        self.seen[place] = self.seen[place].saturating_add(1);
    }

    /// The type that fits all values seen or, where none does, most of them: a stray value is refused, not the rest.
    /// Fields of a CSV file that differ are texts, which loses none. `None` when none of them was a value.
    pub fn settle(self) -> Option<ValueType> {
        let first = self.first?;
        let [flags, numbers, sets, times, texts] = self.seen;
        if self.seen.iter().filter(|count| **count > 0).count() == 1 {
            return Some(first);
        }
        if self.cells {
            return Some(ValueType::Text);
        }
        // Instants are texts too, so among other texts they count as texts.
        let strings = if texts > 0 { ValueType::Text } else { ValueType::Timestamp };
        let groups = [
            (flags, ValueType::Boolean),
            (numbers, ValueType::Number),
            (sets, ValueType::Set),
            (times.saturating_add(texts), strings),
        ];
        let most = groups.iter().map(|(count, _)| *count).max()?;
        let winners = || groups.iter().filter(|(count, _)| *count == most).map(|(_, ty)| *ty);
        winners().find(|ty| *ty == first).or_else(|| winners().next())
    }
}

/// The type that fits all of `inputs`, or most: boolean, number, timestamp for ISO 8601 texts, set for lists of texts,
/// else text. `None` when none of them is a value that some type takes.
pub fn infer<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> Option<ValueType> {
    let mut inference = Inference::default();
    for input in inputs {
        inference.see(input);
    }
    inference.settle()
}

fn type_of(input: &Input) -> Option<ValueType> {
    let of_text = |text: &str| if is_time(text) { ValueType::Timestamp } else { ValueType::Text };
    match input {
        Input::Null => None,
        Input::Flag(_) => Some(ValueType::Boolean),
        Input::Number(_) => Some(ValueType::Number),
        Input::Text(text) => (!text.is_empty()).then(|| of_text(text)),
        Input::List(items) | Input::Edit { add: items, .. } => {
            let texts = items.iter().all(|item| matches!(item, Input::Text(_) | Input::Cell(_)));
            (texts && !items.is_empty()).then_some(ValueType::Set)
        }
        Input::Object => None,
        Input::Cell(text) => {
            let text = text.trim();
            if text.is_empty() {
                None
            } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
                Some(ValueType::Boolean)
            } else if is_plain_number(text) {
                Some(ValueType::Number)
            } else {
                Some(of_text(text))
            }
        }
    }
}

fn is_time(text: &str) -> bool {
    text.len() >= 10 && text.as_bytes()[4] == b'-' && (Timestamp::parse(text).is_ok() || Day::parse(text).is_ok())
}

/// A decimal that loses nothing when it is read as a number: no leading zero or plus sign, no exponent.
fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut bytes = digits.bytes();
    let (first, second) = (bytes.next(), bytes.next());
    let padded = first == Some(b'0') && second.is_some_and(|b| b != b'.');
    first.is_some_and(|b| b.is_ascii_digit())
        && !padded
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && Number::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Input {
        Input::Text(text.into())
    }

    fn cell(text: &str) -> Input {
        Input::Cell(text.into())
    }

    fn number(text: &str) -> Input {
        Input::Number(Number::parse(text).unwrap())
    }

    #[test]
    fn types_are_inferred_from_all_values() {
        let ty = |inputs: &[Input]| infer(inputs);
        assert_eq!(ty(&[Input::Null, text("")]), None);
        assert_eq!(ty(&[Input::Flag(true), Input::Null]), Some(ValueType::Boolean));
        assert_eq!(ty(&[number("1"), number("2"), text("x")]), Some(ValueType::Number), "the stray one is refused");
        assert_eq!(ty(&[number("1"), text("x")]), Some(ValueType::Number), "in a tie the first one tells");
        assert_eq!(ty(&[text("x"), Input::Flag(true), text("2026-05-01")]), Some(ValueType::Text));
        assert_eq!(ty(&[text("2026-05-01"), text("2026-05-01T10:00:00Z")]), Some(ValueType::Timestamp));
        assert_eq!(ty(&[text("2026-05-01"), text("soon")]), Some(ValueType::Text));
        assert_eq!(ty(&[Input::List(vec![text("a")])]), Some(ValueType::Set));
        assert_eq!(ty(&[cell("12"), cell("-1.5"), cell("0"), cell("0.5")]), Some(ValueType::Number));
        assert_eq!(ty(&[cell("12"), cell("007")]), Some(ValueType::Text));
        assert_eq!(ty(&[cell("+4912345")]), Some(ValueType::Text));
        assert_eq!(ty(&[cell("TRUE"), cell("false")]), Some(ValueType::Boolean));
        assert_eq!(ty(&[cell("1"), cell("true")]), Some(ValueType::Text));
        assert_eq!(ty(&[cell("99999999999999999999")]), Some(ValueType::Text));
    }
}
