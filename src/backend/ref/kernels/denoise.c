/* SPDX-License-Identifier: MIT */
#include "backend/ref/real.h"
#include "diffusion/diffusion.h"

/* In float whatever the precision: from a signal level of 1e-9 a step's rounding is part of the reference numbers. */
RIN_REF(denoise) {
    const rin_denoise_attr *attr = RIN_ATTR(task->node, rin_denoise_attr);
    const real *x = task->in[0], *output = task->in[1], *numbers = task->in[2], *unlabelled = task->in[3],
               *noise = task->in[4];
    rin_denoising d = {(float)numbers[0], (float)numbers[1], (float)numbers[2], (float)numbers[3],
                       (float)numbers[4], (float)numbers[5], (float)numbers[6], 0};
    for (int64_t i = 0; i < rin_shape_count(&task->in_shape[0]); i++) {
        float o = (float)output[i], own = (float)x[i];
        if (unlabelled) o = (float)((1 + (double)d.guidance) * (double)o - (double)d.guidance * (double)unlabelled[i]);
        float x0 = rin_estimate((rin_pred_type)attr->pred, (float)attr->b_scale, d.gamma, own, o);
        put(task, 0, i, rin_denoise(&d, own, x0, noise ? (float)noise[i] : 0));
        put(task, 1, i, x0);
    }
}
