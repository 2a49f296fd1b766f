/*
 * virtio-iommu: requests, as bytes and as numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "virtio-iommu-decode.h"

static uint64_t decode_number(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    while (bytes--) {
        value = value << 8 | at[bytes];
    }
    return value;
}

static uint32_t decode_le32(const uint8_t *buf, unsigned offset)
{
    return decode_number(buf + offset, 4);
}

static uint64_t decode_le64(const uint8_t *buf, unsigned offset)
{
    return decode_number(buf + offset, 8);
}

static void decode_attach(const uint8_t *buf, VirtIOMMURequest *req)
{
    req->domain = decode_le32(buf, VIRTIO_IOMMU_ATTACH_DOMAIN);
    req->endpoint = decode_le32(buf, VIRTIO_IOMMU_ATTACH_ENDPOINT);
    req->flags = decode_le32(buf, VIRTIO_IOMMU_ATTACH_FLAGS);
    req->reserved = decode_le32(buf, VIRTIO_IOMMU_ATTACH_RESERVED);
}

static void decode_detach(const uint8_t *buf, VirtIOMMURequest *req)
{
    req->domain = decode_le32(buf, VIRTIO_IOMMU_DETACH_DOMAIN);
    req->endpoint = decode_le32(buf, VIRTIO_IOMMU_DETACH_ENDPOINT);
}

static void decode_map(const uint8_t *buf, VirtIOMMURequest *req)
{
    req->domain = decode_le32(buf, VIRTIO_IOMMU_MAP_DOMAIN);
    req->virt_start = decode_le64(buf, VIRTIO_IOMMU_MAP_VIRT_START);
    req->virt_end = decode_le64(buf, VIRTIO_IOMMU_MAP_VIRT_END);
    req->phys_start = decode_le64(buf, VIRTIO_IOMMU_MAP_PHYS_START);
    req->flags = decode_le32(buf, VIRTIO_IOMMU_MAP_FLAGS);
}

/* It may have reserved bytes; the device may look at them, and need not. */
static void decode_unmap(const uint8_t *buf, VirtIOMMURequest *req)
{
    req->domain = decode_le32(buf, VIRTIO_IOMMU_UNMAP_DOMAIN);
    req->virt_start = decode_le64(buf, VIRTIO_IOMMU_UNMAP_VIRT_START);
    req->virt_end = decode_le64(buf, VIRTIO_IOMMU_UNMAP_VIRT_END);
}

static void decode_probe(const uint8_t *buf, VirtIOMMURequest *req)
{
    req->endpoint = decode_le32(buf, VIRTIO_IOMMU_PROBE_ENDPOINT);
}

typedef struct DecodeType {
    size_t size;
    void (*decode)(const uint8_t *buf, VirtIOMMURequest *req);
} DecodeType;

VirtIOMMUDecoded virtio_iommu_decode(const uint8_t *buf, size_t len,
                                     VirtIOMMURequest *req)
{
    static const DecodeType types[] = {
        [VIRTIO_IOMMU_T_ATTACH] = { VIRTIO_IOMMU_ATTACH_SIZE, decode_attach },
        [VIRTIO_IOMMU_T_DETACH] = { VIRTIO_IOMMU_DETACH_SIZE, decode_detach },
        [VIRTIO_IOMMU_T_MAP] = { VIRTIO_IOMMU_MAP_SIZE, decode_map },
        [VIRTIO_IOMMU_T_UNMAP] = { VIRTIO_IOMMU_UNMAP_SIZE, decode_unmap },
        [VIRTIO_IOMMU_T_PROBE] = { VIRTIO_IOMMU_PROBE_READABLE_SIZE,
                                   decode_probe },
    };

    memset(req, 0, sizeof(*req));
    if (len < VIRTIO_IOMMU_HEAD_SIZE || buf[0] >= ARRAY_SIZE(types) ||
        !types[buf[0]].decode) {
        return VIRTIO_IOMMU_UNKNOWN;
    }
    req->type = buf[0];
    if (len < types[req->type].size) {
        return VIRTIO_IOMMU_SHORT;
    }
    types[req->type].decode(buf, req);
    return VIRTIO_IOMMU_DECODED;
}

static bool check_domain(const VirtIOMMURequest *req,
                         const VirtIOMMULimits *limits)
{
    return req->domain >= limits->domain_start &&
           req->domain <= limits->domain_end;
}

static bool check_feature(const VirtIOMMULimits *limits, unsigned feature)
{
    return limits->features >> feature & 1;
}

/* 5.13.6.3.2 */
static uint8_t check_attach(const VirtIOMMURequest *req,
                            const VirtIOMMULimits *limits)
{
    bool bypass = check_feature(limits, VIRTIO_IOMMU_F_BYPASS_CONFIG);
    uint32_t known = bypass ? VIRTIO_IOMMU_ATTACH_F_BYPASS : 0;

    if (req->reserved || (req->flags & ~known)) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    return check_domain(req, limits) ? VIRTIO_IOMMU_S_OK :
                                       VIRTIO_IOMMU_S_RANGE;
}

/* 5.13.6.5.2, and the limits of 5.13.6 */
static uint8_t check_map(const VirtIOMMURequest *req,
                         const VirtIOMMULimits *limits)
{
    uint64_t mask = virtio_iommu_granule(limits->page_size_mask) - 1;
    bool mmio = check_feature(limits, VIRTIO_IOMMU_F_MMIO);
    uint32_t known = VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE |
                     (mmio ? VIRTIO_IOMMU_MAP_F_MMIO : 0);

    if ((req->virt_start | req->phys_start | (req->virt_end + 1)) & mask) {
        return VIRTIO_IOMMU_S_RANGE;
    }
    if (req->flags & ~known) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    if (req->virt_end <= req->virt_start ||
        req->virt_start < limits->input_start ||
        req->virt_end > limits->input_end ||
        req->virt_end - req->virt_start > UINT64_MAX - req->phys_start) {
        return VIRTIO_IOMMU_S_RANGE;
    }
    return VIRTIO_IOMMU_S_OK;
}

uint8_t virtio_iommu_check(const VirtIOMMURequest *req,
                           const VirtIOMMULimits *limits)
{
    switch (req->type) {
    case VIRTIO_IOMMU_T_ATTACH:
        return check_attach(req, limits);
    case VIRTIO_IOMMU_T_MAP:
        return check_map(req, limits);
    case VIRTIO_IOMMU_T_UNMAP:
        return req->virt_end < req->virt_start ? VIRTIO_IOMMU_S_RANGE :
                                                 VIRTIO_IOMMU_S_OK;
    default:
        return VIRTIO_IOMMU_S_OK;
    }
}
