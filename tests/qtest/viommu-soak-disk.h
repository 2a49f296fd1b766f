/*
 * Soak: a virtio disk with a thread of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SOAK_DISK_H
#define VIOMMU_SOAK_DISK_H

#include "viommu-unit.h"

#define SOAK_DISK_SLOT  10
#define SOAK_DISK_SID   (SOAK_DISK_SLOT << 3)

typedef struct SoakDisk SoakDisk;

/*
 * soak_disk_new: before the machine, which has the arguments of
 * soak_disk_args(); what the disk holds has bytes below 0x80.
 */
SoakDisk *soak_disk_new(GRand *rand);
char *soak_disk_args(const SoakDisk *d);
/*
 * soak_disk_place: a ring is mapped at @iova - 2 * UNIT_PAGE of @space; the
 * disk reads to pages from @iova on.
 */
void soak_disk_place(SoakDisk *d, Unit *unit, UnitSpace *space, uint64_t iova);
/* soak_disk_open: it is attached, and started.  As often as there is a reset */
void soak_disk_open(SoakDisk *d);
/* soak_disk_adopt: the machine is @unit from now on. */
void soak_disk_adopt(SoakDisk *d, Unit *unit);
void soak_disk_free(SoakDisk *d);

/*
 * soak_disk_round: as many requests as there is room for, to some of the
 * @pages pages, of which page i is or was mapped unless @at[i] < 0.  One that
 * comes too late for its page breaks the device, which is begun anew then.
 */
void soak_disk_round(SoakDisk *d, const int *at, unsigned pages);

/* Requests that were carried out, and how often it was begun anew */
uint64_t soak_disk_operations(const SoakDisk *d);
uint64_t soak_disk_broken(const SoakDisk *d);

#endif
