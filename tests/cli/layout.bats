#!/usr/bin/env bats
# The shape of the tree (STYLE.md, "Layout"): includes point one way, a package has one home, files are short.

bats_require_minimum_version 1.5.0

root=$BATS_TEST_DIRNAME/../..

# Lines "file:line:directive" of every include below the folders that the rules are about.
includes() {
    (cd "$1" && find tools libcommon kernels \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) \
        -exec grep -nH '^[[:space:]]*#[[:space:]]*include' {} + 2>/dev/null) || true
}

# Prints includes that point up, or sideways where a folder is to know only base.
wrong_includes() {
    includes "$1" | awk -F: '
        BEGIN {
            rows = "tools|train|generate metrics|model|nn|tensor comm|kernels|stream shard|image text|base"
            count = split(rows, row_names, "|")
            for (i = 1; i <= count; i++) {
                size = split(row_names[i], names, " ")
                for (j = 1; j <= size; j++)
                    row[names[j]] = i
            }
        }
        function folder(path,    parts) {    # tools, kernels, or the name below libcommon
            split(path, parts, "/")
            return parts[1] == "libcommon" ? parts[2] : parts[1]
        }
        $3 ~ /"/ {
            split($3, quoted, "\"")
            from = folder($1); to = folder(quoted[2])
            if (!(to in row) || quoted[2] !~ /\//)
                why = "is not a path from the root of the tree"
            else if (!(from in row))
                why = "stands in a folder that has no row"
            else if (row[to] < row[from])
                why = "points up"
            else if (row[from] >= row["kernels"] && to != from && to != "base" &&
                     !(row[from] == row["stream"] && row[to] == row["stream"]))
                why = "knows more than base"
            else
                next
            print $1 ":" $2 ": \"" quoted[2] "\" " why
        }'
}

# Prints includes of a package outside the one folder that may know it.
homeless_packages() {
    includes "$1" | awk -F: '
        BEGIN {
            home["msgpack"] = home["zstd"] = "libcommon/stream/"
            home["lmdb"] = "libcommon/shard/"
            home["jpeglib"] = home["jerror"] = home["turbojpeg"] = home["png"] = home["webp"] = home["gif"] = \
                "libcommon/image/"
            home["utf8proc"] = "libcommon/text/"
            home["libstemmer"] = home["isa"] = "libcommon/metrics/"
            home["jansson"] = home["archive"] = home["xxhash"] = home["openssl"] = "libcommon/base/"
            home["dnnl"] = home["oneapi"] = "kernels/cpu/"
            home["cublas"] = home["cudnn"] = "kernels/cuda/"
            home["nccl"] = home["mpi"] = "libcommon/comm/"
        }
        match($3, /<[A-Za-z0-9]+/) {
            package = substr($3, RSTART + 1, RLENGTH - 1)
            if (package ~ /^cublas/)
                package = "cublas"
            if (package in home && index($1, home[package]) != 1)
                print $1 ":" $2 ": <" package "> belongs to " home[package]
        }'
}

sources() {
    (cd "$1" && find . \( -name .git -o -name build -o -name demo \) -prune -o -type f \
        \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -print)
}

long_files() {
    (cd "$1" && sources . | while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 700 ] || echo "$file: $lines lines"
    done)
}

# Golden files are what they are; whatever a person writes is looked at.
trailing_blanks() {
    (cd "$1" && find . \( -name .git -o -name build -o -name demo -o -path ./tests/golden \) -prune \
        -o -type f \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' -o -name '*.bats' \
        -o -name '*.mk' -o -name '*.md' -o -name '*.json' -o -name Makefile \
        -o -path './man/*' -o -path ./.ci/run \) \
        -exec grep -nH '[[:blank:]]$' {} + | cut -d: -f1,2)
}

# Puts one file with these lines in a small tree at $tree.
plant() {
    mkdir -p "$tree/tools" "$tree/kernels" "$tree/$(dirname "$1")"
    printf '%s\n' "${@:2}" >"$tree/$1"
}

setup() {
    tree=$BATS_TEST_TMPDIR/tree
    mkdir -p "$tree/tools" "$tree/kernels" "$tree/libcommon"
}

nothing() {
    [ -z "$1" ] || {
        echo "$1"
        return 1
    }
}

@test "includes point down the rows of the layout" {
    [ "$(includes "$root" | wc -l)" -gt 100 ]
    nothing "$(wrong_includes "$root")"
}

@test "an include that points up, or aside, is found" {
    plant libcommon/text/a.c '#include "libcommon/stream/stream.h"'
    plant libcommon/text/b.c '#include "libcommon/image/image.h"'
    plant libcommon/stream/a.c '#include "libcommon/text/text.h"'
    plant libcommon/nn/a.c '#include "libcommon/model/vit.h"'
    plant kernels/cpu/a.c '#include "libcommon/shard/shard.h"'
    plant libcommon/base/a.c '#include "tools/a.h"'
    plant libcommon/model/a.c '#include "vit.h"'
    [ "$(wrong_includes "$tree" | wc -l)" = 7 ]
}

@test "an include that points down, or stays in its row where that is allowed, is not" {
    plant libcommon/text/a.c '#include "libcommon/base/err.h"' '#include "libcommon/text/text.h"'
    plant libcommon/stream/a.c '#include "libcommon/shard/shard.h"'
    plant libcommon/shard/a.c '#include "libcommon/stream/stream.h"'
    plant libcommon/comm/a.c '#include "libcommon/tensor/tensor.h"'
    plant kernels/cpu/a.c '#include "kernels/linear.h"' '#include "kernels/cpu/matmul.h"'
    plant libcommon/train/a.c '#include "kernels/adamw.h"' '#include "libcommon/image/image.h"'
    plant tools/a.c '#include "libcommon/train/trainer.h"'
    nothing "$(wrong_includes "$tree")"
}

@test "each package has one home" {
    nothing "$(homeless_packages "$root")"
    plant libcommon/text/a.c '#include <jansson.h>' '#include <stdio.h>' '#include <utf8proc.h>'
    plant libcommon/stream/a.c '#include <xxhash.h>' '#include <msgpack.h>'
    plant kernels/cuda/a.cu '#include <cublasLt.h>'
    plant libcommon/tensor/a.c '#include <cublas_v2.h>'
    plant tools/a.c '# include <openssl/evp.h>'
    [ "$(homeless_packages "$tree" | wc -l)" = 4 ]
}

@test "no C file has more than 700 lines" {
    [ "$(sources "$root" | wc -l)" -gt 50 ]
    nothing "$(long_files "$root")"
    seq 700 >"$tree/tools/a.c"
    seq 701 >"$tree/tools/b.c"
    [ "$(long_files "$tree")" = "./tools/b.c: 701 lines" ]
}

@test "no source has blanks at the end of a line" {
    nothing "$(trailing_blanks "$root")"
    plant tools/a.c 'int a; ' 'int b;' $'\t'
    [ "$(trailing_blanks "$tree" | wc -l)" = 2 ]
}
