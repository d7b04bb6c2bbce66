/* LAVIS's RandomAugment: point operations and OpenCV's affine warp on packed RGB, byte for byte those of numpy
 * 1.24 and OpenCV 4.5.5. Source: images.md 5, data.md 7.3. */
#ifndef BT_IMAGE_AUGMENT_H
#define BT_IMAGE_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/base/rng.h"

enum bt_augment_op {
    BT_OP_IDENTITY, BT_OP_AUTO_CONTRAST, BT_OP_BRIGHTNESS, BT_OP_SHARPNESS, BT_OP_EQUALIZE,
    BT_OP_SHEAR_X, BT_OP_SHEAR_Y, BT_OP_TRANSLATE_X, BT_OP_TRANSLATE_Y, BT_OP_ROTATE,
    BT_OP_LISTED, /* RandomAugment draws from those above; LAVIS defines the others and does not use them */
    BT_OP_SOLARIZE = BT_OP_LISTED, BT_OP_POSTERIZE, BT_OP_CONTRAST, BT_OP_COLOR,
    BT_OP_COUNT
};

/* LAVIS's name of an operation ("ShearX"). */
const char *bt_augment_name(enum bt_augment_op op);

struct bt_augment_step {
    enum bt_augment_op op;
    double argument; /* factor, shear, pixels, degrees counter-clockwise, threshold or bits */
    uint8_t fill[3]; /* what the affine operations show where there was no picture */
    bool intended;   /* AutoContrast as it was meant; as LAVIS runs it, a channel whose least value is above 0
                        turns white */
};

/* One operation in place on [height][width][3]. E_MEMORY. */
int bt_augment_apply(uint8_t *rgb, int width, int height, const struct bt_augment_step *step, struct bt_err *err);

/* LAVIS's RandomAugment(N=2, M=5): draws two operations, then for each whether it is applied and its sign.
 * Returns how many there are, 0 to 2. */
int bt_augment_draw(struct bt_augment_step steps[2], bool intended, struct bt_draw *draw);

#endif
