#!/usr/bin/env python3
"""Has a server of an earlier version write a directory, and notes what that version would tell of it.

    crates/journal-disk/tests/upgrades/make.py BINARY NAME

writes NAME.tar.gz and NAME.json beside this file. The tests unpack the directory, open it with the clock at its last
record, and hold what they find against the note. Needs Python 3.9 and GNU tar, and takes half a minute. It is run once for
a version, and never again: a directory that was made anew would be another one.

The server is started three times, so that there are three epochs. The second life ends by SIGKILL, the others in peace.
What is noted of resuming is what the same version sends on a copy of the directory, in a fourth life.
"""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

SETTINGS = {
    "APP_ENV": "development",
    "HOST": "127.0.0.1",
    "PORT": "0",
    "DRAIN_SECONDS": "0",
    "HEARTBEAT_INTERVAL": "100ms",
    "PRESENCE_GRACE": "1h",
    "JOURNAL": "disk",
    # The first entries of these topics go while they are published to.
    "JOURNAL_KEEP": "chat/room/trimmed=5events,realtime/entity/trimmed=3events",
}
ADMIN = ("admin", "user,admin")


def token(user, roles="user"):
    return base64.b64encode(f"{user}:{user}-name:{user}@example.com:{roles}".encode()).decode()


class Server:
    """One life of a server on `data`."""

    def __init__(self, binary, data):
        environment = {**SETTINGS, "DATA_DIR": str(data), "PATH": os.environ["PATH"]}
        place = data.parent
        self.process = subprocess.Popen([binary], env=environment, cwd=place, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            if address := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.port = int(address.group(1))
                break
        else:
            sys.exit("".join(said))
        while self.call("GET", "/health/ready", None)["status"] != 200:
            time.sleep(0.05)

    def end(self, how):
        self.process.send_signal(how)
        self.process.communicate()

    def open(self, method, path, caller, body=None, headers=()):
        headers = dict(headers)
        if caller:
            headers["Authorization"] = f"Bearer {token(*caller)}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection, connection.getresponse()

    def call(self, method, path, caller, body=None, key=None):
        headers = {"Idempotency-Key": key} if key else {}
        connection, response = self.open(method, path, caller, body, headers)
        answer = response.read().decode()
        connection.close()
        return {
            "method": method,
            "path": path,
            "user": caller and caller[0],
            "token": caller and token(*caller),
            "key": key,
            "body": None if body is None else json.dumps(body),
            "status": response.status,
            "answer": json.loads(answer) if answer.startswith("{") else None,
            "replayed": response.headers["Idempotency-Replayed"],
        }

    def stream(self, path, caller, after):
        """What a stream is sent before it has nothing left to send: until two heartbeats follow each other."""
        connection, response = self.open("GET", path, caller, headers=[("Last-Event-ID", after)] if after else [])
        blocks, beats = [], 0
        while beats < 2:
            fields = {}
            while line := response.readline().decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
            if fields.get("event") == "heartbeat":
                beats += 1
            elif fields.get("event") != "connected":
                beats = 0
                data = json.loads(fields["data"])
                blocks.append({"id": fields.get("id"), "event": fields["event"], "data": data})
        response.close()
        connection.close()
        return blocks


def first_life(server):
    yield from everything(server, "first")
    for user in ["ann", "bob", "cem"]:
        yield server.call("POST", "/chat/room/general/join", (user,))
    yield server.call("POST", "/chat/room/side/join", ("bob",))
    yield server.call("POST", "/chat/room/general/leave", ("bob",))
    for number in range(12):
        body = {"roomId": "trimmed", "message": f"message {number}"}
        yield server.call("POST", "/chat/message", ("ann",), body)
        yield server.call("POST", "/realtime/entity/trimmed/update", ADMIN, {"number": number})
    for service, status in [("db", "online"), ("web", "degraded"), ("db", "offline"), ("mail", "maintenance")]:
        yield server.call("POST", "/system/status/update", ADMIN, {"service": service, "status": status})


def second_life(server):
    yield from everything(server, "second")
    yield server.call("POST", "/chat/room/general/join", ("dan",))
    yield server.call("POST", "/chat/room/general/leave", ("cem",))
    for number in range(3):
        yield server.call("POST", "/chat/message", ("ann",), {"roomId": "erased", "message": f"secret {number}"})
    yield server.call("POST", "/system/status/update", ADMIN, {"service": "db", "status": "degraded"})


def third_life(server):
    yield from everything(server, "third")
    yield server.call("POST", "/chat/room/side/join", ("eve",), key="join")
    yield server.call("POST", "/chat/room/side/join", ("eve",), key="join-again")
    yield server.call("POST", "/chat/room/side/join", ("fay",), key="join")
    yield server.call("POST", "/chat/room/side/leave", ("fay",), key="leave")
    body = {"service": "cache", "status": "online", "metrics": {"hits": 7}}
    yield server.call("POST", "/system/status/update", ADMIN, body, "status")


def everything(server, life):
    """One of each, most of them with a key."""
    title = {"title": f"to all, {life}", "message": "ä \"quoted\"\nline", "type": "warning", "metadata": {"life": life}}
    yield server.call("POST", "/notifications/send", ADMIN, title)
    yield server.call("POST", "/notifications/send", ADMIN, {"title": f"with a key, {life}", "message": "m"}, life)
    yield server.call("POST", "/notifications/broadcast", ADMIN, {"title": f"broadcast, {life}", "message": "m"}, life)
    for number in range(3):
        path = "/notifications/send?targetUserId=ann"
        yield server.call("POST", path, ADMIN, {"title": f"{number}, {life}", "message": "m"}, f"{life}-{number}")
    update = {"entity": "order", "action": "update", "data": {"life": life, "large": "x" * 1_500}}
    yield server.call("POST", "/realtime/update", ADMIN, update, life)
    yield server.call("POST", "/realtime/update?targetUserId=ann", ADMIN, update, f"{life}-ann")
    yield server.call("POST", "/realtime/entity/order/create", ADMIN, {"life": life}, life)
    for user in ["ann", "bob"]:
        yield server.call("POST", "/chat/message", (user,), {"roomId": "general", "message": f"{user}, {life}"}, life)


ANN = ("ann",)
# A stream, who follows it, and the topics it shows.
STREAMS = [
    ("/notifications/stream", None, ["notifications"]),
    ("/notifications/stream", ANN, ["notifications", "notifications/user/ann"]),
    ("/realtime/stream", None, ["realtime"]),
    ("/realtime/stream", ANN, ["realtime", "realtime/user/ann"]),
    ("/realtime/stream?entities=trimmed", None, ["realtime/entity/trimmed"]),
    ("/chat/stream", ANN, ["chat"]),
    ("/chat/room/general/stream", ANN, ["chat/room/general"]),
    ("/chat/room/trimmed/stream", ANN, ["chat/room/trimmed"]),
    ("/chat/room/erased/stream", ANN, ["chat/room/erased"]),
    ("/system/status/stream", None, ["system/status"]),
]


def ids(blocks):
    return [block["id"] for block in blocks if block["event"] != "reset" and block["id"]]


def position(event):
    return int(event.split("-")[1])


def trimmed(server):
    """Waits until what is to go is gone."""
    for path, most in [("/chat/room/trimmed/stream", 5), ("/realtime/stream?entities=trimmed", 3)]:
        while len(ids(server.stream(path, ANN, "earliest"))) > most:
            time.sleep(0.1)


def epochs_of(server, calls):
    """Of each life, its epoch with the first and the last position at which an event of it is known to stand."""
    known = [call["answer"]["eventId"] for call in calls if (call["answer"] or {}).get("eventId")]
    for path, caller, _ in STREAMS:
        known += ids(server.stream(path, caller, "earliest"))
    epochs = {}
    for event in sorted(known, key=position):
        epoch = event.split("-")[0]
        first, _ = epochs.get(epoch, (position(event), None))
        epochs[epoch] = (first, position(event))
    return epochs


def note_streams(server, epochs):
    """What each stream is sent that comes back with an id of each life."""
    after = ["earliest", "00000000-1"]
    for epoch, (first, last) in epochs.items():
        after += [f"{epoch}-{position}" for position in (first - 1, first, (first + last) // 2, last, last + 100)]
    events, streams = {}, []
    for path, caller, topics in STREAMS:
        for cursor in after:
            blocks = server.stream(path, caller, cursor)
            events.update({block["id"]: {"event": block["event"], "data": block["data"]}
                           for block in blocks if block["event"] != "reset"})
            resets = [block["data"] for block in blocks if block["event"] == "reset"]
            streams.append({
                "path": path,
                "token": caller and token(*caller),
                "topics": topics,
                "after": cursor,
                "reset": resets[0]["reason"] if resets else None,
                "sees": ids(blocks),
            })
    return dict(sorted(events.items(), key=lambda event: position(event[0]))), streams


def main():
    binary, name = Path(sys.argv[1]).resolve(), sys.argv[2]
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        calls = []
        for life, how in [(first_life, signal.SIGTERM), (second_life, signal.SIGKILL), (third_life, signal.SIGTERM)]:
            server = Server(binary, data)
            calls += life(server)
            if life is second_life:
                # Of the secrets the last one stays. The first version has no such call.
                secrets = [call for call in calls if "secret" in (call["body"] or "")]
                until = secrets[1]["answer"]["eventId"]
                calls.append(server.call("DELETE", f"/events?topic=chat/room/erased&until={until}", ADMIN))
            trimmed(server)
            server.end(how)
        refused = [call for call in calls if call["status"] != 200 and call["method"] == "POST"]
        if refused:
            sys.exit(json.dumps(refused[0], indent=2))
        shutil.copytree(data, Path(scratch) / "copy")
        server = Server(binary, Path(scratch) / "copy")
        epochs = epochs_of(server, calls)
        events, streams = note_streams(server, epochs)
        rooms = {room: server.call("GET", f"/chat/room/{room}/members", ADMIN)["answer"]["members"]
                 for room in ["general", "side"]}
        statuses = server.call("GET", "/system/status", None)["answer"]["services"]
        server.end(signal.SIGTERM)
        last = max(event["data"]["timestamp"] for event in events.values())
        note = {
            "settings": {name: SETTINGS[name] for name in ["JOURNAL_KEEP", "PRESENCE_GRACE"]},
            "last": last,
            "lastMs": round(datetime.fromisoformat(last.replace("Z", "+00:00")).timestamp() * 1000),
            "epochs": [{"epoch": epoch, "first": first, "last": last} for epoch, (first, last) in epochs.items()],
            "calls": calls,
            "members": rooms,
            "statuses": statuses,
            "events": events,
            "streams": streams,
        }
        shrink(data)
        (here / f"{name}.json").write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n")
        archive = here / f"{name}.tar.gz"
        tar = ["tar", "--format=posix", "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
               "--pax-option=delete=atime,delete=ctime", "-C", data, "-c", "."]
        packed = subprocess.run([*map(str, tar)], check=True, stdout=subprocess.PIPE).stdout
        archive.write_bytes(subprocess.run(["gzip", "-9n"], check=True, input=packed, stdout=subprocess.PIPE).stdout)
        leaks = [path for path in (scratch, str(here)) if path.encode() in packed or path in json.dumps(note)]
        if leaks:
            sys.exit(f"they name a path of this machine: {leaks}")


def shrink(data):
    """The log of the storage engine is made 64 MiB long, and cut to what is in it when it is opened; nothing needs the zeros."""
    for log in data.glob("db/*.jnl"):
        content = log.read_bytes()
        kept = min(len(content.rstrip(b"\0")) + 4096, len(content))
        stat = log.stat()
        os.truncate(log, kept)
        os.utime(log, ns=(stat.st_atime_ns, stat.st_mtime_ns))


main()
