#!/usr/bin/env python3
"""How cost grows: runs `throng bench` along five axes and keeps its figures. Needs nothing but Python."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import curves

HERE = Path(__file__).resolve().parent
KEPT = HERE / "results.json"
# Rows whose cost is told by the whole and not by the piece.
LIVE = ["save a segment", "lookup", "event through", "tick", "random segments"]
# Conjunctions and unions grow by these, one at a time; each holds for a share of everyone that leaves the next something.
PREDICATES = [
    'Has tag "Customer"', "Country in (US, GB, DE, FR)", 'Status = "Active"', "Lead Score > 20", 'No tag "Churned"',
    "Created < 2000 days ago", "Last Activity > 7 days ago", "Email Consent = true", 'No tag "Press"', "Lead Score < 95",
    "did email_opened", "No conversation in 20 days", 'Country != "JP"', "Purchase Total > $5", 'Plan != "free"',
    "did email_clicked",
]
# From one in a hundred to nearly all; a score is a whole number up to 100.
DENSITIES = [1, 2, 5, 10, 25, 50, 75, 95]


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def microseconds(row):
    """A row's median in microseconds, and of what it is one, if of a piece."""
    unit, _, piece = row["unit"].partition("/")
    factor = {"us": 1, "ms": 1e3}.get(unit)
    return (None, piece) if factor is None else (row["median"] * factor, piece)


class Run:
    def __init__(self, arguments, work):
        self.a, self.work = arguments, work
        self.axes = {axis: {} for axis in curves.AXES}
        self.told = None

    def bench(self, contacts, *more, threads=None):
        command = [self.a.throng, "bench", "--contacts", str(contacts), "--data", str(self.work / str(contacts))]
        environment = dict(os.environ, **({"RAYON_NUM_THREADS": str(threads)} if threads else {}))
        return [*command, *more], environment

    def measure(self, axis, at, contacts, *more, threads=None):
        """Adds the rows of one run of the bench to an axis, at a place on it."""
        command, environment = self.bench(contacts, "--runs", str(self.a.runs), "--json", *more, threads=threads)
        told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        if told.returncode != 0:
            sys.exit(f"throng bench failed with exit code {told.returncode}")
        told = json.loads(told.stdout)
        self.told = self.told or told
        for row in told["rows"]:
            figure, piece = microseconds(row)
            if figure is not None:
                kept = self.axes[axis].setdefault(row["name"], {"piece": piece, "points": []})
                kept["points"].append([at, figure])

    def ask(self, axis, contacts, questions):
        """Asks questions by turns, each several times, and adds their medians: name, place and rule."""
        command, environment = self.bench(contacts, "--ask")
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        times = {}
        for turn in range(self.a.runs + 1):
            for name, at, rule in questions:
                for how in ("count", "ids"):
                    process.stdin.write(json.dumps({how: rule}) + "\n")
                    process.stdin.flush()
                    told = json.loads(process.stdout.readline() or '{"error": "its process ended"}')
                    if "us" not in told:
                        sys.exit(f"{rule}: {told.get('error')}")
                    if turn > 0:  # The first one warms up.
                        times.setdefault((f"{how}: {name}", at), []).append(told["us"])
        process.stdin.close()
        process.wait()
        for (name, at), taken in times.items():
            kept = self.axes[axis].setdefault(name, {"piece": "", "points": []})
            kept["points"].append([at, sorted(taken)[len(taken) // 2]])

    def go(self):
        a = self.a
        middle = sorted(a.contacts)[len(a.contacts) // 2]
        for contacts in sorted(a.contacts):
            say(f"{contacts:,} contacts")
            self.measure("contacts", contacts, contacts, "--segments", str(a.saved))
        for segments in sorted(a.segments):
            say(f"{segments:,} segments of {middle:,} contacts")
            only = [word for name in LIVE for word in ("--only", name)]
            self.measure("segments", segments, middle, "--segments", str(segments), *only)
        for threads in range(1, (os.cpu_count() or 1) + 1):
            say(f"{threads} threads")
            # Little work is done by one thread, however many there are.
            self.measure("threads", threads, max(a.contacts), "--only", "count:", "--only", "ids:", threads=threads)
        say("predicates and density")
        joined = lambda word, many: f" {word} ".join(f"({one})" for one in PREDICATES[:many])
        many = [2**power for power in range(5) if 2**power <= len(PREDICATES)]
        self.ask("predicates", middle, [(f"{word} of predicates", n, joined(word, n)) for word in ("AND", "OR") for n in many])
        dense = lambda percent: f"Lead Score > {100 - percent}"
        asked = [("one predicate", percent, dense(percent)) for percent in DENSITIES]
        asked += [("AND with a tag", percent, f'{dense(percent)} AND Has tag "Newsletter"') for percent in DENSITIES]
        self.ask("density", middle, asked)
        machine = self.told["machine"]
        return {
            "date": time.strftime("%Y-%m-%d"), "throng": self.told["throng"], "runs": a.runs, "saved": a.saved, "middle": middle,
            "largest": max(a.contacts),
            "machine": {"cpu": machine["cpu"], "cores": machine["cores"], "system": platform.system()}, "axes": self.axes,
        }


def busy():
    return os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def run(arguments):
    if busy() and not arguments.out:
        say("the machine is busy; waiting for up to five minutes")
        for _ in range(30):
            if not busy():
                break
            time.sleep(10)
        else:
            sys.exit("the machine is busy: wait until it is quiet, or name a file to write to with --out")
    work = Path(arguments.work or tempfile.mkdtemp(prefix="throng-scaling-"))
    try:
        told = Run(arguments, work).go()
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)
    text = json.dumps(told, indent=1) + "\n"
    if arguments.out:
        Path(arguments.out).write_text(text)
        print(curves.page(told))
        return
    KEPT.write_text(text)
    curves.write(told)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    jobs = parser.add_subparsers(dest="job", required=True)
    runs = jobs.add_parser("run", help="measure, and write tables and plots")
    runs.add_argument("--throng", required=True, help="the program")
    runs.add_argument("--contacts", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000], help="sizes; threads take the largest, other axes the middle one")
    runs.add_argument("--segments", type=int, nargs="+", default=[10, 100, 1_000, 10_000], help="how many are saved")
    runs.add_argument("--saved", type=int, default=1_000, help="segments while contacts grow")
    runs.add_argument("--runs", type=int, default=5, help="runs of a row")
    runs.add_argument("--work", help="the folder to work in, which stays; the next run uses its data again")
    runs.add_argument("--out", help="write the figures to this file alone, also on a busy machine, and print the page")
    drawn = jobs.add_parser("tables", help="write tables and plots of the figures that are kept")
    drawn.add_argument("--check", action="store_true", help="write nothing; fail where they say anything else")
    arguments = parser.parse_args()
    if arguments.job == "run":
        return run(arguments)
    if not KEPT.exists():
        if arguments.check and (HERE / "RESULTS.md").exists():
            sys.exit("benches/scaling/RESULTS.md tells of figures that are not there")
        return print("no figures are kept; make some: benches/scaling/run")
    told = json.loads(KEPT.read_text())
    curves.check(told) if arguments.check else curves.write(told)


if __name__ == "__main__":
    main()
