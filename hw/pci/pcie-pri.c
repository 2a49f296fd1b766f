/*
 * PCI Express: page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * PCIe 10.4 and 10.5.2 (the registers).  Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "hw/pci/pcie.h"
#include "qemu/range.h"
#include "trace.h"
#include "pci-ats-internal.h"

#define PRI_CAP_VERSION 1

static uint8_t *pri_reg(const PCIDevice *dev, unsigned reg)
{
    return dev->config + dev->exp.pri_cap + reg;
}

void pcie_pri_init(PCIDevice *dev, uint16_t offset, uint32_t outstanding_pr_cap,
                   bool prg_response_pasid_req)
{
    uint16_t status = PCI_PRI_STATUS_STOPPED |
                      (prg_response_pasid_req ? PCI_PRI_STATUS_PASID : 0);

    pcie_add_capability(dev, PCI_EXT_CAP_ID_PRI, PRI_CAP_VERSION, offset,
                        PCI_EXT_CAP_PRI_SIZEOF);
    dev->exp.pri_cap = offset;
    pci_set_word(pri_reg(dev, PCI_PRI_STATUS), status);
    pci_set_long(pri_reg(dev, PCI_PRI_MAX_REQ), outstanding_pr_cap);
    pci_set_word(dev->wmask + offset + PCI_PRI_CTRL,
                 PCI_PRI_CTRL_ENABLE | PCI_PRI_CTRL_RESET);
    pci_set_word(dev->w1cmask + offset + PCI_PRI_STATUS,
                 PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI);
    pci_set_long(dev->wmask + offset + PCI_PRI_ALLOC_REQ, UINT32_MAX);
    /* What it is on the other side of a migration is of no matter. */
    pci_set_word(dev->cmask + offset + PCI_PRI_STATUS,
                 (uint16_t)~PCI_PRI_STATUS_STOPPED);
    pci_ats_device(dev);
}

bool pcie_pri_enabled(const PCIDevice *dev)
{
    return dev->exp.pri_cap &&
           (pci_get_word(pri_reg(dev, PCI_PRI_CTRL)) & PCI_PRI_CTRL_ENABLE);
}

uint32_t pcie_pri_get_req_alloc(const PCIDevice *dev)
{
    return pcie_pri_enabled(dev) ?
           pci_get_long(pri_reg(dev, PCI_PRI_ALLOC_REQ)) : 0;
}

/* Stopped: disabled, and nothing is outstanding any more. */
static void pri_update_stopped(PCIATSDevice *d)
{
    uint8_t *status = pri_reg(d->dev, PCI_PRI_STATUS);

    if (!pcie_pri_enabled(d->dev) && !d->prgs.outstanding) {
        pci_word_test_and_set_mask(status, PCI_PRI_STATUS_STOPPED);
    } else {
        pci_word_test_and_clear_mask(status, PCI_PRI_STATUS_STOPPED);
    }
}

void pcie_pri_write_config(PCIATSDevice *d, uint32_t addr, int len)
{
    PCIDevice *dev = d->dev;
    uint8_t *ctrl;

    if (!dev->exp.pri_cap ||
        !ranges_overlap(addr, len, dev->exp.pri_cap, PCI_EXT_CAP_PRI_SIZEOF)) {
        return;
    }
    ctrl = pri_reg(dev, PCI_PRI_CTRL);
    if (pci_word_test_and_clear_mask(ctrl, PCI_PRI_CTRL_RESET) &&
        !pcie_pri_enabled(dev)) {
        prg_reset(&d->prgs);
    }
    pri_update_stopped(d);
}

void pcie_pri_reset(PCIATSDevice *d)
{
    PCIDevice *dev = d->dev;

    prg_reset(&d->prgs);
    if (dev->exp.pri_cap) {
        pci_set_word(pri_reg(dev, PCI_PRI_CTRL), 0);
        pci_word_test_and_clear_mask(pri_reg(dev, PCI_PRI_STATUS),
                                     PCI_PRI_STATUS_RF |
                                     PCI_PRI_STATUS_UPRGI);
        pci_set_long(pri_reg(dev, PCI_PRI_ALLOC_REQ), 0);
        pri_update_stopped(d);
    }
}

/* Requests */

static int pri_may_request(const PCIDevice *dev, uint32_t pasid)
{
    int ret = pci_ats_may_request(dev, pasid);

    if (ret) {
        return ret;
    }
    return pcie_pri_enabled(dev) &&
           !(pci_get_word(pri_reg(dev, PCI_PRI_STATUS)) & PCI_PRI_STATUS_RF) ?
           0 : -EPERM;
}

/* Count @req.  A stop marker is in no group, and not answered. */
static int pri_request_count(PCIATSDevice *d, const VIOMMUPageRequest *req)
{
    uint32_t max = MIN(pcie_pri_get_req_alloc(d->dev),
                       pci_get_long(pri_reg(d->dev, PCI_PRI_MAX_REQ)));

    if (!req->read && !req->write) {
        return req->last ? 0 : -EINVAL;
    }
    switch (prg_request(&d->prgs, req->prgi, req->pasid, req->last, max)) {
    case PRG_OK:
        return 0;
    case PRG_MIXED:
        return -EINVAL;
    default:
        return -EBUSY;
    }
}

int pci_pri_request_page(PCIDevice *dev, uint32_t pasid, bool priv_req,
                         bool exec_req, hwaddr addr, bool lpig,
                         uint16_t prgi, bool is_read, bool is_write)
{
    bool has_pasid = pasid != PCI_NO_PASID;
    VIOMMUPageRequest req = {
        .pasid = pasid,
        .iova = addr & ~0xfffULL,
        .prgi = prgi,
        .read = is_read,
        .write = is_write,
        .exec = has_pasid && exec_req && pcie_pasid_exec_enabled(dev),
        .priv = has_pasid && priv_req && pcie_pasid_priv_enabled(dev),
        .last = lpig,
    };
    PCIATSDevice *d;
    int ret;

    if (prgi & ~PCI_PRI_PRGI_MASK) {
        return -EINVAL;
    }
    ret = pri_may_request(dev, pasid);
    if (ret) {
        return ret;
    }
    req.response_pasid = has_pasid &&
        (pci_get_word(pri_reg(dev, PCI_PRI_STATUS)) & PCI_PRI_STATUS_PASID);
    d = pci_ats_device(dev);
    if (!d->listening) {
        return -ENODEV;
    }
    ret = pri_request_count(d, &req);
    trace_pcie_pri_request(dev->name, pasid, req.iova, prgi, lpig, ret);
    return ret ?:
           viommu_ats_page_request(pci_device_iommu_address_space(dev), &req);
}

/* Responses */

int pci_pri_register_notifier(PCIDevice *dev, uint32_t pasid,
                              IOMMUPRINotifier *notifier)
{
    int ret = pci_ats_may_request(dev, pasid);
    PCIATSDevice *d;

    if (ret) {
        return ret;
    }
    d = pci_ats_device(dev);
    if (!d->listening) {
        return -ENODEV;
    }
    g_hash_table_insert(d->pri_notifiers, GUINT_TO_POINTER(pasid), notifier);
    return 0;
}

void pci_pri_unregister_notifier(PCIDevice *dev, uint32_t pasid)
{
    PCIATSDevice *d = pci_ats_device_find(dev);

    if (d) {
        g_hash_table_remove(d->pri_notifiers, GUINT_TO_POINTER(pasid));
    }
}

static void pri_notify(PCIATSDevice *d, uint32_t pasid, uint16_t prgi,
                       IOMMUPRIResponseCode code)
{
    IOMMUPRINotifier *n = g_hash_table_lookup(d->pri_notifiers,
                                              GUINT_TO_POINTER(pasid));
    IOMMUPRIResponse response = { .response_code = code, .prgi = prgi };

    if (n) {
        n->notify(n, &response);
    }
}

/*
 * Response Failure: no other answer comes.  The interface is not used until
 * software has cleared RF.
 */
static void pri_failed(PCIATSDevice *d)
{
    uint32_t pasid;
    uint16_t prgi;

    pci_word_test_and_set_mask(pri_reg(d->dev, PCI_PRI_STATUS),
                               PCI_PRI_STATUS_RF);
    prg_drop_open(&d->prgs);
    while (prg_take(&d->prgs, &prgi, &pasid)) {
        pri_notify(d, pasid, prgi, IOMMU_PRI_RESP_FAILURE);
    }
}

void pcie_pri_response(PCIATSDevice *d, uint32_t pasid, uint16_t prgi,
                       VIOMMUPageCode code)
{
    bool has_pasid = pasid != PCI_NO_PASID;

    if (!d->dev->exp.pri_cap) {
        return;
    }
    trace_pcie_pri_response(d->dev->name, pasid, prgi, code);
    if (!prg_response(&d->prgs, prgi, &pasid, has_pasid)) {
        pci_word_test_and_set_mask(pri_reg(d->dev, PCI_PRI_STATUS),
                                   PCI_PRI_STATUS_UPRGI);
        return;
    }
    switch (code) {
    case VIOMMU_PAGE_SUCCESS:
        pri_notify(d, pasid, prgi, IOMMU_PRI_RESP_SUCCESS);
        break;
    case VIOMMU_PAGE_INVALID:
        pri_notify(d, pasid, prgi, IOMMU_PRI_RESP_INVALID_REQUEST);
        break;
    default:
        /* Reserved codes are Response Failure (10.4.2.1). */
        pri_notify(d, pasid, prgi, IOMMU_PRI_RESP_FAILURE);
        pri_failed(d);
        break;
    }
    pri_update_stopped(d);
}
