/* METEOR's cases of the metrics runner, which includes this behind its own helpers. `meteor` and those of
 * captions need METEOR's data: BT_METEOR in the environment names meteor-1.5.jar or its directory; without it
 * they are skipped. `meteor_own` has small data of its own in the same layout, and the answers that the jar
 * gives with them. */

#define METEOR_SKIP "METEOR's data are not here; BT_METEOR names the jar"

/* What was aligned, beside what is expected of each: an array of objects with "hyp" and "refs". */
struct meteor_set {
    const json_t *segments;
    struct bt_meteor_item *items;
    struct bt_meteor_stats *stats;
    size_t count;
};

static void read_meteor_set(struct meteor_set *set, const json_t *segments)
{
    set->segments = segments;
    set->count = json_array_size(segments);
    set->items = calloc(set->count, sizeof *set->items);
    set->stats = calloc(set->count, sizeof *set->stats);
    for (size_t i = 0; i < set->count; i++) {
        const json_t *segment = json_array_get(segments, i), *references = json_object_get(segment, "refs"),
                     *reference;
        struct bt_text *texts = calloc(json_array_size(references), sizeof *texts);
        size_t r;
        json_array_foreach(references, r, reference) texts[r] = text_of(reference);
        set->items[i] = (struct bt_meteor_item){ text_of(json_object_get(segment, "hyp")), texts,
                                                 (int32_t)json_array_size(references) };
    }
}

static void free_meteor_set(struct meteor_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free((void *)set->items[i].references);
    free(set->items);
    free(set->stats);
}

static void compare_statistics(size_t segment, const struct bt_meteor_stats *stats, const json_t *want)
{
    int64_t list[BT_METEOR_STATISTICS];
    bt_meteor_list(stats, list);
    if (json_array_size(want) != BT_METEOR_STATISTICS)
        differ("segment %zu has no %d statistics", segment, BT_METEOR_STATISTICS);
    for (size_t k = 0; k < BT_METEOR_STATISTICS; k++)
        if (list[k] != (int64_t)json_number_value(json_array_get(want, k)))
            differ("statistic %zu of segment %zu is %lld, want %lld", k, segment, (long long)list[k],
                   (long long)json_number_value(json_array_get(want, k)));
}

/* The pooled score of the segments of one kind; NULL: of all. */
static double pool_kind(const struct meteor_set *set, const char *kind)
{
    struct bt_meteor_stats sum = { .chunks = 0 };
    for (size_t i = 0; i < set->count; i++) {
        const char *own = json_string_value(json_object_get(json_array_get(set->segments, i), "kind"));
        if (!kind || (own && strcmp(own, kind) == 0))
            bt_meteor_add(&sum, &set->stats[i]);
    }
    return bt_meteor_score(&sum);
}

/* Aligns, and compares each segment's statistics and score under these keys. */
static void compare_meteor(struct meteor_set *set, const struct bt_meteor_data *data, const char *stats_key,
                           const char *score_key)
{
    struct bt_err err = { 0 };
    if (bt_meteor_align(data, set->items, set->count, set->stats, &err) != BT_OK)
        differ("%s", err.text);
    for (size_t i = 0; i < set->count; i++) {
        const json_t *segment = json_array_get(set->segments, i);
        compare_statistics(i, &set->stats[i], json_object_get(segment, stats_key));
        compare(score_key, bt_meteor_score(&set->stats[i]), number(segment, score_key), 1e-9);
    }
}

static void compare_pools(const struct meteor_set *set, const json_t *pools, const char *key)
{
    const char *kind;
    json_t *pool;
    json_object_foreach((json_t *)json_object_get(pools, "pools"), kind, pool)
        compare(kind, pool_kind(set, strcmp(kind, "all") == 0 ? NULL : kind), number(pool, key), 1e-9);
}

/* NULL and a line of TAP where there are no data. */
static struct bt_meteor_data *open_meteor(const char *path, const char *folder, const char *part)
{
    struct bt_meteor_data *data = NULL;
    struct bt_err err = { 0 };
    if (!path || !*path) {
        report(folder, part, METEOR_SKIP);
    } else if (bt_meteor_open(&data, path, &err) != BT_OK) {
        differ("%s", err.text);
        report(folder, part, NULL);
    }
    return data;
}

static json_t *load_segments(const char *folder)
{
    char *path = bt_format("%s/%s", root, folder);
    json_t *values = json_array();
    struct bt_lines *lines = NULL;
    struct bt_err err = { 0 };
    const char *line;
    size_t size;
    int rc = bt_lines_open(&lines, path, &err);
    while (!rc && (rc = bt_lines_next(lines, &line, &size, &err)) == BT_OK)
        json_array_append_new(values, json_loadb(line, size, JSON_ALLOW_NUL, NULL));
    if (rc != BT_END)
        differ("%s", err.text);
    else if (json_array_size(values) == 0)
        differ("%s is empty", path);
    bt_lines_close(lines);
    free(path);
    return values;
}

static void check_segments(const char *name, const char *data_path, const char *folder)
{
    struct bt_meteor_data *data = open_meteor(data_path, name, NULL);
    if (!data)
        return;
    json_t *segments = load_segments(name), *pools = load(folder, "pooled.json");
    struct meteor_set set;
    struct bt_err err = { 0 };

    read_meteor_set(&set, segments);
    compare_meteor(&set, data, "stats", "score");
    compare_pools(&set, pools, "pooled");
    report(name, "with paraphrases", NULL);
    if (bt_meteor_set_paraphrases(data, NULL, &err) != BT_OK)
        differ("%s", err.text);
    compare_meteor(&set, data, "stats_empty", "score_empty");
    compare_pools(&set, pools, "pooled_empty");
    report(name, "without paraphrases", NULL);
    free_meteor_set(&set);
    bt_meteor_close(data);
    json_decref(segments);
    json_decref(pools);
}

/* Other files of the folders belong to the segments. */
static void check_meteor(const char *name)
{
    if (strstr(name, "/segments.jsonl"))
        check_segments(name, getenv("BT_METEOR"), "meteor");
}

static void check_meteor_own(const char *name)
{
    char *path = bt_format("%s/meteor_own", root);
    if (strstr(name, "/segments.jsonl"))
        check_segments(name, path, "meteor_own");
    free(path);
}

/* The images of a captions case. */
static void check_captions_meteor(const char *folder, const json_t *expected)
{
    struct bt_meteor_data *data = open_meteor(getenv("BT_METEOR"), folder, "METEOR");
    struct meteor_set set;
    if (!data)
        return;
    read_meteor_set(&set, json_object_get(expected, "images"));
    compare_meteor(&set, data, "meteor_stats", "METEOR");
    compare("METEOR of the corpus", pool_kind(&set, NULL),
            number(json_object_get(expected, "corpus"), "METEOR"), 1e-9);
    report(folder, "METEOR", NULL);
    free_meteor_set(&set);
    bt_meteor_close(data);
}
