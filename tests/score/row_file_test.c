/* SPDX-License-Identifier: MIT */
/* Files of rows: what is appended can be read, by numpy too, and gone on from. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/run.h"

#include "npz/npz.h"
#include "score/row_file.h"

enum { DIM = 5, ROWS = 7 };

static run_lab lab;

static int set_up(void **state) {
    (void)state;
    run_lab_create(&lab);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    run_lab_free(&lab);
    return 0;
}

static void fill(float rows[ROWS * DIM]) {
    for (int i = 0; i < ROWS * DIM; i++) rows[i] = 0.5f * (float)i - 3;
}

static void expect_rows(const rin_row_file *file, const float *wanted, int64_t n) {
    rin_error error = {0};
    float got[ROWS * DIM];
    assert_int_equal(file->n, n);
    assert_ok(rin_row_file_read(file, 0, n, got, &error), &error);
    assert_memory_equal(got, wanted, (size_t)(n * DIM) * sizeof *got);
}

/* As numpy would. */
static void expect_npy(const char *path, const float *wanted, int64_t n) {
    rin_error error = {0};
    rin_npz *npz;
    double got[ROWS * DIM];
    assert_ok(rin_npz_open(path, &npz, &error), &error);
    const rin_npz_array *array = rin_npz_get(npz, 0);
    assert_true(array->kind == 'f' && array->item_bytes == 4 && array->rank == 2 && !array->fortran);
    assert_true(array->shape[0] == n && array->shape[1] == DIM);
    assert_ok(rin_npz_read(npz, array, got, n * DIM, &error), &error);
    for (int i = 0; i < n * DIM; i++) assert_true(got[i] == (double)wanted[i]);
    rin_npz_close(npz);
}

static void test_rows_grow(void **state) {
    (void)state;
    rin_error error = {0};
    float rows[ROWS * DIM], part[2 * DIM];
    rin_row_file file;
    fill(rows);
    const char *path = run_lab_path(&lab, "grows.npy");
    assert_ok(rin_row_file_open(&file, path, DIM, 0, &error), &error);
    assert_ok(rin_row_file_append(&file, rows, 3, &error), &error);
    assert_ok(rin_row_file_append(&file, rows, 0, &error), &error);
    assert_ok(rin_row_file_append(&file, rows + 3 * DIM, 4, &error), &error);
    expect_rows(&file, rows, ROWS);
    assert_ok(rin_row_file_read(&file, 2, 2, part, &error), &error);
    assert_memory_equal(part, rows + 2 * DIM, sizeof part);
    assert_ok(rin_row_file_sync(&file, &error), &error);
    expect_npy(path, rows, ROWS);
    rin_rows view = rin_row_file_rows(&file, 4);
    assert_true(view.n == 4 && view.dim == DIM);
    assert_ok(rin_rows_read(&view, 3, 1, part, &error), &error);
    assert_memory_equal(part, rows + 3 * DIM, DIM * sizeof *part);
    rin_row_file_close(&file);
    rin_row_file_close(&file); /* once more does no harm */
    assert_int_equal(file.fd, -1);
}

/* Rows beyond those that are kept are forgotten, as nobody knows whether all of them had been written. */
static void test_kept_rows_stay(void **state) {
    (void)state;
    rin_error error = {0};
    float rows[ROWS * DIM];
    rin_row_file file;
    fill(rows);
    const char *path = run_lab_path(&lab, "kept.npy");
    assert_ok(rin_row_file_open(&file, path, DIM, 0, &error), &error);
    assert_ok(rin_row_file_append(&file, rows, 6, &error), &error);
    assert_ok(rin_row_file_sync(&file, &error), &error);
    rin_row_file_close(&file);
    assert_ok(rin_row_file_open(&file, path, DIM, 4, &error), &error);
    expect_rows(&file, rows, 4);
    assert_ok(rin_row_file_append(&file, rows + 4 * DIM, 1, &error), &error);
    expect_rows(&file, rows, 5);
    assert_ok(rin_row_file_sync(&file, &error), &error);
    rin_row_file_close(&file);
    expect_npy(path, rows, 5);
    assert_refused(rin_row_file_open(&file, path, DIM, 6, &error), RIN_ERR_FORMAT, &error, "fewer than the 6 rows");
    assert_int_equal(file.fd, -1);
    expect_npy(path, rows, 5);
    assert_ok(rin_row_file_open(&file, path, DIM, 0, &error), &error); /* anew */
    rin_row_file_close(&file);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, RIN_NPY_HEADER);
}

static void test_files_without_a_name(void **state) {
    (void)state;
    rin_error error = {0};
    float rows[ROWS * DIM];
    rin_row_file file, other;
    const char *before = getenv("TMPDIR");
    char *saved = before ? rin_strdup(before, NULL) : NULL;
    fill(rows);
    const char *folder = run_lab_path(&lab, "temporary");
    assert_int_equal(mkdir(folder, 0777), 0);
    setenv("TMPDIR", folder, 1);
    assert_ok(rin_row_file_open(&file, NULL, DIM, 0, &error), &error);
    assert_int_equal(rmdir(folder), 0); /* nothing is seen of it */
    assert_ok(rin_row_file_append(&file, rows, ROWS, &error), &error);
    expect_rows(&file, rows, ROWS);
    assert_refused(rin_row_file_open(&other, NULL, DIM, 0, &error), RIN_ERR_IO, &error, "temporary file of features");
    assert_int_equal(other.fd, -1);
    char longest[1100] = "/";
    memset(longest + 1, 'x', sizeof longest - 2);
    setenv("TMPDIR", longest, 1);
    assert_refused(rin_row_file_open(&other, NULL, DIM, 0, &error), RIN_ERR_IO, &error, "too long");
    setenv("TMPDIR", "", 1);
    assert_ok(rin_row_file_open(&other, NULL, DIM, 0, &error), &error);
    rin_row_file_close(&other);
    rin_row_file_close(&file);
    if (saved) setenv("TMPDIR", saved, 1);
    else unsetenv("TMPDIR");
    rin_free(saved);
}

static void test_what_is_refused(void **state) {
    (void)state;
    rin_error error = {0};
    float row[DIM] = {0}, rows[3 * DIM];
    rin_row_file file;
    const char *path = run_lab_path(&lab, "short.npy"), *other = run_lab_path(&lab, "none/short.npy");
    assert_refused(rin_row_file_open(&file, other, DIM, 0, &error), RIN_ERR_IO, &error, other);
    assert_refused(rin_row_file_open(&file, lab.folder, DIM, 0, &error), RIN_ERR_IO, &error, lab.folder);
    assert_ok(rin_row_file_open(&file, path, DIM, 0, &error), &error);
    assert_ok(rin_row_file_append(&file, row, 1, &error), &error);
    static const int64_t wrong[][2] = {{0, 2}, {1, 1}, {-1, 1}, {0, -1}, {2, 0}};
    for (size_t i = 0; i < RIN_COUNT(wrong); i++)
        assert_refused(rin_row_file_read(&file, wrong[i][0], wrong[i][1], rows, &error), RIN_ERR_INTERNAL, &error,
                       "of 1");
    /* Cut by somebody else. */
    assert_int_equal(truncate(path, RIN_NPY_HEADER + 3), 0);
    assert_refused(rin_row_file_read(&file, 0, 1, rows, &error), RIN_ERR_IO, &error, "read");
    rin_row_file_close(&file);
    /* No link leads rows into somebody's file. */
    const char *target = run_lab_path(&lab, "target"), *link = run_lab_path(&lab, "link.npy");
    assert_ok(rin_file_write(target, "precious", 8, &error), &error);
    assert_int_equal(symlink(target, link), 0);
    assert_refused(rin_row_file_open(&file, link, DIM, 0, &error), RIN_ERR_IO, &error, link);
    struct stat info;
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_size, 8);
}

static void test_full_disk(void **state) {
    (void)state;
    rin_error error = {0};
    float row[DIM] = {0};
    int fd = access("/dev/full", W_OK) == 0 ? 0 : -1;
    if (fd < 0) skip();
    rin_row_file file = {.fd = -1, .dim = DIM};
    FILE *stream = fopen("/dev/full", "r+");
    assert_non_null(stream);
    file.fd = dup(fileno(stream));
    fclose(stream);
    assert_refused(rin_row_file_append(&file, row, 1, &error), RIN_ERR_IO, &error, "No space left");
    assert_int_equal(file.n, 0);
    assert_refused(rin_row_file_sync(&file, &error), RIN_ERR_IO, &error, "No space left");
    rin_row_file_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_grow),
        cmocka_unit_test(test_kept_rows_stay),
        cmocka_unit_test(test_files_without_a_name),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests_name("score/row_file", tests, set_up, tear_down);
}
