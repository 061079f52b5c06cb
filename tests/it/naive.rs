//! The naive database by itself: its calendar and its folding against second opinions, its answers against hand-made
//! ones, and its generators against being too tame.

use std::collections::BTreeSet;

use regex::Regex;
use throng::model::{
    calendar::{Length, Period, Zone},
    fold::fold,
    time::{Day, Timestamp},
};

use crate::support::{
    almanac::{Almanac, civil, day_number},
    generate::{self, Dice, LENGTHS, ZONES},
    generate_rule, spelling,
};

#[test]
fn day_numbers_go_both_ways() {
    for day in (Day::MIN.0..=Day::MAX.0).step_by(97).chain([Day::MIN.0, -1, 0, 59, 60, Day::MAX.0]) {
        let (year, month, date) = civil(i64::from(day));
        assert_eq!(day_number(year, month, date), i64::from(day));
        let (y, m, d) = Day(day).year_month_day();
        assert_eq!((year, month, date), (i64::from(y), i64::from(m), i64::from(d)));
    }
}

#[test]
fn two_calendars_agree() {
    let mut dice = Dice::new(11);
    for name in ZONES {
        let (almanac, zone) = (Almanac::new(name), Zone::named(name).unwrap());
        for _ in 0..1_500 {
            let years = if dice.chance(80) { 30 } else { 150 };
            let at = Timestamp(1_600_000_000_000)
                .plus_ms(dice.between(-years, years) * 31_000_000_000 + dice.between(0, 31_000_000_000));
            let ms = i128::from(at.0);
            let day = almanac.day_of(ms);
            assert_eq!(i64::from(zone.day_of(at).0), day, "{at} in {name}");
            assert_eq!(
                i128::from(zone.start_of(Day(day as i32)).0),
                almanac.start_of(day),
                "the day of {at} in {name}"
            );
            let (n, unit) = *dice.pick(&LENGTHS[..23] /* those that stay within the years that instants have */);
            let length = Length { n, unit };
            assert_eq!(
                i128::from(zone.before(at, length).0),
                almanac.before(ms, length),
                "{length} before {at} in {name}"
            );
            assert_eq!(
                i128::from(zone.after(at, length).0),
                almanac.after(ms, length),
                "{length} after {at} in {name}"
            );
            let period = *dice.pick(&Period::ALL);
            let (from, to) = almanac.period(period, ms);
            let wanted = (almanac.start_of(from), almanac.start_of(to));
            let found = zone.period(period, at);
            assert_eq!((i128::from(found.0.0), i128::from(found.1.0)), wanted, "{period:?} at {at} in {name}");
        }
    }
}

#[test]
fn folding_agrees_with_the_regex_crate() {
    // The regex crate has the same tables from another hand: two characters fold alike when one finds the other.
    for c in ('\0'..=char::MAX).filter(|c| c.is_alphabetic() || fold(c.encode_utf8(&mut [0; 4])) != c.to_string()) {
        let text = c.to_string();
        let folded = spelling::comparable(&text, false);
        assert_eq!(folded, fold(&text), "{c:?}");
        let composed = spelling::comparable(&text, true);
        if folded != composed {
            let found = Regex::new(&format!("^(?i:{})$", regex::escape(&composed))).unwrap();
            assert!(found.is_match(&folded), "{c:?} and {folded:?}");
        }
    }
}

#[test]
fn random_rules_divide_the_contacts() {
    let (mut dividing, mut asked) = (0, 0);
    let mut nodes = BTreeSet::new();
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        let world = generate::world(&mut dice, 40);
        for _ in 0..60 {
            let rule = generate_rule::rule(&mut dice, &world.naive, 8);
            let members = world.naive.members(&rule, world.nows[0]).len();
            asked += 1;
            dividing += u32::from(members > 0 && members < 40);
            let text = format!("{rule:?}");
            let words = text.split(|c: char| !c.is_alphanumeric());
            nodes.extend(words.filter(|word| word.starts_with(char::is_uppercase)).map(str::to_owned));
        }
    }
    assert!(dividing * 2 > asked, "only {dividing} of {asked} rules hold some and not all");
    let all = "All None And Or Xor Not Of AtLeast AtMost Exactly Property Tag AnyTag AllTags EmailDomain Event Aggregate \
               Edge Sequence Days Regularly Segment Bucket Below Between Eq Ne Lt Le Gt Ge IsSet IsNotSet Compare In HasAll \
               Text Contains StartsWith EndsWith Glob Regex Age Within Next Ahead On Before After InPeriod Anniversary \
               Flag Number Money Date Instant Last Since MoreThanAgo First Count Sum Min Max Avg Distinct Where";
    let absent: Vec<&str> = all.split_whitespace().filter(|node| !nodes.contains(*node)).collect();
    // `Where` never shows: its variants do.
    assert_eq!(absent, ["Where"], "every node of the tree is made");
}
