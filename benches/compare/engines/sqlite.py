"""SQLite: in memory, one thread, narrow rows, an index for each column, FTS5 trigrams on names, covering event indexes."""

import sqlite3

import numpy as np

from engines.sql import Sql
from rules import RULES

COLUMNS = ("country", "status", "domain", "score", "created", "total", "last")


class Dialect(Sql):
    def name(self, text):
        return f"id IN (SELECT rowid FROM names WHERE names MATCH '\"{text}\"')"


class Engine:
    version = sqlite3.sqlite_version
    setup = "in memory, narrow integer rows, tags as a mask, an index on every column, FTS5 trigrams on names, covering event indexes, ANALYZE"

    def load(self, data, where=":memory:"):
        self.data, self.sql = data, Dialect(data)
        self.db = sqlite3.connect(where, isolation_level=None)
        run = self.db.execute
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
        run("PRAGMA cache_size = -4000000")
        run("PRAGMA temp_store = MEMORY")
        run("BEGIN")
        run(
            "CREATE TABLE contacts (id INTEGER PRIMARY KEY, country INT, status INT, domain INT, consent INT, score INT, "
            "created INT, total INT, last INT, mask INT)"
        )
        frame = data.contacts()
        narrow = frame.select("id", "country", "status", "domain", "consent", "score", "created", "total", "last", "mask")
        self.db.executemany("INSERT INTO contacts VALUES (?,?,?,?,?,?,?,?,?,?)", narrow.iter_rows())
        run("CREATE TABLE texts (id INTEGER PRIMARY KEY, key, name, email, phone, company, city, language, plan)")
        texts = frame.select("id", "key", "name", "email", "phone", "company", "city", "language", "plan")
        self.db.executemany("INSERT INTO texts VALUES (?,?,?,?,?,?,?,?,?)", texts.iter_rows())
        run("CREATE VIRTUAL TABLE names USING fts5(name, content='', tokenize='trigram', detail='none')")
        self.db.executemany("INSERT INTO names (rowid, name) VALUES (?,?)", frame.select("id", "name").iter_rows())
        run("CREATE TABLE events (event INT, ts INT, contact INT, cents INT)")
        self.db.executemany("INSERT INTO events VALUES (?,?,?,?)", data.events().iter_rows())
        for name in COLUMNS:
            run(f"CREATE INDEX contacts_{name} ON contacts ({name})")
        run("CREATE INDEX events_time ON events (event, ts, contact)")
        run("CREATE INDEX events_contact ON events (contact, event, ts)")
        run("COMMIT")
        run("ANALYZE")

    def count(self, rule):
        tree = RULES[rule][1]
        if tree[0] == "did":
            inner = f"{self.sql.doers(tree[1], tree[3])} GROUP BY contact HAVING count(*) >= {tree[2]}"
            return self.db.execute(f"SELECT count(*) FROM ({inner})").fetchone()[0]
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.where(tree)}").fetchone()[0]

    def ids(self, rule):
        found = self.db.execute(f"SELECT id FROM contacts WHERE {self.sql.where(RULES[rule][1])}").fetchall()
        return np.fromiter((row[0] for row in found), dtype=np.int32, count=len(found))

    def lookup(self, contact):
        point = Point(self.data)
        parts = ", ".join(point.where(tree) for _, tree in RULES.values())
        told = self.db.execute(f"SELECT {parts} FROM contacts JOIN texts USING (id) WHERE id = ?", (contact,)).fetchone()
        return sum(map(bool, told))

    def update(self, contact, tag):
        self.db.execute("UPDATE contacts SET mask = mask | ? WHERE id = ?", (self.data.bit(tag), contact))
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.tag(tag)}").fetchone()[0]

    def persist(self, data, folder):
        self.load(data)
        self.db.execute("VACUUM INTO ?", (f"{folder}/lite.db",))

    def open(self, data, folder):
        self.data, self.sql = data, Dialect(data)
        self.db = sqlite3.connect(f"{folder}/lite.db", isolation_level=None)
        self.db.execute("PRAGMA mmap_size = 100000000000")


class Point(Sql):
    """Conditions on one contact, which is found already."""

    def did(self, event, times, since):
        code = self.data.code("event", event)
        return f"(SELECT count(*) FROM events WHERE contact = id AND event = {code} AND ts >= {since}) >= {times}"

    def never(self, event, since):
        code = self.data.code("event", event)
        return f"NOT EXISTS (SELECT 1 FROM events WHERE contact = id AND event = {code} AND ts >= {since})"
