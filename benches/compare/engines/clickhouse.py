"""ClickHouse, in the process (chdb): MergeTree by id, events by event and time, all cores, data in the page cache."""

import chdb
import numpy as np
from chdb import session

from engines.sql import Sql
from rules import RULES


class Dialect(Sql):
    def name(self, text):
        return f"positionCaseInsensitive(name, '{text}') > 0"

    def tag(self, *tags):
        return f"bitAnd(mask, {self.data.bit(*tags)}) != 0"


class Engine:
    version = f"{chdb.__version__}, engine {chdb.engine_version if isinstance(chdb.engine_version, str) else ''}"
    setup = "chdb, MergeTree ORDER BY id, events ORDER BY (event, ts), tags as a mask"

    def load(self, data, where=None):
        self.data, self.sql = data, Dialect(data)
        self.db = session.Session(where)
        self.db.query("CREATE DATABASE IF NOT EXISTS b ENGINE = Atomic")
        settings = "SETTINGS allow_nullable_key = 1"
        self.db.query(
            f"CREATE TABLE b.contacts ENGINE = MergeTree ORDER BY id {settings} AS "
            f"SELECT * REPLACE (assumeNotNull(id) AS id, assumeNotNull(mask) AS mask) FROM file('{data.contacts_path}', Parquet)"
        )
        self.db.query(
            "CREATE TABLE b.events ENGINE = MergeTree ORDER BY (event, ts) AS SELECT assumeNotNull(event) AS event, "
            f"assumeNotNull(ts) AS ts, assumeNotNull(contact) AS contact, cents FROM file('{data.events_path}', Parquet)"
        )
        self.db.query("OPTIMIZE TABLE b.contacts FINAL")
        self.db.query("OPTIMIZE TABLE b.events FINAL")
        self.db.query("USE b")

    def number(self, query):
        return int(self.db.query(query, "TabSeparated").bytes())

    def count(self, rule):
        if RULES[rule][1][0] == "did":
            _, event, times, since = RULES[rule][1]
            return self.number(f"SELECT count() FROM ({self.sql.doers(event, since)} GROUP BY contact HAVING count() >= {times})")
        return self.number(f"SELECT count() FROM contacts WHERE {self.sql.where(RULES[rule][1])}")

    def ids(self, rule):
        told = self.db.query(f"SELECT id FROM contacts WHERE {self.sql.where(RULES[rule][1])}", "RowBinary").bytes()
        return np.frombuffer(told, dtype=np.int32)

    def lookup(self, contact):
        parts = ", ".join(f"ifNull({self.sql.where(tree)}, 0)" for _, tree in RULES.values())
        told = self.db.query(f"SELECT {parts} FROM contacts WHERE id = {contact}", "TabSeparated").bytes()
        return sum(word in (b"1", b"true") for word in told.split())

    def update(self, contact, tag):
        self.db.query(
            f"ALTER TABLE contacts UPDATE mask = bitOr(mask, {self.data.bit(tag)}) WHERE id = {contact} SETTINGS mutations_sync = 1"
        )
        return self.number(f"SELECT count() FROM contacts WHERE {self.sql.tag(tag)}")

    def persist(self, data, folder):
        self.load(data, f"{folder}/clickhouse")
        self.db.close()

    def open(self, data, folder):
        self.data, self.sql = data, Dialect(data)
        self.db = session.Session(f"{folder}/clickhouse")
        self.db.query("USE b")
