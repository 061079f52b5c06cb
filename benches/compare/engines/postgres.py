"""PostgreSQL: a cluster of its own over a unix socket, tuned for memory, an index for each column, trigrams on names."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import psycopg

from engines.sql import Sql
from rules import RULES


class Dialect(Sql):
    def tag(self, *tags):
        return f"tags && '{{{', '.join(str(self.data.tags[tag]) for tag in tags)}}}'"

    def name(self, text):
        return f"name ILIKE '%{text}%'"

    def never(self, event, since):
        code = self.data.code("event", event)
        return f"NOT EXISTS (SELECT 1 FROM events WHERE contact = id AND event = {code} AND ts >= {since})"


SETTINGS = {
    "shared_buffers": "2GB", "work_mem": "256MB", "maintenance_work_mem": "1GB", "jit": "off", "max_wal_size": "8GB",
    "max_parallel_workers_per_gather": "2", "random_page_cost": "1.05", "effective_cache_size": "8GB",
    "listen_addresses": "''", "effective_io_concurrency": "200",
}


def binaries():
    """The folder of PostgreSQL's programs, newest first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    if found:
        return found[0]
    on_path = shutil.which("pg_ctl")
    if on_path is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(on_path).parent


class Engine:
    version = "not started"
    setup = (
        "own cluster, unix socket, prepared statements, shared_buffers 2 GB, work_mem 256 MB, 2 parallel workers, jit off, "
        "intarray GIN on tags, pg_trgm GIN on names, btree on the rest, covering event indexes, VACUUM ANALYZE, pg_prewarm; durable"
    )

    def start(self, folder):
        self.folder = Path(folder)
        # PostgreSQL refuses to run as root.
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if not (self.folder / "data").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.as_user:
                shutil.chown(self.folder, "postgres")
            self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "bench", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
            with open(self.folder / "data/postgresql.conf", "a") as conf:
                conf.writelines(f"{key} = {value}\n" for key, value in SETTINGS.items())
                conf.write(f"unix_socket_directories = '{self.folder}'\n")
        self.run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-t", "120", "start")
        self.db = psycopg.connect(f"host={self.folder} user=bench dbname=postgres", autocommit=True, prepare_threshold=0)
        self.version = self.db.execute("SHOW server_version").fetchone()[0]

    def run(self, program, *arguments):
        command = [*self.as_user, binaries() / program, *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")

    def load(self, data, where=None):
        self.data, self.sql = data, Dialect(data)
        # A folder whose every parent its user may enter.
        self.start(where or tempfile.mkdtemp(prefix="throng-compare-pg-", dir="/tmp"))
        run = self.db.execute
        for extension in ("pg_trgm", "intarray", "pg_prewarm"):
            run(f"CREATE EXTENSION {extension}")
        run(
            "CREATE TABLE contacts (id int, country smallint, status smallint, domain int, consent smallint, score smallint, "
            "created bigint, total bigint, last bigint, tags int[], name text, key text, email text, phone text, company text, "
            "city text, language text, plan text)"
        )
        run("CREATE TABLE events (event smallint, ts bigint, contact int, cents bigint)")
        names = {number: str(number) for number in data.tags.values()}
        order = ("id", "country", "status", "domain", "consent", "score", "created", "total", "last")
        texts = ("name", "key", "email", "phone", "company", "city", "language", "plan")
        with self.db.cursor().copy(f"COPY contacts ({', '.join(order)}, tags, {', '.join(texts)}) FROM STDIN (FORMAT csv)") as copy:
            frame = data.contacts()
            lists = ["{" + ",".join(names[bit] for bit in names if mask >> bit & 1) + "}" for mask in frame["mask"].to_list()]
            frame = frame.with_columns(pl.Series("tags", lists)).select(*order, "tags", *texts)
            for part in frame.iter_slices(100_000):
                copy.write(part.write_csv(include_header=False))
        with self.db.cursor().copy("COPY events FROM STDIN (FORMAT csv)") as copy:
            for part in data.events().iter_slices(500_000):
                copy.write(part.write_csv(include_header=False))
        run("ALTER TABLE contacts ADD PRIMARY KEY (id)")
        run("CREATE INDEX ON contacts USING gin (tags gin__int_ops)")
        run("CREATE INDEX ON contacts USING gin (name gin_trgm_ops)")
        for column in ("country", "status", "domain", "score", "created", "total", "last"):
            run(f"CREATE INDEX ON contacts ({column}) INCLUDE (id)")
        run("CREATE INDEX ON events (event, ts) INCLUDE (contact)")
        run("CREATE INDEX ON events (contact, event, ts)")
        run("VACUUM ANALYZE")
        run("SELECT pg_prewarm('contacts'), pg_prewarm('events')")

    def count(self, rule):
        tree = RULES[rule][1]
        if tree[0] == "did":
            inner = f"{self.sql.doers(tree[1], tree[3])} GROUP BY contact HAVING count(*) >= {tree[2]}"
            return self.db.execute(f"SELECT count(*) FROM ({inner}) doers").fetchone()[0]
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.where(tree)}").fetchone()[0]

    def ids(self, rule):
        cursor = self.db.cursor(binary=True)
        found = cursor.execute(f"SELECT id FROM contacts WHERE {self.sql.where(RULES[rule][1])}").fetchall()
        return np.fromiter((row[0] for row in found), dtype=np.int32, count=len(found))

    def lookup(self, contact):
        point = Point(self.data)
        parts = ", ".join(point.where(tree) for _, tree in RULES.values())
        return sum(map(bool, self.db.execute(f"SELECT {parts} FROM contacts WHERE id = {contact}").fetchone()))

    def update(self, contact, tag):
        self.db.execute(f"UPDATE contacts SET tags = tags | {self.data.tags[tag]} WHERE id = {contact}")
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.tag(tag)}").fetchone()[0]

    def memory(self):
        return self.db.execute("SELECT pg_database_size(current_database())").fetchone()[0]

    def persist(self, data, folder):
        # The cluster of the load is on disk already: it is stopped, and started again by `open`.
        self.load(data, f"/tmp/throng-compare-pg-open-{os.path.basename(folder)}")
        self.close(keep=True)

    def open(self, data, folder):
        self.data, self.sql = data, Dialect(data)
        self.start(f"/tmp/throng-compare-pg-open-{os.path.basename(folder)}")

    def close(self, keep=False):
        self.db.close()
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Point(Dialect):
    """Conditions on one contact, which is found already."""

    def did(self, event, times, since):
        code = self.data.code("event", event)
        return f"(SELECT count(*) FROM events WHERE contact = id AND event = {code} AND ts >= {since}) >= {times}"
