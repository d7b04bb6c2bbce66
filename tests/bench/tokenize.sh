#!/bin/bash
# bench tokenize: MB/s of distinct captions, one core, against Hugging Face tokenizers (encode_batch, one thread) with the published
# vocabularies; the two in turn, the best of three. Ours starts with an empty cache in each process and reads no file meanwhile.
# Then captions a second, two threads against one (of wall time, so on an idle machine), and the tool from file to file.
set -euo pipefail
build=$1 dir=$1/bench-tokenize here=${BASH_SOURCE%/*}/tokenize reference=build/reference lines=$1/tests/bench/tokenize/lines

bash "$here/../../parity/reference.bash" $reference
make -s "$lines" B="$build"
mkdir -p "$dir"
bash "$here/captions.sh" 100000 >"$dir/captions"
export OMP_WAIT_POLICY=passive

larger() { awk -v a="$1" -v b="$2" 'BEGIN { print (a + 0 > b + 0 ? a : b) }'; }
row() { awk -v name="$1" -v ours="$2" -v peer="$3" -v goal="$4" 'BEGIN {
    printf "%-22s %9.2f %9.2f %6.2f %5.2f %s\n", name, ours, peer, ours / peer, goal, (ours / peer >= goal ? "met" : "short") }'; }

for kind in bert:20 opt:20 ${T5:-t5:10}; do
    goal=${kind#*:} kind=${kind%:*} ours=0 theirs=0
    for round in 1 2 3; do
        read -r speed rate sum < <("$lines" $reference/$kind "$dir/captions" 1 1)
        ours=$(larger "$ours" "$speed")
        theirs=$(larger "$theirs" "$($reference/venv/bin/python "$here/peer.py" $kind $reference/$kind "$dir/captions")")
    done
    row "$kind-MB-per-s" "$ours" "$theirs" "$goal"
    read -r _ rate one < <("$lines" $reference/$kind "$dir/captions" 5 1)
    printf '%-22s %9s - - - -\n' "$kind-captions-per-s" "$rate"
    [ "$one" = "$sum" ]
    best1=0 best2=0
    for round in 1 2 3; do
        read -r speed _ _ < <("$lines" $reference/$kind "$dir/captions" 5 1)
        best1=$(larger "$best1" "$speed")
        read -r speed _ two < <("$lines" $reference/$kind "$dir/captions" 5 2)
        best2=$(larger "$best2" "$speed")
    done
    [ "$one" = "$two" ] || { echo "bench tokenize: $kind: two threads give other ids than one" >&2; exit 1; }
    row "$kind-two-threads" "$best2" "$best1" 1.7
    start=$EPOCHREALTIME
    "$build/bin/bt-tokenize" -q --text -t $kind=$reference/$kind -i "$dir/captions" -o "$dir/$kind.ids" --force
    awk -v name="$kind-tool-MB-per-s" -v size="$(stat -c %s "$dir/captions")" -v a="$start" -v b="$EPOCHREALTIME" \
        'BEGIN { printf "%-22s %9.2f - - - -\n", name, size / (b - a) / 1e6 }'
done
