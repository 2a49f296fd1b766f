/*
 * The sanitizer: mistakes with domains and with configuration tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-edu.h"
#include "viommu-sanitizer.h"
#include "viommu-smmu.h"
#include "viommu-smmu-spec.h"
#include "viommu-virtio.h"
#include "viommu-vtd.h"
#include "viommu-vtd-sm.h"

#define ON          "sanitizer=on"
#define HOLE_IOVA   0x30000000ull
#define NOBODY      0xa5            /* no device is there */
#define EDU         "-device edu,id=edu,addr=04.0,dma_mask=0xffffffffffffffff "

static bool is_unit(const char *name)
{
    return g_str_equal(unit_ops()->name, name);
}

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

/* With caching mode, where a model has a property for it */
static const char *caching(void)
{
    return is_unit("amd") ? ON : ON ",caching-mode=on";
}

/*
 * An invalidation of the wrong domain
 */

static void invalidate_other(Rig *rig, UnitScope scope)
{
    rig_inv(rig, scope, rig->other, RIG_DATA_IOVA, 0);
    rig_inv_wait(rig);
}

static void wrong_domain(UnitScope scope)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "wrong-invalidation", .iova = RIG_DATA_IOVA,
        .access = SAN_READ, .words = "by the IOTLB (looked up ",
        .more = "of which nothing is known to be cached there: it is cached of",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    invalidate_other(rig, scope);
    san_allowed(rig, RIG_DATA_IOVA);
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

static void test_domain_page(void)
{
    wrong_domain(UNIT_RANGE);
}

static void test_domain_all(void)
{
    wrong_domain(UNIT_SPACE);
}

/* One of each: the order is no matter. */
static void test_domain_correct(void)
{
    Rig *rig = san_rig(ON);

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    invalidate_other(rig, UNIT_RANGE);
    rig_inv(rig, UNIT_RANGE, rig->space, RIG_DATA_IOVA, 0);
    rig_inv_wait(rig);
    invalidate_other(rig, UNIT_SPACE);
    san_assert_none(rig);
    rig_free(rig);
}

/* The entry of another requester, or PASID */
static void test_wrong_endpoint(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;
    const SanFinding want = {
        .kind = "wrong-invalidation", .no_iova = true, .access = SAN_NEITHER,
        .words = "not invalidated: it is treated as [translate, ",
        .more = is_unit("vtd-sm") ? "the entry of PASID 0x5 was invalidated" :
                "the entry of 00:14.5 was invalidated",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    unit->ops->attach(unit, rig->sid, rig->other);
    if (is_unit("vtd-sm")) {
        VTDSMSpace nobody;

        vtd_sm_space_init(vtd_of(rig), &nobody, VTD_SM_SECOND, 99, 5);
        vtd_sm_forget(vtd_of(rig), &nobody);
    } else {
        unit->ops->detach_start(unit, rig->opt.form, NOBODY, rig->space);
        rig_inv_wait(rig);
    }
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

/*
 * What was not there, and is now, on a unit that may keep that
 */

static void assert_absent(Rig *rig, uint64_t iova)
{
    g_autofree char *what = g_strdup_printf("0x%" PRIx64 " was not mapped",
                                            iova);
    const SanFinding want = {
        .kind = "missing-flush", .iova = iova, .access = SAN_NEITHER,
        .words = what, .more = "and was not invalidated in between: the unit "
                               "may keep that nothing is mapped",
    };

    san_assert(rig, &want);
}

/* It was refused, mapped, and used. */
static void test_absent_fault(void)
{
    Rig *rig = san_rig(caching());

    san_refused(rig, HOLE_IOVA);
    san_settle(rig);
    g_assert_cmpint(san_count(rig), ==, 0);
    san_map(rig, HOLE_IOVA, rig->page, UNIT_RW);
    san_allowed(rig, HOLE_IOVA);
    assert_absent(rig, HOLE_IOVA);
    rig_free(rig);
}

/* It was unmapped, as is right, and mapped again. */
static void test_absent_unmapped(void)
{
    Rig *rig = san_rig(caching());

    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map(rig, RIG_DATA_IOVA, rig->spare, UNIT_RW);
    san_allowed(rig, RIG_DATA_IOVA);
    assert_absent(rig, RIG_DATA_IOVA);
    rig_free(rig);
}

static void test_absent_correct(void)
{
    Rig *rig = san_rig(caching());

    san_refused(rig, HOLE_IOVA);
    san_settle(rig);
    san_map(rig, HOLE_IOVA, rig->page, UNIT_RW);
    rig_inv(rig, UNIT_RANGE, rig->space, HOLE_IOVA, 0);
    rig_inv_wait(rig);
    san_allowed(rig, HOLE_IOVA);
    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map(rig, RIG_DATA_IOVA, rig->spare, UNIT_RW);
    rig_inv(rig, UNIT_SPACE, rig->space, 0, 0);
    rig_inv_wait(rig);
    san_allowed(rig, RIG_DATA_IOVA);
    san_assert_none(rig);
    rig_free(rig);
}

/* Without caching mode it needs none. */
static void test_absent_off(void)
{
    Rig *rig = san_rig(ON);

    san_refused(rig, HOLE_IOVA);
    san_settle(rig);
    san_map(rig, HOLE_IOVA, rig->page, UNIT_RW);
    san_allowed(rig, HOLE_IOVA);
    san_unmap(rig, HOLE_IOVA, UNIT_RANGE);
    san_map(rig, HOLE_IOVA, rig->page, UNIT_RW);
    san_allowed(rig, HOLE_IOVA);
    san_assert_none(rig);
    rig_free(rig);
}

/* edu is in no domain, asks, and is in one then. */
static void absent_endpoint(const char *props, bool invalidated)
{
    RigOptions opt = san_options(props, EDU);
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    Edu *edu = edu_new(unit, EDU_SID);

    edu_load(edu, RIG_DATA_IOVA, 4);
    g_assert_true(unit->ops->drop_faults(unit, EDU_SID));
    unit->ops->attach(unit, EDU_SID, rig->space);
    if (invalidated) {
        unit->ops->reattach(unit, opt.form, EDU_SID, rig->space);
    }
    edu_load(edu, RIG_DATA_IOVA, 4);
    unit->ops->assert_no_fault(unit);
    if (invalidated || !g_str_equal(props, caching())) {
        san_assert_none(rig);
    } else {
        const SanFinding want = {
            .kind = "stale-configuration", .device = "edu", .no_iova = true,
            .access = SAN_NEITHER, .words = "refused its DMA ",
            .more = "does not now, and none was invalidated in between",
        };

        san_assert(rig, &want);
    }
    edu_free(edu);
    rig_free(rig);
}

static void test_absent_endpoint(void)
{
    absent_endpoint(caching(), false);
}

static void test_absent_endpoint_correct(void)
{
    absent_endpoint(caching(), true);
}

static void test_absent_endpoint_off(void)
{
    absent_endpoint(ON, false);
}

/*
 * Reserved bits
 */

static void or_word(Rig *rig, uint64_t addr, uint64_t bits)
{
    qtest_writeq(rig->unit->qts, addr,
                 qtest_readq(rig->unit->qts, addr) | bits);
}

/* What applies to the disk is spoilt, and that is invalidated. */
static void spoil(Rig *rig)
{
    if (is_unit("vtd")) {
        or_word(rig, vtd_context_entry(vtd_of(rig), rig->sid), 1 << 5);
        vtd_inv_context(vtd_of(rig), VTD_QUEUED, VTD_GLOBAL, 0, 0);
    } else if (is_unit("vtd-sm")) {
        or_word(rig, vtd_sm_entry(vtd_of(rig), rig->sid, 0), 1 << 5);
        vtd_inv_context(vtd_of(rig), VTD_QUEUED, VTD_GLOBAL, 0, 0);
    } else if (is_unit("amd")) {
        or_word(rig, amd_of(rig)->devtab + 32 * rig->sid, 1 << 3);
        amd_cmd(amd_of(rig), AMD_CMD_DEVTAB | rig->sid, 0);
    } else {
        or_word(rig, smmu_ste(smmu_of(rig), rig->sid) + 8,
                SMMU_STE1_S1STALLD);
        smmu_inv_everything(smmu_of(rig));
    }
}

static void test_reserved(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "reserved-bits", .no_iova = true, .access = SAN_NEITHER,
        .words = "its DMA is refused: ",
        .more = is_unit("amd") ? "ILLEGAL_DEV_TABLE_ENTRY: the device table" :
                is_unit("smmuv3") ? "C_BAD_STE: the STE" :
                is_unit("vtd") ? "a reserved field of the context entry is set;"
                                 " what was read last: 0x" :
                "a reserved field of the PASID table entry is set; what was "
                "read last: 0x",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    spoil(rig);
    san_refused(rig, RIG_DATA_IOVA);
    san_assert(rig, &want);
    rig_free(rig);
}

/* What is just not there has nothing reserved. */
static void test_reserved_correct(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;

    san_allowed(rig, RIG_DATA_IOVA);
    unit->ops->detach_start(unit, rig->opt.form, rig->sid, rig->space);
    rig_inv_wait(rig);
    vblk_submit(rig->blk, false, RIG_SECTOR, RIG_DATA_IOVA, SAN_LEN);
    viommu_turns(unit);
    san_assert_none(rig);
    rig_free(rig);
}

/*
 * Who passes for want of an entry
 */

static void pass(Rig *rig, Edu *edu)
{
    rig_step(rig, SAN_LONG);
    edu_load(edu, rig->page, 4);
    edu_load(edu, rig->page, 4);
    rig_step(rig, SAN_LONG);
}

static void test_bypass(void)
{
    RigOptions opt = san_options(ON, EDU);
    Rig *rig = rig_new(&opt);
    Edu *edu = edu_new(rig->unit, EDU_SID);
    const SanFinding want = {
        .kind = "bypass", .device = "edu", .no_iova = true,
        .access = SAN_NEITHER,
        .words = "translation is on, and 2 accesses of it were not translated",
        .more = is_unit("amd") ? "have no valid entry for it" :
                "attached it to no domain",
    };

    if (is_unit("amd")) {
        amd_set_dte(amd_of(rig), EDU_SID, 0, 0, 0);
        amd_cmd(amd_of(rig), AMD_CMD_DEVTAB | EDU_SID, 0);
    } else {
        VIO *vio = container_of(rig->unit, VIO, unit);

        vio->transport->set_config(vio, VIO_CONFIG_BYPASS, 1);
    }
    pass(rig, edu);
    san_assert(rig, &want);
    edu_free(edu);
    rig_free(rig);
}

/* In a domain; or what has no entry is refused. */
static void test_bypass_correct(void)
{
    RigOptions opt = san_options(ON, EDU);
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    Edu *edu = edu_new(unit, EDU_SID);

    pass(rig, edu);
    unit->ops->drop_faults(unit, EDU_SID);
    san_assert_none(rig);
    edu_free(edu);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    bool vtd = is_unit("vtd") || is_unit("vtd-sm");

    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/sanitizer-config/" name, fn)
    ADD("domain/correct", test_domain_correct);
    if (!unit_ops()->by_request) {
        ADD("domain/page", test_domain_page);
        ADD("domain/all", test_domain_all);
        ADD("wrong-endpoint", test_wrong_endpoint);
        ADD("reserved/set", test_reserved);
        ADD("reserved/correct", test_reserved_correct);
    }
    if (!is_unit("amd")) {
        ADD("absent/off", test_absent_off);
    }
    if (vtd || is_unit("amd")) {
        ADD("absent/fault", test_absent_fault);
        ADD("absent/unmapped", test_absent_unmapped);
        ADD("absent/correct", test_absent_correct);
    }
    if (vtd) {
        /* AMD-Vi does keep that an entry refuses. */
        ADD("absent/endpoint", test_absent_endpoint);
        ADD("absent/endpoint-correct", test_absent_endpoint_correct);
        ADD("absent/endpoint-off", test_absent_endpoint_off);
    }
    ADD("bypass/correct", test_bypass_correct);
    if (is_unit("amd") || is_unit("virtio")) {
        ADD("bypass/no-entry", test_bypass);
    }
#undef ADD
    return g_test_run();
}
