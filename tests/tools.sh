#!/usr/bin/env bash
# Installs what the tests need besides Rust, or says what is missing: curl, fail2ban-regex and promtool, which read what
# we write, and the Python environments.
set -u
cd "$(dirname "$0")/.."
missing=()
command -v curl >/dev/null || missing+=(curl)
command -v fail2ban-regex >/dev/null || missing+=(fail2ban)
command -v promtool >/dev/null || missing+=(prometheus)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        # The programs are wanted and not their services: this forbids starting them (invoke-rc.d(8)).
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        fi
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "missing: ${missing[*]}; install them: apt-get install --no-install-recommends ${missing[*]}" >&2
    fi
fi
tests/python-env.sh
