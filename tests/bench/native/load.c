/* A load over N connections that stay open: as fast as the answers come, or so many a second whatever comes back.

   Every request is unique; every id that was answered 200 is written to a file. With a rate, an answer's time counts
   from when its request was meant to be sent, so that a server which stalls cannot hide it. Prints one line of JSON.
   Not concerned with what the answers say. */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "latency.h"
#include "request.h"

enum { ANSWER_BYTES = 64 * 1024, STATUSES = 600, MOST = 1024 };
static const uint64_t SECOND = 1000000000;

typedef struct {
    int socket;
    char *request, *answer;
    size_t written, got;
    uint64_t id, meant_at;
    bool busy; /* its request is not answered yet */
} connection;

static struct {
    int port, connections;
    double rate, seconds, warm, grace;
    uint64_t count, first;
    const char *acknowledged;
    request_plan plan;
} options = {.connections = 32, .seconds = 5, .grace = 15, .first = 7000000000000000, .plan = {.path = "/"}};

static request made;
static int poll, timer;
static connection all[MOST], *idle[MOST];
static int idle_count, open_count, busy_count;
static uint64_t began, counted_from, ends, sent, answered, counted, statuses[STATUSES], broken;
static latency times;
static FILE *acknowledged;

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------ when to send */

static uint64_t meant(uint64_t index) { return began + (uint64_t)((double)index * 1e9 / options.rate); }

/* Whether another request is to be sent at this moment. */
static bool is_due(uint64_t at) {
    if (options.count && sent >= options.count) return false;
    if (options.rate > 0) return meant(sent) <= at && meant(sent) < ends;
    return at < ends;
}

static bool is_over(uint64_t at) {
    if (busy_count || !open_count) return !open_count;
    if (options.count && sent >= options.count) return true;
    return options.rate > 0 ? meant(sent) >= ends : at >= ends;
}

/* Wake at the next request's time, where one is to come. */
static void wait_for_next(void) {
    if (options.rate <= 0 || meant(sent) >= ends || (options.count && sent >= options.count)) return;
    uint64_t at = meant(sent);
    struct itimerspec when = {.it_value = {(time_t)(at / SECOND), (long)(at % SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ------------------------------------------------------------------------------------------------- connections */

static void watch(connection *one, uint32_t events, int what) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    if (epoll_ctl(poll, what, one->socket, &event)) err(2, "epoll_ctl");
}

static bool opened(connection *one) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    one->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one->socket < 0) err(2, "socket");
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(one->socket, (struct sockaddr *)&address, sizeof address)) {
        close(one->socket);
        return false;
    }
    watch(one, EPOLLIN, EPOLL_CTL_ADD);
    open_count++;
    return true;
}

static void let_go(connection *one) {
    close(one->socket);
    open_count--;
}

static void give_up(connection *one) { /* its peer has gone: whatever was under way was not answered */
    broken++;
    busy_count--;
    let_go(one);
}

static void write_on(connection *one) {
    ssize_t took = send(one->socket, one->request + one->written, made.length - one->written,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took > 0) one->written += (size_t)took;
    watch(one, one->written < made.length ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

static void start(connection *one, uint64_t at) {
    one->id = options.first + sent * (uint64_t)made.ids;
    one->meant_at = options.rate > 0 ? meant(sent) : at;
    one->written = one->got = 0;
    one->busy = true;
    sent++;
    busy_count++;
    request_fill(&made, one->request, one->id);
    ssize_t took = send(one->socket, one->request, made.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (took > 0) one->written = (size_t)took;
    if (one->written < made.length) watch(one, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void take(connection *one, uint64_t at, bool closing) {
    int status = atoi(one->answer + sizeof "HTTP/1.1 " - 1);
    one->busy = false;
    answered++;
    busy_count--;
    statuses[status > 0 && status < STATUSES ? status : 0]++;
    for (int i = 0; status == 200 && i < made.ids; i++) fprintf(acknowledged, "%lu\n", one->id + (uint64_t)i);
    if (at >= counted_from && at < ends) counted++;
    if (one->meant_at >= counted_from && (options.rate > 0 || at < ends)) latency_add(&times, at - one->meant_at);
    if (closing) {
        let_go(one);
        if (!opened(one)) return;
    }
    idle[idle_count++] = one;
}

static void read_on(connection *one) {
    ssize_t got = recv(one->socket, one->answer + one->got, ANSWER_BYTES - one->got, MSG_DONTWAIT);
    if (got <= 0) {
        give_up(one);
        return;
    }
    one->got += (size_t)got;
    http_message message;
    int read = http_read(one->answer, one->got, &message);
    if (read < 0 || (!read && one->got == ANSWER_BYTES)) errx(2, "an answer that cannot be read: %.200s", one->answer);
    if (read) take(one, now(), message.closing);
}

static void lost(connection *one) { /* closed while nothing was under way, as a server may */
    for (int i = 0; i < idle_count; i++)
        if (idle[i] == one) idle[i--] = idle[--idle_count];
    let_go(one);
    if (opened(one)) idle[idle_count++] = one;
}

/* -------------------------------------------------------------------------------------------------------- story */

static void run(void) {
    struct epoll_event events[MOST];
    began = now();
    counted_from = began + (uint64_t)(options.warm * 1e9);
    ends = counted_from + (uint64_t)(options.seconds * 1e9);
    uint64_t at = began, last = ends + (uint64_t)(options.grace * 1e9);
    while (at < last && !is_over(at)) {
        while (idle_count && is_due(at)) start(idle[--idle_count], at);
        if (idle_count) wait_for_next();
        int count = epoll_wait(poll, events, MOST, 100);
        for (int i = 0; i < count; i++) {
            connection *one = events[i].data.ptr;
            uint64_t passed;
            if (!one) {
                if (read(timer, &passed, sizeof passed) < 0) passed = 0;
            } else if (!one->busy) {
                lost(one);
            } else if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
                read_on(one);
            } else {
                write_on(one);
            }
        }
        at = now();
    }
}

static void report(void) {
    struct rusage used;
    uint64_t took = now() - began, until = options.count && now() < ends ? now() : ends;
    double cpu, span = (double)(until - counted_from) / 1e9;
    getrusage(RUSAGE_SELF, &used);
    cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
          (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"sent\": %lu, \"answered\": %lu, \"broken\": %lu, \"unanswered\": %d, \"statuses\": {", sent, answered,
           broken, busy_count);
    bool first = true;
    for (int i = 0; i < STATUSES; i++)
        if (statuses[i]) {
            printf("%s\"%d\": %lu", first ? "" : ", ", i, statuses[i]);
            first = false;
        }
    printf("}, \"rate\": %.2f, \"p50_ms\": %.3f, \"p95_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"cpu\": %.3f, \"seconds\": %.3f}\n",
           span > 0 ? (double)counted / span : 0, latency_at(&times, 0.5), latency_at(&times, 0.95),
           latency_at(&times, 0.99), (double)times.longest / 1e6, cpu / ((double)took / 1e9), (double)took / 1e9);
}

static void read_options(int count, char **words) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'},    {"path", 1, 0, 'u'},  {"template", 1, 0, 't'}, {"secret", 1, 0, 's'},
        {"key", 1, 0, 'k'},     {"hex", 0, 0, 'x'},   {"events", 1, 0, 'e'},   {"connections", 1, 0, 'c'},
        {"rate", 1, 0, 'r'},    {"count", 1, 0, 'n'}, {"seconds", 1, 0, 'd'},  {"warm", 1, 0, 'w'},
        {"first", 1, 0, 'f'},   {"grace", 1, 0, 'g'}, {"acknowledged", 1, 0, 'a'}, {0, 0, 0, 0}};
    for (int letter; (letter = getopt_long(count, words, "", known, NULL)) != -1;) switch (letter) {
            case 'p': options.port = atoi(optarg); break;
            case 'u': options.plan.path = optarg; break;
            case 't': options.plan.template = optarg; break;
            case 's': options.plan.secret = optarg; break;
            case 'k': options.plan.key = optarg; break;
            case 'x': options.plan.hex = 1; break;
            case 'e': options.plan.events = atoi(optarg); break;
            case 'c': options.connections = atoi(optarg); break;
            case 'r': options.rate = atof(optarg); break;
            case 'n': options.count = strtoull(optarg, NULL, 10); break;
            case 'd': options.seconds = atof(optarg); break;
            case 'w': options.warm = atof(optarg); break;
            case 'f': options.first = strtoull(optarg, NULL, 10); break;
            case 'g': options.grace = atof(optarg); break;
            case 'a': options.acknowledged = optarg; break;
            default: exit(2);
        }
    if (!options.port || !options.plan.template || !options.acknowledged)
        errx(2, "--port, --template and --acknowledged say where to, what, and where the answered ids go");
    if (options.connections < 1 || options.connections > MOST) errx(2, "--connections takes 1 to %d", MOST);
}

int main(int count, char **words) {
    read_options(count, words);
    made = request_made(&options.plan);
    if (!(acknowledged = fopen(options.acknowledged, "w"))) err(2, "%s", options.acknowledged);
    poll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event)) err(2, "timer");
    for (int i = 0; i < options.connections; i++) {
        all[i].answer = malloc(ANSWER_BYTES + 1);
        all[i].request = malloc(made.length + 1);
        if (!all[i].answer || !all[i].request) err(2, "connections");
        all[i].answer[ANSWER_BYTES] = 0;
        memcpy(all[i].request, made.bytes, made.length + 1);
        if (!opened(&all[i])) err(2, "connect to port %d", options.port);
        idle[idle_count++] = &all[i];
    }
    run();
    if (fclose(acknowledged)) err(2, "%s", options.acknowledged);
    report();
    return 0;
}
