"""peer.py bert|opt|t5 DIR: the published tokenizers on the lines of standard input: ids as decimal numbers, then a tab and, for every
eighth line, the text of those ids. BERT and OPT are the slow classes, T5 the fast one (tokenizers.md 1)."""
import logging, os, sys

kind, directory = sys.argv[1:]
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from transformers import BertTokenizer, GPT2Tokenizer, T5TokenizerFast

if sys.version_info[:2] != (3, 11):
    sys.exit("needs Python 3.11, whose Unicode data are 14.0, as the published ids have them")
logging.disable(logging.WARNING)
tokenizer = {"bert": BertTokenizer, "opt": GPT2Tokenizer, "t5": T5TokenizerFast}[kind].from_pretrained(directory)
if kind == "bert":
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
for number, line in enumerate(sys.stdin.buffer):
    ids = tokenizer(line[:-1].decode())["input_ids"]
    text = tokenizer.decode(ids, skip_special_tokens=True) if number % 8 == 0 else ""
    print(*ids, end="\t")
    print(text.strip(" \t\r\n\v\f").replace("\n", "\\n"), end="\n")
