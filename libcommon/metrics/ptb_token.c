#include "libcommon/metrics/ptb_token.h"

#include <stdbool.h>
#include <string.h>

#include "libcommon/text/unicode.h"

/* What is written for one code unit, or for an entity in the place of one. As published, &amp; counts in
 * either case, the quotes only in lower case. */
struct replacement {
    uint16_t unit;
    const char *entity, *text;
};

#define NBSP "\xc2\xa0"

static const struct replacement soft[] = { { 0xAD, NULL, "" }, { 0, NULL, NULL } };
static const struct replacement spaces[] = { { ' ', NULL, NBSP }, { 0, NULL, NULL } };
static const struct replacement phone[] = {
    { ' ', NULL, NBSP }, { '(', NULL, "-LRB-" }, { ')', NULL, "-RRB-" }, { 0, NULL, NULL }
};
static const struct replacement amp[] = { { 0, "&amp;", "&" }, { 0, NULL, NULL } };
static const struct replacement opening[] = { { '\'', "&apos;", "`" },
                                              { '"', "&quot;", "``" },
                                              { 0, NULL, NULL } };
static const struct replacement closing[] = { { '\'', "&apos;", "'" },
                                              { '"', "&quot;", "''" },
                                              { 0, NULL, NULL } };
static const struct replacement curly[] = { /* whichever way */
                                            { 0x2018, NULL, "`" },  { 0x201B, NULL, "`" },
                                            { 0x2039, NULL, "`" },  { 0x91, NULL, "`" },
                                            { 0x2019, NULL, "'" },  { 0x203A, NULL, "'" },
                                            { 0x92, NULL, "'" },    { 0x201C, NULL, "``" },
                                            { 0xAB, NULL, "``" },   { 0x93, NULL, "``" },
                                            { 0x201D, NULL, "''" }, { 0xBB, NULL, "''" },
                                            { 0x94, NULL, "''" },   { 0, NULL, NULL }
};
static const struct replacement vulgar[] = { { 0xBC, NULL, "1/4" },   { 0xBD, NULL, "1/2" },
                                             { 0xBE, NULL, "3/4" },   { 0x2153, NULL, "1/3" },
                                             { 0x2154, NULL, "2/3" }, { 0, NULL, NULL } };
static const struct replacement money[] = { { 0xA2, NULL, "cents" }, { 0xA3, NULL, "#" },
                                            { 0x80, NULL, "$" },     { 0xA4, NULL, "$" },
                                            { 0x20A0, NULL, "$" },   { 0x20AC, NULL, "$" },
                                            { 0, NULL, NULL } };
static const struct replacement brackets[] = { { '(', NULL, "-LRB-" }, { ')', NULL, "-RRB-" },
                                               { '[', NULL, "-LSB-" }, { ']', NULL, "-RSB-" },
                                               { '{', NULL, "-LCB-" }, { '}', NULL, "-RCB-" },
                                               { 0, NULL, NULL } };

static const struct replacement *const replacements[] = {
    [BT_PTB_SOFT] = soft,        [BT_PTB_SPACES] = spaces, [BT_PTB_PHONE] = phone,   [BT_PTB_AMP] = amp,
    [BT_PTB_OPEN] = opening,     [BT_PTB_CLOSE] = closing, [BT_PTB_VULGAR] = vulgar, [BT_PTB_MONEY] = money,
    [BT_PTB_BRACKET] = brackets, [BT_PTB_NOTHING] = NULL,
};

static bool begins_with(const uint16_t *units, size_t count, const char *entity)
{
    const uint16_t fold = strcmp(entity, "&amp;") == 0 ? 0x20 : 0;
    size_t i = 0;
    while (entity[i] && i < count && (units[i] | fold) == (entity[i] | fold))
        i++;
    return entity[i] == '\0';
}

/* The replacement at the front of the units, and how many of them it stands for; NULL: none. */
static const char *replace(const struct replacement *table, const uint16_t *units, size_t count,
                           size_t *taken)
{
    for (; table->text; table++) {
        *taken = 1;
        if (table->unit == units[0] && table->unit > 0)
            return table->text;
        *taken = table->entity ? strlen(table->entity) : 0;
        if (table->entity && begins_with(units, count, table->entity))
            return table->text;
    }
    return NULL;
}

/* The character at the front of the units; returns how many of them it takes. */
static size_t next_character(const uint16_t *units, size_t count, uint32_t *c)
{
    *c = units[0];
    if (*c < 0xD800 || *c > 0xDBFF || count < 2)
        return 1;
    *c = 0x10000 + ((*c - 0xD800) << 10) + (units[1] - 0xDC00u);
    return 2;
}

size_t bt_ptb_write_token(char *to, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count)
{
    const struct replacement *table = replacements[rule->output];
    size_t size = 0, taken;
    for (size_t i = 0; i < count; i += taken) {
        const char *text = table ? replace(table, units + i, count - i, &taken) : NULL;
        if (!text && (rule->output == BT_PTB_OPEN || rule->output == BT_PTB_CLOSE))
            text = replace(curly, units + i, count - i, &taken);
        if (text) {
            memcpy(to + size, text, strlen(text));
            size += strlen(text);
        } else {
            uint32_t c;
            taken = next_character(units + i, count - i, &c);
            size += (size_t)bt_utf8_put(to + size, c);
        }
    }
    return size;
}
