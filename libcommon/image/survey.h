/* What annotations hold, looked through without decoding anything: for a dry run. */
#ifndef BT_IMAGE_SURVEY_H
#define BT_IMAGE_SURVEY_H

#include "libcommon/image/annotations.h"

/* Reads all items, tells (on stderr) what was understood of the first three, and prints a table of records, pictures,
 * captions, pictures that are missing, and bytes of picture files, by split. */
int bt_annotations_survey(struct bt_annotations *source, struct bt_err *err);

#endif
