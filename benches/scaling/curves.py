"""Tables and plots of how cost grows, all from the figures of one run."""

import html
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "compare"))
from tables import shown  # noqa: E402

AXES = {
    "contacts": "Contacts, with {saved:,} saved segments where the job has to do with any",
    "segments": "Saved segments, of {middle:,} contacts",
    "predicates": "Predicates of a rule, of {middle:,} contacts",
    "density": "Percent of {middle:,} contacts for whom a predicate holds",
    "threads": "Threads, of {largest:,} contacts",
}
# Growth by more than this power is more than linear: a tenth is noise, caches that fill and memory that is farther away.
LINEAR = 1.1
FAR = (
    "At a million contacts the columns and sets that it reads fit in the processor's last cache, at ten million they come from memory. "
    "Profiles were made of High-value customers, Hot leads, US customers and No conversation: 32 to 65 % of their time is the loop that "
    "compares codes."
)
TOUCHES = (
    "Likely, and not shown by a profile: it reads and writes a few lines of memory for each contact that it touches, and at ten million "
    "contacts hardly one of them is in a cache."
)
LISTED = "The set is at hand; what is written is its list of ids, which at ten million contacts does not fit in the caches of a core."
# Why a row grows by more, by axis and how its name begins.
NOTES = [
    ("contacts", "count:", FAR),
    ("contacts", "ids: One tag", LISTED),
    ("contacts", "ids: Email domain", LISTED),
    ("contacts", "ids:", FAR + " The list of ids is written to memory, too."),
    ("contacts", "kind:", FAR),
    ("contacts", "event through", TOUCHES),
    ("contacts", "tick", TOUCHES),
    ("contacts", "lookup", TOUCHES),
    ("predicates", "count: AND", "Some of the predicates from the ninth on ask events and totals, which are dearer than tags and numbers."),
    ("predicates", "ids: AND", "Some of the predicates from the ninth on ask events and totals, which are dearer than tags and numbers."),
]
# Units: microseconds.
ALONE = 500


def reason(axis, name, row):
    """Why a row grows by more than linear, if that is known."""
    if axis == "threads" and row["points"][0][1] < ALONE:
        return "So little work is done by one thread, however many there are; the difference is noise."
    known = [why for of, begins, why in NOTES if of == axis and name.startswith(begins)]
    return known[0] if known else "No reason is known."


def power(points):
    """By which power of the axis the cost grows, between the last two points: how it goes on."""
    (x0, y0), (x1, y1) = points[-2:]
    return math.log(y1 / y0) / math.log(x1 / x0)


def allowed(row, axis):
    """The power that is linear. A piece is to cost the same however many there are."""
    if axis == "threads":
        return 0.2
    return LINEAR - 1 if row["piece"] in ("contact", "event") and axis == "contacts" else LINEAR


def table(axis, rows):
    places = sorted({at for row in rows.values() for at, _ in row["points"]})
    lines = ["| | " + " | ".join(f"{at:,}" for at in places) + " | power |", "|---" * (len(places) + 2) + "|"]
    notes = []
    for name, row in rows.items():
        points = dict(map(tuple, row["points"]))
        cells = [shown(points[at]) if at in points else "–" for at in places]
        if len(points) < 2:
            lines.append(f"| {name} | " + " | ".join(cells) + " | |")
            continue
        grows, label = power(row["points"]), name + (f", each {row['piece']}" if row["piece"] else "")
        last = f"{grows:.2f}"
        if grows > allowed(row, axis):
            why = reason(axis, name, row)
            if why not in notes:
                notes.append(why)
            label, last = f"**{label}**", f"**{last}** ({notes.index(why) + 1})"
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {last} |")
    return "\n".join(lines), [f"{number}. {why}" for number, why in enumerate(notes, 1)]


def page(told):
    machine = told["machine"]
    out = [
        "# How cost grows",
        "",
        "Made by `benches/scaling/scaling.py tables` of the figures in `benches/scaling/results.json`; `benches/scaling/run` measures them "
        "again, with `throng bench`. Medians. The last column is by which power of the axis the cost grew between the last two points: 0 "
        "is no growth, 1 is linear, and with threads −1 is twice as fast on twice as many. **Bold rows grow by more than linear** (by more "
        f"than {LINEAR}, or {LINEAR - 1:.1f} where the cost is that of one contact or event; with threads, that get slower by more than a seventh), each with a note.",
        "",
        f"{told['date']}, Throng {told['throng']}, {machine['cpu']}, {machine['cores']} cores; {told['runs']} runs of each row.",
    ]
    for axis, title in AXES.items():
        rows = told["axes"][axis]
        if rows:
            text, notes = table(axis, rows)
            out += ["", f"## {title.format(**told)}", "", text, "", *notes, *([""] if notes else [])]
            if is_drawn(rows):
                out.append(f"![Cost by {axis}, as many times as at the first point]({axis}.svg)")
    return "\n".join(out) + "\n"


def is_drawn(rows):
    return any(len(row["points"]) > 1 for row in rows.values())


def plot(axis, rows):
    """Every row a line: as many times as long as at its first point, both scales in powers of ten; dashed is linear."""
    rows = {name: row for name, row in rows.items() if len(row["points"]) > 1}
    grown = {name: [(at, us / row["points"][0][1]) for at, us in row["points"]] for name, row in rows.items()}
    xs = [at for line in grown.values() for at, _ in line]
    ys = [times for line in grown.values() for _, times in line] + [1, max(xs) / min(xs)]
    width, height, left, top = 720, 480, 60, 16
    scale = lambda value, low, high, size: (math.log(value) - math.log(low)) / (math.log(high) - math.log(low) or 1) * size
    x = lambda at: left + scale(at, min(xs), max(xs), width - left - 40)
    y = lambda times: height - 40 - scale(times, min(ys), max(ys), height - 40 - top)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui,sans-serif" font-size="13" role="img">',
        f"<title>Cost by {axis}, as many times as at the first point</title>",
        "<style>text{fill:#1b1f24}.grid{stroke:#d8dde3}.paper{fill:#fff}.line{fill:none;stroke:#1668b8;stroke-opacity:.45;stroke-width:1.5}"
        ".linear{fill:none;stroke:#c2570c;stroke-dasharray:6 5;stroke-width:2}"
        "@media(prefers-color-scheme:dark){text{fill:#e6e9ee}.grid{stroke:#333a44}.paper{fill:#14171b}.line{stroke:#6ab0f3}.linear{stroke:#f0955c}}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for at in sorted(set(xs)):
        out.append(f'<line class="grid" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top}" y2="{height - 40}"/>')
        out.append(f'<text x="{x(at):.1f}" y="{height - 18}" text-anchor="middle">{at:,}</text>')
    for exponent in range(math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys))) + 1):
        if min(ys) <= 10**exponent <= max(ys):
            out.append(f'<line class="grid" x1="{left}" x2="{width - 40}" y1="{y(10**exponent):.1f}" y2="{y(10**exponent):.1f}"/>')
            out.append(f'<text x="{left - 8}" y="{y(10**exponent) + 4:.1f}" text-anchor="end">{10**exponent:g} ×</text>')
    line = lambda points: " ".join(f"{x(at):.1f},{y(times):.1f}" for at, times in points)
    for name, points in grown.items():
        out.append(f'<polyline class="line" points="{line(points)}"><title>{html.escape(name)}</title></polyline>')
    least, most = min(xs), max(xs)
    ends = [(least, 1), (most, least / most)] if axis == "threads" else [(least, 1), (most, most / least)]
    ends = [(at, min(max(times, min(ys)), max(ys))) for at, times in ends]
    out.append(f'<polyline class="linear" points="{line(ends)}"><title>linear</title></polyline>')
    return "\n".join([*out, "</svg>"]) + "\n"


def made(told):
    plots = {HERE / f"{axis}.svg": plot(axis, rows) for axis, rows in told["axes"].items() if is_drawn(rows)}
    return {HERE / "RESULTS.md": page(told), **plots}


def write(told):
    for path, text in made(told).items():
        path.write_text(text)


def check(told):
    stale = [path.name for path, text in made(told).items() if not path.exists() or path.read_text() != text]
    if stale:
        sys.exit(f"not what the figures in benches/scaling/results.json say: {', '.join(stale)}; run scaling.py tables")
