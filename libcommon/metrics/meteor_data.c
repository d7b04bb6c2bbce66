#include "libcommon/metrics/meteor_data.h"

#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/metrics/jar.h"

#define JAR        "meteor-1.5.jar"
#define TABLE      "data/paraphrase-en.gz"
#define MAX_MEMBER ((size_t)64 << 20)

static struct bt_text strip(struct bt_text line)
{
    while (line.size > 0 && strchr(" \t\r", line.data[line.size - 1]))
        line.size--;
    return line;
}

/* One entry a line; "#NUMERIC_ONLY#" behind it sends it to `numeric`, other lines with # in front are
 * remarks. */
static int add_lines(struct bt_intern *plain, struct bt_intern *numeric, struct bt_text text,
                     struct bt_err *err)
{
    static const char mark[] = "#NUMERIC_ONLY#";
    const size_t mark_size = sizeof mark - 1;
    int32_t number;
    int rc = BT_OK;
    for (size_t start = 0, i = 0; !rc && i <= text.size; i++) {
        if (i < text.size && text.data[i] != '\n')
            continue;
        struct bt_text line = strip((struct bt_text){ text.data + start, i - start });
        start = i + 1;
        if (line.size == 0 || (numeric && line.data[0] == '#'))
            continue;
        bool marked = numeric && line.size > mark_size &&
                      memcmp(line.data + line.size - mark_size, mark, mark_size) == 0;
        if (marked)
            line = strip((struct bt_text){ line.data, line.size - mark_size });
        rc = bt_intern_add(marked ? numeric : plain, line, &number, err);
    }
    return rc;
}

static int read_member(const struct bt_jar *jar, const char *member, char **data, struct bt_text *text,
                       struct bt_xxh64_state *hash, struct bt_err *err)
{
    size_t size = 0;
    int rc = bt_jar_read(jar, member, MAX_MEMBER, data, &size, err);
    if (rc)
        return rc;
    *text = (struct bt_text){ *data, size };
    bt_xxh64_add(hash, member, strlen(member) + 1);
    bt_xxh64_add(hash, *data, size);
    return BT_OK;
}

static int read_lines(const struct bt_jar *jar, const char *member, struct bt_intern *plain,
                      struct bt_intern *numeric, struct bt_xxh64_state *hash, struct bt_err *err)
{
    char *data = NULL;
    struct bt_text text;
    int rc = read_member(jar, member, &data, &text, hash, err);
    if (!rc)
        rc = add_lines(plain, numeric, text, err);
    free(data);
    return rc;
}

static int read_members(struct bt_meteor_data *d, const struct bt_jar *jar, struct bt_err *err)
{
    struct bt_xxh64_state *hash = bt_xxh64_new();
    struct bt_text synsets, exceptions;
    int rc = hash ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "out of memory");
    if (!rc)
        rc = read_lines(jar, "function/english.words", d->function_words, NULL, hash, err);
    if (!rc)
        rc = read_lines(jar, "nonbreaking/english.prefixes", d->prefixes, d->numeric_prefixes, hash, err);
    if (!rc)
        rc = read_member(jar, "synonym/english.synsets", &d->synsets, &synsets, hash, err);
    if (!rc)
        rc = read_member(jar, "synonym/english.exceptions", &d->exceptions, &exceptions, hash, err);
    if (!rc)
        rc = bt_synonyms_new(&d->synonyms, synsets, exceptions, err);
    if (!rc)
        d->hash = bt_xxh64_value(hash);
    bt_xxh64_free(hash);
    return rc;
}

/* The jar, or the directory that stands for it, and the directory that has the table. */
static int locate(const char *path, char **jar, char **home, struct bt_err *err)
{
    const char *slash = strrchr(path, '/');
    bool directory = bt_path_is_dir(path);
    *jar = directory ? bt_format("%s/%s", path, JAR) : strdup(path);
    *home = directory ? strdup(path) : slash ? bt_format("%.*s", (int)(slash - path + 1), path) : strdup(".");
    if (*jar && directory && !bt_path_exists(*jar)) {
        free(*jar);
        *jar = strdup(path);
    }
    return *jar && *home ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
}

static int open_at(struct bt_meteor_data *d, const char *path, struct bt_err *err)
{
    char *jar_path = NULL, *home = NULL, *table = NULL;
    struct bt_jar *jar = NULL;
    int rc = locate(path, &jar_path, &home, err);
    if (!rc)
        rc = bt_jar_open(&jar, jar_path, err);
    if (!rc) {
        table = bt_format("%s/%s", home, TABLE);
        rc = table ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
    }
    if (!rc && bt_path_exists(table)) /* first, as it takes longest; that it lacks is said last */
        rc = bt_meteor_set_paraphrases(d, table, err);
    if (!rc && (rc = read_members(d, jar, err)) != BT_OK)
        bt_context(err, "METEOR's data in %s", jar_path);
    if (!rc && !d->table)
        rc = bt_meteor_set_paraphrases(d, table, err);
    bt_jar_close(jar);
    free(table);
    free(jar_path);
    free(home);
    return rc;
}

int bt_meteor_open(struct bt_meteor_data **data, const char *path, struct bt_err *err)
{
    struct bt_meteor_data *d = bt_alloc(1, sizeof *d, err);
    if (!d)
        return BT_ERR_MEMORY;
    d->function_words = bt_intern_new();
    d->prefixes = bt_intern_new();
    d->numeric_prefixes = bt_intern_new();
    int rc = BT_OK;
    if (!d->function_words || !d->prefixes || !d->numeric_prefixes)
        rc = bt_fail(err, BT_ERR_MEMORY, "out of memory for METEOR's data");
    if (!rc && path)
        rc = open_at(d, path, err);
    if (rc)
        bt_meteor_close(d);
    else
        *data = d;
    return rc;
}

static void table_free(struct bt_meteor_table *t)
{
    if (!t)
        return;
    bt_gunzip_close(t->begun);
    bt_map_close(&t->map);
    free(t->path);
    free(t);
}

int bt_meteor_set_paraphrases(struct bt_meteor_data *d, const char *path, struct bt_err *err)
{
    table_free(d->table);
    d->table = NULL;
    if (!path)
        return BT_OK;
    struct bt_meteor_table *t = bt_alloc(1, sizeof *t, err);
    if (!t)
        return BT_ERR_MEMORY;
    t->path = strdup(path);
    int rc = t->path ? bt_map_open(&t->map, path, err) : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", path);
    if (!rc)
        rc = bt_gunzip_open(&t->begun, &t->map, t->path, err);
    if (rc) {
        table_free(t);
        return rc;
    }
    t->hash = bt_xxh64(t->map.data, t->map.size);
    d->table = t;
    return BT_OK;
}

int bt_meteor_choose(struct bt_meteor_data **data, const char *choice, struct bt_err *err)
{
    if (!choice)
        choice = getenv("BT_METEOR");
    *data = NULL;
    if (!choice || !*choice)
        return BT_OK;
    return bt_meteor_open(data, strcmp(choice, "stem") == 0 ? NULL : choice, err);
}

const char *bt_meteor_name(const struct bt_meteor_data *d)
{
    return d->synonyms ? "METEOR" : "METEOR_stem";
}

int bt_meteor_sign(const struct bt_meteor_data *d, struct bt_buf *signature, struct bt_err *err)
{
    if (!d->synonyms)
        return bt_buf_printf(signature, err, "|meteor:" BT_METEOR_VERSION ":stem");
    return bt_buf_printf(signature, err, "|meteor:" BT_METEOR_VERSION ":%016llx",
                         (unsigned long long)(d->hash + (d->table ? d->table->hash : 0)));
}

void bt_meteor_close(struct bt_meteor_data *d)
{
    if (!d)
        return;
    bt_intern_free(d->function_words);
    bt_intern_free(d->prefixes);
    bt_intern_free(d->numeric_prefixes);
    bt_synonyms_free(d->synonyms);
    free(d->synsets);
    free(d->exceptions);
    table_free(d->table);
    free(d);
}
