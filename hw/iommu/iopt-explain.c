/*
 * I/O page tables: what an entry says, and what is wrong with it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-armv8.h"
#include "hw/iommu/iopt-explain.h"
#include "iopt-internal.h"

/* As the walk does it: IOPT_OK if it goes on with @entry. */
static IOPTFault explain_entry(const IOPTStep *step, uint64_t entry,
                               IOPTEntry *e)
{
    IOPTFault fault = iopt_decode(step->table, step->level, entry, step->attrs,
                                  step->inherited, e);
    unsigned can;

    if (fault != IOPT_OK && !iopt_is_markable(fault, entry, e)) {
        return fault;
    }
    if (!iopt_is_covered(step->table, step->level, e, step->iova)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    can = e->leaf ? iopt_updated_perm(entry, e) : e->can;
    return can && !(step->access & ~can) ? IOPT_OK : IOPT_FAULT_PERMISSION;
}

/* What no format has but addresses, and what is reserved, between. */
#define EXPLAIN_LOW  0xfffull
#define EXPLAIN_HIGH (0xfffull << 52)

static bool explain_is_reserved(const IOPTStep *step, uint64_t entry)
{
    IOPTEntry e;

    return iopt_decode(step->table, step->level, entry, step->attrs,
                       step->inherited, &e) == IOPT_FAULT_RESERVED;
}

/*
 * The bits of the entry that are set and reserved, for which it was refused.
 * Several hide each other, so each is tried in an entry without any.
 */
static uint64_t explain_reserved(const IOPTStep *step)
{
    static const uint64_t plain[] = {
        EXPLAIN_LOW, EXPLAIN_LOW | EXPLAIN_HIGH,
    };
    unsigned i, bit;

    for (i = 0; i < ARRAY_SIZE(plain); i++) {
        uint64_t base = step->entry & plain[i], reserved = 0;

        for (bit = 0; bit < 64; bit++) {
            uint64_t one = step->entry & (uint64_t)1 << bit;

            if ((one & ~plain[i]) && explain_is_reserved(step, base | one)) {
                reserved |= one;
            }
        }
        if (reserved && !explain_is_reserved(step, base) &&
            !explain_is_reserved(step, step->entry & ~reserved)) {
            return reserved;
        }
    }
    return 0;
}

void iopt_explain(const IOPTStep *step, IOPTSays *says)
{
    IOPTEntry e;
    unsigned bit;

    *says = (IOPTSays) {
        .ok = step->fault == IOPT_OK,
        .shift = iopt_level_shift(step->table->format, step->level),
    };
    if (says->ok && explain_entry(step, step->entry, &e) == IOPT_OK) {
        says->leaf = e.leaf;
        says->shift = e.leaf_shift ?: says->shift;
        says->addr = e.addr;
        says->perm = e.can;
        says->updates = e.leaf ? !e.now || (step->access & ~e.now) :
                                 e.accessed && e.accessed != step->entry;
        return;
    }
    if (step->fault == IOPT_FAULT_READ_TABLE) {
        return;
    }
    for (bit = 0; bit < 64; bit++) {
        uint64_t flipped = step->entry ^ (uint64_t)1 << bit;

        if (explain_entry(step, flipped, &e) == IOPT_OK) {
            says->culprits |= (uint64_t)1 << bit;
        }
    }
    if (step->fault == IOPT_FAULT_RESERVED) {
        says->reserved = explain_reserved(step);
        says->culprits &= says->reserved ?: UINT64_MAX;
    }
}

char *iopt_reserved_words(const IOPTStep *step, const IOPTSays *says)
{
    unsigned page = step->table->format->page_shift, bit;
    uint64_t in_page = ((uint64_t)1 << says->shift) - ((uint64_t)1 << page);
    uint64_t left = says->reserved;
    const char *before = " ";
    GString *text;

    if (!left) {
        return NULL;
    }
    text = g_string_new(left & (left - 1) ? "bits" : "bit");
    for (bit = 0; left; bit++) {
        if (left >> bit & 1) {
            left &= ~((uint64_t)1 << bit);
            g_string_append_printf(text, "%s%u", before, bit);
            before = left & (left - 1) ? ", " : " and ";
        }
    }
    if (!(says->reserved & ~in_page)) {
        g_string_append_printf(text, ", but a page of %" PRIu64 " KiB begins "
                               "at a multiple of its size",
                               (uint64_t)1 << says->shift >> 10);
    }
    return g_string_free(text, false);
}

typedef struct BitName {
    unsigned bit;
    const char *name;
} BitName;

typedef struct FormatWords {
    const char *format;      /* the beginning of IOPTFormat.name */
    unsigned stage;
    const BitName *bits;     /* a NULL name ends them */
    bool leaf_is_3;          /* levels are counted downwards, to level 3 */
} FormatWords;

/* VT-d 9.8 */
static const BitName vtd_ss_bits[] = {
    { 0, "R" }, { 1, "W" }, { 7, "PS" }, { 8, "A" }, { 9, "D" },
    { 11, "SNP" }, { 0, NULL }
};

/* VT-d 9.7 */
static const BitName vtd_fs_bits[] = {
    { 0, "P" }, { 1, "R/W" }, { 2, "U/S" }, { 5, "A" }, { 6, "D" },
    { 7, "PS" }, { 8, "G" }, { 10, "EA" }, { 63, "XD" }, { 0, NULL }
};

/* Arm ARM D8.3 */
static const BitName stage1_bits[] = {
    { 0, "valid" }, { 1, "table or page" }, { 6, "AP[1]" }, { 7, "AP[2]" },
    { 10, "AF" }, { 11, "nG" }, { 51, "DBM" }, { 53, "PXN" }, { 54, "UXN" },
    { 59, "PXNTable" }, { 60, "UXNTable" }, { 61, "APTable[0]" },
    { 62, "APTable[1]" }, { 0, NULL }
};

static const BitName stage2_bits[] = {
    { 0, "valid" }, { 1, "table or page" }, { 4, "MemAttr[2]" },
    { 5, "MemAttr[3]" }, { 6, "S2AP[0]" }, { 7, "S2AP[1]" }, { 10, "AF" },
    { 51, "DBM" }, { 53, "XN[0]" }, { 54, "XN[1]" }, { 0, NULL }
};

/* 48882 2.2.3 */
static const BitName amd_v1_bits[] = {
    { 0, "PR" }, { 59, "U" }, { 60, "FC" }, { 61, "IR" }, { 62, "IW" },
    { 0, NULL }
};

/* 48882 2.2.6 */
static const BitName amd_v2_bits[] = {
    { 0, "P" }, { 1, "R/W" }, { 2, "U/S" }, { 5, "A" }, { 6, "D" },
    { 7, "PS" }, { 0, NULL }
};

static const FormatWords format_words[] = {
    { "amd-v1", 2, amd_v1_bits, false },
    { "amd-v2", 1, amd_v2_bits, false },
    { "vtd-ss", 2, vtd_ss_bits, false },
    { "vtd-fs", 1, vtd_fs_bits, false },
    { "vmsav8-64-stage1", 1, stage1_bits, true },
    { "vmsav8-64-stage2", 2, stage2_bits, true },
};

static const FormatWords *find_words(const IOPTFormat *format)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(format_words); i++) {
        if (g_str_has_prefix(format->name, format_words[i].format)) {
            return &format_words[i];
        }
    }
    return NULL;
}

const char *iopt_bit_name(const IOPTFormat *format, unsigned bit)
{
    const FormatWords *words = find_words(format);
    const BitName *name;

    for (name = words ? words->bits : NULL; name && name->name; name++) {
        if (name->bit == bit) {
            return name->name;
        }
    }
    return NULL;
}

unsigned iopt_stage_number(const IOPTFormat *format)
{
    const FormatWords *words = find_words(format);

    return words ? words->stage : 1;
}

unsigned iopt_level_number(const IOPTFormat *format, unsigned level)
{
    const FormatWords *words = find_words(format);

    return words && words->leaf_is_3 ? iopt_armv8_level(level) : level;
}

const char *iopt_fault_name(IOPTFault fault)
{
    switch (fault) {
    case IOPT_OK:
        return "ok";
    case IOPT_FAULT_RANGE:
        return "no table covers the address";
    case IOPT_FAULT_READ_TABLE:
        return "the entry cannot be read";
    case IOPT_FAULT_NOT_PRESENT:
        return "not present";
    case IOPT_FAULT_RESERVED:
        return "a reserved bit is set";
    case IOPT_FAULT_PERMISSION:
        return "not allowed for this access";
    case IOPT_FAULT_ACCESS_FLAG:
        return "the Access flag is clear";
    case IOPT_FAULT_ADDR_SIZE:
        return "it leads beyond the address size";
    case IOPT_FAULT_PRIVILEGE:
        return "for privileged accesses only";
    case IOPT_FAULT_UPDATE:
        return "it would have to be marked, and must not be";
    default:
        return "refused";
    }
}
