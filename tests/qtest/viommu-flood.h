/*
 * An x-dma-bench whose threads read what is not mapped, as fast as they can
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_FLOOD_H
#define VIOMMU_FLOOD_H

#include "libqos/pci.h"

#define FLOOD_SLOT      5
#define FLOOD_SID       (FLOOD_SLOT << 3)
#define FLOOD_DEVICE    "-device x-dma-bench,addr=05.0 "

typedef struct Flood {
    QPCIDevice *pci;
    QPCIBar bar;
} Flood;

/* flood_open: the device of FLOOD_DEVICE; its requester ID is FLOOD_SID. */
void flood_open(Flood *f, QPCIBus *bus);
void flood_close(Flood *f);

/*
 * flood_run: each of @threads threads, without the BQL, reads @iova @count
 * times, each of which fails.  That is one write of a register: the main loop
 * does not come to anything until all of it is done.
 */
void flood_run(Flood *f, unsigned threads, uint64_t iova, unsigned count);

#endif
