/*
 * A machine with viommu-remote, and the toy server (tests/remote/toy.py)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-remote.h"

#define FIRST_FREE  0x1000000ull
#define DIR_PAGES   128                  /* 65,536 entries */
#define PRESENT     (1ull << 63)
#define MAY_ATS     (1ull << 62)
#define ADDR        0xfffffffff000ull
#define LARGE       (1ull << 7)

/* Beside the emulator's build directory is the tree. */
static char *rmt_toy(void)
{
    g_autofree char *dir = g_path_get_dirname(g_getenv("QTEST_QEMU_BINARY"));

    return g_build_filename(dir, "..", "..", "tests", "remote", "toy.py",
                            NULL);
}

/* Who connects when is not known here, so sockets stay until the test's end. */
static GPtrArray *rmt_paths;

static void rmt_unlink(void)
{
    guint i;

    for (i = 0; i < rmt_paths->len; i++) {
        unlink(g_ptr_array_index(rmt_paths, i));
    }
}

static char *rmt_new_path(void)
{
    char *path;
    int fd = g_file_open_tmp("viommu-remote-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    if (!rmt_paths) {
        rmt_paths = g_ptr_array_new_with_free_func(g_free);
        atexit(rmt_unlink);
    }
    g_ptr_array_add(rmt_paths, g_strdup(path));
    return path;
}

int rmt_listen(char **path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd;

    if (!*path) {
        *path = rmt_new_path();
    }
    unlink(*path);
    g_assert_cmpuint(strlen(*path), <, sizeof(addr.sun_path));
    strcpy(addr.sun_path, *path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

GPid rmt_serve(int listener, const char *option)
{
    g_autofree char *toy = rmt_toy();
    g_autofree char *fd = g_strdup_printf("%d", listener);
    GPid pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        /* Not even a test that fails leaves a server behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("python3", "python3", toy, "--fd", fd, option, NULL);
        _exit(127);
    }
    close(listener);
    return pid;
}

void rmt_end_server(GPid server)
{
    kill(server, SIGKILL);
    g_assert_cmpint(waitpid(server, NULL, 0), ==, server);
}

char *rmt_args(const char *props, GPid *server)
{
    g_autofree char *path = NULL;
    int listener = rmt_listen(&path);

    *server = rmt_serve(listener, NULL);
    return g_strdup_printf(
        "-machine q35 -m 256 -nodefaults -display none "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s -device viommu-remote,"
        "chardev=remote,mmio=0x%llx,timeout=60000%s%s", path, RMT_BASE,
        *props ? "," : "", props);
}

uint64_t rmt_says(QTestState *qts, const char *name)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict,
                             qlist_peek(qdict_get_qlist(answer, "return")));
    const QListEntry *entry;
    uint64_t value = UINT64_MAX;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "registers"), entry) {
        const QDict *reg = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(reg, "name"), name)) {
            value = qdict_get_int(reg, "value");
        }
    }
    qobject_unref(answer);
    return value;
}

RMT *rmt_start(const char *props, const char *args)
{
    RMT *rmt = g_new0(RMT, 1);
    GPid server;
    g_autofree char *machine = rmt_args(props, &server);

    rmt->servers = g_array_new(false, false, sizeof(GPid));
    g_array_append_val(rmt->servers, server);
    rmt->qts = qtest_initf("%s %s", machine, args);
    rmt->bus = qpci_new_pc(rmt->qts, NULL);
    rmt->next = FIRST_FREE;
    rmt->dir = unit_alloc(&rmt->unit, DIR_PAGES);
    return rmt;
}

RMT *rmt_adopt(const RMT *from, QTestState *qts)
{
    RMT *rmt = g_memdup2(from, sizeof(*from));

    rmt->qts = qts;
    rmt->bus = qpci_new_pc(qts, NULL);
    rmt->servers = g_array_new(false, false, sizeof(GPid));
    return rmt;
}

void rmt_stop(RMT *rmt)
{
    guint i;

    qpci_free_pc(rmt->bus);
    qtest_quit(rmt->qts);
    for (i = 0; i < rmt->servers->len; i++) {
        rmt_end_server(g_array_index(rmt->servers, GPid, i));
    }
    g_array_unref(rmt->servers);
    g_free(rmt);
}

uint64_t rmt_read(RMT *rmt, unsigned reg)
{
    return qtest_readq(rmt->qts, RMT_BASE + reg);
}

void rmt_write(RMT *rmt, unsigned reg, uint64_t value)
{
    qtest_writeq(rmt->qts, RMT_BASE + reg, value);
}

bool rmt_is_present(RMT *rmt, uint16_t rid)
{
    rmt_write(rmt, RMT_PRESENT, rid);
    return rmt_read(rmt, RMT_PRESENT);
}

unsigned rmt_present(RMT *rmt)
{
    rmt_write(rmt, RMT_PRESENT, RMT_EVERYBODY);
    return rmt_read(rmt, RMT_PRESENT);
}

void rmt_inv(RMT *rmt, RMTInv what, unsigned operand)
{
    rmt_write(rmt, RMT_INV, what | (uint64_t)operand << 16);
}

bool rmt_drained(RMT *rmt)
{
    return !rmt_read(rmt, RMT_STATUS);
}

void rmt_attach(RMT *rmt, uint16_t sid, const UnitSpace *space)
{
    qtest_writeq(rmt->qts, rmt->dir + 8 * sid,
                 !space ? 0 : PRESENT | (space->ats ? MAY_ATS : 0) |
                 space->root | space->domain);
}

UnitSpace *rmt_space(RMT *rmt, unsigned domain)
{
    UnitSpace *space = g_new0(UnitSpace, 1);

    space->root = unit_alloc(&rmt->unit, 1);
    space->domain = domain;
    return space;
}

static uint64_t rmt_entry(RMT *rmt, const UnitSpace *space, uint64_t iova,
                          int leaf)
{
    uint64_t table = space->root, at;
    int level;

    for (level = 3; ; level--) {
        at = table + 8 * (iova >> (12 + 9 * (level - 1)) & 511);
        if (level == leaf) {
            return at;
        }
        table = qtest_readq(rmt->qts, at) & ADDR;
        if (!table) {
            table = unit_alloc(&rmt->unit, 1);
            qtest_writeq(rmt->qts, at, table | UNIT_RW);
        }
    }
}

void rmt_map(RMT *rmt, const UnitSpace *space, uint64_t iova, uint64_t gpa,
             uint64_t size, unsigned perms)
{
    bool large = size != UNIT_PAGE;

    qtest_writeq(rmt->qts, rmt_entry(rmt, space, iova, large ? 2 : 1),
                 !perms ? 0 : gpa | perms | (large ? LARGE : 0));
}

void rmt_enable(RMT *rmt)
{
    rmt_write(rmt, RMT_DIR, rmt->dir);
    rmt_write(rmt, RMT_CTRL, 1);
    viommu_until(rmt, rmt_drained(rmt));
}
