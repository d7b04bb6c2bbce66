"""Pillow's side of images.sh: images.py FOLDER JOBS ANSWERS writes the jobs and what Pillow answers."""
import hashlib
import os
import random
import sys
import warnings

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None
warnings.simplefilter("ignore")


def sha(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def decode(path):
    image = Image.open(path).convert("RGB")
    return "%dx%d %s %s" % (*image.size, sha(image), sha(image.resize((224, 224), Image.BICUBIC)))


def resize(w, h, w2, h2):
    y, x = np.mgrid[0:h, 0:w]
    rgb = np.stack([7 * x + 13 * y, x * x + 3 * y, (x ^ y) * 5], -1).astype(np.uint8)
    return sha(Image.fromarray(rgb).resize((w2, h2), Image.BICUBIC))


def size():
    """1 to 700 or, one in ten, to 3000; small ones as likely as large."""
    return int(round((3000 if random.random() < 0.1 else 700) ** random.random()))


folder, jobs_path, answers_path = sys.argv[1:]
random.seed(1)
files = sorted(os.path.join(d, n) for d, _, names in os.walk(folder) for n in names
               if n.lower().endswith((".jpg", ".jpeg", ".png")))
with open(jobs_path, "w") as jobs, open(answers_path, "w") as answers:
    for path in files:
        if os.path.islink(path):
            continue
        jobs.write("decode %s\n" % path)
        answers.write(decode(path) + "\n")
    for _ in range(2000):
        sizes = size(), size(), size(), size()
        jobs.write("resize %d %d %d %d\n" % sizes)
        answers.write(resize(*sizes) + "\n")
