/*
 * PCI Express: address translation services for device models
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of a device is kept beside it: most have none of this.
 * Everything here runs under the BQL, but pci_ats_request_translation().
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/range.h"
#include "system/dma-held.h"
#include "system/system.h"
#include "pci-ats-internal.h"

static GHashTable *ats_devices;  /* PCIDevice -> PCIATSDevice */

static void ats_invalidate(VIOMMUATSListener *l, uint32_t pasid, bool all,
                           hwaddr first, hwaddr last)
{
    PCIATSDevice *d = container_of(l, PCIATSDevice, listener);
    PCIATC *atc;

    QLIST_FOREACH(atc, &d->atcs, next) {
        pci_atc_invalidate(atc, pasid, all, first, last);
    }
}

static void ats_response(VIOMMUATSListener *l, uint32_t pasid, uint16_t prgi,
                         VIOMMUPageCode code)
{
    pcie_pri_response(container_of(l, PCIATSDevice, listener), pasid, prgi,
                      code);
}

/* The machine is complete: which vIOMMU there is does not change any more. */
static void ats_device_ready(Notifier *notifier, void *unused)
{
    PCIATSDevice *d = container_of(notifier, PCIATSDevice, ready);

    d->listening = viommu_ats_listen(pci_device_iommu_address_space(d->dev),
                                     &d->listener);
}

static void ats_device_free(void *opaque)
{
    PCIATSDevice *d = opaque;

    assert(QLIST_EMPTY(&d->atcs));
    qemu_remove_machine_init_done_notifier(&d->ready);
    if (d->listening) {
        viommu_ats_unlisten(&d->listener);
    }
    g_hash_table_destroy(d->pri_notifiers);
    g_free(d);
}

PCIATSDevice *pci_ats_device_find(PCIDevice *dev)
{
    return ats_devices ? g_hash_table_lookup(ats_devices, dev) : NULL;
}

PCIATSDevice *pci_ats_device(PCIDevice *dev)
{
    PCIATSDevice *d = pci_ats_device_find(dev);

    if (d) {
        return d;
    }
    if (!ats_devices) {
        ats_devices = g_hash_table_new_full(NULL, NULL, NULL, ats_device_free);
    }
    d = g_new0(PCIATSDevice, 1);
    d->dev = dev;
    d->listener.invalidate = ats_invalidate;
    d->listener.response = ats_response;
    d->pri_notifiers = g_hash_table_new(NULL, NULL);
    d->ready.notify = ats_device_ready;
    QLIST_INIT(&d->atcs);
    g_hash_table_insert(ats_devices, dev, d);
    qemu_add_machine_init_done_notifier(&d->ready);
    return d;
}

void pci_ats_write_config(PCIDevice *dev, uint32_t addr, int len)
{
    PCIATSDevice *d = pci_ats_device_find(dev);
    DMA_HELD("configuration");

    if (!d) {
        return;
    }
    if (dev->exp.ats_cap && !pcie_ats_enabled(dev) &&
        ranges_overlap(addr, len, dev->exp.ats_cap + PCI_ATS_CTRL, 2)) {
        /* Nothing is kept while it is disabled (10.5.1.3). */
        ats_invalidate(&d->listener, PCI_NO_PASID, true, 0, HWADDR_MAX);
        viommu_ats_dropped(pci_device_iommu_address_space(dev));
    }
    pcie_pri_write_config(d, addr, len);
}

void pci_ats_reset(PCIDevice *dev)
{
    PCIATSDevice *d = pci_ats_device_find(dev);
    PCIATC *atc;

    if (!d) {
        return;
    }
    pcie_pasid_reset(dev);
    pcie_pri_reset(d);
    QLIST_FOREACH(atc, &d->atcs, next) {
        pci_atc_reset(atc);
    }
    viommu_ats_dropped(pci_device_iommu_address_space(dev));
}

void pci_ats_exit(PCIDevice *dev)
{
    if (ats_devices) {
        g_hash_table_remove(ats_devices, dev);
    }
}

ssize_t pci_ats_request_translation(PCIDevice *dev, uint32_t pasid,
                                    bool priv_req, bool exec_req,
                                    hwaddr addr, size_t length,
                                    bool no_write, IOMMUTLBEntry *result,
                                    size_t result_length,
                                    uint32_t *err_count)
{
    int ret = pci_ats_may_request(dev, pasid);
    uint32_t attrs = 0;

    *err_count = 0;
    if (ret) {
        return ret;
    }
    if (!pcie_ats_enabled(dev) ||
        (exec_req && !pcie_pasid_exec_enabled(dev)) ||
        (priv_req && !pcie_pasid_priv_enabled(dev))) {
        return -EPERM;
    }
    if (!result_length) {
        return -ENOSPC;
    }
    if (!length) {
        return 0;
    }
    if (pasid != PCI_NO_PASID) {
        attrs = pasid | DMA_ATTRS_PASID | (exec_req ? DMA_ATTRS_EXEC : 0) |
                (priv_req ? DMA_ATTRS_PRIV : 0);
    }
    return viommu_ats_translate(pci_device_iommu_address_space(dev), attrs,
                                addr, length, no_write, result, result_length,
                                err_count);
}

int pci_iommu_init_iotlb_notifier(PCIDevice *dev, IOMMUNotifier *n,
                                  IOMMUNotify fn, void *opaque)
{
    if (!pci_device_iommu_address_space(dev)->inflight) {
        return -ENODEV;
    }
    iommu_notifier_init(n, fn, IOMMU_NOTIFIER_DEVIOTLB_EVENTS, 0, HWADDR_MAX,
                        0);
    return 0;
}

int pci_iommu_register_iotlb_notifier(PCIDevice *dev, uint32_t pasid,
                                      IOMMUNotifier *n)
{
    int ret = pci_ats_may_request(dev, pasid);

    if (ret) {
        return ret;
    }
    n->iommu_idx = pasid == PCI_NO_PASID ? 0 : DMA_ATTRS_PASID | pasid;
    return viommu_ats_register_notifier(pci_device_iommu_address_space(dev), n);
}

int pci_iommu_unregister_iotlb_notifier(PCIDevice *dev, uint32_t pasid,
                                        IOMMUNotifier *n)
{
    return viommu_ats_unregister_notifier(pci_device_iommu_address_space(dev),
                                          n);
}
