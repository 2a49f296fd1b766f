/*
 * VT-d: invalidation, and its register interface
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CCMD_REG (VT-d 11.4.6.1), IOTLB_REG and IVA_REG (11.4.6.3, 11.4.6.4).  The
 * command bit clears when the drain says so, whatever DR and DW are: always
 * draining is allowed, and what version 2 of the architecture does (6.5.4).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "trace.h"
#include "vtd-inv.h"

/*
 * With caching mode a guest invalidates entries that it has just made present;
 * then nothing is cached that a domain tag could find.  So domain-selective is
 * done globally, as the base does.
 */
void vtd_inv_context_global(IntelIOMMUState *s)
{
    static const VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_ALL };

    trace_vtd_inv_desc_cc_global();
    viommu_invalidate(&s->viommu, &inv);
}

void vtd_inv_context_domain(IntelIOMMUState *s, uint16_t did)
{
    trace_vtd_inv_desc_cc_domain(did);
    vtd_inv_context_global(s);
}

void vtd_inv_context_device(IntelIOMMUState *s, uint16_t sid, unsigned fm)
{
    /* FM: function number bits of the source-id that are ignored */
    static const uint16_t mask[] = { 0, 4, 6, 7 };
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_CONFIG_ENDPOINT,
        .sid = sid,
        .sid_mask = mask[fm & 3],
    };

    trace_vtd_inv_desc_cc_devices(sid, fm);
    viommu_invalidate(&s->viommu, &inv);
}

void vtd_inv_iotlb_global(IntelIOMMUState *s)
{
    static const VIOMMUInv inv = { .kind = VIOMMU_INV_ALL };

    trace_vtd_inv_desc_iotlb_global();
    viommu_invalidate(&s->viommu, &inv);
}

/*
 * What a domain's PASIDs have: translations that a first stage has part in, and
 * pass-through.  An invalidation that names no PASID takes all of it, whatever
 * the address: that is one of the second stage's input (6.5.2.3).
 */
static void vtd_inv_pasids_of(IntelIOMMUState *s, uint16_t did)
{
    VIOMMUInv inv = { .kind = VIOMMU_INV_GROUP, .tag = VTD_TAG_PASID(did, 0) };

    /* The tables that it is about were written before they are read. */
    smp_mb();
    if (test_bit(did, s->pasid_dids)) {
        viommu_invalidate(&s->viommu, &inv);
    }
}

static void vtd_inv_domain_pasids(IntelIOMMUState *s, uint16_t did)
{
    /* There are none without scalable mode. */
    if (unlikely(s->pasid_dids)) {
        vtd_inv_pasids_of(s, did);
    }
}

void vtd_inv_iotlb_domain(IntelIOMMUState *s, uint16_t did)
{
    VIOMMUInv inv = { .kind = VIOMMU_INV_TAG, .tag = VTD_TAG_DOMAIN(did) };

    trace_vtd_inv_desc_iotlb_domain(did);
    viommu_invalidate(&s->viommu, &inv);
    vtd_inv_domain_pasids(s, did);
}

void vtd_inv_iotlb_page(IntelIOMMUState *s, uint16_t did, hwaddr addr,
                        unsigned am, bool ih)
{
    hwaddr size = (hwaddr)VTD_PAGE_SIZE << MIN(am, VTD_MAMV);
    hwaddr first = addr & ~(size - 1);
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_RANGE,
        .tag = VTD_TAG_DOMAIN(did),
        .first = first,
        .last = first + size - 1,
        .leaf = ih,
    };

    trace_vtd_inv_desc_iotlb_pages(did, addr, am);
    viommu_invalidate(&s->viommu, &inv);
    vtd_inv_domain_pasids(s, did);
}

void vtd_inv_pasid_cache_global(IntelIOMMUState *s)
{
    static const VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_ALL };

    viommu_invalidate(&s->viommu, &inv);
    vtd_inv_iotlb_global(s);
}

/*
 * Some guests replace a present entry word by word, and then invalidate the old
 * domain's translations only: what was tagged with the new domain, but came
 * from the old table, goes here, wherever it is.
 */
void vtd_inv_pasid_cache(IntelIOMMUState *s, uint32_t pasid)
{
    VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_PASID, .pasid = pasid };

    viommu_invalidate(&s->viommu, &inv);
    vtd_inv_iotlb_global(s);
}

void vtd_inv_piotlb_pasid(IntelIOMMUState *s, uint16_t did, uint32_t pasid)
{
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_TAG,
        .tag = VTD_TAG_PASID(did, pasid),
    };

    viommu_invalidate(&s->viommu, &inv);
}

void vtd_inv_piotlb_pages(IntelIOMMUState *s, uint16_t did, uint32_t pasid,
                          hwaddr first, hwaddr last, bool ih)
{
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_RANGE,
        .tag = VTD_TAG_PASID(did, pasid),
        .first = first,
        .last = last,
        .leaf = ih,
    };

    viommu_invalidate(&s->viommu, &inv);
}

static void vtd_ccmd_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_inv_reg_done("ICC");
    vtd_reg64_change(s, DMAR_CCMD_REG, VTD_CCMD_ICC | VTD_CCMD_CAIG_MASK,
                     s->ccmd_done);
}

/* Returns: 0, which software sees as the actual granularity (11.4.6) */
static uint64_t vtd_inv_reg_error(const char *what)
{
    qemu_log_mask(LOG_GUEST_ERROR, "vtd: %s; nothing is invalidated\n", what);
    return 0;
}

/* Returns: the actual granularity; 0: the request was refused */
static uint64_t vtd_ccmd_invalidate(IntelIOMMUState *s, uint64_t val)
{
    switch (val & VTD_CCMD_CIRG_MASK) {
    case VTD_CCMD_CIRG_GLOBAL:
        vtd_inv_context_global(s);
        return VTD_CCMD_CAIG_GLOBAL;
    case VTD_CCMD_CIRG_DOMAIN:
        vtd_inv_context_domain(s, VTD_CCMD_DID(val));
        return VTD_CCMD_CAIG_GLOBAL;
    case VTD_CCMD_CIRG_DEVICE:
        vtd_inv_context_device(s, VTD_CCMD_SID(val), VTD_CCMD_FM(val));
        return VTD_CCMD_CAIG_DEVICE;
    default:
        return vtd_inv_reg_error("CCMD_REG.CIRG is 0, which is reserved");
    }
}

/*
 * With the queue on, software must not use the registers, and a request
 * through them is refused.
 */
static bool vtd_inv_reg_refused(IntelIOMMUState *s, const char *reg)
{
    if (s->qi_enabled) {
        qemu_log_mask(LOG_GUEST_ERROR, "vtd: %s used with the invalidation "
                      "queue on; refused\n", reg);
    }
    return s->qi_enabled;
}

void vtd_ccmd_written(IntelIOMMUState *s)
{
    uint64_t val = vtd_reg64(s, DMAR_CCMD_REG);

    if (!(val & VTD_CCMD_ICC)) {
        return;
    }
    s->ccmd_done = 0;
    if (!vtd_inv_reg_refused(s, "CCMD_REG")) {
        s->ccmd_done = vtd_ccmd_invalidate(s, val);
    }
    if (!s->ccmd_done || viommu_busy_begin(&s->ccmd_busy)) {
        vtd_ccmd_drained(s);
    } else {
        trace_vtd_inv_reg_wait("ICC");
    }
}

static void vtd_iotlb_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_inv_reg_done("IVT");
    vtd_reg64_change(s, DMAR_IOTLB_REG, VTD_IOTLB_IVT | VTD_IOTLB_IAIG_MASK,
                     s->iotlb_done);
}

/* Returns: the actual granularity; 0: the request was refused */
static uint64_t vtd_iotlb_invalidate(IntelIOMMUState *s, uint64_t val)
{
    uint64_t iva = vtd_reg64(s, DMAR_IVA_REG);

    switch (val & VTD_IOTLB_IIRG_MASK) {
    case VTD_IOTLB_IIRG_GLOBAL:
        vtd_inv_iotlb_global(s);
        return VTD_IOTLB_IAIG_GLOBAL;
    case VTD_IOTLB_IIRG_DOMAIN:
        vtd_inv_iotlb_domain(s, VTD_IOTLB_DID(val));
        return VTD_IOTLB_IAIG_DOMAIN;
    case VTD_IOTLB_IIRG_PAGE:
        if (VTD_IVA_AM(iva) > VTD_MAMV) {
            return vtd_inv_reg_error("IVA_REG.AM is above CAP.MAMV");
        }
        vtd_inv_iotlb_page(s, VTD_IOTLB_DID(val), VTD_IVA_ADDR(iva),
                           VTD_IVA_AM(iva), iva & VTD_IVA_IH);
        return VTD_IOTLB_IAIG_PAGE;
    default:
        return vtd_inv_reg_error("IOTLB_REG.IIRG is 0, which is reserved");
    }
}

void vtd_iotlb_written(IntelIOMMUState *s)
{
    uint64_t val = vtd_reg64(s, DMAR_IOTLB_REG);

    if (!(val & VTD_IOTLB_IVT)) {
        return;
    }
    s->iotlb_done = 0;
    if (!vtd_inv_reg_refused(s, "IOTLB_REG")) {
        s->iotlb_done = vtd_iotlb_invalidate(s, val);
    }
    if (!s->iotlb_done || viommu_busy_begin(&s->iotlb_busy)) {
        vtd_iotlb_drained(s);
    } else {
        trace_vtd_inv_reg_wait("IVT");
    }
}

void vtd_inv_cancel(IntelIOMMUState *s)
{
    viommu_busy_cancel(&s->ccmd_busy);
    viommu_busy_cancel(&s->iotlb_busy);
}

void vtd_inv_init(IntelIOMMUState *s)
{
    viommu_busy_init(&s->ccmd_busy, &s->viommu, vtd_ccmd_drained, s);
    viommu_busy_init(&s->iotlb_busy, &s->viommu, vtd_iotlb_drained, s);
}
