/* A disk that is full, slow or broken, for one process and its children: preloaded, it stands between them
 * and the C library. A file may not grow, or a flush takes time, or a flush fails, as the control file says:
 *
 *     full TEXT      writes that would enlarge a file whose path contains TEXT fail with ENOSPC
 *     slow MICROS    each flush takes so much longer
 *     broken TEXT    flushes of a file whose path contains TEXT fail with EIO
 *
 * Blocks that a file has already stay writable, as on a real disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char *control;

__attribute__((constructor)) static void remember(void) {
    const char *path = getenv("PCD_TEST_DISK_FAULT");
    control = path ? strdup(path) : NULL;
}

/* The argument of the fault `word`, if it is the one in the control file. */
static int has_fault(const char *word, char argument[256]) {
    if (!control) return 0;
    int before = errno;
    char text[256];
    long file = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    long length = file < 0 ? -1 : syscall(SYS_read, file, text, sizeof text - 1);
    if (file >= 0) syscall(SYS_close, file);
    errno = before;
    if (length <= 0) return 0;
    text[length] = 0;
    size_t end = strlen(word);
    if (strncmp(text, word, end) != 0 || text[end] != ' ') return 0;
    strcpy(argument, text + end + 1);
    return 1;
}

static int is_named(int file, const char *text) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, text) != NULL;
}

/* Whether a write of `count` bytes finds no room. An `offset` of -1 is the position of the file. */
static int is_full(int file, off_t offset, size_t count) {
    char text[256];
    struct stat status;
    if (!has_fault("full", text)) return 0;
    int before = errno, flags = fcntl(file, F_GETFL);
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        errno = before;
        return 0;
    }
    if (flags & O_APPEND) offset = status.st_size;
    else if (offset < 0) offset = lseek(file, 0, SEEK_CUR);
    errno = before;
    if (offset + (off_t)count <= status.st_size || !is_named(file, text)) return 0;
    errno = ENOSPC;
    return 1;
}

static size_t sum(const struct iovec *parts, int count) {
    size_t total = 0;
    for (int part = 0; part < count; part++) total += parts[part].iov_len;
    return total;
}

static int cannot_flush(int file) {
    char text[256];
    if (has_fault("slow", text)) usleep((useconds_t)atol(text));
    if (!has_fault("broken", text) || !is_named(file, text)) return 0;
    errno = EIO;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
    return is_full(file, -1, count) ? -1 : NEXT(write)(file, bytes, count);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return is_full(file, -1, sum(parts, count)) ? -1 : NEXT(writev)(file, parts, count);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return is_full(file, offset, count) ? -1 : NEXT(pwrite)(file, bytes, count, offset);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return is_full(file, offset, count) ? -1 : NEXT(pwrite64)(file, bytes, count, offset);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return is_full(file, offset, sum(parts, count)) ? -1 : NEXT(pwritev)(file, parts, count, offset);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return is_full(file, offset, sum(parts, count)) ? -1 : NEXT(pwritev64)(file, parts, count, offset);
}
int posix_fallocate(int file, off_t offset, off_t count) {
    return is_full(file, offset, (size_t)count) ? ENOSPC : NEXT(posix_fallocate)(file, offset, count);
}
int posix_fallocate64(int file, off64_t offset, off64_t count) {
    return is_full(file, offset, (size_t)count) ? ENOSPC : NEXT(posix_fallocate64)(file, offset, count);
}
int fsync(int file) { return cannot_flush(file) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return cannot_flush(file) ? -1 : NEXT(fdatasync)(file); }
