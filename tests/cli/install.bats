#!/usr/bin/env bats
# make install and make uninstall, into a scratch DESTDIR. What is installed is the build under test.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/../..

do_make() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$root" -o all B="$BT_BUILD" DESTDIR="$DEST" PREFIX=/opt/bt "$@"
}

setup_file() {
    export DEST=$BATS_FILE_TMPDIR/dest
    do_make install
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    share=$DEST/opt/bt/share
}

tools() {
    (cd "$root/tools" && printf '%s\n' bt-*.c | sed 's/\.c$//')
}

@test "every file is there, and no other" {
    {
        tools | sed 's|^|bin/|'
        tools | sed 's|^|share/bash-completion/completions/|'
        (cd "$root/man" && printf '%s\n' bt-*) | sed 's|.*\.\(.\)$|share/man/man\1/&|'
        (cd "$root" && find pipelines -type f) | sed 's|^|share/bt/|'
        printf 'share/doc/bt/%s\n' CHANGELOG.md LICENSE README.md
    } | sort >want
    (cd "$DEST/opt/bt" && find . -type f | sed 's|^\./||' | sort) >got
    diff want got
    [ "$(wc -l <got)" -gt 30 ]
    [ -z "$(find "$DEST" -type f ! -path "$DEST/opt/bt/*")" ]
    (cd "$root" && find pipelines -type f) | while read -r file; do
        cmp "$root/$file" "$share/bt/$file"
    done
    for page in "$root"/man/bt-*; do
        cmp "$page" "$share/man/man${page##*.}/$(basename "$page")"
    done
}

@test "an installed tool runs" {
    for tool in $(tools); do
        run -0 "$DEST/opt/bt/bin/$tool" --version
        [[ $output == "$tool "* ]]
    done
    echo 'a red bus' >sentences.txt
    "$DEST/opt/bt/bin/bt-preprocess" -q sentences.txt | "$DEST/opt/bt/bin/bt-cat" --to=json | grep -q 'a red bus'
}

@test "an installed pipeline helps, and knows what to do" {
    for pipeline in "$share"/bt/pipelines/*.mk; do
        [ "$(basename "$pipeline")" = common.mk ] && continue
        run -0 make -s -f "$pipeline" help
        [[ ${lines[0]} == "$(basename "$pipeline"): "* ]]
        [[ $output == *"needs "*"makes "*"variables: "* ]]
    done
    mkdir -p data models/bert models/opt models/lm/final
    touch data/sentences_train.txt models/bert/vocab.txt models/opt/vocab.json models/model.json
    run -0 make -n -f "$share/bt/pipelines/stage0.mk" BIN="$DEST/opt/bt/bin"
    [[ $output == *"/bin/bt-preprocess data/sentences_train.txt"*"/bin/bt-train stage0 "* ]]
}

# What bash offers behind the words of $1, the last of which is begun.
complete_words() {
    bash -euo pipefail -c '
        source "$1/share/bash-completion/completions/${2%% *}"
        words=$2
        read -ra COMP_WORDS <<<"$words"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$words COMP_POINT=${#words} COMPREPLY=()
        function=$(complete -p "${words%% *}" | sed "s/.*-F \([^ ]*\) .*/\1/")
        "$function" "${words%% *}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true
        printf "%s\n" "${COMPREPLY[@]}"' - "$DEST/opt/bt" "$1"
}

@test "bash completes options, commands and values" {
    for tool in $(tools); do
        run -0 complete_words "$tool --ver"
        [ "$output" = --version ]
        run -0 complete_words "$tool --out"
        [[ $tool == bt-score || $output == --output ]]
    done
    run -0 complete_words "bt-train stage"
    [ "$(echo $output)" = "stage0 stage1 stage2" ]
    run -0 complete_words "bt-preprocess --format kar"
    [ "$output" = karpathy ]
}

@test "what was installed goes again, and what others put there stays" {
    cp -r "$DEST" copy
    echo mine >copy/opt/bt/bin/mine
    echo mine >copy/opt/bt/share/bt/pipelines/mine.mk
    DEST=$PWD/copy do_make uninstall
    [ "$(cd copy && find . -type f | sort | paste -sd' ')" = "./opt/bt/bin/mine ./opt/bt/share/bt/pipelines/mine.mk" ]
    [ ! -e copy/opt/bt/share/doc/bt ]
    rm copy/opt/bt/share/bt/pipelines/mine.mk
    DEST=$PWD/copy do_make uninstall
    [ ! -e copy/opt/bt/share/bt ]
}
