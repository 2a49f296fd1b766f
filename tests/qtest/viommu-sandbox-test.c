/*
 * qemu-viommud's sandbox: what serving needs it has, and what else is asked of
 * the kernel ends the process
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file itself is under test, in a child for each call.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "qapi/error.h"

#ifdef CONFIG_SECCOMP
#include "hw/iommu/remote/server/viommud-internal.h"

/* What the child ends with */
enum { OUTSIDE = 3, FAILED, DONE };

static int box_sockets[2];
static long box_page;
static void *box_memory;

typedef struct BoxCall {
    const char *name;
    long (*make)(void);      /* negative: it failed */
} BoxCall;

/* Serving */

static long call_read(void)
{
    char byte;

    return write(box_sockets[0], "x", 1) - 1 + read(box_sockets[1], &byte, 1);
}

static long call_message(void)
{
    char byte = 'x';
    struct iovec iov = { &byte, 1 };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    return sendmsg(box_sockets[0], &message, 0) - 1 +
           recvmsg(box_sockets[1], &message, MSG_DONTWAIT);
}

static long call_map(void)
{
    void *at = mmap(NULL, box_page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);

    return at == MAP_FAILED ? -1 : munmap(at, box_page);
}

static long call_protect(void)
{
    return mprotect(box_memory, box_page, PROT_READ | PROT_WRITE);
}

static long call_clock(void)
{
    struct timespec now;

    return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static const BoxCall box_serving[] = {
    { "read", call_read }, { "message", call_message }, { "map", call_map },
    { "protect", call_protect }, { "clock", call_clock },
};

/* Anything else; each would do no harm if it were done. */

static long call_open(void)
{
    return open("/dev/null", O_RDONLY);
}

static long call_unlink(void)
{
    return unlink("/nowhere/viommu-sandbox-test");
}

static long call_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long call_execute(void)
{
    char *argv[] = { (char *)"true", NULL };

    return execve("/bin/true", argv, argv + 1);
}

static long call_fork(void)
{
    pid_t pid = fork();

    if (!pid) {
        _exit(0);
    }
    return pid;
}

static long call_kill(void)
{
    return kill(getppid(), 0);
}

static long call_limit(void)
{
    struct rlimit limit;

    return syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
}

static long call_user(void)
{
    return setuid(getuid());
}

static long call_map_code(void)
{
    void *at = mmap(NULL, box_page, PROT_READ | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? -1 : 0;
}

static long call_protect_code(void)
{
    return mprotect(box_memory, box_page, PROT_READ | PROT_EXEC);
}

static const BoxCall box_other[] = {
    { "open", call_open }, { "unlink", call_unlink },
    { "socket", call_socket }, { "execute", call_execute },
    { "fork", call_fork }, { "kill", call_kill }, { "limit", call_limit },
    { "user", call_user }, { "map-code", call_map_code },
    { "protect-code", call_protect_code },
};

/* The status of a child that makes the call, in the sandbox or outside */
static int box_run(const BoxCall *call, bool inside)
{
    int status;
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        /* Where it is meant to end there is nothing to look into. */
        prctl(PR_SET_DUMPABLE, 0);
        if (inside && !viommud_sandbox(NULL)) {
            _exit(OUTSIDE);
        }
        _exit(call->make() < 0 ? FAILED : DONE);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

static bool box_is_there(void)
{
    static const BoxCall nothing = { "nothing", call_clock };
    int status = box_run(&nothing, true);

    if (WIFEXITED(status) && WEXITSTATUS(status) == OUTSIDE) {
        g_test_skip("the kernel has no seccomp");
        return false;
    }
    return true;
}

static void test_serving(const void *opaque)
{
    int status;

    if (box_is_there()) {
        status = box_run(opaque, true);
        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, DONE);
    }
}

/* Outside it can be called, whatever comes of it. */
static void test_other(const void *opaque)
{
    int status;

    if (box_is_there()) {
        status = box_run(opaque, false);
        g_assert_true(WIFEXITED(status));
        status = box_run(opaque, true);
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
    }
}

static void add(const char *group, const BoxCall *calls, size_t n,
                void (*test)(const void *opaque))
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/viommu/sandbox/%s/%s", group,
                                                calls[i].name);

        g_test_add_data_func(path, &calls[i], test);
    }
}

static void add_all(void)
{
    box_page = qemu_real_host_page_size();
    box_memory = mmap(NULL, box_page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(box_memory != MAP_FAILED);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, box_sockets), ==, 0);
    add("serving", box_serving, G_N_ELEMENTS(box_serving), test_serving);
    add("other", box_other, G_N_ELEMENTS(box_other), test_other);
}
#else
static void test_none(void)
{
    g_test_skip("this build has no libseccomp");
}

static void add_all(void)
{
    g_test_add_func("/viommu/sandbox/none", test_none);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_all();
    return g_test_run();
}
