/*
 * viommu-remote: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * remote-frame.c     messages as bytes and as numbers; pure
 * remote-link.c      the connection
 * remote-out.c       what is written to it
 * remote-read.c      what is read of it
 * remote-ask.c       who waits for an answer
 * remote-wire.c      its socket, and who reads it
 * remote-hello.c     the JSON of its beginning
 * remote-memory.c    what the server is told of guest memory
 * remote-endpoint.c  what it is told of devices
 * remote-ats.c       devices that keep translations, and ask for pages
 * remote-window.c    where devices' writes are interrupts
 * remote-irq.c       where those lead
 * remote-x86.c       and who else of the machine is to know it
 * remote-serve.c     what the server asks for
 * remote-model.c     the model on the core: resolve, walk, fault, query
 * remote-acpi.c      what firmware tells the guest of the unit
 * viommu-remote.c    the device: properties, registers, reset, migration
 */
#ifndef HW_IOMMU_REMOTE_INTERNAL_H
#define HW_IOMMU_REMOTE_INTERNAL_H

#include "exec/memory.h"
#include "hw/iommu/viommu-model.h"
#include "hw/qdev-core.h"
#include "qom/object.h"
#include "remote-link.h"

#define TYPE_VIOMMU_REMOTE "viommu-remote"
OBJECT_DECLARE_SIMPLE_TYPE(VIOMMURemote, VIOMMU_REMOTE)

/* Reasons of our own, beside the server's, which have 32 bits */
#define REMOTE_R_DOWN   (1ull << 32)     /* nobody is there to ask */
#define REMOTE_R_LATE   (2ull << 32)     /* no answer came in time */
#define REMOTE_R_ERROR  (3ull << 32)     /* it answered with an error */
#define REMOTE_R_ASKED  (4ull << 32)     /* who looks on does not wait for it */

/*
 * Did something come over a connection that is over, @down being the last one
 * that is?  Another may be up by the time that this is looked at.
 */
static inline bool remote_is_over(unsigned connection, unsigned down)
{
    return (int)(connection - down) <= 0;
}

/* Guest memory, as the server was told of it */
typedef struct RemoteMap {
    VRPDMAMap map;
    int fd;                  /* the RAM block's; -1: not shared */
} RemoteMap;

struct VIOMMURemote {
    DeviceState parent_obj;

    /* Properties */
    CharBackend chr;
    PCIBus *primary_bus;
    uint64_t mmio;           /* where its registers are; 0: nowhere */
    uint32_t timeout;        /* ms */
    char *on_disconnect;
    VIOMMU viommu;
    VIOMMUPolicy policy;
    OnOffAuto intremap;

    RemoteLink *link;
    bool stop;               /* on-disconnect=stop */
    IOPTAsk ask, ask_brief;  /* the latter's is a question of the monitor's */
    MemoryRegion registers;
    MemoryRegion window;     /* remote-window.c */
    bool wrote;              /* to them, since they were read last; BQL */
    /*
     * Of the server before: what came of its answers is in flight (that
     * fence: BQL), or has yet to be looked for.
     */
    DMAFence before;
    bool settling;           /* lock */
    /*
     * The machine was reset, and no server heard of it.  What the guest has set
     * up since then, if it has, is lost, too: none comes up before the next.
     */
    bool reset_missed;       /* lock */
    bool setup_lost;         /* atomic; written with the BQL */
    bool known;              /* the server has said once: */
    uint64_t region_size;
    RemoteUnit unit;

    /* remote-memory.c */
    MemoryListener listener;
    QemuMutex map_lock;      /* before the link's locks */
    GArray *maps;            /* RemoteMap; map_lock */
    bool running;            /* the guest, as the server was told; map_lock */
    /* It has not said that it is done since the guest stopped.  BQL */
    bool unsettled;

    /* remote-endpoint.c */
    Notifier machine_done;
    GHashTable *requesters;  /* IDs that are there; map_lock */
    bool tells_requesters;   /* the server wants to be told; map_lock */

    /* remote-ats.c */
    GQueue pages;            /* RemotePage, that are waited for; BQL */

    /* remote-irq.c; BQL */
    GHashTable *irqs;        /* RemoteIrq: answers that may be kept */
    uint64_t irqs_lost;      /* messages about which there was no answer */
    struct RemoteX86 *x86;   /* remote-x86.c; NULL: nothing is remapped */
    VIOMMUEndpoint *ioapic;

    /* remote-serve.c */
    QemuMutex lock;
    GQueue commands;         /* RemoteCommand, to be carried out; lock */
    bool commanded;          /* something of these is new; atomic */
    unsigned resets;         /* that have not been answered; lock */
    unsigned stops;          /* remote_serve_stop(), likewise; lock */
    uint64_t last_seq;       /* of whoever reads */
    QEMUBH *command_bh;
    QTAILQ_HEAD(, RemoteDrain) drains;   /* BQL */

    QEMUBH *news_bh;         /* tells of: */
    char *down_reason;       /* lock; NULL: it did not go down */
    unsigned down_connection;    /* lock; which did */
    bool came_up, went_late; /* atomic */
    uint32_t missed_faults;  /* not told yet; atomic */
    uint64_t lost_faults;    /* never told; atomic */

    /* Migration: the server's state, while it is saved or loaded */
    uint32_t state_size;
    uint8_t *state;
};

/* remote-memory.c */

/* Begin to follow the guest's memory.  BQL. */
void remote_memory_init(VIOMMURemote *s);
/*
 * Tell a new connection all of it, and whether the guest runs.  The link's
 * thread.
 */
void remote_memory_greet(VIOMMURemote *s);
/*
 * VMChangeStateHandler; to be registered before viommu_realize()'s: when a
 * machine stops the drain comes first.
 */
void remote_run_state(void *opaque, bool running, RunState state);
/*
 * A server that was late when the guest stopped may have said since that it is
 * done: what it has asked for until then is carried out.  BQL, and no migration
 * that has copied memory for the last time: the main loop.
 */
void remote_memory_settle(VIOMMURemote *s);

/* remote-endpoint.c */

void remote_endpoint_init(VIOMMURemote *s);
/* Begin to follow the machine's devices.  After viommu_realize(); BQL. */
void remote_endpoint_start(VIOMMURemote *s);
/* Tell a new connection of all devices, if it wants that.  Link thread. */
void remote_endpoint_greet(VIOMMURemote *s, const RemoteUnit *unit);
/* VIOMMUOps.requesters_changed */
void remote_requesters_changed(VIOMMU *v);

/* remote-ats.c */

/* VIOMMUOps.ats_fault, .page_request */
VIOMMUATSStatus remote_ats_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                                 const VIOMMUConfig *config,
                                 const VIOMMUFault *fault);
VIOMMUPageCode remote_page_request(VIOMMU *v, VIOMMUEndpoint *ep,
                                   const VIOMMUPageRequest *req);
/* VRP_INV_DEVICE, VRP_INV_DEVICE_ALL.  BQL; a fence is to follow. */
void remote_invalidate_devices(VIOMMURemote *s, const VRPInvalidate *inv);
/* The server answers.  BQL; not inside remote_page_request(). */
void remote_page_response(VIOMMURemote *s, const VRPPageResponse *response);
/*
 * Nobody will answer what has been asked for.  BQL, as above.
 * remote_pages_went_down: over @connection, or one before it: devices are told
 * that there are no such pages.  remote_pages_forget: they were reset, too.
 */
void remote_pages_went_down(VIOMMURemote *s, unsigned connection);
void remote_pages_forget(VIOMMURemote *s);

/* remote-window.c */

/* remote_window_init: on x86; after viommu_realize().  BQL */
void remote_window_init(VIOMMURemote *s);
/* VIOMMUOps.endpoint_init */
void remote_window_endpoint(VIOMMU *v, VIOMMUEndpoint *ep);
/* May a translation lead to @addr .. @last, as VT-d has it?  (3.15) */
bool remote_window_output_ok(const VIOMMURemote *s, hwaddr addr, hwaddr last);

/* remote-irq.c: BQL */

/* Are interrupts remapped?  Any thread, once the device is made. */
static inline bool remote_remaps(const VIOMMURemote *s)
{
    return s->x86;
}
/*
 * Where the message @question leads: as the server has said, or says now, for
 * which it is waited as for a translation.  What it does not say is blocked,
 * and counted.  Returns: @answer's verdict.
 */
VRPRemapVerdict remote_irq_remap(VIOMMURemote *s, const VRPRemap *question,
                                 VRPRemapped *answer);
/*
 * The same, and send it there.  @by_entry: set to whether an entry says so.
 * Returns: false if it is blocked.
 */
bool remote_irq_send(VIOMMURemote *s, const VRPRemap *question,
                     bool *by_entry);
/*
 * VRP_INV_INTERRUPT, VRP_INV_INTERRUPT_ALL: when it returns nobody has anything
 * else than what the server says from then on.
 */
void remote_irq_invalidate(VIOMMURemote *s, const VRPInvalidate *inv);
/* A reset: what was said is worth nothing, and nobody has to be told. */
void remote_irq_forget(VIOMMURemote *s);
void remote_irq_init(VIOMMURemote *s);

/* remote-x86.c: BQL */

/* The I/O APIC as a requester: what the scope that DMAR has for it says */
#define REMOTE_IOAPIC_RID 0xff00u
#define REMOTE_IOAPIC_ID  0
/*
 * Can this machine have its interrupts remapped by @s?  @features: set to the
 * VRPFeatures of that that it can do.
 */
bool remote_x86_able(uint32_t *features, Error **errp);
/*
 * remote_x86_claim: @s is what remaps the machine's interrupts.  Returns: false
 * with @errp set.  _release: it is not after all.
 * remote_x86_start: they go through it from now on.  After viommu_realize().
 */
bool remote_x86_claim(VIOMMURemote *s, Error **errp);
void remote_x86_release(VIOMMURemote *s);
void remote_x86_start(VIOMMURemote *s);
/* Send the message to a processor. */
void remote_x86_send(uint64_t addr, uint32_t data);
/* Whoever keeps where messages lead (KVM, the I/O APIC) asks anew. */
void remote_x86_changed(VIOMMURemote *s);

/* remote-serve.c */

void remote_serve_init(VIOMMURemote *s);
/* RemoteLinkOps.command */
const char *remote_serve(void *opaque, const VRPHeader *h, const void *message,
                         const uint8_t *data, size_t len);
/* RemoteLinkOps.commanded */
void remote_serve_commanded(void *opaque, bool free);
/*
 * Carry out at once what has come before the last answer: a message of the
 * unit's may be a write to memory.  BQL; as many as may wait.
 */
void remote_serve_settle(VIOMMURemote *s);
/*
 * The same of the invalidations that are next: what else there is may not be
 * done in the middle of an access to the registers.  BQL; not too many.
 */
void remote_serve_invalidations(VIOMMURemote *s);
/*
 * Nobody waits for the drain any more.  BQL.
 * remote_serve_went_down: who asked over @connection, or one before it, is
 * gone.  remote_serve_forget: whoever asked is told that it is over (a reset).
 */
void remote_serve_went_down(VIOMMURemote *s, unsigned connection);
void remote_serve_forget(VIOMMURemote *s);
/*
 * remote_serve_reset: have the server reset.  What it sends before it has
 * answered is about the time before, and not carried out.  BQL.
 * remote_serve_was_reset: RemoteLinkOps.reset
 * remote_serve_restart: there is another connection.  RemoteLinkOps.greet; if
 * the machine was reset while there was none, that server hears of it first.
 * remote_serve_reset_missed: or now, if it was reset since .greet.  Any thread,
 * once it is up.
 */
void remote_serve_reset(VIOMMURemote *s);
void remote_serve_was_reset(void *opaque);
/*
 * remote_serve_stop: have the server say that it is done since the guest
 * stopped, which nobody waits for; .news_bh runs then.  BQL.
 * remote_serve_was_stopped: RemoteLinkOps.stopped
 * remote_serve_is_stopped: has it said so, every time, or is it gone?  Any
 * thread.
 */
void remote_serve_stop(VIOMMURemote *s);
void remote_serve_was_stopped(void *opaque);
bool remote_serve_is_stopped(VIOMMURemote *s);
void remote_serve_restart(VIOMMURemote *s);
void remote_serve_reset_missed(VIOMMURemote *s);

/* remote-model.c */

extern const VIOMMUOps viommu_remote_ops;
void remote_model_init(VIOMMURemote *s);
/* What the server is told of @fault.  Any thread */
VRPFault remote_fault_message(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                              const VIOMMUFault *fault);
/* Does the server know why?  Not if it was not there, or late. */
bool remote_fault_is_servers(const VIOMMUConfig *config,
                             const VIOMMUFault *fault);

/* Does firmware tell the guest of it (remote-acpi.c)?  Once it is known. */
static inline bool remote_acpi_tells(const VIOMMURemote *s)
{
    return s->unit.kind == REMOTE_UNIT_VTD && s->mmio &&
           object_dynamic_cast(qdev_get_machine(), "generic-pc-machine");
}
/* VT-d 8.4, RMRR: base and limit are those of 4 KiB pages. */
#define REMOTE_DIRECT_ALIGN 0x1000

#endif
