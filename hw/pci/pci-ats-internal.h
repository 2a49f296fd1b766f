/*
 * PCI Express: what the files about ATS and page requests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL, unless it says otherwise.
 */
#ifndef HW_PCI_PCI_ATS_INTERNAL_H
#define HW_PCI_PCI_ATS_INTERNAL_H

#include "hw/pci/pci-atc.h"
#include "hw/pci/pci-ats.h"
#include "hw/pci/prg.h"
#include "qemu/notify.h"

/* A device that has some of the capabilities, and uses them */
typedef struct PCIATSDevice {
    PCIDevice *dev;
    Notifier ready;              /* the machine is: there is a vIOMMU, or not */
    VIOMMUATSListener listener;
    bool listening;
    QLIST_HEAD(, PCIATC) atcs;
    /* pcie-pri.c's own */
    PRGs prgs;
    GHashTable *pri_notifiers;   /* PASID -> IOMMUPRINotifier */
} PCIATSDevice;

/* pci-ats.c: the one of @dev, made on first use; or NULL if it has none */
PCIATSDevice *pci_ats_device(PCIDevice *dev);
PCIATSDevice *pci_ats_device_find(PCIDevice *dev);

/*
 * pci_ats_may_request: may @dev send anything with @pasid (or PCI_NO_PASID)?
 * Returns: 0, -EPERM or -EINVAL.  Any thread.
 */
int pci_ats_may_request(const PCIDevice *dev, uint32_t pasid);

/* pcie-pasid.c: software disables what it has enabled: as after reset */
void pcie_pasid_reset(PCIDevice *dev);

/* pcie-pri.c */
void pcie_pri_write_config(PCIATSDevice *d, uint32_t addr, int len);
void pcie_pri_reset(PCIATSDevice *d);
void pcie_pri_response(PCIATSDevice *d, uint32_t pasid, uint16_t prgi,
                       VIOMMUPageCode code);

/*
 * pci-atc.c: what is in the cache is not to be used any more; what is in use is
 * waited for, or after a reset forgotten.
 */
struct PCIATC {
    PCIDevice *dev;
    ATC *atc;
    uint64_t stamp;              /* of the last invalidation; BQL */
    GQueue holds;                /* ATCHold, oldest first; BQL */
    QEMUBH *bh;                  /* releases them, for other threads */
    QLIST_ENTRY(PCIATC) next;    /* PCIATSDevice.atcs */
};

void pci_atc_invalidate(PCIATC *atc, uint32_t pasid, bool all, hwaddr first,
                        hwaddr last);
void pci_atc_reset(PCIATC *atc);

#endif
