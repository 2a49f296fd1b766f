/*
 * VT-d: decoders of scalable mode's tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: values in, values out, no state and no QEMU type beyond fixed-width
 * integers.  Any thread may call any of these with any value.
 *
 * Entries are 64-bit words in host byte order, word 0 for bits 63:0.  P alone
 * says whether an entry is present: of one that is not, only FPD counts,
 * whatever else is in it.  So a guest may clear P first and the rest later, or
 * set P last, and each state in between is a not-present entry.  In a present
 * entry reserved fields come before invalid ones (7.1.3).
 *
 * @aw_bits is the unit's address width (property aw-bits).  @cap and @ecap are
 * its CAP_REG and ECAP_REG: what the unit does not have is reserved in every
 * entry.  FPD of every entry that was read counts, for all faults that
 * vtd_fault_is_qualified() says; the caller collects it.
 */
#ifndef HW_I386_VTD_DECODE_SM_H
#define HW_I386_VTD_DECODE_SM_H

#include "hw/iommu/iopt.h"
#include "vtd-spec.h"

/* Root, context and PASID directory entry */

/**
 * vtd_decode_sm_root: decode a root entry: the half that is for @devfn; the
 * other one is not looked at.
 *
 * @table: set to the address of the context table if that is valid; its entry
 *         for @devfn is at VTD_SM_CONTEXT_OFFSET(devfn)
 * Returns: VTD_FR_NONE, VTD_FR_SM_ROOT_P or VTD_FR_SM_ROOT_RSVD.
 */
VTDFaultReason vtd_decode_sm_root(uint64_t lo, uint64_t hi, uint8_t devfn,
                                  uint8_t aw_bits, uint64_t *table);

typedef struct VTDSMContext {
    bool fpd;                /* Fault Processing Disable */
    bool dte;                /* Device-TLB Enable */
    bool paside;             /* PASID Enable: requests with PASID */
    bool pre;                /* Page Request Enable */
    bool rid_priv;           /* requests without PASID are privileged */
    uint32_t rid_pasid;      /* the PASID of requests without; 0 without RPS */
    uint32_t pasids;         /* PASIDs the directory has: 1 << 13 .. 1 << 20 */
    uint64_t pasiddirptr;    /* the PASID directory's address */
} VTDSMContext;

/**
 * vtd_decode_sm_context: decode a context entry of 4 words.
 *
 * @context: filled whatever is returned: FPD counts in every entry.  The rest
 * of an entry that is refused must not be used.
 * Returns: VTD_FR_NONE; VTD_FR_SM_CONTEXT_P; VTD_FR_SM_CONTEXT_RSVD; or
 * VTD_FR_SM_CONTEXT_INV: RID_PASID is beyond the directory, or PRE without DTE.
 */
VTDFaultReason vtd_decode_sm_context(const uint64_t words[4], uint8_t aw_bits,
                                     uint64_t ecap, VTDSMContext *context);

/* What a request asks for, before any table of pages is looked at */
typedef struct VTDSMRequest {
    /* One at most; none: an untranslated request */
    bool translation;        /* an ATS translation request */
    bool translated;         /* its address is translated already */
    bool page;               /* a page request */

    bool has_pasid;
    uint32_t pasid;          /* if it has one; otherwise set from RID_PASID */
    bool priv;               /* Privileged Mode Requested; or RID_PRIV's */
    bool exec;               /* Execute Requested */
} VTDSMRequest;

/**
 * vtd_check_sm_request: does the context entry let the request pass?
 *
 * @context: a valid one
 * @ecap: PSS
 * @req: without PASID it is given the one that the context entry says, and its
 *       privilege
 * Returns: VTD_FR_NONE and @req's PASID can be looked up; or
 * VTD_FR_SM_CONTEXT_DTE, _PRE, _PASIDE, _PASID, _RID; VTD_FR_SM_PASID_SIZE.
 */
VTDFaultReason vtd_check_sm_request(const VTDSMContext *context,
                                    uint64_t ecap, VTDSMRequest *req);

/**
 * vtd_decode_pasid_dir: decode a PASID directory entry.  That of a PASID is
 * at VTD_PASID_DIR_OFFSET(pasid) in the directory.
 *
 * @fpd: set whatever is returned
 * @table: set to the address of the PASID table if that is valid; its entry
 *         for the PASID is at VTD_PASID_OFFSET(pasid)
 * Returns: VTD_FR_NONE, VTD_FR_SM_PASID_DIR_P or VTD_FR_SM_PASID_DIR_RSVD.
 */
VTDFaultReason vtd_decode_pasid_dir(uint64_t entry, uint8_t aw_bits, bool *fpd,
                                    uint64_t *table);

/* PASID table entry */

typedef struct VTDPASIDEntry {
    bool fpd;                /* Fault Processing Disable */
    uint8_t pgtt;            /* VTD_PGTT_* */
    uint16_t did;
    bool pwsnp;              /* Page-Walk Snoop */
    bool pgsnp;              /* Page Snoop: all DMA is coherent */
    /* Second stage: PGTT second-stage and nested */
    uint8_t ss_levels;       /* that AW asks for */
    bool ssade;              /* Accessed and Dirty bits are managed */
    uint64_t ssptptr;
    /* First stage: PGTT first-stage and nested */
    uint8_t fs_levels;       /* 4 or 5 */
    bool sre;                /* Supervisor Request Enable */
    bool wpe;                /* Write Protect Enable */
    bool eafe;               /* Extended Accessed Flag Enable */
    uint64_t fsptptr;
    const char *why;         /* VTD_FR_SM_PASID_INV, in a sentence */
} VTDPASIDEntry;

/**
 * vtd_decode_pasid: decode a PASID table entry of 8 words.
 *
 * @entry: filled whatever is returned: FPD counts in every entry.  The rest of
 * an entry that is refused must not be used.
 * Returns: VTD_FR_NONE and the entry can be walked as vtd_pasid_space() says;
 * VTD_FR_SM_PASID_P; VTD_FR_SM_PASID_RSVD; VTD_FR_SM_PASID_INV.
 *
 * Memory types (CD, EMTE, EMT, PWT, PCD, PAT) are ignored, not reserved: all
 * memory of the machine is coherent.  So are NXE and SMEP (9.6), and AW
 * without a second stage, which guests set in any case.
 */
VTDFaultReason vtd_decode_pasid(const uint64_t words[8], uint8_t aw_bits,
                                uint64_t cap, uint64_t ecap,
                                VTDPASIDEntry *entry);

/**
 * vtd_check_pasid_request: does the PASID table entry let the request pass?
 * Returns: VTD_FR_NONE, VTD_FR_SM_PASID_ERE or VTD_FR_SM_PASID_SRE.
 */
VTDFaultReason vtd_check_pasid_request(const VTDPASIDEntry *entry,
                                       const VTDSMRequest *req);

/* Tables of pages */

/**
 * vtd_pasid_space: describe all stages of a valid entry to the core's walker.
 *
 * @cap, @ecap: FS1GP, SC
 * @space: table, upper and second are set; attrs is left alone.  Pass-through,
 *         whose addresses are those of the host, has no table.
 *
 * A first stage is both halves of the canonical addresses, so an access to any
 * other is IOPT_FAULT_RANGE.  IOPT_PRIV makes an access a supervisor's.
 */
void vtd_pasid_space(const VTDPASIDEntry *entry, uint8_t aw_bits,
                     uint64_t cap, uint64_t ecap, IOPTSpace *space);

/**
 * vtd_sm_walk_fault: the reason (7.1.3) for what a walk of a space that
 * vtd_pasid_space() filled ended with.
 *
 * @kind, @res: not IOPT_OK
 * @is_write: the access that faulted was a write
 */
VTDFaultReason vtd_sm_walk_fault(const IOPTSpace *space, IOPTFault kind,
                                 const IOPTResult *res, bool is_write);

#endif
