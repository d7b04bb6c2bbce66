/* Bytes as a file, for readers that take a path. */
#ifndef BT_FUZZ_FILE_H
#define BT_FUZZ_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The path of a file in memory that holds the bytes, until the next call. */
static const char *fuzz_file(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        return "/dev/null";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

#endif
