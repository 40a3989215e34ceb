#!/usr/bin/env bash
# What is shipped, tried as a user who downloads it would: unpacked, checked, installed, started, asked. Nothing is
# installed outside of a directory that goes away.
#
#   tests/dist.sh target/dist/gatekey-VERSION-TARGET.tar.gz
set -euo pipefail
archive=$(realpath "$1")
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$directory"' EXIT
fail() {
    echo "tests/dist.sh: $*" >&2
    exit 1
}

(cd "$(dirname "$archive")" && sha256sum --check --quiet "$(basename "$archive").sha256")
tar -xzf "$archive" -C "$directory"
cd "$directory"/gatekey-*
sha256sum --check --quiet SHA256SUMS

# No interpreter: whatever C library the machine has, or none, it runs.
readelf --program-headers --wide gatekey | grep -q INTERP && fail "the binary is not static"
readelf --file-header gatekey | grep -q 'DYN' || fail "the binary is not position-independent"
readelf --sections --wide gatekey | grep -q '\.symtab' && fail "the binary is not stripped"
# SQLite's functions check a guard value before they return: 810 reads of it on x86-64, besides 270 of the C library's own.
if [ "$(uname -m)" = x86_64 ]; then
    guards=$(objdump --disassemble --no-show-raw-insn gatekey | grep -c '%fs:0x28' || true)
    [ "$guards" -ge 800 ] || fail "SQLite is built without the stack protector: $guards reads of a guard value"
fi

mkdir "$directory/root"
DESTDIR=$directory/root PREFIX=/usr ./install.sh
DESTDIR=$directory/root PREFIX=/usr ./install.sh # as an upgrade does
# CDPATH leads it to no other directory of the same name.
unpacked=$(basename "$PWD")
mkdir -p "$directory/elsewhere/$unpacked"
(cd .. && CDPATH=$directory/elsewhere DESTDIR=$directory/root PREFIX=/usr "$unpacked/install.sh")
for file in bin/gatekey share/man/man1/gatekey.1 share/bash-completion/completions/gatekey \
    share/zsh/site-functions/_gatekey share/fish/vendor_completions.d/gatekey.fish \
    lib/systemd/system/gatekey.service lib/systemd/system/gatekey.socket share/doc/gatekey/README.md \
    share/doc/gatekey/LICENSE share/doc/gatekey/LICENSES-OF-OTHERS share/doc/gatekey/docs/operations.md \
    share/doc/gatekey/deploy/nginx/gatekey.conf share/doc/gatekey/deploy/caddy/Caddyfile share/doc/gatekey/deploy/traefik/dynamic.yml share/doc/gatekey/deploy/envoy/envoy.yaml; do
    [ -s "$directory/root/usr/$file" ] || fail "$file was not installed"
done
find "$directory/root" -name '*.new*' | grep . && fail "something was left half installed"
cp -r . "$directory/linked"
ln -sf /etc/passwd "$directory/linked/LICENSE"
if DESTDIR=$directory/linked-root "$directory/linked/install.sh" 2>/dev/null; then
    fail "a symbolic link was installed in a file's place"
fi
grep -q '^ExecStart=/usr/bin/gatekey ' "$directory/root/usr/lib/systemd/system/gatekey.service" ||
    fail "the unit starts another binary than the installed one"

# Into a place that can't be: the system's own message says why.
if message=$(DESTDIR=/dev/null PREFIX=/usr ./install.sh 2>&1); then fail "it installed into /dev/null"; fi
case $message in *"Not a directory"*) ;; *) fail "install.sh hides why it can't write: $message" ;; esac
cp -R "$directory/root" "$directory/other"
DESTDIR=$directory/other PREFIX=/usr ./install.sh --uninstall
find "$directory/other" -type f -o -path '*/doc/gatekey' | grep . && fail "install.sh --uninstall left something"
DESTDIR=$directory/other ./install.sh --remove 2>/dev/null && fail "install.sh takes an unknown argument"

gatekey=$directory/root/usr/bin/gatekey
mkfifo "$directory/ready"
env -i "$gatekey" serve --listen 127.0.0.1:0 --data "$directory/data" --log off >"$directory/ready" 2>/dev/null &
server=$!
read -r _ _ _ url <"$directory/ready"
echo 'correct horse' | env -i "$gatekey" user add alice --password-stdin --data "$directory/data" >/dev/null
answer=$(curl -sS -u 'alice:correct horse' "$url/api/resource")
[ "$answer" = '{"data":"Hello, alice!"}' ] || fail "the installed server says $answer"
echo "gatekey: $(basename "$archive") is whole, installs, and serves"
