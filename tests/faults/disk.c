/* A disk that can be told to misbehave, for LD_PRELOAD. Files whose path contains $FIRE_FILE are on it.
 *
 * With $FIRE_PLATTER set, what is written stays in this process's memory (and in the file, as in the system's cache)
 * until it is flushed; only then does it reach the copy in that folder, which is all that a power cut leaves. A file of
 * the inbox has a name there only after its folder was flushed. A process that is forked has nothing of what its parent
 * had not flushed.
 * With $FIRE_LAST=n, the process is killed where it would begin its n-th write, cut or flush.
 * While the folder $FIRE_FAULTS holds a file called no-space, no-flush, no-write or slow, that is what the disk does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS = 64, LONGEST = 1024 };

struct held {
    struct held *next;
    off_t at;
    ssize_t size; /* -1: the file is cut at `at` */
    char bytes[];
};

struct kept {
    char path[LONGEST];
    struct held *first, **last;
    int platter;
};

static struct kept files[PATHS];
static int known;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

static int faulty(const char *fault) {
    const char *folder = getenv("FIRE_FAULTS");
    char path[LONGEST];
    if (!folder) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, fault);
    return access(path, F_OK) == 0;
}

static void count_down(void) {
    static long begun;
    const char *last = getenv("FIRE_LAST");
    if (last && __sync_add_and_fetch(&begun, 1) == atol(last)) raise(SIGKILL);
}

static int path_of(int fd, char *path) {
    char link[64];
    const char *mine = getenv("FIRE_FILE");
    if (!mine) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, LONGEST - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, mine)) return 0;
    return length < 4 || strcmp(path + length - 4, "-shm") != 0;
}

static int in_inbox(const char *path) { return strstr(path, "-inbox/") != NULL; }

static void on_platter(const char *path, char *found) {
    const char *name = strstr(path, getenv("FIRE_FILE"));
    snprintf(found, LONGEST, "%s%s", getenv("FIRE_PLATTER"), name);
}

/* One of which everything is on the platter. */
static struct kept *spare(void) {
    for (int i = 0; i < PATHS; i++)
        if (!files[i].first) {
            if (files[i].platter >= 0) close(files[i].platter);
            return &files[i];
        }
    abort();
}

static struct kept *kept_of(const char *path) {
    for (int i = 0; i < known; i++)
        if (!strcmp(files[i].path, path)) return &files[i];
    struct kept *file = known < PATHS ? &files[known++] : spare();
    char platter[LONGEST];
    snprintf(file->path, LONGEST, "%s", path);
    on_platter(path, platter);
    file->platter = open(platter, in_inbox(path) ? O_RDWR : O_CREAT | O_RDWR, 0600);
    file->last = &file->first;
    return file;
}

static void hold(const char *path, const void *bytes, ssize_t size, off_t at) {
    if (!getenv("FIRE_PLATTER")) return;
    struct held *one = malloc(sizeof *one + (size > 0 ? (size_t)size : 0));
    one->next = NULL;
    one->at = at;
    one->size = size;
    if (size > 0) memcpy(one->bytes, bytes, (size_t)size);
    pthread_mutex_lock(&turn);
    struct kept *file = kept_of(path);
    *file->last = one;
    file->last = &one->next;
    pthread_mutex_unlock(&turn);
}

static void flush_held(const char *path) {
    if (!getenv("FIRE_PLATTER")) return;
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    REAL(int, ftruncate64, int, off_t);
    pthread_mutex_lock(&turn);
    struct kept *file = kept_of(path);
    while (file->first) {
        struct held *one = file->first;
        if (file->platter < 0) {
            ; /* its name never reached the platter: what is in it is lost */
        } else if (one->size < 0) {
            if (real_ftruncate64(file->platter, one->at)) abort();
        } else if (real_pwrite64(file->platter, one->bytes, (size_t)one->size, one->at) != one->size) {
            abort();
        }
        file->first = one->next;
        free(one);
    }
    file->last = &file->first;
    pthread_mutex_unlock(&turn);
}

/* A folder is flushed: the names in it are on the platter, though nothing of the files yet. */
static void names_reach(const char *path) {
    char platter[LONGEST], file[2 * LONGEST];
    if (!getenv("FIRE_PLATTER")) return;
    on_platter(path, platter);
    mkdir(platter, 0700);
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *one; (one = readdir(folder));) {
        if (one->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s", platter, one->d_name);
        int fd = open(file, O_CREAT | O_RDWR, 0600);
        if (fd >= 0) close(fd);
    }
    closedir(folder);
}

static void forget(void) {
    pthread_mutex_init(&turn, NULL);
    for (int i = 0; i < known; i++) {
        files[i].first = NULL;
        files[i].last = &files[i].first;
    }
}

__attribute__((constructor)) static void begin(void) { pthread_atfork(NULL, NULL, forget); }

static int refused(void) {
    if (faulty("no-space")) return ENOSPC;
    if (faulty("no-write")) return EIO;
    return 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
    char path[LONGEST];
    if (!path_of(fd, path)) return real_pwrite64(fd, bytes, size, at);
    count_down();
    if ((errno = refused())) return -1;
    ssize_t written = real_pwrite64(fd, bytes, size, at);
    if (written > 0) hold(path, bytes, written, at);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    char path[LONGEST];
    if (fd <= 2 || !path_of(fd, path)) return real_write(fd, bytes, size);
    count_down();
    if ((errno = refused())) return -1;
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = real_write(fd, bytes, size);
    if (written > 0) hold(path, bytes, written, at);
    return written;
}

int ftruncate64(int fd, off_t length) {
    REAL(int, ftruncate64, int, off_t);
    char path[LONGEST];
    int mine = path_of(fd, path);
    if (mine) count_down();
    int done = real_ftruncate64(fd, length);
    if (done == 0 && mine) hold(path, NULL, -1, length);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int flushed(int fd, int (*real)(int)) {
    char path[LONGEST];
    if (!path_of(fd, path)) return real(fd);
    count_down();
    if (faulty("slow")) usleep(300000);
    if (faulty("no-flush")) {
        errno = EIO;
        return -1;
    }
    struct stat found;
    if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode))
        names_reach(path);
    else
        flush_held(path);
    return real(fd);
}

int fsync(int fd) {
    REAL(int, fsync, int);
    return flushed(fd, real_fsync);
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int);
    return flushed(fd, real_fdatasync);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    const char *mine = getenv("FIRE_FILE");
    if (mine && getenv("FIRE_PLATTER") && strstr(path, mine) && !strstr(path, "-shm")) {
        char platter[LONGEST];
        flush_held(path);
        on_platter(path, platter);
        real_unlink(platter);
        pthread_mutex_lock(&turn);
        struct kept *file = kept_of(path);
        if (file->platter >= 0) close(file->platter);
        *file = files[--known];
        if (!file->first) file->last = &file->first; /* it moved */
        pthread_mutex_unlock(&turn);
    }
    return real_unlink(path);
}
