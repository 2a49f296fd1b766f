/*
 * VT-d: what the unit says of itself in words and numbers (query-viommu)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only looks.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-query.h"
#include "vtd-decode.h"
#include "vtd-tables.h"

static const char *const vtd_query_properties[] = {
    "aw-bits", "caching-mode", "device-iotlb", "dma-translation", "eim",
    "fault-records", "intremap", "pt", "snoop-control", "virtio",
    "x-scalable-mode", "x-flts", NULL
};

/* 7.1.3: fault reasons, as a driver's author would ask about them */
static const char *const vtd_reasons[] = {
    [VTD_FR_ROOT_ENTRY_P] = "the root entry of the bus is not present",
    [VTD_FR_CONTEXT_ENTRY_P] =
        "the context entry is not present: the guest has no domain for this "
        "requester",
    [VTD_FR_CONTEXT_ENTRY_INV] =
        "the context entry asks for what the unit does not offer",
    [VTD_FR_ADDR_BEYOND_MGAW] =
        "the address is beyond the table's, or the unit's, address width",
    [VTD_FR_WRITE] = "no table entry lets the device write there",
    [VTD_FR_READ] = "no table entry lets the device read there",
    [VTD_FR_PAGING_ENTRY_INV] = "a paging entry cannot be read",
    [VTD_FR_ROOT_TABLE_INV] = "the root entry cannot be read",
    [VTD_FR_CONTEXT_TABLE_INV] = "the context entry cannot be read",
    [VTD_FR_ROOT_ENTRY_RSVD] = "a reserved field of the root entry is set",
    [VTD_FR_CONTEXT_ENTRY_RSVD] =
        "a reserved field of the context entry is set",
    [VTD_FR_PAGING_ENTRY_RSVD] = "a reserved field of a paging entry is set",
    [VTD_FR_CONTEXT_ENTRY_TT] =
        "the context entry does not let the device use a TLB of its own",
    [VTD_FR_INTERRUPT_ADDR] =
        "the page leads into the interrupt address range",
    [VTD_FR_RTADDR_INV_TTM] = "RTADDR_REG.TTM has no legal value",
    [VTD_FR_RTADDR_PASID] = "a request with a PASID in legacy mode",
    [VTD_FR_RTADDR_PAGE_REQ] = "a page request in legacy mode",
    [VTD_FR_SM_ROOT_ACCESS] = "the scalable-mode root entry cannot be read",
    [VTD_FR_SM_ROOT_P] = "the scalable-mode root entry is not present",
    [VTD_FR_SM_ROOT_RSVD] =
        "a reserved field of the scalable-mode root entry is set",
    [VTD_FR_SM_CONTEXT_ACCESS] =
        "the scalable-mode context entry cannot be read",
    [VTD_FR_SM_CONTEXT_P] =
        "the scalable-mode context entry is not present: the guest has no "
        "domain for this requester",
    [VTD_FR_SM_CONTEXT_RSVD] =
        "a reserved field of the scalable-mode context entry is set",
    [VTD_FR_SM_CONTEXT_INV] =
        "RID_PASID of the context entry is beyond its PASID directory, or PRE "
        "is set without DTE",
    [VTD_FR_SM_CONTEXT_DTE] =
        "the context entry does not let the device use a TLB of its own (DTE)",
    [VTD_FR_SM_CONTEXT_PASIDE] =
        "the context entry allows no requests with a PASID (PASIDE)",
    [VTD_FR_SM_CONTEXT_PASID] =
        "the PASID is beyond the context entry's PASID directory",
    [VTD_FR_SM_CONTEXT_PRE] =
        "the context entry allows no page requests (PRE)",
    [VTD_FR_SM_CONTEXT_RID] =
        "the PASID is the one of requests without PASID (RID_PASID)",
    [VTD_FR_SM_PASID_DIR_ACCESS] =
        "the PASID directory entry cannot be read",
    [VTD_FR_SM_PASID_DIR_P] = "the PASID directory entry is not present",
    [VTD_FR_SM_PASID_DIR_RSVD] =
        "a reserved field of the PASID directory entry is set",
    [VTD_FR_SM_PASID_ACCESS] = "the PASID table entry cannot be read",
    [VTD_FR_SM_PASID_P] = "the PASID table entry is not present",
    [VTD_FR_SM_PASID_RSVD] =
        "a reserved field of the PASID table entry is set",
    [VTD_FR_SM_PASID_INV] =
        "the PASID table entry asks for what the unit does not offer",
    [VTD_FR_SM_PASID_ERE] =
        "the PASID table entry allows no execute requests",
    [VTD_FR_SM_PASID_SRE] =
        "the PASID table entry allows no supervisor requests",
    [VTD_FR_FS_ACCESS] = "a first-stage paging entry cannot be read",
    [VTD_FR_FS_P] = "a first-stage paging entry is not present",
    [VTD_FR_FS_RSVD] =
        "a reserved field of a first-stage paging entry is set",
    [VTD_FR_FS_TOP_ACCESS] = "the first stage's top table cannot be read",
    [VTD_FR_FS_BEYOND_MGAW] =
        "a first-stage paging entry is beyond the second stage's width",
    [VTD_FR_FS_TOP_READ] =
        "the second stage does not let the first stage's top table be read",
    [VTD_FR_FS_READ] =
        "the second stage does not let a first-stage paging entry be read",
    [VTD_FR_FS_WRITE] =
        "the second stage does not let a first-stage paging entry be updated",
    [VTD_FR_SS_ACCESS] = "a second-stage paging entry cannot be read",
    [VTD_FR_SS_P] = "a second-stage paging entry is not present",
    [VTD_FR_SS_RSVD] =
        "a reserved field of a second-stage paging entry is set",
    [VTD_FR_SS_TOP_ACCESS] = "the second stage's top table cannot be read",
    [VTD_FR_SS_NO_SNOOP] =
        "a second-stage entry would be marked accessed or dirty, but page "
        "walks do not snoop (PWSNP)",
    [VTD_FR_SS_UPDATE] =
        "a second-stage entry cannot be marked accessed or dirty",
    [VTD_FR_SM_NON_CANONICAL] = "the address is not canonical",
    [VTD_FR_SM_USER] = "the page is for supervisor requests alone (U/S)",
    [VTD_FR_SM_BEYOND_HAW] =
        "the address is beyond the width of host addresses",
    [VTD_FR_SM_BEYOND_MGAW] = "the address is beyond the second stage's width",
    [VTD_FR_SM_WRITE] = "no table entry lets the device write there",
    [VTD_FR_SM_READ] = "no table entry lets the device read there",
    [VTD_FR_SM_INTERRUPT_ADDR] =
        "the page leads into the interrupt address range",
    [VTD_FR_SM_PASID_SIZE] = "the PASID has more bits than the unit (PSS)",
    [VTD_FR_FS_NO_SNOOP] =
        "a first-stage entry would be marked accessed or dirty, but page "
        "walks do not snoop (PWSNP)",
    [VTD_FR_FS_UPDATE] =
        "a first-stage entry cannot be marked accessed or dirty",
    [VTD_FR_IR_REQ_RSVD] = "a reserved field of the interrupt request is set",
    [VTD_FR_IR_INDEX_OVER] =
        "the index is beyond the interrupt remapping table (IRTA_REG.S)",
    [VTD_FR_IR_ENTRY_P] =
        "the entry of the interrupt remapping table is not present",
    [VTD_FR_IR_ROOT_INVAL] =
        "the entry of the interrupt remapping table cannot be read",
    [VTD_FR_IR_IRTE_RSVD] =
        "a reserved field of the interrupt remapping table entry is set",
    [VTD_FR_IR_REQ_COMPAT] =
        "the interrupt is in compatibility format, without an index, and those "
        "are refused: GSTS.CFIS is clear, or IRTA_REG.EIME set",
    [VTD_FR_IR_SID_ERR] =
        "the entry of the interrupt remapping table is for another source "
        "(SVT, SQ, SID)",
    [VTD_FR_IR_PID_ACCESS] =
        "the posted interrupt descriptor cannot be read or updated",
    [VTD_FR_IR_PID_RSVD] =
        "a reserved field of the posted interrupt descriptor is set",
};

const char *vtd_fault_words(VTDFaultReason reason)
{
    return reason < ARRAY_SIZE(vtd_reasons) ? vtd_reasons[reason] : NULL;
}

static void vtd_query_fault(VIOMMU *v, const VIOMMUConfig *config,
                            const VIOMMUFault *fault, VIOMMUFaultSays *says)
{
    VTDFaultReason reason = vtd_fault_reason(config, fault);

    says->code = reason;
    says->reason = vtd_fault_words(reason) ?: says->reason;
    if (reason == VTD_FR_CONTEXT_ENTRY_INV && !fault->blocked) {
        says->reason = "the table that the context entry leads to cannot be "
                       "read (SSPTPTR)";
    }
    says->recorded = !(config->quiet && vtd_fault_is_qualified(reason));
}

/* Tags are the domain's, or a group of PASIDs for each domain. */
static void vtd_query_domain(VIOMMU *v, const VIOMMUConfig *config,
                             VIOMMUNumberList ***tail)
{
    uint32_t group = IOTLB_TAG_GROUP(config->tag);

    viommu_say_number(tail, "DID", group ? group - 1 :
                                           IOTLB_TAG_DOMAIN(config->tag));
    if (group) {
        viommu_say_number(tail, "PASID", IOTLB_TAG_DOMAIN(config->tag));
    }
}

/* 11.4.9.9: IQERCD.IQEI, of 4 bits */
static const char *const vtd_queue_errors[16] = {
    [VTD_IQEI_TAIL] = "the tail is beyond the queue's end",
    [VTD_IQEI_READ] = "the descriptor at the head cannot be read",
    [VTD_IQEI_TYPE] = "the descriptor at the head has no legal type",
    [VTD_IQEI_RSVD] =
        "a reserved field of the descriptor at the head is set",
    [VTD_IQEI_WIDTH] = "IQA_REG.DW does not suit the mode",
    [VTD_IQEI_ALIGN] = "the tail is within a descriptor of 256 bits",
    [VTD_IQEI_TTM] =
        "the descriptor at the head does not suit RTADDR_REG.TTM",
};

static void vtd_query_queue(IntelIOMMUState *s, VIOMMUInfo *info)
{
    VIOMMUQueueInfoList **tail = &info->queues;
    VIOMMUQueueInfo *queue = g_new0(VIOMMUQueueInfo, 1);

    queue->name = g_strdup("invalidation queue");
    queue->enabled = s->qi_enabled;
    queue->address = s->iq;
    queue->entries = s->iq_size;
    queue->head = s->iq_head;
    queue->tail = s->iq_tail;
    queue->waiting = viommu_queue_waits(&s->queue);
    if (vtd_reg32(s, DMAR_FSTS_REG) & VTD_FSTS_IQE) {
        unsigned iqei = VTD_IQERCD_IQEI(vtd_reg64(s, DMAR_IQERCD_REG));

        queue->error = g_strdup_printf("FSTS.IQE is set, IQERCD.IQEI is %u "
                                       "(%s)", iqei, vtd_queue_errors[iqei] ?:
                                       "no reason is reported");
    }
    viommu_say_queue(&tail, queue);
}

static void vtd_query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    IntelIOMMUState *s = container_of(v, IntelIOMMUState, viommu);
    VIOMMUNumberList **tail = &info->registers;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        info->has_root = s->root != 0;
        info->root = s->root;
    }
    viommu_say_number(&tail, "CAP", s->cap);
    viommu_say_number(&tail, "ECAP", s->ecap);
    viommu_say_number(&tail, "GSTS", vtd_reg32(s, DMAR_GSTS_REG));
    viommu_say_number(&tail, "RTADDR", vtd_reg64(s, DMAR_RTADDR_REG));
    viommu_say_number(&tail, "FSTS", vtd_reg32(s, DMAR_FSTS_REG));
    viommu_say_number(&tail, "IRTA", vtd_reg64(s, DMAR_IRTA_REG));
    vtd_query_queue(s, info);
}

static bool vtd_query_remaps(VIOMMU *v)
{
    return qatomic_read(&container_of(v, IntelIOMMUState,
                                      viommu)->intr_enabled);
}

const VIOMMUQueryOps vtd_query_ops = {
    .properties = vtd_query_properties,
    .unit = vtd_query_unit,
    .domain = vtd_query_domain,
    .fault = vtd_query_fault,
    .remaps = vtd_query_remaps,
};
