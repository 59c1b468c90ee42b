/* SHA-256 whose state can be kept and gone on from: what a signature over a long fixed beginning costs little by.
   Not concerned with HMAC, nor with being the fastest there is. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BLOCK = 64, SHA256_DIGEST = 32 };

typedef struct {
    uint32_t word[8];
    uint64_t bytes; /* taken so far, whole blocks only */
} sha256_state;

void sha256_begin(sha256_state *state);

/* Take whole blocks; `length` is a multiple of SHA256_BLOCK. */
void sha256_blocks(sha256_state *state, const uint8_t *bytes, size_t length);

/* Take the rest, however long, and write the digest; `state` stays as it was. */
void sha256_end(const sha256_state *state, const uint8_t *rest, size_t length, uint8_t digest[SHA256_DIGEST]);

#endif
