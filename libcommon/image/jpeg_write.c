/* Pixels to a JPEG file. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "libcommon/image/image.h"

struct failure {
    struct jpeg_error_mgr manager; /* first: the library hands out its address */
    jmp_buf back;
};

static void fail(j_common_ptr info)
{
    longjmp(((struct failure *)info->err)->back, 1);
}

static void be_silent(j_common_ptr info)
{
    (void)info;
}

/* What may be changed after setjmp lives behind pointers. */
static int compress(struct jpeg_compress_struct *info, struct failure *failure, const struct bt_image *image, int quality,
                    unsigned char **file, unsigned long *size)
{
    if (setjmp(failure->back))
        return -1;
    jpeg_create_compress(info);
    jpeg_mem_dest(info, file, size);
    info->image_width = (JDIMENSION)image->width;
    info->image_height = (JDIMENSION)image->height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = image->rgb + (size_t)info->next_scanline * (size_t)image->width * 3;

        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
    return 0;
}

int bt_image_write_jpeg(uint8_t **data, size_t *size, const struct bt_image *image, int quality, struct bt_err *err)
{
    struct jpeg_compress_struct info = { 0 };
    struct failure failure;
    unsigned char *file = NULL;
    unsigned long bytes = 0;
    int failed;

    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = fail;
    failure.manager.output_message = be_silent;
    failed = compress(&info, &failure, image, quality, &file, &bytes);
    jpeg_destroy_compress(&info);
    if (failed) {
        free(file);
        return bt_fail(err, BT_ERR_MEMORY, "no memory to write a JPEG of %d x %d", image->width, image->height);
    }
    *data = file;
    *size = bytes;
    return BT_OK;
}
