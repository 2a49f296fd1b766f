/*
 * vIOMMU core: what an endpoint asks of it by ATS and by page requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For hw/pci, which device models use (hw/pci/pci-ats.h, hw/pci/pci-atc.h).  A
 * device is named by its DMA address space, pci_device_iommu_address_space().
 * Where there is no vIOMMU of ours, every function says so.
 *
 * PCIe 6.x chapter 10: ATS translates on request, and the endpoint keeps what
 * it is told until a device-TLB invalidation ("Invalidate Request") names it.
 * A page request asks software for a page that is not there; the answer comes
 * for a page request group (PRG) as a whole.
 */
#ifndef HW_IOMMU_VIOMMU_ATS_H
#define HW_IOMMU_VIOMMU_ATS_H

#include "exec/memory.h"
#include "qemu/queue.h"
#include "system/dma-attrs.h"

/* PASID of requests without one */
#define VIOMMU_NO_PASID UINT32_MAX

/* In IOMMUTLBEntry.perm of a translation request, beside IOMMU_RO and _WO */
#define VIOMMU_ATS_EXEC         (1u << 2)   /* may be executed */
#define VIOMMU_ATS_PRIV         (1u << 3)   /* what is said is of privileged */
#define VIOMMU_ATS_UNTRANSLATED (1u << 5)   /* only untranslated requests may */

/* What is answered to a page request group; PCIe 10.4.2.1 */
typedef enum VIOMMUPageCode {
    VIOMMU_PAGE_QUEUED = -1,     /* nothing yet */
    VIOMMU_PAGE_SUCCESS = 0,     /* try again */
    VIOMMU_PAGE_INVALID = 1,     /* there is no such page, or no such PASID */
    VIOMMU_PAGE_FAILURE = 15,    /* and no page request will be answered more */
} VIOMMUPageCode;

/* The index of a page request group has so many bits. */
#define VIOMMU_PRGI_BITS 9

/* One page request; PCIe 10.4.1 */
typedef struct VIOMMUPageRequest {
    uint32_t pasid;          /* or VIOMMU_NO_PASID */
    hwaddr iova;             /* of the page */
    uint16_t prgi;           /* its group */
    /* What for.  Neither, and @last: a stop marker (PCIe 10.4.1.2.1). */
    bool read, write;
    bool exec, priv;         /* with a PASID only */
    bool last;               /* of its group */
    bool response_pasid;     /* the answer has to carry the PASID, too */
} VIOMMUPageRequest;

/* Who listens for an endpoint.  Everything: BQL. */
typedef struct VIOMMUATSListener VIOMMUATSListener;
struct VIOMMUATSListener {
    /*
     * invalidate: forget what is known of @first .. @last (inclusive) with
     * @pasid, or with every PASID and without one if @all.  What is in use is
     * not waited for here: whoever uses it takes a dma_drain_hold().
     */
    void (*invalidate)(VIOMMUATSListener *l, uint32_t pasid, bool all,
                       hwaddr first, hwaddr last);
    /*
     * response: to the group @prgi.  @pasid: VIOMMU_NO_PASID if the answer
     * says none.  Never from inside viommu_ats_page_request().
     */
    void (*response)(VIOMMUATSListener *l, uint32_t pasid, uint16_t prgi,
                     VIOMMUPageCode code);
    QLIST_ENTRY(VIOMMUATSListener) next;
};

/**
 * viommu_ats_translate: what would accesses to @addr .. @addr + @len - 1 with
 * dma_attrs_code() @attrs be translated to?
 *
 * @no_write: it will only be read, so that no page is marked dirty for it
 * @result: room for @n entries, from @addr's page on without a gap; one that
 *          may not be accessed at all has perm 0
 * @errors: how many of them there are
 *
 * An access that would only meet a page that is not there, or a right that is
 * not granted, is no fault; see VIOMMUOps.ats_fault for the others.
 *
 * Returns: how many entries it took; -ENODEV: there is no vIOMMU;
 * -EPERM: Unsupported Request: the endpoint may not use ATS; -EIO: Completer
 * Abort: the tables are in error; -ENOMEM: more than @n entries.
 * Any thread.
 */
ssize_t viommu_ats_translate(AddressSpace *as, uint32_t attrs, hwaddr addr,
                             hwaddr len, bool no_write, IOMMUTLBEntry *result,
                             size_t n, uint32_t *errors);

/**
 * viommu_ats_page_request: ask for a page.
 *
 * Returns: 0: a VIOMMUATSListener.response() comes for each group of which the
 * last request was sent (none for a stop marker); -ENODEV: there is no vIOMMU.
 * BQL.
 */
int viommu_ats_page_request(AddressSpace *as, const VIOMMUPageRequest *req);

/**
 * viommu_ats_listen: @l hears of the endpoint until viommu_ats_unlisten(),
 * which comes before the device is freed.  Returns: false: there is no vIOMMU.
 * BQL.
 */
bool viommu_ats_listen(AddressSpace *as, VIOMMUATSListener *l);
void viommu_ats_unlisten(VIOMMUATSListener *l);

/**
 * viommu_ats_dropped: the endpoint keeps nothing of what it was told any more,
 * by a reset, or because ATS has been disabled.  BQL.
 */
void viommu_ats_dropped(AddressSpace *as);

/**
 * viommu_ats_register_notifier: @n, for DEVIOTLB_UNMAP events, with .iommu_idx
 * set, hears of device-TLB invalidations of the endpoint.  Returns: 0; -ENODEV:
 * there is no vIOMMU; -ENOTSUP: it has no device TLBs.  BQL.
 */
int viommu_ats_register_notifier(AddressSpace *as, IOMMUNotifier *n);
int viommu_ats_unregister_notifier(AddressSpace *as, IOMMUNotifier *n);

#endif
