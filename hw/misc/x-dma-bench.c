/*
 * x-dma-bench: a PCI device that issues DMA in a loop and times it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registers and commands: x-dma-bench.h.
 *
 * A run is one call from the register write.  Its threads work on a copy of
 * the parameters and on references of their own.  The BQL is dropped while
 * they are joined, so a reset may pass meanwhile; the memory core's
 * re-entrancy guard, which is held through the write, keeps everybody else off
 * the registers.  A run in the background goes on after the write, until it is
 * told to stop, or the machine stops, or the device is reset or unplugged.
 */
#include "qemu/osdep.h"
#ifdef CONFIG_LINUX
#include <sched.h>
#endif
#include "qemu/bitops.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_device.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "x-dma-bench.h"

OBJECT_DECLARE_SIMPLE_TYPE(XDMABench, X_DMA_BENCH)

#define ATTRS MEMTXATTRS_UNSPECIFIED

/* The smallest piece that a map comes in is a page. */
#define PAGE_BYTES 4096
#define MAX_PIECES (XDB_MAX_LENGTH / PAGE_BYTES + 2)

#if __has_include("system/dma-inflight.h")
#include "system/dma-inflight.h"
#else
static inline void address_space_cache_pin(MemoryRegionCache *cache)
{
}
#endif

enum { VRING_DESC, VRING_AVAIL, VRING_USED, VRING_PARTS };

/* A view of the IOMMU that is listened to */
typedef struct XDBHeard {
    IOMMUNotifier n;
    MemoryRegion *mr;
    QLIST_ENTRY(XDBHeard) next;
} XDBHeard;

typedef struct XDBRun XDBRun;
typedef struct XDBStall XDBStall;

struct XDMABench {
    PCIDevice pci;
    MemoryRegion mmio;
    VMChangeStateEntry *vm_state;
    XDBRun *run;             /* the one that is under way */
    XDBStall *stall;         /* of call_rcu()'s thread; NULL: none */
    bool stopping;           /* somebody is about to end it */
    bool listen;             /* to what is mapped and unmapped */
    MemoryListener listener;
    QLIST_HEAD(, XDBHeard) heard;
    GArray *kept;            /* XDBPiece, of XDB_KEEP */
    uint32_t status;
    uint32_t threads;
    uint32_t peer, pasid;
    uint64_t addr, length, stride, window, count;
    uint64_t ns, cpu_ns, ops, errors;
    uint64_t aux[XDB_AUX_REGS];
};

typedef struct XDBPiece {
    void *host;
    dma_addr_t len;
} XDBPiece;

/* Memory that is stored to as by a processor */
typedef struct XDBView {
    void *host;              /* NULL: not open */
    hwaddr len;
} XDBView;

/* What a cycle's operations need beside the parameters */
typedef struct XDBCycle {
    XDBView table, queue, status;
    uint64_t *entries;       /* little endian, by page of the window */
    uint64_t pages;          /* so many */
    uint64_t span;           /* of an operation */
    uint64_t slots;
} XDBCycle;

typedef struct XDBJob XDBJob;
typedef struct XDBWorker XDBWorker;
/* One operation at @addr, the @i-th; false if it failed. */
typedef bool XDBOperation(XDBWorker *w, dma_addr_t addr, uint64_t i);

struct XDBJob {
    XDBCommand command;
    XDBOperation *operation;
    uint64_t addr, length, stride, window, count;
    uint64_t aux[XDB_AUX_REGS];
    XDBCycle cycle;
    MemTxAttrs attrs;        /* of READ, WRITE and the like, and of maps */
    /* Lets the workers go at once. */
    QemuMutex lock;
    QemuCond cond;
    bool go;
    unsigned left;           /* workers that have not ended */
    bool background, stop;
};

/* Aligned, so that workers share no cache line. */
#define WORKER_ALIGN 128

/*
 * Where in a page the device's own buffer is: the same in each emulator, and
 * far from where rows begin.  A processor takes a load for one that follows a
 * store with the same twelve low bits, and waits.
 */
#define BUF_ALIGN 4096
#define BUF_OFFSET 2048

struct XDBWorker {
    XDBJob *job;
    AddressSpace *as;
    QemuThread thread;
    unsigned index;
    uint64_t first;          /* offset of the first operation */
    uint8_t *buf;               /* in room */
    void *room;
    XDBPiece *pieces;
    MemoryRegionCache ring[VRING_PARTS];
    uint64_t tail;           /* of a cycle's queue: below twice its slots */
    int64_t start, end, cpu;
    uint64_t ops, errors;
} QEMU_ALIGNED(WORKER_ALIGN);

struct XDBRun {
    XDBJob job;
    XDMABench *peer;
    XDBWorker *workers;
    unsigned n;
};

/* In a worker, which cannot wait for workers to end */
static __thread bool in_worker;

static int64_t cpu_clock(void)
{
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec ts;

    if (!clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts)) {
        return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
    }
#endif
    return 0;
}

static bool op_read(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return dma_memory_read(w->as, addr, w->buf, w->job->length,
                           w->job->attrs) == MEMTX_OK;
}

static bool op_write(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return dma_memory_write(w->as, addr, w->buf, w->job->length,
                            w->job->attrs) == MEMTX_OK;
}

static bool op_number(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    stq_le_p(w->buf, i);
    return op_write(w, addr, i);
}

/* What cannot be read is not what must not be read. */
static bool op_read_not(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return !op_read(w, addr, i) || ldq_le_p(w->buf) != w->job->aux[0];
}

static bool op_load(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    uint32_t value;

    return ldl_le_dma(w->as, addr, &value, w->job->attrs) == MEMTX_OK;
}

/* @fill: the byte to fill it with; negative: it is not touched. */
static bool map_unmap(XDBWorker *w, dma_addr_t addr, DMADirection dir,
                      int fill)
{
    dma_addr_t left = w->job->length;
    unsigned n = 0;

    while (left && n < MAX_PIECES) {
        XDBPiece *piece = &w->pieces[n];

        piece->len = left;
        piece->host = dma_memory_map(w->as, addr, &piece->len, dir,
                                     w->job->attrs);
        if (!piece->host) {
            break;
        }
        if (fill >= 0) {
            memset(piece->host, fill, piece->len);
        }
        addr += piece->len;
        left -= piece->len;
        n++;
    }
    while (n--) {
        dma_memory_unmap(w->as, w->pieces[n].host, w->pieces[n].len, dir,
                         w->pieces[n].len);
    }
    return !left;
}

static bool op_map_read(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return map_unmap(w, addr, DMA_DIRECTION_TO_DEVICE, -1);
}

static bool op_map_write(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return map_unmap(w, addr, DMA_DIRECTION_FROM_DEVICE, -1);
}

static bool op_map_fill(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return map_unmap(w, addr, DMA_DIRECTION_FROM_DEVICE, i & 0x7f);
}

/* Take a descriptor and return it, the way a virtio device does. */
static bool op_vring(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    MemoryRegionCache *desc = &w->ring[VRING_DESC];
    MemoryRegionCache *avail = &w->ring[VRING_AVAIL];
    MemoryRegionCache *used = &w->ring[VRING_USED];
    unsigned slot = i % XDB_VRING_SLOTS;
    uint64_t elem;

    RCU_READ_LOCK_GUARD();
    lduw_le_phys_cached(avail, 2);
    lduw_le_phys_cached(avail, 4 + slot * 2);
    if (address_space_read_cached(desc, slot * 16, w->buf, 16) != MEMTX_OK) {
        return false;
    }
    elem = cpu_to_le64(slot);
    if (address_space_write_cached(used, 4 + slot * 8, &elem, sizeof(elem)) !=
        MEMTX_OK) {
        return false;
    }
    address_space_cache_invalidate(used, 4 + slot * 8, sizeof(elem));
    stw_le_phys_cached(used, 2, i + 1);
    address_space_cache_invalidate(used, 2, 2);
    return true;
}

static bool store(hwaddr addr, uint64_t value)
{
    MemTxResult result;

    address_space_stq_le(&address_space_memory, addr, value, ATTRS, &result);
    return result == MEMTX_OK;
}

static bool store32(hwaddr addr, uint32_t value)
{
    MemTxResult result;

    address_space_stl_le(&address_space_memory, addr, value, ATTRS, &result);
    return result == MEMTX_OK;
}

static bool op_store(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return store(w->job->aux[0], w->job->aux[1]);
}

static bool op_store32(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return store32(w->job->aux[0], w->job->aux[1]);
}

static bool view_open(XDBView *v, hwaddr addr, hwaddr len)
{
    v->len = len;
    v->host = address_space_map(&address_space_memory, addr, &v->len, true,
                                ATTRS);
    return v->host && v->len >= len;
}

static void view_close(XDBView *v)
{
    if (v->host) {
        address_space_unmap(&address_space_memory, v->host, v->len, true,
                            v->len);
        v->host = NULL;
    }
}

static void queue_put(XDBWorker *w, uint64_t lo, uint64_t hi)
{
    const XDBCycle *cycle = &w->job->cycle;
    uint64_t slot = w->tail >= cycle->slots ? w->tail - cycle->slots : w->tail;
    uint64_t *at = (uint64_t *)cycle->queue.host + 2 * slot;

    qatomic_set(&at[0], cpu_to_le64(lo));
    qatomic_set(&at[1], cpu_to_le64(hi));
    w->tail = w->tail + 1 < 2 * cycle->slots ? w->tail + 1 : 0;
}

/* Have what is at @iova invalidated, and see that it was: ticket @t. */
typedef bool XDBFlush(XDBWorker *w, dma_addr_t iova, uint64_t t);

static inline bool flush_start(XDBWorker *w, dma_addr_t iova, uint64_t t)
{
    const XDBCycle *cycle = &w->job->cycle;
    const uint64_t *aux = w->job->aux;
    uint64_t slot;

    queue_put(w, aux[3], iova | aux[8]);
    queue_put(w, aux[4] | t << 32, aux[5]);
    slot = w->tail >= cycle->slots ? w->tail - cycle->slots : w->tail;
    return store(aux[6], slot * 16);
}

static bool flush(XDBWorker *w, dma_addr_t iova, uint64_t t)
{
    uint32_t *status = w->job->cycle.status.host;

    return flush_start(w, iova, t) && qatomic_read(status) == cpu_to_le32(t);
}

static bool is_at(hwaddr addr, uint32_t value)
{
    MemTxResult result;
    uint32_t there = address_space_ldl_le(&address_space_memory, addr, ATTRS,
                                          &result);

    return result == MEMTX_OK && there == value;
}

/* A driver's wait for completion, which leaves the processor to others. */
static bool comes_to(XDBWorker *w, hwaddr addr, uint32_t value)
{
    int64_t end = get_clock() + XDB_WAIT_NS;

    while (!is_at(addr, value)) {
        if (get_clock() > end || qatomic_read(&w->job->stop)) {
            return false;
        }
        g_thread_yield();
    }
    return true;
}

static bool flush_wait(XDBWorker *w, dma_addr_t iova, uint64_t t)
{
    return flush_start(w, iova, t) && comes_to(w, w->job->aux[5], t);
}

static bool op_store_wait(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    const uint64_t *aux = w->job->aux;

    return store(aux[0], aux[1]) && comes_to(w, aux[2], aux[3]);
}

static bool flush_cons(XDBWorker *w, dma_addr_t iova, uint64_t t)
{
    const uint64_t *aux = w->job->aux;

    queue_put(w, aux[3], iova | aux[8]);
    queue_put(w, aux[4], aux[5]);
    return store32(aux[6], w->tail) && is_at(aux[6] + 4, w->tail);
}

/* Map, use, unmap. */
static inline bool cycle(XDBWorker *w, dma_addr_t addr, uint64_t i,
                         XDBFlush *done)
{
    const XDBJob *job = w->job;
    uint64_t page = (addr - job->addr) / PAGE_BYTES;
    uint64_t *entry = (uint64_t *)job->cycle.table.host + page;
    bool both = job->aux[9], ok = true;
    uint64_t n;

    for (n = 0; n < job->cycle.span; n++) {
        qatomic_set(&entry[n], job->cycle.entries[page + n]);
    }
    if (both) {
        ok &= done(w, addr, 2 * i);
    }
    ok &= op_write(w, addr, i);
    for (n = 0; n < job->cycle.span; n++) {
        qatomic_set(&entry[n], 0);
    }
    ok &= done(w, addr, both ? 2 * i + 1 : i);
    return ok;
}

static bool op_cycle(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return cycle(w, addr, i, flush);
}

static bool op_cycle_cons(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return cycle(w, addr, i, flush_cons);
}

static bool op_cycle_wait(XDBWorker *w, dma_addr_t addr, uint64_t i)
{
    return cycle(w, addr, i, flush_wait);
}

static XDBOperation *const operations[] = {
    [XDB_READ] = op_read,
    [XDB_WRITE] = op_write,
    [XDB_LOAD] = op_load,
    [XDB_MAP_READ] = op_map_read,
    [XDB_MAP_WRITE] = op_map_write,
    [XDB_VRING] = op_vring,
    [XDB_STORE] = op_store,
    [XDB_CYCLE] = op_cycle,
    [XDB_STORE32] = op_store32,
    [XDB_CYCLE_CONS] = op_cycle_cons,
    [XDB_NUMBER] = op_number,
    [XDB_READ_NOT] = op_read_not,
    [XDB_MAP_FILL] = op_map_fill,
    [XDB_CYCLE_WAIT] = op_cycle_wait,
    [XDB_STORE_WAIT] = op_store_wait,
};

/* Operations from one look at the clock to the next: seldom, but in time */
static uint64_t batch_size(uint64_t length)
{
    return MAX(MIN(MiB / MAX(length, 1), 1024), 1);
}

static bool goes_on(const XDBJob *job, int64_t start)
{
    return job->background ? !qatomic_read(&job->stop)
                           : get_clock() - start < XDB_MAX_NS;
}

/*
 * What is timed.  Not inlined: a profiler counts what is below it.  With the
 * BQL in the main thread, without it in any other.
 */
static void __attribute__((noinline)) x_dma_bench_loop(XDBWorker *w)
{
    const XDBJob *job = w->job;
    XDBOperation *operation = job->operation;
    uint64_t batch = batch_size(job->length);
    uint64_t offset = w->first;
    uint64_t errors = 0;
    uint64_t i = 0, end;

    while (i < job->count && goes_on(job, w->start)) {
        for (end = MIN(i + batch, job->count); i < end; i++) {
            if (!operation(w, job->addr + offset, i)) {
                /* It may have been asked about, at length: look up. */
                errors++;
                end = i + 1;
            }
            offset += job->stride;
            if (offset >= job->window || job->window - offset < job->length) {
                offset = 0;
            }
        }
        /* For who looks on */
        qatomic_set(&w->ops, i);
        qatomic_set(&w->errors, errors);
    }
}

static void work(XDBWorker *w)
{
    int64_t cpu = cpu_clock();

    w->start = get_clock();
    x_dma_bench_loop(w);
    w->end = get_clock();
    w->cpu = cpu_clock() - cpu;
}

/* A processor each, or the host may let threads take turns on one. */
static void pin(unsigned index)
{
#ifdef CONFIG_LINUX
    cpu_set_t all, one;
    int cpu;

    if (sched_getaffinity(0, sizeof(all), &all)) {
        return;
    }
    index %= CPU_COUNT(&all);
    for (cpu = 0; !CPU_ISSET(cpu, &all) || index--; cpu++) {
        /* the index-th of those that we may use */
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
#endif
}

static void *thread_main(void *opaque)
{
    XDBWorker *w = opaque;
    XDBJob *job = w->job;

    in_worker = true;
    rcu_register_thread();
    pin(w->index);
    qemu_mutex_lock(&job->lock);
    while (!job->go) {
        qemu_cond_wait(&job->cond, &job->lock);
    }
    qemu_mutex_unlock(&job->lock);
    work(w);
    rcu_unregister_thread();
    qemu_mutex_lock(&job->lock);
    job->left--;
    qemu_cond_broadcast(&job->cond);
    qemu_mutex_unlock(&job->lock);
    return NULL;
}

static void threads_start(XDBRun *run)
{
    unsigned i;

    run->job.left = run->n;
    for (i = 0; i < run->n; i++) {
        qemu_thread_create(&run->workers[i].thread, "x-dma-bench", thread_main,
                           &run->workers[i], QEMU_THREAD_JOINABLE);
    }
}

/* BQL; drops it: a thread may want it, for MMIO or to report a fault. */
static void threads_join(XDBRun *run)
{
    unsigned i;

    bql_unlock();
    for (i = 0; i < run->n; i++) {
        qemu_thread_join(&run->workers[i].thread);
    }
    bql_lock();
}

static void threads_go(XDBJob *job)
{
    qemu_mutex_lock(&job->lock);
    job->go = true;
    qemu_cond_broadcast(&job->cond);
    qemu_mutex_unlock(&job->lock);
}

/* BQL, and keeps it.  False if they have not ended in XDB_HOLD_MS. */
static bool threads_end_held(XDBJob *job)
{
    int64_t late = get_clock() + XDB_HOLD_MS * (int64_t)SCALE_MS;
    bool ended;

    qemu_mutex_lock(&job->lock);
    while (job->left && get_clock() < late) {
        qemu_cond_timedwait(&job->cond, &job->lock, 100);
    }
    ended = !job->left;
    qemu_mutex_unlock(&job->lock);
    return ended;
}

/* BQL.  False if there is no memory to cache. */
static bool worker_open_rings(XDBWorker *w)
{
    static const struct {
        hwaddr offset, len;
    } parts[VRING_PARTS] = {
        [VRING_DESC] = { 0, 16 * XDB_VRING_SLOTS },
        [VRING_AVAIL] = { XDB_VRING_AVAIL, 4 + 2 * XDB_VRING_SLOTS },
        [VRING_USED] = { XDB_VRING_USED, 4 + 8 * XDB_VRING_SLOTS },
    };
    bool ok = true;
    int i;

    RCU_READ_LOCK_GUARD();
    for (i = 0; i < VRING_PARTS; i++) {
        ok &= address_space_cache_init(&w->ring[i], w->as,
                                       w->job->addr + parts[i].offset,
                                       parts[i].len, i == VRING_USED) >=
              (int64_t)parts[i].len;
        /* As hw/virtio/virtio.c does in either emulator */
        address_space_cache_pin(&w->ring[i]);
    }
    return ok;
}

/* BQL */
static bool worker_init(XDBWorker *w, XDBJob *job, AddressSpace *as)
{
    int i;

    w->job = job;
    w->as = as;
    w->room = qemu_memalign(BUF_ALIGN, BUF_OFFSET +
                            ROUND_UP(job->length + 16, BUF_ALIGN));
    w->buf = w->room + BUF_OFFSET;
    memset(w->buf, 0, job->length + 16);
    for (i = 0; i < VRING_PARTS; i++) {
        address_space_cache_init_empty(&w->ring[i]);
    }
    if (job->command == XDB_MAP_READ || job->command == XDB_MAP_WRITE ||
        job->command == XDB_MAP_FILL) {
        w->pieces = g_new(XDBPiece, MAX_PIECES);
    }
    return job->command != XDB_VRING || worker_open_rings(w);
}

/* BQL */
static void worker_cleanup(XDBWorker *w)
{
    int i;

    for (i = 0; i < VRING_PARTS; i++) {
        address_space_cache_destroy(&w->ring[i]);
    }
    g_free(w->pieces);
    qemu_vfree(w->room);
}

/* Threads begin at different places of the window. */
static void spread(const XDBJob *job, XDBWorker *workers, unsigned n)
{
    uint64_t steps = job->stride ? job->window / job->stride : 0;
    unsigned i;

    for (i = 0; i < n; i++) {
        uint64_t first = steps / n * i * job->stride;

        if (first < job->window && job->window - first >= job->length) {
            workers[i].first = first;
        }
    }
}

static uint64_t clamp(XDMABench *s, uint64_t value, uint64_t max, uint32_t flag)
{
    if (value > max) {
        s->status |= flag;
        return max;
    }
    return value;
}

static bool is_cycle(XDBCommand command)
{
    return command == XDB_CYCLE || command == XDB_CYCLE_CONS ||
           command == XDB_CYCLE_WAIT;
}

static bool is_store(XDBCommand command)
{
    return command == XDB_STORE || command == XDB_STORE32 ||
           command == XDB_STORE_WAIT;
}

/* There may be one thread; the others of these have none. */
static bool waits(XDBCommand command)
{
    return command == XDB_CYCLE_WAIT || command == XDB_STORE_WAIT;
}

static void cycle_close(XDBCycle *c)
{
    view_close(&c->table);
    view_close(&c->queue);
    view_close(&c->status);
    g_free(c->entries);
    c->entries = NULL;
}

static void cycle_fill(XDBCycle *c, const XDBJob *job)
{
    uint64_t step = job->aux[10] ?: 1, i;

    c->entries = g_new(uint64_t, c->pages);
    for (i = 0; i < c->pages; i++) {
        c->entries[i] = cpu_to_le64((job->addr + i * step % c->pages *
                                     PAGE_BYTES) | job->aux[1]);
    }
}

/* BQL.  False if there is no such table, or queue. */
static bool cycle_open(XDBCycle *c, const XDBJob *job)
{
    const uint64_t *aux = job->aux;

    c->slots = aux[7];
    c->span = DIV_ROUND_UP(MAX(job->length, 1), PAGE_BYTES);
    c->pages = MAX(DIV_ROUND_UP(job->window, PAGE_BYTES), c->span);
    /* Two descriptors and the gap that tells full from empty */
    if (c->slots < 4 || c->slots > INT32_MAX || !job->stride ||
        job->window > UINT64_MAX - PAGE_BYTES ||
        c->pages > XDB_MAX_CYCLE_PAGES ||
        (job->command == XDB_CYCLE_CONS && !is_power_of_2(c->slots)) ||
        !view_open(&c->table, aux[0], c->pages * 8) ||
        !view_open(&c->queue, aux[2], c->slots * 16) ||
        (job->command != XDB_CYCLE_CONS && !view_open(&c->status, aux[5], 4))) {
        cycle_close(c);
        return false;
    }
    cycle_fill(c, job);
    return true;
}

/* False if nothing can be done. */
static bool job_init(XDMABench *s, XDBJob *job, uint32_t command)
{
    if (command >= ARRAY_SIZE(operations) || !operations[command]) {
        s->status |= XDB_S_COMMAND;
        return false;
    }
    job->command = command;
    job->operation = operations[command];
    job->addr = s->addr;
    job->stride = s->stride;
    job->window = s->window;
    memcpy(job->aux, s->aux, sizeof(job->aux));
    job->attrs = s->pasid ? (MemTxAttrs) { .pid = s->pasid } : ATTRS;
    job->length = command == XDB_LOAD ? 4 :
                  clamp(s, s->length, XDB_MAX_LENGTH, XDB_S_LENGTH);
    job->count = clamp(s, s->count, XDB_MAX_COUNT, XDB_S_COUNT);
    if (is_cycle(command) && !cycle_open(&job->cycle, job)) {
        s->status |= XDB_S_QUEUE;
        return false;
    }
    return true;
}

/* The endpoint that odd threads run as, with a reference; NULL if none */
static XDMABench *find_peer(XDMABench *s)
{
    PCIDevice *pci;
    Object *obj;

    if (!(s->peer & XDB_PEER_VALID)) {
        return X_DMA_BENCH(object_ref(OBJECT(s)));
    }
    pci = pci_find_device(pci_get_bus(&s->pci), pci_dev_bus_num(&s->pci),
                          s->peer & 0xff);
    obj = pci ? object_dynamic_cast(OBJECT(pci), TYPE_X_DMA_BENCH) : NULL;
    return obj ? X_DMA_BENCH(object_ref(obj)) : NULL;
}

/* Operations and errors so far */
static void count(XDMABench *s, const XDBRun *run)
{
    unsigned i;

    s->ops = s->errors = 0;
    for (i = 0; i < run->n; i++) {
        s->ops += qatomic_read(&run->workers[i].ops);
        s->errors += qatomic_read(&run->workers[i].errors);
    }
}

static void collect(XDMABench *s, const XDBRun *run)
{
    int64_t start = INT64_MAX, end = 0;
    unsigned i;

    count(s, run);
    s->cpu_ns = 0;
    for (i = 0; i < run->n; i++) {
        const XDBWorker *w = &run->workers[i];

        start = MIN(start, w->start);
        end = MAX(end, w->end);
        s->cpu_ns += w->cpu;
        if (w->ops < run->job.count && !run->job.background) {
            s->status |= XDB_S_TIME;
        }
    }
    s->ns = end - start;
}

/* BQL */
static void run_free(XDMABench *s, XDBRun *run)
{
    unsigned i;

    for (i = 0; i < run->n; i++) {
        worker_cleanup(&run->workers[i]);
    }
    qemu_vfree(run->workers);
    cycle_close(&run->job.cycle);
    qemu_cond_destroy(&run->job.cond);
    qemu_mutex_destroy(&run->job.lock);
    object_unref(OBJECT(run->peer));
    object_unref(OBJECT(s));
    g_free(run);
}

/* BQL.  NULL if nothing can be done, and STATUS says why. */
static XDBRun *run_new(XDMABench *s, uint32_t command, unsigned n)
{
    g_autofree XDBRun *run = g_new0(XDBRun, 1);
    bool ok = true;
    unsigned i;

    if (!job_init(s, &run->job, command)) {
        return NULL;
    }
    run->peer = find_peer(s);
    if (!run->peer) {
        s->status |= XDB_S_PEER;
        cycle_close(&run->job.cycle);
        return NULL;
    }
    object_ref(OBJECT(s));
    qemu_mutex_init(&run->job.lock);
    qemu_cond_init(&run->job.cond);
    run->n = n;
    run->workers = qemu_memalign(WORKER_ALIGN, n * sizeof(*run->workers));
    memset(run->workers, 0, n * sizeof(*run->workers));
    for (i = 0; i < n; i++) {
        XDMABench *who = i % 2 ? run->peer : s;

        run->workers[i].index = i;
        ok &= worker_init(&run->workers[i], &run->job,
                          pci_get_address_space(&who->pci));
    }
    spread(&run->job, run->workers, n);
    if (!ok) {
        s->status |= XDB_S_VRING;
        run_free(s, g_steal_pointer(&run));
        return NULL;
    }
    return g_steal_pointer(&run);
}

/* BQL */
static void finish(XDMABench *s)
{
    XDBRun *run = g_steal_pointer(&s->run);

    collect(s, run);
    s->status &= ~XDB_S_RUNNING;
    run_free(s, run);
}

/* BQL; drops it if there are threads. */
static void start(XDMABench *s, uint32_t command)
{
    bool background = command & XDB_BACKGROUND;
    bool hold = command & XDB_HOLD;
    unsigned threads;
    XDBRun *run;

    command &= ~(XDB_BACKGROUND | XDB_HOLD);
    s->status &= XDB_S_STALLED;
    s->ns = s->cpu_ns = s->ops = s->errors = 0;
    threads = clamp(s, s->threads, XDB_MAX_THREADS, XDB_S_THREADS);
    if (is_store(command) || is_cycle(command)) {
        threads = clamp(s, threads, waits(command), XDB_S_THREADS);
        background &= waits(command);
    }
    if (background) {
        threads = MAX(threads, 1);
    }
    run = run_new(s, command, MAX(threads, 1));
    if (!run) {
        return;
    }
    s->run = run;
    if (background) {
        run->job.background = true;
        if (!s->count) {
            run->job.count = UINT64_MAX;
        }
        s->status |= XDB_S_RUNNING;
        threads_start(run);
        threads_go(&run->job);
        return;
    }
    if (threads) {
        threads_start(run);
        threads_go(&run->job);
        if (hold && !threads_end_held(&run->job)) {
            s->status |= XDB_S_HELD;
        }
        threads_join(run);
    } else {
        work(&run->workers[0]);
    }
    finish(s);
}

/* BQL; drops it.  Ends a run in the background, if there is one. */
static void stop(XDMABench *s)
{
    if (!s->run || !s->run->job.background || s->stopping) {
        return;
    }
    s->stopping = true;
    qatomic_set(&s->run->job.stop, true);
    threads_join(s->run);
    finish(s);
    s->stopping = false;
}

/* Maps that are kept.  BQL */

static void keep_maps(XDMABench *s)
{
    AddressSpace *as = pci_get_address_space(&s->pci);
    uint64_t i;

    s->status &= XDB_S_STALLED;
    s->ns = s->cpu_ns = s->ops = s->errors = 0;
    for (i = 0; i < s->count && s->kept->len < XDB_MAX_KEPT; i++) {
        XDBPiece piece = { .len = MIN(s->length, XDB_MAX_LENGTH) };

        piece.host = dma_memory_map(as, s->addr + i * s->stride, &piece.len,
                                    DMA_DIRECTION_TO_DEVICE, ATTRS);
        if (!piece.host) {
            s->errors++;
            break;
        }
        g_array_append_val(s->kept, piece);
        s->ops++;
    }
}

static void keep_none(XDMABench *s)
{
    AddressSpace *as = pci_get_address_space(&s->pci);
    guint i;

    for (i = 0; i < s->kept->len; i++) {
        const XDBPiece *piece = &g_array_index(s->kept, XDBPiece, i);

        dma_memory_unmap(as, piece->host, piece->len, DMA_DIRECTION_TO_DEVICE,
                         piece->len);
    }
    g_array_set_size(s->kept, 0);
}

/* What is mapped and unmapped is listened to, as VFIO does.  BQL */

static void heard(IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
    /* To be told of it is what is measured. */
}

static void listen_region_add(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    XDMABench *s = container_of(listener, XDMABench, listener);
    uint64_t first = section->offset_within_region;
    XDBHeard *h;

    if (!memory_region_is_iommu(section->mr)) {
        return;
    }
    h = g_new0(XDBHeard, 1);
    h->mr = section->mr;
    iommu_notifier_init(&h->n, heard, IOMMU_NOTIFIER_IOTLB_EVENTS, first,
                        first + int128_getlo(int128_sub(section->size,
                                                        int128_one())),
                        memory_region_iommu_attrs_to_index(
                            IOMMU_MEMORY_REGION(section->mr), ATTRS));
    memory_region_register_iommu_notifier(section->mr, &h->n, &error_fatal);
    QLIST_INSERT_HEAD(&s->heard, h, next);
}

static void listen_region_del(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    XDMABench *s = container_of(listener, XDMABench, listener);
    XDBHeard *h, *next;

    QLIST_FOREACH_SAFE(h, &s->heard, next, next) {
        if (h->mr == section->mr &&
            h->n.start == section->offset_within_region) {
            memory_region_unregister_iommu_notifier(h->mr, &h->n);
            QLIST_REMOVE(h, next);
            g_free(h);
        }
    }
}

static void listen_begin(XDMABench *s)
{
    QLIST_INIT(&s->heard);
    s->listener = (MemoryListener) {
        .name = TYPE_X_DMA_BENCH,
        .region_add = listen_region_add,
        .region_del = listen_region_del,
    };
    if (s->listen) {
        memory_listener_register(&s->listener,
                                 pci_device_iommu_address_space(&s->pci));
    }
}

static void listen_end(XDMABench *s)
{
    if (s->listen) {
        memory_listener_unregister(&s->listener);
    }
}

/* A callback of call_rcu() that does not return */
struct XDBStall {
    struct rcu_head rcu;
    XDMABench *s;
    QemuSemaphore end;
};

/* With the BQL, which others may have meanwhile */
static void stall_rcu_thread(struct rcu_head *rcu)
{
    XDBStall *stall = container_of(rcu, XDBStall, rcu);
    XDMABench *s = stall->s;

    s->status |= XDB_S_STALLED;
    bql_unlock();
    qemu_sem_timedwait(&stall->end, XDB_STALL_MS);
    bql_lock();
    s->status &= ~XDB_S_STALLED;
    s->stall = NULL;
    qemu_sem_destroy(&stall->end);
    g_free(stall);
    object_unref(OBJECT(s));
}

/* BQL */
static void stall_begin(XDMABench *s)
{
    if (s->stall) {
        return;
    }
    s->stall = g_new0(XDBStall, 1);
    s->stall->s = X_DMA_BENCH(object_ref(OBJECT(s)));
    qemu_sem_init(&s->stall->end, 0);
    call_rcu1(&s->stall->rcu, stall_rcu_thread);
}

/* BQL.  It ends some time later. */
static void stall_end(XDMABench *s)
{
    if (s->stall) {
        qemu_sem_post(&s->stall->end);
    }
}

/* The 64-bit register that @offset lies in, NULL if none */
static uint64_t *reg64(XDMABench *s, hwaddr offset, bool write)
{
    hwaddr at = offset & ~7ULL;

    if (at >= XDB_AUX && at < XDB_AUX + 8 * XDB_AUX_REGS) {
        return &s->aux[(at - XDB_AUX) / 8];
    }
    switch (at) {
    case XDB_ADDR:
        return &s->addr;
    case XDB_LENGTH:
        return &s->length;
    case XDB_STRIDE:
        return &s->stride;
    case XDB_WINDOW:
        return &s->window;
    case XDB_COUNT:
        return &s->count;
    case XDB_NS:
        return write ? NULL : &s->ns;
    case XDB_CPU_NS:
        return write ? NULL : &s->cpu_ns;
    case XDB_OPS:
        return write ? NULL : &s->ops;
    case XDB_ERRORS:
        return write ? NULL : &s->errors;
    default:
        return NULL;
    }
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    XDMABench *s = opaque;
    uint64_t *reg = reg64(s, offset, false);

    if (s->run) {
        count(s, s->run);
    }
    if (reg) {
        return extract64(*reg, (offset & 7) * 8, size * 8);
    }
    switch (offset) {
    case XDB_MAGIC:
        return X_DMA_BENCH_MAGIC;
    case XDB_STATUS:
        return s->status;
    case XDB_THREADS:
        return s->threads;
    case XDB_PEER:
        return s->peer;
    case XDB_PASID:
        return s->pasid;
    default:
        return 0;
    }
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t value,
                       unsigned size)
{
    XDMABench *s = opaque;
    uint64_t *reg = reg64(s, offset, true);

    if (s->run) {
        if (offset == XDB_CMD && value == XDB_STOP && !in_worker) {
            stop(s);
        }
        return;
    }
    if (reg) {
        *reg = deposit64(*reg, (offset & 7) * 8, size * 8, value);
        return;
    }
    switch (offset) {
    case XDB_CMD:
        if (value == XDB_STALL_RCU) {
            stall_begin(s);
        } else if (value == XDB_STOP) {
            stall_end(s);
        } else if (value == XDB_KEEP) {
            keep_maps(s);
        } else if (value == XDB_LET_GO) {
            keep_none(s);
        } else {
            start(s, value);
        }
        break;
    case XDB_THREADS:
        s->threads = value;
        break;
    case XDB_PEER:
        s->peer = value;
        break;
    case XDB_PASID:
        s->pasid = value & 0xfffff;
        break;
    }
}

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 8,
    .impl.min_access_size = 4,
    .impl.max_access_size = 8,
};

/* A stopped machine's memory does not change. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    if (!running) {
        stop(opaque);
    }
}

static void x_dma_bench_realize(PCIDevice *pci, Error **errp)
{
    XDMABench *s = X_DMA_BENCH(pci);

    memory_region_init_io(&s->mmio, OBJECT(s), &mmio_ops, s, TYPE_X_DMA_BENCH,
                          XDB_SIZE);
    pci_register_bar(pci, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->mmio);
    s->vm_state = qemu_add_vm_change_state_handler(vm_changed, s);
    s->kept = g_array_new(false, false, sizeof(XDBPiece));
    listen_begin(s);
}

static void x_dma_bench_exit(PCIDevice *pci)
{
    XDMABench *s = X_DMA_BENCH(pci);

    qemu_del_vm_change_state_handler(s->vm_state);
    stop(s);
    stall_end(s);
    keep_none(s);
    g_array_free(s->kept, true);
    listen_end(s);
}

static void x_dma_bench_reset(DeviceState *dev)
{
    XDMABench *s = X_DMA_BENCH(dev);

    stop(s);
    stall_end(s);
    keep_none(s);
    s->status = s->threads = s->peer = s->pasid = 0;
    s->addr = s->length = s->stride = s->window = s->count = 0;
    s->ns = s->cpu_ns = s->ops = s->errors = 0;
    memset(s->aux, 0, sizeof(s->aux));
}

static const VMStateDescription vmstate_x_dma_bench = {
    .name = TYPE_X_DMA_BENCH,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(pci, XDMABench),
        VMSTATE_UINT32(status, XDMABench),
        VMSTATE_UINT32(threads, XDMABench),
        VMSTATE_UINT32(peer, XDMABench),
        VMSTATE_UINT32(pasid, XDMABench),
        VMSTATE_UINT64(addr, XDMABench),
        VMSTATE_UINT64(length, XDMABench),
        VMSTATE_UINT64(stride, XDMABench),
        VMSTATE_UINT64(window, XDMABench),
        VMSTATE_UINT64(count, XDMABench),
        VMSTATE_UINT64(ns, XDMABench),
        VMSTATE_UINT64(cpu_ns, XDMABench),
        VMSTATE_UINT64(ops, XDMABench),
        VMSTATE_UINT64(errors, XDMABench),
        VMSTATE_UINT64_ARRAY(aux, XDMABench, XDB_AUX_REGS),
        VMSTATE_END_OF_LIST()
    },
};

static const Property x_dma_bench_properties[] = {
    DEFINE_PROP_BOOL("listen", XDMABench, listen, false),
};

static void x_dma_bench_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(oc);

    k->realize = x_dma_bench_realize;
    k->exit = x_dma_bench_exit;
    k->vendor_id = PCI_VENDOR_ID_QEMU;
    k->device_id = X_DMA_BENCH_DEVICE_ID;
    k->class_id = PCI_CLASS_OTHERS;
    dc->desc = "DMA benchmark";
    dc->vmsd = &vmstate_x_dma_bench;
    device_class_set_props(dc, x_dma_bench_properties);
    object_class_property_set_description(oc, "listen",
        "Register notifiers of what is mapped and unmapped for it, as VFIO "
        "does; the IOMMU must have its caching mode on");
    device_class_set_legacy_reset(dc, x_dma_bench_reset);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo x_dma_bench_info = {
    .name = TYPE_X_DMA_BENCH,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(XDMABench),
    .class_init = x_dma_bench_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void x_dma_bench_register(void)
{
    type_register_static(&x_dma_bench_info);
}

type_init(x_dma_bench_register)
