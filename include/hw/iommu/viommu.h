/*
 * The vIOMMU core: endpoints, translation, invalidation, notifiers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model (VT-d, SMMUv3, ...) is registers, queues, table formats and fault
 * records, and the few functions of VIOMMUOps.  The core does lookup, walk,
 * permission check, insert, notifier traffic and the drain, once, for all
 * models.  See docs/devel/viommu-core.rst for how to write a model, and
 * viommu-model.h for how its device is realized.
 */
#ifndef HW_IOMMU_VIOMMU_H
#define HW_IOMMU_VIOMMU_H

#include "exec/memory.h"
#include "hw/iommu/iopt.h"
#include "hw/iommu/iotlb.h"
#include "hw/iommu/viommu-ats.h"
#include "hw/iommu/viommu-registry.h"
#include "hw/iommu/viommu-shadow.h"
#include "hw/iommu/viommu-windows.h"
#include "hw/pci/pci.h"
#include "qemu/notify.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "system/dma-attrs.h"
#include "system/dma-inflight.h"

typedef struct VIOMMUFaultLog VIOMMUFaultLog;
typedef struct VIOMMUSanitizer VIOMMUSanitizer;
typedef struct VIOMMUQueryOps VIOMMUQueryOps;

/* Of a large variable that is filled in before it is read */
#if __has_attribute(uninitialized)
#define VIOMMU_UNSET __attribute__((uninitialized))
#else
#define VIOMMU_UNSET
#endif

#define TYPE_VIOMMU_MEMORY_REGION "viommu-memory-region"

/* How an endpoint's request came by its address (PCIe 10.2.1) */
typedef enum VIOMMUAccess {
    VIOMMU_UNTRANSLATED,
    VIOMMU_TRANSLATED,           /* it was told by a translation request */
    VIOMMU_TRANSLATION_REQUEST,  /* this is one, and no access */
} VIOMMUAccess;

/* How a translation request is completed (PCIe 10.2.3) */
typedef enum VIOMMUATSStatus {
    VIOMMU_ATS_SUCCESS,          /* maybe with neither R nor W */
    VIOMMU_ATS_UR,               /* Unsupported Request */
    VIOMMU_ATS_CA,               /* Completer Abort */
} VIOMMUATSStatus;

typedef enum VIOMMUMode {
    VIOMMU_BLOCKED,          /* every access faults, with @reason */
    VIOMMU_BYPASS,           /* IOVA is the guest-physical address */
    VIOMMU_TRANSLATE,        /* through @table */
} VIOMMUMode;

/* What applies to an endpoint: the answer of VIOMMUOps.resolve. */
typedef struct VIOMMUConfig {
    struct rcu_head rcu;     /* the core's; has to be first */
    /*
     * What .resolve reads the tables through: the core's, set while it runs.
     * Without .update (a query) it is no access, and updates nothing.
     */
    const IOPTMem *mem;
    uint64_t id;             /* the core's, of one that is kept; else 0 */
    VIOMMUMode mode;
    /* IOTLB_TAG(); DMA_TAG_UNTRANSLATED: no table was consulted */
    uint64_t tag;
    IOPTSpace space;         /* mode TRANSLATE */
    uint8_t bypass_bits;     /* mode BYPASS: beyond it faults; 64: nothing */
    /* mode BYPASS: not because an entry says so, but because there is none */
    bool no_entry;
    /* mode BLOCKED: of an entry that is there something reserved is set */
    bool illegal;
    bool quiet;              /* faults are not recorded (VT-d FPD) */
    bool cacheable;          /* may be kept until a config invalidation */
    int reason;              /* mode BLOCKED: the model's own code */
    /*
     * Mode BLOCKED: a sentence for who asks, if it says more than that of
     * @reason; it lives for ever.  Or NULL.
     */
    const char *why;
    /*
     * IOPT_EXEC, IOPT_PRIV: whether an access is made so is not for the request
     * to say, but for @space.attrs alone.
     */
    uint8_t attrs_fixed;
    /*
     * The endpoint may send translation requests and translated ones, whatever
     * @mode is: that is not looked at for the latter.
     */
    bool ats;
    /* @ats is false, and that is found before what @reason of BLOCKED says. */
    bool ats_first;
    /* An access with one of these is blocked, although @mode is another. */
    uint8_t blocked_attrs;
    /*
     * Whose accesses these are.  The core fills it in.  VIOMMU_NO_PASID: the
     * model may say which PASID's entry was consulted.
     */
    uint32_t pasid;
    uint64_t model;          /* the model's own, for .fault and .output_ok */
} VIOMMUConfig;

/* Why an access failed, for VIOMMUOps.fault. */
typedef struct VIOMMUFault {
    uint32_t pasid;
    hwaddr iova;
    bool is_write;
    uint8_t attrs;           /* IOPT_EXEC, IOPT_PRIV: it was made so */
    VIOMMUAccess access;
    bool denied;             /* @config->ats is false, and @access needs it */
    bool blocked;            /* true: @config->mode is BLOCKED */
    IOPTFault kind;          /* otherwise: what the walk met */
    IOPTResult res;          /* and where: level, stage, IPA */
    bool reserved_range;     /* @kind IOPT_OK, but refused by .output_ok */
    /* @kind NOT_PRESENT: no table was asked, the address is in this window */
    const IOMMUWindow *window;
} VIOMMUFault;

typedef struct VIOMMUOps {
    /*
     * resolve() and the walks of a space ask somebody and may wait for the
     * answer.  So the drain, which must not, takes all that an invalidation is
     * about for stale, and no endpoint has the bypass view.
     */
    bool asks;
    /*
     * resolve: read the configuration tables (root, context, ... entries) of
     * @ep as they are in memory now and fill @config (zeroed by the core).
     * @pasid: any of 20 bits, or VIOMMU_NO_PASID.  One that is out of range, or
     * where there shall be none, is BLOCKED as the specification says.
     * Records no fault.  Any thread, inside an RCU read section, without any
     * lock of the core; two threads may run it at once.  Must not take the
     * BQL.
     */
    void (*resolve)(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                    VIOMMUConfig *config);
    /*
     * fault: record and signal it the model's way (unless config->quiet says
     * not to, where the model's specification has exceptions it decides).
     * Any thread, with or without the BQL; no lock of the core is held.
     */
    void (*fault)(VIOMMU *v, VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                  const VIOMMUFault *fault);
    /* query: what the model knows in words (viommu-query.h).  NULL: nothing. */
    const VIOMMUQueryOps *query;
    /* output_ok: may a translation lead to @addr .. @last?  NULL: always. */
    bool (*output_ok)(VIOMMU *v, hwaddr addr, hwaddr last);
    /*
     * bypass_view: may @ep use the bypass memory region directly while its
     * mode is BYPASS?  NULL: yes.  BQL.
     */
    bool (*bypass_view)(VIOMMU *v, VIOMMUEndpoint *ep);
    /*
     * endpoint_init: the windows of a new endpoint (viommu_window_add()).
     * Those of one unit are alike, as a rule: then those who bypass share one
     * view of memory.  May be NULL.  BQL.
     */
    void (*endpoint_init)(VIOMMU *v, VIOMMUEndpoint *ep);
    /*
     * check_notifier: may a notifier with @flags be registered?  Set @errp
     * naming the property to change and return false if not.  BQL.
     */
    bool (*check_notifier)(VIOMMU *v, VIOMMUEndpoint *ep,
                           IOMMUNotifierFlag flags, Error **errp);
    /*
     * ats_fault: a translation request met @fault.  Record it if the
     * specification has it recorded, and say how the request is completed.
     * NULL: a page that is not there, or a right that is not granted, is no
     * fault; anything else goes to .fault, and is an Unsupported Request if it
     * is about the configuration, a Completer Abort if about the tables.  Any
     * thread, as .fault.
     */
    VIOMMUATSStatus (*ats_fault)(VIOMMU *v, VIOMMUEndpoint *ep,
                                 const VIOMMUConfig *config,
                                 const VIOMMUFault *fault);
    /*
     * page_request: put @req into the model's queue, and return
     * VIOMMU_PAGE_QUEUED; viommu_page_response() follows when software answers.
     * Or return what the group is answered at once, if @req is its last; it is
     * dropped otherwise.  When this has returned, nothing of @req is under way
     * any more.  NULL: there is no queue; all is VIOMMU_PAGE_INVALID.  BQL.
     */
    VIOMMUPageCode (*page_request)(VIOMMU *v, VIOMMUEndpoint *ep,
                                   const VIOMMUPageRequest *req);
    /*
     * requesters_changed: who viommu_each_requester() names may be others now.
     * NULL: it is no matter.  Once the machine is made; BQL.
     */
    void (*requesters_changed)(VIOMMU *v);
} VIOMMUOps;

/* Counters of an endpoint; relaxed atomics. */
typedef struct VIOMMUEndpointStats {
    uint64_t translations;   /* that its own cache did not know */
    uint64_t faults;
    uint64_t interrupts;     /* remapped */
    uint64_t interrupts_refused;
} VIOMMUEndpointStats;

/*
 * One requester: its address space, and what is cached of its configuration.
 * Lives as long as the vIOMMU.
 */
struct VIOMMUEndpoint {
    VIOMMU *viommu;
    PCIBus *bus;             /* atomic; NULL: the bus was unplugged */
    uint8_t devfn;
    AddressSpace as;
    MemoryRegion root;       /* container of the views */
    IOMMUMemoryRegion iommu; /* translated view */
    MemoryRegion doorbells;  /* over it: alias of viommu->doorbells */
    MemoryRegion bypass;     /* bypass view: alias of viommu->bypass */
    /* That of who has holes of its own: of viommu->plain.  NULL: has none */
    MemoryRegion *apart;
    bool bypasses;           /* which of them is shown */
    /* The core's own from here on */
    VIOMMUWindows *windows;  /* RCU; see viommu_windows() */
    struct VIOMMUWindowSources *window_sources;
    DMAInflight *inflight;
    VIOMMUConfig *config;    /* RCU; NULL: not cached */
    /* Of accesses with a PASID: VIOMMU_PASID_SLOTS of them, or NULL.  RCU */
    VIOMMUConfig **pasid_configs;
    VIOMMUEndpointStats stats;
    uint64_t last_tag;       /* tag of the last translation, atomic */
    /*
     * The requester ID that what is cached was resolved for: whatever changes
     * a bus number says so (viommu_bus_numbered()).
     */
    uint16_t sid;
    bool refresh;            /* wants viommu_refresh(), atomic */
    /* Within one call of viommu-inv.c's: see viommu_endpoints_changed() */
    bool changed, switched;
    bool unlisted;           /* so the guest was told: bypasses; atomic */
    /* The sanitizer's: passes for want of an entry, after @passed accesses */
    bool passes;
    uint64_t passed;
    QLIST_HEAD(, VIOMMUATSListener) listeners;
    IOMMUNotifierFlag notifier_flags;
    VIOMMUShadow shadow;     /* what MAP notifiers were told */
    QLIST_ENTRY(VIOMMUEndpoint) next;
    bool notified;           /* has, or had, notifiers */
    VIOMMUEndpoint *next_notified;
};

/* Counters; relaxed atomics, read with viommu_get_stats(). */
typedef struct VIOMMUStats {
    uint64_t translations;
    uint64_t iotlb_hits;
    uint64_t iotlb_misses;
    uint64_t walks;
    uint64_t faults;
    uint64_t inv_global;
    uint64_t inv_domain;
    uint64_t inv_page;
    uint64_t inv_config;
} VIOMMUStats;

/* The properties of every model: viommu-model.h defines and checks them. */
typedef struct VIOMMUProperties {
    uint32_t iotlb_size;         /* entries */
    uint32_t dma_cache_size;     /* pages of an endpoint's cache; 0: none */
    char *dma_mode;              /* "drain", "bounce"; NULL: "drain" */
    /* QEMU_CLOCK_VIRTUAL milliseconds; 0: never */
    uint32_t drain_timeout;
    uint32_t drain_stall_time;
    bool sanitizer;
    char *reserved_ranges;       /* START:END:TYPE,...; NULL: none */
    bool ram_in_windows;         /* the guest may have memory there */
} VIOMMUProperties;

struct VIOMMU {
    VIOMMUProperties props;
    const VIOMMUOps *ops;
    Object *owner;           /* the model's device */
    const char *name;        /* of the model, for region names and traces */
    const char *type;        /* of its device, for messages */
    unsigned window_kinds;   /* bits: what the operator may ask for */
    uint64_t direct_align;   /* bytes that direct ones begin and end at */
    IOMMUWindows reserved_ranges;
    AddressSpace *memory;    /* where tables and translations lead */
    IOPTMem mem;             /* the same, for walks */
    MemoryRegion doorbells;  /* container: the model's regions */
    MemoryRegion plain;      /* container: system memory, and over it those */
    MemoryRegion sysmem;     /* alias of system memory inside it */
    MemoryRegion bypass;     /* container: that, and over it the holes */
    MemoryRegion bypass_plain;       /* alias of it inside this one */
    /* The core's own from here on */
    IOMMUWindows *holes;             /* where they are; NULL: not known yet */
    IOTLB *iotlb;
    DMADrain *drain;
    QemuMutex lock;          /* config installs against invalidations */
    uint64_t config_seq;     /* config invalidations so far; under lock */
    uint64_t table_seq;      /* invalidations of more than leaves; atomic */
    GHashTable *by_key;      /* (bus, devfn) -> VIOMMUEndpoint */
    QLIST_HEAD(, VIOMMUEndpoint) endpoints;
    VIOMMUEndpoint *notified;        /* those that have, or had, notifiers */
    unsigned views;                  /* viommu_views(): changes of any */
    QEMUBH *refresh_bh;
    QEMUBH *page_bh;                 /* sends what is in: */
    GQueue page_answers;             /* VIOMMUPageAnswer; BQL */
    VMChangeStateEntry *vmstate;
    DeviceListener device_listener;
    Notifier told_notifier;  /* who is listed may have changed */
    Notifier machine_done;
    struct VIOMMUWindowStream *window_stream;
    bool enabled;            /* translation is on; atomic */
    bool global_seen;        /* a page was global: see IOPTResult; atomic */
    /*
     * The model's: software is told that what is not present may be cached, so
     * that it invalidates what it makes present.  For the sanitizer.
     */
    bool keeps_absent;
    VIOMMUStats stats;
    VIOMMUFaultLog *fault_log;
    VIOMMUSanitizer *sanitizer;      /* NULL: off */
    VIOMMURegistration registration;
};

/**
 * viommu_doorbell_add: in all views of all endpoints @mr is at @addr, over
 * whatever else there is: what takes interrupt messages, say.  It is one region
 * for all of them: viommu_requester() says whose a write is.  After
 * viommu_realize(); BQL.
 */
void viommu_doorbell_add(VIOMMU *v, hwaddr addr, MemoryRegion *mr);

/**
 * viommu_requester: the endpoint of @v whose access is being dispatched to a
 * region, by the calling thread; NULL: it is nobody's.  Any thread, in a
 * callback of that region.
 */
VIOMMUEndpoint *viommu_requester(VIOMMU *v);

/** viommu_endpoint: find or make the endpoint of @bus, @devfn.  BQL. */
VIOMMUEndpoint *viommu_endpoint(VIOMMU *v, PCIBus *bus, uint8_t devfn);

/**
 * viommu_each_requester: call @each with every requester ID of a function of
 * the machine that is behind @v; there may be several that share one.  On a bus
 * that has no number yet nobody has one.  Once the machine is made; BQL.
 */
void viommu_each_requester(VIOMMU *v, void (*each)(uint16_t sid, void *opaque),
                           void *opaque);

/** viommu_endpoint_sid: its requester ID now.  Any thread. */
uint16_t viommu_endpoint_sid(VIOMMUEndpoint *ep);

/**
 * viommu_set_enabled: turn translation on or off as a whole.
 *
 * Off: every endpoint bypasses with tag DMA_TAG_UNTRANSLATED and resolve() is
 * not asked.  Everything cached goes, address spaces are switched, notifiers
 * told, and the drain started: fence before reporting it.  BQL.
 */
void viommu_set_enabled(VIOMMU *v, bool enabled);

typedef enum VIOMMUInvKind {
    VIOMMU_INV_CONFIG_ALL,       /* configuration of every endpoint */
    VIOMMU_INV_CONFIG_ENDPOINT,  /* of @sid, ignoring the bits of @sid_mask */
    VIOMMU_INV_CONFIG_PASID,     /* of @pasid (see VIOMMUConfig), everywhere */
    VIOMMU_INV_ALL,              /* translations: all */
    VIOMMU_INV_GROUP,            /* of the group of @tag */
    VIOMMU_INV_TAG,              /* of domain @tag, whatever variant */
    VIOMMU_INV_RANGE,            /* of @tag, overlapping @first .. @last */
} VIOMMUInvKind;

typedef struct VIOMMUInv {
    VIOMMUInvKind kind;
    uint64_t tag;
    hwaddr first, last;      /* inclusive */
    /*
     * Of a range: what goes is each page, of whatever size, that has an address
     * of @named_first .. @named_last, which are within @first .. @last: as far
     * as such a page may reach.  Caches find it themselves, if none of them
     * keeps it in pieces.  If @named is false, the two are the same.
     */
    bool named;
    hwaddr named_first, named_last;
    /*
     * Of a range: software says that nothing has changed but leaves, so that
     * the way to them may be kept (VT-d's IH, SMMUv3's Leaf).
     */
    bool leaf;
    uint16_t sid, sid_mask;
    uint32_t pasid;
    /*
     * Of a group or a domain: where its tables begin may have changed as well.
     * Every configuration whose tag is in it is read again; whose it is stays.
     */
    bool roots;
} VIOMMUInv;

/**
 * viommu_invalidate: steps 1 to 3 of the drain's order: remove from every
 * cache, tell the notifiers, start the drain.  The caller reports completion
 * when viommu_fence() says so.  BQL.
 */
void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv);

/**
 * viommu_invalidate_everything: VIOMMU_INV_CONFIG_ALL and VIOMMU_INV_ALL as
 * one: notifiers are told once, and there is one drain.  BQL.
 */
void viommu_invalidate_everything(VIOMMU *v);

/**
 * viommu_invalidation_is_heard: is there anybody to be told of what
 * viommu_invalidate() removes from the IOTLB, a notifier or the sanitizer?
 * Such a one may have the unit asked, and wait.  BQL.
 */
bool viommu_invalidation_is_heard(VIOMMU *v);

/**
 * viommu_mapped: something was mapped in @first .. @last of domain @tag, where
 * nothing was before: nothing is removed, and there is nothing to wait for, but
 * whoever keeps a copy of the table is told.  For models whose software says so
 * in other words than an invalidation.  BQL.
 */
void viommu_mapped(VIOMMU *v, uint64_t tag, hwaddr first, hwaddr last);

/**
 * viommu_maps_retire: the IOPTMapsRetire of sets (iopt-maps.h) that are handed
 * out by .resolve.  Readers are in an RCU read section.  BQL.
 */
void viommu_maps_retire(void *dead);

/**
 * viommu_invalidate_device_tlb: a device-TLB invalidation of @first .. @last
 * of the endpoints with requester ID @sid, of what was translated without a
 * PASID.  Those who keep translations have dropped them when it returns; what
 * they still use, every viommu_fence() from then on waits for.  BQL.
 */
void viommu_invalidate_device_tlb(VIOMMU *v, uint16_t sid,
                                  hwaddr first, hwaddr last);

/**
 * viommu_invalidate_device_tlb_pasid: the same of what was translated with
 * @pasid; @global: with any PASID (PCIe 10.3.8, Global Invalidate).  BQL.
 */
void viommu_invalidate_device_tlb_pasid(VIOMMU *v, uint16_t sid,
                                        uint32_t pasid, bool global,
                                        hwaddr first, hwaddr last);

/**
 * viommu_page_response: software's answer to the page request group @prgi of
 * the endpoint @sid.  @pasid: VIOMMU_NO_PASID if it has none.  An answer that
 * nobody waits for is the endpoint's to notice.  BQL.
 */
void viommu_page_response(VIOMMU *v, uint16_t sid, uint32_t pasid,
                          uint16_t prgi, VIOMMUPageCode code);

/**
 * viommu_fence: may every invalidation so far be reported complete?
 * As dma_drain_fence().  BQL.
 */
bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque);
void viommu_fence_cancel(VIOMMU *v, DMAFence *fence);

/**
 * viommu_collect_begin, viommu_collect_end: commands are taken up between, most
 * of whose invalidations a fence follows.  As dma_drain_collect_begin().  BQL.
 */
void viommu_collect_begin(VIOMMU *v);
void viommu_collect_end(VIOMMU *v);

/**
 * viommu_views: how often the view of an endpoint has been changed so far,
 * modulo 2^32.  Each change of the memory map takes a while, the longer the
 * more functions there are: who carries out commands leaves the rest for later
 * after one.  BQL.
 */
unsigned viommu_views(const VIOMMU *v);

/**
 * viommu_reset: translation off, caches empty, drain forgotten (the model has
 * cancelled its fences).  Address spaces are switched back.  BQL, reset exit
 * phase.
 */
void viommu_reset(VIOMMU *v);

/**
 * viommu_post_load: caches are empty; address spaces are made to follow the
 * tables that were loaded.  @enabled: is translation on?  BQL.
 * Returns: false, when the reason has been said, if the guest was not told of
 * windows that there are here.
 */
bool viommu_post_load(VIOMMU *v, bool enabled);

/** viommu_count_interrupt: the model has remapped one of @ep.  Any thread. */
static inline void viommu_count_interrupt(VIOMMUEndpoint *ep)
{
    qatomic_set(&ep->stats.interrupts, qatomic_read(&ep->stats.interrupts) + 1);
}

/** viommu_get_stats: a snapshot.  Any thread. */
void viommu_get_stats(VIOMMU *v, VIOMMUStats *stats);

/**
 * viommu_translate: one translation, as the memory core asks for it, of a
 * request with dma_attrs_code() @attrs.
 * Any thread, inside an RCU read section.
 */
IOMMUTLBEntry viommu_translate(VIOMMUEndpoint *ep, hwaddr iova,
                               IOMMUAccessFlags flag, uint32_t attrs);

#endif
