/*
 * VT-d, scalable mode: each fault reason, reached by a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each case sets everything up, breaks one word of one table, and sees a read
 * and a write fail with the reason, with and without a PASID; with FPD set
 * in the entry nothing is recorded, where the specification has it so.
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm-bench.h"

typedef struct Case {
    const char *name;
    VTDSMType type;
    VTDSMWhere where;
    unsigned word;           /* 64 bits each */
    uint64_t clear, set;
    uint8_t reason;
    bool with_pasid;         /* only; else also without one */
    uint64_t iova;           /* 0: SMB_IOVA */
} Case;

typedef struct Setup {
    SMBench *b;
    VTDSMSpace space;
} Setup;

static void setup(Setup *s, VTDSMType type, uint32_t pasid)
{
    s->b = smb_new("");
    vtd_sm_space_init(s->b->vtd, &s->space, type, SMB_DID, pasid);
    if (type != VTD_SM_PASS_THROUGH) {
        vtd_sm_map(s->b->vtd, &s->space, SMB_IOVA, s->b->page, 1, VTD_PTE_RW);
    }
    vtd_sm_attach(s->b->vtd, SMB_SID, &s->space);
    smb_inv_all(s->b);
}

static void run(const Case *c, uint32_t pasid)
{
    uint64_t iova = c->iova ?: SMB_IOVA, gpa, was;
    Setup s;

    setup(&s, c->type, pasid);
    if (c->type != VTD_SM_PASS_THROUGH) {
        g_assert_true(smb_leads(s.b, pasid, SMB_IOVA, s.b->page));
    }
    gpa = vtd_sm_word(s.b->vtd, SMB_SID, &s.space, SMB_IOVA, c->where, c->word);
    was = qtest_readq(s.b->vtd->qts, gpa);
    smb_poke(s.b, gpa, (was & ~c->clear) | c->set);
    smb_faults(s.b, pasid, iova, c->reason);
    if (c->where == IN_CONTEXT || c->where == IN_DIRECTORY ||
        c->where == IN_ENTRY) {
        /* FPD is in word 0, and counts in an entry of whatever kind. */
        gpa -= 8 * c->word;
        if (c->reason != VTD_FR_S_DIR_ACCESS &&
            c->reason != VTD_FR_S_PASID_ACCESS) {
            smb_poke(s.b, gpa, qtest_readq(s.b->vtd->qts, gpa) | VTD_SM_FPD);
            smb_fails(s.b, pasid, iova);
        }
    }
    smb_free(s.b);
}

static void test_case(const void *opaque)
{
    const Case *c = opaque;

    if (!c->with_pasid) {
        run(c, SMB_NO_PASID);
    }
    run(c, SMB_PASID);
}

#define ADDR VTD_PTE_ADDR

static const Case cases[] = {
    { "root-p", VTD_SM_SECOND, IN_ROOT, 0, VTD_ROOT_P, 0, VTD_FR_S_ROOT_P },
    { "root-reserved", VTD_SM_SECOND, IN_ROOT, 0, 0, 1 << 4,
      VTD_FR_S_ROOT_RSVD },
    { "context-access", VTD_SM_SECOND, IN_ROOT, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_S_CTX_ACCESS },
    { "context-p", VTD_SM_SECOND, IN_CONTEXT, 0, VTD_CTX_P, 0, VTD_FR_S_CTX_P },
    { "context-reserved", VTD_SM_SECOND, IN_CONTEXT, 0, 0, 1 << 5,
      VTD_FR_S_CTX_RSVD },
    { "context-reserved-high", VTD_SM_SECOND, IN_CONTEXT, 1, 0, 1ULL << 21,
      VTD_FR_S_CTX_RSVD },
    { "context-reserved-upper", VTD_SM_SECOND, IN_CONTEXT, 3, 0, 1,
      VTD_FR_S_CTX_RSVD },
    { "context-paside", VTD_SM_SECOND, IN_CONTEXT, 0, VTD_SM_CTX_PASIDE, 0,
      VTD_FR_S_CTX_PASIDE, true },
    { "directory-access", VTD_SM_SECOND, IN_CONTEXT, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_S_DIR_ACCESS },
    { "directory-p", VTD_SM_SECOND, IN_DIRECTORY, 0, VTD_SM_P, 0,
      VTD_FR_S_DIR_P },
    { "directory-reserved", VTD_SM_SECOND, IN_DIRECTORY, 0, 0, 1 << 2,
      VTD_FR_S_DIR_RSVD },
    { "pasid-access", VTD_SM_SECOND, IN_DIRECTORY, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_S_PASID_ACCESS },
    { "pasid-p", VTD_SM_SECOND, IN_ENTRY, 0, VTD_SM_P, 0, VTD_FR_S_PASID_P },
    { "pasid-reserved", VTD_SM_SECOND, IN_ENTRY, 1, 0, 1 << 16,
      VTD_FR_S_PASID_RSVD },
    { "pasid-reserved-upper", VTD_SM_SECOND, IN_ENTRY, 7, 0, 1ULL << 63,
      VTD_FR_S_PASID_RSVD },
    { "pasid-pgtt", VTD_SM_SECOND, IN_ENTRY, 0, VTD_SM_PGTT(7), VTD_SM_PGTT(5),
      VTD_FR_S_PASID_INV },
    { "pasid-aw", VTD_SM_SECOND, IN_ENTRY, 0, VTD_SM_AW(4), VTD_SM_AW(2),
      VTD_FR_S_PASID_INV },
    { "pasid-fspm", VTD_SM_FIRST, IN_ENTRY, 2, 0, 1 << 2, VTD_FR_S_PASID_INV },
    { "first-access", VTD_SM_FIRST, IN_FIRST_TOP, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_FS_ACCESS },
    { "first-top", VTD_SM_FIRST, IN_ENTRY, 2, ADDR, SMB_BEYOND_RAM,
      VTD_FR_FS_TOP },
    { "first-p", VTD_SM_FIRST, IN_FIRST_LEAF, 0, VTD_FS_P, 0, VTD_FR_FS_P },
    { "first-reserved", VTD_SM_FIRST, IN_FIRST_TOP, 0, 0, VTD_PTE_PS,
      VTD_FR_FS_RSVD },
    { "first-supervisor", VTD_SM_FIRST, IN_FIRST_LEAF, 0, VTD_FS_US, 0,
      VTD_FR_FS_US },
    { "first-canonical", VTD_SM_FIRST, IN_ROOT, 0, 0, 0, VTD_FR_NON_CANONICAL,
      .iova = 1ULL << 50 },
    { "first-interrupt", VTD_SM_FIRST, IN_FIRST_LEAF, 0, ADDR, 0xfee00000,
      VTD_FR_S_INTERRUPT },
    { "second-access", VTD_SM_SECOND, IN_SECOND_TOP, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_SS_ACCESS },
    { "second-top", VTD_SM_SECOND, IN_ENTRY, 0, ADDR, SMB_BEYOND_RAM,
      VTD_FR_SS_TOP },
    { "second-p", VTD_SM_SECOND, IN_SECOND_LEAF, 0, VTD_PTE_RW, 0,
      VTD_FR_SS_P },
    { "second-reserved", VTD_SM_SECOND, IN_SECOND_TOP, 0, 0, VTD_PTE_PS,
      VTD_FR_SS_RSVD },
    { "second-beyond", VTD_SM_SECOND, IN_ROOT, 0, 0, 0, VTD_FR_S_BEYOND,
      .iova = 1ULL << 48 },
    { "second-interrupt", VTD_SM_SECOND, IN_SECOND_LEAF, 0, ADDR, 0xfee00000,
      VTD_FR_S_INTERRUPT },
    { "nested-first-p", VTD_SM_NESTED, IN_FIRST_LEAF, 0, VTD_FS_P, 0,
      VTD_FR_FS_P },
    { "nested-second-reserved", VTD_SM_NESTED, IN_SECOND_LEAF, 0, 0, 1 << 12,
      VTD_FR_SS_RSVD },
};

/* Rights for one direction only */
static void test_permissions(void)
{
    static const struct {
        VTDSMType type;
        uint64_t perms;
    } way[] = {
        { VTD_SM_SECOND, VTD_PTE_R }, { VTD_SM_SECOND, VTD_PTE_W },
        { VTD_SM_FIRST, VTD_PTE_R }, { VTD_SM_NESTED, VTD_PTE_R },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        bool reads = way[i].perms & VTD_PTE_R;
        VTDFault fault;
        Setup s;

        setup(&s, way[i].type, SMB_PASID);
        vtd_sm_map(s.b->vtd, &s.space, SMB_IOVA, s.b->page, 1, way[i].perms);
        smb_inv_all(s.b);
        g_assert_cmpint(smb_read(s.b, SMB_PASID, SMB_IOVA), ==, reads);
        g_assert_cmpint(smb_write(s.b, SMB_PASID, SMB_IOVA), ==, !reads);
        g_assert_true(vtd_fault_take(s.b->vtd, 0, &fault));
        g_assert_cmphex(fault.reason, ==, reads ? VTD_FR_S_WRITE
                                                : VTD_FR_S_READ);
        smb_free(s.b);
    }
}

/* A PASID that the directory has no room for; RID_PASID likewise */
static void test_beyond_directory(void)
{
    Setup s;
    uint64_t context;

    setup(&s, VTD_SM_FIRST, SMB_NO_PASID);
    context = vtd_sm_context(s.b->vtd, SMB_SID);
    smb_faults(s.b, 1 << 13, SMB_IOVA, VTD_FR_S_CTX_PASID);
    smb_poke(s.b, context + 8, 1 << 13);
    smb_faults(s.b, SMB_NO_PASID, SMB_IOVA, VTD_FR_S_CTX_INV);
    smb_free(s.b);
}

/* The root table itself; legacy mode knows no PASIDs; RTADDR.TTM of no mode */
static void test_root_table(void)
{
    Setup s;

    setup(&s, VTD_SM_SECOND, SMB_NO_PASID);
    vtd_set_root(s.b->vtd, SMB_BEYOND_RAM);
    smb_faults(s.b, SMB_NO_PASID, SMB_IOVA, VTD_FR_S_ROOT_ACCESS);
    vtd_set_root(s.b->vtd, s.b->vtd->root | 2 << 10);
    smb_faults(s.b, SMB_PASID, SMB_IOVA, VTD_FR_TTM);
    s.b->vtd->scalable = false;
    vtd_write64(s.b->vtd, VTD_RTADDR, s.b->vtd->root);
    vtd_gcmd(s.b->vtd, VTD_G_SRTP, 0);
    smb_faults(s.b, SMB_PASID, SMB_IOVA, VTD_FR_TTM_PASID);
    smb_free(s.b);
}

/* Tables that lead to themselves are an ordinary way of being wrong. */
static void test_hostile(void)
{
    Setup s;
    VTD *vtd;
    uint64_t context, directory;

    setup(&s, VTD_SM_NESTED, SMB_PASID);
    vtd = s.b->vtd;
    context = vtd_sm_context(vtd, SMB_SID);
    directory = vtd_sm_directory(vtd, SMB_SID, SMB_PASID);

    /* A directory that is its own table: an entry of reserved bits */
    qtest_writeq(vtd->qts, directory, (directory & ADDR) | VTD_SM_P);
    smb_inv_all(s.b);
    g_assert_false(smb_read(s.b, SMB_PASID, SMB_IOVA));
    g_assert_true(vtd_unit_drop_faults(&vtd->unit, SMB_SID));
    /* A PASID directory that is the context table */
    qtest_writeq(vtd->qts, context,
                 (context & ADDR) | VTD_SM_CTX_PASIDE | VTD_CTX_P);
    smb_inv_all(s.b);
    g_assert_false(smb_read(s.b, SMB_PASID, SMB_IOVA));
    g_assert_false(smb_read(s.b, SMB_NO_PASID, SMB_IOVA));
    g_assert_true(vtd_unit_drop_faults(&vtd->unit, SMB_SID));
    /* All ones, but for FPD */
    for (unsigned at = 0; at < 32; at += 8) {
        qtest_writeq(vtd->qts, context + at,
                     at ? UINT64_MAX : UINT64_MAX & ~VTD_SM_FPD);
    }
    smb_inv_all(s.b);
    g_assert_false(smb_write(s.b, SMB_PASID, SMB_IOVA));
    g_assert_true(vtd_unit_drop_faults(&vtd->unit, SMB_SID));
    smb_free(s.b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/fault/%s",
                                                cases[i].name);

        qtest_add_data_func(path, &cases[i], test_case);
    }
    qtest_add_func("/viommu/vtd-sm/fault/permissions", test_permissions);
    qtest_add_func("/viommu/vtd-sm/fault/beyond-directory",
                   test_beyond_directory);
    qtest_add_func("/viommu/vtd-sm/fault/root-table", test_root_table);
    qtest_add_func("/viommu/vtd-sm/fault/hostile", test_hostile);
    return g_test_run();
}
