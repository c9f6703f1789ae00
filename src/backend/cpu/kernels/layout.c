/* SPDX-License-Identifier: MIT */
/* Sums, tables added to every example, parts of token streams, patches: bound by memory, so they just stream. */
#include "backend/kernel.h"
#include "backend/cpu/vec.h"

enum { LINE = RIN_ALIGNMENT / sizeof(float) }; /* threads write different cache lines */

RIN_INLINE void add_run(float *to, const float *a, const float *b, int64_t n) {
    int64_t i = 0;
    for (; i + RIN_VF <= n; i += RIN_VF) vf_store(to + i, vf_load(a + i) + vf_load(b + i));
    for (; i < n; i++) to[i] = a[i] + b[i];
}

/* to = from, or to += from. */
RIN_INLINE void put_run(float *to, const float *from, int64_t n, bool adds) {
    if (adds) add_run(to, to, from, n);
    else memcpy(to, from, (size_t)n * sizeof(float));
}

void RIN_KERNEL(add)(const rin_task *task, const rin_team *team) {
    const float *a = task->in[0], *b = task->in[1];
    int64_t begin, end;
    rin_team_share(team, rin_shape_count(&task->in_shape[0]), LINE, &begin, &end);
    add_run((float *)task->out[0] + begin, a + begin, b + begin, end - begin);
}

/* ---- tables ---- */

void RIN_KERNEL(add_table)(const rin_task *task, const rin_team *team) {
    const float *table = task->in[0], *x = task->in[1];
    float *y = task->out[0];
    int64_t n = task->out_shape[0].dim[1], d = task->out_shape[0].dim[2], rows = task->in_shape[0].dim[0];
    int64_t start = x ? RIN_ATTR(task->node, rin_rows_attr)->start : 0, begin, end;
    rin_team_share(team, task->out_shape[0].dim[0] * n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const float *row = table + (start + i % n) % rows * d;
        if (x) add_run(y + i * d, x + i * d, row, d);
        else put_run(y + i * d, row, d, false);
    }
}

/* Columns begin .. end - 1 of a table's row: the sum over examples of every row of dy that it was added to. */
static void sum_table_row(const rin_task *task, int64_t row, int64_t begin, int64_t end) {
    const rin_shape *shape = &task->in_shape[0];
    int64_t n = shape->dim[1], d = shape->dim[2], rows = task->out_shape[0].dim[0];
    int64_t start = RIN_ATTR(task->node, rin_rows_attr)->start % rows, first = (row - start + rows) % rows;
    const float *dy = task->in[0];
    float *to = (float *)task->out[0] + row * d;
    for (int64_t c = begin; c < end; c += RIN_VF) {
        int64_t left = end - c;
        vf total = vf_splat(0);
        for (int64_t b = 0; b < shape->dim[0]; b++) {
            vf sum = vf_splat(0); /* an example at a time: long sums stay exact enough */
            for (int64_t i = first; i < n; i += rows) sum += vf_load_most(dy + (b * n + i) * d + c, left);
            total += sum;
        }
        vf_store_most(to + c, rin_task_adds(task, 0) ? vf_load_most(to + c, left) + total : total, left);
    }
}

void RIN_KERNEL(add_table_grad)(const rin_task *task, const rin_team *team) {
    int64_t d = task->in_shape[0].dim[2], begin, end;
    rin_team_share(team, task->out_shape[0].dim[0] * d, LINE, &begin, &end);
    while (begin < end) {
        int64_t row = begin / d, stop = RIN_MIN(end, (row + 1) * d);
        sum_table_row(task, row, begin - row * d, stop - row * d);
        begin = stop;
    }
}

/* ---- parts of token streams ---- */

void RIN_KERNEL(concat)(const rin_task *task, const rin_team *team) {
    float *y = task->out[0];
    int64_t d = task->out_shape[0].dim[2], total = task->out_shape[0].dim[1], at = 0;
    for (int p = 0; p < task->node->n_inputs; p++) {
        const float *part = task->in[p];
        int64_t n = task->in_shape[p].dim[1], begin, end;
        rin_team_share(team, task->in_shape[p].dim[0] * n, 1, &begin, &end);
        for (int64_t i = begin; i < end; i++) put_run(y + (i / n * total + at + i % n) * d, part + i * d, d, false);
        at += n;
    }
}

void RIN_KERNEL(slice)(const rin_task *task, const rin_team *team) {
    const rin_rows_attr *attr = RIN_ATTR(task->node, rin_rows_attr);
    const float *x = task->in[0];
    float *y = task->out[0];
    int64_t n = task->in_shape[0].dim[1], d = task->in_shape[0].dim[2], begin, end;
    rin_team_share(team, task->in_shape[0].dim[0] * attr->count, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        put_run(y + i * d, x + (i / attr->count * n + attr->start + i % attr->count) * d, d, false);
    }
}

void RIN_KERNEL(slice_grad)(const rin_task *task, const rin_team *team) {
    const rin_rows_attr *attr = RIN_ATTR(task->node, rin_rows_attr);
    const float *dy = task->in[0];
    float *dx = task->out[0];
    int64_t n = task->out_shape[0].dim[1], d = task->out_shape[0].dim[2], begin, end;
    bool adds = rin_task_adds(task, 0);
    rin_team_share(team, task->out_shape[0].dim[0] * n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i % n - attr->start;
        if (row >= 0 && row < attr->count) put_run(dx + i * d, dy + (i / n * attr->count + row) * d, d, adds);
        else if (!adds) memset(dx + i * d, 0, (size_t)d * sizeof(float));
    }
}

/* ---- patches ---- */

/* Where a token's numbers lie in the video: runs of a patch's row, `size` pixels each. */
typedef struct token {
    int64_t frame; /* of its first number; may lie in the padding */
    int64_t pixel; /* offset of its first run within a frame */
} token;

static token token_of(const rin_patch_attr *a, int64_t n_tokens, int64_t i, int64_t *example) {
    int64_t cols = a->width / a->size, rows = a->height / a->size, in_example = i % n_tokens;
    int64_t col = in_example % cols, row = in_example / cols % rows, time = in_example / cols / rows;
    *example = i / n_tokens;
    return (token){time * a->stride - a->front, (row * a->size * a->width + col * a->size) * a->channels};
}

void RIN_KERNEL(patch)(const rin_task *task, const rin_team *team) {
    const rin_patch_attr *a = RIN_ATTR(task->node, rin_patch_attr);
    const float *video = task->in[0];
    int64_t n = task->out_shape[0].dim[1], run = a->size * a->channels, pitch = a->width * a->channels, begin, end, b;
    bool adds = rin_task_adds(task, 0);
    rin_team_share(team, task->out_shape[0].dim[0] * n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        token t = token_of(a, n, i, &b);
        float *to = (float *)task->out[0] + i * a->stride * a->size * run;
        for (int64_t frame = t.frame; frame < t.frame + a->stride; frame++, to += a->size * run) {
            if (frame >= 0 && frame < a->frames) {
                const float *from = video + (b * a->frames + frame) * a->height * pitch + t.pixel;
                for (int64_t h = 0; h < a->size; h++) put_run(to + h * run, from + h * pitch, run, adds);
            } else if (!adds) {
                memset(to, 0, (size_t)(a->size * run) * sizeof(float));
            }
        }
    }
}

void RIN_KERNEL(unpatch)(const rin_task *task, const rin_team *team) {
    const rin_patch_attr *a = RIN_ATTR(task->node, rin_patch_attr);
    float *video = task->out[0];
    int64_t n = task->in_shape[0].dim[1], run = a->size * a->channels, pitch = a->width * a->channels, begin, end, b;
    rin_team_share(team, task->in_shape[0].dim[0] * n, 1, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        token t = token_of(a, n, i, &b);
        const float *from = (const float *)task->in[0] + i * a->stride * a->size * run;
        for (int64_t frame = t.frame; frame < t.frame + a->stride; frame++, from += a->size * run) {
            if (frame < 0 || frame >= a->frames) continue;
            float *to = video + (b * a->frames + frame) * a->height * pitch + t.pixel;
            for (int64_t h = 0; h < a->size; h++) put_run(to + h * pitch, from + h * run, run, false);
        }
    }
}
