/* The check that comes before liblmdb: a good and a bad file for every rule of formats.md 2.3. The bad ones
 * are good ones with some bytes changed. */
#include "libcommon/shard/structure.h"

#include <sys/mman.h>

#include "libcommon/base/hash.h"
#include "libcommon/shard/pages.h"
#include "libcommon/stream/stream.h"
#include "tests/stream/scratch.h"

enum { PAGE = 4096 };

/* A shard as bytes, with what the cases change. */
struct file {
    uint8_t *bytes;
    size_t size;
    struct bt_structure found;
};

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void set(uint8_t *p, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

/* Records 0..count-1; every `big`th has 5000 bytes, which do not fit into a page. */
static struct file make_file(int count, int big)
{
    struct bt_writer_options options = { .schema = &bt_schema_sample, .per_shard = 100000, .force = true };
    struct bt_record *rec = bt_record_new();
    struct bt_writer *w = NULL;
    struct bt_err err = { 0 };
    struct file f = { 0 };
    char body[5000] = "";

    CHECK_OK(bt_writer_open(&w, scratch("good.lmdb"), &options, &err), &err);
    for (int i = 0; i < count; i++) {
        char id[20];

        snprintf(id, sizeof id, "%d", i);
        bt_record_clear(rec);
        CHECK_OK(bt_record_set_str(rec, "id", id, strlen(id), &err), &err);
        CHECK_OK(bt_record_set_bin(rec, "image", body, big && i % big == 0 ? sizeof body : 10, &err), &err);
        CHECK_OK(bt_writer_put(w, rec, &err), &err);
    }
    CHECK_OK(bt_writer_finish(w, &err), &err);
    bt_writer_close(w);
    bt_record_free(rec);
    f.bytes = (uint8_t *)get_file(scratch("good.lmdb/shard-000000.mdb"), &f.size);
    return f;
}

static int check_bytes(const struct file *f, size_t size, bool finished, struct bt_structure *found,
                       struct bt_err *err)
{
    int fd = memfd_create("shard", MFD_CLOEXEC);

    if (fd < 0 || bt_write_full(fd, f->bytes, size) != 0)
        exit(2);
    int rc = bt_structure_check(found, fd, "x.mdb", finished, err);
    close(fd);
    return rc;
}

/* ---- finding what to change ---- */

/* The meta page that counts: of a shard just finished the second one. */
static uint8_t *meta(struct file *f)
{
    return f->bytes + PAGE;
}

static uint8_t *page(struct file *f, uint64_t number)
{
    return f->bytes + number * PAGE;
}

static uint64_t root(struct file *f)
{
    return get(meta(f) + 128, 8);
}

static uint8_t *node(uint8_t *p, unsigned i)
{
    return p + get(p + 16 + 2 * i, 2);
}

static uint64_t child(struct file *f, uint64_t number, unsigned i)
{
    return get(node(page(f, number), i), 6);
}

/* The last leaf, which holds records; `level` levels above it. */
static uint64_t last_page(struct file *f, unsigned level)
{
    uint64_t number = root(f);

    for (uint64_t depth = get(meta(f) + 94, 2); depth > level + 1; depth--)
        number = child(f, number, (unsigned)(get(page(f, number) + 12, 2) - 16) / 2 - 1);
    return number;
}

/* Two nodes of the last leaf whose values lie in pages of their own. */
static uint8_t *big_node(struct file *f, int which)
{
    uint8_t *leaf = page(f, last_page(f, 0));

    for (unsigned i = 0; i < (get(leaf + 12, 2) - 16) / 2; i++)
        if (get(node(leaf, i) + 4, 2) == 1 && which-- == 0)
            return node(leaf, i);
    printf("# no such node\n");
    exit(2);
}

static uint8_t *run_of(uint8_t *p)
{
    return p + 8 + get(p + 6, 2);
}

/* ---- the cases ---- */

static void bad_magic(struct file *f)
{
    meta(f)[16] ^= 1;
}
static void bad_version(struct file *f)
{
    set(f->bytes + 20, 4, 2);
}
static void bad_second_version(struct file *f)
{
    set(meta(f) + 20, 4, 999);
}
static void bad_meta_flags(struct file *f)
{
    set(meta(f) + 10, 2, 2);
}
static void bad_meta_number(struct file *f)
{
    set(meta(f), 8, 7);
}
static void bad_page_size(struct file *f)
{
    set(f->bytes + 40, 4, 5000);
}
static void small_page_size(struct file *f)
{
    set(f->bytes + 40, 4, 2048);
}
static void large_page_size(struct file *f)
{
    set(f->bytes + 40, 4, 65536);
}
static void other_page_size(struct file *f)
{
    set(meta(f) + 40, 4, 8192);
}
static void bad_address(struct file *f)
{
    set(meta(f) + 24, 8, 0x10000);
}
static void bad_free_flags(struct file *f)
{
    set(meta(f) + 44, 2, 0x000C);
}
static void no_subdir_flag(struct file *f)
{
    set(meta(f) + 44, 2, get(meta(f) + 44, 2) ^ 0x4000);
}
static void bad_main_flags(struct file *f)
{
    set(meta(f) + 92, 2, 4);
}
static void too_deep(struct file *f)
{
    set(meta(f) + 94, 2, 17);
}
static void other_depth(struct file *f)
{
    set(meta(f) + 94, 2, get(meta(f) + 94, 2) + 1);
}
static void too_many_pages(struct file *f)
{
    set(meta(f) + 136, 8, f->size / PAGE);
}
static void overflowing_pages(struct file *f)
{
    set(meta(f) + 136, 8, UINT64_MAX);
}
static void overflowing_bytes(struct file *f)
{
    set(meta(f) + 136, 8, (uint64_t)1 << 52);
}
static void root_outside(struct file *f)
{
    set(meta(f) + 128, 8, f->size / PAGE);
}
static void root_is_meta(struct file *f)
{
    set(meta(f) + 128, 8, 1);
}
static void no_root(struct file *f)
{
    set(meta(f) + 128, 8, UINT64_MAX);
}
static void older_meta_counts(struct file *f)
{
    set(meta(f) + 144, 8, 0);
}
static void other_map_size(struct file *f)
{
    set(meta(f) + 32, 8, 12345);
}

static void crossed_pages(struct file *f)
{
    uint8_t copy[PAGE];
    uint64_t a = child(f, root(f), 0), b = child(f, root(f), 1);

    memcpy(copy, page(f, a), PAGE);
    memcpy(page(f, a), page(f, b), PAGE);
    memcpy(page(f, b), copy, PAGE);
}
static void crossed_children(struct file *f)
{
    uint64_t a = child(f, root(f), 0), b = child(f, root(f), 1);

    set(node(page(f, root(f)), 0), 6, b);
    set(node(page(f, root(f)), 1), 6, a);
}
static void loop(struct file *f)
{
    set(node(page(f, root(f)), 1), 6, root(f));
}
static void twice(struct file *f)
{
    set(node(page(f, root(f)), 1), 6, child(f, root(f), 0));
}
static void child_outside(struct file *f)
{
    set(node(page(f, root(f)), 1), 6, ((uint64_t)1 << 48) - 1);
}
static void branch_flags(struct file *f)
{
    set(page(f, root(f)) + 10, 2, 0x11);
}
static void leaf_as_branch(struct file *f)
{
    set(page(f, last_page(f, 0)) + 10, 2, 1);
}
static void branch_as_leaf(struct file *f)
{
    set(page(f, root(f)) + 10, 2, 2);
}
static void small_keys_leaf(struct file *f)
{
    set(page(f, last_page(f, 0)) + 10, 2, 0x22);
}
static void one_key_branch(struct file *f)
{
    set(page(f, root(f)) + 12, 2, 18);
}
static void no_key_leaf(struct file *f)
{
    set(page(f, last_page(f, 0)) + 12, 2, 16);
}
static void many_keys(struct file *f)
{
    set(page(f, last_page(f, 0)) + 12, 2, 40000);
}
static void low_lower(struct file *f)
{
    set(page(f, last_page(f, 0)) + 12, 2, 10);
}
static void high_upper(struct file *f)
{
    set(page(f, last_page(f, 0)) + 14, 2, PAGE + 2);
}

static void odd_node(struct file *f)
{
    page(f, last_page(f, 0))[16] ^= 1;
}
static void node_outside(struct file *f)
{
    set(page(f, last_page(f, 0)) + 16, 2, PAGE - 4);
}
static void node_in_head(struct file *f)
{
    set(page(f, last_page(f, 0)) + 16, 2, 4);
}
static void key_outside(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0) + 6, 2, 4090);
}
static void key_empty(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0) + 6, 2, 0);
}
static uint8_t *last_node(struct file *f)
{
    uint8_t *p = page(f, last_page(f, 0));

    return node(p, (unsigned)(get(p + 12, 2) - 16) / 2 - 1);
}
static void key_long(struct file *f)
{
    set(last_node(f) + 6, 2, 512);
}
static void keys_crossed(struct file *f)
{
    uint8_t *p = page(f, last_page(f, 0));
    uint64_t first = get(p + 16, 2);

    set(p + 16, 2, get(p + 18, 2));
    set(p + 18, 2, first);
}
static void keys_equal(struct file *f)
{
    uint8_t *p = page(f, last_page(f, 0));

    memcpy(node(p, 1) + 8, node(p, 0) + 8, 9);
}
static void key_below_parent(struct file *f)
{
    node(page(f, last_page(f, 0)), 0)[8] = 'A';
}
static void key_above_parent(struct file *f)
{
    uint8_t *p = page(f, child(f, root(f), 0));

    node(p, (unsigned)(get(p + 12, 2) - 16) / 2 - 1)[8] = 'Z';
}
static void parent_keys_equal(struct file *f)
{
    uint8_t *p = page(f, root(f));

    memcpy(node(p, 2) + 8, node(p, 1) + 8, get(node(p, 1) + 6, 2));
}
static void duplicate_flag(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0) + 4, 2, 4);
}
static void sub_database(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0) + 4, 2, 2);
}

static void value_outside(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0), 4, PAGE);
}
static void value_huge(struct file *f)
{
    set(node(page(f, last_page(f, 0)), 0), 4, UINT32_MAX);
}
static void run_outside(struct file *f)
{
    set(run_of(big_node(f, 0)), 8, f->size / PAGE - 1);
}
static void run_far_outside(struct file *f)
{
    set(run_of(big_node(f, 0)), 8, (uint64_t)1 << 60);
}
static void run_is_meta(struct file *f)
{
    set(run_of(big_node(f, 0)), 8, 0);
}
static void run_is_leaf(struct file *f)
{
    set(run_of(big_node(f, 0)), 8, child(f, root(f), 0));
}
static void runs_overlap(struct file *f)
{
    set(run_of(big_node(f, 0)), 8, get(run_of(big_node(f, 1)), 8) + 1);
}
static void run_longer(struct file *f)
{
    set(big_node(f, 0), 4, 5 * PAGE);
}
static void run_huge(struct file *f)
{
    set(big_node(f, 0), 4, UINT32_MAX);
}
/* At the end of the page no room is left for the number of the run. */
static void run_cut(struct file *f)
{
    uint8_t *p = page(f, last_page(f, 0)), *n = p + PAGE - 8 - 10;

    memmove(n, big_node(f, 0), 17);
    set(p + 16, 2, (uint64_t)(n - p));
}

static void entries_more(struct file *f)
{
    set(meta(f) + 120, 8, get(meta(f) + 120, 8) + 1);
}
static void record_missing(struct file *f)
{
    set(last_node(f) + 8 + 7, 2, 0xFFFF);
}
static void record_key_other(struct file *f)
{
    last_node(f)[8] = 'S';
}
/* Keys by name, in whatever leaf they are. */
static void rename_key(struct file *f, const char *from, const char *to)
{
    uint8_t *at = memmem(f->bytes, f->size, from, 4);

    CHECK(at != NULL);
    if (at)
        memcpy(at, to, 4);
}
static void no_header(struct file *f)
{
    rename_key(f, "Mhdr", "Mhdq");
}
static void no_end(struct file *f)
{
    rename_key(f, "Mend", "Menc");
}

struct change {
    const char *name;
    void (*make)(struct file *f);
    int status;
    const char *says;
};

static void run_case(const struct file *good, const struct change *c)
{
    struct file f = { malloc(good->size), good->size, { 0 } };
    struct bt_structure found;
    struct bt_err err = { 0 };
    int bad_before = test_bad;

    memcpy(f.bytes, good->bytes, f.size);
    c->make(&f);
    int rc = check_bytes(&f, f.size, true, &found, &err);
    CHECK_INT(rc, c->status);
    CHECK(!rc || strncmp(err.text, "x.mdb:", 6) == 0);
    CHECK(!c->says || strstr(err.text, c->says));
    if (test_bad > bad_before)
        printf("# %s: %s\n", c->name, err.text);
    free(f.bytes);
}

#define CASE(function, status, says)                                                                         \
    {                                                                                                        \
#function, function, status, says                                                                    \
    }
#define BAD(function, says) CASE(function, BT_ERR_LMDB_STRUCT, says)

static void run_cases(int count, int big, const struct change *cases, size_t case_count)
{
    struct file good = make_file(count, big);
    struct bt_err err = { 0 };

    CHECK_OK(check_bytes(&good, good.size, true, &good.found, &err), &err);
    CHECK_INT(good.found.records, count);
    CHECK_INT(good.found.ids, count);
    for (size_t i = 0; i < case_count; i++)
        run_case(&good, &cases[i]);
    free(good.bytes);
}
#define RUN_CASES(count, big, cases) run_cases(count, big, cases, sizeof cases / sizeof *(cases))

static void test_meta_pages(void)
{
    static const struct change cases[] = {
        BAD(bad_magic, "no LMDB file"),
        CASE(bad_version, BT_ERR_LMDB_VERSION, "x.mdb:20: LMDB data version 2, this build reads 1"),
        CASE(bad_second_version, BT_ERR_LMDB_VERSION, "x.mdb:4116: LMDB data version 999"),
        BAD(bad_meta_flags, "no meta page"),
        BAD(bad_meta_number, "no meta page"),
        BAD(bad_page_size, "page size"),
        BAD(small_page_size, "page size"),
        BAD(large_page_size, "page size"),
        BAD(other_page_size, "differ"),
        BAD(bad_address, "fixed address"),
        BAD(bad_free_flags, "flags"),
        CASE(no_subdir_flag, BT_OK, NULL),
        CASE(other_map_size, BT_OK, NULL),
        BAD(bad_main_flags, "another kind"),
        BAD(too_deep, "16 levels"),
        BAD(other_depth, "leaf above the last level"),
        BAD(too_many_pages, "missing at the end"),
        BAD(overflowing_pages, "missing at the end"),
        BAD(overflowing_bytes, "missing at the end"),
        BAD(root_outside, "root outside"),
        BAD(root_is_meta, "outside the file"),
        BAD(no_root, "root"),
        BAD(older_meta_counts, "no 'M hdr'"),
    };

    RUN_CASES(3, 0, cases);
}

static void test_pages(void)
{
    static const struct change cases[] = {
        BAD(crossed_pages, "number of another"),
        BAD(crossed_children, NULL),
        BAD(loop, "taken"),
        BAD(twice, "taken"),
        BAD(child_outside, "outside the file"),
        BAD(branch_flags, "neither"),
        BAD(leaf_as_branch, NULL),
        BAD(branch_as_leaf, NULL),
        BAD(small_keys_leaf, "neither"),
        BAD(one_key_branch, "fewer than two"),
        BAD(no_key_leaf, "without a key"),
        BAD(many_keys, "bounds"),
        BAD(low_lower, "bounds"),
        BAD(high_upper, "bounds"),
    };

    RUN_CASES(400, 0, cases);
}

static void test_nodes(void)
{
    static const struct change cases[] = {
        BAD(odd_node, "node outside"),     BAD(node_outside, "node outside"),
        BAD(node_in_head, "node outside"), BAD(key_outside, "leaves the page"),
        BAD(key_empty, "1 to 511"),        BAD(key_long, "1 to 511"),
        BAD(keys_crossed, NULL),           BAD(keys_equal, "order"),
        BAD(key_below_parent, "order"),    BAD(key_above_parent, "beyond"),
        BAD(parent_keys_equal, NULL),      BAD(duplicate_flag, "another kind"),
        BAD(sub_database, "another kind"),
    };

    RUN_CASES(400, 0, cases);
}

static void test_values(void)
{
    static const struct change cases[] = {
        BAD(run_outside, "outside the file"), BAD(run_far_outside, "outside the file"),
        BAD(run_is_meta, "outside the file"), BAD(run_is_leaf, "taken"),
        BAD(runs_overlap, "taken"),           BAD(run_longer, "taken"),
        BAD(run_huge, "outside the file"),    BAD(run_cut, "leaves the page"),
    };
    static const struct change inside[] = {
        BAD(value_outside, "leaves the page"),
        BAD(value_huge, "leaves the page"),
    };

    RUN_CASES(160, 3, cases);
    RUN_CASES(40, 0, inside);
}

static void test_keys(void)
{
    static const struct change cases[] = {
        BAD(entries_more, "not as many keys"),
        BAD(record_missing, "does not follow"),
        BAD(record_key_other, "behind the records"),
        BAD(no_header, "no 'M hdr'"),
        BAD(no_end, "never finished"),
    };

    RUN_CASES(40, 3, cases);
}

/* Good files of all shapes: without a record, with one, deep. */
static void test_shapes(void)
{
    static const int counts[] = { 0, 1, 2, 50, 3000 };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        run_cases(counts[i], counts[i] > 100 ? 0 : 7, NULL, 0);
}

static void test_cut(void)
{
    struct file good = make_file(3, 2);
    struct bt_structure found;

    for (size_t size = 0; size < good.size; size++) {
        struct bt_err err = { 0 };

        CHECK_INT(check_bytes(&good, size, true, &found, &err), BT_ERR_LMDB_STRUCT);
    }
    free(good.bytes);
}

/* A shard in the making needs neither header nor end. */
static void test_unfinished(void)
{
    struct file f = make_file(3, 2);
    struct bt_err err = { 0 };

    no_end(&f);
    CHECK_INT(check_bytes(&f, f.size, true, &f.found, &err), BT_ERR_LMDB_STRUCT);
    bt_err_clear(&err);
    CHECK_OK(check_bytes(&f, f.size, false, &f.found, &err), &err);
    CHECK_INT(f.found.records, 3);
    free(f.bytes);
}

int main(void)
{
    scratch_begin();
    RUN(test_meta_pages);
    RUN(test_pages);
    RUN(test_nodes);
    RUN(test_values);
    RUN(test_keys);
    RUN(test_shapes);
    RUN(test_cut);
    RUN(test_unfinished);
    scratch_end();
    return test_end();
}
