/*
 * PCI Express: the PASID capability, and what software has enabled
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/pci/pcie.h"
#include "pci-ats-internal.h"

#define PASID_CAP_VERSION 1

static uint16_t pasid_ctrl(const PCIDevice *dev)
{
    uint16_t cap = dev->exp.pasid_cap;

    return cap ? pci_get_word(dev->config + cap + PCI_PASID_CTRL) : 0;
}

void pcie_pasid_init(PCIDevice *dev, uint16_t offset, uint8_t pasid_width,
                     bool exec_perm, bool priv_mod)
{
    uint16_t cap = (pasid_width * (PCI_PASID_CAP_WIDTH &
                                   -PCI_PASID_CAP_WIDTH)) |
                   (exec_perm ? PCI_PASID_CAP_EXEC : 0) |
                   (priv_mod ? PCI_PASID_CAP_PRIV : 0);
    /* A bit of the control register is there only with its capability. */
    uint16_t ctrl = PCI_PASID_CTRL_ENABLE |
                    (exec_perm ? PCI_PASID_CTRL_EXEC : 0) |
                    (priv_mod ? PCI_PASID_CTRL_PRIV : 0);

    assert(pasid_width <= PCI_EXT_CAP_PASID_MAX_WIDTH);
    pcie_add_capability(dev, PCI_EXT_CAP_ID_PASID, PASID_CAP_VERSION, offset,
                        PCI_EXT_CAP_PASID_SIZEOF);
    dev->exp.pasid_cap = offset;
    pci_set_word(dev->config + offset + PCI_PASID_CAP, cap);
    pci_set_word(dev->config + offset + PCI_PASID_CTRL, 0);
    pci_set_word(dev->wmask + offset + PCI_PASID_CTRL, ctrl);
    pci_ats_device(dev);
}

void pcie_pasid_reset(PCIDevice *dev)
{
    if (dev->exp.pasid_cap) {
        pci_set_word(dev->config + dev->exp.pasid_cap + PCI_PASID_CTRL, 0);
    }
    if (dev->exp.ats_cap) {
        pci_set_word(dev->config + dev->exp.ats_cap + PCI_ATS_CTRL, 0);
    }
}

bool pcie_pasid_enabled(const PCIDevice *dev)
{
    return pasid_ctrl(dev) & PCI_PASID_CTRL_ENABLE;
}

bool pcie_pasid_exec_enabled(const PCIDevice *dev)
{
    return pcie_pasid_enabled(dev) && (pasid_ctrl(dev) & PCI_PASID_CTRL_EXEC);
}

bool pcie_pasid_priv_enabled(const PCIDevice *dev)
{
    return pcie_pasid_enabled(dev) && (pasid_ctrl(dev) & PCI_PASID_CTRL_PRIV);
}

bool pcie_ats_enabled(const PCIDevice *dev)
{
    uint16_t cap = dev->exp.ats_cap;

    return cap && (pci_get_word(dev->config + cap + PCI_ATS_CTRL) &
                   PCI_ATS_CTRL_ENABLE);
}

int pci_ats_may_request(const PCIDevice *dev, uint32_t pasid)
{
    uint16_t cap;
    unsigned width;

    if (!(pci_get_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER)) {
        return -EPERM;
    }
    if (pasid == PCI_NO_PASID) {
        return 0;
    }
    if (!pcie_pasid_enabled(dev)) {
        return -EPERM;
    }
    cap = pci_get_word(dev->config + dev->exp.pasid_cap + PCI_PASID_CAP);
    width = (cap & PCI_PASID_CAP_WIDTH) / (PCI_PASID_CAP_WIDTH &
                                           -PCI_PASID_CAP_WIDTH);
    return pasid >> width ? -EINVAL : 0;
}
