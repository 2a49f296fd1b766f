/*
 * Tables and pointers full of garbage: nothing but faults may come of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The garbage is the same every time: GLib's generator with a fixed seed.
 */
#include "qemu/osdep.h"
#include "viommu-bench.h"

#define ROUNDS      60
#define GARBAGE     64       /* pages of it, where pointers can lead */

typedef struct Chaos {
    Bench *b;
    GRand *rand;
    uint64_t pages;
    uint64_t victim;         /* mapped by nobody */
} Chaos;

static uint64_t rand64(GRand *rand)
{
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

/* A word that looks like an entry now and then, leading to more of them */
static uint64_t plausible(Chaos *c)
{
    uint64_t page = c->pages + g_rand_int_range(c->rand, 0, GARBAGE) *
                    VTD_PAGE_SIZE;

    switch (g_rand_int_range(c->rand, 0, 6)) {
    case 0:
        return rand64(c->rand);
    case 1:
        return page | (rand64(c->rand) & 0xfff);
    case 2:
        return page | VTD_PTE_RW | VTD_PTE_PS;
    default:
        return page | VTD_PTE_RW;
    }
}

static void make_garbage(Chaos *c)
{
    size_t words = GARBAGE * VTD_PAGE_SIZE / 8, i;
    g_autofree uint64_t *data = g_new(uint64_t, words);

    for (i = 0; i < words; i++) {
        data[i] = plausible(c);
    }
    qtest_memwrite(c->b->vtd->qts, c->pages, data, words * 8);
}

static Chaos *chaos_new(const char *unit)
{
    Chaos *c = g_new0(Chaos, 1);

    c->b = bench_new(unit, 4, VTD_REGISTER, "");
    c->rand = g_rand_new_with_seed(20100);
    c->pages = vtd_alloc(c->b->vtd, GARBAGE);
    c->victim = vtd_alloc(c->b->vtd, 1);
    viommu_fill(c->b->vtd, c->victim, BENCH_BLANK, VTD_PAGE_SIZE);
    return c;
}

/* Everything set right again, everything works. */
static void chaos_end(Chaos *c)
{
    Bench *b = c->b;
    uint64_t page = vtd_alloc(b->vtd, 1);

    g_assert_true(viommu_is_filled(b->vtd, c->victim, BENCH_BLANK,
                                   VTD_PAGE_SIZE));
    vtd_reset(b->vtd);
    edu_free(b->edu);
    b->edu = edu_new(&b->vtd->unit, EDU_SID);
    vtd_attach(b->vtd, EDU_SID, &b->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(b->vtd, VTD_REGISTER);
    vtd_map(b->vtd, &b->dom, 0x6000000, page, 1, VTD_PTE_RW);
    bench_works(b, 0x6000000, page);
    bench_free(b);
    g_rand_free(c->rand);
    g_free(c);
}

static void access_somewhere(Chaos *c)
{
    uint64_t iova = rand64(c->rand) >> g_rand_int_range(c->rand, 0, 52);
    unsigned len = g_rand_int_range(c->rand, 1, 4097);
    VTDFault fault;

    if (g_rand_boolean(c->rand)) {
        edu_load(c->b->edu, iova, len);
    } else {
        edu_store(c->b->edu, iova, len);
    }
    vtd_fault_take(c->b->vtd, 0, &fault);
}

static void test_paging(void)
{
    Chaos *c = chaos_new("");
    int i, j;

    for (i = 0; i < ROUNDS; i++) {
        make_garbage(c);
        vtd_set_context(c->b->vtd, EDU_SID, c->pages | VTD_CTX_P |
                        VTD_CTX_FPD * g_rand_boolean(c->rand),
                        VTD_CTX_DID(BENCH_DID) |
                        VTD_CTX_AW(g_rand_int_range(c->rand, 3, 5)));
        vtd_inv_everything(c->b->vtd);
        for (j = 0; j < 10; j++) {
            access_somewhere(c);
        }
    }
    chaos_end(c);
}

static void test_context(void)
{
    Chaos *c = chaos_new("device-iotlb=on");
    int i;

    for (i = 0; i < 10 * ROUNDS; i++) {
        if (i % 20 == 0) {
            make_garbage(c);
        }
        vtd_set_context(c->b->vtd, EDU_SID, plausible(c), rand64(c->rand) &
                        rand64(c->rand) & rand64(c->rand));
        vtd_inv_everything(c->b->vtd);
        access_somewhere(c);
    }
    chaos_end(c);
}

static void test_root(void)
{
    Chaos *c = chaos_new("");
    int i;

    for (i = 0; i < 5 * ROUNDS; i++) {
        if (i % 20 == 0) {
            make_garbage(c);
        }
        vtd_set_root(c->b->vtd, i & 1 ? plausible(c) : rand64(c->rand));
        access_somewhere(c);
        /* And tables that change under a unit that caches them */
        make_garbage(c);
        access_somewhere(c);
        vtd_inv_everything(c->b->vtd);
    }
    chaos_end(c);
}

/* A table that is its own next level */
static void test_loop(void)
{
    Chaos *c = chaos_new("");
    uint64_t table = vtd_alloc(c->b->vtd, 1);
    int i;

    for (i = 0; i < 512; i++) {
        qtest_writeq(c->b->vtd->qts, table + i * 8, table | VTD_PTE_RW);
    }
    vtd_set_context(c->b->vtd, EDU_SID, table | VTD_CTX_P,
                    VTD_CTX_DID(BENCH_DID) | VTD_CTX_AW(4));
    vtd_inv_everything(c->b->vtd);
    for (i = 0; i < 20; i++) {
        access_somewhere(c);
    }
    chaos_end(c);
}

/* Tables and entries that lead to the unit's own registers, and to devices */
static void test_into_mmio(void)
{
    static const uint64_t places[] = { VTD_BASE, 0xfec00000, 0xe0000000,
                                       0xfed00000, 0xfee00000 };
    Chaos *c = chaos_new("");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        vtd_map(c->b->vtd, &c->b->dom, 0x6000000, places[i], 1, VTD_PTE_RW);
        vtd_inv_everything(c->b->vtd);
        edu_load(c->b->edu, 0x6000000, 64);
        edu_store(c->b->edu, 0x6000000, 8);
        vtd_set_context(c->b->vtd, EDU_SID, places[i] | VTD_CTX_P,
                        VTD_CTX_DID(BENCH_DID) | VTD_CTX_AW(4));
        vtd_inv_everything(c->b->vtd);
        access_somewhere(c);
        vtd_set_root(c->b->vtd, places[i]);
        access_somewhere(c);
        vtd_set_root(c->b->vtd, c->b->vtd->root);
        vtd_attach(c->b->vtd, EDU_SID, &c->b->dom, VTD_TT_UNTRANSLATED);
        vtd_inv_everything(c->b->vtd);
    }
    chaos_end(c);
}

static void test_interrupts(void)
{
    Chaos *c = chaos_new("intremap=on,eim=off");
    VTD *vtd = c->b->vtd;
    VTDFault fault;
    int i;

    vtd_gcmd(vtd, VTD_G_IRE, 0);
    for (i = 0; i < 5 * ROUNDS; i++) {
        if (i % 20 == 0) {
            make_garbage(c);
            vtd_write64(vtd, VTD_IRTA, i & 32 ? rand64(c->rand) : c->pages |
                        g_rand_int_range(c->rand, 0, 16));
            vtd_gcmd(vtd, VTD_G_SIRTP, 0);
        }
        edu_msi(c->b->edu, 0xfee00000 | (g_rand_int(c->rand) & 0xffffc),
                g_rand_int(c->rand));
        edu_raise(c->b->edu);
        vtd_fault_take(vtd, 0, &fault);
        edu_store(c->b->edu, 0xfee00000 | (g_rand_int(c->rand) & 0xfffff),
                  g_rand_int_range(c->rand, 1, 17));
        vtd_fault_take(vtd, 0, &fault);
    }
    chaos_end(c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vtd/hostile/paging", test_paging);
    qtest_add_func("/viommu/vtd/hostile/context", test_context);
    qtest_add_func("/viommu/vtd/hostile/root", test_root);
    qtest_add_func("/viommu/vtd/hostile/loop", test_loop);
    qtest_add_func("/viommu/vtd/hostile/into-mmio", test_into_mmio);
    qtest_add_func("/viommu/vtd/hostile/interrupts", test_interrupts);
    return g_test_run();
}
