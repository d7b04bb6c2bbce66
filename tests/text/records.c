/* bt-tokenize on records: fields, prompts, answers, what joined streams share, what is left out. */
#include <sys/wait.h>

#include "libcommon/stream/stream.h"
#include "libcommon/text/tokenizer.h"
#include "tests/text/mini.h"

static struct bt_record *rec;

/* ---------------------------------------------------------------- running the tool */

static struct bt_writer *begin_input(void)
{
    struct bt_writer_options how = { .schema = &bt_schema_sample, .force = true };
    struct bt_writer *writer = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_open(&writer, scratch("in.bt"), &how, &err), &err);
    bt_record_clear(rec);
    return writer;
}

static void put(struct bt_writer *writer, const char *id)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
    CHECK_OK(bt_writer_put(writer, rec, &err), &err);
    bt_record_clear(rec);
}

static void end_input(struct bt_writer *writer)
{
    struct bt_err err = { 0 };

    CHECK_OK(bt_writer_finish(writer, &err), &err);
    bt_writer_close(writer);
}

static void set_list(const char *key, const char *const *texts, size_t count)
{
    struct bt_err err = { 0 };

    bt_record_begin(rec, key);
    bt_pack_array(rec, count);
    for (size_t i = 0; i < count; i++)
        bt_pack_str(rec, texts[i], strlen(texts[i]));
    CHECK_OK(bt_record_end(rec, &err), &err);
}

static int tool(const char *more)
{
    char *command = bt_format("cd '%s' && '%s/bin/bt-tokenize' --quiet --progress none --force -i in.bt -o out.bt "
                              "-t bert=vocab.txt -t opt=opt %s 2>messages", scratch_folder, getenv("BT_BUILD"), more);
    int status = system(command);

    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct bt_reader *begin_output(void)
{
    struct bt_reader *reader = NULL;
    struct bt_err err = { 0 };

    CHECK_OK(bt_reader_open(&reader, scratch("out.bt"), NULL, &err), &err);
    if (!reader)
        exit(1);
    return reader;
}

static bool next(struct bt_reader *reader)
{
    struct bt_err err = { 0 };

    return bt_reader_next(reader, rec, &err) == BT_OK;
}

/* Ids in decimal, between spaces. */
static const char *ids_of(struct bt_value value)
{
    static char out[400];
    struct bt_array array;
    struct bt_err err = { 0 };
    size_t at = 0;

    out[0] = '\0';
    if (bt_value_array(value, &array, &err) != BT_OK)
        return "not an array";
    CHECK_STR(array.dtype, "i32");
    CHECK(array.rank == 1 && (size_t)array.shape[0] * 4 == array.bytes);
    for (size_t i = 0; i < array.bytes / 4 && at < 380; i++) {
        int32_t id;

        memcpy(&id, (const char *)array.data + 4 * i, 4);
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", id);
    }
    return out;
}

/* ---------------------------------------------------------------- cases */

/* Byte b is id 4 + b; the merges are at 260 and up. */
static void test_captions(void)
{
    static const char *const captions[] = { "The DOG is a cat.", "dog (dog)!" };
    struct bt_writer *writer = begin_input();
    struct bt_reader *reader;
    struct bt_value list;

    set_list("captions", captions, 2);
    CHECK(bt_record_set_int(rec, "image_id", 7, NULL) == BT_OK);
    put(writer, "one");
    CHECK(bt_record_set_str(rec, "text", "A dog", 5, NULL) == BT_OK);
    put(writer, "two");
    end_input(writer);
    CHECK_INT(tool("--max-len 8"), 0);

    reader = begin_output();
    CHECK_STR(bt_reader_schema(reader), "bt.tokens/1");
    CHECK_INT(bt_reader_must(reader, "vocab_size.bert").integer, 34);
    CHECK_INT(bt_reader_must(reader, "vocab_size.opt").integer, 269);
    CHECK_INT(bt_reader_must(reader, "max_len.opt").integer, 8);
    CHECK_INT(bt_reader_must(reader, "tokenizer.bert").size, 64);
    CHECK(next(reader));
    CHECK_INT(bt_record_get(rec, "image_id").integer, 7);
    list = bt_record_get(rec, "captions.bert");
    CHECK_INT(list.size, 2);
    CHECK_STR(ids_of(bt_value_at(list, 0)), "2 13 7 15 5 6 3");
    CHECK_STR(ids_of(bt_value_at(list, 1)), "2 7 7 3");
    list = bt_record_get(rec, "captions.opt");
    CHECK_STR(ids_of(bt_value_at(list, 0)), "2 120 108 105 262 36 109 119"); /* cut: the newline is lost */
    CHECK_STR(ids_of(bt_value_at(list, 1)), "2 268 262 14");
    CHECK(bt_value_is(bt_value_at(bt_record_get(rec, "captions"), 0), captions[0])); /* the text itself stays */
    CHECK(next(reader));
    CHECK_STR(ids_of(bt_record_get(rec, "text.bert")), "2 5 7 3");
    CHECK_STR(ids_of(bt_record_get(rec, "text.opt")), "2 101 262 14");
    CHECK(!next(reader));
    bt_reader_close(reader);
}

static void test_options(void)
{
    struct bt_writer *writer = begin_input();
    struct bt_reader *reader;

    CHECK(bt_record_set_str(rec, "note", "A dog.", 6, NULL) == BT_OK);
    put(writer, "one");
    end_input(writer);
    CHECK_INT(tool("--field note --newline no"), 0);
    reader = begin_output();
    CHECK(next(reader));
    CHECK_STR(ids_of(bt_record_get(rec, "note.opt")), "2 69 262 50"); /* not a caption: as it stands */
    CHECK_STR(ids_of(bt_record_get(rec, "note.bert")), "2 5 7 20 3");
    bt_reader_close(reader);
    CHECK_INT(tool("--field note --newline no --clean caption"), 0);
    reader = begin_output();
    CHECK(next(reader));
    CHECK_STR(ids_of(bt_record_get(rec, "note.opt")), "2 101 262");
    bt_reader_close(reader);
}

/* A prompt in front of captions: its ids are counted, the space at its end belongs to what follows. */
static void test_prompt(void)
{
    static const char *const captions[] = { "dog" };
    struct bt_writer *writer = begin_input();
    struct bt_reader *reader;

    set_list("captions", captions, 1);
    put(writer, "one");
    end_input(writer);
    CHECK_INT(tool("--prompt 'a of '"), 0);
    reader = begin_output();
    CHECK(next(reader));
    CHECK_STR(ids_of(bt_value_at(bt_record_get(rec, "captions.opt"), 0)), "2 101 264 262 14");
    CHECK_INT(bt_record_get(rec, "prompt_len.opt").integer, 3);
    CHECK_INT(bt_record_get(rec, "prompt_len.bert").integer, 3);
    bt_reader_close(reader);
}

/* The question goes into the template, the commonest answer behind it; without answers the prompt stands alone. */
static void test_question(void)
{
    static const char *const answers[] = { "cat", "dog", "a", "dog", "cat" };
    struct bt_writer *writer = begin_input();
    struct bt_reader *reader;

    CHECK(bt_record_set_str(rec, "question", "DOG? ", 5, NULL) == BT_OK);
    set_list("answers", answers, 5);
    put(writer, "one");
    CHECK(bt_record_set_str(rec, "question", "DOG?", 4, NULL) == BT_OK);
    put(writer, "two");
    end_input(writer);
    CHECK_INT(tool("--prompt 'a {} of:'"), 0);

    reader = begin_output();
    CHECK(next(reader));
    CHECK(bt_value_is(bt_record_get(rec, "text"), "a dog? of: cat")); /* cat and dog twice: cat came first */
    CHECK_STR(ids_of(bt_record_get(rec, "text.opt")), "2 101 262 67 264 62 36 103 101 120 14");
    CHECK_INT(bt_record_get(rec, "prompt_len.opt").integer, 6);
    CHECK_STR(ids_of(bt_record_get(rec, "text.bert")), "2 5 7 1 1 1 6 3");
    CHECK_INT(bt_record_get(rec, "prompt_len.bert").integer, 6);
    CHECK(next(reader));
    CHECK_STR(ids_of(bt_record_get(rec, "text.opt")), "2 101 262 67 264 62");
    CHECK_INT(bt_record_get(rec, "prompt_len.opt").integer, 6);
    bt_reader_close(reader);

    CHECK_INT(tool("--prompt 'a {question} of:'"), 0);
    reader = begin_output();
    CHECK(next(reader));
    CHECK(bt_value_is(bt_record_get(rec, "text"), "a dog? of: cat"));
    bt_reader_close(reader);
}

static void test_rejects(void)
{
    struct bt_writer *writer = begin_input();
    struct bt_reader *reader;
    char *log = NULL;
    size_t size;

    CHECK(bt_record_set_str(rec, "text", "dog", 3, NULL) == BT_OK);
    put(writer, "good");
    put(writer, "empty");
    CHECK(bt_record_set_int(rec, "captions", 3, NULL) == BT_OK);
    put(writer, "number");
    end_input(writer);
    CHECK_INT(tool("--rejects log --max-rejects 2"), 0);
    reader = begin_output();
    CHECK(next(reader));
    CHECK(bt_value_is(bt_record_get(rec, "id"), "good"));
    CHECK(!next(reader));
    bt_reader_close(reader);
    CHECK(bt_file_read(scratch("log"), 1 << 16, &log, &size, NULL) == BT_OK);
    CHECK(log && strstr(log, "\"FIELD_MISSING\"") && strstr(log, "\"id\":\"empty\"") && strstr(log, "\"JSON_TYPE\""));
    free(log);
    CHECK_INT(tool("--max-rejects 1"), 65);
}

/* Training takes the captions of records, cleaned as for tokenizing. */
static void test_vocabulary_from_records(void)
{
    static const char *const captions[] = { "a cat", "A cat!" };
    struct bt_writer *writer = begin_input();
    char *merges = NULL;
    size_t size;

    set_list("captions", captions, 2);
    put(writer, "one");
    end_input(writer);
    char *command = bt_format("cd '%s' && '%s/bin/bt-tokenize' --quiet -i in.bt --train bpe --vocab-size 262 -o learnt",
                              scratch_folder, getenv("BT_BUILD"));
    CHECK_INT(system(command), 0);
    free(command);
    CHECK(bt_file_read(scratch("learnt/merges.txt"), 1 << 16, &merges, &size, NULL) == BT_OK);
    CHECK_STR(merges, "#version: 0.2\na t\nc at\n"); /* cleaned: both captions are "a cat" */
    free(merges);
}

int main(void)
{
    rec = bt_record_new();
    if (!rec || !getenv("BT_BUILD")) {
        printf("1..0 # SKIP BT_BUILD does not say where the programs are\n");
        return 0;
    }
    scratch_begin();
    scratch_text("vocab.txt", bert_mini);
    write_opt_mini();
    RUN(test_captions);
    RUN(test_options);
    RUN(test_prompt);
    RUN(test_question);
    RUN(test_rejects);
    RUN(test_vocabulary_from_records);
    scratch_end();
    bt_record_free(rec);
    return test_end();
}
