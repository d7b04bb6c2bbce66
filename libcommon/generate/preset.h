/* Decoding presets: prompt, lengths and penalties under a name, with a hash that travels in the records.
 * Published values: models.md 8.1; data.md 6 (prompts). */
#ifndef BT_GENERATE_PRESET_H
#define BT_GENERATE_PRESET_H

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/generate/decode.h"
#include "libcommon/stream/record.h"

struct bt_preset {
    char name[64];
    char prompt[512];   /* {} is the record's question, cleaned; {field} a text of the record as it stands */
    bool has_prompt;    /* false: nothing was said about one */
    int64_t beams, max_new, min_new, min_length; /* min_new counts new tokens; min_length prompt and all, as published */
    double length_penalty, repetition_penalty, temperature, top_p;
    bool greedy, sample;
};

/* The preset that a command begins with: beam search as the published method's defaults. */
void bt_preset_default(struct bt_preset *preset);
/* "coco", "nocaps", "vqav2", "okvqa", "gqa", or a JSON file (a name with a '/' or ending in .json). E_CONFIG, E_NOINPUT. */
int bt_preset_load(struct bt_preset *preset, const char *name, struct bt_err *err);
/* Ranges: E_USAGE naming what is allowed. */
int bt_preset_check(const struct bt_preset *preset, struct bt_err *err);
/* sha256 of all values, hex. */
int bt_preset_hash(const struct bt_preset *preset, char hex[65], struct bt_err *err);
/* The names built in, "coco|nocaps|...". */
#define BT_PRESET_NAMES "coco, nocaps, vqav2, okvqa, gqa"

/* The prompt for one record: E_INPUT when it lacks what the template asks for. Appends to out. */
int bt_preset_prompt(const struct bt_preset *preset, const struct bt_record *rec, struct bt_buf *out, struct bt_err *err);

#endif
