"""Redis or Valkey: a string of bits for every word, score and slice; a rule is one pipeline of BITOP over a unix socket."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import redis

from engines.bits import Program, columns
from rules import DAY, NOW, RULES


def server():
    """The program, with what it needs of libraries beside it."""
    named = os.environ.get("THRONG_COMPARE_REDIS")
    for program in filter(None, (named, shutil.which("valkey-server"), shutil.which("redis-server"))):
        return program
    raise RuntimeError("neither valkey-server nor redis-server is installed (Debian: apt-get install redis-server)")


class Engine(Program):
    version = "not started"
    setup = "bits in strings, one for each tag, country, status, frequent domain, score and slice of a number; unix socket, one pipeline a rule, nothing saved by itself"
    # No search in texts and no counting of events on the server.
    without = ("Name contains", "Opened three times")

    def start(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        socket = tempfile.mktemp(prefix="throng-compare-", suffix=".sock", dir="/tmp")
        command = [server(), "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.db = redis.Redis(unix_socket_path=socket)
        while True:
            try:
                if self.db.info("persistence")["loading"] == 0:
                    break
            except redis.exceptions.ConnectionError:
                if self.process.poll() is not None:
                    raise RuntimeError("the server stopped")
            time.sleep(0.002)
        about = self.db.info("server")
        self.version = f"{'Valkey' if 'valkey_version' in about else 'Redis'} {about.get('valkey_version') or about['redis_version']}"

    def load(self, data, where=None):
        self.data = data
        self.start(where or tempfile.mkdtemp(prefix="throng-compare-redis-"))
        sets, numbers = columns(data)
        self.sizes = {}
        put = lambda kind, word, mask: self.db.set(f"{kind}:{word}", np.packbits(mask).tobytes())
        for (kind, word), mask in sets.items():
            put(kind, word, mask)
        for kind, (least, unit, present, bits) in numbers.items():
            self.sizes[kind] = (least, unit, len(bits))
            put("present", kind, present)
            for k, bit in enumerate(bits):
                put(kind, k, bit)
        put("live", "", np.ones(data.n, dtype=bool))
        # Who had a conversation lately is asked by day: one string for each.
        frame = data.events()
        code = data.code("event", "conversation")
        for (day,), part in frame.filter(pl.col("event") == code).with_columns(
            ((NOW - 1 - pl.col("ts")) // DAY).alias("day")
        ).filter(pl.col("day") < 400).partition_by("day", as_dict=True).items():
            mask = np.zeros(data.n, dtype=bool)
            mask[part["contact"].to_numpy()] = True
            put("conversation", day, mask)
        self.results()

    def results(self):
        """The results, kept for look-ups; an update leaves them as they are."""
        for number, (rule, (_, tree)) in enumerate(RULES.items()):
            if rule not in self.without:
                self.begin()
                self.pipe.copy(self.work(tree), f"result:{number}", replace=True)
                self.pipe.execute()

    # What rules are made of: keys, and commands that wait in a pipeline.
    def begin(self):
        self.pipe, self.temporary = self.db.pipeline(transaction=False), 0

    def next(self):
        self.temporary += 1
        return f"t:{self.temporary}"

    def stored(self, kind, word):
        return f"{kind}:{word}"

    def shape(self, kind):
        return self.sizes[kind]

    def none(self):
        return "nothing"

    def operate(self, operator, keys):
        out = self.next()
        self.pipe.bitop(operator, out, *keys)
        return out

    def all(self, keys):
        return keys[0] if len(keys) == 1 else self.operate("AND", keys)

    def any(self, keys):
        return self.operate("OR", keys)

    def minus(self, a, b):
        return self.operate("AND", [a, self.operate("NOT", [b])])

    def doers(self, event, since):
        days = (NOW - since) // DAY
        return self.operate("OR", [f"{event}:{day}" for day in range(days)])

    # What is asked.
    def count(self, rule):
        self.begin()
        self.pipe.bitcount(self.work(RULES[rule][1]))
        return self.pipe.execute()[-1]

    def ids(self, rule):
        self.begin()
        self.pipe.get(self.work(RULES[rule][1]))
        return np.flatnonzero(np.unpackbits(np.frombuffer(self.pipe.execute()[-1], dtype=np.uint8)))

    def lookup(self, contact):
        pipe = self.db.pipeline(transaction=False)
        for number, rule in enumerate(RULES):
            if rule not in self.without:
                pipe.getbit(f"result:{number}", contact)
        return sum(pipe.execute())

    def update(self, contact, tag):
        pipe = self.db.pipeline(transaction=False)
        pipe.setbit(f"tag:{tag}", contact, 1)
        pipe.bitcount(f"tag:{tag}")
        return pipe.execute()[-1]

    def memory(self):
        return self.db.info("memory")["used_memory"]

    def persist(self, data, folder):
        self.load(data, f"{folder}/redis")
        self.db.save()
        Path(f"{folder}/redis.json").write_text(json.dumps(self.sizes))
        self.close(keep=True)

    def open(self, data, folder):
        self.data = data
        self.start(f"{folder}/redis")
        self.sizes = {kind: tuple(shape) for kind, shape in json.loads(Path(f"{folder}/redis.json").read_text()).items()}

    def close(self, keep=False):
        self.process.terminate()
        self.process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

