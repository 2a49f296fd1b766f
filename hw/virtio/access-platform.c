/*
 * virtio: VIRTIO_F_ACCESS_PLATFORM, its property and its negotiation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-registry.h"
#include "hw/virtio/virtio.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qom/object.h"

/* The features that the platform, not the device, asks for */
#define PLATFORM_FEATURES ((1ULL << VIRTIO_F_ACCESS_PLATFORM) | \
                           (1ULL << VIRTIO_F_ORDER_PLATFORM))

static void get_access_platform(Object *obj, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    uint64_t *features = object_field_prop_ptr(obj, opaque);
    bool value = virtio_has_feature(*features, VIRTIO_F_ACCESS_PLATFORM);

    visit_type_bool(v, name, &value, errp);
}

static void set_access_platform(Object *obj, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    uint64_t *features = object_field_prop_ptr(obj, opaque);
    VirtIODevice *vdev = VIRTIO_DEVICE(obj);
    bool value;

    if (!visit_type_bool(v, name, &value, errp)) {
        return;
    }
    if (value) {
        virtio_add_feature(features, VIRTIO_F_ACCESS_PLATFORM);
    } else {
        virtio_clear_feature(features, VIRTIO_F_ACCESS_PLATFORM);
    }
    vdev->access_platform = value ? VIRTIO_ACCESS_PLATFORM_ON :
                                    VIRTIO_ACCESS_PLATFORM_OFF;
}

/*
 * The default is shown to whoever asks for it, but not set: setting it would
 * look like the operator's word.  The field is 0 anyway.
 */
static void default_access_platform(ObjectProperty *op, const Property *prop)
{
    object_property_set_default_bool(op, false);
    op->init = NULL;
}

const PropertyInfo qdev_prop_access_platform = {
    .type = "bool",
    .description = "on/off",
    .get = get_access_platform,
    .set = set_access_platform,
    .set_default_value = default_access_platform,
};

bool virtio_access_features_ok(const VirtIODevice *vdev)
{
    return !(vdev->host_features & ~vdev->guest_features & PLATFORM_FEATURES);
}

bool virtio_access_status_ok(const VirtIODevice *vdev, uint8_t status)
{
    if (!virtio_access_is_platform(vdev)) {
        if (status & ~vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
            viommu_driver_ok(vdev);
        }
        return true;
    }
    if ((status & VIRTIO_CONFIG_S_FEATURES_OK) &&
        !(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
        !virtio_access_features_ok(vdev)) {
        return false;
    }
    return !(status & VIRTIO_CONFIG_S_DRIVER_OK) ||
           virtio_access_agreed(vdev, status);
}

static const char *transport_type(VirtIODevice *vdev)
{
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));

    return object_get_typename(OBJECT(bus->parent));
}

void virtio_access_refuse_legacy(VirtIODevice *vdev, Error **errp)
{
    error_setg(errp, "VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy "
               "nor transitional device: give %s disable-legacy=on, or "
               "iommu_platform=off to let it bypass the vIOMMU",
               transport_type(vdev));
}

void virtio_access_refuse_backend(VirtIODevice *vdev, Error **errp)
{
    error_setg(errp, "iommu_platform=true is not supported by the device: "
               "give %s another backend, or iommu_platform=off to let it "
               "bypass the vIOMMU", transport_type(vdev));
}
