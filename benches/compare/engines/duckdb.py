"""DuckDB: in memory, all cores, numbers for words, events sorted by event and time, an ART index on the key."""

import duckdb

from engines.sql import Sql
from rules import RULES


class Dialect(Sql):
    def name(self, text):
        return f"contains(lower(name), '{text}')"


class Engine:
    version = duckdb.__version__
    setup = "in memory, all cores, small numbers for words, tags as a mask, events sorted by event and time, index on id"

    def load(self, data, where=":memory:"):
        self.data, self.sql = data, Dialect(data)
        self.db = duckdb.connect(where)
        self.db.execute(f"CREATE TABLE contacts AS SELECT * FROM read_parquet('{data.contacts_path}') ORDER BY id")
        self.db.execute("CREATE UNIQUE INDEX contacts_id ON contacts (id)")
        self.db.execute(f"CREATE TABLE events AS SELECT * FROM read_parquet('{data.events_path}') ORDER BY event, ts")

    def count(self, rule):
        # A rule that is nothing but a grouping is counted without a join.
        if RULES[rule][1][0] == "did":
            _, event, times, since = RULES[rule][1]
            inner = f"{self.sql.doers(event, since)} GROUP BY contact HAVING count(*) >= {times}"
            return self.db.execute(f"SELECT count(*) FROM ({inner})").fetchone()[0]
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.where(RULES[rule][1])}").fetchone()[0]

    def ids(self, rule):
        return self.db.execute(f"SELECT id FROM contacts WHERE {self.sql.where(RULES[rule][1])}").fetchnumpy()["id"]

    def lookup(self, contact):
        parts = ", ".join(self.sql.where(tree) for _, tree in RULES.values())
        return sum(map(bool, self.db.execute(f"SELECT {parts} FROM contacts WHERE id = {contact}").fetchone()))

    def update(self, contact, tag):
        self.db.execute(f"UPDATE contacts SET mask = mask | {self.data.bit(tag)} WHERE id = {contact}")
        return self.db.execute(f"SELECT count(*) FROM contacts WHERE {self.sql.tag(tag)}").fetchone()[0]

    def persist(self, data, folder):
        self.load(data, f"{folder}/duck.db")
        self.db.close()

    def open(self, data, folder):
        self.data, self.sql = data, Dialect(data)
        self.db = duckdb.connect(f"{folder}/duck.db")
