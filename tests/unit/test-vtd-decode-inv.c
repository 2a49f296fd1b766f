/*
 * Test the VT-d decoders of invalidation descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expected values are literals, not vtd-spec.h's macros: a layout that is
 * wrong there must fail here.  Every reserved mask is tested bit by bit, both
 * ways: a reserved bit refuses the descriptor and no other bit does.
 */
#include "qemu/osdep.h"
#include "../../hw/i386/vtd/vtd-decode.h"
#include "test-common.h"

#define BIT(n) (1ULL << (n))

/* ECAP.DT, PRS, DIT and PDS */
#define DT BIT(2)
#define PRS BIT(29)
#define DIT BIT(41)
#define PDS BIT(42)

/* The unit that decodes */
static bool scalable;
static uint64_t ecap;

static const char *inv_why(uint64_t lo, uint64_t hi, VTDInvDesc *desc)
{
    VTDInvDescRaw raw = { lo, hi };

    return vtd_decode_inv_desc(&raw, scalable, ecap, desc);
}

static bool inv_ok(uint64_t lo, uint64_t hi, VTDInvDesc *desc)
{
    VTDInvDesc ignored;
    const char *why = inv_why(lo, hi, desc ?: &ignored);

    /* Who refuses says why, to the guest as well. */
    g_assert_cmpint(why != NULL, ==, (desc ?: &ignored)->iqei != 0);
    return !why;
}

/* Bits of @lo and @hi set and cleared one by one */
static void check_inv_reserved(uint64_t lo, uint64_t hi,
                               uint64_t lo_reserved, uint64_t hi_reserved,
                               uint64_t lo_skip)
{
    g_assert_true(inv_ok(lo, hi, NULL));
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(lo_skip & BIT(bit))) {
            g_assert_cmpint(inv_ok(lo ^ BIT(bit), hi, NULL),
                            ==, !(lo_reserved & BIT(bit)));
        }
        g_assert_cmpint(inv_ok(lo, hi ^ BIT(bit), NULL),
                        ==, !(hi_reserved & BIT(bit)));
    }
}

/* Fields that a descriptor of the type needs: granularity; SW */
static uint64_t inv_lo(unsigned type)
{
    static const uint64_t need[] = {
        [1] = 0x10, [2] = 0x10, [4] = 0x10, [5] = 0x20, [6] = 0x20, [7] = 0x10,
    };

    return (type & 0xf) | (uint64_t)(type >> 4) << 9 |
           (type < ARRAY_SIZE(need) ? need[type] : 0);
}

static void test_inv_types(void)
{
    g_assert_cmpstr(vtd_inv_desc_name(1), ==, "context-cache");
    g_assert_cmpstr(vtd_inv_desc_name(5), ==, "wait");

    for (unsigned i = 0; i < 8 * 128; i++) {
        unsigned type = i % 128;
        VTDInvDesc desc;
        bool known;

        scalable = i & 0x80;
        ecap = (i & 0x100 ? DT : 0) | (i & 0x200 ? PRS : 0);
        known = type >= 1 && type <= (scalable ? 9 : 5);
        known = known && ((type != 3 && type != 8) || (ecap & DT));
        known = known && (type != 9 || (ecap & PRS));

        g_assert_cmpint(inv_ok(inv_lo(type), 0, &desc), ==, known);
        g_assert_cmpuint(desc.type, ==, type);
        g_assert_cmpuint(desc.iqei, ==, known ? 0 : 3);
        g_assert_cmpint(strcmp(vtd_inv_desc_name(type), "unknown") != 0, ==,
                        type >= 1 && type <= 9);
    }
    g_assert_cmpstr(vtd_inv_desc_name(255), ==, "unknown");
}

/* Bits 255:128 of every type */
static void test_inv_upper(void)
{
    for (unsigned type = 1; type <= 9; type++) {
        for (unsigned bit = 0; bit < 128; bit++) {
            VTDInvDescRaw raw = { inv_lo(type), 0 };
            VTDInvDesc desc;

            g_assert_null(vtd_decode_inv_desc(&raw, true, ~0ULL, &desc));
            raw.upper[bit / 64] = BIT(bit % 64);
            g_assert_nonnull(vtd_decode_inv_desc(&raw, true, ~0ULL, &desc));
            g_assert_cmpuint(desc.iqei, ==, 4);
        }
    }
}

static void test_inv_context(void)
{
    VTDInvDesc desc;

    scalable = false;
    ecap = 0;
    for (unsigned g = 0; g < 4; g++) {
        g_assert_cmpint(inv_ok(1 | g << 4, 0, &desc), ==, g != 0);
        g_assert_cmpuint(desc.context.granularity, ==, g);
        if (g) {
            check_inv_reserved(1 | g << 4, 0, 0xfffc00000000ffc0ULL, ~0ULL,
                               0x3f);
        }
    }
    g_assert_true(inv_ok(0x0003ffff80010031ULL, 0, &desc));
    g_assert_cmpuint(desc.context.did, ==, 0x8001);
    g_assert_cmpuint(desc.context.sid, ==, 0xffff);
    g_assert_cmpuint(desc.context.fm, ==, 3);
    g_assert_true(inv_ok(0x0002123480010031ULL, 0, &desc));
    g_assert_cmpuint(desc.context.sid, ==, 0x1234);
    g_assert_cmpuint(desc.context.fm, ==, 2);
}

static void test_inv_iotlb(void)
{
    VTDInvDesc desc;

    for (unsigned g = 0; g < 4; g++) {
        g_assert_cmpint(inv_ok(2 | g << 4, 0, &desc), ==, g != 0);
        g_assert_cmpuint(desc.iotlb.granularity, ==, g);
        if (g) {
            /* DR and DW are not reserved; AM bit 5 alone is above MAMV. */
            check_inv_reserved(2 | g << 4, 0, 0xffffffff0000ff00ULL,
                               g == 3 ? 0xfa0 : 0xf80, 0x3f);
        }
    }
    for (unsigned am = 0; am < 64; am++) {
        g_assert_true(inv_ok(2 | 1 << 4, am, NULL));
        g_assert_true(inv_ok(2 | 2 << 4, am, NULL));
        g_assert_cmpint(inv_ok(2 | 3 << 4, am, &desc), ==, am <= 18);
        g_assert_cmpuint(desc.iotlb.am, ==, am);
    }
    /* IH set, DR and DW set */
    g_assert_true(inv_ok(0xbeef00f2ULL, 0xfffffffffffff052ULL, &desc));
    g_assert_cmphex(desc.iotlb.did, ==, 0xbeef);
    g_assert_cmphex(desc.iotlb.addr, ==, 0xfffffffffffff000ULL);
    g_assert_cmpuint(desc.iotlb.am, ==, 18);
    g_assert_true(desc.iotlb.ih);
    g_assert_true(inv_ok(0x32, 0x12, &desc));
    g_assert_false(desc.iotlb.ih);
}

static void test_inv_pasid_cache(void)
{
    VTDInvDesc desc;

    scalable = true;
    for (unsigned g = 0; g < 4; g++) {
        g_assert_cmpint(inv_ok(7 | g << 4, 0, &desc), ==, g != 2);
        g_assert_cmpuint(desc.pasid_cache.granularity, ==, g);
        if (g != 2) {
            check_inv_reserved(7 | g << 4, 0, 0xfff000000000ffc0ULL, ~0ULL,
                               0x3f);
        }
    }
    g_assert_true(inv_ok(0x000fffff80010017ULL, 0, &desc));
    g_assert_cmphex(desc.pasid_cache.did, ==, 0x8001);
    g_assert_cmphex(desc.pasid_cache.pasid, ==, 0xfffff);
    g_assert_true(inv_ok(0x00054321ffff0007ULL, 0, &desc));
    g_assert_cmphex(desc.pasid_cache.did, ==, 0xffff);
    g_assert_cmphex(desc.pasid_cache.pasid, ==, 0x54321);
}

static void test_inv_piotlb(void)
{
    VTDInvDesc desc;

    scalable = true;
    for (unsigned g = 0; g < 4; g++) {
        g_assert_cmpint(inv_ok(6 | g << 4, 0, &desc), ==, g >= 2);
        g_assert_cmpuint(desc.piotlb.granularity, ==, g);
        if (g >= 2) {
            check_inv_reserved(6 | g << 4, 0, 0xfff000000000ffc0ULL, 0xf80,
                               0x3f);
        }
    }
    /* MAMV is no limit here, and the address need not be aligned. */
    for (unsigned am = 0; am < 64; am++) {
        uint64_t addr = 0xa5a5a5a5a5a5a000ULL;
        uint64_t mask = am < 52 ? BIT(am + 12) - 1 : ~0ULL;

        g_assert_true(inv_ok(0x36, addr | am, &desc));
        g_assert_cmphex(desc.piotlb.first, ==, addr & ~mask);
        g_assert_cmphex(desc.piotlb.last, ==, addr | mask);
        g_assert_false(desc.piotlb.ih);
    }
    g_assert_true(inv_ok(0x000abcde12340036ULL, 0xffff800000000040ULL, &desc));
    g_assert_cmphex(desc.piotlb.did, ==, 0x1234);
    g_assert_cmphex(desc.piotlb.pasid, ==, 0xabcde);
    g_assert_true(desc.piotlb.ih);
    g_assert_cmphex(desc.piotlb.first, ==, 0xffff800000000000ULL);
    g_assert_cmphex(desc.piotlb.last, ==, 0xffff800000000fffULL);
}

static void test_inv_device(void)
{
    VTDInvDesc desc;

    ecap = DT;
    check_inv_reserved(3, 0, 0xffff0000ffe0fff0ULL, 0xffe, 0xf);
    /* PFSID */
    ecap = DT | DIT;
    check_inv_reserved(3, 0, 0x000f0000ffe00ff0ULL, 0xffe, 0xf);
    g_assert_true(inv_ok(0xabcd001f0003ULL, 0x12345000, &desc));
    g_assert_cmphex(desc.device.sid, ==, 0xabcd);
    g_assert_cmphex(desc.device.first, ==, 0x12345000);
    g_assert_cmphex(desc.device.last, ==, 0x12345fff);

    /* S: every size; the bits above the lowest 0 are the address */
    for (unsigned shift = 13; shift < 64; shift++) {
        uint64_t size = BIT(shift), base = 0xa5a5a5a5a5a5a5a5ULL & -size;
        /* Bits 12 up to shift - 2 are set, shift - 1 is clear */
        uint64_t ones = size / 2 - 0x1000;

        g_assert_true(inv_ok(3, base | ones | 1, &desc));
        g_assert_cmphex(desc.device.first, ==, base);
        g_assert_cmphex(desc.device.last, ==, base + size - 1);
    }
    /* Everything, in both spellings */
    g_assert_true(inv_ok(3, 0x7ffffffffffff001ULL, &desc));
    g_assert_cmphex(desc.device.first, ==, 0);
    g_assert_cmphex(desc.device.last, ==, UINT64_MAX);
    g_assert_true(inv_ok(3, 0xfffffffffffff001ULL, &desc));
    g_assert_cmphex(desc.device.first, ==, 0);
    g_assert_cmphex(desc.device.last, ==, UINT64_MAX);
    /* The last page without S */
    g_assert_true(inv_ok(3, 0xfffffffffffff000ULL, &desc));
    g_assert_cmphex(desc.device.first, ==, 0xfffffffffffff000ULL);
    g_assert_cmphex(desc.device.last, ==, UINT64_MAX);
}

static void test_inv_device_pasid(void)
{
    VTDInvDesc desc;

    scalable = true;
    ecap = DT;
    check_inv_reserved(8, 0, 0xfff000000000fe00ULL, 0x7fe, 0xf);
    ecap = DT | DIT;
    check_inv_reserved(8, 0, 0x0000000000000e00ULL, 0x7fe, 0xf);

    /* MIP and PFSID do not matter. */
    g_assert_true(inv_ok(0xfffabcde1234f1f8ULL, 0x12345000, &desc));
    g_assert_cmphex(desc.device_pasid.sid, ==, 0x1234);
    g_assert_cmphex(desc.device_pasid.pasid, ==, 0xabcde);
    g_assert_false(desc.device_pasid.global);
    g_assert_cmphex(desc.device_pasid.first, ==, 0x12345000);
    g_assert_cmphex(desc.device_pasid.last, ==, 0x12345fff);
    g_assert_true(inv_ok(8, 0x12345001, &desc));
    g_assert_true(desc.device_pasid.global);

    /* S is bit 11 here. */
    for (unsigned shift = 13; shift < 64; shift++) {
        uint64_t size = BIT(shift), base = 0xa5a5a5a5a5a5a5a5ULL & -size;
        uint64_t ones = size / 2 - 0x1000;

        g_assert_true(inv_ok(8, base | ones | 0x800, &desc));
        g_assert_cmphex(desc.device_pasid.first, ==, base);
        g_assert_cmphex(desc.device_pasid.last, ==, base + size - 1);
    }
    g_assert_true(inv_ok(8, 0x7ffffffffffff800ULL, &desc));
    g_assert_cmphex(desc.device_pasid.first, ==, 0);
    g_assert_cmphex(desc.device_pasid.last, ==, UINT64_MAX);
}

static void test_inv_response(void)
{
    VTDInvDesc desc;

    scalable = true;
    ecap = PRS;
    check_inv_reserved(9, 0, 0xfff0000000000fe0ULL, 0xfffffffffffff003ULL,
                       0xf);
    g_assert_true(inv_ok(0x000abcde1234f019ULL, 0xffc, &desc));
    g_assert_true(desc.response.has_pasid);
    g_assert_cmpuint(desc.response.code, ==, 15);
    g_assert_cmphex(desc.response.sid, ==, 0x1234);
    g_assert_cmphex(desc.response.pasid, ==, 0xabcde);
    g_assert_cmphex(desc.response.prgi, ==, 0x1ff);
    g_assert_true(inv_ok(0x1009, 0x8, &desc));
    g_assert_false(desc.response.has_pasid);
    g_assert_cmpuint(desc.response.code, ==, 1);
    g_assert_cmphex(desc.response.prgi, ==, 1);
}

static void test_inv_iec(void)
{
    VTDInvDesc desc;

    check_inv_reserved(4, 0, 0xffff000007ffffe0ULL, ~0ULL, 0xf);
    g_assert_true(inv_ok(4, 0, &desc));
    g_assert_true(desc.iec.global);
    g_assert_true(inv_ok(0x0000347800000014ULL, 0, &desc));
    g_assert_false(desc.iec.global);
    g_assert_cmphex(desc.iec.index, ==, 0x3478);
    g_assert_cmpuint(desc.iec.mask, ==, 0);
    g_assert_true(inv_ok(0x0000fffff8000014ULL, 0, &desc));
    g_assert_cmphex(desc.iec.index, ==, 0xffff);
    g_assert_cmpuint(desc.iec.mask, ==, 31);
    g_assert_true(inv_ok(0x0000000178000014ULL, 0, &desc));
    g_assert_cmphex(desc.iec.index, ==, 1);
    g_assert_cmpuint(desc.iec.mask, ==, 15);
}

static void test_inv_wait(void)
{
    VTDInvDesc desc;

    /* With SW and FN, so that taking away either leaves one */
    ecap = 0;
    check_inv_reserved(0x65, 0, 0xffffff80ULL, 0x3, 0xf);
    ecap = PDS;
    check_inv_reserved(0x65, 0, 0xffffff00ULL, 0x3, 0xf);

    for (unsigned flags = 0; flags < 16; flags++) {
        g_assert_cmpint(inv_ok(5 | flags << 4, 0, &desc), ==, flags != 0);
        g_assert_cmpint(desc.wait.pd, ==, !!(flags & 8));
        g_assert_cmpint(desc.wait.intr, ==, !!(flags & 1));
        g_assert_cmpint(desc.wait.sw, ==, !!(flags & 2));
        g_assert_cmpint(desc.wait.fn, ==, !!(flags & 4));
    }
    g_assert_true(inv_ok(0xdeadbeef00000025ULL, 0xfffffffffffffffcULL, &desc));
    g_assert_cmphex(desc.wait.data, ==, 0xdeadbeef);
    g_assert_cmphex(desc.wait.addr, ==, 0xfffffffffffffffcULL);
}

/* Any bits at all have a result, and one within its bounds */
static void test_random(void)
{
    Rand r = rand_new();

    for (unsigned i = 0; i < rounds(200000); i++) {
        uint64_t lo = rand64(&r), hi = rand64(&r);
        VTDInvDesc desc;

        scalable = i & 1;
        ecap = rand64(&r);
        if (!inv_ok(lo, hi, &desc)) {
            continue;
        }
        if (desc.type == 3) {
            g_assert_cmphex(desc.device.first, <=, desc.device.last);
        } else if (desc.type == 6) {
            g_assert_cmphex(desc.piotlb.first, <=, desc.piotlb.last);
        } else if (desc.type == 8) {
            g_assert_cmphex(desc.device_pasid.first, <=,
                            desc.device_pasid.last);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vtd-decode-inv/types", test_inv_types);
    g_test_add_func("/vtd-decode-inv/upper", test_inv_upper);
    g_test_add_func("/vtd-decode-inv/context", test_inv_context);
    g_test_add_func("/vtd-decode-inv/pasid-cache", test_inv_pasid_cache);
    g_test_add_func("/vtd-decode-inv/iotlb", test_inv_iotlb);
    g_test_add_func("/vtd-decode-inv/piotlb", test_inv_piotlb);
    g_test_add_func("/vtd-decode-inv/device", test_inv_device);
    g_test_add_func("/vtd-decode-inv/device-pasid", test_inv_device_pasid);
    g_test_add_func("/vtd-decode-inv/response", test_inv_response);
    g_test_add_func("/vtd-decode-inv/iec", test_inv_iec);
    g_test_add_func("/vtd-decode-inv/wait", test_inv_wait);
    g_test_add_func("/vtd-decode-inv/random", test_random);
    return g_test_run();
}
