"""One rival in a process of its own: questions on standard input, a JSON object a line, answers with their times.

An engine has `version`, `setup`, `load(data)`, `count(rule)`, `ids(rule)`, `lookup(contact)`, `update(contact, tag)`,
`persist(data, folder)`, `open(data, folder)`, and maybe `memory()`, `close()` and `without`, rules that it cannot ask.
"""

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path


def resident():
    """What the process holds of memory, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def main():
    name, folder = sys.argv[1:3]
    # Whatever a library prints goes to standard error: standard output is for answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from data import Data

    data = Data(folder)
    try:
        engine, missing = importlib.import_module(f"engines.{name}").Engine(), None
    except ImportError as error:
        engine, missing = None, f"its package is not installed ({error})"
    before = resident()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = {"error": missing} if missing else one(engine, data, asked, before)
        except Exception as error:  # The caller names the rival and what it said.
            told = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(told) + "\n")
        if asked["do"] == "end":
            return


def one(engine, data, asked, before):
    do, rule = asked["do"], asked.get("rule")
    if do in ("count", "ids") and rule in getattr(engine, "without", ()):
        return {"without": True}
    watch = time.perf_counter()
    match do:
        case "about":
            return {"version": engine.version, "setup": engine.setup}
        case "load":
            engine.load(data)
            told = {}
        case "count":
            told = {"count": int(engine.count(rule))}
        case "ids":
            ids = engine.ids(rule)
        case "lookup":
            told = {"held": int(engine.lookup(asked["contact"]))}
        case "update":
            told = {"count": int(engine.update(asked["contact"], asked["tag"]))}
        case "memory":
            gc.collect()
            return {"bytes": engine.memory() if hasattr(engine, "memory") else resident() - before}
        case "persist":
            Path(asked["folder"]).mkdir(parents=True, exist_ok=True)
            engine.persist(data, asked["folder"])
            told = {}
        case "open":
            engine.open(data, asked["folder"])
            told = {"count": int(engine.count(rule))}
        case "stop":
            if hasattr(engine, "close"):
                engine.close(keep=True)
            return {}
        case "end":
            if hasattr(engine, "close"):
                engine.close()
            return {}
    us = (time.perf_counter() - watch) * 1e6
    if do == "ids":
        # Told after the time was taken: the lists of all engines must have the same sum.
        told = {"count": len(ids), "sum": int(ids.astype("int64").sum())}
    return {"us": us, **told}


if __name__ == "__main__":
    main()
