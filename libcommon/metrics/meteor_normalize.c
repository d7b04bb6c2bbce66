/* The steps are those of metrics.md 2.4, numbered as there. Each is one pass from left to right over code
 * points, and a neighbour that one match took is not there for the next. */
#include "libcommon/metrics/meteor_normalize.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/meteor_data.h"
#include "libcommon/text/clean.h"
#include "libcommon/text/unicode.h"

#define LEFT_QUOTE   0x2018
#define RIGHT_QUOTE  0x2019
#define LEFT_QUOTES  0x201C
#define RIGHT_QUOTES 0x201D
#define EN_DASH      0x2013

struct line {
    uint32_t *c;
    uint64_t capacity;
    size_t count;
};

struct bt_meteor_normalizer {
    const struct bt_meteor_data *data;
    struct line line, next; /* before and after a pass */
    struct bt_buf text, word;
};

struct bt_meteor_normalizer *bt_meteor_normalizer_new(const struct bt_meteor_data *data)
{
    struct bt_meteor_normalizer *n = calloc(1, sizeof *n);
    if (n)
        n->data = data;
    return n;
}

void bt_meteor_normalizer_free(struct bt_meteor_normalizer *n)
{
    if (!n)
        return;
    free(n->line.c);
    free(n->next.c);
    bt_buf_free(&n->text);
    bt_buf_free(&n->word);
    free(n);
}

/* ---------------------------------------------------------------- classes */

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_ascii_lower(uint32_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = { { 'A', 'Z' },       { 'a', 'z' },       { 0xC0, 0xD6 },
                   { 0xD8, 0xF6 },     { 0xF8, 0x17E },    { 0x400, 0x527 },
                   { 0x1D00, 0x1D7F }, { 0xA640, 0xA66E }, { 0xA67E, 0xA697 } };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].first; i++)
        if (c <= ranges[i].last)
            return true;
    return false;
}

static bool is_alnum(uint32_t c)
{
    return is_digit(c) || is_alpha(c);
}

static bool is_not_digit(uint32_t c)
{
    return !is_digit(c);
}

static bool is_not_alpha(uint32_t c)
{
    return !is_alpha(c);
}

static bool is_not_alnum(uint32_t c)
{
    return !is_alnum(c);
}

static bool is_alnum_or_period(uint32_t c)
{
    return is_alnum(c) || c == '.';
}

/* What words are split at: ASCII white space, but for the vertical tab. */
static bool is_white(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* Step 1: what stays beside its neighbours. */
static bool stays(uint32_t c)
{
    return is_alnum(c) || is_white(c) || c == '\v' || c == '.' || c == '\'' || c == '`' || c == ',' ||
           c == '-' || c == LEFT_QUOTE || c == RIGHT_QUOTE;
}

/* Step 8: a word that is this and no more goes. */
static bool is_blank(uint32_t c)
{
    return c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* ---------------------------------------------------------------- passes */

static void put(struct line *line, uint32_t c)
{
    line->c[line->count++] = c;
}

/* A pass begins: `next` is empty and has room for what three characters to each of `line` make. */
static int begin(struct bt_meteor_normalizer *n, struct bt_err *err)
{
    n->next.count = 0;
    return bt_grow(&n->next.c, &n->next.capacity, 3 * (uint64_t)n->line.count + 2, sizeof *n->next.c, err);
}

static void end(struct bt_meteor_normalizer *n)
{
    struct line swap = n->line;
    n->line = n->next;
    n->next = swap;
}

static int separate(struct bt_meteor_normalizer *n, struct bt_err *err)
{
    int rc = begin(n, err);
    if (rc)
        return rc;
    put(&n->next, ' ');
    for (size_t i = 0; i < n->line.count; i++) {
        uint32_t c = n->line.c[i];
        if (stays(c)) {
            put(&n->next, c);
        } else {
            put(&n->next, ' ');
            put(&n->next, c);
            put(&n->next, ' ');
        }
    }
    put(&n->next, ' ');
    end(n);
    return BT_OK;
}

static int set_periods_apart(struct bt_meteor_normalizer *n, struct bt_err *err)
{
    int rc = begin(n, err);
    for (size_t i = 0; !rc && i < n->line.count;) {
        size_t run = 0;
        while (i + run < n->line.count && n->line.c[i + run] == '.')
            run++;
        if (run > 1)
            put(&n->next, ' ');
        for (size_t k = 0; k < run; k++)
            put(&n->next, '.');
        if (run > 1)
            put(&n->next, ' ');
        if (run == 0)
            put(&n->next, n->line.c[i]);
        i += run > 0 ? run : 1;
    }
    if (!rc)
        end(n);
    return rc;
}

/* `c` between a character of one class and one of another: spaces before and behind it, or in its place. */
struct rule {
    bool (*left)(uint32_t c);
    uint32_t c;
    bool (*right)(uint32_t c);
    bool before, behind, replace;
};

static int apply(struct bt_meteor_normalizer *n, const struct rule *rule, struct bt_err *err)
{
    int rc = begin(n, err);
    const struct line *line = &n->line;
    for (size_t i = 0; !rc && i < line->count;) {
        put(&n->next, line->c[i]);
        if (line->count - i < 3 || line->c[i + 1] != rule->c || !rule->left(line->c[i]) ||
            !rule->right(line->c[i + 2])) {
            i++;
            continue;
        }
        if (rule->before)
            put(&n->next, ' ');
        put(&n->next, rule->replace ? ' ' : rule->c);
        if (rule->behind)
            put(&n->next, ' ');
        put(&n->next, line->c[i + 2]);
        i += 3;
    }
    if (!rc)
        end(n);
    return rc;
}

/* Two characters by one, with spaces around it where `apart`. */
static int replace_pair(struct bt_meteor_normalizer *n, uint32_t c, uint32_t by, bool apart,
                        struct bt_err *err)
{
    int rc = begin(n, err);
    const struct line *line = &n->line;
    for (size_t i = 0; !rc && i < line->count; i++) {
        if (line->c[i] != c || i + 1 == line->count || line->c[i + 1] != c) {
            put(&n->next, line->c[i]);
            continue;
        }
        if (apart)
            put(&n->next, ' ');
        put(&n->next, by);
        if (apart)
            put(&n->next, ' ');
        i++;
    }
    if (!rc)
        end(n);
    return rc;
}

static void replace(struct line *line, uint32_t c, uint32_t by)
{
    for (size_t i = 0; i < line->count; i++)
        if (line->c[i] == c)
            line->c[i] = by;
}

/* Steps 1 to 6. */
static int rewrite(struct bt_meteor_normalizer *n, struct bt_err *err)
{
    static const struct rule commas[] = {
        { is_not_digit, ',', is_not_digit, true, true, false },
        { is_digit, ',', is_not_digit, true, true, false },
        { is_not_digit, ',', is_digit, true, true, false },
    };
    static const struct rule dash = { is_alnum_or_period, '-', is_alnum, false, false, true };
    static const struct rule apostrophes[] = {
        { is_not_alpha, '\'', is_not_alpha, true, true, false },
        { is_not_alnum, '\'', is_alpha, true, true, false },
        { is_alpha, '\'', is_not_alpha, true, true, false },
        { is_alpha, '\'', is_alpha, true, false, false },
    };
    int rc = separate(n, err);
    if (!rc)
        rc = set_periods_apart(n, err);
    for (size_t i = 0; !rc && i < sizeof commas / sizeof *commas; i++)
        rc = apply(n, &commas[i], err);
    if (rc)
        return rc;

    replace(&n->line, '`', '\'');
    replace(&n->line, LEFT_QUOTE, '\'');
    replace(&n->line, RIGHT_QUOTE, '\'');
    replace(&n->line, LEFT_QUOTES, '"'); /* step 1 has set it apart, as it has the dash */
    replace(&n->line, RIGHT_QUOTES, '"');
    rc = replace_pair(n, '\'', '"', true, err);
    replace(&n->line, EN_DASH, '-');
    if (!rc)
        rc = replace_pair(n, '-', '-', false, err);
    if (!rc)
        rc = apply(n, &dash, err);
    for (size_t i = 0; !rc && i < sizeof apostrophes / sizeof *apostrophes; i++)
        rc = apply(n, &apostrophes[i], err);
    return rc;
}

/* The last rule of step 6, digit 's, takes four characters. */
static int set_digit_s_apart(struct bt_meteor_normalizer *n, struct bt_err *err)
{
    int rc = begin(n, err);
    const struct line *line = &n->line;
    for (size_t i = 0; !rc && i < line->count; i++) {
        put(&n->next, line->c[i]);
        if (line->count - i >= 3 && is_digit(line->c[i]) && line->c[i + 1] == '\'' && line->c[i + 2] == 's')
            put(&n->next, ' ');
    }
    if (!rc)
        end(n);
    return rc;
}

/* ---------------------------------------------------------------- words */

struct span {
    size_t begin, end;
};

/* The next run without white space, from *at on; false: none. */
static bool next_word(const struct line *line, size_t *at, struct span *word)
{
    while (*at < line->count && is_white(line->c[*at]))
        ++*at;
    word->begin = *at;
    while (*at < line->count && !is_white(line->c[*at]))
        ++*at;
    word->end = *at;
    return word->end > word->begin;
}

static int add_char(struct bt_buf *buf, uint32_t c, struct bt_err *err)
{
    char bytes[4];
    return bt_buf_add(buf, bytes, (size_t)bt_utf8_put(bytes, c), err);
}

/* Step 7 for a word that ends in one period: what becomes of its periods. */
enum periods { KEEP, DELETE, SPLIT };

static int judge(struct bt_meteor_normalizer *n, struct span word, uint32_t next, enum periods *periods,
                 struct bt_err *err)
{
    bool period = false, alpha = false;
    int rc = BT_OK;
    n->word.size = 0;
    for (size_t i = word.begin; !rc && i + 1 < word.end; i++) {
        period |= n->line.c[i] == '.';
        alpha |= is_alpha(n->line.c[i]);
        rc = add_char(&n->word, n->line.c[i], err);
    }
    struct bt_text prefix = { n->word.data, n->word.size };
    if (period && alpha)
        *periods = DELETE;
    else if (rc || bt_intern_find(n->data->prefixes, prefix) >= 0 || is_ascii_lower(next))
        *periods = KEEP;
    else
        *periods = is_digit(next) && bt_intern_find(n->data->numeric_prefixes, prefix) >= 0 ? KEEP : SPLIT;
    return rc;
}

static bool is_run_of_periods(const struct line *line, struct span word)
{
    for (size_t i = word.begin; i < word.end; i++)
        if (line->c[i] != '.')
            return false;
    return true;
}

static int add_word(struct bt_meteor_normalizer *n, struct span word, uint32_t next, struct bt_err *err)
{
    enum periods periods = KEEP;
    int rc = BT_OK;
    if (word.end - word.begin == 1 && is_blank(n->line.c[word.begin]))
        return BT_OK;
    if (n->line.c[word.end - 1] == '.' && !is_run_of_periods(&n->line, word))
        rc = judge(n, word, next, &periods, err);
    if (!rc && n->text.size > 0)
        rc = bt_buf_add(&n->text, " ", 1, err);
    for (size_t i = word.begin; !rc && i < word.end; i++) {
        if (periods == SPLIT && i + 1 == word.end)
            rc = bt_buf_add(&n->text, " ", 1, err);
        if (!rc && (periods != DELETE || n->line.c[i] != '.'))
            rc = add_char(&n->text, n->line.c[i], err);
    }
    return rc;
}

/* Java's trim(): white space and control characters at the ends. */
static struct bt_text trim(struct bt_text text)
{
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ')
        text = (struct bt_text){ text.data + 1, text.size - 1 };
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

/* Steps 7 and 8. */
static int write_words(struct bt_meteor_normalizer *n, struct bt_buf *out, struct bt_err *err)
{
    struct span word, next;
    size_t at = 0;
    bool more = next_word(&n->line, &at, &word);
    int rc = BT_OK;
    n->text.size = 0;
    while (!rc && more) {
        more = next_word(&n->line, &at, &next);
        rc = add_word(n, word, more ? n->line.c[next.begin] : 0, err);
        word = next;
    }
    struct bt_text text = trim((struct bt_text){ n->text.data, n->text.size });
    return rc ? rc : bt_lower(out, text.data, text.size, err);
}

/* Most captions by now: lower-case letters, digits and spaces, which no step changes. */
static bool is_plain(struct bt_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!is_ascii_lower(c) && !is_digit(c) && c != ' ')
            return false;
    }
    return true;
}

static int write_plain(struct bt_text text, struct bt_buf *out, struct bt_err *err)
{
    int rc = BT_OK;
    for (size_t i = 0, start; !rc && i < text.size;) {
        while (i < text.size && text.data[i] == ' ')
            i++;
        for (start = i; i < text.size && text.data[i] != ' ';)
            i++;
        if (i > start && out->size > 0)
            rc = bt_buf_add(out, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(out, text.data + start, i - start, err);
    }
    return rc;
}

int bt_meteor_normalize(struct bt_meteor_normalizer *n, struct bt_text text, struct bt_buf *out,
                        struct bt_err *err)
{
    out->size = 0;
    text = trim(text);
    if (is_plain(text))
        return write_plain(text, out, err);
    int rc = bt_utf8_check(text.data, text.size, err);
    if (!rc)
        rc = bt_grow(&n->line.c, &n->line.capacity, text.size, sizeof *n->line.c, err);
    n->line.count = 0;
    for (size_t i = 0; !rc && i < text.size;)
        i += (size_t)bt_utf8_next(text.data + i, text.size - i, &n->line.c[n->line.count++]);
    if (!rc)
        rc = rewrite(n, err);
    if (!rc)
        rc = set_digit_s_apart(n, err);
    if (!rc)
        rc = write_words(n, out, err);
    return rc;
}
