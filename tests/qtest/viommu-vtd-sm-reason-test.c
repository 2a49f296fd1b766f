/*
 * VT-d, scalable mode: each fault reason, for every kind of request
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Table 30 of section 7.1.3, through an endpoint that sends untranslated
 * requests, translation requests and page requests with a PASID.  Each case
 * breaks one thing, and says what a translation request is answered.  Page
 * requests meet what is wrong down to the PASID table's entry, and nothing
 * below.  The whole record is looked at.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-vtd-sm-sva.h"

#define BEYOND_RAM  0x7000000000ULL
/* Addresses of the second stage that are not those of the memory */
#define ALIAS       0x80000000ULL
#define MARK        0x5a
#define QUEUE_DESC  32           /* bytes */
#define ADDR        VTD_PTE_ADDR
/*
 * Tables that can be read only: the firmware is nothing but them.  The first
 * entry of each is a page's, writable, neither accessed nor dirty.
 */
#define ROM_SIZE    0x10000
#define ROM_FIRST   0xffff0000ULL
#define ROM_SECOND  0xffff1000ULL

static char *rom_file;

/* What a translation request gets: a status of the endpoint */
#define NO_RIGHTS   SVT_S_FAULT
#define UR          SVT_S_DENIED
#define CA          SVT_S_ERROR

typedef struct Case {
    const char *name;
    VTDSMType type;
    VTDSMWhere where;
    unsigned word;           /* 64 bits each */
    uint64_t clear, set;
    uint8_t reason;
    uint32_t answer;         /* to a translation request */
    uint64_t iova;           /* 0: SMS_IOVA */
    uint32_t flags;          /* SVT_F_EXEC, SVT_F_PRIV */
    uint32_t pasid;          /* 0: SMS_PASID, which the tables are made for */
    const char *unit;        /* more properties */
    void (*prepare)(SMSva *r); /* what one word is not enough for */
    bool page_passes;        /* page requests do not meet it */
    bool page_only;          /* nothing else does */
    bool faults_ats;         /* NO_RIGHTS, but recorded, too */
} Case;

static uint64_t word(SMSva *r, VTDSMWhere where, unsigned n)
{
    return vtd_sm_word(r->vtd, SVA_SID, &r->space, SMS_IOVA, where, n);
}

/* With a page at SMS_IOVA */
static SMSva *rig_new(VTDSMType type, const char *props)
{
    g_autofree char *unit = g_strdup_printf("%s%s%s", SMS_UNIT,
                                            props ? "," : "", props ?: "");
    g_autofree char *rom = g_strdup_printf(" -bios %s", rom_file);
    SMSva *r = sms_new(type, unit, rom);

    sms_map(r, SMS_IOVA);
    return r;
}

/* The record, all of it; @type: T1 and T2 */
static void assert_record(SMSva *r, const Case *c, uint64_t type, unsigned at,
                          uint64_t iova)
{
    uint32_t pasid = c->pasid ?: SMS_PASID;
    VTDFault fault;

    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, c->reason);
    g_assert_cmphex(fault.info, ==, iova);
    g_assert_cmphex(fault.hi & ~VTD_FRCD_F, ==, type | (uint64_t)at << 60 |
                    (uint64_t)pasid << 40 | (uint64_t)c->reason << 32 |
                    VTD_FRCD_PP |
                    (c->flags & SVT_F_EXEC ? VTD_FRCD_EXE : 0) |
                    (c->flags & SVT_F_PRIV ? VTD_FRCD_PRIV : 0) | SVA_SID);
    vtd_assert_no_fault(r->vtd);
}

static uint32_t reach(SMSva *r, const Case *c, bool is_write, uint32_t flags)
{
    uint64_t iova = c->iova ?: SMS_IOVA;

    flags |= SVT_F_PASID | c->flags;
    sva_set(r->sva, 0, SVT_ARG, MARK);
    return sva_run(r->sva, is_write ? SVT_C_FILL : SVT_C_COMPARE, flags,
                   c->pasid ?: SMS_PASID, iova, iova, 8);
}

static void untranslated(SMSva *r, const Case *c, bool recorded)
{
    /* Nothing is executed by a write. */
    for (int is_write = 0; is_write <= !(c->flags & SVT_F_EXEC); is_write++) {
        g_assert_cmpint(reach(r, c, is_write, 0), ==, SVT_S_ERROR);
        if (recorded) {
            assert_record(r, c, is_write ? 0 : VTD_FRCD_T, 0,
                          (c->iova ?: SMS_IOVA) & ~(VTD_PAGE_SIZE - 1));
        }
        vtd_assert_no_fault(r->vtd);
    }
}

/* A translation request is a read, whatever it is for. */
static void translation(SMSva *r, const Case *c, bool recorded)
{
    for (int is_write = 0; is_write <= !(c->flags & SVT_F_EXEC); is_write++) {
        g_assert_cmpint(reach(r, c, is_write, SVT_F_ATC), ==, c->answer);
        if (recorded && (c->answer != NO_RIGHTS || c->faults_ats)) {
            Case ats = *c;

            ats.flags &= ~SVT_F_EXEC;
            assert_record(r, &ats, VTD_FRCD_T, 1,
                          (c->iova ?: SMS_IOVA) & ~(VTD_PAGE_SIZE - 1));
        }
        vtd_assert_no_fault(r->vtd);
    }
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
}

/* A stop marker is one that wants no response: it is dropped, or queued. */
static void page(SMSva *r, const Case *c, bool recorded)
{
    bool meets = c->where <= IN_ENTRY && !c->page_passes;
    uint64_t tail = vtd_read64(r->vtd, VTD_PQT);
    Case plain = *c;

    plain.flags = 0;
    g_assert_cmpint(sva_run(r->sva, SVT_C_MARKER, SVT_F_PASID,
                            c->pasid ?: SMS_PASID, 0, 0, 0), ==, SVT_S_OK);
    g_assert_cmphex(vtd_read64(r->vtd, VTD_PQT), ==,
                    meets ? tail : tail + QUEUE_DESC);
    if (meets && recorded) {
        assert_record(r, &plain, VTD_FRCD_T2, 0, 0);
    }
    vtd_assert_no_fault(r->vtd);
}

static void requests(SMSva *r, const Case *c, bool recorded)
{
    if (!c->page_only) {
        untranslated(r, c, recorded);
        translation(r, c, recorded);
    }
    page(r, c, recorded);
}

static void test_case(const void *opaque)
{
    const Case *c = opaque;
    SMSva *r = rig_new(c->type, c->unit);

    if (c->prepare) {
        c->prepare(r);
    }
    sms_poke(r, word(r, c->where, c->word), c->clear, c->set);
    sms_forget(r);
    requests(r, c, true);
    /* FPD of the context entry, if that was read, counts for all of them. */
    if (c->reason > VTD_FR_S_CTX_ACCESS && c->reason != VTD_FR_S_DIR_ACCESS &&
        c->reason != VTD_FR_S_PASID_ACCESS) {
        sms_poke(r, r->context, 0, VTD_SM_FPD);
        sms_forget(r);
        requests(r, c, false);
    }
    sms_free(r);
}

/* What one word is not enough for */

static void no_snoop(SMSva *r)
{
    sms_poke(r, word(r, IN_ENTRY, 1), VTD_SM_PWSNP, 0);
}

static void second_dirty_unsnooped(SMSva *r)
{
    no_snoop(r);
    sms_poke(r, word(r, IN_ENTRY, 0), 0, VTD_SM_SSADE);
}

static void first_read_only(SMSva *r)
{
    sms_poke(r, vtd_sm_pte(r->vtd, &r->space, SMS_IOVA, 2), ADDR, ROM_FIRST);
}

static void second_read_only(SMSva *r)
{
    sms_poke(r, word(r, IN_ENTRY, 0), 0, VTD_SM_SSADE);
    sms_poke(r, vtd_pte(r->vtd, &r->space.second, SMS_IOVA, 2), ADDR,
             ROM_SECOND);
}

/* The first stage's second table is at ALIAS, where the second has @perms. */
static void alias(SMSva *r, uint64_t perms)
{
    uint64_t top = word(r, IN_FIRST_TOP, 0);
    uint64_t table = qtest_readq(r->vtd->qts, top) & VTD_PTE_ADDR;
    uint64_t entry = vtd_sm_pte(r->vtd, &r->space, SMS_IOVA, 3);

    sms_poke(r, entry, VTD_FS_A, 0);
    vtd_map(r->vtd, &r->space.second, ALIAS, table, 1, perms);
    sms_poke(r, top, VTD_PTE_ADDR, ALIAS);
}

static void alias_write_only(SMSva *r)
{
    alias(r, VTD_PTE_W);
}

static void alias_read_only(SMSva *r)
{
    alias(r, VTD_PTE_R);
}

/* The first stage's top table is where the second lets nobody read. */
static void top_write_only(SMSva *r)
{
    vtd_map(r->vtd, &r->space.second, ALIAS, r->space.first, 1, VTD_PTE_W);
    sms_poke(r, word(r, IN_ENTRY, 2), VTD_PTE_ADDR, ALIAS);
}

/* A second stage of three levels */
static void second_of_39(SMSva *r)
{
    uint64_t entry = word(r, IN_ENTRY, 0);
    uint64_t top = qtest_readq(r->vtd->qts, r->space.second.table);

    sms_poke(r, entry, VTD_PTE_ADDR | VTD_SM_AW(4) | VTD_SM_AW(3),
         VTD_SM_AW(3) | (top & VTD_PTE_ADDR));
}

static const Case cases[] = {
    { "srt.2", VTD_SM_FIRST, IN_ROOT, 0, VTD_ROOT_P, 0, VTD_FR_S_ROOT_P, UR },
    { "srt.3", VTD_SM_FIRST, IN_ROOT, 0, 0, 1 << 4, VTD_FR_S_ROOT_RSVD, CA },
    { "sct.1", VTD_SM_FIRST, IN_ROOT, 0, ADDR, BEYOND_RAM, VTD_FR_S_CTX_ACCESS,
      CA },
    { "sct.2", VTD_SM_FIRST, IN_CONTEXT, 0, VTD_CTX_P, 0, VTD_FR_S_CTX_P, UR },
    { "sct.3", VTD_SM_FIRST, IN_CONTEXT, 0, 0, 1 << 5, VTD_FR_S_CTX_RSVD, CA },
    { "sct.4.1", VTD_SM_FIRST, IN_CONTEXT, 0, VTD_SM_CTX_DTE, 0,
      VTD_FR_S_CTX_INV, CA },
    { "sct.4.2", VTD_SM_FIRST, IN_CONTEXT, 1, 0, 1 << 13, VTD_FR_S_CTX_INV,
      CA },
    { "sct.6", VTD_SM_FIRST, IN_CONTEXT, 0, VTD_SM_CTX_PASIDE, 0,
      VTD_FR_S_CTX_PASIDE, UR },
    { "sct.7", VTD_SM_FIRST, IN_CONTEXT, 0, 0, 0, VTD_FR_S_CTX_PASID, UR,
      .pasid = 1 << 13 },
    { "sct.8", VTD_SM_FIRST, IN_CONTEXT, 0, VTD_SM_CTX_PRE, 0,
      VTD_FR_S_CTX_PRE, .page_only = true },
    { "sct.9", VTD_SM_FIRST, IN_CONTEXT, 1, 0, SMS_PASID, VTD_FR_S_CTX_RID,
      UR },
    { "spd.1", VTD_SM_FIRST, IN_CONTEXT, 0, ADDR, BEYOND_RAM,
      VTD_FR_S_DIR_ACCESS, CA },
    { "spd.2", VTD_SM_FIRST, IN_DIRECTORY, 0, VTD_SM_P, 0, VTD_FR_S_DIR_P,
      NO_RIGHTS },
    { "spd.3", VTD_SM_FIRST, IN_DIRECTORY, 0, 0, 1 << 2, VTD_FR_S_DIR_RSVD,
      CA },
    { "spt.1", VTD_SM_FIRST, IN_DIRECTORY, 0, ADDR, BEYOND_RAM,
      VTD_FR_S_PASID_ACCESS, CA },
    { "spt.2", VTD_SM_FIRST, IN_ENTRY, 0, VTD_SM_P, 0, VTD_FR_S_PASID_P,
      NO_RIGHTS },
    { "spt.3", VTD_SM_FIRST, IN_ENTRY, 3, 0, 1, VTD_FR_S_PASID_RSVD, CA },
    { "spt.4.1", VTD_SM_SECOND, IN_ENTRY, 0, VTD_SM_AW(4), 0,
      VTD_FR_S_PASID_INV, CA },
    { "spt.4.2", VTD_SM_FIRST, IN_ENTRY, 0, VTD_SM_PGTT(7), 0,
      VTD_FR_S_PASID_INV, CA },
    { "spt.4.3", VTD_SM_FIRST, IN_ENTRY, 2, 0, 1 << 2, VTD_FR_S_PASID_INV,
      CA },
    { "spt.4.4", VTD_SM_NESTED, IN_ENTRY, 2, 0, 1ULL << 39,
      VTD_FR_S_PASID_INV, CA, .prepare = second_of_39 },
    { "spt.5/first", VTD_SM_FIRST, IN_ENTRY, 0, 0, 0, VTD_FR_S_ERE, NO_RIGHTS,
      .flags = SVT_F_EXEC, .page_passes = true },
    { "spt.5/second", VTD_SM_SECOND, IN_ENTRY, 0, 0, 0, VTD_FR_S_ERE,
      NO_RIGHTS, .flags = SVT_F_EXEC, .page_passes = true },
    { "spt.6/first", VTD_SM_FIRST, IN_ENTRY, 0, 0, 0, VTD_FR_S_SRE, NO_RIGHTS,
      .flags = SVT_F_PRIV, .page_passes = true },
    { "spt.6/pass-through", VTD_SM_PASS_THROUGH, IN_ENTRY, 0, 0, 0,
      VTD_FR_S_SRE, NO_RIGHTS, .flags = SVT_F_PRIV, .page_passes = true },
    { "sfs.1", VTD_SM_FIRST, IN_FIRST_TOP, 0, ADDR, BEYOND_RAM,
      VTD_FR_FS_ACCESS, NO_RIGHTS },
    { "sfs.2", VTD_SM_FIRST, IN_FIRST_LEAF, 0, VTD_FS_P, 0, VTD_FR_FS_P,
      NO_RIGHTS },
    { "sfs.3", VTD_SM_FIRST, IN_FIRST_TOP, 0, 0, VTD_PTE_PS, VTD_FR_FS_RSVD,
      NO_RIGHTS },
    { "sfs.4", VTD_SM_FIRST, IN_ENTRY, 2, ADDR, BEYOND_RAM, VTD_FR_FS_TOP,
      NO_RIGHTS, .page_passes = true },
    { "sfs.5", VTD_SM_NESTED, IN_FIRST_TOP, 0, 0, 1ULL << 39, VTD_FR_FS_BEYOND,
      NO_RIGHTS, .prepare = second_of_39 },
    { "sfs.6", VTD_SM_NESTED, IN_FIRST_LEAF, 0, 0, 0, VTD_FR_FS_TOP_READ,
      NO_RIGHTS, .prepare = top_write_only },
    { "sfs.7", VTD_SM_NESTED, IN_FIRST_LEAF, 0, 0, 0, VTD_FR_FS_READ,
      NO_RIGHTS, .prepare = alias_write_only },
    { "sfs.8", VTD_SM_NESTED, IN_FIRST_LEAF, 0, 0, 0, VTD_FR_FS_WRITE,
      NO_RIGHTS, .prepare = alias_read_only },
    { "sfs.9", VTD_SM_FIRST, IN_FIRST_LEAF, 0, VTD_FS_A, 0, VTD_FR_FS_SNOOP,
      NO_RIGHTS, .prepare = no_snoop },
    { "sfs.10", VTD_SM_FIRST, IN_ROOT, 0, 0, 0, VTD_FR_FS_UPDATE, NO_RIGHTS,
      .prepare = first_read_only, .page_passes = true, .faults_ats = true },
    { "sss.1", VTD_SM_SECOND, IN_SECOND_TOP, 0, ADDR, BEYOND_RAM,
      VTD_FR_SS_ACCESS, CA },
    { "sss.2", VTD_SM_SECOND, IN_SECOND_LEAF, 0, VTD_PTE_RW, 0, VTD_FR_SS_P,
      NO_RIGHTS },
    { "sss.3", VTD_SM_SECOND, IN_SECOND_TOP, 0, 0, VTD_PTE_PS, VTD_FR_SS_RSVD,
      CA },
    { "sss.4", VTD_SM_SECOND, IN_ENTRY, 0, ADDR, BEYOND_RAM, VTD_FR_SS_TOP, CA,
      .page_passes = true },
    { "sss.5", VTD_SM_SECOND, IN_SECOND_LEAF, 0, 0, 0, VTD_FR_SS_SNOOP, CA,
      .prepare = second_dirty_unsnooped },
    { "sss.6", VTD_SM_SECOND, IN_ROOT, 0, 0, 0, VTD_FR_SS_UPDATE, CA,
      .prepare = second_read_only, .page_passes = true },
    { "sgn.1", VTD_SM_FIRST, IN_FIRST_LEAF, 0, 0, 0, VTD_FR_NON_CANONICAL,
      NO_RIGHTS, .iova = 1ULL << 50 },
    { "sgn.2", VTD_SM_FIRST, IN_FIRST_LEAF, 0, VTD_FS_US, 0, VTD_FR_FS_US,
      NO_RIGHTS },
    { "sgn.4.2", VTD_SM_PASS_THROUGH, IN_ENTRY, 0, 0, 0, VTD_FR_S_HAW,
      NO_RIGHTS, .iova = 1ULL << 48, .page_passes = true },
    { "sgn.5", VTD_SM_SECOND, IN_SECOND_LEAF, 0, 0, 0, VTD_FR_S_BEYOND,
      NO_RIGHTS, .iova = 1ULL << 48 },
    { "sgn.8/first", VTD_SM_FIRST, IN_FIRST_LEAF, 0, ADDR, 0xfee00000,
      VTD_FR_S_INTERRUPT, CA },
    { "sgn.8/pass-through", VTD_SM_PASS_THROUGH, IN_ENTRY, 0, 0, 0,
      VTD_FR_S_INTERRUPT, CA, .iova = 0xfee00000, .page_passes = true },
    { "sgn.10", VTD_SM_FIRST, IN_FIRST_LEAF, 0, 0, 0, VTD_FR_S_PASID_SIZE, UR,
      .unit = "pasid-bits=6" },
};

/* One right only: an access of the other kind, and the effective ones by ATS */
static void test_rights(void)
{
    static const struct {
        VTDSMType type;
        uint64_t perms;
    } way[] = {
        { VTD_SM_FIRST, VTD_PTE_R }, { VTD_SM_SECOND, VTD_PTE_R },
        { VTD_SM_SECOND, VTD_PTE_W }, { VTD_SM_NESTED, VTD_PTE_R },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        bool reads = way[i].perms & VTD_PTE_R;
        Case c = { .reason = reads ? VTD_FR_S_WRITE : VTD_FR_S_READ };
        SMSva *r = rig_new(way[i].type, NULL);

        vtd_sm_map(r->vtd, &r->space, SMS_IOVA, r->page, 1, way[i].perms);
        sms_forget(r);
        g_assert_cmpint(reach(r, &c, !reads, 0), ==, SVT_S_OK);
        g_assert_cmpint(reach(r, &c, reads, 0), ==, SVT_S_ERROR);
        assert_record(r, &c, reads ? 0 : VTD_FRCD_T, 0, SMS_IOVA);
        g_assert_cmpint(reach(r, &c, !reads, SVT_F_ATC), ==, SVT_S_OK);
        g_assert_cmpint(reach(r, &c, reads, SVT_F_ATC), ==, SVT_S_FAULT);
        vtd_assert_no_fault(r->vtd);
        sms_free(r);
    }
}

/* RTADDR: what is wrong with it is wrong for all requests. */
static void test_root_table(void)
{
    static const struct {
        uint64_t rtaddr;     /* beside the table */
        uint8_t reason, of_page;
        uint32_t answer;
    } way[] = {
        { 2 << 10, VTD_FR_TTM, VTD_FR_TTM, CA },
        { 3 << 10, VTD_FR_TTM, VTD_FR_TTM, CA },
        { VTD_RTADDR_SCALABLE | BEYOND_RAM, VTD_FR_S_ROOT_ACCESS,
          VTD_FR_S_ROOT_ACCESS, CA },
        /* Legacy, but for the queue */
        { 0, VTD_FR_TTM_PASID, VTD_FR_TTM_PAGE, UR },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        SMSva *r = rig_new(VTD_SM_FIRST, NULL);
        Case c = { .where = IN_ROOT, .reason = way[i].reason,
                   .answer = way[i].answer };

        /* No more by queue: it has to suit the mode. */
        vtd_write64(r->vtd, VTD_RTADDR, way[i].rtaddr & ADDR ? way[i].rtaddr :
                                        r->vtd->root | way[i].rtaddr);
        vtd_gcmd(r->vtd, VTD_G_SRTP, 0);
        untranslated(r, &c, true);
        translation(r, &c, true);
        c.reason = way[i].of_page;
        page(r, &c, true);
        sms_free(r);
    }
}

/* SCT.5: without DTE no ATS; an address that was told before is refused. */
static void test_no_device_tlb(void)
{
    SMSva *r = rig_new(VTD_SM_FIRST, NULL);
    Case c = { .reason = VTD_FR_S_CTX_DTE, .answer = UR };

    sms_poke(r, r->context, VTD_SM_CTX_DTE | VTD_SM_CTX_PRE, 0);
    sms_forget(r);
    g_assert_cmpint(reach(r, &c, true, 0), ==, SVT_S_OK);
    translation(r, &c, true);

    sms_poke(r, r->context, 0, VTD_SM_CTX_DTE);
    sms_forget(r);
    g_assert_cmpint(reach(r, &c, true, SVT_F_ATC), ==, SVT_S_OK);
    sms_poke(r, r->context, VTD_SM_CTX_DTE, 0);
    sms_forget(r);
    for (int is_write = 0; is_write < 2; is_write++) {
        VTDFault fault;

        g_assert_cmpint(reach(r, &c, is_write, SVT_F_ATC), ==, SVT_S_ERROR);
        g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
        g_assert_cmphex(fault.info, ==, r->page);
        /* A translated request has no PASID. */
        g_assert_cmphex(fault.hi & ~VTD_FRCD_F, ==,
                        (is_write ? 0 : VTD_FRCD_T) | 2ULL << 60 |
                        (uint64_t)VTD_FR_S_CTX_DTE << 32 | SVA_SID);
    }
    sms_free(r);
}

/* With a PASID the interrupt range is an address like any other (3.15). */
static void test_interrupt_range(void)
{
    static const VTDSMType types[] = {
        VTD_SM_FIRST, VTD_SM_SECOND, VTD_SM_NESTED,
    };
    const uint64_t iova = 0xfee01000;

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        SMSva *r = rig_new(types[i], NULL);
        Case c = { .iova = iova + 3 };

        vtd_sm_map(r->vtd, &r->space, iova, r->page, 1, VTD_PTE_RW);
        for (unsigned flags = 0; flags <= SVT_F_ATC; flags += SVT_F_ATC) {
            viommu_fill(r->vtd, r->page, 0, 32);
            g_assert_cmpint(reach(r, &c, true, flags), ==, SVT_S_OK);
            g_assert_true(viommu_is_filled(r->vtd, r->page, 0, 3));
            g_assert_true(viommu_is_filled(r->vtd, r->page + 3, MARK, 8));
            g_assert_true(viommu_is_filled(r->vtd, r->page + 11, 0, 8));
            g_assert_cmpint(reach(r, &c, false, flags), ==, SVT_S_OK);
        }
        vtd_assert_no_fault(r->vtd);
        sms_free(r);
    }
}

/*
 * A page request that wants a response, and meets an error: Invalid Request,
 * and a fault; one that does not meet it is queued, with what it says.
 */
static void test_invalid_request(void)
{
    SMSva *r = rig_new(VTD_SM_FIRST, NULL);
    Case c = { .reason = VTD_FR_S_PASID_P };

    sms_poke(r, word(r, IN_ENTRY, 0), VTD_SM_P, 0);
    sms_forget(r);
    g_assert_cmpint(reach(r, &c, true, SVT_F_ATC | SVT_F_PAGES), ==,
                    SVT_S_FAULT);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_PAGES), ==, 1);
    assert_record(r, &c, VTD_FRCD_T2, 0, SMS_IOVA);
    g_assert_cmphex(vtd_read64(r->vtd, VTD_PQT), ==, 0);
    sms_free(r);
}

static void make_rom(void)
{
    g_autofree uint8_t *rom = g_malloc0(ROM_SIZE);
    int fd = g_file_open_tmp("viommu-rom-XXXXXX", &rom_file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    stq_le_p(rom, 0x3000000 | VTD_FS_US | VTD_FS_W | VTD_FS_P);
    stq_le_p(rom + (ROM_SECOND - ROM_FIRST), 0x3000000 | VTD_PTE_RW);
    g_assert_true(g_file_set_contents(rom_file, (char *)rom, ROM_SIZE, NULL));
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    make_rom();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/reason/%s",
                                                cases[i].name);

        qtest_add_data_func(path, &cases[i], test_case);
    }
    qtest_add_func("/viommu/vtd-sm/reason/rights", test_rights);
    qtest_add_func("/viommu/vtd-sm/reason/root-table", test_root_table);
    qtest_add_func("/viommu/vtd-sm/reason/no-device-tlb", test_no_device_tlb);
    qtest_add_func("/viommu/vtd-sm/reason/interrupt-range",
                   test_interrupt_range);
    qtest_add_func("/viommu/vtd-sm/reason/invalid-request",
                   test_invalid_request);
    ret = g_test_run();
    unlink(rom_file);
    g_free(rom_file);
    return ret;
}
