/*
 * vIOMMU core: the answer to query-viommu-windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_device.h"
#include "qapi/util.h"
#include "viommu-query-internal.h"

static const VIOMMUWindowKind query_kinds[] = {
    [IOMMU_WINDOW_RESERVED] = VIOMMU_WINDOW_KIND_RESERVED,
    [IOMMU_WINDOW_MSI] = VIOMMU_WINDOW_KIND_MSI,
    [IOMMU_WINDOW_DIRECT] = VIOMMU_WINDOW_KIND_DIRECT,
    [IOMMU_WINDOW_DIRECT_RELAXABLE] = VIOMMU_WINDOW_KIND_DIRECT_RELAXABLE,
    [IOMMU_WINDOW_SOFTWARE_MSI] = VIOMMU_WINDOW_KIND_SOFTWARE_MSI,
};

static const VIOMMUWindowOrigin query_origins[] = {
    [IOMMU_WINDOW_HOST] = VIOMMU_WINDOW_ORIGIN_HOST,
    [IOMMU_WINDOW_MACHINE] = VIOMMU_WINDOW_ORIGIN_MACHINE,
    [IOMMU_WINDOW_OPERATOR] = VIOMMU_WINDOW_ORIGIN_OPERATOR,
    [IOMMU_WINDOW_MODEL] = VIOMMU_WINDOW_ORIGIN_MODEL,
};

static const char *const query_whats[] = {
    [IOMMU_WINDOW_RESERVED] = "reserved",
    [IOMMU_WINDOW_MSI] = "interrupt messages",
    [IOMMU_WINDOW_DIRECT] = "mapped one to one",
    [IOMMU_WINDOW_DIRECT_RELAXABLE] = "mapped one to one at the start",
    [IOMMU_WINDOW_SOFTWARE_MSI] = "where software maps its doorbell",
};

VIOMMUWindowList *viommu_query_windows(VIOMMUEndpoint *ep)
{
    const IOMMUWindows *list = &ep->windows->list;
    VIOMMUWindowList *answer = NULL, **tail = &answer;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        VIOMMUWindow *w = g_new0(VIOMMUWindow, 1);

        w->first = list->at[i].first;
        w->last = list->at[i].last;
        w->what = g_strdup(query_whats[list->at[i].kind]);
        w->kind = query_kinds[list->at[i].kind];
        w->origin = query_origins[list->at[i].origin];
        w->translated = !iommu_window_is_opaque(&list->at[i]);
        QAPI_LIST_APPEND(tail, w);
    }
    return answer;
}

VIOMMUUnitWindows *viommu_query_unit_windows(VIOMMURegistration *reg)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUUnitWindows *unit = g_new0(VIOMMUUnitWindows, 1);
    VIOMMUEndpointWindows *one;
    VIOMMUEndpoint *ep;
    PCIDevice *dev;

    unit->viommu = object_get_canonical_path(v->owner);
    unit->model = g_strdup(v->name);
    /* As in query-viommu: the oldest one first */
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (!ep->bus) {
            continue;
        }
        dev = viommu_query_device(ep);
        one = g_new0(VIOMMUEndpointWindows, 1);
        one->address = viommu_query_address(viommu_endpoint_sid(ep));
        one->device = viommu_query_device_id(ep);
        one->qom_path = dev ? object_get_canonical_path(OBJECT(dev)) : NULL;
        one->windows = viommu_query_windows(ep);
        QAPI_LIST_PREPEND(unit->endpoints, one);
    }
    return unit;
}
