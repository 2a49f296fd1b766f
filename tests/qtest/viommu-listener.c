/*
 * x-iommu-listener as a test drives it, and the picture it ought to have
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-listener.h"

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

Listener *listener_new(Unit *unit, int devfn)
{
    Listener *l = g_new0(Listener, 1);

    l->unit = unit;
    l->pci = qpci_device_find(unit->bus, devfn);
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

void picture_put(GArray *picture, uint64_t iova, uint64_t last, uint64_t addr,
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
        picture_put(picture, iova, iova + reg64(l, XIL_P_MASK),
                    reg64(l, XIL_P_ADDR), reg32(l, XIL_P_PERM));
    }
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

void listener_agrees_with(Listener *l, const GArray *ought)
{
    g_autoptr(GArray) is = listener_picture(l);

    assert_equal(is, ought);
    g_assert_cmphex(listener_status(l), ==, 0);
}

void listener_is_empty(Listener *l)
{
    g_assert_cmpint(reg32(l, XIL_PIECES), ==, 0);
    g_assert_cmphex(listener_status(l), ==, 0);
}
