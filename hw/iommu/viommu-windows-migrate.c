/*
 * vIOMMU core: windows in the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest has been told of the source's windows: by firmware tables, by
 * PROBE, or by nothing but what the model's specification says.  Where the
 * destination has others, it may have memory mapped.  So the source sends its
 * windows ahead of everything else, and the destination compares.  If they are
 * what model and machine always have, nothing is sent, and a destination that
 * has others then refuses when the unit's state comes: an emulator that knows
 * no windows is a source like any other.
 *
 * Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci/pci_device.h"
#include "migration/vmstate.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "viommu-query-internal.h"

/* In a stream: of a device, by its place, as bus numbers come later */
#define STREAM_PATH 128
/* Enough for 64 of each device on eight full buses */
#define STREAM_MAX  (1 << 17)

typedef struct WindowRecord {
    uint8_t device[STREAM_PATH];   /* qdev's path; it ends with a 0 */
    uint64_t first, last;
    uint8_t kind, origin;
} WindowRecord;

struct VIOMMUWindowStream {
    VIOMMU *v;
    int32_t n;
    WindowRecord *record;
    bool came;               /* since the unit's state came last */
};

/* What only this machine has, and not each with such a unit */
static bool stream_is_own(const IOMMUWindow *w)
{
    return w->origin == IOMMU_WINDOW_HOST ||
           w->origin == IOMMU_WINDOW_OPERATOR;
}

/* The path of the device that is at @ep, to be freed, or NULL */
static char *stream_device(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = ep->bus ? viommu_query_device(ep) : NULL;
    g_autofree char *path = dev ? qdev_get_dev_path(DEVICE(dev)) : NULL;

    return path && strlen(path) < STREAM_PATH ? g_steal_pointer(&path) : NULL;
}

static bool stream_needed(void *opaque)
{
    struct VIOMMUWindowStream *s = opaque;
    VIOMMUEndpoint *ep;
    unsigned i;

    QLIST_FOREACH(ep, &s->v->endpoints, next) {
        for (i = 0; i < ep->windows->list.n; i++) {
            if (stream_is_own(&ep->windows->list.at[i])) {
                return true;
            }
        }
    }
    return false;
}

static int stream_pre_save(void *opaque)
{
    struct VIOMMUWindowStream *s = opaque;
    g_autoptr(GArray) all = g_array_new(false, false, sizeof(WindowRecord));
    VIOMMUEndpoint *ep;
    unsigned i;

    QLIST_FOREACH(ep, &s->v->endpoints, next) {
        g_autofree char *device = stream_device(ep);

        for (i = 0; device && i < ep->windows->list.n; i++) {
            const IOMMUWindow *w = &ep->windows->list.at[i];
            WindowRecord r = {
                .first = w->first, .last = w->last, .kind = w->kind,
                .origin = w->origin,
            };

            pstrcpy((char *)r.device, sizeof(r.device), device);
            g_array_append_val(all, r);
        }
    }
    g_free(s->record);
    s->n = MIN(all->len, STREAM_MAX);
    s->record = (WindowRecord *)g_array_free(g_steal_pointer(&all), false);
    return 0;
}

static int stream_drop(void *opaque)
{
    struct VIOMMUWindowStream *s = opaque;

    g_free(g_steal_pointer(&s->record));
    s->n = 0;
    return 0;
}

static bool stream_n_ok(void *opaque, int version_id)
{
    const struct VIOMMUWindowStream *s = opaque;

    return s->n >= 0 && s->n <= STREAM_MAX;
}

/* What the source's guest was told of @device */
static IOMMUWindows stream_told(const struct VIOMMUWindowStream *s,
                                const char *device)
{
    IOMMUWindows told = { 0 };
    int i;

    for (i = 0; i < s->n; i++) {
        const WindowRecord *r = &s->record[i];
        const IOMMUWindow w = {
            .first = r->first, .last = r->last, .kind = r->kind,
            .origin = r->origin,
        };

        if (!strncmp((const char *)r->device, device, STREAM_PATH) &&
            w.first <= w.last && w.kind < IOMMU_WINDOW_KINDS &&
            w.origin < IOMMU_WINDOW_ORIGINS) {
            iommu_windows_add(&told, &w);
        }
    }
    return told;
}

/* Says of each window of @mine that @other does not have; returns: how many */
static unsigned stream_compare(const char *device, const IOMMUWindows *mine,
                               const IOMMUWindows *other, bool here)
{
    unsigned i, n = 0;

    for (i = 0; i < mine->n; i++) {
        const IOMMUWindow *w = &mine->at[i];
        g_autofree char *text = NULL;

        /* The guest minds what only the source has, except a doorbell. */
        if ((!here && w->kind != IOMMU_WINDOW_MSI) ||
            w->kind == IOMMU_WINDOW_SOFTWARE_MSI ||
            iommu_windows_cover(other, w, !here)) {
            continue;
        }
        text = iommu_window_text(w);
        error_report("migration: the device %s has a window %s: %s", device,
                     here ? "here that the source's guest does not know of" :
                     "on the source that is no doorbell here", text);
        n++;
    }
    return n;
}

/* Returns: 0, or -EINVAL when it has said why not */
static int stream_check(struct VIOMMUWindowStream *s)
{
    VIOMMUEndpoint *ep;
    unsigned n = 0;

    QLIST_FOREACH(ep, &s->v->endpoints, next) {
        g_autofree char *device = stream_device(ep);
        IOMMUWindows told;

        if (device) {
            told = stream_told(s, device);
            n += stream_compare(device, &ep->windows->list, &told, true);
            n += stream_compare(device, &told, &ep->windows->list, false);
            iommu_windows_clear(&told);
        }
    }
    if (n) {
        error_printf("Give both sides the same reserved-ranges, which include "
                     "what either host reserves (query-viommu-windows).\n");
    }
    return n ? -EINVAL : 0;
}

static int stream_post_load(void *opaque, int version_id)
{
    struct VIOMMUWindowStream *s = opaque;
    int ret = stream_check(s);

    s->came = true;
    stream_drop(s);
    return ret;
}

bool viommu_windows_loaded(VIOMMU *v)
{
    struct VIOMMUWindowStream *s = v->window_stream;
    VIOMMUEndpoint *ep;
    unsigned i;

    if (s->came) {
        s->came = false;
        return true;
    }
    QLIST_FOREACH(ep, &v->endpoints, next) {
        g_autofree char *device = stream_device(ep);

        for (i = 0; device && i < ep->windows->list.n; i++) {
            const IOMMUWindow *w = &ep->windows->list.at[i];
            g_autofree char *text = NULL;

            if (!stream_is_own(w) || w->kind == IOMMU_WINDOW_SOFTWARE_MSI) {
                continue;
            }
            text = iommu_window_text(w);
            error_report("migration: the device %s has a window here, and the "
                         "source has none: %s", device, text);
            error_printf("Give the source the same reserved-ranges, or take "
                         "them away here.\n");
            return false;
        }
    }
    return true;
}

static const VMStateDescription stream_record_vmstate = {
    .name = "viommu-window",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(device, WindowRecord),
        VMSTATE_UINT64(first, WindowRecord),
        VMSTATE_UINT64(last, WindowRecord),
        VMSTATE_UINT8(kind, WindowRecord),
        VMSTATE_UINT8(origin, WindowRecord),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription stream_vmstate = {
    .name = "viommu-windows",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .early_setup = true,
    .needed = stream_needed,
    .pre_save = stream_pre_save,
    .post_save = stream_drop,
    .pre_load = stream_drop,
    .post_load = stream_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_INT32(n, struct VIOMMUWindowStream),
        VMSTATE_VALIDATE("number of windows", stream_n_ok),
        VMSTATE_STRUCT_VARRAY_ALLOC(record, struct VIOMMUWindowStream, n, 1,
                                    stream_record_vmstate, WindowRecord),
        VMSTATE_END_OF_LIST()
    }
};

void viommu_windows_migration_init(VIOMMU *v)
{
    v->window_stream = g_new0(struct VIOMMUWindowStream, 1);
    v->window_stream->v = v;
    vmstate_register(NULL, VMSTATE_INSTANCE_ID_ANY, &stream_vmstate,
                     v->window_stream);
}
