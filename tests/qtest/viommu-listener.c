/*
 * x-iommu-listener as a test drives it, and the picture it ought to have
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-listener.h"

#define WINDOW_FIRST 0xfee00000ULL
#define WINDOW_LAST  0xfeefffffULL

/* What the unit has by default: host address width 48 */
#define ADDR_MASK    0x0000fffffffff000ULL
/* Reserved: address bits beyond it, SNP (snoop control is off), and TM. */
#define ADDR_RSVD    0x000f000000000000ULL
#define LEAF_SNP     (1ULL << 11)
#define ENTRY_TM     (1ULL << 62)

static uint32_t reg32(Listener *l, unsigned reg)
{
    return qpci_io_readl(l->pci, l->bar, reg);
}

static uint64_t reg64(Listener *l, unsigned reg)
{
    return qpci_io_readq(l->pci, l->bar, reg);
}

void listener_again(Listener *l)
{
    qpci_device_enable(l->pci);
    l->bar = qpci_iomap(l->pci, 0, NULL);
    g_assert_cmphex(reg32(l, XIL_MAGIC), ==, X_IOMMU_LISTENER_MAGIC);
}

Listener *listener_new(VTD *vtd, int devfn)
{
    Listener *l = g_new0(Listener, 1);

    l->vtd = vtd;
    l->pci = qpci_device_find(vtd->bus, devfn);
    g_assert_nonnull(l->pci);
    listener_again(l);
    return l;
}

void listener_free(Listener *l)
{
    g_free(l->pci);
    g_free(l);
}

uint32_t listener_status(Listener *l)
{
    return reg32(l, XIL_STATUS);
}

unsigned listener_regions(Listener *l)
{
    return reg32(l, XIL_REGIONS);
}

unsigned listener_count(Listener *l)
{
    return reg32(l, XIL_COUNT);
}

void listener_clear(Listener *l)
{
    qpci_io_writel(l->pci, l->bar, XIL_COUNT, 0);
}

GArray *listener_events(Listener *l)
{
    GArray *events = g_array_new(false, true, sizeof(Heard));
    unsigned n = listener_count(l), i;

    for (i = 0; i < n; i++) {
        Heard e;

        qpci_io_writel(l->pci, l->bar, XIL_INDEX, i);
        e.type = reg32(l, XIL_TYPE);
        e.iova = reg64(l, XIL_IOVA);
        e.mask = reg64(l, XIL_MASK);
        e.addr = reg64(l, XIL_ADDR);
        e.perm = reg32(l, XIL_PERM);
        g_array_append_val(events, e);
    }
    return events;
}

/* UNMAP before MAP of the same; had it been otherwise, STATUS would say so. */
static int by_iova(gconstpointer a, gconstpointer b)
{
    const Heard *x = a, *y = b;

    if (x->iova != y->iova) {
        return x->iova < y->iova ? -1 : 1;
    }
    return (int)y->type - (int)x->type;
}

void listener_heard(Listener *l, const Heard *expected, unsigned n)
{
    g_autoptr(GArray) events = listener_events(l);
    unsigned i;

    g_array_sort(events, by_iova);
    for (i = 0; i < MIN(events->len, n); i++) {
        const Heard *e = &g_array_index(events, Heard, i);

        g_assert_cmpint(e->type, ==, expected[i].type);
        g_assert_cmphex(e->iova, ==, expected[i].iova);
        g_assert_cmphex(e->mask, ==, expected[i].mask);
        g_assert_cmphex(e->addr, ==, expected[i].addr);
        g_assert_cmpint(e->perm, ==, expected[i].perm);
    }
    g_assert_cmpint(events->len, ==, n);
    g_assert_cmphex(listener_status(l), ==, 0);
    listener_clear(l);
}

/* Append, or make the last one longer. */
static void put(GArray *picture, uint64_t iova, uint64_t last, uint64_t addr,
                uint32_t perm)
{
    Heard e = { XIL_MAP, iova, last - iova, addr, perm };
    Heard *before;

    if (picture->len) {
        before = &g_array_index(picture, Heard, picture->len - 1);
        if (before->iova + before->mask + 1 == iova && before->perm == perm &&
            before->addr + before->mask + 1 == addr) {
            before->mask += last - iova + 1;
            return;
        }
    }
    g_array_append_val(picture, e);
}

GArray *listener_picture(Listener *l)
{
    GArray *picture = g_array_new(false, true, sizeof(Heard));
    unsigned n = reg32(l, XIL_PIECES), i;

    for (i = 0; i < n; i++) {
        uint64_t iova;

        qpci_io_writel(l->pci, l->bar, XIL_PIECE, i);
        iova = reg64(l, XIL_P_IOVA);
        put(picture, iova, iova + reg64(l, XIL_P_MASK), reg64(l, XIL_P_ADDR),
            reg32(l, XIL_P_PERM));
    }
    return picture;
}

static void put_page(GArray *picture, uint64_t iova, uint64_t last,
                     uint64_t addr, uint32_t perm)
{
    if (last < WINDOW_FIRST || iova > WINDOW_LAST) {
        put(picture, iova, last, addr, perm);
        return;
    }
    if (iova < WINDOW_FIRST) {
        put(picture, iova, WINDOW_FIRST - 1, addr, perm);
    }
    if (last > WINDOW_LAST) {
        put(picture, WINDOW_LAST + 1, last, addr + (WINDOW_LAST + 1 - iova),
            perm);
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

static void assert_equal(const GArray *is, const GArray *ought)
{
    unsigned i;

    for (i = 0; i < MIN(is->len, ought->len); i++) {
        const Heard *a = &g_array_index(is, Heard, i);
        const Heard *b = &g_array_index(ought, Heard, i);

        g_assert_cmphex(a->iova, ==, b->iova);
        g_assert_cmphex(a->mask, ==, b->mask);
        g_assert_cmphex(a->addr, ==, b->addr);
        g_assert_cmpint(a->perm, ==, b->perm);
    }
    g_assert_cmpint(is->len, ==, ought->len);
}

void listener_agrees(Listener *l, const VTDDomain *dom)
{
    g_autoptr(GArray) is = listener_picture(l);
    g_autoptr(GArray) ought = table_picture(l->vtd, dom->table, dom->levels);

    assert_equal(is, ought);
    g_assert_cmphex(listener_status(l), ==, 0);
}

void listener_is_empty(Listener *l)
{
    g_assert_cmpint(reg32(l, XIL_PIECES), ==, 0);
    g_assert_cmphex(listener_status(l), ==, 0);
}
