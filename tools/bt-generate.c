/* bt-generate - captions and answers for pictures, scores of pictures against captions, text from the language model alone.  See bt-generate(1). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/base/log.h"
#include "libcommon/base/tool.h"
#include "libcommon/generate/flow.h"
#include "libcommon/generate/generator.h"
#include "libcommon/generate/retrieval.h"

static const char *command, *input = "-", *output = "-", *model, *tokenizer_path, *preset_name, *prompt, *rejects;
static struct bt_list weights, pictures;
static int64_t batch = 16, max_text = 35, top = 128, beams = -1, max_new = -1, min_new = -1, threads, seed = 0;
static double length_penalty = -1e300, repetition_penalty = -1e300, temperature = -1e300, top_p = -1e300, max_rejects = 0.05;
static bool greedy, sample, keep_image, force, lines;

static const struct bt_option options[] = {
    BT_OPT_COMMAND(&command, "caption|vqa|text|retrieval",
                   "captions, answers to questions, text without a picture, or scores of pictures against captions"),
    BT_OPT_STRING('i', "input", &input, "FILE", "sample records, a stream or shards, when no pictures are named"),
    BT_OPT_STRING('o', "output", &output, "FILE", "prediction records; of retrieval a safetensors file"),
    BT_OPT_LIST('w', "weights", &weights, "FILE", "safetensors file or checkpoint; later ones win"),
    BT_OPT_STRING('m', "model", &model, "FILE", "model.json; without it the last checkpoint's own"),
    BT_OPT_REQUIRED('t', "tokenizer", &tokenizer_path, "PATH", "of the part that writes: OPT's, or BERT's after stage 1"),
    BT_OPT_STRING('p', "preset", &preset_name, "NAME", "decoding preset: " BT_PRESET_NAMES ", or a .json file"),
    BT_OPT_STRING(0, "prompt", &prompt, "TEXT", "{} is the record's question, {field} a text of the record"),
    BT_OPT_COUNT('b', "beams", &beams, "N", "beams of the search (default 5)"),
    BT_OPT_COUNT(0, "max-new", &max_new, "N", "most new tokens (default 30)"),
    BT_OPT_COUNT(0, "min-new", &min_new, "N", "fewest new tokens"),
    BT_OPT_NUMBER(0, "length-penalty", &length_penalty, "X", "exponent of the length that a score is divided by (default 1)"),
    BT_OPT_NUMBER(0, "repetition-penalty", &repetition_penalty, "X", "against tokens that are there already (default 1)"),
    BT_OPT_FLAG('g', "greedy", &greedy, "take the most probable token each time"),
    BT_OPT_FLAG('s', "sample", &sample, "draw tokens (nucleus sampling)"),
    BT_OPT_NUMBER(0, "temperature", &temperature, "X", "of sampling, above 0 (default 1)"),
    BT_OPT_NUMBER(0, "top-p", &top_p, "X", "of sampling, above 0 to 1 (default 0.9)"),
    BT_OPT_COUNT(0, "seed", &seed, "N", "of sampling (default 0)"),
    BT_OPT_COUNT(0, "max-text", &max_text, "N", "retrieval: tokens of a caption"),
    BT_OPT_COUNT(0, "top", &top, "N", "retrieval: candidates the matching head looks at; 0: cosines alone"),
    BT_OPT_COUNT(0, "batch", &batch, "N", "records decoded together"),
    BT_OPT_COUNT(0, "threads", &threads, "N", "threads of the CPU (default: all)"),
    BT_OPT_FLAG(0, "keep-image", &keep_image, "leave the picture in the prediction records"),
    BT_OPT_FLAG('l', "lines", &lines, "print id<TAB>text lines instead of records"),
    BT_OPT_STRING(0, "rejects", &rejects, "FILE", "log of records that could not be used, JSON lines"),
    BT_OPT_NUMBER(0, "max-rejects", &max_rejects, "N", "stop above this share of records, or this count if 1 or more"),
    BT_OPT_READING,
    BT_OPT_FLAG('f', "force", &force, "replace the output"),
    BT_OPT_OPERANDS(&pictures, "PICTURE", "JPEG or PNG files to look at"),
    BT_OPT_END
};

static int read_preset(struct bt_preset *p, struct bt_err *err)
{
    int rc = BT_OK;

    bt_preset_default(p);
    if (preset_name)
        rc = bt_preset_load(p, preset_name, err);
    if (rc)
        return rc;
    if (prompt) {
        if (strlen(prompt) >= sizeof p->prompt)
            return bt_fail(err, BT_ERR_USAGE, "--prompt: is longer than %zu bytes", sizeof p->prompt - 1);
        strcpy(p->prompt, prompt);
        p->has_prompt = true;
    }
    p->beams = beams >= 0 ? beams : p->beams;
    p->max_new = max_new >= 0 ? max_new : p->max_new;
    p->min_new = min_new >= 0 ? min_new : p->min_new;
    p->length_penalty = length_penalty > -1e300 ? length_penalty : p->length_penalty;
    p->repetition_penalty = repetition_penalty > -1e300 ? repetition_penalty : p->repetition_penalty;
    p->temperature = temperature > -1e300 ? temperature : p->temperature;
    p->top_p = top_p > -1e300 ? top_p : p->top_p;
    if (greedy || sample) {
        p->greedy = greedy;
        p->sample = sample;
    }
    if (!p->sample && (temperature > 0 || top_p > 0)) /* a value that is never right is bt_preset_check's to refuse */
        return bt_fail(err, BT_ERR_USAGE, "--temperature and --top-p are of sampling, which is not asked for; add --sample");
    if (!p->has_prompt && strcmp(command, "caption") != 0)
        bt_note("no preset and no --prompt: the %s is the prompt as it stands", strcmp(command, "vqa") ? "beginning mark" : "question");
    return bt_preset_check(p, err);
}

/* Of the last directory among the weights: its config.json says which stage wrote it, and with which model. */
static char *checkpoint_config(void)
{
    for (size_t i = weights.count; i-- > 0;) {
        char *path = bt_format("%s/config.json", weights.items[i]);

        if (path && bt_path_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

static int load_model(struct bt_vlm **vlm, const struct bt_backend *backend, struct bt_err *err)
{
    char *checkpoint = checkpoint_config();
    const char *stage_name = NULL;
    struct bt_config config;
    json_t *json = NULL;
    int stage = BT_STAGE_2, rc = BT_OK;

    if (!model && !checkpoint)
        rc = bt_fail(err, BT_ERR_USAGE, "--model: is needed where no --weights is a checkpoint of bt-train");
    if (!rc)
        rc = bt_config_load(&config, model ? model : checkpoint, err);
    if (!rc && checkpoint)
        rc = bt_json_load(&json, checkpoint, err);
    if (!rc && json)
        rc = bt_json_get_str(json, "stage", &stage_name, checkpoint, err);
    if (strcmp(command, "text") == 0)
        stage = BT_STAGE_LM;
    else if (stage_name && strcmp(stage_name, "stage1") == 0)
        stage = BT_STAGE_1;
    if (!rc)
        rc = bt_vlm_new_frozen(vlm, backend, &config, (enum bt_stage)stage, err);
    for (size_t i = 0; i < weights.count && !rc; i++)
        rc = bt_vlm_load(*vlm, weights.items[i], err);
    if (!rc)
        rc = bt_vlm_ready(*vlm, err);
    json_decref(json);
    free(checkpoint);
    return rc;
}

struct sink {
    struct bt_flow *flow;
    struct bt_progress progress;
    uint64_t done;
};

static int put(void *context, struct bt_record *rec, struct bt_err *err)
{
    struct sink *s = context;
    int rc = bt_flow_put(s->flow, rec, err);

    bt_progress_update(&s->progress, ++s->done, NULL);
    return rc;
}

/* What was taken before is handed on first, so that the output keeps the order of the input. */
static int reject(struct bt_generator *g, struct sink *s, const char *code, struct bt_err *err)
{
    struct bt_err why = *err;
    int rc;

    bt_err_clear(err);
    rc = bt_generator_flush(g, put, s, err);
    return rc ? rc : bt_flow_reject(s->flow, code, &why, err);
}

static int generate(struct bt_flow *flow, struct bt_generator *g, struct bt_err *err)
{
    struct sink s = { .flow = flow };
    struct bt_record *rec = NULL;
    uint64_t number = 0;
    const char *code = NULL;
    int rc = BT_OK;

    bt_progress_start(&s.progress, command, "records", 0, bt_flow_total(flow));
    while (!rc && !(rc = bt_flow_next(flow, &rec, &number, err))) {
        rc = bt_generator_put(g, rec, number, &code, err);
        if (rc == BT_ERR_INPUT || rc == BT_ERR_IMAGE || rc == BT_ERR_BT_BODY)
            rc = reject(g, &s, code, err);
        if (!rc && bt_generator_full(g))
            rc = bt_generator_flush(g, put, &s, err);
        if (!rc && bt_stop_requested())
            rc = bt_fail(err, BT_ERR_STOPPED, "stopped on request");
    }
    if (rc == BT_END && !(rc = bt_generator_flush(g, put, &s, err)))
        rc = bt_flow_finish(flow, err);
    if (!rc)
        bt_progress_finish(&s.progress);
    return rc;
}

static int predict(const struct bt_vlm *vlm, struct bt_tokenizer *tokenizer, const struct bt_preset *preset, struct bt_err *err)
{
    bool sees = strcmp(command, "text") != 0;
    const char *field = strcmp(command, "caption") == 0 ? "caption" : "answer";
    struct bt_flow_options ends = { .input = input, .pictures = &pictures, .output = output, .field = field, .force = force,
                                    .lines = lines || (strcmp(output, "-") == 0 && isatty(STDOUT_FILENO)), .rejects = rejects,
                                    .max_rejects = max_rejects };
    struct bt_generator *generator = NULL;
    struct bt_flow *flow = NULL;
    int rc = bt_generator_new(&generator, &(struct bt_generator_options){
        .vlm = vlm, .tokenizer = tokenizer, .preset = preset, .field = field, .batch = (size_t)batch, .seed = (uint64_t)seed,
        .pictures = sees, .keep_image = keep_image }, err);

    if (!rc)
        rc = bt_flow_open(&flow, &ends, err);
    if (!rc)
        rc = generate(flow, generator, err);
    bt_generator_free(generator);
    bt_flow_close(flow);
    return rc;
}

static int retrieve(const struct bt_vlm *vlm, struct bt_tokenizer *tokenizer, struct bt_err *err)
{
    return bt_retrieve(&(struct bt_retrieval_options){
        .vlm = vlm, .tokenizer = tokenizer, .input = input, .output = output, .tokens = (size_t)max_text, .top = (size_t)top,
        .batch = (size_t)batch, .force = force }, err);
}

static int check(struct bt_err *err)
{
    bool takes_pictures = strcmp(command, "caption") == 0 || strcmp(command, "vqa") == 0;

    if (batch < 1 || batch > 65536)
        return bt_fail(err, BT_ERR_USAGE, "--batch: must be 1 to 65536");
    if (!takes_pictures && pictures.count)
        return bt_fail(err, BT_ERR_USAGE, "%s: looks at no pictures named one by one; name records with --input", command);
    if (!weights.count)
        return bt_fail(err, BT_ERR_USAGE, "--weights: name the checkpoint, and the frozen parts it was trained with");
    return BT_OK;
}

static int run(struct bt_err *err)
{
    bool retrieves = strcmp(command, "retrieval") == 0;
    struct bt_preset preset;
    const struct bt_backend *backend = NULL;
    struct bt_vlm *vlm = NULL;
    struct bt_tokenizer *tokenizer = NULL;
    int rc = retrieves ? BT_OK : read_preset(&preset, err);

    if (!rc)
        rc = check(err);
    if (!rc && !(backend = bt_backend_cpu((int)threads, err)))
        rc = err->status;
    if (!rc)
        rc = bt_tokenizer_load(&tokenizer, tokenizer_path, err);
    if (!rc)
        rc = load_model(&vlm, backend, err);
    if (!rc)
        rc = retrieves ? retrieve(vlm, tokenizer, err) : predict(vlm, tokenizer, &preset, err);
    bt_tokenizer_free(tokenizer);
    bt_vlm_free(vlm);
    bt_backend_free(backend);
    return rc;
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-generate", "caption pictures, answer questions about them, find them by text", options };

    return bt_tool_main(&tool, run, argc, argv);
}
