/*
 * An AMD-Vi unit as a test drives it: registers, tables, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The numbers are those of the specification (48882), not the model's.
 */
#ifndef VIOMMU_AMD_H
#define VIOMMU_AMD_H

#include "viommu-unit.h"

#define AMD_BASE            0xfed80000ULL

/* Registers */
#define AMD_DEVTAB          0x0000
#define AMD_CMD_BASE        0x0008
#define AMD_EVENT_BASE      0x0010
#define AMD_CONTROL         0x0018
#define AMD_EXCL_BASE       0x0020
#define AMD_EXCL_LIMIT      0x0028
#define AMD_EFR             0x0030
#define AMD_XT_INT          0x0170
#define AMD_CMD_HEAD        0x2000
#define AMD_CMD_TAIL        0x2008
#define AMD_EVENT_HEAD      0x2010
#define AMD_EVENT_TAIL      0x2018
#define AMD_STATUS          0x2020

#define AMD_C_IOMMU         (1ULL << 0)
#define AMD_C_EVENT_LOG     (1ULL << 2)
#define AMD_C_EVENT_INT     (1ULL << 3)
#define AMD_C_WAIT_INT      (1ULL << 4)
#define AMD_C_CMD_BUF       (1ULL << 12)
#define AMD_C_GT            (1ULL << 16)
#define AMD_C_GA            (1ULL << 17)
#define AMD_C_XT            (1ULL << 50)
#define AMD_C_INT_CAP_XT    (1ULL << 51)

#define AMD_S_OVERFLOW      (1ULL << 0)
#define AMD_S_EVENT_INT     (1ULL << 1)
#define AMD_S_WAIT_INT      (1ULL << 2)
#define AMD_S_EVENT_RUN     (1ULL << 3)
#define AMD_S_CMD_RUN       (1ULL << 4)

/* Commands: word 0 */
#define AMD_CMD(op)         ((uint64_t)(op) << 60)
#define AMD_CMD_WAIT        AMD_CMD(1)
#define AMD_CMD_DEVTAB      AMD_CMD(2)
#define AMD_CMD_PAGES       AMD_CMD(3)
#define AMD_CMD_IOTLB       AMD_CMD(4)
#define AMD_CMD_INT_TABLE   AMD_CMD(5)
#define AMD_CMD_ALL         AMD_CMD(8)
#define AMD_WAIT_STORE      1ULL
#define AMD_WAIT_INT        2ULL
#define AMD_PAGES_DOMAIN(d) ((uint64_t)(d) << 32)
#define AMD_PAGES_ALL       0x7ffffffffffff001ULL
#define AMD_GN              4ULL /* of a PASID, which is in word 0 */

/* Device table entries and page table entries */
#define AMD_DTE_V           (1ULL << 0)
#define AMD_DTE_TV          (1ULL << 1)
#define AMD_MODE(n)         ((uint64_t)(n) << 9)
#define AMD_IR              (1ULL << 61)
#define AMD_IW              (1ULL << 62)
#define AMD_RW              (AMD_IR | AMD_IW)
#define AMD_PR              1ULL
#define AMD_ADDR            0x000ffffffffff000ULL
#define AMD_DTE_GIOV        (1ULL << 54)
#define AMD_DTE_GV          (1ULL << 55)
#define AMD_DTE_GLX(n)      ((uint64_t)(n) << 56)
#define AMD_DTE1_I          (1ULL << 32)
#define AMD_DTE1_SA         (1ULL << 34)

#define AMD_DTE_SIZE        32
#define AMD_DTE2_IV         (1ULL << 0)
#define AMD_DTE2_LEVELS_5   (1ULL << 54)

/* Guest page table entries, and those of the GCR3 table */
#define AMD_G_P             (1ULL << 0)
#define AMD_G_RW            (1ULL << 1)
#define AMD_G_US            (1ULL << 2)
#define AMD_G_A             (1ULL << 5)
#define AMD_G_D             (1ULL << 6)
#define AMD_G_PS            (1ULL << 7)
#define AMD_G_ALL           (AMD_G_P | AMD_G_RW | AMD_G_US)
#define AMD_GCR3_V          1ULL

/* Events */
#define AMD_EV_ILLEGAL_DTE  1
#define AMD_EV_PAGE_FAULT   2
#define AMD_EV_DEVTAB_ERROR 3
#define AMD_EV_PAGE_ERROR   4
#define AMD_EV_ILLEGAL_CMD  5
#define AMD_EV_CMD_ERROR    6
#define AMD_EV_INVALID_REQUEST 8
#define AMD_F_GN            (1 << 0)
#define AMD_F_US            (1 << 2)
#define AMD_F_I             (1 << 3)
#define AMD_F_PR            (1 << 4)
#define AMD_F_RW            (1 << 5)
#define AMD_F_PE            (1 << 6)
#define AMD_F_RZ            (1 << 7)

#define AMD_RING_LOG2       8
#define AMD_RING_ENTRIES    (1u << AMD_RING_LOG2)
/* Entries of the device table: buses 0 to 7 */
#define AMD_DEVICES         0x800

typedef struct AMD {
    union {
        Unit unit;
        struct {
            UNIT_FIELDS;
        };
    };
    uint64_t devtab, cmd, log;   /* guest memory */
    uint64_t store;              /* where COMPLETION_WAIT writes */
    uint64_t ticket;             /* what the last one was to write */
    unsigned cmd_tail;           /* entry */
    uint64_t control;            /* what amd_enable() sets beside the usual */
} AMD;

/* One domain with its tables, of four levels */
typedef struct AMDDomain {
    uint16_t id;
    uint64_t table;
} AMDDomain;

/*
 * Guest tables of all PASIDs of a device.  The GCR3 table is of one level; if
 * they are nested, the host's table maps the first 4 GiB to themselves.
 */
typedef struct AMDGuest {
    uint16_t id;
    uint64_t gcr3;
    uint64_t host;               /* 0: not nested */
    unsigned levels;             /* 4 or 5 */
} AMDGuest;

typedef struct AMDEvent {
    unsigned code, flags;
    uint16_t device, domain;
    uint32_t pasid;              /* with AMD_F_GN; @domain is not set then */
    uint64_t addr;
} AMDEvent;

/*
 * amd_start: q35 with "-device amd-iommu,@props" ("" for none) and the
 * arguments of @fmt.  The unit is off; what it will use is prepared in guest
 * memory: a device table whose entries block, a command buffer, an event log.
 */
AMD *amd_start(const char *props, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* amd_machine: its command line without those arguments. */
char *amd_machine(const char *props);
AMD *amd_adopt(const AMD *from, QTestState *qts);
void amd_stop(AMD *amd);

uint64_t amd_read(AMD *amd, unsigned reg);
void amd_write(AMD *amd, unsigned reg, uint64_t value);
/* amd_setup: the base registers.  amd_enable: and everything on. */
void amd_setup(AMD *amd);
void amd_enable(AMD *amd);

/* Commands */
void amd_cmd_put(AMD *amd, uint64_t w0, uint64_t w1);
void amd_cmd_wait_put(AMD *amd);
void amd_cmd_kick(AMD *amd);
bool amd_cmd_done(AMD *amd);
/* amd_cmd: one command and a COMPLETION_WAIT, and see them through. */
void amd_cmd(AMD *amd, uint64_t w0, uint64_t w1);

/* Tables */
void amd_set_dte(AMD *amd, uint16_t sid, unsigned first, uint64_t w0,
                 uint64_t w1);
void amd_domain_init(AMD *amd, AMDDomain *dom, uint16_t id);
void amd_attach(AMD *amd, uint16_t sid, const AMDDomain *dom);
/* amd_pte: address of the entry of @level for @iova, tables made on demand. */
uint64_t amd_pte(AMD *amd, const AMDDomain *dom, uint64_t iova, int level);

/* Guest tables, of a unit with gtsup=on and AMD_C_GT.  PASIDs up to 511 */
void amd_guest_init(AMD *amd, AMDGuest *g, uint16_t id, bool nested);
/* amd_guest_attach: accesses without a PASID are PASID 0's. */
void amd_guest_attach(AMD *amd, uint16_t sid, const AMDGuest *g);
/* amd_guest_pte: as amd_pte(), of @pasid */
uint64_t amd_guest_pte(AMD *amd, const AMDGuest *g, uint32_t pasid,
                       uint64_t iova, int level);

/* Events.  amd_event_take() takes one out of the log. */
bool amd_event_take(AMD *amd, AMDEvent *event);
void amd_assert_no_event(AMD *amd);
/* amd_assert_event: the next one is this; of @flags those that are defined. */
void amd_assert_event(AMD *amd, unsigned code, uint16_t device,
                      unsigned flags, uint64_t addr);

#endif
