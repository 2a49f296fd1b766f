/*
 * An endpoint with ATS behind VT-d in legacy mode
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"
#include "viommu-sva.h"
#include "viommu-vtd.h"

#define DID     9
#define IOVA    0x10000000ULL
#define LARGE   0x20000000ULL
#define PAGES   4
#define MARK    0x5a
#define BLANK   0x11

typedef struct Rig {
    VTD *vtd;
    SVA *sva;
    VTDDomain dom;
    uint64_t mem;            /* PAGES pages, mapped at IOVA */
    QPCIDevice *port;        /* if it is behind one */
} Rig;

/* @device: the x-sva-test with its options, and where it is */
static Rig *rig_at(const char *unit, const char *device, uint16_t sid, int tt)
{
    Rig *r = g_new0(Rig, 1);
    unsigned i;

    r->vtd = vtd_start(unit, "%s", device);
    if (sid >> 8) {
        r->port = vtd_open_bridge(r->vtd, PLUG_PORT, sid >> 8);
    }
    r->sva = sva_open(&r->vtd->unit, sid);
    r->mem = vtd_alloc(r->vtd, PAGES);
    viommu_fill(r->vtd, r->mem, BLANK, PAGES * VTD_PAGE_SIZE);
    vtd_domain_init(r->vtd, &r->dom, DID, 4);
    for (i = 0; i < PAGES; i++) {
        vtd_map(r->vtd, &r->dom, IOVA + i * VTD_PAGE_SIZE,
                r->mem + i * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
    vtd_attach(r->vtd, sid, &r->dom, tt);
    vtd_enable(r->vtd, VTD_QUEUED);
    return r;
}

static Rig *rig_new(int tt)
{
    Rig *r = rig_at("device-iotlb=on", SVA_DEVICE, SVA_SID, tt);

    sva_enable(r->sva, SVA_ATS | SVA_PRI);
    return r;
}

static void rig_free(Rig *r)
{
    g_free(r->port);
    sva_close(r->sva);
    vtd_stop(r->vtd);
    g_free(r);
}

static void dev_tlb_start(Rig *r, uint16_t sid, uint64_t iova)
{
    vtd_queue_put(r->vtd, VTD_D_DEVTLB | VTD_D_CC_SID(sid), iova);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
}

static bool done(Rig *r)
{
    return vtd_inv_done(r->vtd, VTD_QUEUED);
}

/* As Linux: the page is gone, then the IOTLB's copy, then the device's. */
static void unmap_start(Rig *r, uint16_t sid, uint64_t iova)
{
    vtd_unmap(r->vtd, &r->dom, iova, 1);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_PAGE, DID, iova, 0);
    dev_tlb_start(r, sid, iova);
}

static void test_capabilities(void)
{
    Rig *r = rig_at("", SVA_DEVICE ",pasid-bits=17,exec=off,page-requests=5",
                    SVA_SID, VTD_TT_UNTRANSLATED);
    SVA *s = r->sva;

    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PASID, PCI_PASID_CAP), ==,
                    17 << 8 | PCI_PASID_CAP_PRIV);
    sva_cap_write16(s, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, 0xffff);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL),
                    ==, PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_PRIV);

    g_assert_cmphex(sva_cap_read32(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_MAX_REQ), ==,
                    5);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    sva_enable(s, SVA_PRI);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID);
    /* Reset, without effect while it is enabled, reads as 0 always. */
    sva_cap_write16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL,
                    PCI_PRI_CTRL_ENABLE | PCI_PRI_CTRL_RESET);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL), ==,
                    PCI_PRI_CTRL_ENABLE);
    sva_cap_write16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, PCI_PRI_CTRL_RESET);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL), ==, 0);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);

    sva_enable(s, SVA_PRI | SVA_ATS);
    sva_flr(s);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL),
                    ==, 0);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL), ==, 0);
    g_assert_cmphex(sva_cap_read16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL), ==, 0);
    g_assert_cmphex(sva_cap_read32(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_ALLOC_REQ),
                    ==, 0);
    rig_free(r);

    r = rig_at("", SVA_DEVICE ",pasid-bits=0,page-requests=0", SVA_SID,
               VTD_TT_UNTRANSLATED);
    g_assert_cmphex(sva_cap(r->sva, PCI_EXT_CAP_ID_PASID), ==, 0);
    g_assert_cmphex(sva_cap(r->sva, PCI_EXT_CAP_ID_PRI), ==, 0);
    rig_free(r);
}

/* Each command, untranslated and through the cache, by copy and by map */
static void commands_work(Rig *r, uint32_t flags)
{
    SVA *s = r->sva;
    uint64_t pointers[3] = { IOVA + 16, IOVA + 8, 0 };
    unsigned i;

    g_assert_cmpint(sva_fill(s, flags, 0, IOVA + 100, 5000, MARK), ==,
                    SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, r->mem + 100, MARK, 5000));
    g_assert_true(viommu_is_filled(r->vtd, r->mem + 5100, BLANK, 100));
    g_assert_cmpint(sva_run(s, SVT_C_COPY, flags, 0, IOVA + 90, IOVA + 8000,
                            2000), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, r->mem + 8010, MARK, 1990));
    g_assert_cmpint(sva_run(s, SVT_C_COMPARE, flags, 0, IOVA + 90, IOVA + 8000,
                            2000), ==, SVT_S_OK);
    g_assert_cmpuint(sva_get(s, 0, SVT_DONE), ==, 2000);
    qtest_writeb(r->vtd->qts, r->mem + 8000 + 321, 0);
    sva_run(s, SVT_C_COMPARE, flags, 0, IOVA + 90, IOVA + 8000, 2000);
    g_assert_cmpuint(sva_get(s, 0, SVT_DONE), ==, 321);
    for (i = 0; i < 3; i++) {
        qtest_writeq(r->vtd->qts, r->mem + i * 8, pointers[i]);
    }
    qtest_writeq(r->vtd->qts, r->mem + 16, IOVA + 8);
    qtest_writeq(r->vtd->qts, r->mem + 8, 0);
    sva_set(s, 0, SVT_ARG, 0);
    g_assert_cmpint(sva_run(s, SVT_C_CHASE, flags, 0, IOVA, 0, 100), ==,
                    SVT_S_OK);
    g_assert_cmpuint(sva_get(s, 0, SVT_DONE), ==, 3);
    g_assert_cmpuint(sva_get(s, 0, SVT_LAST), ==, 0);
    viommu_fill(r->vtd, r->mem, BLANK, PAGES * VTD_PAGE_SIZE);
    vtd_assert_no_fault(r->vtd);
}

static void test_commands(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);

    commands_work(r, 0);
    commands_work(r, SVT_F_MAP);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    commands_work(r, SVT_F_ATC);
    commands_work(r, SVT_F_ATC | SVT_F_MAP);
    /* Three pages were touched. */
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 3);
    rig_free(r);
}

/* What is not there is the answer to a question, and no fault. */
static void test_answers(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);
    uint64_t large = unit_alloc_aligned(&r->vtd->unit, UNIT_LARGE);

    vtd_map(r->vtd, &r->dom, IOVA + 0x100000, r->mem, 1, VTD_PTE_R);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + 0x100000, 8, MARK),
                    ==, SVT_S_FAULT);
    g_assert_cmphex(sva_get(r->sva, 0, SVT_FAULT), ==, IOVA + 0x100000);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, SVT_F_ATC, 0, IOVA + 0x100000,
                            IOVA, 8), ==, SVT_S_OK);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + 0x200000, 8, MARK),
                    ==, SVT_S_FAULT);
    /* The first of two pages is filled, and the second is named. */
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0,
                             IOVA + PAGES * VTD_PAGE_SIZE - 8, 16, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmphex(sva_get(r->sva, 0, SVT_FAULT), ==,
                    IOVA + PAGES * VTD_PAGE_SIZE);
    g_assert_cmpuint(sva_get(r->sva, 0, SVT_DONE), ==, 8);
    vtd_assert_no_fault(r->vtd);

    /* A large page is one translation. */
    dev_tlb_start(r, SVA_SID, 0x7ffffffffffff000ULL | 1);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    vtd_map(r->vtd, &r->dom, LARGE, large, 2, VTD_PTE_RW | VTD_PTE_PS);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, LARGE + 0x100000, 0x100000,
                             MARK), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, large + 0x100000, MARK, 0x100000));
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 1);
    rig_free(r);
}

/* Who may not use ATS: the device's own switch, and the unit's */
static void test_denied(void)
{
    Rig *r = rig_new(VTD_TT_UNTRANSLATED);
    int i;

    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_DENIED);
    /* A translation request is a read, whatever it is for. */
    vtd_assert_fault(r->vtd, VTD_FR_CTX_TT, SVA_SID, true, IOVA);
    g_assert_cmpint(sva_fill(r->sva, 0, 0, IOVA, 8, MARK), ==, SVT_S_OK);

    /* An address that was told before is not believed any more. */
    vtd_attach(r->vtd, SVA_SID, &r->dom, VTD_TT_DEVICE_TLB);
    vtd_inv_context(r->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    vtd_attach(r->vtd, SVA_SID, &r->dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(r->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0);
    viommu_fill(r->vtd, r->mem, BLANK, 8);
    for (i = 0; i < 2; i++) {
        g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC | (i ? SVT_F_MAP : 0), 0,
                                 IOVA, 8, MARK), ==, SVT_S_ERROR);
        vtd_assert_fault(r->vtd, VTD_FR_CTX_TT, SVA_SID, false,
                         r->mem & ~(VTD_PAGE_SIZE - 1));
    }
    g_assert_true(viommu_is_filled(r->vtd, r->mem, BLANK, 8));

    sva_cap_write16(r->sva, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, 0);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_DENIED);
    vtd_assert_no_fault(r->vtd);
    rig_free(r);
}

/* There are no PASIDs in legacy mode, and none is taken for another. */
static void test_pasid(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);
    static const uint32_t pasids[] = { 0, 1, 0x100, 0xfffff };
    size_t i;

    sva_enable(r->sva, SVA_PASID);
    for (i = 0; i < G_N_ELEMENTS(pasids); i++) {
        g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, pasids[i], IOVA, 8,
                                 MARK), ==, SVT_S_ERROR);
        vtd_assert_fault(r->vtd, VTD_FR_LEGACY_PASID, SVA_SID, false, IOVA);
        g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_ATC, pasids[i],
                                 IOVA, 8, MARK), ==, SVT_S_DENIED);
        vtd_assert_fault(r->vtd, VTD_FR_LEGACY_PASID, SVA_SID, true, IOVA);
    }
    /* In pass-through, too */
    vtd_attach(r->vtd, SVA_SID, &r->dom, VTD_TT_PASSTHROUGH);
    vtd_inv_context(r->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, 7, r->mem, 8, MARK), ==,
                    SVT_S_ERROR);
    vtd_assert_fault(r->vtd, VTD_FR_LEGACY_PASID, SVA_SID, false, r->mem);
    g_assert_true(viommu_is_filled(r->vtd, r->mem, BLANK, 8));
    g_assert_cmpint(sva_fill(r->sva, 0, 0, r->mem, 8, MARK), ==, SVT_S_OK);
    rig_free(r);
}

/*
 * A device-TLB invalidation is complete when nobody uses what it removed.  The
 * IOTLB's is not held up by that, and neither is another page's.
 */
static void test_wait(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);

    sva_start(r->sva, 2, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_HELD);
    dev_tlb_start(r, SVA_SID, IOVA + VTD_PAGE_SIZE);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    dev_tlb_start(r, SVA_SID + 1, IOVA);
    vtd_inv_wait(r->vtd, VTD_QUEUED);

    unmap_start(r, SVA_SID, IOVA);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    g_assert_true(viommu_is_filled(r->vtd, r->mem, BLANK, 8));
    /* Others have no part in it, but what comes after it waits as well. */
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + VTD_PAGE_SIZE, 8,
                             MARK), ==, SVT_S_OK);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    sva_set32(r->sva, 2, SVT_CMD, SVT_C_RELEASE);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    /* It was made before the completion. */
    g_assert_false(viommu_is_filled(r->vtd, r->mem, BLANK, 8));
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_OK);
    vtd_assert_no_fault(r->vtd);
    rig_free(r);
}

/* Many invalidations of what is in use wait for it, and cost nothing more. */
static void test_wait_many(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);
    unsigned i;

    sva_start(r->sva, 1, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    sva_start(r->sva, 2, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0,
              IOVA + VTD_PAGE_SIZE, 8);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_HELD);
    for (i = 0; i < 100; i++) {
        vtd_queue_put(r->vtd, VTD_D_DEVTLB | VTD_D_CC_SID(SVA_SID),
                      IOVA + i % 2 * VTD_PAGE_SIZE);
    }
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    sva_set32(r->sva, 2, SVT_CMD, SVT_C_RELEASE);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_OK);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    sva_set32(r->sva, 1, SVT_CMD, SVT_C_STOP);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    rig_free(r);
}

/* A device in reset has stopped: it is not waited for. */
static void test_reset(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);

    sva_start(r->sva, 0, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_HELD);
    unmap_start(r, SVA_SID, IOVA);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    sva_flr(r->sva);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    sva_enable_bus(r->sva);
    g_assert_cmpint(sva_get32(r->sva, 0, SVT_STATUS), ==, SVT_S_IDLE);
    g_assert_true(viommu_is_filled(r->vtd, r->mem, BLANK, 8));
    /* And it works again. */
    sva_enable(r->sva, SVA_ATS);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA + VTD_PAGE_SIZE, 8,
                             MARK), ==, SVT_S_OK);

    /* The machine's reset ends it all. */
    sva_start(r->sva, 0, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0,
              IOVA + VTD_PAGE_SIZE, 8);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_HELD);
    unmap_start(r, SVA_SID, IOVA + VTD_PAGE_SIZE);
    vtd_reset(r->vtd);
    vtd_enable(r->vtd, VTD_QUEUED);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    rig_free(r);
}

static void test_unplug(void)
{
    uint16_t sid = 1 << 8;
    Rig *r = rig_at("device-iotlb=on", PLUG_PORT_ARGS
                    "-device x-sva-test,id=sva,bus=rp,addr=0", sid,
                    VTD_TT_DEVICE_TLB);

    sva_enable(r->sva, SVA_ATS | SVA_PRI);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    sva_start(r->sva, 0, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_HELD);
    unmap_start(r, sid, IOVA);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    plug_pull(&r->vtd->unit, r->port, "sva");
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    dev_tlb_start(r, sid, IOVA);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    rig_free(r);
}

/* Nobody answers page requests: the device is told at once. */
static void test_pages(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);
    uint32_t flags = SVT_F_ATC | SVT_F_PAGES;

    g_assert_cmpint(sva_fill(r->sva, flags, 0, LARGE, 8, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_PAGES), ==, 1);
    g_assert_cmphex(sva_get(r->sva, 0, SVT_FAULT), ==, LARGE);
    g_assert_cmphex(sva_cap_read16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS),
                    ==, PCI_PRI_STATUS_PASID);
    /* As often as one likes: none is left outstanding. */
    sva_cap_write32(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_ALLOC_REQ, 1);
    g_assert_cmpint(sva_fill(r->sva, flags, 0, LARGE, 8, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpint(sva_fill(r->sva, flags, 0, LARGE, 8, MARK), ==,
                    SVT_S_FAULT);
    sva_cap_write32(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_ALLOC_REQ, 0);
    g_assert_cmpint(sva_fill(r->sva, flags, 0, LARGE, 8, MARK), ==,
                    SVT_S_ERROR);
    sva_cap_write16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, 0);
    g_assert_cmpint(sva_fill(r->sva, flags, 0, LARGE, 8, MARK), ==,
                    SVT_S_DENIED);
    g_assert_cmphex(sva_cap_read16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS),
                    ==, PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    rig_free(r);
}

/* Only MSIs are interrupt requests; a PASID there is an error. */
static void test_window(void)
{
    Rig *r = rig_new(VTD_TT_DEVICE_TLB);

    sva_enable(r->sva, SVA_PASID);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, 3, VIOMMU_MSI_ADDR, 4, 0x44),
                    ==, SVT_S_ERROR);
    g_assert_false(viommu_irq_arrived(r->vtd, 0, 0x44));
    rig_free(r);
}

static void migration_ends(QTestState *qts)
{
    bool ended = false;
    int tries;

    for (tries = 0; !ended; tries++) {
        QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        const char *status = qdict_get_try_str(
            qdict_get_qdict(answer, "return"), "status");

        g_assert_cmpint(tries, <, VIOMMU_TRIES);
        g_assert_cmpstr(status, !=, "failed");
        ended = g_strcmp0(status, "completed") == 0;
        qobject_unref(answer);
        g_usleep(1000);
    }
}

/* The same machine in another process: what it has of @r goes on there. */
static VTD *migrate(Rig *r, const char *unit, const char *device)
{
    g_autofree char *machine = vtd_machine(unit);
    g_autofree char *file = NULL;
    g_autofree char *uri = NULL;
    QTestState *qts;
    int fd = g_file_open_tmp("viommu-sva-XXXXXX", &file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    uri = g_strdup_printf("file:%s", file);
    qtest_qmp_assert_success(r->vtd->qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    migration_ends(r->vtd->qts);
    qts = qtest_initf("%s %s -incoming defer", machine, device);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    migration_ends(qts);
    unlink(file);
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    return vtd_adopt(r->vtd, qts);
}

/*
 * What software has enabled stays so, and a command goes on: what the device
 * had of translations it asks for again.
 */
static void test_migrate(void)
{
    const char *unit = "device-iotlb=on", *device = SVA_DEVICE " -m 256M";
    Rig *r = rig_at(unit, device, SVA_SID, VTD_TT_DEVICE_TLB);
    uint64_t regs = r->sva->bar.addr + 2 * SVT_CONTEXT_SIZE;
    uint64_t ats, pri, pasid;
    VTD *to;

    sva_enable(r->sva, SVA_ATS | SVA_PASID | SVA_PRI);
    ats = r->sva->config + sva_cap(r->sva, PCI_EXT_CAP_ID_ATS);
    pri = r->sva->config + sva_cap(r->sva, PCI_EXT_CAP_ID_PRI);
    pasid = r->sva->config + sva_cap(r->sva, PCI_EXT_CAP_ID_PASID);
    sva_set(r->sva, 2, SVT_ARG, MARK);
    sva_start(r->sva, 2, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_HELD);

    to = migrate(r, unit, device);
    g_assert_cmphex(qtest_readw(to->qts, ats + PCI_ATS_CTRL), ==,
                    PCI_ATS_CTRL_ENABLE);
    g_assert_cmphex(qtest_readw(to->qts, pri + PCI_PRI_CTRL), ==,
                    PCI_PRI_CTRL_ENABLE);
    g_assert_cmphex(qtest_readw(to->qts, pri + PCI_PRI_STATUS), ==,
                    PCI_PRI_STATUS_PASID);
    g_assert_cmphex(qtest_readw(to->qts, pasid + PCI_PASID_CTRL), ==, 7);
    viommu_until(to, qtest_readl(to->qts, regs + SVT_STATUS) == SVT_S_HELD);
    g_assert_true(viommu_is_filled(to, r->mem, BLANK, 8));
    qtest_writel(to->qts, regs + SVT_CMD, SVT_C_RELEASE);
    viommu_until(to, qtest_readl(to->qts, regs + SVT_STATUS) == SVT_S_OK);
    g_assert_true(viommu_is_filled(to, r->mem, MARK, 8));
    vtd_stop(to);
    rig_free(r);
}

/*
 * Translation goes off, which waits for a device that stands still; then the
 * machine is stopped, which ends nothing of that.  What the stream says is what
 * the unit does by now (vtd_pre_save()), not what it has reported.
 */
static void test_migrate_disable(void)
{
    const char *unit = "device-iotlb=on", *device = SVA_DEVICE " -m 256M";
    Rig *r = rig_at(unit, device, SVA_SID, VTD_TT_DEVICE_TLB);
    VTD *to;

    sva_enable(r->sva, SVA_ATS);
    sva_start(r->sva, 2, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_HELD);
    unmap_start(r, SVA_SID, IOVA);
    vtd_gcmd(r->vtd, 0, VTD_G_TE);
    viommu_turns(r->vtd);
    g_assert_false(done(r));
    g_assert_cmphex(vtd_read32(r->vtd, VTD_GSTS) & VTD_G_TE, ==, VTD_G_TE);

    to = migrate(r, unit, device);
    g_assert_cmphex(vtd_read32(to, VTD_GSTS) & VTD_G_TE, ==, 0);
    /* The wait descriptor is taken up there, with nothing to wait for. */
    vtd_inv_wait(to, VTD_QUEUED);
    vtd_stop(to);
    rig_free(r);
}

static Rig *rig_sanitized(void)
{
    Rig *r = rig_at("device-iotlb=on,sanitizer=on", SVA_DEVICE, SVA_SID,
                    VTD_TT_DEVICE_TLB);

    sva_enable(r->sva, SVA_ATS);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    return r;
}

/* The IOTLB's copy goes, and the device's does not. */
static void forget_device(Rig *r)
{
    vtd_unmap(r->vtd, &r->dom, IOVA, 1);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_PAGE, DID, IOVA, 0);
}

static void test_sanitizer_stale(void)
{
    Rig *r = rig_sanitized();

    forget_device(r);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    sva_assert_found(r->sva, "stale-use", -1, IOVA,
                     "by what its own cache (ATC) was told (looked up ");
    rig_free(r);
}

static void test_sanitizer_unused(void)
{
    Rig *r = rig_sanitized();

    forget_device(r);
    sva_assert_found(r->sva, "missing-flush", -1, IOVA, "no device-TLB "
                     "invalidation has come: its own cache (ATC) was told so");
    rig_free(r);
}

/* Mapped elsewhere, and the device still goes where it was told. */
static void test_sanitizer_remapped(void)
{
    Rig *r = rig_sanitized();

    vtd_map(r->vtd, &r->dom, IOVA, r->mem + VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_PAGE, DID, IOVA, 0);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    sva_assert_found(r->sva, "stale-use", -1, IOVA,
                     "ms the tables have said that it leads to 0x");
    rig_free(r);
}

static void test_sanitizer_correct(void)
{
    Rig *r = rig_sanitized();
    uint64_t next = IOVA + VTD_PAGE_SIZE;

    unmap_start(r, SVA_SID, IOVA);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_FAULT);
    vtd_map(r->vtd, &r->dom, IOVA, r->mem, 1, VTD_PTE_RW);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, IOVA, 8, MARK), ==,
                    SVT_S_OK);
    /* Two addresses of one page: the one that is left leads there. */
    vtd_map(r->vtd, &r->dom, LARGE, r->mem + VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, LARGE, 8, MARK), ==,
                    SVT_S_OK);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, next, 8, MARK), ==,
                    SVT_S_OK);
    vtd_unmap(r->vtd, &r->dom, next, 1);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_PAGE, DID, next, 0);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC, 0, LARGE, 8, MARK), ==,
                    SVT_S_OK);
    dev_tlb_start(r, SVA_SID, next);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
    sva_assert_found(r->sva, NULL, -1, 0, NULL);
    rig_free(r);
}

/* What the device drops by itself needs no invalidation. */
static void test_sanitizer_dropped(void)
{
    Rig *r = rig_sanitized();

    sva_cap_write16(r->sva, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, 0);
    forget_device(r);
    sva_assert_found(r->sva, NULL, -1, 0, NULL);
    rig_free(r);

    r = rig_sanitized();
    sva_flr(r->sva);
    forget_device(r);
    sva_assert_found(r->sva, NULL, -1, 0, NULL);
    rig_free(r);
}

#define ADD(name, fn) qtest_add_func("/viommu/sva/vtd/" name, fn)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("capabilities", test_capabilities);
    ADD("commands", test_commands);
    ADD("answers", test_answers);
    ADD("denied", test_denied);
    ADD("pasid", test_pasid);
    ADD("wait/one", test_wait);
    ADD("wait/many", test_wait_many);
    ADD("reset", test_reset);
    ADD("unplug", test_unplug);
    ADD("migrate/held", test_migrate);
    ADD("migrate/disable", test_migrate_disable);
    ADD("pages", test_pages);
    ADD("sanitizer/stale", test_sanitizer_stale);
    ADD("sanitizer/unused", test_sanitizer_unused);
    ADD("sanitizer/remapped", test_sanitizer_remapped);
    ADD("sanitizer/correct", test_sanitizer_correct);
    ADD("sanitizer/dropped", test_sanitizer_dropped);
    ADD("window", test_window);
    return g_test_run();
}
