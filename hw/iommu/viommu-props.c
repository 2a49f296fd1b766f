/*
 * The vIOMMU core: properties of a model's device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is the same in the emulator and in qemu-viommud.
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-viommu.h"

static void props_get_virtio(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    visit_type_VIOMMUVirtio(v, name, object_field_prop_ptr(obj, opaque), errp);
}

static void props_set_virtio(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    ERRP_GUARD();

    if (!visit_type_VIOMMUVirtio(v, name, object_field_prop_ptr(obj, opaque),
                                 errp)) {
        error_append_hint(errp, "It is device, translate, bypass or "
                          "require.\n");
    }
}

static void props_default_virtio(ObjectProperty *op, const Property *prop)
{
    object_property_set_default_str(op, VIOMMUVirtio_str(prop->defval.u));
}

const PropertyInfo qdev_prop_viommu_virtio = {
    .type = "VIOMMUVirtio",
    .description = "which virtio devices are translated: "
                   "device/translate/bypass/require",
    .enum_table = &VIOMMUVirtio_lookup,
    .get = props_get_virtio,
    .set = props_set_virtio,
    .set_default_value = props_default_virtio,
};

void viommu_describe_each(ObjectClass *klass, const VIOMMUPropertyHelp *help,
                          unsigned n)
{
    for (; n; n--, help++) {
        /* It may be a parent's. */
        ObjectProperty *prop = object_class_property_find(klass, help->name);

        g_free(prop->description);
        prop->description = g_strdup(help->description);
    }
}
