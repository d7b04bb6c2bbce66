/* The lower case of every character in ten places beside a capital sigma, a line each; see lower.sh. */
#include <stdio.h>
#include <string.h>

#include "libcommon/metrics/ptb_lower.h"
#include "libcommon/text/unicode.h"

#define SIGMA "\xce\xa3"

static const char *const places[][2] = { { "A" SIGMA, "a" },  { "A" SIGMA "9", "a" },  { "A" SIGMA "9", "9a" }, { "a", SIGMA },
                                         { "a9", SIGMA },     { "a9", "9" SIGMA },     { "A" SIGMA, "9a" },     { "a", "9" SIGMA },
                                         { "A" SIGMA "-", "a" }, { "A" SIGMA, "-a" } };

int main(void)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    for (uint32_t c = 0x21; c < 0x20000; c++)
        for (size_t place = 0; place < sizeof places / sizeof *places && (c < 0xD800 || c > 0xDFFF); place++) {
            char token[32];
            size_t size = strlen(strcpy(token, places[place][0]));
            size += (size_t)bt_utf8_put(token + size, c);
            size += strlen(strcpy(token + size, places[place][1]));
            out.size = 0;
            if (bt_ptb_lower(&out, token, size, &err))
                return 1;
            printf("%x %zu %.*s\n", c, place, (int)out.size, out.data);
        }
    bt_buf_free(&out);
    return 0;
}
