"""Benchmarks of token checks: against other servers, against passwords, during a login storm, and with invalid tokens."""

import http.client
import re
import statistics
import time
from urllib.parse import urlencode

from measuring import NAME, PASSWORD, ROUNDS, SECONDS, Clients, Load, ask, basic, interleaved, median, spread
from servers import LIFETIME, Axum, Flask, Nginx, PocketBase, gatekey


def tokens(binary, report):
    """Token checks on keep-alive connections: both loops of gatekey; the same check with axum, jsonwebtoken and rusqlite; axum and
    nginx with one and two workers, which return the same response without a check; the article's stack; and PocketBase, where
    a user reads the user's own record."""
    strict, tiny = gatekey(binary), gatekey(binary, "--loop", "tiny-http")
    axum, bare, flask, pocketbase = Axum(), Axum("/json"), Flask(), PocketBase()
    servers = {
        "gatekey strict": strict,
        "gatekey tiny-http": tiny,
        "axum": (axum, axum.token),
        "axum bare JSON": (bare, strict[1]),
        "nginx return 200": (Nginx(), strict[1]),
        "nginx, 2 workers": (Nginx(2), strict[1]),
        "article's stack": (flask, flask.token),
        "PocketBase": (pocketbase, pocketbase.add_users(1)),
    }
    rows = []
    for connections in (1, 8, 32, 128):
        runs = {name: lambda target=target: Load(*target, connections) for name, target in servers.items()}
        loads = interleaved(ROUNDS, runs)
        for name, runs in loads.items():
            figures = [median(runs, "per_second"), spread(runs, "per_second"), median(runs, "cpu_micros"), median(runs, "p99_millis")]
            rows.append([connections, name, *figures])
        if connections == 32:
            cpu = {name: median(runs, "cpu_micros") for name, runs in loads.items()}
            rate = {name: median(runs, "per_second") for name, runs in loads.items()}
    report.table(["connections", "server", "checks/s", "min-max", "CPU us", "p99 ms"], rows)
    report.note("tiny-http serves four connections at a time; other connections wait until one of them closes.")
    report.chart("Token checks a second, 32 connections", rate)
    report.chart("CPU microseconds a check, 32 connections", cpu)
    ours = "gatekey strict"
    report.ratio("CPU per check / axum", cpu[ours] / cpu["axum"], "<=", 0.7)
    report.ratio("CPU per check / axum bare JSON", cpu[ours] / cpu["axum bare JSON"])
    report.ratio("CPU a check, strict / nginx with 2 workers, 32 connections", cpu[ours] / cpu["nginx, 2 workers"])
    report.ratio("CPU a check, strict / nginx, 32 connections", cpu[ours] / cpu["nginx return 200"], "<=", 1.6)
    report.ratio("checks/s, strict / tiny-http, 32 connections", rate[ours] / rate["gatekey tiny-http"], ">=", 1.5)
    report.ratio("checks/s, strict / PocketBase, 32 connections", rate[ours] / rate["PocketBase"], ">=", 15)
    report.ratio("checks/s, strict / article's stack, 32 connections", rate[ours] / rate["article's stack"], ">=", 60)
    # The load generator uses some of the cores: nginx shows the upper limit. CPU times don't depend on that share.
    report.ratio("answers/s, nginx / PocketBase, 32 connections", rate["nginx return 200"] / rate["PocketBase"])
    report.ratio("CPU a check, PocketBase / strict, 32 connections", cpu["PocketBase"] / cpu[ours])
    report.ratio("CPU a check, article's stack / strict, 32 connections", cpu["article's stack"] / cpu[ours])
    for server, _ in servers.values():
        server.stop()


def proved(binary, report):
    """A recently verified password (password cache) or a token with every request; 8 connections."""
    server, token = gatekey(binary)
    loads = interleaved(ROUNDS, {
        "password, just proved": lambda: Load(server, basic(NAME, PASSWORD), 8),
        "token": lambda: Load(server, token, 8),
    })
    server.stop()
    rate = {name: median(runs, "per_second") for name, runs in loads.items()}
    report.table(["credentials", "requests/s", "CPU us"], [[name, rate[name], median(runs, "cpu_micros")] for name, runs in loads.items()])
    report.ratio("requests/s, password just proved / token", rate["password, just proved"] / rate["token"], ">=", 0.8)


def sign_in(server, origin):
    """Signs in by the form; returns the `Cookie` header of the session."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/login")
    page = connection.getresponse()
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.read().decode())[1]
    form = urlencode({"csrf": csrf, "username": NAME, "password": PASSWORD})
    headers = {"Origin": origin, "Host": "localhost", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", form, headers | {"Cookie": page.getheader("Set-Cookie").split(";")[0]})
    signed_in = connection.getresponse()
    assert signed_in.status == 303, signed_in.read()
    return "Cookie: " + signed_in.getheader("Set-Cookie").split(";")[0]


def sessions(binary, report):
    """`GET /api/me` by a token without a session, by a named token and by a browser's cookie, whose session is a row that is read
    with the user; 32 connections."""
    origin = "http://localhost:1"
    server, token = gatekey(binary, "--public-url", origin)
    server.path = "/api/me"
    named = "Bearer " + server.command("token", "issue", NAME, "--name", "bench", "--lifetime", "1h")
    credentials = {"token": token, "named token": named, "cookie": sign_in(server, origin)}
    runs = {name: lambda shown=shown: Load(server, shown, 32) for name, shown in credentials.items()}
    loads = interleaved(ROUNDS, runs)
    server.stop()
    assert not any(run.refused for runs in loads.values() for run in runs), "a check failed"
    cpu = {name: median(runs, "cpu_micros") for name, runs in loads.items()}
    rows = [[name, median(runs, "per_second"), cpu[name]] for name, runs in loads.items()]
    report.table(["credentials", "checks/s", "CPU us"], rows)
    for name in ("named token", "cookie"):
        report.ratio(f"CPU per check, {name} / token", cpu[name] / cpu["token"], "<=", 1.1)


def failed_gatekey_login(connection, client, number):
    """A login of an unknown user."""
    return ask(connection, "GET", "/api/resource", {"Authorization": basic(f"unknown {client} {number}", "wrong")}) == 401


def storm(binary, report):
    """Token checks on 32 connections without logins, and while eight clients send wrong passwords, so that all hash slots are busy."""
    server, token = gatekey(binary)
    pocketbase = PocketBase()
    record_token = pocketbase.add_users(1)

    def failed_pocketbase_login(connection, client, number):
        return ask(connection, "POST", pocketbase.LOGIN, pocketbase.JSON, pocketbase.credentials(0, f"wrong {client} {number}")) == 400

    servers = {"gatekey": (server, token, failed_gatekey_login), "PocketBase": (pocketbase, record_token, failed_pocketbase_login)}
    loads = {(name, when): [] for name in servers for when in ("quiet", "storm")}
    logins = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, (server, token, attempt) in servers.items():
            loads[name, "quiet"].append(Load(server, token, 32))
            with Clients(server, 8, attempt) as clients:
                before, start = clients.count(), time.monotonic()
                loads[name, "storm"].append(Load(server, token, 32))
                logins[name].append((clients.count() - before) / (time.monotonic() - start))
    rows = []
    for (name, when), runs in loads.items():
        hashes = statistics.median(logins[name]) if when == "storm" else 0.0
        rows.append([name, when, median(runs, "per_second"), median(runs, "p99_millis"), hashes])
    report.table(["server", "when", "checks/s", "p99 ms", "logins/s"], rows)
    report.note("gatekey hashes on threads of low priority: when token checks saturate the cores, logins wait.")
    report.chart("99th percentile in ms, 32 connections", {f"{row[0]}, {row[1]}": row[3] for row in rows})
    for name, (server, _, _) in servers.items():
        server.stop()
        rate, tail = [median(loads[name, "storm"], figure) / median(loads[name, "quiet"], figure) for figure in ("per_second", "p99_millis")]
        goals = {"gatekey": (">=", 0.7), "PocketBase": None}[name]
        report.ratio(f"checks/s, {name}, storm / quiet", rate, *(goals or ()))
        report.ratio(f"99th percentile, {name}, storm / quiet", tail, *(("<=", 3.0) if goals else ()))


def refused(binary, report):
    """Rejected tokens (forged, expired, revoked) cost no more than valid ones; 8 connections."""
    server, valid = gatekey(binary)
    server.command("user", "add", "revoked", text=PASSWORD)
    revoked = server.token("revoked")
    server.command("user", "revoke", "revoked")
    expired = server.command("token", "issue", NAME, "--token-lifetime", "1")
    time.sleep(2)
    signed, _, signature = valid.rpartition(".")
    forged = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    cases = {"valid": valid, "forged": forged, "expired": f"Bearer {expired}", "revoked": revoked}
    loads = interleaved(ROUNDS, {name: lambda token=token: Load(server, token, 8, 1) for name, token in cases.items()})
    server.stop()
    rows = []
    for name, runs in loads.items():
        share = sum(run.refused for run in runs) / sum(run.answers for run in runs)
        rows.append([name, median(runs, "answers"), f"{share:.0%}", median(runs, "cpu_micros")])
    report.table(["token", "answers/s", "refused", "CPU us"], rows)
