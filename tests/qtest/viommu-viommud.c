/*
 * VT-d in a process of its own (qemu-viommud), for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine has viommu-remote where intel-iommu would have its registers, and
 * is driven as VT-d's is.
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include "viommu-remote.h"
#include "viommu-vtd.h"

/* The servers that have been started, and not been seen to end */
typedef struct VTDServer {
    GPid pid;
    char *path;              /* of its socket */
} VTDServer;

static GArray *vtdd_servers;

/* Beside the emulator */
static char *vtdd_program(void)
{
    g_autofree char *dir = g_path_get_dirname(g_getenv("QTEST_QEMU_BINARY"));

    return g_build_filename(dir, "hw", "iommu", "remote", "server",
                            "qemu-viommud", NULL);
}

GPid vtdd_run(int listener, const char *unit, const char *option)
{
    g_autofree char *program = vtdd_program();
    g_autofree char *fd = g_strdup_printf("%d", listener);
    GPid pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        /* Not even a test that fails leaves a server behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, program, "--fd", fd, "--unit", unit, option, NULL);
        _exit(127);
    }
    close(listener);
    return pid;
}

/* A server with @unit behind a new socket, whose name is returned */
static const char *vtdd_serve(const char *unit)
{
    VTDServer server = { 0 };

    server.pid = vtdd_run(rmt_listen(&server.path), unit, NULL);
    if (!vtdd_servers) {
        vtdd_servers = g_array_new(false, false, sizeof(server));
    }
    g_array_append_val(vtdd_servers, server);
    return server.path;
}

char *vtdd_args(unsigned form, const char *props)
{
    const char *path = vtdd_serve("intel-iommu");

    return g_strdup_printf(
        "-machine q35,memory-backend=ram -m 256 -nodefaults "
        "-object memory-backend-memfd,id=ram,size=256M,share=on "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s "
        "-device viommu-remote,chardev=remote,mmio=0x%llx,timeout=60000%s%s",
        path, VTD_BASE, *props ? "," : "", props);
}

Unit *vtdd_start(unsigned form, const char *props, const char *args)
{
    g_autofree char *machine = vtdd_args(form, props);
    VTD *vtd = vtd_start_machine(machine, args);

    vtd->ops = &vtd_remote_unit_ops;
    return &vtd->unit;
}

/* Of two machines of a migration the first one ends first. */
void vtdd_stop(Unit *unit)
{
    VTDServer *server = &g_array_index(vtdd_servers, VTDServer, 0);

    vtd_unit_stop(unit);
    rmt_end_server(server->pid);
    unlink(server->path);
    g_free(server->path);
    g_array_remove_index(vtdd_servers, 0);
}
