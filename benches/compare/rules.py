"""The fourteen rules of `throng bench`, once as Throng's text and once as a tree that each rival's dialect is made from.

A tree is ("and" | "or", part, ...), ("not", part) or a leaf: (kind, operands ...). Times are milliseconds.
"""

NOW = 1_777_593_600_000  # 2026-05-01T00:00:00Z, before which everything happened
DAY = 86_400_000


def ago(days):
    return NOW - days * DAY


TEN = ("US", "IN", "BR", "GB", "DE", "FR", "JP", "MX", "ES", "IT")

# Leaves: tag (any of), country (any of), status, consent, score (from, to), total (more than so many cents),
# last_before, last_after, created_after, name (has in it), domain, did (event, times, since), never (event, since).
RULES = {
    "High-value customers": (
        'Purchase Total > $1000 AND Has Tag "Customer" AND Last Activity < 90 days ago',
        ("and", ("total", 100_000), ("tag", "Customer"), ("last_after", ago(90))),
    ),
    "At-risk customers": (
        'Has Tag "Customer" AND Last Activity > 30 days ago AND No conversation in 60 days',
        ("and", ("tag", "Customer"), ("last_before", ago(30)), ("never", "conversation", ago(60))),
    ),
    "Hot leads": (
        'Lead Score > 70 AND Status = "Active" AND Created < 14 days ago',
        ("and", ("score", 71, 100), ("status", "Active"), ("created_after", ago(14))),
    ),
    "Newsletter": (
        'Has Tag "Newsletter" AND Email Consent = true',
        ("and", ("tag", "Newsletter"), ("consent",)),
    ),
    "US customers or top leads": (
        '(Tag = "Customer" AND Country = "US") OR (Lead Score > 80)',
        ("or", ("and", ("tag", "Customer"), ("country", "US")), ("score", 81, 100)),
    ),
    "One tag": ('Has tag "VIP"', ("tag", "VIP")),
    "Any of three tags": ('Tag in ("Partner", "Beta", "Press")', ("tag", "Partner", "Beta", "Press")),
    "Country in ten": (
        'Country in (US, "IN", BR, GB, DE, FR, JP, MX, ES, IT)',
        ("country", *TEN),
    ),
    "Name contains": ('Name contains "ann"', ("name", "ann")),
    "Email domain": ('Email domain is "company.com"', ("domain", "company.com")),
    "Score without newsletter": (
        'Lead Score between 40 and 60 AND No tag "Newsletter"',
        ("and", ("score", 40, 60), ("not", ("tag", "Newsletter"))),
    ),
    "Opened three times": (
        "did email_opened at least 3 times in last 30 days",
        ("did", "email_opened", 3, ago(30)),
    ),
    "No conversation": ("No conversation in 60 days", ("never", "conversation", ago(60))),
    "Twelve predicates": (
        '(Has tag "VIP" AND Country = US AND Lead Score > 50)'
        ' OR (Has tag "Customer" AND Purchase Total > $500 AND Last Activity < 30 days ago)'
        ' OR (Status = "New" AND Created < 30 days ago AND Has tag "Trial")'
        ' OR (Has tag "Beta" AND Country in (DE, FR) AND Lead Score between 20 and 90)',
        (
            "or",
            ("and", ("tag", "VIP"), ("country", "US"), ("score", 51, 100)),
            ("and", ("tag", "Customer"), ("total", 50_000), ("last_after", ago(30))),
            ("and", ("status", "New"), ("created_after", ago(30)), ("tag", "Trial")),
            ("and", ("tag", "Beta"), ("country", "DE", "FR"), ("score", 20, 90)),
        ),
    ),
}

# The tag that the update row writes: no contact has it before.
FRESH = "Fresh"
