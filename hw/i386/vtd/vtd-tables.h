/*
 * VT-d: root and context entries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_TABLES_H
#define HW_I386_VTD_TABLES_H

#include "vtd-internal.h"

extern const VIOMMUOps vtd_viommu_ops;

/** vtd_latch_root: RTADDR into use (SRTP).  BQL. */
void vtd_latch_root(IntelIOMMUState *s);

#endif
