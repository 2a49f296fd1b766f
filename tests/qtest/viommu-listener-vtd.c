/*
 * What a listener behind a VT-d unit ought to know: a walk of our own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-listener-vtd.h"

#define WINDOW_FIRST 0xfee00000ULL
#define WINDOW_LAST  0xfeefffffULL

/* What the unit has by default: host address width 48 */
#define ADDR_MASK    0x0000fffffffff000ULL
/* Reserved: address bits beyond it, SNP (snoop control is off), and TM. */
#define ADDR_RSVD    0x000f000000000000ULL
#define LEAF_SNP     (1ULL << 11)
#define ENTRY_TM     (1ULL << 62)

static void put_page(GArray *picture, uint64_t iova, uint64_t last,
                     uint64_t addr, uint32_t perm)
{
    if (last < WINDOW_FIRST || iova > WINDOW_LAST) {
        picture_put(picture, iova, last, addr, perm);
        return;
    }
    if (iova < WINDOW_FIRST) {
        picture_put(picture, iova, WINDOW_FIRST - 1, addr, perm);
    }
    if (last > WINDOW_LAST) {
        picture_put(picture, WINDOW_LAST + 1, last,
                    addr + (WINDOW_LAST + 1 - iova), perm);
    }
}

static bool reserved(uint64_t entry, int level, bool leaf)
{
    uint64_t bits = ADDR_RSVD | ENTRY_TM | LEAF_SNP;

    if (leaf && level > 1) {
        bits |= (VTD_LEVEL_SIZE(level) - 1) & VTD_PTE_ADDR;
    } else if (!leaf && level > 3) {
        bits |= VTD_PTE_PS;
    }
    return entry & bits;
}

static void walk(VTD *vtd, GArray *picture, uint64_t table, int level,
                 uint64_t base, uint32_t perm)
{
    uint64_t entries[512];
    int i;

    qtest_memread(vtd->qts, table, entries, sizeof(entries));
    for (i = 0; i < 512; i++) {
        uint64_t entry = le64_to_cpu(entries[i]);
        uint32_t both = perm & entry & VTD_PTE_RW;
        uint64_t iova = base + i * VTD_LEVEL_SIZE(level);
        bool leaf = level == 1 || (level < 4 && (entry & VTD_PTE_PS));

        if (!both || reserved(entry, level, leaf)) {
            continue;
        }
        if (leaf) {
            put_page(picture, iova, iova + VTD_LEVEL_SIZE(level) - 1,
                     entry & ADDR_MASK, both);
        } else {
            walk(vtd, picture, entry & ADDR_MASK, level - 1, iova, both);
        }
    }
}

GArray *table_picture(VTD *vtd, uint64_t root, int levels)
{
    GArray *picture = g_array_new(false, true, sizeof(Heard));

    walk(vtd, picture, root, levels, 0, VTD_PTE_RW);
    return picture;
}

void listener_agrees(Listener *l, VTD *vtd, const VTDDomain *dom)
{
    g_autoptr(GArray) ought = table_picture(vtd, dom->table, dom->levels);

    listener_agrees_with(l, ought);
}
