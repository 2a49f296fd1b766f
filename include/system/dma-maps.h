/*
 * DMA maps in flight: which host memory a device was handed, and for which IOVA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure bookkeeping: no QEMU type beyond fixed-width integers and glib.  One
 * DMAMaps per endpoint.  A map is recorded in the epoch window in which its
 * IOVA was translated and ended by host address, because whoever unmaps knows
 * no IOVA.
 *
 * So each live map has a host address of its own (for its direction): an unmap
 * names exactly one record.  A map of memory that is mapped already is refused,
 * and the caller hands out a copy instead (dma-bounce.h).  Two maps that
 * differ in nothing, those of a device model that maps twice for one request,
 * are one record, which ends with the second of them: they go stale together,
 * too.
 *
 * Where a copy cannot be had, dma_maps_add_vague() records both as one, of
 * which nothing is known but the number.  It counts as part of every range and
 * as stale always, until all of them have ended: that may wait too long, but
 * never too little.
 *
 * The tables are looked at without a lock held: dma_maps_next() lists what is
 * to be looked at, dma_maps_mark() says what was found.
 */
#ifndef SYSTEM_DMA_MAPS_H
#define SYSTEM_DMA_MAPS_H

#include "qemu/atomic.h"
#include "system/dma-ranges.h"
#include "system/dma-refs.h"

typedef struct DMAMaps DMAMaps;

/* What a DMAMaps begins with, for who looks without a call or the lock. */
typedef struct DMAMapsSeen {
    unsigned pinned;         /* pointers; atomic */
    unsigned count;          /* maps that have not ended; atomic */
} DMAMapsSeen;

/* The tag of a map whose domain has changed since, or is not known */
#define DMA_TAG_ANY (UINT64_MAX - 1)

/*
 * DMARevoke: the owner of a standing map drops it now.  Called with the BQL
 * held and no lock of ours, by any thread (a vCPU's, a remote unit's
 * connection's): it must not wait, translate, or do what is the main thread's
 * alone.  It must unmap before it returns, and translates again when it next
 * uses the memory.
 */
typedef void DMARevoke(void *opaque);

typedef struct DMAMapInfo {
    uint64_t iova;           /* first byte */
    uint64_t len;            /* bytes, at least 1 */
    void *host;
    void *owner;             /* of the memory: its region; see dma_maps_owner */
    uint64_t tag;            /* domain tag through which it was translated */
    uint32_t pasid;          /* with which it was; see dma-attrs.h */
    bool is_write;           /* the device writes memory */
    DMARevoke *revoke;       /* standing map; NULL: one request's */
    void *revoke_opaque;
} DMAMapInfo;

/**
 * dma_maps_new: @refs_ops: how references to owners are taken and dropped, for
 * dma_maps_add_request(); NULL: there are none.
 */
DMAMaps *dma_maps_new(const DMARefsOps *refs_ops);
/**
 * dma_maps_free: all records are forgotten, as by dma_maps_clear().  No other
 * user may be left.
 */
void dma_maps_free(DMAMaps *maps);

/**
 * dma_maps_add: record a map, which has a reference to its owner if it needs
 * one.  Any thread.
 *
 * Returns: false, and nothing is recorded, if the same memory is mapped in the
 * same direction for another purpose: an unmap could not tell the two apart.
 * Standing maps are told apart from requests, and by their owner (revoke
 * function and opaque), so only one of the same owner is refused.
 */
bool dma_maps_add(DMAMaps *maps, const DMAMapInfo *info);

/**
 * dma_maps_add_request: dma_maps_add() for the usual map: one request's.  If it
 * is recorded there is a reference for it: one of its own, or that which is
 * kept for all.  @owner stays as long as this lasts.  Any thread.
 */
bool dma_maps_add_request(DMAMaps *maps, uint64_t iova, uint64_t len,
                          void *host, void *owner, uint64_t tag,
                          uint32_t pasid, bool is_write);

/**
 * dma_maps_add_vague: record a map that dma_maps_add() refuses, as one with the
 * map that was there before.  Any thread.
 */
void dma_maps_add_vague(DMAMaps *maps, const DMAMapInfo *info);

/**
 * dma_maps_remove_request: dma_maps_remove() for the usual map: nobody has
 * looked at it since it was added.
 *
 * @left: set to the owner if the map had a reference of its own, which the
 *        caller is to drop now; else to NULL
 * Returns: false if the map is not like that, and nothing was done.  Any
 * thread.
 */
bool dma_maps_remove_request(DMAMaps *maps, const void *host, bool is_write,
                             void **left);

/**
 * dma_maps_owner: the owner of the memory of a map at @host that has been added
 * and has not ended; or NULL if that is not known at once.  Any thread.
 */
void *dma_maps_owner(DMAMaps *maps, const void *host);

typedef struct DMAMapsEnd {
    bool waited;             /* someone waits for it */
    bool relied;             /* it had no reference of its own to be dropped */
} DMAMapsEnd;

/**
 * dma_maps_remove: the request's map of @host in this direction has ended.
 *
 * Its length is of no matter: device models change it.  If no map begins at
 * @host, a device model has advanced its pointer: then it is the one map that
 * has @host inside its memory, if there is just one such.
 *
 * @end: filled, with zeroes if no such map was recorded
 * Returns: false if no such map was recorded (a bounce buffer, say).
 * Any thread.
 */
bool dma_maps_remove(DMAMaps *maps, const void *host, bool is_write,
                     DMAMapsEnd *end);

/**
 * dma_maps_remove_standing: a standing map of this owner has ended.
 *
 * Returns: false if no such map was recorded.  Any thread.
 */
bool dma_maps_remove_standing(DMAMaps *maps, const void *host, bool is_write,
                              DMARevoke *revoke, void *revoke_opaque);

/**
 * dma_maps_add_pinned: a pointer to host memory that stays in use for long,
 * outside any lock.
 *
 * @pointer is set to @info->host.  When its translation has gone stale,
 * dma_maps_mark() sets it to NULL; who called that waits for the pointer's
 * readers.  So until dma_maps_remove_pinned(), which does not touch @pointer.
 * It is not counted as a map.  Any thread.
 */
typedef struct DMAPointer DMAPointer;

DMAPointer *dma_maps_add_pinned(DMAMaps *maps, const DMAMapInfo *info,
                               uint8_t **pointer);
void dma_maps_remove_pinned(DMAMaps *maps, DMAPointer *pinned);

/**
 * dma_maps_forget_tags: all maps that are recorded now, pinned pointers
 * included, have tag DMA_TAG_ANY: what they were translated through may be
 * another domain's from now on.  Any thread.
 */
void dma_maps_forget_tags(DMAMaps *maps);

/**
 * dma_maps_count: how many maps have been added and have not ended.
 * dma_maps_idle: is there no map, nor a pinned pointer?
 * Any thread, no lock.
 */
static inline unsigned dma_maps_count(const DMAMaps *maps)
{
    const DMAMapsSeen *seen = (const DMAMapsSeen *)maps;

    /*
     * Who sees that the last map has ended must see what was written through
     * it, as if it had taken the lock.
     */
    return qatomic_load_acquire(&seen->count);
}

static inline bool dma_maps_idle(const DMAMaps *maps)
{
    const DMAMapsSeen *seen = (const DMAMapsSeen *)maps;

    return !dma_maps_count(maps) && !qatomic_read(&seen->pinned);
}

/**
 * dma_maps_concerned: might a look at @first .. @last (inclusive) meet a map,
 * or a pinned pointer, whose tag is like @tag in @tag_mask, or is not known?
 *
 * Where many requests' maps last, looking makes records of them, after which it
 * takes less.  Any thread.
 */
bool dma_maps_concerned(DMAMaps *maps, uint64_t first, uint64_t last,
                        uint64_t tag, uint64_t tag_mask);

/* How far a look at what overlaps a range has come; see dma_maps_look(). */
typedef struct DMAMapsCursor {
    uint64_t first, last;    /* IOVA, inclusive */
    unsigned stage;
    DMARange at;
} DMAMapsCursor;

/* A map that somebody has a look at. */
typedef struct DMAMapsItem {
    DMAMapInfo info;
    bool vague;              /* stale whatever the tables say */
    uint64_t id;             /* our own */
    int slot;
} DMAMapsItem;

/** dma_maps_look: begin to look at what overlaps @first .. @last (inclusive) */
void dma_maps_look(DMAMapsCursor *cursor, uint64_t first, uint64_t last);

/**
 * dma_maps_next: the next maps that nobody waits for yet, at most @n.
 *
 * What was recorded when the look began, and has not ended, is listed, maybe
 * twice; what is added meanwhile may be.  Returns: how many; 0: no more.
 * Any thread.
 */
unsigned dma_maps_next(DMAMaps *maps, DMAMapsCursor *cursor,
                       DMAMapsItem *items, unsigned n);

typedef enum DMAMapsMark {
    DMA_MAPS_GONE,           /* it has ended, or was marked before */
    DMA_MAPS_WAITED,         /* a request: it is waited for from now on */
    DMA_MAPS_REVOKE,         /* a standing map: revoke it; never listed again */
    DMA_MAPS_CLEARED,        /* a pinned pointer: it is NULL now */
} DMAMapsMark;

/**
 * dma_maps_mark: @item is stale.  A request is stamped with @seq, which is not
 * lower than any stamp before.  Any thread.
 */
DMAMapsMark dma_maps_mark(DMAMaps *maps, const DMAMapsItem *item,
                          uint64_t seq);

/**
 * dma_maps_oldest_wait: the smallest stamp among the records waited for, or
 * UINT64_MAX if there is none.  @info, if not NULL, is filled with that record.
 * Any thread.
 */
uint64_t dma_maps_oldest_wait(DMAMaps *maps, DMAMapInfo *info);

/**
 * dma_maps_abandon: give up waiting for the records stamped @seq or less.
 * They stay recorded until they are unmapped, but are never listed again,
 * unless they are vague.  Returns: how many.  Any thread.
 */
unsigned dma_maps_abandon(DMAMaps *maps, uint64_t seq);

/**
 * dma_maps_release: the reference that is kept for all maps of one owner goes
 * now, however many rely on it: each has one of its own from then on.  The next
 * request's map may have one kept again.  Any thread.
 */
void dma_maps_release(DMAMaps *maps);

/**
 * dma_maps_clear: forget all maps; whoever made them is gone.  An unmap that
 * comes nevertheless finds nothing, and drops the map's own reference.  None is
 * kept.  Pinned pointers stay.  Returns: how many were waited for.  Any thread.
 */
unsigned dma_maps_clear(DMAMaps *maps);

/* A map as it is, for whoever asks what is in flight. */
typedef struct DMAMapsListed {
    DMAMapInfo info;
    bool vague;
    bool waited;             /* for it, by the scan @stamp */
    uint64_t stamp;
} DMAMapsListed;

/* How far a listing has come: all numbers may be stored, and come back. */
typedef struct DMAMapsListing {
    uint64_t stage;          /* 0: at the beginning */
    uint64_t at, key[2];
} DMAMapsListing;

/**
 * dma_maps_list: the next maps, at most @n, whatever their state; no pinned
 * pointers.
 *
 * @listing: zeroed to begin with
 * What lasts from the first call to the last is listed, maybe twice.  Returns:
 * how many; 0: no more.  Any thread; the work is that of those listed.
 */
unsigned dma_maps_list(DMAMaps *maps, DMAMapsListing *listing,
                       DMAMapsListed *items, unsigned n);

/** dma_maps_waited: how many records are waited for.  Any thread. */
unsigned dma_maps_waited(DMAMaps *maps);

/** dma_maps_steps: the work done so far, in records looked at; for tests. */
uint64_t dma_maps_steps(DMAMaps *maps);

#endif
