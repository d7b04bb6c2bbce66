/* The pictures of a set, painted by several threads. */
#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/emoji/paint.h"
#include "data/emoji/set.h"
#include "libcommon/base/file.h"
#include "libcommon/base/hash.h"
#include "libcommon/base/log.h"

enum { DIGEST = 32 };

/* No fsync for each of thousands: the set gets its name when all is done. */
static int write_picture(const char *path, const uint8_t *jpeg, size_t size, struct bt_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), failed;

    if (fd < 0)
        return bt_fail_errno(err, errno, 1, path, NULL);
    failed = bt_write_full(fd, jpeg, size) ? errno : 0;
    if (close(fd) != 0 && !failed)
        failed = errno;
    return failed ? bt_fail_errno(err, failed, 1, path, NULL) : BT_OK;
}

static int make_picture(const struct set *set, enum split split, uint64_t number, const struct glyphs *glyphs,
                        uint8_t digest[DIGEST], size_t *size, struct bt_err *err)
{
    struct origin origin = set_origin(set, split, number);
    char name[FILE_NAME_SIZE], *path;
    uint8_t *jpeg = NULL;
    int rc;

    set_file_name(name, split, number);
    path = bt_format("%s/images/%s", set->dir, name);
    rc = path ? BT_OK : bt_fail(err, BT_ERR_MEMORY, "%s: out of memory", name);
    if (!rc)
        rc = paint_scene(&jpeg, size, &set->scene[split][number], &origin, glyphs, err);
    if (!rc)
        rc = write_picture(path, jpeg, *size, err);
    if (!rc)
        bt_sha256(jpeg, *size, digest);
    free(jpeg);
    free(path);
    return rc;
}

/* The first failure, of whatever thread, stops the others. */
static int make_split(const struct set *set, enum split split, const struct glyphs *glyphs, int threads,
                      uint8_t *digests, struct bt_progress *progress, uint64_t *bytes, struct bt_err *err)
{
    uint64_t total = 0, first = progress->done, done = 0;
    int status = BT_OK;

    #pragma omp parallel for schedule(dynamic, 16) num_threads(threads) reduction(+ : total)
    for (uint64_t i = 0; i < set->picture_count[split]; i++) {
        struct bt_err mine = { 0 };
        size_t size = 0;
        int stop, rc;

        #pragma omp atomic read
        stop = status;
        if (stop)
            continue;
        rc = make_picture(set, split, i, glyphs, digests + i * DIGEST, &size, &mine);
        total += size;
        #pragma omp critical
        {
            if (rc && !status) {
                *err = mine;
                #pragma omp atomic write
                status = rc;
            }
            bt_progress_update(progress, first + ++done, NULL);
        }
    }
    *bytes += total;
    return status;
}

int set_write_pictures(struct set *set, const struct glyphs *glyphs, int threads, struct tally *tally,
                       struct bt_err *err)
{
    const uint64_t *count = set->picture_count;
    uint64_t total = count[SPLIT_TRAIN] + count[SPLIT_VAL] + count[SPLIT_TEST];
    uint8_t *digests = bt_alloc(total, DIGEST, err), all[DIGEST];
    struct bt_progress progress;
    uint64_t done = 0;
    char hex[2 * DIGEST + 1];
    int rc = digests ? BT_OK : BT_ERR_MEMORY;

    bt_progress_start(&progress, "painting", "pictures", 0, total);
    for (int s = 0; !rc && s < SPLIT_COUNT; s++) {
        char *dir = bt_format("%s/images/%s", set->dir, split_names[s]);

        rc = dir ? bt_make_dirs(dir, err) : bt_fail(err, BT_ERR_MEMORY, "images: out of memory");
        free(dir);
        if (!rc)
            rc = make_split(set, (enum split)s, glyphs, threads > 0 ? threads : omp_get_num_procs(),
                            digests + done * DIGEST, &progress, &tally->picture_bytes, err);
        done += count[s];
    }
    bt_progress_finish(&progress);
    if (!rc) {
        bt_sha256(digests, total * DIGEST, all);
        bt_hex(hex, all, DIGEST);
        rc = bt_buf_printf(&set->manifest, err, "images %llu %s\n", (unsigned long long)tally->picture_bytes,
                           hex);
    }
    free(digests);
    return rc;
}
