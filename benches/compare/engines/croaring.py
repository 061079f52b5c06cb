"""CRoaring by hand (pyroaring): a bitmap for every word and trigram, bit slices for numbers, events sorted by time."""

import pickle

import numpy as np
import pyroaring
from pyroaring import BitMap

from data import column
from engines.bits import Program, columns
from rules import RULES


def bitmap(ids):
    return BitMap(np.ascontiguousarray(ids, dtype=np.uint32))


def of_mask(mask):
    return bitmap(np.flatnonzero(mask))


class Engine(Program):
    version = f"pyroaring {pyroaring.__version__}, CRoaring {pyroaring.__croaring_version__}"
    setup = "one thread, run-optimised bitmaps per tag, country, status, domain, score and trigram of names, bit slices, events sorted by time"

    def load(self, data):
        self.data = data
        sets, numbers = columns(data)
        self.sets = {key: of_mask(mask) for key, mask in sets.items()}
        self.shapes = {}
        for kind, (least, unit, present, bits) in numbers.items():
            self.shapes[kind] = (least, unit, len(bits))
            self.sets["present", kind] = of_mask(present)
            for k, bit in enumerate(bits):
                self.sets[kind, k] = of_mask(bit)
        self.sets["live", ""] = BitMap(range(data.n))
        self.names(data.contacts()["name"])
        for one in self.sets.values():
            one.run_optimize()
        frame = data.events()
        events, ts, who = column(frame, "event", -1), column(frame, "ts", 0), column(frame, "contact", 0)
        self.events = {}
        for word, code in data.codes["event"].items():
            part = slice(*np.searchsorted(events, [code, code + 1]))
            self.events[word] = (ts[part].copy(), who[part].astype(np.int64))
        self.all_14()

    def names(self, names):
        codes, distinct = {}, names.unique().to_list()
        place = {name: number for number, name in enumerate(distinct)}
        numbers = np.fromiter((place[name] for name in names), dtype=np.int64, count=len(names))
        order = np.argsort(numbers, kind="stable")
        ends = np.searchsorted(numbers[order], np.arange(len(distinct) + 1))
        grams = {}
        for number, name in enumerate(distinct):
            lower = name.lower()
            for at in range(len(lower) - 2):
                grams.setdefault(lower[at : at + 3], []).append(number)
        for gram, having in grams.items():
            ids = np.concatenate([order[ends[number] : ends[number + 1]] for number in dict.fromkeys(having)])
            self.sets["gram", gram] = bitmap(np.sort(ids))

    def all_14(self):
        """The results, kept for look-ups; an update leaves them as they are."""
        self.results = [self.work(tree) for _, tree in RULES.values()]

    # What rules are made of.
    def stored(self, kind, word):
        return self.sets.get((kind, word)) or BitMap()

    def shape(self, kind):
        return self.shapes[kind]

    def none(self):
        return BitMap()

    def all(self, sets):
        return sets[0] if len(sets) == 1 else BitMap.intersection(*sorted(sets, key=len))

    def any(self, sets):
        return BitMap.union(*sets)

    def minus(self, a, b):
        return a - b

    def name(self, text):
        # A needle of three letters is a trigram: its bitmap is the answer.
        assert len(text) == 3
        return self.stored("gram", text)

    def since(self, event, since):
        ts, who = self.events[event]
        return who[np.searchsorted(ts, since) :]

    def doers(self, event, since):
        return bitmap(np.flatnonzero(np.bincount(self.since(event, since), minlength=1)))

    def did(self, event, times, since):
        return bitmap(np.flatnonzero(np.bincount(self.since(event, since), minlength=1) >= times))

    # What is asked.
    def count(self, rule):
        return len(self.work(RULES[rule][1]))

    def ids(self, rule):
        return np.frombuffer(self.work(RULES[rule][1]).to_array(), dtype=np.uint32)

    def lookup(self, contact):
        return sum(contact in result for result in self.results)

    def update(self, contact, tag):
        self.sets["tag", tag].add(contact)
        return len(self.sets["tag", tag])

    def persist(self, data, folder):
        self.load(data)
        sets = {key: one.serialize() for key, one in self.sets.items()}
        with open(f"{folder}/roaring", "wb") as file:
            pickle.dump((sets, self.shapes, self.events), file, protocol=5)

    def open(self, data, folder):
        self.data = data
        with open(f"{folder}/roaring", "rb") as file:
            sets, self.shapes, self.events = pickle.load(file)
        self.sets = {key: BitMap.deserialize(one) for key, one in sets.items()}
