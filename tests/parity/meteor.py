#!/usr/bin/env python3
"""METEOR segments with the answers of the published jar, laid out as the golden case meteor.

meteor.py random OUT --jar JAR --count N --seed S    segments from the jar's own words and paraphrases
meteor.py answer DIR --jar JAR                       new answers in DIR/segments.jsonl, by the jar with DIR's data in the place of its own
"""
import argparse
import gzip
import json
import os
import random
import subprocess
import tempfile
import zipfile

MEMBERS = ["function/english.words", "nonbreaking/english.prefixes", "synonym/english.synsets", "synonym/english.exceptions"]
PUNCTUATION = [".", ",", "!", "?", "...", "--", "-", ":", ";", "'", "''", "`", "``", "\"", "-lrb-", "-rrb-", "&", "/", "#", "%", "$5.00",
               "1,000", "1, 2", "a,b", "x,,y", "5'10", "5's", "rock 'n' roll", "'90s", "o'clock", "don't", "it\u2019s", "\u2018so\u2019", "\u201chi\u201d",
               "a\u2013b", "a\u2014b", "u.s.", "p.m.", "e.g.", "i.e.", "mr.", "vs.", "v.", "rev.", "no. 5", "pp. 3", "pp. x", "etc.", "st.", "a..b", "red-and-white",
               "3-d", "x-", "-x", "---", "caf\u00e9", "na\u00efve", "\u017dena", "\u043c\u043e\u0441\u043a\u0432\u0430", "\u5bff\u53f8", "\u00bd", "5\u00a01/2", "\u3000", "\u2009", "\U0001f600",
               "a\u0308", "\u0130", "\u03a3\u03a3", "\u0001", "\u001f", "\u007f", "\u0085", "\u2028", "a|||b", "ABC", "It's", "O'Brien's.", "Dr. Smith", "Inc.", "wait...done"]


class Jar:
    """The jar as the published wrapper talks to it."""

    def __init__(self, jar, table=None):
        command = ["java", "-Dfile.encoding=UTF-8", "-jar", "-Xmx2G", os.path.abspath(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
        self.process = subprocess.Popen(command + (["-a", table] if table else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        cwd=os.path.dirname(os.path.abspath(jar)))

    def ask(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()

    def statistics(self, hyp, refs):
        hyp = hyp.replace("|||", "").replace("  ", " ")
        reply = self.ask(" ||| ".join(["SCORE"] + refs + [hyp]))
        return [int(float(x)) for x in reply.split()]

    def scores(self, statistics):
        """One score for each, and the pooled one."""
        first = self.ask(" ||| ".join(["EVAL"] + [" ".join(str(float(x)) for x in s) for s in statistics]))
        rest = [self.process.stdout.readline().decode().strip() for _ in statistics]
        return [float(x) for x in [first] + rest]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def answer(texts, jar, out):
    """Writes segments.jsonl and pooled.json: each segment with and without paraphrases."""
    empty = tempfile.NamedTemporaryFile(suffix=".gz")
    empty.write(gzip.compress(b""))
    empty.flush()
    pools = {}
    for suffix, table in (("", None), ("_empty", empty.name)):
        process = Jar(jar, table)
        for text in texts:
            text["stats" + suffix] = process.statistics(text["hyp"], text["refs"])
        for text, score in zip(texts, process.scores([t["stats" + suffix] for t in texts])):
            text["score" + suffix] = score
        for kind in ["all"] + sorted({t["kind"] for t in texts}):
            own = [t["stats" + suffix] for t in texts if kind in ("all", t["kind"])]
            pools.setdefault(kind, {"segments": len(own)})["pooled" + suffix] = process.scores(own)[-1]
        process.close()
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "segments.jsonl"), "w") as f:
        for text in texts:
            f.write(json.dumps(text) + "\n")
    with open(os.path.join(out, "pooled.json"), "w") as f:
        json.dump({"note": "corpus score of all segments and of each kind", "pools": pools}, f, indent=1)


class Source:
    """Words and phrases of the jar's data."""

    def __init__(self, jar, rng):
        self.rng = rng
        with zipfile.ZipFile(jar) as z:
            synsets = z.read("synonym/english.synsets").decode().split("\n")
            exceptions = z.read("synonym/english.exceptions").decode().split("\n")
            self.function = z.read("function/english.words").decode().split()
        pairs = [(w, n.split()) for w, n in zip(synsets[::2], synsets[1::2]) if "_" not in w]
        self.words = [w.lower() for w, _ in pairs]
        by_synset = {}
        for word, numbers in pairs:
            for number in numbers:
                by_synset.setdefault(number, []).append(word.lower())
        self.synonyms = [group for group in by_synset.values() if len(group) > 1]
        self.exceptions = [(b, f.split()) for b, f in zip(exceptions[::2], exceptions[1::2]) if f.split()]
        self.common = rng.sample(self.words, 60) + "man dog cat bus street table plate red white small two people ride run play".split()
        self.phrases = []
        with gzip.open(os.path.join(os.path.dirname(jar), "data", "paraphrase-en.gz"), "rt", encoding="utf-8") as f:
            for i, lines in enumerate(zip(f, f, f)):
                if rng.random() < 0.002:
                    self.phrases.append((lines[1].strip(), lines[2].strip()))

    def word(self):
        r = self.rng.random()
        return self.rng.choice(self.function if r < 0.4 else self.common if r < 0.85 else self.words)

    def inflect(self, word):
        return word + self.rng.choice(["s", "es", "ed", "ing", "er", "est", "ly", "'s", "ness", "ful", "sful"])

    def pair(self, kind):
        """What stands in the caption, and what in the reference."""
        if kind == "synonym":
            return self.rng.sample(self.rng.choice(self.synonyms), 2)
        if kind == "exception":
            base, forms = self.rng.choice(self.exceptions)
            return [base, self.rng.choice(forms)]
        if kind == "stem":
            word = self.rng.choice(self.words)
            return [self.inflect(word), self.rng.choice([word, self.inflect(word)])]
        if kind == "paraphrase":
            return list(self.rng.choice(self.phrases))
        if kind == "odd":
            odd = self.rng.choice(PUNCTUATION)
            return [odd, self.rng.choice([odd, self.rng.choice(PUNCTUATION)])]
        word = self.word()
        return [word, word]

    def segment(self, kind):
        size = self.rng.choice([0, 1, 2, 5, 8, 10, 12]) if kind != "long" else self.rng.randint(30, 90)
        hyp = [self.word() for _ in range(size)]
        refs = [self.vary(hyp) for _ in range(self.rng.choice([1, 2, 5]))]
        for _ in range(self.rng.randint(1, 4)):
            left, right = self.pair(kind)
            if self.rng.random() < 0.5:
                left, right = right, left
            hyp.insert(self.rng.randint(0, len(hyp)), left)
            for ref in refs:
                ref.insert(self.rng.randint(0, len(ref)), right)
        return {"kind": kind, "hyp": " ".join(hyp), "refs": [" ".join(ref) for ref in refs]}

    def vary(self, words):
        words = list(words)
        for _ in range(self.rng.randint(0, 4)):
            at = self.rng.randint(0, len(words))
            r = self.rng.random()
            if r < 0.4 or not words:
                words.insert(at, self.word())
            elif r < 0.7:
                words[at % len(words)] = self.word()
            else:
                other = self.rng.randrange(len(words))
                words[at % len(words)], words[other] = words[other], words[at % len(words)]
        return words


def make_random(out, jar, count, seed):
    source = Source(jar, random.Random(seed))
    kinds = ["caption", "stem", "synonym", "exception", "paraphrase", "paraphrase", "odd", "long"]
    answer([source.segment(kinds[i % len(kinds)] if i % 32 != 31 else "long") for i in range(count)], jar, os.path.join(out, "meteor"))


def make_own(folder, jar):
    """A copy of the jar with the folder's data in it, beside a copy of the folder's table."""
    with open(os.path.join(folder, "segments.jsonl")) as f:
        texts = [{key: value for key, value in json.loads(line).items() if key in ("kind", "hyp", "refs")} for line in f]
    with tempfile.TemporaryDirectory() as home:
        copy = os.path.join(home, "meteor-1.5.jar")
        with zipfile.ZipFile(jar) as old, zipfile.ZipFile(copy, "w") as new:
            for item in old.infolist():
                if item.filename not in MEMBERS:
                    new.writestr(item, old.read(item.filename))
            for member in MEMBERS:
                new.write(os.path.join(folder, member), member)
        os.mkdir(os.path.join(home, "data"))
        with open(os.path.join(folder, "data/paraphrase-en.gz"), "rb") as f, open(os.path.join(home, "data/paraphrase-en.gz"), "wb") as g:
            g.write(f.read())
        answer(texts, copy, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["random", "answer"])
    parser.add_argument("out")
    parser.add_argument("--jar", required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.command == "random":
        make_random(args.out, args.jar, args.count, args.seed)
    else:
        make_own(args.out, args.jar)


if __name__ == "__main__":
    main()
