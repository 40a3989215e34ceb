#!/usr/bin/env python3
"""User-space instructions per token check, counted by callgrind. Two runs differ only in the number of requests, so start-up
and shutdown cancel out. Unlike times, the counts are reproducible within a few percent on a loaded machine.

    bench/instructions.py BINARY [BINARY...]
"""

import os
import re
import socket
import subprocess
import sys
import tempfile

from measuring import NAME, PASSWORD
from servers import LIFETIME

FEW, MANY, CONNECTIONS = 2_000, 12_000, 32


def instructions(binary, requests, connections, log):
    """Total instructions of a server under callgrind that answers `requests` token checks on keep-alive connections."""
    with tempfile.TemporaryDirectory() as directory:
        data = ["--data", f"{directory}/data"]

        def command(*words, text=""):
            return subprocess.run([binary, *words, *data], input=text, capture_output=True, text=True, check=True).stdout.strip()

        command("user", "add", NAME, text=PASSWORD)
        token = command("token", "issue", NAME, *LIFETIME)
        out = os.environ.get("CALLGRIND_OUT", f"{directory}/out")
        server = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--trace-children=yes", binary, "serve", *data,
             "--listen", "127.0.0.1:0", "--log", log, *LIFETIME],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE if log == "off" else open(f"{directory}/log", "w"), text=True)
        port = int(server.stdout.readline().rsplit(":", 1)[1])
        request = f"GET /api/resource HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for _ in range(requests // connections):
            for client in sockets:
                client.sendall(request)
            for client in sockets:
                assert client.recv(4096).startswith(b"HTTP/1.1 200 "), "a token check failed"
        server.terminate()
        server.wait()
        text = open(out).read() if os.path.exists(out) else open(f"{out}.{server.pid}").read()
        return int(re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[1])


def per_check(binary, connections, log):
    difference = instructions(binary, MANY, connections, log) - instructions(binary, FEW, connections, log)
    return difference / (MANY // connections * connections - FEW // connections * connections)


if __name__ == "__main__":
    print(f"{'connections':>11} {'log':>6}  instructions per check: " + ", ".join(sys.argv[1:]))
    for connections in (1, CONNECTIONS):
        for log in ("off", "text"):
            print(f"{connections:11} {log:>6}  " + "  ".join(f"{per_check(each, connections, log):9.0f}" for each in sys.argv[1:]))
