/*
 * VT-d: event messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fault and invalidation completion events are messages of the unit itself:
 * never remapped, and seen only after the writes that went before them
 * (VT-d 6.5.2.10, 7.3).
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic_internal.h"
#include "trace.h"
#include "vtd-fault.h"

void vtd_event_send(IntelIOMMUState *s, MSIMessage msg)
{
    uint32_t low = msg.address;

    trace_vtd_irq_generate(msg.address, msg.data);
    if (low >= VTD_INTERRUPT_ADDR_FIRST && low <= VTD_INTERRUPT_ADDR_LAST) {
        apic_get_class(NULL)->send_msi(&msg);
    } else {
        /* The message is a DWORD write, wherever software made it lead. */
        address_space_stl_le(&address_space_memory, msg.address, msg.data,
                             VTD_MEM_ATTRS, NULL);
    }
}
