/*
 * VT-d: the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_MIGRATION_H
#define HW_I386_VTD_MIGRATION_H

#include "migration/vmstate.h"
#include "vtd-internal.h"

extern const VMStateDescription vtd_vmstate;
void vtd_migration_init(IntelIOMMUState *s);

#endif
