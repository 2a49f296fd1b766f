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
typedef struct Aml Aml;

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

/*
 * viommu_windows_host_memory_ok: does an assigned device's host, which lets it
 * use @usable (a list of Range; NULL: it does not say), let it use the guest's
 * memory @memory at @first .. @last?  For VFIO, before it maps it, whether the
 * device is behind a vIOMMU or not.  BQL.
 */
bool viommu_windows_host_memory_ok(GList *usable, const char *memory,
                                   uint64_t first, uint64_t last,
                                   Error **errp);

/*
 * viommu_windows_host_plug_ok: the same of memory that is to be plugged in, for
 * the assigned device @device, which is behind no vIOMMU.
 * Returns: false with @errp set, and in *@next the first address behind the
 * window.  BQL.
 */
bool viommu_windows_host_plug_ok(GList *usable, const char *device,
                                 uint64_t first, uint64_t last,
                                 uint64_t *next, Error **errp);

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

/*
 * What firmware tables say of direct windows (viommu-direct.h), of the devices
 * as they are now and only of those that the guest is told of.  All of them
 * leave the table as it is if there are none.  BQL.
 *
 * viommu_windows_rmrr, _ivmd: append to DMAR, IVRS, of which @table is the end.
 * viommu_windows_rmr: append to the IORT that begins at @iort of @table; its
 * SMMU's node is at @smmu of it (0: none), and @id is the first identifier that
 * is free.
 * viommu_windows_e820: @table, the *@bytes bytes of e820 for fw_cfg, or another
 * one, of *@bytes then, for good, that has memory in direct windows as
 * reserved.
 */
void viommu_windows_rmrr(GArray *table);
void viommu_windows_ivmd(GArray *table);
void viommu_windows_rmr(GArray *table, uint32_t iort, uint32_t smmu,
                        uint32_t id);
void *viommu_windows_e820(void *table, size_t *bytes);

/*
 * A guest believes in StreamIDs of PCI devices only if it leaves their buses'
 * numbers as they are (DEN 0049E.d, 3.1.1.5), which the host bridge's _DSM has
 * to ask for (PCI Firmware Specification 3.3, 4.6.5).
 *
 * viommu_windows_dsm_functions: the byte of functions that _DSM supports.
 * viommu_windows_dsm: append to @uuid, what _DSM does for this UUID,
 * function 5.
 */
uint8_t viommu_windows_dsm_functions(void);
void viommu_windows_dsm(Aml *uuid);

/*
 * viommu_windows_direct: add to @list, as direct ones, all windows that are
 * mapped one to one for some device that the guest is told of.  BQL.
 *
 * viommu_windows_of: the windows of @dev's endpoint, until something changes;
 * NULL if it is behind no vIOMMU.  BQL.
 */
void viommu_windows_direct(IOMMUWindows *list);
const IOMMUWindows *viommu_windows_of(PCIDevice *dev);

#endif
