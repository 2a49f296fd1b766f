/*
 * A vDPA device behind a vIOMMU: it has what is mapped, and no more
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
#define SPACE_ID    7
#define DATA_IOVA   0x20000000ULL
#define ON_DISK     0xd1
#define REUSED      0xa5
#define SECTOR      8
#define SEVERAL     8                  /* pages */

typedef struct VDPA {
    VMem *mem;
    Unit *unit;
    UnitSpace *space;
    VBlk *blk;
    uint64_t ring, page[2];
} VDPA;

static void start(VDPA *d)
{
    memset(vmem_at(d->mem, d->ring), 0, UNIT_PAGE);
    d->blk = vblk_new(d->unit, SID, "disk", d->ring, d->ring);
}

static unsigned form(void)
{
    return unit_ops()->queue_form;
}

static bool is_vtd(void)
{
    return unit_ops() == &vtd_unit_ops;
}

static VDPA *vdpa_new(const char *props)
{
    VDPA *d = g_new0(VDPA, 1);
    g_autofree char *memory = NULL, *args = NULL;

    d->mem = vmem_new(unit_ops()->ram);
    memory = vmem_args(d->mem);
    args = g_strdup_printf("%s -device vhost-vdpa-device-pci,id=disk,"
                           "vhostdev=%s,addr=5,disable-legacy=on,"
                           "iommu_platform=on", memory,
                           g_getenv("VIOMMU_VDPA"));
    d->unit = unit_ops()->start(form(), props, args);
    d->ring = unit_alloc(d->unit, 1);
    d->page[0] = unit_alloc(d->unit, 1);
    d->page[1] = unit_alloc(d->unit, 1);
    d->space = d->unit->ops->space(d->unit, form(), SPACE_ID);
    d->unit->ops->attach(d->unit, SID, d->space);
    d->unit->ops->map(d->unit, d->space, d->ring, d->ring, UNIT_PAGE,
                      UNIT_RW);
    return d;
}

static VDPA *vdpa_started(void)
{
    VDPA *d = vdpa_new("caching-mode=on");

    d->unit->ops->enable(d->unit, form());
    start(d);
    return d;
}

static void vdpa_free(VDPA *d)
{
    vblk_free(d->blk);
    g_free(d->space);
    d->unit->ops->stop(d->unit);
    vmem_free(d->mem);
    g_free(d);
}

static void inv(VDPA *d, uint64_t iova)
{
    unit_inv(d->unit, form(), UNIT_RANGE, d->space, iova, 0);
}

static void inv_all(VDPA *d)
{
    unit_inv(d->unit, form(), UNIT_ALL, d->space, 0, 0);
}

static void remap(VDPA *d, uint64_t iova, uint64_t gpa)
{
    d->unit->ops->map(d->unit, d->space, iova, gpa, UNIT_PAGE, UNIT_RW);
    inv(d, iova);
}

static void reuse(VDPA *d, uint64_t gpa)
{
    memset(vmem_at(d->mem, gpa), REUSED, UNIT_PAGE);
}

static bool is_filled(VDPA *d, uint64_t gpa, uint8_t byte)
{
    const uint8_t *page = vmem_at(d->mem, gpa);
    size_t i;

    for (i = 0; i < UNIT_PAGE; i++) {
        if (page[i] != byte) {
            return false;
        }
    }
    return true;
}

static void read_disk(VDPA *d, uint64_t iova)
{
    unsigned request = vblk_submit(d->blk, false, SECTOR, iova,
                                   UNIT_PAGE);

    viommu_until(d->unit, vblk_completed(d->blk) == d->blk->submitted);
    g_assert_cmpint(vblk_result(d->blk, request), ==, 0);
}

/* The old page is somebody else's when its invalidation is complete. */
static void test_remap(void)
{
    VDPA *d = vdpa_started();
    int i;

    for (i = 0; i < 10; i++) {
        uint64_t page = d->page[i & 1], old = d->page[!(i & 1)];

        if (i < 5) {
            remap(d, DATA_IOVA, page);
        } else {
            d->unit->ops->map(d->unit, d->space, DATA_IOVA, page, UNIT_PAGE,
                              UNIT_RW);
            inv_all(d);
        }
        reuse(d, page);
        reuse(d, old);
        read_disk(d, DATA_IOVA);
        g_assert_true(is_filled(d, page, ON_DISK));
        g_assert_true(is_filled(d, old, REUSED));
    }
    d->unit->ops->assert_no_fault(d->unit);
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

    unit_unmap(d->unit, d->space, DATA_IOVA);
    inv(d, DATA_IOVA);
    reuse(d, d->page[0]);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, UNIT_PAGE);
    viommu_turns(d->unit);
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
    VTD *vtd = container_of(d->unit, VTD, unit);

    vtd_gcmd(vtd, on ? VTD_G_TE : 0, on ? 0 : VTD_G_TE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE) == !on);
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
    d->unit->ops->assert_no_fault(d->unit);
    vdpa_free(d);
}

/* The kernel keeps a mapping: the device ends there, and the guest goes on. */
static void test_refuses(void)
{
    g_autofree char *flag = g_strdup_printf("%s/refuse", g_get_tmp_dir());
    UnitLog *log = unit_log_new();
    uint8_t status;
    unsigned i;
    VDPA *d;

    g_setenv("LD_PRELOAD", "/tests/failwrite.so", true);
    g_setenv("VIOMMU_FAIL_UNMAP", flag, true);
    d = vdpa_started();
    g_unsetenv("LD_PRELOAD");
    unit_log_rest(log);
    for (i = 0; i < SEVERAL; i++) {
        remap(d, DATA_IOVA + i * UNIT_PAGE, d->page[0]);
    }
    read_disk(d, DATA_IOVA);

    g_assert_true(g_file_set_contents(flag, "", 0, NULL));
    for (i = 0; i < SEVERAL; i++) {
        unit_unmap(d->unit, d->space, DATA_IOVA + i * UNIT_PAGE);
    }
    inv_all(d);
    /* Each has failed; one is heard of, and how many more there were. */
    g_assert_cmpuint(unit_log_count(log, "failed to write"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "vhost_vdpa_dma_unmap"), ==, 0);
    g_assert_cmpuint(unit_log_count(log, "more vhost errors"), ==, 1);
    reuse(d, d->page[0]);
    status = vblk_device_status(d->blk);
    g_assert_cmphex(status & VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, UNIT_PAGE);
    viommu_turns(d->unit);
    g_assert_true(is_filled(d, d->page[0], REUSED));

    /* As long as the kernel has the mapping, it does not start again. */
    qvirtio_reset(&d->blk->pci->vdev);
    vblk_free(d->blk);
    start(d);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, UNIT_PAGE);
    viommu_turns(d->unit);
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
    unit_log_free(log);
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
    unit_unmap(d->unit, d->space, DATA_IOVA);
    inv(d, DATA_IOVA);
    inv(d, DATA_IOVA);
    qtest_qmp_assert_success(d->unit->qts, "{'execute': 'query-status'}");
    kill(pid, SIGKILL);
    vdpa_free(d);
}

/* Without caching-mode the unit cannot say what to map, so nothing is. */
static void test_no_caching_mode(void)
{
    VDPA *d = vdpa_new("");

    d->unit->ops->enable(d->unit, form());
    start(d);
    reuse(d, d->page[0]);
    remap(d, DATA_IOVA, d->page[0]);
    vblk_submit(d->blk, false, SECTOR, DATA_IOVA, UNIT_PAGE);
    viommu_turns(d->unit);
    g_assert_cmpuint(vblk_completed(d->blk), ==, 0);
    g_assert_true(is_filled(d, d->page[0], REUSED));
    vdpa_free(d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vdpa/remap", test_remap);
    qtest_add_func("/viommu/vdpa/unmap", test_unmap);
    if (is_vtd()) {
        qtest_add_func("/viommu/vdpa/te", test_te);
    }
    qtest_add_func("/viommu/vdpa/refuses", test_refuses);
    qtest_add_func("/viommu/vdpa/no-caching-mode", test_no_caching_mode);
    /* The device is of no use afterwards. */
    qtest_add_func("/viommu/vdpa/silent", test_silent);
    return g_test_run();
}
