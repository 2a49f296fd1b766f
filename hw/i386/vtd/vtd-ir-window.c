/*
 * VT-d: the interrupt window
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a device's or the I/O APIC's write is a request for an interrupt: on
 * the machine's side of vtd-ir.c.  All endpoints see it at the same place; who
 * writes, the core says.
 */
#include "qemu/osdep.h"
#include "hw/i386/apic_internal.h"
#include "hw/iommu/viommu-model.h"
#include "hw/iommu/viommu-query.h"
#include "qemu/atomic.h"
#include "system/dma-held.h"
#include "vtd-ir.h"
#include "vtd-tables.h"

/*
 * With a PASID, or translated, no request is an interrupt request: it is
 * translated as anywhere else, or refused as one that may not lead here (3.15).
 * BQL.
 */
static MemTxResult vtd_ir_window_memory(IntelIOMMUState *s, hwaddr addr,
                                        uint64_t *data, unsigned size,
                                        MemTxAttrs attrs, bool is_write)
{
    VIOMMUEndpoint *ep = viommu_requester(&s->viommu);

    return !s->dmar_enabled || !ep ? MEMTX_ERROR :
           viommu_window_memory(ep, VTD_INTERRUPT_ADDR_FIRST + addr, data, size,
                                attrs, is_write);
}

/* There is nothing to read in the window. */
static MemTxResult vtd_ir_window_read(void *opaque, hwaddr addr,
                                      uint64_t *data, unsigned size,
                                      MemTxAttrs attrs)
{
    *data = 0;
    return dma_attrs_plain(attrs) ? MEMTX_OK :
           vtd_ir_window_memory(opaque, addr, data, size, attrs, false);
}

static void vtd_ir_refused(VIOMMUEndpoint *ep, const MSIMessage *src,
                           const VTDRemapped *dst)
{
    const VIOMMURefusedInterrupt refused = {
        .addr = src->address,
        .has_index = dst->has_index,
        .index = dst->index,
        .says = {
            .code = dst->reason,
            .reason = vtd_fault_words(dst->reason),
            .recorded = dst->recorded,
        },
    };

    viommu_refused_interrupt(ep, &refused);
}

/* Of @ep, which is @who.  BQL: an APIC is written to. */
static MemTxResult vtd_ir_request(IntelIOMMUState *s, hwaddr addr,
                                  uint64_t value, VIOMMUEndpoint *ep,
                                  VTDRequester who)
{
    MSIMessage src = {
        .address = VTD_INTERRUPT_ADDR_FIRST + addr,
        .data = value,
    };
    VTDRemapped dst;

    if (!vtd_remap_message(s, &src, who, true, &dst)) {
        vtd_ir_refused(ep, &src, &dst);
        return MEMTX_ERROR;
    }
    if (dst.send) {
        apic_get_class(NULL)->send_msi(&dst.msg);
    }
    return MEMTX_OK;
}

/* KVM and the I/O APIC are told before the invalidation returns. */
bool vtd_ir_settle(VIOMMUBusy *busy)
{
    return true;
}

static MemTxResult vtd_ir_window_write(void *opaque, hwaddr addr,
                                       uint64_t value, unsigned size,
                                       MemTxAttrs attrs)
{
    IntelIOMMUState *s = opaque;
    VIOMMUEndpoint *ep = viommu_requester(&s->viommu);
    VTDRequester who;
    MemTxResult result;
    DMA_HELD("message");

    if (!dma_attrs_plain(attrs)) {
        return vtd_ir_window_memory(s, addr, &value, size, attrs, true);
    }
    if (!ep) {
        return MEMTX_ERROR;
    }
    /*
     * Whether it is an MSI or any other write: it is a request of the endpoint
     * that it came through, whatever its attributes say.  A device must not get
     * round the source-id check by plain DMA.
     */
    who = ep == s->ioapic ? VTD_IOAPIC_REQUESTER : (VTDRequester) {
        .sid = viommu_endpoint_sid(ep),
    };
    result = vtd_ir_request(s, addr, value, ep, who);
    if (result == MEMTX_OK && !who.ioapic && qatomic_read(&s->intr_enabled)) {
        viommu_count_interrupt(ep);
    }
    return result;
}

/* An interrupt request is a DWORD; what is none may be anything. */
static bool vtd_ir_window_accepts(void *opaque, hwaddr addr, unsigned size,
                                  bool is_write, MemTxAttrs attrs)
{
    return size == 4 || !dma_attrs_plain(attrs);
}

static const MemoryRegionOps vtd_ir_window_ops = {
    .read_with_attrs = vtd_ir_window_read,
    .write_with_attrs = vtd_ir_window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = {
        .min_access_size = 1,
        .max_access_size = 4,
    },
    .valid = {
        .min_access_size = 1,
        .max_access_size = 4,
        .accepts = vtd_ir_window_accepts,
    },
};

void vtd_ir_window_init(IntelIOMMUState *s)
{
    /* In pass-through, too: interrupts are remapped all the same. */
    memory_region_init_io(&s->ir_window, OBJECT(s), &vtd_ir_window_ops, s,
                          "vtd-ir", VTD_INTERRUPT_ADDR_SIZE);
    /*
     * A device may send an interrupt in the middle of a register write of the
     * unit: it has been answered for a page.  Remapping changes nothing there.
     */
    s->ir_window.disable_reentrancy_guard = true;
    viommu_doorbell_add(&s->viommu, VTD_INTERRUPT_ADDR_FIRST, &s->ir_window);
}

void vtd_ir_window_endpoint(VIOMMU *v, VIOMMUEndpoint *ep)
{
    viommu_window_add(ep, VTD_INTERRUPT_ADDR_FIRST, VTD_INTERRUPT_ADDR_LAST,
                      IOMMU_WINDOW_MSI, IOMMU_WINDOW_MODEL);
}
