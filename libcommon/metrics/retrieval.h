/* Retrieval both ways: how often the right text, or the right image, is among the first 1, 5, 10.
 * Source: metrics.md 5. */
#ifndef BT_METRICS_RETRIEVAL_H
#define BT_METRICS_RETRIEVAL_H

#include <stddef.h>
#include <stdint.h>

#include "libcommon/base/err.h"

#define BT_RECALLS 3 /* at 1, 5 and 10 */

/* A row is an image with the scores of all texts (text retrieval), or a text with those of all images (image
 * retrieval). The order is descending, NaN before every number; of equal scores the later comes first, which
 * is one of the orders that the published evaluation may give them. */
struct bt_retrieval_query {
    size_t rank;  /* of the best right answer, from 1 */
    size_t first; /* the answer of rank 1, right or wrong */
};

struct bt_retrieval_scores {
    size_t images, texts;
    struct bt_retrieval_query *queries; /* [images + texts]: each image, then each text */
    int64_t *image_of;                  /* [texts] */
    double *text_hits, *image_hits;             /* [images][3], [texts][3]: 100 or 0 per cent of each row */
    double text[BT_RECALLS], image[BT_RECALLS]; /* per cent */
    size_t tied;   /* rows whose rank among the first ten depends on the order of equals */
    uint64_t data; /* hash over which text belongs to which image */
};

/* `scores`: safetensors with scores_i2t [images][texts] and scores_t2i [texts][images]. `pairs`: JSON, an
 * object with img2txt (for each image the numbers of its texts), or LAVIS's array of annotations, whose texts
 * are numbered in order; NULL when the scores bring their own, txt2img [texts] (I64), as bt-generate writes
 * them. Every text belongs to one image, every image has one or more. E_INPUT, E_ST, E_USAGE without pairs. */
int bt_retrieval_score(const char *scores, const char *pairs, struct bt_retrieval_scores *result,
                       struct bt_err *err);
void bt_retrieval_scores_free(struct bt_retrieval_scores *scores);

#endif
