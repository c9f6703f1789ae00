/* SPDX-License-Identifier: MIT */
/* Random numbers and the forward process. */
#include "backend/kernel.h"
#include "backend/cpu/vrandom.h"

void RIN_KERNEL(random)(const rin_task *task, const rin_team *team) {
    const rin_shape *shape = &task->out_shape[0];
    rin_random_key key = rin_task_key(task, RIN_USE_VALUES);
    int64_t count = rin_shape_count(shape), begin, end;
    uint64_t base = rin_task_base(task, count / shape->dim[0]);
    float *out = task->out[0];
    rin_team_share(team, count, 4 * RIN_RANDOM_GROUP, &begin, &end);
    if (RIN_ATTR(task->node, rin_random_attr)->kind == RIN_RANDOM_NORMAL) {
        rin_vrandom_normals(key, base + (uint64_t)begin, end - begin, out + begin);
    } else {
        rin_vrandom_uniforms(key, base + (uint64_t)begin, end - begin, out + begin);
    }
}

void RIN_KERNEL(add_noise)(const rin_task *task, const rin_team *team) {
    const float *x0 = task->in[0], *noise = task->in[1], *gamma = task->in[2];
    float *y = task->out[0]; /* may be x0 */
    int64_t batch = task->in_shape[0].dim[0], each = rin_shape_count(&task->in_shape[0]) / batch, first, last;
    rin_team_share(team, rin_piece_count(batch, each), 1, &first, &last);
    for (int64_t k = first; k < last; k++) {
        rin_piece piece = rin_piece_get(k, each);
        float a = sqrtf(gamma[piece.example]), s = sqrtf(1 - gamma[piece.example]);
        for (int64_t i = piece.begin; i < piece.end; i += RIN_VF) {
            int64_t n = piece.end - i;
            vf_store_most(y + i, a * vf_load_most(x0 + i, n) + s * vf_load_most(noise + i, n), n);
        }
    }
}
