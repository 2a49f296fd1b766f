/*
 * PCI Express: PASIDs, address translation services and page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a device model that is an endpoint in its own right uses.  Names and
 * arguments are those of QEMU 10.2, which has the same functions in hw/pci.  A
 * cache that does all of it is in hw/pci/pci-atc.h.  See
 * docs/devel/viommu-endpoint.rst.  Sections are those of PCIe 6.x.
 *
 * Everything runs under the BQL, unless it says otherwise.
 */
#ifndef HW_PCI_PCI_ATS_H
#define HW_PCI_PCI_ATS_H

#include "hw/iommu/viommu-ats.h"
#include "hw/pci/pci_device.h"

/* The PASID of what has none */
#define PCI_NO_PASID            UINT32_MAX
#define PCI_PRI_PRGI_MASK       0x1ffU

/* In IOMMUTLBEntry.perm, beside IOMMU_RO and IOMMU_WO */
#define IOMMU_EXEC              ((IOMMUAccessFlags)VIOMMU_ATS_EXEC)
#define IOMMU_PRIV              ((IOMMUAccessFlags)VIOMMU_ATS_PRIV)
#define IOMMU_UNTRANSLATED_ONLY ((IOMMUAccessFlags)VIOMMU_ATS_UNTRANSLATED)

/* Max PASID Width */
#define PCI_EXT_CAP_PASID_MAX_WIDTH 20

/**
 * pcie_pasid_init: give @dev a PASID capability at @offset (7.8.9).
 *
 * @pasid_width: bits, up to 20; @exec_perm, @priv_mod: requests may say Execute
 * Requested, Privileged Mode Requested.  In realize, for a PCI Express device.
 */
void pcie_pasid_init(PCIDevice *dev, uint16_t offset, uint8_t pasid_width,
                     bool exec_perm, bool priv_mod);

/**
 * pcie_pri_init: give @dev a Page Request capability at @offset (10.5.2).
 *
 * @outstanding_pr_cap: how many requests may be outstanding at all, at least 1
 * @prg_response_pasid_req: answers to requests with a PASID carry it, too
 */
void pcie_pri_init(PCIDevice *dev, uint16_t offset, uint32_t outstanding_pr_cap,
                   bool prg_response_pasid_req);

/* What software has enabled, and the device has.  Any thread. */
bool pcie_ats_enabled(const PCIDevice *dev);
bool pcie_pasid_enabled(const PCIDevice *dev);
bool pcie_pasid_exec_enabled(const PCIDevice *dev);
bool pcie_pasid_priv_enabled(const PCIDevice *dev);
bool pcie_pri_enabled(const PCIDevice *dev);

/**
 * pcie_pri_get_req_alloc: how many requests software lets be outstanding; 0
 * while page requests are not enabled.
 */
uint32_t pcie_pri_get_req_alloc(const PCIDevice *dev);

/**
 * pci_ats_request_translation: ask what @addr .. @addr + @length - 1 would be
 * translated to.
 *
 * @pasid: or PCI_NO_PASID
 * @priv_req, @exec_req: with a PASID only, and if software allows it
 * @no_write: no right to write is asked for
 * @result: room for @result_length entries, from @addr on without a gap; what
 *          may not be accessed has perm 0
 * @err_count: how many of these there are
 *
 * What is done with an entry has to end before a device-TLB invalidation that
 * names it is answered: see pci_atc_begin(), which cares for that.
 *
 * Returns: the number of entries; -EPERM: not enabled, by software in the
 * device or for the device in the vIOMMU (Unsupported Request); -ENODEV: there
 * is no vIOMMU; -EIO: Completer Abort; -EINVAL: no such PASID; -ENOSPC: there
 * is no room for any; -ENOMEM: for all of them.  Any thread.
 */
ssize_t pci_ats_request_translation(PCIDevice *dev, uint32_t pasid,
                                    bool priv_req, bool exec_req,
                                    hwaddr addr, size_t length,
                                    bool no_write, IOMMUTLBEntry *result,
                                    size_t result_length,
                                    uint32_t *err_count);

/**
 * pci_iommu_init_iotlb_notifier: prepare @n, which hears of device-TLB
 * invalidations once it is registered.  Returns: 0, or -ENODEV.
 */
int pci_iommu_init_iotlb_notifier(PCIDevice *dev, IOMMUNotifier *n,
                                  IOMMUNotify fn, void *opaque);

/**
 * pci_iommu_register_iotlb_notifier: @n hears of invalidations of what was
 * translated with @pasid (or PCI_NO_PASID), until
 * pci_iommu_unregister_iotlb_notifier().
 *
 * Returns: 0; -EPERM: not enabled; -ENODEV: no vIOMMU; -ENOTSUP: the vIOMMU
 * offers no ATS.
 */
int pci_iommu_register_iotlb_notifier(PCIDevice *dev, uint32_t pasid,
                                      IOMMUNotifier *n);
int pci_iommu_unregister_iotlb_notifier(PCIDevice *dev, uint32_t pasid,
                                        IOMMUNotifier *n);

/* Page requests, 10.4 */

typedef enum {
    IOMMU_PRI_RESP_SUCCESS,
    IOMMU_PRI_RESP_INVALID_REQUEST,
    IOMMU_PRI_RESP_FAILURE,
} IOMMUPRIResponseCode;

typedef struct IOMMUPRIResponse {
    IOMMUPRIResponseCode response_code;
    uint16_t prgi;
} IOMMUPRIResponse;

typedef struct IOMMUPRINotifier IOMMUPRINotifier;
/*
 * Later, from the main loop or a register write of the guest's; BQL.  Never for
 * what was dropped: by a reset of the device, or by Reset of its Page Request
 * Control.
 */
typedef void (*IOMMUPRINotify)(IOMMUPRINotifier *notifier,
                               IOMMUPRIResponse *response);
struct IOMMUPRINotifier {
    IOMMUPRINotify notify;
};

/**
 * pci_pri_register_notifier: @notifier hears of answers to page requests with
 * @pasid (or PCI_NO_PASID), until pci_pri_unregister_notifier(), instead of
 * the one before.  Returns: 0; -EPERM: not enabled; -ENODEV: no vIOMMU.
 */
int pci_pri_register_notifier(PCIDevice *dev, uint32_t pasid,
                              IOMMUPRINotifier *notifier);
void pci_pri_unregister_notifier(PCIDevice *dev, uint32_t pasid);

/**
 * pci_pri_request_page: ask for the page of @addr.
 *
 * @lpig: last page in group; the answer to the whole group follows
 * @prgi: the group, 9 bits, which is not in use, or open for the same @pasid
 * @is_read, @is_write: what for; neither of them, and @lpig, is a stop marker:
 *                      nothing with @pasid is asked for any more (10.4.1.2.1)
 *
 * Returns: 0; -EPERM: page requests are not enabled, or failed and software
 * has not acknowledged it; -EBUSY: too many are outstanding, or the group is in
 * use; -EINVAL: no such group or PASID; -ENODEV: no vIOMMU.
 */
int pci_pri_request_page(PCIDevice *dev, uint32_t pasid, bool priv_req,
                         bool exec_req, hwaddr addr, bool lpig,
                         uint16_t prgi, bool is_read, bool is_write);

/* What hw/pci/pci.c calls; for devices without these capabilities: nothing. */

/** pci_ats_write_config: @len bytes at @addr have been written. */
void pci_ats_write_config(PCIDevice *dev, uint32_t addr, int len);
/** pci_ats_reset: @dev has been reset, and does no DMA any more. */
void pci_ats_reset(PCIDevice *dev);
/** pci_ats_exit: @dev goes away. */
void pci_ats_exit(PCIDevice *dev);

#endif
