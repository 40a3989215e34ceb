#!/bin/sh
# Installs gatekey from the directory in which this file stands. Run it again with a newer one to upgrade: what runs
# goes on running until it is restarted. Nothing is started or stopped, and /etc is left alone.
#
#   ./install.sh                         as root: below /usr/local
#   PREFIX=/usr ./install.sh             elsewhere (sudo PREFIX=/usr ./install.sh)
#   DESTDIR=/tmp/package ./install.sh    into a tree that is packed or copied
set -eu
from=$(cd "$(dirname "$0")" && pwd)
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}

# A file is whole or not there, also while it is in use: made under another name, then renamed. That name is new (mktemp makes it
# with O_EXCL), so that no symbolic link is followed there; and a link is never installed in a file's place.
put() { # mode, file, path below PREFIX
    to=$DESTDIR$PREFIX/$3
    if [ -L "$from/$2" ] || [ ! -f "$from/$2" ]; then
        echo "$from/$2 is not a regular file: unpack the archive again" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$to")" 2>/dev/null && new=$(mktemp "$to.new.XXXXXX" 2>/dev/null) && cat "$from/$2" >"$new" || {
        echo "can't write $to: run this as root, or name another place: PREFIX=\$HOME/.local $0" >&2
        exit 1
    }
    chmod "$1" "$new"
    mv -T "$new" "$to"
}

put 755 gatekey bin/gatekey
put 644 man/gatekey.1 share/man/man1/gatekey.1
put 644 completions/gatekey.bash share/bash-completion/completions/gatekey
put 644 completions/_gatekey share/zsh/site-functions/_gatekey
put 644 completions/gatekey.fish share/fish/vendor_completions.d/gatekey.fish
# The unit starts what was installed here.
unit=lib/systemd/system/gatekey.service
put 644 deploy/gatekey.service "$unit"
sed -i "s|/usr/local/|$PREFIX/|g" "$DESTDIR$PREFIX/$unit" # a new file in the old one's place
put 644 deploy/gatekey.socket lib/systemd/system/gatekey.socket
put 644 deploy/gatekey.sysusers lib/sysusers.d/gatekey.conf
for document in README.md CHANGELOG.md SECURITY.md CONTRIBUTING.md LICENSE LICENSES-OF-OTHERS; do
    put 644 "$document" "share/doc/gatekey/$document"
done
for document in docs deploy bench; do
    (cd "$from" && find "$document" -type f) | while read -r file; do
        put 644 "$file" "share/doc/gatekey/$file"
    done
done

# On a machine with systemd, its user and units are made known.
if [ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ]; then
    systemd-sysusers "$PREFIX/lib/sysusers.d/gatekey.conf"
    systemctl daemon-reload
    next="; next: systemctl enable --now gatekey.socket gatekey"
fi
echo "installed gatekey in $DESTDIR$PREFIX/bin${next:-}"
