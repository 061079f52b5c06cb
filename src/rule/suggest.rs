//! Suggestions: the known word nearest to an unknown one.

use crate::model::{
    name,
    schema::{EventKind, Schema},
};

/// The nearest of `known` to `wanted`, if one is near: at most a third of its letters differ.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name::words(wanted).join(" ");
    let length = wanted.chars().count();
    if length == 0 || length > 100 {
        return None;
    }
    let allowed = (length / 3).max(1);
    let distance = |word: &str| strsim::damerau_levenshtein(&wanted, &name::words(word).join(" "));
    let near = known.into_iter().filter(|word| word.chars().count().abs_diff(length) <= allowed);
    let best = near.map(|word| (distance(word), word)).min()?;
    (best.0 <= allowed).then(|| best.1.to_owned())
}

/// The nearest property, by name or alias.
pub fn property(wanted: &str, schema: &Schema) -> Option<String> {
    nearest(wanted, property_names(schema))
}

/// The nearest event kind.
pub fn event(wanted: &str, schema: &Schema) -> Option<String> {
    nearest(wanted, schema.events().map(|kind| kind.name.as_str()))
}

/// The nearest property of an event kind.
pub fn event_property(wanted: &str, kind: &EventKind) -> Option<String> {
    let live = kind.properties.iter().filter(|property| !property.dropped);
    nearest(wanted, live.map(|property| property.name.as_str()))
}

/// The nearest thing that a predicate can start with: a property, an alias or an event phrase.
pub fn predicate(wanted: &str, schema: &Schema) -> Option<String> {
    let phrases = schema.events().flat_map(|kind| kind.phrases.iter().chain(&kind.negative));
    nearest(wanted, property_names(schema).chain(phrases.map(|phrase| &**phrase)))
}

fn property_names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.properties().flat_map(|property| [&property.name].into_iter().chain(&property.aliases)).map(|n| n.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_near() {
        let known = ["lead_score", "last_activity", "city"];
        assert_eq!(nearest("Led Score", known).as_deref(), Some("lead_score"));
        assert_eq!(nearest("lsat activity", known).as_deref(), Some("last_activity"));
        assert_eq!(nearest("sity", known).as_deref(), Some("city"));
        assert_eq!(nearest("weight", known), None);
    }
}
