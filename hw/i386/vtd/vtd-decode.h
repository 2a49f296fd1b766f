/*
 * VT-d: decoders of what the guest leaves in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: values in, values out, no state and no QEMU type beyond fixed-width
 * integers.  Any thread may call any of these with any value.
 *
 * Entries are passed as two 64-bit halves in host byte order, @lo for bits
 * 63:0.  @aw_bits is the width of host addresses, 39 or 48 (property aw-bits).
 */
#ifndef HW_I386_VTD_DECODE_H
#define HW_I386_VTD_DECODE_H

#include "hw/iommu/iopt.h"
#include "vtd-spec.h"

/* Root entry */

/**
 * vtd_decode_root: decode a root entry of legacy mode.
 *
 * @table: set to the address of the bus's context table if that is valid
 * Returns: VTD_FR_NONE, or the reason why DMA of the bus is blocked.
 */
VTDFaultReason vtd_decode_root(uint64_t lo, uint64_t hi, uint8_t aw_bits,
                               uint64_t *table);

/* Context entry */

typedef struct VTDContext {
    bool fpd;                /* Fault Processing Disable */
    uint8_t tt;              /* Translation Type, VTD_CONTEXT_TT_* or 3 */
    uint8_t levels;          /* that AW asks for, 2 .. 9 */
    uint16_t did;
    uint64_t sspt;           /* SSPTPTR, the top table's address */
} VTDContext;

/**
 * vtd_decode_context: decode a context entry of legacy mode.
 *
 * @context: filled whatever is returned: FPD counts in every entry.  The rest
 * of an entry that is refused must not be used.
 * Returns: VTD_FR_NONE; VTD_FR_CONTEXT_ENTRY_P; VTD_FR_CONTEXT_ENTRY_RSVD.
 * What the unit does not support is vtd_check_context()'s.
 */
VTDFaultReason vtd_decode_context(uint64_t lo, uint64_t hi, uint8_t aw_bits,
                                  VTDContext *context);

/**
 * vtd_check_context: does the unit support what a present entry asks for?
 *
 * @cap, @ecap: the unit's CAP_REG (SAGAW) and ECAP_REG (DT, PT)
 * Returns: VTD_FR_NONE or VTD_FR_CONTEXT_ENTRY_INV.
 */
VTDFaultReason vtd_check_context(const VTDContext *context,
                                 uint64_t cap, uint64_t ecap);

/**
 * vtd_context_unsupported: the same in words: which field asks for what the
 * unit does not have, and the property that decides it.  NULL: none.
 */
const char *vtd_context_unsupported(const VTDContext *context, uint64_t cap,
                                    uint64_t ecap);

/* Second-stage tables */

/**
 * vtd_ss_table: describe a second-stage table tree to the core's walker.
 *
 * @root: SSPTPTR
 * @levels: levels of the tree; 2 .. IOPT_MAX_LEVELS, as vtd_check_context()
 *          makes sure
 * @aw_bits: also the maximum guest address width (MGAW)
 * @snoop_control: ECAP.SC: leaves have SNP
 * @tm: leaves have TM, which is reserved since revision 3.2 (property stale-tm)
 */
void vtd_ss_table(IOPTTable *table, uint64_t root, unsigned levels,
                  uint8_t aw_bits, bool snoop_control, bool tm);

/* Fault reasons */

/**
 * vtd_fault_is_reserved: something reserved is set in an entry that is present,
 * of those that say what applies to a requester.
 */
bool vtd_fault_is_reserved(VTDFaultReason reason);

/** vtd_fault_is_qualified: FPD of an entry that was read suppresses it. */
bool vtd_fault_is_qualified(VTDFaultReason reason);

/* What a translation request that meets a fault condition is answered */
typedef enum VTDATSAnswer {
    VTD_ATS_NO_RIGHTS,       /* Success, with neither R nor W; no fault */
    VTD_ATS_NO_RIGHTS_FAULT, /* the same, and a fault is recorded */
    VTD_ATS_UR,              /* Unsupported Request, and a fault */
    VTD_ATS_CA,              /* Completer Abort, and a fault */
} VTDATSAnswer;

/** vtd_ats_answer: by reason (7.1.3), of a translation request's. */
VTDATSAnswer vtd_ats_answer(VTDFaultReason reason);

typedef struct VTDFaultRecord {
    uint16_t sid;
    VTDFaultReason reason;
    uint64_t addr;           /* bits 11:0 are not recorded */
    uint8_t at;              /* Address Type of the request, VTD_AT_* */
    bool read;               /* it was a read, an AtomicOp or an ATS request */
    bool page;               /* a page request; or, a read: an AtomicOp */
    bool has_pasid;          /* it had one: PASID, EXE and PRIV count */
    uint32_t pasid;
    bool exec;               /* Execute Requested */
    bool priv;               /* Privileged Mode Requested */
} VTDFaultRecord;

/**
 * vtd_encode_fault: a DMA fault's record in a fault recording register.
 *
 * @lo, @hi: its bits 63:0 and 127:64, with F clear
 */
void vtd_encode_fault(const VTDFaultRecord *record,
                      uint64_t *lo, uint64_t *hi);

/* Page requests */

typedef struct VTDPageRequest {
    uint16_t sid;
    bool has_pasid;          /* it had one: PASID, EXE and PRIV count */
    uint32_t pasid;
    bool exec;               /* Execute Requested */
    bool priv;               /* Privileged Mode Requested */
    bool read;
    bool write;
    bool last;               /* of its group */
    uint16_t prgi;           /* Page Request Group Index, 9 bits */
    uint64_t addr;           /* of the page */
} VTDPageRequest;

/** vtd_encode_page_request: as a descriptor for the page request queue */
void vtd_encode_page_request(const VTDPageRequest *req, uint64_t words[4]);

/* Invalidation descriptors */

typedef struct VTDInvDescRaw {
    uint64_t lo;
    uint64_t hi;
    uint64_t upper[2];       /* bits 255:128; 0 in a queue of 128 bits */
} VTDInvDescRaw;

typedef struct VTDInvDesc {
    uint8_t type;            /* VTD_INV_DESC_*: selects the member below */
    uint8_t iqei;            /* of a refused one: VTD_IQEI_* */
    union {
        struct {
            uint8_t granularity;     /* VTD_INV_G_*; SELECTIVE: a device */
            uint8_t fm;              /* Function Mask, 0 .. 3 */
            uint16_t did;
            uint16_t sid;
        } context;
        struct {
            uint8_t granularity;     /* VTD_INV_PC_G_* */
            uint16_t did;
            uint32_t pasid;
        } pasid_cache;
        struct {
            uint8_t granularity;     /* VTD_INV_G_*; SELECTIVE: pages */
            uint8_t am;              /* Address Mask; <= VTD_MAMV for pages */
            bool ih;                 /* Invalidation Hint: leaves only */
            uint16_t did;
            uint64_t addr;
        } iotlb;
        struct {
            uint8_t granularity;     /* VTD_INV_PIOTLB_G_* */
            bool ih;                 /* Invalidation Hint: leaves only */
            uint16_t did;
            uint32_t pasid;
            uint64_t first;          /* PAGES: ADDR and AM, inclusive */
            uint64_t last;
        } piotlb;
        struct {
            uint16_t sid;
            uint64_t first;          /* ADDR and S as a range, inclusive */
            uint64_t last;
        } device;
        struct {
            bool global;             /* of any PASID */
            uint16_t sid;
            uint32_t pasid;
            uint64_t first;          /* ADDR and S as a range, inclusive */
            uint64_t last;
        } device_pasid;
        struct {
            bool has_pasid;
            uint8_t code;            /* Response Code, 0 .. 15 */
            uint16_t sid;
            uint16_t prgi;           /* Page Request Group Index, 9 bits */
            uint32_t pasid;
        } response;
        struct {
            bool global;
            uint8_t mask;            /* Index Mask: log2 of the number */
            uint16_t index;
        } iec;
        struct {
            bool sw;                 /* Status Write */
            bool intr;               /* Interrupt Flag */
            bool fn;                 /* Fence */
            bool pd;                 /* Page-request Drain */
            uint32_t data;
            uint64_t addr;           /* 4-byte aligned, any width */
        } wait;
    };
} VTDInvDesc;

/**
 * vtd_decode_inv_desc: decode an invalidation descriptor.
 *
 * @scalable: RTADDR.TTM is not that of legacy mode, which knows no types
 *            beyond VTD_INV_DESC_WAIT
 * @ecap: the unit's ECAP_REG: DT (device-TLBs), PRS (page group responses), DIT
 *        (PFSID), PDS (PD)
 * @desc: type is always set; the rest if NULL is returned, iqei if not
 * Returns: NULL, or for the log why the descriptor is an error (IQE).
 */
const char *vtd_decode_inv_desc(const VTDInvDescRaw *raw, bool scalable,
                                uint64_t ecap, VTDInvDesc *desc);

/** vtd_inv_desc_name: for traces; never NULL */
const char *vtd_inv_desc_name(uint8_t type);

/* Interrupt requests and remapping table entries */

typedef struct VTDIntRequest {
    bool remappable;         /* otherwise compatibility format: no more here */
    bool shv;                /* an MSI with sub-handle; else from an I/O APIC */
    uint8_t dont_care;       /* address bits 1:0 */
    uint32_t index;          /* 0 .. 0x1fffe: may be beyond any table */
} VTDIntRequest;

/**
 * vtd_decode_int_request: decode the message of an interrupt request.
 *
 * Returns: VTD_FR_NONE or VTD_FR_IR_REQ_RSVD.
 */
VTDFaultReason vtd_decode_int_request(uint64_t addr, uint32_t data,
                                      VTDIntRequest *req);

typedef struct VTDIRTE {
    bool fpd;                /* Fault Processing Disable */
    bool posted;             /* IM: dm, rh, tm, dlm and dst are not there */
    bool urg;                /* posted: Urgent */
    uint64_t pda;            /* posted: the descriptor's address */
    bool dm;                 /* Destination Mode: logical */
    bool rh;                 /* Redirection Hint */
    bool tm;                 /* Trigger Mode: level */
    uint8_t dlm;             /* Delivery Mode */
    uint8_t vector;          /* posted: Virtual Vector */
    uint8_t sq;
    uint8_t svt;
    uint16_t sid;
    uint32_t dst;            /* APIC ID: 8 bits without EIME */
} VTDIRTE;

/**
 * vtd_decode_irte: decode an interrupt remapping table entry.
 *
 * @cap: PI: without it a posted entry has a reserved bit set
 * @eime: extended interrupt mode is enabled (x2APIC)
 * @irte: filled whatever is returned: FPD counts in every entry.  The rest of
 * an entry that is refused must not be used.
 * Returns: VTD_FR_NONE; VTD_FR_IR_ENTRY_P; VTD_FR_IR_IRTE_RSVD.
 */
VTDFaultReason vtd_decode_irte(uint64_t lo, uint64_t hi, uint64_t cap,
                               uint8_t aw_bits, bool eime, VTDIRTE *irte);

/**
 * vtd_check_pid: is a posted interrupt descriptor of 8 words, word 0 for bits
 * 63:0, programmed as it must be?
 * Returns: VTD_FR_NONE or VTD_FR_IR_PID_RSVD.
 */
VTDFaultReason vtd_check_pid(const uint64_t words[8], bool eime);

/**
 * vtd_pid_notifies: what becomes of a descriptor's word VTD_PID_CONTROL,
 * @control, when an interrupt has been posted (5.2.3).
 * Returns: true if ON is to be set in it, and a notification sent to where it
 * says.
 */
bool vtd_pid_notifies(uint64_t control, bool urg);

/** vtd_irte_sid_ok: may @sid use the entry? */
bool vtd_irte_sid_ok(const VTDIRTE *irte, uint16_t sid);

#endif
