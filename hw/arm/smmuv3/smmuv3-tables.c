/*
 * SMMUv3: stream table entries and context descriptors; the core's questions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 3.3, 3.4 and 5.  smmuv3_resolve() runs on any thread and only reads
 * memory and what s->lock protects.
 *
 * CONSTRAINED UNPREDICTABLE (3.4.3): a stream table beyond the OAS is
 * F_STE_FETCH; a CD's IPA beyond the IAS is stage 2's to refuse.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"
#include "qapi/error.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* What resolving needs of the registers, as they were at one moment */
typedef struct Regs {
    uint32_t cr0;
    uint32_t cr2;
    uint64_t strtab_base;
    uint32_t strtab_base_cfg;
} Regs;

/* One question */
typedef struct Resolve {
    SMMUv3State *s;
    SMMUv3Features features;
    Regs regs;
    uint32_t sid;
    bool ssv;
    uint32_t ssid;           /* of the CD that is used */
    SMMUv3STE ste;
    SMMUv3CD cd;
    VIOMMUConfig *config;
} Resolve;

static void read_regs(SMMUv3State *s, Regs *regs)
{
    QEMU_LOCK_GUARD(&s->lock);
    *regs = (Regs) {
        .cr0 = s->cr0,
        .cr2 = s->cr2,
        .strtab_base = s->strtab_base,
        .strtab_base_cfg = s->strtab_base_cfg,
    };
}

/* Blocked, with an event.  Returns: false, for the caller to return. */
static bool resolve_blocked(Resolve *r, SMMUv3EventType type, uint64_t addr)
{
    r->config->mode = VIOMMU_BLOCKED;
    r->config->quiet = type == SMMU_EVT_NONE;
    r->config->reason = type;
    r->config->model = addr;
    return false;
}

/* RECINVSID: whether streams that the table does not have are reported */
static bool bad_streamid(Resolve *r)
{
    resolve_blocked(r, SMMU_EVT_C_BAD_STREAMID, 0);
    r->config->quiet = !(r->regs.cr2 & SMMU_CR2_RECINVSID);
    return false;
}

static bool find_ste(Resolve *r)
{
    const IOPTMem *mem = r->config->mem;
    uint64_t words[SMMU_STE_WORDS];
    uint64_t addr, l1std;
    bool two_level;

    if (!smmuv3_strtab_index(r->regs.strtab_base, r->regs.strtab_base_cfg,
                             r->sid, &two_level, &addr)) {
        return bad_streamid(r);
    }
    if (two_level) {
        if (addr >> r->s->oas || !viommu_fetch(mem, addr, &l1std, 1)) {
            return resolve_blocked(r, SMMU_EVT_F_STE_FETCH, addr);
        }
        if (!smmuv3_decode_l1std(l1std, r->regs.strtab_base_cfg, r->sid,
                                 &addr)) {
            return bad_streamid(r);
        }
    }
    trace_smmuv3_get_ste(addr);
    if (addr >> r->s->oas || !viommu_fetch(mem, addr, words, SMMU_STE_WORDS)) {
        return resolve_blocked(r, SMMU_EVT_F_STE_FETCH, addr);
    }
    if (!smmuv3_decode_ste(words, &r->features, &r->ste)) {
        r->config->illegal = words[0] & SMMU_STE_D0_V;
        return resolve_blocked(r, SMMU_EVT_C_BAD_STE, 0);
    }
    return true;
}

/* The substream that counts.  Stage 1 may turn out to be bypassed. */
static bool find_substream(Resolve *r)
{
    SMMUv3STE *ste = &r->ste;
    bool s1 = ste->config & SMMU_STE_CONFIG_S1;

    if (r->ssv) {
        if (!s1 || !ste->s1cdmax || r->ssid >> ste->s1cdmax) {
            return resolve_blocked(r, SMMU_EVT_C_BAD_SUBSTREAMID, 0);
        }
        if (!r->ssid && ste->s1dss == SMMU_STE_S1DSS_SSID0) {
            return resolve_blocked(r, SMMU_EVT_F_STREAM_DISABLED, 0);
        }
        return true;
    }
    r->ssid = 0;
    if (!s1 || !ste->s1cdmax) {
        return true;
    }
    switch (ste->s1dss) {
    case SMMU_STE_S1DSS_BYPASS:
        ste->config &= ~SMMU_STE_CONFIG_S1;
        return true;
    case SMMU_STE_S1DSS_SSID0:
        return true;
    default:
        return resolve_blocked(r, SMMU_EVT_F_STREAM_DISABLED, 0);
    }
}

/* A fault of stage 2 where a CD was to be fetched: CLASS is CD. */
static bool cd_walk_fault(Resolve *r, IOPTFault fault, const IOPTResult *res,
                          uint64_t ipa)
{
    SMMUv3Event event = { 0 };
    bool eabt = fault == IOPT_FAULT_READ_TABLE;

    smmuv3_walk_event(fault, res, true, ipa, false, &event);
    resolve_blocked(r, event.type, event.addr2);
    r->config->reason |= smmu_put(SMMU_CLASS_CD, SMMU_REASON_CLASS) |
                         SMMU_REASON_S2;
    r->config->quiet = !eabt && !r->ste.s2r;
    return false;
}

/* Read @n words of a CD or L1CD at @addr, an IPA if there is a stage 2. */
static bool fetch_cd(Resolve *r, uint64_t addr, uint64_t *words, unsigned n)
{
    if (r->ste.config & SMMU_STE_CONFIG_S2) {
        /* Like the walk of stage 1, it is stopped by S2PTW. */
        const IOPTSpace space = { .table = r->ste.s2, .attrs = IOPT_TABLE };
        IOPTResult res = { 0 };
        IOPTFault fault;

        fault = iopt_space_walk(&space, addr, IOPT_READ, r->config->mem, &res);
        if (fault != IOPT_OK) {
            return cd_walk_fault(r, fault, &res, addr);
        }
        addr = res.addr | (addr & ((1ull << res.shift) - 1));
    }
    trace_smmuv3_get_cd(addr);
    return viommu_fetch(r->config->mem, addr, words, n) ||
           resolve_blocked(r, SMMU_EVT_F_CD_FETCH, addr);
}

/* Invalidations have to mind it from now on. */
static void note_seen(Resolve *r, bool *seen)
{
    /* Who only looks uses no translation. */
    if (r->config->mem->update && !qatomic_read(seen)) {
        qatomic_set(seen, true);
        /*
         * Before a table is read: an invalidation that does not see it comes
         * after a change of the tables that we do see.
         */
        smp_mb();
    }
}

static bool find_cd(Resolve *r)
{
    uint64_t words[SMMU_CD_WORDS];
    uint64_t addr, l1cd;
    bool two_level;

    addr = smmuv3_cd_index(&r->ste, r->ssid, &two_level);
    if (two_level) {
        if (!fetch_cd(r, addr, &l1cd, 1)) {
            return false;
        }
        if (!smmuv3_decode_l1cd(l1cd, &r->ste, &r->features, r->ssid,
                                &addr)) {
            return resolve_blocked(r, SMMU_EVT_C_BAD_SUBSTREAMID, 0);
        }
    }
    if (!fetch_cd(r, addr, words, SMMU_CD_WORDS)) {
        return false;
    }
    if (!smmuv3_decode_cd(words, &r->features, &r->cd)) {
        r->config->illegal = words[0] & SMMU_CD_D0_V;
        return resolve_blocked(r, SMMU_EVT_C_BAD_CD, 0);
    }
    if (r->cd.tbi) {
        note_seen(r, &r->s->tbi_seen);
    }
    if (r->ste.config & SMMU_STE_CONFIG_S2) {
        note_seen(r, &r->s->nested_seen);
    }
    return true;
}

/*
 * An address beyond the OAS is F_ADDR_SIZE (3.4).  But an endpoint that has
 * switched to the bypass view is not translated any more: there it aborts
 * without an event, as with SMMUEN == 0.
 */
static void resolved_bypass(Resolve *r)
{
    r->config->mode = VIOMMU_BYPASS;
    r->config->tag = SMMU_TAG_BYPASS;
    r->config->bypass_bits = r->s->oas;
}

static void resolved_stage2(Resolve *r)
{
    r->config->mode = VIOMMU_TRANSLATE;
    r->config->tag = IOTLB_TAG(SMMU_TAG_S2_GROUP(r->ste.vmid), 0,
                               r->ste.attrs >> 2);
    r->config->space.table = r->ste.s2;
    r->config->model = SMMU_MODEL_S2_ONLY | (r->ste.s2r ? SMMU_MODEL_S2R : 0);
}

static void resolved_stage1(Resolve *r)
{
    VIOMMUConfig *config = r->config;

    config->mode = VIOMMU_TRANSLATE;
    config->tag = IOTLB_TAG(SMMU_TAG_S1_GROUP(r->ste.vmid), r->cd.asid,
                            r->ste.attrs >> 2);
    config->space.table = r->cd.ttb[0];
    config->space.upper = r->cd.ttb[1];
    config->model = r->cd.r ? SMMU_MODEL_S1R : 0;
    if (r->ste.config & SMMU_STE_CONFIG_S2) {
        config->space.second = r->ste.s2;
        config->model |= r->ste.s2r ? SMMU_MODEL_S2R : 0;
    }
}

static void smmuv3_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                           VIOMMUConfig *config)
{
    SMMUv3State *s = smmuv3_of(v);
    Resolve r = {
        .s = s,
        .sid = viommu_endpoint_sid(ep),
        .ssv = pasid != VIOMMU_NO_PASID,
        .ssid = pasid,
        .config = config,
    };

    read_regs(s, &r.regs);
    if (!(r.regs.cr0 & SMMU_CR0_SMMUEN)) {
        /* We are asked, so it is GBPA.ABORT: no event (6.3.9.6). */
        resolve_blocked(&r, SMMU_EVT_NONE, 0);
        return;
    }
    smmuv3_features(&r.features, s->idr);
    if (!find_ste(&r)) {
        return;
    }
    config->space.attrs = r.ste.attrs;
    config->attrs_fixed = r.ste.attrs_fixed;
    config->ats = r.ste.ats;
    if (!r.ste.config) {
        resolve_blocked(&r, SMMU_EVT_NONE, 0);
        return;
    }
    if (!find_substream(&r)) {
        return;
    }
    if (r.ste.config & SMMU_STE_CONFIG_S1) {
        if (!find_cd(&r)) {
            return;
        }
        resolved_stage1(&r);
    } else if (r.ste.config & SMMU_STE_CONFIG_S2) {
        resolved_stage2(&r);
    } else {
        resolved_bypass(&r);
    }
    /* What is in error is looked at again each time. */
    config->cacheable = true;
}

/*
 * An access with a substream may be translated, or refused, where one without
 * bypasses (STE.S1DSS; C_BAD_SUBSTREAMID): somebody has to look.
 */
static bool smmuv3_bypass_view(VIOMMU *v, VIOMMUEndpoint *ep)
{
    return !smmuv3_of(v)->ssidsize;
}

static bool smmuv3_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                                  IOMMUNotifierFlag flags, Error **errp)
{
    SMMUv3State *s = smmuv3_of(v);
    uint16_t sid = viommu_endpoint_sid(ep);

    if ((flags & IOMMU_NOTIFIER_DEVIOTLB_UNMAP) && !s->ats) {
        error_setg(errp, "device %02x:%02x.%x requires arm-smmuv3.ats=on",
                   PCI_BUS_NUM(sid), PCI_SLOT(sid), PCI_FUNC(sid));
        return false;
    }
    if ((flags & IOMMU_NOTIFIER_MAP) && !s->caching_mode) {
        error_setg(errp, "device %02x:%02x.%x requires "
                   "arm-smmuv3.caching-mode=on", PCI_BUS_NUM(sid),
                   PCI_SLOT(sid), PCI_FUNC(sid));
        return false;
    }
    return true;
}

const VIOMMUOps smmuv3_viommu_ops = {
    .resolve = smmuv3_resolve,
    .fault = smmuv3_fault,
    .ats_fault = smmuv3_ats_fault,
    .query = &smmuv3_query_ops,
    .bypass_view = smmuv3_bypass_view,
    .check_notifier = smmuv3_check_notifier,
};
