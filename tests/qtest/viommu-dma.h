/*
 * A workbench for the DMA translation cache: one unit, one domain, and an
 * x-dma-bench that reads, writes and maps, with and without the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_DMA_H
#define VIOMMU_DMA_H

#include "hw/misc/x-dma-bench.h"
#include "viommu-vtd.h"

#define DMA_SLOT        4
#define DMA_SID         (DMA_SLOT << 3)
#define DMA_DID         21
/* Nothing else lies there: not the guest's tables, nor any memory of theirs. */
#define DMA_IOVA        0x10000000ULL
/* Below what libqos gives to others */
#define DMA_BAR         0xd8000000U
/* What devices never write */
#define DMA_MARK        0xa7

typedef struct DMARig {
    VTD *vtd;
    QPCIDevice *pci;
    VTDDomain dom;
    unsigned threads;        /* in the background */
} DMARig;

/*
 * dma_new: translation is on, by queue, and the device attached to an empty
 * domain of 4 levels.  @cached: with the unit's DMA translation cache, if it
 * has one; else without.  @args: as vtd_start(), besides the device itself.
 */
DMARig *dma_new(bool cached, const char *args);
/*
 * dma_of: the same in a machine that is there, and has the device; dma_setup:
 * again, after a reset.
 */
DMARig *dma_of(VTD *vtd);
void dma_setup(DMARig *rig);
void dma_free(DMARig *rig);
/* dma_unit_args: "-device intel-iommu..." of a rig, for a second machine. */
char *dma_unit_args(bool cached);
#define DMA_DEVICE "-device x-dma-bench,addr=04.0 "
/* dma_place: give the device its BAR, as after a reset. */
void dma_place(DMARig *rig);

/*
 * dma_run: one run over @pages pages from @iova on, of @length bytes each, in
 * @threads threads (0: with the BQL).  Returns: how many operations failed.
 */
uint64_t dma_run(DMARig *rig, XDBCommand command, unsigned threads,
                 uint64_t iova, uint64_t length, unsigned pages);

/*
 * dma_keep: map @pages pages from @iova on, and keep them mapped; dma_let_go:
 * no longer.
 */
void dma_keep(DMARig *rig, uint64_t iova, unsigned pages);
void dma_let_go(DMARig *rig);

/* Runs in the background.  XDB_READ_NOT: what is marked. */
void dma_start(DMARig *rig, XDBCommand command, unsigned threads,
               uint64_t iova, uint64_t length, unsigned pages);
/*
 * dma_go_on: wait until the only thread's operation of now is over, or the
 * threads have done as many in all.  Returns: operations so far.
 */
uint64_t dma_go_on(DMARig *rig);
/*
 * dma_run_held: dma_run() in one thread, while the BQL is held.  Returns: true
 * if it came to an end; false if it wanted the BQL.
 */
bool dma_run_held(DMARig *rig, XDBCommand command, uint64_t iova,
                  uint64_t length, unsigned pages);
/*
 * dma_stall_rcu: from when it returns until dma_unstall_rcu(), or until
 * dma_is_rcu_stalled() says no, no callback of call_rcu() is called.
 */
void dma_stall_rcu(DMARig *rig);
bool dma_is_rcu_stalled(DMARig *rig);
void dma_unstall_rcu(DMARig *rig);
/* dma_errors: how many operations have failed so far; dma_stop: in all. */
uint64_t dma_errors(DMARig *rig);
uint64_t dma_stop(DMARig *rig);

/* dma_mark: fill guest memory with DMA_MARK; dma_is_marked: is it still? */
void dma_mark(DMARig *rig, uint64_t gpa, unsigned pages);
bool dma_is_marked(DMARig *rig, uint64_t gpa, unsigned pages);

/*
 * dma_reads, dma_writes: does any way of reading at @iova see what is at @gpa;
 * does any way of writing change it?  All ways agree, or the test fails.
 * @gpa's page is marked for that, and zero afterwards.  They do it more than
 * once, so that what can be cached is cached then.
 */
bool dma_reads(DMARig *rig, uint64_t iova, uint64_t gpa);
bool dma_writes(DMARig *rig, uint64_t iova, uint64_t gpa);
/*
 * The same where the guest cannot look at the same time: it is marked before
 * (dma_mark()), and looked at afterwards.
 */
bool dma_reads_mark(DMARig *rig, uint64_t iova);
void dma_write_all_ways(DMARig *rig, uint64_t iova);

/* dma_reaches, dma_misses: both of them, and neither of them */
void dma_reaches(DMARig *rig, uint64_t iova, uint64_t gpa);
void dma_misses(DMARig *rig, uint64_t iova, uint64_t gpa);

/* dma_inv: invalidate by queue and wait; @iova matters to VTD_PAGE. */
void dma_inv(DMARig *rig, VTDScope scope, uint64_t iova);

/* dma_add: a test of @fn that is given whether to use the cache. */
void dma_add(const char *name, void (*fn)(bool cached));

#endif
