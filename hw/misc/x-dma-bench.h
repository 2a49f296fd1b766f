/*
 * x-dma-bench: a PCI device that issues DMA in a loop and times it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For test builds only (CONFIG_VIOMMU_BENCH).  A write to CMD runs the loop
 * before it returns; then STATUS and the results can be read.  The same file is
 * compiled into the untouched base, so it uses nothing but the base's API.
 *
 * A command with XDB_BACKGROUND returns at once; its threads go on for COUNT
 * operations (0: without end), however long that takes, or until CMD is
 * XDB_STOP, which returns when they have ended.  In between OPS and ERRORS say
 * how far they are (from time to time), and the other registers are read-only.
 * They also end, and do not begin again, when the machine stops or the device
 * is reset.
 *
 * A command with XDB_HOLD keeps the BQL until its threads have ended, for
 * XDB_HOLD_MS at the most: XDB_S_HELD says that they had not by then, because
 * one of them wants it.
 *
 * BAR 0: little endian; 32-bit accesses, and 64-bit ones where aligned.  While
 * a run is under way, accesses to the device from elsewhere are refused.
 */
#ifndef HW_MISC_X_DMA_BENCH_H
#define HW_MISC_X_DMA_BENCH_H

#define TYPE_X_DMA_BENCH "x-dma-bench"

#define X_DMA_BENCH_DEVICE_ID   0x11e9
#define X_DMA_BENCH_MAGIC       0x31424d44u

enum {
    XDB_MAGIC   = 0x00,  /* 32, RO: X_DMA_BENCH_MAGIC */
    XDB_CMD     = 0x04,  /* 32, WO: XDBCommand; runs it */
    XDB_STATUS  = 0x08,  /* 32, RO: XDB_S_* of the last run */
    XDB_THREADS = 0x0c,  /* 32: 0: main thread, BQL held; N: threads without */
    XDB_ADDR    = 0x10,  /* 64: first IOVA */
    XDB_LENGTH  = 0x18,  /* 64: bytes of each operation */
    XDB_STRIDE  = 0x20,  /* 64: from one operation's IOVA to the next */
    XDB_WINDOW  = 0x28,  /* 64: beyond ADDR + WINDOW it begins at ADDR again */
    XDB_COUNT   = 0x30,  /* 64: operations of each thread */
    /* XDB_PEER_VALID | devfn of another one on the bus, for odd threads */
    XDB_PEER    = 0x38,  /* 32 */
    /* PASID of the device's DMA, 20 bits (base: 8); 0: it has none */
    XDB_PASID   = 0x3c,  /* 32 */
    XDB_NS      = 0x40,  /* 64, RO: first start to last end, wall clock */
    XDB_CPU_NS  = 0x48,  /* 64, RO: CPU time, sum of the threads */
    XDB_OPS     = 0x50,  /* 64, RO: operations, sum of the threads */
    XDB_ERRORS  = 0x58,  /* 64, RO: of those, how many failed */
    XDB_AUX     = 0x80,  /* 64, XDB_AUX_REGS of them: see XDBCommand */
    XDB_SIZE    = 0x1000,
};

#define XDB_AUX_REGS    11
#define XDB_PEER_VALID  (1u << 31)

typedef enum XDBCommand {
    XDB_READ = 1,        /* dma_memory_read() */
    XDB_WRITE = 2,       /* dma_memory_write() */
    XDB_LOAD = 3,        /* ldl_le_dma(); LENGTH is 4 */
    XDB_MAP_READ = 4,    /* map all of LENGTH, unmap it: a disk's write */
    XDB_MAP_WRITE = 5,   /* the same for a disk's read; marks it dirty */
    /*
     * What a virtqueue of XDB_VRING_SLOTS entries costs: each operation takes
     * one descriptor and returns it, through a MemoryRegionCache for each part.
     * Split layout at ADDR: descriptors, available ring at XDB_VRING_AVAIL,
     * used ring at XDB_VRING_USED.  LENGTH, STRIDE and WINDOW do not matter.
     */
    XDB_VRING = 6,
    /*
     * Time COUNT stores to the physical address space, AUX[1] to AUX[0], as a
     * CPU would: for a doorbell.  In the main thread.
     */
    XDB_STORE = 7,
    /*
     * A strict driver and its device.  Operation i works on the LENGTH bytes
     * at iova = ADDR + offset, which are the pages of the table from
     * page = offset / 4096 on, and does this: store their entries to
     * AUX[0] + 8 * page; DMA write of LENGTH; clear the entries; put
     * {AUX[3], iova | AUX[8]} and {AUX[4] | i << 32, AUX[5]} into the queue of
     * AUX[7] 16-byte slots at AUX[2]; store 16 * tail to AUX[6]; look whether i
     * was written to AUX[5], else it counts as an error.
     *
     * Page n's entry is AUX[1] and the address of page n * AUX[10] of the
     * window, modulo how many it has (0: of page n itself).  AUX[9]: not 0: the
     * queue is used when the entries have been stored, too, as software does
     * that is told that what is not present may be cached.
     *
     * Table, queue and AUX[5] are memory, and are stored to and loaded from as
     * by a processor: an instruction each, and nobody else is asked.  In the
     * main thread; the tail begins and ends at slot 0.
     */
    XDB_CYCLE = 8,
    /* As XDB_STORE, of 32 bits */
    XDB_STORE32 = 9,
    /*
     * As XDB_CYCLE, for a queue whose two 32-bit indices count slots and have a
     * wrap bit above them: put {AUX[3], iova | AUX[8]} and {AUX[4], AUX[5]}
     * into the queue, store the producer's index to AUX[6], look whether the
     * consumer's, 4 bytes behind it, is the same, else it counts as an error.
     * AUX[7] is a power of two; the index begins at 0.
     */
    XDB_CYCLE_CONS = 10,
    XDB_NUMBER = 11,     /* dma_memory_write(); operation i begins with i */
    /* dma_memory_read(); it is an error if it is AUX[0] that begins there */
    XDB_READ_NOT = 12,
    XDB_MAP_FILL = 13,   /* map for writing, fill with i & 0x7f, unmap */
    /*
     * A callback of call_rcu() that stays until XDB_STOP, XDB_STALL_MS at the
     * most, and no other is called meanwhile.  XDB_S_STALLED from when it is
     * called until it returns.
     */
    XDB_STALL_RCU = 14,
    /*
     * Map COUNT times LENGTH for reading, STRIDE apart from ADDR on, and keep
     * the maps, XDB_MAX_KEPT of them at the most, beside those that are kept;
     * OPS says how many came of it.  XDB_LET_GO: unmap them all, as a reset
     * does.
     */
    XDB_KEEP = 15,
    XDB_LET_GO = 16,
    /*
     * For units that complete later: with XDB_BACKGROUND, since the main loop
     * may have a part in it.  One thread, which gives the processor away while
     * it waits; what does not come within XDB_WAIT_NS is an error.
     *
     * XDB_CYCLE_WAIT: as XDB_CYCLE, and wait until i is written to AUX[5].
     * XDB_STORE_WAIT: as XDB_STORE, and wait until AUX[3] is in the 32 bits at
     * AUX[2].
     */
    XDB_CYCLE_WAIT = 17,
    XDB_STORE_WAIT = 18,
    XDB_STOP = 0xff,
} XDBCommand;

/* To be added to a command */
#define XDB_BACKGROUND  (1u << 31)
#define XDB_HOLD        (1u << 30)  /* it has THREADS, and no XDB_BACKGROUND */

#define XDB_VRING_SLOTS 256
#define XDB_VRING_AVAIL 0x1000
#define XDB_VRING_USED  0x2000

/* STATUS: what was asked for could not be done, or only less of it. */
#define XDB_S_COMMAND   (1u << 0)   /* no such command: nothing done */
#define XDB_S_LENGTH    (1u << 1)   /* LENGTH was clamped */
#define XDB_S_COUNT     (1u << 2)   /* COUNT was clamped */
#define XDB_S_THREADS   (1u << 3)   /* THREADS was clamped */
#define XDB_S_PEER      (1u << 4)   /* no such peer: nothing done */
#define XDB_S_VRING     (1u << 5)   /* no memory at ADDR: nothing done */
#define XDB_S_QUEUE     (1u << 6)   /* no such table or queue: nothing done */
#define XDB_S_TIME      (1u << 7)   /* OPS are less: it took too long */
#define XDB_S_RUNNING   (1u << 8)   /* in the background */
#define XDB_S_HELD      (1u << 9)   /* XDB_HOLD: they did not end */
#define XDB_S_STALLED   (1u << 10)  /* now, by XDB_STALL_RCU */

#define XDB_MAX_THREADS 16
#define XDB_MAX_LENGTH  (16ULL << 20)
#define XDB_MAX_COUNT   (1ULL << 26)
#define XDB_MAX_KEPT    4096
#define XDB_MAX_CYCLE_PAGES 65536
#define XDB_MAX_NS      10000000000LL
#define XDB_HOLD_MS     5000
#define XDB_STALL_MS    10000
#define XDB_WAIT_NS     1000000000LL

#endif
