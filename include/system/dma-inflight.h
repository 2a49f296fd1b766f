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
#include "system/dma-bounce.h"
#include "system/dma-epoch.h"
#include "system/dma-maps.h"

typedef struct DMAInflight DMAInflight;
typedef struct DMADrain DMADrain;
typedef struct DMAFence DMAFence;

/* The tag of DMA that no table translated. */
#define DMA_TAG_UNTRANSLATED UINT64_MAX

/* What the in-flight layer asks of the vIOMMU.  @opaque is the endpoint. */
typedef struct DMAInflightOps {
    /*
     * probe: translate @iova with the tables as they are now: no cache, no
     * fault recorded.  On success set @gpa and @len (bytes from @iova to the
     * end of its page; at least 1).  Returns: false if the access would fault.
     * Any thread, inside an RCU read section.
     */
    bool (*probe)(void *opaque, hwaddr iova, bool is_write,
                  hwaddr *gpa, hwaddr *len);
    /* tag: the domain tag that translations carry now.  Any thread. */
    uint64_t (*tag)(void *opaque);
    /* stalled: this map has kept a drain waiting for @age ns.  BQL. */
    void (*stalled)(void *opaque, const DMAMapInfo *map, int64_t age);
    /* abandon: drain-timeout has passed; break the device.  BQL. */
    void (*abandon)(void *opaque, const DMAMapInfo *map, int64_t age);
} DMAInflightOps;

/* What an invalidation removed. */
typedef struct DMADrainScope {
    hwaddr first, last;      /* IOVA range, inclusive */
    bool any_tag;            /* every domain; else only @tag's */
    uint64_t tag;
    uint64_t tag_mask;       /* bits of @tag that say whether it is */
    DMAInflight *only;       /* one endpoint; NULL: all of the drain's */
    /*
     * The address space itself was switched (bypass to translated): readers
     * that picked up the old topology under RCU are waited for as well.
     */
    bool topology;
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

/**
 * dma_drain_new: a drain, one per vIOMMU.  BQL.
 *
 * @bounce: maps are bounced (dma-bounce.h), so that nothing is waited for
 * @stall_ms: a map that keeps a drain waiting longer is reported; 0: never
 * @timeout_ms: a map that keeps it waiting longer is given up; 0: never
 * Both in QEMU_CLOCK_VIRTUAL milliseconds.
 */
DMADrain *dma_drain_new(bool bounce, uint32_t stall_ms, uint32_t timeout_ms);
void dma_drain_free(DMADrain *drain);

/**
 * dma_inflight_new: the in-flight state of one endpoint of @drain.  Lives as
 * long as the drain.  BQL.
 */
DMAInflight *dma_inflight_new(DMADrain *drain, const DMAInflightOps *ops,
                              void *opaque);

/**
 * address_space_set_inflight: DMA through @as belongs to @inflight from now
 * on.  Before the first use of @as.  BQL.
 */
void address_space_set_inflight(AddressSpace *as, DMAInflight *inflight);

/**
 * dma_drain_start: what @scope names has just been removed from every cache.
 * BQL; never blocks.  Standing maps that went stale are revoked from here or
 * from the main loop.
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
 * dma_drain_poll: do now what is ready to be done, completions included.
 * BQL, main loop or a vmstate handler.
 */
void dma_drain_poll(DMADrain *drain);

/** dma_drain_busy: is a fence pending?  BQL. */
bool dma_drain_busy(DMADrain *drain);

/** dma_drain_reset: forget what was begun; no fence may be pending.  BQL. */
void dma_drain_reset(DMADrain *drain);

void dma_drain_get_stats(DMADrain *drain, DMADrainStats *stats);

/**
 * dma_inflight_device_gone: no device does DMA as @inflight any more, and what
 * it left mapped is not waited for, nor revoked: its owner has been freed.
 * BQL.
 */
void dma_inflight_device_gone(DMAInflight *inflight);

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

/*
 * For the memory core alone.
 *
 * A short access (translate and copy) is bracketed by an epoch slot when the
 * address space is behind a vIOMMU and the thread does not hold the BQL; with
 * the BQL it cannot overlap an invalidation.
 */

typedef struct DMAShortAccess DMAShortAccess;

static inline DMAShortAccess *dma_short_access_begin(bool tracked)
{
    if (likely(!tracked) || bql_locked()) {
        return NULL;
    }
    dma_epoch_enter();
    /* Not a pointer to anything: it only has to differ from NULL. */
    return (DMAShortAccess *)(uintptr_t)1;
}

static inline void dma_short_access_end(DMAShortAccess *unused)
{
    dma_epoch_exit();
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DMAShortAccess, dma_short_access_end)

#define DMA_SHORT_ACCESS_GUARD(tracked)                                 \
    g_autoptr(DMAShortAccess) dma_short_access_ G_GNUC_UNUSED =         \
        dma_short_access_begin(tracked)

/* dma_inflight_bounce: how @as bounces its maps; NULL: it does not. */
DMABounce *dma_inflight_bounce(AddressSpace *as);

/* dma_inflight_readable: may the endpoint read all of it?  Any thread. */
bool dma_inflight_readable(AddressSpace *as, hwaddr addr, hwaddr len);

/* A map has been handed out; in the slot in which it was translated. */
void dma_inflight_mapped(AddressSpace *as, hwaddr addr, hwaddr len,
                         bool is_write, void *host, DMARevoke *revoke,
                         void *opaque);
/* It has ended, and its effects are visible.  Any thread. */
void dma_inflight_unmapped(AddressSpace *as, void *host, hwaddr len,
                           bool is_write, DMARevoke *revoke, void *opaque);

#endif
