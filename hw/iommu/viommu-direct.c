/*
 * Firmware tables: what is mapped one to one
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-direct.h"
#include "viommu-acpi-spec.h"

/* Mappings of one RMR node, whose length has 16 bits */
#define RMR_MAPPINGS_MAX \
    ((UINT16_MAX - IORT_RMR_BYTES - IORT_RMR_DESC_BYTES) / IORT_MAPPING_BYTES)

static void direct_put(GByteArray *bytes, uint64_t value, unsigned n)
{
    for (; n; n--, value >>= 8) {
        const uint8_t byte = value;

        g_byte_array_append(bytes, &byte, 1);
    }
}

static uint64_t direct_get(const uint8_t *bytes, unsigned n)
{
    uint64_t value = 0;

    while (n--) {
        value = value << 8 | bytes[n];
    }
    return value;
}

/* Which windows there are */

static gint direct_compare(gconstpointer a, gconstpointer b)
{
    const IOMMUWindow *one = a, *other = b;

    if (one->first != other->first) {
        return one->first < other->first ? -1 : 1;
    }
    if (one->last != other->last) {
        return one->last < other->last ? -1 : 1;
    }
    return (int)one->kind - (int)other->kind;
}

/* @shared: the bus is one requester, which is listed */
static void direct_collect(const VIOMMUBus *bus, bool shared, GArray *found)
{
    unsigned i, j;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];

        if (fn->below) {
            direct_collect(fn->below, shared || (fn->below->shared &&
                           viommu_function_listed(fn) != VIOMMU_LISTED_NONE),
                           found);
        } else if (fn->windows && (shared || fn->translated)) {
            for (j = 0; j < fn->windows->n; j++) {
                if (iommu_window_is_direct(&fn->windows->at[j])) {
                    g_array_append_val(found, fn->windows->at[j]);
                }
            }
        }
    }
}

void viommu_direct_each(const VIOMMUDirect *d, VIOMMUDirectFn *fn,
                        void *opaque)
{
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(IOMMUWindow));
    unsigned i;

    for (i = 0; i < d->n; i++) {
        direct_collect(d->roots[i], false, found);
    }
    g_array_sort(found, direct_compare);
    for (i = 0; i < found->len; i++) {
        const IOMMUWindow *w = &g_array_index(found, IOMMUWindow, i);

        if (!i || direct_compare(w - 1, w)) {
            fn(w, opaque);
        }
    }
}

static void direct_union_one(const IOMMUWindow *w, void *opaque)
{
    IOMMUWindow direct = *w;

    direct.kind = IOMMU_WINDOW_DIRECT;
    direct.origin = IOMMU_WINDOW_OPERATOR;
    iommu_windows_add(opaque, &direct);
}

void viommu_direct_union(const VIOMMUDirect *d, IOMMUWindows *list)
{
    viommu_direct_each(d, direct_union_one, list);
}

/* Is @w one of those that every endpoint has? */
static bool direct_is_all(const VIOMMUDirect *d, const IOMMUWindow *w)
{
    const VIOMMUFunction any = { .windows = d->all };

    return viommu_function_has(&any, w);
}

/*
 * The requester IDs of @bus and below it that have @w: a device's own, which
 * software may know it by, and the one that its DMA has.
 */
static void direct_rids(const VIOMMUDirect *d, const VIOMMUBus *bus,
                        const IOMMUWindow *w, bool shared, VIOMMURids *rids)
{
    uint16_t base = bus->number << 8;
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];
        const VIOMMUBus *below = fn->below;

        if (below && below->number) {
            direct_rids(d, below, w, shared || (below->shared &&
                        viommu_function_listed(fn) != VIOMMU_LISTED_NONE),
                        rids);
        } else if (!below && (shared || fn->translated) &&
                   viommu_function_has(fn, w)) {
            viommu_rids_set(rids, base | fn->devfn, base | fn->devfn, true);
            viommu_rids_set(rids, fn->requester, fn->requester, true);
        }
    }
    /* What will be plugged in has what all have. */
    if (!bus->n && bus->open && bus->open_translated && direct_is_all(d, w)) {
        viommu_rids_set(rids, base, base, true);
    }
}

static void direct_each_rid(const VIOMMUDirect *d, const IOMMUWindow *w,
                            VIOMMURidFn *fn, void *opaque)
{
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    unsigned i;

    for (i = 0; i < d->n; i++) {
        direct_rids(d, d->roots[i], w, false, rids);
    }
    viommu_rids_each(rids, 0, VIOMMU_RIDS - 1, fn, opaque);
}

/* DMAR, IVRS */

typedef struct DirectTable {
    const VIOMMUDirect *d;
    GByteArray *bytes;
    const IOMMUWindow *w;    /* IVRS: whose blocks these are */
} DirectTable;

static void direct_rmrr_one(const IOMMUWindow *w, void *opaque)
{
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    DirectTable *t = opaque;
    unsigned i, j;

    for (i = 0; i < t->d->n; i++) {
        const VIOMMUBus *root = t->d->roots[i];

        for (j = 0; j < root->n; j++) {
            if (direct_is_all(t->d, w)) {
                viommu_dmar_scopes(scopes, root, j);
            } else {
                viommu_dmar_scopes_with(scopes, root, j, w);
            }
        }
    }
    direct_put(t->bytes, DMAR_RMRR, 2);
    direct_put(t->bytes, DMAR_RMRR_SCOPES + scopes->len, 2);
    direct_put(t->bytes, 0, 2);             /* Reserved */
    direct_put(t->bytes, 0, 2);             /* Segment Number */
    direct_put(t->bytes, w->first, 8);
    direct_put(t->bytes, w->last, 8);
    g_byte_array_append(t->bytes, scopes->data, scopes->len);
}

void viommu_direct_rmrr(const VIOMMUDirect *d, GByteArray *table)
{
    DirectTable t = { .d = d, .bytes = table };

    viommu_direct_each(d, direct_rmrr_one, &t);
}

static void direct_ivmd(DirectTable *t, uint8_t type, uint16_t first,
                        uint16_t last)
{
    direct_put(t->bytes, type, 1);
    direct_put(t->bytes, IVMD_UNITY | IVMD_READ | IVMD_WRITE, 1);
    direct_put(t->bytes, IVMD_BYTES, 2);
    direct_put(t->bytes, first, 2);
    direct_put(t->bytes, last, 2);          /* Auxiliary Data */
    direct_put(t->bytes, 0, 8);             /* Reserved */
    direct_put(t->bytes, t->w->first, 8);
    direct_put(t->bytes, t->w->last - t->w->first + 1, 8);
}

static void direct_ivmd_rids(uint32_t first, uint32_t last, void *opaque)
{
    direct_ivmd(opaque, first == last ? IVMD_ONE : IVMD_RANGE, first,
                first == last ? 0 : last);
}

static void direct_ivmd_one(const IOMMUWindow *w, void *opaque)
{
    DirectTable *t = opaque;

    t->w = w;
    if (direct_is_all(t->d, w)) {
        direct_ivmd(t, IVMD_ALL, 0, 0);
    } else {
        direct_each_rid(t->d, w, direct_ivmd_rids, t);
    }
}

void viommu_direct_ivmd(const VIOMMUDirect *d, GByteArray *table)
{
    DirectTable t = { .d = d, .bytes = table };

    viommu_direct_each(d, direct_ivmd_one, &t);
}

/* IORT */

typedef struct DirectNodes {
    const VIOMMUDirect *d;
    GByteArray *bytes;
    GByteArray *mappings;    /* of the node that is made */
    uint32_t smmu, id;
    unsigned n;
} DirectNodes;

/* StreamIDs are requester IDs.  The input IDs mean nothing here. */
static void direct_rmr_mapping(uint32_t first, uint32_t last, void *opaque)
{
    DirectNodes *t = opaque;

    direct_put(t->mappings, first, 4);
    direct_put(t->mappings, last - first, 4);
    direct_put(t->mappings, first, 4);
    direct_put(t->mappings, t->smmu, 4);
    direct_put(t->mappings, 0, 4);          /* Flags: no single mapping */
}

static void direct_rmr_node(DirectNodes *t, const IOMMUWindow *w,
                            const uint8_t *mappings, unsigned n)
{
    uint32_t flags = IORT_RMR_NORMAL_WB;

    if (w->kind == IOMMU_WINDOW_DIRECT_RELAXABLE) {
        flags |= IORT_RMR_REMAP;
    }
    direct_put(t->bytes, IORT_RMR, 1);
    direct_put(t->bytes, IORT_RMR_BYTES + IORT_RMR_DESC_BYTES +
               n * IORT_MAPPING_BYTES, 2);
    direct_put(t->bytes, IORT_RMR_REVISION, 1);
    direct_put(t->bytes, t->id++, 4);
    direct_put(t->bytes, n, 4);
    direct_put(t->bytes, IORT_RMR_BYTES + IORT_RMR_DESC_BYTES, 4);
    direct_put(t->bytes, flags, 4);
    direct_put(t->bytes, 1, 4);             /* memory range descriptors */
    direct_put(t->bytes, IORT_RMR_BYTES, 4);
    direct_put(t->bytes, w->first, 8);
    direct_put(t->bytes, w->last - w->first + 1, 8);
    direct_put(t->bytes, 0, 4);             /* Reserved */
    g_byte_array_append(t->bytes, mappings, n * IORT_MAPPING_BYTES);
    t->n++;
}

static void direct_rmr_one(const IOMMUWindow *w, void *opaque)
{
    DirectNodes *t = opaque;
    unsigned i, all;

    g_byte_array_set_size(t->mappings, 0);
    direct_each_rid(t->d, w, direct_rmr_mapping, t);
    all = t->mappings->len / IORT_MAPPING_BYTES;
    for (i = 0; i < all; i += RMR_MAPPINGS_MAX) {
        direct_rmr_node(t, w, t->mappings->data + i * IORT_MAPPING_BYTES,
                        MIN(all - i, RMR_MAPPINGS_MAX));
    }
}

unsigned viommu_direct_rmr(const VIOMMUDirect *d, GByteArray *nodes,
                           uint32_t smmu, uint32_t id)
{
    g_autoptr(GByteArray) mappings = g_byte_array_new();
    DirectNodes t = {
        .d = d, .bytes = nodes, .mappings = mappings, .smmu = smmu, .id = id,
    };

    viommu_direct_each(d, direct_rmr_one, &t);
    return t.n;
}

/* e820 */

static void direct_e820_entry(GByteArray *out, uint64_t first, uint64_t last,
                              uint32_t type)
{
    direct_put(out, first, 8);
    direct_put(out, last - first + 1, 8);
    direct_put(out, type, 4);
}

static void direct_e820_gap(uint64_t first, uint64_t last, void *opaque)
{
    direct_e820_entry(opaque, first, last, E820_TYPE_MEMORY);
}

void viommu_direct_e820(const uint8_t *table, size_t len,
                        const IOMMUWindows *list, GByteArray *out)
{
    unsigned i;

    for (; len >= E820_ENTRY_BYTES; len -= E820_ENTRY_BYTES) {
        uint64_t first = direct_get(table, 8);
        uint64_t bytes = direct_get(table + E820_ENTRY_LENGTH, 8);

        if (direct_get(table + E820_ENTRY_TYPE, 4) == E820_TYPE_MEMORY &&
            bytes) {
            iommu_windows_gaps(list, first, first + bytes - 1,
                               direct_e820_gap, out);
        } else {
            g_byte_array_append(out, table, E820_ENTRY_BYTES);
        }
        table += E820_ENTRY_BYTES;
    }
    for (i = 0; i < list->n; i++) {
        direct_e820_entry(out, list->at[i].first, list->at[i].last,
                          E820_TYPE_RESERVED);
    }
}
