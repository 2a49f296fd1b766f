/*
 * SMMUv3: what the unit says of itself in words and numbers (query-viommu)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only looks.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-query.h"
#include "smmuv3-internal.h"

static const char *const smmuv3_query_properties[] = {
    "stage", "oas", "ssidsize", "httu", "msi", "attr-perms-ovr",
    "caching-mode", NULL
};

/* 7.3: events, as a driver's author would ask about them */
static const char *const smmuv3_reasons[] = {
    [SMMU_EVT_NONE] =
        "the STE, or GBPA while the SMMU is off, aborts all DMA",
    [SMMU_EVT_C_BAD_STREAMID] =
        "the stream table does not reach this StreamID",
    [SMMU_EVT_F_STE_FETCH] = "the STE cannot be read",
    [SMMU_EVT_C_BAD_STE] =
        "the STE is not valid (V): the guest has no domain for this StreamID",
    [SMMU_EVT_F_STREAM_DISABLED] =
        "the STE terminates DMA without a SubstreamID (S1DSS), or with "
        "SubstreamID 0",
    [SMMU_EVT_C_BAD_SUBSTREAMID] = "there is no such substream",
    [SMMU_EVT_F_CD_FETCH] = "the CD cannot be read",
    [SMMU_EVT_C_BAD_CD] = "the CD is not valid (V)",
    [SMMU_EVT_F_WALK_EABT] = "a translation table cannot be read or updated",
    [SMMU_EVT_F_TRANSL_FORBIDDEN] =
        "the STE allows no translated accesses (EATS)",
    [SMMU_EVT_F_TRANSLATION] = "the page is not mapped",
    [SMMU_EVT_F_ADDR_SIZE] =
        "an address is beyond the size that the SMMU or the context has",
    [SMMU_EVT_F_ACCESS] = "the Access flag is clear and nothing sets it",
    [SMMU_EVT_F_PERMISSION] = "the page is mapped, but not for this access",
};

static const char *const smmuv3_s2_reasons[] = {
    [SMMU_EVT_F_TRANSLATION] = "stage 2 does not map the address",
    [SMMU_EVT_F_ADDR_SIZE] = "an address is beyond the size of stage 2",
    [SMMU_EVT_F_ACCESS] =
        "the Access flag of a stage 2 entry is clear and nothing sets it",
    [SMMU_EVT_F_PERMISSION] =
        "stage 2 maps the address, but not for this access",
};

/* The same of an entry that is there; NULL: as above */
static const char *smmuv3_illegal_reason(uint8_t type)
{
    switch (type) {
    case SMMU_EVT_C_BAD_STE:
        return "the STE has something reserved set, or asks for what the SMMU "
               "does not offer";
    case SMMU_EVT_C_BAD_CD:
        return "the CD has something reserved set, or asks for what the SMMU "
               "does not offer";
    default:
        return NULL;
    }
}

static void smmuv3_query_fault(VIOMMU *v, const VIOMMUConfig *config,
                               const VIOMMUFault *fault,
                               VIOMMUFaultSays *says)
{
    SMMUv3Event event;
    const char *s2, *illegal;

    says->recorded = smmuv3_fault_event(v, config, fault, &event);
    says->code = event.type;
    says->name = event.type == SMMU_EVT_NONE ? NULL :
                 smmuv3_event_name(event.type);
    s2 = event.s2 && event.type < ARRAY_SIZE(smmuv3_s2_reasons) ?
         smmuv3_s2_reasons[event.type] : NULL;
    illegal = fault->blocked && config->illegal ?
              smmuv3_illegal_reason(event.type) : NULL;
    if (illegal) {
        says->reason = illegal;
    } else if (s2) {
        says->reason = s2;
    } else if (event.type < ARRAY_SIZE(smmuv3_reasons) &&
               smmuv3_reasons[event.type]) {
        says->reason = smmuv3_reasons[event.type];
    }
}

static void smmuv3_query_domain(VIOMMU *v, const VIOMMUConfig *config,
                                VIOMMUNumberList ***tail)
{
    uint32_t group = IOTLB_TAG_GROUP(config->tag);
    uint16_t vmid = group;

    if (config->mode != VIOMMU_TRANSLATE) {
        return;
    }
    if (group == SMMU_TAG_S1_GROUP(vmid)) {
        viommu_say_number(tail, "ASID", IOTLB_TAG_DOMAIN(config->tag));
    }
    viommu_say_number(tail, "VMID", vmid);
}

static void smmuv3_query_queue(VIOMMUQueueInfoList ***tail, const char *name,
                               const SMMUv3State *s, const SMMUQueue *q,
                               bool enabled, bool produces, char *error)
{
    uint32_t mask = (1u << q->log2size) - 1;
    VIOMMUQueueInfo *queue = g_new0(VIOMMUQueueInfo, 1);

    queue->name = g_strdup(name);
    queue->enabled = enabled;
    queue->address = smmu_keep(q->base, SMMU_QUEUE_BASE_ADDR);
    queue->entries = mask + 1;
    queue->head = q->cons & mask;
    queue->tail = q->prod & mask;
    queue->waiting = !produces && viommu_queue_waits(&s->cmdq_engine);
    queue->error = error;
    viommu_say_queue(tail, queue);
}

/* 7.1 */
static const char *smmuv3_query_cerror(unsigned err)
{
    switch (err) {
    case SMMU_CERROR_ILL:
        return " (the command at the head is illegal)";
    case SMMU_CERROR_ABT:
        return " (the command at the head cannot be read)";
    default:
        return "";
    }
}

static void smmuv3_query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    SMMUv3State *s = smmuv3_of(v);
    VIOMMUNumberList **registers = &info->registers;
    VIOMMUQueueInfoList **queues = &info->queues;
    unsigned err = smmu_bits(s->cmdq.cons, SMMU_CMDQ_CONS_ERR);
    char *error = NULL;

    info->root = smmu_keep(s->strtab_base, SMMU_STRTAB_BASE_ADDR);
    info->has_root = info->root != 0;
    viommu_say_number(&registers, "CR0", s->cr0);
    viommu_say_number(&registers, "CR0ACK", s->cr0ack);
    viommu_say_number(&registers, "GBPA", s->gbpa);
    viommu_say_number(&registers, "GERROR", s->gerror);
    viommu_say_number(&registers, "GERRORN", s->gerrorn);
    viommu_say_number(&registers, "STRTAB_BASE_CFG", s->strtab_base_cfg);
    if (smmuv3_gerror_active(s, SMMU_GERROR_CMDQ)) {
        error = g_strdup_printf("GERROR.CMDQ_ERR is active, CMDQ_CONS.ERR is "
                                "%u%s", err, smmuv3_query_cerror(err));
    }
    smmuv3_query_queue(&queues, "command queue", s, &s->cmdq,
                       s->cr0 & SMMU_CR0_CMDQEN, false, error);
    error = smmuv3_gerror_active(s, SMMU_GERROR_EVENTQ_ABT) ?
            g_strdup("GERROR.EVENTQ_ABT_ERR is active: an event could not be "
                     "written") : NULL;
    smmuv3_query_queue(&queues, "event queue", s, &s->eventq,
                       s->cr0 & SMMU_CR0_EVENTQEN, true, error);
}

const VIOMMUQueryOps smmuv3_query_ops = {
    .properties = smmuv3_query_properties,
    .unit = smmuv3_query_unit,
    .domain = smmuv3_query_domain,
    .fault = smmuv3_query_fault,
};
