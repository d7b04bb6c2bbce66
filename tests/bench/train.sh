#!/bin/bash
# bench train: one step of the demonstration's stage 1 and stage 2 on this machine: images a second, and how fast the matrix
# products of a step run against what oneDNN itself reaches here (bench linear, largest product), in the same run.
set -euo pipefail
build=$1 bin=$1/bin dir=$1/bench-train
recipes=pipelines/recipes/emoji model=pipelines/models/emoji.json

mkdir -p "$dir"
make -s "$build/bin/emoji-scenes" "$build/tests/bench/linear" B="$build"
[ -d "$dir/data" ] || "$bin/emoji-scenes" --quiet --train 960 --val 8 --test 8 --documents 600 -o "$dir/data"
pipeline() { make -s -f "pipelines/$1.mk" BIN="$bin" DATA="$dir/data" MODELS="$dir/models" OUT="$dir" MODEL=$model RECIPES=$recipes \
    MAX_LEN=24 BERT_SIZE=1000 OPT_SIZE=1200 GROUP=image "${@:2}" 2>>"$dir/log"; }
pipeline towers SET='--max-steps 2 --quiet'
pipeline stage0 SET='--max-steps 2 --quiet'
pipeline stage1 SET='--max-steps 2 --quiet'

ceiling=$("$build/tests/bench/linear" --ceiling)
for stage in stage1 stage2; do
    rm -rf "$dir/run"
    "$bin/bt-train" $stage --data "$dir/sets/captions.lmdb" --model $model --recipe $recipes/$stage.json --max-steps 60 --profile \
        --weights "$dir/models/vision/final" --weights "$dir/stage0/final" \
        $([ $stage = stage1 ] || echo --weights "$dir/models/lm/final" --weights "$dir/stage1/final") --output "$dir/run" 2>"$dir/run.log"
    batch=$("$bin/bt-train" $stage --recipe $recipes/$stage.json --print-recipe | jq .batch)
    jq -s --arg stage $stage --argjson batch "$batch" -r '(map(.step_ms // empty) | .[20:] | sort | .[length/2|floor]) as $ms
        | "\($stage)-images-per-s \($batch * 1000 / $ms | round) - - - -"' "$dir/run/log.jsonl"
    awk -v stage=$stage -v ceiling="$ceiling" '/linear +[0-9.]+ %/ { gflops = $(NF - 1); printf "%s-matrix-gflops %.1f %.1f %.2f 0.50 %s\n",
        stage, gflops, ceiling, gflops / ceiling, (gflops / ceiling >= 0.5 ? "met" : "short"); exit }' "$dir/run.log"
    awk -v stage=$stage '/% of op time/ { printf "%s-share-%s %s%% - - - -\n", stage, $2, $3 }' "$dir/run.log"
done
