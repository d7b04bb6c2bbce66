/* The tokenize cases of tests/golden/metrics.c: what the lexer prints, byte for byte, then the tokens. */
#ifndef BT_TESTS_GOLDEN_METRIC_TOKENIZE_H
#define BT_TESTS_GOLDEN_METRIC_TOKENIZE_H

#include "libcommon/metrics/ptb.h"

/* A stream of captions, and the token strings that are wanted for them. */
struct token_stream {
    struct bt_text *captions, *tokens;
    size_t count;
};

static void stream_add(struct token_stream *s, const json_t *caption, const json_t *tokens)
{
    s->captions = realloc(s->captions, (s->count + 1) * sizeof *s->captions);
    s->tokens = realloc(s->tokens, (s->count + 1) * sizeof *s->tokens);
    s->captions[s->count] = text_of(caption);
    s->tokens[s->count++] = text_of(tokens);
}

static void compare_raw(struct bt_text got, struct bt_text want)
{
    size_t line = 1, start = 0, i = 0;
    for (; i < got.size && i < want.size && got.data[i] == want.data[i]; i++)
        if (got.data[i] == '\n') {
            line++;
            start = i + 1;
        }
    if (i < got.size || i < want.size)
        differ("line %zu is '%s', want '%s'", line, bt_quote(got.data + start, got.size - start),
               bt_quote(want.data + start, want.size - start));
}

static void check_stream(const struct token_stream *s, struct bt_text raw)
{
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_buf printed = { 0 }, text = { 0 };
    struct bt_text *tokens = calloc(s->count + 1, sizeof *tokens);
    struct bt_err err = { 0 };

    if (bt_ptb_lex(ptb, s->captions, s->count, &printed, &err) != BT_OK ||
        bt_ptb_tokenize(ptb, s->captions, s->count, &text, tokens, &err) != BT_OK)
        differ("%s", err.text);
    else
        compare_raw((struct bt_text){ printed.data, printed.size }, raw);
    for (size_t i = 0; !err.status && i < s->count; i++)
        if (tokens[i].size != s->tokens[i].size ||
            memcmp(tokens[i].data, s->tokens[i].data, tokens[i].size) != 0)
            differ("tokens of caption %zu are '%s', want '%s'", i + 1,
                   bt_quote(tokens[i].data, tokens[i].size), bt_quote(s->tokens[i].data, s->tokens[i].size));
    free(tokens);
    bt_buf_free(&printed);
    bt_buf_free(&text);
    bt_ptb_free(ptb);
}

static json_t *load_lines(const char *path)
{
    json_t *lines = json_array();
    struct bt_lines *file = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t size;
    int rc = bt_lines_open(&file, path, &err);
    while (!rc && (rc = bt_lines_next(file, &line, &size, &err)) == BT_OK)
        json_array_append_new(lines, json_loadb(line, size, JSON_ALLOW_NUL, NULL));
    if (rc != BT_END)
        differ("%s", err.text);
    else if (json_array_size(lines) == 0)
        differ("%s is empty", path);
    bt_lines_close(file);
    return lines;
}

/* One stream, a caption a line. */
static void check_long_stream(const json_t *lines, const char *raw_path)
{
    struct token_stream s = { 0 };
    struct bt_err err = { 0 };
    char *raw = NULL;
    size_t raw_size = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        stream_add(&s, json_object_get(line, "caption"), json_object_get(line, "tokens"));
    }
    if (bt_file_read(raw_path, 1 << 28, &raw, &raw_size, &err) != BT_OK)
        differ("%s", err.text);
    else
        check_stream(&s, (struct bt_text){ raw, raw_size });
    free(raw);
    free(s.captions);
    free(s.tokens);
}

/* A stream a line. */
static void check_short_streams(const json_t *lines)
{
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i), *captions = json_object_get(line, "captions");
        struct token_stream s = { 0 };
        for (size_t k = 0; k < json_array_size(captions); k++)
            stream_add(&s, json_array_get(captions, k), json_array_get(json_object_get(line, "tokens"), k));
        check_stream(&s, text_of(json_object_get(line, "raw")));
        free(s.captions);
        free(s.tokens);
    }
}

/* Called for NAME.jsonl and for NAME.raw.txt, which belongs to it. */
static void check_tokenize(const char *file)
{
    const char *end = strstr(file, ".jsonl");
    if (!end)
        return;
    char *path = bt_format("%s/%s", root, file);
    char *raw_path = bt_format("%s/%.*s.raw.txt", root, (int)(end - file), file);
    json_t *lines = load_lines(path);
    if (strstr(file, "short_streams"))
        check_short_streams(lines);
    else
        check_long_stream(lines, raw_path);
    json_decref(lines);
    free(raw_path);
    free(path);
    report(file, NULL, NULL);
}

#endif
