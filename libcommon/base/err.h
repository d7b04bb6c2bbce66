/* Errors: a status, and one message that says where, what, and what to do.
 *
 * Zero is success. The place that knows the facts forms the message once with bt_fail; callers
 * pass the status up unchanged, and only bt_tool_main prints it. A message reads
 * "place: what is wrong; what to do" and is printed as "tool: message [CODE]".
 * Source: formats.md 6 (exit statuses), 7 (messages). */
#ifndef BT_BASE_ERR_H
#define BT_BASE_ERR_H

#include <stddef.h>

/* Every code: enumerator, exit status, and what its message looks like, <these> being what varies; some codes have others
 * too. The printed name is the enumerator without BT_ERR_, led by E_. bt-messages(7) is made from this table
 * (mk/messages.sh), and tests/cli/messages.bats provokes each. Source: formats.md 7. */
#define BT_ERR_TABLE(X)                                                                            \
    X(NO, 1, "(the answer stands on standard output, and no message with it)")                     \
    X(USAGE, 64, "<option>: '<value>' is not known; choose one of <values>")                       \
    X(TTY, 64,                                                                                     \
      "standard output: a terminal cannot show records; write to a file or pipe, or look at "      \
      "them with 'bt-cat --to=json'")                                                              \
    X(SAME_FILE, 64, "<file>: is the output too; name another output")                             \
    X(EXISTS, 64, "<file>: exists; name another output, or use --force to replace it")             \
    X(INPUT, 65,                                                                                   \
      "<file>: <count> records, <count> expected; some are missing or it is another file")         \
    X(REJECTS, 65,                                                                                 \
      "<file>: <count> of <count> inputs rejected (<codes>); mend the inputs, or allow more "      \
      "with --max-rejects")                                                                        \
    X(LIMIT, 65,                                                                                   \
      "<file>:<byte>: record <number> claims <count> bytes, at most <count> are read; raise "      \
      "--max-record, if the data is not damaged")                                                  \
    X(JSON, 65, "<file>:<line>: <why>; correct it")                                                \
    X(JSON_TRUNC, 65, "<file>:<line>: the last line is cut; make the file again")                  \
    X(UTF8, 65, "<file>:<line>: unable to decode byte <byte>; correct it")                         \
    X(BT_TRUNC, 65,                                                                                \
      "<place>: stream ends without its end record; the producer died or the file is cut: rerun"   \
      " it, or salvage with 'bt-cat --repair'")                                                    \
    X(BT_EMPTY, 65,                                                                                \
      "<file>: no bytes at all, and an empty stream has a begin and an end; the producer died "    \
      "before it wrote anything")                                                                  \
    X(BT_MAGIC, 65,                                                                                \
      "<file>:<byte>: not a bt stream (it goes on with byte <byte>); JSON lines are read by "      \
      "'bt-cat --from=json'")                                                                      \
    X(BT_CRC, 65,                                                                                  \
      "<file>:<byte>: record <number> does not match its checksum; copy the file again and "       \
      "compare sha256")                                                                            \
    X(BT_SEQ, 65,                                                                                  \
      "<place>: out of order (<number> where <number> must follow); records were lost, doubled "   \
      "or swapped: make the stream again")                                                         \
    X(BT_SUM, 65,                                                                                  \
      "<place>: the segment does not match the totals at its end; copy the file again and "        \
      "compare sha256")                                                                            \
    X(BT_TYPE, 65,                                                                                 \
      "<place>: a frame of type <byte> that must not be skipped and is not known here; use a "     \
      "newer bt")                                                                                  \
    X(BT_BODY, 65,                                                                                 \
      "<place>: byte <byte> of the body: <why>; the data is damaged or was not written by bt")     \
    X(BT_DUPKEY, 65, "<place>: a map has the key '<key>' twice; whoever wrote it must keep one")   \
    X(BT_ABORT, 65, "<place>: the producer failed: <message> [<code>]; see to that first")         \
    X(BT_PARTIAL, 65,                                                                              \
      "<place>: the producer was stopped before it was done; rerun it, or take what is there "     \
      "with --allow-partial")                                                                      \
    X(BT_SEGMENTS, 65,                                                                             \
      "<place>: <count> of the job's <count> segments are here; join all of them, or take what "   \
      "is there with --allow-partial")                                                             \
    X(BT_MIXED, 65,                                                                                \
      "<place>: segments made with different settings (see 'must' in 'bt-cat --to=json'); make "   \
      "them alike, then join")                                                                     \
    X(BT_SCHEMA, 65,                                                                               \
      "<place>: records of kind <kind>, this tool reads <kinds>; run the tool that makes them "    \
      "first")                                                                                     \
    X(TAR_TRUNC, 65, "<file>:<byte>: the archive ends here without its end mark; <remedy>")        \
    X(BOMB, 65,                                                                                    \
      "<file>:<byte>: expands more than <count> times; refused, raise --max-ratio if you trust "   \
      "it")                                                                                        \
    X(ZSTD, 65,                                                                                    \
      "<file>: compressed data is damaged (<why>); copy the file again and compare sha256")        \
    X(LMDB_VERSION, 65,                                                                            \
      "<shard>:<byte>: LMDB data version <number>, this build reads 1; write it as a stream "      \
      "with 'bt-cat' where it was made and read that here")                                        \
    X(LMDB_STRUCT, 65,                                                                             \
      "<shard>:<byte>: page <number> <why>; the file is damaged or hostile: fetch it again")       \
    X(SHARD, 65, "<set>: no bt-dataset.json, so no set of shards; finish the run that makes it")   \
    X(INPUT_CHANGED, 65,                                                                           \
      "<set>: was begun from other inputs; give those, or remove the directory and begin anew")    \
    X(ST, 65, "<file>: <why>; <remedy>")                                                           \
    X(ST_DTYPE, 65,                                                                                \
      "<file>!<tensor>: unknown dtype '<name>'; convert the file to F32, F16 or BF16")             \
    X(WEIGHTS, 65, "<file>: none of its tensors belongs to this model; name another file")         \
    X(TOK_FILE, 65, "<file>: <why>; <remedy>")                                                     \
    X(TOK_PATTERN, 65,                                                                             \
      "<file>: <what>: not among the rules that are built; use a BERT, OPT or T5 tokenizer")       \
    X(IMAGE, 65, "<place>: <why>")                                                                 \
    X(CKPT_BAD, 65, "<checkpoint>: sha256 differs from its manifest; trying the one before")       \
    X(NOINPUT, 66, "<file>: <why>; check the path")                                                \
    X(DEVICE, 69, "<place>: <why>")                                                                \
    X(BUG, 70, "<what>; please report this")                                                       \
    X(MEMORY, 71, "<place>: out of memory; free some and run again")                               \
    X(OS, 71, "<place>: <why>")                                                                    \
    X(CANTCREAT, 73, "<file>: <why>; make the directory first")                                    \
    X(LOCKED, 73,                                                                                  \
      "<set>: being written by <host> pid <pid>; wait, or if that process is gone use --break-"    \
      "lock")                                                                                      \
    X(IO, 74, "<file>: <why>")                                                                     \
    X(NOSPACE, 74, "<file>: No space left on device; free space and run again")                    \
    X(LMDB_FULL, 74,                                                                               \
      "<shard>: more than <count> MiB in one shard; use a smaller --per-shard, or a larger "       \
      "--max-shard")                                                                               \
    X(STOPPED, 75, "<place>: stopped on request; run the same command again")                      \
    X(CONFIG, 78, "<file>: a recipe has no '<name>'; bt-train(1) lists its members")               \
    X(NONFINITE, 80,                                                                               \
      "step <number>: <count> steps in a row were not finite; lower the learning rate, the last"   \
      " checkpoint is good")

enum bt_status {
    BT_OK = 0,
    BT_END = 1, /* not an error: the input says that it is whole and there is no more */
#define BT_ERR_ENUM(name, exit_status, template) BT_ERR_##name,
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
