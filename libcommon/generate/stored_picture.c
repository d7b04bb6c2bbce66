/* The picture of a record. */
#include "libcommon/generate/stored_picture.h"

#include "libcommon/image/image.h"

int bt_stored_picture_of(const struct bt_record *rec, struct bt_stored_picture *picture, struct bt_err *err)
{
    struct bt_value image = bt_record_get(rec, "image"), pixels = bt_record_get(rec, "pixels");
    bool file = image.kind == BT_BIN;
    const struct bt_value *v = file ? &image : &pixels;

    if (v->kind != BT_BIN)
        return bt_fail(err, BT_ERR_INPUT, "no picture in field 'image'; make the records with bt-preprocess");
    *picture = (struct bt_stored_picture){ v->data, v->size, file };
    return BT_OK;
}

int bt_stored_picture_tensor(const struct bt_stored_picture *picture, size_t side, float *chw, const char **code, struct bt_err *err)
{
    struct bt_image image = { .width = (int)side, .height = (int)side, .rgb = (uint8_t *)picture->bytes };
    struct bt_image_reject why;
    int rc;

    if (picture->file && bt_image_decode(&image, picture->bytes, picture->size, NULL, &why)) {
        *code = why.code;
        return bt_fail(err, BT_ERR_IMAGE, "%s", why.detail);
    }
    if (!picture->file && picture->size != side * side * 3) {
        *code = "FIELD_RANGE";
        return bt_fail(err, BT_ERR_INPUT, "'pixels' are not of side %zu; resize to the model's size", side);
    }
    rc = bt_image_to_tensor(chw, (int)side, &image, NULL, false, err);
    if (picture->file)
        bt_image_free(&image);
    return rc;
}
