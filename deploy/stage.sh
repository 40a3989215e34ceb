#!/usr/bin/env bash
# Lays out what is installed, and what is shipped: the binary, its manual and completions, units, documents, licences.
#
#   deploy/stage.sh BINARY DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
stage=$2

rm -rf "$stage"
mkdir -p "$stage/man" "$stage/completions"
install -m 755 "$binary" "$stage/gatekey"
"$binary" man >"$stage/man/gatekey.1"
"$binary" completions bash >"$stage/completions/gatekey.bash"
"$binary" completions zsh >"$stage/completions/_gatekey"
"$binary" completions fish >"$stage/completions/gatekey.fish"
install -m 755 deploy/install.sh "$stage/install.sh"
cp -r README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md LICENSE docs "$stage/"
mkdir -p "$stage/deploy" "$stage/bench/results"
cp bench/results/latest.md bench/results/latest.svg "$stage/bench/results/"
find deploy -mindepth 1 -maxdepth 1 ! -name '*.sh' ! -name '*.ld' -exec cp -r {} "$stage/deploy/" \;
deploy/licences.sh >"$stage/LICENSES-OF-OTHERS"
chmod -R u=rwX,go=rX "$stage"
(cd "$stage" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
