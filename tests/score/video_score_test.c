/* SPDX-License-Identifier: MIT */
/* FVD: of videos, and of a model that continues given frames. */
#include <glob.h>
#include <stdlib.h>

#include "support/check.h"

#include "data/videos.h"
#include "support/formula.h"
#include "support/json.h"
#include "support/options.h"
#include "support/run.h"

static run_lab lab;
static corpus videos;
static char weights[FORMULA_PATH];
static rin_model *model;

static int set_up(void **state) {
    (void)state;
    rin_error error = {0};
    rin_config *config = run_config(
        "model.image_channels=3 model.seq_len=9 model.seq_cond=2 train.steps=1 train.warmup_steps=0 "
        "train.batch=2 model.patch_size=4");
    rin_trainer *trainer = NULL;
    if (formula_lab(&lab, RIN_NETWORK_I3D, weights) != 0) return -1;
    videos = corpus_make();
    corpus_add_video(&videos, "a.webp", "plain.webp");
    corpus_add_video(&videos, "b.webp", "plain.webp");
    rin_status status = rin_trainer_create(config, videos.root, lab.run, run_lab_listener(&lab), &trainer, &error);
    if (status == RIN_OK) status = rin_trainer_run(trainer, &error);
    rin_trainer_free(trainer);
    rin_config_free(config);
    if (status == RIN_OK) return formula_open_model(lab.run, &model);
    print_error("%s\n", error.text);
    return -1;
}

static int tear_down(void **state) {
    (void)state;
    rin_model_free(model);
    corpus_remove(&videos);
    run_lab_free(&lab);
    return 0;
}

static rin_config *config_of(const char *options) {
    return formula_config(rin_model_config(model), weights, NULL,
                          "eval.batch=32 eval.count=2 eval.frames=9 eval.limit=2", options);
}

static void test_clips_and_their_statistics(void **state) {
    (void)state;
    char file[256];
    int64_t n;
    rin_error error = {0};
    rin_scores scores;
    rin_config *config = config_of("");
    snprintf(file, sizeof file, "%s/clips.npz", lab.folder);
    assert_ok(rin_eval_statistics(videos.root, true, config, NULL, 1, file, run_lab_listener(&lab), &n, &error),
              &error);
    assert_int_equal(n, 2);
    rin_score_request request = {.scores = RIN_SCORE_FVD, .data = videos.root, .reference = file, .threads = 1};
    assert_ok(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), &error);
    assert_true(scores.n == 2 && scores.n_reference == 2 && scores.frechet < 1e-6);
    cJSON *protocol = cJSON_Parse(scores.protocol);
    assert_string_equal(json_text(protocol, "network"), "i3d");
    assert_true(json_number(protocol, "frames") == 9);
    const cJSON *made_by = json_member(json_member(protocol, "reference"), "protocol");
    assert_string_equal(json_text(json_member(made_by, "source"), "size"), "48x32");
    cJSON_Delete(protocol);
    rin_scores_clear(&scores);
    /* Statistics serve as well as what they were made of, to the bit. */
    double distances[2];
    corpus others = corpus_make();
    corpus_add_pictures(&others, "x/", "%d.png");
    corpus_add_pictures(&others, "y/", "%d.png");
    for (int i = 0; i < 2; i++) {
        request.data = others.root;
        request.reference = i ? videos.root : file;
        assert_ok(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), &error);
        assert_true(scores.n == 2 && scores.n_reference == 2);
        distances[i] = scores.frechet_raw;
        rin_scores_clear(&scores);
    }
    assert_true(distances[0] > 0);
    assert_memory_equal(&distances[0], &distances[1], sizeof distances[0]);
    corpus_remove(&others);
    request.data = videos.root;
    request.reference = file;
    /* Other frames are another protocol. */
    options_set(config, "eval.frames=10");
    assert_refused(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), RIN_ERR_ARG, &error,
                   "frames 9, the other set with 10");
    rin_config_free(config);
}

static rin_scores score_model(const char *folder, const char *options, const char *reference) {
    rin_error error = {0};
    rin_scores scores;
    rin_config *config = config_of(options);
    const rin_score_request request = {
        .scores = RIN_SCORE_FVD, .model = model, .reference = reference, .folder = folder, .threads = 1};
    assert_ok(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), &error);
    rin_config_free(config);
    return scores;
}

/* The features that are kept in a folder of the lab; freed by test_free. */
static char *kept_features(const char *folder, size_t *n) {
    char pattern[300];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*-features.npy", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    char *bytes = run_read(found.gl_pathv[0], n);
    globfree(&found);
    return bytes;
}

/* The frames that are given are as large as the model's, however large the reference is looked at. */
static void test_model_continues_clips(void **state) {
    (void)state;
    static const char *const sizes[] = {"", "eval.size=4", "eval.size=16"};
    double distances[RIN_COUNT(sizes)];
    char *kept[RIN_COUNT(sizes)];
    size_t n[RIN_COUNT(sizes)];
    for (size_t i = 0; i < RIN_COUNT(sizes); i++) {
        char folder[256];
        snprintf(folder, sizeof folder, "%s/size%zu", lab.folder, i);
        rin_scores scores = score_model(folder, sizes[i], videos.root);
        distances[i] = scores.frechet;
        assert_true(scores.n == 2 && scores.n_reference == 2);
        rin_scores_clear(&scores);
        kept[i] = kept_features(folder, &n[i]);
        assert_int_equal(n[i], n[0]);
        assert_memory_equal(kept[i], kept[0], n[0]);
    }
    for (size_t i = 0; i < RIN_COUNT(sizes); i++) test_free(kept[i]);
    rin_error error = {0};
    rin_scores scores;
    assert_true(distances[0] > 0 && distances[1] != distances[0] && distances[2] != distances[0]);
    rin_config *config = config_of("");
    const rin_score_request request = {.scores = RIN_SCORE_FVD, .model = model, .reference = "a.npz", .threads = 1};
    assert_refused(rin_eval_score(&request, config, run_lab_listener(&lab), &scores, &error), RIN_ERR_IO, &error,
                   "a.npz");
    rin_config_free(config);
}

/* Features that were kept count for the statistics as if they had been made now. */
static void test_more_samples(void **state) {
    (void)state;
    char folder[256];
    rin_scores scores = score_model(NULL, "eval.count=3", videos.root);
    double wanted = scores.frechet_raw;
    rin_scores_clear(&scores);
    snprintf(folder, sizeof folder, "%s/kept", lab.folder);
    scores = score_model(folder, "", videos.root);
    double fewer = scores.frechet_raw;
    rin_scores_clear(&scores);
    scores = score_model(folder, "eval.count=3", videos.root);
    assert_memory_equal(&scores.frechet_raw, &wanted, sizeof wanted);
    assert_true(fewer != wanted && scores.n == 3);
    rin_scores_clear(&scores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clips_and_their_statistics),
        cmocka_unit_test(test_model_continues_clips),
        cmocka_unit_test(test_more_samples),
    };
    return cmocka_run_group_tests_name("score/video_score", tests, set_up, tear_down);
}
