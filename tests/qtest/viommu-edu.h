/*
 * The edu device as a source of DMA: small reads and writes on demand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Its DMA engine moves up to 4 KiB between memory and a buffer of its own, 100
 * virtual milliseconds after it was told to.  Both functions step the clock,
 * so that the transfer is over when they return.
 */
#ifndef VIOMMU_EDU_H
#define VIOMMU_EDU_H

#include "viommu-unit.h"

/* Devices of the tests sit in this slot unless they say otherwise. */
#define EDU_SLOT 4
#define EDU_SID (EDU_SLOT << 3)
/* Lets the device use all address bits instead of 28. */
#define EDU_DEVICE "-device edu,addr=04.0,dma_mask=0xffffffffffffffff "

typedef struct Edu {
    Unit *unit;
    QPCIDevice *pci;
    QPCIBar bar;
} Edu;

Edu *edu_new(Unit *unit, int devfn);
void edu_free(Edu *edu);

/* edu_load: device buffer <- memory; edu_store: memory <- device buffer. */
void edu_load(Edu *edu, uint64_t iova, unsigned len);
void edu_store(Edu *edu, uint64_t iova, unsigned len);

/* edu_msi: point its MSI somewhere; edu_raise: send it. */
void edu_msi(Edu *edu, uint64_t addr, uint16_t data);
void edu_raise(Edu *edu);

#endif
