/* Reader of tables: tab-separated lines without quoting, comma-separated ones with that of RFC 4180, and the lists of CC3M and
 * CC12M, in which a picture goes by its row and the checksum of its address. data.md 3.3, 10; formats.md 11. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/map.h"
#include "libcommon/image/reader.h"

enum { MOST_COLUMNS = 256, TOLD = 100000 };

struct table {
    struct bt_reader_of_items base;
    struct bt_lines *lines;
    char delimiter;
    bool quoted;             /* RFC 4180 */
    bool rest;               /* the last column takes what is left of the line */
    const char *why_columns; /* who says how many there are: "the header has", "most lines have" */
    size_t columns;          /* 0: not known yet */
    char *header[MOST_COLUMNS]; /* names of fields, or of columns */
    int url_column;          /* of CC3M and CC12M; -1: none */
    int guessed_caption;     /* the column that was recognised as the caption's; -1: it was said */
    uint64_t row;            /* rows behind the header, from 0 */
    /* the row at hand */
    struct bt_buf text;      /* cells, a NUL behind each */
    size_t start[MOST_COLUMNS], count;
};

static void close_table(struct bt_reader_of_items *r)
{
    struct table *t = (struct table *)r;

    for (size_t i = 0; i < MOST_COLUMNS; i++)
        free(t->header[i]);
    bt_lines_close(t->lines);
    bt_buf_free(&t->text);
    free(t);
}

static const char *cell(const struct table *t, size_t i)
{
    return t->text.data + t->start[i];
}

/* An address and nothing else. A caption may well contain one. */
static bool is_address(const char *text)
{
    const char *p = text;

    while (isalnum((unsigned char)*p))
        p++;
    return p > text && strncmp(p, "://", 3) == 0 && !strpbrk(p, " \t");
}

/* ---- rows ---- */

static int begin_cell(struct table *t, struct bt_err *err)
{
    if (t->count == MOST_COLUMNS)
        return bt_fail(err, BT_ERR_LIMIT, "%s:%llu: more than %d columns", t->base.place.path,
                       (unsigned long long)bt_lines_number(t->lines), MOST_COLUMNS);
    t->start[t->count++] = t->text.size;
    return BT_OK;
}

static int end_cell(struct table *t, const char *data, size_t size, struct bt_err *err)
{
    int rc = bt_buf_add(&t->text, data, size, err);

    return rc ? rc : bt_buf_add(&t->text, "", 1, err);
}

/* What stands between quotes, over as many lines as it takes; *line moves behind the closing one. */
static int quoted_cell(struct table *t, const char **line, size_t *size, struct bt_err *err)
{
    uint64_t begun = bt_lines_number(t->lines);
    int rc = BT_OK;

    while (!rc) {
        const char *quote = memchr(*line, '"', *size);
        size_t length = quote ? (size_t)(quote - *line) : *size;
        bool twice = quote && length + 1 < *size && quote[1] == '"';

        rc = bt_buf_add(&t->text, *line, length + twice, err);
        if (quote) {
            *line += length + 1 + twice;
            *size -= length + 1 + twice;
            if (!twice)
                return rc ? rc : bt_buf_add(&t->text, "", 1, err);
            continue;
        }
        if (!rc)
            rc = bt_buf_add(&t->text, "\n", 1, err);
        if (!rc)
            rc = bt_lines_next(t->lines, line, size, err);
    }
    if (rc == BT_END)
        rc = bt_fail(err, BT_ERR_INPUT, "%s:%llu: the quote that opens here is never closed; close it, or read the file as tsv",
                     t->base.place.path, (unsigned long long)begun);
    return rc;
}

/* Cells of the next line that has any. *wrong is set where a cell goes on behind its closing quote. */
static int next_row(struct table *t, const char **wrong, struct bt_err *err)
{
    const char *line;
    size_t size;
    int rc;

    *wrong = NULL;
    t->text.size = t->count = 0;
    do
        rc = bt_lines_next(t->lines, &line, &size, err);
    while (!rc && size == 0);
    while (!rc) {
        const char *end = memchr(line, t->delimiter, size);
        size_t length = end ? (size_t)(end - line) : size;

        rc = begin_cell(t, err);
        if (!rc && t->quoted && size && *line == '"') {
            line++;
            size--;
            rc = quoted_cell(t, &line, &size, err);
            if (rc)
                return rc;
            if (size && *line != t->delimiter) {
                *wrong = "text behind a closing quote";
                return BT_OK;
            }
            end = size ? line : NULL;
            length = 0;
        } else if (!rc) {
            if (t->rest && t->columns && t->count == t->columns)
                end = NULL, length = size;
            rc = end_cell(t, line, length, err);
        }
        if (!end)
            break;
        line += length + 1;
        size -= length + 1;
    }
    return rc;
}

/* ---- which column is what ---- */

/* Names that columns go by, and the fields they are. */
static const char *const known[][2] = {
    { "image", "image" }, { "path", "image" }, { "file", "image" }, { "file_name", "image" }, { "filename", "image" },
    { "filepath", "image" }, { "caption", "caption" }, { "captions", "caption" }, { "title", "caption" }, { "comment", "caption" },
    { "text", "caption" }, { "top_caption", "caption" }, { "url", "url" }, { "image_url", "url" }, { "image_urls", "url" },
    { "id", "id" }, { "image_id", "image_id" }, { "question", "question" }, { "question_id", "question_id" },
    { "answer", "answer" }, { "split", "split" },
};

static const char *field_called(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(known[i][0], name) == 0)
            return known[i][1];
    return NULL;
}

static int name_column(struct table *t, size_t i, const char *name, struct bt_err *err)
{
    free(t->header[i]);
    t->header[i] = strdup(name);
    return t->header[i] ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", t->base.place.path);
}

static void rewind_rows(struct table *t, struct bt_err *err)
{
    bt_lines_close(t->lines);
    t->lines = NULL;
    bt_lines_open(&t->lines, t->base.place.path, err);
}

/* What the first TOLD rows look like. */
struct survey {
    uint64_t rows, addresses[2];       /* in each of the first two columns */
    uint64_t fields[MOST_COLUMNS + 1]; /* rows of so many */
};

static int survey_rows(struct table *t, struct survey *s, struct bt_err *err)
{
    const char *wrong;
    int rc;

    *s = (struct survey){ 0 };
    while (!(rc = next_row(t, &wrong, err)) && s->rows < TOLD) {
        s->rows++;
        s->fields[wrong ? 0 : t->count]++;
        for (size_t i = 0; i < 2 && i < t->count; i++)
            s->addresses[i] += is_address(cell(t, i));
    }
    if (rc && rc != BT_END)
        return rc;
    rewind_rows(t, err);
    return err->status;
}

/* A list without names: two columns, an address or a path, and a caption. The order is that of the rows together. */
static int recognise(struct table *t, const struct survey *s, struct bt_err *err)
{
    int rc;

    if (t->columns == 1)
        t->guessed_caption = 0;
    else if (t->columns == 2 && s->addresses[0] != s->addresses[1])
        t->guessed_caption = s->addresses[0] > s->addresses[1];
    else
        return bt_fail(err, BT_ERR_INPUT, "%s: nothing tells what its %zu columns are; name them with --map caption=1,image=2",
                       bt_quote_str(t->base.place.path), t->columns);
    rc = name_column(t, (size_t)t->guessed_caption, "caption", err);
    return !rc && t->columns == 2 ? name_column(t, (size_t)!t->guessed_caption, "image", err) : rc;
}

/* The lists of CC3M and CC12M say which column is which; a file that has them the other way round would train on addresses. */
static int check_preset(struct table *t, size_t caption, struct bt_err *err)
{
    struct survey s;
    int rc = strcmp(t->base.place.path, "-") == 0 ? BT_END : survey_rows(t, &s, err);

    if (rc)
        return rc == BT_END ? BT_OK : rc;
    if (s.rows && s.addresses[caption] * 2 > s.rows)
        return bt_fail(err, BT_ERR_INPUT, "%s: column %zu looks like an address in %llu of %llu rows, but is the caption in a list "
                       "of %s; name the columns with --format tsv --map", bt_quote_str(t->base.place.path), caption + 1,
                       (unsigned long long)s.addresses[caption], (unsigned long long)s.rows, caption == 0 ? "cc3m" : "cc12m");
    return BT_OK;
}

/* How many columns a table without names has. Were it the first line that says so, a comma in its caption would be a column, and all
 * that stands behind the comma lost. */
static int count_columns(struct table *t, const struct bt_map *map, const struct survey *s, struct bt_err *err)
{
    size_t fewest = MOST_COLUMNS, most = 0, usual = 0;

    if (t->rest && map) {
        t->columns = bt_map_last_column(map);
        t->why_columns = "--map has";
        return t->columns <= MOST_COLUMNS ? BT_OK : bt_fail(err, BT_ERR_USAGE, "--map: more than %d columns", MOST_COLUMNS);
    }
    for (size_t i = 1; i <= MOST_COLUMNS; i++) {
        if (s->fields[i] == 0)
            continue;
        fewest = i < fewest ? i : fewest;
        most = i;
        usual = s->fields[i] > s->fields[usual] || usual == 0 ? i : usual;
    }
    if (s->fields[usual] * 10 < (s->rows - s->fields[0]) * 9)
        return bt_fail(err, BT_ERR_INPUT, "%s: its lines have %zu to %zu fields, and no header says how many are right; add one, "
                       "or give --last-column-rest and --map", bt_quote_str(t->base.place.path), fewest, most);
    t->columns = usual;
    t->why_columns = "most lines have";
    return BT_OK;
}

/* The first row, which is not a header, was read. */
static int number_columns(struct table *t, const struct bt_map *map, struct bt_err *err)
{
    struct survey s;
    int rc;

    if (strcmp(t->base.place.path, "-") == 0)
        return bt_fail(err, BT_ERR_USAGE, map ? "stdin: a table needs a header here; name its columns in the first line"
                                              : "stdin: its columns cannot be looked up; name them in the first line");
    rewind_rows(t, err);
    rc = err->status;
    if (!rc)
        rc = survey_rows(t, &s, err);
    if (!rc)
        rc = count_columns(t, map, &s, err);
    for (size_t i = 0; i < t->columns && !rc; i++) {
        char number[24];

        snprintf(number, sizeof number, "%zu", i + 1);
        rc = name_column(t, i, number, err);
    }
    return !rc && !map ? recognise(t, &s, err) : rc;
}

/* The header, or what takes its place. Leaves the first row of data to be read next. */
static int set_up_columns(struct table *t, const struct bt_map *map, struct bt_err *err)
{
    const char *wrong;
    int rc = next_row(t, &wrong, err);
    bool any = false;

    if (rc == BT_END) /* nothing in it; the reader says so */
        return BT_OK;
    if (rc)
        return rc;
    for (size_t i = 0; i < t->count; i++)
        any = any || field_called(cell(t, i));
    if (map ? bt_map_by_number(map) : !any)
        return number_columns(t, map, err);
    t->columns = t->count;
    t->why_columns = "the header has";
    for (size_t i = 0; i < t->count && !rc; i++) {
        const char *field = map ? NULL : field_called(cell(t, i));

        rc = name_column(t, i, field ? field : cell(t, i), err);
    }
    return rc;
}

/* ---- items ---- */

/* A row as an object under the names of its columns. NULL with the item bad, or with memory out. */
static json_t *object_of(struct table *t, struct bt_item *item)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < t->count; i++) {
        size_t end = i + 1 < t->count ? t->start[i + 1] : t->text.size, size = end - t->start[i] - 1;
        json_t *value = json_stringn(cell(t, i), size);

        if (memchr(cell(t, i), 0, size))
            bt_item_reject(item, "TEXT_NUL", "a NUL byte in column %zu", i + 1);
        else if (!value)
            bt_item_reject(item, "TEXT_UTF8", "column %zu is not UTF-8", i + 1);
        if (item->reject.code || json_object_set_new(object, t->header[i], value)) {
            json_decref(item->reject.code ? value : NULL);
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* CC3M's downloaders name a picture <row>_<crc32 of its address>, some with an ending and some without. */
static int find_downloaded(struct table *t, struct bt_item *item, struct bt_err *err)
{
    static const char *const endings[] = { ".jpg", "", ".jpeg", ".png", ".webp" };
    const char *url = cell(t, (size_t)t->url_column), *found = NULL;
    unsigned long checksum = crc32(0, (const uint8_t *)url, (unsigned)strlen(url));
    int rc = BT_OK;

    item->root = t->base.place.root;
    for (size_t i = 0; !rc && !found && i < sizeof endings / sizeof *endings; i++) {
        char name[64];

        snprintf(name, sizeof name, "%llu_%lu%s", (unsigned long long)t->row, checksum, endings[i]);
        rc = bt_root_find(t->base.place.root, name, -1, &found, err);
    }
    if (rc)
        return rc;
    if (!found)
        return bt_item_reject(item, "FILE_MISSING", "no file '%llu_%lu.jpg' below the image root", (unsigned long long)t->row, checksum);
    item->image = bt_format("%s", found);
    return item->image ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
}

static int fill(struct table *t, struct bt_item *item, struct bt_err *err)
{
    const struct bt_place *place = &t->base.place;
    json_t *object, *mapped;
    int rc = BT_OK;

    if (t->guessed_caption >= 0 && is_address(cell(t, (size_t)t->guessed_caption)))
        return bt_item_reject(item, "FIELD_RANGE", "the caption is an address; say with --map that it is meant so");
    object = object_of(t, item);
    if (!object)
        return item->reject.code ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
    mapped = bt_map_apply(place->options->map, object);
    json_decref(object);
    if (!mapped)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
    free(item->id);
    item->id = json_object_get(mapped, "id") ? bt_id_text(json_object_get(mapped, "id"))
                                             : bt_format("%s:%llu", place->name, (unsigned long long)bt_lines_number(t->lines));
    if (!item->id)
        rc = bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", place->path);
    if (!rc && t->url_column >= 0 && !place->options->text_only) {
        rc = find_downloaded(t, item, err);
        if (!rc && item->image)
            json_object_set_new(mapped, "image", json_string(item->image));
        free(item->image);
        item->image = NULL;
    }
    if (!rc && !item->reject.code)
        rc = bt_item_from_object(item, mapped, place, err);
    json_decref(mapped);
    return rc;
}

static int next_line(struct bt_reader_of_items *r, struct bt_item *item, struct bt_err *err)
{
    struct table *t = (struct table *)r;
    const char *wrong;
    int rc = next_row(t, &wrong, err);

    if (rc)
        return rc;
    item->root = r->place.root;
    item->id = bt_format("%s:%llu", r->place.name, (unsigned long long)bt_lines_number(t->lines));
    if (!item->id)
        return bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", r->place.path);
    if (wrong)
        rc = bt_item_reject(item, "TSV_FIELDS", "line %llu: %s", (unsigned long long)bt_lines_number(t->lines), wrong);
    else if (t->count != t->columns)
        rc = bt_item_reject(item, "TSV_FIELDS", "line %llu: %zu fields, %s %zu", (unsigned long long)bt_lines_number(t->lines),
                            t->count, t->why_columns, t->columns);
    else
        rc = fill(t, item, err);
    t->row++;
    return rc;
}

/* ---- opening ---- */

static int new_table(struct table **out, const struct bt_place *place, bool quoted, struct bt_err *err)
{
    struct table *t = bt_alloc(1, sizeof *t, err);
    int rc;

    if (!t)
        return BT_ERR_MEMORY;
    t->base = (struct bt_reader_of_items){ .place = *place, .next = next_line, .close = close_table };
    t->quoted = quoted;
    t->delimiter = place->options->delimiter ? place->options->delimiter : quoted ? ',' : '\t';
    t->rest = place->options->last_column_rest;
    t->url_column = t->guessed_caption = -1;
    rc = bt_lines_open(&t->lines, place->path, err);
    if (rc)
        close_table(&t->base);
    else
        *out = t;
    return rc;
}

static int read_table(struct bt_reader_of_items **r, const struct bt_place *place, bool quoted, struct bt_err *err)
{
    struct table *t;
    int rc = new_table(&t, place, quoted, err);

    if (rc)
        return rc;
    rc = set_up_columns(t, place->options->map, err);
    if (rc)
        close_table(&t->base);
    else
        *r = &t->base;
    return rc;
}

int bt_read_csv(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_table(r, place, true, err);
}

int bt_read_tsv(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_table(r, place, false, err);
}

static int read_addresses(struct bt_reader_of_items **r, const struct bt_place *place, size_t caption, struct bt_err *err)
{
    struct table *t;
    int rc = new_table(&t, place, false, err);

    if (rc)
        return rc;
    t->columns = 2;
    t->why_columns = "such a list has";
    t->url_column = (int)(1 - caption);
    t->guessed_caption = (int)caption;
    rc = check_preset(t, caption, err);
    if (!rc)
        rc = name_column(t, caption, "caption", err);
    if (!rc)
        rc = name_column(t, 1 - caption, "url", err);
    if (rc)
        close_table(&t->base);
    else
        *r = &t->base;
    return rc;
}

int bt_read_cc3m(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_addresses(r, place, 0, err);
}

int bt_read_cc12m(struct bt_reader_of_items **r, const struct bt_place *place, struct bt_err *err)
{
    return read_addresses(r, place, 1, err);
}
