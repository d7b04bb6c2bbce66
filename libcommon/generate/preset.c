/* Decoding presets. Source: models.md 8.1; data.md 6. */
#include "libcommon/generate/preset.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/hash.h"
#include "libcommon/text/clean.h"

enum kind { TEXT, COUNT, REAL, FLAG };

static const struct member {
    const char *name;
    enum kind kind;
    size_t offset;
} members[] = {
#define MEMBER(name, kind) { #name, kind, offsetof(struct bt_preset, name) }
    MEMBER(prompt, TEXT),          MEMBER(beams, COUNT),              MEMBER(max_new, COUNT),
    MEMBER(min_new, COUNT),        MEMBER(min_length, COUNT),         MEMBER(length_penalty, REAL),
    MEMBER(repetition_penalty, REAL), MEMBER(temperature, REAL),      MEMBER(top_p, REAL),
    MEMBER(greedy, FLAG),          MEMBER(sample, FLAG),
};
#define MEMBERS (sizeof members / sizeof *members)

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

static int set(struct bt_preset *p, const struct member *m, const json_t *value, const char *place, struct bt_err *err)
{
    void *at = (char *)p + m->offset;
    static const char *const wanted[] = { "a text of at most 511 bytes", "a whole number", "a number", "true or false" };

    if (m->kind == TEXT && json_is_string(value) && json_string_length(value) < sizeof p->prompt) {
        memcpy(at, json_string_value(value), json_string_length(value) + 1);
        p->has_prompt = true;
    } else if (m->kind == COUNT && json_is_integer(value) && json_integer_value(value) >= 0) {
        *(int64_t *)at = json_integer_value(value);
    } else if (m->kind == REAL && json_is_number(value)) {
        *(double *)at = json_number_value(value);
    } else if (m->kind == FLAG && json_is_boolean(value)) {
        *(bool *)at = json_is_true(value);
    } else {
        return bt_fail(err, BT_ERR_CONFIG, "%s: %s must be %s", place, m->name, wanted[m->kind]);
    }
    return BT_OK;
}

static int load_file(struct bt_preset *p, const char *path, struct bt_err *err)
{
    json_t *json = NULL, *value;
    const char *key, *slash = strrchr(path, '/');
    int rc = bt_json_load(&json, path, err);

    if (!rc && !json_is_object(json))
        rc = bt_fail(err, BT_ERR_CONFIG, "%s: a preset is a JSON object", path);
    json_object_foreach(json, key, value) {
        size_t i = 0;

        while (i < MEMBERS && strcmp(members[i].name, key) != 0)
            i++;
        rc = i < MEMBERS ? set(p, &members[i], value, path, err)
                         : bt_fail(err, BT_ERR_CONFIG, "%s: a preset has no '%s'; bt-generate(1) lists its members", path, bt_quote_str(key));
        if (rc)
            break;
    }
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
    struct bt_buf text = { 0 };
    uint8_t digest[32];
    char number[32];
    int rc = BT_OK;

    for (size_t i = 0; i < MEMBERS && !rc; i++) {
        const void *at = (const char *)p + members[i].offset;

        bt_format_double(number, members[i].kind == REAL ? *(const double *)at : 0);
        rc = members[i].kind == TEXT    ? bt_buf_printf(&text, err, "%s=%s\n", members[i].name, p->has_prompt ? (const char *)at : "\1")
             : members[i].kind == COUNT ? bt_buf_printf(&text, err, "%s=%lld\n", members[i].name, (long long)*(const int64_t *)at)
             : members[i].kind == REAL  ? bt_buf_printf(&text, err, "%s=%s\n", members[i].name, number)
                                        : bt_buf_printf(&text, err, "%s=%d\n", members[i].name, *(const bool *)at);
    }
    if (!rc) {
        bt_sha256(text.data, text.size, digest);
        bt_hex(hex, digest, sizeof digest);
    }
    bt_buf_free(&text);
    return rc;
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
