/* Tokenizers from files: vocab.txt, vocab.json with merges.txt, spiece.model, and by path whatever it is. */
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/text/sentencepiece.h"
#include "libcommon/text/tokenizer_parts.h"
#include "libcommon/text/unicode.h"

#define FILE_MOST (64u << 20) /* formats.md 8 */

/* ---------------------------------------------------------------- BERT */

static int mark_add(struct bt_tokenizer *tok, const char *text, bool needed, int32_t *id, struct bt_err *err)
{
    *id = bt_vocab_find(&tok->vocab, text, strlen(text));
    if (*id >= 0)
        return bt_tokenizer_special_add(tok, text, strlen(text), *id, err);
    if (!needed)
        return BT_OK;
    return bt_fail(err, BT_ERR_TOK_FILE, "no entry '%s'; this is not a BERT vocabulary", text);
}

int bt_tokenizer_bert_setup(struct bt_tokenizer *tok, const char *unk_text, struct bt_err *err)
{
    int32_t cls, sep, other, unk;
    int rc = mark_add(tok, "[CLS]", true, &cls, err);

    if (!rc)
        rc = mark_add(tok, "[SEP]", true, &sep, err);
    if (!rc)
        rc = mark_add(tok, "[PAD]", true, &other, err);
    if (!rc)
        rc = mark_add(tok, "[MASK]", false, &other, err);
    if (!rc)
        rc = mark_add(tok, unk_text, true, &unk, err);
    if (rc)
        return rc;
    tok->model_count = tok->vocab.count;
    tok->before[0] = cls;
    tok->behind[0] = sep;
    tok->before_count = tok->behind_count = 1;
    return bt_wordpiece_init(&tok->wordpiece, &tok->vocab, unk, (size_t)tok->max_chars, err);
}

int bt_tokenizer_dec_add(struct bt_tokenizer *tok, struct bt_err *err)
{
    static const char dec[] = "[DEC]";
    int32_t id = bt_vocab_find(&tok->vocab, dec, strlen(dec));
    int rc = id < 0 ? bt_vocab_append(&tok->vocab, dec, strlen(dec), &id, err) : BT_OK;

    return rc ? rc : bt_tokenizer_special_add(tok, dec, strlen(dec), id, err);
}

/* The next line of text: LF or CRLF ends it. False at the end. */
static bool next_line(const char **text, const char *end, const char **line, size_t *size)
{
    const char *stop;

    if (*text == end)
        return false;
    stop = memchr(*text, '\n', (size_t)(end - *text));
    *line = *text;
    *size = (size_t)((stop ? stop : end) - *text);
    *text = stop ? stop + 1 : end;
    if (*size > 0 && (*line)[*size - 1] == '\r')
        --*size;
    return true;
}

int bt_tokenizer_from_vocab_text(struct bt_tokenizer **out, const char *text, size_t size, struct bt_err *err)
{
    struct bt_tokenizer *tok = NULL;
    const char *end = text + size, *line;
    size_t length;
    int rc = bt_utf8_check(text, size, err);

    if (!rc)
        rc = bt_tokenizer_new(&tok, BT_TOKENIZER_BERT, err);
    while (!rc && next_line(&text, end, &line, &length))
        rc = bt_vocab_append(&tok->vocab, line, length, NULL, err);
    if (!rc)
        rc = bt_tokenizer_bert_setup(tok, "[UNK]", err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}

/* ---------------------------------------------------------------- OPT */

/* "left right": two symbols, one space. */
static int merge_line(struct bt_bpe *bpe, const char *line, size_t size, struct bt_err *err)
{
    const char *space = memchr(line, ' ', size);
    size_t left = space ? (size_t)(space - line) : 0, right = space ? size - left - 1 : 0;

    if (left == 0 || right == 0 || memchr(space + 1, ' ', right))
        return bt_fail(err, BT_ERR_TOK_FILE, "merge %zu is '%s'; it has to be two symbols and one space",
                       (size_t)bpe->merge_count + 1, bt_quote(line, size));
    return bt_bpe_merge_add(bpe, line, left, space + 1, right, err);
}

int bt_tokenizer_merges_text(struct bt_bpe *bpe, const char *text, size_t size, struct bt_err *err)
{
    const char *end = text + size, *line;
    size_t length;
    int rc = bt_utf8_check(text, size, err);

    if (!rc && (size == 0 || end[-1] != '\n'))
        rc = bt_fail(err, BT_ERR_TOK_FILE, "does not end with a newline: the file is cut; fetch it again");
    if (!rc)
        next_line(&text, end, &line, &length); /* the version, whatever it says */
    while (!rc && next_line(&text, end, &line, &length))
        rc = merge_line(bpe, line, length, err);
    return rc;
}

static int opt_setup(struct bt_tokenizer *tok, struct bt_err *err)
{
    static const char *const marks[] = { "<pad>", "</s>" };
    int rc = bt_bpe_init(&tok->bpe, &tok->vocab, true, -1, err);

    for (int i = 0; i < 2 && !rc; i++) {
        int32_t id = bt_vocab_find(&tok->vocab, marks[i], strlen(marks[i]));

        if (id < 0)
            rc = bt_fail(err, BT_ERR_TOK_FILE, "no entry '%s'; this is not an OPT vocabulary", marks[i]);
        else
            rc = bt_tokenizer_special_add(tok, marks[i], strlen(marks[i]), id, err);
        tok->before[0] = id;
    }
    tok->before_count = 1; /* </s>, the last of the marks */
    for (int b = 0; b < 256 && !rc; b++)
        if (tok->bpe.byte_id[b] < 0)
            rc = bt_fail(err, BT_ERR_TOK_FILE, "no entry for byte 0x%02x; a byte-level vocabulary has all 256", b);
    tok->model_count = tok->vocab.count;
    return rc;
}

int bt_tokenizer_from_vocab_json(struct bt_tokenizer **out, const json_t *root, struct bt_err *err)
{
    struct bt_tokenizer *tok = NULL;
    int rc = bt_tokenizer_new(&tok, BT_TOKENIZER_OPT, err);

    if (!rc)
        rc = bt_tokenizer_vocab_json(&tok->vocab, root, err);
    if (!rc)
        rc = opt_setup(tok, err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}

/* ---------------------------------------------------------------- by path */

/* Adds the path to a message about what the file holds. */
static int at_path(int rc, const char *path, struct bt_err *err)
{
    if (rc)
        bt_context(err, "%s", path);
    return rc;
}

static int load_json(json_t **root, const char *path, struct bt_err *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = bt_file_read(path, FILE_MOST, &text, &size, err);

    if (!rc)
        rc = bt_json_parse(root, path, text, size, err);
    free(text);
    return rc;
}

static int load_merges(struct bt_tokenizer *tok, const char *path, struct bt_err *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = bt_file_read(path, FILE_MOST, &text, &size, err);

    if (!rc)
        rc = at_path(bt_tokenizer_merges_text(&tok->bpe, text, size, err), path, err);
    free(text);
    return rc;
}

int bt_tokenizer_load_bpe(struct bt_tokenizer **out, const char *vocab_path, const char *merges_path,
                          struct bt_err *err)
{
    struct bt_tokenizer *tok = NULL;
    json_t *root = NULL;
    int rc = load_json(&root, vocab_path, err);

    if (!rc)
        rc = at_path(bt_tokenizer_from_vocab_json(&tok, root, err), vocab_path, err);
    json_decref(root);
    if (!rc)
        rc = load_merges(tok, merges_path, err);
    if (!rc)
        rc = at_path(bt_tokenizer_seal(tok, err), vocab_path, err);
    if (rc)
        bt_tokenizer_free(tok);
    else
        *out = tok;
    return rc;
}

static int load_vocab_text(struct bt_tokenizer **tok, const char *path, struct bt_err *err)
{
    char *text = NULL;
    size_t size = 0, mark;
    int rc = bt_file_read(path, FILE_MOST, &text, &size, err);

    if (!rc) {
        mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        rc = at_path(bt_tokenizer_from_vocab_text(tok, text + mark, size - mark, err), path, err);
    }
    free(text);
    return rc;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), length = strlen(end);

    return size >= length && strcmp(text + size - length, end) == 0;
}

/* "dir/name", or NULL in *path when there is no such file. */
static int find_in(char **path, const char *dir, const char *name, struct bt_err *err)
{
    *path = bt_format("%s/%s", dir, name);
    if (!*path)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!bt_path_exists(*path)) {
        free(*path);
        *path = NULL;
    }
    return BT_OK;
}

static int load_tokenizer_json(struct bt_tokenizer **tok, bool dec, const char *path, struct bt_err *err)
{
    struct bt_tokenizer *made = NULL;
    json_t *root = NULL;
    int rc = load_json(&root, path, err);

    if (!rc)
        rc = at_path(bt_tokenizer_from_json(&made, root, err), path, err);
    if (!rc && dec && made->kind == BT_TOKENIZER_BERT)
        rc = at_path(bt_tokenizer_dec_add(made, err), path, err);
    if (!rc)
        rc = at_path(bt_tokenizer_seal(made, err), path, err);
    json_decref(root);
    if (rc)
        bt_tokenizer_free(made);
    else
        *tok = made;
    return rc;
}

static int load_bert(struct bt_tokenizer **tok, bool dec, const char *path, struct bt_err *err)
{
    struct bt_tokenizer *made = NULL;
    int rc = load_vocab_text(&made, path, err);

    if (!rc && dec)
        rc = bt_tokenizer_dec_add(made, err);
    if (!rc)
        rc = at_path(bt_tokenizer_seal(made, err), path, err);
    if (rc)
        bt_tokenizer_free(made);
    else
        *tok = made;
    return rc;
}

static int load_sentencepiece(struct bt_tokenizer **tok, const char *path, struct bt_err *err)
{
    struct bt_tokenizer *made = NULL;
    char *data = NULL;
    size_t size = 0;
    int rc = bt_file_read(path, FILE_MOST, &data, &size, err);

    if (!rc) {
        rc = bt_tokenizer_from_sentencepiece(&made, data, size, err);
        if (!rc)
            rc = bt_tokenizer_seal(made, err);
        at_path(rc, path, err);
    }
    free(data);
    if (rc)
        bt_tokenizer_free(made);
    else
        *tok = made;
    return rc;
}

static int load_folder(struct bt_tokenizer **tok, bool dec, const char *dir, struct bt_err *err)
{
    char *vocab = NULL, *merges = NULL, *text = NULL, *json = NULL, *unigram = NULL;
    int rc = find_in(&vocab, dir, "vocab.json", err);

    if (!rc)
        rc = find_in(&merges, dir, "merges.txt", err);
    if (!rc)
        rc = find_in(&text, dir, "vocab.txt", err);
    if (!rc)
        rc = find_in(&json, dir, "tokenizer.json", err);
    if (!rc)
        rc = find_in(&unigram, dir, "spiece.model", err);
    if (!rc && vocab && merges)
        rc = bt_tokenizer_load_bpe(tok, vocab, merges, err);
    else if (!rc && text)
        rc = load_bert(tok, dec, text, err);
    else if (!rc && json)
        rc = load_tokenizer_json(tok, dec, json, err);
    else if (!rc && unigram)
        rc = load_sentencepiece(tok, unigram, err);
    else if (!rc)
        rc = bt_fail(err, BT_ERR_NOINPUT, "%s: neither vocab.json with merges.txt, nor vocab.txt, tokenizer.json or spiece.model", dir);
    free(vocab);
    free(merges);
    free(text);
    free(json);
    free(unigram);
    return rc;
}

static int load(struct bt_tokenizer **tok, bool dec, const char *path, struct bt_err *err)
{
    if (bt_path_is_dir(path))
        return load_folder(tok, dec, path, err);
    if (ends_with(path, ".model"))
        return load_sentencepiece(tok, path, err);
    if (ends_with(path, "vocab.json")) {
        char *merges = bt_format("%.*smerges.txt", (int)(strlen(path) - strlen("vocab.json")), path);
        int rc = merges ? bt_tokenizer_load_bpe(tok, path, merges, err)
                        : bt_fail(err, BT_ERR_MEMORY, "out of memory");
        free(merges);
        return rc;
    }
    if (ends_with(path, ".json"))
        return load_tokenizer_json(tok, dec, path, err);
    return load_bert(tok, dec, path, err);
}

int bt_tokenizer_load(struct bt_tokenizer **tok, const char *path, struct bt_err *err)
{
    return load(tok, true, path, err);
}

int bt_tokenizer_load_plain(struct bt_tokenizer **tok, const char *path, struct bt_err *err)
{
    return load(tok, false, path, err);
}
