"""Measuring tools: CPU time and memory of a process, wrk, concurrent clients, medians, Welch's t-test."""

import base64
import http.client
import math
import os
import re
import statistics
import subprocess
import threading
import time
from pathlib import Path

QUICK = os.environ.get("BENCH_QUICK") == "1"
ROUNDS = 1 if QUICK else 5
SECONDS = 1 if QUICK else 2
NAME, PASSWORD = "ok", "correct horse"


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Process:
    """A running server with its URL, and the path of a resource that needs a token. Child processes are measured too."""

    def __init__(self, child, port, path="/api/resource"):
        self.child, self.port, self.path = child, port, path
        self.url = f"http://127.0.0.1:{port}"

    def pids(self):
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [self.child.pid, *map(int, children.split())]

    def cpu_ns(self):
        """CPU time of all threads, including ended ones: the process clock of clock_getcpuclockid(3)."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids())

    def kib(self, line):
        """A line of /proc/PID/status, such as VmRSS, summed over the processes."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        return sum(int(re.search(rf"^{line}:\s+(\d+) kB$", text, re.MULTILINE)[1]) for text in texts)

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Load:
    """One run of wrk: successful (2xx) responses per second, server CPU time per request, 99th percentile of the latency."""

    def __init__(self, server, authorization, connections, seconds=SECONDS, tokens=None, delay_millis=None):
        header = authorization if authorization.startswith("Cookie: ") else f"Authorization: {authorization}"
        command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
        command += ["-s", str(Path(__file__).with_name("spread.lua"))] if tokens else ["-H", header]
        if delay_millis is not None:
            command += ["-s", str(Path(__file__).with_name("pace.lua"))]
        environment = {**os.environ, "TOKENS": str(tokens), "DELAY_MILLIS": str(delay_millis)}
        before, start = server.cpu_ns(), time.monotonic()
        done = subprocess.run(
            [*command, server.url + server.path], capture_output=True, text=True, check=True, timeout=seconds + 60, env=environment
        )
        self.cpu_ns, elapsed = server.cpu_ns() - before, time.monotonic() - start
        self.answers = int(re.search(r"(\d+) requests in", done.stdout)[1])
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
        self.refused = int(refused[1]) if refused else 0
        self.per_second = (self.answers - self.refused) / elapsed
        self.cpu_micros = self.cpu_ns / 1000 / max(1, self.answers)
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", done.stdout).groups()
        self.p99_millis = float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


class Clients:
    """Concurrent clients, each with its own connection and loopback address. Until the `with` block ends, each calls
    `attempt(connection, client, number)` in a loop; the calls that return true are counted.
    """

    def __init__(self, server, clients, attempt):
        self.server, self.attempt, self.is_over = server, attempt, False
        self.counts = [0] * clients
        self.threads = [threading.Thread(target=self.work, args=(client,)) for client in range(clients)]

    def work(self, client):
        # Separate addresses, so that limits per address don't reduce the load.
        address = (f"127.0.0.{2 + client}", 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, source_address=address)
        number = 0
        while not self.is_over:
            self.counts[client] += bool(self.attempt(connection, client, number))
            number += 1

    def count(self):
        return sum(self.counts)

    def per_second(self, seconds):
        before, start = self.count(), time.monotonic()
        time.sleep(seconds)
        return (self.count() - before) / (time.monotonic() - start)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(0.5)  # all clients have started by then
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def ask(connection, method, path, headers=None, body=None):
    """Sends one request and returns the status."""
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    response.read()
    return response.status


def median(loads, figure):
    """The median of a figure over several runs."""
    return statistics.median(getattr(load, figure) for load in loads)


def spread(loads, figure):
    """Minimum and maximum of a figure over several runs."""
    values = [getattr(load, figure) for load in loads]
    return f"{min(values):.0f}-{max(values):.0f}"


def interleaved(rounds, runs):
    """Runs all of `runs` in each round, so that other load on the machine affects all of them alike."""
    loads = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            loads[name].append(run())
    return loads


def welch(a, b):
    """Welch's t and its two-sided p, by the normal approximation, which is accurate from about 100 values on."""
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    t = (statistics.mean(a) - statistics.mean(b)) / error
    return t, math.erfc(abs(t) / math.sqrt(2))
