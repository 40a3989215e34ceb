"""What gatekey takes: bytes, memory, time to the first answer; and what a million users change."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import random
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from measuring import NAME, PASSWORD, QUICK, ROUNDS, SECONDS, Clients, Load, ask, basic, interleaved, median
from servers import LIFETIME, Gatekey, PocketBase

WRITES_PER_SECOND = 5
STATIC = "target/{}-unknown-linux-gnu/release/gatekey".format(os.uname().machine)


def footprint(binary, report):
    """Bytes on disk; memory, idle, with 128 connections that wait, while 64 log in at once at the default cost on two slots;
    time from start to first answer."""
    server = Gatekey(binary, "--hash-slots", "2")
    server.command("user", "add", NAME, text=PASSWORD)
    server.stop()
    starts = []
    for _ in range(9):
        begin = time.perf_counter()
        server.start("--hash-slots", "2")
        assert ask(http.client.HTTPConnection("127.0.0.1", server.port), "GET", "/healthz") == 200
        starts.append((time.perf_counter() - begin) * 1000)
        server.stop()
    server.start("--hash-slots", "2")
    idle, anonymous = server.kib("VmRSS"), server.kib("RssAnon")
    waiting = [answered(server.port) for _ in range(128)]
    with_128 = server.kib("VmRSS")
    for connection in waiting:
        connection.close()
    log_in_at_once(server, 64)
    crowd, after = server.kib("VmHWM"), server.kib("VmRSS")
    server.stop()
    static_idle = None
    if Path(STATIC).exists():
        static = Gatekey(STATIC)
        static_idle = static.kib("VmRSS")
        static.stop()
    begin = time.perf_counter()
    pocketbase = PocketBase()
    pocketbase_start = (time.perf_counter() - begin) * 1000
    rows = [
        ["binary, bytes", Path(binary).stat().st_size],
        ["static binary, bytes", Path(STATIC).stat().st_size if Path(STATIC).exists() else "not built: make static"],
        ["start to first answer, ms", statistics.median(starts)],
        ["resident, idle, KiB", idle],
        ["static binary: resident, idle, KiB", static_idle or "not built"],
        ["of that, anonymous, KiB", anonymous],
        ["resident, 128 connections, KiB", with_128],
        ["most resident, 64 logins at once, KiB", crowd],
        ["resident, after that, KiB", after],
        ["PocketBase: binary, bytes", (Path(__file__).parent.parent / "target/venv-bench/bin/pocketbase").stat().st_size],
        ["PocketBase: first start to listening, ms", pocketbase_start],
        ["PocketBase: resident, idle, KiB", pocketbase.kib("VmRSS")],
    ]
    pocketbase.stop()
    report.table(["what", "figure"], rows)
    report.ratio("resident, idle, MiB" + (", static binary" if static_idle else ""), (static_idle or idle) / 1024, "<=", 3)
    report.ratio("start to first answer, ms", statistics.median(starts), "<=", 10)
    if Path(STATIC).exists():
        report.ratio("static binary, MB", Path(STATIC).stat().st_size / 1e6, "<=", 2.5)


def answered(port):
    """A connection that has been answered once and waits."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    return connection


def log_in_at_once(server, crowd):
    """Each with another wrong password: the same would be hashed once for all who show it. Some are told to come again."""

    def log_in(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, source_address=(f"127.0.8.{number + 1}", 0))
        assert ask(connection, "GET", "/api/resource", {"Authorization": basic(NAME, f"wrong {number}")}) in (401, 503)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Grown:
    """A gatekey with so many users, all of one password, brought by `gatekey user import`."""

    def __init__(self, binary, users, directory, in_turn=2000):
        self.users, self.server = users, Gatekey(binary, *LIFETIME)
        self.server.command("user", "add", NAME, text=PASSWORD)
        row = json.loads(self.server.command("user", "export").splitlines()[-1])
        rows = Path(directory, f"{users}.jsonl")
        with rows.open("w") as file:
            for number in range(users):
                file.write(json.dumps({"username": f"user {number}", "password_hash": row["password_hash"]}) + "\n")
        begin = time.monotonic()
        child = subprocess.Popen([binary, "user", "import", rows, *self.server.data], stdout=subprocess.DEVNULL)
        self.import_kib = 0
        while child.poll() is None:
            self.import_kib = most_resident(child.pid) or self.import_kib
            time.sleep(0.002)
        assert child.returncode == 0
        self.import_seconds = time.monotonic() - begin
        rows.unlink()
        self.tokens = Path(directory, f"{users}.tokens")
        data = Path(self.server.directory.name, "data")
        self.secret = data.joinpath("signing-keys").read_bytes().splitlines()[-1]
        with contextlib.closing(sqlite3.connect(data / "gatekey.sqlite3")) as database:
            generations = database.execute("SELECT id, generation FROM users").fetchall()
        (self.own_id, self.own_generation), *generations = generations
        shown = random.sample(generations, in_turn) if in_turn < users else random.choices(generations, k=in_turn)
        self.tokens.write_text("".join(self.sign(*user) + "\n" for user in shown))

    def sign(self, user, generation):
        """A token as the server would issue it, by its own key: thousands of logins would take minutes."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 3600}
        parts = [{"alg": "HS256", **times}, {"id": user, "gen": generation, **times}]
        signed = b".".join(url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return (signed + b"." + url(hmac.digest(self.secret, signed, hashlib.sha256))).decode()

    def revoke(self, connection, client, number):
        """One write, the first user's revocation of all tokens; and a pause, so that there are WRITES_PER_SECOND."""
        token = f"Bearer {self.sign(self.own_id, self.own_generation)}"
        assert ask(connection, "DELETE", "/api/token", {"Authorization": token}) == 204
        self.own_generation += 1
        time.sleep(1 / WRITES_PER_SECOND)
        return True

    def logins_per_second(self):
        def log_in(connection, client, number):
            name = f"user {random.randrange(self.users)}"
            return ask(connection, "GET", "/api/resource", {"Authorization": basic(name, PASSWORD)}) == 200

        with Clients(self.server, 4, log_in) as clients:
            return clients.per_second(2 * SECONDS)


def most_resident(pid):
    """In KiB, of a process that may end at any moment. Not what wait4(2) says, which counts this program before the exec too."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def growth(binary, report):
    """A thousand, a hundred thousand and a million users: how long `user import` takes and in how much memory, token checks of 2000
    of them in turn on 32 connections, and logins of random ones."""
    sizes = (1_000, 100_000) if QUICK else (1_000, 100_000, 1_000_000)
    with tempfile.TemporaryDirectory() as directory:
        grown = {users: Grown(binary, users, directory) for users in sizes}
        for who in grown.values():
            assert Load(who.server, None, 32, 1, who.tokens).refused == 0  # and warm
        checks = interleaved(ROUNDS, {users: lambda who=who: Load(who.server, None, 32, SECONDS, who.tokens) for users, who in grown.items()})
        logins = interleaved(ROUNDS, {users: who.logins_per_second for users, who in grown.items()})
        for who in grown.values():
            who.server.stop()
    rate = {users: median(runs, "per_second") for users, runs in checks.items()}
    rows = []
    for users, who in grown.items():
        figures = [rate[users], median(checks[users], "cpu_micros"), statistics.median(logins[users])]
        rows.append([users, who.import_seconds, who.import_kib, *figures])
    report.table(["users", "import s", "import KiB", "checks/s", "CPU us", "logins/s"], rows)
    report.ratio(f"checks/s, {sizes[-1]} users / {sizes[0]} users", rate[sizes[-1]] / rate[sizes[0]], ">=", 0.9)
    report.ratio(f"logins/s, {sizes[-1]} users / {sizes[0]} users", statistics.median(logins[sizes[-1]]) / statistics.median(logins[sizes[0]]))


def million(binary, report):
    """Token checks on 32 connections while five revocations a second are written: 100,000 of a million users in turn, beside a
    thousand users, all of them in turn."""
    many, in_turn = (100_000, 10_000) if QUICK else (1_000_000, 100_000)
    with tempfile.TemporaryDirectory() as directory:
        grown = {1_000: Grown(binary, 1_000, directory, 1_000), many: Grown(binary, many, directory, in_turn)}

        def load(who):
            with Clients(who.server, 1, who.revoke):
                return Load(who.server, None, 32, SECONDS, who.tokens)

        for who in grown.values():
            assert load(who).refused == 0  # and warm
        checks = interleaved(ROUNDS, {users: lambda who=who: load(who) for users, who in grown.items()})
        for who in grown.values():
            who.server.stop()
    figures = ("per_second", "cpu_micros", "p99_millis")
    rows = [[users, *[median(runs, figure) for figure in figures]] for users, runs in checks.items()]
    report.table(["users", "checks/s", "CPU us", "p99 ms"], rows)
    name = f"checks/s beside {WRITES_PER_SECOND} writes/s, {in_turn} of {many} users in turn / 1000 users"
    report.ratio(name, rows[1][1] / rows[0][1], ">=", 0.9)
