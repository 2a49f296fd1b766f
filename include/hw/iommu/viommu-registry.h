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
    QTAILQ_ENTRY(VIOMMURegistration) next;
};

/* BQL */
void viommu_register(VIOMMURegistration *reg);
void viommu_unregister(VIOMMURegistration *reg);

#endif
