//! Charts as SVG, without a script: each with a text that says the same.

use std::fmt::Write as _;

use crate::{
    db::{past::DayRecord, record::SegmentInfo, view::View},
    model::time::Day,
    web::tell::grouped,
};

/// Width and height of a growth chart, in its own units; the page stretches it.
const GROWTH: (f64, f64) = (560.0, 220.0);
/// The part of a growth chart that tells the size; below it stand those who entered and left.
const SIZE_HEIGHT: f64 = 140.0;
const SPARK: (f64, f64) = (120.0, 28.0);
/// Days that a small line shows, about: no more than it is wide.
const SPARK_DAYS: usize = 120;
/// A bar that is so many times as tall as nine of ten others is cut off, so that the others are seen.
const OUTLIER: u64 = 4;
/// Bars that are cut off and told with their number; more would stand in each other's way.
const TOLD_MAX: usize = 3;

/// What a growth chart tells of a segment beside its days.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The day on which it was made, and those who were in it from the start entered.
    pub made: Option<Day>,
    /// Where a version of the rule began: the day, which part of it was over, and the version.
    pub versions: Vec<(Day, f64, u32)>,
}

impl Course {
    /// The course of a segment.
    pub fn of(view: &View, segment: &SegmentInfo) -> Course {
        let zone = view.schema().zone();
        let known = view.versions(&segment.name).unwrap_or_default();
        let begun = known.iter().skip_while(|version| version.version == 1).map(|version| {
            let day = zone.day_of(version.at);
            let (start, end) = (zone.start_of(day), zone.start_of(day.plus_days(1)));
            let part = (version.at.0 - start.0) as f64 / (end.0 - start.0).max(1) as f64;
            (day, part.clamp(0.0, 1.0), version.version)
        });
        Course { made: Some(zone.day_of(segment.created)), versions: begun.collect() }
    }
}

/// A line of sizes in the height of a line of text, over the `span` days that end with `today`.
pub fn spark(days: &[DayRecord], today: Day, span: i64) -> String {
    let (width, height) = SPARK;
    let Some((first, last)) = days.first().zip(days.last()) else { return String::new() };
    let told = format!("{} on {}, {} on {}", grouped(first.size), first.day, grouped(last.size), last.day);
    let least = days.iter().map(|day| day.size).min().unwrap_or(0);
    let most = days.iter().map(|day| day.size).max().unwrap_or(0);
    let reach = (most - least).max(1) as f64;
    let x = |day: Day| {
        let place = (span - 1 - i64::from(today.0 - day.0)).clamp(0, span - 1);
        3.0 + (width - 6.0) * place as f64 / (span - 1).max(1) as f64
    };
    let y = |size: u64| match most == least {
        true => height / 2.0,
        false => height - 3.0 - (height - 6.0) * (size - least) as f64 / reach,
    };
    let mut svg = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{told}\">"
    );
    if days.len() > 1 {
        let step = days.len().div_ceil(SPARK_DAYS);
        let shown = days.iter().enumerate().filter(|(place, _)| place % step == 0 || place + 1 == days.len());
        let points: Vec<String> = shown.map(|(_, day)| format!("{:.1},{:.1}", x(day.day), y(day.size))).collect();
        let _ = write!(svg, "<polyline points=\"{}\"/>", points.join(" "));
    }
    // Writing to memory cannot fail.
    let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/></svg>", x(last.day), y(last.size));
    svg
}

/// Size, entries and exits by day, with marks where the rule changed.
pub fn growth(days: &[DayRecord], course: &Course) -> String {
    let (width, height) = GROWTH;
    let Some((first, last)) = days.first().zip(days.last()) else { return String::new() };
    let (entered, left) = days.iter().fold((0, 0), |sum, day| (sum.0 + day.entered, sum.1 + day.left));
    let told = format!(
        "Members by day from {} to {}: {} at first, {} at the end; {} entered and {} left",
        first.day,
        last.day,
        grouped(first.size),
        grouped(last.size),
        grouped(entered),
        grouped(left)
    );
    let (from, to) = (54.0, width - 8.0);
    let step = (to - from) / days.len() as f64;
    let x = |place: usize| from + step * (place as f64 + 0.5);
    let most = nice(days.iter().map(|day| day.size).max().unwrap_or(0));
    let y = |size: u64| 12.0 + (SIZE_HEIGHT - 20.0) * (1.0 - size as f64 / most as f64);
    let mut svg = format!("<svg class=\"growth\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{told}\">");
    for line in [0, most / 2, most] {
        let at = y(line);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{from}\" x2=\"{to}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            from - 6.0,
            at + 4.0,
            short(line)
        );
    }
    area(&mut svg, days, &x, &y, y(0));
    bars(&mut svg, days, course.made, &x, step);
    marks(&mut svg, days, course, from, step);
    for (place, anchor) in [(0, "start"), (days.len() - 1, "end")] {
        let at = if place == 0 { from } else { to };
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            height - 2.0,
            days[place].day
        );
        if days.len() == 1 {
            break;
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The sizes as a line with the area under it.
fn area(svg: &mut String, days: &[DayRecord], x: &dyn Fn(usize) -> f64, y: &dyn Fn(u64) -> f64, floor: f64) {
    let mut points = String::new();
    for (place, day) in days.iter().enumerate() {
        let _ = write!(points, "{:.1},{:.1} ", x(place), y(day.size));
    }
    let points = points.trim_end();
    let (first, last) = (x(0), x(days.len() - 1));
    let _ = write!(
        svg,
        "<polygon class=\"area\" points=\"{first:.1},{floor:.1} {points} {last:.1},{floor:.1}\"/>\
         <polyline class=\"line\" points=\"{points}\"/>"
    );
    if days.len() < 3 {
        for (place, day) in days.iter().enumerate() {
            let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", x(place), y(day.size));
        }
    }
}

/// How many a bar of full height stands for. Those who were in from the start are no measure for the days after, nor is
/// one day on which very many came or went at once.
fn full_height(days: &[DayRecord], made: Option<Day>) -> u64 {
    let plain = days.iter().filter(|day| Some(day.day) != made).flat_map(|day| [day.entered, day.left]);
    let mut seen: Vec<u64> = plain.filter(|n| *n > 0).collect();
    seen.sort_unstable();
    let Some(most) = seen.last().copied() else {
        return days.iter().map(|day| day.entered.max(day.left)).max().unwrap_or(0).max(1);
    };
    let usual = seen[(seen.len() - 1) * 9 / 10];
    if most > usual.saturating_mul(OUTLIER) { usual + usual / 2 } else { most }
}

/// Who entered above a line, who left below it; what is cut off has a break in it.
fn bars(svg: &mut String, days: &[DayRecord], made: Option<Day>, x: &dyn Fn(usize) -> f64, step: f64) {
    let (zero, reach) = (SIZE_HEIGHT + 32.0, 24.0);
    let full = full_height(days, made);
    let wide = (step * 0.7).clamp(0.6, 24.0);
    let mut told = 0;
    for (place, day) in days.iter().enumerate() {
        let left_edge = x(place) - wide / 2.0;
        for (class, n) in [("entered", day.entered), ("left", day.left)].into_iter().filter(|(_, n)| *n > 0) {
            let is_cut = n > full;
            let tall = (reach * n.min(full) as f64 / full as f64).max(1.0);
            let top = if class == "entered" { zero - tall } else { zero };
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{left_edge:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\">\
                 <title>{}: {} {class}</title></rect>",
                day.day,
                grouped(n)
            );
            if !is_cut {
                continue;
            }
            let at = if class == "entered" { zero - 0.7 * reach } else { zero + 0.7 * reach };
            let (low, high) = (left_edge - 1.5, left_edge + wide + 1.5);
            let _ = write!(svg, "<path class=\"break\" d=\"M{low:.1} {:.1}L{high:.1} {:.1}\"/>", at + 2.0, at - 2.0);
            if told < TOLD_MAX {
                told += 1;
                let (beside, anchor) = if place * 2 < days.len() { (high + 2.0, "start") } else { (low - 2.0, "end") };
                let line = if class == "entered" { zero - reach + 7.0 } else { zero + reach };
                let first = if Some(day.day) == made && class == "entered" { " at first" } else { "" };
                let _ = write!(
                    svg,
                    "<text class=\"axis\" x=\"{beside:.1}\" y=\"{line:.1}\" text-anchor=\"{anchor}\">{}{first}</text>",
                    short(n)
                );
            }
        }
    }
    let (from, to) = (x(0) - step / 2.0, x(days.len() - 1) + step / 2.0);
    let _ = write!(svg, "<line class=\"zero\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{zero}\" y2=\"{zero}\"/>");
}

/// A dashed line where a version of the rule began; versions of one day have one label.
fn marks(svg: &mut String, days: &[DayRecord], course: &Course, from: f64, step: f64) {
    let place = |day: Day| days.binary_search_by_key(&day, |record| record.day).ok();
    let seen: Vec<(usize, f64, u32)> =
        course.versions.iter().filter_map(|(day, part, version)| Some((place(*day)?, *part, *version))).collect();
    for group in seen.chunk_by(|a, b| a.0 == b.0) {
        for (place, part, _) in group {
            let at = from + step * (*place as f64 + part);
            let foot = SIZE_HEIGHT + 56.0;
            let _ = write!(svg, "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"8\" y2=\"{foot:.1}\"/>");
        }
        let (Some((place, part, first)), Some((_, _, last))) = (group.first(), group.last()) else { continue };
        let label = if first == last { format!("v{first}") } else { format!("v{first}–{last}") };
        let at = from + step * (*place as f64 + part);
        let (at, anchor) = if at > GROWTH.0 - 60.0 { (at - 3.0, "end") } else { (at + 3.0, "start") };
        let _ = write!(svg, "<text class=\"axis\" x=\"{at:.1}\" y=\"10\" text-anchor=\"{anchor}\">{label}</text>");
    }
}

/// The least number of one significant digit, or half of one, that is not below.
fn nice(n: u64) -> u64 {
    let mut step = 1u64;
    while step.saturating_mul(10) <= n {
        step *= 10;
    }
    let half = (step / 2).max(1);
    n.div_ceil(half).saturating_mul(half).max(2)
}

/// `12k`, `1.5M`: at most four characters for an axis.
fn short(n: u64) -> String {
    match n {
        0..10_000 => grouped(n),
        10_000..1_000_000 => format!("{}k", trimmed(n as f64 / 1e3)),
        _ => format!("{}M", trimmed(n as f64 / 1e6)),
    }
}

fn trimmed(n: f64) -> String {
    let text = format!("{n:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Day;

    fn day(n: i64, size: u64, entered: u64, left: u64, version: u32) -> DayRecord {
        DayRecord { day: Day::parse("2026-05-01").unwrap().plus_days(n), size, entered, left, version }
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let days = [day(0, 10, 10, 0, 1), day(1, 25_000, 24_990, 0, 1), day(2, 24_000, 0, 1_000, 2)];
        let svg = growth(&days, &course(0, &[(2, 0.5, 2)]));
        assert!(svg.contains("from 2026-05-01 to 2026-05-03: 10 at first, 24,000 at the end; 25,000 entered"), "{svg}");
        assert!(svg.contains(">v2<") && !svg.contains(">v1<"), "one mark, where the rule changed");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(spark(&days, days[2].day, 90).contains("10 on 2026-05-01, 24,000 on 2026-05-03"));
    }

    fn course(made: i64, versions: &[(i64, f64, u32)]) -> Course {
        let at = |n: i64| day(n, 0, 0, 0, 1).day;
        Course {
            made: Some(at(made)),
            versions: versions.iter().map(|(n, part, version)| (at(*n), *part, *version)).collect(),
        }
    }

    #[test]
    fn nothing_and_one_day_are_drawn_too() {
        let today = Day::parse("2026-05-01").unwrap();
        assert_eq!((growth(&[], &Course::default()), spark(&[], today, 90)), (String::new(), String::new()));
        for svg in [growth(&[day(0, 0, 0, 0, 1)], &Course::default()), spark(&[day(0, 7, 7, 0, 1)], today, 90)] {
            assert!(!svg.contains("NaN") && svg.contains("2026-05-01"), "{svg}");
        }
        let one = spark(&[day(0, 7, 7, 0, 1)], today, 90);
        assert!(one.contains("<circle") && !one.contains("polyline"), "one day is a dot: {one}");
    }

    #[test]
    fn a_small_line_has_an_axis_of_its_days() {
        let days: Vec<DayRecord> = (0..3).map(|n| day(n, 10 + n as u64, 0, 0, 1)).collect();
        let svg = spark(&days, days[2].day, 90);
        assert!(
            svg.contains("points=\"114.4,25.0 115.7,14.0 117.0,3.0\""),
            "three of ninety days, at the right: {svg}"
        );
        let stale = spark(&days, days[2].day.plus_days(87), 90);
        assert!(stale.contains("points=\"3.0,25.0"), "what ended long ago lies at the left: {stale}");
    }

    #[test]
    fn the_first_fill_and_outliers_do_not_flatten_the_days() {
        let mut days: Vec<DayRecord> = (0..30).map(|n| day(n, 90_000, 10, 10, 1)).collect();
        days[0].entered = 90_000;
        let svg = growth(&days, &course(0, &[]));
        assert!(svg.contains("height=\"24.0\"><title>2026-05-02: 10 entered"), "ten are a full bar: {svg}");
        assert!(svg.contains(">90k at first<") && svg.matches("class=\"break\"").count() == 1, "{svg}");
        days[20].left = 5_000;
        let svg = growth(&days, &course(0, &[]));
        assert!(svg.contains("height=\"16.0\"><title>2026-05-02: 10 entered") && svg.contains(">5,000<"), "{svg}");
        // Alone, the first fill is what there is to see.
        let svg = growth(&[day(0, 9, 9, 0, 1)], &course(0, &[]));
        assert!(svg.contains("height=\"24.0\"") && !svg.contains("break"), "{svg}");
    }

    #[test]
    fn every_version_has_a_mark() {
        let days: Vec<DayRecord> = (0..10).map(|n| day(n, 100, 0, 0, 1)).collect();
        let svg = growth(&days, &course(0, &[(0, 0.5, 2), (4, 0.1, 3), (4, 0.6, 4), (4, 0.9, 5), (40, 0.0, 6)]));
        assert_eq!(svg.matches("class=\"mark\"").count(), 4, "the first day and each of one day: {svg}");
        assert!(svg.contains(">v2<") && svg.contains(">v3–5<") && !svg.contains("v6"), "{svg}");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let cases = [(0, 2), (1, 2), (7, 7), (12, 15), (1_001, 1_500), (999, 1_000), (24_990, 25_000)];
        assert_eq!(cases.map(|(n, _)| nice(n)), cases.map(|(_, round)| round));
        assert_eq!([short(9_999), short(15_000), short(2_500_000)], ["9,999", "15k", "2.5M"]);
    }
}
