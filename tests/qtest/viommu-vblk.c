/*
 * virtio-blk-pci as a source of DMA that can be held in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_blk.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-vblk.h"

/* The ring page */
#define RING_SIZE   16
#define DESC_OFF    0x000
#define AVAIL_OFF   0x200
#define USED_OFF    0x400
#define HEADER_OFF  0x800
#define RESULT_OFF  0xc00
/* A request is a header, its data and a result byte, always in that order. */
#define REQUEST_DESCS 3

#define COMMON(field) \
    (blk->pci->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

static void ring_address(VBlk *blk, uint64_t reg, uint64_t iova)
{
    qpci_io_writel(blk->pci->pdev, blk->pci->bar, reg, iova);
    qpci_io_writel(blk->pci->pdev, blk->pci->bar, reg + 4, iova >> 32);
}

static void start_queue(VBlk *blk)
{
    QPCIDevice *dev = blk->pci->pdev;
    QPCIBar bar = blk->pci->bar;

    qpci_io_writew(dev, bar, COMMON(queue_select), 0);
    qpci_io_writew(dev, bar, COMMON(queue_size), RING_SIZE);
    ring_address(blk, COMMON(queue_desc_lo), blk->iova + DESC_OFF);
    ring_address(blk, COMMON(queue_avail_lo), blk->iova + AVAIL_OFF);
    ring_address(blk, COMMON(queue_used_lo), blk->used_iova);
    blk->notify = blk->pci->notify_cfg_offset +
                  qpci_io_readw(dev, bar, COMMON(queue_notify_off)) *
                  blk->pci->notify_off_multiplier;
    qpci_io_writew(dev, bar, COMMON(queue_enable), 1);
}

VBlk *vblk_new(Unit *unit, int devfn, const char *id, uint64_t gpa,
               uint64_t iova)
{
    return vblk_new_used(unit, devfn, id, gpa, iova, gpa + USED_OFF,
                         iova + USED_OFF);
}

VBlk *vblk_new_used(Unit *unit, int devfn, const char *id, uint64_t gpa,
                    uint64_t iova, uint64_t used_gpa, uint64_t used_iova)
{
    QPCIAddress addr = { .devfn = devfn };
    VBlk *blk = g_new0(VBlk, 1);

    blk->unit = unit;
    blk->gpa = gpa;
    blk->iova = iova;
    blk->used_gpa = used_gpa;
    blk->used_iova = used_iova;
    blk->backend = g_strdup_printf("/machine/peripheral/%s/virtio-backend",
                                   id);
    blk->pci = virtio_pci_new(unit->bus, &addr);
    g_assert_nonnull(blk->pci);
    qvirtio_pci_device_enable(blk->pci);
    vblk_reset(blk);
    vblk_start(blk);
    return blk;
}

void vblk_reset(VBlk *blk)
{
    qvirtio_reset(&blk->pci->vdev);
    viommu_until(blk->unit, vblk_device_status(blk) == 0);
}

void vblk_start(VBlk *blk)
{
    QVirtioDevice *vdev = &blk->pci->vdev;

    blk->submitted = 0;
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    g_assert_true(qvirtio_get_features(vdev) &
                  (1ULL << VIRTIO_F_ACCESS_PLATFORM));
    qvirtio_set_features(vdev, 1ULL << VIRTIO_F_VERSION_1 |
                               1ULL << VIRTIO_F_ACCESS_PLATFORM);
    start_queue(blk);
    qvirtio_set_driver_ok(vdev);
}

void vblk_adopt(VBlk *blk, Unit *unit)
{
    blk->unit = unit;
    blk->pci->pdev->bus = unit->bus;
}

void vblk_free(VBlk *blk)
{
    g_free(blk->backend);
    g_free(blk->pci->pdev);
    g_free(blk->pci);
    g_free(blk);
}

static struct vring_desc descriptor(unsigned index, uint64_t iova,
                                    uint32_t len, uint16_t flags)
{
    return (struct vring_desc) {
        .addr = cpu_to_le64(iova),
        .len = cpu_to_le32(len),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(index + 1),
    };
}

static void put_desc(VBlk *blk, unsigned index, uint64_t iova, uint32_t len,
                     uint16_t flags)
{
    struct vring_desc desc = descriptor(index, iova, len, flags);

    qtest_memwrite(blk->unit->qts, blk->gpa + DESC_OFF + index * sizeof(desc),
                   &desc, sizeof(desc));
}

/* The descriptors of request 0, whose links fit, move to the table. */
static void make_indirect(VBlk *blk, unsigned head)
{
    uint8_t table[REQUEST_DESCS * sizeof(struct vring_desc)];
    size_t half = sizeof(table) / 2;

    g_assert_cmpuint(head, ==, 0);
    qtest_memread(blk->unit->qts, blk->gpa + DESC_OFF, table, sizeof(table));
    qtest_memwrite(blk->unit->qts, blk->table_gpa[0], table, half);
    qtest_memwrite(blk->unit->qts, blk->table_gpa[1], table + half, half);
    put_desc(blk, head, blk->table_iova, sizeof(table), VRING_DESC_F_INDIRECT);
}

/* The next request's header and result; returns the offset of the former. */
static uint64_t put_header(VBlk *blk, uint32_t type, uint64_t sector)
{
    QTestState *qts = blk->unit->qts;
    unsigned slot = blk->submitted % VBLK_SLOTS;
    uint64_t header = HEADER_OFF + slot * 16;

    qtest_writel(qts, blk->gpa + header, type);
    qtest_writel(qts, blk->gpa + header + 4, 0);
    qtest_writeq(qts, blk->gpa + header + 8, sector);
    qtest_writeb(qts, blk->gpa + RESULT_OFF + slot, 0xff);
    return header;
}

/* The next request is there, and begins with descriptor @head. */
static unsigned announce(VBlk *blk, unsigned head)
{
    QTestState *qts = blk->unit->qts;
    uint64_t avail = blk->gpa + AVAIL_OFF;
    unsigned request = blk->submitted++;

    qtest_writew(qts, avail + 4 + request % RING_SIZE * 2, head);
    qtest_writew(qts, avail + 2, blk->submitted);
    qpci_io_writew(blk->pci->pdev, blk->pci->bar, blk->notify, 0);
    return request;
}

static unsigned submit(VBlk *blk, uint32_t type, uint64_t sector,
                       uint64_t iova, uint32_t len)
{
    bool is_write = type == VIRTIO_BLK_T_OUT;
    unsigned slot = blk->submitted % VBLK_SLOTS;
    unsigned head = slot * REQUEST_DESCS;
    uint64_t header = put_header(blk, type, sector);

    put_desc(blk, head, blk->iova + header, 16, VRING_DESC_F_NEXT);
    put_desc(blk, head + 1, iova, len,
             VRING_DESC_F_NEXT | (is_write ? 0 : VRING_DESC_F_WRITE));
    put_desc(blk, head + 2, blk->iova + RESULT_OFF + slot, 1,
             VRING_DESC_F_WRITE);
    if (blk->table_iova) {
        make_indirect(blk, head);
    }
    return announce(blk, head);
}

unsigned vblk_submit_spread(VBlk *blk, uint64_t iova, unsigned n,
                            uint64_t table_iova, uint64_t table_gpa)
{
    unsigned slot = blk->submitted % VBLK_SLOTS, head = slot * REQUEST_DESCS;
    size_t size = (n + 2) * sizeof(struct vring_desc);
    g_autofree struct vring_desc *table = g_malloc(size);
    uint64_t header = put_header(blk, VIRTIO_BLK_T_IN, 0);
    unsigned i;

    table[0] = descriptor(0, blk->iova + header, 16, VRING_DESC_F_NEXT);
    for (i = 1; i <= n; i++) {
        table[i] = descriptor(i, iova + (i - 1) * UNIT_PAGE, VBLK_SECTOR,
                              VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
    }
    table[i] = descriptor(i, blk->iova + RESULT_OFF + slot, 1,
                          VRING_DESC_F_WRITE);
    qtest_memwrite(blk->unit->qts, table_gpa, table, size);
    put_desc(blk, head, table_iova, size, VRING_DESC_F_INDIRECT);
    return announce(blk, head);
}

unsigned vblk_submit(VBlk *blk, bool is_write, uint64_t sector, uint64_t iova,
                     uint32_t len)
{
    return submit(blk, is_write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector,
                  iova, len);
}

unsigned vblk_submit_id(VBlk *blk, uint64_t iova, uint32_t len)
{
    return submit(blk, VIRTIO_BLK_T_GET_ID, 0, iova, len);
}

unsigned vblk_completed(VBlk *blk)
{
    return qtest_readw(blk->unit->qts, blk->used_gpa + 2);
}

uint8_t vblk_result(VBlk *blk, unsigned request)
{
    return qtest_readb(blk->unit->qts,
                       blk->gpa + RESULT_OFF + request % VBLK_SLOTS);
}

unsigned vblk_in_flight(VBlk *blk)
{
    QDict *answer = qtest_qmp(blk->unit->qts,
                              "{'execute': 'x-query-virtio-queue-status',"
                              " 'arguments': {'path': %s, 'queue': 0}}",
                              blk->backend);
    unsigned n = qdict_get_int(qdict_get_qdict(answer, "return"), "inuse");

    qobject_unref(answer);
    return n;
}

uint8_t vblk_device_status(VBlk *blk)
{
    return blk->pci->vdev.bus->get_status(&blk->pci->vdev);
}
