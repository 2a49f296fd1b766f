/*
 * An AMD-Vi unit as a test drives it: registers, tables, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/pci-pc.h"
#include "viommu-amd.h"

/* Below it: what firmware would use. */
#define FIRST_FREE 0x100000

char *amd_machine(const char *props)
{
    return g_strdup_printf("-machine q35 -m 2G -nodefaults "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-device amd-iommu%s%s", *props ? "," : "", props);
}

AMD *amd_start(const char *props, const char *fmt, ...)
{
    g_autofree uint8_t *blocked = g_malloc0(AMD_DEVICES * 32);
    AMD *amd = g_new0(AMD, 1);
    g_autofree char *args = NULL, *machine = NULL;
    unsigned sid;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    machine = amd_machine(props);
    amd->qts = unit_launch(machine, args);
    amd->bus = qpci_new_pc(amd->qts, NULL);
    amd->next = FIRST_FREE;
    amd->devtab = unit_alloc(&amd->unit, AMD_DEVICES * 32 / UNIT_PAGE);
    amd->cmd = unit_alloc(&amd->unit, 1);
    amd->log = unit_alloc(&amd->unit, 1);
    amd->store = unit_alloc(&amd->unit, 1);
    for (sid = 0; sid < AMD_DEVICES; sid++) {
        stq_le_p(blocked + 32 * sid, AMD_DTE_V | AMD_DTE_TV);
    }
    qtest_memwrite(amd->qts, amd->devtab, blocked, AMD_DEVICES * 32);
    return amd;
}

AMD *amd_adopt(const AMD *from, QTestState *qts)
{
    AMD *amd = g_new0(AMD, 1);

    *amd = *from;
    amd->qts = qts;
    amd->bus = qpci_new_pc(qts, NULL);
    return amd;
}

void amd_stop(AMD *amd)
{
    qpci_free_pc(amd->bus);
    unit_quit(amd->qts);
    g_free(amd);
}

uint64_t amd_read(AMD *amd, unsigned reg)
{
    return qtest_readq(amd->qts, AMD_BASE + reg);
}

void amd_write(AMD *amd, unsigned reg, uint64_t value)
{
    qtest_writeq(amd->qts, AMD_BASE + reg, value);
}

void amd_setup(AMD *amd)
{
    amd_write(amd, AMD_DEVTAB, amd->devtab |
              (AMD_DEVICES * 32 / UNIT_PAGE - 1));
    amd_write(amd, AMD_CMD_BASE, amd->cmd | (uint64_t)AMD_RING_LOG2 << 56);
    amd_write(amd, AMD_EVENT_BASE, amd->log | (uint64_t)AMD_RING_LOG2 << 56);
    amd->cmd_tail = 0;
}

void amd_enable(AMD *amd)
{
    amd_setup(amd);
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG | AMD_C_CMD_BUF |
              amd->control);
    amd_cmd(amd, AMD_CMD_ALL, 0);
}

void amd_cmd_put(AMD *amd, uint64_t w0, uint64_t w1)
{
    qtest_writeq(amd->qts, amd->cmd + amd->cmd_tail * 16, w0);
    qtest_writeq(amd->qts, amd->cmd + amd->cmd_tail * 16 + 8, w1);
    amd->cmd_tail = (amd->cmd_tail + 1) % AMD_RING_ENTRIES;
}

void amd_cmd_wait_put(AMD *amd)
{
    amd_cmd_put(amd, AMD_CMD_WAIT | AMD_WAIT_STORE | amd->store,
                ++amd->ticket);
}

void amd_cmd_kick(AMD *amd)
{
    amd_write(amd, AMD_CMD_TAIL, amd->cmd_tail * 16);
}

bool amd_cmd_done(AMD *amd)
{
    return qtest_readq(amd->qts, amd->store) == amd->ticket;
}

void amd_cmd(AMD *amd, uint64_t w0, uint64_t w1)
{
    amd_cmd_put(amd, w0, w1);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
    viommu_until(amd, amd_cmd_done(amd));
}

void amd_set_dte(AMD *amd, uint16_t sid, unsigned first, uint64_t w0,
                 uint64_t w1)
{
    uint64_t entry = amd->devtab + 32 * sid + 8 * first;

    qtest_writeq(amd->qts, entry + 8, w1);
    qtest_writeq(amd->qts, entry, w0);
}

void amd_domain_init(AMD *amd, AMDDomain *dom, uint16_t id)
{
    dom->id = id;
    dom->table = unit_alloc(&amd->unit, 1);
}

void amd_attach(AMD *amd, uint16_t sid, const AMDDomain *dom)
{
    amd_set_dte(amd, sid, 0, AMD_DTE_V | AMD_DTE_TV | AMD_MODE(4) |
                dom->table | AMD_RW, dom->id);
}

uint64_t amd_pte(AMD *amd, const AMDDomain *dom, uint64_t iova, int level)
{
    uint64_t table = dom->table;
    int l;

    for (l = 4; ; l--) {
        uint64_t entry = table + (iova >> (12 + 9 * (l - 1)) & 511) * 8;
        uint64_t pte;

        if (l == level) {
            return entry;
        }
        pte = qtest_readq(amd->qts, entry);
        if (!(pte & AMD_PR)) {
            pte = unit_alloc(&amd->unit, 1) | AMD_PR | AMD_RW | AMD_MODE(l - 1);
            qtest_writeq(amd->qts, entry, pte);
        }
        table = pte & AMD_ADDR;
    }
}

void amd_guest_init(AMD *amd, AMDGuest *g, uint16_t id, bool nested)
{
    uint64_t table;
    unsigned i;

    *g = (AMDGuest) {
        .id = id, .levels = 4, .gcr3 = unit_alloc(&amd->unit, 1),
    };
    if (nested) {
        g->host = unit_alloc(&amd->unit, 1);
        table = unit_alloc(&amd->unit, 1);
        qtest_writeq(amd->qts, g->host, table | AMD_MODE(3) | AMD_PR | AMD_RW);
        for (i = 0; i < 4; i++) {
            qtest_writeq(amd->qts, table + 8 * i,
                         ((uint64_t)i << 30) | AMD_PR | AMD_RW);
        }
    }
}

void amd_guest_attach(AMD *amd, uint16_t sid, const AMDGuest *g)
{
    amd_set_dte(amd, sid, 2, g->levels == 5 ? AMD_DTE2_LEVELS_5 : 0, 0);
    amd_set_dte(amd, sid, 0, AMD_DTE_V | AMD_DTE_TV | AMD_RW |
                (g->host ? AMD_MODE(4) | g->host : 0) |
                AMD_DTE_GV | AMD_DTE_GIOV | (g->gcr3 >> 12 & 7) << 58,
                g->id | (g->gcr3 >> 15 & 0xffff) << 16 |
                (g->gcr3 >> 31) << 43);
}

uint64_t amd_guest_pte(AMD *amd, const AMDGuest *g, uint32_t pasid,
                       uint64_t iova, int level)
{
    uint64_t entry = g->gcr3 + 8 * pasid, made = AMD_GCR3_V, pte;
    int l;

    for (l = g->levels; ; l--) {
        pte = qtest_readq(amd->qts, entry);
        if (!(pte & AMD_G_P)) {
            pte = unit_alloc(&amd->unit, 1) | made;
            qtest_writeq(amd->qts, entry, pte);
        }
        made = AMD_G_ALL;
        entry = (pte & AMD_ADDR) + (iova >> (12 + 9 * (l - 1)) & 511) * 8;
        if (l == level) {
            return entry;
        }
    }
}

bool amd_event_take(AMD *amd, AMDEvent *event)
{
    uint64_t head = amd_read(amd, AMD_EVENT_HEAD), w0;

    if (head == amd_read(amd, AMD_EVENT_TAIL)) {
        return false;
    }
    w0 = qtest_readq(amd->qts, amd->log + head);
    *event = (AMDEvent) {
        .code = w0 >> 60,
        .flags = w0 >> 48 & 0xfff,
        .device = w0,
        .domain = w0 >> 32,
        .addr = qtest_readq(amd->qts, amd->log + head + 8),
    };
    if (event->flags & AMD_F_GN) {
        event->pasid = (w0 >> 16 & 0xf) << 16 | event->domain;
        event->domain = 0;
    }
    amd_write(amd, AMD_EVENT_HEAD, (head + 16) % (AMD_RING_ENTRIES * 16));
    amd_write(amd, AMD_STATUS, AMD_S_EVENT_INT);
    return true;
}

void amd_assert_no_event(AMD *amd)
{
    AMDEvent event;

    g_assert_false(amd_event_take(amd, &event));
}

void amd_assert_event(AMD *amd, unsigned code, uint16_t device,
                      unsigned flags, uint64_t addr)
{
    AMDEvent event;

    g_assert_true(amd_event_take(amd, &event));
    g_assert_cmpuint(event.code, ==, code);
    g_assert_cmphex(event.device, ==, device);
    g_assert_cmphex(event.flags, ==, flags);
    g_assert_cmphex(event.addr, ==, addr);
}
