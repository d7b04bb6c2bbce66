/* Patterns in a small notation, as one nondeterministic automaton over UTF-16 code units. A pattern is a
 * sequence of
 *     `text`     itself; ASCII letters in either case
 *     [a-z_]     one ASCII character of a set, case as written (no escapes; `-` last stands for itself)
 *     name       a set, a list of words, or another pattern, by its name in the grammar
 *     ( | )      alternatives in parentheses
 * each of them perhaps followed by one of * + ? {least,most}. Blanks mean nothing.
 *
 * A set lists code units in hexadecimal, "0030-0039 00AD", and general categories of Unicode 15.0, "%L" for
 * all letters, "%Lu", "%Nd"; what follows a `!` is taken out again. */
#ifndef BT_METRICS_PTB_PATTERN_H
#define BT_METRICS_PTB_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

/* Tables of these end with a NULL name. Of a list with `capital`, each word's first letter is matched as it
 * is written. */
struct bt_ptb_name {
    const char *name, *text;
    bool capital;
};

struct bt_ptb_grammar {
    const struct bt_ptb_name *sets, *lists, *patterns;
};

enum bt_ptb_node_kind { BT_PTB_UNIT, BT_PTB_SPLIT, BT_PTB_JUMP, BT_PTB_ACCEPT };

struct bt_ptb_node {
    enum bt_ptb_node_kind kind;
    int32_t value;    /* the set of a UNIT, the label of an ACCEPT */
    int32_t out, alt; /* where it goes; alt: the other way of a SPLIT */
};

struct bt_ptb_nodes {
    const struct bt_ptb_grammar *grammar; /* borrowed */
    struct bt_ptb_node *nodes;
    uint64_t count, capacity;
    uint64_t (*brackets)[2]; /* sets written as [...], a bit for each ASCII character */
    uint64_t bracket_count, bracket_capacity;
    bool failed; /* memory ran out: nothing here is whole */
};

/* Adds a pattern, accepted as `label`, and returns the node where it begins. An error in the notation is a
 * failed assertion. */
int32_t bt_ptb_pattern_add(struct bt_ptb_nodes *n, const char *pattern, int label);
/* A node from which both a and b begin; a itself when b is negative. */
int32_t bt_ptb_pattern_either(struct bt_ptb_nodes *n, int32_t a, int32_t b);
void bt_ptb_nodes_free(struct bt_ptb_nodes *n);

/* Sets are numbered from 0; whether one holds a code unit. */
int32_t bt_ptb_set_count(const struct bt_ptb_nodes *n);
bool bt_ptb_set_has(const struct bt_ptb_nodes *n, int32_t set, uint16_t unit);

#endif
