//! From what was sent to typed values: what fits which type, what is refused and why, and which type an unknown name
//! gets from the values seen.
//!
//! A CSV field may stand for any type. Several values of a set are separated in it by `;` (or by `|` when there is no
//! `;`). A boolean there is `true`, `false`, `yes`, `no`, `1` or `0` in any case.

use crate::model::{
    calendar::Zone,
    currency::{Currency, MoneyError},
    fold::{fold, nfc},
    limits,
    name::Name,
    number::{Number, SCALE},
    request::{Input, Refusal, RefusalKind},
    time::{Day, Timestamp},
    value::{Value, ValueType},
};

/// What a written input says about a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted {
    /// It has this value.
    Value(Value),
    /// It has none.
    Missing,
    /// Values to add to a set and to take away from it.
    Edit {
        /// To add, in order.
        add: Vec<Box<str>>,
        /// To take away.
        remove: Vec<Box<str>>,
    },
}

/// The type that values are brought to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The property's name, for the refusal.
    pub name: &'a Name,
    /// Its type.
    pub ty: ValueType,
    /// Whether `VIP` and `vip` are two values of a set.
    pub case_sensitive: bool,
    /// Where days begin.
    pub zone: &'a Zone,
}

impl Target<'_> {
    /// Brings an input to the target's type.
    ///
    /// Errors: a [`Refusal`] that points at the property and says what was expected.
    pub fn convert(&self, input: &Input) -> Result<Converted, Refusal> {
        let value = match input {
            Input::Null => None,
            Input::Text(text) | Input::Cell(text) if text.is_empty() => None,
            Input::Flag(flag) if self.ty == ValueType::Boolean => Some(Value::Flag(*flag)),
            Input::Number(number) => Some(self.number(*number)?),
            Input::Text(text) => Some(self.text(text)?),
            Input::Cell(text) => self.cell(text)?,
            Input::List(items) if self.ty == ValueType::Set => self.set(items)?,
            Input::Edit { add, remove } if self.ty == ValueType::Set => {
                return Ok(Converted::Edit { add: self.texts(add)?, remove: self.texts(remove)? });
            }
            Input::Flag(_) => return Err(self.wrong("a boolean")),
            Input::List(_) => return Err(self.wrong("a list")),
            Input::Edit { .. } => return Err(self.wrong("an edit of several values")),
            Input::Object => return Err(self.wrong("an object")),
        };
        Ok(value.map_or(Converted::Missing, Converted::Value))
    }

    fn number(&self, number: Number) -> Result<Value, Refusal> {
        match self.ty {
            ValueType::Number => Ok(Value::Number(number)),
            ValueType::Money(currency) => self.amount(minor_units(number, currency)),
            _ => Err(self.wrong("a number")),
        }
    }

    fn text(&self, text: &str) -> Result<Value, Refusal> {
        match self.ty {
            ValueType::Text | ValueType::Email | ValueType::Category => self.checked(text).map(Value::Text),
            ValueType::Money(currency) => self.amount(currency.parse_minor(text)),
            ValueType::Timestamp => self.instant(text),
            ValueType::Date => self.day(text),
            ValueType::Boolean | ValueType::Number | ValueType::Set => Err(self.wrong("a text")),
        }
    }

    fn cell(&self, raw: &str) -> Result<Option<Value>, Refusal> {
        let text = if self.ty.is_text() { raw } else { raw.trim() };
        let value = match self.ty {
            ValueType::Text | ValueType::Email | ValueType::Category => Value::Text(self.checked(raw)?),
            _ if text.is_empty() => return Ok(None),
            ValueType::Boolean => Value::Flag(flag_of(text).ok_or_else(|| self.unfit(text))?),
            ValueType::Number => Value::Number(Number::parse(text).map_err(|_| self.unfit(text))?),
            ValueType::Set => {
                let separator = if text.contains(';') { ';' } else { '|' };
                return self.distinct(text.split(separator).map(str::trim));
            }
            ValueType::Money(_) | ValueType::Timestamp | ValueType::Date => self.text(text)?,
        };
        Ok(Some(value))
    }

    fn set(&self, items: &[Input]) -> Result<Option<Value>, Refusal> {
        for item in items {
            self.item(item)?;
        }
        self.distinct(items.iter().filter_map(|item| match item {
            Input::Text(text) | Input::Cell(text) => Some(&**text),
            _ => None,
        }))
    }

    fn texts(&self, items: &[Input]) -> Result<Vec<Box<str>>, Refusal> {
        match self.set(items)? {
            Some(Value::Set(texts)) => Ok(texts),
            _ => Ok(Vec::new()),
        }
    }

    fn item(&self, item: &Input) -> Result<(), Refusal> {
        match item {
            Input::Text(_) | Input::Cell(_) => Ok(()),
            _ => Err(self.refuse("wrong_type", "expects a list of texts; one item is of another type".into())),
        }
    }

    fn distinct<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<Option<Value>, Refusal> {
        let mut set = DistinctTexts::new(self.case_sensitive, Vec::new());
        for text in texts.filter(|text| !text.is_empty()) {
            self.checked_len(text)?;
            set.add(text);
            if set.texts.len() > limits::SET_VALUES_MAX {
                return Err(self.too_many());
            }
        }
        Ok((!set.texts.is_empty()).then_some(Value::Set(set.texts)))
    }

    /// The refusal of a set that would hold too many values.
    pub fn too_many(&self) -> Refusal {
        let detail = format!("may hold at most {} values", limits::SET_VALUES_MAX);
        Refusal { kind: RefusalKind::TooLarge, ..self.refuse("too_many_values", detail) }
    }

    fn instant(&self, text: &str) -> Result<Value, Refusal> {
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(Value::Time(at));
        }
        let day = Day::parse(text).map_err(|_| self.unfit(text))?;
        Ok(Value::Time(self.zone.start_of(day).plus_ms(0)))
    }

    fn day(&self, text: &str) -> Result<Value, Refusal> {
        Day::parse(text).map(Value::Day).map_err(|_| self.unfit(text))
    }

    fn amount(&self, minor: Result<i64, MoneyError>) -> Result<Value, Refusal> {
        minor.map(Value::Money).map_err(|error| {
            let code = if matches!(error, MoneyError::Malformed) { "wrong_type" } else { "bad_amount" };
            self.refuse(code, format!("the value {error}"))
        })
    }

    fn checked(&self, text: &str) -> Result<Box<str>, Refusal> {
        self.checked_len(text).map(|()| text.into())
    }

    fn checked_len(&self, text: &str) -> Result<(), Refusal> {
        if text.len() <= limits::VALUE_BYTES_MAX {
            return Ok(());
        }
        let detail = format!("is {} bytes long; at most {} are allowed", text.len(), limits::VALUE_BYTES_MAX);
        Err(Refusal { kind: RefusalKind::TooLarge, ..self.refuse("value_too_long", detail) })
    }

    fn expected(&self) -> String {
        match self.ty {
            ValueType::Text | ValueType::Email | ValueType::Category => "a text".into(),
            ValueType::Boolean => "true or false".into(),
            ValueType::Number => "a number".into(),
            ValueType::Money(currency) => format!("an amount of {currency}, a number or a decimal text"),
            ValueType::Timestamp => "an instant like 2026-05-01T10:00:00Z or a date like 2026-05-01".into(),
            ValueType::Date => "a date like 2026-05-01".into(),
            ValueType::Set => "a list of texts".into(),
        }
    }

    fn wrong(&self, found: &str) -> Refusal {
        self.refuse("wrong_type", format!("expects {}, not {found}", self.expected()))
    }

    fn unfit(&self, text: &str) -> Refusal {
        self.refuse("wrong_type", format!("expects {}, not {:?}", self.expected(), excerpt(text)))
    }

    fn refuse(&self, code: &'static str, rest: String) -> Refusal {
        Refusal {
            kind: RefusalKind::Invalid,
            code,
            pointer: format!("/{}", self.name),
            detail: format!("\"{}\" ({}) {rest}", self.name, self.ty.name()),
        }
    }
}

/// Texts in the order written, no two equal: by case when they are compared with case.
pub struct DistinctTexts {
    case_sensitive: bool,
    texts: Vec<Box<str>>,
    /// Folded (or composed) forms, kept once there are enough texts for a scan to be slow.
    seen: std::collections::HashSet<Box<str>>,
}

/// From this many texts on a set of those seen is kept.
const SCAN_MAX: usize = 16;

impl DistinctTexts {
    /// Starts from texts that are distinct already.
    pub fn new(case_sensitive: bool, texts: Vec<Box<str>>) -> DistinctTexts {
        let mut set = DistinctTexts { case_sensitive, texts: Vec::new(), seen: Default::default() };
        for text in texts {
            set.push(text);
        }
        set
    }

    fn form<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        if self.case_sensitive { nfc(text) } else { fold(text) }
    }

    fn push(&mut self, text: Box<str>) {
        self.texts.push(text);
        if self.texts.len() == SCAN_MAX {
            self.seen = self.texts.iter().map(|text| self.form(text).into()).collect();
        } else if self.texts.len() > SCAN_MAX {
            let form = self.form(self.texts.last().expect("one was pushed")).into();
            self.seen.insert(form);
        }
    }

    fn place(&self, wanted: &str) -> Option<usize> {
        if self.texts.len() >= SCAN_MAX && !self.seen.contains(&*self.form(wanted)) {
            return None;
        }
        self.texts.iter().position(|text| self.same(text, wanted))
    }

    fn same(&self, a: &str, b: &str) -> bool {
        match (a.is_ascii() && b.is_ascii(), self.case_sensitive) {
            (true, true) => a == b,
            (true, false) => a.eq_ignore_ascii_case(b),
            (false, _) => self.form(a) == self.form(b),
        }
    }

    /// Adds a text unless it is there.
    pub fn add(&mut self, text: &str) {
        if self.place(text).is_none() {
            self.push(text.into());
        }
    }

    /// Takes a text away if it is there.
    pub fn remove(&mut self, text: &str) {
        if let Some(place) = self.place(text) {
            self.texts.remove(place);
            let form = self.form(text);
            self.seen.remove(&*form);
            if self.texts.len() < SCAN_MAX {
                self.seen.clear();
            }
        }
    }

    /// The texts.
    pub fn into_texts(self) -> Vec<Box<str>> {
        self.texts
    }
}

fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN { text.into() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

fn flag_of(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("yes") || text == "1" {
        Some(true)
    } else if is("false") || is("no") || text == "0" {
        Some(false)
    } else {
        None
    }
}

/// A number as minor units of a currency, exactly.
fn minor_units(number: Number, currency: Currency) -> Result<i64, MoneyError> {
    let unit = 10i128.pow(SCALE - currency.decimals());
    if number.0 % unit != 0 {
        return Err(MoneyError::TooFine(currency, currency.decimals()));
    }
    i64::try_from(number.0 / unit).map_err(|_| MoneyError::OutOfRange)
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

    fn to(ty: ValueType, input: &Input) -> Result<Converted, Refusal> {
        let (name, zone) = (Name::new("it").unwrap(), Zone::named("Europe/Berlin").unwrap());
        Target { name: &name, ty, case_sensitive: false, zone: &zone }.convert(input)
    }

    fn value(ty: ValueType, input: &Input) -> Value {
        match to(ty, input) {
            Ok(Converted::Value(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    const USD: ValueType = ValueType::Money(Currency::USD);

    #[test]
    fn values_fit_their_types() {
        assert_eq!(value(ValueType::Number, &number("2.5")), Value::Number(Number::parse("2.5").unwrap()));
        assert_eq!(value(ValueType::Number, &cell(" 7 ")), Value::Number(Number::from_int(7)));
        assert_eq!(value(USD, &number("1000.5")), Value::Money(100_050));
        assert_eq!(value(USD, &text("1000.50")), Value::Money(100_050));
        assert_eq!(value(ValueType::Boolean, &cell("Yes")), Value::Flag(true));
        let start = Timestamp::parse("2026-04-30T22:00:00Z").unwrap();
        assert_eq!(value(ValueType::Timestamp, &text("2026-05-01")), Value::Time(start), "the zone's midnight");
        assert_eq!(value(ValueType::Date, &text("2026-05-01")), Value::Day(Day::parse("2026-05-01").unwrap()));
        let tags = Value::Set(vec!["VIP".into(), "New".into()]);
        assert_eq!(value(ValueType::Set, &Input::List(vec![text("VIP"), text("New"), text("vip"), text("")])), tags);
        assert_eq!(value(ValueType::Set, &cell("VIP; New;")), tags);
        assert_eq!(value(ValueType::Set, &cell("VIP|New")), tags);
        for ty in [ValueType::Text, ValueType::Number, USD, ValueType::Set] {
            assert_eq!(to(ty, &text("")), Ok(Converted::Missing));
            assert_eq!(to(ty, &Input::Null), Ok(Converted::Missing));
        }
        let edit = Input::Edit { add: vec![text("a")], remove: vec![text("b")] };
        let edited = Converted::Edit { add: vec!["a".into()], remove: vec!["b".into()] };
        assert_eq!(to(ValueType::Set, &edit), Ok(edited));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let code = |ty, input: &Input| to(ty, input).unwrap_err().code;
        assert_eq!(code(ValueType::Number, &text("5")), "wrong_type");
        assert_eq!(code(ValueType::Text, &number("5")), "wrong_type");
        assert_eq!(code(ValueType::Set, &text("VIP")), "wrong_type");
        assert_eq!(code(ValueType::Set, &Input::List(vec![number("1")])), "wrong_type");
        assert_eq!(code(ValueType::Boolean, &cell("maybe")), "wrong_type");
        assert_eq!(code(USD, &number("0.005")), "bad_amount");
        assert_eq!(code(ValueType::Timestamp, &text("2026-05-01T10:00:00")), "wrong_type");
        assert_eq!(code(ValueType::Date, &text("2026-05-01T10:00:00Z")), "wrong_type");
        assert_eq!(code(ValueType::Text, &text(&"x".repeat(16 * 1024 + 1))), "value_too_long");
        assert_eq!(code(ValueType::Text, &Input::Object), "wrong_type");
        let many = Input::List((0..1_001).map(|n| text(&n.to_string())).collect());
        let refusal = to(ValueType::Set, &many).unwrap_err();
        assert_eq!((refusal.code, refusal.kind), ("too_many_values", RefusalKind::TooLarge));
        let refusal = to(ValueType::Number, &text("5")).unwrap_err();
        assert_eq!(refusal.detail, "\"it\" (number) expects a number, not a text");
        assert_eq!(refusal.pointer, "/it");
    }

    #[test]
    fn distinct_texts_stay_distinct_when_many() {
        let mut set = DistinctTexts::new(false, Vec::new());
        for n in 0..40 {
            set.add(&format!("Tag{n}"));
            set.add(&format!("tag{n}"));
        }
        set.remove("TAG3");
        set.remove("absent");
        set.add("tag3");
        let texts = set.into_texts();
        assert_eq!((texts.len(), &*texts[39]), (40, "tag3"));
    }
}
