# A data set of sixteen pictures and a model of a few thousand numbers, for the tests that need a trained one.

# Sixteen pictures, each with a short caption and a longer one: pictures/, list.jsonl, captions.json;
# vocabularies vocab.txt and opt/; token records captions.lmdb and sentences.lmdb; words.txt.
tiny_data() {
    local golden=$BATS_TEST_DIRNAME/../golden/images/decode i=0 file
    local colours=(red green blue yellow) things=(cat bus tree hat)
    mkdir pictures
    for file in "$golden"/jpeg_4[24]*_{7x5,17x33,9x16}.jpg "$golden"/jpeg_4*_q[3-9]*.jpg; do
        [ $i -lt 16 ] || break
        cp "$file" pictures/$i.jpg
        echo "{\"image\": \"$i.jpg\", \"captions\": [\"${colours[i % 4]} ${things[i / 4]}\"," \
            "\"this is a ${colours[i % 4]} ${things[i / 4]}\"]}" >>list.jsonl
        i=$((i + 1))
    done
    jq -cs '{images: [.[] | {id: (.image | rtrimstr(".jpg") | tonumber), file_name: .image}],
        annotations: [.[] | (.image | rtrimstr(".jpg") | tonumber) as $i | .captions | to_entries[]
            | {id: ($i * 2 + .key), image_id: $i, caption: .value}]}' list.jsonl >captions.json
    bt-preprocess -q --text-only captions.json -o text.bt
    bt-tokenize -q --train wordpiece --vocab-size 200 -i text.bt -o vocab.txt
    bt-tokenize -q --train bpe --vocab-size 290 -i text.bt -o opt
    local tokenizers="--tokenizer bert=vocab.txt --tokenizer opt=opt --max-len 8"
    bt-preprocess -q --images pictures --group image captions.json | bt-tokenize -q $tokenizers -o captions.lmdb
    bt-preprocess -q --text-only captions.json | bt-tokenize -q $tokenizers -o sentences.lmdb
    printf '%s\t%s\n' red 0 green 1 blue 2 yellow 3 cat 4 bus 5 tree 6 hat 7 >words.txt
}

# tiny_model DROPOUT: a model.json
tiny_model() {
    local bert='"hidden": 16, "layers": 2, "heads": 2, "ffn": 32, "positions": 16, "eps": 1e-12, "init_std": 0.08'
    cat <<END
{ "vit": { "image_size": 16, "patch": 8, "width": 16, "depth": 2, "heads": 2, "mlp": 32, "eps": 1e-6, "init_std": 0.08 },
  "qformer": { $bert, "vocab": 201, "dropout": $1 }, "pformer": { $bert, "vocab": 200, "dropout": $1 },
  "opt": { "hidden": 16, "layers": 2, "heads": 2, "ffn": 32, "vocab": 300, "positions": 128, "eps": 1e-5, "dropout": $1,
           "init_std": 0.08 },
  "queries": 8, "embed": 8, "cross_every": 2, "labels": 8, "ln_vision_eps": 1e-5,
  "tokens": { "cls": 101, "sep": 102, "mask": 103, "dec": 200, "bos": 2, "pad": 1 } }
END
}

# tiny_inputs STAGE: what it reads: its data, in $D, and the results of the stages before it, in $W (or $D too).
tiny_inputs() {
    local w=${W:-$D}
    case $1 in
        vision) echo "--data $D/captions.lmdb --labels $D/words.txt" ;;
        lm) echo "--data $D/sentences.lmdb" ;;
        stage0) echo "--data $D/sentences.lmdb --weights $w/lm/final" ;;
        stage1) echo "--data $D/captions.lmdb --weights $w/vision/final --weights $w/stage0/final" ;;
        stage2) echo "--data $D/captions.lmdb --weights $w/vision/final --weights $w/lm/final --weights $w/stage0/final" \
                     "--weights $w/stage1/final" ;;
        caption) echo "--data $D/captions.lmdb --weights $w/vision/final --weights $w/lm/final --weights $w/stage2/final" ;;
    esac
}
