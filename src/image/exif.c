/* SPDX-License-Identifier: MIT */
/* exif: the orientation in EXIF data. */
#include <libexif/exif-data.h>
#include <string.h>

#include "image/decode.h"

/* What a JPEG marker holds: longer data from other formats is cut, which bounds the time spent on it. */
enum { EXIF_MAX_BYTES = 65533 };

static const uint8_t exif_header[] = {'E', 'x', 'i', 'f', 0, 0};

static int orientation_in(ExifData *data) {
    ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    bool is_short = entry && entry->format == EXIF_FORMAT_SHORT && entry->components == 1 && entry->size >= 2;
    if (!is_short) return RIN_ORIENTATION_UPRIGHT;
    int value = exif_get_short(entry->data, exif_data_get_byte_order(data));
    return value > RIN_ORIENTATION_UPRIGHT && value <= RIN_ORIENTATION_LAST ? value : RIN_ORIENTATION_UPRIGHT;
}

int rin_exif_orientation(const uint8_t *bytes, size_t n) {
    bool has_header = n >= sizeof exif_header && memcmp(bytes, exif_header, sizeof exif_header) == 0;
    size_t n_header = has_header ? 0 : sizeof exif_header;
    size_t n_copied = RIN_MIN(n, EXIF_MAX_BYTES - n_header);
    int orientation = RIN_ORIENTATION_UPRIGHT;
    uint8_t *copy = rin_calloc(n_header + n_copied, 1, NULL);
    ExifData *data = exif_data_new();
    if (copy && data && n_copied) {
        memcpy(copy, exif_header, n_header);
        memcpy(copy + n_header, bytes, n_copied);
        exif_data_set_option(data, EXIF_DATA_OPTION_DONT_CHANGE_MAKER_NOTE);
        exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
        exif_data_load_data(data, copy, (unsigned)(n_header + n_copied));
        orientation = orientation_in(data);
    }
    if (data) exif_data_unref(data);
    rin_free(copy);
    return orientation;
}
