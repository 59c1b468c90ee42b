/* An upstream that costs next to nothing: takes POSTs, answers {"success": true, "event_ids": […]}, and writes each
   event's order_id and event_id to a file, one a line, `o` or `e` before it.

   `sink FILE` prints its port. GET /count tells how many events came and has them in the file; POST /nothing is
   answered unread, to see what a generator can do at most. Ends at SIGTERM. Not concerned with JSON beyond those two
   names, nor with keys. */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

enum { MOST_BYTES = 4 << 20, FIRST_BYTES = 16 << 10, ANSWER_BYTES = 60 << 10, WAITING = 256 };

typedef struct {
    int socket;
    char *bytes;
    size_t got, room;
} connection;

static FILE *taken;
static unsigned long events;
static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

/* The quoted text after `"name":`, from `at` on; NULL where there is none. */
static const char *next_text(const char *at, const char *end, const char *name, size_t *length) {
    size_t size = strlen(name);
    while ((at = memmem(at, (size_t)(end - at), name, size))) {
        at += size;
        while (at < end && (*at == ' ' || *at == ':')) at++;
        if (at >= end || *at++ != '"') continue;
        const char *close = memchr(at, '"', (size_t)(end - at));
        if (!close) return NULL;
        *length = (size_t)(close - at);
        return at;
    }
    return NULL;
}

static int note(const char *body, const char *end, char *answer) {
    size_t length, size = (size_t)sprintf(answer, "{\"success\": true, \"event_ids\": [");
    const char *at = body;
    while ((at = next_text(at, end, "\"order_id\"", &length))) {
        events++;
        fprintf(taken, "o%.*s\n", (int)length, at);
    }
    at = body;
    for (bool first = true; (at = next_text(at, end, "\"event_id\"", &length)); first = false) {
        fprintf(taken, "e%.*s\n", (int)length, at);
        if (size + length + 16 < ANSWER_BYTES)
            size += (size_t)sprintf(answer + size, "%s\"%.*s\"", first ? "" : ", ", (int)length, at);
    }
    return (int)size + sprintf(answer + size, "]}");
}

static bool answered(connection *one, const http_message *message) {
    static char answer[ANSWER_BYTES], head[256];
    int size;
    if (strncmp(one->bytes, "POST /nothing", 13) == 0) {
        size = sprintf(answer, "{\"success\": true}");
    } else if (strncmp(one->bytes, "POST ", 5) == 0) {
        size = note(one->bytes + message->body_at, one->bytes + message->length, answer);
    } else {
        fflush(taken);
        size = sprintf(answer, "{\"events\": %lu}", events);
    }
    int begin = sprintf(head, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n", size);
    struct iovec parts[] = {{head, (size_t)begin}, {answer, (size_t)size}};
    struct msghdr both = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(one->socket, &both, MSG_NOSIGNAL) == begin + size && !message->closing;
}

/* False where the connection is to be closed. */
static bool read_on(connection *one) {
    if (one->got == one->room) {
        one->room *= 2;
        if (one->room > MOST_BYTES || !(one->bytes = realloc(one->bytes, one->room))) return false;
    }
    ssize_t got = recv(one->socket, one->bytes + one->got, one->room - one->got, MSG_DONTWAIT);
    if (got <= 0) return false;
    one->got += (size_t)got;
    http_message message;
    int read;
    while ((read = http_read(one->bytes, one->got, &message)) > 0) {
        if (!answered(one, &message)) return false;
        one->got -= message.length;
        memmove(one->bytes, one->bytes + message.length, one->got);
    }
    return read == 0;
}

static void let_in(int poll, int listening) {
    int yes = 1, socket = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0) return;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection *one = malloc(sizeof *one);
    if (!one) err(2, "a connection");
    *one = (connection){.socket = socket, .bytes = malloc(FIRST_BYTES), .room = FIRST_BYTES};
    if (!one->bytes) err(2, "a connection");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event)) err(2, "epoll_ctl");
}

static int listen_on_any(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, size) || listen(listening, 1024) ||
        getsockname(listening, (struct sockaddr *)&address, &size))
        err(2, "listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listening;
}

int main(int count, char **words) {
    if (count != 2) errx(2, "sink FILE");
    if (!(taken = fopen(words[1], "a"))) err(2, "%s", words[1]);
    struct sigaction act = {.sa_handler = stop};
    sigaction(SIGTERM, &act, NULL);
    int listening = listen_on_any(), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, ready[WAITING];
    if (epoll_ctl(poll, EPOLL_CTL_ADD, listening, &event)) err(2, "epoll_ctl");
    while (!stopping) {
        int found = epoll_wait(poll, ready, WAITING, 200);
        for (int i = 0; i < found; i++) {
            connection *one = ready[i].data.ptr;
            if (!one) {
                let_in(poll, listening);
            } else if (!read_on(one)) {
                close(one->socket);
                free(one->bytes);
                free(one);
            }
        }
    }
    return fclose(taken) ? 1 : 0;
}
