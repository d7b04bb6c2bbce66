/* bt-score - generated captions, answers and rankings against references.  See bt-score(1). */
#include <string.h>

#include "libcommon/base/json.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/metrics/score.h"
#include "libcommon/stream/stream.h"

static const char *command = "caption", *duplicates;
static int64_t seed = 1;
static struct bt_list operands;
static struct bt_score_options o = { .input = "-" };

static const struct bt_option options[] = {
    BT_OPT_COMMAND_OR(&command, "caption|vqa|gqa|retrieval", "what the results are"),
    BT_OPT_STRING('r', "refs", &o.refs, "FILE", "references: records, official JSON, or retrieval's pairs"),
    BT_OPT_STRING(0, "annotations", &o.refs, "FILE", "another name of --refs"),
    BT_OPT_STRING(0, "questions", &o.questions, "FILE", "GQA questions; VQA questions, for their choices"),
    BT_OPT_STRING(0, "choices", &o.choices, "FILE", "GQA: valid and plausible answers"),
    BT_OPT_STRING(0, "scenes", &o.scenes, "FILE", "GQA: scene graphs, for grounding"),
    BT_OPT_STRING(0, "attentions", &o.attentions, "FILE", "GQA: attention maps, for grounding"),
    BT_OPT_CHOICE(0, "variant", &o.variant, "official|lavis|blitext|aokvqa",
                  "whose evaluation to follow (official)"),
    BT_OPT_CHOICE(0, "tokenizer", &o.tokenizer, "ptb|words", "how captions become words (ptb, the official way)"),
    BT_OPT_STRING(0, "meteor", &o.meteor, "JAR", "meteor-1.5.jar or its directory, for METEOR; or stem (BT_METEOR)"),
    BT_OPT_STRING(0, "df", &o.df, "FILE", "references that CIDEr takes its document frequencies from"),
    BT_OPT_STRING(0, "domains", &o.domains, "FILE", "lists of image ids to score apart: {\"domain\": [ids]}"),
    BT_OPT_STRING(0, "spice", &o.spice, "JAR", "the official spice-1.0.jar; without it SPICE is skipped"),
    BT_OPT_STRING(0, "spice-cache", &o.spice_cache, "DIR", "keep SPICE's parses there"),
    BT_OPT_STRING(0, "java", &o.java, "PROGRAM", "the Java that runs it (java)"),
    BT_OPT_CHOICE(0, "duplicates", &duplicates, "error|first|last",
                  "several results for one id (captions: error, answers: last)"),
    BT_OPT_FLAG(0, "subset", &o.policy.subset,
                "score what has a result; otherwise a missing one is an error"),
    BT_OPT_STRING('c', "compare", &o.compare, "FILE",
                  "results of another system: differences and their significance"),
    BT_OPT_COUNT('b', "bootstrap", &o.samples, "N", "95 % intervals from N samples of the items"),
    BT_OPT_COUNT(0, "seed", &seed, "N", "which samples"),
    BT_OPT_FLAG('j', "json", &o.json, "one JSON object instead of the table"),
    BT_OPT_COUNT('w', "worst", &o.worst_count, "N", "also show the N worst results"),
    BT_OPT_STRING('p', "per-item", &o.per_item, "OUT", "write the scores of every item as records"),
    BT_OPT_STRING('s', "submission", &o.submission, "OUT",
                  "do not score: check the results and write them for a server"),
    BT_OPT_READING,
    BT_OPT_LINES,
    BT_OPT_FLAG('f', "force", &o.force, "replace OUT"),
    BT_OPT_OPERANDS(&operands, "FILE", "prediction records, results JSON or score matrices (stdin)"),
    BT_OPT_END
};

static const struct command {
    const char *name;
    int (*score)(const struct bt_score_options *o, struct bt_err *err);
    const char *submission_needs;
} commands[] = {
    { "caption", bt_score_captions, "the images to describe with --refs" },
    { "vqa", bt_score_vqa, "the questions to answer with --questions or --refs" },
    { "gqa", bt_score_gqa, "the questions to answer with --questions" },
    { "retrieval", bt_score_retrieval, NULL },
};

/* Options that belong to some commands only. */
static int check_commands(struct bt_err *err)
{
    const struct {
        const char *name;
        bool given;
        const char *of; /* commands, each in spaces */
    } rules[] = {
        { "questions", o.questions, " vqa gqa " },
        { "variant", o.variant, " vqa gqa " },
        { "choices", o.choices, " gqa " },
        { "scenes", o.scenes, " gqa " },
        { "attentions", o.attentions, " gqa " },
        { "tokenizer", o.tokenizer, " caption " },
        { "meteor", o.meteor, " caption " },
        { "df", o.df, " caption " },
        { "domains", o.domains, " caption " },
        { "spice", o.spice, " caption " },
        { "spice-cache", o.spice_cache, " caption " },
        { "java", o.java, " caption " },
        { "duplicates", duplicates, " caption vqa gqa " },
        { "subset", o.policy.subset, " caption vqa gqa " },
        { "submission", o.submission, " caption vqa gqa " },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *found = strstr(rules[i].of, command);
        if (rules[i].given && !(found && found[-1] == ' ' && found[strlen(command)] == ' '))
            return bt_fail(err, BT_ERR_USAGE, "--%s: not for 'bt-score %s'; see bt-score(1)", rules[i].name,
                           command);
    }
    return BT_OK;
}

static bool is_stdin(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static int check_options(const struct command *c, struct bt_err *err)
{
    int rc = check_commands(err);
    if (rc)
        return rc;
    if (operands.count > 1)
        return bt_fail(err, BT_ERR_USAGE, "%zu files of results; join streams with cat", operands.count);
    if (is_stdin(o.input) + is_stdin(o.refs) + is_stdin(o.compare) + is_stdin(o.questions) > 1)
        return bt_fail(err, BT_ERR_USAGE, "two inputs from stdin; name a file for one of them");
    if (is_stdin(o.per_item) || is_stdin(o.submission))
        return bt_fail(err, BT_ERR_USAGE, "--%s to stdout, where the scores go; name a file",
                       o.per_item ? "per-item" : "submission");
    if (o.samples > 1000000)
        return bt_fail(err, BT_ERR_USAGE, "--bootstrap: at most 1000000 samples");
    if (o.submission && !o.refs && !o.questions)
        return bt_fail(err, BT_ERR_USAGE, "--submission: give %s, so that none is missed",
                       c->submission_needs);
    return BT_OK;
}

static int run(struct bt_err *err)
{
    const struct command *c = commands;
    while (strcmp(c->name, command) != 0)
        c++;
    if (operands.count > 0)
        o.input = operands.items[0];
    if (duplicates)
        o.policy.duplicates = strcmp(duplicates, "error") == 0   ? BT_DUPLICATES_ERROR
                              : strcmp(duplicates, "first") == 0 ? BT_DUPLICATES_FIRST
                                                                 : BT_DUPLICATES_LAST;
    o.duplicates_given = duplicates;
    o.seed = (uint64_t)seed;
    int rc = check_options(c, err);
    bt_use_large_heap();
    return rc ? rc : c->score(&o, err);
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-score", "score generated captions, answers and rankings", options };
    return bt_tool_main(&tool, run, argc, argv);
}
