/* SPDX-License-Identifier: MIT */
/* Attention and its gradient: tiles of scores that never leave the cache, softmax on the way. */
#include "backend/kernel.h"
#include "backend/cpu/vrandom.h"

/*
 * Every product is made of one tile: ROWS x COLS sums in registers, a number of the left factor broadcast against a
 * row of the right one. Factors are packed into the thread's scratch, so that the tile reads its right factor in
 * order:
 *   panels   [keys / COLS][d][COLS]   transposed keys (or values), for products over the head width
 *   rows     [n][wide]                keys, values, queries, ... with d padded to whole vectors by zeros
 *
 * Forward: a thread takes strips of ROWS queries of one (example, head), up to STRIPS of them at a time. For each
 * tile of KEYS keys: pack; for each strip: scores (ROWS x KEYS), online softmax, sum of values (ROWS x wide).
 *
 * Gradient: a thread takes whole (example, head) pairs. For each tile of GRAD_KEYS keys and block of GRAD_QUERIES
 * queries: the weights P again from the saved log-sum-exp, dP = dO V^T, dS = P (dP - delta), then dV += P^T dO,
 * dK += dS^T Q, dQ += dS K. Queries are summed in order, so threads do not change the result.
 *
 * Measured share of peak (40 GFLOP/s, one Zen 1 core at 2.5 GHz, AVX2; exponentials not counted as work):
 *   head width       16    32    64   128
 *   forward        0.59  0.69  0.79  0.82
 *   gradient       0.71  0.75  0.80  0.79
 * With AVX-512 (167 GFLOP/s a core), head width 32: forward 0.52 to 0.60, gradient 0.61 to 0.67. Products take 60% of a
 * forward there, exponentials a quarter, packing and the results the rest.
 */
enum { ROWS = 6, COLS = 2 * RIN_VF, KEYS = 256, STRIPS = 42, GRAD_KEYS = 96, GRAD_QUERIES = 48 };

#define LOG2_E 1.44269504088896341
#define LN_2 0.693147180559945309

typedef struct sizes {
    int64_t batch, heads, m, n, inner, d;
    int64_t wide; /* d in whole vectors */
    double scale; /* of the scores */
    float drop;
    rin_random_key key; /* of the dropout, whose elements are (example, head, query, key) */
    uint64_t base;
} sizes;

static int64_t round_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

static sizes sizes_of(const rin_task *task) {
    const rin_attention_attr *attr = RIN_ATTR(task->node, rin_attention_attr);
    const rin_shape *q = &task->in_shape[0], *k = &task->in_shape[1];
    sizes s = {.batch = q->dim[0], .heads = attr->heads, .m = q->dim[1], .n = k->dim[1], .inner = q->dim[2]};
    s.d = s.inner / s.heads;
    s.wide = round_up(s.d, RIN_VF);
    s.scale = 1 / sqrt((double)s.d);
    s.drop = attr->drop;
    return s;
}

static void set_randoms(const rin_task *task, sizes *s) {
    s->key = rin_task_key(task, RIN_USE_DROP);
    s->base = rin_task_base(task, s->heads * s->m * s->n);
}

/* ---- packing ---- */

/* n rows of d numbers, `stride` apart, into panels; rows beyond n are zeros. */
static void pack_panels(const float *from, int64_t stride, int64_t n, int64_t d, float *to) {
    for (int64_t first = 0; first < n; first += COLS, to += d * COLS) {
        for (int64_t row = 0; row < COLS; row += RIN_VF) {
            const float *rows = from + (first + row) * stride;
            for (int64_t c = 0; c < d; c += RIN_VF) {
                vf_transpose_block(rows + c, stride, n - first - row, d - c, to + c * COLS + row, COLS);
            }
        }
    }
}

static void pack_rows(const float *from, int64_t stride, int64_t n, const sizes *s, float *to) {
    for (int64_t row = 0; row < n; row++, from += stride, to += s->wide) {
        int64_t c = 0;
        for (; c + RIN_VF <= s->d; c += RIN_VF) vf_store(to + c, vf_load(from + c));
        if (c < s->d) vf_store(to + c, vf_load_part(from + c, s->d - c));
    }
}

/* n padded rows times a factor, into rows of d numbers; added or set. */
static void unpack_rows(const float *from, int64_t n, const sizes *s, float factor, bool adds, float *to) {
    for (int64_t row = 0; row < n; row++, from += s->wide, to += s->inner) {
        int64_t c = 0;
        for (; c + RIN_VF <= s->d; c += RIN_VF) {
            vf v = vf_load(from + c) * factor;
            vf_store(to + c, adds ? vf_load(to + c) + v : v);
        }
        for (; c < s->d; c++) to[c] = from[c] * factor + (adds ? to[c] : 0);
    }
}

/* ---- products ---- */

/* The left factor: element (row, k) at data[row * row_step + k * k_step]. */
typedef struct left {
    const float *data;
    int64_t row_step, k_step;
} left;

/* The right factor: row k of column tile t at data[t * tile_step + k * k_step]. */
typedef struct right {
    const float *data;
    int64_t tile_step, k_step;
} right;

/* rows x (vectors * RIN_VF) sums over k < n, from 0 or from what c holds. rows and vectors must be literals. */
RIN_INLINE void multiply_tile(left a, const float *b, int64_t b_step, int64_t n, float *c, int64_t c_step, bool adds,
                              const int rows, const int vectors) {
    vf sum[ROWS][2];
    RIN_UNROLL(6)
    for (int r = 0; r < rows; r++) {
        RIN_UNROLL(2)
        for (int v = 0; v < vectors; v++) sum[r][v] = adds ? vf_load(c + r * c_step + v * RIN_VF) : vf_splat(0);
    }
    const float *data = a.data;
    for (int64_t k = 0; k < n; k++, data += a.k_step, b += b_step) {
        vf b0 = vf_load(b), b1 = vectors > 1 ? vf_load(b + RIN_VF) : b0;
        RIN_UNROLL(6)
        for (int r = 0; r < rows; r++) {
            vf x = vf_splat(data[r * a.row_step]);
            sum[r][0] += x * b0;
            if (vectors > 1) sum[r][1] += x * b1;
        }
    }
    RIN_UNROLL(6)
    for (int r = 0; r < rows; r++) {
        RIN_UNROLL(2)
        for (int v = 0; v < vectors; v++) vf_store(c + r * c_step + v * RIN_VF, sum[r][v]);
    }
}

RIN_INLINE void multiply_strip(left a, right b, int64_t n, float *c, int64_t c_step, int64_t cols, bool adds,
                               const int rows) {
    for (int64_t j = 0; j < cols; j += COLS, b.data += b.tile_step) {
        if (cols - j > RIN_VF) {
            multiply_tile(a, b.data, b.k_step, n, c + j, c_step, adds, rows, 2);
        } else {
            multiply_tile(a, b.data, b.k_step, n, c + j, c_step, adds, rows, 1);
        }
    }
}

/* c (rows, cols) = or += a (rows, n) b (n, cols); cols in whole vectors. No row's result depends on the others. */
static void multiply(left a, right b, int64_t rows, int64_t cols, int64_t n, float *c, int64_t c_step, bool adds) {
    for (; rows >= ROWS; rows -= ROWS, a.data += ROWS * a.row_step, c += ROWS * c_step) {
        multiply_strip(a, b, n, c, c_step, cols, adds, ROWS);
    }
    switch (rows) {
    case 5: multiply_strip(a, b, n, c, c_step, cols, adds, 5); break;
    case 4: multiply_strip(a, b, n, c, c_step, cols, adds, 4); break;
    case 3: multiply_strip(a, b, n, c, c_step, cols, adds, 3); break;
    case 2: multiply_strip(a, b, n, c, c_step, cols, adds, 2); break;
    case 1: multiply_strip(a, b, n, c, c_step, cols, adds, 1); break;
    default: break;
    }
}

static right panels(const float *packed, const sizes *s) {
    return (right){packed, s->d * COLS, COLS};
}

static right rows_of(const float *packed, const sizes *s) {
    return (right){packed, COLS, s->wide};
}

/* ---- forward ---- */

/* A thread's scratch. */
typedef struct forward {
    float *keys;   /* panels of KEYS keys */
    float *values; /* rows of KEYS values */
    float *scores; /* [ROWS][KEYS] */
    float *out;    /* [STRIPS * ROWS][wide], not yet divided by the sums */
    float *most;   /* [STRIPS * ROWS] highest score so far */
    float *sum;    /* [STRIPS * ROWS][RIN_VF] of the weights, lane by lane */
    float *random; /* [KEYS] */
    size_t floats; /* all of it */
} forward;

/* The next n floats behind those already taken; without memory they are only counted. */
static float *take_floats(float *at, size_t *taken, int64_t n) {
    float *part = at ? at + *taken : NULL;
    *taken += (size_t)n;
    return part;
}

static forward lay_out_forward(const sizes *s, float *at) {
    forward f = {0};
    f.keys = take_floats(at, &f.floats, KEYS * s->d);
    f.values = take_floats(at, &f.floats, KEYS * s->wide);
    f.scores = take_floats(at, &f.floats, ROWS * KEYS);
    f.out = take_floats(at, &f.floats, STRIPS * ROWS * s->wide);
    f.most = take_floats(at, &f.floats, round_up(STRIPS * ROWS, 16));
    f.sum = take_floats(at, &f.floats, STRIPS * ROWS * RIN_VF);
    f.random = take_floats(at, &f.floats, KEYS);
    return f;
}

/* Weights of a row of scores, relative to the highest score so far; what was summed before is brought to it. */
RIN_INLINE void soften(float *scores, int64_t n, float scale, float *most, float *sum, float *out, int64_t wide) {
    vf top = vf_load(scores);
    for (int64_t j = RIN_VF; j < n; j += RIN_VF) top = vf_max(top, vf_load(scores + j));
    if (vi_any(top > *most)) {
        float higher = RIN_MAX(*most, vf_highest(top)), factor = exp2f((*most - higher) * scale);
        vf_store(sum, vf_load(sum) * factor);
        for (int64_t c = 0; c < wide; c += RIN_VF) vf_store(out + c, vf_load(out + c) * factor);
        *most = higher;
    }
    vf total = vf_load(sum);
    float offset = *most * scale;
    for (int64_t j = 0; j < n; j += RIN_VF) {
        vf weight = rin_vexp2_weight(vf_load(scores + j) * scale - offset);
        total += weight;
        vf_store(scores + j, weight);
    }
    vf_store(sum, total);
}

/* Weights of n keys of a row (example, head, query): dropped ones become 0, others 1 / (1 - drop) times as large. */
static void drop_weights(const sizes *s, int64_t row, int64_t key, int64_t n, float *random, float *weights) {
    rin_vrandom_uniforms(s->key, s->base + (uint64_t)(row * s->n + key), n, random);
    float factor = 1 / (1 - s->drop);
    for (int64_t j = 0; j < n; j += RIN_VF) {
        vi kept = vf_load(random + j) >= s->drop;
        vf_store(weights + j, vf_select(kept, vf_load(weights + j) * factor, vf_splat(0)));
    }
}

/* Queries first .. first + rows - 1 of pair (example, head); rows <= STRIPS * ROWS. */
static void attend(const rin_task *task, const sizes *s, int64_t pair, int64_t first, int64_t rows, const forward *f) {
    int64_t b = pair / s->heads, column = pair % s->heads * s->d;
    int64_t at_q = (b * s->m + first) * s->inner + column, at_k = b * s->n * s->inner + column;
    const float *q = (const float *)task->in[0] + at_q;
    const float *k = (const float *)task->in[1] + at_k, *v = (const float *)task->in[2] + at_k;
    float *y = (float *)task->out[0] + at_q, *lse = task->out[1], scale = (float)(s->scale * LOG2_E);
    memset(f->out, 0, (size_t)(rows * s->wide) * sizeof(float));
    memset(f->sum, 0, (size_t)(rows * RIN_VF) * sizeof(float));
    for (int64_t i = 0; i < rows; i++) f->most[i] = -INFINITY;
    for (int64_t key = 0; key < s->n; key += KEYS) {
        int64_t n = RIN_MIN(KEYS, s->n - key), padded = round_up(n, RIN_VF);
        pack_panels(k + key * s->inner, s->inner, n, s->d, f->keys);
        pack_rows(v + key * s->inner, s->inner, n, s, f->values);
        for (int64_t i = 0; i < rows; i += ROWS) {
            int64_t count = RIN_MIN(ROWS, rows - i);
            left queries = {q + i * s->inner, s->inner, 1}, weights = {f->scores, KEYS, 1};
            float *out = f->out + i * s->wide;
            multiply(queries, panels(f->keys, s), count, padded, s->d, f->scores, KEYS, false);
            for (int64_t r = 0; r < count; r++) {
                float *scores = f->scores + r * KEYS;
                for (int64_t j = n; j < padded; j++) scores[j] = -INFINITY;
                float *sum = f->sum + (i + r) * RIN_VF;
                soften(scores, padded, scale, &f->most[i + r], sum, out + r * s->wide, s->wide);
                if (s->drop > 0) drop_weights(s, pair * s->m + first + i + r, key, n, f->random, scores);
            }
            multiply(weights, rows_of(f->values, s), count, s->wide, n, out, s->wide, true);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        float sum = vf_sum(vf_load(f->sum + i * RIN_VF));
        unpack_rows(f->out + i * s->wide, 1, s, 1 / sum, false, y + i * s->inner);
        if (lse) lse[pair * s->m + first + i] = f->most[i] * (float)s->scale + logf(sum);
    }
}

size_t RIN_SCRATCH(attention)(const rin_task *task, int threads) {
    sizes s = sizes_of(task);
    return (size_t)threads * lay_out_forward(&s, NULL).floats * sizeof(float);
}

void RIN_KERNEL(attention)(const rin_task *task, const rin_team *team) {
    sizes s = sizes_of(task);
    set_randoms(task, &s);
    size_t floats = lay_out_forward(&s, task->scratch).floats;
    forward f = lay_out_forward(&s, (float *)task->scratch + (size_t)team->index * floats);
    int64_t strips = (s.m + ROWS - 1) / ROWS, begin, end;
    rin_team_share(team, s.batch * s.heads * strips, 1, &begin, &end);
    while (begin < end) {
        int64_t pair = begin / strips, strip = begin % strips;
        int64_t count = RIN_MIN(RIN_MIN(end - begin, strips - strip), STRIPS), first = strip * ROWS;
        attend(task, &s, pair, first, RIN_MIN(count * ROWS, s.m - first), &f);
        begin += count;
    }
}

/* ---- gradient ---- */

/* A thread's scratch. */
typedef struct gradient {
    float *key_panels, *value_panels;
    float *keys, *dk, *dv;      /* [GRAD_KEYS][wide] */
    float *queries, *dout, *dq; /* [GRAD_QUERIES][wide] */
    float *weights, *dscores;   /* [GRAD_QUERIES][GRAD_KEYS] */
    float *random;              /* [GRAD_KEYS] */
    size_t floats;
} gradient;

static gradient lay_out_gradient(const sizes *s, float *at) {
    gradient g = {0};
    g.key_panels = take_floats(at, &g.floats, GRAD_KEYS * s->d);
    g.value_panels = take_floats(at, &g.floats, GRAD_KEYS * s->d);
    g.keys = take_floats(at, &g.floats, GRAD_KEYS * s->wide);
    g.dk = take_floats(at, &g.floats, GRAD_KEYS * s->wide);
    g.dv = take_floats(at, &g.floats, GRAD_KEYS * s->wide);
    g.queries = take_floats(at, &g.floats, GRAD_QUERIES * s->wide);
    g.dout = take_floats(at, &g.floats, GRAD_QUERIES * s->wide);
    g.dq = take_floats(at, &g.floats, GRAD_QUERIES * s->wide);
    g.weights = take_floats(at, &g.floats, GRAD_QUERIES * GRAD_KEYS);
    g.dscores = take_floats(at, &g.floats, GRAD_QUERIES * GRAD_KEYS);
    g.random = take_floats(at, &g.floats, GRAD_KEYS);
    return g;
}

static float dot(const float *a, const float *b, int64_t n) {
    vf sum = vf_splat(0);
    int64_t i = 0;
    for (; i + RIN_VF <= n; i += RIN_VF) sum += vf_load(a + i) * vf_load(b + i);
    if (i < n) sum += vf_load_part(a + i, n - i) * vf_load_part(b + i, n - i);
    return vf_sum(sum);
}

/* A row of scores and of dP becomes one of weights, as they multiply values, and of dS without the scale. */
RIN_INLINE void differentiate(float *weights, float *dscores, int64_t n, float scale, float log_sum, float delta) {
    for (int64_t j = 0; j < n; j += RIN_VF) {
        vf p = rin_vexp2_weight(vf_load(weights + j) * scale - log_sum);
        vf_store(weights + j, p);
        vf_store(dscores + j, p * (vf_load(dscores + j) - delta));
    }
}

/* The same with dropout: dP and the weights of values only where the key was kept. */
static void differentiate_dropped(float *weights, float *dscores, int64_t n, float scale, float log_sum, float delta,
                                  const float *random, float drop) {
    float factor = 1 / (1 - drop);
    for (int64_t j = 0; j < n; j += RIN_VF) {
        vf p = rin_vexp2_weight(vf_load(weights + j) * scale - log_sum);
        vf kept = vf_select(vf_load(random + j) >= drop, vf_splat(factor), vf_splat(0));
        vf_store(weights + j, p * kept);
        vf_store(dscores + j, p * (vf_load(dscores + j) * kept - delta));
    }
}

/* Queries first .. first + rows - 1 against the n keys packed in g, which begin at `key`. */
static void differentiate_block(const rin_task *task, const sizes *s, int64_t pair, int64_t first, int64_t rows,
                                int64_t key, int64_t n, gradient *g) {
    left queries = {g->queries, s->wide, 1}, dout = {g->dout, s->wide, 1};
    int64_t at_q = (pair / s->heads * s->m + first) * s->inner + pair % s->heads * s->d, padded = round_up(n, RIN_VF);
    const float *o = (const float *)task->in[3] + at_q, *lse = (const float *)task->in[4] + pair * s->m + first;
    const float *dy = (const float *)task->in[5] + at_q;
    float scale = (float)(s->scale * LOG2_E);
    pack_rows((const float *)task->in[0] + at_q, s->inner, rows, s, g->queries);
    pack_rows(dy, s->inner, rows, s, g->dout);
    multiply(queries, panels(g->key_panels, s), rows, padded, s->d, g->weights, GRAD_KEYS, false);
    multiply(dout, panels(g->value_panels, s), rows, padded, s->d, g->dscores, GRAD_KEYS, false);
    for (int64_t i = 0; i < rows; i++) {
        float delta = dot(dy + i * s->inner, o + i * s->inner, s->d), log_sum = lse[i] * (float)LOG2_E;
        float *weights = g->weights + i * GRAD_KEYS, *dscores = g->dscores + i * GRAD_KEYS;
        if (s->drop > 0) {
            uint64_t element = s->base + (uint64_t)((pair * s->m + first + i) * s->n + key);
            rin_vrandom_uniforms(s->key, element, n, g->random);
            differentiate_dropped(weights, dscores, padded, scale, log_sum, delta, g->random, s->drop);
        } else {
            differentiate(weights, dscores, padded, scale, log_sum, delta);
        }
    }
    if (task->out[2]) {
        multiply((left){g->weights, 1, GRAD_KEYS}, rows_of(g->dout, s), n, s->wide, rows, g->dv, s->wide, true);
    }
    if (task->out[1]) {
        multiply((left){g->dscores, 1, GRAD_KEYS}, rows_of(g->queries, s), n, s->wide, rows, g->dk, s->wide, true);
    }
    if (task->out[0]) {
        multiply((left){g->dscores, GRAD_KEYS, 1}, rows_of(g->keys, s), rows, s->wide, n, g->dq, s->wide, false);
        bool adds = key > 0 || rin_task_adds(task, 0);
        unpack_rows(g->dq, rows, s, (float)s->scale, adds, (float *)task->out[0] + at_q);
    }
}

static void differentiate_pair(const rin_task *task, const sizes *s, int64_t pair, gradient *g) {
    int64_t at_k = pair / s->heads * s->n * s->inner + pair % s->heads * s->d;
    for (int64_t key = 0; key < s->n; key += GRAD_KEYS) {
        int64_t n = RIN_MIN(GRAD_KEYS, s->n - key), at = at_k + key * s->inner;
        const float *k = (const float *)task->in[1] + at, *v = (const float *)task->in[2] + at;
        pack_panels(k, s->inner, n, s->d, g->key_panels);
        pack_panels(v, s->inner, n, s->d, g->value_panels);
        pack_rows(k, s->inner, n, s, g->keys);
        memset(g->dk, 0, (size_t)(n * s->wide) * sizeof(float));
        memset(g->dv, 0, (size_t)(n * s->wide) * sizeof(float));
        for (int64_t first = 0; first < s->m; first += GRAD_QUERIES) {
            differentiate_block(task, s, pair, first, RIN_MIN(GRAD_QUERIES, s->m - first), key, n, g);
        }
        if (task->out[1]) unpack_rows(g->dk, n, s, (float)s->scale, rin_task_adds(task, 1), (float *)task->out[1] + at);
        if (task->out[2]) unpack_rows(g->dv, n, s, 1, rin_task_adds(task, 2), (float *)task->out[2] + at);
    }
}

size_t RIN_SCRATCH(attention_grad)(const rin_task *task, int threads) {
    sizes s = sizes_of(task);
    return (size_t)threads * lay_out_gradient(&s, NULL).floats * sizeof(float);
}

void RIN_KERNEL(attention_grad)(const rin_task *task, const rin_team *team) {
    sizes s = sizes_of(task);
    set_randoms(task, &s);
    size_t floats = lay_out_gradient(&s, task->scratch).floats;
    gradient g = lay_out_gradient(&s, (float *)task->scratch + (size_t)team->index * floats);
    int64_t begin, end;
    rin_team_share(team, s.batch * s.heads, 1, &begin, &end);
    for (int64_t pair = begin; pair < end; pair++) differentiate_pair(task, &s, pair, &g);
}
