#!/usr/bin/env bats
# bt-preprocess: several processes that share the making of one set.

bats_require_minimum_version 1.5.0
golden=$BATS_TEST_DIRNAME/../golden/images
faults=$BT_BUILD/tests/faults/faults.so
export PATH=$BT_BUILD/bin:$PATH

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { [ -z "$memory" ] || rm -rf "$memory"; }

# The parts of what is made that do not depend on how: each shard's content and numbers, rejects, the rest of the manifest.
result() {
    jq -cS 'del(.shards[].bytes, .shards[].sha256)' "$1/bt-dataset.json"
    cat "$1/rejects.jsonl"
    ls -A "$1"
}

# 95 sentences, some of them rejects, for shards of 10.
sentences() {
    for i in $(seq 0 94); do
        if ((i % 9 == 4)); then echo "{\"caption\":\"\"}"; else echo "{\"id\":\"s$i\",\"caption\":\"sentence $i\"}"; fi
    done >s.jsonl
}
share() { bt-preprocess -q -t --per-shard 10 --max-rejects 50 --shard "$1" s.jsonl -o "$2"; }

# a set of N shares, all at the same time
together() {
    local pids=() i
    for ((i = 0; i < $1; i++)); do share $i/$1 "$2" & pids+=($!); done
    for i in "${pids[@]}"; do wait "$i"; done
}

@test "any number of processes, in any order or at the same time, make what one makes" {
    sentences
    bt-preprocess -q -t --per-shard 10 --max-rejects 50 s.jsonl -o one.lmdb
    result one.lmdb >want
    [ "$(jq -c '[.complete, .rejects, (.shards | length)]' one.lmdb/bt-dataset.json)" = '[true,11,10]' ]
    for n in 1 2 3 5 11; do
        for i in $(seq $n | shuf); do share $((i - 1))/$n order$n.lmdb; done
        result order$n.lmdb | diff want -
        together $n once$n.lmdb
        result once$n.lmdb | diff want -
        bt-cat --check once$n.lmdb
    done
}

@test "until all are done the set is incomplete, and each says what is missing" {
    sentences
    run -0 --separate-stderr bt-preprocess -t --per-shard 10 --max-rejects 50 --shard 1/3 s.jsonl -o s.lmdb
    [[ "$stderr" == *"s.lmdb: share 1/3 is done; 7 of 10 shards are still missing, of 0/3, 2/3"* ]]
    run -65 --separate-stderr bt-cat --count s.lmdb
    [[ "$stderr" == *"the set is not complete"*"[E_BT_PARTIAL]" ]]
    run -0 bt-cat --allow-partial --count s.lmdb
    [ "$output" = 26 ]
    [ ! -e s.lmdb/rejects.jsonl ]
    share 1/3 s.lmdb
    share 2/3 s.lmdb
    run -0 --separate-stderr bt-preprocess -t --per-shard 10 --max-rejects 50 --shard 0/3 s.jsonl -o s.lmdb
    [[ "$stderr" != *"missing"* ]]
    run -0 bt-cat --count s.lmdb
    [ "$output" = 84 ]
    before=$(stat -c %i s.lmdb/bt-dataset.json)
    for i in 0 1 2; do share $i/3 s.lmdb; done                 # the same commands again leave it alone
    [ "$(stat -c %i s.lmdb/bt-dataset.json)" = "$before" ] && [ ! -e s.lmdb/.ingest ]
}

@test "processes killed at random moments and started again make what one makes" {
    cp "$golden/decode/jpeg_420_q60.jpg" b.jpg
    head -c 300 b.jpg >cut.jpg
    for i in $(seq 1200); do
        echo "{\"image\":\"$( ((i % 29)) && echo b.jpg || echo cut.jpg)\",\"caption\":\"caption $i\"}"
    done >p.jsonl
    work="bt-preprocess -q --per-shard 150 p.jsonl"
    begin=$(date +%s%N)
    $work -o one.lmdb
    alone=$((($(date +%s%N) - begin) / 1000000))               # milliseconds; three together take half of it
    result one.lmdb >want
    killed=0
    for try in $(seq ${KILLED:-2}); do
        rm -rf s.lmdb
        for round in $(seq 6); do
            pids=()
            for i in 0 1 2; do $work --shard $i/3 -o s.lmdb & pids+=($!); done
            sleep "0.$(printf %03d $((RANDOM % (alone / 3 + 1))))"
            spared=$((RANDOM % 3))
            for i in 0 1 2; do
                [ $i = $spared ] || ! kill -9 ${pids[i]} 2>/dev/null || killed=$((killed + 1))
            done
            for i in 0 1 2; do { wait ${pids[i]}; } 2>/dev/null || [ $i != $spared ]; done
        done
        for i in 0 1 2; do $work --shard $i/3 -o s.lmdb; done
        result s.lmdb | diff want -
    done
    [ "$killed" -gt 2 ]
    echo "# killed $killed times" >&3
}

@test "what another number of processes has begun is gone on with" {
    sentences
    bt-preprocess -q -t --per-shard 10 --max-rejects 50 s.jsonl -o one.lmdb
    result one.lmdb >want
    share 2/5 s.lmdb
    share 1/2 s.lmdb
    bt-preprocess -q -t --per-shard 10 --max-rejects 50 s.jsonl -o s.lmdb
    result s.lmdb | diff want -
}

@test "a second process for a share is told who the first is; other shares are not hindered" {
    mkfifo pipe
    bt-preprocess -q -t -F jsonl --per-shard 2 --shard 0/2 pipe -o s.lmdb & first=$!
    exec 7>pipe
    echo '{"id":"1","caption":"one"}' >&7
    for ((i = 0; i < 100; i++)); do [ ! -s s.lmdb/.ingest/lock-0 ] || break; sleep 0.05; done
    echo '{"id":"1","caption":"one"}' >s.jsonl
    run -73 --separate-stderr bt-preprocess -q -t -F jsonl --per-shard 2 --shard 0/2 s.jsonl -o s.lmdb
    [[ "$stderr" == "bt-preprocess: s.lmdb: being written by $(hostname) pid $first; wait, or if that process is gone use --break-lock [E_LOCKED]" ]]
    run -73 --separate-stderr bt-preprocess -q -t -F jsonl --per-shard 2 --shard 0/3 s.jsonl -o s.lmdb
    exec 7>&-
    wait "$first"
}

@test "other inputs, other options, another number of inputs" {
    sentences
    share 0/2 s.lmdb
    run -64 --separate-stderr bt-preprocess -q -t --per-shard 11 --max-rejects 50 --shard 1/2 s.jsonl -o s.lmdb
    [[ "$stderr" == *"'per_shard' differs"*"[E_EXISTS]" ]]
    run -64 --separate-stderr bt-preprocess -q -t --per-shard 10 --max-rejects 50 -g image --shard 1/2 s.jsonl -o s.lmdb
    [[ "$stderr" == *"[E_EXISTS]" ]]
    head -90 s.jsonl >t.jsonl
    mv t.jsonl s.jsonl
    run -65 --separate-stderr share 1/2 s.lmdb
    [[ "$stderr" == *"was begun from other inputs"*"[E_INPUT_CHANGED]" ]]
    mkfifo p                                                    # of which nobody knows what it is before it is read
    (seq 25 | sed 's/.*/{"caption":"c &"}/' >p) &
    bt-preprocess -q -t -F jsonl --per-shard 10 --shard 0/2 p -o p.lmdb
    (seq 26 | sed 's/.*/{"caption":"c &"}/' >p) &
    run -65 --separate-stderr bt-preprocess -q -t -F jsonl --per-shard 10 --shard 1/2 p -o p.lmdb
    echo "$stderr"
    [[ "$stderr" == *"p.lmdb: 26 inputs, but another of its writers has met 25"*"[E_INPUT_CHANGED]" ]]
}

@test "more inputs than a header names are compared all the same" {
    mkdir f
    for i in $(seq 70); do echo '{"caption":"a"}' >f/$i.jsonl; done
    bt-preprocess -q -t --per-shard 20 --shard 0/2 f/*.jsonl -o f.lmdb
    echo '{"caption":"b"}' >f/9.jsonl                           # the last by name
    run -65 --separate-stderr bt-preprocess -q -t --per-shard 20 --shard 1/2 f/*.jsonl -o f.lmdb
    [[ "$stderr" == *"[E_INPUT_CHANGED]" ]]
}

@test "what cannot be shared is told" {
    sentences
    for wrong in "--dedup s.jsonl" "--force s.jsonl" "-F jsonl -"; do
        run -64 --separate-stderr bt-preprocess -q -t --shard 0/2 $wrong -o s.lmdb </dev/null
        [[ "$stderr" == *"[E_USAGE]" ]]
        [ ! -e s.lmdb ]
    done
}

@test "keys of archives are judged over all shares" {
    cp "$golden/decode/jpeg_420_q60.jpg" b.jpg
    cp "$golden/decode/jpeg_444_q90.jpg" a.jpg
    for tar in 0 1 2; do
        mkdir t$tar
        for i in 0 1 2 3; do cp b.jpg t$tar/$tar$i.jpg; done
        cp $([ $tar = 1 ] && echo a.jpg || echo b.jpg) t$tar/same.jpg # the third repeats the first, the second has another
        tar -C t$tar -cf $tar.tar $(ls t$tar)
    done
    bt-preprocess -q --per-shard 4 --max-rejects 5 [012].tar -o one.lmdb
    [ "$(jq -c '[.n, .rejects]' one.lmdb/bt-dataset.json)" = '[13,1]' ]
    for i in 2 0 1; do bt-preprocess -q --per-shard 4 --max-rejects 5 --shard $i/3 [012].tar -o s.lmdb; done
    diff <(result one.lmdb) <(result s.lmdb)
    for i in 0 1 2; do bt-preprocess -q --max-rejects 5 --shard $i/3 [012].tar -o $i.bt; done
    [ "$(cat [012].bt | bt-cat --count)" = 13 ]
}

@test "rejects are judged over the whole set by the process that ends last" {
    for i in $(seq 2000); do
        if ((i % 100 < 4)); then echo '{"caption":""}'; else echo "{\"caption\":\"c $i\"}"; fi
    done >s.jsonl
    work="bt-preprocess -q -t --per-shard 500 s.jsonl"
    $work --max-rejects 0.03 --shard 0/2 -o s.lmdb && false
    $work --max-rejects 70 --shard 0/2 -o s.lmdb                # 40 of its own
    run -65 --separate-stderr $work --max-rejects 70 --shard 1/2 -o s.lmdb
    [[ "$stderr" == *"80 of 2000 inputs rejected"*"[E_REJECTS]" ]]
    [ "$(jq .complete s.lmdb/bt-dataset.json)" = false ]
    $work --shard 1/2 -o s.lmdb
    [ "$(jq -c '[.complete, .rejects]' s.lmdb/bt-dataset.json)" = '[true,80]' ]
    seq 3 | sed 's/.*/{"caption":""}/' >s.jsonl                 # and nothing but rejects is nothing
    run -65 --separate-stderr bash -c 'for i in 0 1; do bt-preprocess -q -t --per-shard 2 --shard $i/2 s.jsonl -o t.lmdb || exit; done'
    [[ "$stderr" == *"[E_REJECTS]" ]]
}

@test "every write, fsync and rename of a share fails once" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"
    if [ -w /dev/shm ]; then memory=$(mktemp -d /dev/shm/bt-shares.XXXXXX); cd "$memory"; fi
    seq 7 | sed 's/.*/{"caption":"c &"}/' >s.jsonl
    work="bt-preprocess -q -t --per-shard 2 s.jsonl"
    $work -o one.lmdb
    result one.lmdb >want
    $work --shard 0/2 -o half.lmdb
    for fault in write:ENOSPC fsync:EIO rename:EIO; do
        for ((k = 1; k < 5000; k++)); do
            rm -rf fired s.lmdb
            cp -r half.lmdb s.lmdb
            status=0
            BT_FAULT_MARK=fired BT_FAULT=${fault%%:*}:$k${fault#"${fault%%:*}"} LD_PRELOAD=$faults \
                $work --shard 1/2 -o s.lmdb 2>said || status=$?
            [ -e fired ] || break
            case $fault:$status in
                *:0 | write*:7[34] | fsync*:74 | rename*:7[34]) ;;
                *) echo "$fault $k gives $status: $(<said)"; return 1 ;;
            esac
            [ $status = 0 ] || [ "$(wc -l <said)" = 1 ]
            [ $status = 0 ] && [ ! -e s.lmdb/.ingest ] || $work --shard 1/2 -o s.lmdb
            result s.lmdb >got
            cmp want got || { echo "$fault $k"; diff want got; return 1; }
        done
        [ $k -gt 3 ]
    done
}

@test "without locks of the system files are the locks, of shares too" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has to be loaded first"
    sentences
    bt-preprocess -q -t --per-shard 10 --max-rejects 50 s.jsonl -o one.lmdb
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults together 3 s.lmdb
    diff <(result one.lmdb) <(result s.lmdb)
}

# ---- where and how shards are made ----

contents() { jq -c '[.complete, .shards[].content]' "$1/bt-dataset.json"; }

# A run of two shards, killed once it has committed 1000 inputs of the second.
killed_midway() {
    mkfifo pipe
    "$@" - <pipe & local pid=$!
    exec 7>pipe
    seq 2600 | sed 's/.*/{"id":"&","caption":"c &"}/' >&7
    for ((i = 0; i < 200; i++)); do
        ls s.lmdb/shard-000000.mdb && [ "$(stat -c %s work/*/shard-000001.* s.lmdb/.ingest/shard-000001.{part,nosync} | sort -n | tail -1)" -gt 100000 ] && break
        sleep 0.05
    done >/dev/null 2>&1
    kill -9 $pid
    exec 7>&-
    { wait $pid || true; } 2>/dev/null
    rm pipe
    seq 3000 | sed 's/.*/{"id":"&","caption":"c &"}/' >s.jsonl
}

@test "--work makes shards elsewhere, goes on with them there, and leaves nothing" {
    work="bt-preprocess -t -F jsonl --per-shard 1500"
    killed_midway $work --work work -o s.lmdb 2>/dev/null
    [ -e work/s.lmdb.*/shard-000001.part ] && [ ! -e s.lmdb/.ingest/shard-000001.part ]
    cp -r s.lmdb other.lmdb                                     # a machine that has another disk
    $work --work work -o s.lmdb - <s.jsonl 2>said
    grep -q '2,500 of them were safe' said
    [ -z "$(ls work)" ]
    $work -q -o one.lmdb s.jsonl
    [ "$(contents s.lmdb)" = "$(contents one.lmdb)" ]
    $work --work disk2 -o other.lmdb - <s.jsonl 2>said
    grep -q '1,500 of them were safe' said
    [ "$(contents other.lmdb)" = "$(contents one.lmdb)" ]
    run -64 --separate-stderr $work --work work -o s.bt s.jsonl
    [[ "$stderr" == *"--work and --no-sync are for sets"*"[E_USAGE]" ]]
}

@test "--no-sync: what was not finished is thrown away, what was is kept" {
    work="bt-preprocess -t -F jsonl --per-shard 1500"
    killed_midway $work --no-sync -o s.lmdb 2>/dev/null
    [ -e s.lmdb/.ingest/shard-000001.nosync ]
    $work -o s.lmdb - <s.jsonl 2>said
    grep -q '1,500 of them were safe' said
    [ ! -e s.lmdb/.ingest ]
    $work -q --no-sync -o one.lmdb s.jsonl
    [ "$(contents s.lmdb)" = "$(contents one.lmdb)" ]
    rm -rf s.lmdb
    killed_midway $work -o s.lmdb 2>/dev/null                   # what was begun with the disk goes on with it
    $work --no-sync -o s.lmdb - <s.jsonl 2>said
    grep -q '2,500 of them were safe' said
    [ "$(contents s.lmdb)" = "$(contents one.lmdb)" ]
}
