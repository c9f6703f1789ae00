/* SPDX-License-Identifier: MIT */
/* exec: weights in a backend's memory, and programs: a graph bound to them once and run many times. */
#ifndef RIN_EXEC_H
#define RIN_EXEC_H

#include "backend/backend.h"
#include "compile/compile.h"

/* ---- weights: the parameters of a model, and what training adds to each ---- */

typedef struct rin_tensor {
    char *name;
    rin_shape shape;
    rin_init init;
    int64_t offset, count; /* elements in each arena */
} rin_tensor;

typedef enum rin_arena {
    RIN_ARENA_WEIGHTS,
    RIN_ARENA_EMA,
    RIN_ARENA_M,
    RIN_ARENA_V,
    RIN_ARENA_GRADIENTS,
    RIN_N_ARENAS
} rin_arena;

typedef struct rin_weights {
    rin_backend *backend; /* borrowed */
    rin_tensor *tensors;  /* [n_tensors] in the order the model declares them */
    const rin_tensor **by_name;
    rin_segment *segments;
    int n_tensors;
    int64_t count; /* elements of an arena, padding between tensors included */
    int64_t parameters;
    void *arenas[RIN_N_ARENAS];      /* NULL where absent */
    uint64_t versions[RIN_N_ARENAS]; /* counted up whenever the arena changes */
    struct {
        void *memory;     /* the arena in bf16, NULL where absent */
        uint64_t version; /* of the arena that it is a copy of */
    } narrow[RIN_N_ARENAS];
} rin_weights;

/* The layout of graph's parameters alone: no arena has memory. */
rin_status rin_weights_lay_out(const rin_graph *graph, rin_backend *backend, rin_weights **out,
                               rin_error *error) RIN_CHECKED;
/*
 * Arenas for the parameters of graph: weights and EMA, and with training also moments and gradients. Zeroed.
 * Errors: MEMORY, before anything is allocated, when they exceed rin_memory_total.
 */
rin_status rin_weights_create(const rin_graph *graph, rin_backend *backend, bool training, rin_weights **out,
                              rin_error *error) RIN_CHECKED;
void rin_weights_free(rin_weights *weights);
uint64_t rin_weights_bytes(const rin_weights *weights); /* of the arenas that there are */
const rin_tensor *rin_weights_find(const rin_weights *weights, const char *name);
/* Draws initial values from seed into the weights and copies them to the EMA. */
rin_status rin_weights_init(rin_weights *weights, uint64_t seed, rin_error *error) RIN_CHECKED;
void rin_weights_upload(rin_weights *weights, rin_arena arena, const rin_tensor *tensor, const float *values);
void rin_weights_download(const rin_weights *weights, rin_arena arena, const rin_tensor *tensor, float *values);

/* SHA-256 of the tensors' names and float32 values, in their order. Errors: MEMORY. */
rin_status rin_weights_hash(const rin_weights *weights, rin_arena arena, char out[RIN_HASH_TEXT],
                            rin_error *error) RIN_CHECKED;

/* A bf16 copy of an arena beside it, for programs that are narrowed; made anew where the arena has changed. */
rin_status rin_weights_add_narrow(rin_weights *weights, rin_arena arena, rin_error *error) RIN_CHECKED;
void rin_weights_refresh_narrow(rin_weights *weights, rin_arena arena);
/* After an update, which has changed weights and EMA, and has made the narrow copy of the weights anew itself. */
void rin_weights_updated(rin_weights *weights);

/* ---- programs ---- */

typedef struct rin_program rin_program;

typedef struct rin_program_options {
    rin_arena parameters; /* RIN_ARENA_WEIGHTS or RIN_ARENA_EMA: what parameters mean */
    bool no_reuse;        /* every value keeps its own memory */
    bool poison;          /* the arena is filled with NaN before each run, inputs excepted */
} rin_program_options;

/* Bytes that binding a graph allocates besides its weights. */
typedef struct rin_program_bytes {
    uint64_t arena, constants, scratch;
} rin_program_bytes;

/* Of a planned graph on the backend of weights, which may be a mere layout. Allocates next to nothing. */
rin_status rin_program_measure(const rin_graph *graph, const rin_plan *plan, const rin_weights *weights,
                               rin_program_bytes *out, rin_error *error) RIN_CHECKED;

/*
 * Plans and binds a finished graph. Takes ownership of graph, also when it fails.
 * Errors: MEMORY, before anything large is allocated, when it and the weights exceed rin_memory_total.
 */
rin_status rin_program_create(rin_graph *graph, rin_weights *weights, const rin_program_options *options,
                              rin_program **out, rin_error *error) RIN_CHECKED;
void rin_program_free(rin_program *program);
const rin_graph *rin_program_graph(const rin_program *program);
const rin_plan *rin_program_plan(const rin_program *program);
size_t rin_program_scratch_bytes(const rin_program *program);

/* Writes an input, reads an input or output, by name; n must be its number of elements. */
rin_status rin_program_write(rin_program *program, const char *name, const float *values, int64_t n,
                             rin_error *error) RIN_CHECKED;
rin_status rin_program_read(const rin_program *program, const char *name, float *values, int64_t n,
                            rin_error *error) RIN_CHECKED;
/* The same in the precision that the backend computes in. */
rin_status rin_program_read_double(const rin_program *program, const char *name, double *values, int64_t n,
                                   rin_error *error) RIN_CHECKED;
/* Input `to` becomes keep times itself plus 1 - keep times output `from`, where they are: as many elements each. */
rin_status rin_program_carry(rin_program *program, const char *from, const char *to, float keep,
                             rin_error *error) RIN_CHECKED;
/* Does the program have a value of that name? */
bool rin_program_has(const rin_program *program, const char *name);

typedef enum rin_section {
    RIN_SECTION_ALL,
    RIN_SECTION_GRADIENTS, /* everything before the norm of the gradients */
    RIN_SECTION_UPDATE     /* the norm of the gradients and the update */
} rin_section;

/* On a device it may still be running when this returns: reading waits. */
void rin_program_run(rin_program *program, const rin_step *step, rin_section section);

/* Seconds of node i, best of `repeats`, each node run by itself; of one that makes a constant they are left as they
 * are. seconds is [n_nodes of the graph]. */
void rin_program_profile(rin_program *program, const rin_step *step, int repeats, double *seconds);

#endif
