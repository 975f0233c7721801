// Loads a channel: publishers that send as fast as they may, subscribers that count what comes. Speaks ZMTP 3.0 by itself, with as little work for a
// message as can be, so that the server is what is measured.
//
// usage: fanout PUBLISHERS_PORT SUBSCRIBERS_PORT PUBLISHERS SUBSCRIBERS BYTES SECONDS [PID [TOPICS [STOPPED]]]
//
// Each publisher sends under a topic of its own to which all subscribers have subscribed; with TOPICS it goes through so many, of which each
// subscriber has some. STOPPED subscribers read nothing. Prints messages sent and delivered in a second, microseconds of the server's CPU (of the
// process PID) for each delivered message, and the fewest and most that one subscriber got.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"

enum { BATCH = 256 << 10, MOST = 4096 };

static void subscribe(int fd, const char *topic) {
    unsigned char frame[300] = {0, (unsigned char)(1 + strlen(topic)), 1};
    memcpy(frame + 3, topic, strlen(topic));
    all(fd, frame, 3 + strlen(topic));
}

// One message with that topic, and how long it is.
static size_t message(unsigned char *out, const char *topic, size_t bytes) {
    size_t n = 0;
    out[n++] = 1;
    out[n++] = (unsigned char)strlen(topic);
    memcpy(out + n, topic, strlen(topic));
    n += strlen(topic);
    if (bytes < 256) {
        out[n++] = 0;
        out[n++] = (unsigned char)bytes;
    } else {
        out[n++] = 2;
        for (int shift = 56; shift >= 0; shift -= 8) out[n++] = (unsigned char)(bytes >> shift);
    }
    memset(out + n, 'x', bytes);
    return n + bytes;
}

static double cpu_of(int pid) {
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) return 0;
    fclose(file);
    char *rest = strrchr(line, ')');
    if (rest) sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

struct publisher {
    int fd;
    unsigned char *batch;
    size_t len, at;
};

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: fanout PUBLISHERS_PORT SUBSCRIBERS_PORT PUBLISHERS SUBSCRIBERS BYTES SECONDS [PID [TOPICS [STOPPED]]]\n");
        return 2;
    }
    int in = atoi(argv[1]), out = atoi(argv[2]), publishers = atoi(argv[3]), subscribers = atoi(argv[4]);
    size_t bytes = (size_t)atol(argv[5]);
    double seconds = atof(argv[6]);
    int pid = argc > 7 ? atoi(argv[7]) : 0, topics = argc > 8 ? atoi(argv[8]) : 0, stopped = argc > 9 ? atoi(argv[9]) : 0;
    if (publishers < 1 || subscribers < 1 || publishers + subscribers > MOST || bytes < 1) return 2;
    static int subs[MOST];
    static struct publisher pubs[MOST];
    static unsigned char buffer[1 << 20];
    static unsigned long long got[MOST];
    char topic[64];
    for (int n = 0; n < subscribers; n++) {
        subs[n] = connected(out, "SUB");
        if (topics == 0) {
            subscribe(subs[n], "N1.p");
        } else {
            for (int one = n % topics; one < topics; one += subscribers) {
                snprintf(topic, sizeof topic, "N1.p%06d", one);
                subscribe(subs[n], topic);
            }
        }
    }
    size_t len = 0;
    for (int n = 0; n < publishers; n++) {
        pubs[n].fd = connected(in, "PUB");
        size_t room = topics ? (size_t)topics * (bytes + 64) : BATCH > bytes + 64 ? BATCH : bytes + 64;
        pubs[n].batch = malloc(room + bytes + 64);
        int one = n;
        do {
            snprintf(topic, sizeof topic, "N1.p%06d", one);
            len = message(pubs[n].batch + pubs[n].len, topic, bytes);
            pubs[n].len += len;
            if (topics) one = (one + 7919) % topics;
        } while (topics ? pubs[n].len < len * (size_t)topics : pubs[n].len + len <= room);
    }
    // Until what is wanted has gone everywhere.
    usleep(1000000);
    for (int n = 0; n < publishers; n++) fcntl(pubs[n].fd, F_SETFL, O_NONBLOCK);
    int poll_fd = epoll_create1(0);
    for (int n = 0; n < subscribers; n++) {
        fcntl(subs[n], F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)n};
        if (n >= stopped) epoll_ctl(poll_fd, EPOLL_CTL_ADD, subs[n], &event);
    }
    double warm = now() + 0.5, begin = 0, cpu = 0, until = warm + seconds;
    unsigned long long sent = 0, delivered = 0;
    struct epoll_event events[256];
    for (double at = now(); at < until; at = now()) {
        if (begin == 0 && at >= warm) {
            begin = at;
            cpu = cpu_of(pid);
            sent = delivered = 0;
            memset(got, 0, sizeof got);
        }
        for (int n = 0; n < publishers; n++) {
            struct publisher *one = &pubs[n];
            ssize_t done = write(one->fd, one->batch + one->at, one->len - one->at);
            if (done < 0 && errno != EAGAIN) die("publisher");
            if (done > 0) {
                sent += (unsigned long long)done;
                one->at = (one->at + (size_t)done) % one->len;
            }
        }
        int ready = epoll_wait(poll_fd, events, 256, 1);
        for (int n = 0; n < ready; n++) {
            unsigned who = events[n].data.u32;
            ssize_t n_read = read(subs[who], buffer, sizeof buffer);
            if (n_read == 0 || (n_read < 0 && errno != EAGAIN)) die("subscriber");
            if (n_read > 0) {
                delivered += (unsigned long long)n_read;
                got[who] += (unsigned long long)n_read;
            }
        }
    }
    double took = now() - begin, messages = (double)delivered / (double)len;
    unsigned long long least = got[stopped], most = got[stopped];
    for (int n = stopped; n < subscribers; n++) {
        if (got[n] < least) least = got[n];
        if (got[n] > most) most = got[n];
    }
    printf("sent/s %.0f delivered/s %.0f cpu_us %.4f least %.0f most %.0f\n", (double)sent / (double)len / took,
           messages / took, 1e6 * (cpu_of(pid) - cpu) / messages, (double)least / (double)len, (double)most / (double)len);
    return 0;
}
