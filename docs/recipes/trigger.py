"""Calls a workflow for each contact that enters or leaves a segment: in order, at least once, under an id that stays.

usage: trigger.py THRONG WORKFLOW FOLDER SEGMENT
"""

import base64
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

THRONG, WORKFLOW, FOLDER, SEGMENT = sys.argv[1:5]
PLACE, MEMBERS = os.path.join(FOLDER, "place"), os.path.join(FOLDER, "members")
NAME = urllib.parse.quote(SEGMENT, safe="")


def ask(path):
    """Body and headers of an answer of Throng; a server that is not there, or goes while it answers, is waited for."""
    request, wait = urllib.request.Request(THRONG + path), 0.1
    if key := os.environ.get("THRONG_KEY"):
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{key}:".encode()).decode())
    while True:
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(wait)
        wait = min(2 * wait, 10)


def call(contact, kind, id):
    """Calls the workflow until it says 2xx: what comes behind waits, so the order is kept."""
    body, wait = json.dumps({"contact": contact, "segment": SEGMENT, "kind": kind, "id": id}).encode(), 0.1
    while True:
        request = urllib.request.Request(WORKFLOW, body, {"Content-Type": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=30).close()
        except (OSError, http.client.HTTPException) as error:
            print(f"{id}: {error}", file=sys.stderr)
        time.sleep(wait)
        wait = min(2 * wait, 60)


def settle(name, text):
    """A file that is there whole or not at all."""
    with open(name + ".part", "w", encoding="utf8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name + ".part", name)
    sync_folder()


def sync_folder():
    """Names last over a power cut only once their folder is synced."""
    folder = os.open(FOLDER, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def keep_place(seq):
    settle(PLACE, str(seq))


def begin_anew():
    """Tells the members as they are, and gives the place to follow on from. The list is kept until it is told, so that
    a restart tells the same one: who left meanwhile is told by the feed behind it."""
    if not os.path.exists(MEMBERS):
        body, headers = ask(f"/v1/segments/{NAME}/members")
        settle(MEMBERS, headers["Throng-Seq"] + "\n" + body.decode())
    with open(MEMBERS, encoding="utf8") as members:
        seq = int(members.readline())
        call(None, "anew", f"{seq}/")  # whoever is not told now is no member any more
        for line in members:
            call(json.loads(line)["key"], "member", f"{seq}/{json.loads(line)['key']}")
    keep_place(seq)
    os.remove(MEMBERS)
    sync_folder()  # an old list must not come back beside a newer place
    return seq


def changes(entry):
    """Contact and kind of each change of an entry; a large one has them in a list of their own."""
    if entry["kind"] != "bulk":
        return [(entry["contact"], entry["kind"])]
    body, _ = ask(f"/v1/feed/{entry['seq']}/changes")
    told = [json.loads(line) for line in body.splitlines()]
    return [(change["contact"], change["kind"]) for change in told]


os.makedirs(FOLDER, exist_ok=True)
place = begin_anew() if os.path.exists(MEMBERS) or not os.path.exists(PLACE) else int(open(PLACE).read())
while True:
    try:
        page = json.loads(ask(f"/v1/feed?after={place}&segment={NAME}&wait=30")[0])
        for entry in page["changes"]:
            for contact, kind in changes(entry):
                if contact is not None:  # an erased contact has no name any more
                    call(contact, kind, f"{entry['seq']}/{contact}")
            keep_place(entry["seq"])
        place = page["next"]
    except urllib.error.HTTPError as error:
        if error.code != 410:
            sys.exit(f"{error.code}: {error.read().decode()}")
        place = begin_anew()
    keep_place(place)
