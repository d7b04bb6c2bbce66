/* A keeper process forks the workers, one a slot, and forks anew for one that dies. Keeper and workers hold the far
 * ends of the slots' sockets: the worker answers a request, or the keeper answers for the dead. Closing the near
 * ends ends them all. See workers.h. */
#include "libcommon/image/workers.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcommon/base/mem.h"
#include "libcommon/image/codec.h"

/* What travels on a socket: requests with a size, answers with a size or the wait status of a dead worker. */
struct message {
    uint64_t number, size;
    int32_t died, status;
};

struct slot {
    int near, far;
    volatile uint64_t *pending; /* shared: the number of the request that waits for its answer */
    uint8_t *request, *reply;   /* shared */
    uint64_t number;            /* the caller's */
    pid_t worker;               /* the keeper's */
};

struct bt_workers {
    struct bt_workers_options options;
    struct slot *slots;
    pid_t keeper;
};

/* ---- in the worker ---- */

static void limit_memory(size_t bytes)
{
    unsigned long pages = 0;
    struct rlimit limit;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm && fscanf(statm, "%lu", &pages) == 1) {
        limit.rlim_cur = limit.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
        setrlimit(RLIMIT_AS, &limit);
    }
    if (statm)
        fclose(statm);
    limit.rlim_cur = limit.rlim_max = 0;
    setrlimit(RLIMIT_CORE, &limit);
}

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#define REFUSE(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES)

/* No new files, sockets or programs, where the kernel can refuse them; decoding needs none. */
static void close_the_door(void)
{
#ifdef OUR_ARCH
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __NR_open
        REFUSE(__NR_open),
        REFUSE(__NR_creat),
#endif
        REFUSE(__NR_openat),
        REFUSE(__NR_openat2),
        REFUSE(__NR_socket),
        REFUSE(__NR_connect),
        REFUSE(__NR_execve),
        REFUSE(__NR_execveat),
        REFUSE(__NR_ptrace),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

static void set_alarm(int seconds)
{
    struct itimerval timer = { .it_value = { .tv_sec = seconds } };

    setitimer(ITIMER_PROF, &timer, NULL); /* its signal ends the process */
}

static void serve(const struct bt_workers *w, const struct slot *slot)
{
    struct message m;

    limit_memory(w->options.memory_bytes);
    close_the_door();
    while (recv(slot->far, &m, sizeof m, 0) == sizeof m) {
        set_alarm(w->options.cpu_seconds);
        m.size = w->options.work(slot->reply, slot->request, m.size, w->options.context);
        set_alarm(0);
        if (send(slot->far, &m, sizeof m, MSG_NOSIGNAL) != sizeof m)
            break;
    }
    _exit(0);
}

/* ---- in the keeper ---- */

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Everything but stderr and the far ends: an inherited pipe or lock must not live on here. */
static void close_others(const struct bt_workers *w)
{
    unsigned next = 3;
    int *far = calloc((size_t)w->options.count, sizeof *far);

    if (!far)
        _exit(1);
    for (int i = 0; i < w->options.count; i++)
        far[i] = w->slots[i].far;
    qsort(far, (size_t)w->options.count, sizeof *far, by_number);
    for (int i = 0; i < w->options.count; i++) {
        if (far[i] > (int)next)
            close_range(next, (unsigned)far[i] - 1, 0);
        next = (unsigned)far[i] + 1;
    }
    close_range(next, ~0U, 0);
    close(0);
    close(1);
    free(far);
}

static void reset_signals(void)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT }; /* the caller decides when to stop */
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        if (s != SIGSEGV && s != SIGBUS) /* a sanitizer's */
            signal(s, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void spawn(const struct bt_workers *w, struct slot *slot)
{
    slot->worker = fork();
    if (slot->worker != 0)
        return;
    for (int i = 0; i < w->options.count; i++)
        if (&w->slots[i] != slot)
            close(w->slots[i].far);
    serve(w, slot);
}

static void report_death(struct slot *slot, int status)
{
    struct message m = { .number = *slot->pending, .died = 1, .status = status }, left;

    while (recv(slot->far, &left, sizeof left, MSG_DONTWAIT) == sizeof left)
        ; /* a request that it did not come to see */
    if (m.number)
        send(slot->far, &m, sizeof m, MSG_NOSIGNAL);
}

/* A worker that exits by itself has seen its socket close; when the last has, so does the keeper. */
static void keep(const struct bt_workers *w)
{
    int status, alive = w->options.count;
    pid_t pid;

    reset_signals();
    close_others(w);
    for (int i = 0; i < w->options.count; i++)
        spawn(w, &w->slots[i]);
    while (alive > 0 && (pid = wait(&status)) > 0) {
        for (int i = 0; i < w->options.count; i++) {
            struct slot *slot = &w->slots[i];

            if (slot->worker != pid)
                continue;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                alive--;
            } else {
                report_death(slot, status);
                spawn(w, slot);
            }
        }
    }
    _exit(0);
}

/* ---- in the caller ---- */

static size_t page_rounded(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) / page * page;
}

static size_t map_bytes(const struct bt_workers *w)
{
    return page_rounded(sizeof(uint64_t)) + page_rounded(w->options.request_bytes) +
           page_rounded(w->options.reply_bytes);
}

static int open_slot(struct bt_workers *w, struct slot *slot, struct bt_err *err)
{
    int ends[2];
    uint8_t *map = mmap(NULL, map_bytes(w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED)
        return bt_fail(err, BT_ERR_MEMORY, "decoding processes: %s; use fewer --threads", strerror(errno));
    slot->pending = (volatile uint64_t *)(void *)map;
    slot->request = map + page_rounded(sizeof(uint64_t));
    slot->reply = slot->request + page_rounded(w->options.request_bytes);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return bt_fail(err, BT_ERR_OS, "decoding processes: %s; use fewer --threads", strerror(errno));
    slot->near = ends[0];
    slot->far = ends[1];
    return BT_OK;
}

int bt_workers_new(struct bt_workers **workers, const struct bt_workers_options *options, struct bt_err *err)
{
    struct bt_workers *w = bt_alloc(1, sizeof *w, err);
    int rc = w ? BT_OK : BT_ERR_MEMORY;

    if (!rc) {
        w->options = *options;
        w->slots = bt_alloc((uint64_t)options->count, sizeof *w->slots, err);
        rc = w->slots ? BT_OK : BT_ERR_MEMORY;
    }
    for (int i = 0; !rc && i < options->count; i++)
        w->slots[i].near = w->slots[i].far = -1;
    for (int i = 0; !rc && i < options->count; i++)
        rc = open_slot(w, &w->slots[i], err);
    if (!rc) {
        fflush(NULL);
        w->keeper = fork();
        if (w->keeper == 0)
            keep(w);
        if (w->keeper < 0)
            rc = bt_fail(err, BT_ERR_OS, "decoding processes: %s; use fewer --threads", strerror(errno));
    }
    for (int i = 0; !rc && i < options->count; i++) {
        close(w->slots[i].far);
        w->slots[i].far = -1;
    }
    if (rc)
        bt_workers_free(w);
    else
        *workers = w;
    return rc;
}

static int refuse_death(int status, const struct bt_workers_options *options, struct bt_image_reject *reject)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (number == SIGPROF)
        return bt_image_refuse(reject, "DECODE_TIME", "not decoded within %d seconds of processor time",
                               options->cpu_seconds);
    if (number == SIGKILL)
        return bt_image_refuse(reject, "DECODE_MEM", "the decoder was killed, as the system does when memory runs out");
    if (number)
        return bt_image_refuse(reject, "DECODE_CRASH", "the decoder crashed (%s)", strsignal(number));
    return bt_image_refuse(reject, "DECODE_CRASH", "the decoder gave up with status %d", WEXITSTATUS(status));
}

int bt_workers_call(struct bt_workers *workers, int slot_number, const void *request, size_t size, const void **reply,
                    size_t *reply_size, struct bt_image_reject *reject)
{
    struct slot *slot = &workers->slots[slot_number];
    struct message m = { .number = ++slot->number, .size = size };
    ssize_t got;

    if (size > workers->options.request_bytes)
        return bt_image_refuse(reject, "DECODE_MEM", "%zu bytes are more than a decoder takes", size);
    memcpy(slot->request, request, size);
    *slot->pending = m.number;
    if (send(slot->near, &m, sizeof m, MSG_NOSIGNAL) != sizeof m)
        return bt_image_refuse(reject, "DECODE_CRASH", "the decoding processes are gone");
    do {
        got = recv(slot->near, &m, sizeof m, 0);
    } while ((got < 0 && errno == EINTR) || (got == sizeof m && m.number != slot->number));
    *slot->pending = 0;
    if (got != sizeof m)
        return bt_image_refuse(reject, "DECODE_CRASH", "the decoding processes are gone");
    if (m.died)
        return refuse_death(m.status, &workers->options, reject);
    if (m.size > workers->options.reply_bytes)
        return bt_image_refuse(reject, "DECODE_CRASH", "the decoder's answer makes no sense");
    *reply = slot->reply;
    *reply_size = m.size;
    return BT_OK;
}

void bt_workers_free(struct bt_workers *workers)
{
    if (!workers)
        return;
    for (int i = 0; workers->slots && i < workers->options.count; i++) {
        struct slot *slot = &workers->slots[i];

        if (slot->near >= 0)
            close(slot->near);
        if (slot->far >= 0)
            close(slot->far);
        if (slot->pending)
            munmap((void *)slot->pending, map_bytes(workers));
    }
    if (workers->keeper > 0)
        while (waitpid(workers->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    free(workers->slots);
    free(workers);
}
