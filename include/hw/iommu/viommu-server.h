/*
 * A vIOMMU outside the VMM: the server's library
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For a translation unit in a process of its own, be it a model, a simulator or
 * a hypervisor: framing, checks and dispatch of the protocol of
 * docs/interop/viommu-remote.rst, and the guest's memory.  It needs glib and
 * POSIX, and nothing of QEMU: link hw/iommu/remote/server/vrs-*.c and
 * hw/iommu/remote/remote-frame*.c.
 *
 * One thread.  Everything here is called from it, the functions of VRSOps among
 * them, but for those that are about the beginning and the end.
 *
 * How a unit uses it:
 *
 *  1. vrs_new() on a connection, then vrs_run() whenever there is something to
 *     be read.  It calls VRSOps.
 *  2. When the guest invalidates something: vrs_invalidate().  It does not
 *     wait.  The unit reports completion to the guest when VRSOps.drained says
 *     so, **not earlier**: until then devices may use what was invalidated.
 *  3. The unit reads its tables with vrs_at() or vrs_read(), and writes with
 *     vrs_write() and vrs_update(), while it answers a question as well as
 *     otherwise.
 *
 * What a unit need not care for: an answer that is on its way when something is
 * invalidated, since what is sent is carried out in that order; several
 * invalidations at a time; a guest that invalidates faster than devices let go
 * (what is not sent yet is made one).
 */
#ifndef HW_IOMMU_VIOMMU_SERVER_H
#define HW_IOMMU_VIOMMU_SERVER_H

#include "hw/iommu/viommu-remote-proto.h"

typedef struct VRSServer VRSServer;

/*
 * What the unit does.  All but .resolve and .translate may be NULL.  A feature
 * (VRPFeature) is offered if there is a function for it.
 */
typedef struct VRSOps {
    uint64_t region_size;    /* bytes of registers; 0: none */
    /*
     * What software finds there, for the guest's firmware (VRP_UNIT_VTD); NULL:
     * nothing that it has words for.  VT-d: .address_bits that the guest's
     * memory may have.
     */
    const char *unit;
    unsigned address_bits;
    /*
     * VRPFeatures, of those that are offered, without which it will not do: a
     * client that has not all of them is hung up on.
     */
    uint32_t needs;
    /*
     * resolve, translate: questions; @answer has been zeroed.  Neither may
     * carry out what the guest invalidates, nor wait for what it does.
     */
    void (*resolve)(void *opaque, const VRPResolve *question,
                    VRPConfig *answer);
    void (*translate)(void *opaque, const VRPTranslate *question,
                      VRPAnswer *answer);
    /* fault: record it, and signal it. */
    void (*fault)(void *opaque, const VRPFault *fault);
    /*
     * read, write: an access of the guest to the registers; @size bytes, 1 to
     * 8, at @offset, all of them within .region_size.
     */
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value,
                  unsigned size);
    /*
     * run: the guest runs, or has stopped.  When it has, what can be finished
     * of what it asked for is finished before this returns: its memory, and
     * then the unit's state, are saved.
     */
    void (*run)(void *opaque, bool running);
    /* reset: a system reset.  What waits for the drain is forgotten. */
    void (*reset)(void *opaque);
    /*
     * save: the unit's state, malloc()ed, and its size in @len, at most
     * VRP_DATA_MAX.  NULL: there is none to be had.
     * load: what save() has said, maybe in another process.  Returns: false if
     * it is none of this unit's.
     */
    void *(*save)(void *opaque, size_t *len);
    bool (*load)(void *opaque, const void *data, size_t len);
    /*
     * drained: no access uses any more what was invalidated with a number up to
     * @seq.  May invalidate something else.  Not called when the client has
     * gone: the next one knows nothing.
     */
    void (*drained)(void *opaque, uint64_t seq);
    /*
     * endpoint: a function that does DMA as @rid is there, or is gone.  Those
     * that are there are told before the guest runs.  (VRP_F_ENDPOINTS.)
     */
    void (*endpoint)(void *opaque, uint16_t rid, bool present);
    /*
     * ats_fault: a translation request met @fault: record it, if the unit's
     * specification has it recorded.  Returns: how the request ends.
     * (VRP_F_DEVICE_TLB: without it, or if the client does not know it, no
     * device may keep translations: what .resolve says of that is not told, and
     * invalidations of them are nobody's.)
     */
    VRPATSStatus (*ats_fault)(void *opaque, const VRPFault *fault);
    /*
     * page_request: vrs_page_response() is to follow for its group, now or
     * later, if it is the last one of it and no stop marker.  What was asked
     * for over a connection that has ended is answered by its client.
     * (VRP_F_PAGE_REQUESTS.)
     */
    void (*page_request)(void *opaque, const VRPPageRequest *request);
    /*
     * remap: where a message interrupt leads; @answer says VRP_REMAP_BLOCKED by
     * no entry.  With VRP_REMAP_REQUEST the message has been sent: record a
     * fault, or post it, and otherwise do neither.  It is asked while an
     * invalidation is unanswered, as .resolve is.  (VRP_F_INTERRUPTS.)
     * posts: an answer may be VRP_REMAP_DONE (VRP_F_POSTED).
     */
    void (*remap)(void *opaque, const VRPRemap *question, VRPRemapped *answer);
    bool posts;
} VRSOps;

/**
 * vrs_new: talk to the client at @fd, a stream socket, which becomes its own.
 * @ops stays the caller's.
 */
VRSServer *vrs_new(int fd, const VRSOps *ops, void *opaque);
void vrs_free(VRSServer *s);

/**
 * vrs_run: carry out what there is, at most some hundred messages; waits only
 * for the rest of a message.  Returns: false if that was the end.
 *
 * Afterwards everything has been sent.  What is sent meanwhile from elsewhere
 * needs vrs_flush().
 */
bool vrs_run(VRSServer *s);
void vrs_flush(VRSServer *s);
/**
 * vrs_more: is there something that vrs_run() has not come to?  The socket does
 * not say so: look after each vrs_run(), and after whatever else has asked the
 * client (vrs_read(), vrs_write(), vrs_update()): more may have come meanwhile.
 */
bool vrs_more(const VRSServer *s);
/** vrs_why: why it ended; NULL: the client has hung up, as it may. */
const char *vrs_why(const VRSServer *s);

/**
 * vrs_invalidate: forget it, and say when nothing uses it any more.  @inv->seq
 * is filled in here.
 * Returns: the number that VRSOps.drained will say, or a larger one.  What is
 * vrs_drained() already needs no waiting: nobody knew of it.
 */
uint64_t vrs_invalidate(VRSServer *s, const VRPInvalidate *inv);
/** vrs_drained: the number up to which all has drained. */
uint64_t vrs_drained(const VRSServer *s);

/** vrs_prefetch: an answer that nobody has asked for. */
void vrs_prefetch(VRSServer *s, const VRPPrefetch *page);
/** vrs_page_response: to a group of page requests */
void vrs_page_response(VRSServer *s, const VRPPageResponse *response);
/** vrs_interrupt: a message of the unit's own, after all that it has written */
void vrs_interrupt(VRSServer *s, uint64_t addr, uint32_t data, uint32_t rid);

/**
 * vrs_at: where @len bytes of guest memory at @addr can be read; NULL: they are
 * not shared, or not there, or not in one piece.  Until vrs_run() is called
 * again.  The guest may be writing them.
 */
const void *vrs_at(const VRSServer *s, uint64_t addr, uint64_t len);
/**
 * vrs_read, vrs_write: @len bytes, whether shared or not.  When vrs_write() has
 * returned they are written.  vrs_update: as VRPUpdate, @expected becomes what
 * was there.
 * Returns: false if there is no such memory, or no client.
 */
bool vrs_read(VRSServer *s, uint64_t addr, void *data, size_t len);
bool vrs_write(VRSServer *s, uint64_t addr, const void *data, size_t len);
/**
 * vrs_post: as vrs_write(), but nobody waits for it: the memory is written when
 * what is sent afterwards (an interrupt, the answer to a register's read, or to
 * VRSOps.run) is carried out.  vrs_at() may not show it yet.
 * Returns: false if there is no such memory, or no client, or it cannot be
 * written.  Memory that goes meanwhile, and a reset, take it along.
 */
bool vrs_post(VRSServer *s, uint64_t addr, const void *data, size_t len);
bool vrs_update(VRSServer *s, uint64_t addr, uint64_t *expected,
                uint64_t value);

#endif
