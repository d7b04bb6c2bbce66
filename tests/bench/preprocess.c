/* JPEG of 640 x 480 at quality 90 to a normalised tensor of 224 x 224, on one core beside Debian's Pillow doing the same in a
 * process of its own (tests/bench/preprocess.py), turn by turn, the best of each, in processor time; then on two cores beside one,
 * by the clock, which a busy machine spoils. The pictures are made here: smooth shapes with texture. One line a figure: name,
 * ours, the other's, ratio, goal, met or short.
 *
 *     eval, train       images/s of ours, of Pillow
 *     decode_share      ... of libjpeg-turbo alone, decoding the whole picture: the share of time that is its own
 *     train_share       ... and of it the crop alone is decoded
 *     two_cores         ... of one core */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jpeglib.h>

#include "libcommon/base/hash.h"
#include "libcommon/base/mem.h"
#include "libcommon/image/image.h"

enum { WIDTH = 640, HEIGHT = 480, SIDE = 224, PICTURES = 8, TURNS = 12, LOOPS = 6, LONGER = 4 };

struct file {
    unsigned char *data;
    unsigned long size;
};

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the pictures ---- */

static void paint(uint8_t *rgb, unsigned seed)
{
    uint32_t s = seed * 2654435761u + 1;

    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int dx = x - 200 - (int)seed * 20, dy = y - 240, inside = dx * dx + dy * dy < 150 * 150;
            int grain;

            s = s * 1664525u + 1013904223u;
            grain = (int)(s >> 27) - 16;
            *rgb++ = (uint8_t)(60 + x * 100 / WIDTH + (inside ? 60 : 0) + grain / 2);
            *rgb++ = (uint8_t)(50 + y * 120 / HEIGHT + ((x / 40 + y / 40) % 2 ? 30 : 0) + grain / 2);
            *rgb++ = (uint8_t)(140 - (x + y) * 80 / (WIDTH + HEIGHT) + grain / 2);
        }
    }
}

static struct file compress_picture(unsigned seed)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    struct file out = { NULL, 0 };
    uint8_t *rgb = malloc((size_t)WIDTH * HEIGHT * 3);

    if (!rgb)
        abort();
    paint(rgb, seed);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out.data, &out.size);
    c.image_width = WIDTH;
    c.image_height = HEIGHT;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 90, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = rgb + (size_t)c.next_scanline * WIDTH * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(rgb);
    return out;
}

/* ---- what is measured ---- */

static _Thread_local float chw[3 * SIDE * SIDE];
static _Thread_local struct bt_err err;

static void fail(const char *what)
{
    printf("preprocess: %s\n", what);
    exit(1);
}

static void evaluate(const struct file *f, uint64_t index)
{
    (void)index;
    if (bt_image_load_eval(chw, SIDE, f->data, f->size, "picture", &err))
        fail(err.text);
}

static void train(const struct file *f, uint64_t index)
{
    if (bt_image_load_train(chw, SIDE, f->data, f->size, "picture", BT_AUGMENT_NONE, 1, 1, index, &err))
        fail(err.text);
}

/* libjpeg-turbo alone, asked for the same pixels. */
static void decode_only(const struct file *f, uint64_t index)
{
    static uint8_t pixels[WIDTH * HEIGHT * 3];
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;

    (void)index;
    c.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, f->data, f->size);
    jpeg_read_header(&c, TRUE);
    jpeg_start_decompress(&c);
    while (c.output_scanline < c.output_height) {
        JSAMPROW row = pixels + (size_t)c.output_scanline * WIDTH * 3;
        jpeg_read_scanlines(&c, &row, 1);
    }
    jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
}

static void loops(const struct file *files, void (*work)(const struct file *f, uint64_t index))
{
    for (int loop = 0; loop < LOOPS; loop++)
        for (int i = 0; i < PICTURES; i++)
            work(&files[i], (uint64_t)(loop * PICTURES + i));
}

/* Processor seconds a picture. */
static double measure(const struct file *files, void (*work)(const struct file *f, uint64_t index))
{
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);

    loops(files, work);
    return (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) / (LOOPS * PICTURES);
}

/* Seconds a picture by the clock, in so many processes, as bt-preprocess works. */
static double measure_processes(const struct file *files, int processes)
{
    double begin = seconds(CLOCK_MONOTONIC);
    pid_t child = processes > 1 ? fork() : 0;

    if (child < 0)
        fail("no process");
    for (int i = 0; i < LONGER; i++)
        loops(files, evaluate);
    if (processes > 1 && child == 0)
        _exit(0);
    if (processes > 1)
        waitpid(child, NULL, 0);
    return (seconds(CLOCK_MONOTONIC) - begin) / (processes * LONGER * LOOPS * PICTURES);
}

/* ---- the peer: answers each line "eval" or "train" by its seconds a picture ---- */

struct peer {
    FILE *ask, *answer;
};

static struct peer peer_start(const char *folder)
{
    int to[2], from[2];
    pid_t child;

    if (pipe(to) || pipe(from))
        fail("no pipe");
    child = fork();
    if (child == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl("/usr/bin/python3", "python3", "tests/bench/preprocess.py", folder, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    return (struct peer){ fdopen(to[1], "w"), fdopen(from[0], "r") };
}

static double peer_measure(const struct peer *p, const char *what, char sha[65])
{
    double value = 0;

    fprintf(p->ask, "%s\n", what);
    fflush(p->ask);
    if (fscanf(p->answer, "%lf %64s", &value, sha) != 2)
        fail("the peer does not answer; install python3-pil and python3-numpy");
    return value;
}

static void save(const char *folder, const struct file *files)
{
    for (int i = 0; i < PICTURES; i++) {
        char path[300];
        FILE *to;

        snprintf(path, sizeof path, "%s/%d.jpg", folder, i);
        to = fopen(path, "wb");
        if (!to || fwrite(files[i].data, 1, files[i].size, to) != files[i].size || fclose(to))
            fail("cannot write the pictures");
    }
}

static void remove_all(const char *folder)
{
    for (int i = 0; i < PICTURES; i++) {
        char path[300];

        snprintf(path, sizeof path, "%s/%d.jpg", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

static void same_bytes(const struct file *files, const char *sha)
{
    struct bt_sha256_state *state = bt_sha256_new();
    uint8_t digest[32];
    char hex[65];

    if (!state)
        fail("out of memory");
    for (int i = 0; i < PICTURES; i++) {
        evaluate(&files[i], 0);
        bt_sha256_add(state, chw, sizeof chw);
    }
    bt_sha256_value(state, digest);
    bt_sha256_free(state);
    bt_hex(hex, digest, 32);
    if (strcmp(hex, sha) != 0)
        fail("the tensors differ from the peer's");
}

static double less(double best, double value)
{
    return value < best ? value : best;
}

static void figure(const char *name, double ours, double peers, double ratio, double goal)
{
    printf("%-16s %8.1f %8.1f %6.2f %5.2f %s\n", name, ours, peers, ratio, goal, ratio >= goal ? "met" : "short");
}

int main(void)
{
    double eval = 1e9, training = 1e9, decode = 1e9, one = 1e9, two = 1e9, peer_eval = 1e9, peer_train = 1e9;
    char folder[] = "/tmp/bt-bench-XXXXXX", sha[65] = "", ignored[65];
    struct file files[PICTURES];
    struct peer peer;
    unsigned long bytes = 0;

    bt_keep_heap(); /* as every tool */
    for (unsigned i = 0; i < PICTURES; i++) {
        files[i] = compress_picture(i);
        bytes += files[i].size;
    }
    if (!mkdtemp(folder))
        fail("no temporary folder");
    save(folder, files);
    peer = peer_start(folder);
    for (int turn = 0; turn < TURNS; turn++) {
        peer_eval = less(peer_eval, peer_measure(&peer, "eval", sha));
        eval = less(eval, measure(files, evaluate));
        decode = less(decode, measure(files, decode_only));
        peer_train = less(peer_train, peer_measure(&peer, "train", ignored));
        training = less(training, measure(files, train));
        one = less(one, measure_processes(files, 1));
        two = less(two, measure_processes(files, 2));
    }
    fclose(peer.ask);
    same_bytes(files, sha);
    printf("%d pictures of %d x %d, %lu bytes each; images/s\n", PICTURES, WIDTH, HEIGHT, bytes / PICTURES);
    figure("eval", 1 / eval, 1 / peer_eval, peer_eval / eval, 3.5);
    figure("train", 1 / training, 1 / peer_train, peer_train / training, 3.5);
    figure("decode_share", 1 / eval, 1 / decode, decode / eval, 0.7);
    figure("train_share", 1 / training, 1 / decode, decode / training, 0.8);
    figure("two_cores", 1 / two, 1 / one, one / two, 1.9);
    remove_all(folder);
    for (int i = 0; i < PICTURES; i++)
        free(files[i].data);
    return 0;
}
