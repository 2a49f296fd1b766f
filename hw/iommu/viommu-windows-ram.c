/*
 * vIOMMU core: windows that lie over the guest's memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An endpoint that bypasses sees the guest's memory at its own addresses.
 * Where that is in a window of the endpoint, its DMA cannot get there; with a
 * window of an assigned device's host it would even go elsewhere.  What the
 * operator reserves over memory that the machine starts with is what the
 * operator wants.  Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"

/* Memory that is looked for in windows, and what is found */
typedef struct RAMSearch {
    const IOMMUWindows *list;
    IOMMUWindow window;
    uint64_t first, last;
    const char *name;        /* of the memory; NULL: none is in a window */
} RAMSearch;

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
    w = iommu_windows_next(s->list, first, last, true);
    if (!w) {
        return false;
    }
    s->window = *w;
    s->first = first;
    s->last = last;
    s->name = memory_region_name(mr);
    return true;
}

bool viommu_windows_host_ok(VIOMMUEndpoint *ep, const char *device,
                            const IOMMUWindows *list, Error **errp)
{
    RAMSearch s = { .list = list };
    g_autofree char *text = NULL;

    if (!ep->bypass.enabled) {
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
    error_append_hint(errp, "Give the guest less memory or move it, have the "
                      "device translated before it is plugged in, or assign a "
                      "device of another host IOMMU.\n");
    return false;
}

/* Of @ep, one that keeps memory from being at @first .. @last */
static const IOMMUWindow *windows_against(VIOMMUEndpoint *ep, uint64_t first,
                                          uint64_t last)
{
    return ep->bus && ep->bypass.enabled ?
           iommu_windows_next(&ep->windows->list, first, last, true) : NULL;
}

bool viommu_windows_memory_ok(VIOMMURegistration *reg, uint64_t first,
                              uint64_t last, Error **errp)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        const IOMMUWindow *w = windows_against(ep, first, last);
        g_autofree char *text = NULL, *address = NULL, *id = NULL;

        if (!w) {
            continue;
        }
        text = iommu_window_text(w);
        address = viommu_query_address(viommu_endpoint_sid(ep));
        id = viommu_query_device_id(ep);
        error_setg(errp, "memory at 0x%" PRIx64 " .. 0x%" PRIx64 " would lie "
                   "in a window of the device %s%s%s, which bypasses the "
                   "vIOMMU: %s", first, last, address, id ? " " : "", id ?: "",
                   text);
        error_append_hint(errp, "Give it another address (addr), have the "
                          "device translated, or unplug the device.\n");
        return false;
    }
    return true;
}
