/*
 * What a sanitizer has found: what its tests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SANITIZER_H
#define VIOMMU_SANITIZER_H

#include "qobject/qdict.h"
#include "viommu-rig.h"

#define SAN_OFFSET  0x10
#define SAN_LEN     512
/* Longer than a forgotten invalidation takes to be told of, ns */
#define SAN_LONG    (4 * 1000 * 1000 * 1000LL)

/* san_rig: a rig, the model's driver's way, with properties @props. */
RigOptions san_options(const char *props, const char *args);
Rig *san_rig(const char *props);

/* san_unit: what query-viommu says of its first unit */
QDict *san_unit(Rig *rig);
unsigned san_count(Rig *rig);
/* A number of its member "stale" */
uint64_t san_stale(Rig *rig, const char *name);

/* san_refused: the device writes to @iova, and is refused. */
void san_refused(Rig *rig, uint64_t iova);
/*
 * san_settle: what was refused has ended: its data goes there once more, when
 * the disk has it, and that faults, too.
 */
void san_settle(Rig *rig);
/* san_allowed: the device reads @iova, and may. */
void san_allowed(Rig *rig, uint64_t iova);
void san_map(Rig *rig, uint64_t iova, uint64_t gpa, unsigned perms);
/*
 * san_map_new: where nothing was; as a driver does it, which invalidates that
 * on a unit that may keep it.
 */
void san_map_new(Rig *rig, uint64_t iova, uint64_t gpa, unsigned perms);
/* san_unmap: as a driver does it that waits for the invalidation */
void san_unmap(Rig *rig, uint64_t iova, UnitScope scope);

typedef struct SanFinding {
    const char *kind;
    const char *device;      /* NULL: the disk, or none */
    bool no_device;          /* it is about the unit */
    bool no_iova;
    uint64_t iova;
    enum { SAN_WRITE, SAN_READ, SAN_NEITHER } access;
    const char *words, *more;    /* are in the message; NULL: nothing */
} SanFinding;

/* san_assert: there is this one finding, and its event has come. */
void san_assert(Rig *rig, const SanFinding *want);
/* san_assert_none: there is no finding, whatever time passes, nor an event. */
void san_assert_none(Rig *rig);

#endif
