/*
 * Fuzz target: the requests of a virtio-iommu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input: features, a page size, the ranges; then requests, each after its
 * length.
 */
#include "fuzz.h"
#include "../../hw/virtio/viommu/virtio-iommu-decode.h"

static VirtIOMMULimits fuzz_limits(FuzzInput *in)
{
    unsigned shift = 12 + fuzz_take(in, 1) % 20;
    uint64_t a = fuzz_take(in, 8), b = fuzz_take(in, 8);
    uint32_t c = fuzz_take(in, 4), d = fuzz_take(in, 4);

    return (VirtIOMMULimits) {
        .features = fuzz_take(in, 8),
        .page_size_mask = -(1ull << shift),
        .input_start = MIN(a, b), .input_end = MAX(a, b),
        .domain_start = MIN(c, d), .domain_end = MAX(c, d),
    };
}

/* What is accepted can be carried out without another look. */
static void fuzz_accepted(const VirtIOMMURequest *req,
                          const VirtIOMMULimits *limits)
{
    uint64_t mask = virtio_iommu_granule(limits->page_size_mask) - 1;
    uint64_t rest;

    switch (req->type) {
    case VIRTIO_IOMMU_T_ATTACH:
        FUZZ_RULE(!req->reserved);
        FUZZ_RULE(req->domain >= limits->domain_start);
        FUZZ_RULE(req->domain <= limits->domain_end);
        break;
    case VIRTIO_IOMMU_T_MAP:
        rest = req->virt_end - req->virt_start;
        FUZZ_RULE(req->virt_start < req->virt_end);
        FUZZ_RULE(req->virt_start >= limits->input_start);
        FUZZ_RULE(req->virt_end <= limits->input_end);
        FUZZ_RULE(!(req->virt_start & mask) && !(req->phys_start & mask));
        FUZZ_RULE((req->virt_end & mask) == mask);
        FUZZ_RULE(req->phys_start + rest >= req->phys_start);
        break;
    case VIRTIO_IOMMU_T_UNMAP:
        FUZZ_RULE(req->virt_start <= req->virt_end);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);
    VirtIOMMULimits limits = fuzz_limits(&in);

    while (fuzz_more(&in)) {
        size_t asked = fuzz_take(&in, 1);
        size_t len = MIN(asked, (size_t)(in.end - in.next));
        /* Of the very size: what is read beyond it is found. */
        g_autofree uint8_t *buf = g_memdup2(in.next, len);
        VirtIOMMURequest req;

        in.next += len;
        switch (virtio_iommu_decode(buf, len, &req)) {
        case VIRTIO_IOMMU_DECODED:
            if (virtio_iommu_check(&req, &limits) == VIRTIO_IOMMU_S_OK) {
                fuzz_accepted(&req, &limits);
            }
            break;
        case VIRTIO_IOMMU_SHORT:
            FUZZ_RULE(req.type && len < VIRTIO_IOMMU_READABLE_MAX);
            break;
        case VIRTIO_IOMMU_UNKNOWN:
            FUZZ_RULE(!req.type);
            break;
        }
    }
    return 0;
}
