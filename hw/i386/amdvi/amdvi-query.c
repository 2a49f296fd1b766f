/*
 * AMD-Vi: what the unit says of itself in words and numbers (query-viommu)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only looks.
 */
#include "qemu/osdep.h"
#include "amdvi-internal.h"

static const char *const amdvi_query_properties[] = {
    "intremap", "virtio", "xtsup", "gtsup", NULL
};

/* The reason of an IO_PAGE_FAULT, by its flags */
static const char *amdvi_page_fault_reason(const VIOMMUConfig *config,
                                           const VIOMMUFault *fault,
                                           uint16_t flags)
{
    if (fault->blocked && (flags & AMDVI_EVF_GN)) {
        return "the GCR3 table has no valid entry for this PASID";
    }
    if (fault->blocked && fault->pasid != VIOMMU_NO_PASID && !config->model) {
        return "the request has a PASID, and the device table entry has no "
               "guest translations (GV)";
    }
    if (fault->blocked && config->model) {
        return "the host's tables do not lead to the GCR3 table";
    }
    if (fault->blocked) {
        return flags & AMDVI_EVF_PE ?
               "the device table entry lacks IR or IW" :
               "the device table entry has no translation (TV is clear): the "
               "guest has no domain for this requester";
    }
    if (fault->reserved_range) {
        return "the page leads into the interrupt address range";
    }
    if (flags & AMDVI_EVF_RZ) {
        return "a reserved bit of a page table entry is set";
    }
    if (fault->kind == IOPT_FAULT_RESERVED) {
        return "a page table entry's Next Level or page size is none";
    }
    if (fault->kind == IOPT_FAULT_PRIVILEGE) {
        return "the guest's tables keep the page for privileged accesses (U/S)";
    }
    if (fault->kind == IOPT_FAULT_RANGE && (flags & AMDVI_EVF_GN)) {
        return "the address is not canonical for the guest's tables";
    }
    if (fault->kind == IOPT_FAULT_RANGE) {
        return "the address is beyond what the tables cover (DTE.Mode)";
    }
    if (flags & AMDVI_EVF_PE) {
        return flags & AMDVI_EVF_GN ?
               "the guest's tables do not allow it (R/W)" :
               "the tables do not allow it (IR, IW)";
    }
    return "a page table entry is not present";
}

static void amdvi_query_fault(VIOMMU *v, const VIOMMUConfig *config,
                              const VIOMMUFault *fault, VIOMMUFaultSays *says)
{
    AMDVIEvent event;

    says->recorded = amdvi_fault_event(v, config, fault, &event);
    says->code = event.code;
    says->name = amdvi_event_name(event.code);
    switch (event.code) {
    case AMDVI_EVENT_IO_PAGE_FAULT:
        says->reason = amdvi_page_fault_reason(config, fault, event.flags);
        break;
    case AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY:
        says->reason = "the device table entry is illegal: something reserved "
                       "is set, or it asks for what the unit does not have";
        break;
    case AMDVI_EVENT_DEV_TAB_HARDWARE_ERROR:
        says->reason = "the device table entry cannot be read";
        break;
    case AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR:
        says->reason = "a page table entry cannot be read";
        break;
    default:
        says->reason = "the device table entry does not let the device use a "
                       "TLB of its own (I)";
        break;
    }
}

static void amdvi_query_domain(VIOMMU *v, const VIOMMUConfig *config,
                               VIOMMUNumberList ***tail)
{
    uint32_t group = IOTLB_TAG_GROUP(config->tag);

    viommu_say_number(tail, "DomainID",
                      group ? group - 1 : IOTLB_TAG_DOMAIN(config->tag));
    if (group) {
        viommu_say_number(tail, "PASID", IOTLB_TAG_DOMAIN(config->tag));
    }
}

static void amdvi_query_ring(VIOMMUQueueInfoList ***tail, const char *name,
                             bool running, uint64_t base, uint32_t head,
                             uint32_t end, bool waiting, const char *error)
{
    VIOMMUQueueInfo *queue = g_new0(VIOMMUQueueInfo, 1);

    queue->name = g_strdup(name);
    queue->enabled = running;
    queue->address = base & AMDVI_RING_ADDR;
    queue->entries = 1 << amdvi_ring_log2(base);
    queue->head = head >> AMDVI_RING_ENTRY_SHIFT;
    queue->tail = end >> AMDVI_RING_ENTRY_SHIFT;
    queue->waiting = waiting;
    queue->error = g_strdup(error);
    viommu_say_queue(tail, queue);
}

static void amdvi_query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    VIOMMUQueueInfoList **queues = &info->queues;
    VIOMMUNumberList **tail = &info->registers;
    AMDVIState *s = amdvi_of(v);
    bool cmd_on = (s->control & AMDVI_CONTROL_IOMMU_EN) &&
                  (s->control & AMDVI_CONTROL_CMD_BUF_EN);

    info->root = s->devtab & AMDVI_DEVTAB_ADDR;
    info->has_root = info->root != 0;
    viommu_say_number(&tail, "EFR", s->efr);
    viommu_say_number(&tail, "CONTROL", s->control);
    viommu_say_number(&tail, "STATUS", s->status);
    viommu_say_number(&tail, "DEVTAB", s->devtab);
    amdvi_query_ring(&queues, "command buffer",
                     s->status & AMDVI_STATUS_CMD_RUN, s->cmd_base,
                     s->cmd_head, s->cmd_tail, viommu_queue_waits(&s->queue),
                     cmd_on && !(s->status & AMDVI_STATUS_CMD_RUN) ?
                     "an error stopped it: see the event log" : NULL);
    amdvi_query_ring(&queues, "event log",
                     s->status & AMDVI_STATUS_EVENT_RUN, s->event_base,
                     s->event_head, s->event_tail, false,
                     s->status & AMDVI_STATUS_EVENT_OVERFLOW ?
                     "EventOverflow is set" : NULL);
}

static bool amdvi_query_remaps(VIOMMU *v)
{
    AMDVIState *s = amdvi_of(v);

    return x86_iommu_ir_supported(X86_IOMMU_DEVICE(s)) &&
           (amdvi_control(s) & AMDVI_CONTROL_IOMMU_EN);
}

const VIOMMUQueryOps amdvi_query_ops = {
    .properties = amdvi_query_properties,
    .unit = amdvi_query_unit,
    .domain = amdvi_query_domain,
    .fault = amdvi_query_fault,
    .remaps = amdvi_query_remaps,
};
