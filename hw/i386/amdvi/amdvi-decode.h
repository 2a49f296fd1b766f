/*
 * AMD-Vi: decoders of what the guest leaves in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: values in, values out, no state and no QEMU type beyond fixed-width
 * integers.  Any thread may call any of these with any value.  Words are in
 * host byte order.  @efr: the unit's Extended Feature Register.
 */
#ifndef HW_I386_AMDVI_DECODE_H
#define HW_I386_AMDVI_DECODE_H

#include "hw/iommu/iopt.h"
#include "amdvi-spec.h"

/* Device table entries (2.2.2.1): two halves, each atomic by itself */

/* What DMA meets: bits 127:0 */
typedef struct AMDVIDTEDma {
    bool valid;              /* V; if not, DMA passes and no more is here */
    bool translated;         /* TV: what follows to @flags is valid */
    uint8_t mode;            /* AMDVI_MODE_NONE, or levels */
    uint64_t root;
    uint32_t denied;         /* IOPT_READ, IOPT_WRITE: IR, IW are clear */
    uint16_t domain;
    bool iotlb;              /* I: translations may be asked for */
    bool suppress;           /* SA: page faults are not logged */
    bool excluded;           /* EX: the exclusion range is for it */
    /* GV: what follows is valid, with amdvi_decode_dte_guest() */
    bool guest;
    bool no_pasid;           /* GIoV: no PASID is PASID 0 */
    uint8_t gcr3_levels;     /* 1 .. 3 */
    uint64_t gcr3;           /* the GCR3 table; a GPA if there is a @mode */
    uint8_t guest_levels;    /* of a guest page table: 4 or 5 */
} AMDVIDTEDma;

/**
 * amdvi_decode_dte_dma: decode words 0 and 1.
 *
 * @gt_en: Control.GTEn
 * @dte: filled whatever is returned, but for guest_levels
 * Returns: NULL, or why it is an illegal entry; then *@reserved says whether
 * that is a reserved bit (RZ of the event) and no encoding.
 */
const char *amdvi_decode_dte_dma(const uint64_t words[2], uint64_t efr,
                                 bool gt_en, AMDVIDTEDma *dte,
                                 bool *reserved);

/**
 * amdvi_decode_dte_guest: of an entry with GV: word 2, which is in the half
 * that is otherwise the interrupts'.
 *
 * @dte: guest_levels is filled, whatever is returned
 * Returns: NULL, or why it is an illegal entry (an encoding).
 */
const char *amdvi_decode_dte_guest(uint64_t word, uint64_t efr,
                                   AMDVIDTEDma *dte);

/* One step of the way to a PASID's guest page table (2.2.6) */

/**
 * amdvi_gcr3_entry: address of the entry for @pasid in the table @table of
 * @level, 1 .. 3.  The top level, @top, has as many entries as any other; @ok:
 * false if @pasid is beyond it.
 */
uint64_t amdvi_gcr3_entry(uint64_t table, unsigned level, unsigned top,
                          uint32_t pasid, bool *ok);

/* What interrupts meet: bits 255:128 */
typedef struct AMDVIDTEInt {
    bool valid;              /* IV; if not, all pass and no more is here */
    uint16_t entries;        /* of the table, 1 .. 2048 */
    uint64_t root;           /* of the table */
    bool ignore;             /* IG: unmapped ones are not logged */
    bool init_pass, eint_pass, nmi_pass;
    AMDVIIntCtl ctl;
} AMDVIDTEInt;

/** amdvi_decode_dte_int: decode words 2 and 3, as amdvi_decode_dte_dma(). */
const char *amdvi_decode_dte_int(const uint64_t words[2], uint64_t efr,
                                 AMDVIDTEInt *dte, bool *reserved);

/* Interrupt remapping table entries (2.2.5) */

typedef struct AMDVIIRTE {
    bool suppress;           /* SupIOPF: faults are not logged; always filled */
    bool logical;            /* DM */
    bool rq_eoi;
    uint8_t type;            /* AMDVI_INT_FIXED or _ARBITRATED */
    uint8_t vector;
    uint32_t dest;           /* APIC ID */
} AMDVIIRTE;

typedef enum AMDVIIRTEStatus {
    AMDVI_IRTE_OK,
    AMDVI_IRTE_DISABLED,     /* RemapEn is clear */
    AMDVI_IRTE_ILLEGAL,      /* reserved bits or an encoding that is none */
} AMDVIIRTEStatus;

/** amdvi_decode_irte: an entry of 32 bits. */
AMDVIIRTEStatus amdvi_decode_irte(uint32_t entry, AMDVIIRTE *irte);

/**
 * amdvi_decode_irte_ga: an entry of 128 bits.
 *
 * @xt: Control.XTEn: the destination is of 32 bits; otherwise of 8, and the
 *      rest is ignored
 */
AMDVIIRTEStatus amdvi_decode_irte_ga(const uint64_t words[2], bool xt,
                                     AMDVIIRTE *irte);

/* Commands (2.4) */

typedef struct AMDVICmd {
    uint8_t op;              /* AMDVIOpcode; selects the member below */
    union {
        struct {
            bool store, interrupt;
            uint64_t addr;   /* a multiple of 8, 52 bits */
            uint64_t data;
        } wait;
        struct {
            uint16_t device;
        } devtab, interrupts;
        struct {
            uint16_t domain;
            bool guest;              /* GN: of @pasid alone */
            uint32_t pasid;
            uint64_t first, last;    /* inclusive */
        } pages;
        struct {
            uint16_t device;
            bool guest;              /* likewise */
            uint32_t pasid;
            uint64_t first, last;    /* inclusive */
        } iotlb;
    };
} AMDVICmd;

/**
 * amdvi_decode_cmd: decode a command.
 *
 * @cmd: op is always set, the rest if NULL is returned
 * Returns: NULL, or for the log why it is an illegal command.
 */
const char *amdvi_decode_cmd(const uint64_t words[2], uint64_t efr,
                             AMDVICmd *cmd);

/** amdvi_cmd_name: for traces; never NULL */
const char *amdvi_cmd_name(uint8_t op);

/* Events (2.5) */

typedef struct AMDVIEvent {
    AMDVIEventCode code;
    uint16_t device;
    uint16_t domain;         /* IO_PAGE_FAULT, PAGE_TAB_HARDWARE_ERROR */
    uint32_t pasid;          /* the same with AMDVI_EVF_GN; no domain then */
    uint16_t flags;          /* AMDVI_EVF_* */
    uint64_t addr;
} AMDVIEvent;

/** amdvi_encode_event: as an entry of the event log */
void amdvi_encode_event(const AMDVIEvent *event, uint64_t words[2]);

/** amdvi_event_name: for traces and people; never NULL */
const char *amdvi_event_name(AMDVIEventCode code);

#endif
