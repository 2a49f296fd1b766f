/*
 * SMMUv3: accesses with a SubstreamID, each through a CD of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-smmu-bench.h"

#define BENCH_SLOT      5
#define BENCH_SID       (BENCH_SLOT << 3)
#define IOVA            0x40000000ULL
#define SSIDS           2        /* with a CD: 0 and 1 */

typedef struct SSIDRig {
    SBench *b;
    QPCIDevice *pci;
    QPCIBar bar;
    SMMUTable tables[SSIDS];
    uint64_t pages[SSIDS];
} SSIDRig;

/* One operation at IOVA.  Returns: did it succeed? */
static bool run(SSIDRig *r, XDBCommand command, unsigned ssid)
{
    qpci_io_writel(r->pci, r->bar, XDB_PASID, ssid);
    qpci_io_writeq(r->pci, r->bar, XDB_ADDR, IOVA);
    qpci_io_writeq(r->pci, r->bar, XDB_LENGTH, 4);
    qpci_io_writeq(r->pci, r->bar, XDB_STRIDE, 4);
    qpci_io_writeq(r->pci, r->bar, XDB_WINDOW, 4);
    qpci_io_writeq(r->pci, r->bar, XDB_COUNT, 1);
    qpci_io_writel(r->pci, r->bar, XDB_CMD, command);
    g_assert_cmphex(qpci_io_readl(r->pci, r->bar, XDB_STATUS), ==, 0);
    return qpci_io_readq(r->pci, r->bar, XDB_ERRORS) == 0;
}

/* Does a write with @ssid, by copy and through a map, reach page @n only? */
static void reaches(SSIDRig *r, unsigned ssid, unsigned n)
{
    static const XDBCommand commands[] = { XDB_WRITE, XDB_MAP_FILL };
    size_t i;
    unsigned p;

    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        for (p = 0; p < SSIDS; p++) {
            viommu_fill(r->b->smmu, r->pages[p], SB_BLANK, 8);
        }
        g_assert_true(run(r, commands[i], ssid));
        for (p = 0; p < SSIDS; p++) {
            g_assert_cmpint(viommu_is_filled(r->b->smmu, r->pages[p], SB_BLANK,
                                             4), ==, p != n);
        }
    }
    smmu_assert_no_event(r->b->smmu);
}

static SSIDRig *rig_new(const char *props)
{
    SSIDRig *r = g_new0(SSIDRig, 1);
    SBench *b = sb_new(props, "-device x-dma-bench,addr=05.0 ");
    unsigned i;

    r->b = b;
    r->pci = qpci_device_find(b->smmu->unit.bus, BENCH_SID);
    g_assert_nonnull(r->pci);
    qpci_device_enable(r->pci);
    r->bar = qpci_iomap(r->pci, 0, NULL);

    sb_stage1(b, 12, 39);
    for (i = 0; i < SSIDS; i++) {
        SMMUTable *t = &r->tables[i];

        r->pages[i] = unit_alloc(&b->smmu->unit, 1);
        smmu_table_init(b->smmu, t, 1, 12, 39, 0);
        smmu_map(b->smmu, t, IOVA, r->pages[i], 3, smmu_leaf(t, UNIT_RW));
    }
    return r;
}

/* The CD at @gpa is that of table @n. */
static void put_cd(SSIDRig *r, unsigned n, uint64_t gpa)
{
    uint64_t cd[8];

    smmu_make_cd(cd, &r->tables[n], NULL, SB_ASID + 1 + n);
    smmu_put(r->b->smmu, gpa, cd);
}

/* @cds: S1ContextPtr, S1Fmt and S1CDMax */
static void rig_enable(SSIDRig *r, uint64_t cds)
{
    uint64_t ste[8];

    memcpy(ste, r->b->ste, sizeof(ste));
    ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_S1) | cds;
    ste[1] |= SMMU_STE1_S1DSS(SMMU_S1DSS_SSID0);
    smmu_set_ste(r->b->smmu, BENCH_SID, ste);
    sb_enable(r->b);
}

static SSIDRig *rig_linear(unsigned s1cdmax)
{
    SSIDRig *r = rig_new("ssidsize=8");
    uint64_t cds = unit_alloc(&r->b->smmu->unit, 1);
    unsigned i;

    for (i = 0; i < SSIDS; i++) {
        put_cd(r, i, cds + 64 * i);
    }
    rig_enable(r, cds | SMMU_STE0_S1CDMAX(s1cdmax));
    return r;
}

static void rig_free(SSIDRig *r)
{
    g_free(r->pci);
    sb_free(r->b);
    g_free(r);
}

static bool skipped(void)
{
    if (viommu_offers("arm-smmuv3", "ssidsize")) {
        return false;
    }
    g_test_skip("no substreams");
    return true;
}

/* Each has its own table; without one it is substream 0's (S1DSS = 0b10). */
static void test_separate(void)
{
    SSIDRig *r;
    unsigned i;

    if (skipped()) {
        return;
    }
    r = rig_linear(1);
    /* More than once: what one left in a cache is not the other's. */
    for (i = 0; i < 3; i++) {
        reaches(r, 0, 0);
        reaches(r, 1, 1);
    }
    /* A page of substream 1 is taken away. */
    qtest_writeq(r->b->smmu->qts,
                 smmu_pte(r->b->smmu, &r->tables[1], IOVA, 3), 0);
    sb_inv(r->b);
    g_assert_false(run(r, XDB_READ, 1));
    smmu_assert_event(r->b->smmu, SMMU_EVT_F_TRANSLATION, BENCH_SID);
    reaches(r, 0, 0);
    rig_free(r);
}

/* Beyond S1CDMax, and where the stream has no substreams at all */
static void test_beyond(void)
{
    SSIDRig *r;

    if (skipped()) {
        return;
    }
    r = rig_linear(1);
    g_assert_false(run(r, XDB_READ, 2));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    rig_free(r);

    r = rig_linear(0);
    g_assert_false(run(r, XDB_READ, 1));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    rig_free(r);
}

/*
 * All 20 bits count: none of them is lost on the way, and the first substream
 * beyond ssidsize is not substream 0.
 */
static void test_wide(void)
{
    const unsigned last = (1 << 20) - 1;
    SSIDRig *r;
    uint64_t l1, l2;

    if (skipped()) {
        return;
    }
    r = rig_new("ssidsize=20");
    l1 = unit_alloc_aligned(&r->b->smmu->unit, 8 << 10);
    l2 = unit_alloc_aligned(&r->b->smmu->unit, 64 << 10);
    qtest_writeq(r->b->smmu->qts, l1, l2 | SMMU_L1CD_V);
    put_cd(r, 0, l2);
    l2 = unit_alloc_aligned(&r->b->smmu->unit, 64 << 10);
    qtest_writeq(r->b->smmu->qts, l1 + 8 * (last >> 10), l2 | SMMU_L1CD_V);
    put_cd(r, 1, l2 + 64 * (last & 0x3ff));
    rig_enable(r, l1 | SMMU_STE0_S1CDMAX(20) |
               SMMU_STE0_S1FMT(SMMU_S1FMT_64K_L2));
    reaches(r, 0, 0);
    reaches(r, last, 1);
    g_assert_false(run(r, XDB_READ, last >> 1));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    rig_free(r);

    r = rig_linear(1);
    g_assert_false(run(r, XDB_READ, 0x100));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    g_assert_false(run(r, XDB_MAP_FILL, 0x101));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    rig_free(r);
}

/* A unit without substreams terminates what comes with one. */
static void test_none(void)
{
    SSIDRig *r;

    if (skipped()) {
        return;
    }
    r = rig_new("");
    rig_enable(r, r->b->cd_gpa);
    g_assert_false(run(r, XDB_READ, 1));
    smmu_assert_event(r->b->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, BENCH_SID);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/smmu/ssid/separate", test_separate);
    qtest_add_func("/viommu/smmu/ssid/beyond", test_beyond);
    qtest_add_func("/viommu/smmu/ssid/wide", test_wide);
    qtest_add_func("/viommu/smmu/ssid/none", test_none);
    return g_test_run();
}
