/* Reads heads. */
#define _GNU_SOURCE
#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *value_of(const char *line, const char *end, const char *name) {
    size_t size = strlen(name);
    if ((size_t)(end - line) <= size || strncasecmp(line, name, size) != 0 || line[size] != ':') return NULL;
    const char *value = line + size + 1;
    while (value < end && *value == ' ') value++;
    return value;
}

int http_read(const char *bytes, size_t count, http_message *message) {
    const char *end = memmem(bytes, count, "\r\n\r\n", 4), *value;
    *message = (http_message){0};
    if (!end) return 0;
    message->body_at = (size_t)(end - bytes) + 4;
    message->length = message->body_at;
    const char *line = memmem(bytes, message->body_at, "\r\n", 2);
    while (line && line < end) {
        line += 2;
        const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if ((value = value_of(line, next, "content-length"))) message->length += strtoul(value, NULL, 10);
        if ((value = value_of(line, next, "connection"))) message->closing = strncasecmp(value, "close", 5) == 0;
        if (value_of(line, next, "transfer-encoding")) return -1;
        line = next;
    }
    return count >= message->length;
}
