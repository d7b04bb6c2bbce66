/* Files that are mapped for reading. When one is cut meanwhile, or its disk fails, the process gets SIGBUS
 * where it touches what is gone: then one line names the file, and the process ends with status 74. Source:
 * formats.md 2.3. */
#ifndef BT_BASE_MAPPED_H
#define BT_BASE_MAPPED_H

#include <stddef.h>

/* From here on until bt_mapped_remove (which accepts what was never added) a fault within these bytes is the
 * file's; `name` must live as long. Any other SIGBUS ends the process as it would have. */
void bt_mapped_add(const void *data, size_t size, const char *name);
void bt_mapped_remove(const void *data);

#endif
