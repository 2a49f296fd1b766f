/*
 * AMD-Vi: the GCR3 table, guest translations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.2.6.  A device table entry with GV leads to a table of
 * the guest page tables of all PASIDs.  If it has host tables as well (Mode is
 * not 0), then the GCR3 table and all that it leads to are guest-physical, and
 * go through those: nesting.
 *
 * Any thread; only reads memory, as amdvi_resolve().
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "hw/iommu/viommu-fetch.h"
#include "qemu/atomic.h"
#include "amdvi-internal.h"

/* How a PASID's guest page table is found */
typedef struct AMDVIGuestWalk {
    const AMDVIDTEDma *dte;
    VIOMMUConfig *config;
} AMDVIGuestWalk;

/* The host's tables do not lead to an entry at @addr. */
static bool amdvi_gcr3_fault(AMDVIGuestWalk *w, IOPTFault kind,
                             const IOPTResult *res, uint64_t addr)
{
    VIOMMUConfig *config = w->config;
    const VIOMMUFault fault = { .kind = kind, .res = *res };

    /* It is the domain's, and no guest's. */
    config->tag = AMDVI_TAG_HOST(w->dte->domain) | w->dte->denied;
    if (kind == IOPT_FAULT_READ_TABLE) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR,
                              AMDVI_EVF_TYPE_MASTER_ABORT, res->fetch);
    } else {
        amdvi_resolve_blocked(config, AMDVI_EVENT_IO_PAGE_FAULT,
                              amdvi_walk_flags(config, &fault), addr);
    }
    return false;
}

/* Read the entry at @addr of the GCR3 table. */
static bool amdvi_fetch_gcr3(AMDVIGuestWalk *w, uint64_t addr, uint64_t *entry)
{
    VIOMMUConfig *config = w->config;

    if (config->space.second.format) {
        const IOPTSpace host = { .table = config->space.second };
        IOPTResult res = { 0 };
        IOPTFault fault = iopt_space_walk(&host, addr, IOPT_READ, config->mem,
                                          &res);

        if (fault != IOPT_OK) {
            return amdvi_gcr3_fault(w, fault, &res, addr);
        }
        addr = res.addr | (addr & ((1ULL << res.shift) - 1));
    }
    if (!viommu_fetch(config->mem, addr, entry, 1)) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR,
                              AMDVI_EVF_TYPE_MASTER_ABORT, addr);
        return false;
    }
    return true;
}

/* Find the top table of @pasid.  Returns: false: then @config says why not */
static bool amdvi_find_root(AMDVIGuestWalk *w, uint64_t efr, uint32_t pasid,
                            uint64_t *root)
{
    unsigned level, top = w->dte->gcr3_levels;
    uint64_t entry = w->dte->gcr3;

    for (level = top; level; level--) {
        bool ok;
        uint64_t addr = amdvi_gcr3_entry(entry & AMDVI_GCR3_ADDR, level, top,
                                         pasid, &ok);

        ok = ok && pasid >> amdvi_get(efr, AMDVI_EFR_PAS_MAX) >> 1 == 0;
        if (ok && !amdvi_fetch_gcr3(w, addr, &entry)) {
            return false;
        }
        if (!ok || !(entry & AMDVI_GCR3_V)) {
            amdvi_resolve_blocked(w->config, AMDVI_EVENT_IO_PAGE_FAULT, 0, 0);
            return false;
        }
    }
    *root = entry & AMDVI_GCR3_ADDR;
    return true;
}

/*
 * GuestPagingMode is in the other half of the entry, which the guest changes by
 * itself: it is read only where it is needed.
 */
static bool amdvi_guest_levels(AMDVIState *s, uint16_t sid, AMDVIDTEDma *dte,
                               VIOMMUConfig *config)
{
    AMDVIEvent event = { 0 };
    uint64_t words[2];

    if (!amdvi_fetch_dte(s, config->mem, sid, 2, words, &event)) {
        amdvi_resolve_blocked(config, event.code, event.flags, event.addr);
        return false;
    }
    if (amdvi_decode_dte_guest(words[0], s->efr, dte)) {
        amdvi_resolve_blocked(config, AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY, 0,
                              0);
        return false;
    }
    return true;
}

void amdvi_resolve_guest(AMDVIState *s, uint16_t sid, const AMDVIDTEDma *entry,
                         uint32_t pasid, VIOMMUConfig *config)
{
    AMDVIDTEDma dte = *entry;
    AMDVIGuestWalk w = { .dte = &dte, .config = config };
    uint64_t root;

    if (pasid == VIOMMU_NO_PASID) {
        /* GIoV */
        pasid = config->pasid = 0;
    }
    config->tag = AMDVI_TAG_GUEST(dte.domain, pasid) | dte.denied;
    if (dte.mode != AMDVI_MODE_NONE) {
        if (!qatomic_read(&s->nested_seen)) {
            qatomic_set(&s->nested_seen, true);
            /*
             * Before a table is read: an invalidation that does not see it
             * comes after a change of the tables that we do see.
             */
            smp_mb();
        }
        iopt_amd_v1_table(&config->space.second, dte.root, dte.mode,
                          dte.denied);
    }
    if (!amdvi_guest_levels(s, sid, &dte, config) ||
        !amdvi_find_root(&w, s->efr, pasid, &root)) {
        return;
    }
    config->mode = VIOMMU_TRANSLATE;
    /* No access is privileged or an instruction fetch: see iopt-amd-v2.c. */
    config->attrs_fixed = IOPT_PRIV | IOPT_EXEC;
    iopt_amd_v2_space(&config->space, root, dte.guest_levels, dte.denied);
}
