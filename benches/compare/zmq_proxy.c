// The reference for a channel: libzmq's own proxy between an XSUB and an XPUB.
//
// usage: zmq_proxy PUBLISHERS_PORT SUBSCRIBERS_PORT
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

static void *bound(void *context, int type, const char *port) {
    char address[64];
    int none = 0;
    void *socket = zmq_socket(context, type);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%s", port);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (zmq_bind(socket, address) != 0) {
        perror(address);
        exit(1);
    }
    return socket;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: zmq_proxy PUBLISHERS_PORT SUBSCRIBERS_PORT\n");
        return 2;
    }
    void *context = zmq_ctx_new();
    void *in = bound(context, ZMQ_XSUB, argv[1]), *out = bound(context, ZMQ_XPUB, argv[2]);
    printf("ready\n");
    fflush(stdout);
    return zmq_proxy(in, out, NULL);
}
