/*
 * A virtio-iommu as a test drives it: requests, faults, its config space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers are literals of the specification (5.13), not the model's macros.
 */
#ifndef VIOMMU_VIRTIO_H
#define VIOMMU_VIRTIO_H

#include "libqos/generic-pcihost.h"
#include "libqos/virtio-pci.h"
#include "viommu-unit.h"

#define VIO_DEVFN       (0x1e << 3)

#define VIO_T_ATTACH    1
#define VIO_T_DETACH    2
#define VIO_T_MAP       3
#define VIO_T_UNMAP     4
#define VIO_T_PROBE     5

#define VIO_S_OK        0
#define VIO_S_UNSUPP    2
#define VIO_S_DEVERR    3
#define VIO_S_INVAL     4
#define VIO_S_RANGE     5
#define VIO_S_NOENT     6
#define VIO_S_NOMEM     8
#define VIO_S_NONE      0xff            /* none was written */

#define VIO_ATTACH_F_BYPASS 1
#define VIO_MAP_F_R     1
#define VIO_MAP_F_W     2
#define VIO_MAP_F_MMIO  4

#define VIO_PROBE_SIZE  512
#define VIO_CONFIG_MASK     0
#define VIO_CONFIG_END      16
#define VIO_CONFIG_PROBE    32
#define VIO_CONFIG_BYPASS   36

#define VIO_SLOTS       32              /* requests outstanding at most */

/* A queue's page: descriptors, avail ring, used ring */
#define VIO_RING_SIZE   64
#define VIO_AVAIL_OFF   0x400
#define VIO_USED_OFF    0x600

typedef struct VIOQueue {
    uint64_t gpa;            /* the page */
    uint64_t notify;         /* the transport's */
    uint16_t avail, seen;
} VIOQueue;

typedef struct VIOSlot {
    bool busy;               /* put, and not seen to have come back */
    uint32_t len;            /* used length */
} VIOSlot;

/* What a model-neutral test has attached, or is to once the unit is on */
typedef struct VIOAttachment {
    uint16_t sid;
    UnitSpace *space;
} VIOAttachment;

typedef struct VIO VIO;

/*
 * How the driver reaches the device.  find: before anything else; forget: what
 * find found.  start_queue: @q's page is cleared and the device told of it.
 */
typedef struct VIOTransport {
    const char *device;      /* its argument, without properties of a test */
    const char *more;        /* arguments after it */
    void (*find)(VIO *vio);
    void (*forget)(VIO *vio);
    uint64_t (*features)(VIO *vio);
    void (*set_features)(VIO *vio, uint64_t features);
    uint8_t (*status)(VIO *vio);
    void (*set_status)(VIO *vio, uint8_t status);
    void (*start_queue)(VIO *vio, VIOQueue *q, unsigned index);
    void (*kick)(VIO *vio, const VIOQueue *q, unsigned index);
    uint8_t (*config)(VIO *vio, unsigned at);
    void (*set_config)(VIO *vio, unsigned at, uint8_t value);
} VIOTransport;

extern const VIOTransport vio_pci_transport, vio_mmio_transport;

struct VIO {
    union {
        Unit unit;
        struct {
            UNIT_FIELDS;
        };
    };
    const VIOTransport *transport;
    bool started;            /* the transport has found it */
    QVirtioPCIDevice *pci;   /* PCI's */
    QGenericPCIBus generic;  /* what .bus is, on Arm */
    VIOQueue requests, events;
    uint64_t buffers, event_buffers, big;
    VIOSlot slots[VIO_SLOTS];
    unsigned put;            /* requests so far */
    /* viommu-virtio-unit.c */
    bool on;
    unsigned attach_slot;
    GArray *attachments;
    unsigned spaces;
};

typedef struct VIOFault {
    uint8_t reason;
    uint32_t flags, endpoint;
    uint64_t address;
} VIOFault;

/*
 * vio_machine: q35, or virt on Arm; there VIOMMU_UNIT=virtio-mmio chooses the
 * transport.
 */
char *vio_machine(const char *props);
VIO *vio_start(const char *props, const char *args);
VIO *vio_adopt(const VIO *from, QTestState *qts);
void vio_stop(VIO *vio);
/*
 * vio_setup: the driver starts the device, with @features and VERSION_1:
 * vio_find, the reset, which may take until DMA has drained, vio_negotiate.
 */
#define VIO_ALL_FEATURES 0x77
void vio_setup(VIO *vio, uint64_t features);
void vio_find(VIO *vio);
void vio_reset_start(VIO *vio);
bool vio_reset_done(VIO *vio);
void vio_negotiate(VIO *vio, uint64_t features);
/* vio_forget: the device has been reset by something else than the driver. */
void vio_forget(VIO *vio);

/*
 * vio_put: a request of @len bytes with @writable bytes for its answer, which
 * begin as 0xff.  Returns its slot.  vio_kick: tell the device.
 */
unsigned vio_put(VIO *vio, const void *req, unsigned len, unsigned writable);
void vio_kick(VIO *vio);
bool vio_done(VIO *vio, unsigned slot);
bool vio_idle(VIO *vio);
/* vio_answer: byte @at of what was written. */
uint8_t vio_answer(VIO *vio, unsigned slot, unsigned at);

unsigned vio_put_attach(VIO *vio, uint32_t domain, uint32_t endpoint,
                        uint32_t flags);
unsigned vio_put_detach(VIO *vio, uint32_t domain, uint32_t endpoint);
unsigned vio_put_map(VIO *vio, uint32_t domain, uint64_t first, uint64_t last,
                     uint64_t gpa, uint32_t flags);
unsigned vio_put_unmap(VIO *vio, uint32_t domain, uint64_t first,
                       uint64_t last);
/* vio_wait: kick, and the status of the request in @slot. */
uint8_t vio_wait(VIO *vio, unsigned slot);

/* vio_fault_take: the next fault that was reported, if there is one. */
bool vio_fault_take(VIO *vio, VIOFault *fault);

/* vio_register: what query-viommu says of it by that name */
uint64_t vio_register(VIO *vio, const char *name);

#endif
