"""Rules as SQL, over the columns of `data.py`; a dialect replaces the leaves that it can ask better."""


class Sql:
    """Builds conditions. Leaves are methods by their kind."""

    def __init__(self, data):
        self.data = data

    def where(self, tree):
        kind, *parts = tree
        if kind in ("and", "or"):
            return "(" + f" {kind.upper()} ".join(self.where(part) for part in parts) + ")"
        if kind == "not":
            return f"NOT ({self.where(parts[0])})"
        return getattr(self, kind)(*parts)

    def tag(self, *tags):
        return f"(mask & {self.data.bit(*tags)}) <> 0"

    def country(self, *words):
        codes = [str(self.data.code("country", word)) for word in words]
        return f"country = {codes[0]}" if len(codes) == 1 else f"country IN ({', '.join(codes)})"

    def status(self, word):
        return f"status = {self.data.code('status', word)}"

    def consent(self):
        return "consent = 1"

    def score(self, least, most):
        return f"score BETWEEN {least} AND {most}"

    def total(self, cents):
        return f"total > {cents}"

    def last_before(self, ts):
        return f"last < {ts}"

    def last_after(self, ts):
        return f"last > {ts}"

    def created_after(self, ts):
        return f"created > {ts}"

    def name(self, text):
        return f"lower(name) LIKE '%{text}%'"

    def domain(self, word):
        return f"domain = {self.data.code('domain', word)}"

    def doers(self, event, since):
        return f"SELECT contact FROM events WHERE event = {self.data.code('event', event)} AND ts >= {since}"

    def did(self, event, times, since):
        return f"id IN ({self.doers(event, since)} GROUP BY contact HAVING count(*) >= {times})"

    def never(self, event, since):
        return f"id NOT IN ({self.doers(event, since)})"
