/*
 * Which requesters firmware tables list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-listed.h"
#include "viommu-acpi-spec.h"

void viommu_rids_set(VIOMMURids *rids, uint16_t first, uint16_t last,
                     bool listed)
{
    unsigned word;

    for (word = first / 64; first <= last && word <= last / 64; word++) {
        unsigned low = word == first / 64 ? first % 64 : 0;
        unsigned high = word == last / 64 ? last % 64 : 63;
        uint64_t bits = (UINT64_MAX << low) & (UINT64_MAX >> (63 - high));

        if (listed) {
            rids->words[word] |= bits;
        } else {
            rids->words[word] &= ~bits;
        }
    }
}

void viommu_rids_each(const VIOMMURids *rids, uint16_t first, uint16_t last,
                      VIOMMURidFn *fn, void *opaque)
{
    uint32_t rid, from = first;

    for (rid = first; rid <= last; rid++) {
        if (viommu_rids_have(rids, rid)) {
            continue;
        }
        if (from < rid) {
            fn(from, rid - 1, opaque);
        }
        from = rid + 1;
    }
    if (from <= last) {
        fn(from, last, opaque);
    }
}

static VIOMMUListed listed_of(bool any, bool all)
{
    return all ? VIOMMU_LISTED_ALL :
           any ? VIOMMU_LISTED_SOME : VIOMMU_LISTED_NONE;
}

static VIOMMUListed bus_listed(const VIOMMUBus *bus)
{
    bool any = false, all = true;
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        VIOMMUListed listed = viommu_function_listed(&bus->functions[i]);

        any |= listed != VIOMMU_LISTED_NONE;
        all &= listed == VIOMMU_LISTED_ALL;
    }
    /* A PCIe port has one slot, a conventional bridge has many. */
    if (bus->open && (bus->shared || !bus->n)) {
        any |= bus->open_translated;
        all &= bus->open_translated;
    }
    return listed_of(any, all || (any && bus->shared));
}

VIOMMUListed viommu_function_listed(const VIOMMUFunction *fn)
{
    return fn->below ? bus_listed(fn->below) :
                       listed_of(fn->translated, fn->translated);
}

VIOMMUListed viommu_bus_unnumbered(const VIOMMUBus *bus)
{
    bool any = false, all = true;
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];

        if (fn->below && !fn->below->number) {
            VIOMMUListed listed = viommu_function_listed(fn);

            any |= listed != VIOMMU_LISTED_NONE;
            all &= listed == VIOMMU_LISTED_ALL;
        }
    }
    return listed_of(any, all);
}

void viommu_bus_unlist(const VIOMMUBus *bus, VIOMMURids *rids)
{
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];
        const VIOMMUBus *below = fn->below;
        VIOMMUListed listed = viommu_function_listed(fn);
        uint16_t rid = bus->number << 8 | fn->devfn;

        if (below && (!below->number || below->last < below->number)) {
            continue;
        }
        if (below && listed == VIOMMU_LISTED_SOME) {
            viommu_bus_unlist(below, rids);
        } else if (below && listed == VIOMMU_LISTED_NONE) {
            viommu_rids_set(rids, below->number << 8, below->last << 8 | 0xff,
                            false);
        }
        if (listed == VIOMMU_LISTED_NONE) {
            viommu_rids_set(rids, rid, rid, false);
        }
    }
}

/* The way from the root bus to a function: a devfn for each bus */
typedef struct Path {
    uint8_t start_bus;
    GByteArray *devfns;
} Path;

static void scope_append(GByteArray *blob, const Path *path, uint8_t type)
{
    const uint8_t head[DMAR_SCOPE_BYTES] = {
        [DMAR_SCOPE_TYPE] = type,
        [DMAR_SCOPE_LENGTH] = DMAR_SCOPE_BYTES + 2 * path->devfns->len,
        [DMAR_SCOPE_BUS] = path->start_bus,
    };
    unsigned i;

    g_byte_array_append(blob, head, sizeof(head));
    for (i = 0; i < path->devfns->len; i++) {
        const uint8_t step[2] = {
            path->devfns->data[i] >> 3, path->devfns->data[i] & 7,
        };

        g_byte_array_append(blob, step, sizeof(step));
    }
}

static void scopes_append(GByteArray *blob, Path *path,
                          const VIOMMUFunction *fn)
{
    unsigned i;

    /* The length of a scope is a byte; no machine has so many bridges. */
    if (path->devfns->len >= DMAR_PATH_MAX) {
        return;
    }
    g_byte_array_append(path->devfns, &fn->devfn, 1);
    switch (viommu_function_listed(fn)) {
    case VIOMMU_LISTED_NONE:
        break;
    case VIOMMU_LISTED_ALL:
        scope_append(blob, path, fn->below ? DMAR_SCOPE_BRIDGE :
                                             DMAR_SCOPE_ENDPOINT);
        break;
    case VIOMMU_LISTED_SOME:
        /* Only a bridge. A scope for it would cover everything below it. */
        for (i = 0; i < fn->below->n; i++) {
            scopes_append(blob, path, &fn->below->functions[i]);
        }
        break;
    }
    g_byte_array_set_size(path->devfns, path->devfns->len - 1);
}

void viommu_dmar_scopes(GByteArray *blob, const VIOMMUBus *root, unsigned i)
{
    g_autoptr(GByteArray) devfns = g_byte_array_new();
    Path path = { root->number, devfns };

    scopes_append(blob, &path, &root->functions[i]);
}

bool viommu_function_has(const VIOMMUFunction *fn, const IOMMUWindow *w)
{
    const IOMMUWindow *own = fn->windows ?
                             iommu_windows_find(fn->windows, w->first) : NULL;

    return own && own->first == w->first && own->last == w->last &&
           own->kind == w->kind;
}

/* @shared: it is on a bus that is one requester, and listed */
static void scopes_append_with(GByteArray *blob, Path *path,
                               const VIOMMUFunction *fn, const IOMMUWindow *w,
                               bool shared)
{
    unsigned i;

    if (path->devfns->len >= DMAR_PATH_MAX) {
        return;
    }
    g_byte_array_append(path->devfns, &fn->devfn, 1);
    if (fn->below) {
        shared |= fn->below->shared &&
                  viommu_function_listed(fn) != VIOMMU_LISTED_NONE;
        for (i = 0; i < fn->below->n; i++) {
            scopes_append_with(blob, path, &fn->below->functions[i], w,
                               shared);
        }
    } else if ((shared || fn->translated) && viommu_function_has(fn, w)) {
        scope_append(blob, path, DMAR_SCOPE_ENDPOINT);
    }
    g_byte_array_set_size(path->devfns, path->devfns->len - 1);
}

void viommu_dmar_scopes_with(GByteArray *blob, const VIOMMUBus *root,
                             unsigned i, const IOMMUWindow *w)
{
    g_autoptr(GByteArray) devfns = g_byte_array_new();
    Path path = { root->number, devfns };

    scopes_append_with(blob, &path, &root->functions[i], w, false);
}

bool viommu_dmar_ports(GByteArray *blob, const VIOMMUBus *root)
{
    g_autoptr(GByteArray) devfns = g_byte_array_new();
    Path path = { root->number, devfns };
    bool all = true;
    unsigned i;

    for (i = 0; i < root->n; i++) {
        const VIOMMUFunction *fn = &root->functions[i];
        VIOMMUListed listed = viommu_function_listed(fn);

        if (!fn->root_port) {
            continue;
        }
        all &= listed == VIOMMU_LISTED_ALL;
        if (listed != VIOMMU_LISTED_NONE) {
            g_byte_array_set_size(devfns, 0);
            g_byte_array_append(devfns, &fn->devfn, 1);
            scope_append(blob, &path, DMAR_SCOPE_BRIDGE);
        }
    }
    return all;
}
