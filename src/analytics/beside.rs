//! Segments beside each other: the same, nearly the same, one within the other, too many that overlap.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    analytics::{
        relation::{MUCH_PERCENT, NEAR_PERCENT, Relation, relation},
        review::{Finding, Findings, Grounds, Severity},
        sweep::sweep,
    },
    model::id::SegmentId,
    segment::saved::{Body, Segment},
};

/// Looks that a pair counts for that stand close to each other, as it is kept and told.
const LOOKS_OF_FOUND: u64 = 16;
/// Segments that are compared before the looks are summed up again, at most …
const STEP: usize = 64;
/// … and pairs, about.
const PAIRS_OF_STEP: usize = 65_536;
/// Other segments that one piece of advice names for programs, at most.
const RELATED_MAX: usize = 100;
/// From so many segments on that overlap much with one there are too many.
const OVERLAPPING_MAX: usize = 5;
/// Segments that are named, at most.
const NAMED_MAX: usize = 5;

/// Whether what two segments hold can be told of as of two rules, or of two lists: a list of those whom a rule once held
/// is a picture of a moment, and meant to be like it.
fn is_one_kind(a: &Segment, b: &Segment) -> bool {
    matches!((&a.body, &b.body), (Body::Dynamic(_), Body::Dynamic(_)) | (Body::Static(_), Body::Static(_)))
}

/// How segments stand to others, by segment, the weightiest first.
#[derive(Clone, Debug, Default)]
struct Beside<'a> {
    same: Vec<&'a Segment>,
    near: Vec<(&'a Segment, Relation)>,
    within: Vec<&'a Segment>,
    much: Vec<&'a Segment>,
}

/// Advice about segments as they stand to each other and to `others`, and how many of them were compared. Of two that
/// are nearly the same, and both asked about, the newer one is told about. Once about `most` looks are used up the rest of
/// those asked about is left out; what came before it is compared in every pair.
pub fn beside(grounds: &Grounds<'_>, asked: &[&Segment], others: &[&Segment], most: u64) -> (Vec<Finding>, usize) {
    let is_asked: BTreeSet<SegmentId> = asked.iter().map(|segment| segment.id).collect();
    let everyone = grounds.index.live().len();
    let is_some = |segment: &&Segment| (1..everyone).contains(&grounds.live.members(segment.id).len());
    let others: Vec<&Segment> =
        others.iter().copied().filter(|other| !is_asked.contains(&other.id)).filter(is_some).collect();
    let some: Vec<(usize, &Segment)> = asked.iter().copied().enumerate().filter(|(_, one)| is_some(one)).collect();
    let (mut found, mut looks, mut compared) = (Vec::new(), 0, 0);
    while compared < some.len() && looks < most {
        let pairs = others.len() + compared + 1;
        let step = (PAIRS_OF_STEP / pairs).clamp(1, STEP).min(some.len() - compared);
        let rows = sweep(step, |place| {
            let ((_, one), mut looks) = (some[compared + place], 0);
            let before = some[..compared + place].iter().map(|(_, other)| other);
            let related = before.chain(&others).filter(|other| is_one_kind(one, other)).filter_map(|other| {
                let found = relation(grounds.live.members(one.id), grounds.live.members(other.id), &mut looks)?;
                let older_first = is_asked.contains(&other.id) && one.id < other.id;
                Some(if older_first { (*other, one, found) } else { (one, *other, found) })
            });
            let related: Vec<(&Segment, &Segment, Relation)> = related.collect();
            looks += LOOKS_OF_FOUND * related.len() as u64;
            (related, looks)
        });
        looks += rows.iter().map(|(_, looks)| looks).sum::<u64>();
        found.extend(rows.into_iter().flat_map(|(related, _)| related));
        compared += step;
    }
    // Those without members, or with everyone, are told apart from all others by that alone.
    let reached = some.get(compared).map_or(asked.len(), |(place, _)| *place);
    let asked: Vec<&Segment> = some.into_iter().take(compared).map(|(_, one)| one).collect();
    (advised(grounds, &asked, &others, found), reached)
}

/// Advice from how segments stand to each other.
fn advised(
    grounds: &Grounds<'_>,
    asked: &[&Segment],
    others: &[&Segment],
    found: Vec<(&Segment, &Segment, Relation)>,
) -> Vec<Finding> {
    let is_asked: BTreeSet<SegmentId> = asked.iter().map(|segment| segment.id).collect();
    let all = asked.iter().chain(others);
    let named: BTreeMap<SegmentId, BTreeSet<SegmentId>> =
        all.map(|segment| (segment.id, grounds.live.named_by(segment.id))).collect();
    let mut standing: BTreeMap<SegmentId, Beside<'_>> = BTreeMap::new();
    for (one, other, found) in found {
        let size = |segment: &Segment| grounds.live.members(segment.id).len();
        let names = |a: &Segment, b: &Segment| named.get(&a.id).is_some_and(|named| named.contains(&b.id));
        let of_one = standing.entry(one.id).or_default();
        if found.both == found.either {
            of_one.same.push(other);
        } else if found.reaches(NEAR_PERCENT) {
            of_one.near.push((other, found));
        } else if !names(one, other) && !names(other, one) {
            // What a rule says openly needs no telling.
            if found.both == size(one) {
                of_one.within.push(other);
            } else if found.both == size(other) && is_asked.contains(&other.id) {
                standing.entry(other.id).or_default().within.push(one);
            }
        }
        if found.reaches(MUCH_PERCENT) {
            standing.entry(one.id).or_default().much.push(other);
            if is_asked.contains(&other.id) {
                standing.entry(other.id).or_default().much.push(one);
            }
        }
    }
    once_each(asked, &mut standing);
    let told = asked.iter().flat_map(|one| standing.get(&one.id).map(|beside| told(one, beside)));
    told.flatten().collect()
}

/// Leaves one piece of advice of a kind to those that belong together, however many there are: the newest of those that
/// are the same or nearly so tells of them all, and of those that overlap much the one that does so with the most.
fn once_each<'a>(asked: &[&'a Segment], standing: &mut BTreeMap<SegmentId, Beside<'a>>) {
    let known: BTreeSet<SegmentId> = asked.iter().map(|segment| segment.id).collect();
    let edges = |of: fn(&Beside<'a>) -> Vec<SegmentId>, standing: &BTreeMap<SegmentId, Beside<'a>>| {
        let mut edges: BTreeMap<SegmentId, BTreeSet<SegmentId>> = BTreeMap::new();
        for (one, beside) in standing {
            for other in of(beside).into_iter().filter(|other| known.contains(other)) {
                edges.entry(*one).or_default().insert(other);
                edges.entry(other).or_default().insert(*one);
            }
        }
        edges
    };
    let ids = |segments: &[&Segment]| segments.iter().map(|segment| segment.id).collect::<Vec<_>>();
    // What is the same is so for all of them: the newest knows every other.
    let same: BTreeSet<SegmentId> = standing.values().flat_map(|beside| ids(&beside.same)).collect();
    for (one, beside) in standing.iter_mut() {
        if same.contains(one) {
            beside.same.clear();
        }
    }
    for cluster in clusters(&edges(|beside| beside.near.iter().map(|(other, _)| other.id).collect(), standing)) {
        let Some(newest) = cluster.last().copied() else { continue };
        let mut near: BTreeMap<SegmentId, (&'a Segment, Relation)> = BTreeMap::new();
        for one in &cluster {
            let Some(beside) = standing.get_mut(one) else { continue };
            for (other, found) in std::mem::take(&mut beside.near) {
                near.insert(other.id, (other, found));
            }
        }
        standing.entry(newest).or_default().near = near.into_values().collect();
    }
    for cluster in clusters(&edges(|beside| beside.much.iter().map(|other| other.id).collect(), standing)) {
        let most = cluster.iter().max_by_key(|id| standing.get(id).map_or(0, |beside| beside.much.len())).copied();
        for one in cluster.iter().filter(|one| Some(**one) != most) {
            if let Some(beside) = standing.get_mut(one) {
                beside.much.clear();
            }
        }
    }
}

/// Those that belong together by a row of pairs, each group in order.
fn clusters(edges: &BTreeMap<SegmentId, BTreeSet<SegmentId>>) -> Vec<BTreeSet<SegmentId>> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for start in edges.keys() {
        let (mut cluster, mut open) = (BTreeSet::new(), vec![*start]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                cluster.insert(id);
                open.extend(edges.get(&id).into_iter().flatten().copied());
            }
        }
        if !cluster.is_empty() {
            found.push(cluster);
        }
    }
    found
}

fn names(segments: &[&Segment]) -> String {
    let named: Vec<String> = segments.iter().take(NAMED_MAX).map(|one| format!("\"{}\"", one.name)).collect();
    match segments.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

fn told(one: &Segment, beside: &Beside<'_>) -> Vec<Finding> {
    let mut findings = Findings::new(one.id);
    let ids =
        |segments: &[&Segment]| segments.iter().take(RELATED_MAX).map(|segment| segment.id).collect::<Vec<SegmentId>>();
    if !beside.same.is_empty() {
        let rule = |segment: &Segment| match &segment.body {
            Body::Dynamic(dynamic) => Some(dynamic.newest().rule.json.clone()),
            Body::Static(_) => None,
        };
        let is_same_rule = rule(one).is_some() && beside.same.iter().any(|other| rule(other) == rule(one));
        let what = if is_same_rule { "the same rule and members" } else { "the same members" };
        let detail = format!("it has {what} as {}", names(&beside.same));
        let suggestion = "keep one, and name it in the rules that use the other (in segment \"…\")";
        findings.add("duplicate", Severity::Warning, detail, suggestion).related = ids(&beside.same);
    }
    if !beside.near.is_empty() {
        let others: Vec<&Segment> = beside.near.iter().map(|(other, _)| *other).collect();
        let least = beside.near.iter().map(|(_, found)| 100.0 * found.jaccard().unwrap_or(0.0)).fold(100.0, f64::min);
        let detail = match others.as_slice() {
            [other] => format!("{least:.1} % of those in it or in \"{}\" are in both", other.name),
            _ => format!(
                "it and {} are nearly the same: each shares {least:.1} % or more with another of them",
                names(&others)
            ),
        };
        let suggestion = "see whether the difference is meant; if not, keep one";
        findings.add("near_duplicate", Severity::Hint, detail, suggestion).related = ids(&others);
    }
    if !beside.within.is_empty() {
        let detail = format!("all its members are in {} too", names(&beside.within));
        let suggestion = "if that is meant, say so in its rule (in segment \"…\"), so that it stays so";
        findings.add("subset", Severity::Hint, detail, suggestion).related = ids(&beside.within);
    }
    if beside.much.len() >= OVERLAPPING_MAX {
        let detail = format!(
            "it shares at least {MUCH_PERCENT} % with each of {} other segments: {}",
            beside.much.len(),
            names(&beside.much)
        );
        let suggestion = "make fewer, or rank them in an audience so that each contact is sent to once";
        findings.add("many_overlaps", Severity::Warning, detail, suggestion).related = ids(&beside.much);
    }
    findings.found
}
