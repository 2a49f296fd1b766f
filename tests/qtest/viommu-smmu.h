/*
 * An SMMUv3 as a test drives it: registers, tables, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SMMU_H
#define VIOMMU_SMMU_H

#include "libqos/generic-pcihost.h"
#include "viommu-unit.h"
#include "viommu-smmu-spec.h"

/* What smmu_start() makes; a test may have others. */
#define SMMU_STRTAB_LOG2    10      /* streams: buses 0 to 3 */
#define SMMU_CMDQ_LOG2      7
#define SMMU_EVENTQ_LOG2    5

typedef struct SMMU {
    union {
        Unit unit;
        struct {
            UNIT_FIELDS;
        };
    };
    QGenericPCIBus pci;
    uint64_t strtab;         /* stream table */
    uint32_t strtab_cfg;
    uint64_t cmdq;
    unsigned cmdq_log2;
    uint32_t cmdq_prod;      /* with the wrap bit */
    uint64_t eventq;
    unsigned eventq_log2;
    uint32_t eventq_cons;    /* with the wrap bit */
    uint64_t msi;            /* where a CMD_SYNC with an MSI writes */
    uint32_t ticket;         /* last value one was to write */
    bool remote;             /* smmu_machine() has started a server for it */
} SMMU;

/* A translation table: VMSAv8-64, stage 1 or 2 */
typedef struct SMMUTable {
    int stage;
    int granule;             /* log2: 12, 14, 16 */
    int bits;                /* of the input address */
    int start;               /* level of the first table */
    uint64_t root;           /* guest memory */
    /* What descriptors say is where the table is, and this. */
    uint64_t offset;
} SMMUTable;

typedef struct SMMUEvent {
    uint64_t dw[4];
} SMMUEvent;

/* What every event or most of them have */
#define SMMU_EVENT_TYPE(e)  ((uint8_t)(e)->dw[0])
#define SMMU_EVENT_SSV(e)   ((int)((e)->dw[0] >> 11) & 1)
#define SMMU_EVENT_SSID(e)  ((uint32_t)((e)->dw[0] >> 12) & 0xfffff)
#define SMMU_EVENT_SID(e)   ((uint32_t)((e)->dw[0] >> 32))
#define SMMU_EVENT_STALL(e) ((int)((e)->dw[1] >> 31) & 1)
#define SMMU_EVENT_PNU(e)   ((int)((e)->dw[1] >> 33) & 1)
#define SMMU_EVENT_IND(e)   ((int)((e)->dw[1] >> 34) & 1)
#define SMMU_EVENT_RNW(e)   ((int)((e)->dw[1] >> 35) & 1)
#define SMMU_EVENT_S2(e)    ((int)((e)->dw[1] >> 39) & 1)
#define SMMU_EVENT_CLASS(e) ((int)((e)->dw[1] >> 40) & 3)

/*
 * smmu_start: virt with "iommu=smmuv3", @props ("a=1,b=2", may be "") for the
 * unit and the arguments of @fmt.  Stream table and queues are prepared in
 * guest memory but not yet told to the unit.
 */
SMMU *smmu_start(const char *props, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* smmu_start_machine: the same with another machine that has an SMMUv3. */
SMMU *smmu_start_machine(const char *machine, const char *args);
/*
 * smmu_machine: its command line without those arguments.  With VIOMMU_UNIT
 * "remote-smmuv3" the unit is in a process of its own, which is started.
 */
char *smmu_machine(const char *props);
SMMU *smmu_adopt(const SMMU *from, QTestState *qts);
void smmu_stop(SMMU *smmu);
/* smmu_reset: system_reset; the tables in memory stay. */
void smmu_reset(SMMU *smmu);

uint32_t smmu_read32(SMMU *smmu, unsigned reg);
uint64_t smmu_read64(SMMU *smmu, unsigned reg);
void smmu_write32(SMMU *smmu, unsigned reg, uint32_t value);
void smmu_write64(SMMU *smmu, unsigned reg, uint64_t value);

/* smmu_setup: tables and queues, and the queues enabled. */
void smmu_setup(SMMU *smmu);
/* smmu_cr0: write it and wait for the acknowledgement. */
void smmu_cr0(SMMU *smmu, uint32_t value);
/* smmu_enable: all of it, everything invalidated, translation on. */
void smmu_enable(SMMU *smmu);

/* Interrupts: the GIC keeps them; the test is their only reader. */
void smmu_irq_clear(SMMU *smmu);
bool smmu_irq_arrived(SMMU *smmu, int irq);

/* Stream table */
uint64_t smmu_ste(SMMU *smmu, uint32_t sid);
void smmu_set_ste(SMMU *smmu, uint32_t sid, const uint64_t dw[8]);
/* smmu_use_2level: another stream table, in two levels. */
void smmu_use_2level(SMMU *smmu, unsigned log2, unsigned split);

/* Translation tables */
void smmu_table_init(SMMU *smmu, SMMUTable *t, int stage, int granule,
                     int bits, uint64_t offset);
/* smmu_table_init_at: with a start level other than the usual one. */
void smmu_table_init_at(SMMU *smmu, SMMUTable *t, int stage, int granule,
                        int bits, int start, uint64_t offset);
int smmu_level_shift(int granule, int level);
/* smmu_pte: address of the entry of @level, tables made on demand. */
uint64_t smmu_pte(SMMU *smmu, const SMMUTable *t, uint64_t addr, int level);
/* smmu_leaf: attributes of an ordinary leaf with UNIT_* permissions. */
uint64_t smmu_leaf(const SMMUTable *t, unsigned perms);
void smmu_map(SMMU *smmu, const SMMUTable *t, uint64_t addr, uint64_t out,
              int level, uint64_t attrs);

/*
 * Descriptors for such tables: @cd and @ste are of eight doublewords; NULL
 * tables are left out.  The result is valid; tests change fields of it.
 */
void smmu_make_cd(uint64_t *cd, const SMMUTable *low, const SMMUTable *high,
                  uint16_t asid);
void smmu_make_ste(uint64_t *ste, int config, uint64_t cd,
                   const SMMUTable *s2, uint16_t vmid);
/* smmu_put: eight doublewords to guest memory */
void smmu_put(SMMU *smmu, uint64_t gpa, const uint64_t *dw);

/* Commands */
void smmu_cmd_put(SMMU *smmu, uint64_t dw0, uint64_t dw1);
void smmu_cmd_kick(SMMU *smmu);
/* smmu_cmd_idle: the queue is empty. */
bool smmu_cmd_idle(SMMU *smmu);
/* smmu_cmd: one, and a CMD_SYNC; both are consumed without an error. */
void smmu_cmd(SMMU *smmu, uint64_t dw0, uint64_t dw1);
/* smmu_sync_put: a CMD_SYNC that writes the next ticket. */
void smmu_sync_msi_put(SMMU *smmu);
bool smmu_sync_msi_arrived(SMMU *smmu);
/* smmu_inv_everything: configuration and translations */
void smmu_inv_everything(SMMU *smmu);
/*
 * smmu_cmd_error: the queue stands at the last command that was put, with
 * @cerror; it is overwritten with a CMD_SYNC and the error acknowledged.
 */
void smmu_cmd_error(SMMU *smmu, int cerror);

/* Events */
bool smmu_event_take(SMMU *smmu, SMMUEvent *e);
void smmu_assert_no_event(SMMU *smmu);
/*
 * smmu_assert_event: just one, of this type and stream.
 * smmu_assert_fault: one of a translation, with its fields; @ipa counts if
 * @s2.
 */
SMMUEvent smmu_assert_event(SMMU *smmu, uint8_t type, uint32_t sid);
void smmu_assert_fault(SMMU *smmu, uint8_t type, uint32_t sid, bool is_read,
                       int class, bool s2, uint64_t iova, uint64_t ipa);

/* Ways to have something invalidated: see UnitOps.forms. */
typedef enum SMMUForm {
    SMMU_FORM_SYNC,          /* stage 1; CMDQ_CONS is polled */
    SMMU_FORM_IRQ,           /* the same, by interrupt */
    SMMU_FORM_MSI,           /* by a message, if the unit can (or as IRQ) */
    SMMU_FORM_S2,            /* stage 2 */
    SMMU_FORM_NESTED,        /* stage 1 over stage 2 */
} SMMUForm;

#endif
