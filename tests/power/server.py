"""What the rigs of real file systems share: the server as a process, clients that write pairs, and the judge."""

import http.client
import json
import os
import re
import subprocess
import threading
import time

CLIENTS = 8


def sh(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def unmount(mount):
    for _ in range(50):
        if subprocess.run(["umount", mount], stderr=subprocess.DEVNULL).returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit(f"{mount} cannot be unmounted")


class Server:
    """The program, serving a folder."""

    def __init__(self, program, data):
        arguments = [program, "serve", "--listen", "127.0.0.1:0", "--data", data]
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            found = re.search(r"on http://127\.0\.0\.1:(\d+)", line)
            if found:
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                self.port = int(found.group(1))
                return
        raise SystemExit("the server did not start:\n" + "".join(seen))

    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


def call(connection, method, path, body, media="application/json"):
    connection.request(method, path, body, {"content-type": media})
    answer = connection.getresponse()
    return answer.status, answer.read()


class Client(threading.Thread):
    """Writes pairs of events, each pair one batch, and keeps what was asked and what was acknowledged."""

    def __init__(self, port, cut, number, asked):
        super().__init__(daemon=True)
        self.port, self.prefix = port, f"c{cut}-{number}"
        self.asked, self.acknowledged = asked, []
        # What ended it.
        self.told = None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        for n in range(1_000_000):
            key = f"{self.prefix}-{n}"
            event = {"contact": key, "event": "purchase", "properties": {"amount": 1}}
            body = json.dumps([{**event, "id": f"{key}-a"}, {**event, "id": f"{key}-b"}])
            self.asked.add(key)
            try:
                status, text = call(connection, "POST", "/v1/events", body)
            except (OSError, http.client.HTTPException) as error:
                self.told = repr(error)
                return
            if status != 200:
                self.told = f"{status} {text.decode(errors='replace')}"
                return
            self.acknowledged.append(key)


def snapshots(port, wait):
    """Asks for one snapshot after the other, so that the cut meets one."""
    time.sleep(wait)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while call(connection, "POST", "/v1/snapshot", "")[0] < 300:
            pass
    except (OSError, http.client.HTTPException):
        pass


def answer(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    status, text = call(connection, "POST", "/v1/query", json.dumps(body))
    if status != 200:
        raise SystemExit(f"{body}: {status} {text}")
    return json.loads(text)


def found_keys(port, rule):
    body, keys = {"rule": rule, "return": "keys", "limit": 100_000}, set()
    while True:
        page = answer(port, body)
        keys.update(page["keys"])
        if not page.get("next"):
            return keys
        body["after"] = page["next"]


def check(port, what, acknowledged, asked):
    half = answer(port, {"rule": "did purchase exactly 1 times"})["count"]
    found = found_keys(port, "did purchase")
    lost, invented = acknowledged - found, found - asked
    if half or lost or invented:
        raise SystemExit(f"{what}: {half} batches in half, lost {sorted(lost)[:5]}, invented {sorted(invented)[:5]}")


def program():
    if os.environ.get("THRONG_BIN"):
        return os.path.abspath(os.environ["THRONG_BIN"])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run(["cargo", "build", "--locked", "--profile", "quick"], cwd=root, check=True)
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target")), "quick", "throng")
