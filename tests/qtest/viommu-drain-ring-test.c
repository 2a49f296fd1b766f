/*
 * A ring that crosses a page, where the next IOVA leads elsewhere
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A virtio device reaches its ring through a cached region.  An element that
 * begins in one page and ends in the next is translated for either of them;
 * the base goes on in the memory that happens to follow the first page.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-rig.h"

#define DEVFN       (5 << 3)
#define DID         7
#define RING_IOVA   0x10000000ULL
#define DATA_IOVA   0x20000000ULL
#define USED_IOVA   0x30000000ULL
/* Flags and index, and the first half of element 0 (32 bits of 64) */
#define USED_OFF    (VTD_PAGE_SIZE - 8)
/* An indirect table of three descriptors whose second one crosses */
#define TABLE_IOVA  0x38000000ULL
#define TABLE_OFF   (VTD_PAGE_SIZE - 24)
#define FILLER      0x5a
#define LEN         4096

typedef struct Ring {
    VTD *vtd;
    VTDDomain dom;
    VBlk *blk;
    char *image;
    uint64_t data;
    uint64_t first, between, second;     /* of the used ring; adjacent */
} Ring;

static Ring *ring_new(bool iothread)
{
    Ring *r = g_new0(Ring, 1);
    g_autofree char *args = NULL;
    uint64_t ring;
    VTD *vtd;

    r->image = rig_make_image();
    args = rig_args(&(RigOptions) { .iothread = iothread }, r->image);
    r->vtd = vtd = vtd_start("", "%s", args);
    ring = vtd_alloc(vtd, 1);
    r->data = vtd_alloc(vtd, 1);
    r->first = vtd_alloc(vtd, 1);
    r->between = vtd_alloc(vtd, 1);
    r->second = vtd_alloc(vtd, 1);
    viommu_fill(vtd, r->between, FILLER, VTD_PAGE_SIZE);
    viommu_fill(vtd, r->second, FILLER, VTD_PAGE_SIZE);

    vtd_domain_init(vtd, &r->dom, DID, 3);
    vtd_map(vtd, &r->dom, RING_IOVA, ring, 1, VTD_PTE_RW);
    vtd_map(vtd, &r->dom, DATA_IOVA, r->data, 1, VTD_PTE_RW);
    vtd_map(vtd, &r->dom, USED_IOVA, r->first, 1, VTD_PTE_RW);
    vtd_map(vtd, &r->dom, USED_IOVA + VTD_PAGE_SIZE, r->second, 1,
            VTD_PTE_RW);
    vtd_attach(vtd, DEVFN, &r->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(vtd, VTD_QUEUED);
    r->blk = vblk_new_used(vtd, DEVFN, "disk", ring, RING_IOVA,
                           r->first + USED_OFF, USED_IOVA + USED_OFF);
    return r;
}

static void ring_free(Ring *r)
{
    vblk_free(r->blk);
    vtd_stop(r->vtd);
    unlink(r->image);
    g_free(r->image);
    g_free(r);
}

static void test_used(const void *opaque)
{
    Ring *r = ring_new(GPOINTER_TO_INT(opaque));
    QTestState *qts = r->vtd->qts;
    unsigned i;

    for (i = 1; i <= 2; i++) {
        vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
        viommu_until(r->vtd, vblk_completed(r->blk) == i);
    }
    g_assert_true(viommu_is_filled(r->vtd, r->data, RIG_ON_DISK, LEN));
    /* Element 0: the head, and how much was written with the result byte */
    g_assert_cmphex(qtest_readl(qts, r->first + USED_OFF + 4), ==, 0);
    if (expect_corruption()) {
        g_assert_cmphex(qtest_readl(qts, r->between), ==, LEN + 1);
        g_assert_true(viommu_is_filled(r->vtd, r->second, FILLER, 4));
    } else {
        g_assert_cmphex(qtest_readl(qts, r->second), ==, LEN + 1);
        g_assert_true(viommu_is_filled(r->vtd, r->between, FILLER,
                                       VTD_PAGE_SIZE));
    }
    /* Element 1 is in the second page as a whole, and ends where it should. */
    g_assert_cmphex(qtest_readl(qts, r->second + 4), ==, 3);
    g_assert_cmphex(qtest_readl(qts, r->second + 8), ==, LEN + 1);
    g_assert_true(viommu_is_filled(r->vtd, r->second + 12, FILLER,
                                   VTD_PAGE_SIZE - 12));
    vtd_assert_no_fault(r->vtd);
    ring_free(r);
}

/* The second page is not there: the first half arrives, and it is a fault. */
static void test_half(const void *opaque)
{
    Ring *r = ring_new(GPOINTER_TO_INT(opaque));
    VTD *vtd = r->vtd;

    vtd_unmap(vtd, &r->dom, USED_IOVA + VTD_PAGE_SIZE, 1);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
    viommu_until(vtd, vblk_completed(r->blk) == 1);
    if (expect_corruption()) {
        g_assert_cmphex(qtest_readl(vtd->qts, r->between), ==, LEN + 1);
        vtd_assert_no_fault(vtd);
    } else {
        g_assert_true(viommu_is_filled(vtd, r->between, FILLER,
                                       VTD_PAGE_SIZE));
        vtd_assert_fault(vtd, VTD_FR_WRITE, DEVFN, false,
                         USED_IOVA + VTD_PAGE_SIZE);
    }
    ring_free(r);
}

/* The same for what the device reads: a descriptor */
static void test_indirect(const void *opaque)
{
    Ring *r = ring_new(GPOINTER_TO_INT(opaque));
    VTD *vtd = r->vtd;
    uint64_t first = vtd_alloc(vtd, 1);
    uint64_t between = vtd_alloc(vtd, 1);
    uint64_t second = vtd_alloc(vtd, 1);

    g_assert_cmphex(between, ==, first + VTD_PAGE_SIZE);
    vtd_map(vtd, &r->dom, TABLE_IOVA, first, 1, VTD_PTE_R);
    vtd_map(vtd, &r->dom, TABLE_IOVA + VTD_PAGE_SIZE, second, 1, VTD_PTE_R);
    r->blk->table_iova = TABLE_IOVA + TABLE_OFF;
    r->blk->table_gpa[0] = first + TABLE_OFF;
    r->blk->table_gpa[1] = second;
    vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
    if (expect_corruption()) {
        /* It finds an empty buffer where it looks. */
        viommu_until(vtd, vblk_device_status(r->blk) &
                          VIRTIO_CONFIG_S_NEEDS_RESET);
    } else {
        viommu_until(vtd, vblk_completed(r->blk) == 1);
        g_assert_cmpint(vblk_result(r->blk, 0), ==, 0);
        g_assert_true(viommu_is_filled(vtd, r->data, RIG_ON_DISK, LEN));
    }
    vtd_assert_no_fault(vtd);
    ring_free(r);
}

int main(int argc, char **argv)
{
    gpointer iothread = GINT_TO_POINTER(true);

    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/ring/used/main-loop", NULL, test_used);
    qtest_add_data_func("/viommu/ring/used/iothread", iothread, test_used);
    qtest_add_data_func("/viommu/ring/half/main-loop", NULL, test_half);
    qtest_add_data_func("/viommu/ring/half/iothread", iothread, test_half);
    qtest_add_data_func("/viommu/ring/indirect/main-loop", NULL,
                        test_indirect);
    qtest_add_data_func("/viommu/ring/indirect/iothread", iothread,
                        test_indirect);
    return g_test_run();
}
