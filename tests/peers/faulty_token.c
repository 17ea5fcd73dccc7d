/*
 * A PKCS#11 library that passes everything on to SoftHSM, and is slow, fails, or runs out of sessions.
 *
 * Environment: FAULTY_TOKEN_LIBRARY is the library of SoftHSM; FAULTY_TOKEN is a folder. These files in it
 * count while they exist: "slow" holds the milliseconds that each signature takes; "no-login" makes C_Login
 * fail, and "lost" every signature, as when the token has been pulled. More than MAX_SESSIONS open sessions
 * are refused. Each slow signature adds a byte to the file "begun" when it begins.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef CK_ULONG CK_RV;

/* The list of functions of PKCS#11 2.40; the order is part of the standard. */
struct function_list {
    unsigned char version[2];
    void *functions[68];
};

enum { OPEN_SESSION = 12, CLOSE_SESSION = 13, LOGIN = 18, SIGN = 43 };

#define CKR_OK 0x00
#define CKR_HOST_MEMORY 0x02
#define CKR_DEVICE_ERROR 0x30
#define CKR_DEVICE_REMOVED 0x32
#define CKR_SESSION_COUNT 0xB1
#define MAX_SESSIONS 16

static struct function_list real, own;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sessions;

/* The number in a file of the folder; -1 where there is no such file. */
static long setting(const char *name)
{
    char path[4096];
    long value = 0;
    snprintf(path, sizeof path, "%s/%s", getenv("FAULTY_TOKEN"), name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

/* Adds a byte to a file of the folder. */
static void note(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAULTY_TOKEN"), name);
    FILE *file = fopen(path, "a");
    if (file != NULL) {
        fputc('.', file);
        fclose(file);
    }
}

static CK_RV open_session(CK_ULONG slot, CK_ULONG flags, void *application, void *notify, CK_ULONG *session)
{
    CK_RV (*open)(CK_ULONG, CK_ULONG, void *, void *, CK_ULONG *);
    memcpy(&open, &real.functions[OPEN_SESSION], sizeof open);
    pthread_mutex_lock(&lock);
    CK_RV result = sessions < MAX_SESSIONS ? open(slot, flags, application, notify, session) : CKR_SESSION_COUNT;
    sessions += result == CKR_OK;
    pthread_mutex_unlock(&lock);
    return result;
}

static CK_RV close_session(CK_ULONG session)
{
    CK_RV (*close)(CK_ULONG);
    memcpy(&close, &real.functions[CLOSE_SESSION], sizeof close);
    pthread_mutex_lock(&lock);
    CK_RV result = close(session);
    sessions -= result == CKR_OK;
    pthread_mutex_unlock(&lock);
    return result;
}

static CK_RV login(CK_ULONG session, CK_ULONG user, unsigned char *pin, CK_ULONG length)
{
    CK_RV (*login)(CK_ULONG, CK_ULONG, unsigned char *, CK_ULONG);
    memcpy(&login, &real.functions[LOGIN], sizeof login);
    return setting("no-login") >= 0 ? CKR_DEVICE_ERROR : login(session, user, pin, length);
}

static CK_RV sign(CK_ULONG session, unsigned char *data, CK_ULONG length, unsigned char *signature, CK_ULONG *written)
{
    CK_RV (*sign)(CK_ULONG, unsigned char *, CK_ULONG, unsigned char *, CK_ULONG *);
    memcpy(&sign, &real.functions[SIGN], sizeof sign);
    long delay = setting("slow");
    /* A call without a buffer asks for the length only. */
    if (delay > 0 && signature != NULL) {
        struct timespec time = { delay / 1000, delay % 1000 * 1000000 };
        note("begun");
        nanosleep(&time, NULL);
    }
    return setting("lost") >= 0 ? CKR_DEVICE_REMOVED : sign(session, data, length, signature, written);
}

#define REPLACE(index, function) \
    do { \
        CK_RV (*address)() = (CK_RV (*)())(function); \
        memcpy(&own.functions[index], &address, sizeof address); \
    } while (0)

CK_RV C_GetFunctionList(struct function_list **list)
{
    CK_RV (*get)(struct function_list **);
    struct function_list *found;
    void *library = dlopen(getenv("FAULTY_TOKEN_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    void *symbol = library == NULL ? NULL : dlsym(library, "C_GetFunctionList");
    if (symbol == NULL)
        return CKR_HOST_MEMORY;
    memcpy(&get, &symbol, sizeof get);
    CK_RV result = get(&found);
    if (result != CKR_OK)
        return result;
    real = *found;
    own = real;
    REPLACE(OPEN_SESSION, open_session);
    REPLACE(CLOSE_SESSION, close_session);
    REPLACE(LOGIN, login);
    REPLACE(SIGN, sign);
    *list = &own;
    return CKR_OK;
}
