#!/usr/bin/env bash
# Installs what the tests need besides Rust, or says what is missing: curl, and the Python environments.
set -u
cd "$(dirname "$0")/.."
if ! command -v curl >/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq curl
    else
        echo "there is no curl; install it: apt-get install curl" >&2
    fi
fi
tests/python-env.sh
