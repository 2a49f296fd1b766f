/*
 * A machine's RAM beside the windows of its devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On a PC RAM is not cut into more pieces than it has: the one below 4 GiB ends
 * before the first window, and the one above begins, with what is to be plugged
 * in, behind all that it would meet.  Firmware and tables know both cases.
 * Where a device tree says what memory there is, it may be in any number of
 * pieces.
 */
#include "qemu/osdep.h"
#include "hw/iommu/ram-holes.h"
#include "hw/iommu/windows.h"
#include "qapi/error.h"
#include "qemu/config-file.h"
#include "qemu/error-report.h"
#include "qemu/option.h"
#include "qemu/units.h"
#include "qobject/qdict.h"

#define RANGES "reserved-ranges"
/* What firmware needs of RAM below 4 GiB, and what a large page is */
#define RAM_BELOW_MIN (64 * MiB)
#define RAM_ALIGN     (2 * MiB)

typedef struct ModelWindow {
    const char *driver;
    IOMMUWindow window;
} ModelWindow;

static bool ram_holes_auto;
static GArray *model_windows;      /* ModelWindow */
static GPtrArray *json_devices;    /* QDict */

void ram_holes_device(const QDict *opts)
{
    if (!json_devices) {
        json_devices = g_ptr_array_new();
    }
    g_ptr_array_add(json_devices, qdict_clone_shallow(opts));
}

void ram_holes_model(const char *driver, uint64_t first, uint64_t last)
{
    const ModelWindow m = {
        .driver = driver,
        .window = {
            .first = first, .last = last, .kind = IOMMU_WINDOW_RESERVED,
            .origin = IOMMU_WINDOW_MODEL,
        },
    };

    if (!model_windows) {
        model_windows = g_array_new(false, false, sizeof(ModelWindow));
    }
    g_array_append_val(model_windows, m);
}

/* A device of the command line; either may be NULL. */
static void holes_of_device(IOMMUWindows *list, const char *driver,
                            const char *ranges)
{
    unsigned i;

    for (i = 0; model_windows && i < model_windows->len; i++) {
        const ModelWindow *m = &g_array_index(model_windows, ModelWindow, i);

        if (driver && g_str_equal(driver, m->driver)) {
            iommu_windows_add(list, &m->window);
        }
    }
    /* What is wrong with it is said when there is a device. */
    if (ranges) {
        g_free(iommu_windows_parse(ranges, IOMMU_WINDOW_OPERATOR, list));
    }
}

/* A QemuOpts loop function */
static int holes_of_device_opts(void *list, QemuOpts *opts, Error **errp)
{
    holes_of_device(list, qemu_opt_get(opts, "driver"),
                    qemu_opt_get(opts, RANGES));
    return 0;
}

/* A QemuOpts loop function */
static int holes_of_global(void *list, QemuOpts *opts, Error **errp)
{
    if (!g_strcmp0(qemu_opt_get(opts, "property"), RANGES)) {
        holes_of_device(list, NULL, qemu_opt_get(opts, "value"));
    }
    return 0;
}

/* The windows that are known; to be cleared */
static IOMMUWindows holes_known(void)
{
    IOMMUWindows list = { 0 };
    unsigned i;

    qemu_opts_foreach(qemu_find_opts("device"), holes_of_device_opts, &list,
                      &error_abort);
    qemu_opts_foreach(qemu_find_opts("global"), holes_of_global, &list,
                      &error_abort);
    for (i = 0; json_devices && i < json_devices->len; i++) {
        const QDict *opts = g_ptr_array_index(json_devices, i);

        holes_of_device(&list, qdict_get_try_str(opts, "driver"),
                        qdict_get_try_str(opts, RANGES));
    }
    return list;
}

static void G_NORETURN holes_fail(const IOMMUWindow *w, const char *why)
{
    g_autofree char *text = iommu_window_text(w);

    error_report("ram-holes=auto: %s: %s", text, why);
    error_printf("Take the window out of its property, or say ram-holes=off; "
                 "then have the devices translated.\n");
    exit(EXIT_FAILURE);
}

uint64_t ram_holes_below(uint64_t size, uint64_t limit)
{
    IOMMUWindows list;
    const IOMMUWindow *w;

    if (!ram_holes_auto) {
        return limit;
    }
    list = holes_known();
    w = iommu_windows_next(&list, 0, MIN(size, limit) - 1, true);
    if (w) {
        limit = QEMU_ALIGN_DOWN(w->first, RAM_ALIGN);
        if (limit < RAM_BELOW_MIN) {
            holes_fail(w, "there has to be RAM in the first 64 MiB");
        }
    }
    iommu_windows_clear(&list);
    return limit;
}

uint64_t ram_holes_above(uint64_t start, uint64_t size, bool fixed)
{
    IOMMUWindows list;
    const IOMMUWindow *w;

    if (!ram_holes_auto || !size) {
        return start;
    }
    list = holes_known();
    while ((w = iommu_windows_next(&list, start, start + size - 1, true))) {
        uint64_t next = QEMU_ALIGN_UP(w->last + 1, 1 * GiB);

        if (fixed) {
            holes_fail(w, "RAM above 4 GiB cannot move with SGX memory");
        }
        if (next <= start || next + size < next) {
            holes_fail(w, "there is no room for RAM behind it");
        }
        start = next;
    }
    iommu_windows_clear(&list);
    return start;
}

typedef struct RAMPiece {
    uint64_t addr, offset, size;
} RAMPiece;

static GArray *ram_pieces;         /* RAMPiece */

static void piece_add(uint64_t addr, uint64_t offset, uint64_t size)
{
    const RAMPiece piece = { .addr = addr, .offset = offset, .size = size };

    if (size) {
        g_array_append_val(ram_pieces, piece);
    }
}

uint64_t ram_holes_lay_out(uint64_t start, uint64_t size, uint64_t least)
{
    IOMMUWindows list = ram_holes_auto ? holes_known() : (IOMMUWindows) { 0 };
    uint64_t at = start, offset = 0, len;
    const IOMMUWindow *w;

    ram_pieces = g_array_new(false, false, sizeof(RAMPiece));
    while ((w = iommu_windows_next(&list, at, at + (size - offset) - 1,
                                   true))) {
        len = w->first > at ? QEMU_ALIGN_DOWN(w->first, RAM_ALIGN) - at : 0;
        if (offset + len < least) {
            holes_fail(w, "there has to be RAM where it begins");
        }
        piece_add(at, offset, len);
        offset += len;
        at = QEMU_ALIGN_UP(w->last + 1, RAM_ALIGN);
        if (at <= w->first || at + (size - offset) < at) {
            holes_fail(w, "there is no room for RAM behind it");
        }
    }
    piece_add(at, offset, size - offset);
    iommu_windows_clear(&list);
    return at + (size - offset);
}

void ram_holes_pieces(RAMPieceFn *fn, void *opaque)
{
    unsigned i;

    for (i = 0; i < ram_pieces->len; i++) {
        const RAMPiece *piece = &g_array_index(ram_pieces, RAMPiece, i);

        fn(piece->addr, piece->offset, piece->size, opaque);
    }
}

/* The property */

static char *ram_holes_get(Object *obj, Error **errp)
{
    return g_strdup(ram_holes_auto ? "auto" : "off");
}

static void ram_holes_set(Object *obj, const char *value, Error **errp)
{
    ram_holes_auto = g_str_equal(value, "auto");
    if (!ram_holes_auto && !g_str_equal(value, "off")) {
        error_setg(errp, "ram-holes is '%s', but must be 'auto' (RAM is laid "
                   "out beside the reserved ranges of devices) or 'off' (RAM "
                   "is where it always was)", value);
    }
}

void ram_holes_class(ObjectClass *machine)
{
    object_class_property_add_str(machine, "ram-holes", ram_holes_get,
                                  ram_holes_set);
    object_class_property_set_description(machine, "ram-holes",
        "auto: RAM is laid out beside the ranges of addresses that devices "
        "behind a vIOMMU have reserved; off: RAM is where it always was, and "
        "such a range over it is refused; off if it is not given");
}
