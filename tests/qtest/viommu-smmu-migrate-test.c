/*
 * The SMMUv3's migration stream: between two of ours, and with the base
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_PEER names the base's emulator; without it, only ours is tried.
 * Every register arrives, an error that was pending still is, and translation,
 * commands and DMA go on.  Other forms are viommu-migrate-test's.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "viommu-rig.h"
#include "viommu-smmu.h"

#define BINARY "QTEST_QEMU_BINARY"

typedef struct Hop {
    bool from_peer, to_peer;
    unsigned form;
} Hop;

static const unsigned regs32[] = {
    SMMU_CR0, SMMU_CR0ACK, SMMU_CR1, SMMU_CR2, SMMU_GBPA, SMMU_IRQ_CTRL,
    SMMU_IRQ_CTRLACK, SMMU_GERROR, SMMU_GERRORN, SMMU_GERROR_IRQ_CFG1,
    SMMU_GERROR_IRQ_CFG2, SMMU_STRTAB_BASE_CFG, SMMU_CMDQ_PROD,
    SMMU_CMDQ_CONS, SMMU_PAGE1 + SMMU_EVENTQ_PROD,
    SMMU_PAGE1 + SMMU_EVENTQ_CONS, SMMU_EVENTQ_IRQ_CFG1,
    SMMU_EVENTQ_IRQ_CFG2,
};
static const unsigned regs64[] = {
    SMMU_STRTAB_BASE, SMMU_CMDQ_BASE, SMMU_EVENTQ_BASE,
};

static SMMU *smmu_of(Unit *unit)
{
    return container_of(unit, SMMU, unit);
}

static void see_same_registers(SMMU *a, SMMU *b)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(regs32); i++) {
        g_test_message("register 0x%x", regs32[i]);
        g_assert_cmphex(smmu_read32(a, regs32[i]), ==,
                        smmu_read32(b, regs32[i]));
    }
    for (i = 0; i < G_N_ELEMENTS(regs64); i++) {
        g_test_message("register 0x%x", regs64[i]);
        g_assert_cmphex(smmu_read64(a, regs64[i]), ==,
                        smmu_read64(b, regs64[i]));
    }
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
    RigOptions opt = { .form = hop->form, .fast = true };
    QTestState *to;
    SMMU *smmu;
    Unit *unit;
    Rig *rig;

    if ((hop->from_peer || hop->to_peer) && !peer) {
        g_test_skip("VIOMMU_PEER is not set");
        return;
    }
    g_setenv(BINARY, hop->from_peer ? peer : ours, true);
    rig = rig_new(&opt);
    smmu = smmu_of(rig->unit);
    g_setenv(BINARY, hop->to_peer ? peer : ours, true);
    to = rig_target(rig);
    g_setenv(BINARY, ours, true);

    see_request(rig);
    smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    /* The command queue stands still. */
    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    unit_load(to, unit_save(smmu->qts));
    unit = rig->unit->ops->adopt(rig->unit, to);
    see_same_registers(smmu, smmu_of(unit));
    g_free(unit);
    rig_adopt(rig, to);
    unit = rig->unit;
    smmu = smmu_of(unit);
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    see_request(rig);
    rig_unmap(rig, UNIT_RANGE);
    rig_inv_wait(rig);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_turns(unit);
    g_assert_true(unit->ops->drop_faults(unit, rig->sid));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {
        "ours-to-ours", "base-to-ours", "ours-to-base",
    };
    size_t n;

    g_test_init(&argc, &argv, NULL);
    for (n = 0; n < G_N_ELEMENTS(names); n++) {
        Hop *hop = g_new0(Hop, 1);
        g_autofree char *path = g_strdup_printf("/viommu/smmu/migrate/%s",
                                                names[n]);

        *hop = (Hop) { n == 1, n == 2, SMMU_FORM_SYNC };
        qtest_add_data_func_full(path, hop, test_hop, g_free);
    }
    return g_test_run();
}
