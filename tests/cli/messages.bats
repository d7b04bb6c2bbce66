#!/usr/bin/env bats
# The catalogue of messages (libcommon/base/err.h): every code can be had, with its status and in its words.

bats_require_minimum_version 1.5.0
load tiny

root=$BATS_TEST_DIRNAME/../..
frames=$root/tests/fuzz/corpus/frames
faults=$BT_BUILD/tests/faults/faults.so
export PATH=$BT_BUILD/bin:$PATH

# What no command line provokes, a mistake of ours and a device that fails, is provoked by tests of the library.
inside="E_BUG E_DEVICE"

setup_file() {
    export D=$BATS_FILE_TMPDIR
    cd "$D"
    tiny_data
    tiny_model 0.1 >model.json
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    echo '{"id":"1","text":"one"}' | bt-cat --from=json -o a.bt
}

# gives CODE COMMAND...: the command fails with the status of the code, in one line that is its template filled in.
gives() {
    local row status text pattern
    row=$(sh "$root/mk/messages.sh" | grep "^$1	")
    run --separate-stderr "${@:2}"
    pattern=$(cut -f 3 <<<"$row" | sed 's/[][\\*?]/\\&/g; s/<[a-z]*>/*/g')
    text=${stderr##*$'\n'}
    echo "$status: $stderr"
    [ "$status" = "$(cut -f 2 <<<"$row")" ]
    # shellcheck disable=SC2053 # a pattern
    [[ $text == bt-*": "* && ${text#*: } == $pattern" [$1]" ]]
}

under_fault() { BT_FAULT=$1 LD_PRELOAD=$faults "${@:2}"; }

no_sanitizer() { [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"; }

@test "E_NO" {
    head -c 60 a.bt >cut.bt
    run -1 --separate-stderr bt-cat --check cut.bt
    [ -z "$stderr" ]
}

@test "E_USAGE" { gives E_USAGE bt-cat --to=xml a.bt; }

@test "E_TTY" {
    command -v script >/dev/null || skip "no terminal to be had"
    gives E_TTY bash -c 'script -qec "bt-cat a.bt 2>said" /dev/null; status=$?; cat said >&2; exit $status'
}

@test "E_SAME_FILE" { gives E_SAME_FILE bt-cat --force -o a.bt a.bt; }
@test "E_EXISTS" { gives E_EXISTS bt-cat -o a.bt a.bt; }
@test "E_INPUT" { gives E_INPUT bt-cat --count --expect 2 a.bt; }

@test "E_REJECTS" {
    mkdir pictures
    cp "$D/pictures/0.jpg" pictures
    for i in 1 2 3; do echo no picture >pictures/$i.jpg; done
    gives E_REJECTS bt-preprocess -q --max-rejects 1 -o out.bt pictures
}

@test "E_LIMIT" { gives E_LIMIT bt-cat --count --max-record 8 a.bt; }

@test "E_JSON" {
    echo '{"id":"1",}' >bad.jsonl
    gives E_JSON bt-cat --from=json bad.jsonl
}

@test "E_JSON_TRUNC" {
    printf '{"id":"1"}\n{"id"' >bad.jsonl
    gives E_JSON_TRUNC bt-cat --from=json bad.jsonl
}

@test "E_UTF8" {
    printf '{"id":"\377"}\n' >bad.jsonl
    gives E_UTF8 bt-cat --from=json bad.jsonl
}

@test "E_BT_TRUNC" { gives E_BT_TRUNC bt-cat --count "$frames/no-end"; }
@test "E_BT_EMPTY" { gives E_BT_EMPTY bt-cat --count "$frames/nothing"; }
@test "E_BT_MAGIC" { gives E_BT_MAGIC bt-cat --count "$frames/magic"; }
@test "E_BT_CRC" { gives E_BT_CRC bt-cat --count "$frames/crc"; }
@test "E_BT_SEQ" { gives E_BT_SEQ bt-cat --count "$frames/n-skipped"; }
@test "E_BT_SUM" { gives E_BT_SUM bt-cat --count "$frames/end-xxh64"; }
@test "E_BT_TYPE" { gives E_BT_TYPE bt-cat --count "$frames/critical"; }
@test "E_BT_BODY" { gives E_BT_BODY bt-cat --count "$frames/c1"; }
@test "E_BT_DUPKEY" { gives E_BT_DUPKEY bt-cat --count "$frames/key-twice"; }
@test "E_BT_ABORT" { gives E_BT_ABORT bt-cat --count "$frames/abort"; }
@test "E_BT_PARTIAL" { gives E_BT_PARTIAL bt-cat --count "$frames/partial"; }
@test "E_BT_SEGMENTS" { gives E_BT_SEGMENTS bt-cat --count "$frames/segment-missing"; }
@test "E_BT_MIXED" { gives E_BT_MIXED bt-cat --count "$frames/another-must"; }
@test "E_ZSTD" { gives E_ZSTD bt-cat --count "$frames/zstd-checksum"; }

@test "E_BT_SCHEMA" {
    echo '{"images":[{"id":1}],"annotations":[{"image_id":1,"id":1,"caption":"a cat"}]}' >refs.json
    gives E_BT_SCHEMA bt-score caption --refs refs.json a.bt
}

@test "E_BOMB" {
    head -c 40000000 /dev/zero | tr '\0' A | sed 's/^/{"id":"1","image":{"$bin":"/; s/$/"}}\n/' |
        bt-cat --from=json -o bomb.bt.zst
    gives E_BOMB bt-cat --count bomb.bt.zst
}

@test "E_LMDB_VERSION and E_LMDB_STRUCT" {
    bt-cat -o a.lmdb a.bt
    chmod u+w a.lmdb/*.mdb
    cp a.lmdb/shard-000000.mdb whole
    printf '\2' | dd of=a.lmdb/shard-000000.mdb bs=1 seek=20 conv=notrunc status=none
    gives E_LMDB_VERSION bt-cat --count a.lmdb
    cp whole a.lmdb/shard-000000.mdb
    printf '\377' | dd of=a.lmdb/shard-000000.mdb bs=1 seek=8204 conv=notrunc status=none
    gives E_LMDB_STRUCT bt-cat --count a.lmdb
}

@test "E_SHARD" {
    mkdir empty.lmdb
    gives E_SHARD bt-cat --count empty.lmdb
}

@test "E_INPUT_CHANGED" {
    bt-cat -o a.lmdb a.bt
    echo '{"id":"2"}' | bt-cat --from=json --force -o a.bt
    gives E_INPUT_CHANGED bt-cat -o a.lmdb a.bt
}

@test "E_LMDB_FULL" { gives E_LMDB_FULL bt-cat --max-shard 16K -o a.lmdb a.bt; }

@test "E_ST, E_ST_DTYPE and E_WEIGHTS" {
    train="bt-train lm -q --model $D/model.json --data $D/sentences.lmdb --output run --weights w.safetensors"
    printf x >w.safetensors
    gives E_ST $train
    printf '\065\0\0\0\0\0\0\0{"a":{"dtype":"Q9","shape":[0],"data_offsets":[0,0]}}' >w.safetensors
    gives E_ST_DTYPE $train
    printf '\066\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' >w.safetensors
    gives E_WEIGHTS $train
}

@test "E_TOK_FILE and E_TOK_PATTERN" {
    echo '{}' >tokenizer.json
    gives E_TOK_FILE bt-tokenize -t x=tokenizer.json -i a.bt -o out.bt
    echo '{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{"type":"Odd"},"pre_tokenizer":null,' \
        '"post_processor":null,"decoder":null,"model":{"type":"BPE","vocab":{},"merges":[]}}' >tokenizer.json
    gives E_TOK_PATTERN bt-tokenize -t x=tokenizer.json -i a.bt -o out.bt
}

@test "E_NOINPUT" { gives E_NOINPUT bt-cat absent.bt; }
@test "E_CANTCREAT" { gives E_CANTCREAT bt-cat -o absent/a.bt a.bt; }

@test "E_MEMORY" {
    no_sanitizer
    gives E_MEMORY under_fault malloc:60 bt-cat -o out.bt a.bt
}

@test "E_IO" {
    no_sanitizer
    gives E_IO under_fault write:1:EIO bt-cat -o out.bt a.bt
}

@test "E_NOSPACE" {
    no_sanitizer
    gives E_NOSPACE under_fault write:1:ENOSPC bt-cat -o out.bt a.bt
}

@test "E_LOCKED" {
    mkfifo pipe
    bt-cat -o a.lmdb pipe & first=$!
    exec 7>pipe
    cat a.bt >&7
    for ((i = 0; i < 100; i++)); do [ ! -s a.lmdb/.ingest/lock-0 ] || break; sleep 0.05; done
    gives E_LOCKED bt-cat -o a.lmdb a.bt
    exec 7>&-
    wait "$first"
}

@test "E_TAR_TRUNC" {
    tar -cf t.tar a.bt
    head -c 512 t.tar >cut.tar
    gives E_TAR_TRUNC bt-preprocess --format tar cut.tar -o out.bt
}

@test "E_STOPPED" {
    mkfifo pipe
    gives E_STOPPED bash -c 'bt-cat --count pipe & exec 7>pipe; head -c 60 a.bt >&7; sleep 0.3; kill -TERM $!; wait $!'
}

@test "E_OS" {
    gives E_OS bash -c 'for fd in {3..30}; do eval "exec $fd>&-"; done; ulimit -n 4; bt-cat -o out.bt a.bt'
}

@test "E_CONFIG" {
    echo '{"rate":1}' >recipe.json
    gives E_CONFIG bt-train lm --data "$D/sentences.lmdb" --model "$D/model.json" --recipe recipe.json --output run
}

# What needs more than a moment has its place elsewhere.
@test "every code of the table is provoked, and given by the code" {
    for code in $(sh "$root/mk/messages.sh" | cut -f 1); do
        if [[ " $inside " == *" $code "* ]]; then
            grep -Eq "CHECK.*_status\(.*BT_ERR_${code#E_}\)" "$root"/tests/*/*.c
        else
            grep -w -- "$code" "$BATS_TEST_DIRNAME"/*.bats | grep -qv ':inside='
        fi || { echo "$code is provoked by no test"; false; }
        grep -rlw "BT_ERR_${code#E_}" "$root"/libcommon "$root"/tools | grep -qv '/base/err\.[ch]$' || { echo "nothing gives $code"; false; }
    done
}

@test "bt-messages(7) lists the table" {
    diff <(sh "$root/mk/messages.sh" --man) <(sed -n '/^\.Sh CODES/,/^\.El/p' "$root/man/bt-messages.7" | sed '1,3d; $d')
    [ "$(sh "$root/mk/messages.sh" | wc -l)" -ge 50 ]
}
