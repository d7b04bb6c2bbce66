/* Captions and answers that come as records: references in the same records, in others, and what is refused.
 */
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/metrics/captions.h"
#include "libcommon/metrics/vqa.h"
#include "libcommon/stream/stream.h"
#include "tests/test.h"

static const struct bt_join_policy strict = { BT_DUPLICATES_ERROR, false };
static char *folder;

static char *path_of(const char *name)
{
    return bt_format("%s/%s", folder, name);
}

static void set_texts(struct bt_record *rec, const char *key, const char *const *texts, struct bt_err *err)
{
    size_t count = 0;
    while (texts[count])
        count++;
    bt_record_begin(rec, key);
    bt_pack_array(rec, count);
    for (size_t i = 0; i < count; i++)
        bt_pack_str(rec, texts[i], strlen(texts[i]));
    CHECK_OK(bt_record_end(rec, err), err);
}

struct row {
    int64_t id;
    const char *result; /* NULL: the record has none */
    const char *references[11];
};

/* Writes rows as captions, or as answers; the caller frees the path. */
static char *write_rows(const char *name, const struct bt_schema *schema, bool vqa, const struct row *rows,
                        size_t count)
{
    const struct bt_writer_options options = { .schema = schema, .force = true };
    struct bt_writer *writer = NULL;
    struct bt_record *rec = bt_record_new();
    struct bt_err err = { 0 };
    char *path = path_of(name);

    CHECK_OK(bt_writer_open(&writer, path, &options, &err), &err);
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "record-%zu", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        CHECK_OK(bt_record_set_int(rec, vqa ? "question_id" : "image_id", rows[i].id, &err), &err);
        if (rows[i].result)
            CHECK_OK(bt_record_set_str(rec, vqa ? "answer" : "caption", rows[i].result,
                                       strlen(rows[i].result), &err),
                     &err);
        if (rows[i].references[0])
            set_texts(rec, vqa ? "answers" : "captions", rows[i].references, &err);
        CHECK_OK(bt_writer_put(writer, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(writer, &err), &err);
    bt_writer_close(writer);
    bt_record_free(rec);
    return path;
}

static const struct row captions[] = {
    { 1, "a red bus on the street", { "a red bus on the street", "the bus is red" } },
    { 2, "two dogs play in snow", { "two dogs play in snow", "dogs in the snow" } },
    { 3, "a man holds a kite", { "a man holds a kite", "a person with a kite" } },
};

static void check_captions(const char *references, const char *results)
{
    struct bt_captions *set = bt_captions_new();
    struct bt_caption_scores s = { 0 };
    struct bt_err err = { 0 };
    if (references)
        CHECK_OK(bt_captions_load_references(set, references, &err), &err);
    CHECK_OK(bt_captions_load_results(set, results, !references, &err), &err);
    CHECK_OK(bt_captions_score(set, &strict, BT_TOKENS_WORDS, &s, &err), &err);
    CHECK_INT(s.count, 3);
    CHECK_NEAR(s.cider, 5.8270787740, 1e-9);
    CHECK_NEAR(s.rouge_l, 1, 1e-12);
    CHECK_NEAR(s.exact, 1, 0);
    CHECK_INT(s.most_references, 2);
    free(s.each);
    bt_captions_free(set);
}

static void test_own_references(void)
{
    char *path = write_rows("own.bt", &bt_schema_prediction, false, captions, 3);
    check_captions(NULL, path);
    free(path);
}

/* Training form: one record per caption; results in another order, without references. */
static void test_other_references(void)
{
    static const struct row samples[] = {
        { 1, NULL, { "a red bus on the street" } }, { 2, NULL, { "two dogs play in snow" } },
        { 1, NULL, { "the bus is red" } },          { 2, NULL, { "dogs in the snow" } },
        { 3, NULL, { "a man holds a kite" } },      { 3, NULL, { "a person with a kite" } },
    };
    static const struct row results[] = {
        { 3, "A man holds a kite", { NULL } },
        { 1, "a red bus on the street", { NULL } },
        { 2, "two dogs play in snow", { NULL } },
    };
    char *references = write_rows("samples.bt", &bt_schema_sample, false, samples, 6);
    char *path = write_rows("results.bt.zst", &bt_schema_prediction, false, results, 3);
    check_captions(references, path);
    free(references);
    free(path);
}

/* A set of shards in the place of a stream. */
static void test_shards(void)
{
    char *references = write_rows("samples.lmdb", &bt_schema_sample, false, captions, 3);
    char *path = write_rows("own.bt", &bt_schema_prediction, false, captions, 3);
    struct bt_err err = { 0 };
    check_captions(references, path);
    CHECK_OK(bt_remove_dir(references, &err), &err);
    free(references);
    free(path);
}

static void test_no_references(void)
{
    static const struct row rows[] = { { 1, "a bus", { NULL } } };
    char *path = write_rows("none.bt", &bt_schema_prediction, false, rows, 1);
    struct bt_captions *set = bt_captions_new();
    struct bt_err err = { 0 };
    CHECK_INT(bt_captions_load_results(set, path, true, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "record 0") != NULL || strstr(err.text, "record 1") != NULL);
    CHECK(strstr(err.text, "--refs") != NULL);
    bt_captions_free(set);
    free(path);
}

/* Records that are no predictions are refused as results. */
static void test_wrong_schema(void)
{
    char *path = write_rows("samples.bt", &bt_schema_sample, false, captions, 3);
    struct bt_captions *set = bt_captions_new();
    struct bt_err err = { 0 };
    CHECK_INT(bt_captions_load_results(set, path, true, &err), BT_ERR_BT_SCHEMA);
    bt_captions_free(set);
    free(path);
}

/* A cut stream gives no score. */
static void test_cut_stream(void)
{
    char *path = write_rows("cut.bt", &bt_schema_prediction, false, captions, 3), *data = NULL;
    struct bt_captions *set = bt_captions_new();
    struct bt_err err = { 0 };
    size_t size = 0;
    CHECK_OK(bt_file_read(path, 1 << 20, &data, &size, &err), &err);
    CHECK_OK(bt_file_write(path, data, size / 2, true, &err), &err);
    CHECK_INT(bt_captions_load_results(set, path, true, &err), BT_ERR_BT_TRUNC);
    bt_captions_free(set);
    free(data);
    free(path);
}

static void test_answers(void)
{
    static const struct row rows[] = {
        { 7, "none", { "none", "yes", "yes", "yes", "yes", "yes", "yes", "yes", "yes", "yes" } },
        { 8,
          "Black.",
          { "black", "black", "black", "black", "black", "black", "black", "black", "black", "dark" } },
    };
    char *path = write_rows("answers.bt", &bt_schema_prediction, true, rows, 2);
    struct bt_vqa *set = bt_vqa_new();
    struct bt_vqa_scores s = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_vqa_load_results(set, path, true, &err), &err);
    CHECK_OK(bt_vqa_score(set, BT_VQA_OFFICIAL, &strict, &s, &err), &err);
    CHECK_INT(s.count, 2);
    CHECK_NEAR(s.overall, 65, 0);
    CHECK_NEAR(s.each[0].accuracy, 30, 0);
    CHECK_NEAR(s.each[1].accuracy, 100, 0);
    CHECK_INT(s.most_answers, 10);
    bt_vqa_scores_free(&s);
    bt_vqa_free(set);
    free(path);
}

int main(void)
{
    struct bt_err err = { 0 };
    folder = bt_format("%s/bt-records-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
    if (!folder || !mkdtemp(folder))
        return 1;
    RUN(test_own_references);
    RUN(test_other_references);
    RUN(test_shards);
    RUN(test_no_references);
    RUN(test_wrong_schema);
    RUN(test_cut_stream);
    RUN(test_answers);
    CHECK_OK(bt_remove_dir(folder, &err), &err);
    free(folder);
    return test_end();
}
