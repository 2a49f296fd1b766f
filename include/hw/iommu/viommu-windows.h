/*
 * The vIOMMU core: an endpoint's windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One list for each endpoint (windows.h), of what the model, the machine, the
 * operator and the host of an assigned device say.  What is opaque in it is
 * never translated and never memory for DMA without a PASID: translation,
 * caches, maps, notifiers and the view that a bypassing endpoint has all ask
 * this list.
 *
 * It is read by any thread in an RCU read section; everything that changes it
 * runs under the BQL.
 */
#ifndef HW_IOMMU_VIOMMU_WINDOWS_H
#define HW_IOMMU_VIOMMU_WINDOWS_H

#include "exec/memory.h"
#include "hw/iommu/windows.h"
#include "qapi/qapi-types-viommu.h"
#include "qemu/rcu.h"

typedef struct VIOMMU VIOMMU;
typedef struct VIOMMUEndpoint VIOMMUEndpoint;
typedef struct HostIOMMUDevice HostIOMMUDevice;
typedef struct PCIBus PCIBus;
typedef struct PCIDevice PCIDevice;

/* What an endpoint has now; constant */
typedef struct VIOMMUWindows {
    struct rcu_head rcu;           /* has to be first */
    IOMMUWindows list;
} VIOMMUWindows;

/* viommu_windows: @ep's list.  Any thread, inside an RCU read section. */
const IOMMUWindows *viommu_windows(const VIOMMUEndpoint *ep);

/*
 * viommu_window_add: @ep has one at @first .. @last.  For the model, in its
 * .endpoint_init.  Where it is an MSI doorbell, the model has a region there
 * that takes the messages.  BQL.
 */
void viommu_window_add(VIOMMUEndpoint *ep, uint64_t first, uint64_t last,
                       IOMMUWindowKind kind, IOMMUWindowOrigin origin);

/*
 * viommu_windows_set_host: whatever the host's IOMMU does not let the assigned
 * device @hiod (at @bus, @devfn, before aliases) use is reserved for its
 * endpoint.  For PCIIOMMUOps.set_iommu_device, when all else is in order.
 * Returns: false with @errp set if the operator wants a range mapped that the
 * host does not map.  BQL.
 *
 * viommu_windows_unset_host: the device goes.  BQL.
 */
bool viommu_windows_set_host(VIOMMU *v, PCIBus *bus, int devfn,
                             HostIOMMUDevice *hiod, Error **errp);
void viommu_windows_unset_host(VIOMMU *v, PCIBus *bus, int devfn);

/* viommu_windows_has_host: has an assigned device said anything of @ep?  BQL */
bool viommu_windows_has_host(const VIOMMUEndpoint *ep);

/*
 * Of PCI devices, whether they are behind a vIOMMU or not.
 *
 * viommu_windows_device_class: the property "reserved-ranges".
 * viommu_windows_device_ok: can what it says be had?  For realize.  BQL.
 */
void viommu_windows_device_class(ObjectClass *klass);
bool viommu_windows_device_ok(PCIDevice *dev, Error **errp);

#endif
