#!/bin/sh
# messages.sh [--man]: the table of libcommon/base/err.h, a line a code ("E_BT_CRC<TAB>65<TAB>template"), or as the list in bt-messages(7).
sed -n '/^#define BT_ERR_TABLE/,/^$/p' "$(dirname "$0")/../libcommon/base/err.h" | sed '1d; s/[[:space:]]*\\$//' | awk -v man="$1" '
    { row = row $0 }
    /)$/ {
        match(row, /X\([A-Z0-9_]+, [0-9]+/)
        split(substr(row, RSTART + 2, RLENGTH - 2), code, ", ")
        row = substr(row, RSTART + RLENGTH)
        sub(/^,[[:space:]]*"/, "", row); sub(/"\)$/, "", row); gsub(/"[[:space:]]+"/, "", row)
        if (man != "--man")
            printf "E_%s\t%s\t%s\n", code[1], code[2], row
        else {
            gsub(/-/, "\\-", row); gsub(/\047/, "\\(aq", row)
            printf ".It Li E_%s Pq %s\n%s\n", code[1], code[2], row
        }
        row = ""
    }'
