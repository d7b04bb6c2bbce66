#!/usr/bin/env bats
# bt-preprocess: tables, archives, lists of paths, GQA's files, fields under other names, and packed inputs.

bats_require_minimum_version 1.5.0

setup() {
    PATH=$BT_BUILD/bin:$PATH
    golden=$BATS_TEST_DIRNAME/../golden/images
    cd "$BATS_TEST_TMPDIR"
    mkdir p
    cp "$golden/decode/jpeg_444_q90.jpg" p/a.jpg
    cp "$golden/decode/jpeg_420_q60.jpg" p/b.jpg
    cp "$golden/decode/jpeg_grey.jpg" p/c.jpg
}

records() { bt-cat --to=json --bin=len "$@" | jq -c 'select(.type == "record")'; }
captions() { records "$@" | jq -r '.captions[]'; }
codes() { jq -r 'select(.code) | .code' "$1" | paste -sd ' '; }

# ---- tables ----

@test "tab-separated lines have no quoting: a quote at the beginning swallows nothing" {
    printf '%s\ta.jpg\n' 'a dog' '"a cat' 'the "best" bird' 'a fox"' 'a cow' 'a pig' >q.tsv
    bt-preprocess -q --format tsv --map caption=1,image=2 --text-only q.tsv -o q.bt
    [ "$(records q.bt | jq -r .text | paste -sd '|')" = 'a dog|"a cat|the "best" bird|a fox"|a cow|a pig' ]
    head -2 q.tsv >u.tsv
    run bt-preprocess -q --format csv --delimiter tab --map caption=1,image=2 --text-only u.tsv -o x.bt
    [ $status -eq 65 ]
    [ "$output" = "bt-preprocess: u.tsv:2: the quote that opens here is never closed; close it, or read the file as tsv [E_INPUT]" ]
}

@test "commas in a caption without quotes: a reject with its line, or the rest of the line" {
    printf 'image,caption\na.jpg,A man , smiling , waves .\nb.jpg,A dog\n' >f.csv
    bt-preprocess -q --images p --rejects r.jsonl f.csv -o f.bt
    [ "$(captions f.bt)" = "A dog" ]
    [ "$(jq -r 'select(.code) | .code + " " + .detail' r.jsonl)" = "TSV_FIELDS line 2: 4 fields, the header has 2" ]
    bt-preprocess -q --images p --last-column-rest f.csv -o g.bt
    [ "$(captions g.bt | head -1)" = "A man , smiling , waves ." ]
}

# C18: no comma cuts a caption, also where no header says how many columns there are.
@test "columns without names: their number is that of nine lines in ten, or the last takes the rest" {
    printf 'a.jpg,A man , smiling , waves .\nb.jpg,A dog\n' >n.csv
    run bt-preprocess -q --images p --map image=1,caption=2 n.csv -o x.bt
    [ $status -eq 65 ]
    [[ $output == "bt-preprocess: n.csv: its lines have 2 to 4 fields, and no header says how many are right; "*--last-column-rest*E_INPUT* ]]
    bt-preprocess -q --images p --map image=1,caption=2 --last-column-rest n.csv -o n.bt
    [ "$(captions n.bt | paste -sd '|')" = "A man , smiling , waves .|A dog" ]
    { head -1 n.csv; for i in {1..9}; do echo "b.jpg,cap $i"; done; } >most.csv
    bt-preprocess -q --images p --map image=1,caption=2 --rejects r.jsonl most.csv -o m.bt
    [ "$(captions m.bt | paste -sd '|')" = "cap 1|cap 2|cap 3|cap 4|cap 5|cap 6|cap 7|cap 8|cap 9" ]
    [ "$(jq -r 'select(.code) | .detail' r.jsonl)" = "line 1: 4 fields, most lines have 2" ]
    run bt-preprocess -q --images p --map image=1,caption=257 --last-column-rest n.csv
    [ $status -eq 64 ]
}

@test "comma-separated: quotes doubled, line ends and commas inside; CRLF and a byte-order mark" {
    printf '\xef\xbb\xbfFilePath,Caption\r\na.jpg,"say ""hi"", she\nsaid"\r\n"b.jpg",""\r\nc.jpg,"x"y\r\n' >f.csv
    bt-preprocess -q --images p --rejects r.jsonl f.csv -o f.bt
    [ "$(records f.bt | jq -c '[.id, .captions]')" = '["f.csv:3",["say \"hi\", she\nsaid"]]' ]
    [ "$(codes r.jsonl)" = "TEXT_EMPTY TSV_FIELDS" ]
}

@test "columns without names: the order is that of all rows together, and no caption is an address" {
    printf '%s\thttp://h/%s.jpg\n' 'a boat' 1 'see http://h/x for a tree' 2 'a hill' 3 >c.tsv
    printf 'http://h/%s.jpg\t%s\n' 1 'a boat' 2 'see http://h/x for a tree' 3 'a hill' >r.tsv
    for f in c r; do
        bt-preprocess -q --text-only $f.tsv -o $f.bt
        [ "$(records $f.bt | jq -r .text | paste -sd '|')" = 'a boat|see http://h/x for a tree|a hill' ]
    done
    run bt-preprocess --format cc3m r.tsv
    [ $status -eq 65 ]
    [[ $output == *"r.tsv: column 1 looks like an address in 3 of 3 rows, but is the caption in a list of cc3m"* ]]
    run bt-preprocess --format cc12m c.tsv
    [ $status -eq 65 ]
    [[ $output == *"column 2 looks like an address in 3 of 3 rows"* ]]
    printf 'a\tb\nc\td\n' >n.tsv
    run bt-preprocess -q --text-only n.tsv
    [ $status -eq 65 ]
    [[ $output == *"nothing tells what its 2 columns are; name them with --map"* ]]
}

@test "CC3M: a picture goes by its row and the checksum of its address, with an ending or without" {
    url=http://h/1.jpg
    sum=$(printf %s $url | gzip -c | tail -c8 | od -An -N4 -tu4 | tr -d ' ')
    printf 'gone\thttp://h/0.jpg\none\t%s\ntwo\t%s\n' $url $url >t.tsv
    mkdir -p dl/training
    cp p/a.jpg dl/training/1_$sum
    cp p/b.jpg dl/training/2_$sum.jpg
    bt-preprocess -q --format cc3m --images dl --rejects r.jsonl t.tsv -o t.bt
    [ "$(captions t.bt | paste -sd ' ')" = "one two" ]
    [ "$(codes r.jsonl)" = FILE_MISSING ]
}

# ---- archives ----

# tar FILE NAME...: names of files in the order given, in ustar
archive() { tar --format=ustar --owner=0 --group=0 --mtime=@0 -cf "$@"; }

@test "webdataset: endings in any case, captions from .json before .txt, from a file, a pipe, packed" {
    cp p/a.jpg 0.jpeg; echo "zero" >0.txt
    cp p/b.jpg 1.JPG; echo "one" >1.txt; echo '{"caption": "one by json", "url": "http://h/"}' >1.json
    cp "$golden/decode/png_rgb8.png" 3.png; echo '{"captions": ["three", "drei"]}' >3.json
    archive j.tar 0.jpeg 0.txt 1.JPG 1.txt 1.json 3.png 3.json
    bt-preprocess -q j.tar -o j.bt
    [ "$(records j.bt | jq -c '[.id, .captions]' | paste -sd ' ')" = '["0",["zero"]] ["1",["one by json"]] ["3",["three","drei"]]' ]
    bt-cat --to=json j.bt | jq -r 'select(.id == "1") | .image."$bin"' | base64 -d | cmp - p/b.jpg
    gzip -k j.tar
    bt-preprocess -q j.tar.gz -o z.bt
    bt-preprocess -q --format tar - -o s.bt <j.tar
    cmp <(records j.bt) <(records z.bt) && cmp <(records j.bt) <(records s.bt)
}

# C25: a loader that knows one ending filters every sample, and waits for ever where nothing is left.
@test "webdataset: a record for each of four endings, and an error where there is none" {
    cp p/a.jpg 0.jpeg; cp p/b.jpg 1.JPG; cp "$golden/decode/webp_lossless.webp" 2.webp; cp "$golden/decode/png_rgb8.png" 3.png
    for i in 0 1 2; do echo "caption $i" >$i.txt; done
    echo '{"caption": "caption 3"}' >3.json
    archive j.tar 0.jpeg 0.txt 1.JPG 1.txt 2.webp 2.txt 3.png 3.json
    [ "$(timeout 10 bt-preprocess -q j.tar | bt-cat --count)" = 4 ]
    echo 1 >0.cls; archive n.tar 0.cls 0.txt 1.txt
    run timeout 10 bt-preprocess -q --rejects r.jsonl n.tar -o n.bt
    [ $status -eq 65 ]
    [ ! -e n.bt ]
    [ "$(jq -r 'select(.code) | .detail' r.jsonl)" = $'no picture in the sample, only cls txt\nno picture in the sample, only txt' ]
}

@test "long names in both manners, folders, links, and members of no use" {
    n=$(printf 'x%.0s' {1..150})
    mkdir -p deep/$n/$n; cp p/a.jpg deep/$n/$n/k.jpg; echo hi >deep/$n/$n/k.txt
    cp p/b.jpg m.jpg; ln -s m.jpg l.jpg; echo no >m.cls
    for format in gnu pax; do
        tar --format=$format -cf t.tar deep m.jpg m.cls l.jpg
        bt-preprocess -q --rejects r.jsonl t.tar -o t.bt --force
        [ "$(records t.bt | jq -r .id | paste -sd ' ')" = "deep/$n/$n/k m" ]
        [ "$(codes r.jsonl)" = TAR_LINK ]
        rm r.jsonl
    done
}

@test "the same name twice in one archive, the same key in two" {
    cp p/a.jpg x.jpg; echo x >x.txt
    archive s0.tar x.jpg x.txt; tar --format=ustar -rf s0.tar x.jpg
    mkdir 1 2 3 4; cp p/a.jpg 1/y.jpg; cp p/b.jpg 2/y.jpg; cp p/a.jpg 3/y.jpg; cp p/a.jpg 4/y.jpg
    for i in 1 2 3; do echo "caption $i" >$i/y.txt; done; cp 1/y.txt 4/y.txt
    for i in 1 2 3 4; do (cd $i && archive ../s$i.tar y.jpg y.txt); done
    bt-preprocess --rejects r.jsonl s0.tar s1.tar s2.tar s3.tar s4.tar -o s.bt 2>said
    [ "$(captions s.bt)" = "caption 1" ]
    [ "$(codes r.jsonl)" = "DUP_ID DUP_ID DUP_ID" ]
    jq -r .detail r.jsonl | grep -q "two members 'x.jpg', at 0 and [1-9]"
    grep -q '1 samples were there before, with the same key and content' said
    run -65 --separate-stderr bt-preprocess -q s0.tar
    [[ $stderr == *"every input was rejected, no record is left; the first, x: "*"two members 'x.jpg', at 0 and "*" [DUP_ID]; see "* ]]
    bt-preprocess -q --key-with-shard s1.tar s2.tar -o k.bt
    [ "$(records k.bt | jq -r .id | paste -sd ' ')" = "s1.tar/y s2.tar/y" ]
}

@test "an archive cut at any block is told with its last whole member; --keep-going takes what is whole" {
    for i in 0 1 2; do cp p/b.jpg $i.jpg; echo "caption $i" >$i.txt; done
    archive t.tar 0.jpg 0.txt 1.jpg 1.txt 2.jpg 2.txt
    size=$(stat -c %s t.tar)
    members=$((3 * (512 + ($(stat -c %s p/b.jpg) + 511) / 512 * 512 + 1024)))
    for ((at = 0; at < size; at += 512)); do
        head -c $at t.tar >cut.tar
        run -0 --separate-stderr bash -c 'bt-preprocess -q --format tar cut.tar -o out.lmdb; echo $?'
        if [ $at -gt $members ]; then # the first of the two closing blocks is enough
            [ "$output" = 0 ] || { echo "$at: $stderr"; return 1; }
        else
            [ "$output" = 65 ] || { echo "$at: $output"; return 1; }
            [[ $stderr == "bt-preprocess: cut.tar:$at: the archive ends here without its end mark"*E_TAR_TRUNC* ]]
            [ ! -e out.lmdb/bt-dataset.json ]
        fi
        rm -rf out.lmdb
    done
    head -c $((members / 2)) t.tar >cut.tar
    bt-preprocess --keep-going cut.tar -o k.bt 2>said
    [ "$(captions k.bt)" = "caption 0" ]
    grep -q '1 inputs were cut' said
}

@test "what is no archive, and one without a picture" {
    head -c 2048 /dev/urandom >x.tar
    run bt-preprocess -q x.tar -o x.bt
    [ $status -eq 65 ]
    [[ $output == "bt-preprocess: x.tar:0: no tar header here; is it a tar archive?"* ]]
    echo hi >k.txt; archive t.tar k.txt
    run bt-preprocess --rejects r.jsonl t.tar -o t.bt
    [ $status -eq 65 ]
    [ "$(jq -r 'select(.code) | .code + " " + .detail' r.jsonl)" = "FIELD_MISSING no picture in the sample, only txt" ]
    bt-preprocess -q --text-only t.tar -o t.bt
    [ "$(records t.bt | jq -r .text)" = hi ]
}

# ---- lists, GQA, maps ----

@test "a list of paths, from a file and from find" {
    printf 'p/a.jpg\r\n\np/none.jpg\n' >list
    bt-preprocess -q --format paths --rejects r.jsonl list -o l.bt
    [ "$(records l.bt | jq -r .id)" = p/a.jpg ]
    [ "$(codes r.jsonl)" = FILE_MISSING ]
    find "$PWD/p" -name '*.jpg' -print0 | sort -z | bt-preprocess -q --format paths -0 - -o f.bt
    [ "$(records f.bt | jq -r .id | paste -sd ' ')" = "$PWD/p/a.jpg $PWD/p/b.jpg $PWD/p/c.jpg" ]
    run bt-preprocess -q --format paths --images p --rejects r2.jsonl - <<<"$PWD/p/a.jpg"
    [ $status -eq 65 ] # below a folder that is named, nothing leads out
    [ "$(codes r2.jsonl)" = PATH_ESCAPE ]
}

@test "GQA's own form: ids are texts, with their zeros" {
    mv p/a.jpg p/n161313.jpg
    jq -nc '{"01827492": {imageId: "n161313", question: "Is it?", answer: "yes", types: {structural: "verify"}},
             "1827492": {imageId: "n161313", question: "What?"}}' >g.json
    bt-preprocess -q --images p g.json -o g.bt
    [ "$(records g.bt | jq -c '[.id, .question_id, .image_id, .question, .answers, .question_type]' | paste -sd ' ')" = \
        '["01827492","01827492","n161313","Is it?",["yes"],"verify"] ["1827492","1827492","n161313","What?",null,null]' ]
}

@test "--map: anybody's own names, also inside objects; what is wrong with one is said" {
    echo '{"meta": {"file": "a.jpg"}, "alt": {"en": "hello"}, "key": 7, "caption": 3}' >m.jsonl
    bt-preprocess -q --images p --map image=meta.file,caption=alt.en,id=key m.jsonl -o m.bt
    [ "$(records m.bt | jq -c '[.id, .captions]')" = '["7",["hello"]]' ]
    for wrong in image image= =x picture=x image=a,image=b; do
        run bt-preprocess -q --map "$wrong" m.jsonl
        [ $status -eq 64 ]
        [[ $output == "bt-preprocess: --map: "*E_USAGE* ]]
    done
    run bt-preprocess -q --map image=nope m.jsonl --rejects r.jsonl
    [ "$(codes r.jsonl)" = JSON_TYPE ] # the caption, 3
}

@test "foreign absolute paths are found by their last part, and counted" {
    echo '[{"image": "/export/share/vg/b.jpg", "caption": "b"}, {"image": "/export/share/vg/z.jpg", "caption": "z"}]' >v.json
    mkdir vg; mv p vg/VG_100K_2
    bt-preprocess --images vg --rejects r.jsonl v.json -o v.bt 2>said
    [ "$(captions v.bt)" = b ]
    [ "$(codes r.jsonl)" = PATH_ESCAPE ]
    grep -q '1 foreign paths were found by their last part' said
}

# C38, C07: neither becomes sentences.
@test "what stands in place of a file: a Git LFS pointer, a page of a server" {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 123456\n' 0 >c.json
    cp c.json c.tsv; cp c.json c.tar; cp c.json c.txt
    for f in c.json c.tsv c.tar c.txt; do
        run bt-preprocess -q $f
        [ $status -eq 65 ]
        [[ $output == *"bt-preprocess: $f: is a Git LFS pointer, not the file of 123456 bytes it stands for; "*E_INPUT* ]]
    done
    echo '<!DOCTYPE html><p>404' >h.json
    gzip -k h.json; cp h.json h.tar; cp h.json h.txt
    for f in h.json h.json.gz h.tar h.txt; do
        run bt-preprocess -q $f
        [ $status -eq 65 ]
        [[ $output == "bt-preprocess: $f: is an HTML page; "*E_INPUT* ]]
    done
    [ "$(bt-preprocess -q --format text h.txt | bt-cat --count)" = 1 ]
    printf 'a.jpg#0\ta dog\n' >token.txt; echo p/a.jpg >list.txt
    for f in token.txt list.txt; do
        run -64 bt-preprocess -q --images p $f
        [[ $output == "bt-preprocess: $f: its first line names a picture; give --format=paths "* ]]
    done
    [ "$(bt-preprocess -q --format paths list.txt | bt-cat --count)" = 1 ]
    echo 'not found' >n.jsonl
    run bt-preprocess -q n.jsonl
    [ $status -eq 65 ]
    [[ $output == "bt-preprocess: n.jsonl: is named as JSON but begins otherwise; "*E_INPUT* ]]
}

@test "lines and values have a limit, and the limit a flag" {
    printf '{"caption": "%0600000d", "image": "a.jpg"}\n' 0 >l.jsonl
    (echo '['; cat l.jsonl; echo ']') >l.json
    for form in jsonl lavis; do
        file=l.jsonl; [ $form = jsonl ] || file=l.json
        run -65 bt-preprocess -q -t --format $form --max-line 300K $file
        [[ $output == *"raise --max-line [E_LIMIT]" ]]
        [ "$(bt-preprocess -q -t --format $form --max-line 1M $file | bt-cat --count)" = 1 ]
    done
}

@test "packed text and JSON, and damage to the packing" {
    printf 'one\ntwo\n' | gzip >t.txt.gz
    echo '[{"caption": "x", "url": "http://h"}, {"caption": "y"}]' | gzip >l.json.gz
    bt-preprocess -q --text-only t.txt.gz l.json.gz -o t.bt
    [ "$(records t.bt | jq -r .text | paste -sd ' ')" = "one two x y" ]
    bt-preprocess -q --format text - <t.txt.gz -o s.bt
    [ "$(records s.bt | jq -r .text | paste -sd ' ')" = "one two" ]
    head -c 20 t.txt.gz >cut.gz
    run bt-preprocess -q --format text cut.gz
    [ $status -eq 65 ]
    [[ $output == "bt-preprocess: cut.gz: the compression is damaged or cut"* ]]
}

# ---- the whole job ----

@test "--shard: the parts are disjoint, are all, and only together a whole" {
    for i in {0..6}; do echo "line $i"; done >t.txt
    for i in 0 1 2; do bt-preprocess -q --shard $i/3 t.txt -o t$i.bt; done
    [ "$(for i in 0 1 2; do records --allow-partial t$i.bt | wc -l; done | paste -sd ' ')" = "3 2 2" ]
    [ "$(cat t?.bt | bt-cat --to=json | jq -r 'select(.type == "record") | .text' | sort | paste -sd ' ')" = \
        "line 0 line 1 line 2 line 3 line 4 line 5 line 6" ]
    run bt-cat --check t0.bt
    [ $status -ne 0 ]
    [[ $output == *"1 of the job's 3 segments are here"* ]]
    for wrong in 3/3 1 a/b 1/2x -1/2; do
        run bt-preprocess -q --shard=$wrong t.txt
        [ $status -eq 64 ] || { echo "$wrong: $output"; return 1; }
    done
}

@test "--dedup: the same picture with the same texts comes once" {
    cp p/a.jpg p/a2.jpg
    echo '[{"image": "a.jpg", "caption": "x"}, {"image": "a2.jpg", "caption": "x"}, {"image": "a2.jpg", "caption": "y"}]' >d.json
    bt-preprocess --images p --dedup d.json -o d.bt 2>said
    [ "$(captions d.bt | paste -sd ' ')" = "x y" ]
    grep -q '1 duplicates of inputs before were left out' said
}

@test "--dry-run: the first records as understood, pictures that are not there, and how much disk it will take" {
    echo '[{"image": "a.jpg", "caption": "x"}, {"image": "none.jpg", "caption": "y"}]' >d.json
    bt-preprocess --images p --dry-run d.json >counts 2>said
    printf 'split\trecords\tpictures\tcaptions\tmissing\tbytes\nall\t2\t2\t2\t1\t%s\n' "$(stat -c %s p/a.jpg)" | cmp - counts
    grep -q 'none.jpg (missing)' said
}

# A value of 2 GB in one array, read in a space of 300 MB. BIG=1: it takes minutes and 2 GB of disk.
@test "memory stays constant however large the annotation file is" {
    case $BT_BUILD in *address*) skip "sanitizers need more space than that" ;; esac
    entries=$([ -n "${BIG:-}" ] && echo 17000000 || echo 200000)
    awk -v n=$entries 'BEGIN { printf "["; for (i = 0; i < n; i++)
        printf "%s{\"caption\": \"the caption number %d of a large file, long enough to count\", \"url\": \"http://h/%d\"}", i ? ",\n" : "", i, i
        print "]" }' >big.json
    (ulimit -v 300000; bt-preprocess -q --threads 1 --text-only --format lavis big.json -o big.bt)
    [ "$(bt-cat --count big.bt)" = $entries ]
}
