"""Benchmarks of size: binary, memory, start-up time; and how the number of users affects performance."""

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
    """Size of the binary; resident memory when idle, with 128 idle connections, and during 64 concurrent logins at the default
    cost with two hash slots; time from start to the first response."""
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
    waiting = [idle_connection(server.port) for _ in range(128)]
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


def idle_connection(port):
    """An idle keep-alive connection, after one response."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    return connection


def log_in_at_once(server, crowd):
    """Each login has another wrong password, because identical checks would share one hash. Some get 503."""

    def log_in(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, source_address=(f"127.0.8.{number + 1}", 0))
        assert ask(connection, "GET", "/api/resource", {"Authorization": basic(NAME, f"wrong {number}")}) in (401, 503)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Populated:
    """A gatekey server with many users of the same password, added by `gatekey user import`."""

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
            self.import_kib = peak_resident_kib(child.pid) or self.import_kib
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
        """Signs a token with the server's key, because thousands of logins would take minutes."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 3600}
        parts = [{"alg": "HS256", **times}, {"id": user, "gen": generation, **times}]
        signed = b".".join(url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return (signed + b"." + url(hmac.digest(self.secret, signed, hashlib.sha256))).decode()

    def revoke(self, connection, client, number):
        """One write: the first user revokes all tokens. Then a pause, for WRITES_PER_SECOND."""
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


def peak_resident_kib(pid):
    """Peak resident memory of a process, which may end at any moment. wait4(2) would include this program before the exec."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def growth(binary, report):
    """With 1,000, 100,000 and 1,000,000 users: time and memory of `user import`; token checks for 2000 of the users on 32
    connections; logins of random users."""
    sizes = (1_000, 100_000) if QUICK else (1_000, 100_000, 1_000_000)
    with tempfile.TemporaryDirectory() as directory:
        servers = {users: Populated(binary, users, directory) for users in sizes}
        for populated in servers.values():
            assert Load(populated.server, None, 32, 1, populated.tokens).refused == 0  # also warms up the server
        checks = interleaved(ROUNDS, {users: lambda each=each: Load(each.server, None, 32, SECONDS, each.tokens) for users, each in servers.items()})
        logins = interleaved(ROUNDS, {users: each.logins_per_second for users, each in servers.items()})
        for populated in servers.values():
            populated.server.stop()
    rate = {users: median(runs, "per_second") for users, runs in checks.items()}
    rows = []
    for users, populated in servers.items():
        figures = [rate[users], median(checks[users], "cpu_micros"), statistics.median(logins[users])]
        rows.append([users, populated.import_seconds, populated.import_kib, *figures])
    report.table(["users", "import s", "import KiB", "checks/s", "CPU us", "logins/s"], rows)
    report.ratio(f"checks/s, {sizes[-1]} users / {sizes[0]} users", rate[sizes[-1]] / rate[sizes[0]], ">=", 0.9)
    report.ratio(f"logins/s, {sizes[-1]} users / {sizes[0]} users", statistics.median(logins[sizes[-1]]) / statistics.median(logins[sizes[0]]))


def million(binary, report):
    """Token checks on 32 connections beside five revocations per second: for 100,000 of 1,000,000 users in turn, and for all of
    1,000 users in turn."""
    many, in_turn = (100_000, 10_000) if QUICK else (1_000_000, 100_000)
    with tempfile.TemporaryDirectory() as directory:
        servers = {1_000: Populated(binary, 1_000, directory, 1_000), many: Populated(binary, many, directory, in_turn)}

        def load(populated):
            with Clients(populated.server, 1, populated.revoke):
                return Load(populated.server, None, 32, SECONDS, populated.tokens)

        for populated in servers.values():
            assert load(populated).refused == 0  # also warms up the server
        checks = interleaved(ROUNDS, {users: lambda each=each: load(each) for users, each in servers.items()})
        for populated in servers.values():
            populated.server.stop()
    figures = ("per_second", "cpu_micros", "p99_millis")
    rows = [[users, *[median(runs, figure) for figure in figures]] for users, runs in checks.items()]
    report.table(["users", "checks/s", "CPU us", "p99 ms"], rows)
    name = f"checks/s beside {WRITES_PER_SECOND} writes/s, {in_turn} of {many} users / 1000"
    report.ratio(name, rows[1][1] / rows[0][1], ">=", 0.9)
