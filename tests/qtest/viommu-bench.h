/*
 * A workbench for translation tests: one unit, one edu device, one domain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_BENCH_H
#define VIOMMU_BENCH_H

#include "viommu-edu.h"
#include "viommu-vtd.h"

/* Always mapped, so that the device's buffer can be set and seen. */
#define BENCH_SOURCE_IOVA   0x1000ULL
#define BENCH_SINK_IOVA     0x2000ULL
#define BENCH_DID           11

#define BENCH_MARK          0xc7     /* what the device writes */
#define BENCH_BLANK         0x11

typedef struct Bench {
    VTD *vtd;
    Edu *edu;
    VTDDomain dom;
    uint64_t source, sink;   /* guest memory */
} Bench;

/*
 * bench_new: translation is on, the device attached to a domain of @levels.
 * @unit, @args: as vtd_start(), besides the device itself.
 */
Bench *bench_new(const char *unit, int levels, VTDForm form,
                 const char *args);
void bench_free(Bench *b);

/* bench_writes: does a device write at @iova reach @gpa? */
bool bench_writes(Bench *b, uint64_t iova, uint64_t gpa);
/* bench_reads: does a device read at @iova yield what is at @gpa? */
bool bench_reads(Bench *b, uint64_t iova, uint64_t gpa);
/* bench_works: both, and no fault came of it. */
void bench_works(Bench *b, uint64_t iova, uint64_t gpa);
/* bench_faults: neither; each access is recorded with its reason. */
void bench_faults(Bench *b, uint64_t iova, uint64_t gpa, uint8_t read_reason,
                  uint8_t write_reason);

#endif
