/* libcommon/text/train.h */
#include "libcommon/text/train.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

static void fill(struct bt_corpus *corpus, enum bt_tokenizer_kind kind, const char *const *lines, int count,
                 bool backwards)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_corpus_init(corpus, kind, &err), &err);
    for (int i = 0; i < count; i++) {
        const char *line = lines[backwards ? count - 1 - i : i];

        CHECK_OK(bt_corpus_add(corpus, line, strlen(line), &err), &err);
    }
}

static char *read_text(const char *name)
{
    char *text = NULL;
    size_t size;
    struct bt_err err = { 0 };

    CHECK_OK(bt_file_read(scratch(name), 1 << 20, &text, &size, &err), &err);
    return text ? text : calloc(1, 1);
}

static int64_t train_bpe(const char *const *lines, int count, bool backwards, int64_t size, const char *dir)
{
    struct bt_corpus corpus;
    struct bt_err err = { 0 };
    int64_t made = 0;

    fill(&corpus, BT_TOKENIZER_OPT, lines, count, backwards);
    CHECK_OK(bt_train_bpe(&corpus, size, scratch(dir), true, &made, &err), &err);
    bt_corpus_free(&corpus);
    return made;
}

/* By hand: pieces "ab" x3, "abc" x2, " ab" x2. Counts: (a,b) 7; then (ab,c) 2 and (G,ab) 2, equal: "ab" before "G" in
 * byte order. */
static void test_merges(void)
{
    static const char *const lines[] = { "ab ab", "ab ab", "abc", "abc", "ab" };
    char *merges;

    CHECK_INT(train_bpe(lines, 5, false, 300, "bpe"), 263);
    merges = read_text("bpe/merges.txt");
    CHECK_STR(merges, "#version: 0.2\na b\nab c\n\xC4\xA0 ab\n");
    free(merges);
    CHECK_INT(train_bpe(lines, 5, false, 261, "bpe"), 261);
    merges = read_text("bpe/merges.txt");
    CHECK_STR(merges, "#version: 0.2\na b\n");
    free(merges);
}

/* A symbol that can be made in two ways has one id; runs of one letter merge from the left. */
static void test_runs(void)
{
    static const char *const lines[] = { "aaaa", "aaaa", "aaa", "aaa" };
    char *merges;

    /* (a,a) 10; then "aa aa" x2 and "aa a" x2: equal on the left, "a" comes before "aa" */
    CHECK_INT(train_bpe(lines, 4, false, 300, "runs"), 263);
    merges = read_text("runs/merges.txt");
    CHECK_STR(merges, "#version: 0.2\na a\naa a\naa aa\n");
    free(merges);
}

/* Text that spells a mark never becomes its id. */
static void test_marks(void)
{
    static const char *const lines[] = { "<s>", "<s>", "<s>" };
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    train_bpe(lines, 3, false, 300, "marks");
    CHECK_OK(bt_tokenizer_load(&tok, scratch("marks"), &err), &err);
    CHECK_OK(bt_tokenizer_encode(tok, "<s>", 3, false, 0, &ids, &err), &err);
    for (uint64_t i = 0; i < ids.count; i++)
        CHECK(ids.data[i] > 3);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

static const char *const text[] = {
    "a dog on a boat", "the dog and the cat", "a cat, a cat and a dog!", "it's the boat's dog", "na\xC3\xAFve cats", "Boats 12 12 12",
};

static void check_same(const char *one, const char *other)
{
    char *a = read_text(one), *b = read_text(other);

    CHECK_STR(a, b);
    CHECK(strlen(a) > 0);
    free(a);
    free(b);
}

static void test_order_of_lines(void)
{
    struct bt_corpus corpus;
    struct bt_err err = { 0 };
    int64_t made = 0;

    CHECK_INT(train_bpe(text, 6, false, 290, "one"), train_bpe(text, 6, true, 290, "two"));
    check_same("one/merges.txt", "two/merges.txt");
    check_same("one/vocab.json", "two/vocab.json");
    for (int backwards = 0; backwards < 2; backwards++) {
        fill(&corpus, BT_TOKENIZER_BERT, text, 6, backwards);
        CHECK_OK(bt_train_wordpiece(&corpus, 300, scratch(backwards ? "b.txt" : "a.txt"), true, &made, &err), &err);
        bt_corpus_free(&corpus);
    }
    check_same("a.txt", "b.txt");
}

/* What was learnt loads, and every text of the corpus comes back. */
static void test_round_trip(void)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    struct bt_ids ids = { 0 };
    struct bt_buf out = { 0 };

    train_bpe(text, 6, false, 290, "trip");
    CHECK_OK(bt_tokenizer_load(&tok, scratch("trip"), &err), &err);
    for (int i = 0; i < 6; i++) {
        out.size = 0;
        CHECK_OK(bt_tokenizer_encode(tok, text[i], strlen(text[i]), true, 0, &ids, &err), &err);
        CHECK_OK(bt_tokenizer_decode(tok, ids.data, ids.count, true, &out, &err), &err);
        CHECK_STR(out.data, text[i]);
    }
    bt_ids_free(&ids);
    bt_buf_free(&out);
    bt_tokenizer_free(tok);
}

static void test_wordpiece(void)
{
    struct bt_corpus corpus;
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    struct bt_ids ids = { 0 };
    int64_t made = 0;
    char *file;

    fill(&corpus, BT_TOKENIZER_BERT, text, 6, false);
    CHECK_OK(bt_train_wordpiece(&corpus, 300, scratch("wp.txt"), true, &made, &err), &err);
    bt_corpus_free(&corpus);
    CHECK_INT(made, 183); /* 104 marks and fillers, 36 characters twice, three signs once, four words */
    file = read_text("wp.txt");
    CHECK(strstr(file, "[PAD]\n[unused0]\n") == file);
    CHECK(strstr(file, "\n[unused98]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n") != NULL);
    CHECK(strstr(file, "\n##9\n'\n!\n,\ndog\n12\ncat\nthe\n") != NULL); /* dog four times, the others three */
    CHECK(strstr(file, "\nboat\n") == NULL); /* twice is not often enough */
    free(file);

    CHECK_OK(bt_tokenizer_load(&tok, scratch("wp.txt"), &err), &err);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_UNK), 100);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_MASK), 103);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_BOS), made);
    CHECK_INT(bt_tokenizer_vocab_size(tok), made + 1);
    CHECK_OK(bt_tokenizer_encode(tok, "zebra", 5, false, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 5); /* letters to fall back on, seen or not */
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

static void test_sizes(void)
{
    struct bt_corpus corpus;
    struct bt_err err = { 0 };
    int64_t made = 0;

    fill(&corpus, BT_TOKENIZER_OPT, text, 0, false);
    CHECK_INT(bt_train_bpe(&corpus, 259, scratch("no"), true, &made, &err), BT_ERR_USAGE);
    bt_err_clear(&err);
    CHECK_OK(bt_train_bpe(&corpus, 260, scratch("empty"), true, &made, &err), &err);
    CHECK_INT(made, 260);
    CHECK_INT(bt_train_bpe(&corpus, 260, scratch("empty"), false, &made, &err), BT_ERR_EXISTS);
    bt_err_clear(&err);
    CHECK_INT(bt_corpus_add(&corpus, "a\xFF", 2, &err), BT_ERR_UTF8);
    bt_corpus_free(&corpus);
}

static void train_unigram(bool backwards, int64_t size, const char *name, int64_t want)
{
    struct bt_corpus corpus;
    struct bt_err err = { 0 };
    int64_t made = 0;

    fill(&corpus, BT_TOKENIZER_T5, text, 6, backwards);
    CHECK_OK(bt_train_unigram(&corpus, size, scratch(name), true, &made, &err), &err);
    CHECK_INT(made, want);
    bt_corpus_free(&corpus);
}

/* Every character is kept, every text comes back, and the order of the lines is no matter. */
static void test_unigram(void)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };
    char *one, *two;
    size_t one_size = 0, two_size = 0;

    train_unigram(false, 34, "one.model", 34);
    train_unigram(true, 34, "two.model", 34);
    CHECK_OK(bt_file_read(scratch("one.model"), 1 << 20, &one, &one_size, &err), &err);
    CHECK_OK(bt_file_read(scratch("two.model"), 1 << 20, &two, &two_size, &err), &err);
    CHECK(one_size == two_size && memcmp(one, two, one_size) == 0);
    free(one);
    free(two);

    CHECK_OK(bt_tokenizer_load(&tok, scratch("one.model"), &err), &err);
    for (int i = 0; i < 6; i++) {
        struct bt_buf out = { 0 };

        CHECK_OK(bt_tokenizer_encode(tok, text[i], strlen(text[i]), true, 0, &ids, &err), &err);
        for (uint64_t k = 0; k < ids.count; k++)
            CHECK(ids.data[k] != 2);
        CHECK_OK(bt_tokenizer_decode(tok, ids.data, ids.count, true, &out, &err), &err);
        CHECK_STR(out.data, text[i]);
        bt_buf_free(&out);
    }
    /* What occurs most is a piece of its own: "a" of six lines' words, and the end mark. */
    CHECK_OK(bt_tokenizer_encode(tok, "a", 1, true, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 2);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

/* Fewer entries than characters: the rarest are unknown. An empty corpus: the marks. */
static void test_unigram_sizes(void)
{
    struct bt_corpus corpus;
    struct bt_err err = { 0 };
    int64_t made = 0;

    train_unigram(false, 16, "few.model", 16);
    fill(&corpus, BT_TOKENIZER_T5, text, 0, false);
    CHECK_OK(bt_train_unigram(&corpus, 100, scratch("none.model"), true, &made, &err), &err);
    CHECK_INT(made, 3);
    CHECK_INT(bt_train_unigram(&corpus, 15, scratch("none.model"), true, &made, &err), BT_ERR_USAGE);
    bt_err_clear(&err);
    CHECK_INT(bt_train_unigram(&corpus, 100, scratch("none.model"), false, &made, &err), BT_ERR_EXISTS);
    bt_corpus_free(&corpus);
}

int main(void)
{
    scratch_begin();
    RUN(test_merges);
    RUN(test_runs);
    RUN(test_marks);
    RUN(test_order_of_lines);
    RUN(test_round_trip);
    RUN(test_wordpiece);
    RUN(test_sizes);
    RUN(test_unigram);
    RUN(test_unigram_sizes);
    scratch_end();
    return test_end();
}
