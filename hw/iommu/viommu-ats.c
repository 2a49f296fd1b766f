/*
 * vIOMMU core: translation requests, page requests, and their answers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * viommu_ats_translate(): any thread; everything else runs under the BQL.
 *
 * A translation request is a lookup like any other, but what an access would
 * fault for is the answer.  It is tried with the rights that the endpoint asks
 * for, then with fewer, so that a page is marked dirty only if the endpoint is
 * told that it may write.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"
#include "trace.h"
#include "viommu-internal.h"

/* Translation requests */

/* What is asked about one IOVA after the other */
typedef struct ATSRequest {
    VIOMMUEndpoint *ep;
    uint32_t attrs;
    bool no_write;
} ATSRequest;

/* A page that is not there, or a right that is not granted: no fault */
static bool ats_fault_is_answer(const VIOMMUFault *fault)
{
    return !fault->denied && !fault->blocked && !fault->reserved_range &&
           (fault->kind == IOPT_FAULT_NOT_PRESENT ||
            fault->kind == IOPT_FAULT_PERMISSION ||
            fault->kind == IOPT_FAULT_PRIVILEGE ||
            fault->kind == IOPT_FAULT_ACCESS_FLAG ||
            fault->kind == IOPT_FAULT_RANGE);
}

static VIOMMUATSStatus ats_fault_status(VIOMMULookup *l)
{
    VIOMMUEndpoint *ep = l->ep;
    VIOMMU *v = ep->viommu;

    if (!qatomic_read(&ep->bus)) {
        return VIOMMU_ATS_UR;
    }
    viommu_lookup_fault(l);
    trace_viommu_ats_fault(viommu_endpoint_sid(ep), l->iova, l->fault.denied,
                           l->fault.blocked, l->fault.kind);
    if (v->ops->ats_fault) {
        return v->ops->ats_fault(v, ep, l->config, &l->fault);
    }
    if (ats_fault_is_answer(&l->fault)) {
        return VIOMMU_ATS_SUCCESS;
    }
    VIOMMU_STAT_INC(v, faults);
    v->ops->fault(v, ep, l->config, &l->fault);
    return l->fault.denied || l->fault.blocked ? VIOMMU_ATS_UR : VIOMMU_ATS_CA;
}

/* One try, with the rights @need.  Returns: were all of them granted? */
static bool ats_try(const ATSRequest *r, VIOMMULookup *l, VIOMMUConfig *fresh,
                    hwaddr iova, unsigned need, uint32_t attrs)
{
    *l = (VIOMMULookup) {
        .ep = r->ep,
        .iova = iova,
        .need = need,
        .attrs = attrs,
        .access = VIOMMU_TRANSLATION_REQUEST,
        .fresh = fresh,
    };
    return viommu_lookup(l);
}

/* Is the page that was found executable, too? */
static bool ats_may_execute(const ATSRequest *r, hwaddr iova)
{
    VIOMMUConfig fresh;
    VIOMMULookup l;

    return (r->attrs & DMA_ATTRS_EXEC) &&
           ats_try(r, &l, &fresh, iova, IOPT_READ, r->attrs);
}

static void ats_entry(const ATSRequest *r, const VIOMMULookup *l,
                      IOMMUTLBEntry *entry)
{
    hwaddr mask = viommu_found_mask(l, true);
    /* What was not asked for may need an update of a table first. */
    unsigned perm = l->need & (IOPT_READ | IOPT_WRITE);

    if ((perm & IOPT_READ) && ats_may_execute(r, l->iova)) {
        perm |= VIOMMU_ATS_EXEC;
    }
    if (r->attrs & DMA_ATTRS_PRIV) {
        perm |= VIOMMU_ATS_PRIV;
    }
    *entry = (IOMMUTLBEntry) {
        .target_as = r->ep->viommu->memory,
        .iova = l->iova & ~mask,
        .translated_addr = l->found.gpa & ~mask,
        .addr_mask = mask,
        .perm = (IOMMUAccessFlags)perm,
    };
}

static void ats_entry_none(const ATSRequest *r, hwaddr iova, unsigned perm,
                           IOMMUTLBEntry *entry)
{
    *entry = (IOMMUTLBEntry) {
        .target_as = r->ep->viommu->memory,
        .iova = iova & ~BYPASS_PAGE_MASK,
        .addr_mask = BYPASS_PAGE_MASK,
        .perm = (IOMMUAccessFlags)perm,
    };
}

/* In an RCU read section */
static VIOMMUATSStatus ats_translate_one(const ATSRequest *r, hwaddr iova,
                                         IOMMUTLBEntry *entry)
{
    static const unsigned needs[] = {
        IOPT_READ | IOPT_WRITE, IOPT_READ, IOPT_WRITE,
    };
    const IOMMUWindow *window = viommu_in_window(r->ep, iova);
    VIOMMUConfig fresh;
    VIOMMULookup l;
    unsigned i;

    if (window && window->kind == IOMMU_WINDOW_MSI &&
        !(r->attrs & DMA_ATTRS_PASID)) {
        /* To be written untranslated: VT-d 4.2.3, PCIe 10.2.3.2 (U) */
        ats_entry_none(r, iova, r->no_write ? IOMMU_NONE :
                       IOMMU_WO | VIOMMU_ATS_UNTRANSLATED, entry);
        return VIOMMU_ATS_SUCCESS;
    }
    for (i = 0; i < ARRAY_SIZE(needs); i++) {
        if ((needs[i] & IOPT_WRITE) && r->no_write) {
            continue;
        }
        if (ats_try(r, &l, &fresh, iova, needs[i],
                    r->attrs & ~DMA_ATTRS_EXEC)) {
            ats_entry(r, &l, entry);
            return VIOMMU_ATS_SUCCESS;
        }
        if (l.fault.kind != IOPT_FAULT_PERMISSION) {
            break;
        }
    }
    ats_entry_none(r, iova, IOMMU_NONE, entry);
    return ats_fault_status(&l);
}

ssize_t viommu_ats_translate(AddressSpace *as, uint32_t attrs, hwaddr addr,
                             hwaddr len, bool no_write, IOMMUTLBEntry *result,
                             size_t n, uint32_t *errors)
{
    ATSRequest r = {
        .ep = viommu_of_address_space(as),
        .attrs = attrs & ~DMA_ATTRS_TRANSLATED,
        .no_write = no_write,
    };
    hwaddr last = len - 1 > HWADDR_MAX - addr ? HWADDR_MAX : addr + (len - 1);
    VIOMMUSanitizer *sanitizer;
    uint64_t seq = 0;
    size_t i;
    DMA_HELD("translation");

    *errors = 0;
    if (!r.ep) {
        return -ENODEV;
    }
    sanitizer = r.ep->viommu->sanitizer;
    if (unlikely(sanitizer)) {
        seq = viommu_sanitize_device_seq(r.ep->viommu);
    }
    RCU_READ_LOCK_GUARD();
    for (i = 0; i < n; i++) {
        switch (ats_translate_one(&r, addr, &result[i])) {
        case VIOMMU_ATS_UR:
            return -EPERM;
        case VIOMMU_ATS_CA:
            return -EIO;
        default:
            break;
        }
        if (unlikely(sanitizer)) {
            viommu_sanitize_granted(r.ep, r.attrs, seq, &result[i]);
        }
        *errors += !(result[i].perm & IOMMU_RW);
        addr = result[i].iova | result[i].addr_mask;
        if (addr >= last) {
            return i + 1;
        }
        addr++;
    }
    return -ENOMEM;
}

/* Page requests */

static void ats_answer(VIOMMUEndpoint *ep, uint32_t pasid, uint16_t prgi,
                       VIOMMUPageCode code)
{
    VIOMMUATSListener *l, *next;

    trace_viommu_page_response(viommu_endpoint_sid(ep), pasid, prgi, code);
    QLIST_FOREACH_SAFE(l, &ep->listeners, next, next) {
        l->response(l, pasid, prgi, code);
    }
}

/* In the main loop: never in the middle of a device's own code */
static void viommu_pages_answer(void *opaque)
{
    VIOMMU *v = opaque;
    VIOMMUPageAnswer *answer;
    DMA_HELD("page responses");

    while ((answer = g_queue_pop_head(&v->page_answers))) {
        ats_answer(answer->ep, answer->pasid, answer->prgi, answer->code);
        g_free(answer);
    }
}

void viommu_pages_init(VIOMMU *v)
{
    g_queue_init(&v->page_answers);
    v->page_bh = aio_bh_new(iohandler_get_aio_context(), viommu_pages_answer,
                            v);
}

void viommu_pages_forget(VIOMMU *v)
{
    g_queue_clear_full(&v->page_answers, g_free);
}

int viommu_ats_page_request(AddressSpace *as, const VIOMMUPageRequest *req)
{
    VIOMMUEndpoint *ep = viommu_of_address_space(as);
    VIOMMUPageCode code = VIOMMU_PAGE_INVALID;
    VIOMMU *v;

    if (!ep || !ep->bus) {
        return -ENODEV;
    }
    v = ep->viommu;
    if (v->ops->page_request) {
        code = v->ops->page_request(v, ep, req);
    }
    trace_viommu_page_request(viommu_endpoint_sid(ep), req->pasid, req->iova,
                              req->prgi, req->last, code);
    if (code != VIOMMU_PAGE_QUEUED && req->last && (req->read || req->write)) {
        VIOMMUPageAnswer *answer = g_new(VIOMMUPageAnswer, 1);

        *answer = (VIOMMUPageAnswer) {
            .ep = ep,
            .pasid = req->response_pasid ? req->pasid : VIOMMU_NO_PASID,
            .prgi = req->prgi,
            .code = code,
        };
        g_queue_push_tail(&v->page_answers, answer);
        qemu_bh_schedule(v->page_bh);
    }
    return 0;
}

void viommu_page_response(VIOMMU *v, uint16_t sid, uint32_t pasid,
                          uint16_t prgi, VIOMMUPageCode code)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->bus && viommu_endpoint_sid(ep) == sid) {
            ats_answer(ep, pasid, prgi, code);
        }
    }
}

bool viommu_ats_listen(AddressSpace *as, VIOMMUATSListener *l)
{
    VIOMMUEndpoint *ep = viommu_of_address_space(as);

    if (!ep) {
        return false;
    }
    QLIST_INSERT_HEAD(&ep->listeners, l, next);
    return true;
}

void viommu_ats_unlisten(VIOMMUATSListener *l)
{
    QLIST_SAFE_REMOVE(l, next);
}

void viommu_ats_dropped(AddressSpace *as)
{
    VIOMMUEndpoint *ep = viommu_of_address_space(as);

    if (ep && unlikely(ep->viommu->sanitizer)) {
        viommu_sanitize_device_tlb(ep, VIOMMU_NO_PASID, true, 0, HWADDR_MAX);
    }
}

int viommu_ats_register_notifier(AddressSpace *as, IOMMUNotifier *n)
{
    VIOMMUEndpoint *ep = viommu_of_address_space(as);

    if (!ep) {
        return -ENODEV;
    }
    return memory_region_register_iommu_notifier(MEMORY_REGION(&ep->iommu), n,
                                                 NULL);
}

int viommu_ats_unregister_notifier(AddressSpace *as, IOMMUNotifier *n)
{
    VIOMMUEndpoint *ep = viommu_of_address_space(as);

    if (!ep) {
        return -ENODEV;
    }
    memory_region_unregister_iommu_notifier(MEMORY_REGION(&ep->iommu), n);
    return 0;
}
