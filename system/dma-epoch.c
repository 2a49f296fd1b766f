/*
 * Epochs of short DMA accesses outside the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two pairs of "store mine, full barrier, load yours" carry the protocol; of
 * two threads that both do so, at least one sees the other's store.
 *
 *   enter: slot = epoch  | barrier | read IOTLB, tables
 *   next:  (removal)     | barrier | passed: read the slots
 *
 * Either the invalidator sees the slot open, or the thread sees the removal.
 * If no slot is open, whatever the epoch, there is nobody to be told apart from
 * those who come later, and the barrier is all that is needed of "next".
 *
 *   exit:   slot = 0     | barrier | read waiting
 *   passed: waiting = 1  | barrier | read the slots again
 *
 * Either the invalidator sees the slot closed, or the thread sees that someone
 * waits and wakes it.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-epoch.h"

/*
 * One thread's slot.  Slots are pushed on a list and never freed, since a scan
 * may be looking at any of them; that of an exited thread is taken over by the
 * next new one.  The padding keeps two threads off one cache line.
 */
typedef struct DMAEpochSlot {
    uint64_t epoch;                 /* epoch when it was opened; 0: closed */
    bool owned;                     /* some thread has it */
    struct DMAEpochSlot *next;      /* constant once it is on the list */
    char pad[128];
} DMAEpochSlot;

static DMAEpochSlot *slots;
static uint64_t current_epoch = 1;
static bool waiting;
static void (*wake_fn)(void);

static __thread DMAEpochSlot *my_slot;
static __thread unsigned my_depth;

/*
 * The thread exits.  If a later destructor of the same thread does DMA after
 * all, it registers anew, and glib calls this again.
 */
static void slot_release(void *opaque)
{
    DMAEpochSlot *slot = opaque;

    assert(my_depth == 0);
    my_slot = NULL;
    qatomic_store_release(&slot->owned, false);
}

static GPrivate slot_at_exit = G_PRIVATE_INIT(slot_release);

static DMAEpochSlot *slot_register(void)
{
    DMAEpochSlot *slot, *head;

    for (slot = qatomic_load_acquire(&slots); slot; slot = slot->next) {
        if (!qatomic_read(&slot->owned) &&
            !qatomic_cmpxchg(&slot->owned, false, true)) {
            break;
        }
    }
    if (!slot) {
        slot = g_new0(DMAEpochSlot, 1);
        slot->owned = true;
        head = qatomic_read(&slots);
        do {
            slot->next = head;
            head = qatomic_cmpxchg(&slots, slot->next, slot);
        } while (head != slot->next);
    }
    g_private_set(&slot_at_exit, slot);
    my_slot = slot;
    return slot;
}

/*
 * Not inlined: in a coroutine the address of a thread-local variable must not
 * be kept over a yield, after which the thread may be another.  (Nothing may
 * yield inside a slot.)
 */
__attribute__((noinline)) void dma_epoch_open(void)
{
    DMAEpochSlot *slot = my_slot;

    if (my_depth++) {
        return;
    }
    if (unlikely(!slot)) {
        slot = slot_register();
    }
    /*
     * Release, so that an invalidator that sees this value, not the 0 before
     * it, has what the slot's earlier uses did, too.
     */
    qatomic_store_release(&slot->epoch, qatomic_read(&current_epoch));
}

void dma_epoch_enter(void)
{
    dma_epoch_open();
    /* The slot is seen open, or the removal is seen by us. */
    smp_mb();
}

__attribute__((noinline)) bool dma_epoch_close(void)
{
    assert(my_depth > 0);
    if (--my_depth) {
        return false;
    }
    qatomic_store_release(&my_slot->epoch, 0);
    return true;
}

void dma_epoch_closed(void)
{
    void (*wake)(void);

    if (unlikely(qatomic_read(&waiting)) && qatomic_xchg(&waiting, false)) {
        wake = qatomic_load_acquire(&wake_fn);
        if (wake) {
            wake();
        }
    }
}

void dma_epoch_exit(void)
{
    if (dma_epoch_close()) {
        /* The slot is seen closed, or the waiter is seen by us. */
        smp_mb();
        dma_epoch_closed();
    }
}

__attribute__((noinline)) bool dma_epoch_active(void)
{
    return my_depth > 0;
}

uint64_t dma_epoch_next(void)
{
    uint64_t epoch;

    epoch = qatomic_fetch_inc(&current_epoch) + 1;
    /* The removal before this; the reads of the slots after it. */
    smp_mb__after_rmw();
    return epoch;
}

static bool slots_passed(uint64_t epoch)
{
    DMAEpochSlot *slot;
    uint64_t opened;

    for (slot = qatomic_load_acquire(&slots); slot; slot = slot->next) {
        opened = qatomic_load_acquire(&slot->epoch);
        if (opened && opened < epoch) {
            return false;
        }
    }
    return true;
}

/*
 * Loads in their order, also for who looks from a third processor: where each
 * processor sees stores when all others do, and loads stay in order, there is
 * nothing to be done for that.
 */
#if defined(__x86_64__) || defined(__i386__) || defined(__s390x__)
#define smp_rmb_for_all() smp_rmb()
#else
#define smp_rmb_for_all() smp_mb()
#endif

bool dma_epoch_idle(void)
{
    /*
     * What was not found there any more another user may have displaced, behind
     * the caller's full barrier.  The slots are read after that was seen.
     */
    smp_rmb_for_all();
    return slots_passed(UINT64_MAX);
}

bool dma_epoch_passed(uint64_t epoch)
{
    if (slots_passed(epoch)) {
        return true;
    }
    qatomic_set(&waiting, true);
    /* What closed before it could see the flag is seen closed here. */
    smp_mb();
    return slots_passed(epoch);
}

void dma_epoch_set_wake(void (*wake)(void))
{
    qatomic_store_release(&wake_fn, wake);
}
