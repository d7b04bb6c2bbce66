/* The rules of the PTB lexer, version 3.4.1 with its default options, as data. Source: metrics.md 1.3. */
#ifndef BT_METRICS_PTB_RULES_H
#define BT_METRICS_PTB_RULES_H

#include "libcommon/metrics/ptb_pattern.h"

/* What a rule's token is made of, beside the characters that it matched. */
enum bt_ptb_output {
    BT_PTB_AS_IS,
    BT_PTB_SOFT,    /* soft hyphens removed; `-` where nothing is left */
    BT_PTB_SPACES,  /* spaces become U+00A0 */
    BT_PTB_PHONE,   /* spaces become U+00A0, ( and ) -LRB- and -RRB- */
    BT_PTB_AMP,     /* &amp; becomes & */
    BT_PTB_OPEN,    /* quotes that open */
    BT_PTB_CLOSE,   /* quotes that close */
    BT_PTB_VULGAR,  /* one character for a fraction */
    BT_PTB_MONEY,   /* currency signs */
    BT_PTB_BRACKET, /* -LRB-, -RCB-, ... */
    BT_PTB_DASHES,  /* three or four hyphens become two */
    BT_PTB_FIXED,   /* always the rule's `text` */
    BT_PTB_NEWLINE,
    BT_PTB_NOTHING
};

/* What is lexed again. */
enum bt_ptb_back {
    BT_PTB_DOT = -1,    /* the last character, which stays in the token too */
    BT_PTB_ACRONYM = -2 /* the same; of two characters the last, which leaves the token */
    /* above 0: as many of the last characters, which leave the token */
};

struct bt_ptb_rule {
    const char *match, *follow; /* patterns; follow: what must come next and is left there, or NULL */
    enum bt_ptb_output output;
    int back;
    const char *text;
};

/* In the order of the table in metrics.md, which decides between rules that reach equally far. */
extern const struct bt_ptb_rule bt_ptb_rules[];
extern const int bt_ptb_rule_count;
extern const struct bt_ptb_grammar bt_ptb_grammar;

#endif
