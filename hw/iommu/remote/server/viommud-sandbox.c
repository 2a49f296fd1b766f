/*
 * qemu-viommud: what it may still ask of the kernel once it serves
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * By then everything is open.  What is left is the socket, memory that comes
 * with it, the main loop, and diagnostics; no file, no program, no thread, no
 * other process.  What is not in the list ends the process: a client that made
 * it do that has made it do something else.
 */
#include "qemu/osdep.h"
#include <seccomp.h>
#include <sys/mman.h>
#include "qapi/error.h"
#include "viommud-internal.h"

static const int sandbox_allowed[] = {
    /* The socket */
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(close), SCMP_SYS(fcntl),
    SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
    SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    /* Memory: its own, and the guest's */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat),
    /* The main loop; and RCU has a thread, which may still be starting */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(ppoll), SCMP_SYS(poll), SCMP_SYS(read), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(futex), SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(rseq),
    SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getrandom),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    /* Its end */
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall), SCMP_SYS(tgkill), SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Memory that could be run is never made. */
static int sandbox_no_code(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_exec =
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 no_exec);

    return error ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                     no_exec);
}

bool viommud_sandbox(Error **errp)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int error = filter ? sandbox_no_code(filter) : -ENOMEM;

    for (size_t i = 0; !error && i < ARRAY_SIZE(sandbox_allowed); i++) {
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sandbox_allowed[i],
                                 0);
    }
    if (!error) {
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    /* Loading it sets no_new_privs, too. */
    error = error ?: seccomp_load(filter);
    if (filter) {
        seccomp_release(filter);
    }
    if (error) {
        error_setg_errno(errp, -error, "the kernel does not confine this "
                         "process; give --sandbox off");
        return false;
    }
    return true;
}
