// How long a message takes from a publisher to each of its subscribers: one publisher that keeps a rate, and whose messages say when each should have
// left. Speaks ZMTP 3.0 by itself.
//
// usage: delay PUBLISHERS_PORT SUBSCRIBERS_PORT SUBSCRIBERS BYTES RATE SECONDS [STOPPED]
//
// STOPPED of the subscribers read nothing. Prints messages delivered in a second, how many the others missed, and percentiles of the delay in microseconds.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client.h"

enum { MOST = 1024, TOPIC = 4 };

static int ordered(const void *a, const void *b) {
    float one = *(const float *)a, other = *(const float *)b;
    return (one > other) - (one < other);
}

struct subscriber {
    int fd;
    // Bytes of a message that have come, and the front of it, in which its time stands.
    size_t at;
    unsigned char front[32];
};

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: delay PUBLISHERS_PORT SUBSCRIBERS_PORT SUBSCRIBERS BYTES RATE SECONDS [STOPPED]\n");
        return 2;
    }
    int in = atoi(argv[1]), out = atoi(argv[2]), subscribers = atoi(argv[3]), stopped = argc > 7 ? atoi(argv[7]) : 0;
    size_t bytes = (size_t)atol(argv[4]), head = bytes < 256 ? 2 : 9, stamp = 2 + TOPIC + head, len = stamp + bytes;
    double rate = atof(argv[5]), seconds = atof(argv[6]);
    if (subscribers < 1 || subscribers > MOST || stopped >= subscribers || bytes < sizeof(double) || rate <= 0) return 2;
    static struct subscriber subs[MOST];
    static unsigned char buffer[1 << 20];
    int poll_fd = epoll_create1(0);
    for (int n = 0; n < subscribers; n++) {
        const unsigned char wish[] = {0, 1 + TOPIC, 1, 'N', '1', '.', 'p'};
        subs[n].fd = connected(out, "SUB");
        if (write(subs[n].fd, wish, sizeof wish) != (ssize_t)sizeof wish) die("subscribe");
        fcntl(subs[n].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)n};
        if (n >= stopped) epoll_ctl(poll_fd, EPOLL_CTL_ADD, subs[n].fd, &event);
    }
    int publisher = connected(in, "PUB");
    fcntl(publisher, F_SETFL, O_NONBLOCK);
    unsigned char *message = calloc(1, len);
    memcpy(message, "\x01\x04N1.p", 2 + TOPIC);
    message[2 + TOPIC] = bytes < 256 ? 0 : 2;
    if (bytes < 256) {
        message[3 + TOPIC] = (unsigned char)bytes;
    } else {
        for (int n = 0; n < 8; n++) message[3 + TOPIC + n] = (unsigned char)(bytes >> (56 - 8 * n));
    }
    size_t most = (size_t)(rate * seconds * (subscribers - stopped)) + 1, heard = 0;
    float *delays = malloc(most * sizeof *delays);
    // Until what is wanted has gone everywhere, and whoever reads nothing has all that is kept for it.
    usleep(500000);
    double warm = now() + 2, until = warm + seconds, due = now();
    size_t left = 0;
    unsigned long long due_count = 0;
    struct epoll_event events[256];
    for (double at = now(); at < until + 0.2; at = now()) {
        while (due <= at && due < until) {
            if (left == 0) memcpy(message + stamp, &due, sizeof due);
            ssize_t done = write(publisher, message + left, len - left);
            if (done < 0 && errno != EAGAIN) die("publisher");
            if (done > 0) left += (size_t)done;
            if (left < len) break;
            left = 0;
            due_count += due >= warm;
            due += 1 / rate;
        }
        int ready = epoll_wait(poll_fd, events, 256, 0);
        for (int n = 0; n < ready; n++) {
            struct subscriber *one = &subs[events[n].data.u32];
            ssize_t got = read(one->fd, buffer, sizeof buffer);
            if (got == 0 || (got < 0 && errno != EAGAIN)) die("subscriber");
            double came = now();
            for (ssize_t used = 0; used < got;) {
                size_t piece = len - one->at, rest = (size_t)(got - used);
                if (piece > rest) piece = rest;
                for (size_t byte = one->at; byte < stamp + sizeof(double) && byte < one->at + piece; byte++) {
                    one->front[byte] = buffer[(size_t)used + byte - one->at];
                }
                one->at += piece;
                used += (ssize_t)piece;
                if (one->at < len) continue;
                one->at = 0;
                double sent;
                memcpy(&sent, one->front + stamp, sizeof sent);
                if (sent >= warm && heard < most) delays[heard++] = (float)(1e6 * (came - sent));
            }
        }
    }
    if (heard == 0) die("nothing was heard");
    qsort(delays, heard, sizeof *delays, ordered);
    long long missed = (long long)(due_count * (unsigned long long)(subscribers - stopped)) - (long long)heard;
    printf("delivered/s %.0f missed %lld p50 %.0f p99 %.0f p99.9 %.0f max %.0f\n", (double)heard / seconds, missed, delays[heard / 2],
           delays[(size_t)(0.99 * (double)heard)], delays[(size_t)(0.999 * (double)heard)], delays[heard - 1]);
    return 0;
}
