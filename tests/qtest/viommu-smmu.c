/*
 * An SMMUv3 as a test drives it: registers, tables, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-smmu.h"
#include "viommu-viommud.h"

/* Below it: what the board puts at the beginning of its memory. */
#define FIRST_FREE      (VIRT_RAM + 0x1000000)

#define GICD_ISPENDR    0x200
#define GICD_ICPENDR    0x280
#define GICD_ICFGR      0xc00

#define CMD_BYTES       16
/* How often an event that has to come is looked for, and between two looks */
#define EVENT_LOOKS     3000
#define EVENT_PAUSE_US  10000
#define EVENT_BYTES     32

/* Is the unit in another process? */
static bool smmu_is_remote(void)
{
    return g_strcmp0(g_getenv("VIOMMU_UNIT"), "remote-smmuv3") == 0;
}

char *smmu_machine(const char *props)
{
    g_auto(GStrv) list = g_strsplit(props, ",", -1);
    GString *args = g_string_new("-machine virt,iommu=smmuv3,gic-version=2 "
                                 "-cpu cortex-a57 -m 2G -nodefaults");
    char **p;

    if (smmu_is_remote()) {
        g_string_free(args, true);
        return viommud_smmu_args(0, props);
    }
    for (p = list; *p; p++) {
        g_string_append_printf(args, " -global arm-smmuv3.%s", *p);
    }
    return g_string_free(args, false);
}

static void open_bus(SMMU *smmu)
{
    qpci_init_generic(&smmu->pci, smmu->qts, NULL, true);
    smmu->bus = &smmu->pci.bus;
}

/* The wired interrupts are edges (virt's device tree says so, too). */
static void set_edges(SMMU *smmu)
{
    int irq;

    for (irq = SMMU_IRQ_EVENTQ; irq <= SMMU_IRQ_GERROR; irq++) {
        int intid = SMMU_INTID + irq;
        uint64_t reg = VIRT_GICD + GICD_ICFGR + intid / 16 * 4;

        qtest_writel(smmu->qts, reg, qtest_readl(smmu->qts, reg) |
                                     2u << intid % 16 * 2);
    }
}

SMMU *smmu_start(const char *props, const char *fmt, ...)
{
    g_autofree char *args = NULL, *machine = smmu_machine(props);
    SMMU *smmu;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    smmu = smmu_start_machine(machine, args);
    smmu->remote = smmu_is_remote();
    return smmu;
}

SMMU *smmu_start_machine(const char *machine, const char *args)
{
    SMMU *smmu = g_new0(SMMU, 1);

    smmu->qts = unit_launch(machine, args);
    open_bus(smmu);
    set_edges(smmu);
    smmu->next = FIRST_FREE;
    smmu->strtab = unit_alloc_aligned(&smmu->unit,
                                      SMMU_STE_SIZE << SMMU_STRTAB_LOG2);
    smmu->strtab_cfg = SMMU_STRTAB_LINEAR(SMMU_STRTAB_LOG2);
    smmu->cmdq_log2 = SMMU_CMDQ_LOG2;
    smmu->cmdq = unit_alloc_aligned(&smmu->unit,
                                    CMD_BYTES << SMMU_CMDQ_LOG2);
    smmu->eventq_log2 = SMMU_EVENTQ_LOG2;
    smmu->eventq = unit_alloc_aligned(&smmu->unit,
                                      EVENT_BYTES << SMMU_EVENTQ_LOG2);
    smmu->msi = unit_alloc(&smmu->unit, 1);
    return smmu;
}

SMMU *smmu_adopt(const SMMU *from, QTestState *qts)
{
    SMMU *smmu = g_new0(SMMU, 1);

    *smmu = *from;
    smmu->qts = qts;
    open_bus(smmu);
    smmu->bus->mmio_alloc_ptr = from->bus->mmio_alloc_ptr;
    return smmu;
}

void smmu_stop(SMMU *smmu)
{
    unit_quit(smmu->qts);
    if (smmu->remote) {
        viommud_end();
    }
    g_free(smmu);
}

void smmu_reset(SMMU *smmu)
{
    qtest_system_reset(smmu->qts);
    set_edges(smmu);
    smmu->cmdq_prod = 0;
    smmu->eventq_cons = 0;
}

uint32_t smmu_read32(SMMU *smmu, unsigned reg)
{
    return qtest_readl(smmu->qts, SMMU_BASE + reg);
}

uint64_t smmu_read64(SMMU *smmu, unsigned reg)
{
    return qtest_readq(smmu->qts, SMMU_BASE + reg);
}

void smmu_write32(SMMU *smmu, unsigned reg, uint32_t value)
{
    qtest_writel(smmu->qts, SMMU_BASE + reg, value);
}

void smmu_write64(SMMU *smmu, unsigned reg, uint64_t value)
{
    qtest_writeq(smmu->qts, SMMU_BASE + reg, value);
}

void smmu_cr0(SMMU *smmu, uint32_t value)
{
    smmu_write32(smmu, SMMU_CR0, value);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) == value);
}

void smmu_setup(SMMU *smmu)
{
    smmu->cmdq_prod = 0;
    smmu->eventq_cons = 0;
    smmu_write64(smmu, SMMU_STRTAB_BASE, smmu->strtab | SMMU_BASE_RA_WA);
    smmu_write32(smmu, SMMU_STRTAB_BASE_CFG, smmu->strtab_cfg);
    smmu_write64(smmu, SMMU_CMDQ_BASE,
                 smmu->cmdq | smmu->cmdq_log2 | SMMU_BASE_RA_WA);
    smmu_write32(smmu, SMMU_CMDQ_PROD, 0);
    smmu_write32(smmu, SMMU_CMDQ_CONS, 0);
    smmu_write64(smmu, SMMU_EVENTQ_BASE,
                 smmu->eventq | smmu->eventq_log2 | SMMU_BASE_RA_WA);
    smmu_write32(smmu, SMMU_PAGE1 + SMMU_EVENTQ_PROD, 0);
    smmu_write32(smmu, SMMU_PAGE1 + SMMU_EVENTQ_CONS, 0);
    /* Invalid stream IDs are events, too. */
    smmu_write32(smmu, SMMU_CR2, SMMU_CR2_RECINVSID);
    smmu_cr0(smmu, SMMU_CR0_CMDQEN);
    smmu_inv_everything(smmu);
    smmu_cr0(smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write32(smmu, SMMU_IRQ_CTRL,
                 SMMU_IRQ_CTRL_GERROR | SMMU_IRQ_CTRL_EVENTQ);
    viommu_until(smmu, smmu_read32(smmu, SMMU_IRQ_CTRLACK) ==
                       (SMMU_IRQ_CTRL_GERROR | SMMU_IRQ_CTRL_EVENTQ));
}

void smmu_enable(SMMU *smmu)
{
    smmu_setup(smmu);
    smmu_cr0(smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
}

void smmu_irq_clear(SMMU *smmu)
{
    qtest_writel(smmu->qts, VIRT_GICD + GICD_ICPENDR + SMMU_INTID / 32 * 4,
                 0xfu << SMMU_INTID % 32);
}

bool smmu_irq_arrived(SMMU *smmu, int irq)
{
    uint32_t pending = qtest_readl(smmu->qts, VIRT_GICD + GICD_ISPENDR +
                                              SMMU_INTID / 32 * 4);

    return pending & 1u << (SMMU_INTID + irq) % 32;
}

void smmu_cmd_put(SMMU *smmu, uint64_t dw0, uint64_t dw1)
{
    uint32_t mask = (1u << smmu->cmdq_log2) - 1;
    uint64_t slot = smmu->cmdq + (smmu->cmdq_prod & mask) * CMD_BYTES;

    qtest_writeq(smmu->qts, slot, dw0);
    qtest_writeq(smmu->qts, slot + 8, dw1);
    smmu->cmdq_prod = (smmu->cmdq_prod + 1) & (2u * mask + 1);
}

void smmu_cmd_kick(SMMU *smmu)
{
    smmu_write32(smmu, SMMU_CMDQ_PROD, smmu->cmdq_prod);
}

bool smmu_cmd_idle(SMMU *smmu)
{
    uint32_t mask = 2u * (1u << smmu->cmdq_log2) - 1;

    /* ERR means something only while there is an error. */
    return (smmu_read32(smmu, SMMU_CMDQ_CONS) & mask) == smmu->cmdq_prod;
}

void smmu_cmd(SMMU *smmu, uint64_t dw0, uint64_t dw1)
{
    smmu_cmd_put(smmu, dw0, dw1);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(smmu);
    viommu_until(smmu, smmu_cmd_idle(smmu));
}

void smmu_sync_msi_put(SMMU *smmu)
{
    smmu_cmd_put(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ) |
                 SMMU_CMD_SYNC_MSIDATA(++smmu->ticket), smmu->msi);
}

bool smmu_sync_msi_arrived(SMMU *smmu)
{
    return qtest_readl(smmu->qts, smmu->msi) == smmu->ticket;
}

void smmu_inv_everything(SMMU *smmu)
{
    smmu_cmd_put(smmu, SMMU_CMD_CFGI_STE_RANGE, 31);
    smmu_cmd(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
}

void smmu_cmd_error(SMMU *smmu, int cerror)
{
    uint32_t mask = 2u * (1u << smmu->cmdq_log2) - 1;
    uint32_t at = (smmu->cmdq_prod - 1) & mask;

    viommu_until(smmu, (smmu_read32(smmu, SMMU_GERROR) ^
                        smmu_read32(smmu, SMMU_GERRORN)) & SMMU_GERROR_CMDQ);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS) & mask, ==, at);
    g_assert_cmpint(SMMU_CMDQ_CONS_ERR(smmu_read32(smmu, SMMU_CMDQ_CONS)), ==,
                    cerror);
    smmu->cmdq_prod = at;
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
    viommu_until(smmu, (smmu_read32(smmu, SMMU_CMDQ_CONS) & mask) ==
                       smmu->cmdq_prod);
}

bool smmu_event_take(SMMU *smmu, SMMUEvent *e)
{
    uint32_t mask = (1u << smmu->eventq_log2) - 1;
    uint32_t prod = smmu_read32(smmu, SMMU_PAGE1 + SMMU_EVENTQ_PROD);
    uint64_t slot = smmu->eventq + (smmu->eventq_cons & mask) * EVENT_BYTES;
    int i;

    if (((prod ^ smmu->eventq_cons) & (2 * mask + 1)) == 0) {
        return false;
    }
    for (i = 0; i < 4; i++) {
        e->dw[i] = qtest_readq(smmu->qts, slot + i * 8);
    }
    smmu->eventq_cons = (smmu->eventq_cons + 1) & (2 * mask + 1);
    smmu_write32(smmu, SMMU_PAGE1 + SMMU_EVENTQ_CONS,
                 smmu->eventq_cons | (prod & SMMU_EVENTQ_OVFLG));
    return true;
}

void smmu_assert_no_event(SMMU *smmu)
{
    SMMUEvent e;

    if (smmu_event_take(smmu, &e)) {
        g_test_message("event %016" PRIx64 " %016" PRIx64 " %016" PRIx64
                       " %016" PRIx64, e.dw[0], e.dw[1], e.dw[2], e.dw[3]);
        g_assert_not_reached();
    }
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==,
                    smmu_read32(smmu, SMMU_GERRORN));
}

SMMUEvent smmu_assert_event(SMMU *smmu, uint8_t type, uint32_t sid)
{
    SMMUEvent e;
    unsigned looks = EVENT_LOOKS;

    /* A unit in another process may answer a read first, and then record. */
    while (!smmu_event_take(smmu, &e)) {
        g_assert_cmpuint(looks--, >, 0);
        g_usleep(EVENT_PAUSE_US);
    }
    g_test_message("event %016" PRIx64 " %016" PRIx64 " %016" PRIx64
                   " %016" PRIx64, e.dw[0], e.dw[1], e.dw[2], e.dw[3]);
    g_assert_cmphex(SMMU_EVENT_TYPE(&e), ==, type);
    g_assert_cmphex(SMMU_EVENT_SID(&e), ==, sid);
    smmu_assert_no_event(smmu);
    return e;
}

void smmu_assert_fault(SMMU *smmu, uint8_t type, uint32_t sid, bool is_read,
                       int class, bool s2, uint64_t iova, uint64_t ipa)
{
    SMMUEvent e = smmu_assert_event(smmu, type, sid);

    g_assert_cmpint(SMMU_EVENT_SSV(&e), ==, 0);
    g_assert_cmpint(SMMU_EVENT_STALL(&e), ==, 0);
    g_assert_cmpint(SMMU_EVENT_RNW(&e), ==, is_read);
    g_assert_cmpint(SMMU_EVENT_CLASS(&e), ==, class);
    g_assert_cmpint(SMMU_EVENT_S2(&e), ==, s2);
    g_assert_cmphex(e.dw[2], ==, iova);
    if (s2) {
        g_assert_cmphex(e.dw[3] & LPAE_ADDR, ==, ipa & LPAE_ADDR);
    }
}
