/*
 * What a fuzzed guest does that depends on the model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-fuzz.h"
#include "viommu-remote-liar.h"
#include "viommu-smmu.h"
#include "viommu-virtio.h"
#include "viommu-vtd-sm.h"

/* A command: what it is, and which bits of it the input may have */
typedef struct FuzzCommand {
    uint64_t lo, hi;
    uint64_t lo_mask, hi_mask;
} FuzzCommand;

#define ANY     UINT64_MAX
#define BITS(first, last) (ANY >> (63 - (last)) & ANY << (first))

/* Of the bits in @mask: none, one of them changed, or whatever comes */
static uint64_t command_word(FuzzGuest *g, uint64_t word, uint64_t mask)
{
    uint8_t how = fuzz_bytes(g, 1);

    switch (how >> 6) {
    case 0:
        return word;
    case 1:
        return word ^ (mask & 1ULL << how % 64);
    case 2:
        return word | (mask & fuzz_value(g, 0));
    default:
        /* Now and then one that is not well-formed at all */
        return how == 0xff ? fuzz_bytes(g, 8) :
               word | (mask & (FUZZ_IOVA + fuzz_bytes(g, 1) * UNIT_PAGE));
    }
}

static void command_take(FuzzGuest *g, const FuzzCommand *all, unsigned n,
                         uint64_t *lo, uint64_t *hi)
{
    const FuzzCommand *c = &all[fuzz_bytes(g, 1) % n];

    *lo = command_word(g, c->lo, c->lo_mask);
    *hi = command_word(g, c->hi, c->hi_mask);
}

/* So many at once; now and then as many as there is room for, or nearly */
static unsigned command_count(FuzzGuest *g)
{
    uint8_t how = fuzz_bytes(g, 1);

    return how < 0xf8 ? 1 + how % 4 : 120;
}

/* VT-d */

static const uint32_t vtd_regs[] = {
    VTD_GCMD, VTD_RTADDR, VTD_CCMD, VTD_FSTS, VTD_FECTL, VTD_FEDATA,
    VTD_FEADDR, VTD_FEUADDR, VTD_PMEN, VTD_IQH, VTD_IQT, VTD_IQA, VTD_ICS,
    VTD_IECTL, VTD_IEDATA, VTD_IEADDR, VTD_IRTA, VTD_PQH, VTD_PQT, VTD_PQA,
    VTD_PRS, VTD_PECTL, VTD_PEDATA, VTD_PEADDR, VTD_IVA, VTD_IOTLB, VTD_FRCD,
    VTD_FRCD + 8, VTD_GCMD, VTD_IOTLB, VTD_CCMD, FUZZ_END
};

static const uint64_t vtd_flags[] = {
    VTD_PTE_R, VTD_PTE_W, VTD_PTE_RW, VTD_PTE_PS, VTD_CTX_TT(1), VTD_CTX_TT(2),
    VTD_CTX_AW(3), VTD_CTX_AW(4), VTD_CTX_DID(7), VTD_FS_P | VTD_FS_W |
    VTD_FS_US | VTD_FS_A | VTD_FS_D, VTD_SM_CTX_DTE, VTD_SM_CTX_PASIDE,
    VTD_SM_CTX_PRE, VTD_SM_PGTT(1), VTD_SM_PGTT(2), VTD_SM_PGTT(3),
    VTD_SM_PGTT(4), VTD_SM_SSADE, VTD_SM_PWSNP, VTD_IRTE_IM, VTD_G_TE,
    VTD_G_QIE, VTD_G_SRTP, VTD_G_IRE, VTD_G_SIRTP, VTD_IQA_DW, VTD_IRTA_EIME,
    VTD_RTADDR_SCALABLE, VTD_IOTLB_IVT | VTD_IOTLB_IIRG(1),
    VTD_IOTLB_IVT | VTD_IOTLB_IIRG(3), VTD_CCMD_ICC | VTD_CCMD_CIRG(1),
    VTD_PTE_ADDR, 0
};

static const FuzzCommand vtd_commands[] = {
    { VTD_D_CC | VTD_D_G(1), 0, ANY ^ 0xf, 0 },
    { VTD_D_IOTLB | VTD_D_G(1), 0, BITS(4, 63), ANY },
    { VTD_D_IOTLB | VTD_D_G(2) | VTD_D_DID(7), 0, BITS(4, 31), ANY },
    { VTD_D_IOTLB | VTD_D_G(3) | VTD_D_DID(7), 0, BITS(4, 31), ANY },
    { VTD_D_DEVTLB | (uint64_t)FUZZ_SVA_SID << 32, 0, BITS(4, 63), ANY },
    { VTD_D_IEC, 0, ANY ^ 0xf, 0 },
    { VTD_D_WAIT | VTD_D_WAIT_SW, 0, ANY ^ 0xf, BITS(2, 23) },
    { VTD_D_WAIT | VTD_D_WAIT_FN, 0, BITS(4, 63), ANY },
    { VTD_D_PIOTLB | VTD_D_G(2) | VTD_D_DID(7), 0, ANY ^ 0xf, ANY },
    { VTD_D_PIOTLB | VTD_D_G(3) | VTD_D_DID(8), 0, ANY ^ 0xf, ANY },
    { VTD_D_PC | VTD_D_G(3), 0, ANY ^ 0xf, 0 },
    { VTD_D_PC | VTD_D_G(1) | VTD_D_DID(7), 0, ANY ^ 0xf, 0 },
    { VTD_D_DEVPTLB | VTD_D_DEVPTLB_SID(FUZZ_SVA_SID), VTD_D_DEVPTLB_S,
      ANY ^ 0xf, ANY },
    { VTD_D_RESPONSE | VTD_D_RESPONSE_PP |
      VTD_D_RESPONSE_SID(FUZZ_SVA_SID), 0, ANY ^ 0xf, ANY },
};

static VTD *vtd_of(const FuzzGuest *g)
{
    return container_of(g->unit, VTD, unit);
}

/* The queue stays where it is; that the unit thinks so is not certain. */
static void vtd_command(FuzzGuest *g)
{
    VTD *vtd = vtd_of(g);
    unsigned n = command_count(g);
    uint64_t lo, hi;

    while (n--) {
        command_take(g, vtd_commands, ARRAY_SIZE(vtd_commands), &lo, &hi);
        vtd_queue_put(vtd, lo, hi);
    }
    vtd_queue_kick(vtd);
}

/* An interrupt remapping table and a page request queue */
static void vtd_more(FuzzGuest *g)
{
    VTD *vtd = vtd_of(g);
    uint64_t table = unit_alloc(g->unit, 1), queue = unit_alloc(g->unit, 1);
    unsigned i;

    g->regs = VTD_BASE;
    for (i = 0; i < 8; i++) {
        qtest_writeq(vtd->qts, table + 16 * i, VTD_IRTE_VECTOR(0x30 + i) |
                                               VTD_IRTE_P);
    }
    fuzz_words(g, table, 16);
    vtd_write64(vtd, VTD_IRTA, table | VTD_IRTA_SIZE(8));
    vtd_gcmd(vtd, VTD_G_SIRTP, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_SIRTP);
    vtd_gcmd(vtd, VTD_G_IRE, 0);
    vtd_write64(vtd, VTD_PQH, 0);
    vtd_write64(vtd, VTD_PQT, 0);
    vtd_write64(vtd, VTD_PQA, queue);
}

static void vtd_tables(FuzzGuest *g)
{
    VTD *vtd = vtd_of(g);
    unsigned i;

    g->regs = VTD_BASE;
    for (i = 0; i < 2; i++) {
        const VTDDomain *dom = vtd_domain_of(g->spaces[i]);
        uint16_t sid = i ? FUZZ_SVA_SID : FUZZ_BENCH_SID;
        int level;

        fuzz_words(g, vtd_context_entry(vtd, sid), 2);
        for (level = 2; level <= 4; level++) {
            fuzz_word(g, vtd_pte(vtd, dom, FUZZ_IOVA, level));
        }
    }
    fuzz_words(g, vtd_root_entry(vtd, 0), 2);
}

static void vtd_ready(FuzzGuest *g)
{
    vtd_tables(g);
    vtd_more(g);
}

static void vtd_sm_ready(FuzzGuest *g)
{
    VTD *vtd = vtd_of(g);
    unsigned i, pasid;

    for (i = 0; i < 2; i++) {
        uint16_t sid = i ? FUZZ_SVA_SID : FUZZ_BENCH_SID;
        uint64_t context = vtd_sm_context(vtd, sid);
        uint64_t entry = vtd_sm_entry(vtd, sid, 0);

        qtest_writeq(vtd->qts, context, qtest_readq(vtd->qts, context) |
                     (i ? VTD_SM_CTX_DTE | VTD_SM_CTX_PRE : 0));
        fuzz_words(g, context, 2);
        fuzz_word(g, vtd_sm_directory(vtd, sid, 0));
        for (pasid = 1; pasid < 4; pasid++) {
            unsigned word;

            for (word = 0; word < 3; word++) {
                qtest_writeq(vtd->qts, entry + 64 * pasid + 8 * word,
                             qtest_readq(vtd->qts, entry + 8 * word));
            }
        }
        fuzz_words(g, entry, 4);
        fuzz_words(g, entry + 64, 4);
    }
    fuzz_words(g, vtd->root, 2);
    vtd_more(g);
    vtd_inv_everything(vtd);
}

static const FuzzModel fuzz_vtd = {
    .name = "vtd",
    .ops = &vtd_unit_ops,
    .props = "device-iotlb=on,eim=on,posted-interrupts=on,drain-timeout=1000",
    .regs = vtd_regs,
    .flags = vtd_flags,
    .ready = vtd_ready,
    .command = vtd_command,
};

static const FuzzModel fuzz_vtd_sm = {
    .name = "vtd-sm",
    .ops = &vtd_sm_unit_ops,
    .props = "device-iotlb=on,svm=on,eim=on,posted-interrupts=on,"
             "snoop-control=on,sanitizer=on",
    .regs = vtd_regs,
    .flags = vtd_flags,
    .ready = vtd_sm_ready,
    .command = vtd_command,
};

/* SMMUv3 */

static const uint32_t smmu_regs[] = {
    SMMU_CR0, SMMU_CR1, SMMU_CR2, SMMU_GBPA, SMMU_IRQ_CTRL, SMMU_GERRORN,
    SMMU_GERROR_IRQ_CFG0, SMMU_GERROR_IRQ_CFG1, SMMU_STRTAB_BASE,
    SMMU_STRTAB_BASE_CFG, SMMU_CMDQ_BASE, SMMU_CMDQ_PROD, SMMU_CMDQ_CONS,
    SMMU_EVENTQ_BASE, SMMU_PAGE1 + SMMU_EVENTQ_PROD,
    SMMU_PAGE1 + SMMU_EVENTQ_CONS, SMMU_EVENTQ_IRQ_CFG0, SMMU_EVENTQ_IRQ_CFG1,
    SMMU_CR0, SMMU_CMDQ_PROD, SMMU_GERRORN, FUZZ_END
};

static const uint64_t smmu_flags[] = {
    LPAE_VALID, LPAE_TABLE, LPAE_AP_EL0, LPAE_AP_RO, LPAE_S2AP_R, LPAE_S2AP_W,
    LPAE_AF, LPAE_NG, LPAE_DBM, LPAE_CONTIGUOUS, LPAE_PAGE | LPAE_AF |
    LPAE_AP_EL0, LPAE_UXN, LPAE_APTABLE_RO, SMMU_STE0_V |
    SMMU_STE0_CONFIG(SMMU_STE_S1), SMMU_STE0_V |
    SMMU_STE0_CONFIG(SMMU_STE_NESTED), SMMU_STE0_CONFIG(SMMU_STE_BYPASS),
    SMMU_STE0_S1CDMAX(6), SMMU_STE0_S1FMT(2), SMMU_STE1_S1DSS(2),
    SMMU_STE1_EATS(1), SMMU_STE1_EATS(2), SMMU_STE1_STRW(2), SMMU_STE2_AA64,
    SMMU_STE2_HA | SMMU_STE2_HD, SMMU_STE2_PTW, SMMU_STE2_S, SMMU_CD0_V,
    SMMU_CD0_HA | SMMU_CD0_HD, SMMU_CD0_EPD0, SMMU_CD0_TBI0, SMMU_CD0_TG0(1),
    SMMU_CD0_TG0(2), SMMU_CD0_T0SZ(0x3f), SMMU_CD0_S, SMMU_CR0_ATSCHK,
    SMMU_BASE_RA_WA, SMMU_STRTAB_2LEVEL(10, 6), LPAE_ADDR, 0
};

static const FuzzCommand smmu_commands[] = {
    { SMMU_CMD_PREFETCH_CONFIG, 0, ANY ^ 0xff, ANY },
    { SMMU_CMD_CFGI_STE | SMMU_CMD_SID(FUZZ_BENCH_SID), SMMU_CMD1_LEAF,
      ANY ^ 0xff, 1 },
    { SMMU_CMD_CFGI_STE_RANGE, 31, ANY ^ 0xff, 31 },
    { SMMU_CMD_CFGI_CD | SMMU_CMD_SID(FUZZ_SVA_SID), 0, ANY ^ 0xff, 1 },
    { SMMU_CMD_CFGI_CD_ALL | SMMU_CMD_SID(FUZZ_SVA_SID), 0, BITS(32, 63), 0 },
    { SMMU_CMD_TLBI_NH_ALL, 0, BITS(32, 63), 0 },
    { SMMU_CMD_TLBI_NH_ASID | SMMU_CMD_ASID(7), 0, BITS(32, 63), 0 },
    { SMMU_CMD_TLBI_NH_VA | SMMU_CMD_ASID(7), SMMU_CMD1_TG(1),
      BITS(12, 63), ANY },
    { SMMU_CMD_TLBI_NH_VAA, 0, BITS(12, 63), ANY },
    { SMMU_CMD_TLBI_EL2_VA, 0, BITS(12, 63), ANY },
    { SMMU_CMD_TLBI_S12_VMALL | SMMU_CMD_VMID(3), 0, BITS(32, 47), 0 },
    { SMMU_CMD_TLBI_S2_IPA | SMMU_CMD_VMID(3), SMMU_CMD1_TG(1),
      BITS(12, 47), ANY },
    { SMMU_CMD_TLBI_NSNH_ALL, 0, 0, 0 },
    { SMMU_CMD_ATC_INV | SMMU_CMD_SID(FUZZ_SVA_SID), 0, BITS(10, 63), ANY },
    { SMMU_CMD_PRI_RESP | SMMU_CMD_SID(FUZZ_SVA_SID), 0, BITS(10, 63), ANY },
    { SMMU_CMD_RESUME | SMMU_CMD_SID(FUZZ_BENCH_SID), 0, BITS(10, 63), 0xffff },
    { SMMU_CMD_SYNC, 0, BITS(12, 63), BITS(2, 23) },
    { SMMU_CMD_SYNC, 0, 0, 0 },
};

static void smmu_command(FuzzGuest *g)
{
    SMMU *smmu = container_of(g->unit, SMMU, unit);
    unsigned n = command_count(g);
    uint64_t lo, hi;

    while (n--) {
        command_take(g, smmu_commands, ARRAY_SIZE(smmu_commands), &lo, &hi);
        smmu_cmd_put(smmu, lo, hi);
    }
    smmu_cmd_kick(smmu);
}

/* With substreams: eight CDs instead of one, all the same to begin with */
static void smmu_substreams(FuzzGuest *g, uint64_t ste)
{
    QTestState *qts = g->unit->qts;
    uint64_t old = qtest_readq(qts, ste), cds;
    uint64_t cd[8];
    unsigned i;

    if (!(old & SMMU_STE0_CONFIG(1))) {
        return;
    }
    cds = unit_alloc(g->unit, 1);
    qtest_memread(qts, old & LPAE_ADDR, cd, sizeof(cd));
    for (i = 0; i < 8; i++) {
        qtest_memwrite(qts, cds + 64 * i, cd, sizeof(cd));
    }
    qtest_writeq(qts, ste, (old & ~LPAE_ADDR) | cds | SMMU_STE0_S1CDMAX(3));
    qtest_writeq(qts, ste + 8, qtest_readq(qts, ste + 8) |
                 SMMU_STE1_S1DSS(SMMU_S1DSS_SSID0) | SMMU_STE1_EATS(1));
    fuzz_words(g, cds, 4);
    fuzz_words(g, cds + 64, 4);
}

static void smmu_ready(FuzzGuest *g)
{
    SMMU *smmu = container_of(g->unit, SMMU, unit);
    unsigned i;

    g->regs = SMMU_BASE;
    for (i = 0; i < 2; i++) {
        uint64_t ste = smmu_ste(smmu, i ? FUZZ_SVA_SID : FUZZ_BENCH_SID);

        smmu_substreams(g, ste);
        fuzz_words(g, ste, 4);
        /* A table's page: the top of what the CD or the STE leads to */
        fuzz_word(g, qtest_readq(smmu->qts, ste + 24) & LPAE_ADDR);
    }
    smmu_cr0(smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN |
             SMMU_CR0_ATSCHK);
    smmu_inv_everything(smmu);
}

static const FuzzModel fuzz_smmu = {
    .name = "smmuv3",
    .ops = &smmu_unit_ops,
    .props = "stage=nested,msi=on,ats=on,ssidsize=20,httu=dirty,"
             "attr-perms-ovr=on,drain-timeout=1000",
    .regs = smmu_regs,
    .flags = smmu_flags,
    .ready = smmu_ready,
    .command = smmu_command,
};

/* AMD-Vi */

static const uint32_t amd_regs[] = {
    AMD_DEVTAB, AMD_CMD_BASE, AMD_EVENT_BASE, AMD_CONTROL, AMD_EXCL_BASE,
    AMD_EXCL_LIMIT, AMD_XT_INT, AMD_CMD_HEAD, AMD_CMD_TAIL, AMD_EVENT_HEAD,
    AMD_EVENT_TAIL, AMD_STATUS, AMD_CONTROL, AMD_CMD_TAIL, FUZZ_END
};

static const uint64_t amd_flags[] = {
    AMD_DTE_V, AMD_DTE_TV, AMD_DTE_V | AMD_DTE_TV, AMD_RW, AMD_PR,
    AMD_PR | AMD_RW, AMD_MODE(1), AMD_MODE(2), AMD_MODE(4), AMD_MODE(6),
    AMD_MODE(7), AMD_DTE1_I, AMD_DTE1_SA, 2ULL << 60 | 1, AMD_C_IOMMU,
    AMD_C_EVENT_LOG, AMD_C_EVENT_INT, AMD_C_WAIT_INT, AMD_C_CMD_BUF, AMD_C_GA,
    AMD_C_XT | AMD_C_INT_CAP_XT, 8ULL << 56, 15ULL << 56, AMD_ADDR,
    AMD_C_GT, AMD_DTE_GV, AMD_DTE_GIOV, AMD_DTE_GLX(1), AMD_DTE_GLX(2),
    AMD_DTE2_LEVELS_5, AMD_G_ALL, AMD_G_ALL | AMD_G_A | AMD_G_D,
    AMD_G_ALL | AMD_G_PS, AMD_G_US, 0
};

static const FuzzCommand amd_commands[] = {
    { AMD_CMD_WAIT | AMD_WAIT_STORE, 0, BITS(1, 23), ANY },
    { AMD_CMD_WAIT | AMD_WAIT_INT, 0, BITS(0, 51), ANY },
    { AMD_CMD_DEVTAB | FUZZ_BENCH_SID, 0, BITS(0, 59), 0 },
    { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(7), AMD_PAGES_ALL, BITS(0, 59), ANY },
    { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(8), 0, BITS(32, 47), ANY },
    { AMD_CMD_PAGES | AMD_PAGES_DOMAIN(7), AMD_GN | AMD_PAGES_ALL,
      BITS(0, 59), ANY },
    { AMD_CMD_IOTLB | FUZZ_SVA_SID, 0, BITS(0, 59), ANY },
    { AMD_CMD_IOTLB | FUZZ_SVA_SID, AMD_GN | AMD_PAGES_ALL, BITS(0, 59), ANY },
    { AMD_CMD_INT_TABLE | FUZZ_BENCH_SID, 0, BITS(0, 59), 0 },
    { AMD_CMD(6), 0, BITS(0, 59), ANY },
    { AMD_CMD(7), 0, BITS(0, 59), ANY },
    { AMD_CMD_ALL, 0, BITS(0, 59), 0 },
};

static void amd_command(FuzzGuest *g)
{
    AMD *amd = container_of(g->unit, AMD, unit);
    unsigned n = command_count(g);
    uint64_t lo, hi;

    while (n--) {
        command_take(g, amd_commands, ARRAY_SIZE(amd_commands), &lo, &hi);
        amd_cmd_put(amd, lo, hi);
    }
    amd_cmd_kick(amd);
}

/* Three more PASIDs that have the tables of PASID 0 */
static void amd_pasids(FuzzGuest *g, uint64_t w0, uint64_t w1)
{
    QTestState *qts = g->unit->qts;
    uint64_t gcr3 = (w0 >> 58 & 7) << 12 | (w1 >> 16 & 0xffff) << 15 |
                    w1 >> 43 << 31;
    uint64_t first = qtest_readq(qts, gcr3);
    unsigned pasid;

    for (pasid = 1; pasid < 4; pasid++) {
        qtest_writeq(qts, gcr3 + 8 * pasid, first);
    }
    fuzz_words(g, gcr3, 4);
    fuzz_word(g, first & AMD_ADDR);
}

static void amd_tables(FuzzGuest *g, uint64_t dte)
{
    QTestState *qts = g->unit->qts;
    uint64_t w0 = qtest_readq(qts, dte), w1 = qtest_readq(qts, dte + 8);
    uint64_t top = w0 & AMD_ADDR;

    if (w0 & AMD_DTE_GV) {
        amd_pasids(g, w0, w1);
    }
    if (w0 & AMD_MODE(7)) {
        fuzz_word(g, top);
        fuzz_word(g, qtest_readq(qts, top) & AMD_ADDR);
    }
}

static void amd_ready(FuzzGuest *g)
{
    AMD *amd = container_of(g->unit, AMD, unit);
    uint64_t table = unit_alloc(g->unit, 1);
    unsigned i;

    g->regs = AMD_BASE;
    fuzz_words(g, table, 8);
    for (i = 0; i < 2; i++) {
        uint64_t dte = amd->devtab + 32 * (i ? FUZZ_SVA_SID : FUZZ_BENCH_SID);

        /* Interrupts by the table, 2^1 entries of it; a TLB of its own */
        qtest_writeq(amd->qts, dte + 16, qtest_readq(amd->qts, dte + 16) |
                     table | 2ULL << 60 | 1 << 1 | 1);
        qtest_writeq(amd->qts, dte + 8, qtest_readq(amd->qts, dte + 8) |
                     (i ? AMD_DTE1_I : 0));
        fuzz_words(g, dte, 4);
        amd_tables(g, dte);
    }
    amd_cmd(amd, AMD_CMD_ALL, 0);
}

static const FuzzModel fuzz_amd = {
    .name = "amd",
    .ops = &amd_unit_ops,
    .props = "xtsup=on,gtsup=on,drain-timeout=1000",
    .regs = amd_regs,
    .flags = amd_flags,
    .ready = amd_ready,
    .command = amd_command,
};

/* virtio-iommu: its registers are the transport's. */

static const uint32_t vio_regs[] = {
    0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x16, 0x18, 0x1a, 0x1c, 0x20, 0x24,
    0x28, 0x2c, 0x30, 0x34, FUZZ_END
};

static const uint64_t vio_flags[] = {
    VIO_MAP_F_R, VIO_MAP_F_W, VIO_MAP_F_MMIO, 1ULL << 32, 1ULL << 48, 0
};

static const uint8_t vio_types[][2] = {
    { VIO_T_ATTACH, 16 }, { VIO_T_DETACH, 16 }, { VIO_T_MAP, 32 },
    { VIO_T_UNMAP, 24 }, { VIO_T_PROBE, 68 }, { VIO_T_MAP, 32 },
};

/* One that has come back is forgotten, and so is one that never will. */
static unsigned vio_put_any(VIO *vio, const void *req, unsigned len,
                            unsigned writable)
{
    vio->slots[vio->put % VIO_SLOTS].busy = false;
    return vio_put(vio, req, len, writable);
}

static void vio_command(FuzzGuest *g)
{
    VIO *vio = container_of(g->unit, VIO, unit);
    unsigned which = fuzz_bytes(g, 1), how = fuzz_bytes(g, 1), len, i;
    const uint8_t *type = vio_types[which % ARRAY_SIZE(vio_types)];
    uint64_t req[12] = { 0 };

    /* head; domain and endpoint, or first; last; physical address; flags */
    req[0] = type[0] | (how & 1 ? 7 + (how >> 1 & 1) :
                                  fuzz_bytes(g, 4)) << 32;
    if (type[0] <= VIO_T_DETACH) {
        req[1] = how & 4 ? FUZZ_BENCH_SID : fuzz_bytes(g, 4);
        req[1] |= (how >> 6 == 3 ? fuzz_bytes(g, 1) : 0) << 32;
    } else {
        req[1] = FUZZ_IOVA + fuzz_bytes(g, 1) * UNIT_PAGE;
        req[2] = req[1] + (1 + fuzz_bytes(g, 1)) * UNIT_PAGE - 1;
        req[3] = g->arena + fuzz_bytes(g, 1) * UNIT_PAGE;
        req[4] = how >> 3 & 3;
        for (i = 1; i < 4 && how & 0x20; i++) {
            req[i] = fuzz_value(g, req[i]);
        }
    }
    len = how == 0xff ? fuzz_bytes(g, 1) % 97 : 4 + type[1];
    vio_put_any(vio, req, len, type[0] == VIO_T_PROBE ? VIO_PROBE_SIZE + 4 : 4);
    if (which & 0x80) {
        vio_kick(vio);
    }
}

/* Both rings, and where they are told to be */
static void vio_ready(FuzzGuest *g)
{
    VIO *vio = container_of(g->unit, VIO, unit);

    g->regs = vio->pci->bar.addr + vio->pci->common_cfg_offset;
    fuzz_words(g, vio->requests.gpa, 8);
    fuzz_words(g, vio->requests.gpa + 0x400, 4);
    fuzz_words(g, vio->requests.gpa + 0x600, 4);
    fuzz_words(g, vio->events.gpa, 4);
    fuzz_words(g, vio->events.gpa + 0x400, 2);
    fuzz_words(g, vio->buffers, 12);
}

static const FuzzModel fuzz_virtio = {
    .name = "virtio",
    .ops = &virtio_unit_ops,
    .props = "max-mappings=4096,max-domains=64,drain-timeout=1000",
    .regs = vio_regs,
    .flags = vio_flags,
    .ready = vio_ready,
    .command = vio_command,
};

/* VT-d in another process, which remaps no interrupts */
static const FuzzModel fuzz_remote_vtd = {
    .name = "remote-vtd",
    .ops = &vtd_remote_unit_ops,
    .props = "drain-timeout=1000",
    .regs = vtd_regs,
    .flags = vtd_flags,
    .ready = vtd_tables,
    .command = vtd_command,
};

static const uint32_t liar_regs[] = { 0, 8, 0x40, FUZZ_END };
static const uint64_t liar_flags[] = { 1, 0 };

static void liar_ready(FuzzGuest *g)
{
    g->regs = LIAR_REGS;
    fuzz_words(g, g->arena, 4);
}

/* Some bytes for it to go by; then, mostly, it says something at once. */
static void liar_command(FuzzGuest *g)
{
    uint8_t script[LIAR_SCRIPT], how = fuzz_bytes(g, 1);
    size_t i, n = 1 + how % LIAR_SCRIPT;

    for (i = 0; i < n; i++) {
        script[i] = fuzz_bytes(g, 1);
    }
    liar_script(script, n);
    if (how & 0xc0) {
        liar_tell();
    }
}

/* A unit in another process that says what the input says */
static const FuzzModel fuzz_remote = {
    .name = "remote",
    .ops = &liar_unit_ops,
    .props = "drain-timeout=1000",
    /* What is refused is asked about in pieces of 4 bytes. */
    .dma_max = 256,
    .regs = liar_regs,
    .flags = liar_flags,
    .ready = liar_ready,
    .command = liar_command,
};

const FuzzModel *const fuzz_liar_models[] = { &fuzz_remote, NULL };

const FuzzModel *const fuzz_remote_models[] = { &fuzz_remote_vtd, NULL };

const FuzzModel *const fuzz_models[] = {
    &fuzz_vtd, &fuzz_vtd_sm, &fuzz_smmu, &fuzz_amd, &fuzz_virtio, NULL
};
