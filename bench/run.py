#!/usr/bin/env python3
"""What a request costs, always beside something else in the same run: absolute figures are this machine's.

    bench/run.py target/release/gatekey [PART...]

Parts: tokens, basic, storm, refused, guesses, imported; all of them by default. The load generator shares the machine with the
server. Each figure is the median of interleaved runs.
"""

import base64
import http.client
import itertools
import json
import os
import random
import socket
import statistics
import sys
import threading
import time

from measuring import Gatekey, Load, Nginx, median, spread, welch

ROUNDS = 3
SECONDS = 2
NAME, PASSWORD = "ok", "correct horse"
LIFETIME = ["--token-lifetime", "1h"]
# What is measured against what was aimed at, for the end.
aims = []


def aim(text, ratio, relation, goal):
    """Notes a ratio, and whether it is at most or at least what was aimed at."""
    reached = ratio <= goal if relation == "<=" else ratio >= goal
    aims.append(f"{text:58} {ratio:6.2f}   aim {relation} {goal:<4}  {'reached' if reached else 'NOT REACHED'}")


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def serve(binary, *options):
    """A gatekey with a user, and a token of that user's."""
    server = Gatekey(binary, *LIFETIME, *options)
    server.command("user", "add", NAME, text=PASSWORD)
    return server, "Bearer " + server.command("token", "issue", NAME, *LIFETIME)


def tokens(binary):
    """Token checks on kept connections: both loops, and an nginx that says the same and checks nothing."""
    strict, strict_token = serve(binary)
    tiny, tiny_token = serve(binary, "--loop", "tiny-http")
    nginx = Nginx(json.dumps({"data": f"Hello, {NAME}!"}, separators=(",", ":")))
    servers = {"strict": (strict, strict_token), "tiny-http": (tiny, tiny_token), "nginx": (nginx, strict_token)}
    print(f"{'connections':>11} {'server':>10} {'requests/s':>11} {'(min - max)':>17} {'CPU us/req':>11} {'p99 ms':>9}")
    for connections in (1, 8, 32, 128):
        loads = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, (server, token) in servers.items():
                loads[name].append(Load(server, token, connections, SECONDS))
        for name, runs in loads.items():
            low, high = spread(runs, "per_second")
            figures = f"{median(runs, 'per_second'):11.0f} {low:8.0f} -{high:7.0f} {median(runs, 'cpu_micros'):11.1f}"
            print(f"{connections:11} {name:>10} {figures} {median(runs, 'p99_millis'):9.2f}")
        if connections == 32:
            cpu = {name: median(runs, "cpu_micros") for name, runs in loads.items()}
            rate = {name: median(runs, "per_second") for name, runs in loads.items()}
            aim("CPU a token check, strict / nginx, 32 connections", cpu["strict"] / cpu["nginx"], "<=", 2.0)
            aim("token checks/s, strict / tiny-http, 32 connections", rate["strict"] / rate["tiny-http"], ">=", 1.5)
    print("tiny-http serves four connections at a time; the others wait until one of those closes.")
    for server, _ in servers.values():
        server.stop()


def basic_or_token(binary):
    """The password with every request, or a token with every request."""
    server, token = serve(binary)
    loads = {"Basic": [], "token": []}
    for _ in range(ROUNDS):
        loads["Basic"].append(Load(server, basic(NAME, PASSWORD), 8, SECONDS))
        loads["token"].append(Load(server, token, 8, SECONDS))
    server.stop()
    print(f"{'8 connections':>14} {'requests/s':>11} {'CPU us/req':>11}")
    for name, runs in loads.items():
        print(f"{name:>14} {median(runs, 'per_second'):11.0f} {median(runs, 'cpu_micros'):11.1f}")
    rate = {name: median(runs, "per_second") for name, runs in loads.items()}
    aim("requests/s, Basic / token", rate["Basic"] / rate["token"], ">=", 0.8)


class Storm:
    """Eight clients, each from an address of its own, who log in as nobody under ever new names."""

    CLIENTS = 8

    def __init__(self, server):
        self.server, self.is_over, self.attempts = server, False, [0] * self.CLIENTS
        self.threads = [threading.Thread(target=self.log_in, args=(number,)) for number in range(self.CLIENTS)]

    def log_in(self, number):
        # Loopback has more addresses than one, and what counts by address must not shelter the server here.
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, source_address=(f"127.0.0.{2 + number}", 0))
        while not self.is_over:
            authorization = basic(f"nobody {number} {self.attempts[number]}", "wrong")
            connection.request("GET", "/api/resource", headers={"Authorization": authorization})
            answer = connection.getresponse()
            answer.read()
            self.attempts[number] += answer.status == 401

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)  # all slots are busy by then
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def storm(binary):
    """Token checks while nobody logs in, and while every hash slot is busy."""
    server, token = serve(binary)
    loads, logins = {"quiet": [], "storm": []}, []
    for _ in range(ROUNDS):
        loads["quiet"].append(Load(server, token, 32, SECONDS))
        with Storm(server) as attackers:
            before, start = sum(attackers.attempts), time.monotonic()
            loads["storm"].append(Load(server, token, 32, SECONDS))
            logins.append((sum(attackers.attempts) - before) / (time.monotonic() - start))
    server.stop()
    print(f"{'32 connections':>14} {'requests/s':>11} {'p99 ms':>9} {'hashes/s':>9}")
    for name, runs in loads.items():
        hashes = statistics.median(logins) if name == "storm" else 0
        print(f"{name:>14} {median(runs, 'per_second'):11.0f} {median(runs, 'p99_millis'):9.2f} {hashes:9.1f}")
    ratio = {figure: median(loads["storm"], figure) / median(loads["quiet"], figure) for figure in ("per_second", "p99_millis")}
    aim("token checks/s, storm of logins / quiet", ratio["per_second"], ">=", 0.7)
    aim("token checks' 99th percentile, storm / quiet", ratio["p99_millis"], "<=", 3.0)


def refused(binary):
    """Tokens that are no good cost no more than good ones."""
    server, good = serve(binary)
    server.command("user", "add", "revoked", text=PASSWORD)
    revoked = server.command("token", "issue", "revoked", *LIFETIME)
    server.command("user", "revoke", "revoked")
    expired = server.command("token", "issue", NAME, "--token-lifetime", "1")
    time.sleep(2)
    head, _, signature = good.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    cases = {"good": good, "forged": forged, "expired": f"Bearer {expired}", "revoked": f"Bearer {revoked}"}
    loads = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, token in cases.items():
            loads[name].append(Load(server, token, 8, 1))
    server.stop()
    print(f"{'8 connections':>14} {'answers/s':>11} {'refused':>8} {'CPU us/req':>11}")
    for name, runs in loads.items():
        share = sum(run.refused for run in runs) / sum(run.answers for run in runs)
        print(f"{name:>14} {median(runs, 'answers') :11.0f} {share:8.0%} {median(runs, 'cpu_micros'):11.1f}")


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


def guesses(binary):
    """Whether time tells an unknown name, a wrong password and a disabled user apart, at the default cost."""
    attempts, users = 200, 20
    server, _ = serve(binary)
    for number in range(users):
        for kind in ("given", "barred"):
            server.command("user", "add", f"{kind:8}{number:06}", text=PASSWORD)
        server.command("user", "disable", f"barred  {number:06}")
    guess, seen = Guess(server), {"unknown user": [], "wrong password": [], "disabled user": []}
    for number in range(attempts):
        names = {
            "unknown user": f"nobody  {number:06}",
            "wrong password": f"given   {number % users:06}",
            "disabled user": f"barred  {number % users:06}",
        }
        for kind in random.sample(list(names), len(names)):
            password = PASSWORD if kind == "disabled user" else f"wrong {number:06}"
            seen[kind].append(guess(names[kind], password))
    server.stop()
    tell_apart(attempts, seen)


def imported(binary):
    """The same where half of the hashes are imported ones, of another scheme at a fraction of the work."""
    attempts, users = 200, 100
    server, _ = serve(binary)
    ours, other = "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43, "$6$rounds=100000$saltysalt$" + "a" * 86
    rows = [{"username": f"given   {n:06}", "password_hash": [ours, other][n % 2]} for n in range(users)]
    server.command("user", "import", "/dev/stdin", text="".join(json.dumps(row) + "\n" for row in rows))
    guess, seen = Guess(server), {"unknown user": [], "wrong password": []}
    for number in range(attempts):
        names = {"unknown user": f"nobody  {number:06}", "wrong password": f"given   {number % users:06}"}
        for kind in random.sample(list(names), len(names)):
            seen[kind].append(guess(names[kind], f"wrong {number:06}"))
    server.stop()
    tell_apart(attempts, seen)


def tell_apart(attempts, seen):
    """Prints what kinds of guesses cost, and whether one can be told from another by that."""
    print(f"{attempts:>10} guesses each {'CPU us, mean':>13} {'deviation':>10} {'latency us':>11} {'deviation':>10}")
    for kind, figures in seen.items():
        cells = [f"{statistics.mean(column):12.0f} {statistics.stdev(column):10.0f}" for column in zip(*figures)]
        print(f"{kind:>23} {' '.join(cells)}")
    pairs = list(itertools.combinations(seen, 2))
    for what, column in (("CPU", 0), ("latency", 1)):
        for a, b in pairs:
            t, p = welch([figures[column] for figures in seen[a]], [figures[column] for figures in seen[b]])
            verdict = "TOLD APART" if p < 0.01 else "not told apart"
            print(f"{what:>8}, {a} / {b}: Welch's t = {t:+.2f}, p = {p:.3f}: {verdict} at p < 0.01")


PARTS = {
    "tokens": tokens,
    "basic": basic_or_token,
    "storm": storm,
    "refused": refused,
    "guesses": guesses,
    "imported": imported,
}


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(PARTS):
        raise SystemExit(__doc__)
    binary, start = os.path.abspath(sys.argv[1]), time.monotonic()
    print(f"{os.cpu_count()} cores, {os.uname().machine}; {ROUNDS} rounds of {SECONDS} s, medians")
    for name in sys.argv[2:] or PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}")
        PARTS[name](binary)
    if aims:
        print("\nratios")
    for line in aims:
        print(line)
    print(f"\n{time.monotonic() - start:.0f} s")


main()
