/*
 * A platform that speaks through wolfSSL and staples responses from files: a list in TLS 1.2 (ocsp_multi of
 * RFC 6961).
 *
 * Arguments: trust anchors, chain, key (all PEM), the serial number of its own certificate in hexadecimal,
 * the file with the response about it, the file with the response about its issuing CA; `-` stands for none.
 * It writes where it listens, and repeats what it reads.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char serial[64];
static int serial_length;
static const char *files[2];

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s\n", what);
        exit(2);
    }
}

/* What a responder would answer. */
static int ask(void *context, const char *url, int length, unsigned char *request, int size, unsigned char **response)
{
    (void)context;
    (void)url;
    (void)length;
    int is_own = 0;
    for (int at = 0; at + serial_length <= size; at++) {
        is_own |= memcmp(request + at, serial, (size_t)serial_length) == 0;
    }
    const char *name = files[is_own ? 0 : 1];
    FILE *file = strcmp(name, "-") == 0 ? NULL : fopen(name, "rb");
    if (file == NULL) {
        return -1;
    }
    unsigned char *bytes = malloc(65536);
    must(bytes != NULL, "memory");
    int read = (int)fread(bytes, 1, 65536, file);
    fclose(file);
    *response = bytes;
    return read;
}

static void done(void *context, unsigned char *response)
{
    (void)context;
    free(response);
}

static void serve(WOLFSSL_CTX *context, int tcp)
{
    WOLFSSL *ssl = wolfSSL_new(context);
    must(ssl != NULL, "a session");
    wolfSSL_set_fd(ssl, tcp);
    if (wolfSSL_accept(ssl) == WOLFSSL_SUCCESS) {
        char line[256];
        int count = wolfSSL_read(ssl, line, sizeof line);
        if (count > 0) {
            wolfSSL_write(ssl, line, count);
            /* Until the client has closed its side. */
            wolfSSL_read(ssl, line, sizeof line);
        }
        wolfSSL_shutdown(ssl);
    } else {
        char text[WOLFSSL_MAX_ERROR_SZ];
        int error = wolfSSL_get_error(ssl, 0);
        wolfSSL_ERR_error_string((unsigned long)error, text);
        fprintf(stderr, "handshake: %d %s\n", error, text);
    }
    wolfSSL_free(ssl);
    close(tcp);
}

int main(int count, char **arguments)
{
    must(count == 7, "six arguments");
    for (const char *digits = arguments[4]; digits[0] && digits[1] && serial_length < 64; digits += 2) {
        unsigned int octet = 0;
        must(sscanf(digits, "%2x", &octet) == 1, "a serial number");
        serial[serial_length++] = (unsigned char)octet;
    }
    files[0] = arguments[5];
    files[1] = arguments[6];

    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLSv1_2_server_method());
    must(context != NULL, "a context");
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    must(wolfSSL_CTX_load_verify_locations(context, arguments[1], NULL) == WOLFSSL_SUCCESS, "trust anchors");
    must(wolfSSL_CTX_use_certificate_chain_file(context, arguments[2]) == WOLFSSL_SUCCESS, "chain");
    must(wolfSSL_CTX_use_PrivateKey_file(context, arguments[3], WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS, "key");
    must(wolfSSL_CTX_EnableOCSPStapling(context) == WOLFSSL_SUCCESS, "stapling");
    must(wolfSSL_CTX_SetOCSP_Cb(context, ask, done, NULL) == WOLFSSL_SUCCESS, "its answers");

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {0};
    socklen_t length = sizeof at;
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listener, (struct sockaddr *)&at, sizeof at) == 0, "an address");
    must(listen(listener, 16) == 0, "listening");
    must(getsockname(listener, (struct sockaddr *)&at, &length) == 0, "the port");
    printf("listening 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int tcp = accept(listener, NULL, NULL);
        must(tcp >= 0, "a connection");
        serve(context, tcp);
    }
}
