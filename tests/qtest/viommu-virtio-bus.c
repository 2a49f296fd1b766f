/*
 * How the driver of a virtio-iommu reaches it: PCI, and registers in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIRTIO 1.3, 4.1 and 4.2.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_pci.h"
#include "viommu-virtio.h"

/* PCI */

#define COMMON(field) \
    (vio->pci->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

static void pci_find(VIO *vio)
{
    QPCIAddress addr = { .devfn = VIO_DEVFN };

    vio->pci = virtio_pci_new(vio->bus, &addr);
    g_assert_nonnull(vio->pci);
    qvirtio_pci_device_enable(vio->pci);
}

static void pci_forget(VIO *vio)
{
    g_free(vio->pci->pdev);
    g_free(vio->pci);
    vio->pci = NULL;
}

static uint64_t pci_features(VIO *vio)
{
    return vio->pci->vdev.bus->get_features(&vio->pci->vdev);
}

static void pci_set_features(VIO *vio, uint64_t features)
{
    vio->pci->vdev.bus->set_features(&vio->pci->vdev, features);
}

static uint8_t pci_status(VIO *vio)
{
    return vio->pci->vdev.bus->get_status(&vio->pci->vdev);
}

static void pci_set_status(VIO *vio, uint8_t status)
{
    vio->pci->vdev.bus->set_status(&vio->pci->vdev, status);
}

static void pci_write_address(VIO *vio, uint64_t reg, uint64_t gpa)
{
    qpci_io_writel(vio->pci->pdev, vio->pci->bar, reg, gpa);
    qpci_io_writel(vio->pci->pdev, vio->pci->bar, reg + 4, gpa >> 32);
}

static void pci_start_queue(VIO *vio, VIOQueue *q, unsigned index)
{
    QPCIDevice *dev = vio->pci->pdev;
    QPCIBar bar = vio->pci->bar;

    qpci_io_writew(dev, bar, COMMON(queue_select), index);
    qpci_io_writew(dev, bar, COMMON(queue_size), VIO_RING_SIZE);
    pci_write_address(vio, COMMON(queue_desc_lo), q->gpa);
    pci_write_address(vio, COMMON(queue_avail_lo), q->gpa + VIO_AVAIL_OFF);
    pci_write_address(vio, COMMON(queue_used_lo), q->gpa + VIO_USED_OFF);
    q->notify = vio->pci->notify_cfg_offset +
                qpci_io_readw(dev, bar, COMMON(queue_notify_off)) *
                vio->pci->notify_off_multiplier;
    qpci_io_writew(dev, bar, COMMON(queue_enable), 1);
}

static void pci_kick(VIO *vio, const VIOQueue *q, unsigned index)
{
    qpci_io_writew(vio->pci->pdev, vio->pci->bar, q->notify, index);
}

static uint8_t pci_config(VIO *vio, unsigned at)
{
    return qpci_io_readb(vio->pci->pdev, vio->pci->bar,
                         vio->pci->device_cfg_offset + at);
}

static void pci_set_config(VIO *vio, unsigned at, uint8_t value)
{
    qpci_io_writeb(vio->pci->pdev, vio->pci->bar,
                   vio->pci->device_cfg_offset + at, value);
}

const VIOTransport vio_pci_transport = {
    .device = "virtio-iommu-pci,addr=1e.0,disable-legacy=on",
    .more = "",
    .find = pci_find,
    .forget = pci_forget,
    .features = pci_features,
    .set_features = pci_set_features,
    .status = pci_status,
    .set_status = pci_set_status,
    .start_queue = pci_start_queue,
    .kick = pci_kick,
    .config = pci_config,
    .set_config = pci_set_config,
};

/* Registers in memory (4.2.2): the first slot of virt */

#define MMIO_BASE               0x0a000000ULL
#define MMIO_MAGIC              0x000
#define MMIO_VERSION            0x004
#define MMIO_DEVICE_ID          0x008
#define MMIO_DEVICE_FEATURES    0x010
#define MMIO_DEVICE_SEL         0x014
#define MMIO_DRIVER_FEATURES    0x020
#define MMIO_DRIVER_SEL         0x024
#define MMIO_QUEUE_SEL          0x030
#define MMIO_QUEUE_NUM          0x038
#define MMIO_QUEUE_READY        0x044
#define MMIO_QUEUE_NOTIFY       0x050
#define MMIO_STATUS             0x070
#define MMIO_QUEUE_DESC         0x080
#define MMIO_QUEUE_DRIVER       0x090
#define MMIO_QUEUE_DEVICE       0x0a0
#define MMIO_CONFIG             0x100

#define ID_IOMMU                23

static uint32_t mmio_read(VIO *vio, unsigned reg)
{
    return qtest_readl(vio->qts, MMIO_BASE + reg);
}

static void mmio_write(VIO *vio, unsigned reg, uint32_t value)
{
    qtest_writel(vio->qts, MMIO_BASE + reg, value);
}

static void mmio_find(VIO *vio)
{
    g_assert_cmphex(mmio_read(vio, MMIO_MAGIC), ==, 0x74726976);
    g_assert_cmpuint(mmio_read(vio, MMIO_VERSION), ==, 2);
    g_assert_cmpuint(mmio_read(vio, MMIO_DEVICE_ID), ==, ID_IOMMU);
}

static void mmio_forget(VIO *vio)
{
}

static uint64_t mmio_features(VIO *vio)
{
    uint64_t low;

    mmio_write(vio, MMIO_DEVICE_SEL, 0);
    low = mmio_read(vio, MMIO_DEVICE_FEATURES);
    mmio_write(vio, MMIO_DEVICE_SEL, 1);
    return (uint64_t)mmio_read(vio, MMIO_DEVICE_FEATURES) << 32 | low;
}

static void mmio_set_features(VIO *vio, uint64_t features)
{
    mmio_write(vio, MMIO_DRIVER_SEL, 0);
    mmio_write(vio, MMIO_DRIVER_FEATURES, features);
    mmio_write(vio, MMIO_DRIVER_SEL, 1);
    mmio_write(vio, MMIO_DRIVER_FEATURES, features >> 32);
}

static uint8_t mmio_status(VIO *vio)
{
    return mmio_read(vio, MMIO_STATUS);
}

static void mmio_set_status(VIO *vio, uint8_t status)
{
    mmio_write(vio, MMIO_STATUS, status);
}

static void mmio_write_address(VIO *vio, unsigned reg, uint64_t gpa)
{
    mmio_write(vio, reg, gpa);
    mmio_write(vio, reg + 4, gpa >> 32);
}

static void mmio_start_queue(VIO *vio, VIOQueue *q, unsigned index)
{
    mmio_write(vio, MMIO_QUEUE_SEL, index);
    mmio_write(vio, MMIO_QUEUE_NUM, VIO_RING_SIZE);
    mmio_write_address(vio, MMIO_QUEUE_DESC, q->gpa);
    mmio_write_address(vio, MMIO_QUEUE_DRIVER, q->gpa + VIO_AVAIL_OFF);
    mmio_write_address(vio, MMIO_QUEUE_DEVICE, q->gpa + VIO_USED_OFF);
    mmio_write(vio, MMIO_QUEUE_READY, 1);
}

static void mmio_kick(VIO *vio, const VIOQueue *q, unsigned index)
{
    mmio_write(vio, MMIO_QUEUE_NOTIFY, index);
}

static uint8_t mmio_config(VIO *vio, unsigned at)
{
    return qtest_readb(vio->qts, MMIO_BASE + MMIO_CONFIG + at);
}

static void mmio_set_config(VIO *vio, unsigned at, uint8_t value)
{
    qtest_writeb(vio->qts, MMIO_BASE + MMIO_CONFIG + at, value);
}

/*
 * Where PCI's unit is, and has its requester ID, is something else.  It comes
 * last: "pcie.0" is the name of one object as long as nothing is plugged in.
 */
const VIOTransport vio_mmio_transport = {
    .device = "virtio-iommu-device,bus=virtio-mmio-bus.0,primary-bus=pcie.0",
    .more = " -device pcie-root-port,chassis=30,addr=1e.0",
    .find = mmio_find,
    .forget = mmio_forget,
    .features = mmio_features,
    .set_features = mmio_set_features,
    .status = mmio_status,
    .set_status = mmio_set_status,
    .start_queue = mmio_start_queue,
    .kick = mmio_kick,
    .config = mmio_config,
    .set_config = mmio_set_config,
};
