/* libcommon/text/unigram.h, charsmap.h and sentencepiece.h through the tokenizer, on models written here; the published
 * behaviour at large is in tests/golden. */
#include <time.h>

#include "libcommon/text/sentencepiece.h"
#include "libcommon/text/unigram.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

#define U "\xE2\x96\x81" /* what a space becomes */

static struct bt_tokenizer *load(const char *name)
{
    struct bt_tokenizer *tok = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_load(&tok, scratch(name), &err), &err);
    if (!tok)
        exit(1);
    return tok;
}

static const char *ids_of(struct bt_tokenizer *tok, const char *text, size_t size)
{
    static char out[400];
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };
    size_t at = 0;

    out[0] = '\0';
    CHECK_OK(bt_tokenizer_encode(tok, text, size, true, 0, &ids, &err), &err);
    for (uint64_t i = 0; i < ids.count && at < 380; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", ids.data[i]);
    bt_ids_free(&ids);
    return out;
}

#define IDS(tok, text) ids_of(tok, text, sizeof(text) - 1)

/* The pieces of `mini` and of every tokenizer.json here. */
static const char *const pieces[] = { "<pad>", "</s>", "<unk>", U, U "a", U "dog", "a", "dog", U "runs", "s", ".", "runs" };
static const float scores[] = { 0, 0, 0, -2, -3, -4, -3.5f, -5, -4.5f, -3.25f, -2.5f, -5.5f };
enum { PIECES = 12 };

static void write_mini(void)
{
    struct bt_vocab vocab;
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_vocab_init(&vocab, &err), &err);
    for (int i = 0; i < PIECES; i++)
        CHECK_OK(bt_vocab_append(&vocab, pieces[i], strlen(pieces[i]), NULL, &err), &err);
    CHECK_OK(bt_sentencepiece_write(&out, &vocab, scores, &err), &err);
    scratch_write("mini.model", out.data, out.size);
    bt_vocab_free(&vocab);
    bt_buf_free(&out);
}

/* A tokenizer.json of the same pieces. */
static const char *write_json(const char *normalizer, const char *pre, const char *model_members)
{
    struct bt_buf out = { 0 };

    CHECK(bt_buf_printf(&out, NULL, "{\"version\":\"1.0\",\"added_tokens\":[") == BT_OK);
    for (int i = 0; i < 3; i++)
        CHECK(bt_buf_printf(&out, NULL, "%s{\"id\":%d,\"content\":\"%s\",\"special\":true}", i ? "," : "", i, pieces[i]) ==
              BT_OK);
    CHECK(bt_buf_printf(&out, NULL, "],\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":{\"type\":"
                        "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{"
                        "\"id\":\"</s>\",\"type_id\":0}}],\"special_tokens\":{\"</s>\":{\"id\":\"</s>\",\"ids\":[1]}}},"
                        "\"decoder\":null,\"model\":{\"type\":\"Unigram\",%s\"unk_id\":2,\"vocab\":[",
                        normalizer, pre, model_members) == BT_OK);
    for (int i = 0; i < PIECES; i++)
        CHECK(bt_buf_printf(&out, NULL, "%s[\"%s\",%g]", i ? "," : "", pieces[i], (double)scores[i]) == BT_OK);
    CHECK(bt_buf_printf(&out, NULL, "]}}") == BT_OK);
    scratch_write("tokenizer.json", out.data, out.size);
    bt_buf_free(&out);
    return "tokenizer.json";
}

#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"" U "\",\"add_prefix_space\":true}"
#define NEW_METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"" U "\",\"prepend_scheme\":\"always\",\"split\":true}"
#define SPACES(to) "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"" to "\"}"
#define SEQUENCE(kind, list) "{\"type\":\"Sequence\",\"" kind "\":[" list "]}"

/* C32, in small. */
static void test_marks(void)
{
    struct bt_tokenizer *tok = load("mini.model");

    CHECK_INT(bt_tokenizer_kind(tok), BT_TOKENIZER_T5);
    CHECK_INT(bt_tokenizer_vocab_size(tok), PIECES + 100);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_PAD), 0);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_EOS), 1);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_UNK), 2);
    CHECK_INT(bt_tokenizer_token(tok, BT_TOKEN_BOS), -1);
    CHECK_STR(IDS(tok, ""), "1");
    CHECK_STR(IDS(tok, "a dog runs."), "4 5 8 10 1");
    CHECK_STR(IDS(tok, "a dog runs.</s>"), "4 5 8 10 1 1");
    CHECK_STR(IDS(tok, "a dog runs. </s>"), "4 5 8 10 3 1 1");
    CHECK_STR(IDS(tok, "{}"), "3 2 1"); /* unknowns side by side are one */
    CHECK_STR(IDS(tok, "a {dog}"), "4 3 2 7 2 1");
    CHECK_STR(IDS(tok, "<extra_id_0>a<extra_id_99>"), "111 4 12 1"); /* a space before what follows a mark */
    CHECK_STR(IDS(tok, "   a   dog   "), "4 5 3 1");
    CHECK_STR(IDS(tok, "     "), "3 1");
    CHECK_STR(IDS(tok, "a\tdog"), "4 2 7 1"); /* no table: a tab is no space */
    bt_tokenizer_free(tok);
}

/* A text of strangers cannot write marks, though they are among the pieces. */
static void test_marks_as_text(void)
{
    struct bt_tokenizer *tok = load("mini.model"), *json = load(write_json("null", METASPACE, "")), *twin = NULL;
    struct bt_err err = { 0 };

    bt_tokenizer_literal(tok);
    bt_tokenizer_literal(json);
    CHECK_OK(bt_tokenizer_twin(&twin, tok, &err), &err);
    CHECK_STR(IDS(tok, "a dog runs.</s>"), "4 5 8 10 2 9 2 1");
    CHECK_STR(IDS(twin, "a dog runs.</s>"), "4 5 8 10 2 9 2 1");
    CHECK_STR(IDS(json, "a dog runs.</s>"), "4 5 8 10 2 9 2 1");
    CHECK_STR(IDS(tok, "<pad>"), "3 2 6 2 1");
    bt_tokenizer_free(twin);
    bt_tokenizer_free(tok);
    bt_tokenizer_free(json);
}

/* Of pieces with equal sums the longer first piece stays; the sum is of doubles. */
static void test_ties(void)
{
    static const char json[] =
        "{\"version\":\"1.0\",\"pre_tokenizer\":" METASPACE ",\"model\":{\"unk_id\":0,\"vocab\":[[\"<unk>\",0],"
        "[\"" U "\",-1],[\"" U "x\",-1.5],[\"xy\",-2],[\"y\",-1.5],[\"x\",-9]]}}";
    struct bt_tokenizer *tok;

    scratch_text("tie.json", json);
    tok = load("tie.json");
    CHECK_STR(IDS(tok, "xy"), "1 3"); /* -3 both ways; what came first, from the earlier start, stays */
    CHECK_STR(IDS(tok, "xx"), "2 5");
    CHECK_STR(IDS(tok, "zz"), "1 0");
    bt_tokenizer_free(tok);
}

/* The three published forms and their answers to space at the ends. */
static void test_forms(void)
{
    struct bt_tokenizer *tok = load(write_json(SEQUENCE("normalizers", SPACES(" ")), METASPACE, ""));
    struct bt_tokenizer *model = load("mini.model");

    CHECK_STR(IDS(tok, "  a   dog  "), "4 5 3 1");
    CHECK_STR(IDS(tok, " "), "3 1");
    CHECK(strcmp(bt_tokenizer_hash(tok), bt_tokenizer_hash(model)) != 0); /* it has no <extra_id_0> */
    bt_tokenizer_free(tok);
    bt_tokenizer_free(model);

    tok = load(write_json("null", SEQUENCE("pretokenizers", "{\"type\":\"WhitespaceSplit\"}," METASPACE), ""));
    CHECK_STR(IDS(tok, "  a \t dog\xC2\xA0"), "4 5 1");
    CHECK_STR(IDS(tok, "  "), "1");
    CHECK_STR(IDS(tok, "dog</s>  dog "), "5 1 5 1");
    bt_tokenizer_free(tok);

    tok = load(write_json(SEQUENCE("normalizers", "{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true},"
                                                  SPACES(U)), NEW_METASPACE, "\"byte_fallback\":false,"));
    CHECK_STR(IDS(tok, "  a   dog \t\xC2\xA0 "), "4 5 1");
    CHECK_STR(IDS(tok, "  "), "1");
    CHECK_STR(IDS(tok, "a </s>"), "4 1 1");
    bt_tokenizer_free(tok);

    tok = load(write_json("null", NEW_METASPACE, ""));
    CHECK_STR(IDS(tok, "a  dog"), "4 3 5 1"); /* nothing makes two spaces one */
    bt_tokenizer_free(tok);
}

static void test_refusals(void)
{
    static const struct {
        const char *normalizer, *pre, *model;
    } bad[] = {
        { "{\"type\":\"Lowercase\"}", METASPACE, "" },
        { SEQUENCE("normalizers", SPACES(" ") ",{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}"), METASPACE, "" },
        { "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", METASPACE, "" },
        { SPACES("x"), METASPACE, "" },
        { "null", "null", "" },
        { "null", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}", "" },
        { "null", "{\"type\":\"Metaspace\",\"replacement\":\"" U "\",\"prepend_scheme\":\"first\"}", "" },
        { "null", SEQUENCE("pretokenizers", METASPACE "," METASPACE), "" },
        { "null", METASPACE, "\"byte_fallback\":true," },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bt_tokenizer *tok = NULL;
        struct bt_err err = { 0 };

        write_json(bad[i].normalizer, bad[i].pre, bad[i].model);
        CHECK_INT(bt_tokenizer_load(&tok, scratch("tokenizer.json"), &err), BT_ERR_TOK_PATTERN);
        CHECK(strstr(err.text, "tokenizer.json: ") != NULL);
        bt_tokenizer_free(tok);
    }
}

static void check_decode(const struct bt_tokenizer *tok, const int32_t *ids, uint64_t count, const char *want)
{
    struct bt_buf out = { 0 };
    struct bt_err err = { 0 };

    CHECK_OK(bt_tokenizer_decode(tok, ids, count, true, &out, &err), &err);
    CHECK_STR(out.data ? out.data : "", want);
    bt_buf_free(&out);
}

static void test_decode(void)
{
    static const int32_t a[] = { 0, 4, 5, 8, 10, 1 }, b[] = { 7, 3, 3, 7 }, c[] = { 200, -1, 3, 5 };
    struct bt_tokenizer *tok = load("mini.model");

    check_decode(tok, a, 6, "a dog runs.");
    check_decode(tok, b, 4, "dog  dog");
    check_decode(tok, c, 4, " dog"); /* the first token's space goes, ids without a token give nothing */
    bt_tokenizer_free(tok);
}

/* tokenizers.md 5.5: the digits as a whole number, then one division. */
static void test_score(void)
{
    CHECK(bt_unigram_score(0) == 0 && bt_unigram_score(-2) == -2 && bt_unigram_score(-2.5) == -2.5);
    CHECK(bt_unigram_score(-0.001) == -1 / 1e3);
    CHECK(bt_unigram_score((double)-2.21788144f) == -2217881441116333.0 / 1e15);
    CHECK(bt_unigram_score((double)-10.0119438f) == -10011943817138672.0 / 1e15);
    CHECK(bt_unigram_score(1e300) == 1e300 && bt_unigram_score(-5e-324) <= 0);
    CHECK(isnan(bt_unigram_score(NAN)));
}

/* A double array by hand: "a" becomes "bc", and "\r\n" (one cluster), nothing else. */
static size_t make_charsmap(uint8_t *blob)
{
    uint32_t units[512] = { 0 };
    static const char pool[] = "bc\0 ";
    size_t at = 0;

    units[0] = 256u << 10;                          /* children of the root at 256 ^ byte */
    units[256 ^ 'a'] = 'a' | 1u << 8 | (uint32_t)'a' << 10; /* its leaf at 256 */
    units[256] = 1u << 31 | 0;
    units[256 ^ '\r'] = '\r' | (256u ^ '\r' ^ 128) << 10;   /* its children at 128 ^ byte */
    units[128 ^ '\n'] = '\n' | 1u << 8 | (uint32_t)(128 ^ '\n' ^ 7) << 10;
    units[7] = 1u << 31 | 3;
    for (int i = 0; i < 4; i++)
        blob[at++] = (uint8_t)(sizeof units >> 8 * i);
    for (int u = 0; u < 512; u++)
        for (int i = 0; i < 4; i++)
            blob[at++] = (uint8_t)(units[u] >> 8 * i);
    memcpy(blob + at, pool, sizeof pool);
    return at + sizeof pool;
}

static void check_normal(const struct bt_charsmap *map, const char *text, size_t size, const char *want)
{
    struct bt_buf scratch = { 0 };
    struct bt_err err = { 0 };
    const char *out;
    size_t out_size;

    CHECK_OK(bt_charsmap_apply(map, text, size, &scratch, &out, &out_size, &err), &err);
    CHECK(out_size == strlen(want) && memcmp(out, want, out_size) == 0);
    bt_buf_free(&scratch);
}

static void test_charsmap(void)
{
    static uint8_t blob[4096];
    struct bt_charsmap map;
    struct bt_err err = { 0 };
    size_t size = make_charsmap(blob);

    CHECK_OK(bt_charsmap_init(&map, blob, size, &err), &err);
    check_normal(&map, "xyz", 3, "xyz");
    check_normal(&map, "xaz", 3, "xbcz");
    check_normal(&map, "x\r\nz\n", 5, "x z\n");
    check_normal(&map, "xa\xCC\x81z", 5, "xbcz");                           /* the cluster goes with its first letter, */
    check_normal(&map, "xa\xCC\x81\xCC\x81\xCC\x81z", 9, "xbc\xCC\x81\xCC\x81\xCC\x81z"); /* but not from 6 bytes on */
    check_normal(&map, "aa", 2, "bcbc");
    bt_charsmap_free(&map);
    for (size_t cut = 1; cut < size; cut += cut < 16 ? 1 : 97) { /* every part of it is refused, or harmless */
        bt_err_clear(&err);
        if (bt_charsmap_init(&map, blob, cut, &err) == BT_OK)
            check_normal(&map, "x", 1, "x");
        bt_charsmap_free(&map);
    }
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A word of 1 MB, and as many spaces: work by the byte, not by its square (which would be hours). */
static void test_long(void)
{
    const size_t size = 1 << 20;
    struct bt_tokenizer *tok = load("mini.model");
    struct bt_ids ids = { 0 };
    struct bt_err err = { 0 };
    char *text = malloc(size);
    double start = seconds();

    memset(text, 'a', size);
    CHECK_OK(bt_tokenizer_encode(tok, text, size, true, 0, &ids, &err), &err);
    CHECK_INT(ids.count, size + 1);
    CHECK(ids.data[0] == 4 && ids.data[1] == 6 && ids.data[size] == 1);
    memset(text, '{', size);
    CHECK_OK(bt_tokenizer_encode(tok, text, size, true, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 3);
    memset(text, ' ', size);
    CHECK_OK(bt_tokenizer_encode(tok, text, size, true, 0, &ids, &err), &err);
    CHECK_INT(ids.count, 2);
    CHECK(seconds() - start < 10);
    free(text);
    bt_ids_free(&ids);
    bt_tokenizer_free(tok);
}

int main(void)
{
    scratch_begin();
    write_mini();
    RUN(test_marks);
    RUN(test_marks_as_text);
    RUN(test_ties);
    RUN(test_forms);
    RUN(test_refusals);
    RUN(test_decode);
    RUN(test_score);
    RUN(test_charsmap);
    RUN(test_long);
    scratch_end();
    return test_end();
}
