/*
 * A virtio device whose rings the test itself has mapped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-vring.h"

#define MEM_SIZE (2ULL << 30)

VMem *vmem_new(uint64_t base)
{
    VMem *mem = g_new0(VMem, 1);
    int fd = g_file_open_tmp("viommu-ram-XXXXXX", &mem->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, MEM_SIZE), ==, 0);
    mem->host = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                     0);
    g_assert_true(mem->host != MAP_FAILED);
    close(fd);
    mem->base = base;
    return mem;
}

uint8_t *vmem_at(const VMem *mem, uint64_t gpa)
{
    g_assert_cmphex(gpa - mem->base, <, MEM_SIZE);
    return mem->host + (gpa - mem->base);
}

char *vmem_args(const VMem *mem)
{
    return g_strdup_printf("-object memory-backend-file,id=ram,size=2G,"
                           "share=on,mem-path=%s -machine memory-backend=ram",
                           mem->path);
}

void vmem_free(VMem *mem)
{
    munmap(mem->host, MEM_SIZE);
    unlink(mem->path);
    g_free(mem->path);
    g_free(mem);
}

#define COMMON(field) \
    (pci->common_cfg_offset + offsetof(struct virtio_pci_common_cfg, field))

QVirtioPCIDevice *vring_device(Unit *unit, uint16_t sid, uint64_t features)
{
    QPCIAddress addr = { .devfn = sid };
    QVirtioPCIDevice *pci = virtio_pci_new(unit->bus, &addr);
    QVirtioDevice *vdev;

    g_assert_nonnull(pci);
    qvirtio_pci_device_enable(pci);
    vdev = &pci->vdev;
    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    features |= 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM;
    g_assert_cmphex(qvirtio_get_features(vdev) & features, ==, features);
    qvirtio_set_features(vdev, features);
    return pci;
}

void vring_device_free(QVirtioPCIDevice *pci)
{
    g_free(pci->pdev);
    g_free(pci);
}

static void set_address(QVirtioPCIDevice *pci, uint64_t reg, uint64_t iova)
{
    qpci_io_writel(pci->pdev, pci->bar, reg, iova);
    qpci_io_writel(pci->pdev, pci->bar, reg + 4, iova >> 32);
}

void vring_setup(VRing *ring, QVirtioPCIDevice *pci, unsigned index,
                uint8_t *page, uint64_t iova)
{
    QPCIDevice *dev = pci->pdev;
    QPCIBar bar = pci->bar;

    memset(ring, 0, sizeof(*ring));
    memset(page, 0, UNIT_PAGE);
    ring->pci = pci;
    ring->index = index;
    ring->page = page;
    qpci_io_writew(dev, bar, COMMON(queue_select), index);
    qpci_io_writew(dev, bar, COMMON(queue_size), VRING_SLOTS);
    set_address(pci, COMMON(queue_desc_lo), iova + VRING_DESC_OFF);
    set_address(pci, COMMON(queue_avail_lo), iova + VRING_AVAIL_OFF);
    set_address(pci, COMMON(queue_used_lo), iova + VRING_USED_OFF);
    ring->notify = pci->notify_cfg_offset +
                   qpci_io_readw(dev, bar, COMMON(queue_notify_off)) *
                   pci->notify_off_multiplier;
    qpci_io_writew(dev, bar, COMMON(queue_enable), 1);
}

void vring_put(VRing *ring, uint64_t iova, uint32_t len, bool write)
{
    struct vring_desc *desc = (void *)(ring->page + VRING_DESC_OFF);
    struct vring_avail *avail = (void *)(ring->page + VRING_AVAIL_OFF);
    unsigned slot = ring->put % VRING_SLOTS;

    g_assert_cmpuint(vring_room(ring), >, 0);
    desc[slot].addr = iova;
    desc[slot].len = len;
    desc[slot].flags = write ? VRING_DESC_F_WRITE : 0;
    avail->ring[slot] = slot;
    qatomic_store_release(&avail->idx, ++ring->put);
}

unsigned vring_room(const VRing *ring)
{
    return VRING_SLOTS - (uint16_t)(ring->put - ring->seen);
}

void vring_kick(VRing *ring)
{
    /* The device must not see the kick before the buffer. */
    smp_mb();
    qpci_io_writew(ring->pci->pdev, ring->pci->bar, ring->notify,
                   ring->index);
}

bool vring_pending(const VRing *ring)
{
    struct vring_avail *avail = (void *)(ring->page + VRING_AVAIL_OFF);
    struct vring_used *used = (void *)(ring->page + VRING_USED_OFF);

    return qatomic_read(&avail->idx) != qatomic_read(&used->idx);
}

bool vring_take(VRing *ring, uint32_t *len)
{
    struct vring_used *used = (void *)(ring->page + VRING_USED_OFF);
    unsigned slot = ring->seen % VRING_SLOTS;

    if (qatomic_load_acquire(&used->idx) == ring->seen) {
        return false;
    }
    g_assert_cmpuint(used->ring[slot].id, ==, slot);
    *len = used->ring[slot].len;
    ring->seen++;
    return true;
}
