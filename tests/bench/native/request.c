/* Makes requests. */
#define _GNU_SOURCE
#include "request.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MARK[] = "@@@@@@@@@@@@@@@@";

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) err(2, "%s", path);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    if (!bytes || fread(bytes, 1, *length, file) != *length) err(2, "%s", path);
    fclose(file);
    bytes[*length] = 0;
    return bytes;
}

static char *body_of(const request_plan *plan, size_t *length) {
    char *one = read_file(plan->template, length);
    if (!plan->events) return one;
    size_t size = *length;
    char *all = malloc((size + 1) * (size_t)plan->events + 32), *end = all;
    if (!all) err(2, "a batch");
    end = stpcpy(end, "{\"events\":[");
    for (int i = 0; i < plan->events; i++) {
        if (i) *end++ = ',';
        end = mempcpy(end, one, size);
    }
    end = stpcpy(end, "]}");
    free(one);
    *length = (size_t)(end - all);
    return all;
}

static void add_mark(request *made, size_t at) {
    made->marks = realloc(made->marks, sizeof *made->marks * (size_t)(made->mark_count + 1));
    if (!made->marks) err(2, "marks");
    made->marks[made->mark_count++] = (request_mark){at, 0};
}

static void find_marks(request *made, int events) {
    for (char *at = made->bytes; (at = memmem(at, made->length - (size_t)(at - made->bytes), MARK, ID_DIGITS));
         at += ID_DIGITS)
        add_mark(made, (size_t)(at - made->bytes));
    if (!made->mark_count) errx(2, "the template has no place for an id");
    if (events)
        for (int i = 0; i < made->mark_count; i++) made->marks[i].event = i / (made->mark_count / events);
}

static void prepare_signature(request *made, const char *secret) {
    uint8_t key[SHA256_BLOCK] = {0}, pad[SHA256_BLOCK];
    sha256_state none;
    size_t size = strlen(secret);
    sha256_begin(&none);
    if (size > SHA256_BLOCK)
        sha256_end(&none, (const uint8_t *)secret, size, key);
    else
        memcpy(key, secret, size);
    for (int i = 0; i < SHA256_BLOCK; i++) pad[i] = key[i] ^ 0x36;
    made->inner = made->outer = none;
    sha256_blocks(&made->inner, pad, SHA256_BLOCK);
    for (int i = 0; i < SHA256_BLOCK; i++) pad[i] = key[i] ^ 0x5c;
    sha256_blocks(&made->outer, pad, SHA256_BLOCK);
    size_t first = made->length;
    for (int i = 0; i < made->mark_count; i++)
        if (made->marks[i].at >= made->body_at && made->marks[i].at < first) first = made->marks[i].at;
    size_t fixed = (first - made->body_at) / SHA256_BLOCK * SHA256_BLOCK;
    sha256_blocks(&made->inner, (const uint8_t *)made->bytes + made->body_at, fixed);
    made->hashed_to = made->body_at + fixed;
}

request request_made(const request_plan *plan) {
    request made = {.signs = plan->secret != NULL, .hex = plan->hex, .ids = plan->events ? plan->events : 1};
    size_t length;
    char *body = body_of(plan, &length), *head;
    char signature[128] = "", topic[128] = "", key[256] = "";
    if (plan->secret) {
        snprintf(signature, sizeof signature, "%s%0*d\r\n",
                 plan->hex ? "X-Hub-Signature-256: sha256=" : "X-Shopify-Hmac-Sha256: ", plan->hex ? 64 : 44, 0);
        snprintf(topic, sizeof topic,
                 "X-Shopify-Topic: orders/paid\r\nX-Shopify-Shop-Domain: bench.myshopify.com\r\n"
                 "X-Shopify-Webhook-Id: w-%s\r\n",
                 MARK);
    }
    if (plan->key) snprintf(key, sizeof key, "Authorization: Bearer %s\r\n", plan->key);
    int size = asprintf(&head,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s%s%s"
                        "Content-Length: %zu\r\n\r\n",
                        plan->path, topic, key, signature, length);
    if (size < 0) err(2, "a head");
    made.body_at = (size_t)size;
    made.length = made.body_at + length;
    made.bytes = realloc(head, made.length + 1);
    if (!made.bytes) err(2, "a request");
    memcpy(made.bytes + made.body_at, body, length + 1);
    free(body);
    find_marks(&made, plan->events);
    if (!plan->secret) return made;
    made.signature_at = (size_t)(strstr(made.bytes, signature) - made.bytes) + strlen(signature) - (plan->hex ? 66 : 46);
    prepare_signature(&made, plan->secret);
    return made;
}

static void write_base64(char *to, const uint8_t digest[SHA256_DIGEST]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < SHA256_DIGEST; i += 3) {
        uint32_t second = i + 1 < SHA256_DIGEST ? digest[i + 1] : 0, third = i + 2 < SHA256_DIGEST ? digest[i + 2] : 0;
        uint32_t bits = (uint32_t)digest[i] << 16 | second << 8 | third;
        for (int shift = 18; shift >= 0; shift -= 6) *to++ = letters[bits >> shift & 63];
    }
    to[-1] = '='; /* 32 bytes fill 43 letters */
}

static void write_hex(char *to, const uint8_t digest[SHA256_DIGEST]) {
    for (int i = 0; i < SHA256_DIGEST; i++) {
        *to++ = "0123456789abcdef"[digest[i] >> 4];
        *to++ = "0123456789abcdef"[digest[i] & 15];
    }
}

static void sign(const request *made, char *copy) {
    uint8_t digest[SHA256_DIGEST];
    sha256_end(&made->inner, (const uint8_t *)copy + made->hashed_to, made->length - made->hashed_to, digest);
    sha256_end(&made->outer, digest, SHA256_DIGEST, digest);
    (made->hex ? write_hex : write_base64)(copy + made->signature_at, digest);
}

void request_fill(const request *made, char *copy, uint64_t first) {
    for (int i = 0; i < made->mark_count; i++) {
        uint64_t id = first + (uint64_t)made->marks[i].event;
        for (int digit = ID_DIGITS - 1; digit >= 0; digit--, id /= 10)
            copy[made->marks[i].at + (size_t)digit] = (char)('0' + id % 10);
    }
    if (made->signs) sign(made, copy);
}
