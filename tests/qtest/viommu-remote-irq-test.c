/*
 * viommu-remote: interrupts that the server remaps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where they lead is what viommu-vtd-ir-test and viommu-vtd-post-test say,
 * which run on qemu-viommud, too (VIOMMU_UNIT=remote-vtd).  Here is what is
 * kept of it, and what becomes of interrupts when the server is late or dead.
 * Memory is not shared: it asks for each entry while it is waited for.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-remote.h"
#include "viommu-viommud.h"
#include "viommu-vtd-remap.h"

#define UNIT        "intel-iommu,intremap=on"
#define VECTOR      0x61             /* and the following ones */
#define PLAIN       0x31
#define INDEX       5
/* More than are kept of messages that a guest makes up */
#define KEPT_MAX    4096

typedef struct Client {
    char *path;
    GPid server;
    Remap *remap;
    VTD *vtd;
} Client;

static char *client_args(const char *path, const char *props)
{
    return g_strdup_printf(
        "-machine q35 -m 512 -nodefaults -smp 2 "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s,reconnect-ms=20 "
        "-device viommu-remote,chardev=remote,mmio=0x%llx,%s " EDU_DEVICE,
        path, VTD_BASE, props);
}

/* Remapping is off. */
static Client *client_new(const char *props)
{
    Client *c = g_new0(Client, 1);
    g_autofree char *args = NULL;

    c->server = viommud_run(rmt_listen(&c->path), UNIT, "--stay");
    args = client_args(c->path, props);
    c->vtd = vtd_start_machine(args, "");
    c->remap = remap_of(c->vtd);
    return c;
}

/* It is on, and the entry INDEX leads to VECTOR. */
static Client *client_on(const char *props)
{
    Client *c = client_new(props);

    remap_enable(c->remap, 0);
    remap_put(c->remap, INDEX, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR), 0);
    return c;
}

static void client_free(Client *c)
{
    remap_free(c->remap);
    rmt_end_server(c->server);
    unlink(c->path);
    g_free(c->path);
    g_free(c);
}

static bool arrived(Client *c, uint8_t vector)
{
    return viommu_irq_arrived(c->vtd, 0, vector);
}

/* As after a reset of the machine: the device is set up anew. */
static void client_edu(Client *c)
{
    edu_free(c->remap->edu);
    c->remap->edu = edu_new(&c->vtd->unit, EDU_SID);
}

static void put_vector(Client *c, uint8_t vector)
{
    remap_put(c->remap, INDEX, VTD_IRTE_P | VTD_IRTE_VECTOR(vector), 0);
}

/* What was said is kept until the guest takes that entry back. */
static void test_kept(void)
{
    Client *c = client_on("intremap=on,timeout=60000");

    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    put_vector(c, VECTOR + 1);
    edu_raise(c->remap->edu);
    g_assert_false(arrived(c, VECTOR + 1));
    remap_flush(c->remap, INDEX + 1);
    edu_raise(c->remap->edu);
    g_assert_false(arrived(c, VECTOR + 1));
    remap_flush(c->remap, INDEX);
    edu_raise(c->remap->edu);
    g_assert_true(arrived(c, VECTOR + 1));
    put_vector(c, VECTOR + 2);
    edu_raise(c->remap->edu);
    g_assert_false(arrived(c, VECTOR + 2));
    remap_flush_all(c->remap);
    edu_raise(c->remap->edu);
    g_assert_true(arrived(c, VECTOR + 2));
    vtd_assert_no_fault(c->vtd);
    client_free(c);
}

/* IM: so many bits of the index do not matter. */
static void test_mask(void)
{
    static const struct {
        unsigned index, im;
        bool hit;
    } tests[] = {
        { INDEX, 0, true }, { INDEX - 1, 0, false }, { INDEX - 1, 1, true },
        { INDEX + 1, 1, false }, { INDEX + 1, 2, true }, { 0x80, 3, false },
        { 0x80, 8, true }, { 0xffff, 31, true },
    };
    Client *c = client_on("intremap=on,timeout=60000");

    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        put_vector(c, VECTOR + 2 * i);
        remap_flush_all(c->remap);
        remap_send(c->remap, INDEX);
        g_assert_true(arrived(c, VECTOR + 2 * i));
        put_vector(c, VECTOR + 2 * i + 1);
        vtd_queue_put(c->vtd, VTD_D_IEC | VTD_D_IEC_INDEX |
                      (uint64_t)tests[i].im << 27 |
                      (uint64_t)tests[i].index << 32, 0);
        vtd_queue_wait_put(c->vtd);
        vtd_queue_kick(c->vtd);
        vtd_inv_wait(c->vtd, VTD_QUEUED);
        edu_raise(c->remap->edu);
        g_assert_cmpint(arrived(c, VECTOR + 2 * i + 1), ==, tests[i].hit);
    }
    client_free(c);
}

/* What is kept while remapping is off ends when IRES says that it is on. */
static void test_on(void)
{
    Client *c = client_new("intremap=on,timeout=60000");
    VTDFault fault;

    edu_msi(c->remap->edu, VIOMMU_MSI_ADDR, PLAIN);
    edu_raise(c->remap->edu);
    g_assert_true(arrived(c, PLAIN));
    edu_raise(c->remap->edu);
    g_assert_cmpuint(rmt_says(c->vtd->qts, "interrupts-kept"), ==, 1);
    remap_enable(c->remap, 0);
    edu_raise(c->remap->edu);
    g_assert_true(vtd_fault_take(c->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_COMPAT);
    g_assert_cmphex(fault.sid, ==, EDU_SID);
    client_free(c);
}

/* Whether compatibility format passes is nothing that is kept. */
static void test_format(void)
{
    Client *c = client_on("intremap=on,timeout=60000");
    VTDFault fault;

    vtd_gcmd(c->vtd, VTD_G_CFI, 0);
    viommu_until(c->vtd, vtd_read32(c->vtd, VTD_GSTS) & VTD_G_CFI);
    edu_msi(c->remap->edu, VIOMMU_MSI_ADDR, PLAIN);
    edu_raise(c->remap->edu);
    g_assert_true(arrived(c, PLAIN));
    vtd_assert_no_fault(c->vtd);
    vtd_gcmd(c->vtd, 0, VTD_G_CFI);
    viommu_until(c->vtd, !(vtd_read32(c->vtd, VTD_GSTS) & VTD_G_CFI));
    edu_raise(c->remap->edu);
    g_assert_true(vtd_fault_take(c->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, VTD_FR_IR_COMPAT);
    client_free(c);
}

/* After a reset there is no table, and nothing of it is known. */
static void test_reset(void)
{
    Client *c = client_on("intremap=on,timeout=60000");

    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    vtd_reset(c->vtd);
    g_assert_cmpuint(rmt_says(c->vtd->qts, "interrupts-kept"), ==, 0);
    g_assert_cmphex(vtd_read32(c->vtd, VTD_GSTS) & VTD_G_IRE, ==, 0);
    client_edu(c);
    edu_msi(c->remap->edu, VIOMMU_MSI_ADDR, PLAIN);
    edu_raise(c->remap->edu);
    g_assert_true(arrived(c, PLAIN));
    remap_enable(c->remap, 0);
    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    client_free(c);
}

/* The table's state is the server's, which takes it along. */
static void test_migrate(void)
{
    g_autofree char *path = NULL, *args = NULL;
    Client *c = client_on("intremap=on,timeout=60000");
    GPid server = viommud_run(rmt_listen(&path), UNIT, NULL);
    QTestState *qts;
    VTD *to;
    Edu *edu;

    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    args = client_args(path, "intremap=on,timeout=60000");
    qts = qtest_initf("%s -incoming defer", args);
    to = vtd_adopt(c->vtd, qts);
    unit_load(qts, unit_save(c->vtd->qts));
    g_assert_cmpuint(rmt_says(qts, "interrupts-kept"), ==, 0);
    g_assert_cmphex(vtd_read32(to, VTD_GSTS) & VTD_G_IRE, ==, VTD_G_IRE);
    edu = edu_new(&to->unit, EDU_SID);
    qtest_writeq(qts, c->remap->table + INDEX * 16,
                 VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1));
    /* The device has no state that moves. */
    edu_msi(edu, VTD_MSI_REMAP(INDEX), 0);
    edu_raise(edu);
    g_assert_true(viommu_irq_arrived(to, 0, VECTOR + 1));
    vtd_assert_no_fault(to);
    edu_free(edu);
    vtd_stop(to);
    rmt_end_server(server);
    unlink(path);
    client_free(c);
}

/* Interrupts of the device that were remapped */
static int64_t remapped(Client *c)
{
    QDict *answer = qtest_qmp(c->vtd->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    QDict *unit = qobject_to(QDict, qlist_peek(units));
    QListEntry *entry;
    int64_t n = -1;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (qdict_get_int(ep, "requester-id") == EDU_SID) {
            n = qdict_get_int(ep, "interrupts-remapped");
        }
    }
    qobject_unref(answer);
    return n;
}

/*
 * It stands still: what is known needs nobody, and what would have to be asked
 * about is lost when its time is over, and counted.
 */
static void test_late(void)
{
    /* A busy host is to answer the rest in time. */
    Client *c = client_on("intremap=on,timeout=10000");
    int64_t before;

    viommu_until(c->vtd, vtd_read32(c->vtd, VTD_VER) != UINT32_MAX);
    remap_send(c->remap, INDEX);
    viommu_until(c->vtd, arrived(c, VECTOR));
    before = remapped(c);
    remap_put(c->remap, INDEX + 1, VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR + 1),
              0);
    g_assert_cmpint(kill(c->server, SIGSTOP), ==, 0);
    edu_raise(c->remap->edu);
    g_assert_cmpint(remapped(c), ==, before + 1);
    g_assert_cmpuint(rmt_says(c->vtd->qts, "interrupts-lost"), ==, 0);
    remap_send(c->remap, INDEX + 1);
    qtest_qmp_eventwait(c->vtd->qts, "VIOMMU_REMOTE_LATE");
    g_assert_false(arrived(c, VECTOR + 1));
    g_assert_cmpint(remapped(c), ==, before + 1);
    g_assert_cmpuint(rmt_says(c->vtd->qts, "interrupts-lost"), ==, 1);
    g_assert_cmpint(kill(c->server, SIGCONT), ==, 0);
    viommu_until(c->vtd, vtd_read32(c->vtd, VTD_VER) != UINT32_MAX);
    edu_raise(c->remap->edu);
    viommu_until(c->vtd, arrived(c, VECTOR + 1));
    client_free(c);
}

/*
 * Without a server no interrupt gets through, not even where one was known to
 * lead; nor with one that knows nothing of what the guest has set up.
 */
static void test_dead(void)
{
    Client *c = client_on("intremap=on,timeout=60000");
    QTestState *qts = c->vtd->qts;
    int64_t before;

    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    before = remapped(c);
    rmt_end_server(c->server);
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_DOWN");
    g_assert_cmpuint(rmt_says(qts, "interrupts-kept"), ==, 0);
    edu_raise(c->remap->edu);
    g_assert_cmpint(remapped(c), ==, before);
    g_assert_cmpuint(rmt_says(qts, "interrupts-lost"), ==, 1);
    c->server = viommud_run(rmt_listen(&c->path), UNIT, "--stay");
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_UP");
    edu_msi(c->remap->edu, VIOMMU_MSI_ADDR, PLAIN);
    edu_raise(c->remap->edu);
    g_assert_false(arrived(c, PLAIN));
    g_assert_cmpuint(rmt_says(qts, "interrupts-lost"), ==, 1);
    vtd_reset(c->vtd);
    client_edu(c);
    remap_enable(c->remap, 0);
    remap_send(c->remap, INDEX);
    g_assert_true(arrived(c, VECTOR));
    client_free(c);
}

/* A guest makes up messages, one after the other. */
static void test_many(void)
{
    Client *c = client_new("intremap=on,timeout=60000");
    QPCIDevice *pci = c->remap->edu->pci;
    uint8_t cap = qpci_find_capability(pci, PCI_CAP_ID_MSI, 0);
    uint64_t kept;

    edu_msi(c->remap->edu, VIOMMU_MSI_ADDR, PLAIN);
    for (unsigned i = 0; i < KEPT_MAX + 256; i++) {
        qpci_config_writel(pci, cap + PCI_MSI_ADDRESS_LO,
                           VIOMMU_MSI_ADDR | (i & 0xff) << 12);
        qpci_config_writew(pci, cap + PCI_MSI_DATA_64, PLAIN + (i >> 8));
        edu_raise(c->remap->edu);
    }
    kept = rmt_says(c->vtd->qts, "interrupts-kept");
    g_assert_cmpuint(kept, >, 0);
    g_assert_cmpuint(kept, <=, KEPT_MAX);
    g_assert_true(arrived(c, PLAIN));
    client_free(c);
}

/* Who does not suit whom, and what is said of it */
typedef struct Refused {
    const char *name, *unit, *props;
    const char *text[2];
} Refused;

static const Refused refused[] = {
    { "client-has-not", UNIT, "timeout=60000",
      { "its unit remaps interrupts", "intremap=on" } },
    { "server-has-not", "intel-iommu", "intremap=on",
      { "the server does not remap interrupts", "intel-iommu,intremap=on" } },
    { "second", UNIT, "intremap=on -device intel-iommu",
      { "multiple vIOMMUs", "" } },
};

static void test_refused(const void *opaque)
{
    const Refused *r = opaque;
    g_autofree char *path = NULL, *args = NULL, *message = NULL;
    GPid server = viommud_run(rmt_listen(&path), r->unit, NULL);

    args = client_args(path, r->props);
    message = unit_refused(args);
    g_assert_nonnull(message);
    for (unsigned i = 0; i < G_N_ELEMENTS(r->text); i++) {
        g_assert_nonnull(strstr(message, r->text[i]));
    }
    rmt_end_server(server);
    unlink(path);
}

/* tests/remote/toy.py: how often it is asked, of whom, and when it lies */

typedef struct Toy {
    RMT *rmt;
    Edu *edu;
    uint64_t table;
} Toy;

static Toy toy_new(void)
{
    Toy t = { .rmt = rmt_start("intremap=on", EDU_DEVICE) };

    t.edu = edu_new(&t.rmt->unit, EDU_SID);
    t.table = unit_alloc(&t.rmt->unit, 1);
    rmt_write(t.rmt, RMT_MESSAGES, t.table);
    viommu_until(t.rmt, rmt_drained(t.rmt));
    return t;
}

static void toy_free(Toy *t)
{
    edu_free(t->edu);
    rmt_stop(t->rmt);
}

static void toy_put(Toy *t, unsigned index, uint16_t rid, uint8_t vector)
{
    qtest_writeq(t->rmt->qts, t->table + 8 * index,
                 1ull << 63 | (uint64_t)rid << 32 | vector);
}

static void toy_inv(Toy *t, unsigned first, unsigned last)
{
    rmt_write(t->rmt, RMT_FIRST, first);
    rmt_write(t->rmt, RMT_LAST, last);
    rmt_inv(t->rmt, RMT_INV_MESSAGE, 0);
    viommu_until(t->rmt, rmt_drained(t->rmt));
}

/* One message: how often was it asked about? */
static unsigned toy_raise(Toy *t)
{
    uint64_t before = rmt_read(t->rmt, RMT_REMAPPED);

    edu_raise(t->edu);
    return rmt_read(t->rmt, RMT_REMAPPED) - before;
}

static void test_asked(void)
{
    Toy t = toy_new();
    uint64_t fault;

    toy_put(&t, INDEX, EDU_SID, VECTOR);
    edu_msi(t.edu, VIOMMU_MSI_ADDR, INDEX);
    g_assert_cmpuint(toy_raise(&t), ==, 1);
    g_assert_true(viommu_irq_arrived(t.rmt, 0, VECTOR));
    g_assert_cmpuint(toy_raise(&t), ==, 0);
    toy_inv(&t, INDEX + 1, 511);
    toy_inv(&t, 0, INDEX - 1);
    g_assert_cmpuint(toy_raise(&t), ==, 0);
    toy_inv(&t, INDEX, INDEX);
    g_assert_cmpuint(toy_raise(&t), ==, 1);

    /* What is not to be kept is asked about each time. */
    rmt_write(t.rmt, RMT_QUIRKS, RMT_ONCE);
    toy_inv(&t, 0, 511);
    g_assert_cmpuint(toy_raise(&t), ==, 1);
    g_assert_cmpuint(toy_raise(&t), ==, 1);

    /* So is what is refused; that is the server's to record. */
    rmt_write(t.rmt, RMT_QUIRKS, 0);
    toy_put(&t, INDEX, EDU_SID + 8, VECTOR + 1);
    toy_inv(&t, 0, 511);
    g_assert_cmpuint(toy_raise(&t), ==, 1);
    fault = rmt_read(t.rmt, RMT_FAULT);
    g_assert_cmphex(RMT_FAULT_RID(fault), ==, EDU_SID);
    g_assert_cmpuint(RMT_FAULT_REASON(fault), ==, 2);
    g_assert_cmpuint(toy_raise(&t), ==, 1);
    g_assert_false(viommu_irq_arrived(t.rmt, 0, VECTOR + 1));
    g_assert_cmpuint(rmt_says(t.rmt->qts, "interrupts-lost"), ==, 0);
    toy_free(&t);
}

static void test_lie(void)
{
    Toy t = toy_new();
    QDict *event;

    toy_put(&t, INDEX, EDU_SID, VECTOR);
    edu_msi(t.edu, VIOMMU_MSI_ADDR, INDEX);
    rmt_write(t.rmt, RMT_QUIRKS, RMT_LIE_PAGE);
    edu_raise(t.edu);
    event = qtest_qmp_eventwait_ref(t.rmt->qts, "VIOMMU_REMOTE_DOWN");
    g_assert_nonnull(strstr(qdict_get_str(qdict_get_qdict(event, "data"),
                                          "reason"), "to where none are"));
    qobject_unref(event);
    g_assert_false(viommu_irq_arrived(t.rmt, 0, VECTOR));
    toy_free(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/remote/irq/" name, fn)
    ADD("kept", test_kept);
    ADD("mask", test_mask);
    ADD("on", test_on);
    ADD("format", test_format);
    ADD("reset", test_reset);
    ADD("migrate", test_migrate);
    ADD("late", test_late);
    ADD("dead", test_dead);
    ADD("many", test_many);
    ADD("asked", test_asked);
    ADD("lie", test_lie);
#undef ADD
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *name = g_strdup_printf(
            "/viommu/remote/irq/refused/%s", refused[i].name);

        qtest_add_data_func(name, &refused[i], test_refused);
    }
    return g_test_run();
}
