/*
 * vIOMMU: what endpoints were told by ATS, and may keep
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.  Of fixed size: the last
 * VIOMMU_GRANTS translations that were asked for, and not dropped since.
 *
 * Callers take turns.
 */
#ifndef HW_IOMMU_VIOMMU_GRANTED_H
#define HW_IOMMU_VIOMMU_GRANTED_H

#include "hw/iommu/viommu-history.h"

#define VIOMMU_GRANTS 512

typedef struct VIOMMUGrants VIOMMUGrants;

VIOMMUGrants *viommu_grants_new(void);
void viommu_grants_free(VIOMMUGrants *g);

/** viommu_grants_bytes: the memory that it takes. */
size_t viommu_grants_bytes(void);

/**
 * viommu_grants_add: @page->owner was told @page.  What it was told of the same
 * page with the same attrs before it is not told any more; if there is no room
 * the oldest one of all is forgotten.
 */
void viommu_grants_add(VIOMMUGrants *g, const VIOMMUPastPage *page);

/**
 * viommu_grants_drop: @owner keeps nothing that overlaps @first .. @last, with
 * attrs like @attrs in the bits @mask.  Returns: how many that were.
 */
unsigned viommu_grants_drop(VIOMMUGrants *g, const void *owner, uint32_t attrs,
                            uint32_t mask, uint64_t first, uint64_t last);
void viommu_grants_clear(VIOMMUGrants *g);

/**
 * viommu_grants_next: the first one from place *@i on that @owner was told and
 * that leads to @addr, with all of @perm; *@i is behind it.  NULL: no more.
 */
const VIOMMUPastPage *viommu_grants_next(const VIOMMUGrants *g,
                                         const void *owner, uint64_t addr,
                                         uint8_t perm, unsigned *i);

/** viommu_grants_at: the one in place @i < VIOMMU_GRANTS, or NULL. */
const VIOMMUPastPage *viommu_grants_at(const VIOMMUGrants *g, unsigned i);

#endif
