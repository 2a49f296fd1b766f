/*
 * x-iommu-host: the host's IOMMU as VFIO would show it to a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/pci/pci.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "x-iommu-host.h"

#define TYPE_X_IOMMU_HOST "x-iommu-host"
OBJECT_DECLARE_SIMPLE_TYPE(XIOMMUHost, X_IOMMU_HOST)

struct XIOMMUHost {
    HostIOMMUDevice parent_obj;
    GList *usable;           /* Range */
};

static int x_iommu_host_get_cap(HostIOMMUDevice *hiod, int cap, Error **errp)
{
    return cap == HOST_IOMMU_DEVICE_CAP_AW_BITS ?
           HOST_IOMMU_DEVICE_CAP_AW_BITS_MAX : 0;
}

static gpointer x_iommu_host_copy(gconstpointer range, gpointer unused)
{
    return g_memdup2(range, sizeof(Range));
}

static GList *x_iommu_host_ranges(HostIOMMUDevice *hiod)
{
    return g_list_copy_deep(X_IOMMU_HOST(hiod)->usable, x_iommu_host_copy,
                            NULL);
}

static uint64_t x_iommu_host_pages(HostIOMMUDevice *hiod)
{
    return ~0xfffull;
}

static bool x_iommu_host_parse(XIOMMUHost *host, const char *text,
                               Error **errp)
{
    g_auto(GStrv) items = g_strsplit(text, ",", 0);
    unsigned i;

    for (i = 0; items[i]; i++) {
        uint64_t first, last;
        const char *end;
        Range *range;

        if (qemu_strtou64(items[i], &end, 0, &first) || *end != ':' ||
            qemu_strtou64(end + 1, NULL, 0, &last) || first > last) {
            error_setg(errp, "'%s' is not START:END", items[i]);
            return false;
        }
        range = g_new0(Range, 1);
        range_set_bounds(range, first, last);
        host->usable = g_list_append(host->usable, range);
    }
    return true;
}

HostIOMMUDevice *x_iommu_host_attach(PCIDevice *dev, const char *usable,
                                     Error **errp)
{
    HostIOMMUDevice *hiod = HOST_IOMMU_DEVICE(object_new(TYPE_X_IOMMU_HOST));

    hiod->name = g_strdup(DEVICE(dev)->id ?: TYPE_X_IOMMU_HOST);
    if (!x_iommu_host_parse(X_IOMMU_HOST(hiod), usable, errp) ||
        !pci_device_set_iommu_device(dev, hiod, errp)) {
        object_unref(hiod);
        return NULL;
    }
    return hiod;
}

void x_iommu_host_detach(PCIDevice *dev, HostIOMMUDevice *host)
{
    if (host) {
        pci_device_unset_iommu_device(dev);
        object_unref(host);
    }
}

static void x_iommu_host_finalize(Object *obj)
{
    g_list_free_full(X_IOMMU_HOST(obj)->usable, g_free);
}

static void x_iommu_host_class_init(ObjectClass *oc, void *data)
{
    HostIOMMUDeviceClass *hioc = HOST_IOMMU_DEVICE_CLASS(oc);

    hioc->get_cap = x_iommu_host_get_cap;
    hioc->get_iova_ranges = x_iommu_host_ranges;
    hioc->get_page_size_mask = x_iommu_host_pages;
}

static const TypeInfo x_iommu_host_info = {
    .name = TYPE_X_IOMMU_HOST,
    .parent = TYPE_HOST_IOMMU_DEVICE,
    .instance_size = sizeof(XIOMMUHost),
    .instance_finalize = x_iommu_host_finalize,
    .class_init = x_iommu_host_class_init,
};

static void x_iommu_host_register(void)
{
    type_register_static(&x_iommu_host_info);
}

type_init(x_iommu_host_register)
