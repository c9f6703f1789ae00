/* SPDX-License-Identifier: MIT */
/* Runs kernels: a fiber a thread, what warps and blocks do together, matrix products of a warp, copies to come. */
#include "emulator.h"

#include "races.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define RIN_EMULATE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIN_EMULATE_ASAN
#endif
#endif

#ifdef RIN_EMULATE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* swapcontext is slow, as it asks the system for the signals that are blocked. */
#if defined(__x86_64__) && !defined(RIN_EMULATE_UCONTEXT)
#define RIN_EMULATE_X86
#else
#include <ucontext.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace {

using rin_emulate::perform;
using rin_emulate::place;

enum { WARP = 32, MOST_WARPS = 32 };
#if defined(RIN_EMULATE_ASAN) || defined(RIN_EMULATE_RACES)
const size_t STACK = 512 << 10;
#else
const size_t STACK = 128 << 10;
#endif

struct pending_copy {
    void *to;
    const void *from; /* NULL: zeros */
    unsigned group;
};

enum state { READY, AT_WARP, AT_BARRIER, RETURNED };

struct fiber {
    char *stack;
#ifdef RIN_EMULATE_X86
    void *top; /* of the stack while it does not run */
#else
    ucontext_t context;
#endif
    void *sanitizer;
    uint3 index;
    enum state state;
    place where; /* it waits */
    perform action;
    void *arguments;
    bool predicate;
    std::vector<pending_copy> copies;
    unsigned groups;                        /* committed */
    unsigned block_barriers, warp_barriers; /* passed */
};

/* As many as any block had. */
struct fiber_pool : std::vector<fiber *> {
    ~fiber_pool();
};

/* One launch at a time has all of this. */
std::mutex launch_lock;
const rin_emulate::launch *current;
const std::function<void()> *body;
fiber_pool fibers;
unsigned n_threads, running;
int block_count; /* the barrier's threads whose predicate held */
void *shared_memory;
fiber host; /* the one that switches to the others */
#ifdef RIN_EMULATE_ASAN
const void *host_stack;
size_t host_stack_bytes;
#endif

[[noreturn]] __attribute__((format(printf, 1, 2))) void fail(const char *format, ...) {
    fprintf(stderr, "emulator: %s, block (%u, %u, %u): ", current->kernel, blockIdx.x, blockIdx.y, blockIdx.z);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* What each gives before and takes after. Of two barriers that follow each other, the second is reached by some before
 * others have left the first: hence two. */
struct meeting {
    uint64_t token[2];
};

uint64_t block_begins, block_ends;
meeting block_meets, warp_meets[MOST_WARPS];

/* ---- fibers ---- */

#ifdef RIN_EMULATE_X86
extern "C" void rin_emulate_switch(void **save_top, void *top);
asm(R"(
    .text
    .globl rin_emulate_switch
    .type rin_emulate_switch, @function
rin_emulate_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size rin_emulate_switch, .-rin_emulate_switch
)");
#endif

void switch_to(fiber *from, fiber *to) {
#ifdef RIN_EMULATE_RACES
    __tsan_switch_to_fiber(to->sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef RIN_EMULATE_X86
    rin_emulate_switch(&from->top, to->top);
#else
    swapcontext(&from->context, &to->context);
#endif
}

void make_copies(fiber *f, unsigned groups);

/* The calling fiber stops until it is ready again. */
void suspend(fiber *f) {
#ifdef RIN_EMULATE_ASAN
    __sanitizer_start_switch_fiber(&f->sanitizer, host_stack, host_stack_bytes);
#endif
    switch_to(f, &host);
#ifdef RIN_EMULATE_ASAN
    __sanitizer_finish_switch_fiber(f->sanitizer, &host_stack, &host_stack_bytes);
#endif
}

__attribute__((no_sanitize_address)) void fiber_main() {
#ifdef RIN_EMULATE_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &host_stack, &host_stack_bytes);
#endif
    fiber *f = fibers[running];
    take(&block_begins);
    (*body)();
    make_copies(f, f->groups + 1);
    f->state = RETURNED;
    give(&block_ends);
#ifdef RIN_EMULATE_ASAN
    __sanitizer_start_switch_fiber(nullptr, host_stack, host_stack_bytes);
#endif
    switch_to(f, &host);
    abort();
}

void resume(unsigned thread) {
    fiber *f = fibers[thread];
    running = thread;
    threadIdx = f->index;
#ifdef RIN_EMULATE_ASAN
    __sanitizer_start_switch_fiber(&host.sanitizer, f->stack, STACK);
#endif
    switch_to(&host, f);
#ifdef RIN_EMULATE_ASAN
    __sanitizer_finish_switch_fiber(host.sanitizer, nullptr, nullptr);
#endif
}

size_t page_bytes() {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* The page below a stack cannot be touched, so that one too small is noticed. */
fiber *fiber_create() {
    const size_t page = page_bytes();
    void *memory = mmap(nullptr, STACK + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                        0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE)) fail("no memory for stacks: %s", strerror(errno));
    fiber *f = new fiber();
    f->stack = (char *)memory + page;
#ifdef RIN_EMULATE_RACES
    f->sanitizer = __tsan_create_fiber(0);
#endif
    return f;
}

fiber_pool::~fiber_pool() {
    for (fiber *f : *this) {
#ifdef RIN_EMULATE_RACES
        __tsan_destroy_fiber(f->sanitizer);
#endif
        munmap(f->stack - page_bytes(), STACK + page_bytes());
        delete f;
    }
}

void fiber_reset(fiber *f) {
#ifdef RIN_EMULATE_X86
    /* As rin_emulate_switch leaves a stack: six registers, the address to return to, and none beyond. */
    void **top = (void **)(f->stack + STACK) - 8;
    memset(top, 0, 8 * sizeof(*top));
    top[6] = (void *)fiber_main;
    f->top = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = nullptr;
    makecontext(&f->context, fiber_main, 0);
#endif
#ifdef RIN_EMULATE_ASAN
    f->sanitizer = nullptr;
#endif
    f->state = READY;
    f->groups = f->block_barriers = f->warp_barriers = 0;
    f->copies.clear();
}

/* ---- blocks ---- */

void print_waiting() {
    for (unsigned t = 0; t < n_threads;) {
        const fiber *f = fibers[t];
        unsigned end = t + 1;
        for (; end < n_threads; end++) {
            const fiber *g = fibers[end];
            if (g->state != f->state || (f->state != RETURNED && g->where.line != f->where.line)) break;
        }
        fprintf(stderr, "  threads %u to %u ", t, end - 1);
        if (f->state == RETURNED) fprintf(stderr, "have returned\n");
        else fprintf(stderr, "wait in %s (%s:%d)\n", f->where.operation, f->where.file, f->where.line);
        t = end;
    }
}

/* Lets a warp go on if all of its threads that have not returned wait for each other. */
bool release_warp(unsigned first, unsigned end) {
    void *lanes[WARP] = {nullptr};
    const fiber *one = nullptr;
    for (unsigned t = first; t < end; t++) {
        const fiber *f = fibers[t];
        if (f->state == RETURNED) continue;
        if (f->state != AT_WARP) return false;
        if (!one) one = f;
        if (f->action != one->action || f->where.line != one->where.line) {
            print_waiting();
            fail("threads of a warp are at different places");
        }
        lanes[t - first] = f->arguments;
    }
    if (!one) return false;
    running = first;
    one->action(lanes);
    for (unsigned t = first; t < end; t++)
        if (fibers[t]->state == AT_WARP) fibers[t]->state = READY;
    return true;
}

/* Lets the block go on; false when all of its threads have returned. */
bool release_block() {
    unsigned waiting = 0, returned = 0, count = 0;
    for (unsigned t = 0; t < n_threads; t++) {
        const fiber *f = fibers[t];
        returned += f->state == RETURNED;
        if (f->state != AT_BARRIER) continue;
        waiting++;
        count += f->predicate;
        const fiber *before = t % WARP ? fibers[t - 1] : f;
        if (before->state == AT_BARRIER && before->where.line != f->where.line) {
            print_waiting();
            fail("threads of a warp are at different barriers");
        }
    }
    if (returned == n_threads) return false;
    if (waiting + returned < n_threads) {
        print_waiting();
        fail("threads wait for others that do not come");
    }
    block_count = (int)count;
    for (unsigned t = 0; t < n_threads; t++)
        if (fibers[t]->state == AT_BARRIER) fibers[t]->state = READY;
    return true;
}

void run_warp(unsigned first, unsigned end, bool reverse) {
    do {
        for (unsigned i = first; i < end; i++) {
            unsigned t = reverse ? end - 1 - (i - first) : i;
            if (fibers[t]->state == READY) resume(t);
        }
    } while (release_warp(first, end));
}

void run_block(bool reverse) {
    for (unsigned t = 0; t < n_threads; t++) {
        fiber_reset(fibers[t]);
        fibers[t]->index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    }
    unsigned warps = (n_threads + WARP - 1) / WARP;
    give(&block_begins);
    do {
        for (unsigned i = 0; i < warps; i++) {
            unsigned first = (reverse ? warps - 1 - i : i) * WARP;
            unsigned end = first + WARP < n_threads ? first + WARP : n_threads;
            run_warp(first, end, reverse);
        }
    } while (release_block());
    take(&block_ends);
}

fiber *self() {
    return fibers[running];
}

} // namespace

void rin_emulate::run(const launch &how, const std::function<void()> &thread) {
    std::lock_guard<std::mutex> lock(launch_lock);
    const char *order = getenv("RIN_EMULATE_ORDER");
    bool reverse = order && !strcmp(order, "reverse");
    current = &how;
    body = &thread;
    gridDim = how.grid;
    blockDim = how.block;
    n_threads = blockDim.x * blockDim.y * blockDim.z;
#ifdef RIN_EMULATE_RACES
    host.sanitizer = __tsan_get_current_fiber();
#endif
    while (fibers.size() < n_threads) fibers.push_back(fiber_create());
    shared_memory = nullptr;
    if (how.shared && posix_memalign(&shared_memory, 128, how.shared))
        fail("no memory for %zu shared bytes", how.shared);
    const uint64_t blocks = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t b = reverse ? blocks - 1 - i : i;
        blockIdx = {(unsigned)(b % gridDim.x), (unsigned)(b / gridDim.x % gridDim.y),
                    (unsigned)(b / gridDim.x / gridDim.y)};
        if (how.shared) fill(shared_memory, 0xFF, how.shared);
        run_block(reverse);
    }
    free(shared_memory);
    shared_memory = nullptr;
    current = nullptr;
}

void rin_emulate::fill(void *memory, int byte, size_t bytes) {
    look_away();
    memset(memory, byte, bytes);
    look_again();
}

void *rin_emulate::dynamic_shared() {
    return shared_memory;
}

unsigned rin_emulate::lane() {
    return running % WARP;
}

void rin_emulate::together(perform action, void *arguments, unsigned mask, place where) {
    if (mask != 0xffffffffu) fail("%s (%s:%d) with a part of a warp", where.operation, where.file, where.line);
    fiber *f = self();
    f->action = action;
    f->arguments = arguments;
    f->where = where;
    f->state = AT_WARP;
    suspend(f);
}

int rin_emulate::synchronise(bool predicate, place where) {
    fiber *f = self();
    f->predicate = predicate;
    f->where = where;
    f->state = AT_BARRIER;
    uint64_t *token = &block_meets.token[f->block_barriers++ % 2];
    give(token);
    suspend(f);
    take(token);
    return block_count;
}

/* Unlike the exchanges of a warp, it orders accesses to memory. */
void rin_emulate::synchronise_warp(unsigned mask, place where) {
    fiber *f = self();
    uint64_t *token = &warp_meets[running / WARP].token[f->warp_barriers++ % 2];
    vote nothing = {false, 0, 0};
    give(token);
    together(take_vote, &nothing, mask, where);
    take(token);
}

void rin_emulate::take_vote(void *const lanes[32]) {
    unsigned ballot = 0, present = 0;
    for (unsigned l = 0; l < WARP; l++) {
        if (!lanes[l]) continue;
        present |= 1u << l;
        if (((vote *)lanes[l])->predicate) ballot |= 1u << l;
    }
    for (unsigned l = 0; l < WARP; l++) {
        if (!lanes[l]) continue;
        ((vote *)lanes[l])->ballot = ballot;
        ((vote *)lanes[l])->present = present;
    }
}

/* What a thread that is not there would give is not defined: here, NaN. */
void rin_emulate::take_exchange(void *const lanes[32]) {
    for (unsigned l = 0; l < WARP; l++) {
        exchange *e = (exchange *)lanes[l];
        if (e) e->out = e->from < WARP && lanes[e->from] ? ((exchange *)lanes[e->from])->in : UINT64_MAX;
    }
}

/* ---- matrices ---- */

namespace {

struct mma_arguments {
    float *c;
    const uint32_t *a, *b;
};

struct ldmatrix_arguments {
    uint32_t *r;
    const void *row;
};

void expect_all(void *const lanes[WARP], const char *operation) {
    for (unsigned l = 0; l < WARP; l++)
        if (!lanes[l]) fail("%s without lane %u", operation, l);
}

float half_of(const uint32_t *words, unsigned i) {
    return __uint_as_float(i % 2 ? words[i / 2] & 0xffff0000u : words[i / 2] << 16);
}

/* Fragments as in PTX's mma.m16n8k16: lane 4 g + t has rows g and g + 8 of a and c, column g of b. */
void take_mma(void *const lanes[WARP]) {
    expect_all(lanes, "rin_mma");
    float a[16][16], b[16][8], c[16][8];
    for (unsigned l = 0; l < WARP; l++) {
        const mma_arguments *m = (const mma_arguments *)lanes[l];
        unsigned g = l / 4, t = l % 4;
        for (unsigned i = 0; i < 8; i++) a[i / 2 % 2 ? g + 8 : g][2 * t + i % 2 + (i < 4 ? 0 : 8)] = half_of(m->a, i);
        for (unsigned i = 0; i < 4; i++) b[2 * t + i % 2 + (i < 2 ? 0 : 8)][g] = half_of(m->b, i);
        for (unsigned i = 0; i < 4; i++) c[i < 2 ? g : g + 8][2 * t + i % 2] = m->c[i];
    }
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 16; k++)
            for (unsigned j = 0; j < 8; j++) c[i][j] += a[i][k] * b[k][j];
    for (unsigned l = 0; l < WARP; l++) {
        const mma_arguments *m = (const mma_arguments *)lanes[l];
        for (unsigned i = 0; i < 4; i++) m->c[i] = c[i < 2 ? l / 4 : l / 4 + 8][2 * (l % 4) + i % 2];
    }
}

void load_matrices(void *const lanes[WARP], bool transposed) {
    expect_all(lanes, "rin_ldmatrix");
    for (unsigned m = 0; m < 4; m++) {
        uint16_t matrix[8][8];
        for (unsigned r = 0; r < 8; r++) {
            const void *row = ((const ldmatrix_arguments *)lanes[8 * m + r])->row;
            if ((uintptr_t)row % 16) fail("rin_ldmatrix from an address that is not a multiple of 16");
            memcpy(matrix[r], row, 16);
        }
        for (unsigned l = 0; l < WARP; l++) {
            unsigned r = l / 4, c = 2 * (l % 4);
            uint32_t low = transposed ? matrix[c][r] : matrix[r][c];
            uint32_t high = transposed ? matrix[c + 1][r] : matrix[r][c + 1];
            ((const ldmatrix_arguments *)lanes[l])->r[m] = high << 16 | low;
        }
    }
}

void take_ldmatrix(void *const lanes[WARP]) {
    load_matrices(lanes, false);
}

void take_ldmatrix_trans(void *const lanes[WARP]) {
    load_matrices(lanes, true);
}

/* Makes the copies of all groups before this one. */
void make_copies(fiber *f, unsigned groups) {
    size_t n = 0;
    for (; n < f->copies.size() && f->copies[n].group < groups; n++) {
        will_write16(f->copies[n].to);
        if (f->copies[n].from) memcpy(f->copies[n].to, f->copies[n].from, 16);
        else memset(f->copies[n].to, 0, 16);
    }
    f->copies.erase(f->copies.begin(), f->copies.begin() + (ptrdiff_t)n);
}

} // namespace

void rin_mma(float c[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line) {
    mma_arguments m = {c, a, b};
    rin_emulate::together(take_mma, &m, 0xffffffffu, {"rin_mma", file, line});
}

void rin_ldmatrix(uint32_t r[4], const void *row, const char *file, int line) {
    ldmatrix_arguments l = {r, row};
    will_read16(row);
    rin_emulate::together(take_ldmatrix, &l, 0xffffffffu, {"rin_ldmatrix", file, line});
}

void rin_ldmatrix_trans(uint32_t r[4], const void *row, const char *file, int line) {
    ldmatrix_arguments l = {r, row};
    will_read16(row);
    rin_emulate::together(take_ldmatrix_trans, &l, 0xffffffffu, {"rin_ldmatrix_trans", file, line});
}

/* ---- copies to come ---- */

void rin_copy_async(void *shared, const void *global, bool valid) {
    if ((uintptr_t)shared % 16 || (uintptr_t)global % 16)
        fail("rin_copy_async with an address that is not a multiple of 16: %p from %p", shared, global);
    fiber *f = self();
    will_write16(shared);
    if (valid) will_read16(global);
    memset(shared, 0xFF, 16);
    f->copies.push_back({shared, valid ? global : nullptr, f->groups});
}

void rin_copy_commit() {
    self()->groups++;
}

void rin_emulate_copy_wait(unsigned left) {
    fiber *f = self();
    if (f->groups > left) make_copies(f, f->groups - left);
}
