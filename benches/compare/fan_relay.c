// A blind fan-out: the floor of the machine for anything that hands what one side sends to all of the other.
//
// usage: fan_relay PUBLISHERS_PORT SUBSCRIBERS_PORT   (loopback; prints "ready" once it listens)
//
// It answers the handshake of ZMTP 3.0 with NULL in the words that it expects, and looks at nothing after that: what a publisher sends goes to every
// subscriber as it comes, whatever that has subscribed to, and what subscribers send is dropped. One thread, one epoll, one buffer of 256 KiB; a
// subscriber that is full holds everybody.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zmtp.h"

enum { BUFFER = 256 << 10, MOST = 4096, EVENTS = 256 };

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int listening(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0) die("listen");
    return fd;
}

// Whether all of it has been read; a peer that goes in the middle of a handshake has not said it.
static int exactly(int fd, void *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = read(fd, bytes, len);
        if (n <= 0) return 0;
        bytes = (char *)bytes + n;
        len -= (size_t)n;
    }
    return 1;
}

// A peer whose handshake is over, or -1. It is waited for: there is one after the other.
static int accepted(int listener, const char *type) {
    int fd = accept(listener, NULL, NULL), on = 1;
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    unsigned char word[256], theirs[256], head[2];
    size_t n = ready_of(word, type);
    if (write(fd, greeting_of_null, GREETING) != GREETING || write(fd, word, n) != (ssize_t)n ||
        !exactly(fd, theirs, GREETING) || !exactly(fd, head, 2) || !exactly(fd, theirs, head[1])) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

// Whether the peer is there still.
static int given(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};
            poll(&full, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return 0;
        }
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: fan_relay PUBLISHERS_PORT SUBSCRIBERS_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    static char buffer[BUFFER];
    static int subscribers[MOST];
    static char is_subscriber[1 << 16];
    int doors[2] = {listening(atoi(argv[1])), listening(atoi(argv[2]))}, events = epoll_create1(0), many = 0;
    for (int n = 0; n < 2; n++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = doors[n]};
        if (epoll_ctl(events, EPOLL_CTL_ADD, doors[n], &wanted) != 0) die("epoll");
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(events, ready, EVENTS, -1);
        for (int n = 0; n < count; n++) {
            int fd = ready[n].data.fd, is_out = fd == doors[1];
            if (fd == doors[0] || is_out) {
                int peer = accepted(fd, is_out ? "XPUB" : "XSUB");
                if (peer < 0 || peer >= 1 << 16 || many == MOST) continue;
                is_subscriber[peer] = (char)is_out;
                if (is_out) subscribers[many++] = peer;
                struct epoll_event wanted = {.events = EPOLLIN, .data.fd = peer};
                epoll_ctl(events, EPOLL_CTL_ADD, peer, &wanted);
                continue;
            }
            ssize_t came = read(fd, buffer, BUFFER);
            if (came == 0 || (came < 0 && errno != EAGAIN && errno != EINTR)) {
                for (int at = 0; at < many; at++)
                    if (subscribers[at] == fd) subscribers[at--] = subscribers[--many];
                close(fd);
            } else if (came > 0 && !is_subscriber[fd]) {
                for (int at = 0; at < many; at++) given(subscribers[at], buffer, (size_t)came);
            }
        }
    }
}
