/*
 * VT-d: root and context entries, and the core's questions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Legacy mode, VT-d 3.4 and 9.1, 9.3; vtd-tables-sm.c has scalable mode's
 * entries.  vtd_resolve() runs on any thread and
 * only reads memory (while the guest may be writing it: viommu-fetch.h) and
 * what s->lock protects.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"
#include "qapi/error.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-fault.h"
#include "vtd-ir.h"
#include "vtd-prq.h"
#include "vtd-tables.h"
#include "vtd-tables-sm.h"

static IntelIOMMUState *vtd_of(VIOMMU *v)
{
    return container_of(v, IntelIOMMUState, viommu);
}

void vtd_latch_root(IntelIOMMUState *s)
{
    uint64_t rtaddr = vtd_reg64(s, DMAR_RTADDR_REG);

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->root = rtaddr & VTD_PAGE_MASK & VTD_AW_MASK(s->aw_bits);
        s->root_ttm = VTD_RTADDR_TTM(rtaddr);
    }
    trace_vtd_reg_dmar_root(s->root, s->root_ttm != VTD_RTADDR_TTM_LEGACY);
}

/* Returns: a fault reason, or VTD_FR_NONE with @context filled */
static VTDFaultReason vtd_read_context(IntelIOMMUState *s, const IOPTMem *mem,
                                       hwaddr root, uint16_t sid,
                                       VTDContext *context)
{
    uint64_t table, entry[2];
    VTDFaultReason reason;

    if (!viommu_fetch(mem, root + (sid >> 8) * VTD_ROOT_ENTRY_SIZE,
                      entry, 2)) {
        return VTD_FR_ROOT_TABLE_INV;
    }
    reason = vtd_decode_root(entry[0], entry[1], s->aw_bits, &table);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    if (!viommu_fetch(mem,
                      table + (sid & 0xff) * VTD_CONTEXT_ENTRY_SIZE,
                      entry, 2)) {
        return VTD_FR_CONTEXT_TABLE_INV;
    }
    return vtd_decode_context(entry[0], entry[1], s->aw_bits, context);
}

static void vtd_resolve_blocked(VIOMMUConfig *config, VTDFaultReason reason)
{
    config->mode = VIOMMU_BLOCKED;
    config->reason = reason;
}

static void vtd_resolve_legacy(IntelIOMMUState *s, hwaddr root, uint16_t sid,
                               VIOMMUConfig *config)
{
    X86IOMMUState *x86_iommu = X86_IOMMU_DEVICE(s);
    VTDContext context = { 0 };
    VTDFaultReason reason;

    reason = vtd_read_context(s, config->mem, root, sid, &context);
    /* FPD counts in an entry that is not present, too (9.3). */
    config->quiet = context.fpd;
    if (reason == VTD_FR_NONE) {
        reason = vtd_check_context(&context, s->cap, s->ecap);
        config->why = vtd_context_unsupported(&context, s->cap, s->ecap);
    }
    if (reason != VTD_FR_NONE) {
        vtd_resolve_blocked(config, reason);
        return;
    }

    config->tag = VTD_TAG_DOMAIN(context.did);
    config->cacheable = true;
    config->ats = context.tt == VTD_CONTEXT_TT_DEV_TLB;
    if (context.tt == VTD_CONTEXT_TT_PASS_THROUGH) {
        config->mode = VIOMMU_BYPASS;
        config->bypass_bits = 64;
        return;
    }
    config->mode = VIOMMU_TRANSLATE;
    vtd_ss_table(&config->space.table, context.sspt, context.levels,
                 s->aw_bits, s->snoop_control || s->scalable_mode,
                 x86_iommu->dt_supported && s->stale_tm);
}

static void vtd_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config)
{
    IntelIOMMUState *s = vtd_of(v);
    uint16_t sid = viommu_endpoint_sid(ep);
    hwaddr root = 0;
    uint8_t ttm = 0;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        root = s->root;
        ttm = s->root_ttm;
    }
    if (ttm == VTD_RTADDR_TTM_SCALABLE && s->scalable_mode) {
        vtd_sm_resolve(s, root, sid, pasid, config);
    } else if (ttm != VTD_RTADDR_TTM_LEGACY) {
        vtd_resolve_blocked(config, VTD_FR_RTADDR_INV_TTM);
    } else if (pasid != VIOMMU_NO_PASID) {
        vtd_resolve_blocked(config, VTD_FR_RTADDR_PASID);
    } else {
        vtd_resolve_legacy(s, root, sid, config);
    }
    config->illegal = config->mode == VIOMMU_BLOCKED &&
                      vtd_fault_is_reserved(config->reason);
}

/* The reason of a fault that the walk met: VT-d 7.1.3, legacy mode */
static VTDFaultReason vtd_walk_fault_reason(const VIOMMUConfig *config,
                                        const VIOMMUFault *fault)
{
    switch (fault->kind) {
    case IOPT_FAULT_RANGE:
        return VTD_FR_ADDR_BEYOND_MGAW;
    case IOPT_FAULT_READ_TABLE:
        /* The top table is what the context entry programs. */
        return fault->res.level == config->space.table.levels ?
               VTD_FR_CONTEXT_ENTRY_INV : VTD_FR_PAGING_ENTRY_INV;
    case IOPT_FAULT_RESERVED:
        return VTD_FR_PAGING_ENTRY_RSVD;
    default:
        return fault->is_write ? VTD_FR_WRITE : VTD_FR_READ;
    }
}

/* The AT field of a request's record */
static uint8_t vtd_fault_at(const VIOMMUFault *fault)
{
    switch (fault->access) {
    case VIOMMU_TRANSLATION_REQUEST:
        return VTD_AT_TRANSLATION;
    case VIOMMU_TRANSLATED:
        return VTD_AT_TRANSLATED;
    default:
        return VTD_AT_UNTRANSLATED;
    }
}

VTDFaultReason vtd_fault_reason(const VIOMMUConfig *config,
                                const VIOMMUFault *fault)
{
    if (config->model == VTD_MODEL_SCALABLE) {
        return vtd_sm_fault_reason(config, fault);
    }
    if (fault->blocked) {
        return config->reason;
    }
    if (fault->denied) {
        return VTD_FR_CONTEXT_ENTRY_TT;
    }
    if (fault->reserved_range) {
        return vtd_fault_is_beyond_haw(fault) ? VTD_FR_ADDR_BEYOND_MGAW :
                                                VTD_FR_INTERRUPT_ADDR;
    }
    return vtd_walk_fault_reason(config, fault);
}

static void vtd_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                      const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    IntelIOMMUState *s = vtd_of(v);
    VTDFaultReason reason = vtd_fault_reason(config, fault);

    if (config->quiet && vtd_fault_is_qualified(reason)) {
        trace_vtd_fault_disabled();
        return;
    }
    vtd_record_dma_fault(s, &(VTDFaultRecord) {
        .sid = viommu_endpoint_sid(ep),
        .reason = reason,
        .addr = fault->iova,
        .at = vtd_fault_at(fault),
        /* A translation request is a read, whatever it is for (4.2.1). */
        .read = !fault->is_write ||
                fault->access == VIOMMU_TRANSLATION_REQUEST,
        .has_pasid = fault->pasid != VIOMMU_NO_PASID,
        .pasid = fault->pasid,
        .exec = fault->attrs & IOPT_EXEC,
        .priv = fault->attrs & IOPT_PRIV,
    });
}

/* 7.1.3: how a translation request ends that met a fault condition */
static VIOMMUATSStatus vtd_ats_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                                     const VIOMMUConfig *config,
                                     const VIOMMUFault *fault)
{
    VTDATSAnswer answer = vtd_ats_answer(vtd_fault_reason(config, fault));

    if (answer != VTD_ATS_NO_RIGHTS) {
        vtd_fault(v, ep, config, fault);
    }
    return answer == VTD_ATS_UR ? VIOMMU_ATS_UR :
           answer == VTD_ATS_CA ? VIOMMU_ATS_CA : VIOMMU_ATS_SUCCESS;
}

/*
 * The interrupt address range is never memory (VT-d 3.15).  Of what lies beyond
 * the host address width, only an endpoint can say that it was told it.
 */
static bool vtd_output_ok(VIOMMU *v, hwaddr addr, hwaddr last)
{
    return !(last & ~VTD_AW_MASK(vtd_of(v)->aw_bits)) &&
           (addr > VTD_INTERRUPT_ADDR_LAST || last < VTD_INTERRUPT_ADDR_FIRST);
}

static bool vtd_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                               IOMMUNotifierFlag flags, Error **errp)
{
    IntelIOMMUState *s = vtd_of(v);
    uint16_t sid = viommu_endpoint_sid(ep);
    const char *fix = NULL;

    /* vhost and VFIO would have to honour SNP in the entries. */
    if (s->snoop_control && flags) {
        fix = "snoop-control=off";
    } else if (!s->caching_mode && (flags & IOMMU_NOTIFIER_MAP)) {
        fix = "caching-mode=on";
    } else if (s->fsts && (flags & IOMMU_NOTIFIER_MAP)) {
        /* A guest does not say what it makes present in a first stage. */
        fix = "x-flts=off";
    } else if (!X86_IOMMU_DEVICE(s)->dt_supported &&
               (flags & IOMMU_NOTIFIER_DEVIOTLB_UNMAP)) {
        fix = "device-iotlb=on";
    }
    if (fix) {
        error_setg(errp, "device %02x:%02x.%x requires intel-iommu,%s",
                   PCI_BUS_NUM(sid), PCI_SLOT(sid), PCI_FUNC(sid), fix);
    }
    return !fix;
}

const VIOMMUOps vtd_viommu_ops = {
    .resolve = vtd_resolve,
    .fault = vtd_fault,
    .query = &vtd_query_ops,
    .output_ok = vtd_output_ok,
    .ats_fault = vtd_ats_fault,
    .page_request = vtd_prq_request,
    .check_notifier = vtd_check_notifier,
};
