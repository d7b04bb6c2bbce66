#!/bin/bash
# bench score: BLEU, ROUGE-L and CIDEr of 5,000 images with 5 references each, from JSON files to printed figures, beside
# pycocoevalcap's own tokenizer and scorers (PyPI, with Java). ROUNDS turns (3), ours and theirs paired; the best of each counts.
set -euo pipefail
build=$1 dir=$1/bench-score
[ -d "$build/venv-cap" ] || { python3 -m venv "$build/venv-cap" && "$build/venv-cap/bin/pip" -q install pycocoevalcap==1.2; }

mkdir -p "$dir"
"$build/venv-cap/bin/python" tests/bench/score.py "$dir" --tool "$build/bin/bt-score" --rounds "${ROUNDS:-3}"
