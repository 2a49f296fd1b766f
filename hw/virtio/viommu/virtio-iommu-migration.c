/*
 * virtio-iommu: the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "virtio-iommu-device" version 2 of the base, in both directions.  It is made
 * of GLib trees and lists, which are built when a state is saved and taken
 * apart when one has been loaded.
 *
 * Nothing is under way in it: when the machine stops, the core ends the drain.
 * If the drain cannot end (a backend is stuck), requests that wait for it go
 * into a subsection, and the destination returns them when the machine runs:
 * the source's DMA cannot reach its memory.  The base as the destination
 * refuses that, and the machine goes on where it was; it would lose them.
 */
#include "qemu/osdep.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/dma-held.h"
#include "virtio-iommu-internal.h"

typedef struct StreamInterval {
    uint64_t low, high;
} StreamInterval;

typedef struct StreamMapping {
    uint64_t phys_addr;
    uint32_t flags;
} StreamMapping;

typedef struct StreamEndpoint {
    uint32_t id;
    QLIST_ENTRY(StreamEndpoint) next;
} StreamEndpoint;

typedef struct StreamDomain {
    uint32_t id;
    bool bypass;
    GTree *mappings;
    QLIST_HEAD(, StreamEndpoint) endpoint_list;
} StreamDomain;

/* Trees */

static gint compare_intervals(gconstpointer a, gconstpointer b,
                              gpointer unused)
{
    const StreamInterval *x = a, *y = b;

    return (x->low > y->low) - (x->low < y->low);
}

static gint compare_ids(gconstpointer a, gconstpointer b, gpointer unused)
{
    guint x = GPOINTER_TO_UINT(a), y = GPOINTER_TO_UINT(b);

    return (x > y) - (x < y);
}

static GTree *stream_mappings_new(void)
{
    return g_tree_new_full(compare_intervals, NULL, g_free, g_free);
}

static void stream_domain_free(gpointer opaque)
{
    StreamDomain *sd = opaque;
    StreamEndpoint *ep, *next;

    QLIST_FOREACH_SAFE(ep, &sd->endpoint_list, next, next) {
        g_free(ep);
    }
    if (sd->mappings) {
        g_tree_destroy(sd->mappings);
    }
    g_free(sd);
}

static void stream_new(VirtIOIOMMU *s)
{
    s->stream = g_tree_new_full(compare_ids, NULL, NULL, stream_domain_free);
}

static void stream_free(VirtIOIOMMU *s)
{
    g_clear_pointer(&s->stream, g_tree_destroy);
}

/* Saving */

static void stream_put_mappings(StreamDomain *sd,
                                const VirtIOMMUDomain *domain)
{
    IOPTMapping m;
    uint64_t at = 0;

    while (iopt_maps_next(&domain->maps, at, &m)) {
        StreamInterval *interval = g_new0(StreamInterval, 1);
        StreamMapping *mapping = g_new0(StreamMapping, 1);

        interval->low = m.first;
        interval->high = m.last;
        mapping->phys_addr = m.addr;
        mapping->flags = virtio_iommu_mapping_flags(&m);
        g_tree_insert(sd->mappings, interval, mapping);
        if (m.last == UINT64_MAX) {
            break;
        }
        at = m.last + 1;
    }
}

static void stream_put_domain(gpointer key, gpointer value, gpointer opaque)
{
    const VirtIOMMUDomain *domain = value;
    VirtIOIOMMU *s = opaque;
    StreamDomain *sd = g_new0(StreamDomain, 1);

    sd->id = domain->id;
    sd->bypass = domain->bypass;
    sd->mappings = stream_mappings_new();
    stream_put_mappings(sd, domain);
    g_tree_insert(s->stream, key, sd);
}

static int stream_pre_save(void *opaque)
{
    VirtIOIOMMU *s = opaque;
    unsigned id;
    DMA_HELD("save");

    stream_new(s);
    g_hash_table_foreach(s->domains, stream_put_domain, s);
    for (id = 0; id < VIRTIO_IOMMU_ENDPOINTS; id++) {
        StreamEndpoint *ep;
        StreamDomain *sd;

        if (s->attached[id]) {
            ep = g_new0(StreamEndpoint, 1);
            ep->id = id;
            sd = g_tree_lookup(s->stream,
                               GUINT_TO_POINTER(s->attached[id]->id));
            QLIST_INSERT_HEAD(&sd->endpoint_list, ep, next);
        }
    }
    return 0;
}

static int stream_post_save(void *opaque)
{
    stream_free(opaque);
    return 0;
}

/* Loading */

typedef struct StreamLoad {
    VirtIOIOMMU *s;
    VirtIOMMUDomain *domain;
    Error *err;
} StreamLoad;

/* GTraverseFunc: true to stop */
static gboolean stream_take_mapping(gpointer key, gpointer value,
                                    gpointer opaque)
{
    const StreamInterval *interval = key;
    const StreamMapping *mapping = value;
    StreamLoad *load = opaque;
    IOPTMapping m = {
        .first = interval->low,
        .last = interval->high,
        .addr = mapping->phys_addr,
    };

    virtio_iommu_mapping_set_flags(&m, mapping->flags);
    return !virtio_iommu_domain_add(load->s, load->domain, &m, &load->err);
}

static gboolean stream_take_domain(gpointer key, gpointer value,
                                   gpointer opaque)
{
    StreamDomain *sd = value;
    StreamLoad *load = opaque;
    StreamEndpoint *ep;

    if (QLIST_EMPTY(&sd->endpoint_list)) {
        /* Not even the base has one that is nobody's. */
        return false;
    }
    load->domain = virtio_iommu_domain_new(load->s, sd->id, sd->bypass,
                                           &load->err);
    if (!load->domain) {
        return true;
    }
    QLIST_FOREACH(ep, &sd->endpoint_list, next) {
        if (!virtio_iommu_domain_join(load->s, load->domain, ep->id,
                                      &load->err)) {
            return true;
        }
    }
    g_tree_foreach(sd->mappings, stream_take_mapping, load);
    return load->err != NULL;
}

static int stream_pre_load(void *opaque)
{
    VirtIOIOMMU *s = opaque;

    /* loadvm: what was pending belongs to the state that goes. */
    virtio_iommu_requests_drop(s);
    viommu_events_discard(&s->faults.events);
    stream_free(s);
    stream_new(s);
    return 0;
}

static int stream_post_load(void *opaque, int version_id)
{
    VirtIOIOMMU *s = opaque;
    DMA_HELD("load");
    GList *old = virtio_iommu_domains_leave(s);
    StreamLoad load = { .s = s };
    bool told;

    if (s->config.bypass > 1) {
        error_setg(&load.err, "bypass is %u", s->config.bypass);
    } else {
        g_tree_foreach(s->stream, stream_take_domain, &load);
    }
    stream_free(s);
    told = viommu_post_load(&s->viommu, true);
    virtio_iommu_domains_free(old);
    if (load.err) {
        error_reportf_err(load.err, "virtio-iommu, migration stream: ");
        return -EINVAL;
    }
    return told ? 0 : -EINVAL;
}

/* The stream, as the base has it */

static const VMStateDescription vmstate_interval_mapping[2] = {
    {
        /* The value */
        .name = "mapping",
        .version_id = 1,
        .minimum_version_id = 1,
        .fields = (const VMStateField[]) {
            VMSTATE_UINT64(phys_addr, StreamMapping),
            VMSTATE_UINT32(flags, StreamMapping),
            VMSTATE_END_OF_LIST()
        },
    }, {
        /* The key */
        .name = "interval",
        .version_id = 1,
        .minimum_version_id = 1,
        .fields = (const VMStateField[]) {
            VMSTATE_UINT64(low, StreamInterval),
            VMSTATE_UINT64(high, StreamInterval),
            VMSTATE_END_OF_LIST()
        },
    }
};

static int stream_domain_pre_load(void *opaque)
{
    StreamDomain *sd = opaque;

    sd->mappings = stream_mappings_new();
    return 0;
}

static const VMStateDescription vmstate_endpoint = {
    .name = "endpoint",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(id, StreamEndpoint),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_domain = {
    .name = "domain",
    .version_id = 2,
    .minimum_version_id = 2,
    .pre_load = stream_domain_pre_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(id, StreamDomain),
        VMSTATE_GTREE_V(mappings, StreamDomain, 1, vmstate_interval_mapping,
                        StreamInterval, StreamMapping),
        VMSTATE_QLIST_V(endpoint_list, StreamDomain, 1, vmstate_endpoint,
                        StreamEndpoint, next),
        VMSTATE_BOOL_V(bypass, StreamDomain, 2),
        VMSTATE_END_OF_LIST()
    },
};

static int pending_get(QEMUFile *f, void *opaque, size_t size,
                       const VMStateField *field)
{
    return virtio_iommu_requests_load(opaque, f);
}

static int pending_put(QEMUFile *f, void *opaque, size_t size,
                       const VMStateField *field, JSONWriter *desc)
{
    virtio_iommu_requests_save(opaque, f);
    return 0;
}

static const VMStateInfo vmstate_info_pending = {
    .name = "virtio-iommu-pending",
    .get = pending_get,
    .put = pending_put,
};

static bool pending_needed(void *opaque)
{
    return virtio_iommu_requests_pending(opaque) != 0;
}

static const VMStateDescription vmstate_pending = {
    .name = "virtio-iommu-device/pending",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = pending_needed,
    .fields = (const VMStateField[]) {
        {
            .name = "pending",
            .info = &vmstate_info_pending,
            .flags = VMS_SINGLE,
        },
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription vmstate_virtio_iommu_device = {
    .name = "virtio-iommu-device",
    .version_id = 2,
    .minimum_version_id = 2,
    .pre_save = stream_pre_save,
    .post_save = stream_post_save,
    .pre_load = stream_pre_load,
    .post_load = stream_post_load,
    .fields = (const VMStateField[]) {
        {
            /* VMSTATE_GTREE_DIRECT_KEY_V(), by the base's name */
            .name = "domains",
            .version_id = 2,
            .vmsd = &vmstate_domain,
            .info = &vmstate_info_gtree,
            .size = sizeof(StreamDomain),
            .offset = offsetof(VirtIOIOMMU, stream),
        },
        VMSTATE_UINT8_V(config.bypass, VirtIOIOMMU, 2),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_pending,
        NULL
    },
};

const VMStateDescription vmstate_virtio_iommu = {
    .name = "virtio-iommu",
    .version_id = 2,
    .minimum_version_id = 2,
    .priority = MIG_PRI_IOMMU,
    .fields = (const VMStateField[]) {
        VMSTATE_VIRTIO_DEVICE,
        VMSTATE_END_OF_LIST()
    },
};
