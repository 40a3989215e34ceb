#!/usr/bin/env bash
# Packs a staged directory into a tar file, which is the same for the same content, with its checksum beside it.
#
#   deploy/pack.sh DIRECTORY NAME
set -euo pipefail
date=${SOURCE_DATE_EPOCH:-$(git -C "$(dirname "$0")" log -1 --format=%ct)}
cd "$1"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$date" -cf - "$2" | gzip -9n >"$2.tar.gz"
sha256sum "$2.tar.gz" >"$2.tar.gz.sha256"
printf '%s/%s.tar.gz: %d bytes, the binary in it %d\n' "$1" "$2" "$(stat -c %s "$2.tar.gz")" "$(stat -c %s "$2/gatekey")"
