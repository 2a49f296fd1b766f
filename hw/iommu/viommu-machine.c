/*
 * vIOMMUs and the machines that they are for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A machine has its own for its devices on the system bus, and all that the
 * base says of another one is that it is not among them.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/iommu/viommu-machine.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-iommu.h"
#include "qapi/error.h"

bool viommu_machine_refuse(const char *driver, Error **errp)
{
    static const struct {
        const char *driver, *how;
    } units[] = {
        { "intel-iommu", "give -machine q35" },
        { "amd-iommu", "give -machine q35" },
        { "arm-smmuv3", "it is part of the machine: leave -device out and give "
                        "-machine virt,iommu=smmuv3; -global arm-smmuv3.NAME="
                        "VALUE sets its properties" },
    };
    const char *machine = MACHINE_GET_CLASS(current_machine)->name;

    for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
        if (!strcmp(driver, units[i].driver)) {
            error_setg(errp, "the machine '%s' has no -device %s: %s", machine,
                       driver, units[i].how);
            return true;
        }
    }
    return false;
}

void viommu_machine_regions(DeviceState *dev, QList *regions)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(object_resolve_path_component(
                                      OBJECT(dev), "virtio-backend"));

    /* An array is set once; realize says what to give instead. */
    if (s->nr_prop_resv_regions) {
        s->regions_given = true;
        qobject_unref(regions);
    } else {
        qdev_prop_set_array(dev, "reserved-regions", regions);
    }
}
