/* Files of a Java archive (zip), or of a directory with the same names. Source: PKWARE APPNOTE 4.3, 4.4. */
#ifndef BT_METRICS_JAR_H
#define BT_METRICS_JAR_H

#include <stddef.h>

#include "libcommon/base/err.h"

struct bt_jar;

/* E_NOINPUT, E_INPUT for what is no zip, E_MEMORY. */
int bt_jar_open(struct bt_jar **jar, const char *path, struct bt_err *err);
void bt_jar_close(struct bt_jar *jar);

/* A whole member, with a NUL behind it that is not counted; the caller frees *data. E_NOINPUT when it is not
 * there, E_INPUT when it is damaged or packed by another method than deflate, E_LIMIT over `limit` bytes. */
int bt_jar_read(const struct bt_jar *jar, const char *member, size_t limit, char **data, size_t *size,
                struct bt_err *err);

#endif
