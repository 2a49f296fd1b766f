/*
 * The vIOMMUs of this machine, for whoever asks from outside (QMP)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_REGISTRY_H
#define HW_IOMMU_VIOMMU_REGISTRY_H

#include "qapi/qapi-types-viommu.h"
#include "qemu/queue.h"

typedef struct VIOMMURegistration VIOMMURegistration;
/* How far a listing of what is in flight has come; all 0: not begun */
typedef struct VIOMMUFlightCursor {
    uint64_t unit, endpoint; /* so many are done with */
    uint64_t word[6];        /* of this endpoint's; viommu-query-dma.c's */
} VIOMMUFlightCursor;

/* What can be asked of a vIOMMU; see qapi/viommu.json.  All: BQL. */
typedef struct VIOMMUQueries {
    /* info: everything about this vIOMMU. */
    VIOMMUInfo *(*info)(VIOMMURegistration *reg);
    /* find: the endpoint that is called @device, or NULL. */
    void *(*find)(VIOMMURegistration *reg, const char *device);
    /* find_tag: one whose DMA is in the domain @tag, or NULL. */
    void *(*find_tag)(VIOMMURegistration *reg, uint64_t tag, uint32_t pasid);
    /* @endpoint: what one of these two said */
    VIOMMUTranslation *(*translate)(void *endpoint, uint64_t iova, bool write,
                                    uint32_t pasid);
    VIOMMUMapping *(*map)(void *endpoint, uint32_t pasid, uint64_t start,
                          uint32_t max);
    /*
     * in_flight: append at most *@left maps, of @endpoint or, NULL, of all, to
     * *@tail, from @at on, and count *@left down.
     * Returns: true if that was all.
     */
    bool (*in_flight)(VIOMMURegistration *reg, void *endpoint,
                      VIOMMUFlightCursor *at, VIOMMUFlightList ***tail,
                      uint32_t *left);
    /* windows: those of all endpoints. */
    VIOMMUUnitWindows *(*windows)(VIOMMURegistration *reg);
} VIOMMUQueries;

struct VIOMMURegistration {
    const VIOMMUQueries *queries;
    /* driver_ok: as viommu_driver_ok().  BQL. */
    void (*driver_ok)(VIOMMURegistration *reg, const VirtIODevice *vdev);
    /* bus_numbered: as viommu_bus_numbered().  BQL. */
    void (*bus_numbered)(VIOMMURegistration *reg, PCIBus *bus);
    /*
     * memory_ok: as viommu_memory_ok(); if it is false, *@next is the first
     * address behind the window.  BQL.
     */
    bool (*memory_ok)(VIOMMURegistration *reg, uint64_t first, uint64_t last,
                      uint64_t *next, Error **errp);
    QTAILQ_ENTRY(VIOMMURegistration) next;
};

/* Who sees the guest's memory at its own addresses, and is behind no vIOMMU */
typedef struct VIOMMUMemoryUser {
    /* memory_ok: as a VIOMMURegistration's.  BQL. */
    bool (*memory_ok)(uint64_t first, uint64_t last, uint64_t *next,
                      Error **errp);
    QTAILQ_ENTRY(VIOMMUMemoryUser) next;
} VIOMMUMemoryUser;

/* BQL */
void viommu_register(VIOMMURegistration *reg);
void viommu_unregister(VIOMMURegistration *reg);

/* viommu_memory_user_register: @user, for good.  Main thread, at the start. */
void viommu_memory_user_register(VIOMMUMemoryUser *user);

/*
 * viommu_driver_ok: the driver of @vdev, which no vIOMMU translates, begins to
 * use it.  BQL.
 */
void viommu_driver_ok(const VirtIODevice *vdev);

/*
 * viommu_bus_numbered: @bus, behind a bridge, may have got another number, and
 * with it those who do DMA there another requester ID.  Anybody may call it at
 * any time: nothing happens if it has not.  BQL.
 */
void viommu_bus_numbered(PCIBus *bus);

/*
 * viommu_memory_ok: may a memory device be plugged in at @first .. @last?
 * Returns: false with @errp set if that is in a window of a device that sees
 * memory at its own addresses.  BQL.
 */
bool viommu_memory_ok(uint64_t first, uint64_t last, Error **errp);

/*
 * viommu_memory_moves: where nobody has chosen an address for a memory device
 * and it would be at @range, which viommu_memory_ok() refuses, let it be behind
 * the window, at a multiple of @align.
 * Returns: false if it stays where it is.  BQL.
 */
bool viommu_memory_moves(Range *range, uint64_t align);

#endif
