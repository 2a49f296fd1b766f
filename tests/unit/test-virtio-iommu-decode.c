/*
 * Unit tests of virtio-iommu's requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "../../hw/virtio/viommu/virtio-iommu-decode.h"
#include "test-common.h"

#define ALL_FEATURES (1ull << VIRTIO_IOMMU_F_MMIO | \
                      1ull << VIRTIO_IOMMU_F_BYPASS_CONFIG)

static const VirtIOMMULimits open_limits = {
    .features = ALL_FEATURES,
    .page_size_mask = -4096ull,
    .input_end = UINT64_MAX,
    .domain_end = UINT32_MAX,
};

/* Bytes 0, 1, 2, ... so that each field has a value of its own */
static void count_up(uint8_t *buf, uint8_t type)
{
    for (unsigned i = 0; i < VIRTIO_IOMMU_READABLE_MAX; i++) {
        buf[i] = i;
    }
    buf[0] = type;
}

static void test_fields(void)
{
    uint8_t buf[VIRTIO_IOMMU_READABLE_MAX];
    VirtIOMMURequest req;

    count_up(buf, VIRTIO_IOMMU_T_ATTACH);
    g_assert_cmpint(virtio_iommu_decode(buf, 20, &req), ==,
                    VIRTIO_IOMMU_DECODED);
    g_assert_cmphex(req.domain, ==, 0x07060504);
    g_assert_cmphex(req.endpoint, ==, 0x0b0a0908);
    g_assert_cmphex(req.flags, ==, 0x0f0e0d0c);
    g_assert_cmphex(req.reserved, ==, 0x13121110);

    count_up(buf, VIRTIO_IOMMU_T_DETACH);
    g_assert_cmpint(virtio_iommu_decode(buf, 20, &req), ==,
                    VIRTIO_IOMMU_DECODED);
    g_assert_cmphex(req.domain, ==, 0x07060504);
    g_assert_cmphex(req.endpoint, ==, 0x0b0a0908);
    /* Its reserved bytes are to be ignored. */
    g_assert_cmphex(req.flags | req.reserved, ==, 0);

    count_up(buf, VIRTIO_IOMMU_T_MAP);
    g_assert_cmpint(virtio_iommu_decode(buf, 36, &req), ==,
                    VIRTIO_IOMMU_DECODED);
    g_assert_cmphex(req.domain, ==, 0x07060504);
    g_assert_cmphex(req.virt_start, ==, 0x0f0e0d0c0b0a0908);
    g_assert_cmphex(req.virt_end, ==, 0x1716151413121110);
    g_assert_cmphex(req.phys_start, ==, 0x1f1e1d1c1b1a1918);
    g_assert_cmphex(req.flags, ==, 0x23222120);

    count_up(buf, VIRTIO_IOMMU_T_UNMAP);
    g_assert_cmpint(virtio_iommu_decode(buf, 28, &req), ==,
                    VIRTIO_IOMMU_DECODED);
    g_assert_cmphex(req.domain, ==, 0x07060504);
    g_assert_cmphex(req.virt_start, ==, 0x0f0e0d0c0b0a0908);
    g_assert_cmphex(req.virt_end, ==, 0x1716151413121110);

    count_up(buf, VIRTIO_IOMMU_T_PROBE);
    g_assert_cmpint(virtio_iommu_decode(buf, 72, &req), ==,
                    VIRTIO_IOMMU_DECODED);
    g_assert_cmphex(req.endpoint, ==, 0x07060504);
}

static void test_sizes(void)
{
    static const size_t sizes[] = { 0, 20, 20, 36, 28, 72 };
    uint8_t buf[VIRTIO_IOMMU_READABLE_MAX] = { 0 };
    VirtIOMMURequest req;

    for (unsigned type = 0; type < 256; type++) {
        for (size_t len = 0; len <= sizeof(buf); len++) {
            VirtIOMMUDecoded expect =
                len < 4 || !type || type >= ARRAY_SIZE(sizes) ?
                VIRTIO_IOMMU_UNKNOWN : len < sizes[type] ?
                VIRTIO_IOMMU_SHORT : VIRTIO_IOMMU_DECODED;
            /* What lies behind its end is not read: the sanitizer sees that. */
            g_autofree uint8_t *exact = g_memdup2(buf, len ?: 1);

            exact[0] = type;
            g_assert_cmpint(virtio_iommu_decode(exact, len, &req), ==, expect);
        }
    }
}

static void test_attach(void)
{
    VirtIOMMULimits limits = open_limits;
    VirtIOMMURequest req = { .type = VIRTIO_IOMMU_T_ATTACH };

    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==, VIRTIO_IOMMU_S_OK);
    req.flags = VIRTIO_IOMMU_ATTACH_F_BYPASS;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==, VIRTIO_IOMMU_S_OK);
    limits.features &= ~(1ull << VIRTIO_IOMMU_F_BYPASS_CONFIG);
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_INVAL);
    limits = open_limits;
    for (unsigned bit = 1; bit < 32; bit++) {
        req.flags = 1u << bit;
        g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                        VIRTIO_IOMMU_S_INVAL);
    }
    req.flags = 0;
    req.reserved = 1u << 31;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_INVAL);
    req.reserved = 0;
    limits.domain_start = 4;
    limits.domain_end = 8;
    for (req.domain = 3; req.domain <= 9; req.domain++) {
        g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                        req.domain >= 4 && req.domain <= 8 ?
                        VIRTIO_IOMMU_S_OK : VIRTIO_IOMMU_S_RANGE);
    }
}

typedef struct MapCase {
    uint64_t start, end, phys;
    uint32_t flags;
    uint8_t status;
} MapCase;

static void test_map(void)
{
    static const MapCase cases[] = {
        { 0x1000, 0x1fff, 0x5000, 3, VIRTIO_IOMMU_S_OK },
        { 0x1000, 0x1fff, 0x5000, 0, VIRTIO_IOMMU_S_OK },
        { 0x1000, 0x1fff, 0x5000, 7, VIRTIO_IOMMU_S_OK },
        { 0x1000, 0x1fff, 0x5000, 8, VIRTIO_IOMMU_S_INVAL },
        { 0x1000, 0x1fff, 0x5000, 1u << 31, VIRTIO_IOMMU_S_INVAL },
        { 0x1001, 0x1fff, 0x5000, 3, VIRTIO_IOMMU_S_RANGE },
        { 0x1000, 0x1ffe, 0x5000, 3, VIRTIO_IOMMU_S_RANGE },
        { 0x1000, 0x1fff, 0x5800, 3, VIRTIO_IOMMU_S_RANGE },
        /* Alignment before flags */
        { 0x1001, 0x1fff, 0x5000, 8, VIRTIO_IOMMU_S_RANGE },
        /* Flags before the range */
        { 0x2000, 0x1fff, 0x5000, 8, VIRTIO_IOMMU_S_INVAL },
        { 0x2000, 0x1fff, 0x5000, 3, VIRTIO_IOMMU_S_RANGE },
        { 0x3000, 0x1fff, 0x5000, 3, VIRTIO_IOMMU_S_RANGE },
        { 0, UINT64_MAX, 0, 3, VIRTIO_IOMMU_S_OK },
        { 0, UINT64_MAX, 0x1000, 3, VIRTIO_IOMMU_S_RANGE },
        { 0, 0xfff, -0x1000ull, 3, VIRTIO_IOMMU_S_OK },
        { 0, 0x1fff, -0x1000ull, 3, VIRTIO_IOMMU_S_RANGE },
        { -0x1000ull, UINT64_MAX, 0, 3, VIRTIO_IOMMU_S_OK },
    };
    VirtIOMMULimits limits = open_limits;
    VirtIOMMURequest req = { .type = VIRTIO_IOMMU_T_MAP };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const MapCase *c = &cases[i];

        req.virt_start = c->start;
        req.virt_end = c->end;
        req.phys_start = c->phys;
        req.flags = c->flags;
        g_assert_cmpint(virtio_iommu_check(&req, &limits), ==, c->status);
    }
    /* Without the feature there is no such flag. */
    limits.features = 0;
    req = (VirtIOMMURequest) {
        .type = VIRTIO_IOMMU_T_MAP, .virt_end = 0xfff,
        .flags = VIRTIO_IOMMU_MAP_F_MMIO,
    };
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_INVAL);
    /* The granule is the lowest bit, whatever the others are. */
    limits.page_size_mask = 1ull << 16 | 1ull << 21;
    req.flags = 0;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_RANGE);
    req.virt_end = 0xffff;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==, VIRTIO_IOMMU_S_OK);
    limits.input_end = 0xfffe;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_RANGE);
    limits.input_end = UINT64_MAX;
    limits.input_start = 1;
    g_assert_cmpint(virtio_iommu_check(&req, &limits), ==,
                    VIRTIO_IOMMU_S_RANGE);
}

static void test_unmap(void)
{
    VirtIOMMURequest req = { .type = VIRTIO_IOMMU_T_UNMAP };

    /* Any range may be unmapped, aligned or not, up to everything. */
    req.virt_start = 5;
    req.virt_end = 5;
    g_assert_cmpint(virtio_iommu_check(&req, &open_limits), ==,
                    VIRTIO_IOMMU_S_OK);
    req.virt_end = 4;
    g_assert_cmpint(virtio_iommu_check(&req, &open_limits), ==,
                    VIRTIO_IOMMU_S_RANGE);
    req.virt_start = 0;
    req.virt_end = UINT64_MAX;
    g_assert_cmpint(virtio_iommu_check(&req, &open_limits), ==,
                    VIRTIO_IOMMU_S_OK);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-iommu-decode/fields", test_fields);
    g_test_add_func("/virtio-iommu-decode/sizes", test_sizes);
    g_test_add_func("/virtio-iommu-decode/attach", test_attach);
    g_test_add_func("/virtio-iommu-decode/map", test_map);
    g_test_add_func("/virtio-iommu-decode/unmap", test_unmap);
    return g_test_run();
}
