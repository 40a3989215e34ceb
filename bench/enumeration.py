"""User enumeration: whether the time of a rejected request reveals which names exist, and of which kind the user is."""

import json
import random
import socket
import statistics
import threading
import time

from measuring import QUICK, basic
from servers import Gatekey

NAMES = 4  # of each kind
BATCH = 25  # requests in one write, as an attacker would amplify a small difference
ROUNDS = 5 if QUICK else 60
SLOW = ["--scrypt", "ln=16,r=8,p=10"]  # one hash takes long enough for many batches

# Hashes that no password matches, of each scheme; `None` is an unknown name.
HASHES = {
    "unknown": None,
    "known": "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43,
    "disabled": "$scrypt$ln=14,r=8,p=5$" + "A" * 22 + "$" + "A" * 43,
    "scrypt, cheap": "$scrypt$ln=4,r=8,p=1$" + "A" * 22 + "$" + "A" * 43,
    "sha512_crypt": "$6$rounds=5000$saltysalt$" + "a" * 86,
    "bcrypt": "$2b$05$" + "a" * 21 + "e" + "a" * 30 + "e",
    "pbkdf2": "pbkdf2:sha256:1000$saltsalt$" + "a" * 64,
}


def names(kind):
    # Of the same length for each kind, because the time depends on the length.
    return [f"{kind[:12]:_<12}{number:04}" for number in range(NAMES)]


def server_with_users(binary, *options):
    server = Gatekey(binary, *options)
    rows = [
        {"username": name, "password_hash": password_hash, "disabled": kind == "disabled"}
        for kind, password_hash in HASHES.items()
        if password_hash
        for name in names(kind)
    ]
    server.command("user", "import", "/dev/stdin", text="".join(json.dumps(row) + "\n" for row in rows))
    return server


def login(name, password):
    return f"GET /api/token HTTP/1.1\r\nHost: a\r\nAuthorization: {basic(name, password)}\r\n\r\n".encode()


def registration(name, password):
    body = json.dumps({"username": name, "password": password})
    head = f"POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class Connection:
    """A connection that sends each batch of requests in one write (pipelining)."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, requests):
        """Returns the set of statuses, and the microseconds per response."""
        received, start = b"", time.perf_counter()
        self.socket.sendall(b"".join(requests))
        while received.count(b"HTTP/1.1 ") < len(requests) or not received.endswith(b"}"):
            received += self.socket.recv(1 << 20)
        micros = (time.perf_counter() - start) * 1e6 / len(requests)
        return {part[:3] for part in received.split(b"HTTP/1.1 ")[1:]}, micros


def enumeration(binary, report):
    """Requests that are rejected before a password is checked, pipelined, for names of every kind in random order: the first
    decile of the time for each kind. (The parts `guesses` and `imported` measure requests whose password is checked.)"""
    limits = ["--throttle", "on", "--guesses-per-user-and-address", "1/24h", "--guesses-per-address", "100000/1s"]
    with_limits = server_with_users(binary, *limits)
    ask = Connection(with_limits)
    for name in (name for kind in HASHES for name in names(kind)):
        ask([login(name, "wrong")])
    compare(report, "429", with_limits, login)

    closed = server_with_users(binary, "--registration", "closed")
    compare(report, "403", closed, registration)

    busy = server_with_users(binary, "--hash-slots", "1", "--hash-queue", "0", *SLOW)
    is_over = threading.Event()
    holders = [threading.Thread(target=hold_the_slot, args=(busy, is_over, number)) for number in range(2)]
    for holder in holders:
        holder.start()
    compare(report, "503", busy, login)
    is_over.set()
    for holder in holders:
        holder.join()
    for server in (with_limits, closed, busy):
        server.stop()


def hold_the_slot(server, is_over, number):
    """Keeps the only hash slot busy with hashes that take seconds."""
    ask = Connection(server)
    attempt = 0
    while not is_over.is_set():
        ask([registration(f"holder {number} {attempt}", "a password")])
        attempt += 1
        time.sleep(0.001)


def compare(report, status, server, request):
    ask, times_by_kind, discarded = Connection(server), {kind: [] for kind in HASHES}, 0
    for number in range(ROUNDS):
        for kind, name in random.sample([(kind, name) for kind in HASHES for name in names(kind)], NAMES * len(HASHES)):
            batch = [request(name, f"wrong {number} {attempt}") for attempt in range(BATCH)]
            statuses, micros = ask(batch)
            if statuses == {status.encode()}:
                times_by_kind[kind].append(micros)
            else:
                discarded += 1
    # The first decile: other load on the machine only adds time.
    fast = {kind: statistics.quantiles(times, n=10)[0] for kind, times in times_by_kind.items() if len(times) > 1}
    rows = [[status, kind, len(times_by_kind[kind]), time_of_one, f"{time_of_one / fast['unknown']:.3f}"] for kind, time_of_one in fast.items()]
    report.say("")
    report.table(["status", "name is", "batches", "us a request", "/ unknown"], rows)
    if discarded:
        report.note(f"{discarded} batches contained another status and were discarded.\n")
    report.ratio(f"time of a {status}, slowest kind of user / fastest", max(fast.values()) / min(fast.values()), "<=", 1.06)
