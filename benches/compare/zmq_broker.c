/* A LECO Coordinator's routing on libzmq's ROUTER: what a careful C program of one thread gets out of that library.
 *
 * It learns names from sign_in messages, answers them and sign_out with result null from "NS.COORDINATOR", and routes every
 * other message by the receiver's name, found in an open-addressed hash table. Frames are moved, never copied. It does not
 * drop: no high-water mark, and a vanished receiver costs an error from zmq_msg_send only (ROUTER_MANDATORY).
 *
 * usage: zmq_broker PORT [FILE]   (loopback; prints "ready" once it listens; with the file of a secret key by CURVE, for anybody)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define NAMESPACE "N1"
#define COORDINATOR "COORDINATOR"
#define SLOTS 65536
#define NAME_BYTES 255
#define ID_BYTES 255
/* identity, version, receiver, sender, header, payload; further payload frames are streamed. */
#define FRAMES 6

struct slot {
    uint8_t name_len, id_len;
    unsigned char name[NAME_BYTES], id[ID_BYTES];
};

static struct slot *slots;

static uint32_t hash(const unsigned char *bytes, size_t len) {
    uint32_t h = 2166136261u;
    for (size_t n = 0; n < len; n++)
        h = (h ^ bytes[n]) * 16777619u;
    return h;
}

/* The slot of a name, or the free one where it would be. */
static struct slot *find(const unsigned char *name, size_t len) {
    uint32_t at = hash(name, len) % SLOTS;
    while (slots[at].name_len && (slots[at].name_len != len || memcmp(slots[at].name, name, len)))
        at = (at + 1) % SLOTS;
    return &slots[at];
}

/* Cuts the namespace off. */
static const unsigned char *local(zmq_msg_t *frame, size_t *len) {
    const unsigned char *bytes = zmq_msg_data(frame);
    *len = zmq_msg_size(frame);
    const unsigned char *dot = memrchr(bytes, '.', *len);
    if (dot) {
        *len -= (size_t)(dot + 1 - bytes);
        bytes = dot + 1;
    }
    return bytes;
}

static void answer(void *socket, zmq_msg_t *frames) {
    static const char result[] = "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":null}";
    unsigned char header[20] = {0};
    if (zmq_msg_size(&frames[4]) == sizeof header)
        memcpy(header, zmq_msg_data(&frames[4]), 16);
    header[19] = 1;
    zmq_msg_send(&frames[0], socket, ZMQ_SNDMORE);
    zmq_send(socket, "", 1, ZMQ_SNDMORE);
    zmq_msg_send(&frames[3], socket, ZMQ_SNDMORE);
    zmq_send(socket, NAMESPACE "." COORDINATOR, sizeof NAMESPACE "." COORDINATOR - 1, ZMQ_SNDMORE);
    zmq_send(socket, header, sizeof header, ZMQ_SNDMORE);
    zmq_send(socket, result, sizeof result - 1, 0);
}

static int contains(zmq_msg_t *frame, const char *word) {
    return memmem(zmq_msg_data(frame), zmq_msg_size(frame), word, strlen(word)) != NULL;
}

/* A message for the broker itself. */
static void serve(void *socket, zmq_msg_t *frames, int count) {
    size_t len;
    const unsigned char *name = local(&frames[3], &len);
    if (count < FRAMES || len == 0 || len > NAME_BYTES || zmq_msg_size(&frames[0]) > ID_BYTES)
        return;
    if (contains(&frames[5], "\"sign_in\"")) {
        struct slot *slot = find(name, len);
        slot->name_len = (uint8_t)len;
        memcpy(slot->name, name, len);
        slot->id_len = (uint8_t)zmq_msg_size(&frames[0]);
        memcpy(slot->id, zmq_msg_data(&frames[0]), slot->id_len);
        answer(socket, frames);
    } else if (contains(&frames[5], "\"sign_out\"")) {
        /* The name keeps its slot, so that probes beyond it go on; its next owner overwrites it. */
        find(name, len)->id_len = 0;
        answer(socket, frames);
    }
}

/* Passes a message on: the receiver's identity in front, then the frames as they came. */
static int route(void *socket, zmq_msg_t *frames, int count, int more) {
    size_t len;
    const unsigned char *name = local(&frames[2], &len);
    struct slot *slot = len ? find(name, len) : NULL;
    if (!slot || !slot->id_len)
        return 0;
    if (zmq_send(socket, slot->id, slot->id_len, ZMQ_SNDMORE) < 0)
        return 0;
    for (int n = 1; n < count; n++)
        zmq_msg_send(&frames[n], socket, n + 1 < count || more ? ZMQ_SNDMORE : 0);
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: zmq_broker PORT [FILE]\n");
        return 2;
    }
    slots = calloc(SLOTS, sizeof *slots);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    int none = 0, one = 1, backlog = 1024;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    zmq_setsockopt(socket, ZMQ_BACKLOG, &backlog, sizeof backlog);
    if (argc == 3) {
        char key[41] = "";
        FILE *file = fopen(argv[2], "r");
        if (!file || fscanf(file, "%40s", key) != 1 || zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one) ||
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, key, sizeof key)) {
            fprintf(stderr, "%s: no secret key, or no CURVE\n", argv[2]);
            return 1;
        }
        fclose(file);
    }
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%s", argv[1]);
    if (!slots || zmq_bind(socket, address)) {
        fprintf(stderr, "%s: %s\n", address, zmq_strerror(errno));
        return 1;
    }
    printf("ready\n");
    fflush(stdout);

    zmq_msg_t frames[FRAMES];
    for (int n = 0; n < FRAMES; n++)
        zmq_msg_init(&frames[n]);
    for (;;) {
        int count = 0, more = 1;
        while (more && count < FRAMES) {
            if (zmq_msg_recv(&frames[count], socket, 0) < 0) {
                if (errno == EINTR)
                    continue;
                return 1;
            }
            more = zmq_msg_more(&frames[count]);
            count++;
        }
        int routed = 0;
        if (count >= 5) {
            size_t len;
            const unsigned char *name = local(&frames[2], &len);
            if (len == sizeof COORDINATOR - 1 && !memcmp(name, COORDINATOR, len))
                serve(socket, frames, count);
            else
                routed = route(socket, frames, count, more);
        }
        /* Payload beyond the first frame. */
        while (more) {
            if (zmq_msg_recv(&frames[0], socket, 0) < 0)
                return 1;
            more = zmq_msg_more(&frames[0]);
            if (routed)
                zmq_msg_send(&frames[0], socket, more ? ZMQ_SNDMORE : 0);
        }
    }
}
