#!/bin/bash
# bench tokenize: MB/s of distinct captions, one core, against Hugging Face tokenizers (encode_batch, one thread) with the published
# vocabularies; the two in turn, the best of three. Ours starts with an empty cache in each process and reads no file meanwhile.
# Then the tool from a file to ids, in captions a second of wall time beyond what it takes to start: two threads against one, in
# turn, the middle one of seven ratios, since the two cores it wants are rarely idle throughout.
set -euo pipefail
build=$1 dir=$1/bench-tokenize here=${BASH_SOURCE%/*}/tokenize reference=build/reference lines=$1/tests/bench/tokenize/lines

bash "$here/../../parity/reference.bash" $reference
make -s "$lines" B="$build"
mkdir -p "$dir"
bash "$here/captions.sh" 2000000 >"$dir/many"
head -n 100000 "$dir/many" >"$dir/captions"

larger() { awk -v a="$1" -v b="$2" 'BEGIN { print (a + 0 > b + 0 ? a : b) }'; }
row() { awk -v name="$1" -v ours="$2" -v peer="$3" -v goal="$4" 'BEGIN {
    printf "%-22s %9.2f %9.2f %6.2f %5.2f %s\n", name, ours, peer, ours / peer, goal, (ours / peer >= goal ? "met" : "short") }'; }
# seconds KIND THREADS FILE
seconds() {
    local start=$EPOCHREALTIME
    "$build/bin/bt-tokenize" -q --text -j "$2" -t "$1=$reference/$1" -i "$3" >/dev/null
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
# rates KIND: captions a second of two threads and of one
rates() {
    local start count
    start=$(for round in 1 2 3; do seconds "$1" 2 /dev/null; done | sort -g | head -n 1)
    count=$(wc -l <"$dir/many")
    for round in 1 2 3 4 5 6 7; do
        awk -v one="$(seconds "$1" 1 "$dir/many")" -v two="$(seconds "$1" 2 "$dir/many")" -v start="$start" -v count="$count" \
            'BEGIN { print (one - start) / (two - start), count / (two - start), count / (one - start) }'
    done | sort -g | sed -n '4s/^[^ ]* //p'
}

for kind in bert:20 opt:20 ${T5:-t5:10}; do
    goal=${kind#*:} kind=${kind%:*} ours=0 theirs=0
    for round in 1 2 3; do
        ours=$(larger "$ours" "$("$lines" $reference/$kind "$dir/captions")")
        theirs=$(larger "$theirs" "$($reference/venv/bin/python "$here/peer.py" $kind $reference/$kind "$dir/captions")")
    done
    row "$kind-MB-per-s" "$ours" "$theirs" "$goal"
    read -r two one < <(rates $kind)
    row "$kind-two-threads" "$two" "$one" 1.8
done
