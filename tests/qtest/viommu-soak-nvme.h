/*
 * Soak: two NVMe controllers, one for each space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One reads from its disk to the writers' pages, the other writes to its own
 * what the reader's pages hold.  Their PRP lists are in pages that change
 * hands, too: one that has been taken away leads to a page that the controller
 * must not touch.
 */
#ifndef VIOMMU_SOAK_NVME_H
#define VIOMMU_SOAK_NVME_H

#include "viommu-unit.h"

typedef struct SoakNvme SoakNvme;

/* soak_nvme_new: before the machine, which has soak_nvme_args(). */
SoakNvme *soak_nvme_new(GRand *rand);
char *soak_nvme_args(const SoakNvme *n);
/*
 * soak_nvme_place: queues and lists are mapped below @iova in each of @spaces,
 * the writers' and the reader's; the data is in pages from @iova on.  All bytes
 * of the reader's are @allowed as long as they are mapped, and @forbidden when
 * they are not; the disk that is read has bytes below 0x80.
 */
void soak_nvme_place(SoakNvme *n, Unit *unit, unsigned form,
                     UnitSpace *const spaces[2], uint64_t iova,
                     uint8_t allowed, uint8_t forbidden);
/*
 * soak_nvme_attach: before translation is on; soak_nvme_open: after that.  Both
 * as often as there is a reset.
 */
void soak_nvme_attach(SoakNvme *n);
void soak_nvme_open(SoakNvme *n);
void soak_nvme_free(SoakNvme *n);

/*
 * soak_nvme_round: the controller of space @side gets as many commands as there
 * is room for, for some of the @pages pages, of which page i is or was mapped
 * unless @at[i] < 0; some of the writers' come too late, and are for another.
 * What has been done is checked.
 */
void soak_nvme_round(SoakNvme *n, unsigned side, const int *at,
                     unsigned pages);
/* soak_nvme_lists: now and then one of its lists changes hands. */
void soak_nvme_lists(SoakNvme *n, unsigned side);
/* soak_nvme_check: no page was touched that must not be. */
void soak_nvme_check(SoakNvme *n);

/* Commands that succeeded, did not, or came late; lists that changed hands */
uint64_t soak_nvme_operations(const SoakNvme *n);
uint64_t soak_nvme_failed(const SoakNvme *n);
uint64_t soak_nvme_late(const SoakNvme *n);
uint64_t soak_nvme_moved(const SoakNvme *n);

#endif
