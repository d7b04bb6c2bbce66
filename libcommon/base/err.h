/* Errors: a status, and one message that says where, what, and what to do.
 *
 * Zero is success. The place that knows the facts forms the message once with bt_fail; callers
 * pass the status up unchanged, and only bt_tool_main prints it. A message reads
 * "place: what is wrong; what to do" and is printed as "tool: message [CODE]".
 * Source: formats.md 6 (exit statuses), 7 (messages). */
#ifndef BT_BASE_ERR_H
#define BT_BASE_ERR_H

#include <stddef.h>

/* Every code: enumerator, exit status. The printed name is the enumerator without BT_ERR_, led by E_. */
#define BT_ERR_TABLE(X)                                                                            \
    X(NO, 1)            /* a checking tool answers no */                                           \
    X(USAGE, 64)        /* an option, or a refusal to overwrite */                                 \
    X(TTY, 64)          /* binary output to a terminal */                                          \
    X(SAME_FILE, 64)    /* an output that is also an input */                                      \
    X(EXISTS, 64)       /* an output that is there already */                                      \
    X(INPUT, 65)        /* input that is not what it should be */                                  \
    X(REJECTS, 65)      /* more rejects than allowed */                                            \
    X(LIMIT, 65)        /* input over a limit */                                                   \
    X(JSON, 65)         /* text that is not strict JSON */                                         \
    X(JSON_TRUNC, 65)   /* JSON lines whose last line is cut */                                    \
    X(UTF8, 65)         /* text that is not UTF-8 */                                               \
    X(BT_TRUNC, 65)     /* stream without its end record */                                        \
    X(BT_EMPTY, 65)     /* stream of zero bytes */                                                 \
    X(BT_MAGIC, 65)     /* not a bt stream */                                                      \
    X(BT_CRC, 65)       /* record does not match its checksum */                                   \
    X(BT_SEQ, 65)       /* record number out of order */                                           \
    X(BT_SUM, 65)       /* segment totals do not match */                                          \
    X(BT_TYPE, 65)      /* unknown critical frame */                                               \
    X(BT_BODY, 65)      /* body that is not the msgpack subset */                                  \
    X(BT_DUPKEY, 65)    /* body with a key twice */                                                \
    X(BT_ABORT, 65)     /* the producer failed and said so */                                      \
    X(BT_PARTIAL, 65)   /* segment that was stopped on request */                                  \
    X(BT_SEGMENTS, 65)  /* some of the segments are missing */                                     \
    X(BT_MIXED, 65)     /* segments that do not belong together */                                 \
    X(BT_SCHEMA, 65)    /* records of another kind than the tool reads */                          \
    X(TAR_TRUNC, 65)    /* tar archive without its end mark */                                     \
    X(BOMB, 65)         /* expands beyond all measure */                                           \
    X(ZSTD, 65)         /* damaged compression */                                                  \
    X(LMDB_VERSION, 65) /* shard of another LMDB layout */                                         \
    X(LMDB_STRUCT, 65)  /* shard file damaged or hostile */                                        \
    X(SHARD, 65)        /* not a whole shard or set of shards */                                   \
    X(INPUT_CHANGED, 65) /* an input is not the one this run began with */                         \
    X(ST, 65)           /* not a valid safetensors file */                                         \
    X(ST_DTYPE, 65)     /* safetensors of a type we do not read */                                 \
    X(WEIGHTS, 65)      /* tensors missing, unknown or of another shape */                         \
    X(TOK_FILE, 65)     /* tokenizer file that does not parse */                                   \
    X(TOK_PATTERN, 65)  /* tokenizer whose rules we do not implement */                            \
    X(IMAGE, 65)        /* an image that does not decode */                                        \
    X(CKPT_BAD, 65)     /* checkpoint that is damaged or incomplete */                             \
    X(NOINPUT, 66)      /* an input is missing */                                                  \
    X(DEVICE, 69)       /* device or backend absent */                                             \
    X(BUG, 70)          /* our own mistake */                                                      \
    X(MEMORY, 71)       /* out of memory */                                                        \
    X(OS, 71)           /* another refusal by the system */                                        \
    X(CANTCREAT, 73)    /* an output cannot be made */                                             \
    X(LOCKED, 73)       /* another writer is at work */                                            \
    X(IO, 74)           /* read or write failed */                                                 \
    X(NOSPACE, 74)      /* disk full */                                                            \
    X(LMDB_FULL, 74)    /* shard larger than allowed */                                            \
    X(STOPPED, 75)      /* stopped on request, state saved */                                      \
    X(CONFIG, 78)       /* recipe, preset or model configuration */                                \
    X(NONFINITE, 80)    /* training diverged */

enum bt_status {
    BT_OK = 0,
    BT_END = 1, /* not an error: the input says that it is whole and there is no more */
#define BT_ERR_ENUM(name, exit_status) BT_ERR_##name,
    BT_ERR_TABLE(BT_ERR_ENUM)
#undef BT_ERR_ENUM
};

struct bt_err {
    int status;      /* BT_OK or the code of the first failure */
    char text[2048]; /* "place: what is wrong; what to do" */
};

/* Forms the message and returns `status`. The first failure stays: later calls on the same err only
 * return their status. err may be NULL (the message is dropped). Name data from inputs through
 * bt_quote, and only ever as an argument to %s. */
int bt_fail(struct bt_err *err, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like bt_fail: "place: <the system's text for errnum>; remedy", and the code that errnum asks for: ENOSPC
 * and EDQUOT E_NOSPACE, ENOMEM E_MEMORY, a name or a permission that is not there (ENOENT, ENOTDIR, EISDIR,
 * ELOOP, ENAMETOOLONG, EACCES, EPERM, EROFS) E_CANTCREAT when `writing` and else E_NOINPUT, want of
 * descriptors or processes E_OS, everything else E_IO. `remedy` may be NULL. */
int bt_fail_errno(struct bt_err *err, int errnum, int writing, const char *place, const char *remedy);

/* Puts "context: " in front of a message that is already formed; returns err->status. */
int bt_context(struct bt_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forgets the failure, so that err can be used again (a reject was logged, say). */
void bt_err_clear(struct bt_err *err);

/* Exit status (sysexits, formats.md 6) and printed name ("E_BT_TRUNC") of a code. */
int bt_exit_status(int status);
const char *bt_status_name(int status);

/* Data from an input made fit for a message: cut to 200 bytes (then "..."), unprintable bytes as \xNN;
 * printable UTF-8 stays. Returns one of four rotating thread-local buffers: four may stand in one message. */
const char *bt_quote(const void *bytes, size_t size);
const char *bt_quote_str(const char *text);

#endif
