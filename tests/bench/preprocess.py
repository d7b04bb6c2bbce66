"""The peer of preprocess.c: Pillow and numpy on one thread. preprocess.py FOLDER answers each line on stdin, "eval"
or "train", by the processor seconds a picture took and the sha256 of the tensors."""
import glob
import hashlib
import io
import random
import sys
import time

import numpy as np
from PIL import Image, ImageOps

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]
LOOPS, SIDE = 6, 224


def tensor(image):
    chw = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).astype(np.float32)
    chw /= 255
    chw -= MEAN
    chw /= STD
    return chw


def evaluate(data):
    return tensor(Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC))


def train(data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    w, h = image.size
    for _ in range(10):
        area, ratio = w * h * random.uniform(0.5, 1), random.uniform(3 / 4, 4 / 3)
        cw, ch = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if cw <= w and ch <= h:
            break
    else:
        cw, ch = w, h
    left, top = random.randint(0, w - cw), random.randint(0, h - ch)
    image = image.crop((left, top, left + cw, top + ch)).resize((SIDE, SIDE), Image.BICUBIC)
    return tensor(ImageOps.mirror(image) if random.random() < 0.5 else image)


files = [open(name, "rb").read() for name in sorted(glob.glob(sys.argv[1] + "/*.jpg"))]
random.seed(1)
for line in sys.stdin:
    work = {"eval": evaluate, "train": train}[line.strip()]
    begin = time.process_time()
    for _ in range(LOOPS):
        for data in files:
            work(data)
    seconds = (time.process_time() - begin) / (LOOPS * len(files))
    digest = hashlib.sha256()
    for data in files:
        digest.update(work(data).tobytes())
    print(seconds, digest.hexdigest(), flush=True)
