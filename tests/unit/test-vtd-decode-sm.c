/*
 * Test the VT-d decoders of scalable mode's tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Expected values are literals, not vtd-spec.h's macros: a layout that is
 * wrong there must fail here.  Every bit of every entry is tested both ways: a
 * reserved bit refuses the entry and no other bit does.
 */
#include "qemu/osdep.h"
#include "../../hw/i386/vtd/vtd-decode.h"
#include "../../hw/i386/vtd/vtd-decode-sm.h"
#include "hw/iommu/viommu-fetch.h"
#include "test-common.h"

#define BIT(n) (1ULL << (n))

static const uint8_t widths[] = { 39, 48, 57 };

/* Bits of an address that a unit of @aw_bits does not have */
static uint64_t above(uint8_t aw_bits)
{
    return ~0ULL << MIN(aw_bits, 52);
}

/* CAP and ECAP */
#define SAGAW_39 BIT(9)
#define SAGAW_48 BIT(10)
#define SAGAW_57 BIT(11)
#define FS1GP BIT(56)
#define FS5LP BIT(60)
#define DT BIT(2)
#define PT BIT(6)
#define SC BIT(7)
#define NEST BIT(26)
#define PRS BIT(29)
#define SRS BIT(31)
#define EAFS BIT(34)
#define PASID BIT(40)
#define SSADS BIT(45)
#define SSTS BIT(46)
#define FSTS BIT(47)
#define SMPWC BIT(48)
#define RPS BIT(49)
#define RPRIVS BIT(53)

/* Root entry */

static void test_root(void)
{
    uint64_t table;

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        uint64_t reserved = above(aw) | 0xffe;
        uint64_t max = ~above(aw) & ~0xfffULL;

        for (unsigned devfn = 0; devfn < 256; devfn++) {
            bool upper = devfn >= 128;

            /* The other half does not matter. */
            g_assert_cmphex(vtd_decode_sm_root(upper ? ~0ULL : ~1ULL,
                                               upper ? ~1ULL : ~0ULL,
                                               devfn, aw, &table), ==, 0x39);
            g_assert_cmphex(vtd_decode_sm_root(upper ? ~0ULL : max | 1,
                                               upper ? max | 1 : ~0ULL,
                                               devfn, aw, &table), ==, 0);
            g_assert_cmphex(table, ==, max);
            g_assert_cmphex(VTD_SM_CONTEXT_OFFSET(devfn), ==,
                            (devfn % 128) * 32);
        }
        for (unsigned bit = 1; bit < 64; bit++) {
            int want = reserved & BIT(bit) ? 0x3a : 0;

            g_assert_cmphex(vtd_decode_sm_root(1 | BIT(bit), 0, 0, aw,
                                               &table), ==, want);
            g_assert_cmphex(vtd_decode_sm_root(0, 1 | BIT(bit), 255, aw,
                                               &table), ==, want);
        }
    }
}

/* Context entry */

static int context(uint64_t lo, uint64_t hi, uint8_t aw, uint64_t ecap,
                   VTDSMContext *c)
{
    const uint64_t words[4] = { lo, hi };

    return vtd_decode_sm_context(words, aw, ecap, c);
}

static void test_context_reserved(void)
{
    /* What is reserved unless the unit has this */
    static const struct {
        unsigned bit;
        uint64_t ecap;
    } features[] = {
        { 2, DT }, { 3, PASID }, { 4, PRS },
        { 64, RPS }, { 77, RPS }, { 83, RPS }, { 84, RPRIVS },
    };
    VTDSMContext c;

    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        uint64_t lo_reserved = above(aw) | 0x1e0;
        uint64_t hi_reserved = ~0ULL << 21;

        for (unsigned bit = 1; bit < 256; bit++) {
            uint64_t words[4] = { 1 | 7 << 9 };
            int want = bit >= 128 ? 0x42 :
                       (bit >= 64 ? hi_reserved >> (bit - 64) :
                        lo_reserved >> bit) & 1 ? 0x42 : 0;

            words[bit / 64] |= BIT(bit % 64);
            /* PRE alone is no reserved bit, but a contradiction. */
            g_assert_cmphex(vtd_decode_sm_context(words, aw, ~0ULL, &c),
                            ==, bit == 4 ? 0x43 : want);
        }
        for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
            uint64_t words[4] = { 1 | 7 << 9 };

            words[features[i].bit / 64] |= BIT(features[i].bit % 64);
            g_assert_cmphex(vtd_decode_sm_context(words, aw, features[i].ecap,
                                                  &c), ==,
                            features[i].ecap == PRS ? 0x43 : 0);
            g_assert_cmphex(vtd_decode_sm_context(words, aw,
                                                  ~features[i].ecap, &c),
                            ==, 0x42);
        }
    }
}

static void test_context_fields(void)
{
    VTDSMContext c;

    /* FPD counts in an entry that is not present or not valid. */
    g_assert_cmphex(context(2, 0, 48, ~0ULL, &c), ==, 0x41);
    g_assert_true(c.fpd);
    g_assert_cmphex(context(0, ~0ULL, 48, ~0ULL, &c), ==, 0x41);
    g_assert_false(c.fpd);
    g_assert_cmphex(context(~1ULL, ~0ULL, 48, 0, &c), ==, 0x41);
    g_assert_cmphex(context(3 | 0x20, 0, 48, ~0ULL, &c), ==, 0x42);
    g_assert_true(c.fpd);

    /* Every field at its largest */
    g_assert_cmphex(context(0x0000ffffffffde1fULL, 0x1fffffULL, 48, ~0ULL,
                            &c), ==, 0);
    g_assert_true(c.fpd && c.dte && c.paside && c.pre && c.rid_priv);
    g_assert_cmphex(c.rid_pasid, ==, 0xfffff);
    g_assert_cmphex(c.pasids, ==, 1 << 20);
    g_assert_cmphex(c.pasiddirptr, ==, 0x0000ffffffffd000ULL);

    /* Each flag alone */
    for (unsigned bit = 2; bit <= 4; bit++) {
        g_assert_cmphex(context(1 | BIT(bit), 0, 48, ~0ULL, &c), ==,
                        bit == 4 ? 0x43 : 0);
        g_assert_cmpint(c.dte, ==, bit == 2);
        g_assert_cmpint(c.paside, ==, bit == 3);
        g_assert_cmpint(c.pre, ==, bit == 4);
        g_assert_false(c.fpd || c.rid_priv);
    }

    /* RID_PASID must be in the directory; reserved bits are seen first. */
    for (unsigned pdts = 0; pdts < 8; pdts++) {
        uint32_t pasids = 1u << (pdts + 13);

        g_assert_cmphex(context(1 | pdts << 9, pasids - 1, 48, ~0ULL, &c),
                        ==, 0);
        g_assert_cmphex(c.pasids, ==, pasids);
        g_assert_cmphex(c.rid_pasid, ==, pasids - 1);
        if (pdts < 7) {
            g_assert_cmphex(context(1 | pdts << 9, pasids, 48, ~0ULL, &c),
                            ==, 0x43);
            g_assert_cmphex(context(1 | 0x20 | pdts << 9, pasids, 48, ~0ULL,
                                    &c), ==, 0x42);
            g_assert_cmphex(context(1 | pdts << 9, pasids, 48, ~RPS, &c),
                            ==, 0x42);
        }
    }
}

/*
 * PASIDs: an ordinary one, beyond the directory, RID_PASID, beyond PSS, which
 * is 11 bits
 */
static const struct {
    uint32_t pasid;
    int want, want_of_page;
} request_pasids[] = {
    { 0x7ff, 0, 0 }, { 1 << 13, 0x46, 0x46 }, { 0x234, 0x48, 0x48 },
    { 0x800, 0x89, 0 },
};

static void test_request(void)
{
    for (unsigned i = 0; i < 1 << 10; i++) {
        VTDSMContext c = {
            .dte = i & 1, .paside = i & 2, .pre = i & 4, .rid_priv = i & 8,
            .rid_pasid = 0x234, .pasids = 1 << 13,
        };
        unsigned what = i >> 4 & 3, which = i >> 8 & 3;
        VTDSMRequest req = {
            .translation = what == 1, .translated = what == 2,
            .page = what == 3, .has_pasid = i & 0x40,
            .pasid = i & 0x40 ? request_pasids[which].pasid : 0,
            .priv = i & 0x80,
        };
        bool priv = req.has_pasid ? req.priv : c.rid_priv;
        uint32_t pasid = req.has_pasid ? req.pasid : 0x234;
        int want = (what == 1 || what == 2) && !c.dte ? 0x44 :
                   what == 3 && !c.pre ? 0x47 :
                   !req.has_pasid ? 0 : !c.paside ? 0x45 :
                   what == 3 ? request_pasids[which].want_of_page :
                   request_pasids[which].want;

        g_assert_cmphex(vtd_check_sm_request(&c, 10ULL << 35, &req), ==,
                        want);
        if (!want) {
            g_assert_cmphex(req.pasid, ==, pasid);
            g_assert_cmpint(req.priv, ==, priv);
        }
    }
}

/* PASID directory entry */

static void test_pasid_dir(void)
{
    uint64_t table;
    bool fpd;

    g_assert_cmphex(vtd_decode_pasid_dir(~1ULL, 48, &fpd, &table), ==, 0x51);
    g_assert_true(fpd);
    g_assert_cmphex(vtd_decode_pasid_dir(~3ULL, 48, &fpd, &table), ==, 0x51);
    g_assert_false(fpd);
    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        uint64_t reserved = above(aw) | 0xffc;
        uint64_t max = ~above(aw) & ~0xfffULL;

        g_assert_cmphex(vtd_decode_pasid_dir(max | 1, aw, &fpd, &table),
                        ==, 0);
        g_assert_cmphex(table, ==, max);
        for (unsigned bit = 1; bit < 64; bit++) {
            g_assert_cmphex(vtd_decode_pasid_dir(1 | BIT(bit), aw, &fpd,
                                                 &table),
                            ==, reserved & BIT(bit) ? 0x52 : 0);
            g_assert_cmpint(fpd, ==, bit == 1);
        }
    }
    g_assert_cmphex(VTD_PASID_DIR_OFFSET(0xfffff), ==, 0x1fff8);
    g_assert_cmphex(VTD_PASID_DIR_OFFSET(0x3f), ==, 0);
    g_assert_cmphex(VTD_PASID_DIR_OFFSET(0x40), ==, 8);
    g_assert_cmphex(VTD_PASID_OFFSET(0xfffff), ==, 0xfc0);
    g_assert_cmphex(VTD_PASID_OFFSET(0x41), ==, 0x40);
}

/* PASID table entry */

/* A valid entry of each type; AW 48 bits, 4 levels */
static void pasid_words(uint64_t words[8], unsigned pgtt)
{
    memset(words, 0, 8 * sizeof(words[0]));
    words[0] = 1 | 2 << 2 | pgtt << 6;
}

static void test_pasid_reserved(void)
{
    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        uint8_t aw = widths[w];
        const uint64_t reserved[8] = {
            above(aw) | 0xc20, 0x7f0000, above(aw) | 0xf02,
            ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL,
        };

        for (unsigned pgtt = 1; pgtt <= 4; pgtt++) {
            for (unsigned bit = 1; bit < 512; bit++) {
                uint64_t words[8];
                VTDPASIDEntry e;
                bool is_reserved = reserved[bit / 64] >> bit % 64 & 1;
                /* AW is 48: see test_pasid_top(). */
                bool far = pgtt == 3 && bit >= 128 + 48 && bit < 192;

                /* Other values of PGTT, AW and FSPM are not valid. */
                if ((bit >= 2 && bit <= 8 && bit != 5) ||
                    bit == 130 || bit == 131) {
                    continue;
                }
                pasid_words(words, pgtt);
                words[bit / 64] |= BIT(bit % 64);
                g_assert_cmphex(vtd_decode_pasid(words, aw, ~0ULL, ~0ULL, &e),
                                ==, is_reserved ? 0x5a : far ? 0x5b : 0);
                g_assert_cmpint(e.fpd, ==, bit == 1);
            }
        }
    }
}

static void test_pasid_features(void)
{
    /* What is reserved unless the unit has this, whatever PGTT is */
    static const struct {
        unsigned first, last;
        uint64_t ecap;
    } features[] = {
        { 9, 9, SSADS }, { 12, 51, SSTS }, { 87, 87, SMPWC }, { 88, 88, SC },
        { 128, 128, SRS }, { 135, 135, EAFS }, { 130, 131, FSTS },
        { 132, 132, FSTS }, { 140, 179, FSTS },
    };

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        for (unsigned bit = features[i].first; bit <= features[i].last;
             bit++) {
            uint64_t words[8];
            VTDPASIDEntry e;

            /* Pass-through, which needs none of them */
            pasid_words(words, 4);
            words[bit / 64] |= BIT(bit % 64);
            g_assert_cmphex(vtd_decode_pasid(words, 57, ~0ULL, ~0ULL, &e),
                            ==, 0);
            g_assert_cmphex(vtd_decode_pasid(words, 57, ~0ULL,
                                             ~features[i].ecap, &e),
                            ==, 0x5a);
        }
    }
    /* What belongs to requests, or to all stages, is not the first stage's. */
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned bits[] = { 128, 133, 134 };
        uint64_t words[8];
        VTDPASIDEntry e;

        pasid_words(words, 4);
        words[2] |= BIT(bits[i] - 128);
        g_assert_cmphex(vtd_decode_pasid(words, 57, ~0ULL, ~FSTS, &e), ==, 0);
    }
}

/* Nested, the top table is at an address that the second stage can have. */
static void test_pasid_top(void)
{
    for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
        for (unsigned aw = 1; aw <= 3; aw++) {
            unsigned width = MIN(30 + 9 * aw, widths[w]);

            for (unsigned bit = 12; bit < MIN(widths[w], 52); bit++) {
                for (unsigned pgtt = 1; pgtt <= 4; pgtt++) {
                    uint64_t words[8];
                    VTDPASIDEntry e;

                    pasid_words(words, pgtt);
                    words[0] = 1 | aw << 2 | pgtt << 6;
                    words[2] |= BIT(bit);
                    g_assert_cmphex(vtd_decode_pasid(words, widths[w], ~0ULL,
                                                     ~0ULL, &e), ==,
                                    pgtt == 3 && bit >= width ? 0x5b : 0);
                }
            }
        }
    }
}

static void test_pasid_valid(void)
{
    static const uint64_t need[8] = {
        [1] = FSTS, [2] = SSTS, [3] = FSTS | SSTS | NEST, [4] = PT,
    };

    for (unsigned i = 0; i < 1 << 8; i++) {
        unsigned pgtt = i & 7, aw = i >> 3 & 7, fspm = i >> 6;
        bool first = pgtt == 1 || pgtt == 3, second = pgtt == 2 || pgtt == 3;
        uint64_t all_but = ~need[pgtt];
        uint64_t words[8];
        VTDPASIDEntry e;

        pasid_words(words, pgtt);
        words[0] = 1 | aw << 2 | pgtt << 6;
        words[2] = fspm << 2;
        /* With one width alone */
        for (unsigned sagaw = 0; sagaw < 5; sagaw++) {
            /* No 6 levels, even in a unit that says it has them */
            bool fits = aw == sagaw && aw <= 3;
            bool ok = need[pgtt] && (!second || fits) && (!first || fspm <= 1);

            g_assert_cmphex(vtd_decode_pasid(words, 48, BIT(8 + sagaw) | FS5LP,
                                             ~0ULL, &e), ==, ok ? 0 : 0x5b);
            g_assert_true(!e.why == ok);
            g_assert_true(ok || g_str_has_prefix(e.why, !need[pgtt] ? "PGTT " :
                                                 second && !fits ? "AW " :
                                                                   "FSPM "));
            if (ok && second) {
                g_assert_cmpuint(e.ss_levels, ==, aw + 2);
            }
            if (ok && first) {
                g_assert_cmpuint(e.fs_levels, ==, fspm + 4);
            }
        }
        if (first && fspm == 1) {
            g_assert_cmphex(vtd_decode_pasid(words, 48, ~FS5LP, ~0ULL, &e),
                            ==, 0x5b);
        }
        /* What PGTT asks for, one by one */
        for (unsigned bit = 0; bit < 64; bit++) {
            int want;

            if (all_but & BIT(bit)) {
                continue;
            }
            words[0] = 1 | 2 << 2 | pgtt << 6;
            words[2] = 0;
            want = vtd_decode_pasid(words, 48, ~0ULL, ~BIT(bit), &e);
            g_assert_cmphex(want, ==, 0x5b);
            want = vtd_decode_pasid(words, 48, ~0ULL, need[pgtt], &e);
            g_assert_cmphex(want, ==, 0);
        }
    }
}

static void test_pasid_fields(void)
{
    uint64_t words[8] = {
        0x0000ffffffffd2cfULL,       /* AW 3, nested, SSADE */
        0xffffffffff80beefULL,       /* memory types are ignored */
        0x0000ffffffffe0f5ULL,       /* NXE and SMEP are ignored */
    };
    VTDPASIDEntry e;

    g_assert_cmphex(vtd_decode_pasid(words, 48, ~0ULL, ~0ULL, &e), ==, 0);
    g_assert_true(e.fpd && e.ssade && e.pwsnp && e.pgsnp);
    g_assert_true(e.sre && e.wpe && e.eafe);
    g_assert_cmpuint(e.pgtt, ==, 3);
    g_assert_cmpuint(e.ss_levels, ==, 5);
    g_assert_cmpuint(e.fs_levels, ==, 5);
    g_assert_cmphex(e.did, ==, 0xbeef);
    g_assert_cmphex(e.ssptptr, ==, 0x0000ffffffffd000ULL);
    g_assert_cmphex(e.fsptptr, ==, 0x0000ffffffffe000ULL);

    /* Each flag alone */
    static const struct {
        unsigned bit;
        size_t field;
    } flags[] = {
        { 1, offsetof(VTDPASIDEntry, fpd) },
        { 9, offsetof(VTDPASIDEntry, ssade) },
        { 87, offsetof(VTDPASIDEntry, pwsnp) },
        { 88, offsetof(VTDPASIDEntry, pgsnp) },
        { 128, offsetof(VTDPASIDEntry, sre) },
        { 132, offsetof(VTDPASIDEntry, wpe) },
        { 135, offsetof(VTDPASIDEntry, eafe) },
    };

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        pasid_words(words, 3);
        words[flags[i].bit / 64] |= BIT(flags[i].bit % 64);
        g_assert_cmphex(vtd_decode_pasid(words, 48, ~0ULL, ~0ULL, &e), ==, 0);
        for (size_t j = 0; j < ARRAY_SIZE(flags); j++) {
            g_assert_cmpint(*(bool *)((char *)&e + flags[j].field), ==, i == j);
        }
    }
}

static void test_pasid_request(void)
{
    for (unsigned i = 0; i < 1 << 6; i++) {
        VTDPASIDEntry e = { .pgtt = i & 7, .sre = i & 8 };
        VTDSMRequest req = { .exec = i & 0x10, .priv = i & 0x20 };
        int want = req.exec ? 0x5c : req.priv && !e.sre ? 0x5d : 0;

        g_assert_cmphex(vtd_check_pasid_request(&e, &req), ==, want);
    }
}

/*
 * What an entry's writer leaves in memory on the way from one entry to another
 * is the old one, the new one, or not present: never a third.
 */

typedef struct Answer {
    int reason;
    VTDPASIDEntry entry;
} Answer;

static Answer pasid_answer(const uint64_t words[8])
{
    Answer a = { 0 };

    a.reason = vtd_decode_pasid(words, 48, ~0ULL, ~0ULL, &a.entry);
    if (a.reason == 0x59) {
        /* FPD may be the old or the new one's. */
        a.entry = (VTDPASIDEntry) { 0 };
    }
    return a;
}

static void check_pasid_state(const uint64_t state[8], const uint64_t from[8],
                              const uint64_t to[8])
{
    Answer is = pasid_answer(state), was = pasid_answer(from);
    Answer will = pasid_answer(to);

    g_assert_true(is.reason == 0x59 ||
                  memcmp(&is, &was, sizeof(is)) == 0 ||
                  memcmp(&is, &will, sizeof(is)) == 0);
}

/* Words in a random order, of which word 0 comes last */
static void store_words(Rand *r, uint64_t state[8], const uint64_t from[8],
                        const uint64_t to[8])
{
    unsigned left = 0xfe;

    while (left) {
        unsigned i = rand_below(r, 8);

        if (left & 1u << i) {
            left &= ~(1u << i);
            state[i] = to[i];
            check_pasid_state(state, from, to);
        }
    }
    state[0] = to[0];
    check_pasid_state(state, from, to);
}

static void random_pasid(Rand *r, uint64_t words[8])
{
    pasid_words(words, 1 + rand_below(r, 4));
    words[0] |= (rand64(r) & 0x0000fffffffff202ULL);
    words[1] = rand64(r) & 0xffffffffff80ffffULL;
    words[2] = rand64(r) & 0x0000fffffffff0f5ULL;
}

static void test_pasid_writers(void)
{
    const uint64_t none[8] = { 0 };
    Rand r = rand_new();

    for (unsigned round = 0; round < rounds(2000); round++) {
        uint64_t from[8], to[8], state[8];

        random_pasid(&r, from);
        random_pasid(&r, to);

        /* Made from nothing: P with the last word that is written */
        memcpy(state, none, sizeof(state));
        store_words(&r, state, none, from);

        /* P is cleared first, then all of it, then it is made again. */
        state[0] &= ~1ULL;
        check_pasid_state(state, from, none);
        store_words(&r, state, from, none);
        store_words(&r, state, none, to);

        /* P is cleared, the rest is not: set up at once over what is left. */
        state[0] &= ~1ULL;
        check_pasid_state(state, to, none);
        store_words(&r, state, to, from);

        /* Torn down with FPD left behind */
        state[0] = 2;
        check_pasid_state(state, from, none);
        store_words(&r, state, from, none);
    }
}

/* The same, read word by word while it is being written */

typedef struct Writer {
    Rand *r;
    uint64_t memory[8];
    struct {
        unsigned word;
        uint64_t value;
    } step[8];
    unsigned next, num;
} Writer;

static bool writer_read(void *opaque, uint64_t addr, uint64_t *value)
{
    Writer *w = opaque;

    while (w->next < w->num && rand_below(w->r, 3) == 0) {
        w->memory[w->step[w->next].word] = w->step[w->next].value;
        w->next++;
    }
    *value = w->memory[addr / 8];
    return true;
}

/* @from becomes @to: word 0 first or last, the others in any order */
static void writer_start(Writer *w, Rand *r, const uint64_t from[8],
                         const uint64_t to[8], unsigned words, bool p_first)
{
    unsigned left = (1u << words) - 2, n = p_first;

    *w = (Writer) { .r = r, .num = words };
    memcpy(w->memory, from, 8 * words);
    while (left) {
        unsigned i = 1 + rand_below(r, words - 1);

        if (left & 1u << i) {
            left &= ~(1u << i);
            w->step[n].word = i;
            w->step[n++].value = to[i];
        }
    }
    w->step[p_first ? 0 : words - 1].value = to[0];
}

static void random_context(Rand *r, uint64_t words[8])
{
    memset(words, 0, 8 * sizeof(words[0]));
    words[0] = (rand64(r) & 0x0000fffffffff01eULL) | 1 | 7 << 9;
    words[1] = rand64(r) & 0x1fffff;
}

static void context_answer(const uint64_t words[8], int *reason,
                           VTDSMContext *c)
{
    memset(c, 0, sizeof(*c));
    *reason = vtd_decode_sm_context(words, 48, ~0ULL, c);
}

static void check_context_state(const uint64_t state[8],
                                const uint64_t whole[8])
{
    VTDSMContext is, was;
    int reason, unused;

    context_answer(state, &reason, &is);
    context_answer(whole, &unused, &was);
    g_assert_true(reason == 0x41 || memcmp(&is, &was, sizeof(is)) == 0);
}

static void test_readers(void)
{
    const uint64_t none[8] = { 0 };
    Rand r = rand_new();

    for (unsigned round = 0; round < rounds(20000); round++) {
        unsigned words = round % 3 ? 8 : 4;
        uint64_t entry[8], left[8], read[8] = { 0 };
        Writer w;
        const IOPTMem mem = { .read = writer_read, .opaque = &w };
        bool make = rand_below(&r, 2);

        if (words == 8) {
            random_pasid(&r, entry);
            random_pasid(&r, left);
        } else {
            random_context(&r, entry);
            random_context(&r, left);
        }
        /* Made over what another one left, or from nothing; or torn down */
        left[0] &= rand_below(&r, 2) ? ~1ULL : 2;
        writer_start(&w, &r, make ? left : entry, make ? entry : none, words,
                     !make);
        g_assert_true(viommu_fetch(&mem, 0, read, words));
        if (words == 8) {
            check_pasid_state(read, entry, none);
        } else {
            check_context_state(read, entry);
        }
    }
}

/* Fault reasons */

/* What a second stage does not let be done with a first stage's entry */
static void test_table_rights(void)
{
    const VTDPASIDEntry entry = {
        .pgtt = 3, .ss_levels = 4, .fs_levels = 4, .fsptptr = 0x5000,
    };
    static const struct {
        unsigned perm;
        bool write;
        uint64_t ipa;
        int want;
    } way[] = {
        { IOPT_WRITE, false, 0x5ff8, 0x75 },
        { IOPT_WRITE, false, 0x6000, 0x76 },
        { IOPT_READ, true, 0x5ff8, 0x77 },
        { IOPT_READ, true, 0x6000, 0x77 },
        /* Neither right: an entry that is not there, whoever asks */
        { 0, false, 0x5ff8, 0x79 },
        { 0, true, 0x6000, 0x79 },
    };
    IOPTSpace space = { .attrs = 0 };

    vtd_pasid_space(&entry, 48, ~0ULL, ~0ULL, &space);
    for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
        const IOPTResult res = {
            .second = true, .on_table = true, .level = 1, .ipa = way[i].ipa,
            .perm = way[i].perm, .table_write = way[i].write,
        };

        g_assert_cmphex(vtd_sm_walk_fault(&space, IOPT_FAULT_PERMISSION, &res,
                                          false), ==, way[i].want);
    }
}

static void test_qualified(void)
{
    static const uint8_t qualified[] = {
        0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x51, 0x52,
        0x59, 0x5a, 0x5b, 0x5c, 0x5d,
        0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77,
        0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d,
        0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x89, 0x90, 0x91,
    };

    for (unsigned reason = 0x30; reason < 256; reason++) {
        bool want = memchr(qualified, reason, sizeof(qualified));

        g_assert_cmpint(vtd_fault_is_qualified(reason), ==, want);
    }
}

/* 7.1.3, the columns of translation requests */
static void test_ats_answer(void)
{
    static const struct {
        VTDATSAnswer answer;
        uint8_t reasons[40];
    } table[] = {
        { VTD_ATS_NO_RIGHTS, {
            0x4, 0x5, 0x6, 0x51, 0x59, 0x5c, 0x5d, 0x70, 0x71, 0x72, 0x73,
            0x74, 0x75, 0x76, 0x77, 0x79, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86,
            0x90 } },
        { VTD_ATS_NO_RIGHTS_FAULT, { 0x91 } },
        { VTD_ATS_UR, {
            0x1, 0x2, 0xd, 0x31, 0x39, 0x41, 0x44, 0x45, 0x46, 0x47, 0x48,
            0x89 } },
        { VTD_ATS_CA, {
            0x3, 0x7, 0x8, 0x9, 0xa, 0xb, 0xc, 0xe, 0x30, 0x38, 0x3a, 0x40,
            0x42, 0x43, 0x50, 0x52, 0x58, 0x5a, 0x5b, 0x78, 0x7a, 0x7b, 0x7c,
            0x7d, 0x87 } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        for (const uint8_t *r = table[i].reasons; *r; r++) {
            g_test_message("reason %02x", *r);
            g_assert_cmpint(vtd_ats_answer(*r), ==, table[i].answer);
        }
    }
}

static void test_fault_record(void)
{
    VTDFaultRecord f = { .sid = 0xabcd, .reason = VTD_FR_SM_USER,
                         .addr = 0x123456789abcdfffULL, .pasid = 0xfffff,
                         .exec = true, .priv = true };
    uint64_t lo, hi;

    /* Without PASID nothing that belongs to one */
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(lo, ==, 0x123456789abcd000ULL);
    g_assert_cmphex(hi, ==, 0x000000810000abcdULL);
    f.has_pasid = true;
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x0fffff81e000abcdULL);
    f.pasid = 0x12345;
    f.exec = false;
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x01234581a000abcdULL);
    f.exec = true;
    f.priv = false;
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x01234581c000abcdULL);

    /* T1, T2 and AT; F is the register's */
    f = (VTDFaultRecord) { .read = true };
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x4000000000000000ULL);
    f = (VTDFaultRecord) { .page = true };
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x0000000010000000ULL);
    f = (VTDFaultRecord) { .at = 2 };
    vtd_encode_fault(&f, &lo, &hi);
    g_assert_cmphex(hi, ==, 0x2000000000000000ULL);
}

static void test_page_request(void)
{
    VTDPageRequest req = { .sid = 0xabcd, .pasid = 0x54321, .exec = true,
                           .priv = true, .prgi = 0x1ff,
                           .addr = 0xfffffffffffff000ULL };
    uint64_t w[4] = { 1, 1, 1, 1 };

    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[0], ==, 0xabcd0001ULL);
    g_assert_cmphex(w[1], ==, 0xfffffffffffffff8ULL);
    g_assert_cmphex(w[2] | w[3], ==, 0);
    req.has_pasid = true;
    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[0], ==, 0x00354321abcd0101ULL);
    req.priv = false;
    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[0], ==, 0x00154321abcd0101ULL);

    req = (VTDPageRequest) { .read = true };
    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[1], ==, 1);
    req = (VTDPageRequest) { .write = true };
    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[1], ==, 2);
    req = (VTDPageRequest) { .last = true, .addr = 0x1fff, .prgi = 0x201 };
    vtd_encode_page_request(&req, w);
    g_assert_cmphex(w[1], ==, 0x100c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vtd-decode-sm/root", test_root);
    g_test_add_func("/vtd-decode-sm/context/reserved", test_context_reserved);
    g_test_add_func("/vtd-decode-sm/context/fields", test_context_fields);
    g_test_add_func("/vtd-decode-sm/context/request", test_request);
    g_test_add_func("/vtd-decode-sm/pasid-dir", test_pasid_dir);
    g_test_add_func("/vtd-decode-sm/pasid/reserved", test_pasid_reserved);
    g_test_add_func("/vtd-decode-sm/pasid/features", test_pasid_features);
    g_test_add_func("/vtd-decode-sm/pasid/top", test_pasid_top);
    g_test_add_func("/vtd-decode-sm/pasid/valid", test_pasid_valid);
    g_test_add_func("/vtd-decode-sm/pasid/fields", test_pasid_fields);
    g_test_add_func("/vtd-decode-sm/pasid/request", test_pasid_request);
    g_test_add_func("/vtd-decode-sm/pasid/writers", test_pasid_writers);
    g_test_add_func("/vtd-decode-sm/readers", test_readers);
    g_test_add_func("/vtd-decode-sm/table-rights", test_table_rights);
    g_test_add_func("/vtd-decode-sm/qualified", test_qualified);
    g_test_add_func("/vtd-decode-sm/ats-answer", test_ats_answer);
    g_test_add_func("/vtd-decode-sm/fault-record", test_fault_record);
    g_test_add_func("/vtd-decode-sm/page-request", test_page_request);
    return g_test_run();
}
