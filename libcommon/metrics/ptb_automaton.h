/* The deterministic automaton of patterns (ptb_pattern.h). It is made while text is matched, state by state
 * and transition by transition as they are met: starting costs little, and what memory it takes depends on
 * the grammar, not on the text. */
#ifndef BT_METRICS_PTB_AUTOMATON_H
#define BT_METRICS_PTB_AUTOMATON_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/metrics/ptb_pattern.h"

/* A state is a number, with this bit when something is accepted in it. */
#define BT_PTB_ACCEPTS 0x8000
enum { BT_PTB_UNMADE, BT_PTB_DEAD }; /* no states: what was not made yet; nothing matches any more */

struct bt_ptb_states; /* which nodes each state stands for */

struct bt_ptb_automaton {
    struct bt_ptb_nodes nodes;
    struct bt_ptb_states *states;
    uint8_t *class_of;     /* [65536], 0: not made yet; units that all sets treat alike have one class */
    uint16_t (*next)[256]; /* [number][class], BT_PTB_UNMADE: not made yet, and always for class 0 */
    int16_t *label;        /* [number]: the least label accepted here, or -1 */
    bool failed;           /* memory ran out: every step since then is DEAD */
};

/* The grammar must outlive it. NULL when out of memory. All patterns are added to a->nodes before the first
 * call of the functions below. */
struct bt_ptb_automaton *bt_ptb_automaton_new(const struct bt_ptb_grammar *grammar);
void bt_ptb_automaton_free(struct bt_ptb_automaton *a);

/* The state in which matching begins at a node. */
uint16_t bt_ptb_start(struct bt_ptb_automaton *a, int32_t node);

uint16_t bt_ptb_make_step(struct bt_ptb_automaton *a, uint16_t state, uint16_t unit);

static inline uint16_t bt_ptb_step(struct bt_ptb_automaton *a, uint16_t state, uint16_t unit)
{
    uint16_t next = a->next[state & ~BT_PTB_ACCEPTS][a->class_of[unit]];
    return next != BT_PTB_UNMADE ? next : bt_ptb_make_step(a, state, unit);
}

#endif
