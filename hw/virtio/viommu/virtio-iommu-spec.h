/*
 * virtio-iommu: facts of the specification
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtual I/O Device (VIRTIO) 1.3, 5.13: IOMMU device.  For files that are
 * built without QEMU's headers, too; where those are included as well, the
 * compiler sees that both say the same.  All fields are little-endian.
 */
#ifndef HW_VIRTIO_VIOMMU_SPEC_H
#define HW_VIRTIO_VIOMMU_SPEC_H

/* 5.13.3: feature bits */
#define VIRTIO_IOMMU_F_INPUT_RANGE 0
#define VIRTIO_IOMMU_F_DOMAIN_RANGE 1
#define VIRTIO_IOMMU_F_MAP_UNMAP 2
#define VIRTIO_IOMMU_F_BYPASS 3
#define VIRTIO_IOMMU_F_PROBE 4
#define VIRTIO_IOMMU_F_MMIO 5
#define VIRTIO_IOMMU_F_BYPASS_CONFIG 6

/* 5.13.6: request types and statuses */
#define VIRTIO_IOMMU_T_ATTACH 0x01
#define VIRTIO_IOMMU_T_DETACH 0x02
#define VIRTIO_IOMMU_T_MAP 0x03
#define VIRTIO_IOMMU_T_UNMAP 0x04
#define VIRTIO_IOMMU_T_PROBE 0x05

#define VIRTIO_IOMMU_S_OK 0x00
#define VIRTIO_IOMMU_S_IOERR 0x01
#define VIRTIO_IOMMU_S_UNSUPP 0x02
#define VIRTIO_IOMMU_S_DEVERR 0x03
#define VIRTIO_IOMMU_S_INVAL 0x04
#define VIRTIO_IOMMU_S_RANGE 0x05
#define VIRTIO_IOMMU_S_NOENT 0x06
#define VIRTIO_IOMMU_S_FAULT 0x07
#define VIRTIO_IOMMU_S_NOMEM 0x08

/*
 * The readable part of a request: the head, of which byte 0 is the type, then
 * what the type has.  The writable part ends with the tail, of which byte 0 is
 * the status.
 */
#define VIRTIO_IOMMU_HEAD_SIZE 4
#define VIRTIO_IOMMU_TAIL_SIZE 4

/* 5.13.6.3: ATTACH */
#define VIRTIO_IOMMU_ATTACH_DOMAIN 4
#define VIRTIO_IOMMU_ATTACH_ENDPOINT 8
#define VIRTIO_IOMMU_ATTACH_FLAGS 12
#define VIRTIO_IOMMU_ATTACH_RESERVED 16
#define VIRTIO_IOMMU_ATTACH_SIZE 20
#define VIRTIO_IOMMU_ATTACH_F_BYPASS (1 << 0)

/* 5.13.6.4: DETACH; eight reserved bytes end it */
#define VIRTIO_IOMMU_DETACH_DOMAIN 4
#define VIRTIO_IOMMU_DETACH_ENDPOINT 8
#define VIRTIO_IOMMU_DETACH_SIZE 20

/* 5.13.6.5: MAP */
#define VIRTIO_IOMMU_MAP_DOMAIN 4
#define VIRTIO_IOMMU_MAP_VIRT_START 8
#define VIRTIO_IOMMU_MAP_VIRT_END 16
#define VIRTIO_IOMMU_MAP_PHYS_START 24
#define VIRTIO_IOMMU_MAP_FLAGS 32
#define VIRTIO_IOMMU_MAP_SIZE 36
#define VIRTIO_IOMMU_MAP_F_READ (1 << 0)
#define VIRTIO_IOMMU_MAP_F_WRITE (1 << 1)
#define VIRTIO_IOMMU_MAP_F_MMIO (1 << 2)

/* 5.13.6.6: UNMAP; four reserved bytes end it */
#define VIRTIO_IOMMU_UNMAP_DOMAIN 4
#define VIRTIO_IOMMU_UNMAP_VIRT_START 8
#define VIRTIO_IOMMU_UNMAP_VIRT_END 16
#define VIRTIO_IOMMU_UNMAP_SIZE 28

/* 5.13.6.7: PROBE; 64 reserved bytes end its readable part */
#define VIRTIO_IOMMU_PROBE_ENDPOINT 4
#define VIRTIO_IOMMU_PROBE_READABLE_SIZE 72

#endif
