"""lines.py COUNT: distinct lines of text from what Debian carries (WordNet, CLDR in all languages, package descriptions, Unicode's
test data), then random Unicode up to COUNT. The same packages give the same lines."""
import bz2, glob, random, re, subprocess, sys, xml.etree.ElementTree as tree

count = int(sys.argv[1])
draw = random.Random(20230701)
seen = set()


def put(text):
    text = re.sub(r"[\n\ud800-\udfff]", " ", text).rstrip("\r")
    if text not in seen and len(seen) < count:
        seen.add(text)
        sys.stdout.buffer.write(text.encode() + b"\n")


def wordnet():
    for path in sorted(glob.glob("/usr/share/wordnet/data.*")):
        for line in open(path, encoding="utf-8", errors="replace"):
            if "|" in line:
                gloss = line.split("|", 1)[1]
                put(gloss.strip())
                for part in gloss.split(";"):
                    put(part)


def cldr():
    for path in sorted(glob.glob("/usr/share/unicode/cldr/common/annotations*/*.xml")):
        for node in tree.parse(path).iter("annotation"):
            put(node.text or "")
    for path in sorted(glob.glob("/usr/share/unicode/cldr/common/main/*.xml")):
        for node in tree.parse(path).iter():
            if node.text and draw.random() < 0.5:
                put(node.text)


def packages():
    for line in subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode(errors="replace").splitlines():
        if line.startswith(("Description", " ", "Tag:", "Maintainer:")):
            put(line.split(":", 1)[-1])


def unicode_tests():
    root = "/usr/share/unicode"
    for line in bz2.open(f"{root}/NormalizationTest.txt.bz2", "rt"):
        for field in line.split("#")[0].split(";")[:5]:
            if re.fullmatch("[0-9A-F ]+", field.strip() or "x"):
                put("a" + "".join(chr(int(c, 16)) for c in field.split()) + "b")
    for path in sorted(glob.glob(f"{root}/auxiliary/*Test.txt")) + [f"{root}/emoji/emoji-test.txt", f"{root}/emoji/emoji-zwj-sequences.txt"]:
        for line in open(path, encoding="utf-8"):
            put(line)
            codes = re.findall(r"\b[0-9A-F]{4,6}\b", re.split("[;#]", line)[0])
            put("".join(chr(int(c, 16)) for c in codes if not 0xD800 <= int(c, 16) < 0xE000))
    for c in range(1, 0x110000):
        if c % 7 == 0 or c < 0x3400 or 0x1F000 <= c < 0x1FB00:
            put(f"x{chr(c)}y {chr(c)}")


def random_lines():
    blocks = [(0x20, 0x7F)] * 8 + [(0x80, 0x250), (0x250, 0x370), (0x370, 0x530), (0x530, 0x800), (0x900, 0x1000), (0x1100, 0x1200),
              (0x1E00, 0x2000), (0x2000, 0x2070), (0x2100, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4),
              (0xF900, 0xFFFE), (0x1F300, 0x1FB00), (0x10000, 0x110000), (1, 0x20)]
    marks = ["\u0301", "\u0308", "\u0345", "\u200d", "\ufe0f", "\u3099", "\u200b", "\u00ad", "  ", "   ", "\t", "\u00a0", "\u3000", "'s", "'ll",
             "n't", "[MASK]", "[DEC]", "[SEP]", "</s>", "<pad>", "<s>", "<unk>", "<extra_id_3>", "##", "\ufffd", "\u2581", "\u03a3", "\u0130", "\u0000"]
    while len(seen) < count:
        first, last = draw.choice(blocks)
        line = []
        for _ in range(draw.randint(1, 24)):
            dice = draw.random()
            if dice < 0.15:
                line.append(draw.choice(marks))
            elif dice < 0.3:
                line.append(" ")
            elif dice < 0.6:
                line.append(chr(draw.randrange(*draw.choice(blocks))))
            else:
                line.append(chr(draw.randrange(first, last)))
        put("".join(line))


for source in (wordnet, packages, unicode_tests, cldr, random_lines):
    if source is cldr:
        whole, count = count, count - count // 10
    if source is random_lines:
        count = whole
    source()
    print(f"{source.__name__}: {len(seen)} lines so far", file=sys.stderr)
