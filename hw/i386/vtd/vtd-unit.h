/*
 * VT-d: the unit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_UNIT_H
#define HW_I386_VTD_UNIT_H

#include "vtd-internal.h"

/**
 * vtd_unit_init: all of @s that is the unit's own, after viommu_realize().
 * BQL.
 */
void vtd_unit_init(IntelIOMMUState *s);

/** vtd_unit_reset: as a system reset leaves it.  BQL. */
void vtd_unit_reset(IntelIOMMUState *s);

#endif
