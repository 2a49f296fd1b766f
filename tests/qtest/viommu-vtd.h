/*
 * A VT-d unit as a test drives it: registers, tables, invalidation, faults
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_H
#define VIOMMU_VTD_H

#include "viommu-unit.h"
#include "viommu-vtd-spec.h"

typedef struct VTD {
    union {
        Unit unit;
        struct {
            UNIT_FIELDS;
        };
    };
    uint64_t root;           /* root table */
    bool scalable;           /* mode and queue: see viommu-vtd-sm.h */
    uint64_t iq;             /* invalidation queue, VTD_IQ_SLOTS of 16 bytes */
    unsigned iq_tail;        /* slot */
    uint64_t iq_status;      /* where wait descriptors write */
    uint32_t iq_ticket;      /* last value a wait descriptor was to write */
    bool remote;             /* vtd_machine() has started a server for it */
} VTD;


#define VTD_IQ_SLOTS 256

/* One domain with its second-stage table. */
typedef struct VTDDomain {
    uint16_t did;
    int levels;              /* 3: 39 bits; 4: 48 bits */
    uint64_t table;
} VTDDomain;

typedef enum VTDForm {
    VTD_REGISTER,
    VTD_QUEUED,
} VTDForm;

/* The encodings of IIRG, CIRG and the descriptors' G. */
typedef enum VTDScope {
    VTD_GLOBAL = 1,
    VTD_DOMAIN = 2,
    VTD_PAGE = 3,            /* of a context-cache invalidation: device */
} VTDScope;

typedef struct VTDFault {
    uint8_t reason;
    uint16_t sid;
    bool is_read;
    uint64_t info;           /* faulting page; of an interrupt, the index */
    uint64_t hi;             /* the record's upper half, for what else it has */
} VTDFault;

/*
 * vtd_start: q35 with "-device intel-iommu,@unit" (@unit may be "") and the
 * arguments of @fmt.  Translation is off; root table and queue are prepared
 * in guest memory but not yet told to the unit.
 */
VTD *vtd_start(const char *unit, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* vtd_start_machine: the same with another machine that has a VT-d. */
VTD *vtd_start_machine(const char *machine, const char *args);
/*
 * vtd_machine: its command line without those arguments.  With VIOMMU_UNIT
 * "remote-vtd" the unit is in a process of its own, which is started.
 */
char *vtd_machine(const char *unit);
void vtd_stop(VTD *vtd);
/* vtd_adopt: the same machine state in another process (migration). */
VTD *vtd_adopt(const VTD *from, QTestState *qts);

/*
 * vtd_dmar: the DMAR table that firmware gets, in hexadecimal, its checksum
 * still 0; "" if there is none.
 */
char *vtd_dmar(QTestState *qts);

/* Zeroed guest memory of @pages pages. */
uint64_t vtd_alloc(VTD *vtd, unsigned pages);

uint32_t vtd_read32(VTD *vtd, unsigned reg);
uint64_t vtd_read64(VTD *vtd, unsigned reg);
void vtd_write32(VTD *vtd, unsigned reg, uint32_t value);
void vtd_write64(VTD *vtd, unsigned reg, uint64_t value);

/* vtd_gcmd: write GCMD with the sticky bits as they are, then @set, @clear. */
void vtd_gcmd(VTD *vtd, uint32_t set, uint32_t clear);
/* vtd_set_root: RTADDR, SRTP and the global invalidations it wants. */
void vtd_set_root(VTD *vtd, uint64_t root);
void vtd_enable_queue(VTD *vtd);
/*
 * vtd_enable: root table and translation on, and the queue if @form wants it:
 * registers are not to be used for invalidation while it is (6.5.1).
 */
void vtd_enable(VTD *vtd, VTDForm form);
/* vtd_reset: system_reset; the tables in memory stay. */
void vtd_reset(VTD *vtd);

/*
 * vtd_open_bridge: number the bus behind the bridge at @devfn of bus 0, and let
 * memory cycles through to what is mapped next.
 */
QPCIDevice *vtd_open_bridge(VTD *vtd, int devfn, uint8_t bus);

/* Configuration tables */
uint64_t vtd_root_entry(VTD *vtd, uint16_t sid);
/* vtd_context_entry: its address; the context table is made on demand. */
uint64_t vtd_context_entry(VTD *vtd, uint16_t sid);
void vtd_set_context(VTD *vtd, uint16_t sid, uint64_t lo, uint64_t hi);

/* UnitOps of legacy mode that are scalable mode's as well */
Unit *vtd_unit_adopt(const Unit *from, QTestState *qts);
void vtd_unit_stop(Unit *unit);
void vtd_unit_remote_stop(Unit *unit);
void vtd_machine_reset(Unit *unit);
void vtd_unit_assert_reset(Unit *unit);
void vtd_unit_enable_start(Unit *unit);
bool vtd_unit_enabled(Unit *unit);
void vtd_unit_ats_inv_start(Unit *unit, uint16_t sid);
void vtd_unit_assert_no_fault(Unit *unit);
bool vtd_unit_drop_faults(Unit *unit, uint16_t sid);
#define VTD_UNIT_OPS                                                    \
    .target = "x86_64",                                                 \
    .regs = VTD_BASE,                                                   \
    .regs_size = VTD_PAGE_SIZE,                                         \
    .adopt = vtd_unit_adopt,                                            \
    .reset = vtd_machine_reset,                                         \
    .assert_reset = vtd_unit_assert_reset,                              \
    .enable_start = vtd_unit_enable_start,                              \
    .enabled = vtd_unit_enabled,                                        \
    .ats_inv_start = vtd_unit_ats_inv_start,                            \
    .assert_no_fault = vtd_unit_assert_no_fault,                        \
    .drop_faults = vtd_unit_drop_faults

/* vtd_domain_of: what is behind a model-neutral test's space. */
const VTDDomain *vtd_domain_of(const UnitSpace *space);
void vtd_domain_init(VTD *vtd, VTDDomain *dom, uint16_t did, int levels);
void vtd_attach(VTD *vtd, uint16_t sid, const VTDDomain *dom, int tt);

/* vtd_pte: address of the entry of @level for @iova, tables made on demand. */
uint64_t vtd_pte(VTD *vtd, const VTDDomain *dom, uint64_t iova, int level);
void vtd_map(VTD *vtd, const VTDDomain *dom, uint64_t iova, uint64_t gpa,
             int level, uint64_t perms);
void vtd_unmap(VTD *vtd, const VTDDomain *dom, uint64_t iova, int level);

/* Invalidation.  The _start form does not wait for completion. */
void vtd_inv_iotlb_start(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                         uint64_t iova, int am);
bool vtd_inv_done(VTD *vtd, VTDForm form);
void vtd_inv_wait(VTD *vtd, VTDForm form);
void vtd_inv_iotlb(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                   uint64_t iova, int am);
void vtd_inv_context(VTD *vtd, VTDForm form, VTDScope scope, uint16_t did,
                     uint16_t sid);
/* vtd_inv_everything: context cache and IOTLB, globally, register form. */
void vtd_inv_everything(VTD *vtd);

/*
 * The queue, below the above: slots of 16 bytes, in scalable mode of 32, whose
 * upper half stays zero
 */
unsigned vtd_queue_slot_size(const VTD *vtd);
void vtd_queue_put(VTD *vtd, uint64_t lo, uint64_t hi);
void vtd_queue_kick(VTD *vtd);
/* vtd_queue_wait_put: a wait descriptor writing the next ticket. */
void vtd_queue_wait_put(VTD *vtd);

/* Faults.  vtd_fault_take() reads and clears one record, and FSTS. */
bool vtd_fault_take(VTD *vtd, unsigned index, VTDFault *fault);
void vtd_assert_no_fault(VTD *vtd);
void vtd_assert_fault(VTD *vtd, uint8_t reason, uint16_t sid, bool is_read,
                      uint64_t info);

#endif
