/*
 * VT-d: global command and status.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_GCMD_H
#define HW_I386_VTD_GCMD_H

#include "vtd-internal.h"

void vtd_gcmd_init(IntelIOMMUState *s);
void vtd_gcmd_written(IntelIOMMUState *s);
void vtd_gcmd_cancel(IntelIOMMUState *s);

#endif
