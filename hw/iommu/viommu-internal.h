/*
 * vIOMMU core: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_INTERNAL_H
#define HW_IOMMU_VIOMMU_INTERNAL_H

#include "hw/iommu/viommu.h"
#include "hw/iommu/viommu-registry.h"

/* A translation that no table limits is handed out in pages of this size. */
#define BYPASS_PAGE_MASK 0xfffULL

/*
 * Counters are plain increments: they may lose one when two threads collide,
 * which is better than a locked instruction on each hit.
 */
#define VIOMMU_STAT_INC(owner, field)                   \
    qatomic_set(&(owner)->stats.field,                  \
                qatomic_read(&(owner)->stats.field) + 1)

/* The PASID of a request with dma_attrs_code() @attrs. */
static inline uint32_t viommu_pasid_of(uint32_t attrs)
{
    return attrs & DMA_ATTRS_PASID ? attrs & DMA_ATTRS_PASID_MASK :
                                     VIOMMU_NO_PASID;
}

/*
 * The PASID that says what applies to it: a translated request may have one,
 * but it is the endpoint alone whose addresses are believed.
 */
static inline uint32_t viommu_config_pasid(uint32_t attrs)
{
    return attrs & DMA_ATTRS_TRANSLATED ? VIOMMU_NO_PASID :
                                          viommu_pasid_of(attrs);
}

/*
 * How a request with @attrs is made, as IOPT_EXEC and IOPT_PRIV, as far as
 * @config lets it say that.
 */
static inline unsigned viommu_walk_attrs(const VIOMMUConfig *config,
                                         uint32_t attrs)
{
    return ((attrs & DMA_ATTRS_EXEC ? IOPT_EXEC : 0) |
            (attrs & DMA_ATTRS_PRIV ? IOPT_PRIV : 0)) & ~config->attrs_fixed;
}

/*
 * How many configurations of PASIDs are kept of an endpoint, at most: a device
 * has 2^20 PASIDs, but only so many are busy.  A power of two.
 */
#define VIOMMU_PASID_SLOTS 64

/*
 * viommu.c: viommu_init: set up the core part of @owner, a model's device,
 * embedded at @v.  Cannot fail, and is not undone.  BQL.
 */
struct VIOMMUModel;
void viommu_init(VIOMMU *v, const struct VIOMMUModel *model, Object *owner);

/* viommu-config.c */

/*
 * viommu_resolve_now: what applies to @ep by the tables as they are in memory
 * now, no cache.  Any thread, inside an RCU read section.
 */
void viommu_resolve_now(VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config);

/*
 * viommu_resolve_look: the same for a query: the tables are read through @mem,
 * which updates nothing.
 */
void viommu_resolve_look(VIOMMUEndpoint *ep, uint32_t pasid,
                         const IOPTMem *mem, VIOMMUConfig *config);

/*
 * viommu_config_get: what applies to @ep's accesses with @pasid: the copy that
 * is kept, or @fresh, which is filled in.  Any thread, inside an RCU read
 * section.
 */
VIOMMUConfig *viommu_config_get(VIOMMUEndpoint *ep, uint32_t pasid,
                                VIOMMUConfig *fresh);

/*
 * viommu_config_kept: the copy that is kept, or NULL.  viommu_config_pasid_at:
 * whose is in place @i <= VIOMMU_PASID_SLOTS; of place 0 VIOMMU_NO_PASID, which
 * of another says that there is none.  Any thread, inside an RCU read section.
 */
VIOMMUConfig *viommu_config_kept(VIOMMUEndpoint *ep, uint32_t pasid);
uint32_t viommu_config_pasid_at(VIOMMUEndpoint *ep, unsigned i);

/*
 * viommu_config_drop: keep no copy any more; viommu_config_drop_pasid: none
 * that came from the entry of @pasid.  v->lock held.
 */
void viommu_config_drop(VIOMMUEndpoint *ep);
void viommu_config_drop_pasid(VIOMMUEndpoint *ep, uint32_t pasid);
/* viommu_config_drop_tag: or whose tag is @tag, by @mask.  v->lock held. */
void viommu_config_drop_tag(VIOMMUEndpoint *ep, uint64_t tag, uint64_t mask);

/* viommu-translate.c */

/*
 * IOTLB_TAG()'s variant of translations for accesses that are made so: its two
 * top bits; the others are the model's.
 */
static inline uint64_t viommu_variant(unsigned need)
{
    return (need & (IOPT_EXEC | IOPT_PRIV)) << 4;
}

/*
 * viommu_walk: walk the tables of @config, whose mode is TRANSLATE, for @iova.
 * @need: IOPT_READ, IOPT_WRITE, IOPT_EXEC, IOPT_PRIV; @refused: what was found
 * is no target that the model allows.  Any thread, inside an RCU read section.
 */
IOPTFault viommu_walk(VIOMMU *v, const VIOMMUConfig *config,
                      const IOPTMem *mem, hwaddr iova, unsigned need,
                      IOTLBEntry *entry, IOPTResult *res, bool *refused);

/* One translation: who asks for what, and the answer. */
typedef struct VIOMMULookup {
    VIOMMUEndpoint *ep;
    hwaddr iova;
    unsigned need;           /* IOPT_READ, IOPT_WRITE; EXEC, PRIV are added */
    uint32_t attrs;          /* dma_attrs_code() */
    VIOMMUAccess access;
    /* The endpoint keeps what is found, so it must be fit to be kept */
    bool keep;

    VIOMMUConfig *fresh;     /* room for one */

    VIOMMUConfig *config;    /* what applies */
    DMATranslation found;    /* @tag is that of the configuration in any case */
    VIOMMUFault fault;       /* if nothing was found */
    bool unsure;             /* of @found.tag: treat it as DMA_TAG_ANY */
} VIOMMULookup;

/*
 * viommu_lookup: the one way from an IOVA to memory.  Reports no fault: what
 * would be one is in @l->fault (complete after viommu_lookup_fault()), and
 * @l->found is where it leads otherwise.  Any thread, inside an RCU read
 * section.
 */
bool viommu_lookup(VIOMMULookup *l);
void viommu_lookup_fault(VIOMMULookup *l);

/*
 * viommu_found_mask: how much of what was found around the IOVA, if anything
 * was, is no part of a window; a power of two, less 1.
 */
hwaddr viommu_found_mask(const VIOMMULookup *l, bool found);

/*
 * viommu_in_window: the opaque window that @iova is in, or NULL: an interrupt
 * message, say, and no memory.  Any thread, inside an RCU read section.
 */
static inline const IOMMUWindow *viommu_in_window(const VIOMMUEndpoint *ep,
                                                  hwaddr iova)
{
    const IOMMUWindow *w = iommu_windows_find(viommu_windows(ep), iova);

    return w && iommu_window_is_opaque(w) ? w : NULL;
}

/* Do windows count for a request with @attrs?  Not if it has a PASID. */
static inline bool viommu_minds_windows(uint32_t attrs)
{
    return !(attrs & (DMA_ATTRS_PASID | DMA_ATTRS_TRANSLATED));
}

/* IOMMUMemoryRegionClass.translate */
IOMMUTLBEntry viommu_mr_translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                                  IOMMUAccessFlags flag, int iommu_idx);

/* DMAInflightOps.translate, .translate_ahead, .tag_begin, .tag_end */
bool viommu_dma_translate(void *opaque, hwaddr iova, bool is_write,
                          uint32_t attrs, DMATranslation *t);
void viommu_dma_translate_ahead(void *opaque, hwaddr first, hwaddr last,
                                bool is_write, uint32_t attrs,
                                DMAAheadRun *run, void *run_opaque);
void viommu_tag_begin(void *opaque, uint32_t attrs, DMATagMark *mark);
uint64_t viommu_tag_end(void *opaque, const DMATagMark *mark);

/* viommu-probe.c: DMAInflightOps.probe and the like, .canonical */
DMAProbe *viommu_probe_begin(void *opaque, uint32_t attrs, bool as_is);
void viommu_probe_end(DMAProbe *probe);
bool viommu_probe(DMAProbe *probe, hwaddr first, hwaddr last, bool is_write,
                  uint64_t *entries, DMAProbeRun *run, void *opaque);
hwaddr viommu_canonical(void *opaque, uint32_t attrs, hwaddr iova);

/* viommu-table.c: IOPTMem; @opaque is the VIOMMU.  Any thread. */
bool viommu_read_entry(void *opaque, uint64_t addr, uint64_t *entry);
bool viommu_update_entry(void *opaque, uint64_t addr, uint64_t *expected,
                         uint64_t value);

/* viommu-endpoint.c */

/*
 * viommu_refresh: show the endpoint the view that its configuration asks for.
 * A bypassing endpoint sees memory directly, so that its accesses, and vhost
 * and VFIO, need no translation at all.  BQL.
 *
 * Returns: true if it went from the bypass view to the translated one.
 */
bool viommu_refresh(VIOMMUEndpoint *ep);

/* viommu_views_init: what all endpoints of @v are shown.  BQL */
void viommu_views_init(VIOMMU *v);
/* viommu_show: the view that @ep->bypasses says.  BQL, in a transaction */
void viommu_show(VIOMMUEndpoint *ep);

/*
 * viommu_endpoint_attributed: can the device say more of a request than its
 * address (a PASID)?  Then each has to be looked at, and it never sees the
 * bypass view while translation is on.  BQL.
 */
bool viommu_endpoint_attributed(VIOMMUEndpoint *ep);

/*
 * viommu_forget_identity: in the bypass view a device-TLB (of a vhost backend)
 * got what an identity map would say.  Hardware translates nothing for it
 * then, so the guest need not invalidate it.  Not in a memory transaction: the
 * notifiers come with the region.  BQL.
 */
void viommu_forget_identity(VIOMMUEndpoint *ep);

/*
 * viommu_refresh_bh: a bottom half; some endpoints turned out to bypass while
 * some other thread did DMA.  @opaque: the VIOMMU.
 */
void viommu_refresh_bh(void *opaque);

extern const DMAInflightOps viommu_inflight_ops;

/* viommu_of_address_space: the endpoint whose @as is, or NULL.  Any thread. */
VIOMMUEndpoint *viommu_of_address_space(AddressSpace *as);

/* The table by_key: (bus, devfn) -> VIOMMUEndpoint */
GHashTable *viommu_endpoint_table_new(void);

/*
 * viommu-faultlog.c: keep @fault for whoever asks.  Any thread, no lock held;
 * takes a short lock of its own, and allocates nothing.
 */
void viommu_fault_log(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                      const VIOMMUFault *fault);

/* An endpoint's translated view, if the sanitizer looks on */
#define TYPE_VIOMMU_SANITIZED_REGION "viommu-sanitized-memory-region"

/*
 * viommu-sanitize*.c: what it sees.  All but the first and the last only if
 * v->sanitizer is set.
 *
 * viommu_sanitizer_init: make it, if it is asked for.  BQL.
 * viommu_sanitize_invalidated: of domains like @tag in @tag_mask.  BQL.
 * viommu_sanitize_config: @inv, of configurations, is about to be.  BQL.
 * viommu_sanitize_config_dropped: some kept configurations were.  BQL; v->lock
 * may be held.
 * viommu_sanitize_fence: software waits for what was invalidated.  BQL.
 * viommu_sanitize_gone: no device is there any more.  BQL.
 * viommu_sanitize_clear: the unit is as after a reset, or as another process
 * left it: nothing is known of what was.  BQL.
 * viommu_sanitize_fault: an access was refused.  Any thread, inside an RCU read
 * section; no lock held.
 * viommu_sanitize_device_seq, viommu_sanitize_granted: @ep was told @told, by
 * tables that were read after the former.  Any thread; no lock held.
 * viommu_sanitize_device_tlb: as viommu_notify_device_tlb().  BQL.
 * viommu_sanitize_bypass: look for devices whose DMA goes round it.  BQL.
 * viommu_sanitizer_driver: VIOMMURegistration.driver_ok.
 */
void viommu_sanitizer_init(VIOMMU *v);
void viommu_sanitize_invalidated(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                                 hwaddr first, hwaddr last);
void viommu_sanitize_config(VIOMMU *v, const VIOMMUInv *inv);
void viommu_sanitize_config_dropped(VIOMMU *v);
uint64_t viommu_sanitize_device_seq(VIOMMU *v);
void viommu_sanitize_granted(VIOMMUEndpoint *ep, uint32_t attrs, uint64_t seq,
                             const IOMMUTLBEntry *told);
void viommu_sanitize_device_tlb(VIOMMUEndpoint *ep, uint32_t pasid, bool all,
                                hwaddr first, hwaddr last);
void viommu_sanitize_fence(VIOMMU *v);
void viommu_sanitize_gone(VIOMMUEndpoint *ep);
void viommu_sanitize_clear(VIOMMU *v);
void viommu_sanitize_fault(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                           const VIOMMUFault *fault);
void viommu_sanitize_bypass(VIOMMU *v);
void viommu_sanitizer_driver(VIOMMURegistration *reg,
                             const VirtIODevice *vdev);

/* viommu-windows.c; see viommu-windows.h.  BQL */

/* viommu_windows_init: no list yet; viommu_windows_begin: the first one. */
void viommu_windows_init(VIOMMUEndpoint *ep);
void viommu_windows_begin(VIOMMUEndpoint *ep);
/*
 * viommu_windows_show: @ep's view is, or is not, that of who bypasses.
 * Returns: is that one with holes of its own?  In a transaction.
 */
bool viommu_windows_show(VIOMMUEndpoint *ep, bool bypass);
/* What the operator says of @dev, and that it has gone again */
void viommu_windows_device_came(VIOMMUEndpoint *ep, PCIDevice *dev,
                                const IOMMUWindows *list);
void viommu_windows_device_gone(VIOMMU *v, PCIDevice *dev);

/* viommu-windows-ram.c.  BQL */

/*
 * viommu_windows_ram_ok: has the guest no memory where @list has windows of
 * @ep that keep it away?  @device: whose they are.
 */
bool viommu_windows_ram_ok(VIOMMUEndpoint *ep, const char *device,
                           const IOMMUWindows *list, Error **errp);
/* What is to be done about memory in a window of @origin, as a hint */
const char *viommu_windows_remedy(IOMMUWindowOrigin origin);
/* VIOMMU.machine_done: the same of all endpoints; the process ends if not */
void viommu_windows_machine_done(Notifier *notifier, void *unused);
/* VIOMMURegistration.memory_ok */
bool viommu_windows_memory_ok(VIOMMURegistration *reg, uint64_t first,
                              uint64_t last, uint64_t *next, Error **errp);

/* viommu-windows-migrate.c.  BQL */

void viommu_windows_migration_init(VIOMMU *v);
/*
 * viommu_windows_loaded: @v's state has come.  Returns: false, when it has
 * said so, if the source has sent no windows, but must have.
 */
bool viommu_windows_loaded(VIOMMU *v);

/* viommu-windows-device.c.  BQL */

/* Can the operator have @list of @v?  @who: whose property it is. */
bool viommu_windows_kinds_ok(const VIOMMU *v, const char *who,
                             const IOMMUWindows *list, Error **errp);
/*
 * Does @ep have nothing else where @list, of @who, has it mapped one to one,
 * and nothing mapped one to one where @list has something else?
 */
bool viommu_windows_agree(VIOMMUEndpoint *ep, const char *who,
                          const IOMMUWindows *list, Error **errp);
/* Add to @list what @dev's property says, whether @dev is realized or not. */
void viommu_windows_device_asks(PCIDevice *dev, IOMMUWindows *list);
void viommu_windows_device_realized(VIOMMU *v, PCIDevice *dev);
/* Has the operator given anybody a direct window? */
bool viommu_windows_tell_direct(void);

/* viommu-inv.c */

/*
 * viommu_endpoints_changed: something else applies from now on to those that
 * are .changed, which they are no more when it returns, although the guest has
 * invalidated nothing.  viommu_endpoint_changed: to @ep alone.  BQL.
 */
void viommu_endpoints_changed(VIOMMU *v);
void viommu_endpoint_changed(VIOMMUEndpoint *ep);

/* viommu-ats.c */

/* What is sent from VIOMMU.page_bh, and forgotten by viommu_pages_forget(). */
typedef struct VIOMMUPageAnswer {
    VIOMMUEndpoint *ep;
    uint32_t pasid;
    uint16_t prgi;
    VIOMMUPageCode code;
} VIOMMUPageAnswer;

/* BQL */
void viommu_pages_init(VIOMMU *v);
void viommu_pages_forget(VIOMMU *v);

/* viommu-plug.c */

/* VIOMMURegistration.bus_numbered.  BQL. */
void viommu_renumbered(VIOMMURegistration *reg, PCIBus *bus);

/* Has the guest been told that @ep bypasses?  BQL. */
bool viommu_endpoint_unlisted(VIOMMUEndpoint *ep);
/* Told otherwise: what viommu_policy_told_add_notifier() takes.  BQL. */
void viommu_told_changed(Notifier *notifier, void *unused);
/* DeviceListener.realize, .unrealize.  BQL. */
void viommu_device_realized(DeviceListener *listener, DeviceState *dev);
void viommu_device_unrealized(DeviceListener *listener, DeviceState *dev);

/* viommu-notify.c */

/*
 * viommu_notify_unmap: tell notifiers that @first .. @last of @ep is gone;
 * MAP notifiers are told the difference between what they know and the tables
 * as they are now.
 * viommu_notify_map: only tell MAP notifiers that difference.
 * viommu_notify_forget: unmap everything, whatever the tables say.
 * All: BQL.
 */
void viommu_notify_unmap(VIOMMUEndpoint *ep, hwaddr first, hwaddr last);
void viommu_notify_map(VIOMMUEndpoint *ep, hwaddr first, hwaddr last);
void viommu_notify_forget(VIOMMUEndpoint *ep);
/*
 * viommu_notify_device_tlb: what was translated with @pasid, or all of it
 * (@all), is not to be kept any more.
 */
void viommu_notify_device_tlb(VIOMMUEndpoint *ep, uint32_t pasid, bool all,
                              hwaddr first, hwaddr last);

/* The methods of TYPE_VIOMMU_MEMORY_REGION that are about notifiers. */
int viommu_notify_flag_changed(IOMMUMemoryRegion *iommu,
                               IOMMUNotifierFlag old_flags,
                               IOMMUNotifierFlag new_flags, Error **errp);
void viommu_notify_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n);

/*
 * viommu-device.c: DMAInflightOps.stalled and .abandon; @opaque is the
 * endpoint.  BQL.
 */
void viommu_device_stalled(void *opaque, const DMAMapInfo *map, int64_t age);
void viommu_device_abandon(void *opaque, const DMAMapInfo *map, int64_t age);

#endif
