/*
 * Fuzz target: every decoder of AMD-Vi
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a list of records: what to decode, the EFR's variable bits, and
 * two 64-bit words.
 */
#include "fuzz.h"
#include "../../hw/i386/amdvi/amdvi-decode.h"

/* What is accepted can be walked: what it says keeps within the bounds. */
static void fuzz_dte(const uint64_t words[2], uint64_t efr, bool gt_en,
                     uint64_t word2)
{
    AMDVIDTEDma dte;
    bool reserved;
    const char *why = amdvi_decode_dte_dma(words, efr, gt_en, &dte, &reserved);

    if (why) {
        FUZZ_RULE(*why && dte.valid);
        return;
    }
    FUZZ_RULE(!reserved);
    if (!dte.valid || !dte.translated) {
        return;
    }
    FUZZ_RULE(dte.mode <= 6 && dte.mode <= AMDVI_EFR_HATS_LEVELS(efr));
    FUZZ_RULE(dte.root % 4096 == 0 && dte.root >> 52 == 0);
    if (dte.guest) {
        FUZZ_RULE(gt_en && (efr & AMDVI_EFR_GT_SUP));
        FUZZ_RULE(dte.gcr3_levels >= 1 && dte.gcr3_levels <= 3);
        FUZZ_RULE(dte.gcr3 % 4096 == 0 && dte.gcr3 >> 52 == 0);
        why = amdvi_decode_dte_guest(word2, efr, &dte);
        FUZZ_RULE(dte.guest_levels == 4 || dte.guest_levels == 5);
        FUZZ_RULE(!why || *why);
    }
}

static void fuzz_interrupts(const uint64_t words[2], uint64_t efr)
{
    AMDVIDTEInt dte;
    AMDVIIRTE irte;
    bool reserved;

    if (!amdvi_decode_dte_int(words, efr, &dte, &reserved)) {
        FUZZ_RULE(dte.entries >= 1 && dte.entries <= 2048);
        FUZZ_RULE(dte.root >> 52 == 0);
    }
    if (amdvi_decode_irte(words[0], &irte) == AMDVI_IRTE_OK) {
        FUZZ_RULE(irte.dest <= 0xff && irte.type <= AMDVI_INT_ARBITRATED);
    }
    if (amdvi_decode_irte_ga(words, false, &irte) == AMDVI_IRTE_OK) {
        FUZZ_RULE(irte.dest <= 0xff && irte.type <= AMDVI_INT_ARBITRATED);
    }
    amdvi_decode_irte_ga(words, true, &irte);
}

static void fuzz_pages(uint64_t first, uint64_t last, uint32_t pasid)
{
    uint64_t size = last - first + 1;

    FUZZ_RULE(first <= last && first % 4096 == 0 && last % 4096 == 4095);
    /* 0: all of the address space */
    FUZZ_RULE(!(size & (size - 1)) && (!size || first % size == 0));
    FUZZ_RULE(pasid >> 20 == 0);
}

static void fuzz_command(const uint64_t words[2], uint64_t efr)
{
    AMDVICmd cmd;
    const char *why = amdvi_decode_cmd(words, efr, &cmd);

    FUZZ_RULE(*amdvi_cmd_name(cmd.op));
    if (why) {
        FUZZ_RULE(*why);
        return;
    }
    switch (cmd.op) {
    case AMDVI_CMD_COMPLETION_WAIT:
        FUZZ_RULE(cmd.wait.addr % 8 == 0 && cmd.wait.addr >> 52 == 0);
        break;
    case AMDVI_CMD_INVALIDATE_IOMMU_PAGES:
        fuzz_pages(cmd.pages.first, cmd.pages.last, cmd.pages.pasid);
        break;
    case AMDVI_CMD_INVALIDATE_IOTLB_PAGES:
        fuzz_pages(cmd.iotlb.first, cmd.iotlb.last, cmd.iotlb.pasid);
        break;
    }
}

/* The entry is in the table, or the PASID is beyond the top level. */
static void fuzz_gcr3(uint64_t table, unsigned top, uint32_t pasid)
{
    unsigned level;

    table &= 0x000ffffffffff000ull;
    for (level = top; level; level--) {
        uint64_t at;
        bool ok;

        at = amdvi_gcr3_entry(table, level, top, pasid, &ok);
        FUZZ_RULE(at >= table && at < table + 4096 && at % 8 == 0);
        FUZZ_RULE(ok == (level < top || pasid >> 9 * top == 0));
    }
}

static void fuzz_event(const uint64_t words[2], uint64_t what)
{
    AMDVIEvent event = {
        .code = what & 0xf, .device = words[0], .domain = words[0] >> 16,
        .pasid = words[0] >> 32 & 0xfffff, .flags = words[0] >> 52,
        .addr = words[1],
    };
    uint64_t out[2];

    amdvi_encode_event(&event, out);
    FUZZ_RULE(out[0] >> 60 == event.code && (uint16_t)out[0] == event.device);
    FUZZ_RULE(out[1] == event.addr);
    FUZZ_RULE(*amdvi_event_name(event.code));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);

    while (fuzz_more(&in)) {
        uint8_t what = fuzz_take(&in, 1), some = fuzz_take(&in, 1);
        uint64_t words[2] = { fuzz_take(&in, 8), fuzz_take(&in, 8) };
        uint64_t efr = (some & 1 ? AMDVI_EFR_GT_SUP : 0) |
                       (some & 2 ? AMDVI_EFR_IA_SUP : 0) |
                       amdvi_put((some >> 2 & 3) % 3, AMDVI_EFR_HATS) |
                       amdvi_put(some >> 4 & 1, AMDVI_EFR_GATS) |
                       amdvi_put((some >> 5 & 3) % 3, AMDVI_EFR_GLX_SUP);

        switch (what % 5) {
        case 0:
            fuzz_dte(words, efr, some & 0x80, fuzz_take(&in, 8));
            break;
        case 1:
            fuzz_interrupts(words, efr);
            break;
        case 2:
            fuzz_command(words, efr);
            break;
        case 3:
            fuzz_gcr3(words[0], 1 + what / 5 % 3, words[1]);
            break;
        default:
            fuzz_event(words, what / 5);
        }
    }
    return 0;
}
