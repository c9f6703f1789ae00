/* SPDX-License-Identifier: MIT */
/* Matrix products on the device: cuBLASLt, with its plans kept. */
#ifndef RIN_CUDA_PRODUCTS_H
#define RIN_CUDA_PRODUCTS_H

#include "backend/cuda/launch.h"
#include "base/base.h"

typedef struct rin_products rin_products;

/*
 * out (m, n) = a (m, k) b (k, n) + add (m, n) + bias (n); row_sums (m) = the sums of a's rows.
 * Rows lie one after the other; a transposed operand lies in memory as (k, m) or (n, k). a and b are of one type, out
 * is of theirs or float, add and bias are of out's type. add may be out itself; add, bias and row_sums may be absent.
 */
typedef struct rin_product {
    int64_t m, n, k;
    bool a_transposed, b_transposed;
    rin_view a, b, out, add, bias;
    float *row_sums; /* only with an out of floats and a transposed a */
    bool exact;      /* floats are not rounded to TF32 */
} rin_product;

enum { RIN_PRODUCTS_WORKSPACE = 64 << 20 }; /* bytes */

/* tf32: products of floats that are not exact may round their operands to TF32. Errors: UNSUPPORTED where cuBLASLt
 * cannot be loaded. */
rin_status rin_products_create(bool tf32, rin_products **out, rin_error *error) RIN_CHECKED;
void rin_products_free(rin_products *products);
/* Queues a product; workspace has RIN_PRODUCTS_WORKSPACE bytes. Returns false, and says why, when it cannot. */
bool rin_products_run(rin_products *products, cudaStream_t stream, const rin_product *product, void *workspace,
                      rin_error *error);
/* Whether row_sums are better made along with this product than by themselves. */
bool rin_products_makes_row_sums(const rin_product *product);

#endif
