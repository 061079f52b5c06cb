//! Charts as SVG, without a script: each with a text that says the same.

use std::fmt::Write as _;

use crate::{db::past::DayRecord, web::tell::grouped};

/// Width and height of a growth chart, in its own units; the page stretches it.
const GROWTH: (f64, f64) = (560.0, 220.0);
/// The part of a growth chart that tells the size; below it stand those who entered and left.
const SIZE_HEIGHT: f64 = 140.0;
const SPARK: (f64, f64) = (120.0, 28.0);
/// Days that a small line shows, about: no more than it is wide.
const SPARK_DAYS: usize = 120;

/// A line of sizes in the height of a line of text.
pub fn spark(days: &[DayRecord]) -> String {
    let (width, height) = SPARK;
    let Some((first, last)) = days.first().zip(days.last()) else { return String::new() };
    let told = format!("{} on {}, {} on {}", grouped(first.size), first.day, grouped(last.size), last.day);
    let least = days.iter().map(|day| day.size).min().unwrap_or(0);
    let most = days.iter().map(|day| day.size).max().unwrap_or(0);
    let span = (most - least).max(1) as f64;
    let mut line = String::new();
    let step = days.len().div_ceil(SPARK_DAYS);
    let shown = days.iter().enumerate().filter(|(place, _)| place % step == 0 || place + 1 == days.len());
    for (place, day) in shown {
        let x = 2.0 + (width - 4.0) * place as f64 / (days.len() - 1).max(1) as f64;
        let y =
            if most == least { height / 2.0 } else { height - 3.0 - (height - 6.0) * (day.size - least) as f64 / span };
        // Writing to memory cannot fail.
        let _ = write!(line, "{x:.1},{y:.1} ");
        if days.len() == 1 {
            let _ = write!(line, "{:.1},{y:.1} ", width - 2.0);
        }
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{told}\"><polyline points=\"{}\"/></svg>",
        line.trim_end()
    )
}

/// Size, entries and exits by day, with marks where the rule changed.
pub fn growth(days: &[DayRecord]) -> String {
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
    bars(&mut svg, days, &x, step);
    marks(&mut svg, days, &x, step);
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

/// Who entered above a line, who left below it.
fn bars(svg: &mut String, days: &[DayRecord], x: &dyn Fn(usize) -> f64, step: f64) {
    let (zero, reach) = (SIZE_HEIGHT + 30.0, 26.0);
    let most = days.iter().map(|day| day.entered.max(day.left)).max().unwrap_or(0).max(1) as f64;
    let wide = (step * 0.7).clamp(0.6, 24.0);
    for (place, day) in days.iter().enumerate() {
        let left_edge = x(place) - wide / 2.0;
        for (class, n) in [("entered", day.entered), ("left", day.left)] {
            if n > 0 {
                let tall = (reach * n as f64 / most).max(1.0);
                let top = if class == "entered" { zero - tall } else { zero };
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{left_edge:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\">\
                     <title>{}: {} {class}</title></rect>",
                    day.day,
                    grouped(n)
                );
            }
        }
    }
    let (from, to) = (x(0) - step / 2.0, x(days.len() - 1) + step / 2.0);
    let _ = write!(svg, "<line class=\"zero\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{zero}\" y2=\"{zero}\"/>");
}

/// A dashed line where a version of the rule began.
fn marks(svg: &mut String, days: &[DayRecord], x: &dyn Fn(usize) -> f64, step: f64) {
    for (place, pair) in days.windows(2).enumerate().filter(|(_, pair)| pair[0].version != pair[1].version) {
        let at = x(place + 1) - step / 2.0;
        let _ = write!(
            svg,
            "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"8\" y2=\"{:.1}\"/>\
             <text class=\"axis\" x=\"{:.1}\" y=\"10\">v{}</text>",
            SIZE_HEIGHT + 56.0,
            at + 3.0,
            pair[1].version
        );
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
        let svg = growth(&days);
        assert!(svg.contains("from 2026-05-01 to 2026-05-03: 10 at first, 24,000 at the end; 25,000 entered"), "{svg}");
        assert!(svg.contains(">v2<") && !svg.contains(">v1<"), "one mark, where the rule changed");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert!(spark(&days).contains("10 on 2026-05-01, 24,000 on 2026-05-03"));
    }

    #[test]
    fn nothing_and_one_day_are_drawn_too() {
        assert_eq!((growth(&[]), spark(&[])), (String::new(), String::new()));
        for svg in [growth(&[day(0, 0, 0, 0, 1)]), spark(&[day(0, 7, 7, 0, 1)])] {
            assert!(!svg.contains("NaN") && svg.contains("2026-05-01"), "{svg}");
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let cases = [(0, 2), (1, 2), (7, 7), (12, 15), (1_001, 1_500), (999, 1_000), (24_990, 25_000)];
        assert_eq!(cases.map(|(n, _)| nice(n)), cases.map(|(_, round)| round));
        assert_eq!([short(9_999), short(15_000), short(2_500_000)], ["9,999", "15k", "2.5M"]);
    }
}
