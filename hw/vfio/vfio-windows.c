/*
 * VFIO: memory that is plugged in, and what the hosts of assigned devices keep
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device behind no vIOMMU sees memory where it is, or QEMU ends: once memory
 * is there, a range that the kernel does not map can only be fatal.  So it is
 * asked for before.  For those behind one, their unit answers.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/iommu/viommu-registry.h"
#include "hw/iommu/viommu-windows.h"
#include "hw/vfio/vfio-common.h"
#include "qemu/module.h"

/* VIOMMUMemoryUser.memory_ok */
static bool vfio_windows_memory_ok(uint64_t first, uint64_t last,
                                   uint64_t *next, Error **errp)
{
    VFIODevice *vbasedev;

    QLIST_FOREACH(vbasedev, &vfio_device_list, global_next) {
        const VFIOContainerBase *bcontainer = vbasedev->bcontainer;

        if (bcontainer && bcontainer->space->as == &address_space_memory &&
            !viommu_windows_host_plug_ok(bcontainer->iova_ranges,
                                         vbasedev->name, first, last, next,
                                         errp)) {
            return false;
        }
    }
    return true;
}

static void vfio_windows_init(void)
{
    static VIOMMUMemoryUser user = { .memory_ok = vfio_windows_memory_ok };

    viommu_memory_user_register(&user);
}

type_init(vfio_windows_init)
