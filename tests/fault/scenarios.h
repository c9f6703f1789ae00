/* SPDX-License-Identifier: MIT */
/* scenarios: what a user does with the library, each to be run again and again while one access after another fails. */
#ifndef RIN_TESTS_FAULT_SCENARIOS_H
#define RIN_TESTS_FAULT_SCENARIOS_H

#include "support/run.h"

#include "data/corpus.h"

enum { FAULT_TEXT = 32768 };

/* What the scenarios work on, made once without failures. */
typedef struct fault_lab {
    run_lab lab;             /* lab.run is what train and resume make; its log is that of the scenario */
    corpus files;            /* pictures/: a folder of two PNG files; pictures.tar; options.ini; videos/ */
    rin_config *config;      /* of a run */
    rin_config *of_videos;   /* of a run on videos */
    const char *data;        /* what train and resume train on: lab.data or pictures */
    char pictures[64];       /* pictures/ */
    char videos[64];         /* videos/: a folder of two videos */
    char whole[96];          /* a run that was left alone */
    char whole_pictures[96]; /* the same, on pictures */
    char whole_videos[96];   /* on videos */
    char movie[96];          /* a WebP file, not made */
    char pack[96];           /* of videos/, not made */
    char half[96];           /* as whole, stopped half way */
    char text[FAULT_TEXT];   /* what the scenario made, where that is text */
    char expected[FAULT_TEXT];
} fault_lab;

void fault_lab_create(fault_lab *l);
void fault_lab_free(fault_lab *l);

typedef struct scenario {
    const char *name;
    void (*prepare)(fault_lab *l); /* before every run; may be NULL */
    /* Meets the failures. Frees all it made. */
    rin_status (*run)(fault_lab *l, rin_error *error);
    /* After a run that gave this status, and without failures from here on; may be NULL: l->text is as expected. */
    void (*verify)(fault_lab *l, rin_status status);
    bool writes;       /* what cannot be written is either an error or a warning */
    int runs_a_second; /* about, with sanitizers: the slow ones are swept in larger strides */
} scenario;

enum { N_SCENARIOS = 18 };
extern const scenario scenarios[N_SCENARIOS];

/* ---- runs.c ---- */

void fault_prepare_train(fault_lab *l);
void fault_prepare_train_pictures(fault_lab *l);
rin_status fault_run_train(fault_lab *l, rin_error *error);
void fault_prepare_resume(fault_lab *l);
rin_status fault_run_resume(fault_lab *l, rin_error *error);
/* No temporary files; a model that is there can be opened; the run goes on to the bytes of one that was left alone. */
void fault_verify_run(fault_lab *l, rin_status status);
/* Fails when a name in the folder is that of a temporary file. */
void fault_assert_no_temporaries(const char *folder);

#endif
