/* A disk that stalls, and one that is full, for a program that is started with this in LD_PRELOAD: while the file $DISK_STALLED is
 * there, what is written to files named *.vlog waits, which the file $DISK_WAITED tells; while $DISK_FULL is there, it fails, half of
 * it written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_there(const char *variable) {
    const char *path = getenv(variable);
    return path != NULL && access(path, F_OK) == 0;
}

static int is_recording(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    return length >= 5 && memcmp(path + length - 5, ".vlog", 5) == 0;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*disk)(int, const void *, size_t);
    static int halves;
    if (disk == NULL) {
        disk = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    }
    if (is_recording(fd)) {
        while (is_there("DISK_STALLED")) {
            const char *waited = getenv("DISK_WAITED");
            if (waited != NULL) {
                close(open(waited, O_CREAT | O_WRONLY, 0600));
            }
            usleep(2000);
        }
        if (!is_there("DISK_FULL")) {
            halves = 0;
        } else if (halves++ == 0) {
            return disk(fd, bytes, count / 2 + 1);
        } else {
            errno = ENOSPC;
            return -1;
        }
    }
    return disk(fd, bytes, count);
}
