/* SPICE, computed by its authors' own program: the user's spice-1.0.jar with what it needs in lib/ beside it,
 * run by the user's Java. Source: Anderson et al., arXiv:1607.08822; metrics.md 2.5. */
#ifndef BT_METRICS_SPICE_H
#define BT_METRICS_SPICE_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"
#include "libcommon/metrics/intern.h"

struct bt_spice {
    const char *jar;
    const char *java;  /* program; NULL: "java" */
    const char *cache; /* folder in which parses are kept from run to run; NULL: none */
};

/* Token strings, as the other metrics compare them. */
struct bt_spice_item {
    struct bt_text hypothesis;
    const struct bt_text *references;
    int32_t reference_count;
};

/* each: [count], from 0 to 1. E_NOINPUT says which file or program is missing, E_CONFIG that this Java cannot
 * run it; E_OS when Java fails, with its last words. */
int bt_spice_score(const struct bt_spice *spice, const struct bt_spice_item *items, size_t count,
                   double *each, struct bt_err *err);

#endif
