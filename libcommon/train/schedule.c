/* Learning rate. Source: training.md 5. */
#include "libcommon/train/schedule.h"

#include <math.h>

static double cosine(const struct bt_recipe *r, double part)
{
    return (r->lr - r->lr_min) * 0.5 * (1 + cos(M_PI * part)) + r->lr_min;
}

static double warmup(const struct bt_recipe *r, int64_t i)
{
    double most = r->warmup_steps > 1 ? (double)r->warmup_steps : 1;

    return fmin(r->lr, r->lr_warmup_start + (r->lr - r->lr_warmup_start) * (double)i / most);
}

double bt_learning_rate(const struct bt_recipe *r, int64_t e, int64_t i, int64_t steps)
{
    int64_t step = e * steps + i, total = r->epochs * steps;

    if (r->cosine_per_step)
        return step < r->warmup_steps ? warmup(r, step)
                                      : cosine(r, (double)(step - r->warmup_steps) / (double)(total - r->warmup_steps));
    if (e > 0)
        return cosine(r, (double)e / (double)r->epochs);
    return r->warmup_steps ? warmup(r, i) : r->lr;
}
