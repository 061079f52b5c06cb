//! Figures, instants and addresses as people read them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    http::wire,
    model::{
        calendar::Zone,
        time::Timestamp,
        value::{Value, ValueType},
    },
};

/// What stands in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// `1,234,567`
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut told = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// The same, and nothing for none.
pub fn nonzero(n: u64) -> String {
    if n == 0 { String::new() } else { grouped(n) }
}

/// A share of all in percent, with as many digits as it takes to tell it from nothing and from everything.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0%".to_owned();
    }
    if part >= whole {
        return "100%".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        p if p < 0.01 => "<0.01%".to_owned(),
        p if p < 1.0 => format!("{p:.2}%"),
        p if p > 99.9 => ">99.9%".to_owned(),
        p => format!("{p:.1}%"),
    }
}

/// `2026-05-01 10:30`, in the database's zone.
pub fn instant(at: Timestamp, zone: &Zone) -> String {
    let local = Timestamp(at.0.saturating_add(zone.offset_ms(at))).to_string();
    local.get(..16).map_or_else(|| local.clone(), |minute| minute.replace('T', " "))
}

/// A value as it is shown in a table.
pub fn value(value: &Value, ty: ValueType, zone: &Zone) -> String {
    match (value, ty) {
        (Value::Time(at), _) => instant(*at, zone),
        (Value::Flag(flag), _) => if *flag { "yes" } else { "no" }.to_owned(),
        (Value::Money(minor), ValueType::Money(currency)) => {
            format!("{} {}", cents(&currency.format_minor(*minor), currency.decimals() as usize), currency.code())
        }
        (Value::Set(values), _) => values.join(", "),
        _ => wire::plain_text(value, Some(ty)),
    }
}

/// An amount with all the digits that its currency has.
fn cents(amount: &str, decimals: usize) -> String {
    match amount.split_once('.') {
        Some((whole, part)) => format!("{whole}.{part:0<decimals$}"),
        None if decimals > 0 => format!("{amount}.{}", "0".repeat(decimals)),
        None => amount.to_owned(),
    }
}

/// A name as part of the path of a page; nothing for `.` and `..`, which browsers take for steps between folders, also
/// when they are encoded.
pub fn path(name: &str) -> Option<String> {
    (name != "." && name != "..").then(|| encoded(name))
}

/// A name as part of an address.
pub fn encoded(name: &str) -> String {
    utf8_percent_encode(name, PATH).to_string()
}

/// `lead_score` as `Lead score`.
pub fn label(name: &str) -> String {
    let mut label = name.replace('_', " ");
    if let Some(first) = label.get(..1) {
        let upper = first.to_uppercase();
        label.replace_range(..1, &upper);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!((grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)), {
            let told = |text: &str| text.to_owned();
            (told("0"), told("999"), told("1,000"), told("1,234,567"))
        });
        let shares = [(0, 5), (5, 5), (1, 3), (1, 1_000), (1, 1_000_000), (999_999, 1_000_000), (0, 0)];
        let told = shares.map(|(part, whole)| share(part, whole));
        assert_eq!(told, ["0%", "100%", "33.3%", "0.10%", "<0.01%", ">99.9%", "0%"]);
        assert_eq!(encoded("a/b <ü>.."), "a%2Fb%20%3C%C3%BC%3E%2E%2E");
        assert_eq!(label("lead_score"), "Lead score");
        assert_eq!([cents("3622.2", 2), cents("-5", 2), cents("7", 0)], ["3622.20", "-5.00", "7"]);
    }

    #[test]
    fn instants_are_told_in_the_zone() {
        let at = Timestamp::parse("2026-07-01T23:30:00Z").unwrap();
        assert_eq!(instant(at, &Zone::utc()), "2026-07-01 23:30");
        assert_eq!(instant(at, &Zone::named("Europe/Berlin").unwrap()), "2026-07-02 01:30");
    }
}
