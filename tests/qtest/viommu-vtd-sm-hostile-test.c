/*
 * VT-d, scalable mode: tables full of garbage, and tables that lead back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An x-sva-test sends untranslated requests, translation requests and page
 * requests, with and without PASID.  Nothing but faults may come of it, and
 * with everything set right again, everything works.  The garbage is the same
 * every time: GLib's generator with a fixed seed.
 */
#include "qemu/osdep.h"
#include "viommu-vtd-sm-sva.h"

#define ROUNDS      120
#define GARBAGE     32       /* pages of it, where pointers can lead */
#define WORDS       (VTD_PAGE_SIZE / 8)
#define MARK        0x58     /* as an entry: not present, and no FPD */
/* An entry of a first stage that lets everybody do everything */
#define OPEN        (VTD_FS_P | VTD_FS_W | VTD_FS_US | VTD_FS_A | VTD_FS_D)

typedef struct Chaos {
    SMSva *r;
    GRand *rand;
    uint64_t pages;
    uint64_t victim;         /* mapped by nobody */
} Chaos;

static uint64_t rand64(Chaos *c)
{
    return (uint64_t)g_rand_int(c->rand) << 32 | g_rand_int(c->rand);
}

/* A word that looks like an entry of some table now and then */
static uint64_t plausible(Chaos *c)
{
    uint64_t page = c->pages + g_rand_int_range(c->rand, 0, GARBAGE) *
                    VTD_PAGE_SIZE;

    switch (g_rand_int_range(c->rand, 0, 8)) {
    case 0:
        return rand64(c);
    case 1:
        return page | (rand64(c) & 0xfff);
    case 2:
        return page | OPEN | VTD_PTE_PS;
    case 3:
        return page | VTD_SM_P | VTD_SM_AW(4) |
               VTD_SM_PGTT(g_rand_int_range(c->rand, 0, 8));
    case 4:
        return g_rand_int_range(c->rand, 0, 0x10000);
    default:
        return page | OPEN;
    }
}

static void make_garbage(Chaos *c)
{
    g_autofree uint64_t *data = g_new(uint64_t, GARBAGE * WORDS);
    size_t i;

    for (i = 0; i < GARBAGE * WORDS; i++) {
        data[i] = plausible(c);
    }
    qtest_memwrite(c->r->vtd->qts, c->pages, data, GARBAGE * VTD_PAGE_SIZE);
}

static Chaos *chaos_new(VTDSMType type)
{
    Chaos *c = g_new0(Chaos, 1);

    c->r = sms_new(type, SMS_UNIT, "");
    c->rand = g_rand_new_with_seed(20100 + type);
    c->pages = vtd_alloc(c->r->vtd, GARBAGE);
    c->victim = vtd_alloc(c->r->vtd, 1);
    viommu_fill(c->r->vtd, c->victim, 0, VTD_PAGE_SIZE);
    sms_map(c->r, SMS_IOVA);
    return c;
}

/* All that the unit and the device have cached, with PASID and without */
static void forget(SMSva *r)
{
    const uint64_t all = INT64_MAX & ~(VTD_PAGE_SIZE - 1);

    sms_forget(r);
    vtd_queue_put(r->vtd, VTD_D_DEVPTLB | VTD_D_DEVPTLB_SID(SVA_SID),
                  all | VTD_D_DEVPTLB_S | VTD_D_DEVPTLB_G);
    sms_inv_start(r, VTD_D_DEVTLB | VTD_D_CC_SID(SVA_SID),
                  all | VTD_D_DEVTLB_S);
    sms_wait(r);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
}

static void chaos_end(Chaos *c)
{
    SMSva *r = c->r;

    forget(r);
    g_assert_true(viommu_is_filled(r->vtd, c->victim, 0, VTD_PAGE_SIZE));
    for (unsigned flags = 0; flags <= SVT_F_ATC; flags += SVT_F_ATC) {
        viommu_fill(r->vtd, r->page, 0, 8);
        g_assert_cmpint(sva_fill(r->sva, flags | SVT_F_PASID, SMS_PASID,
                                 SMS_IOVA, 8, MARK), ==, SVT_S_OK);
        g_assert_true(viommu_is_filled(r->vtd, r->page, MARK, 8));
    }
    g_rand_free(c->rand);
    sms_free(r);
    g_free(c);
}

/* The status is whatever it is; but there is one. */
static void request(Chaos *c, uint64_t iova)
{
    static const uint32_t kinds[] = {
        0, SVT_F_PASID, SVT_F_PASID | SVT_F_ATC, SVT_F_ATC,
        SVT_F_PASID | SVT_F_EXEC, SVT_F_PASID | SVT_F_PRIV | SVT_F_ATC,
    };
    uint32_t flags = kinds[g_rand_int_range(c->rand, 0, ARRAY_SIZE(kinds))];
    uint32_t pasid = g_rand_boolean(c->rand) ? SMS_PASID :
                     g_rand_int_range(c->rand, 0, 1 << 13);
    SMSva *r = c->r;
    VTDFault fault;

    sva_run(r->sva, g_rand_boolean(c->rand) ? SVT_C_FILL : SVT_C_COMPARE, flags,
            pasid, iova, iova, g_rand_int_range(c->rand, 1, 0x2000));
    sva_run(r->sva, SVT_C_MARKER, flags & SVT_F_PASID, pasid, 0, 0, 0);
    vtd_write64(r->vtd, VTD_PQH, vtd_read64(r->vtd, VTD_PQT));
    vtd_fault_take(r->vtd, 0, &fault);
}

static void access_somewhere(Chaos *c)
{
    request(c, SMS_IOVA);
    request(c, rand64(c) >> g_rand_int_range(c->rand, 0, 52));
}

/* One entry after the other: some of its words are garbage for a while. */
static void test_entries(const void *opaque)
{
    static const struct {
        VTDSMWhere where;
        unsigned words;
    } entries[] = {
        { IN_ROOT, 1 }, { IN_CONTEXT, 4 }, { IN_DIRECTORY, 1 }, { IN_ENTRY, 8 },
    };
    VTDSMType type = GPOINTER_TO_INT(opaque);
    Chaos *c = chaos_new(type);
    SMSva *r = c->r;

    for (int i = 0; i < ROUNDS; i++) {
        unsigned n = i % ARRAY_SIZE(entries);
        uint64_t at = vtd_sm_word(r->vtd, SVA_SID, &r->space, SMS_IOVA,
                                  entries[n].where, 0);
        uint64_t saved[8];

        make_garbage(c);
        qtest_memread(r->vtd->qts, at, saved, entries[n].words * 8);
        for (unsigned j = 0; j < entries[n].words; j++) {
            if (g_rand_boolean(c->rand)) {
                qtest_writeq(r->vtd->qts, at + j * 8, plausible(c));
            }
        }
        forget(r);
        access_somewhere(c);
        /* And what is behind it changes while it is cached */
        make_garbage(c);
        access_somewhere(c);
        qtest_memwrite(r->vtd->qts, at, saved, entries[n].words * 8);
    }
    chaos_end(c);
}

/* Nothing but @word in the page at @gpa */
static void repeat(SMSva *r, uint64_t gpa, uint64_t word)
{
    uint64_t data[WORDS];

    for (unsigned i = 0; i < WORDS; i++) {
        data[i] = word;
    }
    qtest_memwrite(r->vtd->qts, gpa, data, sizeof(data));
}

/*
 * Each kind of table in turn, with no entry but such that lead to itself, by
 * whatever bits: it is its own next one, and the one after that.
 */
static void test_loop(void)
{
    static const VTDSMWhere tables[] = {
        IN_ROOT, IN_CONTEXT, IN_DIRECTORY, IN_ENTRY, IN_FIRST_TOP,
    };
    static const uint64_t bits[] = {
        VTD_SM_P, OPEN, VTD_SM_P | VTD_SM_PGTT(1), VTD_SM_P | VTD_SM_PGTT(2),
        VTD_SM_P | VTD_SM_PGTT(3) | VTD_SM_AW(4), 0xfff,
    };
    Chaos *c = chaos_new(VTD_SM_NESTED);
    SMSva *r = c->r;

    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
        uint64_t table = vtd_sm_word(r->vtd, SVA_SID, &r->space, SMS_IOVA,
                                     tables[i], 0) & VTD_PTE_ADDR;
        uint8_t saved[VTD_PAGE_SIZE];

        qtest_memread(r->vtd->qts, table, saved, sizeof(saved));
        for (unsigned j = 0; j < ARRAY_SIZE(bits); j++) {
            repeat(r, table, table | bits[j]);
            forget(r);
            for (int k = 0; k < 4; k++) {
                access_somewhere(c);
            }
        }
        qtest_memwrite(r->vtd->qts, table, saved, sizeof(saved));
    }
    chaos_end(c);
}

/*
 * A page that is all of it, by different words: the PASID directory, the PASID
 * table, every level of the first stage, and what is mapped.  As good as any
 * other, until the device has written to it.
 */
static void test_itself(void)
{
    enum { DIR = 1, ENTRY = 2, PAGING = 300 };
    Chaos *c = chaos_new(VTD_SM_FIRST);
    SMSva *r = c->r;
    QTestState *qts = r->vtd->qts;
    uint64_t page = vtd_alloc(r->vtd, 1);
    uint64_t saved = qtest_readq(qts, r->context);
    uint64_t entry = vtd_sm_entry(r->vtd, SVA_SID, SMS_PASID);
    uint64_t iova = 0;
    uint32_t pasid = DIR << 6 | ENTRY;
    VTDFault fault;

    viommu_fill(r->vtd, page, 0, VTD_PAGE_SIZE);
    for (int i = 0; i < 8; i++) {
        qtest_writeq(qts, page + (ENTRY * 8 + i) * 8,
                     qtest_readq(qts, entry + i * 8));
    }
    sms_poke(r, page + (ENTRY * 8 + 2) * 8, VTD_PTE_ADDR, page);
    qtest_writeq(qts, page + DIR * 8, page | VTD_SM_P);
    qtest_writeq(qts, page + PAGING * 8, page | OPEN);
    for (int level = 0; level < 4; level++) {
        iova |= (uint64_t)PAGING << (12 + 9 * level);
    }
    /* Canonical */
    iova |= iova & 1ULL << 47 ? 0xffffULL << 48 : 0;
    sms_poke(r, r->context, VTD_PTE_ADDR, page);
    forget(r);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, pasid, iova + 0xff0, 16,
                             MARK), ==, SVT_S_OK);
    g_assert_true(viommu_is_filled(r->vtd, page + 0xff0, MARK, 16));
    vtd_assert_no_fault(r->vtd);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, pasid, iova, 0x1000, MARK),
                    ==, SVT_S_OK);
    forget(r);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, pasid, iova, 0x1000, 0),
                    ==, SVT_S_ERROR);
    g_assert_true(viommu_is_filled(r->vtd, page, MARK, VTD_PAGE_SIZE));
    g_assert_true(vtd_fault_take(r->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_S_DIR_P);
    qtest_writeq(qts, r->context, saved);
    chaos_end(c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/vtd-sm/hostile/first",
                        GINT_TO_POINTER(VTD_SM_FIRST), test_entries);
    qtest_add_data_func("/viommu/vtd-sm/hostile/nested",
                        GINT_TO_POINTER(VTD_SM_NESTED), test_entries);
    qtest_add_func("/viommu/vtd-sm/hostile/loop", test_loop);
    qtest_add_func("/viommu/vtd-sm/hostile/itself", test_itself);
    return g_test_run();
}
