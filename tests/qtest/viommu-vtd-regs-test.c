/*
 * VT-d registers: reset values, masks, access sizes, commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-bench.h"

typedef struct Caps {
    const char *unit;
    uint64_t cap, ecap;
} Caps;

#define MODERN_CAP  0x19d2008c22380e06
#define MODERN_ECAP 0x23ed9ea4f00f4f

/* What QEMU 10.0.13 offers its guests for these properties. */
static const Caps caps[] = {
    { "", 0xd2008c222f0606, 0xf00f4a },
    { "aw-bits=39", 0xd2008c22260206, 0xf00f4a },
    { "aw-bits=48", 0xd2008c222f0606, 0xf00f4a },
    { "caching-mode=on", 0xd2008c222f0686, 0xf00f4a },
    { "device-iotlb=on", 0xd2008c222f0606, 0xf00f4e },
    { "dma-drain=off", 0x12008c222f0606, 0xf00f4a },
    { "snoop-control=on", 0xd2008c222f0606, 0xf00fca },
    { "intremap=off", 0xd2008c222f0606, 0xf42 },
    { "intremap=on,eim=off", 0xd2008c222f0606, 0xf00f4a },
    { "intremap=on,eim=on", 0xd2008c222f0606, 0xf00f5a },
    { "pt=off", 0xd2008c222f0606, 0xf00f0a },
    { "dma-translation=off", 0xd2008c222f0006, 0xf00f4a },
    { "page-walk-coherency=on", 0xd2008c222f0606, 0xf00f4b },
    { "caching-mode=on,device-iotlb=on,aw-bits=48,snoop-control=on,"
      "intremap=on", 0xd2008c222f0686, 0xf00fce },
    { "intremap=on,eim=off,aw-bits=39,dma-drain=off,pt=off",
      0x12008c22260206, 0xf00f0a },
    { "x-scalable-mode=on", 0xd2008c222f0606, 0x480080f00f4a },
    { "x-scalable-mode=on,aw-bits=39", 0xd2008c22260206, 0x480080f00f4a },
    { "x-scalable-mode=on,x-flts=on", 0x1d2008c222f0606, 0x880000f00f4a },
    { "x-scalable-mode=on,x-flts=on,fs1gp=off", 0xd2008c222f0606,
      0x880000f00f4a },
    { "x-scalable-mode=on,x-pasid-mode=on", 0xd2008c222f0606,
      0x490080f00f4a },

    /* QEMU 11's names are the same switches. */
    { "scalable-mode=on,fsts=on", 0x1d2008c222f0606, 0x880000f00f4a },
    { "scalable-mode=on,pasid-bits=20", 0xd2008c222f0606, 0x499880f00f4a },

    /* What the base does not have; whatever the order, what is given wins. */
    { "profile=base", 0xd2008c222f0606, 0xf00f4a },
    { "profile=modern", MODERN_CAP, MODERN_ECAP },
    { "aw-bits=48,profile=modern", 0x9d2008c222f0606, MODERN_ECAP },
    { "profile=modern,device-iotlb=off", MODERN_CAP,
      MODERN_ECAP & ~(1ULL << 42 | 1ULL << 33 | 1ULL << 29 | 1ULL << 2) },
    { "x-scalable-mode=off,profile=modern,aw-bits=48", 0x8d2008c222f0606,
      0xf00f4f },
    { "profile=modern,x-flts=off,aw-bits=48", 0x8d2008c222f0606,
      MODERN_ECAP & ~(1ULL << 47 | 1ULL << 34 | 1ULL << 26) },
    { "x-scalable-mode=on,x-flts=on,nesting=on", 0x1d2008c222f0606,
      0xc80084f00f4a },
    { "posted-interrupts=on", 0x8d2008c222f0606, 0xf00f4a },
};

static void test_caps(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(caps); i++) {
        VTD *vtd = vtd_start(caps[i].unit, "%s", "");

        g_assert_cmphex(vtd_read64(vtd, VTD_CAP), ==, caps[i].cap);
        g_assert_cmphex(vtd_read64(vtd, VTD_ECAP), ==, caps[i].ecap);
        g_assert_cmphex(vtd_read32(vtd, VTD_VER), ==, 0x10);
        g_assert_cmphex(VTD_ECAP_IRO(caps[i].ecap), ==, VTD_IVA);
        g_assert_cmphex(VTD_CAP_FRO(caps[i].cap), ==, VTD_FRCD);
        vtd_stop(vtd);
    }
}

/* Everything else is zero, before and after a reset from any state. */
static void assert_reset_state(VTD *vtd, uint64_t ecap)
{
    unsigned reg;

    for (reg = 0; reg < 0x240; reg += 4) {
        uint32_t expected = 0;

        switch (reg) {
        case VTD_VER:
            expected = 0x10;
            break;
        case VTD_CAP:
        case VTD_CAP + 4:
            expected = caps[0].cap >> (reg - VTD_CAP) * 8;
            break;
        case VTD_ECAP:
        case VTD_ECAP + 4:
            expected = ecap >> (reg - VTD_ECAP) * 8;
            break;
        case VTD_FECTL:
        case VTD_IECTL:
            expected = VTD_ECTL_IM;
            break;
        }
        g_assert_cmphex(vtd_read32(vtd, reg), ==, expected);
    }
}

static void write_everywhere(VTD *vtd, uint32_t value)
{
    unsigned reg;

    for (reg = 0; reg < 0x240; reg += 4) {
        vtd_write32(vtd, reg, value);
    }
}

static void test_reset(void)
{
    VTD *vtd = vtd_start("", "%s", "");

    assert_reset_state(vtd, caps[0].ecap);
    write_everywhere(vtd, 0xa5a5a5a5);
    write_everywhere(vtd, ~0U);
    vtd_reset(vtd);
    assert_reset_state(vtd, caps[0].ecap);
    vtd_stop(vtd);
}

static void test_read_only(void)
{
    static const unsigned regs[] = { VTD_VER, VTD_CAP, VTD_CAP + 4, VTD_ECAP,
                                     VTD_ECAP + 4, VTD_GSTS, VTD_IQH,
                                     VTD_IQH + 4, VTD_FRCD, VTD_FRCD + 4 };
    VTD *vtd = vtd_start("", "%s", "");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        uint32_t was = vtd_read32(vtd, regs[i]);

        vtd_write32(vtd, regs[i], ~was);
        g_assert_cmphex(vtd_read32(vtd, regs[i]), ==, was);
    }
    /* GCMD is write-only, GSTS reports. */
    g_assert_cmphex(vtd_read32(vtd, VTD_GCMD), ==, 0);
    vtd_stop(vtd);
}

typedef struct Writable {
    unsigned reg;
    uint32_t bits;
} Writable;

/* Reserved bits stay 0, the others keep what is written, in either half. */
static void test_writable(void)
{
    static const Writable regs[] = {
        { VTD_RTADDR, 0xfffff000 },
        { VTD_RTADDR + 4, 0xffffffff },
        { VTD_FEDATA, 0xffff },
        { VTD_FEADDR, 0xfffffffc },
        { VTD_IQT, 0x7fff0 },
        { VTD_IQA, 0xfffff007 },
        { VTD_IEDATA, 0xffff },
        { VTD_IEADDR, 0xfffffffc },
        { VTD_IRTA, 0xfffff00f },
        { VTD_IRTA + 4, 0xffffffff },
    };
    VTD *vtd = vtd_start("", "%s", "");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        /* Widths above 32 bits depend on the host's address width. */
        uint32_t seen = regs[i].reg & 4 && regs[i].bits == ~0U ? 0xffff
                                                               : regs[i].bits;

        vtd_write32(vtd, regs[i].reg, seen & 0xaaaaaaaa);
        g_assert_cmphex(vtd_read32(vtd, regs[i].reg) & seen, ==,
                        seen & 0xaaaaaaaa);
        vtd_write32(vtd, regs[i].reg, seen & 0x55555555);
        g_assert_cmphex(vtd_read32(vtd, regs[i].reg) & seen, ==,
                        seen & 0x55555555);
        vtd_write32(vtd, regs[i].reg, 0);
        g_assert_cmphex(vtd_read32(vtd, regs[i].reg), ==, 0);
    }
    vtd_stop(vtd);
}

/* A 64-bit register is the same through one access or two. */
static void test_halves(void)
{
    VTD *vtd = vtd_start("", "%s", "");

    vtd_write64(vtd, VTD_RTADDR, 0x123456789000);
    g_assert_cmphex(vtd_read32(vtd, VTD_RTADDR), ==, 0x56789000);
    g_assert_cmphex(vtd_read32(vtd, VTD_RTADDR + 4), ==, 0x1234);
    vtd_write32(vtd, VTD_RTADDR + 4, 0x4321);
    g_assert_cmphex(vtd_read64(vtd, VTD_RTADDR), ==, 0x432156789000);
    vtd_write32(vtd, VTD_RTADDR, 0xabcde000);
    g_assert_cmphex(vtd_read64(vtd, VTD_RTADDR), ==, 0x4321abcde000);

    /* Commands sit in the upper half: it alone starts one. */
    vtd_write32(vtd, VTD_IOTLB + 4, (VTD_IOTLB_IVT |
                                     VTD_IOTLB_IIRG(VTD_GLOBAL)) >> 32);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_IOTLB + 4) >> 31));
    g_assert_cmpint(VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB)), ==,
                    VTD_GLOBAL);
    vtd_write32(vtd, VTD_CCMD, 0x1234);
    vtd_write32(vtd, VTD_CCMD + 4, (VTD_CCMD_ICC |
                                    VTD_CCMD_CIRG(VTD_GLOBAL)) >> 32);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_CCMD + 4) >> 31));
    g_assert_cmpint(VTD_CCMD_CAIG(vtd_read64(vtd, VTD_CCMD)), ==, VTD_GLOBAL);
    vtd_stop(vtd);
}

/* What was done is reported: as asked, or coarser, never nothing. */
static void test_granularity(void)
{
    VTD *vtd = vtd_start("", "%s", "");
    VTDScope scope;

    for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
        unsigned did;

        vtd_inv_iotlb(vtd, VTD_REGISTER, scope, 1, 0x1000, 0);
        did = VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB));
        g_assert_cmpint(did, >=, VTD_GLOBAL);
        g_assert_cmpint(did, <=, scope);
        vtd_inv_context(vtd, VTD_REGISTER, scope, 1, EDU_SID);
        did = VTD_CCMD_CAIG(vtd_read64(vtd, VTD_CCMD));
        g_assert_cmpint(did, >=, VTD_GLOBAL);
        g_assert_cmpint(did, <=, scope);
    }
    /* No such granularity, and an address mask beyond CAP.MAMV: refused. */
    vtd_write64(vtd, VTD_IOTLB, VTD_IOTLB_IVT);
    viommu_until(vtd, vtd_inv_done(vtd, VTD_REGISTER));
    g_assert_cmpint(VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB)), ==, 0);
    vtd_inv_iotlb(vtd, VTD_REGISTER, VTD_PAGE, 1, 0, 63);
    g_assert_cmpint(VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB)), ==, 0);
    vtd_stop(vtd);
}

/* One-shot commands set their status; sticky ones follow the bit. */
static void test_commands(void)
{
    static const uint32_t sticky[] = { VTD_G_TE, VTD_G_QIE, VTD_G_IRE };
    VTD *vtd = vtd_start("", "%s", "");
    size_t i;

    vtd_write64(vtd, VTD_RTADDR, vtd->root);
    vtd_write64(vtd, VTD_IRTA, vtd_alloc(vtd, 1));
    vtd_write64(vtd, VTD_IQA, vtd->iq);
    vtd_write32(vtd, VTD_GCMD, VTD_G_SRTP);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) == VTD_G_SRTP);
    vtd_write32(vtd, VTD_GCMD, VTD_G_SIRTP);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) ==
                 (VTD_G_SRTP | VTD_G_SIRTP));
    for (i = 0; i < G_N_ELEMENTS(sticky); i++) {
        uint32_t others = vtd_read32(vtd, VTD_GSTS);

        vtd_gcmd(vtd, sticky[i], 0);
        viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) == (others | sticky[i]));
    }
    /* Write buffer flushing is never needed, so it is done at once. */
    vtd_gcmd(vtd, VTD_G_WBF, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS) & VTD_G_WBF, ==, 0);

    /* The queue may go off when its last descriptor was a wait. */
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    vtd_inv_wait(vtd, VTD_QUEUED);
    for (i = 0; i < G_N_ELEMENTS(sticky); i++) {
        uint32_t others = vtd_read32(vtd, VTD_GSTS) & ~sticky[i];

        vtd_gcmd(vtd, 0, sticky[i]);
        viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) == others);
    }
    vtd_stop(vtd);
}

/* A root table that was written but not set (SRTP) is not used. */
static void test_root_pointer(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    uint64_t page = vtd_alloc(b->vtd, 1);

    vtd_map(b->vtd, &b->dom, 0x5000000, page, 1, VTD_PTE_RW);
    vtd_write64(b->vtd, VTD_RTADDR, vtd_alloc(b->vtd, 1));
    vtd_inv_everything(b->vtd);
    bench_works(b, 0x5000000, page);
    vtd_gcmd(b->vtd, VTD_G_SRTP, 0);
    vtd_inv_everything(b->vtd);
    edu_store(b->edu, 0x5000000, 8);
    vtd_assert_fault(b->vtd, VTD_FR_ROOT_P, EDU_SID, false, 0x5000000);
    bench_free(b);
}

static void test_write_one_to_clear(void)
{
    Bench *b = bench_new("", 4, VTD_REGISTER, "");
    VTD *vtd = b->vtd;
    uint64_t hi;

    edu_store(b->edu, 0x5000000, 8);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_PPF);
    g_assert_cmphex(vtd_read64(vtd, VTD_FRCD), ==, 0x5000000);
    /* Zeroes, and ones elsewhere, leave it. */
    vtd_write64(vtd, VTD_FRCD + 8, 0);
    vtd_write64(vtd, VTD_FRCD + 8, ~VTD_FRCD_F);
    hi = vtd_read64(vtd, VTD_FRCD + 8);
    g_assert_cmphex(hi & (VTD_FRCD_F | VTD_FRCD_T), ==, VTD_FRCD_F);
    g_assert_cmphex(VTD_FRCD_FR(hi), ==, VTD_FR_WRITE);
    g_assert_cmphex(VTD_FRCD_SID(hi), ==, EDU_SID);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, VTD_FSTS_PPF);
    /* By its upper half alone, as Linux does */
    vtd_write32(vtd, VTD_FRCD + 12, VTD_FRCD_F >> 32);
    g_assert_cmphex(vtd_read64(vtd, VTD_FRCD + 8) & VTD_FRCD_F, ==, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_FSTS), ==, 0);
    bench_free(b);
}

/*
 * Places no driver uses, and anything in the others: no effect, no crash.  What
 * becomes of a size that does not suit the register is tested alone, in
 * tests/unit/test-vtd-decode.c.
 */
static void test_hostile(void)
{
    static const unsigned wide[] = {
        VTD_CAP, VTD_ECAP, VTD_RTADDR, VTD_CCMD, VTD_IQH, VTD_IQT, VTD_IQA,
        VTD_IRTA, VTD_IVA, VTD_IOTLB,
    };
    VTD *vtd = vtd_start("", "%s", "");
    unsigned reg, i;

    for (i = 0; i < 2; i++) {
        for (reg = 0; reg < 0x1000; reg++) {
            qtest_readb(vtd->qts, VTD_BASE + reg);
            qtest_readw(vtd->qts, VTD_BASE + (reg & ~1U));
            qtest_writeb(vtd->qts, VTD_BASE + reg, 0xff);
            qtest_writew(vtd->qts, VTD_BASE + (reg & ~1U), 0xffff);
            if (reg % 4 == 0) {
                qtest_readl(vtd->qts, VTD_BASE + reg);
                qtest_writel(vtd->qts, VTD_BASE + reg, g_test_rand_int());
            }
        }
        for (reg = 0; reg < G_N_ELEMENTS(wide); reg++) {
            vtd_read64(vtd, wide[reg]);
            vtd_write64(vtd, wide[reg],
                        (uint64_t)g_test_rand_int() << 32 | reg);
        }
        write_everywhere(vtd, ~0U);
    }
    vtd_reset(vtd);
    assert_reset_state(vtd, caps[0].ecap);
    vtd_enable(vtd, VTD_QUEUED);
    vtd_stop(vtd);
}

/* What software must not do, and nothing else says: -d guest_errors */
typedef struct Mistake {
    const char *unit;
    struct {
        unsigned reg;        /* 0 ends them */
        uint64_t value;
    } writes[4];
    const char *says;        /* once; NULL: nothing is said */
} Mistake;

#define ROOT   { VTD_RTADDR, 0x200000 }
#define SRTP   { VTD_GCMD, VTD_G_SRTP }
#define QUEUE  { VTD_IQA, 0x100000 }

static const Mistake mistakes[] = {
    { "", { { VTD_GCMD, VTD_G_TE } }, "no root table has been set" },
    { "", { ROOT, { VTD_GCMD, VTD_G_SRTP | VTD_G_TE } },
      "more than one command" },
    { "", { { VTD_RTADDR, 0x200400 }, SRTP }, "RTADDR_REG.TTM" },
    { "x-scalable-mode=on", { { VTD_RTADDR, 0x200800 }, SRTP },
      "RTADDR_REG.TTM" },
    { "dma-translation=off", { ROOT, SRTP, { VTD_GCMD, VTD_G_TE } },
      "CAP.SAGAW is 0" },
    { "", { { VTD_GCMD, VTD_G_IRE } }, "no interrupt remapping table" },
    { "intremap=off", { { VTD_GCMD, VTD_G_IRE } }, "ECAP.IR" },
    { "", { { VTD_GCMD, 1u << 29 } }, "CAP.AFL" },
    { "", { QUEUE, { VTD_IQT, 0x10 }, { VTD_GCMD, VTD_G_QIE } },
      "IQT_REG is not 0" },
    { "", { QUEUE, { VTD_GCMD, VTD_G_QIE }, { VTD_IQA, 0x180000 } },
      "IQA_REG written with the invalidation queue on" },
    /* At the first descriptor, which has no type, the queue stops. */
    { "", { QUEUE, { VTD_GCMD, VTD_G_QIE }, { VTD_IQT, 0x20 },
            { VTD_GCMD, 0 } }, "QIE is cleared with descriptors" },
    { "", { ROOT, SRTP, { VTD_CCMD, 1ull << 63 } }, "CCMD_REG.CIRG" },
    { "", { ROOT, SRTP, { VTD_IOTLB, 1ull << 63 } }, "IOTLB_REG.IIRG" },
    { "", { ROOT, SRTP, { VTD_IVA, 0x3f },
            { VTD_IOTLB, 1ull << 63 | 3ull << 60 } }, "IVA_REG.AM" },

    { "", { ROOT, SRTP, { VTD_GCMD, VTD_G_TE }, { VTD_GCMD, 0 } }, NULL },
    { "x-scalable-mode=on", { { VTD_RTADDR, 0x200400 }, SRTP }, NULL },
    { "", { QUEUE, { VTD_GCMD, VTD_G_QIE }, { VTD_GCMD, 0 } }, NULL },
    { "", { { VTD_IRTA, 0x300000 }, { VTD_GCMD, VTD_G_SIRTP },
            { VTD_GCMD, VTD_G_IRE } }, NULL },
};

static void test_mistakes(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(mistakes); i++) {
        const Mistake *m = &mistakes[i];
        UnitLog *log = unit_log_new();
        VTD *vtd = vtd_start(m->unit, "%s", "-d guest_errors");

        for (unsigned j = 0; j < ARRAY_SIZE(m->writes); j++) {
            if (m->writes[j].reg == VTD_GCMD) {
                vtd_write32(vtd, VTD_GCMD, m->writes[j].value);
            } else if (m->writes[j].reg) {
                vtd_write64(vtd, m->writes[j].reg, m->writes[j].value);
            }
            viommu_turns(vtd);
        }
        vtd_stop(vtd);
        unit_log_rest(log);
        if (m->says) {
            g_test_message("%s", m->says);
            g_assert_cmpuint(unit_log_count(log, m->says), ==, 1);
        } else {
            g_assert_cmpuint(unit_log_count(log, "vtd: "), ==, 0);
        }
        unit_log_free(log);
    }
}

#undef ROOT
#undef SRTP
#undef QUEUE

/* "-device intel-iommu,help" says what each is about. */
static void test_help(void)
{
    unit_assert_help("intel-iommu", 25);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/regs/" name, fn)
    ADD("capabilities", test_caps);
    ADD("reset", test_reset);
    ADD("read-only", test_read_only);
    ADD("writable", test_writable);
    ADD("halves", test_halves);
    ADD("granularity", test_granularity);
    ADD("commands", test_commands);
    ADD("root-pointer", test_root_pointer);
    ADD("write-one-to-clear", test_write_one_to_clear);
    ADD("hostile", test_hostile);
    ADD("mistakes", test_mistakes);
    ADD("help", test_help);
#undef ADD
    return g_test_run();
}
