/*
 * The vIOMMU core: what every model's device repeats
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Properties with their checks, messages and help, and the steps of realize
 * that are the same for all.  Everything here: BQL.
 */
#ifndef HW_IOMMU_VIOMMU_MODEL_H
#define HW_IOMMU_VIOMMU_MODEL_H

#include "hw/iommu/viommu-policy.h"
#include "hw/iommu/viommu.h"
#include "hw/qdev-properties.h"

/*
 * The properties that every model has; see viommu_describe() for what they are.
 * @_field: the VIOMMU in @_state.
 */
#define DEFINE_VIOMMU_PROPERTIES(_state, _field)                        \
    DEFINE_PROP_UINT32("iotlb-size", _state, _field.props.iotlb_size,   \
                       4096),                                           \
    DEFINE_PROP_UINT32("dma-cache-size", _state,                        \
                       _field.props.dma_cache_size, 4096),              \
    DEFINE_PROP_STRING("dma-mode", _state, _field.props.dma_mode),      \
    DEFINE_PROP_UINT32("drain-timeout", _state,                         \
                       _field.props.drain_timeout, 0),                  \
    DEFINE_PROP_UINT32("drain-stall-time", _state,                      \
                       _field.props.drain_stall_time, 1000),            \
    DEFINE_PROP_BOOL("sanitizer", _state, _field.props.sanitizer, false), \
    DEFINE_PROP_STRING("reserved-ranges", _state,                       \
                       _field.props.reserved_ranges),                   \
    DEFINE_PROP_BOOL("ram-in-windows", _state,                          \
                     _field.props.ram_in_windows, false)

/* What "-device ...,help" says of a property: what it does, and its unit */
typedef struct VIOMMUPropertyHelp {
    const char *name, *description;
} VIOMMUPropertyHelp;

/**
 * viommu_describe: the help text of the common properties, and of the model's
 * @n own.  In class_init, after device_class_set_props().
 */
void viommu_describe(ObjectClass *klass, const VIOMMUPropertyHelp *own,
                     unsigned n);

/** viommu_describe_each: of the @n at @help alone.  Likewise. */
void viommu_describe_each(ObjectClass *klass, const VIOMMUPropertyHelp *help,
                          unsigned n);

/* What is fixed for a model's device before it is realized */
typedef struct VIOMMUModel {
    const char *name;            /* "vtd": in traces and region names */
    const char *type;            /* "intel-iommu": in messages */
    const VIOMMUOps *ops;
    /*
     * .get_address_space is viommu_get_address_space; the opaque of all is the
     * VIOMMU.
     */
    const PCIIOMMUOps *pci_ops;
    /*
     * Bits, of IOMMU_WINDOW_DIRECT and _DIRECT_RELAXABLE: what the machine's
     * firmware tables tell the guest of (viommu_windows_rmrr() and the like),
     * at addresses that are multiples of @direct_align, a power of two.
     */
    unsigned direct_kinds;
    uint64_t direct_align;
} VIOMMUModel;

/* PCIIOMMUOps.get_address_space; @opaque is the VIOMMU. */
AddressSpace *viommu_get_address_space(PCIBus *bus, void *opaque, int devfn);

/**
 * viommu_realize: check the common properties, register the switch @policy if
 * it is not NULL (its .model, .bus are filled in here), set up the core part
 * at @v of the device @owner, and put it in front of the root bus @bus.
 *
 * Everything that can fail comes first, and it is the only step of a model's
 * realize after which nothing may fail: check the model's own properties before
 * it.  @v has been zeroed, but for its properties.
 *
 * Returns: false with @errp set, and nothing done, if a property is wrong,
 * @bus is NULL or has a vIOMMU already, or a device on it cannot be as
 * @policy says.
 */
bool viommu_realize(VIOMMU *v, const VIOMMUModel *model, Object *owner,
                    PCIBus *bus, VIOMMUPolicy *policy, Error **errp);

/**
 * viommu_window_memory: an access by @ep to @iova, where a model has a window
 * of its own (message interrupts), that is one to memory after all: it is
 * translated as anywhere else.  @data: of @size bytes, at most 4, little-endian
 * in memory; set by a read.  An access to a device's registers; BQL.
 */
MemTxResult viommu_window_memory(VIOMMUEndpoint *ep, hwaddr iova,
                                 uint64_t *data, unsigned size,
                                 MemTxAttrs attrs, bool is_write);

/**
 * viommu_windows_differ: has some device windows of its own (viommu-windows.h),
 * so that an endpoint may have others than its neighbour?
 */
bool viommu_windows_differ(void);

#endif
