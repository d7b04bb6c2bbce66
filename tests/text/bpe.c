/* libcommon/text/bpe.h, gpt2_split.h */
#include "libcommon/base/rng.h"
#include "libcommon/text/bpe.h"
#include "libcommon/text/gpt2_split.h"
#include "tests/test.h"

/* ---------------------------------------------------------------- pieces (tokenizers.md 4.2) */

static void check_pieces(const char *text, const char *want)
{
    char got[200] = "";
    size_t size = strlen(text);

    for (size_t i = 0; i < size;) {
        size_t length = bt_gpt2_piece(text + i, size - i);

        strncat(strcat(got, i ? "|" : ""), text + i, length);
        i += length;
    }
    CHECK_STR(got, want);
}

static void test_pieces(void)
{
    check_pieces("a  b", "a| | b");
    check_pieces("x \n y", "x| \n| y");
    check_pieces("a \nb", "a| |\n|b");
    check_pieces("a\n\nb", "a|\n|\n|b");
    check_pieces("I'm   here  ", "I|'m|  | here|  ");
    check_pieces("'S 's", "'|S| '|s");
    check_pieces("3rd", "3|rd");
    check_pieces("_foo", "_|foo");
    check_pieces("don\xE2\x80\x99t", "don|\xE2\x80\x99|t");
    check_pieces("nai\xCC\x88ve", "nai|\xCC\x88|ve");
    check_pieces("don't we've I'LL y'all", "don|'t| we|'ve| I|'|LL| y|'|all");
    check_pieces(" ", " ");
}

/* ---------------------------------------------------------------- merges */

/* The definition itself: the lowest rank anywhere, all its occurrences from the left, again. */
static int merge_plainly(const struct bt_bpe *b, int32_t *s, int count)
{
    for (;;) {
        const struct bt_bpe_merge *lowest = NULL;
        int to = 0;

        for (int i = 0; i + 1 < count; i++)
            for (uint64_t m = 0; m < b->merge_count; m++)
                if (b->merges[m].left == s[i] && b->merges[m].right == s[i + 1] &&
                    (!lowest || b->merges[m].rank < lowest->rank))
                    lowest = &b->merges[m];
        if (!lowest)
            return count;
        for (int from = 0; from < count; to++) {
            bool merged = from + 1 < count && s[from] == lowest->left && s[from + 1] == lowest->right;

            s[to] = merged ? lowest->result : s[from];
            from += merged ? 2 : 1;
        }
        count = to;
    }
}

/* A vocabulary of the texts over "ab" of up to four letters, and merges of random pairs in random order: nothing like a
 * trained table, where a merge often comes before those it is made of. */
static void random_table(struct bt_vocab *vocab, struct bt_bpe *b, struct bt_draw *draw)
{
    struct bt_err err = { 0 };
    char text[8];

    CHECK_OK(bt_vocab_init(vocab, &err), &err);
    for (int size = 1; size <= 4; size++)
        for (int bits = 0; bits < 1 << size; bits++) {
            for (int i = 0; i < size; i++)
                text[i] = bits >> i & 1 ? 'b' : 'a';
            CHECK_OK(bt_vocab_append(vocab, text, (size_t)size, NULL, &err), &err);
        }
    CHECK_OK(bt_bpe_init(b, vocab, true, -1, &err), &err);
    for (int tries = 0; tries < 30; tries++) {
        size_t left_size = 0, right_size = 0;
        const char *left = bt_vocab_text(vocab, (int32_t)bt_draw_below(draw, 14), &left_size);
        const char *right = bt_vocab_text(vocab, (int32_t)bt_draw_below(draw, 14), &right_size);

        if (left_size + right_size <= 4 && bt_bpe_merge_add(b, left, left_size, right, right_size, &err))
            bt_err_clear(&err); /* that pair is there already */
    }
}

static void check_text(struct bt_bpe *b, struct bt_draw *draw, int size)
{
    char text[200];
    int32_t want[200];
    struct bt_ids got = { 0 };
    struct bt_err err = { 0 };

    for (int i = 0; i < size; i++) {
        text[i] = bt_draw_bernoulli(draw, 0.5f) ? 'b' : 'a';
        want[i] = b->byte_id[(uint8_t)text[i]];
    }
    int count = merge_plainly(b, want, size);
    CHECK_OK(bt_bpe_encode(b, text, (size_t)size, &got, &err), &err);
    CHECK_INT(got.count, count);
    CHECK(got.count == (uint64_t)count && memcmp(got.data, want, (size_t)count * sizeof *want) == 0);
    bt_ids_free(&got);
}

static void test_order_of_merges(void)
{
    static const int sizes[] = { 1, 2, 5, 20, 47, 48, 49, 64, 65, 150 }; /* scanned, cached, by heap */
    struct bt_draw draw = bt_draw(1, BT_DRAW_TEST, 0, 0);

    for (int table = 0; table < 100; table++) {
        struct bt_vocab vocab;
        struct bt_bpe b;

        random_table(&vocab, &b, &draw);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            check_text(&b, &draw, sizes[i]);
        bt_bpe_free(&b);
        bt_vocab_free(&vocab);
    }
}

/* More different pieces than the cache holds: what it forgets is computed anew. */
static void test_cache(void)
{
    struct bt_vocab vocab;
    struct bt_bpe b;
    struct bt_err err = { 0 };
    struct bt_ids ids = { 0 };
    char text[16];

    CHECK_OK(bt_vocab_init(&vocab, &err), &err);
    for (char c = 'a'; c <= 'z'; c++)
        CHECK_OK(bt_vocab_append(&vocab, &c, 1, NULL, &err), &err);
    CHECK_OK(bt_bpe_init(&b, &vocab, true, -1, &err), &err);
    for (int n = 0; n < 120000; n++) {
        int value = n % 60000;
        bool same = true;

        for (int i = 0; i < 5; i++, value /= 26)
            text[i] = (char)('a' + value % 26);
        ids.count = 0;
        CHECK_OK(bt_bpe_encode(&b, text, 5, &ids, &err), &err);
        for (int i = 0; i < 5; i++)
            same &= ids.count == 5 && ids.data[i] == text[i] - 'a';
        if (!same) {
            CHECK(same);
            break;
        }
    }
    CHECK_INT(bt_bpe_encode(&b, "a1", 2, &ids, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "'1'") != NULL);
    bt_ids_free(&ids);
    bt_bpe_free(&b);
    bt_vocab_free(&vocab);
}

int main(void)
{
    RUN(test_pieces);
    RUN(test_order_of_merges);
    RUN(test_cache);
    return test_end();
}
