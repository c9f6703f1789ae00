/* SPDX-License-Identifier: MIT */
/* Two models at once, each in a thread of its own, and two generators of one model: neither notices the other. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/embed.h"

enum { MODELS = 2, ROUNDS = 4 };

typedef struct work {
    const embed *e;
    char run[EMBED_PATH];
    int seed;
    rin_status status;
    rin_error error;
    uint8_t pixels[EMBED_BYTES];
} work;

static void *train_and_sample(void *argument) {
    work *w = argument;
    w->status = embed_train(w->e->data, w->run, w->seed, &w->error);
    if (w->status == RIN_OK) w->status = embed_sample(w->run, (uint64_t)w->seed, w->pixels, &w->error);
    return NULL;
}

static work new_work(const embed *e, const char *name, int i) {
    work w = {.e = e, .seed = 5 + i};
    snprintf(w.run, sizeof w.run, "%s/%s-%d", e->root, name, i);
    return w;
}

static char *read_model(const work *w, size_t *n) {
    enum { MOST = 1 << 20 };
    char path[EMBED_PATH + 32], *bytes = malloc(MOST);
    snprintf(path, sizeof path, "%s/model.safetensors", w->run);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(bytes);
    *n = fread(bytes, 1, MOST, file);
    fclose(file);
    assert_in_range(*n, 1, MOST - 1);
    return bytes;
}

static void assert_same(const work *a, const work *b) {
    size_t n, m;
    char *left = read_model(a, &n), *right = read_model(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(left, right, n);
    assert_memory_equal(a->pixels, b->pixels, EMBED_BYTES);
    free(left);
    free(right);
}

static void apart(void **state) {
    const embed *e = *state;
    work alone[MODELS], together[MODELS];
    pthread_t threads[MODELS];
    for (int i = 0; i < MODELS; i++) {
        alone[i] = new_work(e, "alone", i);
        train_and_sample(&alone[i]);
        embed_ok(alone[i].status, &alone[i].error);
    }
    assert_memory_not_equal(alone[0].pixels, alone[1].pixels, EMBED_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MODELS; i++) {
            together[i] = new_work(e, "together", i);
            assert_int_equal(pthread_create(&threads[i], NULL, train_and_sample, &together[i]), 0);
        }
        for (int i = 0; i < MODELS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int i = 0; i < MODELS; i++) {
            embed_ok(together[i].status, &together[i].error);
            assert_same(&alone[i], &together[i]);
            embed_remove(together[i].run);
        }
    }
}

typedef struct maker {
    rin_model *model;
    uint64_t seed;
    rin_status status;
    rin_error error;
    uint8_t pixels[EMBED_BYTES];
} maker;

static void *make_pictures(void *argument) {
    enum { EACH = EMBED_BYTES / EMBED_PICTURES };
    maker *m = argument;
    rin_generator *generator = NULL;
    m->status = rin_generator_create(m->model, rin_model_config(m->model), EMBED_PICTURES, NULL, m->seed, &generator,
                                     &m->error);
    if (m->status == RIN_OK) m->status = rin_generator_run(generator, (rin_listener){0}, &m->error);
    for (int i = 0; i < EMBED_PICTURES && m->status == RIN_OK; i++)
        memcpy(m->pixels + i * EACH, rin_generator_pixels(generator, i), EACH);
    rin_generator_free(generator);
    return NULL;
}

static void of_one_model(void **state) {
    const embed *e = *state;
    work trained = new_work(e, "shared", 0);
    maker alone[MODELS] = {{0}}, together[MODELS] = {{0}};
    pthread_t threads[MODELS];
    rin_model *model = NULL;
    rin_error error = {0};
    train_and_sample(&trained);
    embed_ok(trained.status, &trained.error);
    embed_ok(rin_model_open(trained.run, NULL, 2, &model, &error), &error);
    for (int i = 0; i < MODELS; i++) {
        alone[i].model = together[i].model = model;
        alone[i].seed = together[i].seed = (uint64_t)i;
        make_pictures(&alone[i]);
        embed_ok(alone[i].status, &alone[i].error);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MODELS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, make_pictures, &together[i]), 0);
        for (int i = 0; i < MODELS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int i = 0; i < MODELS; i++) {
            embed_ok(together[i].status, &together[i].error);
            assert_memory_equal(alone[i].pixels, together[i].pixels, EMBED_BYTES);
        }
    }
    rin_model_free(model);
    embed_remove(trained.run);
}

int main(void) {
    const struct CMUnitTest tests[] = {EMBED_TEST(apart), EMBED_TEST(of_one_model)};
    return cmocka_run_group_tests_name("embed/threads", tests, embed_start, embed_end);
}
