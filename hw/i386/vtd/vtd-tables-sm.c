/*
 * VT-d: scalable mode's entries, from the root to the PASID table
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 3.4.3 and 9.2, 9.4 to 9.6: root entry, context entry, PASID directory
 * entry, PASID table entry.  A walk reads four entries, wherever they lead, and
 * while the guest may be writing them (viommu-fetch.h).  Any thread.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"
#include "vtd-tables-sm.h"

/* A walk of the tables */
typedef struct VTDSMWalk {
    IntelIOMMUState *s;
    const IOPTMem *mem;      /* that the tables are read through */
    uint16_t sid;
    VTDSMRequest req;
    bool fpd;                /* of any entry that was read */
    bool ats;                /* the context entry is valid, and has DTE */
    bool no_ats;             /* it is valid, and has not */
    VTDSMContext context;
    VTDPASIDEntry entry;
} VTDSMWalk;

static VTDFaultReason vtd_sm_walk_context(VTDSMWalk *w, hwaddr root)
{
    IntelIOMMUState *s = w->s;
    uint8_t devfn = w->sid & 0xff;
    uint64_t words[VTD_SM_CONTEXT_ENTRY_SIZE / 8], table;
    VTDFaultReason reason;

    if (!viommu_fetch(w->mem,
                      root + (w->sid >> 8) * VTD_ROOT_ENTRY_SIZE, words, 2)) {
        return VTD_FR_SM_ROOT_ACCESS;
    }
    reason = vtd_decode_sm_root(words[0], words[1], devfn, s->aw_bits, &table);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    if (!viommu_fetch(w->mem, table + VTD_SM_CONTEXT_OFFSET(devfn),
                      words, ARRAY_SIZE(words))) {
        return VTD_FR_SM_CONTEXT_ACCESS;
    }
    reason = vtd_decode_sm_context(words, s->aw_bits, s->ecap, &w->context);
    w->fpd |= w->context.fpd;
    w->ats = reason == VTD_FR_NONE && w->context.dte;
    w->no_ats = reason == VTD_FR_NONE && !w->context.dte;
    return reason;
}

static VTDFaultReason vtd_sm_walk_pasid(VTDSMWalk *w)
{
    IntelIOMMUState *s = w->s;
    uint64_t words[VTD_PASID_ENTRY_WORDS], table;
    VTDFaultReason reason;
    bool fpd;

    if (!viommu_fetch(w->mem, w->context.pasiddirptr +
                      VTD_PASID_DIR_OFFSET(w->req.pasid), words, 1)) {
        return VTD_FR_SM_PASID_DIR_ACCESS;
    }
    reason = vtd_decode_pasid_dir(words[0], s->aw_bits, &fpd, &table);
    w->fpd |= fpd;
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    if (!viommu_fetch(w->mem, table + VTD_PASID_OFFSET(w->req.pasid),
                      words, ARRAY_SIZE(words))) {
        return VTD_FR_SM_PASID_ACCESS;
    }
    reason = vtd_decode_pasid(words, s->aw_bits, s->cap, s->ecap, &w->entry);
    w->fpd |= w->entry.fpd;
    return reason;
}

static VTDFaultReason vtd_sm_walk(VTDSMWalk *w, hwaddr root)
{
    VTDFaultReason reason = vtd_sm_walk_context(w, root);

    if (reason == VTD_FR_NONE) {
        reason = vtd_check_sm_request(&w->context, w->s->ecap, &w->req);
    }
    return reason == VTD_FR_NONE ? vtd_sm_walk_pasid(w) : reason;
}

static bool vtd_sm_lets_pass(const VTDSMWalk *w, bool exec, bool priv)
{
    VTDSMRequest req = w->req;

    req.exec = exec;
    req.priv = priv;
    return vtd_check_pasid_request(&w->entry, &req) == VTD_FR_NONE;
}

/*
 * What a request with PASID says besides is its own, and is not known here; of
 * one without the context entry says it.
 */
static VTDFaultReason vtd_sm_check_attrs(const VTDSMWalk *w,
                                         VIOMMUConfig *config)
{
    if (!w->req.has_pasid) {
        config->attrs_fixed = IOPT_EXEC | IOPT_PRIV;
        config->space.attrs = w->req.priv ? IOPT_PRIV : 0;
        return vtd_check_pasid_request(&w->entry, &w->req);
    }
    config->blocked_attrs = (vtd_sm_lets_pass(w, true, false) ? 0 : IOPT_EXEC) |
                            (vtd_sm_lets_pass(w, false, true) ? 0 : IOPT_PRIV);
    return VTD_FR_NONE;
}

/*
 * Translations of the second stage alone are a domain's, whatever the PASID;
 * all others are a PASID's within the domain (6.2.4).
 */
static uint64_t vtd_sm_tag(IntelIOMMUState *s, const VTDSMWalk *w)
{
    uint16_t did = w->entry.did;

    if (w->entry.pgtt == VTD_PGTT_SECOND) {
        return VTD_TAG_DOMAIN(did);
    }
    if (!test_bit(did, s->pasid_dids)) {
        set_bit_atomic(did, s->pasid_dids);
        /* Before anything is cached: see vtd_inv_domain_pasids(). */
        smp_mb();
    }
    return VTD_TAG_PASID(did, w->req.pasid);
}

void vtd_sm_resolve(IntelIOMMUState *s, hwaddr root, uint16_t sid,
                    uint32_t pasid, VIOMMUConfig *config)
{
    VTDSMWalk w = {
        .s = s,
        .mem = config->mem,
        .sid = sid,
        .req = {
            .has_pasid = pasid != VIOMMU_NO_PASID,
            .pasid = pasid,
        },
    };
    VTDFaultReason reason = vtd_sm_walk(&w, root);

    config->ats = w.ats;
    config->ats_first = w.no_ats;
    config->model = VTD_MODEL_SCALABLE;
    config->quiet = w.fpd;
    if (reason == VTD_FR_NONE) {
        reason = vtd_sm_check_attrs(&w, config);
    }
    if (reason != VTD_FR_NONE) {
        config->mode = VIOMMU_BLOCKED;
        config->reason = reason;
        config->why = w.entry.why;
        return;
    }
    config->pasid = w.req.pasid;
    config->tag = vtd_sm_tag(s, &w);
    config->cacheable = true;
    if (w.entry.pgtt == VTD_PGTT_PASS_THROUGH) {
        config->mode = VIOMMU_BYPASS;
        config->bypass_bits = VTD_HAW(s->aw_bits);
        return;
    }
    config->mode = VIOMMU_TRANSLATE;
    vtd_pasid_space(&w.entry, s->aw_bits, s->cap, s->ecap, &config->space);
}

VTDFaultReason vtd_sm_check_page(IntelIOMMUState *s, hwaddr root,
                                 uint16_t sid, const VTDSMRequest *req,
                                 bool *quiet)
{
    VTDSMWalk w = {
        .s = s, .mem = &s->viommu.mem, .sid = sid, .req = *req,
    };
    VTDFaultReason reason = vtd_sm_walk(&w, root);

    *quiet = w.fpd;
    return reason;
}

VTDFaultReason vtd_sm_fault_reason(const VIOMMUConfig *config,
                                   const VIOMMUFault *fault)
{
    if (fault->denied) {
        return VTD_FR_SM_CONTEXT_DTE;
    }
    if (fault->blocked && config->mode != VIOMMU_BLOCKED) {
        return fault->attrs & config->blocked_attrs & IOPT_EXEC ?
               VTD_FR_SM_PASID_ERE : VTD_FR_SM_PASID_SRE;
    }
    if (fault->blocked) {
        return config->reason;
    }
    if (fault->reserved_range) {
        return vtd_fault_is_beyond_haw(fault) ? VTD_FR_SM_BEYOND_HAW :
                                                VTD_FR_SM_INTERRUPT_ADDR;
    }
    if (config->mode == VIOMMU_BYPASS) {
        return VTD_FR_SM_BEYOND_HAW;
    }
    return vtd_sm_walk_fault(&config->space, fault->kind, &fault->res,
                             fault->is_write);
}
