/* tokenizer.json: the pipelines that are built, and a refusal by name of everything else. Source: tokenizers.md 6. */
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/base64.h"
#include "libcommon/text/tokenizer_parts.h"

#define MAX_CHARS_MOST 10000

static int unknown(const char *what, struct bt_err *err)
{
    return bt_fail(err, BT_ERR_TOK_PATTERN, "%s: not among the rules that are built; use a BERT, OPT or T5 tokenizer", what);
}

/* ---------------------------------------------------------------- members with a check */

/* An object or null (NULL); missing counts as null. */
static int get_object(const json_t *root, const char *key, const json_t **value, struct bt_err *err)
{
    *value = json_object_get(root, key);
    if (*value && json_is_null(*value))
        *value = NULL;
    if (*value && !json_is_object(*value))
        return bt_fail(err, BT_ERR_TOK_FILE, "%s is not an object; the file is damaged", key);
    return BT_OK;
}

/* A boolean that has to be `wanted`; missing or null is as good where `optional`. */
static int need_bool(const json_t *object, const char *key, bool wanted, bool optional, struct bt_err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value)) {
        if (optional)
            return BT_OK;
        return bt_fail(err, BT_ERR_TOK_FILE, "%s is missing; the file is damaged", key);
    }
    if (!json_is_boolean(value))
        return bt_fail(err, BT_ERR_TOK_FILE, "%s is neither true nor false; the file is damaged", key);
    if (json_is_true(value) != wanted)
        return unknown(key, err);
    return BT_OK;
}

/* A string that has to be `wanted`. */
static int need_text(const json_t *object, const char *key, const char *wanted, bool optional, struct bt_err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    if (!value || json_is_null(value)) {
        if (optional)
            return BT_OK;
        return bt_fail(err, BT_ERR_TOK_FILE, "%s is missing; the file is damaged", key);
    }
    if (!text)
        return bt_fail(err, BT_ERR_TOK_FILE, "%s is not a string; the file is damaged", key);
    if (strcmp(text, wanted) != 0)
        return bt_fail(err, BT_ERR_TOK_PATTERN, "%s is '%s': not among the rules that are built; it has to be '%s'", key,
                       bt_quote_str(text), wanted);
    return BT_OK;
}

/* A whole number from 0 to 2^24 - 1. */
static int get_id(const json_t *value, const char *what, int32_t *id, struct bt_err *err)
{
    if (!json_is_integer(value))
        return bt_fail(err, BT_ERR_TOK_FILE, "%s: its id is not a whole number; the file is damaged", bt_quote_str(what));
    json_int_t number = json_integer_value(value);
    if (number < 0 || number >= BT_VOCAB_MAX)
        return bt_fail(err, BT_ERR_TOK_FILE, "%s: id %lld is outside 0 to 2^24-1", bt_quote_str(what),
                       (long long)number);
    *id = (int32_t)number;
    return BT_OK;
}

int bt_tokenizer_vocab_json(struct bt_vocab *vocab, const json_t *object, struct bt_err *err)
{
    size_t count = json_object_size(object);
    const char *key;
    json_t *value;
    int rc = BT_OK;

    if (!json_is_object(object))
        return bt_fail(err, BT_ERR_TOK_FILE, "the vocabulary is not an object of texts and ids; the file is damaged");
    json_object_foreach((json_t *)object, key, value)
    {
        int32_t id = 0;

        rc = get_id(value, key, &id, err);
        if (!rc && (size_t)id >= count)
            rc = bt_fail(err, BT_ERR_TOK_FILE, "'%s' has id %d among %zu entries; ids have to be without gaps",
                         bt_quote_str(key), id, count);
        if (!rc)
            rc = bt_vocab_add(vocab, key, strlen(key), id, err);
        if (rc)
            return rc;
    }
    return BT_OK;
}

/* ---------------------------------------------------------------- added tokens and template */

static int added_token(struct bt_tokenizer *tok, const json_t *token, struct bt_err *err)
{
    const char *text = json_string_value(json_object_get(token, "content"));
    int32_t id = 0;

    if (!text || !*text)
        return bt_fail(err, BT_ERR_TOK_FILE, "an added token has no content; the file is damaged");
    int rc = get_id(json_object_get(token, "id"), text, &id, err);
    if (!rc)
        rc = need_bool(token, "special", true, false, err);
    if (!rc)
        rc = need_bool(token, "lstrip", false, true, err);
    if (!rc)
        rc = need_bool(token, "rstrip", false, true, err);
    if (!rc)
        rc = need_bool(token, "single_word", false, true, err);
    if (rc)
        return rc;

    int32_t known = bt_vocab_find(&tok->vocab, text, strlen(text));
    if (known < 0 && id == tok->vocab.count)
        rc = bt_vocab_append(&tok->vocab, text, strlen(text), NULL, err);
    else if (known != id)
        rc = bt_fail(err, BT_ERR_TOK_FILE, "added token '%s' has id %d, but the vocabulary says otherwise",
                     bt_quote_str(text), id);
    return rc ? rc : bt_tokenizer_special_add(tok, text, strlen(text), id, err);
}

static int added_tokens(struct bt_tokenizer *tok, const json_t *root, struct bt_err *err)
{
    const json_t *list = json_object_get(root, "added_tokens");
    int rc = BT_OK;

    if (!list || json_is_null(list))
        return BT_OK;
    if (!json_is_array(list))
        return bt_fail(err, BT_ERR_TOK_FILE, "added_tokens is not a list; the file is damaged");
    for (size_t i = 0; i < json_array_size(list) && !rc; i++)
        rc = added_token(tok, json_array_get(list, i), err);
    return rc;
}

static int template_token(struct bt_tokenizer *tok, const json_t *post, const char *name, bool behind,
                          struct bt_err *err)
{
    const json_t *ids = json_object_get(json_object_get(json_object_get(post, "special_tokens"), name), "ids");
    int32_t *list = behind ? tok->behind : tok->before;
    int *count = behind ? &tok->behind_count : &tok->before_count, rc = BT_OK;

    if (json_array_size(ids) == 0)
        return bt_fail(err, BT_ERR_TOK_FILE, "the template names '%s', which has no ids in special_tokens",
                       bt_quote_str(name));
    for (size_t i = 0; i < json_array_size(ids) && !rc; i++) {
        int32_t id = 0;

        rc = get_id(json_array_get(ids, i), name, &id, err);
        if (!rc && id >= tok->vocab.count)
            rc = bt_fail(err, BT_ERR_TOK_FILE, "the template puts in id %d, but the vocabulary ends at %d", id,
                         tok->vocab.count - 1);
        if (!rc && *count == BT_TEMPLATE_MAX)
            rc = unknown("a template of more than 8 marks on a side", err);
        if (!rc)
            list[(*count)++] = id;
    }
    return rc;
}

/* post_processor: null and ByteLevel add nothing; a template puts marks before and behind the text. */
static int post_processor(struct bt_tokenizer *tok, const json_t *root, struct bt_err *err)
{
    const json_t *post, *single;
    bool behind = false;
    int rc = get_object(root, "post_processor", &post, err);

    tok->before_count = tok->behind_count = 0;
    if (rc || !post)
        return rc;
    const char *type = json_string_value(json_object_get(post, "type"));
    if (type && strcmp(type, "ByteLevel") == 0 && tok->kind == BT_TOKENIZER_OPT)
        return BT_OK;
    rc = need_text(post, "type", "TemplateProcessing", false, err);
    if (rc)
        return rc;
    single = json_object_get(post, "single");
    if (!json_is_array(single))
        return bt_fail(err, BT_ERR_TOK_FILE, "the template has no list 'single'; the file is damaged");
    for (size_t i = 0; i < json_array_size(single) && !rc; i++) {
        const json_t *part = json_array_get(single, i);
        const char *name = json_string_value(json_object_get(json_object_get(part, "SpecialToken"), "id"));

        if (name)
            rc = template_token(tok, post, name, behind, err);
        else if (json_object_get(part, "Sequence") && !behind)
            behind = true;
        else
            rc = bt_fail(err, BT_ERR_TOK_FILE, "part %zu of the template is neither a mark nor the text", i + 1);
    }
    if (!rc && !behind)
        rc = bt_fail(err, BT_ERR_TOK_FILE, "the template has no place for the text; the file is damaged");
    return rc;
}

/* ---------------------------------------------------------------- WordPiece */

static int wordpiece_rules(const json_t *root, const json_t *model, struct bt_err *err)
{
    const json_t *normalizer, *pre, *decoder;
    int rc = get_object(root, "normalizer", &normalizer, err);

    if (!rc)
        rc = get_object(root, "pre_tokenizer", &pre, err);
    if (!rc)
        rc = get_object(root, "decoder", &decoder, err);
    if (!rc)
        rc = need_text(normalizer, "type", "BertNormalizer", false, err);
    if (!rc)
        rc = need_bool(normalizer, "clean_text", true, false, err);
    if (!rc)
        rc = need_bool(normalizer, "handle_chinese_chars", true, false, err);
    if (!rc)
        rc = need_bool(normalizer, "strip_accents", true, true, err);
    if (!rc)
        rc = need_bool(normalizer, "lowercase", true, false, err);
    if (!rc)
        rc = need_text(pre, "type", "BertPreTokenizer", false, err);
    if (!rc && decoder)
        rc = need_text(decoder, "type", "WordPiece", false, err);
    if (!rc && decoder)
        rc = need_text(decoder, "prefix", "##", false, err);
    return rc ? rc : need_text(model, "continuing_subword_prefix", "##", false, err);
}

static int wordpiece_model(struct bt_tokenizer *tok, const json_t *root, const json_t *model, struct bt_err *err)
{
    const char *unk = json_string_value(json_object_get(model, "unk_token"));
    const json_t *max_chars = json_object_get(model, "max_input_chars_per_word");
    int rc = wordpiece_rules(root, model, err);

    if (!rc && !unk)
        rc = bt_fail(err, BT_ERR_TOK_FILE, "unk_token is missing; the file is damaged");
    if (!rc && !json_is_integer(max_chars))
        rc = bt_fail(err, BT_ERR_TOK_FILE, "max_input_chars_per_word is not a whole number; the file is damaged");
    if (rc)
        return rc;
    tok->max_chars = json_integer_value(max_chars);
    if (tok->max_chars < 1 || tok->max_chars > MAX_CHARS_MOST)
        return bt_fail(err, BT_ERR_TOK_FILE, "max_input_chars_per_word is %lld, outside 1 to %d",
                       (long long)tok->max_chars, MAX_CHARS_MOST);
    rc = bt_tokenizer_vocab_json(&tok->vocab, json_object_get(model, "vocab"), err);
    return rc ? rc : bt_tokenizer_bert_setup(tok, unk, err);
}

/* ---------------------------------------------------------------- BPE */

/* The pre-tokenizer says whether symbols are bytes; none at all means characters. */
static int bpe_rules(const json_t *root, const json_t *model, bool *byte_level, struct bt_err *err)
{
    const json_t *normalizer, *pre, *decoder, *dropout = json_object_get(model, "dropout");
    int rc = get_object(root, "normalizer", &normalizer, err);

    if (!rc && normalizer)
        rc = unknown("a normalizer before BPE", err);
    if (!rc)
        rc = get_object(root, "pre_tokenizer", &pre, err);
    *byte_level = !rc && pre;
    if (!rc && pre)
        rc = need_text(pre, "type", "ByteLevel", false, err);
    if (!rc && pre)
        rc = need_bool(pre, "add_prefix_space", false, false, err);
    if (!rc && pre)
        rc = need_bool(pre, "use_regex", true, true, err);
    if (!rc)
        rc = get_object(root, "decoder", &decoder, err);
    if (!rc && decoder)
        rc = need_text(decoder, "type", "ByteLevel", false, err);
    if (!rc && dropout && !json_is_null(dropout))
        rc = unknown("dropout", err);
    if (!rc)
        rc = need_text(model, "continuing_subword_prefix", "", true, err);
    if (!rc)
        rc = need_text(model, "end_of_word_suffix", "", true, err);
    if (!rc)
        rc = need_bool(model, "fuse_unk", false, true, err);
    if (!rc)
        rc = need_bool(model, "byte_fallback", false, true, err);
    return rc ? rc : need_bool(model, "ignore_merges", false, true, err);
}

/* One merge: "left right", or ["left", "right"]. */
static int bpe_merge(struct bt_bpe *bpe, const json_t *merge, struct bt_err *err)
{
    const char *left = json_string_value(merge), *right = NULL;
    size_t left_size = 0;

    if (left) {
        const char *space = strchr(left, ' ');

        right = space && !strchr(space + 1, ' ') ? space + 1 : NULL;
        left_size = space ? (size_t)(space - left) : 0;
    } else if (json_array_size(merge) == 2) {
        left = json_string_value(json_array_get(merge, 0));
        right = json_string_value(json_array_get(merge, 1));
        left_size = left ? strlen(left) : 0;
    }
    if (left_size == 0 || !right || !*right)
        return bt_fail(err, BT_ERR_TOK_FILE, "merge %zu is not a pair of symbols; the file is damaged",
                       (size_t)bpe->merge_count + 1);
    return bt_bpe_merge_add(bpe, left, left_size, right, strlen(right), err);
}

static int bpe_model(struct bt_tokenizer *tok, const json_t *root, const json_t *model, struct bt_err *err)
{
    const json_t *merges = json_object_get(model, "merges"), *unk = json_object_get(model, "unk_token");
    bool byte_level = false;
    int32_t unk_id = -1;
    int rc = bpe_rules(root, model, &byte_level, err);

    if (!rc)
        rc = bt_tokenizer_vocab_json(&tok->vocab, json_object_get(model, "vocab"), err);
    if (!rc && unk && !json_is_null(unk)) {
        unk_id = json_is_string(unk) ? bt_vocab_find(&tok->vocab, json_string_value(unk), json_string_length(unk)) : -1;
        if (unk_id < 0)
            rc = bt_fail(err, BT_ERR_TOK_FILE, "unk_token is not in the vocabulary; the file is damaged");
    }
    if (!rc && !json_is_array(merges))
        rc = bt_fail(err, BT_ERR_TOK_FILE, "merges is not a list; the file is damaged");
    if (!rc)
        rc = bt_bpe_init(&tok->bpe, &tok->vocab, byte_level, unk_id, err);
    for (size_t i = 0; !rc && i < json_array_size(merges); i++)
        rc = bpe_merge(&tok->bpe, json_array_get(merges, i), err);
    tok->model_count = tok->vocab.count;
    return rc;
}

/* ---------------------------------------------------------------- unigram */

/* The charsmap, as the bytes that are to be freed. */
static int charsmap(const json_t *step, uint8_t **blob, size_t *size, struct bt_err *err)
{
    const json_t *text = json_object_get(step, "precompiled_charsmap");
    size_t length = json_string_length(text);

    if (!json_is_string(text) || *blob)
        return bt_fail(err, BT_ERR_TOK_FILE, "precompiled_charsmap is not one string; the file is damaged");
    *blob = bt_alloc(length / 4 * 3, 1, err);
    if (!*blob)
        return BT_ERR_MEMORY;
    if (!bt_base64_decode(json_string_value(text), length, *blob, size))
        return bt_fail(err, BT_ERR_TOK_FILE, "precompiled_charsmap is not base64; the file is damaged");
    return BT_OK;
}

/* Runs of spaces to one, which some files write as what a space becomes. */
static int replace_step(const json_t *step, struct bt_unigram_rules *rules, struct bt_err *err)
{
    const json_t *content = json_object_get(step, "content");
    int rc = need_text(json_object_get(step, "pattern"), "Regex", " {2,}", false, err);

    rules->collapse = true;
    if (!rc && json_is_string(content) && strcmp(json_string_value(content), BT_UNIGRAM_SPACE) == 0)
        return rules->split_white ? unknown("U+2581 from a Replace between words that white space parts", err) : BT_OK;
    return rc ? rc : need_text(step, "content", " ", false, err);
}

/* One step of the normalizer; `order` keeps the published order: charsmap, strip, replace. */
static int normalizer_step(const json_t *step, int *order, struct bt_unigram_rules *rules, uint8_t **blob, size_t *size,
                           struct bt_err *err)
{
    static const char *const types[] = { "Precompiled", "Strip", "Replace" };
    const char *type = json_string_value(json_object_get(step, "type"));
    int which = 0, rc = BT_OK;

    while (which < 3 && (!type || strcmp(type, types[which]) != 0))
        which++;
    if (which == 3 || which < *order)
        return unknown(type ? bt_quote_str(type) : "a normalizer without a type", err);
    *order = which + 1;
    if (which == 0)
        return charsmap(step, blob, size, err);
    if (which == 2)
        return replace_step(step, rules, err);
    rules->strip_right = true;
    rc = need_bool(step, "strip_left", false, false, err);
    return rc ? rc : need_bool(step, "strip_right", true, false, err);
}

static int normalizer(const json_t *root, struct bt_unigram_rules *rules, uint8_t **blob, size_t *size,
                      struct bt_err *err)
{
    const json_t *whole, *steps;
    int order = 0, rc = get_object(root, "normalizer", &whole, err);

    if (rc || !whole)
        return rc;
    steps = json_object_get(whole, "normalizers");
    if (!steps)
        return normalizer_step(whole, &order, rules, blob, size, err);
    rc = need_text(whole, "type", "Sequence", false, err);
    if (!rc && !json_is_array(steps))
        rc = bt_fail(err, BT_ERR_TOK_FILE, "normalizers is not a list; the file is damaged");
    for (size_t i = 0; i < json_array_size(steps) && !rc; i++)
        rc = normalizer_step(json_array_get(steps, i), &order, rules, blob, size, err);
    return rc;
}

static int metaspace(const json_t *step, struct bt_err *err)
{
    int rc = need_text(step, "type", "Metaspace", false, err);

    if (!rc)
        rc = need_text(step, "replacement", BT_UNIGRAM_SPACE, false, err);
    if (!rc)
        rc = need_bool(step, "add_prefix_space", true, true, err);
    if (!rc)
        rc = need_text(step, "prepend_scheme", "always", true, err);
    return rc ? rc : need_bool(step, "split", true, true, err);
}

/* Metaspace, or a list of WhitespaceSplit and Metaspace. */
static int pre_tokenizer(const json_t *root, struct bt_unigram_rules *rules, struct bt_err *err)
{
    const json_t *pre, *steps;
    int rc = get_object(root, "pre_tokenizer", &pre, err);

    if (!rc && !pre)
        rc = unknown("unigram without a pre_tokenizer", err);
    if (rc)
        return rc;
    steps = json_object_get(pre, "pretokenizers");
    if (!steps)
        return metaspace(pre, err);
    rc = need_text(pre, "type", "Sequence", false, err);
    if (!rc && json_array_size(steps) != 2)
        rc = unknown("a list of pre-tokenizers that are not two", err);
    if (!rc)
        rc = need_text(json_array_get(steps, 0), "type", "WhitespaceSplit", false, err);
    rules->split_white = true;
    return rc ? rc : metaspace(json_array_get(steps, 1), err);
}

static int unigram_piece(struct bt_tokenizer *tok, const json_t *entry, double *score, struct bt_err *err)
{
    const json_t *text = json_array_get(entry, 0), *number = json_array_get(entry, 1);

    if (json_array_size(entry) != 2 || !json_is_string(text) || !json_is_number(number))
        return bt_fail(err, BT_ERR_TOK_FILE, "piece %d is not a text and a score; the file is damaged", tok->vocab.count);
    *score = bt_unigram_score(json_number_value(number));
    return bt_vocab_append(&tok->vocab, json_string_value(text), json_string_length(text), NULL, err);
}

static int unigram_pieces(struct bt_tokenizer *tok, const json_t *pieces, double **scores, struct bt_err *err)
{
    size_t count = json_array_size(pieces);
    int rc = BT_OK;

    if (!json_is_array(pieces))
        return bt_fail(err, BT_ERR_TOK_FILE, "the vocabulary is not a list of pieces; the file is damaged");
    *scores = bt_alloc(count, sizeof **scores, err);
    if (!*scores)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < count && !rc; i++)
        rc = unigram_piece(tok, json_array_get(pieces, i), *scores + i, err);
    tok->model_count = tok->vocab.count;
    return rc;
}

static int unigram_model(struct bt_tokenizer *tok, const json_t *root, const json_t *model, struct bt_err *err)
{
    struct bt_unigram_rules rules = { 0 };
    const json_t *decoder, *unk = json_object_get(model, "unk_id");
    uint8_t *blob = NULL;
    size_t size = 0;
    double *scores = NULL;
    int32_t unk_id = 0;
    int rc = pre_tokenizer(root, &rules, err);

    if (!rc)
        rc = normalizer(root, &rules, &blob, &size, err);
    if (!rc)
        rc = get_object(root, "decoder", &decoder, err);
    if (!rc && decoder)
        rc = metaspace(decoder, err);
    if (!rc)
        rc = need_bool(model, "byte_fallback", false, true, err);
    if (!rc && (!unk || json_is_null(unk)))
        rc = unknown("unigram without an unknown piece", err);
    if (!rc)
        rc = get_id(unk, "unk_id", &unk_id, err);
    if (!rc)
        rc = unigram_pieces(tok, json_object_get(model, "vocab"), &scores, err);
    if (!rc)
        rc = bt_unigram_init(&tok->unigram, &tok->vocab, scores, unk_id, blob, size, rules, err);
    else
        free(scores);
    free(blob);
    return rc;
}

/* ---------------------------------------------------------------- the document */

static int kind_of(const json_t *model, enum bt_tokenizer_kind *kind, struct bt_err *err)
{
    const char *type = json_string_value(json_object_get(model, "type"));

    if (!type && json_object_get(model, "merges"))
        type = "BPE";
    if (!type && json_object_get(model, "max_input_chars_per_word"))
        type = "WordPiece";
    if (!type && json_object_get(model, "unk_id"))
        type = "Unigram";
    if (!type)
        return bt_fail(err, BT_ERR_TOK_FILE, "the model does not say of what kind it is; the file is damaged");
    if (strcmp(type, "WordPiece") == 0)
        *kind = BT_TOKENIZER_BERT;
    else if (strcmp(type, "BPE") == 0)
        *kind = BT_TOKENIZER_OPT;
    else if (strcmp(type, "Unigram") == 0)
        *kind = BT_TOKENIZER_T5;
    else
        return bt_fail(err, BT_ERR_TOK_PATTERN, "a model of kind '%s', which is not built; use BERT, OPT or T5",
                       bt_quote_str(type));
    return BT_OK;
}

int bt_tokenizer_from_json(struct bt_tokenizer **out, const json_t *root, struct bt_err *err)
{
    struct bt_tokenizer *tok = NULL;
    enum bt_tokenizer_kind kind = BT_TOKENIZER_BERT;
    const json_t *model;
    int rc = json_is_object(root) ? BT_OK
                                  : bt_fail(err, BT_ERR_TOK_FILE, "not an object; this is not a tokenizer.json");

    if (!rc)
        rc = need_text(root, "version", "1.0", false, err);
    if (!rc)
        rc = get_object(root, "model", &model, err);
    if (!rc && !model)
        rc = bt_fail(err, BT_ERR_TOK_FILE, "no model in it; this is not a tokenizer.json");
    if (!rc)
        rc = kind_of(model, &kind, err);
    if (!rc)
        rc = bt_tokenizer_new(&tok, kind, err);
    if (!rc)
        rc = kind == BT_TOKENIZER_BERT ? wordpiece_model(tok, root, model, err)
             : kind == BT_TOKENIZER_T5 ? unigram_model(tok, root, model, err)
                                       : bpe_model(tok, root, model, err);
    if (!rc)
        rc = added_tokens(tok, root, err);
    if (!rc)
        rc = post_processor(tok, root, err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}
