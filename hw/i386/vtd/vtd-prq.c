/*
 * VT-d: the page request queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 7.4 and 11.4.11.  A page request of an endpoint becomes a descriptor at
 * the tail; software takes it from the head, and answers with a page group
 * response descriptor in the invalidation queue.  All of the state is in the
 * registers.
 *
 * A queue that is full sets PRO, and until software clears it every request is
 * dropped; for a group whose last one is the endpoint is told "success", so
 * that it tries again.  A request is in the queue when the endpoint's call
 * returns: a wait descriptor with PD has nothing to wait for.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "system/dma.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-fault.h"
#include "vtd-prq.h"
#include "vtd-tables-sm.h"

#define VTD_PRS_CONDITIONS (VTD_PRS_PRO | VTD_PRS_PPR)

static void vtd_prq_send_event(IntelIOMMUState *s)
{
    vtd_event_send(s, vtd_event_message(s, DMAR_PEADDR_REG, DMAR_PEUADDR_REG,
                                        DMAR_PEDATA_REG));
}

/* A condition that is set already has been told, or will be (7.10). */
static void vtd_prq_raise(IntelIOMMUState *s, uint32_t condition)
{
    uint32_t prs = vtd_reg32(s, DMAR_PRS_REG);

    vtd_reg32_set(s, DMAR_PRS_REG, prs | condition);
    if (prs & VTD_PRS_CONDITIONS) {
        return;
    }
    if (vtd_reg32(s, DMAR_PECTL_REG) & VTD_PECTL_IM) {
        vtd_reg32_change(s, DMAR_PECTL_REG, 0, VTD_PECTL_IP);
    } else {
        vtd_prq_send_event(s);
    }
}

/* Returns: false if there is no room, or no memory */
static bool vtd_prq_put(IntelIOMMUState *s, const VTDPageRequest *req)
{
    uint64_t pqa = vtd_reg64(s, DMAR_PQA_REG);
    uint64_t head = vtd_reg64(s, DMAR_PQH_REG);
    uint64_t tail = vtd_reg64(s, DMAR_PQT_REG);
    uint64_t mask = (VTD_PAGE_SIZE << VTD_PQA_PQS(pqa)) - 1;
    uint64_t next = (tail + VTD_PRD_SIZE) & mask;
    dma_addr_t addr = (VTD_PQA_ADDR(pqa) & VTD_AW_MASK(s->aw_bits)) +
                      (tail & mask);
    uint64_t words[VTD_PRD_SIZE / 8];

    if (next == (head & mask)) {
        return false;
    }
    vtd_encode_page_request(req, words);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        words[i] = cpu_to_le64(words[i]);
    }
    if (dma_memory_write(&address_space_memory, addr, words, sizeof(words),
                         VTD_MEM_ATTRS) != MEMTX_OK) {
        return false;
    }
    /* The descriptor is visible before the tail is. */
    vtd_reg64_set(s, DMAR_PQT_REG, next);
    return true;
}

/* Returns: false if the tables do not let it pass; then it has been recorded */
static bool vtd_prq_allowed(IntelIOMMUState *s, const VTDPageRequest *page)
{
    VTDSMRequest req = {
        .page = true,
        .has_pasid = page->has_pasid,
        .pasid = page->pasid,
        .priv = page->priv,
        .exec = page->exec,
    };
    VTDFaultReason reason = VTD_FR_RTADDR_INV_TTM;
    bool quiet = false;

    if (s->root_ttm == VTD_RTADDR_TTM_SCALABLE) {
        reason = vtd_sm_check_page(s, s->root, page->sid, &req, &quiet);
    } else if (s->root_ttm == VTD_RTADDR_TTM_LEGACY) {
        reason = VTD_FR_RTADDR_PAGE_REQ;
    }
    if (reason == VTD_FR_NONE) {
        return true;
    }
    if (!quiet || !vtd_fault_is_qualified(reason)) {
        vtd_record_dma_fault(s, &(VTDFaultRecord) {
            .sid = page->sid,
            .reason = reason,
            .addr = page->addr,
            .page = true,
            .has_pasid = page->has_pasid,
            .pasid = page->pasid,
            .exec = page->exec,
            .priv = page->priv,
        });
    }
    return false;
}

VIOMMUPageCode vtd_prq_request(VIOMMU *v, VIOMMUEndpoint *ep,
                               const VIOMMUPageRequest *req)
{
    IntelIOMMUState *s = container_of(v, IntelIOMMUState, viommu);
    VTDPageRequest page = {
        .sid = viommu_endpoint_sid(ep),
        .has_pasid = req->pasid != VIOMMU_NO_PASID,
        .pasid = req->pasid,
        .exec = req->exec,
        .priv = req->priv,
        .read = req->read,
        .write = req->write,
        .last = req->last,
        .prgi = req->prgi,
        .addr = req->iova,
    };

    if (!(s->ecap & VTD_ECAP_PRS) || !s->dmar_enabled ||
        !vtd_prq_allowed(s, &page)) {
        return VIOMMU_PAGE_INVALID;
    }
    if (vtd_reg32(s, DMAR_PRS_REG) & VTD_PRS_PRO) {
        trace_vtd_prq_lost(page.sid, req->prgi, "overflow is pending");
        return VIOMMU_PAGE_SUCCESS;
    }
    if (!vtd_prq_put(s, &page)) {
        trace_vtd_prq_lost(page.sid, req->prgi, "no room");
        vtd_prq_raise(s, VTD_PRS_PRO);
        return VIOMMU_PAGE_SUCCESS;
    }
    trace_vtd_prq_request(page.sid, page.pasid, page.addr, page.prgi);
    vtd_prq_raise(s, VTD_PRS_PPR);
    return VIOMMU_PAGE_QUEUED;
}

/* Nothing left to be told, so a held message goes */
void vtd_prs_written(IntelIOMMUState *s)
{
    if (!(vtd_reg32(s, DMAR_PRS_REG) & VTD_PRS_CONDITIONS)) {
        vtd_reg32_change(s, DMAR_PECTL_REG, VTD_PECTL_IP, 0);
    }
}

void vtd_pectl_written(IntelIOMMUState *s)
{
    uint32_t pectl = vtd_reg32(s, DMAR_PECTL_REG);

    if ((pectl & VTD_PECTL_IP) && !(pectl & VTD_PECTL_IM)) {
        vtd_reg32_change(s, DMAR_PECTL_REG, VTD_PECTL_IP, 0);
        vtd_prq_send_event(s);
    }
}
