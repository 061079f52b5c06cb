"""Asks Throng and its rivals the same of the same data, by turns, and writes down how long each took.

    compare.py run --throng target/quick/throng --contacts 1000000 --work /tmp/compare   writes results/<contacts>.json
    compare.py tables                                                                    makes tables and plots of results/
    compare.py readme [--check]                                                          makes (or checks) the block in README.md
"""

import argparse
import datetime
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from rules import FRESH, RULES  # noqa: E402

RIVALS = ("croaring", "redis", "polars", "duckdb", "clickhouse", "sqlite", "postgres")


class Worker:
    """A process that answers lines."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=HERE,
            stderr=None if os.environ.get("THRONG_COMPARE_LOUD") else subprocess.DEVNULL,
        )

    def ask(self, **asked):
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        told = json.loads(line) if line else {"error": "its process ended"}
        if "error" in told:
            raise RuntimeError(told["error"])
        return told

    def memory(self):
        return self.ask(do="memory")["bytes"]

    def end(self):
        try:
            self.ask(do="end")
        except RuntimeError:
            pass
        self.process.stdin.close()
        self.process.wait()


class Throng(Worker):
    """The same, in the words of `throng bench --ask`."""

    def __init__(self, program, bench):
        super().__init__("throng", [program, *bench, "--ask"])

    def ask(self, **asked):
        do, rule = asked["do"], asked.get("rule")
        match do:
            case "count" | "ids":
                return super().ask(**{do: RULES[rule][0]})
            case "lookup":
                told = super().ask(lookup=f"c{asked['contact']:07}")
                return {"us": told["us"], "held": len(told["segments"] or [])}
            case "update":
                return super().ask(contact=f"c{asked['contact']:07}", tag=asked["tag"])
            case "save":
                return super().ask(save=asked["name"], rule=RULES[rule][0])
        raise ValueError(do)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def spread(times):
    """Median, least and greatest, in microseconds."""
    times = sorted(times)
    return {"median": times[len(times) // 2], "min": times[0], "max": times[-1], "n": len(times)}


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": round(memory / 2**20, 1), "system": platform.platform(), "load_average": round(os.getloadavg()[0], 1)}


class Run:
    def __init__(self, arguments):
        self.a = arguments
        self.rows, self.not_run, self.about = {}, {}, {}
        self.machine = machine()
        self.bench = [
            "bench", "--contacts", str(arguments.contacts), "--data", str(arguments.work / f"throng-{arguments.contacts}"),
        ]

    def row(self, name, engine, figure):
        self.rows.setdefault(name, {})[engine] = figure

    def go(self):
        a = self.a
        a.work.mkdir(parents=True, exist_ok=True)
        self.throng_alone()
        folder = a.work / f"rivals-{a.contacts}"
        python = sys.executable
        prepared = subprocess.run([python, "-c", f"from pathlib import Path; from data import prepare; prepare(Path({self.bench[4]!r}), Path({str(folder)!r}))"], cwd=HERE)
        if prepared.returncode != 0:
            sys.exit("the data for the rivals could not be made")
        workers = []
        for name in a.only or RIVALS:
            self.say(f"{name}: loading")
            try:
                worker = Worker(name, [python, "worker.py", name, str(folder)])
                load = worker.ask(do="load")["us"]
                self.row("load", name, spread([load]))
                self.row("memory", name, {"median": worker.memory(), "n": 1})
                self.about[name] = worker.ask(do="about")
                workers.append(worker)
            except RuntimeError as error:
                self.not_run[name] = str(error)
                self.say(f"{name}: NOT RUN: {error}")
        throng = Throng(a.throng, self.bench)
        workers.append(throng)
        try:
            self.questions(workers)
            # Only now: the questions are asked with nothing saved.
            for number, rule in enumerate(RULES):
                throng.ask(do="save", name=f"rule {number}", rule=rule)
            self.lookups(workers)
            self.updates(workers)
        finally:
            for worker in workers:
                worker.end()
        self.opens(folder)
        return self.told()

    def say(self, text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    def throng_alone(self):
        """What Throng measures of itself: import, memory and opening."""
        self.say("throng: generating, importing, opening")
        told = subprocess.run(
            [self.a.throng, *self.bench, "--runs", "5", "--json", "--only", "import", "--only", "resident", "--only", "open"],
            stdout=subprocess.PIPE, text=True,
        )
        if told.returncode != 0:
            sys.exit(f"throng bench failed with exit code {told.returncode}")
        told = json.loads(told.stdout)
        rows = {row["name"]: row for row in told["rows"]}
        self.events, self.floors = told["events"], told["machine"]
        times = lambda key: rows["import contacts"][key] * told["contacts"] + rows["import events"][key] * told["events"]
        self.row("load", "throng", {key: times(key) for key in ("median", "min", "max")} | {"n": rows["import contacts"]["n"]})
        self.row("memory", "throng", {"median": rows["resident memory, all together"]["median"] * told["contacts"], "n": 1})
        opened = rows["open to the first answer"]
        self.row("open", "throng", {key: opened[key] * 1e3 for key in ("median", "min", "max")} | {"n": opened["n"]})
        version = subprocess.run([self.a.throng, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
        setup = "CSV and NDJSON parsed, every write synced to the log; totals and last activities worked out; all cores"
        self.about["throng"] = {"version": version, "setup": setup}

    def questions(self, workers):
        for do in ("count", "ids"):
            for rule in RULES:
                self.say(f"{do}: {rule}")
                self.race(workers, f"{do}: {rule}", lambda worker: worker.ask(do=do, rule=rule))

    def race(self, workers, name, ask, rounds=None):
        """All engines by turns, in another order each round; the first round warms up and is judged, not counted."""
        times, answers, shuffle = {}, {}, random.Random(name)
        for number in range((rounds or self.a.rounds) + 1):
            order = workers[:]
            shuffle.shuffle(order)
            for worker in order:
                told = ask(worker)
                if told.get("without"):
                    continue
                answer = (told.get("count"), told.get("sum"))
                answers.setdefault(answer, set()).add(worker.name)
                if number > 0:
                    times.setdefault(worker.name, []).append(told["us"])
        if len(answers) != 1:
            sys.exit(f"{name}: the answers differ: {answers}")
        for engine, taken in times.items():
            self.row(name, engine, spread(taken) | {"count": next(iter(answers))[0]})

    def lookups(self, workers):
        self.say("look-ups")
        draw = random.Random(1)
        contacts = [draw.randrange(self.a.contacts) for _ in range(40)]
        for worker in workers:
            held, times = [], []
            for contact in contacts[: 6 if worker.name == "clickhouse" else 40]:
                told = worker.ask(do="lookup", contact=contact)
                times.append(told["us"])
                held.append(told["held"])
            self.row("lookup", worker.name, spread(times) | {"held": held})
        truth = self.rows["lookup"]["throng"]["held"]
        for engine, figure in self.rows["lookup"].items():
            held = figure.pop("held")
            # Redis keeps twelve of the fourteen.
            if engine != "redis" and held != truth[: len(held)]:
                sys.exit(f"look-ups: {engine} differs from throng")

    def updates(self, workers):
        self.say("updates")
        draw = random.Random(2)
        contacts = draw.sample(range(self.a.contacts), 15)
        for worker in workers:
            times = []
            for number, contact in enumerate(contacts):
                told = worker.ask(do="update", contact=contact, tag=FRESH)
                if told["count"] != number + 1:
                    sys.exit(f"updates: {worker.name} sees {told['count']} tags after {number + 1}")
                times.append(told["us"])
            self.row("update", worker.name, spread(times[1:]))

    def opens(self, folder):
        rule = next(iter(RULES))
        wanted = self.rows[f"count: {rule}"]["throng"]["count"]
        for name in self.about:
            if name == "throng":
                continue
            self.say(f"{name}: opening")
            at = tempfile.mkdtemp(prefix="open-", dir=self.a.work)
            try:
                worker = Worker(name, [sys.executable, "worker.py", name, str(folder)])
                worker.ask(do="persist", folder=at)
                worker.process.stdin.close()
                worker.process.wait()
                times = []
                for _ in range(3):
                    worker = Worker(name, [sys.executable, "worker.py", name, str(folder)])
                    worker.ask(do="about")
                    told = worker.ask(do="open", folder=at, rule=rule)
                    times.append(told["us"])
                    if told["count"] != wanted:
                        sys.exit(f"open: {name} counts {told['count']}, not {wanted}")
                    worker.ask(do="stop")
                    worker.process.stdin.close()
                    worker.process.wait()
                self.row("open", name, spread(times))
            except RuntimeError as error:
                self.say(f"{name}: not opened: {error}")
            finally:
                shutil.rmtree(at, ignore_errors=True)
                shutil.rmtree(f"/tmp/throng-compare-pg-open-{os.path.basename(at)}", ignore_errors=True)

    def told(self):
        return {
            "contacts": self.a.contacts, "events": self.events, "date": datetime.date.today().isoformat(),
            "machine": self.machine | {"memory_read_gb_s": round(self.floors["memory_read_gb_s"], 1), "sync_us": round(self.floors["sync_us"])},
            "engines": self.about, "not_run": self.not_run, "rows": self.rows,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure")
    run.add_argument("--throng", required=True, type=lambda text: str(Path(text).resolve()), help="the program, built for speed")
    run.add_argument("--contacts", type=int, default=1_000_000)
    run.add_argument("--rounds", type=int, default=7, help="rounds that count, after one that warms up")
    run.add_argument("--work", type=lambda text: Path(text).resolve(), default=Path(tempfile.gettempdir()) / "throng-compare")
    run.add_argument("--only", action="append", choices=RIVALS, help="these rivals alone; may be repeated")
    run.add_argument("--out", type=Path, help="where the figures go; else results/<contacts>.json, and then only from a quiet machine")
    commands.add_parser("tables", help="make tables and plots of the results")
    readme = commands.add_parser("readme", help="make the block in README.md of the results")
    readme.add_argument("--check", action="store_true", help="only tell whether it is what it should be")
    arguments = parser.parse_args()
    if arguments.command == "run":
        # A run before this one, or a build, is still in the average for a while.
        for _ in range(20):
            load = os.getloadavg()[0]
            if load <= os.cpu_count() / 2 or arguments.out:
                break
            time.sleep(15)
        if load > os.cpu_count() / 2 and not arguments.out:
            # Engines with many threads suffer most from other work, by a hundred times and more: such figures would flatter us.
            sys.exit(f"the machine is busy (load average {load:.1f}): wait until it is quiet, or name a file outside results/ with --out")
        told = Run(arguments).go()
        out = arguments.out or HERE / "results" / f"{arguments.contacts}.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        print(out)
        return
    import tables

    if arguments.command == "tables":
        tables.write()
    else:
        tables.readme(arguments.check)


if __name__ == "__main__":
    main()
