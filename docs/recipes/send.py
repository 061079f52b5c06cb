"""Sends a campaign: everyone of the audience, no one twice, though it may be killed at any moment.

usage: send.py THRONG PROVIDER FOLDER SEGMENT CHANNEL
"""

import base64
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request

THRONG, PROVIDER, FOLDER, SEGMENT, CHANNEL = sys.argv[1:6]
AUDIENCE, PLACE = os.path.join(FOLDER, "audience.ndjson"), os.path.join(FOLDER, "place")
REFUSED = os.path.join(FOLDER, "refused.ndjson")
PAGE = 100


def headers(more=()):
    all = {"Content-Type": "application/json", **dict(more)}
    if key := os.environ.get("THRONG_KEY"):
        all["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    return all


def settle(file, name):
    """Gives a finished file its name, in one step that outlives a power cut."""
    file.flush()
    os.fsync(file.fileno())
    os.replace(file.name, name)
    folder = os.open(FOLDER, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def take_audience():
    body = json.dumps({"include": [SEGMENT], "channel": CHANNEL}).encode()
    request = urllib.request.Request(f"{THRONG}/v1/audience?format=ndjson", body, headers())
    with urllib.request.urlopen(request) as answer, open(AUDIENCE + ".part", "wb") as file:
        count = 0
        for line in answer:
            file.write(line)
            count += 1
        if count != int(answer.headers["Throng-Count"]):
            sys.exit("the audience broke off; nothing was sent, start again")
        # Whoever wants to check the send later asks as of this write.
        print("audience", count, "as of", answer.headers["Throng-Lsn"], flush=True)
        settle(file, AUDIENCE)


def place():
    try:
        return int(open(PLACE).read())
    except FileNotFoundError:
        return 0


def keep_place(at):
    with open(PLACE + ".part", "w") as file:
        file.write(str(at))
        settle(file, PLACE)


def send(contact):
    """Sends one message; a provider in trouble is waited for, one that refuses is noted."""
    # The same on every try, also after a restart: the provider takes it once.
    once = hashlib.sha256(f"{os.path.basename(FOLDER)}/{contact['key']}".encode()).hexdigest()
    body, wait = json.dumps({"to": contact["key"]}).encode(), 0.1
    while True:
        request = urllib.request.Request(PROVIDER, body, {"Content-Type": "application/json", "Idempotency-Key": once})
        try:
            return urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                with open(REFUSED, "a") as file:
                    file.write(json.dumps({"key": contact["key"], "status": error.code}) + "\n")
                return None
        except OSError:
            pass  # whether it arrived is not known: sent again under the same key
        time.sleep(wait)
        wait = min(2 * wait, 60)


os.makedirs(FOLDER, exist_ok=True)
if not os.path.exists(AUDIENCE):
    take_audience()
with open(AUDIENCE, "rb") as audience:
    audience.seek(place())
    while page := [line for _, line in zip(range(PAGE), iter(audience.readline, b""))]:
        for line in page:
            send(json.loads(line))
        keep_place(audience.tell())
print("done")
