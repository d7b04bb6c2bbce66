/* Tokenizers against the published implementations: `tokenizers [DIR]`. See tests/golden/tokenizers/README.md.
 * Sizes and ids are read from DIR, so that any set laid out like it can be run. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/json.h"
#include "libcommon/text/clean.h"
#include "libcommon/text/tokenizer.h"

static const char *dir = "tests/golden/tokenizers";

/* ---------------------------------------------------------------- reporting */

static int case_count, case_failed; /* TAP lines */
static int checked, wrong;         /* answers within one */
static char first_wrong[600];

static void begin(void)
{
    checked = wrong = 0;
    first_wrong[0] = '\0';
}

static void end(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void end(const char *fmt, ...)
{
    char name[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    case_count++;
    if (wrong == 0 && checked > 0) {
        printf("ok %d - %s\n", case_count, name);
        return;
    }
    case_failed++;
    printf("not ok %d - %s: %s\n", case_count, name, checked ? first_wrong : "nothing to check was found");
    printf("# %d of %d differ\n", wrong, checked);
}

static void differ(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void differ(const char *fmt, ...)
{
    va_list args;

    if (wrong++)
        return;
    va_start(args, fmt);
    vsnprintf(first_wrong, sizeof first_wrong, fmt, args);
    va_end(args);
}

/* ---------------------------------------------------------------- reading */

struct rows {
    json_t **items;
    uint64_t count, capacity;
};

static void need(bool condition, const char *what)
{
    if (condition)
        return;
    printf("Bail out! %s\n", what);
    exit(1);
}

/* The texts hold NUL, which the parser of base refuses: hence jansson's own call. */
static struct rows read_rows(const char *name)
{
    struct rows rows = { 0 };
    struct bt_err err = { 0 };
    char *path = bt_format("%s/%s.jsonl", dir, name), *text = NULL;
    size_t size = 0;

    need(bt_file_read(path, 1u << 30, &text, &size, &err) == BT_OK, err.text);
    for (char *line = text, *stop; (stop = memchr(line, '\n', (size_t)(text + size - line))) != NULL; line = stop + 1) {
        need(bt_grow(&rows.items, &rows.capacity, rows.count + 1, sizeof *rows.items, &err) == BT_OK, err.text);
        rows.items[rows.count] = json_loadb(line, (size_t)(stop - line), JSON_ALLOW_NUL, NULL);
        need(rows.items[rows.count++] != NULL, path);
    }
    free(text);
    free(path);
    return rows;
}

static void free_rows(struct rows *rows)
{
    for (uint64_t i = 0; i < rows->count; i++)
        json_decref(rows->items[i]);
    free(rows->items);
}

static const char *text_of(const json_t *row, const char *key, size_t *size)
{
    const json_t *value = json_object_get(row, key);

    *size = json_string_length(value);
    return json_string_value(value);
}

static int64_t number_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static struct bt_tokenizer *load(const char *name, bool plain)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    char *path = bt_format("%s/%s", dir, name);
    int rc = plain ? bt_tokenizer_load_plain(&tok, path, &err) : bt_tokenizer_load(&tok, path, &err);

    need(rc == BT_OK, err.text);
    free(path);
    return tok;
}

/* ---------------------------------------------------------------- encode */

static void same_ids(const struct bt_ids *got, const json_t *want, int64_t line, const char *what)
{
    uint64_t count = json_array_size(want), i = 0;

    checked++;
    while (i < count && i < got->count && got->data[i] == json_integer_value(json_array_get(want, i)))
        i++;
    if (i < count || i < got->count)
        differ("line %lld, %s: id %llu is %d, want %lld (%llu ids, want %llu)", (long long)line, what,
               (unsigned long long)i, i < got->count ? got->data[i] : -1,
               i < count ? (long long)json_integer_value(json_array_get(want, i)) : -1LL,
               (unsigned long long)got->count, (unsigned long long)count);
}

static void encode(struct bt_tokenizer *tok, const char *text, size_t size, int64_t max_len, struct bt_ids *ids)
{
    struct bt_err err = { 0 };

    if (bt_tokenizer_encode(tok, text, size, true, max_len, ids, &err) != BT_OK) {
        differ("%s", err.text);
        ids->count = 0;
    }
}

/* `key`, or where the row has none the value that it then equals. */
static const json_t *expected(const json_t *row, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(row, key);

    return value ? value : json_object_get(row, otherwise);
}

static void check_decode(struct bt_tokenizer *tok, const json_t *row, const char *key, const struct bt_ids *ids,
                         const char *text, size_t size)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    const json_t *want = json_object_get(row, key);

    if (want) {
        text = json_string_value(want);
        size = json_string_length(want);
    }
    checked++;
    if (bt_tokenizer_decode(tok, ids->data, ids->count, true, &out, &err) != BT_OK)
        differ("%s", err.text);
    else if (out.size != size || (size && memcmp(out.data, text, size) != 0))
        differ("line %lld, %s: '%s', want '%s'", (long long)number_of(row, "i"), key, bt_quote(out.data, out.size),
               bt_quote(text, size));
    bt_buf_free(&out);
}

static void test_bert(const struct rows *lines, const struct rows *answers, const char *form)
{
    struct bt_tokenizer *plain = load(form, true), *dec = load(form, false);
    struct bt_ids ids = { 0 };

    begin();
    for (uint64_t n = 0; n < lines->count; n++) {
        const json_t *row = answers->items[n];
        int64_t i = number_of(row, "i");
        size_t size;
        const char *text = text_of(lines->items[n], "text", &size);

        encode(plain, text, size, 0, &ids);
        same_ids(&ids, json_object_get(row, "bert"), i, "bert");
        check_decode(plain, row, "dec_bert", &ids, text, size);
        encode(plain, text, size, 32, &ids);
        same_ids(&ids, expected(row, "bert_32", "bert"), i, "bert_32");
        encode(dec, text, size, 0, &ids);
        same_ids(&ids, expected(row, "bert_dec", "bert"), i, "bert_dec");
    }
    end("encode and decode %s", form);
    bt_ids_free(&ids);
    bt_tokenizer_free(plain);
    bt_tokenizer_free(dec);
}

/* Text and newline: where the row does not say, its ids and the newline's. */
static json_t *with_newline(struct bt_tokenizer *tok, const json_t *row)
{
    json_t *value = json_object_get(row, "opt_nl");

    if (value)
        return json_incref(value);
    value = json_copy(json_object_get(row, "opt"));
    json_array_append_new(value, json_integer(bt_tokenizer_token(tok, BT_TOKEN_NEWLINE)));
    return value;
}

static void test_opt(const struct rows *lines, const struct rows *answers, const char *form)
{
    struct bt_tokenizer *tok = load(form, false);
    struct bt_ids ids = { 0 };
    struct bt_buf longer = { 0 };

    begin();
    for (uint64_t n = 0; n < lines->count; n++) {
        const json_t *row = answers->items[n], *cut = json_object_get(row, "opt_nl_32");
        json_t *newline = with_newline(tok, row);
        int64_t i = number_of(row, "i");
        size_t size;
        const char *text = text_of(lines->items[n], "text", &size);

        encode(tok, text, size, 0, &ids);
        same_ids(&ids, json_object_get(row, "opt"), i, "opt");
        check_decode(tok, row, "dec_opt", &ids, text, size);
        longer.size = 0;
        need(bt_buf_add(&longer, text, size, NULL) == BT_OK && bt_buf_add(&longer, "\n", 1, NULL) == BT_OK, "memory");
        encode(tok, longer.data, longer.size, 0, &ids);
        same_ids(&ids, newline, i, "opt_nl");
        encode(tok, longer.data, longer.size, 32, &ids);
        same_ids(&ids, cut ? cut : newline, i, "opt_nl_32");
        json_decref(newline);
    }
    end("encode and decode %s", form);
    bt_ids_free(&ids);
    bt_buf_free(&longer);
    bt_tokenizer_free(tok);
}

static void test_t5(const struct rows *lines, const struct rows *answers, const char *form)
{
    struct bt_tokenizer *tok = load(form, false);
    struct bt_ids ids = { 0 };

    begin();
    for (uint64_t n = 0; n < lines->count; n++) {
        const json_t *row = answers->items[n];
        int64_t i = number_of(row, "i");
        size_t size;
        const char *text = text_of(lines->items[n], "text", &size);

        encode(tok, text, size, 0, &ids);
        same_ids(&ids, json_object_get(row, "t5"), i, "t5");
        check_decode(tok, row, "dec_t5", &ids, text, size);
        encode(tok, text, size, 32, &ids);
        same_ids(&ids, expected(row, "t5_32", "t5"), i, "t5_32");
    }
    end("encode and decode %s", form);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

/* ---------------------------------------------------------------- batches */

static const struct preset {
    const char *name, *form, *suffix;
    bool plain, left;
    int64_t max_len, width; /* width 0: the longest */
} presets[] = {
    { "bert_nl_max32", "bert", "\n", true, false, 32, 32 },
    { "bert_dec_max32", "bert", "", false, false, 32, 32 },
    { "bert_dec_longest", "bert", "", false, false, 0, 0 },
    { "opt_nl_right32", "opt", "\n", false, false, 32, 0 },
    { "opt_left32", "opt", "", false, true, 32, 0 },
    { "t5_longest32", "t5", "", false, false, 32, 0 },
};

static const json_t *line_numbered(const struct rows *lines, int64_t i)
{
    for (uint64_t n = 0; n < lines->count; n++)
        if (number_of(lines->items[n], "i") == i)
            return lines->items[n];
    need(false, "batches.jsonl names a line that is not there");
    return NULL;
}

static void batch_row(const struct preset *p, struct bt_tokenizer *tok, const json_t *line, struct bt_ids *ids)
{
    struct bt_buf text = { 0 };
    size_t size;
    const char *start = text_of(line, "text", &size);

    need(bt_buf_add(&text, start, size, NULL) == BT_OK, "memory");
    need(bt_buf_add(&text, p->suffix, strlen(p->suffix), NULL) == BT_OK, "memory");
    encode(tok, text.data, text.size, p->max_len, ids);
    bt_buf_free(&text);
}

static void check_batch(const struct preset *p, struct bt_tokenizer *tok, const json_t *batch,
                        const struct rows *lines)
{
    const json_t *numbers = json_object_get(batch, "lines");
    size_t rows = json_array_size(numbers);
    uint64_t width = (uint64_t)p->width;
    struct bt_ids *ids = calloc(rows, sizeof *ids);

    need(ids != NULL, "memory");
    for (size_t r = 0; r < rows; r++) {
        batch_row(p, tok, line_numbered(lines, json_integer_value(json_array_get(numbers, r))), &ids[r]);
        if (p->width == 0 && ids[r].count > width)
            width = ids[r].count;
    }
    for (size_t r = 0; r < rows; r++) {
        struct bt_ids row = { calloc(width, sizeof(int32_t)), width, width, 0 };
        struct bt_ids mask = { calloc(width, sizeof(int32_t)), width, width, 0 };

        bt_tokenizer_pad(tok, ids[r].data, ids[r].count, p->left, row.data, mask.data, width);
        same_ids(&row, json_array_get(json_object_get(batch, "input_ids"), r), (int64_t)r, "input_ids");
        same_ids(&mask, json_array_get(json_object_get(batch, "attention_mask"), r), (int64_t)r, "attention_mask");
        bt_ids_free(&row);
        bt_ids_free(&mask);
        bt_ids_free(&ids[r]);
    }
    free(ids);
}

static void test_batches(const struct rows *lines)
{
    struct rows batches = read_rows("batches");

    for (size_t k = 0; k < sizeof presets / sizeof *presets; k++) {
        struct bt_tokenizer *tok = load(presets[k].form, presets[k].plain);

        begin();
        for (uint64_t n = 0; n < batches.count; n++)
            if (strcmp(json_string_value(json_object_get(batches.items[n], "preset")), presets[k].name) == 0)
                check_batch(&presets[k], tok, batches.items[n], lines);
        end("batches %s", presets[k].name);
        bt_tokenizer_free(tok);
    }
    free_rows(&batches);
}

/* ---------------------------------------------------------------- decode, clean */

static void check_decode_row(struct bt_tokenizer *tok, const json_t *row)
{
    const json_t *list = json_object_get(row, "ids");
    struct bt_ids ids = { 0 };
    struct bt_buf out = { 0 };
    size_t size;
    const char *want = text_of(row, "text", &size);

    for (size_t i = 0; i < json_array_size(list); i++)
        need(bt_ids_push(&ids, (int32_t)json_integer_value(json_array_get(list, i)), NULL) == BT_OK, "memory");
    checked++;
    if (bt_tokenizer_decode(tok, ids.data, ids.count, json_is_true(json_object_get(row, "skip")), &out, NULL) ||
        out.size != size || (size && memcmp(out.data, want, size) != 0))
        differ("'%s', want '%s'", bt_quote(out.data, out.size), bt_quote(want, size));
    bt_ids_free(&ids);
    bt_buf_free(&out);
}

static void test_decode(void)
{
    static const char *const toks[] = { "bert", "bert_dec", "opt", "t5" };
    static const char *const forms[] = { "bert", "bert", "opt", "t5" };
    struct rows rows = read_rows("decode");

    for (int t = 0; t < 4; t++) {
        struct bt_tokenizer *tok = load(forms[t], t == 0);

        begin();
        for (uint64_t n = 0; n < rows.count; n++)
            if (strcmp(json_string_value(json_object_get(rows.items[n], "tok")), toks[t]) == 0)
                check_decode_row(tok, rows.items[n]);
        end("decode %s", toks[t]);
        bt_tokenizer_free(tok);
    }
    free_rows(&rows);
}

static void test_clean(void)
{
    static const char *const ops[] = { "caption", "question" };
    struct rows rows = read_rows("clean");

    for (int op = 0; op < 2; op++) {
        begin();
        for (uint64_t n = 0; n < rows.count; n++) {
            const json_t *row = rows.items[n];
            size_t in_size, want_size;
            const char *in = text_of(row, "in", &in_size), *want = text_of(row, "out", &want_size);
            const char *prompt = json_string_value(json_object_get(row, "prompt"));
            int64_t max_words = number_of(row, "max_words");
            struct bt_buf out = { 0 };

            if (strcmp(json_string_value(json_object_get(row, "op")), ops[op]) != 0)
                continue;
            checked++;
            int rc = op == 0 ? bt_clean_caption(&out, in, in_size, prompt, max_words, NULL)
                             : bt_clean_question(&out, in, in_size, max_words, NULL);
            if (rc || out.size != want_size || (want_size && memcmp(out.data, want, want_size) != 0))
                differ("row %llu: '%s', want '%s'", (unsigned long long)n, bt_quote(out.data, out.size),
                       bt_quote(want, want_size));
            bt_buf_free(&out);
        }
        end("clean %s", ops[op]);
    }
    free_rows(&rows);
}

/* ---------------------------------------------------------------- identity, bad files */

static void test_identity(const char *name, const char *one, const char *other)
{
    struct bt_tokenizer *a = load(one, false), *b = load(other, false);

    begin();
    checked++;
    if (strcmp(bt_tokenizer_hash(a), bt_tokenizer_hash(b)) != 0)
        differ("%s and %s have the hashes %s and %s", one, other, bt_tokenizer_hash(a), bt_tokenizer_hash(b));
    end("one identity for every form of %s", name);
    bt_tokenizer_free(a);
    bt_tokenizer_free(b);
}

static bool ends_with(const char *text, const char *tail)
{
    return strlen(text) >= strlen(tail) && strcmp(text + strlen(text) - strlen(tail), tail) == 0;
}

/* A charsmap whose trie is nonsense may load (bad/README.md), but then every text has to encode or fail in peace. */
static bool is_harmless(struct bt_tokenizer *tok, const char *name, const struct rows *lines)
{
    static const char *const names[] = { "charsmap_jump", "charsmap_pool_offset", "charsmap_random" };
    struct bt_ids ids = { 0 };
    bool found = false;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found |= strstr(name, names[i]) != NULL;
    for (uint64_t n = 0; found && tok && n < lines->count; n++) {
        size_t size;
        const char *text = text_of(lines->items[n], "text", &size);

        encode(tok, text, size, 0, &ids);
        checked++;
    }
    bt_ids_free(&ids);
    return found;
}

static void test_bad_file(const char *name, const struct rows *lines)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    bool good = strstr(name, "_good.") != NULL, vocab = ends_with(name, ".vocab.json");
    char *path = bt_format("%s/bad/%s", dir, name), title[300];
    int rc;

    snprintf(title, sizeof title, "bad/%s", name);
    if (vocab || ends_with(name, ".merges.txt")) {
        char *partner = bt_format("%s/bad/%s", dir, vocab ? "opt_good.merges.txt" : "opt_good.vocab.json");

        rc = bt_tokenizer_load_bpe(&tok, vocab ? path : partner, vocab ? partner : path, &err);
        free(partner);
    } else {
        rc = bt_tokenizer_load(&tok, path, &err);
    }
    begin();
    checked++;
    if (good && rc)
        differ("refused: %s", err.text);
    else if (!good && !rc && !is_harmless(tok, name, lines))
        differ("loaded, should have been refused");
    else if (rc && !strstr(err.text, name))
        differ("the message does not name the file: %s", err.text);
    end("%s%s%s", title, rc ? ": " : "", rc ? bt_status_name(rc) : "");
    bt_tokenizer_free(tok);
    free(path);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && !ends_with(entry->d_name, ".md");
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;

    if (argc > 1)
        dir = argv[1];
    struct rows lines = read_rows("lines"), answers = read_rows("expected");
    need(lines.count == answers.count, "lines.jsonl and expected.jsonl differ in length");

    test_bert(&lines, &answers, "bert/vocab.txt");
    test_bert(&lines, &answers, "bert/tokenizer.json");
    test_opt(&lines, &answers, "opt/vocab.json");
    test_opt(&lines, &answers, "opt/tokenizer.json");
    test_t5(&lines, &answers, "t5/spiece.model");
    test_t5(&lines, &answers, "t5/tokenizer.json");
    test_batches(&lines);
    test_decode();
    test_clean();
    test_identity("bert", "bert/vocab.txt", "bert/tokenizer.json");
    test_identity("opt", "opt", "opt/tokenizer.json");
    test_identity("t5", "t5/spiece.model", "t5/tokenizer.json");

    char *bad = bt_format("%s/bad", dir);
    int count = scandir(bad, &names, is_file, alphasort);
    need(count > 0, "no folder of bad files");
    for (int i = 0; i < count; i++) {
        test_bad_file(names[i]->d_name, &lines);
        free(names[i]);
    }
    free(names);
    free(bad);
    free_rows(&lines);
    free_rows(&answers);
    printf("1..%d\n", case_count);
    return case_failed ? 1 : 0;
}
