/*
 * The SMMUv3's migration stream: between two of ours, and with stock QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_PEER names the stock emulator; without it, only ours is tried.
 * Every register arrives, an error that was pending still is, and translation,
 * commands and DMA go on.  Other forms are viommu-migrate-test's.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "viommu-move.h"
#include "viommu-smmu.h"

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

static void test_move(const void *opaque)
{
    QTestState *to;
    Rig *rig = move_begin(opaque, &to);
    SMMU *smmu;
    Unit *unit;

    if (!rig) {
        return;
    }
    smmu = smmu_of(rig->unit);
    move_see_request(rig);
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
    move_go_on(rig);
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    move_see_request(rig);
    move_see_unmap(rig);
    g_assert_true(unit->ops->drop_faults(unit, rig->sid));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const char group[] = "/viommu/smmu/migrate";

    g_test_init(&argc, &argv, NULL);
    move_add(group, false, false, SMMU_FORM_SYNC, test_move);
    move_add(group, true, false, SMMU_FORM_SYNC, test_move);
    move_add(group, false, true, SMMU_FORM_SYNC, test_move);
    return g_test_run();
}
