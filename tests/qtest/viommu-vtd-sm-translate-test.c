/*
 * VT-d, scalable mode: which translation applies to whom, and until when
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm-bench.h"

#define OTHER_PASID     (SMB_PASID + 64)     /* shares what 6 bits choose */
#define OTHER_DID       (SMB_DID + 1)
/* An address of the second stage that is not that of the memory */
#define ALIAS           0x80000000ULL

typedef struct Type {
    const char *name;
    VTDSMType type;
} Type;

static const Type types[] = {
    { "first", VTD_SM_FIRST },
    { "second", VTD_SM_SECOND },
    { "nested", VTD_SM_NESTED },
};

static void attach(SMBench *b, VTDSMSpace *space, VTDSMType type, uint16_t did,
                   uint32_t pasid, uint64_t gpa)
{
    vtd_sm_space_init(b->vtd, space, type, did, pasid);
    vtd_sm_map(b->vtd, space, SMB_IOVA, gpa, 1, VTD_PTE_RW);
    vtd_sm_attach(b->vtd, SMB_SID, space);
}

/* Two PASIDs and none: each its own pages; a large one, too */
static void test_pasids(const void *opaque)
{
    const Type *t = opaque;
    SMBench *b = smb_new("");
    VTDSMSpace none, one, other;
    uint64_t page[2] = { vtd_alloc(b->vtd, 1), vtd_alloc(b->vtd, 1) };

    attach(b, &none, t->type, SMB_DID, SMB_NO_PASID, b->page);
    attach(b, &one, t->type, OTHER_DID, SMB_PASID, page[0]);
    attach(b, &other, t->type, OTHER_DID + 1, OTHER_PASID, page[1]);
    vtd_sm_map(b->vtd, &one, 0, 0, 2, VTD_PTE_RW);
    smb_inv_all(b);
    for (unsigned round = 0; round < 2; round++) {
        g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, b->page));
        g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[0]));
        g_assert_true(smb_leads(b, OTHER_PASID, SMB_IOVA, page[1]));
        g_assert_true(smb_leads(b, SMB_PASID, b->page, b->page));
    }
    smb_free(b);
}

/* Pass-through, and back to a translated one */
static void test_pass_through(void)
{
    SMBench *b = smb_new("");
    VTDSMSpace pass, first;

    vtd_sm_space_init(b->vtd, &pass, VTD_SM_PASS_THROUGH, SMB_DID,
                      SMB_NO_PASID);
    vtd_sm_attach(b->vtd, SMB_SID, &pass);
    smb_inv_all(b);
    g_assert_true(smb_leads(b, SMB_NO_PASID, b->page, b->page));
    attach(b, &first, VTD_SM_FIRST, OTHER_DID, SMB_NO_PASID, b->page);
    vtd_sm_forget(b->vtd, &pass);
    g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, b->page));
    g_assert_false(smb_leads(b, SMB_NO_PASID, b->page, b->page));
    g_assert_true(vtd_unit_drop_faults(&b->vtd->unit, SMB_SID));
    smb_free(b);
}

/* Software chooses which PASID requests without one have. */
static void test_rid_pasid(void)
{
    SMBench *b = smb_new("");
    VTDSMSpace first;
    uint64_t context = vtd_sm_context(b->vtd, SMB_SID);

    attach(b, &first, VTD_SM_FIRST, SMB_DID, SMB_PASID, b->page);
    smb_inv_all(b);
    smb_faults(b, SMB_NO_PASID, SMB_IOVA, VTD_FR_S_DIR_P);
    /* RID_PASID, then RID_PRIV: SRE is clear */
    smb_poke(b, context + 8, SMB_PASID);
    g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, b->page));
    smb_poke(b, context + 8, 1 << 20 | SMB_PASID);
    smb_faults(b, SMB_NO_PASID, SMB_IOVA, VTD_FR_S_SRE);
    smb_free(b);
}

/* 57 bits in both stages */
static void test_57_bits(void)
{
    SMBench *b = smb_new("aw-bits=57");
    const uint64_t high = 1ULL << 55 | SMB_IOVA;
    uint64_t cap = vtd_read64(b->vtd, VTD_CAP), top = vtd_alloc(b->vtd, 1);
    VTDSMSpace first, second;

    g_assert_cmphex(cap >> 60 & 1, ==, 1);
    g_assert_cmphex(cap >> 8 & 0x1f, ==, 0xe);
    g_assert_cmphex(cap >> 16 & 0x3f, ==, 56);

    vtd_sm_space_init(b->vtd, &first, VTD_SM_FIRST, SMB_DID, SMB_NO_PASID);
    vtd_sm_map(b->vtd, &first, SMB_IOVA, b->page, 1, VTD_PTE_RW);
    qtest_writeq(b->vtd->qts, top + 8 * (high >> 48 & 511),
                 first.first | VTD_FS_A | VTD_FS_US | VTD_FS_W | VTD_FS_P);
    first.first = top | 1 << 2;      /* FSPM: 5 levels */
    vtd_sm_attach(b->vtd, SMB_SID, &first);

    vtd_sm_space_init(b->vtd, &second, VTD_SM_SECOND, OTHER_DID, SMB_PASID);
    second.second.levels = 5;
    vtd_sm_map(b->vtd, &second, high, b->page, 1, VTD_PTE_RW);
    vtd_sm_attach(b->vtd, SMB_SID, &second);
    smb_inv_all(b);
    g_assert_true(smb_leads(b, SMB_NO_PASID, high, b->page));
    g_assert_true(smb_leads(b, SMB_PASID, high, b->page));
    smb_faults(b, SMB_PASID, SMB_IOVA, VTD_FR_SS_P);
    smb_free(b);
}

/*
 * What invalidations reach: a page leads elsewhere when the one of its type and
 * scope is complete, whatever the caches had.
 */
static void test_invalidation(const void *opaque)
{
    static const VTDScope scopes[] = { VTD_PAGE, VTD_DOMAIN, VTD_GLOBAL };
    const Type *t = opaque;
    SMBench *b = smb_new("");
    uint64_t page[2] = { b->page, vtd_alloc(b->vtd, 1) };
    VTDSMSpace space;

    attach(b, &space, t->type, SMB_DID, SMB_PASID, page[0]);
    smb_inv_all(b);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(scopes); i++) {
        g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[i & 1]));
        vtd_sm_map(b->vtd, &space, SMB_IOVA, page[~i & 1], 1, VTD_PTE_RW);
        /* A range that is much larger costs nothing, nor does it miss it. */
        vtd_sm_inv_start(b->vtd, scopes[i / 2], &space,
                         i & 1 ? SMB_IOVA & ~0x3fffffffULL : SMB_IOVA,
                         i & 1 ? 18 : 0);
        vtd_inv_wait(b->vtd, VTD_QUEUED);
    }
    g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[0]));
    smb_free(b);
}

/* By domain, without a PASID: all stages' translations go (6.5.2.3). */
static void test_domain(const void *opaque)
{
    static const VTDScope scopes[] = { VTD_DOMAIN, VTD_PAGE };
    const Type *t = opaque;
    SMBench *b = smb_new("");
    uint64_t page[2] = { b->page, vtd_alloc(b->vtd, 1) };
    VTDSMSpace space;

    attach(b, &space, t->type, SMB_DID, SMB_PASID, page[0]);
    smb_inv_all(b);
    for (unsigned i = 0; i < ARRAY_SIZE(scopes); i++) {
        g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[i & 1]));
        vtd_sm_map(b->vtd, &space, SMB_IOVA, page[~i & 1], 1, VTD_PTE_RW);
        vtd_inv_iotlb(b->vtd, VTD_QUEUED, scopes[i], SMB_DID, SMB_IOVA, 0);
    }
    g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[0]));
    smb_free(b);
}

/* What a table's successor is told by */
static void invalidate(SMBench *b, VTDSMSpace *space, unsigned way)
{
    switch (way) {
    case 0:
    case 1:
        vtd_sm_inv_start(b->vtd, way ? VTD_DOMAIN : VTD_PAGE, space, SMB_IOVA,
                         0);
        vtd_inv_wait(b->vtd, VTD_QUEUED);
        break;
    case 2:
    case 3:
        vtd_inv_iotlb(b->vtd, VTD_QUEUED, way == 2 ? VTD_DOMAIN : VTD_GLOBAL,
                      SMB_DID, 0, 0);
        break;
    default:
        vtd_sm_forget(b->vtd, space);
        break;
    }
}

/*
 * Another table in the place of the one that the last walk came by: put there
 * by the first stage's entry, or by the second stage, where the first finds it.
 */
static void test_tables(void)
{
    SMBench *b = smb_new("");
    QTestState *qts = b->vtd->qts;
    uint64_t page[2] = { b->page, vtd_alloc(b->vtd, 1) }, table[2];
    uint64_t entry, flags, leaf = (SMB_IOVA >> 12 & 511) * 8;
    VTDSMSpace space;
    unsigned i;

    attach(b, &space, VTD_SM_NESTED, SMB_DID, SMB_PASID, page[0]);
    entry = vtd_sm_pte(b->vtd, &space, SMB_IOVA, 2);
    flags = qtest_readq(qts, entry) & ~VTD_PTE_ADDR;
    table[0] = qtest_readq(qts, entry) & VTD_PTE_ADDR;
    table[1] = vtd_alloc(b->vtd, 1);
    qtest_writeq(qts, table[1] + leaf, page[1] |
                 (qtest_readq(qts, table[0] + leaf) & ~VTD_PTE_ADDR));
    smb_inv_all(b);
    for (i = 0; i < 10; i++) {
        g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[i & 1]));
        qtest_writeq(qts, entry, table[~i & 1] | flags);
        invalidate(b, &space, i / 2);
    }
    vtd_map(b->vtd, &space.second, ALIAS, table[0], 1, VTD_PTE_RW);
    qtest_writeq(qts, entry, ALIAS | flags);
    smb_inv_all(b);
    for (i = 0; i < 4; i++) {
        g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[i & 1]));
        vtd_map(b->vtd, &space.second, ALIAS, table[~i & 1], 1, VTD_PTE_RW);
        invalidate(b, &space, 2 + i / 2);
    }
    g_assert_true(smb_leads(b, SMB_PASID, SMB_IOVA, page[0]));
    vtd_assert_no_fault(b->vtd);
    smb_free(b);
}

/* The PASID cache: a new entry counts once it is invalidated, by PASID. */
static void test_pasid_cache(void)
{
    SMBench *b = smb_new("");
    uint64_t page[2] = { b->page, vtd_alloc(b->vtd, 1) };
    VTDSMSpace old, new;

    attach(b, &old, VTD_SM_FIRST, SMB_DID, SMB_NO_PASID, page[0]);
    smb_inv_all(b);
    g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, page[0]));
    attach(b, &new, VTD_SM_SECOND, OTHER_DID, SMB_NO_PASID, page[1]);
    vtd_sm_forget(b->vtd, &old);
    g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, page[1]));
    /* By domain and globally likewise */
    vtd_sm_attach(b->vtd, SMB_SID, &old);
    vtd_queue_put(b->vtd, VTD_D_PC | VTD_D_G(0) | VTD_D_DID(OTHER_DID), 0);
    vtd_inv_iotlb(b->vtd, VTD_QUEUED, VTD_DOMAIN, OTHER_DID, 0, 0);
    g_assert_true(smb_leads(b, SMB_NO_PASID, SMB_IOVA, page[0]));
    smb_free(b);
}

/* Accessed and dirty, in both stages */
static void test_accessed_dirty(void)
{
    SMBench *b = smb_new("");
    QTestState *qts = b->vtd->qts;
    VTDSMSpace space;
    uint64_t entry, leaf;

    attach(b, &space, VTD_SM_NESTED, SMB_DID, SMB_PASID, b->page);
    entry = vtd_sm_entry(b->vtd, SMB_SID, SMB_PASID);
    qtest_writeq(qts, entry, qtest_readq(qts, entry) | 1 << 9);   /* SSADE */
    smb_inv_all(b);
    leaf = vtd_sm_pte(b->vtd, &space, SMB_IOVA, 1);
    smb_poke(b, leaf, qtest_readq(qts, leaf) & ~(VTD_FS_A | VTD_FS_D));
    g_assert_true(smb_read(b, SMB_PASID, SMB_IOVA));
    g_assert_cmphex(qtest_readq(qts, leaf) & (VTD_FS_A | VTD_FS_D), ==,
                    VTD_FS_A);
    g_assert_true(smb_write(b, SMB_PASID, SMB_IOVA));
    g_assert_cmphex(qtest_readq(qts, leaf) & (VTD_FS_A | VTD_FS_D), ==,
                    VTD_FS_A | VTD_FS_D);
    leaf = vtd_pte(b->vtd, &space.second, b->page, 3);
    g_assert_cmphex(qtest_readq(qts, leaf) >> 8 & 3, ==, 3);
    vtd_assert_no_fault(b->vtd);
    smb_free(b);
}

static void add(const char *name, void (*fn)(const void *opaque))
{
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/%s/%s", name,
                                                types[i].name);

        qtest_add_data_func(path, &types[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("pasids", test_pasids);
    add("invalidation", test_invalidation);
    add("domain", test_domain);
    qtest_add_func("/viommu/vtd-sm/pass-through", test_pass_through);
    qtest_add_func("/viommu/vtd-sm/rid-pasid", test_rid_pasid);
    qtest_add_func("/viommu/vtd-sm/57-bits", test_57_bits);
    qtest_add_func("/viommu/vtd-sm/tables", test_tables);
    qtest_add_func("/viommu/vtd-sm/pasid-cache", test_pasid_cache);
    qtest_add_func("/viommu/vtd-sm/accessed-dirty", test_accessed_dirty);
    return g_test_run();
}
