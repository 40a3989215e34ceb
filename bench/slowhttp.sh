#!/usr/bin/env bash
# What slowhttptest and nmap see of the strict loop, each beside a curl a second that must always get its 200.
#
#   bench/slowhttp.sh target/release/gatekey [SECONDS]
#
# Three ways to be slow (heads, bodies, reading), each once with loopback exempt from the share of one address, as it
# is by default, and once with a share. The curl comes from an address of its own, as a neighbour does.
set -eu
binary=$1
seconds=${2:-60}
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$directory"' EXIT
lost=0

# Starts a server with these further options; sets server and url.
start() {
    rm -f "$directory/ready"
    mkfifo "$directory/ready"
    "$binary" serve --listen 127.0.0.1:0 --data "$directory/data" --log off "$@" >"$directory/ready" 2>/dev/null &
    server=$!
    read -r _ _ _ url <"$directory/ready"
}

# Asks once a second until the process of this id has ended; how often, and how often in vain.
watch() {
    local asked=0 failed=0
    while kill -0 "$1" 2>/dev/null; do
        [ "$(curl --interface 127.0.0.2 --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$url/api/users/1")" = 200 ] ||
            failed=$((failed + 1))
        asked=$((asked + 1))
        sleep 1
    done
    printf '%5d asked %4d lost' "$asked" "$failed"
    return $((failed > 0))
}

# Runs slowhttptest with these options: how many of its looks found the service unavailable, and what curl saw.
attack() {
    local name=$1 path=$2
    shift 2
    slowhttptest -c 400 -r 100 -l "$seconds" -p 3 -g -o "$directory/report" -u "$url$path" "$@" \
        >"$directory/output" 2>&1 &
    local seen
    seen=$(watch $!) || lost=$((lost + 1))
    # The last column of its table is what it saw of the service: one line a second.
    printf '  %-14s %s %4d seconds reported, service unavailable in %d\n' "$name" "$seen" \
        "$(tail -n +2 "$directory/report.csv" | wc -l)" "$(awk -F, 'NR > 1 && $NF + 0 == 0' "$directory/report.csv" | wc -l)"
}

start
"$binary" user add ok --data "$directory/data" <<<'correct horse' >/dev/null
kill "$server"
wait "$server"
for share in "" 64; do
    start ${share:+--max-connections-per-address "$share"}
    echo "share of one address: ${share:-none for loopback}"
    attack 'slow heads' /api/users/1 -H -i 10
    attack 'slow bodies' /api/users -B -i 10 -s 8192 -f application/json
    attack 'slow reading' /api/users/1 -X -w 1 -y 8 -n 5 -z 1 -k 3
    kill "$server"
    wait "$server"
done

start
echo "a scanner's view:"
nmap -sV -p "${url##*:}" 127.0.0.1 >"$directory/nmap" 2>&1 &
seen=$(watch $!) || lost=$((lost + 1))
grep '^[0-9]*/tcp' "$directory/nmap"
printf '  %-14s %s\n' 'nmap -sV' "$seen"
exit "$lost"
