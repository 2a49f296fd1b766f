/*
 * SMMUv3: invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 4.3 and 4.4.  The commands say the least that has to go; more may.
 * Completion is the CMD_SYNC's (smmuv3-cmdq.c).
 */
#include "qemu/osdep.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* 4.3; a StreamID that is out of range has no effect (4.1.7). */
static void inv_config(SMMUv3State *s, uint32_t sid, uint32_t mask)
{
    const uint32_t max = (1u << SMMU_SIDSIZE) - 1;
    VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_ENDPOINT };

    trace_smmuv3_cmdq_cfgi_ste_range(sid & ~mask, sid | mask);
    if (sid & ~mask & ~max) {
        return;
    }
    if ((mask & max) == max) {
        inv.kind = VIOMMU_INV_CONFIG_ALL;
    } else {
        inv.sid = sid;
        inv.sid_mask = mask;
    }
    viommu_invalidate(&s->viommu, &inv);
}

static void inv_space(SMMUv3State *s, VIOMMUInvKind kind, uint32_t group,
                      uint16_t asid)
{
    VIOMMUInv inv = { .kind = kind, .tag = IOTLB_TAG(group, asid, 0) };

    viommu_invalidate(&s->viommu, &inv);
}

/*
 * By address in one address space.  With TBI, an IOVA may have been used with
 * any top byte, which the address in the command does not say.  Of two stages,
 * a block of the first may be kept in pieces of the second's, of which only one
 * has the address.
 */
static void inv_extent(SMMUv3State *s, uint32_t group, uint16_t asid,
                       const SMMUv3Cmd *cmd)
{
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_RANGE,
        .tag = IOTLB_TAG(group, asid, 0),
        .first = cmd->tlbi.first,
        .last = cmd->tlbi.last,
        .leaf = cmd->tlbi.leaf,
        .named = cmd->tlbi.named && !qatomic_read(&s->nested_seen),
        .named_first = cmd->tlbi.named_first,
        .named_last = cmd->tlbi.named_last,
    };

    if (qatomic_read(&s->tbi_seen)) {
        inv.kind = VIOMMU_INV_TAG;
        inv.first = 0;
        inv.last = HWADDR_MAX;
    }
    if (trace_event_get_state_backends(TRACE_SMMUV3_TLBI)) {
        trace_smmuv3_tlbi(smmuv3_cmd_name(cmd->op), cmd->tlbi.vmid, asid,
                          inv.first, inv.last);
    }
    viommu_invalidate(&s->viommu, &inv);
}

static void inv_all(SMMUv3State *s)
{
    static const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };

    viommu_invalidate(&s->viommu, &all);
}

/*
 * The endpoints have dropped what it names; what they use still, the next
 * CMD_SYNC waits for.  Ignored without SMMUEN (4.5.1).
 */
static void inv_atc(SMMUv3State *s, const SMMUv3Cmd *cmd)
{
    uint32_t ssid = cmd->atc.ssv ? cmd->atc.ssid : VIOMMU_NO_PASID;

    trace_smmuv3_atc_inv(cmd->atc.sid, ssid, cmd->atc.global, cmd->atc.first,
                         cmd->atc.last);
    if (!(s->cr0 & SMMU_CR0_SMMUEN) || cmd->atc.sid >> SMMU_SIDSIZE) {
        return;
    }
    viommu_invalidate_device_tlb_pasid(&s->viommu, cmd->atc.sid, ssid,
                                       cmd->atc.global, cmd->atc.first,
                                       cmd->atc.last);
}

void smmuv3_invalidate(SMMUv3State *s, const SMMUv3Cmd *cmd)
{
    uint32_t s1 = SMMU_TAG_S1_GROUP(cmd->tlbi.vmid);
    uint32_t s2 = SMMU_TAG_S2_GROUP(cmd->tlbi.vmid);

    switch (cmd->op) {
    case SMMU_CMD_CFGI_STE:
    case SMMU_CMD_CFGI_STE_RANGE:
    case SMMU_CMD_CFGI_CD:
    case SMMU_CMD_CFGI_CD_ALL:
        inv_config(s, cmd->cfgi.sid, cmd->cfgi.mask);
        break;
    case SMMU_CMD_TLBI_NH_ASID:
        trace_smmuv3_cmdq_tlbi_nh_asid(cmd->tlbi.asid);
        inv_space(s, VIOMMU_INV_TAG, s1, cmd->tlbi.asid);
        break;
    case SMMU_CMD_TLBI_NH_VA:
        inv_extent(s, s1, cmd->tlbi.asid, cmd);
        break;
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_VAA:
        /* Which ASIDs there are is not known: all of the VMID. */
        trace_smmuv3_cmdq_tlbi_nh(cmd->tlbi.vmid);
        inv_space(s, VIOMMU_INV_GROUP, s1, 0);
        break;
    case SMMU_CMD_TLBI_S2_IPA:
        /*
         * Translations of both stages are not looked for: software follows up
         * with an invalidation by VA or VMID (4.4.3.1).
         */
        inv_extent(s, s2, 0, cmd);
        break;
    case SMMU_CMD_TLBI_S12_VMALL:
        trace_smmuv3_cmdq_tlbi_s12_vmid(cmd->tlbi.vmid);
        inv_space(s, VIOMMU_INV_GROUP, s1, 0);
        inv_space(s, VIOMMU_INV_GROUP, s2, 0);
        break;
    case SMMU_CMD_TLBI_NSNH_ALL:
        trace_smmuv3_cmdq_tlbi_nsnh();
        inv_all(s);
        break;
    case SMMU_CMD_ATC_INV:
        inv_atc(s, cmd);
        break;
    default:
        /* CMD_PREFETCH_*: a hint */
        break;
    }
}
