/* The PTB lexer; expected values are the jar's (metrics.md 1.2, 1.3). `|` stands between tokens. */
#include "libcommon/metrics/ptb.h"
#include "tests/test.h"

static struct bt_text text(const char *s)
{
    return (struct bt_text){ s, strlen(s) };
}

/* What is printed for captions[count], with | for the spaces between tokens. */
static void check_stream(struct bt_ptb *ptb, const char *const *captions, size_t count, const char *want)
{
    struct bt_text texts[8];
    struct bt_buf raw = { 0 };
    struct bt_err err = { 0 };
    for (size_t i = 0; i < count; i++)
        texts[i] = text(captions[i]);
    CHECK_OK(bt_ptb_lex(ptb, texts, count, &raw, &err), &err);
    for (uint64_t i = 0; i < raw.size; i++)
        if (raw.data[i] == ' ')
            raw.data[i] = '|';
    CHECK_STR(raw.data, want);
    bt_buf_free(&raw);
}

static void test_table(void)
{
    static const char *const table[][2] = {
        { "A man isn't riding, can't, won't, I'll, we've.",
          "a|man|is|n't|riding|,|ca|n't|,|wo|n't|,|i|'ll|,|we|'ve|." },
        { "we've", "we|`|ve" },
        { "the dog's and the dogs' bowls; James' hat", "the|dog|'s|and|the|dogs|'|bowls|;|james|'|hat" },
        { "let\u2019s don\u2019t \u201cdouble\u201d \u2018quoted\u2019",
          "let|'s|do|n't|``|double|''|`|quoted|'" },
        { "cannot gonna 'twas y'all o'clock c'mon ol' 'em '90s",
          "can|not|gon|na|'t|was|y'|all|o'clock|c'mon|ol'|'em|'90s" },
        { "jack-o'-lantern mother-in-law's", "jack-o|'|-|lantern|mother-in-law|'s" },
        { "black-and-white man/woman w/ w/o a/c 24/7", "black-and-white|man/woman|w|/|w/o|a/c|24/7" },
        { "a 1/2 cup, 5 1/2 feet, 2\u00bd", "a|1/2|cup|,|5\u00a01/2|feet|,|2|1/2" },
        { "$5.00 US$5 us$5 \u00a35 \u20ac5 5\u00a2 10% 1,000 .5",
          "$|5.00|us$|5|us|$|5|#|5|$|5|5|cents|10|%|1,000|.5" },
        { "5:00 p.m. 10:30am 9a.m. 5pm", "5:00|p.m.|10:30|am|9a|.|m.|5pm" },
        { "in the U.S. The dog", "in|the|u.s.|.|the|dog" },
        { "fruits etc. A dog on morgan rd.", "fruits|etc.|.|a|dog|on|morgan|rd.|." },
        { "no. 5 no. x Mass. mass. May. Sept. vol. 2", "no.|5|no|.|x|mass.|mass|.|may|.|sept.|vol|.|2" },
        { "www.foo.com http://a.com/b?x=1. a@b.com img1.jpg",
          "www.foo.com|http://a.com/b?x=1|.|a@b.com|img1.jpg" },
        { "wait... ok .. ..... . . . a--b a---b a-----b a \u2013 b",
          "wait|...|ok|.|.|...|...|a|--|b|a|--|b|a|-----|b|a|--|b" },
        { "What?! AT&T salt & pepper rock&roll", "what|?!|at&t|salt|&|pepper|rock|&|roll" },
        { "(a) [b] {c} <b> :-) ;D x", "-lrb-|a|-rrb-|-lsb-|b|-rsb-|-lcb-|c|-rcb-|<b>|:--rrb-|;d|x" },
        { "caf\u00e9 x\U0001F600y a\u200bb so\u00adft 50\u00b0 \u2605",
          "caf\u00e9|x|y|a|b|soft|50|\u00b0|\u2605" },
        { "<a href=\"x y\">", "<a\u00a0href=\"x\u00a0y\">" },
        { "\u0391\u03a3. a1\u03a3 a-\u03a3 a,\u03a3 \u03a3\u03a3",
          "\u03b1\u03c2|.|a1\u03c2|a-\u03c2|a|,|\u03c3|\u03c3\u03c2" },
        { "DON&APOS;T don&apos;t AT&AMP;T", "do|n&apos;t|do|n't|at&t" },
        { "\u00ad", "-" },
        { "_A\u03a390\u00ada@#", "_|a\u03c290\u00ada@#" }, /* a word ends between a number, a soft hyphen and a letter */
        { "a test \u3000.edu", "a|test|.|edu" }, /* blanks of two kinds are one run */
        { "", "" },
    };
    struct bt_ptb *ptb = bt_ptb_new();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        check_stream(ptb, &table[i][0], 1, table[i][1]);
    bt_ptb_free(ptb);
}

/* A caption's end is read with sight of the next one. */
static void test_across_captions(void)
{
    struct bt_ptb *ptb = bt_ptb_new();
    check_stream(ptb, (const char *const[]){ "vitamin C.", "The dog" }, 2, "vitamin|c|.\nthe|dog");
    check_stream(ptb, (const char *const[]){ "vitamin C.", "Two dogs" }, 2, "vitamin|c.\ntwo|dogs");
    check_stream(ptb, (const char *const[]){ "smile :)", "" }, 2, "smile|:-rrb-\n");
    check_stream(ptb, (const char *const[]){ "smile :)" }, 1, "smile|:|-rrb-");
    check_stream(ptb, (const char *const[]){ "morgan rd.", "a" }, 2, "morgan|rd.\na");
    check_stream(ptb, (const char *const[]){ "morgan rd.", "A" }, 2, "morgan|rd.|.\na");
    check_stream(ptb, (const char *const[]){ "a\nb", "c" }, 2, "a|b\nc");
    check_stream(ptb, (const char *const[]){ "a <b c='d", "e'> f" }, 2, "a|<b\u00a0c='d\ne'>|f");
    bt_ptb_free(ptb);
}

/* Punctuation goes; a line too many shifts what follows. */
static void test_tokens(void)
{
    static const char *const captions[] = { "A dog, (two)!", "...", "a\vb", "It's C.", "cut off" };
    static const char *const want[] = { "a dog -lrb- two -rrb-", "", "a", "b", "it 's c." };
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_text texts[5], tokens[5];
    struct bt_buf buf = { 0 };
    struct bt_err err = { 0 };
    for (size_t i = 0; i < 5; i++)
        texts[i] = text(captions[i]);
    CHECK_OK(bt_ptb_tokenize(ptb, texts, 5, &buf, tokens, &err), &err);
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(tokens[i].size, strlen(want[i]));
        CHECK(memcmp(tokens[i].data, want[i], tokens[i].size) == 0);
    }
    bt_buf_free(&buf);
    bt_ptb_free(ptb);
}

/* Appends the lines of captions[first, end); of all the rest where a token goes on behind them, and then it is false. */
static bool read_part(struct bt_ptb *ptb, const struct bt_ptb_text *made, size_t first, size_t end, size_t lines,
                      struct bt_buf *out)
{
    struct bt_ptb_stream *stream = NULL;
    struct bt_err err = { 0 };
    int rc = BT_OK;
    CHECK_OK(bt_ptb_stream_open(&stream, ptb, made, first, end, &err), &err);
    while (!rc)
        rc = bt_ptb_stream_next(stream, lines, out, &err);
    CHECK_INT(rc, BT_END);
    const bool met = bt_ptb_stream_met(stream);
    bt_ptb_stream_close(stream);
    return met;
}

/* A stream read in portions has the lines of one that is read at once, whatever a portion ends in. */
static void test_portions(void)
{
    static const char *const captions[] = { "vitamin C.", "The end", "smile :)", "a <b c=\"x", "y\"> tag", "a\vb", "  two  blanks ", "",
                                            "morgan rd.", "it's", "a\tb \xc2\xa0 c", "U.S. The", "end . . . of", "'ve" };
    enum { COUNT = sizeof captions / sizeof *captions };
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_text texts[COUNT];
    struct bt_buf whole = { 0 };
    struct bt_err err = { 0 };
    for (size_t i = 0; i < COUNT; i++)
        texts[i] = text(captions[i]);
    CHECK_OK(bt_ptb_lex(ptb, texts, COUNT, &whole, &err), &err);
    CHECK_OK(bt_buf_add(&whole, "\n", 1, &err), &err);
    struct bt_ptb_text *made = NULL;
    CHECK_OK(bt_ptb_text_new(&made, texts, COUNT, &err), &err);
    for (size_t lines = 1; lines <= COUNT + 2; lines++) {
        struct bt_buf parts = { 0 };
        read_part(ptb, made, 0, COUNT, lines, &parts);
        CHECK_STR(parts.data, whole.data);
        bt_buf_free(&parts);
    }
    /* Two parts are the whole where a token ends between them; otherwise the first reads on. */
    for (size_t middle = 0; middle < COUNT; middle++) {
        struct bt_buf parts = { 0 };
        if (read_part(ptb, made, 0, middle, 2, &parts))
            read_part(ptb, made, middle, COUNT, 2, &parts);
        CHECK_STR(parts.data, whole.data);
        CHECK_INT(parts.size, whole.size);
        bt_buf_free(&parts);
    }
    bt_ptb_text_free(made);
    bt_buf_free(&whole);
    bt_ptb_free(ptb);
}

/* Every character between letters, with a lexer that met others before and with a new one. */
static void test_every_character(void)
{
    static char captions[256][8];
    struct bt_ptb *all = bt_ptb_new();
    for (uint32_t block = 0; block < 0x110000; block += block < 0x400 ? 0x100 : 0x2F00) {
        struct bt_ptb *fresh = bt_ptb_new();
        struct bt_text texts[256];
        struct bt_buf one = { 0 }, two = { 0 };
        struct bt_err err = { 0 };
        if (block >= 0xD800 && block < 0xE000)
            block = 0xE000;
        for (uint32_t i = 0; i < 256; i++) {
            char *c = captions[i];
            int size = 0;
            uint32_t u = block + i;
            c[size++] = 'a';
            if (u >= 0x10000)
                c[size++] = (char)(0xF0 | u >> 18);
            if (u >= 0x800)
                c[size++] = (char)(u >= 0x10000 ? 0x80 | (u >> 12 & 0x3F) : 0xE0 | u >> 12);
            if (u >= 0x80)
                c[size++] = (char)(u >= 0x800 ? 0x80 | (u >> 6 & 0x3F) : 0xC0 | u >> 6);
            c[size++] = (char)(u >= 0x80 ? 0x80 | (u & 0x3F) : u);
            c[size++] = 'b';
            texts[i] = (struct bt_text){ c, (size_t)size };
        }
        CHECK_OK(bt_ptb_lex(all, texts, 256, &one, &err), &err);
        CHECK_OK(bt_ptb_lex(fresh, texts, 256, &two, &err), &err);
        CHECK_INT(one.size, two.size);
        CHECK(one.size == two.size && memcmp(one.data, two.data, one.size) == 0);
        bt_buf_free(&one);
        bt_buf_free(&two);
        bt_ptb_free(fresh);
    }
    bt_ptb_free(all);
}

/* Each place of these begins a scan that may fail only at the end; a lexer that forgets takes minutes. */
static void test_hostile(void)
{
    static const char *const parts[] = { "a^", "<!-", "<a b='", "http:/", "1,",        "a.",
                                         "&",  "(9",  "'",      "\u00ad", "<a b=\"\" " };
    struct bt_ptb *ptb = bt_ptb_new();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct bt_buf caption = { 0 }, raw = { 0 };
        struct bt_err err = { 0 };
        while (caption.size < 1 << 18)
            CHECK_OK(bt_buf_add(&caption, parts[i], strlen(parts[i]), &err), &err);
        CHECK_OK(bt_ptb_lex(ptb, &(struct bt_text){ caption.data, caption.size }, 1, &raw, &err), &err);
        CHECK(raw.size > 0);
        bt_buf_free(&raw);
        bt_buf_free(&caption);
    }
    bt_ptb_free(ptb);
}

static void test_refusal(void)
{
    struct bt_ptb *ptb = bt_ptb_new();
    struct bt_buf raw = { 0 };
    struct bt_err err = { 0 };
    const struct bt_text texts[] = { text("a"), text("cat\xff") };
    CHECK_INT(bt_ptb_lex(ptb, texts, 2, &raw, &err), BT_ERR_UTF8);
    CHECK(strstr(err.text, "caption 2: byte 3") != NULL);
    bt_buf_free(&raw);
    bt_ptb_free(ptb);
}

int main(void)
{
    RUN(test_table);
    RUN(test_across_captions);
    RUN(test_tokens);
    RUN(test_portions);
    RUN(test_every_character);
    RUN(test_hostile);
    RUN(test_refusal);
    return test_end();
}
