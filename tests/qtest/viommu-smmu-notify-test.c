/*
 * What vhost and VFIO are told by an SMMUv3, through x-iommu-listener
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-listener.h"
#include "viommu-smmu.h"

#define IOVA    0x40200000ULL
#define TARGET  0x80000000ULL
#define ASID    0x5a
#define VMID    0xc3
#define PAGES   24

typedef struct Stage {
    SMMU *smmu;
    Listener *l;
    int config;
    SMMUTable s1, s2;
    uint64_t cd[8], cd_gpa, ste[8];
} Stage;

static void map_ram(Stage *s)
{
    uint64_t at;

    for (at = VIRT_RAM; at < VIRT_RAM + (2ULL << 30); at += 1ULL << 30) {
        smmu_map(s->smmu, &s->s2, at, at, 1, smmu_leaf(&s->s2, UNIT_RW));
    }
}

static Stage *stage_new(const char *props, const char *listener, int config)
{
    Stage *s = g_new0(Stage, 1);

    s->smmu = smmu_start(props, LISTENER_DEVICE "%s", listener);
    s->config = config;
    s->l = listener_new(&s->smmu->unit, LISTENER_SID);
    s->cd_gpa = unit_alloc(&s->smmu->unit, 1);
    smmu_table_init(s->smmu, &s->s1, 1, 12, 39, 0);
    smmu_table_init(s->smmu, &s->s2, 2, 12, 40, 0);
    if (config == SMMU_STE_NESTED) {
        map_ram(s);
    }
    smmu_make_cd(s->cd, &s->s1, NULL, ASID);
    smmu_put(s->smmu, s->cd_gpa, s->cd);
    smmu_make_ste(s->ste, config, config == SMMU_STE_S2 ? 0 : s->cd_gpa,
                  config == SMMU_STE_S1 ? NULL : &s->s2, VMID);
    smmu_set_ste(s->smmu, LISTENER_SID, s->ste);
    smmu_enable(s->smmu);
    return s;
}

static void stage_free(Stage *s)
{
    listener_free(s->l);
    smmu_stop(s->smmu);
    g_free(s);
}

static const SMMUTable *table(Stage *s)
{
    return s->config == SMMU_STE_S2 ? &s->s2 : &s->s1;
}

static void map(Stage *s, uint64_t iova, uint64_t gpa, unsigned perms)
{
    const SMMUTable *t = table(s);

    if (perms) {
        smmu_map(s->smmu, t, iova, gpa, 3, smmu_leaf(t, perms));
    } else {
        qtest_writeq(s->smmu->qts, smmu_pte(s->smmu, t, iova, 3), 0);
    }
}

static void inv_page(Stage *s, uint64_t iova)
{
    smmu_cmd(s->smmu, (s->config == SMMU_STE_S2 ? SMMU_CMD_TLBI_S2_IPA
                                                : SMMU_CMD_TLBI_NH_VA) |
             SMMU_CMD_VMID(VMID) | SMMU_CMD_ASID(ASID),
             iova | SMMU_CMD1_TG(1) | SMMU_CMD1_TTL(3) | SMMU_CMD1_LEAF);
}

/* Was it told that @iova is gone, since last time? */
static bool heard_gone(Stage *s, uint64_t iova)
{
    g_autoptr(GArray) events = listener_events(s->l);
    bool gone = false;
    unsigned i;

    for (i = 0; i < events->len; i++) {
        const Heard *e = &g_array_index(events, Heard, i);

        /* Listeners take mask + 1 for the length, which has to be a number. */
        g_assert_cmphex(e->mask, <, UINT64_MAX);
        gone |= e->type == XIL_UNMAP && iova >= e->iova &&
                iova - e->iova <= e->mask;
    }
    listener_clear(s->l);
    return gone;
}

typedef struct Gone {
    const char *name;
    int config;
    uint64_t dw0, dw1;
    bool elsewhere;          /* it is not about the device's space */
} Gone;

#define TAG (SMMU_CMD_VMID(VMID) | SMMU_CMD_ASID(ASID))
#define PAGE_DW1 (IOVA | SMMU_CMD1_TG(1) | SMMU_CMD1_TTL(3))

static const Gone gones[] = {
    { "nh-va/page", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG, PAGE_DW1 },
    { "nh-va/no-hint", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG, IOVA },
    { "nh-va/table", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG |
      SMMU_CMD_NUM(31) | SMMU_CMD_SCALE(4), (IOVA & ~0x1fffffULL) |
      SMMU_CMD1_TG(1) },
    { "nh-vaa", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VAA | TAG, PAGE_DW1 },
    { "range", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG | SMMU_CMD_NUM(7),
      PAGE_DW1 - 0x5000 },
    { "nh-asid", SMMU_STE_S1, SMMU_CMD_TLBI_NH_ASID | TAG },
    { "nh-all", SMMU_STE_S1, SMMU_CMD_TLBI_NH_ALL | TAG },
    { "nsnh-all", SMMU_STE_S1, SMMU_CMD_TLBI_NSNH_ALL },
    { "s12-vmall", SMMU_STE_S2, SMMU_CMD_TLBI_S12_VMALL | TAG },
    { "s2-ipa", SMMU_STE_S2, SMMU_CMD_TLBI_S2_IPA | TAG, PAGE_DW1 },
    { "stage-2/nsnh-all", SMMU_STE_S2, SMMU_CMD_TLBI_NSNH_ALL },
    { "nested/nh-va", SMMU_STE_NESTED, SMMU_CMD_TLBI_NH_VA | TAG, PAGE_DW1 },
    { "nested/nh-all", SMMU_STE_NESTED, SMMU_CMD_TLBI_NH_ALL | TAG },
    { "nested/s12-vmall", SMMU_STE_NESTED, SMMU_CMD_TLBI_S12_VMALL | TAG },
    { "other-asid", SMMU_STE_S1, SMMU_CMD_TLBI_NH_ASID |
      SMMU_CMD_VMID(VMID) | SMMU_CMD_ASID(ASID + 1), 0, true },
    { "other-page", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG,
      PAGE_DW1 + 0x1000, true },
    /* Where only the size of the leaf is not said, it is not everything. */
    { "no-hint/elsewhere", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG,
      IOVA + 0x40000000, true },
    { "table/elsewhere", SMMU_STE_S1, SMMU_CMD_TLBI_NH_VA | TAG |
      SMMU_CMD_NUM(31) | SMMU_CMD_SCALE(4),
      ((IOVA + 0x40000000) & ~0x1fffffULL) | SMMU_CMD1_TG(1), true },
    { "s2-ipa/no-hint/elsewhere", SMMU_STE_S2, SMMU_CMD_TLBI_S2_IPA | TAG,
      IOVA + 0x40000000, true },
};

/* UNMAP notifiers (vhost) hear of every invalidation of their space. */
static void test_unmap(const void *opaque)
{
    const Gone *g = opaque;
    Stage *s = stage_new("", "", g->config);

    map(s, IOVA, TARGET, UNIT_RW);
    inv_page(s, IOVA);
    listener_clear(s->l);
    map(s, IOVA, 0, 0);
    smmu_cmd(s->smmu, g->dw0, g->dw1);
    g_assert_cmpint(heard_gone(s, IOVA), ==, !g->elsewhere);
    stage_free(s);
}

/* CD.TBI0: it may have used the page under any tag, and has to forget all. */
static void test_unmap_tbi(void)
{
    Stage *s = stage_new("", "", SMMU_STE_S1);

    map(s, IOVA, TARGET, UNIT_RW);
    s->cd[0] |= SMMU_CD0_TBI0;
    smmu_put(s->smmu, s->cd_gpa, s->cd);
    smmu_inv_everything(s->smmu);
    listener_clear(s->l);
    map(s, IOVA, 0, 0);
    smmu_cmd(s->smmu, SMMU_CMD_TLBI_NH_VA | TAG, PAGE_DW1);
    g_assert_true(heard_gone(s, IOVA | 0x5aULL << 56));
    stage_free(s);
}

static void test_unmap_config(void)
{
    Stage *s = stage_new("", "", SMMU_STE_S1);

    map(s, IOVA, TARGET, UNIT_RW);
    smmu_inv_everything(s->smmu);
    listener_clear(s->l);
    smmu_make_ste(s->ste, SMMU_STE_ABORT, 0, NULL, 0);
    smmu_set_ste(s->smmu, LISTENER_SID, s->ste);
    smmu_cmd(s->smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(LISTENER_SID), 1);
    g_assert_true(heard_gone(s, IOVA));
    stage_free(s);
}

/* MAP notifiers (VFIO): the picture is that of the tables. */

static void agrees(Stage *s)
{
    g_autoptr(GArray) ought = g_array_new(false, true, sizeof(Heard));
    int i;

    for (i = 0; i < PAGES; i++) {
        uint64_t iova = IOVA + i * UNIT_PAGE;
        uint64_t d = qtest_readq(s->smmu->qts,
                                 smmu_pte(s->smmu, table(s), iova, 3));
        uint32_t perm;

        if (!(d & LPAE_VALID)) {
            continue;
        }
        if (s->config == SMMU_STE_S2) {
            perm = (d & LPAE_S2AP_R ? 1 : 0) | (d & LPAE_S2AP_W ? 2 : 0);
        } else {
            perm = d & LPAE_AP_RO ? 1 : 3;
        }
        picture_put(ought, iova, iova + UNIT_PAGE - 1, d & LPAE_ADDR, perm);
    }
    listener_agrees_with(s->l, ought);
}

static void test_map(const void *opaque)
{
    Stage *s = stage_new("caching-mode=on", "map=on",
                         GPOINTER_TO_INT(opaque));
    int i;

    agrees(s);
    /* One by one, with the commands that a driver in such a mode gives */
    for (i = 0; i < 4; i++) {
        map(s, IOVA + i * UNIT_PAGE, TARGET + i * UNIT_PAGE,
            i == 2 ? UNIT_R : UNIT_RW);
        inv_page(s, IOVA + i * UNIT_PAGE);
        agrees(s);
    }
    map(s, IOVA + UNIT_PAGE, 0, 0);
    inv_page(s, IOVA + UNIT_PAGE);
    agrees(s);
    map(s, IOVA, TARGET + 0x100000, UNIT_RW);
    inv_page(s, IOVA);
    agrees(s);
    /* Many at once */
    for (i = 0; i < 200; i++) {
        int page = g_test_rand_int_range(0, PAGES);

        map(s, IOVA + page * UNIT_PAGE,
            TARGET + g_test_rand_int_range(0, PAGES) * UNIT_PAGE,
            g_test_rand_int_range(0, 3) ? UNIT_RW : 0);
        if (i % 20 == 19) {
            smmu_cmd(s->smmu, i % 40 == 39 ? SMMU_CMD_TLBI_NSNH_ALL :
                     (s->config == SMMU_STE_S2 ? SMMU_CMD_TLBI_S12_VMALL :
                                                 SMMU_CMD_TLBI_NH_ASID) | TAG,
                     0);
            agrees(s);
        }
    }
    /* Detached: nothing; and attached again */
    listener_clear(s->l);
    qtest_writeq(s->smmu->qts, smmu_ste(s->smmu, LISTENER_SID),
                 SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_ABORT));
    smmu_cmd(s->smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(LISTENER_SID), 1);
    listener_is_empty(s->l);
    smmu_set_ste(s->smmu, LISTENER_SID, s->ste);
    smmu_cmd(s->smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(LISTENER_SID), 1);
    agrees(s);
    stage_free(s);
}

/* Without caching-mode a guest need not tell of new mappings. */
static void test_refused(void)
{
    Stage *s = stage_new("", "map=on", SMMU_STE_S1);

    g_assert_cmphex(listener_status(s->l) & XIL_S_REFUSED, ==,
                    XIL_S_REFUSED);
    stage_free(s);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(gones); i++) {
        g_autofree char *path = g_strdup_printf(
            "/viommu/smmu/notify/unmap/%s", gones[i].name);

        qtest_add_data_func(path, &gones[i], test_unmap);
    }
    qtest_add_func("/viommu/smmu/notify/unmap/tbi", test_unmap_tbi);
    qtest_add_func("/viommu/smmu/notify/unmap/config", test_unmap_config);
    qtest_add_func("/viommu/smmu/notify/map/refused", test_refused);
    qtest_add_data_func("/viommu/smmu/notify/map/stage-1",
                        GINT_TO_POINTER(SMMU_STE_S1), test_map);
    qtest_add_data_func("/viommu/smmu/notify/map/stage-2",
                        GINT_TO_POINTER(SMMU_STE_S2), test_map);
    qtest_add_data_func("/viommu/smmu/notify/map/nested",
                        GINT_TO_POINTER(SMMU_STE_NESTED), test_map);
    return g_test_run();
}
