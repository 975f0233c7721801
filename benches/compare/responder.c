/* The floor of this machine for requests over HTTP: reads a request to its end by its Content-Length, looks into nothing else, and answers
 * every one with the same 200. What begins with GET becomes a stream: every later request is told on it by the same frame of a WebSocket.
 * One thread, epoll. usage: responder PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024, EVENTS = 256 };

struct connection {
    int fd;
    size_t kept;
    char buffer[BUFFER_BYTES];
};

static const char answer[] =
    "HTTP/1.1 200 OK\r\nDate: Mon, 30 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: 22\r\n\r\n{\"trackingId\":\"abcde\"}";

static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/* A text of so many bytes, as long as a trigger is that a session tells. */
enum { TEXT_BYTES = 600 };
static char frame[4 + TEXT_BYTES];

static int streams[65536], stream_count;

static void must(int outcome, const char *what) {
    if (outcome < 0) {
        perror(what);
        exit(1);
    }
}

/* Bytes of the first request in the buffer; 0 where it is not whole. */
static size_t whole(const char *bytes, size_t len) {
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - bytes) + 4, body = 0;
    for (const char *line = bytes; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line) + 2);
        if (!strncasecmp(line, "content-length:", 15))
            body = strtoul(line + 15, NULL, 10);
        line = next + 1;
    }
    return len >= head + body ? head + body : 0;
}

/* Answers what is there; 0 where the connection is over. */
static int serve(struct connection *at) {
    ssize_t got = read(at->fd, at->buffer + at->kept, BUFFER_BYTES - at->kept);
    if (got <= 0)
        return 0;
    at->kept += (size_t)got;
    for (size_t len; (len = whole(at->buffer, at->kept)) > 0;) {
        int is_stream = at->buffer[0] == 'G' && stream_count < (int)(sizeof streams / sizeof *streams);
        const char *said = is_stream ? upgraded : answer;
        if (write(at->fd, said, strlen(said)) != (ssize_t)strlen(said))
            return 0;
        for (int n = 0; !is_stream && n < stream_count; n++)
            if (write(streams[n], frame, sizeof frame) < 0)
                streams[n--] = streams[--stream_count];
        if (is_stream)
            streams[stream_count++] = at->fd;
        at->kept -= len;
        memmove(at->buffer, at->buffer + len, at->kept);
    }
    return at->kept < BUFFER_BYTES;
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: responder PORT\n");
        return 2;
    }
    memset(frame, 'x', sizeof frame);
    memcpy(frame, (char[]){(char)0x81, 126, TEXT_BYTES >> 8, (char)(TEXT_BYTES & 0xff)}, 4);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    must(listener, "socket");
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(listener, 1024), "listen");
    int poll = epoll_create1(0);
    must(poll, "epoll_create1");
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    must(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &wanted), "epoll_ctl");
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int n = 0; n < ready; n++) {
            struct connection *at = events[n].data.ptr;
            if (!at) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0 || !(at = malloc(sizeof *at)))
                    continue;
                at->fd = fd;
                at->kept = 0;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = at};
                must(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
            } else if (!serve(at)) {
                close(at->fd);
                free(at);
            }
        }
    }
}
