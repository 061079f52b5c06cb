"""Tables, plots and the README's block, all from the figures in results/. Needs nothing but Python."""

import html
import json
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- compare: made by benches/compare/compare.py readme -->", "<!-- compare: end -->"

NAMES = {
    "throng": "Throng", "croaring": "CRoaring by hand", "redis": "Redis / Valkey", "polars": "Polars", "duckdb": "DuckDB",
    "clickhouse": "ClickHouse (chdb)", "sqlite": "SQLite", "postgres": "PostgreSQL",
}
JOBS = {
    "lookup": "which of the 14 segments hold a contact",
    "update": "one tag written to visible",
    "load": "load and index",
    "open": "open to the first answer",
    "memory": "memory",
}
# What a row that Throng loses is about, by the row and the rival; the last one that fits is told.
NOTES = {
    ("lookup", "croaring"): "CRoaring reads bitmaps of results that it stored once: an update leaves them stale, Throng keeps its members right at every write.",
    ("lookup", "redis"): "Redis reads results that it stored once, as CRoaring does.",
    ("update", "croaring"): "CRoaring sets a bit in memory; Throng syncs the write to disk first, and keeps fourteen segments right.",
    ("update", "redis"): "Redis sets a bit in memory, without a sync.",
    ("update", "sqlite"): "SQLite writes to memory alone here; Throng syncs first.",
    ("update", "polars"): "Polars writes to a frame in memory; Throng syncs first.",
    ("update", "duckdb"): "DuckDB writes to memory alone here; Throng syncs first.",
    ("update", "postgres"): "PostgreSQL syncs as well.",
    ("load", ""): "Rivals read Parquet with totals, last activities and domains worked out; Throng parses CSV and NDJSON, works these out, and syncs a log.",
    ("memory", "redis"): "Redis keeps bits alone: no texts, no keys, and of events only who conversed on which day.",
    ("memory", "croaring"): "CRoaring keeps no texts, no keys, and of events only contact and time.",
    ("memory", ""): "Rivals' figures are the growth of their process (Redis and PostgreSQL: what they tell); texts are kept by all but CRoaring and Redis.",
    ("open", ""): "SQL engines open lazily and read what the first question needs; Throng verifies every byte of its snapshot.",
    ("count: One tag", ""): "A stored count: CRoaring fetches it by name; Throng reads the rule's text, binds it and finds the set.",
    ("count: Email domain", ""): "A stored count, as with one tag.",
    ("count: Name contains", "croaring"): "The needle is exactly one trigram, so CRoaring fetches a stored bitmap; Throng finds and verifies texts for any needle.",
    ("ids: Name contains", "croaring"): "As above: a stored bitmap.",
    ("count: Opened three times", "croaring"): "CRoaring's program counts a slice of one array, sorted by time, into one array of counters; Throng keeps events by contact, so it compares the times of all events of the kind and counts those in the window contact by contact.",
    ("ids: Opened three times", "croaring"): "As above: one pass over a slice that is sorted by time.",
}

SHORT = (
    "A short answer, from caches that seven other engines have filled: CRoaring's program is written for this rule and only "
    "unites and counts, Throng reads, binds and plans the rule's text first. With CRoaring as the only rival "
    "(`compare.py run --only croaring --out FILE`) both take a third or a quarter of this; `throng bench` shows the rule hot."
)


def results():
    found = [json.loads(path.read_text()) for path in (HERE / "results").glob("*.json")]
    return sorted(found, key=lambda told: told["contacts"])


def shown(us):
    for unit, size in (("s", 1e6), ("ms", 1e3), ("µs", 1)):
        if us >= size:
            value = us / size
            return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}" if value >= 10 else f"{value:.2f} {unit}"
    return f"{us * 1e3:.0f} ns"


def figure(row, name):
    return f"{row['median'] / 2**20:,.0f} MiB" if name == "memory" else shown(row["median"])


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def best(row):
    """The quickest rival of a row, and how many times as long as Throng it takes."""
    rivals = {engine: told["median"] for engine, told in row.items() if engine != "throng"}
    if not rivals:
        return None, math.inf
    engine = min(rivals, key=rivals.get)
    return engine, rivals[engine] / row["throng"]["median"]


def note(name, engine):
    known = NOTES.get((name, engine)) or NOTES.get((name, ""))
    if known is None and engine == "croaring" and name.startswith(("count:", "ids:")):
        known = SHORT
    return known or "No reason is known; `throng bench` shows the same rule hot, against its floor."


def rows_of(told):
    return [name for name in told["rows"] if name.startswith(("count:", "ids:"))] + [name for name in JOBS if name in told["rows"]]


def table(told):
    engines = ["throng", *(engine for engine in NAMES if engine in told["engines"] and engine != "throng")]
    lines = ["| | " + " | ".join(NAMES[engine] for engine in engines) + " | best rival ÷ Throng |", "|---" * (len(engines) + 2) + "|"]
    notes = []
    for name in rows_of(told):
        row = told["rows"][name]
        cells = [figure(row[engine], name) if engine in row else "–" for engine in engines]
        rival, ratio = best(row)
        label, last = JOBS.get(name, name), f"{ratio:,.2f}" if ratio < 10 else f"{ratio:,.0f}"
        if ratio < 1:
            notes.append(f"{len(notes) + 1}. {label}: {NAMES[rival]} is quicker. " if name != "memory" else f"{len(notes) + 1}. {label}: {NAMES[rival]} needs less. ")
            notes[-1] += note(name, rival)
            label, last = f"**{label}**", f"**{last}** ({len(notes)})"
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {last} |")
    for kind in ("count", "ids"):
        rules = [name for name in told["rows"] if name.startswith(f"{kind}:")]
        cells = []
        for engine in engines:
            mine = [told["rows"][name][engine]["median"] for name in rules if engine in told["rows"][name]]
            cells.append(f"{shown(geometric(mine))} ({len(mine)})" if mine else "–")
        ratio = geometric([best(told["rows"][name])[1] for name in rules])
        lines.append(f"| *{kind}, geometric mean (rules)* | " + " | ".join(cells) + f" | {ratio:,.2f} |")
    return "\n".join(lines), notes


def page():
    out = [
        "# Throng beside other engines",
        "",
        "Made by `benches/compare/compare.py tables` of the figures in `benches/compare/results/`; [README.md](README.md) says how to run it "
        "again, what each row means, and how far to trust it. Medians; the last column is how many times as long as Throng the best rival "
        "takes. **Bold rows are those that a rival wins**, each with a note.",
    ]
    for told in results():
        machine, contacts = told["machine"], f"{told['contacts']:,}"
        out += [
            "",
            f"## {contacts} contacts",
            "",
            f"{told['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; one core reads "
            f"{machine['memory_read_gb_s']} GB/s, one sync takes {shown(machine['sync_us'])}; {told['events']:,} events. Load average before the run: {machine['load_average']}.",
            "",
        ]
        text, notes = table(told)
        out += [text, "", *notes, "", f"![Counts of the rules at {contacts} contacts](results/{told['contacts']}.svg)", ""]
        out += ["| engine | version | how it was set up |", "|---|---|---|"]
        out += [f"| {NAMES[engine]} | {about['version']} | {about['setup']} |" for engine, about in told["engines"].items()]
        out += [f"\nNot run: {NAMES[engine]}: {why}" for engine, why in told["not_run"].items()]
    return "\n".join(out).rstrip() + "\n"


COLOURS = dict(zip(NAMES, ("#1668b8", "#c2570c", "#b3261e", "#7a5cc9", "#8a7a00", "#2f8f5b", "#5b6b7b", "#a33c86")))


def plot(told):
    """Every rule a line, every engine a dot, on a scale of powers of ten."""
    rules = [name for name in told["rows"] if name.startswith("count:")]
    engines = [engine for engine in NAMES if engine in told["engines"]]
    figures = [row["median"] for name in rules for row in told["rows"][name].values()]
    least, most = math.floor(math.log10(min(figures))), math.ceil(math.log10(max(figures)))
    width, left, line = 960, 230, 26
    height = 70 + line * len(rules) + 20
    x = lambda us: left + (math.log10(us) - least) / (most - least) * (width - left - 30)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui,sans-serif" font-size="13">',
        '<style>text{fill:#1b1f24}.soft{fill:#667}.grid{stroke:#d8dde3}.paper{fill:#fff}'
        "@media(prefers-color-scheme:dark){text{fill:#e6e9ee}.soft{fill:#9aa4b0}.grid{stroke:#333a44}.paper{fill:#14171b}}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    at = 10
    for engine in engines:
        out.append(f'<circle cx="{at + 6}" cy="16" r="{6 if engine == "throng" else 4.5}" fill="{COLOURS[engine]}"/>')
        out.append(f'<text x="{at + 16}" y="20">{html.escape(NAMES[engine])}</text>')
        at += 28 + 7.2 * len(NAMES[engine])
    for power in range(least, most + 1):
        at = x(10**power)
        out.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="56" y2="{height - 20}"/>')
        out.append(f'<text class="soft" x="{at:.1f}" y="50" text-anchor="middle">{shown(10**power).replace(".00", "").replace(".0 ", " ")}</text>')
    for place, name in enumerate(rules):
        y = 76 + line * place
        out.append(f'<text x="10" y="{y + 4}">{html.escape(name.removeprefix("count: "))}</text>')
        out.append(f'<line class="grid" x1="{left}" x2="{width - 30}" y1="{y}" y2="{y}"/>')
        for engine in reversed(engines):
            if engine in told["rows"][name]:
                us = told["rows"][name][engine]["median"]
                out.append(
                    f'<circle cx="{x(us):.1f}" cy="{y}" r="{6 if engine == "throng" else 4.5}" fill="{COLOURS[engine]}">'
                    f"<title>{html.escape(NAMES[engine])}: {shown(us)}</title></circle>"
                )
    return "\n".join([*out, "</svg>"]) + "\n"


def write():
    if not results():
        sys.exit("there are no figures in benches/compare/results; make some: benches/compare/run")
    for told in results():
        (HERE / "results" / f"{told['contacts']}.svg").write_text(plot(told))
    (HERE / "RESULTS.md").write_text(page())


def block():
    """What README.md claims: the largest run; nothing, where none is kept."""
    if not results():
        return "\n".join([BEGIN, "", "`benches/compare/run` measures them on your machine; no figures are kept here.", "", END])
    told = results()[-1]
    machine = told["machine"]
    rules = [name for name in told["rows"] if name.startswith("count:")]
    lines = [
        BEGIN,
        "",
        f"Fourteen rules counted over {told['contacts']:,} contacts with {told['events']:,} events, nothing saved, all engines asked by "
        f"turns ({told['date']}, {machine['cpu']}, {machine['cores']} cores). Geometric means:",
        "",
        "| | count | rules it can ask | as long as Throng |",
        "|---|---|---|---|",
    ]
    for engine in NAMES:
        having = [name for name in rules if engine in told["rows"][name]]
        if not having:
            continue
        mean = geometric([told["rows"][name][engine]["median"] for name in having])
        over = geometric([told["rows"][name][engine]["median"] / told["rows"][name]["throng"]["median"] for name in having])
        cell = "" if engine == "throng" else f"{over:,.0f} ×" if over >= 10 else f"{over:.1f} ×"
        lines.append(f"| {NAMES[engine]} | {shown(mean)} | {len(having)} | {cell} |")
    lost = [name for name in rows_of(told) if best(told["rows"][name])[1] < 1]
    of = len(rows_of(told))
    lines += [
        "",
        f"Of {of} rows, with id lists, look-ups, updates, loading, opening and memory, a rival wins {len(lost)}; "
        "[benches/compare/RESULTS.md](benches/compare/RESULTS.md) has all figures, and says of each lost row why.",
        "",
        END,
    ]
    return "\n".join(line.rstrip() for line in lines)


def readme(check):
    text = README.read_text()
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    wanted = text[:begin] + block() + text[end:]
    if check:
        stale = []
        if wanted != text:
            stale.append("README.md")
        kept = HERE / "RESULTS.md"
        if (kept.read_text() if kept.exists() else None) != (page() if results() else None):
            stale.append("benches/compare/RESULTS.md")
        for told in results():
            drawn = HERE / "results" / f"{told['contacts']}.svg"
            if not drawn.exists() or drawn.read_text() != plot(told):
                stale.append(f"benches/compare/results/{told['contacts']}.svg")
        if stale:
            sys.exit(f"not what the figures in benches/compare/results say: {', '.join(stale)}; run compare.py tables and compare.py readme")
        return
    README.write_text(wanted)
