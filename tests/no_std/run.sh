#!/usr/bin/env bash
# The token without std: builds the static library, links a C program with it and runs that; and sees that it would not
# build if anything brought std in.
#
#   tests/no_std/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/no-std
build=(cargo build --locked --quiet --release --manifest-path tests/no_std/Cargo.toml)
fail() {
    echo "tests/no_std/run.sh: $*" >&2
    exit 1
}

"${build[@]}"
library=$CARGO_TARGET_DIR/release/libgatekey_token_no_std.a
program=$CARGO_TARGET_DIR/release/token-by-c

command -v cc >/dev/null || fail "there is no C compiler, which SQLite needs as well; install it: apt-get install gcc"
cc -Wall -Werror -Os -Wl,--gc-sections -s -o "$program" tests/no_std/main.c "$library"
answer=$("$program")
[ "$answer" = 'good=7 expired=0 changed=0 cramped=0 weak=0' ] || fail "the C program says $answer"

if errors=$("${build[@]}" --features std 2>&1); then
    fail "it builds with std too, so it would not notice std"
fi
grep -q 'found duplicate lang item `panic_impl`' <<<"$errors" || fail "with std it fails by something else: $errors"
echo "gatekey: the token needs no std; a C program of $(stat -c %s "$program") bytes issues and verifies one"
