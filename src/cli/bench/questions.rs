//! What is asked: the fourteen rules of the suite, and random segments out of two hundred predicates.

use rand::{Rng, RngExt};

/// Predicates that random segments are made of.
pub const PREDICATES: usize = 200;

/// The fourteen rules, by name: the examples of `throng demo`, and one for each kind of index.
pub fn rules() -> Vec<(&'static str, &'static str)> {
    let more = [
        ("One tag", "Has tag \"VIP\""),
        ("Any of three tags", "Tag in (\"Partner\", \"Beta\", \"Press\")"),
        ("Country in ten", "Country in (US, \"IN\", BR, GB, DE, FR, JP, MX, ES, IT)"),
        ("Name contains", "Name contains \"ann\""),
        ("Email domain", "Email domain is \"company.com\""),
        ("Score without newsletter", "Lead Score between 40 and 60 AND No tag \"Newsletter\""),
        ("Opened three times", "did email_opened at least 3 times in last 30 days"),
        ("No conversation", "No conversation in 60 days"),
        (
            "Twelve predicates",
            "(Has tag \"VIP\" AND Country = US AND Lead Score > 50)\n\
             OR (Has tag \"Customer\" AND Purchase Total > $500 AND Last Activity < 30 days ago)\n\
             OR (Status = \"New\" AND Created < 30 days ago AND Has tag \"Trial\")\n\
             OR (Has tag \"Beta\" AND Country in (DE, FR) AND Lead Score between 20 and 90)",
        ),
    ];
    crate::cli::demo::EXAMPLES.iter().copied().chain(more).collect()
}

/// Predicates that no set is kept for, one for each way to find who they hold, by name. The page asks them while a rule is
/// typed, so that each is to be told at once.
pub const KINDS: [(&str, &str); 20] = [
    ("text that contains", "Email contains \"an\""),
    ("text that contains a trigram", "Email contains \"smi\""),
    ("start of a text", "Email starts with \"a\""),
    ("end of a text", "Email ends with \"com\""),
    ("pattern", "Email matches \"*@*.com\""),
    ("regular expression", "Email matches regex \"^[a-m].*[0-9]@\""),
    ("anniversary", "Created anniversary in next 7 days"),
    ("count of events where", "did purchase where amount > 100 at least 2 times"),
    ("sum of events", "sum(purchase.amount) > $1000"),
    ("average of events", "avg(purchase.amount) > $100"),
    ("greatest of events", "max(purchase.amount) > $500"),
    ("distinct texts of events", "distinct(email_opened.campaign) >= 2"),
    ("first event", "first purchase in last 30 days"),
    ("last event where", "last purchase where amount > 100"),
    ("days with events", "did email_opened on at least 2 days"),
    ("days with events in a window", "did email_opened on at least 3 days in last 90 days"),
    ("months with events", "did email_opened in at least 3 of the last 4 months"),
    ("chain of two events", "did email_opened then purchase"),
    ("chain of two events within a week", "did purchase then email_opened within 7 days"),
    ("chain of three events within a month", "did email_opened then purchase then conversation within 30 days"),
];

/// Six predicates, each with a set of its own: what a loop can be written for by hand.
pub const SIX: [&str; 6] = [
    "Has tag \"Customer\"",
    "Country = US",
    "Status = \"Active\"",
    "Has tag \"Newsletter\"",
    "Has tag \"Churned\"",
    "Email Consent = true",
];

/// The rule `(a & b & c) | (d & !e & f)` of [`SIX`].
pub fn six_rule() -> String {
    let [a, b, c, d, e, f] = SIX;
    format!("({a} AND {b} AND {c}) OR ({d} AND NOT {e} AND {f})")
}

/// [`PREDICATES`] predicates of every kind.
pub fn predicates() -> Vec<String> {
    let mut all = Vec::new();
    for country in ["US", "IN", "BR", "GB", "DE", "FR", "JP", "MX", "ES", "IT"] {
        all.push(format!("Country = \"{country}\""));
        all.push(format!("Country != \"{country}\""));
    }
    for tag in ["Customer", "VIP", "Newsletter", "Partner", "Beta", "Press", "Lead", "Trial", "Churned", "Event"] {
        all.push(format!("Has tag \"{tag}\""));
    }
    all.extend((0..30).map(|step| format!("Lead Score > {}", step * 3)));
    all.extend((1..=20).map(|step| format!("Last Activity > {} days ago", step * 7)));
    all.extend((1..=20).map(|step| format!("Created < {} days ago", step * 30)));
    all.extend((1..=15).map(|step| format!("No conversation in {} days", step * 10)));
    all.extend(
        (1..=15).map(|step| format!("did email_opened at least {} times in last {} days", 1 + step % 4, step * 20)),
    );
    all.extend((1..=15).map(|step| format!("did email_clicked in last {} days", step * 15)));
    all.extend((1..=20).map(|step| format!("Purchase Total > ${}", step * step * 10)));
    all.extend((1..=10).map(|step| format!("sum(purchase.amount) in last {} days > $200", step * 30)));
    all.extend((1..=10).map(|step| format!("no purchase in {} days", step * 30)));
    all.extend(
        ["Status = \"Active\"", "Status = \"New\"", "Created is this month", "Last Activity is this week"]
            .map(str::to_owned),
    );
    all.extend((0..11).map(|step| format!("sample {}% of \"x{step}\"", 5 + step * 5)));
    assert!(all.len() >= PREDICATES, "{} predicates", all.len());
    all.truncate(PREDICATES);
    all
}

/// The rule of a random segment: five of the predicates, joined in one of three ways by its number.
pub fn segment(random: &mut impl Rng, predicates: &[String], number: u64) -> String {
    let picked: Vec<&str> = (0..5).map(|_| &*predicates[random.random_range(0..predicates.len())]).collect();
    match number % 4 {
        0 | 1 => picked.join(" and "),
        2 => format!("{} and not ({})", picked[..3].join(" and "), picked[3..].join(" or ")),
        _ => format!("{} and ({})", picked[..3].join(" and "), picked[3..].join(" or ")),
    }
}
