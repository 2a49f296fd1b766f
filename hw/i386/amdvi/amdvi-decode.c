/*
 * AMD-Vi: decoders of device table and interrupt remapping table entries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "amdvi-decode.h"

/* What of words 0 and 1 is there with GTSup alone; ignored without GV */
static void amdvi_decode_gcr3(const uint64_t words[2], AMDVIDTEDma *dte)
{
    dte->guest = words[0] & AMDVI_DTE0_GV;
    dte->no_pasid = words[0] & AMDVI_DTE0_GIOV;
    dte->gcr3_levels = 1 + amdvi_get(words[0], AMDVI_DTE0_GLX);
    dte->gcr3 = amdvi_get(words[0], AMDVI_DTE0_GCR3) << 12 |
                amdvi_get(words[1], AMDVI_DTE1_GCR3_LOW) << 15 |
                amdvi_get(words[1], AMDVI_DTE1_GCR3_HIGH) << 31;
}

const char *amdvi_decode_dte_dma(const uint64_t words[2], uint64_t efr,
                                 bool gt_en, AMDVIDTEDma *dte,
                                 bool *reserved)
{
    uint64_t unsupported = AMDVI_DTE0_UNSUPPORTED |
                           (efr & AMDVI_EFR_GT_SUP && gt_en ?
                            0 : AMDVI_DTE0_GUEST);

    *reserved = false;
    *dte = (AMDVIDTEDma) {
        .valid = words[0] & AMDVI_DTE0_V,
        .translated = words[0] & AMDVI_DTE0_TV,
        .mode = amdvi_get(words[0], AMDVI_DTE0_MODE),
        .root = words[0] & AMDVI_DTE0_ROOT,
        .denied = (words[0] & AMDVI_DTE0_IR ? 0 : IOPT_READ) |
                  (words[0] & AMDVI_DTE0_IW ? 0 : IOPT_WRITE),
        .domain = amdvi_get(words[1], AMDVI_DTE1_DOMAIN),
        .iotlb = words[1] & AMDVI_DTE1_I,
        .suppress = words[1] & AMDVI_DTE1_SA,
        .excluded = words[1] & AMDVI_DTE1_EX,
    };
    if (!dte->valid) {
        return NULL;
    }
    if ((words[0] & AMDVI_DTE0_RESERVED) ||
        (words[1] & AMDVI_DTE1_RESERVED)) {
        *reserved = true;
        return "a reserved bit is set";
    }
    if (words[0] & unsupported) {
        *reserved = true;
        return "it asks for what EFR does not have or Control does not enable "
               "(HAD, PPR, GPRP, GIoV, GV)";
    }
    if (amdvi_get(words[1], AMDVI_DTE1_IOCTL) == AMDVI_DTE1_IOCTL_RESERVED) {
        return "IoCtl is reserved";
    }
    if (dte->translated && dte->mode > AMDVI_EFR_HATS_LEVELS(efr)) {
        return "Mode is reserved, or has more levels than EFR.HATS";
    }
    amdvi_decode_gcr3(words, dte);
    if (dte->translated && dte->guest &&
        dte->gcr3_levels > 1 + amdvi_get(efr, AMDVI_EFR_GLX_SUP)) {
        return "GLX is reserved, or has more levels than EFR.GLXSup";
    }
    return NULL;
}

const char *amdvi_decode_dte_guest(uint64_t word, uint64_t efr,
                                   AMDVIDTEDma *dte)
{
    uint8_t mode = amdvi_get(word, AMDVI_DTE2_GUEST_MODE);

    dte->guest_levels = mode == AMDVI_GUEST_MODE_5 ? 5 : 4;
    return mode > amdvi_get(efr, AMDVI_EFR_GATS) ?
           "GuestPagingMode is reserved, or has more levels than EFR.GATS" :
           NULL;
}

uint64_t amdvi_gcr3_entry(uint64_t table, unsigned level, unsigned top,
                          uint32_t pasid, bool *ok)
{
    uint32_t index = pasid >> (level - 1) * AMDVI_GCR3_INDEX_BITS;

    *ok = level < top || index >> AMDVI_GCR3_INDEX_BITS == 0;
    index &= (1u << AMDVI_GCR3_INDEX_BITS) - 1;
    return table + index * sizeof(uint64_t);
}

const char *amdvi_decode_dte_int(const uint64_t words[2], uint64_t efr,
                                 AMDVIDTEInt *dte, bool *reserved)
{
    unsigned log2 = amdvi_get(words[0], AMDVI_DTE2_INT_TAB_LEN);

    *reserved = false;
    *dte = (AMDVIDTEInt) {
        .valid = words[0] & AMDVI_DTE2_IV,
        .entries = 1u << MIN(log2, AMDVI_DTE2_INT_TAB_LEN_MAX),
        .root = words[0] & AMDVI_DTE2_INT_TAB_ROOT,
        .ignore = words[0] & AMDVI_DTE2_IG,
        .init_pass = words[0] & AMDVI_DTE2_INIT_PASS,
        .eint_pass = words[0] & AMDVI_DTE2_EINT_PASS,
        .nmi_pass = words[0] & AMDVI_DTE2_NMI_PASS,
        .ctl = amdvi_get(words[0], AMDVI_DTE2_INT_CTL),
    };
    if (!dte->valid) {
        return NULL;
    }
    if ((words[0] & AMDVI_DTE2_RESERVED) || (words[1] & AMDVI_DTE3_RESERVED) ||
        (!(efr & AMDVI_EFR_GT_SUP) && (words[0] & AMDVI_DTE2_GUEST_MODE))) {
        *reserved = true;
        return "a reserved bit is set";
    }
    if (log2 > AMDVI_DTE2_INT_TAB_LEN_MAX) {
        return "IntTabLen is reserved";
    }
    if (dte->ctl == AMDVI_INT_CTL_RESERVED) {
        return "IntCtl is reserved";
    }
    return NULL;
}

/* Bits 7:0, which both forms have in common */
static AMDVIIRTEStatus amdvi_decode_irte_low(uint64_t entry, AMDVIIRTE *irte)
{
    *irte = (AMDVIIRTE) {
        .suppress = entry & AMDVI_IRTE_SUP_IOPF,
        .logical = entry & AMDVI_IRTE_DM,
        .rq_eoi = entry & AMDVI_IRTE_RQ_EOI,
        .type = amdvi_get(entry, AMDVI_IRTE_INT_TYPE),
    };
    if (!(entry & AMDVI_IRTE_REMAP_EN)) {
        return AMDVI_IRTE_DISABLED;
    }
    /* Guest mode needs EFR.GAMSup. */
    return irte->type > AMDVI_INT_ARBITRATED ||
           (entry & AMDVI_IRTE_GUEST_MODE) ? AMDVI_IRTE_ILLEGAL : AMDVI_IRTE_OK;
}

AMDVIIRTEStatus amdvi_decode_irte(uint32_t entry, AMDVIIRTE *irte)
{
    AMDVIIRTEStatus status = amdvi_decode_irte_low(entry, irte);

    irte->dest = amdvi_get(entry, AMDVI_IRTE_DEST);
    irte->vector = amdvi_get(entry, AMDVI_IRTE_VECTOR);
    if (status == AMDVI_IRTE_OK && (entry & AMDVI_IRTE_RESERVED)) {
        return AMDVI_IRTE_ILLEGAL;
    }
    return status;
}

AMDVIIRTEStatus amdvi_decode_irte_ga(const uint64_t words[2], bool xt,
                                     AMDVIIRTE *irte)
{
    AMDVIIRTEStatus status = amdvi_decode_irte_low(words[0], irte);

    irte->dest = amdvi_get(words[0], AMDVI_IRTE_GA0_DEST_LOW);
    if (xt) {
        irte->dest |= amdvi_get(words[1], AMDVI_IRTE_GA1_DEST_HIGH) << 24;
    } else {
        irte->dest &= 0xff;
    }
    irte->vector = amdvi_get(words[1], AMDVI_IRTE_GA1_VECTOR);
    if (status == AMDVI_IRTE_OK &&
        ((words[0] & AMDVI_IRTE_GA0_RESERVED) ||
         (words[1] & AMDVI_IRTE_GA1_RESERVED))) {
        return AMDVI_IRTE_ILLEGAL;
    }
    return status;
}
