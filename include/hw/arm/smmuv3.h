/*
 * Arm SMMUv3: the device's state, and what the machines need of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This header takes the place of the base's at the same path: virt.c and
 * sbsa-ref.c include it.  Bit layouts are in hw/arm/smmuv3/smmuv3-spec.h,
 * functions in hw/arm/smmuv3/smmuv3-internal.h.
 */
#ifndef HW_ARM_SMMUV3_H
#define HW_ARM_SMMUV3_H

#include "hw/arm/smmu-common.h"
#include "hw/iommu/viommu-events.h"
#include "hw/iommu/viommu-queue.h"
#include "qemu/thread.h"
#include "qom/object.h"

#define TYPE_ARM_SMMUV3 "arm-smmuv3"
OBJECT_DECLARE_SIMPLE_TYPE(SMMUv3State, ARM_SMMUV3)

/* Wired interrupts, by number */
typedef enum SMMUIrq {
    SMMU_IRQ_EVTQ,
    SMMU_IRQ_PRIQ,           /* never raised: no PRI */
    SMMU_IRQ_CMD_SYNC,
    SMMU_IRQ_GERROR,
    SMMU_IRQS,
} SMMUIrq;

typedef struct SMMUQueue {
    uint64_t base;           /* CMDQ_BASE or EVENTQ_BASE */
    uint32_t prod;
    uint32_t cons;
    uint8_t log2size;        /* of the entries; at most what IDR1 says */
} SMMUQueue;

/* Where an MSI goes and what it is: *_IRQ_CFG0 .. 2 */
typedef struct SMMUv3IrqCfg {
    uint64_t cfg0;           /* address */
    uint32_t cfg1;           /* data */
    uint32_t cfg2;           /* memory attributes: kept only */
} SMMUv3IrqCfg;

/* The CMD_SYNC at CMDQ_CONS, which waits for the drain */
typedef struct SMMUv3Sync {
    bool irq;                /* signals its completion */
    uint32_t msi_data;
    uint64_t msi_addr;       /* 0: no MSI */
} SMMUv3Sync;

struct SMMUv3State {
    SMMUState smmu_state;
    VIOMMU viommu;           /* translation, invalidation, drain */
    qemu_irq irq[SMMU_IRQS];

    /* Properties */
    char *stage;             /* "1", "2", "nested" */
    uint8_t oas;             /* bits */
    uint8_t ssidsize;        /* bits */
    char *httu;              /* "off", "access", "dirty" */
    bool ats;
    bool msi;
    bool perms_ovr;
    bool caching_mode;

    uint32_t idr[6];         /* IDR0 .. 5; constant after realize */

    /*
     * Registers.  The BQL protects all of them.  What translations and faults
     * look at on other threads is written, and read there, with @lock as well:
     * cr0, cr2, gbpa, strtab_*.  A leaf lock: nothing is called with it held,
     * above all no memory access and nothing that wants the BQL.
     */
    QemuMutex lock;
    uint32_t cr0;
    uint32_t cr0ack;
    uint32_t cr1;
    uint32_t cr2;
    uint32_t gbpa;
    uint32_t irq_ctrl;
    uint32_t gerror;
    uint32_t gerrorn;
    SMMUv3IrqCfg gerror_irq;
    SMMUv3IrqCfg eventq_irq;
    uint64_t strtab_base;
    uint32_t strtab_base_cfg;
    SMMUQueue cmdq;
    SMMUQueue eventq;

    /* A CD had TBI since reset: invalidations by address cannot be; atomic */
    bool tbi_seen;
    bool nested_seen;        /* both stages were in use since then; atomic */

    /* What waits for the drain: BQL */
    VIOMMUQueue cmdq_engine;
    SMMUv3Sync sync;         /* at CMDQ_CONS, if the queue waits */
    VIOMMUBusy smmuen_busy;  /* CR0ACK.SMMUEN differs from CR0 meanwhile */
    VIOMMUBusy gbpa_busy;    /* GBPA.Update is set meanwhile */

    /* Events on their way to the queue */
    VIOMMUEvents events;     /* SMMUv3EventRecord */
    bool eventq_not_empty;   /* it was empty when it was written; BQL */

    VMChangeStateEntry *vmstate;

    /* Only while a migration stream is written or read */
    struct {
        uint32_t features;
        uint8_t sid_size;
        uint8_t sid_split;
        uint32_t cr[3];
        uint32_t cr0ack;
        uint32_t statusr;
        uint32_t gbpa;
        uint32_t idr[6];
    } stream;
};

/**
 * smmuv3_iort_flags: Flags of the SMMUv3 node in IORT (Arm DEN 0049E).
 *
 * They override IDR0: under ACPI, software takes coherency and HTTU from here.
 * Of the machine's unit, as it is realized; without httu= they are the base's.
 * BQL.
 */
uint32_t smmuv3_iort_flags(void);

/**
 * smmuv3_iort_ats: ATS Attribute of the root complex's node.  0 without an
 * SMMU.  BQL.
 */
uint32_t smmuv3_iort_ats(void);

#endif
