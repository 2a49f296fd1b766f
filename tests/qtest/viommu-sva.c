/*
 * An x-sva-test as a test drives it: capabilities, commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "libqos/generic-pcihost.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-sva.h"

/* Configuration space in memory on q35; where the host bridge is told so */
#define Q35_ECAM        0xb0000000ULL
#define Q35_PCIEXBAR    0x60
/* The sanitizer has looked at everything by then. */
#define SANITIZER_WHILE_NS  (4 * 1000 * 1000 * 1000LL)

static uint64_t sva_ecam(Unit *unit)
{
    QPCIDevice *host;

    if (!g_str_equal(qtest_get_arch(), "x86_64")) {
        return container_of(unit->bus, QGenericPCIBus, bus)->ecam_alloc_ptr;
    }
    host = qpci_device_find(unit->bus, 0);
    qpci_config_writel(host, Q35_PCIEXBAR, Q35_ECAM | 1);
    g_free(host);
    return Q35_ECAM;
}

SVA *sva_open(Unit *unit, uint16_t sid)
{
    SVA *s = g_new0(SVA, 1);

    s->unit = unit;
    s->config = sva_ecam(unit) + ((uint64_t)sid << 12);
    s->pci = qpci_device_find(unit->bus, sid);
    g_assert_nonnull(s->pci);
    qpci_device_enable(s->pci);
    s->bar = qpci_iomap(s->pci, 0, NULL);
    g_assert_cmphex(sva_get32(s, 0, SVT_MAGIC), ==, SVT_MAGIC_VALUE);
    return s;
}

void sva_close(SVA *s)
{
    g_free(s->pci);
    g_free(s);
}

unsigned sva_cap(SVA *s, uint16_t id)
{
    unsigned at = 0x100;

    while (at) {
        uint32_t header = qtest_readl(s->unit->qts, s->config + at);

        if ((header & 0xffff) == id) {
            return at;
        }
        at = header >> 20;
    }
    return 0;
}

static uint64_t sva_cap_reg(SVA *s, uint16_t id, unsigned reg)
{
    unsigned cap = sva_cap(s, id);

    g_assert_cmphex(cap, !=, 0);
    return s->config + cap + reg;
}

uint16_t sva_cap_read16(SVA *s, uint16_t id, unsigned reg)
{
    return qtest_readw(s->unit->qts, sva_cap_reg(s, id, reg));
}

void sva_cap_write16(SVA *s, uint16_t id, unsigned reg, uint16_t value)
{
    qtest_writew(s->unit->qts, sva_cap_reg(s, id, reg), value);
}

uint32_t sva_cap_read32(SVA *s, uint16_t id, unsigned reg)
{
    return qtest_readl(s->unit->qts, sva_cap_reg(s, id, reg));
}

void sva_cap_write32(SVA *s, uint16_t id, unsigned reg, uint32_t value)
{
    qtest_writel(s->unit->qts, sva_cap_reg(s, id, reg), value);
}

void sva_enable(SVA *s, unsigned what)
{
    if (what & SVA_PASID) {
        sva_cap_write16(s, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL,
                        PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC |
                        PCI_PASID_CTRL_PRIV);
    }
    if (what & SVA_PRI) {
        sva_cap_write32(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_ALLOC_REQ,
                        sva_cap_read32(s, PCI_EXT_CAP_ID_PRI,
                                       PCI_PRI_MAX_REQ));
        sva_cap_write16(s, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL,
                        PCI_PRI_CTRL_ENABLE);
    }
    if (what & SVA_ATS) {
        sva_cap_write16(s, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL,
                        PCI_ATS_CTRL_ENABLE);
    }
}

void sva_msi(SVA *s, uint64_t addr, uint16_t data)
{
    uint8_t cap = qpci_find_capability(s->pci, PCI_CAP_ID_MSI, 0);

    qpci_config_writel(s->pci, cap + PCI_MSI_ADDRESS_LO, addr);
    qpci_config_writel(s->pci, cap + PCI_MSI_ADDRESS_HI, addr >> 32);
    qpci_config_writew(s->pci, cap + PCI_MSI_DATA_64, data);
    qpci_config_writew(s->pci, cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
}

void sva_flr(SVA *s)
{
    uint8_t cap = qpci_find_capability(s->pci, PCI_CAP_ID_EXP, 0);

    qpci_config_writew(s->pci, cap + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
}

void sva_enable_bus(SVA *s)
{
    qpci_config_writel(s->pci, PCI_BASE_ADDRESS_0, s->bar.addr);
    qpci_device_enable(s->pci);
}

void sva_assert_found(SVA *s, const char *kind, int64_t pasid, uint64_t iova,
                      const char *words)
{
    QDict *answer, *unit, *one;
    QList *found;

    qtest_clock_step(s->unit->qts, SANITIZER_WHILE_NS);
    viommu_turns(s->unit);
    answer = qtest_qmp(s->unit->qts, "{'execute': 'query-viommu'}");
    unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "return")));
    found = qdict_get_qlist(unit, "findings");
    g_assert_cmpuint(qlist_size(found), ==, kind ? 1 : 0);
    g_assert_true(kind ||
                  !qdict_get_int(qdict_get_qdict(unit, "stale"), "uses"));
    one = qobject_to(QDict, qlist_peek(found));
    if (one) {
        g_test_message("%s", qdict_get_str(one, "message"));
        g_assert_cmpstr(qdict_get_str(one, "kind"), ==, kind);
        g_assert_cmpstr(qdict_get_str(one, "device"), ==, "sva");
        g_assert_cmphex(qdict_get_int(one, "iova"), ==, iova);
        g_assert_cmpint(qdict_get_try_int(one, "pasid", -1), ==, pasid);
        g_assert_nonnull(strstr(qdict_get_str(one, "message"), words));
    }
    qobject_unref(answer);
}

bool sva_knows_pasid(SVA *s, uint32_t pasid)
{
    QDict *answer = qtest_qmp(s->unit->qts, "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    QListEntry *entry, *item;
    bool found = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_strcmp0(qdict_get_try_str(ep, "device"), "sva")) {
            continue;
        }
        QLIST_FOREACH_ENTRY(qdict_get_qlist(ep, "pasids"), item) {
            QDict *one = qobject_to(QDict, qlist_entry_obj(item));

            if (qdict_get_int(one, "pasid") == pasid) {
                g_assert_cmpstr(qdict_get_str(one, "mode"), ==, "translate");
                g_assert_false(qlist_empty(qdict_get_qlist(one, "domain")));
                found = true;
            }
        }
    }
    qobject_unref(answer);
    return found;
}

static uint64_t sva_reg(unsigned context, unsigned reg)
{
    return context * SVT_CONTEXT_SIZE + reg;
}

uint32_t sva_get32(SVA *s, unsigned context, unsigned reg)
{
    return qpci_io_readl(s->pci, s->bar, sva_reg(context, reg));
}

uint64_t sva_get(SVA *s, unsigned context, unsigned reg)
{
    return qpci_io_readq(s->pci, s->bar, sva_reg(context, reg));
}

void sva_set32(SVA *s, unsigned context, unsigned reg, uint32_t value)
{
    qpci_io_writel(s->pci, s->bar, sva_reg(context, reg), value);
}

void sva_set(SVA *s, unsigned context, unsigned reg, uint64_t value)
{
    qpci_io_writeq(s->pci, s->bar, sva_reg(context, reg), value);
}

void sva_start(SVA *s, unsigned context, uint32_t command, uint32_t flags,
               uint32_t pasid, uint64_t src, uint64_t dst, uint64_t len)
{
    sva_set32(s, context, SVT_FLAGS, flags);
    sva_set32(s, context, SVT_PASID, pasid);
    sva_set(s, context, SVT_SRC, src);
    sva_set(s, context, SVT_DST, dst);
    sva_set(s, context, SVT_LEN, len);
    sva_set32(s, context, SVT_CMD, command);
}

uint32_t sva_finish(SVA *s, unsigned context)
{
    viommu_until(s->unit, sva_get32(s, context, SVT_STATUS) != SVT_S_BUSY);
    return sva_get32(s, context, SVT_STATUS);
}

uint32_t sva_run(SVA *s, uint32_t command, uint32_t flags, uint32_t pasid,
                 uint64_t src, uint64_t dst, uint64_t len)
{
    sva_start(s, 0, command, flags, pasid, src, dst, len);
    return sva_finish(s, 0);
}

uint32_t sva_fill(SVA *s, uint32_t flags, uint32_t pasid, uint64_t dst,
                  uint64_t len, uint8_t byte)
{
    sva_set(s, 0, SVT_ARG, byte);
    return sva_run(s, SVT_C_FILL, flags, pasid, 0, dst, len);
}
