/*
 * SMMUv3: its interrupts, as the machine has them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/irq.h"
#include "qemu/atomic.h"
#include "smmuv3-internal.h"

void smmuv3_wire_pulse(SMMUv3State *s, SMMUIrq irq)
{
    qemu_irq_pulse(s->irq[irq]);
}

/* To an interrupt controller, or to memory: whatever is there. */
bool smmuv3_wire_msi(SMMUv3State *s, uint64_t addr, uint32_t data)
{
    MemTxResult result;

    /* Who sees it in memory sees what it tells of. */
    smp_mb_release();
    address_space_stl_le(&address_space_memory, addr, data,
                         MEMTXATTRS_UNSPECIFIED, &result);
    return result == MEMTX_OK;
}
