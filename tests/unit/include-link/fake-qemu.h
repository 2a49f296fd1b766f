/*
 * What the connection to a remote unit needs of QEMU, for the standalone build
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * remote-link.c and its like, and remote-serve.c, are built against this by
 * test-remote-link.c.  Every header that they ask QEMU for includes this one.
 * Threads, locks, loops and sockets are real (fake-qemu.c), and so are the
 * IOTLB and the epochs, which the test makes a drain of; what the link does not
 * look into is a name and no more.
 */
#ifndef UNIT_FAKE_QEMU_H
#define UNIT_FAKE_QEMU_H

#include <sys/queue.h>
#include <sys/uio.h>
#include <glib-unix.h>
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "hw/iommu/iopt.h"
#include "hw/iommu/iotlb.h"

/* Locks */

static inline QemuMutex *fake_guard(QemuMutex *lock)
{
    qemu_mutex_lock(lock);
    return lock;
}

static inline void fake_unguard(QemuMutex **lock)
{
    if (*lock) {
        qemu_mutex_unlock(*lock);
        *lock = NULL;
    }
}

#define WITH_QEMU_LOCK_GUARD(lock) \
    for (__attribute__((cleanup(fake_unguard))) QemuMutex *guard_ = \
         fake_guard(lock); guard_; fake_unguard(&guard_))
#define QEMU_LOCK_GUARD(lock) \
    __attribute__((cleanup(fake_unguard), unused)) QemuMutex *guard_ = \
    fake_guard(lock)
#define RCU_READ_LOCK_GUARD() do { } while (0)

void bql_lock(void);
void bql_unlock(void);
bool bql_locked(void);

#define QEMU_DEFINE_STATIC_CO_TLS(type, name) \
    static __thread type co_tls_##name; \
    static type get_##name(void) \
    { \
        return co_tls_##name; \
    } \
    static void set_##name(type value) \
    { \
        co_tls_##name = value; \
    }

/* Lists */

#define QTAILQ_HEAD                         TAILQ_HEAD
#define QTAILQ_ENTRY                        TAILQ_ENTRY
#define QTAILQ_INIT                         TAILQ_INIT
#define QTAILQ_EMPTY                        TAILQ_EMPTY
#define QTAILQ_INSERT_TAIL                  TAILQ_INSERT_TAIL
#define QTAILQ_REMOVE                       TAILQ_REMOVE
#define QTAILQ_FOREACH_SAFE(var, head, field, next) \
    for ((var) = TAILQ_FIRST(head); \
         (var) && ((next) = TAILQ_NEXT(var, field), 1); (var) = (next))

/* Loops */

typedef struct AioContext AioContext;
typedef struct IOThread IOThread;
typedef struct QEMUBH QEMUBH;
typedef struct Error Error;

QEMUBH *aio_bh_new(AioContext *ctx, void (*cb)(void *opaque), void *opaque);
void qemu_bh_schedule(QEMUBH *bh);
void qemu_bh_delete(QEMUBH *bh);
void aio_wait_bh_oneshot(AioContext *ctx, void (*cb)(void *opaque),
                         void *opaque);
AioContext *iohandler_get_aio_context(void);

IOThread *iothread_create(const char *id, Error **errp);
void iothread_destroy(IOThread *iothread);
AioContext *iothread_get_aio_context(IOThread *iothread);
GMainContext *iothread_get_g_main_context(IOThread *iothread);

/* Is the caller the iothread, of which there is one? */
bool fake_in_iothread(void);

/* The main loop, a thread that has the BQL while it does something */
void fake_main_loop_start(void);
void fake_main_loop_stop(void);

/* The character device: a socket, or what a socket is wrapped in */

typedef struct Object Object;
typedef enum QEMUChrEvent {
    CHR_EVENT_OPENED,
    CHR_EVENT_CLOSED,
} QEMUChrEvent;

typedef struct FakeSocket {
    int fd;
} FakeSocket;

typedef struct Chardev {
    const char *label;
    int logfd;
    bool plain;              /* nothing but a socket */
    FakeSocket *ioc, *sioc;
    FakeSocket socket;
    bool do_telnetopt;
    QemuMutex lock;
    int next_fd;             /* of the next connection; -1: none; lock */
    int (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, int size);
    void (*event)(void *opaque, QEMUChrEvent event);
    void *opaque;
    bool open;               /* lock */
    /* The thread's of its context */
    GMainContext *context;
    GSource *source, *out_source;
    QEMUBH *bh;
    /* Who wants to know when there is room; lock */
    gboolean (*watch)(void *unused, GIOCondition cond, void *opaque);
} Chardev;

typedef Chardev SocketChardev;

typedef struct CharBackend {
    Chardev *chr;
} CharBackend;

#define OBJECT(thing)               ((Object *)(thing))
#define SOCKET_CHARDEV(chr)         (chr)
#define QIO_CHANNEL(ioc)            (ioc)
#define TYPE_CHARDEV_SOCKET         "chardev-socket"
#define QEMU_CHAR_FEATURE_REPLAY    0

Chardev *qemu_chr_fe_get_driver(CharBackend *be);
bool qemu_chr_has_feature(Chardev *chr, int feature);
void qemu_chr_fe_set_handlers(CharBackend *be, int (*can_read)(void *opaque),
                              void (*read)(void *opaque, const uint8_t *buf,
                                           int size),
                              void (*event)(void *opaque, QEMUChrEvent event),
                              int (*be_change)(void *opaque), void *opaque,
                              GMainContext *context, bool set_open);
void qemu_chr_fe_disconnect(CharBackend *be);
int qemu_chr_fe_write(CharBackend *be, const uint8_t *buf, int len);
int qemu_chr_fe_set_msgfds(CharBackend *be, int *fds, int n);
guint qemu_chr_fe_add_watch(CharBackend *be, GIOCondition cond,
                            gboolean (*fn)(void *unused, GIOCondition cond,
                                           void *opaque), void *opaque);
void *object_dynamic_cast(Object *object, const char *type);

/**
 * fake_chr_new: not connected.  @plain: nothing but a socket.
 * fake_chr_offer: @fd is the next connection, once there is none; any thread.
 */
Chardev *fake_chr_new(const char *label, bool plain);
void fake_chr_free(Chardev *chr);
void fake_chr_offer(Chardev *chr, int fd);

/* Memory: the test's, a number of 64-bit words */

typedef uint64_t hwaddr;
typedef uint32_t MemTxResult;
typedef struct AddressSpace AddressSpace;
typedef struct MemTxAttrs {
    bool memory;
    uint16_t requester_id;
} MemTxAttrs;

#define MEMTX_OK    0
#define MEMTX_ERROR 1

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr len);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                MemTxAttrs attrs, const void *buf, hwaddr len);
void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t value,
                          MemTxAttrs attrs, MemTxResult *result);
bool dma_ram_write(hwaddr addr, const void *buf, hwaddr len);

/* What is a name and no more */

typedef struct PCIBus PCIBus;
typedef struct MemoryRegionSection MemoryRegionSection;
typedef struct VIOMMUEndpoint VIOMMUEndpoint;
typedef struct VIOMMUConfig VIOMMUConfig;
typedef struct VIOMMUFault VIOMMUFault;
typedef struct VIOMMUPageRequest VIOMMUPageRequest;
typedef struct VIOMMUOps VIOMMUOps;
typedef struct DeviceState {
    int unused;
} DeviceState;
typedef DeviceState MemoryRegion, MemoryListener, Notifier, VIOMMUPolicy;
typedef int RunState, OnOffAuto, VIOMMUATSStatus, VIOMMUPageCode;

#define OBJECT_DECLARE_SIMPLE_TYPE(type, NAME) typedef struct type type;
Object *qdev_get_machine(void);

/* The core's face: what is removed, and what is waited for, is the test's. */

typedef struct DMAFence {
    uint64_t epoch;          /* 0: idle */
    void (*done)(void *opaque);
    void *opaque;
    TAILQ_ENTRY(DMAFence) next;
} DMAFence;

typedef struct VIOMMU {
    AddressSpace *memory;
    IOPTMem mem;
    IOTLB *iotlb;
} VIOMMU;

typedef enum VIOMMUInvKind {
    VIOMMU_INV_CONFIG_ALL,
    VIOMMU_INV_CONFIG_ENDPOINT,
    VIOMMU_INV_CONFIG_PASID,
    VIOMMU_INV_ALL,
    VIOMMU_INV_TAG,
    VIOMMU_INV_RANGE,
} VIOMMUInvKind;

typedef struct VIOMMUInv {
    VIOMMUInvKind kind;
    uint64_t tag;
    hwaddr first, last;
    uint16_t sid, sid_mask;
    uint32_t pasid;
} VIOMMUInv;

void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv);
bool viommu_invalidation_is_heard(VIOMMU *v);
bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque);
void viommu_fence_cancel(VIOMMU *v, DMAFence *fence);

/* Errors: there are to be none. */
void error_setg(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Descriptors */
int qemu_dup(int fd);

/* Tracepoints: none */
#define trace_viommu_remote_hang_up(...)        do { } while (0)
#define trace_viommu_remote_message(...)        do { } while (0)
#define trace_viommu_remote_invalidate(...)     do { } while (0)
#define trace_viommu_remote_drained(...)        do { } while (0)

#endif
