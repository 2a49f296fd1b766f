/*
 * How long the BQL is held for us
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/dma-held.h"

/* What the host does meanwhile is not ours; where it cannot say, it is. */
static int64_t dma_held_cpu(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec ts;

    if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts)) {
        return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
    }
#endif
    return get_clock();
}

void dma_held_start(DMAHeld *held)
{
    if (bql_locked()) {
        held->clock = get_clock();
        held->cpu = dma_held_cpu();
    }
}

void dma_held_finish(const DMAHeld *held)
{
    int64_t cpu_ns = dma_held_cpu() - held->cpu;
    int64_t clock_ns = get_clock() - held->clock;
    DMAHeldSite *site = held->site;

    if (cpu_ns > site->cpu_ns || clock_ns > site->clock_ns) {
        site->cpu_ns = MAX(site->cpu_ns, cpu_ns);
        site->clock_ns = MAX(site->clock_ns, clock_ns);
        trace_dma_held(site->what, site->cpu_ns, site->clock_ns);
    }
}
