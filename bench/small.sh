#!/usr/bin/env bash
# Size and memory of each set of features; and memory of a server with little memory at each cost of password hashing.
#
#   bench/small.sh
#
# Every build uses the release profile, stripped. Memory is the kernel's count for the process (VmRSS, RssAnon, VmHWM).
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$directory"' EXIT

# A line of a process's status, in KiB.
kib() { awk -v name="^$2:" '$0 ~ name {print $2}' "/proc/$1/status"; }

row() { printf '| %-28s | %-17s | %9s | %9s | %9s | %9s |\n' "$@"; }

# Prints one row for a running program: features, name, file, process.
measured() { row "$1" "$2" "$(stat -c %s "$3")" "$(kib "$4" VmRSS)" "$(kib "$4" RssAnon)" "$(kib "$4" VmHWM)"; }

# As the Makefile builds: the library for size, the last step for speed.
build() {
    CARGO_PROFILE_RELEASE_OPT_LEVEL=s cargo rustc --locked --quiet --release --no-default-features "$@" -- -C opt-level=3
}

# The example that uses these features once; it waits until its standard input ends.
tier() {
    build --example tier --features "$1"
    local out in line pid
    coproc program { exec "$target/release/examples/tier"; }
    out=${program[0]} in=${program[1]} pid=$program_PID
    read -r line <&"$out"
    measured "${1:-(none)}" "$2" "$target/release/examples/tier" "$pid"
    exec {in}>&-
    wait "$pid"
}

# Starts a server with these options and waits for its ready line; sets server and url.
start() {
    rm -rf "$directory"/{ready,data}
    mkfifo "$directory/ready"
    "$target/release/gatekey" serve --listen 127.0.0.1:0 --data "$directory/data" --log off --hash-slots 1 --throttle on \
        --guesses-per-address 1000/1s "$@" >"$directory/ready" 2>/dev/null &
    server=$!
    read -r _ _ _ url <"$directory/ready"
}

stop() {
    kill "$server"
    wait "$server"
    server=
}

# A user, a login and a token check, to warm up the server.
use() {
    curl --silent --fail --output "$directory/user" --json '{"username":"ok","password":"correct horse"}' "$url/api/users"
    curl --silent --fail --user 'ok:correct horse' "$url/api/token" | sed 's/.*"token":"\([^"]*\)".*/\1/' >"$directory/token"
    curl --silent --fail --output "$directory/answer" --user "$(cat "$directory/token"):" "$url/api/resource"
}

# The command line with these features beside cli.
binary() {
    build --bin gatekey --features "$1"
    start --scrypt ln=13,r=8,p=10
    use
    measured "$1" 'gatekey serve' "$target/release/gatekey" "$server"
    stop
}

echo 'What the features take: bytes on disk; resident, of that anonymous, and at most, in KiB.'
echo 'Where passwords are hashed, by ln=13,r=8,p=10: 8192 KiB while it lasts.'
echo
row features program bytes resident anonymous 'at most'
row --- --- ---: ---: ---: ---:
tests/no_std/run.sh >/dev/null
row '(none), no std' 'C, static library' "$(stat -c %s "$target/no-std/release/token-by-c")" - - -
tier '' 'tier: a token'
tier password 'tier: a password'
tier legacy-hashes 'tier: a password'
tier store 'tier: a realm'
tier store,legacy-hashes 'tier: a realm'
tier routes 'tier: a request'
tier tiny-http 'tier: a server'
tier strict 'tier: a server'
binary cli
binary cli,tiny-http
binary cli,legacy-hashes
binary cli,tiny-http,legacy-hashes

# The crowd at each cost: 32 idle connections, and 64 concurrent logins, each with another wrong password.
crowd() {
    start --max-connections 128 --scrypt "$1" --max-hash-memory "$2M"
    use
    local idle threads connection connections=() clients=() address=${url#http://}
    idle=$(kib "$server" VmRSS)
    threads=$(kib "$server" Threads)
    for _ in {1..32}; do
        exec {connection}<>"/dev/tcp/${address%:*}/${address##*:}"
        printf 'GET /api/users/1 HTTP/1.1\r\nHost: a\r\n\r\n' >&"$connection"
        read -r _ <&"$connection"
        connections+=("$connection")
    done
    for number in {1..64}; do
        curl --silent --output /dev/null --interface "127.0.8.$number" --user "ok:wrong $number" "$url/api/resource" &
        clients+=($!)
    done
    wait "${clients[@]}"
    printf '| %-15s | %7s | %9s | %9s | %9s |\n' "$1" "$2 MiB" "$threads" "$idle" "$(kib "$server" VmHWM)"
    for connection in "${connections[@]}"; do
        exec {connection}>&-
    done
    stop
}

echo
echo 'gatekey serve with all features and --hash-slots 1: threads and resident KiB when idle, and the peak KiB'
echo 'with 32 idle connections and 64 logins at once.'
echo
printf '| %-15s | %7s | %9s | %9s | %9s |\n' --scrypt 'a hash' threads idle 'at most' --- ---: ---: ---: ---:
crowd ln=12,r=8,p=16 4
crowd ln=13,r=8,p=10 8
crowd ln=14,r=8,p=5 16
crowd ln=15,r=8,p=3 32
crowd ln=16,r=8,p=2 64
