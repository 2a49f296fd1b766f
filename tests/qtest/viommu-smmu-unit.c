/*
 * SMMUv3 for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-smmu.h"
#include "viommu-viommud.h"

#define VMID        3
#define S1_BITS     39
#define S2_BITS     40
#define GIB         (1ULL << 30)
#define RAM_GIB     2

struct UnitSpace {
    bool s1, s2;             /* which of the tables are used */
    SMMUTable t1, t2;
    uint64_t cd;
    uint64_t ssids;          /* SMMU_STE0_S1CDMAX of the table at @cd; or 0 */
    uint16_t asid, vmid;
};

static SMMU *smmu_of(const Unit *unit)
{
    return container_of(unit, SMMU, unit);
}

/* The base has no MSIs. */
static bool offers_msi(void)
{
    static int offers = -1;

    if (offers < 0) {
        offers = viommu_offers("arm-smmuv3", "msi");
    }
    return offers;
}

static char *props_of(unsigned form, const char *props)
{
    bool msi = form == SMMU_FORM_MSI && offers_msi();

    return g_strdup_printf("%s%s%s", props, msi && *props ? "," : "",
                           msi ? "msi=on" : "");
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    g_autofree char *all = props_of(form, props);
    SMMU *smmu = smmu_start(all, "%s", args);

    smmu->ops = &smmu_unit_ops;
    return &smmu->unit;
}

static char *args(unsigned form, const char *props)
{
    g_autofree char *all = props_of(form, props);

    return smmu_machine(all);
}

static Unit *adopt(const Unit *from, QTestState *qts)
{
    return &smmu_adopt(smmu_of(from), qts)->unit;
}

static void stop(Unit *unit)
{
    smmu_stop(smmu_of(unit));
}

static void reset(Unit *unit)
{
    smmu_reset(smmu_of(unit));
}

static void assert_reset(Unit *unit)
{
    SMMU *smmu = smmu_of(unit);

    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==, 0);
}

static void assert_cancelled(Unit *unit, unsigned form)
{
    SMMU *smmu = smmu_of(unit);

    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    if (smmu->ticket) {
        g_assert_false(smmu_sync_msi_arrived(smmu));
    }
}

/* The memory as it is, for a stage 1 whose tables are behind stage 2 */
static void map_identity(SMMU *smmu, const SMMUTable *t)
{
    int i;

    for (i = 0; i < RAM_GIB; i++) {
        uint64_t at = VIRT_RAM + i * GIB;

        smmu_map(smmu, t, at, at, 1, smmu_leaf(t, UNIT_RW));
    }
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    SMMU *smmu = smmu_of(unit);
    UnitSpace *s = g_new0(UnitSpace, 1);
    uint64_t cd[8];

    s->s1 = form != SMMU_FORM_S2;
    s->s2 = form == SMMU_FORM_S2 || form == SMMU_FORM_NESTED;
    s->asid = s->s1 ? id : 0;
    s->vmid = s->s1 ? VMID : id;
    if (s->s2) {
        smmu_table_init(smmu, &s->t2, 2, 12, S2_BITS, 0);
    }
    if (s->s1) {
        smmu_table_init(smmu, &s->t1, 1, 12, S1_BITS, 0);
        s->cd = unit_alloc(unit, 1);
        smmu_make_cd(cd, &s->t1, NULL, s->asid);
        smmu_put(smmu, s->cd, cd);
        if (s->s2) {
            map_identity(smmu, &s->t2);
        }
    }
    return s;
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    int config = s->s1 ? s->s2 ? SMMU_STE_NESTED : SMMU_STE_S1 : SMMU_STE_S2;
    uint64_t ste[8];

    smmu_make_ste(ste, config, s->cd, s->s2 ? &s->t2 : NULL, s->vmid);
    ste[0] |= s->ssids;
    smmu_set_ste(smmu_of(unit), sid, ste);
}

/* A table of 64 CDs, of which one is the space's */
static UnitSpace *pasid_space(Unit *unit, uint16_t id, uint32_t pasid)
{
    UnitSpace *s = space(unit, SMMU_FORM_SYNC, id);
    uint64_t cd[8];

    smmu_make_cd(cd, &s->t1, NULL, s->asid);
    s->cd = unit_alloc(unit, 1);
    s->ssids = SMMU_STE0_S1CDMAX(6);
    smmu_put(smmu_of(unit), s->cd + pasid % 64 * 64, cd);
    return s;
}

static void attach_ats(Unit *unit, uint16_t sid, UnitSpace *s)
{
    uint64_t ste1 = smmu_ste(smmu_of(unit), sid) + 8;

    attach(unit, sid, s);
    qtest_writeq(unit->qts, ste1, qtest_readq(unit->qts, ste1) |
                 SMMU_STE1_EATS(1));
}

static void ats_inv_start(Unit *unit, uint16_t sid)
{
    SMMU *smmu = smmu_of(unit);

    smmu_cmd_put(smmu, SMMU_CMD_ATC_INV | SMMU_CMD_SID(sid), 52);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(smmu);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    const SMMUTable *t = s->s1 ? &s->t1 : &s->t2;
    int level = size == UNIT_PAGE ? 3 : 2;

    if (perms) {
        /* Stage 1 has no pages that are for writing only. */
        g_assert_false(s->s1 && perms == UNIT_W);
        smmu_map(smmu_of(unit), t, iova, gpa, level, smmu_leaf(t, perms));
    } else {
        qtest_writeq(unit->qts, smmu_pte(smmu_of(unit), t, iova, level), 0);
    }
}

static uint64_t pte(Unit *unit, UnitSpace *s, uint64_t iova)
{
    return smmu_pte(smmu_of(unit), s->s1 ? &s->t1 : &s->t2, iova, 3);
}

static void enable(Unit *unit, unsigned form)
{
    smmu_enable(smmu_of(unit));
}

static void enable_start(Unit *unit)
{
    SMMU *smmu = smmu_of(unit);

    smmu_setup(smmu);
    smmu_write32(smmu, SMMU_CR0, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN |
                                 SMMU_CR0_EVENTQEN);
}

static bool enabled(Unit *unit)
{
    return smmu_read32(smmu_of(unit), SMMU_CR0ACK) & SMMU_CR0_SMMUEN;
}

static void sync_put(SMMU *smmu, unsigned form)
{
    switch (form) {
    case SMMU_FORM_MSI:
        if (smmu_read32(smmu, SMMU_IDR0) & SMMU_IDR0_MSI) {
            smmu_sync_msi_put(smmu);
            return;
        }
        /* fall through */
    case SMMU_FORM_IRQ:
        smmu_irq_clear(smmu);
        smmu_cmd_put(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ), 0);
        break;
    default:
        smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    }
}

static uint64_t inv_tag(const UnitSpace *s)
{
    return SMMU_CMD_VMID(s->vmid) | SMMU_CMD_ASID(s->asid);
}

static void inv_put(SMMU *smmu, unsigned form, UnitScope scope,
                    const UnitSpace *s, uint64_t iova, unsigned order)
{
    uint64_t range = SMMU_CMD_SCALE(order);
    uint64_t where = iova | SMMU_CMD1_LEAF;

    /* 4.4.1.1: (NUM + 1) * 2^SCALE granules of TG, mapped at level 3 */
    if (order || form != SMMU_FORM_MSI) {
        where |= SMMU_CMD1_TG(SMMU_TLBI_TG(12)) | SMMU_CMD1_TTL(3);
    }
    switch (scope) {
    case UNIT_ALL:
        if (form == SMMU_FORM_IRQ) {
            smmu_cmd_put(smmu, SMMU_CMD_TLBI_NH_ALL | inv_tag(s), 0);
        } else {
            smmu_cmd_put(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
        }
        break;
    case UNIT_SPACE:
        smmu_cmd_put(smmu, (s->s1 ? SMMU_CMD_TLBI_NH_ASID
                                  : SMMU_CMD_TLBI_S12_VMALL) | inv_tag(s), 0);
        break;
    case UNIT_RANGE:
        smmu_cmd_put(smmu, (s->s1 ? SMMU_CMD_TLBI_NH_VA
                                  : SMMU_CMD_TLBI_S2_IPA) |
                           range | inv_tag(s), where);
        break;
    }
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    SMMU *smmu = smmu_of(unit);

    inv_put(smmu, form, scope, s, iova, order);
    sync_put(smmu, form);
    smmu_cmd_kick(smmu);
}

static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    SMMU *smmu = smmu_of(unit);
    uint64_t ste[8];

    smmu_make_ste(ste, SMMU_STE_ABORT, 0, NULL, 0);
    smmu_set_ste(smmu, sid, ste);
    smmu_cmd_put(smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(sid),
                 SMMU_CMD1_LEAF);
    inv_put(smmu, form, UNIT_SPACE, s, 0, 0);
    sync_put(smmu, form);
    smmu_cmd_kick(smmu);
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    attach(unit, sid, s);
    smmu_inv_everything(smmu_of(unit));
}

/* The signal must not come before the command is consumed. */
static bool inv_done(Unit *unit, unsigned form)
{
    SMMU *smmu = smmu_of(unit);
    bool told = true;

    switch (form) {
    case SMMU_FORM_MSI:
        if (smmu_read32(smmu, SMMU_IDR0) & SMMU_IDR0_MSI) {
            told = smmu_sync_msi_arrived(smmu);
            break;
        }
        /* fall through */
    case SMMU_FORM_IRQ:
        told = smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC);
        break;
    default:
        break;
    }
    if (!told) {
        return false;
    }
    if (form == SMMU_FORM_IRQ || form == SMMU_FORM_MSI) {
        g_assert_true(smmu_cmd_idle(smmu));
    }
    return smmu_cmd_idle(smmu);
}

static void assert_no_fault(Unit *unit)
{
    smmu_assert_no_event(smmu_of(unit));
}

/* An access that fails may have been tried in pieces; the first is at @iova. */
static void assert_fault(Unit *unit, uint16_t sid, bool is_read,
                         uint64_t iova)
{
    SMMU *smmu = smmu_of(unit);
    SMMUEvent e;
    unsigned n;

    for (n = 0; smmu_event_take(smmu, &e); n++) {
        g_assert_cmphex(SMMU_EVENT_TYPE(&e), ==, SMMU_EVT_F_TRANSLATION);
        g_assert_cmphex(SMMU_EVENT_SID(&e), ==, sid);
        g_assert_cmpint(SMMU_EVENT_RNW(&e), ==, is_read);
        g_assert_cmphex(e.dw[2] & LPAE_ADDR, ==, iova & LPAE_ADDR);
        if (n == 0) {
            g_assert_cmphex(e.dw[2], ==, iova);
        }
    }
    g_assert_cmpuint(n, >, 0);
    smmu_assert_no_event(smmu);
}

static bool drop_faults(Unit *unit, uint16_t sid)
{
    SMMUEvent e;
    bool any = false;

    while (smmu_event_take(smmu_of(unit), &e)) {
        g_assert_cmphex(SMMU_EVENT_SID(&e), ==, sid);
        any = true;
    }
    return any;
}

static const char *const forms[] = {
    "sync", "sync-irq", "sync-msi", "stage-2", "nested", NULL
};

#define SMMU_UNIT_OPS                                                   \
    .target = "aarch64",                                                \
    .regs = SMMU_BASE,                                                  \
    .regs_size = SMMU_END,                                              \
    .queue_form = SMMU_FORM_SYNC,                                       \
    .coarse_forms = 1u << SMMU_FORM_MSI,                                \
    .write_only_form = SMMU_FORM_S2,                                    \
    .ram = VIRT_RAM,                                                    \
    .adopt = adopt,                                                     \
    .reset = reset,                                                     \
    .assert_reset = assert_reset,                                       \
    .assert_cancelled = assert_cancelled,                               \
    .space = space,                                                     \
    .attach = attach,                                                   \
    .map = map,                                                         \
    .pte = pte,                                                         \
    .enable = enable,                                                   \
    .enable_start = enable_start,                                       \
    .enabled = enabled,                                                 \
    .inv_start = inv_start,                                             \
    .reattach = reattach,                                               \
    .detach_start = detach_start,                                       \
    .inv_done = inv_done,                                               \
    .assert_no_fault = assert_no_fault,                                 \
    .assert_fault = assert_fault,                                       \
    .drop_faults = drop_faults

const UnitOps smmu_unit_ops = {
    SMMU_UNIT_OPS,
    .name = "smmuv3",
    .type = "arm-smmuv3",
    .forms = forms,
    .stock_stream = true,
    .start = start,
    .args = args,
    .stop = stop,
    .pasid_form = SMMU_FORM_SYNC,
    .pasid_props = "ssidsize=20",
    .pasid_space = pasid_space,
    .ats_props = "ats=on",
    .attach_ats = attach_ats,
    .ats_inv_start = ats_inv_start,
};

/* Behind viommu-remote, with qemu-viommud: there are no wires. */
static const char *const remote_forms[] = {
    "sync", "", "sync-msi", "stage-2", "nested", NULL
};

static Unit *remote_start_machine(const char *machine, const char *args)
{
    return &smmu_start_machine(machine, args)->unit;
}

static Unit *remote_start(unsigned form, const char *props, const char *args)
{
    return viommud_start(&smmu_remote_unit_ops, form, props, args,
                         remote_start_machine);
}

static void remote_stop(Unit *unit)
{
    stop(unit);
    viommud_end();
}

const UnitOps smmu_remote_unit_ops = {
    SMMU_UNIT_OPS,
    .name = "remote-smmuv3",
    .type = "viommu-remote",
    .forms = remote_forms,
    .vague = true,
    .shares_memory = true,
    .start = remote_start,
    .args = viommud_smmu_args,
    .stop = remote_stop,
};
