/*
 * Soak: network devices, two for each space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An e1000e and a virtio-net take frames that the test sends, in the writers'
 * pages.  Another of each sends numbered frames of the reader's pages, which
 * the test looks at: what they hold, and that a device which is not rid of a
 * frame yet has its pages.
 */
#ifndef VIOMMU_SOAK_NET_H
#define VIOMMU_SOAK_NET_H

#include "viommu-unit.h"

typedef struct SoakNet SoakNet;

/* soak_net_new: before the machine, which has soak_net_args(). */
SoakNet *soak_net_new(GRand *rand);
char *soak_net_args(const SoakNet *n);
/*
 * soak_net_place: rings are mapped below @iova in each of @spaces, the writers'
 * and the reader's, the data is in pages from @iova on.  All bytes of the
 * reader's are @allowed as long as they are mapped; the frames that are taken
 * have bytes below 0x80.
 */
void soak_net_place(SoakNet *n, Unit *unit, UnitSpace *const spaces[2],
                    uint64_t iova, uint8_t allowed);
/*
 * soak_net_attach: before translation is on; soak_net_open: after that.  Both
 * as often as there is a reset.
 */
void soak_net_attach(SoakNet *n);
void soak_net_open(SoakNet *n);
/* soak_net_adopt: the machine is @unit from now on. */
void soak_net_adopt(SoakNet *n, Unit *unit);
void soak_net_free(SoakNet *n);

/*
 * soak_net_round: the devices of space @side get buffers, or frames to send, in
 * some of the @pages pages, of which page i is or was mapped unless @at[i] < 0;
 * and frames are on their way to them.
 */
void soak_net_round(SoakNet *n, unsigned side, const int *at, unsigned pages);
/*
 * soak_net_begin: pages of space @side are about to change hands.
 * soak_net_end: 2^@order from @first on have; what the devices had mapped of
 * them before, they have not any more.
 */
void soak_net_begin(SoakNet *n, unsigned side);
void soak_net_end(SoakNet *n, unsigned side, unsigned first, unsigned order);
/* soak_net_wait: an invalidation waits for something; frames are looked at. */
void soak_net_wait(SoakNet *n);

/* Frames received and sent; how often a device was begun anew */
uint64_t soak_net_received(const SoakNet *n);
uint64_t soak_net_sent(const SoakNet *n);
uint64_t soak_net_broken(const SoakNet *n);

#endif
