#!/usr/bin/env bats
# Sets of shards under bad conditions: failing disks and memory, damage, other writers, readers without rights.

bats_require_minimum_version 1.5.0
cat=$BT_BUILD/bin/bt-cat
faults=$BT_BUILD/tests/faults/faults.so

setup() {
    cd "$BATS_TEST_TMPDIR"
    for i in $(seq 7); do
        echo "{\"id\":\"$i\",\"text\":\"number $i\"}"
    done | "$cat" --from=json -o seven.bt
}

teardown() {
    [ -z "$memory" ] || rm -rf "$memory"
    [ -z "$mounted" ] || umount "$mounted"
}

# The content of every shard of a set.
contents() {
    local text
    text=$(<"$1/bt-dataset.json")
    while [[ $text =~ \"content\":\ (\"[0-9a-f]+\")(.*) ]]; do
        echo "${BASH_REMATCH[1]}"
        text=${BASH_REMATCH[2]}
    done
}

# Where nothing waits for a disk.
to_memory() {
    [ -w /dev/shm ] || return 0
    memory=$(mktemp -d /dev/shm/bt-shards.XXXXXX)
    cp seven.bt "$memory"
    cd "$memory"
}

# Lets the first, second, ... call of a kind fail, until the run has no more of them. Each time: an exit status of
# those given, one line that names a path in the set, nothing that passes for whole, and the same command mends it.
every_call_fails() {
    local call=$1 error=$2 statuses=$3 per_shard=$4 k status text want
    to_memory
    "$cat" --per-shard "$per_shard" -o want.lmdb seven.bt
    want=$(contents want.lmdb)
    for ((k = 1; k < 5000; k++)); do
        rm -rf fired x.lmdb
        status=0
        BT_FAULT_MARK=fired BT_FAULT=$call:$k$error LD_PRELOAD=$faults \
            "$cat" --per-shard "$per_shard" -o x.lmdb seven.bt 2>said || status=$?
        [ -e fired ] || break
        text=$(<said)
        [[ " $statuses 0 " == *" $status "* && "$text" != *$'\n'* ]] &&
            [[ $status == 0 || $text == "bt-cat: "*"x.lmdb"* || $text == "bt-cat: "*"[E_MEMORY]" ]] ||
            { echo "$call:$k$error gives $status: $text"; return 1; }
        if [ "$status" != 0 ]; then
            [ ! -e x.lmdb/bt-dataset.json ] || "$cat" --allow-partial --check x.lmdb >said ||
                { echo "$call:$k$error leaves $(<said)"; return 1; }
            "$cat" --per-shard "$per_shard" -o x.lmdb seven.bt
            [ ! -e x.lmdb/.ingest ]
        fi
        [ "$(contents x.lmdb)" = "$want" ]
    done
    [ "$k" -gt 3 ]
}

under_faults() {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"
    every_call_fails "$@"
}

@test "every write fails once: a full disk" {
    under_faults write :ENOSPC "73 74" 3
}

@test "every write fails once: a broken disk" {
    under_faults write :EIO "73 74" 3
}

@test "every fsync fails once" {
    under_faults fsync :EIO "74" 3
}

@test "every rename fails once" {
    under_faults rename :EIO "73 74" 3
}

@test "every allocation fails once in a writer" {
    under_faults malloc "" "71" 7
}

@test "every read and every allocation fails once in a reader" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"
    to_memory
    "$cat" --per-shard 4 -o x.lmdb seven.bt
    "$cat" --prov=none x.lmdb >want
    for fault in read:EIO malloc; do
        for ((k = 1; k < 5000; k++)); do
            rm -f fired
            status=0
            BT_FAULT_MARK=fired BT_FAULT=${fault%%:*}:$k${fault#"${fault%%:*}"} LD_PRELOAD=$faults \
                "$cat" --prov=none x.lmdb >got 2>said || status=$?
            [ -e fired ] || break
            case $fault:$status in
                *:0) cmp got want ;;
                read*:74 | malloc*:71) [ "$(wc -l <said)" = 1 ] ;;
                *) echo "$fault $k gives $status"; cat said; return 1 ;;
            esac
        done
        [ "$k" -gt 3 ]
    done
}

@test "a disk that is too small, and then is not" {
    mkdir small
    mount -t tmpfs -o size=4m tmpfs small 2>/dev/null || skip "may not mount"
    mounted=$PWD/small
    for i in $(seq 50); do
        printf '{"id":"%d","image":{"$bin":"%s"}}\n' "$i" "$(head -c 150000 /dev/urandom | base64 -w0)"
    done | "$cat" --from=json -o big.bt
    "$cat" --per-shard 10 -o want.lmdb big.bt
    run -74 --separate-stderr "$cat" --per-shard 10 -o small/s.lmdb big.bt
    [[ "$stderr" == *"No space left on device ("*" MiB free,"*" records are safe [E_NOSPACE]" ]] ||
        [[ "$stderr" == *"Input/output error ("*" MiB free,"*" records are safe [E_NOSPACE]" ]]
    mount -o remount,size=64m small
    "$cat" --per-shard 10 -o small/s.lmdb big.bt
    [ "$(contents small/s.lmdb)" = "$(contents want.lmdb)" ]
}

@test "a read-only file system serves readers" {
    mkdir fixed
    mount -t tmpfs tmpfs fixed 2>/dev/null || skip "may not mount"
    mounted=$PWD/fixed
    "$cat" --per-shard 3 -o fixed/x.lmdb seven.bt
    mount -o remount,ro fixed
    run -0 "$cat" --check fixed/x.lmdb
    [ "$output" = "fixed/x.lmdb: good, 7 records" ]
    run -73 --separate-stderr "$cat" -o fixed/y.lmdb seven.bt
}

@test "two writers: the second is told who the first is" {
    mkfifo pipe
    "$cat" -o x.lmdb pipe & first=$!
    exec 7>pipe
    cat seven.bt >&7
    for ((i = 0; i < 100; i++)); do [ ! -s x.lmdb/.ingest/lock-0 ] || break; sleep 0.05; done
    run -73 --separate-stderr "$cat" -o x.lmdb seven.bt
    [[ "$stderr" == "bt-cat: x.lmdb: being written by $(hostname) pid $first; wait, or if that process is gone use --break-lock [E_LOCKED]" ]]
    exec 7>&-
    wait "$first"
    run -0 "$cat" --check x.lmdb
}

@test "without locks of the system a file is the lock, and outlives its writer until it is broken" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has to be loaded first"
    mkfifo pipe
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults "$cat" -o x.lmdb pipe & first=$!
    exec 7>pipe
    cat seven.bt >&7
    for ((i = 0; i < 100; i++)); do [ ! -s x.lmdb/.ingest/lock-0.held ] || break; sleep 0.05; done
    kill -9 "$first"
    exec 7>&-
    wait "$first" || true
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults run -73 --separate-stderr "$cat" -o x.lmdb seven.bt
    [[ "$stderr" == *"being written by $(hostname) pid $first;"*"[E_LOCKED]" ]]
    # from a pipe too: the first writer may or may not have noted by then what it reads
    BT_FAULT=fcntl:1:ENOLCK LD_PRELOAD=$faults "$cat" --break-lock -o x.lmdb - <seven.bt
    run -0 "$cat" --count x.lmdb
    [ "$output" = 7 ]
}

@test "check looks at all of a set" {
    "$cat" --per-shard 3 -o x.lmdb seven.bt
    cp -r x.lmdb y.lmdb
    run -0 "$cat" --check x.lmdb x.lmdb/shard-000002.mdb
    [ "${lines[1]}" = "x.lmdb/shard-000002.mdb: good, 1 records" ]
    chmod u+w y.lmdb/*.mdb
    printf '\7' | dd of=y.lmdb/shard-000001.mdb bs=1 seek=33 conv=notrunc status=none     # nobody reads this byte
    run -0 "$cat" --count y.lmdb
    run -1 "$cat" --check y.lmdb
    [[ "$output" == "y.lmdb: damaged: "*"shard-000001.mdb: sha256 differs from its manifest;"* ]]
    cp x.lmdb/shard-000000.mdb y.lmdb/shard-000001.mdb                                    # of the same size
    run -65 --separate-stderr "$cat" --count y.lmdb
    [[ "$stderr" == *"holds other records than its manifest says"* ]]
    cp x.lmdb/shard-000000.mdb y.lmdb/a.part
    mkdir z.lmdb
    run -65 --separate-stderr "$cat" --check z.lmdb || run -1 "$cat" --check z.lmdb
}

@test "repair keeps what is whole, says what is lost, and does not pass for whole" {
    "$cat" --per-shard 3 -o x.lmdb seven.bt
    chmod u+w x.lmdb/*.mdb
    at=$(grep -abo 'number 5' x.lmdb/shard-000001.mdb | cut -d: -f1)
    printf X | dd of=x.lmdb/shard-000001.mdb bs=1 seek="$at" conv=notrunc status=none
    run -65 --separate-stderr "$cat" -o y.bt x.lmdb
    run -0 --separate-stderr "$cat" --repair -o y.bt x.lmdb
    [ "$stderr" = "bt-cat: warning: x.lmdb/shard-000001.mdb: 2 records kept, 1 lost: 1" ]
    run -65 --separate-stderr "$cat" --count y.bt
    run -0 "$cat" --allow-partial --field id y.bt
    [ "$output" = $'"1"\n"2"\n"3"\n"4"\n"6"\n"7"' ]
    "$cat" --repair --per-shard 3 -o y.lmdb x.lmdb 2>said
    run -65 --separate-stderr "$cat" --count y.lmdb
    [[ "$stderr" == *"[E_BT_PARTIAL]" ]]
    "$cat" --repair --per-shard 3 -o y.lmdb x.lmdb 2>said       # the same command again changes nothing
    for derived in z.lmdb z.bt; do                              # nor does what is made of it
        "$cat" --allow-partial -o $derived y.lmdb
        run -65 --separate-stderr "$cat" --count $derived
        [[ "$stderr" == *"[E_BT_PARTIAL]" ]]
        run -0 "$cat" --allow-partial --count $derived
        [ "$output" = 6 ]
    done
    mkdir bert
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' number >bert/vocab.txt
    for derived in t.lmdb t.bt; do
        "$BT_BUILD/bin/bt-tokenize" -q --allow-partial -t bert=bert -i y.lmdb -o $derived
        run -65 --separate-stderr "$cat" --count $derived
        [[ "$stderr" == *"[E_BT_PARTIAL]" ]]
    done
    "$cat" y.lmdb/shard-000000.mdb -o one.bt                    # a shard of it is whole in itself
    "$cat" --check one.bt
}

@test "repair of a set that was never finished, of one shard, of a cut one" {
    head -c $(($(stat -c %s seven.bt) - 70)) seven.bt >cut.bt
    run -65 --separate-stderr "$cat" --per-shard 3 -o x.lmdb cut.bt
    run -0 --separate-stderr "$cat" --repair -o y.bt x.lmdb
    run -0 "$cat" --allow-partial --count y.bt
    [ "$output" -ge 6 ]
    "$cat" --repair --force -o y.bt x.lmdb/shard-000001.mdb
    run -0 "$cat" --count y.bt
    [ "$output" = 3 ]
    head -c 8192 x.lmdb/shard-000001.mdb >x.mdb
    run -65 --separate-stderr "$cat" --repair --force -o y.bt x.mdb
    [[ "$stderr" == *"no header is left"*"[E_SHARD]" ]]
}

@test "a set is not its own input" {
    "$cat" --per-shard 3 -o x.lmdb seven.bt
    run -64 --separate-stderr "$cat" --force -o x.lmdb x.lmdb
    [[ "$stderr" == *"[E_SAME_FILE]" ]]
    run -0 "$cat" --check x.lmdb
}

@test "a shard over its limit" {
    run -74 --separate-stderr "$cat" --max-shard 16K -o x.lmdb seven.bt
    [[ "$stderr" == *"--max-shard [E_LMDB_FULL]" ]]
    "$cat" --max-shard 1M -o x.lmdb seven.bt
}
