#!/usr/bin/env bats
# The manual: a page for every tool, without a fault, that says what --help says, and whose examples run.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/../..
man=$root/man
export PATH=$BT_BUILD/bin:$PATH
unset MAKEFLAGS MAKELEVEL MFLAGS

tools() {
    (cd "$root/tools" && printf '%s\n' bt-*.c | sed 's/\.c$//')
    echo emoji-scenes
}

# The lines of a page between a section's title and the next one's.
section() {
    awk -v title=".Sh $2" '$0 == title { inside = 1; next } /^\.Sh / { inside = 0 } inside' "$1"
}

# "-o --output FILE" for every option, sorted, as --help has it and as the page has it.
help_options() {
    "$1" --help | sed -n 's/^  \(-., \|    \)--/\1--/p' | sed 's/\([^ ,]\)   *.*/\1/' |
        sed 's/^ *//; s/^\(-.\),/\1/' | sort
}

page_options() {
    section "$1" OPTIONS | sed -n 's/^\.It Fl //p' | sed 's/ , Fl / /; s/ Ar / /; s/^\([^ ]\) /-\1 /; s/ -\([a-z]\)/ --\1/
        s/^-\([a-z][^ ]\)/--\1/' | sort
}

# Writes the examples of a page to DIR/1, DIR/2 and so on, without roff's escapes.
examples() {
    mkdir -p "$2"
    section "$1" EXAMPLES | sed 's/\\e/\\/g; s/\\(dq/"/g; s/\\(aq/'\''/g; s/\\-/-/g; s/\\&//g' | awk -v dir="$2" '
        /^\.Bd -literal/ { inside = !not_run; n += inside; next }
        /^\.Ed/ { inside = 0 }
        { not_run = /^\.\\" example: not run: ./ }
        inside { print >(dir "/" n) }'
}

# Runs the examples of page $1 in directory $2, in their order; says what failed.
run_examples() {
    local name block
    name=$(basename "$1")
    ln -sfn "$root/pipelines" "$2/pipelines"
    examples "$1" "$2/.examples"
    for block in $(cd "$2/.examples" && ls | sort -n); do
        (cd "$2" && bash -euo pipefail ".examples/$block" </dev/null) >"$2/.log" 2>&1 || {
            echo "$name: example $block failed:"
            cat "$2/.examples/$block" "$2/.log"
            return 1
        }
    done
}

# The model of bt-pipeline(7), which later pages go on from, is trained once.
setup_file() {
    export TRAINED=$BATS_FILE_TMPDIR/trained
    mkdir "$TRAINED"
    run_examples "$man/bt-pipeline.7" "$TRAINED" >"$BATS_FILE_TMPDIR/pipeline" || true
}

nothing() {
    [ -z "$1" ] || {
        echo "$1"
        return 1
    }
}

@test "every tool has a page, and every page of section 1 a tool" {
    nothing "$(diff <(tools | sort) <(cd "$man" && printf '%s\n' *.1 | sed 's/\.1$//' | sort))"
    [ "$(tools | wc -l)" -ge 6 ]
    for tool in $(tools); do
        grep -qx ".Nm $tool" "$man/$tool.1"
        "$tool" --help | grep -qx "$tool - $(sed -n 's/^\.Nd //p' "$man/$tool.1")"
    done
}

# STYLE has EXIT STATUS before FILES, which mandoc would have the other way round.
@test "every page is clean" {
    for page in "$man"/*; do
        run mandoc -T lint -W warning "$page"
        nothing "$(grep -v 'sections out of conventional order: Sh FILES' <<<"$output")"
    done
}

@test "pages of tools have the same sections in the same order" {
    sections="NAME,SYNOPSIS,DESCRIPTION,OPTIONS,EXIT STATUS,FILES,EXAMPLES,SEE ALSO"
    for page in "$man"/*.1; do
        [ "$(sed -n 's/^\.Sh //p' "$page" | grep -x "${sections//,/\\|}" | paste -sd,)" = "$sections" ] || nothing "$page"
    done
}

@test "pages refer to pages that exist" {
    for page in "$man"/*; do
        while read -r name section; do
            [ -e "$man/$name.$section" ] || nothing "$page: $name($section)"
        done < <(sed -n 's/^\.Xr \(bt-[a-z]*\|emoji-scenes\) \([1-8]\).*/\1 \2/p' "$page")
    done
}

@test "OPTIONS lists what --help lists" {
    for tool in $(tools); do
        [ "$(page_options "$man/$tool.1" | wc -l)" -ge 10 ]
        nothing "$(diff <(help_options "$tool") <(page_options "$man/$tool.1") | sed "s/^/$tool: /")"
    done
}

@test "a default that --help gives stands in the page" {
    for tool in $(tools); do
        for number in $("$tool" --help | tr -s ' \n' ' ' | grep -o '(default [0-9][0-9.]*)' | tr -dc '0-9.\n'); do
            section "$man/$tool.1" OPTIONS | grep -qw -- "${number//./\\.}" || nothing "$tool: default $number"
        done
    done
}

@test "an option that one side lacks is found, and an example that fails" {
    page=$BATS_TEST_TMPDIR/page.1
    printf '%s\n' '.Sh OPTIONS' '.It Fl o , Fl -output Ar FILE' '.It Fl -raw' '.It Fl h , Fl -help' '.Sh EXAMPLES' \
        '.Bd -literal' 'printf "a\en" | grep a' '.Ed' '.\" example: not run: no such tool' '.Bd -literal' 'nowhere' '.Ed' \
        '.Bd -literal' 'false | cat' '.Ed' '.Sh SEE ALSO' >"$page"
    [ "$(page_options "$page" | paste -sd,)" = "$(printf '%s\n' '-o --output FILE' --raw '-h --help' | sort | paste -sd,)" ]
    examples "$page" "$BATS_TEST_TMPDIR/blocks"
    [ "$(ls "$BATS_TEST_TMPDIR/blocks" | paste -sd,)" = 1,2 ]
    [ "$(cat "$BATS_TEST_TMPDIR/blocks/1")" = 'printf "a\n" | grep a' ]
    mkdir "$BATS_TEST_TMPDIR/scratch"
    run -1 run_examples "$page" "$BATS_TEST_TMPDIR/scratch"
    [[ ${lines[0]} == "page.1: example 2 failed:" ]]
}

@test "the examples of bt-pipeline(7) train and evaluate a model" {
    nothing "$(cat "$BATS_FILE_TMPDIR/pipeline")"
    [ -e "$TRAINED/out/caption/final/model.safetensors" ]
    jq -e '.images == 4' "$TRAINED/out/eval/captions.json"
    [ -e "$TRAINED/baseline/stage2/final/model.safetensors" ]
    [ ! -e "$TRAINED/again" ]
}

@test "the examples of every other page run" {
    for page in "$man"/*; do
        [ "$page" = "$man/bt-pipeline.7" ] && continue
        scratch=$BATS_TEST_TMPDIR/$(basename "$page")
        cp -r "$TRAINED" "$scratch"
        rm -rf "$scratch/.examples"
        run_examples "$page" "$scratch"
    done
}

@test "every tool has an example that runs" {
    for tool in $(tools); do
        examples "$man/$tool.1" "$BATS_TEST_TMPDIR/$tool"
        cat "$BATS_TEST_TMPDIR/$tool"/* | grep -qw -- "$tool" || nothing "$tool"
    done
}

# The commands that README shows, in the directory that bt-pipeline(7) leaves.
@test "the pipe in README runs" {
    cp -r "$TRAINED" "$BATS_TEST_TMPDIR/readme"
    cd "$BATS_TEST_TMPDIR/readme"
    echo '{ "batch": 4, "epochs": 1, "steps_per_epoch": 2 }' >recipe.json
    awk '/^```/ { inside = /sh$/; pipe = 0 } inside && /^bt-/ { pipe = 1 } pipe' "$root/README.md" >pipe
    [ "$(grep -c '^bt-' pipe)" = 3 ]
    run -0 bash -euo pipefail pipe
    [[ $output == *CIDEr*"bt-score|metric:BLEU+ROUGE+CIDEr|"* ]]
}

@test "README names every tool and pipeline, and what it links to exists" {
    cd "$root"
    for tool in $(tools); do
        grep -q "^| \[\`$tool\`\](man/$tool.1) | " README.md
    done
    for pipeline in pipelines/*.mk; do
        [ "$pipeline" = pipelines/common.mk ] || grep -q "^| \[\`$(basename "$pipeline")\`\]($pipeline) | " README.md
    done
    for file in README.md CONTRIBUTING.md data/README.md; do
        for link in $(grep -o '](\([^)]*\))' $file | tr -d ']()' | grep -v '^http'); do
            [ -e "$(dirname $file)/$link" ] || nothing "$file: $link"
        done
    done
    make -s help >"$BATS_TEST_TMPDIR/help"
    for target in $(grep -oh '\(`\|^\)make [a-z]*' README.md CONTRIBUTING.md data/README.md | sed 's/.*make //' | sort -u); do
        grep -q "^  make $target " "$BATS_TEST_TMPDIR/help" || nothing "make $target"
    done
}
