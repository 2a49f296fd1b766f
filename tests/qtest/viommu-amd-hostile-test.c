/*
 * AMD-Vi: tables, commands and registers full of garbage: nothing but events
 * may come of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The garbage is the same every time: GLib's generator with a fixed seed.
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-edu.h"

#define ROUNDS      60
#define GARBAGE     64       /* pages of it, where pointers can lead */
#define IOVA        0x40200000ULL
#define BLANK       0x11
#define MARK        0xc7
#define LEN         64

typedef struct Chaos {
    AMD *amd;
    Edu *edu;
    AMDDomain dom;
    GRand *rand;
    uint64_t pages;
    uint64_t victim;         /* mapped by nobody */
} Chaos;

static uint64_t rand64(GRand *rand)
{
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

/* A word that looks like an entry, leading to more of them */
static uint64_t plausible(Chaos *c)
{
    uint64_t page = c->pages + g_rand_int_range(c->rand, 0, GARBAGE) *
                    UNIT_PAGE;

    switch (g_rand_int_range(c->rand, 0, 6)) {
    case 0:
        return rand64(c->rand);
    case 1:
        return page | (rand64(c->rand) & 0xfff);
    case 2:
        return page | AMD_RW | AMD_MODE(7) | AMD_PR;
    default:
        return page | AMD_RW | AMD_PR |
               AMD_MODE(g_rand_int_range(c->rand, 0, 7));
    }
}

static void make_garbage(Chaos *c)
{
    size_t words = GARBAGE * UNIT_PAGE / 8, i;
    g_autofree uint64_t *data = g_new(uint64_t, words);

    for (i = 0; i < words; i++) {
        data[i] = plausible(c);
    }
    qtest_memwrite(c->amd->qts, c->pages, data, words * 8);
}

static void chaos_start(Chaos *c)
{
    c->amd = amd_start("xtsup=on,gtsup=on", EDU_DEVICE);
    c->amd->control = AMD_C_GT;
    c->edu = edu_new(&c->amd->unit, EDU_SID);
    c->rand = g_rand_new_with_seed(20100);
    amd_domain_init(c->amd, &c->dom, 1);
    c->pages = unit_alloc(&c->amd->unit, GARBAGE);
    c->victim = unit_alloc(&c->amd->unit, 1);
    viommu_fill(c->amd, c->victim, BLANK, UNIT_PAGE);
    amd_enable(c->amd);
}

/* Everything set right again, everything works. */
static void chaos_end(Chaos *c)
{
    uint64_t page = unit_alloc(&c->amd->unit, 1);

    g_assert_true(viommu_is_filled(c->amd, c->victim, BLANK, UNIT_PAGE));
    qtest_system_reset(c->amd->qts);
    edu_free(c->edu);
    c->edu = edu_new(&c->amd->unit, EDU_SID);
    c->dom.table = unit_alloc(&c->amd->unit, 1);
    qtest_writeq(c->amd->qts, amd_pte(c->amd, &c->dom, IOVA, 1),
                 page | AMD_PR | AMD_RW);
    amd_set_dte(c->amd, EDU_SID, 0, 0, 0);
    amd_set_dte(c->amd, EDU_SID, 2, 0, 0);
    amd_attach(c->amd, EDU_SID, &c->dom);
    amd_enable(c->amd);
    viommu_fill(c->amd, page, MARK, LEN);
    edu_load(c->edu, IOVA, LEN);
    edu_store(c->edu, IOVA + 0x100, LEN);
    g_assert_true(viommu_is_filled(c->amd, page + 0x100, MARK, LEN));
    edu_free(c->edu);
    g_rand_free(c->rand);
    amd_stop(c->amd);
}

static void chaos_dma(Chaos *c)
{
    uint64_t iova = rand64(c->rand) >> g_rand_int_range(c->rand, 0, 60);

    /* Not where it would be an interrupt */
    if (iova >> 32 || (iova & 0xfff00000) != 0xfee00000) {
        edu_store(c->edu, iova & ~7ULL, 8);
    }
    edu_raise(c->edu);
}

/* An entry that leads to garbage: to host tables, guest tables, or both */
static void chaos_dte(Chaos *c)
{
    uint64_t w0 = plausible(c), gcr3 = plausible(c) & AMD_ADDR;

    if (g_rand_boolean(c->rand)) {
        w0 = AMD_RW | (g_rand_boolean(c->rand) ? w0 : 0) | AMD_DTE_GV |
             AMD_DTE_GIOV | AMD_DTE_GLX(g_rand_int_range(c->rand, 0, 4)) |
             (gcr3 >> 12 & 7) << 58;
    }
    amd_set_dte(c->amd, EDU_SID, 0, w0 | AMD_DTE_V | AMD_DTE_TV,
                (gcr3 >> 15) << 16 | (rand64(c->rand) & 0xffff));
}

/* Device table entries, page tables, interrupt tables */
static void test_tables(void)
{
    Chaos c;
    unsigned i;

    chaos_start(&c);
    for (i = 0; i < ROUNDS; i++) {
        make_garbage(&c);
        chaos_dte(&c);
        amd_set_dte(c.amd, EDU_SID, 2, plausible(&c) | 2ULL << 60 | 1,
                    i % 3 ? 0 : rand64(c.rand));
        amd_cmd(c.amd, AMD_CMD_DEVTAB | EDU_SID, 0);
        edu_msi(c.edu, VIOMMU_MSI_ADDR, rand64(c.rand));
        chaos_dma(&c);
        chaos_dma(&c);
    }
    chaos_end(&c);
}

static void test_commands(void)
{
    Chaos c;
    unsigned i, k;

    chaos_start(&c);
    for (i = 0; i < ROUNDS; i++) {
        for (k = 0; k < 8; k++) {
            uint64_t op = (uint64_t)g_rand_int_range(c.rand, 0, 10) << 60;
            uint64_t w0 = rand64(c.rand) & 0x0000ffff000fffff;

            /* Stores go to the garbage, where anything is welcome. */
            if (op >> 60 == 1) {
                w0 = (c.pages + 8 * g_rand_int_range(c.rand, 0, 512)) |
                     (w0 & 7);
            }
            amd_cmd_put(c.amd, op | w0, i % 2 ? rand64(c.rand) : 0);
        }
        amd_cmd_kick(c.amd);
        viommu_turns(c.amd);
        chaos_dma(&c);
        amd_write(c.amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG);
        amd_setup(c.amd);
        amd_write(c.amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG |
                  AMD_C_CMD_BUF | AMD_C_GT);
    }
    chaos_end(&c);
}

/* Registers of every width, the rings wherever they then are */
static void test_registers(void)
{
    static const unsigned regs[] = {
        AMD_DEVTAB, AMD_CMD_BASE, AMD_EVENT_BASE, AMD_CONTROL, AMD_EXCL_BASE,
        AMD_EXCL_LIMIT, AMD_EFR, AMD_XT_INT, AMD_CMD_HEAD, AMD_CMD_TAIL,
        AMD_EVENT_HEAD, AMD_EVENT_TAIL, AMD_STATUS, 0x38, 0x1ff8, 0x3ff8,
    };
    Chaos c;
    unsigned i;

    chaos_start(&c);
    for (i = 0; i < 20 * ROUNDS; i++) {
        unsigned reg = regs[g_rand_int_range(c.rand, 0, G_N_ELEMENTS(regs))];
        uint64_t value = i % 2 ? plausible(&c) : rand64(c.rand);

        if (i % 50 == 0) {
            make_garbage(&c);
        }
        /* What the unit writes of its own accord goes to the garbage. */
        if (reg == AMD_EVENT_BASE || reg == AMD_CMD_BASE) {
            value = c.pages;
        }
        if (i % 3) {
            amd_write(c.amd, reg, value);
        } else {
            qtest_writel(c.amd->qts, AMD_BASE + reg + (reg == AMD_EVENT_BASE ||
                         reg == AMD_CMD_BASE ? 0 : value & 4), value);
        }
        amd_read(c.amd, reg);
        if (i % 10 == 0) {
            chaos_dma(&c);
        }
    }
    chaos_end(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/amd/hostile/tables", test_tables);
    qtest_add_func("/viommu/amd/hostile/commands", test_commands);
    qtest_add_func("/viommu/amd/hostile/registers", test_registers);
    return g_test_run();
}
