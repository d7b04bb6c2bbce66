#!/usr/bin/env bats
# emoji-scenes: the demonstration's data. One small set is made for all tests, a second one to compare.

bats_require_minimum_version 1.5.0
emoji=$BT_BUILD/bin/emoji-scenes

make_set() {
    "$emoji" --output "$1" --train 40 --val 20 --test 20 --documents 200 --quiet --progress none "${@:2}"
}

setup_file() {
    # What fontconfig keeps until the end is its own, should this be a sanitizer's build.
    echo 'leak:libfontconfig' >"$BATS_FILE_TMPDIR/lsan"
    export LSAN_OPTIONS=suppressions=$BATS_FILE_TMPDIR/lsan:print_suppressions=0
    export SET=$BATS_FILE_TMPDIR/set
    make_set "$SET"
}

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "equal options give equal bytes, whatever the number of threads" {
    make_set again --threads 1
    diff -r "$SET" again
    make_set other --seed 3
    run ! cmp -s "$SET/captions_train.json" other/captions_train.json
    cmp "$SET/captions_test.json" other/captions_test.json
    make_set other2 --test-seed 3
    run ! cmp -s "$SET/captions_test.json" other2/captions_test.json
    cmp "$SET/captions_train.json" other2/captions_train.json
}

@test "a set that is there is left alone, or built again with --force" {
    cp -r "$SET" set
    touch -d '2001-01-01' set/MANIFEST
    run "$emoji" -o set/ --train 40 --val 20 --test 20 --documents 200
    [ "$status" = 0 ]
    [[ $output == "emoji-scenes: set: is there and complete; --force builds it again" ]]
    [ "$(stat -c %Y set/MANIFEST)" = "$(date -d 2001-01-01 +%s)" ]
    make_set set --force
    [ "$(stat -c %Y set/MANIFEST)" != "$(date -d 2001-01-01 +%s)" ]
    diff -r "$SET" set
    [ ! -e set.partial ]
}

@test "a set with other options is replaced only with --force" {
    cp -r "$SET" set
    run make_set set --seed 3
    [ "$status" = 64 ]
    [[ $output == *"set: is there, made with other options; --force replaces it [E_EXISTS]" ]]
    diff -r "$SET" set
    make_set set --seed 3 --force
    run ! cmp -s "$SET/captions_train.json" set/captions_train.json
}

@test "a folder of someone else is never touched" {
    mkdir mine && echo precious >mine/MANIFEST
    for option in --quiet --force; do
        run make_set mine $option
        [ "$status" = 64 ]
        [[ $output == *"E_EXISTS"* ]]
        [ "$(cat mine/MANIFEST)" = precious ]
    done
    rm mine/MANIFEST && echo precious >mine/file
    run make_set mine --force
    [ "$status" = 64 ]
    [ "$(cat mine/file)" = precious ]
}

@test "what an interrupted run left is built anew" {
    mkdir -p set.partial/images/train && echo half >set.partial/images/train/000001.jpg
    make_set set
    diff -r "$SET" set
}

@test "the manifest tells the files, their sizes and sums" {
    cd "$SET"
    tail -n +2 MANIFEST | grep -v '^images ' | while read -r name size sum; do
        [ "$(stat -c %s "$name")" = "$size" ]
        [ "$(sha256sum <"$name")" = "$sum  -" ]
    done
    [ "$(tail -n +2 MANIFEST | wc -l)" = "$(($(ls | wc -l) - 1))" ]
    sums=$(cat images/train/*.jpg | wc -c)
    sums=$((sums + $(cat images/val/*.jpg | wc -c) + $(cat images/test/*.jpg | wc -c)))
    grep -q "^images $sums " MANIFEST
}

@test "every file is JSON in the published layout and points to pictures" {
    cd "$SET"
    for split in train val test; do
        jq -e --arg split $split '
            (.images | map(.id)) as $ids | ($ids | length) as $n | ($ids | unique | length) == $n and
            (.annotations | length) == 5 * $n and
            (.annotations | group_by(.image_id) | map(length) | unique) == [5] and
            (.annotations | map(.image_id) | unique) == ($ids | sort) and
            (.images | map(.file_name | startswith($split + "/")) | all)' captions_$split.json
        for name in $(jq -r '.images[].file_name' captions_$split.json); do
            [ "$(head -c 3 "images/$name" | od -An -tx1)" = " ff d8 ff" ]
            [ "$(tail -c 2 "images/$name" | od -An -tx1)" = " ff d9" ]
        done
        jq -e --slurpfile a annotations_$split.json --slurpfile g gqa_$split.json '
            .task_type == "Open-Ended" and
            (.questions | map(.question_id)) == ($a[0].annotations | map(.question_id)) and
            (.questions | map(.question_id | tostring) | sort) == ($g[0] | keys) and
            ($a[0].annotations | map(.answers | length) | unique) == [10] and
            ($a[0].annotations | map(.answer_type) | unique) == ["number", "other", "yes/no"] and
            ($a[0].annotations | map(. as $q | .answers | map(select(.answer == $q.multiple_choice_answer)) |
                length) | min) >= 7' questions_$split.json
        jq -e -s 'length > 0 and (map(.key and .type) | all)' scenes_$split.jsonl
    done
    jq -e -s 'length == 200 and (map(.text | length > 0) | all)' documents_train.jsonl
    jq -e -s --slurpfile q questions_test.json 'map(.question_id) == ($q[0].questions | map(.question_id))' \
        text_qa_test.jsonl
}

# The rule, computed here from the key alone.
split_of() {
    hex=$(printf %s "$1" | sha256sum)
    h=$((0x${hex:6:2}${hex:4:2}${hex:2:2}${hex:0:2}))
    if [ $((h % 6)) != 0 ]; then echo train; elif [ $((h / 6 % 3)) = 0 ]; then echo val; else echo test; fi
}

@test "no combination is in two splits, and each is where its hash puts it" {
    cd "$SET"
    for split in train val test; do
        jq -r .key scenes_$split.jsonl | sort -u >"$BATS_TEST_TMPDIR/$split"
        while read -r key; do
            [ "$(split_of "$key")" = "$split" ]
        done <"$BATS_TEST_TMPDIR/$split"
    done
    cd "$BATS_TEST_TMPDIR"
    [ -s train ] && [ -s val ] && [ -s test ]
    [ -z "$(sort train val test | uniq -d)" ]
}

@test "no sentence of a document tells a held-out combination" {
    cd "$SET"
    jq -r '.annotations[].caption' captions_val.json captions_test.json | sort -u \
        >"$BATS_TEST_TMPDIR/held_out"
    sort -u sentences_train.txt >"$BATS_TEST_TMPDIR/told"
    [ -s "$BATS_TEST_TMPDIR/told" ]
    [ -z "$(comm -12 "$BATS_TEST_TMPDIR/held_out" "$BATS_TEST_TMPDIR/told")" ]
}

@test "yes and no are equally frequent, in pictures and in documents" {
    cd "$SET"
    jq -e '[.annotations[] | select(.answer_type == "yes/no") | .multiple_choice_answer] |
           (map(select(. == "yes")) | length) as $yes | length > 40 and ($yes * 2 - length | fabs) <= 8' \
        annotations_train.json
    yes=$(grep -o 'Short answer: yes' documents_train.jsonl | wc -l)
    no=$(grep -o 'Short answer: no\b' documents_train.jsonl | wc -l)
    [ $((yes + no)) -gt 100 ]
    [ $((yes * 10)) -lt $((no * 12)) ] && [ $((no * 10)) -lt $((yes * 12)) ]
}

@test "the words are those of the captions, plurals under the label of the singular" {
    cd "$SET"
    run ! grep -qw 'background\|the\|left\|above' words.txt
    [ "$(grep -w two words.txt | wc -l)" = 1 ]
    awk '{ label[$1] = $2 }
         END { for (word in label) if ((word "s") in label) { n++; bad += label[word] != label[word "s"] }
               exit n == 0 || bad > 0 }' words.txt
    labels=$(cut -f2 words.txt | sort -un)
    [ "$labels" = "$(seq 0 $(($(wc -l <<<"$labels") - 1)))" ]
    jq -r '.annotations[].caption' captions_train.json | tr ' ' '\n' | sort -u \
        >"$BATS_TEST_TMPDIR/said"
    [ -z "$(cut -f1 words.txt | sort -u | comm -23 - "$BATS_TEST_TMPDIR/said")" ]
}

@test "missing packages are named" {
    run make_set set --share "$PWD/nowhere"
    [ "$status" = 66 ]
    [[ $output == *"emoji-test.txt: not found; install the package unicode-data [E_NOINPUT]" ]]
    [ ! -e set ]
    printf '<fontconfig></fontconfig>' >fonts.conf
    FONTCONFIG_FILE=$PWD/fonts.conf run make_set set
    [ "$status" = 66 ]
    [[ $output == *"install fonts-noto-color-emoji [E_NOINPUT]"* ]]
}

@test "numbers out of range are usage errors" {
    for option in "--train 0" "--test 1000000" "--threads 5000"; do
        run make_set set $option
        [ "$status" = 64 ]
        [ ! -e set ]
    done
    run "$emoji"
    [ "$status" = 64 ]
}
