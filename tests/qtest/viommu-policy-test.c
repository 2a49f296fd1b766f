/*
 * The vIOMMU's "virtio" switch: which devices offer the bit, and which are
 * translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every value of the switch, every form of the device's own iommu_platform,
 * every kind of device, plugged in before the vIOMMU, after it, and while the
 * machine runs.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-policy-rig.h"
#include "viommu-plug.h"

typedef enum Order { UNIT_FIRST, UNIT_LAST, HOT, ORDERS } Order;

#define RNG 3                   /* in policy_kinds */
static const char *const order_names[] = { "unit-first", "unit-last", "hot" };
/* NULL: not mentioned, which is "device" */
static const char *const policies[] = {
    NULL, "device", "translate", "bypass", "require",
};
static const char *const flags[] = { "none", "on", "off" };

typedef struct Case {
    PolicyModel model;
    const char *policy, *flag;
    Order order;
} Case;

/* What the design says of this combination */
static bool translated(const Case *c)
{
    if (!g_str_equal(c->flag, "none")) {
        return g_str_equal(c->flag, "on");
    }
    return c->policy && (g_str_equal(c->policy, "translate") ||
                         g_str_equal(c->policy, "require"));
}

static bool refused(const Case *c)
{
    return c->policy && g_str_equal(c->policy, "require") && !translated(c);
}

/* A virtio device that says nothing, behind a vIOMMU that says nothing */
static bool silent_bypass(const Case *c)
{
    return (!c->policy || g_str_equal(c->policy, "device")) &&
           g_str_equal(c->flag, "none");
}

/* Has the guest been told, when it booted, that the slot bypasses? */
static bool told_bypass(const Case *c)
{
    return c->order == HOT && c->policy && g_str_equal(c->policy, "bypass") &&
           policy_tells(c->model);
}

/* Hot-plugged against the switch: the guest was told otherwise of the slot. */
static bool untold(const Case *c)
{
    return (c->order == HOT && c->policy && !translated(c) &&
            g_str_equal(c->policy, "translate") && policy_tells(c->model)) ||
           (told_bypass(c) && translated(c));
}

/* Does it use guest-physical addresses?  As told. */
static bool bypasses(const Case *c)
{
    return !translated(c) || told_bypass(c);
}

/*
 * Do messages of a device that bypasses, do so, too?  If the firmware tables
 * do not list it.  AMD-Vi has those to where interrupts are in either case, and
 * others, as here, are accesses like any.
 */
static bool interrupts_bypass(const Case *c)
{
    return c->policy && !g_str_equal(c->policy, "device") &&
           (c->order != HOT || told_bypass(c) || !policy_tells(c->model));
}

static char *flag_arg(const Case *c)
{
    return g_str_equal(c->flag, "none") ? g_strdup("") :
           g_strdup_printf(",iommu_platform=%s", c->flag);
}

/* The devices of all kinds, each in the port @i of its own */
static char *ports_and(const Case *c, bool devices)
{
    GString *args = g_string_new("");
    g_autofree char *flag = flag_arg(c);
    unsigned i;

    for (i = 0; i < POLICY_KINDS; i++) {
        const PolicyKind *kind = &policy_kinds[i];
        g_autofree char *port = policy_port(i);

        g_string_append(args, port);
        g_string_append(args, kind->backend);
        if (devices) {
            g_string_append_printf(args, "-device %s,id=dev-%s,bus=rp%u%s%s ",
                                   kind->driver, kind->name, i, kind->props,
                                   flag);
        }
    }
    return g_string_free(args, false);
}

/* What device_add answers: NULL, or the error's description */
static char *hot_plug(PolicyRig *rig, const Case *c, unsigned i)
{
    const PolicyKind *kind = &policy_kinds[i];
    g_autofree char *command = NULL;
    char *desc = NULL;
    QDict *answer;

    command = g_strdup_printf(
        "{'execute': 'device_add', 'arguments': {'driver': '%s',"
        " 'id': 'dev-%s', 'bus': 'rp%u'%s%s}}", kind->driver, kind->name, i,
        kind->json, g_str_equal(c->flag, "none") ? "" :
                    g_str_equal(c->flag, "on") ? ",'iommu_platform': true" :
                                                 ",'iommu_platform': false");
    answer = qtest_qmp(rig->qts, command, NULL);
    if (qdict_haskey(answer, "error")) {
        desc = g_strdup(qdict_get_str(qdict_get_qdict(answer, "error"),
                                      "desc"));
    }
    qobject_unref(answer);
    return desc;
}

/* The error names the device, the bus and the fix. */
static void assert_refusal(const char *said, unsigned i)
{
    g_autofree char *bus = g_strdup_printf("'rp%u'", i);

    g_assert_nonnull(said);
    g_assert_nonnull(strstr(said, policy_kinds[i].driver));
    g_assert_nonnull(strstr(said, bus));
    g_assert_nonnull(strstr(said, "iommu_platform=off"));
}

static void check_log(PolicyRig *rig, const Case *c)
{
    g_autofree char *log = policy_log(rig);
    unsigned plugged = 0;
    unsigned i;

    for (i = 0; i < POLICY_KINDS; i++) {
        g_autofree char *id = g_strdup_printf("'dev-%s'",
                                              policy_kinds[i].name);

        if (c->order != HOT || !policy_kinds[i].cold_only) {
            g_assert_cmpuint(policy_count(log, id), ==,
                             silent_bypass(c) || untold(c));
            plugged++;
        }
    }
    g_assert_cmpuint(policy_count(log, "iommu_platform=on"), ==,
                     silent_bypass(c) ? plugged : 0);
}

/* Do the devices read, and all of them the same? */
static void assert_reads(PolicyRig *rig, QVirtioPCIDevice **dev, bool read)
{
    unsigned queues[POLICY_KINDS];
    bool reads[POLICY_KINDS];
    unsigned i;

    for (i = 0; i < POLICY_KINDS; i++) {
        queues[i] = policy_kinds[i].queue;
    }
    policy_reads_all(rig, dev, queues, POLICY_KINDS, reads);
    for (i = 0; i < POLICY_KINDS; i++) {
        if (dev[i] && reads[i] != read) {
            g_test_message("%s: expected %d", policy_kinds[i].name, read);
            g_test_fail();
        }
    }
}

/* Whatever the kind, a driver that refuses the bit is not served. */
static void assert_unserved(PolicyRig *rig, QVirtioPCIDevice **dev)
{
    uint64_t ring = policy_alloc(rig, 1);
    bool objects[POLICY_KINDS];
    unsigned i;

    policy_poison(rig, ring);
    for (i = 0; i < POLICY_KINDS; i++) {
        if (dev[i]) {
            policy_begin(dev[i]);
            g_assert_false(policy_accept(dev[i], 1ULL << VIRTIO_F_VERSION_1));
            policy_ring(dev[i], policy_kinds[i].queue, ring);
            policy_kick(dev[i], policy_kinds[i].queue);
        }
    }
    policy_objects_all(dev, POLICY_KINDS, objects);
    for (i = 0; i < POLICY_KINDS; i++) {
        g_assert_false(objects[i]);
    }
}

/* All of them, each with a window of its own for what is in it */
static void open_ports(PolicyRig *rig, QPCIDevice **ports, uint8_t *numbers,
                       uint64_t *windows)
{
    unsigned i;

    for (i = 0; i < POLICY_KINDS; i++) {
        ports[i] = policy_open(rig, POLICY_PORT_DEVFN(i), &numbers[i]);
        windows[i] = rig->bus->mmio_alloc_ptr;
        rig->bus->mmio_alloc_ptr += 1 << 20;
    }
}

static void test_case(const void *opaque)
{
    const Case *c = opaque;
    g_autofree char *args = ports_and(c, c->order != HOT);
    QVirtioPCIDevice *dev[POLICY_KINDS];
    QPCIDevice *ports[POLICY_KINDS];
    uint8_t numbers[POLICY_KINDS];
    uint64_t windows[POLICY_KINDS];
    PolicyRig *rig;
    unsigned i;

    rig = c->order == UNIT_LAST ? policy_start(c->model, c->policy, args, "") :
                                  policy_start(c->model, c->policy, "", args);
    open_ports(rig, ports, numbers, windows);
    /* From now on it matters what the guest has been told. */
    policy_boot(rig);
    for (i = 0; i < POLICY_KINDS; i++) {
        dev[i] = NULL;
        if (c->order == HOT && policy_kinds[i].cold_only) {
            continue;
        }
        if (c->order == HOT) {
            g_autofree char *said = hot_plug(rig, c, i);

            if (refused(c)) {
                assert_refusal(said, i);
                continue;
            }
            g_assert_cmpstr(said, ==, NULL);
            plug_power(ports[i]);
        }
        rig->bus->mmio_alloc_ptr = windows[i];
        dev[i] = policy_device(rig, numbers[i] << 8);
        if (i == RNG) {
            /* Now: its table is in the port's window, too. */
            qpci_msix_enable(dev[i]->pdev);
        }
        g_assert_true(policy_offers(dev[i]) == translated(c));
    }
    rig->bus->mmio_alloc_ptr = windows[POLICY_KINDS - 1] + (1 << 20);
    if (!refused(c)) {
        policy_block(rig, true);
        assert_reads(rig, dev, bypasses(c));
        if (bypasses(c) && c->model != POLICY_VIRTIO_IOMMU) {
            g_assert_true(policy_signals(rig, dev[RNG],
                                         policy_kinds[RNG].queue) ==
                          interrupts_bypass(c));
        }
        policy_block(rig, false);
        assert_reads(rig, dev, true);
        if (translated(c) && g_str_equal(c->flag, "none")) {
            assert_unserved(rig, dev);
        }
        check_log(rig, c);
    }
    for (i = 0; i < POLICY_KINDS; i++) {
        g_free(ports[i]);
        if (dev[i]) {
            policy_device_free(dev[i]);
        }
    }
    policy_stop(rig);
}

/* virtio=require: each kind is an error before the machine starts. */
static void test_refused(const void *opaque)
{
    const Case *c = opaque;
    unsigned i;

    for (i = 0; i < POLICY_KINDS; i++) {
        const PolicyKind *kind = &policy_kinds[i];
        g_autofree char *port = policy_port(i);
        g_autofree char *args =
            g_strdup_printf("%s%s -device %s,bus=rp%u%s,iommu_platform=off",
                            port, kind->backend, kind->driver, i, kind->props);
        g_autofree char *said =
            policy_refused(c->model, c->policy,
                           c->order == UNIT_LAST ? args : "",
                           c->order == UNIT_LAST ? "" : args);

        assert_refusal(said, i);
    }
}

/* A bus that goes around the vIOMMU has no place for a virtio device. */
static void test_require_bypass_bus(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    const char *args = "-device pxb-pcie,id=pxb,bus_nr=32,bypass_iommu=on "
                       "-device pcie-root-port,id=rp,bus=pxb,chassis=9 "
                       "-device virtio-rng-pci,id=r0,bus=rp,iommu_platform=on";
    g_autofree char *first = policy_refused(model, "require", "", args);

    g_assert_nonnull(strstr(first, "'r0' on bus 'rp'"));
    g_assert_nonnull(strstr(first, "bypass_iommu=off"));
    if (model != POLICY_SMMUV3) {
        g_autofree char *last = policy_refused(model, "require", args, "");

        g_assert_cmpuint(policy_count(last, "'r0' on bus 'rp'"), ==, 1);
    }
}

/* Neither has virtio-mmio. */
static void test_require_mmio(void)
{
    g_autofree char *said = policy_refused(POLICY_SMMUV3, "require", "",
                                           "-device virtio-rng-device,id=r0");

    g_assert_nonnull(strstr(said, "virtio-rng-device 'r0'"));
    g_assert_nonnull(strstr(said, "-pci variant"));
}

/* With any other value such a bus is left alone. */
static void test_bypass_bus(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    PolicyRig *rig = policy_start(model, "translate", "",
        "-device pxb-pcie,id=pxb,bus_nr=32,bypass_iommu=on,addr=3.0 "
        "-device pcie-root-port,id=rp,bus=pxb,chassis=9,addr=0.0 "
        "-device virtio-rng-pci,id=r0,bus=rp");
    g_autofree char *log = NULL;
    QVirtioPCIDevice *dev;
    uint8_t number;

    rig->next_bus = 33;
    g_free(policy_open(rig, 32 << 8, &number));
    dev = policy_device(rig, number << 8);
    g_assert_false(policy_offers(dev));
    policy_block(rig, true);
    g_assert_true(policy_reads(rig, dev, 0));
    policy_device_free(dev);
    log = policy_log(rig);
    g_assert_null(strstr(log, "r0"));
    policy_stop(rig);
}

/* JSON booleans, as libvirt gives them, are the device's own word, too. */
static void test_json(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    PolicyRig *rig = policy_start(model, "translate", "",
        "-device pcie-root-port,id=rp0,chassis=1,addr=3.0 "
        "-device '{\"driver\": \"virtio-rng-pci\", \"bus\": \"rp0\", "
        "\"iommu_platform\": false}' "
        "-device '{\"driver\": \"virtio-rng-pci\", \"addr\": \"5\", "
        "\"disable-legacy\": \"on\", \"iommu_platform\": true}'");
    QVirtioPCIDevice *dev;
    uint8_t number;

    g_free(policy_open(rig, 3 << 3, &number));
    dev = policy_device(rig, number << 8);
    g_assert_false(policy_offers(dev));
    policy_device_free(dev);
    dev = policy_device(rig, 5 << 3);
    g_assert_true(policy_offers(dev));
    policy_device_free(dev);
    policy_stop(rig);
}

/* What is no virtio device is translated in any slot: the operator is told. */
static void test_hot_other(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    static const char *const switches[] = { "translate", "bypass" };
    g_autofree char *port = policy_port(0);
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(switches); i++) {
        PolicyRig *rig = policy_start(model, switches[i], "", port);
        g_autofree char *log = NULL;
        unsigned said;
        uint8_t number;

        g_free(policy_open(rig, POLICY_PORT_DEVFN(0), &number));
        policy_boot(rig);
        qtest_qmp_device_add(rig->qts, "edu", "edu0", "{'bus': 'rp0'}");
        log = policy_log(rig);
        said = policy_tells(model) ? i : 0;
        g_assert_cmpuint(policy_count(log, "edu 'edu0'"), ==, said);
        g_assert_cmpuint(policy_count(log, "until the guest reboots"), ==,
                         said);
        policy_stop(rig);
    }
}

/* A global is the operator's word as well. */
static void test_global(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    g_autofree char *said = policy_refused(model, "require",
        "-global virtio-rng-pci.iommu_platform=off",
        "-device virtio-rng-pci,disable-legacy=on,id=r0");

    g_assert_nonnull(strstr(said, "virtio-rng-pci 'r0'"));
}

/* On the root bus a device is transitional unless it is told not to be. */
static void test_legacy(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    const char *args = "-device virtio-rng-pci,id=r0";
    const char *own = "-device virtio-rng-pci,id=r0,iommu_platform=on";
    g_autofree char *first = policy_refused(model, "translate", "", args);
    g_autofree char *given = policy_refused(model, NULL, "", own);

    g_assert_nonnull(strstr(first, "disable-legacy=on"));
    g_assert_nonnull(strstr(given, "disable-legacy=on"));
    if (model != POLICY_SMMUV3) {
        g_autofree char *last = policy_refused(model, "translate", args, "");

        g_assert_nonnull(strstr(last, "disable-legacy=on"));
        g_assert_nonnull(strstr(last, "'r0' on bus 'pci"));
    }
}

/* The switch takes four words. */
static void test_word(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    g_autofree char *said = policy_refused(model, "always", "", "");

    g_assert_nonnull(strstr(said, "'always'"));
}

/* "Hot" in name only: the guest has not been told anything yet. */
static void test_early(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    g_autofree char *port = policy_port(0);
    PolicyRig *rig = policy_start(model, "bypass", "", port);
    g_autofree char *log = NULL;

    qtest_qmp_device_add(rig->qts, "edu", "edu0", "{'bus': 'rp0'}");
    log = policy_log(rig);
    g_assert_null(strstr(log, "edu0"));
    policy_stop(rig);
}

static unsigned queue_size(PolicyRig *rig, int bdf)
{
    QVirtioPCIDevice *dev = policy_device(rig, bdf);
    unsigned size;

    dev->vdev.bus->queue_select(&dev->vdev, 0);
    size = dev->vdev.bus->get_queue_size(&dev->vdev);
    policy_device_free(dev);
    return size;
}

#define DISK(n, _more) "-blockdev null-co,node-name=n" #n ",size=65536 " \
    "-device virtio-blk-pci,drive=n" #n ",addr=" #n ".0,disable-legacy=on," \
    "queue-size=64" _more " "
#define DISKS(a, b, c) DISK(a, "") DISK(b, ",iommu_platform=on") \
                       DISK(c, ",iommu_platform=off")

/* What is translated has the queues it asks for, in any order. */
static void test_queue_size(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    PolicyRig *rig = policy_start(model, "translate", DISKS(4, 5, 6),
                                  DISKS(7, 8, 9));
    static const unsigned sizes[] = { 64, 64, 1024, 64, 64, 1024 };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_assert_cmpuint(queue_size(rig, (4 + i) << 3), ==, sizes[i]);
    }
    policy_stop(rig);
}

/* Without a vIOMMU they are the base's, whatever the device says. */
static void test_queue_size_none(void)
{
    PolicyRig *rig = policy_start(POLICY_NONE, NULL, "", DISKS(4, 5, 6));
    unsigned i;

    for (i = 0; i < 3; i++) {
        g_assert_cmpuint(queue_size(rig, (4 + i) << 3), ==, 1024);
    }
    policy_stop(rig);
}

typedef struct ATS {
    const char *unit, *device, *says;
} ATS;

/* ats=on works, or says what is missing. */
static void test_ats(const void *opaque)
{
    PolicyModel model = *(const PolicyModel *)opaque;
    static const ATS cases[] = {
        { "", "bus=rp0,iommu_platform=on", "device-iotlb=on" },
        { ",device-iotlb=on", "bus=rp0,iommu_platform=on", NULL },
        { ",device-iotlb=on", "bus=rp0,iommu_platform=off",
          "without iommu_platform=on" },
        { ",device-iotlb=on", "disable-legacy=on,iommu_platform=on",
          "pcie-root-port" },
    };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ATS *ats = &cases[i];
        bool vtd = model == POLICY_VTD;
        g_autofree char *policy = g_strdup_printf("device%s",
                                                  vtd ? ats->unit : "");
        g_autofree char *args = g_strdup_printf(
            "-device pcie-root-port,id=rp0,chassis=1,addr=3.0 "
            "-device virtio-rng-pci,id=r0,ats=on,%s", ats->device);
        const char *says = ats->says;
        PolicyRig *rig;
        g_autofree char *log = NULL;

        if (!vtd && i < 2) {
            /* AMD-Vi has them always. */
            says = model == POLICY_AMD ? NULL : "has no device TLBs";
        }
        rig = policy_start(model, policy, "", args);
        log = policy_log(rig);
        g_assert_cmpuint(policy_count(log, "has no effect"), ==, !!says);
        if (says) {
            g_assert_nonnull(strstr(log, says));
        }
        policy_stop(rig);
    }
}

static void add_cases(PolicyModel model, Order order)
{
    unsigned p, f;

    for (p = 0; p < G_N_ELEMENTS(policies); p++) {
        /* What is not mentioned need be seen once. */
        for (f = 0; f < (policies[p] ? G_N_ELEMENTS(flags) : 1); f++) {
            g_autofree char *path = NULL;
            Case *c;

            if (!policies[p] && order != UNIT_FIRST) {
                continue;
            }
            c = g_new0(Case, 1);
            *c = (Case) { model, policies[p], flags[f], order };
            path = g_strdup_printf("/viommu/policy/%s/%s/%s/%s",
                                   policy_model_name(model),
                                   c->policy ?: "default", c->flag,
                                   order_names[order]);
            qtest_add_data_func(path, c, refused(c) && order != HOT ?
                                         test_refused : test_case);
        }
    }
}

static void add_model(PolicyModel *model)
{
    static const struct {
        const char *name;
        void (*test)(const void *opaque);
    } tests[] = {
        { "require-bypass-bus", test_require_bypass_bus },
        { "bypass-bus", test_bypass_bus },
        { "json", test_json },
        { "global", test_global },
        { "hot-other", test_hot_other },
        { "early", test_early },
        { "queue-size", test_queue_size },
        { "legacy", test_legacy },
        { "word", test_word },
        { "ats", test_ats },
    };
    unsigned i, order;

    for (order = 0; order < ORDERS; order++) {
        /*
         * The machine makes the SMMU, before any device.  Of AMD-Vi, what the
         * order brings about is the same code as VT-d's.
         */
        if ((*model != POLICY_SMMUV3 && *model != POLICY_AMD) ||
            order != UNIT_LAST) {
            add_cases(*model, order);
        }
    }
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/policy/%s/%s",
                                                policy_model_name(*model),
                                                tests[i].name);

        qtest_add_data_func(path, model, tests[i].test);
    }
}

int main(int argc, char **argv)
{
    static PolicyModel models[POLICY_MODELS];
    unsigned i, n;

    g_test_init(&argc, &argv, NULL);
    n = policy_models(models);
    for (i = 0; i < n; i++) {
        add_model(&models[i]);
    }
    qtest_add_func("/viommu/policy/none/queue-size", test_queue_size_none);
    if (models[0] == POLICY_SMMUV3) {
        qtest_add_func("/viommu/policy/smmuv3/mmio", test_require_mmio);
    }
    return g_test_run();
}
