#!/bin/bash
# parity meteor: 10,000 segments (COUNT) from METEOR's own words and paraphrases, with the jar's statistics and scores with
# and without paraphrases, against ours. Needs Java; the jar is BT_METEOR's, or comes with pycocoevalcap from PyPI.
set -euo pipefail
build=$1 count=${COUNT:-10000} seed=${SEED:-1}
out=$build/parity/meteor
jar=${BT_METEOR:-}
if [ -z "$jar" ]; then
    [ -d "$build/venv-cap" ] || { python3 -m venv "$build/venv-cap" && "$build/venv-cap/bin/pip" -q install pycocoevalcap==1.2; }
    jar=$(echo "$build"/venv-cap/lib/python3*/site-packages/pycocoevalcap/meteor/meteor-1.5.jar)
fi
[ -d "$jar" ] && jar=$jar/meteor-1.5.jar

make -s B="$build" "$build/tests/golden/metrics"
rm -rf "$out"
mkdir -p "$out"
for kind in captions vqa; do ln -s "$PWD/tests/golden/metrics/$kind" "$out/$kind"; done
nice -n 10 python3 tests/parity/meteor.py random "$out" --jar "$jar" --count "$count" --seed "$seed"
if BT_METEOR=$jar "$build/tests/golden/metrics" "$out" >"$out/log"; then
    echo "$count segments, 0 differences"
else
    grep '^not ok' "$out/log"
    exit 1
fi
