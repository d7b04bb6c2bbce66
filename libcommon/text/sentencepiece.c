/* SentencePiece's model file. Every length is checked against the bytes that are left, so that memory is bounded by the file. */
#include "libcommon/text/sentencepiece.h"

#include <stdio.h>
#include <string.h>

#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"

enum wire { VARINT, FIXED64, BYTES, FIXED32 = 5 };
enum piece_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct bytes {
    const uint8_t *at, *end;
};

struct field {
    uint64_t number, value; /* value: of a varint, or 4 or 8 bytes */
    enum wire wire;
    struct bytes bytes;
};

struct model {
    struct bt_tokenizer *tok;
    double *scores;
    uint64_t scores_capacity;
    int32_t unk, eos, pad; /* as the file says */
    int32_t unknown;       /* the piece of that type */
    int64_t kind;
    bool byte_fallback, suffix, prefix, remove_spaces, escape;
    struct bytes charsmap;
};

/* ---------------------------------------------------------------- fields */

static int damaged(const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_TOK_FILE, "%s; the file is damaged", what);
}

static int get_varint(struct bytes *b, uint64_t *value, struct bt_err *err)
{
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (b->at == b->end)
            return damaged("the model ends inside a number", err);
        *value |= (uint64_t)(*b->at & 0x7F) << shift;
        if (!(*b->at++ & 0x80))
            return BT_OK;
    }
    return damaged("a number of more than 64 bits in the model", err);
}

static int get_bytes(struct bytes *b, uint64_t size, struct bytes *out, struct bt_err *err)
{
    if (size > (uint64_t)(b->end - b->at))
        return bt_fail(err, BT_ERR_TOK_FILE, "the model says %llu bytes where %zu are left; the file is damaged",
                       (unsigned long long)size, (size_t)(b->end - b->at));
    *out = (struct bytes){ b->at, b->at + size };
    b->at += size;
    return BT_OK;
}

static int get_fixed(struct bytes *b, unsigned size, uint64_t *value, struct bt_err *err)
{
    struct bytes raw = { b->at, b->at };
    int rc = get_bytes(b, size, &raw, err);

    *value = 0;
    for (unsigned i = 0; i < size && !rc; i++)
        *value |= (uint64_t)raw.at[i] << 8 * i;
    return rc;
}

/* The next field of a message; BT_END behind the last. */
static int next_field(struct bytes *b, struct field *f, struct bt_err *err)
{
    uint64_t tag, size = 0;

    if (b->at == b->end)
        return BT_END;
    int rc = get_varint(b, &tag, err);
    if (rc)
        return rc;
    f->number = tag >> 3;
    f->wire = (enum wire)(tag & 7);
    if (f->number == 0 || f->number >= 1u << 29)
        return damaged("a field of the model has a number that no field has", err);
    switch (f->wire) {
    case VARINT:
        return get_varint(b, &f->value, err);
    case FIXED64:
        return get_fixed(b, 8, &f->value, err);
    case FIXED32:
        return get_fixed(b, 4, &f->value, err);
    case BYTES:
        rc = get_varint(b, &size, err);
        return rc ? rc : get_bytes(b, size, &f->bytes, err);
    default:
        return damaged("a field of the model is of no known type", err);
    }
}

static int need_wire(const struct field *f, enum wire wire, const char *what, struct bt_err *err)
{
    if (f->wire == wire)
        return BT_OK;
    return bt_fail(err, BT_ERR_TOK_FILE, "%s of the model is of the wrong type; the file is damaged", what);
}

/* ---------------------------------------------------------------- the messages */

static int add_piece(struct model *m, struct bytes text, float score, uint64_t type, struct bt_err *err)
{
    size_t size = (size_t)(text.end - text.at);
    int32_t id;

    if (type < NORMAL || type > BYTE)
        return bt_fail(err, BT_ERR_TOK_FILE, "piece %d has the type %llu, which does not exist; the file is damaged",
                       m->tok->vocab.count, (unsigned long long)type);
    if (type == USER_DEFINED || type == BYTE)
        return bt_fail(err, BT_ERR_TOK_PATTERN, "piece '%s' is %s: not among the rules that are built; use a T5 tokenizer",
                       bt_quote(text.at, size), type == BYTE ? "a byte" : "user defined");
    if (type == UNKNOWN && m->unknown >= 0)
        return damaged("two pieces are the unknown one", err);
    int rc = bt_utf8_check((const char *)text.at, size, err);
    if (rc)
        return bt_context(err, "piece %d", m->tok->vocab.count);
    rc = bt_grow(&m->scores, &m->scores_capacity, (uint64_t)m->tok->vocab.count + 1, sizeof *m->scores, err);
    if (!rc)
        rc = bt_vocab_append(&m->tok->vocab, (const char *)text.at, size, &id, err);
    if (rc)
        return rc;
    m->scores[id] = (double)score;
    if (type == UNKNOWN)
        m->unknown = id;
    return BT_OK;
}

static int read_piece(struct model *m, struct bytes b, struct bt_err *err)
{
    struct bytes text = { b.at, b.at };
    struct field f;
    uint64_t type = NORMAL;
    uint32_t bits = 0;
    float score;
    int rc;

    while ((rc = next_field(&b, &f, err)) == BT_OK) {
        if (f.number == 1 && (rc = need_wire(&f, BYTES, "a piece", err)) == BT_OK)
            text = f.bytes;
        else if (f.number == 2 && (rc = need_wire(&f, FIXED32, "a score", err)) == BT_OK)
            bits = (uint32_t)f.value;
        else if (f.number == 3 && (rc = need_wire(&f, VARINT, "the type of a piece", err)) == BT_OK)
            type = f.value;
        if (rc)
            return rc;
    }
    memcpy(&score, &bits, sizeof score);
    return rc == BT_END ? add_piece(m, text, score, type, err) : rc;
}

/* The first failure of a varint field with a place for it. */
static int read_number(const struct field *f, uint64_t number, const char *what, int64_t *value, struct bt_err *err)
{
    if (f->number != number)
        return BT_OK;
    int rc = need_wire(f, VARINT, what, err);
    if (!rc)
        *value = (int64_t)f->value;
    return rc;
}

static int read_numbers(struct bytes b, const uint64_t *numbers, int count, int64_t *values, struct bt_err *err)
{
    struct field f;
    int rc;

    while ((rc = next_field(&b, &f, err)) == BT_OK)
        for (int i = 0; i < count; i++)
            if ((rc = read_number(&f, numbers[i], "a setting", &values[i], err)) != BT_OK)
                return rc;
    return rc == BT_END ? BT_OK : rc;
}

static int id_of(int64_t value, int32_t *id, struct bt_err *err)
{
    if (value < -1 || value >= BT_VOCAB_MAX)
        return bt_fail(err, BT_ERR_TOK_FILE, "the model names the id %lld; the file is damaged", (long long)value);
    *id = (int32_t)value;
    return BT_OK;
}

static int read_trainer(struct model *m, struct bytes b, struct bt_err *err)
{
    static const uint64_t numbers[] = { 3, 24, 35, 40, 42, 43 };
    int64_t values[] = { m->kind, m->suffix, m->byte_fallback, m->unk, m->eos, m->pad };
    int rc = read_numbers(b, numbers, 6, values, err);

    m->kind = values[0];
    m->suffix = values[1] != 0;
    m->byte_fallback = values[2] != 0;
    if (!rc)
        rc = id_of(values[3], &m->unk, err);
    if (!rc)
        rc = id_of(values[4], &m->eos, err);
    return rc ? rc : id_of(values[5], &m->pad, err);
}

static int read_normalizer(struct model *m, struct bytes b, struct bt_err *err)
{
    static const uint64_t numbers[] = { 3, 4, 5 };
    int64_t values[] = { m->prefix, m->remove_spaces, m->escape };
    struct bytes whole = b;
    struct field f;
    int rc;

    while ((rc = next_field(&b, &f, err)) == BT_OK)
        if (f.number == 2) {
            if ((rc = need_wire(&f, BYTES, "the charsmap", err)) != BT_OK)
                return rc;
            m->charsmap = f.bytes;
        }
    if (rc == BT_END)
        rc = read_numbers(whole, numbers, 3, values, err);
    m->prefix = values[0] != 0;
    m->remove_spaces = values[1] != 0;
    m->escape = values[2] != 0;
    return rc;
}

static int read_model(struct model *m, struct bytes b, struct bt_err *err)
{
    struct field f;
    int rc;

    while ((rc = next_field(&b, &f, err)) == BT_OK) {
        if (f.number > 3)
            continue;
        rc = need_wire(&f, BYTES, "a part", err);
        if (!rc)
            rc = f.number == 1   ? read_piece(m, f.bytes, err)
                 : f.number == 2 ? read_trainer(m, f.bytes, err)
                                 : read_normalizer(m, f.bytes, err);
        if (rc)
            return rc;
    }
    return rc == BT_END ? BT_OK : rc;
}

/* ---------------------------------------------------------------- the tokenizer */

static int check_model(const struct model *m, struct bt_err *err)
{
    static const char *const kinds[] = { "", "", "BPE", "word", "char" };
    const char *what = m->kind != 1      ? kinds[m->kind >= 2 && m->kind <= 4 ? m->kind : 0]
                       : m->byte_fallback ? "byte fallback"
                       : m->suffix        ? "spaces behind words"
                       : m->prefix && m->remove_spaces && m->escape ? NULL
                                                                    : "another treatment of spaces";

    if (m->tok->vocab.count == 0)
        return damaged("the model has no pieces", err);
    if (what)
        return bt_fail(err, BT_ERR_TOK_PATTERN, "a SentencePiece model of kind %lld (%s): not among the rules that are built; "
                       "use a unigram model, as T5's is", (long long)m->kind, *what ? what : "unknown");
    if (m->unknown < 0)
        return damaged("no piece is the unknown one", err);
    if (m->unk != m->unknown)
        return bt_fail(err, BT_ERR_TOK_FILE, "the unknown piece is %d, but the settings say %d; the file is damaged",
                       m->unknown, m->unk);
    return BT_OK;
}

static int special(struct bt_tokenizer *tok, int32_t id, const char *what, struct bt_err *err)
{
    size_t size;
    const char *text = bt_vocab_text(&tok->vocab, id, &size);

    if (!text)
        return bt_fail(err, BT_ERR_TOK_FILE, "the model says that %s is piece %d, which is not there", what, id);
    return bt_tokenizer_special_add(tok, text, size, id, err);
}

/* The marks that masked spans are named by: the published tokenizer adds them, the file lacks them. */
static int add_extra(struct model *m, struct bt_err *err)
{
    char name[32];
    int rc = bt_grow(&m->scores, &m->scores_capacity, (uint64_t)m->tok->vocab.count + BT_SENTENCEPIECE_EXTRA,
                     sizeof *m->scores, err);

    for (int i = BT_SENTENCEPIECE_EXTRA - 1; i >= 0 && !rc; i--) {
        size_t size = (size_t)snprintf(name, sizeof name, "<extra_id_%d>", i);
        int32_t id;

        rc = bt_vocab_append(&m->tok->vocab, name, size, &id, err);
        if (!rc)
            rc = bt_tokenizer_special_add(m->tok, name, size, id, err);
        if (!rc)
            m->scores[id] = 0;
    }
    return rc;
}

static int set_up(struct model *m, struct bt_err *err)
{
    static const struct bt_unigram_rules rules = { .collapse = true };
    struct bt_tokenizer *tok = m->tok;
    int rc = check_model(m, err);

    if (!rc && m->pad >= 0)
        rc = special(tok, m->pad, "the padding", err);
    if (!rc)
        rc = special(tok, m->eos, "the end", err);
    if (!rc)
        rc = special(tok, m->unk, "the unknown", err);
    for (int32_t id = 0; id < tok->vocab.count && !rc; id++)
        m->scores[id] = bt_unigram_score(m->scores[id]);
    if (!rc)
        rc = add_extra(m, err);
    if (rc)
        return rc;
    tok->behind[0] = m->eos;
    tok->behind_count = 1;
    tok->model_count = tok->vocab.count;
    double *scores = m->scores;
    m->scores = NULL;
    return bt_unigram_init(&tok->unigram, &tok->vocab, scores, m->unk, m->charsmap.at,
                           (size_t)(m->charsmap.end - m->charsmap.at), rules, err);
}

int bt_tokenizer_from_sentencepiece(struct bt_tokenizer **out, const void *data, size_t size, struct bt_err *err)
{
    /* What the settings are where the file does not say. */
    struct model m = { .eos = 2, .pad = -1, .unknown = -1, .kind = 1, .prefix = true, .remove_spaces = true, .escape = true };
    int rc = bt_tokenizer_new(&m.tok, BT_TOKENIZER_T5, err);

    if (!rc)
        rc = read_model(&m, (struct bytes){ data, (const uint8_t *)data + size }, err);
    if (!rc)
        rc = set_up(&m, err);
    free(m.scores);
    if (rc)
        bt_tokenizer_free(m.tok);
    else
        *out = m.tok;
    return rc;
}

/* ---------------------------------------------------------------- writing */

static int put_varint(struct bt_buf *out, uint64_t value, struct bt_err *err)
{
    uint8_t bytes[10];
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    return bt_buf_add(out, bytes, size, err);
}

static int put_number(struct bt_buf *out, uint64_t field, uint64_t value, struct bt_err *err)
{
    int rc = put_varint(out, field << 3 | VARINT, err);

    return rc ? rc : put_varint(out, value, err);
}

static int put_bytes(struct bt_buf *out, uint64_t field, const void *data, size_t size, struct bt_err *err)
{
    int rc = put_varint(out, field << 3 | BYTES, err);

    if (!rc)
        rc = put_varint(out, size, err);
    return rc ? rc : bt_buf_add(out, data, size, err);
}

static int put_piece(struct bt_buf *out, struct bt_buf *part, const char *text, size_t size, float score,
                     enum piece_type type, struct bt_err *err)
{
    uint8_t bits[4];
    uint32_t word;
    int rc;

    memcpy(&word, &score, sizeof word);
    for (int i = 0; i < 4; i++)
        bits[i] = (uint8_t)(word >> 8 * i);
    part->size = 0;
    rc = put_bytes(part, 1, text, size, err);
    if (!rc)
        rc = put_varint(part, 2 << 3 | FIXED32, err);
    if (!rc)
        rc = bt_buf_add(part, bits, sizeof bits, err);
    if (!rc)
        rc = put_number(part, 3, type, err);
    return rc ? rc : put_bytes(out, 1, part->data, part->size, err);
}

static int put_settings(struct bt_buf *out, struct bt_buf *part, int32_t count, struct bt_err *err)
{
    const struct {
        uint64_t field, value;
    } settings[] = { { 3, 1 }, { 4, (uint64_t)count }, { 40, 2 }, { 41, UINT64_MAX }, { 42, 1 }, { 43, 0 } };
    int rc = BT_OK;

    part->size = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings && !rc; i++)
        rc = put_number(part, settings[i].field, settings[i].value, err);
    if (!rc)
        rc = put_bytes(out, 2, part->data, part->size, err);
    part->size = 0;
    if (!rc)
        rc = put_bytes(part, 1, "identity", 8, err);
    return rc ? rc : put_bytes(out, 3, part->data, part->size, err);
}

int bt_sentencepiece_write(struct bt_buf *out, const struct bt_vocab *pieces, const float *scores, struct bt_err *err)
{
    static const enum piece_type first[] = { CONTROL, CONTROL, UNKNOWN };
    struct bt_buf part = { 0 };
    int rc = BT_OK;

    for (int32_t id = 0; id < pieces->count && !rc; id++) {
        size_t size;
        const char *text = bt_vocab_text(pieces, id, &size);

        rc = put_piece(out, &part, text, size, scores[id], id < 3 ? first[id] : NORMAL, err);
    }
    if (!rc)
        rc = put_settings(out, &part, pieces->count, err);
    bt_buf_free(&part);
    return rc;
}
