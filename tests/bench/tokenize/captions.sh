#!/bin/bash
# captions.sh COUNT: distinct captions, a line each: a picture of something that CLDR names, and what WordNet says of another.
set -euo pipefail
LC_ALL=C awk -v count="$1" '
    FILENAME ~ /en\.xml$/ && /type="tts"/ { sub(/^[^>]*>/, ""); sub(/<.*/, ""); if (!/&/) names[n++] = $0; next }
    FILENAME ~ /data\./ && /^[0-9]/ {
        sub(/^[^|]*\| /, ""); sub(/[;(].*/, ""); sub(/ +$/, "")
        if ((many = split($0, words, " ")) > 3) {
            text = words[1]
            for (w = 2; w <= many && w <= 8; w++)
                text = text " " words[w]
            if (!seen[text]++)
                glosses[g++] = text
        }
    }
    END {
        split("a photo of|there is|a close up of|two people with|a man and|an old picture of|a small|the red", starts, "|")
        split("next to|in front of|and|with|on|beside|under|behind", joints, "|")
        for (i = 0; i < count; i++)
            print starts[i % 8 + 1], names[(i * 7 + int(i / g)) % n], joints[int(i / 8) % 8 + 1], glosses[i % g]
    }' /usr/share/unicode/cldr/common/annotations{,Derived}/en.xml /usr/share/wordnet/data.{noun,verb,adj,adv} | awk '!seen[$0]++'
