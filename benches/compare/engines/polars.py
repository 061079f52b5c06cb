"""Polars: eager frames in memory, all cores, numbers for words, events cut by event and sorted by time."""

import operator
from functools import reduce

import polars as pl

from rules import RULES


class Engine:
    version = pl.__version__
    setup = "eager frames, all cores, small numbers for words, tags as a mask, events cut by event, sorted by time, found by bisection"

    def load(self, data):
        self.data = data
        self.use(data.contacts(), data.events())

    def use(self, contacts, events):
        self.contacts = contacts.rechunk()
        self.events = {code: part.sort("ts").rechunk() for (code,), part in events.partition_by("event", as_dict=True).items()}
        lower = self.contacts["name"].str.to_lowercase()
        self.contacts = self.contacts.with_columns(lower.alias("lower"))

    def since(self, event, ts):
        part = self.events[self.data.code("event", event)]
        return part["contact"][part["ts"].search_sorted(ts, "left") :]

    def expression(self, tree):
        kind, *parts = tree
        col = pl.col
        match kind:
            case "and":
                return reduce(operator.and_, map(self.expression, parts))
            case "or":
                return reduce(operator.or_, map(self.expression, parts))
            case "not":
                return ~self.expression(parts[0])
            case "tag":
                return (col("mask") & self.data.bit(*parts)) != 0
            case "country":
                codes = [self.data.code("country", word) for word in parts]
                return col("country") == codes[0] if len(codes) == 1 else col("country").is_in(codes)
            case "status":
                return col("status") == self.data.code("status", parts[0])
            case "consent":
                return col("consent") == 1
            case "score":
                return col("score").is_between(*parts)
            case "total":
                return col("total") > parts[0]
            case "last_before":
                return col("last") < parts[0]
            case "last_after":
                return col("last") > parts[0]
            case "created_after":
                return col("created") > parts[0]
            case "name":
                return col("lower").str.contains(parts[0], literal=True)
            case "domain":
                return col("domain") == self.data.code("domain", parts[0])
            case "did":
                event, times, since = parts
                counts = self.since(event, since).value_counts()
                return col("id").is_in(counts.filter(pl.col("count") >= times)["contact"].implode())
            case "never":
                return ~col("id").is_in(self.since(*parts).unique().implode())

    def count(self, rule):
        tree = RULES[rule][1]
        if tree[0] == "did":
            counts = self.since(tree[1], tree[3]).value_counts()
            return int((counts["count"] >= tree[2]).sum())
        if tree[0] == "never":
            return self.contacts.height - self.since(*tree[1:]).n_unique()
        return self.contacts.select(self.expression(tree).fill_null(False).sum()).item()

    def ids(self, rule):
        return self.contacts.lazy().filter(self.expression(RULES[rule][1])).select("id").collect()["id"].to_numpy()

    def lookup(self, contact):
        # One row, found by its place; windows over events by scanning what happened since.
        row = self.contacts[contact]
        held = 0
        for _, tree in RULES.values():
            held += bool(row.select(self.expression_of(tree, contact)).item())
        return held

    def expression_of(self, tree, contact):
        kind, *parts = tree
        if kind in ("and", "or"):
            return reduce(operator.and_ if kind == "and" else operator.or_, (self.expression_of(part, contact) for part in parts))
        if kind == "did":
            return pl.lit(int((self.since(parts[0], parts[2]) == contact).sum()) >= parts[1])
        if kind == "never":
            return pl.lit(not (self.since(*parts) == contact).any())
        return self.expression(tree)

    def update(self, contact, tag):
        self.contacts[contact, "mask"] = self.contacts[contact, "mask"] | self.data.bit(tag)
        return self.contacts.select(((pl.col("mask") & self.data.bit(tag)) != 0).sum()).item()

    def persist(self, data, folder):
        data.contacts().write_ipc(f"{folder}/contacts.arrow")
        data.events().write_ipc(f"{folder}/events.arrow")

    def open(self, data, folder):
        self.data = data
        self.use(pl.read_ipc(f"{folder}/contacts.arrow"), pl.read_ipc(f"{folder}/events.arrow"))
