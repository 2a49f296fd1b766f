/*
 * vIOMMU core: an endpoint's windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each source is kept apart, so that it can go again; the list that everybody
 * asks is made anew of all of them.  What a vIOMMU reserves is a hole in the
 * view of an endpoint that bypasses.  In the translated view it needs none:
 * every access is looked up there.  Neither does what the host of an assigned
 * device reserves: that device's DMA never comes here, and memory there is
 * refused by the host.  Endpoints whose holes are those that the unit gives
 * them all share a view (viommu-endpoint.c); others have their own.
 *
 * Everything here runs under the BQL, except viommu_windows() and
 * viommu_hole_refused().
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "system/dma-refused.h"
#include "system/host_iommu_device.h"
#include "trace.h"
#include "viommu-internal.h"

/* What one of them says of an endpoint */
typedef struct WindowSource {
    IOMMUWindowOrigin origin;
    PCIBus *bus;                   /* with devfn: a device; NULL: the unit */
    int devfn;
    IOMMUWindows list;
    QSLIST_ENTRY(WindowSource) next;
} WindowSource;

/* Where a bypassing endpoint meets no memory.  Used again, never freed. */
typedef struct WindowHole {
    MemoryRegion mr;
    VIOMMU *v;
    DMARefused refused;
    bool used;
    QSLIST_ENTRY(WindowHole) next;
} WindowHole;

struct VIOMMUWindowSources {
    QSLIST_HEAD(, WindowSource) sources;
    bool apart;                    /* it has holes of its own: */
    QSLIST_HEAD(, WindowHole) holes;
};

/* Sources that are a device, behind whatever vIOMMU */
static unsigned windows_of_devices;

const IOMMUWindows *viommu_windows(const VIOMMUEndpoint *ep)
{
    return &qatomic_rcu_read(&ep->windows)->list;
}

/* Holes */

/* DMARefused.refused.  Any thread. */
static void viommu_hole_refused(void *opaque, hwaddr offset, bool is_write,
                                MemTxAttrs attrs)
{
    WindowHole *hole = opaque;
    VIOMMUEndpoint *ep = viommu_requester(hole->v);

    if (ep && qatomic_read(&hole->v->enabled) &&
        !qatomic_read(&ep->unlisted)) {
        /* The lookup refuses it, too, and reports that. */
        viommu_translate(ep, hole->mr.addr + offset,
                         is_write ? IOMMU_WO : IOMMU_RO,
                         dma_attrs_code(attrs));
    }
}

/* A hole at @w; it is not shown yet. */
static void window_hole_at(WindowHole *hole, const IOMMUWindow *w)
{
    hole->used = true;
    memory_region_set_address(&hole->mr, w->first);
    memory_region_set_size(&hole->mr, w->last - w->first + 1);
}

static WindowHole *window_hole_new(VIOMMU *v, MemoryRegion *in)
{
    WindowHole *hole = g_new0(WindowHole, 1);

    hole->v = v;
    hole->refused = (DMARefused) {
        .refused = viommu_hole_refused, .opaque = hole,
    };
    memory_region_init_io(&hole->mr, v->owner, &dma_refused_ops,
                          &hole->refused, "viommu-window", 1);
    /* It changes nothing but a fault record: no register of a device's. */
    hole->mr.disable_reentrancy_guard = true;
    memory_region_set_enabled(&hole->mr, false);
    memory_region_add_subregion_overlap(in, 0, &hole->mr, 1);
    return hole;
}

static WindowHole *window_hole(VIOMMUEndpoint *ep)
{
    WindowHole *hole;

    QSLIST_FOREACH(hole, &ep->window_sources->holes, next) {
        if (!hole->used) {
            return hole;
        }
    }
    hole = window_hole_new(ep->viommu, &ep->root);
    QSLIST_INSERT_HEAD(&ep->window_sources->holes, hole, next);
    return hole;
}

bool viommu_windows_show(VIOMMUEndpoint *ep, bool bypass)
{
    WindowHole *hole;

    QSLIST_FOREACH(hole, &ep->window_sources->holes, next) {
        memory_region_set_enabled(&hole->mr, hole->used && bypass);
    }
    return ep->window_sources->apart;
}

/* What of @list is a hole */
static void windows_holes(const IOMMUWindows *list, IOMMUWindows *holes)
{
    unsigned i;

    for (i = 0; i < list->n; i++) {
        if (list->at[i].kind == IOMMU_WINDOW_RESERVED &&
            list->at[i].origin != IOMMU_WINDOW_HOST) {
            iommu_windows_add(holes, &list->at[i]);
        }
    }
}

/* Are they at the same addresses? */
static bool windows_same_holes(const IOMMUWindows *a, const IOMMUWindows *b)
{
    unsigned i;

    for (i = 0; i < a->n && i < b->n; i++) {
        if (a->at[i].first != b->at[i].first ||
            a->at[i].last != b->at[i].last) {
            return false;
        }
    }
    return a->n == b->n;
}

/*
 * The unit's: what its first endpoint has, of which no device has said anything
 * yet.
 */
static void windows_make_common_holes(VIOMMU *v, const IOMMUWindows *holes)
{
    WindowHole *hole;
    unsigned i;

    v->holes = g_new0(IOMMUWindows, 1);
    iommu_windows_add_all(v->holes, holes);
    for (i = 0; i < holes->n; i++) {
        hole = window_hole_new(v, &v->bypass);
        window_hole_at(hole, &holes->at[i]);
        memory_region_set_enabled(&hole->mr, true);
    }
}

static void windows_make_holes(VIOMMUEndpoint *ep, const IOMMUWindows *list)
{
    IOMMUWindows holes = { 0 };
    WindowHole *hole;
    unsigned i;

    windows_holes(list, &holes);
    memory_region_transaction_begin();
    if (!ep->viommu->holes) {
        windows_make_common_holes(ep->viommu, &holes);
    }
    ep->window_sources->apart = !windows_same_holes(&holes,
                                                    ep->viommu->holes);
    QSLIST_FOREACH(hole, &ep->window_sources->holes, next) {
        hole->used = false;
    }
    for (i = 0; ep->window_sources->apart && i < holes.n; i++) {
        window_hole_at(window_hole(ep), &holes.at[i]);
    }
    viommu_show(ep);
    memory_region_transaction_commit();
    iommu_windows_clear(&holes);
}

/* The list */

static void windows_free(VIOMMUWindows *windows)
{
    iommu_windows_clear(&windows->list);
    g_free(windows);
}

static void windows_make(VIOMMUEndpoint *ep)
{
    VIOMMUWindows *old = ep->windows, *new = g_new0(VIOMMUWindows, 1);
    WindowSource *source;
    unsigned i;

    QSLIST_FOREACH(source, &ep->window_sources->sources, next) {
        iommu_windows_add_all(&new->list, &source->list);
    }
    for (i = 0; i < new->list.n; i++) {
        const IOMMUWindow *w = &new->list.at[i];

        trace_viommu_window(viommu_endpoint_sid(ep), w->first, w->last,
                            iommu_window_kind_name(w->kind),
                            iommu_window_origin_name(w->origin));
    }
    qatomic_rcu_set(&ep->windows, new);
    call_rcu(old, windows_free, rcu);
    windows_make_holes(ep, &new->list);
}

/* While the machine runs, too: nothing that was cached may remain. */
static void windows_changed(VIOMMUEndpoint *ep)
{
    windows_make(ep);
    viommu_endpoint_changed(ep);
}

static WindowSource *windows_source(VIOMMUEndpoint *ep,
                                    IOMMUWindowOrigin origin, PCIBus *bus,
                                    int devfn)
{
    WindowSource *source = g_new0(WindowSource, 1);

    source->origin = origin;
    source->bus = bus;
    source->devfn = devfn;
    windows_of_devices += bus != NULL;
    QSLIST_INSERT_HEAD(&ep->window_sources->sources, source, next);
    return source;
}

/* Returns: did it say anything? */
static bool windows_remove(VIOMMUEndpoint *ep, IOMMUWindowOrigin origin,
                           PCIBus *bus, int devfn)
{
    WindowSource *source, *next;
    bool found = false;

    QSLIST_FOREACH_SAFE(source, &ep->window_sources->sources, next, next) {
        if (source->origin == origin && source->bus == bus &&
            source->devfn == devfn) {
            QSLIST_REMOVE(&ep->window_sources->sources, source, WindowSource,
                          next);
            iommu_windows_clear(&source->list);
            g_free(source);
            windows_of_devices -= bus != NULL;
            found = true;
        }
    }
    return found;
}

bool viommu_windows_differ(void)
{
    return windows_of_devices;
}

void viommu_window_add(VIOMMUEndpoint *ep, uint64_t first, uint64_t last,
                       IOMMUWindowKind kind, IOMMUWindowOrigin origin)
{
    const IOMMUWindow w = {
        .first = first, .last = last, .kind = kind, .origin = origin,
    };

    iommu_windows_add(&windows_source(ep, origin, NULL, 0)->list, &w);
}

void viommu_windows_init(VIOMMUEndpoint *ep)
{
    ep->windows = g_new0(VIOMMUWindows, 1);
    ep->window_sources = g_new0(struct VIOMMUWindowSources, 1);
}

void viommu_windows_begin(VIOMMUEndpoint *ep)
{
    WindowSource *source;

    if (ep->viommu->reserved_ranges.n) {
        source = windows_source(ep, IOMMU_WINDOW_OPERATOR, NULL, 0);
        iommu_windows_add_all(&source->list, &ep->viommu->reserved_ranges);
    }
    windows_make(ep);
}

/* A device's own, from its property */

void viommu_windows_device_came(VIOMMUEndpoint *ep, PCIDevice *dev,
                                const IOMMUWindows *list)
{
    WindowSource *source;

    if (list->n) {
        source = windows_source(ep, IOMMU_WINDOW_OPERATOR, pci_get_bus(dev),
                                dev->devfn);
        iommu_windows_add_all(&source->list, list);
        windows_changed(ep);
    }
}

void viommu_windows_device_gone(VIOMMU *v, PCIDevice *dev)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (windows_remove(ep, IOMMU_WINDOW_OPERATOR, pci_get_bus(dev),
                           dev->devfn)) {
            windows_changed(ep);
        }
    }
}

/* The host of an assigned device */

bool viommu_windows_has_host(const VIOMMUEndpoint *ep)
{
    const WindowSource *source;

    QSLIST_FOREACH(source, &ep->window_sources->sources, next) {
        if (source->origin == IOMMU_WINDOW_HOST) {
            return true;
        }
    }
    return false;
}

/* Does anybody want a range of @list mapped where @host has nothing usable? */
static bool windows_host_maps(const IOMMUWindows *list, const char *name,
                              const IOMMUWindows *host, Error **errp)
{
    const IOMMUWindow *w, *h;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        w = &list->at[i];
        h = iommu_windows_next(host, w->first, w->last, true);
        if (h && !iommu_window_is_opaque(w)) {
            g_autofree char *text = iommu_window_text(w);

            error_setg(errp, "%s: the host's IOMMU does not let it use 0x%"
                       PRIx64 " .. 0x%" PRIx64 ", but reserved-ranges has %s; "
                       "take that out", name, h->first, h->last, text);
            return false;
        }
    }
    return true;
}

/* Below this, what a host keeps for itself is where its doorbell is. */
#define WINDOW_DOORBELLS (1ULL << 32)

typedef struct UntoldDoorbell {
    uint64_t first, last;
    bool found;
} UntoldDoorbell;

static void windows_untold(uint64_t first, uint64_t last, void *opaque)
{
    UntoldDoorbell *untold = opaque;

    if (!untold->found && first < WINDOW_DOORBELLS) {
        *untold = (UntoldDoorbell) { first, last, true };
    }
}

/*
 * Does the guest know of every doorbell?  A model that has its own tells of no
 * other, and the host's kernel does not say which of the ranges that it keeps
 * is one: all that it keeps below 4 GiB counts, which guests also use first.
 * What is in reserved-ranges, somebody knows of.
 */
static bool windows_host_told(const VIOMMU *v, const IOMMUWindows *list,
                              const char *name, const IOMMUWindows *host,
                              Error **errp)
{
    UntoldDoorbell untold = { .found = false };
    bool own = false;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        own |= list->at[i].kind == IOMMU_WINDOW_MSI &&
               list->at[i].origin == IOMMU_WINDOW_MODEL;
    }
    for (i = 0; own && i < host->n; i++) {
        iommu_windows_gaps(list, host->at[i].first, host->at[i].last,
                           windows_untold, &untold);
    }
    if (!untold.found) {
        return true;
    }
    error_setg(errp, "%s: the host's IOMMU keeps 0x%" PRIx64 " .. 0x%" PRIx64
               " for itself, for its doorbell, say, and the guest cannot be "
               "told of another one than the %s's own", name, untold.first,
               untold.last, v->type);
    error_append_hint(errp, "Use virtio-iommu-pci, or put the range into "
                      "reserved-ranges if the guest never uses it.\n");
    return false;
}

/* The gaps of @usable, made larger to whole pages */
static void windows_of_host(GList *usable, IOMMUWindows *list)
{
    GList *reserved = NULL, *l;

    range_inverse_array(usable, &reserved, 0, UINT64_MAX);
    for (l = reserved; l; l = l->next) {
        const IOMMUWindow w = {
            .first = range_lob(l->data) & ~(IOMMU_WINDOW_PAGE - 1),
            .last = range_upb(l->data) | (IOMMU_WINDOW_PAGE - 1),
            .kind = IOMMU_WINDOW_RESERVED,
            .origin = IOMMU_WINDOW_HOST,
        };

        iommu_windows_add(list, &w);
    }
    g_list_free_full(reserved, g_free);
}

/* Less is left of the address space, or other things, than people think. */
static void windows_warn_host(const IOMMUWindows *known, const char *name,
                              const IOMMUWindows *host)
{
    unsigned i;

    for (i = 0; i < host->n; i++) {
        g_autofree char *text = iommu_window_text(&host->at[i]);

        if (!iommu_window_is_expected(&host->at[i], known)) {
            warn_report("%s: a window of its host's IOMMU is larger than "
                        "expected: %s; if that is well, have it in "
                        "reserved-ranges", name, text);
        }
    }
}

/*
 * Is a window of a host that lets a device use @usable (NULL: it does not say)
 * met by @first .. @last?  Then it is @w.
 */
static bool windows_host_meets(GList *usable, uint64_t first, uint64_t last,
                               IOMMUWindow *w)
{
    IOMMUWindows list = { 0 };
    const IOMMUWindow *met;

    if (!usable) {
        return false;
    }
    windows_of_host(usable, &list);
    met = iommu_windows_next(&list, first, last, true);
    if (met) {
        *w = *met;
    }
    iommu_windows_clear(&list);
    return met;
}

bool viommu_windows_host_memory_ok(GList *usable, const char *memory,
                                   uint64_t first, uint64_t last,
                                   Error **errp)
{
    g_autofree char *text = NULL;
    IOMMUWindow w;

    if (!windows_host_meets(usable, first, last, &w)) {
        return true;
    }
    text = iommu_window_text(&w);
    error_setg(errp, "the guest has memory ('%s', 0x%" PRIx64 " .. 0x%"
               PRIx64 ") where the device has a window: %s", memory, first,
               last, text);
    error_append_hint(errp, "%s", viommu_windows_remedy(w.origin));
    return false;
}

bool viommu_windows_host_plug_ok(GList *usable, const char *device,
                                 uint64_t first, uint64_t last,
                                 uint64_t *next, Error **errp)
{
    g_autofree char *text = NULL;
    IOMMUWindow w;

    if (!windows_host_meets(usable, first, last, &w)) {
        return true;
    }
    *next = w.last + 1;
    text = iommu_window_text(&w);
    error_setg(errp, "memory at 0x%" PRIx64 " .. 0x%" PRIx64 " would lie "
               "in a window of %s, which is behind no vIOMMU: %s", first,
               last, device, text);
    error_append_hint(errp, "Give it another address (addr), put the "
                      "device behind a vIOMMU, or unplug the device.\n");
    return false;
}

bool viommu_windows_set_host(VIOMMU *v, PCIBus *bus, int devfn,
                             HostIOMMUDevice *hiod, Error **errp)
{
    HostIOMMUDeviceClass *hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    /* Old kernels may not tell. */
    GList *usable = hiodc->get_iova_ranges ? hiodc->get_iova_ranges(hiod) :
                                             NULL;
    IOMMUWindows list = { 0 }, known = { 0 };
    VIOMMUEndpoint *ep;
    bool ok;

    if (!usable) {
        return true;
    }
    ep = viommu_endpoint(v, hiod->aliased_bus, hiod->aliased_devfn);
    windows_of_host(usable, &list);
    /* The device, which is being realized, has none of its own there yet. */
    iommu_windows_add_all(&known, &ep->windows->list);
    viommu_windows_device_asks(bus->devices[devfn], &known);
    ok = windows_host_maps(&known, hiod->name, &list, errp) &&
         viommu_windows_ram_ok(ep, hiod->name, &list, errp) &&
         windows_host_told(v, &known, hiod->name, &list, errp);
    if (ok) {
        windows_warn_host(&known, hiod->name, &list);
        windows_source(ep, IOMMU_WINDOW_HOST, bus, devfn)->list = list;
        windows_changed(ep);
    } else {
        iommu_windows_clear(&list);
    }
    iommu_windows_clear(&known);
    g_list_free_full(usable, g_free);
    return ok;
}

void viommu_windows_unset_host(VIOMMU *v, PCIBus *bus, int devfn)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (windows_remove(ep, IOMMU_WINDOW_HOST, bus, devfn)) {
            windows_changed(ep);
        }
    }
}
