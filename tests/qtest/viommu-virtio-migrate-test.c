/*
 * The virtio-iommu's migration stream: between two of ours, and with the base
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_PEER names the base's emulator; without it, only ours is tried.
 * Domains, mappings, who is attached and "bypass" arrive, which is seen by what
 * requests are answered; and translation and DMA go on.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"
#include "viommu-virtio.h"

#define BINARY  "QTEST_QEMU_BINARY"
#define DOMAIN  7                       /* the rig's */
#define BYPASS  50
#define OTHER   0xfffffffe
#define EP2     0xf8                    /* the ISA bridge */
#define EP3     0xfb                    /* the SMBus */
#define TOP     0x7ffffff000ull         /* the last page of 39 bits */
#define PAGE    0x1000ull

typedef struct Hop {
    bool from_peer, to_peer;
} Hop;

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

static void see_request(Rig *rig)
{
    unsigned n = rig->blk->submitted;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_until(rig->unit, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
}

static void test_hop(const void *opaque)
{
    const Hop *hop = opaque;
    g_autofree char *ours = g_strdup(g_getenv(BINARY));
    const char *peer = g_getenv("VIOMMU_PEER");
    RigOptions opt = { .fast = true };
    QTestState *to;
    Rig *rig;

    if ((hop->from_peer || hop->to_peer) && !peer) {
        g_test_skip("VIOMMU_PEER is not set");
        return;
    }
    g_setenv(BINARY, hop->from_peer ? peer : ours, true);
    rig = rig_new(&opt);
    g_setenv(BINARY, hop->to_peer ? peer : ours, true);
    to = rig_target(rig);
    g_setenv(BINARY, ours, true);

    see_request(rig);
    fill(vio_of(rig));
    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    see_request(rig);
    see(vio_of(rig));
    rig_unmap(rig, UNIT_RANGE);
    rig_inv_wait(rig);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_turns(rig->unit);
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
    static const char *const names[] = {
        "ours-to-ours", "base-to-ours", "ours-to-base",
    };
    static const Hop hops[] = { { false, false }, { true, false },
                                { false, true } };
    size_t n;

    g_test_init(&argc, &argv, NULL);
    g_setenv("VIOMMU_UNIT", "virtio", true);
    for (n = 0; n < G_N_ELEMENTS(names); n++) {
        g_autofree char *path = g_strdup_printf("/viommu/virtio/migrate/%s",
                                                names[n]);

        qtest_add_data_func(path, &hops[n], test_hop);
    }
    qtest_add_func("/viommu/virtio/migrate/limits", test_limits);
    return g_test_run();
}
