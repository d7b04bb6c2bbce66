#!/usr/bin/env bats
# bt-score: captions and answers against references, in files and in streams.

bats_require_minimum_version 1.5.0
score=$BT_BUILD/bin/bt-score
cat=$BT_BUILD/bin/bt-cat

# The field cases' caps-3: the results are the first reference of each image.
setup() {
    unset BT_METEOR
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
    [ "${lines[8]}" = "agg_metrics      6.827" ]
    [[ ${lines[9]} == "METEOR skipped: "* ]]
    [ "${lines[10]}" = "SPICE skipped: name its jar with --spice" ]
    [[ ${lines[11]} =~ ^'bt-score|metric:BLEU+ROUGE+CIDEr|tok:ptb|refs:2|n:3|data:'[0-9a-f]{16}'|v:' ]]
    [ "$stderr" = "" ]
}

@test "--json has all digits under the official names" {
    "$score" caption --json --refs refs.json results.json >out.json
    [ "$(jq -r keys_unsorted[] out.json | tr '\n' ' ')" = "Bleu_1 Bleu_2 Bleu_3 Bleu_4 ROUGE_L CIDEr exact agg_metrics images signature " ]
    jq -e '(.CIDEr - 5.8270787740 | fabs) < 1e-9 and .images == 3' out.json
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

@test "references: annotations before the images are the same; wrong types are named" {
    jq -c '{annotations, images}' refs.json >turned.json
    "$score" --json --refs turned.json results.json | diff - <("$score" --json --refs refs.json results.json)
    echo '[{"image_id": 1, "caption": "a bus"}]' >one.json
    wrong() { echo "$2" >b.json; refused 65 "$1" "$score" --refs b.json one.json; }
    wrong "b.json: annotations 1: caption is not a string" '{"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": 3}]}'
    wrong "b.json: annotations 1: no image_id" '{"images": [{"id": 1}], "annotations": [{"caption": "a"}]}'
    wrong "b.json: images 1: no id" '{"images": [{}], "annotations": []}'
    wrong "b.json: images 1: no id" '{"images": ["x"], "annotations": []}'
    wrong "b.json:1: '{' where an array" '{"images": {}, "annotations": []}'
    wrong "b.json:1: '{' where an array" '{"images": [{"id": 1}], "annotations": {}}'
    wrong "b.json: has no 'annotations'" '{"images": [{"id": 1}]}'
    wrong "b.json: has no 'images'" '{"annotations": [{"image_id": 1, "caption": "a bus"}]}'
    wrong "b.json: no images" '{"images": [], "annotations": []}'
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

@test "references from shards, and the preset that the records carry" {
    jq -c '.annotations | group_by(.image_id)[] | {id: (.[0].image_id | tostring), image_id: .[0].image_id, captions: map(.caption)}' refs.json |
        "$cat" --from=json --schema bt.sample/1 | "$cat" -o val.lmdb
    jq -c '.[] | . + {id: (.image_id | tostring), preset: "co co", preset_sha256: "0123456789abcdef"}' results.json |
        "$cat" --from=json --schema bt.prediction/1 | "$score" --refs val.lmdb --json >out.json
    jq -e '.exact == 1 and (.signature | contains("|preset:co?co:01234567|n:3|"))' out.json
    [ "$(jq .CIDEr out.json)" = "$("$score" --refs refs.json --json results.json | jq .CIDEr)" ]
    printf '%s\n' '{"id":"1","image_id":1,"caption":"a","captions":["a"],"preset":"x","preset_sha256":"0"}' \
        '{"id":"2","image_id":2,"caption":"a","captions":["a"],"preset":"y","preset_sha256":"0"}' |
        "$cat" --from=json --schema bt.prediction/1 | "$score" | grep -F '|preset:mixed|'
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

@test "VQA: wrong types and missing keys are named" {
    echo "{\"annotations\": [$(annotation 1 'red*3')]}" >a.json
    wrong() { echo "$2" >r.json; refused 65 "$1" "$score" vqa --refs a.json r.json; }
    wrong "r.json: record 1: answer is not a string" '[{"question_id": 1, "answer": 5}]'
    wrong "r.json: record 1: answer is not a string" '[{"question_id": 1, "answer": null}]'
    wrong "r.json: record 1: question_id is neither" '[{"question_id": 1.5, "answer": "red"}]'
    wrong "r.json: record 1: no question_id" '[{"answer": "red"}]'
    wrong "r.json: record 1: no question_id" '["red"]'
    wrong "r.json: record 1: no answer" '[{"question_id": 1}]'
    wrong "r.json:1: invalid token near 'NaN'" '[{"question_id": 1, "answer": NaN}]'
    wrong "r.json: not an array" '{"question_id": 1}'
    echo '[{"question_id": 1, "answer": "red"}]' >r.json
    wrong() { echo "$2" >b.json; refused 65 "$1" "$score" vqa --refs b.json r.json; }
    wrong "b.json: annotations 1: no answers" '{"annotations": [{"question_id": 1}]}'
    wrong "b.json: annotations 1: no answers" '{"annotations": [{"question_id": 1, "answers": "red"}]}'
    wrong "b.json: annotations 1: question_type is not a string" "{\"annotations\": [$(annotation 1 'red*3' | sed 's/"what"/3/')]}"
    wrong "b.json: no annotations" '{"annotations": []}'
    wrong "b.json: has no 'annotations'" '{"x": []}'
}

@test "VQA: A-OKVQA's and LAVIS's own files" {
    echo '[{"question_id": "q1", "direct_answers": ["dog", "dog", "cat"]}]' >aokvqa.json
    echo '[{"question_id": "q1", "answer": "dog"}]' >r.json
    "$score" vqa --variant aokvqa --refs aokvqa.json r.json --json | jq -e '(.overall - 200 / 3 | fabs) < 1e-9'
    echo '[{"question_id": "q1", "pred_ans": "dog", "gt_ans": ["dog", "dog", "dog"]}]' >own.json
    "$score" vqa --variant aokvqa own.json --json | jq -e '.overall == 100'
    echo '[{"question_id": "7", "answers": "dog"}]' >samples.json
    echo '[{"question_id": 7, "answer": "dog"}]' >r.json
    "$score" vqa --variant lavis --refs samples.json r.json --json | jq -e '.overall == 0'
}

# Two balanced questions, and one that is not and is entailed by the first.
gqa_files() {
    cat >q.json <<'END'
{"01": {"question": "what color is it", "imageId": "7", "answer": "t-shirt", "isBalanced": true, "groups": {"global": "g"},
  "entailed": ["03"], "types": {"structural": "query", "semantic": "attr", "detailed": "x"},
  "semantic": [{"operation": "select", "argument": "it"}], "annotations": {"question": {"0": "a"}, "fullAnswer": {}}},
 "02": {"question": "is it", "imageId": "7", "answer": "yes", "isBalanced": true, "groups": {"global": null}, "entailed": [],
  "types": {"structural": "verify", "semantic": "obj", "detailed": "x"}, "semantic": [], "annotations": {}},
 "03": {"question": "is it red", "imageId": "7", "answer": "no", "isBalanced": false, "groups": {"global": null}, "entailed": [],
  "types": {"structural": "verify", "semantic": "obj", "detailed": "x"}, "semantic": [], "annotations": {}}}
END
    echo '[{"questionId": "02", "prediction": "no"}, {"questionId": "01", "prediction": "t-shirt"}]' >p.json
}

@test "GQA: measures for which the files are there, sorted tables" {
    gqa_files
    run -0 --separate-stderr "$score" gqa --questions q.json p.json
    [ "${lines[0]}" = "measure          value  questions" ]
    [ "${lines[1]}" = "binary            0.00          1" ]
    [ "${lines[2]}" = "open            100.00          1" ]
    [ "${lines[3]}" = "accuracy         50.00          2" ]
    [ "${lines[4]}" = "distribution      0.00" ]
    [[ $stderr == *"consistency left out: 1 entailed questions have no prediction (question \"01\" entails one)"* ]]
    echo '[{"questionId": "02", "prediction": "no"}, {"questionId": "01", "prediction": "t-shirt"},
        {"questionId": "03", "prediction": "no"}]' >p.json
    echo '{"01": {"valid": ["t-shirt"], "plausible": []}, "02": {"valid": ["yes", "no"], "plausible": ["yes"]}}' >c.json
    "$score" gqa --questions q.json --choices c.json p.json --json >out.json
    jq -e '.consistency == 100 and .validity == 100 and .plausibility == 0 and .accuracyPerLength == {"2": 0, "4": 100}' out.json
    echo '{"7": {"width": 10, "height": 10, "objects": {"a": {"x": 0, "y": 0, "w": 5, "h": 10}}}}' >s.json
    echo '[{"questionId": "01", "attention": [[0.5, 0.25], [0.25, 0]]}, {"questionId": "02", "attention": [[1]]}]' >att.json
    "$score" gqa --questions q.json --scenes s.json --attentions att.json p.json --json | jq -e '.grounding == 37.5'
}

@test "GQA: variants, and the answers that results bring along" {
    echo '[{"question_id": "1", "pred_ans": "T shirt.", "gt_ans": "t-shirt"}, {"question_id": "2", "pred_ans": "The Dog", "gt_ans": "dog"}]' >own.json
    [ "$("$score" gqa own.json --json | jq .accuracy)" = 0 ]
    "$score" gqa --variant lavis own.json --json | jq -e '.acc == 100 and .agg_metrics == 100 and (.signature | contains("|variant:lavis|"))'
    [ "$("$score" gqa --variant blitext own.json --json | jq .acc)" = 50 ]
    printf '%s\n' '{"id":"1","question_id":"1","answer":"dog","answers":["dog"]}' | "$cat" --from=json --schema bt.prediction/1 |
        "$score" gqa --json | jq -e '.accuracy == 100 and .questions == 1'
}

@test "GQA: what is missing is counted; what is wrong is named" {
    gqa_files
    echo '[{"questionId": "02", "prediction": "no"}]' >one.json
    refused 65 '1 question without a result ("01")' "$score" gqa --questions q.json one.json
    echo '[{"questionId": 2, "prediction": "no"}]' >int.json
    refused 65 'results: 1 question with a result but without references (2)' "$score" gqa --questions q.json int.json
    echo '{"01": {"question": "x", "isBalanced": true}}' >test.json
    refused 65 'test.json: 01: no answer' "$score" gqa --questions test.json p.json
    echo '{"01": {"answer": "x", "isBalanced": true}, "01": {}}' >broken.json
    refused 65 'broken.json: 01: no types' "$score" gqa --questions broken.json p.json
    echo '{"01": {"valid": ["t-shirt"], "plausible": []}}' >c.json
    refused 65 'question "02": no choices' "$score" gqa --questions q.json --choices c.json p.json
    echo '{"7": {"width": 10, "height": 10, "objects": {}}}' >s.json
    echo '[{"questionId": "01", "attention": [[1]]}, {"questionId": "02", "attention": [[1]]}]' >att.json
    refused 65 'question "01": object a is not in the scene of image 7' "$score" gqa --questions q.json --scenes s.json --attentions att.json p.json
    echo '[{"questionId": "01", "attention": [[1, 2], [1]]}]' >att.json
    refused 65 'att.json: record 1: attention is not a square' "$score" gqa --questions q.json --scenes s.json --attentions att.json p.json
    refused 64 "both --scenes and --attentions" "$score" gqa --questions q.json --scenes s.json p.json
    refused 65 "no \`gt_ans\`" "$score" gqa p.json
}

golden=$BATS_TEST_DIRNAME/../golden/metrics

@test "retrieval: LAVIS's names, ties named, pairs from its annotations" {
    run -0 --separate-stderr "$score" retrieval --refs "$golden/retrieval/worked.json" "$golden/retrieval/worked.safetensors"
    [ "${lines[1]}" = "txt_r1            0.00" ]
    [ "${lines[5]}" = "img_r1           50.00" ]
    [ "${lines[9]}" = "r_mean           75.00" ]
    [ "${lines[10]}" = "agg_metrics      66.67" ]
    [ "$stderr" = "" ]
    echo '[{"image": "a.jpg", "caption": ["x", "y"]}, {"image": "b.jpg", "caption": ["z", "w"]}]' >pairs.json
    "$score" retrieval --refs pairs.json "$golden/retrieval/worked.safetensors" | diff - <(printf '%s\n' "${lines[@]}" | sed '11s/$/\n/')
    run -0 --separate-stderr "$score" retrieval --refs "$golden/retrieval/ties.json" "$golden/retrieval/ties.safetensors"
    [[ $stderr == *"rankings hang on equal scores"* ]]
}

@test "retrieval: intervals and comparison, images and texts apart" {
    pairs=$golden/retrieval/ragged.json m=$golden/retrieval/ragged.safetensors
    "$score" retrieval --quiet --refs "$pairs" --bootstrap 300 --json "$m" >out.json
    jq -e '.intervals | keys_unsorted == ["txt_r1", "txt_r5", "txt_r10", "img_r1", "img_r5", "img_r10"]' out.json
    jq -e '.intervals.txt_r1[0] < .txt_r1 and .txt_r1 < .intervals.txt_r1[1]' out.json
    jq -e '.intervals.img_r1[0] < .img_r1 and .img_r1 < .intervals.img_r1[1]' out.json
    "$score" retrieval --quiet --refs "$pairs" --compare "$m" --json "$m" | jq -e '.comparison.img_r10 | .change == 0 and .p == 1'
}

@test "retrieval: the rank of every query, and the worst ones" {
    "$score" retrieval --quiet --refs "$golden/retrieval/worked.json" --worst 2 --per-item ranks.bts --json "$golden/retrieval/worked.safetensors" >out.json
    # metrics.md 5: TR ranks 1, 1; IR 0, 1, 0, 1, from 0
    "$cat" --to json ranks.bts | jq -se '[.[] | select(.type == "record") | [.query, .rank]] == [["image 0", 2], ["image 1", 2],
        ["text 0", 1], ["text 1", 2], ["text 2", 1], ["text 3", 2]]'
    jq -e '[.. | objects | select(.query) | [.query, .rank, .first, .right]] == [["image 0", 2, "text 3", ["text 0", "text 1"]],
        ["image 1", 2, "text 1", ["text 2", "text 3"]]]' out.json
    "$score" retrieval --quiet --refs "$golden/retrieval/worked.json" --worst 4 "$golden/retrieval/worked.safetensors" | grep -A2 'query "text 1"' |
        diff - <(printf '%s\n' '    2.00  query "text 1"' '          first: image 1' '          reference: image 0')
}

@test "retrieval: pairs that do not fit are refused" {
    m=$golden/retrieval/worked.safetensors
    echo '{"img2txt": [[0, 1], [2]]}' >few.json
    refused 65 "scores_i2t is not [2][3]" "$score" retrieval --refs few.json "$m"
    echo '{"img2txt": [[0, 1], [1, 2]]}' >twice.json
    refused 65 "text 1 belongs to two images" "$score" retrieval --refs twice.json "$m"
    echo '{"img2txt": [[0, 1], []]}' >none.json
    refused 65 "image 1: no texts" "$score" retrieval --refs none.json "$m"
    echo '{"img2txt": [[0, 9], [1, 2]]}' >far.json
    refused 65 "image 0 has text 9, but there are 4" "$score" retrieval --refs far.json "$m"
    echo '{"img2txt": []}' >empty.json
    refused 65 "no images" "$score" retrieval --refs empty.json "$m"
    refused 64 "--refs: missing" "$score" retrieval "$m"
    refused 65 "E_ST" "$score" retrieval --refs "$golden/retrieval/worked.json" results.json
}

@test "intervals are keyed: the same for a seed, others for another" {
    "$score" --refs refs.json --bootstrap 200 --json results.json >one.json
    "$score" --refs refs.json --bootstrap 200 --json results.json | cmp one.json
    jq -e '.intervals.ROUGE_L == [1, 1] and (.signature | contains("|bs:200|seed:1|"))' one.json
    jq -e '.intervals.CIDEr | .[0] < .[1]' one.json
    "$score" --refs refs.json --bootstrap 200 --seed 2 --json results.json >two.json
    run ! cmp -s one.json two.json
    "$score" --refs refs.json --bootstrap 200 results.json | grep -F '95 % interval'
}

@test "--compare: differences and their significance on the same items" {
    jq -c 'map(.caption = "a cat")' results.json >bad.json
    "$score" --refs refs.json --compare bad.json --json results.json >out.json
    jq -e '.comparison.ROUGE_L | .change > 0.5 and .p < 0.05 and .other < 0.5 and .interval[0] > 0' out.json
    "$score" --refs refs.json --compare results.json --json results.json | jq -e '.comparison.CIDEr == {other: .CIDEr, change: 0, interval: [0, 0], p: 1}'
    jq -c 'map(select(.image_id != 2))' results.json >part.json
    refused 65 "both must answer the same" "$score" --subset --quiet --refs refs.json --compare part.json results.json
    # The other one in another order, in records.
    jq -c 'reverse[] | . + {id: (.image_id | tostring)}' bad.json | "$cat" --from=json --schema bt.prediction/1 >bad.bt
    "$score" --refs refs.json --compare bad.bt --json results.json | diff - out.json
}

@test "--domains: each is a run of its own" {
    echo '{"in-domain": [1], "out-domain": [3, 2]}' >domains.json
    "$score" --refs refs.json --domains domains.json --json results.json >out.json
    jq -e '.domains | keys_unsorted == ["in-domain", "out-domain"] and .["in-domain"].CIDEr == 0 and .["out-domain"].CIDEr > 0' out.json
    jq -c 'map(select(.image_id != 1))' results.json >part.json
    "$score" --refs refs.json --subset --json part.json >alone.json
    [ "$(jq '.domains["out-domain"].CIDEr' out.json)" = "$(jq .CIDEr alone.json)" ]
    "$score" --refs refs.json --domains domains.json results.json | grep -x 'domain in-domain'
    echo '{"x": [1, 1]}' >domains.json
    refused 65 "domains.json: domain x: image 1 is there twice" "$score" --refs refs.json --domains domains.json results.json
    echo '{"x": [9]}' >domains.json
    refused 65 "domains.json: domain x: image 9 is not among the references" "$score" --refs refs.json --domains domains.json results.json
}

@test "--df: document frequencies of another corpus, in the signature" {
    "$score" --refs refs.json --json results.json >own.json
    "$score" --refs refs.json --df refs.json --json results.json >same.json
    [ "$(jq .CIDEr own.json)" = "$(jq .CIDEr same.json)" ]
    jq -e '.signature | test("[|]df:[0-9a-f]{16}[|]")' same.json
    jq -c '.images = [{id: 1}] | .annotations |= map(select(.image_id == 1))' refs.json >one.json
    jq -c 'map(select(.image_id == 1))' results.json >r1.json
    [ "$("$score" --refs one.json --json r1.json | jq .CIDEr)" = 0 ]
    "$score" --refs one.json --df refs.json --json r1.json | jq -e '.CIDEr > 1'
}

@test "--submission: whole and checked, or nothing" {
    echo '{"images": [{"id": 1}, {"id": 2}, {"id": 3}]}' >images.json
    run -0 --separate-stderr "$score" --refs images.json --submission out.json results.json
    [ "$output" = "" ]
    [[ $stderr == *"3 results written"* ]]
    jq -e 'map(.image_id) == [1, 2, 3] and .[1] == {image_id: 2, caption: "two dogs play in snow"}' out.json
    refused 64 "out.json" "$score" --refs images.json --submission out.json results.json
    jq -c 'map(select(.image_id != 2))' results.json >part.json
    refused 65 "1 image without a result (2)" "$score" --refs images.json --submission new.json part.json
    [ ! -e new.json ]
    echo '{"images": [{"id": "a"}]}' >strings.json
    echo '[{"image_id": "a", "caption": "x"}]' >r.json
    refused 65 "takes whole numbers only" "$score" --refs strings.json --submission new.json r.json
    echo '{"questions": [{"question_id": 5, "question": "what?"}]}' >q.json
    echo '[{"question_id": 5, "answer": "a \"dog\""}]' >r.json
    "$score" vqa --questions q.json --submission vqa.json r.json
    jq -e '. == [{question_id: 5, answer: "a \"dog\""}]' vqa.json
    echo '{"005": {"question": "what?", "isBalanced": false}, "6": {}}' >q.json
    echo '[{"questionId": "6", "prediction": "dog"}, {"questionId": "005", "prediction": "cat"}]' >r.json
    "$score" gqa --questions q.json --submission gqa.json r.json
    jq -e '. == [{questionId: "005", prediction: "cat"}, {questionId: "6", prediction: "dog"}]' gqa.json
    refused 64 "--submission: give the images" "$score" --submission new.json results.json
}

# A Java that answers as version $1, and scores .5 with SPICE.
fake_java() {
    mkdir -p spice/lib
    touch spice/spice-1.0.jar spice/lib/stanford-corenlp-3.6.0.jar spice/lib/stanford-corenlp-3.6.0-models.jar
    cat >java <<END
#!/bin/sh
[ "\$1" != -version ] || { echo 'openjdk version "$1"' >&2; exit 0; }
echo "\$*" >$PWD/arguments
while [ "\$1" != edu.anu.spice.SpiceScorer ]; do shift; done
cp "\$2" $PWD/given.json
while [ "\$1" != -out ]; do shift; done
echo "Parsing" >&2
[ ! -e $PWD/fail ] || { echo "OutOfMemoryError"; exit 1; }
jq 'map({image_id, scores: {All: {f: (.image_id / 2), pr: null}}}) | reverse' $PWD/given.json >"\$2"
END
    chmod +x java
}

@test "SPICE: by the user's jar and Java, joined by image" {
    fake_java 1.8.0_392
    "$score" --refs refs.json --spice spice/spice-1.0.jar --java ./java --spice-cache cache --json results.json >out.json
    jq -e '.SPICE == 0.5 and (.signature | contains("+SPICE|"))' out.json
    jq -e '.[0] == {image_id: 0, test: "a red bus on the street", refs: ["a red bus on the street", "the bus is red"]}' given.json
    grep -F -- "-Xmx8G" arguments
    grep -F -- "-cache $PWD/cache" arguments
    run ! grep -F -- "--add-opens" arguments
    "$score" --refs refs.json --spice spice/spice-1.0.jar --java ./java --per-item items.bt results.json
    [ "$("$cat" --to=json items.bt | jq -c 'select(.type == "record") | [.image_id, .SPICE]' | tr '\n' ' ')" = '[1,0] [2,0.5] [3,1] ' ]
}

@test "SPICE: what is missing is named" {
    fake_java 17.0.15
    refused 66 "none.jar" "$score" --refs refs.json --spice none.jar --java ./java results.json
    refused 66 "no-java" "$score" --refs refs.json --spice spice/spice-1.0.jar --java ./no-java results.json
    refused 78 "Java 17 has no JavaScript engine" "$score" --refs refs.json --spice spice/spice-1.0.jar --java ./java results.json
    touch spice/lib/nashorn-core-15.4.jar
    "$score" --refs refs.json --quiet --spice spice/spice-1.0.jar --java ./java --json results.json | jq -e '.SPICE == 0.5'
    grep -F -- "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED" arguments
    touch fail
    refused 71 "SPICE ended with status 1: OutOfMemoryError" "$score" --refs refs.json --quiet --spice spice/spice-1.0.jar --java ./java results.json
    rm spice/lib/stanford-corenlp-3.6.0-models.jar
    refused 66 "stanford-corenlp-3.6.0-models.jar: not there" "$score" --refs refs.json --spice spice/spice-1.0.jar --java ./java results.json
    [ -z "$(ls -d "${TMPDIR:-/tmp}"/bt-spice-* 2>/dev/null)" ]
}

@test "odd sizes: one image, ten thousand references, a huge caption" {
    jq -nc '{images: [{id: 1}], annotations: [range(10000) | {id: ., image_id: 1, caption: "a dog number \(.)"}]}' >many.json
    echo '[{"image_id": 1, "caption": "a dog number 77"}]' >one.json
    "$score" --refs many.json --json one.json | jq -e '.Bleu_4 > 0.999 and .CIDEr == 0 and .exact == 1'
    jq -nc '[{image_id: 1, caption: ([range(5000) | "word"] | join(" "))}]' >long.json
    "$score" --refs many.json --json long.json | jq -e '.Bleu_1 < 0.01'
    jq -nc '[{image_id: 1, caption: ([range(50000) | "word"] | join(" "))}]' >huge.json
    refused 65 "E_LIMIT" "$score" --refs many.json huge.json
    echo '[{"image_id": 1, "caption": 7}]' >type.json
    refused 65 "type.json: record 1: caption is not a string" "$score" --refs many.json type.json
    echo '[{"image_id": 1, "caption": NaN}]' >nan.json
    refused 65 "nan.json" "$score" --refs many.json nan.json
    echo '[{"image_id": 1.5, "caption": "x"}]' >half.json
    refused 65 "image_id is neither a whole number nor a string" "$score" --refs many.json half.json
    echo '[7]' >seven.json
    refused 65 "seven.json: record 1: no image_id" "$score" --refs many.json seven.json
}

@test "--tokenizer: the official one takes punctuation away, words leaves it" {
    jq -c 'map(.caption += ".")' results.json >dots.json
    "$score" --refs refs.json --json dots.json | jq -e '.exact == 1 and (.signature | contains("|tok:ptb|"))'
    "$score" --tokenizer words --refs refs.json --json dots.json | jq -e '.exact == 0 and (.signature | contains("|tok:words|"))'
    refused 64 "--tokenizer: not for 'bt-score vqa'" "$score" vqa --tokenizer words results.json
}

@test "METEOR: of words and stems alone under its own name, of data by their hash" {
    "$score" --meteor stem --refs refs.json --json results.json | jq -e '.METEOR_stem == 1 and (.signature | contains("BLEU+METEOR+ROUGE+CIDEr|tok:ptb|meteor:1.5:stem|"))'
    "$score" --meteor "$golden/meteor_own" --refs refs.json --bootstrap 50 --json results.json >out.json
    jq -e '.METEOR == 1 and .intervals.METEOR == [1, 1] and (.signature | test("[|]meteor:1.5:[0-9a-f]+[|]"))' out.json
    refused 66 "none.jar" "$score" --meteor none.jar --refs refs.json results.json
}

@test "usage" {
    refused 64 "--variant" "$score" caption --variant lavis --refs refs.json results.json
    refused 64 "--choices: not for 'bt-score vqa'" "$score" vqa --choices c.json results.json
    refused 64 "--subset: not for 'bt-score retrieval'" "$score" retrieval --subset results.json
    refused 64 "blitext: not for VQA" "$score" vqa --variant blitext --refs refs.json results.json
    refused 64 "aokvqa: not for GQA" "$score" gqa --variant aokvqa results.json
    refused 64 "at most 1000000" "$score" --bootstrap 2M --refs refs.json results.json
    refused 64 "--refs" "$score" caption results.json
    refused 64 "stdin" "$score" caption --refs - -
    refused 64 "2 files" "$score" caption results.json results.json
    refused 64 "--per-item" "$score" caption --refs refs.json --per-item - results.json
    refused 66 "absent.json" "$score" caption --refs absent.json results.json
    "$score" --refs refs.json results.json | diff - <("$score" caption --refs refs.json results.json)
}

@test "C69: a reader that leaves is no failure to speak of" {
    jq -c '. as $r | {annotations: [range(3000) | {question_id: ., question_type: "t\(.)", answer_type: "other", answers: [{answer: "a"}]}]}' <<<'[]' >a.json
    jq -c '[range(3000) | {question_id: ., answer: "a"}]' <<<'[]' >r.json
    run --separate-stderr bash -c '"$0" vqa --refs a.json r.json | head -1; exit ${PIPESTATUS[0]}' "$score"
    [ "$status" = 141 ]
    [ "$output" = "accuracy         value  questions" ]
    [ "$stderr" = "" ]
}

@test "a full or closed stdout is an error" {
    run ! bash -c '"$0" caption --refs refs.json results.json >/dev/full' "$score"
    run ! bash -c '"$0" caption --refs refs.json results.json >&-' "$score"
}

@test "a Git LFS pointer is named as one" {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 123456\n' 0 >pointer.json
    run -65 "$score" caption --refs pointer.json pointer.json
    [[ $output == "bt-score: pointer.json: is a Git LFS pointer, not the file of 123456 bytes"* ]]
}
