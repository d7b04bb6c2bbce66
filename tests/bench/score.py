"""score.py DIR --tool BT_SCORE: times bt-score and pycocoevalcap 1.2 in turns on the same captions, and prints a line a figure.
score.py DIR --peer NAME is the peer alone: the published scorers of that name in MEASURES."""
import argparse, contextlib, json, os, random, subprocess, sys, time

IMAGES, REFERENCES = 5000, 5
# name: the published scorers, what bt-score needs to print the same, how many times faster it should be
MEASURES = {"captions": (("bleu", "rouge", "cider"), ["--json"], 90)}


def words(part, count):
    """The words of WordNet with the most senses in its tagged texts: the common ones."""
    found = {}
    with open(f"/usr/share/wordnet/index.{part}") as lines:
        for line in lines:
            fields = line.split()
            if line[0] != " " and fields[0].isalpha():
                found[fields[0]] = (-int(fields[5 + int(fields[3])]), -int(fields[2]), fields[0])
    return sorted(found, key=found.get)[:count]


def captions(r):
    """Templates with words as unequally frequent as in a text (Zipf)."""
    kinds = {"N": words("noun", 6000), "A": words("adj", 1500), "V": words("verb", 1500)}
    weights = {k: [1 / (i + 3) for i in range(len(w))] for k, w in kinds.items()}
    templates = ["A N Ving on a A N", "A A N Vs near a N", "Two Ns Ving in the N", "A N with a N and a N", "The N is A and the N Vs",
                 "There is a N on the N next to a A N", "A group of Ns Ving a N", "A close up of a A N.", "A N's N, Ving by the N",
                 "Several Ns are A", "A man Vs a N while a woman Vs the N", "An A N (with Ns) in a N"]
    while True:
        line = r.choice(templates)
        out = []
        for i, word in enumerate(line.split(" ")):
            kind = word[:1] if i > 0 and word[:1] in kinds and word[1:] in ("", "s", "ing", "'s", "s)", "'s,", ".") else None
            out.append(r.choices(kinds[kind], weights[kind])[0] + word[1:] if kind else word)
        yield " ".join(out) + r.choice(("", ".", " ."))


def generate(folder):
    r = random.Random(1)
    made = captions(r)
    gt = {"images": [{"license": 3, "file_name": f"COCO_val2014_{i:012}.jpg", "height": 480, "width": 640, "id": i} for i in range(IMAGES)],
          "annotations": [{"image_id": i % IMAGES, "id": i, "caption": next(made)} for i in range(IMAGES * REFERENCES)]}
    results = [{"image_id": i, "caption": next(made)} for i in range(IMAGES)]
    for name, value in (("gt", gt), ("results", results)):
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(value, file)


def peer(folder, name):
    from pycocotools.coco import COCO
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    scorers = {"bleu": (lambda: Bleu(4), [f"Bleu_{n}" for n in range(1, 5)]), "rouge": (Rouge, ["ROUGE_L"]), "cider": (Cider, ["CIDEr"])}
    with contextlib.redirect_stdout(sys.stderr):
        references = COCO(f"{folder}/gt.json")
        results = references.loadRes(f"{folder}/results.json")
        tokenizer = PTBTokenizer()
        sides = [tokenizer.tokenize({i: side.imgToAnns[i] for i in references.getImgIds()}) for side in (references, results)]
        figures = {}
        for scorer in MEASURES[name][0]:
            make, names = scorers[scorer]
            score, _ = make().compute_score(*sides)
            figures.update(zip(names, score if isinstance(score, list) else [float(score)]))
    print(json.dumps(figures))


def timed(command):
    """Seconds, MiB of the largest process, and what it printed."""
    begin = time.perf_counter()
    with open(os.devnull, "w") as null:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=null)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"{command[0]}: exit status {status >> 8}")
    return seconds, usage.ru_maxrss / 1024, json.loads(printed)


def measure(folder, name, tool, rounds):
    _, options, goal = MEASURES[name]
    ours, theirs = [], []
    command = [tool, "caption", *options, "--refs", f"{folder}/gt.json", f"{folder}/results.json"]
    for _ in range(rounds):
        ours += [timed(command) for _ in range(5)]
        theirs.append(timed([sys.executable, __file__, folder, "--peer", name]))
    for key, value in theirs[0][2].items():
        if abs(ours[0][2][key] - value) > 1e-9 * max(abs(value), abs(ours[0][2][key])):
            sys.exit(f"{key} is {ours[0][2][key]}, the peer's {value}")
    (a, a_memory), (b, b_memory) = (map(min, list(zip(*side))[:2]) for side in (ours, theirs))
    print(f"score-{name}-s {a:.3f} {b:.2f} {b / a:.1f} {goal} {'met' if b / a >= goal else 'short'}")
    print(f"score-{name}-MiB {a_memory:.0f} {b_memory:.0f} {b_memory / a_memory:.1f} - -", flush=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("--tool")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peer")
    args = options.parse_args()
    if args.peer:
        return peer(args.folder, args.peer)
    generate(args.folder)
    for name in MEASURES:
        measure(args.folder, name, args.tool, args.rounds)


main()
