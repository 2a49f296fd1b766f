/*
 * SMMUv3: events of translations that failed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 7.3 and 5.5.  A device's accesses are unprivileged data unless they
 * come with a SubstreamID and say otherwise, or its STE does; a write is always
 * data (13.1.2).
 */
#include "qemu/osdep.h"
#include "smmuv3-internal.h"

static uint8_t walk_event_type(IOPTFault kind)
{
    switch (kind) {
    case IOPT_FAULT_READ_TABLE:
        return SMMU_EVT_F_WALK_EABT;
    case IOPT_FAULT_ADDR_SIZE:
        return SMMU_EVT_F_ADDR_SIZE;
    case IOPT_FAULT_ACCESS_FLAG:
        return SMMU_EVT_F_ACCESS;
    case IOPT_FAULT_PERMISSION:
        return SMMU_EVT_F_PERMISSION;
    default:
        /* Out of range, or no valid descriptor */
        return SMMU_EVT_F_TRANSLATION;
    }
}

void smmuv3_walk_event(IOPTFault kind, const IOPTResult *res, bool s2_only,
                       uint64_t iova, bool is_write, SMMUv3Event *event)
{
    event->type = walk_event_type(kind);
    event->s2 = s2_only || res->second;
    event->class = SMMU_CLASS_IN;
    if (res->second && res->on_table) {
        event->class = SMMU_CLASS_TT;
    }
    if (event->type == SMMU_EVT_F_WALK_EABT) {
        event->addr2 = res->fetch;
        if (!event->s2) {
            event->class = SMMU_CLASS_TT;
        }
    } else {
        event->addr2 = s2_only ? iova : res->ipa;
    }
}

/*
 * F_PERMISSION, class TT: was it a read of the stage 1 descriptor?  Otherwise
 * it was its update, of a page that stage 2 lets be read.
 */
static bool table_read(const IOPTTable *s2, const IOPTResult *res)
{
    bool readable = res->entry & SMMU_S2_S2AP_READ;
    bool device = !smmu_bits(res->entry, SMMU_S2_MEMATTR_TYPE);

    return !readable || (device && (s2->flags & IOPT_ARMV8_PTW));
}

/* 5.5: CD.R and STE.S2R are about the four faults of a translation. */
static bool fault_recorded(const VIOMMUConfig *config, const SMMUv3Event *event)
{
    uint64_t flag = event->s2 ? SMMU_MODEL_S2R : SMMU_MODEL_S1R;

    return event->type == SMMU_EVT_F_WALK_EABT || (config->model & flag);
}

static void blocked_event(const VIOMMUConfig *config, SMMUv3Event *event)
{
    event->type = smmu_bits(config->reason, SMMU_REASON_TYPE);
    event->class = smmu_bits(config->reason, SMMU_REASON_CLASS);
    event->s2 = config->reason & SMMU_REASON_S2;
    event->addr2 = config->model;
}

static bool records_ats(SMMUv3State *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    return s->cr2 & SMMU_CR2_REC_CFG_ATS;
}

/*
 * 3.9.1.3: what the STE says is checked whatever ATSCHK is.  A translated
 * transaction has no SubstreamID (IDR3.PASIDTT is 0).  RECINVSID is not about
 * it; quiet is STE.Config 0b000, for one.
 */
static bool translated_event(SMMUv3State *s, const VIOMMUConfig *config,
                             const VIOMMUFault *fault, SMMUv3Event *event)
{
    event->ssv = false;
    if (fault->reserved_range) {
        return false;
    }
    if (fault->blocked) {
        blocked_event(config, event);
    }
    if (config->quiet && event->type != SMMU_EVT_C_BAD_STREAMID) {
        return false;
    }
    switch (event->type) {
    case SMMU_EVT_C_BAD_STREAMID:
    case SMMU_EVT_F_STE_FETCH:
    case SMMU_EVT_C_BAD_STE:
        return records_ats(s);
    default:
        /* The STE is valid; what lies behind it does not matter. */
        *event = (SMMUv3Event) {
            .type = SMMU_EVT_F_TRANSL_FORBIDDEN,
            .addr = event->addr,
            .rnw = event->rnw,
        };
        return true;
    }
}

bool smmuv3_fault_event(VIOMMU *v, const VIOMMUConfig *config,
                        const VIOMMUFault *fault, SMMUv3Event *event)
{
    SMMUv3State *s = smmuv3_of(v);
    bool s2_only = config->model & SMMU_MODEL_S2_ONLY;

    *event = (SMMUv3Event) {
        .ssv = fault->pasid != VIOMMU_NO_PASID,
        .addr = fault->iova,
        .rnw = !fault->is_write,
    };
    event->ssid = event->ssv ? fault->pasid : 0;
    if (fault->access == VIOMMU_TRANSLATED) {
        return translated_event(s, config, fault, event);
    }

    event->pnu = (config->space.attrs | fault->attrs) & IOPT_PRIV;
    event->ind = ((config->space.attrs | fault->attrs) & IOPT_EXEC) &&
                 event->rnw;

    if (config->mode == VIOMMU_BLOCKED) {
        blocked_event(config, event);
        return !config->quiet;
    }
    if (config->mode == VIOMMU_BYPASS || (s2_only && fault->iova >> s->oas)) {
        /* What stage 1 lets through is checked against the IAS (3.4). */
        event->type = SMMU_EVT_F_ADDR_SIZE;
        event->class = SMMU_CLASS_IN;
        return !config->quiet;
    }
    smmuv3_walk_event(fault->kind, &fault->res, s2_only, fault->iova,
                      fault->is_write, event);
    event->ttrnw = table_read(&config->space.second, &fault->res);
    return !config->quiet && fault_recorded(config, event);
}

void smmuv3_fault(VIOMMU *v, VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                  const VIOMMUFault *fault)
{
    SMMUv3Event event;

    if (smmuv3_fault_event(v, config, fault, &event)) {
        event.sid = viommu_endpoint_sid(ep);
        smmuv3_record_event(smmuv3_of(v), &event);
    }
}

/*
 * 3.9.1.2: why a translation request is not answered with a translation.  One
 * that is not allowed (F_BAD_ATS_TREQ) is not recorded: only its device knows.
 */
VIOMMUATSStatus smmuv3_ats_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                                 const VIOMMUConfig *config,
                                 const VIOMMUFault *fault)
{
    SMMUv3State *s = smmuv3_of(v);
    bool walked = !fault->denied && !fault->blocked;
    SMMUv3Event event = {
        .sid = viommu_endpoint_sid(ep),
        .ssv = fault->pasid != VIOMMU_NO_PASID,
        .ssid = fault->pasid,
        .addr = fault->iova,
        .rnw = true,
    };

    if (walked && fault->kind != IOPT_FAULT_READ_TABLE) {
        return VIOMMU_ATS_SUCCESS;
    }
    if (walked) {
        smmuv3_walk_event(fault->kind, &fault->res,
                          config->model & SMMU_MODEL_S2_ONLY, fault->iova,
                          false, &event);
    } else if (fault->blocked) {
        blocked_event(config, &event);
    }
    if (fault->denied || event.type == SMMU_EVT_NONE) {
        return VIOMMU_ATS_UR;
    }
    if (!walked && event.type != SMMU_EVT_F_CD_FETCH &&
        (config->reason & SMMU_REASON_S2)) {
        /* A fault of stage 2 where a CD was to be fetched */
        return VIOMMU_ATS_SUCCESS;
    }
    /* Of a stream that is not there RECINVSID has its say, too. */
    if (records_ats(s) && !config->quiet) {
        smmuv3_record_event(s, &event);
    }
    return VIOMMU_ATS_CA;
}
