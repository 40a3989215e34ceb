#!/usr/bin/env python3
"""Benchmarks of gatekey, compared with other servers in the same run, because absolute figures depend on the machine.

    bench/run.py target/release/gatekey [PART...]
    bench/run.py --compare ONE.json OTHER.json

Parts: tokens, loops, idle, proved, sessions, storm, paced, refused, logins, guesses, imported, enumeration, footprint, growth, million.
Without a part, all run and the results are written to bench/results. BENCH_QUICK=1 makes one short run of each and writes no file.
"""

import os
import sys
import time

import checks
import enumeration
import logins
import scale
import size
from measuring import QUICK, ROUNDS, SECONDS
from report import Report, compare
from servers import AXUM, VENV, versions

PARTS = {
    "tokens": checks.tokens,
    "loops": scale.loops,
    "idle": scale.idle,
    "proved": checks.proved,
    "sessions": checks.sessions,
    "storm": checks.storm,
    "paced": scale.paced,
    "refused": checks.refused,
    "logins": logins.logins,
    "guesses": logins.guesses,
    "imported": logins.imported,
    "enumeration": enumeration.enumeration,
    "footprint": size.footprint,
    "growth": size.growth,
    "million": size.million,
}


def main():
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] == "--compare":
        sys.exit(0 if compare(*arguments[1:]) else 1)
    if not arguments or not set(arguments[1:]) <= set(PARTS):
        raise SystemExit(__doc__)
    needs_venv = not arguments[1:] or not {"loops", "idle", "paced", "million"}.issuperset(arguments[1:])
    if needs_venv and not (VENV / "pocketbase").exists():
        raise SystemExit("target/venv-bench is missing: bench/tools.sh wrk nginx venv")
    if "tokens" in (arguments[1:] or PARTS) and not AXUM.exists():
        raise SystemExit(f"{AXUM} is missing: bench/tools.sh axum")
    binary, start = os.path.abspath(arguments[0]), time.monotonic()
    report = Report(versions(binary), ROUNDS, SECONDS)
    for name in arguments[1:] or PARTS:
        report.part(name, PARTS[name].__doc__)
        PARTS[name](binary, report)
    is_whole = len(arguments) == 1 and not QUICK
    report.close("bench/results" if is_whole else None)
    print(f"\n{time.monotonic() - start:.0f} s")


main()
