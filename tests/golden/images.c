/* What Pillow, torchvision and LAVIS make of a set of pictures, against ours: `images DIR`, DIR laid out like
 * tests/golden/images (see its README.md). One TAP line a case. All comparisons are exact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/json.h"
#include "libcommon/image/image.h"

static const char *dir;
static int test_count, failures;

static void report(const char *group, const char *name, const char *what)
{
    test_count++;
    failures += what != NULL;
    printf("%sok %d - %s/%s%s%s\n", what ? "not " : "", test_count, group, name, what ? ": " : "",
           what ? what : "");
}

static void skip(const char *group, const char *name, const char *feature)
{
    printf("ok %d - %s/%s # SKIP %s\n", ++test_count, group, name, feature);
}

static json_t *load_expected(const char *group)
{
    struct bt_err err = { 0 };
    json_t *value = NULL;
    char *path = bt_format("%s/%s/expected.json", dir, group);

    if (bt_json_load(&value, path, &err))
        report(group, "expected.json", err.text);
    free(path);
    return value;
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int number(const json_t *array, size_t i)
{
    return (int)json_integer_value(json_array_get(array, i));
}

static bool same_hash(const void *data, size_t size, const char *want)
{
    uint8_t digest[32];
    char hex[65];

    bt_sha256(data, size, digest);
    bt_hex(hex, digest, sizeof digest);
    return want && strcmp(hex, want) == 0;
}

static bool read_file(char **data, size_t *size, const char *group, const char *name)
{
    struct bt_err err = { 0 };
    char *path = bt_format("%s/%s%s%s", dir, group, *group ? "/" : "", name);
    int rc = bt_file_read(path, 64 << 20, data, size, &err);

    if (rc)
        report(group, name, err.text);
    free(path);
    return rc == 0;
}

static bool is_built(const void *bytes, size_t size)
{
    const char *kind = bt_image_kind(bytes, size);

    return !bt_image_is_picture(bytes, size) || strcmp(kind, "JPEG") == 0 || strcmp(kind, "PNG") == 0;
}

/* ---- decode/ and damaged/ ---- */

static void check_decode(const json_t *c)
{
    const char *name = text(c, "file");
    const json_t *size = json_object_get(c, "size");
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    char *bytes, note[300] = "";
    size_t n;

    if (!read_file(&bytes, &n, "decode", name))
        return;
    if (!is_built(bytes, n)) {
        int rc = bt_image_decode(&image, bytes, n, NULL, &reject);
        if (rc != BT_ERR_IMAGE || strcmp(reject.code, "IMG_FORMAT") != 0)
            report("decode", name, "a kind that is not built was not refused by name");
        else
            skip("decode", name, bt_image_kind(bytes, n));
        bt_image_free(&image);
        free(bytes);
        return;
    }
    if (bt_image_decode(&image, bytes, n, NULL, &reject))
        snprintf(note, sizeof note, "refused: %s %s", reject.code, reject.detail);
    else if (image.width != number(size, 0) || image.height != number(size, 1))
        snprintf(note, sizeof note, "size is %d x %d", image.width, image.height);
    else if (!same_hash(image.rgb, (size_t)image.width * (size_t)image.height * 3, text(c, "sha256")))
        snprintf(note, sizeof note, "pixels differ");
    report("decode", name, note[0] ? note : NULL);
    bt_image_free(&image);
    free(bytes);
}

/* Accepting is right when the code is null or also_ok says "accept"; then the pixels are Pillow's, if it
 * has any. */
static void check_damaged(const json_t *c)
{
    const char *name = text(c, "file"), *code = text(c, "code"),
               *sha = text(json_object_get(c, "pillow"), "sha256");
    const json_t *also = json_object_get(c, "also_ok");
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    const char *answer = "accept";
    char *bytes, note[300] = "";
    bool right;
    size_t n;

    if (!read_file(&bytes, &n, "damaged", name))
        return;
    if (bt_image_decode(&image, bytes, n, NULL, &reject))
        answer = reject.code;
    right = strcmp(answer, code ? code : "accept") == 0;
    for (size_t i = 0; i < json_array_size(also); i++)
        right = right || strcmp(answer, json_string_value(json_array_get(also, i))) == 0;
    if (!right && !is_built(bytes, n) && strcmp(answer, "IMG_FORMAT") == 0) {
        skip("damaged", name, bt_image_kind(bytes, n));
    } else {
        if (!right)
            snprintf(note, sizeof note, "answer is %s %s, want %s", answer, reject.detail,
                     code ? code : "accept");
        else if (image.rgb && sha &&
                 !same_hash(image.rgb, (size_t)image.width * (size_t)image.height * 3, sha))
            snprintf(note, sizeof note, "accepted, but the pixels differ");
        report("damaged", name, note[0] ? note : NULL);
    }
    bt_image_free(&image);
    free(bytes);
}

/* ---- resize/ ---- */

/* The sources of README.md. */
static void fill(struct bt_image *im, const json_t *source)
{
    const char *kind = text(source, "kind");
    const json_t *rgb = json_object_get(source, "rgb");
    int cell = (int)json_integer_value(json_object_get(source, "cell")), w = im->width, h = im->height;
    uint32_t s = (uint32_t)json_integer_value(json_object_get(source, "seed"));
    uint8_t *p = im->rgb;

    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            for (int c = 0; c < 3; c++) {
                int v = 0;
                if (strcmp(kind, "formula") == 0)
                    v = c == 0 ? 7 * x + 13 * y : c == 1 ? x * x + 3 * y : (x ^ y) * 5;
                else if (strcmp(kind, "lcg") == 0)
                    v = (int)((s = s * 1664525u + 1013904223u) >> 24);
                else if (strcmp(kind, "solid") == 0)
                    v = number(rgb, (size_t)c);
                else if (strcmp(kind, "checker") == 0)
                    v = (x / cell + y / cell) % 2 ? 255 : 0;
                else if (strcmp(kind, "impulse") == 0)
                    v = x == w / 2 && y == h / 2 ? 255 : 0;
                else if (strcmp(kind, "ramp") == 0)
                    v = c == 0   ? x * 255 / (w > 1 ? w - 1 : 1)
                        : c == 1 ? y * 255 / (h > 1 ? h - 1 : 1)
                                 : (x + y) * 255 / (w + h > 3 ? w + h - 2 : 1);
                else
                    abort();
                *p++ = (uint8_t)v;
            }
        }
    }
}

static struct bt_image source_new(const json_t *c)
{
    const json_t *from = json_object_get(c, "from");
    struct bt_image im = { .width = number(from, 0), .height = number(from, 1) };

    im.rgb = calloc((size_t)im.width * (size_t)im.height, 3);
    if (!im.rgb)
        abort();
    fill(&im, json_object_get(c, "src"));
    return im;
}

static void check_resize(const json_t *c, size_t index, bool is_crop)
{
    const json_t *to = json_object_get(c, "to"), *box = json_object_get(c, "box"),
                 *v = json_object_get(c, "ijhw");
    struct bt_image im = source_new(c);
    struct bt_crop crop = { number(v, 0), number(v, 1), number(v, 2), number(v, 3) };
    int side = (int)json_integer_value(json_object_get(c, "s"));
    int w = is_crop ? side : number(to, 0), h = is_crop ? side : number(to, 1), rc;
    size_t bytes = (size_t)w * (size_t)h * 3;
    uint8_t *out = malloc(bytes), *plain = malloc(bytes);
    struct bt_err err = { 0 };
    const char *what = NULL;
    char name[100];

    snprintf(name, sizeof name, "%zu_%dx%d_to_%dx%d", index, im.width, im.height, w, h);
    if (!out || !plain)
        abort();
    if (box) {
        float edges[4];
        for (size_t i = 0; i < 4; i++)
            edges[i] = (float)json_number_value(json_array_get(box, i));
        rc = bt_image_resize_box(out, w, h, &im, edges, &err);
        memcpy(plain, out, bytes);
    } else {
        rc = bt_image_resize(out, w, h, &im, is_crop ? &crop : NULL, &err);
        if (!rc)
            rc = bt_image_resize_plain(plain, w, h, &im, is_crop ? &crop : NULL, &err);
    }
    if (rc)
        what = err.text;
    else if (!same_hash(out, bytes, text(c, "sha256")))
        what = "pixels differ";
    else if (memcmp(out, plain, bytes) != 0)
        what = "the plain path differs";
    report(is_crop ? "crops" : "resize", name, what);
    free(im.rgb);
    free(out);
    free(plain);
}

static void check_fallback(const json_t *c, size_t index)
{
    const json_t *from = json_object_get(c, "from"), *v = json_object_get(c, "ijhw");
    struct bt_crop crop = bt_crop_central(number(from, 0), number(from, 1));
    char name[60];

    snprintf(name, sizeof name, "%zu_%dx%d", index, number(from, 0), number(from, 1));
    report("crop_fallback", name,
           crop.top == number(v, 0) && crop.left == number(v, 1) && crop.height == number(v, 2) &&
                   crop.width == number(v, 3)
               ? NULL
               : "another crop");
}

/* Each recorded try: its size from its draws, and whether it fits. */
static void check_draws(const json_t *c, size_t index)
{
    const json_t *from = json_object_get(c, "from"), *tries = json_object_get(c, "tries"), *try;
    const json_t *v = json_object_get(c, "ijhw");
    int width = number(from, 0), height = number(from, 1);
    struct bt_crop crop = { 0 };
    const char *what = NULL;
    char name[60];
    bool fits = false;
    size_t i;

    json_array_foreach (tries, i, try) {
        double area = json_number_value(json_object_get(try, "scale"));
        float log_ratio = (float)json_number_value(json_object_get(try, "log_ratio"));
        bool want = json_object_get(try, "i") != NULL;

        fits = bt_crop_try(&crop, width, height, area, log_ratio);
        if (fits != want)
            what = "a try fits, or does not, against the record";
        else if (fits && (crop.width != json_integer_value(json_object_get(try, "w")) ||
                          crop.height != json_integer_value(json_object_get(try, "h"))))
            what = "another size";
    }
    if (!what && !fits) {
        crop = bt_crop_central(width, height);
        if (crop.top != number(v, 0) || crop.left != number(v, 1))
            what = "another central crop";
    }
    if (!what && (crop.height != number(v, 2) || crop.width != number(v, 3)))
        what = "another final size";
    snprintf(name, sizeof name, "%zu_%dx%d", index, width, height);
    report("crop_draws", name, what);
}

/* ---- tensor/ ---- */

/* clip_image_eval: shorter side to `size`, then the recorded window of size x size. */
static int clip_tensor(float *chw, int size, const struct bt_image *image, const json_t *c,
                       struct bt_err *err)
{
    const json_t *resized = json_object_get(c, "resized"), *yx = json_object_get(c, "crop_yx");
    struct bt_image middle = { .width = number(resized, 0), .height = number(resized, 1) };
    struct bt_crop crop = { number(yx, 0), number(yx, 1), size, size };
    int rc;

    middle.rgb = malloc((size_t)middle.width * (size_t)middle.height * 3);
    if (!middle.rgb)
        abort();
    rc = bt_image_resize(middle.rgb, middle.width, middle.height, image, NULL, err);
    if (!rc)
        rc = bt_image_to_tensor(chw, size, &middle, &crop, false, err);
    free(middle.rgb);
    return rc;
}

static void check_tensor(const json_t *c)
{
    const char *name = text(c, "name"), *processor = text(c, "processor"), *what = NULL;
    const json_t *v = json_object_get(c, "ijhw");
    int size = (int)json_integer_value(json_object_get(c, "size")), rc;
    size_t n, count = (size_t)size * (size_t)size * 3;
    struct bt_image image = { 0 };
    struct bt_image_reject reject;
    struct bt_err err = { 0 };
    float *chw;
    char *bytes;

    if (strcmp(processor, "blip_image_train") == 0) {
        skip("tensor", name, "RandomAugment");
        return;
    }
    if (!read_file(&bytes, &n, "", text(c, "image")))
        return;
    if (!is_built(bytes, n)) {
        skip("tensor", name, bt_image_kind(bytes, n));
        free(bytes);
        return;
    }
    chw = calloc(count, sizeof *chw);
    rc = bt_image_decode(&image, bytes, n, NULL, &reject);
    if (rc) {
        what = reject.detail;
    } else if (strcmp(processor, "clip_image_eval") == 0) {
        rc = clip_tensor(chw, size, &image, c, &err);
    } else {
        struct bt_crop crop = { number(v, 0), number(v, 1), number(v, 2), number(v, 3) };
        bool flip = json_is_true(json_object_get(c, "flip"));
        rc = bt_image_to_tensor(chw, size, &image, v ? &crop : NULL, flip, &err);
    }
    if (!what && rc)
        what = err.text;
    else if (!what && !same_hash(chw, count * sizeof *chw, text(c, "sha256")))
        what = "values differ";
    report("tensor", name, what);
    bt_image_free(&image);
    free(chw);
    free(bytes);
}

/* The table of 768 values, tensor "lut" of expected.safetensors. */
static void check_table(void)
{
    float table[3][256];
    char *bytes;
    size_t size, header = 0, begin;
    json_t *root = NULL;
    struct bt_err err = { 0 };
    const char *what = "no tensor 'lut' of 768 values";

    if (!read_file(&bytes, &size, "tensor", "expected.safetensors"))
        return;
    if (size > 8)
        memcpy(&header, bytes, 8);
    if (header < size - 8 && !bt_json_parse(&root, "expected.safetensors", bytes + 8, header, &err)) {
        const json_t *offsets = json_object_get(json_object_get(root, "lut"), "data_offsets");

        begin = 8 + header + (size_t)number(offsets, 0);
        if (number(offsets, 1) - number(offsets, 0) == (int)sizeof table && begin + sizeof table <= size) {
            bt_image_tensor_table(table);
            what = memcmp(table, bytes + begin, sizeof table) == 0 ? NULL : "values differ";
        }
    }
    report("tensor", "lut", what);
    json_decref(root);
    free(bytes);
}

static void each(const json_t *root, const char *key, void (*check)(const json_t *c, size_t index))
{
    const json_t *cases = json_object_get(root, key), *c;
    size_t i;

    json_array_foreach (cases, i, c)
        check(c, i);
    if (json_array_size(cases) == 0)
        report(key, "cases", "there are none");
}

static void decode_case(const json_t *c, size_t i)
{
    (void)i, check_decode(c);
}
static void damaged_case(const json_t *c, size_t i)
{
    (void)i, check_damaged(c);
}
static void resize_case(const json_t *c, size_t i)
{
    check_resize(c, i, false);
}
static void crop_case(const json_t *c, size_t i)
{
    check_resize(c, i, true);
}
static void tensor_case(const json_t *c, size_t i)
{
    (void)i, check_tensor(c);
}

int main(int argc, char **argv)
{
    json_t *root;

    dir = argc > 1 ? argv[1] : "tests/golden/images";
    root = load_expected("decode");
    each(root, "files", decode_case);
    json_decref(root);
    root = load_expected("damaged");
    each(root, "files", damaged_case);
    json_decref(root);
    root = load_expected("resize");
    each(root, "cases", resize_case);
    each(root, "crops", crop_case);
    each(root, "crop_fallback", check_fallback);
    each(root, "crop_draws", check_draws);
    json_decref(root);
    root = load_expected("tensor");
    each(root, "cases", tensor_case);
    json_decref(root);
    check_table();
    printf("1..%d\n", test_count);
    return failures ? 1 : 0;
}
