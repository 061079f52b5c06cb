"""The data of every rival: what `throng generate` wrote, as two Parquet files with numbers in place of repeated words.

Rivals are handed purchase totals, last activities and domains that are worked out already; Throng works them out.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl

from rules import FRESH


class Data:
    """Both tables, and the codes of words. Contacts are numbered in the order of the file."""

    def __init__(self, folder):
        folder = Path(folder)
        self.contacts_path = folder / "contacts.parquet"
        self.events_path = folder / "events.parquet"
        self.codes = json.loads((folder / "codes.json").read_text())
        self.n = self.codes["n"]
        self.tags = self.codes["tags"]

    def bit(self, *tags):
        return sum(1 << self.tags[tag] for tag in tags)

    def code(self, column, word):
        return self.codes[column].get(word, -1)

    def contacts(self):
        return pl.read_parquet(self.contacts_path)

    def events(self):
        return pl.read_parquet(self.events_path)


def prepare(generated, folder):
    """Turns contacts.csv and events.ndjson into Parquet files, unless they are there."""
    folder = Path(folder)
    if (folder / "codes.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    contacts = pl.read_csv(generated / "contacts.csv", infer_schema=False)
    contacts = contacts.with_row_index("id").with_columns(pl.col("id").cast(pl.Int32))
    schema = {
        "contact": pl.String, "event": pl.String, "at": pl.String,
        "properties": pl.Struct({"amount": pl.Float64}),
    }
    events = pl.read_ndjson(generated / "events.ndjson", schema=schema)
    instant = lambda column: pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ms").cast(pl.Int64)
    events = events.select(
        pl.col("contact"), pl.col("event"), instant("at").alias("ts"),
        (pl.col("properties").struct.field("amount") * 100).round().cast(pl.Int64).alias("cents"),
    ).join(contacts.select(pl.col("key").alias("contact"), "id"), on="contact")
    figures = events.group_by("id").agg(
        pl.col("cents").sum().alias("total"), pl.col("cents").count().alias("purchases"), pl.col("ts").max().alias("last")
    )
    figures = figures.with_columns(pl.when(pl.col("purchases") > 0).then(pl.col("total")).alias("total"))
    contacts = contacts.with_columns(
        pl.col("email").str.split("@").list.last().str.to_lowercase().alias("domain"),
        instant("created"),
        pl.col("lead_score").cast(pl.Int16).alias("score"),
        pl.col("email_consent").replace_strict({"true": 1, "false": 0}, default=None, return_dtype=pl.Int8).alias("consent"),
        pl.col("tags").str.split(";").alias("tag_list"),
    ).join(figures.select("id", "total", "last"), on="id", how="left").sort("id")
    codes = {"n": contacts.height}
    for frame, columns in ((contacts, ("country", "status", "domain")), (events, ("event",))):
        for column in columns:
            words = sorted(frame[column].drop_nulls().unique().to_list())
            codes[column] = {word: number for number, word in enumerate(words)}
    tags = sorted(tag for tag in contacts["tag_list"].explode().drop_nulls().unique().to_list() if tag)
    codes["tags"] = {tag: number for number, tag in enumerate([*tags, FRESH])}
    coded = lambda column, of: pl.col(of).replace_strict(codes[of], default=None, return_dtype=pl.Int32).alias(column)
    masks = contacts.select("id", "tag_list").explode("tag_list").drop_nulls().filter(pl.col("tag_list") != "")
    bits = {tag: 1 << number for tag, number in codes["tags"].items()}
    masks = masks.with_columns(pl.col("tag_list").replace_strict(bits, return_dtype=pl.Int64)).group_by("id").agg(
        pl.col("tag_list").sum().alias("mask")
    )
    contacts = contacts.join(masks, on="id", how="left").sort("id").select(
        "id", "key", "name", "email", "phone", "company", "city", "language", "plan",
        coded("country", "country"), coded("status", "status"), coded("domain", "domain"),
        "consent", "score", "created", "total", "last", pl.col("mask").fill_null(0),
    )
    events = events.select(coded("event", "event"), "ts", pl.col("id").alias("contact"), "cents").sort("event", "ts")
    contacts.write_parquet(folder / "contacts.parquet")
    events.write_parquet(folder / "events.parquet")
    (folder / "codes.json").write_text(json.dumps(codes))


def column(frame, name, missing):
    """A column as numbers, with a value of its own for none."""
    return np.ascontiguousarray(frame[name].fill_null(missing).to_numpy())
