/* Decoding presets. Source: models.md 8.1; data.md 6. */
#include "libcommon/generate/preset.h"

#include <stdio.h>
#include <string.h>

#include "libcommon/base/members.h"
#include "libcommon/text/clean.h"

#define ROW(name, kind, least) BT_MEMBER(struct bt_preset, NULL, #name, name, kind, least)
static const struct bt_member rows[] = {
    ROW(prompt, TEXT, 0),
    ROW(beams, COUNT, 0),
    ROW(max_new, COUNT, 0),
    ROW(min_new, COUNT, 0),
    ROW(min_length, COUNT, 0),
    ROW(length_penalty, REAL, -INFINITY),
    ROW(repetition_penalty, REAL, -INFINITY),
    ROW(temperature, REAL, -INFINITY),
    ROW(top_p, REAL, -INFINITY),
    ROW(greedy, FLAG, 0),
    ROW(sample, FLAG, 0),
    ROW(has_prompt, FLAG, 0), /* the last: in the hash, not in files */
};
#define IN_FILES (sizeof rows / sizeof *rows - 1)
static const struct bt_members file_members = { "preset", "bt-generate(1)", rows, IN_FILES };
static const struct bt_members all_members = { "preset", "bt-generate(1)", rows, IN_FILES + 1 };

static const struct bt_preset published[] = {
    { .name = "coco", .prompt = "a photo of", .has_prompt = true, .beams = 5, .max_new = 30, .min_length = 8,
      .length_penalty = 1, .repetition_penalty = 1, .temperature = 1, .top_p = 0.9 },
    { .name = "nocaps", .prompt = "a photo of", .has_prompt = true, .beams = 3, .max_new = 20, .min_length = 5,
      .length_penalty = 1, .repetition_penalty = 1, .temperature = 1, .top_p = 0.9 },
#define VQA(preset_name)                                                                                               \
    { .name = preset_name, .prompt = "Question: {} Short answer:", .has_prompt = true, .beams = 5, .max_new = 10,      \
      .min_length = 1, .length_penalty = -1, .repetition_penalty = 1, .temperature = 1, .top_p = 0.9 }
    VQA("vqav2"), VQA("okvqa"), VQA("gqa"),
};

void bt_preset_default(struct bt_preset *preset)
{
    *preset = (struct bt_preset){ .name = "default", .beams = 5, .max_new = 30, .min_length = 1, .length_penalty = 1,
                                  .repetition_penalty = 1, .temperature = 1, .top_p = 0.9 };
}

static int load_file(struct bt_preset *p, const char *path, struct bt_err *err)
{
    json_t *json = NULL;
    const char *slash = strrchr(path, '/');
    int rc = bt_json_load(&json, path, err);

    if (!rc)
        rc = bt_members_read(&file_members, p, json, path, err);
    if (!rc)
        p->has_prompt = json_object_get(json, "prompt") != NULL;
    snprintf(p->name, sizeof p->name, "%s", slash ? slash + 1 : path);
    json_decref(json);
    return rc;
}

int bt_preset_load(struct bt_preset *preset, const char *name, struct bt_err *err)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (strcmp(published[i].name, name) == 0) {
            *preset = published[i];
            return BT_OK;
        }
    if (!strchr(name, '/') && (length < 5 || strcmp(name + length - 5, ".json") != 0))
        return bt_fail(err, BT_ERR_USAGE, "--preset %s: is none of %s, nor a file in .json", bt_quote_str(name), BT_PRESET_NAMES);
    bt_preset_default(preset);
    return load_file(preset, name, err);
}

int bt_preset_check(const struct bt_preset *p, struct bt_err *err)
{
    if (p->max_new < 1 || p->max_new > 100000)
        return bt_fail(err, BT_ERR_USAGE, "max_new: must be 1 to 100000 new tokens");
    if (p->min_new > p->max_new)
        return bt_fail(err, BT_ERR_USAGE, "min_new: %lld is more than max_new %lld", (long long)p->min_new, (long long)p->max_new);
    if (p->beams < 1 || p->beams > 1000)
        return bt_fail(err, BT_ERR_USAGE, "beams: must be 1 to 1000");
    if (p->greedy && p->sample)
        return bt_fail(err, BT_ERR_USAGE, "greedy and sample exclude each other");
    if (!(p->temperature > 0))
        return bt_fail(err, BT_ERR_USAGE, "temperature: must be above 0; for the most probable token use --greedy");
    if (!(p->top_p > 0 && p->top_p <= 1))
        return bt_fail(err, BT_ERR_USAGE, "top_p: must be above 0 and at most 1; for the most probable token use --greedy");
    if (!(p->repetition_penalty > 0))
        return bt_fail(err, BT_ERR_USAGE, "repetition_penalty: must be above 0; 1 is none");
    return BT_OK;
}

int bt_preset_hash(const struct bt_preset *p, char hex[65], struct bt_err *err)
{
    return bt_members_hash(&all_members, p, hex, err);
}

/* What stands between braces: nothing is the cleaned question, a name the text of that field. */
static int expand(const struct bt_record *rec, const char *name, size_t size, struct bt_buf *out, struct bt_err *err)
{
    char key[64];
    const char *data;
    size_t length;
    int rc;

    snprintf(key, sizeof key, "%.*s", (int)size, size ? name : "");
    rc = bt_record_need_str(rec, size ? key : "question", &data, &length, err);
    if (!rc)
        rc = size ? bt_buf_add(out, data, length, err) : bt_clean_question(out, data, length, BT_CLEAN_MAX_WORDS, err);
    return rc;
}

int bt_preset_prompt(const struct bt_preset *p, const struct bt_record *rec, struct bt_buf *out, struct bt_err *err)
{
    const char *at = p->prompt;
    int rc = BT_OK;

    while (*at && !rc) {
        const char *open = strchr(at, '{'), *close = open ? strchr(open, '}') : NULL;

        if (!close)
            return bt_buf_add(out, at, strlen(at), err);
        rc = bt_buf_add(out, at, (size_t)(open - at), err);
        if (!rc)
            rc = expand(rec, open + 1, (size_t)(close - open - 1), out, err);
        at = close + 1;
    }
    return rc;
}
