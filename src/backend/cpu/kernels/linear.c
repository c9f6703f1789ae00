/* SPDX-License-Identifier: MIT */
/* Linear layers and their gradients: three layouts of one matrix product, and what is done to its sums. */
/*
 * gemm.c has the tiling. y and dx go over rows x out and rows x in; dW over out x in, summed over the rows. A finished
 * tile is still in the first cache when bias, activation, dropout, drop-path and residual are applied and it is stored,
 * so they cost arithmetic only: an element takes a core some 1.3 ns for GELU, some 3 ns for dropout's random numbers.
 */
#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/vmath.h"
#include "backend/cpu/vrandom.h"

/* ---- activations ---- */

static vf gelu(vf v) {
    return 0.5f * v * (1.0f + rin_verf(v * 0.70710678f));
}

static vf gelu_slope(vf v) {
    return 0.5f * (1.0f + rin_verf(v * 0.70710678f)) + v * 0.39894228f * rin_vexp(-0.5f * v * v);
}

static vf silu(vf v) {
    return v / (1.0f + rin_vexp(-v));
}

static vf silu_slope(vf v) {
    vf s = 1.0f / (1.0f + rin_vexp(-v));
    return s * (1.0f + v * (1.0f - s));
}

static vf act(rin_act kind, vf v) {
    return kind == RIN_ACT_GELU ? gelu(v) : kind == RIN_ACT_SILU ? silu(v) : v;
}

static vf act_slope(rin_act kind, vf v) {
    return kind == RIN_ACT_GELU ? gelu_slope(v) : kind == RIN_ACT_SILU ? silu_slope(v) : vf_splat(1.0f);
}

/* ---- dropout and drop-path ---- */

/* What elements of a tensor (examples, ...) are multiplied by: 0, or 1 over the chance to stay. */
typedef struct survival {
    float drop, path; /* rates */
    float drop_scale, path_scale;
    rin_random_key drop_key, path_key;
    uint64_t base, first_example;
    int64_t per_example;
} survival;

static survival survival_of(const rin_task *task, const rin_shape *shape) {
    const rin_linear_attr *attr = RIN_ATTR(task->node, rin_linear_attr);
    int64_t per_example = rin_shape_count(shape) / shape->dim[0];
    return (survival){
        .drop = attr->drop,
        .path = attr->path,
        .drop_scale = 1 / (1 - attr->drop),
        .path_scale = 1 / (1 - attr->path),
        .drop_key = rin_task_key(task, RIN_USE_DROP),
        .path_key = rin_task_key(task, RIN_USE_PATH),
        .base = rin_task_base(task, per_example),
        .first_example = task->step->first_example,
        .per_example = per_example,
    };
}

static float path_factor(const survival *s, int64_t example) {
    if (s->path <= 0) return 1;
    return rin_random_uniform(s->path_key, s->first_example + (uint64_t)example) >= s->path ? s->path_scale : 0;
}

/* factors[i], i < n: of element + i; all are of the example whose path factor is given. */
static void factors_of(const survival *s, float path, int64_t element, int64_t n, float *factors) {
    rin_vrandom_uniforms(s->drop_key, s->base + (uint64_t)element, n, factors);
    float kept = path * s->drop_scale;
    for (int64_t i = 0; i < n; i++) factors[i] = factors[i] >= s->drop ? kept : 0;
}

/* ---- vectors at the end of a row ---- */

RIN_INLINE vf load(const float *from, int64_t n) {
    return n >= RIN_VF ? vf_load(from) : vf_load_part(from, n);
}

RIN_INLINE void store(float *to, vf v, int64_t n) {
    if (n >= RIN_VF) {
        vf_store(to, v);
    } else {
        vf_store_part(to, v, n);
    }
}

/* ---- what is done to finished sums ---- */

/* Sums go to out (M, N) as they are. */
typedef struct plain_finish {
    float *out;
    int64_t n;
    bool adds;
} plain_finish;

static void finish_plain(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile) {
    plain_finish f = *(const plain_finish *)context;
    float *out = f.out + row * f.n + col;
    for (int i = 0; i < rows; i++, tile += GEMM_COLS, out += f.n) {
        if (cols == GEMM_COLS) {
            vf v0 = vf_load(tile), v1 = vf_load(tile + RIN_VF);
            vf_store(out, f.adds ? v0 + vf_load(out) : v0);
            vf_store(out + RIN_VF, f.adds ? v1 + vf_load(out + RIN_VF) : v1);
            continue;
        }
        for (int c = 0; c < cols; c += RIN_VF) {
            vf v = vf_load(tile + c);
            if (f.adds) v += load(out + c, cols - c);
            store(out + c, v, cols - c);
        }
    }
}

typedef struct linear_finish {
    const float *bias, *residual; /* may be NULL, as pre may */
    float *out, *pre;
    int64_t n;
    bool adds;
    survival survival;
} linear_finish;

/* Factors of a tile, in its layout; NULL for ones. */
static const float *tile_factors(const linear_finish *f, int64_t row, int64_t col, int rows, int cols, float *factors) {
    const survival *s = &f->survival;
    if (s->drop <= 0 && s->path <= 0) return NULL;
    int64_t example = -1;
    float path = 1;
    for (int i = 0; i < rows; i++) {
        int64_t at = (row + i) * f->n + col;
        float *to = factors + i * GEMM_COLS;
        if (s->path > 0 && at / s->per_example != example) {
            example = at / s->per_example;
            path = path_factor(s, example);
        }
        if (s->drop > 0) {
            factors_of(s, path, at, cols, to);
        } else {
            for (int c = 0; c < cols; c++) to[c] = path;
        }
    }
    return factors;
}

/* A tile of kind and cols that are constants where this is inlined, but for the last columns of C. */
RIN_INLINE void finish_tile(const linear_finish *f, rin_act kind, int64_t row, int64_t col, int rows, int cols,
                            const float *tile) {
    _Alignas(64) float space[GEMM_TILE];
    const float *factors = tile_factors(f, row, col, rows, cols, space);
    int64_t n = f->n, at = row * n + col;
    float *out = f->out + at, *pre = f->pre ? f->pre + at : NULL;
    const float *residual = f->residual ? f->residual + at : NULL, *bias = f->bias ? f->bias + col : NULL;
    bool adds = f->adds;
    for (int c = 0; c < cols; c += RIN_VF) {
        vf shift = bias ? load(bias + c, cols - c) : (vf){0};
        for (int i = 0; i < rows; i++) {
            int64_t to = i * n + c;
            vf v = vf_load(tile + i * GEMM_COLS + c) + shift;
            if (pre) store(pre + to, v, cols - c);
            v = act(kind, v);
            if (factors) v *= load(factors + i * GEMM_COLS + c, cols - c);
            if (residual) v += load(residual + to, cols - c);
            if (adds) v += load(out + to, cols - c);
            store(out + to, v, cols - c);
        }
    }
}

#define FINISH(kind)                                                                                                  \
    static void finish_part_##kind(const linear_finish *f, int64_t row, int64_t col, int rows, int cols,              \
                                   const float *tile) {                                                               \
        finish_tile(f, RIN_ACT_##kind, row, col, rows, cols, tile);                                                   \
    }                                                                                                                 \
    static void finish_##kind(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile) { \
        if (cols < GEMM_COLS) {                                                                                       \
            finish_part_##kind(context, row, col, rows, cols, tile);                                                  \
        } else {                                                                                                      \
            finish_tile(context, RIN_ACT_##kind, row, col, rows, GEMM_COLS, tile);                                    \
        }                                                                                                             \
    }
FINISH(NONE)
FINISH(GELU)
FINISH(SILU)

/* ---- y = residual + path(drop(act(x W^T + bias))) ---- */

static rin_gemm linear_gemm(const rin_task *task) {
    const rin_shape *x = &task->in_shape[0], *weight = &task->in_shape[1];
    int64_t k = weight->dim[1];
    return (rin_gemm){.m = rin_shape_rows(x),
                      .n = weight->dim[0],
                      .k = k,
                      .a = task->in[0],
                      .b = task->in[1],
                      .lda = k,
                      .ldb = k,
                      .scratch = task->scratch};
}

size_t RIN_SCRATCH(linear)(const rin_task *task, int threads) {
    rin_gemm gemm = linear_gemm(task);
    return RIN_KERNEL(gemm_scratch)(&gemm, threads);
}

void RIN_KERNEL(linear)(const rin_task *task, const rin_team *team) {
    rin_gemm gemm = linear_gemm(task);
    linear_finish finish = {
        .bias = task->in[2],
        .residual = task->in[3],
        .out = task->out[0],
        .pre = task->out[1],
        .n = gemm.n,
        .adds = rin_task_adds(task, 0),
        .survival = survival_of(task, &task->out_shape[0]),
    };
    rin_act kind = RIN_ATTR(task->node, rin_linear_attr)->act;
    gemm.finish = kind == RIN_ACT_GELU ? finish_GELU : kind == RIN_ACT_SILU ? finish_SILU : finish_NONE;
    gemm.context = &finish;
    RIN_KERNEL(gemm)(&gemm, team);
}

/* ---- dz = act'(pre) * survival * dy ---- */

void RIN_KERNEL(linear_dz)(const rin_task *task, const rin_team *team) {
    const float *dy = task->in[0], *pre = task->in[1];
    float *out = task->out[0];
    rin_act kind = RIN_ATTR(task->node, rin_linear_attr)->act;
    survival s = survival_of(task, &task->in_shape[0]);
    bool adds = rin_task_adds(task, 0);
    _Alignas(64) float factors[RIN_PIECE];
    int64_t first, last, batch = rin_shape_count(&task->in_shape[0]) / s.per_example;
    rin_team_share(team, rin_piece_count(batch, s.per_example), 1, &first, &last);
    for (int64_t k = first; k < last; k++) {
        rin_piece piece = rin_piece_get(k, s.per_example);
        float path = path_factor(&s, piece.example);
        if (s.drop > 0) factors_of(&s, path, piece.begin, piece.end - piece.begin, factors);
        for (int64_t at = piece.begin; at < piece.end; at += RIN_VF) {
            int64_t left = piece.end - at;
            vf v = load(dy + at, left);
            if (pre) v *= act_slope(kind, load(pre + at, left));
            v *= s.drop > 0 ? load(factors + (at - piece.begin), left) : vf_splat(path);
            if (adds) v += load(out + at, left);
            store(out + at, v, left);
        }
    }
}

/* ---- dx = dz W ---- */

static rin_gemm dx_gemm(const rin_task *task) {
    const rin_shape *dz = &task->in_shape[0], *weight = &task->in_shape[1];
    int64_t n = weight->dim[1], k = weight->dim[0];
    return (rin_gemm){.m = rin_shape_rows(dz),
                      .n = n,
                      .k = k,
                      .a = task->in[0],
                      .b = task->in[1],
                      .b_by_k = true,
                      .lda = k,
                      .ldb = n,
                      .scratch = task->scratch};
}

size_t RIN_SCRATCH(linear_dx)(const rin_task *task, int threads) {
    rin_gemm gemm = dx_gemm(task);
    return RIN_KERNEL(gemm_scratch)(&gemm, threads);
}

void RIN_KERNEL(linear_dx)(const rin_task *task, const rin_team *team) {
    rin_gemm gemm = dx_gemm(task);
    plain_finish finish = {task->out[0], gemm.n, rin_task_adds(task, 0)};
    gemm.finish = finish_plain;
    gemm.context = &finish;
    RIN_KERNEL(gemm)(&gemm, team);
}

/* ---- dW = dz^T x, db = sums of dz's columns ---- */

enum { DB_GRAIN = 8 * RIN_VF };

static rin_gemm dw_gemm(const rin_task *task) {
    int64_t m = rin_shape_last(&task->in_shape[0]), n = rin_shape_last(&task->in_shape[1]);
    return (rin_gemm){.m = m,
                      .n = n,
                      .k = rin_shape_rows(&task->in_shape[0]),
                      .a = task->in[0],
                      .b = task->in[1],
                      .a_by_k = true,
                      .b_by_k = true,
                      .lda = m,
                      .ldb = n,
                      .scratch = task->scratch};
}

size_t RIN_SCRATCH(linear_dw)(const rin_task *task, int threads) {
    rin_gemm gemm = dw_gemm(task);
    return RIN_KERNEL(gemm_scratch)(&gemm, threads);
}

/* Columns [begin, end) of db, row by row. */
static void sum_columns(const float *dz, int64_t rows, int64_t n, int64_t begin, int64_t end, bool adds, float *db) {
    for (int64_t c = begin; c < end; c += DB_GRAIN) {
        vf sum[DB_GRAIN / RIN_VF] = {{0}};
        int64_t left = RIN_MIN(DB_GRAIN, end - c);
        for (int64_t r = 0; r < rows; r++) {
            const float *from = dz + r * n + c;
            if (left == DB_GRAIN) {
                for (int v = 0; v < DB_GRAIN / RIN_VF; v++) sum[v] += vf_load(from + v * RIN_VF);
            } else {
                for (int v = 0; v * RIN_VF < left; v++) sum[v] += load(from + v * RIN_VF, left - v * RIN_VF);
            }
        }
        for (int v = 0; v * RIN_VF < left; v++) {
            int64_t rest = left - v * RIN_VF;
            float *to = db + c + v * RIN_VF;
            store(to, adds ? load(to, rest) + sum[v] : sum[v], rest);
        }
    }
}

void RIN_KERNEL(linear_dw)(const rin_task *task, const rin_team *team) {
    rin_gemm gemm = dw_gemm(task);
    if (task->out[1]) {
        int64_t begin, end;
        rin_team_share(team, gemm.m, DB_GRAIN, &begin, &end);
        sum_columns(task->in[0], gemm.k, gemm.m, begin, end, rin_task_adds(task, 1), task->out[1]);
    }
    if (task->out[0]) {
        plain_finish finish = {task->out[0], gemm.n, rin_task_adds(task, 0)};
        gemm.finish = finish_plain;
        gemm.context = &finish;
        RIN_KERNEL(gemm)(&gemm, team);
    }
}
