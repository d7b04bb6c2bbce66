/* emoji-scenes - the data of the demonstration: pictures of emoji, with captions, questions and texts.
 *
 * Everything comes from Debian packages and from the seeds: equal options give equal bytes. The set gets its
 * name when it is complete. Source: demo.md 1 to 4. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/emoji/set.h"
#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"

static const char *output, *share = "/usr/share";
static int64_t train_count = 8000, val_count = 300, test_count = 500, document_count = 12000;
static int64_t seed = 1, test_seed = 2026, threads;
static bool force;

static const struct bt_option options[] = {
    BT_OPT_REQUIRED('o', "output",    &output,         "DIR",   "where the set goes"),
    BT_OPT_COUNT   (0,   "train",     &train_count,    "N",     "training pictures"),
    BT_OPT_COUNT   (0,   "val",       &val_count,      "N",     "validation pictures"),
    BT_OPT_COUNT   (0,   "test",      &test_count,     "N",     "test pictures"),
    BT_OPT_COUNT   (0,   "documents", &document_count, "N",     "documents for the language model"),
    BT_OPT_COUNT   ('s', "seed",      &seed,           "N",     "seed of all but the test pictures"),
    BT_OPT_COUNT   (0,   "test-seed", &test_seed,      "N",     "seed of the test pictures"),
    BT_OPT_STRING  (0,   "share",     &share,          "DIR",   "holds unicode/ and wordnet/"),
    BT_OPT_COUNT   ('j', "threads",   &threads,        "N",     "painting threads (0: all processors)"),
    BT_OPT_FLAG    ('f', "force",     &force,                   "build again what is there"),
    BT_OPT_END
};

static const char manifest_name[] = "MANIFEST", manifest_mark[] = "# emoji-scenes ";

/* The first line of the manifest: what the set was made with. */
static void recipe_line(char line[256])
{
    snprintf(line, 256, "%s1 train %lld val %lld test %lld documents %lld seed %lld test-seed %lld\n",
             manifest_mark, (long long)train_count, (long long)val_count, (long long)test_count,
             (long long)document_count, (long long)seed, (long long)test_seed);
}

static int check_options(struct bt_err *err)
{
    const int64_t counts[] = { train_count, val_count, test_count, document_count };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] < 1 || counts[i] > PICTURE_MAX)
            return bt_fail(err, BT_ERR_USAGE, "--train, --val, --test, --documents: take 1 to %d",
                           PICTURE_MAX);
    if (threads > 1024)
        return bt_fail(err, BT_ERR_USAGE, "--threads: takes 0 to 1024");
    return BT_OK;
}

/* BT_END when the set is there, made by this very recipe; BT_OK when it may be built. Removes only a set of
 * ours. */
static int make_way(const char *dir, const char *recipe, struct bt_err *err)
{
    char *path = bt_format("%s/%s", dir, manifest_name), *text = NULL;
    size_t size = 0;
    int rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", dir);
    bool ours, same;

    if (!rc && !bt_path_exists(path)) {
        free(path);
        if (!bt_path_exists(dir) || rmdir(dir) == 0)
            return BT_OK;
        return bt_fail(err, BT_ERR_EXISTS, "%s: is there, and is no set of emoji-scenes; name another folder",
                       bt_quote_str(dir));
    }
    if (!rc)
        rc = bt_file_read(path, 1 << 20, &text, &size, err);
    free(path);
    if (rc)
        return rc;
    ours = strncmp(text, manifest_mark, strlen(manifest_mark)) == 0;
    same = strncmp(text, recipe, strlen(recipe)) == 0;
    free(text);
    if (ours && force)
        return bt_remove_dir(dir, err);
    if (same)
        return BT_END;
    return bt_fail(err, BT_ERR_EXISTS, "%s: is there, made with other options; %s", bt_quote_str(dir),
                   ours ? "--force replaces it" : "name another folder");
}

static int build(struct set *set, struct tally *tally, struct bt_err *err)
{
    struct source source;
    struct glyphs glyphs = { 0 };
    struct bt_buf manifest;
    int rc = source_load(&source, share, err);

    if (!rc)
        rc = glyphs_load(&glyphs, &source, err);
    if (!rc)
        rc = set_draw(set, err);
    if (!rc)
        rc = set_write_documents(set, &source, tally, err);
    if (!rc)
        rc = set_check(set, tally, err);
    for (int s = 0; !rc && s < SPLIT_COUNT; s++)
        rc = set_write_split(set, (enum split)s, tally, err);
    if (!rc)
        rc = set_write_words(set, tally, err);
    if (!rc)
        rc = set_write_pictures(set, &glyphs, (int)threads, tally, err);
    if (!rc)
        rc = set_write_summary(set, tally, err);
    if (!rc) {
        manifest = set->manifest;
        set->manifest = (struct bt_buf){ 0 };
        rc = set_write(set, manifest_name, &manifest, err);
    }
    glyphs_free(&glyphs);
    source_free(&source);
    return rc;
}

static void report(const char *dir, const struct tally *tally)
{
    const uint64_t *asked = tally->questions;
    uint64_t questions = asked[SPLIT_TRAIN] + asked[SPLIT_VAL] + asked[SPLIT_TEST];

    bt_note("%s: %s pictures, %s questions, %s documents; no test combination is in training, "
            "and of %lld test pictures %llu show only pairs of attributes that are",
            bt_quote_str(dir), bt_human_count((uint64_t)(train_count + val_count + test_count)),
            bt_human_count(questions), bt_human_count((uint64_t)document_count), (long long)test_count,
            (unsigned long long)tally->pairs_seen[SPLIT_TEST]);
}

/* Into a folder beside it, which gets the name when it is whole. */
static int build_beside(const char *dir, const char *recipe, struct bt_err *err)
{
    char *partial = bt_format("%s.partial", dir);
    struct set set = {
        .seed = (uint64_t)seed,
        .test_seed = (uint64_t)test_seed,
        .picture_count = { (uint64_t)train_count, (uint64_t)val_count, (uint64_t)test_count },
        .document_count = (uint64_t)document_count,
        .dir = partial,
    };
    struct tally tally = { 0 };
    int rc = partial ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", dir);

    if (!rc)
        rc = bt_remove_dir(partial, err);
    if (!rc)
        rc = bt_make_dirs(partial, err);
    if (!rc)
        rc = bt_buf_printf(&set.manifest, err, "%s", recipe);
    if (!rc)
        rc = build(&set, &tally, err);
    if (!rc && rename(partial, dir) != 0)
        rc = bt_fail_errno(err, errno, 1, dir, NULL);
    if (!rc)
        report(dir, &tally);
    set_free(&set);
    free(partial);
    return rc;
}

static int run(struct bt_err *err)
{
    char recipe[256], *dir = strdup(output);
    int rc = dir ? check_options(err) : bt_fail(err, BT_ERR_MEMORY, "--output: out of memory");

    for (size_t size = dir ? strlen(dir) : 0; size > 1 && dir[size - 1] == '/'; size--)
        dir[size - 1] = '\0';
    recipe_line(recipe);
    if (!rc)
        rc = make_way(dir, recipe, err);
    if (rc == BT_END)
        bt_note("%s: is there and complete; --force builds it again", bt_quote_str(dir));
    else if (!rc)
        rc = build_beside(dir, recipe, err);
    free(dir);
    return rc;
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "emoji-scenes", "make the data of the demonstration", options };
    return bt_tool_main(&tool, run, argc, argv);
}
