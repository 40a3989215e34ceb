#!/usr/bin/env bash
# Prints the licences of everything that the binary is made of besides gatekey's own code.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
options=(--locked --edges normal --prefix none)

echo "gatekey contains the packages below, each under its licence."
# Most texts are the same to the byte; each is printed once.
declare -A printed
cargo tree "${options[@]}" --format '{p}|{l}' | sed 's/ (\*)$//; s/ (proc-macro)//' | sort -u >target/packages
while IFS='|' read -r package licence; do
    name=${package% v*}
    version=${package##* v}
    [ "$name" != gatekey ] || continue
    printf '\n======== %s %s: %s\n' "$name" "$version" "$licence"
    while IFS= read -r -d '' text; do
        sum=$(sha256sum <"$text")
        if [ -n "${printed[$sum]:-}" ]; then
            echo "(${text##*/}: as of ${printed[$sum]})"
        else
            printed[$sum]="$name"
            cat "$text"
        fi
    done < <(find "$registry" -mindepth 3 -maxdepth 3 -path "*/$name-$version/*" -type f \
        \( -iname 'LICEN*' -o -iname 'COPYING*' -o -iname 'UNLICENSE*' \) -print0 | sort -z)
done <target/packages

cat <<'END'

======== SQLite, inside libsqlite3-sys: in the public domain

======== Rust's standard library: MIT OR Apache-2.0
Copyright (c) The Rust Project Contributors; the texts of both licences are above.

======== The C library, where it is linked statically
The GNU C library is under the LGPL, version 2.1 or later (musl, where that was used, under the MIT license). To link
gatekey with another version of it, take gatekey's source, which is free, and run: make dist
END
