"""How the engine scales: with the number of event loops, with idle connections, and with logins beside checks below capacity."""

import contextlib
import resource
import socket
import statistics
import time

from measuring import QUICK, ROUNDS, Clients, Load, ask, basic, interleaved, median
from servers import gatekey

LOOPS = (1, 2, 4, 8)
SHARE = 0.4
PACED_CONNECTIONS = 64
STORM_SECONDS = 3 if QUICK else 6  # a login takes a tenth of a second: fewer seconds have too few of them


def loops(binary, report):
    """Token checks on 32 connections with a number of event loops (--event-loops)."""
    servers = {count: gatekey(binary, "--event-loops", str(count)) for count in LOOPS}
    loads = interleaved(ROUNDS, {count: lambda target=target: Load(*target, 32) for count, target in servers.items()})
    for server, _ in servers.values():
        server.stop()
    figures = ("per_second", "cpu_micros", "p99_millis")
    medians = {count: [median(runs, figure) for figure in figures] for count, runs in loads.items()}
    report.table(["event loops", "checks/s", "CPU us", "p99 ms"], [[count, *row] for count, row in medians.items()])
    for name, column in (("checks/s", 0), ("CPU a check", 1), ("99th percentile", 2)):
        for count in LOOPS[1:]:
            base = 1 if count == 2 else 2
            value = medians[count][column] / medians[base][column]
            report.ratio(f"{name}, {count} event loops / {base}", value)


def idle(binary, report):
    """Resident memory per idle keep-alive connection, and token checks on 32 further connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    rows, rates = [], {}
    for count in (0, 1_000, 10_000):
        needed = count + 1024
        if hard != resource.RLIM_INFINITY and hard < needed:
            report.note(f"{count} connections: not measured, because the descriptor limit is {hard}.")
            continue
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, before[0]), hard))
        server, token = gatekey(binary, "--max-connections", str(count + 64), "--idle-timeout", "10m")
        Load(server, token, 32, 1)  # so that memory allocated under any load is not attributed to the connections
        resident, connections = server.kib("VmRSS"), []
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                connections.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))))
                answer_once(connections[-1], server, token)
            each = (server.kib("VmRSS") - resident) / count if count else 0.0
            runs = [Load(server, token, 32) for _ in range(ROUNDS)]
            for connection in connections[:: max(1, count // 100)]:
                answer_once(connection, server, token)  # the server has closed none of them
        server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        rates[count] = median(runs, "per_second")
        rows.append([count, each, rates[count], median(runs, "cpu_micros"), median(runs, "p99_millis")])
    report.table(["idle connections", "KiB each", "checks/s", "CPU us", "p99 ms"], rows)
    for count, each, rate, *_ in rows[1:]:
        report.ratio(f"resident KiB per idle connection, {count}", each, "<=", 4)
        report.ratio(f"checks/s beside {count} idle connections / 0", rate / rates[0])


def answer_once(connection, server, token):
    connection.sendall(f"GET {server.path} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n\r\n".encode())
    answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer


def failed_login(connection, client, number):
    """A login with a wrong password, which costs a hash."""
    return ask(connection, "GET", "/api/resource", {"Authorization": basic(f"unknown {client} {number}", "wrong")}) == 401


def paced(binary, report):
    """Token checks at 40 % of the capacity, which is measured first: without logins, and while eight clients send wrong passwords;
    and those logins alone. 64 connections, each of which waits a random time before a check."""
    server, token = gatekey(binary)
    rounds = []
    for _ in range(ROUNDS):
        capacity = Load(server, token, PACED_CONNECTIONS).per_second
        between = PACED_CONNECTIONS / (SHARE * capacity) * 1000
        trial = Load(server, token, PACED_CONNECTIONS, 1, delay_millis=between)
        # Subtracts the time that a check itself takes from the delay between two checks.
        delay = max(0.0, between - (PACED_CONNECTIONS / trial.per_second * 1000 - between))
        quiet = Load(server, token, PACED_CONNECTIONS, STORM_SECONDS, delay_millis=delay)
        with Clients(server, 8, failed_login) as clients:
            alone = clients.per_second(STORM_SECONDS)
            before, start = clients.count(), time.monotonic()
            beside = Load(server, token, PACED_CONNECTIONS, STORM_SECONDS, delay_millis=delay)
            logins = (clients.count() - before) / (time.monotonic() - start)
        rounds.append((capacity, quiet, beside, alone, logins))
    server.stop()
    capacity, quiet, beside, alone, logins = zip(*rounds)
    capacity, alone, logins = map(statistics.median, (capacity, alone, logins))
    report.table(["when", "checks/s", "of capacity", "p99 ms", "logins/s"], [
        ["saturated", capacity, 1.0, "", ""],
        ["quiet", median(quiet, "per_second"), median(quiet, "per_second") / capacity, median(quiet, "p99_millis"), ""],
        ["storm", median(beside, "per_second"), median(beside, "per_second") / capacity, median(beside, "p99_millis"), logins],
        ["logins alone", "", "", "", alone],
    ])
    report.ratio("logins/s, checks at 40 % of capacity / none", logins / alone, ">=", 0.5)
    report.ratio("99th percentile at 40 % of capacity, storm / quiet", median(beside, "p99_millis") / median(quiet, "p99_millis"), "<=", 3)
