/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"
#include "diffusion/diffusion.h"

RIN_REF(random) {
    rin_random_kind kind = RIN_ATTR(task->node, rin_random_attr)->kind;
    rin_random_key key = rin_task_key(task, RIN_USE_VALUES);
    uint64_t base = rin_task_base(task, per_example(&task->out_shape[0]));
    for (int64_t i = 0; i < rin_shape_count(&task->out_shape[0]); i++) {
        uint64_t element = base + (uint64_t)i;
        put(task, 0, i, kind == RIN_RANDOM_NORMAL ? rin_random_normal(key, element) : rin_random_uniform(key, element));
    }
}

RIN_REF(gamma) {
    const real *times = task->in[0];
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        put(task, 0, i, (real)rin_gamma(&RIN_ATTR(task->node, rin_gamma_attr)->schedule, (double)times[i]));
    }
}

RIN_REF(rescale) {
    const rin_rescale_attr *attr = RIN_ATTR(task->node, rin_rescale_attr);
    const real *x = task->in[0];
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++)
        put(task, 0, i, (real)attr->scale * x[i] + (real)attr->shift);
}

RIN_REF(add_noise) {
    const real *x0 = task->in[0], *noise = task->in[1], *gamma = task->in[2];
    int64_t n = per_example(&task->in_shape[0]);
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        real g = gamma[i / n];
        put(task, 0, i, sqrt(g) * x0[i] + sqrt(1 - g) * noise[i]);
    }
}

RIN_REF(standardise) {
    int64_t n = per_example(&task->in_shape[0]);
    for (int64_t b = 0; b < task->in_shape[0].dim[0]; b++) {
        const real *x = (const real *)task->in[0] + b * n;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < n; i++) mean += (double)x[i] / (double)n;
        for (int64_t i = 0; i < n; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
        for (int64_t i = 0; i < n; i++) put(task, 0, b * n + i, (real)((double)x[i] / sqrt(var)));
    }
}

RIN_REF(mask_hidden) {
    const rin_mask_attr *attr = RIN_ATTR(task->node, rin_mask_attr);
    const real *hidden = task->in[0], *u = task->in[1];
    int64_t n = per_example(&task->in_shape[0]);
    /* In float, like the rate's complement that u is compared with. */
    float threshold = 1.0f - (float)attr->rate;
    for (int64_t b = 0; b < task->in_shape[0].dim[0]; b++) {
        double example = (double)(task->step->first_example + (uint64_t)b);
        bool kept = u ? (float)u[b] > threshold : example < floor(attr->rate * (double)attr->batch);
        for (int64_t i = b * n; i < (b + 1) * n; i++) put(task, 0, i, kept ? hidden[i] : 0);
    }
}
