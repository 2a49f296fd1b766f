/*
 * The virtio-iommu's migration stream: between two of ours, and with stock QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_PEER names the stock emulator; without it, only ours is tried.
 * Domains, mappings, who is attached and "bypass" arrive, which is seen by what
 * requests are answered; and translation and DMA go on.
 */
#include "qemu/osdep.h"
#include "viommu-move.h"
#include "viommu-virtio.h"

#define DOMAIN  7                       /* the rig's */
#define BYPASS  50
#define OTHER   0xfffffffe
#define EP2     0xf8                    /* the ISA bridge */
#define EP3     0xfb                    /* the SMBus */
#define TOP     0x7ffffff000ull         /* the last page of 39 bits */
#define PAGE    0x1000ull

#define assert_status(vio, put, status) \
    g_assert_cmphex(vio_wait(vio, put), ==, status)

static VIO *vio_of(Rig *rig)
{
    return container_of(rig->unit, VIO, unit);
}

static void fill(VIO *vio)
{
    assert_status(vio, vio_put_attach(vio, BYPASS, EP2, VIO_ATTACH_F_BYPASS),
                  VIO_S_OK);
    assert_status(vio, vio_put_attach(vio, OTHER, EP3, 0), VIO_S_OK);
    assert_status(vio, vio_put_map(vio, OTHER, TOP, TOP + PAGE - 1, 0,
                                   VIO_MAP_F_R), VIO_S_OK);
    assert_status(vio, vio_put_map(vio, OTHER, 0, 4 * PAGE - 1, 0xfed00000,
                                   VIO_MAP_F_W | VIO_MAP_F_MMIO), VIO_S_OK);
}

static void see(VIO *vio)
{
    g_assert_cmpuint(vio->transport->config(vio, VIO_CONFIG_BYPASS), ==, 0);
    assert_status(vio, vio_put_map(vio, BYPASS, 0, PAGE - 1, 0, VIO_MAP_F_R),
                  VIO_S_INVAL);
    assert_status(vio, vio_put_detach(vio, OTHER, EP2), VIO_S_INVAL);
    assert_status(vio, vio_put_detach(vio, BYPASS, EP2), VIO_S_OK);
    assert_status(vio, vio_put_map(vio, OTHER, TOP, TOP + PAGE - 1, 0,
                                   VIO_MAP_F_R), VIO_S_INVAL);
    assert_status(vio, vio_put_unmap(vio, OTHER, PAGE, UINT64_MAX),
                  VIO_S_RANGE);
    assert_status(vio, vio_put_unmap(vio, OTHER, 0, 4 * PAGE - 1), VIO_S_OK);
    assert_status(vio, vio_put_detach(vio, OTHER, EP3), VIO_S_OK);
    assert_status(vio, vio_put_unmap(vio, OTHER, 0, UINT64_MAX), VIO_S_NOENT);
}

static void test_move(const void *opaque)
{
    QTestState *to;
    Rig *rig = move_begin(opaque, &to);

    if (!rig) {
        return;
    }
    move_see_request(rig);
    fill(vio_of(rig));
    move_to(rig, to);
    move_go_on(rig);
    move_see_request(rig);
    see(vio_of(rig));
    move_see_unmap(rig);
    g_assert_true(rig->unit->ops->drop_faults(rig->unit, rig->sid));
    rig_free(rig);
}

/* More than the destination allows: it says which property that is. */
static void test_limits(void)
{
    RigOptions opt = { .fast = true };
    Rig *rig = rig_new(&opt);
    g_autofree char *args = rig_args(&rig->opt, rig->image);
    g_autofree char *machine = vio_machine("max-mappings=2");
    g_autofree char *command = NULL;
    char *file;
    QTestState *to;
    UnitLog *log = unit_log_new();

    to = qtest_initf("%s %s -incoming defer", machine, args);
    unit_log_rest(log);
    file = unit_save(rig->unit->qts);
    command = g_strdup_printf("file:%s", file);
    qtest_qmp_assert_success(to, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s,"
                             " 'exit-on-error': false}}", command);
    viommu_until(rig->unit, unit_log_count(log, "max-mappings") > 0);
    qtest_quit(to);
    unlink(file);
    g_free(file);
    unit_log_free(log);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const char group[] = "/viommu/virtio/migrate";

    g_test_init(&argc, &argv, NULL);
    g_setenv("VIOMMU_UNIT", "virtio", true);
    move_add(group, false, false, 0, test_move);
    move_add(group, true, false, 0, test_move);
    move_add(group, false, true, 0, test_move);
    qtest_add_func("/viommu/virtio/migrate/limits", test_limits);
    return g_test_run();
}
