/*
 * An endpoint with PASIDs and ATS behind an SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-smmu-bench.h"
#include "viommu-sva.h"

#define SID     (7 << 3)         /* the bench has slot 4 */
#define IOVA    0x40000000ULL
#define SPACES  2
#define MARK    0x5a
#define BLANK   0x11

/* The PASIDs, and their tables: the second one's CD is the last there is */
static const uint32_t pasids[SPACES] = { 1, 63 };
#define S1CDMAX 6

typedef struct Rig {
    SBench *b;
    SMMU *smmu;
    SVA *sva;
    SMMUTable tables[SPACES];
    uint64_t pages[SPACES];
    uint64_t ste[8];
} Rig;

static void set_ste(Rig *r, unsigned eats)
{
    r->ste[1] &= ~SMMU_STE1_EATS(3);
    r->ste[1] |= SMMU_STE1_EATS(eats);
    smmu_set_ste(r->smmu, SID, r->ste);
    smmu_inv_everything(r->smmu);
}

static Rig *rig_with(const char *props, unsigned eats)
{
    Rig *r = g_new0(Rig, 1);
    uint64_t cds, cd[8];
    unsigned i;

    r->b = sb_new(props, "-device x-sva-test,id=sva,addr=07.0 ");
    r->smmu = r->b->smmu;
    r->sva = sva_open(&r->smmu->unit, SID);
    sva_enable(r->sva, SVA_ATS | SVA_PASID | SVA_PRI);
    sb_stage1(r->b, 12, 39);
    cds = unit_alloc(&r->smmu->unit, 1);
    for (i = 0; i < SPACES; i++) {
        SMMUTable *t = &r->tables[i];

        r->pages[i] = unit_alloc(&r->smmu->unit, 1);
        viommu_fill(r->smmu, r->pages[i], BLANK, UNIT_PAGE);
        smmu_table_init(r->smmu, t, 1, 12, 39, 0);
        smmu_map(r->smmu, t, IOVA, r->pages[i], 3, smmu_leaf(t, UNIT_RW));
        smmu_make_cd(cd, t, NULL, SB_ASID + 1 + i);
        smmu_put(r->smmu, cds + 64 * pasids[i], cd);
    }
    memcpy(r->ste, r->b->ste, sizeof(r->ste));
    r->ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_S1) | cds |
                SMMU_STE0_S1CDMAX(S1CDMAX);
    smmu_set_ste(r->smmu, SID, r->ste);
    sb_enable(r->b);
    smmu_cr0(r->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN |
             SMMU_CR0_ATSCHK);
    set_ste(r, eats);
    return r;
}

static Rig *rig_new(unsigned eats)
{
    return rig_with("ssidsize=20,ats=on", eats);
}

static void rig_free(Rig *r)
{
    sva_close(r->sva);
    sb_free(r->b);
    g_free(r);
}

/* Through the cache, or not: only the page of this PASID is reached. */
static void reaches(Rig *r, uint32_t flags, unsigned n)
{
    unsigned i;

    g_assert_cmpint(sva_fill(r->sva, flags | SVT_F_PASID, pasids[n], IOVA, 8,
                             MARK), ==, SVT_S_OK);
    for (i = 0; i < SPACES; i++) {
        g_assert_cmpint(viommu_is_filled(r->smmu, r->pages[i], BLANK, 8), ==,
                        i != n);
    }
    viommu_fill(r->smmu, r->pages[n], BLANK, 8);
}

/* Which PASIDs query-viommu knows of the device: a bit for each of ours */
static unsigned known_pasids(Rig *r)
{
    QDict *answer = qtest_qmp(r->smmu->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    QDict *unit = qobject_to(QDict, qlist_peek(units));
    QListEntry *entry, *item;
    unsigned i, found = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (qdict_get_int(ep, "requester-id") != SID) {
            continue;
        }
        QLIST_FOREACH_ENTRY(qdict_get_qlist(ep, "pasids"), item) {
            QDict *one = qobject_to(QDict, qlist_entry_obj(item));

            g_assert_cmpstr(qdict_get_str(one, "mode"), ==, "translate");
            g_assert_true(qdict_haskey(one, "tag"));
            g_assert_false(qlist_empty(qdict_get_qlist(one, "domain")));
            for (i = 0; i < SPACES; i++) {
                found |= qdict_get_int(one, "pasid") == pasids[i] ? 1u << i : 0;
            }
        }
    }
    qobject_unref(answer);
    return found;
}

static void test_queried(void)
{
    Rig *r = rig_new(1);

    g_assert_cmphex(known_pasids(r), ==, 0);
    reaches(r, 0, 1);
    g_assert_cmphex(known_pasids(r), ==, 2);
    reaches(r, 0, 0);
    g_assert_cmphex(known_pasids(r), ==, 3);
    /* What it was is not known to be any more. */
    smmu_inv_everything(r->smmu);
    g_assert_cmphex(known_pasids(r), ==, 0);
    smmu_assert_no_event(r->smmu);
    rig_free(r);
}

static void test_pasids(void)
{
    Rig *r = rig_new(1);
    unsigned i, round;

    for (round = 0; round < 2; round++) {
        for (i = 0; i < SPACES; i++) {
            reaches(r, 0, i);
            reaches(r, SVT_F_MAP, i);
            reaches(r, SVT_F_ATC, i);
            reaches(r, SVT_F_ATC | SVT_F_MAP, i);
        }
    }
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 2);
    /* From one process to the other it does not copy. */
    g_assert_cmpint(sva_run(r->sva, SVT_C_COMPARE, SVT_F_PASID | SVT_F_ATC,
                            pasids[0], IOVA, IOVA, 64), ==, SVT_S_OK);
    smmu_assert_no_event(r->smmu);
    rig_free(r);
}

/* Out of range, or without a CD: refused, and recorded if that is wanted */
static void test_beyond(void)
{
    static const uint32_t bad[] = { 1 << S1CDMAX, 0x40001, 0xfffff };
    Rig *r = rig_new(1);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, bad[i], IOVA, 4, MARK),
                        ==, SVT_S_ERROR);
        smmu_assert_event(r->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, SID);
        g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_ATC, bad[i], IOVA,
                                 4, MARK), ==, SVT_S_ERROR);
        smmu_assert_no_event(r->smmu);
    }
    smmu_cr0(r->smmu, SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN);
    smmu_write32(r->smmu, SMMU_CR2, SMMU_CR2_REC_CFG_ATS);
    smmu_cr0(r->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_ATC, 64, IOVA, 4,
                             MARK), ==, SVT_S_ERROR);
    smmu_assert_event(r->smmu, SMMU_EVT_C_BAD_SUBSTREAMID, SID);
    g_assert_true(viommu_is_filled(r->smmu, r->pages[0], BLANK, 8));
    g_assert_true(viommu_is_filled(r->smmu, r->pages[1], BLANK, 8));
    rig_free(r);
}

/* A page that is not there, and rights that are not granted: no events */
static void test_answers(void)
{
    const uint32_t flags = SVT_F_PASID | SVT_F_ATC;
    Rig *r = rig_new(1);
    SMMUTable *t = &r->tables[0];
    uint64_t rw = smmu_leaf(t, UNIT_RW);

    smmu_map(r->smmu, t, IOVA + 0x1000, r->pages[1], 3, smmu_leaf(t, UNIT_R));
    smmu_map(r->smmu, t, IOVA + 0x2000, r->pages[1], 3, rw | LPAE_UXN);
    smmu_map(r->smmu, t, IOVA + 0x3000, r->pages[1], 3, rw & ~LPAE_AP_EL0);
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA + 0x10000, 8, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA + 0x1000, 8, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, flags, 1, IOVA + 0x1000, IOVA,
                            8), ==, SVT_S_OK);
    /* Execute Requested is about reads. */
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, flags | SVT_F_EXEC, 1,
                            IOVA + 0x1000, IOVA, 4), ==, SVT_S_OK);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, flags | SVT_F_EXEC, 1,
                            IOVA + 0x2000, IOVA, 4), ==, SVT_S_FAULT);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, flags, 1, IOVA + 0x2000, IOVA,
                            8), ==, SVT_S_OK);
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA + 0x3000, 4, MARK), ==,
                    SVT_S_FAULT);
    g_assert_cmpint(sva_fill(r->sva, flags | SVT_F_PRIV, 1, IOVA + 0x3000, 4,
                             MARK), ==, SVT_S_OK);
    /* What the privileged may is not kept for the others. */
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA + 0x3000, 4, MARK), ==,
                    SVT_S_FAULT);
    smmu_assert_no_event(r->smmu);
    rig_free(r);
}

/* The same untranslated: the events say how it was asked for. */
static void test_attributes(void)
{
    Rig *r = rig_new(1);
    SMMUTable *t = &r->tables[0];
    uint64_t rw = smmu_leaf(t, UNIT_RW);
    SMMUEvent e;

    smmu_map(r->smmu, t, IOVA + 0x2000, r->pages[1], 3, rw | LPAE_UXN);
    smmu_map(r->smmu, t, IOVA + 0x3000, r->pages[1], 3, rw & ~LPAE_AP_EL0);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, SVT_F_PASID, 1, IOVA + 0x2000,
                            IOVA, 4), ==, SVT_S_OK);
    g_assert_cmpint(sva_run(r->sva, SVT_C_COPY, SVT_F_PASID | SVT_F_EXEC, 1,
                            IOVA + 0x2000, IOVA, 4), ==, SVT_S_ERROR);
    e = smmu_assert_event(r->smmu, SMMU_EVT_F_PERMISSION, SID);
    g_assert_cmpint(SMMU_EVENT_IND(&e), ==, 1);
    g_assert_cmpint(SMMU_EVENT_PNU(&e), ==, 0);
    g_assert_cmphex(SMMU_EVENT_SSID(&e), ==, 1);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_PRIV, 1,
                             IOVA + 0x3000, 4, MARK), ==, SVT_S_OK);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, 1, IOVA + 0x3000, 4, MARK),
                    ==, SVT_S_ERROR);
    e = smmu_assert_event(r->smmu, SMMU_EVT_F_PERMISSION, SID);
    g_assert_cmpint(SMMU_EVENT_PNU(&e), ==, 0);
    /* The device says so only where software lets it. */
    sva_cap_write16(r->sva, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL,
                    PCI_PASID_CTRL_ENABLE);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID | SVT_F_PRIV | SVT_F_ATC, 1,
                             IOVA + 0x3000, 4, MARK), ==, SVT_S_DENIED);
    rig_free(r);
}

static void test_denied(void)
{
    const uint32_t flags = SVT_F_PASID | SVT_F_ATC;
    Rig *r = rig_new(0);

    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA, 4, MARK), ==,
                    SVT_S_DENIED);
    smmu_assert_no_event(r->smmu);
    set_ste(r, 1);
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA, 4, MARK), ==, SVT_S_OK);
    viommu_fill(r->smmu, r->pages[0], BLANK, 8);
    set_ste(r, 0);
    g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA, 4, MARK), ==,
                    SVT_S_ERROR);
    smmu_assert_event(r->smmu, SMMU_EVT_F_TRANSL_FORBIDDEN, SID);
    g_assert_true(viommu_is_filled(r->smmu, r->pages[0], BLANK, 8));
    /* Split stages are not there. */
    set_ste(r, 2);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_PASID, 1, IOVA, 4, MARK), ==,
                    SVT_S_ERROR);
    smmu_assert_event(r->smmu, SMMU_EVT_C_BAD_STE, SID);
    rig_free(r);
}

/* A stream table of two levels, and CR2 */
static void set_two_levels(Rig *r, uint32_t cr2)
{
    SMMU *smmu = r->smmu;

    smmu_use_2level(smmu, 16, 8);
    smmu_set_ste(smmu, SID, r->ste);
    smmu_cr0(smmu, SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN);
    smmu_write32(smmu, SMMU_CR2, cr2);
    smmu_write64(smmu, SMMU_STRTAB_BASE, smmu->strtab);
    smmu_write32(smmu, SMMU_STRTAB_BASE_CFG, smmu->strtab_cfg);
    smmu_cr0(smmu, SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN);
    smmu_inv_everything(smmu);
}

/*
 * A stream that the table has no more: a translation request is aborted, and
 * said so if both REC_CFG_ATS and RECINVSID are set; of a translated
 * transaction the former alone counts (3.9.1.2, 3.9.1.3).
 */
static void test_no_stream(void)
{
    const uint32_t flags = SVT_F_PASID | SVT_F_ATC;

    for (unsigned i = 0; i < 4; i++) {
        Rig *r = rig_new(1);

        set_two_levels(r, (i & 1 ? SMMU_CR2_RECINVSID : 0) |
                       (i & 2 ? SMMU_CR2_REC_CFG_ATS : 0));
        g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA, 4, MARK), ==,
                        SVT_S_OK);
        viommu_fill(r->smmu, r->pages[0], BLANK, 8);
        /* The span is 0 */
        qtest_writeq(r->smmu->qts, r->smmu->strtab, 0);
        smmu_inv_everything(r->smmu);
        g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 1);
        g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA, 4, MARK), ==,
                        SVT_S_ERROR);
        if (i & 2) {
            smmu_assert_event(r->smmu, SMMU_EVT_C_BAD_STREAMID, SID);
        }
        g_assert_true(viommu_is_filled(r->smmu, r->pages[0], BLANK, 8));
        g_assert_cmpint(sva_fill(r->sva, flags, 1, IOVA + 0x100000, 4, MARK),
                        ==, SVT_S_ERROR);
        if (i == 3) {
            smmu_assert_event(r->smmu, SMMU_EVT_C_BAD_STREAMID, SID);
        }
        smmu_assert_no_event(r->smmu);
        rig_free(r);
    }
}

static void atc_inv_start(Rig *r, uint64_t flags, uint32_t ssid,
                          uint64_t address)
{
    smmu_cmd_put(r->smmu, SMMU_CMD_ATC_INV | SMMU_CMD_SID(SID) | flags |
                 SMMU_CMD_SSID(ssid), address);
    smmu_cmd_put(r->smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(r->smmu);
}

static void atc_inv(Rig *r, uint64_t flags, uint32_t ssid, uint64_t address)
{
    atc_inv_start(r, flags, ssid, address);
    viommu_until(r->smmu, smmu_cmd_idle(r->smmu));
}

/* Of what is in use, with this PASID, and nothing else */
static void test_wait(void)
{
    const uint32_t flags = SVT_F_PASID | SVT_F_ATC;
    Rig *r = rig_new(1);

    sva_start(r->sva, 3, SVT_C_FILL, flags | SVT_F_HOLD, pasids[0], 0, IOVA,
              8);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_HELD);
    g_assert_cmpint(sva_fill(r->sva, flags, pasids[1], IOVA, 8, MARK), ==,
                    SVT_S_OK);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 2);
    /* Another PASID's, without one, another page */
    atc_inv(r, SMMU_CMD_SSV, pasids[1], IOVA);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 1);
    atc_inv(r, 0, pasids[0], IOVA);
    atc_inv(r, SMMU_CMD_SSV, pasids[0], IOVA + UNIT_PAGE);
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 1);
    smmu_cmd(r->smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);

    qtest_writeq(r->smmu->qts, smmu_pte(r->smmu, &r->tables[0], IOVA, 3), 0);
    smmu_cmd(r->smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
    atc_inv_start(r, SMMU_CMD_SSV, pasids[0], IOVA);
    viommu_turns(r->smmu);
    g_assert_false(smmu_cmd_idle(r->smmu));
    g_assert_cmpuint(sva_get32(r->sva, 0, SVT_KEPT), ==, 0);
    g_assert_true(viommu_is_filled(r->smmu, r->pages[0], BLANK, 8));
    sva_set32(r->sva, 3, SVT_CMD, SVT_C_RELEASE);
    viommu_until(r->smmu, smmu_cmd_idle(r->smmu));
    g_assert_false(viommu_is_filled(r->smmu, r->pages[0], BLANK, 8));
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_OK);
    g_assert_cmpint(sva_fill(r->sva, flags, pasids[0], IOVA, 8, MARK), ==,
                    SVT_S_FAULT);

    /* Global: whatever the PASID; size 52: whatever the address */
    g_assert_cmpint(sva_fill(r->sva, flags, pasids[1], IOVA, 8, MARK), ==,
                    SVT_S_OK);
    sva_start(r->sva, 3, SVT_C_FILL, flags | SVT_F_HOLD, pasids[1], 0, IOVA,
              8);
    g_assert_cmpint(sva_finish(r->sva, 3), ==, SVT_S_HELD);
    atc_inv_start(r, SMMU_CMD_SSV | 1 << 9, 0, 52);
    viommu_turns(r->smmu);
    g_assert_false(smmu_cmd_idle(r->smmu));
    sva_flr(r->sva);
    viommu_until(r->smmu, smmu_cmd_idle(r->smmu));
    smmu_assert_no_event(r->smmu);
    rig_free(r);
}

/* A page of a process goes, from the SMMU's own caches alone. */
static Rig *rig_forgetful(void)
{
    Rig *r = rig_with("ssidsize=20,ats=on,sanitizer=on", 1);

    reaches(r, SVT_F_ATC, 0);
    reaches(r, SVT_F_ATC, 1);
    qtest_writeq(r->smmu->qts, smmu_pte(r->smmu, &r->tables[0], IOVA, 3), 0);
    smmu_cmd(r->smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
    return r;
}

static void test_sanitizer_stale(void)
{
    Rig *r = rig_forgetful();

    reaches(r, SVT_F_ATC, 0);
    sva_assert_found(r->sva, "stale-use", pasids[0], IOVA,
                     "by what its own cache (ATC) was told (looked up ");
    rig_free(r);
}

static void test_sanitizer_wrong_pasid(void)
{
    Rig *r = rig_forgetful();

    atc_inv(r, SMMU_CMD_SSV, pasids[0] + 1, IOVA);
    reaches(r, SVT_F_ATC, 0);
    sva_assert_found(r->sva, "wrong-invalidation", pasids[0], IOVA,
                     "but of PASID 0x2, of which it was told nothing there");
    rig_free(r);
}

static void test_sanitizer_correct(void)
{
    Rig *r = rig_forgetful();

    atc_inv(r, SMMU_CMD_SSV, pasids[0], IOVA);
    reaches(r, SVT_F_ATC, 1);
    g_assert_cmpint(sva_fill(r->sva, SVT_F_ATC | SVT_F_PASID, pasids[0], IOVA,
                             8, MARK), ==, SVT_S_FAULT);
    sva_assert_found(r->sva, NULL, -1, 0, NULL);
    rig_free(r);
}

/* A unit without ATS has no such command. */
static void test_without(void)
{
    SBench *b = sb_new("", "");

    g_assert_cmphex(smmu_read32(b->smmu, SMMU_IDR0) & (3 << 10), ==, 0);
    smmu_setup(b->smmu);
    smmu_cmd_put(b->smmu, SMMU_CMD_ATC_INV, 52);
    smmu_cmd_kick(b->smmu);
    smmu_cmd_error(b->smmu, SMMU_CERROR_ILL);
    sb_free(b);
}

#define ADD(name, fn) qtest_add_func("/viommu/sva/smmu/" name, fn)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("pasids", test_pasids);
    ADD("queried", test_queried);
    ADD("beyond", test_beyond);
    ADD("answers", test_answers);
    ADD("attributes", test_attributes);
    ADD("denied", test_denied);
    ADD("no-stream", test_no_stream);
    ADD("wait", test_wait);
    ADD("without", test_without);
    ADD("sanitizer/stale", test_sanitizer_stale);
    ADD("sanitizer/wrong-pasid", test_sanitizer_wrong_pasid);
    ADD("sanitizer/correct", test_sanitizer_correct);
    return g_test_run();
}
