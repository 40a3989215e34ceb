#!/usr/bin/env bash
# Installs what the tests need besides Rust, or says what is missing: some programs, and the Python environments.
set -u
cd "$(dirname "$0")/.."
# Each program and the package it comes in: curl speaks HTTP; zsh, fish and man read what is made for them.
programs="curl:curl zsh:zsh fish:fish man:man-db"
missing=""
for program in $programs; do
    command -v "${program%%:*}" >/dev/null || missing="$missing ${program##*:}"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086 # a list of packages
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    else
        echo "missing; install with apt-get install:$missing" >&2
    fi
fi
tests/python-env.sh
