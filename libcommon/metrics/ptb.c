#include "libcommon/metrics/ptb.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/ptb_automaton.h"
#include "libcommon/metrics/ptb_lower.h"
#include "libcommon/metrics/ptb_rules.h"
#include "libcommon/text/unicode.h"

#define MAX_UNIT_BYTES 5 /* of output for one code unit: "-LRB-", "cents" */

/* A scan that reads far past the token which it finds leaves a mark every so many units: from this state, at
 * this place, nothing is accepted any more. Later scans that come to a mark stop, so time stays linear. */
#define MARK_UNITS 64
#define MARKS      8 /* at each such place */

struct marks {
    uint16_t state[MARKS];
};

/* States in which the parts of a rule with a follow begin. */
struct parts {
    uint16_t match, follow;
};

struct bt_ptb {
    struct bt_ptb_automaton *automaton;
    uint16_t start;      /* of all rules together */
    struct parts *parts; /* [bt_ptb_rule_count] */
};

struct bt_ptb_stream {
    struct bt_ptb *ptb;
    uint16_t *units; /* UTF-16 */
    size_t count, at;
    struct marks *marks; /* [count / MARK_UNITS + 1] */
    struct bt_buf *out;
    struct bt_buf token; /* scratch */
    size_t lines;        /* ended since the call began */
    bool line_start, done;
};

/* ---------------------------------------------------------------- the rules */

/* Adds a rule to those that begin at *all; its parts alone begin at *match and *follow. */
static int add_rule(struct bt_ptb_nodes *n, int label, int32_t *all, int32_t *match, int32_t *follow)
{
    const struct bt_ptb_rule *rule = &bt_ptb_rules[label];
    struct bt_buf whole = { 0 };
    int rc = rule->follow ? bt_buf_printf(&whole, NULL, "(%s) (%s)", rule->match, rule->follow)
                          : bt_buf_printf(&whole, NULL, "%s", rule->match);
    if (!rc)
        *all = bt_ptb_pattern_either(n, bt_ptb_pattern_add(n, whole.data, label), *all);
    if (!rc && rule->follow) {
        *match = bt_ptb_pattern_add(n, rule->match, label);
        *follow = bt_ptb_pattern_add(n, rule->follow, label);
    }
    bt_buf_free(&whole);
    return rc;
}

static int add_rules(struct bt_ptb *ptb)
{
    struct bt_ptb_nodes *n = &ptb->automaton->nodes;
    int32_t all = -1, *match = bt_alloc((uint64_t)bt_ptb_rule_count, sizeof *match, NULL),
            *follow = bt_alloc((uint64_t)bt_ptb_rule_count, sizeof *follow, NULL);
    int rc = match && follow ? BT_OK : BT_ERR_MEMORY;
    for (int i = 0; !rc && i < bt_ptb_rule_count; i++)
        rc = add_rule(n, i, &all, &match[i], &follow[i]);
    if (!rc)
        ptb->start = bt_ptb_start(ptb->automaton, all);
    for (int i = 0; !rc && i < bt_ptb_rule_count; i++)
        if (bt_ptb_rules[i].follow) {
            ptb->parts[i].match = bt_ptb_start(ptb->automaton, match[i]);
            ptb->parts[i].follow = bt_ptb_start(ptb->automaton, follow[i]);
        }
    free(match);
    free(follow);
    return !rc && ptb->automaton->failed ? BT_ERR_MEMORY : rc;
}

struct bt_ptb *bt_ptb_new(void)
{
    struct bt_ptb *ptb = calloc(1, sizeof *ptb);
    if (!ptb)
        return NULL;
    ptb->automaton = bt_ptb_automaton_new(&bt_ptb_grammar);
    ptb->parts = calloc((size_t)bt_ptb_rule_count, sizeof *ptb->parts);
    if (!ptb->automaton || !ptb->parts || add_rules(ptb) != BT_OK) {
        bt_ptb_free(ptb);
        return NULL;
    }
    return ptb;
}

void bt_ptb_free(struct bt_ptb *ptb)
{
    if (!ptb)
        return;
    bt_ptb_automaton_free(ptb->automaton);
    free(ptb->parts);
    free(ptb);
}

/* ---------------------------------------------------------------- matching */

static bool is_marked(const struct marks *marks, uint16_t state)
{
    for (int i = 0; i < MARKS; i++)
        if (marks->state[i] == state)
            return true;
    return false;
}

/* The latest marks stay. */
static void mark(struct marks *marks, uint16_t state)
{
    if (is_marked(marks, state))
        return;
    memmove(marks->state + 1, marks->state, (MARKS - 1) * sizeof *marks->state);
    marks->state[0] = state;
}

/* Goes the way of a scan again, from the token that it found to where it gave up. */
static void leave_marks(struct bt_ptb *ptb, struct bt_ptb_stream *s, size_t at, size_t token_end, size_t end)
{
    uint16_t state = ptb->start;
    for (; at < end; at++) {
        if (at % MARK_UNITS == 0 && at >= token_end)
            mark(&s->marks[at / MARK_UNITS], state);
        state = bt_ptb_step(ptb->automaton, state, s->units[at]);
    }
}

static int label_of(const struct bt_ptb *ptb, uint16_t state)
{
    return ptb->automaton->label[state & ~BT_PTB_ACCEPTS];
}

/* The rule that reaches furthest from a place, the first of several; *end is where its follow ends. */
static int longest_rule(struct bt_ptb *ptb, struct bt_ptb_stream *s, size_t from, size_t *end)
{
    uint16_t state = ptb->start, accepting = BT_PTB_DEAD;
    size_t at = from;
    while (at < s->count) {
        if (at % MARK_UNITS == 0 && is_marked(&s->marks[at / MARK_UNITS], state))
            break;
        state = bt_ptb_step(ptb->automaton, state, s->units[at++]);
        if (state & BT_PTB_ACCEPTS) {
            accepting = state;
            *end = at;
        } else if (state == BT_PTB_DEAD) {
            break;
        }
    }
    if (accepting == BT_PTB_DEAD) /* any unit is a token, so memory ran out */
        return -1;
    if (at - *end > MARK_UNITS)
        leave_marks(ptb, s, from, *end, at);
    return label_of(ptb, accepting);
}

/* Whether all of units[from, to) is what matching from `state` accepts. */
static bool matches(struct bt_ptb *ptb, const struct bt_ptb_stream *s, uint16_t state, size_t from, size_t to)
{
    for (; from < to && state != BT_PTB_DEAD; from++)
        state = bt_ptb_step(ptb->automaton, state, s->units[from]);
    return state & BT_PTB_ACCEPTS;
}

/* Where the match ends in units[from, to), which match and follow fill: as late as can be. */
static size_t match_end(struct bt_ptb *ptb, const struct bt_ptb_stream *s, int rule, size_t from, size_t to)
{
    uint16_t state = ptb->parts[rule].match;
    size_t end = to;
    for (size_t at = from; at < to && state != BT_PTB_DEAD; at++) {
        state = bt_ptb_step(ptb->automaton, state, s->units[at]);
        if ((state & BT_PTB_ACCEPTS) && matches(ptb, s, ptb->parts[rule].follow, at + 1, to))
            end = at + 1;
    }
    return end;
}

/* ---------------------------------------------------------------- the text of a token */

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

/* Writes the token into `to` as it is before lower case; returns its bytes. */
static size_t write_token(char *to, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count)
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

/* Writes ASCII in lower case; false when a unit is another character: nothing of it counts then. */
static bool write_ascii(char *to, const uint16_t *units, size_t count)
{
    uint16_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all |= units[i];
        to[i] = (char)(units[i] >= 'A' && units[i] <= 'Z' ? units[i] | 0x20 : units[i]);
    }
    return all < 0x80;
}

/* Appends a token that is not plain. */
static int put_special(struct bt_ptb_stream *s, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count,
                       struct bt_err *err)
{
    if (rule->output == BT_PTB_FIXED)
        return bt_buf_add(s->out, rule->text, strlen(rule->text), err);
    if (rule->output == BT_PTB_DASHES && (count == 3 || count == 4))
        return bt_buf_add(s->out, "--", 2, err);
    int rc = bt_grow(&s->token.data, &s->token.capacity, count * MAX_UNIT_BYTES + 1, 1, err);
    if (rc)
        return rc;
    size_t size = write_token(s->token.data, rule, units, count);
    if (size == 0) /* soft hyphens and nothing else */
        return bt_buf_add(s->out, "-", 1, err);
    return bt_ptb_lower(s->out, s->token.data, size, err);
}

/* Appends a token, behind a space where it is not the first of its line. */
static int put_token(struct bt_ptb_stream *s, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count,
                     struct bt_err *err)
{
    struct bt_buf *out = s->out;
    if (out->capacity - out->size < count + 2) {
        int rc = bt_grow(&out->data, &out->capacity, out->size + count + 2, 1, err);
        if (rc)
            return rc;
    }
    if (!s->line_start)
        out->data[out->size++] = ' ';
    s->line_start = false;
    if (rule->output > BT_PTB_SOFT || !write_ascii(out->data + out->size, units, count))
        return put_special(s, rule, units, count, err);
    out->size += count;
    return BT_OK;
}

static int put(struct bt_ptb_stream *s, const struct bt_ptb_rule *rule, const uint16_t *units, size_t count,
               struct bt_err *err)
{
    if (rule->output == BT_PTB_NOTHING)
        return BT_OK;
    if (rule->output != BT_PTB_NEWLINE)
        return put_token(s, rule, units, count, err);
    s->line_start = true;
    s->lines++;
    return bt_buf_add(s->out, "\n", 1, err);
}

/* ---------------------------------------------------------------- the stream */

/* How many of a match's units make the token, and how many are done with. */
static void settle(const struct bt_ptb_rule *rule, size_t matched, size_t *token, size_t *done)
{
    *token = *done = matched;
    if (rule->back > 0)
        *token = *done = matched - (size_t)rule->back;
    else if (rule->back != 0)
        *done = matched - 1;
    if (rule->back == BT_PTB_ACRONYM && matched == 2)
        *token = 1;
}

/* Goes on to the end of so many lines. */
static int lex(struct bt_ptb_stream *s, size_t lines, struct bt_buf *out, struct bt_err *err)
{
    struct bt_ptb *ptb = s->ptb;
    int rc = BT_OK;
    s->out = out;
    s->lines = 0;
    for (size_t end = 0, token, done; !rc && s->at < s->count && s->lines < lines; s->at += done) {
        done = 1;
        if (s->units[s->at] == ' ') /* which begins no rule but that of blanks, which prints nothing */
            continue;
        int rule = longest_rule(ptb, s, s->at, &end);
        if (rule < 0 || ptb->automaton->failed)
            return bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokenizer");
        if (bt_ptb_rules[rule].follow)
            end = match_end(ptb, s, rule, s->at, end);
        settle(&bt_ptb_rules[rule], end - s->at, &token, &done);
        rc = put(s, &bt_ptb_rules[rule], s->units + s->at, token, err);
    }
    return rc;
}

static bool is_ascii(struct bt_text text)
{
    unsigned char all = 0;
    for (size_t i = 0; i < text.size; i++)
        all |= (unsigned char)text.data[i];
    return all < 0x80;
}

/* Writes a caption's units, at most as many as it has bytes; returns how many. */
static size_t put_units(uint16_t *units, struct bt_text caption)
{
    size_t count = 0;
    if (is_ascii(caption)) {
        for (size_t i = 0; i < caption.size; i++)
            units[i] = caption.data[i] == '\n' ? ' ' : (unsigned char)caption.data[i];
        return caption.size;
    }
    for (size_t i = 0; i < caption.size;) {
        uint32_t c;
        i += (size_t)bt_utf8_next(caption.data + i, caption.size - i, &c);
        if (c > 0xFFFF)
            units[count++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
        units[count++] = (uint16_t)(c > 0xFFFF ? 0xDC00 + (c & 0x3FF) : c == '\n' ? ' ' : c);
    }
    return count;
}

static int make_units(const struct bt_text *captions, size_t count, uint16_t **units, size_t *unit_count,
                      struct bt_err *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = bt_utf8_check(captions[i].data, captions[i].size, err);
        if (rc) {
            bt_context(err, "caption %zu", i + 1);
            return rc;
        }
        bytes += captions[i].size + 1;
    }
    uint16_t *made = bt_alloc(bytes, sizeof *made, err);
    if (!made)
        return BT_ERR_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            made[at++] = '\n';
        at += put_units(made + at, captions[i]);
    }
    *units = made;
    *unit_count = at;
    return BT_OK;
}

int bt_ptb_stream_open(struct bt_ptb_stream **stream, struct bt_ptb *ptb, const struct bt_text *captions, size_t count,
                       struct bt_err *err)
{
    struct bt_ptb_stream *s = bt_alloc(1, sizeof *s, err);
    if (!s)
        return BT_ERR_MEMORY;
    s->ptb = ptb;
    s->line_start = true;
    int rc = make_units(captions, count, &s->units, &s->count, err);
    if (!rc) {
        s->marks = bt_alloc(s->count / MARK_UNITS + 1, sizeof *s->marks, err);
        rc = s->marks ? BT_OK : BT_ERR_MEMORY;
    }
    if (rc)
        bt_ptb_stream_close(s);
    else
        *stream = s;
    return rc;
}

void bt_ptb_stream_close(struct bt_ptb_stream *s)
{
    if (!s)
        return;
    bt_buf_free(&s->token);
    free(s->marks);
    free(s->units);
    free(s);
}

int bt_ptb_stream_next(struct bt_ptb_stream *s, size_t lines, struct bt_buf *text, struct bt_err *err)
{
    if (s->done)
        return BT_END;
    int rc = lex(s, lines, text, err);
    s->done = s->lines < lines;
    if (!rc && s->done)
        rc = bt_buf_add(text, "\n", 1, err); /* the end of the last line */
    return rc;
}

int bt_ptb_lex(struct bt_ptb *ptb, const struct bt_text *captions, size_t count, struct bt_buf *raw,
               struct bt_err *err)
{
    struct bt_ptb_stream *s = NULL;
    int rc = bt_ptb_stream_open(&s, ptb, captions, count, err);
    if (!rc)
        rc = lex(s, SIZE_MAX, raw, err);
    if (!rc)
        rc = bt_buf_add(raw, "", 0, err); /* the NUL behind it */
    bt_ptb_stream_close(s);
    return rc;
}

/* ---------------------------------------------------------------- token strings */

/* The published list also names -LRB- and its like, in capitals, which no token has any more. */
static bool is_punctuation(struct bt_text token)
{
    static const char *const marks[] = {
        "''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"
    };
    if (token.size == 0 || token.size > 3 || token.data[0] > '`' || !memchr("'`.?!,:-;", token.data[0], 9))
        return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strlen(marks[i]) == token.size && memcmp(marks[i], token.data, token.size) == 0)
            return true;
    return false;
}

/* Without white space at its end (Python's str.rstrip). */
static struct bt_text strip_end(struct bt_text line)
{
    while (line.size > 0) {
        size_t last = line.size - 1;
        uint32_t c;
        while (last > 0 && ((unsigned char)line.data[last] & 0xC0) == 0x80)
            last--;
        bt_utf8_next(line.data + last, line.size - last, &c);
        if (!bt_char_is_python_white(c))
            break;
        line.size = last;
    }
    return line;
}

/* Takes the punctuation out of a line, where it stands. */
static struct bt_text drop_punctuation(char *line, size_t size)
{
    struct bt_text all = strip_end((struct bt_text){ line, size });
    size_t kept = 0;
    bool first = true;
    for (size_t from = 0, to; from <= all.size; from = to + 1) {
        const char *space = memchr(line + from, ' ', all.size - from);
        to = space ? (size_t)(space - line) : all.size;
        if (is_punctuation((struct bt_text){ line + from, to - from }))
            continue;
        if (!first)
            line[kept++] = ' ';
        memmove(line + kept, line + from, to - from);
        kept += to - from;
        first = false;
    }
    return (struct bt_text){ line, kept };
}

void bt_ptb_split(struct bt_buf *text, struct bt_text *tokens, size_t count)
{
    for (size_t i = 0, from = 0; i < count; i++) {
        const char *end = memchr(text->data + from, '\n', text->size - from);
        size_t size = (size_t)(end - text->data) - from;
        tokens[i] = drop_punctuation(text->data + from, size);
        from += size + 1;
    }
}

int bt_ptb_tokenize(struct bt_ptb *ptb, const struct bt_text *captions, size_t count, struct bt_buf *text,
                    struct bt_text *tokens, struct bt_err *err)
{
    struct bt_ptb_stream *s = NULL;
    int rc = bt_ptb_stream_open(&s, ptb, captions, count, err);
    if (!rc)
        rc = bt_ptb_stream_next(s, SIZE_MAX, text, err);
    if (!rc)
        bt_ptb_split(text, tokens, count);
    bt_ptb_stream_close(s);
    return rc;
}
