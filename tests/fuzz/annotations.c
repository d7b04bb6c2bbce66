/* Any bytes, read in the form that the first byte chooses: items or a refusal, whatever the file says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcommon/base/file.h"
#include "libcommon/image/annotations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const forms[] = { "auto", "coco", "karpathy", "lavis", "vqa", "gqa", "jsonl", "csv",
                                         "tsv",  "cc3m", "cc12m",    "tar",   "paths", "text" };
    struct bt_annotations_options options = { .images = "/proc/self/fdinfo" };
    struct bt_annotations *annotations = NULL;
    struct bt_item item;
    struct bt_err err = { 0 };
    const char *input;
    char path[40];
    int fd = memfd_create("annotations", MFD_CLOEXEC), rc;

    if (size == 0) {
        close(fd);
        return 0;
    }
    options.format = forms[data[0] % (sizeof forms / sizeof *forms)];
    options.text_only = data[0] & 16;
    options.last_column_rest = data[0] & 32;
    options.group = data[0] & 64 ? BT_GROUP_IMAGE : BT_GROUP_AUTO;
    options.keep_going = data[0] & 128;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    input = path;
    if (fd < 0 || bt_write_full(fd, data + 1, size - 1))
        abort();
    rc = bt_annotations_open(&annotations, &input, 1, &options, &err);
    while (!rc && !(rc = bt_annotations_next(annotations, &item, &err))) {
        if (!item.id || (item.reject.code && !item.reject.detail[0]))
            abort();
        bt_item_clear(&item);
    }
    if (rc != BT_END && !err.text[0])
        abort(); /* a refusal without a word */
    bt_annotations_close(annotations);
    close(fd);
    return 0;
}
