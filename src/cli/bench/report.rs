//! The page of a run: plots and a table in one file that needs nothing else.

use serde_json::Value;

use crate::cli::{bench::rows::shown, show};

/// Units of the drawing.
const WIDTH: f64 = 960.0;
const LABEL: f64 = 300.0;
const LINE: f64 = 24.0;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--line:#d8dde3;--paper:#fff;--here:#1668b8;--floor:#8a94a0;--roaring:#c2570c}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b0;--line:#333a44;--paper:#14171b;--here:#5aa7f0;--floor:#7d8894;--roaring:#f09a52}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1000px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.5rem 0 .5rem}p{color:var(--soft);max-width:70ch}\
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .soft{fill:var(--soft)}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}\
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}\
th:first-child,td:first-child{text-align:left}td.is{text-align:left;color:var(--soft);white-space:normal;min-width:16em}";

/// The whole page.
pub fn page(told: &Value) -> String {
    let rows: Vec<&Value> = told["rows"].as_array().into_iter().flatten().collect();
    let number = |key: &str| show::grouped(told[key].as_u64().unwrap_or(0));
    let machine = &told["machine"];
    let figure = |key: &str| machine[key].as_f64().unwrap_or(0.0);
    let facts = format!(
        "{} contacts with {} events. {}, {} cores, kernels {}; one core reads {:.1} GB/s, one read at random takes {:.0} ns, one \
         synced write of 4 KiB {}, a long file is written at {:.0} MB/s. Throng {}, {}{}.",
        number("contacts"),
        number("events"),
        word(&machine["cpu"]),
        machine["cores"],
        word(&machine["kernels"]),
        figure("memory_read_gb_s"),
        figure("random_read_ns"),
        shown(figure("sync_us"), "us"),
        figure("disk_write_mb_s"),
        word(&told["throng"]),
        word(&told["at"]),
        if told["optimised"] == true { "" } else { "; BUILT WITHOUT OPTIMISATION: these figures mean nothing" },
    );
    let is_rule = |row: &&Value| ["count:", "ids:"].iter().any(|start| word(&row["name"]).starts_with(start));
    let (rules, jobs): (Vec<&Value>, Vec<&Value>) = rows.iter().copied().partition(is_rule);
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>throng bench</title><style>{STYLE}</style><h1>throng bench</h1><p>{facts}</p>"
    );
    if !rules.is_empty() {
        out.push_str("<h2>Rules, nothing saved</h2>");
        out.push_str(&times(&rules));
    }
    if !jobs.is_empty() {
        out.push_str("<h2>Jobs, against their floors</h2>");
        out.push_str(&ratios(&jobs));
    }
    out.push_str(&table(&rows));
    out.push_str("</html>\n");
    out
}

/// Text of a value, fit for HTML.
fn word(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A scale of powers of ten over some figures.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn over(figures: impl Iterator<Item = f64>) -> Scale {
        let (least, most) = figures.filter(|f| *f > 0.0).fold((f64::MAX, f64::MIN), |(a, b), f| (a.min(f), b.max(f)));
        if least > most {
            return Scale { from: 0.0, to: 1.0 };
        }
        let (from, to) = (least.log10().floor(), most.log10().ceil());
        Scale { from, to: to.max(from + 1.0) }
    }

    fn x(&self, figure: f64) -> f64 {
        let share = (figure.max(1e-9).log10() - self.from) / (self.to - self.from);
        LABEL + share.clamp(0.0, 1.0) * (WIDTH - LABEL - 70.0)
    }

    /// Lines and labels at the powers of ten.
    fn grid(&self, height: f64, label: impl Fn(f64) -> String) -> String {
        let powers = (self.from as i32)..=(self.to as i32);
        let line = |power: i32| {
            let figure = 10f64.powi(power);
            let x = self.x(figure);
            format!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"22\" y2=\"{height:.1}\" stroke=\"var(--line)\"/>\
                 <text class=\"soft\" x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{}</text>",
                label(figure)
            )
        };
        powers.map(line).collect()
    }
}

fn figure(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(0.0)
}

/// A dot for the floor, one for `roaring`, and a bar from the least to the most with a dot at the median.
fn times(rows: &[&Value]) -> String {
    let keys = ["min", "max", "floor", "roaring"];
    let scale = Scale::over(rows.iter().flat_map(|row| keys.iter().map(|key| figure(row, key))));
    let height = 30.0 + LINE * rows.len() as f64;
    let mut out = format!(
        "<p>Microseconds and the like, each step tenfold: <b style=\"color:var(--here)\">● Throng</b>, from the fastest to \
         the slowest run; <b style=\"color:var(--floor)\">| a fused loop</b> over the words of the same predicates, on one core; \
         <b style=\"color:var(--roaring)\">◆ roaring</b>, one operator after the other.</p>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Times of the rules\">{}",
        scale.grid(height, |figure| shown(figure, "us").replace(".00", "").replace(".0 ", " "))
    );
    for (place, row) in rows.iter().enumerate() {
        let y = 38.0 + LINE * place as f64;
        let [least, most, floor, roaring] = keys.map(|key| scale.x(figure(row, key)));
        let median = scale.x(figure(row, "median"));
        out.push_str(&format!(
            "<text x=\"0\" y=\"{:.1}\">{}</text>\
             <line x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"var(--here)\" stroke-width=\"3\" opacity=\".4\"/>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"3\" height=\"14\" fill=\"var(--floor)\"/>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"var(--roaring)\" transform=\"rotate(45 {roaring:.1} {y:.1})\"/>\
             <circle cx=\"{median:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"var(--here)\"><title>{}</title></circle>",
            y + 4.0,
            word(&row["name"]),
            floor - 1.5,
            y - 7.0,
            roaring - 4.0,
            y - 4.0,
            shown(figure(row, "median"), row["unit"].as_str().unwrap_or_default()),
        ));
    }
    out + "</svg>"
}

/// A bar for how many times its floor each row takes.
fn ratios(rows: &[&Value]) -> String {
    let scale = Scale::over(rows.iter().map(|row| figure(row, "ratio")).chain([1.0]));
    let height = 30.0 + LINE * rows.len() as f64;
    let one = scale.x(1.0);
    let mut out = format!(
        "<p>How many times its floor each job takes; 1 is what the machine allows, less is where one floor serves many, as one \
         sync does for many writes.</p>\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Jobs over their floors\">{}",
        scale.grid(height, |figure| format!("{figure} ×"))
    );
    for (place, row) in rows.iter().enumerate() {
        let (y, ratio) = (38.0 + LINE * place as f64, figure(row, "ratio"));
        let x = scale.x(ratio);
        out.push_str(&format!(
            "<text x=\"0\" y=\"{:.1}\">{}</text>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\" fill=\"var(--here)\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{ratio:.2} ×</text>",
            y + 4.0,
            word(&row["name"]),
            x.min(one),
            y - 6.0,
            (x - one).abs().max(1.0),
            x.max(one) + 6.0,
            y + 4.0,
        ));
    }
    out + "</svg>"
}

fn table(rows: &[&Value]) -> String {
    let compared = rows.iter().any(|row| row["to_before"].is_number());
    let mut out = String::from(
        "<h2>Figures</h2><div class=\"scroll\"><table><tr><th>row<th>median<th>least<th>most<th>runs<th>floor<th>to floor<th>roaring<th>count",
    );
    out.push_str(if compared { "<th>to before<th>the floor is</tr>" } else { "<th>the floor is</tr>" });
    for row in rows {
        let unit = row["unit"].as_str().unwrap_or_default();
        let cell = |key: &str| if row[key].is_number() { shown(figure(row, key), unit) } else { String::new() };
        out.push_str(&format!(
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{:.2} ×<td>{}<td>{}",
            word(&row["name"]),
            cell("median"),
            cell("min"),
            cell("max"),
            row["n"],
            cell("floor"),
            figure(row, "ratio"),
            cell("roaring"),
            row["count"].as_u64().map_or(String::new(), show::grouped),
        ));
        if compared {
            out.push_str(&row["to_before"].as_f64().map_or("<td>".into(), |times| format!("<td>{times:.2} ×")));
        }
        out.push_str(&format!("<td class=\"is\">{}</tr>", word(&row["floor_is"])));
    }
    out + "</table></div>"
}
