/* Which part of a picture: torchvision's random and central crops, CLIP's window. Source: images.md 4. */
#include <math.h>

#include "libcommon/image/image.h"

bool bt_crop_try(struct bt_crop *crop, int width, int height, double area_fraction, float log_ratio)
{
    double area = (double)width * height * area_fraction, ratio = (double)expf(log_ratio);
    double w = rint(sqrt(area * ratio)),
           h = rint(sqrt(area / ratio)); /* rint: half to even, as Python rounds */

    if (!(w > 0 && w <= width && h > 0 && h <= height))
        return false;
    *crop = (struct bt_crop){ 0, 0, (int)h, (int)w };
    return true;
}

struct bt_crop bt_crop_central(int width, int height)
{
    double ratio = (double)width / height;
    int w = width, h = height;

    if (ratio < 3.0 / 4.0)
        h = (int)rint(width / (3.0 / 4.0));
    else if (ratio > 4.0 / 3.0)
        w = (int)rint(height * (4.0 / 3.0));
    return (struct bt_crop){ (height - h) / 2, (width - w) / 2, h, w };
}

struct bt_crop bt_crop_draw(int width, int height, double scale_min, struct bt_draw *draw)
{
    const float low = (float)scale_min, log_low = logf(0.75f), log_high = logf((float)(4.0 / 3.0));
    struct bt_crop crop;

    for (int i = 0; i < 10; i++) {
        float fraction = bt_draw_uniform(draw) * (1.0f - low) + low;
        float log_ratio = bt_draw_uniform(draw) * (log_high - log_low) + log_low;

        if (bt_crop_try(&crop, width, height, (double)fraction, log_ratio)) {
            crop.top = (int)bt_draw_below(draw, (uint64_t)(height - crop.height) + 1);
            crop.left = (int)bt_draw_below(draw, (uint64_t)(width - crop.width) + 1);
            return crop;
        }
    }
    return bt_crop_central(width, height);
}

void bt_crop_clip(int width, int height, int side, int resized[2], struct bt_crop *window)
{
    bool wide = width > height;
    int shorter = wide ? height : width;
    int longer = (int)((int64_t)side * (wide ? width : height) / shorter);

    resized[0] = wide ? longer : side;
    resized[1] = wide ? side : longer;
    *window = (struct bt_crop){ (int)rint((resized[1] - side) / 2.0), (int)rint((resized[0] - side) / 2.0), side, side };
}
