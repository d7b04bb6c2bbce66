#!/bin/bash
# parity tokenize: our ids, and the text of every eighth line's ids, against the published tokenizers on a million lines.
# LINES=N for fewer; ONLY=bert|opt|t5 for one. Needs the network once, wordnet-base, unicode-cldr-core and unicode-data.
set -euo pipefail
build=$1 dir=$1/parity-tokenize here=${BASH_SOURCE%/*} count=${LINES:-1000000}
reference=build/reference

bash "$here/reference.bash" $reference
mkdir -p "$dir"
$reference/venv/bin/python "$here/tokenize/lines.py" "$count" >"$dir/lines"
failed=0
for kind in ${ONLY:-bert opt t5}; do
    $reference/venv/bin/python "$here/tokenize/peer.py" $kind $reference/$kind <"$dir/lines" >"$dir/$kind.theirs"
    "$build/bin/bt-tokenize" -q --text -t $kind=$reference/$kind -i "$dir/lines" -o "$dir/$kind.ids" --force
    awk 'NR % 8 == 1' "$dir/$kind.ids" | "$build/bin/bt-tokenize" -q --decode -t $kind=$reference/$kind -o "$dir/$kind.text" --force
    awk -v text="$dir/$kind.text" '{ line = ""; if (NR % 8 == 1) getline line <text; print $0 "\t" line }' "$dir/$kind.ids" >"$dir/$kind.ours"
    differences=$(cmp -s "$dir/$kind.ours" "$dir/$kind.theirs" || diff --text "$dir/$kind.ours" "$dir/$kind.theirs" | grep -ac '^>' || true)
    echo "$kind: $count lines, $((count / 8)) of them decoded again, ${differences:-0} differences"
    [ "${differences:-0}" = 0 ] || failed=1
done
exit $failed
