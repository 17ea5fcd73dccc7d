/*
 * A device that speaks through wolfSSL, asks for the status of every certificate by status_request_v2 with
 * ocsp_multi (RFC 6961) and by nothing else, and refuses a platform that does not staple it.
 *
 * Arguments: trust anchors, chain, key (all PEM), a file with the bytes to send, host, port, cipher suites by
 * wolfSSL's names. It writes the suite, how often it wanted to ask a responder itself (it cannot: that is
 * answered with an error), and "acknowledged"; or "refused" and why.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int asked = 0;

/* The responder is unreachable for this device. */
static int ask(void *context, const char *url, int length, unsigned char *request, int size, unsigned char **response)
{
    (void)context;
    (void)url;
    (void)length;
    (void)request;
    (void)size;
    (void)response;
    asked++;
    return -1;
}

static void done(void *context, unsigned char *response)
{
    (void)context;
    (void)response;
}

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s\n", what);
        exit(2);
    }
}

static int refused(WOLFSSL *ssl, int result)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = wolfSSL_get_error(ssl, result);
    wolfSSL_ERR_error_string((unsigned long)error, text);
    printf("refused %d %s asked %d\n", error, text, asked);
    return 1;
}

int main(int count, char **arguments)
{
    char message[65536];
    struct sockaddr_in to = {0};
    must(count == 8, "seven arguments");

    FILE *file = fopen(arguments[4], "rb");
    must(file != NULL, "the file with the message");
    size_t length = fread(message, 1, sizeof message, file);
    fclose(file);

    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLSv1_2_client_method());
    must(context != NULL, "a context");
    /* Debian's build verifies no peer unless it is configured to. */
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, NULL);
    must(wolfSSL_CTX_load_verify_locations(context, arguments[1], NULL) == WOLFSSL_SUCCESS, "trust anchors");
    must(wolfSSL_CTX_use_certificate_chain_file(context, arguments[2]) == WOLFSSL_SUCCESS, "chain");
    must(wolfSSL_CTX_use_PrivateKey_file(context, arguments[3], WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS, "key");
    must(wolfSSL_CTX_set_cipher_list(context, arguments[7]) == WOLFSSL_SUCCESS, "cipher suites");
    must(wolfSSL_CTX_EnableOCSPStapling(context) == WOLFSSL_SUCCESS, "stapling");
    must(wolfSSL_CTX_EnableOCSPMustStaple(context) == WOLFSSL_SUCCESS, "insisting on it");
    must(wolfSSL_CTX_SetOCSP_Cb(context, ask, done, NULL) == WOLFSSL_SUCCESS, "no responder");

    WOLFSSL *ssl = wolfSSL_new(context);
    must(ssl != NULL, "a session");
    must(wolfSSL_UseOCSPStaplingV2(ssl, WOLFSSL_CSR2_OCSP_MULTI, 0) == WOLFSSL_SUCCESS, "status_request_v2");
    must(wolfSSL_check_domain_name(ssl, "localhost") == WOLFSSL_SUCCESS, "the name of the platform");

    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_family = AF_INET;
    to.sin_port = htons((unsigned short)atoi(arguments[6]));
    must(inet_pton(AF_INET, arguments[5], &to.sin_addr) == 1, "an address");
    must(connect(tcp, (struct sockaddr *)&to, sizeof to) == 0, "a connection");
    wolfSSL_set_fd(ssl, tcp);

    int result = wolfSSL_connect(ssl);
    if (result != WOLFSSL_SUCCESS) {
        return refused(ssl, result);
    }
    must(wolfSSL_write(ssl, message, (int)length) == (int)length, "sending");
    for (;;) {
        unsigned char octet;
        result = wolfSSL_read(ssl, &octet, 1);
        if (result != 1) {
            return refused(ssl, result);
        }
        /* The last byte of a frame of MLLP. */
        if (octet == 0x1C) {
            break;
        }
    }
    printf("%s %s asked %d acknowledged\n", wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl), asked);
    wolfSSL_shutdown(ssl);
    wolfSSL_free(ssl);
    wolfSSL_CTX_free(context);
    wolfSSL_Cleanup();
    close(tcp);
    return 0;
}
