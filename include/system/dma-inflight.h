/*
 * In-flight DMA of devices behind a vIOMMU, and the drain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An invalidation may be reported complete only when every DMA access that
 * used a translation it removed is finished and visible.  The order for a
 * model is always:
 *
 *   1. remove the translation from every cache;
 *   2. tell the IOMMU notifiers and have their answer;
 *   3. dma_drain_start() for what was removed;
 *   4. dma_drain_fence(), and report completion when it says so.
 *
 * 1 to 3 run inside the guest's register write; nothing here ever blocks.
 * See docs/devel/dma-drain.rst.
 */
#ifndef SYSTEM_DMA_INFLIGHT_H
#define SYSTEM_DMA_INFLIGHT_H

#include "exec/memory.h"
#include "qemu/main-loop.h"
#include "qemu/queue.h"
#include "system/dma-attrs.h"
#include "system/dma-bounce.h"
#include "system/dma-epoch.h"
#include "system/dma-hold.h"
#include "system/dma-maps.h"

typedef struct DMAInflight DMAInflight;
typedef struct DMADrain DMADrain;
typedef struct DMAFence DMAFence;

/* The tag of DMA that no table translated. */
#define DMA_TAG_UNTRANSLATED UINT64_MAX

/* What one translation says: where the leaf around an IOVA leads. */
typedef struct DMATranslation {
    hwaddr first, last;      /* IOVAs that lead to memory without a gap */
    hwaddr gpa;              /* where the IOVA asked for leads */
    uint64_t tag;            /* domain tag */
    unsigned perm;           /* DMA_CACHE_READ | DMA_CACHE_WRITE */
    unsigned leaf_shift;     /* log2 of the leaf's size; 0: no table */
} DMATranslation;

/*
 * DMAAheadRun: @t says where @iova, and the leaf around it, lead.  @t->perm 0:
 * nothing is known of what is there.
 */
typedef bool DMAAheadRun(void *opaque, hwaddr iova, const DMATranslation *t);

/* A vIOMMU's own: see DMAInflightOps.probe_begin. */
typedef struct DMAProbe DMAProbe;

/* DMAProbeRun: @len bytes from @iova on lead to @gpa. */
typedef bool DMAProbeRun(void *opaque, hwaddr iova, hwaddr gpa, hwaddr len);

typedef struct DMATagMark {
    const void *config;
    bool global_seen;
} DMATagMark;

/* What the in-flight layer asks of the vIOMMU.  @opaque is the endpoint. */
typedef struct DMAInflightOps {
    /*
     * translate: as for an access with dma_attrs_code() @attrs, but one that
     * would fault is no fault yet.  Returns: false if it would.  Any thread,
     * inside an RCU read section.
     */
    bool (*translate)(void *opaque, hwaddr iova, bool is_write, uint32_t attrs,
                      DMATranslation *t);
    /*
     * translate_ahead: what is known of @first .. @last (inclusive) when its
     * tables are read once, and nothing has to be updated for such an access:
     * @run is told leaf by leaf, in rising order, until it returns false; of
     * what lies between them it is told once, or not at all.  It may end
     * anywhere, and for any reason: an access there finds out by translate.
     * NULL: nothing is.  As translate otherwise.
     */
    void (*translate_ahead)(void *opaque, hwaddr first, hwaddr last,
                            bool is_write, uint32_t attrs, DMAAheadRun *run,
                            void *run_opaque);
    /*
     * probe_begin: what applies to accesses with dma_attrs_code() @attrs, by
     * the tables as they are now.  @as_is: an access that would have an entry
     * updated first (Access flag, dirty state) counts as one that faults.
     * Any thread, inside an RCU read section, which ends after probe_end().
     */
    DMAProbe *(*probe_begin)(void *opaque, uint32_t attrs, bool as_is);
    void (*probe_end)(DMAProbe *probe);
    /*
     * probe: where @first .. @last (inclusive) lead: no cache is asked, no
     * fault recorded, no table written.  @run is told, piece by piece, in
     * rising order and without gaps, until it returns false.
     *
     * @entries: how many entries may be read; becomes how many are left
     * Returns: true if no access there would fault, and @run was content.
     */
    bool (*probe)(DMAProbe *probe, hwaddr first, hwaddr last, bool is_write,
                  uint64_t *entries, DMAProbeRun *run, void *opaque);
    /*
     * canonical: the IOVA by which invalidations know @iova, if the endpoint's
     * tables ignore some of its bits.  Any thread, in an RCU read section.
     */
    hwaddr (*canonical)(void *opaque, uint32_t attrs, hwaddr iova);
    /*
     * tag_begin, tag_end: around translations with dma_attrs_code() @attrs by
     * the memory core, which says nothing of their domain.  Any thread, in one
     * RCU read section.
     *
     * @mark: the vIOMMU's own, from one to the other
     * tag_end returns the domain tag that all of them carried, or DMA_TAG_ANY
     * if that is not known for sure.
     */
    void (*tag_begin)(void *opaque, uint32_t attrs, DMATagMark *mark);
    uint64_t (*tag_end)(void *opaque, const DMATagMark *mark);
    /* stalled: this map has kept a drain waiting for @age ns.  BQL. */
    void (*stalled)(void *opaque, const DMAMapInfo *map, int64_t age);
    /* abandon: drain-timeout has passed; break the device.  BQL. */
    void (*abandon)(void *opaque, const DMAMapInfo *map, int64_t age);
} DMAInflightOps;

/* What an invalidation removed. */
typedef struct DMADrainScope {
    hwaddr first, last;      /* IOVA range, inclusive */
    /*
     * The translations that went are those that have one of these; @first ..
     * @last is as far as they may reach.  false: the two are the same.
     */
    bool named;
    hwaddr named_first, named_last;
    uint64_t tag_mask;       /* only domains like @tag in these bits; 0: all */
    uint64_t tag;
    DMAInflight *only;       /* one endpoint; NULL: all of the drain's */
    /*
     * The address space itself was switched (bypass to translated): readers
     * that picked up the old topology under RCU are waited for as well.
     */
    bool topology;
    bool announced;          /* see dma_drain_announce() */
    struct DMACache *announced_cache;
} DMADrainScope;

struct DMAFence {
    uint64_t seq;            /* 0: idle */
    void (*done)(void *opaque);
    void *opaque;
    int64_t since;           /* when the waiting began, ns, host clock */
    QTAILQ_ENTRY(DMAFence) next;
};

typedef struct DMADrainStats {
    uint64_t drains;         /* fences asked for */
    uint64_t waited;         /* of those, fences that had to wait */
    uint64_t wait_ns_total;
    uint64_t wait_ns_max;
    uint64_t revoked;        /* standing maps dropped */
    uint64_t stalls;         /* stall reports */
    uint64_t abandoned;      /* maps given up after drain-timeout */
} DMADrainStats;

typedef struct DMADrainParams {
    bool bounce;             /* maps are bounced (dma-bounce.h): no waiting */
    uint32_t cache_pages;    /* of an endpoint's dma-cache.h; 0: none */
    /* QEMU_CLOCK_VIRTUAL milliseconds; 0: never */
    uint32_t stall_ms;       /* a map that keeps a drain waiting is reported */
    uint32_t timeout_ms;     /* and is given up */
} DMADrainParams;

/** dma_drain_new: a drain, one per vIOMMU.  BQL. */
DMADrain *dma_drain_new(const DMADrainParams *params);
void dma_drain_free(DMADrain *drain);

/**
 * dma_inflight_new: the in-flight state of one endpoint of @drain.  Lives as
 * long as the drain.  BQL.
 */
DMAInflight *dma_inflight_new(DMADrain *drain, const DMAInflightOps *ops,
                              void *opaque);

/**
 * dma_inflight_opaque: what dma_inflight_new() was given, if it was with @ops;
 * else, and for no @inflight at all, NULL.  Any thread.
 */
void *dma_inflight_opaque(DMAInflight *inflight, const DMAInflightOps *ops);

/**
 * dma_requester: whose access the calling thread's memory core is dispatching,
 * for a region that has to know; NULL: that of nobody behind a vIOMMU.  It is
 * the innermost one: a device's handler that does DMA itself does its own.
 * Any thread.
 *
 * dma_requester_set: for the memory core alone (dma-memory.h).
 * Returns: whose it was.
 */
DMAInflight *dma_requester(void);
DMAInflight *dma_requester_set(DMAInflight *inflight);

/**
 * address_space_set_inflight: DMA through @as belongs to @inflight from now
 * on.  Before the first use of @as.  BQL.
 */
void address_space_set_inflight(AddressSpace *as, DMAInflight *inflight);

/**
 * dma_drain_announce: what @scope names, of all endpoints, is about to be
 * removed.  Optional, and before the removal, so that one full barrier serves
 * for the endpoints' caches, too: who announces passes one before he looks for
 * what there is, and one after he has removed anything, and then calls
 * dma_drain_start() with the same scope; nothing comes in between that might
 * do DMA or invalidate.  BQL.
 */
void dma_drain_announce(DMADrain *drain, DMADrainScope *scope);

/**
 * dma_drain_start: what @scope names has just been removed from every cache.
 * BQL; never blocks, and does a bounded amount of work.  Standing maps that
 * went stale are revoked from here or from the main loop.
 */
void dma_drain_start(DMADrain *drain, const DMADrainScope *scope);

/**
 * dma_drain_fence: has everything that dma_drain_start() began so far ended?
 *
 * Returns: true if so, and @fence stays idle.  Otherwise @done is called once,
 * later, from the main loop with the BQL held.  BQL.
 */
bool dma_drain_fence(DMADrain *drain, DMAFence *fence,
                     void (*done)(void *opaque), void *opaque);

/** dma_drain_fence_cancel: @done will not be called.  Idle is fine.  BQL. */
void dma_drain_fence_cancel(DMADrain *drain, DMAFence *fence);

static inline bool dma_drain_fence_pending(const DMAFence *fence)
{
    return fence->seq != 0;
}

/**
 * dma_drain_poll: do now all that is ready to be done, however much it is,
 * completions included.  BQL, main loop or a vmstate handler.
 */
void dma_drain_poll(DMADrain *drain);

/** dma_drain_busy: is a fence pending?  BQL. */
bool dma_drain_busy(DMADrain *drain);

/**
 * dma_drain_drop_caches: drop what the endpoints have cached, as if everything
 * had been invalidated, but nobody waits.  BQL.
 */
void dma_drain_drop_caches(DMADrain *drain);

/** dma_drain_reset: forget what was begun; no fence may be pending.  BQL. */
void dma_drain_reset(DMADrain *drain);

void dma_drain_get_stats(DMADrain *drain, DMADrainStats *stats);

/**
 * dma_drain_hold: somebody outside (a vhost-user backend) was told that
 * @iova .. @iova + @len - 1 (@len 0: 2^64 bytes) of @as was removed, and has
 * not acknowledged it.  Fences that are asked for from now on wait until
 * dma_drain_release().
 *
 * A hold that makes a fence wait too long is reported like a map.  Once
 * drain-timeout has passed nobody waits for it any more: the device is marked
 * broken, then @ops->abandon(@opaque) is called, which makes sure that the
 * holder does no harm and may release this and other holds.
 *
 * Returns: NULL if @as has no drain: the caller has to wait itself.  BQL.
 */
DMAHold *dma_drain_hold(AddressSpace *as, hwaddr iova, hwaddr len,
                        const DMAHoldOps *ops, void *opaque);

/**
 * dma_drain_collect_begin, _end: a run of invalidations, most of which a fence
 * follows at once.  Whoever has been told of them between (dma_drain_hold())
 * is flushed by that fence, or else at the end of the outermost run: nobody has
 * to be woken in order to do it.  They nest.  BQL.
 */
void dma_drain_collect_begin(DMADrain *drain);
void dma_drain_collect_end(DMADrain *drain);

/** dma_drain_collects: is @hold's drain within such a run?  BQL. */
bool dma_drain_collects(const DMAHold *hold);

/**
 * dma_drain_release: what @hold stood for has been acknowledged, or cannot
 * happen any more.  Frees @hold.  Completions come later, from the main loop.
 * BQL.
 */
void dma_drain_release(DMAHold *hold);

/**
 * dma_inflight_device_gone: no device does DMA as @inflight any more, and what
 * it left mapped is not waited for, nor revoked: its owner has been freed.
 * BQL.
 */
void dma_inflight_device_gone(DMAInflight *inflight);

/**
 * dma_inflight_readable: would the endpoint of @as, which has one, read all of
 * @addr, @len bytes, without a fault?  None is recorded.  Any thread.
 */
bool dma_inflight_readable(AddressSpace *as, hwaddr addr, hwaddr len,
                           MemTxAttrs attrs);

/** dma_inflight_count: maps in flight on this endpoint.  Any thread. */
unsigned dma_inflight_count(DMAInflight *inflight);

/**
 * address_space_map_standing: like address_space_map(), for a map that outlives
 * requests (a command list, a framebuffer).
 *
 * The drain never waits for it.  When its translation changes, @revoke is
 * called: the owner unmaps at once and maps again on its next use.  The owner
 * uses the memory under the BQL only.  Behind no vIOMMU it is a plain map.
 * It is ended with address_space_unmap_standing(), from @revoke too.
 */
void *address_space_map_standing(AddressSpace *as, hwaddr addr, hwaddr *plen,
                                 bool is_write, MemTxAttrs attrs,
                                 DMARevoke *revoke, void *opaque);

/**
 * address_space_unmap_standing: end a standing map.  @revoke and @opaque are
 * what it was mapped with: the same memory may be mapped for several owners.
 */
void address_space_unmap_standing(AddressSpace *as, void *buffer, hwaddr len,
                                  bool is_write, hwaddr access_len,
                                  DMARevoke *revoke, void *opaque);

/**
 * dma_ram_at: where the @len bytes at @gpa, which lie in one page, are in the
 * host; to be read, while the RCU read section or the BQL lasts.
 *
 * Returns: NULL if that is not known to be RAM; ask the memory core then.
 * Any thread, in an RCU read section or with the BQL.
 */
const void *dma_ram_at(hwaddr gpa, hwaddr len);

/**
 * dma_ram_write: write @len bytes at @gpa, which lie in one page; a single
 * store if @len is 4 or 8 and @gpa a multiple of it.
 *
 * Returns: false if that is not known to be RAM; ask the memory core then.
 * Any thread, in an RCU read section or with the BQL.
 */
bool dma_ram_write(hwaddr gpa, const void *buf, hwaddr len);

/**
 * dma_ram_read64: the 64-bit little-endian number at @gpa, read atomically.
 *
 * @gpa: a multiple of 8
 * Returns: false if that is not known to be RAM; ask the memory core then.
 * Any thread, in an RCU read section or with the BQL.
 */
bool dma_ram_read64(hwaddr gpa, uint64_t *val);

/**
 * address_space_cache_pin: keep the host address of a region that is accessed
 * all the time (a virtqueue's ring).
 *
 * @cache has been made for an address space behind a vIOMMU, and leads to RAM
 * in one piece, or nothing happens.  From now on accesses go there without a
 * translation, as they do without a vIOMMU.  When the translation changes, the
 * address is forgotten and every access is translated again.  Whoever
 * accesses @cache without the BQL is in an RCU read section from before the
 * access until after it.  Until address_space_cache_destroy().  BQL.
 */
void address_space_cache_pin(MemoryRegionCache *cache);

#endif
