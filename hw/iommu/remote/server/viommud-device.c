/*
 * qemu-viommud: the unit's device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device is the model's own, with its properties and its migration stream;
 * only there is no machine around it.
 */
#include "qemu/osdep.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qemu/error-report.h"
#include "qemu/keyval.h"
#include "qemu/help_option.h"
#include "qemu/option.h"
#include "qemu/qemu-print.h"
#include "qom/object_interfaces.h"
#include "system/runstate.h"
#include "viommud-internal.h"

/* The units that there are, and what they are offered as */
static const char *const device_units[] = { "intel-iommu", "arm-smmuv3" };

/* Making it */

/* What it is linked with is a matter of which emulators were configured. */
static bool device_known(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(device_units); i++) {
        if (!strcmp(type, device_units[i])) {
            return object_class_by_name(type);
        }
    }
    return false;
}

/*
 * What a unit's device has, and nothing of which is here: that somebody gave
 * them does not show in the device, whose defaults may be the same.
 */
static const struct {
    const char *type;        /* NULL: any */
    const char *name;
    const char *why;         /* NULL: they are viommu-remote's */
} device_elsewhere[] = {
    { NULL, "iotlb-size" },
    { NULL, "dma-cache-size" },
    { NULL, "dma-mode" },
    { NULL, "drain-timeout" },
    { NULL, "drain-stall-time" },
    { NULL, "sanitizer" },
    { NULL, "reserved-ranges" },
    { NULL, "ram-in-windows" },
    { NULL, "virtio" },
    { NULL, "primary-bus" },
    { "intel-iommu", "version", "it has no effect on any intel-iommu" },
    { "arm-smmuv3", "caching-mode",
      "nobody keeps a copy of the guest's tables behind a remote unit" },
};

/* Has @name of @type no effect here?  Then it says why (see there). */
static bool device_is_elsewhere(const char *type, const char *name,
                                const char **why)
{
    for (size_t i = 0; i < ARRAY_SIZE(device_elsewhere); i++) {
        if ((!device_elsewhere[i].type ||
             !strcmp(device_elsewhere[i].type, type)) &&
            !strcmp(device_elsewhere[i].name, name)) {
            *why = device_elsewhere[i].why;
            return true;
        }
    }
    return false;
}

/* What the unit offers: its own, and not what every object or device has */
static bool device_offers(const char *type, const ObjectProperty *prop)
{
    const char *why;

    return prop && prop->set && prop->description &&
           !device_is_elsewhere(type, prop->name, &why);
}

static bool device_check_property(const char *type, const char *name,
                                  Error **errp)
{
    ObjectClass *klass = object_class_by_name(type);
    const char *why;

    if (device_offers(type, object_class_property_find(klass, name))) {
        return true;
    }
    if (!device_is_elsewhere(type, name, &why)) {
        error_setg(errp, "--unit %s has no property '%s'; --unit %s,help "
                   "lists those that it has", type, name, type);
    } else if (why) {
        error_setg(errp, "--unit %s: %s; leave %s out", type, why, name);
    } else {
        error_setg(errp, "--unit %s: %s is a property of QEMU's "
                   "viommu-remote; give it there (-device "
                   "viommu-remote,%s=...)", type, name, name);
    }
    return false;
}

/* Two names of one property: which of two values it got would be chance. */
static bool device_check_names(const QDict *properties, Error **errp)
{
    static const char *const names[][2] = {
        { "x-scalable-mode", "scalable-mode" },
        { "x-flts", "fsts" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *one = qdict_get_try_str(properties, names[i][0]);
        const char *other = qdict_get_try_str(properties, names[i][1]);

        if (one && other && strcmp(one, other)) {
            error_setg(errp, "--unit: %s=%s and %s=%s are the same property; "
                       "remove one of them", names[i][0], one, names[i][1],
                       other);
            return false;
        }
    }
    return true;
}

static bool device_check_properties(const char *type, const QDict *properties,
                                    Error **errp)
{
    const QDictEntry *entry;

    if (!device_check_names(properties, errp)) {
        return false;
    }
    for (entry = qdict_first(properties); entry;
         entry = qdict_next(properties, entry)) {
        if (!device_check_property(type, qdict_entry_key(entry), errp)) {
            return false;
        }
    }
    return true;
}

static void device_help_properties(const char *type)
{
    ObjectClass *klass = object_class_by_name(type);
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    printf("Properties of --unit %s, which -device %s has, too:\n", type,
           type);
    object_class_property_iter_init(&iter, klass);
    while ((prop = object_property_iter_next(&iter))) {
        if (device_offers(type, prop)) {
            printf("  %s=<%s>  %s\n", prop->name, prop->type,
                   prop->description);
        }
    }
}

bool viommud_device_help(const char *unit)
{
    g_autofree char *type = g_strndup(unit, strcspn(unit, ","));

    if (is_help_option(type)) {
        printf("Units (--unit UNIT,help says what properties it has):\n");
        for (size_t i = 0; i < ARRAY_SIZE(device_units); i++) {
            if (device_known(device_units[i])) {
                printf("  %s\n", device_units[i]);
            }
        }
        return true;
    }
    if (device_known(type) && has_help_option(unit + strlen(type))) {
        device_help_properties(type);
        return true;
    }
    return false;
}

bool viommud_device_make(const char *unit, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(QDict) properties = keyval_parse(unit, "driver", NULL, errp);
    g_autofree char *type = NULL;

    if (!properties) {
        return false;
    }
    type = g_strdup(qdict_get_try_str(properties, "driver"));
    if (!type || !device_known(type)) {
        error_setg(errp, "--unit: there is no unit '%s'; --unit help lists "
                   "those that there are", type ?: "");
        return false;
    }
    qdict_del(properties, "driver");
    if (!device_check_properties(type, properties, errp)) {
        return false;
    }
    viommud.dev = qdev_new(type);
    object_property_add_child(object_get_root(), "unit", OBJECT(viommud.dev));
    object_set_properties_from_keyval(OBJECT(viommud.dev), properties, false,
                                      errp);
    return !*errp && qdev_realize(viommud.dev, NULL, errp);
}

/* Registers: as the memory core would let a guest access them */

static bool device_access_ok(const MemoryRegionOps *ops, uint64_t offset,
                             unsigned size)
{
    return size >= MAX(ops->valid.min_access_size, 1) &&
           size <= (ops->valid.max_access_size ?: 4) &&
           is_power_of_2(size) &&
           (ops->valid.unaligned || !(offset & (size - 1)));
}

static uint64_t device_read(void *opaque, uint64_t offset, unsigned size)
{
    const MemoryRegionOps *ops = viommud.registers;

    uint64_t value = 0;

    if (!device_access_ok(ops, offset, size)) {
        return 0;
    }
    if (ops->read_with_attrs) {
        ops->read_with_attrs(viommud.registers_opaque, offset, &value, size,
                             MEMTXATTRS_UNSPECIFIED);
        return value;
    }
    return ops->read(viommud.registers_opaque, offset, size);
}

static void device_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    const MemoryRegionOps *ops = viommud.registers;

    if (!device_access_ok(ops, offset, size)) {
        return;
    }
    if (ops->write_with_attrs) {
        ops->write_with_attrs(viommud.registers_opaque, offset, value, size,
                              MEMTXATTRS_UNSPECIFIED);
    } else {
        ops->write(viommud.registers_opaque, offset, value, size);
    }
}

void viommud_registers(const MemoryRegionOps *ops, void *opaque,
                       uint64_t size)
{
    viommud.registers = ops;
    viommud.registers_opaque = opaque;
    viommud.ops.region_size = size;
    viommud.ops.read = device_read;
    viommud.ops.write = device_write;
}

/* When the guest stops and runs */

struct VMChangeStateEntry {
    VMChangeStateHandler *changed;
    void *opaque;
    int priority;
    QTAILQ_ENTRY(VMChangeStateEntry) next;
};

static QTAILQ_HEAD(, VMChangeStateEntry) device_handlers =
    QTAILQ_HEAD_INITIALIZER(device_handlers);

/* By priority; of the same one, in the order in which they came */
VMChangeStateEntry *qemu_add_vm_change_state_handler_prio(
    VMChangeStateHandler *cb, void *opaque, int priority)
{
    VMChangeStateEntry *e = g_new0(VMChangeStateEntry, 1), *later;

    e->changed = cb;
    e->opaque = opaque;
    e->priority = priority;
    QTAILQ_FOREACH(later, &device_handlers, next) {
        if (later->priority > priority) {
            QTAILQ_INSERT_BEFORE(later, e, next);
            return e;
        }
    }
    QTAILQ_INSERT_TAIL(&device_handlers, e, next);
    return e;
}

VMChangeStateEntry *qemu_add_vm_change_state_handler(VMChangeStateHandler *cb,
                                                     void *opaque)
{
    return qemu_add_vm_change_state_handler_prio(cb, opaque, 0);
}

bool runstate_is_running(void)
{
    return !viommud.stopped;
}

void viommud_run_state(void *opaque, bool running)
{
    VMChangeStateEntry *e;

    viommud.stopped = !running;
    if (!viommud.settled) {
        /* Memory is there: what waited for the client before it can go on. */
        viommud.settled = true;
        viommud_all_drained();
    }
    /* As the emulator calls them: when the guest stops, the last one first */
    if (running) {
        QTAILQ_FOREACH(e, &device_handlers, next) {
            e->changed(e->opaque, true, RUN_STATE_RUNNING);
        }
    } else {
        QTAILQ_FOREACH_REVERSE(e, &device_handlers, next) {
            e->changed(e->opaque, false, RUN_STATE_PAUSED);
        }
    }
}

/* Its life */

void viommud_reset(void *opaque)
{
    device_cold_reset(viommud.dev);
    viommud.begun = true;
}

/*
 * What says whose the rest is: the stream's name and version.  The rest ends
 * with an end, so that what may follow is not looked for beyond it.
 */
void *viommud_save(void *opaque, size_t *len)
{
    const VMStateDescription *vmsd = qdev_get_vmsd(viommud.dev);
    QIOChannelBuffer *buffer = qio_channel_buffer_new(4096);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(buffer));
    void *state = NULL;

    qemu_put_counted_string(f, vmsd->name);
    qemu_put_be32(f, vmsd->version_id);
    if (!vmstate_save_state(f, vmsd, viommud.dev, NULL)) {
        qemu_put_byte(f, 0);
        qemu_fflush(f);
        *len = buffer->usage;
        state = malloc(*len);
        if (state) {
            memcpy(state, buffer->data, *len);
        }
    }
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    return state;
}

bool viommud_load(void *opaque, const void *data, size_t len)
{
    const VMStateDescription *vmsd = qdev_get_vmsd(viommud.dev);
    QIOChannelBuffer *buffer = qio_channel_buffer_new(len);
    char name[256];
    QEMUFile *f;
    bool good;

    memcpy(buffer->data, data, len);
    buffer->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(buffer));
    good = qemu_get_counted_string(f, name) && !strcmp(name, vmsd->name);
    if (!good) {
        error_report("the state to be loaded is not one of %s", vmsd->name);
    } else {
        uint32_t version = qemu_get_be32(f);

        good = !vmstate_load_state(f, vmsd, viommud.dev, version);
    }
    qemu_fclose(f);
    object_unref(OBJECT(buffer));
    if (!good) {
        /* Half of it is no state to go on with. */
        device_cold_reset(viommud.dev);
    }
    viommud.begun |= good;
    return good;
}
