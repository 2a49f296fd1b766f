/*
 * A slot for devices that come and go while the machine runs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"

/* Configuration space in memory; where the host bridge is told so */
#define ECAM        0xb0000000ULL
#define Q35_PCIEXBAR 0x60

static void slot_control(QPCIDevice *port, uint16_t value)
{
    uint8_t cap = qpci_find_capability(port, PCI_CAP_ID_EXP, 0);

    qpci_config_writew(port, cap + PCI_EXP_SLTCTL, value);
}

void plug_power(QPCIDevice *port)
{
    slot_control(port, PCI_EXP_SLTCTL_PWR_ON | PCI_EXP_SLTCTL_PWR_IND_ON);
}

/* What is behind the device, or part of it, may be reported first. */
bool plug_pulled(Unit *unit, const char *id)
{
    bool gone = false;
    QDict *event;

    /* Its answer brings along the events that came before it. */
    qtest_qmp_assert_success(unit->qts, "{'execute': 'query-status'}");
    while (!gone && (event = qtest_qmp_event_ref(unit->qts,
                                                 "DEVICE_DELETED"))) {
        QDict *data = qdict_get_qdict(event, "data");

        gone = g_strcmp0(qdict_get_try_str(data, "device"), id) == 0;
        qobject_unref(event);
    }
    return gone;
}

void plug_pull_start(Unit *unit, QPCIDevice *port, const char *id)
{
    qtest_qmp_device_del_send(unit->qts, id);
    slot_control(port, PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
}

void plug_pull(Unit *unit, QPCIDevice *port, const char *id)
{
    plug_pull_start(unit, port, id);
    viommu_until(unit, plug_pulled(unit, id));
}

unsigned plug_maps(Unit *unit)
{
    QDict *answer = qtest_qmp(unit->qts, "{'execute': 'query-viommu'}");
    QListEntry *entry;
    unsigned n = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        n += qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)),
                           "maps-in-flight");
    }
    qobject_unref(answer);
    return n;
}

void plug_set_ats(Unit *unit, uint16_t sid, bool on)
{
    QPCIDevice *host = qpci_device_find(unit->bus, 0);
    uint64_t config = ECAM + (sid << 12);
    unsigned at = 0x100;
    uint32_t header;

    qpci_config_writel(host, Q35_PCIEXBAR, ECAM | 1);
    while (((header = qtest_readl(unit->qts, config + at)) & 0xffff) !=
           PCI_EXT_CAP_ID_ATS) {
        at = header >> 20;
        g_assert_cmphex(at, >=, 0x100);
    }
    qtest_writew(unit->qts, config + at + PCI_ATS_CTRL,
                 on ? PCI_ATS_CTRL_ENABLE : 0);
    g_free(host);
}
