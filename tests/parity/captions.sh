#!/bin/bash
# parity captions: COUNT generated captions (50,000) through pycocoevalcap's tokenizer and scorers, against ours: what the
# tokenizer prints byte for byte, the tokens, and BLEU, ROUGE-L and CIDEr of every image. Needs Java; the package comes from
# PyPI, the words from wordnet-base and unicode-cldr-core.
set -euo pipefail
build=$1 count=${COUNT:-50000} seed=${SEED:-1}
out=$build/parity/captions
[ -d "$build/venv-cap" ] || { python3 -m venv "$build/venv-cap" && "$build/venv-cap/bin/pip" -q install pycocoevalcap==1.2; }

make -s B="$build" "$build/tests/golden/metrics"
rm -rf "$out"
mkdir -p "$out"
ln -s "$PWD/tests/golden/metrics/vqa" "$out/vqa"
nice -n 10 "$build/venv-cap/bin/python" tests/parity/captions.py "$out" --count "$count" --seed "$seed"
if "$build/tests/golden/metrics" "$out" >"$out/log"; then
    echo "$count captions, 0 differences"
else
    grep '^not ok' "$out/log"
    exit 1
fi
