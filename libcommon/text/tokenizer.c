/* The tokenizer: special tokens out of the text, the model on what is between, the cut, the template. */
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"

int bt_tokenizer_new(struct bt_tokenizer **out, enum bt_tokenizer_kind kind, struct bt_err *err)
{
    struct bt_tokenizer *tok = bt_alloc(1, sizeof *tok, err);

    if (!tok)
        return BT_ERR_MEMORY;
    tok->kind = kind;
    tok->max_chars = BT_WORDPIECE_MAX_CHARS;
    for (int i = 0; i < BT_TOKEN_COUNT; i++)
        tok->token[i] = -1;
    int rc = bt_vocab_init(&tok->vocab, err);
    if (!rc)
        rc = bt_vocab_init(&tok->specials, err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}

void bt_tokenizer_free(struct bt_tokenizer *tok)
{
    if (!tok)
        return;
    bt_wordpiece_free(&tok->wordpiece);
    bt_bpe_free(&tok->bpe);
    bt_unigram_free(&tok->unigram);
    if (!tok->is_twin) {
        bt_vocab_free(&tok->vocab);
        bt_vocab_free(&tok->specials);
    }
    free(tok);
}

int bt_tokenizer_twin(struct bt_tokenizer **out, const struct bt_tokenizer *of, struct bt_err *err)
{
    struct bt_tokenizer *tok = bt_alloc(1, sizeof *tok, err);
    int rc;

    if (!tok)
        return BT_ERR_MEMORY;
    *tok = *of;
    tok->is_twin = true;
    memset(&tok->wordpiece, 0, sizeof tok->wordpiece);
    memset(&tok->bpe, 0, sizeof tok->bpe);
    memset(&tok->unigram, 0, sizeof tok->unigram);
    if (of->kind == BT_TOKENIZER_BERT)
        rc = bt_wordpiece_init(&tok->wordpiece, &of->vocab, of->wordpiece.unk, (size_t)of->max_chars, err);
    else if (of->kind == BT_TOKENIZER_T5)
        rc = bt_unigram_twin(&tok->unigram, &of->unigram, err);
    else
        rc = bt_bpe_twin(&tok->bpe, &of->bpe, err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}

int bt_tokenizer_special_add(struct bt_tokenizer *tok, const char *text, size_t size, int32_t id, struct bt_err *err)
{
    if (size > 0 && bt_vocab_find(&tok->specials, text, size) == id)
        return BT_OK;
    if (size > BT_SPECIAL_MAX)
        return bt_fail(err, BT_ERR_LIMIT, "special token %d has %zu bytes; at most %d are read", id, size, BT_SPECIAL_MAX);
    int rc = bt_vocab_add(&tok->specials, text, size, id, err);
    if (!rc)
        tok->special_start[(uint8_t)text[0]] = true;
    return rc;
}

static void hash_number(struct bt_sha256_state *s, int64_t value)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
    bt_sha256_add(s, bytes, sizeof bytes);
}

static void hash_vocab(struct bt_sha256_state *s, const struct bt_vocab *vocab)
{
    hash_number(s, vocab->filled);
    for (int32_t id = 0; id < vocab->count; id++) {
        size_t size;
        const char *text = bt_vocab_text(vocab, id, &size);

        if (!text)
            continue;
        hash_number(s, id);
        hash_number(s, (int64_t)size);
        bt_sha256_add(s, text, size);
    }
}

/* Two models with the same scores, rules and normalization give the same ids. */
static void hash_unigram(struct bt_sha256_state *s, const struct bt_unigram *u)
{
    hash_number(s, u->unk);
    for (int32_t id = 0; id < u->count; id++) {
        int64_t bits;

        memcpy(&bits, &u->scores[id], sizeof bits);
        hash_number(s, bits);
    }
    hash_number(s, u->rules.collapse | u->rules.strip_right << 1 | u->rules.split_white << 2);
    hash_number(s, (int64_t)u->charsmap.blob_size);
    if (u->charsmap.blob_size)
        bt_sha256_add(s, u->charsmap.blob, u->charsmap.blob_size);
}

static int hash_all(struct bt_tokenizer *tok, struct bt_err *err)
{
    static const char lead[] = "bt.tokenizer/1";
    struct bt_sha256_state *s = bt_sha256_new();
    uint8_t digest[32];

    if (!s)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    bt_sha256_add(s, lead, sizeof lead);
    hash_number(s, tok->kind);
    hash_number(s, tok->kind == BT_TOKENIZER_BERT ? tok->max_chars : tok->bpe.byte_level);
    hash_vocab(s, &tok->vocab);
    hash_vocab(s, &tok->specials);
    hash_number(s, (int64_t)tok->bpe.merge_count);
    for (uint64_t i = 0; i < tok->bpe.merge_count; i++) {
        hash_number(s, tok->bpe.merges[i].left);
        hash_number(s, tok->bpe.merges[i].right);
    }
    if (tok->kind == BT_TOKENIZER_T5)
        hash_unigram(s, &tok->unigram);
    hash_number(s, tok->before_count);
    for (int i = 0; i < tok->before_count; i++)
        hash_number(s, tok->before[i]);
    hash_number(s, tok->behind_count);
    for (int i = 0; i < tok->behind_count; i++)
        hash_number(s, tok->behind[i]);
    bt_sha256_value(s, digest);
    bt_sha256_free(s);
    bt_hex(tok->hash, digest, sizeof digest);
    return BT_OK;
}

static void name_token(struct bt_tokenizer *tok, enum bt_token which, const char *text)
{
    tok->token[which] = bt_vocab_find(&tok->vocab, text, strlen(text));
}

/* Entries of several characters come of merges, but for marks such as <pad>: without any, every text would become its bytes and
 * nobody be told. */
static int check_merges(const struct bt_tokenizer *tok, struct bt_err *err)
{
    for (int32_t id = 0; tok->bpe.merge_count == 0 && id < tok->model_count; id++) {
        size_t size, ignored;
        const char *text = bt_vocab_text(&tok->vocab, id, &size);
        bool mark = bt_vocab_text(&tok->specials, id, &ignored) || (text[0] == '<' && text[size - 1] == '>');
        uint32_t c;

        if (!mark && bt_utf8_next(text, size, &c) < (int)size)
            return bt_fail(err, BT_ERR_TOK_FILE, "'%s' is made by a merge, but there are none; the merges are cut: fetch them again",
                           bt_quote(text, size));
    }
    return BT_OK;
}

int bt_tokenizer_seal(struct bt_tokenizer *tok, struct bt_err *err)
{
    if (tok->vocab.count == 0)
        return bt_fail(err, BT_ERR_TOK_FILE, "the vocabulary is empty; fetch the file again");
    if (tok->vocab.filled != tok->vocab.count)
        return bt_fail(err, BT_ERR_TOK_FILE, "%d ids below %d have no entry; the file is damaged",
                       tok->vocab.count - tok->vocab.filled, tok->vocab.count);
    if (tok->kind == BT_TOKENIZER_BERT) {
        name_token(tok, BT_TOKEN_BOS, "[DEC]");
        name_token(tok, BT_TOKEN_EOS, "[SEP]");
        name_token(tok, BT_TOKEN_PAD, "[PAD]");
        tok->token[BT_TOKEN_UNK] = tok->wordpiece.unk;
        name_token(tok, BT_TOKEN_CLS, "[CLS]");
        name_token(tok, BT_TOKEN_SEP, "[SEP]");
        name_token(tok, BT_TOKEN_MASK, "[MASK]");
    } else if (tok->kind == BT_TOKENIZER_T5) {
        name_token(tok, BT_TOKEN_EOS, "</s>");
        name_token(tok, BT_TOKEN_PAD, "<pad>");
        tok->token[BT_TOKEN_UNK] = tok->unigram.unk;
    } else {
        name_token(tok, BT_TOKEN_BOS, "</s>");
        name_token(tok, BT_TOKEN_EOS, "</s>");
        name_token(tok, BT_TOKEN_UNK, "</s>");
        name_token(tok, BT_TOKEN_PAD, "<pad>");
        name_token(tok, BT_TOKEN_NEWLINE, tok->bpe.byte_level ? "\xC4\x8A" : "\n"); /* the letter for LF */
    }
    int rc = tok->kind == BT_TOKENIZER_OPT ? check_merges(tok, err) : BT_OK;
    return rc ? rc : hash_all(tok, err);
}

enum bt_tokenizer_kind bt_tokenizer_kind(const struct bt_tokenizer *tok)
{
    return tok->kind;
}

int32_t bt_tokenizer_vocab_size(const struct bt_tokenizer *tok)
{
    return tok->vocab.count;
}

int32_t bt_tokenizer_token(const struct bt_tokenizer *tok, enum bt_token which)
{
    return tok->token[which];
}

int bt_tokenizer_marks_before(const struct bt_tokenizer *tok)
{
    return tok->before_count;
}

int bt_tokenizer_marks_behind(const struct bt_tokenizer *tok)
{
    return tok->behind_count;
}

const char *bt_tokenizer_hash(const struct bt_tokenizer *tok)
{
    return tok->hash;
}

void bt_tokenizer_literal(struct bt_tokenizer *tok)
{
    tok->literal = true;
    tok->unigram.marks = &tok->specials; /* they are among its pieces too */
}

static int encode_segment(struct bt_tokenizer *tok, const char *text, size_t size, struct bt_ids *ids,
                          struct bt_err *err)
{
    if (tok->kind == BT_TOKENIZER_BERT)
        return bt_wordpiece_encode(&tok->wordpiece, text, size, ids, err);
    if (tok->kind == BT_TOKENIZER_T5)
        return bt_unigram_encode(&tok->unigram, text, size, ids, err);
    return bt_bpe_encode(&tok->bpe, text, size, ids, err);
}

int bt_tokenizer_encode(struct bt_tokenizer *tok, const char *text, size_t size, bool specials, int64_t max_len,
                        struct bt_ids *ids, struct bt_err *err)
{
    uint64_t before = specials ? (uint64_t)tok->before_count : 0, behind = specials ? (uint64_t)tok->behind_count : 0;
    size_t from = 0;
    int rc = bt_utf8_check(text, size, err);

    ids->count = 0;
    text = size ? text : ""; /* no text at all may come as NULL */
    if (!rc)
        rc = bt_ids_add(ids, tok->before, before, err);
    for (size_t i = tok->literal ? size : 0; i < size && !rc;) {
        size_t length = 0;
        int32_t id = -1;

        while (i < size && !tok->special_start[(uint8_t)text[i]])
            i++;
        if (i < size)
            id = bt_vocab_longest(&tok->specials, BT_VOCAB_ROOT, text + i, size - i, &length);
        if (id < 0) {
            i++;
            continue;
        }
        rc = encode_segment(tok, text + from, i - from, ids, err);
        if (!rc)
            rc = bt_ids_push(ids, id, err);
        i += length;
        from = i;
    }
    if (!rc)
        rc = encode_segment(tok, text + from, size - from, ids, err);
    if (rc)
        return rc;

    ids->whole = ids->count + behind;
    if (max_len > 0 && ids->whole > (uint64_t)max_len) {
        uint64_t room = (uint64_t)max_len > before + behind ? (uint64_t)max_len - behind : before;

        ids->count = room < ids->count ? room : ids->count;
    }
    return bt_ids_add(ids, tok->behind, behind, err);
}

void bt_tokenizer_pad(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, bool left, int32_t *row,
                      int32_t *mask, uint64_t width)
{
    uint64_t first = left ? width - count : 0;

    for (uint64_t i = 0; i < width; i++) {
        bool real = i >= first && i - first < count;

        row[i] = real ? ids[i - first] : tok->token[BT_TOKEN_PAD];
        if (mask)
            mask[i] = real;
    }
}
