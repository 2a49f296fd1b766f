/*
 * The sanitizer: mistakes with queues and tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each model has a queue of its own, and so each has a line here.
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-sanitizer.h"
#include "viommu-smmu.h"
#include "viommu-vtd.h"

#define ON          "sanitizer=on"
#define TARGET_IOVA 0x40000000ull
/* In a page of tables, where no entry is that this test goes by */
#define UNUSED      0x800
#define RESERVED    (1ull << 51)

static VTD *vtd_of(Rig *rig)
{
    return container_of(rig->unit, VTD, unit);
}

static SMMU *smmu_of(Rig *rig)
{
    return container_of(rig->unit, SMMU, unit);
}

static AMD *amd_of(Rig *rig)
{
    return container_of(rig->unit, AMD, unit);
}

static bool is_unit(const char *name)
{
    return g_str_has_prefix(unit_ops()->name, name);
}

/* Everything is invalidated, and nobody waits. */
static void invalidate_only(Rig *rig)
{
    if (unit_ops()->by_request) {
        /* Each request is answered by itself. */
        return;
    }
    if (is_unit("vtd")) {
        vtd_queue_put(vtd_of(rig), VTD_D_IOTLB | VTD_D_G(VTD_GLOBAL), 0);
        vtd_queue_kick(vtd_of(rig));
    } else if (is_unit("amd")) {
        amd_cmd_put(amd_of(rig), AMD_CMD_ALL, 0);
        amd_cmd_kick(amd_of(rig));
    } else {
        smmu_cmd_put(smmu_of(rig), SMMU_CMD_TLBI_NSNH_ALL, 0);
        smmu_cmd_kick(smmu_of(rig));
    }
}

static void test_wait(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "missing-wait", .no_device = true, .no_iova = true,
        .access = SAN_NEITHER, .words = "invalidations were queued ",
    };

    invalidate_only(rig);
    g_assert_cmpint(san_count(rig), ==, 0);
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

static void test_wait_correct(void)
{
    Rig *rig = san_rig(ON);

    invalidate_only(rig);
    rig_step(rig, RIG_SHORT_NS);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_inv_wait(rig);
    san_assert_none(rig);
    rig_free(rig);
}

/* The queue stands still, at a wait for what is in flight. */
static void stand_still(Rig *rig)
{
    rig_hold(rig, false, RIG_DATA_IOVA);
    rig_unmap(rig, UNIT_RANGE);
    rig_assert_pending(rig);
}

/* The tail is written as it was before what has been queued last. */
static void move_tail_back(Rig *rig)
{
    if (is_unit("vtd")) {
        vtd_write64(vtd_of(rig), VTD_IQT,
                    vtd_read64(vtd_of(rig), VTD_IQH));
    } else if (is_unit("amd")) {
        amd_write(amd_of(rig), AMD_CMD_TAIL,
                  amd_read(amd_of(rig), AMD_CMD_HEAD));
    } else {
        smmu_write32(smmu_of(rig), SMMU_CMDQ_PROD,
                     smmu_read32(smmu_of(rig), SMMU_CMDQ_CONS));
    }
}

static void test_tail(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "queue-overrun", .no_device = true, .no_iova = true,
        .access = SAN_NEITHER, .words = "the tail of the ",
        .more = "while its head is at",
    };

    stand_still(rig);
    g_assert_cmpint(san_count(rig), ==, 0);
    move_tail_back(rig);
    san_assert(rig, &want);
    rig_release(rig);
    rig_free(rig);
}

/* More is queued behind a wait. */
static void test_tail_correct(void)
{
    Rig *rig = san_rig(ON);

    stand_still(rig);
    invalidate_only(rig);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_release(rig);
    rig_inv_wait(rig);
    san_assert_none(rig);
    rig_free(rig);
}

/* A page of tables is mapped as if it were a buffer. */
static void test_table(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;
    uint64_t table = unit->ops->pte(unit, rig->space, RIG_DATA_IOVA) &
                     -UNIT_PAGE;
    g_autofree char *where = g_strdup_printf("goes to 0x%" PRIx64 ", a page of "
                                             "the tables that are read to "
                                             "translate", table + UNUSED);
    const SanFinding want = {
        .kind = "table-target", .iova = TARGET_IOVA + UNUSED, .words = where,
        .more = "for 00:05.0",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    san_map(rig, TARGET_IOVA, table, UNIT_RW);
    vblk_submit(rig->blk, false, RIG_SECTOR, TARGET_IOVA + UNUSED, SAN_LEN);
    viommu_turns(unit);
    rig_release(rig);
    san_assert(rig, &want);
    rig_free(rig);
}

/* What was a table, but is none any more, may be a buffer. */
static void test_table_correct(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;
    uint64_t table;

    san_map(rig, TARGET_IOVA, rig->page, UNIT_RW);
    san_allowed(rig, TARGET_IOVA);
    table = unit->ops->pte(unit, rig->space, TARGET_IOVA) & -UNIT_PAGE;
    san_unmap(rig, TARGET_IOVA, UNIT_RANGE);
    unit->ops->map(unit, rig->space, TARGET_IOVA,
                   unit->ops->ram + UNIT_LARGE, UNIT_LARGE, UNIT_RW);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_inv_wait(rig);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map_new(rig, RIG_DATA_IOVA, table, UNIT_RW);
    vblk_submit(rig->blk, false, RIG_SECTOR, RIG_DATA_IOVA, RIG_LEN);
    viommu_turns(unit);
    rig_release(rig);
    san_assert_none(rig);
    rig_free(rig);
}

static void test_reserved(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;
    uint64_t pte = unit->ops->pte(unit, rig->space, RIG_DATA_IOVA);
    const SanFinding want = {
        .kind = "reserved-bits", .iova = RIG_DATA_IOVA,
        .words = "is translated by an entry with a reserved bit: stage 2, "
                 "level 1, 0x",
        .more = ": bit 51",
    };

    qtest_writeq(unit->qts, pte, qtest_readq(unit->qts, pte) | RESERVED);
    san_refused(rig, RIG_DATA_IOVA);
    san_assert(rig, &want);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/sanitizer-queue/" name, fn)
    ADD("wait/correct", test_wait_correct);
    ADD("tail/correct", test_tail_correct);
    if (!unit_ops()->by_request) {
        ADD("wait/missing", test_wait);
        ADD("tail/moved-back", test_tail);
        ADD("table/written", test_table);
        ADD("table/correct", test_table_correct);
    }
    if (is_unit("vtd")) {
        /* Others ignore what they have reserved, or have no such bit. */
        ADD("reserved", test_reserved);
    }
#undef ADD
    return g_test_run();
}
