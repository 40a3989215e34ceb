#!/usr/bin/env bash
# Installs what the named benchmarks need, or says what is missing; `venv` is target/venv-bench, with what
# tests/data/requirements-bench.txt lists, and `axum` is bench/axum, built in target/bench-axum.
#
#   bench/tools.sh wrk nginx venv axum
set -u
cd "$(dirname "$0")/.."
missing=()
for tool in "$@"; do
    if [ "$tool" = venv ]; then
        tests/python-env.sh bench || exit 1
        continue
    fi
    if [ "$tool" = axum ]; then
        cargo build --release --locked --quiet --manifest-path bench/axum/Cargo.toml --target-dir target/bench-axum || exit 1
        continue
    fi
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing+=("${tool/%nginx/nginx-light}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    # At this run level no service is started: an nginx of the system's own would be in the way.
    export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null && exit 0
fi
echo "missing: ${missing[*]}; install: apt-get install ${missing[*]}" >&2
exit 1
