#!/usr/bin/env bats
# The pipelines, from pictures made here to scores, on a model that is far too small: that each step does its work once, from
# what it says it needs, and that one which was killed goes on to the bytes of one which was not.

bats_require_minimum_version 1.5.0

pipelines=$BATS_TEST_DIRNAME/../../pipelines
names="towers stage0 stage1 stage2 finetune eval"

# pipe NAME [VARIABLE=VALUE]...
pipe() {
    make --no-print-directory -f "$pipelines/$1.mk" BIN="$BT_BUILD/bin" DATA=$D/data MODELS=$D/models RECIPES=$D/recipes \
        BERT_SIZE=200 OPT_SIZE=300 MAX_LEN=8 SET="--quiet --threads 1 --checkpoint-every 5" QUESTIONS=1 \
        CAPTION_OPTIONS="--threads 1 --max-new 8" ANSWER_OPTIONS="--threads 1" "${@:2}"
}

# the command of `pipe`, as a line
pipe_line() {
    make() { printf '%q ' make "$@"; }
    pipe "$@"
    unset -f make
}

# what is in a directory of results, but for logs' times and the lock of a run
same_results() {
    diff -r -x log.jsonl -x lock "$1" "$2"
}

# The same training, also from a set of shards that was made in another place, or in several goes: a checkpoint names it by its
# manifest, which knows such things.
same_weights() {
    local file
    for file in model.safetensors optim-00000-of-00001.safetensors; do
        cmp "$1/final/$file" "$2/final/$file"
    done
}

setup_file() {
    export D=$BATS_FILE_TMPDIR
    [ -x "$BT_BUILD/bin/emoji-scenes" ] || skip "emoji-scenes is not built; make check builds it"
    cd "$D"
    "$BT_BUILD/bin/emoji-scenes" -q --output data --train 48 --val 8 --test 8 --documents 100
    mkdir models recipes
    local bert='"hidden": 16, "layers": 2, "heads": 2, "ffn": 32, "vocab": 201, "positions": 64, "eps": 1e-12, "dropout": 0.1,
        "init_std": 0.08'
    cat >models/model.json <<END
{ "vit": { "image_size": 32, "patch": 16, "width": 16, "depth": 2, "heads": 2, "mlp": 32, "eps": 1e-6, "init_std": 0.08 },
  "qformer": { $bert }, "pformer": { $bert },
  "opt": { "hidden": 16, "layers": 2, "heads": 2, "ffn": 32, "vocab": 300, "positions": 128, "eps": 1e-5, "dropout": 0.1,
           "init_std": 0.08 },
  "queries": 8, "embed": 8, "cross_every": 2, "labels": $(($(cut -f2 data/words.txt | sort -n | tail -1) + 1)),
  "ln_vision_eps": 1e-5, "tokens": { "cls": 101, "sep": 102, "mask": 103, "dec": 200, "bos": 2, "pad": 1 } }
END
    for stage in vision lm stage0 stage1 stage2 caption; do
        echo '{ "batch": 4, "epochs": 3, "steps_per_epoch": 10, "warmup_steps": 2, "max_text": 8, "window": 16 }' >recipes/$stage.json
    done
    for name in $names; do
        pipe $name OUT=$D/out
    done
}

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "help says what a pipeline needs and makes" {
    for name in $names; do
        run make -f "$pipelines/$name.mk" help
        [ $status = 0 ]
        [[ ${lines[0]} == "$name.mk: "* ]]
        [[ $output == *"make -f pipelines/$name.mk"*"needs  "*"makes  "*"variables: "* ]]
    done
}

@test "the whole chain ends in scores" {
    jq -e '.CIDEr >= 0' $D/out/eval/captions.json
    jq -e '.overall >= 0' $D/out/eval/answers.json
    [ "$("$BT_BUILD/bin/bt-cat" --count $D/out/eval/captions.bt)" = 8 ]
    for run in $D/models/{vision,lm} $D/out/{stage0,stage1,stage2,caption}; do
        [ "$(readlink $run/final)" = ckpt/step-00000030 ]
    done
    jq -e .aligned $D/out/stage1/final/config.json
    ! find $D/out $D/models -name '.bt-*' -o -name '*.tmp' | grep .
}

@test "a second run does nothing" {
    for name in $names; do
        pipe $name -q OUT=$D/out
        run pipe $name OUT=$D/out
        [ $status = 0 ]
        [ "$output" = "make: Nothing to be done for 'all'." ]
    done
}

@test "the baseline needs no P-Former" {
    pipe stage2 ALIGN=0 OUT=base SETS=$D/out/sets
    [ "$(ls base | paste -sd ' ')" = "stage1 stage2" ]
    jq -e '.aligned == false' base/stage1/final/config.json
    jq -e '.aligned == false' base/stage2/final/config.json
    pipe stage2 -q ALIGN=0 OUT=base SETS=$D/out/sets
}

# Only what the head of the file says, under other names where there is a variable for it.
@test "each step alone, from what it says it needs" {
    mkdir -p m/opt d
    cp $D/models/model.json m/
    cp $D/models/opt/{vocab.json,merges.txt} m/opt/
    cp $D/data/sentences_train.txt d/
    own="DATA=d MODELS=m BERT=$D/models/bert/vocab.txt"

    pipe stage0 $own LM=$D/models/lm/final OUT=a
    same_weights a/stage0 $D/out/stage0

    rm d/*
    cp -r $D/data/captions_train.json $D/data/images d/
    pipe stage1 $own VISION=$D/models/vision/final STAGE0=$D/out/stage0/final OUT=b
    same_weights b/stage1 $D/out/stage1

    pipe stage2 $own VISION=$D/models/vision/final LM=$D/models/lm/final STAGE0=$D/out/stage0/final STAGE1=$D/out/stage1/final OUT=c
    [ ! -e c/stage1 ]
    same_weights c/stage2 $D/out/stage2

    cp $D/data/{questions,annotations}_train.json d/
    pipe finetune $own VISION=$D/models/vision/final LM=$D/models/lm/final STAGE2=$D/out/stage2/final OUT=e
    same_weights e/caption $D/out/caption
    [ "$(ls e | paste -sd ' ')" = "caption sets" ]

    rm d/*.json
    cp $D/data/{captions,questions,annotations}_test.json d/
    pipe eval $own VISION=$D/models/vision/final LM=$D/models/lm/final WEIGHTS=$D/out/caption/final OUT=f
    cmp f/eval/captions.json $D/out/eval/captions.json
    cmp f/eval/answers.json $D/out/eval/answers.json
}

@test "what is missing, or fails, leaves nothing under its name" {
    run pipe stage1 DATA=nowhere OUT=a
    [ $status = 2 ]
    [[ $output == *"No rule to make target 'nowhere/captions_train.json'"* ]]
    mkdir d
    echo '{"images": [' >d/captions_train.json
    run pipe stage1 DATA=d STAGE0=$D/out/stage0/final OUT=a
    [ $status = 2 ]
    [[ $output == *"bt-preprocess: d/captions_train.json: "*"[E_INPUT]"*"Error 65"* ]]
    [ ! -e a/sets/captions.done ]
    [ ! -e a/stage1 ]
    run pipe stage1 STAGE0=$D/out/stage0/final SETS=$D/out/sets OUT=a SET="--quiet --set batch=100000 --set steps_per_epoch=0"
    [ $status = 2 ]
    [[ $output == *"0 steps per epoch"* ]]
    [ ! -e a/stage1/final ]
}

# kill_all PID: make and its children; one that waits for the disk dies, and lets go of its locks, when it has it
kill_all() {
    kill -KILL -- -$1 2>/dev/null || true
    wait $1 2>/dev/null || true
    find killed -name '*lock' -type f -exec flock {} true \; 2>/dev/null || true
}

# killed_at MICROSECONDS COMMAND...: with all its children
killed_at() {
    local pid us=$1
    setsid "${@:2}" >/dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
    kill_all $pid
}

@test "killed anywhere, the same command goes on to the same bytes" {
    local start whole us line
    line=$(pipe_line finetune OUT=killed STAGE0=$D/out/stage0/final)
    start=${EPOCHREALTIME/./}
    pipe finetune OUT=whole STAGE0=$D/out/stage0/final
    whole=$((${EPOCHREALTIME/./} - start))
    for i in {1..10}; do
        us=$(((RANDOM * 32768 + RANDOM) % (whole / 4)))
        echo "kill $i after $us us of $whole; so far: $(ls killed killed/sets 2>/dev/null | paste -sd ' ')"
        killed_at $us bash -c "exec $line"
    done
    pipe finetune OUT=killed STAGE0=$D/out/stage0/final
    pipe finetune -q OUT=killed STAGE0=$D/out/stage0/final
    for part in stage1 stage2 caption; do
        same_weights whole/$part killed/$part
    done
    for set in captions answers; do
        cmp <("$BT_BUILD/bin/bt-cat" --prov none whole/sets/$set.lmdb) <("$BT_BUILD/bin/bt-cat" --prov none killed/sets/$set.lmdb)
    done
}

# A step by itself, killed when it is known to be at work.
@test "killed in the middle of training" {
    long="--quiet --threads 1 --checkpoint-every 5 --set epochs=15"
    pipe stage1 OUT=whole SETS=$D/out/sets STAGE0=$D/out/stage0/final SET="$long"
    line=$(pipe_line stage1 OUT=killed SETS=$D/out/sets STAGE0=$D/out/stage0/final SET="$long")
    for i in 1 2 3; do
        before=$(cat killed/stage1/ckpt/LATEST 2>/dev/null || true)
        setsid bash -c "exec $line" >/dev/null 2>&1 &
        pid=$!
        until [ "$(cat killed/stage1/ckpt/LATEST 2>/dev/null)" != "$before" ]; do sleep 0.005; done
        kill_all $pid
    done
    [ ! -e killed/stage1/final ] || skip "the machine was faster than the kill"
    pipe stage1 OUT=killed SETS=$D/out/sets STAGE0=$D/out/stage0/final SET="$long"
    same_results whole/stage1 killed/stage1
}
