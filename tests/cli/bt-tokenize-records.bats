#!/usr/bin/env bats
# bt-tokenize on records: the same bytes for any number of threads, sets that are gone on with, what joined streams have to share.
# Fields, prompts and rejects one by one: tests/text/records.c.

bats_require_minimum_version 1.5.0
tokenize=$BT_BUILD/bin/bt-tokenize
cat=$BT_BUILD/bin/bt-cat
faults=$BT_BUILD/tests/faults/faults.so

# 4000 records: lists of captions, single texts, questions with answers, and some that are to be rejected.
setup() {
    cd "$BATS_TEST_TMPDIR"
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a cat dog the '##s' is run '!' '.' >vocab.txt
    cp vocab.txt other.txt && echo extra >>other.txt
    awk 'BEGIN {
        for (i = 0; i < 4000; i++) {
            printf "{\"id\":\"%d\",\"question\":\"Is the DOG %d?\",\"answers\":[\"cat\",\"a dog\",\"cat\"],", i, i
            if (i % 97 == 0) print "\"captions\":[\"a cat\",7]}"
            else if (i % 89 == 0) print "\"note\":1}"
            else if (i % 3 == 0) printf "\"text\":\"The dogs run %d.\"}\n", i
            else printf "\"captions\":[\"A cat is %d\",\"the dog [SEP] runs!\",\"\"],\"note\":\"a\"}\n", i
        } }' >in.jsonl
    "$cat" --from=json -o in.bt in.jsonl
}

both="-t bert=vocab.txt -t b=other.txt --max-len 6 --max-rejects 200"

@test "threads change nothing" {
    for options in "" "--prompt a" "--prompt {}?" "--field note --field captions --max-rejects 4000" "--count"; do
        for n in 1 2 5; do
            "$tokenize" -q -j $n -i in.bt $both $options --rejects log.$n -o out.$n --force
        done
        cmp out.1 out.2 && cmp out.1 out.5
        [ "$options" = --count ] || { cmp log.1 log.2 && cmp log.1 log.5; }
    done
    "$tokenize" -q -j 5 -i in.bt $both --rejects log -o out.bt
    [ "$("$cat" --count out.bt)" = 3914 ]
    [ "$(jq -r '.src // empty' log | head -n 2)" = $'in.bt:record 0\nin.bt:record 89' ]
    [ "$(jq -r 'select(.end) | .n' log)" = 86 ]
}

# The first failure in order ends it, whoever comes to one earlier.
@test "too many rejects end it at the same record for any number of threads" {
    for n in 1 2 5; do
        run -65 --separate-stderr "$tokenize" -q -j $n -i in.bt -t bert=vocab.txt --max-rejects 5 -o out.$n
        echo "$stderr" | sed "s/out.$n/out/" >said.$n
        [ ! -e out.$n ]
    done
    grep -q '6 of [0-9]* inputs rejected.*E_REJECTS' said.1
    cmp said.1 said.2 && cmp said.1 said.5
    head -c 30000 in.bt >cut.bt
    for n in 1 2 5; do
        run -65 --separate-stderr "$tokenize" -q -j $n -i cut.bt $both
        echo "$stderr" >said.$n
    done
    grep -q E_BT_TRUNC said.1
    cmp said.1 said.2 && cmp said.1 said.5
}

records() {
    "$cat" --to=json "$1" | grep '"type":"record"'
}

@test "a set is gone on with by another number of threads, each record once" {
    "$tokenize" -q -j 1 -i in.bt $both -o whole.lmdb
    mkfifo pipe
    for signal in TERM KILL; do
        rm -rf part.lmdb
        "$tokenize" -q -j 2 -i pipe $both -o part.lmdb 2>said & tool=$!
        exec 7>pipe
        head -c 200000 in.bt >&7
        sleep 0.3
        kill -$signal $tool
        status=0
        wait $tool 2>/dev/null || status=$?
        exec 7>&-
        [ $signal = KILL ] || { [ $status = 75 ] && grep -q E_STOPPED said; }
        "$tokenize" -q -j 3 -i in.bt $both -o part.lmdb
        diff <(records part.lmdb) <(records whole.lmdb)
        diff <(sed s/pipe:/in.bt:/ part.lmdb/rejects.jsonl) whole.lmdb/rejects.jsonl
    done
}

@test "a lock whose writer is gone can be broken" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has to be loaded first"
    mkfifo pipe
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults "$tokenize" -q -i pipe $both -o x.lmdb & first=$!
    exec 7>pipe
    head -c 200000 in.bt >&7
    for ((i = 0; i < 100; i++)); do [ ! -s x.lmdb/.ingest/lock-0.held ] || break; sleep 0.05; done
    kill -9 "$first"
    exec 7>&-
    wait "$first" || true
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults run -73 --separate-stderr "$tokenize" -q -i in.bt $both -o x.lmdb
    [[ "$stderr" == *"use --break-lock [E_LOCKED]" ]]
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults "$tokenize" -q --break-lock -i in.bt $both -o x.lmdb
    [ "$("$cat" --count x.lmdb)" = 3914 ]
}

@test "streams in which special tokens were read in two ways are not mixed" {
    "$tokenize" -q -i in.bt $both -o marks.bt
    "$tokenize" -q -i in.bt $both --no-special-in-text -o text.bt
    [ "$("$cat" --to=json text.bt | jq -c 'select(.must) | .must["special_in_text.bert", "special_in_text.b"]')" = $'0\n0' ]
    [ "$("$cat" --to=json marks.bt | jq -c 'select(.must) | .must["special_in_text.bert"]')" = null ]
    cat text.bt text.bt | "$cat" --count >count
    [ "$(<count)" = 7828 ]
    for pair in "marks.bt text.bt" "text.bt marks.bt"; do
        run -65 --separate-stderr bash -c 'cat $2 | "$1" --count' - "$cat" "$pair"
        [[ "$stderr" == *"[E_BT_MIXED]" ]]
    done
    # tokenized once more, the other way
    "$tokenize" -q -i text.bt $both -o again.bt
    [ "$("$cat" --to=json again.bt | jq -c 'select(.must) | .must["special_in_text.bert"]')" = 1 ]
}
