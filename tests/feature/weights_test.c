/* SPDX-License-Identifier: MIT */
/* Files of weights: which are taken, which are refused and with what words; and what the network makes of a picture. */
#include <stdlib.h>
#include <unistd.h>

#include "support/formula.h"
#include "support/run.h"

static run_lab lab;
static char inception[FORMULA_PATH]; /* the whole file, as it should be */

static int set_up(void **state) {
    (void)state;
    return formula_lab(&lab, RIN_NETWORK_INCEPTION, inception);
}

static int tear_down(void **state) {
    (void)state;
    run_lab_free(&lab);
    return 0;
}

static const char *const pool3[] = {"pool3", "logits_unbiased"}, *const logits[] = {"logits"};

static rin_extractor_options options_of(rin_feature_network network, int64_t batch, int threads) {
    bool i3d = network == RIN_NETWORK_I3D;
    return (rin_extractor_options){network, batch, RIN_I3D_LEAST_FRAMES, i3d ? logits : pool3, 1, "cpu", threads};
}

static rin_extractor *open_at(rin_feature_network network, const char *path) {
    rin_error error = {0};
    rin_extractor *extractor;
    const rin_extractor_options options = options_of(network, 1, 1);
    assert_ok(rin_extractor_open(&options, path, &extractor, &error), &error);
    return extractor;
}

/* The hash of weights in a file of these changes. */
static void hash_of(rin_feature_network network, const formula_changes *changes, char out[RIN_HASH_TEXT]) {
    rin_error error = {0};
    const char *path = run_lab_path(&lab, "changed.safetensors");
    assert_ok(formula_write(network, path, changes, &error), &error);
    rin_extractor *extractor = open_at(network, path);
    snprintf(out, RIN_HASH_TEXT, "%s", rin_extractor_weights_hash(extractor));
    rin_extractor_free(extractor);
    unlink(path);
}

static void expect_refused(rin_feature_network network, const formula_changes *changes, rin_status status,
                           const char *const parts[2]) {
    rin_error error = {0};
    rin_extractor *extractor = (rin_extractor *)&error;
    const rin_extractor_options options = options_of(network, 1, 1);
    const char *path = run_lab_path(&lab, "wrong.safetensors");
    assert_ok(formula_write(network, path, changes, &error), &error);
    for (int i = 0; i < 2; i++)
        assert_refused(rin_extractor_open(&options, path, &extractor, &error), status, &error, parts[i]);
    assert_null(extractor);
    unlink(path);
}

/* ---- the same weights ---- */

static void as_doubles(void *user, formula_tensor *tensor) {
    (void)user;
    tensor->type = RIN_STORED_F64;
}

static void as_bfloats(void *user, formula_tensor *tensor) {
    (void)user;
    tensor->type = RIN_STORED_BF16;
}

/* The order of the file, its counters and its wider numbers are no matter; other numbers are. */
static void test_hash_is_of_names_and_values(void **state) {
    (void)state;
    static const formula_changes same[] = {{.reversed = true, .counters = true}, {.change = as_doubles}};
    static const formula_changes rounded = {.change = as_bfloats};
    char wanted[RIN_HASH_TEXT], got[RIN_HASH_TEXT];
    hash_of(RIN_NETWORK_I3D, NULL, wanted);
    assert_int_equal(strspn(wanted, "0123456789abcdef"), 64);
    for (size_t i = 0; i < RIN_COUNT(same); i++) {
        hash_of(RIN_NETWORK_I3D, &same[i], got);
        assert_string_equal(got, wanted);
    }
    hash_of(RIN_NETWORK_I3D, &rounded, got);
    assert_string_not_equal(got, wanted);
}

/* ---- I3D's other names ---- */

static void replace(char *name, size_t size, const char *old, const char *new) {
    char *at = strstr(name, old), rest[128];
    if (!at) return;
    snprintf(rest, sizeof rest, "%s", at + strlen(old));
    snprintf(at, size - (size_t)(at - name), "%s%s", new, rest);
}

/* As hassony2's port has them. */
static void rename_tensor(formula_tensor *t) {
    static const char *const names[][2] = {{"b0.", "branch_0."},    {"b1a.", "branch_1.0."},    {"b1b.", "branch_1.1."},
                                           {"b2a.", "branch_2.0."}, {"b2b.", "branch_2.1."},    {"b3b.", "branch_3.1."},
                                           {".bn.", ".batch3d."},   {"logits", "conv3d_0c_1x1"}};
    if (t->name[0] == 'C' || t->name[0] == 'M') t->name[0] = (char)(t->name[0] + 'a' - 'A');
    for (size_t i = 0; i < RIN_COUNT(names); i++) replace(t->name, sizeof t->name, names[i][0], names[i][1]);
}

static bool is_scale(const formula_tensor *t) {
    return strstr(t->name, ".bn.weight") != NULL;
}

static void with_ones(void *user, formula_tensor *t) {
    (void)user;
    for (int64_t i = 0; t->values && is_scale(t) && i < t->count; i++) t->values[i] = 1;
}

static void as_ported(void *user, formula_tensor *t) {
    (void)user;
    if (is_scale(t)) *t->name = '\0';
    else rename_tensor(t);
}

static void test_names_of_i3d(void **state) {
    (void)state;
    static const formula_changes ours = {.change = with_ones}, theirs = {.change = as_ported, .counters = true};
    char wanted[RIN_HASH_TEXT], got[RIN_HASH_TEXT];
    formula_tensor t = {.name = "Mixed_3b.b1a.bn.bias"};
    rename_tensor(&t);
    assert_string_equal(t.name, "mixed_3b.branch_1.0.batch3d.bias");
    hash_of(RIN_NETWORK_I3D, &ours, wanted);
    hash_of(RIN_NETWORK_I3D, &theirs, got);
    assert_string_equal(got, wanted);
}

/* ---- what is refused ---- */

typedef struct damage {
    const char *name;
    enum { MISSING, RESHAPED, NOT_A_NUMBER, NEGATIVE } kind;
} damage;

static void do_damage(void *user, formula_tensor *t) {
    const damage *d = user;
    if (strcmp(t->name, d->name) != 0) return;
    if (d->kind == MISSING) *t->name = '\0';
    if (d->kind == RESHAPED) t->shape[0]++;
    if (d->kind == NOT_A_NUMBER && t->values) t->values[5] = NAN;
    if (d->kind == NEGATIVE && t->values) t->values[1] = -0.5f;
}

static void test_damage_is_named(void **state) {
    (void)state;
    static const struct {
        damage damage;
        rin_status status;
        const char *part;
    } rows[] = {
        {{"Conv3d_2b_1x1.conv3d.weight", MISSING}, RIN_ERR_FORMAT, "are these the weights of i3d? If not, get i3d_"},
        {{"Conv3d_1a_7x7.conv3d.weight", RESHAPED}, RIN_ERR_SHAPE, "is not (64, 3, 7, 7, 7)"},
        {{"logits.conv3d.bias", NOT_A_NUMBER}, RIN_ERR_NUMERIC, "number 5 of"},
        {{"Conv3d_2b_1x1.bn.running_var", NEGATIVE}, RIN_ERR_NUMERIC, "number 1 of"},
    };
    for (size_t i = 0; i < RIN_COUNT(rows); i++) {
        damage d = rows[i].damage;
        const formula_changes changes = {.change = do_damage, .user = &d};
        expect_refused(RIN_NETWORK_I3D, &changes, rows[i].status, (const char *const[]){rows[i].part, d.name});
    }
    damage d = {"Conv2d_1a_3x3.bn.weight", MISSING}; /* only I3D's may be absent */
    const formula_changes changes = {.change = do_damage, .user = &d};
    expect_refused(RIN_NETWORK_INCEPTION, &changes, RIN_ERR_FORMAT, (const char *const[]){d.name, "of inception?"});
}

static void test_other_tensors_are_refused(void **state) {
    (void)state;
    static const formula_changes aux = {.additional = "AuxLogits.fc.bias"};
    expect_refused(RIN_NETWORK_I3D, &aux, RIN_ERR_FORMAT,
                   (const char *const[]){"AuxLogits.fc.bias", "another network's file"});
    rin_error error = {0};
    rin_extractor *extractor;
    const rin_extractor_options options = options_of(RIN_NETWORK_I3D, 1, 1);
    assert_refused(rin_extractor_open(&options, inception, &extractor, &error), RIN_ERR_FORMAT, &error,
                   "has no tensor 'Conv3d_1a_7x7.conv3d.weight'");
}

static void test_files_that_are_not_there(void **state) {
    (void)state;
    rin_error error = {0};
    rin_extractor *extractor;
    const char *nothing = run_lab_path(&lab, "nothing.safetensors");
    const rin_extractor_options pictures = options_of(RIN_NETWORK_INCEPTION, 1, 1);
    const rin_extractor_options clips = options_of(RIN_NETWORK_I3D, 1, 1);
    const char *const line = "s.save_file({k:v.float().contiguous() for k,v in d.items() if not "
                             "k.endswith('num_batches_tracked')},'inception_fid.safetensors')\"";
    assert_refused(rin_extractor_open(&pictures, NULL, &extractor, &error), RIN_ERR_ARG, &error, line);
    assert_refused(rin_extractor_open(&pictures, "", &extractor, &error), RIN_ERR_ARG, &error, line);
    assert_refused(rin_extractor_open(&pictures, nothing, &extractor, &error), RIN_ERR_IO, &error, line);
    assert_refused(rin_extractor_open(&pictures, nothing, &extractor, &error), RIN_ERR_IO, &error, nothing);
    assert_refused(rin_extractor_open(&clips, NULL, &extractor, &error), RIN_ERR_ARG, &error,
                   "torch.load('i3d_pretrained_400.pt',map_location='cpu',weights_only=True)");
    assert_refused(rin_extractor_open(&pictures, lab.folder, &extractor, &error), RIN_ERR_IO, &error, lab.folder);
    assert_int_equal(truncate(inception, 1 << 20), 0); /* nobody needs it any more */
    assert_refused(rin_extractor_open(&pictures, inception, &extractor, &error), RIN_ERR_FORMAT, &error, inception);
    assert_null(extractor);
}

/* ---- the network ---- */

enum { PICTURE = 32, INPUT = RIN_INCEPTION_SIDE * RIN_INCEPTION_SIDE * 3, PICTURES = 3 };

static float *read_picture(void) {
    size_t n;
    char *bytes = run_read("tests/fixtures/inception_picture.rgb", &n);
    assert_int_equal(n, PICTURE * PICTURE * 3);
    float *pixels = test_malloc(n * sizeof *pixels);
    for (size_t i = 0; i < n; i++) pixels[i] = (float)(uint8_t)bytes[i];
    test_free(bytes);
    return pixels;
}

/* Features of pytorch-fid's network in float64 with these weights, of one picture under each resize. */
static void test_known_features(void **state) {
    (void)state;
    static const struct {
        rin_preprocess kind;
        int at;
        double value;
    } known[] = {
        {RIN_PREPROCESS_TF, 0, 2.280123698841763},
        {RIN_PREPROCESS_TF, 1, 0.2760244931536873},
        {RIN_PREPROCESS_TF, 319, 0},
        {RIN_PREPROCESS_TF, 320, 1.9808301755775792},
        {RIN_PREPROCESS_TF, 1000, 1.7331101659439259},
        {RIN_PREPROCESS_TF, 1791, 0.20850909479062},
        {RIN_PREPROCESS_TF, 2047, 3.763593419624378},
        {RIN_PREPROCESS_HALF_PIXEL, 0, 2.2923122048845315},
        {RIN_PREPROCESS_HALF_PIXEL, 2047, 3.723267728042},
        {RIN_PREPROCESS_CLEAN, 0, 2.3788679859509214},
        {RIN_PREPROCESS_CLEAN, 2047, 3.8431648389989035},
    };
    const double largest_feature = 19.35, tolerance = 1e-5;
    rin_error error = {0};
    float *pixels = read_picture(), *input = test_malloc(INPUT * sizeof *input);
    static float features[RIN_INCEPTION_FEATURES];
    rin_extractor *extractor = open_at(RIN_NETWORK_INCEPTION, inception);
    assert_int_equal(rin_extractor_input_count(extractor), INPUT);
    for (size_t i = 0; i < RIN_COUNT(known); i++) {
        if (!i || known[i].kind != known[i - 1].kind) {
            assert_ok(rin_inception_input(known[i].kind, pixels, PICTURE, PICTURE, input, &error), &error);
            assert_ok(rin_extractor_run(extractor, input, 1, &error), &error);
            assert_ok(rin_extractor_read(extractor, "pool3", features, &error), &error);
        }
        double got = (double)features[known[i].at];
        assert_close("pool3", &got, &known[i].value, 1, tolerance * largest_feature);
    }
    rin_extractor_free(extractor);
    test_free(pixels);
    test_free(input);
}

/* Bits of features do not depend on the batch that a picture is in, its place there, or the number of threads. */
static void test_features_are_a_pictures_own(void **state) {
    (void)state;
    rin_error error = {0};
    float *pixels = read_picture(), *inputs = test_malloc(PICTURES * INPUT * sizeof *inputs);
    static float alone[PICTURES * RIN_INCEPTION_FEATURES], together[PICTURES * RIN_INCEPTION_FEATURES];
    for (int i = 0; i < PICTURES; i++) {
        for (int k = 0; k < PICTURE * PICTURE * 3; k++) pixels[k] = 255 - pixels[k] / (float)(i + 1);
        assert_ok(rin_inception_input(RIN_PREPROCESS_TF, pixels, PICTURE, PICTURE, inputs + i * INPUT, &error), &error);
    }
    rin_extractor *one = open_at(RIN_NETWORK_INCEPTION, inception), *many;
    for (int i = 0; i < PICTURES; i++) {
        assert_ok(rin_extractor_run(one, inputs + i * INPUT, 1, &error), &error);
        assert_ok(rin_extractor_read(one, "pool3", alone + i * RIN_INCEPTION_FEATURES, &error), &error);
    }
    assert_memory_not_equal(alone, alone + RIN_INCEPTION_FEATURES, sizeof alone / PICTURES);
    rin_extractor_options options = options_of(RIN_NETWORK_INCEPTION, PICTURES, 2);
    assert_ok(rin_extractor_create(&options, rin_formula_weights(), &many, &error), &error);
    assert_string_equal(rin_extractor_weights_hash(many), rin_extractor_weights_hash(one));
    for (int64_t n = PICTURES; n >= PICTURES - 1; n--) { /* a whole batch, and a part of one */
        assert_ok(rin_extractor_run(many, inputs, n, &error), &error);
        assert_ok(rin_extractor_read(many, "pool3", together, &error), &error);
        assert_memory_equal(together, alone, (size_t)n * RIN_INCEPTION_FEATURES * sizeof *alone);
    }
    rin_extractor_free(one);
    rin_extractor_free(many);
    test_free(pixels);
    test_free(inputs);
}

static void test_stages_that_are_none(void **state) {
    (void)state;
    static const char *const wrong[] = {"pool3", "Mixed_8a"};
    rin_error error = {0};
    rin_extractor *extractor = (rin_extractor *)&error;
    const rin_extractor_options options = {RIN_NETWORK_INCEPTION, 1, 0, wrong, 2, "cpu", 1};
    assert_refused(rin_extractor_create(&options, rin_formula_weights(), &extractor, &error), RIN_ERR_ARG, &error,
                   "'Mixed_8a'");
    assert_null(extractor);
    rin_extractor_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_of_names_and_values),
        cmocka_unit_test(test_names_of_i3d),
        cmocka_unit_test(test_damage_is_named),
        cmocka_unit_test(test_other_tensors_are_refused),
        cmocka_unit_test(test_known_features),
        cmocka_unit_test(test_features_are_a_pictures_own),
        cmocka_unit_test(test_stages_that_are_none),
        cmocka_unit_test(test_files_that_are_not_there),
    };
    return cmocka_run_group_tests_name("feature/weights", tests, set_up, tear_down);
}
