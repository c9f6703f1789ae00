/* SPDX-License-Identifier: MIT */
/* Linear layers and their gradients: three layouts of one matrix product, and what is done to its sums. */
/*
 * gemm.c has the tiling. y and dx go over rows x out and rows x in; dW over out x in, summed over the rows. A finished
 * tile is still in the first cache when bias, activation, dropout, drop-path and residual are applied and it is stored.
 * Training also stores the slope of y by x W^T + bias, dropout and drop-path included: backward then needs neither the
 * activation nor the random numbers again. On one core with AVX-512, where K = 512 takes an element 7.5 to 8 ns: GELU
 * hides behind the product, to store the slope takes 1 ns, dropout 0.5 ns.
 */
#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/vmath.h"
#include "backend/cpu/vrandom.h"

/* ---- activations: a value and, where one is wanted, its slope ---- */

RIN_INLINE vf gelu(vf v, vf *slope) {
    vf half = 0.5f * (1.0f + rin_verf(v * 0.70710678f));
    if (slope) *slope = half + v * 0.39894228f * rin_vexp(-0.5f * v * v);
    return v * half;
}

RIN_INLINE vf silu(vf v, vf *slope) {
    vf s = 1.0f / (1.0f + rin_vexp(-v));
    if (slope) *slope = s * (1.0f + v * (1.0f - s));
    return v * s;
}

RIN_INLINE vf act(rin_act kind, vf v, vf *slope) {
    if (kind == RIN_ACT_GELU) return gelu(v, slope);
    if (kind == RIN_ACT_SILU) return silu(v, slope);
    if (slope) *slope = vf_splat(1.0f);
    return v;
}

/* ---- dropout and drop-path ---- */

/* What elements of a tensor (examples, ...) are multiplied by: 0, or 1 over the chance to stay. */
typedef struct survival {
    float drop, path; /* rates */
    float drop_scale, path_scale;
    rin_random_key drop_key, path_key;
    uint64_t base, first_example;
    int64_t per_example;
    bool in_rows; /* every row of the tensor is made of whole blocks of dropout's random numbers, all of one key */
} survival;

static survival survival_of(const rin_task *task, const rin_shape *shape) {
    const rin_linear_attr *attr = RIN_ATTR(task->node, rin_linear_attr);
    int64_t count = rin_shape_count(shape), per_example = count / shape->dim[0];
    uint64_t base = rin_task_base(task, per_example);
    return (survival){
        .drop = attr->drop,
        .path = attr->path,
        .drop_scale = (float)rin_drop_scale(attr->drop),
        .path_scale = 1 / (1 - attr->path),
        .drop_key = rin_task_key(task, RIN_USE_DROP),
        .path_key = rin_task_key(task, RIN_USE_PATH),
        .base = base,
        .first_example = task->step->first_example,
        .per_example = per_example,
        .in_rows = rin_shape_last(shape) % 8 == 0 && base >> 35 == (base + (uint64_t)count + GEMM_COLS) >> 35,
    };
}

static float path_factor(const survival *s, int64_t example) {
    if (s->path <= 0) return 1;
    return rin_random_uniform(s->path_key, s->first_example + (uint64_t)example) >= s->path ? s->path_scale : 0;
}

/* ---- what is done to finished sums ---- */

/* Sums go to out (M, N), times slope (M, N) where there is one. */
typedef struct plain_finish {
    float *out;
    const float *slope;
    int64_t n;
    bool adds;
} plain_finish;

RIN_INLINE void plain_tile(const plain_finish *f, int64_t row, int64_t col, int rows, int cols, const float *tile) {
    int64_t at = row * f->n + col;
    for (int i = 0; i < rows; i++, tile += GEMM_COLS, at += f->n) {
        for (int c = 0; c < cols; c += RIN_VF) {
            vf v = vf_load(tile + c);
            if (f->slope) v *= vf_load_most(f->slope + at + c, cols - c);
            if (f->adds) v += vf_load_most(f->out + at + c, cols - c);
            vf_store_most(f->out + at + c, v, cols - c);
        }
    }
}

static void finish_plain(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile) {
    plain_finish f = *(const plain_finish *)context;
    if (cols == GEMM_COLS) plain_tile(&f, row, col, rows, GEMM_COLS, tile);
    else plain_tile(&f, row, col, rows, cols, tile);
}

typedef struct linear_finish {
    const float *bias, *residual; /* may be NULL, as slope may */
    float *out, *slope;
    int64_t n;
    bool adds;
    survival survival;
} linear_finish;

enum { FACTOR_ROWS = (GEMM_ROWS + 3) / 4 * 4 }; /* dropout makes four rows at a time */

/* What the elements of a tile's rows are multiplied by unless dropout takes them out. */
static void row_factors(const survival *s, int64_t row, int rows, int64_t n, float *kept) {
    int64_t example = -1;
    for (int i = 0; i < FACTOR_ROWS; i++) {
        int64_t at = (row + RIN_MIN(i, rows - 1)) * n;
        if (i && at / s->per_example == example) {
            kept[i] = kept[i - 1];
            continue;
        }
        example = at / s->per_example;
        kept[i] = path_factor(s, example) * s->drop_scale;
    }
}

/* Factors of a tile, in its layout; NULL for ones. */
static const float *tile_factors(const linear_finish *f, int64_t row, int64_t col, int rows, int cols, float *factors) {
    const survival *s = &f->survival;
    if (s->drop <= 0 && s->path <= 0) return NULL;
    float kept[FACTOR_ROWS];
    row_factors(s, row, rows, f->n, kept);
    bool in_rows = s->drop > 0 && s->in_rows && col % 8 == 0;
    int at_once = in_rows ? 4 : 1;
    for (int i = 0; i < rows; i += at_once) {
        uint64_t first = s->base + (uint64_t)((row + i) * f->n + col), n = (uint64_t)f->n;
        float *to = factors + i * GEMM_COLS;
        if (s->drop <= 0) {
            for (int c = 0; c < GEMM_COLS; c += RIN_VF) vf_store(to + c, vf_splat(kept[i]));
        } else if (in_rows) {
            rin_vsurvivors(s->drop_key, (uint64_t[]){first, first + n, first + 2 * n, first + 3 * n},
                           rin_drop_threshold(s->drop), kept + i, to);
        } else {
            rin_random_survivors(s->drop_key, first, cols, s->drop, kept[i], to);
        }
    }
    return factors;
}

/* A tile of a kind, with or without slope, and of a width that are constants where this is inlined. */
RIN_INLINE void finish_tile(const linear_finish *f, rin_act kind, bool sloped, int64_t row, int64_t col, int rows,
                            int cols, const float *tile) {
    _Alignas(64) float space[FACTOR_ROWS * GEMM_COLS];
    const float *factors = tile_factors(f, row, col, rows, cols, space);
    int64_t n = f->n, at = row * n + col;
    float *out = f->out + at;
    const float *residual = f->residual ? f->residual + at : NULL, *bias = f->bias ? f->bias + col : NULL;
    bool adds = f->adds;
    for (int c = 0; c < cols; c += RIN_VF) {
        int64_t left = cols - c;
        vf shift = bias ? vf_load_most(bias + c, left) : (vf){0}, slope;
        for (int i = 0; i < rows; i++) {
            int64_t to = i * n + c;
            vf v = act(kind, vf_load(tile + i * GEMM_COLS + c) + shift, sloped ? &slope : NULL);
            if (factors) {
                vf factor = vf_load(factors + i * GEMM_COLS + c);
                v *= factor;
                if (sloped) slope *= factor;
            }
            if (sloped) vf_store_most(f->slope + at + to, slope, left);
            if (residual) v += vf_load_most(residual + to, left);
            if (adds) v += vf_load_most(out + to, left);
            vf_store_most(out + to, v, left);
        }
    }
}

#define FINISH(name, kind, sloped)                                                                                     \
    static void name##_part(const linear_finish *f, int64_t row, int64_t col, int rows, int cols, const float *tile) { \
        finish_tile(f, kind, sloped, row, col, rows, cols, tile);                                                      \
    }                                                                                                                  \
    static void name(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile) {           \
        if (cols < GEMM_COLS) name##_part(context, row, col, rows, cols, tile);                                        \
        else finish_tile(context, kind, sloped, row, col, rows, GEMM_COLS, tile);                                      \
    }
FINISH(finish_none, RIN_ACT_NONE, false)
FINISH(finish_none_sloped, RIN_ACT_NONE, true)
FINISH(finish_gelu, RIN_ACT_GELU, false)
FINISH(finish_gelu_sloped, RIN_ACT_GELU, true)
FINISH(finish_silu, RIN_ACT_SILU, false)
FINISH(finish_silu_sloped, RIN_ACT_SILU, true)

static rin_gemm_finish finish_of(rin_act kind, bool sloped) {
    switch (kind) {
    case RIN_ACT_GELU: return sloped ? finish_gelu_sloped : finish_gelu;
    case RIN_ACT_SILU: return sloped ? finish_silu_sloped : finish_silu;
    case RIN_ACT_NONE: break;
    }
    return sloped ? finish_none_sloped : finish_none;
}

/* ---- y = residual + path(drop(act(x W^T + bias))) ---- */

static rin_gemm linear_gemm(const rin_task *task) {
    const rin_shape *x = &task->in_shape[0], *weight = &task->in_shape[1];
    int64_t k = weight->dim[1];
    return (rin_gemm){.m = rin_shape_rows(x),
                      .n = weight->dim[0],
                      .k = k,
                      .a = task->in[0],
                      .b = task->in[1],
                      .b_packed = task->in_type[1] == RIN_TYPE_PANELS,
                      .lda = k,
                      .ldb = k,
                      .scratch = task->scratch};
}

void RIN_KERNEL(pack)(const rin_task *task, const rin_team *team) {
    const rin_shape *weight = &task->in_shape[0];
    rin_gemm gemm = {.n = weight->dim[0], .k = weight->dim[1], .b = task->in[0], .ldb = weight->dim[1]};
    RIN_KERNEL(gemm_pack)(&gemm, task->out[0], team);
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
        .slope = task->out[1],
        .n = gemm.n,
        .adds = rin_task_adds(task, 0),
        .survival = survival_of(task, &task->out_shape[0]),
    };
    gemm.finish = finish_of(RIN_ATTR(task->node, rin_linear_attr)->act, finish.slope != NULL);
    gemm.context = &finish;
    RIN_KERNEL(gemm)(&gemm, team);
}

/* ---- dz = slope dy, or the path factor of the example where there is no slope ---- */

void RIN_KERNEL(linear_dz)(const rin_task *task, const rin_team *team) {
    const float *dy = task->in[0], *slope = task->in[1];
    float *out = task->out[0];
    survival s = survival_of(task, &task->in_shape[0]);
    bool adds = rin_task_adds(task, 0);
    int64_t first, last, batch = rin_shape_count(&task->in_shape[0]) / s.per_example;
    rin_team_share(team, rin_piece_count(batch, s.per_example), 1, &first, &last);
    for (int64_t k = first; k < last; k++) {
        rin_piece piece = rin_piece_get(k, s.per_example);
        vf path = vf_splat(slope ? 1 : path_factor(&s, piece.example));
        for (int64_t at = piece.begin; at < piece.end; at += RIN_VF) {
            int64_t left = piece.end - at;
            vf v = vf_load_most(dy + at, left) * (slope ? vf_load_most(slope + at, left) : path);
            if (adds) v += vf_load_most(out + at, left);
            vf_store_most(out + at, v, left);
        }
    }
}

/* ---- dx = dz W, times the slope of what made x where that is its only gradient ---- */

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
    plain_finish finish = {task->out[0], task->in[2], gemm.n, rin_task_adds(task, 0)};
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
                for (int v = 0; v * RIN_VF < left; v++) sum[v] += vf_load_most(from + v * RIN_VF, left - v * RIN_VF);
            }
        }
        for (int v = 0; v * RIN_VF < left; v++) {
            int64_t rest = left - v * RIN_VF;
            float *to = db + c + v * RIN_VF;
            vf_store_most(to, adds ? vf_load_most(to, rest) + sum[v] : sum[v], rest);
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
        plain_finish finish = {task->out[0], NULL, gemm.n, rin_task_adds(task, 0)};
        gemm.finish = finish_plain;
        gemm.context = &finish;
        RIN_KERNEL(gemm)(&gemm, team);
    }
}
