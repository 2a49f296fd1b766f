/*
 * SMMUv3: decoders of what the guest leaves in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: values in, values out, no state and no QEMU type beyond fixed-width
 * integers.  Any thread may call any of these with any value.  64-bit words
 * are in host byte order.
 */
#ifndef HW_ARM_SMMUV3_DECODE_H
#define HW_ARM_SMMUV3_DECODE_H

#include "hw/iommu/iopt-armv8.h"
#include "smmuv3-spec.h"

/* What an implementation has, as its ID registers say. */
typedef struct SMMUv3Features {
    bool s1p;                /* IDR0.S1P: stage 1 */
    bool s2p;                /* IDR0.S2P: stage 2 */
    bool ats;                /* IDR0.ATS; not in split stages (NS1ATS) */
    bool msi;                /* IDR0.MSI */
    bool perms_ovr;          /* IDR1.ATTR_PERMS_OVR: PRIVCFG, INSTCFG count */
    uint8_t httu;            /* IDR0.HTTU, SMMU_HTTU_* */
    uint8_t ssid_bits;       /* IDR1.SSIDSIZE */
    uint8_t oas_bits;        /* IDR5.OAS, in bits: 44 or 48 */
} SMMUv3Features;

/** smmuv3_idr: the value of SMMU_IDR0 + 4 * @n, for @n of 0 to 5. */
uint32_t smmuv3_idr(const SMMUv3Features *features, unsigned n);

/** smmuv3_features: what IDR0 .. 5 in @idr say; the reverse of it. */
void smmuv3_features(SMMUv3Features *features, const uint32_t *idr);

/* Stream tables */

/**
 * smmuv3_strtab_index: where the stream table has an entry for @sid (6.3.24).
 *
 * @base, @cfg: STRTAB_BASE and STRTAB_BASE_CFG
 * @addr: address of the STE, or of the L1STD if @two_level is set
 * Returns: false if @sid is out of range.
 */
bool smmuv3_strtab_index(uint64_t base, uint32_t cfg, uint32_t sid,
                         bool *two_level, uint64_t *addr);

/**
 * smmuv3_decode_l1std: the address of @sid's STE (5.1).
 * Returns: false if the descriptor does not reach @sid.
 */
bool smmuv3_decode_l1std(uint64_t l1std, uint32_t cfg, uint32_t sid,
                         uint64_t *addr);

/* STE */

typedef struct SMMUv3STE {
    uint8_t config;          /* SMMU_STE_CONFIG_*; 0: abort */
    uint8_t s1fmt;           /* SMMU_STE_S1FMT_* */
    uint8_t s1cdmax;         /* log2 of the CDs; 0: no substreams */
    uint8_t s1dss;           /* SMMU_STE_S1DSS_* */
    uint64_t s1contextptr;
    uint16_t vmid;           /* 0 without stage 2 */
    bool s2r;                /* record faults of stage 2 */
    bool ats;                /* EATS: ATS is allowed */
    uint8_t attrs;           /* IOPT_PRIV, IOPT_EXEC: how accesses are made */
    uint8_t attrs_fixed;     /* of these, what does not depend on the access */
    IOPTTable s2;            /* stage 2, if @config has it */
} SMMUv3STE;

/**
 * smmuv3_decode_ste: decode a stream table entry and check it (5.2.2).
 * Returns: false if it is invalid or ILLEGAL; then @ste must not be used.
 */
bool smmuv3_decode_ste(const uint64_t *words, const SMMUv3Features *features,
                       SMMUv3STE *ste);

/**
 * smmuv3_cd_index: where the context descriptor of @ssid is (5.2, S1Fmt).
 *
 * @ssid: less than 1 << ste->s1cdmax
 * @two_level: set if @addr is that of an L1CD
 */
uint64_t smmuv3_cd_index(const SMMUv3STE *ste, uint32_t ssid, bool *two_level);

/**
 * smmuv3_decode_l1cd: the address of @ssid's CD (5.3).
 * Returns: false if the descriptor is invalid or, without stage 2, leads
 * beyond the OAS.
 */
bool smmuv3_decode_l1cd(uint64_t l1cd, const SMMUv3STE *ste,
                        const SMMUv3Features *features, uint32_t ssid,
                        uint64_t *addr);

/* CD */

typedef struct SMMUv3CD {
    uint16_t asid;
    bool r;                  /* record faults of stage 1 */
    bool tbi;                /* of TTB0 or TTB1 */
    IOPTTable ttb[2];
} SMMUv3CD;

/**
 * smmuv3_decode_cd: decode a context descriptor and check it (5.4.2).
 * Returns: false if it is invalid or ILLEGAL; then @cd must not be used.
 */
bool smmuv3_decode_cd(const uint64_t *words, const SMMUv3Features *features,
                      SMMUv3CD *cd);

/* Commands */

typedef struct SMMUv3Cmd {
    uint8_t op;              /* SMMU_CMD_*: selects the members below */
    union {
        struct {
            uint32_t sid;
            uint32_t mask;           /* bits of @sid that do not matter */
        } cfgi;
        struct {
            uint16_t vmid;
            uint16_t asid;
            uint64_t first;          /* by address: what entries that are to */
            uint64_t last;           /* be dropped can cover, inclusive */
            bool leaf;               /* nothing but those of the last level */
            /*
             * How large they are is not said: those go that have an address of
             * these.  false: the two are the same.
             */
            bool named;
            uint64_t named_first, named_last;
        } tlbi;
        struct {
            uint32_t sid, ssid;
            bool ssv;                /* @ssid counts */
            bool global;             /* every SubstreamID's */
            uint64_t first, last;    /* inclusive */
        } atc;
        struct {
            uint8_t cs;              /* SMMU_SYNC_CS_* */
            uint32_t msi_data;
            uint64_t msi_addr;       /* 0: none */
        } sync;
    };
} SMMUv3Cmd;

/**
 * smmuv3_decode_cmd: decode a command of the Non-secure queue (4).
 *
 * @cmd: @cmd->op is filled whatever is returned
 * Returns: NULL; or why it is CERROR_ILL, for the log.
 */
const char *smmuv3_decode_cmd(const uint64_t *words,
                              const SMMUv3Features *features, SMMUv3Cmd *cmd);

/** smmuv3_cmd_name: of an opcode, for traces. */
const char *smmuv3_cmd_name(uint8_t op);

/* Events */

typedef struct SMMUv3Event {
    uint8_t type;            /* SMMUv3EventType */
    uint8_t class;           /* SMMU_CLASS_* */
    bool ssv;
    bool pnu, ind, rnw, s2;
    bool ttrnw;              /* F_PERMISSION, class TT: a read */
    uint32_t sid, ssid;
    uint64_t addr;           /* InputAddr */
    uint64_t addr2;          /* FetchAddr or IPA */
} SMMUv3Event;

/** smmuv3_encode_event: the record, with the fields that its type has (7.3). */
void smmuv3_encode_event(const SMMUv3Event *event, uint64_t *words);

/** smmuv3_event_name: of a SMMUv3EventType, for traces. */
const char *smmuv3_event_name(uint8_t type);

/* Queues */

/* log2 of the entries of a queue with CMDQ_BASE or EVENTQ_BASE @base */
static inline unsigned smmuv3_queue_log2size(uint64_t base)
{
    unsigned log2size = smmu_bits(base, SMMU_QUEUE_BASE_LOG2SIZE);

    return log2size < SMMU_QUEUE_LOG2SIZE_MAX ? log2size :
                                                SMMU_QUEUE_LOG2SIZE_MAX;
}

/* Of a queue of 1 << @log2size entries: its index without the wrap bit */
static inline uint32_t smmuv3_queue_index(uint32_t reg, unsigned log2size)
{
    return reg & ((1u << log2size) - 1);
}

/* Index and wrap bit */
static inline uint32_t smmuv3_queue_pos(uint32_t reg, unsigned log2size)
{
    return reg & ((2u << log2size) - 1);
}

static inline bool smmuv3_queue_empty(uint32_t prod, uint32_t cons,
                                      unsigned log2size)
{
    return !smmuv3_queue_pos(prod ^ cons, log2size);
}

static inline bool smmuv3_queue_full(uint32_t prod, uint32_t cons,
                                     unsigned log2size)
{
    return smmuv3_queue_pos(prod ^ cons, log2size) == 1u << log2size;
}

/**
 * smmuv3_queue_entry: address of the entry that @reg (PROD or CONS) is at.
 *
 * @base: CMDQ_BASE or EVENTQ_BASE: the queue is aligned to its size, at least
 *        to 32 bytes
 * @entry_shift: log2 of the size of an entry
 * @oas_bits: bits above are cut off (3.4.3)
 */
static inline uint64_t smmuv3_queue_entry(uint64_t base, uint32_t reg,
                                          unsigned log2size,
                                          unsigned entry_shift,
                                          unsigned oas_bits)
{
    unsigned align = log2size + entry_shift > 5 ? log2size + entry_shift : 5;
    uint64_t addr = smmu_keep(base, SMMU_QUEUE_BASE_ADDR) >> align << align;

    return (addr & ((1ull << oas_bits) - 1)) +
           ((uint64_t)smmuv3_queue_index(reg, log2size) << entry_shift);
}

/* @reg moved on by one entry; bits above the wrap bit stay. */
static inline uint32_t smmuv3_queue_next(uint32_t reg, unsigned log2size)
{
    return (reg & ~((2u << log2size) - 1)) |
           smmuv3_queue_pos(reg + 1, log2size);
}

#endif
