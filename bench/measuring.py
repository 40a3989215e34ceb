"""What bench/run.py measures with: servers, their CPU time, wrk, and Welch's t-test."""

import math
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


class Process:
    """A running server: its URL, and the processes whose CPU time is its own."""

    def __init__(self, child, port):
        self.child, self.port, self.url = child, port, f"http://127.0.0.1:{port}"

    def pids(self):
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [self.child.pid, *map(int, children.split())]

    def cpu_ns(self):
        """CPU time of all threads, ended ones too: the process's clock, which clock_getcpuclockid(3) would name."""
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in self.pids())

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Gatekey(Process):
    """`gatekey serve`, with a directory and a free port of its own."""

    def __init__(self, binary, *options):
        self.binary, self.directory = binary, tempfile.TemporaryDirectory()
        self.data = ["--data", f"{self.directory.name}/data"]
        # Attempts at passwords are what is measured here, so they must not be slowed down.
        known = subprocess.run([binary, "help", "serve"], capture_output=True, text=True, check=True).stdout
        options = [*options, "--log", "off", *(["--throttle", "off"] if "--throttle" in known else [])]
        command = [binary, "serve", "--listen", "127.0.0.1:0", *self.data, *options]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = child.stdout.readline()
        super().__init__(child, int(ready.rsplit(":", 1)[1]))

    def command(self, *words, text=""):
        """A gatekey command on the same data; what it prints."""
        done = subprocess.run([self.binary, *words, *self.data], input=text, capture_output=True, text=True, check=True)
        return done.stdout.strip()


class Nginx(Process):
    """nginx with one worker, which returns this JSON to everybody, and as plain as it can be."""

    CONFIG = """
        daemon off; worker_processes 1; pid %(directory)s/pid; error_log stderr crit;
        events { worker_connections 1024; }
        http {
            access_log off; default_type application/json; keepalive_requests 1000000000;
            client_body_temp_path %(directory)s; proxy_temp_path %(directory)s; fastcgi_temp_path %(directory)s;
            uwsgi_temp_path %(directory)s; scgi_temp_path %(directory)s;
            server { listen 127.0.0.1:%(port)d; location / { return 200 '%(body)s'; } }
        }"""

    def __init__(self, body):
        self.directory = tempfile.TemporaryDirectory()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = Path(self.directory.name, "nginx.conf")
        config.write_text(self.CONFIG % {"directory": self.directory.name, "port": port, "body": body})
        path = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        command = ["nginx", "-e", "stderr", "-c", str(config)]
        super().__init__(subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL), port)
        for _ in range(100):
            try:
                return socket.create_connection(("127.0.0.1", port)).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
        raise SystemExit("nginx does not start; see: nginx -e stderr -c " + str(config))


class Load:
    """One run of wrk: requests answered with 2xx a second, server CPU a request, the 99th percentile."""

    def __init__(self, server, authorization, connections, seconds):
        threads = min(2, connections)
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
        command += ["-H", f"Authorization: {authorization}", server.url + "/api/resource"]
        before, start = server.cpu_ns(), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
        self.cpu_ns, elapsed = server.cpu_ns() - before, time.monotonic() - start
        self.answers = int(re.search(r"(\d+) requests in", done.stdout)[1])
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
        self.refused = int(refused[1]) if refused else 0
        self.per_second = (self.answers - self.refused) / elapsed
        self.cpu_micros = self.cpu_ns / 1000 / max(1, self.answers)
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", done.stdout).groups()
        self.p99_millis = float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def median(loads, figure):
    """The median of a figure over repeated runs."""
    return statistics.median(getattr(load, figure) for load in loads)


def spread(loads, figure):
    """The least and the greatest, beside the median."""
    values = [getattr(load, figure) for load in loads]
    return min(values), max(values)


def welch(a, b):
    """Welch's t, and its two-sided p by the normal approximation, which is good for a hundred values and more."""
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    t = (statistics.mean(a) - statistics.mean(b)) / error
    return t, math.erfc(abs(t) / math.sqrt(2))
