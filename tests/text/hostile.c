/* Time in step with size, whatever the text. */
#include <time.h>

#include "libcommon/text/tokenizer_parts.h"
#include "tests/text/mini.h"

enum { LARGE = 1 << 17, MEGABYTE = 1 << 20 };

static struct bt_tokenizer *load(const char *path)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_load(&tok, scratch(path), &err), &err);
    return tok;
}

/* Seconds of this thread, the least of three runs, to encode `size` bytes of a repeated text and to decode the ids. */
static double seconds(struct bt_tokenizer *tok, const char *unit, uint64_t size, uint64_t *count)
{
    struct bt_buf text = { 0 }, back = { 0 };
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };
    double best = 1e9;

    while (text.size + strlen(unit) <= size)
        CHECK_OK(bt_buf_add(&text, unit, strlen(unit), &err), &err);
    for (int round = 0; round < 3; round++) {
        struct timespec a, b;

        back.size = 0;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        CHECK_OK(bt_tokenizer_encode(tok, text.data, text.size, true, 0, &ids, &err), &err);
        CHECK_OK(bt_tokenizer_decode(tok, ids.data, ids.count, true, &back, &err), &err);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        best = s < best ? s : best;
    }
    *count = ids.count;
    bt_ids_free(&ids);
    bt_buf_free(&text);
    bt_buf_free(&back);
    return best;
}

/* Eight times the text takes about eight times as long; if time went with the square it would be 64. */
static void check_linear(struct bt_tokenizer *tok, const char *unit, uint64_t size)
{
    uint64_t few, many;
    double small = seconds(tok, unit, size / 8, &few), large = seconds(tok, unit, size, &many);

    CHECK(many <= size + 2);
    CHECK(large < 32 * small + 0.02);
    if (large >= 32 * small + 0.02)
        printf("# %s: %.4f s, eight times as much %.4f s\n", bt_quote_str(unit), small, large);
}

static void test_hostile_texts(void)
{
    static const char *const units[] = { "a", "ab", " ", "' ", "'", "<", "</s", "</s>", "[", "\xCC\x81", "\xE4\xB8\x80", "aA",
                                         "\xED\x95\x9C", "[DEC]", "\n", "a\x01", "1a", "\xEF\xBF\xBD", "#", "dog" };

    for (int kind = 0; kind < 2; kind++) {
        struct bt_tokenizer *tok = load(kind ? "opt" : "vocab.txt");

        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            check_linear(tok, units[i], LARGE);
        bt_tokenizer_free(tok);
    }
}

/* A vocabulary whose merges make a run of one letter a chain: each result is the last one and one more letter, or twice
 * the last one. */
static struct bt_tokenizer *chain(bool doubling)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_buf merges = { 0 };
    struct bt_err err = { 0 };
    char text[1 << 10];
    size_t size = 1;

    memset(text, 'a', sizeof text);
    CHECK_OK(bt_tokenizer_new(&tok, BT_TOKENIZER_OPT, &err), &err);
    CHECK_OK(bt_buf_printf(&merges, &err, "#version: 0.2\n"), &err);
    for (int i = 0; i < (doubling ? 10 : 900); i++) {
        size_t more = doubling ? size : 1;

        CHECK_OK(bt_vocab_append(&tok->vocab, text, size, NULL, &err), &err);
        CHECK_OK(bt_buf_printf(&merges, &err, "%.*s %.*s\n", (int)size, text, (int)more, text), &err);
        size += more;
    }
    CHECK_OK(bt_vocab_append(&tok->vocab, text, size, NULL, &err), &err);
    CHECK_OK(bt_bpe_init(&tok->bpe, &tok->vocab, true, -1, &err), &err);
    CHECK_OK(bt_tokenizer_merges_text(&tok->bpe, merges.data, merges.size, &err), &err);
    CHECK_OK(bt_tokenizer_seal(tok, &err), &err);
    bt_buf_free(&merges);
    return tok;
}

static void test_hostile_merges(void)
{
    for (int doubling = 0; doubling < 2; doubling++) {
        struct bt_tokenizer *tok = chain(doubling);
        uint64_t count;

        check_linear(tok, "a", MEGABYTE);
        seconds(tok, "a", MEGABYTE, &count);
        CHECK_INT(count, doubling ? MEGABYTE / 1024 : MEGABYTE / 2); /* a chain that pairs off never gets to its third link */
        bt_tokenizer_free(tok);
    }
}

int main(void)
{
    scratch_text("vocab.txt", bert_mini);
    write_opt_mini();
    RUN(test_hostile_texts);
    RUN(test_hostile_merges);
    return test_end();
}
