/*
 * qemu-viommud: what the client tells of refused accesses, and page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A question has recorded nothing: this is where the model hears of a fault.
 */
#include "qemu/osdep.h"
#include "viommud-internal.h"

/*
 * The refusal is not kept any more, or was the client's own: what the tables
 * say now, and else what the client says.
 */
static void fault_anew(const VRPFault *fault, ViommudRefused *r)
{
    static const IOPTFault kinds[VRP_VERDICTS] = {
        [VRP_ABSENT] = IOPT_FAULT_NOT_PRESENT,
        [VRP_DENIED] = IOPT_FAULT_PERMISSION,
        [VRP_RESERVED] = IOPT_FAULT_RESERVED,
        [VRP_UNREADABLE] = IOPT_FAULT_READ_TABLE,
        [VRP_RANGE] = IOPT_FAULT_RANGE,
    };
    const VRPTranslate question = {
        .iova = fault->iova,
        .rid = fault->rid,
        .pasid = fault->pasid,
        .access = fault->access,
    };
    VRPAnswer answer = { 0 };

    if (viommud_ask_translate(r, &question, &answer)) {
        r->fault.blocked = !kinds[fault->verdict];
        r->fault.kind = kinds[fault->verdict];
    }
}

/* As the core's viommu_denies_ats() */
static bool fault_denies_ats(const VIOMMUConfig *config)
{
    return !config->ats &&
           (config->ats_first || config->mode != VIOMMU_BLOCKED);
}

/* Of an access with an address that was told: no table is looked at. */
static void fault_translated(ViommudRefused *r)
{
    r->fault = (VIOMMUFault) {
        .denied = fault_denies_ats(&r->config),
        .reserved_range = r->config.ats,
    };
    r->fault.blocked = !r->fault.denied && !r->fault.reserved_range;
}

/* What is to be recorded of @fault, as the model's own core would say it */
static void fault_fill(const VRPFault *fault, VIOMMUAccess access,
                       ViommudRefused *r)
{
    const ViommudRefused *kept = viommud_refused_find(fault->reason);

    *r = (ViommudRefused) { .rid = fault->rid };
    if (kept && kept->rid == fault->rid) {
        *r = *kept;
    } else if (access == VIOMMU_TRANSLATED) {
        viommud_ask_config(fault->rid, fault->pasid, &r->config);
    } else {
        fault_anew(fault, r);
    }
    if (access == VIOMMU_TRANSLATED) {
        fault_translated(r);
    } else if (access == VIOMMU_TRANSLATION_REQUEST &&
               fault_denies_ats(&r->config)) {
        r->fault = (VIOMMUFault) { .denied = true };
    }
    r->fault.pasid = viommud_ask_pasid(fault->pasid);
    r->fault.iova = fault->iova;
    r->fault.is_write = fault->access & VRP_WRITE;
    r->fault.attrs = viommud_ask_attrs(fault->access);
    r->fault.access = access;
}

void viommud_fault(void *opaque, const VRPFault *fault)
{
    VIOMMU *v = viommud.viommu;
    VIOMMUEndpoint ep = { .viommu = v, .sid = fault->rid };
    ViommudRefused r;

    if (!v->enabled) {
        /* It was turned off meanwhile: there is nothing to record by. */
        return;
    }
    fault_fill(fault, fault->access & VRP_BY_ATS ? VIOMMU_TRANSLATED :
                                                       VIOMMU_UNTRANSLATED, &r);
    v->ops->fault(v, &ep, &r.config, &r.fault);
}

VRPATSStatus viommud_ats_fault(void *opaque, const VRPFault *fault)
{
    static const VRPATSStatus statuses[] = {
        [VIOMMU_ATS_SUCCESS] = VRP_ATS_NO_RIGHTS,
        [VIOMMU_ATS_UR] = VRP_ATS_UR,
        [VIOMMU_ATS_CA] = VRP_ATS_CA,
    };
    VIOMMU *v = viommud.viommu;
    VIOMMUEndpoint ep = { .viommu = v, .sid = fault->rid };
    ViommudRefused r;

    if (!v->enabled || !viommud.begun) {
        return VRP_ATS_UR;
    }
    fault_fill(fault, VIOMMU_TRANSLATION_REQUEST, &r);
    return statuses[v->ops->ats_fault(v, &ep, &r.config, &r.fault)];
}

/* Page requests */

void viommud_page_request(void *opaque, const VRPPageRequest *request)
{
    VIOMMU *v = viommud.viommu;
    VIOMMUEndpoint ep = { .viommu = v, .sid = request->rid };
    const VIOMMUPageRequest req = {
        .pasid = viommud_ask_pasid(request->pasid),
        .iova = request->iova,
        .prgi = request->group,
        .read = request->flags & VRP_READ,
        .write = request->flags & VRP_WRITE,
        .exec = request->flags & VRP_EXEC,
        .priv = request->flags & VRP_PRIV,
        .last = request->flags & VRP_PAGE_LAST,
        .response_pasid = request->flags & VRP_PAGE_PASID,
    };
    VIOMMUPageCode code = viommud.begun ? v->ops->page_request(v, &ep, &req) :
                                          VIOMMU_PAGE_INVALID;

    if (code != VIOMMU_PAGE_QUEUED && req.last && (req.read || req.write)) {
        viommu_page_response(v, request->rid,
                             req.response_pasid ? req.pasid : VIOMMU_NO_PASID,
                             req.prgi, code);
    }
}
