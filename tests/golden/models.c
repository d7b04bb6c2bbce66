/* The networks, losses, optimiser and decoders against the published classes: `models DIR`, DIR laid out like
 * tests/golden/models (see its README.md). Every case on every backend; a TAP line for each kind of thing
 * compared. */
#include <dirent.h>

#include "libcommon/base/file.h"
#include "tests/golden/model_matching.h"
#include "tests/golden/model_parts.h"
#include "tests/golden/model_stages.h"
#include "tests/golden/model_writing.h"

static const struct {
    const char *name;
    void (*run)(struct golden *g);
} cases[] = {
    { "vit_eva", run_vit },
    { "qformer_text", run_qformer },
    { "qformer_image", run_qformer },
    { "qformer_itm", run_qformer },
    { "qformer_lm", run_qformer },
    { "stage0_opt", run_stage0 },
    { "stage1", run_stage1 },
    { "stage2_opt", run_stage2 },
    { "stage2_opt_prompt", run_stage2 },
    { "blip2_opt", run_stage2_baseline },
    { "blip2_stage1", run_stage1_baseline },
    { "caption_ft", run_caption },
    { "adamw_stage2", run_adamw },
    { "generate_opt", run_generate_opt },
    { "generate_qformer", run_generate_qformer },
    { "retrieval", run_retrieval },
};

/* By a part of the name: what such cases need and is not built. */
static const char *const not_built[][2] = {
    { "_t5", "FlanT5" },
    { "two_ranks", "several processes in one program" },
    { "clip_vit", "CLIP ViT" },
    { "checkpoints", "reading .pth files" },
    { "", "a runner for this case" },
};

static void run_case(const struct bt_backend *backend, const char *dir, const char *name)
{
    struct golden g;
    size_t i = 0, why = 0;

    while (i < sizeof cases / sizeof *cases && strcmp(cases[i].name, name) != 0)
        i++;
    if (i == sizeof cases / sizeof *cases) {
        while (!strstr(name, not_built[why][0]))
            why++;
        tap(true, "%s # SKIP %s is not built", name, not_built[why][1]);
        return;
    }
    if (golden_open(&g, backend, dir, name))
        cases[i].run(&g);
    golden_close(&g);
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_name[0] != '_';
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "tests/golden/models";
    struct bt_err err = { 0 };
    const struct bt_backend *backends[] = { bt_backend_cpu(0, &err) };
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_case, alphasort), found = 0;

    for (size_t b = 0; b < sizeof backends / sizeof *backends; b++) {
        for (int i = 0; i < count && backends[b]; i++) {
            char *config = bt_format("%s/%s/config.json", dir, entries[i]->d_name);

            if (bt_path_exists(config)) {
                run_case(backends[b], dir, entries[i]->d_name);
                found++;
            }
            free(config);
        }
        if (!backends[b])
            tap(false, "backend: %s", err.text);
        bt_backend_free(backends[b]);
    }
    if (!found)
        tap(false, "%s: no cases there", dir);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}
