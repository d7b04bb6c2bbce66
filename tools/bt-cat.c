/* bt-cat - look into, join, check and convert streams and sets of shards.  See bt-cat(1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/base/log.h"
#include "libcommon/base/mem.h"
#include "libcommon/base/tool.h"
#include "libcommon/stream/stream.h"
#include "libcommon/stream/twin.h"

#define NO_NUMBER ((int64_t)-1)

static const char *output = "-", *to = "bt", *from = "bt", *bin = "base64", *prov = "yes",
                  *fields, *field, *expect_sha256, *schema_name, *stage;
static int64_t head = NO_NUMBER, record = NO_NUMBER, expect = NO_NUMBER;
static bool count_only, check_only, raw, repair, force;
static struct bt_list inputs;

static const struct bt_option options[] = {
    BT_OPT_STRING('o', "output", &output, "FILE",
                  "where to write; a name in .zst is compressed, one in .lmdb a set"),
    BT_OPT_CHOICE(0, "to", &to, "bt|json", "write records, or one line of JSON per frame"),
    BT_OPT_CHOICE(0, "from", &from, "bt|json", "read records, or JSON lines"),
    BT_OPT_CHOICE(0, "bin", &bin, "base64|len", "bytes in JSON: themselves, or their number"),
    BT_OPT_COUNT('n', "head", &head, "N", "only the first N records"),
    BT_OPT_COUNT('r', "record", &record, "N", "only record N, the first being 0"),
    BT_OPT_STRING(0, "fields", &fields, "NAME,...", "only the id and these fields"),
    BT_OPT_STRING(0, "field", &field, "NAME", "print one field of each record, a line of JSON"),
    BT_OPT_FLAG(0, "raw", &raw, "with --field: its bytes as they are"),
    BT_OPT_FLAG('c', "count", &count_only, "print how many records there are"),
    BT_OPT_FLAG(0, "check", &check_only, "say whether each input is whole; exit 1 when one is not"),
    BT_OPT_COUNT(0, "expect", &expect, "N", "fail unless there are N records"),
    BT_OPT_STRING(0, "expect-sha256", &expect_sha256, "HASH",
                  "with --from=json: fail unless the file has this sha256"),
    BT_OPT_STRING(0, "schema", &schema_name, "NAME/MAJOR",
                  "kind of records with --from=json, if not bt.sample/1, or --repair, when no begin tells"),
    BT_OPT_FLAG(0, "repair", &repair, "keep the records that damage has left, as a partial stream or set"),
    BT_OPT_WRITING,
    BT_OPT_STRING(0, "stage", &stage, "DIR", "read shards from a checked copy there, made if need be"),
    BT_OPT_READING,
    BT_OPT_LINES,
    BT_OPT_CHOICE(0, "prov", &prov, "yes|none", "write where the records come from, or not"),
    BT_OPT_FLAG('f', "force", &force, "replace the output"),
    BT_OPT_OPERANDS(&inputs, "FILE", "streams, or sets of shards; standard input if none"),
    BT_OPT_END
};

static const char *const standard_input[] = { "-" };

static struct bt_reader_options reader_options(void)
{
    return (struct bt_reader_options){ .salvage = repair, .kind = schema_name, .stage = stage };
}

/* ---- reading all inputs ---- */

/* Inputs are one stream as far as they are streams; a set is read by itself. */
struct source {
    size_t next;
    struct bt_reader *reader;
    unsigned opened; /* readers so far */
    uint64_t position;
    bool partial; /* one of the readers before was */
};

static bool is_partial(const struct source *s)
{
    return s->partial || (s->reader && bt_reader_is_partial(s->reader));
}

static int open_next(struct source *s, struct bt_err *err)
{
    struct bt_reader_options o = reader_options();
    size_t first = s->next, count = 1;

    if (first == inputs.count)
        return BT_END;
    while (first + count < inputs.count && !bt_path_is_shards(inputs.items[first]) &&
           !bt_path_is_shards(inputs.items[first + count]))
        count++;
    s->next += count;
    s->opened++;
    s->partial = is_partial(s);
    bt_reader_close(s->reader);
    s->reader = NULL;
    return bt_reader_open_all(&s->reader, inputs.items + first, count, &o, err);
}

static bool wanted(uint64_t position)
{
    return (head == NO_NUMBER || position < (uint64_t)head) &&
           (record == NO_NUMBER || position == (uint64_t)record);
}

static bool past(uint64_t position)
{
    return (head != NO_NUMBER && position >= (uint64_t)head) ||
           (record != NO_NUMBER && position > (uint64_t)record);
}

/* The next record that is wanted, with *opened when it is the first of a reader. */
static int next_record(struct source *s, struct bt_record *rec, struct bt_err *err)
{
    int rc = BT_OK;

    while (!rc) {
        if (past(s->position))
            return BT_END;
        if (bt_stop_requested())
            return bt_fail(err, BT_ERR_STOPPED, "%s: stopped on request; run the same command again",
                           bt_reader_place(s->reader));
        rc = bt_reader_next(s->reader, rec, err);
        if (rc == BT_END) {
            rc = open_next(s, err);
            continue;
        }
        if (!rc && wanted(s->position++))
            return BT_OK;
    }
    return rc;
}

static int check_number(const struct source *s, struct bt_err *err)
{
    if (expect != NO_NUMBER && s->position != (uint64_t)expect)
        return bt_fail(err, BT_ERR_INPUT,
                       "%s: %llu records, %lld expected; some are missing or it is another file",
                       inputs.items[0], (unsigned long long)s->position, (long long)expect);
    if (record != NO_NUMBER && s->position <= (uint64_t)record)
        return bt_fail(err, BT_ERR_INPUT, "%s: there is no record %lld, there are %llu", inputs.items[0],
                       (long long)record, (unsigned long long)s->position);
    return BT_OK;
}

static int no_memory(struct bt_err *err)
{
    return bt_fail(err, BT_ERR_MEMORY, "out of memory; free some and run again");
}

/* ---- --count, --check, --field ---- */

static int each_record(int (*see)(struct bt_record *rec, const char *place, struct bt_err *err),
                       struct source *s, struct bt_err *err)
{
    struct bt_record *rec = bt_record_new();
    int rc = rec ? open_next(s, err) : no_memory(err);

    while (!rc) {
        rc = next_record(s, rec, err);
        if (!rc && see)
            rc = see(rec, bt_reader_place(s->reader), err);
    }
    if (rc == BT_END)
        rc = check_only ? bt_reader_verify(s->reader, err) : BT_OK;
    if (!rc)
        rc = check_number(s, err);
    bt_reader_close(s->reader);
    s->reader = NULL;
    bt_record_free(rec);
    return rc;
}

static int count_records(struct bt_err *err)
{
    struct source s = { 0 };
    int rc = each_record(NULL, &s, err);

    if (!rc)
        printf("%llu\n", (unsigned long long)s.position);
    return rc;
}

static int check_inputs(struct bt_err *err)
{
    struct bt_list all = inputs;
    bool good = true;

    for (size_t i = 0; i < all.count; i++) {
        struct source s = { 0 };
        struct bt_err why = { 0 };
        const char *name = strcmp(all.items[i], "-") == 0 ? "stdin" : all.items[i];

        inputs = (struct bt_list){ 1, all.items + i };
        int rc = each_record(NULL, &s, &why);
        if (rc && bt_exit_status(rc) != 65)
            return bt_fail(err, rc, "%s", why.text); /* not read, so neither good nor bad */
        if (rc)
            printf("%s: damaged: %s [%s]\n", name, why.text, bt_status_name(rc));
        else
            printf("%s: good, %llu records\n", name, (unsigned long long)s.position);
        good = good && !rc;
    }
    inputs = all;
    return good ? BT_OK : BT_ERR_NO;
}

static int print_field(struct bt_record *rec, const char *place, struct bt_err *err)
{
    struct bt_value value = bt_record_get(rec, field);
    struct bt_array array;
    struct bt_buf line = { 0 };
    int rc = BT_OK;

    if (value.kind == BT_ABSENT)
        return bt_fail(err, BT_ERR_INPUT,
                       "%s: no field '%s'; 'bt-cat --to=json --bin=len' shows what there is", place,
                       bt_quote_str(field));
    if (raw && value.kind == BT_MAP && !bt_value_array(value, &array, err))
        return fwrite(array.data, 1, array.bytes, stdout) == array.bytes ? BT_OK : BT_ERR_IO;
    if (raw && (value.kind == BT_STR || value.kind == BT_BIN)) {
        fwrite(value.data, 1, value.size, stdout);
        return BT_OK;
    }
    if (raw)
        return bt_fail(err, BT_ERR_INPUT, "%s: field '%s' is neither text nor bytes; print it without --raw",
                       place, bt_quote_str(field));
    rc = bt_twin_value(&line, value, strcmp(bin, "len") == 0 ? BT_BIN_LENGTH : BT_BIN_BASE64, err);
    if (!rc)
        puts(line.data);
    bt_buf_free(&line);
    return rc;
}

static int print_fields(struct bt_err *err)
{
    struct source s = { 0 };

    return each_record(print_field, &s, err);
}

/* ---- JSON ---- */

static int export_json(struct bt_err *err)
{
    struct bt_reader_options o = reader_options();
    struct bt_outfile out;
    uint64_t total = 0;
    int rc = bt_outfile_open(&out, output, force, err);

    if (rc)
        return rc;
    for (size_t i = 0, n; !rc && i < inputs.count; i += n) {
        uint64_t limit = head == NO_NUMBER ? UINT64_MAX : (uint64_t)head - total, count = 0;
        struct bt_twin_export job = { inputs.items + i, 1,
                                      strcmp(bin, "len") == 0 ? BT_BIN_LENGTH : BT_BIN_BASE64, limit, &o };

        for (n = 1; i + n < inputs.count && !bt_path_is_shards(inputs.items[i]) && !bt_path_is_shards(inputs.items[i + n]); n++)
            job.path_count++;
        rc = bt_twin_export(&job, &out, &count, err);
        total += count;
    }
    if (!rc && expect != NO_NUMBER && total != (uint64_t)expect)
        rc = bt_fail(err, BT_ERR_INPUT,
                     "%s: %llu records, %lld expected; some are missing or it is another file",
                     inputs.items[0], (unsigned long long)total, (long long)expect);
    if (!rc)
        rc = bt_outfile_finish(&out, err);
    bt_outfile_close(&out);
    return rc;
}

static int import_json(struct bt_err *err)
{
    struct bt_twin_import job = {
        inputs.items[0], output, schema_name ? schema_name : "bt.sample/1", force, expect == NO_NUMBER ? UINT64_MAX : (uint64_t)expect,
        expect_sha256
    };
    size_t n = strlen(output);

    if (inputs.count > 1)
        return bt_fail(err, BT_ERR_USAGE, "--from=json reads one file; join the files with cat(1) first");
    if (n >= 5 && strcmp(output + n - 5, ".lmdb") == 0)
        return bt_fail(err, BT_ERR_USAGE, "--from=json writes a stream; pipe it into 'bt-cat -o %s'", output);
    return bt_twin_import(&job, err);
}

/* ---- records ---- */

/* Leaves the id and what --fields names, in the order of the record. */
static int select_fields(struct bt_record *rec, struct bt_err *err)
{
    int rc = BT_OK;

    for (size_t i = bt_record_field_count(rec); fields && !rc && i-- > 0;) {
        struct bt_value key;
        char name[72] = "";
        bool keep;

        bt_record_field(rec, i, &key);
        memcpy(name, key.data, key.size < sizeof name ? key.size : sizeof name - 1);
        keep = strcmp(name, "id") == 0;
        for (const char *p = fields; p && !keep; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
            keep = strncmp(p, name, strlen(name)) == 0 && (p[strlen(name)] == ',' || p[strlen(name)] == 0);
        if (!keep)
            rc = bt_record_remove(rec, name, err);
    }
    return rc;
}

/* What of the options decides which records come out; "" when all do. */
static int options_hash(char hex[17], struct bt_err *err)
{
    char *text = bt_format("%s\n%lld\n%lld", fields ? fields : "", (long long)head, (long long)record);
    uint8_t digest[32];

    if (!text)
        return no_memory(err);
    bt_sha256(text, strlen(text), digest);
    bt_hex(hex, digest, 8);
    if (!fields && head == NO_NUMBER && record == NO_NUMBER)
        hex[0] = 0;
    free(text);
    return BT_OK;
}

static int open_writer(struct bt_writer **w, const struct bt_reader *reader, struct bt_err *err)
{
    char name[80], hash[17] = "";
    struct bt_schema schema = { name, 0 };
    struct bt_writer_options o = { .schema = &schema,
                                   .from = reader,
                                   .force = force,
                                   .provenance = strcmp(prov, "none") != 0 };

    snprintf(name, sizeof name, "%s", bt_reader_schema(reader));
    char *slash = strrchr(name, '/');
    if (!slash)
        return bt_fail(err, BT_ERR_BT_BODY, "%s: the schema '%s' has no number; it was not written by bt",
                       inputs.items[0], bt_quote_str(name));
    *slash = 0;
    schema.major = atoi(slash + 1);
    int rc = options_hash(hash, err);
    o.options_hash = hash[0] ? hash : NULL;
    if (!rc)
        rc = bt_writer_open(w, output, &o, err);
    for (size_t i = 0; !rc && i < inputs.count; i++)
        rc = bt_writer_input_file(*w, inputs.items[i], err);
    return rc;
}

static int join(struct bt_err *err)
{
    struct source s = { 0 };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    unsigned joined = 1;
    int rc = rec ? open_next(&s, err) : no_memory(err);

    if (!rc)
        rc = open_writer(&w, s.reader, err);
    while (!rc) {
        rc = next_record(&s, rec, err);
        if (!rc && s.opened != joined)
            rc = bt_writer_joins(w, s.reader, err);
        joined = s.opened;
        if (!rc)
            rc = select_fields(rec, err);
        if (!rc)
            rc = bt_writer_put(w, rec, err);
    }
    if (rc == BT_END)
        rc = check_number(&s, err);
    if (!rc && is_partial(&s))
        bt_writer_partial(w);
    if (!rc)
        rc = bt_writer_finish(w, err);
    else if (w)
        bt_writer_abort(w, err);
    bt_writer_close(w);
    bt_reader_close(s.reader);
    bt_record_free(rec);
    return rc;
}

static int check_usage(struct bt_err *err)
{
    if (raw && !field)
        return bt_fail(err, BT_ERR_USAGE, "--raw prints one field; name it with --field");
    if (expect_sha256 && strcmp(from, "json") != 0)
        return bt_fail(err, BT_ERR_USAGE,
                       "--expect-sha256 goes with --from=json; a stream carries its own sums");
    if (strcmp(to, "json") == 0 && (fields || record != NO_NUMBER))
        return bt_fail(err, BT_ERR_USAGE,
                       "--to=json shows whole frames; choose with another bt-cat in front of it");
    if (strcmp(to, "json") == 0 && strcmp(from, "json") == 0)
        return bt_fail(err, BT_ERR_USAGE, "--from=json and --to=json together do nothing; give one of them");
    return BT_OK;
}

static int run(struct bt_err *err)
{
    int rc = check_usage(err);

    if (inputs.count == 0)
        inputs = (struct bt_list){ 1, (const char **)(uintptr_t)standard_input };
    if (rc)
        return rc;
    if (check_only)
        return check_inputs(err);
    if (count_only)
        return count_records(err);
    if (field)
        return print_fields(err);
    if (strcmp(from, "json") == 0)
        return import_json(err);
    return strcmp(to, "json") == 0 ? export_json(err) : join(err);
}

int main(int argc, char **argv)
{
    const struct bt_tool tool = { "bt-cat", "look into, join, check and convert streams of records",
                                  options };

    return bt_tool_main(&tool, run, argc, argv);
}
