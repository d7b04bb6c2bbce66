#include "libcommon/metrics/vqa_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/metrics/words.h"
#include "libcommon/text/clean.h"
#include "libcommon/text/unicode.h"

static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";

struct word_pair {
    const char *from, *to;
};

/* clang-format off */
static const struct word_pair numbers[] = {
    { "none", "0" }, { "zero", "0" }, { "one", "1" }, { "two", "2" }, { "three", "3" }, { "four", "4" },
    { "five", "5" }, { "six", "6" }, { "seven", "7" }, { "eight", "8" }, { "nine", "9" }, { "ten", "10" }
};

/* Sorted by bytes. Left out of the published table: keys with capitals, which lower-cased words never equal,
 * and words that map to themselves. */
static const struct word_pair contractions[] = {
    { "'ow'sat", "'ow's'at" }, { "'ows'at", "'ow's'at" }, { "aint", "ain't" }, { "arent", "aren't" },
    { "cant", "can't" }, { "couldn'tve", "couldn't've" }, { "couldnt", "couldn't" },
    { "couldnt've", "couldn't've" }, { "couldve", "could've" }, { "didnt", "didn't" },
    { "doesnt", "doesn't" }, { "dont", "don't" }, { "hadn'tve", "hadn't've" }, { "hadnt", "hadn't" },
    { "hadnt've", "hadn't've" }, { "hasnt", "hasn't" }, { "havent", "haven't" }, { "he'dve", "he'd've" },
    { "hed", "he'd" }, { "hed've", "he'd've" }, { "hes", "he's" }, { "howd", "how'd" },
    { "howll", "how'll" }, { "hows", "how's" }, { "isnt", "isn't" }, { "it'dve", "it'd've" },
    { "itd", "it'd" }, { "itd've", "it'd've" }, { "itll", "it'll" }, { "maam", "ma'am" },
    { "mightn'tve", "mightn't've" }, { "mightnt", "mightn't" }, { "mightnt've", "mightn't've" },
    { "mightve", "might've" }, { "mustnt", "mustn't" }, { "mustve", "must've" }, { "neednt", "needn't" },
    { "notve", "not've" }, { "oclock", "o'clock" }, { "oughtnt", "oughtn't" }, { "ow's'at", "'ow's'at" },
    { "shant", "shan't" }, { "she'dve", "she'd've" }, { "shed've", "she'd've" },
    { "shouldn'tve", "shouldn't've" }, { "shouldnt", "shouldn't" }, { "shouldnt've", "shouldn't've" },
    { "shouldve", "should've" }, { "somebody'd", "somebodyd" }, { "somebody'dve", "somebody'd've" },
    { "somebodyd've", "somebody'd've" }, { "somebodyll", "somebody'll" }, { "somebodys", "somebody's" },
    { "someone'dve", "someone'd've" }, { "someoned", "someone'd" }, { "someoned've", "someone'd've" },
    { "someonell", "someone'll" }, { "someones", "someone's" }, { "something'dve", "something'd've" },
    { "somethingd", "something'd" }, { "somethingd've", "something'd've" },
    { "somethingll", "something'll" }, { "thats", "that's" }, { "there'dve", "there'd've" },
    { "thered", "there'd" }, { "thered've", "there'd've" }, { "therere", "there're" },
    { "theres", "there's" }, { "they'dve", "they'd've" }, { "theyd", "they'd" },
    { "theyd've", "they'd've" }, { "theyll", "they'll" }, { "theyre", "they're" }, { "theyve", "they've" },
    { "twas", "'twas" }, { "wasnt", "wasn't" }, { "we'dve", "we'd've" }, { "wed've", "we'd've" },
    { "werent", "weren't" }, { "weve", "we've" }, { "whatll", "what'll" }, { "whatre", "what're" },
    { "whats", "what's" }, { "whatve", "what've" }, { "whens", "when's" }, { "whered", "where'd" },
    { "wheres", "where's" }, { "whereve", "where've" }, { "who'dve", "who'd've" }, { "whod", "who'd" },
    { "whod've", "who'd've" }, { "wholl", "who'll" }, { "whos", "who's" }, { "whove", "who've" },
    { "whyll", "why'll" }, { "whyre", "why're" }, { "whys", "why's" }, { "wont", "won't" },
    { "wouldn'tve", "wouldn't've" }, { "wouldnt", "wouldn't" }, { "wouldnt've", "wouldn't've" },
    { "wouldve", "would've" }, { "y'all'dve", "y'all'd've" }, { "y'alld've", "y'all'd've" },
    { "y'allll", "y'all'll" }, { "yall", "y'all" }, { "yall'd've", "y'all'd've" },
    { "yall'll", "y'all'll" }, { "you'dve", "you'd've" }, { "youd", "you'd" }, { "youd've", "you'd've" },
    { "youll", "you'll" }, { "youre", "you're" }, { "youve", "you've" }
};
/* clang-format on */

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Whether a space touches the mark anywhere. */
static bool touches_space(struct bt_text in, char mark)
{
    for (size_t i = 0; i < in.size; i++)
        if (in.data[i] == mark &&
            ((i > 0 && in.data[i - 1] == ' ') || (i + 1 < in.size && in.data[i + 1] == ' ')))
            return true;
    return false;
}

static bool comma_between_digits(struct bt_text in)
{
    for (size_t i = 0; i < in.size; i++)
        if (in.data[i] == ',' && bt_digit_before(in, i) && bt_digit_at(in, i + 1))
            return true;
    return false;
}

/* A copy that may be changed; not empty, so that it has an address. */
static char *copy(struct bt_arena *arena, struct bt_text in, struct bt_err *err)
{
    char *text = bt_arena_str(arena, in.size > 0 ? in.data : "", in.size);
    if (!text)
        bt_fail(err, BT_ERR_MEMORY, "out of memory for the answers");
    return text;
}

int bt_vqa_punctuation(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err)
{
    enum { KEEP, DELETE, SPACE } action[256] = { KEEP };
    const bool comma = comma_between_digits(in);
    size_t size = 0, kept = 0;
    int periods_left = 32; /* a flag stands where the count belongs: re.UNICODE is 32 */
    char *text = copy(arena, in, err);
    if (!text)
        return BT_ERR_MEMORY;

    for (const char *m = marks; *m; m++)
        action[(unsigned char)*m] = comma || touches_space(in, *m) ? DELETE : SPACE;
    for (size_t i = 0; i < in.size; i++) {
        int act = action[(unsigned char)in.data[i]];
        if (act != DELETE)
            text[size++] = act == SPACE ? ' ' : in.data[i];
    }
    for (size_t i = 0; i < size; i++)
        if (text[i] == '.' && periods_left > 0 && !bt_digit_at((struct bt_text){ text, size }, i + 1))
            periods_left--;
        else
            text[kept++] = text[i];
    *out = (struct bt_text){ text, kept };
    return BT_OK;
}

static bool is(struct bt_text word, const char *literal)
{
    return word.size == strlen(literal) && memcmp(word.data, literal, word.size) == 0;
}

static int compare_contraction(const void *key, const void *element)
{
    const struct bt_text *word = key;
    const char *from = ((const struct word_pair *)element)->from;
    size_t size = strlen(from), common = word->size < size ? word->size : size;
    int order = memcmp(word->data, from, common);
    return order ? order : (word->size > size) - (word->size < size);
}

/* What the word becomes; an empty text for an article. */
static struct bt_text replace_word(struct bt_text word)
{
    for (size_t i = 0; i < LENGTH(numbers); i++)
        if (is(word, numbers[i].from))
            return (struct bt_text){ numbers[i].to, strlen(numbers[i].to) };
    if (is(word, "a") || is(word, "an") || is(word, "the"))
        return (struct bt_text){ "", 0 };
    const struct word_pair *c =
        bsearch(&word, contractions, LENGTH(contractions), sizeof *contractions, compare_contraction);
    return c ? (struct bt_text){ c->to, strlen(c->to) } : word;
}

int bt_vqa_digit_article(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err)
{
    struct bt_buf lower = { 0 }, text = { 0 };
    struct bt_text rest, word;
    int rc = bt_utf8_check(in.data, in.size, err);
    if (!rc)
        rc = bt_lower(&lower, in.data, in.size, err);
    rest = (struct bt_text){ lower.data, lower.size };
    while (!rc && bt_next_word(&rest, &word)) {
        word = replace_word(word);
        if (text.size > 0 && word.size > 0)
            rc = bt_buf_add(&text, " ", 1, err);
        if (!rc)
            rc = bt_buf_add(&text, word.data, word.size, err);
    }
    if (!rc) {
        *out = (struct bt_text){ copy(arena, (struct bt_text){ text.data, text.size }, err), text.size };
        rc = out->data ? BT_OK : BT_ERR_MEMORY;
    }
    bt_buf_free(&lower);
    bt_buf_free(&text);
    return rc;
}

int bt_vqa_trim(struct bt_arena *arena, struct bt_text in, struct bt_text *out, struct bt_err *err)
{
    char *text = copy(arena, in, err);
    if (!text)
        return BT_ERR_MEMORY;
    for (size_t i = 0; i < in.size; i++)
        if (text[i] == '\n' || text[i] == '\t')
            text[i] = ' ';
    *out = bt_strip((struct bt_text){ text, in.size });
    return BT_OK;
}
