/*
 * dma-mode=bounce: no invalidation waits, and no DMA is ever stale
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a device reads is copied when the request is submitted; what it writes
 * is stored through the translation that holds when the request ends.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

typedef struct Case {
    VTDForm form;
    VTDScope scope;
    bool is_write;           /* a disk write: the device reads memory */
    bool iothread;
} Case;

static Rig *bouncing_rig(const Case *c)
{
    RigOptions opt = {
        .form = c->form, .iothread = c->iothread, .unit = "dma-mode=bounce",
    };

    return rig_new(&opt);
}

static void test_unmapped(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);

    rig_hold(rig, c->is_write, rig->data_iova);
    rig_unmap(rig, c->scope);
    rig_assert_done(rig);
    viommu_fill(rig->vtd, rig->page, RIG_REUSED, RIG_LEN);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_REUSED, RIG_LEN));
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
        vtd_assert_no_fault(rig->vtd);
    } else {
        /* The data came too late: there is no such page any more. */
        vtd_assert_fault(rig->vtd, VTD_FR_WRITE, rig->sid, false,
                         rig->data_iova);
    }
    rig_free(rig);
}

/* The table leads elsewhere by then: that is where the data goes. */
static void test_moved(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);
    uint64_t page = vtd_alloc(rig->vtd, 1);

    viommu_fill(rig->vtd, page, RIG_REUSED, RIG_LEN);
    rig_hold(rig, c->is_write, rig->data_iova);
    vtd_map(rig->vtd, &rig->dom, rig->data_iova, page, 1, VTD_PTE_RW);
    vtd_inv_iotlb_start(rig->vtd, c->form, c->scope, rig->dom.did,
                        rig->data_iova, 0);
    rig_assert_done(rig);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_BEFORE, RIG_LEN));
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->vtd, page, RIG_ON_DISK, RIG_LEN));
    }
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

/* Nothing changes: an ordinary request, and more than a page at a time. */
static void test_unchanged(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);

    rig_hold(rig, c->is_write, rig->data_iova);
    rig_release(rig);
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

/* A page that the device may only write: that is enough for a disk read. */
static void test_write_only(void)
{
    static const Case c = { .form = VTD_QUEUED };
    Rig *rig = bouncing_rig(&c);

    vtd_map(rig->vtd, &rig->dom, rig->data_iova, rig->page, 1, VTD_PTE_W);
    vtd_inv_iotlb(rig->vtd, c.form, VTD_GLOBAL, 0, 0, 0);
    rig_hold(rig, false, rig->data_iova);
    vtd_assert_no_fault(rig->vtd);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

/* A device that writes less than it says leaves the rest as it was. */
static void test_short(void)
{
    static const char serial[] = "VIOMMU-SERIAL";
    RigOptions opt = {
        .form = VTD_QUEUED, .unit = "dma-mode=bounce",
        .args = "-global virtio-blk-device.serial=VIOMMU-SERIAL",
    };
    Rig *rig = rig_new(&opt);
    VTD *vtd = rig->vtd;
    char got[sizeof(serial)];

    g_assert_cmpint(vblk_submit_id(rig->blk, rig->data_iova, RIG_LEN), ==, 1);
    viommu_until(vtd, vblk_completed(rig->blk) == 2);
    g_assert_cmpint(vblk_result(rig->blk, 1), ==, 0);
    qtest_memread(vtd->qts, rig->page, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), serial, sizeof(serial));
    g_assert_true(viommu_is_filled(vtd, rig->page + sizeof(serial), RIG_BEFORE,
                                   RIG_LEN - sizeof(serial)));
    vtd_assert_no_fault(vtd);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const char *const forms[] = { "register", "queued" };
    static const struct {
        const char *name;
        void (*fn)(const void *opaque);
    } tests[] = {
        { "unmapped", test_unmapped },
        { "moved", test_moved },
        { "unchanged", test_unchanged },
    };
    unsigned i, t;

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/bounce/write-only", test_write_only);
    qtest_add_func("/viommu/bounce/short", test_short);
    for (t = 0; t < G_N_ELEMENTS(tests); t++) {
        for (i = 0; i < 8; i++) {
            Case *c = g_new0(Case, 1);
            g_autofree char *path = NULL;

            c->iothread = i & 1;
            c->is_write = i & 2;
            c->form = i & 4 ? VTD_QUEUED : VTD_REGISTER;
            c->scope = i & 4 ? VTD_DOMAIN : VTD_PAGE;
            path = g_strdup_printf("/viommu/bounce/%s/%s/%s/%s", tests[t].name,
                                   forms[c->form],
                                   c->is_write ? "disk-write" : "disk-read",
                                   c->iothread ? "iothread" : "main-loop");
            qtest_add_data_func_full(path, c, tests[t].fn, g_free);
        }
    }
    return g_test_run();
}
