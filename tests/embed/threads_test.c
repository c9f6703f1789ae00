/* SPDX-License-Identifier: MIT */
/* Two models at once, each in a thread of its own: neither notices the other. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {EMBED_TEST(apart)};
    return cmocka_run_group_tests_name("embed/threads", tests, embed_start, embed_end);
}
