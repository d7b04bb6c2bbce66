#include "libcommon/metrics/ptb_automaton.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"

#define CLASSES 256

struct state {
    uint64_t from, count; /* its nodes, ascending, in `members` */
    uint64_t hash;
};

struct bt_ptb_states {
    struct state *states;
    uint64_t count, capacity, next_capacity, label_capacity;
    int32_t *members;
    uint64_t member_count, member_capacity;
    uint16_t *slots; /* open addressing, a power of two, at least twice `count` */
    uint64_t slot_count;
    /* Scratch: nodes that are being collected, as a list and as bits, and those met on the way. */
    int32_t *found, *stack;
    uint64_t *bits;
    uint32_t *met; /* the round in which each node was met */
    uint32_t round;
    /* Classes: which sets hold the units of a class, a byte a set. */
    uint8_t *holds[CLASSES];
    int class_count;
};

struct bt_ptb_automaton *bt_ptb_automaton_new(const struct bt_ptb_grammar *grammar)
{
    struct bt_ptb_automaton *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->nodes.grammar = grammar;
    a->states = calloc(1, sizeof *a->states);
    a->class_of = calloc(1 << 16, 1);
    if (!a->states || !a->class_of) {
        bt_ptb_automaton_free(a);
        return NULL;
    }
    a->states->count = 2; /* UNMADE and DEAD */
    a->states->class_count = 1;
    return a;
}

void bt_ptb_automaton_free(struct bt_ptb_automaton *a)
{
    if (!a)
        return;
    if (a->states) {
        for (int c = 0; c < CLASSES; c++)
            free(a->states->holds[c]);
        free(a->states->states);
        free(a->states->members);
        free(a->states->slots);
        free(a->states->found);
        free(a->states->stack);
        free(a->states->met);
        free(a->states->bits);
    }
    free(a->states);
    free(a->class_of);
    free(a->next);
    free(a->label);
    bt_ptb_nodes_free(&a->nodes);
    free(a);
}

/* ---------------------------------------------------------------- classes */

static uint8_t make_class(struct bt_ptb_automaton *a, uint16_t unit)
{
    struct bt_ptb_states *s = a->states;
    const int32_t sets = bt_ptb_set_count(&a->nodes);
    uint8_t *holds = malloc((size_t)sets);
    int class = 1;
    if (!holds) {
        a->failed = true;
        return 1;
    }
    for (int32_t set = 0; set < sets; set++)
        holds[set] = bt_ptb_set_has(&a->nodes, set, unit);
    while (class < s->class_count && memcmp(s->holds[class], holds, (size_t)sets) != 0)
        class ++;
    assert(class < CLASSES);
    if (class == s->class_count)
        s->holds[s->class_count++] = holds;
    else
        free(holds);
    return a->class_of[unit] = (uint8_t) class;
}

/* ---------------------------------------------------------------- states */

static bool grow_slots(struct bt_ptb_states *s)
{
    uint64_t slot_count = s->slot_count > 0 ? s->slot_count * 2 : 256;
    uint16_t *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return false;
    for (uint64_t i = 2; i < s->count; i++) {
        uint64_t at = s->states[i].hash & (slot_count - 1);
        while (slots[at])
            at = (at + 1) & (slot_count - 1);
        slots[at] = (uint16_t)i;
    }
    free(s->slots);
    s->slots = slots;
    s->slot_count = slot_count;
    return true;
}

/* Room for one more state and its nodes. */
static bool make_room(struct bt_ptb_automaton *a, uint64_t node_count)
{
    struct bt_ptb_states *s = a->states;
    assert(s->count < BT_PTB_ACCEPTS);
    return bt_grow(&s->states, &s->capacity, s->count + 1, sizeof *s->states, NULL) == BT_OK &&
           bt_grow(&a->next, &s->next_capacity, s->count + 1, sizeof *a->next, NULL) == BT_OK &&
           bt_grow(&a->label, &s->label_capacity, s->count + 1, sizeof *a->label, NULL) == BT_OK &&
           bt_grow(&s->members, &s->member_capacity, s->member_count + node_count, sizeof *s->members,
                   NULL) == BT_OK &&
           (s->count * 2 < s->slot_count || grow_slots(s));
}

static int16_t least_label(const struct bt_ptb_nodes *n, const int32_t *nodes, uint64_t count)
{
    int32_t least = -1;
    for (uint64_t i = 0; i < count; i++) {
        const struct bt_ptb_node *node = &n->nodes[nodes[i]];
        if (node->kind == BT_PTB_ACCEPT && (least < 0 || node->value < least))
            least = node->value;
    }
    return (int16_t)least;
}

/* The state of the nodes in `found`, a new one unless there is one already. */
static uint16_t state_of(struct bt_ptb_automaton *a, uint64_t count)
{
    struct bt_ptb_states *s = a->states;
    const size_t bytes = count * sizeof *s->found;
    const int16_t label = least_label(&a->nodes, s->found, count);
    const uint16_t accepts = label >= 0 ? BT_PTB_ACCEPTS : 0;
    if (count == 0)
        return BT_PTB_DEAD;
    if (!make_room(a, count)) {
        a->failed = true;
        return BT_PTB_DEAD;
    }
    uint64_t hash = bt_xxh64(s->found, bytes), at = hash & (s->slot_count - 1);
    for (; s->slots[at]; at = (at + 1) & (s->slot_count - 1)) {
        const struct state *known = &s->states[s->slots[at]];
        if (known->hash == hash && known->count == count &&
            memcmp(s->members + known->from, s->found, bytes) == 0)
            return s->slots[at] | accepts;
    }
    memcpy(s->members + s->member_count, s->found, bytes);
    s->states[s->count] = (struct state){ s->member_count, count, hash };
    s->member_count += count;
    memset(a->next[s->count], 0, sizeof a->next[s->count]);
    a->label[s->count] = label;
    s->slots[at] = (uint16_t)s->count;
    return (uint16_t)s->count++ | accepts;
}

/* Sets the bits of the nodes that can be reached from a node without a unit. */
static void collect(struct bt_ptb_automaton *a, int32_t node)
{
    struct bt_ptb_states *s = a->states;
    uint64_t depth = 0;
    s->stack[depth++] = node;
    while (depth > 0) {
        const int32_t at = s->stack[--depth];
        const struct bt_ptb_node *n = &a->nodes.nodes[at];
        if (s->met[at] == s->round)
            continue;
        s->met[at] = s->round;
        if (n->kind == BT_PTB_UNIT || n->kind == BT_PTB_ACCEPT)
            s->bits[at / 64] |= UINT64_C(1) << at % 64;
        else
            s->stack[depth++] = n->out;
        if (n->kind == BT_PTB_SPLIT)
            s->stack[depth++] = n->alt;
    }
}

static bool begin_round(struct bt_ptb_automaton *a)
{
    struct bt_ptb_states *s = a->states;
    if (!s->met) {
        s->found = bt_alloc(a->nodes.count, sizeof *s->found, NULL);
        s->stack = bt_alloc(2 * a->nodes.count + 1, sizeof *s->stack, NULL);
        s->bits = bt_alloc(a->nodes.count / 64 + 1, sizeof *s->bits, NULL);
        s->met = bt_alloc(a->nodes.count, sizeof *s->met, NULL);
    }
    a->failed = a->failed || a->nodes.failed || !s->found || !s->stack || !s->bits || !s->met;
    s->round++;
    return !a->failed;
}

/* The state of the nodes collected; clears their bits. */
static uint16_t end_round(struct bt_ptb_automaton *a)
{
    struct bt_ptb_states *s = a->states;
    uint64_t count = 0;
    for (uint64_t i = 0; i <= a->nodes.count / 64; i++)
        for (; s->bits[i]; s->bits[i] &= s->bits[i] - 1)
            s->found[count++] = (int32_t)(i * 64) + __builtin_ctzll(s->bits[i]);
    return state_of(a, count);
}

uint16_t bt_ptb_start(struct bt_ptb_automaton *a, int32_t node)
{
    if (!begin_round(a))
        return BT_PTB_DEAD;
    collect(a, node);
    return end_round(a);
}

uint16_t bt_ptb_make_step(struct bt_ptb_automaton *a, uint16_t state, uint16_t unit)
{
    struct bt_ptb_states *s = a->states;
    const uint16_t number = state & ~BT_PTB_ACCEPTS;
    uint8_t class = a->class_of[unit] ? a->class_of[unit] : make_class(a, unit);
    if (state == BT_PTB_DEAD || !begin_round(a))
        return BT_PTB_DEAD;
    if (a->next[number][class] != BT_PTB_UNMADE) /* the class alone was new */
        return a->next[number][class];
    const struct state from = s->states[number];
    for (uint64_t i = 0; i < from.count; i++) {
        const struct bt_ptb_node *n = &a->nodes.nodes[s->members[from.from + i]];
        if (n->kind == BT_PTB_UNIT && s->holds[class][n->value])
            collect(a, n->out);
    }
    uint16_t next = end_round(a);
    if (!a->failed)
        a->next[number][class] = next;
    return next;
}
