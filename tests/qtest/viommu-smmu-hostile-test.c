/*
 * SMMUv3: what a guest must not be able to do to the emulator
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every case ends with the emulator answering; most, with an ordinary
 * translation that works.  How it got there is the guest's own business.
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define NOWHERE     0x7000000000ULL

static SBench *stage1_bench(const char *props)
{
    SBench *b = sb_new(props, "");

    sb_stage1(b, 12, 39);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    return b;
}

static void drop_events(SBench *b)
{
    SMMUEvent e;

    while (smmu_event_take(b->smmu, &e)) {
        g_assert_cmphex(SMMU_EVENT_SID(&e), ==, SB_SID);
    }
}

/* It is set up again, and works. */
static void recover(SBench *b)
{
    SMMU *smmu = b->smmu;

    smmu_write32(smmu, SMMU_CR0, 0);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) == 0);
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
    smmu_put(smmu, b->cd_gpa, b->cd);
    smmu_set_ste(smmu, SB_SID, b->ste);
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
}

/* Where tables are: nowhere, in our own registers, in a device's */
static void test_tables(const void *opaque)
{
    uint64_t places[] = {
        NOWHERE, SMMU_BASE, SMMU_BASE + 0x80, VIRT_GICD, 0x09000000, 0,
        0x0000ffffffffffc0ULL, 0x000ffffffffffc0ULL, VIRT_RAM - 64,
        0, 0,
    };
    SBench *b = stage1_bench("");
    uint64_t ste0 = b->ste[0], cd1 = b->cd[1];
    size_t i;

    places[G_N_ELEMENTS(places) - 2] = b->edu->bar.addr;
    places[G_N_ELEMENTS(places) - 1] = b->edu->bar.addr + 0x80;
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        uint64_t at = places[i];

        g_test_message("0x%" PRIx64, at);
        /* The stream table */
        smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
        smmu_write64(b->smmu, SMMU_STRTAB_BASE, at);
        smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN |
                          SMMU_CR0_EVENTQEN);
        sb_touch(b, true, IOVA);
        sb_touch(b, false, IOVA);
        drop_events(b);
        /* The CD */
        recover(b);
        b->ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_S1) |
                    (at & 0x000fffffffffffc0ULL);
        sb_update(b);
        sb_touch(b, true, IOVA);
        sb_touch(b, false, IOVA);
        drop_events(b);
        b->ste[0] = ste0;
        /* The root of the table */
        b->cd[1] = at & LPAE_ADDR;
        sb_update(b);
        sb_touch(b, true, IOVA);
        sb_touch(b, false, IOVA);
        drop_events(b);
        b->cd[1] = cd1;
        sb_update(b);
        sb_works(b, IOVA, SB_BLOCK_GPA);
        /* What it leads to: a device's access to another device is its own */
        smmu_map(b->smmu, &b->s1, IOVA + UNIT_PAGE, at & LPAE_ADDR, 3,
                 smmu_leaf(&b->s1, UNIT_RW));
        sb_inv(b);
        sb_touch(b, true, IOVA + UNIT_PAGE);
        drop_events(b);
        recover(b);
    }
    sb_free(b);
}

/* The queues: nowhere, in registers of ours, in a device's */
static void test_queues(void)
{
    const uint64_t places[] = {
        NOWHERE, SMMU_BASE, SMMU_BASE + 0x80, VIRT_GICD, 0x09000000, 0,
        0x000fffffffffffe0ULL, VIRT_RAM - 32,
    };
    SBench *b = stage1_bench("");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        int log2;

        g_test_message("0x%" PRIx64, places[i]);
        for (log2 = 0; log2 < 32; log2 += 5) {
            SMMU *smmu = b->smmu;

            smmu_cr0(smmu, 0);
            smmu_write64(smmu, SMMU_CMDQ_BASE, places[i] | log2);
            smmu_write64(smmu, SMMU_EVENTQ_BASE, places[i] | log2);
            smmu_cr0(smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN |
                           SMMU_CR0_EVENTQEN);
            smmu_write32(smmu, SMMU_CMDQ_PROD, 1);
            viommu_turns(smmu);
            sb_touch(b, true, IOVA + UNIT_PAGE);
            sb_touch(b, false, IOVA + UNIT_PAGE);
            smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
        }
        recover(b);
    }
    sb_free(b);
}

/* The greatest queue, all of it full, of what takes longest; returns PROD. */
static uint32_t fill_queue(SMMU *smmu)
{
    unsigned log2 = SMMU_IDR1_CMDQS(smmu_read32(smmu, SMMU_IDR1));
    uint64_t size = 16ULL << log2, at = VIRT_RAM + (512ULL << 20);
    const uint64_t cmd[2] = {
        SMMU_CMD_TLBI_NH_VA | SMMU_CMD_NUM(31) | SMMU_CMD_SCALE(31),
        SMMU_CMD1_TG(1) | SMMU_CMD1_TTL(3),
    };
    g_autofree uint8_t *queue = g_malloc(1 << 20);
    uint64_t i;

    for (i = 0; i < 1 << 20; i += 16) {
        memcpy(queue + i, cmd, 16);
    }
    for (i = 0; i < size; i += 1 << 20) {
        qtest_bufwrite(smmu->qts, at + i, queue, 1 << 20);
    }
    smmu_cr0(smmu, 0);
    smmu_write64(smmu, SMMU_CMDQ_BASE, at | 31);
    smmu_write32(smmu, SMMU_CMDQ_PROD, 0);
    smmu_write32(smmu, SMMU_CMDQ_CONS, 0);
    smmu_cr0(smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    return 1u << log2;
}

static void test_full_queue(void)
{
    SBench *b = stage1_bench("");
    SMMU *smmu = b->smmu;
    uint32_t prod = fill_queue(smmu);

    smmu_write32(smmu, SMMU_CMDQ_PROD, prod);
    /* It answers meanwhile, and comes to an end. */
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), <, prod);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CMDQ_CONS) == prod);
    recover(b);
    sb_free(b);
}

/*
 * The machine stops meanwhile: what could be done is, because stock QEMU as a
 * migration's destination looks into the queue only when PROD is written.
 */
static void test_full_queue_stop(void)
{
    SBench *b = stage1_bench("");
    SMMU *smmu = b->smmu;
    uint32_t prod = fill_queue(smmu);

    smmu_write32(smmu, SMMU_CMDQ_PROD, prod);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), <, prod);
    qtest_qmp_assert_success(smmu->qts, "{'execute': 'stop'}");
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==, prod);
    qtest_qmp_assert_success(smmu->qts, "{'execute': 'cont'}");
    recover(b);
    sb_free(b);
}

/* More is put into the queue all the time. */
static void test_refill(void)
{
    SBench *b = stage1_bench("");
    SMMU *smmu = b->smmu;
    int i;

    for (i = 0; i < 20000; i++) {
        smmu_write32(smmu, SMMU_CMDQ_PROD, i & 0xff);
    }
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
    recover(b);
    sb_free(b);
}

/* A CMD_SYNC whose message writes the queue's own registers */
static void test_reentry(void)
{
    static const unsigned regs[] = {
        SMMU_CMDQ_PROD, SMMU_CMDQ_CONS, SMMU_CR0, SMMU_GERRORN, SMMU_GBPA,
        SMMU_PAGE1 + SMMU_EVENTQ_CONS, SMMU_IRQ_CTRL,
    };
    SBench *b;
    size_t i;
    int v;

    if (!viommu_offers("arm-smmuv3", "msi")) {
        g_test_skip("no MSIs");
        return;
    }
    b = stage1_bench("msi=on");
    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        for (v = 0; v < 16; v++) {
            SMMU *smmu = b->smmu;

            smmu_cmd_put(smmu, SMMU_CMD_SYNC |
                         SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ) |
                         SMMU_CMD_SYNC_MSIDATA(v == 15 ? ~0u : v),
                         SMMU_BASE + regs[i]);
            smmu_cmd_put(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
            smmu_cmd_kick(smmu);
            viommu_turns(smmu);
            recover(b);
        }
        /* An event's message, likewise */
        smmu_write32(b->smmu, SMMU_IRQ_CTRL, 0);
        smmu_write64(b->smmu, SMMU_EVENTQ_IRQ_CFG0, SMMU_BASE + regs[i]);
        smmu_write32(b->smmu, SMMU_EVENTQ_IRQ_CFG1, 1);
        smmu_write32(b->smmu, SMMU_IRQ_CTRL, SMMU_IRQ_CTRL_EVENTQ);
        sb_touch(b, true, IOVA + UNIT_PAGE);
        viommu_turns(b->smmu);
        drop_events(b);
        smmu_write64(b->smmu, SMMU_EVENTQ_IRQ_CFG0, 0);
        recover(b);
    }
    sb_free(b);
}

/* A table that leads back to itself, at every level */
static void test_self_pointing(void)
{
    SBench *b = sb_new("", "");
    int i;

    sb_stage1(b, 12, 48);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    for (i = 0; i < 512; i++) {
        uint64_t entry = b->s1.root + i * 8;

        if (!qtest_readq(b->smmu->qts, entry)) {
            qtest_writeq(b->smmu->qts, entry, b->s1.root | LPAE_TABLE |
                         smmu_leaf(&b->s1, UNIT_RW));
        }
    }
    sb_inv(b);
    for (i = 1; i < 512; i += 37) {
        uint64_t iova = (uint64_t)i << 39 | (uint64_t)i << 30 | i << 21 |
                        i << 12;

        /* The root as a page */
        sb_touch(b, true, iova);
    }
    drop_events(b);
    smmu_inv_everything(b->smmu);
    sb_works(b, IOVA, SB_BLOCK_GPA);

    /* Stage 2 through which its own table is found, as stage 1's */
    sb_nested(b, 12, 39, 12, 40);
    b->cd[1] = b->s2.root;
    b->ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_NESTED) |
                b->s2.root;
    sb_update(b);
    sb_touch(b, true, IOVA);
    sb_touch(b, false, 0);
    drop_events(b);
    sb_free(b);
}

/* Every byte of the registers, in every size, at every offset */
static void test_sizes(void)
{
    SBench *b = stage1_bench("");
    QTestState *qts = b->smmu->qts;
    uint64_t at;

    for (at = SMMU_BASE; at < SMMU_BASE + SMMU_END; at += 1) {
        if (at % SMMU_PAGE1 == 0x200) {
            at += 0xdf0 - 0x200;
        }
        if (at % SMMU_PAGE1 > 0x1010 && at % SMMU_PAGE1 < 0xfff0) {
            at = ROUND_DOWN(at, SMMU_PAGE1) + 0xfff0;
        }
        qtest_readb(qts, at);
        qtest_readw(qts, at);
        qtest_readl(qts, at);
        qtest_readq(qts, at);
        qtest_writeb(qts, at, 0xff);
        qtest_writew(qts, at, 0xffff);
        qtest_writel(qts, at, 0xffffffff);
        qtest_writeq(qts, at, at * 0x9e3779b97f4a7c15ULL);
    }
    recover(b);
    sb_free(b);
}

static uint64_t random64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

/* STEs, CDs and descriptors of random bits */
static void test_random(void)
{
    SBench *b = stage1_bench("");
    uint64_t ste[8], cd[8];
    int round, i;

    for (round = 0; round < 400; round++) {
        memcpy(ste, b->ste, sizeof(ste));
        memcpy(cd, b->cd, sizeof(cd));
        for (i = 0; i < 8; i++) {
            switch (g_test_rand_int_range(0, 4)) {
            case 0:
                ste[i] = random64();
                break;
            case 1:
                ste[i] ^= 1ULL << g_test_rand_int_range(0, 64);
                break;
            case 2:
                cd[i] ^= 1ULL << g_test_rand_int_range(0, 64);
                break;
            default:
                break;
            }
        }
        ste[0] |= SMMU_STE0_V;
        if (round % 2) {
            ste[0] = (ste[0] & ~SMMU_STE0_CONFIG(7)) |
                     SMMU_STE0_CONFIG(4 + round % 4);
        }
        smmu_put(b->smmu, b->cd_gpa, cd);
        smmu_set_ste(b->smmu, SB_SID, ste);
        smmu_inv_everything(b->smmu);
        sb_touch(b, true, IOVA);
        sb_touch(b, true, random64());
        drop_events(b);
    }
    recover(b);
    sb_free(b);
}

/* Commands of random bits; an error is acknowledged and passed over. */
static void test_random_commands(void)
{
    SBench *b = stage1_bench("");
    SMMU *smmu = b->smmu;
    int i;

    for (i = 0; i < 2000; i++) {
        uint64_t dw0 = random64();

        if (i % 4) {
            dw0 = (dw0 & ~0xffULL) | g_test_rand_int_range(1, 0x48);
        }
        /* No message: it would go anywhere. */
        if ((dw0 & 0xff) == SMMU_CMD_SYNC) {
            dw0 &= ~SMMU_CMD_SYNC_CS(1);
        }
        smmu_cmd_put(smmu, dw0, random64());
        smmu_cmd_kick(smmu);
        if ((smmu_read32(smmu, SMMU_GERROR) ^
             smmu_read32(smmu, SMMU_GERRORN)) & SMMU_GERROR_CMDQ) {
            smmu_cmd_error(smmu, SMMU_CERROR_ILL);
        }
    }
    recover(b);
    sb_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/smmu/hostile/tables", NULL, test_tables);
    qtest_add_func("/viommu/smmu/hostile/queues", test_queues);
    qtest_add_func("/viommu/smmu/hostile/full-queue", test_full_queue);
    qtest_add_func("/viommu/smmu/hostile/full-queue-stop",
                   test_full_queue_stop);
    qtest_add_func("/viommu/smmu/hostile/refill", test_refill);
    qtest_add_func("/viommu/smmu/hostile/re-entry", test_reentry);
    qtest_add_func("/viommu/smmu/hostile/self-pointing", test_self_pointing);
    qtest_add_func("/viommu/smmu/hostile/access-sizes", test_sizes);
    qtest_add_func("/viommu/smmu/hostile/random-tables", test_random);
    qtest_add_func("/viommu/smmu/hostile/random-commands",
                   test_random_commands);
    return g_test_run();
}
