/*
 * A vDPA device behind a VT-d unit: it has what is mapped, and no more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device is the disk that VIOMMU_VDPA names: full of ON_DISK, made by
 * tests/guest/vdpa-disk in a Linux guest.  It is a process, VIOMMU_VDUSE_PID,
 * that does its DMA through VDUSE, the kernel's vDPA in user space, and loses
 * its memory map when the kernel is told to unmap.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-vblk.h"
#include "viommu-vring.h"
#include "viommu-vtd.h"

#define SID         (5 << 3)
#define DID         7
#define DATA_IOVA   0x20000000ULL
#define ON_DISK     0xd1
#define REUSED      0xa5
#define SECTOR      8

typedef struct VDPA {
    VMem *mem;
    VTD *vtd;
    VTDDomain dom;
    VBlk *blk;
    uint64_t ring, page[2];
} VDPA;

static void start(VDPA *d)
{
    memset(d->mem->host + d->ring, 0, VTD_PAGE_SIZE);
    d->blk = vblk_new(&d->vtd->unit, SID, "disk", d->ring, d->ring);
}

static VDPA *vdpa_new(const char *unit)
{
    VDPA *d = g_new0(VDPA, 1);
    g_autofree char *args = NULL;
    VTD *vtd;

    d->mem = vmem_new();
    args = vmem_args(d->mem);
    d->vtd = vtd = vtd_start(unit, "%s -device vhost-vdpa-device-pci,id=disk,"
                             "vhostdev=%s,addr=5,disable-legacy=on,"
                             "iommu_platform=on", args,
                             g_getenv("VIOMMU_VDPA"));
    d->ring = vtd_alloc(vtd, 1);
    d->page[0] = vtd_alloc(vtd, 1);
    d->page[1] = vtd_alloc(vtd, 1);
    vtd_domain_init(vtd, &d->dom, DID, 3);
    vtd_attach(vtd, SID, &d->dom, VTD_TT_UNTRANSLATED);
    vtd_map(vtd, &d->dom, d->ring, d->ring, 1, VTD_PTE_RW);
    return d;
}

static VDPA *vdpa_started(void)
{
    VDPA *d = vdpa_new("caching-mode=on");

    vtd_enable(d->vtd, VTD_QUEUED);
    start(d);
    return d;
}

static void vdpa_free(VDPA *d)
{
    vblk_free(d->blk);
    vtd_stop(d->vtd);
    vmem_free(d->mem);
    g_free(d);
}

static void inv(VDPA *d, uint64_t iova)
{
    vtd_inv_iotlb(d->vtd, VTD_QUEUED, VTD_PAGE, DID, iova, 0);
}

static void remap(VDPA *d, uint64_t iova, uint64_t gpa)
{
    vtd_map(d->vtd, &d->dom, iova, gpa, 1, VTD_PTE_RW);
    inv(d, iova);
}

static void reuse(VDPA *d, uint64_t gpa)
{
    memset(d->mem->host + gpa, REUSED, VTD_PAGE_SIZE);
}

static bool is_filled(VDPA *d, uint64_t gpa, uint8_t byte)
{
    size_t i;

    for (i = 0; i < VTD_PAGE_SIZE; i++) {
        if (d->mem->host[gpa + i] != byte) {
            return false;
        }
    }
    return true;
}

static void read_disk(VDPA *d, uint64_t iova)
{
    unsigned request = vblk_submit(d->blk, false, SECTOR, iova,
                                   VTD_PAGE_SIZE);

    viommu_until(d->vtd, vblk_completed(d->blk) == d->blk->submitted);
    g_assert_cmpint(vblk_result(d->blk, request), ==, 0);
}

/* The old page is somebody else's when its invalidation is complete. */
static void test_remap(void)
{
    VDPA *d = vdpa_started();
    int i;

    for (i = 0; i < 10; i++) {
        uint64_t page = d->page[i & 1], old = d->page[!(i & 1)];

        remap(d, DATA_IOVA, page);
        reuse(d, page);
        reuse(d, old);
        read_disk(d, DATA_IOVA);
        g_assert_true(is_filled(d, page, ON_DISK));
        g_assert_true(is_filled(d, old, REUSED));
    }
    vtd_assert_no_fault(d->vtd);
    vdpa_free(d);
}

/*
 * What is not mapped is out of the device's reach: the request fails, or never
 * ends.  The next driver has what it maps.
 */
static void test_unmap(void)
{
    VDPA *d = vdpa_started();

    remap(d, DATA_IOVA, d->page[0]);
    read_disk(d, DATA_IOVA);
    g_assert_true(is_filled(d, d->page[0], ON_DISK));

    vtd_unmap(d->vtd, &d->dom, DATA_IOVA, 1);
    inv(d, DATA_IOVA);
    reuse(d, d->page[0]);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, VTD_PAGE_SIZE);
    viommu_turns(d->vtd);
    if (vblk_completed(d->blk) == d->blk->submitted) {
        g_assert_cmpint(vblk_result(d->blk, d->blk->submitted - 1), !=, 0);
    }
    g_assert_true(is_filled(d, d->page[0], REUSED));

    qvirtio_reset(&d->blk->pci->vdev);
    vblk_free(d->blk);
    start(d);
    remap(d, DATA_IOVA, d->page[1]);
    read_disk(d, DATA_IOVA);
    g_assert_true(is_filled(d, d->page[1], ON_DISK));
    g_assert_true(is_filled(d, d->page[0], REUSED));
    vdpa_free(d);
}

static void set_te(VDPA *d, bool on)
{
    vtd_gcmd(d->vtd, on ? VTD_G_TE : 0, on ? 0 : VTD_G_TE);
    viommu_until(d->vtd, !(vtd_read32(d->vtd, VTD_GSTS) & VTD_G_TE) == !on);
}

/* Translation off and on while the device runs */
static void test_te(void)
{
    VDPA *d = vdpa_started();
    int i;

    remap(d, d->page[0], d->page[1]);
    for (i = 0; i < 3; i++) {
        reuse(d, d->page[0]);
        reuse(d, d->page[1]);
        read_disk(d, d->page[0]);
        g_assert_true(is_filled(d, d->page[0], REUSED));
        g_assert_true(is_filled(d, d->page[1], ON_DISK));

        set_te(d, false);
        reuse(d, d->page[1]);
        read_disk(d, d->page[0]);
        g_assert_true(is_filled(d, d->page[0], ON_DISK));
        g_assert_true(is_filled(d, d->page[1], REUSED));
        set_te(d, true);
    }
    vtd_assert_no_fault(d->vtd);
    vdpa_free(d);
}

/* The kernel keeps a mapping: the device ends there, and the guest goes on. */
static void test_refuses(void)
{
    g_autofree char *flag = g_strdup_printf("%s/refuse", g_get_tmp_dir());
    uint8_t status;
    VDPA *d;

    g_setenv("LD_PRELOAD", "/tests/failwrite.so", true);
    g_setenv("VIOMMU_FAIL_UNMAP", flag, true);
    d = vdpa_started();
    g_unsetenv("LD_PRELOAD");
    remap(d, DATA_IOVA, d->page[0]);
    read_disk(d, DATA_IOVA);

    g_assert_true(g_file_set_contents(flag, "", 0, NULL));
    vtd_unmap(d->vtd, &d->dom, DATA_IOVA, 1);
    inv(d, DATA_IOVA);
    reuse(d, d->page[0]);
    status = vblk_device_status(d->blk);
    g_assert_cmphex(status & VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, VTD_PAGE_SIZE);
    viommu_turns(d->vtd);
    g_assert_true(is_filled(d, d->page[0], REUSED));

    /* As long as the kernel has the mapping, it does not start again. */
    qvirtio_reset(&d->blk->pci->vdev);
    vblk_free(d->blk);
    start(d);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, VTD_PAGE_SIZE);
    viommu_turns(d->vtd);
    g_assert_cmpuint(vblk_completed(d->blk), ==, 0);
    g_assert_true(is_filled(d, d->page[0], REUSED));
    inv(d, DATA_IOVA);

    unlink(flag);
    qvirtio_reset(&d->blk->pci->vdev);
    vblk_free(d->blk);
    start(d);
    remap(d, DATA_IOVA, d->page[1]);
    read_disk(d, DATA_IOVA);
    g_assert_true(is_filled(d, d->page[1], ON_DISK));
    g_assert_true(is_filled(d, d->page[0], REUSED));
    vdpa_free(d);
}

/*
 * The process behind the device does not answer.  The kernel gives it up after
 * a while, and says that the memory is unmapped.
 */
static void test_silent(void)
{
    const char *timeout = g_getenv("VIOMMU_VDUSE_TIMEOUT");
    pid_t pid = atoi(g_getenv("VIOMMU_VDUSE_PID"));
    VDPA *d = vdpa_started();
    int fd;

    remap(d, DATA_IOVA, d->page[0]);
    read_disk(d, DATA_IOVA);
    /* Seconds */
    fd = open(timeout, O_WRONLY);
    g_assert_cmpint(write(fd, "1", 1), ==, 1);
    close(fd);
    g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
    vtd_unmap(d->vtd, &d->dom, DATA_IOVA, 1);
    inv(d, DATA_IOVA);
    inv(d, DATA_IOVA);
    qtest_qmp_assert_success(d->vtd->qts, "{'execute': 'query-status'}");
    kill(pid, SIGKILL);
    vdpa_free(d);
}

/* Without caching-mode the unit cannot say what to map, so nothing is. */
static void test_no_caching_mode(void)
{
    VDPA *d = vdpa_new("");

    vtd_enable(d->vtd, VTD_QUEUED);
    start(d);
    reuse(d, d->page[0]);
    remap(d, DATA_IOVA, d->page[0]);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, VTD_PAGE_SIZE);
    viommu_turns(d->vtd);
    g_assert_cmpuint(vblk_completed(d->blk), ==, 0);
    g_assert_true(is_filled(d, d->page[0], REUSED));
    vdpa_free(d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vdpa/remap", test_remap);
    qtest_add_func("/viommu/vdpa/unmap", test_unmap);
    qtest_add_func("/viommu/vdpa/te", test_te);
    qtest_add_func("/viommu/vdpa/refuses", test_refuses);
    qtest_add_func("/viommu/vdpa/no-caching-mode", test_no_caching_mode);
    /* The device is of no use afterwards. */
    qtest_add_func("/viommu/vdpa/silent", test_silent);
    return g_test_run();
}
