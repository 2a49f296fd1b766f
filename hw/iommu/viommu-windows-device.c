/*
 * vIOMMU core: what the operator says of one device's windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The property "reserved-ranges" of every PCI device.  What it says is kept
 * here and not in the device, of which most have none.  Everything here runs
 * under the BQL.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "viommu-internal.h"

#define DEVICE_RANGES "reserved-ranges"

typedef struct DeviceRanges {
    char *text;
    IOMMUWindows list;
} DeviceRanges;

/* PCIDevice to DeviceRanges; NULL: nobody has any */
static GHashTable *device_ranges;

static void ranges_free(gpointer value)
{
    DeviceRanges *r = value;

    iommu_windows_clear(&r->list);
    g_free(r->text);
    g_free(r);
}

static DeviceRanges *ranges_of(const void *dev)
{
    return device_ranges ? g_hash_table_lookup(device_ranges, dev) : NULL;
}

/* A virtio device that has the property itself is a vIOMMU: it means that. */
static Object *ranges_backend(Object *obj)
{
    Object *vdev = object_resolve_path_component(obj, "virtio-backend");

    return vdev && object_property_find(vdev, DEVICE_RANGES) ? vdev : NULL;
}

static void ranges_get(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    Object *backend = ranges_backend(obj);
    DeviceRanges *r = ranges_of(obj);
    char *text = r ? r->text : (char *)"";

    if (backend) {
        object_property_get(backend, name, v, errp);
    } else {
        visit_type_str(v, name, &text, errp);
    }
}

static void ranges_set(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    g_autofree char *text = NULL, *wrong = NULL;
    IOMMUWindows list = { 0 };
    Object *backend = ranges_backend(obj);
    DeviceRanges *r;

    if (backend) {
        object_property_set(backend, name, v, errp);
        return;
    }
    if (!visit_type_str(v, name, &text, errp)) {
        return;
    }
    if (DEVICE(obj)->realized) {
        error_setg(errp, "%s cannot be changed any more", name);
        return;
    }
    wrong = iommu_windows_parse(text, IOMMU_WINDOW_OPERATOR, &list);
    if (wrong) {
        error_setg(errp, "%s: %s", name, wrong);
        return;
    }
    if (!device_ranges) {
        device_ranges = g_hash_table_new_full(NULL, NULL, NULL, ranges_free);
    }
    r = g_new0(DeviceRanges, 1);
    r->text = g_steal_pointer(&text);
    r->list = list;
    g_hash_table_replace(device_ranges, obj, r);
}

static void ranges_release(Object *obj, const char *name, void *opaque)
{
    if (device_ranges) {
        g_hash_table_remove(device_ranges, obj);
    }
}

void viommu_windows_device_class(ObjectClass *klass)
{
    object_class_property_add(klass, DEVICE_RANGES, "str", ranges_get,
                              ranges_set, ranges_release, NULL);
    object_class_property_set_description(klass, DEVICE_RANGES,
        "ranges of addresses START:END:TYPE that are no memory for the device "
        "behind a vIOMMU, or that the guest maps one to one for it, with "
        "commas in between, besides the vIOMMU's own; none if it is empty");
}

/* Has anybody direct windows?  Until then tables need not look. */
static bool ranges_direct;

bool viommu_windows_tell_direct(void)
{
    return ranges_direct;
}

/* Why @w cannot be told, without @who and @w itself; NULL: it can */
static char *ranges_kind_wrong(const VIOMMU *v, const IOMMUWindow *w)
{
    if (v->window_kinds & (1u << w->kind)) {
        return NULL;
    }
    if (w->kind == IOMMU_WINDOW_MSI) {
        return g_strdup_printf("the guest cannot be told of another doorbell "
                               "than the %s's own; make it reserved", v->type);
    }
    if (v->window_kinds & (1u << IOMMU_WINDOW_DIRECT)) {
        return g_strdup_printf("the tables of %s do not say whether it may be "
                               "remapped, which guests decide by the device's "
                               "class; make it direct", v->type);
    }
    return g_strdup_printf("the guest cannot be told to map it; with %s, make "
                           "it reserved", v->type);
}

/* The same for a direct window, by where it is */
static char *ranges_direct_wrong(const VIOMMU *v, const IOMMUWindow *w)
{
    DeviceMemoryState *dms = MACHINE(qdev_get_machine())->device_memory;
    uint64_t size = dms ? memory_region_size(&dms->mr) : 0;

    if (w->first & (v->direct_align - 1) ||
        (w->last + 1) & (v->direct_align - 1)) {
        return g_strdup_printf("the guest can only be told of pages of 0x%"
                               PRIx64 " bytes; make it larger",
                               v->direct_align);
    }
    if (size && w->first <= dms->base + size - 1 && w->last >= dms->base) {
        return g_strdup_printf("the guest cannot be told to leave memory there "
                               "alone, which is 0x%" PRIx64 " .. 0x%" PRIx64
                               " where memory devices come; move it",
                               (uint64_t)dms->base, dms->base + size - 1);
    }
    return NULL;
}

bool viommu_windows_kinds_ok(const VIOMMU *v, const char *who,
                             const IOMMUWindows *list, Error **errp)
{
    bool direct = false;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        const IOMMUWindow *w = &list->at[i];
        g_autofree char *wrong = ranges_kind_wrong(v, w), *text = NULL;

        if (!wrong && iommu_window_is_direct(w)) {
            wrong = ranges_direct_wrong(v, w);
            direct = true;
        }
        if (wrong) {
            text = iommu_window_text(w);
            error_setg(errp, "%s: " DEVICE_RANGES " has %s, but %s", who, text,
                       wrong);
            return false;
        }
    }
    ranges_direct |= direct;
    return true;
}

bool viommu_windows_agree(VIOMMUEndpoint *ep, const char *who,
                          const IOMMUWindows *list, Error **errp)
{
    const IOMMUWindows *others = &ep->windows->list;
    unsigned i, j;

    for (i = 0; i < list->n; i++) {
        for (j = 0; j < others->n; j++) {
            const IOMMUWindow *w = &list->at[i], *other = &others->at[j];
            g_autofree char *text = NULL, *there = NULL;

            if (w->first > other->last || w->last < other->first ||
                iommu_window_is_direct(w) == iommu_window_is_direct(other)) {
                continue;
            }
            text = iommu_window_text(w);
            there = iommu_window_text(other);
            error_setg(errp, "%s: " DEVICE_RANGES " has %s, but there is "
                       "already %s; take one of the two out", who, text, there);
            return false;
        }
    }
    return true;
}

/* Tables and maps of memory are read when the guest starts. */
static bool ranges_in_time(PCIDevice *dev, const char *who,
                           const IOMMUWindows *list, Error **errp)
{
    unsigned i;

    for (i = 0; DEVICE(dev)->hotplugged && i < list->n; i++) {
        g_autofree char *text = NULL;

        if (iommu_window_is_direct(&list->at[i])) {
            text = iommu_window_text(&list->at[i]);
            error_setg(errp, "%s: " DEVICE_RANGES " has %s, but a running "
                       "guest cannot be told to map it; give it to the vIOMMU "
                       "when the machine is started, or have the device there "
                       "then", who, text);
            return false;
        }
    }
    return true;
}

bool viommu_windows_device_ok(PCIDevice *dev, Error **errp)
{
    DeviceRanges *r = ranges_of(dev);
    VIOMMUEndpoint *ep;
    const char *id;

    if (!r || !r->list.n) {
        return true;
    }
    id = DEVICE(dev)->id ?: object_get_typename(OBJECT(dev));
    ep = viommu_of_address_space(pci_device_iommu_address_space(dev));
    if (!ep) {
        error_setg(errp, "%s: " DEVICE_RANGES " is for devices behind a "
                   "vIOMMU: put the vIOMMU before it on the command line, or "
                   "leave " DEVICE_RANGES " out", id);
        return false;
    }
    /* At the start, the whole machine is looked at when it is complete. */
    return viommu_windows_kinds_ok(ep->viommu, id, &r->list, errp) &&
           viommu_windows_agree(ep, id, &r->list, errp) &&
           ranges_in_time(dev, id, &r->list, errp) &&
           (!phase_check(PHASE_MACHINE_READY) ||
            viommu_windows_ram_ok(ep, id, &r->list, errp));
}

void viommu_windows_device_asks(PCIDevice *dev, IOMMUWindows *list)
{
    DeviceRanges *r = ranges_of(dev);

    if (r) {
        iommu_windows_add_all(list, &r->list);
    }
}

void viommu_windows_device_realized(VIOMMU *v, PCIDevice *dev)
{
    DeviceRanges *r = ranges_of(dev);
    VIOMMUEndpoint *ep;

    if (r) {
        ep = viommu_of_address_space(pci_device_iommu_address_space(dev));
        if (ep && ep->viommu == v) {
            viommu_windows_device_came(ep, dev, &r->list);
        }
    }
}
