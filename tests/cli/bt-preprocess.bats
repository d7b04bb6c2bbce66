#!/usr/bin/env bats
# bt-preprocess at the command line: what goes in, what comes out, what is said, and that it survives being killed.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$BT_BUILD/bin:$PATH
    golden=$BATS_TEST_DIRNAME/../golden/images
    cd "$BATS_TEST_TMPDIR"
}

records() { bt-cat --to=json --bin=len "$@" | jq -c 'select(.type == "record")'; }
contents() { jq -c '[.shards[].content]' "$1/bt-dataset.json"; }

# some JPEGs: a.jpg b.jpg c.jpg in DIR
pictures() {
    mkdir -p "$1"
    cp "$golden/decode/jpeg_444_q90.jpg" "$1/a.jpg"
    cp "$golden/decode/jpeg_420_q60.jpg" "$1/b.jpg"
    cp "$golden/decode/jpeg_grey.jpg" "$1/c.jpg"
}

@test "the bytes of a picture are kept, with its size" {
    pictures p
    bt-preprocess -q p -o p.bt
    bt-cat --to=json p.bt | jq -r 'select(.id == "a.jpg") | .image."$bin"' | base64 -d | cmp - p/a.jpg
    [ "$(records p.bt | jq -c '[.id, .width, .height]' | head -1)" = '["a.jpg",67,45]' ]
}

@test "the output does not depend on the number of threads" {
    pictures p
    cp "$golden"/decode/*.jpg "$golden"/damaged/jpg_base_cut*.jpg p
    for n in 1 2 7; do
        bt-preprocess -q -j $n --rejects r$n.jsonl -o p$n.bt p
    done
    cmp p1.bt p2.bt && cmp p1.bt p7.bt && cmp r1.jsonl r2.jsonl && cmp r1.jsonl r7.jsonl
}

@test "a folder: endings in any case, none at all, captions beside, and what is ignored" {
    mkdir p
    cp "$golden/decode/jpeg_444_q90.jpg" p/IMG_1.JPG
    cp "$golden/decode/jpeg_420_q60.jpg" p/b.jpeg
    cp "$golden/decode/webp_lossless.webp" p/c.webp
    cp "$golden/decode/png_rgb8.png" p/d.Png
    cp "$golden/decode/gif_plain.gif" p/e.gif
    cp "$golden/decode/jpeg_grey.jpg" p/f
    echo "a photo" > p/IMG_1.txt
    echo "a bee" > p/b.TXT
    echo "# notes" > p/README.md
    bt-preprocess --rejects r.jsonl -o p.bt p 2> said
    [ "$(records p.bt | jq -r .id | paste -sd ' ')" = "IMG_1.JPG b.jpeg c.webp d.Png e.gif f" ]
    [ "$(records p.bt | jq -r 'select(.captions) | .captions[]' | paste -sd '|')" = "a photo|a bee" ]
    [ "$(cat r.jsonl)" = '{"end":true,"n":0,"by_code":{}}' ]
    grep -q 'pictures found: 6, caption files found: 2, files ignored: 1,.*README.md' said
}

@test "pictures are judged by content, and what is none is named" {
    mkdir p
    cp "$golden/decode/jpeg_444_q90.jpg" p/a.jpg
    cp "$golden/decode/webp_lossless.webp" p/b.jpg
    cp "$golden/decode/png_rgb8.png" p/c.jpg
    printf '<!DOCTYPE html><p>404' > p/d.jpg
    : > p/e.jpg
    printf '\0\0\0\030ftypavif' > p/f.jpg
    { echo; cat p/a.jpg; } > p/g.jpg
    bt-preprocess -q --rejects r.jsonl -o p.bt p
    [ "$(records p.bt | jq -r .id | paste -sd ' ')" = "a.jpg b.jpg c.jpg" ]
    jq -r 'select(.code) | .src + " " + (.detail | split(";")[0])' r.jsonl > said
    diff - said <<'END'
d.jpg an HTML page
e.jpg an empty file
f.jpg AVIF
g.jpg a JPEG with other bytes in front
END
    [ "$(tail -1 r.jsonl)" = '{"end":true,"n":4,"by_code":{"IMG_FORMAT":4}}' ]
}

@test "cut pictures are rejects with their size, and the log is there when nothing is left" {
    pictures p
    size=$(stat -c %s p/b.jpg)
    for cut in 1 2 $((size / 2)); do head -c -$cut p/b.jpg > cut-$cut.jpg; done
    run bt-preprocess -q --rejects r.jsonl -o p.bt cut-*.jpg
    [ "$status" -eq 65 ]
    [ ! -e p.bt ]
    [ "$(jq -r 'select(.code) | .code' r.jsonl | sort | uniq -c | xargs)" = "3 IMG_TRUNCATED" ]
    [ "$(jq -r 'select(.id == "cut-1.jpg") | .bytes' r.jsonl)" -eq $((size - 1)) ]
    jq -r 'select(.id == "cut-1.jpg") | .detail' r.jsonl | grep "of $((size - 1)) bytes"
}

@test "--allow-truncated takes cut pictures and says so in the record" {
    pictures p
    head -c 700 p/b.jpg > cut.jpg
    bt-preprocess -q --allow-truncated -o p.bt cut.jpg p/a.jpg
    [ "$(records p.bt | jq -c '[.id, .damaged]' | paste -sd ' ')" = '["cut.jpg",true] ["a.jpg",null]' ]
}

@test "a wrong checksum on pixel data is a reject, or taken on request" {
    cp "$golden/damaged/png_crc_IDAT.png" x.png
    run bt-preprocess -q -o x.bt x.png
    [ "$status" -eq 65 ]
    bt-preprocess -q --allow-corrupt -o x.bt x.png
    [ "$(records x.bt | jq .damaged)" = true ]
}

@test "the summary counts pictures that lie on their side and 16-bit grey ones" {
    run --separate-stderr bt-preprocess -o p.bt "$golden/decode/jpeg_exif_6.jpg" "$golden/decode/jpeg_exif_3.jpg" \
        "$golden/decode/jpeg_exif_1.jpg" "$golden/decode/png_grey16.png"
    [ "$status" -eq 0 ]
    [[ $stderr == *"2 pictures carry a rotation that was not applied"* ]]
    [[ $stderr == *"1 pictures of 16-bit grey were clipped"* ]]
    [ "$(records p.bt | jq -c '[.width, .height]' | head -2 | uniq | wc -l)" -eq 1 ]
}

@test "Karpathy's form: ten training records of two pictures, one test record of five captions" {
    jq -n '[["train", 1], ["restval", 2], ["test", 3]] | {images: map({filepath: "v", filename: "\(.[1]).jpg", split: .[0],
        cocoid: .[1], sentences: [range(5) | {raw: "caption \(.)"}]})}' > d.json
    pictures v
    for n in 1 2 3; do cp v/a.jpg v/$n.jpg; done
    bt-preprocess -q --split train -o train.bt d.json
    [ "$(records train.bt | wc -l)" -eq 10 ]
    [ "$(records train.bt | jq .image_id | sort -u | xargs)" = "1 2" ]
    [ "$(records train.bt | jq -r .id | sort -u | wc -l)" -eq 10 ]
    bt-preprocess -q --format karpathy --split test -o test.bt d.json
    [ "$(records test.bt | jq -c '.captions | length')" = 5 ]
    bt-preprocess -q --dry-run d.json > counts
    diff - counts <<'END'
split	records	pictures	captions	missing	bytes
train	5	1	5	0	2785
restval	5	1	5	0	2785
test	1	1	5	0	2785
END
}

@test "COCO's own form, by caption and by picture" {
    pictures root/val2014
    jq -n '{images: [{id: 7, file_name: "a.jpg"}, {id: 8, file_name: "b.jpg"}], annotations: [
        {id: 70, image_id: 7, caption: "one"}, {id: 80, image_id: 8, caption: "two"}, {id: 71, image_id: 7, caption: "three"}]}' > c.json
    bt-preprocess -q --images root -o c.bt c.json
    [ "$(records c.bt | jq -c '[.id, .image_id, .captions[]]' | paste -sd ' ')" = '["70",7,"one"] ["71",7,"three"] ["80",8,"two"]' ]
    bt-preprocess -q --images root --group image -f -o c.bt c.json
    [ "$(records c.bt | jq -c '[.id, .captions[]]' | paste -sd ' ')" = '["7","one","three"] ["8","two"]' ]
}

@test "VQAv2 questions with their answers" {
    pictures root
    mv root/a.jpg root/COCO_val2014_000000000042.jpg
    echo '{"questions":[{"image_id":42,"question":"What?","question_id":42000}]}' > q.json
    echo '{"annotations":[{"question_id":42000,"image_id":42,"question_type":"what","answer_type":"other",
        "answers":[{"answer":"bat"},{"answer":"a bat"}]}]}' > a.json
    bt-preprocess -q --images root --annotations a.json -o q.bt q.json
    [ "$(records q.bt | jq -c '[.id, .question_id, .answers, .question_type]')" = '["42000",42000,["bat","a bat"],"what"]' ]
}

@test "sentences, and captions as sentences" {
    printf 'a dog\r\n\ncat \377\nlast' > s.txt
    bt-preprocess -q --rejects r.jsonl -o s.bt s.txt
    [ "$(records s.bt | jq -c '[.id, .text]' | paste -sd ' ')" = '["s.txt:1","a dog"] ["s.txt:4","last"]' ]
    [ "$(jq -r 'select(.code) | .id + .code' r.jsonl)" = "s.txt:3TEXT_UTF8" ]
    echo '[{"url": "x", "caption": "a boat"}]' > l.json
    [ "$(bt-preprocess -q --text-only l.json | records | jq -c '[.id, .text]')" = '["l.json:0","a boat"]' ]
}

@test "paths: missing, outside, addresses; moved by --map-prefix" {
    pictures root
    cp root/a.jpg secret.jpg
    for path in a.jpg none.jpg ../secret.jpg "$PWD/secret.jpg" http://example.org/a.jpg /old/b.jpg; do
        printf '{"image":"%s","caption":"x"}\n' "$path"
    done > p.jsonl
    bt-preprocess -q --images root --rejects r.jsonl --map-prefix /old= -o p.bt p.jsonl
    [ "$(records p.bt | jq -r .id | xargs)" = "p.jsonl:1 p.jsonl:6" ]
    [ "$(jq -r 'select(.code) | .code' r.jsonl | xargs)" = "FILE_MISSING PATH_ESCAPE PATH_ESCAPE PATH_URL" ]
}

@test "--resize stores pixels, and the stream says of what side" {
    pictures p
    bt-preprocess -q -r 16 -o p.bt p
    [ "$(records p.bt | jq -c '[.side, .pixels."$bin_len", .image, .width]' | head -1)" = '[16,768,null,67]' ]
    [ "$(bt-cat --to=json p.bt | head -1 | jq .must.side)" = 16 ]
}

@test "too many rejects end the run without output" {
    pictures p
    : > p/d.jpg
    : > p/e.jpg
    run bt-preprocess -q --max-rejects 1 --rejects r.jsonl -o p.bt p
    [ "$status" -eq 65 ]
    [[ $output == *"[E_REJECTS]"* ]]
    [ ! -e p.bt ]
    [ "$(tail -1 r.jsonl | jq .n)" = 2 ]
    bt-preprocess -q --max-rejects 2 -o p.bt p
}

@test "exit status: usage, missing input, wrong input, an output that is there, a full disk" {
    pictures p
    run bt-preprocess
    [ "$status" -eq 64 ]
    run bt-preprocess --group sometimes p
    [ "$status" -eq 64 ]
    run bt-preprocess -o x.bt none.json
    [ "$status" -eq 66 ]
    run bt-preprocess -o x.bt --images none p.jsonl
    [ "$status" -eq 66 ]
    echo '[{"image":' > cut.json
    run bt-preprocess -o x.bt cut.json
    [ "$status" -eq 65 ]
    echo '[]' > empty.json
    run bt-preprocess -o x.bt empty.json
    [ "$status" -eq 65 ]
    [ ! -e x.bt ]
    bt-preprocess -q -o x.bt p
    run bt-preprocess -q -o x.bt p
    [ "$status" -eq 64 ]
    [[ $output == *"[E_EXISTS]"* ]]
    bt-preprocess -q -f -o x.bt p
    run bash -c 'bt-preprocess -q p > /dev/full'
    [ "$status" -eq 74 ]
}

# KILLED=1000 for a day's peace of mind.
@test "killed at any moment, the same command goes on and the set is the same" {
    pictures p
    cp "$golden/decode"/jpeg_4*.jpg p
    : > p/empty.jpg
    for n in $(seq 60); do
        for file in p/*.jpg; do
            echo "{\"id\":\"$n-${file##*/}\",\"image\":\"${file##*/}\",\"caption\":\"picture $n\"}"
        done
    done > p.jsonl
    bt-preprocess -q --images p --per-shard 500 -o whole.lmdb p.jsonl
    [ "$(jq .complete whole.lmdb/bt-dataset.json)" = true ]
    killed=0
    for try in $(seq ${KILLED:-3}); do
        rm -rf set.lmdb
        for run in $(seq 8); do
            bt-preprocess -q --images p --per-shard 500 -o set.lmdb p.jsonl &
            pid=$!
            sleep "0.$(printf %03d $((RANDOM % 100 + 10 * run)))"
            kill -9 $pid 2>/dev/null && killed=$((killed + 1))
            { wait $pid; } 2>/dev/null && break
        done
        bt-preprocess -q --images p --per-shard 500 -o set.lmdb p.jsonl
        [ "$(jq .complete set.lmdb/bt-dataset.json)" = true ]
        [ "$(contents set.lmdb)" = "$(contents whole.lmdb)" ]
        cmp set.lmdb/rejects.jsonl whole.lmdb/rejects.jsonl
    done
    [ "$killed" -gt 3 ]
    echo "# killed $killed times" >&3
    bt-cat --to=json --bin=len set.lmdb | jq -c 'select(.type == "record") | del(.n)' > a
    bt-cat --to=json --bin=len whole.lmdb | jq -c 'select(.type == "record") | del(.n)' > b
    [ "$(wc -l < a)" -gt 1000 ]
    cmp a b
}

# ---- pictures stored otherwise than they came ----

# the picture of the first record of a stream, as bytes
picture() { bt-cat --to=json "$1" | jq -r "first(inputs | select(.type == \"record\")) | .${2:-image}.\"\$bin\"" | base64 -d; }

@test "--exif-rotate turns pictures, and stores them turned" {
    bt-preprocess --exif-rotate "$golden/decode/jpeg_exif_6.jpg" -o r.bt 2>said
    grep -q "1 pictures were turned the way their EXIF says" said
    bt-preprocess -q "$golden/decode/jpeg_exif_6.jpg" -o o.bt
    [ "$(records r.bt | jq -c '[.height, .width]')" = "$(records o.bt | jq -c '[.width, .height]')" ]
    picture r.bt >turned.jpg
    bt-preprocess -q turned.jpg -o t.bt # it says nothing of turning any more
    [ "$(records t.bt | jq -c '[.width, .height]')" = "$(records r.bt | jq -c '[.width, .height]')" ]
    bt-preprocess -q --exif-rotate "$golden/decode/jpeg_exif_1.jpg" -o s.bt
    picture s.bt | cmp - "$golden/decode/jpeg_exif_1.jpg" # nothing to turn: the file as it is
}

@test "--background puts transparent pictures over a color; without it alpha is dropped" {
    bt-preprocess --resize 8 "$golden/decode/png_rgba8.png" -o d.bt 2>said
    grep -q "1 have transparency, which was dropped" said
    for color in white black ff0000; do
        bt-preprocess -q --resize 8 --background $color "$golden/decode/png_rgba8.png" -o $color.bt
        picture $color.bt pixels >$color
    done
    picture d.bt pixels >dropped
    [ "$(cat white black ff0000 dropped | wc -c)" = $((4 * 192)) ]
    ! cmp -s white black
    ! cmp -s white dropped
    paste <(od -An -v -w1 -tu1 white) <(od -An -v -w1 -tu1 black) | awk '$1 < $2 { exit 1 }'
    for wrong in pink fffff ff00000 -1; do
        run bt-preprocess -q --background=$wrong "$golden/decode/png_rgba8.png"
        [ $status -eq 64 ]
    done
}

@test "--scale-grey16, --max-side, --resize --as jpeg" {
    bt-preprocess -q --resize 4 "$golden/decode/png_grey16.png" -o c.bt
    bt-preprocess -q --resize 4 --scale-grey16 "$golden/decode/png_grey16.png" -o s.bt
    ! cmp -s <(picture c.bt pixels) <(picture s.bt pixels)
    bt-preprocess -q --max-side 32 "$golden/decode/jpeg_444_q90.jpg" "$golden/decode/jpeg_grey.jpg" -o m.bt
    [ "$(records m.bt | jq -c '[.width, .height]' | head -1)" = "[32,21]" ] # of 67 x 45
    picture m.bt | head -c 2 | od -An -tx1 | grep -q "ff d8"
    bt-preprocess -q --max-side 67 "$golden/decode/jpeg_444_q90.jpg" -o k.bt
    picture k.bt | cmp - "$golden/decode/jpeg_444_q90.jpg"
    bt-preprocess -q --resize 24 --as jpeg "$golden/decode/jpeg_444_q90.jpg" -o j.bt
    [ "$(records j.bt | jq -c '[.width, .height, has("pixels"), has("side")]')" = "[24,24,false,false]" ]
    run bt-preprocess -q --resize 24 --max-side 24 "$golden/decode/jpeg_444_q90.jpg"
    [ $status -eq 64 ]
}
