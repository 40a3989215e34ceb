#!/usr/bin/env bash
# What a server costs while nobody asks it anything: bytes on disk, memory, time to be ready; and what a
# crowd of logins adds to that.
#
#   bench/footprint.sh target/release/gatekey
set -eu
binary=$1
directory=$(mktemp -d)
server=
url=
clients=()
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$directory"' EXIT

# Starts a server with these further options and waits for its ready line; sets server and url.
start() {
    rm -f "$directory/ready"
    mkfifo "$directory/ready"
    "$binary" serve --listen 127.0.0.1:0 --data "$directory/data" --log off "$@" >"$directory/ready" 2>/dev/null &
    server=$!
    read -r _ _ _ url <"$directory/ready"
}

stop() {
    kill "$server"
    wait "$server"
    server=
}

start && stop # makes the data directory

printf 'binary               %9d bytes\n' "$(stat -c %s "$binary")"

times=()
for _ in 1 2 3 4 5 6 7 8 9; do
    before=$(date +%s%N)
    start
    after=$(date +%s%N)
    times+=($(((after - before) / 1000)))
    [ "${#times[@]}" = 9 ] || stop
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 5p)
printf 'start to ready       %9d microseconds (median of 9, process start included)\n' "$median"

printf 'resident, idle       %9d KiB\n' "$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")"
printf 'of that, anonymous   %9d KiB\n' "$(awk '/^RssAnon/ {print $2}' "/proc/$server/status")"

# Connections that have served a request and wait for the next.
idle=200
before=$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")
address=${url#http://}
connections=()
for _ in $(seq "$idle"); do
    exec {connection}<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n' >&"$connection"
    read -r _ <&"$connection"
    connections+=("$connection")
done
after=$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")
printf 'idle connection      %9d KiB each (of %d)\n' "$(((after - before) / idle))" "$idle"
for connection in "${connections[@]}"; do
    exec {connection}>&-
done

# A crowd: 64 logins at once, at the default cost, with two slots; some of them are told to come again (503). Each has
# another password, and a wrong one: the same is hashed once, for all who show it.
stop
start --hash-slots 2
"$binary" user add crowd --data "$directory/data" <<<'correct horse' >/dev/null
for number in {1..64}; do
    curl --silent --output /dev/null --user "crowd:wrong $number" "$url/api/resource" &
    clients+=($!)
done
wait "${clients[@]}"
printf 'peak, 64 logins      %9d KiB (two slots of 16 MiB)\n' "$(awk '/^VmHWM/ {print $2}' "/proc/$server/status")"
printf 'resident, after that %9d KiB\n' "$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")"
stop
