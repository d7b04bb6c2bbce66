/* A part of a picture, decoded by itself, has the pixels that it has in the whole: every sampling, odd sizes, restart
 * intervals, several scans, grey and CMYK, at places that begin and end everywhere within an MCU. And so have the tensors that
 * are made from files as they are decoded. */
#include "tests/image/fixtures.h"

enum { WIDTH = 163, HEIGHT = 117, PLACES = 40 };

struct kind {
    int components, h[4], v[4]; /* samplings */
    int restart;                /* MCUs between restart markers */
    bool progressive, arithmetic, apart, coarse; /* apart: a scan for each component; coarse: only the means of blocks */
};

struct file {
    unsigned char *data;
    unsigned long size;
};

static void scans_apart(struct jpeg_compress_struct *c, jpeg_scan_info scans[4])
{
    for (int i = 0; i < c->num_components; i++)
        scans[i] = (jpeg_scan_info){ .comps_in_scan = 1, .component_index = { i }, .Se = 63 };
    c->scan_info = scans;
    c->num_scans = c->num_components;
}

static void means_only(struct jpeg_compress_struct *c, jpeg_scan_info scans[4])
{
    scans[0] = (jpeg_scan_info){ .comps_in_scan = c->num_components, .component_index = { 0, 1, 2, 3 } };
    c->scan_info = scans;
    c->num_scans = 1;
}

/* Noise on slopes: neighbours differ everywhere, in chroma too. */
static struct file file_of(const struct kind *k, int width, int height)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    struct bt_draw draw = bt_draw(11, BT_DRAW_TEST, 0, 0);
    struct file out = { NULL, 0 };
    jpeg_scan_info scans[4];
    uint8_t row[4 * 1024];
    JSAMPROW rows = row;

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out.data, &out.size);
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = k->components;
    c.in_color_space = k->components == 1 ? JCS_GRAYSCALE : k->components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    if (k->components == 4 && k->h[0] > 1)
        jpeg_set_colorspace(&c, JCS_YCCK);
    jpeg_set_quality(&c, 85, TRUE);
    for (int i = 0; i < k->components; i++) {
        c.comp_info[i].h_samp_factor = k->h[i];
        c.comp_info[i].v_samp_factor = k->v[i];
    }
    if (k->progressive)
        jpeg_simple_progression(&c);
    if (k->apart)
        scans_apart(&c, scans);
    if (k->coarse)
        means_only(&c, scans);
    c.arith_code = k->arithmetic;
    c.restart_interval = (unsigned)k->restart;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < height; y++) {
        for (int i = 0; i < width * k->components; i++)
            row[i] = (uint8_t)(i + 2 * y + (int)(bt_draw_u32(&draw) % 90) * (1 + i % 3) / 2);
        jpeg_write_scanlines(&c, &rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return out;
}

static struct bt_crop given(int width, int height, void *context)
{
    (void)width, (void)height;
    return *(const struct bt_crop *)context;
}

/* How many rows of the part differ from those of the whole; -1 when it does not decode. */
static int different_rows(const struct file *file, const struct bt_image *whole, struct bt_crop crop)
{
    struct bt_image_reject reject = { 0 };
    struct bt_image part;
    int bad = 0;

    if (bt_image_decode_part(&part, file->data, file->size, given, &crop, &reject))
        return -1;
    bad += part.width != crop.width || part.height != crop.height;
    for (int y = 0; y < crop.height && !bad; y++)
        bad += memcmp(part.rgb + (size_t)y * (size_t)crop.width * 3,
                      whole->rgb + ((size_t)(crop.top + y) * (size_t)whole->width + (size_t)crop.left) * 3,
                      (size_t)crop.width * 3) != 0;
    bt_image_free(&part);
    return bad;
}

static struct bt_crop any_crop(struct bt_draw *draw, int width, int height)
{
    struct bt_crop c = { .height = 1 + (int)bt_draw_below(draw, (uint64_t)height), .width = 1 + (int)bt_draw_below(draw, (uint64_t)width) };

    c.top = (int)bt_draw_below(draw, (uint64_t)(height - c.height) + 1);
    c.left = (int)bt_draw_below(draw, (uint64_t)(width - c.width) + 1);
    return c;
}

static void check_kind(const struct kind *k, int width, int height)
{
    struct file file = file_of(k, width, height);
    struct bt_draw draw = bt_draw(5, BT_DRAW_TEST, 0, (uint64_t)width);
    struct bt_image whole = { 0 };
    struct bt_image_reject reject = { 0 };
    int bad = 0;

    CHECK(bt_image_decode(&whole, file.data, file.size, NULL, &reject) == BT_OK);
    for (int i = 0; i < PLACES; i++)
        bad += different_rows(&file, &whole, any_crop(&draw, width, height)) != 0;
    for (int at = 0; at < 33 && at < width - 1 && at < height - 1; at++) { /* from and to every offset of two MCUs */
        bad += different_rows(&file, &whole, (struct bt_crop){ at, at, height - at, width - at }) != 0;
        bad += different_rows(&file, &whole, (struct bt_crop){ 0, 0, height - at, width - at }) != 0;
        bad += different_rows(&file, &whole, (struct bt_crop){ at, at, 1, 1 }) != 0;
    }
    if (bad)
        printf("# %d components, %dx%d first, restart %d, progressive %d, arithmetic %d, apart %d, coarse %d, %d x %d: %d parts differ\n",
               k->components, k->h[0], k->v[0], k->restart, k->progressive, k->arithmetic, k->apart, k->coarse, width, height, bad);
    CHECK_INT(bad, 0);
    bt_image_free(&whole);
    free(file.data);
}

static void check_sizes(const struct kind *k)
{
    check_kind(k, WIDTH, HEIGHT);
    check_kind(k, 128, 96);
    check_kind(k, 33, 70);
    check_kind(k, 5, 3);
}

static void test_samplings(void)
{
    static const int luma[][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 }, { 1, 2 }, { 4, 1 }, { 1, 4 }, { 4, 2 }, { 2, 4 }, { 3, 1 } };

    for (size_t i = 0; i < sizeof luma / sizeof *luma; i++)
        for (int restart = 0; restart <= 5; restart += 5)
            check_sizes(&(struct kind){ 3, { luma[i][0], 1, 1 }, { luma[i][1], 1, 1 }, .restart = restart });
    check_sizes(&(struct kind){ 3, { 2, 1, 2 }, { 2, 2, 1 }, .restart = 0 }); /* chroma sampled in two ways */
    check_sizes(&(struct kind){ 3, { 1, 2, 2 }, { 1, 2, 2 }, .restart = 2 }); /* luma below chroma */
}

static void test_other_codings(void)
{
    for (int i = 1; i <= 2; i++) {
        check_sizes(&(struct kind){ 3, { i, 1, 1 }, { i, 1, 1 }, .progressive = true });
        check_sizes(&(struct kind){ 3, { i, 1, 1 }, { i, 1, 1 }, .arithmetic = true });
        check_sizes(&(struct kind){ 3, { i, 1, 1 }, { i, 1, 1 }, .apart = true });
        check_sizes(&(struct kind){ 3, { i, 1, 1 }, { i, 1, 1 }, .coarse = true }); /* smoothed over */
    }
}

static void test_grey_and_cmyk(void)
{
    check_sizes(&(struct kind){ 1, { 1 }, { 1 }, .restart = 0 });
    check_sizes(&(struct kind){ 1, { 2 }, { 2 }, .restart = 3 });
    check_sizes(&(struct kind){ 4, { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, .restart = 0 });
    check_sizes(&(struct kind){ 4, { 2, 1, 1, 2 }, { 2, 1, 1, 2 }, .restart = 4 }); /* YCCK */
}

static void test_png(void)
{
    uint8_t rgb[20 * 10 * 3];
    struct bytes png;
    struct file file;
    struct bt_image whole = { 0 };
    struct bt_image_reject reject;
    struct bt_draw draw = bt_draw(6, BT_DRAW_TEST, 0, 0);
    int bad = 0;

    formula_picture(rgb, 20, 10);
    png = png_of(20, 10, 8, 2, rgb, 60, NULL, NULL, 0);
    file = (struct file){ png.data, png.size };
    CHECK(bt_image_decode(&whole, png.data, png.size, NULL, &reject) == BT_OK);
    for (int i = 0; i < PLACES; i++)
        bad += different_rows(&file, &whole, any_crop(&draw, 20, 10)) != 0;
    CHECK_INT(bad, 0);
    bt_image_free(&whole);
}

/* A cut above the end of the part is found wherever it is; beneath it the file is not read. */
static void test_cut_files(void)
{
    for (int sampling = 1; sampling <= 2; sampling++) {
        struct kind k = { 3, { sampling, 1, 1 }, { sampling, 1, 1 }, .restart = 0 };
        struct file file = file_of(&k, WIDTH, HEIGHT);
        struct bt_crop bottom = { HEIGHT - 30, 20, 30, 120 }, top = { 0, 0, 20, WIDTH };
        struct bt_image whole = { 0 }, part;
        struct bt_image_reject reject = { 0 };
        unsigned long size = file.size;

        CHECK(bt_image_decode(&whole, file.data, size, NULL, &reject) == BT_OK);
        for (file.size = 2; file.size < size; file.size += 1 + file.size % 37)
            CHECK(bt_image_decode_part(&part, file.data, file.size, given, &bottom, &reject) == BT_ERR_IMAGE &&
                  strcmp(reject.code, "IMG_TRUNCATED") == 0);
        file.size = size / 2;
        CHECK_INT(different_rows(&file, &whole, top), 0);
        bt_image_free(&whole);
        free(file.data);
    }
}

/* What training does with a file is what it does with the decoded picture. */
static void test_training(void)
{
    enum { SIDE = 32 };
    static float a[3 * SIDE * SIDE], b[3 * SIDE * SIDE];
    struct kind k = { 3, { 2, 1, 1 }, { 2, 1, 1 }, .restart = 0 };
    struct file file = file_of(&k, WIDTH, HEIGHT);
    struct bt_image whole = { 0 };
    struct bt_image_reject reject = { 0 };
    struct bt_err err = { 0 };

    CHECK(bt_image_decode(&whole, file.data, file.size, NULL, &reject) == BT_OK);
    for (uint64_t index = 0; index < 200; index++) {
        CHECK_OK(bt_image_train_tensor(a, SIDE, &whole, BT_AUGMENT_AS_RUN, 3, 1, index, &err), &err);
        CHECK_OK(bt_image_load_train(b, SIDE, file.data, file.size, "a.jpg", BT_AUGMENT_AS_RUN, 3, 1, index, &err), &err);
        CHECK(memcmp(a, b, sizeof a) == 0);
    }
    bt_image_free(&whole);
    free(file.data);
}

/* Rows that are resized as they come, and a side that is the picture's width, where they cannot be. */
static void test_evaluation(void)
{
    static const int sides[] = { 1, 40, WIDTH, 200 };
    static float a[3 * 200 * 200], b[3 * 200 * 200];
    struct bt_err err = { 0 };

    for (int components = 1; components <= 3; components += 2) {
        struct kind k = { components, { 1, 1, 1 }, { 1, 1, 1 }, .progressive = components == 3 };
        struct file file = file_of(&k, WIDTH, HEIGHT);
        struct bt_image whole = { 0 };
        struct bt_image_reject reject = { 0 };

        CHECK(bt_image_decode(&whole, file.data, file.size, NULL, &reject) == BT_OK);
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            CHECK_OK(bt_image_to_tensor(a, sides[i], &whole, NULL, false, &err), &err);
            CHECK_OK(bt_image_load_eval(b, sides[i], file.data, file.size, "a.jpg", &err), &err);
            CHECK(memcmp(a, b, 3 * sizeof *a * (size_t)(sides[i] * sides[i])) == 0);
            CHECK(bt_image_load_eval(b, sides[i], file.data, file.size * 3 / 4, "a.jpg", &err) == BT_ERR_IMAGE);
            bt_err_clear(&err);
        }
        bt_image_free(&whole);
        free(file.data);
    }
}

int main(void)
{
    RUN(test_samplings);
    RUN(test_other_codings);
    RUN(test_grey_and_cmyk);
    RUN(test_png);
    RUN(test_cut_files);
    RUN(test_training);
    RUN(test_evaluation);
    return test_end();
}
