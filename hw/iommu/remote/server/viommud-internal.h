/*
 * qemu-viommud: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The models of this tree, in a process of their own.  Their files are the
 * emulator's; what they call of the core (hw/iommu/viommu.h) and of the machine
 * is here, in front of a socket:
 *
 *   viommud.c          options, the connection, the main loop
 *   viommud-socket.c   the socket that it listens on
 *   viommud-device.c   making the unit's device, and its state as a stream
 *   viommud-core.c     invalidation and fences: messages, and their answers
 *   viommud-ask.c      what the client asks, by the model's functions
 *   viommud-fault.c    what it tells of refused accesses, and page requests
 *   viommud-ahead.c    what it is told before it asks
 *   viommud-refused.c  what has been refused, until it is told as a fault
 *   viommud-domain.c   the model's tags as the protocol's domains
 *   viommud-memory.c   the guest's memory
 *   viommud-vtd.c      what VT-d wants of a machine
 *   viommud-smmuv3.c   what SMMUv3 wants of one
 *   viommud-sandbox.c  what it may still ask of the kernel (libseccomp)
 *   vrs-*.c            the library for servers (hw/iommu/viommu-server.h)
 *
 * One thread, the main loop's; the BQL is nobody's.
 */
#ifndef HW_IOMMU_REMOTE_VIOMMUD_INTERNAL_H
#define HW_IOMMU_REMOTE_VIOMMUD_INTERNAL_H

#include "hw/iommu/viommu-query.h"
#include "hw/iommu/viommu-server.h"
#include "hw/iommu/viommu.h"
#include "hw/qdev-core.h"

/* The one unit of this process */
typedef struct Viommud {
    VRSServer *link;         /* NULL: there is no client */
    VRSOps ops;
    DeviceState *dev;
    VIOMMU *viommu;          /* in @dev */
    /* Its registers, and what is shown of them */
    const MemoryRegionOps *registers;
    void *registers_opaque;
    bool stopped;            /* the guest is */
    bool settled;            /* the client has told what there is to know */
    /*
     * Its registers are those that the guest expects: it was reset, or was
     * given a state.  Until then this may be a server in the place of one that
     * has died, and what the guest had set up there is nowhere.
     */
    bool begun;
} Viommud;

extern Viommud viommud;

/* viommud-socket.c */

/*
 * viommud_socket_check: of --fd.  Returns: false with @errp set, unless @fd is
 * a UNIX stream socket that listens.
 */
bool viommud_socket_check(int fd, Error **errp);
/*
 * viommud_socket_listen: a new socket at @path, where there may be one that
 * nobody has any more.  Returns: it; -1 with @errp set.
 */
int viommud_socket_listen(const char *path, Error **errp);

/* viommud-device.c */

/*
 * viommud_device_make: the unit that @unit says: "TYPE,PROPERTY=VALUE,...".
 * Returns: false with @errp set; so is what has no effect in this process.
 */
bool viommud_device_make(const char *unit, Error **errp);
/* viommud_device_help: of all units, or of @unit, if it asks for that */
bool viommud_device_help(const char *unit);
/* VRSOps.run, .save, .load, .reset */
void viommud_run_state(void *opaque, bool running);
void *viommud_save(void *opaque, size_t *len);
bool viommud_load(void *opaque, const void *data, size_t len);
void viommud_reset(void *opaque);

/*
 * viommud_registers: for a model's realize: @ops, with @opaque, are its
 * registers, of @size bytes.
 */
void viommud_registers(const MemoryRegionOps *ops, void *opaque,
                       uint64_t size);

/* viommud-core.c */

/* The client forgets it, and the next viommu_fence() waits for that. */
void viommud_invalidate(const VRPInvalidate *inv);
/* VRSOps.drained */
void viommud_drained(void *opaque, uint64_t seq);
/* The client is another one, which knows nothing yet: all has drained. */
void viommud_all_drained(void);

/* viommud-ask.c: VRSOps.resolve, .translate */
void viommud_resolve(void *opaque, const VRPResolve *question,
                     VRPConfig *answer);
void viommud_translate(void *opaque, const VRPTranslate *question,
                       VRPAnswer *answer);

/*
 * viommud-ahead.c: @question, for which @config is, has got @answer: tell the
 * next pages, too, if that is likely to be of use.
 */
void viommud_ahead(const VIOMMUConfig *config, const VRPTranslate *question,
                   const VRPAnswer *answer);

/* viommud-refused.c */

/* Whom it was refused to, and all that the model wants to know of it */
typedef struct ViommudRefused {
    uint16_t rid;
    VIOMMUConfig config;
    VIOMMUFault fault;
} ViommudRefused;

/*
 * viommud_refused_keep: a copy of it for a while.
 * Returns: the reason (VRPConfig, VRPAnswer) that it is found by.  Its lower
 * half is the model's @code.
 */
uint32_t viommud_refused_keep(const ViommudRefused *refused, unsigned code);
/* viommud_refused_find: what has @reason; NULL: it is not kept any more. */
const ViommudRefused *viommud_refused_find(uint32_t reason);

/* viommud-ask.c, for viommud-fault.c */

/* The core's VIOMMU_NO_PASID, attributes, ... of the protocol's */
uint32_t viommud_ask_pasid(uint32_t pasid);
unsigned viommud_ask_attrs(uint32_t access);
/* What applies to requests of @rid with @pasid, by the tables as they are */
void viommud_ask_config(uint32_t rid, uint32_t pasid, VIOMMUConfig *config);
/*
 * Where the IOVA leads, by the tables as they are; returns: false if @r says
 * why not.
 */
bool viommud_ask_translate(ViommudRefused *r, const VRPTranslate *question,
                           VRPAnswer *answer);

/* viommud-fault.c: VRSOps.fault, .ats_fault, .page_request */
void viommud_fault(void *opaque, const VRPFault *fault);
VRPATSStatus viommud_ats_fault(void *opaque, const VRPFault *fault);
void viommud_page_request(void *opaque, const VRPPageRequest *request);

/* viommud-domain.c */

/*
 * viommud_domain_of: the number of @tag, which is made if there is none.
 * viommud_domain_like: call @each for the number of @tag, whatever its variant
 * (IOTLB_TAG), if there is one.  viommud_domain_each: of all whose tags are
 * like @tag in the bits of @mask.
 */
uint32_t viommud_domain_of(uint64_t tag);
void viommud_domain_like(uint64_t tag,
                         void (*each)(uint32_t domain, void *opaque),
                         void *opaque);
void viommud_domain_each(uint64_t tag, uint64_t mask,
                         void (*each)(uint32_t domain, void *opaque),
                         void *opaque);
/* Nobody knows any of them any more. */
void viommud_domain_forget(void);

/*
 * viommud-sandbox.c: from now on this process does nothing but serve.  Returns:
 * false with @errp set.
 */
bool viommud_sandbox(Error **errp);

/* viommud-vtd.c: kvm_i386.h is for files that are compiled for a target. */
bool kvm_enable_x2apic(void);

/* viommud-memory.c: IOPTMem of walks */
bool viommud_read_entry(void *opaque, uint64_t addr, uint64_t *entry);
bool viommud_update_entry(void *opaque, uint64_t addr, uint64_t *expected,
                          uint64_t value);

#endif
