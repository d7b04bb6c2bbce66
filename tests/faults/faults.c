/* A system that fails: loaded in front of the C library (LD_PRELOAD), it lets one call of a program go wrong.
 *
 *     BT_FAULT=write:K:ENOSPC     the K-th write (or pwrite, writev, pwritev) after the start of main; fd 2 not counted
 *     BT_FAULT=read:K:EIO         read, pread
 *     BT_FAULT=fsync:K:EIO        fsync, fdatasync
 *     BT_FAULT=rename:K:EIO       rename, renameat, renameat2
 *     BT_FAULT=fcntl:K:ENOLCK     fcntl that takes a lock, and all after it: the file system has none
 *     BT_FAULT=malloc:K           malloc, calloc, realloc
 *     BT_FAULT_MARK=FILE          made when that happens
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { NONE, WRITE, READ, FSYNC, RENAME, FCNTL, MALLOC };

static enum call failing;
static int error;
static long left; /* calls until the one that fails */
static const char *mark;
static atomic_bool started;
static atomic_long calls;

static const struct {
    const char *name;
    enum call call;
} call_names[] = { { "write:", WRITE },   { "read:", READ },   { "fsync:", FSYNC },
                   { "rename:", RENAME }, { "fcntl:", FCNTL }, { "malloc:", MALLOC } };
static const struct {
    const char *name;
    int error;
} error_names[] = { { ":ENOSPC", ENOSPC }, { ":EIO", EIO }, { ":ENOLCK", ENOLCK } };

static void setup(void)
{
    const char *fault = getenv("BT_FAULT");
    char *rest = NULL;

    mark = getenv("BT_FAULT_MARK");
    for (size_t i = 0; fault && i < sizeof call_names / sizeof *call_names; i++) {
        size_t size = strlen(call_names[i].name);

        if (strncmp(fault, call_names[i].name, size) == 0) {
            failing = call_names[i].call;
            left = strtol(fault + size, &rest, 10);
        }
    }
    error = ENOMEM;
    for (size_t i = 0; rest && i < sizeof error_names / sizeof *error_names; i++)
        if (strcmp(rest, error_names[i].name) == 0)
            error = error_names[i].error;
}

/* Whether this call is the one. */
static int fails(enum call call)
{
    if (call != failing || !started)
        return 0;
    long now = atomic_fetch_add(&calls, 1) + 1;
    if (call == FCNTL ? now < left : now != left)
        return 0;
    if (mark)
        close(open(mark, O_WRONLY | O_CREAT, 0644));
    errno = error;
    return 1;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* Failing begins with main: what libraries do before it is not the program's. */
static int (*real_main)(int, char **, char **);

static int counted_main(int argc, char **argv, char **env)
{
    setup();
    started = 1;
    int status = real_main(argc, argv, env);
    started = 0;
    return status;
}

typedef int start_fn(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
                     void (*)(void), void *);
start_fn __libc_start_main;

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    real_main = main;
    return ((start_fn *)next("__libc_start_main"))(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

#define WRAP(call, result, name, parameters, arguments, counts)                                    \
    result name parameters                                                                         \
    {                                                                                              \
        static result(*real) parameters;                                                           \
                                                                                                   \
        if (!real)                                                                                 \
            real = (result(*) parameters)next(#name);                                              \
        return (counts) && fails(call) ? -1 : real arguments;                                      \
    }

WRAP(WRITE, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), fd != 2)
WRAP(WRITE, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), fd != 2)
WRAP(WRITE, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), fd != 2)
WRAP(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), fd != 2)
WRAP(WRITE, ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd != 2)
WRAP(WRITE, ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at), fd != 2)
WRAP(READ, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), 1)
WRAP(READ, ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), 1)
WRAP(READ, ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at), 1)
WRAP(FSYNC, int, fsync, (int fd), (fd), 1)
WRAP(FSYNC, int, fdatasync, (int fd), (fd), 1)
WRAP(RENAME, int, rename, (const char *from, const char *to), (from, to), 1)
WRAP(RENAME, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), 1)
WRAP(RENAME, int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags), 1)

static int lock_or_not(int fd, int command, void *argument)
{
    static int (*real)(int, int, ...);

    if (!real)
        real = (int (*)(int, int, ...))next("fcntl");
    return command == F_OFD_SETLK && fails(FCNTL) ? -1 : real(fd, command, argument);
}

int fcntl(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return lock_or_not(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return lock_or_not(fd, command, argument);
}

/* The C library's own names: dlsym would ask for memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    return fails(MALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(MALLOC) ? NULL : __libc_realloc(memory, size);
}
