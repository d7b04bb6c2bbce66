/* Many texts at once: the same ids for any number of threads; BLIP-2's presets. */
#include "libcommon/base/rng.h"
#include "libcommon/text/batch.h"
#include "tests/text/mini.h"

enum { TEXTS = 1000 };

static struct bt_tokenizer *load(const char *path)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_load(&tok, scratch(path), &err), &err);
    return tok;
}

static struct bt_text text_of(const char *text)
{
    return (struct bt_text){ text, strlen(text) };
}

/* ---------------------------------------------------------------- threads */

/* Adds a text of words that the small vocabularies know, and of others. */
static void draw_text(struct bt_draw *draw, struct bt_buf *buf)
{
    static const char *const words[] = { "a ", "dog ", "cat's ", "Dog", " of", "the ", "\xC3\xA9t\xC3\xA9 ", "[SEP]", "</s>",
                                         "\xE2\x99\xA5", "12", "  ", "rushers ", "\xF0\x9F\x98\x80", "e\xCC\x81", "\n" };

    for (uint64_t n = bt_draw_below(draw, 20); n > 0; n--) {
        const char *word = words[bt_draw_below(draw, sizeof words / sizeof *words)];

        CHECK(bt_buf_add(buf, word, strlen(word), NULL) == BT_OK);
    }
}

static void check_threads(struct bt_tokenizer *tok, const struct bt_text *texts, int threads)
{
    struct bt_encoder *encoder = NULL;
    static struct bt_encoded encoded[TEXTS];
    struct bt_ids alone = { 0 };
    struct bt_err err = { 0 };
    int wrong = 0;

    CHECK_OK(bt_encoder_new(&encoder, tok, threads, &err), &err);
    for (int round = 0; round < 2; round++) { /* empty caches, then full ones */
        CHECK_OK(bt_encoder_run(encoder, texts, TEXTS, NULL, 9, encoded, &err), &err);
        for (int i = 0; i < TEXTS; i++) {
            const struct bt_ids *ids = &encoded[i].ids;

            CHECK_OK(bt_tokenizer_encode(tok, texts[i].data, texts[i].size, true, 9, &alone, &err), &err);
            wrong += encoded[i].bad || ids->count != alone.count || ids->whole != alone.whole ||
                     memcmp(ids->data, alone.data, alone.count * sizeof *alone.data) != 0;
        }
    }
    CHECK_INT(wrong, 0);
    bt_ids_free(&alone);
    bt_encoder_free(encoder);
}

static void test_threads(void)
{
    static const int threads[] = { 1, 2, 3, 7 };
    static struct bt_text texts[TEXTS];
    struct bt_draw draw = bt_draw(7, BT_DRAW_TEST, 0, 0);
    struct bt_buf buf = { 0 };
    uint64_t ends[TEXTS];

    for (int i = 0; i < TEXTS; i++) {
        draw_text(&draw, &buf);
        ends[i] = buf.size;
    }
    for (int i = 0; i < TEXTS; i++)
        texts[i] = (struct bt_text){ buf.data + (i ? ends[i - 1] : 0), ends[i] - (i ? ends[i - 1] : 0) };
    for (int kind = 0; kind < 2; kind++) {
        struct bt_tokenizer *tok = load(kind ? "opt" : "vocab.txt");

        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
            check_threads(tok, texts, threads[t]);
        bt_tokenizer_free(tok);
    }
    bt_buf_free(&buf);
}

static void test_bad_text(void)
{
    struct bt_text texts[] = { text_of("a dog"), text_of("a \xFF"), text_of("") };
    struct bt_tokenizer *tok = load("opt");
    struct bt_encoder *encoder = NULL;
    struct bt_encoded encoded[3];
    struct bt_rows rows = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_encoder_new(&encoder, tok, 2, &err), &err);
    CHECK_OK(bt_encoder_run(encoder, texts, 3, NULL, 0, encoded, &err), &err);
    CHECK(!encoded[0].bad && encoded[1].bad && !encoded[2].bad);
    CHECK_INT(encoded[2].ids.count, 1);
    CHECK_INT(bt_encoder_rows(encoder, bt_text_preset("opt"), texts, 3, &rows, &err), BT_ERR_UTF8);
    CHECK(strstr(err.text, "text 1: byte 2 ") != NULL);
    bt_rows_free(&rows);
    bt_encoder_free(encoder);
    bt_tokenizer_free(tok);
}

/* ---------------------------------------------------------------- presets */

static void check_rows(const char *path, const char *preset, uint64_t width, const int32_t *ids, const int32_t *mask)
{
    struct bt_text texts[] = { text_of("a dog"), text_of("dog") };
    struct bt_tokenizer *tok = load(path);
    struct bt_encoder *encoder = NULL;
    struct bt_rows rows = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_encoder_new(&encoder, tok, 1, &err), &err);
    CHECK_OK(bt_encoder_rows(encoder, bt_text_preset(preset), texts, 2, &rows, &err), &err);
    CHECK_INT(rows.count, 2);
    CHECK_INT(rows.width, width);
    for (uint64_t i = 0; i < 2 * width && rows.width == width; i++) {
        CHECK_INT(rows.ids[i], ids[i]);
        CHECK_INT(rows.mask[i], mask[i]);
    }
    bt_rows_free(&rows);
    bt_encoder_free(encoder);
    bt_tokenizer_free(tok);
}

/* opt-mini: "a" 101, " dog" 262, "dog" 268, newline 14; </s> 2 leads, <pad> is 1. */
static void test_presets(void)
{
    static const int32_t right[] = { 2, 101, 262, 14, 2, 268, 14, 1 }, right_mask[] = { 1, 1, 1, 1, 1, 1, 1, 0 };
    static const int32_t left[] = { 2, 101, 262, 1, 2, 268 }, left_mask[] = { 1, 1, 1, 0, 1, 1 };
    int32_t full[64] = { 2, 5, 7, 3 }, full_mask[64] = { 1, 1, 1, 1 };

    check_rows("opt", "opt", 4, right, right_mask);
    check_rows("opt", "opt-question", 3, left, left_mask);
    memcpy(full + 32, (const int32_t[]){ 2, 7, 3 }, 3 * sizeof *full);
    memcpy(full_mask + 32, (const int32_t[]){ 1, 1, 1 }, 3 * sizeof *full);
    check_rows("vocab.txt", "bert", 32, full, full_mask);
    check_rows("vocab.txt", "qformer", 32, full, full_mask);
    CHECK(bt_text_preset("t5") != NULL && bt_text_preset("gpt") == NULL);
}

int main(void)
{
    scratch_text("vocab.txt", bert_mini);
    write_opt_mini();
    RUN(test_threads);
    RUN(test_bad_text);
    RUN(test_presets);
    return test_end();
}
