/* Posts one event to the sink: the command that Debian's `webhook` runs for each request. `post PORT ORDER_ID`.
   Cheaper than the shell and curl that stand there mostly. Not concerned with trying again. */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count != 3 || strlen(words[2]) > 100) errx(2, "post PORT ORDER_ID");
    struct sockaddr_in sink = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(words[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char body[256], request[512], answer[512];
    int length = sprintf(body, "{\"events\":[{\"event_type\":\"purchase\",\"properties\":{\"order_id\":\"%s\"}}]}", words[2]);
    int size = sprintf(request,
                       "POST /v1/track/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "Connection: close\r\nContent-Length: %d\r\n\r\n%s",
                       length, body);
    int one = socket(AF_INET, SOCK_STREAM, 0);
    if (one < 0 || connect(one, (struct sockaddr *)&sink, sizeof sink)) err(1, "connect");
    if (send(one, request, (size_t)size, MSG_NOSIGNAL) != size) err(1, "send");
    ssize_t got = recv(one, answer, sizeof answer - 1, 0);
    return got > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0 ? 0 : 1;
}
