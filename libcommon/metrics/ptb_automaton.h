/* The deterministic automaton of patterns (ptb_pattern.h). It is made while text is matched, state by state
 * and transition by transition as they are met: starting costs little, and what memory it takes depends on
 * the grammar, not on the text. */
#ifndef BT_METRICS_PTB_AUTOMATON_H
#define BT_METRICS_PTB_AUTOMATON_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/metrics/ptb_pattern.h"

enum { BT_PTB_UNMADE, BT_PTB_DEAD }; /* state numbers; nothing matches from DEAD */

struct bt_ptb_states; /* which nodes each state stands for */

struct bt_ptb_automaton {
    struct bt_ptb_nodes nodes;
    struct bt_ptb_states *states;
    uint8_t *class_of;     /* [65536], 0: not made yet; units that all sets treat alike have one class */
    uint16_t (*next)[256]; /* [state][class], BT_PTB_UNMADE: not made yet */
    int16_t *label;        /* [state]: the least label accepted here, or -1 */
    bool failed;           /* memory ran out: every step since then is DEAD */
};

/* The grammar must outlive it. NULL when out of memory. All patterns are added to a->nodes before the first
 * call of the functions below. */
struct bt_ptb_automaton *bt_ptb_automaton_new(const struct bt_ptb_grammar *grammar);
void bt_ptb_automaton_free(struct bt_ptb_automaton *a);

/* The state in which matching begins at a node. */
uint16_t bt_ptb_start(struct bt_ptb_automaton *a, int32_t node);

uint8_t bt_ptb_make_class(struct bt_ptb_automaton *a, uint16_t unit);
uint16_t bt_ptb_make_step(struct bt_ptb_automaton *a, uint16_t state, uint8_t class);

static inline uint16_t bt_ptb_step(struct bt_ptb_automaton *a, uint16_t state, uint16_t unit)
{
    uint8_t class = a->class_of[unit];
    if (class == 0)
        class = bt_ptb_make_class(a, unit);
    uint16_t next = a->next[state][class];
    return next != BT_PTB_UNMADE ? next : bt_ptb_make_step(a, state, class);
}

#endif
