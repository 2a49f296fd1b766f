/*
 * x-iommu-listener: a PCI device that writes down what IOMMU notifiers say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registers: x-iommu-listener.h.  Memory listeners, notifiers and registers
 * all come under the BQL.
 */
#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/queue.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "x-iommu-host.h"
#include "x-iommu-listener.h"

OBJECT_DECLARE_SIMPLE_TYPE(XIOMMUListener, X_IOMMU_LISTENER)

typedef struct XILEvent {
    uint32_t type, perm;
    uint64_t iova, mask, addr;
} XILEvent;

/* One section that shows an IOMMU: what a notifier can be registered for */
typedef struct XILRegion XILRegion;
struct XILRegion {
    XIOMMUListener *s;
    MemoryRegion *mr;
    /*
     * A notifier is not told the type of an event, and nothing but the type
     * tells these two apart.
     */
    IOMMUNotifier iotlb, devtlb;
    uint64_t offset;         /* of addresses over those of the region */
    uint64_t first, last;    /* addresses */
    QLIST_ENTRY(XILRegion) next;
};

struct XIOMMUListener {
    PCIDevice pci;
    MemoryRegion mmio;
    bool map, unmap, devtlb;
    char *host_usable;       /* what x_iommu_host_attach() takes, or NULL */
    HostIOMMUDevice *host;
    MemoryListener listener;
    QLIST_HEAD(, XILRegion) regions;
    bool listening;          /* it is too late for realize to fail */
    Error *error;
    uint32_t status, n_regions;
    GArray *events;          /* XILEvent */
    GArray *pieces;          /* XILEvent, of type XIL_MAP, sorted */
    uint32_t index, piece;
};

/* The picture */

static XILEvent *piece_at(XIOMMUListener *s, unsigned i)
{
    return &g_array_index(s->pieces, XILEvent, i);
}

static uint64_t last_of(const XILEvent *e)
{
    return e->iova + e->mask;
}

/* The first piece that ends at @iova or later */
static unsigned find_piece(XIOMMUListener *s, uint64_t iova)
{
    unsigned low = 0, high = s->pieces->len;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (last_of(piece_at(s, mid)) < iova) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void picture_map(XIOMMUListener *s, const XILEvent *e)
{
    unsigned i = find_piece(s, e->iova);

    if (i < s->pieces->len && piece_at(s, i)->iova <= last_of(e)) {
        s->status |= XIL_S_MAP_TWICE;
    } else if (s->pieces->len >= XIL_MAX_PIECES) {
        s->status |= XIL_S_FULL;
    } else {
        g_array_insert_val(s->pieces, i, *e);
    }
}

/* Returns: how many pieces there were */
static unsigned picture_unmap(XIOMMUListener *s, uint64_t first, uint64_t last)
{
    unsigned begin = find_piece(s, first), end = begin;

    while (end < s->pieces->len && piece_at(s, end)->iova <= last) {
        if (piece_at(s, end)->iova < first ||
            last_of(piece_at(s, end)) > last) {
            s->status |= XIL_S_UNMAP_PART;
            return 0;
        }
        end++;
    }
    if (end > begin) {
        g_array_remove_range(s->pieces, begin, end - begin);
    }
    return end - begin;
}

/* Notifiers */

static XILEvent record(XILRegion *region, XILType type,
                       const IOMMUTLBEntry *entry)
{
    XIOMMUListener *s = region->s;
    XILEvent e = {
        .type = type,
        .perm = entry->perm,
        .iova = entry->iova + region->offset,
        .mask = entry->addr_mask,
        .addr = entry->translated_addr,
    };

    if ((e.mask & (e.mask + 1)) || (e.iova & e.mask)) {
        s->status |= XIL_S_SHAPE;
    }
    if (entry->target_as != &address_space_memory) {
        s->status |= XIL_S_TARGET;
    }
    if (s->events->len < XIL_MAX_EVENTS) {
        g_array_append_val(s->events, e);
    } else {
        s->status |= XIL_S_OVERFLOW;
    }
    return e;
}

static void iotlb_event(IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
    XILRegion *region = container_of(n, XILRegion, iotlb);
    bool is_map = entry->perm != IOMMU_NONE;
    XILEvent e = record(region, is_map ? XIL_MAP : XIL_UNMAP, entry);

    if (is_map) {
        picture_map(region->s, &e);
    } else {
        picture_unmap(region->s, e.iova, last_of(&e));
    }
}

static void devtlb_event(IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
    record(container_of(n, XILRegion, devtlb), XIL_DEVTLB, entry);
}

static IOMMUNotifierFlag iotlb_flags(const XIOMMUListener *s)
{
    return (s->map ? IOMMU_NOTIFIER_MAP : IOMMU_NOTIFIER_NONE) |
           (s->unmap ? IOMMU_NOTIFIER_UNMAP : IOMMU_NOTIFIER_NONE);
}

static void region_close(XILRegion *region)
{
    if (region->devtlb.notifier_flags) {
        memory_region_unregister_iommu_notifier(region->mr, &region->devtlb);
    }
    if (region->iotlb.notifier_flags) {
        memory_region_unregister_iommu_notifier(region->mr, &region->iotlb);
    }
    memory_region_unref(region->mr);
    g_free(region);
}

/* Leaves flags zero in those that are not registered. */
static bool add_notifier(XILRegion *region, IOMMUNotifier *n,
                         IOMMUNotify notify, IOMMUNotifierFlag flags,
                         const MemoryRegionSection *section, Error **errp)
{
    hwaddr first = section->offset_within_region;
    hwaddr last = first + int128_get64(int128_sub(section->size,
                                                  int128_one()));

    if (!flags) {
        return true;
    }
    iommu_notifier_init(n, notify, flags, first, last, 0);
    if (memory_region_register_iommu_notifier(region->mr, n, errp)) {
        n->notifier_flags = IOMMU_NOTIFIER_NONE;
        return false;
    }
    return true;
}

/* After the device is there, nobody could be given the error. */
static void refuse(XIOMMUListener *s, Error *err)
{
    s->status |= XIL_S_REFUSED;
    if (s->listening) {
        warn_report_err(err);
    } else if (s->error) {
        error_free(err);
    } else {
        s->error = err;
    }
}

static void region_add(MemoryListener *listener, MemoryRegionSection *section)
{
    XIOMMUListener *s = container_of(listener, XIOMMUListener, listener);
    XILRegion *region;
    Error *err = NULL;

    if (!memory_region_is_iommu(section->mr)) {
        return;
    }
    region = g_new0(XILRegion, 1);
    region->s = s;
    region->mr = section->mr;
    region->first = section->offset_within_address_space;
    region->last = region->first + int128_get64(int128_sub(section->size,
                                                           int128_one()));
    region->offset = region->first - section->offset_within_region;
    memory_region_ref(region->mr);
    if (!add_notifier(region, &region->iotlb, iotlb_event, iotlb_flags(s),
                      section, &err) ||
        !add_notifier(region, &region->devtlb, devtlb_event,
                      s->devtlb ? IOMMU_NOTIFIER_DEVIOTLB_UNMAP :
                      IOMMU_NOTIFIER_NONE, section, &err)) {
        region_close(region);
        refuse(s, err);
        return;
    }
    QLIST_INSERT_HEAD(&s->regions, region, next);
    s->n_regions++;
    if (region->iotlb.notifier_flags) {
        memory_region_iommu_replay(IOMMU_MEMORY_REGION(region->mr),
                                   &region->iotlb);
    }
}

static void region_del(MemoryListener *listener, MemoryRegionSection *section)
{
    XIOMMUListener *s = container_of(listener, XIOMMUListener, listener);
    XILRegion *region;

    QLIST_FOREACH(region, &s->regions, next) {
        if (region->mr == section->mr &&
            region->first == section->offset_within_address_space) {
            break;
        }
    }
    if (!region) {
        return;
    }
    QLIST_REMOVE(region, next);
    s->n_regions--;
    /* VFIO unmaps it all here, and would hide that nobody had told it to. */
    if (picture_unmap(s, region->first, region->last)) {
        s->status |= XIL_S_LEFT;
    }
    region_close(region);
}

/* Registers */

static uint64_t read_event(const GArray *array, uint32_t i, hwaddr field)
{
    const XILEvent *e;

    if (i >= array->len) {
        return 0;
    }
    e = &g_array_index(array, XILEvent, i);
    switch (field) {
    case XIL_TYPE:
        return e->type;
    case XIL_PERM:
        return e->perm;
    case XIL_IOVA:
        return e->iova;
    case XIL_MASK:
        return e->mask;
    default:
        return e->addr;
    }
}

static uint64_t read_reg(XIOMMUListener *s, hwaddr offset)
{
    switch (offset) {
    case XIL_MAGIC:
        return X_IOMMU_LISTENER_MAGIC;
    case XIL_STATUS:
        return s->status;
    case XIL_REGIONS:
        return s->n_regions;
    case XIL_COUNT:
        return s->events->len;
    case XIL_INDEX:
        return s->index;
    case XIL_TYPE:
    case XIL_PERM:
    case XIL_IOVA:
    case XIL_MASK:
    case XIL_ADDR:
        return read_event(s->events, s->index, offset);
    case XIL_PIECES:
        return s->pieces->len;
    case XIL_PIECE:
        return s->piece;
    case XIL_P_PERM:
        return read_event(s->pieces, s->piece, XIL_PERM);
    case XIL_P_IOVA:
        return read_event(s->pieces, s->piece, XIL_IOVA);
    case XIL_P_MASK:
        return read_event(s->pieces, s->piece, XIL_MASK);
    case XIL_P_ADDR:
        return read_event(s->pieces, s->piece, XIL_ADDR);
    default:
        return 0;
    }
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    XIOMMUListener *s = opaque;

    if (size == 4 && (offset == XIL_IOVA + 4 || offset == XIL_MASK + 4 ||
                      offset == XIL_ADDR + 4 || offset == XIL_P_IOVA + 4 ||
                      offset == XIL_P_MASK + 4 || offset == XIL_P_ADDR + 4)) {
        return read_reg(s, offset - 4) >> 32;
    }
    return extract64(read_reg(s, offset), 0, size * 8);
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t value,
                       unsigned size)
{
    XIOMMUListener *s = opaque;

    switch (offset) {
    case XIL_STATUS:
        s->status &= ~value;
        break;
    case XIL_COUNT:
        g_array_set_size(s->events, 0);
        break;
    case XIL_INDEX:
        s->index = value;
        break;
    case XIL_PIECE:
        s->piece = value;
        break;
    }
}

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 8,
    .impl.min_access_size = 4,
    .impl.max_access_size = 8,
};

static void stop_listening(XIOMMUListener *s)
{
    /* Closes the regions, too. */
    memory_listener_unregister(&s->listener);
    g_array_free(s->events, true);
    g_array_free(s->pieces, true);
}

static void x_iommu_listener_realize(PCIDevice *pci, Error **errp)
{
    XIOMMUListener *s = X_IOMMU_LISTENER(pci);

    if (!iotlb_flags(s) && !s->devtlb) {
        error_setg(errp, "map, unmap or devtlb has to be on");
        return;
    }
    memory_region_init_io(&s->mmio, OBJECT(s), &mmio_ops, s,
                          TYPE_X_IOMMU_LISTENER, XIL_SIZE);
    pci_register_bar(pci, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);

    s->events = g_array_new(false, false, sizeof(XILEvent));
    s->pieces = g_array_new(false, false, sizeof(XILEvent));
    QLIST_INIT(&s->regions);
    s->listener = (MemoryListener) {
        .name = TYPE_X_IOMMU_LISTENER,
        .region_add = region_add,
        .region_del = region_del,
    };
    memory_listener_register(&s->listener,
                             pci_device_iommu_address_space(pci));
    if (s->error) {
        stop_listening(s);
        error_propagate(errp, s->error);
        s->error = NULL;
        return;
    }
    if (s->host_usable) {
        s->host = x_iommu_host_attach(pci, s->host_usable, errp);
        if (!s->host) {
            stop_listening(s);
            return;
        }
    }
    s->listening = true;
}

static void x_iommu_listener_exit(PCIDevice *pci)
{
    XIOMMUListener *s = X_IOMMU_LISTENER(pci);

    x_iommu_host_detach(pci, s->host);
    stop_listening(s);
}

static const Property x_iommu_listener_properties[] = {
    DEFINE_PROP_BOOL("map", XIOMMUListener, map, false),
    DEFINE_PROP_BOOL("unmap", XIOMMUListener, unmap, true),
    DEFINE_PROP_BOOL("devtlb", XIOMMUListener, devtlb, false),
    DEFINE_PROP_STRING("host-usable", XIOMMUListener, host_usable),
};

static const VMStateDescription vmstate_x_iommu_listener = {
    .name = TYPE_X_IOMMU_LISTENER,
    .unmigratable = 1,
};

static void x_iommu_listener_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(oc);

    k->realize = x_iommu_listener_realize;
    k->exit = x_iommu_listener_exit;
    k->vendor_id = PCI_VENDOR_ID_QEMU;
    k->device_id = X_IOMMU_LISTENER_DEVICE_ID;
    k->class_id = PCI_CLASS_OTHERS;
    dc->desc = "IOMMU notifier listener";
    dc->vmsd = &vmstate_x_iommu_listener;
    device_class_set_props(dc, x_iommu_listener_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo x_iommu_listener_info = {
    .name = TYPE_X_IOMMU_LISTENER,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(XIOMMUListener),
    .class_init = x_iommu_listener_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void x_iommu_listener_register(void)
{
    type_register_static(&x_iommu_listener_info);
}

type_init(x_iommu_listener_register)
