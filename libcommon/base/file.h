/* Files: read whole and in full, made under a temporary name and renamed when they are complete.
 * Source: formats.md 5 (creating files), 1.6 (full-length loops). */
#ifndef BT_BASE_FILE_H
#define BT_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libcommon/base/err.h"

/* Full-length loops that retry on EINTR and short counts. bt_read_full returns the bytes read (fewer only
 * at the end of the file) or -1 with errno; bt_write_full 0 or -1 with errno. */
ssize_t bt_read_full(int fd, void *buf, size_t size);
int bt_write_full(int fd, const void *buf, size_t size);
/* Whether bt_write_full found the reader of stdout gone (EPIPE): bt_tool_main then ends in silence. */
bool bt_stdout_broken(void);

/* Opens a file for reading; "-" is stdin. A directory is E_NOINPUT. bt_input_close leaves stdin open and
 * accepts -1. */
int bt_input_open(int *fd, const char *path, struct bt_err *err);
void bt_input_close(int fd);
/* What messages call it: "stdin" for "-". */
const char *bt_input_name(const char *path);

/* Git LFS leaves a short text where a large file was not fetched: E_INPUT when that is all there is in `path`. What reads files
 * here, and bt_unpack_open, ask it. */
int bt_refuse_lfs_pointer(const char *path, const void *data, size_t size, struct bt_err *err);

/* The whole file in memory, with a NUL behind it that is not counted; at most `limit` bytes (E_LIMIT). "-"
 * is stdin. A Git LFS pointer is named as such. The caller frees *data. */
int bt_file_read(const char *path, size_t limit, char **data, size_t *size, struct bt_err *err);

/* A whole regular file mapped for reading; one that is cut meanwhile ends the process (mapped.h). An empty file has
 * data that is not NULL and size 0. A Git LFS pointer is named as such. bt_map_close accepts a zeroed one. */
struct bt_map {
    const uint8_t *data;
    size_t size;
    char *name;
};
int bt_map_open(struct bt_map *map, const char *path, struct bt_err *err);
void bt_map_close(struct bt_map *map);

/* A file in the making. "-" (stdout) and what is not a regular file (pipe, device) are written directly.
 * Otherwise it gets its name by bt_outfile_finish: temporary .bt-<name>.<16 hex>.tmp beside it, fsync,
 * rename, fsync of the directory. An existing target needs force (E_EXISTS), also when it comes into being
 * meanwhile. A symbolic link is replaced, not followed. Opening removes what killed runs left of the same
 * name. Zero it to begin; while it is open it must stay where it is in memory. */
struct bt_outfile {
    int fd, dir_fd;
    bool direct, force;
    bool read_only; /* may be set before finish: nobody is to write to it any more */
    char *path, *temp_name;
    const char *name;        /* last part of path */
    struct bt_outfile *next; /* in the list of those open */
};
int bt_outfile_open(struct bt_outfile *out, const char *path, bool force, struct bt_err *err);
int bt_outfile_write(struct bt_outfile *out, const void *data, size_t size, struct bt_err *err);
int bt_outfile_finish(struct bt_outfile *out, struct bt_err *err); /* on failure nothing bears the name */
/* Without finish it removes the temporary file. Accepts NULL, a zeroed one, and one that failed to open. */
void bt_outfile_close(struct bt_outfile *out);
/* All of it in one call. */
int bt_file_write(const char *path, const void *data, size_t size, bool force, struct bt_err *err);
/* A copy, which replaces what is there; one whose sha256 (hex) is another is no copy (E_INPUT). */
int bt_file_copy(const char *from, const char *to, const char *sha256, struct bt_err *err);

/* Unlinks the temporary files of every open bt_outfile; called by bt_tool_main before it dies of SIGPIPE. */
void bt_outfile_abandon_all(void);

int bt_make_dirs(const char *path, struct bt_err *err); /* like mkdir -p */
int bt_fsync_dir(const char *path, struct bt_err *err);
/* Removes a directory of ours with its files, not following links; a missing one is no error. */
int bt_remove_dir(const char *path, struct bt_err *err);
bool bt_path_exists(const char *path);
bool bt_path_is_dir(const char *path);
/* "dir/name" and friends, printf-like, in a buffer the caller frees; NULL when out of memory. */
char *bt_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
