/*
 * A device that speaks through mbed TLS (2.28), which can send empty records.
 *
 * Arguments: trust anchors, chain, key (PEM), host, port, the number of a cipher suite (hexadecimal), and
 * optionally the size of its buffers: it requests this maximum fragment length (RFC 6066 section 4), and a
 * longer record is an error, as where mbed TLS is built with MBEDTLS_SSL_IN_CONTENT_LEN of this size. From
 * stdin it takes pieces, each behind four bytes of its length, and gives each to mbedtls_ssl_write in one
 * call: one of length zero becomes an empty record. What it receives goes to stdout.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#if MBEDTLS_VERSION_MAJOR != 2
#error "written for mbed TLS 2.28 (Debian: libmbedtls-dev)"
#endif

/* What AES-GCM adds to a record (RFC 5288). */
#define RECORD_OVERHEAD 24

/* The size of the input buffer; 0 means 16 KiB. */
static size_t buffer_size;

static int receive_records(void *net, unsigned char *buffer, size_t length)
{
    static unsigned char header[5];
    static size_t filled, remaining;
    int now = mbedtls_net_recv(net, buffer, length);
    for (int at = 0; at < now && buffer_size > 0; at++) {
        if (remaining > 0) {
            remaining--;
            continue;
        }
        header[filled++] = buffer[at];
        if (filled < sizeof header)
            continue;
        filled = 0;
        remaining = (size_t)header[3] << 8 | header[4];
        if (remaining > buffer_size + RECORD_OVERHEAD)
            return MBEDTLS_ERR_SSL_INVALID_RECORD;
    }
    return now;
}

static unsigned char fragment_code(size_t size)
{
    switch (size) {
    case 512: return MBEDTLS_SSL_MAX_FRAG_LEN_512;
    case 1024: return MBEDTLS_SSL_MAX_FRAG_LEN_1024;
    case 2048: return MBEDTLS_SSL_MAX_FRAG_LEN_2048;
    case 4096: return MBEDTLS_SSL_MAX_FRAG_LEN_4096;
    default: return MBEDTLS_SSL_MAX_FRAG_LEN_NONE;
    }
}

static void check(int result, const char *what)
{
    char text[160];
    if (result == 0)
        return;
    mbedtls_strerror(result, text, sizeof text);
    fprintf(stderr, "%s: %s (-0x%04x)\n", what, text, (unsigned)-result);
    exit(1);
}

/* 1 when all of it has come, 0 at the end of the stream. */
static int read_all(void *buffer, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t now = read(0, (char *)buffer + done, length - done);
        if (now < 0 && errno == EINTR)
            continue;
        if (now <= 0)
            return 0;
        done += (size_t)now;
    }
    return 1;
}

static void wait_for(mbedtls_net_context *net, short events)
{
    struct pollfd waiting = { net->fd, events, 0 };
    poll(&waiting, 1, -1);
}

static void write_piece(mbedtls_ssl_context *ssl, mbedtls_net_context *net, const unsigned char *piece, size_t length)
{
    size_t done = 0;
    do {
        int now = mbedtls_ssl_write(ssl, piece + done, length - done);
        if (now == MBEDTLS_ERR_SSL_WANT_WRITE)
            wait_for(net, POLLOUT);
        else if (now == MBEDTLS_ERR_SSL_WANT_READ)
            wait_for(net, POLLIN);
        else if (now < 0)
            check(now, "sending");
        else
            done += (size_t)now;
        if (now >= 0 && length == 0)
            break;
    } while (done < length);
}

/* Passes on received bytes; 0 after the platform's close_notify. */
static int receive(mbedtls_ssl_context *ssl)
{
    static unsigned char chunk[16384];
    for (;;) {
        int now = mbedtls_ssl_read(ssl, chunk, sizeof chunk);
        if (now == MBEDTLS_ERR_SSL_WANT_READ || now == MBEDTLS_ERR_SSL_WANT_WRITE)
            return 1;
        if (now == 0 || now == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return 0;
        if (now < 0)
            check(now, "receiving");
        fwrite(chunk, 1, (size_t)now, stdout);
        fflush(stdout);
    }
}

int main(int count, char **arguments)
{
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt anchors, chain;
    mbedtls_pk_context key;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_net_context net;
    int suites[2] = { 0, 0 };

    if (count != 7 && count != 8)
        return 64;
    buffer_size = count == 8 ? (size_t)strtoul(arguments[7], NULL, 10) : 0;
    suites[0] = (int)strtol(arguments[6], NULL, 16);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_x509_crt_init(&anchors);
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    mbedtls_net_init(&net);
    check(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), "random numbers");
    check(mbedtls_x509_crt_parse_file(&anchors, arguments[1]), "trust anchors");
    check(mbedtls_x509_crt_parse_file(&chain, arguments[2]), "chain");
    check(mbedtls_pk_parse_keyfile(&key, arguments[3], NULL), "key");
    check(mbedtls_net_connect(&net, arguments[4], arguments[5], MBEDTLS_NET_PROTO_TCP), "connecting");
    check(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                      MBEDTLS_SSL_PRESET_DEFAULT), "settings");
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &anchors, NULL);
    check(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "own certificate");
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    check(mbedtls_ssl_conf_max_frag_len(&config, fragment_code(buffer_size)), "buffer size");
    check(mbedtls_ssl_setup(&ssl, &config), "settings");
    /* It compares names only, and the platform is known by an address here: the path is what it checks. */
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, receive_records, NULL);
    check(mbedtls_ssl_handshake(&ssl), "handshake");
    check(mbedtls_net_set_nonblock(&net), "socket");

    int speaking = 1, hearing = receive(&ssl);
    while (hearing) {
        struct pollfd both[2] = { { net.fd, POLLIN, 0 }, { speaking ? 0 : -1, POLLIN, 0 } };
        if (poll(both, 2, -1) < 0 && errno != EINTR)
            return 71;
        if (both[1].revents) {
            unsigned char header[4];
            speaking = read_all(header, sizeof header);
            if (speaking) {
                size_t length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
                unsigned char *piece = malloc(length + 1);
                if (piece == NULL || !read_all(piece, length))
                    return 65;
                write_piece(&ssl, &net, piece, length);
                free(piece);
            } else {
                mbedtls_ssl_close_notify(&ssl);
            }
        }
        if (both[0].revents)
            hearing = receive(&ssl);
    }
    return 0;
}
