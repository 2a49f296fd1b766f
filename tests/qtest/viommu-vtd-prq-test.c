/*
 * VT-d: page requests: the queue, its events, answers, and when it is full
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An x-sva-test asks for the pages that it lacks in a first stage with a PASID;
 * the test is the driver that finds the requests, maps, and answers.  A unit in
 * another process says what it has done before the device has its answer, or a
 * processor its interrupt: those are waited for.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-vtd-sm-sva.h"

#define MARK        0x5a
#define FLAGS       (SVT_F_ATC | SVT_F_PAGES)
#define VECTOR      0x51         /* and the following ones */
#define DESC        32           /* bytes of a page request descriptor */
#define SUCCESS     0
#define INVALID     1
#define FAILURE     15

/* The first stage has the tables, but no page; the queue's event is masked. */
static SMSva *rig_new(void)
{
    SMSva *r = sms_new(VTD_SM_FIRST, SMS_UNIT, "");

    vtd_sm_pte(r->vtd, &r->space, SMS_IOVA, 1);
    return r;
}

static uint64_t tail(SMSva *r)
{
    return vtd_read64(r->vtd, VTD_PQT);
}

static void start_fill(SMSva *r, unsigned context, uint64_t iova)
{
    sms_start(r, context, true, FLAGS, iova, MARK);
}

static void answer(SMSva *r, unsigned group, unsigned code)
{
    sms_answer(r, SMS_PASID, group, code);
}

static uint16_t pri_status(SMSva *r)
{
    return sva_cap_read16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS);
}

/*
 * What is at the head is @context's, for a write at @iova, @last of its group;
 * it is taken.
 */
static void take_of_group(SMSva *r, unsigned context, uint64_t iova, bool last)
{
    uint64_t head = vtd_read64(r->vtd, VTD_PQH);
    uint64_t lo = qtest_readq(r->vtd->qts, r->queue + head);
    uint64_t hi = qtest_readq(r->vtd->qts, r->queue + head + 8);

    g_assert_cmphex(lo & 0xff, ==, 1);
    g_assert_cmphex(lo >> 8 & 1, ==, 1);
    g_assert_cmphex(lo >> 16 & 0xffff, ==, SVA_SID);
    g_assert_cmphex(lo >> 32 & 0xfffff, ==, SMS_PASID);
    g_assert_cmphex(hi & 7, ==, last ? 6 : 2);      /* write, and LPIG */
    g_assert_cmphex(hi >> 3 & 0x1ff, ==, context);
    g_assert_cmphex(hi & VTD_PTE_ADDR, ==, iova);
    vtd_write64(r->vtd, VTD_PQH, (head + DESC) % VTD_PAGE_SIZE);
}

static void take(SMSva *r, unsigned context, uint64_t iova)
{
    take_of_group(r, context, iova, true);
}

/* Asked for, mapped, answered, written */
static void test_served(void)
{
    SMSva *r = rig_new();

    start_fill(r, 0, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==, VTD_PRS_PPR);
    take(r, 0, SMS_IOVA);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==, 0);
    sms_map(r, SMS_IOVA);
    answer(r, 0, SUCCESS);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, r->page, MARK, 8));
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/*
 * Refused: the command ends, and nothing is written.  The device says so by an
 * interrupt, out of the register write that brought the answer.
 */
static void test_refused(void)
{
    SMSva *r = rig_new();

    sva_msi(r->sva, VIOMMU_MSI_ADDR, VECTOR);
    sms_start(r, 3, true, FLAGS | SVT_F_IRQ, SMS_IOVA, MARK);
    viommu_until(r->vtd, tail(r) == DESC);
    take(r, 3, SMS_IOVA);
    answer(r, 3, INVALID);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_FAULT);
    g_assert_cmphex(pri_status(r), ==, PCI_PRI_STATUS_PASID);
    g_assert_true(viommu_irq_arrived(r->vtd, 0, VECTOR));
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/* Stopped while it waits for a page: not before it has been answered */
static void test_stopped(void)
{
    SMSva *r = rig_new();
    uint64_t page;

    sva_msi(r->sva, VIOMMU_MSI_ADDR, VECTOR);
    sms_start(r, 2, true, FLAGS | SVT_F_IRQ, SMS_IOVA, MARK);
    viommu_until(r->vtd, tail(r) == DESC);
    sva_set32(r->sva, 2, SVT_CMD, SVT_C_STOP);
    viommu_turns(r->vtd);
    g_assert_cmpint(sva_get32(r->sva, 2, SVT_STATUS), ==, SVT_S_BUSY);
    page = sms_map(r, SMS_IOVA);
    answer(r, 2, SUCCESS);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_STOPPED);
    g_assert_true(viommu_is_filled(r->vtd, page, 0, 8));
    g_assert_true(viommu_irq_arrived(r->vtd, 0, VECTOR));
    sms_free(r);
}

/* Masked, the event is held pending; serviced, it goes without a message. */
static void test_event(void)
{
    SMSva *r = rig_new();

    vtd_write32(r->vtd, VTD_PEADDR, VIOMMU_MSI_ADDR);
    vtd_write32(r->vtd, VTD_PEDATA, VECTOR);
    start_fill(r, 0, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PECTL), ==,
                    VTD_ECTL_IM | VTD_ECTL_IP);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PECTL), ==, VTD_ECTL_IM);
    vtd_write32(r->vtd, VTD_PECTL, 0);
    g_assert_false(viommu_irq_arrived(r->vtd, 0, VECTOR));
    start_fill(r, 1, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == 2 * DESC);
    viommu_until(r->vtd, viommu_irq_arrived(r->vtd, 0, VECTOR));
    /* Not serviced, it is not repeated (7.5), neither now nor later. */
    vtd_write32(r->vtd, VTD_PEDATA, VECTOR + 1);
    start_fill(r, 2, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == 3 * DESC);
    g_assert_false(viommu_irq_arrived(r->vtd, 0, VECTOR + 1));
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PECTL), ==, 0);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PPR);
    g_assert_false(viommu_irq_arrived(r->vtd, 0, VECTOR + 1));
    start_fill(r, 3, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == 4 * DESC);
    viommu_until(r->vtd, viommu_irq_arrived(r->vtd, 0, VECTOR + 1));
    sms_free(r);
}

/*
 * No room: PRO is set, and what came is answered with success, which makes the
 * device ask again; so it goes on once there is room.
 */
static void test_overflow(void)
{
    SMSva *r = rig_new();

    /* The head is just ahead of the tail: full */
    vtd_write64(r->vtd, VTD_PQH, DESC);
    start_fill(r, 0, SMS_IOVA);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_PRS) & VTD_PRS_PRO);
    g_assert_cmphex(tail(r), ==, 0);
    vtd_write64(r->vtd, VTD_PQH, 0);
    /* Until it is cleared, nothing is taken. */
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
    g_assert_cmphex(tail(r), ==, 0);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PRO);
    start_fill(r, 0, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    take(r, 0, SMS_IOVA);
    sms_free(r);
}

/* Response Failure, and reserved codes: no page request is answered more. */
static void test_failure(void)
{
    static const unsigned codes[] = { FAILURE, 2, 14 };

    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        SMSva *r = rig_new();

        start_fill(r, 0, SMS_IOVA);
        viommu_until(r->vtd, tail(r) == DESC);
        start_fill(r, 1, SMS_IOVA);
        viommu_until(r->vtd, tail(r) == 2 * DESC);
        answer(r, 0, codes[i]);
        g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
        g_assert_cmpint(sva_finish(r->sva, 1), ==, SVT_S_FAULT);
        g_assert_cmphex(pri_status(r), ==, PCI_PRI_STATUS_PASID |
                        PCI_PRI_STATUS_RF);
        start_fill(r, 2, SMS_IOVA);
        g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_DENIED);
        g_assert_cmphex(tail(r), ==, 2 * DESC);
        /* Until software has seen it */
        sva_cap_write16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS,
                        PCI_PRI_STATUS_RF);
        start_fill(r, 2, SMS_IOVA);
        viommu_until(r->vtd, tail(r) == 3 * DESC);
        sms_free(r);
    }
}

/* What is for no group that waits is told, and changes nothing. */
static void test_unexpected(void)
{
    SMSva *r = rig_new();

    start_fill(r, 4, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    for (unsigned i = 0; i < 3; i++) {
        /* Another group, another PASID; another device hears nothing */
        sms_answer(r, i == 1 ? SMS_PASID + 1 : SMS_PASID, i ? 4 : 5, SUCCESS);
        if (i == 1) {
            sms_inv_start(r, VTD_D_RESPONSE | VTD_D_RESPONSE_PP |
                          VTD_D_RESPONSE_SID(SVA_SID + 1) |
                          VTD_D_PASID(SMS_PASID), 4 << 3);
            sms_wait(r);
        }
        viommu_until(r->vtd, pri_status(r) ==
                             (PCI_PRI_STATUS_PASID |
                              (i < 2 ? PCI_PRI_STATUS_UPRGI : 0)));
        sva_cap_write16(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS,
                        PCI_PRI_STATUS_UPRGI);
        if (i < 2) {
            g_assert_cmpint(sva_get32(r->sva, 4, SVT_STATUS), ==, SVT_S_BUSY);
        }
    }
    /* "Success" makes it try again, and ask again. */
    viommu_until(r->vtd, tail(r) == 2 * DESC);
    g_assert_cmpuint(sva_get32(r->sva, 4, SVT_PAGES), ==, 2);
    sms_free(r);
}

/*
 * A stop marker: no right is asked for, nobody answers it, and it comes after
 * what was asked for before.
 */
static void test_marker(void)
{
    SMSva *r = rig_new();
    uint64_t lo, hi;

    start_fill(r, 0, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    sva_set32(r->sva, 1, SVT_FLAGS, SVT_F_PASID);
    sva_set32(r->sva, 1, SVT_PASID, SMS_PASID);
    sva_set32(r->sva, 1, SVT_CMD, SVT_C_MARKER);
    g_assert_cmpint(sva_finish(r->sva, 1), ==, SVT_S_OK);
    g_assert_cmphex(tail(r), ==, 2 * DESC);
    take(r, 0, SMS_IOVA);
    lo = qtest_readq(r->vtd->qts, r->queue + DESC);
    hi = qtest_readq(r->vtd->qts, r->queue + DESC + 8);
    g_assert_cmphex(lo, ==, 1 | 1 << 8 | SVA_SID << 16 |
                    (uint64_t)SMS_PASID << 32);
    g_assert_cmphex(hi & 7, ==, 4);          /* LPIG alone */
    sms_free(r);
}

/* PD: the wait completes behind page requests that came before (7.7). */
static void test_drained(void)
{
    SMSva *r = rig_new();
    VTD *vtd = r->vtd;

    for (unsigned i = 0; i < 4; i++) {
        start_fill(r, i, SMS_IOVA);
    }
    vtd_queue_put(vtd, VTD_D_DEVPTLB | VTD_D_DEVPTLB_SID(SVA_SID) |
                  VTD_D_PASID(SMS_PASID), SMS_IOVA);
    vtd_queue_put(vtd, VTD_D_WAIT_DATA(++vtd->iq_ticket) | VTD_D_WAIT |
                  VTD_D_WAIT_SW | VTD_D_WAIT_PD, vtd->iq_status);
    vtd_queue_kick(vtd);
    sms_wait(r);
    /* As many as the device had sent then, none of them half-written */
    for (unsigned i = 0; i * DESC < tail(r); i++) {
        g_assert_cmphex(qtest_readb(vtd->qts, r->queue + i * DESC), ==, 1);
    }
    /* PD alone is something to wait for, too. */
    vtd_queue_put(vtd, VTD_D_WAIT | VTD_D_WAIT_PD, 0);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    sms_wait(r);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS) & VTD_FSTS_IQE, ==, 0);
    sms_free(r);
}

/* @count pages from SMS_IOVA on, to write, in one group */
static void start_ask(SMSva *r, unsigned context, uint64_t count)
{
    sva_set(r->sva, context, SVT_ARG, 1);
    sva_start(r->sva, context, SVT_C_ASK, FLAGS | SVT_F_PASID, SMS_PASID, 0,
              SMS_IOVA, count);
}

/* Several requests with one answer, which no other group's is */
static void test_group(void)
{
    enum { COUNT = 5 };
    SMSva *r = rig_new();

    start_ask(r, 3, COUNT);
    viommu_until(r->vtd, tail(r) == COUNT * DESC);
    start_ask(r, 4, 1);
    viommu_until(r->vtd, tail(r) == (COUNT + 1) * DESC);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t iova = SMS_IOVA + i * VTD_PAGE_SIZE;

        take_of_group(r, 3, iova, i + 1 == COUNT);
        sms_map(r, iova);
    }
    take(r, 4, SMS_IOVA);
    answer(r, 4, SUCCESS);
    g_assert_cmpint(sva_finish(r->sva, 4), ==, SVT_S_OK);
    viommu_turns(r->vtd);
    g_assert_cmpint(sva_get32(r->sva, 3, SVT_STATUS), ==, SVT_S_BUSY);
    answer(r, 3, SUCCESS);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_OK);
    g_assert_cmpuint(sva_get(r->sva, 3, SVT_DONE), ==, COUNT);
    g_assert_cmpuint(sva_get32(r->sva, 3, SVT_PAGES), ==, COUNT);
    g_assert_cmphex(pri_status(r), ==, PCI_PRI_STATUS_PASID);
    start_ask(r, 3, COUNT);
    viommu_until(r->vtd, tail(r) == (2 * COUNT + 1) * DESC);
    answer(r, 3, INVALID);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_FAULT);
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/* All requests of a group count among those that there may be. */
static void test_group_limit(void)
{
    SMSva *r = rig_new();
    unsigned most = sva_cap_read32(r->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_MAX_REQ);

    start_ask(r, 0, most + 1);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_COMMAND);
    g_assert_cmphex(tail(r), ==, 0);
    start_ask(r, 0, most - 1);
    viommu_until(r->vtd, tail(r) == (most - 1) * DESC);
    start_ask(r, 1, 2);
    g_assert_cmpint(sva_finish(r->sva, 1), ==, SVT_S_COMMAND);
    start_fill(r, 1, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == most * DESC);
    start_fill(r, 2, SMS_IOVA);
    g_assert_cmpint(sva_finish(r->sva, 2), ==, SVT_S_ERROR);
    answer(r, 0, SUCCESS);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_OK);
    start_ask(r, 0, most - 1);
    viommu_until(r->vtd, tail(r) == (2 * most - 1) * DESC);
    sms_free(r);
}

/*
 * A group that the queue has room for the beginning of: its last request is
 * answered with success by the unit (7.4.1).  Software that answers what it has
 * found is told that nobody waits; the device is free to ask again.
 */
static void test_group_overflow(void)
{
    SMSva *r = rig_new();

    vtd_write64(r->vtd, VTD_PQH, 3 * DESC);
    start_ask(r, 0, 4);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_OK);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==,
                    VTD_PRS_PPR | VTD_PRS_PRO);
    g_assert_cmphex(tail(r), ==, 2 * DESC);
    g_assert_cmphex(pri_status(r), ==, PCI_PRI_STATUS_PASID);
    vtd_write64(r->vtd, VTD_PQH, 0);
    take_of_group(r, 0, SMS_IOVA, false);
    take_of_group(r, 0, SMS_IOVA + VTD_PAGE_SIZE, false);
    answer(r, 0, SUCCESS);
    viommu_until(r->vtd, pri_status(r) == (PCI_PRI_STATUS_PASID |
                                           PCI_PRI_STATUS_UPRGI));
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PRO);
    start_ask(r, 0, 4);
    viommu_until(r->vtd, tail(r) == 6 * DESC);
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/*
 * A flood: as many requests as the device may have, in a queue of 128 that
 * nobody empties.  What does not fit is answered, and PRO said once.
 */
static void test_flood(void)
{
    SMSva *r = rig_new();
    unsigned i;

    for (i = 0; i < SVT_CONTEXTS; i++) {
        start_fill(r, i, SMS_IOVA + i * VTD_PAGE_SIZE);
    }
    viommu_until(r->vtd, tail(r) == SVT_CONTEXTS * DESC);
    /* Each "success" without a page is asked again, until it gives up. */
    for (unsigned round = 0;
         !(vtd_read32(r->vtd, VTD_PRS) & VTD_PRS_PRO); round++) {
        g_assert_cmpuint(round, <, SVT_MAX_TRIES);
        for (i = 0; i < SVT_CONTEXTS; i++) {
            answer(r, i, SUCCESS);
        }
        viommu_turns(r->vtd);
    }
    g_assert_cmphex(tail(r), ==, VTD_PAGE_SIZE - DESC);
    for (i = 0; i < SVT_CONTEXTS; i++) {
        answer(r, i, SUCCESS);
        g_assert_cmpint(sva_finish(r->sva, i), ==, SVT_S_FAULT);
    }
    g_assert_cmphex(tail(r), ==, VTD_PAGE_SIZE - DESC);
    vtd_assert_no_fault(r->vtd);
    sms_free(r);
}

/* A queue that is no memory, or a device's registers: it overflows. */
static void test_no_queue(void)
{
    static const uint64_t queues[] = { 0x7000000000, VTD_BASE, 0xfec00000 };

    for (unsigned i = 0; i < ARRAY_SIZE(queues); i++) {
        SMSva *r = rig_new();

        vtd_write64(r->vtd, VTD_PQA, queues[i]);
        start_fill(r, 0, SMS_IOVA);
        g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
        g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==, VTD_PRS_PRO);
        g_assert_cmphex(tail(r), ==, 0);
        sms_free(r);
    }
}

/*
 * Migration with a request queued and not answered, PRO set, and an event held
 * pending: all of it is there on the other side, and the device asks again.
 */
static void test_migrate(void)
{
    const char *machine = "-m 256M";
    SMSva *r = sms_new(VTD_SM_FIRST, SMS_UNIT, " -m 256M");
    g_autofree char *unit = vtd_machine(SMS_UNIT);
    uint64_t status = r->sva->bar.addr + 5 * SVT_CONTEXT_SIZE + SVT_STATUS;
    QTestState *qts;
    VTD *to;
    char *file;

    vtd_sm_pte(r->vtd, &r->space, SMS_IOVA, 1);
    start_fill(r, 5, SMS_IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    vtd_write64(r->vtd, VTD_PQH, 2 * DESC);
    start_fill(r, 6, SMS_IOVA);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_PRS) & VTD_PRS_PRO);
    g_assert_cmpint(sva_finish(r->sva, 6), ==, SVT_S_FAULT);

    file = unit_save(r->vtd->qts);
    qts = qtest_initf("%s %s %s -incoming defer", unit, SVA_DEVICE, machine);
    unit_load(qts, file);
    to = vtd_adopt(r->vtd, qts);
    sms_free(r);

    g_assert_cmphex(vtd_read64(to, VTD_PQA), !=, 0);
    g_assert_cmphex(vtd_read64(to, VTD_PQH), ==, 2 * DESC);
    g_assert_cmphex(vtd_read64(to, VTD_PQT), ==, DESC);
    g_assert_cmphex(vtd_read32(to, VTD_PRS), ==, VTD_PRS_PRO | VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(to, VTD_PECTL), ==, VTD_ECTL_IM | VTD_ECTL_IP);
    /* It asks again, and is told at once to try again: PRO is set. */
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    viommu_until(to, qtest_readl(to->qts, status) == SVT_S_FAULT);
    g_assert_cmphex(vtd_read64(to, VTD_PQT), ==, DESC);
    vtd_write32(to, VTD_PRS, VTD_PRS_PRO | VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(to, VTD_PECTL), ==, VTD_ECTL_IM);
    vtd_stop(to);
}

/* Without PRE in the context entry: a fault (47h), and nothing is queued. */
static void test_not_enabled(void)
{
    SMSva *r = rig_new();
    uint64_t context = vtd_sm_context(r->vtd, SVA_SID);
    VTDFault fault;

    qtest_writeq(r->vtd->qts, context,
                 qtest_readq(r->vtd->qts, context) & ~VTD_SM_CTX_PRE);
    vtd_inv_everything(r->vtd);
    start_fill(r, 0, SMS_IOVA);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
    g_assert_cmphex(tail(r), ==, 0);
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_S_CTX_PRE);
    g_assert_cmphex(VTD_FRCD_PASID(fault.hi), ==, SMS_PASID);
    sms_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vtd/prq/served", test_served);
    qtest_add_func("/viommu/vtd/prq/refused", test_refused);
    qtest_add_func("/viommu/vtd/prq/stopped", test_stopped);
    qtest_add_func("/viommu/vtd/prq/event", test_event);
    qtest_add_func("/viommu/vtd/prq/overflow", test_overflow);
    qtest_add_func("/viommu/vtd/prq/not-enabled", test_not_enabled);
    qtest_add_func("/viommu/vtd/prq/failure", test_failure);
    qtest_add_func("/viommu/vtd/prq/unexpected", test_unexpected);
    qtest_add_func("/viommu/vtd/prq/marker", test_marker);
    qtest_add_func("/viommu/vtd/prq/drained", test_drained);
    qtest_add_func("/viommu/vtd/prq/flood", test_flood);
    qtest_add_func("/viommu/vtd/prq/group", test_group);
    qtest_add_func("/viommu/vtd/prq/group-limit", test_group_limit);
    qtest_add_func("/viommu/vtd/prq/group-overflow", test_group_overflow);
    qtest_add_func("/viommu/vtd/prq/no-queue", test_no_queue);
    qtest_add_func("/viommu/vtd/prq/migrate", test_migrate);
    return g_test_run();
}
