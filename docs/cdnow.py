"""Turns the CDNOW purchase log into files for `throng import`, and answers the tutorial's questions without Throng.

    python3 docs/cdnow.py CDNOW_master.txt OUT_FOLDER

Writes OUT_FOLDER/contacts.csv and OUT_FOLDER/events.ndjson and prints a line a question: the rule, a tab, the count.
"""

import json
import sys
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

source, out = sys.argv[1], Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
log = defaultdict(list)  # customer -> [(day, cds, amount)], in order of the file
for line in Path(source).read_text().splitlines()[1:]:
    customer, day, cds, amount = line.split()
    log[customer].append((date(int(day[:4]), int(day[4:6]), int(day[6:])), int(cds), Decimal(amount)))

with open(out / "contacts.csv", "w") as contacts, open(out / "events.ndjson", "w") as events:
    contacts.write("key,created\n")
    for customer, bought in log.items():
        contacts.write(f"{customer},{min(day for day, _, _ in bought)}\n")
        for day, cds, amount in bought:
            properties = {"cds": cds, "amount": str(amount)}
            event = {"contact": customer, "event": "purchase", "at": f"{day}T00:00:00Z", "properties": properties}
            events.write(json.dumps(event) + "\n")

NOW = date(1998, 6, 30)  # at 00:00 UTC; every purchase counts as made at 00:00 of its day


def within(bought, days):
    """Purchases with now - days <= t <= now."""
    return [row for row in bought if NOW - timedelta(days=days) <= row[0] <= NOW]


def total(bought):
    return sum((amount for _, _, amount in bought), Decimal(0))


def last(bought):
    return max(day for day, _, _ in bought)


def first(bought):
    return min(day for day, _, _ in bought)


def spans(bought, ends):
    """In how many of the spans (start, end] between neighbouring ends there is a purchase."""
    return sum(any(start < day <= end for day, _, _ in bought) for end, start in zip(ends, ends[1:]))


def repeat_within(bought, days):
    """A purchase and a strictly later one at most so many days after it."""
    return any(0 < (b - a).days <= days for a, _, _ in bought for b, _, _ in bought)


MONTHS = [date(1998, 6, 30), date(1998, 5, 30), date(1998, 4, 30), date(1998, 3, 30), date(1998, 2, 28)]
QUESTIONS = [
    ("everyone", lambda b: True),
    ("did purchase at least 3 times AND No purchase in 60 days", lambda b: len(b) >= 3 and not within(b, 60)),
    ("Purchase Total > $1000", lambda b: total(b) > 1000),
    ("Purchase Value > $500", lambda b: max(amount for _, _, amount in b) > 500),
    ("first purchase in last 14 weeks", lambda b: first(b) >= NOW - timedelta(weeks=14)),
    ("did purchase once", lambda b: len(b) == 1),
    ("Last Activity < 90 days ago", lambda b: (NOW - last(b)).days < 90),
    ("Last Activity > 1 year ago", lambda b: last(b) < date(1997, 6, 30)),
    ("did purchase at least 2 times in last 30 days", lambda b: len(within(b, 30)) >= 2),
    ("sum(purchase.amount) in last 6 months > $200",
     lambda b: total([row for row in b if row[0] >= date(1997, 12, 30)]) > 200),
    ("avg(purchase.amount) >= $100", lambda b: total(b) >= 100 * len(b)),
    ("max(purchase.cds) >= 10", lambda b: max(cds for _, cds, _ in b) >= 10),
    ("did purchase where (cds >= 5 and amount < $60)", lambda b: any(cds >= 5 and amount < 60 for _, cds, amount in b)),
    ("did purchase then purchase within 7 days", lambda b: repeat_within(b, 7)),
    ("did purchase on at least 10 days", lambda b: len({day for day, _, _ in b}) >= 10),
    ("did purchase in at least 3 of the last 4 months", lambda b: spans(b, MONTHS) >= 3),
    ("did purchase during last month", lambda b: any(day.year == 1998 and day.month == 5 for day, _, _ in b)),
    ("did purchase in last 90 days AND did not purchase between 1998-01-01 and 1998-03-31",
     lambda b: bool(within(b, 90)) and not any(date(1998, 1, 1) <= day <= date(1998, 3, 31) for day, _, _ in b)),
    ("last purchase having amount > $100", lambda b: max(enumerate(b), key=lambda row: (row[1][0], row[0]))[1][2] > 100),
    ("first purchase between 1997-01-01 and 1997-01-31", lambda b: first(b) <= date(1997, 1, 31)),
    ("Created in last 15 months", lambda b: first(b) >= date(1997, 3, 30)),
]
for rule, holds in QUESTIONS:
    print(f"{rule}\t{sum(holds(bought) for bought in log.values())}")
