/*
 * I/O page-table formats: Armv8-A VMSAv8-64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arm ARM (DDI 0487I.a) D8.  Our level 1 is the architecture's level 3, our
 * level 4 its level 0.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-armv8.h"
#include "iopt-internal.h"

/* Every descriptor, D8.3 */
#define DESC_VALID      (1ull << 0)
#define DESC_TYPE       (1ull << 1)     /* table or page; otherwise a block */

/* Block and page descriptors; both stages */
#define LEAF_AF         (1ull << 10)
#define LEAF_DBM        (1ull << 51)
/* Stage 1 */
#define S1_AP1          (1ull << 6)     /* AP[1]: unprivileged access */
#define S1_AP2          (1ull << 7)     /* AP[2]: read-only */
#define S1_NG           (1ull << 11)
#define S1_PXN          (1ull << 53)
#define S1_UXN          (1ull << 54)    /* XN if there is one privilege level */
/* Stage 2 */
#define S2_DEVICE_MASK  (3ull << 4)     /* MemAttr[3:2]; 0: Device memory */
#define S2_S2AP0        (1ull << 6)     /* readable */
#define S2_S2AP1        (1ull << 7)     /* writable */
#define S2_XN0          (1ull << 53)
#define S2_XN1          (1ull << 54)

/* Stage 1 table descriptors; IOPTEntry.inherited has them >> 59 */
#define TABLE_SHIFT     59
#define TABLE_PXN       (1u << 0)
#define TABLE_XN        (1u << 1)
#define TABLE_AP0       (1u << 2)       /* no unprivileged access */
#define TABLE_AP1       (1u << 3)       /* no write */
#define TABLE_ALL       (TABLE_PXN | TABLE_XN | TABLE_AP0 | TABLE_AP1)

/* D8.2.2: log2 of the tables that stage 2 may start with */
#define MAX_CONCATENATED_BITS 4

/*
 * What both stages have in common: the descriptor's type and address, and AF.
 * Fills @out but for the permissions.
 */
static IOPTFault decode_common(const IOPTTable *table, unsigned level,
                               uint64_t entry, IOPTEntry *out)
{
    const IOPTFormat *format = table->format;
    unsigned shift = format->page_shift;

    if (!(entry & DESC_VALID)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    if (level == 1 || !(entry & DESC_TYPE)) {
        out->leaf = true;
        shift = iopt_level_shift(format, level);
        /* At level 3 a block, elsewhere one of a size that does not exist. */
        if (level == 1 ? !(entry & DESC_TYPE) :
            !(format->leaf_levels >> level & 1)) {
            return IOPT_FAULT_NOT_PRESENT;
        }
    }
    out->addr = entry & iopt_block_last(0, IOPT_ARMV8_MAX_BITS) &
                ~iopt_block_last(0, shift);
    if (out->addr & ~iopt_block_last(0, table->output_bits)) {
        return IOPT_FAULT_ADDR_SIZE;
    }
    if (out->leaf && !(entry & LEAF_AF) &&
        !(table->flags & (IOPT_ARMV8_HA | IOPT_ARMV8_AFFD))) {
        return IOPT_FAULT_ACCESS_FLAG;
    }
    return IOPT_OK;
}

static bool hardware_dirty(const IOPTTable *table, uint64_t entry)
{
    return (table->flags & IOPT_ARMV8_HA) && (table->flags & IOPT_ARMV8_HD) &&
           (entry & LEAF_DBM);
}

/*
 * @can: what the leaf allows; @writable: it is marked as such (dirty) and not
 * only by LEAF_DBM (clean); @dirty: what makes it so.  D8.5, hardware updates
 * to the translation tables.
 */
static void set_permissions(const IOPTTable *table, uint64_t entry,
                            unsigned can, bool writable, uint64_t dirty,
                            IOPTEntry *out)
{
    out->can = out->now = can;
    out->accessed = entry;
    if (!writable) {
        out->now &= ~IOPT_WRITE;
    }
    if (table->flags & IOPT_ARMV8_HA) {
        out->accessed |= LEAF_AF;
        dirty |= LEAF_AF;
        if (!(entry & LEAF_AF)) {
            out->now = 0;
        }
    }
    out->dirty = dirty;
}

/*
 * D8.4, stage 1 permissions; @limits: TABLE_* of the levels above.  A clean
 * page is writable here.
 */
static unsigned stage1_permissions(const IOPTTable *table, uint64_t entry,
                                   unsigned attrs, unsigned limits)
{
    uint32_t flags = table->flags;
    bool wxn = flags & IOPT_ARMV8_WXN;
    bool write = (!(entry & S1_AP2) || hardware_dirty(table, entry)) &&
                 !(limits & TABLE_AP1);
    bool xn = (entry & S1_UXN) || (limits & TABLE_XN);
    bool pxn = (entry & S1_PXN) || (limits & TABLE_PXN);
    bool user = (entry & S1_AP1) && !(limits & TABLE_AP0);
    bool read, exec;

    if (flags & IOPT_ARMV8_ONE_PRIV) {
        read = true;
        exec = !xn && !(wxn && write);
    } else if (attrs & IOPT_PRIV) {
        read = !(user && (flags & IOPT_ARMV8_PAN));
        /* What unprivileged software can write is never executed. */
        exec = !pxn && !(user && write) && !(wxn && write);
        write &= read;
    } else {
        read = user;
        write &= user;
        exec = !xn && !(wxn && write);
    }
    return ((attrs & IOPT_EXEC ? exec : read) ? IOPT_READ : 0) |
           (write ? IOPT_WRITE : 0);
}

static IOPTFault stage1_decode(const IOPTTable *table, unsigned level,
                               uint64_t entry, unsigned attrs,
                               unsigned inherited, IOPTEntry *out)
{
    IOPTFault fault = decode_common(table, level, entry, out);

    if (fault != IOPT_OK) {
        return fault;
    }
    if (!out->leaf) {
        out->can = IOPT_READ | IOPT_WRITE;
        if (!(table->flags & IOPT_ARMV8_HPD)) {
            out->inherited = inherited | (entry >> TABLE_SHIFT & TABLE_ALL);
        }
        return IOPT_OK;
    }
    out->global = !(entry & S1_NG);
    set_permissions(table, entry,
                    stage1_permissions(table, entry, attrs, inherited),
                    !(entry & S1_AP2), entry & ~S1_AP2, out);
    return IOPT_OK;
}

/* D8.4, stage 2 permissions */
static unsigned stage2_permissions(const IOPTTable *table, uint64_t entry,
                                   unsigned attrs)
{
    bool read = entry & S2_S2AP0;
    bool write = (entry & S2_S2AP1) || hardware_dirty(table, entry);
    bool exec = !(entry & S2_XN1);

    if ((attrs & IOPT_TABLE) && (table->flags & IOPT_ARMV8_PTW) &&
        !(entry & S2_DEVICE_MASK)) {
        return 0;
    }
    if ((table->flags & IOPT_ARMV8_XNX) && (entry & S2_XN0)) {
        /* 0b01: not privileged; 0b11: privileged only */
        exec = !(attrs & IOPT_PRIV) == exec;
    }
    return ((attrs & IOPT_EXEC ? exec : read) ? IOPT_READ : 0) |
           (write ? IOPT_WRITE : 0);
}

static IOPTFault stage2_decode(const IOPTTable *table, unsigned level,
                               uint64_t entry, unsigned attrs,
                               unsigned inherited, IOPTEntry *out)
{
    IOPTFault fault = decode_common(table, level, entry, out);

    if (fault != IOPT_OK) {
        return fault;
    }
    if (!out->leaf) {
        out->can = IOPT_READ | IOPT_WRITE;
        return IOPT_OK;
    }
    set_permissions(table, entry, stage2_permissions(table, entry, attrs),
                    entry & S2_S2AP1, entry | S2_S2AP1, out);
    return IOPT_OK;
}

/* D8.3: page sizes, and the levels that have blocks */
#define FORMAT(stage, granule, shift, blocks) {     \
        .name = "vmsav8-64-" #stage "-" granule,   \
        .page_shift = (shift),                      \
        .index_bits = (shift) - 3,                  \
        .leaf_levels = 1u << 1 | (blocks),          \
        .decode = stage##_decode,                   \
    }

#define FORMATS(stage) {                                        \
        FORMAT(stage, "4k", 12, 1u << 2 | 1u << 3),             \
        FORMAT(stage, "16k", 14, 1u << 2),                      \
        FORMAT(stage, "64k", 16, 1u << 2),                      \
    }

static const IOPTFormat stage1_formats[3] = FORMATS(stage1);
static const IOPTFormat stage2_formats[3] = FORMATS(stage2);

static bool valid_granule(unsigned granule)
{
    return granule == 12 || granule == 14 || granule == 16;
}

static unsigned max_tsz(const IOPTArmv8Params *p)
{
    return !(p->flags & IOPT_ARMV8_STT) ? 39 : p->granule == 16 ? 47 : 48;
}

/* A table of @formats that covers nothing, until it is completed. */
static void init_table(IOPTTable *table, const IOPTFormat *formats,
                       const IOPTArmv8Params *p)
{
    unsigned granule = valid_granule(p->granule) ? p->granule : 12;

    *table = (IOPTTable) {
        .format = &formats[(granule - 12) / 2],
        .levels = 1,
        .input_bits = granule,
        .output_bits = MIN(p->output_bits, IOPT_ARMV8_MAX_BITS),
        .ignore_top = p->flags & IOPT_ARMV8_TBI ? 8 : 0,
        .disabled = true,
        .flags = p->flags,
    };
}

/* The rest of it, of @levels levels, of which the first resolves @top_bits. */
static IOPTArmv8Status complete_table(IOPTTable *table,
                                      const IOPTArmv8Params *p,
                                      unsigned levels, unsigned top_bits)
{
    table->disabled = false;
    table->levels = levels;
    table->input_bits = 64 - p->tsz;
    table->root = p->ttb & ~iopt_block_last(0, top_bits + 3);
    return table->root & ~iopt_block_last(0, table->output_bits) ?
           IOPT_ARMV8_BAD_TTB : IOPT_ARMV8_OK;
}

IOPTArmv8Status iopt_armv8_stage1(IOPTTable *table, const IOPTArmv8Params *p)
{
    unsigned stride, bits, levels;

    init_table(table, stage1_formats, p);
    if (p->flags & IOPT_ARMV8_EPD) {
        return IOPT_ARMV8_OK;
    }
    if (!valid_granule(p->granule)) {
        return IOPT_ARMV8_BAD_GRANULE;
    }
    if (p->tsz < 64 - IOPT_ARMV8_MAX_BITS || p->tsz > max_tsz(p)) {
        return IOPT_ARMV8_BAD_SIZE;
    }
    stride = p->granule - 3;
    bits = 64 - p->tsz - p->granule;
    levels = (bits + stride - 1) / stride;
    return complete_table(table, p, levels, bits - (levels - 1) * stride);
}

/* How many levels SL0 asks for; 0 if it is reserved.  VTCR_EL2.SL0 */
static unsigned sl0_levels(const IOPTArmv8Params *p)
{
    switch (p->granule) {
    case 12:
        switch (p->sl0) {
        case 0:
            return 2;
        case 1:
            return 3;
        case 2:
            return p->pa_bits > 42 ? 4 : 0;
        case 3:
            return p->flags & IOPT_ARMV8_STT ? 1 : 0;
        default:
            return 0;
        }
    case 14:
        return p->sl0 < 2 ? p->sl0 + 1 : p->sl0 == 2 && p->pa_bits > 40 ? 3 : 0;
    default:
        return p->sl0 < 2 ? p->sl0 + 1 : p->sl0 == 2 && p->pa_bits > 42 ? 3 : 0;
    }
}

IOPTArmv8Status iopt_armv8_stage2(IOPTTable *table, const IOPTArmv8Params *p)
{
    unsigned pa_bits = MIN(p->pa_bits, IOPT_ARMV8_MAX_BITS);
    unsigned stride, bits, levels, below;

    init_table(table, stage2_formats, p);
    if (!valid_granule(p->granule)) {
        return IOPT_ARMV8_BAD_GRANULE;
    }
    if (p->tsz < 64 - pa_bits || p->tsz > max_tsz(p)) {
        return IOPT_ARMV8_BAD_SIZE;
    }
    levels = sl0_levels(p);
    if (!levels) {
        return IOPT_ARMV8_BAD_START;
    }
    stride = p->granule - 3;
    bits = 64 - p->tsz - p->granule;
    below = (levels - 1) * stride;
    if (bits <= below || bits - below > stride + MAX_CONCATENATED_BITS) {
        return IOPT_ARMV8_BAD_START;
    }
    return complete_table(table, p, levels, bits - below);
}

unsigned iopt_armv8_tg0(unsigned tg)
{
    static const uint8_t granule[4] = { 12, 16, 14, 0 };

    return granule[tg & 3];
}

unsigned iopt_armv8_tg1(unsigned tg)
{
    static const uint8_t granule[4] = { 0, 14, 12, 16 };

    return granule[tg & 3];
}

unsigned iopt_armv8_pa_bits(unsigned ips)
{
    static const uint8_t bits[8] = { 32, 36, 40, 42, 44, 48, 52, 52 };

    return bits[ips & 7];
}
