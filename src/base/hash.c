/* SPDX-License-Identifier: MIT */
/* SHA-256, by OpenSSL. */
#include <openssl/evp.h>

#include "base/base.h"

void rin_hash_begin(rin_hash *hash) {
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    hash->state = state;
    hash->failed = !state || !EVP_DigestInit_ex(state, EVP_sha256(), NULL);
}

void rin_hash_add(rin_hash *hash, const void *bytes, size_t n) {
    if (!hash->failed) hash->failed = !EVP_DigestUpdate(hash->state, bytes, n);
}

rin_status rin_hash_end(rin_hash *hash, char out[RIN_HASH_TEXT], rin_error *error) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool good = !hash->failed && EVP_DigestFinal_ex(hash->state, bytes, &n);
    EVP_MD_CTX_free(hash->state);
    out[0] = '\0';
    if (!good) return rin_error_set(error, RIN_ERR_MEMORY, "no memory for a SHA-256");
    for (unsigned i = 0; i < n && 2 * i + 2 < RIN_HASH_TEXT; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", (unsigned)bytes[i]);
    return RIN_OK;
}
