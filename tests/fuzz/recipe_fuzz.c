/* SPDX-License-Identifier: MIT */
/* The bytes as a PNG file with a recipe; then the same with right checksums, which no search finds. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "image/image.h"

static uint32_t get_u32(const uint8_t *from) {
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint32_t checksum(const uint8_t *bytes, size_t n) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* Of all chunks that are whole: length, type, data, checksum. */
static void repair(uint8_t *file, size_t n) {
    enum { SIGNATURE = 8, AROUND = 12 };
    for (size_t at = SIGNATURE; at + AROUND <= n;) {
        size_t length = get_u32(file + at);
        if (length > n - at - AROUND) return;
        uint32_t crc = checksum(file + at + 4, length + 4);
        for (int i = 0; i < 4; i++) file[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        at += AROUND + length;
    }
}

static void read_text(const uint8_t *data, size_t n, const char *key) {
    char *text;
    rin_error error = {0};
    rin_status status = rin_image_png_text(data, n, key, &text, &error);
    FUZZ_CHECK(status == RIN_OK || (!text && error.code == status && error.text[0]));
    FUZZ_CHECK(!text || strlen(text) <= RIN_PNG_MOST_TEXT);
    rin_free(text);
}

static void read_recipe(const uint8_t *data, size_t n) {
    char path[FUZZ_PATH], *json;
    rin_error error = {0};
    fuzz_file("file.png", data, n);
    rin_status status = rin_recipe_read(fuzz_path("file.png", path), &json, &error);
    if (status != RIN_OK) {
        FUZZ_CHECK(!json && error.code == status && error.text[0]);
        return;
    }
    cJSON *parsed = cJSON_Parse(json);
    FUZZ_CHECK(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(parsed, "rin")) == 1);
    FUZZ_CHECK(rin_text_is_utf8(json) && strlen(json) <= RIN_PNG_MOST_TEXT);
    cJSON_Delete(parsed);
    rin_string_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    read_recipe(data, n);
    uint8_t *repaired = malloc(n + 1);
    FUZZ_CHECK(repaired);
    if (n) memcpy(repaired, data, n);
    repair(repaired, n);
    read_recipe(repaired, n);
    read_text(repaired, n, "class");
    free(repaired);
    return 0;
}
