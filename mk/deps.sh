#!/bin/sh
# deps.sh PACKAGE...: installs the Debian packages that are missing, or says how.
set -u
missing=
for package; do
    status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [ "$status" = "ii " ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
line="apt-get install -y --no-install-recommends$missing"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 && $line -qq >/dev/null && exit 0
    echo "deps: installing failed; run: $line" >&2
    exit 69
fi
echo "deps: packages are missing; run: sudo $line" >&2
exit 69
