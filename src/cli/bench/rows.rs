//! Figures: what was measured, how often, and against what.

use serde_json::{Map, Value, json};

use crate::cli::{failure::Failure, show};

/// One job.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// What the figures are in: `us`, `ms`, `bytes`, also by piece, as in `us/event`.
    pub unit: &'static str,
    /// One figure for each run, ascending.
    pub figures: Vec<f64>,
    /// What this machine can do at best, in the same unit.
    pub floor: f64,
    /// How that was measured.
    pub floor_is: &'static str,
    /// How long `roaring` took with the same sets, one operator after the other.
    pub roaring: Option<f64>,
    /// What was counted, the same in every way it was answered.
    pub count: Option<u64>,
}

impl Row {
    /// A row of some runs; `None` when there are none.
    pub fn new(name: impl Into<String>, unit: &'static str, mut figures: Vec<f64>, floor: (f64, &'static str)) -> Row {
        assert!(!figures.is_empty(), "a row has at least one run");
        figures.sort_by(f64::total_cmp);
        // A floor that is too small to be measured is one tick of the stopwatch.
        let (floor, floor_is) = (floor.0.max(1e-3), floor.1);
        Row { name: name.into(), unit, figures, floor, floor_is, roaring: None, count: None }
    }

    /// The same, of so many contacts or changes.
    pub fn of(self, count: u64) -> Row {
        Row { count: Some(count), ..self }
    }

    /// The same, with what `roaring` took.
    pub fn beside(self, roaring: f64) -> Row {
        Row { roaring: Some(roaring), ..self }
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        median(&self.figures)
    }

    /// The median over the floor.
    pub fn ratio(&self) -> f64 {
        self.median() / self.floor
    }

    /// How many pieces a second, of what is measured by the piece.
    pub fn rate(&self) -> Option<f64> {
        self.unit.starts_with("us/").then(|| 1e6 / self.median())
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let (min, max) = (self.figures[0], self.figures[self.figures.len() - 1]);
        let mut row = json!({
            "name": self.name, "n": self.figures.len(), "unit": self.unit, "median": self.median(), "min": min,
            "max": max, "floor": self.floor, "ratio": self.ratio(), "floor_is": self.floor_is,
        });
        if let Some(rate) = self.rate() {
            row["per_s"] = json!(rate);
        }
        if let Some(roaring) = self.roaring {
            row["roaring"] = json!(roaring);
        }
        if let Some(count) = self.count {
            row["count"] = json!(count);
        }
        row
    }
}

/// The one in the middle of ascending figures, or the mean of both that are; 0 of none.
pub fn median(ascending: &[f64]) -> f64 {
    match ascending.len() {
        0 => 0.0,
        n if n % 2 == 1 => ascending[n / 2],
        n => f64::midpoint(ascending[n / 2 - 1], ascending[n / 2]),
    }
}

/// The median of figures in any order.
pub fn median_of(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    median(&figures)
}

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub struct Choice(pub Vec<String>);

impl Choice {
    /// Whether a row is.
    pub fn wants(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.is_empty() || self.0.iter().any(|part| name.contains(&part.to_lowercase()))
    }

    /// Refuses what no row is called.
    pub fn check(&self, names: &[String]) -> Result<(), Failure> {
        for part in &self.0 {
            if !names.iter().any(|name| Choice(vec![part.clone()]).wants(name)) {
                return Err(Failure::caller(format!(
                    "no row is called \"{part}\"; the rows are: {}",
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// A figure with its unit, as people read it.
pub fn shown(value: f64, unit: &str) -> String {
    let (unit, piece) = unit.split_once('/').map_or((unit, String::new()), |(unit, of)| (unit, format!("/{of}")));
    let digits = |value: f64| match value {
        _ if value >= 100.0 => show::grouped(value.round() as u64),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let (value, unit) = match unit {
        "us" if value < 1.0 => (value * 1e3, "ns"),
        "us" if value >= 1e6 => (value / 1e6, "s"),
        "us" if value >= 1e3 => (value / 1e3, "ms"),
        "us" => (value, "µs"),
        "ms" if value >= 1e3 => (value / 1e3, "s"),
        "ms" if value < 1.0 => (value * 1e3, "µs"),
        unit => (value, unit),
    };
    format!("{} {unit}{piece}", digits(value))
}

/// The table that people read. `before` are the rows of an earlier run.
pub fn table(rows: &[Row], before: Option<&Map<String, Value>>) -> String {
    let mut header = vec!["", "median", "least … most", "runs", "floor", "to floor", "roaring", "count"];
    if before.is_some() {
        header.push("to before");
    }
    let told = |row: &Row| {
        let (least, most) = (row.figures[0], row.figures[row.figures.len() - 1]);
        let mut cells = vec![
            row.name.clone(),
            match row.rate() {
                Some(rate) => format!("{}, {}/s", shown(row.median(), row.unit), show::grouped(rate.round() as u64)),
                None => shown(row.median(), row.unit),
            },
            format!("{} … {}", shown(least, row.unit), shown(most, row.unit)),
            row.figures.len().to_string(),
            shown(row.floor, row.unit),
            format!("{:.2} ×", row.ratio()),
            row.roaring.map_or(String::new(), |roaring| shown(roaring, row.unit)),
            row.count.map_or(String::new(), show::grouped),
        ];
        if let Some(before) = before {
            cells.push(change(row, before).map_or(String::new(), |change| format!("{change:.2} ×")));
        }
        cells
    };
    show::table(&header, rows.iter().map(told).collect())
}

/// How many times as long as before a row takes.
pub fn change(row: &Row, before: &Map<String, Value>) -> Option<f64> {
    let old = before.get(&row.name).filter(|old| old["unit"] == row.unit)?;
    old["median"].as_f64().filter(|old| *old > 0.0).map(|old| row.median() / old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_the_middle_and_what_it_is_over_the_floor() {
        let row = Row::new("x", "us", vec![9.0, 1.0, 5.0], (2.5, "a loop"));
        assert_eq!((row.median(), row.ratio(), row.figures[0], row.figures[2]), (5.0, 2.0, 1.0, 9.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert_eq!((row.rate(), Row::new("x", "us/event", vec![0.25], (0.1, "less")).rate()), (None, Some(4e6)));
        assert_eq!(Row::new("x", "us", vec![1.0], (0.0, "nothing")).json()["floor"], 1e-3, "no ratio is infinite");
    }

    #[test]
    fn figures_are_shown_in_the_unit_that_reads_best() {
        assert_eq!(shown(0.25, "us"), "250 ns");
        assert_eq!(shown(2_500.0, "us"), "2.50 ms");
        assert_eq!(shown(12.345, "us/event"), "12.3 µs/event");
        assert_eq!(shown(1_234.0, "bytes/contact"), "1,234 bytes/contact");
    }

    #[test]
    fn rows_are_chosen_by_any_part_of_their_name() {
        let choice = Choice(vec!["count:".into(), "SNAP".into()]);
        assert!(choice.wants("count: One tag") && choice.wants("snapshot") && !choice.wants("open"));
        let names = ["open".to_owned(), "snapshot".to_owned()];
        assert!(choice.check(&names).is_err_and(|failure| failure.message.contains("\"count:\"")));
        assert!(Choice(vec![]).wants("open"));
    }
}
