/*
 * VT-d: whose an interrupt request is, when many devices share one window
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each device has an entry of the interrupt remapping table that is for its
 * source-id alone.  Whoever else uses it is found out, and named.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"
#include "viommu-vtd-remap.h"

#define VECTOR      0x31               /* and the following ones */
#define PORT        (7 << 3)
#define BRIDGE      (8 << 3)
#define PORT_BUS    3
#define BRIDGE_BUS  4
#define NEW_BUS     9
#define EDU_AT      "-device edu,dma_mask=0xffffffffffffffff,"
#define EDU_IRQ_RAISE 0x60
#define DEVICES     G_N_ELEMENTS(sids)

/* The last is behind a bridge to conventional PCI, which speaks for it. */
static const uint16_t sids[] = {
    EDU_SID, 5 << 3, 6 << 3, PORT_BUS << 8, BRIDGE_BUS << 8,
};
#define BEHIND_PORT 3

typedef enum Mode {
    MODE_OFF,                /* no translation of DMA */
    MODE_PASS,               /* it is on, and all are let pass */
    MODE_TRANSLATED,         /* to nothing, each by a domain of its own */
} Mode;

typedef struct Many {
    Remap *remap;
    QPCIDevice *port, *bridge;
    Edu *edus[DEVICES];
    uint16_t given[DEVICES];     /* who may use the entry */
    uint8_t vector;              /* of the entry that was used last */
} Many;

static void many_enable(Many *m, Mode mode)
{
    VTD *vtd = m->remap->vtd;
    unsigned i;

    for (i = 0; mode != MODE_OFF && i < DEVICES; i++) {
        VTDDomain dom;

        vtd_domain_init(vtd, &dom, 1 + i, 4);
        vtd_attach(vtd, sids[i], &dom, mode == MODE_PASS ?
                   VTD_TT_PASSTHROUGH : VTD_TT_UNTRANSLATED);
    }
    if (mode != MODE_OFF) {
        vtd_set_root(vtd, vtd->root);
        vtd_gcmd(vtd, VTD_G_TE, 0);
        viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    }
}

static Many *many_new(Mode mode)
{
    Many *m = g_new0(Many, 1);
    Unit *unit;

    m->remap = remap_new_args("intremap=on,eim=off", 0,
        EDU_AT "addr=05.0 " EDU_AT "addr=06.0 "
        "-device pcie-root-port,id=rp,addr=07.0,chassis=1 "
        EDU_AT "bus=rp,id=late "
        "-device pcie-pci-bridge,id=br,addr=08.0 "
        EDU_AT "bus=br,addr=5.0 ");
    unit = &m->remap->vtd->unit;
    m->edus[0] = m->remap->edu;
    m->edus[1] = edu_new(unit, sids[1]);
    m->edus[2] = edu_new(unit, sids[2]);
    m->port = unit_open_bridge(unit, PORT, PORT_BUS);
    m->edus[3] = edu_new(unit, sids[3]);
    m->bridge = unit_open_bridge(unit, BRIDGE, BRIDGE_BUS);
    m->edus[4] = edu_new(unit, sids[4] | 5 << 3);
    memcpy(m->given, sids, sizeof(sids));
    m->vector = VECTOR;
    many_enable(m, mode);
    return m;
}

static void many_free(Many *m)
{
    unsigned i;

    for (i = 1; i < DEVICES; i++) {
        edu_free(m->edus[i]);
    }
    g_free(m->port);
    g_free(m->bridge);
    remap_free(m->remap);
    g_free(m);
}

/* Nothing takes an interrupt here: each has a vector of its own. */
static void renew(Many *m, unsigned index)
{
    remap_put(m->remap, index, VTD_IRTE_P | VTD_IRTE_VECTOR(++m->vector),
              VTD_IRTE_SVT(1) | VTD_IRTE_SID(m->given[index]));
    remap_flush(m->remap, index);
}

/* The device with the source-id @sid has used the entry @index. */
static void see(Many *m, uint16_t sid, unsigned index)
{
    bool allowed = sid == m->given[index];
    VTDFault fault;

    g_assert_cmpint(viommu_irq_arrived(m->remap->vtd, 0, m->vector), ==,
                    allowed);
    if (!allowed) {
        g_assert_true(vtd_fault_take(m->remap->vtd, 0, &fault));
        g_assert_cmphex(fault.reason, ==, VTD_FR_IR_SID);
        g_assert_cmphex(fault.sid, ==, sid);
        g_assert_cmphex(fault.info, ==, REMAP_INFO(index));
    }
    vtd_assert_no_fault(m->remap->vtd);
}

/* An MSI of the device at @i, whose source-id is @sid */
static void check_msi(Many *m, unsigned i, uint16_t sid, unsigned index)
{
    renew(m, index);
    edu_msi(m->edus[i], VTD_MSI_REMAP(index), 0);
    edu_raise(m->edus[i]);
    see(m, sid, index);
}

/* The same by plain DMA: its buffer has zeroes, such a message's data. */
static void check_forged(Many *m, unsigned i, uint16_t sid, unsigned index)
{
    renew(m, index);
    edu_store(m->edus[i], VTD_MSI_REMAP(index), 4);
    see(m, sid, index);
}

static void test_many(const void *data)
{
    Many *m = many_new(GPOINTER_TO_UINT(data));
    unsigned i, index;

    for (i = 0; i < DEVICES; i++) {
        for (index = 0; index < DEVICES; index++) {
            check_msi(m, i, sids[i], index);
            check_forged(m, i, sids[i], index);
        }
    }
    many_free(m);
}

/* The ID of what is behind a port follows the number of the bus. */
static void test_renumber(const void *data)
{
    Many *m = many_new(GPOINTER_TO_UINT(data));
    uint16_t now = NEW_BUS << 8;

    check_msi(m, BEHIND_PORT, sids[BEHIND_PORT], BEHIND_PORT);
    qpci_config_writeb(m->port, PCI_SUBORDINATE_BUS, NEW_BUS);
    qpci_config_writeb(m->port, PCI_SECONDARY_BUS, NEW_BUS);
    m->edus[BEHIND_PORT]->pci->devfn = now;
    check_msi(m, BEHIND_PORT, now, BEHIND_PORT);
    check_forged(m, BEHIND_PORT, now, BEHIND_PORT);
    m->given[BEHIND_PORT] = now;
    check_msi(m, BEHIND_PORT, now, BEHIND_PORT);
    check_msi(m, 0, sids[0], BEHIND_PORT);
    many_free(m);
}

/* One goes, and another one comes to its place. */
static void test_plug(const void *data)
{
    Many *m = many_new(GPOINTER_TO_UINT(data));
    Unit *unit = &m->remap->vtd->unit;

    plug_pull(unit, m->port, "late");
    edu_free(m->edus[BEHIND_PORT]);
    qtest_qmp_device_add(unit->qts, "edu", "late", "{'bus': 'rp',"
                         " 'dma_mask': %d}", INT_MAX);
    plug_power(m->port);
    g_free(m->port);
    m->port = unit_open_bridge(unit, PORT, PORT_BUS);
    m->edus[BEHIND_PORT] = edu_new(unit, sids[BEHIND_PORT]);
    check_msi(m, BEHIND_PORT, sids[BEHIND_PORT], BEHIND_PORT);
    check_msi(m, BEHIND_PORT, sids[BEHIND_PORT], 1);
    check_msi(m, 1, sids[1], BEHIND_PORT);
    many_free(m);
}

/* A write of one device makes another send: it is the other's request. */
static void test_nested(const void *data)
{
    Many *m = many_new(GPOINTER_TO_UINT(data));
    Edu *other = m->edus[1];
    uint64_t raise = qpci_config_readl(other->pci, PCI_BASE_ADDRESS_0) &
                     PCI_BASE_ADDRESS_MEM_MASK;
    uint64_t at = vtd_alloc(m->remap->vtd, 1);
    unsigned index;

    qtest_writel(m->remap->vtd->qts, at, 1);
    edu_load(m->edus[0], at, 4);
    for (index = 0; index < 2; index++) {
        renew(m, index);
        edu_msi(other, VTD_MSI_REMAP(index), 0);
        edu_store(m->edus[0], raise + EDU_IRQ_RAISE, 4);
        see(m, sids[1], index);
    }
    many_free(m);
}

/* Each is counted for itself. */
static int64_t remapped(Many *m, uint16_t sid)
{
    QDict *answer = qtest_qmp(m->remap->vtd->qts,
                              "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    QListEntry *entry;
    int64_t n = -1;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (qdict_get_int(ep, "requester-id") == sid) {
            n = qdict_get_try_int(ep, "interrupts-remapped", -1);
        }
    }
    qobject_unref(answer);
    return n;
}

static void test_counted(const void *data)
{
    Many *m = many_new(GPOINTER_TO_UINT(data));
    unsigned i;

    for (i = 0; i < DEVICES; i++) {
        unsigned n;

        for (n = 0; n <= i; n++) {
            check_msi(m, i, sids[i], i);
        }
    }
    for (i = 0; i < DEVICES; i++) {
        g_assert_cmpint(remapped(m, sids[i]), ==, i + 1);
    }
    many_free(m);
}

static void add(const char *name, Mode mode, GTestDataFunc test)
{
    static const char *const modes[] = { "off", "pass-through", "translated" };
    g_autofree char *path = g_strdup_printf("/viommu/vtd/requester/%s/%s",
                                            name, modes[mode]);

    qtest_add_data_func(path, GUINT_TO_POINTER(mode), test);
}

int main(int argc, char **argv)
{
    Mode mode;

    g_test_init(&argc, &argv, NULL);
    for (mode = MODE_OFF; mode <= MODE_TRANSLATED; mode++) {
        add("many", mode, test_many);
        add("counted", mode, test_counted);
        add("renumber", mode, test_renumber);
        add("plug", mode, test_plug);
    }
    add("nested", MODE_OFF, test_nested);
    add("nested", MODE_PASS, test_nested);
    return g_test_run();
}
