#!/usr/bin/env bash
# Runs each fuzz target for so many seconds, beginning with the seeds and with what earlier runs found; a finding ends
# it. Usage: fuzz/run.sh [SECONDS [TARGET…]]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true

rustc +nightly --version >/dev/null 2>&1 || {
  echo "make fuzz needs a nightly compiler beside the stable one: rustup toolchain install nightly" >&2
  exit 1
}
cargo fuzz --version >/dev/null 2>&1 || {
  echo "make fuzz needs cargo-fuzz: cargo install cargo-fuzz" >&2
  exit 1
}

# The versions of the dependencies that are shipped; cargo adds those of the fuzzer.
cp Cargo.lock fuzz/Cargo.lock
# What the targets write goes, when possible, to memory; a fuzzer ends without tidying up.
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)
for target; do
  echo "fuzzing $target for $seconds s"
  mkdir -p "fuzz/corpus/$target"
  # The last line says how many runs there were. A body may have 16 KiB.
  cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "tests/it/fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -max_len=20000 -timeout=10 -print_final_stats=1 -verbosity=0
done
