/* The learning rate of a step. Source: training.md 5. */
#ifndef BT_TRAIN_SCHEDULE_H
#define BT_TRAIN_SCHEDULE_H

#include "libcommon/train/recipe.h"

/* Step i (from 0) of epoch e, of `steps` steps an epoch. The published rule: linear warm-up within epoch 0, then a cosine
 * that is constant inside each epoch. With cosine_per_step the warm-up may last longer than an epoch, and the cosine
 * goes on step by step from its end to lr_min. */
double bt_learning_rate(const struct bt_recipe *recipe, int64_t e, int64_t i, int64_t steps);

#endif
