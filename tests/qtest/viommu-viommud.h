/*
 * Machines whose unit is in a process of its own (qemu-viommud)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They have viommu-remote where the unit of the machine would have its
 * registers, and are driven as that is.
 */
#ifndef VIOMMU_VIOMMUD_H
#define VIOMMU_VIOMMUD_H

#include "viommu-unit.h"

/*
 * viommud_run: a qemu-viommud with @unit on @listener, which it closes here,
 * and with @option if that is not NULL.
 */
GPid viommud_run(int listener, const char *unit, const char *option);

/*
 * viommud_vtd_args, viommud_smmu_args: UnitOps.args, with a server that is
 * started for it.  viommud_end: the first of these; of two machines of a
 * migration the first one ends first.
 */
char *viommud_vtd_args(unsigned form, const char *props);
char *viommud_smmu_args(unsigned form, const char *props);
void viommud_end(void);

#endif
