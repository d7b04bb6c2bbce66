#include "libcommon/metrics/ptb.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/ptb_automaton.h"
#include "libcommon/metrics/ptb_lower.h"
#include "libcommon/metrics/ptb_rules.h"
#include "libcommon/metrics/ptb_token.h"
#include "libcommon/text/unicode.h"

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

/* A rule that matches: how many units make the token, and how many are done with. */
struct match {
    int rule;
    size_t token, done;
};

struct bt_ptb {
    struct bt_ptb_automaton *automaton;
    uint16_t start;      /* of all rules together */
    struct parts *parts; /* [bt_ptb_rule_count] */
};

struct bt_ptb_text {
    uint16_t *units; /* UTF-16 */
    size_t count;
    size_t *begins; /* where each caption begins; [captions + 1], the last: `count` */
    size_t captions;
};

struct bt_ptb_stream {
    struct bt_ptb *ptb;
    const uint16_t *units;
    size_t count, at, end; /* of all units; where it stands, and shall end */
    size_t mark_base;      /* the first of its own marks */
    struct marks *marks;   /* [(count - begin) / MARK_UNITS + 1] */
    struct bt_buf *out;
    struct bt_buf token; /* scratch */
    size_t lines;        /* ended since the call began */
    bool line_start, to_last, passed, done;
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

static struct marks *marks_at(const struct bt_ptb_stream *s, size_t at)
{
    return &s->marks[at / MARK_UNITS - s->mark_base];
}

/* Goes the way of a scan again, from the token that it found to where it gave up. */
static void leave_marks(struct bt_ptb *ptb, struct bt_ptb_stream *s, size_t at, size_t token_end, size_t end)
{
    uint16_t state = ptb->start;
    for (; at < end; at++) {
        if (at % MARK_UNITS == 0 && at >= token_end)
            mark(marks_at(s, at), state);
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
        if (at % MARK_UNITS == 0 && is_marked(marks_at(s, at), state))
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

/* How many of the units that were matched make the token, and how many are done with. */
static struct match settle(int rule, size_t matched)
{
    const int back = bt_ptb_rules[rule].back;
    struct match m = { rule, matched, matched };
    if (back > 0)
        m.token = m.done = matched - (size_t)back;
    else if (back != 0)
        m.done = matched - 1;
    if (back == BT_PTB_ACRONYM && matched == 2)
        m.token = 1;
    return m;
}

/* What comes next in the stream; rule -1 where memory ran out. */
static struct match match(struct bt_ptb *ptb, struct bt_ptb_stream *s)
{
    size_t end = 0;
    int rule = longest_rule(ptb, s, s->at, &end);
    if (rule < 0 || ptb->automaton->failed)
        return (struct match){ -1, 0, 0 };
    if (bt_ptb_rules[rule].follow)
        end = match_end(ptb, s, rule, s->at, end);
    return settle(rule, end - s->at);
}

/* ---------------------------------------------------------------- tokens */

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
    int rc = bt_grow(&s->token.data, &s->token.capacity, count * BT_PTB_UNIT_BYTES + 1, 1, err);
    if (rc)
        return rc;
    size_t size = bt_ptb_write_token(s->token.data, rule, units, count);
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

/* A space begins no rule but that of a run of blanks, which prints nothing, and which ends here or with spaces. */
static bool is_lone_space(const struct bt_ptb_stream *s)
{
    return s->units[s->at] == ' ' && s->at + 1 < s->count && s->units[s->at + 1] >= ' ' && s->units[s->at + 1] < 0x7F;
}

static int lex_lines(struct bt_ptb_stream *s, size_t lines, struct bt_err *err)
{
    int rc = BT_OK;
    while (!rc && s->at < s->end && s->lines < lines) {
        if (is_lone_space(s)) {
            s->at++;
            continue;
        }
        const struct match m = match(s->ptb, s);
        if (m.rule < 0)
            return bt_fail(err, BT_ERR_MEMORY, "out of memory for the tokenizer");
        rc = put(s, &bt_ptb_rules[m.rule], s->units + s->at, m.token, err);
        s->at += m.done;
    }
    return rc;
}

/* Goes on to the end of so many lines. */
static int lex(struct bt_ptb_stream *s, size_t lines, struct bt_buf *out, struct bt_err *err)
{
    s->out = out;
    s->lines = 0;
    int rc = lex_lines(s, lines, err);
    if (rc || s->at <= s->end)
        return rc;
    s->end = s->count;
    s->to_last = s->passed = true;
    return lex_lines(s, lines, err);
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

static int check_captions(const struct bt_text *captions, size_t count, uint64_t *bytes, struct bt_err *err)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = bt_utf8_check(captions[i].data, captions[i].size, err);
        if (rc) {
            bt_context(err, "caption %zu", i + 1);
            return rc;
        }
        *bytes += captions[i].size + 1;
    }
    return BT_OK;
}

int bt_ptb_text_new(struct bt_ptb_text **text, const struct bt_text *captions, size_t count, struct bt_err *err)
{
    uint64_t bytes;
    int rc = check_captions(captions, count, &bytes, err);
    if (rc)
        return rc;
    struct bt_ptb_text *t = bt_alloc(1, sizeof *t, err);
    if (!t)
        return BT_ERR_MEMORY;
    t->units = bt_alloc(bytes, sizeof *t->units, err);
    t->begins = bt_alloc(count + 1, sizeof *t->begins, err);
    if (!t->units || !t->begins) {
        bt_ptb_text_free(t);
        return BT_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            t->units[t->count++] = '\n';
        t->begins[i] = t->count;
        t->count += put_units(t->units + t->count, captions[i]);
    }
    t->begins[count] = t->count;
    t->captions = count;
    *text = t;
    return BT_OK;
}

void bt_ptb_text_free(struct bt_ptb_text *t)
{
    if (!t)
        return;
    free(t->units);
    free(t->begins);
    free(t);
}

int bt_ptb_stream_open(struct bt_ptb_stream **stream, struct bt_ptb *ptb, const struct bt_ptb_text *text, size_t first,
                       size_t end, struct bt_err *err)
{
    struct bt_ptb_stream *s = bt_alloc(1, sizeof *s, err);
    if (!s)
        return BT_ERR_MEMORY;
    *s = (struct bt_ptb_stream){ .ptb = ptb, .units = text->units, .count = text->count, .line_start = true };
    s->at = text->begins[first];
    s->end = text->begins[end];
    s->to_last = end == text->captions;
    s->mark_base = s->at / MARK_UNITS;
    s->marks = bt_alloc(s->count / MARK_UNITS + 1 - s->mark_base, sizeof *s->marks, err);
    if (!s->marks) {
        bt_ptb_stream_close(s);
        return BT_ERR_MEMORY;
    }
    *stream = s;
    return BT_OK;
}

void bt_ptb_stream_close(struct bt_ptb_stream *s)
{
    if (!s)
        return;
    bt_buf_free(&s->token);
    free(s->marks);
    free(s);
}

int bt_ptb_stream_next(struct bt_ptb_stream *s, size_t lines, struct bt_buf *text, struct bt_err *err)
{
    if (s->done || (!s->to_last && s->at >= s->end))
        return BT_END;
    int rc = lex(s, lines, text, err);
    s->done = s->to_last && s->lines < lines;
    if (!rc && s->done)
        rc = bt_buf_add(text, "\n", 1, err); /* the end of the last line */
    return rc;
}

bool bt_ptb_stream_met(const struct bt_ptb_stream *s)
{
    return !s->passed;
}

int bt_ptb_lex(struct bt_ptb *ptb, const struct bt_text *captions, size_t count, struct bt_buf *raw,
               struct bt_err *err)
{
    struct bt_ptb_text *text = NULL;
    struct bt_ptb_stream *s = NULL;
    int rc = bt_ptb_text_new(&text, captions, count, err);
    if (!rc)
        rc = bt_ptb_stream_open(&s, ptb, text, 0, count, err);
    if (!rc)
        rc = lex(s, SIZE_MAX, raw, err);
    if (!rc)
        rc = bt_buf_add(raw, "", 0, err); /* the NUL behind it */
    bt_ptb_stream_close(s);
    bt_ptb_text_free(text);
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
    struct bt_ptb_text *whole = NULL;
    struct bt_ptb_stream *s = NULL;
    int rc = bt_ptb_text_new(&whole, captions, count, err);
    if (!rc)
        rc = bt_ptb_stream_open(&s, ptb, whole, 0, count, err);
    if (!rc)
        rc = bt_ptb_stream_next(s, SIZE_MAX, text, err);
    if (!rc)
        bt_ptb_split(text, tokens, count);
    bt_ptb_stream_close(s);
    bt_ptb_text_free(whole);
    return rc;
}
