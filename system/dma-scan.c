/*
 * The drain's scans: which maps in flight are stale
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A scan looks up again what a removal may concern, in the tables as they are
 * now.  A map is stale if the access could not be made now, to the same
 * memory, with the same right, and without an entry being updated first (see
 * docs/devel/dma-drain.rst).
 *
 * How much there is to look at is up to the guest: a guest's register write
 * does a slice of it, and bottom halves the rest.  The scan stays on the
 * drain's list until it is done, so no fence overtakes it.  Scans are done in
 * the order of their numbers.  Everything here: BQL.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "qemu/atomic.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/dma-grace.h"
#include "dma-inflight-internal.h"
#include "trace.h"

/*
 * A guest that sends invalidations faster than they are scanned for must not
 * make the list grow: beyond the limit they are merged into one that covers
 * everything.  It keeps its number, the lowest of theirs, because a fence may
 * be waiting for that one.
 */
#define MAX_PENDING_SCANS 64

/*
 * The work of a slice, in table entries that are read, and what a map costs
 * beside these.  A slice takes about a millisecond.
 */
#define SCAN_SLICE      32768
#define SCAN_MAP_STEPS  16

/* A slice is not begun anew within this time, ns, but by a bottom half. */
#define SCAN_SLICE_NS   (10 * SCALE_MS)

/*
 * A map of more entries than this counts as stale: in pages of 4 KiB it is
 * 256 MiB, for one request.
 */
#define SCAN_MAP_MAX    65536

struct DrainScan {
    DMADrainScope scope;
    uint64_t epoch;
    uint64_t grace;          /* of an RCU grace period; 0: there is none */
    uint64_t seq;
    bool nothing;            /* the grace period is all it is for */
    bool begun;
    bool looking;            /* at @inflight: @cursor says how far */
    DMAInflight *inflight;   /* @begun: the next endpoint; NULL: no more */
    DMAMapsCursor cursor;
    QTAILQ_ENTRY(DrainScan) next;
};

/* What a slice does when it has ended; a callback may do anything. */
typedef struct ScanFound {
    unsigned stamped;        /* requests */
    unsigned cleared;        /* pinned pointers */
    GArray *revoke;          /* DMAMapInfo of standing maps; NULL: none */
} ScanFound;

/* The list */

static void scan_insert(DMADrain *drain, DrainScan *scan)
{
    DrainScan *next;

    QTAILQ_FOREACH(next, &drain->scans, next) {
        if (next->seq > scan->seq) {
            break;
        }
    }
    if (next) {
        QTAILQ_INSERT_BEFORE(next, scan, next);
    } else {
        QTAILQ_INSERT_TAIL(&drain->scans, scan, next);
    }
    drain->nr_scans++;
}

static void scan_remove(DMADrain *drain, DrainScan *scan)
{
    QTAILQ_REMOVE(&drain->scans, scan, next);
    drain->nr_scans--;
    g_free(scan);
}

/* Pointers were cleared: who has read one is in an RCU read section. */
static void scan_wait_readers(DMADrain *drain, uint64_t seq)
{
    DrainScan *scan = g_new0(DrainScan, 1);

    scan->seq = seq;
    scan->nothing = true;
    scan->grace = dma_grace_begin();
    scan_insert(drain, scan);
}

/* Staleness */

/* Where a map should lead, and where the tables say it does. */
typedef struct ScanProbe {
    const DMAMapInfo *map;
    hwaddr iova, gpa, len;   /* a run that has not been checked yet */
} ScanProbe;

/* Does the run lead where the device was sent? */
static bool scan_check_run(ScanProbe *p)
{
    while (p->len) {
        hwaddr xlat, len = p->len;
        MemoryRegion *mr;
        uint8_t *host;

        mr = address_space_translate(&address_space_memory, p->gpa, &xlat,
                                     &len, p->map->is_write,
                                     MEMTXATTRS_UNSPECIFIED);
        if (!len || !memory_access_is_direct(mr, p->map->is_write,
                                             MEMTXATTRS_UNSPECIFIED)) {
            return false;
        }
        host = memory_region_get_ram_ptr(mr);
        if (host + xlat !=
            (uint8_t *)p->map->host + (p->iova - p->map->iova)) {
            return false;
        }
        p->iova += len;
        p->gpa += len;
        p->len -= len;
    }
    return true;
}

/* A DMAProbeRun: what follows the last run without a gap is part of it. */
static bool scan_run(void *opaque, hwaddr iova, hwaddr gpa, hwaddr len)
{
    ScanProbe *p = opaque;

    if (p->len && p->gpa + p->len == gpa) {
        p->len += len;
        return true;
    }
    if (!scan_check_run(p)) {
        return false;
    }
    p->iova = iova;
    p->gpa = gpa;
    p->len = len;
    return true;
}

/* An endpoint's accesses with one PASID; kept for the next map. */
typedef struct ScanEndpoint {
    DMAInflight *inflight;
    DMAProbe *probe;         /* NULL: none */
    uint32_t pasid;
} ScanEndpoint;

static void scan_endpoint_done(ScanEndpoint *e)
{
    if (e->probe) {
        e->inflight->ops->probe_end(e->probe);
        e->probe = NULL;
    }
}

/*
 * Is @map stale, as far as it lies in @scope?  *@steps: less what it took.  In
 * an RCU read section, with no lock.
 */
static bool scan_map_is_stale(ScanEndpoint *e, const DMADrainScope *scope,
                              const DMAMapInfo *map, int64_t *steps)
{
    const DMAInflightOps *ops = e->inflight->ops;
    ScanProbe p = { .map = map };
    hwaddr first = MAX(map->iova, scope->first);
    hwaddr last = MIN(dma_range_last(map->iova, map->len), scope->last);
    uint64_t entries = SCAN_MAP_MAX;
    bool same;

    *steps -= SCAN_MAP_STEPS;
    if (map->tag != DMA_TAG_ANY &&
        ((map->tag ^ scope->tag) & scope->tag_mask)) {
        return false;
    }
    if (!e->probe || e->pasid != map->pasid) {
        scan_endpoint_done(e);
        e->probe = ops->probe_begin(e->inflight->opaque, map->pasid, true);
        e->pasid = map->pasid;
    }
    same = ops->probe(e->probe, first, last, map->is_write, &entries, scan_run,
                      &p) &&
           scan_check_run(&p);
    *steps -= SCAN_MAP_MAX - entries;
    return !same;
}

static void scan_map(DrainScan *scan, ScanEndpoint *e, const DMAMapsItem *item,
                     int64_t *steps, ScanFound *found)
{
    if (!item->vague &&
        !scan_map_is_stale(e, &scan->scope, &item->info, steps)) {
        return;
    }
    switch (dma_maps_mark(e->inflight->maps, item, scan->seq)) {
    case DMA_MAPS_GONE:
        break;
    case DMA_MAPS_WAITED:
        found->stamped++;
        break;
    case DMA_MAPS_CLEARED:
        found->cleared++;
        break;
    case DMA_MAPS_REVOKE:
        if (!found->revoke) {
            found->revoke = g_array_new(false, false, sizeof(DMAMapInfo));
        }
        g_array_append_val(found->revoke, item->info);
        break;
    }
}

/* Begin with scan->inflight, if the scan concerns it. */
static bool scan_begin_endpoint(DrainScan *scan)
{
    DMAInflight *inflight = scan->inflight;

    if ((scan->scope.only && scan->scope.only != inflight) ||
        dma_maps_idle(inflight->maps)) {
        return false;
    }
    if (!scan->scope.tag_mask) {
        /* What stays may belong to another domain by now. */
        dma_maps_forget_tags(inflight->maps);
    }
    dma_maps_look(&scan->cursor, scan->scope.first, scan->scope.last);
    return true;
}

/* Returns: true if scan->inflight has nothing more to look at. */
static bool scan_look(DrainScan *scan, int64_t *steps, ScanFound *found)
{
    ScanEndpoint e = { .inflight = scan->inflight };
    DMAMapsItem item;
    bool more = true;

    RCU_READ_LOCK_GUARD();
    while (*steps > 0) {
        more = dma_maps_next(e.inflight->maps, &scan->cursor, &item, 1);
        if (!more) {
            break;
        }
        scan_map(scan, &e, &item, steps, found);
    }
    scan_endpoint_done(&e);
    trace_dma_drain_scan(e.inflight->drain, e.inflight, scan->seq,
                         found->stamped,
                         found->revoke ? found->revoke->len : 0);
    return !more;
}

/* What the scan found, apart from what is waited for. */
static void scan_found(DMADrain *drain, uint64_t seq, ScanFound *found)
{
    unsigned i;

    /*
     * A map that ended meanwhile has been subtracted already; nobody looks at
     * the sum in between, because that takes the BQL.
     */
    qatomic_add(&drain->waited, found->stamped);
    if (found->cleared) {
        scan_wait_readers(drain, seq);
    }
    for (i = 0; found->revoke && i < found->revoke->len; i++) {
        DMAMapInfo *info = &g_array_index(found->revoke, DMAMapInfo, i);

        drain->stats.revoked++;
        trace_dma_drain_revoke(drain, info->iova, info->len);
        info->revoke(info->revoke_opaque);
    }
    if (found->revoke) {
        g_array_free(found->revoke, true);
    }
}

/* Slices */

/* Go on until there are no *@steps left.  Returns: true if that was all. */
static bool scan_go_on(DMADrain *drain, DrainScan *scan, int64_t *steps,
                       ScanFound *found)
{
    if (!scan->begun) {
        scan->begun = true;
        scan->inflight = qatomic_load_acquire(&drain->active);
        scan->looking = false;
    }
    while (scan->inflight) {
        if (!scan->looking) {
            scan->looking = scan_begin_endpoint(scan);
        }
        if (scan->looking && !scan_look(scan, steps, found)) {
            return false;
        }
        scan->looking = false;
        scan->inflight = scan->inflight->next_active;
    }
    return true;
}

/*
 * Scans are done in the order of their numbers.  Returns: the first one that is
 * more than a wait for readers, or NULL.
 */
static DrainScan *scan_first(DMADrain *drain)
{
    DrainScan *scan;

    QTAILQ_FOREACH(scan, &drain->scans, next) {
        if (!scan->nothing) {
            return scan;
        }
    }
    return NULL;
}

/* The last one that covers more than it says without being wrong. */
static DrainScan *scan_last_unbegun(DMADrain *drain)
{
    DrainScan *scan;

    QTAILQ_FOREACH_REVERSE(scan, &drain->scans, next) {
        if (!scan->nothing) {
            return scan->begun ? NULL : scan;
        }
    }
    return NULL;
}

static void scan_merge(DrainScan *scan)
{
    scan->scope.first = 0;
    scan->scope.last = UINT64_MAX;
    scan->scope.tag_mask = 0;
    scan->scope.only = NULL;
}

/* The steps that a guest's register write may take now */
static int64_t *scan_steps(DMADrain *drain)
{
    if (drain->scan_steps <= 0) {
        int64_t now = get_clock();

        if (now - drain->scan_refilled >= SCAN_SLICE_NS) {
            drain->scan_refilled = now;
            drain->scan_steps = SCAN_SLICE;
        }
    }
    return &drain->scan_steps;
}

/* Is nothing in flight that a scan would look at? */
static bool scan_finds_nothing(DMADrain *drain, const DMADrainScope *scope)
{
    DMAInflight *inflight;

    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        if (dma_maps_idle(inflight->maps) ||
            (scope->only && scope->only != inflight)) {
            continue;
        }
        /* Whatever the tag: a scan makes all that is in flight forget its. */
        if (!scope->tag_mask ||
            dma_maps_concerned(inflight->maps, scope->first, scope->last,
                               scope->tag, scope->tag_mask)) {
            return false;
        }
    }
    return true;
}

static __attribute__((noinline))
void scan_start(DMADrain *drain, const DMADrainScope *scope, uint64_t seq,
                uint64_t epoch)
{
    DrainScan first = { .scope = *scope, .seq = seq };
    ScanFound found = { 0 };
    DrainScan *scan;

    if (!scope->topology && !scan_first(drain) && dma_epoch_passed(epoch)) {
        bool done = scan_go_on(drain, &first, scan_steps(drain), &found);

        if (!done) {
            scan = g_memdup2(&first, sizeof(first));
            scan_insert(drain, scan);
            dma_drain_wake();
        }
        scan_found(drain, seq, &found);
        return;
    }

    scan = drain->nr_scans < MAX_PENDING_SCANS ?
           NULL : scan_last_unbegun(drain);
    if (scan) {
        scan_merge(scan);
    } else {
        scan = g_memdup2(&first, sizeof(first));
        scan_insert(drain, scan);
    }
    if (scope->topology) {
        scan->grace = dma_grace_begin();
    }
    scan->epoch = epoch;
}

void dma_scan_start(DMADrain *drain, const DMADrainScope *scope, uint64_t seq)
{
    /*
     * The usual case, in so many words: no access is under way, and none of
     * those that were has left a map behind that this is about, in this order.
     */
    if (likely(!scope->topology && !drain->nr_scans && dma_epoch_idle() &&
               scan_finds_nothing(drain, scope))) {
        return;
    }
    scan_start(drain, scope, seq, dma_epoch_next());
}

/* Who waited for readers alone waits no more if they have left. */
static void scan_end_waits(DMADrain *drain)
{
    DrainScan *scan, *tmp;

    QTAILQ_FOREACH_SAFE(scan, &drain->scans, next, tmp) {
        if (scan->nothing && dma_grace_passed(scan->grace)) {
            scan_remove(drain, scan);
        }
    }
}

bool dma_scan_advance(DMADrain *drain, bool all)
{
    DrainScan *scan;

    scan_end_waits(drain);
    drain->scan_steps = all ? INT64_MAX : SCAN_SLICE;
    drain->scan_refilled = get_clock();
    while ((scan = scan_first(drain)) && dma_grace_passed(scan->grace) &&
           dma_epoch_passed(scan->epoch)) {
        ScanFound found = { 0 };
        uint64_t seq = scan->seq;
        bool done = scan_go_on(drain, scan, &drain->scan_steps, &found);

        if (done) {
            scan_remove(drain, scan);
        }
        scan_found(drain, seq, &found);
        if (!done) {
            return true;
        }
    }
    return false;
}

void dma_scan_cancel_all(DMADrain *drain)
{
    DrainScan *scan, *tmp;

    QTAILQ_FOREACH_SAFE(scan, &drain->scans, next, tmp) {
        scan_remove(drain, scan);
    }
}

bool dma_scan_pending(DMADrain *drain, uint64_t seq)
{
    DrainScan *scan = QTAILQ_FIRST(&drain->scans);

    return scan && scan->seq <= seq;
}
