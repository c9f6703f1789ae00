/* SPDX-License-Identifier: MIT */
/* Convolutions: products whose left factor is the picture itself, seen through the window. */
#include "backend/cpu/kernels/gemm_parts.h"

/*
 * An output pixel is a row of the product, and what its window covers is its row of the left factor: for each row of
 * the window one run of width x C numbers, as they lie in the picture. Only where the window hangs over the left or
 * right edge must rows be copied with their padding; rows above, below, before and after are left out of the sum.
 *
 *   for a group of output rows whose window rows are COPY_FLOATS at most:          in L2
 *     for up to BLOCK_FLOATS of weights in panels [K][GEMM_COLS]                   in L2
 *       for each output row, in strips of at most GEMM_ROWS pixels, equally wide
 *         for each panel
 *           tile = sum over the window's rows of strip x panel                     in registers
 *           bias, relu, store
 *
 * A window of one cell is a plain product over all pixels.
 * Share of the peak of products on one core with AVX-512, in Inception-v3: 3x3, 5x5, 1x7 and 7x1 87 to 100%, one cell
 * 85 to 93%, or 55 to 70% where outputs fill half a panel or sums are short; the first convolution, with sums of 27
 * terms, 48%.
 */
enum {
    BLOCK_FLOATS = (RIN_VECTOR_BYTES == 64 ? 768 : 192) * 1024 / (int)sizeof(float),
    COPY_FLOATS = (RIN_VECTOR_BYTES == 64 ? 512 : 128) * 1024 / (int)sizeof(float)
};

/* ---- what is done to finished sums ---- */

typedef struct conv_finish {
    const float *bias;
    float *out; /* first channel of this op in pixel 0 */
    int64_t channels;
    bool relu;
} conv_finish;

RIN_INLINE void finish_part(const conv_finish *f, int64_t row, int64_t col, int rows, int cols, const float *tile) {
    float *out = f->out + row * f->channels + col;
    for (int c = 0; c < cols; c += RIN_VF) {
        vf bias = vf_load_most(f->bias + col + c, cols - c);
        for (int i = 0; i < rows; i++) {
            vf v = vf_load(tile + i * GEMM_COLS + c) + bias;
            if (f->relu) v = vf_max((vf){0}, v);
            vf_store_most(out + i * f->channels + c, v, cols - c);
        }
    }
}

static void finish(const void *context, int64_t row, int64_t col, int rows, int cols, const float *tile) {
    conv_finish f = *(const conv_finish *)context;
    if (cols == GEMM_COLS) finish_part(&f, row, col, rows, GEMM_COLS, tile);
    else finish_part(&f, row, col, rows, cols, tile);
}

/* ---- tiles ---- */

/* runs[n_runs] of length numbers each, NULL for those in the padding; pixel i's begin `step` numbers after i - 1's. */
typedef struct conv_strip {
    const float *const *runs;
    int64_t n_runs, length, offset, step;
} conv_strip;

RIN_INLINE void sum_tile(int mr, const conv_strip *s, const float *panel, float *tile) {
    vf sum[GEMM_ROWS][2];
    for (int i = 0; i < mr; i++) sum[i][0] = sum[i][1] = (vf){0};
    for (int64_t run = 0; run < s->n_runs; run++, panel += s->length * GEMM_COLS) {
        if (!s->runs[run]) continue;
        const float *a = s->runs[run] + s->offset, *b = panel;
#pragma GCC unroll 4
        for (int64_t p = 0; p < s->length; p++, a++, b += GEMM_COLS) {
            vf b0 = vf_load(b), b1 = vf_load(b + RIN_VF);
            for (int i = 0; i < mr; i++) {
                vf x = vf_splat(a[i * s->step]);
                sum[i][0] += x * b0;
                sum[i][1] += x * b1;
            }
        }
    }
    for (int i = 0; i < mr; i++) {
        vf_store(tile + i * GEMM_COLS, sum[i][0]);
        vf_store(tile + i * GEMM_COLS + RIN_VF, sum[i][1]);
    }
}

#define SUM(mr)                                                                  \
    static void sum_##mr(const conv_strip *s, const float *panel, float *tile) { \
        sum_tile(mr, s, panel, tile);                                            \
    }
RIN_TILE_HEIGHTS(SUM)

typedef void (*sum_function)(const conv_strip *s, const float *panel, float *tile);
#define SUM_NAME(mr) sum_##mr,
static const sum_function sum_functions[GEMM_ROWS] = {RIN_TILE_HEIGHTS(SUM_NAME)};

/* ---- the task's sizes ---- */

typedef struct conv_sizes {
    const rin_window *window;
    rin_shape x, y;
    int64_t n, k, n_runs; /* outputs; numbers and rows of a window */
    bool copies;          /* the window hangs over the left or right edge */
    int64_t run_floats;   /* of a copied row */
    int64_t group;        /* output rows */
    int64_t panels;       /* of a block of weights */
} conv_sizes;

static conv_sizes sizes_of(const rin_task *task) {
    const rin_window *w = &RIN_ATTR(task->node, rin_conv_attr)->window;
    conv_sizes s = {.window = w, .x = task->in_shape[0], .y = task->out_shape[0]};
    s.n = task->in_shape[1].dim[0];
    s.k = task->in_shape[1].dim[1];
    s.n_runs = (int64_t)w->size[0] * w->size[1];
    s.copies = w->front[2] || w->back[2];
    s.run_floats = (s.x.dim[3] + w->front[2] + w->back[2]) * s.x.dim[4];
    /* A row more of output needs stride rows more of x, in each frame of the window. */
    int64_t per_row = s.run_floats * w->size[0] * w->stride[1], first = s.run_floats * s.n_runs;
    s.group = RIN_MAX(1, 1 + (COPY_FLOATS - first) / per_row);
    s.panels = RIN_MAX(1, BLOCK_FLOATS / s.k / GEMM_COLS);
    return s;
}

static bool is_product(const conv_sizes *s) {
    const rin_window *w = s->window;
    return s->n_runs * w->size[2] == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->stride[2] == 1;
}

/* ---- scratch: panels of weights that are not packed, shared; then, of each thread, pointers and copied rows ---- */

static size_t panel_floats(const rin_task *task) {
    const rin_shape *weight = &task->in_shape[1];
    if (task->in_type[1] == RIN_TYPE_PANELS) return 0;
    return (size_t)(rin_ceil_div(weight->dim[0], GEMM_COLS) * GEMM_COLS * weight->dim[1]);
}

/* Rows that a group's windows may cover: every output row's own when nothing is shared. */
static int64_t most_copies(const conv_sizes *s) {
    return s->copies ? s->group * s->n_runs : 0;
}

static size_t thread_bytes(const conv_sizes *s) {
    size_t pointers = (size_t)(s->group * s->n_runs) * sizeof(float *);
    size_t copies = (size_t)(most_copies(s) * s->run_floats) * sizeof(float);
    return (pointers + copies + RIN_ALIGNMENT - 1) / RIN_ALIGNMENT * RIN_ALIGNMENT;
}

size_t RIN_SCRATCH(conv)(const rin_task *task, int threads) {
    conv_sizes s = sizes_of(task);
    return panel_floats(task) * sizeof(float) + (is_product(&s) ? 0 : (size_t)threads * thread_bytes(&s));
}

/* ---- rows of windows ---- */

/* Where row h of frame t of example b begins in x. */
static const float *row_at(const conv_sizes *s, const float *x, int64_t b, int64_t t, int64_t h) {
    return x + ((b * s->x.dim[1] + t) * s->x.dim[2] + h) * s->x.dim[3] * s->x.dim[4];
}

static float *copy_row(const conv_sizes *s, const float *from, float *to) {
    int64_t c = s->x.dim[4], front = s->window->front[2] * c, n = s->x.dim[3] * c;
    memset(to, 0, (size_t)front * sizeof(float));
    memcpy(to + front, from, (size_t)n * sizeof(float));
    memset(to + front + n, 0, (size_t)(s->window->back[2] * c) * sizeof(float));
    return to + s->run_floats;
}

/* Output rows h of one frame of one example: their windows' rows into runs, copied to `copies` where they must be,
 * whose end is returned. */
static float *list_runs(const conv_sizes *s, const float *x, int64_t plane, rin_extent h, const float **runs,
                        float *copies) {
    const rin_window *w = s->window;
    int64_t b = plane / s->y.dim[1], time = plane % s->y.dim[1] * w->stride[0] - w->front[0];
    int64_t above = h.begin * w->stride[1] - w->front[1], n_rows = (h.end - h.begin - 1) * w->stride[1] + w->size[1];
    rin_extent inside = {RIN_MAX(0, above), RIN_MIN(s->x.dim[2], above + n_rows)};
    for (int64_t i = 0; i < w->size[0]; i++) {
        bool in_time = time + i >= 0 && time + i < s->x.dim[1];
        const float *copied = copies;
        for (int64_t r = inside.begin; in_time && s->copies && r < inside.end; r++)
            copies = copy_row(s, row_at(s, x, b, time + i, r), copies);
        for (int64_t row = h.begin; row < h.end; row++) {
            for (int64_t j = 0; j < w->size[1]; j++) {
                int64_t r = row * w->stride[1] - w->front[1] + j;
                const float **run = &runs[(row - h.begin) * s->n_runs + i * w->size[1] + j];
                if (!in_time || r < 0 || r >= s->x.dim[2]) *run = NULL;
                else *run = s->copies ? copied + (r - inside.begin) * s->run_floats : row_at(s, x, b, time + i, r);
            }
        }
    }
    return copies;
}

/* Output rows [group.begin, group.end) of all. */
static void list_group(const conv_sizes *s, const float *x, rin_extent group, const float **runs, float *copies) {
    int64_t high = s->y.dim[2];
    for (int64_t row = group.begin; row < group.end;) {
        int64_t plane = row / high, end = RIN_MIN(group.end, (plane + 1) * high);
        rin_extent h = {row - plane * high, end - plane * high};
        copies = list_runs(s, x, plane, h, runs + (row - group.begin) * s->n_runs, copies);
        row = end;
    }
}

/* ---- the product ---- */

/* One output row by the columns of a block. */
static void multiply_row(const conv_sizes *s, const conv_finish *f, const float *const *runs, int64_t row, rin_extent n,
                         const float *panels) {
    _Alignas(64) float tile[GEMM_TILE];
    int64_t c = s->x.dim[4], wide = s->y.dim[3], strips = rin_ceil_div(wide, GEMM_ROWS);
    conv_strip strip = {runs, s->n_runs, s->window->size[2] * c, 0, s->window->stride[2] * c};
    for (int64_t i = 0; i < strips; i++) {
        int64_t from = wide * i / strips;
        int rows = (int)(wide * (i + 1) / strips - from);
        strip.offset = from * strip.step;
        for (int64_t col = n.begin; col < n.end; col += GEMM_COLS) {
            int cols = (int)RIN_MIN(GEMM_COLS, s->n - col);
            sum_functions[rows - 1](&strip, panels + col * s->k, tile);
            finish(f, row * wide + from, col, rows, cols, tile);
        }
    }
}

static void multiply_share(const rin_task *task, const conv_sizes *s, const conv_finish *f, const float *panels,
                           const rin_team *team) {
    char *scratch = (char *)task->scratch + panel_floats(task) * sizeof(float) + (size_t)team->index * thread_bytes(s);
    const float **runs = (const float **)(void *)scratch; /* first: copies may be an odd number of floats */
    float *copies = (float *)(void *)(runs + s->group * s->n_runs);
    rin_extent share;
    rin_team_share(team, rin_shape_rows(&s->y) / s->y.dim[3], 1, &share.begin, &share.end);
    for (int64_t at = share.begin; at < share.end; at += s->group) {
        rin_extent group = rin_block_at(share, at, s->group);
        list_group(s, task->in[0], group, runs, copies);
        for (int64_t col = 0; col < s->n; col += s->panels * GEMM_COLS) {
            rin_extent n = rin_block_at((rin_extent){0, s->n}, col, s->panels * GEMM_COLS);
            for (int64_t row = group.begin; row < group.end; row++)
                multiply_row(s, f, runs + (row - group.begin) * s->n_runs, row, n, panels);
        }
    }
}

/* Everything of `into` that is not in the output's memory already, before anything else is written. */
static void copy_into(const rin_task *task, int into, const rin_team *team) {
    if (!task->in[into] || task->in[into] == task->out[0]) return;
    int64_t begin, end;
    rin_team_share(team, rin_shape_count(&task->out_shape[0]), RIN_PIECE, &begin, &end);
    memcpy((float *)task->out[0] + begin, (const float *)task->in[into] + begin, (size_t)(end - begin) * sizeof(float));
    rin_team_barrier(team);
}

void RIN_KERNEL(conv)(const rin_task *task, const rin_team *team) {
    const rin_conv_attr *attr = RIN_ATTR(task->node, rin_conv_attr);
    conv_sizes s = sizes_of(task);
    conv_finish f = {task->in[2], (float *)task->out[0] + attr->join.first, s.y.dim[4], attr->relu};
    rin_gemm gemm = {.m = rin_shape_rows(&s.y), .n = s.n, .k = s.k, .b = task->in[1], .lda = s.k, .ldb = s.k};
    copy_into(task, 3, team);
    if (task->in_type[1] != RIN_TYPE_PANELS) {
        RIN_KERNEL(gemm_pack)(&gemm, task->scratch, team);
        rin_team_barrier(team);
        gemm.b = task->scratch;
    }
    if (!is_product(&s)) {
        multiply_share(task, &s, &f, gemm.b, team);
        return;
    }
    gemm.a = task->in[0];
    gemm.b_packed = true;
    gemm.finish = finish;
    gemm.context = &f;
    RIN_KERNEL(gemm)(&gemm, team);
}

/* ---- pools ---- */

/* The cells of a window along an axis that lie inside of n. */
static rin_extent cells_inside(const rin_window *w, int axis, int64_t to, int64_t n) {
    int64_t at = to * w->stride[axis] - w->front[axis];
    return (rin_extent){RIN_MAX(0, at), RIN_MIN(n, at + w->size[axis])};
}

/* Kahan's sum: a window may be a whole map, and what each addition rounds off goes into the next. */
RIN_INLINE vf add_exactly(vf sum, vf x, vf *lost) {
    vf wanted = x - *lost, next = sum + wanted;
    *lost = (next - sum) - wanted;
    return next;
}

RIN_INLINE void pool_pixel(rin_pool_kind kind, const float *x, const rin_shape *shape, const rin_extent cells[3],
                           float *out) {
    int64_t c = shape->dim[4], per_row = shape->dim[3] * c, per_frame = shape->dim[2] * per_row;
    int64_t n = (cells[0].end - cells[0].begin) * (cells[1].end - cells[1].begin) * (cells[2].end - cells[2].begin);
    vf share = vf_splat(1.0f / (float)n);
    for (int64_t j = 0; j < c; j += RIN_VF) {
        vf all = vf_splat(kind == RIN_POOL_MAX ? -INFINITY : 0), lost = vf_splat(0);
        for (int64_t t = cells[0].begin; t < cells[0].end; t++) {
            for (int64_t h = cells[1].begin; h < cells[1].end; h++) {
                for (int64_t w = cells[2].begin; w < cells[2].end; w++) {
                    vf v = vf_load_most(x + t * per_frame + h * per_row + w * c + j, c - j);
                    all = kind == RIN_POOL_MAX ? vf_max(v, all) : add_exactly(all, v, &lost);
                }
            }
        }
        vf_store_most(out + j, kind == RIN_POOL_MAX ? all : all * share, c - j);
    }
}

void RIN_KERNEL(pool)(const rin_task *task, const rin_team *team) {
    const rin_pool_attr *attr = RIN_ATTR(task->node, rin_pool_attr);
    const rin_shape *x = &task->in_shape[0], *y = &task->out_shape[0];
    int64_t begin, end, per_example = x->dim[1] * x->dim[2] * x->dim[3] * x->dim[4];
    copy_into(task, 1, team);
    rin_team_share(team, rin_shape_rows(y) / y->dim[3], 1, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t time = row / y->dim[2] % y->dim[1], b = row / y->dim[2] / y->dim[1];
        rin_extent cells[3] = {cells_inside(&attr->window, 0, time, x->dim[1]),
                               cells_inside(&attr->window, 1, row % y->dim[2], x->dim[2])};
        const float *from = (const float *)task->in[0] + b * per_example;
        float *out = (float *)task->out[0] + row * y->dim[3] * y->dim[4] + attr->join.first;
        for (int64_t col = 0; col < y->dim[3]; col++, out += y->dim[4]) {
            cells[2] = cells_inside(&attr->window, 2, col, x->dim[3]);
            if (attr->kind == RIN_POOL_MAX) pool_pixel(RIN_POOL_MAX, from, x, cells, out);
            else pool_pixel(RIN_POOL_MEAN, from, x, cells, out);
        }
    }
}

/* ---- folding of batch norm: once for as long as the weights stay as they are ---- */

void RIN_KERNEL(fold)(const rin_task *task, const rin_team *team) {
    const float *weight = task->in[0], *bias = task->in[1], *scale = task->in[2], *mean = task->in[3];
    const float *variance = task->in[4];
    double eps = RIN_ATTR(task->node, rin_fold_attr)->eps;
    bool panels = task->out_type[0] == RIN_TYPE_PANELS;
    int64_t n = task->in_shape[0].dim[0], c = task->in_shape[0].dim[1], k = task->out_shape[0].dim[1], cells = k / c;
    int64_t begin, end, step = panels ? GEMM_COLS : 1;
    rin_team_share(team, n, 1, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        double factor = (scale ? (double)scale[o] : 1) / (variance ? sqrt((double)variance[o] + eps) : 1);
        double shift = mean ? factor * (double)mean[o] : 0;
        float *out = (float *)task->out[0] + (panels ? o / GEMM_COLS * GEMM_COLS * k + o % GEMM_COLS : o * k);
        for (int64_t i = 0; i < c; i++) {
            for (int64_t cell = 0; cell < cells; cell++)
                out[(cell * c + i) * step] = (float)(factor * (double)weight[o * k + i * cells + cell]);
        }
        ((float *)task->out[1])[o] = (float)((bias ? (double)bias[o] : 0) - shift);
    }
}
