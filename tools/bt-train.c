/* bt-train - trains a stage of BLIP-T, or of its BLIP-2 baseline.  See bt-train(1). */
#include <string.h>

#include "libcommon/base/tool.h"
#include "libcommon/stream/stream.h"
#include "libcommon/train/trainer.h"

static const char *stage, *model, *recipe_file, *labels, *output, *resume = "auto", *device = "cpu";
static struct bt_list data, weights, settings;
static int64_t threads, max_steps, stop_after, checkpoint_every, keep = 3;
static bool profile, print_recipe;

static const struct bt_option options[] = {
    BT_OPT_COMMAND(&stage, "vision|lm|stage0|stage1|stage2|caption", "what to train"),
    BT_OPT_LIST('d', "data", &data, "SET.lmdb", "token records to train on; several are joined"),
    BT_OPT_STRING('m', "model", &model, "FILE", "sizes of the model (model.json)"),
    BT_OPT_LIST('w', "weights", &weights, "FILE", "safetensors file or checkpoint to begin with; later ones win"),
    BT_OPT_STRING('r', "recipe", &recipe_file, "FILE", "hyper-parameters; those it lacks are the published ones"),
    BT_OPT_LIST('s', "set", &settings, "KEY=VALUE", "one hyper-parameter, over the recipe's"),
    BT_OPT_STRING('l', "labels", &labels, "FILE", "vision: words to learn, as word<TAB>label lines"),
    BT_OPT_STRING('o', "output", &output, "DIR", "directory of the run: log.jsonl, ckpt/, final"),
    BT_OPT_CHOICE(0, "resume", &resume, "auto|never", "go on from the newest checkpoint, or refuse to"),
    BT_OPT_COUNT(0, "checkpoint-every", &checkpoint_every, "STEPS", "save this often (default: at the end of each epoch)"),
    BT_OPT_COUNT(0, "keep", &keep, "N", "checkpoints to keep"),
    BT_OPT_COUNT(0, "max-steps", &max_steps, "STEPS", "end the run, complete, after this many steps"),
    BT_OPT_COUNT(0, "stop-after", &stop_after, "STEPS", "save and leave with status 75 after this many steps"),
    BT_OPT_CHOICE(0, "device", &device, "cpu", "where to compute"),
    BT_OPT_COUNT('t', "threads", &threads, "N", "threads of the CPU (default: all)"),
    BT_OPT_FLAG(0, "allow-partial", &bt_reading.allow_partial, "train on sets that are not complete"),
    BT_OPT_FLAG(0, "profile", &profile, "say at the end where the time went"),
    BT_OPT_FLAG(0, "print-recipe", &print_recipe, "print the effective recipe as JSON and do nothing"),
    BT_OPT_END
};

static int read_recipe(struct bt_recipe *recipe, struct bt_err *err)
{
    int rc = BT_OK;

    bt_recipe_default(recipe, stage);
    if (recipe_file)
        rc = bt_recipe_load(recipe, recipe_file, err);
    for (size_t i = 0; i < settings.count && !rc; i++)
        rc = bt_recipe_set(recipe, settings.items[i], err);
    return rc ? rc : bt_recipe_check(recipe, err);
}

static int show_recipe(const struct bt_recipe *recipe, struct bt_err *err)
{
    json_t *json = bt_recipe_write(recipe);
    int rc = json && !json_dumpf(json, stdout, JSON_INDENT(2)) && putchar('\n') != EOF ? BT_OK
                                                                                     : bt_fail(err, BT_ERR_IO, "stdout: writing failed");

    json_decref(json);
    return rc;
}

static int run(struct bt_err *err)
{
    struct bt_recipe recipe;
    struct bt_config config;
    const struct bt_backend *backend = NULL;
    int rc = read_recipe(&recipe, err);

    if (!rc && print_recipe)
        return show_recipe(&recipe, err);
    if (!rc && (!data.count || !model || !output))
        rc = bt_fail(err, BT_ERR_USAGE, "%s: --data, --model and --output are needed; see --help", stage);
    if (!rc)
        rc = bt_config_load(&config, model, err);
    if (!rc && !(backend = bt_backend_cpu((int)threads, err)))
        rc = err->status;
    if (!rc) {
        struct bt_run_options run_options = {
            .stage = (enum bt_stage)bt_stage_by_name(stage), .backend = backend, .config = &config, .recipe = &recipe,
            .data = data.items, .data_count = data.count, .weights = weights.items, .weight_count = weights.count,
            .labels = labels, .output = output, .max_steps = max_steps, .stop_after = stop_after,
            .checkpoint_every = checkpoint_every, .keep = keep, .resume = strcmp(resume, "auto") == 0, .profile = profile,
        };

        rc = bt_run(&run_options, err);
    }
    bt_backend_free(backend);
    return rc;
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-train", "train a stage of BLIP-T or of its BLIP-2 baseline", options };

    return bt_tool_main(&tool, run, argc, argv);
}
