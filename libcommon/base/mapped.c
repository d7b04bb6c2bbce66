#include "libcommon/base/mapped.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "libcommon/base/err.h"
#include "libcommon/base/tool.h"

enum { SLOTS = 256 }; /* more files than these are mapped too, but not named */

/* The handler reads without a lock: `data` is written last, and taken back first. */
static struct {
    _Atomic(const uint8_t *) data;
    size_t size;
    const char *name;
} slots[SLOTS];
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static const char *name_at(const uint8_t *address)
{
    for (int i = 0; i < SLOTS; i++) {
        const uint8_t *data = atomic_load(&slots[i].data);

        if (data && address >= data && (size_t)(address - data) < slots[i].size)
            return slots[i].name;
    }
    return NULL;
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        /* there is nobody else to tell */
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const char *name = info->si_code > 0 ? name_at(info->si_addr) : NULL; /* else someone sent it */

    (void)context;
    if (!name) {
        signal(number, SIG_DFL);
        raise(number); /* blocked in here, it acts on return */
        return;
    }
    say(bt_tool_name());
    say(": ");
    say(name);
    say(": was cut, or cannot be read any more, while it was mapped; fetch it again, and leave it alone "
        "while it "
        "is read [E_IO]\n");
    _exit(74);
}

static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void bt_mapped_add(const void *data, size_t size, const char *name)
{
    pthread_once(&installed, install);
    pthread_mutex_lock(&slots_lock);
    for (int i = 0; i < SLOTS; i++)
        if (!slots[i].data) {
            slots[i].size = size;
            slots[i].name = name;
            atomic_store(&slots[i].data, data);
            break;
        }
    pthread_mutex_unlock(&slots_lock);
}

void bt_mapped_remove(const void *data)
{
    pthread_mutex_lock(&slots_lock);
    for (int i = 0; data && i < SLOTS; i++)
        if (slots[i].data == data) {
            atomic_store(&slots[i].data, NULL);
            break;
        }
    pthread_mutex_unlock(&slots_lock);
}
