/* The forms people have captions and questions in, each in a small file: which items come of it. */
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/annotations.h"
#include "tests/image/fixtures.h"

static char dir[200];

static const char *in_dir(const char *name)
{
    static char paths[4][300];
    static int at;
    char *path = paths[at++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put_bytes(const char *name, const void *data, size_t size)
{
    struct bt_err err = { 0 };
    char *path = bt_format("%s/%s", dir, name), *slash = strrchr(path, '/');

    *slash = 0;
    CHECK_OK(bt_make_dirs(path, &err), &err);
    *slash = '/';
    CHECK_OK(bt_file_write(path, data, size, true, &err), &err);
    free(path);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* All items of one input, one a line: "id image fields" or "id CODE". */
static char *items(const char *input, struct bt_annotations_options options,
                   struct bt_annotations_stats *stats)
{
    struct bt_annotations *a = NULL;
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    struct bt_item item;
    int rc = bt_annotations_open(&a, &input, 1, &options, &err);

    bt_buf_add(&out, "", 0, NULL);
    while (!rc) {
        rc = bt_annotations_next(a, &item, &err);
        if (!rc && item.reject.code) {
            bt_buf_printf(&out, NULL, "%s %s\n", item.id, item.reject.code);
        } else if (!rc) {
            char *fields = json_dumps(item.fields, JSON_COMPACT);
            bt_buf_printf(&out, NULL, "%s %s %s\n", item.id, item.image ? item.image : "-", fields);
            free(fields);
        }
        bt_item_clear(&item);
    }
    if (rc != BT_END)
        bt_buf_printf(&out, NULL, "%s: %s\n", bt_status_name(rc), err.text);
    if (stats && a)
        *stats = *bt_annotations_stats(a);
    bt_annotations_close(a);
    return out.data ? out.data : calloc(1, 1);
}

static void check_items(const char *input, struct bt_annotations_options options, const char *want)
{
    char *got = items(in_dir(input), options, NULL);

    CHECK_STR(got, want);
    free(got);
}

static void test_lavis_list(void)
{
    put("lavis.json",
        "[{\"caption\": \"A cat. \", \"image\": \"val2014/1.jpg\", \"image_id\": \"coco_1\"},\n"
        " {\"caption\": [\"Two dogs.\", \"Dogs\"], \"image\": \"2.jpg\", \"image_id\": 2, \"other\": 1},\n"
        " {\"caption\": 7, \"image\": \"3.jpg\"}, {\"caption\": \"x\"}, {\"image\": \"5.jpg\", \"caption\": "
        "\" \"}]");
    check_items("lavis.json", (struct bt_annotations_options){ 0 },
                "lavis.json:0 val2014/1.jpg {\"image_id\":\"coco_1\",\"captions\":[\"A cat. \"]}\n"
                "lavis.json:1 2.jpg {\"image_id\":2,\"captions\":[\"Two dogs.\",\"Dogs\"]}\n"
                "lavis.json:2 JSON_TYPE\nlavis.json:3 FIELD_MISSING\nlavis.json:4 TEXT_EMPTY\n");
    check_items(
        "lavis.json", (struct bt_annotations_options){ .text_only = true },
        "lavis.json:0 - {\"text\":\"A cat. \"}\nlavis.json:1#0 - {\"text\":\"Two dogs.\"}\n"
        "lavis.json:1#1 - {\"text\":\"Dogs\"}\nlavis.json:2 JSON_TYPE\nlavis.json:3 - {\"text\":\"x\"}\n"
        "lavis.json:4 TEXT_EMPTY\n");
}

static void test_grouping(void)
{
    put("group.json", "[{\"image\":\"a.jpg\",\"caption\":\"1\"},{\"image\":\"a.jpg\",\"caption\":\"2\"},"
                      "{\"image\":\"b.jpg\",\"caption\":[\"3\",\"4\"]}]");
    check_items(
        "group.json", (struct bt_annotations_options){ .group = BT_GROUP_IMAGE },
        "group.json:0 a.jpg {\"captions\":[\"1\",\"2\"]}\ngroup.json:2 b.jpg {\"captions\":[\"3\",\"4\"]}\n");
    check_items("group.json", (struct bt_annotations_options){ .group = BT_GROUP_CAPTION },
                "group.json:0 a.jpg {\"captions\":[\"1\"]}\ngroup.json:1 a.jpg {\"captions\":[\"2\"]}\n"
                "group.json:2#0 b.jpg {\"captions\":[\"3\"]}\ngroup.json:2#1 b.jpg {\"captions\":[\"4\"]}\n");
}

static void test_map_prefix(void)
{
    put("vg.json", "[{\"image\":\"/export/vg/image/7.jpg\",\"caption\":\"a chair\"}]");
    check_items("vg.json", (struct bt_annotations_options){ .map_prefix = "/export/vg=VG_100K" },
                "vg.json:0 VG_100K/image/7.jpg {\"captions\":[\"a chair\"]}\n");
    check_items("vg.json", (struct bt_annotations_options){ .map_prefix = "/export/vg/image=" },
                "vg.json:0 7.jpg {\"captions\":[\"a chair\"]}\n");
}

/* The picture is found though the file does not say in which folder, or by the number of another release's
 * name. */
static void test_official_coco(void)
{
    put("pics/val2014/COCO_val2014_000000000009.jpg", "x");
    put("pics/train2017/000000000025.jpg", "x");
    put("captions.json",
        "{\"info\":{\"year\":2014},\"images\":[{\"id\":9,\"file_name\":\"COCO_val2014_000000000009.jpg\"},"
        "{\"id\":25,\"file_name\":\"COCO_train2014_000000000025.jpg\"},{\"id\":30,\"file_name\":\"none.jpg\"}"
        "],"
        "\"annotations\":[{\"image_id\":25,\"id\":101,\"caption\":\"b\"},{\"image_id\":9,\"id\":102,"
        "\"caption\":\"a\"},"
        "{\"image_id\":25,\"id\":103,\"caption\":\"c\"},{\"image_id\":77,\"id\":104,\"caption\":\"lost\"}]}");
    check_items("captions.json", (struct bt_annotations_options){ .images = in_dir("pics") },
                "102 val2014/COCO_val2014_000000000009.jpg {\"image_id\":9,\"captions\":[\"a\"]}\n"
                "101 train2017/000000000025.jpg {\"image_id\":25,\"captions\":[\"b\"]}\n"
                "103 train2017/000000000025.jpg {\"image_id\":25,\"captions\":[\"c\"]}\n30 FILE_MISSING\n");
    check_items(
        "captions.json", (struct bt_annotations_options){ .images = in_dir("pics"), .group = BT_GROUP_IMAGE },
        "9 val2014/COCO_val2014_000000000009.jpg {\"image_id\":9,\"captions\":[\"a\"]}\n"
        "25 train2017/000000000025.jpg {\"image_id\":25,\"captions\":[\"b\",\"c\"]}\n30 FILE_MISSING\n");
    struct bt_annotations_stats stats = { 0 };
    free(items(in_dir("captions.json"), (struct bt_annotations_options){ .images = in_dir("pics") }, &stats));
    CHECK_INT(stats.orphans, 1);
    put("info.json", "{\"images\":[{\"id\":9,\"file_name\":\"val2014/COCO_val2014_000000000009.jpg\"}]}");
    check_items("info.json", (struct bt_annotations_options){ .images = in_dir("pics") },
                "9 val2014/COCO_val2014_000000000009.jpg {\"image_id\":9}\n");
}

static void test_karpathy(void)
{
    char text[4000], want[200];
    size_t used = (size_t)snprintf(text, sizeof text, "{\"dataset\":\"coco\",\"images\":[");
    static const char *const splits[] = { "train", "restval", "test" };
    char *got;
    int lines = 0;

    for (int i = 0; i < 3; i++) {
        used +=
            (size_t)snprintf(text + used, sizeof text - used,
                             "%s{\"filepath\":\"val2014\",\"filename\":\"%d.jpg\",\"cocoid\":%d,\"imgid\":%d,"
                             "\"split\":\"%s\",\"sentences\":[",
                             i ? "," : "", i, 40 + i, i, splits[i]);
        for (int k = 0; k < 5; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s{\"raw\":\"c%d\",\"sentid\":%d}",
                                     k ? "," : "", k, 100 * i + k);
        used += (size_t)snprintf(text + used, sizeof text - used, "]}");
    }
    snprintf(text + used, sizeof text - used, "]}");
    put("karpathy.json", text);

    got = items(in_dir("karpathy.json"), (struct bt_annotations_options){ .split = "train" }, NULL);
    for (const char *p = got; *p; p++)
        lines += *p == '\n';
    CHECK_INT(lines, 10);
    CHECK(strncmp(got, "0 val2014/0.jpg {\"image_id\":40,\"captions\":[\"c0\"],\"split\":\"train\"}\n", 60) ==
          0);
    CHECK(strstr(got, "104 val2014/1.jpg {\"image_id\":41,\"captions\":[\"c4\"],\"split\":\"restval\"}\n"));
    free(got);
    snprintf(want, sizeof want,
             "42 val2014/2.jpg {\"image_id\":42,\"captions\":[\"c0\",\"c1\",\"c2\",\"c3\",\"c4\"],"
             "\"split\":\"test\"}\n");
    check_items("karpathy.json", (struct bt_annotations_options){ .split = "test" }, want);
}

static void test_vqa(void)
{
    put("pics/val2014/COCO_val2014_000000000042.jpg", "x");
    put("questions.json",
        "{\"data_subtype\":\"val2014\",\"questions\":[{\"image_id\":42,\"question\":\"What?\","
        "\"question_id\":42000},{\"image_id\":42,\"question\":\"Why?\",\"question_id\":42001}]}");
    put("answers.json", "{\"annotations\":[{\"question_id\":42000,\"image_id\":42,\"question_type\":\"what\","
                        "\"answer_type\":\"other\",\"answers\":[{\"answer\":\"bat\",\"answer_id\":1},"
                        "{\"answer\":\"a bat\",\"answer_id\":2}]}]}");
    check_items(
        "questions.json",
        (struct bt_annotations_options){ .images = in_dir("pics"), .answers = in_dir("answers.json") },
        "42000 val2014/COCO_val2014_000000000042.jpg "
        "{\"image_id\":42,\"question\":\"What?\",\"question_id\":42000,"
        "\"answers\":[\"bat\",\"a bat\"],\"question_type\":\"what\",\"answer_type\":\"other\"}\n"
        "42001 FIELD_MISSING\n");
    check_items("questions.json", (struct bt_annotations_options){ .images = in_dir("pics") },
                "42000 val2014/COCO_val2014_000000000042.jpg "
                "{\"image_id\":42,\"question\":\"What?\",\"question_id\":42000}\n"
                "42001 val2014/COCO_val2014_000000000042.jpg "
                "{\"image_id\":42,\"question\":\"Why?\",\"question_id\":42001}\n");
}

static void test_ids_keep_their_kind(void)
{
    put("ids.jsonl",
        "{\"image\":\"a.jpg\",\"question\":\"q\",\"question_id\":\"01827492\"}\r\n"
        "{\"image\":\"a.jpg\",\"question\":\"q\",\"question_id\":1827492}\n"
        "\n{\"image\": bad}\n{\"id\":\"x7\",\"image\":\"b.jpg\",\"image_id\":9007199254740991}\n");
    check_items("ids.jsonl", (struct bt_annotations_options){ 0 },
                "01827492 a.jpg {\"question\":\"q\",\"question_id\":\"01827492\"}\n"
                "1827492 a.jpg {\"question\":\"q\",\"question_id\":1827492}\nids.jsonl:4 JSON_SYNTAX\n"
                "x7 b.jpg {\"image_id\":9007199254740991}\n");
}

static void test_sentences(void)
{
    struct bt_annotations_stats stats = { 0 };
    char *got;

    put_bytes("s.txt", "a dog\r\n\nca\xfft\nx\0y\n last", 22);
    got = items(in_dir("s.txt"), (struct bt_annotations_options){ 0 }, &stats);
    CHECK_STR(got, "s.txt:1 - {\"text\":\"a dog\"}\ns.txt:3 TEXT_UTF8\ns.txt:4 TEXT_NUL\ns.txt:5 - "
                   "{\"text\":\" last\"}\n");
    CHECK_INT(stats.blank_lines, 1);
    free(got);
}

static void test_folder(void)
{
    struct bytes jpeg = formula_jpeg(8, 8, false);
    struct bt_annotations_stats stats = { 0 };
    char *got;

    put_bytes("folder/IMG_1.JPG", jpeg.data, jpeg.size);
    put("folder/IMG_1.txt", "a cat\n\nthe cat\n");
    put_bytes("folder/b.jpeg", jpeg.data, jpeg.size);
    put("folder/b.TXT", "a bee");
    put("folder/c.webp", "RIFF\x10   WEBPVP8L");
    put("folder/d.Png", "not");
    put("folder/e.gif", "GIF89a");
    put_bytes("folder/f", jpeg.data, jpeg.size);
    put("folder/notes.md", "hello");
    put("folder/.hidden.jpg", "x");
    put_bytes("folder/sub/g.jpg", jpeg.data, jpeg.size);
    got = items(in_dir("folder"), (struct bt_annotations_options){ 0 }, &stats);
    CHECK_STR(got, "IMG_1.JPG IMG_1.JPG {\"captions\":[\"a cat\",\"the cat\"]}\nb.jpeg b.jpeg "
                   "{\"captions\":[\"a bee\"]}\n"
                   "c.webp c.webp {}\nd.Png d.Png {}\ne.gif e.gif {}\nf f {}\nsub/g.jpg sub/g.jpg {}\n");
    CHECK_INT(stats.pictures, 7);
    CHECK_INT(stats.captions, 2);
    CHECK_INT(stats.ignored, 1);
    CHECK_STR(stats.ignored_example, "notes.md");
    free(got);
}

static const char *read_code(const struct bt_root *root, const char *path)
{
    struct bt_image_reject reject = { 0 };
    uint8_t *data = NULL;
    size_t size;

    if (bt_root_read(root, path, &data, &size, &reject))
        return reject.code;
    free(data);
    return "read";
}

static void test_paths_stay_below_the_root(void)
{
    struct bt_root *root = NULL;
    struct bt_err err = { 0 };

    put("outside.jpg", "secret");
    put("root/in.jpg", "x");
    put("root/deep/in.jpg", "x");
    CHECK(symlink("../outside.jpg", in_dir("root/link.jpg")) == 0 ||
          access(in_dir("root/link.jpg"), F_OK) == 0);
    CHECK_OK(bt_root_open(&root, in_dir("root"), &err), &err);
    CHECK_STR(read_code(root, "in.jpg"), "read");
    CHECK_STR(read_code(root, "deep/../in.jpg"), "read");
    CHECK_STR(read_code(root, "../outside.jpg"), "PATH_ESCAPE");
    CHECK_STR(read_code(root, "deep/../../outside.jpg"), "PATH_ESCAPE");
    CHECK_STR(read_code(root, "link.jpg"), "PATH_ESCAPE");
    CHECK_STR(read_code(root, in_dir("outside.jpg")), "PATH_ESCAPE");
    CHECK_STR(read_code(root, "http://example.org/a.jpg"), "PATH_URL");
    CHECK_STR(read_code(root, "data:image/jpeg;base64,AAAA"), "PATH_URL");
    CHECK_STR(read_code(root, "missing.jpg"), "FILE_MISSING");
    CHECK_STR(read_code(root, "in.jpg/x"), "FILE_MISSING");
    CHECK_STR(read_code(root, "deep"), "FILE_TYPE");
    bt_root_close(root);
}

static void test_what_is_no_annotation_file(void)
{
    char *got;

    put("other.json", "{\n\"foo\": [1]\n}");
    put("alone.json", "{\"annotations\":[{\"question_id\":1}]}");
    got = items(in_dir("other.json"), (struct bt_annotations_options){ 0 }, NULL);
    CHECK(strncmp(got, "E_INPUT", 7) == 0);
    free(got);
    got = items(in_dir("alone.json"), (struct bt_annotations_options){ 0 }, NULL);
    CHECK(strncmp(got, "E_INPUT", 7) == 0 && strstr(got, "--annotations"));
    free(got);
    put("cut.json", "[{\"image\":\"a.jpg\",\"caption\":\"x\"},{\"image\":");
    got = items(in_dir("cut.json"), (struct bt_annotations_options){ 0 }, NULL);
    CHECK(strncmp(got, "cut.json:0 a.jpg", 16) == 0 && strstr(got, "E_JSON"));
    free(got);
    got = items(in_dir("none.json"), (struct bt_annotations_options){ 0 }, NULL);
    CHECK(strncmp(got, "E_NOINPUT", 9) == 0);
    free(got);
    got = items("-", (struct bt_annotations_options){ 0 }, NULL);
    CHECK(strncmp(got, "E_USAGE", 7) == 0);
    free(got);
}

int main(void)
{
    struct bt_err err = { 0 };

    snprintf(dir, sizeof dir, "%s/bt-annotations-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
    if (!mkdtemp(dir))
        return 1;
    RUN(test_lavis_list);
    RUN(test_grouping);
    RUN(test_map_prefix);
    RUN(test_official_coco);
    RUN(test_karpathy);
    RUN(test_vqa);
    RUN(test_ids_keep_their_kind);
    RUN(test_sentences);
    RUN(test_folder);
    RUN(test_paths_stay_below_the_root);
    RUN(test_what_is_no_annotation_file);
    bt_remove_dir(dir, &err);
    return test_end();
}
