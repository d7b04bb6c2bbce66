"""peer.py bert|opt|t5 DIR LINES: Hugging Face tokenizers on the lines of a file, one thread; prints its MB/s of processor time, encode_batch alone."""
import os, sys, time
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Tokenizer

kind, directory, path = sys.argv[1:]
if kind == "bert":
    tokenizer = BertWordPieceTokenizer(f"{directory}/vocab.txt")
elif kind == "opt":
    tokenizer = ByteLevelBPETokenizer(f"{directory}/vocab.json", f"{directory}/merges.txt")
else:
    tokenizer = Tokenizer.from_file(f"{directory}/tokenizer.json")
data = open(path, encoding="utf-8").read()
lines = data.splitlines()
start = time.process_time()
tokenizer.encode_batch(lines)
seconds = time.process_time() - start
print(f"{(len(data.encode()) - len(lines)) / seconds / 1e6:.2f}")
