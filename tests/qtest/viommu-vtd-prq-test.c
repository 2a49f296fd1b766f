/*
 * VT-d: page requests: the queue, its events, answers, and when it is full
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An x-sva-test asks for the pages that it lacks in a first stage with a PASID;
 * the test is the driver that finds the requests, maps, and answers.
 */
#include "qemu/osdep.h"
#include "viommu-sva.h"
#include "viommu-vtd-sm.h"

#define DID         9
#define PASID       77
#define IOVA        0x10000000ULL
#define MARK        0x5a
#define FLAGS       (SVT_F_PASID | SVT_F_ATC | SVT_F_PAGES)
#define VECTOR      0x51         /* and the following ones */
#define DESC        32           /* bytes of a page request descriptor */

typedef struct Rig {
    VTD *vtd;
    SVA *sva;
    VTDSMSpace space;
    uint64_t queue, page;
} Rig;

/* The first stage has the tables, but no page; the queue's event is masked. */
static Rig *rig_new(void)
{
    Rig *r = g_new0(Rig, 1);
    uint64_t context;

    r->vtd = vtd_sm_start(VTD_SM_ALL ",device-iotlb=on,svm=on", SVA_DEVICE);
    r->sva = sva_open(&r->vtd->unit, SVA_SID);
    r->queue = vtd_alloc(r->vtd, 1);
    r->page = vtd_alloc(r->vtd, 1);
    vtd_sm_space_init(r->vtd, &r->space, VTD_SM_FIRST, DID, PASID);
    vtd_sm_pte(r->vtd, &r->space, IOVA, 1);
    vtd_sm_attach(r->vtd, SVA_SID, &r->space);
    context = vtd_sm_context(r->vtd, SVA_SID);
    qtest_writeq(r->vtd->qts, context, qtest_readq(r->vtd->qts, context) |
                 VTD_SM_CTX_DTE | VTD_SM_CTX_PRE);
    vtd_enable(r->vtd, VTD_QUEUED);
    vtd_write64(r->vtd, VTD_PQH, 0);
    vtd_write64(r->vtd, VTD_PQT, 0);
    vtd_write64(r->vtd, VTD_PQA, r->queue);
    sva_enable(r->sva, SVA_ATS | SVA_PASID | SVA_PRI);
    return r;
}

static void rig_free(Rig *r)
{
    sva_close(r->sva);
    vtd_stop(r->vtd);
    g_free(r);
}

static uint64_t tail(Rig *r)
{
    return vtd_read64(r->vtd, VTD_PQT);
}

static void start_fill(Rig *r, unsigned context, uint64_t iova)
{
    sva_set(r->sva, context, SVT_ARG, MARK);
    sva_start(r->sva, context, SVT_C_FILL, FLAGS, PASID, 0, iova, 8);
}

static void answer(Rig *r, unsigned group, unsigned code)
{
    vtd_queue_put(r->vtd, VTD_D_RESPONSE | VTD_D_RESPONSE_PP |
                  VTD_D_RESPONSE_CODE(code) | VTD_D_RESPONSE_SID(SVA_SID) |
                  VTD_D_PASID(PASID), group << 3);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    vtd_inv_wait(r->vtd, VTD_QUEUED);
}

/* What is at the head is @context's, for a write at @iova; it is taken. */
static void take(Rig *r, unsigned context, uint64_t iova)
{
    uint64_t head = vtd_read64(r->vtd, VTD_PQH);
    uint64_t lo = qtest_readq(r->vtd->qts, r->queue + head);
    uint64_t hi = qtest_readq(r->vtd->qts, r->queue + head + 8);

    g_assert_cmphex(lo & 0xff, ==, 1);
    g_assert_cmphex(lo >> 8 & 1, ==, 1);
    g_assert_cmphex(lo >> 16 & 0xffff, ==, SVA_SID);
    g_assert_cmphex(lo >> 32 & 0xfffff, ==, PASID);
    g_assert_cmphex(hi & 6, ==, 6);          /* write, last in its group */
    g_assert_cmphex(hi >> 3 & 0x1ff, ==, context);
    g_assert_cmphex(hi & VTD_PTE_ADDR, ==, iova);
    vtd_write64(r->vtd, VTD_PQH, (head + DESC) % VTD_PAGE_SIZE);
}

/* Asked for, mapped, answered, written */
static void test_served(void)
{
    Rig *r = rig_new();

    start_fill(r, 0, IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==, VTD_PRS_PPR);
    take(r, 0, IOVA);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PRS), ==, 0);
    vtd_sm_map(r->vtd, &r->space, IOVA, r->page, 1, VTD_PTE_RW);
    answer(r, 0, 0);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, r->page, MARK, 8));
    vtd_assert_no_fault(r->vtd);
    rig_free(r);
}

/* Refused: the command ends, and nothing is written. */
static void test_refused(void)
{
    Rig *r = rig_new();

    start_fill(r, 3, IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    take(r, 3, IOVA);
    answer(r, 3, 1);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_FAULT);
    g_assert_true(viommu_is_filled(r->vtd, r->page, 0, 8));
    rig_free(r);
}

/* Masked, the event is held pending; serviced, it goes without a message. */
static void test_event(void)
{
    Rig *r = rig_new();

    vtd_write32(r->vtd, VTD_PEADDR, VIOMMU_MSI_ADDR);
    vtd_write32(r->vtd, VTD_PEDATA, VECTOR);
    start_fill(r, 0, IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PECTL), ==,
                    VTD_ECTL_IM | VTD_ECTL_IP);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PPR);
    g_assert_cmphex(vtd_read32(r->vtd, VTD_PECTL), ==, VTD_ECTL_IM);
    vtd_write32(r->vtd, VTD_PECTL, 0);
    g_assert_false(viommu_irq_arrived(r->vtd, 0, VECTOR));
    start_fill(r, 1, IOVA);
    viommu_until(r->vtd, tail(r) == 2 * DESC);
    g_assert_true(viommu_irq_arrived(r->vtd, 0, VECTOR));
    rig_free(r);
}

/*
 * No room: PRO is set, and what came is answered with success, which makes the
 * device ask again; so it goes on once there is room.
 */
static void test_overflow(void)
{
    Rig *r = rig_new();

    /* The head is just ahead of the tail: full */
    vtd_write64(r->vtd, VTD_PQH, DESC);
    start_fill(r, 0, IOVA);
    viommu_until(r->vtd, vtd_read32(r->vtd, VTD_PRS) & VTD_PRS_PRO);
    g_assert_cmphex(tail(r), ==, 0);
    vtd_write64(r->vtd, VTD_PQH, 0);
    /* Until it is cleared, nothing is taken. */
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
    g_assert_cmphex(tail(r), ==, 0);
    vtd_write32(r->vtd, VTD_PRS, VTD_PRS_PRO);
    start_fill(r, 0, IOVA);
    viommu_until(r->vtd, tail(r) == DESC);
    take(r, 0, IOVA);
    rig_free(r);
}

/* Without PRE in the context entry: a fault (47h), and nothing is queued. */
static void test_not_enabled(void)
{
    Rig *r = rig_new();
    uint64_t context = vtd_sm_context(r->vtd, SVA_SID);
    VTDFault fault;

    qtest_writeq(r->vtd->qts, context,
                 qtest_readq(r->vtd->qts, context) & ~VTD_SM_CTX_PRE);
    vtd_inv_everything(r->vtd);
    start_fill(r, 0, IOVA);
    g_assert_cmpint(sva_finish(r->sva, 0), ==, SVT_S_FAULT);
    g_assert_cmphex(tail(r), ==, 0);
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_S_CTX_PRE);
    g_assert_cmphex(VTD_FRCD_PASID(fault.hi), ==, PASID);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vtd/prq/served", test_served);
    qtest_add_func("/viommu/vtd/prq/refused", test_refused);
    qtest_add_func("/viommu/vtd/prq/event", test_event);
    qtest_add_func("/viommu/vtd/prq/overflow", test_overflow);
    qtest_add_func("/viommu/vtd/prq/not-enabled", test_not_enabled);
    return g_test_run();
}
