#!/usr/bin/env bats
# bt-generate at the command line, on a model of a few thousand numbers that has learnt sixteen captions a little.

bats_require_minimum_version 1.5.0
load tiny

# learn STAGE STEPS
learn() {
    bt-train "$1" --quiet --model $D/model.json $(tiny_inputs $1) --output $D/$1 --threads 1 --checkpoint-every 1000 \
        --set epochs=1 --set steps_per_epoch=$2 --set batch=8 --set lr=1e-2 --set lr_min=1e-3 --set warmup_steps=10 --set max_text=8 \
        --set window=16 --set augment=false --set mask_rate=0 --set cosine_per_step=true --set weight_decay=0
}

setup_file() {
    PATH=$BT_BUILD/bin:$PATH
    export D=$BATS_FILE_TMPDIR
    cd "$D"
    tiny_data
    tiny_model 0 >model.json
    learn vision 200
    learn lm 150
    learn stage0 10
    learn stage1 100
    learn stage2 100
    learn caption 300
    bt-preprocess -q --images pictures --group image captions.json -o samples.bt
    jq -c '{questions: [range(16) as $i | range(3) | {image_id: $i, question_id: ($i * 3 + .),
            question: ["how many cats?", "What is this?", "red"][.]}]}' -n >questions.json
    jq -c '{annotations: [range(48) | {image_id: (. / 3 | floor), question_id: ., question_type: "what", answer_type: "other",
            multiple_choice_answer: "bus", answers: [range(10) | {answer: "bus", answer_id: (. + 1), answer_confidence: "yes"}]}]}' \
        -n >annotations.json
    bt-preprocess -q --images pictures --annotations annotations.json questions.json -o questions.bt
    bt-generate caption -q --threads 1 -w vision/final -w lm/final -w caption/final -t opt -i samples.bt -o captions.bt
}

setup() {
    PATH=$BT_BUILD/bin:$PATH
    cd "$BATS_TEST_TMPDIR"
    parts="-w $D/vision/final -w $D/lm/final -w $D/caption/final -t $D/opt --threads 1"
}

# the records of a stream, a line each, without numbers and pictures
records() { bt-cat --to=json "$@" | jq -c 'select(.type == "record") | del(.type, .n, .image)'; }
# the lines that --lines prints of it
lines_of() { records "$@" | jq -r '[.id, .caption] | @tsv'; }

generate() { bt-generate "$1" -q $parts "${@:2}"; }

@test "pictures named on the command line: their paths are the ids, in their order" {
    cp -r $D/pictures .
    generate caption --lines pictures/{3,15,0,7}.jpg >lines
    [ "$(cut -f1 lines | paste -sd ' ')" = "pictures/3.jpg pictures/15.jpg pictures/0.jpg pictures/7.jpg" ]
    [ "$(cut -f2 lines)" = "$(for i in 3 15 0 7; do lines_of $D/captions.bt | sed -n $((i + 1))p; done | cut -f2)" ]
    generate caption pictures/{3,15,0,7}.jpg -o four.bt
    lines_of four.bt | cmp - lines
    generate caption --lines -o four.txt pictures/{3,15,0,7}.jpg
    cmp four.txt lines
    run generate caption --lines -o four.txt pictures/3.jpg
    [ $status = 64 ]
    [[ $output == *four.txt*E_EXISTS* ]]
    generate caption --force --lines -o four.txt pictures/3.jpg
    [ "$(cut -f1 four.txt)" = pictures/3.jpg ]
}

@test "what it learnt it says" {
    lines_of $D/captions.bt | cut -f2 | sort | uniq -c
    [ "$(lines_of $D/captions.bt | cut -f2 | sort -u | wc -l)" -ge 3 ]
    ! lines_of $D/captions.bt | cut -f2 | grep -qvE '^this is a (red|green|blue|yellow) (cat|bus|tree|hat)$'
}

@test "records keep their order, their id and what they brought along; the picture only where it is asked for" {
    records $D/samples.bt | jq -c '[.id, .captions]' >brought
    records $D/captions.bt | jq -c '[.id, .captions]' | cmp - brought
    records $D/captions.bt | jq -se 'length == 16 and all(.[]; (.caption | type) == "string" and .score < 0 and .prompt == ""
        and .preset == "default" and (.preset_sha256 | length) == 64 and .ids.dt == "i32")'
    [ "$(bt-cat --to=json $D/captions.bt | grep -c '"image":{')" = 0 ]
    generate caption --keep-image -i $D/samples.bt -o kept.bt
    cmp <(bt-cat --field image --to=json kept.bt) <(bt-cat --field image --to=json $D/samples.bt)
    [ "$(bt-cat --to=json $D/captions.bt | jq -r 'select(.type == "begin") | .schema')" = bt.prediction/1 ]
}

@test "a stream, a set of shards, token records and stdin are all the same" {
    bt-cat $D/samples.bt -o samples.lmdb
    generate caption -i samples.lmdb --lines | cmp - <(lines_of $D/captions.bt)
    generate caption -i $D/captions.lmdb --lines | cmp - <(lines_of $D/captions.bt)
    generate caption --lines <$D/samples.bt | cmp - <(lines_of $D/captions.bt)
    generate caption -i $D/samples.bt -o out.lmdb
    records out.lmdb | cmp - <(records $D/captions.bt)
}

@test "a pipe from pictures to scores" {
    bt-preprocess -q --images $D/pictures --group image $D/captions.json | generate caption | bt-score caption -q --json >scores.json
    jq -e '.CIDEr > 0' scores.json
    bt-score caption -q --json $D/captions.bt | cmp - scores.json
    generate vqa --preset vqav2 -i $D/questions.bt | bt-score vqa -q --json | jq -e '.overall >= 0'
}

# same_but_for_score FILE: the records on stdin; scores agree to what rounding of float32 leaves
same_but_for_score() {
    cat >got
    cmp <(jq -c 'del(.score)' got) <(jq -c 'del(.score)' "$1")
    paste <(jq .score got) <(jq .score "$1") | awk '{ d = $1 / $2 - 1; if (d * d > 1e-10) { print; exit 1 } }'
}

@test "results do not depend on the batch or on threads" {
    for how in "" --greedy "--sample --seed 3"; do
        generate caption $how -i $D/samples.bt | records >whole
        generate vqa --preset vqav2 $how -i $D/questions.bt | records >answers
        for batch in 1 4 5; do
            generate caption $how --batch $batch -i $D/samples.bt | records | same_but_for_score whole
        done
        generate vqa --preset vqav2 $how --batch 7 -i $D/questions.bt | records | same_but_for_score answers
        for threads in 2 3; do
            generate caption $how --threads $threads -i $D/samples.bt | records | cmp - whole
        done
        generate vqa --preset vqav2 $how --threads 2 -i $D/questions.bt | records | cmp - answers
    done
}

@test "questions: the whole prompt and the preset are in the record, and a raw one is said" {
    generate vqa --preset vqav2 -i $D/questions.bt | records >answers
    [ "$(jq -r .prompt answers | sort -u | paste -sd '|')" = "Question: how many cats? Short answer:|Question: red Short answer:|Question: what is this? Short answer:" ]
    jq -se 'length == 48 and [.[].question_id] == [range(48)] and all(.[]; .preset == "vqav2" and (.answers | length) == 10
        and (.answer | contains("Question") | not) and (.ids.sh[0] <= 10))' answers
    [ "$(jq -r .preset_sha256 answers | sort -u | wc -l)" = 1 ]
    run --separate-stderr bt-generate vqa $parts -i $D/questions.bt -o raw.bt --progress none
    [ $status = 0 ]
    [ "$stderr" = "bt-generate: no preset and no --prompt: the question is the prompt as it stands" ]
    [ "$(records raw.bt | jq -r .prompt | sort -u | paste -sd '|')" = "What is this?|how many cats?|red" ]
    [ "$(records raw.bt | jq -r .preset_sha256 | sort -u)" != "$(jq -r .preset_sha256 answers | sort -u)" ]
    generate vqa --preset vqav2 --lines -i $D/questions.bt | cmp - <(jq -r '[.question_id, .answer] | @tsv' answers)
}

@test "lengths count new tokens, however long the prompt" {
    prompt=$(printf 'red cat %.0s' {1..30})
    for n in 2 4; do
        for how in "" --greedy --sample; do
            generate caption $how --prompt "$prompt" --max-new 5 --min-new $n -i $D/samples.bt -o out.bt --force
            records out.bt | jq -se "length == 16 and all(.[]; .ids.sh[0] >= $n and .ids.sh[0] <= 5)"
        done
    done
    run generate caption --max-new 0 -i $D/samples.bt
    [ $status = 64 ]
    [ "$output" = "bt-generate: max_new: must be 1 to 100000 new tokens [E_USAGE]" ]
    run generate caption --max-new 5 --min-new 6 -i $D/samples.bt
    [ $status = 64 ]
    run generate caption --max-new 121 -i $D/samples.bt
    [ $status = 78 ]
    [ "$output" = "bt-generate: max_new: 121 new tokens behind 9, but the model has 128 positions; use fewer [E_CONFIG]" ]
}

@test "a prompt longer than the model's positions names both numbers" {
    long=$(printf 'q%.0s' {1..200})
    run generate caption --prompt "$long" --max-new 5 --rejects log -i $D/samples.bt -o out.bt
    [ $status = 65 ]
    [[ $output == *"TEXT_TOO_LONG 16 times, "*"[E_REJECTS]" ]]
    [ ! -e out.bt ]
    [[ $(head -1 log) == *'"detail":"prompt of 201 tokens, behind 8 and before 5 new ones, but the model has 128 positions; '* ]]
    # exactly as long as it may be: 8 queries, 116 tokens, 5 new ones of which the last is not looked at
    fits=$(printf 'q%.0s' {1..115})
    generate caption --prompt "$fits" --max-new 5 --lines $D/pictures/0.jpg
    run generate caption --prompt "q$fits" --max-new 5 --lines $D/pictures/0.jpg
    [ $status = 65 ]
}

@test "cold sampling is greedy; what is out of range says what is not" {
    generate caption --greedy --lines -i $D/samples.bt >greedy
    for how in "--temperature 1e-4" "--temperature 1e-30" "--top-p 1e-4"; do
        generate caption --sample $how --seed 7 --lines -i $D/samples.bt | cmp - greedy
    done
    for how in "--temperature 0" "--top-p 0" "--top-p 1.5"; do
        run generate caption --sample $how --lines -i $D/samples.bt
        [ $status = 64 ]
        [[ $output == *"must be above 0"*"use --greedy [E_USAGE]" ]]
    done
    run generate caption --sample --greedy -i $D/samples.bt
    [ $status = 64 ]
    for how in "--temperature 0.5" "--greedy --top-p 0.5"; do # they would change nothing
        run generate caption $how -i $D/samples.bt
        [ $status = 64 ]
        [[ $output == *"add --sample [E_USAGE]" ]]
    done
}

@test "samples: equal for equal seeds, whatever else is in the input" {
    generate caption --sample --temperature 2 --seed 1 --lines -i $D/samples.bt >one
    generate caption --sample --temperature 2 --seed 1 --lines -i $D/samples.bt | cmp - one
    [ "$(generate caption --sample --temperature 2 --seed 2 --lines -i $D/samples.bt)" != "$(cat one)" ]
    bt-cat --head 6 $D/samples.bt | generate caption --sample --temperature 2 --seed 1 --lines | cmp - <(head -6 one)
    # one that is rejected does not move the others' draws
    printf 'no picture' >bad.jpg
    cp $D/pictures/{0,1,2}.jpg .
    generate caption --sample --temperature 2 --seed 1 --lines {0,1,1,2}.jpg | sed -n '1p;2p;4p' >three
    generate caption --sample --temperature 2 --seed 1 --lines --max-rejects 1 0.jpg 1.jpg bad.jpg 2.jpg | cmp - three
}

@test "presets and options: the options win, and the hash says what was used" {
    echo '{"prompt": "this is", "beams": 2, "max_new": 6, "sample": true}' >mine.json
    generate caption --preset mine.json -i $D/samples.bt -o a.bt
    generate caption --prompt "this is" --beams 2 --max-new 6 --sample -i $D/samples.bt -o b.bt
    diff <(records a.bt | jq -c 'del(.preset)') <(records b.bt | jq -c 'del(.preset)')
    [ "$(records a.bt | jq -r .preset | sort -u)" = mine.json ]
    generate caption --preset mine.json --greedy -i $D/samples.bt -o c.bt
    [ "$(cat <(records a.bt) <(records c.bt) | jq -r .preset_sha256 | sort -u | wc -l)" = 2 ]
    generate caption --preset coco -i $D/samples.bt -o d.bt
    [ "$(records d.bt | jq -r '.prompt + "/" + .preset' | sort -u)" = "a photo of/coco" ]
    echo '{"beem": 2}' >wrong.json
    run generate caption --preset wrong.json -i $D/samples.bt
    [ $status = 78 ]
    [ "$output" = "bt-generate: wrong.json: a preset has no 'beem'; bt-generate(1) lists its members [E_CONFIG]" ]
    run generate caption --preset cocoa -i $D/samples.bt
    [ $status = 64 ]
}

@test "a bad picture is a reject, in its place" {
    cp $D/pictures/{0,1}.jpg .
    head -c 300 $D/pictures/2.jpg >cut.jpg
    echo '<html>not found</html>' >page.jpg
    : >empty.jpg
    generate caption --lines {0,1}.jpg >good
    run --separate-stderr generate caption --lines --max-rejects 3 --rejects log 0.jpg cut.jpg page.jpg empty.jpg 1.jpg
    [ $status = 0 ]
    [ "$output" = "$(cat good)" ]
    [ "${#stderr_lines[@]}" = 3 ]
    [[ ${stderr_lines[0]} == "bt-generate: warning: cut.jpg: "* && ${stderr_lines[1]} == *" page.jpg: "*HTML* ]]
    [ "$(jq -r 'select(.end | not) | .id + " " + .code' log | paste -sd '|')" = "cut.jpg IMG_TRUNCATED|page.jpg IMG_FORMAT|empty.jpg IMG_FORMAT" ]
    generate caption --max-rejects 3 --rejects log2 0.jpg cut.jpg page.jpg empty.jpg 1.jpg -o out.bt
    lines_of out.bt | cmp - good
    diff <(jq -c 'select(.end | not) | [.id, .code, .detail]' log) <(jq -c 'select(.end | not) | [.id, .code, .detail]' log2)
    run generate caption --lines -o lines 0.jpg cut.jpg
    [ $status = 65 ]
    [[ ${lines[-1]} == *"1 of 2 inputs rejected: IMG_TRUNCATED 1 times, such as 'cut.jpg'; "*"[E_REJECTS]" ]]
    [ ! -e lines ]
    run generate caption --lines 0.jpg nowhere.jpg
    [ $status = 66 ]
}

@test "many bad records one after the other, and one batch after the other" {
    for n in {0..39}; do echo "{\"image\": \"$((n % 16)).jpg\", \"captions\": [\"$n\"]}"; done >list.jsonl
    bt-preprocess -q --images $D/pictures list.jsonl -o forty.bt
    for batch in 1 3; do
        generate caption --prompt '{question}' --max-rejects 40 --batch $batch --rejects log -i forty.bt >none.bt 2>said
        [ "$(bt-cat --count none.bt)" = 0 ]
        [ "$(jq -r 'select(.code == "FIELD_MISSING") | .n' log | wc -l)" = 40 ]
        [ "$(cat said)" = "bt-generate: warning: forty.bt: 40 of 40 records rejected" ]
    done
}

@test "the language model alone, from a field of the record" {
    printf 'this is a\nred\n' >begin.txt
    bt-preprocess -q begin.txt -o begin.bt
    bt-generate text -q --prompt '{text}' --greedy --max-new 8 -w $D/lm/final -t $D/opt -i begin.bt -o out.bt
    [ "$(records out.bt | jq -r .prompt | paste -sd '|')" = "this is a|red" ]
    records out.bt | jq -r .answer >answers
    grep -qE '^(red|green|blue|yellow) (cat|bus|tree|hat)$' <(sed -n 1p answers)
    grep -qE '^(cat|bus|tree|hat)$' <(sed -n 2p answers)
    bt-generate text --progress none --greedy --max-new 8 -w $D/lm/final -t $D/opt -i begin.bt --lines 2>said | cut -f2 | sort -u | grep -qE '^(this is a )?(red|green|blue|yellow) (cat|bus|tree|hat)$'
    [ "$(cat said)" = "bt-generate: no preset and no --prompt: the beginning mark is the prompt as it stands" ]
    run bt-generate text -q --prompt '{caption}' -w $D/lm/final -t $D/opt -i begin.bt -o no.bt
    [ $status = 65 ]
    run bt-generate text -q -w $D/lm/final -t $D/opt $D/pictures/0.jpg
    [ $status = 64 ]
}

@test "after stage 1 the Q-Former writes" {
    bt-generate caption -q -w $D/vision/final -w $D/stage1/final -t $D/vocab.txt --max-new 10 --lines -i $D/samples.bt >lines
    [ "$(wc -l <lines)" = 16 ]
    [ -z "$(cut -f2 lines | grep -E '\[|^$')" ]
    run bt-generate caption -q -w $D/vision/final -w $D/stage1/final -t $D/vocab.txt --lines -i $D/samples.bt
    [ $status = 78 ]
    [ "$output" = "bt-generate: max_new: 30 new tokens behind 1, but the model has 16 positions; use fewer [E_CONFIG]" ]
    run bt-generate caption -q -w $D/vision/final -w $D/stage1/final -t $D/opt --max-new 10 --lines -i $D/samples.bt
    [ $status = 78 ]
    [[ $output == "bt-generate: tokenizer: has no [SEP], "* ]]
}

# C38, C43: whole or cut, a file of PyTorch is no safetensors file with a header of so many bytes.
@test "what is no file of weights is named" {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 123456\n' 0 >model.safetensors
    cp model.safetensors x.pth
    for f in model.safetensors x.pth; do
        run bt-generate caption -q -w $f -m $D/model.json -t $D/opt -i $D/samples.bt
        [ $status = 65 ]
        [ "$output" = "bt-generate: $f: is a Git LFS pointer, not the file of 123456 bytes it stands for; run 'git lfs pull' [E_INPUT]" ]
    done
    printf 'PK\3\4\0\0\10\10archive/data.pkl' >zip.pth
    printf '\200\2\212\12l\374\234F\371 j\250P\31.' >old.pth
    for f in zip.pth old.pth; do
        run bt-generate caption -q -w $f -m $D/model.json -t $D/opt -i $D/samples.bt
        [ $status = 65 ]
        [ "$output" = "bt-generate: $f: is a pickled file of PyTorch, which can run code and is not read; convert it to safetensors [E_ST]" ]
    done
}

@test "weights that are missing are named, and so is a tokenizer of another model" {
    run bt-generate caption -q -w $D/lm/final -w $D/caption/final -t $D/vocab.txt -i $D/samples.bt
    [ $status = 78 ]
    [[ $output == "bt-generate: tokenizer: has no newline, "* ]]
    run bt-generate caption -q -w $D/caption/final -t $D/opt -i $D/samples.bt
    [ $status = 65 ]
    [[ $output == "bt-generate: weights: "*" tensors are in none of the files: opt_model."*"[E_WEIGHTS]" ]]
    run bt-generate caption -q -w $D/lm/final -w $D/stage2/final -t $D/opt -i $D/samples.bt
    [ $status = 65 ]
    [[ $output == *": visual_encoder."*"[E_WEIGHTS]" ]]
    run bt-generate caption -q -w $D/lm/final/model.safetensors -t $D/opt -i $D/samples.bt
    [ $status = 64 ]
    [[ $output == *"--model: is needed"* ]]
    run bt-generate caption -q -t $D/opt -i $D/samples.bt
    [ $status = 64 ]
    run generate caption -w nowhere -i $D/samples.bt
    [ $status = 66 ]
}

@test "a reader that leaves, a full disk, a closed stdout" {
    for i in {1..20}; do cat $D/samples.bt; done >many.bt
    for how in "" --lines; do
        codes=$(
            generate caption $how --batch 1 --rejects log -i many.bt 2>said | head -n 1 >first
            echo ${PIPESTATUS[0]}
        )
        [ "$codes" = 141 ]
        [ ! -s said ]
        [ -z "$(ls -A | grep '^[.]')" ] # no temporary file
    done
    cmp first <(lines_of $D/captions.bt | head -n 1)
    run --separate-stderr bash -c "bt-generate caption -q $parts --lines -i $D/samples.bt >/dev/full"
    [ $status = 74 ]
    [ ${#stderr_lines[@]} = 1 ]
    run --separate-stderr bash -c "bt-generate caption -q $parts -i $D/samples.bt >/dev/full"
    [ $status = 74 ]
    [ ${#stderr_lines[@]} = 1 ]
    run --separate-stderr bash -c "bt-generate caption -q $parts --lines -i $D/samples.bt >&-"
    [ $status = 74 ]
    [ ${#stderr_lines[@]} = 1 ]
}

@test "a set of shards is gone on with, and a whole one left alone" {
    for n in {0..199}; do echo "{\"id\": \"p$n\", \"image\": \"$((n % 16)).jpg\", \"captions\": [\"$n\"]}"; done >list.jsonl
    bt-preprocess -q --images $D/pictures list.jsonl -o in.bt
    generate caption -i in.bt -o whole.lmdb
    for i in 1 2 3; do
        timeout -s KILL 0.$((RANDOM % 30 + 10)) bt-generate caption -q $parts -i in.bt -o killed.lmdb || true
    done
    generate caption -i in.bt -o killed.lmdb
    cmp <(bt-cat --prov none killed.lmdb) <(bt-cat --prov none whole.lmdb)
    sum=$(cat whole.lmdb/*.mdb | sha256sum)
    generate caption -i in.bt -o whole.lmdb
    [ "$(cat whole.lmdb/*.mdb | sha256sum)" = "$sum" ]
}

@test "an input that is cut makes no output that looks whole" {
    head -c 3000 $D/samples.bt >cut.bt
    run generate caption -i cut.bt -o out.bt
    [ $status = 65 ]
    [[ $output == *"E_BT_TRUNC"* ]]
    [ -z "$(ls -A | grep -v '^cut.bt$')" ]
}

# ---- retrieval ----

retrieval() {
    bt-generate retrieval -q --threads 1 -w $D/vision/final -w $D/stage1/final -t $D/vocab.txt --max-text 8 -i $D/samples.bt "$@"
}

# the values of a tensor of a safetensors file, in decimal: FILE NAME TYPE (f4, u8)
values() {
    local header size
    size=$(head -c 8 "$1" | od -An -tu8 | tr -d ' ')
    header=$(tail -c +9 "$1" | head -c "$size")
    local range=($(jq -r --arg name "$2" '.[$name].data_offsets[]' <<<"$header"))
    tail -c +$((9 + size + range[0])) "$1" | head -c $((range[1] - range[0])) | od -An -v -w${3:1:1} -t"$3" | tr -d ' '
}

@test "retrieval: every picture against every caption, cosines first, then the matching head" {
    retrieval --top 0 -o cosines.safetensors
    [ "$(values cosines.safetensors txt2img u8 | paste -sd ' ')" = "$(for i in {0..15}; do echo $i $i; done | paste -sd ' ')" ]
    values cosines.safetensors scores_i2t f4 >i2t
    values cosines.safetensors scores_t2i f4 >t2i
    [ "$(wc -l <i2t)" -eq 512 ]
    awk '{ v = $1 < 0 ? -$1 : $1; if (v > 1.00001) exit 1 }' i2t
    awk 'NR == FNR { a[int((FNR - 1) / 32), (FNR - 1) % 32] = $1; next }
         a[(FNR - 1) % 16, int((FNR - 1) / 16)] != $1 { exit 1 }' i2t t2i # one is the other, turned

    retrieval --top 5 -o scores.safetensors --batch 3
    [ "$(values scores.safetensors scores_i2t f4 | grep -cx -- -100)" -eq $((16 * 27)) ]
    [ "$(values scores.safetensors scores_t2i f4 | grep -cx -- -100)" -eq $((32 * 11)) ]
    # what was looked at are the most similar ones
    paste i2t <(values scores.safetensors scores_i2t f4) | awk '
        { row = int((NR - 1) / 32); if ($2 == -100) { if (!(row in out) || $1 > out[row]) out[row] = $1 }
          else if (!(row in in_) || $1 < in_[row]) in_[row] = $1 }
        END { for (row in in_) if (in_[row] < out[row]) exit 1 }'
}

@test "retrieval: what it cannot use is one line and leaves no file" {
    run retrieval -o scores.safetensors --max-text 17
    [ $status -eq 78 ]
    [ "$output" = "bt-generate: texts of 17 tokens, but the model has 2 to 16 positions [E_CONFIG]" ]
    run bt-generate retrieval -q -w $D/vision/final -w $D/lm/final -w $D/caption/final -t $D/vocab.txt -i $D/samples.bt -o x.safetensors
    [ $status -eq 78 ]
    [[ $output == *"it does not match pictures and texts; use one of stage1"* ]]
    run retrieval -t $D/opt -o scores.safetensors
    [ $status -eq 78 ]
    [[ $output == *"use that of BERT"* ]]
    bt-cat --to=json $D/samples.bt | jq -c 'if .n == 3 then .image = {"$bin": "AAAA"} else . end' | bt-cat --from=json -o bad.bt
    run retrieval -i bad.bt -o scores.safetensors
    [ $status -eq 65 ]
    [[ $output == *"bad.bt:record 3"*E_IMAGE* ]]
    [ "$(ls | grep -c safetensors)" -eq 0 ]
}
