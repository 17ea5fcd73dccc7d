/*
 * A device that speaks through GnuTLS's library, because its gnutls-cli does not send records without content.
 *
 * Arguments: certificate chain, key, trust anchors (all PEM), host, port, priority string. From stdin it takes pieces,
 * each behind four bytes of its length, and sends each in one call; one of no bytes becomes a record of no bytes. What
 * it receives goes to stdout.
 */

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void succeed(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, gnutls_strerror(result));
        exit(1);
    }
}

static int tcp(const char *host, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* Passes the pieces of stdin on until it ends, then closes. GnuTLS allows one thread for each direction. */
static void *send_pieces(void *of)
{
    gnutls_session_t session = of;
    unsigned char length[4];
    while (fread(length, 1, sizeof length, stdin) == sizeof length) {
        size_t left = (size_t)length[0] << 24 | length[1] << 16 | length[2] << 8 | length[3];
        char *piece = malloc(left + 1);
        if (piece == NULL || fread(piece, 1, left, stdin) != left)
            break;
        const char *next = piece;
        do {
            ssize_t sent = gnutls_record_send(session, next, left);
            succeed((int)sent, "sending");
            next += sent;
            left -= (size_t)sent;
        } while (left > 0);
        free(piece);
    }
    gnutls_bye(session, GNUTLS_SHUT_WR);
    return NULL;
}

int main(int count, char **arguments)
{
    gnutls_certificate_credentials_t own;
    gnutls_session_t session;
    if (count != 7)
        return 64;
    /* A test that fails must not leave this behind. */
    alarm(60);
    succeed(gnutls_certificate_allocate_credentials(&own), "credentials");
    succeed(gnutls_certificate_set_x509_key_file(own, arguments[1], arguments[2], GNUTLS_X509_FMT_PEM), "key");
    succeed(gnutls_certificate_set_x509_trust_file(own, arguments[3], GNUTLS_X509_FMT_PEM), "trust anchors");
    succeed(gnutls_init(&session, GNUTLS_CLIENT), "session");
    succeed(gnutls_priority_set_direct(session, arguments[6], NULL), "priority");
    succeed(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, own), "credentials");
    gnutls_session_set_verify_cert(session, arguments[4], 0);
    gnutls_transport_set_int(session, tcp(arguments[4], arguments[5]));
    succeed(gnutls_handshake(session), "handshake");

    pthread_t sending;
    if (pthread_create(&sending, NULL, send_pieces, session) != 0)
        return 71;
    char chunk[16384];
    for (;;) {
        ssize_t received = gnutls_record_recv(session, chunk, sizeof chunk);
        if (received == 0)
            return 0;
        /* After a message of TLS 1.3 that is not data. */
        if (received == GNUTLS_E_AGAIN || received == GNUTLS_E_INTERRUPTED)
            continue;
        succeed((int)received, "receiving");
        fwrite(chunk, 1, (size_t)received, stdout);
        fflush(stdout);
    }
}
