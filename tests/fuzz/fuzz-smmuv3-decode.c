/*
 * Fuzz target: every decoder of SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a list of records: what the unit has, what to decode, and the
 * eight words of a stream table entry or what else there is to decode.
 */
#include "fuzz.h"
#include "../../hw/arm/smmuv3/smmuv3-decode.h"

#define ENTRY_WORDS 8

/* A table that the walker is given */
static void fuzz_table(const IOPTTable *table, const SMMUv3Features *features)
{
    if (!table->format || table->disabled) {
        return;
    }
    FUZZ_RULE(table->levels >= 1 && table->levels <= IOPT_MAX_LEVELS);
    FUZZ_RULE(table->input_bits <= 64 && table->output_bits <= 52);
    FUZZ_RULE(table->ignore_top == 0 || table->ignore_top == 8);
}

static void fuzz_ste(const uint64_t *words, const SMMUv3Features *features,
                     uint32_t ssid)
{
    SMMUv3STE ste;
    uint64_t addr;
    bool two_level;

    if (!smmuv3_decode_ste(words, features, &ste)) {
        return;
    }
    FUZZ_RULE(ste.s1cdmax <= features->ssid_bits);
    fuzz_table(&ste.s2, features);
    addr = smmuv3_cd_index(&ste, ssid & ((1u << ste.s1cdmax) - 1),
                           &two_level);
    FUZZ_RULE(addr % 8 == 0);
    if (two_level) {
        smmuv3_decode_l1cd(words[ENTRY_WORDS - 1], &ste, features,
                           ssid & ((1u << ste.s1cdmax) - 1), &addr);
    }
}

static void fuzz_cd(const uint64_t *words, const SMMUv3Features *features)
{
    SMMUv3CD cd;

    if (smmuv3_decode_cd(words, features, &cd)) {
        fuzz_table(&cd.ttb[0], features);
        fuzz_table(&cd.ttb[1], features);
    }
}

static void fuzz_command(const uint64_t *words,
                         const SMMUv3Features *features)
{
    SMMUv3Cmd cmd;
    const char *why = smmuv3_decode_cmd(words, features, &cmd);

    FUZZ_RULE(smmuv3_cmd_name(cmd.op) != NULL);
    FUZZ_RULE(cmd.op == (words[0] & 0xff));
    if (why) {
        FUZZ_RULE(*why);
        return;
    }
    switch (cmd.op) {
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
    case SMMU_CMD_TLBI_S2_IPA:
        FUZZ_RULE(cmd.tlbi.first <= cmd.tlbi.last);
        break;
    case SMMU_CMD_SYNC:
        FUZZ_RULE(cmd.sync.msi_addr % 4 == 0);
        FUZZ_RULE(features->msi || !cmd.sync.msi_addr);
        break;
    default:
        break;
    }
}

static void fuzz_stream_table(const uint64_t *words)
{
    bool two_level;
    uint64_t addr;

    if (smmuv3_strtab_index(words[0], words[1], words[2], &two_level,
                            &addr)) {
        FUZZ_RULE(addr % (two_level ? 8 : 64) == 0);
    }
    if (smmuv3_decode_l1std(words[3], words[1], words[2], &addr)) {
        FUZZ_RULE(addr % 64 == 0);
    }
}

/* The registers of a queue are the guest's, too. */
static void fuzz_queue(const uint64_t *words)
{
    unsigned log2size = smmuv3_queue_log2size(words[0]);
    uint32_t prod = words[1], cons = words[2], n = 0;
    unsigned shift = 4 + words[3] % 2;
    uint64_t addr;

    for (; n < 64 && !smmuv3_queue_empty(prod, cons, log2size); n++) {
        addr = smmuv3_queue_entry(words[0], cons, log2size, shift, 48);
        FUZZ_RULE(addr % (1u << shift) == 0 && addr >> 48 == 0);
        FUZZ_RULE(smmuv3_queue_index(cons, log2size) < 1u << log2size);
        cons = smmuv3_queue_next(cons, log2size);
    }
    FUZZ_RULE(!smmuv3_queue_full(prod, cons, log2size) ||
              !smmuv3_queue_empty(prod, cons, log2size));
}

/* What the unit writes: a record of a type has the fields of that type. */
static void fuzz_event(const uint64_t *words, uint32_t ssid)
{
    SMMUv3Event event = {
        .type = words[0], .class = words[0] >> 8 & 3, .ssv = words[0] >> 10 & 1,
        .pnu = words[0] >> 11 & 1, .ind = words[0] >> 12 & 1,
        .rnw = words[0] >> 13 & 1, .s2 = words[0] >> 14 & 1,
        .ttrnw = words[0] >> 15 & 1, .sid = words[0] >> 32, .ssid = ssid,
        .addr = words[1], .addr2 = words[2],
    };
    uint64_t out[4];

    smmuv3_encode_event(&event, out);
    FUZZ_RULE((uint8_t)out[0] == event.type && out[0] >> 32 == event.sid);
    FUZZ_RULE(!out[2] || out[2] == event.addr);
    FUZZ_RULE(!(out[3] & ~event.addr2) && out[3] >> 56 == 0);
    FUZZ_RULE((out[0] & 0xfffff800) == 0 || event.ssv ||
              event.type == SMMU_EVT_C_BAD_SUBSTREAMID);
    FUZZ_RULE(*smmuv3_event_name(event.type));
}

/* What a unit has is what its registers say, and the other way round. */
static void fuzz_idr(const SMMUv3Features *features)
{
    SMMUv3Features again;
    uint32_t idr[6];

    for (unsigned i = 0; i < ARRAY_SIZE(idr); i++) {
        idr[i] = smmuv3_idr(features, i);
    }
    smmuv3_features(&again, idr);
    for (unsigned i = 0; i < ARRAY_SIZE(idr); i++) {
        FUZZ_RULE(smmuv3_idr(&again, i) == idr[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);

    while (fuzz_more(&in)) {
        uint16_t has = fuzz_take(&in, 2);
        uint8_t what = fuzz_take(&in, 1);
        SMMUv3Features features = {
            .s1p = has & 1, .s2p = has & 2, .msi = has & 4,
            .perms_ovr = has & 8, .httu = has >> 4 & 3,
            .ssid_bits = (has >> 6 & 15) % 9, .oas_bits = has & 1024 ? 48 : 44,
        };
        uint64_t words[ENTRY_WORDS];

        features.httu = MIN(features.httu, 2);
        for (unsigned i = 0; i < ENTRY_WORDS; i++) {
            words[i] = fuzz_take(&in, 8);
        }
        switch (what % 5) {
        case 0:
            fuzz_ste(words, &features, has);
            break;
        case 1:
            fuzz_cd(words, &features);
            break;
        case 2:
            fuzz_command(words, &features);
            break;
        case 3:
            fuzz_stream_table(words);
            break;
        default:
            if (what / 5 % 2) {
                fuzz_event(words, has);
                fuzz_idr(&features);
            } else {
                fuzz_queue(words);
            }
            break;
        }
    }
    return 0;
}
