/*
 * vIOMMU core: translation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any thread, inside an RCU read section, with no lock held across a table read
 * or a callback into the model.
 *
 * A translation that was looked up in the tables may be used by the access
 * that looked it up, whatever has been invalidated since: the drain waits for
 * that access.  But it may be cached only if nothing was invalidated between
 * reading the tables and inserting it: iotlb_insert() checks that, with the
 * sequence number that was read before the tables.
 */

#include "qemu/osdep.h"
#include "trace.h"
#include "viommu-internal.h"

/* The smallest page of any format */
#define SMALLEST_SHIFT 12

/*
 * This thread's last translation.  Its tag is what a map made of it is recorded
 * with: ep->last_tag may be another thread's, who still uses a configuration
 * that is no more.  In the bypass view nothing is translated and this is an
 * old one, which does no harm: what ends bypass covers every tag.
 */
static __thread struct {
    VIOMMUEndpoint *ep;
    uint64_t tag;
} last_translation;

static IOMMUTLBEntry viommu_entry(VIOMMUEndpoint *ep, hwaddr iova,
                                  hwaddr addr, hwaddr mask, unsigned perm)
{
    return (IOMMUTLBEntry) {
        .target_as = ep->viommu->memory,
        .iova = iova & ~mask,
        .translated_addr = addr & ~mask,
        .addr_mask = mask,
        .perm = (IOMMUAccessFlags)perm,
    };
}

/* Is the page that @res leads to, at @iova, allowed as a target? */
static bool viommu_output_ok(VIOMMU *v, hwaddr addr, hwaddr mask)
{
    return !v->ops->output_ok ||
           v->ops->output_ok(v, addr & ~mask, addr | mask);
}

/*
 * Walk the tables for @iova.  A page that contains both targets that are
 * allowed and some that are not is handed out, and cached, in its smallest
 * pieces.
 */
IOPTFault viommu_walk(VIOMMU *v, const VIOMMUConfig *config,
                      const IOPTMem *mem, hwaddr iova, unsigned need,
                      IOTLBEntry *entry, IOPTResult *res, bool *refused)
{
    IOPTFault fault;
    hwaddr mask, addr;

    *refused = false;
    memset(res, 0, sizeof(*res));
    fault = iopt_space_walk(&config->space, iova, need, mem, res);
    if (fault != IOPT_OK) {
        return fault;
    }
    mask = (1ULL << res->shift) - 1;
    addr = res->addr | (iova & mask);
    if (!viommu_output_ok(v, addr, mask)) {
        res->shift = MIN(res->shift, SMALLEST_SHIFT);
        mask = (1ULL << res->shift) - 1;
        *refused = !viommu_output_ok(v, addr, mask);
    }
    *entry = (IOTLBEntry) {
        .tag = config->tag,
        .iova = iova & ~mask,
        .addr = addr & ~mask,
        .shift = res->shift,
        .perm = res->perm,
    };
    return IOPT_OK;
}

static void viommu_note_global(VIOMMU *v, const IOPTResult *res)
{
    if (unlikely(res->global) && !qatomic_read(&v->global_seen)) {
        qatomic_set(&v->global_seen, true);
        /* Before it is cached: see viommu_invalidate_tlb(). */
        smp_mb();
    }
}

/*
 * Mode TRANSLATE: through the IOTLB, or the tables.  @entry is in terms of the
 * canonical IOVA.
 */
static IOPTFault viommu_lookup(VIOMMU *v, const VIOMMUConfig *config,
                               hwaddr iova, unsigned need, uint64_t seq,
                               IOTLBEntry *entry, IOPTResult *res,
                               bool *refused)
{
    IOPTFault fault;

    iova = iopt_space_iova(&config->space, iova);
    if (iotlb_lookup(v->iotlb, config->tag, iova, entry) &&
        (entry->perm & need) == need) {
        VIOMMU_STAT_INC(v, iotlb_hits);
        return IOPT_OK;
    }
    /*
     * A hit without the permission is walked again: the guest may have granted
     * more, and need not say so.
     */
    VIOMMU_STAT_INC(v, iotlb_misses);
    VIOMMU_STAT_INC(v, walks);
    fault = viommu_walk(v, config, &v->mem, iova, need, entry, res, refused);
    if (fault == IOPT_OK && !*refused) {
        viommu_note_global(v, res);
        iotlb_insert(v->iotlb, entry, seq);
    }
    return fault;
}

IOMMUTLBEntry viommu_translate(VIOMMUEndpoint *ep, hwaddr iova,
                               IOMMUAccessFlags flag, uint32_t pasid)
{
    VIOMMU *v = ep->viommu;
    unsigned need = flag & IOMMU_RW;
    VIOMMUConfig *config, fresh;
    IOMMUTLBEntry result;
    VIOMMUFault fault = {
        .pasid = pasid,
        .iova = iova,
        .is_write = flag & IOMMU_WO,
    };
    IOTLBEntry entry;
    bool global_seen;
    uint64_t seq;
    hwaddr mask;

    VIOMMU_STAT_INC(v, translations);

    /* Before the cached configuration is used, and before any table is. */
    seq = iotlb_seq(v->iotlb);
    config = viommu_config_get(ep, pasid, &fresh);
    if (pasid == VIOMMU_NO_PASID &&
        qatomic_read(&ep->last_tag) != config->tag) {
        qatomic_set(&ep->last_tag, config->tag);
    }
    last_translation.ep = ep;
    last_translation.tag = config->tag;

    switch (config->mode) {
    case VIOMMU_BYPASS:
        if (config->bypass_bits < 64 && iova >> config->bypass_bits) {
            fault.kind = IOPT_FAULT_RANGE;
            goto fault;
        }
        return viommu_entry(ep, iova, iova, BYPASS_PAGE_MASK, IOMMU_RW);
    case VIOMMU_TRANSLATE:
        break;
    default:
        fault.blocked = true;
        goto fault;
    }

    global_seen = qatomic_load_acquire(&v->global_seen);
    fault.kind = viommu_lookup(v, config, iova, need, seq, &entry, &fault.res,
                        &fault.reserved_range);
    if (!global_seen && qatomic_read(&v->global_seen)) {
        /* An invalidation under way may not know that it concerns this. */
        last_translation.tag = DMA_TAG_ANY;
    }
    if (fault.kind != IOPT_OK || fault.reserved_range) {
        goto fault;
    }

    mask = (1ULL << entry.shift) - 1;
    result = viommu_entry(ep, iova, entry.addr, mask, entry.perm);
    if (trace_event_get_state_backends(TRACE_VIOMMU_TRANSLATE)) {
        trace_viommu_translate(viommu_endpoint_sid(ep), iova, flag,
                               result.translated_addr, mask, result.perm);
    }
    return result;

fault:
    trace_viommu_fault(viommu_endpoint_sid(ep), iova, fault.is_write,
                       fault.kind, fault.res.level);
    /*
     * A look that asks for nothing (IOMMU_NONE) is no access, and a device that
     * was unplugged has no name to be reported under.
     */
    if (need && qatomic_read(&ep->bus)) {
        VIOMMU_STAT_INC(v, faults);
        v->ops->fault(v, ep, config, &fault);
    }
    return viommu_entry(ep, iova, 0, BYPASS_PAGE_MASK, IOMMU_NONE);
}

/* Is @iova in the model's window: an interrupt message, say, and no memory? */
static bool viommu_in_window(const VIOMMUEndpoint *ep, hwaddr iova)
{
    return iova >= ep->window_first && iova <= ep->window_last;
}

/*
 * Leave the model's window out of what @t says about an IOVA on either side of
 * it.
 */
static void viommu_spare_window(const VIOMMUEndpoint *ep, hwaddr iova,
                                DMATranslation *t)
{
    if (ep->window_last < ep->window_first) {
        return;
    }
    if (iova < ep->window_first) {
        t->last = MIN(t->last, ep->window_first - 1);
    } else {
        t->first = MAX(t->first, ep->window_last + 1);
    }
}

/* DMAInflightOps.translate */
bool viommu_dma_translate(void *opaque, hwaddr iova, bool is_write,
                          DMATranslation *t)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMU *v = ep->viommu;
    unsigned need = is_write ? IOPT_WRITE : IOPT_READ;
    VIOMMUConfig *config, fresh;
    IOTLBEntry entry;
    IOPTResult res;
    IOPTFault fault;
    bool refused = false;
    bool global_seen = qatomic_load_acquire(&v->global_seen);
    uint64_t seq = iotlb_seq(v->iotlb);

    if (viommu_in_window(ep, iova)) {
        /* Not translated: neither tables nor statistics know of it. */
        return false;
    }
    VIOMMU_STAT_INC(v, translations);
    config = viommu_config_get(ep, VIOMMU_NO_PASID, &fresh);
    if (qatomic_read(&ep->last_tag) != config->tag) {
        qatomic_set(&ep->last_tag, config->tag);
    }
    t->tag = config->tag;
    switch (config->mode) {
    case VIOMMU_BYPASS:
        if (config->bypass_bits < 64 && iova >> config->bypass_bits) {
            return false;
        }
        t->first = 0;
        t->last = config->bypass_bits < 64 ?
                  (1ULL << config->bypass_bits) - 1 : UINT64_MAX;
        t->gpa = iova;
        t->perm = IOPT_READ | IOPT_WRITE;
        t->leaf_shift = 0;
        viommu_spare_window(ep, iova, t);
        return true;
    case VIOMMU_TRANSLATE:
        if (unlikely(iopt_space_iova(&config->space, iova) != iova)) {
            /* An invalidation would not find it. */
            return false;
        }
        /*
         * What is found is kept by the endpoint, so the IOTLB would only hold
         * it twice.  It saves more than it costs where one walk is many.
         */
        if (config->space.second.format) {
            fault = viommu_lookup(v, config, iova, need, seq, &entry, &res,
                                  &refused);
        } else {
            VIOMMU_STAT_INC(v, walks);
            fault = viommu_walk(v, config, &v->mem, iova, need, &entry, &res,
                         &refused);
            if (fault == IOPT_OK) {
                viommu_note_global(v, &res);
            }
        }
        if (fault != IOPT_OK || refused ||
            (!global_seen && qatomic_read(&v->global_seen))) {
            /*
             * Or an invalidation that does not know of global pages yet may be
             * under way: the next access is the first to be cached.
             */
            return false;
        }
        t->first = entry.iova;
        t->last = entry.iova + ((1ULL << entry.shift) - 1);
        t->gpa = entry.addr + (iova - entry.iova);
        t->perm = entry.perm;
        t->leaf_shift = entry.shift;
        viommu_spare_window(ep, iova, t);
        return true;
    default:
        return false;
    }
}

IOMMUTLBEntry viommu_mr_translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                  IOMMUAccessFlags flag, int iommu_idx)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);

    return viommu_translate(ep, addr, flag,
                            viommu_pasid_of(ep->viommu, iommu_idx));
}

uint64_t viommu_tag(void *opaque)
{
    VIOMMUEndpoint *ep = opaque;

    return last_translation.ep == ep ? last_translation.tag :
                                       qatomic_read(&ep->last_tag);
}
