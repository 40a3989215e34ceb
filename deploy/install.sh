#!/bin/sh
# Installs gatekey from the directory of this file. Run a newer one to upgrade: a running service is restarted, and
# clients wait for that moment. A service that doesn't run is not started, and /etc is left alone.
#
#   ./install.sh                         as root: below /usr/local
#   PREFIX=/usr ./install.sh             elsewhere (sudo PREFIX=/usr ./install.sh)
#   DESTDIR=/tmp/package ./install.sh    into a tree that is packed or copied
#   ./install.sh --uninstall             removes what it installed; data, /etc/gatekey.conf and the user stay
set -eu
from=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd)
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
uninstall=
case "$#:${1:-}" in
0:) ;;
1:--uninstall) uninstall=1 ;;
*)
    echo "unknown argument: $*; expected --uninstall or none" >&2
    exit 2
    ;;
esac
# Whether this machine's systemd is to know of it.
has_systemd=
[ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ] && has_systemd=1

# A file is whole or not there, also while it is in use: made under another name, then renamed. That name is new (mktemp makes it
# with O_EXCL), so that no symbolic link is followed there; and a link is never installed in a file's place.
put() { # mode, file, path below PREFIX
    to=$DESTDIR$PREFIX/$3
    if [ -n "$uninstall" ]; then
        rm -f "$to"
        return
    fi
    if [ -L "$from/$2" ] || [ ! -f "$from/$2" ]; then
        echo "$from/$2 is not a regular file: unpack the archive again" >&2
        exit 1
    fi
    new=
    mkdir -p "$(dirname "$to")" && new=$(mktemp "$to.new.XXXXXX") && cat "$from/$2" >"$new" || {
        [ -z "$new" ] || rm -f "$new"
        hint=
        [ "$(id -u)" -eq 0 ] || hint=": run this as root, or name another place: PREFIX=\$HOME/.local $0"
        echo "can't write $to$hint" >&2
        exit 1
    }
    chmod "$1" "$new"
    mv -T "$new" "$to"
}

if [ -n "$uninstall" ] && [ -n "$has_systemd" ] && [ -f "$PREFIX/lib/systemd/system/gatekey.service" ]; then
    systemctl disable --now gatekey.socket gatekey.service
fi

put 755 gatekey bin/gatekey
put 644 man/gatekey.1 share/man/man1/gatekey.1
put 644 completions/gatekey.bash share/bash-completion/completions/gatekey
put 644 completions/_gatekey share/zsh/site-functions/_gatekey
put 644 completions/gatekey.fish share/fish/vendor_completions.d/gatekey.fish
# The unit starts what was installed here.
unit=lib/systemd/system/gatekey.service
put 644 deploy/gatekey.service "$unit"
[ -n "$uninstall" ] || sed -i "s|/usr/local/|$PREFIX/|g" "$DESTDIR$PREFIX/$unit" # a new file in the old one's place
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

if [ -n "$uninstall" ]; then
    find "$DESTDIR$PREFIX/share/doc/gatekey" -depth -type d -exec rmdir {} + 2>/dev/null || true # empty, or not ours
    [ -z "$has_systemd" ] || systemctl daemon-reload
    echo "removed gatekey from $DESTDIR$PREFIX; left: /var/lib/gatekey, /etc/gatekey.conf and the user gatekey"
    exit 0
fi

# On a machine with systemd, its user and units are made known, and a running service is replaced.
if [ -n "$has_systemd" ]; then
    systemd-sysusers "$PREFIX/lib/sysusers.d/gatekey.conf"
    systemctl daemon-reload
    if systemctl is-active --quiet gatekey.service; then
        systemctl restart gatekey.service
        next=" and restarted the service"
    else
        next="; next: systemctl enable --now gatekey.socket gatekey"
    fi
fi
echo "installed gatekey in $DESTDIR$PREFIX/bin${next:-}"
