/*
 * AMD-Vi: guest page tables, PASIDs, nesting; device TLBs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-sva.h"

#define DOMAIN      0x123
#define PASID       5
#define IOVA        0x40200000ULL
#define UPPER       0xffff800000200000ULL
#define MARK        0xc7
#define BLANK       0x11
#define LEN         4
#define BEYOND_RAM  0x7f0000000000ULL
/* 2.1.2: interrupt messages, and what is HyperTransport's own */
#define AMD_INT_FIRST   0xfee00000ULL
#define AMD_HT_FIRST    0xfd00000000ULL

typedef struct Rig {
    AMD *amd;
    SVA *sva;
    AMDGuest guest;
    AMDDomain dom;               /* rig_host() */
    uint64_t page, other;        /* @page: mapped at IOVA, of both PASIDs */
} Rig;

static void set_pte(Rig *r, uint32_t pasid, uint64_t iova, uint64_t entry)
{
    qtest_writeq(r->amd->qts, amd_guest_pte(r->amd, &r->guest, pasid, iova, 1),
                 entry);
}

static uint64_t get_pte(Rig *r, uint32_t pasid, uint64_t iova, int level)
{
    return qtest_readq(r->amd->qts, amd_guest_pte(r->amd, &r->guest, pasid,
                                                  iova, level));
}

static Rig *rig_start(const char *props)
{
    Rig *r = g_new0(Rig, 1);

    r->amd = amd_start(props, SVA_DEVICE);
    r->amd->control = AMD_C_GT;
    r->sva = sva_open(&r->amd->unit, SVA_SID);
    r->page = unit_alloc(&r->amd->unit, 1);
    r->other = unit_alloc(&r->amd->unit, 1);
    sva_enable(r->sva, SVA_PASID | SVA_ATS);
    return r;
}

static Rig *rig_guest_with(const char *props, bool nested, unsigned levels)
{
    Rig *r = rig_start(props);

    amd_guest_init(r->amd, &r->guest, DOMAIN, nested);
    r->guest.levels = levels;
    set_pte(r, 0, IOVA, r->page | AMD_G_ALL);
    set_pte(r, PASID, IOVA, r->page | AMD_G_ALL);
    amd_guest_attach(r->amd, SVA_SID, &r->guest);
    amd_enable(r->amd);
    return r;
}

static Rig *rig_guest(bool nested, unsigned levels)
{
    return rig_guest_with("gtsup=on", nested, levels);
}

static void rig_stop(Rig *r)
{
    sva_close(r->sva);
    amd_stop(r->amd);
    g_free(r);
}

/* The device table entry, or what it leads to, is another one. */
static void rig_again(Rig *r)
{
    amd_cmd(r->amd, AMD_CMD_DEVTAB | SVA_SID, 0);
}

static uint32_t flags_of(int64_t pasid)
{
    return pasid < 0 ? 0 : SVT_F_PASID;
}

/* A write at @iova with @pasid (-1: without one) reaches @gpa. */
static void reaches(Rig *r, int64_t pasid, uint64_t iova, uint64_t gpa)
{
    viommu_fill(r->amd, gpa, BLANK, LEN);
    g_assert_cmpint(sva_fill(r->sva, flags_of(pasid), MAX(pasid, 0), iova, LEN,
                             MARK), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->amd, gpa, MARK, LEN));
    amd_assert_no_event(r->amd);
}

/* It is refused, with one event: of @whose, a PASID with GN or a domain. */
static void fails(Rig *r, int64_t pasid, uint64_t iova, unsigned code,
                  unsigned flags, uint32_t whose, uint64_t addr)
{
    AMDEvent event;

    g_assert_cmpint(sva_fill(r->sva, flags_of(pasid), MAX(pasid, 0), iova, LEN,
                             MARK), ==, SVT_S_ERROR);
    g_assert_true(amd_event_take(r->amd, &event));
    g_assert_cmpuint(event.code, ==, code);
    g_assert_cmphex(event.device, ==, SVA_SID);
    g_assert_cmphex(event.flags, ==, flags);
    g_assert_cmphex(flags & AMD_F_GN ? event.pasid : event.domain, ==, whose);
    g_assert_cmphex(event.addr, ==, addr);
    amd_assert_no_event(r->amd);
}

static void fails_guest(Rig *r, int64_t pasid, uint64_t iova, unsigned flags)
{
    fails(r, pasid, iova, AMD_EV_PAGE_FAULT,
          flags | AMD_F_GN | AMD_F_US | AMD_F_RW, MAX(pasid, 0), iova);
}

static void test_registers(void)
{
    AMD *amd = amd_start("gtsup=on", " ");

    /* GIoSup, 16 bits of PASID, 2 levels of GCR3, 5 of tables, GTSup */
    g_assert_cmphex(amd_read(amd, AMD_EFR), ==, 0x0001000f000058d0);
    amd_write(amd, AMD_CONTROL, ~1ULL);
    g_assert_cmphex(amd_read(amd, AMD_CONTROL), ==, 0x31ffe);
    amd_stop(amd);
}

/* Each PASID has tables of its own; no PASID is PASID 0. */
static void check_pasids(unsigned levels)
{
    Rig *r = rig_guest(false, levels);

    reaches(r, -1, IOVA, r->page);
    reaches(r, 0, IOVA, r->page);
    reaches(r, PASID, IOVA, r->page);
    set_pte(r, PASID, IOVA + UNIT_PAGE, r->other | AMD_G_ALL);
    reaches(r, PASID, IOVA + UNIT_PAGE, r->other);
    fails_guest(r, 0, IOVA + UNIT_PAGE, 0);
    fails_guest(r, -1, IOVA + UNIT_PAGE, 0);
    /* The upper half; what is not canonical; the highest bit there is */
    set_pte(r, PASID, levels == 5 ? UPPER | 0xff00000000000000ULL : UPPER,
            r->other | AMD_G_ALL);
    reaches(r, PASID, UPPER, r->other);
    fails_guest(r, PASID, 1ULL << (levels == 5 ? 56 : 47), 0);
    if (levels == 5) {
        set_pte(r, PASID, 1ULL << 50, r->other | AMD_G_ALL);
        reaches(r, PASID, 1ULL << 50, r->other);
    }
    /* Nothing is there for these. */
    fails_guest(r, PASID + 1, IOVA, 0);
    fails_guest(r, 511, IOVA, 0);
    fails_guest(r, 512, IOVA, 0);
    fails_guest(r, 0xfffff, IOVA, 0);
    rig_stop(r);
}

static void test_pasids(void)
{
    check_pasids(4);
    check_pasids(5);
}

/* GCR3 tables of two levels */
static void test_gcr3(void)
{
    uint64_t dte = AMD_DTE_V | AMD_DTE_TV | AMD_RW | AMD_DTE_GV;
    Rig *r = rig_guest(false, 4);
    uint64_t top = unit_alloc(&r->amd->unit, 1);

    /* For the last PASID, and one beyond it that has an entry all the same */
    qtest_writeq(r->amd->qts, top + 127 * 8, r->guest.gcr3 | AMD_GCR3_V);
    qtest_writeq(r->amd->qts, top + 128 * 8, r->guest.gcr3 | AMD_GCR3_V);
    set_pte(r, 511, IOVA, r->page | AMD_G_ALL);
    amd_set_dte(r->amd, SVA_SID, 0,
                dte | AMD_DTE_GLX(1) | (top >> 12 & 7) << 58,
                DOMAIN | (top >> 15 & 0xffff) << 16 | (top >> 31) << 43);
    rig_again(r);
    reaches(r, 0xfe00 + PASID, IOVA, r->page);
    reaches(r, 0xffff, IOVA, r->page);
    fails_guest(r, 0xfe00 + 9, IOVA, 0);
    fails_guest(r, PASID, IOVA, 0);
    fails_guest(r, 0x10000 + PASID, IOVA, 0);
    /* GIoV is clear: without a PASID it is not translated. */
    reaches(r, -1, r->other, r->other);
    /* An entry that cannot be read */
    qtest_writeq(r->amd->qts, top, BEYOND_RAM | AMD_GCR3_V);
    rig_again(r);
    fails(r, PASID, IOVA, AMD_EV_PAGE_ERROR,
          AMD_F_GN | AMD_F_US | AMD_F_RW | 1 << 9, PASID,
          BEYOND_RAM + 8 * PASID);
    /* GLX of three levels, and GV while GTEn is clear */
    amd_set_dte(r->amd, SVA_SID, 0, dte | AMD_DTE_GLX(2), DOMAIN);
    rig_again(r);
    fails(r, PASID, IOVA, AMD_EV_ILLEGAL_DTE, AMD_F_RW, 0, IOVA);
    amd_guest_attach(r->amd, SVA_SID, &r->guest);
    rig_again(r);
    reaches(r, PASID, IOVA, r->page);
    amd_write(r->amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG |
              AMD_C_CMD_BUF);
    fails(r, PASID, IOVA, AMD_EV_ILLEGAL_DTE, AMD_F_RW | AMD_F_RZ, 0, IOVA);
    rig_stop(r);
}

static void test_faults(void)
{
    Rig *r = rig_guest(false, 4);
    uint64_t at = IOVA + UNIT_PAGE;

    fails_guest(r, PASID, at, 0);
    set_pte(r, PASID, at, r->other | AMD_G_P | AMD_G_US);
    fails_guest(r, PASID, at, AMD_F_PR | AMD_F_PE);
    set_pte(r, PASID, at, r->other | AMD_G_P | AMD_G_RW);
    fails_guest(r, PASID, at, AMD_F_PR | AMD_F_PE);
    qtest_writeq(r->amd->qts, amd_guest_pte(r->amd, &r->guest, PASID,
                                            4 * UNIT_LARGE, 2),
                 UNIT_PAGE * 2 | AMD_G_PS | AMD_G_ALL);
    fails_guest(r, PASID, 4 * UNIT_LARGE, AMD_F_PR | AMD_F_RZ);
    qtest_writeq(r->amd->qts, amd_guest_pte(r->amd, &r->guest, PASID,
                                            4 * UNIT_LARGE, 2),
                 BEYOND_RAM | AMD_G_ALL);
    fails(r, PASID, 4 * UNIT_LARGE, AMD_EV_PAGE_ERROR,
          AMD_F_GN | AMD_F_US | AMD_F_RW | 1 << 9, PASID, BEYOND_RAM);
    set_pte(r, PASID, at, 0xfee00000 | AMD_G_ALL);
    fails_guest(r, PASID, at, AMD_F_PR | AMD_F_PE);
    /* IR and IW of the device table entry are for guests as well. */
    qtest_writeq(r->amd->qts, r->amd->devtab + 32 * SVA_SID,
                 qtest_readq(r->amd->qts, r->amd->devtab + 32 * SVA_SID) &
                 ~AMD_IW);
    rig_again(r);
    fails_guest(r, PASID, IOVA, AMD_F_PR | AMD_F_PE);
    rig_stop(r);
}

/* A and D: set by the access that needs them, and in time */
static void test_dirty(void)
{
    Rig *r = rig_guest(false, 4);

    g_assert_cmphex(get_pte(r, PASID, IOVA, 1), ==, r->page | AMD_G_ALL);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COMPARE, SVT_F_PASID, PASID, IOVA,
                            IOVA + LEN, LEN), ==, SVT_S_OK);
    g_assert_cmphex(get_pte(r, PASID, IOVA, 1), ==,
                    r->page | AMD_G_ALL | AMD_G_A);
    g_assert_cmphex(get_pte(r, PASID, IOVA, 4) & AMD_G_A, ==, AMD_G_A);
    reaches(r, PASID, IOVA, r->page);
    g_assert_cmphex(get_pte(r, PASID, IOVA, 1), ==,
                    r->page | AMD_G_ALL | AMD_G_A | AMD_G_D);
    /* Cleared, and invalidated: they are set again. */
    set_pte(r, PASID, IOVA, r->page | AMD_G_ALL);
    amd_cmd(r->amd, AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN) | PASID,
            IOVA | AMD_GN);
    reaches(r, PASID, IOVA, r->page);
    g_assert_cmphex(get_pte(r, PASID, IOVA, 1), ==,
                    r->page | AMD_G_ALL | AMD_G_A | AMD_G_D);
    rig_stop(r);
}

/* What is cached is there until it is invalidated, and no longer. */
static void test_invalidation(void)
{
    uint64_t w0 = AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), old;
    Rig *r = rig_guest(false, 4);

    reaches(r, PASID, IOVA, r->page);
    reaches(r, 0, IOVA, r->page);
    set_pte(r, PASID, IOVA, r->other | AMD_G_ALL);
    set_pte(r, 0, IOVA, r->other | AMD_G_ALL);
    amd_cmd(r->amd, w0 | PASID, IOVA | AMD_GN);
    reaches(r, PASID, IOVA, r->other);
    amd_cmd(r->amd, w0, IOVA | AMD_GN);
    reaches(r, 0, IOVA, r->other);
    /* All of the domain: GN is clear. */
    set_pte(r, PASID, IOVA, r->page | AMD_G_ALL);
    amd_cmd(r->amd, w0, AMD_PAGES_ALL);
    reaches(r, PASID, IOVA, r->page);
    /* Another table, by the GCR3 entry */
    old = qtest_readq(r->amd->qts, r->guest.gcr3 + 8 * PASID);
    qtest_writeq(r->amd->qts, r->guest.gcr3 + 8 * PASID,
                 qtest_readq(r->amd->qts, r->guest.gcr3));
    amd_cmd(r->amd, w0 | PASID, AMD_PAGES_ALL | AMD_GN);
    reaches(r, PASID, IOVA, r->other);
    qtest_writeq(r->amd->qts, r->guest.gcr3, 0);
    amd_cmd(r->amd, w0, AMD_PAGES_ALL | AMD_GN);
    fails_guest(r, -1, IOVA, 0);
    qtest_writeq(r->amd->qts, r->guest.gcr3, old);
    amd_cmd(r->amd, AMD_CMD_ALL, 0);
    reaches(r, -1, IOVA, r->page);
    rig_stop(r);
}

/* The host's tables below: pages, the guest's tables and the GCR3 table */
static void test_nested(void)
{
    Rig *r = rig_guest(true, 4);
    AMDDomain host = { .table = r->guest.host };
    uint64_t w0 = AMD_CMD_PAGES | AMD_PAGES_DOMAIN(DOMAIN), gpa = 5ULL << 30;

    reaches(r, PASID, IOVA, r->page);
    /* A page of guest-physical memory that is elsewhere */
    set_pte(r, PASID, IOVA, gpa | AMD_G_ALL);
    amd_cmd(r->amd, w0 | PASID, IOVA | AMD_GN);
    fails(r, PASID, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW, DOMAIN, gpa);
    qtest_writeq(r->amd->qts, amd_pte(r->amd, &host, gpa, 1),
                 r->other | AMD_PR | AMD_IR);
    fails(r, PASID, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW | AMD_F_PR | AMD_F_PE,
          DOMAIN, gpa);
    qtest_writeq(r->amd->qts, amd_pte(r->amd, &host, gpa, 1),
                 r->other | AMD_PR | AMD_RW);
    reaches(r, PASID, IOVA, r->other);
    /* The host moves it. */
    qtest_writeq(r->amd->qts, amd_pte(r->amd, &host, gpa, 1),
                 r->page | AMD_PR | AMD_RW);
    amd_cmd(r->amd, w0, gpa);
    reaches(r, PASID, IOVA, r->page);
    /* The GCR3 table, in memory that the host does not map any more */
    qtest_writeq(r->amd->qts, amd_pte(r->amd, &host, 0, 3), 0);
    amd_cmd(r->amd, w0, AMD_PAGES_ALL);
    fails(r, PASID, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW, DOMAIN,
          r->guest.gcr3 + 8 * PASID);
    fails(r, -1, IOVA, AMD_EV_PAGE_FAULT, AMD_F_RW, DOMAIN, r->guest.gcr3);
    rig_stop(r);
}

/* Device TLBs (ATS) */

static void rig_host(Rig *r, uint64_t w1)
{
    amd_domain_init(r->amd, &r->dom, DOMAIN);
    qtest_writeq(r->amd->qts, amd_pte(r->amd, &r->dom, IOVA, 1),
                 r->page | AMD_PR | AMD_RW);
    amd_set_dte(r->amd, SVA_SID, 0, AMD_DTE_V | AMD_DTE_TV | AMD_MODE(4) |
                r->dom.table | AMD_RW, DOMAIN | w1);
    amd_enable(r->amd);
}

static void iotlb_start(Rig *r, uint16_t sid, uint64_t w0, uint64_t w1)
{
    amd_cmd_put(r->amd, AMD_CMD_IOTLB | sid | w0, w1);
    amd_cmd_wait_put(r->amd);
    amd_cmd_kick(r->amd);
}

/* A COMPLETION_WAIT waits for who uses what a device TLB has lost. */
static void check_ats_wait(Rig *r, uint32_t flags, uint64_t w0, uint64_t gn)
{
    uint32_t pasid = flags & SVT_F_PASID ? PASID : 0;

    sva_start(r->sva, 2, SVT_C_FILL, flags | SVT_F_ATC | SVT_F_HOLD, pasid, 0,
              IOVA, LEN);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_HELD);
    iotlb_start(r, SVA_SID, w0, (IOVA + UNIT_PAGE) | gn);
    viommu_until(r->amd, amd_cmd_done(r->amd));
    iotlb_start(r, SVA_SID + 1, w0, IOVA | gn);
    viommu_until(r->amd, amd_cmd_done(r->amd));

    iotlb_start(r, SVA_SID, w0, IOVA | gn);
    viommu_turns(r->amd);
    g_assert_false(amd_cmd_done(r->amd));
    g_assert_cmphex(amd_read(r->amd, AMD_CMD_HEAD), !=, r->amd->cmd_tail * 16);
    sva_set32(r->sva, 2, SVT_CMD, SVT_C_RELEASE);
    viommu_until(r->amd, amd_cmd_done(r->amd));
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_OK);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    amd_assert_no_event(r->amd);
}

static void test_ats(void)
{
    Rig *r = rig_start("");

    r->amd->control = 0;
    rig_host(r, AMD_DTE1_I);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, LEN, MARK), ==,
                    SVT_S_OK);
    g_assert_true(viommu_is_filled(r->amd, r->page, MARK, LEN));
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 1);
    /* What is not there is the answer to a question, and no fault. */
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + UNIT_PAGE, LEN,
                             MARK), ==, SVT_S_FAULT);
    check_ats_wait(r, 0, 0, 0);

    /* I is clear: nothing may be asked, and nothing that was told is used. */
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, LEN, MARK), ==,
                    SVT_S_OK);
    amd_attach(r->amd, SVA_SID, &r->dom);
    rig_again(r);
    viommu_fill(r->amd, r->page, BLANK, LEN);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, LEN, MARK), ==,
                    SVT_S_ERROR);
    amd_assert_event(r->amd, AMD_EV_INVALID_REQUEST, SVA_SID,
                     AMD_F_RW | 1 << 9, r->page);
    g_assert_true(viommu_is_filled(r->amd, r->page, BLANK, LEN));
    rig_stop(r);
}

/* @iova cannot be had, whatever the tables have there: @r->other. */
static void ats_none(Rig *r, uint64_t iova)
{
    viommu_fill(r->amd, r->other, BLANK, UNIT_PAGE);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, iova, LEN, MARK), ==,
                    SVT_S_FAULT);
    g_assert_true(viommu_is_filled(r->amd, r->other, BLANK, UNIT_PAGE));
    amd_assert_no_event(r->amd);
}

/* What a device TLB is told of windows, which tables lead to memory */
static void test_ats_windows(void)
{
    static const uint64_t mapped[] = {
        IOVA + UNIT_PAGE, IOVA + 2 * UNIT_PAGE, AMD_INT_FIRST, AMD_HT_FIRST,
    };
    g_autofree char *props =
        g_strdup_printf("ram-in-windows=on,reserved-ranges=0x%llx:0x%llx:0",
                        IOVA + UNIT_PAGE, IOVA + 2 * UNIT_PAGE - 1);
    Rig *r = rig_start(props);

    r->amd->control = 0;
    rig_host(r, AMD_DTE1_I);
    for (unsigned i = 0; i < ARRAY_SIZE(mapped); i++) {
        qtest_writeq(r->amd->qts, amd_pte(r->amd, &r->dom, mapped[i], 1),
                     r->other | AMD_PR | AMD_RW);
    }
    for (unsigned i = 0; i < 2; i++) {
        /* Before it, in it, across its edges, behind it */
        g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0,
                                 IOVA + UNIT_PAGE - LEN, LEN, MARK), ==,
                        SVT_S_OK);
        g_assert_true(viommu_is_filled(r->amd, r->page + UNIT_PAGE - LEN, MARK,
                                       LEN));
        ats_none(r, IOVA + UNIT_PAGE);
        ats_none(r, IOVA + UNIT_PAGE - LEN / 2);
        ats_none(r, IOVA + 2 * UNIT_PAGE - LEN / 2);
        ats_none(r, AMD_HT_FIRST);
        g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + 2 * UNIT_PAGE,
                                 LEN, MARK), ==, SVT_S_OK);
        g_assert_true(viommu_is_filled(r->amd, r->other, MARK, LEN));
        /* A message is to be written untranslated (U), and then is one. */
        viommu_fill(r->amd, r->other, BLANK, UNIT_PAGE);
        g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, AMD_INT_FIRST, LEN,
                                 MARK), ==, SVT_S_ERROR);
        g_assert_cmpint(sva_fill(r->sva, 0, 0, AMD_INT_FIRST, LEN, 0), ==,
                        SVT_S_OK);
        g_assert_true(viommu_is_filled(r->amd, r->other, BLANK, UNIT_PAGE));
    }
    /* Of the pages beside it, and of nothing else */
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 2);
    amd_assert_no_event(r->amd);
    rig_stop(r);
}

static void test_ats_pasid(void)
{
    Rig *r = rig_guest(false, 4);
    uint64_t w1 = r->amd->devtab + 32 * SVA_SID + 8;

    qtest_writeq(r->amd->qts, w1, qtest_readq(r->amd->qts, w1) | AMD_DTE1_I);
    rig_again(r);
    /* PASID 5: its bits 7:0 are in 55:48. */
    check_ats_wait(r, SVT_F_PASID, (uint64_t)PASID << 48, AMD_GN);
    rig_stop(r);
}

/* A process's page goes; does its copy in the device? */
static void check_sanitizer(bool correct)
{
    Rig *r = rig_guest_with("gtsup=on,sanitizer=on", false, 4);
    uint64_t w1 = r->amd->devtab + 32 * SVA_SID + 8;
    uint32_t flags = SVT_F_PASID | SVT_F_ATC;

    qtest_writeq(r->amd->qts, w1, qtest_readq(r->amd->qts, w1) | AMD_DTE1_I);
    rig_again(r);
    g_assert_false(sva_knows_pasid(r->sva, PASID));
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, PASID, IOVA, LEN, MARK), ==,
                    SVT_S_OK);
    g_assert_true(sva_knows_pasid(r->sva, PASID));
    g_assert_cmpint(sva_fill(r->sva, flags, PASID, IOVA, LEN, MARK), ==,
                    SVT_S_OK);
    set_pte(r, PASID, IOVA, 0);
    amd_cmd(r->amd, AMD_CMD_ALL, 0);
    if (correct) {
        iotlb_start(r, SVA_SID, (uint64_t)PASID << 48, IOVA | AMD_GN);
        viommu_until(r->amd, amd_cmd_done(r->amd));
    }
    g_assert_cmpint(sva_fill(r->sva, flags, PASID, IOVA, LEN, MARK), ==,
                    correct ? SVT_S_FAULT : SVT_S_OK);
    sva_assert_found(r->sva, correct ? NULL : "stale-use", PASID, IOVA,
                     "by what its own cache (ATC) was told (looked up ");
    rig_stop(r);
}

static void test_sanitizer_stale(void)
{
    check_sanitizer(false);
}

static void test_sanitizer_correct(void)
{
    check_sanitizer(true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/guest/registers", test_registers);
    qtest_add_func("/viommu/amd/guest/pasids", test_pasids);
    qtest_add_func("/viommu/amd/guest/gcr3", test_gcr3);
    qtest_add_func("/viommu/amd/guest/faults", test_faults);
    qtest_add_func("/viommu/amd/guest/dirty", test_dirty);
    qtest_add_func("/viommu/amd/guest/invalidation", test_invalidation);
    qtest_add_func("/viommu/amd/guest/nested", test_nested);
    qtest_add_func("/viommu/amd/ats/host", test_ats);
    qtest_add_func("/viommu/amd/ats/pasid", test_ats_pasid);
    qtest_add_func("/viommu/amd/ats/windows", test_ats_windows);
    qtest_add_func("/viommu/amd/ats/sanitizer/stale", test_sanitizer_stale);
    qtest_add_func("/viommu/amd/ats/sanitizer/correct", test_sanitizer_correct);
    return g_test_run();
}
