#!/usr/bin/env bats
# bt-tokenize on lines of text: the field's cases, training, decoding, counting. Records: tests/text/records.c.

bats_require_minimum_version 1.5.0
tokenize=$BT_BUILD/bin/bt-tokenize

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir bert-mini
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' a cat dog vote rush '##ers' '!' to the '##s' is not do he run . \
        "'" t don – epoch after cretaceous paleogene '##dog' ♥ n it >bert-mini/vocab.txt
}

# C33: merges written in either way give the same ids, and a list from which nothing is read is an error.
@test "merges as strings and as pairs" {
    for merges in '["a b","ab c"]' '[["a","b"],["ab","c"]]' '[["a","b"],"ab c"]'; do
        echo '{"version":"1.0","model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3,"abc":4},"merges":'"$merges"'}}' >m.json
        run --separate-stderr "$tokenize" --text --tokenizer bpe=m.json < <(echo -n abcab)
        [ "$status" = 0 ]
        [ "$output" = "4 2" ]
    done
    for merges in '{"a":"b"}' '[["a b"]]' '[7]' null '[]'; do
        echo '{"version":"1.0","model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":'"$merges"'}}' >m.json
        run "$tokenize" --text --tokenizer bpe=m.json < <(echo -n ab)
        [ "$status" = 65 ]
        [[ $output == *"m.json: "*"[E_TOK_FILE]"* ]]
    done
}

# C36: U+FFFD is counted and, by BERT, deleted; bytes that are not UTF-8 are rejected with their place, never repaired.
@test "replacement characters and bad bytes" {
    printf 'cat\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbddog\ncat\xffdog\ncat\xed\xa0\x80\nca\xe2\x82\n' >lines
    run --separate-stderr "$tokenize" --text -i lines -t bert=bert-mini --rejects r.jsonl --max-rejects 3
    [ "$status" = 0 ]
    [ "$output" = "2 6 29 3" ]
    [[ $stderr == *"3 characters U+FFFD"* ]]
    [ "$(jq -c '[.code, .off]' r.jsonl)" = $'["TEXT_UTF8",3]\n["TEXT_UTF8",3]\n["TEXT_UTF8",2]\n[null,null]' ]
    [ "$(tail -n 1 r.jsonl)" = '{"end":true,"n":3,"by_code":{"TEXT_UTF8":3}}' ]
    run --separate-stderr "$tokenize" --text -i lines -t bert=bert-mini --rejects r.jsonl
    [ "$status" = 65 ]
    [[ $stderr == *"3 of 4 inputs rejected: TEXT_UTF8"*"[E_REJECTS]"* ]]
    [ "$(jq -s length r.jsonl)" = 4 ]
}

# C38: what Git leaves of a large file.
@test "a Git LFS pointer is named as one" {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 123456\n' 0 >vocab.txt
    run "$tokenize" --text -t bert=vocab.txt </dev/null
    [ "$status" = 65 ]
    [[ $output == *"vocab.txt: is a Git LFS pointer"* ]]
}

# C32: marks written in the text, unknowns side by side, a model that was learnt here.
@test "unigram is learnt, written and read" {
    printf 'a dog runs.\na dog\nthe dogs run\n' >lines.txt
    "$tokenize" --text --train unigram --vocab-size 30 -i lines.txt -o spiece.model
    run --separate-stderr bash -euo pipefail -c '"$0" --text -t t5=spiece.model -i lines.txt | "$0" --decode -t t5=spiece.model | cmp - lines.txt' "$tokenize"
    [ "$status" = 0 ]
    mkdir t5 && cp spiece.model t5
    run --separate-stderr "$tokenize" --text -t t5=t5 < <(printf '</s>\n\n{}\n')
    [ "$status" = 0 ]
    [ "${lines[0]}" = "1 1" ]
    [ "${lines[1]}" = "1" ]
    [[ ${lines[2]} == *" 2 1" ]]
    head -c 40 spiece.model >cut.model
    run "$tokenize" --text -t t5=cut.model </dev/null
    [ "$status" = 65 ]
    [[ $output == *"cut.model: "*"[E_TOK_FILE]"* ]]
}

@test "ids and text, there and back" {
    run --separate-stderr "$tokenize" --text -t bert=bert-mini < <(printf "The dog's cat!\n\ndon't\n")
    [ "$output" = $'2 13 7 21 1 6 11 3\n2 3\n2 23 21 22 3' ]
    run --separate-stderr "$tokenize" --decode -t bert=bert-mini < <(printf '2 13 7 6 11 3\n\n  5  19 14 33 3\n')
    [ "$output" = $'the dog cat!\n\na runs' ]
    run --separate-stderr "$tokenize" --decode --keep-specials -t bert=bert-mini < <(echo 2 5 33 3)
    [ "$output" = "[CLS] a [DEC] [SEP]" ]
    for line in '2 34' '-1' '5x' 'cat'; do
        run "$tokenize" --decode -t bert=bert-mini < <(echo "$line")
        [ "$status" = 65 ]
        [[ $output == *"TOKEN_RANGE"* ]]
    done
}

@test "cleaning and the cut" {
    run --separate-stderr "$tokenize" --text --clean caption -t bert=bert-mini < <(echo 'A.cat:  (to)   the DOG!')
    [ "$output" = "2 5 6 12 13 7 3" ]
    run --separate-stderr "$tokenize" --text --clean question -t bert=bert-mini < <(echo 'd.o.g')
    [ "$output" = "2 7 3" ]
    run --separate-stderr "$tokenize" --text --max-len 4 -t bert=bert-mini < <(echo 'a cat a dog')
    [ "$output" = "2 5 6 3" ]
    run --separate-stderr "$tokenize" --text --prompt 'the ' -t bert=bert-mini < <(echo dog)
    [ "$output" = "2 13 7 3" ]
}

@test "training gives the same bytes for any order of lines" {
    for i in 1 2 3 4; do
        echo 'A dog, a cat and a boat.'
        echo 'the boats of the dog'
        echo 'naïve cats: 12'
    done >lines
    sort -r lines >other
    "$tokenize" -q --text --train bpe --vocab-size 290 -i lines -o opt
    "$tokenize" -q --text --train bpe --vocab-size 290 -i other -o opt2
    diff -r opt opt2
    "$tokenize" -q --text --train wordpiece --vocab-size 250 -i lines -o vocab.txt
    "$tokenize" -q --text --train wordpiece --vocab-size 250 -i other -o vocab2.txt
    cmp vocab.txt vocab2.txt
    [ "$(sed -n 101,104p vocab.txt | tr '\n' ' ')" = "[UNK] [CLS] [SEP] [MASK] " ]
    [ "$("$tokenize" -q --text -t o=opt <lines | "$tokenize" -q --decode -t o=opt)" = "$(cat lines)" ]
    run "$tokenize" --text --train bpe --vocab-size 290 -i lines -o opt
    [ "$status" = 64 ]
    [[ $output == *"[E_EXISTS]"* ]]
    run "$tokenize" --text --train bpe --vocab-size 100 -i lines -o opt3
    [ "$status" = 64 ]
    [ ! -e opt3 ]
}

@test "counts" {
    run --separate-stderr "$tokenize" --text --count --max-len 4 -t bert=bert-mini < <(printf 'a cat to the dog\nzebra\n\n')
    [ "${lines[0]}" = $'tokenizer\ttexts\tids\tshortest\tmedian\tp95\tlongest\tcut\tunknown' ]
    [ "${lines[1]}" = $'bert\t3\t9\t2\t3\t3\t7\t0.3333\t0.1111' ]
}

@test "what each id is" {
    run --separate-stderr "$tokenize" --text --explain -t bert=bert-mini < <(printf 'cats\xff\ndogs [SEP]\n')
    [ "$status" = 65 ]
    run --separate-stderr "$tokenize" --text --explain -t bert=bert-mini -t b=bert-mini/vocab.txt < <(printf 'dogs zoo\n')
    [ "$output" = "$(printf '%s\t%s\t%s\n' bert 2 '[CLS]' bert 7 dog bert 14 '##s' bert 1 '[UNK]' bert 3 '[SEP]' \
        b 2 '[CLS]' b 7 dog b 14 '##s' b 1 '[UNK]' b 3 '[SEP]')" ]
}

# C32: a text of strangers cannot write marks.
@test "special tokens in a text, as marks and as text" {
    run --separate-stderr "$tokenize" --text -t bert=bert-mini < <(echo 'a [SEP] dog')
    [ "$output" = "2 5 3 7 3" ]
    run --separate-stderr "$tokenize" --text --no-special-in-text -t bert=bert-mini < <(echo 'a [SEP] dog')
    [ "$output" = "2 5 1 1 1 7 3" ]
}

# More lines than are under way at once, bad ones among them: the same ids, rejects and counts in the same order for any number of
# threads, and so it is back to text.
@test "threads change nothing" {
    awk 'BEGIN { for (i = 1; i <= 20000; i++) printf "%s\n", i % 2999 == 0 ? "dog\377" : i % 7 ? "a cat " i : "dogs run and he is not" }' >lines
    for n in 1 2 3; do
        "$tokenize" -q --text -j $n -i lines -t b=bert-mini -o ids.$n --rejects r.$n
        "$tokenize" -q --text -j $n -i lines -t b=bert-mini -o counts.$n --count --max-len 5
        "$tokenize" -q --text -j $n -i lines -t b=bert-mini -t c=bert-mini/vocab.txt -o explained.$n --explain
        (sed 4000,4001s/3/33/ ids.1; echo; echo x) >odd
        "$tokenize" -q --decode -j $n -i odd -t b=bert-mini -o text.$n --rejects d.$n
    done
    for what in ids counts explained text r d; do
        cmp $what.1 $what.2 && cmp $what.1 $what.3
    done
    [ "$(wc -l <ids.1)" = 19994 ]
    [ "$(jq -r '.id // empty' r.2)" = $'line 2999\nline 5998\nline 8997\nline 11996\nline 14995\nline 17994' ]
    [ "$(wc -l <text.1)" = 19995 ]
    [ "$(jq -r '.id // empty' d.2)" = 'line 19996' ]
    run "$tokenize" --text -j 2000 -t b=bert-mini </dev/null
    [ "$status" = 64 ]
}

# What is read or written while others work fails as it does alone: all lines before the bad one are out.
@test "a failure comes at the same line for any number of threads" {
    awk 'BEGIN { for (i = 1; i <= 5000; i++) print (i > 2000 && i % 2 ? "dog\377" : "dog") }' >lines
    for n in 1 2 3; do
        run -65 --separate-stderr "$tokenize" -q --text -j $n -i lines -t b=bert-mini
        echo "$output" >out.$n
        echo "$stderr" >said.$n
        run -74 --separate-stderr bash -c '"$1" -q --text -j $2 -t b=bert-mini <lines --max-rejects 5000 >/dev/full' - "$tokenize" $n
        [[ "$stderr" == *"[E_NOSPACE]" ]]
    done
    grep -q '112 of 2223 inputs rejected' said.1
    cmp said.1 said.2 && cmp said.1 said.3
    cmp out.1 out.2 && cmp out.1 out.3
}

# C59: nothing of the user's language gets in.
@test "any locale" {
    for locale in C tr_TR.UTF-8 de_DE.UTF-8; do
        LC_ALL=$locale "$tokenize" -q --text --clean caption -t b=bert-mini < <(echo 'IT İS THE DOG I') | sha256sum
    done | sort -u >sums
    [ "$(wc -l <sums)" = 1 ]
}

@test "usage" {
    for options in '--explain -t b=bert-mini' '--text --explain --count -t b=bert-mini' \
         '--text' '--decode --text -t b=bert-mini' '--text -t bert-mini' '--text -t a=bert-mini -t b=bert-mini' \
        '--train bpe --text -o x' '--train bpe --text --vocab-size 300' '--text -f captions -t b=bert-mini' \
        '-t b=bert-mini -t b=bert-mini'; do
        run "$tokenize" $options </dev/null
        [ "$status" = 64 ]
    done
    run "$tokenize" --text -t b=missing.txt </dev/null
    [ "$status" = 66 ]
}

@test "an output that is there stays, and a failed run leaves nothing" {
    echo mine >out
    run "$tokenize" --text -t b=bert-mini -o out < <(echo cat)
    [ "$status" = 64 ]
    [ "$(cat out)" = mine ]
    "$tokenize" -q --text -t b=bert-mini -o out --force < <(echo cat)
    [ "$(cat out)" = "2 6 3" ]
    run "$tokenize" --text -t b=bert-mini -o other < <(printf 'cat\xff\n')
    [ "$status" = 65 ]
    [ ! -e other ]
    [ -z "$(find . -name '*.tmp')" ]
}
