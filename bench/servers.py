"""The measured servers: gatekey, nginx, axum, the article's stack under gunicorn, and PocketBase."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

from measuring import NAME, PASSWORD, Process, ask, basic

VENV = Path(__file__).parent.parent / "target/venv-bench/bin"
AXUM = Path(__file__).parent.parent / "target/bench-axum/release/axum-check"
LIFETIME = ["--token-lifetime", "1h"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def await_port(port, name):
    for _ in range(400):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.025)
    raise SystemExit(f"{name} does not start")


class Gatekey(Process):
    """`gatekey serve` with a temporary data directory and a free port."""

    def __init__(self, binary, *options):
        self.binary, self.directory = binary, tempfile.TemporaryDirectory()
        self.data = ["--data", f"{self.directory.name}/data"]
        self.start(*options)

    def start(self, *options):
        # Rate limits are off: failed logins are part of the measured load.
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", *self.data, "--log", "off", "--throttle", "off", *options]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        super().__init__(child, int(child.stdout.readline().rsplit(":", 1)[1]))

    def command(self, *words, text=""):
        """Runs a gatekey command on the same data and returns its output."""
        done = subprocess.run([self.binary, *words, *self.data], input=text, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def token(self, name=NAME):
        return "Bearer " + self.command("token", "issue", name, *LIFETIME)


def gatekey(binary, *options):
    """A gatekey server with one user, and the `Authorization` header with that user's token."""
    server = Gatekey(binary, *LIFETIME, *options)
    server.command("user", "add", NAME, text=PASSWORD)
    return server, server.token()


class Axum(Process):
    """The same token check with axum, jsonwebtoken and rusqlite (bench/axum), or by another path axum's bare JSON."""

    def __init__(self, path="/api/resource"):
        self.directory = tempfile.TemporaryDirectory()
        child = subprocess.Popen([AXUM, self.directory.name], stdout=subprocess.PIPE, text=True)
        port, token = child.stdout.readline().split()
        self.token = f"Bearer {token}"
        super().__init__(child, int(port), path)


class Nginx(Process):
    """nginx with minimal configuration, which returns a fixed JSON response."""

    CONFIG = """
        daemon off; worker_processes %(workers)d; pid %(directory)s/pid; error_log stderr crit;
        events { worker_connections 1024; }
        http {
            access_log off; default_type application/json; keepalive_requests 1000000000;
            client_body_temp_path %(directory)s; proxy_temp_path %(directory)s; fastcgi_temp_path %(directory)s;
            uwsgi_temp_path %(directory)s; scgi_temp_path %(directory)s;
            server { listen 127.0.0.1:%(port)d; location / { return 200 '%(body)s'; } }
        }"""

    def __init__(self, workers=1):
        self.directory, port = tempfile.TemporaryDirectory(), free_port()
        body = json.dumps({"data": f"Hello, {NAME}!"}, separators=(",", ":"))
        config = Path(self.directory.name, "nginx.conf")
        config.write_text(self.CONFIG % {"directory": self.directory.name, "port": port, "body": body, "workers": workers})
        path = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        child = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(config)], env=path, stderr=subprocess.DEVNULL)
        super().__init__(child, port)
        await_port(port, "nginx")


class Flask(Process):
    """The article's stack (the app of the tests) under gunicorn: two processes of four threads, with keep-alive."""

    DIRECTORY = Path(__file__).parent.parent / "tests/it/migration"

    def __init__(self):
        self.directory, port = tempfile.TemporaryDirectory(), free_port()
        environment = {**os.environ, "DATABASE": f"{self.directory.name}/db.sqlite", "SECRET_KEY": "of no use elsewhere"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [VENV / "gunicorn", "--preload", "-w", "2", "-k", "gthread", "--threads", "4", "--keep-alive", "60"]
        command += ["--chdir", str(self.DIRECTORY), "-b", f"127.0.0.1:{port}", "article_app:app"]
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().__init__(child, port)
        await_port(port, "gunicorn")
        connection = http.client.HTTPConnection("127.0.0.1", port)
        user = json.dumps({"username": NAME, "password": PASSWORD})
        assert ask(connection, "POST", "/api/users", {"Content-Type": "application/json"}, user) == 201
        connection.request("GET", "/api/token", headers={"Authorization": basic(NAME, PASSWORD)})
        # The article sends a token as the user name of Basic authentication.
        self.token = basic(json.loads(connection.getresponse().read())["token"], "unused")


class PocketBase(Process):
    """PocketBase with default settings. A check reads the user's own record with a token."""

    LOGIN = "/api/collections/users/auth-with-password"
    JSON = {"Content-Type": "application/json"}

    def __init__(self):
        self.directory, port = tempfile.TemporaryDirectory(), free_port()
        command = [VENV / "pocketbase", "serve", f"--http=127.0.0.1:{port}", "--dir", f"{self.directory.name}/data"]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().__init__(child, port)
        await_port(port, "pocketbase")

    def add_users(self, count):
        """Creates users. Sets the path to the first user's record and returns a token of that user."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for number in range(count):
            user = {"email": self.email(number), "password": PASSWORD, "passwordConfirm": PASSWORD}
            assert ask(connection, "POST", "/api/collections/users/records", self.JSON, json.dumps(user)) == 200
        connection.request("POST", self.LOGIN, self.credentials(0, PASSWORD), self.JSON)
        answer = json.loads(connection.getresponse().read())
        self.path = f"/api/collections/users/records/{answer['record']['id']}"
        return answer["token"]

    @staticmethod
    def email(number):
        return f"user{number}@example.org"

    def credentials(self, number, password):
        return json.dumps({"identity": self.email(number), "password": password})


def locked_versions(*names):
    """The versions of crates in bench/axum/Cargo.lock."""
    lock = tomllib.loads(Path(__file__).with_name("axum").joinpath("Cargo.lock").read_text())
    known = {package["name"]: package["version"] for package in lock["package"]}
    return ", ".join(known[name] for name in names)


def versions(binary):
    """The versions of all programs, as they print them."""

    def first_line(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return "missing"
        lines = (done.stdout + done.stderr).strip().splitlines()
        return lines[0].strip() if lines else "?"

    return {
        "gatekey": first_line(binary, "--version"),
        "nginx": first_line("/usr/sbin/nginx", "-v"),
        "axum, jsonwebtoken, rusqlite": locked_versions("axum", "jsonwebtoken", "rusqlite"),
        "article's stack": first_line(VENV / "python", "-c", "import flask; print('Flask', flask.__version__)")
        + ", " + first_line(VENV / "gunicorn", "--version"),
        "PocketBase": first_line(VENV / "pocketbase", "--version"),
        "Python": first_line("python3", "--version"),
        "wrk": first_line("wrk", "-v"),
    }
