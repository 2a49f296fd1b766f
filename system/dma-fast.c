/*
 * DMA that the translation cache answers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the memory core asks before it dispatches an access of an address space
 * behind a vIOMMU.  Whatever is not plain RAM that the endpoint may access
 * is left to the dispatch: faults are recorded there, MMIO is found there.
 *
 * Every function runs on any thread.  With the BQL nothing can be invalidated
 * and no memory goes away meanwhile.  Without, the thread has an epoch slot for
 * the one and an RCU read section for the other; the barriers of the latter
 * serve both.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/dma-epoch.h"
#include "dma-inflight-internal.h"
#include "trace.h"

#ifdef CONFIG_MEMBARRIER
#define RCU_HAS_BARRIERS false
#else
#define RCU_HAS_BARRIERS true
#endif

typedef enum FastAccess {
    FAST_BQL,
    FAST_SLOT,
    FAST_SLOT_NESTED,        /* in an outer RCU read section: no barriers */
} FastAccess;

static inline FastAccess fast_begin(void)
{
    bool nested;

    if (bql_locked()) {
        return FAST_BQL;
    }
    nested = get_ptr_rcu_reader()->depth > 0 || !RCU_HAS_BARRIERS;
    dma_epoch_open();
    rcu_read_lock();
    if (nested) {
        /* The outer section's barrier came before the slot. */
        smp_mb();
    }
    return nested ? FAST_SLOT_NESTED : FAST_SLOT;
}

static inline void fast_end(FastAccess access)
{
    bool closed;

    if (access == FAST_BQL) {
        return;
    }
    closed = dma_epoch_close();
    rcu_read_unlock();
    if (closed) {
        if (access == FAST_SLOT_NESTED) {
            /* The outer section's comes too late to wake who waits. */
            smp_mb();
        }
        dma_epoch_closed();
    }
}

static DMACache *make_cache(DMAInflight *inflight, uint32_t who)
{
    unsigned i = dma_cache_index(who);
    DMACache *c, *old;

    if (!inflight->cache_pages) {
        return NULL;
    }
    dma_inflight_activate(inflight);
    c = dma_cache_new(who ? MIN(inflight->cache_pages, DMA_PASID_CACHE_PAGES) :
                            inflight->cache_pages, who);
    c->tag = DMA_TAG_UNTRANSLATED;
    /* Where an invalidation looks, before there is something to be seen. */
    qatomic_or(&inflight->caches_made, 1u << i);
    old = qatomic_cmpxchg(&inflight->caches[i], NULL, c);
    /* An invalidation sees the cache, or what fills it sees the removal. */
    smp_mb__after_rmw();
    if (old) {
        dma_cache_free(c);
        return old;
    }
    return c;
}

static inline DMACache *get_cache(DMAInflight *inflight, uint32_t who)
{
    DMACache *c = dma_inflight_cache(inflight, who);

    return likely(c) ? c : make_cache(inflight, who);
}

/* A run of so many pages that were looked up together is kept as one. */
#define AHEAD_RUN 32

/* Of @hit, what is around @iova, only that which @t translates, and may. */
static void fast_narrow(DMACacheHit *hit, hwaddr iova, const DMATranslation *t)
{
    hit->before = MIN(hit->before, iova - t->first);
    hit->avail = MIN(hit->avail - 1, t->last - iova) + 1;
    hit->perm = t->perm;
}

/* Keep what @hit and @t, from the tables as of @seq, say about @iova. */
static void fast_keep(DMACache *c, uint32_t who, hwaddr iova,
                      const DMACacheHit *hit, const DMATranslation *t,
                      uint64_t seq)
{
    DMACacheRun DMA_CACHE_UNSET run;

    run.first = iova - hit->before;
    run.last = iova + (hit->avail - 1);
    if (t->leaf_shift && t->leaf_shift < DMA_CACHE_CHUNK_SHIFT) {
        /* One page: its neighbours lead elsewhere, as a rule. */
        run.first = MAX(run.first, iova & ~(DMA_CACHE_PAGE_SIZE - 1));
        run.last = MIN(run.last, iova | (DMA_CACHE_PAGE_SIZE - 1));
    }
    if ((run.first | (run.last + 1)) & (DMA_CACHE_PAGE_SIZE - 1)) {
        return;
    }
    run.host = hit->host - (iova - run.first);
    run.owner = hit->owner;
    run.perm = t->perm;
    run.leaf_shift = t->leaf_shift;
    run.who = who;
    dma_cache_insert(c, &run, iova, seq);
}

/* Pages that are looked up together */
typedef struct FastAhead {
    DMACache *cache;
    uint32_t who;
    uint64_t tag, seq;
    hwaddr own;              /* the page that is known; joins what is beside */
    bool gaps;               /* what is not there does not end it */
    unsigned found;
    DMACacheRun run;         /* yet to be kept */
    hwaddr len;              /* of it; 0: none */
} FastAhead;

/* Keep the run: as one if it is long enough, which others may go on with. */
static void fast_ahead_keep(FastAhead *a)
{
    hwaddr size = a->len >= AHEAD_RUN * DMA_CACHE_PAGE_SIZE ?
                  DMA_CACHE_CHUNK_SIZE : DMA_CACHE_PAGE_SIZE;
    const hwaddr last = a->run.first + (a->len - 1);
    hwaddr at = a->run.first;

    while (a->len) {
        DMACacheRun part = a->run;

        part.first = at;
        part.last = MIN(last, at | (size - 1));
        part.host += at - a->run.first;
        dma_cache_insert(a->cache, &part, at, a->seq);
        if (part.last == last) {
            break;
        }
        at = part.last + 1;
    }
    a->len = 0;
}

/* A DMAAheadRun */
static bool fast_ahead_run(void *opaque, hwaddr iova, const DMATranslation *t)
{
    FastAhead *a = opaque;
    DMACacheHit DMA_CACHE_UNSET hit;

    if (!t->perm) {
        return a->gaps;
    }
    if (t->tag != a->tag || t->leaf_shift != DMA_CACHE_PAGE_SHIFT) {
        return false;
    }
    if (t->last - t->first != DMA_CACHE_PAGE_SIZE - 1 ||
        !dma_ram_find(t->gpa, &hit)) {
        return a->gaps;
    }
    if (a->len && (a->run.first + a->len != iova ||
                   a->run.host + a->len != hit.host ||
                   a->run.owner != hit.owner || a->run.perm != t->perm)) {
        fast_ahead_keep(a);
    }
    if (!a->len) {
        a->run = (DMACacheRun) {
            .first = iova,
            .host = hit.host,
            .owner = hit.owner,
            .perm = t->perm,
            .leaf_shift = t->leaf_shift,
            .who = a->who,
        };
    }
    a->len += DMA_CACHE_PAGE_SIZE;
    a->found += iova != a->own;
    return true;
}

/*
 * Have a look at pages @first .. @last while the table is at hand that leads
 * from @iova to a page, through @tag.  @seq: from before the tables were read.
 */
static void fast_look_ahead(DMAInflight *inflight, FastAhead *a, hwaddr first,
                            hwaddr last, bool is_write)
{
    inflight->ops->translate_ahead(inflight->opaque, first, last, is_write,
                                   a->who, fast_ahead_run, a);
    fast_ahead_keep(a);
}

/*
 * @iova, which an access of @len bytes is to begin at, was just found to lead
 * to a page, through @tag: so have a look at those that it goes on to, or that
 * others are likely to want.  @seq: from before the tables were read.
 */
static void fast_fill_ahead(DMAInflight *inflight, DMACache *c, uint32_t who,
                            hwaddr iova, hwaddr len, bool is_write,
                            uint64_t tag, uint64_t seq)
{
    hwaddr page = iova & ~(DMA_CACHE_PAGE_SIZE - 1);
    hwaddr next = page + DMA_CACHE_PAGE_SIZE;
    FastAhead a = {
        .cache = c, .who = who, .tag = tag, .seq = seq, .own = page,
    };
    uint64_t first, last;

    if (!inflight->ops->translate_ahead) {
        return;
    }
    if (dma_range_last(iova, len) >= next && next) {
        last = MIN(dma_range_last(iova, len),
                   dma_range_last(next, DMA_AHEAD_MAX * DMA_CACHE_PAGE_SIZE));
        fast_look_ahead(inflight, &a, next, last, is_write);
    } else if (dma_ahead_guess(&c->ahead, iova >> DMA_CACHE_PAGE_SHIFT, &first,
                               &last)) {
        a.gaps = true;
        fast_look_ahead(inflight, &a, first << DMA_CACHE_PAGE_SHIFT,
                        (last << DMA_CACHE_PAGE_SHIFT) +
                        (DMA_CACHE_PAGE_SIZE - 1), is_write);
        dma_ahead_found(&c->ahead, a.found);
    }
}

/*
 * Look @iova up in the tables, and keep what was found, unless the cache is
 * another's for now.  @len: how far the access goes; @tag may be NULL.
 * Returns: false if it does not lead to RAM, or may not be accessed so.
 */
static __attribute__((noinline))
bool fast_fill(DMAInflight *inflight, DMACache *c, uint32_t who, hwaddr iova,
               hwaddr len, bool is_write, DMACacheHit *hit, uint64_t *tag)
{
    bool keep = dma_cache_claim(c, who);
    unsigned tries = 2;

    RCU_READ_LOCK_GUARD();
    for (;;) {
        uint64_t seq = dma_cache_seq(c);
        DMATranslation DMA_CACHE_UNSET t;

        if (!inflight->ops->translate(inflight->opaque, iova, is_write, who,
                                      &t) ||
            !dma_ram_find(t.gpa, hit)) {
            return false;
        }
        fast_narrow(hit, iova, &t);
        if (keep && !dma_cache_set_tag(c, who, t.tag) && --tries) {
            /* Everything was dropped: translate again, and keep that. */
            continue;
        }
        if (tag) {
            *tag = t.tag;
        }
        if (keep) {
            fast_keep(c, who, iova, hit, &t, seq);
            if (t.leaf_shift == DMA_CACHE_PAGE_SHIFT) {
                fast_fill_ahead(inflight, c, who, iova, len, is_write, t.tag,
                                seq);
            }
        }
        return true;
    }
}

/* Whose translations an access uses */
static inline uint32_t attrs_who(MemTxAttrs attrs)
{
    return dma_attrs_who(dma_attrs_code(attrs));
}

/* @hit stays in registers: its address is not handed to anybody. */
static inline bool fast_find(DMAInflight *inflight, DMACache *c, uint32_t who,
                             hwaddr iova, hwaddr len, bool is_write,
                             DMACacheHit *hit)
{
    DMACacheHit DMA_CACHE_UNSET filled;

    if (likely(dma_cache_find(c, who, iova, is_write ? DMA_CACHE_WRITE :
                              DMA_CACHE_READ, hit))) {
        return true;
    }
    if (!fast_fill(inflight, c, who, iova, len, is_write, &filled, NULL)) {
        return false;
    }
    *hit = filled;
    return true;
}

/* Offset of @host in the RAM of @owner */
static inline hwaddr ram_offset(MemoryRegion *owner, const uint8_t *host)
{
    return host - owner->ram_block->host;
}

/* Returns: true if that was all of it; else the arguments are what remains. */
static inline bool fast_read(DMAInflight *inflight, uint32_t who, hwaddr *addr,
                             void **buf, hwaddr *len)
{
    DMACache *c = get_cache(inflight, who);
    FastAccess access;
    DMACacheHit DMA_CACHE_UNSET hit;

    if (unlikely(!c)) {
        return false;
    }
    access = fast_begin();
    while (fast_find(inflight, c, who, *addr, *len, false, &hit)) {
        hwaddr n = MIN(hit.avail, *len);

        memmove(*buf, hit.host, n);
        *len -= n;
        if (likely(!*len)) {
            fast_end(access);
            return true;
        }
        *addr += n;
        *buf = (uint8_t *)*buf + n;
    }
    fast_end(access);
    return false;
}

static inline bool fast_write(DMAInflight *inflight, uint32_t who,
                              hwaddr *addr, const void **buf, hwaddr *len)
{
    DMACache *c = get_cache(inflight, who);
    FastAccess access;
    DMACacheHit DMA_CACHE_UNSET hit;

    if (unlikely(!c)) {
        return false;
    }
    access = fast_begin();
    while (fast_find(inflight, c, who, *addr, *len, true, &hit)) {
        hwaddr n = MIN(hit.avail, *len);

        memmove(hit.host, *buf, n);
        dma_ram_written(hit.owner, ram_offset(hit.owner, hit.host), n);
        *len -= n;
        if (likely(!*len)) {
            fast_end(access);
            return true;
        }
        *addr += n;
        *buf = (const uint8_t *)*buf + n;
    }
    fast_end(access);
    return false;
}

MemTxResult dma_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                     void *buf, hwaddr len)
{
    DMAInflight *fast = qatomic_read(&as->mastering);

    dma_inflight_count_access(as->inflight);
    if (unlikely(!len) ||
        (likely(fast) &&
         fast_read(fast, attrs_who(attrs), &addr, &buf, &len))) {
        return MEMTX_OK;
    }
    DMA_SHORT_ACCESS_GUARD(true, as->inflight);
    return address_space_read_untracked(as, addr, attrs, buf, len);
}

MemTxResult dma_write(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                      const void *buf, hwaddr len)
{
    DMAInflight *fast = qatomic_read(&as->mastering);
    DMABounce *bounce = qatomic_load_acquire(&as->inflight->bounce);

    dma_inflight_count_access(as->inflight);
    if (unlikely(!len)) {
        return MEMTX_OK;
    }
    if (unlikely(bounce)) {
        dma_bounce_written(bounce, addr, buf, len);
    }
    if (likely(fast) &&
        fast_write(fast, attrs_who(attrs), &addr, &buf, &len)) {
        return MEMTX_OK;
    }
    DMA_SHORT_ACCESS_GUARD(true, as->inflight);
    return address_space_write_untracked(as, addr, attrs, buf, len);
}

MemoryRegion *dma_fast_translate(DMAInflight *inflight, hwaddr addr,
                                 hwaddr *xlat, hwaddr *plen, bool is_write,
                                 MemTxAttrs attrs)
{
    uint32_t who = attrs_who(attrs);
    DMACache *c = get_cache(inflight, who);
    DMACacheHit DMA_CACHE_UNSET hit;

    if (*plen <= sizeof(uint64_t)) {
        /* A load or store; a longer one was counted where it came from. */
        dma_inflight_count_access(inflight);
    }
    if (unlikely(!c) ||
        !fast_find(inflight, c, who, addr, *plen, is_write, &hit)) {
        return NULL;
    }
    if (unlikely(hit.avail < *plen) && *plen <= sizeof(uint64_t)) {
        /* A load or store is not done in parts: more may be known elsewhere. */
        return NULL;
    }
    *plen = MIN(*plen, hit.avail);
    *xlat = ram_offset(hit.owner, hit.host);
    return hit.owner;
}

/* What follows @hit without a gap, up to @len bytes of @iova in all. */
static __attribute__((noinline))
hwaddr fast_extend(DMAInflight *inflight, DMACache *c, uint32_t who,
                   hwaddr iova, hwaddr len, bool is_write, DMACacheHit hit,
                   uint64_t seq)
{
    hwaddr done = hit.avail;
    unsigned perm = hit.perm;
    DMACacheRun DMA_CACHE_UNSET run;
    hwaddr at;

    while (done < len && iova + done > iova) {
        DMACacheHit DMA_CACHE_UNSET next;

        if (!fast_find(inflight, c, who, iova + done, len - done, is_write,
                       &next) ||
            next.host != hit.host + done || next.owner != hit.owner) {
            break;
        }
        perm &= next.perm;
        done += next.avail;
    }
    if (done == hit.avail) {
        return done;
    }

    /* So that the next map of it needs one lookup for each 2 MiB. */
    run = (DMACacheRun) {
        .first = iova - hit.before,
        .last = iova + (done - 1),
        .host = hit.host - hit.before,
        .owner = hit.owner,
        .perm = perm,
        .who = who,
    };
    if ((run.first | (run.last + 1)) & (DMA_CACHE_PAGE_SIZE - 1)) {
        return done;
    }
    at = iova;
    do {
        dma_cache_insert(c, &run, at, seq);
        at = (at | (DMA_CACHE_CHUNK_SIZE - 1)) + 1;
    } while (at && at <= run.last);
    return done;
}

/* Or may it be that a copy is to be handed out? */
static bool fast_may_map(DMAInflight *inflight, bool is_write)
{
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);

    return likely(!bounce) ||
           (!inflight->bounces && !(is_write && dma_bounce_writes(bounce)));
}

void *dma_map(AddressSpace *as, hwaddr addr, hwaddr *plen, bool is_write,
              MemTxAttrs attrs)
{
    DMAInflight *inflight = as->inflight;
    uint32_t who = attrs_who(attrs);
    DMACache *c;
    unsigned need = is_write ? DMA_CACHE_WRITE : DMA_CACHE_READ;
    DMACacheHit DMA_CACHE_UNSET hit;
    DMACacheHit DMA_CACHE_UNSET filled;
    FastAccess access;
    hwaddr len = *plen;
    uint64_t seq, tag;

    dma_inflight_count_access(inflight);
    if (unlikely(!qatomic_read(&as->mastering))) {
        return dma_map_slowly(as, addr, plen, is_write, attrs);
    }
    c = get_cache(inflight, who);
    if (unlikely(!c || !len) || unlikely(!fast_may_map(inflight, is_write))) {
        return dma_map_slowly(as, addr, plen, is_write, attrs);
    }
    access = fast_begin();
    seq = dma_cache_seq(c);
    if (unlikely(!dma_cache_find_run(c, who, addr, len, need, &hit, &tag))) {
        uint64_t filled_tag;

        if (!fast_fill(inflight, c, who, addr, len, is_write, &filled,
                       &filled_tag)) {
            fast_end(access);
            return dma_map_slowly(as, addr, plen, is_write, attrs);
        }
        hit = filled;
        tag = filled_tag;
    }
    if (hit.avail < len) {
        hit.avail = fast_extend(inflight, c, who, addr, len, is_write, hit,
                                seq);
        len = MIN(len, hit.avail);
    }
    if (unlikely(!dma_maps_add_request(inflight->maps, addr, len, hit.host,
                                       hit.owner, tag, dma_attrs_code(attrs),
                                       is_write))) {
        /* It is mapped already: not again at the same address. */
        fast_end(access);
        return dma_map_slowly(as, addr, plen, is_write, attrs);
    }
    *plen = len;
    fast_end(access);
    trace_dma_inflight_mapped(inflight, addr, len, is_write, hit.host, false);
    return hit.host;
}

/* What a device has written is marked before its map is seen to have ended. */
static bool fast_unmap_write(DMAInflight *inflight, void *buffer,
                             hwaddr access_len, void **left)
{
    MemoryRegion *mr = dma_maps_owner(inflight->maps, buffer);

    if (unlikely(!mr)) {
        return false;
    }
    dma_ram_written(mr, ram_offset(mr, buffer), access_len);
    if (unlikely(!dma_maps_remove_request(inflight->maps, buffer, true,
                                          left))) {
        /* It became a record just now. */
        if (dma_inflight_unmapped(inflight, buffer, true, NULL, NULL)) {
            *left = mr;
        }
    }
    return true;
}

void dma_unmap(AddressSpace *as, void *buffer, hwaddr len, bool is_write,
               hwaddr access_len)
{
    DMAInflight *inflight = as->inflight;
    void *left = NULL;
    bool done = false;

    if (likely(!inflight->bounces)) {
        done = is_write ?
               fast_unmap_write(inflight, buffer, access_len, &left) :
               dma_maps_remove_request(inflight->maps, buffer, false, &left);
    }
    if (unlikely(!done)) {
        dma_unmap_slowly(as, buffer, len, is_write, access_len);
        return;
    }
    trace_dma_inflight_unmapped(inflight, buffer, is_write, false);
    if (unlikely(left)) {
        dma_ram_unref(left);
    }
}
