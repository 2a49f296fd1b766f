/*
 * qemu-viommud: a translation unit of this tree in a process of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server for -device viommu-remote.  docs/system/viommu-remote.rst says how
 * it is used, and viommud-internal.h lists the files and their jobs.
 */
#include "qemu/osdep.h"
#include <getopt.h>
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu-version.h"
#include "qemu/config-file.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/option.h"
#include "qemu/sockets.h"
#include "trace/control.h"
#include "viommud-internal.h"

/* Who asks one question often asks another: so long it looks for that. */
#define POLL_US     50
#define POLL_MAX_US 10000

static struct {
    const char *path;        /* --socket */
    const char *unit;        /* --unit */
    int listener;            /* --fd */
    bool stay;               /* --stay */
    const char *sandbox;     /* --sandbox */
    int fd;                  /* the connection's */
    unsigned long poll;      /* --poll, in us */
    int64_t heard;           /* when the client was heard last, in us */
    bool over;
    int status;
} daemon_state = { .listener = -1, .fd = -1, .poll = POLL_US };

static void daemon_listen(bool listen);

/* The connection */

static void daemon_hang_up(void)
{
    const char *why = vrs_why(viommud.link);

    qemu_set_fd_handler(daemon_state.fd, NULL, NULL, NULL);
    if (why) {
        error_report("hung up on the client: %s", why);
        daemon_state.status = EXIT_FAILURE;
    }
    vrs_free(g_steal_pointer(&viommud.link));
    daemon_state.fd = -1;
    if (daemon_state.stay) {
        daemon_listen(true);
    } else {
        daemon_state.over = true;
    }
}

static bool daemon_polls(void)
{
    return viommud.link && g_get_monotonic_time() - daemon_state.heard <
                           (int64_t)daemon_state.poll;
}

static void daemon_readable(void *opaque)
{
    do {
        if (!vrs_run(viommud.link)) {
            daemon_hang_up();
            return;
        }
    } while (vrs_more(viommud.link));
    daemon_state.heard = g_get_monotonic_time();
}

static void daemon_accept(void *opaque)
{
    int fd = qemu_accept(daemon_state.listener, NULL, NULL);

    if (fd < 0) {
        return;
    }
    daemon_listen(false);
    daemon_state.fd = fd;
    viommud.link = vrs_new(fd, &viommud.ops, NULL);
    viommud.settled = false;
    viommud_domain_forget();
    qemu_set_fd_handler(fd, daemon_readable, NULL, NULL);
}

static void daemon_listen(bool listen)
{
    qemu_set_fd_handler(daemon_state.listener, listen ? daemon_accept : NULL,
                        NULL, NULL);
}

/* Options */

static void daemon_help(const char *name)
{
    printf(
"usage: %s --unit UNIT[,PROPERTY=VALUE...] (--socket PATH | --fd FD)\n"
"\n"
"A translation unit in a process of its own, for QEMU's viommu-remote.\n"
"It ends with its client.\n"
"\n"
"  --unit UNIT,...  which unit, with properties that it has as a -device;\n"
"                   help: which there are; UNIT,help: its properties\n"
"  --socket PATH    make a UNIX socket there, and listen\n"
"  --fd FD          a socket that listens is open as this descriptor\n"
"  --stay           serve one client after the other; the registers stay\n"
"  --sandbox WHEN   on: give up all that serving does not need (seccomp); off;\n"
"                   auto, the default: on if this program was built with it\n"
"  --poll US        for so many microseconds it goes on looking for the next\n"
"                   question before it sleeps: 0 to 10000, 50 by default\n"
"  --trace ...      trace events, as QEMU's option\n"
"  --help           this\n"
"  --version        which version it is\n", name);
}

/* Of two values only one could have an effect. */
static void daemon_once(const char **value, const char *option)
{
    if (*value) {
        error_report("%s is given twice, '%s' and '%s'; remove one of them",
                     option, *value, optarg);
        exit(EXIT_FAILURE);
    }
    *value = optarg;
}

/* What does not depend on other options; ends the process if it is wrong */
static void daemon_check_values(const char *fd, const char *poll_us)
{
    const char *when = daemon_state.sandbox ?: "auto";

    if (fd) {
        daemon_state.listener = qemu_parse_fd(fd);
        if (daemon_state.listener < 0) {
            error_report("--fd is '%s', but must be the number of a "
                         "descriptor", fd);
            exit(EXIT_FAILURE);
        }
    }
    if (poll_us && (qemu_strtoul(poll_us, NULL, 10, &daemon_state.poll) ||
                    daemon_state.poll > POLL_MAX_US)) {
        error_report("--poll is '%s', but must be 0 to %u (microseconds)",
                     poll_us, POLL_MAX_US);
        exit(EXIT_FAILURE);
    }
    if (strcmp(when, "on") && strcmp(when, "off") && strcmp(when, "auto")) {
        error_report("--sandbox is '%s', but must be on, off or auto", when);
        exit(EXIT_FAILURE);
    }
#ifndef CONFIG_SECCOMP
    if (!strcmp(when, "on")) {
        error_report("--sandbox on: this program was built without "
                     "libseccomp");
        exit(EXIT_FAILURE);
    }
#endif
}

/* Ends the process if there is too much, or too little */
static void daemon_check_given(int argc, char **argv)
{
    if (optind < argc) {
        error_report("'%s' is no option (--help lists them)", argv[optind]);
    } else if (!daemon_state.unit) {
        error_report("--unit is missing; --unit help lists the units that "
                     "there are");
    } else if (daemon_state.path && daemon_state.listener >= 0) {
        error_report("--socket and --fd exclude each other; remove one of "
                     "them");
    } else if (!daemon_state.path && daemon_state.listener < 0) {
        error_report("nobody could connect; give --socket PATH, for a socket "
                     "to be made there, or --fd FD, for one that is open");
    } else {
        return;
    }
    exit(EXIT_FAILURE);
}

static void daemon_options(int argc, char **argv)
{
    enum {
        UNIT = 256, SOCKET, FD, STAY, SANDBOX, POLL, TRACE, HELP, VERSION
    };
    static const struct option options[] = {
        { "unit", required_argument, NULL, UNIT },
        { "socket", required_argument, NULL, SOCKET },
        { "fd", required_argument, NULL, FD },
        { "stay", no_argument, NULL, STAY },
        { "sandbox", required_argument, NULL, SANDBOX },
        { "poll", required_argument, NULL, POLL },
        { "trace", required_argument, NULL, TRACE },
        { "help", no_argument, NULL, HELP },
        { "version", no_argument, NULL, VERSION },
        { }
    };
    const char *fd = NULL, *poll_us = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case UNIT:
            daemon_once(&daemon_state.unit, "--unit");
            break;
        case SOCKET:
            daemon_once(&daemon_state.path, "--socket");
            break;
        case FD:
            daemon_once(&fd, "--fd");
            break;
        case STAY:
            daemon_state.stay = true;
            break;
        case SANDBOX:
            daemon_once(&daemon_state.sandbox, "--sandbox");
            break;
        case POLL:
            daemon_once(&poll_us, "--poll");
            break;
        case TRACE:
            trace_opt_parse(optarg);
            break;
        case HELP:
            daemon_help(argv[0]);
            exit(EXIT_SUCCESS);
        case VERSION:
            printf("%s " QEMU_FULL_VERSION "\n", argv[0]);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (daemon_state.unit && viommud_device_help(daemon_state.unit)) {
        exit(EXIT_SUCCESS);
    }
    daemon_check_values(fd, poll_us);
    daemon_check_given(argc, argv);
    if (fd) {
        viommud_socket_check(daemon_state.listener, &error_fatal);
    }
}

static void daemon_confine(void)
{
#ifdef CONFIG_SECCOMP
    if (!daemon_state.sandbox || strcmp(daemon_state.sandbox, "off")) {
        viommud_sandbox(&error_fatal);
    }
#endif
}

int main(int argc, char **argv)
{
    error_init(argv[0]);
    module_call_init(MODULE_INIT_TRACE);
    qemu_add_opts(&qemu_trace_opts);
    module_call_init(MODULE_INIT_QOM);
    daemon_options(argc, argv);
    trace_init_backends();
    trace_init_file();
    qemu_set_log(LOG_TRACE, &error_fatal);
    qemu_init_main_loop(&error_fatal);

    viommud.ops = (VRSOps) {
        .resolve = viommud_resolve,
        .translate = viommud_translate,
        .fault = viommud_fault,
        .reset = viommud_reset,
        .run = viommud_run_state,
        .save = viommud_save,
        .load = viommud_load,
        .drained = viommud_drained,
    };
    if (!viommud_device_make(daemon_state.unit, &error_fatal)) {
        return EXIT_FAILURE;
    }
    if (daemon_state.path) {
        daemon_state.listener = viommud_socket_listen(daemon_state.path,
                                                      &error_fatal);
    }
    daemon_confine();
    daemon_listen(true);
    while (!daemon_state.over) {
        main_loop_wait(daemon_polls());
        if (viommud.link) {
            /* What bottom halves have sent, and what came while they asked */
            vrs_flush(viommud.link);
            if (vrs_more(viommud.link)) {
                daemon_readable(NULL);
            }
        }
    }
    return daemon_state.status;
}
