/*
 * Test the VT-d decoders
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expected values are literals, not vtd-spec.h's macros: a layout that is
 * wrong there must fail here.  Every reserved mask is tested bit by bit, both
 * ways: a reserved bit refuses the entry and no other bit does.
 */
#include "qemu/osdep.h"
#include "../../hw/i386/vtd/vtd-decode.h"
#include "../../hw/i386/vtd/vtd-regfile.h"
#include "test-common.h"

#define BIT(n) (1ULL << (n))

static const uint8_t widths[] = { 39, 48 };

/* Bits @aw_bits and up */
static uint64_t above(uint8_t aw_bits)
{
    return ~0ULL << aw_bits;
}

/* Root and context entries */

static void test_root(void)
{
    uint64_t table;

    g_assert_cmpint(vtd_decode_root(0, 0, 48, &table), ==, 0x1);
    /* Not present comes first, whatever else is set. */
    g_assert_cmpint(vtd_decode_root(~1ULL, ~0ULL, 48, &table), ==, 0x1);

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        uint64_t reserved = above(aw) | 0xffe;
        uint64_t max = ~above(aw) & ~0xfffULL;

        g_assert_cmpint(vtd_decode_root(max | 1, 0, aw, &table), ==, 0);
        g_assert_cmphex(table, ==, max);
        for (unsigned bit = 1; bit < 64; bit++) {
            int want = reserved & BIT(bit) ? 0xa : 0;

            table = ~0ULL;
            g_assert_cmpint(vtd_decode_root(1 | BIT(bit), 0, aw, &table),
                            ==, want);
            g_assert_cmphex(table, ==, want ? ~0ULL : BIT(bit));
        }
        for (unsigned bit = 0; bit < 64; bit++) {
            g_assert_cmpint(vtd_decode_root(1, BIT(bit), aw, &table),
                            ==, 0xa);
        }
    }
}

static void test_context_reserved(void)
{
    VTDContext context;

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        uint64_t lo_reserved = above(aw) | 0xff0;
        uint64_t hi_reserved = 0xffffffffff000080ULL;

        for (unsigned bit = 1; bit < 64; bit++) {
            int want = lo_reserved & BIT(bit) ? 0xb : 0;

            g_assert_cmpint(vtd_decode_context(1 | BIT(bit), 0, aw, &context),
                            ==, want);
        }
        for (unsigned bit = 0; bit < 64; bit++) {
            int want = hi_reserved & BIT(bit) ? 0xb : 0;

            g_assert_cmpint(vtd_decode_context(1, BIT(bit), aw, &context),
                            ==, want);
        }
    }
}

static void test_context_fields(void)
{
    VTDContext context;

    /* FPD counts in an entry that is not present or not valid. */
    g_assert_cmpint(vtd_decode_context(2, 0, 48, &context), ==, 0x2);
    g_assert_true(context.fpd);
    g_assert_cmpint(vtd_decode_context(0, ~0ULL, 48, &context), ==, 0x2);
    g_assert_false(context.fpd);
    g_assert_cmpint(vtd_decode_context(0x10 | 3, 0, 48, &context), ==, 0xb);
    g_assert_true(context.fpd);
    g_assert_cmpint(vtd_decode_context(~1ULL, ~0ULL, 48, &context), ==, 0x2);
    g_assert_true(context.fpd);

    /* Every field at its largest; the ignored bits 70:67 are set */
    g_assert_cmpint(vtd_decode_context(0x0000fffffffff00fULL, 0xffff7fULL, 48,
                                       &context), ==, 0);
    g_assert_true(context.fpd);
    g_assert_cmpuint(context.tt, ==, 3);
    g_assert_cmphex(context.sspt, ==, 0x0000fffffffff000ULL);
    g_assert_cmpuint(context.levels, ==, 9);
    g_assert_cmphex(context.did, ==, 0xffff);

    g_assert_cmpint(vtd_decode_context(0x12345001, 0x8001, 48, &context),
                    ==, 0);
    g_assert_false(context.fpd);
    g_assert_cmpuint(context.tt, ==, 0);
    g_assert_cmphex(context.sspt, ==, 0x12345000);
    g_assert_cmpuint(context.levels, ==, 3);
    g_assert_cmphex(context.did, ==, 0x80);

    for (unsigned tt = 0; tt < 4; tt++) {
        g_assert_cmpint(vtd_decode_context(1 | tt << 2, 2, 48, &context),
                        ==, 0);
        g_assert_cmpuint(context.tt, ==, tt);
        g_assert_cmpuint(context.levels, ==, 4);
    }
}

/* It names the field that is wrong. */
static void assert_unsupported(const VTDContext *context, uint64_t cap,
                               uint64_t ecap, const char *field)
{
    const char *why = vtd_context_unsupported(context, cap, ecap);

    g_assert_true(!why == !field);
    g_assert_true(!why || g_str_has_prefix(why, field));
}

static void test_context_supported(void)
{
    const uint64_t sagaw_39 = BIT(9), sagaw_48 = BIT(10);
    const uint64_t dt = BIT(2), pt = BIT(6);

    /* Which levels, with every other bit of CAP set */
    for (unsigned aw = 0; aw < 8; aw++) {
        VTDContext context;
        uint64_t other = ~0x1f00ULL;

        vtd_decode_context(1, aw, 48, &context);
        g_assert_cmpint(vtd_check_context(&context, other, ~0ULL), ==, 0x3);
        g_assert_cmpint(vtd_check_context(&context, other | sagaw_39, ~0ULL),
                        ==, aw == 1 ? 0 : 0x3);
        g_assert_cmpint(vtd_check_context(&context, other | sagaw_48, ~0ULL),
                        ==, aw == 2 ? 0 : 0x3);
        g_assert_cmpint(vtd_check_context(&context, sagaw_39 | sagaw_48, 0),
                        ==, aw == 1 || aw == 2 ? 0 : 0x3);
        assert_unsupported(&context, sagaw_39, 0, aw == 1 ? NULL : "AW ");
    }

    /* What CAP says counts, even what we never say: 30 and 57 bits */
    for (unsigned aw = 0; aw < 8; aw++) {
        VTDContext context;

        vtd_decode_context(1, aw, 48, &context);
        g_assert_cmpint(vtd_check_context(&context, BIT(8 + aw), 0),
                        ==, aw < 5 ? 0 : 0x3);
    }

    /* Which translation types */
    for (unsigned tt = 0; tt < 4; tt++) {
        VTDContext context;
        uint64_t need = tt == 1 ? dt : tt == 2 ? pt : 0;

        vtd_decode_context(1 | tt << 2, 2, 48, &context);
        g_assert_cmpint(vtd_check_context(&context, sagaw_48, ~0ULL),
                        ==, tt == 3 ? 0x3 : 0);
        g_assert_cmpint(vtd_check_context(&context, sagaw_48, ~need),
                        ==, tt == 0 ? 0 : 0x3);
        g_assert_cmpint(vtd_check_context(&context, sagaw_48, need),
                        ==, tt == 3 ? 0x3 : 0);
        assert_unsupported(&context, sagaw_48, ~0ULL, tt == 3 ? "TT " : NULL);
        assert_unsupported(&context, sagaw_48, 0, tt == 0 ? NULL : "TT ");
        /* Pass-through needs a supported AW, too. */
        g_assert_cmpint(vtd_check_context(&context, sagaw_39, ~0ULL),
                        ==, 0x3);
    }
}

/* Second-stage tables */

static void test_ss_reserved(void)
{
    /* Bits aw..51 and 62; 61:52 and 63 are ignored */
    const uint64_t all_48 = 0x400f000000000000ULL;
    const uint64_t all_39 = 0x400fff8000000000ULL;

    for (unsigned i = 0; i < 8; i++) {
        bool is_48 = i & 1, snoop = i & 2, tm = i & 4;
        uint64_t all = is_48 ? all_48 : all_39;
        uint64_t leaf = (tm ? all & ~BIT(62) : all) | (snoop ? 0 : 0x800);
        IOPTTable t;

        memset(&t, 0xff, sizeof(t));
        vtd_ss_table(&t, 0x1000, is_48 ? 4 : 3, is_48 ? 48 : 39, snoop, tm);
        g_assert_true(t.format == &iopt_vtd_ss);
        g_assert_cmphex(t.root, ==, 0x1000);
        g_assert_cmpuint(t.max_reads, ==, 0);

        g_assert_cmphex(t.reserved[0][2], ==, all | 0x800);
        g_assert_cmphex(t.reserved[0][3], ==, all | 0x800);
        g_assert_cmphex(t.reserved[0][4], ==, all | 0x880);
        g_assert_cmphex(t.reserved[0][5], ==, all | 0x880);
        g_assert_cmphex(t.reserved[1][1], ==, leaf);
        g_assert_cmphex(t.reserved[1][2], ==, leaf | 0x1ff000);
        g_assert_cmphex(t.reserved[1][3], ==, leaf | 0x3ffff000);
    }
}

static void test_ss_widths(void)
{
    static const struct {
        unsigned levels, aw_bits, input_bits;
    } cases[] = {
        { 3, 39, 39 }, { 3, 48, 39 }, { 4, 48, 48 }, { 4, 39, 39 },
        { 5, 48, 48 }, { 5, 57, 57 }, { 2, 48, 30 }, { 4, 57, 48 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        IOPTTable t;

        vtd_ss_table(&t, 0, cases[i].levels, cases[i].aw_bits, false, false);
        g_assert_cmpuint(t.levels, ==, cases[i].levels);
        g_assert_cmpuint(t.input_bits, ==, cases[i].input_bits);
        g_assert_cmpuint(t.output_bits, ==, MIN(cases[i].aw_bits, 52));
    }
}

/* The masks mean to the walker what they should: one page of each size */

typedef struct WalkMemory {
    uint64_t entry[5];       /* by level; table of level n is at n << 12 */
} WalkMemory;

static bool walk_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    WalkMemory *m = opaque;

    g_assert_cmpuint(addr >> 12, <, ARRAY_SIZE(m->entry));
    *entry = m->entry[addr >> 12];
    return true;
}

static void test_ss_walk(void)
{
    for (unsigned leaf = 1; leaf <= 3; leaf++) {
        WalkMemory m = { { 0 } };
        IOPTTable t;
        IOPTResult res;

        vtd_ss_table(&t, 4 << 12, 4, 48, false, false);
        for (unsigned level = 4; level > leaf; level--) {
            m.entry[level] = (level - 1) << 12 | 3;
        }
        m.entry[leaf] = 0x0000ffffc0000003ULL | (leaf > 1 ? 0x80 : 0);
        g_assert_cmpint(iopt_walk(&t, 0x123, IOPT_WRITE, walk_read, &m, &res),
                        ==, IOPT_OK);
        g_assert_cmphex(res.addr, ==, 0x0000ffffc0000000ULL);
        g_assert_cmpuint(res.shift, ==, 12 + 9 * (leaf - 1));

        for (unsigned level = leaf; level <= 4; level++) {
            uint64_t good = m.entry[level];
            uint64_t reserved = 0x400f000000000800ULL;

            if (level == 4) {
                reserved |= 0x80;
            } else if (level == leaf && level > 1) {
                reserved |= (1ULL << (12 + 9 * (level - 1))) - 0x1000;
            }
            for (unsigned bit = 2; bit < 64; bit++) {
                /* An address bit or PS would lead the walk elsewhere. */
                if (!(reserved & BIT(bit)) && level > leaf &&
                    (bit == 7 || (bit >= 12 && bit < 48))) {
                    continue;
                }
                m.entry[level] = good | BIT(bit);
                g_assert_cmpint(iopt_walk(&t, 0, IOPT_READ, walk_read, &m,
                                          &res),
                                ==, reserved & BIT(bit) ? IOPT_FAULT_RESERVED
                                                        : IOPT_OK);
            }
            m.entry[level] = good;
        }
    }
}

static void test_qualified(void)
{
    static const uint8_t qualified[] = {
        0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0x22, 0x24, 0x26,
        0x27, 0x28,
    };

    /* Those of scalable mode are with its entries. */
    for (unsigned reason = 0; reason < 0x30; reason++) {
        bool want = memchr(qualified, reason, sizeof(qualified));

        g_assert_cmpint(vtd_fault_is_qualified(reason), ==, want);
    }
}

/* Registers: the model decodes them with these macros alone. */

static void test_registers(void)
{
    static const struct {
        uint64_t have, want;
    } bits[] = {
        { VTD_GCMD_TE, BIT(31) },
        { VTD_GSTS_TES, BIT(31) },
        { VTD_GCMD_SRTP, BIT(30) },
        { VTD_GSTS_RTPS, BIT(30) },
        { VTD_GCMD_SFL, BIT(29) },
        { VTD_GSTS_FLS, BIT(29) },
        { VTD_GCMD_EAFL, BIT(28) },
        { VTD_GSTS_AFLS, BIT(28) },
        { VTD_GCMD_WBF, BIT(27) },
        { VTD_GSTS_WBFS, BIT(27) },
        { VTD_GCMD_QIE, BIT(26) },
        { VTD_GSTS_QIES, BIT(26) },
        { VTD_GCMD_IRE, BIT(25) },
        { VTD_GSTS_IRES, BIT(25) },
        { VTD_GCMD_SIRTP, BIT(24) },
        { VTD_GSTS_IRTPS, BIT(24) },
        { VTD_GCMD_CFI, BIT(23) },
        { VTD_GSTS_CFIS, BIT(23) },
        { VTD_GCMD_WMASK, 0xff800000 },
        { VTD_CCMD_ICC, BIT(63) },
        { VTD_CCMD_CIRG_MASK, BIT(62) | BIT(61) },
        { VTD_CCMD_CIRG_GLOBAL, BIT(61) },
        { VTD_CCMD_CIRG_DOMAIN, BIT(62) },
        { VTD_CCMD_CIRG_DEVICE, BIT(62) | BIT(61) },
        { VTD_CCMD_CAIG_MASK, BIT(60) | BIT(59) },
        { VTD_CCMD_CAIG_GLOBAL, BIT(59) },
        { VTD_CCMD_CAIG_DOMAIN, BIT(60) },
        { VTD_CCMD_CAIG_DEVICE, BIT(60) | BIT(59) },
        { VTD_IOTLB_IVT, BIT(63) },
        { VTD_IOTLB_IIRG_MASK, BIT(61) | BIT(60) },
        { VTD_IOTLB_IIRG_GLOBAL, BIT(60) },
        { VTD_IOTLB_IIRG_DOMAIN, BIT(61) },
        { VTD_IOTLB_IIRG_PAGE, BIT(61) | BIT(60) },
        { VTD_IOTLB_IAIG_MASK, BIT(58) | BIT(57) },
        { VTD_IOTLB_IAIG_GLOBAL, BIT(57) },
        { VTD_IOTLB_IAIG_DOMAIN, BIT(58) },
        { VTD_IOTLB_IAIG_PAGE, BIT(58) | BIT(57) },
        { VTD_IOTLB_DR, BIT(49) },
        { VTD_IOTLB_DW, BIT(48) },
        { VTD_FSTS_PFO, BIT(0) },
        { VTD_FSTS_PPF, BIT(1) },
        { VTD_FSTS_IQE, BIT(4) },
        { VTD_FSTS_ICE, BIT(5) },
        { VTD_FSTS_ITE, BIT(6) },
        { VTD_FSTS_FRI_MASK, 0xff00 },
        { VTD_FSTS_W1CMASK, 0x71 },
        { VTD_FECTL_IM, BIT(31) },
        { VTD_IECTL_IM, BIT(31) },
        { VTD_FECTL_IP, BIT(30) },
        { VTD_IECTL_IP, BIT(30) },
        { VTD_ICS_IWC, BIT(0) },
        { VTD_FRCD_F, BIT(63) },
        { VTD_FRCD_T, BIT(62) },
        { VTD_IQA_DW, BIT(11) },
        { VTD_IRTA_EIME, BIT(11) },
    };
    uint64_t ccmd = 0xc000000212345678ULL;   /* ICC, domain, FM 2 */
    uint64_t iotlb = 0xb002abcd00000000ULL;  /* IVT, page, DR, DID */

    for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
        g_assert_cmphex(bits[i].have, ==, bits[i].want);
    }

    g_assert_cmphex(VTD_CCMD_FM(ccmd), ==, 2);
    g_assert_cmphex(VTD_CCMD_SID(ccmd), ==, 0x1234);
    g_assert_cmphex(VTD_CCMD_DID(ccmd), ==, 0x5678);
    g_assert_cmphex(VTD_CCMD_FM(~0ULL), ==, 3);
    g_assert_cmphex(VTD_CCMD_SID(~0ULL), ==, 0xffff);
    g_assert_cmphex(VTD_CCMD_DID(~0ULL), ==, 0xffff);

    g_assert_cmphex(VTD_IOTLB_DID(iotlb), ==, 0xabcd);
    g_assert_cmphex(VTD_IOTLB_DID(~0ULL), ==, 0xffff);

    g_assert_cmphex(VTD_IVA_ADDR(0xfffffffffffff07fULL), ==,
                    0xfffffffffffff000ULL);
    g_assert_cmphex(VTD_IVA_AM(0xfffffffffffff07fULL), ==, 0x3f);

    /* The base's values for its default properties, 39 and 48 bits */
    g_assert_cmphex(VTD_CAP_ND | VTD_CAP_FRO | VTD_CAP_NFR(1) | VTD_CAP_MAMV |
                    VTD_CAP_PSI | VTD_CAP_SSLPS | VTD_CAP_DRD | VTD_CAP_DWD |
                    VTD_CAP_MGAW(48) | VTD_CAP_SAGAW_39 | VTD_CAP_SAGAW_48,
                    ==, 0x00d2008c222f0606ULL);
    g_assert_cmphex(VTD_ECAP_QI | VTD_ECAP_IRO | VTD_ECAP_IR | VTD_ECAP_MHMV |
                    VTD_ECAP_EIM | VTD_ECAP_PT | VTD_ECAP_DT,
                    ==, 0x0000000000f00f5eULL);
    g_assert_cmphex(VTD_CAP_NFR(256), ==, 0x0000ff0000000000ULL);

    g_assert_cmpuint(VTD_IRTA_ENTRIES(0), ==, 2);
    g_assert_cmpuint(VTD_IRTA_ENTRIES(0xff), ==, 65536);
    g_assert_cmphex(VTD_IQT_BYTES(UINT64_MAX), ==, 0x7fff0);
    g_assert_cmphex(VTD_FRCD_FR(0x1ff) | VTD_FRCD_SID(0x12345), ==,
                    0x000000ff00002345ULL);
    g_assert_cmphex(VTD_FRCD_SID_GET(~0ULL), ==, 0xffff);
    g_assert_cmphex(VTD_FRCD_FI(~0ULL), ==, 0xfffffffffffff000ULL);
    g_assert_cmphex(VTD_IQA_ADDR(~0ULL), ==, 0xfffffffffffff000ULL);
    g_assert_cmphex(VTD_IQA_QS(~0ULL), ==, 7);
    g_assert_cmphex(VTD_IRTA_IRTA(~0ULL), ==, 0xfffffffffffff000ULL);
    g_assert_cmphex(VTD_RTADDR_RTA(~0ULL), ==, 0xfffffffffffff000ULL);
    g_assert_cmphex(VTD_RTADDR_TTM(0x800), ==, 2);
    g_assert_cmphex(VTD_RTADDR_TTM(~0ULL), ==, 3);
    g_assert_cmphex(VTD_FRCD_IR_IDX(0x1abcd), ==, 0xabcd000000000000ULL);
    g_assert_cmphex(VTD_FSTS_FRI(0x1ff), ==, 0xff00);
}

/* Interrupt remapping */

static void test_int_request(void)
{
    VTDIntRequest req;

    /* The head of the address, and what is above it */
    g_assert_cmpint(vtd_decode_int_request(0xfee00000, 0, &req), ==, 0);
    g_assert_false(req.remappable);
    for (unsigned bit = 20; bit < 64; bit++) {
        g_assert_cmpint(vtd_decode_int_request(0xfee00010ULL ^ BIT(bit), 0,
                                               &req), ==, 0x20);
        /* Compatibility format is no excuse. */
        g_assert_cmpint(vtd_decode_int_request(0xfee00000ULL ^ BIT(bit), 0,
                                               &req), ==, 0x20);
    }

    /* Compatibility format: nothing else is looked at */
    g_assert_cmpint(vtd_decode_int_request(0xfeefffef, ~0u, &req), ==, 0);
    g_assert_false(req.remappable);

    /* Handle bits: 14:0 in 19:5, 15 in 2 */
    for (unsigned bit = 0; bit < 16; bit++) {
        uint32_t addr = 0xfee00010 | (bit < 15 ? 1u << (bit + 5) : 1u << 2);

        g_assert_cmpint(vtd_decode_int_request(addr, 0, &req), ==, 0);
        g_assert_true(req.remappable);
        g_assert_false(req.shv);
        g_assert_cmphex(req.index, ==, 1u << bit);
    }
    /* Without SHV the data has no part in it and no reserved bits. */
    g_assert_cmpint(vtd_decode_int_request(0xfeefffd6, ~0u, &req), ==, 0);
    g_assert_false(req.shv);
    g_assert_cmphex(req.index, ==, 0xfffe);
    g_assert_cmphex(req.dont_care, ==, 2);
    vtd_decode_int_request(0xfee00013, 0, &req);
    g_assert_cmphex(req.dont_care, ==, 3);
    g_assert_cmphex(VTD_MSI_DATA_VECTOR(0x812345a5), ==, 0xa5);
    g_assert_cmphex(VTD_MSI_DATA_TM(0x8000), ==, 1);
    g_assert_cmphex(VTD_MSI_DATA_TM(0x7fff), ==, 0);

    /* With it, the sum does not wrap. */
    g_assert_cmpint(vtd_decode_int_request(0xfee000f8, 0x1234, &req), ==, 0);
    g_assert_true(req.shv);
    g_assert_cmphex(req.index, ==, 7 + 0x1234);
    g_assert_cmpint(vtd_decode_int_request(0xfeeffffc, 0xffff, &req), ==, 0);
    g_assert_cmphex(req.index, ==, 0x1fffe);
    for (unsigned bit = 0; bit < 32; bit++) {
        g_assert_cmpint(vtd_decode_int_request(0xfee00018, BIT(bit), &req),
                        ==, bit < 16 ? 0 : 0x20);
    }
}

/* Without CAP.PI */
static int decode_irte(uint64_t lo, uint64_t hi, bool eime, VTDIRTE *irte)
{
    return vtd_decode_irte(lo, hi, ~VTD_CAP_PI, 48, eime, irte);
}

static void test_irte_reserved(void)
{
    uint64_t lo_reserved = 0x00000000ff00f000ULL;   /* with IM */
    uint64_t hi_reserved = 0xfffffffffff00000ULL;
    VTDIRTE irte;

    for (unsigned eime = 0; eime < 2; eime++) {
        for (unsigned bit = 1; bit < 64; bit++) {
            g_assert_cmpint(decode_irte(1 | BIT(bit), 0, eime, &irte),
                            ==, lo_reserved & BIT(bit) ? 0x24 : 0);
        }
        for (unsigned bit = 0; bit < 64; bit++) {
            g_assert_cmpint(decode_irte(1, BIT(bit), eime, &irte),
                            ==, hi_reserved & BIT(bit) ? 0x24 : 0);
        }
    }
    /* Not present comes first; FPD counts all the same. */
    g_assert_cmpint(decode_irte(~1ULL, ~0ULL, true, &irte), ==, 0x22);
    g_assert_true(irte.fpd);
    g_assert_cmpint(decode_irte(~3ULL, ~0ULL, true, &irte), ==, 0x22);
    g_assert_false(irte.fpd);
    g_assert_cmpint(decode_irte(0x8003, 0, true, &irte), ==, 0x24);
    g_assert_true(irte.fpd);
}

static void test_irte_fields(void)
{
    VTDIRTE irte;

    g_assert_cmpint(decode_irte(0x1234567800ab0fbdULL, 0xbcafeULL, true,
                                &irte), ==, 0);
    g_assert_false(irte.fpd);
    g_assert_true(irte.dm);
    g_assert_true(irte.rh);
    g_assert_true(irte.tm);
    g_assert_cmpuint(irte.dlm, ==, 5);
    g_assert_cmphex(irte.vector, ==, 0xab);
    g_assert_cmphex(irte.dst, ==, 0x12345678);
    g_assert_cmphex(irte.sid, ==, 0xcafe);
    g_assert_cmpuint(irte.sq, ==, 3);
    g_assert_cmpuint(irte.svt, ==, 2);

    /* xAPIC: the destination is bits 47:40 */
    g_assert_cmpint(decode_irte(0x1234567800000001ULL, 0, false, &irte),
                    ==, 0);
    g_assert_cmphex(irte.dst, ==, 0x56);
    decode_irte(0xffffffff00ff0001ULL, 0xffff, false, &irte);
    g_assert_cmphex(irte.dst, ==, 0xff);
    g_assert_cmphex(irte.vector, ==, 0xff);
    g_assert_cmphex(irte.sid, ==, 0xffff);
    decode_irte(0xffffffff00ff0001ULL, 0, true, &irte);
    g_assert_cmphex(irte.dst, ==, 0xffffffff);
    g_assert_false(irte.dm || irte.rh || irte.tm);
    g_assert_cmpuint(irte.dlm, ==, 0);

    /* Each flag alone */
    decode_irte(1 | BIT(2), 0, false, &irte);
    g_assert_true(irte.dm && !irte.rh && !irte.tm);
    decode_irte(1 | BIT(3), 0, false, &irte);
    g_assert_true(!irte.dm && irte.rh && !irte.tm);
    decode_irte(1 | BIT(4), 0, false, &irte);
    g_assert_true(!irte.dm && !irte.rh && irte.tm);
    decode_irte(1, 1 << 16 | 1 << 18, false, &irte);
    g_assert_cmpuint(irte.sq, ==, 1);
    g_assert_cmpuint(irte.svt, ==, 1);
}

/* The posted format: bits by what they are, as in the figure of 9.10 */
static void test_irte_posted(void)
{
    static const unsigned widths[] = { 39, 48, 57 };
    const uint64_t lo = 0x8001;
    VTDIRTE irte;

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        unsigned haw = MIN(widths[w], 52);

        for (unsigned bit = 1; bit < 128; bit++) {
            bool is_reserved = (bit >= 2 && bit <= 7) || bit == 12 ||
                               bit == 13 || (bit >= 24 && bit <= 37) ||
                               (bit >= 84 && bit <= 95) ||
                               (bit >= 96 && bit - 96 + 32 >= haw);

            g_assert_cmpint(vtd_decode_irte(lo | (bit < 64 ? BIT(bit) : 0),
                                            bit < 64 ? 0 : BIT(bit - 64),
                                            VTD_CAP_PI, widths[w], bit & 1,
                                            &irte), ==,
                            is_reserved ? 0x24 : 0);
            g_assert_true(irte.posted);
            g_assert_cmpint(irte.fpd, ==, bit == 1);
            g_assert_cmpint(irte.urg, ==, bit == 14);
            g_assert_cmphex(irte.pda, ==,
                            bit >= 38 && bit < 64 ? BIT(bit - 38 + 6) :
                            bit >= 96 ? BIT(bit - 96 + 32) : 0);
        }
    }
    g_assert_cmpint(vtd_decode_irte(0xfedcba8000abcf03ULL,
                                    0x00012345000acafeULL, VTD_CAP_PI, 57,
                                    true, &irte), ==, 0);
    /* 63:38 of the one and 127:96 of the other */
    g_assert_cmphex(irte.pda, ==, 0x00012345fedcba80ULL);
    g_assert_cmphex(irte.vector, ==, 0xab);
    g_assert_cmphex(irte.sid, ==, 0xcafe);
    g_assert_cmpuint(irte.svt, ==, 2);
    g_assert_cmpuint(irte.sq, ==, 2);
    /* IM is reserved without PI; without IM, URG is. */
    g_assert_cmpint(decode_irte(lo, 0, true, &irte), ==, 0x24);
    g_assert_cmpint(vtd_decode_irte(0x4001, 0, VTD_CAP_PI, 48, true, &irte),
                    ==, 0x24);
    g_assert_false(irte.posted);
}

/* 9.11, and 5.2.3 */
static void test_pid(void)
{
    for (unsigned eime = 0; eime < 2; eime++) {
        for (unsigned bit = 0; bit < 512; bit++) {
            uint64_t words[8] = { 0 };
            bool is_reserved = (bit >= 258 && bit <= 271) ||
                               (bit >= 280 && bit <= 287) || bit >= 320 ||
                               (!eime && ((bit >= 288 && bit <= 295) ||
                                          (bit >= 304 && bit <= 319)));

            words[bit / 64] = BIT(bit % 64);
            g_assert_cmpint(vtd_check_pid(words, eime), ==,
                            is_reserved ? 0x28 : 0);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        bool on = i & 1, sn = i & 2, urg = i & 4;

        g_assert_cmpint(vtd_pid_notifies(0xffffffff00ff0000ULL | (i & 3), urg),
                        ==, !on && (urg || !sn));
    }
    g_assert_cmphex(VTD_PID_NV(0x1234567800ab0000ULL), ==, 0xab);
    g_assert_cmphex(VTD_PID_NDST(0x1234567800ab0000ULL), ==, 0x12345678);
    g_assert_cmphex(VTD_PID_NDST_XAPIC(0x0000560000ab0000ULL), ==, 0x56);
    for (unsigned vector = 0; vector < 256; vector++) {
        g_assert_cmphex(VTD_PID_PIR_WORD(vector), ==, vector >> 6);
        g_assert_cmphex(VTD_PID_PIR_BIT(vector), ==, BIT(vector & 63));
    }
}

static void test_irte_sid(void)
{
    static const uint16_t compared[] = { 0xffff, 0xfffb, 0xfff9, 0xfff8 };

    for (unsigned sid = 0; sid <= 0xffff; sid++) {
        VTDIRTE none = { .svt = 0, .sid = 0x1234 };
        VTDIRTE reserved = { .svt = 3, .sid = sid };
        VTDIRTE bus = { .svt = 2, .sid = 0x1135 };
        VTDIRTE empty = { .svt = 2, .sid = 0x3410 };

        g_assert_true(vtd_irte_sid_ok(&none, sid));
        g_assert_false(vtd_irte_sid_ok(&reserved, sid));
        /* Start bus in the upper half, end bus in the lower, inclusive */
        g_assert_cmpint(vtd_irte_sid_ok(&bus, sid), ==,
                        sid >= 0x1100 && sid <= 0x35ff);
        g_assert_false(vtd_irte_sid_ok(&empty, sid));

        for (unsigned sq = 0; sq < 4; sq++) {
            VTDIRTE masked = { .svt = 1, .sq = sq, .sid = 0x5aa5 };

            g_assert_cmpint(vtd_irte_sid_ok(&masked, sid), ==,
                            (sid & compared[sq]) == (0x5aa5 & compared[sq]));
        }
    }
}

/* What one access of any size, at any place, does to each bit */
static void test_regfile(void)
{
    uint8_t csr[24], wmask[24], w1cmask[24], womask[24], before[24];
    Rand r = rand_new();

    for (unsigned round = 0; round < rounds(20000); round++) {
        unsigned at = rand_below(&r, 16);
        unsigned n = rand_below(&r, 9);
        uint64_t val = rand64(&r);
        uint64_t seen;

        for (unsigned i = 0; i < 24; i++) {
            csr[i] = rand64(&r);
            wmask[i] = rand64(&r);
            w1cmask[i] = rand64(&r) & ~wmask[i];
            womask[i] = rand64(&r);
        }
        memcpy(before, csr, 24);
        seen = vtd_regfile_read(&csr[at], &womask[at], n);
        for (unsigned bit = 0; bit < 64; bit++) {
            unsigned i = at + bit / 8, b = bit % 8;

            g_assert_cmpuint(seen >> bit & 1, ==,
                             bit < 8 * n && !(womask[i] >> b & 1) ?
                             before[i] >> b & 1 : 0);
        }

        vtd_regfile_write(&csr[at], &wmask[at], &w1cmask[at], val, n);
        for (unsigned bit = 0; bit < 24 * 8; bit++) {
            unsigned i = bit / 8, b = bit % 8;
            bool in = i >= at && i < at + n;
            unsigned was = before[i] >> b & 1;
            unsigned to = in ? val >> (bit - 8 * at) & 1 : 0;

            if (in && (wmask[i] >> b & 1)) {
                was = to;
            } else if (in && to && (w1cmask[i] >> b & 1)) {
                was = 0;
            }
            g_assert_cmpuint(csr[i] >> b & 1, ==, was);
        }
    }
}

/* Any bits at all have a result, and one within its bounds */
static void test_random(void)
{
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t lo = (uint64_t)g_test_rand_int() << 32 |
                      (uint32_t)g_test_rand_int();
        uint64_t hi = (uint64_t)g_test_rand_int() << 32 |
                      (uint32_t)g_test_rand_int();
        VTDIntRequest req;
        VTDContext context;
        VTDIRTE irte;
        uint64_t table = 0;

        g_assert_cmpint(vtd_decode_root(lo, hi, 48, &table), <=, 0xa);
        g_assert_cmphex(table & ~0x0000fffffffff000ULL, ==, 0);
        vtd_decode_context(lo, hi, 39, &context);
        g_assert_cmpuint(context.levels, <=, 9);
        g_assert_cmpint(vtd_check_context(&context, hi, lo), <=, 3);
        if (vtd_check_context(&context, ~0ULL, ~0ULL) == VTD_FR_NONE) {
            g_assert_cmpuint(context.levels, <=, 6);
        }
        vtd_decode_int_request((uint32_t)lo, hi, &req);
        g_assert_cmphex(req.index, <=, 0x1fffe);
        decode_irte(lo, hi, i & 1, &irte);
        vtd_irte_sid_ok(&irte, i);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vtd-decode/root", test_root);
    g_test_add_func("/vtd-decode/context/reserved", test_context_reserved);
    g_test_add_func("/vtd-decode/context/fields", test_context_fields);
    g_test_add_func("/vtd-decode/context/supported", test_context_supported);
    g_test_add_func("/vtd-decode/ss/reserved", test_ss_reserved);
    g_test_add_func("/vtd-decode/ss/widths", test_ss_widths);
    g_test_add_func("/vtd-decode/ss/walk", test_ss_walk);
    g_test_add_func("/vtd-decode/qualified", test_qualified);
    g_test_add_func("/vtd-decode/registers", test_registers);
    g_test_add_func("/vtd-decode/int-request", test_int_request);
    g_test_add_func("/vtd-decode/irte/reserved", test_irte_reserved);
    g_test_add_func("/vtd-decode/irte/fields", test_irte_fields);
    g_test_add_func("/vtd-decode/irte/sid", test_irte_sid);
    g_test_add_func("/vtd-decode/irte/posted", test_irte_posted);
    g_test_add_func("/vtd-decode/irte/pid", test_pid);
    g_test_add_func("/vtd-decode/regfile", test_regfile);
    g_test_add_func("/vtd-decode/random", test_random);
    return g_test_run();
}
