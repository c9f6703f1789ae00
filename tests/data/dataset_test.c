/* SPDX-License-Identifier: MIT */
/* Tests of data sets: kinds of source, classes, what is left out, damage, and the scan. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/corpus.h"

/* The red value of an item's second column, which says which picture it is. */
static int value_of(const rin_dataset *dataset, size_t index) {
    rin_image image;
    rin_error error = {0};
    if (rin_dataset_decode(dataset, index, &image, &error) != RIN_OK) fail_msg("%s", error.text);
    int value = ((uint8_t *)image.samples)[3];
    rin_image_clear(&image);
    return value;
}

static void expect_item(const rin_dataset *dataset, size_t index, const char *name, int label, int value) {
    assert_string_equal(rin_dataset_item_name(dataset, index), name);
    assert_int_equal(rin_dataset_item_label(dataset, index), label);
    assert_int_equal(value_of(dataset, index), value);
}

/* ---- folders ---- */

static void test_folder_of_classes(void **state) {
    (void)state;
    corpus c = corpus_make();
    remarks r = {0};
    corpus_add_png(&c, "b/2.PNG", 4, 20);
    corpus_add_png(&c, "b/1.png", 4, 10);
    corpus_add_png(&c, "a-x/deep/er/3.png", 4, 30);
    corpus_add_png(&c, "a/4.png", 4, 40);
    corpus_add_png(&c, "a/.hidden.png", 4, 50);
    corpus_add_png(&c, ".cache/5.png", 4, 50);
    corpus_add(&c, "a/notes.txt", "x", 1);
    corpus_add(&c, "none/readme.md", "x", 1);
    corpus_add_png(&c, "loose.png", 4, 60);
    rin_dataset *dataset = open_logged(&c, "", &r);
    assert_int_equal(rin_dataset_count(dataset), 4);
    assert_int_equal(rin_dataset_n_classes(dataset), 3);
    static const char *const classes[] = {"a", "a-x", "b"};
    for (size_t i = 0; i < 3; i++) assert_string_equal(rin_dataset_class_name(dataset, i), classes[i]);
    assert_int_equal(rin_dataset_class_count(dataset, 0), 1);
    assert_int_equal(rin_dataset_class_count(dataset, 2), 2);
    expect_item(dataset, 0, "a-x/deep/er/3.png", 1, 30);
    expect_item(dataset, 1, "a/4.png", 0, 40);
    expect_item(dataset, 2, "b/1.png", 2, 10);
    expect_item(dataset, 3, "b/2.PNG", 2, 20);
    assert_int_equal(rin_dataset_n_ignored(dataset), 5);
    assert_int_equal(r.n_warnings, 2);
    assert_non_null(strstr(r.text, "'loose.png'"));
    assert_non_null(strstr(r.text, "'none' holds no images"));
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_folder_without_classes(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_many(&c, 4, 3);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    assert_int_equal(rin_dataset_n_classes(dataset), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rin_dataset_item_label(dataset, i), -1);
        assert_int_equal(value_of(dataset, i), (int)i);
    }
    rin_image image;
    assert_int_equal(rin_dataset_decode(dataset, 3, &image, NULL), RIN_ERR_ARG);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* Links to folders are followed, links back up are not, broken links are left out. */
static void test_folder_links(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "real/one/1.png", 4, 1);
    char *up = corpus_path(&c, "real/one/up"), *other = corpus_path(&c, "real/two");
    char *lost = corpus_path(&c, "real/one/x.png");
    assert_int_equal(symlink("..", up), 0);
    assert_int_equal(symlink("one", other), 0);
    assert_int_equal(symlink("nowhere", lost), 0);
    rin_dataset *dataset = open_logged(&c, "real", NULL);
    assert_int_equal(rin_dataset_count(dataset), 2);
    assert_int_equal(rin_dataset_n_classes(dataset), 2);
    expect_item(dataset, 1, "two/1.png", 1, 1);
    rin_dataset_close(dataset);
    rin_free(up);
    rin_free(other);
    rin_free(lost);
    corpus_remove(&c);
}

/* Two links in each folder to the next one are two to the thirtieth paths. */
static void test_links_to_links_are_bounded(void **state) {
    (void)state;
    enum { LEVELS = 30 };
    corpus c = corpus_make();
    for (int i = 0; i <= LEVELS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d/1.png", i);
        corpus_add_png(&c, name, 4, i);
        for (int k = 0; k < 2 && i < LEVELS; k++) {
            char target[16];
            snprintf(name, sizeof name, "%d/%c", i, 'a' + k);
            snprintf(target, sizeof target, "../%d", i + 1);
            char *path = corpus_path(&c, name);
            assert_int_equal(symlink(target, path), 0);
            rin_free(path);
        }
    }
    char *path = corpus_path(&c, "0");
    rin_dataset *dataset;
    rin_error error = {0};
    rin_dataset_options options = {.memory_bytes = 1 << 20};
    assert_int_equal(rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error), RIN_ERR_MEMORY);
    assert_non_null(strstr(error.text, "the list of images takes more than the 1048576 bytes"));
    rin_free(path);
    corpus_remove(&c);
}

/* ... and where there is nothing to list, they are bounded as well. */
static void test_links_to_nothing_are_bounded(void **state) {
    (void)state;
    enum { LEVELS = 30 };
    corpus c = corpus_make();
    corpus_add(&c, "30/x.txt", "x", 1);
    for (int i = 0; i < LEVELS; i++) {
        char name[32], target[16];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%d", i);
            char *folder = corpus_path(&c, name);
            assert_int_equal(rin_dir_create(folder, NULL), RIN_OK);
            rin_free(folder);
            snprintf(name, sizeof name, "%d/%c", i, 'a' + k);
            snprintf(target, sizeof target, "../%d", i + 1);
            char *path = corpus_path(&c, name);
            assert_int_equal(symlink(target, path), 0);
            rin_free(path);
        }
    }
    expect_not_opened(&c, "0", RIN_ERR_FORMAT, "links lead to more than 100000 folders");
    corpus_remove(&c);
}

static void test_wrong_paths(void **state) {
    (void)state;
    corpus c = corpus_make();
    expect_not_opened(&c, "missing", RIN_ERR_IO, "No such file");
    expect_not_opened(&c, "", RIN_ERR_FORMAT, "holds no images");
    corpus_add(&c, "sub/movie.avi", "x", 1);
    expect_not_opened(&c, "", RIN_ERR_FORMAT, "such as 'sub/movie.avi'");
    expect_not_opened(&c, "sub/movie.avi", RIN_ERR_FORMAT, "a file of another kind");
    expect_not_opened(&c, "sub/movie.avi", RIN_ERR_FORMAT, "a folder of JPEG");
    corpus_remove(&c);
}

/* ---- archives ---- */

static void test_archives(void **state) {
    (void)state;
    static const char *const kinds[] = {"tar", "tar.gz", "tar.xz", "zip"};
    for (size_t k = 0; k < RIN_COUNT(kinds); k++) {
        corpus c = corpus_make();
        char name[32];
        snprintf(name, sizeof name, "set.%s", kinds[k]);
        if (strcmp(kinds[k], "zip") == 0) snprintf(name, sizeof name, "zip-by-its-content.tar");
        packer p = packer_open(&c, name, kinds[k]);
        packer_add_png(&p, "./train/cat/2.png", 4, 20);
        packer_add_png(&p, "./train/ant/../ant/1.png", 4, 99); /* hidden by its dots */
        packer_add_png(&p, "./train//ant/1.png", 4, 10);
        packer_add(&p, "./train/readme.txt", "x", 1);
        packer_add_png(&p, "__MACOSX/train/cat/._2.png", 4, 1);
        packer_add_png(&p, "./train/ant/b\033\xc3\xa4.png", 4, 30);
        packer_close(&p);
        remarks r = {0};
        rin_dataset *dataset = open_logged(&c, name, &r);
        assert_int_equal(rin_dataset_count(dataset), 3);
        assert_int_equal(rin_dataset_n_classes(dataset), 2);
        expect_item(dataset, 0, "ant/1.png", 0, 10);
        expect_item(dataset, 1, "ant/b?\xc3\xa4.png", 0, 30);
        expect_item(dataset, 2, "cat/2.png", 1, 20);
        assert_int_equal(rin_dataset_n_ignored(dataset), 3);
        assert_non_null(strstr(r.text, "'train'"));
        rin_dataset_close(dataset);
        corpus_remove(&c);
    }
}

/* Of two entries with one name the later counts, as tar has it. */
static void test_archive_with_two_versions(void **state) {
    (void)state;
    corpus c = corpus_make();
    packer p = packer_open(&c, "a.tar", "tar");
    packer_add_png(&p, "1.png", 4, 10);
    packer_add_png(&p, "2.png", 4, 30);
    packer_add_png(&p, "1.png", 4, 20);
    packer_close(&p);
    rin_dataset *dataset = open_logged(&c, "a.tar", NULL);
    assert_int_equal(rin_dataset_count(dataset), 2);
    assert_int_equal(rin_dataset_n_classes(dataset), 0);
    expect_item(dataset, 0, "1.png", -1, 20);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_damaged_archives(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add(&c, "text.tar", "this is no archive", 18);
    expect_not_opened(&c, "text.tar", RIN_ERR_FORMAT, "Unrecognized archive format");
    static const char *const kinds[] = {"tar.gz", "tar.xz", "zip"};
    for (size_t k = 0; k < RIN_COUNT(kinds); k++) {
        char name[32];
        snprintf(name, sizeof name, "cut.%s", kinds[k]);
        packer p = packer_open(&c, name, kinds[k]);
        for (int i = 0; i < 20; i++) {
            char entry[32];
            snprintf(entry, sizeof entry, "%d.png", i);
            packer_add_png(&p, entry, 64, i);
        }
        packer_close(&p);
        char *path = corpus_path(&c, name), *bytes;
        size_t n;
        assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
        corpus_add(&c, name, bytes, n / 2);
        expect_not_opened(&c, name, RIN_ERR_FORMAT, name);
        rin_free(bytes);
        rin_free(path);
    }
    corpus_remove(&c);
}

/* A header that fails its check is no file that is merely left out. */
static void test_damaged_tar_header(void **state) {
    (void)state;
    enum { BLOCK = 512 };
    corpus c = corpus_make();
    packer p = packer_open(&c, "bad.tar", "tar");
    for (int i = 0; i < 3; i++) {
        const char name[] = {(char)('0' + i), '.', 'p', 'n', 'g', '\0'};
        packer_add_png(&p, name, 4, i);
    }
    packer_close(&p);
    char *path = corpus_path(&c, "bad.tar"), *bytes;
    size_t n;
    assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
    char *header = bytes + BLOCK;
    while (memcmp(header, "1.png", 6) != 0) header += BLOCK;
    header[20] ^= 1;
    corpus_add(&c, "bad.tar", bytes, n);
    expect_not_opened(&c, "bad.tar", RIN_ERR_FORMAT, "damaged or cut");
    rin_free(bytes);
    rin_free(path);
    corpus_remove(&c);
}

/* The holes of a sparse file are not in the archive: 300 bytes could become any number of zeros. */
static void test_sparse_entries_are_left_out(void **state) {
    (void)state;
    corpus c = corpus_make();
    packer p = packer_open(&c, "sparse.tar.gz", "tar.gz");
    packer_add_png(&p, "1.png", 4, 10);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, "2.png");
    archive_entry_set_size(entry, 200 << 20);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_sparse_add_entry(entry, (200 << 20) - 6, 6);
    assert_int_equal(archive_write_header(p.archive, entry), ARCHIVE_OK);
    char *zeros = calloc(1, 200 << 20);
    assert_int_equal(archive_write_data(p.archive, zeros, 200 << 20), 200 << 20);
    free(zeros);
    archive_entry_free(entry);
    packer_close(&p);
    char *path = corpus_path(&c, "sparse.tar.gz");
    rin_dataset *dataset;
    rin_error error = {0};
    rin_dataset_options options = {.memory_bytes = 1 << 20};
    if (rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error) != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(rin_dataset_count(dataset), 1);
    assert_int_equal(rin_dataset_n_ignored(dataset), 1);
    rin_dataset_close(dataset);
    rin_free(path);
    corpus_remove(&c);
}

/* Names of a zip that says they are UTF-8 are read whatever the program's locale is. */
static void test_names_in_a_zip(void **state) {
    (void)state;
    corpus c = corpus_make();
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!utf8) skip();
    locale_t before = uselocale(utf8); /* in which libarchive sets the flag */
    packer p = packer_open(&c, "a.zip", "zip");
    packer_add_png(&p, "\xe6\x97\xa5/\xc3\xa4.png", 4, 10);
    packer_add_png(&p, "cat/1.png", 4, 20);
    packer_close(&p);
    uselocale(before);
    freelocale(utf8);
    rin_dataset *dataset = open_logged(&c, "a.zip", NULL);
    assert_int_equal(rin_dataset_count(dataset), 2);
    expect_item(dataset, 0, "cat/1.png", 0, 20);
    expect_item(dataset, 1, "\xe6\x97\xa5/\xc3\xa4.png", 1, 10);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

/* A tar header of 512 bytes. */
static void write_tar_header(char *to, const char *name, char type, size_t size) {
    unsigned sum = 0;
    memset(to, 0, 512);
    snprintf(to, 100, "%s", name);
    snprintf(to + 100, 8, "0000644");
    snprintf(to + 124, 12, "%011o", (unsigned)size);
    memset(to + 148, ' ', 8);
    to[156] = type;
    memcpy(to + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)to[i];
    snprintf(to + 148, 8, "%06o", sum);
}

/* A header may not take more than a mebibyte, however well it compresses: libarchive takes 12 times the memory for the
 * map of a sparse file. */
static void test_headers_are_bounded(void **state) {
    (void)state;
    static const char extended[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.name=1.png\n"
                                   "25 GNU.sparse.realsize=0\n";
    static const size_t lengths[] = {10000, 300000}; /* pieces */
    for (size_t k = 0; k < RIN_COUNT(lengths); k++) {
        corpus c = corpus_make();
        size_t bytes = 8 + 4 * lengths[k], padded = (bytes + 511) / 512 * 512, all = 3 * 512 + padded + 1024;
        char *tar = calloc(1, all), *map = tar + 3 * 512;
        write_tar_header(tar, "x", 'x', sizeof extended - 1);
        memcpy(tar + 512, extended, sizeof extended - 1);
        write_tar_header(tar + 1024, "1.png", '0', padded);
        snprintf(map, 9, "%07zu\n", lengths[k]);
        for (size_t i = 0; i < lengths[k]; i++) memcpy(map + 8 + 4 * i, "0\n0\n", 4);
        corpus_add(&c, "a.tar", tar, all);
        if (k == 0) rin_dataset_close(open_logged(&c, "a.tar", NULL));
        else expect_not_opened(&c, "a.tar", RIN_ERR_FORMAT, "header takes more than 1048576 bytes");
        free(tar);
        corpus_remove(&c);
    }
}

/* Of tars that were joined by cat only the first is read, which is said; zeros at the end are usual. */
static void test_joined_archives(void **state) {
    (void)state;
    for (int joined = 0; joined < 2; joined++) {
        corpus c = corpus_make();
        packer p = packer_open(&c, "a.tar", "tar");
        packer_add_png(&p, "1.png", 4, 10);
        packer_close(&p);
        char *path = corpus_path(&c, "a.tar"), *bytes;
        size_t n;
        assert_int_equal(rin_file_read(path, 1 << 20, &bytes, &n, NULL), RIN_OK);
        char *two = calloc(1, n + 200000);
        memcpy(two, bytes, n);
        if (joined) memcpy(two + n + 100000, bytes, n);
        corpus_add(&c, "b.tar", two, n + 200000);
        remarks r = {0};
        rin_dataset *dataset = open_logged(&c, "b.tar", &r);
        assert_int_equal(rin_dataset_count(dataset), 1);
        assert_int_equal(r.n_warnings, joined);
        rin_dataset_close(dataset);
        rin_free(path);
        rin_free(bytes);
        free(two);
        corpus_remove(&c);
    }
}

static void test_archive_memory_is_bounded(void **state) {
    (void)state;
    corpus c = corpus_make();
    packer p = packer_open(&c, "big.tar.gz", "tar.gz");
    char *zeros = calloc(1, 1 << 20);
    packer_add(&p, "zeros.png", zeros, 1 << 20);
    packer_close(&p);
    free(zeros);
    char *path = corpus_path(&c, "big.tar.gz");
    rin_dataset *dataset;
    rin_error error = {0};
    rin_dataset_options options = {.memory_bytes = 100000};
    assert_int_equal(rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error), RIN_ERR_MEMORY);
    assert_non_null(strstr(error.text, "unpack it"));
    options.memory_bytes = 2 << 20;
    assert_int_equal(rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error), RIN_OK);
    rin_dataset_close(dataset);
    rin_free(path);
    corpus_remove(&c);
}

static void test_shipped_subset(void **state) {
    (void)state;
    rin_dataset *dataset;
    rin_error error = {0};
    rin_status status = rin_dataset_open("assets/cifar10-subset.tar.gz", NULL, (rin_log){0}, &dataset, &error);
    if (status != RIN_OK) fail_msg("%s", error.text);
    assert_int_equal(rin_dataset_count(dataset), 10000);
    assert_int_equal(rin_dataset_n_classes(dataset), 10);
    assert_string_equal(rin_dataset_class_name(dataset, 9), "truck");
    for (size_t i = 0; i < 10; i++) assert_int_equal(rin_dataset_class_count(dataset, i), 1000);
    float pixels[32 * 32 * 3];
    assert_int_equal(rin_dataset_load(dataset, 1234, 32, 32, 3, pixels, NULL), RIN_OK);
    rin_dataset_close(dataset);
}

/* ---- CIFAR-10 binary ---- */

enum { RECORD = 3073 };

static void add_cifar(const corpus *c, const char *name, int n, int seed) {
    uint8_t *bytes = calloc((size_t)n, RECORD);
    for (int i = 0; i < n * RECORD; i++) bytes[i] = (uint8_t)(i % RECORD ? i * 7 + seed : (i / RECORD + seed) % 10);
    corpus_add(c, name, bytes, (size_t)n * RECORD);
    free(bytes);
}

static void test_cifar_binary(void **state) {
    (void)state;
    corpus c = corpus_make();
    add_cifar(&c, "data_batch_2.bin", 2, 3);
    add_cifar(&c, "data_batch_1.bin", 3, 1);
    add_cifar(&c, "test_batch.bin", 4, 5);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    assert_int_equal(rin_dataset_count(dataset), 5);
    assert_int_equal(rin_dataset_n_classes(dataset), 10);
    assert_string_equal(rin_dataset_class_name(dataset, 0), "airplane");
    assert_string_equal(rin_dataset_item_name(dataset, 3), "data_batch_2.bin#00000");
    assert_int_equal(rin_dataset_item_label(dataset, 4), 4);
    rin_image image;
    assert_int_equal(rin_dataset_decode(dataset, 4, &image, NULL), RIN_OK);
    for (int i = 0; i < 1024; i++) {
        for (int channel = 0; channel < 3; channel++) {
            int at = RECORD + 1 + channel * 1024 + i;
            assert_int_equal(((uint8_t *)image.samples)[3 * i + channel], (uint8_t)(at * 7 + 3));
        }
    }
    rin_image_clear(&image);
    rin_dataset_close(dataset);
    corpus_add(&c, "batches.meta.txt", "k0\nk1\nk2\nk3\nk4\nk5\nk6\nk7\nk8\nk9\n\n", 31);
    dataset = open_logged(&c, "test_batch.bin", NULL);
    assert_int_equal(rin_dataset_count(dataset), 4);
    assert_string_equal(rin_dataset_class_name(dataset, 9), "k9");
    assert_int_equal(rin_dataset_class_count(dataset, 5), 1);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void test_damaged_cifar(void **state) {
    (void)state;
    corpus c = corpus_make();
    uint8_t record[RECORD] = {10};
    corpus_add(&c, "label.bin", record, RECORD);
    expect_not_opened(&c, "label.bin", RIN_ERR_FORMAT, "label 10 in record 0");
    corpus_add(&c, "size.bin", record, RECORD - 1);
    expect_not_opened(&c, "size.bin", RIN_ERR_FORMAT, "3072 bytes");
    corpus_add(&c, "empty.bin", record, 0);
    expect_not_opened(&c, "empty.bin", RIN_ERR_FORMAT, "0 bytes");
    corpus_remove(&c);
}

static void test_cifar_memory_is_bounded(void **state) {
    (void)state;
    enum { RECORDS = 100 };
    corpus c = corpus_make();
    char *zeros = calloc(RECORDS, RECORD), *path = corpus_path(&c, "");
    corpus_add(&c, "data_batch_1.bin", zeros, RECORDS * RECORD);
    corpus_add(&c, "data_batch_2.bin", zeros, RECORDS * RECORD);
    free(zeros);
    rin_dataset *dataset;
    rin_error error = {0};
    rin_dataset_options options = {.memory_bytes = 2 * RECORDS * RECORD - 1};
    assert_int_equal(rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error), RIN_ERR_MEMORY);
    assert_non_null(strstr(error.text, "data_batch_2.bin"));
    options.memory_bytes++;
    assert_int_equal(rin_dataset_open(path, &options, (rin_log){0}, &dataset, &error), RIN_OK);
    rin_dataset_close(dataset);
    rin_free(path);
    corpus_remove(&c);
}

/* ---- loading and scanning ---- */

static void test_load_fits(void **state) {
    (void)state;
    corpus c = corpus_make();
    corpus_add_png(&c, "a.png", 4, 51);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    float pixels[4 * 4];
    assert_int_equal(rin_dataset_load(dataset, 0, 4, 4, 1, pixels, NULL), RIN_OK);
    for (int i = 0; i < 16; i++) assert_float_equal(pixels[i], (i % 4 ? 0.2 : 0.8), 1e-6);
    assert_int_equal(rin_dataset_load(dataset, 0, 4, 4, 2, pixels, NULL), RIN_ERR_ARG);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

static void note_progress(void *user, size_t done, size_t total) {
    size_t *last = user;
    assert_true(done >= *last && done <= total);
    *last = done;
}

static void test_scan(void **state) {
    (void)state;
    corpus c = corpus_make();
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.png", i);
        corpus_add_png(&c, name, i < 3 ? 8 : 5, i);
    }
    uint8_t grey[6] = {0};
    encoded file = encode_png(grey, 3, 3, 2, (png_options){.type = PNG_COLOR_TYPE_GRAY, .depth = 8});
    corpus_add(&c, "grey.png", file.bytes, file.n);
    corpus_add(&c, "z.jpg", file.bytes, 20);
    corpus_add(&c, "y.jpg", "junk", 4);
    free(file.bytes);
    rin_dataset *dataset = open_logged(&c, "", NULL);
    for (int threads = 0; threads <= 3; threads++) {
        rin_scan_report report;
        size_t last = 0;
        rin_scan_options options = {.threads = threads, .progress = note_progress, .progress_user = &last};
        assert_int_equal(rin_dataset_scan(dataset, &options, &report, NULL), RIN_OK);
        assert_int_equal(last, 8);
        assert_int_equal(report.n_good, 6);
        assert_int_equal(report.n_broken, 2);
        assert_int_equal(report.n_grey, 1);
        assert_int_equal(report.n_colour, 5);
        assert_int_equal(report.min_width, 3);
        assert_int_equal(report.min_height, 2);
        assert_int_equal(report.max_width, 8);
        assert_int_equal(report.n_sizes, 3);
        assert_int_equal(report.sizes[0].width, 8);
        assert_int_equal(report.sizes[0].count, 3);
        assert_int_equal(report.sizes[1].count, 2);
        assert_int_equal(report.broken[0].item, 6);
        assert_non_null(strstr(report.broken[0].reason, "'y.jpg': not a picture"));
        assert_non_null(strstr(report.broken[1].reason, "'z.jpg': PNG: damaged or cut"));
        rin_scan_clear(&report);
    }
    atomic_bool cancel = true;
    rin_scan_report report;
    rin_scan_options options = {.cancel = &cancel};
    assert_int_equal(rin_dataset_scan(dataset, &options, &report, NULL), RIN_ERR_CANCELLED);
    assert_int_equal(report.n_good, 0);
    options.threads = -1;
    assert_int_equal(rin_dataset_scan(dataset, &options, &report, NULL), RIN_ERR_ARG);
    rin_dataset_close(dataset);
    corpus_remove(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_of_classes),
        cmocka_unit_test(test_folder_without_classes),
        cmocka_unit_test(test_folder_links),
        cmocka_unit_test(test_links_to_links_are_bounded),
        cmocka_unit_test(test_links_to_nothing_are_bounded),
        cmocka_unit_test(test_wrong_paths),
        cmocka_unit_test(test_archives),
        cmocka_unit_test(test_archive_with_two_versions),
        cmocka_unit_test(test_damaged_archives),
        cmocka_unit_test(test_damaged_tar_header),
        cmocka_unit_test(test_sparse_entries_are_left_out),
        cmocka_unit_test(test_names_in_a_zip),
        cmocka_unit_test(test_headers_are_bounded),
        cmocka_unit_test(test_joined_archives),
        cmocka_unit_test(test_archive_memory_is_bounded),
        cmocka_unit_test(test_shipped_subset),
        cmocka_unit_test(test_cifar_binary),
        cmocka_unit_test(test_damaged_cifar),
        cmocka_unit_test(test_cifar_memory_is_bounded),
        cmocka_unit_test(test_load_fits),
        cmocka_unit_test(test_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
