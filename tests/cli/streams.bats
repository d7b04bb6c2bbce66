#!/usr/bin/env bats
# Streams under bad conditions: failing disks and memory, killed writers, readers that leave, terminals, signals.

bats_require_minimum_version 1.5.0
cat=$BT_BUILD/bin/bt-cat
faults=$BT_BUILD/tests/faults/faults.so

setup() {
    PATH=$BT_BUILD/bin:$PATH
    cd "$BATS_TEST_TMPDIR"
    for i in $(seq 7); do
        echo "{\"id\":\"$i\",\"text\":\"number $i\"}"
    done | "$cat" --from=json -o seven.bt
    "$cat" -o want.bt seven.bt
    "$cat" -o want.bt.zst seven.bt
}

tools() { (cd "$BATS_TEST_DIRNAME/../../tools" && printf '%s\n' bt-*.c | sed 's/\.c$//'); }

leftovers() { find . -name '.bt-*.tmp'; }

# Lets the first, second, ... call of a kind fail, until the run has no more of them. Each time: the exit status, one line
# that names the output, nothing that bears its name, and the same command mends it.
every_call_fails() {
    local call=$1 error=$2 file=$3 k status text
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"
    for ((k = 1; k < 5000; k++)); do
        rm -f fired "$file"
        status=0
        BT_FAULT_MARK=fired BT_FAULT=$call:$k$error LD_PRELOAD=$faults "$cat" -o "$file" seven.bt 2>said || status=$?
        [ -e fired ] || break
        text=$(<said)
        case $call:$status in
            *:0) cmp "$file" "want.${file#x.}" && continue ;;
            malloc:71) [[ "$text" == "bt-cat: "*"[E_MEMORY]" ]] ;;
            *:7[34]) [[ "$text" == "bt-cat: $file: "* ]] ;;
            *) false ;;
        esac && [[ "$text" != *$'\n'* ]] && [ ! -e "$file" ] && [ -z "$(leftovers)" ] ||
            { echo "$call:$k$error gives $status: $text; $(ls -a)"; return 1; }
        "$cat" -o "$file" seven.bt
        cmp "$file" "want.${file#x.}"
    done
    [ -z "$4" ] || [ "$k" -gt "$4" ]
}

@test "every write fails once: a full disk, a broken disk" {
    for error in ENOSPC EIO; do
        every_call_fails write :$error x.bt 1
        every_call_fails write :$error x.bt.zst 1
    done
}

@test "every fsync and every rename fails once" {
    every_call_fails fsync :EIO x.bt 2
    every_call_fails rename :EIO x.bt 1
}

@test "every allocation fails once in a writer" {
    every_call_fails malloc "" x.bt 20
    every_call_fails malloc "" x.bt.zst 20
}

@test "every read and every allocation fails once in a reader" {
    [[ "$BT_BUILD" != *-address* ]] || skip "a sanitizer has its own memory"
    for file in seven.bt want.bt.zst; do
        "$cat" --prov=none $file >want
        for fault in read:EIO malloc; do
            for ((k = 1; k < 5000; k++)); do
                rm -f fired
                status=0
                BT_FAULT_MARK=fired BT_FAULT=${fault%%:*}:$k${fault#"${fault%%:*}"} LD_PRELOAD=$faults \
                    "$cat" --prov=none $file >got 2>said || status=$?
                [ -e fired ] || break
                case $fault:$status in
                    *:0) cmp got want ;;
                    read*:74 | malloc*:71) [ "$(wc -l <said)" = 1 ] && ! "$cat" --check got >checked ;;
                    *) false ;;
                esac || { echo "$fault $k gives $status: $(<said)"; return 1; }
            done
            [ "$k" -gt 1 ]
        done
    done
}

# KILLED=300 for a day's peace of mind.
@test "a writer that is killed leaves nothing that passes for whole, and the next run cleans up" {
    for i in $(seq 200); do
        printf '{"id":"%d","image":{"$bin":"%s"}}\n' "$i" "$(head -c 60000 /dev/urandom | base64 -w0)"
    done | "$cat" --from=json -o big.bt
    "$cat" -o want big.bt
    for i in $(seq "${KILLED:-30}"); do
        "$cat" -o killed.bt big.bt & writer=$!
        sleep "0.0$((RANDOM % 60))"
        kill -9 $writer 2>/dev/null || true
        wait $writer 2>/dev/null || true
        if [ -e killed.bt ]; then
            cmp killed.bt want
            rm killed.bt
        fi
        "$cat" big.bt >piped & writer=$!
        sleep "0.0$((RANDOM % 30))"
        kill -9 $writer 2>/dev/null || true
        if wait $writer 2>/dev/null; then cmp piped want; else "$cat" --check piped >said && cmp piped want || grep -q 'damaged' said; fi
    done
    "$cat" -o killed.bt big.bt
    cmp killed.bt want
    [ -z "$(leftovers)" ]
}

@test "every tool: --help to a full disk, and to nowhere, is a failure of one line" {
    for tool in $(tools); do
        run -74 --separate-stderr bash -c '"$1" --help >/dev/full' - $tool
        [[ "$stderr" == "$tool: stdout: No space left on device; see where it leads [E_NOSPACE]" ]]
        run -74 --separate-stderr bash -c '"$1" --version >&-' - $tool
        [[ "$stderr" == "$tool: stdout: is closed; leave it open, or send it to /dev/null [E_IO]" ]]
    done
}

@test "every tool that writes records: a full disk, a terminal" {
    mkdir pictures
    cp "$BATS_TEST_DIRNAME"/../golden/images/decode/jpeg_4*_q[3-9]*.jpg pictures
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' number 1 >vocab.txt
    for command in "bt-cat seven.bt" "bt-preprocess -q pictures" "bt-tokenize -q -t bert=vocab.txt -f text -i seven.bt"; do
        run -74 --separate-stderr bash -c '$1 >/dev/full' - "$command"
        [[ "$stderr" == "${command%% *}: "*": No space left on device"*"[E_NOSPACE]" && "$stderr" != *$'\n'* ]]
        command -v script >/dev/null || continue
        run -0 bash -c 'script -qec "$1; echo status \$?" /dev/null' - "$command"
        [[ "$output" == *"[E_TTY]"*"status 64"* ]]
    done
}

@test "a reader that leaves ends every tool in silence, with 141, and no temporary files" {
    mkdir pictures
    for i in $(seq 60); do cp "$BATS_TEST_DIRNAME/../golden/images/decode/jpeg_420_q95_33x17.jpg" pictures/$i.jpg 2>/dev/null ||
        cp "$(ls "$BATS_TEST_DIRNAME"/../golden/images/decode/jpeg_4*.jpg | head -1)" pictures/$i.jpg; done
    for i in $(seq 12); do cat seven.bt seven.bt >twice.bt; mv twice.bt seven.bt; done
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' number 1 >vocab.txt
    for command in "bt-cat seven.bt" "bt-cat --to=json seven.bt" "bt-cat --field text seven.bt" \
        "bt-tokenize -q -t bert=vocab.txt -f text -i seven.bt"; do
        run -0 --separate-stderr bash -c '$1 | head -c 1 >first; echo "${PIPESTATUS[0]}"' - "$command"
        [ "$output" = 141 ] && [ -z "$stderr" ]
        run -0 --separate-stderr bash -c 'trap "" PIPE; $1 | head -c 1 >first; echo "${PIPESTATUS[0]}"' - "$command"
        [ "$output" = 141 ] && [ -z "$stderr" ]
    done
    [ -z "$(leftovers)" ]
}

@test "SIGTERM stops a tool that waits, its output says so, and status is 75" {
    mkfifo pipe
    for command in "$cat pipe" "$cat -o out.bt pipe" "$cat --count pipe" "$cat --to=json pipe"; do
        $command >got 2>said & tool=$!
        exec 7>pipe
        head -c 150 seven.bt >&7
        sleep 0.3
        kill -TERM $tool
        status=0
        wait $tool || status=$?
        exec 7>&-
        [ "$status" = 75 ]
        [[ "$(<said)" == "bt-cat: "*"stopped on request"*"[E_STOPPED]" ]]
        [ ! -e out.bt ] && [ -z "$(leftovers)" ]
    done
}
