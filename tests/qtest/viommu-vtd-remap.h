/*
 * A VT-d unit that remaps the interrupts of an edu device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_REMAP_H
#define VIOMMU_VTD_REMAP_H

#include "viommu-edu.h"
#include "viommu-vtd.h"

#define REMAP_LOG2      8
#define REMAP_ENTRIES   (1 << REMAP_LOG2)
/* What a fault record says of the entry @i */
#define REMAP_INFO(i)   ((uint64_t)(i) << 48)

typedef struct Remap {
    VTD *vtd;
    Edu *edu;
    uint64_t table;          /* of interrupt remapping, REMAP_ENTRIES */
} Remap;

/*
 * remap_new: two CPUs; remapping is on, and no entry present.  @unit:
 * properties; @irta_bits: VTD_IRTA_EIME; @args: more arguments
 */
Remap *remap_new(const char *unit, uint64_t irta_bits);
Remap *remap_new_args(const char *unit, uint64_t irta_bits, const char *args);
/*
 * remap_of: of a machine with an edu device at EDU_SID; remapping is off.
 * remap_enable: the queue, and remapping, are on from now on.
 */
Remap *remap_of(VTD *vtd);
void remap_enable(Remap *r, uint64_t irta_bits);
void remap_free(Remap *r);

void remap_put(Remap *r, unsigned index, uint64_t lo, uint64_t hi);
/* remap_flush: the interrupt entry cache, of an entry; _all: of all of them */
void remap_flush(Remap *r, unsigned index);
void remap_flush_all(Remap *r);
void remap_set_table(Remap *r, uint64_t irta);
/* remap_send: an MSI of the device through the entry @index */
void remap_send(Remap *r, unsigned index);

#endif
