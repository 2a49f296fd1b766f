/*
 * DMA maps in flight: which host memory a device was handed, and for which IOVA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure bookkeeping: no QEMU type beyond fixed-width integers and glib.  One
 * DMAMaps per endpoint.  A record is added in the epoch window in which its
 * IOVA was translated and removed by host address, because whoever unmaps knows
 * no IOVA.
 *
 * The same host memory may be mapped twice at once with the same length and
 * direction.  Through one IOVA the records are interchangeable.  Through
 * different IOVAs an unmap does not tell which one ended: then none of them is
 * taken out before all have ended, which may wait too long but never too
 * little.
 *
 * Standing maps are told apart by their owner (revoke function and opaque) as
 * well, so that a revoke function is never called for an owner that has ended
 * its maps and may be gone.
 */
#ifndef SYSTEM_DMA_MAPS_H
#define SYSTEM_DMA_MAPS_H

typedef struct DMAMaps DMAMaps;

/* The tag of a map whose domain has changed since, or is not known */
#define DMA_TAG_ANY (UINT64_MAX - 1)

/*
 * DMARevoke: the owner of a standing map drops it now.  Called with the BQL
 * held and no lock of ours; it must unmap before it returns, and translates
 * again when it next uses the memory.
 */
typedef void DMARevoke(void *opaque);

typedef struct DMAMapInfo {
    uint64_t iova;           /* first byte */
    uint64_t len;            /* bytes, at least 1 */
    void *host;
    void *owner;             /* of the memory: its region; see dma_maps_owner */
    uint64_t tag;            /* domain tag through which it was translated */
    uint32_t pasid;          /* with which it was; the caller's encoding */
    bool is_write;           /* the device writes memory */
    DMARevoke *revoke;       /* standing map; NULL: one request's */
    void *revoke_opaque;
} DMAMapInfo;

DMAMaps *dma_maps_new(void);
/** dma_maps_free: all records are forgotten.  No other user may be left. */
void dma_maps_free(DMAMaps *maps);

/** dma_maps_add: record a map.  Any thread. */
void dma_maps_add(DMAMaps *maps, const DMAMapInfo *info);

/**
 * dma_maps_add_request: dma_maps_add() for the usual map: one request's,
 * without a PASID.  Any thread.
 */
void dma_maps_add_request(DMAMaps *maps, uint64_t iova, uint64_t len,
                          void *host, void *owner, uint64_t tag,
                          bool is_write);

/**
 * dma_maps_remove_request: dma_maps_remove() for the usual map: the only one of
 * its memory, and nobody waits for it.  Returns: the owner of the memory; NULL
 * if the map is not like that, and nothing was done.  Any thread.
 */
void *dma_maps_remove_request(DMAMaps *maps, const void *host, bool is_write);

/**
 * dma_maps_owner: the owner of the memory of a map at @host that has been added
 * and has not ended; or NULL if that is not known at once.  Any thread.
 */
void *dma_maps_owner(DMAMaps *maps, const void *host);

/**
 * dma_maps_remove: a map of @host, @len bytes, in this direction, has ended.
 *
 * An unmap whose length was changed by the device model in between is found by
 * host address alone; if the device model advanced the address, it is the one
 * request that has @host inside its memory, if there is just one such.  A
 * standing map is found only if no request fits; if several owners have such
 * maps, all of theirs are forgotten, not revoked: use
 * dma_maps_remove_standing().
 *
 * @waited: set to how many records that someone waits for went with it
 * Returns: false if no such map was recorded (a bounce buffer, say).
 * Any thread.
 */
bool dma_maps_remove(DMAMaps *maps, const void *host, uint64_t len,
                     bool is_write, unsigned *waited);

/**
 * dma_maps_remove_standing: a standing map of this owner has ended.
 *
 * Returns: false if no such map was recorded.  Any thread.
 */
bool dma_maps_remove_standing(DMAMaps *maps, const void *host, uint64_t len,
                              bool is_write, DMARevoke *revoke,
                              void *revoke_opaque);

/**
 * DMAMapStale: does this record's IOVA no longer lead to its host memory?
 * Called with the table's lock held: must not map or unmap.
 */
typedef bool DMAMapStale(void *opaque, const DMAMapInfo *info);

/**
 * dma_maps_add_pointer: a pointer to host memory that stays in use for long,
 * outside any lock.
 *
 * @pointer is set to @info->host.  When its translation has gone stale,
 * dma_maps_clear_pointers() sets it to NULL; who called that waits for the
 * pointer's readers.  So until dma_maps_remove_pointer(), which does not touch
 * @pointer.  It is not counted as a map.  Any thread.
 */
typedef struct DMAPointer DMAPointer;

DMAPointer *dma_maps_add_pointer(DMAMaps *maps, const DMAMapInfo *info,
                                 uint8_t **pointer);
void dma_maps_remove_pointer(DMAMaps *maps, DMAPointer *p);

/**
 * dma_maps_clear_pointers: set those to NULL that overlap @first .. @last and
 * are stale.  Returns: how many.  Any thread.
 */
unsigned dma_maps_clear_pointers(DMAMaps *maps, uint64_t first, uint64_t last,
                                 DMAMapStale *stale, void *opaque);

/**
 * dma_maps_forget_tags: all maps that are recorded now, and all pointers, have
 * tag DMA_TAG_ANY: what they were translated through may be another domain's
 * from now on.  Any thread.
 */
void dma_maps_forget_tags(DMAMaps *maps);

/**
 * dma_maps_count: how many maps have been added and have not ended.
 * Any thread, no lock.
 */
unsigned dma_maps_count(DMAMaps *maps);

/**
 * dma_maps_scan: find stale records that overlap @first .. @last (inclusive).
 *
 * A stale request's record is stamped with @seq (unless it has a lower stamp
 * already) and is waited for from now on.  A stale standing map is
 * appended to @revoke, an array of DMAMapInfo, for the caller to revoke after
 * this returns; no later scan appends it again.
 *
 * Returns: how many records were newly stamped.  Any thread.
 */
unsigned dma_maps_scan(DMAMaps *maps, uint64_t first, uint64_t last,
                       DMAMapStale *stale, void *opaque, uint64_t seq,
                       GArray *revoke);

/**
 * dma_maps_oldest_wait: the smallest stamp among the records waited for, or
 * UINT64_MAX if there is none.  @info, if not NULL, is filled with that record.
 * Any thread.
 */
uint64_t dma_maps_oldest_wait(DMAMaps *maps, DMAMapInfo *info);

/**
 * dma_maps_abandon: give up waiting for the records stamped @seq or less.
 * They stay recorded until they are unmapped, but no later scan stamps them
 * again, unless a record may by now stand for another map.  Returns: how many.
 * Any thread.
 */
unsigned dma_maps_abandon(DMAMaps *maps, uint64_t seq);

/**
 * dma_maps_clear: forget all records; whoever made them is gone.  An unmap that
 * comes nevertheless finds nothing.  Returns: how many were waited for.
 * Any thread.
 */
unsigned dma_maps_clear(DMAMaps *maps);

/**
 * dma_maps_foreach: call @fn for each record, with the lock held.  A record may
 * be of a map that has ended (see above) and may stand for several.
 */
void dma_maps_foreach(DMAMaps *maps,
                      void (*fn)(void *opaque, const DMAMapInfo *info),
                      void *opaque);

#endif
