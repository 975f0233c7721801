// What programs that load a channel have in common: the clock, and connections whose handshake is over.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "zmtp.h"

static inline double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void all(int fd, const void *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n <= 0) die("write");
        bytes = (const char *)bytes + n;
        len -= (size_t)n;
    }
}

static inline void exactly(int fd, void *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = read(fd, bytes, len);
        if (n <= 0) die("handshake");
        bytes = (char *)bytes + n;
        len -= (size_t)n;
    }
}

// A connection whose handshake is over.
static inline int connected(int port, const char *type) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    unsigned char theirs[GREETING], ready[256], head[2];
    all(fd, greeting_of_null, GREETING);
    size_t n = ready_of(ready, type);
    exactly(fd, theirs, GREETING);
    all(fd, ready, n);
    exactly(fd, head, 2);
    exactly(fd, ready, head[1]);
    return fd;
}
