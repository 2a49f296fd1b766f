/*
 * A virtio device whose rings the test itself has mapped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For devices that do their DMA while QEMU and the test do something else: the
 * guest's memory is a file that all of them have mapped, so the test sees what
 * happens, when it happens, without asking QEMU.
 */
#ifndef VIOMMU_VRING_H
#define VIOMMU_VRING_H

#include "libqos/virtio-pci.h"
#include "viommu-unit.h"

/* The guest's memory */
typedef struct VMem {
    char *path;
    uint8_t *host;
    uint64_t base;           /* guest address of the first byte */
} VMem;

/*
 * vmem_new: 2 GiB, which begin at @base.  vmem_args: the arguments that make
 * it the machine's.
 */
VMem *vmem_new(uint64_t base);
char *vmem_args(const VMem *mem);
void vmem_free(VMem *mem);
uint8_t *vmem_at(const VMem *mem, uint64_t gpa);

#define VRING_SLOTS 64

typedef struct VRing {
    QVirtioPCIDevice *pci;
    unsigned index;
    uint8_t *page;           /* see VRING_*_OFF */
    uint64_t notify;
    uint16_t put, seen;      /* descriptors made available, taken back */
} VRing;

/* One page is the whole ring. */
#define VRING_DESC_OFF  0x000
#define VRING_AVAIL_OFF 0x400
#define VRING_USED_OFF  0x800

/*
 * vring_device: the virtio 1.x device @sid, reset, with @features and
 * VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM; its rings come next, then
 * qvirtio_set_driver_ok().
 */
QVirtioPCIDevice *vring_device(Unit *unit, uint16_t sid, uint64_t features);
void vring_device_free(QVirtioPCIDevice *pci);
/* vring_setup: queue @index is at @iova, which leads to @page. */
void vring_setup(VRing *ring, QVirtioPCIDevice *pci, unsigned index,
                uint8_t *page, uint64_t iova);

/* vring_put: one buffer of one descriptor; @write: for the device to write. */
void vring_put(VRing *ring, uint64_t iova, uint32_t len, bool write);
/* vring_room: how many more vring_put() there may be. */
unsigned vring_room(const VRing *ring);
void vring_kick(VRing *ring);
/* vring_pending: has the device not returned everything yet?  Any thread. */
bool vring_pending(const VRing *ring);
/*
 * vring_take: has the device returned another buffer?  Buffers are used in
 * order; @len is how many bytes it wrote.
 */
bool vring_take(VRing *ring, uint32_t *len);

#endif
