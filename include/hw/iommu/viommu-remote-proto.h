/*
 * A vIOMMU outside the VMM: the protocol's messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/interop/viommu-remote.rst says what they mean.  The VMM is the client,
 * the translation unit the server.  The frame, and the commands below
 * VRP_RESOLVE, are vfio-user's (message header, and "Message sizes" of each);
 * the others are ours.  Everything is little-endian; what is reserved is 0.
 *
 * Pure: no QEMU type beyond fixed-width integers.
 */
#ifndef HW_IOMMU_VIOMMU_REMOTE_PROTO_H
#define HW_IOMMU_VIOMMU_REMOTE_PROTO_H

#define VRP_MAJOR               0
#define VRP_MINOR               1
/* capabilities.viommu.version of VRP_VERSION's JSON */
#define VRP_VIOMMU_VERSION      1
/*
 * capabilities.viommu.unit, of the server: what software finds in region 0, if
 * firmware is to say so.  With "vt-d" goes .address-bits.
 */
#define VRP_UNIT_VTD            "vt-d"

/*
 * capabilities.viommu.features, a list of names, of both sides: what each can
 * do beside what all can.  A feature is in use if both have it; what is of one
 * that is not in use nobody sends.
 */
#define VRP_FEATURE_ENDPOINTS       "endpoints"
#define VRP_FEATURE_DEVICE_TLB      "device-tlb"
#define VRP_FEATURE_PAGE_REQUESTS   "page-requests"
#define VRP_FEATURE_INTERRUPTS      "interrupts"
#define VRP_FEATURE_POSTED          "posted-interrupts"

typedef enum VRPFeature {
    VRP_F_ENDPOINTS     = 1u << 0,  /* VRP_ENDPOINT */
    /*
     * VRP_ATS_FAULT, VRP_CONFIG_ATS, VRP_CONFIG_ATS_FIRST, VRP_BY_ATS,
     * VRP_INV_DEVICE, VRP_INV_DEVICE_ALL
     */
    VRP_F_DEVICE_TLB    = 1u << 1,
    VRP_F_PAGE_REQUESTS = 1u << 2,  /* VRP_PAGE_REQUEST, VRP_PAGE_RESPONSE */
    VRP_F_INTERRUPTS    = 1u << 3,  /* VRP_REMAP, VRP_INV_INTERRUPT, _ALL */
    VRP_F_POSTED        = 1u << 4,  /* VRP_REMAP_DONE of a message */
    VRP_F_ALL           = (1u << 5) - 1,
} VRPFeature;

/*
 * capabilities.viommu.needs, of the server: those of its features without which
 * it will not do, since software finds them in its registers.
 */

/* The most data in one message, beside its header and fixed part */
#define VRP_DATA_MAX            (1u << 20)
#define VRP_MESSAGE_MAX         (VRP_DATA_MAX + 64)

typedef enum VRPCommand {
    /* vfio-user's */
    VRP_VERSION         = 1,    /* VRPVersion, JSON; the same back */
    VRP_DMA_MAP         = 2,    /* VRPDMAMap; maybe a file descriptor */
    VRP_DMA_UNMAP       = 3,    /* VRPDMAUnmap */
    VRP_REGION_INFO     = 5,    /* VRPRegionInfo; the same back */
    VRP_REGION_READ     = 9,    /* VRPRegion; the same back, and data */
    VRP_REGION_WRITE    = 10,   /* VRPRegion, data */
    VRP_DMA_READ        = 11,   /* server: VRPDMA; the same back, and data */
    VRP_DMA_WRITE       = 12,   /* server: VRPDMA, data; VRPDMA back */
    VRP_RESET           = 13,   /* nothing */
    /* ours; client to server */
    VRP_RESOLVE         = 0x8001,   /* VRPResolve; VRPConfig back */
    VRP_TRANSLATE       = 0x8002,   /* VRPTranslate; VRPAnswer back */
    VRP_FAULT           = 0x8003,   /* VRPFault */
    VRP_STATE_SAVE      = 0x8004,   /* nothing; data back */
    VRP_STATE_LOAD      = 0x8005,   /* data; nothing back */
    VRP_RUN             = 0x8006,   /* VRPRun; nothing back */
    VRP_ENDPOINT        = 0x8007,   /* VRPEndpoint; nothing back */
    VRP_ATS_FAULT       = 0x8008,   /* VRPFault; VRPATSAnswer back */
    VRP_PAGE_REQUEST    = 0x8009,   /* VRPPageRequest */
    VRP_REMAP           = 0x800a,   /* VRPRemap; VRPRemapped back */
    /* ours; server to client */
    VRP_INVALIDATE      = 0x8101,   /* VRPInvalidate; VRPDrained back */
    VRP_PREFETCH        = 0x8102,   /* VRPPrefetch */
    VRP_INTERRUPT       = 0x8103,   /* VRPInterrupt */
    VRP_UPDATE          = 0x8104,   /* VRPUpdate; the same back */
    VRP_PAGE_RESPONSE   = 0x8105,   /* VRPPageResponse */
} VRPCommand;

#define VRP_FLAG_TYPE           0xfu
#define VRP_TYPE_COMMAND        0u
#define VRP_TYPE_REPLY          1u
#define VRP_FLAG_NO_REPLY       (1u << 4)
#define VRP_FLAG_ERROR          (1u << 5)   /* of a reply: .error is an errno */

typedef struct VRPHeader {
    uint16_t id;                /* a reply has its command's */
    uint16_t command;
    uint32_t size;              /* of all of the message */
    uint32_t flags;
    uint32_t error;
} VRPHeader;

typedef struct VRPVersion {
    uint16_t major, minor;
    /* Then JSON, which ends with a 0 */
} VRPVersion;

#define VRP_DMA_READABLE        (1u << 0)
#define VRP_DMA_WRITEABLE       (1u << 1)

/*
 * Guest memory: @size bytes at guest-physical @addr are those at @offset of
 * the file descriptor that comes along, which is for reading only; without one
 * they are read with VRP_DMA_READ.  They are written by VRP_DMA_WRITE and
 * VRP_UPDATE, if @flags say that they may be.
 */
typedef struct VRPDMAMap {
    uint32_t argsz, flags;
    uint64_t offset, addr, size;
} VRPDMAMap;

typedef struct VRPDMAUnmap {
    uint32_t argsz, flags;
    uint64_t addr, size;
} VRPDMAUnmap;

typedef struct VRPRegionInfo {
    uint32_t argsz, flags;
    uint32_t index, cap_offset;
    uint64_t size, offset;
} VRPRegionInfo;

typedef struct VRPRegion {
    uint64_t offset;
    uint32_t region, count;
} VRPRegion;

typedef struct VRPDMA {
    uint64_t addr, count;
} VRPDMA;

/* The PASID of a request without one */
#define VRP_NO_PASID            0xffffffffu
/* Domains are numbers below this. */
#define VRP_DOMAINS             (1u << 24)

/* What applies to @rid's requests with @pasid? */
typedef struct VRPResolve {
    uint32_t rid;               /* requester ID, 15:0 */
    uint32_t pasid;             /* 19:0, or VRP_NO_PASID */
} VRPResolve;

typedef enum VRPMode {
    VRP_BLOCKED,                /* every access faults, with .reason */
    VRP_BYPASS,                 /* addresses are guest-physical */
    VRP_TRANSLATED,             /* VRP_TRANSLATE says */
} VRPMode;

/* The answer may be used until a VRP_INVALIDATE says otherwise. */
#define VRP_CONFIG_KEEP         (1u << 0)
/* Faults are not to be told. */
#define VRP_CONFIG_QUIET        (1u << 1)
/*
 * It may ask for translations and use what it is told (PCIe 10.1, ATS),
 * whatever .mode is.
 */
#define VRP_CONFIG_ATS          (1u << 2)
/* That it may not is found before what makes it VRP_BLOCKED. */
#define VRP_CONFIG_ATS_FIRST    (1u << 3)
#define VRP_CONFIG_ATS_FLAGS    (VRP_CONFIG_ATS | VRP_CONFIG_ATS_FIRST)
#define VRP_CONFIG_FLAGS        (VRP_CONFIG_KEEP | VRP_CONFIG_QUIET | \
                                 VRP_CONFIG_ATS_FLAGS)

typedef struct VRPConfig {
    uint32_t mode;              /* VRPMode */
    uint32_t flags;
    uint32_t domain;            /* by which invalidations know it */
    uint32_t reason;            /* the server's own */
    uint32_t bypass_bits;       /* VRP_BYPASS: so many address bits, 12 .. 64 */
    uint32_t reserved;
} VRPConfig;

#define VRP_READ                (1u << 0)
#define VRP_WRITE               (1u << 1)
#define VRP_EXEC                (1u << 2)   /* an instruction fetch */
#define VRP_PRIV                (1u << 3)   /* privileged */
/* Of a fault: the address is one that an answer to a translation request had */
#define VRP_BY_ATS              (1u << 4)

/* Where does @iova lead?  A question, which records no fault. */
typedef struct VRPTranslate {
    uint64_t iova;
    uint32_t rid, pasid;
    uint32_t domain;            /* VRPConfig's */
    uint32_t access;            /* VRP_READ and so on; 0: any at all */
} VRPTranslate;

typedef enum VRPVerdict {
    VRP_OK,
    VRP_ABSENT,                 /* not mapped */
    VRP_DENIED,                 /* mapped, but not for this access */
    VRP_RESERVED,               /* a table has reserved bits set */
    VRP_UNREADABLE,             /* a table could not be read */
    VRP_RANGE,                  /* no table covers the IOVA */
    VRP_VERDICTS
} VRPVerdict;

/* For this one access: the next one is to ask again. */
#define VRP_ANSWER_ONCE         (1u << 0)

typedef struct VRPAnswer {
    uint32_t verdict;           /* VRPVerdict */
    uint32_t reason;            /* not VRP_OK: the server's own */
    uint64_t addr;              /* of the page's first byte */
    uint32_t shift;             /* log2 of the page's size, 12 .. 52 */
    uint32_t perm;              /* VRP_READ, VRP_WRITE: all that it allows */
    uint32_t flags;
    uint32_t reserved;
} VRPAnswer;

/* An access was refused. */
typedef struct VRPFault {
    uint64_t iova;
    uint32_t rid, pasid;
    uint32_t access;
    uint32_t verdict;           /* VRP_OK: the configuration's, BLOCKED */
    uint32_t reason;            /* VRPConfig's or VRPAnswer's */
    uint32_t missed;            /* so many before it were not told */
} VRPFault;

/* How a translation request ends that met a VRPFault (PCIe 10.2.3) */
typedef enum VRPATSStatus {
    VRP_ATS_NO_RIGHTS,          /* answered: neither R nor W */
    VRP_ATS_UR,                 /* Unsupported Request */
    VRP_ATS_CA,                 /* Completer Abort */
    VRP_ATS_STATUSES
} VRPATSStatus;

typedef struct VRPATSAnswer {
    uint32_t status;            /* VRPATSStatus */
    uint32_t reserved;
} VRPATSAnswer;

/* The guest runs, or has stopped. */
typedef struct VRPRun {
    uint32_t running;           /* 0 or 1 */
    uint32_t reserved;
} VRPRun;

/* A function that does DMA as @rid is there, or is gone. */
typedef struct VRPEndpoint {
    uint32_t rid;
    uint32_t present;           /* 0 or 1 */
} VRPEndpoint;

/* Of a page request, beside VRP_READ and so on: what it asks for */
#define VRP_PAGE_LAST           (1u << 8)   /* of its group */
#define VRP_PAGE_PASID          (1u << 9)   /* the response has it, too */
/* The index of a group is below this. */
#define VRP_PAGE_GROUPS         512

/*
 * A device asks for a page that is not there (PCIe 10.4.1).  Neither to read
 * nor to write, and the last of its group: a stop marker, which is not
 * answered.
 */
typedef struct VRPPageRequest {
    uint64_t iova;              /* of the page */
    uint32_t rid, pasid;
    uint32_t flags;
    uint32_t group;
} VRPPageRequest;

/* PCIe 10.4.2.1 */
typedef enum VRPPageCode {
    VRP_PAGE_SUCCESS = 0,       /* it is to try again */
    VRP_PAGE_INVALID = 1,       /* there is no such page */
    VRP_PAGE_FAILURE = 15,      /* and no other request will be answered */
} VRPPageCode;

/* To a group of page requests */
typedef struct VRPPageResponse {
    uint32_t rid, pasid;
    uint32_t group;
    uint32_t code;              /* VRPPageCode, or one that PCIe reserves */
} VRPPageResponse;

/* The message is of the I/O APIC itself, not of who has its requester ID. */
#define VRP_REMAP_IOAPIC        (1u << 0)
/*
 * It has been sent: faults are recorded, and it may be posted.  Without it
 * somebody asks where it would lead.
 */
#define VRP_REMAP_REQUEST       (1u << 1)
#define VRP_REMAP_FLAGS         (VRP_REMAP_IOAPIC | VRP_REMAP_REQUEST)

/* Where does a message interrupt lead?  (x86) */
typedef struct VRPRemap {
    uint64_t addr;              /* what is written, and where */
    uint32_t data;
    uint32_t rid;               /* who writes it */
    uint32_t flags;
    uint32_t reserved;
} VRPRemap;

typedef enum VRPRemapVerdict {
    VRP_REMAP_SEND,             /* to what is said beside this */
    VRP_REMAP_DONE,             /* posted: there is nothing to be sent */
    VRP_REMAP_BLOCKED,
    VRP_REMAP_VERDICTS
} VRPRemapVerdict;

/* The answer may be used until a VRP_INVALIDATE says otherwise. */
#define VRP_REMAPPED_KEEP       (1u << 0)
/* VRPRemapped.index of what no entry says */
#define VRP_NO_ENTRY            0xffffffffu
/* Entries are numbers below this. */
#define VRP_ENTRIES             (1u << 16)
/* Where interrupts are: bits 31:0 of addresses, of 1 MiB */
#define VRP_INTERRUPT_ADDR      0xfee00000u

typedef struct VRPRemapped {
    uint64_t addr;              /* VRP_REMAP_SEND: the message */
    uint32_t data;
    uint32_t verdict;           /* VRPRemapVerdict */
    uint32_t flags;
    uint32_t index;             /* of the entry that says so */
} VRPRemapped;

typedef enum VRPInvKind {
    VRP_INV_CONFIG_ALL,         /* configurations: all */
    VRP_INV_CONFIG_RID,         /* of @rid, ignoring the bits of @rid_mask */
    VRP_INV_CONFIG_PASID,       /* of @pasid */
    VRP_INV_ALL,                /* translations: all */
    VRP_INV_DOMAIN,             /* of @domain */
    VRP_INV_RANGE,              /* of @domain, in @first .. @last, inclusive */
    VRP_INV_NOTHING,            /* only wait for what was before it */
    /*
     * What devices like @rid, ignoring the bits of @rid_mask, keep of @first ..
     * @last: with @pasid, or VRP_NO_PASID; _ALL: with any and without one
     */
    VRP_INV_DEVICE,
    VRP_INV_DEVICE_ALL,
    /*
     * Where messages lead: those of the entries @first .. @last (VRPRemapped's
     * .index); _ALL: of all, and of none
     */
    VRP_INV_INTERRUPT,
    VRP_INV_INTERRUPT_ALL,
    VRP_INV_KINDS
} VRPInvKind;

/* Forget it; the reply comes when no access uses it any more. */
typedef struct VRPInvalidate {
    uint64_t seq;               /* rises from one to the next */
    uint64_t first, last;
    uint32_t kind;              /* VRPInvKind */
    uint32_t domain;
    uint32_t rid, rid_mask;
    uint32_t pasid;
    uint32_t reserved;
} VRPInvalidate;

typedef struct VRPDrained {
    uint64_t seq;
} VRPDrained;

/* An answer that nobody has asked for yet */
typedef struct VRPPrefetch {
    uint64_t iova, addr;        /* of the page's first byte */
    uint32_t domain;
    uint32_t shift, perm;
    uint32_t reserved;
} VRPPrefetch;

/*
 * Make the 8 bytes at @addr @value if they are still @expected, atomically: the
 * accessed and dirty flags of a table.  Back comes what they were as @expected.
 */
typedef struct VRPUpdate {
    uint64_t addr;              /* a multiple of 8 */
    uint64_t expected, value;
} VRPUpdate;

/* The unit's own message interrupt */
typedef struct VRPInterrupt {
    uint64_t addr;
    uint32_t data;
    uint32_t rid;               /* that the write is made as */
} VRPInterrupt;

#endif
