/* As much of HTTP/1.1 as the generator and the sink read: a head, and a body of a told length.
   Not concerned with chunks: who sends them is not understood here, and told so. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    size_t body_at; /* where the body begins */
    size_t length;  /* of the whole message, head and body */
    bool closing;   /* the peer closes after it */
} http_message;

/* 1 where the bytes begin with a whole message, 0 where more must come first (`length` is set once the head is
   there), -1 where it cannot be read. */
int http_read(const char *bytes, size_t count, http_message *message);

#endif
