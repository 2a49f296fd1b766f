/*
 * viommu-remote: where devices' writes are interrupts, on x86
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An endpoint's message interrupts go where the server says, if it remaps them,
 * and else where they went without a vIOMMU.  Elsewhere the doorbell is an
 * address like any other.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-query.h"
#include "system/dma-attrs.h"
#include "system/dma-held.h"
#include "remote-internal.h"

/* Where message interrupts are written to (Intel SDM 3, 11.11.1) */
#define WINDOW_FIRST ((hwaddr)VRP_INTERRUPT_ADDR)
#define WINDOW_SIZE  0x100000ull
#define WINDOW_LAST  (WINDOW_FIRST + WINDOW_SIZE - 1)

bool remote_window_output_ok(const VIOMMURemote *s, hwaddr addr, hwaddr last)
{
    unsigned bits = s->unit.address_bits;

    return (bits >= 64 || !(last >> bits)) &&
           (addr > WINDOW_LAST || last < WINDOW_FIRST);
}

/* Past the unit */
static MemTxResult window_pass(VIOMMUEndpoint *ep, hwaddr addr,
                               uint64_t *data, unsigned size,
                               MemTxAttrs attrs, bool is_write)
{
    uint32_t val = is_write ? cpu_to_le32(*data) : 0;
    MemTxResult result = address_space_rw(ep->viommu->memory, addr,
                                          attrs, &val, size, is_write);

    *data = is_write ? *data : le32_to_cpu(val);
    return result;
}

/*
 * The server says where the message leads.  Whether it is an MSI or any other
 * write: it is of the endpoint that it came through, whatever its attributes
 * say.  There is nothing to read.
 */
static MemTxResult window_remap(VIOMMURemote *s, VIOMMUEndpoint *ep,
                                hwaddr addr, uint64_t *data, bool is_write)
{
    bool ioapic = ep == s->ioapic;
    const VRPRemap question = {
        .addr = addr,
        .data = *data,
        .rid = ioapic ? REMOTE_IOAPIC_RID : viommu_endpoint_sid(ep),
        .flags = VRP_REMAP_REQUEST | (ioapic ? VRP_REMAP_IOAPIC : 0),
    };
    bool by_entry;

    if (!is_write) {
        *data = 0;
        return MEMTX_OK;
    }
    if (!remote_irq_send(s, &question, &by_entry)) {
        viommu_refused_interrupt(ep, &(VIOMMURefusedInterrupt) {
            .addr = addr,
            .says = {
                .reason = "the unit's server did not let the interrupt request "
                          "pass, or did not answer; what it has recorded says "
                          "why",
                .recorded = true,
            },
        });
        return MEMTX_ERROR;
    }
    if (by_entry && !ioapic) {
        viommu_count_interrupt(ep);
    }
    return MEMTX_OK;
}

/*
 * With a PASID, or translated, no request is an interrupt: it is translated as
 * anywhere else, or refused.  BQL: an interrupt controller is written to.
 */
static MemTxResult window_access(VIOMMURemote *s, hwaddr addr,
                                 uint64_t *data, unsigned size,
                                 MemTxAttrs attrs, bool is_write)
{
    VIOMMUEndpoint *ep = viommu_requester(&s->viommu);
    hwaddr iova = WINDOW_FIRST + addr;
    DMA_HELD("message");

    if (!ep) {
        return MEMTX_ERROR;
    }
    if (!dma_attrs_plain(attrs)) {
        return viommu_window_memory(ep, iova, data, size, attrs, is_write);
    }
    return remote_remaps(s) ? window_remap(s, ep, iova, data, is_write) :
           window_pass(ep, iova, data, size, attrs, is_write);
}

static MemTxResult window_read(void *opaque, hwaddr addr, uint64_t *data,
                               unsigned size, MemTxAttrs attrs)
{
    return window_access(opaque, addr, data, size, attrs, false);
}

static MemTxResult window_write(void *opaque, hwaddr addr, uint64_t value,
                                unsigned size, MemTxAttrs attrs)
{
    return window_access(opaque, addr, &value, size, attrs, true);
}

/* A request that is to be remapped is a DWORD (VT-d 5.1.1). */
static bool window_accepts(void *opaque, hwaddr addr, unsigned size,
                           bool is_write, MemTxAttrs attrs)
{
    return size == 4 || !remote_remaps(opaque) || !dma_attrs_plain(attrs);
}

static const MemoryRegionOps window_ops = {
    .read_with_attrs = window_read,
    .write_with_attrs = window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 4 },
    .valid = {
        .min_access_size = 1,
        .max_access_size = 4,
        .accepts = window_accepts,
    },
};

static bool window_is_there(void)
{
    return object_dynamic_cast(qdev_get_machine(), "x86-machine");
}

void remote_window_init(VIOMMURemote *s)
{
    if (!window_is_there()) {
        return;
    }
    memory_region_init_io(&s->window, OBJECT(s), &window_ops, s,
                          "viommu-remote-msi", WINDOW_SIZE);
    /* A device may send one in the middle of a register write of the unit. */
    s->window.disable_reentrancy_guard = true;
    viommu_doorbell_add(&s->viommu, WINDOW_FIRST, &s->window);
}

void remote_window_endpoint(VIOMMU *v, VIOMMUEndpoint *ep)
{
    if (window_is_there()) {
        viommu_window_add(ep, WINDOW_FIRST, WINDOW_LAST, IOMMU_WINDOW_MSI,
                          IOMMU_WINDOW_MODEL);
    }
}
