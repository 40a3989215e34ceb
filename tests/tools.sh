#!/usr/bin/env bash
# Installs what the tests need besides Rust, or says what is missing: some programs, and the Python environments.
set -u
cd "$(dirname "$0")/.."
# Each program and the package it comes in: curl speaks HTTP, nginx is in front; zsh, fish, man, systemd-analyze, fail2ban-regex and promtool
# read what is made for them; chromium, driven by chromedriver, shows the page; strace makes system calls fail; valgrind counts instructions; msmtp sends mail; npm fetches the packages of the Express examples;
# php, php-cgi and lighttpd are apps behind the proxies.
programs="curl:curl nginx:nginx-light haproxy:haproxy openssl:openssl php:php-cli php-cgi:php-cgi lighttpd:lighttpd zsh:zsh fish:fish man:man-db systemd-analyze:systemd ip:iproute2 fail2ban-regex:fail2ban promtool:prometheus chromium:chromium chromedriver:chromium-driver strace:strace valgrind:valgrind msmtp:msmtp node:nodejs npm:npm"
missing=""
for program in $programs; do
    PATH=$PATH:/usr/sbin command -v "${program%%:*}" >/dev/null || missing="$missing ${program##*:}"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        # The programs are wanted and not their services: this forbids starting them (invoke-rc.d(8)).
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        fi
        # shellcheck disable=SC2086 # a list of packages
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    else
        echo "missing; install with apt-get install --no-install-recommends:$missing" >&2
    fi
fi
tests/python-env.sh
tests/node-env.sh
