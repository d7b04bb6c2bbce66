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

/* ---- decode/ and damaged/ ---- */

static size_t pixel_bytes(const struct bt_image *image)
{
    return (size_t)image->width * (size_t)image->height * 3;
}

/* Turned by EXIF, where the set says what that gives. */
static bool right_when_turned(const char *bytes, size_t n, const char *sha)
{
    struct bt_image image = { 0 };
    struct bt_image_reject reject;
    bool right = !bt_image_decode(&image, bytes, n, &(struct bt_image_options){ .exif_rotate = true }, &reject) &&
                 same_hash(image.rgb, pixel_bytes(&image), sha);

    bt_image_free(&image);
    return right;
}

/* An optional kind may be refused, if by name. */
static void check_decode(const json_t *c)
{
    const char *name = text(c, "file"), *turned = text(c, "sha256_if_exif_applied");
    bool optional = strcmp(text(c, "support"), "optional") == 0;
    const json_t *size = json_object_get(c, "size");
    struct bt_image image = { 0 };
    struct bt_image_reject reject = { 0 };
    char *bytes, note[300] = "";
    size_t n;
    int rc;

    if (!read_file(&bytes, &n, "decode", name))
        return;
    rc = bt_image_decode(&image, bytes, n, NULL, &reject);
    if (rc && !(optional && strcmp(reject.code, "IMG_FORMAT") == 0))
        snprintf(note, sizeof note, "refused: %s %s", reject.code, reject.detail);
    else if (!rc && (image.width != number(size, 0) || image.height != number(size, 1)))
        snprintf(note, sizeof note, "size is %d x %d", image.width, image.height);
    else if (!rc && !same_hash(image.rgb, pixel_bytes(&image), text(c, "sha256")))
        snprintf(note, sizeof note, "pixels differ");
    else if (turned && !right_when_turned(bytes, n, turned))
        snprintf(note, sizeof note, "pixels differ when turned as EXIF says");
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
    if (!right)
        snprintf(note, sizeof note, "answer is %s %s, want %s", answer, reject.detail, code ? code : "accept");
    else if (image.rgb && sha && !same_hash(image.rgb, pixel_bytes(&image), sha))
        snprintf(note, sizeof note, "accepted, but the pixels differ");
    report("damaged", name, note[0] ? note : NULL);
    bt_image_free(&image);
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

static struct bt_augment_step step_of(const json_t *c)
{
    const json_t *args = json_object_get(c, "args"), *fill = json_array_get(args, 1);
    const char *variant = text(c, "variant");
    struct bt_augment_step step = { .argument = json_number_value(json_array_get(args, 0)),
                                    .intended = variant && strcmp(variant, "intended") == 0 };

    while (step.op < BT_OP_COUNT && strcmp(bt_augment_name(step.op), text(c, "op")) != 0)
        step.op++;
    for (size_t i = 0; i < 3 && fill; i++)
        step.fill[i] = (uint8_t)number(fill, i);
    return step;
}

static int tensor_of(float *chw, int size, const struct bt_image *image, const json_t *c, struct bt_err *err)
{
    const json_t *v = json_object_get(c, "ijhw"), *ops = json_object_get(c, "ops");
    struct bt_crop crop = { number(v, 0), number(v, 1), number(v, 2), number(v, 3) };
    struct bt_augment_step steps[8];
    size_t count = json_array_size(ops);

    if (strcmp(text(c, "processor"), "clip_image_eval") == 0)
        return bt_image_clip_tensor(chw, size, image, err);
    if (count > sizeof steps / sizeof *steps)
        return bt_fail(err, BT_ERR_INPUT, "%zu operations", count);
    for (size_t i = 0; i < count; i++)
        steps[i] = step_of(json_array_get(ops, i));
    return bt_image_augmented_tensor(chw, size, image, v ? &crop : NULL, json_is_true(json_object_get(c, "flip")),
                                     steps, (int)count, err);
}

static void check_tensor(const json_t *c)
{
    const char *name = text(c, "name"), *what = NULL;
    int size = (int)json_integer_value(json_object_get(c, "size"));
    size_t n, count = (size_t)size * (size_t)size * 3;
    struct bt_image image = { 0 };
    struct bt_image_reject reject;
    struct bt_err err = { 0 };
    float *chw;
    char *bytes;

    if (!read_file(&bytes, &n, "", text(c, "image")))
        return;
    chw = calloc(count, sizeof *chw);
    if (bt_image_decode(&image, bytes, n, NULL, &reject))
        what = reject.detail;
    else if (tensor_of(chw, size, &image, c, &err))
        what = err.text;
    else if (!same_hash(chw, count * sizeof *chw, text(c, "sha256")))
        what = "values differ";
    report("tensor", name, what);
    bt_image_free(&image);
    free(chw);
    free(bytes);
}

/* The bytes of one tensor of a safetensors file, and its header; NULL when it is not there. */
static const char *find_tensor(const char *bytes, size_t size, const json_t *header, const char *name, size_t *count)
{
    const json_t *offsets = json_object_get(json_object_get(header, name), "data_offsets");
    size_t begin = (size_t)number(offsets, 0), end = (size_t)number(offsets, 1), head;

    memcpy(&head, bytes, 8);
    if (!offsets || begin > end || end > size - 8 - head)
        return NULL;
    *count = end - begin;
    return bytes + 8 + head + begin;
}

static json_t *load_tensors(char **bytes, size_t *size, const char *group, const char *file)
{
    struct bt_err err = { 0 };
    json_t *header = NULL;
    size_t head = 0;

    if (!read_file(bytes, size, group, file))
        return NULL;
    if (*size > 8)
        memcpy(&head, *bytes, 8);
    if (*size <= 8 || head > *size - 8 || bt_json_parse(&header, file, *bytes + 8, head, &err))
        report(group, file, "not a safetensors file");
    return header;
}

/* The table of 768 values, tensor "lut" of expected.safetensors. */
static void check_table(void)
{
    float table[3][256];
    char *bytes = NULL;
    size_t size, count = 0;
    json_t *header = load_tensors(&bytes, &size, "tensor", "expected.safetensors");
    const char *lut = header ? find_tensor(bytes, size, header, "lut", &count) : NULL;

    bt_image_tensor_table(table);
    report("tensor", "lut", !lut || count != sizeof table               ? "no tensor 'lut' of 768 values"
                            : memcmp(table, lut, sizeof table) != 0 ? "values differ"
                                                                    : NULL);
    json_decref(header);
    free(bytes);
}

/* ---- augment/ ---- */

static json_t *augment_header;
static char *augment_bytes;
static size_t augment_size;

static void check_augment(const json_t *c, size_t index)
{
    const char *input = text(c, "input"), *what = NULL;
    const json_t *shape = json_object_get(json_object_get(augment_header, input), "shape");
    int height = number(shape, 0), width = number(shape, 1);
    struct bt_augment_step step = step_of(c);
    struct bt_err err = { 0 };
    size_t count = 0;
    const char *pixels = find_tensor(augment_bytes, augment_size, augment_header, input, &count);
    uint8_t *rgb = malloc(count + 1);
    char name[100];

    snprintf(name, sizeof name, "%zu_%s_%s", index, text(c, "op"), input);
    if (!pixels || !rgb || count != (size_t)width * (size_t)height * 3 || step.op == BT_OP_COUNT) {
        report("augment", name, "no such input, or no such operation");
        free(rgb);
        return;
    }
    memcpy(rgb, pixels, count);
    if (bt_augment_apply(rgb, width, height, &step, &err))
        what = err.text;
    else if (!same_hash(rgb, count, text(c, "sha256")))
        what = "pixels differ";
    report("augment", name, what);
    free(rgb);
}

static void check_augments(void)
{
    json_t *root = load_expected("augment");

    augment_header = load_tensors(&augment_bytes, &augment_size, "augment", "pixels.safetensors");
    if (augment_header)
        each(root, "cases", check_augment);
    json_decref(augment_header);
    free(augment_bytes);
    json_decref(root);
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
    check_augments();
    printf("1..%d\n", test_count);
    return failures ? 1 : 0;
}
