/*
 * virtio-iommu: requests, as bytes and as numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.  Everything in a request is
 * the guest's.
 */
#ifndef HW_VIRTIO_VIOMMU_DECODE_H
#define HW_VIRTIO_VIOMMU_DECODE_H

#include "virtio-iommu-spec.h"

/* The longest readable part that any type has */
#define VIRTIO_IOMMU_READABLE_MAX VIRTIO_IOMMU_PROBE_READABLE_SIZE

/* A request; fields that its type does not have are 0. */
typedef struct VirtIOMMURequest {
    uint8_t type;
    uint32_t domain, endpoint, flags, reserved;
    uint64_t virt_start, virt_end, phys_start;
} VirtIOMMURequest;

typedef enum VirtIOMMUDecoded {
    VIRTIO_IOMMU_DECODED,
    VIRTIO_IOMMU_UNKNOWN,    /* no type that is known, or not even a head */
    VIRTIO_IOMMU_SHORT,      /* too short for its type */
} VirtIOMMUDecoded;

/**
 * virtio_iommu_decode: make numbers of the @len bytes @buf.  @req->type is set
 * unless it is UNKNOWN.
 */
VirtIOMMUDecoded virtio_iommu_decode(const uint8_t *buf, size_t len,
                                     VirtIOMMURequest *req);

/* What requests are checked against */
typedef struct VirtIOMMULimits {
    uint64_t features;       /* those negotiated */
    uint64_t page_size_mask; /* not 0 */
    uint64_t input_start, input_end;     /* input_range */
    uint32_t domain_start, domain_end;   /* domain_range */
} VirtIOMMULimits;

/**
 * virtio_iommu_check: what can be said of @req without knowing any domain or
 * endpoint, in the specification's order.  Returns: a status.
 */
uint8_t virtio_iommu_check(const VirtIOMMURequest *req,
                           const VirtIOMMULimits *limits);

/** virtio_iommu_granule: the smallest page of @page_size_mask, in bytes. */
static inline uint64_t virtio_iommu_granule(uint64_t page_size_mask)
{
    return page_size_mask & -page_size_mask;
}

#endif
