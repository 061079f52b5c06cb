//! What people read: tables, numbers with separators, durations, progress bars.

use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};

/// A number with a comma between thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration in the unit that reads best.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.2} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// A size in the unit that reads best.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_024 => format!("{n} B"),
        1_024..1_048_576 => format!("{:.1} KiB", n as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", n as f64 / 1_073_741_824.0),
    }
}

/// A line under the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with a header; columns of numbers are set flush right.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header.iter().map(|title| (*title).to_owned()));
    let numeric = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        cells.clone().next().is_some() && cells.clone().all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
    };
    let right: Vec<usize> = (0..header.len()).filter(|column| numeric(*column)).collect();
    table.add_rows(rows);
    for column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Figures as a row of small bars, from zero to the greatest.
pub fn sparkline(figures: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = figures.iter().copied().max().unwrap_or(0).max(1);
    figures.iter().map(|figure| BARS[(u128::from(*figure) * 7 / u128::from(most)) as usize]).collect()
}

/// A bar over a known number of things, with the rate and the time left. Hidden when nobody watches.
pub fn bar(total: u64, what: &str) -> ProgressBar {
    let template = format!("{{msg:<22}} {{bar:32}} {{human_pos}}/{{human_len}} {what}  {{per_sec}}  {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the template is well formed");
    ProgressBar::new(total).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "))
}

/// A bar over bytes read, with the rate and, when the total is known, the time left.
pub fn byte_bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg:<22} {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{msg:<22} {spinner} {bytes}  {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ "))
}

/// What is going on, for work of which nobody knows how long it takes. Hidden when nobody watches.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn sparklines_reach_from_zero_to_the_greatest() {
        assert_eq!(sparkline(&[0, 4, 8, 7, u64::MAX / 2]), "▁▁▁▁█");
        assert_eq!(sparkline(&[0, 1, 2, 3, 4, 5, 6, 7]), "▁▂▃▄▅▆▇█");
        assert_eq!((sparkline(&[]), sparkline(&[0, 0])), (String::new(), "▁▁".to_owned()));
    }

    #[test]
    fn tables_hold_what_they_are_given() {
        let text = table(&["name", "count"], vec![vec!["VIP".into(), "12".into()], vec!["All".into(), "1,200".into()]]);
        assert!(text.contains("VIP") && text.contains("1,200"), "{text}");
    }
}
