/*
 * Epochs of short DMA accesses outside the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers and qatomic_*.
 *
 * A thread that translates and copies without the BQL opens its slot before
 * it translates and closes it after the copy.  An invalidator first removes
 * the translation, then takes a new epoch: whoever opened a slot before that
 * may still use the old translation, whoever opens one later cannot.  The
 * removed translation is unused once dma_epoch_passed() says so.
 *
 * The protocol is modelled in tests/model/dma-drain.pml.
 */
#ifndef SYSTEM_DMA_EPOCH_H
#define SYSTEM_DMA_EPOCH_H

/**
 * dma_epoch_enter: open the calling thread's slot.  Nests.
 *
 * Any thread; registers the thread on first use.  Everything that the thread
 * reads afterwards (IOTLB, tables) is read after the slot is visible.
 */
void dma_epoch_enter(void);

/**
 * dma_epoch_exit: close the slot again.
 *
 * Whatever the thread did inside is visible to whoever sees the slot closed.
 * If an invalidator is waiting, its wake function is called, from this thread.
 */
void dma_epoch_exit(void);

/*
 * The same in parts, for a caller who needs full barriers of its own at these
 * places and would otherwise pay for them twice.
 *
 * dma_epoch_open: what the thread reads is ordered by the caller, who issues a
 *                 full barrier before it reads the first translation.
 * dma_epoch_close: if it returns true, the slot is closed, and the caller
 *                  issues a full barrier and then calls
 * dma_epoch_closed: wakes whoever waits.
 */
void dma_epoch_open(void);
bool dma_epoch_close(void);
void dma_epoch_closed(void);

/** dma_epoch_active: is the calling thread inside a slot? */
bool dma_epoch_active(void);

/**
 * dma_epoch_next: begin a new epoch, after the removal.  Any thread.
 *
 * Returns: the epoch to hand to dma_epoch_passed().
 */
uint64_t dma_epoch_next(void);

/**
 * dma_epoch_passed: is every slot that was open before @epoch began closed?
 *
 * The calling thread's own slot counts too: nobody may block on the answer.
 * If it is no, the wake function will be called after the next close
 * of any slot (it may be called more often, and before this has returned), so
 * that the caller can ask again.
 * Any thread.
 */
bool dma_epoch_passed(uint64_t epoch);

/**
 * dma_epoch_idle: is every slot closed?  Then whoever opened one before the
 * removal has closed it, and there is no need of an epoch.  Any thread, after
 * the removal and a full barrier; what others removed, or displaced, before it
 * was looked for may have gone behind that.
 */
bool dma_epoch_idle(void);

/**
 * dma_epoch_set_wake: who is told that a slot closed while someone waits.
 * @wake runs on the closing thread and must only schedule.  Set once.
 */
void dma_epoch_set_wake(void (*wake)(void));

#endif
