//! Parts of the report: how those who entered a segment fared, and whom segments share.

use crate::{
    db::{figures::ConversionFigures, view::View},
    http::problem::Problem,
    model::{
        calendar::{Length, Zone},
        time::Timestamp,
    },
    web::tell,
};

/// Pairs that are told beside the matrix.
const PAIRS: usize = 10;
/// Shades of a matrix, from nothing in common to the same.
const SHADES: u64 = 10;

/// Who did the goal after entering, as it is told.
pub struct Conversion {
    /// The share of those whose time is over; of nobody there is none.
    pub rate: Option<String>,
    /// From when on entries are known, where the feed does not reach back to all that is asked about. Then all figures
    /// are of the entries since.
    pub since: Option<String>,
    /// Of how many, and what else there is to know.
    pub detail: String,
}

/// Tells who did the goal after entering.
pub fn conversion(found: &ConversionFigures, within: Length, zone: &Zone) -> Conversion {
    let of = &found.found;
    let since = (!found.is_complete).then(|| tell::instant(found.known_since.unwrap_or(Timestamp::MIN), zone));
    let mut detail = format!(
        "{} of the {} whose time of {within} is over did it; {} still have time, of whom {} did it. {} entered in all, \
         who was in it when it was made among them.",
        tell::grouped(of.closed_converted),
        tell::grouped(of.closed),
        tell::grouped(of.entered - of.closed),
        tell::grouped(of.open_converted),
        tell::grouped(of.entered),
    );
    if found.unlisted > 0 {
        detail +=
            &format!(" Of {} more entries it is not known any more whose they were.", tell::grouped(found.unlisted));
    }
    if of.erased > 0 {
        detail += &format!(" {} were erased since.", tell::grouped(of.erased));
    }
    let rate = (of.closed > 0).then(|| tell::share(of.closed_converted, of.closed));
    Conversion { rate, since, detail }
}

/// A cell of the matrix.
pub struct Cell {
    /// The share of those in either who are in both.
    pub jaccard: String,
    /// How many are in both.
    pub both: String,
    /// How dark it is.
    pub shade: u64,
    /// Whether it is of a segment and itself.
    pub is_same: bool,
}

/// A pair of segments.
pub struct Pair {
    /// The one.
    pub a: String,
    /// The other.
    pub b: String,
    /// How many are in both.
    pub both: String,
    /// The share of those in either who are in both.
    pub jaccard: String,
    /// The share of the one.
    pub of_a: String,
    /// The share of the other.
    pub of_b: String,
}

/// Whom segments share.
pub struct Matrix {
    /// A row for each segment.
    pub rows: Vec<(String, Vec<Cell>)>,
    /// The pairs that share most.
    pub pairs: Vec<Pair>,
    /// How many are in any of them.
    pub union: String,
    /// How many segments with members are not in it.
    pub left_out: usize,
}

/// How the first of some segments overlap; nothing of fewer than two.
///
/// Errors: of an unknown segment.
pub fn matrix(view: &View, names: &[String], most: usize) -> Result<Option<Matrix>, Problem> {
    let shown = &names[..names.len().min(most)];
    if shown.len() < 2 {
        return Ok(None);
    }
    let (names_told, found) = view.overlap(shown)?;
    let sizes = &found.sizes;
    let union = |a: usize, b: usize, both: u64| sizes[a] + sizes[b] - both;
    let cell = |a: usize, b: usize, both: u64| Cell {
        jaccard: tell::share(both, union(a, b, both)),
        both: tell::grouped(both),
        shade: (both * SHADES).div_ceil(union(a, b, both).max(1)),
        is_same: a == b,
    };
    let mut both = vec![vec![0; sizes.len()]; sizes.len()];
    for (a, size) in sizes.iter().enumerate() {
        both[a][a] = *size;
    }
    for (a, b, count) in &found.pairs {
        (both[*a][*b], both[*b][*a]) = (*count, *count);
    }
    let row = |a: usize| (0..sizes.len()).map(|b| cell(a, b, both[a][b])).collect::<Vec<Cell>>();
    let mut pairs = found.pairs.clone();
    let jaccard = |(a, b, both): &(usize, usize, u64)| *both as f64 / union(*a, *b, *both).max(1) as f64;
    pairs.retain(|(_, _, both)| *both > 0);
    pairs.sort_by(|one, other| jaccard(other).total_cmp(&jaccard(one)));
    let pair = |(a, b, both): (usize, usize, u64)| Pair {
        a: names_told[a].to_string(),
        b: names_told[b].to_string(),
        both: tell::grouped(both),
        jaccard: tell::share(both, union(a, b, both)),
        of_a: tell::share(both, sizes[a]),
        of_b: tell::share(both, sizes[b]),
    };
    Ok(Some(Matrix {
        rows: names_told.iter().enumerate().map(|(a, name)| (name.to_string(), row(a))).collect(),
        pairs: pairs.into_iter().take(PAIRS).map(pair).collect(),
        union: tell::grouped(found.union),
        left_out: names.len() - shown.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::figures::Converted,
        model::{calendar::Unit, name::Name},
    };

    #[test]
    fn a_rate_of_a_part_of_the_entries_says_since_when() {
        let known = Timestamp::parse("2026-05-01T10:30:00Z").unwrap();
        let counts = Converted {
            entries: 14,
            entered: 12,
            erased: 2,
            converted: 4,
            closed: 8,
            closed_converted: 2,
            open_converted: 2,
        };
        let figures = |is_complete: bool| ConversionFigures {
            goal: Name::new("purchase").unwrap(),
            from: Timestamp::MIN,
            to: known,
            found: counts.clone(),
            causes: Vec::new(),
            unlisted: u64::from(!is_complete) * 20_000,
            known_since: (!is_complete).then_some(known),
            is_complete,
        };
        let within = Length { n: 14, unit: Unit::Day };
        let whole = conversion(&figures(true), within, &Zone::utc());
        assert_eq!((whole.rate.as_deref(), whole.since), (Some("25.0%"), None));
        assert!(whole.detail.contains("2 of the 8 whose time of 14 days is over") && !whole.detail.contains("20,000"));
        let partly = conversion(&figures(false), within, &Zone::named("Europe/Berlin").unwrap());
        assert_eq!(partly.since.as_deref(), Some("2026-05-01 12:30"));
        assert!(partly.detail.contains("Of 20,000 more entries"), "{}", partly.detail);
    }
}
