/*
 * Machines whose unit is in a process of its own (qemu-viommud)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "viommu-remote.h"
#include "viommu-smmu-spec.h"
#include "viommu-viommud.h"
#include "viommu-vtd-sm.h"

/* The servers that have been started, and not been seen to end */
typedef struct VIOMMUDServer {
    GPid pid;
    char *path;              /* of its socket */
} VIOMMUDServer;

static GArray *viommud_servers;
static bool viommud_is_plain;

/* Beside the emulator; open, since who has given up all may not find it. */
static int viommud_open(void)
{
    g_autofree char *dir = g_path_get_dirname(g_getenv("QTEST_QEMU_BINARY"));
    g_autofree char *program = g_build_filename(dir, "hw", "iommu", "remote",
                                                "server", "qemu-viommud",
                                                NULL);
    int fd = open(program, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool viommud_give_up(void)
{
    struct passwd *nobody = getpwnam("nobody");

    return geteuid() != 0 ||
           (nobody && !setgroups(0, NULL) && !setgid(nobody->pw_gid) &&
            !setuid(nobody->pw_uid));
}

GPid viommud_run(int listener, const char *unit, const char *option)
{
    g_autofree char *fd = g_strdup_printf("%d", listener);
    char *argv[] = {
        (char *)"qemu-viommud", (char *)"--fd", fd, (char *)"--unit",
        (char *)unit, (char *)option, NULL
    };
    int program = viommud_open();
    GPid pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        if (viommud_is_plain && !viommud_give_up()) {
            _exit(126);
        }
        /* Not even a test that fails leaves a server behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fexecve(program, argv, environ);
        _exit(127);
    }
    close(program);
    close(listener);
    return pid;
}

bool viommud_plain(bool plain)
{
    int status = 0;
    GPid pid = plain ? fork() : 0;

    if (plain) {
        g_assert_cmpint(pid, >=, 0);
        if (!pid) {
            _exit(!viommud_give_up());
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    }
    viommud_is_plain = plain && !status;
    return viommud_is_plain == plain;
}

/* A server with @unit behind a new socket, whose name is returned */
static const char *viommud_serve(const char *unit)
{
    VIOMMUDServer server = { 0 };

    server.pid = viommud_run(rmt_listen(&server.path), unit, NULL);
    if (!viommud_servers) {
        viommud_servers = g_array_new(false, false, sizeof(server));
    }
    g_array_append_val(viommud_servers, server);
    return server.path;
}

/* Is it viommu-remote's?  The rest are the server's. */
static bool viommud_is_clients(const char *prop)
{
    static const char *const names[] = {
        "iotlb-size", "dma-cache-size", "dma-mode", "drain-timeout",
        "drain-stall-time", "sanitizer", "reserved-ranges", "ram-in-windows",
        "virtio", "timeout", "on-disconnect",
    };
    size_t len = strcspn(prop, "=");

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strlen(names[i]) == len && !memcmp(prop, names[i], len)) {
            return true;
        }
    }
    return false;
}

/* What both have: that interrupts are remapped is for the client, too. */
static bool viommud_is_shared(const char *prop)
{
    return g_str_has_prefix(prop, "intremap=");
}

/*
 * The arguments of a machine: @board, of @size memory that the server can map,
 * and viommu-remote with registers at @base in front of a server with @unit.
 * Commas of a value are doubled, and stay with it.
 */
static char *viommud_args(const char *board, const char *size, uint64_t base,
                          const char *unit, const char *props)
{
    g_autoptr(GString) server = g_string_new(unit);
    g_autoptr(GString) client = g_string_new("timeout=60000");
    g_auto(GStrv) all = g_strsplit(props, ",", -1);
    GString *last = NULL;

    for (char **prop = all; *prop; prop++) {
        if (!**prop && prop[1] && last) {
            g_string_append_printf(last, ",,%s", *++prop);
        } else if (**prop) {
            last = viommud_is_clients(*prop) ? client : server;
            g_string_append_printf(last, ",%s", *prop);
            if (viommud_is_shared(*prop)) {
                g_string_append_printf(client, ",%s", *prop);
            }
        }
    }
    return g_strdup_printf(
        "%s -machine memory-backend=ram -m %s -nodefaults "
        "-object memory-backend-memfd,id=ram,size=%s,share=on "
        "-chardev socket,id=remote,path=%s "
        "-device viommu-remote,chardev=remote,mmio=0x%" PRIx64 ",%s",
        board, size, size, viommud_serve(server->str), base, client->str);
}

#define VTD_BOARD \
    "-machine q35 -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"

char *viommud_vtd_args(unsigned form, const char *props)
{
    return viommud_args(VTD_BOARD, "256M", VTD_BASE, "intel-iommu", props);
}

char *viommud_vtd_sm_args(unsigned form, const char *props)
{
    return viommud_args(VTD_BOARD, "256M", VTD_BASE, "intel-iommu," VTD_SM_ALL,
                        props);
}

char *viommud_smmu_args(unsigned form, const char *props)
{
    return viommud_args("-machine virt,gic-version=2 -cpu cortex-a57", "2G",
                        SMMU_BASE, "arm-smmuv3,stage=nested", props);
}

void viommud_end(void)
{
    VIOMMUDServer *server;

    if (unit_is_used() || !viommud_servers || !viommud_servers->len) {
        return;
    }
    server = &g_array_index(viommud_servers, VIOMMUDServer, 0);
    rmt_end_server(server->pid);
    unlink(server->path);
    g_free(server->path);
    g_array_remove_index(viommud_servers, 0);
}

GPid viommud_pid(void)
{
    return g_array_index(viommud_servers, VIOMMUDServer,
                         viommud_servers->len - 1).pid;
}

Unit *viommud_start(const UnitOps *ops, unsigned form, const char *props,
                    const char *args,
                    Unit *(*start)(const char *machine, const char *args))
{
    /* A machine that is there has its server. */
    g_autofree char *machine = unit_is_used() ? NULL : ops->args(form, props);
    Unit *unit = start(machine ?: "", args);

    unit->ops = ops;
    return unit;
}
