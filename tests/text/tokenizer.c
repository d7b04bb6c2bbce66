/* libcommon/text/tokenizer.h on small vocabularies written here; the published behaviour at large is in tests/golden. */
#include "libcommon/text/tokenizer.h"
#include "tests/text/mini.h"

static struct bt_tokenizer *load(const char *name)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_load(&tok, scratch(name), &err), &err);
    if (!tok)
        exit(1);
    return tok;
}

static const char *ids_of(struct bt_tokenizer *tok, const char *text, size_t size, int64_t max_len)
{
    static char out[400];
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };
    size_t at = 0;

    out[0] = '\0';
    CHECK_OK(bt_tokenizer_encode(tok, text, size, true, max_len, &ids, &err), &err);
    for (uint64_t i = 0; i < ids.count && at < 380; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", ids.data[i]);
    bt_ids_free(&ids);
    return out;
}

#define IDS(tok, text) ids_of(tok, text, sizeof(text) - 1, 0)

static void test_bert(void)
{
    struct bt_tokenizer *tok = load("vocab.txt");

    CHECK_INT(bt_tokenizer_kind(tok), BT_TOKENIZER_BERT);
    CHECK_INT(bt_tokenizer_vocab_size(tok), 34);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_BOS), 33);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_PAD), 0);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_MASK), 4);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_NEWLINE), -1);
    CHECK_STR(IDS(tok, ""), "2 3");
    CHECK_STR(IDS(tok, "A cat runs to the DOG!\n"), "2 5 6 19 14 12 13 7 11 3");
    CHECK_STR(IDS(tok, "cat\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" "dog"), "2 6 29 3"); /* U+FFFD is deleted */
    CHECK_STR(IDS(tok, "cat\0dog"), "2 6 29 3");
    CHECK_STR(IDS(tok, "catx"), "2 1 3"); /* one piece fails: the whole word does */
    CHECK_STR(IDS(tok, "don't"), "2 23 21 22 3");
    CHECK_STR(IDS(tok, "d\xCC\x81o\xCC\x82g"), "2 7 3");
    CHECK_STR(IDS(tok, "[DEC] a [MASK]cat [mask]"), "2 33 5 4 6 1 1 1 3");
    CHECK_STR(IDS(tok, "[[CLS]"), "2 1 2 3");
    bt_tokenizer_free(tok);
}

/* 100 characters are a word, 101 are an unknown. */
static void test_long_word(void)
{
    struct bt_tokenizer *tok;
    char word[404];
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    scratch_text("x.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n\xC3\xB8\n##\xC3\xB8\n");
    tok = load("x.txt");
    for (int i = 0; i < 101; i++)
        memcpy(word + 2 * i, "\xC3\xB8", 2);
    CHECK_OK(bt_tokenizer_encode(tok, word, 200, false, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 100);
    CHECK(ids.data[0] == 4 && ids.data[99] == 5);
    CHECK_OK(bt_tokenizer_encode(tok, word, 202, false, 0, &ids, &err), &err);
    CHECK(ids.count == 1 && ids.data[0] == 1);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

static void test_opt(void)
{
    struct bt_tokenizer *tok = load("opt");

    CHECK_INT(bt_tokenizer_kind(tok), BT_TOKENIZER_OPT);
    CHECK_INT(bt_tokenizer_vocab_size(tok), 269);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_NEWLINE), 14);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_EOS), 2);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_PAD), 1);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_CLS), -1);
    CHECK_STR(IDS(tok, ""), "2");
    CHECK_STR(IDS(tok, "dog of a dog\n"), "2 268 264 266 262 14");
    CHECK_STR(IDS(tok, "##"), "2 265"); /* a line of merges.txt that starts with # is a merge */
    CHECK_STR(IDS(tok, "a</s>b<pad>"), "2 101 2 102 1");
    CHECK_STR(IDS(tok, "<s>"), "2 64 119 66");
    bt_tokenizer_free(tok);
}

/* The cut is on the right of the text, the marks stay. */
static void test_cut(void)
{
    struct bt_tokenizer *bert = load("vocab.txt"), *opt = load("opt");
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    CHECK_STR(ids_of(bert, "a cat is a dog", 14, 5), "2 5 6 15 3");
    CHECK_STR(ids_of(bert, "a cat", 5, 4), "2 5 6 3");
    CHECK_STR(ids_of(bert, "a cat", 5, 1), "2 3");
    CHECK_STR(ids_of(opt, "dog dog dog\n", 12, 4), "2 268 262 262"); /* the newline is lost, as published */
    CHECK_OK(bt_tokenizer_encode(opt, "dog dog dog\n", 12, true, 4, &ids, &err), &err);
    CHECK_INT(ids.whole, 5);
    CHECK_OK(bt_tokenizer_encode(opt, "dog dog", 7, false, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 2);
    bt_ids_free(&ids);
    bt_tokenizer_free(bert);
    bt_tokenizer_free(opt);
}

static void test_pad(void)
{
    struct bt_tokenizer *opt = load("opt");
    static const int32_t ids[] = { 2, 262 }, left[] = { 1, 1, 2, 262 }, right[] = { 2, 262, 1, 1 };
    static const int32_t left_mask[] = { 0, 0, 1, 1 };
    int32_t row[4], mask[4];

    bt_tokenizer_pad(opt, ids, 2, true, row, mask, 4);
    CHECK(memcmp(row, left, sizeof row) == 0 && memcmp(mask, left_mask, sizeof mask) == 0);
    bt_tokenizer_pad(opt, ids, 2, false, row, NULL, 4);
    CHECK(memcmp(row, right, sizeof row) == 0);
    bt_tokenizer_free(opt);
}

static void check_decoded(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool skip,
                          const char *want)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_buf_add(&out, ">", 1, &err), &err); /* decoding appends */
    CHECK_OK(bt_tokenizer_decode(tok, ids, count, skip, &out, &err), &err);
    CHECK_STR(out.data + 1, want);
    bt_buf_free(&out);
}

static void test_decode(void)
{
    struct bt_tokenizer *bert = load("vocab.txt"), *opt = load("opt");
    static const int32_t text[] = { 2, 5, 6, 19, 14, 11, 23, 21, 22, 33, 29, 3, 0, -7, 34, 1000000 };
    static const int32_t part[] = { 2, 4 + 0xF0, 4 + 0x9F, 4 + 'x', 262, 3, 14, 1, 269, 50000 };

    check_decoded(bert, text, 16, true, "a cat runs! don'tdog");
    check_decoded(bert, text, 16, false, "[CLS] a cat runs! don't [DEC] ##dog [SEP] [PAD]");
    check_decoded(opt, part, 10, true, "\xEF\xBF\xBDx dog<unk>\n");
    check_decoded(opt, part, 10, false, "</s>\xEF\xBF\xBDx dog<unk>\n<pad>");
    check_decoded(opt, part, 0, true, "");
    bt_tokenizer_free(bert);
    bt_tokenizer_free(opt);
}

static void test_literal(void)
{
    struct bt_tokenizer *tok = load("opt"), *twin = NULL;
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_encode(tok, "</s>", 4, false, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 1);
    bt_tokenizer_literal(tok);
    CHECK_OK(bt_tokenizer_twin(&twin, tok, &err), &err);
    CHECK_OK(bt_tokenizer_encode(twin, "</s>", 4, false, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 4);
    bt_ids_free(&ids);
    bt_tokenizer_free(twin);
    bt_tokenizer_free(tok);
}

static void test_not_utf8(void)
{
    struct bt_tokenizer *tok = load("vocab.txt");
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    CHECK_INT(bt_tokenizer_encode(tok, "cat\xFF" "dog", 7, true, 0, &ids, &err), BT_ERR_UTF8);
    CHECK(strstr(err.text, "byte 3 ") != NULL);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

static const char *json_with(const char *merges, const char *unk)
{
    char text[600];

    snprintf(text, sizeof text, "{\"version\":\"1.0\",\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3,\"abc\":4,\"?\":5},"
             "\"unk_token\":%s,\"merges\":%s}}", unk, merges);
    return scratch_text("m.json", text);
}

/* Merges as "a b" and as ["a","b"], without a pre-tokenizer, marks or bytes. */
static void test_merge_forms(void)
{
    static const char *const forms[] = { "[\"a b\",\"ab c\"]", "[[\"a\",\"b\"],[\"ab\",\"c\"]]", "[[\"a\",\"b\"],\"ab c\"]" };
    struct bt_tokenizer *tok = NULL;
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };

    for (int i = 0; i < 3; i++) {
        json_with(forms[i], "null");
        tok = load("m.json");
        CHECK_STR(IDS(tok, "abcab"), "4 2");
        CHECK_INT(bt_tokenizer_encode(tok, "abd", 3, true, 0, &ids, &err), BT_ERR_INPUT);
        bt_err_clear(&err);
        bt_tokenizer_free(tok);
    }
    json_with(forms[0], "\"?\"");
    tok = load("m.json");
    CHECK_STR(IDS(tok, "abd"), "2 5");
    bt_tokenizer_free(tok);
    CHECK_INT(bt_tokenizer_load(&tok, json_with("[{}]", "null"), &err), BT_ERR_TOK_FILE);
    bt_err_clear(&err);
    CHECK_INT(bt_tokenizer_load(&tok, json_with("null", "null"), &err), BT_ERR_TOK_FILE);
    bt_ids_free(&ids);
}

static void test_identity(void)
{
    struct bt_tokenizer *one = load("vocab.txt"), *other;

    scratch_text("crlf.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n");
    scratch_text("lf.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na"); /* the last line end may be missing */
    scratch_text("dec.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n[DEC]\n");
    other = load("lf.txt");
    CHECK_INT(strlen(bt_tokenizer_hash(one)), 64);
    CHECK(strcmp(bt_tokenizer_hash(one), bt_tokenizer_hash(other)) != 0);
    bt_tokenizer_free(one);
    one = load("crlf.txt");
    CHECK_STR(bt_tokenizer_hash(one), bt_tokenizer_hash(other));
    bt_tokenizer_free(other);
    other = load("dec.txt");
    CHECK_INT(bt_tokenizer_token(other, BT_TOKEN_BOS), 5);
    CHECK_INT(bt_tokenizer_vocab_size(other), 6);
    bt_tokenizer_free(one);
    bt_tokenizer_free(other);
}

static void test_refusals(void)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    CHECK_INT(bt_tokenizer_load(&tok, scratch("missing.txt"), &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    CHECK_INT(bt_tokenizer_load(&tok, scratch_text("spiece.model", "x"), &err), BT_ERR_TOK_FILE);
    CHECK(strstr(err.text, "spiece.model: ") != NULL);
    bt_err_clear(&err);
    scratch_text("opt/merges.txt", "#version: 0.2\n\xC4\xA0 d");
    CHECK_INT(bt_tokenizer_load(&tok, scratch("opt"), &err), BT_ERR_TOK_FILE);
    CHECK(strstr(err.text, "merges.txt: ") != NULL && strstr(err.text, "cut") != NULL);
    bt_err_clear(&err);
    scratch_text("opt/merges.txt", "#version: 0.2\n"); /* cut behind its first line */
    CHECK_INT(bt_tokenizer_load(&tok, scratch("opt"), &err), BT_ERR_TOK_FILE);
    CHECK(strstr(err.text, "' is made by a merge, but there are none; ") != NULL);
}

int main(void)
{
    scratch_begin();
    scratch_text("vocab.txt", bert_mini);
    write_opt_mini();
    RUN(test_bert);
    RUN(test_long_word);
    RUN(test_opt);
    RUN(test_cut);
    RUN(test_pad);
    RUN(test_decode);
    RUN(test_literal);
    RUN(test_not_utf8);
    RUN(test_merge_forms);
    RUN(test_identity);
    RUN(test_refusals);
    scratch_end();
    return test_end();
}
