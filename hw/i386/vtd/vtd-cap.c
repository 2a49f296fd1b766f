/*
 * VT-d: what the unit says of itself, from the device's properties
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 11.4.2 (CAP_REG) and 11.4.3 (ECAP_REG).  The same properties give the
 * same values as the base's model: a guest migrates between the two.
 */
#include "qemu/osdep.h"
#include "vtd-internal.h"

static uint64_t vtd_cap(const IntelIOMMUState *s)
{
    uint64_t cap = VTD_CAP_FRO | VTD_CAP_NFR(s->fault_records) |
                   VTD_CAP_ND | VTD_CAP_MAMV | VTD_CAP_PSI |
                   VTD_CAP_SSLPS | VTD_CAP_MGAW(s->aw_bits);

    if (s->dma_drain) {
        cap |= VTD_CAP_DRD | VTD_CAP_DWD;
    }
    if (s->dma_translation) {
        if (s->aw_bits >= VTD_HOST_AW_39BIT) {
            cap |= VTD_CAP_SAGAW_39;
        }
        if (s->aw_bits >= VTD_HOST_AW_48BIT) {
            cap |= VTD_CAP_SAGAW_48;
        }
        if (s->aw_bits >= VTD_HOST_AW_57BIT) {
            cap |= VTD_CAP_SAGAW_57;
        }
    }
    if (s->fsts) {
        if (s->fs1gp) {
            cap |= VTD_CAP_FS1GP;
        }
        if (s->aw_bits >= VTD_HOST_AW_57BIT) {
            cap |= VTD_CAP_FS5LP;
        }
    }
    if (s->caching_mode) {
        cap |= VTD_CAP_CM;
    }
    if (s->posted_interrupts) {
        cap |= VTD_CAP_PI;
    }
    return cap;
}

static uint64_t vtd_ecap_scalable(const IntelIOMMUState *s)
{
    uint64_t ecap = VTD_ECAP_SMTS;

    if (s->fsts) {
        ecap |= VTD_ECAP_FSTS;
    }
    if (s->ssts) {
        ecap |= VTD_ECAP_SSTS | VTD_ECAP_SRS;
    }
    if (s->nesting) {
        ecap |= VTD_ECAP_NEST;
    }
    if (s->ssads) {
        ecap |= VTD_ECAP_SSADS;
    }
    if (s->eafs) {
        ecap |= VTD_ECAP_EAFS;
    }
    if (s->rps) {
        ecap |= VTD_ECAP_RPS;
        if (ecap & VTD_ECAP_SRS) {
            ecap |= VTD_ECAP_RPRIVS;
        }
    }
    if (s->page_walk_coherency) {
        ecap |= VTD_ECAP_SMPWC;
    }
    if (s->svm) {
        /* No Write is honoured whether or not; QEMU 11 says so with svm. */
        ecap |= VTD_ECAP_PRS | VTD_ECAP_PDS | VTD_ECAP_NWFS;
    }
    if (s->pasid_bits) {
        ecap |= VTD_ECAP_PASID | VTD_ECAP_PSS(s->pasid_bits);
    }
    return ecap;
}

static uint64_t vtd_ecap(IntelIOMMUState *s)
{
    X86IOMMUState *x86_iommu = X86_IOMMU_DEVICE(s);
    uint64_t ecap = VTD_ECAP_QI | VTD_ECAP_IRO;

    if (x86_iommu_ir_supported(x86_iommu)) {
        ecap |= VTD_ECAP_IR | VTD_ECAP_MHMV;
        if (s->intr_eim == ON_OFF_AUTO_ON) {
            ecap |= VTD_ECAP_EIM;
        }
    }
    if (s->page_walk_coherency) {
        ecap |= VTD_ECAP_C;
    }
    if (x86_iommu->dt_supported) {
        ecap |= VTD_ECAP_DT;
    }
    if (x86_iommu->pt_supported) {
        ecap |= VTD_ECAP_PT;
    }
    if (s->snoop_control) {
        ecap |= VTD_ECAP_SC;
    }
    if (s->scalable_mode) {
        ecap |= vtd_ecap_scalable(s);
    }
    return ecap;
}

void vtd_cap_init(IntelIOMMUState *s)
{
    s->cap = vtd_cap(s);
    s->ecap = vtd_ecap(s);
    s->reg_size = DMAR_FRCD_REG_OFFSET + 16 * s->fault_records;
}
