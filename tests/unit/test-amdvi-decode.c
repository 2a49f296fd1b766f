/*
 * Test the AMD-Vi decoders
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expected values are literals, not amdvi-spec.h's: a layout that is wrong
 * there must fail here.  Every reserved mask is tested bit by bit, both ways.
 */
#include "qemu/osdep.h"
#include "../../hw/i386/amdvi/amdvi-decode.h"
#include "test-common.h"

#define BIT(n) (1ull << (n))

/* EFR: INVALIDATE_IOMMU_ALL and 6 levels; and guest translations, 5 levels */
#define EFR (BIT(6) | 2 << 10)
#define EFR_GT (EFR | BIT(4) | BIT(12) | BIT(15) | BIT(48) | 19ull << 32)

static const char *dte_dma(uint64_t w0, uint64_t w1, AMDVIDTEDma *dte)
{
    const uint64_t words[2] = { w0, w1 };
    AMDVIDTEDma ignored;
    bool reserved;

    return amdvi_decode_dte_dma(words, EFR, true, dte ?: &ignored, &reserved);
}

static const char *dte_int(uint64_t w2, uint64_t w3, AMDVIDTEInt *dte)
{
    const uint64_t words[2] = { w2, w3 };
    AMDVIDTEInt ignored;
    bool reserved;

    return amdvi_decode_dte_int(words, EFR, dte ?: &ignored, &reserved);
}

static void test_dte_dma(void)
{
    AMDVIDTEDma dte;

    /* IR, IW, four levels, TV, V; EX, SA, I, domain */
    g_assert_null(dte_dma(0x6000fedcba987803, 0x8500001234, &dte));
    g_assert_true(dte.valid && dte.translated && dte.iotlb && dte.suppress &&
                  dte.excluded);
    g_assert_cmpuint(dte.mode, ==, 4);
    g_assert_cmphex(dte.root, ==, 0xfedcba987000);
    g_assert_cmphex(dte.domain, ==, 0x1234);
    g_assert_cmpuint(dte.denied, ==, 0);

    g_assert_null(dte_dma(0x2000000000000003, 0, &dte));
    g_assert_cmpuint(dte.denied, ==, IOPT_WRITE);
    g_assert_null(dte_dma(0x4000000000000003, 0x200000000, &dte));
    g_assert_cmpuint(dte.denied, ==, IOPT_READ);
    g_assert_false(dte.iotlb || dte.suppress || dte.excluded);

    /* Nothing matters if V is clear. */
    g_assert_null(dte_dma(~1ull, ~0ull, &dte));
    g_assert_false(dte.valid);
}

static void test_dte_dma_reserved(void)
{
    /* 6:2, HAD, PPR, GPRP, GIoV, GV, 63; of word 1 only 106 */
    const uint64_t reserved = 0x80f00000000001fc;
    unsigned bit;

    for (bit = 1; bit < 64; bit++) {
        const uint64_t words[2] = { 3 | BIT(bit), 0 };
        bool expect = reserved & BIT(bit), is_reserved;
        AMDVIDTEDma dte;

        g_assert_cmpint(!dte_dma(words[0], 0, NULL), ==, !expect);
        amdvi_decode_dte_dma(words, EFR, true, &dte, &is_reserved);
        g_assert_true(is_reserved == expect);
    }
    for (bit = 0; bit < 64; bit++) {
        g_assert_cmpint(!dte_dma(3, BIT(bit), NULL), ==, bit != 42);
    }
    /* IoCtl 0b11 */
    g_assert_null(dte_dma(3, BIT(35), NULL));
    g_assert_null(dte_dma(3, BIT(36), NULL));
    g_assert_nonnull(dte_dma(3, BIT(35) | BIT(36), NULL));
    /* An encoding is not a reserved bit. */
    {
        const uint64_t words[2] = { 3, BIT(35) | BIT(36) };
        bool is_reserved = true;
        AMDVIDTEDma dte;

        g_assert_nonnull(amdvi_decode_dte_dma(words, EFR, true, &dte,
                                              &is_reserved));
        g_assert_false(is_reserved);
    }
}

static void test_dte_mode(void)
{
    unsigned mode, hats;

    for (mode = 0; mode < 8; mode++) {
        for (hats = 0; hats < 3; hats++) {
            const uint64_t words[2] = { 3 | (uint64_t)mode << 9, 0 };
            const uint64_t no_tv[2] = { 1 | (uint64_t)mode << 9, 0 };
            AMDVIDTEDma dte;
            bool reserved;

            g_assert_cmpint(!amdvi_decode_dte_dma(words, hats << 10, false,
                                                  &dte, &reserved), ==,
                            mode <= hats + 4);
            g_assert_false(reserved);
            g_assert_null(amdvi_decode_dte_dma(no_tv, hats << 10, false,
                                               &dte, &reserved));
        }
    }
}

static const char *dte_guest(uint64_t w0, uint64_t w1, bool gt_en,
                             AMDVIDTEDma *dte, bool *reserved)
{
    const uint64_t words[2] = { w0, w1 };

    return amdvi_decode_dte_dma(words, EFR_GT, gt_en, dte, reserved);
}

static void test_dte_guest(void)
{
    AMDVIDTEDma dte;
    bool reserved;
    unsigned i;

    /* GV, GIoV, GLX 2, GCR3 */
    g_assert_null(dte_guest(0x76c0000000000003, 0xabcdf80012345678, true,
                            &dte, &reserved));
    g_assert_true(dte.guest && dte.no_pasid);
    g_assert_cmpuint(dte.gcr3_levels, ==, 3);
    g_assert_cmphex(dte.gcr3, ==, 0xabcdf891a5000);
    g_assert_cmphex(dte.domain, ==, 0x5678);
    /* Not enabled: GV and GIoV are reserved, and the rest is ignored. */
    g_assert_nonnull(dte_guest(BIT(55) | 3, 0, false, &dte, &reserved));
    g_assert_true(reserved);
    g_assert_nonnull(dte_guest(BIT(54) | 3, 0, false, &dte, &reserved));
    g_assert_null(dte_guest(0x1f00000000000003, 0, false, &dte, &reserved));
    /* GLX 3 is an encoding that is none. */
    g_assert_nonnull(dte_guest(BIT(55) | 3ull << 56 | 3, 0, true, &dte,
                               &reserved));
    g_assert_false(reserved);
    g_assert_null(dte_guest(3ull << 56 | 3, 0, true, &dte, &reserved));
    g_assert_false(dte.guest);
    for (i = 0; i < 4; i++) {
        const uint64_t words[2] = { 1 | (uint64_t)i << 54, 0 };
        AMDVIDTEInt irq;

        g_assert_cmpint(!amdvi_decode_dte_guest(words[0], EFR_GT, &dte), ==,
                        i < 2);
        g_assert_cmpuint(dte.guest_levels, ==, i == 1 ? 5 : 4);
        g_assert_cmpint(!amdvi_decode_dte_guest(words[0], EFR_GT & ~BIT(12),
                                                &dte), ==, i == 0);
        /* It is no matter to interrupts. */
        g_assert_null(amdvi_decode_dte_int(words, EFR_GT, &irq, &reserved));
    }
}

static void test_gcr3(void)
{
    static const struct {
        unsigned level, top;
        uint32_t pasid;
        uint64_t at;                 /* 0: there is none */
    } rows[] = {
        { 1, 1, 0x1ff, 0x1ff8 }, { 1, 1, 0x200, 0 }, { 1, 1, 0xfffff, 0 },
        { 2, 2, 0x3ffff, 0x1ff8 }, { 2, 2, 0x40000, 0 },
        { 1, 2, 0x3ff01, 0x1808 }, { 3, 3, 0xfffff, 0x1018 },
        { 2, 3, 0xfffff, 0x1ff8 }, { 1, 3, 0xffffe, 0x1ff0 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        bool ok;
        uint64_t at = amdvi_gcr3_entry(0x1000, rows[i].level, rows[i].top,
                                       rows[i].pasid, &ok);

        g_assert_true(ok == (rows[i].at != 0));
        g_assert_true(!ok || at == rows[i].at);
        /* Whatever it is, it is within the table. */
        g_assert_cmphex(at & ~0xff8ull, ==, 0x1000);
    }
}

static void test_dte_int(void)
{
    AMDVIDTEInt dte;
    unsigned bit, i;

    g_assert_null(dte_int(0x2400fedcba987653, 0, &dte));
    g_assert_true(dte.valid && dte.nmi_pass);
    g_assert_false(dte.ignore || dte.init_pass || dte.eint_pass);
    g_assert_cmpuint(dte.entries, ==, 512);
    g_assert_cmphex(dte.root, ==, 0xfedcba987640);
    g_assert_cmpuint(dte.ctl, ==, AMDVI_INT_CTL_REMAP);
    g_assert_null(dte_int(0x0300000000000021, 0, &dte));
    g_assert_true(dte.ignore && dte.init_pass && dte.eint_pass);
    g_assert_false(dte.nmi_pass);
    g_assert_cmpuint(dte.entries, ==, 1);
    g_assert_null(dte_int(~1ull, ~0ull, &dte));
    g_assert_false(dte.valid);

    for (i = 0; i < 16; i++) {
        g_assert_cmpint(!dte_int(1 | i << 1, 0, &dte), ==, i <= 11);
        g_assert_cmpuint(dte.entries, ==, 1u << MIN(i, 11));
    }
    for (i = 0; i < 4; i++) {
        g_assert_cmpint(!dte_int(1 | (uint64_t)i << 60, 0, NULL), ==, i != 3);
    }
    for (bit = 5; bit < 64; bit++) {
        g_assert_cmpint(!dte_int(1 | BIT(bit), 0, NULL), ==,
                        !(bit >= 52 && bit <= 55) && bit != 59);
    }
    for (bit = 0; bit < 64; bit++) {
        g_assert_cmpint(!dte_int(1, BIT(bit), NULL), ==,
                        bit > 15 && !(bit >= 48 && bit <= 53));
    }
}

static void test_irte(void)
{
    AMDVIIRTE irte;
    unsigned bit;

    g_assert_cmpint(amdvi_decode_irte(0x00abcd45, &irte), ==, AMDVI_IRTE_OK);
    g_assert_true(irte.logical && !irte.suppress && !irte.rq_eoi);
    g_assert_cmpuint(irte.type, ==, AMDVI_INT_ARBITRATED);
    g_assert_cmphex(irte.vector, ==, 0xab);
    g_assert_cmphex(irte.dest, ==, 0xcd);
    g_assert_cmpint(amdvi_decode_irte(0x23, &irte), ==, AMDVI_IRTE_OK);
    g_assert_true(irte.suppress && irte.rq_eoi && !irte.logical);
    g_assert_cmpint(amdvi_decode_irte(~1u, &irte), ==, AMDVI_IRTE_DISABLED);
    g_assert_true(irte.suppress);

    for (bit = 1; bit < 32; bit++) {
        bool legal = bit < 3 || bit == 5 || bit == 6 ||
                     (bit >= 8 && bit < 24);

        g_assert_cmpint(amdvi_decode_irte(1 | 1u << bit, &irte), ==,
                        legal ? AMDVI_IRTE_OK : AMDVI_IRTE_ILLEGAL);
    }
}

static void test_irte_ga(void)
{
    const uint64_t words[2] = { 0xabcdef41, 0x9200000000000037 };
    AMDVIIRTE irte;
    unsigned bit;

    g_assert_cmpint(amdvi_decode_irte_ga(words, true, &irte), ==,
                    AMDVI_IRTE_OK);
    g_assert_cmphex(irte.dest, ==, 0x92abcdef);
    g_assert_cmphex(irte.vector, ==, 0x37);
    g_assert_true(irte.logical);
    g_assert_cmpuint(irte.type, ==, AMDVI_INT_FIXED);
    g_assert_cmpint(amdvi_decode_irte_ga(words, false, &irte), ==,
                    AMDVI_IRTE_OK);
    g_assert_cmphex(irte.dest, ==, 0xef);

    for (bit = 1; bit < 64; bit++) {
        const uint64_t lo[2] = { 1 | BIT(bit), 0 };
        const uint64_t hi[2] = { 1, BIT(bit) };
        bool lo_legal = bit < 3 || bit == 5 || bit == 6 ||
                        (bit >= 8 && bit < 32);
        bool hi_legal = bit < 8 || bit >= 56;

        g_assert_cmpint(amdvi_decode_irte_ga(lo, true, &irte), ==,
                        lo_legal ? AMDVI_IRTE_OK : AMDVI_IRTE_ILLEGAL);
        g_assert_cmpint(amdvi_decode_irte_ga(hi, true, &irte), ==,
                        hi_legal ? AMDVI_IRTE_OK : AMDVI_IRTE_ILLEGAL);
    }
}

static const char *cmd_why(uint64_t w0, uint64_t w1, AMDVICmd *cmd)
{
    const uint64_t words[2] = { w0, w1 };
    AMDVICmd ignored;

    return amdvi_decode_cmd(words, EFR, cmd ?: &ignored);
}

/* Bits of a command set one by one */
static void check_cmd(unsigned op, uint64_t reserved0, uint64_t reserved1)
{
    uint64_t w0 = (uint64_t)op << 60;
    unsigned bit;

    g_assert_null(cmd_why(w0, 0, NULL));
    for (bit = 0; bit < 64; bit++) {
        if (bit < 60) {
            g_assert_cmpint(!cmd_why(w0 | BIT(bit), 0, NULL), ==,
                            !(reserved0 & BIT(bit)));
        }
        g_assert_cmpint(!cmd_why(w0, BIT(bit), NULL), ==,
                        !(reserved1 & BIT(bit)));
    }
}

static void test_cmd_reserved(void)
{
    const uint64_t words[2] = { 8ull << 60, 0 };
    AMDVICmd cmd;
    unsigned op;

    check_cmd(1, 0x0ff0000000000000, 0);
    check_cmd(2, 0x0fffffffffff0000, ~0ull);
    /* GN has to be clear, too. */
    check_cmd(3, 0x0fff0000fff00000, 0xffc);
    check_cmd(4, 0, 0xfce);
    check_cmd(5, 0x0fffffffffff0000, ~0ull);
    check_cmd(8, 0x0fffffffffffffff, ~0ull);
    for (op = 0; op < 16; op++) {
        bool known = (op >= 1 && op <= 5) || op == 8;

        g_assert_cmpint(!cmd_why((uint64_t)op << 60, 0, &cmd), ==, known);
        g_assert_cmpuint(cmd.op, ==, op);
        g_assert_cmpint(strcmp(amdvi_cmd_name(op), "unknown") != 0, ==,
                        op >= 1 && op <= 8);
    }
    /* EFR.IASup */
    g_assert_nonnull(amdvi_decode_cmd(words, 0, &cmd));
}

/* With guest translations: GN, and whose */
static void test_cmd_guest(void)
{
    const uint64_t pages[2] = { 0x30001234000abcde, 0x5004 };
    const uint64_t iotlb[2] = { 0x4adeffffffbcabcd, 0x5004 };
    AMDVICmd cmd;

    g_assert_nonnull(amdvi_decode_cmd(pages, EFR, &cmd));
    g_assert_nonnull(amdvi_decode_cmd(iotlb, EFR, &cmd));
    g_assert_null(amdvi_decode_cmd(pages, EFR_GT, &cmd));
    g_assert_true(cmd.pages.guest);
    g_assert_cmphex(cmd.pages.pasid, ==, 0xabcde);
    g_assert_cmphex(cmd.pages.domain, ==, 0x1234);
    g_assert_cmphex(cmd.pages.first, ==, 0x5000);
    g_assert_cmphex(cmd.pages.last, ==, 0x5fff);
    g_assert_null(amdvi_decode_cmd(iotlb, EFR_GT, &cmd));
    g_assert_true(cmd.iotlb.guest);
    g_assert_cmphex(cmd.iotlb.pasid, ==, 0xabcde);
    g_assert_cmphex(cmd.iotlb.device, ==, 0xabcd);
}

static void test_cmd_fields(void)
{
    AMDVICmd cmd;

    g_assert_null(cmd_why(0x100fedcba987654b, 0x1122334455667788, &cmd));
    g_assert_true(cmd.wait.store && cmd.wait.interrupt);
    g_assert_cmphex(cmd.wait.addr, ==, 0xfedcba9876548);
    g_assert_cmphex(cmd.wait.data, ==, 0x1122334455667788);
    g_assert_null(cmd_why(0x1000000000000002, 0, &cmd));
    g_assert_true(!cmd.wait.store && cmd.wait.interrupt);
    g_assert_null(cmd_why(0x200000000000abcd, 0, &cmd));
    g_assert_cmphex(cmd.devtab.device, ==, 0xabcd);
    g_assert_null(cmd_why(0x500000000000abcd, 0, &cmd));
    g_assert_cmphex(cmd.interrupts.device, ==, 0xabcd);
    g_assert_null(cmd_why(0x3000123400000000, 0x5000, &cmd));
    g_assert_cmphex(cmd.pages.domain, ==, 0x1234);
    g_assert_null(cmd_why(0x4000567800ffabcd, 0x5000, &cmd));
    g_assert_cmphex(cmd.iotlb.device, ==, 0xabcd);
    g_assert_cmphex(cmd.iotlb.first, ==, 0x5000);
    g_assert_cmphex(cmd.iotlb.last, ==, 0x5fff);
}

static void test_cmd_sizes(void)
{
    static const struct {
        uint64_t word, first, last;
    } rows[] = {
        { 0x5000, 0x5000, 0x5fff },
        { 0x4001, 0x4000, 0x5fff },
        { 0x5001, 0x4000, 0x7fff },
        { 0x7001, 0x0, 0xffff },
        { 0xdffff001, 0xc0000000, 0xffffffff },
        { 0x7ffffffffffff001, 0, ~0ull },
        { 0xfffffffffffff001, 0, ~0ull },
        { 0x7ffffffffffff003, 0, ~0ull },
        { 0x3ffffffffffff001, 0, ~0ull >> 1 },
        { 0xbffffffffffff001, 1ull << 63, ~0ull },
        { 0xfffffffffffff000, 0xfffffffffffff000, ~0ull },
    };
    AMDVICmd cmd;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_null(cmd_why(3ull << 60, rows[i].word, &cmd));
        g_assert_cmphex(cmd.pages.first, ==, rows[i].first);
        g_assert_cmphex(cmd.pages.last, ==, rows[i].last);
    }
}

static void test_event(void)
{
    const AMDVIEvent event = {
        .code = AMDVI_EVENT_IO_PAGE_FAULT,
        .device = 0x1234,
        .domain = 0x5678,
        .flags = AMDVI_EVF_I | AMDVI_EVF_RW | AMDVI_EVF_RZ,
        .addr = 0x1122334455667788,
    };
    const AMDVIEvent rest = {
        .code = AMDVI_EVENT_INVALID_DEVICE_REQUEST,
        .flags = AMDVI_EVF_PR | AMDVI_EVF_PE | AMDVI_EVF_TR |
                 AMDVI_EVF_REQ_TRANSLATED,
    };
    const AMDVIEvent guest = {
        .code = AMDVI_EVENT_IO_PAGE_FAULT,
        .device = 0x1234,
        .domain = 0x5678,
        .pasid = 0xabcde,
        .flags = AMDVI_EVF_GN | AMDVI_EVF_US,
    };
    uint64_t words[2];

    amdvi_encode_event(&guest, words);
    g_assert_cmphex(words[0], ==, 0x2005bcde000a1234);
    amdvi_encode_event(&event, words);
    g_assert_cmphex(words[0], ==, 0x20a8567800001234);
    g_assert_cmphex(words[1], ==, 0x1122334455667788);
    amdvi_encode_event(&rest, words);
    g_assert_cmphex(words[0], ==, 0x8350000000000000);
    g_assert_cmpstr(amdvi_event_name(2), ==, "IO_PAGE_FAULT");
    g_assert_cmpstr(amdvi_event_name(99), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/amdvi-decode/dte/dma", test_dte_dma);
    g_test_add_func("/amdvi-decode/dte/dma-reserved", test_dte_dma_reserved);
    g_test_add_func("/amdvi-decode/dte/mode", test_dte_mode);
    g_test_add_func("/amdvi-decode/dte/guest", test_dte_guest);
    g_test_add_func("/amdvi-decode/dte/int", test_dte_int);
    g_test_add_func("/amdvi-decode/gcr3", test_gcr3);
    g_test_add_func("/amdvi-decode/irte", test_irte);
    g_test_add_func("/amdvi-decode/irte-ga", test_irte_ga);
    g_test_add_func("/amdvi-decode/cmd/reserved", test_cmd_reserved);
    g_test_add_func("/amdvi-decode/cmd/guest", test_cmd_guest);
    g_test_add_func("/amdvi-decode/cmd/fields", test_cmd_fields);
    g_test_add_func("/amdvi-decode/cmd/sizes", test_cmd_sizes);
    g_test_add_func("/amdvi-decode/event", test_event);
    return g_test_run();
}
