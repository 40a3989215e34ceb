"""Benchmarks of password logins: throughput, and user enumeration by timing."""

import hashlib
import itertools
import json
import os
import random
import socket
import statistics
import threading
import time

from measuring import PASSWORD, QUICK, ROUNDS, SECONDS, Clients, ask, basic, welch
from servers import PocketBase, gatekey

CORES = os.cpu_count()
N, R, P = 2**14, 8, 5  # --scrypt ln=14,r=8,p=5, the default


def logins(binary, report):
    """Password logins per second, each with a hash, by two concurrent clients per core: gatekey at its default cost;
    Python's hashlib.scrypt at the same cost, without a server; PocketBase at its default cost, bcrypt 10."""
    server, _ = gatekey(binary, "--password-cache", "0")
    for client in range(2 * CORES):
        server.command("user", "add", f"user {client}", text=PASSWORD)
    pocketbase = PocketBase()
    pocketbase.add_users(2 * CORES)

    def gatekey_login(connection, client, _):
        return ask(connection, "GET", "/api/resource", {"Authorization": basic(f"user {client}", PASSWORD)}) == 200

    def pocketbase_login(connection, client, _):
        return ask(connection, "POST", pocketbase.LOGIN, pocketbase.JSON, pocketbase.credentials(client, PASSWORD)) == 200

    def by_clients(server, attempt):
        with Clients(server, 2 * CORES, attempt) as clients:
            return clients.per_second(2 * SECONDS)

    rates = {"gatekey, scrypt": [], "hashlib.scrypt alone": [], "PocketBase, bcrypt 10": []}
    for _ in range(ROUNDS):
        rates["gatekey, scrypt"].append(by_clients(server, gatekey_login))
        rates["hashlib.scrypt alone"].append(hashes_per_second())
        rates["PocketBase, bcrypt 10"].append(by_clients(pocketbase, pocketbase_login))
    server.stop()
    pocketbase.stop()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    report.table(["server", "logins/s", "min-max"], [[name, rate, f"{min(rates[name]):.1f}-{max(rates[name]):.1f}"] for name, rate in medians.items()])
    report.ratio("logins/s, gatekey / hashlib.scrypt alone", medians["gatekey, scrypt"] / medians["hashlib.scrypt alone"])
    report.ratio("logins/s, gatekey / PocketBase (another hash)", medians["gatekey, scrypt"] / medians["PocketBase, bcrypt 10"])


def hashes_per_second():
    """hashlib.scrypt, which releases the GIL, on one thread per core."""
    count, end = [0] * CORES, time.monotonic() + 2 * SECONDS

    def work(thread):
        while time.monotonic() < end:
            hashlib.scrypt(PASSWORD.encode(), salt=os.urandom(16), n=N, r=R, p=P, dklen=32, maxmem=2**26)
            count[thread] += 1

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(CORES)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(count) / (time.monotonic() - start)


class PasswordAttempt:
    """Sends one wrong password at a time on one connection. Returns the server's CPU time and the latency, in microseconds."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, name, password):
        request = f"GET /api/resource HTTP/1.1\r\nHost: a\r\nAuthorization: {basic(name, password)}\r\n\r\n".encode()
        before, start = self.server.cpu_ns(), time.perf_counter()
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        latency = time.perf_counter() - start
        if not answer.startswith(b"HTTP/1.1 401 "):
            raise SystemExit(f"{name}: {answer!r}")
        time.sleep(0.002)  # so that the server's threads are idle again, and their CPU time is complete
        return (self.server.cpu_ns() - before) / 1000, latency * 1e6


def guesses(binary, report):
    """Whether timing distinguishes an unknown name, a wrong password and a disabled user, at the default cost."""
    users = 20
    server, _ = gatekey(binary)
    for number in range(users):
        for kind in ("enabled", "disabled"):
            server.command("user", "add", f"{kind:8}{number:06}", text=PASSWORD)
        server.command("user", "disable", f"disabled{number:06}")

    def names(number):
        return {
            "unknown user": f"unknown {number:06}",
            "wrong password": f"enabled {number % users:06}",
            "disabled user": f"disabled{number % users:06}",
        }

    compare_kinds(server, names, report)


def imported(binary, report):
    """The same with half of the hashes imported from another scheme, at a fraction of the cost."""
    users = 100
    server, _ = gatekey(binary)
    native, imported_hash = "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43, "$6$rounds=100000$saltysalt$" + "a" * 86
    rows = [{"username": f"enabled {n:06}", "password_hash": [native, imported_hash][n % 2]} for n in range(users)]
    server.command("user", "import", "/dev/stdin", text="".join(json.dumps(row) + "\n" for row in rows))
    compare_kinds(server, lambda number: {"unknown user": f"unknown {number:06}", "wrong password": f"enabled {number % users:06}"}, report)


def compare_kinds(server, names, report):
    """CPU time and latency per kind of user, in random order, and Welch's t-test for each pair of kinds."""
    attempts = 50 if QUICK else 200
    attempt, samples = PasswordAttempt(server), {kind: [] for kind in names(0)}
    for number in range(attempts):
        name_by_kind = names(number)
        for kind in random.sample(list(name_by_kind), len(name_by_kind)):
            samples[kind].append(attempt(name_by_kind[kind], PASSWORD if kind == "disabled user" else f"wrong {number:06}"))
    server.stop()
    rows = []
    for kind, figures in samples.items():
        cells = [f"{statistics.mean(column):.0f} ± {statistics.stdev(column):.0f}" for column in zip(*figures)]
        rows.append([kind, attempts, *cells])
    report.table(["kind", "attempts", "CPU us", "latency us"], rows)
    for what, column in (("CPU", 0), ("latency", 1)):
        for a, b in itertools.combinations(samples, 2):
            t, p = welch([figures[column] for figures in samples[a]], [figures[column] for figures in samples[b]])
            verdict = "DIFFERENT" if p < 0.01 else "no difference"
            report.note(f"{what}, {a} / {b}: Welch's t = {t:+.2f}, p = {p:.3f}: {verdict} at p < 0.01")
