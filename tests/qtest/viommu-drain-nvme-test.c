/*
 * The drain with a disk that is not virtio: an NVMe read in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-nvme.h"
#include "viommu-rig.h"

#define SID             (7 << 3)
#define SPACE_ID        5
#define QUEUES          0x50000000ULL      /* IOVAs */
#define SPARE           0x50004000ULL
#define DATA            0x50005000ULL
#define PAGES           (NVME_QUEUE_PAGES + 2)
#define BAD_OPCODE      0x7f

typedef struct Disk {
    Unit *unit;
    UnitSpace *space;
    Nvme *nvme;
    char *image;
    uint64_t gpa;            /* of the pages, in the order of the IOVAs */
} Disk;

static uint64_t gpa_of(Disk *d, uint64_t iova)
{
    return d->gpa + (iova - QUEUES);
}

static unsigned completions(Disk *d)
{
    return nvme_completed(d->nvme, NVME_IO);
}

static void submit_read(Disk *d, uint64_t iova)
{
    NvmeRwCmd cmd = {
        .opcode = NVME_CMD_READ,
        .nsid = cpu_to_le32(1),
        .dptr.prp1 = cpu_to_le64(iova),
        .slba = cpu_to_le64(RIG_SECTOR),
        .nlb = cpu_to_le16(RIG_LEN / NVME_SECTOR - 1),
    };

    nvme_submit(d->nvme, NVME_IO, (NvmeCmd *)&cmd);
}

static Disk *disk_new(unsigned form)
{
    Disk *d = g_new0(Disk, 1);
    g_autofree char *backend = NULL, *args = NULL;
    Unit *unit;
    int i;

    d->image = rig_make_image();
    backend = rig_backend(d->image, false);
    args = g_strdup_printf("%s -device nvme,id=disk,addr=07.0,serial=x,"
                           "drive=slow", backend);
    d->unit = unit = unit_ops()->start(form, "", args);
    rig_throttle(unit->qts);
    d->gpa = unit_alloc(unit, PAGES);
    d->space = unit->ops->space(unit, form, SPACE_ID);
    for (i = 0; i < PAGES; i++) {
        unit->ops->map(unit, d->space, QUEUES + i * UNIT_PAGE,
                       d->gpa + i * UNIT_PAGE, UNIT_PAGE, UNIT_RW);
    }
    unit->ops->attach(unit, SID, d->space);
    unit->ops->enable(unit, form);
    d->nvme = nvme_new(unit, SID, d->gpa, QUEUES);

    submit_read(d, SPARE);
    viommu_until(unit, completions(d) == 1);
    g_assert_true(viommu_is_filled(unit, gpa_of(d, SPARE), RIG_ON_DISK,
                                   RIG_LEN));
    return d;
}

static void test_read(const void *opaque)
{
    unsigned form = ((const RigOptions *)opaque)->form;
    Disk *d = disk_new(form);
    Unit *unit = d->unit;
    uint64_t page = gpa_of(d, DATA);
    NvmeCmd bad = { .opcode = BAD_OPCODE, .nsid = cpu_to_le32(1) };

    /*
     * The controller takes commands in order, so the refusal of the second
     * says that the first has been mapped.
     */
    submit_read(d, DATA);
    nvme_submit(d->nvme, NVME_IO, &bad);
    viommu_until(unit, completions(d) == 2);
    viommu_turns(unit);
    g_assert_cmpint(completions(d), ==, 2);

    unit_unmap(unit, d->space, DATA);
    unit->ops->inv_start(unit, form, UNIT_SPACE, d->space, 0, 0);
    viommu_turns(unit);
    qtest_clock_step(unit->qts, RIG_SHORT_NS);
    viommu_turns(unit);
    g_assert_cmpint(unit->ops->inv_done(unit, form), ==, expect_corruption());
    if (expect_corruption()) {
        viommu_fill(unit, page, RIG_REUSED, RIG_LEN);
    }
    qtest_clock_step(unit->qts, RIG_RELEASE_NS);
    unit_inv_wait(unit, form);
    if (expect_corruption()) {
        viommu_until(unit, completions(d) == 3);
    }
    g_assert_true(viommu_is_filled(unit, page, RIG_ON_DISK, RIG_LEN));
    if (!expect_corruption()) {
        viommu_fill(unit, page, RIG_REUSED, RIG_LEN);
        qtest_clock_step(unit->qts, RIG_RELEASE_NS);
        viommu_until(unit, completions(d) == 3);
        g_assert_true(viommu_is_filled(unit, page, RIG_REUSED, RIG_LEN));
    }
    unit->ops->assert_no_fault(unit);

    nvme_free(d->nvme);
    g_free(d->space);
    unit->ops->stop(unit);
    unlink(d->image);
    g_free(d->image);
    g_free(d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add("drain/nvme", "read", false, test_read);
    return g_test_run();
}
