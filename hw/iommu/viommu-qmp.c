/*
 * The vIOMMUs of this machine, for QMP and for PCI bridges
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-registry.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-viommu.h"

static QTAILQ_HEAD(, VIOMMURegistration) viommus =
    QTAILQ_HEAD_INITIALIZER(viommus);

void viommu_register(VIOMMURegistration *reg)
{
    QTAILQ_INSERT_TAIL(&viommus, reg, next);
}

void viommu_unregister(VIOMMURegistration *reg)
{
    QTAILQ_REMOVE(&viommus, reg, next);
}

void viommu_bus_numbered(PCIBus *bus)
{
    VIOMMURegistration *reg;

    QTAILQ_FOREACH(reg, &viommus, next) {
        reg->bus_numbered(reg, bus);
    }
}

VIOMMUInfoList *qmp_x_query_viommu(Error **errp)
{
    VIOMMUInfoList *list = NULL, **tail = &list;
    VIOMMURegistration *reg;

    QTAILQ_FOREACH(reg, &viommus, next) {
        QAPI_LIST_APPEND(tail, reg->info(reg));
    }
    return list;
}
