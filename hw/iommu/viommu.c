/*
 * The vIOMMU core: endpoints, translation, invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What runs where: viommu_translate() and what it calls on any thread, inside
 * an RCU read section, with no lock held across a table read or a callback
 * into the model; everything else under the BQL.
 *
 * A translation that was looked up in the tables may be used by the access
 * that looked it up, whatever has been invalidated since: the drain waits for
 * that access.  But it may be cached only if nothing was invalidated between
 * reading the tables and inserting it: iotlb_insert() and config_install()
 * check that, with the sequence numbers read before the tables.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/runstate.h"
#include "system/block-backend.h"
#include "trace.h"
#include "viommu-internal.h"

/* The smallest page of any format */
#define SMALLEST_SHIFT 12

/* A translation that no table limits is handed out in pages of this size. */
#define BYPASS_PAGE_MASK 0xfffULL

/*
 * Counters are plain increments: they may lose one when two threads collide,
 * which is better than a locked instruction on each hit.
 */
#define STAT_INC(v, field) \
    qatomic_set(&(v)->stats.field, qatomic_read(&(v)->stats.field) + 1)

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

/* Tables are memory: an entry that would have to come from a device fails. */
static const MemTxAttrs table_attrs = { .memory = 1 };

bool viommu_read_entry(void *opaque, uint64_t addr, uint64_t *entry)
{
    VIOMMU *v = opaque;
    uint64_t val;

    if (likely(dma_ram_read64(addr, entry))) {
        return true;
    }
    if (address_space_read_full(v->memory, addr, table_attrs, &val,
                                sizeof(val)) != MEMTX_OK) {
        return false;
    }
    *entry = le64_to_cpu(val);
    return true;
}

static bool viommu_update_entry(void *opaque, uint64_t addr,
                                uint64_t *expected, uint64_t value)
{
    VIOMMU *v = opaque;
    hwaddr xlat, len = sizeof(value);
    MemoryRegion *mr;
    uint64_t *entry, old;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(v->memory, addr, &xlat, &len, true,
                                 table_attrs);
    if (len < sizeof(value) || addr % sizeof(value) ||
        !memory_access_is_direct(mr, true, table_attrs)) {
        return false;
    }
    entry = qemu_map_ram_ptr(mr->ram_block, xlat);
    old = qatomic_cmpxchg(entry, cpu_to_le64(*expected), cpu_to_le64(value));
    memory_region_set_dirty(mr, xlat, sizeof(value));
    *expected = le64_to_cpu(old);
    return true;
}

uint16_t viommu_endpoint_sid(VIOMMUEndpoint *ep)
{
    PCIBus *bus = qatomic_read(&ep->bus);

    return PCI_BUILD_BDF(bus ? pci_bus_num(bus) : 0, ep->devfn);
}

void viommu_resolve_now(VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config)
{
    VIOMMU *v = ep->viommu;

    memset(config, 0, sizeof(*config));
    if (!qatomic_read(&ep->bus)) {
        /* Its bus was unplugged: no configuration entry is its own. */
        config->mode = VIOMMU_BLOCKED;
        config->quiet = true;
        return;
    }
    if (!qatomic_read(&v->enabled) || qatomic_read(&ep->unlisted)) {
        config->mode = VIOMMU_BYPASS;
        config->tag = DMA_TAG_UNTRANSLATED;
        config->bypass_bits = 64;
        return;
    }
    v->ops->resolve(v, ep, pasid, config);
    if (trace_event_get_state_backends(TRACE_VIOMMU_RESOLVE)) {
        trace_viommu_resolve(viommu_endpoint_sid(ep), config->mode,
                             config->tag, config->reason);
    }
}

/* Keep a copy of @config, unless configuration was invalidated since @seq. */
static void config_install(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                           uint64_t seq)
{
    VIOMMU *v = ep->viommu;

    QEMU_LOCK_GUARD(&v->lock);
    if (v->config_seq == seq && !ep->config) {
        qatomic_rcu_set(&ep->config, g_memdup2(config, sizeof(*config)));
    }
}

/* Lock held. */
static void config_drop(VIOMMUEndpoint *ep)
{
    VIOMMUConfig *old = ep->config;

    if (old) {
        qatomic_rcu_set(&ep->config, NULL);
        g_free_rcu(old, rcu);
    }
}

static IOMMUTLBEntry translated(VIOMMUEndpoint *ep, hwaddr iova, hwaddr addr,
                                hwaddr mask, unsigned perm)
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
static bool output_ok(VIOMMU *v, hwaddr addr, hwaddr mask)
{
    return !v->ops->output_ok ||
           v->ops->output_ok(v, addr & ~mask, addr | mask);
}

/*
 * Walk the tables for @iova.  A page that contains both targets that are
 * allowed and some that are not is handed out, and cached, in its smallest
 * pieces.
 */
static IOPTFault walk(VIOMMU *v, const VIOMMUConfig *config,
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
    if (!output_ok(v, addr, mask)) {
        res->shift = MIN(res->shift, SMALLEST_SHIFT);
        mask = (1ULL << res->shift) - 1;
        *refused = !output_ok(v, addr, mask);
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

/* The configuration of @ep: the cached one, or @fresh. */
static VIOMMUConfig *get_config(VIOMMUEndpoint *ep, uint32_t pasid,
                                VIOMMUConfig *fresh)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig *config = qatomic_rcu_read(&ep->config);
    uint64_t seq;

    if (likely(config && pasid == VIOMMU_NO_PASID)) {
        return config;
    }
    seq = qatomic_load_acquire(&v->config_seq);
    qatomic_set(&ep->resolved_sid, viommu_endpoint_sid(ep));
    viommu_resolve_now(ep, pasid, fresh);
    if (pasid != VIOMMU_NO_PASID) {
        return fresh;
    }
    if (fresh->cacheable) {
        config_install(ep, fresh, seq);
    }
    if (fresh->mode == VIOMMU_BYPASS && !qatomic_read(&ep->refresh)) {
        /* It could have the bypass view, but that takes the BQL. */
        qatomic_set(&ep->refresh, true);
        qemu_bh_schedule(v->refresh_bh);
    }
    return fresh;
}

static void note_global(VIOMMU *v, const IOPTResult *res)
{
    if (unlikely(res->global) && !qatomic_read(&v->global_seen)) {
        qatomic_set(&v->global_seen, true);
        /* Before it is cached: see invalidate_tlb(). */
        smp_mb();
    }
}

/*
 * Mode TRANSLATE: through the IOTLB, or the tables.  @entry is in terms of the
 * canonical IOVA.
 */
static IOPTFault lookup(VIOMMU *v, const VIOMMUConfig *config, hwaddr iova,
                        unsigned need, uint64_t seq, IOTLBEntry *entry,
                        IOPTResult *res, bool *refused)
{
    IOPTFault fault;

    iova = iopt_space_iova(&config->space, iova);
    if (iotlb_lookup(v->iotlb, config->tag, iova, entry) &&
        (entry->perm & need) == need) {
        STAT_INC(v, iotlb_hits);
        return IOPT_OK;
    }
    /*
     * A hit without the permission is walked again: the guest may have granted
     * more, and need not say so.
     */
    STAT_INC(v, iotlb_misses);
    STAT_INC(v, walks);
    fault = walk(v, config, &v->mem, iova, need, entry, res, refused);
    if (fault == IOPT_OK && !*refused) {
        note_global(v, res);
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

    STAT_INC(v, translations);

    /* Before the cached configuration is used, and before any table is. */
    seq = iotlb_seq(v->iotlb);
    config = get_config(ep, pasid, &fresh);
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
        return translated(ep, iova, iova, BYPASS_PAGE_MASK, IOMMU_RW);
    case VIOMMU_TRANSLATE:
        break;
    default:
        fault.blocked = true;
        goto fault;
    }

    global_seen = qatomic_load_acquire(&v->global_seen);
    fault.kind = lookup(v, config, iova, need, seq, &entry, &fault.res,
                        &fault.reserved_range);
    if (!global_seen && qatomic_read(&v->global_seen)) {
        /* An invalidation under way may not know that it concerns this. */
        last_translation.tag = DMA_TAG_ANY;
    }
    if (fault.kind != IOPT_OK || fault.reserved_range) {
        goto fault;
    }

    mask = (1ULL << entry.shift) - 1;
    result = translated(ep, iova, entry.addr, mask, entry.perm);
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
        STAT_INC(v, faults);
        v->ops->fault(v, ep, config, &fault);
    }
    return translated(ep, iova, 0, BYPASS_PAGE_MASK, IOMMU_NONE);
}

/* Is @iova in the model's window: an interrupt message, say, and no memory? */
static bool in_window(const VIOMMUEndpoint *ep, hwaddr iova)
{
    return iova >= ep->window_first && iova <= ep->window_last;
}

/*
 * Leave the model's window out of what @t says about an IOVA on either side of
 * it.
 */
static void spare_window(const VIOMMUEndpoint *ep, hwaddr iova,
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
static bool viommu_dma_translate(void *opaque, hwaddr iova, bool is_write,
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

    if (in_window(ep, iova)) {
        /* Not translated: neither tables nor statistics know of it. */
        return false;
    }
    STAT_INC(v, translations);
    config = get_config(ep, VIOMMU_NO_PASID, &fresh);
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
        spare_window(ep, iova, t);
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
            fault = lookup(v, config, iova, need, seq, &entry, &res, &refused);
        } else {
            STAT_INC(v, walks);
            fault = walk(v, config, &v->mem, iova, need, &entry, &res,
                         &refused);
            if (fault == IOPT_OK) {
                note_global(v, &res);
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
        spare_window(ep, iova, t);
        return true;
    default:
        return false;
    }
}

/* The PASID that MemTxAttrs.pid @pid stands for. */
static uint32_t pasid_of(VIOMMU *v, uint32_t pid)
{
    pid &= (1u << v->pasid_bits) - 1;
    return pid ? pid : VIOMMU_NO_PASID;
}

static IOMMUTLBEntry viommu_mr_translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                         IOMMUAccessFlags flag, int iommu_idx)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);

    return viommu_translate(ep, addr, flag, pasid_of(ep->viommu, iommu_idx));
}

/* DMAInflightOps */

static bool viommu_probe(void *opaque, uint32_t pid, hwaddr iova,
                         bool is_write, hwaddr *gpa, hwaddr *len)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMU *v = ep->viommu;
    VIOMMUConfig config;
    /* It is no access: no table is written for it. */
    const IOPTMem mem = { .read = v->mem.read, .opaque = v->mem.opaque };
    IOTLBEntry entry;
    IOPTResult res;
    bool refused;

    viommu_resolve_now(ep, pasid_of(v, pid), &config);
    switch (config.mode) {
    case VIOMMU_BYPASS:
        *gpa = iova;
        *len = BYPASS_PAGE_MASK + 1 - (iova & BYPASS_PAGE_MASK);
        return config.bypass_bits >= 64 || !(iova >> config.bypass_bits);
    case VIOMMU_TRANSLATE:
        if (walk(v, &config, &mem, iova, is_write ? IOPT_WRITE : IOPT_READ,
                 &entry, &res, &refused) != IOPT_OK || refused) {
            return false;
        }
        *gpa = entry.addr | (iova & ((1ULL << entry.shift) - 1));
        *len = entry.addr + (1ULL << entry.shift) - *gpa;
        return true;
    default:
        return false;
    }
}

static uint64_t viommu_tag(void *opaque)
{
    VIOMMUEndpoint *ep = opaque;

    return last_translation.ep == ep ? last_translation.tag :
                                       qatomic_read(&ep->last_tag);
}

static hwaddr viommu_canonical(void *opaque, uint32_t pid, hwaddr iova)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMUConfig *config, fresh;

    config = get_config(ep, pasid_of(ep->viommu, pid), &fresh);
    return config->mode == VIOMMU_TRANSLATE ?
           iopt_space_iova(&config->space, iova) : iova;
}

static const DMAInflightOps viommu_inflight_ops = {
    .canonical = viommu_canonical,
    .translate = viommu_dma_translate,
    .probe = viommu_probe,
    .tag = viommu_tag,
    .stalled = viommu_device_stalled,
    .abandon = viommu_device_abandon,
};

/* Endpoints */

/*
 * Show the endpoint the view that its configuration asks for.  A bypassing
 * endpoint sees memory directly, so that its accesses, and vhost and VFIO,
 * need no translation at all.  BQL.
 *
 * Returns: true if it went from the bypass view to the translated one.
 */
static bool viommu_refresh(VIOMMUEndpoint *ep)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig config;
    bool bypass;

    qatomic_set(&ep->refresh, false);
    WITH_RCU_READ_LOCK_GUARD() {
        viommu_resolve_now(ep, VIOMMU_NO_PASID, &config);
    }
    bypass = config.mode == VIOMMU_BYPASS &&
             (!v->enabled || ep->unlisted || !v->ops->bypass_view ||
              v->ops->bypass_view(v, ep));
    if (bypass) {
        qatomic_set(&ep->last_tag, config.tag);
    }
    if (ep->bypass.enabled == bypass) {
        return false;
    }

    trace_viommu_switch(viommu_endpoint_sid(ep), bypass);
    if (bypass) {
        /* They would be told nothing any more by a region that is not shown. */
        viommu_notify_forget(ep);
    }
    memory_region_transaction_begin();
    memory_region_set_enabled(&ep->bypass, bypass);
    memory_region_set_enabled(MEMORY_REGION(&ep->iommu), !bypass);
    memory_region_transaction_commit();
    return !bypass;
}

/*
 * In the bypass view a device-TLB (of a vhost backend) got what an identity
 * map would say.  Hardware translates nothing for it then, so the guest need
 * not invalidate it.  Not in a memory transaction: the notifiers come with the
 * region.
 */
static void viommu_forget_identity(VIOMMUEndpoint *ep)
{
    viommu_notify_device_tlb(ep, 0, HWADDR_MAX);
}

/* An endpoint turned out to bypass while some other thread did DMA. */
static void viommu_refresh_bh(void *opaque)
{
    VIOMMU *v = opaque;
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        DMADrainScope scope = {
            .last = HWADDR_MAX, .topology = true,
            .only = ep->inflight,
        };

        /*
         * The tables may say something else again by now, and the guest's
         * invalidation, still to come, will find nothing left to switch: the
         * drain that has to cover the switch begins here.
         */
        if (qatomic_read(&ep->refresh) && viommu_refresh(ep)) {
            viommu_forget_identity(ep);
            dma_drain_start(v->drain, &scope);
        }
    }
}

static guint endpoint_hash(gconstpointer key)
{
    const VIOMMUEndpoint *ep = key;

    return g_direct_hash(ep->bus) ^ ((guint)ep->devfn << 24);
}

static gboolean endpoint_equal(gconstpointer a, gconstpointer b)
{
    const VIOMMUEndpoint *x = a, *y = b;

    return x->bus == y->bus && x->devfn == y->devfn;
}

VIOMMUEndpoint *viommu_endpoint(VIOMMU *v, PCIBus *bus, uint8_t devfn)
{
    VIOMMUEndpoint key = { .bus = bus, .devfn = devfn };
    VIOMMUEndpoint *ep = g_hash_table_lookup(v->by_key, &key);
    g_autofree char *name = NULL;
    g_autofree char *iommu_name = NULL;
    g_autofree char *bypass_name = NULL;

    if (ep) {
        return ep;
    }

    name = g_strdup_printf("%s-%02x.%x", v->name, PCI_SLOT(devfn),
                           PCI_FUNC(devfn));
    iommu_name = g_strdup_printf("%s-dmar", name);
    bypass_name = g_strdup_printf("%s-nodmar", v->name);

    ep = g_new0(VIOMMUEndpoint, 1);
    ep->viommu = v;
    ep->bus = bus;
    ep->devfn = devfn;
    ep->last_tag = DMA_TAG_UNTRANSLATED;
    ep->window_first = 1;
    ep->window_last = 0;
    ep->inflight = dma_inflight_new(v->drain, &viommu_inflight_ops, ep);
    viommu_notify_init(ep);

    memory_region_init(&ep->root, v->owner, name, UINT64_MAX);
    address_space_init(&ep->as, &ep->root, name);
    address_space_set_inflight(&ep->as, ep->inflight);
    memory_region_init_iommu(&ep->iommu, sizeof(ep->iommu),
                             TYPE_VIOMMU_MEMORY_REGION, v->owner, iommu_name,
                             UINT64_MAX);
    /*
     * All bypassing endpoints show the same region, so that they share one
     * flat view.
     */
    memory_region_init_alias(&ep->bypass, v->owner, bypass_name, &v->bypass, 0,
                             memory_region_size(&v->bypass));
    if (v->ops->endpoint_init) {
        v->ops->endpoint_init(v, ep);
    }

    memory_region_transaction_begin();
    memory_region_set_enabled(MEMORY_REGION(&ep->iommu), true);
    memory_region_set_enabled(&ep->bypass, false);
    memory_region_add_subregion_overlap(&ep->root, 0,
                                        MEMORY_REGION(&ep->iommu), 0);
    memory_region_add_subregion_overlap(&ep->root, 0, &ep->bypass, 0);
    QLIST_INSERT_HEAD(&v->endpoints, ep, next);
    g_hash_table_add(v->by_key, ep);
    ep->unlisted = viommu_policy_unlisted(bus, devfn);
    viommu_refresh(ep);
    memory_region_transaction_commit();
    return ep;
}

/* What @ep's configuration was is not cached any more.  BQL. */
static void config_changed(VIOMMUEndpoint *ep)
{
    DMADrainScope scope = {
        .last = HWADDR_MAX, .only = ep->inflight,
    };

    scope.topology = viommu_refresh(ep);
    if (scope.topology) {
        viommu_forget_identity(ep);
    }
    viommu_notify_unmap(ep, 0, HWADDR_MAX);
    dma_drain_start(ep->viommu->drain, &scope);
}

/*
 * Firmware tables are made anew at a reset; what is plugged in afterwards is
 * behind the vIOMMU or not as it is itself.  Not only its DMA: on Arm a message
 * that signals an interrupt is translated as any write, and the guest prepares
 * that only for what it believes to be behind the vIOMMU.
 */
static void viommu_device_realized(DeviceListener *listener, DeviceState *dev)
{
    VIOMMU *v = container_of(listener, VIOMMU, device_listener);
    VIOMMUEndpoint *ep;
    PCIBus *bus;
    bool shared, unlisted;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_PCI_DEVICE)) {
        return;
    }
    bus = pci_get_bus(PCI_DEVICE(dev));
    shared = !pci_bus_is_express(bus) && !pci_bus_is_root(bus);
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->bus != bus ||
            !(shared || ep->devfn == PCI_DEVICE(dev)->devfn)) {
            continue;
        }
        unlisted = viommu_policy_unlisted(bus, ep->devfn);
        if (unlisted != ep->unlisted) {
            qatomic_set(&ep->unlisted, unlisted);
            WITH_QEMU_LOCK_GUARD(&v->lock) {
                qatomic_store_release(&v->config_seq, v->config_seq + 1);
                config_drop(ep);
            }
            smp_mb();           /* as in invalidate_config() */
            config_changed(ep);
        }
    }
}

/*
 * A bridge has been unplugged and its bus will be freed.  Its endpoints stay,
 * but are nobody's any more: a bus that is plugged in later may have the same
 * address in our memory.
 */
static void viommu_bus_gone(VIOMMU *v, PCIBus *bus)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        DMADrainScope scope = { .last = HWADDR_MAX, .only = ep->inflight };

        if (ep->bus == bus) {
            g_hash_table_remove(v->by_key, ep);
            qatomic_set(&ep->bus, NULL);
            WITH_QEMU_LOCK_GUARD(&v->lock) {
                qatomic_store_release(&v->config_seq, v->config_seq + 1);
                config_drop(ep);
            }
            dma_inflight_device_gone(ep->inflight);
            dma_drain_start(v->drain, &scope);
        }
    }
}

/*
 * A device that was unplugged may leave maps behind, above all if its driver
 * did not reset it: nobody will ever end them, and the owner of a standing one
 * is about to be freed.  On a conventional bus the endpoint is the bridge's,
 * and others may be using it.  BQL.
 */
static void viommu_device_unrealized(DeviceListener *listener,
                                     DeviceState *dev)
{
    VIOMMU *v = container_of(listener, VIOMMU, device_listener);
    VIOMMUEndpoint key = { 0 };
    VIOMMUEndpoint *ep;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_PCI_DEVICE)) {
        return;
    }
    key.bus = pci_get_bus(PCI_DEVICE(dev));
    key.devfn = PCI_DEVICE(dev)->devfn;
    ep = g_hash_table_lookup(v->by_key, &key);
    if (ep && (pci_bus_is_express(key.bus) || pci_bus_is_root(key.bus))) {
        dma_inflight_device_gone(ep->inflight);
    }
    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        viommu_bus_gone(v, pci_bridge_get_sec_bus(PCI_BRIDGE(dev)));
    }
}

/* Invalidation */

static bool config_in_scope(VIOMMUEndpoint *ep, const VIOMMUInv *inv)
{
    switch (inv->kind) {
    case VIOMMU_INV_CONFIG_ENDPOINT:
        /* Its bus may have got another number since the tables were read. */
        return ((viommu_endpoint_sid(ep) ^ inv->sid) & ~inv->sid_mask) == 0 ||
               ((qatomic_read(&ep->resolved_sid) ^ inv->sid) &
                ~inv->sid_mask) == 0;
    default:
        return true;
    }
}

static void invalidate_config(VIOMMU *v, const VIOMMUInv *inv)
{
    VIOMMUEndpoint *ep;

    STAT_INC(v, inv_config);
    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            if (config_in_scope(ep, inv)) {
                config_drop(ep);
            }
        }
    }
    /* Removed, before the slots of those who might still use it are read. */
    smp_mb();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (config_in_scope(ep, inv)) {
            config_changed(ep);
        }
    }
}

/*
 * A page marked global is translated alike in all domains of a group, but is
 * cached as the one's that used it first.  Once there has been one, the
 * invalidation of a domain is one of its group.
 */
static VIOMMUInvKind inv_kind(VIOMMU *v, const VIOMMUInv *inv)
{
    switch (inv->kind) {
    case VIOMMU_INV_TAG:
    case VIOMMU_INV_RANGE:
        return qatomic_read(&v->global_seen) ? VIOMMU_INV_GROUP : inv->kind;
    default:
        return inv->kind;
    }
}

static void invalidate_tlb(VIOMMU *v, const VIOMMUInv *inv)
{
    DMADrainScope scope = {
        .first = 0,
        .last = HWADDR_MAX,
        .tag = inv->tag,
        .tag_mask = IOTLB_TAG_DOMAIN_MASK,
    };
    VIOMMUInvKind kind = inv_kind(v, inv);
    VIOMMUEndpoint *ep;

again:
    switch (kind) {
    case VIOMMU_INV_ALL:
        STAT_INC(v, inv_global);
        iotlb_invalidate_all(v->iotlb);
        scope.tag_mask = 0;
        break;
    case VIOMMU_INV_GROUP:
        STAT_INC(v, inv_domain);
        iotlb_invalidate_group(v->iotlb, inv->tag);
        scope.tag_mask = IOTLB_TAG_GROUP_MASK;
        break;
    case VIOMMU_INV_TAG:
        STAT_INC(v, inv_domain);
        iotlb_invalidate_tag(v->iotlb, inv->tag);
        break;
    default:
        STAT_INC(v, inv_page);
        iotlb_invalidate_range(v->iotlb, inv->tag, inv->first, inv->last);
        scope.first = inv->first;
        scope.last = inv->last;
        break;
    }
    if (unlikely(inv_kind(v, inv) != kind)) {
        /* The first global page came meanwhile. */
        kind = VIOMMU_INV_GROUP;
        scope.first = 0;
        scope.last = HWADDR_MAX;
        goto again;
    }

    for (ep = v->notified; ep; ep = ep->next_notified) {
        VIOMMUConfig config;

        if (!ep->notifier_flags) {
            continue;
        }
        if (scope.tag_mask) {
            WITH_RCU_READ_LOCK_GUARD() {
                viommu_resolve_now(ep, VIOMMU_NO_PASID, &config);
            }
            if (((config.tag ^ inv->tag) & scope.tag_mask) &&
                ((qatomic_read(&ep->last_tag) ^ inv->tag) & scope.tag_mask)) {
                continue;
            }
        }
        viommu_notify_unmap(ep, scope.first, scope.last);
    }
    dma_drain_start(v->drain, &scope);
}

void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv)
{
    trace_viommu_invalidate(v->name, inv->kind, inv->tag, inv->first,
                            inv->last);
    switch (inv->kind) {
    case VIOMMU_INV_CONFIG_ALL:
    case VIOMMU_INV_CONFIG_ENDPOINT:
        invalidate_config(v, inv);
        break;
    default:
        invalidate_tlb(v, inv);
        break;
    }
}

void viommu_invalidate_device_tlb(VIOMMU *v, uint16_t sid,
                                  hwaddr first, hwaddr last)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (viommu_endpoint_sid(ep) == sid) {
            viommu_notify_device_tlb(ep, first, last);
        }
    }
}

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque)
{
    return dma_drain_fence(v->drain, fence, done, opaque);
}

void viommu_fence_cancel(VIOMMU *v, DMAFence *fence)
{
    dma_drain_fence_cancel(v->drain, fence);
}

/* Drop everything cached and make every endpoint follow the tables. */
static void viommu_start_over(VIOMMU *v, bool drain)
{
    DMADrainScope scope = { .last = HWADDR_MAX };
    VIOMMUEndpoint *ep;

    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            config_drop(ep);
        }
    }
    iotlb_invalidate_all(v->iotlb);
    /* Removed, before the slots of those who might still use it are read. */
    smp_mb();

    memory_region_transaction_begin();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        scope.topology |= viommu_refresh(ep);
    }
    memory_region_transaction_commit();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_notify_unmap(ep, 0, HWADDR_MAX);
        if (scope.topology) {
            viommu_forget_identity(ep);
        }
    }
    if (drain) {
        dma_drain_start(v->drain, &scope);
    } else {
        dma_drain_forget(v->drain);
    }
}

void viommu_set_enabled(VIOMMU *v, bool enabled)
{
    trace_viommu_set_enabled(v->name, enabled);
    qatomic_set(&v->enabled, enabled);
    viommu_start_over(v, true);
}

void viommu_reset(VIOMMU *v)
{
    VIOMMUEndpoint *ep;

    qatomic_set(&v->enabled, false);
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_notify_forget(ep);
        qatomic_set(&ep->unlisted,
                    ep->bus && viommu_policy_unlisted(ep->bus, ep->devfn));
    }
    viommu_start_over(v, false);
    dma_drain_reset(v->drain);
}

void viommu_post_load(VIOMMU *v, bool enabled)
{
    qatomic_set(&v->enabled, enabled);
    viommu_start_over(v, false);
}

void viommu_get_stats(VIOMMU *v, VIOMMUStats *stats)
{
    stats->translations = qatomic_read(&v->stats.translations);
    stats->iotlb_hits = qatomic_read(&v->stats.iotlb_hits);
    stats->iotlb_misses = qatomic_read(&v->stats.iotlb_misses);
    stats->walks = qatomic_read(&v->stats.walks);
    stats->faults = qatomic_read(&v->stats.faults);
    stats->inv_global = qatomic_read(&v->stats.inv_global);
    stats->inv_domain = qatomic_read(&v->stats.inv_domain);
    stats->inv_page = qatomic_read(&v->stats.inv_page);
    stats->inv_config = qatomic_read(&v->stats.inv_config);
}

static VIOMMUInfo *viommu_info(VIOMMURegistration *reg)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUInfo *info = g_new0(VIOMMUInfo, 1);
    VIOMMUEndpoint *ep;
    VIOMMUStats stats;
    DMADrainStats drain;

    viommu_get_stats(v, &stats);
    dma_drain_get_stats(v->drain, &drain);
    info->qom_path = object_get_canonical_path(v->owner);
    info->model = g_strdup(v->name);
    info->enabled = v->enabled;
    QLIST_FOREACH(ep, &v->endpoints, next) {
        info->endpoints++;
        info->maps_in_flight += dma_inflight_count(ep->inflight);
    }
    info->translations = stats.translations;
    info->iotlb_hits = stats.iotlb_hits;
    info->iotlb_misses = stats.iotlb_misses;
    info->walks = stats.walks;
    info->faults = stats.faults;
    info->invalidations_tlb_global = stats.inv_global;
    info->invalidations_tlb_domain = stats.inv_domain;
    info->invalidations_tlb_page = stats.inv_page;
    info->invalidations_config = stats.inv_config;
    info->drains = drain.drains;
    info->drains_waited = drain.waited;
    info->drain_wait_ns_total = drain.wait_ns_total;
    info->drain_wait_ns_max = drain.wait_ns_max;
    info->drain_stalls = drain.stalls;
    info->maps_revoked = drain.revoked;
    info->maps_abandoned = drain.abandoned;
    return info;
}

/*
 * The machine stops: whatever a drain waits for is brought to its end now, so
 * that migration finds no drain pending, and the guest's memory, which is sent
 * before the devices' state, has the completion already.  What even this does
 * not end (a request that the block layer keeps for later) stays pending, and
 * the model's state says so.
 */
static void viommu_vm_state_change(void *opaque, bool running, RunState state)
{
    VIOMMU *v = opaque;

    if (!running && dma_drain_busy(v->drain)) {
        blk_drain_all();
        dma_drain_poll(v->drain);
    }
}

void viommu_init(VIOMMU *v, const VIOMMUOps *ops, Object *owner,
                 const VIOMMUParams *params)
{
    MemoryRegion *sysmem = get_system_memory();

    v->ops = ops;
    v->owner = owner;
    v->name = params->name;
    v->memory = &address_space_memory;
    v->mem = (IOPTMem) {
        .read = viommu_read_entry,
        .update = viommu_update_entry,
        .opaque = v,
    };
    v->pasid_bits = params->pasid_bits;
    v->iotlb = iotlb_new(params->iotlb_entries);
    v->drain = dma_drain_new(&params->drain);
    qemu_mutex_init(&v->lock);
    v->by_key = g_hash_table_new(endpoint_hash, endpoint_equal);
    QLIST_INIT(&v->endpoints);
    /* Like the drain's: not in the middle of somebody's register write. */
    v->refresh_bh = aio_bh_new(iohandler_get_aio_context(), viommu_refresh_bh,
                               v);
    v->vmstate = qemu_add_vm_change_state_handler(viommu_vm_state_change, v);
    v->device_listener.realize = viommu_device_realized;
    v->device_listener.unrealize = viommu_device_unrealized;
    device_listener_register(&v->device_listener);

    memory_region_init(&v->bypass, owner, "viommu-bypass", UINT64_MAX);
    memory_region_init_alias(&v->sysmem, owner, "viommu-sysmem", sysmem, 0,
                             memory_region_size(sysmem));
    memory_region_add_subregion_overlap(&v->bypass, 0, &v->sysmem, 0);

    v->registration.info = viommu_info;
    viommu_register(&v->registration);
}

/* An IOMMU index is a PASID in MemTxAttrs.pid's encoding. */
static int viommu_attrs_to_index(IOMMUMemoryRegion *iommu, MemTxAttrs attrs)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);

    return attrs.pid & ((1u << ep->viommu->pasid_bits) - 1);
}

static int viommu_num_indexes(IOMMUMemoryRegion *iommu)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);

    return 1 << ep->viommu->pasid_bits;
}

static void viommu_memory_region_class_init(ObjectClass *klass, void *data)
{
    IOMMUMemoryRegionClass *imrc = IOMMU_MEMORY_REGION_CLASS(klass);

    imrc->translate = viommu_mr_translate;
    imrc->attrs_to_index = viommu_attrs_to_index;
    imrc->num_indexes = viommu_num_indexes;
    imrc->notify_flag_changed = viommu_notify_flag_changed;
    imrc->replay = viommu_notify_replay;
}

static const TypeInfo viommu_memory_region_info = {
    .parent = TYPE_IOMMU_MEMORY_REGION,
    .name = TYPE_VIOMMU_MEMORY_REGION,
    .class_init = viommu_memory_region_class_init,
};

static void viommu_register_types(void)
{
    type_register_static(&viommu_memory_region_info);
}

type_init(viommu_register_types)
