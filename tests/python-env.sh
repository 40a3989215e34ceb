#!/usr/bin/env bash
# Makes the Python environments of the tests, under target/: what interop.rs and migration.rs compare us with, and programs that
# come as Python packages.
#
#   target/venv-original   itsdangerous 0.24, as the article had it
#   target/venv-flask      the Flask stack of the article's app
#   target/venv-current    what is used today: PyJWT, passlib, itsdangerous 1.1.0, requests
#   target/venv-proxies    Caddy, Traefik and Envoy
#   target/venv-hashers    Django, passlib and Werkzeug, whose password hashes are imported
#   target/venv-openapi    schemathesis, and a validator of OpenAPI documents
#   target/venv-bench      what `make bench` measures us beside; made only by name
#
# With names as arguments (`tests/python-env.sh bench`), these and no others.
#
# Each is made anew when its requirements or the Python changed, and left alone otherwise. Without them those tests are
# skipped, loudly; in CI (CI=true) they fail.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/tests/data

say() { printf 'python-env: %s\n' "$*" >&2; }

# The first Python that can make an environment. Debian has the module that does in a package of its own, and a
# python3 that comes before the system's in PATH may lack what the system's has.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            printf '%s\n' "$python"
            return 0
        fi
    done
    return 1
}

install_python() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        return 1
    fi
    say "no python3 with venv: installing both"
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >&2
}

# make_venv NAME: an environment of what requirements-NAME.txt lists.
make_venv() {
    local venv=$root/target/venv-$1 requirements=$data/requirements-$1.txt wanted
    local build=$data/requirements-build.txt
    wanted=$( { "$python" -VV && command -v "$python" && cat "$build" "$requirements"; } | cksum)
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/stamp" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    say "making $venv"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)
    # Joined by &&, because set -e sleeps in a function whose status is asked for. A package without a wheel is built
    # by the pinned setuptools, and not by whatever is newest that day. The stamp is written last: what was
    # interrupted has none and is made again.
    rm -rf "$venv" &&
        "$python" -m venv "$venv" &&
        "${pip[@]}" --requirement "$build" &&
        "${pip[@]}" --use-pep517 --no-build-isolation --requirement "$requirements" &&
        printf '%s\n' "$wanted" >"$venv/stamp"
}

if ! python=$(find_python); then
    install_python || true
    if ! python=$(find_python); then
        say "there is no python3 with its venv module; install both: apt-get install python3 python3-venv"
        exit 1
    fi
fi
[ $# -gt 0 ] || set -- original current flask hashers proxies openapi
for name in "$@"; do
    if ! make_venv "$name"; then
        say "could not make target/venv-$name, see above; pip needs a package index to install from"
        exit 1
    fi
done
