/*
 * SMMUv3: the unit, apart from the machine that it is in
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "smmuv3-internal.h"

void smmuv3_unit_reset(SMMUv3State *s)
{
    smmuv3_control_cancel(s);
    smmuv3_cmdq_cancel(s);
    viommu_events_discard(&s->events);
    smmuv3_regs_reset(s);
    viommu_reset(&s->viommu);
}

void smmuv3_unit_init(SMMUv3State *s)
{
    qemu_mutex_init(&s->lock);
    smmuv3_eventq_init(s);
    smmuv3_control_init(s);
    smmuv3_cmdq_init(s);
    smmuv3_regs_reset(s);
    smmuv3_migration_init(s);
}
