/* SPDX-License-Identifier: MIT */
/* graph: shapes, values and nodes; a sticky-error builder; scoped names; listings. Build order is execution order. */
#ifndef RIN_GRAPH_H
#define RIN_GRAPH_H

#include "base/base.h"

/* ---- shapes: contiguous, outermost dimension first ---- */

enum { RIN_MAX_RANK = 6 };

/* Most elements of a tensor, and of an arena: the bytes of several arenas fit an int64, in double precision too. */
#define RIN_MAX_ELEMENTS (INT64_MAX / 64)

typedef struct rin_shape {
    int rank;
    int64_t dim[RIN_MAX_RANK];
} rin_shape;

/* RIN_SHAPE(B, N, D) */
#define RIN_SHAPE(...) ((rin_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

int64_t rin_shape_count(const rin_shape *shape); /* elements */
/* Elements a tensor takes in an arena: whole cache lines of floats, so that each begins at one. */
static inline int64_t rin_padded_count(int64_t count) {
    enum { LINE = 16 };
    return (count + LINE - 1) / LINE * LINE;
}
int64_t rin_shape_last(const rin_shape *shape);               /* innermost dimension, 1 for a scalar */
int64_t rin_shape_rows(const rin_shape *shape);               /* elements / innermost dimension */
bool rin_shape_equal(const rin_shape *a, const rin_shape *b); /* same rank and dimensions */
/* "(2, 3)" into text, which is returned. */
const char *rin_shape_text(const rin_shape *shape, char text[static 96]);

/* ---- values ---- */

/* Number of a value in its graph; 0 is "no value": absent optional inputs, and everything after an error. */
typedef uint32_t rin_value;

typedef enum rin_value_kind {
    RIN_VALUE_INPUT, /* written by the caller before a run */
    RIN_VALUE_PARAM, /* a trained tensor */
    RIN_VALUE_GRAD,  /* gradient of a trained tensor: kept after the run, summed over accumulation parts */
    RIN_VALUE_CONST, /* computed when a program is bound, and anew when the parameters it comes from have changed */
    RIN_VALUE_LOCAL  /* lives in the planned arena */
} rin_value_kind;

/* How a trained tensor starts (section 3 of the specification). */
typedef enum rin_init_kind { RIN_INIT_CONSTANT, RIN_INIT_UNIFORM, RIN_INIT_TRUNCATED_NORMAL } rin_init_kind;

typedef struct rin_init {
    rin_init_kind kind;
    double scale; /* the constant; the limit; the standard deviation (cut at two of them) */
} rin_init;

/* What a value is stored as. Graphs are built of reals; passes of compile/compile.h may change some of them. */
typedef enum rin_type {
    RIN_TYPE_REAL,
    RIN_TYPE_BF16,  /* rin_narrow */
    RIN_TYPE_PANELS /* rin_pack: reals in the order in which a backend's products read them, (out, in) padded */
} rin_type;

/* Rows of a value of panels are padded to a multiple of this, which panels of every backend divide. */
enum { RIN_PANEL = 32 };

typedef struct rin_value_info {
    rin_value_kind kind;
    rin_type type;
    rin_shape shape;
    char *name;         /* scoped name of a parameter, name of an input or output; NULL otherwise */
    rin_init init;      /* parameters */
    rin_value param;    /* gradients: the parameter they belong to */
    rin_value gradient; /* parameters: their gradient, 0 before it is made */
    bool is_output;     /* kept until the end of the run, read by the caller under its name */
} rin_value_info;

/* Reals whose memory a value fits in. */
static inline int64_t rin_value_size(const rin_value_info *info) {
    int64_t count = rin_shape_count(&info->shape);
    switch (info->type) {
    case RIN_TYPE_BF16: return (count + 1) / 2;
    case RIN_TYPE_PANELS: return (info->shape.dim[0] + RIN_PANEL - 1) / RIN_PANEL * RIN_PANEL * info->shape.dim[1];
    default: return count;
    }
}

/* ---- nodes ---- */

enum { RIN_MAX_INPUTS = 8, RIN_MAX_OUTPUTS = 3, RIN_MAX_ATTR_BYTES = 96 };

typedef struct rin_node {
    int op;                             /* a row of op/op.def */
    int n_inputs, n_outputs;            /* inputs may contain 0 for an absent one */
    rin_value inputs[RIN_MAX_INPUTS];   /* read */
    rin_value outputs[RIN_MAX_OUTPUTS]; /* written; 0 where nobody wants it */
    uint32_t accumulate;                /* bit i: outputs[i] is added to, not set */
    uint32_t stream;                    /* number of this node's random numbers; a gradient has its forward node's */
    int layer;                          /* number of the layer it is part of, 0 for none; gradients have none */
    const char *scope;                  /* name of the part of the model, owned by the graph */
    _Alignas(8) unsigned char attr[RIN_MAX_ATTR_BYTES]; /* the op family's attributes, see op/op.h */
} rin_node;

/* ---- the graph ---- */

typedef struct rin_graph {
    rin_value_info *values; /* [n_values], [0] unused */
    rin_node *nodes;        /* [n_nodes] in execution order */
    int n_values, n_nodes;
    int value_capacity, node_capacity;
    rin_value *by_name; /* [n_places] hash table of named values, 0 where free; at most half full */
    int n_places, n_named;
    char **scopes; /* names of the scopes that nodes were appended in */
    int n_scopes;
    char scope[256]; /* the current one, and how long it was before each rin_graph_enter */
    int scope_lengths[16], scope_depth;
    uint32_t next_stream;
    int layer, n_layers; /* the current one, 0 for none; those begun */
    rin_error error;     /* the first failure; sticky */
} rin_graph;

rin_graph *rin_graph_create(rin_error *error);
void rin_graph_free(rin_graph *graph);

/* The first error of the build, if any. */
rin_status rin_graph_status(const rin_graph *graph, rin_error *error);
/* Records the first failure with the scope it happened in; always returns 0. */
rin_value rin_graph_fail(rin_graph *graph, rin_status code, const char *format, ...) RIN_PRINTF(3, 4);

/* Opens "name." for parameters and nodes until rin_graph_leave. */
void rin_graph_enter(rin_graph *graph, const char *format, ...) RIN_PRINTF(2, 3);
void rin_graph_leave(rin_graph *graph);

/* Nodes until rin_graph_end_layer are one layer, whose inner values are made again together (compile/recompute.c). */
void rin_graph_begin_layer(rin_graph *graph);
void rin_graph_end_layer(rin_graph *graph);

rin_value rin_graph_input(rin_graph *graph, const char *name, rin_shape shape);
/* The parameter "<scope>.<name>"; asking again gives the same one (two forwards share their weights). */
rin_value rin_graph_param(rin_graph *graph, const char *name, rin_shape shape, rin_init init);
/* The gradient tensor of a parameter, made at the first call. */
rin_value rin_graph_param_gradient(rin_graph *graph, rin_value param);
rin_value rin_graph_value(rin_graph *graph, rin_value_kind kind, rin_shape shape);
/* Keeps a value until the end of the run under a name; returns it. */
rin_value rin_graph_output(rin_graph *graph, const char *name, rin_value value);

/* Appends a copy of node; scope is filled in, stream too when it is 0. */
void rin_graph_append(rin_graph *graph, const rin_node *node);

const rin_shape *rin_graph_shape(const rin_graph *graph, rin_value value);
/* Value of that name (input, parameter or output), 0 when there is none. */
rin_value rin_graph_find(const rin_graph *graph, const char *name);

#endif
