/*
 * SMMUv3: what the machine's IORT says of the unit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * I/O Remapping Table, Arm DEN 0049E: the SMMUv3 node, and the root complex's.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "smmuv3-internal.h"

/* Flags */
#define IORT_SMMU_COHACC_OVERRIDE   SMMU_BIT(0)
#define IORT_SMMU_HTTU_OVERRIDE     SMMU_FIELD(2, 1)    /* as in IDR0.HTTU */

/* ATS Attribute */
#define IORT_RC_ATS_SUPPORTED       SMMU_BIT(0)

static SMMUv3Features smmuv3_of_machine(void)
{
    Object *obj = object_resolve_path_type("", TYPE_ARM_SMMUV3, NULL);
    SMMUv3Features f = { 0 };

    if (obj) {
        smmuv3_features(&f, ARM_SMMUV3(obj)->idr);
    }
    return f;
}

uint32_t smmuv3_iort_ats(void)
{
    return smmuv3_of_machine().ats ? IORT_RC_ATS_SUPPORTED : 0;
}

uint32_t smmuv3_iort_flags(void)
{
    SMMUv3Features f = smmuv3_of_machine();

    return IORT_SMMU_COHACC_OVERRIDE |
           smmu_put(f.httu, IORT_SMMU_HTTU_OVERRIDE);
}

unsigned smmuv3_direct_kinds(void)
{
    /* Others leave the tables to their firmware. */
    if (!object_dynamic_cast(qdev_get_machine(), MACHINE_TYPE_NAME("virt"))) {
        return 0;
    }
    return 1u << IOMMU_WINDOW_DIRECT | 1u << IOMMU_WINDOW_DIRECT_RELAXABLE;
}
