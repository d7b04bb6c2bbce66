/* The texts without pictures: documents, sentences, and the words that the vision tower is taught. */
#include <stdio.h>
#include <string.h>

#include "data/emoji/document.h"
#include "data/emoji/json_out.h"
#include "data/emoji/set.h"

/* One line of a document, and its end. */
static int put_line(struct bt_buf *text, struct tally *tally, struct bt_err *err, const char *line)
{
    for (const char *p = line; *p; p++)
        tally->document_words += p == line || p[-1] == ' ';
    return bt_buf_printf(text, err, "%s%s", text->size > 0 ? "\n" : "", line);
}

static int put_document(struct bt_buf *out, const struct document *document, struct tally *tally,
                        struct bt_err *err)
{
    struct bt_buf text = { 0 };
    char line[QUESTION_SIZE + ANSWER_SIZE + 32];
    int rc = BT_OK;

    for (int i = 0; !rc && i < document->sentence_count; i++)
        rc = put_line(&text, tally, err, document->sentence[i]);
    for (int i = 0; !rc && i < document->question_count; i++) {
        const struct question *q = &document->question[i];

        snprintf(line, sizeof line, "Question: %s Short answer: %s", q->text, q->answer);
        rc = put_line(&text, tally, err, line);
        tally->document_yes += strcmp(q->answer, "yes") == 0;
        tally->document_no += strcmp(q->answer, "no") == 0;
    }
    tally->document_questions += (uint64_t)document->question_count;
    if (!rc)
        rc = json_put(out, json_pack("{s:s}", "text", text.data), err);
    bt_buf_free(&text);
    return rc ? rc : bt_buf_add(out, "\n", 1, err);
}

int set_write_documents(struct set *set, const struct source *source, struct tally *tally, struct bt_err *err)
{
    struct bt_buf documents = { 0 }, sentences = { 0 };
    char key[KEY_SIZE];
    int rc = BT_OK;

    for (uint64_t i = 0; !rc && i < set->document_count; i++) {
        struct origin origin = set_document_origin(set, i);
        struct document document;

        rc = document_draw(&document, &origin, source, err);
        if (!rc)
            rc = put_document(&documents, &document, tally, err);
        for (int k = 0; !rc && k < document.sentence_count; k++)
            rc = bt_buf_printf(&sentences, err, "%s\n", document.sentence[k]);
        if (!rc && document.has_scene) {
            scene_key(&document.scene, key);
            rc = bag_add(&set->document_keys, key, err);
        }
        tally->sentences += (uint64_t)document.sentence_count;
    }
    if (!rc)
        rc = set_write(set, "documents_train.jsonl", &documents, err);
    if (!rc)
        rc = set_write(set, "sentences_train.txt", &sentences, err);
    bt_buf_free(&documents);
    bt_buf_free(&sentences);
    return rc;
}

static int note_words(struct bag *words, struct bag *labels, char *caption, struct bt_err *err)
{
    char *save = NULL, singular[PHRASE_SIZE];
    int rc = BT_OK;

    for (char *word = strtok_r(caption, " ", &save); word && !rc; word = strtok_r(NULL, " ", &save)) {
        if (!is_content_word(word))
            continue;
        rc = bag_add(words, word, err);
        if (!rc)
            rc = bag_add(labels, singular_of(word, singular), err);
    }
    return rc;
}

/* "word TAB label", the labels numbered from 0 in the order of the alphabet. */
static int list_words(struct bt_buf *out, struct bag *words, struct bag *labels, struct bt_err *err)
{
    int rc = BT_OK;

    bag_sort(words);
    bag_sort(labels);
    for (uint64_t i = 0; !rc && i < words->size; i++) {
        char singular[PHRASE_SIZE];
        const char *label = singular_of(words->entry[i].text, singular);
        uint64_t number = 0;

        while (strcmp(labels->entry[number].text, label) != 0)
            number++;
        rc = bt_buf_printf(out, err, "%s\t%llu\n", words->entry[i].text, (unsigned long long)number);
    }
    return rc;
}

int set_write_words(struct set *set, struct tally *tally, struct bt_err *err)
{
    struct bag words = { 0 }, labels = { 0 };
    struct bt_buf out = { 0 };
    char caption[CAPTION_SIZE];
    int rc = BT_OK;

    for (uint64_t i = 0; !rc && i < set->picture_count[SPLIT_TRAIN]; i++)
        for (int k = 0; !rc && k < CAPTION_COUNT; k++) {
            scene_caption(&set->scene[SPLIT_TRAIN][i], k, caption);
            rc = note_words(&words, &labels, caption, err);
        }
    if (!rc)
        rc = list_words(&out, &words, &labels, err);
    tally->labels = labels.size;
    tally->label_words = words.size;
    if (!rc)
        rc = set_write(set, "words.txt", &out, err);
    bt_buf_free(&out);
    bag_free(&words);
    bag_free(&labels);
    return rc;
}
