#!/bin/bash
# parity lower: the PTB lexer's lower case against Java's toLowerCase, which looks for words around a capital sigma: every
# character up to U+1FFFF in ten places beside one. lower.sh BUILD; called by `make parity-lower`. Needs a JDK.
set -euo pipefail
build=$1 here=${BASH_SOURCE%/*} work=$1/parity
mkdir -p "$work"
java "$here/Lower.java" >"$work/lower.theirs"
"$build/tests/parity/lower" >"$work/lower.ours"
different=$(cmp -s "$work/lower.theirs" "$work/lower.ours" || diff --text "$work/lower.theirs" "$work/lower.ours" | grep -ac '^>' || true)
echo "$(wc -l <"$work/lower.ours") lines, ${different:-0} differences"
[ "${different:-0}" = 0 ]
