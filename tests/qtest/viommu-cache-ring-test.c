/*
 * The DMA translation cache: virtio rings that keep their host address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The page with the rings is replaced, or taken away, between requests and
 * under them.  Once that is complete the old page is another's.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-rig.h"

#define MARK        0xa7
#define RING_IOVA   (rig->blk->iova)
#define OTHER_DID   9
#define ROUNDS      24

static void request(Rig *rig)
{
    unsigned n = vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova,
                             RIG_LEN);

    viommu_until(rig->vtd, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
}

static void mark(Rig *rig, uint64_t page)
{
    viommu_fill(rig->vtd, page, MARK, VTD_PAGE_SIZE);
}

static bool is_marked(Rig *rig, uint64_t page)
{
    return viommu_is_filled(rig->vtd, page, MARK, VTD_PAGE_SIZE);
}

static void copy(Rig *rig, uint64_t to, uint64_t from)
{
    uint8_t data[VTD_PAGE_SIZE];

    qtest_memread(rig->vtd->qts, from, data, sizeof(data));
    qtest_memwrite(rig->vtd->qts, to, data, sizeof(data));
}

/* Way 0 to 3: by context entry, or an IOTLB invalidation of that scope */
static void lead_to(Rig *rig, VTDDomain *doms, unsigned way, uint64_t page)
{
    VTD *vtd = rig->vtd;
    unsigned now = rig->dom.did == doms[1].did;

    if (way) {
        vtd_map(vtd, &rig->dom, RING_IOVA, page, 1, VTD_PTE_RW);
        vtd_inv_iotlb(vtd, VTD_QUEUED, way, rig->dom.did,
                      way == VTD_PAGE ? RING_IOVA : 0, 0);
        return;
    }
    vtd_map(vtd, &doms[!now], RING_IOVA, page, 1, VTD_PTE_RW);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, doms[!now].did, 0, 0);
    vtd_attach(vtd, rig->sid, &doms[!now], VTD_TT_UNTRANSLATED);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, rig->dom.did, rig->sid);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, rig->dom.did, 0, 0);
    rig->dom = doms[!now];
}

static Rig *start(const void *opaque, VTDDomain *doms)
{
    Rig *rig = rig_new(opaque);

    doms[0] = rig->dom;
    vtd_domain_init(rig->vtd, &doms[1], OTHER_DID, rig->dom.levels);
    vtd_map(rig->vtd, &doms[1], rig->data_iova, rig->page, 1, VTD_PTE_RW);
    return rig;
}

static void test_moved(const void *opaque)
{
    VTDDomain doms[2];
    Rig *rig = start(opaque, doms);
    uint64_t pages[2] = { rig->ring, vtd_alloc(rig->vtd, 1) };
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        uint64_t from = pages[i % 2], to = pages[!(i % 2)];

        request(rig);
        copy(rig, to, from);
        lead_to(rig, doms, i % 4, to);
        mark(rig, from);
        rig->blk->gpa = to;
        rig->blk->used_gpa += to - from;
        request(rig);
        request(rig);
        g_assert_true(is_marked(rig, from));
    }
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

/* Under a request, which may be not yet seen, in flight or over */
static void test_taken(const void *opaque)
{
    int way;

    for (way = VTD_GLOBAL; way <= VTD_PAGE; way++) {
        VTDDomain doms[2];
        Rig *rig = start(opaque, doms);

        request(rig);
        vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
        vtd_unmap(rig->vtd, &rig->dom, RING_IOVA, 1);
        vtd_inv_iotlb(rig->vtd, VTD_QUEUED, way, rig->dom.did,
                      way == VTD_PAGE ? RING_IOVA : 0, 0);
        mark(rig, rig->ring);
        viommu_turns(rig->vtd);
        qpci_io_writew(rig->blk->pci->pdev, rig->blk->pci->bar,
                       rig->blk->notify, 0);
        viommu_turns(rig->vtd);
        viommu_turns(rig->vtd);
        g_assert_true(is_marked(rig, rig->ring));
        rig_free(rig);
    }
}

/* The device may not master the bus any more; the unit is not told. */
static void test_bus_master(const void *opaque)
{
    VTDDomain doms[2];
    Rig *rig = start(opaque, doms);
    QPCIDevice *pci = rig->blk->pci->pdev;
    uint16_t command = qpci_config_readw(pci, PCI_COMMAND);

    request(rig);
    qpci_config_writew(pci, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
    mark(rig, rig->ring);
    qpci_io_writew(pci, rig->blk->pci->bar, rig->blk->notify, 0);
    viommu_turns(rig->vtd);
    viommu_turns(rig->vtd);
    g_assert_true(is_marked(rig, rig->ring));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const RigOptions variants[] = {
        { .form = VTD_QUEUED, .fast = true },
        { .form = VTD_QUEUED, .fast = true, .iothread = true },
        { .form = VTD_QUEUED, .fast = true, .unit = "dma-cache-size=0" },
        { .form = VTD_QUEUED, .fast = true, .unit = "dma-cache-size=0",
          .iothread = true },
    };
    static const char *const names[] = {
        "main-loop/on", "iothread/on", "main-loop/off", "iothread/off",
    };
    static const struct {
        const char *name;
        void (*fn)(const void *opaque);
    } tests[] = {
        { "moved", test_moved },
        { "taken", test_taken },
        { "bus-master", test_bus_master },
    };
    size_t i, j;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        for (j = 0; j < G_N_ELEMENTS(variants); j++) {
            g_autofree char *path = g_strdup_printf("viommu/cache/ring/%s/%s",
                                                    tests[i].name, names[j]);

            qtest_add_data_func(path, &variants[j], tests[i].fn);
        }
    }
    return g_test_run();
}
