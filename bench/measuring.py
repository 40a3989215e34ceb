"""What is measured with: a process's CPU time and memory, wrk, clients that log in, medians, Welch's t-test."""

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
    """A running server: where it is asked for what a token guards, and the processes whose cost is its own."""

    def __init__(self, child, port, path="/api/resource"):
        self.child, self.port, self.path = child, port, path
        self.url = f"http://127.0.0.1:{port}"

    def pids(self):
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [self.child.pid, *map(int, children.split())]

    def cpu_ns(self):
        """CPU time of all threads, ended ones too: the process's clock, which clock_getcpuclockid(3) would name."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids())

    def kib(self, line):
        """A line of /proc/PID/status, VmRSS say, summed over its processes."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.pids()]
        return sum(int(re.search(rf"^{line}:\s+(\d+) kB$", text, re.MULTILINE)[1]) for text in texts)

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Load:
    """One run of wrk: requests answered with 2xx a second, server CPU a request, the 99th percentile."""

    def __init__(self, server, authorization, connections, seconds=SECONDS, tokens=None, delay_millis=None):
        command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
        command += ["-s", str(Path(__file__).with_name("spread.lua"))] if tokens else ["-H", f"Authorization: {authorization}"]
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
    """Some clients who do the same again and again, each on a connection and from a loopback address of its own, for as long as
    the block lasts. `attempt(connection, client, number)` does it once and says whether it counts.
    """

    def __init__(self, server, clients, attempt):
        self.server, self.attempt, self.is_over = server, attempt, False
        self.counts = [0] * clients
        self.threads = [threading.Thread(target=self.work, args=(client,)) for client in range(clients)]

    def work(self, client):
        # What a server counts by address must not shelter it here.
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
        time.sleep(0.5)  # by then all are at it
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def ask(connection, method, path, fields=None, body=None):
    """One request; the status."""
    connection.request(method, path, body=body, headers=fields or {})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def median(loads, figure):
    """The median of a figure over repeated runs."""
    return statistics.median(getattr(load, figure) for load in loads)


def spread(loads, figure):
    """The least and the greatest, beside the median."""
    values = [getattr(load, figure) for load in loads]
    return f"{min(values):.0f}-{max(values):.0f}"


def interleaved(rounds, runs):
    """Does each of these, by name, once a round, so that what the machine does meanwhile is everybody's."""
    loads = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            loads[name].append(run())
    return loads


def welch(a, b):
    """Welch's t, and its two-sided p by the normal approximation, which is good for a hundred values and more."""
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    t = (statistics.mean(a) - statistics.mean(b)) / error
    return t, math.erfc(abs(t) / math.sqrt(2))
