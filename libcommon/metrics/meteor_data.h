/* METEOR's data as its parts see them. */
#ifndef BT_METRICS_METEOR_DATA_H
#define BT_METRICS_METEOR_DATA_H

#include "libcommon/base/file.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/synonyms.h"

struct bt_meteor_data {
    struct bt_intern *function_words;
    struct bt_intern *prefixes;         /* that keep their period, */
    struct bt_intern *numeric_prefixes; /* and that keep it before a digit */
    char *synsets, *exceptions;
    struct bt_synonyms *synonyms; /* NULL: none */
    char *table_path;             /* NULL: no paraphrases */
    struct bt_map table;
    uint64_t hash, table_hash; /* hash: of all but the table */
};

#endif
