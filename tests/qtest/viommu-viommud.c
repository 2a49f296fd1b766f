/*
 * Machines whose unit is in a process of its own (qemu-viommud)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include "viommu-remote.h"
#include "viommu-smmu-spec.h"
#include "viommu-viommud.h"
#include "viommu-vtd-spec.h"

/* The servers that have been started, and not been seen to end */
typedef struct VIOMMUDServer {
    GPid pid;
    char *path;              /* of its socket */
} VIOMMUDServer;

static GArray *viommud_servers;

/* Beside the emulator */
static char *viommud_program(void)
{
    g_autofree char *dir = g_path_get_dirname(g_getenv("QTEST_QEMU_BINARY"));

    return g_build_filename(dir, "hw", "iommu", "remote", "server",
                            "qemu-viommud", NULL);
}

GPid viommud_run(int listener, const char *unit, const char *option)
{
    g_autofree char *program = viommud_program();
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

char *viommud_vtd_args(unsigned form, const char *props)
{
    const char *path = viommud_serve("intel-iommu");

    return g_strdup_printf(
        "-machine q35,memory-backend=ram -m 256 -nodefaults "
        "-object memory-backend-memfd,id=ram,size=256M,share=on "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s "
        "-device viommu-remote,chardev=remote,mmio=0x%llx,timeout=60000%s%s",
        path, VTD_BASE, *props ? "," : "", props);
}

char *viommud_smmu_args(unsigned form, const char *props)
{
    const char *path = viommud_serve("arm-smmuv3,stage=nested");

    return g_strdup_printf(
        "-machine virt,gic-version=2,memory-backend=ram -cpu cortex-a57 -m 2G "
        "-object memory-backend-memfd,id=ram,size=2G,share=on -nodefaults "
        "-chardev socket,id=remote,path=%s "
        "-device viommu-remote,chardev=remote,mmio=0x%llx,timeout=60000%s%s",
        path, SMMU_BASE, *props ? "," : "", props);
}

void viommud_end(void)
{
    VIOMMUDServer *server = &g_array_index(viommud_servers, VIOMMUDServer, 0);

    rmt_end_server(server->pid);
    unlink(server->path);
    g_free(server->path);
    g_array_remove_index(viommud_servers, 0);
}
