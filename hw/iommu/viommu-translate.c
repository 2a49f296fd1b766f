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
#include "system/dma-held.h"
#include "trace.h"
#include "viommu-internal.h"
#include "viommu-way.h"

/* The smallest page of any format */
#define SMALLEST_SHIFT 12

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
        .tag = config->tag | viommu_variant(need),
        .iova = iova & ~mask,
        .addr = addr & ~mask,
        .shift = res->shift,
        .perm = res->perm,
    };
    return IOPT_OK;
}

static __thread VIOMMUWay viommu_last_way;

/*
 * @seq: of the IOTLB, from before the configuration was looked up.  NULL: this
 * configuration is none that is kept, or the sanitizer looks on, which compares
 * each access with the tables as they are.
 */
static IOPTMemo *viommu_memo_of(VIOMMU *v, const VIOMMUConfig *config,
                                const uint64_t *seq)
{
    if (!config->id || unlikely(v->sanitizer)) {
        return NULL;
    }
    /* Who sees the IOTLB's count after an invalidation sees the other, too. */
    return viommu_way(&viommu_last_way, config->id,
                      config->space.second.format ? seq : &v->table_seq);
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
 * Mode TRANSLATE: through the IOTLB, or the tables.  @iova is canonical.
 */
static IOPTFault viommu_lookup_iotlb(VIOMMU *v, const VIOMMUConfig *config,
                                     hwaddr iova, unsigned need, uint64_t seq,
                                     IOTLBEntry *entry, IOPTResult *res,
                                     bool *refused)
{
    IOPTFault fault;
    IOPTMem mem;

    if (iotlb_lookup(v->iotlb, config->tag | viommu_variant(need), iova,
                     entry) &&
        !(need & (IOPT_READ | IOPT_WRITE) & ~entry->perm)) {
        VIOMMU_STAT_INC(v, iotlb_hits);
        return IOPT_OK;
    }
    /*
     * A hit without the permission is walked again: the guest may have granted
     * more, and need not say so.
     */
    VIOMMU_STAT_INC(v, iotlb_misses);
    VIOMMU_STAT_INC(v, walks);
    mem = v->mem;
    mem.memo = viommu_memo_of(v, config, &seq);
    fault = viommu_walk(v, config, &mem, iova, need, entry, res, refused);
    if (fault == IOPT_OK && !*refused && !res->once) {
        viommu_note_global(v, res);
        iotlb_insert(v->iotlb, entry, seq);
    }
    return fault;
}

/* Returns: false if @l->fault says why not. */
static bool viommu_lookup_bypass(VIOMMULookup *l)
{
    unsigned bits = l->config->bypass_bits;

    if (bits < 64 && l->iova >> bits) {
        l->fault.kind = IOPT_FAULT_RANGE;
        return false;
    }
    if (unlikely(viommu_in_window(l->ep, l->iova))) {
        /* With a PASID: no message, and no memory either */
        l->fault.reserved_range = true;
        return false;
    }
    l->found.first = 0;
    l->found.last = bits < 64 ? (1ULL << bits) - 1 : UINT64_MAX;
    l->found.gpa = l->iova;
    l->found.perm = IOPT_READ | IOPT_WRITE;
    l->found.leaf_shift = 0;
    return true;
}

/*
 * No table is asked about what is in a window.  Returns: true if @l->fault says
 * that it is.
 */
static bool viommu_lookup_window(VIOMMULookup *l)
{
    const IOMMUWindow *window = viommu_in_window(l->ep, l->iova);

    if (likely(!window)) {
        return false;
    }
    l->fault.kind = IOPT_FAULT_NOT_PRESENT;
    l->fault.window = window;
    return true;
}

/*
 * @seq: of the IOTLB, and @global_seen: both from before the configuration was
 * looked up.  Returns: false if @l->fault says why not.
 */
static bool viommu_lookup_space(VIOMMULookup *l, uint64_t seq,
                                bool global_seen)
{
    VIOMMU *v = l->ep->viommu;
    const IOPTSpace *space = &l->config->space;
    hwaddr iova = iopt_space_iova(space, l->iova);
    bool *refused = &l->fault.reserved_range;
    IOTLBEntry VIOMMU_UNSET entry;
    hwaddr mask;

    /* What the IOTLB finds is neither. */
    *refused = false;
    l->fault.res.once = false;
    if (unlikely(iova != l->iova) && l->keep) {
        /* An invalidation would not find it. */
        return false;
    }
    /*
     * What the endpoint keeps the IOTLB would only hold twice.  It saves more
     * than it costs where one walk is many, or a question.
     */
    if (!l->keep || space->second.format || space->ask) {
        l->fault.kind = viommu_lookup_iotlb(v, l->config, iova, l->need, seq,
                                            &entry, &l->fault.res, refused);
    } else {
        IOPTMem mem = v->mem;

        VIOMMU_STAT_INC(v, walks);
        mem.memo = viommu_memo_of(v, l->config, &seq);
        l->fault.kind = viommu_walk(v, l->config, &mem, iova, l->need,
                                    &entry, &l->fault.res, refused);
        if (l->fault.kind == IOPT_OK) {
            viommu_note_global(v, &l->fault.res);
        }
    }
    if (!global_seen && qatomic_read(&v->global_seen)) {
        /* An invalidation under way may not know that it concerns this. */
        l->unsure = true;
    }
    if (unlikely(l->fault.res.once)) {
        l->unsure = true;
    }
    if (l->fault.kind != IOPT_OK || *refused) {
        return false;
    }
    mask = (1ULL << entry.shift) - 1;
    l->found.first = l->iova & ~mask;
    l->found.last = l->iova | mask;
    l->found.gpa = entry.addr | (l->iova & mask);
    l->found.perm = entry.perm;
    l->found.leaf_shift = entry.shift;
    return true;
}

/* Is what is wrong with a request that it is about ATS? */
static bool viommu_denies_ats(const VIOMMUConfig *config)
{
    return !config->ats &&
           (config->ats_first || config->mode != VIOMMU_BLOCKED);
}

/*
 * What an endpoint was told by ATS is an address of memory already, if it is
 * one that may be told.  Returns: false if @l->fault says why not.
 */
static bool viommu_lookup_translated(VIOMMULookup *l)
{
    hwaddr page = l->iova & ~BYPASS_PAGE_MASK;

    if (!l->config->ats) {
        l->fault.denied = viommu_denies_ats(l->config);
        l->fault.blocked = !l->fault.denied;
        return false;
    }
    if (!viommu_output_ok(l->ep->viommu, page, BYPASS_PAGE_MASK)) {
        l->fault.reserved_range = true;
        return false;
    }
    l->found.first = page;
    l->found.last = page | BYPASS_PAGE_MASK;
    l->found.gpa = l->iova;
    l->found.perm = IOPT_READ | IOPT_WRITE;
    l->found.leaf_shift = 0;
    return true;
}

bool viommu_lookup(VIOMMULookup *l)
{
    VIOMMUEndpoint *ep = l->ep;
    VIOMMU *v = ep->viommu;
    /* Before the kept configuration is used, and before any table is. */
    bool global_seen = qatomic_load_acquire(&v->global_seen);
    uint64_t seq = iotlb_seq(v->iotlb);
    uint32_t pasid = viommu_config_pasid(l->attrs);

    VIOMMU_STAT_INC(v, translations);
    VIOMMU_STAT_INC(ep, translations);
    l->config = viommu_config_get(ep, pasid, l->fresh);
    l->found.tag = l->config->tag;
    if (unlikely(l->access == VIOMMU_TRANSLATED)) {
        return viommu_lookup_translated(l);
    }
    l->need |= viommu_walk_attrs(l->config, l->attrs);
    if (pasid == VIOMMU_NO_PASID &&
        qatomic_read(&ep->last_tag) != l->config->tag) {
        qatomic_set(&ep->last_tag, l->config->tag);
    }
    if (l->access == VIOMMU_TRANSLATION_REQUEST &&
        viommu_denies_ats(l->config)) {
        l->fault.denied = true;
        return false;
    }
    if (unlikely(l->need & l->config->blocked_attrs)) {
        l->fault.blocked = true;
        return false;
    }
    /* For what is kept the caller has looked. */
    if (!l->keep && l->config->mode != VIOMMU_BLOCKED &&
        viommu_minds_windows(l->attrs) && unlikely(viommu_lookup_window(l))) {
        return false;
    }
    switch (l->config->mode) {
    case VIOMMU_BYPASS:
        return viommu_lookup_bypass(l);
    case VIOMMU_TRANSLATE:
        return viommu_lookup_space(l, seq, global_seen);
    default:
        l->fault.blocked = true;
        return false;
    }
}

void viommu_lookup_fault(VIOMMULookup *l)
{
    l->fault.pasid = viommu_pasid_of(l->attrs);
    l->fault.iova = l->iova;
    l->fault.access = l->access;
    l->fault.attrs = l->need & (IOPT_EXEC | IOPT_PRIV);
    l->fault.is_write = l->need & IOPT_WRITE;
}

static void viommu_report_fault(VIOMMULookup *l)
{
    VIOMMUEndpoint *ep = l->ep;
    VIOMMU *v = ep->viommu;

    viommu_lookup_fault(l);
    trace_viommu_fault(viommu_endpoint_sid(ep), l->iova, l->fault.is_write,
                       l->fault.kind, l->fault.res.level);
    /*
     * A look that asks for nothing (IOMMU_NONE) is no access, and a device that
     * was unplugged has no name to be reported under.
     */
    if ((l->need & (IOPT_READ | IOPT_WRITE)) && qatomic_read(&ep->bus)) {
        VIOMMU_STAT_INC(v, faults);
        VIOMMU_STAT_INC(ep, faults);
        v->ops->fault(v, ep, l->config, &l->fault);
        viommu_fault_log(ep, l->config, &l->fault);
        if (unlikely(v->sanitizer)) {
            viommu_sanitize_fault(ep, l->config, &l->fault);
        }
    }
}

static VIOMMUAccess viommu_access_of(uint32_t attrs)
{
    return attrs & DMA_ATTRS_TRANSLATED ? VIOMMU_TRANSLATED :
                                          VIOMMU_UNTRANSLATED;
}

hwaddr viommu_found_mask(const VIOMMULookup *l, bool found)
{
    unsigned shift = found ? l->found.leaf_shift : 0;
    hwaddr mask = shift ? (1ULL << shift) - 1 : BYPASS_PAGE_MASK;

    return found && viommu_minds_windows(l->attrs) ?
           iommu_windows_mask(viommu_windows(l->ep), l->iova, mask) : mask;
}

IOMMUTLBEntry viommu_translate(VIOMMUEndpoint *ep, hwaddr iova,
                               IOMMUAccessFlags flag, uint32_t attrs)
{
    VIOMMUConfig fresh;
    VIOMMULookup l = {
        .ep = ep,
        .iova = iova,
        .fresh = &fresh,
        .need = flag & IOMMU_RW,
        .attrs = attrs,
        .access = viommu_access_of(attrs),
    };
    DMA_HELD("translation");
    bool found = viommu_lookup(&l);
    hwaddr mask = viommu_found_mask(&l, found);
    IOMMUTLBEntry result = {
        .target_as = ep->viommu->memory,
        .iova = iova & ~mask,
        .translated_addr = found ? l.found.gpa & ~mask : 0,
        .addr_mask = mask,
        .perm = found ? (IOMMUAccessFlags)l.found.perm : IOMMU_NONE,
    };

    if (!found) {
        viommu_report_fault(&l);
    } else if (trace_event_get_state_backends(TRACE_VIOMMU_TRANSLATE)) {
        trace_viommu_translate(viommu_endpoint_sid(ep), iova, flag,
                               result.translated_addr, mask, result.perm);
    }
    return result;
}

/* DMAInflightOps.translate */
bool viommu_dma_translate(void *opaque, hwaddr iova, bool is_write,
                          uint32_t attrs, DMATranslation *t)
{
    VIOMMUConfig VIOMMU_UNSET fresh;
    VIOMMULookup VIOMMU_UNSET l;
    hwaddr first = 0, last = HWADDR_MAX;
    DMA_HELD("translation");

    /* Not what would be a fault, which nobody looks at */
    l.ep = opaque;
    l.iova = iova;
    l.fresh = &fresh;
    l.need = is_write ? IOPT_WRITE : IOPT_READ;
    l.attrs = attrs;
    l.access = viommu_access_of(attrs);
    l.keep = true;
    l.unsure = false;
    if (!iommu_windows_cut(viommu_windows(l.ep), iova, &first, &last)) {
        /* Not translated: neither tables nor statistics know of it. */
        return false;
    }
    if (!viommu_lookup(&l) || l.unsure) {
        /* It is not kept.  The memory core asks again, and reports faults. */
        return false;
    }
    *t = l.found;
    /* With a PASID there is memory in windows, which the dispatch finds. */
    t->first = MAX(t->first, first);
    t->last = MIN(t->last, last);
    return true;
}

/* DMAInflightOps.translate_ahead under way */
typedef struct ViommuAhead {
    VIOMMUEndpoint *ep;
    const VIOMMUConfig *config;
    hwaddr first, last;      /* no window is in there */
    unsigned need;
    DMAAheadRun *run;
    void *opaque;
} ViommuAhead;

/* An IOPTVisit */
static bool viommu_ahead_visit(void *opaque, uint64_t first, uint64_t last,
                               const IOPTResult *res)
{
    ViommuAhead *a = opaque;
    hwaddr mask = (1ULL << res->shift) - 1;
    hwaddr gpa = res->addr | (first & mask);
    DMATranslation t = {
        .first = first & ~mask,
        .last = first | mask,
        .gpa = gpa,
        .tag = a->config->tag,
        .perm = res->perm,
        .leaf_shift = res->shift,
    };

    /* What is more than just a page the access itself has to find out about. */
    if (!res->perm || (a->need & ~res->perm) || res->global ||
        !viommu_output_ok(a->ep->viommu, gpa, mask)) {
        t.perm = 0;
        return !res->unread && a->run(a->opaque, first, &t);
    }
    if (t.first < a->first || t.last > a->last) {
        iommu_windows_cut(viommu_windows(a->ep), first, &t.first, &t.last);
    }
    return a->run(a->opaque, first, &t);
}

/* Nobody is asked for what may not be wanted: only what is cached */
static void viommu_ahead_cached(ViommuAhead *a)
{
    hwaddr iova = a->first, last;
    IOTLBEntry entry;

    do {
        IOPTResult res = { 0 };

        if (!iotlb_lookup(a->ep->viommu->iotlb, a->config->tag, iova,
                          &entry)) {
            return;
        }
        res.addr = entry.addr;
        res.shift = entry.shift;
        res.perm = entry.perm;
        last = MIN(entry.iova | ((1ULL << entry.shift) - 1), a->last);
        if (!viommu_ahead_visit(a, iova, last, &res)) {
            return;
        }
        iova = last + 1;
    } while (last < a->last);
}

/* DMAInflightOps.translate_ahead */
void viommu_dma_translate_ahead(void *opaque, hwaddr first, hwaddr last,
                                bool is_write, uint32_t attrs,
                                DMAAheadRun *run, void *run_opaque)
{
    VIOMMUConfig VIOMMU_UNSET fresh;
    VIOMMUEndpoint *ep = opaque;
    VIOMMU *v = ep->viommu;
    ViommuAhead a = {
        .ep = ep,
        .first = first,
        .last = last,
        .need = is_write ? IOPT_WRITE : IOPT_READ,
        .run = run,
        .opaque = run_opaque,
    };
    /* It is a look: no table is written. */
    const IOPTMem mem = { .read = v->mem.read, .as_is = true,
                          .opaque = v->mem.opaque };

    /* The sanitizer wants to see each translation asked for. */
    if (first > last || unlikely(v->sanitizer) ||
        (attrs & (DMA_ATTRS_TRANSLATED | DMA_ATTRS_EXEC | DMA_ATTRS_PRIV)) ||
        iommu_windows_next(viommu_windows(ep), first, last, true)) {
        return;
    }
    a.config = viommu_config_get(ep, viommu_config_pasid(attrs), &fresh);
    if (a.config->mode != VIOMMU_TRANSLATE ||
        iopt_space_iova(&a.config->space, first) != first ||
        iopt_space_iova(&a.config->space, last) != last) {
        return;
    }
    if (a.config->space.ask) {
        viommu_ahead_cached(&a);
        return;
    }
    VIOMMU_STAT_INC(v, walks);
    iopt_space_walk_range(&a.config->space, first, last, &mem,
                          viommu_ahead_visit, &a);
}

IOMMUTLBEntry viommu_mr_translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                  IOMMUAccessFlags flag, int iommu_idx)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);

    return viommu_translate(ep, addr, flag, iommu_idx);
}

/*
 * DMAInflightOps.tag_begin, .tag_end: a configuration that was kept before and
 * after has been kept all the time, and every translation used it: once
 * dropped it is not put back, and its memory is not used again before the
 * RCU section ends.  Translations with a PASID have none that is kept.
 */
void viommu_tag_begin(void *opaque, uint32_t attrs, DMATagMark *mark)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMU *v = ep->viommu;

    *mark = (DMATagMark) {
        .config = attrs ? NULL : qatomic_rcu_read(&ep->config),
        /* Before any table is */
        .global_seen = qatomic_load_acquire(&v->global_seen),
    };
}

uint64_t viommu_tag_end(void *opaque, const DMATagMark *mark)
{
    VIOMMUEndpoint *ep = opaque;
    const VIOMMUConfig *config = qatomic_rcu_read(&ep->config);

    /* See viommu_lookup_space() for a page that is global. */
    return config && config == mark->config &&
           qatomic_read(&ep->viommu->global_seen) == mark->global_seen ?
           config->tag : DMA_TAG_ANY;
}
