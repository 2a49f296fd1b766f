/*
 * A machine with a vIOMMU, whichever: what the tests of all models share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-unit.h"

static struct {
    QTestState *qts;
    void (*turn)(QTestState *qts);
} unit_used;

QTestState *unit_launch(const char *machine, const char *args)
{
    return unit_used.qts ?: qtest_initf("%s %s", machine, args);
}

void unit_quit(QTestState *qts)
{
    if (qts != unit_used.qts) {
        qtest_quit(qts);
    }
}

void unit_use(QTestState *qts, void (*turn)(QTestState *qts))
{
    unit_used.qts = qts;
    unit_used.turn = turn;
}

bool unit_is_used(void)
{
    return unit_used.qts;
}

uint64_t unit_alloc(Unit *unit, unsigned pages)
{
    uint64_t addr = unit->next;

    unit->next += pages * UNIT_PAGE;
    qtest_memset(unit->qts, addr, 0, pages * UNIT_PAGE);
    return addr;
}

uint64_t unit_alloc_aligned(Unit *unit, uint64_t size)
{
    unit->next = ROUND_UP(unit->next, size);
    return unit_alloc(unit, DIV_ROUND_UP(size, UNIT_PAGE));
}

void unit_unmap(Unit *unit, UnitSpace *space, uint64_t iova)
{
    unit->ops->map(unit, space, iova, 0, UNIT_PAGE, 0);
}

void unit_inv_wait(Unit *unit, unsigned form)
{
    viommu_until(unit, unit->ops->inv_done(unit, form));
}

void unit_inv(Unit *unit, unsigned form, UnitScope scope,
              const UnitSpace *space, uint64_t iova, unsigned order)
{
    unit->ops->inv_start(unit, form, scope, space, iova, order);
    unit_inv_wait(unit, form);
}

QPCIDevice *unit_open_bridge(Unit *unit, int devfn, uint8_t bus)
{
    uint32_t base = ROUND_UP(unit->bus->mmio_alloc_ptr, 1 << 20);
    QPCIDevice *bridge = qpci_device_find(unit->bus, devfn);

    g_assert_nonnull(bridge);
    qpci_device_enable(bridge);
    qpci_config_writeb(bridge, PCI_SECONDARY_BUS, bus);
    qpci_config_writeb(bridge, PCI_SUBORDINATE_BUS, bus);
    qpci_config_writew(bridge, PCI_MEMORY_BASE, base >> 16);
    qpci_config_writew(bridge, PCI_MEMORY_LIMIT, base >> 16);
    unit->bus->mmio_alloc_ptr = base;
    return bridge;
}

/* Any command is answered from the main loop; there is memory at 0. */
void unit_turn(QTestState *qts)
{
    if (unit_used.turn) {
        unit_used.turn(qts);
        return;
    }
    qtest_readl(qts, 0);
}

/* In one process a turn is time: the main loop lets go of the BQL. */
void unit_pause(QTestState *qts)
{
    if (!unit_used.turn) {
        g_usleep(500);
    }
    unit_turn(qts);
}

void unit_turns(QTestState *qts)
{
    int i;

    for (i = 0; i < 20; i++) {
        unit_turn(qts);
        g_usleep(200);
    }
}

static void unit_migrated(QTestState *qts)
{
    for (;;) {
        QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        g_autofree char *status = g_strdup(
            qdict_get_try_str(qdict_get_qdict(answer, "return"), "status"));

        qobject_unref(answer);
        g_assert_cmpstr(status, !=, "failed");
        if (g_strcmp0(status, "completed") == 0) {
            return;
        }
        g_usleep(1000);
    }
}

char *unit_save(QTestState *qts)
{
    char *file = NULL;
    int fd = g_file_open_tmp("viommu-state-XXXXXX", &file, NULL);
    g_autofree char *uri = g_strdup_printf("file:%s", file);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    unit_migrated(qts);
    return file;
}

void unit_load(QTestState *qts, char *file)
{
    g_autofree char *uri = g_strdup_printf("file:%s", file);

    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    unit_migrated(qts);
    unlink(file);
    g_free(file);
}

struct UnitLog {
    char *path;
    int was;                 /* stderr */
};

UnitLog *unit_log_new(void)
{
    UnitLog *log = g_new0(UnitLog, 1);
    int fd = g_file_open_tmp("viommu-log-XXXXXX", &log->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_APPEND), ==, 0);
    log->was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    g_assert_cmpint(log->was, >=, 0);
    g_assert_cmpint(dup2(fd, STDERR_FILENO), ==, STDERR_FILENO);
    close(fd);
    return log;
}

void unit_log_rest(UnitLog *log)
{
    g_assert_cmpint(dup2(log->was, STDERR_FILENO), ==, STDERR_FILENO);
    close(log->was);
}

unsigned unit_log_count(const UnitLog *log, const char *text)
{
    g_autofree char *all = NULL;
    unsigned n = 0;
    const char *at;

    g_assert_true(g_file_get_contents(log->path, &all, NULL, NULL));
    for (at = all; (at = strstr(at, text)); at++) {
        n++;
    }
    return n;
}

void unit_log_free(UnitLog *log)
{
    unlink(log->path);
    g_free(log->path);
    g_free(log);
}

char *unit_refused(const char *args)
{
    g_autofree char *command =
        g_strdup_printf("exec timeout 600 %s %s -accel qtest -display none -S",
                        getenv("QTEST_QEMU_BINARY"), args);
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    char *said = NULL;
    int status = 0;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL,
                               &said, &status, NULL));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return said;
}

bool unit_is_filled(QTestState *qts, uint64_t gpa, uint8_t byte, size_t len)
{
    g_autofree uint8_t *data = g_malloc(len);
    size_t i;

    qtest_memread(qts, gpa, data, len);
    for (i = 0; i < len; i++) {
        if (data[i] != byte) {
            return false;
        }
    }
    return true;
}

bool unit_has_property(QTestState *qts, const char *type, const char *name)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'device-list-properties',"
                              " 'arguments': {'typename': %s}}", type);
    QListEntry *entry;
    bool found = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        QDict *property = qobject_to(QDict, qlist_entry_obj(entry));

        found |= g_str_equal(qdict_get_str(property, "name"), name);
    }
    qobject_unref(answer);
    return found;
}

static bool says_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strstr(text, *words)) {
            return true;
        }
    }
    return false;
}

/* A number has a unit, and whatever may be left out, a default. */
static void assert_help_of(QDict *property)
{
    static const char *const units[] = {
        "bits", "translations", "pages", "registers", "ms that", "ms until",
        "bytes", "MiB", "without effect", "not used", NULL
    };
    static const char *const defaults[] = {
        "if it is not given", "if not given", "the machine sets it", NULL
    };
    const char *what = qdict_get_try_str(property, "description");
    const char *type = qdict_get_str(property, "type");

    g_test_message("%s", qdict_get_str(property, "name"));
    g_assert_nonnull(what);
    /* More than what QEMU says of a property's type of its own accord */
    g_assert_cmpstr(what, !=, "on/off");
    g_assert_cmpstr(what, !=, "on/off/auto");
    if (g_str_has_prefix(type, "uint") || g_str_has_prefix(type, "int") ||
        g_str_equal(type, "size")) {
        g_assert_true(says_one_of(what, units));
    }
    if (!qdict_haskey(property, "default-value")) {
        g_assert_true(says_one_of(what, defaults));
    }
}

void unit_assert_help(const char *type, unsigned at_least)
{
    QTestState *qts = qtest_init("-machine none");
    QDict *answer = qtest_qmp(qts, "{'execute': 'device-list-properties',"
                              " 'arguments': {'typename': %s}}", type);
    QListEntry *entry;
    unsigned n = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        assert_help_of(qobject_to(QDict, qlist_entry_obj(entry)));
        n++;
    }
    g_assert_cmpuint(n, >=, at_least);
    qobject_unref(answer);
    qtest_quit(qts);
}

bool viommu_offers(const char *type, const char *name)
{
    QTestState *qts = qtest_init("-machine none");
    bool found = unit_has_property(qts, type, name);

    qtest_quit(qts);
    return found;
}

bool unit_irq_arrived(QTestState *qts, int apic_id, uint8_t vector)
{
    g_autofree char *text = qtest_hmp(qts, "info lapic %d", apic_id);
    char *word = strstr(text, "IRR\t");
    char *save;

    g_assert_nonnull(word);
    *strpbrk(word, "\r\n") = 0;
    word = strtok_r(word + 4, " ", &save);
    while (word && g_ascii_strtoull(word, NULL, 10) != vector) {
        word = strtok_r(NULL, " ", &save);
    }
    return word != NULL;
}
