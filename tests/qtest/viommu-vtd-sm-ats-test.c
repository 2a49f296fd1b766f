/*
 * VT-d, scalable mode: device-TLB invalidations, and what they wait for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sections 6.5.2.5, 6.5.2.6 and 6.5.4: translated DMA is the endpoint's to
 * answer for.  A device that stands still with a translation in use is what an
 * invalidation of that translation waits for, and no other.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-vtd-sm-sva.h"

#define BLANK       0
#define EVERYTHING  0x7ffffffffffff000ULL    /* with S */

typedef struct Type {
    const char *name;
    VTDSMType type;
} Type;

static const Type types[] = {
    { "first", VTD_SM_FIRST },
    { "second", VTD_SM_SECOND },
    { "nested", VTD_SM_NESTED },
    { "pass-through", VTD_SM_PASS_THROUGH },
};

/* Where pass-through leads is memory, too. */
static uint64_t where(SMSva *r)
{
    return r->space.type == VTD_SM_PASS_THROUGH ? 0x4000000 : SMS_IOVA;
}

static SMSva *rig_new(const void *opaque)
{
    const Type *t = opaque;
    SMSva *r = sms_new(t->type, SMS_UNIT, "");

    sms_map(r, where(r));
    return r;
}

static uint64_t devptlb(uint32_t pasid)
{
    return VTD_D_DEVPTLB | VTD_D_DEVPTLB_SID(SVA_SID) | VTD_D_PASID(pasid);
}

static void waits(SMSva *r, uint64_t lo, uint64_t hi, bool expected)
{
    sms_inv_start(r, lo, hi);
    if (expected) {
        viommu_turns(r->vtd);
        g_assert_false(sms_done(r));
    } else {
        /* The unit may be in another process, which takes its time. */
        sms_wait(r);
    }
}

/*
 * Translated DMA under way: the page is taken away as a driver does it, and the
 * last step is complete when the data is there.
 */
static void test_waits(const void *opaque)
{
    SMSva *r = rig_new(opaque);
    uint64_t iova = where(r);

    viommu_fill(r->vtd, r->page, BLANK, 8);
    sms_hold(r, 2, iova);
    if (r->space.type == VTD_SM_PASS_THROUGH) {
        vtd_sm_detach(r->vtd, SVA_SID, SMS_PASID);
        vtd_sm_forget(r->vtd, &r->space);
    } else {
        vtd_sm_map(r->vtd, &r->space, iova, 0, 1, 0);
        /* The IOTLB's own is not about translated requests. */
        vtd_sm_inv_start(r->vtd, VTD_PAGE, &r->space, iova, 0);
        sms_wait(r);
    }
    waits(r, devptlb(SMS_PASID), iova, true);
    g_assert_true(viommu_is_filled(r->vtd, r->page, BLANK, 8));
    sva_set32(r->sva, 2, SVT_CMD, SVT_C_RELEASE);
    sms_wait(r);
    g_assert_true(viommu_is_filled(r->vtd, r->page, 0x5a, 8));
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_OK);
    /* It is gone: what comes now is told so. */
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC | SVT_F_PASID, SMS_PASID, iova,
                             8, 0x77), ==, SVT_S_FAULT);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/* Whom an invalidation is about: each encoding of it, in both kinds */
static void test_scope(void)
{
    static const struct {
        uint64_t lo, hi;
        bool waits;
    } way[] = {
        /* Another requester, PASID or page; without PASID */
        { VTD_D_DEVPTLB | VTD_D_DEVPTLB_SID(SVA_SID + 1) |
          VTD_D_PASID(SMS_PASID), SMS_IOVA, false },
        { 0, SMS_IOVA + VTD_PAGE_SIZE, false },
        { VTD_D_PASID(1), SMS_IOVA, false },
        { VTD_D_DEVTLB | VTD_D_CC_SID(SVA_SID), SMS_IOVA, false },
        { VTD_D_DEVTLB | VTD_D_CC_SID(SVA_SID), EVERYTHING | VTD_D_DEVTLB_S,
          false },
        /* Sizes: the lowest clear bit from 12 on says how large it is. */
        { 0, (SMS_IOVA + 0x2000) | VTD_D_DEVPTLB_S, false },
        { 0, (SMS_IOVA + 0x5000) | VTD_D_DEVPTLB_S, false },
        { 0, SMS_IOVA, true },
        { 0, SMS_IOVA | VTD_D_DEVPTLB_S, true },
        { 0, (SMS_IOVA + 0x1000) | VTD_D_DEVPTLB_S, true },
        { 0, (SMS_IOVA + 0x3000) | VTD_D_DEVPTLB_S, true },
        { 0, (SMS_IOVA | 0xff000) | VTD_D_DEVPTLB_S, true },
        { 0, EVERYTHING | VTD_D_DEVPTLB_S, true },
        /* Global: whatever PASID the descriptor says */
        { VTD_D_PASID(1), SMS_IOVA | VTD_D_DEVPTLB_G, true },
        { VTD_D_PASID(1), (SMS_IOVA + 0x1000) | VTD_D_DEVPTLB_G, false },
        { VTD_D_PASID(1), EVERYTHING | VTD_D_DEVPTLB_S | VTD_D_DEVPTLB_G,
          true },
    };
    SMSva *r = rig_new(&types[0]);

    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        uint64_t lo = way[i].lo;

        if (!(lo & 0xf)) {
            lo |= devptlb(lo ? 0 : SMS_PASID);
        }
        g_test_message("%u", i);
        sms_hold(r, 1, SMS_IOVA);
        waits(r, lo, way[i].hi, way[i].waits);
        sva_set32(r->sva, 1, SVT_CMD, SVT_C_RELEASE);
        sms_wait(r);
        g_assert_cmpint(sva_finish(r->sva, 1), ==, SVT_S_OK);
        /* What was not waited for is kept, and nothing else. */
        g_assert_cmpuint(sva_get32(r->sva, 1, SVT_KEPT), ==, !way[i].waits);
    }
    sms_free(r);
}

/* Requests without a PASID have entries of their own: RID_PASID's pages. */
static void test_without_pasid(void)
{
    SMSva *r = rig_new(&types[0]);
    VTDSMSpace none;
    uint64_t page = vtd_alloc(r->vtd, 1);

    vtd_sm_space_init(r->vtd, &none, VTD_SM_SECOND, SMS_DID + 1, 0);
    vtd_sm_map(r->vtd, &none, SMS_IOVA, page, 1, VTD_PTE_RW);
    vtd_sm_attach(r->vtd, SVA_SID, &none);
    sva_set(r->sva, 3, SVT_ARG, 0x5a);
    sva_start(r->sva, 3, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, SMS_IOVA, 8);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_HELD);
    waits(r, devptlb(SMS_PASID), SMS_IOVA, false);
    waits(r, devptlb(0), SMS_IOVA, false);
    waits(r, VTD_D_DEVTLB | VTD_D_CC_SID(SVA_SID), SMS_IOVA, true);
    sva_set32(r->sva, 3, SVT_CMD, SVT_C_RELEASE);
    sms_wait(r);
    g_assert_true(viommu_is_filled(r->vtd, page, 0x5a, 8));
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/*
 * A batch as Linux writes it: up to 16 descriptors before one wait, which is
 * not complete before the last use has ended.
 */
static void test_batch(void)
{
    SMSva *r = rig_new(&types[0]);
    unsigned i;

    for (i = 1; i < 8; i++) {
        sms_map(r, SMS_IOVA + i * VTD_PAGE_SIZE);
    }
    for (i = 0; i < 8; i++) {
        sms_hold(r, i, SMS_IOVA + i * VTD_PAGE_SIZE);
    }
    for (i = 0; i < 8; i++) {
        vtd_queue_put(r->vtd, VTD_D_PIOTLB | VTD_D_G(3) | VTD_D_DID(SMS_DID) |
                      VTD_D_PASID(SMS_PASID), SMS_IOVA + i * VTD_PAGE_SIZE);
        vtd_queue_put(r->vtd, devptlb(SMS_PASID), SMS_IOVA + i * VTD_PAGE_SIZE);
    }
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    for (i = 0; i < 8; i++) {
        viommu_turns(r->vtd);
        g_assert_false(sms_done(r));
        sva_set32(r->sva, 7 - i, SVT_CMD, SVT_C_RELEASE);
    }
    sms_wait(r);
    sms_free(r);
}

/*
 * 7.9: a reset of the function while it is waited for, page requests being
 * drained (PD): nothing is in use any more, and nothing pending.
 */
static void test_reset(void)
{
    SMSva *r = rig_new(&types[0]);
    unsigned slots;

    sms_hold(r, 1, SMS_IOVA);
    sms_start(r, 2, true, SVT_F_ATC | SVT_F_PAGES, SMS_IOVA + VTD_PAGE_SIZE, 1);
    viommu_until(r->vtd, vtd_read64(r->vtd, VTD_PQT) != 0);
    vtd_queue_put(r->vtd, devptlb(SMS_PASID), EVERYTHING | VTD_D_DEVPTLB_S);
    vtd_queue_put(r->vtd, VTD_D_WAIT_DATA(++r->vtd->iq_ticket) | VTD_D_WAIT |
                  VTD_D_WAIT_SW | VTD_D_WAIT_PD, r->vtd->iq_status);
    vtd_queue_kick(r->vtd);
    viommu_turns(r->vtd);
    g_assert_false(sms_done(r));
    sva_flr(r->sva);
    sms_wait(r);
    /* What was asked for is software's to answer; nobody waits for it. */
    g_assert_cmphex(sva_cap_read16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS),
                    ==, PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED);
    sms_answer(r, SMS_PASID, 2, 0);
    g_assert_cmphex(sva_cap_read16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS),
                    ==, PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_STOPPED |
                    PCI_PRI_STATUS_UPRGI);
    sva_enable_bus(r->sva);
    g_assert_cmpint(sva_get32(r->sva, 2, SVT_STATUS), ==, SVT_S_IDLE);

    /* And it works again, with as many requests as before. */
    sva_enable(r->sva, SVA_ATS | SVA_PASID | SVA_PRI);
    slots = vtd_read64(r->vtd, VTD_PQT);
    sms_start(r, 2, true, SVT_F_ATC | SVT_F_PAGES, SMS_IOVA + VTD_PAGE_SIZE, 1);
    viommu_until(r->vtd, vtd_read64(r->vtd, VTD_PQT) != slots);
    sms_map(r, SMS_IOVA + VTD_PAGE_SIZE);
    sms_answer(r, SMS_PASID, 2, 0);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, r->page, 1, 8));
    sms_free(r);
}

/*
 * Migration with a PASID being drained: its entry is gone, and the wait, with
 * PD, waits for translated DMA, as does a page request for its answer.  On the
 * other side nothing is in use, so the wait completes; what the device had of
 * translations it has not, and asks again.
 */
static void test_migrate(void)
{
    SMSva *r = sms_new(VTD_SM_FIRST, SMS_UNIT, " -m 256M");
    g_autofree char *unit = vtd_machine(SMS_UNIT);
    uint64_t regs = r->sva->bar.addr;
    QTestState *qts;
    char *file;
    VTD *to;

    sms_map(r, SMS_IOVA);
    viommu_fill(r->vtd, r->page, BLANK, 8);
    sms_hold(r, 1, SMS_IOVA);
    sms_start(r, 2, true, SVT_F_ATC | SVT_F_PAGES, SMS_IOVA + VTD_PAGE_SIZE, 1);
    viommu_until(r->vtd, vtd_read64(r->vtd, VTD_PQT) != 0);
    vtd_sm_detach(r->vtd, SVA_SID, SMS_PASID);
    vtd_queue_put(r->vtd, VTD_D_PC | VTD_D_G(1) | VTD_D_DID(SMS_DID) |
                  VTD_D_PASID(SMS_PASID), 0);
    vtd_queue_put(r->vtd, VTD_D_PIOTLB | VTD_D_G(2) | VTD_D_DID(SMS_DID) |
                  VTD_D_PASID(SMS_PASID), 0);
    vtd_queue_put(r->vtd, devptlb(SMS_PASID), EVERYTHING | VTD_D_DEVPTLB_S);
    vtd_queue_put(r->vtd, VTD_D_WAIT_DATA(++r->vtd->iq_ticket) | VTD_D_WAIT |
                  VTD_D_WAIT_SW | VTD_D_WAIT_PD, r->vtd->iq_status);
    vtd_queue_kick(r->vtd);
    viommu_turns(r->vtd);
    g_assert_false(sms_done(r));

    file = unit_save(r->vtd->qts);
    qts = qtest_initf("%s %s -m 256M -incoming defer", unit, SVA_DEVICE);
    unit_load(qts, file);
    to = vtd_adopt(r->vtd, qts);
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    vtd_inv_wait(to, VTD_QUEUED);
    /* There is no such PASID any more: neither for the one nor the other. */
    for (unsigned i = 1; i <= 2; i++) {
        viommu_until(to, qtest_readl(qts, regs + i * SVT_CONTEXT_SIZE +
                                     SVT_STATUS) == SVT_S_FAULT);
    }
    g_assert_true(viommu_is_filled(to, r->page, BLANK, 8));
    g_assert_cmpuint(qtest_readl(qts, regs + SVT_KEPT), ==, 0);
    vtd_stop(to);
    sms_free(r);
}

/*
 * A range that is much larger than what is there costs what it finds: very many
 * of them, and a wait, in one tail write.
 */
static void test_large_ranges(void)
{
    SMSva *r = rig_new(&types[0]);
    unsigned i;

    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC | SVT_F_PASID, SMS_PASID,
                             SMS_IOVA, 8, 1), ==, SVT_S_OK);
    for (i = 0; i < 120; i++) {
        vtd_queue_put(r->vtd, VTD_D_PIOTLB | VTD_D_G(3) | VTD_D_DID(SMS_DID) |
                      VTD_D_PASID(SMS_PASID), i % 2 ? 52 : 40);
    }
    vtd_queue_put(r->vtd, devptlb(SMS_PASID), EVERYTHING | VTD_D_DEVPTLB_S);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    sms_wait(r);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_FSTS), ==, 0);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    sms_free(r);
}

/* A page of a process goes: from the IOTLB, and from the device, or not */
static void check_sanitizer(bool correct)
{
    SMSva *r = sms_new(VTD_SM_FIRST, SMS_UNIT ",sanitizer=on", "");

    sms_map(r, SMS_IOVA);
    g_assert_false(sva_knows_pasid(r->sva, SMS_PASID));
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, SMS_PASID, SMS_IOVA, 8, 1),
                    ==, SVT_S_OK);
    g_assert_true(sva_knows_pasid(r->sva, SMS_PASID));
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_ATC, SMS_PASID,
                             SMS_IOVA, 8, 1), ==, SVT_S_OK);
    vtd_sm_map(r->vtd, &r->space, SMS_IOVA, 0, 1, 0);
    vtd_sm_inv_start(r->vtd, VTD_PAGE, &r->space, SMS_IOVA, 0);
    sms_wait(r);
    if (correct) {
        sms_inv_start(r, devptlb(SMS_PASID), SMS_IOVA);
        sms_wait(r);
    }
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_ATC, SMS_PASID,
                             SMS_IOVA, 8, 1), ==,
                    correct ? SVT_S_FAULT : SVT_S_OK);
    sva_assert_found(r->sva, correct ? NULL : "stale-use", SMS_PASID, SMS_IOVA,
                     "by what its own cache (ATC) was told (looked up ");
    sms_free(r);
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
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/ats/waits/%s",
                                                types[i].name);

        qtest_add_data_func(path, &types[i], test_waits);
    }
#define ADD(name, fn) qtest_add_func("/viommu/vtd-sm/ats/" name, fn)
    ADD("scope", test_scope);
    ADD("without-pasid", test_without_pasid);
    ADD("batch", test_batch);
    ADD("reset", test_reset);
    ADD("migrate", test_migrate);
    ADD("large-ranges", test_large_ranges);
    ADD("sanitizer/stale", test_sanitizer_stale);
    ADD("sanitizer/correct", test_sanitizer_correct);
#undef ADD
    return g_test_run();
}
