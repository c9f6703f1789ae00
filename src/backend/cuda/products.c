/* SPDX-License-Identifier: MIT */
/*
 * Matrix products by cuBLASLt, which is loaded when the first device is opened: a program built with CUDA also runs
 * where there is none. cuBLASLt counts columns first, so a row-major product out = a b is asked for as out^T = b^T a^T.
 */
#include "backend/cuda/products.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <math.h>
#include <string.h>

/* ---- the library ---- */

/* clang-format off */
#define LIBRARY_FUNCTIONS(X) \
    X(cublasLtCreate) \
    X(cublasLtDestroy) \
    X(cublasLtMatmul) \
    X(cublasLtMatmulDescCreate) \
    X(cublasLtMatmulDescDestroy) \
    X(cublasLtMatmulDescSetAttribute) \
    X(cublasLtMatrixLayoutCreate) \
    X(cublasLtMatrixLayoutDestroy) \
    X(cublasLtMatmulPreferenceCreate) \
    X(cublasLtMatmulPreferenceDestroy) \
    X(cublasLtMatmulPreferenceSetAttribute) \
    X(cublasLtMatmulAlgoGetHeuristic)
/* clang-format on */

typedef struct library {
    void *handle;
#define FUNCTION(name) __typeof__(name) *name;
    LIBRARY_FUNCTIONS(FUNCTION)
#undef FUNCTION
} library;

static bool load_library(library *l) {
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};
    for (size_t i = 0; i < RIN_COUNT(names) && !l->handle; i++) l->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) return false;
    bool whole = true;
#define LOAD(name)                                        \
    *(void **)(void *)&l->name = dlsym(l->handle, #name); \
    whole = whole && l->name;
    LIBRARY_FUNCTIONS(LOAD)
#undef LOAD
    return whole;
}

/* ---- plans: what cuBLASLt chose for products of one kind ---- */

typedef struct plan_key {
    int64_t m, n, k;
    bool a_transposed, b_transposed, narrow, narrow_out, adds, bias, row_sums, exact;
} plan_key;

typedef struct product_plan {
    plan_key key;
    bool works;
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t a, b, out; /* of cuBLASLt's view: its a is our b */
    cublasLtMatmulAlgo_t algorithm;
} product_plan;

struct rin_products {
    library library;
    cublasLtHandle_t handle;
    bool tf32;
    product_plan **plans; /* [n_plans] */
    int n_plans;
};

rin_status rin_products_create(bool tf32, rin_products **out, rin_error *error) {
    *out = NULL;
    rin_products *p = rin_calloc(1, sizeof *p, error);
    if (!p) return RIN_ERR_MEMORY;
    p->tf32 = tf32;
    if (!load_library(&p->library) || p->library.cublasLtCreate(&p->handle) != CUBLAS_STATUS_SUCCESS) {
        rin_products_free(p);
        return rin_error_set(error, RIN_ERR_UNSUPPORTED,
                             "cuBLASLt cannot be used: is libcublasLt.so, of CUDA 12 or 13, where LD_LIBRARY_PATH or "
                             "ldconfig find it?");
    }
    *out = p;
    return RIN_OK;
}

static void free_plan(const library *l, product_plan *p) {
    if (p->a) l->cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) l->cublasLtMatrixLayoutDestroy(p->b);
    if (p->out) l->cublasLtMatrixLayoutDestroy(p->out);
    if (p->product) l->cublasLtMatmulDescDestroy(p->product);
    rin_free(p);
}

void rin_products_free(rin_products *p) {
    if (!p) return;
    for (int i = 0; i < p->n_plans; i++) free_plan(&p->library, p->plans[i]);
    if (p->handle) p->library.cublasLtDestroy(p->handle);
    if (p->library.handle) dlclose(p->library.handle);
    rin_free(p->plans);
    rin_free(p);
}

static plan_key key_of(const rin_product *p) {
    plan_key key;
    memset(&key, 0, sizeof key); /* padding too: keys are compared as bytes */
    key.m = p->m;
    key.n = p->n;
    key.k = p->k;
    key.a_transposed = p->a_transposed;
    key.b_transposed = p->b_transposed;
    key.narrow = p->a.bf16;
    key.narrow_out = p->out.bf16;
    key.adds = p->add.data != NULL;
    key.bias = p->bias.data != NULL;
    key.row_sums = p->row_sums != NULL;
    key.exact = p->exact;
    return key;
}

#define SET(function, object, attribute, value) \
    ((function)((object), (attribute), &(value), sizeof(value)) == CUBLAS_STATUS_SUCCESS)

static bool describe(const rin_products *p, product_plan *plan) {
    const library *l = &p->library;
    const plan_key *key = &plan->key;
    cudaDataType_t in = key->narrow ? CUDA_R_16BF : CUDA_R_32F, out = key->narrow_out ? CUDA_R_16BF : CUDA_R_32F;
    cublasComputeType_t compute = !key->narrow && p->tf32 && !key->exact ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                         : CUBLAS_COMPUTE_32F;
    cublasOperation_t of_a = key->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                      of_b = key->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = key->bias       ? CUBLASLT_EPILOGUE_BIAS
                                  : key->row_sums ? CUBLASLT_EPILOGUE_BGRADB
                                                  : CUBLASLT_EPILOGUE_DEFAULT;
    uint64_t n = (uint64_t)key->n, m = (uint64_t)key->m, k = (uint64_t)key->k;
    bool ok = l->cublasLtMatmulDescCreate(&plan->product, compute, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
              SET(l->cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_TRANSA, of_a) &&
              SET(l->cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_TRANSB, of_b) &&
              SET(l->cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (key->bias || key->row_sums)
        ok = ok && SET(l->cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, out);
    ok = ok && (key->b_transposed ? l->cublasLtMatrixLayoutCreate(&plan->a, in, k, n, key->k)
                                  : l->cublasLtMatrixLayoutCreate(&plan->a, in, n, k, key->n)) == CUBLAS_STATUS_SUCCESS;
    ok = ok && (key->a_transposed ? l->cublasLtMatrixLayoutCreate(&plan->b, in, m, k, key->m)
                                  : l->cublasLtMatrixLayoutCreate(&plan->b, in, k, m, key->k)) == CUBLAS_STATUS_SUCCESS;
    return ok && l->cublasLtMatrixLayoutCreate(&plan->out, out, n, m, key->n) == CUBLAS_STATUS_SUCCESS;
}

enum { CANDIDATES = 8 };

/* What cuBLASLt proposes, best guess first; partial sums of split products are added in a fixed order. Returns how
 * many. */
static int propose(const rin_products *p, const product_plan *plan, cublasLtMatmulHeuristicResult_t *results) {
    const library *l = &p->library;
    cublasLtMatmulPreference_t preference = NULL;
    uint64_t workspace = RIN_PRODUCTS_WORKSPACE;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK, alignment = 16;
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    int found = 0;
    bool ok = l->cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS &&
              SET(l->cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                  workspace) &&
              SET(l->cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                  schemes);
    for (size_t i = 0; i < RIN_COUNT(aligned) && ok; i++)
        ok = SET(l->cublasLtMatmulPreferenceSetAttribute, preference, aligned[i], alignment);
    ok = ok && l->cublasLtMatmulAlgoGetHeuristic(p->handle, plan->product, plan->a, plan->b, plan->out, plan->out,
                                                 preference, CANDIDATES, results, &found) == CUBLAS_STATUS_SUCCESS;
    if (preference) l->cublasLtMatmulPreferenceDestroy(preference);
    return ok ? found : 0;
}

static bool multiply(const rin_products *p, const product_plan *plan, const cublasLtMatmulAlgo_t *algorithm,
                     cudaStream_t stream, const rin_product *product, void *out, void *workspace) {
    const float one = 1, beta = product->add.data ? 1 : 0;
    const void *add = product->add.data ? product->add.data : out;
    return p->library.cublasLtMatmul(p->handle, plan->product, &one, product->b.data, plan->a, product->a.data, plan->b,
                                     &beta, add, plan->out, out, plan->out, algorithm, workspace,
                                     RIN_PRODUCTS_WORKSPACE, stream) == CUBLAS_STATUS_SUCCESS;
}

/* ---- trying them ---- */

typedef struct trial {
    void *out, *expected; /* results of a candidate, and of the first */
    size_t bytes;
    int *differs; /* on the device */
    cudaEvent_t from, to;
} trial;

static bool open_trial(trial *t, const rin_product *product) {
    t->bytes = (size_t)(product->m * product->n) * (product->out.bf16 ? sizeof(uint16_t) : sizeof(float));
    return cudaMalloc(&t->out, t->bytes) == cudaSuccess && cudaMalloc(&t->expected, t->bytes) == cudaSuccess &&
           cudaMalloc((void **)&t->differs, sizeof *t->differs) == cudaSuccess &&
           cudaEventCreate(&t->from) == cudaSuccess && cudaEventCreate(&t->to) == cudaSuccess;
}

static void close_trial(trial *t) {
    if (t->from) (void)cudaEventDestroy(t->from);
    if (t->to) (void)cudaEventDestroy(t->to);
    (void)cudaFree(t->differs);
    (void)cudaFree(t->expected);
    (void)cudaFree(t->out);
    (void)cudaGetLastError(); /* nothing of a trial matters but its outcome */
}

/* Milliseconds of a candidate, the better of two short runs; infinite where it fails. */
static float time_candidate(const rin_products *p, const product_plan *plan, const cublasLtMatmulAlgo_t *algorithm,
                            cudaStream_t stream, const rin_product *product, void *workspace, const trial *t) {
    enum { RUNS = 4 };
    float least = INFINITY;
    for (int r = 0; r < 3; r++) { /* the first warms up */
        float taken;
        bool ok = cudaEventRecord(t->from, stream) == cudaSuccess;
        for (int i = 0; i < RUNS && ok; i++) ok = multiply(p, plan, algorithm, stream, product, t->out, workspace);
        ok = ok && cudaEventRecord(t->to, stream) == cudaSuccess && cudaEventSynchronize(t->to) == cudaSuccess &&
             cudaEventElapsedTime(&taken, t->from, t->to) == cudaSuccess;
        if (!ok) return INFINITY;
        if (r && taken < least) least = taken;
    }
    return least;
}

static bool is_same(cudaStream_t stream, const trial *t) {
    int differs = 1;
    rin_launch_compare(stream, t->out, t->expected, (int64_t)(t->bytes / sizeof(uint16_t)), t->differs);
    return cudaMemcpyAsync(&differs, t->differs, sizeof differs, cudaMemcpyDeviceToHost, stream) == cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess && !differs;
}

/*
 * The fastest of the candidates whose results are the first's, bit by bit: those that are not add up in another order.
 * So the choice, which depends on how fast the GPU happens to be, never changes a result. Found on the product's own
 * operands; its output is not touched.
 */
static int try_all(const rin_products *p, const product_plan *plan, const cublasLtMatmulHeuristicResult_t *results,
                   int n, cudaStream_t stream, const rin_product *product, void *workspace) {
    enum cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusActive;
    trial t = {0};
    int best = 0;
    /* Sums of rows would have to be compared, too, and gain little. */
    if (n < 2 || product->row_sums || cudaStreamIsCapturing(stream, &capturing) != cudaSuccess ||
        capturing != cudaStreamCaptureStatusNone)
        return 0;
    bool ok = open_trial(&t, product);
    float least = ok ? time_candidate(p, plan, &results[0].algo, stream, product, workspace, &t) : INFINITY;
    ok = ok && isfinite(least) &&
         cudaMemcpyAsync(t.expected, t.out, t.bytes, cudaMemcpyDeviceToDevice, stream) == cudaSuccess;
    for (int i = 1; i < n && ok; i++) {
        if (results[i].state != CUBLAS_STATUS_SUCCESS) continue;
        float taken = time_candidate(p, plan, &results[i].algo, stream, product, workspace, &t);
        if (!(taken < least) || !is_same(stream, &t)) continue;
        least = taken;
        best = i;
    }
    close_trial(&t);
    return best;
}

/* The bias, or where the sums of rows go. */
static bool set_vector(const rin_products *p, const product_plan *plan, const rin_product *product) {
    const void *vector = product->bias.data ? product->bias.data : product->row_sums;
    return !vector ||
           SET(p->library.cublasLtMatmulDescSetAttribute, plan->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
}

static product_plan *find_plan(rin_products *p, cudaStream_t stream, const rin_product *product, void *workspace,
                               rin_error *error) {
    plan_key key = key_of(product);
    for (int i = 0; i < p->n_plans; i++) {
        if (memcmp(&p->plans[i]->key, &key, sizeof key) == 0) return p->plans[i];
    }
    product_plan **plans = rin_realloc(p->plans, (size_t)p->n_plans + 1, sizeof *plans, error);
    if (!plans) return NULL;
    p->plans = plans;
    product_plan *plan = plans[p->n_plans] = rin_calloc(1, sizeof *plan, error);
    if (!plan) return NULL;
    p->n_plans++;
    plan->key = key;
    cublasLtMatmulHeuristicResult_t results[CANDIDATES];
    int n = describe(p, plan) && set_vector(p, plan, product) ? propose(p, plan, results) : 0;
    plan->works = n > 0 && results[0].state == CUBLAS_STATUS_SUCCESS;
    if (plan->works) plan->algorithm = results[try_all(p, plan, results, n, stream, product, workspace)].algo;
    return plan;
}

/* A product with them is not split, and a small one that is not leaves most of the GPU idle. */
bool rin_products_makes_row_sums(const rin_product *product) {
    enum { LEAST = 2 << 20 }; /* elements of the result */
    return product->m * product->n >= LEAST;
}

bool rin_products_run(rin_products *p, cudaStream_t stream, const rin_product *product, void *workspace,
                      rin_error *error) {
    const product_plan *plan = find_plan(p, stream, product, workspace, error);
    if (!plan) return false;
    if (plan->works && set_vector(p, plan, product) &&
        multiply(p, plan, &plan->algorithm, stream, product, product->out.data, workspace))
        return true;
    (void)rin_error_set(error, RIN_ERR_UNSUPPORTED, "cuBLASLt has no product of %lld x %lld x %lld in %s",
                        (long long)product->m, (long long)product->n, (long long)product->k,
                        product->a.bf16 ? "bf16" : "fp32");
    return false;
}
