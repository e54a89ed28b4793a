/* control_place.c - the directory and the file of the control socket.  unix(7).
 *
 * Nothing here trusts a name: the directory is opened without following a link, has to be this user's own and
 * closed to others, and everything else is done relative to its descriptor.  That also lifts unix(7)'s limit
 * of 107 bytes for a path. */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX ".sock"

/* A directory in which only this user can make things. */
static bool is_own(const char *path)
{
    struct stat info;
    return path != NULL && path[0] == '/' && stat(path, &info) == 0 && S_ISDIR(info.st_mode) &&
           info.st_uid == geteuid() && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool control_directory(char dir[CONTROL_PATH_BYTES])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
    char run[32];
    (void)snprintf(run, sizeof run, "/run/user/%u", (unsigned)geteuid());
    if (!is_own(runtime))
        runtime = is_own(run) ? run : NULL;
    if (tmp == NULL || tmp[0] != '/')
        tmp = "/tmp";
    int n = runtime != NULL ? snprintf(dir, CONTROL_PATH_BYTES, "%s/rill", runtime)
                            : snprintf(dir, CONTROL_PATH_BYTES, "%s/rill-%u", tmp, (unsigned)geteuid());
    return n > 0 && n < CONTROL_PATH_BYTES;
}

bool control_path(const char *name, char path[CONTROL_PATH_BYTES])
{
    char dir[CONTROL_PATH_BYTES];
    if (!control_directory(dir))
        return false;
    int n = snprintf(path, CONTROL_PATH_BYTES, "%s/%s" SUFFIX, dir, name);
    return n > 0 && n < CONTROL_PATH_BYTES;
}

const char *control_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The directory that the path is in; -1 and errno, EPERM if it is not ours alone.  Root may go to others'. */
static int open_directory(const char *path, bool make)
{
    char dir[CONTROL_PATH_BYTES];
    struct stat info;
    size_t len = (size_t)(control_file(path) - path);
    if (path[0] != '/' || len < 2 || len > sizeof dir) {
        errno = EINVAL;
        return -1;
    }
    memcpy(dir, path, len - 1);
    dir[len - 1] = '\0';
    if (make && mkdir(dir, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return -1;
    bool ours = info.st_uid == geteuid() && (info.st_mode & 0077) == 0;
    if (!ours && (make || geteuid() != 0)) {
        (void)close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

/* The address of a file in an open directory; false: the name is too long. */
static bool address(int dir_fd, const char *file, struct sockaddr_un *addr)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", dir_fd, file);
    if (n > 0 && (size_t)n < sizeof addr->sun_path)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* 0, or -1 and errno: ECONNREFUSED and ENOENT if nobody is there. */
static int connect_in(int dir_fd, const char *file, int *fd)
{
    struct sockaddr_un addr;
    if (!address(dir_fd, file, &addr))
        return -1;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return -1;
    if (connect(*fd, (struct sockaddr *)&addr, sizeof addr) == 0)
        return 0;
    int error = errno;
    (void)close(*fd);
    *fd = -1;
    errno = error;
    return -1;
}

/* Makes way for a new socket; -1 and errno where there is something that is not just left over. */
static int clear(int dir_fd, const char *file)
{
    struct stat info;
    int fd;
    if (fstatat(dir_fd, file, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISSOCK(info.st_mode) || info.st_uid != geteuid()) {
        errno = EEXIST;
        return -1;
    }
    if (connect_in(dir_fd, file, &fd) == 0) {
        (void)close(fd);
        errno = EADDRINUSE;
        return -1;
    }
    if (errno != ECONNREFUSED) {
        errno = EADDRINUSE; /* EAGAIN: so many want to talk to it that it must be there */
        return -1;
    }
    return unlinkat(dir_fd, file, 0);
}

static int bind_in(int dir_fd, const char *file)
{
    struct sockaddr_un addr;
    if (clear(dir_fd, file) != 0 || !address(dir_fd, file, &addr))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    mode_t before = umask(0177); /* never open to others, not for a moment */
    int result = bind(fd, (struct sockaddr *)&addr, sizeof addr);
    (void)umask(before);
    if (result == 0 && listen(fd, CONTROL_CLIENTS) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* Whether it is the name of a socket here, without the suffix that long; 0: it is not. */
static size_t name_length(const char *file)
{
    size_t len = strlen(file), suffix = strlen(SUFFIX);
    return len > suffix && strcmp(file + len - suffix, SUFFIX) == 0 ? len - suffix : 0;
}

/* Names with a process id in them do not come again: what stacks that were killed have left would stay for
 * ever.  Only in the directory that is for nothing else; the lock is held. */
static void sweep(const char *path, int dir_fd)
{
    char usual[CONTROL_PATH_BYTES];
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL)
        return;
    bool ours = control_path("x", usual) && control_file(usual) - usual == control_file(path) - path &&
                strncmp(usual, path, (size_t)(control_file(path) - path)) == 0;
    for (struct dirent *entry; ours && (entry = readdir(dir)) != NULL;)
        if (name_length(entry->d_name) > 0)
            (void)clear(dir_fd, entry->d_name);
    (void)closedir(dir);
}

int control_listen(const char *path, int *dir_fd)
{
    *dir_fd = open_directory(path, true);
    if (*dir_fd < 0)
        return -1;
    (void)flock(*dir_fd, LOCK_EX); /* two that start at once must not remove each other's */
    sweep(path, *dir_fd);
    int fd = bind_in(*dir_fd, control_file(path));
    int error = errno;
    (void)flock(*dir_fd, LOCK_UN);
    if (fd < 0) {
        (void)close(*dir_fd);
        *dir_fd = -1;
        errno = error;
    }
    return fd;
}

bool control_peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

int control_connect(const char *path)
{
    int fd, dir_fd = open_directory(path, false);
    if (dir_fd < 0)
        return -1;
    int result = connect_in(dir_fd, control_file(path), &fd);
    int error = errno;
    (void)close(dir_fd);
    if (result == 0 && geteuid() != 0 && !control_peer_is_ours(fd)) {
        (void)close(fd);
        error = EPERM;
        result = -1;
    }
    errno = error;
    return result == 0 ? fd : -1;
}

void control_list(char *names, size_t cap)
{
    char path[CONTROL_PATH_BYTES];
    size_t len = 0;
    names[0] = '\0';
    int dir_fd = control_path("x", path) ? open_directory(path, false) : -1;
    DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t name = name_length(entry->d_name);
        int fd;
        if (name == 0 || len + name + 2 > cap || connect_in(dir_fd, entry->d_name, &fd) != 0)
            continue;
        (void)close(fd);
        len +=
            (size_t)snprintf(names + len, cap - len, "%s%.*s", len > 0 ? " " : "", (int)name, entry->d_name);
    }
    (void)closedir(dir);
}
