"""What a password costs: how many are checked a second, and whether the time of it tells anything about whose it is."""

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
    """Password logins a second, each of them hashed, by as many clients at once as there are cores, twice: gatekey at its default
    cost; Python's hashlib.scrypt at the same, without any server; PocketBase at its own, bcrypt 10."""
    server, _ = gatekey(binary, "--password-cache", "0")
    for client in range(2 * CORES):
        server.command("user", "add", f"user {client}", text=PASSWORD)
    pocketbase = PocketBase()
    pocketbase.add_users(2 * CORES)

    def ours(connection, client, _):
        return ask(connection, "GET", "/api/resource", {"Authorization": basic(f"user {client}", PASSWORD)}) == 200

    def theirs(connection, client, _):
        return ask(connection, "POST", pocketbase.LOGIN, pocketbase.JSON, pocketbase.credentials(client, PASSWORD)) == 200

    def by_clients(server, attempt):
        with Clients(server, 2 * CORES, attempt) as clients:
            return clients.per_second(2 * SECONDS)

    rates = {"gatekey, scrypt": [], "hashlib.scrypt alone": [], "PocketBase, bcrypt 10": []}
    for _ in range(ROUNDS):
        rates["gatekey, scrypt"].append(by_clients(server, ours))
        rates["hashlib.scrypt alone"].append(hashes_per_second())
        rates["PocketBase, bcrypt 10"].append(by_clients(pocketbase, theirs))
    server.stop()
    pocketbase.stop()
    median = {name: statistics.median(values) for name, values in rates.items()}
    report.table(["who", "logins/s", "min-max"], [[name, rate, f"{min(rates[name]):.1f}-{max(rates[name]):.1f}"] for name, rate in median.items()])
    report.ratio("logins/s, gatekey / hashlib.scrypt alone", median["gatekey, scrypt"] / median["hashlib.scrypt alone"])
    report.ratio("logins/s, gatekey / PocketBase (another hash)", median["gatekey, scrypt"] / median["PocketBase, bcrypt 10"])


def hashes_per_second():
    """hashlib.scrypt, which lets other threads go on, in as many threads as there are cores."""
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


class Guess:
    """One guess at a time on one connection: the server's CPU time for each, and how long the answer took."""

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
        time.sleep(0.002)  # the server's threads have gone back to sleep, and their time is counted
        return (self.server.cpu_ns() - before) / 1000, latency * 1e6


def guesses(binary, report):
    """Whether time tells an unknown name, a wrong password and a disabled user apart, at the default cost."""
    users = 20
    server, _ = gatekey(binary)
    for number in range(users):
        for kind in ("given", "barred"):
            server.command("user", "add", f"{kind:8}{number:06}", text=PASSWORD)
        server.command("user", "disable", f"barred  {number:06}")

    def names(number):
        return {
            "unknown user": f"nobody  {number:06}",
            "wrong password": f"given   {number % users:06}",
            "disabled user": f"barred  {number % users:06}",
        }

    tell_apart(server, names, report)


def imported(binary, report):
    """The same where half of the hashes are imported ones, of another scheme at a fraction of the work."""
    users = 100
    server, _ = gatekey(binary)
    ours, other = "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43, "$6$rounds=100000$saltysalt$" + "a" * 86
    rows = [{"username": f"given   {n:06}", "password_hash": [ours, other][n % 2]} for n in range(users)]
    server.command("user", "import", "/dev/stdin", text="".join(json.dumps(row) + "\n" for row in rows))
    tell_apart(server, lambda number: {"unknown user": f"nobody  {number:06}", "wrong password": f"given   {number % users:06}"}, report)


def tell_apart(server, names, report):
    """What kinds of guesses cost, in random order, and whether one can be told from another by that."""
    attempts = 50 if QUICK else 200
    guess, seen = Guess(server), {kind: [] for kind in names(0)}
    for number in range(attempts):
        who = names(number)
        for kind in random.sample(list(who), len(who)):
            seen[kind].append(guess(who[kind], PASSWORD if kind == "disabled user" else f"wrong {number:06}"))
    server.stop()
    rows = []
    for kind, figures in seen.items():
        cells = [f"{statistics.mean(column):.0f} ± {statistics.stdev(column):.0f}" for column in zip(*figures)]
        rows.append([kind, attempts, *cells])
    report.table(["guess", "attempts", "CPU us", "latency us"], rows)
    for what, column in (("CPU", 0), ("latency", 1)):
        for a, b in itertools.combinations(seen, 2):
            t, p = welch([figures[column] for figures in seen[a]], [figures[column] for figures in seen[b]])
            verdict = "TOLD APART" if p < 0.01 else "not told apart"
            report.note(f"{what}, {a} / {b}: Welch's t = {t:+.2f}, p = {p:.3f}: {verdict} at p < 0.01")
