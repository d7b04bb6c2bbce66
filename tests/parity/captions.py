"""captions.py OUT --count N --seed S: N generated captions as golden cases (tests/golden/metrics.c reads them): one stream in
tokenize/, image sets in captions/, with what pycocoevalcap 1.2 and its jar make of them."""
import argparse, contextlib, io, json, os, random, re, subprocess, sys, tempfile
import xml.etree.ElementTree as xml

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer

CAPTIONS_PER_IMAGE = 5                  # of which one is the result

CONTRACTIONS = """isn't can't won't I'll we've they're dog's dogs' James' o'clock y'all 'twas 'tis cannot gonna gotta lemme gimme
 wanna rock'n'roll ol' 'em '90s 90's c'mon jack-o'-lantern shouldn't've I'd've ain't don’t it’s let’s men’s ma'am cont'd nor'easter
 s'mores li'l nat'l e'er ev'ry Hallowe'en O'Neill D'Angelo d'oeuvre l'eau N't n't 's 'S 'LL 've t'was Dunkin' somethin' 'til 'till
 'cause 'n' n' &apos;s don&apos;t C'est Cap'n""".split()
ABBREVIATIONS = """Mr. Mrs. Ms. Dr. St. Ave. Rd. Blvd. Jr. Sr. Inc. Co. Corp. Ltd. etc. al. vs. U.S. U.K. U.S.S.R. a.m. p.m. e.g. i.e.
 Jan. Feb. Sept. Dec. Mon. Tues. Calif. Mass. mass. Miss. Wash. wash. No. no. fig. figs. art. prop. pp. op. Ph.D. Ed.D. ext. tel. sq. Mt.
 Ft. Lt. Col. Gen. Prof. Sen. Gov. Capt. Sgt. Ptes. Pty. Pte. co. approx. in. ft. lb. oz. J. K. T. A. I. Non-U.S. EU-U.S. U.S.-U.K. a.k.a.
 cf. Mfg. Mtg. MFG. Dept. Bros. Esq. Messrs. P.O. N.Y. D.C. Mlle. Asst. Bldg. Univ. st ave dr mr no""".split()
NUMBERS = """1 2 10 24/7 1/2 5 5'10" 1/4" $5.00 US$5 $1,000 £5 €5 5¢ 10% 1,000 1,00 .5 -5 +3 5:00 10:30am 5pm 9a.m. 12/25/2010 25-12-10
 2½ ½ ¾ ⅓ 5 1/2 5\u00a01/2 1\u20442 x² m³ 10⁻² H₂O 50° 555-1234 (555) 555-1234 1-800-555-1234 555.123.4567 +1 555 123 4567 #1 #10 1st 2nd
 20th 1990s 1990's 3-D 5-6 5- -- 3.14.15 1.2.3 007 1\\/2 ٣ १२""".split(" ")
ADDRESSES = """http://a.com/b?x=1. https://www.flickr.com/photos/1,2 www.foo.com foo.com Foo.com bar.org/x/y-z test.edu a@b.com <a@b.com>
 x.y+z@mail.example.org. @user @2 #tag #été img1.jpg IMG_01.JPG file.tar.gz http:// ftp://a.b.c www.a.b.cde/ a.b.net/q?{1} &lt;me@x.de&gt;
 <b> </b> <br /> <a href="x y"> <!-- note --> <img src='a b'> <?xml > <3 <notag &amp; &lt; &gt; &nbsp; &quot;hi&quot; &mdash; &#233; &eacute; AT&T R&B
 AT&amp;T S&P-500 S&Ls Q&A C++ C# F# .NET w/ w/o a/c man/woman and/or b/c/d x/y/z/w""".split(" ")
MARKS = """. .. ... .... ..... ...... . . . , ; : ! ? ?! !! !!! - -- --- ---- ----- – — ― ' " '' `` ` ( ) [ ] { } < > << >> / \\ | & + = * ** ***
 \\* _ __ @ @@ # ## $ % ^ ~ :) :-) ;) :( :D :P =) ^_^ (^_^) (-.-) (x_x) >.< <3 :-( ‘ ’ “ ” „ ‚ ‛ ‟ « » ‹ › … • · ¡ ¿ § © ® ™ ° ± × ÷ ¢ £ ¤ ¥ €
 -lrb- -RRB- -LSB- ., .; .: ,. ;. :. ?. !. '. ." ".""".split(" ")
UNICODE = """café naïve señor São Zürich Ångström ΣΊΣΥΦΟΣ ΟΔΟΣ Σ ΑΣ. İstanbul ISTANBUL ŞİŞ straße ẞ Москва привет ёлка 犬 東京 日本語、犬。 서울 שלום
 مرحبا नमस्ते ไทย ελληνικά Ǆ Ⅻ ﬁne ﬂag K Å ½cup x😀y 😀 👍🏽 🇫🇷 👩‍👩‍👧 a\u200bb so\u00adft \u00ad \u200e \ufeff a\u0301 e\u0301te\u0301 don´t ★ ☆ → − ∞ ♥ ①
 Ａｂｃ １２ \u2028x \x0bx \x0cx \x85 a\x85b \x7f \x01 \x1f \t a\tb \u3000 \u2003 \u00a0 a\u00a0b ‐ ‑ ‒ a‐b a‑b ԱԲ ⴀⴁ 𝐀𝐁 𐐀𐐁 ᴬ ʰ ˈ ʼn ŉ""".split(" ")
TEMPLATES = ["a {} {} on the {}", "two {} in a {}", "{} and {} near {}", "The {} is {} .", "A {}, a {} and a {}.", "{}", "{} {}",
             "a close up of {}", "there is {} with {}; {}", "{} - {}", "it's a {} {}!", "{} ({})", "\"{}\" {}", "'{}' {}", "{}: {}, {}"]


def words():
    found = []
    for part in ("noun", "verb", "adj", "adv"):
        with open(f"/usr/share/wordnet/index.{part}") as lines:
            found += [l.split(" ", 1)[0].replace("_", " ") for l in lines if l[0] != " "]
    names = []
    for language in ("en", "fr", "de", "el", "ru", "tr", "ja", "hi", "ar", "th"):
        tree = xml.parse(f"/usr/share/unicode/cldr/common/annotations/{language}.xml")
        names += [w for a in tree.iter("annotation") for w in a.text.split(" | ")]
    return found, names


def caption(r, found, names):
    def piece():
        roll = r.random()
        if roll < 0.55:
            w = r.choice(found)
        elif roll < 0.62:
            w = r.choice(names)
        elif roll < 0.96:
            w = r.choice(r.choice((CONTRACTIONS, ABBREVIATIONS, NUMBERS, ADDRESSES, MARKS, UNICODE)))
        else:
            w = "".join(r.choice("aAbnNtT09 .,'’`-/&;:!?_<>()$#@\u00ad\u00a0éΣ") for _ in range(r.randint(1, 9)))
        roll = r.random()
        return w.capitalize() if roll < 0.1 else w.upper() if roll < 0.15 else w

    text = r.choice(TEMPLATES)
    text = text.format(*(piece() for _ in range(text.count("{}"))))
    for _ in range(r.choice((0, 0, 1, 2, 4))):
        at = r.randint(0, len(text))
        text = text[:at] + r.choice(("", " ")) + piece() + r.choice(("", " ")) + text[at:]
    text = (text[0].upper() + text[1:] if text and r.random() < 0.5 else text) + r.choice(("", "", ".", " .", "!", " ", "\n"))
    return text.replace("\0", "")


def raw(captions):
    jar = os.path.join(os.path.dirname(ptbtokenizer.__file__), ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    with tempfile.NamedTemporaryFile() as file:
        file.write("\n".join(c.replace("\n", " ") for c in captions).encode())
        file.flush()
        return subprocess.run(["java", "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", file.name],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def tokenize(captions):
    with contextlib.redirect_stderr(io.StringIO()):
        return ptbtokenizer.PTBTokenizer().tokenize(captions)


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w" if isinstance(value, str) else "wb") as file:
        file.write(value)


def token_case(out, name, captions):
    tokens = tokenize({0: [{"caption": c} for c in captions]})[0]
    tokens += [None] * (len(captions) - len(tokens))
    write(f"{out}/tokenize/{name}.raw.txt", raw(captions))
    write(f"{out}/tokenize/{name}.jsonl", "".join(json.dumps({"caption": c, "tokens": t}) + "\n" for c, t in zip(captions, tokens)))


def caption_case(out, name, captions):
    images = len(captions) // CAPTIONS_PER_IMAGE
    gt = {"images": [{"id": i} for i in range(images)], "annotations": []}
    results = []
    for i, c in enumerate(captions[:images * CAPTIONS_PER_IMAGE]):
        if i % CAPTIONS_PER_IMAGE == 0:
            results.append({"image_id": i // CAPTIONS_PER_IMAGE, "caption": c})
        else:
            gt["annotations"].append({"id": i, "image_id": i // CAPTIONS_PER_IMAGE, "caption": c})
    refs, hyps = {}, {}
    for a in gt["annotations"]:
        refs.setdefault(a["image_id"], []).append(a)
    for a in results:
        hyps[a["image_id"]] = [a]
    refs, hyps = tokenize(refs), tokenize(hyps)
    corpus, each = {}, [{} for _ in range(images)]
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, per_image = Bleu(4).compute_score(refs, hyps)
        for n in range(4):
            corpus[f"Bleu_{n + 1}"] = bleu[n]
            for i in range(images):
                each[i][f"Bleu_{n + 1}"] = per_image[n][i]
        for metric, scorer in (("ROUGE_L", Rouge()), ("CIDEr", Cider())):
            score, per_image = scorer.compute_score(refs, hyps)
            corpus[metric] = float(score)
            for i in range(images):
                each[i][metric] = float(per_image[i])
    expected = {"subset": False, "image_ids": list(range(images)), "corpus": corpus, "images": each}
    for file, value in (("gt", gt), ("results", results), ("expected", expected)):
        write(f"{out}/captions/{name}/{file}.json", json.dumps(value))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("out")
    options.add_argument("--count", type=int, default=50000)
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    r = random.Random(args.seed)
    found, names = words()
    captions = [caption(r, found, names) for _ in range(args.count)]
    token_case(args.out, "generated", captions)
    caption_case(args.out, "generated", captions)


main()
