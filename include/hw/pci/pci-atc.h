/*
 * PCI Express: an address translation cache for a device model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Translations that were asked for by ATS, kept until software has them
 * invalidated, and used:
 *
 *     if (!pci_atc_begin(atc, pasid, 0, iova, len, is_write, &use)) {
 *         ... DMA of use.len bytes at use.addr, with use.attrs ...
 *         pci_atc_end(atc, &use);
 *     }
 *
 * Between the two the translation is in use: a device-TLB invalidation that
 * names it is reported complete to software only after pci_atc_end().  That may
 * come much later, and from another thread.  See
 * docs/devel/viommu-endpoint.rst.
 *
 * One thing is up to the device model: when it is reset, it begins no use and
 * does no DMA of one any more.  Then nothing is waited for, and a pci_atc_end()
 * that is still to come does nothing.
 */
#ifndef HW_PCI_PCI_ATC_H
#define HW_PCI_PCI_ATC_H

#include "hw/pci/atc.h"
#include "hw/pci/pci-ats.h"

typedef struct PCIATC PCIATC;

/* How a request with a PASID is made, if software allows it */
#define PCI_ATC_EXEC    (1u << 0)
#define PCI_ATC_PRIV    (1u << 1)

typedef struct PCIATCUse {
    /* For accesses by pci_get_address_space() of the device, with @attrs */
    hwaddr addr;
    hwaddr len;              /* bytes that lead there without a gap */
    MemTxAttrs attrs;
    ATCUse use;              /* pci-atc.c's own */
} PCIATCUse;

/**
 * pci_atc_new: a cache of @entries translations for @dev, which has an ATS
 * capability.  Until pci_atc_free(), in the device's exit at the latest, when
 * it does no DMA any more.  BQL.
 */
PCIATC *pci_atc_new(PCIDevice *dev, unsigned entries);
void pci_atc_free(PCIATC *atc);

/**
 * pci_atc_begin: translate, keep and use.
 *
 * @pasid: or PCI_NO_PASID; @flags: PCI_ATC_*
 * @len: bytes, at least 1; @use->len is how many of them come first
 *
 * Returns: 0, and pci_atc_end() has to follow; -EACCES: there is no page, or
 * not with this right: a page request may help; -EXDEV: it may be accessed
 * untranslated only; or what pci_ats_request_translation() returned.  Any
 * thread.
 */
int pci_atc_begin(PCIATC *atc, uint32_t pasid, unsigned flags, hwaddr iova,
                  hwaddr len, bool is_write, PCIATCUse *use);
void pci_atc_end(PCIATC *atc, PCIATCUse *use);

/**
 * pci_atc_rw: read or write @len bytes at @iova through the cache.
 *
 * @done: how many bytes were transferred
 * Returns: 0; -EIO if an access failed; or as pci_atc_begin(), for what is at
 * @iova + *@done.  Any thread.
 */
int pci_atc_rw(PCIATC *atc, uint32_t pasid, unsigned flags, hwaddr iova,
               void *buf, hwaddr len, bool is_write, hwaddr *done);

/** pci_atc_count: how many translations are kept.  Any thread. */
unsigned pci_atc_count(PCIATC *atc);

/** pci_atc_attrs: of untranslated requests with @pasid and @flags. */
MemTxAttrs pci_atc_attrs(uint32_t pasid, unsigned flags);

#endif
