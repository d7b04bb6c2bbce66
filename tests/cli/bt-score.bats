#!/usr/bin/env bats
# bt-score: captions and answers against references, in files and in streams.

bats_require_minimum_version 1.5.0
score=$BT_BUILD/bin/bt-score
cat=$BT_BUILD/bin/bt-cat

# The field cases' caps-3: the results are the first reference of each image.
setup() {
    cd "$BATS_TEST_TMPDIR"
    cat >refs.json <<'END'
{"images": [{"id": 1}, {"id": 2}, {"id": 3}], "annotations": [
 {"id": 1, "image_id": 1, "caption": "a red bus on the street"}, {"id": 2, "image_id": 1, "caption": "the bus is red"},
 {"id": 3, "image_id": 2, "caption": "two dogs play in snow"}, {"id": 4, "image_id": 2, "caption": "dogs in the snow"},
 {"id": 5, "image_id": 3, "caption": "a man holds a kite"}, {"id": 6, "image_id": 3, "caption": "a person with a kite"}]}
END
    cat >results.json <<'END'
[{"image_id": 3, "caption": "a man holds a kite"}, {"image_id": 1, "caption": "a red bus on the street"},
 {"image_id": 2, "caption": "two dogs play in snow"}]
END
}

# annotation ID "ANSWER*COUNT ANSWER*COUNT": one VQA annotation; an underscore in an answer is a space.
annotation() {
    local id=0 answers= pair n
    for pair in $2; do
        for ((n = 0; n < ${pair#*\*}; n++)); do
            id=$((id + 1))
            answers+="${answers:+, }{\"answer_id\": $id, \"answer\": \"$(tr _ ' ' <<<"${pair%\**}")\"}"
        done
    done
    echo "{\"question_id\": $1, \"question_type\": \"what\", \"answer_type\": \"other\", \"answers\": [$answers]}"
}

# vqa ANSWERS PREDICTION [OPTION]...: the accuracy of one question.
vqa() {
    echo "{\"annotations\": [$(annotation 1 "$1")]}" >a.json
    echo "[{\"question_id\": 1, \"answer\": \"$2\"}]" >r.json
    echo '{"task_type": "Open-Ended", "questions": [{"question_id": 1, "question": "what?"}]}' >q.json
    "$score" vqa --json --questions q.json --annotations a.json r.json "${@:3}" | jq .overall
}

# refused STATUS TEXT COMMAND...: the command fails so, with one line that holds the text.
refused() {
    run -"$1" --separate-stderr "${@:3}"
    [ "$output" = "" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == *"$2"* ]] || { echo "stderr: $stderr"; false; }
}

@test "the table has every metric and ends with the signature" {
    run -0 --separate-stderr "$score" caption --refs refs.json results.json
    [ "${lines[0]}" = "metric           value" ]
    [ "${lines[1]}" = "Bleu_1           1.000" ]
    [ "${lines[4]}" = "Bleu_4           1.000" ]
    [ "${lines[5]}" = "ROUGE_L          1.000" ]
    [ "${lines[6]}" = "CIDEr            5.827" ]
    [ "${lines[7]}" = "exact            1.000" ]
    [[ ${lines[8]} =~ ^'bt-score|metric:BLEU+ROUGE+CIDEr|tok:ptb|refs:2|n:3|data:'[0-9a-f]{16}'|v:' ]]
    [ "$stderr" = "" ]
}

@test "--json has all digits under the official names" {
    "$score" caption --json --refs refs.json results.json >out.json
    [ "$(jq -r keys_unsorted[] out.json | tr '\n' ' ')" = "Bleu_1 Bleu_2 Bleu_3 Bleu_4 ROUGE_L CIDEr exact images signature " ]
    jq -e '(.CIDEr - 5.8270787740 | fabs) < 1e-9 and .images == 3' out.json
}

@test "punctuation does not count, but with --tokenizer words" {
    sed 's/a red bus on the street"/A red bus, on the street."/' results.json >other.json
    "$score" caption --json --refs refs.json other.json | jq -e '.exact == 1 and (.signature | contains("|tok:ptb|"))'
    "$score" caption --json --refs refs.json --tokenizer words other.json |
        jq -e '.exact < 1 and (.signature | contains("|tok:words|"))'
    refused 64 "--tokenizer" "$score" vqa --refs refs.json --tokenizer ptb results.json
    refused 64 "--tokenizer" "$score" caption --refs refs.json --tokenizer spaces results.json
}

@test "results come from a file, from stdin and from a pipe" {
    "$score" caption --refs refs.json results.json >one
    "$score" caption --refs refs.json <results.json >two
    cat results.json | "$score" caption --refs refs.json - >three
    cmp one two
    cmp one three
}

@test "C59: the locale changes nothing" {
    sed -i 's/a red bus on the street"}/TITLE I red bus"}/' refs.json
    for locale in C it_IT.UTF-8 de_DE.UTF-8 tr_TR.UTF-8; do
        { LC_ALL=$locale "$score" caption --refs refs.json --worst 3 results.json
          LC_ALL=$locale "$score" caption --refs refs.json --json results.json
          LC_ALL=$locale vqa 'title*9 TITLE*1' TITLE; } | sha256sum
    done >sums
    [ "$(wc -l <sums)" = 4 ]
    [ "$(sort -u sums | wc -l)" = 1 ]
}

@test "C60: what is wrong with empty input is said in one line each" {
    echo '[]' >none.json
    echo '{}' >object.json
    : >empty.json
    echo '[{"image_id": 1}]' >bare.json
    echo '[{"image_id": 1, "caption": "a bus"}]' >one.json
    echo '{"images": [{"id": 1}], "annotations": []}' >norefs.json
    refused 65 "none.json: no results" "$score" caption --refs refs.json none.json
    refused 65 "object.json: not an array" "$score" caption --refs refs.json object.json
    refused 65 "empty.json: empty file" "$score" caption --refs refs.json empty.json
    refused 65 "bare.json: record 1: no caption" "$score" caption --refs refs.json bare.json
    refused 65 "1 image without references (1)" "$score" caption --refs norefs.json one.json
    refused 65 "empty.json: empty file" "$score" caption --refs empty.json results.json
    refused 65 "stdin: empty file" "$score" caption --refs refs.json <empty.json
    refused 65 "none.json: no results" "$score" vqa --refs <(echo "{\"annotations\": [$(annotation 1 'a*3')]}") none.json
}

@test "missing, unknown and repeated ids are counted, with examples" {
    jq -c 'map(select(.image_id != 2))' results.json >missing.json
    refused 65 "1 image without a result (2); give --subset" "$score" caption --refs refs.json missing.json
    jq -c '. + [{image_id: 9, caption: "x"}]' results.json >unknown.json
    refused 65 "1 image with a result but without references (9)" "$score" caption --refs refs.json unknown.json
    jq -c 'map(.image_id |= tostring)' results.json >strings.json
    refused 65 "ids match by type too" "$score" caption --refs refs.json strings.json
    jq -c '. + [{image_id: 1, caption: "x"}]' results.json >twice.json
    refused 65 "1 image with more than one result (1)" "$score" caption --refs refs.json twice.json
}

@test "--subset and --duplicates settle it, and say so" {
    jq -c 'map(select(.image_id != 2))' results.json >missing.json
    run -0 --separate-stderr "$score" caption --subset --refs refs.json missing.json
    [[ $stderr == *"1 of 3 images have no result"* ]]
    [[ $output == *"|subset|n:2|"* ]]
    jq -c '. + [{image_id: 1, caption: "x"}]' results.json >twice.json
    run -0 --separate-stderr "$score" caption --duplicates first --json --refs refs.json twice.json
    [[ $stderr == *"1 image with more than one result (1); the first one counts"* ]]
    jq -e '.exact == 1 and (.signature | contains("|dup:first|"))' <<<"$output"
    run -0 --separate-stderr "$score" caption --duplicates last --json --refs refs.json twice.json
    jq -e '.exact < 1' <<<"$output"
}

@test "--worst shows the lowest first, and cannot steer a terminal" {
    jq -c 'map(if .image_id == 2 then .caption = "a\u001b[31m cat" else . end)' results.json >other.json
    run -0 --separate-stderr "$score" caption --worst 1 --refs refs.json other.json
    [[ $output == *"   0.000  image_id 2"* ]]
    [[ $output == *'caption: a\x1b[31m cat'* ]]
    [[ $output != *$'\e'* ]]
    run -0 --separate-stderr "$score" caption --worst 1 --json --refs refs.json other.json
    jq -e '.worst[0].image_id == 2 and (.worst[0].references | length) == 2' <<<"$output"
}

@test "--per-item writes a whole stream, once" {
    "$score" caption --refs refs.json --per-item items.bt results.json
    "$cat" --check items.bt
    "$cat" --to=json items.bt | jq -c 'select(.type == "record") | [.id, .image_id, .ROUGE_L == 1, .exact == 1]' >items
    printf '%s\n' '["1",1,true,true]' '["2",2,true,true]' '["3",3,true,true]' >want
    diff want items
    refused 64 "items.bt" "$score" caption --refs refs.json --per-item items.bt results.json
    "$score" caption --refs refs.json --per-item items.bt --force results.json
}

@test "prediction records bring their references, or take others" {
    printf '%s\n' '{"id":"a","image_id":1,"caption":"a red bus on the street","captions":["a red bus on the street","the bus is red"]}' \
        '{"id":"b","image_id":2,"caption":"two dogs play in snow","captions":["two dogs play in snow","dogs in the snow"]}' \
        '{"id":"c","image_id":3,"caption":"a man holds a kite","captions":["a man holds a kite","a person with a kite"]}' |
        "$cat" --from=json --schema bt.prediction/1 >predictions.bt
    "$score" caption --refs refs.json results.json >want
    "$score" caption <predictions.bt | diff want -
    "$score" caption --refs predictions.bt results.json | diff want -
    "$score" caption --refs refs.json predictions.bt | diff want -
    head -c 200 predictions.bt >cut.bt
    refused 65 "E_BT_TRUNC" "$score" caption cut.bt
}

@test "C63: a rare answer gets its share" {
    [ "$(vqa 'none*1 yes*9' none)" = 30 ]
    [ "$(vqa '2*5 two*5' two)" = 100 ]
    [ "$(vqa 't-shirt*6 shirt*4' 't shirt')" = 100 ]
    [ "$(vqa 't-shirt*6 shirt*4' tshirt)" = 0 ]
    [ "$(vqa 'none*1 yes*9' none --variant lavis)" = 0 ]
}

@test "C65: cleaning depends on the annotators, and the variant is in the signature" {
    [ "$(vqa 'black*10' Black.)" = 0 ]
    [ "$(vqa 'black*9 dark*1' Black.)" = 100 ]
    [ "$(vqa 'red_blue*6 x*4' 'red\nblue')" = 100 ]
    [ "$(vqa 'black*10' Black. --variant lavis)" = 100 ]
    "$score" vqa --refs a.json r.json --variant lavis | grep -F '|metric:VQA|variant:lavis|answers:10|n:1|'
    "$score" vqa --refs a.json r.json | grep -F '|variant:official|'
}

@test "VQA: overall, by answer type, by question type, with counts" {
    echo "{\"annotations\": [$(annotation 1 'red*3'), $(annotation 2 'blue*3' | sed 's/"what"/"how many"/; s/other/number/')]}" >a.json
    echo '[{"question_id": 2, "answer": "blue"}, {"question_id": 1, "answer": "green"}]' >r.json
    run -0 --separate-stderr "$score" vqa --refs a.json r.json --worst 1
    [ "${lines[0]}" = "accuracy         value  questions" ]
    [ "${lines[1]}" = "overall          33.33          2" ]
    [ "${lines[2]}" = "answer type" ]
    [ "${lines[3]}" = "other             0.00          1" ]
    [ "${lines[4]}" = "number           66.67          1" ]
    [ "${lines[5]}" = "question type" ]
    [ "${lines[7]}" = "how many         66.67          1" ]
    [[ $output == *"question_id 1"*"answer: green"*"reference: red"* ]]
}

@test "VQA: the last of several results counts; a set that differs is refused" {
    echo "{\"annotations\": [$(annotation 1 'red*9 blue*1')]}" >a.json
    echo '[{"question_id": 1, "answer": "green"}, {"question_id": 1, "answer": "red"}]' >r.json
    run -0 --separate-stderr "$score" vqa --json --refs a.json r.json
    [ "$(jq .overall <<<"$output")" = 100 ]
    [[ $stderr == *"1 question with more than one result (1); the last one counts"* ]]
    echo '[{"question_id": "1", "answer": "red"}]' >r.json
    refused 65 "ids match by type too" "$score" vqa --refs a.json r.json
}

@test "usage" {
    refused 64 "--variant" "$score" caption --variant lavis --refs refs.json results.json
    refused 64 "--refs" "$score" caption results.json
    refused 64 "gqa" "$score" gqa results.json
    refused 64 "stdin" "$score" caption --refs - -
    refused 64 "2 files" "$score" caption results.json results.json
    refused 64 "--per-item" "$score" caption --refs refs.json --per-item - results.json
    refused 66 "absent.json" "$score" caption --refs absent.json results.json
}

@test "a full or closed stdout is an error" {
    run ! bash -c '"$0" caption --refs refs.json results.json >/dev/full' "$score"
    run ! bash -c '"$0" caption --refs refs.json results.json >&-' "$score"
}
