#!/usr/bin/env bash
# Installs the Node packages of the tests into target/node, as tests/data/node lists them. Made anew when that list changes.
set -eu
cd "$(dirname "$0")/.."
data=tests/data/node node=target/node
if ! command -v npm >/dev/null; then
    echo "node-env: no npm: the Express examples are not tested; install with apt-get install nodejs npm" >&2
    exit 0
fi
mkdir -p "$node"
if ! cmp -s "$data/package-lock.json" "$node/package-lock.json" || [ ! -e "$node/stamp" ]; then
    rm -f "$node/stamp"
    cp "$data/package.json" "$data/package-lock.json" "$data/.npmrc" "$node/"
    npm ci --silent --prefix "$node"
    touch "$node/stamp"
fi
