/*
 * vIOMMU core: what every model's device repeats
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "system/dma-attrs.h"
#include "viommu-internal.h"

/* Entries: at least what keeps a ring and its buffers; at most some 100 MB */
#define IOTLB_SIZE_MIN 64
#define IOTLB_SIZE_MAX (1u << 22)

/* Pages of an endpoint's translation cache, 36 bytes each: 36 MiB */
#define DMA_CACHE_SIZE_MAX (1u << 20)

static const VIOMMUPropertyHelp viommu_property_help[] = {
    { "iotlb-size", "translations that the IOTLB holds, 64 to 4194304" },
    { "dma-cache-size", "pages of 4 KiB that each endpoint's translation cache "
                        "holds, up to 1048576; 0: no cache" },
    { "dma-mode", "drain (an invalidation waits for stale DMA) or bounce "
                  "(devices work on copies, and none is ever stale); drain if "
                  "it is not given" },
    { "drain-timeout", "ms that an invalidation waits for stale DMA until the "
                       "device is marked broken; 0: as long as it takes" },
    { "drain-stall-time", "ms until an invalidation that waits is reported as "
                          "VIOMMU_DRAIN_STALLED; 0: never" },
    { "sanitizer", "for development, and slow: finds uses after unmap, "
                   "accesses out of bounds, forgotten invalidations, mistakes "
                   "in tables and queues, and DMA that goes round the vIOMMU, "
                   "and says so (VIOMMU_SANITIZER, the log, info viommu)" },
    { "reserved-ranges", "ranges of addresses START:END:TYPE that are no "
                         "memory for devices behind it, or that the guest maps "
                         "one to one, with commas in between; TYPE: reserved, "
                         "software-msi, and where the guest can be told, "
                         "direct or direct-relaxable; none if it is not given"
                         },
    { "ram-in-windows", "the guest may have memory where a device that "
                        "bypasses has a window, other than one of its host: "
                        "DMA does not reach that memory; off: it is refused" },
};

void viommu_describe(ObjectClass *klass, const VIOMMUPropertyHelp *own,
                     unsigned n)
{
    viommu_describe_each(klass, viommu_property_help,
                         ARRAY_SIZE(viommu_property_help));
    viommu_describe_each(klass, own, n);
}

static bool viommu_props_check(const VIOMMUProperties *props,
                               const char *type, Error **errp)
{
    if (props->dma_mode && strcmp(props->dma_mode, "drain") &&
        strcmp(props->dma_mode, "bounce")) {
        error_setg(errp, "%s: dma-mode is '%s', but must be 'drain' (an "
                   "invalidation waits for stale DMA) or 'bounce' (no DMA is "
                   "ever stale)", type, props->dma_mode);
        return false;
    }
    if (props->iotlb_size < IOTLB_SIZE_MIN ||
        props->iotlb_size > IOTLB_SIZE_MAX) {
        error_setg(errp, "%s: iotlb-size is %u entries, but must be %u to %u",
                   type, props->iotlb_size, IOTLB_SIZE_MIN, IOTLB_SIZE_MAX);
        return false;
    }
    if (props->dma_cache_size > DMA_CACHE_SIZE_MAX) {
        error_setg(errp, "%s: dma-cache-size is %u pages, but must be at most "
                   "%u, or 0 for none", type, props->dma_cache_size,
                   DMA_CACHE_SIZE_MAX);
        return false;
    }
    return true;
}

/* One vIOMMU per bus: the last one would silently take it from the first. */
static bool viommu_bus_check(PCIBus *bus, const char *type, Error **errp)
{
    if (!bus) {
        error_setg(errp, "%s is not attached to any PCI bus", type);
        return false;
    }
    if (bus->iommu_ops) {
        error_setg(errp, "%s: the PCI bus '%s' is behind another vIOMMU; "
                   "remove one of the two", type, BUS(bus)->name);
        return false;
    }
    return true;
}

AddressSpace *viommu_get_address_space(PCIBus *bus, void *opaque, int devfn)
{
    return &viommu_endpoint(opaque, bus, devfn)->as;
}

MemTxResult viommu_window_memory(VIOMMUEndpoint *ep, hwaddr iova,
                                 uint64_t *data, unsigned size,
                                 MemTxAttrs attrs, bool is_write)
{
    IOMMUAccessFlags need = is_write ? IOMMU_WO : IOMMU_RO;
    uint32_t val = is_write ? cpu_to_le32(*data) : 0;
    MemTxResult result;
    IOMMUTLBEntry tlb;

    RCU_READ_LOCK_GUARD();
    tlb = viommu_translate(ep, iova, need, dma_attrs_code(attrs));
    if (!(tlb.perm & need)) {
        return MEMTX_ERROR;
    }
    result = address_space_rw(tlb.target_as, tlb.translated_addr |
                              (iova & tlb.addr_mask), MEMTXATTRS_UNSPECIFIED,
                              &val, size, is_write);
    if (!is_write) {
        *data = le32_to_cpu(val);
    }
    return result;
}

/* The property "reserved-ranges" */
static bool viommu_windows_check(VIOMMU *v, const VIOMMUModel *model,
                                 Error **errp)
{
    g_autofree char *wrong = NULL;

    v->type = model->type;
    v->window_kinds = 1u << IOMMU_WINDOW_RESERVED |
                      1u << IOMMU_WINDOW_SOFTWARE_MSI | model->direct_kinds;
    v->direct_align = model->direct_align;
    if (!v->props.reserved_ranges) {
        return true;
    }
    iommu_windows_clear(&v->reserved_ranges);
    wrong = iommu_windows_parse(v->props.reserved_ranges,
                                IOMMU_WINDOW_OPERATOR, &v->reserved_ranges);
    if (wrong) {
        error_setg(errp, "%s: reserved-ranges: %s", v->type, wrong);
        return false;
    }
    return viommu_windows_kinds_ok(v, v->type, &v->reserved_ranges, errp);
}

bool viommu_realize(VIOMMU *v, const VIOMMUModel *model, Object *owner,
                    PCIBus *bus, VIOMMUPolicy *policy, Error **errp)
{
    if (!viommu_props_check(&v->props, model->type, errp) ||
        !viommu_windows_check(v, model, errp) ||
        !viommu_bus_check(bus, model->type, errp)) {
        return false;
    }
    if (policy) {
        policy->model = model->type;
        policy->bus = bus;
        if (!viommu_policy_register(policy, errp)) {
            return false;
        }
    }
    viommu_init(v, model, owner);
    pci_setup_iommu(bus, model->pci_ops, v);
    return true;
}
