#!/bin/bash
# report.sh BIN DEMO: what the demonstration came to, from the scores and predictions under DEMO.
set -euo pipefail
bin=$1 demo=$2

# Share of captions that name every thing (or the job) of their picture: the words of its name that the vision step learns,
# whatever their number (data/words.txt maps plurals onto singulars).
naming() {
    "$bin/bt-cat" --to=json "$1/eval/captions.bt" | jq -rn --rawfile words "$demo/data/words.txt" \
        --slurpfile scenes "$demo/data/scenes_test.jsonl" '
        ($words | split("\n") | map(select(. != "") | split("\t") | {key: .[0], value: .[1]}) | from_entries) as $number_of
        | ($scenes | map({key: (.id | tostring), value: .}) | from_entries) as $scene
        | def labels: split(" ") | map($number_of[.] // empty) | unique;
        [inputs | select(.type == "record") | $scene[.image_id | tostring] as $s
         | (($s.things + [$s.job // empty] | join(" ") | labels) - (.caption | labels)) == []]
        | 100 * (map(select(.)) | length) / length'
}

number() { # FILE KEY FORMAT: a score, or a dash
    local value
    value=$(jq -r "$2 // empty" "$1")
    if [ -n "$value" ]; then printf "$3" "$value"; else printf -- '-'; fi
}

row() { # NAME DIR
    local c=$2/eval/captions.json a=$2/eval/answers.json
    printf '%-26s %6s %7s %6s %8s %8s %7s %7s %7s\n' "$1" "$(number "$c" .CIDEr %.3f)" "$(number "$c" .Bleu_4 %.3f)" \
        "$(number "$c" .exact %.3f)" "$(printf %.1f "$(naming "$2")")" "$(number "$a" .overall %.1f)" \
        "$(number "$a" '.perAnswerType.other' %.1f)" "$(number "$a" '.perAnswerType["yes/no"]' %.1f)" \
        "$(number "$a" '.perAnswerType.number' %.1f)"
}

echo "Ten pictures the model has never seen ($demo/data/images/), its caption, and a caption it should be like:"
"$bin/bt-cat" --head 10 --to=json "$demo/blip-t/eval/captions.bt" | jq -r 'select(.type == "record") | "  \(.id)  \(.caption)\n  \(.id | gsub("."; " "))  (\(.captions[0]))"'
echo
echo "Answers of the same model:"
"$bin/bt-cat" --head 10 --to=json "$demo/blip-t/eval/answers.bt" | jq -r 'select(.type == "record") | "  \(.question)  \(.answer)  (\(.answers[0]))"'
echo
printf '%-26s %6s %7s %6s %8s %8s %7s %7s %7s\n' "test pictures" CIDEr BLEU-4 exact "names %" "VQA %" other yes/no number
row "untrained" "$demo/untrained"
row "BLIP-2 (no P-Former)" "$demo/blip-2"
row "BLIP-T" "$demo/blip-t"
t=$demo/text-answers.json
printf '%-26s %6s %7s %6s %8s %8s %7s %7s %7s\n' "language model on text" "" "" "" "" "$(number "$t" .overall %.1f)" \
    "$(number "$t" '.perAnswerType.other' %.1f)" "$(number "$t" '.perAnswerType["yes/no"]' %.1f)" "$(number "$t" '.perAnswerType.number' %.1f)"
echo
echo "names: captions that name every thing, or the job, in the picture. exact: equal to one of five references."
recall() { jq -r '"\(.txt_r1 * 10 | round / 10) % of the captions for pictures, \(.img_r1 * 10 | round / 10) % of the pictures for captions"' "$demo/$1/retrieval.json"; }
echo "The last line is the ceiling of the answers: the same questions about a sentence instead of a picture."
echo "Loss of stage 2, mean of the last 100 steps (lm alone): BLIP-2 $(tail -n 100 "$demo/blip-2/stage2/log.jsonl" | jq -s 'map(select(.loss) | .lm // .loss) | add / length * 1000 | round / 1000'), BLIP-T $(tail -n 100 "$demo/blip-t/stage2/log.jsonl" | jq -s 'map(select(.loss) | .lm // .loss) | add / length * 1000 | round / 1000')"
echo "Found at first, of $(jq .images "$demo/blip-t/retrieval.json"), after stage 1: BLIP-2 $(recall blip-2); BLIP-T $(recall blip-t)"
