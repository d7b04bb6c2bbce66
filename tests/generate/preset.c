/* Presets: the published ones, files, what is refused, prompts, and a hash of every value. */
#include "libcommon/generate/preset.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

static void test_published(void)
{
    static const struct {
        const char *name, *prompt;
        int64_t beams, max_new, min_length;
        double length_penalty;
    } want[] = {
        { "coco", "a photo of", 5, 30, 8, 1 },
        { "nocaps", "a photo of", 3, 20, 5, 1 },
        { "vqav2", "Question: {} Short answer:", 5, 10, 1, -1 },
        { "okvqa", "Question: {} Short answer:", 5, 10, 1, -1 },
        { "gqa", "Question: {} Short answer:", 5, 10, 1, -1 },
    };

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct bt_preset p;
        struct bt_err err = { 0 };

        CHECK_OK(bt_preset_load(&p, want[i].name, &err), &err);
        CHECK_OK(bt_preset_check(&p, &err), &err);
        CHECK_STR(p.name, want[i].name);
        CHECK_STR(p.prompt, want[i].prompt);
        CHECK(p.has_prompt && !p.greedy && !p.sample);
        CHECK_INT(p.beams, want[i].beams);
        CHECK_INT(p.max_new, want[i].max_new);
        CHECK_INT(p.min_length, want[i].min_length);
        CHECK_INT(p.min_new, 0);
        CHECK_NEAR(p.length_penalty, want[i].length_penalty, 0);
        CHECK_NEAR(p.repetition_penalty, 1, 0);
    }
}

static void test_default(void)
{
    struct bt_preset p;
    struct bt_err err = { 0 };

    bt_preset_default(&p);
    CHECK_OK(bt_preset_check(&p, &err), &err);
    CHECK(!p.has_prompt && p.beams == 5 && p.max_new == 30 && p.length_penalty == 1);
}

static int load_text(struct bt_preset *p, const char *text, struct bt_err *err)
{
    const char *path = scratch("mine.json");

    CHECK_OK(bt_file_write(path, text, strlen(text), true, err), err);
    return bt_preset_load(p, path, err);
}

static void test_file(void)
{
    struct bt_preset p;
    struct bt_err err = { 0 };

    CHECK_OK(load_text(&p, "{\"prompt\": \"{text} is\", \"beams\": 2, \"max_new\": 7, \"min_new\": 3, \"min_length\": 9,"
                           " \"length_penalty\": -0.5, \"repetition_penalty\": 1.15, \"temperature\": 2, \"top_p\": 0.25,"
                           " \"sample\": true, \"greedy\": false}", &err), &err);
    CHECK_STR(p.name, "mine.json");
    CHECK_STR(p.prompt, "{text} is");
    CHECK(p.has_prompt && p.sample && !p.greedy);
    CHECK(p.beams == 2 && p.max_new == 7 && p.min_new == 3 && p.min_length == 9);
    CHECK(p.length_penalty == -0.5 && p.repetition_penalty == 1.15 && p.temperature == 2 && p.top_p == 0.25);

    CHECK_OK(load_text(&p, "{}", &err), &err); /* what is not named is the default */
    CHECK(!p.has_prompt && p.beams == 5 && p.max_new == 30);
    CHECK_OK(load_text(&p, "{\"prompt\": \"\"}", &err), &err);
    CHECK(p.has_prompt && !*p.prompt);
}

static void test_what_a_file_may_not_say(void)
{
    static const struct {
        const char *text, *message;
        int status;
    } cases[] = {
        { "{\"beam\": 5}", "/mine.json: a preset has no 'beam'; bt-generate(1) lists its members", BT_ERR_CONFIG },
        { "{\"beams\": 2.5}", "/mine.json: beams must be a whole number", BT_ERR_CONFIG },
        { "{\"beams\": -1}", "/mine.json: beams must be a whole number", BT_ERR_CONFIG },
        { "{\"max_new\": \"30\"}", "/mine.json: max_new must be a whole number", BT_ERR_CONFIG },
        { "{\"temperature\": true}", "/mine.json: temperature must be a number", BT_ERR_CONFIG },
        { "{\"sample\": 1}", "/mine.json: sample must be true or false", BT_ERR_CONFIG },
        { "{\"prompt\": null}", "/mine.json: prompt must be a text", BT_ERR_CONFIG },
        { "[]", "/mine.json: a preset is a JSON object", BT_ERR_CONFIG },
        { "{\"beams\": 1, \"beams\": 2}", "mine.json", BT_ERR_JSON },
        { "{", "mine.json", BT_ERR_JSON },
    };
    struct bt_preset p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_err err = { 0 };

        CHECK_INT(load_text(&p, cases[i].text, &err), cases[i].status);
        CHECK(strstr(err.text, cases[i].message) != NULL);
    }
}

static void test_unknown_names(void)
{
    struct bt_preset p;
    struct bt_err err = { 0 };

    CHECK_INT(bt_preset_load(&p, "cocoa", &err), BT_ERR_USAGE);
    CHECK_STR(err.text, "--preset cocoa: is none of coco, nocaps, vqav2, okvqa, gqa, nor a file in .json");
    bt_err_clear(&err);
    CHECK_INT(bt_preset_load(&p, scratch("nowhere.json"), &err), BT_ERR_NOINPUT);
}

/* What is refused says what is allowed. */
static void test_ranges(void)
{
    static const struct {
        const char *text, *message; /* NULL: fine */
    } cases[] = {
        { "{\"temperature\": 1e-4}", NULL },
        { "{\"temperature\": 1e-30}", NULL },
        { "{\"temperature\": 0}", "temperature: must be above 0; for the most probable token use --greedy" },
        { "{\"temperature\": -1}", "temperature: must be above 0; for the most probable token use --greedy" },
        { "{\"top_p\": 1e-4}", NULL },
        { "{\"top_p\": 1}", NULL },
        { "{\"top_p\": 0}", "top_p: must be above 0 and at most 1; for the most probable token use --greedy" },
        { "{\"top_p\": 1.5}", "top_p: must be above 0 and at most 1; for the most probable token use --greedy" },
        { "{\"max_new\": 0}", "max_new: must be 1 to 100000 new tokens" },
        { "{\"max_new\": 100001}", "max_new: must be 1 to 100000 new tokens" },
        { "{\"max_new\": 3, \"min_new\": 3}", NULL },
        { "{\"max_new\": 3, \"min_new\": 4}", "min_new: 4 is more than max_new 3" },
        { "{\"beams\": 0}", "beams: must be 1 to 1000" },
        { "{\"beams\": 1001}", "beams: must be 1 to 1000" },
        { "{\"repetition_penalty\": 0}", "repetition_penalty: must be above 0; 1 is none" },
        { "{\"length_penalty\": -3}", NULL },
        { "{\"greedy\": true, \"sample\": true}", "greedy and sample exclude each other" },
    };
    struct bt_preset p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bt_err err = { 0 };

        CHECK_OK(load_text(&p, cases[i].text, &err), &err);
        CHECK_INT(bt_preset_check(&p, &err), cases[i].message ? BT_ERR_USAGE : BT_OK);
        CHECK_STR(err.text, cases[i].message ? cases[i].message : "");
    }
}

/* ---- prompts ---- */

static void expand(const char *template, const char *want)
{
    struct bt_preset p;
    struct bt_err err = { 0 };
    struct bt_buf out = { 0 };
    struct bt_record *rec = bt_record_new();

    bt_preset_default(&p);
    snprintf(p.prompt, sizeof p.prompt, "%s", template);
    CHECK_OK(bt_record_set_str(rec, "question", "How many (CATS) here?", 21, &err), &err);
    CHECK_OK(bt_record_set_str(rec, "topic", "CATS?", 5, &err), &err);
    CHECK_OK(bt_record_set_int(rec, "number", 7, &err), &err);
    CHECK_OK(bt_buf_add(&out, "", 0, &err), &err);

    int rc = bt_preset_prompt(&p, rec, &out, &err);

    if (want)
        CHECK_STR(out.data ? out.data : "", want);
    CHECK_INT(rc, want ? BT_OK : BT_ERR_BT_BODY);
    bt_buf_free(&out);
    bt_record_free(rec);
}

static void test_prompts(void)
{
    expand("a photo of", "a photo of");
    expand("", "");
    expand("Question: {} Short answer:", "Question: how many cats here? Short answer:"); /* cleaned */
    expand("{question}", "How many (CATS) here?");                                       /* as it stands */
    expand("{}{topic}|{topic}", "how many cats here?CATS?|CATS?");
    expand("a { b", "a { b");
    expand("a } b", "a } b");
    expand("{absent}", NULL);
    expand("{number}", NULL);
}

/* ---- hash ---- */

static void test_hash_is_of_every_value(void)
{
    static const char *const texts[] = {
        "{}", "{\"prompt\": \"\"}", "{\"prompt\": \"a\"}", "{\"beams\": 4}", "{\"max_new\": 31}", "{\"min_new\": 1}",
        "{\"min_length\": 2}", "{\"length_penalty\": 1.5}", "{\"repetition_penalty\": 1.15}", "{\"temperature\": 0.5}",
        "{\"top_p\": 0.5}", "{\"greedy\": true}", "{\"sample\": true}",
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    char hash[COUNT][65], again[65];
    struct bt_preset p;
    struct bt_err err = { 0 };

    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(load_text(&p, texts[i], &err), &err);
        CHECK_OK(bt_preset_hash(&p, hash[i], &err), &err);
        CHECK_INT(strspn(hash[i], "0123456789abcdef"), 64);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(hash[i], hash[k]) != 0);
    }
    bt_preset_default(&p); /* the same values under another name */
    CHECK_OK(bt_preset_hash(&p, again, &err), &err);
    CHECK_STR(again, hash[0]);
}

int main(void)
{
    scratch_begin();
    RUN(test_published);
    RUN(test_default);
    RUN(test_file);
    RUN(test_what_a_file_may_not_say);
    RUN(test_unknown_names);
    RUN(test_ranges);
    RUN(test_prompts);
    RUN(test_hash_is_of_every_value);
    scratch_end();
    return test_end();
}
