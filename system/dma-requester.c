/*
 * Whose access is being dispatched
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A region that all endpoints see at the same place, in one view that they
 * share, is not told through which address space an access came, and
 * MemTxAttrs say it of few.  So the memory core notes it for the time of the
 * access.
 *
 * Both functions are in a file of their own, and not inlined: in a coroutine
 * the address of a thread-local variable must not be kept over a yield, after
 * which the thread may be another.  (Nothing may yield inside an access.)
 */
#include "qemu/osdep.h"
#include "system/dma-inflight.h"

static __thread DMAInflight *requester;

__attribute__((noinline)) DMAInflight *dma_requester(void)
{
    return requester;
}

__attribute__((noinline))
DMAInflight *dma_requester_set(DMAInflight *inflight)
{
    DMAInflight *outer = requester;

    requester = inflight;
    return outer;
}
