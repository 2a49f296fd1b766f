/*
 * Firmware tables list what is translated, and devices are treated as listed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the table says of each endpoint is compared with where its DMA goes.
 * With virtio=device the tables are the base's, byte for byte: these cases
 * pass on the untouched base, too.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"
#include "viommu-policy-acpi.h"

/*
 * The devices with "%s" get all that the switch leaves open; the others say
 * what they want.  Buses: the machine's own, an expander behind the vIOMMU
 * (0x20), and one that goes around it (0x40).
 */
static const char topology[] =
    /* On the root bus */
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=4.0 "
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=5.0,"
    "iommu_platform=on "
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=6.0,"
    "iommu_platform=off "
    "-device edu,bus=pcie.0,addr=7.0 "
    /* In a port each */
    "-device pcie-root-port,id=p8,chassis=8,bus=pcie.0,addr=8.0 "
    "-device virtio-rng-pci,bus=p8 "
    "-device pcie-root-port,id=p9,chassis=9,bus=pcie.0,addr=9.0 "
    "-device virtio-rng-pci,bus=p9,iommu_platform=on "
    "-device pcie-root-port,id=p10,chassis=10,bus=pcie.0,addr=a.0 "
    "-device virtio-rng-pci,bus=p10,iommu_platform=off "
    /* Nothing in the port: once something can come, once not */
    "-device pcie-root-port,id=p11,chassis=11,bus=pcie.0,addr=b.0 "
    "-device pcie-root-port,id=p12,chassis=12,bus=pcie.0,addr=c.0,hotplug=off "
    /* Functions of one device */
    "-device pcie-root-port,id=p13,chassis=13,bus=pcie.0,addr=d.0 "
    "-device virtio-rng-pci,bus=p13,addr=0.1,iommu_platform=off "
    "-device virtio-rng-pci,bus=p13,addr=0.0,multifunction=on,"
    "iommu_platform=on "
    /* A switch */
    "-device pcie-root-port,id=p14,chassis=14,bus=pcie.0,addr=e.0 "
    "-device x3130-upstream,id=up,bus=p14 "
    "-device xio3130-downstream,id=d0,bus=up,chassis=20,addr=0.0 "
    "-device xio3130-downstream,id=d1,bus=up,chassis=21,addr=1.0 "
    "-device xio3130-downstream,id=d2,bus=up,chassis=22,addr=2.0 "
    "-device virtio-rng-pci,bus=d0,iommu_platform=on "
    "-device virtio-rng-pci,bus=d1,iommu_platform=off "
    "-device virtio-rng-pci,bus=d2 "
    /* A conventional bus, whose devices have one requester ID */
    "-device pcie-root-port,id=p15,chassis=15,bus=pcie.0,addr=f.0 "
    "-device pcie-pci-bridge,id=conv,bus=p15 "
    "-device virtio-rng-pci,bus=conv,addr=1.0,disable-legacy=on,"
    "iommu_platform=off "
    "-device virtio-rng-pci,bus=conv,addr=2.0,disable-legacy=on,"
    "iommu_platform=on "
    /* The expanders */
    "-device pxb-pcie,id=pxb0,bus_nr=32,bus=pcie.0,addr=10.0 "
    "-device pcie-root-port,id=q0,chassis=30,bus=pxb0,addr=0.0 "
    "-device virtio-rng-pci,bus=q0 "
    "-device pcie-root-port,id=q1,chassis=31,bus=pxb0,addr=1.0 "
    "-device virtio-rng-pci,bus=q1,iommu_platform=on "
    "-device pxb-pcie,id=pxb1,bus_nr=64,bus=pcie.0,addr=11.0,bypass_iommu=on "
    "-device pcie-root-port,id=r0,chassis=32,bus=pxb1,addr=0.0 "
    "-device virtio-rng-pci,bus=r0 "
    /* What is plugged in here would not be translated, whatever it is. */
    "-device pcie-root-port,id=r1,chassis=33,bus=pxb1,addr=1.0 ";

#define EMPTY_HOTPLUG   (0x0b << 3)
#define EMPTY_FIXED     (0x0c << 3)
#define EDU             (0x07 << 3)
#define CONVENTIONAL    (0x0f << 3)
#define IOMMU           (0x1e << 3)
#define VIRTIO_RNG      0x1044
#define ENDPOINTS       16

typedef struct Endpoint {
    uint16_t bdf, root_port;
    QVirtioPCIDevice *dev;
} Endpoint;

typedef struct Machine {
    PolicyRig *rig;
    GArray *endpoints;       /* the virtio devices that can be tried */
    GArray *root_ports;
} Machine;

/*
 * As firmware does: number the buses, and give what is behind each bridge a
 * window of its own.
 */
static void enumerate(Machine *m, uint8_t bus, uint16_t root_port)
{
    QPCIBus *pci = m->rig->bus;
    int devfn, step;

    for (devfn = 0; devfn < 256; devfn += step) {
        uint16_t bdf = bus << 8 | devfn;
        QPCIDevice *dev = qpci_device_find(pci, bdf);
        uint16_t port = root_port ?: bdf;
        uint64_t base;

        /* Functions other than 0 only if function 0 says so */
        step = devfn & 7 ? 1 : 8;
        if (!dev) {
            continue;
        }
        if (qpci_config_readb(dev, PCI_HEADER_TYPE) & 0x80) {
            step = 1;
        }
        if ((qpci_config_readb(dev, PCI_HEADER_TYPE) & 0x7f) ==
            PCI_HEADER_TYPE_BRIDGE) {
            base = ROUND_UP(pci->mmio_alloc_ptr, 1 << 20);
            pci->mmio_alloc_ptr = base;
            qpci_device_enable(dev);
            qpci_config_writeb(dev, PCI_PRIMARY_BUS, bus);
            qpci_config_writeb(dev, PCI_SECONDARY_BUS, m->rig->next_bus);
            qpci_config_writeb(dev, PCI_SUBORDINATE_BUS, 0xff);
            enumerate(m, m->rig->next_bus++, port);
            qpci_config_writeb(dev, PCI_SUBORDINATE_BUS, m->rig->next_bus - 1);
            pci->mmio_alloc_ptr = ROUND_UP(pci->mmio_alloc_ptr + 1, 1 << 20);
            qpci_config_writew(dev, PCI_MEMORY_BASE, base >> 16);
            qpci_config_writew(dev, PCI_MEMORY_LIMIT,
                               (pci->mmio_alloc_ptr - 1) >> 16);
            if (!root_port) {
                g_array_append_val(m->root_ports, bdf);
            }
        } else if (qpci_config_readw(dev, PCI_DEVICE_ID) == VIRTIO_RNG) {
            Endpoint endpoint = { bdf, port, policy_device(m->rig, bdf) };

            /* Its table, too, goes into the bridge's window. */
            qpci_msix_enable(endpoint.dev->pdev);
            g_array_append_val(m->endpoints, endpoint);
        }
        g_free(dev);
    }
}

static void machine_start(Machine *m, PolicyModel model, const char *policy)
{
    static const uint8_t roots[] = { 0, 0x20, 0x40 };
    unsigned i;

    m->rig = policy_start(model, policy, "", topology);
    m->endpoints = g_array_new(false, true, sizeof(Endpoint));
    m->root_ports = g_array_new(false, true, sizeof(uint16_t));
    for (i = 0; i < G_N_ELEMENTS(roots); i++) {
        m->rig->next_bus = roots[i] + 1;
        enumerate(m, roots[i], 0);
    }
    g_assert_cmpuint(m->endpoints->len, ==, ENDPOINTS);
}

static void machine_stop(Machine *m)
{
    unsigned i;

    for (i = 0; i < m->endpoints->len; i++) {
        policy_device_free(g_array_index(m->endpoints, Endpoint, i).dev);
    }
    g_array_free(m->endpoints, true);
    g_array_free(m->root_ports, true);
    policy_stop(m->rig);
}

typedef struct Case {
    PolicyModel model;
    const char *policy;
} Case;

static void test_truth(const void *opaque)
{
    const Case *c = opaque;
    bool bypass = g_str_has_prefix(c->policy, "bypass");
    bool ats = strstr(c->policy, "device-iotlb");
    unsigned i, j, translated = 0;
    PolicyTable table;
    Machine m;

    machine_start(&m, c->model, c->policy);
    policy_table_read(&table, m.rig);
    policy_block(m.rig, true);
    for (i = 0; i < m.endpoints->len; i++) {
        Endpoint *e = &g_array_index(m.endpoints, Endpoint, i);
        bool reads = policy_reads(m.rig, e->dev, 0);

        bool listed = policy_table_lists(&table, e->bdf);

        translated += !reads;
        /* A conventional bus is one requester: some of it is translated. */
        if (listed != (!reads || e->root_port == CONVENTIONAL)) {
            g_test_message("endpoint %04x bypasses: %d", e->bdf, reads);
            g_test_fail();
        }
        /* What is not listed goes around it, and so do its interrupts. */
        if (reads && c->model != POLICY_VIRTIO_IOMMU) {
            g_assert_true(policy_signals(m.rig, e->dev, 0) == !listed);
        }
    }
    /* Five say that they are; four more leave it to the switch. */
    g_assert_cmpuint(translated, ==, bypass ? 6 : 10);
    g_assert_true(policy_table_lists(&table, EDU));
    g_assert_true(policy_table_lists(&table, EMPTY_HOTPLUG) == !bypass);
    g_assert_true(policy_table_lists(&table, EMPTY_FIXED));
    if (c->model == POLICY_VIRTIO_IOMMU) {
        g_assert_false(policy_table_lists(&table, IOMMU));
    }
    for (i = 0; ats && i < m.root_ports->len; i++) {
        uint16_t port = g_array_index(m.root_ports, uint16_t, i);
        bool some = port == EMPTY_FIXED || (port == EMPTY_HOTPLUG && !bypass);

        for (j = 0; j < m.endpoints->len; j++) {
            Endpoint *e = &g_array_index(m.endpoints, Endpoint, j);

            some |= e->root_port == port &&
                    policy_table_lists(&table, e->bdf);
        }
        g_assert_true(policy_table_ats(&table, port) == some);
    }
    policy_table_free(&table);
    machine_stop(&m);
}

/*
 * Three ports: empty at boot, one with a device that bypasses, and one that
 * nobody touches.
 */
#define EMPTY   0
#define BYPASS  1
#define PORTS   2
#define BYPASSING "virtio-rng-pci,iommu_platform=off"

typedef struct Hot {
    PolicyRig *rig;
    QPCIDevice *port[PORTS];
    uint8_t number[PORTS];
} Hot;

static void hot_enumerate(Hot *h)
{
    unsigned i;

    h->rig->next_bus = 1;
    for (i = 0; i < PORTS; i++) {
        g_free(h->port[i]);
        h->port[i] = policy_open(h->rig, POLICY_PORT_DEVFN(i), &h->number[i]);
        h->rig->bus->mmio_alloc_ptr += 1 << 20;
    }
}

/* @more: devices that are there from the beginning, besides */
static void hot_start(Hot *h, PolicyModel model, const char *more)
{
    g_autofree char *port0 = policy_port(EMPTY);
    g_autofree char *port1 = policy_port(BYPASS);
    g_autofree char *args = g_strdup_printf(
        "%s%s -device " BYPASSING ",id=b0,bus=rp1 %s", port0, port1, more);

    memset(h, 0, sizeof(*h));
    h->rig = policy_start(model, "translate", "", args);
}

static void hot_stop(Hot *h)
{
    g_free(h->port[EMPTY]);
    g_free(h->port[BYPASS]);
    policy_stop(h->rig);
}

static QVirtioPCIDevice *hot_open(Hot *h, unsigned i)
{
    QVirtioPCIDevice *dev;

    h->rig->bus->mmio_alloc_ptr =
        (uint64_t)qpci_config_readw(h->port[i], PCI_MEMORY_BASE) << 16;
    dev = policy_device(h->rig, h->number[i] << 8);
    qpci_msix_enable(dev->pdev);
    return dev;
}

/* Nothing gets through: does the device in port @i, and do its interrupts? */
static void hot_assert(Hot *h, unsigned i, bool reads, bool signals)
{
    QVirtioPCIDevice *dev = hot_open(h, i);

    policy_block(h->rig, true);
    g_assert_true(policy_reads(h->rig, dev, 0) == reads);
    if (reads) {
        g_assert_true(policy_signals(h->rig, dev, 0) == signals);
    }
    policy_block(h->rig, false);
    g_assert_true(policy_signals(h->rig, dev, 0));
    policy_device_free(dev);
}

static unsigned hot_said(Hot *h, const char *word)
{
    g_autofree char *log = policy_log(h->rig);

    return policy_count(log, word);
}

/* A slot that is listed; what comes there bypasses, but for its interrupts. */
static void hot_into_listed(Hot *h)
{
    qtest_qmp_device_add(h->rig->qts, "virtio-rng-pci", "late",
                         "{'bus': 'rp0', 'iommu_platform': false}");
    plug_power(h->port[EMPTY]);
    hot_assert(h, EMPTY, true, false);
    g_assert_cmpuint(hot_said(h, "'late' on bus 'rp0' bypasses"), ==, 1);
    g_assert_cmpuint(hot_said(h, "only the device's interrupts"), ==, 1);
}

/* A slot that is not listed, and a device that wants to be translated */
static void hot_into_unlisted(Hot *h)
{
    Unit unit = { .qts = h->rig->qts };
    QVirtioPCIDevice *dev;

    plug_pull(&unit, h->port[BYPASS], "b0");
    qtest_qmp_device_add(h->rig->qts, "virtio-rng-pci", "b1",
                         "{'bus': 'rp1'}");
    plug_power(h->port[BYPASS]);
    dev = hot_open(h, BYPASS);
    g_assert_true(policy_offers(dev));
    policy_device_free(dev);
    hot_assert(h, BYPASS, true, true);
    g_assert_cmpuint(hot_said(h, "'b1' on bus 'rp1' bypasses"), ==, 1);
    g_assert_cmpuint(hot_said(h, "that the slot is not translated"), ==, 1);
}

/* Until it is told otherwise, the guest is treated as it was told. */
static void test_hot(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    Hot h;

    hot_start(&h, model, "");
    hot_enumerate(&h);
    policy_boot(h.rig);
    hot_assert(&h, BYPASS, true, true);
    hot_into_listed(&h);
    hot_into_unlisted(&h);
    /* It boots again; the devices are what they are. */
    qtest_system_reset(h.rig->qts);
    hot_enumerate(&h);
    policy_boot(h.rig);
    hot_assert(&h, EMPTY, true, true);
    hot_assert(&h, BYPASS, false, false);
    hot_stop(&h);
}

static bool migration_is(QTestState *qts, const char *wanted)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
    g_autofree char *status = g_strdup(
        qdict_get_try_str(qdict_get_qdict(answer, "return"), "status"));

    qobject_unref(answer);
    g_assert_cmpstr(status, !=, "failed");
    return g_strcmp0(status, wanted) == 0;
}

static void migration(QTestState *qts, const char *command, const char *uri)
{
    int tries = 0;

    qtest_qmp_assert_success(qts, "{'execute': %s, 'arguments': {'uri': %s}}",
                             command, uri);
    while (!migration_is(qts, "completed")) {
        g_assert_cmpint(tries++, <, VIOMMU_TRIES);
        g_usleep(500);
    }
}

/* What the guest was told comes along, in its tables. */
static void test_migrate(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    g_autofree char *file = NULL;
    g_autofree char *uri = NULL;
    int fd = g_file_open_tmp("viommu-policy-XXXXXX", &file, NULL);
    Hot from, to;
    unsigned i;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    uri = g_strdup_printf("file:%s", file);
    hot_start(&from, model, "");
    hot_enumerate(&from);
    policy_boot(from.rig);
    hot_into_listed(&from);
    migration(from.rig->qts, "migrate", uri);
    hot_start(&to, model, "-device " BYPASSING ",id=late,bus=rp0 "
              "-incoming defer");
    migration(to.rig->qts, "migrate-incoming", uri);
    qtest_qmp_assert_success(to.rig->qts, "{'execute': 'cont'}");
    to.rig->next = from.rig->next;
    to.rig->bus->mmio_alloc_ptr = from.rig->bus->mmio_alloc_ptr;
    for (i = 0; i < PORTS; i++) {
        to.port[i] = qpci_device_find(to.rig->bus, POLICY_PORT_DEVFN(i));
        to.number[i] = from.number[i];
    }
    hot_assert(&to, EMPTY, true, false);
    hot_assert(&to, BYPASS, true, true);
    hot_stop(&to);
    hot_stop(&from);
    g_unlink(file);
}

/* Tables of machines that leave the switch alone, from QEMU 10.0.13 */
typedef struct Bytes {
    PolicyModel model;
    const char *args, *hex;
} Bytes;

static const Bytes bytes[] = {
#include "viommu-policy-bytes.h"
};

static void test_bytes(const void *opaque)
{
    const Bytes *b = opaque;
    PolicyRig *rig = policy_start(b->model, NULL, "", b->args);
    g_autofree char *hex = NULL;
    PolicyTable table;

    policy_table_read(&table, rig);
    hex = policy_table_hex(&table);
    g_assert_cmpstr(hex, ==, b->hex);
    policy_table_free(&table);
    policy_stop(rig);
}

/*
 * The SMMUv3 node's flags say what IDR0.HTTU does; nothing else in the table
 * changes with it.
 */
static void test_httu(const void *opaque)
{
    static const char *const names[] = { "off", "access", "dirty" };
    unsigned httu = GPOINTER_TO_UINT(opaque);
    g_autofree char *args = g_strdup_printf("-global arm-smmuv3.httu=%s ",
                                            names[httu]);
    PolicyRig *rig = policy_start(POLICY_SMMUV3, NULL, "", args);
    g_autofree char *hex = NULL;
    const Bytes *base = bytes;
    PolicyTable table;
    uint32_t flags;

    while (base->model != POLICY_SMMUV3 || *base->args) {
        base++;
    }
    policy_table_read(&table, rig);
    flags = policy_table_smmu_flags(&table);
    g_assert_cmphex(table.data[flags], ==, 1 | httu << 1);
    table.data[flags] = 1;
    hex = policy_table_hex(&table);
    g_assert_cmpstr(hex, ==, base->hex);
    policy_table_free(&table);
    policy_stop(rig);
}

int main(int argc, char **argv)
{
    static const char *const policies[] = {
        "translate", "bypass",
        "translate,device-iotlb=on", "bypass,device-iotlb=on",
    };
    static PolicyModel models[POLICY_MODELS];
    unsigned i, j, n;

    g_test_init(&argc, &argv, NULL);
    n = policy_models(models);
    for (i = 0; models[0] == POLICY_SMMUV3 && i < 3; i++) {
        g_autofree char *path =
            g_strdup_printf("/viommu/policy/tables/smmuv3/httu/%u", i);

        qtest_add_data_func(path, GUINT_TO_POINTER(i), test_httu);
    }
    qtest_add_data_func("/viommu/policy/tables/hot", &models[0], test_hot);
    qtest_add_data_func("/viommu/policy/tables/migrate", &models[0],
                        test_migrate);
    for (i = 0; i < n; i++) {
        /* Who is in IVRS does not depend on the switch. */
        for (j = 0; policy_tells(models[i]) &&
                    j < (models[i] == POLICY_VTD ? 4 : 2); j++) {
            Case *c = g_new0(Case, 1);
            g_autofree char *path = NULL;

            *c = (Case) { models[i], policies[j] };
            path = g_strdup_printf("/viommu/policy/tables/%s/%s",
                                   policy_model_name(c->model), c->policy);
            qtest_add_data_func(path, c, test_truth);
        }
        for (j = 0; j < G_N_ELEMENTS(bytes); j++) {
            /* The base's VIOT has its ranges in another order on Arm. */
            if (bytes[j].model == models[i] &&
                (models[i] != POLICY_VIRTIO_IOMMU || models[0] == POLICY_VTD)) {
                g_autofree char *path =
                    g_strdup_printf("/viommu/policy/tables/%s/bytes/%u",
                                    policy_model_name(models[i]), j);

                qtest_add_data_func(path, &bytes[j], test_bytes);
            }
        }
    }
    return g_test_run();
}
