/* METEOR's parts: the jar, its table, refusals, the variant without data. The alignments themselves are
 * golden cases (tests/golden/metrics/meteor_own); expected values here are from metrics.md 2.4 and 2.6. */
#include <omp.h>
#include <zlib.h>

#include "libcommon/metrics/jar.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/meteor_normalize.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

#define OWN "tests/golden/metrics/meteor_own"

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

/* ---------------------------------------------------------------- a zip archive */

struct zip {
    uint8_t bytes[4096], directory[1024];
    size_t size, directory_size, count;
};

static void put(uint8_t *to, size_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[(*at)++] = (uint8_t)(i < 4 ? value >> 8 * i : 0);
}

/* The fields that both headers have, from "version needed" on. */
static void put_header(uint8_t *to, size_t *at, int method, const char *name, uint32_t crc, size_t packed,
                       size_t size)
{
    put(to, at, 20, 2);
    put(to, at, 0, 2);
    put(to, at, (uint32_t)method, 2);
    put(to, at, 0, 4);
    put(to, at, crc, 4);
    put(to, at, (uint32_t)packed, 4);
    put(to, at, (uint32_t)size, 4);
    put(to, at, (uint32_t)strlen(name), 2);
    put(to, at, 0, 2);
}

static void zip_add(struct zip *z, const char *name, const char *data, int method)
{
    Bytef packed[512];
    uLongf packed_size = sizeof packed;
    size_t size = strlen(data), local = z->size;
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)data, (uInt)size);
    const uint8_t *body = (const uint8_t *)data;
    if (method == 8) {
        compress2(packed, &packed_size, (const Bytef *)data, size, 9);
        body = packed + 2; /* without zlib's own header and checksum */
        packed_size -= 6;
    } else {
        packed_size = size;
    }
    memcpy(z->bytes + z->size, "PK\3\4", 4);
    z->size += 4;
    put_header(z->bytes, &z->size, method, name, crc, packed_size, size);
    memcpy(z->bytes + z->size, name, strlen(name));
    z->size += strlen(name);
    memcpy(z->bytes + z->size, body, packed_size);
    z->size += packed_size;

    uint8_t *d = z->directory;
    memcpy(d + z->directory_size, "PK\1\2", 4);
    z->directory_size += 4;
    put(d, &z->directory_size, 20, 2);
    put_header(d, &z->directory_size, method, name, crc, packed_size, size);
    put(d, &z->directory_size, 0, 10);
    put(d, &z->directory_size, (uint32_t)local, 4);
    memcpy(d + z->directory_size, name, strlen(name));
    z->directory_size += strlen(name);
    z->count++;
}

static void zip_end(struct zip *z)
{
    size_t start = z->size;
    memcpy(z->bytes + z->size, z->directory, z->directory_size);
    z->size += z->directory_size;
    memcpy(z->bytes + z->size, "PK\5\6", 4);
    z->size += 4;
    put(z->bytes, &z->size, 0, 4);
    put(z->bytes, &z->size, (uint32_t)z->count, 2);
    put(z->bytes, &z->size, (uint32_t)z->count, 2);
    put(z->bytes, &z->size, (uint32_t)z->directory_size, 4);
    put(z->bytes, &z->size, (uint32_t)start, 4);
    put(z->bytes, &z->size, 2, 2);
    memcpy(z->bytes + z->size, "hi", 2); /* a comment */
    z->size += 2;
}

static struct zip make_zip(void)
{
    struct zip z = { .size = 0 };
    zip_add(&z, "stored", "one\ntwo\n", 0);
    zip_add(&z, "deep/packed", "a a a a a a a a a a a a a a a a a a a a", 8);
    zip_end(&z);
    return z;
}

/* What opening and reading a member answers; *data is freed. */
static int read_member(const char *path, const char *member, size_t limit, char *text_out, struct bt_err *err)
{
    struct bt_jar *jar = NULL;
    char *data = NULL;
    size_t size = 0;
    int rc = bt_jar_open(&jar, path, err);
    if (!rc)
        rc = bt_jar_read(jar, member, limit, &data, &size, err);
    if (!rc && size < 100)
        memcpy(text_out, data, size + 1);
    free(data);
    bt_jar_close(jar);
    return rc;
}

static void test_jar(void)
{
    struct zip z = make_zip();
    const char *path = scratch_write("a.jar", (const char *)z.bytes, z.size);
    char got[100];
    struct bt_err err = { 0 };
    CHECK_OK(read_member(path, "stored", 100, got, &err), &err);
    CHECK_STR(got, "one\ntwo\n");
    CHECK_OK(read_member(path, "deep/packed", 100, got, &err), &err);
    CHECK_STR(got, "a a a a a a a a a a a a a a a a a a a a");
    CHECK_INT(read_member(path, "packed", 100, got, &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    CHECK_INT(read_member(path, "deep/packed", 38, got, &err), BT_ERR_LIMIT);
    bt_err_clear(&err);
    CHECK_OK(read_member(OWN, "nonbreaking/english.prefixes", 100, got, &err), &err);
    CHECK(strncmp(got, "# before", 8) == 0);
    CHECK_INT(read_member(OWN, "nonbreaking/none", 100, got, &err), BT_ERR_NOINPUT);
}

/* Cut anywhere, or with any byte changed: the member as it was, or a refusal. */
static void test_damaged_jar(void)
{
    struct zip whole = make_zip();
    int refused = 0;
    for (size_t i = 0; i < whole.size; i++) {
        struct zip z = whole;
        char got[100] = "";
        z.bytes[i] ^= 0x55;
        const char *path = scratch_write("b.jar", (const char *)z.bytes, z.size);
        if (read_member(path, "deep/packed", 100, got, NULL) == BT_OK)
            CHECK_STR(got, "a a a a a a a a a a a a a a a a a a a a");
        else
            refused++;
        path = scratch_write("b.jar", (const char *)whole.bytes, i);
        CHECK(read_member(path, "deep/packed", 100, got, NULL) != BT_OK || i >= whole.size - 2);
    }
    CHECK(refused > 50);
}

/* ---------------------------------------------------------------- the table */

enum { PACKED = 20000 };

/* A gzip member of these bytes, behind what is there. */
static void pack(char to[PACKED], size_t *size, const char *data)
{
    z_stream z = { .next_in = (Bytef *)data,
                   .avail_in = (uInt)strlen(data),
                   .next_out = (Bytef *)to + *size,
                   .avail_out = (uInt)(PACKED - *size) };
    deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    *size += z.total_out;
    deflateEnd(&z);
}

/* The score of "a couple of dogs run" against "two dogs run" (2.6, T1), or the refusal. */
static int score_with_table(const char *data, size_t size, double *score, struct bt_err *err)
{
    const struct bt_text reference = text("two dogs run");
    const struct bt_meteor_item item = { text("a couple of dogs run"), &reference, 1 };
    struct bt_meteor_stats stats = { .chunks = 0 };
    struct bt_meteor_data *meteor = NULL;
    CHECK_OK(bt_meteor_open(&meteor, OWN, err), err);
    int rc = bt_meteor_set_paraphrases(meteor, scratch_write("table.gz", data, size), err);
    if (!rc)
        rc = bt_meteor_align(meteor, &item, 1, &stats, err);
    *score = bt_meteor_score(&stats);
    bt_meteor_close(meteor);
    return rc;
}

static void test_table(void)
{
    char bytes[PACKED];
    size_t size = 0;
    double with, without;
    struct bt_err err = { 0 };
    pack(bytes, &size,
         "0.5\nrun\nwalk\n0.5\ntw"); /* members follow one another, the last line lacks its end */
    pack(bytes, &size, "o\na  couple of");
    CHECK_OK(score_with_table(bytes, size, &with, &err), &err);
    CHECK(with > 0.8);
    size = 0;
    pack(bytes, &size, "");
    CHECK_OK(score_with_table(bytes, size, &without, &err), &err);
    CHECK(without < 0.4);
}

/* More than a block of what is unpacked, and groups across its borders and a member's. */
static void test_large_table(void)
{
    enum { GROUPS = 250000 };
    static const char group[] = "0.5\nrun\nwalk\n", last[] = "0.5\ntwo\na couple of\n0.5\nru";
    char bytes[PACKED], *table = malloc(GROUPS * strlen(group) + sizeof last), *end = table;
    size_t size = 0;
    double score;
    struct bt_err err = { 0 };
    for (int i = 0; i < GROUPS; i++)
        end = stpcpy(end, group);
    strcpy(end, last);
    pack(bytes, &size, table);
    pack(bytes, &size, "n\nwalk");
    CHECK_OK(score_with_table(bytes, size, &score, &err), &err);
    CHECK(score > 0.8);
    free(table);
}

/* With any byte changed: the score as it was, or a refusal. */
static void test_changed_table(void)
{
    char bytes[PACKED];
    size_t size = 0, refused = 0;
    double want, score;
    struct bt_err err = { 0 };
    pack(bytes, &size, "0.5\ntwo\na couple of\n");
    CHECK_OK(score_with_table(bytes, size, &want, &err), &err);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x55;
        int rc = score_with_table(bytes, size, &score, &err);
        CHECK(rc ? rc == BT_ERR_INPUT : score == want);
        refused += rc != BT_OK;
        bytes[i] ^= 0x55;
        bt_err_clear(&err);
    }
    CHECK(refused > size - 10); /* but for the header's time and system */
}

static void test_damaged_table(void)
{
    char bytes[PACKED];
    size_t size = 0;
    double score;
    struct bt_err err = { 0 };
    pack(bytes, &size, "0.5\ntwo\na couple of\n");
    for (size_t i = 0; i < size; i++) {
        bt_err_clear(&err);
        CHECK_INT(score_with_table(bytes, i, &score, &err), BT_ERR_INPUT);
    }
    CHECK(strstr(err.text, "table.gz: damaged gzip file (it is cut)") != NULL);
    pack(bytes, &size, "0.5\nrun\nwalk\n");
    for (size_t i = size - 8; i < size; i++) { /* checksum and length of the second member */
        bt_err_clear(&err);
        bytes[i] ^= 1;
        CHECK_INT(score_with_table(bytes, size, &score, &err), BT_ERR_INPUT);
        CHECK(strstr(err.text, "table.gz: damaged gzip file (incorrect data check)") != NULL);
        bytes[i] ^= 1;
    }
    bt_err_clear(&err);
    CHECK_INT(score_with_table("0.5\ntwo\na couple of\n", 20, &score, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "table.gz: damaged gzip file (no gzip data)") != NULL);
    bt_err_clear(&err);
    size = 0;
    pack(bytes, &size, "0.5\ntwo\na couple of\n0.5\nrun\n");
    CHECK_INT(score_with_table(bytes, size, &score, &err), BT_ERR_INPUT);
    CHECK(strstr(err.text, "less than three lines") != NULL);
}

/* ---------------------------------------------------------------- data */

static void test_no_data(void)
{
    struct bt_meteor_data *meteor = NULL;
    struct bt_err err = { 0 };
    CHECK_INT(bt_meteor_open(&meteor, scratch("none.jar"), &err), BT_ERR_NOINPUT);
    bt_err_clear(&err);
    CHECK_INT(bt_meteor_open(&meteor, "tests", &err), BT_ERR_NOINPUT);
    CHECK(strstr(err.text, "METEOR's data in tests") != NULL);
    bt_err_clear(&err);
    CHECK_INT(bt_meteor_open(&meteor, scratch_text("text.jar", "no zip"), &err), BT_ERR_INPUT);
    bt_err_clear(&err);
    unsetenv("BT_METEOR");
    CHECK_OK(bt_meteor_choose(&meteor, NULL, &err), &err);
    CHECK(meteor == NULL);
    setenv("BT_METEOR", OWN, 1);
    CHECK_OK(bt_meteor_choose(&meteor, NULL, &err), &err);
    CHECK_STR(bt_meteor_name(meteor), "METEOR");
    bt_meteor_close(meteor);
}

/* Exact words and stems need no data; a word that is no content word is not known then. */
static void test_stem_variant(void)
{
    const struct bt_text reference = text("the cat is playing with balls");
    const struct bt_meteor_item item = { text("the cats play with the ball"), &reference, 1 };
    struct bt_meteor_data *meteor = NULL;
    struct bt_meteor_stats stats;
    struct bt_err err = { 0 };
    CHECK_OK(bt_meteor_choose(&meteor, "stem", &err), &err);
    CHECK_STR(bt_meteor_name(meteor), "METEOR_stem");
    CHECK_OK(bt_meteor_align(meteor, &item, 1, &stats, &err), &err);
    CHECK_INT(stats.hypothesis.function_words, 0);
    CHECK_INT(stats.hypothesis.content[BT_METEOR_EXACT], 2);
    CHECK_INT(stats.hypothesis.content[BT_METEOR_SYNONYM], 0);
    CHECK(stats.hypothesis.content[BT_METEOR_STEM] > 0);
    bt_meteor_close(meteor);
}

static void test_damaged_synonyms(void)
{
    struct bt_synonyms_case {
        const char *synsets, *exceptions, *message;
    } cases[] = { { "dog\n", "", "the synsets end after dog" },
                  { "dog\n1\n", "go\n", "the exceptions end after go" },
                  { "dog\n1 x\n", "", "hold x, which is no number" } };
    const struct bt_text reference = text("cat");
    const struct bt_meteor_item item = { text("dog"), &reference, 1 };
    char *path;
    for (size_t i = 0; i < 3; i++) {
        struct bt_meteor_data *meteor = NULL;
        struct bt_meteor_stats stats;
        struct bt_err err = { 0 };
        const char *const folders[] = { "function", "nonbreaking", "synonym", "data" };
        for (int f = 0; f < 4; f++)
            CHECK_OK(bt_make_dirs(scratch(folders[f]), &err), &err);
        scratch_text("function/english.words", "");
        scratch_text("nonbreaking/english.prefixes", "");
        scratch_text("synonym/english.synsets", cases[i].synsets);
        scratch_text("synonym/english.exceptions", cases[i].exceptions);
        path = bt_format("%s", scratch_folder);
        int rc = bt_meteor_open(&meteor, path, &err);
        if (rc == BT_ERR_NOINPUT &&
            strstr(err.text, "paraphrase-en.gz")) { /* the last case is found when it is used */
            char bytes[PACKED];
            size_t size = 0;
            pack(bytes, &size, "");
            scratch_write("data/paraphrase-en.gz", bytes, size);
            bt_err_clear(&err);
            CHECK_OK(bt_meteor_open(&meteor, path, &err), &err);
            rc = bt_meteor_align(meteor, &item, 1, &stats, &err);
        }
        CHECK_INT(rc, BT_ERR_INPUT);
        CHECK(strstr(err.text, cases[i].message) != NULL);
        bt_meteor_close(meteor);
        free(path);
    }
}

/* ---------------------------------------------------------------- captions */

static void check_normalized(const struct bt_meteor_data *meteor, const char *from, const char *want)
{
    struct bt_meteor_normalizer *normalizer = bt_meteor_normalizer_new(meteor);
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };
    CHECK_OK(bt_meteor_normalize(normalizer, text(from), &out, &err), &err);
    CHECK_STR(out.data ? out.data : "", want);
    bt_buf_free(&out);
    bt_meteor_normalizer_free(normalizer);
}

static void test_normalize(void)
{
    struct bt_meteor_data *meteor = NULL;
    struct bt_err err = { 0 };
    CHECK_OK(bt_meteor_open(&meteor, OWN, &err), &err);
    check_normalized(meteor, "a man is n't riding a red-and-white bike",
                     "a man is n 't riding a red and white bike");
    check_normalized(meteor, "the dog 's bowl , y' all 'em o'clock",
                     "the dog ' s bowl , y ' all ' em o 'clock");
    check_normalized(meteor,
                     "a 1/2 cup and 5\xc2\xa0"
                     "1/2 feet at&t",
                     "a 1 / 2 cup and 5 1 / 2 feet at & t");
    check_normalized(meteor, "etc. in the u.s. at 5:00 p.m. etc.", "etc. in the us at 5 : 00 pm etc .");
    check_normalized(meteor, "a'b'c wait...x a,,b --- 1,000", "a 'b'c wait ... x a , ,b -- 1,000");
    check_normalized(meteor, "Dr. No. 5 No. X pp. 3 vs. Y", "dr. no. 5 no . x pp. 3 vs. y");
    check_normalized(meteor, "  two   dogs ", "two dogs");
    bt_meteor_close(meteor);
}

/* `count` times a word. */
static char *repeat(const char *word, int count)
{
    char *all = calloc((size_t)count, strlen(word) + 1);
    for (int i = 0; i < count; i++)
        strcat(strcat(all, i > 0 ? " " : ""), word);
    return all;
}

static void test_long_captions(void)
{
    struct bt_meteor_data *meteor = NULL;
    struct bt_meteor_stats stats[2];
    struct bt_err err = { 0 };
    char *most = repeat("a", 2048), *more = repeat("a", 2049), *many = repeat("dog", 200),
         *other = repeat("dog", 150);
    const struct bt_text references[] = { text(most), text(other) };
    const struct bt_meteor_item fits[] = { { text(most), references, 1 }, { text(many), references + 1, 1 } };
    const struct bt_meteor_item over = { text(more), references, 1 };
    CHECK_OK(bt_meteor_open(&meteor, OWN, &err), &err);
    CHECK_OK(bt_meteor_align(meteor, fits, 2, stats, &err), &err);
    CHECK_INT(stats[0].chunks, 1);
    CHECK_INT(stats[0].hypothesis.matched, 2048);
    CHECK_INT(stats[1].chunks, 1);
    CHECK_INT(stats[1].hypothesis.matched, 150);
    CHECK_INT(bt_meteor_align(meteor, &over, 1, stats, &err), BT_ERR_LIMIT);
    bt_meteor_close(meteor);
    free(most);
    free(more);
    free(many);
    free(other);
}

static void test_threads(void)
{
    enum { ITEMS = 200 };
    static const char *const captions[] = { "a cat sits next to two dogs", "the lady and the kid in a car",
                                            "two dogs running", "a couple of dogs on the move",
                                            "women beside a carriage outside" };
    struct bt_text references[5];
    struct bt_meteor_item items[ITEMS];
    struct bt_meteor_stats one[ITEMS], three[ITEMS];
    struct bt_meteor_data *meteor = NULL;
    struct bt_err err = { 0 };
    int before = omp_get_max_threads();
    for (int i = 0; i < 5; i++)
        references[i] = text(captions[i]);
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct bt_meteor_item){ text(captions[i % 5]), references + i / 5 % 4, 1 + i % 2 };
    CHECK_OK(bt_meteor_open(&meteor, OWN, &err), &err);
    omp_set_num_threads(1);
    CHECK_OK(bt_meteor_align(meteor, items, ITEMS, one, &err), &err);
    omp_set_num_threads(3);
    CHECK_OK(bt_meteor_align(meteor, items, ITEMS, three, &err), &err);
    omp_set_num_threads(before);
    CHECK(memcmp(one, three, sizeof one) == 0);
    bt_meteor_close(meteor);
}

/* metrics.md 2.6: rows 1 to 5 of the table, and their pool. */
static void test_score(void)
{
    static const struct bt_meteor_stats rows[] = {
        { { 8, 4, 8, { 4 }, { 4 } }, { 10, 5, 8, { 4 }, { 4 } }, 2 },
        { { 7, 4, 5, { 2 }, { 3 } }, { 6, 4, 5, { 2 }, { 3 } }, 2 },
        { { 11, 5, 9, { 4, 0, 1 }, { 4 } }, { 10, 5, 9, { 4, 0, 1 }, { 4 } }, 2 },
        { { 3, 1, 3, { 2 }, { 1 } }, { 3, 1, 3, { 2 }, { 1 } }, 1 },
        { { 0 }, { .words = 2, .function_words = 1 }, 0 },
    };
    static const double want[] = { 0.4497196124, 0.4310251368, 0.5001483438, 1, 0 };
    struct bt_meteor_stats sum = { .chunks = 0 };
    int64_t list[BT_METEOR_STATISTICS];
    for (size_t i = 0; i < 5; i++) {
        CHECK_NEAR(bt_meteor_score(&rows[i]), want[i], 1e-10);
        bt_meteor_add(&sum, &rows[i]);
    }
    CHECK_NEAR(bt_meteor_score(&sum), 0.4558272238, 1e-10);
    bt_meteor_list(&sum, list);
    CHECK_INT(list[0], 29);
    CHECK_INT(list[12], 1);
    CHECK_INT(list[20], 6);
    CHECK_INT(list[22], 25);
}

int main(void)
{
    scratch_begin();
    RUN(test_jar);
    RUN(test_damaged_jar);
    RUN(test_table);
    RUN(test_large_table);
    RUN(test_changed_table);
    RUN(test_damaged_table);
    RUN(test_no_data);
    RUN(test_stem_variant);
    RUN(test_damaged_synonyms);
    RUN(test_normalize);
    RUN(test_long_captions);
    RUN(test_threads);
    RUN(test_score);
    scratch_end();
    return test_end();
}
