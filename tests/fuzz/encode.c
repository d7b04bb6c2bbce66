/* Any bytes as text: refused exactly where they are not UTF-8; otherwise the same ids from an empty cache and from a full one,
 * the cut is a cut, and OPT's ids give back what single bytes give. The first byte says how long ids may be. */
#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"
#include "tests/fuzz/byte_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\n##s\n!\n'\nt\ndon\n\xE2\x80\x93\n##dog\n\xE4\xB8\x80\n"
                            "\xCE\xB1\n##\xCF\x83\nb\n##b\n##a\n";
static const char merges[] = "#version: 0.2\n\xC4\xA0 d\no g\n\xC4\xA0" "d og\na a\naa a\n\xC4\xA0 \xC4\xA0\n\xC3\x83 \xC2\xA9\n";

static void must(int rc)
{
    if (rc)
        __builtin_trap();
}

static struct bt_tokenizer *bert(void)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    must(bt_tokenizer_from_vocab_text(&tok, vocab, sizeof vocab - 1, &err));
    must(bt_tokenizer_dec_add(tok, &err));
    must(bt_tokenizer_seal(tok, &err));
    return tok;
}

static struct bt_tokenizer *opt(void)
{
    static const char *const more[] = { "<pad>", "</s>", "\xC4\xA0" "d", "og", "\xC4\xA0" "dog", "aa", "aaa", "\xC4\xA0\xC4\xA0",
                                        "\xC3\x83\xC2\xA9" };
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };
    json_t *root = byte_vocab(more, sizeof more / sizeof *more);

    must(bt_tokenizer_from_vocab_json(&tok, root, &err));
    must(bt_tokenizer_merges_text(&tok->bpe, merges, sizeof merges - 1, &err));
    must(bt_tokenizer_seal(tok, &err));
    json_decref(root);
    return tok;
}

static void same(const struct bt_ids *a, const struct bt_ids *b, uint64_t count)
{
    if (a->count < count || b->count < count || memcmp(a->data, b->data, count * sizeof *a->data) != 0)
        __builtin_trap();
}

/* What the ids say is what the bytes themselves say. */
static void same_text(struct bt_tokenizer *tok, const struct bt_ids *ids, const char *text, size_t size)
{
    struct bt_ids bytes = { 0 };
    struct bt_buf got = { 0 }, want = { 0 };
    struct bt_err err = { 0 };

    for (size_t i = 0; i < size; i++)
        must(bt_ids_push(&bytes, (uint8_t)text[i], &err));
    must(bt_tokenizer_decode(tok, ids->data + 1, ids->count - 1, false, &got, &err));
    must(bt_tokenizer_decode(tok, bytes.data, bytes.count, false, &want, &err));
    if (got.size != want.size || (got.size && memcmp(got.data, want.data, got.size) != 0))
        __builtin_trap();
    bt_ids_free(&bytes);
    bt_buf_free(&got);
    bt_buf_free(&want);
}

static void check(struct bt_tokenizer *warm, const char *text, size_t size, int64_t max_len)
{
    struct bt_ids ids = { 0 }, again = { 0 }, cut = { 0 };
    struct bt_tokenizer *cold = NULL;
    struct bt_err err = { 0 };
    int rc = bt_tokenizer_encode(warm, text, size, true, 0, &ids, &err);

    if ((rc == BT_OK) != (bt_utf8_prefix(text, size) == size))
        __builtin_trap();
    if (!rc) {
        uint64_t marks = (uint64_t)(bt_tokenizer_marks_before(warm) + bt_tokenizer_marks_behind(warm));

        must(bt_tokenizer_twin(&cold, warm, &err));
        must(bt_tokenizer_encode(cold, text, size, true, 0, &again, &err));
        same(&ids, &again, ids.count);
        must(bt_tokenizer_encode(warm, text, size, true, max_len, &cut, &err));
        if (cut.whole != ids.count || cut.count > ids.count || (max_len > (int64_t)marks && cut.count > (uint64_t)max_len))
            __builtin_trap();
        same(&cut, &ids, cut.count - (uint64_t)bt_tokenizer_marks_behind(warm));
        if (bt_tokenizer_kind(warm) == BT_TOKENIZER_OPT)
            same_text(warm, &ids, text, size);
    }
    bt_tokenizer_free(cold);
    bt_ids_free(&ids);
    bt_ids_free(&again);
    bt_ids_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bt_tokenizer *tokenizers[2];

    if (!tokenizers[0]) {
        tokenizers[0] = bert();
        tokenizers[1] = opt();
    }
    for (int t = 0; t < 2 && size > 0; t++)
        check(tokenizers[t], (const char *)data + 1, size - 1, data[0]);
    return 0;
}
