/*
 * Soak: a virtio disk with a thread of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-soak-disk.h"
#include "viommu-rig.h"

#define RING_PAGES      2        /* below the first page; one is unused */
#define SECTORS         128
#define ON_DISK         0x33
#define LONGEST         (2 * UNIT_PAGE / VBLK_SECTOR)

struct SoakDisk {
    GRand *rand;
    char *image;
    Unit *unit;
    uint64_t iova, ring;
    VBlk *blk;
    uint16_t seen;           /* requests of this life that have ended */
    uint64_t operations, broken;
};

SoakDisk *soak_disk_new(GRand *rand)
{
    g_autofree char *data = g_malloc(SECTORS * VBLK_SECTOR);
    SoakDisk *d = g_new0(SoakDisk, 1);
    int fd = g_file_open_tmp("viommu-soak-XXXXXX", &d->image, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    memset(data, ON_DISK, SECTORS * VBLK_SECTOR);
    g_assert_true(g_file_set_contents(d->image, data, SECTORS * VBLK_SECTOR,
                                      NULL));
    d->rand = rand;
    return d;
}

/* Slow enough that requests are in flight when pages change hands */
char *soak_disk_args(const SoakDisk *d)
{
    g_autofree char *backend = rig_backend(d->image, true);

    return g_strdup_printf(
        "-object iothread,id=soaker %s "
        "-device virtio-blk-pci,id=soak-disk,addr=%02x.0,drive=slow,"
        "iothread=soaker,iommu_platform=on,disable-legacy=on ",
        backend, SOAK_DISK_SLOT);
}

void soak_disk_place(SoakDisk *d, Unit *unit, UnitSpace *space, uint64_t iova)
{
    d->unit = unit;
    d->iova = iova;
    d->ring = unit_alloc(unit, 1);
    unit->ops->map(unit, space, iova - RING_PAGES * UNIT_PAGE, d->ring,
                   UNIT_PAGE, UNIT_RW);
}

static void disk_clear_ring(SoakDisk *d)
{
    viommu_fill(d->unit, d->ring, 0, UNIT_PAGE);
    d->seen = 0;
}

void soak_disk_open(SoakDisk *d)
{
    if (!d) {
        return;
    }
    if (d->blk) {
        vblk_free(d->blk);
    }
    disk_clear_ring(d);
    d->blk = vblk_new(d->unit, SOAK_DISK_SID, "soak-disk", d->ring,
                      d->iova - RING_PAGES * UNIT_PAGE);
}

void soak_disk_adopt(SoakDisk *d, Unit *unit)
{
    if (d) {
        d->unit = unit;
        vblk_adopt(d->blk, unit);
    }
}

/* Nothing of the requests before is under way when the reset has ended. */
static void disk_begin_anew(SoakDisk *d)
{
    vblk_reset(d->blk);
    disk_clear_ring(d);
    vblk_start(d->blk);
    d->broken++;
}

static void disk_submit(SoakDisk *d, unsigned first, bool two)
{
    unsigned most = two ? LONGEST : LONGEST / 2;
    unsigned n = g_rand_int_range(d->rand, 1, most + 1);
    unsigned sector = g_rand_int_range(d->rand, 0, SECTORS - n + 1);

    vblk_submit(d->blk, false, sector, d->iova + first * UNIT_PAGE,
                n * VBLK_SECTOR);
}

void soak_disk_round(SoakDisk *d, const int *at, unsigned pages)
{
    uint16_t completed;

    if (!d) {
        return;
    }
    if (vblk_device_status(d->blk) & VIRTIO_CONFIG_S_NEEDS_RESET) {
        disk_begin_anew(d);
    }
    completed = vblk_completed(d->blk);
    d->operations += (uint16_t)(completed - d->seen);
    d->seen = completed;
    while ((uint16_t)(d->blk->submitted - completed) < VBLK_SLOTS) {
        unsigned i = g_rand_int_range(d->rand, 0, pages);

        if (at[i] < 0) {
            break;
        }
        disk_submit(d, i, i + 1 < pages && at[i + 1] >= 0);
    }
}

void soak_disk_free(SoakDisk *d)
{
    if (d) {
        vblk_free(d->blk);
        unlink(d->image);
        g_free(d->image);
        g_free(d);
    }
}

uint64_t soak_disk_operations(const SoakDisk *d)
{
    return d ? d->operations : 0;
}

uint64_t soak_disk_broken(const SoakDisk *d)
{
    return d ? d->broken : 0;
}
