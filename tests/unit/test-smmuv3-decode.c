/*
 * Test the SMMUv3 decoders
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expected values are literals, not smmuv3-spec.h's macros: a layout that is
 * wrong there must fail here.  What is valid is compared with a reference that
 * follows the specification's pseudocode (IHI 0070 5.2.2 and 5.4.2), over valid
 * structures with every bit flipped, and over random ones.
 */
#include "qemu/osdep.h"
#include "../../hw/arm/smmuv3/smmuv3-decode.h"
#include "test-common.h"

#define BIT(n) (1ULL << (n))

/* Bits @hi .. @lo of a structure of 64-bit words, hi and lo counted as one */
static uint64_t get(const uint64_t *words, unsigned hi, unsigned lo)
{
    uint64_t val = 0;

    for (unsigned bit = lo; bit <= hi; bit++) {
        val |= (words[bit / 64] >> (bit % 64) & 1) << (bit - lo);
    }
    return val;
}

static void set(uint64_t *words, unsigned hi, unsigned lo, uint64_t val)
{
    for (unsigned bit = lo; bit <= hi; bit++) {
        words[bit / 64] &= ~BIT(bit % 64);
        words[bit / 64] |= (val >> (bit - lo) & 1) << (bit % 64);
    }
}

static const SMMUv3Features base_features = {
    .s1p = true, .s2p = true, .oas_bits = 44,
};

static const SMMUv3Features all_features = {
    .s1p = true, .s2p = true, .ats = true, .msi = true, .perms_ovr = true,
    .httu = 2, .ssid_bits = 20, .oas_bits = 48,
};

static SMMUv3Features random_features(Rand *rand)
{
    uint64_t r = rand64(rand);

    return (SMMUv3Features) {
        .s1p = r & 3, .s2p = r & 12, .msi = r & 16, .perms_ovr = r & 32,
        .httu = (r >> 6 & 3) % 3, .ssid_bits = (r >> 16) % 21, .ats = r & 8192,
        .oas_bits = r & 4096 ? 44 : 48,
    };
}

/* ID registers */

static void test_idr(void)
{
    SMMUv3Features f = { .s1p = true, .oas_bits = 44 }, back;
    uint32_t idr[6];
    Rand rand = rand_new();

    /* What stock QEMU 10.0 has, for each of its stages */
    g_assert_cmphex(smmuv3_idr(&f, 0), ==, 0x0d44101a);
    g_assert_cmphex(smmuv3_idr(&f, 1), ==, 0x02730010);
    g_assert_cmphex(smmuv3_idr(&f, 2), ==, 0);
    g_assert_cmphex(smmuv3_idr(&f, 3), ==, 0x1404);
    g_assert_cmphex(smmuv3_idr(&f, 4), ==, 0);
    g_assert_cmphex(smmuv3_idr(&f, 5), ==, 0x74);
    f = (SMMUv3Features) { .s2p = true, .oas_bits = 44 };
    g_assert_cmphex(smmuv3_idr(&f, 0), ==, 0x0d441019);
    g_assert_cmphex(smmuv3_idr(&f, 3), ==, 0x1414);
    g_assert_cmphex(smmuv3_idr(&base_features, 0), ==, 0x0d44101b);

    /*
     * IDR0: HTTU 7:6, ATS 10, NS1ATS 11, MSI 13, CD2L 19; IDR1: SSIDSIZE 10:6,
     * PERMS_OVR 26
     */
    g_assert_cmphex(smmuv3_idr(&all_features, 0), ==,
                    0x0d44101b | 2 << 6 | 3 << 10 | 1 << 13 | 1 << 19);
    g_assert_cmphex(smmuv3_idr(&all_features, 1), ==,
                    0x02730010 | 20 << 6 | 1 << 26);
    g_assert_cmphex(smmuv3_idr(&all_features, 5), ==, 0x75);

    for (unsigned n = 0; n < 1000; n++) {
        f = random_features(&rand);
        for (unsigned i = 0; i < 6; i++) {
            idr[i] = smmuv3_idr(&f, i);
        }
        smmuv3_features(&back, idr);
        g_assert_cmpmem(&back, sizeof(back), &f, sizeof(f));
    }
}

/* Stream tables */

static uint64_t clear_low(uint64_t val, unsigned top)
{
    for (unsigned bit = 0; bit <= top && bit < 64; bit++) {
        val &= ~BIT(bit);
    }
    return val;
}

static void test_strtab(void)
{
    Rand rand = rand_new();

    for (unsigned n = 0; n < rounds(200000); n++) {
        uint64_t base = rand64(&rand), addr = 0, want;
        unsigned log2size = rand_below(&rand, 64);
        unsigned split_field = rand_below(&rand, 32), split;
        unsigned fmt = rand_below(&rand, 4);
        uint32_t cfg = log2size | split_field << 6 | fmt << 16;
        uint32_t sid = rand_below(&rand, 1u << rand_below(&rand, 20));
        uint64_t field = base & 0x00ffffffffffffc0ull;
        bool two_level = false;

        split = split_field == 8 || split_field == 10 ? split_field : 6;
        if (sid >= BIT(MIN(log2size, 16))) {
            g_assert_false(smmuv3_strtab_index(base, cfg, sid, &two_level,
                                               &addr));
            continue;
        }
        if (fmt == 1) {
            int top = (int)log2size - (int)split - 1 + 3;

            want = clear_low(field, MAX(5, top)) + (sid >> split) * 8ull;
        } else {
            want = clear_low(field, log2size + 5) + sid * 64ull;
        }
        g_assert_true(smmuv3_strtab_index(base, cfg, sid, &two_level, &addr));
        g_assert_cmpint(two_level, ==, fmt == 1);
        g_assert_cmphex(addr, ==, want);
    }
}

static void test_l1std(void)
{
    static const unsigned splits[] = { 6, 8, 10 };
    Rand rand = rand_new();

    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        for (unsigned span = 0; span < 32; span++) {
            for (uint32_t sid = 0; sid < 2048; sid++) {
                uint64_t l1std = (rand64(&rand) & ~0x1full) | span;
                uint32_t low = sid % (1u << splits[i]);
                bool ok = span >= 1 && span <= 11 && span <= splits[i] + 1 &&
                          low < (span ? 1u << (span - 1) : 0);
                uint64_t addr = 0;

                g_assert_cmpint(smmuv3_decode_l1std(l1std, splits[i] << 6, sid,
                                                    &addr), ==, ok);
                if (ok) {
                    g_assert_cmphex(addr, ==,
                                    clear_low(l1std & 0x00ffffffffffffc0ull,
                                              5 + span - 1) + low * 64ull);
                }
            }
        }
    }
}

/* STE */

static unsigned tg0_bits(unsigned tg)
{
    static const unsigned bits[] = { 12, 16, 14, 0 };

    return bits[tg];
}

static unsigned tg1_bits(unsigned tg)
{
    static const unsigned bits[] = { 0, 14, 12, 16 };

    return bits[tg];
}

static unsigned ps_bits(unsigned ps, unsigned oas)
{
    static const unsigned bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

    return MIN(bits[ps], oas);
}

static bool ref_s2_ok(const uint64_t *ste, const SMMUv3Features *f)
{
    unsigned g = tg0_bits(get(ste, 175, 174));
    unsigned t0sz = get(ste, 165, 160), sl0 = get(ste, 167, 166);
    unsigned pa = ps_bits(get(ste, 178, 176), f->oas_bits);
    uint64_t ttb = get(ste, 243, 196) << 4;
    bool ha = get(ste, 184, 184), hd = get(ste, 183, 183);
    unsigned stride, levels, min, max;

    if (!f->s2p || !get(ste, 179, 179) || get(ste, 180, 180) ||
        get(ste, 185, 185)) {
        return false;
    }
    if (((ha || hd) && !f->httu) || (hd && f->httu == 1)) {
        return false;
    }
    if (!g || sl0 == 3 || t0sz > 39 ||
        t0sz < MAX(g == 16 ? 12 : 16, 64 - f->oas_bits)) {
        return false;
    }
    levels = g == 12 ? sl0 + 1 : sl0;
    stride = g - 3;
    min = levels * stride + g + 1;
    max = min + stride - 1 + 4;
    if (64 - t0sz < min || 64 - t0sz > max) {
        return false;
    }
    return ttb < BIT(pa);
}

static bool ref_ste_ok(const uint64_t *ste, const SMMUv3Features *f)
{
    unsigned config = get(ste, 3, 1);

    if (!get(ste, 0, 0)) {
        return false;
    }
    if (!(config & 4)) {
        return true;
    }
    if (config & 1) {
        if (!f->s1p || get(ste, 91, 91)) {
            return false;
        }
        if (f->ssid_bits && get(ste, 63, 59) > f->ssid_bits) {
            return false;
        }
        if (config == 5 && get(ste, 55, 6) << 6 >= BIT(f->oas_bits)) {
            return false;
        }
    }
    if (f->ats && (config & 3) && get(ste, 93, 92) == 2) {
        return false;
    }
    return !(config & 2) || ref_s2_ok(ste, f);
}

static void check_ste(const uint64_t *words, const SMMUv3Features *f)
{
    bool want = ref_ste_ok(words, f);
    unsigned config = get(words, 3, 1), attrs = 0, fixed = 0;
    SMMUv3STE ste;

    g_assert_cmpint(smmuv3_decode_ste(words, f, &ste), ==, want);
    if (!want) {
        return;
    }
    g_assert_cmpint(ste.config, ==, config & 4 ? config : 0);
    if (!ste.config) {
        return;
    }
    g_assert_cmphex(ste.vmid, ==, f->s2p ? get(words, 143, 128) : 0);
    if (f->perms_ovr) {
        attrs = (get(words, 113, 112) == 3 ? 8 : 0) |
                (get(words, 115, 114) == 3 ? 4 : 0);
        fixed = (get(words, 113, 113) ? 8 : 0) | (get(words, 115, 115) ? 4 : 0);
    }
    g_assert_cmphex(ste.attrs, ==, attrs);
    g_assert_cmphex(ste.attrs_fixed, ==, fixed);
    g_assert_cmpint(ste.ats, ==, f->ats && (config & 3) &&
                    get(words, 93, 92) == 1);
    if (config & 1) {
        unsigned fmt = get(words, 5, 4);

        g_assert_cmphex(ste.s1contextptr, ==, get(words, 55, 6) << 6);
        g_assert_cmpint(ste.s1cdmax, ==,
                        f->ssid_bits ? get(words, 63, 59) : 0);
        if (f->ssid_bits) {
            g_assert_cmpint(ste.s1fmt, ==, fmt == 3 ? 0 : fmt);
            g_assert_cmpint(ste.s1dss, ==, get(words, 65, 64));
        }
    }
    if (config & 2) {
        g_assert_cmpint(ste.s2r, ==, get(words, 186, 186));
        g_assert_cmpint(ste.s2.input_bits, ==, 64 - get(words, 165, 160));
    }
}

/* One that is valid with every set of features that has its stages */
static void good_ste(uint64_t *ste, unsigned config)
{
    memset(ste, 0, 64);
    set(ste, 0, 0, 1);
    set(ste, 3, 1, config);
    set(ste, 55, 6, 0x40000000 >> 6);
    set(ste, 143, 128, 0x1234);
    set(ste, 165, 160, 24);         /* S2T0SZ */
    set(ste, 167, 166, 1);          /* S2SL0: level 1 */
    set(ste, 178, 176, 4);          /* S2PS */
    set(ste, 179, 179, 1);          /* S2AA64 */
    set(ste, 186, 186, 1);          /* S2R */
    set(ste, 243, 196, 0x50000000 >> 4);
}

static void test_ste_bits(void)
{
    const SMMUv3Features *features[] = { &base_features, &all_features };
    uint64_t ste[8];

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        for (unsigned config = 0; config < 8; config++) {
            good_ste(ste, config);
            g_assert_true(ref_ste_ok(ste, features[i]));
            check_ste(ste, features[i]);
            for (unsigned bit = 0; bit < 512; bit++) {
                ste[bit / 64] ^= BIT(bit % 64);
                check_ste(ste, features[i]);
                ste[bit / 64] ^= BIT(bit % 64);
            }
        }
    }
}

/* IDR0.TTF says that there are no AArch32 tables. */
static void test_ste_aarch32(void)
{
    uint64_t ste[8];
    SMMUv3STE out;

    for (unsigned config = 4; config < 8; config++) {
        good_ste(ste, config);
        set(ste, 179, 179, 0);      /* S2AA64 */
        g_assert_cmpint(smmuv3_decode_ste(ste, &base_features, &out), ==,
                        !(config & 2));
    }
}

static void test_ste_random(void)
{
    Rand rand = rand_new();

    for (unsigned n = 0; n < rounds(200000); n++) {
        SMMUv3Features f = random_features(&rand);
        uint64_t ste[8];

        for (unsigned i = 0; i < 8; i++) {
            ste[i] = rand64(&rand);
        }
        /* Mostly such that it is not refused at once */
        if (rand_below(&rand, 16)) {
            set(ste, 0, 0, 1);
            set(ste, 3, 1, 4 + rand_below(&rand, 4));
            set(ste, 55, 40, 0);
            set(ste, 63, 59, rand_below(&rand, 9));
            set(ste, 91, 91, 0);
            set(ste, 165, 160, 14 + rand_below(&rand, 28));
            set(ste, 179, 179, 1);
            set(ste, 180, 180, 0);
            set(ste, 185, 183, 0);
            set(ste, 243, 196 + 28 + rand_below(&rand, 20), 0);
        }
        check_ste(ste, &f);
    }
}

/* Every granule, T0SZ, SL0, S2PS and size of the table's address */
static void test_ste_stage2(void)
{
    const SMMUv3Features *features[] = { &base_features, &all_features };
    uint64_t ste[8];
    unsigned valid = 0;

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        for (unsigned n = 0; n < 4 * 64 * 4 * 8; n++) {
            for (unsigned bit = 4; bit < 52; bit++) {
                good_ste(ste, 6);
                set(ste, 175, 174, n & 3);
                set(ste, 165, 160, n >> 2 & 63);
                set(ste, 167, 166, n >> 8 & 3);
                set(ste, 178, 176, n >> 10 & 7);
                set(ste, 243, 196, BIT(bit - 4));
                check_ste(ste, features[i]);
                valid += ref_ste_ok(ste, features[i]);
            }
        }
    }
    g_assert_cmpuint(valid, >, 10000);
}

/* CDs of substreams */

static void test_cd_index(void)
{
    Rand rand = rand_new();

    for (unsigned n = 0; n < rounds(100000); n++) {
        SMMUv3STE ste = {
            .config = rand_below(&rand, 2) ? 5 : 7,
            .s1fmt = rand_below(&rand, 3),
            .s1cdmax = rand_below(&rand, 21),
            .s1contextptr = rand64(&rand) & 0x00ffffffffffffc0ull,
        };
        uint32_t ssid = rand_below(&rand, 1u << ste.s1cdmax);
        unsigned l2 = ste.s1fmt == 2 ? 10 : 6;
        uint64_t ptr = ste.s1contextptr, l1cd = rand64(&rand), l2ptr, addr;
        bool linear = !ste.s1cdmax || !ste.s1fmt, two_level, ok;

        if (linear) {
            ptr = ste.s1cdmax ? clear_low(ptr, ste.s1cdmax + 5) : ptr;
            g_assert_cmphex(smmuv3_cd_index(&ste, ssid, &two_level), ==,
                            ptr + ssid * 64ull);
            g_assert_false(two_level);
            continue;
        }
        /* S1ContextPtr[S1CDMax - 4:6] or [S1CDMax - 8:6] are RES0. */
        if (ste.s1cdmax > l2 + 3) {
            ptr = clear_low(ptr, ste.s1cdmax - l2 + 2);
        }
        g_assert_cmphex(smmuv3_cd_index(&ste, ssid, &two_level), ==,
                        ptr + (ssid >> l2) * 8ull);
        g_assert_true(two_level);

        if (rand_below(&rand, 2)) {
            l1cd &= 0x00000fffffffffffull;
        }
        l2ptr = l1cd & 0x00fffffffffff000ull;
        ok = (l1cd & 1) && (ste.config == 7 || l2ptr < BIT(44));
        g_assert_cmpint(smmuv3_decode_l1cd(l1cd, &ste, &base_features, ssid,
                                           &addr), ==, ok);
        if (ok) {
            g_assert_cmphex(addr, ==, (l2 == 10 ? clear_low(l2ptr, 15) :
                                                  l2ptr) +
                                      ssid % (1u << l2) * 64ull);
        }
    }
}

/* CD */

static bool ref_ttb_ok(const uint64_t *cd, const SMMUv3Features *f, unsigned n)
{
    unsigned g = n ? tg1_bits(get(cd, 23, 22)) : tg0_bits(get(cd, 7, 6));
    unsigned tsz = n ? get(cd, 21, 16) : get(cd, 5, 0);
    uint64_t ttb = (n ? get(cd, 179, 132) : get(cd, 115, 68)) << 4;

    return get(cd, n ? 30 : 14, n ? 30 : 14) ||
           (g && tsz >= 16 && tsz <= 39 &&
            ttb < BIT(ps_bits(get(cd, 34, 32), f->oas_bits)));
}

static bool ref_cd_ok(const uint64_t *cd, const SMMUv3Features *f)
{
    bool ha = get(cd, 43, 43), hd = get(cd, 42, 42);
    bool epd0 = get(cd, 14, 14), epd1 = get(cd, 30, 30);

    if (!get(cd, 31, 31) || !get(cd, 41, 41) || !get(cd, 46, 46) ||
        get(cd, 44, 44)) {
        return false;
    }
    if (((ha || hd) && !f->httu) || (hd && f->httu == 1)) {
        return false;
    }
    if ((!epd0 || !epd1) && get(cd, 15, 15)) {
        return false;
    }
    return ref_ttb_ok(cd, f, 0) && ref_ttb_ok(cd, f, 1);
}

static void check_cd(const uint64_t *words, const SMMUv3Features *f)
{
    bool want = ref_cd_ok(words, f);
    SMMUv3CD cd;

    g_assert_cmpint(smmuv3_decode_cd(words, f, &cd), ==, want);
    if (!want) {
        return;
    }
    g_assert_cmphex(cd.asid, ==, get(words, 63, 48));
    g_assert_cmpint(cd.r, ==, get(words, 45, 45));
    g_assert_cmpint(cd.tbi, ==, get(words, 39, 38) != 0);
    for (unsigned n = 0; n < 2; n++) {
        bool epd = get(words, n ? 30 : 14, n ? 30 : 14);
        uint32_t flags = cd.ttb[n].flags;

        g_assert_cmpint(cd.ttb[n].disabled, ==, epd);
        if (epd) {
            continue;
        }
        g_assert_cmpint(cd.ttb[n].input_bits, ==,
                        64 - (n ? get(words, 21, 16) : get(words, 5, 0)));
        g_assert_cmpint(cd.ttb[n].output_bits, ==,
                        ps_bits(get(words, 34, 32), f->oas_bits));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_HPD), ==,
                        get(words, n ? 129 : 65, n ? 129 : 65));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_WXN), ==, get(words, 36, 36));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_PAN), ==, get(words, 40, 40));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_HA), ==, get(words, 43, 43));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_HD), ==, get(words, 42, 42));
        g_assert_cmpint(!!(flags & IOPT_ARMV8_AFFD), ==, get(words, 35, 35));
        g_assert_cmpint(cd.ttb[n].ignore_top, ==,
                        get(words, 38 + n, 38 + n) ? 8 : 0);
    }
}

static void good_cd(uint64_t *cd)
{
    memset(cd, 0, 64);
    set(cd, 5, 0, 25);
    set(cd, 21, 16, 16);
    set(cd, 23, 22, 2);             /* TG1: 4 KiB */
    set(cd, 31, 31, 1);
    set(cd, 34, 32, 4);
    set(cd, 41, 41, 1);
    set(cd, 45, 45, 1);
    set(cd, 46, 46, 1);
    set(cd, 63, 48, 0xabcd);
    set(cd, 115, 68, 0x40000000 >> 4);
    set(cd, 179, 132, 0x50000000 >> 4);
}

static void test_cd_bits(void)
{
    const SMMUv3Features *features[] = { &base_features, &all_features };
    uint64_t cd[8];

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        for (unsigned epd = 0; epd < 4; epd++) {
            good_cd(cd);
            set(cd, 14, 14, epd & 1);
            set(cd, 30, 30, epd >> 1);
            g_assert_true(ref_cd_ok(cd, features[i]));
            check_cd(cd, features[i]);
            for (unsigned bit = 0; bit < 512; bit++) {
                cd[bit / 64] ^= BIT(bit % 64);
                check_cd(cd, features[i]);
                cd[bit / 64] ^= BIT(bit % 64);
            }
        }
    }
}

/* A reserved IPS is as much as there can be, and then the OAS (3.4.1). */
static void test_cd_ips(void)
{
    const SMMUv3Features *features[] = { &base_features, &all_features };
    uint64_t cd[8];
    SMMUv3CD out;

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        for (unsigned ips = 0; ips < 8; ips++) {
            good_cd(cd);
            set(cd, 34, 32, ips);
            g_assert_true(smmuv3_decode_cd(cd, features[i], &out));
            g_assert_cmpuint(out.ttb[0].output_bits, ==,
                             ps_bits(ips, features[i]->oas_bits));
            g_assert_cmpuint(out.ttb[1].output_bits, ==,
                             ps_bits(ips, features[i]->oas_bits));
        }
    }
}

static void test_cd_random(void)
{
    Rand rand = rand_new();

    for (unsigned n = 0; n < rounds(200000); n++) {
        SMMUv3Features f = random_features(&rand);
        uint64_t cd[8];

        for (unsigned i = 0; i < 8; i++) {
            cd[i] = rand64(&rand);
        }
        if (rand_below(&rand, 16)) {
            set(cd, 5, 0, 14 + rand_below(&rand, 28));
            set(cd, 21, 16, 14 + rand_below(&rand, 28));
            set(cd, 15, 15, !rand_below(&rand, 8));
            set(cd, 31, 31, 1);
            set(cd, 41, 41, 1);
            set(cd, 44, 42, rand_below(&rand, 4));
            set(cd, 46, 46, 1);
            set(cd, 115, 68 + 28 + rand_below(&rand, 20), 0);
            set(cd, 179, 132 + 28 + rand_below(&rand, 20), 0);
        }
        check_cd(cd, &f);
    }
}

/* Commands */

static void test_cmd_opcodes(void)
{
    /* With both stages: legal, whatever the other fields are */
    static const uint8_t known[] = {
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x28,
        0x2a, 0x30, 0x40, 0x46,
    };
    static const uint8_t need_s1[] = { 0x05, 0x06, 0x10, 0x11, 0x12, 0x13 };
    static const uint8_t need_s2[] = { 0x28, 0x2a };
    const SMMUv3Features s1 = { .s1p = true, .oas_bits = 44 };
    const SMMUv3Features s2 = { .s2p = true, .oas_bits = 44 };
    SMMUv3Cmd cmd;

    for (unsigned op = 0; op < 256; op++) {
        uint64_t words[2] = { op, 0 };
        bool ok = memchr(known, op, sizeof(known));
        bool no_s1 = !memchr(need_s1, op, sizeof(need_s1));
        bool no_s2 = !memchr(need_s2, op, sizeof(need_s2));

        g_assert_cmpint(!smmuv3_decode_cmd(words, &all_features, &cmd), ==,
                        ok);
        g_assert_cmpint(cmd.op, ==, op);
        /* And these have no ATS. */
        g_assert_cmpint(!smmuv3_decode_cmd(words, &s1, &cmd), ==,
                        ok && no_s2 && op != 0x40);
        g_assert_cmpint(!smmuv3_decode_cmd(words, &s2, &cmd), ==,
                        ok && no_s1 && op != 0x40);
        /* SSec: only those with a StreamID have it (4.1.6). */
        words[0] |= BIT(10);
        g_assert_cmpint(!smmuv3_decode_cmd(words, &all_features, &cmd), ==,
                        ok && op >= 0x10 && op != 0x40);
        g_assert_nonnull(smmuv3_cmd_name(op));
    }
}

static void test_cmd_cfgi(void)
{
    SMMUv3Cmd cmd;

    for (unsigned range = 0; range < 32; range++) {
        uint64_t words[2] = { 0x12345678ull << 32 | 4, range };

        g_assert_null(smmuv3_decode_cmd(words, &base_features, &cmd));
        g_assert_cmphex(cmd.cfgi.sid, ==, 0x12345678);
        g_assert_cmphex(cmd.cfgi.mask, ==, (uint32_t)(BIT(range + 1) - 1));
        words[0] = 0x12345678ull << 32 | 3;
        g_assert_null(smmuv3_decode_cmd(words, &base_features, &cmd));
        g_assert_cmphex(cmd.cfgi.mask, ==, 0);
    }
}

/* log2 of the largest block of a granule of 1 << @g bytes */
static unsigned largest_block(unsigned g)
{
    return g == 12 ? 30 : g == 14 ? 25 : 29;
}

/*
 * Every encoding of a range, at addresses that need not be aligned; some of
 * them reach beyond the end of the address space.
 */
static void test_cmd_tlbi(void)
{
    static const uint8_t ops[] = { 0x12, 0x13, 0x2a };
    static const unsigned granules[] = { 0, 12, 14, 16 };
    unsigned wrapped = 0;
    Rand rand = rand_new();
    SMMUv3Cmd cmd;

    for (unsigned n = 0; n < 4 * 4 * 32 * 32 * 3 * 4; n++) {
        unsigned op = ops[n % 3], tg = n / 3 % 4, ttl = n / 12 % 4;
        unsigned num = n / 48 % 32, scale = n / 1536 % 32;
        unsigned g = granules[tg], eff = tg == 2 && ttl == 1 ? 0 : ttl;
        unsigned leaf_bits;
        uint64_t addr = rand64(&rand) & ~0xfffull, from, end, leaf;
        uint64_t words[2];
        const char *why;

        if (rand_below(&rand, 4) == 0) {
            addr |= ~0ull << rand_below(&rand, 52) << 12;
        }
        words[0] = op | num << 12 | scale << 20 | 0x4321ull << 32 |
                   0x9876ull << 48;
        words[1] = ttl << 8 | tg << 10 | addr;
        /* RES0 fields are ignored, and Leaf asks for less. */
        words[0] |= rand64(&rand) & 0xfe0e0f00u;
        words[1] |= rand64(&rand) & 0xff;
        why = smmuv3_decode_cmd(words, &base_features, &cmd);
        if (tg && !num && !scale && !eff) {
            g_assert_nonnull(why);
            continue;
        }
        g_assert_null(why);
        g_assert_cmphex(cmd.tlbi.vmid, ==, 0x4321);
        g_assert_cmphex(cmd.tlbi.asid, ==, 0x9876);
        g_assert_cmpint(cmd.tlbi.leaf, ==, words[1] & 1);
        from = op == 0x2a ? addr & 0x00ffffffffffffffull : addr;
        if (tg) {
            end = from + (((uint64_t)num + 1) << scale << g) - 1;
            leaf_bits = eff ? g + (3 - eff) * (g - 3) : largest_block(g);
        } else {
            /* One address, in an entry of any size */
            end = from;
            leaf_bits = 30;
        }
        if (end < from) {
            end = UINT64_MAX;
            wrapped++;
        }
        /* Whole entries of that level, and not more than the outermost two */
        leaf = 1ull << leaf_bits;
        g_assert_cmphex(cmd.tlbi.first, <=, from);
        g_assert_cmphex(from - cmd.tlbi.first, <, leaf);
        g_assert_cmphex(cmd.tlbi.first % leaf, ==, 0);
        g_assert_cmphex(cmd.tlbi.last, >=, end);
        g_assert_cmphex(cmd.tlbi.last - end, <, leaf);
        g_assert_cmphex(cmd.tlbi.last % leaf, ==, leaf - 1);
        /* Of a size that is not said, what holds one of these goes. */
        g_assert_cmpint(cmd.tlbi.named, ==, !tg || !eff);
        g_assert_cmphex(cmd.tlbi.named_first, ==, from);
        g_assert_cmphex(cmd.tlbi.named_last, ==, tg ? end : from | 0xfff);
    }
    g_assert_cmpuint(wrapped, >, 1000);
}

static void test_cmd_atc(void)
{
    const uint64_t addr = 0xfedcba9876543000ull;
    SMMUv3Cmd cmd;

    for (unsigned size = 0; size < 64; size++) {
        uint64_t words[2] = { 0x40 | 0xabcdeull << 12 | 0x1234ull << 32,
                              addr | size };
        uint64_t span = size < 52 ? (1ull << (12 + size)) - 1 : UINT64_MAX;

        g_assert_null(smmuv3_decode_cmd(words, &all_features, &cmd));
        g_assert_cmphex(cmd.atc.sid, ==, 0x1234);
        g_assert_false(cmd.atc.ssv);
        g_assert_cmphex(cmd.atc.first, ==, addr & ~span);
        g_assert_cmphex(cmd.atc.last, ==, addr | span);
        /* Global counts with a SubstreamID only. */
        words[0] |= BIT(9);
        smmuv3_decode_cmd(words, &all_features, &cmd);
        g_assert_false(cmd.atc.global);
        words[0] |= BIT(11);
        smmuv3_decode_cmd(words, &all_features, &cmd);
        g_assert_true(cmd.atc.global && cmd.atc.ssv);
        g_assert_cmphex(cmd.atc.ssid, ==, 0xabcde);
    }
}

static void test_cmd_sync(void)
{
    for (unsigned cs = 0; cs < 4; cs++) {
        uint64_t words[2] = { 0x46 | cs << 12 | 0xdeadbeefull << 32,
                              0xff12345678abcdefull };
        SMMUv3Cmd cmd;
        const char *why = smmuv3_decode_cmd(words, &all_features, &cmd);

        g_assert_cmpint(!why, ==, cs != 3);
        g_assert_cmpint(cmd.sync.cs, ==, cs);
        g_assert_cmphex(cmd.sync.msi_data, ==, cs == 1 ? 0xdeadbeef : 0);
        g_assert_cmphex(cmd.sync.msi_addr, ==,
                        cs == 1 ? 0x0012345678abcdecull : 0);
        smmuv3_decode_cmd(words, &base_features, &cmd);
        g_assert_cmphex(cmd.sync.msi_addr, ==, 0);
    }
}

/* Events: the fields that 7.3 gives each, and nothing else */

static void test_events(void)
{
    enum { SSV = 1, SSID = 2, FETCH = 4, ACCESS = 8, IPA = 16, INPUT = 32 };
    static const uint8_t fields[0x20] = {
        [0x02] = SSV, [0x03] = SSV | FETCH, [0x04] = SSV, [0x06] = SSV,
        [0x07] = INPUT,
        [0x08] = SSID, [0x09] = SSV | FETCH, [0x0a] = SSV,
        [0x0b] = SSV | ACCESS | FETCH,
        [0x10] = SSV | ACCESS | IPA, [0x11] = SSV | ACCESS | IPA,
        [0x12] = SSV | ACCESS | IPA, [0x13] = SSV | ACCESS | IPA,
    };
    Rand rand = rand_new();

    for (unsigned n = 0; n < 20000; n++) {
        uint64_t r = rand64(&rand), want[4] = { 0 }, words[4];
        SMMUv3Event e = {
            .type = n % 0x20, .class = r % 3, .ssv = r & 4, .pnu = r & 8,
            .ind = r & 16, .rnw = r & 32, .s2 = r & 64, .ttrnw = r & 128,
            .sid = rand64(&rand), .ssid = r >> 44, .addr = rand64(&rand),
            .addr2 = rand64(&rand),
        };
        uint8_t f = fields[e.type];

        if (!f) {
            continue;
        }
        want[0] = e.type | (uint64_t)e.sid << 32;
        if ((f & SSV) && e.ssv) {
            want[0] |= BIT(11) | (uint64_t)e.ssid << 12;
        }
        if (f & SSID) {
            want[0] |= (uint64_t)e.ssid << 12;
        }
        if (f & FETCH) {
            want[3] = e.addr2 & 0x00fffffffffffff8ull;
        }
        if (f & ACCESS) {
            want[1] = (uint64_t)e.class << 40 | (uint64_t)e.s2 << 39 |
                      (uint64_t)e.rnw << 35 | (uint64_t)e.ind << 34 |
                      (uint64_t)e.pnu << 33;
            want[2] = e.addr;
        }
        if (f & INPUT) {
            want[1] = (uint64_t)e.rnw << 35;
            want[2] = e.addr;
        }
        if (e.type == 0x13 && e.class == 1 && e.ttrnw) {
            want[1] |= BIT(44);
        }
        if ((f & IPA) && e.s2) {
            want[3] = e.addr2 & 0x00fffffffffff000ull;
        }
        smmuv3_encode_event(&e, words);
        g_assert_cmpmem(words, sizeof(words), want, sizeof(want));
        g_assert_nonnull(smmuv3_event_name(e.type));
    }
}

/* Queues */

static void test_queue(void)
{
    Rand rand = rand_new();

    for (unsigned log2size = 0; log2size < 20; log2size++) {
        unsigned size = 1u << log2size;
        uint32_t prod = 0x80000000u | rand_below(&rand, 2 * size), cons = prod;

        /* Once around, and twice, so that the wrap bit has both values */
        for (unsigned n = 0; n < 2; n++) {
            g_assert_true(smmuv3_queue_empty(prod, cons, log2size));
            for (unsigned i = 0; i < size; i++) {
                g_assert_false(smmuv3_queue_full(prod, cons, log2size));
                prod = smmuv3_queue_next(prod, log2size);
                g_assert_cmphex(prod & ~(2 * size - 1), ==, 0x80000000u);
                g_assert_false(smmuv3_queue_empty(prod, cons, log2size));
            }
            g_assert_true(smmuv3_queue_full(prod, cons, log2size));
            for (unsigned i = 0; i < size; i++) {
                cons = smmuv3_queue_next(cons, log2size);
            }
        }
        g_assert_cmphex(prod, ==, cons);
        /* Aligned to its size and to 32 bytes, cut off at the OAS */
        g_assert_cmphex(smmuv3_queue_entry(~0ull, size - 1, log2size, 4, 44),
                        ==, (clear_low(0x00000fffffffffffull,
                                       MAX(log2size + 3, 4)) +
                             (size - 1) * 16ull));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/smmuv3-decode/idr", test_idr);
    g_test_add_func("/smmuv3-decode/strtab", test_strtab);
    g_test_add_func("/smmuv3-decode/l1std", test_l1std);
    g_test_add_func("/smmuv3-decode/ste/bits", test_ste_bits);
    g_test_add_func("/smmuv3-decode/ste/aarch32", test_ste_aarch32);
    g_test_add_func("/smmuv3-decode/ste/random", test_ste_random);
    g_test_add_func("/smmuv3-decode/ste/stage2", test_ste_stage2);
    g_test_add_func("/smmuv3-decode/cd/index", test_cd_index);
    g_test_add_func("/smmuv3-decode/cd/bits", test_cd_bits);
    g_test_add_func("/smmuv3-decode/cd/ips", test_cd_ips);
    g_test_add_func("/smmuv3-decode/cd/random", test_cd_random);
    g_test_add_func("/smmuv3-decode/cmd/opcodes", test_cmd_opcodes);
    g_test_add_func("/smmuv3-decode/cmd/cfgi", test_cmd_cfgi);
    g_test_add_func("/smmuv3-decode/cmd/tlbi", test_cmd_tlbi);
    g_test_add_func("/smmuv3-decode/cmd/atc", test_cmd_atc);
    g_test_add_func("/smmuv3-decode/cmd/sync", test_cmd_sync);
    g_test_add_func("/smmuv3-decode/events", test_events);
    g_test_add_func("/smmuv3-decode/queue", test_queue);
    return g_test_run();
}
