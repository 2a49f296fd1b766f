/*
 * vIOMMU core: what the drain asks of the tables as they are now
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any thread, inside an RCU read section, with no lock held.
 */

#include "qemu/osdep.h"
#include "viommu-internal.h"

struct DMAProbe {
    VIOMMU *v;
    const IOMMUWindows *windows;    /* NULL: there are none for it */
    VIOMMUConfig config;
    IOPTMem mem;
    uint64_t entries;        /* that may be read */
};

/* A range that is probed */
typedef struct ProbeRange {
    DMAProbe *probe;
    hwaddr next;             /* everything below it may be accessed */
    hwaddr last;
    unsigned need;
    bool all;                /* @last, too */
    DMAProbeRun *run;
    void *opaque;
} ProbeRange;

static bool probe_read_entry(void *opaque, uint64_t addr, uint64_t *entry)
{
    DMAProbe *probe = opaque;

    if (!probe->entries) {
        return false;
    }
    probe->entries--;
    return viommu_read_entry(probe->v, addr, entry);
}

DMAProbe *viommu_probe_begin(void *opaque, uint32_t attrs, bool as_is)
{
    VIOMMUEndpoint *ep = opaque;
    DMAProbe *probe = g_new(DMAProbe, 1);

    probe->v = ep->viommu;
    probe->windows = viommu_minds_windows(attrs) ? viommu_windows(ep) : NULL;
    probe->entries = 0;
    /* It is no access: no table is written for it. */
    probe->mem = (IOPTMem) {
        .read = probe_read_entry,
        .as_is = as_is,
        .opaque = probe,
    };
    if (ep->viommu->ops->asks && as_is) {
        /* The drain's: nobody knows without asking, and it must not wait. */
        probe->config.mode = VIOMMU_BLOCKED;
        return probe;
    }
    viommu_resolve_now(ep, viommu_config_pasid(attrs), &probe->config);
    if (attrs & DMA_ATTRS_TRANSLATED) {
        probe->config.mode = probe->config.ats ? VIOMMU_BYPASS : VIOMMU_BLOCKED;
        probe->config.bypass_bits = 64;
    } else {
        probe->config.space.attrs |= viommu_walk_attrs(&probe->config, attrs);
        if (probe->config.space.attrs & probe->config.blocked_attrs) {
            probe->config.mode = VIOMMU_BLOCKED;
        }
    }
    return probe;
}

void viommu_probe_end(DMAProbe *probe)
{
    g_free(probe);
}

/* An IOPTVisit */
static bool probe_visit(void *opaque, uint64_t first, uint64_t last,
                        const IOPTResult *res)
{
    ProbeRange *r = opaque;
    VIOMMU *v = r->probe->v;
    hwaddr gpa = res->addr | (first & ((1ULL << res->shift) - 1));

    if (r->probe->config.space.maps) {
        /* A mapping is looked up without reading an entry. */
        if (!r->probe->entries) {
            return false;
        }
        r->probe->entries--;
    }
    if (first != r->next || (r->need & ~res->perm) ||
        (v->ops->output_ok &&
         !v->ops->output_ok(v, gpa, gpa + (last - first))) ||
        !r->run(r->opaque, first, gpa, last - first + 1)) {
        return false;
    }
    r->next = last + 1;
    r->all = last == r->last;
    return true;
}

/* Page by page, as long as the range is */
static bool probe_asking(DMAProbe *probe, hwaddr first, hwaddr last,
                         unsigned need, DMAProbeRun *run, void *opaque)
{
    for (;;) {
        IOPTResult res;
        hwaddr mask, end;

        if (iopt_space_walk(&probe->config.space, first, need, &probe->mem,
                            &res) != IOPT_OK) {
            return false;
        }
        mask = (1ULL << res.shift) - 1;
        end = MIN(first | mask, last);
        if (!run(opaque, first, res.addr | (first & mask), end - first + 1)) {
            return false;
        }
        if (end == last) {
            return true;
        }
        first = end + 1;
    }
}

bool viommu_probe(DMAProbe *probe, hwaddr first, hwaddr last, bool is_write,
                  uint64_t *entries, DMAProbeRun *run, void *opaque)
{
    VIOMMUConfig *config = &probe->config;
    ProbeRange range = {
        .probe = probe,
        .next = first,
        .last = last,
        .need = is_write ? IOPT_WRITE : IOPT_READ,
        .run = run,
        .opaque = opaque,
    };

    if (probe->windows &&
        iommu_windows_next(probe->windows, first, last, true)) {
        return false;
    }
    switch (config->mode) {
    case VIOMMU_BYPASS:
        return (config->bypass_bits >= 64 || !(last >> config->bypass_bits)) &&
               run(opaque, first, first, last - first + 1);
    case VIOMMU_TRANSLATE:
        if (config->space.ask) {
            return probe_asking(probe, first, last, range.need, run, opaque);
        }
        probe->entries = *entries;
        config->space.table.max_reads = *entries;
        iopt_space_walk_range(&config->space, first, last, &probe->mem,
                              probe_visit, &range);
        *entries = probe->entries;
        return range.all;
    default:
        return false;
    }
}

hwaddr viommu_canonical(void *opaque, uint32_t attrs, hwaddr iova)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMUConfig *config, fresh;

    if (attrs & DMA_ATTRS_TRANSLATED || ep->viommu->ops->asks) {
        return iova;
    }
    config = viommu_config_get(ep, viommu_pasid_of(attrs), &fresh);
    return config->mode == VIOMMU_TRANSLATE ?
           iopt_space_iova(&config->space, iova) : iova;
}
