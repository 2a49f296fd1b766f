/*
 * An x-sva-test behind a VT-d unit in scalable mode
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm-sva.h"

SMSva *sms_new(VTDSMType type, const char *unit, const char *args)
{
    g_autofree char *all = g_strdup_printf("%s%s", SVA_DEVICE, args);
    SMSva *r = g_new0(SMSva, 1);

    r->vtd = vtd_sm_start(unit, all);
    r->sva = sva_open(&r->vtd->unit, SVA_SID);
    r->queue = vtd_alloc(r->vtd, 1);
    vtd_sm_space_init(r->vtd, &r->space, type, SMS_DID, SMS_PASID);
    vtd_sm_attach(r->vtd, SVA_SID, &r->space);
    r->context = vtd_sm_context(r->vtd, SVA_SID);
    sms_poke(r, r->context, 0, VTD_SM_CTX_DTE | VTD_SM_CTX_PRE);
    vtd_enable(r->vtd, VTD_QUEUED);
    vtd_write64(r->vtd, VTD_PQH, 0);
    vtd_write64(r->vtd, VTD_PQT, 0);
    vtd_write64(r->vtd, VTD_PQA, r->queue);
    sva_enable(r->sva, SVA_ATS | SVA_PASID | SVA_PRI);
    return r;
}

void sms_free(SMSva *r)
{
    sva_close(r->sva);
    vtd_stop(r->vtd);
    g_free(r);
}

uint64_t sms_map(SMSva *r, uint64_t iova)
{
    if (r->space.type == VTD_SM_PASS_THROUGH) {
        r->page = iova;
    } else {
        r->page = vtd_alloc(r->vtd, 1);
        vtd_sm_map(r->vtd, &r->space, iova, r->page, 1, VTD_PTE_RW);
    }
    return r->page;
}

void sms_poke(SMSva *r, uint64_t gpa, uint64_t clear, uint64_t set)
{
    qtest_writeq(r->vtd->qts, gpa,
                 (qtest_readq(r->vtd->qts, gpa) & ~clear) | set);
}

void sms_forget(SMSva *r)
{
    vtd_queue_put(r->vtd, VTD_D_CC | VTD_D_G(VTD_GLOBAL), 0);
    vtd_queue_put(r->vtd, VTD_D_PC | VTD_D_G(3), 0);
    vtd_inv_iotlb(r->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
}

void sms_start(SMSva *r, unsigned context, bool is_write, uint32_t flags,
               uint64_t iova, uint8_t byte)
{
    sva_set(r->sva, context, SVT_ARG, byte);
    sva_start(r->sva, context, is_write ? SVT_C_FILL : SVT_C_COMPARE,
              flags | SVT_F_PASID, SMS_PASID, iova, iova, 8);
}

void sms_hold(SMSva *r, unsigned context, uint64_t iova)
{
    sms_start(r, context, true, SVT_F_ATC | SVT_F_HOLD, iova, 0x5a);
    g_assert_cmpint(sva_finish(r->sva, context), ==, SVT_S_HELD);
}

void sms_inv_start(SMSva *r, uint64_t lo, uint64_t hi)
{
    vtd_queue_put(r->vtd, lo, hi);
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
}

bool sms_done(SMSva *r)
{
    return vtd_inv_done(r->vtd, VTD_QUEUED);
}

void sms_wait(SMSva *r)
{
    vtd_inv_wait(r->vtd, VTD_QUEUED);
}

void sms_answer(SMSva *r, uint32_t pasid, unsigned group, unsigned code)
{
    sms_inv_start(r, VTD_D_RESPONSE | VTD_D_RESPONSE_PP |
                  VTD_D_RESPONSE_CODE(code) | VTD_D_RESPONSE_SID(SVA_SID) |
                  VTD_D_PASID(pasid), group << 3);
    sms_wait(r);
}
