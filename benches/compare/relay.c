/* A blind byte relay: the floor of the machine for anything that stands between two connections.
 *
 * It joins the 1st connection with the 2nd, the 3rd with the 4th, and so on, and copies bytes both ways without looking at
 * them. One thread, one edge-triggered epoll, TCP_NODELAY, one 256 KiB read buffer for all. What a socket does not take at
 * once is kept, and its source is not read until it has left, so memory stays bounded.
 *
 * usage: relay PORT   (loopback; prints "ready" once it listens)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define EVENTS 1024

struct end {
    int fd;
    struct end *other;
    /* Bytes for this end that it has not taken yet. */
    char *kept;
    size_t kept_at, kept_len;
    int readable;
    int closed;
};

static int poll_fd;
static char buffer[BUFFER_BYTES];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void close_pair(struct end *end) {
    struct end *both[2] = {end, end->other};
    for (int n = 0; n < 2; n++) {
        if (both[n] && !both[n]->closed) {
            close(both[n]->fd);
            free(both[n]->kept);
            both[n]->kept = NULL;
            /* The entry itself stays: an event for it may be in the batch at hand. */
            both[n]->closed = 1;
        }
    }
}

/* Writes what is kept for an end. Answers 1 when nothing is left. */
static int drain(struct end *end) {
    while (end->kept_len > 0) {
        ssize_t n = write(end->fd, end->kept + end->kept_at, end->kept_len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                close_pair(end);
            return 0;
        }
        end->kept_at += (size_t)n;
        end->kept_len -= (size_t)n;
    }
    free(end->kept);
    end->kept = NULL;
    end->kept_at = 0;
    return 1;
}

/* Copies from an end to its other until there is nothing to read or no room. */
static void pump(struct end *from) {
    struct end *to = from->other;
    while (to && !from->closed && from->readable && to->kept_len == 0) {
        ssize_t got = read(from->fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN) {
            from->readable = 0;
            return;
        }
        if (got <= 0) {
            close_pair(from);
            return;
        }
        /* A short read has emptied the socket: the next edge comes with the next bytes. */
        if ((size_t)got < sizeof buffer)
            from->readable = 0;
        ssize_t put;
        do
            put = write(to->fd, buffer, (size_t)got);
        while (put < 0 && errno == EINTR);
        if (put < 0 && errno != EAGAIN) {
            close_pair(from);
            return;
        }
        if (put < 0)
            put = 0;
        if (put < got) {
            to->kept_len = (size_t)(got - put);
            to->kept_at = 0;
            to->kept = malloc(to->kept_len);
            if (!to->kept)
                die("malloc");
            memcpy(to->kept, buffer + put, to->kept_len);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: relay PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        die("listen");
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event))
        die("epoll");
    printf("ready\n");
    fflush(stdout);

    struct end *waiting = NULL;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int n = 0; n < count; n++) {
            struct end *end = events[n].data.ptr;
            if (!end) {
                int fd;
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    struct end *fresh = calloc(1, sizeof *fresh);
                    if (!fresh)
                        die("calloc");
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    fresh->fd = fd;
                    if (waiting && waiting->closed)
                        waiting = NULL;
                    if (waiting) {
                        fresh->other = waiting;
                        waiting->other = fresh;
                        waiting = NULL;
                    } else {
                        waiting = fresh;
                    }
                    event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = fresh};
                    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
                        die("epoll_ctl");
                    /* The first of the two may have spoken before the second came. */
                    if (fresh->other)
                        pump(fresh->other);
                }
                continue;
            }
            if (end->closed)
                continue;
            if (events[n].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
                end->readable = 1;
                pump(end);
            }
            if (!end->closed && events[n].events & EPOLLOUT && end->kept_len > 0 && drain(end) && end->other)
                pump(end->other);
        }
    }
}
