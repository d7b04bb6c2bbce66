#!/usr/bin/env bats
# bt-train at the command line, on a model of a few thousand numbers: every stage trains, and a run that was stopped anywhere
# ends with the bytes of one that was not.

bats_require_minimum_version 1.5.0
load tiny

stages="vision lm stage0 stage1 stage2 caption"

# 30 steps: train STAGE OUTPUT [OPTION]...
train() {
    bt-train "$1" --quiet --model $D/model.json $(tiny_inputs $1) --output "$2" --threads 1 --checkpoint-every 5 --set epochs=3 \
        --set steps_per_epoch=10 --set batch=4 --set lr=3e-3 --set warmup_steps=4 --set max_text=8 --set window=16 "${@:3}"
}

# what a log says, but for the time it took
log_of() { jq -c 'del(.step_ms)' "$1/log.jsonl"; }

# the last checkpoints of two runs are the same bytes, and so are their logs
same_runs() {
    diff -r "$1/final/" "$2/final/"
    diff <(log_of "$1") <(log_of "$2")
    [ "$(readlink "$1/final")" = "$(readlink "$2/final")" ]
}

# numbers FILE: every value of a safetensors file, a line each
numbers() { tail -c +$((9 + $(od -An -t u8 -N 8 "$1"))) "$1" | od -An -v -t f4 -w4; }

setup_file() {
    PATH=$BT_BUILD/bin:$PATH
    export D=$BATS_FILE_TMPDIR W=$BATS_FILE_TMPDIR
    cd "$D"
    tiny_data
    tiny_model 0.1 >model.json
    for stage in $stages; do
        train $stage $stage
    done
}

setup() {
    PATH=$BT_BUILD/bin:$PATH
    cd "$BATS_TEST_TMPDIR"
}

@test "every stage trains, and leaves a log, checkpoints and a link to the last" {
    for stage in $stages; do
        [ "$(log_of $D/$stage | jq -c 'select(has("step")) | .step' | tail -1)" = 29 ]
        [ "$(log_of $D/$stage | jq -c 'select(has("train_loss")) | .epoch' | paste -sd ' ')" = "0 1 2" ]
        [ "$(readlink $D/$stage/final)" = ckpt/step-00000030 ]
        [ "$(ls $D/$stage/ckpt | paste -sd ' ')" = "LATEST step-00000020 step-00000025 step-00000030" ]
        [ "$(ls $D/$stage/final/ | paste -sd ' ')" = \
            "MANIFEST.json config.json model.safetensors optim-00000-of-00001.safetensors state.json" ]
        jq -e ".stage == \"$stage\" and .model.queries == 8 and .recipe.lr == 0.003" $D/$stage/final/config.json
        jq -e '.step == 30 and .updates == 30 and .samples == 120 and .skipped == 0' $D/$stage/final/state.json
        (cd $D/$stage/final && jq -r '.files[] | .sha256 + "  " + .name' MANIFEST.json | sha256sum --quiet -c)
    done
    [ "$(jq -c 'select(.step == 3) | del(.step_ms, .loss, .lr, .grad_norm) | keys' $D/stage1/log.jsonl)" = \
        '["align","epoch","itc","itg","itm","step"]' ]
}

@test "the log adds up: an epoch's mean, and a loss of its terms" {
    for stage in stage0 stage1 stage2; do
        jq -se '[.[] | select(.epoch == 1)] | ([.[].loss | numbers] | add / length) - (.[] | .train_loss | numbers) | fabs < 1e-9' \
            $D/$stage/log.jsonl
        jq -se 'all(.[] | select(.step); (.loss - ([.contrastive, .vq, .itc, .itm, .itg, .align, .lm | numbers] | add) | fabs) < 1e-5)' \
            $D/$stage/log.jsonl
    done
}

@test "the checkpoint does not depend on the number of threads" {
    for stage in $stages; do
        for n in 2 3; do
            train $stage $stage-$n --threads $n
            cmp $stage-$n/final/model.safetensors $D/$stage/final/model.safetensors
            rm -r $stage-$n
        done
    done
}

@test "losses fall on data seen again and again" {
    tiny_model 0 | jq '.opt.hidden = 48 | .opt.ffn = 128 | .qformer.hidden = 32 | .vit.width = 32' >larger.json
    W=.
    for stage in $stages; do
        if [ $stage = caption ]; then # from stage 1: stage 2 has learnt it all
            rm -r stage2 && cp -r stage1 stage2
        fi
        train $stage $stage --model larger.json --set batch=16 --set epochs=8 --set cosine_per_step=true --set augment=false \
            --set mask_rate=0 --checkpoint-every 80 --set lr=5e-3
        jq -se '[.[].loss | numbers] | (.[:5] | add) as $first | (.[-5:] | add) as $last
            | if $last < 0.9 * $first then true else error("'$stage': \($first / 5) \($last / 5)") end' $stage/log.jsonl
    done
}

@test "the baseline trains without a P-Former" {
    bt-train stage1 -q --model $D/model.json --data $D/captions.lmdb --weights $D/vision/final --set align_weight=0 \
        --set batch=4 --set max_text=8 --max-steps 3 --output one
    jq -e 'select(.step == 2) | has("itc") and (has("align") | not)' one/log.jsonl
    jq -e '.aligned == false' one/final/config.json
    bt-train stage2 -q --model $D/model.json --data $D/captions.lmdb --weights $D/vision/final --weights $D/lm/final \
        --weights one/final --set align_weight=0 --set batch=4 --set max_text=8 --max-steps 3 --output two
    [ "$(jq -c 'select(.step == 2) | keys' two/log.jsonl)" = '["epoch","grad_norm","loss","lr","step","step_ms"]' ]
}

@test "RandomAugment is drawn by seed, pass and sample: a run that was stopped ends with the same bytes" {
    for kind in as-run intended; do
        train caption $kind --set "random_augment=\"$kind\""
        [ "$(jq -r .recipe.random_augment $kind/final/config.json)" = $kind ]
        run ! cmp -s $kind/final/model.safetensors $D/caption/final/model.safetensors
        train caption $kind-stopped --set "random_augment=\"$kind\"" --stop-after 7 || [ $? = 75 ]
        train caption $kind-stopped --set "random_augment=\"$kind\"" --threads 2
        same_runs $kind $kind-stopped
    done
    run ! cmp -s as-run/final/model.safetensors intended/final/model.safetensors
    run train caption no --set 'random_augment="as-run"' --set augment=false
    [ $status = 78 ]
    [ "$output" = "bt-train: recipe: random_augment needs augment, whose crops and flips it follows [E_CONFIG]" ]
}

# killed_anywhere STAGE: ten times, each at a random moment of the time that a whole run takes
killed_anywhere() {
    local start=${EPOCHREALTIME/./} whole us
    train $1 whole >/dev/null
    whole=$((${EPOCHREALTIME/./} - start))
    same_runs whole $D/$1
    for i in 1 2 3 4 5 6 7 8 9 10; do
        us=$((RANDOM * 32768 + RANDOM))
        us=$((us % (whole * 11 / 10)))
        echo "$1: kill $i after $us us of $whole"
        timeout -s KILL $(printf '%d.%06d' $((us / 1000000)) $((us % 1000000))) bash -c "exec $(train_line $1 killed)" || true
        flock killed/lock true 2>/dev/null || true # a process that waits for the disk dies when it has it
        [ ! -e killed/final ] || [ "$(readlink killed/final)" = ckpt/step-00000030 ]
    done
    train $1 killed
    same_runs killed $D/$1
    [ "$(ls -A killed/ckpt | paste -sd ' ')" = "$(ls -A $D/$1/ckpt | paste -sd ' ')" ]
}

# the command of `train`, as a line
train_line() {
    bt-train() { printf 'bt-train '; printf '%q ' "$@"; }
    train "$@"
    unset -f bt-train
}

@test "killed at ten random moments: vision" { killed_anywhere vision; }
@test "killed at ten random moments: lm" { killed_anywhere lm; }
@test "killed at ten random moments: stage0" { killed_anywhere stage0; }
@test "killed at ten random moments: stage1" { killed_anywhere stage1; }
@test "killed at ten random moments: stage2" { killed_anywhere stage2; }
@test "killed at ten random moments: caption" { killed_anywhere caption; }

@test "stopped on request: state saved, status 75, and the same command goes on" {
    $(train_line stage1 run --checkpoint-every 1000 | tr -d '\\') 2>said &
    pid=$!
    until [ -s run/log.jsonl ]; do sleep 0.005; done
    kill -TERM $pid
    wait $pid && status=0 || status=$?
    if [ $status = 0 ]; then skip "the run was faster than the signal"; fi
    [ $status = 75 ]
    grep -q "bt-train: run: stopped at step [0-9]* of 30, state saved; run the same command to go on \[E_STOPPED\]" said
    [ "$(ls run/ckpt | wc -l)" = 2 ]
    [ ! -e run/final ]
    train stage1 run
    same_runs run $D/stage1
}

@test "--stop-after stops where it says" {
    for n in 7 20 100; do
        run train lm run --stop-after $n
        [ $status = $([ $n = 100 ] && echo 0 || echo 75) ]
    done
    same_runs run $D/lm
}

@test "a complete run is left alone, and --max-steps may make it longer" {
    train vision run --max-steps 12
    [ "$(readlink run/final)" = ckpt/step-00000012 ]
    find run -type f ! -name lock -exec stat -c '%n %Y %i' {} + | sort >before
    run --separate-stderr bt-train vision --model $D/model.json $(tiny_inputs vision) --output run --threads 1 --checkpoint-every 5 \
        --set epochs=3 --set steps_per_epoch=10 --set batch=4 --set lr=3e-3 --set warmup_steps=4 --set max_text=8 \
        --set window=16 --max-steps 12
    [ $status = 0 ]
    [ "${stderr_lines[-1]}" = "bt-train: run: complete already, nothing to do" ]
    find run -type f ! -name lock -exec stat -c '%n %Y %i' {} + | sort | diff before -
    train vision run
    same_runs run $D/vision
}

@test "a damaged checkpoint is named, the one before it is taken, and the bytes are the same" {
    cp -r $D/lm run
    rm run/final
    truncate -s -1 run/ckpt/step-00000030/model.safetensors
    rm run/ckpt/step-00000025/state.json
    train lm run 2>said
    grep -q 'bt-train: warning: run/ckpt/step-00000030/model.safetensors: .*; trying the one before \[E_CKPT_BAD\]' said
    grep -q 'bt-train: warning: run/ckpt/step-00000025/state.json: .*; trying the one before \[E_CKPT_BAD\]' said
    same_runs run $D/lm
    for step in 20 25 30; do
        echo >>run/ckpt/step-000000$step/state.json
    done
    run train lm run
    [ $status = 65 ]
    [[ ${lines[-1]} == *"run/ckpt: every checkpoint is damaged; "*"[E_CKPT_BAD]" ]]
}

# Captions differ in length: a mean of means would not do.
@test "micro-batches: the loss is that of the whole step, and so is the gradient" {
    tiny_model 0 >still.json
    for stage in vision lm stage2 caption; do
        for n in 1 2; do
            train $stage $stage-$n --model still.json --set batch=2 --set micro_batch=$n --max-steps 1
        done
        jq -se '(.[0].loss - .[1].loss | fabs) < 1e-6 * .[0].loss' $stage-1/log.jsonl $stage-2/log.jsonl
        jq -se '(.[0].grad_norm - .[1].grad_norm | fabs) < 1e-4 * .[0].grad_norm' $stage-1/log.jsonl $stage-2/log.jsonl
        paste <(numbers $stage-1/final/optim-*) <(numbers $stage-2/final/optim-*) |
            awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d; if ($1 > top) top = $1 }
                 END { if (!(NR > 1000 && top > 0 && most < 1e-4 * top)) { print NR, top, most; exit 1 } }'
    done
}

@test "fewer samples than a batch: an error at the start" {
    run train stage1 run --set steps_per_epoch=0 --set batch=32
    [ $status = 78 ]
    [ "$output" = "bt-train: data: 0 steps per epoch: 16 samples, batch 32; use a smaller batch or more data [E_CONFIG]" ]
    [ ! -e run/ckpt ]
}

@test "learning rates are those of the published rule, also after a resume" {
    rates="--set epochs=4 --set steps_per_epoch=4 --set lr=1e-4 --set lr_min=1e-5 --set warmup_steps=3"
    for stop in 100 4 10; do
        train lm run-$stop $rates --stop-after $stop || [ $? = 75 ]
        train lm run-$stop $rates
    done
    jq -se '[.[] | select(.step != null) | .lr] | length == 16 and (.[0:4] as $w | [1e-6, 3.4e-5, 6.7e-5, 1e-4] | to_entries
        | all((.value - $w[.key] | fabs) < 1e-18)) and (.[4:] | to_entries
        | all((.value - [8.68198052e-5, 5.5e-5, 2.31801948e-5][.key / 4 | floor] | fabs) < 1e-13))' run-100/log.jsonl
    for stop in 4 10; do
        diff <(jq -c '[.step, .lr]' run-100/log.jsonl) <(jq -c '[.step, .lr]' run-$stop/log.jsonl)
        same_runs run-100 run-$stop
    done
}

@test "a run goes on with the recipe and the data it began with" {
    cp -r $D/lm run
    run train lm run --set lr=1e-3
    [ $status = 65 ]
    [[ $output == *"run/ckpt/step-00000030: was trained with another recipe; "*"[E_INPUT_CHANGED]" ]]
    run train lm run --data $D/sentences.lmdb
    [ $status = 65 ]
    [[ $output == *"run/ckpt/step-00000030: was trained on other data; "*"[E_INPUT_CHANGED]" ]]
    run train lm run --resume never
    [ $status = 64 ]
    [[ $output == *"run: has checkpoints already; go on with --resume auto, or name another --output [E_EXISTS]" ]]
    train lm fresh --resume never
    same_runs fresh $D/lm
}

@test "one run at a time writes to a directory" {
    $(train_line caption run --set epochs=1000 | tr -d '\\') &
    pid=$!
    until [ -s run/log.jsonl ]; do sleep 0.005; done
    run train caption run
    kill -KILL $pid
    { wait $pid; } 2>/dev/null || true
    [ $status = 73 ]
    [ "$output" = "bt-train: run: another run is writing here; wait for it, or name another --output [E_LOCKED]" ]
}

@test "weights that are missing, or of another model, are named" {
    run bt-train stage2 -q --model $D/model.json --data $D/captions.lmdb --weights $D/vision/final --set max_text=8 \
        --set batch=4 -o run
    [ $status = 65 ]
    [[ $output == "bt-train: weights: "[1-9][0-9]" tensors are in none of the files: Pformer."*", Pformer."*", Pformer."*" ...; "*"[E_WEIGHTS]" ]]
    run train stage0 run --weights $D/vision/final
    [ $status = 65 ]
    [[ $output == *"vision/final: none of its tensors belongs to this model; name another file [E_WEIGHTS]" ]]
    jq '.opt.ffn = 48' $D/model.json >wide.json
    run train stage0 run --model wide.json
    [ $status = 65 ]
    [[ $output == *"lm/final: tensor 'opt_model.model.decoder.layers.0.fc1.bias' is [32], but the model's is [48]; "* ||
        $output == *"lm/final: tensor 'opt_model.model.decoder.layers.0.fc1.weight' is [32, 16], but the model's is [48, 16]; "* ]]
    run train stage0 run --weights nowhere
    [ $status = 66 ]
}

@test "a run that diverges ends with status 80, and its last checkpoint is good" {
    run train lm run --set lr=1e30 --set warmup_steps=0
    [ $status = 80 ]
    [[ $output == *"step skipped (9 of 10 in a row)"* ]]
    [[ ${lines[-1]} == *"10 steps in a row were not finite; lower the learning rate"*"[E_NONFINITE]" ]]
    ! numbers run/ckpt/$(cat run/ckpt/LATEST)/model.safetensors | grep -qi 'nan\|inf'
}

@test "data that a stage cannot use is named by set and record" {
    run train stage1 run --data $D/sentences.lmdb
    [ $status = 65 ]
    [[ $output == *"/sentences.lmdb:record "*": no 'image', and no 'pixels' of side 16; "*"[E_INPUT]" ]]
    jq '.qformer.vocab = 110 | .tokens.dec = 109' $D/model.json >few.json
    run bt-train stage1 -q --model few.json --data $D/captions.lmdb --weights $D/vision/final --set align_weight=0 \
        --set batch=4 --set max_text=8 --output run
    [ $status = 65 ]
    [[ $output == *"/captions.lmdb:record "*": token "*" but vocab is 110; tokenize with the model's tokenizer [E_INPUT]" ]]
    run train lm run --data nowhere.lmdb
    [ $status = 66 ]
    run train vision run --labels /dev/null
    [ $status = 65 ]
}

@test "a recipe in a file, --set over it, and what is not in a recipe" {
    echo '{ "lr": 2e-4, "batch": 32 }' >recipe.json
    [ "$(bt-train stage1 --recipe recipe.json --set batch=16 --print-recipe | jq -c '[.lr, .batch, .epochs, .warmup_steps, (.align_weight | floor)]')" = \
        '[0.0002,16,10,5000,10]' ]
    bt-train stage2 --print-recipe >published.json
    bt-train caption --recipe published.json --print-recipe | cmp - published.json
    echo '{ "rate": 1 }' >wrong.json
    run bt-train stage1 --recipe wrong.json --print-recipe
    [ $status = 78 ]
    [ "$output" = "bt-train: wrong.json: a recipe has no 'rate'; bt-train(1) lists its members [E_CONFIG]" ]
    run bt-train stage1 --set batch=many --print-recipe
    [ $status = 65 ]
    run bt-train stage1 --set batch=0 --print-recipe
    [ $status = 78 ]
    run bt-train stage1 --set micro_batch=3 --print-recipe
    [ $status = 78 ]
}

@test "usage" {
    run bt-train
    [ $status = 64 ]
    run bt-train stage3 --print-recipe
    [ $status = 64 ]
    run bt-train stage1 --model $D/model.json --output run
    [ $status = 64 ]
    [[ $output == "bt-train: stage1: --data, --model and --output are needed; see --help [E_USAGE]" ]]
    run train vision run --model $D/captions.json
    [ $status = 78 ]
    [ ! -e run ]
}

@test "the published sizes are a model file too" {
    cp "$BATS_TEST_DIRNAME/../../pipelines/models/blip2-opt2.7b.json" model.json
    run bt-train stage1 -q --model model.json --data nowhere.lmdb --output run --set batch=0
    [ $status = 78 ]
}
