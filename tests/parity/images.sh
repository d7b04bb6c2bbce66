#!/bin/bash
# Byte equality with Debian's Pillow (python3-pil 9.4): every JPEG and PNG of the package opencv-doc, decoded and at
# 224 x 224, and 2,000 generated pictures from and to sizes of any proportion. images.sh BUILD; called by
# `make parity-images`. Needs python3-pil, python3-numpy and a Debian archive to fetch opencv-doc from.
set -euo pipefail
build=$1
work=build/parity
mkdir -p $work
if [ ! -d $work/opencv-doc ]; then
    (cd $work && apt-get download -q opencv-doc >/dev/null 2>&1)
    dpkg -x $work/opencv-doc_*.deb $work/opencv-doc
fi
/usr/bin/python3 tests/parity/images.py $work/opencv-doc $work/images.jobs $work/images.want
"$build/tests/parity/images" <$work/images.jobs >$work/images.got
different=$(paste -d'\n' $work/images.want $work/images.got | awk 'NR % 2 { want = $0; next } $0 != want { n++ } END { print n + 0 }')
paste -d'|' $work/images.jobs $work/images.want $work/images.got | awk -F'|' '$2 != $3' | head >&2
echo "$(grep -c ^decode $work/images.jobs) files, $(wc -l <$work/images.want) lines, $different differences"
[ "$different" = 0 ]
