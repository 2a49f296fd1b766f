/*
 * Firmware tables: what is mapped one to one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DMAR's RMRR, IVRS' IVMD, IORT's RMR, and e820, made of the direct windows of
 * the endpoints that the guest is told of.  Pure: the buses are described by
 * the caller, with VIOMMUFunction.windows, and the tables are bytes.  No locks;
 * each function may run on any thread on data of its own.  None appends
 * anything if there is no such window.
 */
#ifndef HW_IOMMU_VIOMMU_DIRECT_H
#define HW_IOMMU_VIOMMU_DIRECT_H

#include "hw/iommu/viommu-listed.h"

/* The machine's buses that are behind a vIOMMU, as they are now */
typedef struct VIOMMUDirect {
    VIOMMUBus *const *roots;
    unsigned n;
    /* What every endpoint has, also one that comes later; not NULL */
    const IOMMUWindows *all;
} VIOMMUDirect;

/*
 * viommu_direct_each: call @fn for each direct window that some listed endpoint
 * has, once, in ascending order of where it begins.
 */
typedef void VIOMMUDirectFn(const IOMMUWindow *w, void *opaque);
void viommu_direct_each(const VIOMMUDirect *d, VIOMMUDirectFn *fn,
                        void *opaque);

/* viommu_direct_union: add all of them to @list, as direct ones. */
void viommu_direct_union(const VIOMMUDirect *d, IOMMUWindows *list);

/*
 * viommu_direct_rmrr: append to @table the RMRR structures (VT-d 8.4).  What
 * all endpoints have is said of bridges, with what is or will be behind them.
 */
void viommu_direct_rmrr(const VIOMMUDirect *d, GByteArray *table);

/*
 * viommu_direct_ivmd: append to @table the IVMD blocks (AMD IOMMU 5.2.3), for
 * reading and writing: one for all, or for each run of requester IDs.
 */
void viommu_direct_ivmd(const VIOMMUDirect *d, GByteArray *table);

/*
 * viommu_direct_rmr: append to @nodes the RMR nodes (DEN 0049E.d, 3.1.1.5) with
 * identifiers from @id on, for StreamIDs of the SMMU whose node is at @smmu.
 * Windows have to be at pages of 64 KiB.
 * Returns: how many nodes.
 */
unsigned viommu_direct_rmr(const VIOMMUDirect *d, GByteArray *nodes,
                           uint32_t smmu, uint32_t id);

/*
 * viommu_direct_e820: append to @out the entries of @table, @len bytes, without
 * what @list takes of memory, and then what @list has as reserved.
 */
void viommu_direct_e820(const uint8_t *table, size_t len,
                        const IOMMUWindows *list, GByteArray *out);

#endif
