/*
 * What the files of the SMMUv3 model share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   smmu.c             the abstract device
 *   smmuv3.c           the device: realize, reset, PCI
 *   smmuv3-props.c     its properties
 *   smmuv3-unit.c      what is the unit's own of realize and reset
 *   smmuv3-regs.c      the register file
 *   smmuv3-mmio.c      accesses to it, and what they set off
 *   smmuv3-control.c   CR0 and GBPA: translation and the queues on and off
 *   smmuv3-cmdq.c      the command queue
 *   smmuv3-inv.c       invalidation
 *   smmuv3-eventq.c    the event queue
 *   smmuv3-irq.c       GERROR, wired interrupts, MSIs
 *   smmuv3-wire.c      how they reach the machine
 *   smmuv3-tables.c    STEs and CDs, the core's ops
 *   smmuv3-fault.c     events of translations that failed
 *   smmuv3-query.c     what the unit says of itself (QMP)
 *   smmuv3-acpi.c      what IORT says of the unit
 *   smmuv3-migration.c the migration stream
 *   smmuv3-spec.h      bit layouts
 *   smmuv3-decode.c    pure decoders
 *
 * qemu-viommud (hw/iommu/remote/server) is linked with all but smmu.c,
 * smmuv3.c, smmuv3-wire.c and smmuv3-acpi.c.
 */
#ifndef HW_ARM_SMMUV3_INTERNAL_H
#define HW_ARM_SMMUV3_INTERNAL_H

#include "hw/arm/smmuv3.h"
#include "qemu/lockable.h"
#include "smmuv3-decode.h"

/*
 * Memory that the SMMU itself writes is RAM: no MMIO handler runs, so this
 * cannot re-enter us.
 */
#define SMMU_MEM_ATTRS ((MemTxAttrs) { .memory = 1 })

/*
 * Tags (see IOTLB_TAG): a group is what TLBI by VMID removes, and stage 2
 * alone (tagged by IPA) is a group of its own.  The domain is the ASID, the
 * variant what an STE's PRIVCFG and INSTCFG make of accesses.
 */
#define SMMU_TAG_S1_GROUP(vmid) (1u << 16 | (vmid))
#define SMMU_TAG_S2_GROUP(vmid) (2u << 16 | (vmid))
#define SMMU_TAG_BYPASS         IOTLB_TAG(0, 0, 0)

static inline SMMUv3State *smmuv3_of(VIOMMU *v)
{
    return container_of(v, SMMUv3State, viommu);
}

/*
 * Calls between files go downwards in this order: mmio, migration, control,
 * cmdq, inv, tables, fault, eventq, irq, regs, decode; smmuv3.c, which makes
 * the device, is above all.
 */

/* smmuv3-regs.c: BQL.  @reg: a register's offset in page 0, or 4 beyond it */

/** smmuv3_regs_reset: every register to its reset value. */
void smmuv3_regs_reset(SMMUv3State *s);
/** smmuv3_reg_is_64bit: is it the (lower half of a) 64-bit register? */
bool smmuv3_reg_is_64bit(hwaddr reg);
/** smmuv3_reg_read: false, and @val as it was, if there is no such register. */
bool smmuv3_reg_read(const SMMUv3State *s, hwaddr reg, uint32_t *val);
/**
 * smmuv3_reg_write: change what can be changed by plain writing, which is
 * nothing while the register is Guarded by what is enabled (6.3).
 * Returns: false if there is no such register.
 */
bool smmuv3_reg_write(SMMUv3State *s, hwaddr reg, uint32_t val);

/** smmuv3_gerror_active: has @error been raised, and not acknowledged? */
static inline bool smmuv3_gerror_active(const SMMUv3State *s, uint32_t error)
{
    return (s->gerror ^ s->gerrorn) & error;
}

/** smmuv3_cr0_wmask: the bits of CR0 that are there. */
static inline uint32_t smmuv3_cr0_wmask(const SMMUv3State *s)
{
    return s->idr[0] & SMMU_IDR0_ATS ? SMMU_CR0_WMASK :
                                       SMMU_CR0_WMASK & ~SMMU_CR0_ATSCHK;
}

/** smmuv3_translates: is there anything but bypass?  (SMMUEN, GBPA.ABORT) */
static inline bool smmuv3_translates(const SMMUv3State *s)
{
    return (s->cr0 & SMMU_CR0_SMMUEN) || (s->gbpa & SMMU_GBPA_ABORT);
}

/* smmuv3-mmio.c */

extern const MemoryRegionOps smmuv3_mmio_ops;

/* smmuv3-control.c: BQL */

void smmuv3_cr0_written(SMMUv3State *s, uint32_t val);
void smmuv3_gbpa_written(SMMUv3State *s, uint32_t val);
/** smmuv3_control_init: after viommu_init() */
void smmuv3_control_init(SMMUv3State *s);
/** smmuv3_control_cancel: updates that wait are forgotten (reset, loadvm). */
void smmuv3_control_cancel(SMMUv3State *s);

/* smmuv3-cmdq.c: BQL */

/** smmuv3_cmdq_init: after viommu_init() and smmuv3_eventq_init() */
void smmuv3_cmdq_init(SMMUv3State *s);
/** smmuv3_cmdq_run: take up what is in the queue, if nothing stops it. */
void smmuv3_cmdq_run(SMMUv3State *s);
/** smmuv3_cmdq_watch_prod: CMDQ_PROD, which was @was, has been written. */
void smmuv3_cmdq_watch_prod(SMMUv3State *s, uint32_t was);
/** smmuv3_cmdq_off: CMDQEN changes; a CMD_SYNC that waits is not consumed. */
void smmuv3_cmdq_off(SMMUv3State *s);
/** smmuv3_cmdq_cancel: forget what waits (reset, loadvm). */
void smmuv3_cmdq_cancel(SMMUv3State *s);

/* smmuv3-inv.c: BQL.  Removes, notifies, starts the drain. */

void smmuv3_invalidate(SMMUv3State *s, const SMMUv3Cmd *cmd);

/* smmuv3-eventq.c */

typedef struct SMMUv3EventRecord {
    uint64_t words[SMMU_EVT_WORDS];
} SMMUv3EventRecord;

void smmuv3_eventq_init(SMMUv3State *s);
/** smmuv3_record_event: it goes to the queue.  Any thread, no lock held. */
void smmuv3_record_event(SMMUv3State *s, const SMMUv3Event *event);

/* smmuv3-irq.c: BQL */

/** smmuv3_gerror: activate @error (SMMU_GERROR_*), unless it is active. */
void smmuv3_gerror(SMMUv3State *s, uint32_t error);
/** smmuv3_gerrorn_written: errors are acknowledged (6.3.20). */
void smmuv3_gerrorn_written(SMMUv3State *s, uint32_t val);
/** smmuv3_irq_eventq: the event queue is not empty any more. */
void smmuv3_irq_eventq(SMMUv3State *s);
/** smmuv3_irq_sync: a CMD_SYNC has been consumed. */
void smmuv3_irq_sync(SMMUv3State *s, const SMMUv3Sync *sync);

/* smmuv3-wire.c, or the server's: BQL */

void smmuv3_wire_pulse(SMMUv3State *s, SMMUIrq irq);
/* Returns: false if there is nothing at @addr that takes it. */
bool smmuv3_wire_msi(SMMUv3State *s, uint64_t addr, uint32_t data);

/* smmuv3-props.c */

/**
 * smmuv3_props_decide: check the properties, and fill in the ID registers.
 * Returns: false with @errp set.
 */
bool smmuv3_props_decide(SMMUv3State *s, Error **errp);
/**
 * smmuv3_props_stage: what the property @stage (NULL: it is not given) has of
 * @f.  Returns: false with @errp set if it is none of its values.
 */
bool smmuv3_props_stage(const char *stage, SMMUv3Features *f, Error **errp);
void smmuv3_props_class_init(ObjectClass *klass);

/* smmuv3-unit.c: BQL */

/** smmuv3_unit_init: after viommu_realize() */
void smmuv3_unit_init(SMMUv3State *s);
/** smmuv3_unit_reset: as a system reset leaves it. */
void smmuv3_unit_reset(SMMUv3State *s);

/* smmuv3-tables.c */

extern const VIOMMUOps smmuv3_viommu_ops;

/*
 * VIOMMUConfig.reason, mode BLOCKED: the event, and what it says beside the
 * access.  Its address (FetchAddr or IPA) is VIOMMUConfig.model.
 */
#define SMMU_REASON_TYPE            SMMU_FIELD(7, 0)
#define SMMU_REASON_CLASS           SMMU_FIELD(9, 8)
#define SMMU_REASON_S2              SMMU_BIT(10)

/* VIOMMUConfig.model, mode TRANSLATE */
#define SMMU_MODEL_S1R              SMMU_BIT(0)     /* record stage 1 faults */
#define SMMU_MODEL_S2R              SMMU_BIT(1)     /* record stage 2 faults */
#define SMMU_MODEL_S2_ONLY          SMMU_BIT(2)     /* config->space is that */

/* smmuv3-fault.c */

/** smmuv3_walk_event: the event of a walk that failed.  Any thread. */
void smmuv3_walk_event(IOPTFault kind, const IOPTResult *res, bool s2_only,
                       uint64_t iova, bool is_write, SMMUv3Event *event);
/**
 * smmuv3_fault_event: the event of @fault, but for the StreamID.
 * Returns: whether it is recorded.  Any thread.
 */
bool smmuv3_fault_event(VIOMMU *v, const VIOMMUConfig *config,
                        const VIOMMUFault *fault, SMMUv3Event *event);
/** smmuv3_fault: VIOMMUOps.fault */
void smmuv3_fault(VIOMMU *v, VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                  const VIOMMUFault *fault);

/** smmuv3_ats_fault: VIOMMUOps.ats_fault */
VIOMMUATSStatus smmuv3_ats_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                                 const VIOMMUConfig *config,
                                 const VIOMMUFault *fault);

/* smmuv3-query.c */

extern const VIOMMUQueryOps smmuv3_query_ops;

/* smmuv3-acpi.c */

/* DEN 0049E.d, 3.1.1.5: RMR nodes have pages of 64 KiB. */
#define SMMU_RMR_ALIGN 0x10000
/** smmuv3_direct_kinds: VIOMMUModel.direct_kinds of this machine's unit */
unsigned smmuv3_direct_kinds(void);

/* smmuv3-migration.c */

extern const VMStateDescription smmuv3_vmstate;
void smmuv3_migration_init(SMMUv3State *s);

#endif
