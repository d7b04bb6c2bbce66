/* Files that are cut, corrupt, huge, bombs, or no pictures: each ends as the right reject, by itself and in a pool
 * of any size, with good pictures between them untouched. Source: formats.md 4, 8 and 11. */
#include "libcommon/image/pool.h"
#include "tests/base/scratch.h"
#include "tests/image/fixtures.h"

enum { MAX_CASES = 200, WIDTH = 40, HEIGHT = 24 };

static struct damaged {
    char name[40];
    const char *code; /* NULL: a good picture */
    struct bytes file;
} *cases;
static size_t case_count;

static struct bytes *add(const char *code, const struct bytes *file, const char *name, unsigned long detail)
{
    struct damaged *c = &cases[case_count++];

    if (case_count > MAX_CASES)
        abort();
    snprintf(c->name, sizeof c->name, "%s-%lu", name, detail);
    c->code = code;
    c->file = *file;
    return &c->file;
}

static void add_text(const char *code, const char *bytes, size_t size, const char *name)
{
    struct bytes file = { .size = 0 };

    add_bytes(&file, bytes, size);
    add(code, &file, name, size);
}

/* The first `sizes[i]` bytes, or the last -sizes[i] off. */
static void add_cuts(const struct bytes *whole, const char *name, const long *sizes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned long size = sizes[i] < 0 ? whole->size - (unsigned long)-sizes[i] : (unsigned long)sizes[i];
        if (size >= whole->size)
            abort();
        add("IMG_TRUNCATED", whole, name, size)->size = size;
    }
}

/* Where the marker ff `code` stands. */
static unsigned long marker(const struct bytes *jpeg, unsigned char code)
{
    for (unsigned long i = 0; i + 1 < jpeg->size; i++)
        if (jpeg->data[i] == 0xff && jpeg->data[i + 1] == code)
            return i;
    abort();
}

/* One byte behind a marker set to another value. */
static void add_jpeg_edit(const struct bytes *jpeg, const char *code, unsigned char at_marker, unsigned long offset,
                          unsigned char value, const char *name)
{
    add(code, jpeg, name, offset)->data[marker(jpeg, at_marker) + offset] = value;
}

/* The first scan of a progressive file, over and over. */
static void add_many_scans(const struct bytes *jpeg)
{
    struct bytes file = { .size = 0 };
    unsigned long begin = marker(jpeg, 0xda), end = begin + 2;

    while (!(jpeg->data[end] == 0xff && jpeg->data[end + 1] != 0))
        end++;
    add_bytes(&file, jpeg->data, begin);
    for (int i = 0; i < 102; i++)
        add_bytes(&file, jpeg->data + begin, end - begin);
    add_bytes(&file, "\xff\xd9", 2);
    add("IMG_SCANS", &file, "jpeg-scans", 102);
}

static void add_jpegs(void)
{
    static const long cuts[] = { 2, 20, 100, 300, 620, 700, 900, 1100, -2, -1 };
    struct bytes base = formula_jpeg(WIDTH, HEIGHT, false), progressive = formula_jpeg(WIDTH, HEIGHT, true);
    struct bytes *file;

    add(NULL, &base, "jpeg", 0);
    add(NULL, &progressive, "jpeg-progressive", 0);
    add_cuts(&base, "jpeg-cut", cuts, sizeof cuts / sizeof *cuts);
    add_cuts(&progressive, "jpeg-progressive-cut", cuts, sizeof cuts / sizeof *cuts);
    add_jpeg_edit(&base, "IMG_FORMAT", 0xc0, 4, 12, "jpeg-precision");
    add_jpeg_edit(&base, "IMG_FORMAT", 0xc0, 1, 0xc3, "jpeg-lossless");
    add_jpeg_edit(&base, "IMG_CORRUPT", 0xc0, 11, 0x55, "jpeg-sampling");
    add_jpeg_edit(&base, "IMG_CORRUPT", 0xdb, 4, 9, "jpeg-quantiser-number");
    add_jpeg_edit(&base, "IMG_CORRUPT", 0xc4, 5, 255, "jpeg-huffman-overfull");
    add_jpeg_edit(&base, "IMG_CORRUPT", 0xda, 5, 7, "jpeg-scan-of-unknown-component");
    file = add("IMG_TOO_LARGE", &base, "jpeg-65500", 0);
    memcpy(file->data + marker(file, 0xc0) + 5, "\xff\xdc\xff\xdc", 4);
    file = add("IMG_TOO_LARGE", &base, "jpeg-20000x10000", 0);
    memcpy(file->data + marker(file, 0xc0) + 5, "\x27\x10\x4e\x20", 4);
    file = add("IMG_CORRUPT", &base, "jpeg-width-0", 0);
    memcpy(file->data + marker(file, 0xc0) + 7, "\0\0", 2);
    add_many_scans(&progressive);
}

/* A header of its own, the checksum made right. */
static void add_png_header(const struct bytes *png, const char *code, size_t at, const char *value, size_t size,
                           const char *name)
{
    struct bytes *file = add(code, png, name, at);
    uint32_t crc;

    memcpy(file->data + 16 + at, value, size);
    crc = (uint32_t)crc32(crc32(0, Z_NULL, 0), file->data + 12, 17);
    for (int i = 0; i < 4; i++)
        file->data[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
}

static void add_bomb(const uint8_t *rgb)
{
    uLongf size = 16384;
    unsigned char *zeros = calloc(1, 8 << 20), payload[16384 + 8] = "Comment\0";
    struct bytes png;

    if (!zeros || compress2(payload + 9, &size, zeros, 8 << 20, 9) != Z_OK)
        abort();
    png = png_of(WIDTH, HEIGHT, 8, 2, rgb, WIDTH * 3, "zTXt", payload, size + 9);
    add("IMG_CHUNK", &png, "png-text-bomb", 8);
    free(zeros);
}

static void add_pngs(const uint8_t *rgb)
{
    static const long cuts[] = { 8, 20, 33, 40, 60, 200, -20, -13, -12, -1 };
    struct bytes png = png_of(WIDTH, HEIGHT, 8, 2, rgb, WIDTH * 3, NULL, NULL, 0), many = { .size = 0 }, *file;
    struct bytes extra = png_of(WIDTH, HEIGHT, 8, 2, rgb, WIDTH * 3, "gAMA", "\0\0\xb1\x8f", 4);

    add(NULL, &png, "png", 0);
    add_cuts(&png, "png-cut", cuts, sizeof cuts / sizeof *cuts);
    add("IMG_CORRUPT", &png, "png-header-checksum", 0)->data[30] ^= 1;
    add("IMG_CORRUPT", &extra, "png-chunk-checksum", 0)->data[33 + 12] ^= 1;
    add("IMG_CORRUPT", &png, "png-pixel-checksum", 0)->data[png.size - 13] ^= 1;
    add("IMG_CORRUPT", &extra, "png-chunk-name", 0)->data[33 + 5] = '?';
    add("IMG_CORRUPT", &png, "png-zlib-header", 0)->data[41] ^= 0xff;
    add_png_header(&png, "IMG_CORRUPT", 0, "\0\0\0\0", 4, "png-width-0");
    add_png_header(&png, "IMG_CORRUPT", 4, "\x80\0\0\0", 4, "png-height-2e31");
    add_png_header(&png, "IMG_CORRUPT", 8, "\x03", 1, "png-depth-3");
    add_png_header(&png, "IMG_CORRUPT", 9, "\x05", 1, "png-colour-type-5");
    add_png_header(&png, "IMG_CORRUPT", 12, "\x07", 1, "png-interlace-7");
    add_png_header(&png, "IMG_TOO_LARGE", 0, "\0\0\x9c\x40\0\0\x9c\x40", 8, "png-40000");
    add_png_header(&png, "IMG_TOO_LARGE", 0, "\0\0\x27\x11\0\0\x27\x11", 8, "png-10001");
    file = add("IMG_CORRUPT", &png, "png-without-pixels", 0);
    memcpy(file->data + 33, png.data + png.size - 12, 12);
    file->size = 45;
    add_bytes(&many, png.data, 33);
    for (int i = 0; i < 1001; i++)
        add_chunk(&many, "tIME", "1234567", 7);
    add_bytes(&many, png.data + 33, png.size - 33);
    add("IMG_CHUNK", &many, "png-chunks", 1001);
    add_bomb(rgb);
}

static void add_others(const uint8_t *rgba)
{
    static const long webp_cuts[] = { 12, 20, 100, 200, -1 }, gif_cuts[] = { 13, 300, 785, 800, 830, -1 };
    struct bytes webp = webp_of(rgba, WIDTH, HEIGHT, true), gif = gif_of(16, 4, 0, 0, 16, 4, -1), *file;

    add(NULL, &webp, "webp", 0);
    add(NULL, &gif, "gif", 0);
    add_cuts(&webp, "webp-cut", webp_cuts, sizeof webp_cuts / sizeof *webp_cuts);
    add_cuts(&gif, "gif-cut", gif_cuts, sizeof gif_cuts / sizeof *gif_cuts);
    add("IMG_CORRUPT", &webp, "webp-chunk-name", 0)->data[12] = '?';
    add("IMG_CORRUPT", &webp, "webp-signature", 0)->data[20] ^= 0xff;
    file = add("IMG_TOO_LARGE", &gif, "gif-60000", 0);
    memcpy(file->data + 6, "\x60\xea\x60\xea", 4);
    file = add("IMG_CORRUPT", &gif, "gif-without-frame", 0);
    file->data[13 + 768] = 0x3b;
    file->size = 13 + 768 + 1;
    add("IMG_CORRUPT", &gif, "gif-code-size", 0)->data[13 + 768 + 10] = 12;
}

static void add_wrong_types(void)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
    } kinds[] = {
        { "empty", "", 0 },
        { "html", "<!DOCTYPE html><p>404", 21 },
        { "xml", "<?xml version='1.0'?><a/>", 25 },
        { "svg", "<svg xmlns=''/>", 15 },
        { "text", "not a picture\n", 14 },
        { "json", "{\"error\":404}", 13 },
        { "pnm", "P6 1 1 255\nabc", 14 },
        { "avif", "\0\0\0\x18" "ftypavif", 12 },
        { "heic", "\0\0\0\x18" "ftypheic", 12 },
        { "bmp", "BM\x36\0\0\0", 6 },
        { "tiff", "II*\0\x08\0\0\0", 8 },
        { "tiff-big", "MM\0*\0\0\0\x08", 8 },
        { "jp2", "\0\0\0\x0cjP  \r\n\x87\n", 12 },
        { "jxl", "\xff\x0a\0\0", 4 },
        { "pdf", "%PDF-1.4\n", 9 },
        { "gzip", "\x1f\x8b\x08\0\0\0\0\0", 8 },
        { "zip", "PK\3\4\0\0", 6 },
        { "lfs", "version https://git-lfs.github.com/spec/v1\n", 43 },
        { "jpeg-behind-lf", "\n\xff\xd8\xff\xe0", 5 },
        { "zeros", "\0\0\0\0\0\0\0\0", 8 },
        { "riff-wave", "RIFF\x10\0\0\0WAVEfmt ", 16 },
        { "gif90a", "GIF90a\0\0", 8 },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        add_text("IMG_FORMAT", kinds[i].bytes, kinds[i].size, kinds[i].name);
}

static void make_cases(void)
{
    static uint8_t rgb[WIDTH * HEIGHT * 3], rgba[WIDTH * HEIGHT * 4];

    cases = calloc(MAX_CASES, sizeof *cases);
    if (!cases)
        abort();
    formula_picture(rgb, WIDTH, HEIGHT);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        memcpy(rgba + i * 4, rgb + i * 3, 3);
        rgba[i * 4 + 3] = 255;
    }
    add_jpegs();
    add_pngs(rgb);
    add_others(rgba);
    add_wrong_types();
}

static void test_enough(void)
{
    size_t bad = 0;

    for (size_t i = 0; i < case_count; i++)
        bad += cases[i].code != NULL;
    CHECK(bad >= 60);
}

static void check_code(const struct damaged *c, const struct bt_image_reject *reject)
{
    const char *got = reject->code ? reject->code : "accepted", *want = c->code ? c->code : "accepted";

    if (strcmp(got, want) != 0) {
        test_bad++;
        printf("# %s: %s %s, want %s\n", c->name, got, reject->detail, want);
    }
}

static void test_each_alone(void)
{
    for (size_t i = 0; i < case_count; i++) {
        struct bt_image image = { 0 };
        struct bt_image_reject reject = { 0 };

        bt_image_decode(&image, cases[i].file.data, cases[i].file.size, NULL, &reject);
        check_code(&cases[i], &reject);
        CHECK(!cases[i].code || reject.detail[0]);
        bt_image_free(&image);
    }
}

/* All of them through a pool, in order; the hash of what came back. */
static uint64_t through_pool(int threads, int side)
{
    struct bt_pool_options options = { .threads = threads, .side = side };
    struct bt_picture *pictures[MAX_CASES];
    struct bt_pool *pool = NULL;
    struct bt_root *root = NULL;
    struct bt_err err = { 0 };
    uint64_t hash = 0;

    CHECK_OK(bt_root_open(&root, scratch_folder, &err), &err);
    CHECK_OK(bt_pool_new(&pool, &options, &err), &err);
    for (size_t i = 0; pool && i < case_count; i++)
        pictures[i] = bt_pool_submit(pool, root, cases[i].name);
    for (size_t i = 0; pool && i < case_count; i++) {
        bt_pool_wait(pool, pictures[i]);
        check_code(&cases[i], &pictures[i]->reject);
        hash = hash * 31 + bt_xxh64(pictures[i]->reject.detail, strlen(pictures[i]->reject.detail));
        if (!cases[i].code) {
            CHECK_INT(pictures[i]->size, side ? (size_t)side * (size_t)side * 3 : cases[i].file.size);
            hash = hash * 31 + bt_xxh64(pictures[i]->data, pictures[i]->size);
        }
        bt_pool_release(pool, pictures[i]);
    }
    bt_pool_free(pool);
    bt_root_close(root);
    return hash;
}

static void test_pool(void)
{
    uint64_t one;

    scratch_begin();
    for (size_t i = 0; i < case_count; i++)
        scratch_write(cases[i].name, (const char *)cases[i].file.data, cases[i].file.size);
    one = through_pool(1, 0);
    CHECK(through_pool(3, 0) == one);
    one = through_pool(1, 16);
    CHECK(through_pool(3, 16) == one);
    scratch_end();
}

int main(void)
{
    make_cases();
    RUN(test_enough);
    RUN(test_each_alone);
    RUN(test_pool);
    free(cases);
    return test_end();
}
