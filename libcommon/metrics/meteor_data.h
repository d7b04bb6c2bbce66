/* METEOR's data as its parts see them. */
#ifndef BT_METRICS_METEOR_DATA_H
#define BT_METRICS_METEOR_DATA_H

#include "libcommon/base/file.h"
#include "libcommon/metrics/gunzip.h"
#include "libcommon/metrics/meteor.h"
#include "libcommon/metrics/synonyms.h"

/* The gzip file of paraphrases. Reading it takes longest of all, so it is begun when the data are opened; who reads it
 * again begins anew. */
struct bt_meteor_table {
    char *path;
    struct bt_map map;
    uint64_t hash;
    struct bt_gunzip *begun; /* NULL: was taken */
};

struct bt_meteor_data {
    struct bt_intern *function_words;
    struct bt_intern *prefixes;         /* that keep their period, */
    struct bt_intern *numeric_prefixes; /* and that keep it before a digit */
    char *synsets, *exceptions;
    struct bt_synonyms *synonyms; /* NULL: none */
    struct bt_meteor_table *table; /* NULL: no paraphrases */
    uint64_t hash;                 /* of all but the table */
};

#endif
