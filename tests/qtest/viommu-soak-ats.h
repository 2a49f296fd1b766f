/*
 * Soak: a device that keeps translations of its own, by ATS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SOAK_ATS_H
#define VIOMMU_SOAK_ATS_H

#include "viommu-sva.h"

#define SOAK_ATS_DEVICE SVA_DEVICE " "

typedef struct SoakATS SoakATS;

/* soak_ats_new: the device writes to @pages pages at @iova. */
SoakATS *soak_ats_new(uint64_t iova, unsigned pages, GRand *rand);
void soak_ats_free(SoakATS *a);

/* soak_ats_open: of the machine @unit, which was started or reset. */
void soak_ats_open(SoakATS *a, Unit *unit);
/* soak_ats_adopt: of another process, in which it has what it had. */
void soak_ats_adopt(SoakATS *a, Unit *unit);
/* soak_ats_round: contexts that are at rest are told to write something. */
void soak_ats_round(SoakATS *a);
/* soak_ats_release: those that wait with a translation in use go on. */
void soak_ats_release(SoakATS *a);
/* How many pages have been written by commands that have ended */
uint64_t soak_ats_operations(const SoakATS *a);

#endif
