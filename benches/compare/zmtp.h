// The handshake of ZMTP 3.0 with NULL, as far as programs of comparison need it: the bytes that each end says.
#include <string.h>

enum { GREETING = 64 };

static const unsigned char greeting_of_null[GREETING] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};

// READY of a socket of this type, and how long it is.
static size_t ready_of(unsigned char *out, const char *type) {
    size_t name = strlen(type), n = 0;
    out[n++] = 4;
    out[n++] = (unsigned char)(6 + 12 + 4 + name);
    memcpy(out + n, "\x05READY\x0bSocket-Type\0\0\0", 21);
    n += 21;
    out[n++] = (unsigned char)name;
    memcpy(out + n, type, name);
    return n + name;
}
