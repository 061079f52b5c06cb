//! One generated contact and its events: a pure function of the seed and the contact's number.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;

use crate::{cli::generate::words, model::time::Timestamp};

/// A generated contact; `None` where it has no value.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// `c` and a number of at least seven digits.
    pub key: String,
    /// Given and family name.
    pub name: String,
    /// An address; a few contacts have none.
    pub email: Option<String>,
    /// International form.
    pub phone: Option<String>,
    /// The employer.
    pub company: Option<String>,
    /// In the script of its country.
    pub city: &'static str,
    /// Two letters.
    pub country: &'static str,
    /// Two letters.
    pub language: &'static str,
    /// Where the contact stands.
    pub status: &'static str,
    /// What the contact subscribes to.
    pub plan: Option<&'static str>,
    /// Three on average.
    pub tags: Vec<&'static str>,
    /// Whether mail may be sent.
    pub email_consent: Option<bool>,
    /// 0 to 100, low ones more often.
    pub lead_score: Option<u32>,
    /// First sight.
    pub created: Timestamp,
}

/// A generated event.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// The event kind.
    pub event: &'static str,
    /// When.
    pub at: Timestamp,
    /// The label property and its value.
    pub label: (&'static str, &'static str),
    /// Cents, of a purchase.
    pub amount: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

/// The contact of a number, and its events in order of time, all before `until`.
pub fn person(seed: u64, number: u64, until: Timestamp) -> (Person, Vec<Deed>) {
    let mut rng = Pcg32::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let country = ranked(&mut rng, words::COUNTRIES);
    let (first, last) = (ranked(&mut rng, words::FIRST), ranked(&mut rng, words::LAST));
    let company = rng
        .random_bool(0.6)
        .then(|| format!("{} {}", ranked(&mut rng, words::COMPANY_FIRST), ranked(&mut rng, words::COMPANY_SECOND)));
    // Sign-ups grow: the square root pulls first sights towards the present.
    let age_days = 1_460.0 * (1.0 - rng.random::<f64>().sqrt());
    let created = until.plus_ms(-((age_days * DAY_MS as f64) as i64 / 1_000 * 1_000) - 1_000);
    let person = Person {
        key: format!("c{number:07}"),
        name: format!("{first} {last}"),
        email: rng.random_bool(0.95).then(|| email(&mut rng, first, last, company.as_deref(), number)),
        phone: rng.random_bool(0.5).then(|| format!("{}{}", country.2, rng.random_range(10_000_000..999_999_999u32))),
        company,
        city: ranked(&mut rng, country.3),
        country: country.0,
        language: if rng.random_bool(0.85) { country.1 } else { "en" },
        status: share(&mut rng, words::STATUSES).unwrap_or("Active"),
        plan: share(&mut rng, words::PLANS),
        tags: words::TAGS.iter().filter(|(_, share)| rng.random_ratio(*share, 1_000)).map(|(tag, _)| *tag).collect(),
        email_consent: rng.random_bool(0.9).then(|| rng.random_bool(0.7)),
        lead_score: rng.random_bool(0.8).then(|| (100.0 * rng.random::<f64>().powf(1.6)) as u32),
        created,
    };
    let deeds = deeds(&mut rng, &person, until);
    (person, deeds)
}

fn email(rng: &mut Pcg32, first: &str, last: &str, company: Option<&str>, number: u64) -> String {
    let ascii = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let (first, last) = (ascii(first), ascii(last));
    let local = match (first.is_empty(), last.is_empty()) {
        (false, false) => format!("{first}.{last}{}", number % 9_973),
        _ => format!("contact{number}"),
    };
    match company {
        Some(company) if rng.random_bool(0.4) => {
            format!("{local}@{}.example", company.to_ascii_lowercase().replace(' ', "-"))
        }
        _ => format!("{local}@{}", ranked(rng, words::PROVIDERS)),
    }
}

/// Most contacts do little, a few do much; what is done is done more often lately.
fn deeds(rng: &mut Pcg32, person: &Person, until: Timestamp) -> Vec<Deed> {
    let life_ms = (until.0 - person.created.0).max(1_000);
    let customer = person.tags.contains(&"Customer");
    let activity = rng.random::<f64>().powi(2);
    let count = ((activity * 11.0 + rng.random::<f64>() * 2.5) as usize).min(40);
    // Idle contacts stopped some time ago; active ones are here until now.
    let idle_ms = (rng.random::<f64>().powi(3) * life_ms as f64) as i64;
    let mut deeds: Vec<Deed> = (0..count)
        .map(|_| {
            let back = rng.random::<f64>().powf(1.7);
            let ago_ms = idle_ms + ((life_ms - idle_ms) as f64 * back) as i64;
            let at = until.plus_ms(-(ago_ms.clamp(1_000, life_ms) / 1_000 * 1_000));
            deed(rng, customer, at)
        })
        .collect();
    deeds.sort_by_key(|deed| deed.at);
    deeds
}

fn deed(rng: &mut Pcg32, customer: bool, at: Timestamp) -> Deed {
    let roll = rng.random_range(0..100u32);
    let plain = |event, property, value| Deed { event, at, label: (property, value), amount: None };
    match roll {
        0..30 => plain("email_opened", "campaign", ranked(rng, words::CAMPAIGNS)),
        30..55 => plain("conversation", "channel", ranked(rng, words::CHANNELS)),
        55..65 => plain("email_clicked", "campaign", ranked(rng, words::CAMPAIGNS)),
        65..72 => plain("form_submitted", "form", ranked(rng, words::FORMS)),
        72..76 => plain("appointment_booked", "kind", if rng.random_bool(0.6) { "demo" } else { "consultation" }),
        76..78 => plain("ticket_opened", "subject", "delivery"),
        78..80 => plain("ticket_closed", "subject", "delivery"),
        _ if customer => {
            // A Pareto tail: most baskets are small, a few are very large.
            let cents = (900.0 / (1.0 - rng.random::<f64>()).powf(0.85)).min(5_000_000.0);
            let label = ("product", ranked(rng, words::PRODUCTS));
            Deed { event: "purchase", at, label, amount: Some(cents as i64) }
        }
        _ => plain("email_opened", "campaign", ranked(rng, words::CAMPAIGNS)),
    }
}

/// A choice by rank: the k-th of the list is chosen about as often as 1/k (Zipf).
fn ranked<T: Copy>(rng: &mut Pcg32, list: &[T]) -> T {
    let n = list.len() as f64;
    let place = ((n + 1.0).powf(rng.random::<f64>()) - 1.0) as usize;
    list[place.min(list.len() - 1)]
}

/// A choice by share in thousandths, or `None` for what the shares leave over.
fn share(rng: &mut Pcg32, list: &[(&'static str, u32)]) -> Option<&'static str> {
    let mut roll = rng.random_range(0..1_000u32);
    for (word, share) in list {
        if roll < *share {
            return Some(word);
        }
        roll -= share;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_make_one_person() {
        let until = Timestamp(1_777_593_600_000);
        assert_eq!(person(7, 42, until), person(7, 42, until));
        assert_ne!(person(7, 42, until).0, person(8, 42, until).0);
        for number in 0..5_000 {
            let (who, deeds) = person(7, number, until);
            assert!(who.created < until);
            assert!(deeds.iter().all(|deed| deed.at < until && deed.at >= who.created));
            assert!(deeds.is_sorted_by_key(|deed| deed.at));
        }
    }

    #[test]
    fn the_mix_is_realistic() {
        let until = Timestamp(1_777_593_600_000);
        let people: Vec<_> = (0..20_000).map(|number| person(1, number, until)).collect();
        let mean = |f: &dyn Fn(&(Person, Vec<Deed>)) -> usize| people.iter().map(f).sum::<usize>() as f64 / 20_000.0;
        assert!((2.5..4.5).contains(&mean(&|(who, _)| who.tags.len())), "about three tags");
        assert!((3.0..7.0).contains(&mean(&|(_, deeds)| deeds.len())), "about five events");
        let us = people.iter().filter(|(who, _)| who.country == "US").count();
        assert!((3_000..6_000).contains(&us), "one country leads: {us}");
    }
}
