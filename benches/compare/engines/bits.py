"""Numbers as slices of bits, and rules as programs over them: what CRoaring by hand and Redis have in common.

Source of the comparison: O'Neil, Quass, Improved Query Performance with Variant Indexes, SIGMOD 1997.
"""

import numpy as np

from data import column


def slices(values, present):
    """Bit k of every present value, least first, as masks."""
    width = max(1, int(values[present].max()).bit_length())
    return [((values >> k) & 1).astype(bool) & present for k in range(width)]


def columns(data):
    """The sets that rules are made from: (kind, word) to a mask, and the sliced numbers by name."""
    frame = data.contacts()
    sets = {}
    mask = column(frame, "mask", 0)
    for tag, bit in data.tags.items():
        sets["tag", tag] = (mask >> bit & 1).astype(bool)
    for kind in ("country", "status", "domain"):
        codes = column(frame, kind, -1)
        for word, code in data.codes[kind].items():
            if kind != "domain" or word == "company.com" or code < 200:
                sets[kind, word] = codes == code
    sets["consent", ""] = column(frame, "consent", -1) == 1
    # Scores are few: those of at most k, so that a range is two sets.
    score = column(frame, "score", -1)
    for k in range(101):
        sets["score", k] = (score >= 0) & (score <= k)
    numbers = {}
    for kind, unit in (("total", 1), ("last", 1_000), ("created", 1_000)):
        values = column(frame, kind, -1)
        present = values >= 0
        least = int(values[present].min())
        numbers[kind] = (least, unit, present, slices(np.where(present, (values - least) // unit, 0), present))
    return sets, numbers


def threshold(least, unit, value):
    """`value` in the terms of the slices, so that "greater than" is the same question."""
    return (value - least) // unit


class Program:
    """A rule worked out by one operator after the other; an engine says what AND, OR, NOT and a stored set are."""

    def work(self, tree):
        kind, *parts = tree
        match kind:
            case "and":
                # What is taken away comes last.
                plain = [part for part in parts if part[0] not in ("not", "never")]
                out = self.all([self.work(part) for part in plain])
                for part in parts:
                    if part[0] == "not":
                        out = self.minus(out, self.work(part[1]))
                    if part[0] == "never":
                        out = self.minus(out, self.doers(*part[1:]))
                return out
            case "or":
                return self.any([self.work(part) for part in parts])
            case "tag" | "country":
                sets = [self.stored(kind, word) for word in parts]
                return sets[0] if len(sets) == 1 else self.any(sets)
            case "status" | "domain":
                return self.stored(kind, parts[0])
            case "consent":
                return self.stored("consent", "")
            case "score":
                least, most = parts
                upper = self.stored("score", most)
                return self.minus(upper, self.stored("score", least - 1)) if least > 0 else upper
            case "total":
                return self.greater("total", parts[0])
            case "last_after":
                return self.greater("last", parts[0])
            case "last_before":
                # Whole seconds: before is not after the millisecond before.
                return self.minus(self.stored("present", "last"), self.greater("last", parts[0] - 1))
            case "created_after":
                return self.greater("created", parts[0])
            case "never":
                return self.minus(self.stored("live", ""), self.doers(*parts))
        return getattr(self, kind)(*parts)

    def greater(self, kind, value):
        least, unit, width = self.shape(kind)
        value = threshold(least, unit, value)
        if value < 0:
            return self.stored("present", kind)
        if value >= 1 << width:
            return self.none()
        # From the least bit up: greater is a one where the value has a zero, or equal there and greater below.
        out = None
        for k in range(width):
            bit = self.stored(kind, k)
            if value >> k & 1:
                out = None if out is None else self.all([bit, out])
            else:
                out = bit if out is None else self.any([bit, out])
        return self.none() if out is None else out
