/*
 * vIOMMU core: windows that lie over the guest's memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An endpoint that bypasses sees the guest's memory at its own addresses.
 * Where that is in an opaque window of the endpoint, its DMA cannot get there;
 * with a window of an assigned device's host it would even go elsewhere, which
 * no property can make good.  Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/boards.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"

/* Memory that is looked for in windows, and what is found */
typedef struct RAMSearch {
    const VIOMMU *v;
    const IOMMUWindows *list;
    IOMMUWindow window;
    uint64_t first, last;
    const char *name;        /* of the memory; NULL: none is in a window */
} RAMSearch;

/* The first window that keeps memory from being at @first .. @last, or NULL */
static const IOMMUWindow *windows_against(const VIOMMU *v,
                                          const IOMMUWindows *list,
                                          uint64_t first, uint64_t last)
{
    const IOMMUWindow *w;

    for (;; first = w->last + 1) {
        w = iommu_windows_next(list, first, last, true);
        if (!w || !v->props.ram_in_windows || w->origin == IOMMU_WINDOW_HOST) {
            return w;
        }
        if (w->last >= last) {
            return NULL;
        }
    }
}

/* A flatview_cb.  Returns: true to end the search. */
static bool windows_ram_found(Int128 start, Int128 len,
                              const MemoryRegion *mr, hwaddr offset,
                              void *opaque)
{
    RAMSearch *s = opaque;
    uint64_t first = int128_get64(start);
    uint64_t last = first + (int128_get64(int128_sub(len, int128_one())));
    const IOMMUWindow *w;

    if (!memory_region_is_ram((MemoryRegion *)mr) ||
        memory_region_is_ram_device((MemoryRegion *)mr) ||
        memory_region_is_rom((MemoryRegion *)mr)) {
        return false;
    }
    w = windows_against(s->v, s->list, first, last);
    if (!w) {
        return false;
    }
    s->window = *w;
    s->first = first;
    s->last = last;
    s->name = memory_region_name(mr);
    return true;
}

const char *viommu_windows_remedy(IOMMUWindowOrigin origin)
{
    return origin == IOMMU_WINDOW_HOST ?
           "Give the guest less memory, leave the range out of it (-machine "
           "ram-holes=auto, with the range in reserved-ranges), have the "
           "device translated before it is plugged in, or assign a device of "
           "another host IOMMU.\n" :
           "Leave the range out of the guest's memory (-machine "
           "ram-holes=auto), take it out of the window's property, or accept "
           "that the device's DMA does not reach it (ram-in-windows=on of the "
           "vIOMMU).\n";
}

bool viommu_windows_ram_ok(VIOMMUEndpoint *ep, const char *device,
                           const IOMMUWindows *list, Error **errp)
{
    RAMSearch s = { .v = ep->viommu, .list = list };
    g_autofree char *text = NULL;

    if (!ep->bypasses) {
        return true;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(address_space_to_flatview(
                                    &address_space_memory),
                                windows_ram_found, &s);
    }
    if (!s.name) {
        return true;
    }
    text = iommu_window_text(&s.window);
    error_setg(errp, "%s: the guest has memory ('%s', 0x%" PRIx64 " .. 0x%"
               PRIx64 ") where the device has a window: %s", device, s.name,
               s.first, s.last, text);
    error_append_hint(errp, "%s", viommu_windows_remedy(s.window.origin));
    return false;
}

/* "the device 00:04.0 edu", to be freed */
static char *windows_device(VIOMMUEndpoint *ep)
{
    g_autofree char *address = viommu_query_address(viommu_endpoint_sid(ep));
    g_autofree char *id = viommu_query_device_id(ep);

    return g_strdup_printf("the device %s%s%s", address, id ? " " : "",
                           id ?: "");
}

/*
 * Nothing is there yet, and what is plugged in without an address passes over
 * it: so this is no error.
 */
static bool windows_warn_hotplug(VIOMMUEndpoint *ep)
{
    DeviceMemoryState *dms = MACHINE(qdev_get_machine())->device_memory;
    g_autofree char *text = NULL, *device = NULL;
    const IOMMUWindow *w;
    uint64_t last;

    if (!dms || !ep->bypasses) {
        return false;
    }
    last = dms->base + memory_region_size(&dms->mr) - 1;
    w = windows_against(ep->viommu, &ep->windows->list, dms->base, last);
    if (!w) {
        return false;
    }
    text = iommu_window_text(w);
    device = windows_device(ep);
    warn_report("no memory can be plugged in where %s has a window: %s, in "
                "the space for memory devices, 0x%" PRIx64 " .. 0x%" PRIx64,
                device, text, dms->base, last);
    return true;
}

/* In the main loop's first round */
static void windows_start_bh(void *opaque)
{
    VIOMMU *v = opaque;
    bool warned = false;
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        g_autofree char *device = ep->bus ? windows_device(ep) : NULL;
        Error *err = NULL;

        if (!device) {
            continue;
        }
        /* Of the unit's own windows and the model's, which nobody compared */
        if (!viommu_windows_agree(ep, v->type, &v->reserved_ranges, &err) ||
            !viommu_windows_ram_ok(ep, device, &ep->windows->list, &err)) {
            error_report_err(err);
            exit(EXIT_FAILURE);
        }
        warned = warned || windows_warn_hotplug(ep);
    }
}

/* Other notifiers of this kind have PCI devices ask for their endpoints. */
void viommu_windows_machine_done(Notifier *notifier, void *unused)
{
    aio_bh_schedule_oneshot(qemu_get_aio_context(), windows_start_bh,
                            container_of(notifier, VIOMMU, machine_done));
}

bool viommu_windows_memory_ok(VIOMMURegistration *reg, uint64_t first,
                              uint64_t last, uint64_t *next, Error **errp)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        g_autofree char *text = NULL, *device = NULL;
        const IOMMUWindow *w;

        if (!ep->bus || !ep->bypasses) {
            continue;
        }
        w = windows_against(v, &ep->windows->list, first, last);
        if (!w) {
            continue;
        }
        *next = w->last + 1;
        text = iommu_window_text(w);
        device = windows_device(ep);
        error_setg(errp, "memory at 0x%" PRIx64 " .. 0x%" PRIx64 " would lie "
                   "in a window of %s, which bypasses the vIOMMU: %s", first,
                   last, device, text);
        error_append_hint(errp, "Give it another address (addr), have the "
                          "device translated, or unplug the device.\n");
        return false;
    }
    return true;
}
