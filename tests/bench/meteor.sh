#!/bin/bash
# bench meteor: METEOR of 5,000 captions with 5 references each beside the jar, driven as pycocoevalcap drives it; the best of
# RUNS (3), the two taking turns. Ours is bt-score with METEOR less bt-score without, since the peer is METEOR alone, on words as they are;
# meteor-whole-s is all of bt-score, and meteor-cpu-s what one core spends on it, beside all cores' seconds of the jar. The jar is
# BT_METEOR's, or comes with pycocoevalcap from PyPI.
set -euo pipefail
build=$1 dir=$1/bench-meteor jar=${BT_METEOR:-} runs=${RUNS:-3}
mkdir -p "$dir"
if [ -z "$jar" ]; then
    [ -d "$build/venv-cap" ] || { python3 -m venv "$build/venv-cap" && "$build/venv-cap/bin/pip" -q install pycocoevalcap==1.2; }
    jar=$(echo "$build"/venv-cap/lib/python3*/site-packages/pycocoevalcap/meteor/meteor-1.5.jar)
fi
[ -d "$jar" ] && jar=$jar/meteor-1.5.jar

PYTHONPATH=tests/parity python3 - "$dir" "$jar" "$build/bin/bt-score" "$runs" <<'END'
import json, os, random, subprocess, sys, time
from meteor import Jar, Source

folder, jar, score, runs = sys.argv[1:]
source = Source(jar, random.Random(7))
segments = []
for _ in range(5000):
    words = [source.word() for _ in range(source.rng.randint(6, 9))]
    segments.append((" ".join(source.vary(words)), [" ".join(source.vary(words)) for _ in range(5)]))
references, results = os.path.join(folder, "references.json"), os.path.join(folder, "results.json")
with open(references, "w") as f:
    json.dump({"images": [{"id": i} for i in range(5000)],
               "annotations": [{"id": 5 * i + r, "image_id": i, "caption": refs[r]} for i, (_, refs) in enumerate(segments) for r in range(5)]}, f)
with open(results, "w") as f:
    json.dump([{"image_id": i, "caption": hyp} for i, (hyp, _) in enumerate(segments)], f)


def ended(process, start, value):
    """Seconds, seconds of processors, MiB at the most, and the score."""
    use = os.wait4(process.pid, 0)[2]
    return time.time() - start, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024, value


def ours(*options):
    start = time.time()
    process = subprocess.Popen([score, "caption", "--tokenizer", "words", "--json", "--refs", references, results, *options], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env={**os.environ, "BT_METEOR": ""})
    return ended(process, start, json.load(process.stdout).get("METEOR"))


def theirs():
    start = time.time()
    process = Jar(jar)
    value = process.scores([process.statistics(hyp, refs) for hyp, refs in segments])[-1]
    process.process.stdin.close()
    return ended(process.process, start, value)


def line(name, mine, peer, goal=None):
    verdict = f"{goal} {'met' if peer / mine >= goal else 'short'}" if goal else "- -"
    print(f"{name} {mine:.2f} {peer:.2f} {peer / mine:.1f} {verdict}")


tries = [(ours("--meteor", jar), ours(), theirs()) for _ in range(int(runs))]
whole, without, peer = ([min(t[k][n] for t in tries) for n in range(3)] for k in range(3))
assert all(abs(mine[3] - other[3]) < 1e-9 for mine, _, other in tries), tries
line("meteor-s", whole[0] - without[0], peer[0], 20)
line("meteor-whole-s", whole[0], peer[0])
line("meteor-cpu-s", whole[1] - without[1], peer[1])
line("meteor-MiB", whole[2], peer[2])
END
