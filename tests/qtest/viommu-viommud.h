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
 * viommud_vtd_args, _vtd_sm_args, _smmu_args: UnitOps.args, with a server that
 * is started for it.  Of @props viommu-remote gets those that it has, and the
 * server the others.
 * viommud_end: the first of these servers, if there is one; of two machines of
 * a migration the first one ends first.  Nothing between unit_use() and its
 * end.
 */
char *viommud_vtd_args(unsigned form, const char *props);
char *viommud_vtd_sm_args(unsigned form, const char *props);
char *viommud_smmu_args(unsigned form, const char *props);
void viommud_end(void);
/*
 * viommud_plain: run these as a user who may do nothing (nobody), if this is
 * the superuser; who else runs them has nothing to give up.  Or as before.
 * Returns: false if nobody cannot be become.
 */
bool viommud_plain(bool plain);
/* viommud_pid: of the server that was started last */
GPid viommud_pid(void);

/*
 * viommud_start: UnitOps.start of @ops: the machine that @ops->args() says,
 * started by @start.
 */
Unit *viommud_start(const UnitOps *ops, unsigned form, const char *props,
                    const char *args,
                    Unit *(*start)(const char *machine, const char *args));

#endif
