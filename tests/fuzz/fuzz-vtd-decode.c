/*
 * Fuzz target: every decoder of VT-d
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a list of records: what to decode, two 64-bit words, and more
 * words where an entry has more.
 */
#include "fuzz.h"
#include "../../hw/i386/vtd/vtd-decode.h"
#include "../../hw/i386/vtd/vtd-decode-sm.h"

#define ADDR_MASK_48 0x0000fffffffff000ull

static void fuzz_root(uint64_t lo, uint64_t hi, uint8_t aw_bits)
{
    uint64_t table = 0;

    if (vtd_decode_root(lo, hi, aw_bits, &table) == VTD_FR_NONE) {
        FUZZ_RULE(table % 4096 == 0 && table >> aw_bits == 0);
        FUZZ_RULE((lo & ADDR_MASK_48) == table && (lo & 1));
    }
}

/* What is accepted can be walked: the description keeps within its bounds. */
static void fuzz_context(uint64_t lo, uint64_t hi, uint8_t aw_bits,
                         uint64_t cap, uint64_t ecap)
{
    VTDContext context;
    IOPTTable table = { 0 };

    if (vtd_decode_context(lo, hi, aw_bits, &context) != VTD_FR_NONE) {
        return;
    }
    FUZZ_RULE(context.levels >= 2 && context.levels <= 9);
    FUZZ_RULE(context.fpd == !!(lo & 2));
    if (vtd_check_context(&context, cap, ecap) != VTD_FR_NONE ||
        context.levels > IOPT_MAX_LEVELS) {
        return;
    }
    vtd_ss_table(&table, context.sspt, context.levels, aw_bits, ecap & 1,
                 cap & 1);
    FUZZ_RULE(table.levels == context.levels);
    FUZZ_RULE(table.input_bits <= aw_bits && table.output_bits <= aw_bits);
}

static void fuzz_descriptor(uint64_t lo, uint64_t hi, bool scalable)
{
    VTDInvDescRaw raw = { .lo = lo, .hi = hi };
    VTDInvDesc desc;
    const char *why = vtd_decode_inv_desc(&raw, scalable, ~0ULL, &desc);

    FUZZ_RULE(vtd_inv_desc_name(desc.type) != NULL);
    if (why) {
        FUZZ_RULE(*why);
        return;
    }
    switch (desc.type) {
    case VTD_INV_DESC_CC:
        FUZZ_RULE(desc.context.fm <= 3);
        break;
    case VTD_INV_DESC_IOTLB:
        FUZZ_RULE(desc.iotlb.granularity != VTD_INV_G_SELECTIVE ||
                  desc.iotlb.am <= VTD_MAMV);
        break;
    case VTD_INV_DESC_DEVICE:
        FUZZ_RULE(desc.device.first <= desc.device.last);
        FUZZ_RULE(desc.device.first % 4096 == 0);
        FUZZ_RULE(desc.device.last % 4096 == 4095);
        break;
    case VTD_INV_DESC_WAIT:
        FUZZ_RULE(desc.wait.addr % 4 == 0);
        break;
    case VTD_INV_DESC_PIOTLB:
        FUZZ_RULE(desc.piotlb.first <= desc.piotlb.last);
        FUZZ_RULE(desc.piotlb.pasid < 1 << 20);
        break;
    case VTD_INV_DESC_DEV_PIOTLB:
        FUZZ_RULE(desc.device_pasid.first <= desc.device_pasid.last);
        FUZZ_RULE(desc.device_pasid.pasid < 1 << 20);
        break;
    case VTD_INV_DESC_PGRP_RESP:
        FUZZ_RULE(desc.response.code < 16 && desc.response.prgi < 512);
        break;
    default:
        break;
    }
}

static void fuzz_interrupt(uint64_t lo, uint64_t hi, bool eime)
{
    VTDIntRequest req;
    VTDIRTE irte;

    if (vtd_decode_int_request((uint32_t)lo, hi, &req) == VTD_FR_NONE &&
        req.remappable) {
        FUZZ_RULE(req.index <= 0x1fffe && req.dont_care <= 3);
    }
    if (vtd_decode_irte(lo, hi, eime ? VTD_CAP_PI : 0, 48, eime, &irte) ==
        VTD_FR_NONE) {
        FUZZ_RULE(eime || irte.dst <= 0xff);
        FUZZ_RULE(!irte.posted || (eime && irte.pda % 64 == 0 &&
                                   irte.pda >> 48 == 0));
        vtd_irte_sid_ok(&irte, lo >> 48);
        vtd_irte_sid_ok(&irte, irte.sid);
    }
}

/* Scalable mode's way to a PASID table entry */
static void fuzz_sm_tables(FuzzInput *in, uint64_t lo, uint64_t hi,
                           uint8_t aw_bits)
{
    uint64_t words[4] = { lo, hi, fuzz_take(in, 1), fuzz_take(in, 1) };
    uint64_t ecap = fuzz_take(in, 8), table = 0;
    VTDSMRequest req = {
        .pasid = fuzz_take(in, 3), .has_pasid = lo & 0x100,
        .page = hi & 1, .translation = hi & 2,
    };
    VTDSMContext context;
    bool fpd;

    if (!vtd_decode_sm_root(lo, hi, words[2], aw_bits, &table)) {
        FUZZ_RULE(table % 4096 == 0 && table >> aw_bits == 0);
    }
    if (!vtd_decode_pasid_dir(lo, aw_bits, &fpd, &table)) {
        FUZZ_RULE(table % 4096 == 0 && table >> aw_bits == 0);
    }
    if (!vtd_decode_sm_context(words, aw_bits, ecap, &context)) {
        FUZZ_RULE(context.rid_pasid < context.pasids);
        FUZZ_RULE(context.pasids <= 1 << 20 && (lo & 1));
        if (!vtd_check_sm_request(&context, ecap, &req)) {
            FUZZ_RULE(req.pasid < context.pasids);
        }
    }
}

/* What is accepted can be walked: the description keeps within its bounds. */
static void fuzz_pasid(FuzzInput *in, uint64_t lo, uint64_t hi,
                       uint8_t aw_bits)
{
    uint64_t words[8] = { lo, hi, fuzz_take(in, 8) };
    uint64_t cap = fuzz_take(in, 8), ecap = fuzz_take(in, 8);
    const IOPTTable *tables[3];
    IOPTSpace space = { .attrs = 0 };
    VTDPASIDEntry entry;

    words[3 + (lo >> 2) % 5] = fuzz_take(in, 1);
    if (vtd_decode_pasid(words, aw_bits, cap, ecap, &entry)) {
        return;
    }
    FUZZ_RULE((lo & 1) && entry.pgtt >= 1 && entry.pgtt <= 4);
    vtd_pasid_space(&entry, aw_bits, cap, ecap, &space);
    FUZZ_RULE(!space.table.format == (entry.pgtt == VTD_PGTT_PASS_THROUGH));
    FUZZ_RULE(!space.second.format == (entry.pgtt != VTD_PGTT_NESTED));
    tables[0] = &space.table;
    tables[1] = &space.upper;
    tables[2] = &space.second;
    for (unsigned i = 0; i < 3; i++) {
        FUZZ_RULE(tables[i]->levels <= IOPT_MAX_LEVELS);
        FUZZ_RULE(tables[i]->input_bits <= 57 && tables[i]->output_bits <= 52);
        FUZZ_RULE(tables[i]->root >> 52 == 0);
    }
}

static void fuzz_posted(FuzzInput *in, uint64_t lo, uint64_t hi, bool eime)
{
    uint64_t words[8] = { lo, hi, 0, 0, hi };

    words[5 + lo % 3] = fuzz_take(in, 1);
    if (vtd_check_pid(words, eime) == VTD_FR_NONE) {
        FUZZ_RULE(vtd_check_pid(words, true) == VTD_FR_NONE);
        FUZZ_RULE(!words[5] && !words[6] && !words[7]);
    }
    /* Who is not urgent notifies of nothing that an urgent one does not. */
    FUZZ_RULE(!vtd_pid_notifies(hi, false) || vtd_pid_notifies(hi, true));
}

/* What the unit writes has no bit that is another field's. */
static void fuzz_records(uint64_t lo, uint64_t hi, uint8_t what)
{
    VTDFaultRecord record = {
        .sid = lo, .reason = lo >> 16 & 0xff, .addr = hi, .at = lo >> 24 & 3,
        .read = what & 1, .page = what & 2, .has_pasid = what & 4,
        .pasid = lo >> 32 & 0xfffff, .exec = what & 8, .priv = what & 16,
    };
    VTDPageRequest req = {
        .sid = lo, .has_pasid = what & 1, .pasid = lo >> 32 & 0xfffff,
        .exec = what & 2, .priv = what & 4, .read = what & 8,
        .write = what & 16, .last = what & 32, .prgi = lo >> 52 & 0x1ff,
        .addr = hi,
    };
    uint64_t words[4], out[2];

    vtd_encode_fault(&record, &out[0], &out[1]);
    FUZZ_RULE(out[0] == (hi & ~0xfffull) && !(out[1] >> 63));
    FUZZ_RULE((uint16_t)out[1] == record.sid);
    FUZZ_RULE((out[1] >> 32 & 0xff) == record.reason);
    /* PV, PP, EXE, PRIV */
    FUZZ_RULE(record.has_pasid || !(out[1] & 0x0fffff00e0000000ull));
    FUZZ_RULE(vtd_ats_answer(record.reason) <= VTD_ATS_CA);
    vtd_fault_is_qualified(record.reason);
    vtd_fault_is_reserved(record.reason);

    vtd_encode_page_request(&req, words);
    FUZZ_RULE((uint8_t)words[0] == 1 && !words[2] && !words[3]);
    FUZZ_RULE((uint16_t)(words[0] >> 16) == req.sid);
    FUZZ_RULE(words[1] >> 12 == hi >> 12);
    FUZZ_RULE((words[1] >> 3 & 0x1ff) == req.prgi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);

    while (fuzz_more(&in)) {
        uint8_t what = fuzz_take(&in, 1);
        uint64_t lo = fuzz_take(&in, 8), hi = fuzz_take(&in, 8);
        uint8_t aw_bits = what & 0x80 ? 48 : 39;

        switch (what % 8) {
        case 0:
            fuzz_root(lo, hi, aw_bits);
            break;
        case 1:
            fuzz_context(lo, hi, aw_bits, fuzz_take(&in, 8),
                         fuzz_take(&in, 8));
            break;
        case 2:
            fuzz_descriptor(lo, hi, what & 0x80);
            break;
        case 3:
            fuzz_interrupt(lo, hi, what & 0x80);
            break;
        case 4:
            fuzz_sm_tables(&in, lo, hi, aw_bits);
            break;
        case 5:
            fuzz_records(lo, hi, what >> 2);
            fuzz_posted(&in, lo, hi, what & 0x80);
            break;
        default:
            fuzz_pasid(&in, lo, hi, what & 0x40 ? 57 : aw_bits);
            break;
        }
    }
    return 0;
}
