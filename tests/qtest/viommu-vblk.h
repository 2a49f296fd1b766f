/*
 * virtio-blk-pci as a source of DMA that can be held in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A virtio 1.x driver with its ring at an IOVA of the caller's choice, which
 * libqos does not have.  One page holds the ring and the request headers.
 */
#ifndef VIOMMU_VBLK_H
#define VIOMMU_VBLK_H

#include "libqos/virtio-pci.h"
#include "viommu-unit.h"

#define VBLK_SLOTS 4         /* requests outstanding at most */
#define VBLK_SECTOR 512

typedef struct VBlk {
    Unit *unit;
    QVirtioPCIDevice *pci;
    char *backend;           /* QOM path of the virtio device */
    uint64_t gpa, iova;      /* of the ring page */
    uint64_t used_gpa;       /* of the used ring's beginning */
    uint64_t used_iova;
    /* Unless 0: the first request's table is here, and not in the ring. */
    uint64_t table_iova;
    uint64_t table_gpa[2];   /* of its first half and of its second */
    uint64_t notify;
    uint16_t submitted;
} VBlk;

/* vblk_new: start the device "@id" at @devfn with the ring page @gpa. */
VBlk *vblk_new(Unit *unit, int devfn, const char *id, uint64_t gpa,
               uint64_t iova);
/* vblk_new_used: with the used ring at @used_iova, beginning at @used_gpa. */
VBlk *vblk_new_used(Unit *unit, int devfn, const char *id, uint64_t gpa,
                    uint64_t iova, uint64_t used_gpa, uint64_t used_iova);
void vblk_free(VBlk *blk);
/*
 * vblk_reset: the device is at rest, and knows no ring; vblk_start: it begins
 * anew, with the same ring, which the caller has cleared.
 */
void vblk_reset(VBlk *blk);
void vblk_start(VBlk *blk);
/* vblk_adopt: the machine is @unit from now on, and the device as it was. */
void vblk_adopt(VBlk *blk, Unit *unit);

/*
 * vblk_submit: read (the device writes memory) or write @len bytes at
 * @iova.  Returns the request's number.
 */
unsigned vblk_submit(VBlk *blk, bool is_write, uint64_t sector, uint64_t iova,
                     uint32_t len);
/*
 * vblk_submit_spread: read @n sectors from 0 on, each to a page of its own from
 * @iova on, by one request of @n + 2 descriptors: an indirect table at
 * @table_iova, in one piece at @table_gpa.
 */
unsigned vblk_submit_spread(VBlk *blk, uint64_t iova, unsigned n,
                            uint64_t table_iova, uint64_t table_gpa);
/* vblk_submit_id: have the serial number (20 bytes at most) put at @iova. */
unsigned vblk_submit_id(VBlk *blk, uint64_t iova, uint32_t len);
/* vblk_completed: how many requests the device has returned. */
unsigned vblk_completed(VBlk *blk);
uint8_t vblk_result(VBlk *blk, unsigned request);
/* vblk_in_flight: how many it has taken and mapped, and not returned. */
unsigned vblk_in_flight(VBlk *blk);
uint8_t vblk_device_status(VBlk *blk);

#endif
