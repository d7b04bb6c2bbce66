/* From inputs to items: which form an input has, and how captions are grouped. See annotations.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/unpack.h"
#include "libcommon/image/reader.h"

enum { HEAD = 65536, MAX_TEXT = 16 << 20 };

/* Roots are shared by the inputs that lie in the same folder, and live as long as their items may. */
struct shared_root {
    struct shared_root *next;
    struct bt_root *root;
    char *dir;
};

struct bt_annotations {
    const char *const *inputs;
    size_t count, at;
    struct bt_annotations_options options;
    struct bt_annotations_stats stats;
    struct shared_root *roots;
    struct bt_reader_of_items *reader;
    struct bt_item held; /* an entry of which captions are left, or the first of another picture */
    bool have_held;
    size_t caption_at; /* BT_GROUP_CAPTION: the next caption of `held` */
};

/* ---- which form ---- */

static const struct form {
    const char *name;
    bt_reader_maker *make;
} forms[] = {
    { "coco", bt_read_coco }, { "karpathy", bt_read_karpathy }, { "lavis", bt_read_list },
    { "vqa", bt_read_vqa },   { "jsonl", bt_read_lines },       { "folder", bt_read_folder },
    { "text", bt_read_text }, { "picture", bt_read_picture }, { "gqa", bt_read_gqa }, { "csv", bt_read_csv },
    { "tsv", bt_read_tsv }, { "cc3m", bt_read_cc3m }, { "cc12m", bt_read_cc12m }, { "tar", bt_read_tar },
    { "paths", bt_read_paths },
};

static bt_reader_maker *form_named(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(forms[i].name, name) == 0)
            return forms[i].make;
    return NULL;
}

/* The first element of one array of an object, NULL when the array is empty; false when there is no such
 * array. */
static bool first_of(const char *path, const char *member, json_t **element)
{
    struct bt_json_array *array = NULL;
    struct bt_err ignored = { 0 };
    int rc = bt_json_array_open(&array, path, member, &ignored);

    *element = NULL;
    if (!rc)
        rc = bt_json_array_next(array, element, &ignored);
    bt_json_array_close(array);
    return rc == BT_OK || rc == BT_END;
}

/* An object of questions that know their picture. */
static bool is_gqa(const char *path)
{
    struct bt_json_array *members = NULL;
    struct bt_err ignored = { 0 };
    json_t *question = NULL;
    const char *id;
    int rc = bt_json_members_open(&members, path, &ignored);
    bool yes;

    if (!rc)
        rc = bt_json_members_next(members, &id, &question, &ignored);
    yes = !rc && json_object_get(question, "imageId") && json_object_get(question, "question");
    json_decref(question);
    bt_json_array_close(members);
    return yes;
}

/* An object that fills the file: told by the arrays it has. */
static int form_of_object(bt_reader_maker **make, const char *path, struct bt_err *err)
{
    json_t *element;
    int rc = BT_OK;

    if (first_of(path, "images", &element))
        *make = json_object_get(element, "sentences") ? bt_read_karpathy : bt_read_coco;
    else if (first_of(path, "questions", &element))
        *make = bt_read_vqa;
    else if (first_of(path, "annotations", &element))
        rc = bt_fail(err, BT_ERR_INPUT,
                     "%s: annotations alone; name their question file, and these with --annotations",
                     bt_quote_str(path));
    else if (is_gqa(path))
        *make = bt_read_gqa;
    else
        rc = bt_fail(err, BT_ERR_INPUT,
                     "%s: a JSON object with neither 'images' nor 'questions', or damaged; name its "
                     "form with --format to see where it fails",
                     bt_quote_str(path));
    json_decref(element);
    return rc;
}

/* As in a GQA file that is one line. */
static bool only_objects(const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value)
        if (!json_is_object(value))
            return false;
    return json_object_size(object) > 0;
}

/* JSON lines: the first line is an object by itself and not one of the big forms. */
static bool is_json_line(const char *head, size_t size)
{
    const char *end = memchr(head, '\n', size);
    struct bt_err ignored = { 0 };
    json_t *object;
    bool yes;

    if (!end && size == HEAD)
        return false;
    if (bt_json_parse(&object, "", head, end ? (size_t)(end - head) : size, &ignored))
        return false;
    yes = !json_is_array(json_object_get(object, "images")) &&
          !json_is_array(json_object_get(object, "questions")) &&
          !json_is_array(json_object_get(object, "annotations")) && !only_objects(object);
    json_decref(object);
    return yes;
}

/* Unpacked, as the readers will see it. */
static int read_head(const char *path, char *head, size_t *size, struct bt_err *err)
{
    struct bt_unpack *bytes = NULL;
    int rc = bt_unpack_open(&bytes, path, err);
    ssize_t got = 0;

    *size = 0;
    while (!rc && *size < HEAD && (got = bt_unpack_read(bytes, head + *size, HEAD - *size, err)) > 0)
        *size += (size_t)got;
    bt_unpack_close(bytes);
    return rc ? rc : got < 0 ? err->status : BT_OK;
}

/* Whether the name ends so, before or without the ending of a compressed file. */
static bool is_named(const char *path, const char *ending)
{
    static const char *const packed[] = { "", ".gz", ".zst", ".xz", ".bz2" };
    size_t length = strlen(path), e = strlen(ending);

    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        size_t p = strlen(packed[i]);

        if (length >= e + p && strcasecmp(path + length - p, packed[i]) == 0 &&
            strncasecmp(path + length - p - e, ending, e) == 0)
            return true;
    }
    return false;
}

static bool is_tar(const char *path, const char *head, size_t size)
{
    return (size >= 512 && memcmp(head + 257, "ustar", 5) == 0) || is_named(path, ".tar") || is_named(path, ".tgz");
}

/* Whether the first line is the name of a picture, or a table's line that begins with one ("a.jpg#0<TAB>caption"). */
static bool begins_with_picture(const char *line)
{
    char name[256];
    size_t size = strcspn(line, "\t\r\n");

    if (size == 0 || size >= sizeof name)
        return false;
    memcpy(name, line, size);
    name[size] = '\0';
    name[strcspn(name, "#")] = '\0';
    return bt_is_picture_name(name);
}

/* Anything is lines of text, so what promises more is held to it. */
static int form_of_lines(bt_reader_maker **make, const char *path, const char *text, struct bt_err *err)
{
    *make = bt_read_text;
    if (*text && (is_named(path, ".json") || is_named(path, ".jsonl")))
        return bt_fail(err, BT_ERR_INPUT, "%s: is named as JSON but begins otherwise; get the file again, or name its form with --format",
                       bt_quote_str(path));
    if (begins_with_picture(text))
        return bt_fail(err, BT_ERR_USAGE, "%s: its first line names a picture; give --format=paths for a list of them, tsv for a table, "
                       "text for sentences", bt_quote_str(path));
    return BT_OK;
}

static int recognise(bt_reader_maker **make, const char *path, struct bt_err *err)
{
    char *head;
    size_t size = 0, at = 0;
    int rc;

    if (strcmp(path, "-") == 0)
        return bt_fail(err, BT_ERR_USAGE,
                       "stdin: its form cannot be looked up; name it with --format=jsonl, tar, paths, tsv or text");
    if (bt_path_is_dir(path)) {
        *make = bt_read_folder;
        return BT_OK;
    }
    if (bt_is_picture_name(path)) { /* also one that turns out to be something else: a reject that says so */
        *make = bt_read_picture;
        return bt_path_exists(path) ? BT_OK : bt_fail_errno(err, ENOENT, 0, bt_quote_str(path), NULL);
    }
    head = bt_alloc(HEAD + 1, 1, err);
    rc = head ? read_head(path, head, &size, err) : BT_ERR_MEMORY;
    if (!rc) {
        if (size >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0)
            at = 3;
        at += strspn(head + at, " \t\r\n");
        if (bt_image_is_picture(head, size))
            *make = bt_read_picture;
        else if (strcmp(bt_image_kind(head, size), "an HTML page") == 0) /* what a server answers in place of a file */
            rc = bt_fail(err, BT_ERR_INPUT, "%s: is an HTML page; get the file itself, or name a form with --format", bt_quote_str(path));
        else if (is_tar(path, head, size))
            *make = bt_read_tar;
        else if (size >= 4 && memcmp(head, "PAR1", 4) == 0)
            rc = bt_fail(err, BT_ERR_INPUT, "%s: a Parquet file; write its columns as tab-separated text and read that", bt_quote_str(path));
        else if (is_named(path, ".csv"))
            *make = bt_read_csv;
        else if (is_named(path, ".tsv"))
            *make = bt_read_tsv;
        else if (head[at] == '[')
            *make = bt_read_list;
        else if (head[at] != '{')
            rc = form_of_lines(make, path, head + at, err);
        else if (is_json_line(head + at, size - at))
            *make = bt_read_lines;
        else
            rc = form_of_object(make, path, err);
    }
    free(head);
    return rc;
}

/* ---- opening ---- */

static int share_root(struct bt_annotations *a, const char *dir, struct bt_root **root, struct bt_err *err)
{
    struct shared_root *s;
    int rc;

    for (s = a->roots; s; s = s->next) {
        if (strcmp(s->dir, dir) == 0) {
            *root = s->root;
            return BT_OK;
        }
    }
    s = bt_alloc(1, sizeof *s, err);
    if (!s)
        return BT_ERR_MEMORY;
    s->dir = bt_format("%s", dir);
    rc = s->dir ? bt_root_open(&s->root, dir, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (rc) {
        free(s->dir);
        free(s);
        return rc;
    }
    s->next = a->roots;
    a->roots = s;
    *root = s->root;
    return BT_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(path, "-") == 0 ? "stdin" : slash ? slash + 1 : path;
}

/* Pictures lie in the folder that is the input, else under --images, else beside the file. */
static int place_input(struct bt_annotations *a, struct bt_place *place, bt_reader_maker *make,
                       struct bt_err *err)
{
    const char *slash = strrchr(place->path, '/');
    char *dir;
    int rc;

    if (make == bt_read_folder)
        dir = bt_format("%s", place->path);
    else if (a->options.images && make != bt_read_picture)
        dir = bt_format("%s", a->options.images);
    else if (slash && make != bt_read_paths) /* a list's paths count from where we stand */
        dir = bt_format("%.*s", slash == place->path ? 1 : (int)(slash - place->path), place->path);
    else
        dir = bt_format(".");
    if (!dir)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    rc = share_root(a, dir, &place->root, err);
    if (!rc && make == bt_read_paths)
        rc = share_root(a, "/", &place->top, err);
    free(dir);
    return rc;
}

static int open_next(struct bt_annotations *a, struct bt_err *err)
{
    struct bt_place place = { .path = a->inputs[a->at],
                              .name = base_name(a->inputs[a->at]),
                              .options = &a->options,
                              .stats = &a->stats };
    bt_reader_maker *make = NULL;
    int rc = BT_OK;

    if (a->options.format && strcmp(a->options.format, "auto") != 0)
        make = form_named(a->options.format);
    if (!make)
        rc = recognise(&make, place.path, err);
    if (!rc)
        rc = place_input(a, &place, make, err);
    if (!rc)
        rc = make(&a->reader, &place, err);
    a->at++;
    return rc;
}

int bt_annotations_open(struct bt_annotations **annotations, const char *const *inputs, size_t count,
                        const struct bt_annotations_options *options, struct bt_err *err)
{
    struct bt_annotations *a = bt_alloc(1, sizeof *a, err);
    int rc;

    if (!a)
        return BT_ERR_MEMORY;
    a->inputs = inputs;
    a->count = count;
    a->options = *options;
    rc = count > 0 ? open_next(a, err) : BT_OK;
    if (rc)
        bt_annotations_close(a);
    else
        *annotations = a;
    return rc;
}

void bt_annotations_close(struct bt_annotations *a)
{
    if (!a)
        return;
    if (a->reader)
        a->reader->close(a->reader);
    bt_item_clear(&a->held);
    while (a->roots) {
        struct shared_root *s = a->roots;
        a->roots = s->next;
        bt_root_close(s->root);
        free(s->dir);
        free(s);
    }
    free(a);
}

const struct bt_annotations_stats *bt_annotations_stats(const struct bt_annotations *a)
{
    return &a->stats;
}

/* ---- items ---- */

/* 1: of the split asked for; 0: of another; a bad item is always wanted, for the reject log. */
static bool wanted(struct bt_annotations *a, struct bt_item *item)
{
    const char *want = a->options.split, *have = json_string_value(json_object_get(item->fields, "split"));

    if (!want || item->reject.code)
        return true;
    if (!have) {
        bt_item_reject(item, "FIELD_MISSING", "no split is named here, and --split asks for one");
        return true;
    }
    return strcmp(have, want) == 0 || (strcmp(want, "train") == 0 && strcmp(have, "restval") == 0);
}

/* The next entry as the file has it. */
static int next_entry(struct bt_annotations *a, struct bt_item *item, struct bt_err *err)
{
    for (;;) {
        int rc = BT_END;

        if (a->reader)
            rc = a->reader->next(a->reader, item, err);
        if (rc == BT_OK) {
            if (!item->src)
                item->src = a->reader->place.name;
            if (wanted(a, item))
                return BT_OK;
            a->stats.other_split++;
            bt_item_clear(item);
            continue;
        }
        if (rc != BT_END) {
            bt_item_clear(item);
            return rc;
        }
        if (a->reader)
            a->reader->close(a->reader);
        a->reader = NULL;
        if (a->at == a->count)
            return BT_END;
        rc = open_next(a, err);
        if (rc)
            return rc;
    }
}

static bool blank(const json_t *text)
{
    const char *s = json_string_value(text);

    return s && strspn(s, " \t\r\n") == json_string_length(text);
}

/* What must hold for every item: captions that say something, texts within the limit. */
static int check_texts(struct bt_item *item)
{
    json_t *captions = json_object_get(item->fields, "captions"), *value, *element;
    const char *key;
    size_t given = json_array_size(captions), i;

    for (i = given; i-- > 0;)
        if (blank(json_array_get(captions, i)))
            json_array_remove(captions, i);
    if (given > 0 && json_array_size(captions) == 0)
        return bt_item_reject(item, "TEXT_EMPTY", "the caption is empty");
    if (captions && given == 0)
        json_object_del(item->fields, "captions");
    if (blank(json_object_get(item->fields, "text")))
        return bt_item_reject(item, "TEXT_EMPTY", "the text is empty");
    json_object_foreach (item->fields, key, value) {
        if (json_string_length(value) > MAX_TEXT)
            return bt_item_reject(item, "TEXT_TOO_LONG", "field '%s' is over %d bytes", key, MAX_TEXT);
        json_array_foreach (value, i, element)
            if (json_string_length(element) > MAX_TEXT)
                return bt_item_reject(item, "TEXT_TOO_LONG", "field '%s' is over %d bytes", key, MAX_TEXT);
    }
    return BT_OK;
}

static const json_t *captions_of(const struct bt_item *item)
{
    return json_object_get(item->fields, "captions");
}

/* Caption `i` of the entry as an item of its own. */
static int one_caption(const struct bt_item *entry, size_t i, bool text_only, struct bt_item *item,
                       struct bt_err *err)
{
    json_t *caption = json_array_get(captions_of(entry), i);
    size_t count = json_array_size(captions_of(entry));

    *item = (struct bt_item){ .root = entry->root, .src = entry->src };
    item->id = bt_id_text(json_array_get(entry->caption_ids, i));
    if (!item->id)
        item->id = count == 1 ? bt_format("%s", entry->id) : bt_format("%s#%zu", entry->id, i);
    if (!item->id)
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (text_only)
        return bt_item_set(item, "text", json_incref(caption), err);
    item->fields = json_copy(entry->fields);
    item->image = entry->image ? bt_format("%s", entry->image) : NULL;
    if (!item->fields || (entry->image && !item->image))
        return bt_fail(err, BT_ERR_MEMORY, "out of memory");
    return bt_item_set(item, "captions", json_pack("[O]", caption), err);
}

static int next_caption(struct bt_annotations *a, struct bt_item *item, struct bt_err *err)
{
    bool all = a->options.group == BT_GROUP_CAPTION || a->options.text_only;
    int rc = BT_OK;

    if (!a->have_held) {
        rc = next_entry(a, &a->held, err);
        if (rc)
            return rc;
        a->caption_at = 0;
        if (a->held.reject.code || !(all || a->held.by_caption) ||
            json_array_size(captions_of(&a->held)) == 0) {
            *item = a->held;
            a->held = (struct bt_item){ 0 };
            if (a->options.text_only && !item->reject.code && !json_object_get(item->fields, "text"))
                bt_item_reject(item, "FIELD_MISSING", "no caption and no text");
            return BT_OK;
        }
        a->have_held = true;
    }
    rc = one_caption(&a->held, a->caption_at++, a->options.text_only, item, err);
    if (a->caption_at == json_array_size(captions_of(&a->held))) {
        bt_item_clear(&a->held);
        a->have_held = false;
    }
    return rc;
}

/* Joins neighbours that name the same picture. */
static int next_image(struct bt_annotations *a, struct bt_item *item, struct bt_err *err)
{
    int rc = BT_OK;

    if (!a->have_held)
        rc = next_entry(a, &a->held, err);
    if (rc)
        return rc;
    *item = a->held;
    a->held = (struct bt_item){ 0 };
    for (;;) {
        rc = next_entry(a, &a->held, err);
        a->have_held = rc == BT_OK;
        if (rc || item->reject.code || a->held.reject.code || !item->image || !a->held.image ||
            strcmp(item->image, a->held.image) != 0 || !captions_of(item) || !captions_of(&a->held))
            break;
        json_array_extend((json_t *)captions_of(item), (json_t *)captions_of(&a->held));
        bt_item_clear(&a->held);
    }
    return rc == BT_END ? BT_OK : rc;
}

int bt_annotations_next(struct bt_annotations *a, struct bt_item *item, struct bt_err *err)
{
    bool by_image = a->options.group == BT_GROUP_IMAGE && !a->options.text_only;
    int rc;

    *item = (struct bt_item){ 0 };
    rc = by_image ? next_image(a, item, err) : next_caption(a, item, err);
    if (rc) {
        bt_item_clear(item);
        return rc;
    }
    return item->reject.code ? BT_OK : check_texts(item);
}

/* ---- identity ---- */

static int folder_identity(const char *path, uint64_t *count, uint64_t *hash, struct bt_err *err)
{
    struct bt_xxh64_state *state = bt_xxh64_new();
    struct bt_root *root = NULL;
    const char **paths;
    size_t n = 0;
    int rc = state ? bt_root_open(&root, path, err) : bt_fail(err, BT_ERR_MEMORY, "out of memory");

    if (!rc)
        rc = bt_root_list(root, &paths, &n, err);
    for (size_t i = 0; !rc && i < n; i++)
        bt_xxh64_add(state, paths[i], strlen(paths[i]) + 1);
    if (!rc) {
        *count = n;
        *hash = bt_xxh64_value(state);
    }
    bt_root_close(root);
    bt_xxh64_free(state);
    return rc;
}

int bt_annotations_identity(const char *input, uint64_t *bytes, uint64_t *hash, struct bt_err *err)
{
    off_t size;
    int fd, rc;

    *bytes = *hash = 0;
    if (strcmp(input, "-") == 0)
        return BT_OK;
    if (bt_path_is_dir(input))
        return folder_identity(input, bytes, hash, err);
    fd = open(input, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return bt_fail_errno(err, errno, 0, bt_quote_str(input), NULL);
    size = lseek(fd, 0, SEEK_END); /* a pipe has none */
    *bytes = size < 0 ? 0 : (uint64_t)size;
    rc = size < 0 ? BT_OK : bt_xxh64_ends(fd, *bytes, hash, bt_quote_str(input), err);
    close(fd);
    return rc;
}
