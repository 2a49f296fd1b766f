/*
 * Network devices behind a vIOMMU that take frames or send them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/net/e1000_regs.h"
#include "libqos/virtio-pci.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_net.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-nic.h"
#include "viommu-vring.h"

/* Descriptors of a slot, of which a frame may use fewer */
#define RING_LEN    32
QEMU_BUILD_BUG_ON(NIC_SLOTS * NIC_PIECES > RING_LEN);

unsigned nic_room(const Nic *nic)
{
    return NIC_SLOTS - (nic->put - nic->taken);
}

void nic_adopt(Nic *nic, Unit *unit)
{
    nic->unit = unit;
    nic->pci->bus = unit->bus;
}

static unsigned put_slot(const Nic *nic)
{
    g_assert_cmpuint(nic_room(nic), >, 0);
    return nic->put % NIC_SLOTS;
}

/*
 * 82574 (e1000e), with legacy descriptors: 7.1.4 and 7.2.10 of its datasheet.
 * The ring has no gaps, so a slot is where its first descriptor was.
 */

typedef struct E1000E {
    Nic nic;
    unsigned tail;
    unsigned last[NIC_SLOTS];        /* the descriptor that says "done" */
} E1000E;

static void e1000e_write(Nic *nic, unsigned reg, uint32_t value)
{
    qpci_io_writel(nic->pci, nic->bar, reg, value);
}

static void e1000e_ring(Nic *nic, unsigned low, unsigned high, unsigned len,
                        unsigned head, unsigned tail)
{
    e1000e_write(nic, low, nic->iova);
    e1000e_write(nic, high, nic->iova >> 32);
    e1000e_write(nic, len, RING_LEN * sizeof(struct e1000_tx_desc));
    e1000e_write(nic, head, 0);
    e1000e_write(nic, tail, 0);
}

static Nic *e1000e_open(Unit *unit, const char *id, uint16_t sid, uint64_t gpa,
                        uint64_t iova, bool sends)
{
    E1000E *e = g_new0(E1000E, 1);
    Nic *nic = &e->nic;

    *nic = (Nic) { .unit = unit, .gpa = gpa, .iova = iova, .sends = sends };
    viommu_fill(unit, gpa, 0, UNIT_PAGE);
    nic->pci = qpci_device_find(unit->bus, sid);
    g_assert_nonnull(nic->pci);
    qpci_device_enable(nic->pci);
    nic->bar = qpci_iomap(nic->pci, 0, NULL);
    e1000e_write(nic, E1000_CTRL, E1000_CTRL_RST | E1000_CTRL_SLU);
    if (sends) {
        e1000e_ring(nic, E1000_TDBAL, E1000_TDBAH, E1000_TDLEN, E1000_TDH,
                    E1000_TDT);
        e1000e_write(nic, E1000_TCTL, E1000_TCTL_EN);
    } else {
        e1000e_ring(nic, E1000_RDBAL, E1000_RDBAH, E1000_RDLEN, E1000_RDH,
                    E1000_RDT);
        /* Whatever comes, without its checksum, to buffers of NIC_RX_LEN */
        e1000e_write(nic, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE |
                     E1000_RCTL_MPE | E1000_RCTL_SECRC | E1000_RCTL_SZ_2048);
    }
    return nic;
}

static void e1000e_close(Nic *nic)
{
    g_free(nic->pci);
    g_free(container_of(nic, E1000E, nic));
}

static void e1000e_put(Nic *nic, const NicPiece *pieces, unsigned n)
{
    E1000E *e = container_of(nic, E1000E, nic);
    unsigned slot = put_slot(nic), i;

    for (i = 0; i < n; i++) {
        struct e1000_tx_desc desc = {
            .buffer_addr = cpu_to_le64(pieces[i].iova),
        };

        if (nic->sends) {
            desc.lower.data = cpu_to_le32(pieces[i].len | E1000_TXD_CMD_IFCS |
                E1000_TXD_CMD_RS | (i + 1 == n ? E1000_TXD_CMD_EOP : 0));
        }
        qtest_memwrite(nic->unit->qts, nic->gpa + e->tail * sizeof(desc),
                       &desc, sizeof(desc));
        e->last[slot] = e->tail;
        e->tail = (e->tail + 1) % RING_LEN;
    }
    nic->put++;
    e1000e_write(nic, nic->sends ? E1000_TDT : E1000_RDT, e->tail);
}

/* Both kinds of descriptor have their status in the same byte. */
static bool e1000e_take(Nic *nic)
{
    E1000E *e = container_of(nic, E1000E, nic);
    uint64_t desc = nic->gpa + e->last[nic->taken % NIC_SLOTS] *
                    sizeof(struct e1000_rx_desc);

    QEMU_BUILD_BUG_ON(offsetof(struct e1000_rx_desc, status) !=
                      offsetof(struct e1000_tx_desc, upper));
    if (nic->put == nic->taken ||
        !(qtest_readb(nic->unit->qts, desc + offsetof(struct e1000_rx_desc,
                                                      status)) &
          E1000_RXD_STAT_DD)) {
        return false;
    }
    nic->taken++;
    return true;
}

/* Its model is done with a frame when the register write is. */
static unsigned e1000e_held(Nic *nic)
{
    return 0;
}

static bool e1000e_broken(Nic *nic)
{
    return false;
}

const NicOps nic_e1000e = {
    .device = "e1000e,romfile=",
    .open = e1000e_open,
    .close = e1000e_close,
    .put = e1000e_put,
    .take = e1000e_take,
    .held = e1000e_held,
    .broken = e1000e_broken,
};

/*
 * virtio-net (VIRTIO 1.3, 5.1), without any feature but those of the transport.
 * A slot has descriptors of its own.
 */

#define RX_QUEUE    0
#define TX_QUEUE    1

typedef struct VNet {
    Nic nic;
    QVirtioPCIDevice *pci;
    uint64_t notify;
    char *backend;           /* QOM path of the virtio device */
} VNet;

#define COMMON(field) \
    (v->pci->common_cfg_offset + offsetof(struct virtio_pci_common_cfg, field))

static void vnet_address(VNet *v, uint64_t reg, uint64_t iova)
{
    qpci_io_writel(v->nic.pci, v->nic.bar, reg, iova);
    qpci_io_writel(v->nic.pci, v->nic.bar, reg + 4, iova >> 32);
}

static unsigned queue_index(const Nic *nic)
{
    return nic->sends ? TX_QUEUE : RX_QUEUE;
}

static void vnet_queue(VNet *v)
{
    QPCIDevice *pci = v->nic.pci;
    QPCIBar bar = v->nic.bar;
    uint64_t iova = v->nic.iova;

    qpci_io_writew(pci, bar, COMMON(queue_select), queue_index(&v->nic));
    qpci_io_writew(pci, bar, COMMON(queue_size), RING_LEN);
    vnet_address(v, COMMON(queue_desc_lo), iova + VRING_DESC_OFF);
    vnet_address(v, COMMON(queue_avail_lo), iova + VRING_AVAIL_OFF);
    vnet_address(v, COMMON(queue_used_lo), iova + VRING_USED_OFF);
    v->notify = v->pci->notify_cfg_offset +
                qpci_io_readw(pci, bar, COMMON(queue_notify_off)) *
                v->pci->notify_off_multiplier;
    qpci_io_writew(pci, bar, COMMON(queue_enable), 1);
}

static Nic *vnet_open(Unit *unit, const char *id, uint16_t sid, uint64_t gpa,
                      uint64_t iova, bool sends)
{
    VNet *v = g_new0(VNet, 1);

    v->nic = (Nic) { .unit = unit, .gpa = gpa, .iova = iova, .sends = sends };
    v->backend = g_strdup_printf("/machine/peripheral/%s/virtio-backend", id);
    v->pci = vring_device(unit, sid, 0);
    v->nic.pci = v->pci->pdev;
    v->nic.bar = v->pci->bar;
    viommu_fill(unit, gpa, 0, UNIT_PAGE);
    vnet_queue(v);
    qvirtio_set_driver_ok(&v->pci->vdev);
    return &v->nic;
}

static void vnet_close(Nic *nic)
{
    VNet *v = container_of(nic, VNet, nic);

    vring_device_free(v->pci);
    g_free(v->backend);
    g_free(v);
}

static void vnet_put(Nic *nic, const NicPiece *pieces, unsigned n)
{
    VNet *v = container_of(nic, VNet, nic);
    QTestState *qts = nic->unit->qts;
    unsigned slot = put_slot(nic), head = slot * NIC_PIECES, i;
    uint64_t avail = nic->gpa + VRING_AVAIL_OFF;

    for (i = 0; i < n; i++) {
        struct vring_desc desc = {
            .addr = cpu_to_le64(pieces[i].iova),
            .len = cpu_to_le32(pieces[i].len),
            .flags = cpu_to_le16((i + 1 < n ? VRING_DESC_F_NEXT : 0) |
                                 (nic->sends ? 0 : VRING_DESC_F_WRITE)),
            .next = cpu_to_le16(head + i + 1),
        };

        qtest_memwrite(qts, nic->gpa + VRING_DESC_OFF +
                       (head + i) * sizeof(desc), &desc, sizeof(desc));
    }
    qtest_writew(qts, avail + 4 + nic->put % RING_LEN * 2, head);
    nic->put++;
    qtest_writew(qts, avail + 2, nic->put);
    qpci_io_writew(nic->pci, nic->bar, v->notify, queue_index(nic));
}

static bool vnet_take(Nic *nic)
{
    uint64_t used = nic->gpa + VRING_USED_OFF;
    unsigned slot = nic->taken % NIC_SLOTS;

    if (qtest_readw(nic->unit->qts, used + 2) == (uint16_t)nic->taken) {
        return false;
    }
    g_assert_cmpuint(qtest_readl(nic->unit->qts,
                                 used + 4 + nic->taken % RING_LEN * 8), ==,
                     slot * NIC_PIECES);
    nic->taken++;
    return true;
}

static unsigned vnet_held(Nic *nic)
{
    VNet *v = container_of(nic, VNet, nic);
    QDict *answer = qtest_qmp(nic->unit->qts,
                              "{'execute': 'x-query-virtio-queue-status',"
                              " 'arguments': {'path': %s, 'queue': %d}}",
                              v->backend, queue_index(nic));
    unsigned n = qdict_get_int(qdict_get_qdict(answer, "return"), "inuse");

    qobject_unref(answer);
    return n;
}

static bool vnet_broken(Nic *nic)
{
    QVirtioDevice *vdev = &container_of(nic, VNet, nic)->pci->vdev;

    return vdev->bus->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

const NicOps nic_virtio = {
    .device = "virtio-net-pci,romfile=,iommu_platform=on,disable-legacy=on",
    .header_len = sizeof(struct virtio_net_hdr_mrg_rxbuf),
    .open = vnet_open,
    .close = vnet_close,
    .put = vnet_put,
    .take = vnet_take,
    .held = vnet_held,
    .broken = vnet_broken,
};
