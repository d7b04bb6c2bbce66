/* Lengths, cuts and unknowns. */
#include <inttypes.h>

#include "libcommon/text/text_stats.h"

void bt_text_stats_add(struct bt_text_stats *s, const struct bt_tokenizer *tok, const struct bt_ids *ids)
{
    bool has_unknown = bt_tokenizer_kind(tok) != BT_TOKENIZER_OPT;
    int32_t unk = bt_tokenizer_token(tok, BT_TOKEN_UNK);

    s->shortest = s->texts == 0 || ids->whole < s->shortest ? ids->whole : s->shortest;
    s->longest = ids->whole > s->longest ? ids->whole : s->longest;
    s->lengths[ids->whole < BT_TEXT_LENGTHS ? ids->whole : BT_TEXT_LENGTHS - 1]++;
    s->texts++;
    s->ids += ids->count;
    s->cut += ids->whole > ids->count;
    for (uint64_t i = 0; has_unknown && i < ids->count; i++)
        s->unknown += ids->data[i] == unk;
}

void bt_text_stats_join(struct bt_text_stats *s, const struct bt_text_stats *more)
{
    if (more->texts == 0)
        return;
    s->shortest = s->texts == 0 || more->shortest < s->shortest ? more->shortest : s->shortest;
    s->longest = more->longest > s->longest ? more->longest : s->longest;
    s->texts += more->texts;
    s->ids += more->ids;
    s->cut += more->cut;
    s->unknown += more->unknown;
    for (int i = 0; i < BT_TEXT_LENGTHS; i++)
        s->lengths[i] += more->lengths[i];
}

/* The length that this share of the texts does not exceed. */
static uint64_t length_at(const struct bt_text_stats *s, double share)
{
    uint64_t seen = 0, rank = s->texts ? (uint64_t)(share * (double)(s->texts - 1)) : 0;

    for (uint64_t i = 0; i < BT_TEXT_LENGTHS - 1; i++)
        if ((seen += s->lengths[i]) > rank)
            return i;
    return s->longest;
}

static double share_of(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

int bt_text_stats_row(const struct bt_text_stats *s, const char *name, struct bt_buf *out, struct bt_err *err)
{
    int rc = BT_OK;

    if (out->size == 0)
        rc = bt_buf_printf(out, err, "tokenizer\ttexts\tids\tshortest\tmedian\tp95\tlongest\tcut\tunknown\n");
    if (rc)
        return rc;
    return bt_buf_printf(out, err, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
                         "\t%.4f\t%.4f\n", name, s->texts, s->ids, s->shortest, length_at(s, 0.5), length_at(s, 0.95),
                         s->longest, share_of(s->cut, s->texts), share_of(s->unknown, s->ids));
}
