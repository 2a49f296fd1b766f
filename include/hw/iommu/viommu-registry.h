/*
 * The vIOMMUs of this machine, for whoever asks from outside (QMP)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_REGISTRY_H
#define HW_IOMMU_VIOMMU_REGISTRY_H

#include "qapi/qapi-types-viommu.h"
#include "qemu/queue.h"

typedef struct VIOMMURegistration VIOMMURegistration;
struct VIOMMURegistration {
    /* fill: everything about this vIOMMU.  BQL. */
    VIOMMUInfo *(*info)(VIOMMURegistration *reg);
    /* bus_numbered: as viommu_bus_numbered().  BQL. */
    void (*bus_numbered)(VIOMMURegistration *reg, PCIBus *bus);
    QTAILQ_ENTRY(VIOMMURegistration) next;
};

/* BQL */
void viommu_register(VIOMMURegistration *reg);
void viommu_unregister(VIOMMURegistration *reg);

/*
 * viommu_bus_numbered: @bus, behind a bridge, may have got another number, and
 * with it those who do DMA there another requester ID.  Anybody may call it at
 * any time: nothing happens if it has not.  BQL.
 */
void viommu_bus_numbered(PCIBus *bus);

#endif
