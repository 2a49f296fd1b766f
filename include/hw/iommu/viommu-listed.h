/*
 * Which requesters firmware tables list, and what a table that the guest has
 * read lists
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: the buses are described by the caller, and the tables are bytes.  No
 * locks; each function may run on any thread on data of its own.
 */
#ifndef HW_IOMMU_VIOMMU_LISTED_H
#define HW_IOMMU_VIOMMU_LISTED_H

#include <glib.h>
#include "hw/iommu/windows.h"

typedef struct VIOMMUBus VIOMMUBus;

typedef struct VIOMMUFunction {
    uint8_t devfn;
    bool translated;         /* of an endpoint: is what it does? */
    bool root_port;
    VIOMMUBus *below;        /* of a bridge: its secondary bus; else NULL */
    /* For viommu-direct.h alone; the first is the caller's, NULL: none */
    const IOMMUWindows *windows;
    uint16_t requester;      /* the ID that its DMA has */
} VIOMMUFunction;

struct VIOMMUBus {
    uint8_t number, last;    /* secondary and subordinate; 0, 0: no number */
    bool shared;             /* conventional: all on it are one requester */
    bool open;               /* something can be plugged in */
    bool open_translated;    /* which would be translated */
    unsigned n;
    VIOMMUFunction *functions;  /* @n of them, in ascending order */
};

typedef enum VIOMMUListed {
    VIOMMU_LISTED_NONE,      /* the device, or everything below it, bypasses */
    VIOMMU_LISTED_SOME,      /* of what is below the bridge */
    VIOMMU_LISTED_ALL,
} VIOMMUListed;

/* A set of requester IDs */
#define VIOMMU_RIDS 0x10000

typedef struct VIOMMURids {
    uint64_t words[VIOMMU_RIDS / 64];
} VIOMMURids;

static inline bool viommu_rids_have(const VIOMMURids *rids, uint16_t rid)
{
    return rids->words[rid / 64] >> (rid % 64) & 1;
}

/* viommu_rids_set: @first..@last (both included) are in the set, or are not. */
void viommu_rids_set(VIOMMURids *rids, uint16_t first, uint16_t last,
                     bool listed);

typedef void VIOMMURidFn(uint32_t first, uint32_t last, void *opaque);

/*
 * viommu_rids_each: call @fn for each range of what is in the set of
 * @first..@last, in ascending order, ranges as long as possible.
 */
void viommu_rids_each(const VIOMMURids *rids, uint16_t first, uint16_t last,
                      VIOMMURidFn *fn, void *opaque);

/*
 * viommu_function_listed: is @fn translated, or what is below it if it is a
 * bridge?  An empty slot counts as what would be plugged into it.  A shared
 * bus is listed if any of it is, because it is one requester: never "some".
 */
VIOMMUListed viommu_function_listed(const VIOMMUFunction *fn);

/*
 * viommu_bus_unnumbered: the same of all that is below those bridges on @bus
 * whose secondary bus has no number.  All, if there is no such bridge.
 */
VIOMMUListed viommu_bus_unnumbered(const VIOMMUBus *bus);

/*
 * viommu_bus_unlist: take from @rids what is on @bus and below it and is not
 * listed.  What is on buses without numbers has no ID.
 */
void viommu_bus_unlist(const VIOMMUBus *bus, VIOMMURids *rids);

/*
 * viommu_dmar_scopes: append to @blob the device scopes (VT-d 8.3.1) of what is
 * listed of function @i of the root bus @root, and of what is below it.
 */
void viommu_dmar_scopes(GByteArray *blob, const VIOMMUBus *root, unsigned i);

/*
 * viommu_dmar_scopes_with: the same, but only of endpoints that have the window
 * @w among their windows, and each by itself.
 */
void viommu_dmar_scopes_with(GByteArray *blob, const VIOMMUBus *root,
                             unsigned i, const IOMMUWindow *w);

/* viommu_function_has: is @w, just as it is, one of @fn's windows? */
bool viommu_function_has(const VIOMMUFunction *fn, const IOMMUWindow *w);

/*
 * viommu_dmar_ports: append to @blob the device scopes of those root ports of
 * @root that have something listed below.  True if that is all of them, with
 * all that is below.
 */
bool viommu_dmar_ports(GByteArray *blob, const VIOMMUBus *root);

/*
 * viommu_told: what DMAR, IORT and VIOT in @tables, one ACPI table after
 * another in @len bytes, list as being behind a remapping unit, an SMMUv3, a
 * virtio-iommu.  @roots, @n of them, are the root buses, numbered as they were
 * when the guest read the tables.  False if there is no such table, or no unit
 * in it.  Reads nothing outside, and ends, whatever the bytes are; what is
 * malformed lists nothing.
 */
bool viommu_told(VIOMMURids *rids, const uint8_t *tables, size_t len,
                 VIOMMUBus *const *roots, unsigned n);

#endif
