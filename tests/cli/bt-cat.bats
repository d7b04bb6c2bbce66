#!/usr/bin/env bats
# bt-cat: streams and sets looked into, joined, checked, converted, and mended.

bats_require_minimum_version 1.5.0
cat=$BT_BUILD/bin/bt-cat

setup() {
    cd "$BATS_TEST_TMPDIR"
    for i in 1 2 3; do
        echo "{\"id\":\"$i\",\"text\":\"number $i\",\"image\":{\"\$bin\":\"AAECA$i==\"}}"
    done | sed 's/AAECA.==/AAECAw==/' >three.jsonl
    "$cat" --from=json -o three.bt three.jsonl
}

@test "the vector of the format, byte for byte" {
    "$cat" --from=json --expect 0 </dev/null >empty.bt
    run -0 od -An -v -tx1 empty.bt
    [ "$(echo $output | tr -d ' ')" = "$(echo c90000002342a31becc383a2627401a56d696e6f7200a6736368656d61ab62742e73616d706c \
        652f31c90000002f45ae09617a84a16e00a5627974657300a57878683634c4089e1ab6485bd8d50fa6737461747573 \
        a8636f6d706c657465 | tr -d ' ')" ]
}

@test "streams join, plain and compressed, and the kinds may alternate" {
    "$cat" -o three.bt.zst three.bt
    run -0 "$cat" --count three.bt three.bt.zst three.bt
    [ "$output" = 9 ]
    cat three.bt.zst three.bt three.bt.zst | "$cat" --expect 9 -o nine.bt
    run -0 "$cat" --check nine.bt
    [ "$output" = "nine.bt: good, 9 records" ]
}

@test "the JSON twin goes out and back to the same bytes" {
    "$cat" --to=json three.bt | "$cat" --from=json | cmp - three.bt
    run -0 bash -c '"$1" --to=json --bin=len three.bt | sed -n 2p' - "$cat"
    [ "$output" = '{"type":"record","n":0,"id":"1","text":"number 1","image":{"$bin_len":4}}' ]
}

@test "a filter over the twin makes a new stream" {
    "$cat" --to=json three.bt | jq -c 'select(.type == "record" and .id != "2")' | "$cat" --from=json -o two.bt
    run -0 "$cat" --field id two.bt
    [ "$output" = $'"1"\n"3"' ]
}

@test "JSON lines that are cut are refused" {
    "$cat" --to=json three.bt | head -n 3 >cut.jsonl
    run -65 --separate-stderr "$cat" --from=json -o cut.bt cut.jsonl
    [[ "$stderr" == *"cut.jsonl:3: ends without its end line"*"[E_JSON_TRUNC]" ]]
    [ ! -e cut.bt ]
    run -65 --separate-stderr "$cat" --from=json --expect 4 -o cut.bt three.jsonl
    [[ "$stderr" == *"3 records, 4 expected"* ]]
    run -65 --separate-stderr "$cat" --from=json --expect-sha256 00 -o cut.bt three.jsonl
    "$cat" --from=json --expect-sha256 "$(sha256sum <three.jsonl | cut -d' ' -f1)" -o whole.bt three.jsonl
    cmp whole.bt three.bt
}

@test "a cut stream is refused, and everything behind it in the pipe refuses too" {
    head -c 200 three.bt >cut.bt
    run -65 --separate-stderr "$cat" -o out.bt cut.bt
    [[ "$stderr" == "bt-cat: cut.bt:record "*"stream ends without its end record"*"[E_BT_TRUNC]" ]]
    [ ! -e out.bt ]
    run -65 --separate-stderr bash -c '"$1" cut.bt 2>/dev/null | "$1" -o out.bt' - "$cat"
    [[ "$stderr" == *"the producer failed: cut.bt:record "*"[E_BT_ABORT]" ]]
    [ ! -e out.bt ]
}

@test "check says which input is whole" {
    head -c 200 three.bt >cut.bt
    : >nothing.bt
    run -1 --separate-stderr "$cat" --check three.bt cut.bt nothing.bt
    [ "${lines[0]}" = "three.bt: good, 3 records" ]
    [[ "${lines[1]}" == "cut.bt: damaged: "*"[E_BT_TRUNC]" ]]
    [[ "${lines[2]}" == "nothing.bt: damaged: "*"[E_BT_EMPTY]" ]]
    [ -z "$stderr" ]
    run -66 --separate-stderr "$cat" --check absent.bt
}

@test "repair keeps what damage has left and says that it is not all" {
    size=$(stat -c %s three.bt)
    head -c $((size - 60)) three.bt >cut.bt
    run -0 --separate-stderr "$cat" --repair -o mended.bt cut.bt
    [[ "$stderr" == *"cut.bt:"*"ends without an end record"*"cut.bt: 2 records kept, 0 known to be lost; 38 bytes stepped over, 2 faults" ]]
    run -65 --separate-stderr "$cat" --count mended.bt
    [[ "$stderr" == *"[E_BT_PARTIAL]" ]]
    run -0 "$cat" --count --allow-partial mended.bt
    [ "$output" = 2 ]
    run -0 --separate-stderr "$cat" --repair three.bt # whole: nothing to tell, and the same records
    [ -z "$stderr" ]
    "$cat" --repair --prov=none three.bt | cmp - three.bt
}

@test "repair goes on behind the damage, in plain and in compressed streams" {
    printf X | dd of=three.bt bs=1 seek=120 conv=notrunc status=none # within the second record
    run -0 --separate-stderr "$cat" --repair -o mended.bt three.bt
    [[ "$stderr" == *"1 records of the segment are lost before record 2"*"2 records kept, 1 known to be lost; "* ]]
    run -0 "$cat" --allow-partial --field id mended.bt
    [ "$output" = $'"1"\n"3"' ]
    for i in $(seq 40); do echo "{\"id\":\"$i\"}"; done | "$cat" --from=json -o a.bt.zst
    { head -c 60 a.bt.zst; cat a.bt.zst; } | "$cat" --repair -o mended.bt -f
    run -0 "$cat" --allow-partial --count mended.bt
    [ "$output" -ge 40 ]
}

@test "repair of a stream without its begin is told of what kind it is" {
    tail -c +50 three.bt >headless.bt
    run -65 --separate-stderr "$cat" --repair -o mended.bt headless.bt
    [[ "$stderr" == *"say it with --schema [E_BT_MAGIC]" ]]
    run -0 --separate-stderr "$cat" --repair --schema bt.sample/1 -o mended.bt headless.bt
    run -0 "$cat" --allow-partial --field id mended.bt
    [ "$output" = $'"2"\n"3"' ]
}

@test "what is made of partial records is partial" {
    head -c 170 three.bt | "$cat" --repair -o part.bt
    "$cat" --allow-partial -o still.bt part.bt three.bt
    run -65 --separate-stderr "$cat" --count still.bt
    [[ "$stderr" == *"[E_BT_PARTIAL]" ]]
}

@test "limits have flags" {
    run -65 --separate-stderr "$cat" --count --max-record 20 three.bt
    [[ "$stderr" == *"claims 31 bytes, at most 20 are read; raise --max-record"*"[E_LIMIT]" ]]
    run -65 --separate-stderr "$cat" --from=json --max-line 40 -o short.bt three.jsonl
    [[ "$stderr" == *"[E_LIMIT]" ]]
}

@test "head, record, fields, field" {
    run -0 bash -c '"$1" --head 2 three.bt | "$1" --count' - "$cat"
    [ "$output" = 2 ]
    run -0 "$cat" --record 1 --field text three.bt
    [ "$output" = '"number 2"' ]
    run -0 "$cat" --record 2 --field text --raw three.bt
    [ "$output" = "number 3" ]
    "$cat" --record 0 --field image --raw three.bt | cmp - <(printf '\0\1\2\3')
    run -0 bash -c '"$1" --fields text three.bt | "$1" --to=json | sed -n 2p' - "$cat"
    [ "$output" = '{"type":"record","n":0,"id":"1","text":"number 1"}' ]
    run -65 --separate-stderr "$cat" --record 3 --field text three.bt
    [[ "$stderr" == *"there is no record 3, there are 3"* ]]
    run -65 --separate-stderr "$cat" --field colour three.bt
    [[ "$stderr" == *"three.bt:record 0: no field 'colour'"* ]]
}

@test "a set of shards reads like a stream and gives its records back" {
    "$cat" --per-shard 2 -o three.lmdb three.bt
    [ -e three.lmdb/shard-000001.mdb ] && [ ! -e three.lmdb/.ingest ]
    "$cat" --prov=none three.lmdb | cmp - three.bt
    run -0 "$cat" --check three.lmdb
    [ "$output" = "three.lmdb: good, 3 records" ]
    run -0 "$cat" --count three.lmdb three.bt three.lmdb
    [ "$output" = 9 ]
    "$cat" --per-shard 2 -o three.lmdb three.bt         # the same command again does nothing
    run -64 --separate-stderr "$cat" --per-shard 1 -o three.lmdb three.bt
    [[ "$stderr" == *"holds a set made by another command ('per_shard' differs)"*"[E_EXISTS]" ]]
    sed s/number/cipher/ three.jsonl | "$cat" --from=json --force -o three.bt
    run -65 --separate-stderr "$cat" --per-shard 2 -o three.lmdb three.bt
    [[ "$stderr" == *"[E_INPUT_CHANGED]" ]]
    "$cat" --force --per-shard 1 -o three.lmdb three.bt
    [ -e three.lmdb/shard-000002.mdb ]
}

@test "a damaged shard is refused" {
    "$cat" -o three.lmdb three.bt
    chmod u+w three.lmdb/shard-000000.mdb
    printf '\2' | dd of=three.lmdb/shard-000000.mdb bs=1 seek=20 conv=notrunc status=none
    run -65 --separate-stderr "$cat" --count three.lmdb
    [[ "$stderr" == *"shard-000000.mdb:20: LMDB data version 2, this build reads 1;"*"[E_LMDB_VERSION]" ]]
    truncate -s 4096 three.lmdb/shard-000000.mdb
    run -65 --separate-stderr "$cat" --count three.lmdb
    [[ "$stderr" == *"[E_SHARD]" ]]
}

@test "segments of one job must all be there" {
    for i in 0 1; do
        "$cat" --to=json three.bt | sed "1s/}\$/,\"seg\":{\"i\":$i,\"of\":2}}/" | "$cat" --from=json -o part$i.bt
    done
    run -0 "$cat" --count part0.bt part1.bt
    [ "$output" = 6 ]
    run -65 --separate-stderr "$cat" --count part0.bt
    [[ "$stderr" == *"1 of the job's 2 segments"*"[E_BT_SEGMENTS]" ]]
}

@test "records of different kinds do not join" {
    "$cat" --from=json --schema bt.score/1 -o other.bt three.jsonl
    run -65 --separate-stderr "$cat" -o out.bt three.bt other.bt
    [[ "$stderr" == *"[E_BT_MIXED]" ]]
    "$cat" -o three.lmdb three.bt
    run -65 --separate-stderr "$cat" -o out.bt three.lmdb other.bt
    [[ "$stderr" == *"[E_BT_MIXED]" ]]
    [ ! -e out.bt ]
}

@test "a reader that leaves is no failure" {
    for i in $(seq 14); do cat three.bt three.bt >twice.bt; mv twice.bt three.bt; done
    run -0 --separate-stderr bash -c '"$1" --to=json three.bt | head -n 1 >first; echo "${PIPESTATUS[0]}"' - "$cat"
    [ "$output" = 141 ] && [ -z "$stderr" ]
    run -0 --separate-stderr bash -c '"$1" three.bt | head -c 1 >first; echo "${PIPESTATUS[0]}"' - "$cat"
    [ "$output" = 141 ] && [ -z "$stderr" ]
}

@test "a full disk, an existing file, a terminal" {
    run -74 --separate-stderr bash -c '"$1" three.bt >/dev/full' - "$cat"
    run -74 --separate-stderr bash -c '"$1" --to=json three.bt >/dev/full' - "$cat"
    run -64 --separate-stderr "$cat" -o three.bt three.bt
    [[ "$stderr" == *"[E_EXISTS]" ]]
    run -64 --separate-stderr "$cat" --force -o three.bt three.bt
    [[ "$stderr" == *"[E_SAME_FILE]" ]]
    if command -v script >/dev/null; then
        run -0 bash -c 'script -qec "$1 three.bt" /dev/null || true' - "$cat"
        [[ "$output" == *"[E_TTY]"* ]]
    fi
}

@test "options that do not go together" {
    run -64 "$cat" --raw three.bt
    run -64 "$cat" --from=json --to=json three.jsonl
    run -64 "$cat" --expect-sha256 00 three.bt
    run -64 "$cat" --from=json -o x.lmdb three.jsonl
    run -64 "$cat" --to=json --fields id three.bt
}

@test "a Git LFS pointer is named as one" {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 123456\n' 0 >pointer.bt
    run -65 "$cat" pointer.bt
    [[ $output == "bt-cat: pointer.bt: is a Git LFS pointer, not the file of 123456 bytes"* ]]
}
