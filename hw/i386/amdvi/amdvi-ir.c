/*
 * AMD-Vi: interrupt remapping
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.2.5.  A request is a write to the interrupt window.  Two ways lead
 * here: the write itself, by a device model or the I/O APIC, for which the
 * memory core takes the BQL; and KVM, which asks beforehand where a message
 * would go (int_remap).  Nothing has been requested then, so nothing is logged.
 *
 * Remapping itself needs no BQL.  Entries are not cached here; those who cache
 * what an entry led to are told through IEC notifiers.
 */
#include "qemu/osdep.h"
#include "hw/i386/apic_internal.h"
#include "hw/iommu/viommu-fetch.h"
#include "hw/pci/pci_bus.h"
#include "qemu/log.h"
#include "system/dma-held.h"
#include "trace/trace-hw_i386.h"
#include "amdvi-internal.h"

/* What became of a request */
typedef struct AMDVIRemap {
    bool ok;                 /* @dst is set */
    bool remapped;           /* by an entry of a table, and not passed */
    bool quiet;              /* if not: nothing is logged */
    const char *why;         /* if not: in a sentence */
    bool has_index;          /* it asks for an entry, of this index */
    uint32_t index;
    AMDVIEvent event;
} AMDVIRemap;

static AMDVIRemap amdvi_remap_blocked(AMDVIEventCode code, uint16_t flags,
                                      uint64_t addr, bool quiet,
                                      const char *why)
{
    return (AMDVIRemap) {
        .quiet = quiet,
        .why = why,
        .event = {
            .code = code,
            .flags = flags | AMDVI_EVF_I,
            .addr = addr,
        },
    };
}

static AMDVIRemap amdvi_remap_fault(const MSIMessage *src, uint16_t flags,
                                    bool quiet, const char *why)
{
    return amdvi_remap_blocked(AMDVI_EVENT_IO_PAGE_FAULT, flags, src->address,
                               quiet, why);
}

/* Read and decode entry @index of the table.  Returns: false: not readable */
static bool amdvi_read_irte(AMDVIState *s, const AMDVIDTEInt *dte,
                            uint32_t index, AMDVIIRTE *irte,
                            AMDVIIRTEStatus *status, uint64_t *addr)
{
    const IOPTMem *mem = &s->viommu.mem;
    uint64_t control = amdvi_control(s), words[2];

    if (control & AMDVI_CONTROL_GA_EN) {
        *addr = dte->root + index * AMDVI_IRTE_GA_SIZE;
        if (!viommu_fetch(mem, *addr, words, 2)) {
            return false;
        }
        trace_amdvi_ir_irte_ga_val(words[1], words[0]);
        *status = amdvi_decode_irte_ga(words, control & AMDVI_CONTROL_XT_EN,
                                       irte);
        return true;
    }
    *addr = dte->root + index * AMDVI_IRTE_SIZE;
    if (!viommu_fetch(mem, *addr & ~7ULL, words, 1)) {
        return false;
    }
    words[0] >>= (*addr & 4) * 8;
    trace_amdvi_ir_irte_val(words[0]);
    *status = amdvi_decode_irte(words[0], irte);
    return true;
}

static AMDVIRemap amdvi_remap_by_table(AMDVIState *s, const AMDVIDTEInt *dte,
                                       const MSIMessage *src, MSIMessage *dst)
{
    uint32_t index = amdvi_get(src->data, AMDVI_MSI_DATA_INDEX);
    AMDVIIRTEStatus status;
    X86IOMMUIrq irq = { 0 };
    AMDVIIRTE irte;
    uint64_t addr;

    if (index >= dte->entries) {
        return amdvi_remap_fault(src, 0, dte->ignore, "the index is beyond the "
                                 "interrupt table (DTE.IntTabLen)");
    }
    if (!amdvi_read_irte(s, dte, index, &irte, &status, &addr)) {
        return amdvi_remap_blocked(AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR,
                                   AMDVI_EVF_TYPE_MASTER_ABORT, addr, false,
                                   "the interrupt table entry cannot be read");
    }
    if (status == AMDVI_IRTE_ILLEGAL) {
        return amdvi_remap_fault(src, AMDVI_EVF_PR | AMDVI_EVF_RZ,
                                 dte->ignore || irte.suppress,
                                 "the interrupt table entry is illegal: "
                                 "something reserved is set");
    }
    if (status != AMDVI_IRTE_OK) {
        return amdvi_remap_fault(src, 0, dte->ignore || irte.suppress,
                                 "the interrupt table entry is not valid "
                                 "(RemapEn is clear)");
    }
    /*
     * As in the base, the trigger mode is edge: software ends interrupts of the
     * I/O APIC there, since what it has for a vector is an index.
     */
    irq.vector = irte.vector;
    irq.delivery_mode = irte.type;
    irq.dest_mode = irte.logical;
    irq.redir_hint = irte.rq_eoi;
    irq.dest = irte.dest;
    x86_iommu_irq_to_msi_message(&irq, dst);
    return (AMDVIRemap) { .ok = true, .remapped = true };
}

static AMDVIRemap amdvi_remap_by_entry(AMDVIState *s, const AMDVIDTEInt *dte,
                                       const MSIMessage *src, MSIMessage *dst)
{
    AMDVIIntType type = amdvi_get(src->data, AMDVI_MSI_DATA_TYPE);
    bool pass = false;

    switch (type) {
    case AMDVI_INT_FIXED:
    case AMDVI_INT_ARBITRATED:
        if (dte->ctl == AMDVI_INT_CTL_REMAP) {
            AMDVIRemap remap = amdvi_remap_by_table(s, dte, src, dst);

            remap.has_index = true;
            remap.index = amdvi_get(src->data, AMDVI_MSI_DATA_INDEX);
            return remap;
        }
        pass = dte->ctl == AMDVI_INT_CTL_PASS;
        break;
    case AMDVI_INT_NMI:
        pass = dte->nmi_pass;
        break;
    case AMDVI_INT_INIT:
        pass = dte->init_pass;
        break;
    case AMDVI_INT_EXT_INT:
        pass = dte->eint_pass;
        break;
    default:
        break;
    }
    /* Others than the first two have a physical destination. */
    if (!pass || (type > AMDVI_INT_ARBITRATED &&
                  (src->address & AMDVI_MSI_ADDR_DEST_MODE))) {
        return amdvi_remap_fault(src, 0, dte->ignore, "the device table entry "
                                 "does not let interrupts of this kind pass "
                                 "(IntCtl, NMIPass, INITPass, EIntPass)");
    }
    *dst = *src;
    return (AMDVIRemap) { .ok = true };
}

/* Any thread */
static AMDVIRemap amdvi_remap(AMDVIState *s, const MSIMessage *src,
                              MSIMessage *dst, uint16_t sid)
{
    AMDVIEvent event = { .flags = AMDVI_EVF_I, .addr = src->address };
    AMDVIDTEInt dte;
    uint64_t words[2];
    bool reserved;

    if (!(amdvi_control(s) & AMDVI_CONTROL_IOMMU_EN)) {
        *dst = *src;
        return (AMDVIRemap) { .ok = true };
    }
    if (!amdvi_fetch_dte(s, &s->viommu.mem, sid, 2, words, &event)) {
        return (AMDVIRemap) {
            .event = event,
            .why = event.code == AMDVI_EVENT_DEV_TAB_HARDWARE_ERROR ?
                   "the device table entry cannot be read" :
                   "the device table has no entry for this requester "
                   "(DEVTAB.Size)",
        };
    }
    if (amdvi_decode_dte_int(words, s->efr, &dte, &reserved)) {
        return amdvi_remap_blocked(AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY,
                                   reserved ? AMDVI_EVF_RZ : 0, src->address,
                                   false, "the interrupt part of the device "
                                   "table entry is illegal");
    }
    if (!dte.valid) {
        *dst = *src;
        return (AMDVIRemap) { .ok = true };
    }
    if (!x86_iommu_ir_supported(X86_IOMMU_DEVICE(s))) {
        qemu_log_mask(LOG_GUEST_ERROR, "amdvi: DTE.IV of 0x%04x is set, but "
                      "amd-iommu has intremap=off\n", sid);
        return amdvi_remap_fault(src, 0, false, "DTE.IV is set, but amd-iommu "
                                 "has intremap=off");
    }
    return amdvi_remap_by_entry(s, &dte, src, dst);
}

/*
 * Any thread.
 *
 * @record: the request is real: what is wrong with it is logged
 */
static AMDVIRemap amdvi_remap_message(AMDVIState *s, const MSIMessage *src,
                                      MSIMessage *dst, uint16_t sid,
                                      bool record)
{
    AMDVIRemap remap;

    trace_amdvi_ir_remap_msi_req(src->address, src->data, sid);
    remap = amdvi_remap(s, src, dst, sid);
    if (remap.ok) {
        trace_amdvi_ir_remap_msi(src->address, src->data, dst->address,
                                 dst->data);
        return remap;
    }
    trace_amdvi_ir_err(amdvi_event_name(remap.event.code));
    if (record && !remap.quiet) {
        remap.event.device = sid;
        amdvi_event_log(s, &remap.event);
    }
    return remap;
}

int amdvi_int_remap(X86IOMMUState *iommu, MSIMessage *src, MSIMessage *dst,
                    uint16_t sid)
{
    if (sid == X86_IOMMU_SID_INVALID) {
        /* KVM asks for a route of the I/O APIC without saying whose it is. */
        sid = PCI_BUILD_BDF(0, AMDVI_IOAPIC_DEVFN);
    }
    return amdvi_remap_message(AMD_IOMMU_DEVICE(iommu), src, dst, sid,
                               false).ok ? 0 : -EINVAL;
}

/* There is nothing to read in the window. */
static MemTxResult amdvi_window_read(void *opaque, hwaddr addr,
                                     uint64_t *data, unsigned size,
                                     MemTxAttrs attrs)
{
    *data = 0;
    return MEMTX_OK;
}

static void amdvi_refused(VIOMMUEndpoint *ep, const MSIMessage *src,
                          const AMDVIRemap *remap)
{
    const VIOMMURefusedInterrupt refused = {
        .addr = src->address,
        .has_index = remap->has_index,
        .index = remap->index,
        .says = {
            .code = remap->event.code,
            .name = amdvi_event_name(remap->event.code),
            .reason = remap->why,
            .recorded = !remap->quiet,
        },
    };

    viommu_refused_interrupt(ep, &refused);
}

/* BQL: an APIC is written to. */
static MemTxResult amdvi_window_write(void *opaque, hwaddr addr,
                                      uint64_t value, unsigned size,
                                      MemTxAttrs attrs)
{
    AMDVIState *s = opaque;
    VIOMMUEndpoint *ep = viommu_requester(&s->viommu);
    MSIMessage dst, src = {
        .address = AMDVI_INT_FIRST + addr,
        .data = value,
    };
    AMDVIRemap remap;
    DMA_HELD("message");

    if (!dma_attrs_plain(attrs) || !ep) {
        /* With a PASID, or translated: no interrupt request. */
        return MEMTX_ERROR;
    }
    /* It is the endpoint's that it came through, whatever @attrs say. */
    remap = amdvi_remap_message(s, &src, &dst, viommu_endpoint_sid(ep), true);
    if (!remap.ok) {
        amdvi_refused(ep, &src, &remap);
        return MEMTX_ERROR;
    }
    if (remap.remapped) {
        viommu_count_interrupt(ep);
    }
    apic_get_class(NULL)->send_msi(&dst);
    return MEMTX_OK;
}

static const MemoryRegionOps amdvi_window_ops = {
    .read_with_attrs = amdvi_window_read,
    .write_with_attrs = amdvi_window_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

void amdvi_window_init(AMDVIState *s)
{
    /* Interrupts of who bypasses are remapped as well. */
    memory_region_init_io(&s->window, OBJECT(s), &amdvi_window_ops, s,
                          "amdvi-ir", AMDVI_INT_SIZE);
    viommu_doorbell_add(&s->viommu, AMDVI_INT_FIRST, &s->window);
}

void amdvi_ir_changed(AMDVIState *s)
{
    x86_iommu_iec_notify_all(X86_IOMMU_DEVICE(s), true, 0, 0);
}
