/*
 * AMD-Vi: the device table, and the core's questions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.2.2.  amdvi_resolve() runs on any thread and only reads memory (while
 * the guest may be writing it: viommu-fetch.h) and what s->lock protects.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "hw/iommu/viommu-fetch.h"
#include "qapi/error.h"
#include "amdvi-internal.h"

/* In a tag's variant, beside what the entry denies: with the exclusion range */
#define AMDVI_TAG_EXCLUSION 4

bool amdvi_fetch_dte(AMDVIState *s, const IOPTMem *mem, uint16_t sid,
                     unsigned first, uint64_t words[2], AMDVIEvent *event)
{
    uint64_t devtab, offset = (uint64_t)sid * AMDVI_DTE_SIZE;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        devtab = s->devtab;
    }
    if (offset >= (amdvi_get(devtab, AMDVI_DEVTAB_SIZE) + 1) *
                  AMDVI_PAGE_SIZE) {
        event->code = AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY;
        return false;
    }
    offset += (devtab & AMDVI_DEVTAB_ADDR) + first * sizeof(uint64_t);
    if (!viommu_fetch(mem, offset, words, 2)) {
        event->code = AMDVI_EVENT_DEV_TAB_HARDWARE_ERROR;
        event->flags |= AMDVI_EVF_TYPE_MASTER_ABORT;
        event->addr = (devtab & AMDVI_DEVTAB_ADDR) +
                      (uint64_t)sid * AMDVI_DTE_SIZE;
        return false;
    }
    return true;
}

void amdvi_resolve_blocked(VIOMMUConfig *config, AMDVIEventCode code,
                           uint16_t flags, uint64_t addr)
{
    config->mode = VIOMMU_BLOCKED;
    config->reason = AMDVI_REASON(code, flags);
    config->model = addr;
}

/* Nothing is translated: as for @perm of IOPT_READ and IOPT_WRITE */
static void amdvi_resolve_identity(VIOMMUConfig *config, unsigned perm)
{
    config->mode = VIOMMU_TRANSLATE;
    iopt_amd_v1_table(&config->space.table, 0, 1, 0);
    config->space.table.disabled = true;
    config->space.identity_perm = perm;
    config->space.identity_last = UINT64_MAX;
}

/* 3.4.5: is there a range that is not translated for @dte? */
static void amdvi_resolve_exclusion(AMDVIState *s, const AMDVIDTEDma *dte,
                                    VIOMMUConfig *config)
{
    uint64_t base, last;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        base = s->excl_base;
        last = s->excl_limit | (AMDVI_PAGE_SIZE - 1);
    }
    if (!(base & AMDVI_EXCL_BASE_EN) || (base & AMDVI_EXCL_ADDR) > last ||
        !(dte->excluded || (base & AMDVI_EXCL_BASE_ALLOW))) {
        return;
    }
    config->space.identity_perm = IOPT_READ | IOPT_WRITE;
    config->space.identity_first = base & AMDVI_EXCL_ADDR;
    config->space.identity_last = last;
    config->tag |= AMDVI_TAG_EXCLUSION;
}

/* Host translations: Mode, IR and IW */
static void amdvi_resolve_host(AMDVIState *s, const AMDVIDTEDma *dte,
                               VIOMMUConfig *config)
{
    if (dte->mode != AMDVI_MODE_NONE) {
        config->mode = VIOMMU_TRANSLATE;
        iopt_amd_v1_table(&config->space.table, dte->root, dte->mode,
                          dte->denied);
        amdvi_resolve_exclusion(s, dte, config);
    } else if (!dte->denied) {
        config->mode = VIOMMU_BYPASS;
        config->bypass_bits = 64;
    } else if (dte->denied == (IOPT_READ | IOPT_WRITE)) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_IO_PAGE_FAULT,
                              AMDVI_EVF_PR | AMDVI_EVF_PE, 0);
    } else {
        amdvi_resolve_identity(config,
                               (IOPT_READ | IOPT_WRITE) & ~dte->denied);
    }
}

/* A valid entry: 2.2.2.1, V, TV, and who translates */
static void amdvi_resolve_valid(AMDVIState *s, uint16_t sid,
                                const AMDVIDTEDma *dte, uint32_t pasid,
                                VIOMMUConfig *config)
{
    config->cacheable = true;
    config->quiet = dte->suppress;
    config->ats = dte->iotlb;
    /*
     * Of one domain, entries that do not allow the same are translations of
     * different variants.
     */
    config->tag = AMDVI_TAG_HOST(dte->domain) | dte->denied;
    if (!dte->translated) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_IO_PAGE_FAULT, 0, 0);
    } else if (dte->guest && (pasid != VIOMMU_NO_PASID || dte->no_pasid)) {
        amdvi_resolve_guest(s, sid, dte, pasid, config);
    } else if (pasid != VIOMMU_NO_PASID) {
        /* GV is clear: there are no guest translations. */
        amdvi_resolve_blocked(config, AMDVI_EVENT_IO_PAGE_FAULT, 0, 0);
    } else {
        amdvi_resolve_host(s, dte, config);
    }
}

static void amdvi_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                          VIOMMUConfig *config)
{
    AMDVIState *s = amdvi_of(v);
    uint16_t sid = viommu_endpoint_sid(ep);
    AMDVIEvent event = { 0 };
    AMDVIDTEDma dte;
    uint64_t words[2];
    bool reserved;

    config->tag = DMA_TAG_UNTRANSLATED;
    if (!amdvi_fetch_dte(s, config->mem, sid, 0, words, &event)) {
        amdvi_resolve_blocked(config, event.code, event.flags, event.addr);
        config->why = event.code == AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY ?
                      "the device table has no entry for this requester "
                      "(DEVTAB.Size)" : NULL;
        return;
    }
    if (amdvi_decode_dte_dma(words, s->efr,
                             amdvi_control(s) & AMDVI_CONTROL_GT_EN, &dte,
                             &reserved)) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY,
                              reserved ? AMDVI_EVF_RZ : 0, 0);
        config->illegal = true;
        return;
    }
    if (dte.valid) {
        amdvi_resolve_valid(s, sid, &dte, pasid, config);
        return;
    }
    if (pasid != VIOMMU_NO_PASID) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_IO_PAGE_FAULT, 0, 0);
        return;
    }
    config->cacheable = true;
    config->mode = VIOMMU_BYPASS;
    config->bypass_bits = 64;
    config->no_entry = true;
}

/* Is @fault about a guest's tables, not about the host's? */
static bool amdvi_fault_is_guest(const VIOMMUConfig *config,
                                 const VIOMMUFault *fault)
{
    return config->tag != DMA_TAG_UNTRANSLATED &&
           IOTLB_TAG_GROUP(config->tag) && !fault->res.second;
}

/* 2.5.3: what of PR, PE and RZ is set */
uint16_t amdvi_walk_flags(const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    const IOPTResult *res = &fault->res;
    bool rz;

    switch (fault->kind) {
    case IOPT_OK:
        /* It leads into the interrupt address range. */
    case IOPT_FAULT_PERMISSION:
    case IOPT_FAULT_PRIVILEGE:
        return AMDVI_EVF_PR | AMDVI_EVF_PE;
    case IOPT_FAULT_RESERVED:
        rz = amdvi_fault_is_guest(config, fault) ?
             iopt_amd_v2_reserved(res->level, res->entry) :
             iopt_amd_v1_reserved(res->level, res->entry);
        return AMDVI_EVF_PR | (rz ? AMDVI_EVF_RZ : 0);
    default:
        return 0;
    }
}

/* Whose the event is: a guest's PASID, or a domain; and which address it has */
static void amdvi_event_of_walk(const VIOMMUConfig *config,
                                const VIOMMUFault *fault, AMDVIEvent *event)
{
    uint32_t group = IOTLB_TAG_GROUP(config->tag);
    uint32_t domain = IOTLB_TAG_DOMAIN(config->tag);

    if (config->tag == DMA_TAG_UNTRANSLATED) {
        return;
    }
    event->domain = group ? group - 1 : domain;
    if (amdvi_fault_is_guest(config, fault)) {
        event->flags |= AMDVI_EVF_GN | AMDVI_EVF_US;
        event->pasid = domain;
    } else if (fault->res.second) {
        event->addr = fault->res.ipa;
    }
}

bool amdvi_fault_event(VIOMMU *v, const VIOMMUConfig *config,
                       const VIOMMUFault *fault, AMDVIEvent *event)
{
    *event = (AMDVIEvent) {
        .code = AMDVI_EVENT_IO_PAGE_FAULT,
        .flags = (fault->is_write ? AMDVI_EVF_RW : 0) |
                 (fault->access == VIOMMU_TRANSLATION_REQUEST ?
                  AMDVI_EVF_TR : 0),
        .addr = fault->iova,
    };
    amdvi_event_of_walk(config, fault, event);
    if (fault->denied) {
        /* DTE.I is clear. */
        event->code = AMDVI_EVENT_INVALID_DEVICE_REQUEST;
        event->flags |= AMDVI_EVF_REQ_TRANSLATED;
    } else if (fault->blocked) {
        event->code = AMDVI_REASON_CODE(config->reason);
        event->flags |= AMDVI_REASON_FLAGS(config->reason);
        event->addr = config->model ?: event->addr;
    } else if (fault->kind == IOPT_FAULT_READ_TABLE) {
        event->code = AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR;
        event->flags |= AMDVI_EVF_TYPE_MASTER_ABORT;
        event->addr = fault->res.fetch;
    } else {
        event->flags |= amdvi_walk_flags(config, fault);
    }
    if (event->code != AMDVI_EVENT_IO_PAGE_FAULT &&
        event->code != AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR) {
        event->domain = 0;
        event->flags &= ~(AMDVI_EVF_GN | AMDVI_EVF_US);
    }
    return event->code != AMDVI_EVENT_IO_PAGE_FAULT || !config->quiet;
}

static void amdvi_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                        const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    AMDVIEvent event;

    if (amdvi_fault_event(v, config, fault, &event)) {
        event.device = viommu_endpoint_sid(ep);
        amdvi_event_log(amdvi_of(v), &event);
    }
}

/* A page table does not lead to interrupts that are not remapped. */
static bool amdvi_output_ok(VIOMMU *v, hwaddr addr, hwaddr last)
{
    return addr > AMDVI_INT_LAST || last < AMDVI_INT_FIRST;
}

static void amdvi_endpoint_init(VIOMMU *v, VIOMMUEndpoint *ep)
{
    viommu_window_add(ep, AMDVI_INT_FIRST, AMDVI_INT_LAST, IOMMU_WINDOW_MSI,
                      IOMMU_WINDOW_MODEL);
    viommu_window_add(ep, AMDVI_HT_FIRST, AMDVI_HT_LAST,
                      IOMMU_WINDOW_RESERVED, IOMMU_WINDOW_MODEL);
}

/*
 * All kinds: the capability block says that what is not present is cached
 * (NpCache), so software also invalidates what it makes present, and that
 * devices may have a TLB (IotlbSup).
 */
static bool amdvi_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                                 IOMMUNotifierFlag flags, Error **errp)
{
    return true;
}

const VIOMMUOps amdvi_viommu_ops = {
    .resolve = amdvi_resolve,
    .fault = amdvi_fault,
    .query = &amdvi_query_ops,
    .output_ok = amdvi_output_ok,
    .endpoint_init = amdvi_endpoint_init,
    .check_notifier = amdvi_check_notifier,
};
