/*
 * qemu-viommud: the socket that it listens on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Made at a path (--socket), or open when it was started (--fd).  What cannot
 * be it is refused before anything else is done: nobody would ever come, and
 * nothing would be said of it.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "qapi/error.h"
#include "qemu/sockets.h"
#include "viommud-internal.h"

/* A whole number that @fd's socket has for @option; -1: it has none */
static int socket_option(int fd, int option)
{
    int value;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

bool viommud_socket_check(int fd, Error **errp)
{
    struct stat st;

    if (fstat(fd, &st)) {
        error_setg(errp, "--fd %d: no such descriptor is open; it must be a "
                   "UNIX socket that listens", fd);
    } else if (!S_ISSOCK(st.st_mode)) {
        error_setg(errp, "--fd %d is no socket, but must be a UNIX socket that "
                   "listens", fd);
    } else if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
               socket_option(fd, SO_TYPE) != SOCK_STREAM) {
        error_setg(errp, "--fd %d is a socket of another kind, but must be a "
                   "UNIX stream socket that listens", fd);
    } else if (socket_option(fd, SO_ACCEPTCONN) != 1) {
        error_setg(errp, "--fd %d is a UNIX socket that does not listen; it "
                   "must not be the connection itself, but what its client "
                   "connects to", fd);
    } else {
        return true;
    }
    return false;
}

/*
 * Does a process have the socket at @path, which is short enough?  A stream
 * socket there refuses a datagram socket as one of another type, without being
 * told; where nobody has one, that is what is said.  Who may not know (EACCES)
 * leaves it alone.
 */
static bool socket_is_used(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = qemu_socket(AF_UNIX, SOCK_DGRAM, 0);
    bool used;

    if (fd < 0) {
        return false;
    }
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    used = !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
           (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return used;
}

/* unix_listen() would put its socket in the place of whatever is there. */
static bool socket_check_path(const char *path, Error **errp)
{
    const size_t room = sizeof_field(struct sockaddr_un, sun_path);
    struct stat st;

    if (!*path) {
        error_setg(errp, "--socket is empty, but must be the path of the "
                   "socket that is to be made");
        return false;
    }
    if (strlen(path) >= room) {
        error_setg(errp, "--socket %s: a socket's path has at most %zu bytes, "
                   "and this one has %zu", path, room - 1, strlen(path));
        return false;
    }
    if (lstat(path, &st)) {
        /* There is nothing; or it cannot be made, which is said then. */
        return true;
    }
    if (!S_ISSOCK(st.st_mode)) {
        error_setg(errp, "--socket %s: there is something that is no socket; "
                   "remove it, or give another path", path);
        return false;
    }
    if (socket_is_used(path)) {
        error_setg(errp, "--socket %s: another process has its socket there; "
                   "end it, or give another path", path);
        return false;
    }
    /* One that a process has left behind: it is replaced. */
    return true;
}

int viommud_socket_listen(const char *path, Error **errp)
{
    ERRP_GUARD();
    int fd;

    if (!socket_check_path(path, errp)) {
        return -1;
    }
    fd = unix_listen(path, errp);
    if (fd < 0) {
        error_prepend(errp, "--socket: ");
    }
    return fd;
}
