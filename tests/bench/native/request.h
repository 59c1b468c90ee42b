/* One request in bytes, of which only the ids and the signature change: what makes each of millions unique at the cost
   of a block or two of SHA-256. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

enum { ID_DIGITS = 16 };

typedef struct {
    const char *path;     /* "/webhooks/shopify" */
    const char *template; /* a file: a body, or one event of a batch; sixteen @ stand where the id goes */
    const char *secret;   /* signs as Shopify does; NULL for none */
    const char *key;      /* an API key; NULL for none */
    int hex;              /* signs in hex, as others do */
    int events;           /* of a batch; 0 for a template that is the whole body */
} request_plan;

typedef struct {
    size_t at;
    int event;
} request_mark;

typedef struct {
    char *bytes; /* the template; each connection has its own copy */
    size_t length, body_at, signature_at, hashed_to;
    request_mark *marks;
    int mark_count, ids; /* ids that one request uses */
    int signs, hex;
    sha256_state inner, outer;
} request;

/* Ends the program where the template cannot be read or has no mark. */
request request_made(const request_plan *plan);

/* Write the ids from `first` on, and the signature, into a copy of `bytes`. */
void request_fill(const request *made, char *copy, uint64_t first);

#endif
