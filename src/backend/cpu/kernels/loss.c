/* SPDX-License-Identifier: MIT */
/* The denoising loss and its gradient: one pass each, the sum in double over chunks of fixed size. */
#include "backend/kernel.h"
#include "backend/cpu/vec.h"

enum { CHUNK = 4096 }; /* numbers summed by one thread, in order */

/* The constants of an example. The network's output o says that x0 is (x_scale x + o_scale o) / divisor. */
typedef struct level {
    float a, s; /* roots of the signal level and of its complement */
    float x_scale, o_scale, divisor;
    float bound; /* x0 is clipped to [-bound, bound] */
    bool noise;  /* the target is the noise */
    bool direct; /* and it is direct_x x + direct_o o: clipping does not matter */
    float direct_x, direct_o;
} level;

static level level_of(const rin_loss_attr *attr, float gamma) {
    level l = {.a = sqrtf(gamma), .s = sqrtf(1 - gamma), .bound = (float)attr->b_scale};
    l.noise = attr->loss == RIN_LOSS_EPS;
    l.direct = l.noise && attr->pred != RIN_PRED_X;
    l.divisor = 1;
    switch (attr->pred) {
    case RIN_PRED_EPS:
        l.x_scale = 1;
        l.o_scale = -l.s;
        l.divisor = l.a;
        l.direct_o = 1;
        break;
    case RIN_PRED_V:
        l.x_scale = l.a;
        l.o_scale = -l.s;
        l.direct_x = l.s;
        l.direct_o = l.a;
        break;
    default: l.o_scale = 1; break;
    }
    return l;
}

/* What the output says of the target; *slope: how that changes with the output. Section 4 of the specification. */
RIN_INLINE vf predict(const level *l, vf o, vf x, vf *slope) {
    if (l->direct) {
        *slope = vf_splat(l->direct_o);
        return l->direct_x * x + l->direct_o * o;
    }
    vf free_x0 = (l->x_scale * x + l->o_scale * o) / l->divisor;
    vf x0 = vf_min(vf_max(free_x0, vf_splat(-l->bound)), vf_splat(l->bound));
    *slope = vf_select((free_x0 < -l->bound) | (free_x0 > l->bound), vf_splat(0), vf_splat(l->o_scale / l->divisor));
    if (!l->noise) return x0;
    *slope *= -l->a / l->s;
    return (x - l->a * x0) / l->s;
}

/* Squares of the errors of numbers begin .. end - 1, which are of one example, added to sum. */
static void add_squares(const rin_task *task, const level *l, int64_t begin, int64_t end, vd_squares *sum) {
    const float *o = task->in[0], *x = task->in[1], *target = task->in[2];
    for (int64_t i = begin; i < end; i += RIN_VF) {
        int64_t n = end - i;
        vf slope, said = predict(l, vf_load_most(o + i, n), vf_load_most(x + i, n), &slope);
        vf error = vf_load_most(target + i, n) - said;
        if (!l->noise) error /= l->bound;
        if (n < RIN_VF) error = vf_first(error, n);
        vd_squares_add(sum, error);
    }
}

static int64_t n_chunks(const rin_task *task) {
    return (rin_shape_count(&task->in_shape[0]) + CHUNK - 1) / CHUNK;
}

size_t RIN_SCRATCH(loss)(const rin_task *task, int threads) {
    (void)threads;
    return (size_t)n_chunks(task) * sizeof(double);
}

void RIN_KERNEL(loss)(const rin_task *task, const rin_team *team) {
    const rin_loss_attr *attr = RIN_ATTR(task->node, rin_loss_attr);
    const float *gamma = task->in[3];
    int64_t count = rin_shape_count(&task->in_shape[0]), each = count / task->in_shape[0].dim[0], begin, end;
    double *sums = task->scratch;
    rin_team_share(team, n_chunks(task), 1, &begin, &end);
    for (int64_t chunk = begin; chunk < end; chunk++) {
        vd_squares sum = {{0}, {0}};
        int64_t at = chunk * CHUNK, chunk_end = RIN_MIN(count, at + CHUNK);
        while (at < chunk_end) {
            int64_t example = at / each, stop = RIN_MIN(chunk_end, (example + 1) * each);
            level l = level_of(attr, gamma[example]);
            add_squares(task, &l, at, stop, &sum);
            at = stop;
        }
        sums[chunk] = vd_squares_sum(&sum);
    }
    rin_team_barrier(team);
    if (team->index > 0) return;
    double total = 0;
    for (int64_t chunk = 0; chunk < n_chunks(task); chunk++) total += sums[chunk];
    *(float *)task->out[0] = (float)(total / (double)count);
}

void RIN_KERNEL(loss_grad)(const rin_task *task, const rin_team *team) {
    const rin_loss_attr *attr = RIN_ATTR(task->node, rin_loss_attr);
    const float *o = task->in[0], *x = task->in[1], *target = task->in[2], *gamma = task->in[3];
    float *out = task->out[0]; /* may be o */
    int64_t count = rin_shape_count(&task->in_shape[0]), each = count / task->in_shape[0].dim[0], first, last;
    double unit = attr->loss == RIN_LOSS_X ? 1 / attr->b_scale : 1;
    float scale = (float)(-2 * task->step->gradient_scale * unit * unit / (double)count);
    bool adds = rin_task_adds(task, 0);
    rin_team_share(team, rin_piece_count(count / each, each), 1, &first, &last);
    for (int64_t k = first; k < last; k++) {
        rin_piece piece = rin_piece_get(k, each);
        level l = level_of(attr, gamma[piece.example]);
        for (int64_t i = piece.begin; i < piece.end; i += RIN_VF) {
            int64_t n = piece.end - i;
            vf slope, said = predict(&l, vf_load_most(o + i, n), vf_load_most(x + i, n), &slope);
            vf v = scale * (vf_load_most(target + i, n) - said) * slope;
            vf_store_most(out + i, adds ? vf_load_most(out + i, n) + v : v, n);
        }
    }
}
