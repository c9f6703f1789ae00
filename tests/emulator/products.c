/* SPDX-License-Identifier: MIT */
/* Matrix products by plain loops over the emulated device's memory, in place of those of cuBLASLt. */
#include "backend/cuda/products.h"

#include <stdlib.h>
#include <string.h>

struct rin_products {
    bool tf32;
};

typedef struct rin_queued_product {
    rin_product product;
    bool tf32;
    unsigned char *workspace;
} rin_queued_product;

enum { CHUNK = 64 /* terms summed in floats before they go to doubles */ };

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* To nearest, ties to even, without the `lost` lowest bits; NaN and infinity stay. */
static uint32_t rounded(uint32_t bits, int lost) {
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits & 0x7fffffu ? 0x7fff0000u : bits;
    uint32_t half = (1u << (lost - 1)) - 1;
    return (bits + half + (bits >> lost & 1)) >> lost << lost;
}

static float get(rin_view v, int64_t i) {
    return v.bf16 ? from_bits((uint32_t)((const uint16_t *)v.data)[i] << 16) : ((const float *)v.data)[i];
}

static void put(rin_view v, int64_t i, double x) {
    if (v.bf16) ((uint16_t *)v.data)[i] = (uint16_t)(rounded(bits_of((float)x), 16) >> 16);
    else ((float *)v.data)[i] = (float)x;
}

static void *allocate(int64_t n, size_t size) {
    void *memory = malloc((size_t)(n > 0 ? n : 1) * size);
    if (!memory) abort();
    return memory;
}

/* The operand (rows, cols) as floats, row by row. */
static float *operand(rin_view v, bool transposed, bool tf32, int64_t rows, int64_t cols) {
    float *out = allocate(rows * cols, sizeof(*out));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            float x = get(v, transposed ? j * rows + i : i * cols + j);
            out[i * cols + j] = tf32 && !v.bf16 ? from_bits(rounded(bits_of(x), 13)) : x;
        }
    }
    return out;
}

/* sum (n) = a (k) b (k, n); part (n) is scratch. */
static void row_product(const float *a, const float *b, int64_t k, int64_t n, float *part, double *sum) {
    for (int64_t j = 0; j < n; j++) sum[j] = 0;
    for (int64_t first = 0; first < k; first += CHUNK) {
        for (int64_t j = 0; j < n; j++) part[j] = 0;
        for (int64_t l = first; l < first + CHUNK && l < k; l++)
            for (int64_t j = 0; j < n; j++) part[j] += a[l] * b[l * n + j];
        for (int64_t j = 0; j < n; j++) sum[j] += part[j];
    }
}

static void run(void *context) {
    const rin_queued_product *q = context;
    const rin_product *p = &q->product;
    /* A workspace that is too small, or is used for something else, shows. */
    memset(q->workspace, 0xFF, 4096);
    memset(q->workspace + RIN_PRODUCTS_WORKSPACE - 4096, 0xFF, 4096);
    float *a = operand(p->a, p->a_transposed, q->tf32, p->m, p->k);
    float *b = operand(p->b, p->b_transposed, q->tf32, p->k, p->n);
    float *part = allocate(p->n, sizeof(*part));
    double *sum = allocate(p->n, sizeof(*sum));
    for (int64_t i = 0; i < p->m; i++) {
        row_product(a + i * p->k, b, p->k, p->n, part, sum);
        for (int64_t j = 0; j < p->n; j++) {
            if (p->add.data) sum[j] += get(p->add, i * p->n + j);
            if (p->bias.data) sum[j] += get(p->bias, j);
            put(p->out, i * p->n + j, sum[j]);
        }
        if (p->row_sums) {
            double total = 0;
            for (int64_t l = 0; l < p->k; l++) total += get(p->a, p->a_transposed ? l * p->m + i : i * p->k + l);
            p->row_sums[i] = (float)total;
        }
    }
    free(a);
    free(b);
    free(part);
    free(sum);
}

rin_status rin_products_create(bool tf32, rin_products **out, rin_error *error) {
    *out = rin_calloc(1, sizeof(**out), error);
    if (!*out) return RIN_ERR_MEMORY;
    (*out)->tf32 = tf32;
    return RIN_OK;
}

void rin_products_free(rin_products *products) {
    rin_free(products);
}

bool rin_products_makes_row_sums(const rin_product *product) {
    return product->a_transposed && !product->out.bf16;
}

/* What is wrong with a product, or NULL. */
static const char *wrong(const rin_product *p) {
    if (p->m < 1 || p->n < 1 || p->k < 1) return "a dimension is not positive";
    if (!p->a.data || !p->b.data || !p->out.data) return "an operand is absent";
    if (p->a.bf16 != p->b.bf16) return "a and b are of different types";
    if (p->out.bf16 && !p->a.bf16) return "out is of bf16, but a is not";
    if (p->add.data && p->add.bf16 != p->out.bf16) return "add is not of out's type";
    if (p->bias.data && p->bias.bf16 != p->out.bf16) return "bias is not of out's type";
    if (p->row_sums && (!p->a_transposed || p->out.bf16)) return "row sums need a transposed a and an out of floats";
    return NULL;
}

bool rin_products_run(rin_products *products, cudaStream_t stream, const rin_product *product, void *workspace,
                      rin_error *error) {
    const char *why = workspace ? wrong(product) : "there is no workspace";
    if (why) {
        rin_error_set(error, RIN_ERR_INTERNAL, "emulated product: %s", why);
        return false;
    }
    rin_queued_product q = {*product, products->tf32 && !product->exact, workspace};
    cudaError_t status = rin_emulate_queue(stream, run, &q, sizeof(q));
    if (status != cudaSuccess) rin_error_set(error, RIN_ERR_DEVICE, "emulated product: %s", cudaGetErrorString(status));
    return status == cudaSuccess;
}
