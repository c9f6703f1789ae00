/* SPDX-License-Identifier: MIT */
/* The bytes as a picture: JPEG, PNG or WebP, decoded and fitted to small sizes. */
#include "fuzz/fuzz.h"

#include "image/image.h"

/* A few bytes may hold a picture of 256 Mi pixels, which takes minutes to resample in a build that is searched with. */
enum { MOST_FITTED = 4 << 20 };

static void fit(const rin_image *image, int height, int width, int channels) {
    float out[8 * 8 * 3];
    rin_error error = {0};
    rin_status status = rin_image_fit(image, height, width, channels, out, &error);
    FUZZ_CHECK(status == RIN_OK || status == RIN_ERR_MEMORY);
    for (int i = 0; status == RIN_OK && i < height * width * channels; i++) FUZZ_CHECK(out[i] >= 0 && out[i] <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    rin_image image;
    rin_error error = {0};
    if (rin_image_decode(data, n, &image, &error) != RIN_OK) {
        FUZZ_CHECK(!image.samples && error.code != RIN_OK && error.text[0]);
        return 0;
    }
    FUZZ_CHECK(image.width >= 1 && image.height >= 1 && image.samples);
    FUZZ_CHECK((image.channels == 1 || image.channels == 3) && (image.depth == 1 || image.depth == 2));
    if ((int64_t)image.width * image.height <= MOST_FITTED) {
        fit(&image, 8, 8, 3);
        fit(&image, 5, 7, 1);
    }
    (void)rin_image_fits_exactly(&image, 8, 8, 3);
    rin_image_clear(&image);
    FUZZ_CHECK(!image.samples);
    return 0;
}
