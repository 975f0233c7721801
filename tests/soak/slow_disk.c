/* A disk that takes its time, for a program that is started with this in LD_PRELOAD: while the file $DISK_SLOW is there, each sync to
 * disk takes as many milliseconds as the file has bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void take_time(void) {
    const char *path = getenv("DISK_SLOW");
    struct stat found;
    if (path != NULL && stat(path, &found) == 0) {
        usleep((useconds_t)found.st_size * 1000);
    }
}

int fdatasync(int fd) {
    static int (*disk)(int);
    if (disk == NULL) {
        disk = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    }
    take_time();
    return disk(fd);
}

int fsync(int fd) {
    static int (*disk)(int);
    if (disk == NULL) {
        disk = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    }
    take_time();
    return disk(fd);
}
