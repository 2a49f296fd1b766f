/*
 * qemu-viommud: what firmware tells of it, and its life: killed, replaced,
 * stopped, and with one client after another
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What it does in between is what the drain's suites say, which run on it
 * (VIOMMU_UNIT=remote-vtd).
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "qemu/atomic.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-dma.h"
#include "viommu-edu.h"
#include "viommu-remote.h"
#include "viommu-rig.h"
#include "viommu-viommud.h"
#include "viommu-vtd.h"

#define SOURCE      0x2000000ull
#define TARGET      0x2001000ull
#define UNIT        "intel-iommu"
/*
 * Of test_once: the memory; more than the queue takes up in one go, so that its
 * rest is for a bottom half, and fewer than a page has
 */
#define ONCE_RAM    (512 << 20)
#define ONCE_WAITS  200
#define ONCE_ROUNDS 10

static VTD *client_start_with(const char *path, const char *props,
                              const char *args)
{
    g_autofree char *machine = g_strdup_printf(
        "-machine q35 -m 512 -nodefaults "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s,reconnect-ms=20 "
        "-device viommu-remote,chardev=remote,%s", path, props);

    return vtd_start_machine(machine, args);
}

static VTD *client_start(const char *path, const char *props)
{
    g_autofree char *where = g_strdup_printf("mmio=0x%llx,%s", VTD_BASE, props);

    return client_start_with(path, where, EDU_DEVICE);
}

/* Does DMA reach memory?  Every time as after a reset of the machine. */
static bool client_dma(VTD *vtd)
{
    static uint64_t word = 0x0102030405060708;
    Edu *edu = edu_new(&vtd->unit, EDU_SID);

    qtest_writeq(vtd->qts, SOURCE, ++word);
    qtest_writeq(vtd->qts, TARGET, 0);
    edu_load(edu, SOURCE, 8);
    edu_store(edu, TARGET, 8);
    edu_free(edu);
    return qtest_readq(vtd->qts, TARGET) == word;
}

/* The one that takes a dead one's place has not what the guest set up there. */
static void test_killed(void)
{
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, NULL);
    VTD *vtd = client_start(path, "timeout=60000");

    g_assert_true(client_dma(vtd));
    rmt_end_server(server);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_DOWN");
    g_assert_false(client_dma(vtd));
    server = viommud_run(rmt_listen(&path), UNIT, NULL);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_UP");
    /* The registers can be read, and no table says that it is to be let by. */
    g_assert_cmphex(vtd_read32(vtd, VTD_VER), !=, UINT32_MAX);
    g_assert_false(client_dma(vtd));
    qtest_system_reset(vtd->qts);
    g_assert_true(client_dma(vtd));
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/* It stands still: nobody waits for it for longer than they were told to. */
static void test_stopped(void)
{
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, "--stay");
    VTD *vtd = client_start(path, "timeout=10000");

    viommu_until(vtd, vtd_read32(vtd, VTD_VER) != UINT32_MAX);
    g_assert_cmpint(kill(server, SIGSTOP), ==, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_VER), ==, UINT32_MAX);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_LATE");
    qtest_qmp_assert_success(vtd->qts, "{'execute': 'query-viommu'}");
    g_assert_cmpint(kill(server, SIGCONT), ==, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_VER) != UINT32_MAX);
    viommu_until(vtd, client_dma(vtd));
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/* What @field of /proc/PID/status begins with */
static uint64_t server_status(GPid pid, const char *field, int base)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    char *at;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    at = strstr(text, field);
    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen(field), NULL, base);
}

/*
 * A user who may do nothing, and in the sandbox, it has a disk's request drain:
 * the invalidation is complete when the request is.
 */
static void test_plain(void)
{
    RigOptions opt = { .form = VTD_QUEUED };
    GPid server;
    Rig *rig;

    if (!viommud_plain(true)) {
        g_test_skip("this user cannot become nobody");
        return;
    }
    rig = rig_new(&opt);
    viommud_plain(false);
    server = viommud_pid();
    if (geteuid() == 0) {
        g_assert_cmpuint(server_status(server, "\nUid:", 10), !=, 0);
    }
    g_assert_cmphex(server_status(server, "\nCapEff:", 16), ==, 0);
    g_assert_cmphex(server_status(server, "\nCapPrm:", 16), ==, 0);
#ifdef CONFIG_SECCOMP
    g_assert_cmpuint(server_status(server, "\nNoNewPrivs:", 10), ==, 1);
    /* SECCOMP_MODE_FILTER */
    g_assert_cmpuint(server_status(server, "\nSeccomp:", 10), ==, 2);
#endif
    rig_hold(rig, false, RIG_DATA_IOVA);
    rig_unmap(rig, UNIT_RANGE);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    rig_free(rig);
}

/* How many invalidations of pages the client has been sent */
static uint64_t client_invalidations(QTestState *qts)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict,
                             qlist_peek(qdict_get_qlist(answer, "return")));
    uint64_t n = qdict_get_int(unit, "invalidations-tlb-page");

    qobject_unref(answer);
    return n;
}

#define PAGES_MANY  64

/*
 * The guest invalidates many pages, the first of them in use: all the others
 * have arrived before that one can be answered, so that nobody waits for each.
 */
static void test_pages(void)
{
    RigOptions opt = { .form = VTD_QUEUED };
    Rig *rig = rig_new(&opt);
    QTestState *qts = rig->unit->qts;
    VTD *vtd = container_of(rig->unit, VTD, unit);
    uint64_t did = VTD_D_DID(vtd_domain_of(rig->space)->did);
    uint64_t before = client_invalidations(qts);

    rig_hold(rig, false, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    for (unsigned i = 0; i <= PAGES_MANY; i++) {
        vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(VTD_PAGE) | did,
                      RIG_DATA_IOVA + i * VTD_PAGE_SIZE);
    }
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    viommu_until(vtd, client_invalidations(qts) == before + PAGES_MANY + 1);
    rig_assert_pending(rig);
    g_assert_cmpuint(rmt_says(qts, "drains-waiting"), ==, 1);
    rig_release(rig);
    rig_inv_wait(rig);
    rig_free(rig);
}

/* What a monitor's command says, as text */
static char *client_hmp(VTD *vtd, const char *command)
{
    return qtest_hmp(vtd->qts, "%s", command);
}

/* Does query-viommu say that the server has not answered about somebody? */
static bool client_is_unanswered(VTD *vtd)
{
    g_autofree char *said = client_hmp(vtd, "info viommu -e");

    return strstr(said, "the server has not answered yet") != NULL;
}

/* Questions about the unit, its tables, and its registers */
static void assert_questions(VTD *vtd)
{
    QTestState *qts = vtd->qts;
    g_autofree char *dump = NULL;
    QDict *answer;

    qtest_qmp_assert_success(qts, "{'execute': 'query-viommu'}");
    g_assert_true(client_is_unanswered(vtd));
    answer = qtest_qmp_assert_success_ref(qts,
        "{'execute': 'viommu-translate', 'arguments':"
        " {'device': '00:04.0', 'iova': 4096}}");
    g_assert_nonnull(strstr(qdict_get_str(answer, "verdict"),
                            "the server has not answered yet"));
    qobject_unref(answer);
    qtest_qmp_assert_success(qts, "{'execute': 'viommu-map', 'arguments':"
                             " {'device': '00:04.0'}}");
    dump = client_hmp(vtd, "xp /1wx 0xfed90000");
    g_assert_nonnull(strstr(dump, "0xffffffff"));
}

/* Can the machine be saved? */
static bool is_saved(QTestState *qts)
{
    QDict *answer;
    g_autofree char *status = NULL;

    qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments':"
                             " {'uri': 'exec:cat >/dev/null'}}");
    do {
        unit_turn(qts);
        answer = qtest_qmp_assert_success_ref(qts,
                                              "{'execute': 'query-migrate'}");
        g_free(status);
        status = g_strdup(qdict_get_str(answer, "status"));
        qobject_unref(answer);
    } while (!g_str_equal(status, "failed") &&
             !g_str_equal(status, "completed"));
    return g_str_equal(status, "completed");
}

/* Not quite the minute that it would be if it waited */
#define QUIT_TRIES 5500

/* Nor does the end of it all. */
static void assert_ends(QTestState *qts)
{
    int tries = 0;

    qtest_qmp_send(qts, "{'execute': 'quit'}");
    while (qtest_probe_child(qts)) {
        g_assert_cmpint(tries++, <, QUIT_TRIES);
        g_usleep(10000);
    }
}

/*
 * It never answers, and whoever has to wait for it would wait for a minute: of
 * the monitor's commands none does, or that would be counted.
 */
static void test_monitor(void)
{
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, "--stay");
    VTD *vtd = client_start_with(path, "mmio=0xfed90000,timeout=60000",
                                 EDU_DEVICE " -device pcie-root-port,id=rp0,"
                                 "chassis=1,addr=06.0");
    QTestState *qts = vtd->qts;

    g_assert_true(client_dma(vtd));
    vtd_gcmd(vtd, VTD_G_TE, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    g_assert_cmpint(kill(server, SIGSTOP), ==, 0);
    assert_questions(vtd);
    /* Who asks over and over does not fill the queue. */
    for (unsigned i = 0; i < 40; i++) {
        g_assert_true(client_is_unanswered(vtd));
    }
    g_assert_cmpuint(rmt_says(qts, "queries-unanswered"), >, 40);
    qtest_qmp_device_add(qts, "edu", "hot", "{'bus': 'rp0'}");
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    g_assert_false(is_saved(qts));
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    qtest_system_reset(qts);
    assert_questions(vtd);
    g_assert_cmpuint(rmt_says(qts, "answers-late"), ==, 0);
    g_assert_cmpuint(rmt_says(qts, "connected"), ==, 1);
    /* All of it arrives, and the machine is one that has been reset. */
    g_assert_cmpint(kill(server, SIGCONT), ==, 0);
    viommu_until(vtd, !client_is_unanswered(vtd));
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS), ==, 0);
    g_assert_true(client_dma(vtd));
    g_assert_cmpint(kill(server, SIGSTOP), ==, 0);
    assert_ends(qts);
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/*
 * It was silent when the machine stopped, which cannot be saved before it has
 * said that it is done; nothing else has to happen.  @opaque: it was even
 * silent for so long that it was not asked.
 */
static void test_saved_later(const void *opaque)
{
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, "--stay");
    VTD *vtd = client_start(path, "timeout=60000");
    QTestState *qts = vtd->qts;

    g_assert_true(client_dma(vtd));
    vtd_gcmd(vtd, VTD_G_TE, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    g_assert_cmpint(kill(server, SIGSTOP), ==, 0);
    for (unsigned i = 0; opaque && i < 40; i++) {
        g_assert_true(client_is_unanswered(vtd));
    }
    for (unsigned i = 0; i < 2; i++) {
        qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
        g_assert_false(is_saved(qts));
        qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    }
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    g_assert_cmpint(kill(server, SIGCONT), ==, 0);
    /* The answer to this comes after that. */
    g_assert_cmphex(vtd_read32(vtd, VTD_VER), !=, UINT32_MAX);
    unit_turns(qts);
    g_assert_true(is_saved(qts));
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/* By default it ends with its client; with --stay there may be another one. */
static void test_clients(const void *stay)
{
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, stay);
    VTD *vtd = client_start(path, "timeout=60000");
    int status = 0;

    g_assert_true(client_dma(vtd));
    vtd_stop(vtd);
    if (stay) {
        vtd = client_start(path, "timeout=60000");
        g_assert_true(client_dma(vtd));
        vtd_stop(vtd);
        rmt_end_server(server);
    } else {
        g_assert_cmpint(waitpid(server, &status, 0), ==, server);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    unlink(path);
}

/* More pages than are kept, so that threads keep asking */
#define LOAD_PAGES      128
#define LOAD_THREADS    2
#define LOAD_REFUSED    8
#define LOAD_TARGET     0x4000000ull
#define LOAD_ROUNDS     2

static void load_map(DMARig *rig)
{
    for (unsigned i = 0; i < LOAD_PAGES; i++) {
        vtd_map(rig->vtd, &rig->dom, DMA_IOVA + i * VTD_PAGE_SIZE,
                LOAD_TARGET + i * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
}

/*
 * Who goes from page to page is told the next ones: @opaque: if the tables are
 * in memory that the server can map, or else it would have to ask for them.
 */
static void test_ahead(const void *opaque)
{
    g_autofree char *path = NULL, *where = NULL, *args = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, NULL);
    uint64_t answers;
    DMARig *rig;
    VTD *vtd;

    where = g_strdup_printf("mmio=0x%llx,timeout=60000", VTD_BASE);
    args = g_strdup_printf("%s " DMA_DEVICE, opaque ?
                           "-object memory-backend-memfd,id=ram,size=512M,"
                           "share=on -machine memory-backend=ram" : "");
    vtd = client_start_with(path, where, args);
    rig = dma_of(vtd);
    load_map(rig);
    answers = rmt_says(vtd->qts, "answers");
    g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, 64, LOAD_PAGES), ==,
                     0);
    answers = rmt_says(vtd->qts, "answers") - answers;
    if (opaque) {
        g_assert_cmpuint(answers, <, LOAD_PAGES / 4);
    } else {
        g_assert_cmpuint(answers, >=, LOAD_PAGES);
    }
    g_free(rig->pci);
    g_free(rig);
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/* Software in another thread, which clears a status as soon as it is there */
typedef struct Looker {
    uint32_t *status;
    unsigned again;          /* a ticket came back after it was cleared */
    bool over;
} Looker;

static void *looker_run(void *opaque)
{
    Looker *l = opaque;
    uint32_t last = 0, now;

    while (!qatomic_read(&l->over)) {
        now = qatomic_read(l->status);
        if (now) {
            qatomic_set(l->status, 0);
            l->again += now == last;
            last = now;
        }
    }
    return NULL;
}

/*
 * Each status is stored once: what software then makes of it stays.  And the
 * server answers what came while it was asked for the rest of a long queue.
 */
static void once_look(VTD *vtd, uint32_t *status)
{
    Looker looker = { .status = status };
    GThread *thread = g_thread_new("looker", looker_run, &looker);
    unsigned i, n;

    for (i = 0; i < ONCE_ROUNDS; i++) {
        for (n = 0; n < ONCE_WAITS; n++) {
            vtd_queue_wait_put(vtd);
        }
        vtd_queue_kick(vtd);
        viommu_until(vtd, vtd_read64(vtd, VTD_IQH) ==
                          vtd->iq_tail * vtd_queue_slot_size(vtd));
    }
    qatomic_set(&looker.over, true);
    g_thread_join(thread);
    g_assert_cmpuint(looker.again, ==, 0);
}

static void test_once(void)
{
    g_autofree char *path = NULL, *ram = NULL, *where = NULL, *args = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, NULL);
    int fd = g_file_open_tmp("viommu-ram-XXXXXX", &ram, NULL);
    uint8_t *memory;
    VTD *vtd;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, ONCE_RAM), ==, 0);
    memory = mmap(NULL, ONCE_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(memory != MAP_FAILED);
    where = g_strdup_printf("mmio=0x%llx,timeout=60000", VTD_BASE);
    args = g_strdup_printf("-object memory-backend-file,id=ram,size=512M,"
                           "share=on,mem-path=%s "
                           "-machine memory-backend=ram", ram);
    vtd = client_start_with(path, where, args);
    vtd_enable_queue(vtd);
    once_look(vtd, (uint32_t *)(memory + vtd->iq_status));
    vtd_stop(vtd);
    rmt_end_server(server);
    munmap(memory, ONCE_RAM);
    close(fd);
    unlink(ram);
    unlink(path);
}

/* All is well, and a page that goes is gone once the guest is told so. */
static void load_invalidate(DMARig *rig)
{
    for (unsigned i = 0; i < LOAD_PAGES; i += LOAD_PAGES / 8) {
        dma_inv(rig, VTD_PAGE, DMA_IOVA + i * VTD_PAGE_SIZE);
    }
    g_assert_cmpuint(dma_errors(rig), ==, 0);
}

/* It stands still, and goes on: threads wait meanwhile, and nobody else. */
static void load_stand_still(DMARig *rig, GPid server)
{
    QTestState *qts = rig->vtd->qts;

    g_assert_cmpint(kill(server, SIGSTOP), ==, 0);
    qtest_qmp_assert_success(qts, "{'execute': 'query-viommu'}");
    g_assert_cmpint(kill(server, SIGCONT), ==, 0);
    dma_go_on(rig);
    g_assert_cmpuint(dma_errors(rig), ==, 0);
}

/* What was under way has ended, and nothing reaches memory any more. */
static void load_assert_blocked(DMARig *rig)
{
    dma_mark(rig, LOAD_TARGET, LOAD_REFUSED);
    g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, 64, LOAD_REFUSED),
                     ==, LOAD_REFUSED);
    g_assert_true(dma_is_marked(rig, LOAD_TARGET, LOAD_REFUSED));
}

/*
 * Stopped, killed with an invalidation under way, and replaced, over and over,
 * while devices do what they can.
 */
static void test_load(void)
{
    g_autofree char *path = NULL, *where = NULL;
    GPid server = viommud_run(rmt_listen(&path), UNIT, NULL);
    VTD *vtd;
    DMARig *rig;

    where = g_strdup_printf("mmio=0x%llx,timeout=60000,iotlb-size=64,"
                            "dma-cache-size=0", VTD_BASE);
    vtd = client_start_with(path, where, DMA_DEVICE);
    rig = dma_of(vtd);
    load_map(rig);
    for (unsigned i = 0; i < LOAD_ROUNDS; i++) {
        dma_start(rig, XDB_WRITE, LOAD_THREADS, DMA_IOVA, 64, LOAD_PAGES);
        load_invalidate(rig);
        load_stand_still(rig, server);
        vtd_inv_iotlb_start(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
        rmt_end_server(server);
        qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_DOWN");
        dma_stop(rig);
        load_assert_blocked(rig);
        server = viommud_run(rmt_listen(&path), UNIT, NULL);
        qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_UP");
        load_assert_blocked(rig);
        vtd_reset(vtd);
        dma_setup(rig);
        g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, 64, LOAD_PAGES),
                         ==, 0);
    }
    g_free(rig->pci);
    g_free(rig);
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

/* Between client and server: the connection can be cut, and both live on. */
typedef struct Relay {
    int listener;
    char *server;            /* path */
    bool cut;                /* atomic: the one that there is, and the next */
    bool over;               /* atomic */
    unsigned answers;        /* atomic: connections on which the server spoke */
    pthread_t thread;
} Relay;

/* Returns: false if @from has ended */
static bool relay_bytes(int from, int to)
{
    uint8_t bytes[4096];
    ssize_t n = read(from, bytes, sizeof(bytes));

    return n > 0 && write(to, bytes, n) == n;
}

static void relay_connection(Relay *r, int client)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct pollfd fds[] = {
        { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN },
    };
    bool spoke = false, good;

    strcpy(addr.sun_path, r->server);
    g_assert_cmpint(connect(server, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
    do {
        good = poll(fds, 2, 1) >= 0;
        if (good && fds[0].revents) {
            good = relay_bytes(client, server);
        }
        if (good && fds[1].revents) {
            good = relay_bytes(server, client);
            if (good && !spoke) {
                spoke = true;
                qatomic_inc(&r->answers);
            }
        }
    } while (good && !qatomic_read(&r->cut) && !qatomic_read(&r->over));
    close(server);
}

static void *relay_run(void *opaque)
{
    Relay *r = opaque;

    while (!qatomic_read(&r->over)) {
        struct pollfd fd = { .fd = r->listener, .events = POLLIN };
        int client = poll(&fd, 1, 1) == 1 ? accept(r->listener, NULL, NULL) :
                                            -1;

        if (client >= 0 && !qatomic_read(&r->cut)) {
            relay_connection(r, client);
        }
        if (client >= 0) {
            close(client);
        }
    }
    return NULL;
}

static void relay_start(Relay *r, char **path, char *server)
{
    *r = (Relay) { .listener = rmt_listen(path), .server = server };
    g_assert_cmpint(pthread_create(&r->thread, NULL, relay_run, r), ==, 0);
}

static void relay_end(Relay *r)
{
    qatomic_set(&r->over, true);
    pthread_join(r->thread, NULL);
    close(r->listener);
}

/*
 * A server that stays has what waits for the drain.  What was told over the
 * connection before is in flight: until it is not, nobody tells the server that
 * it is there again, which would take that for the end of all that was.
 */
static void test_cut_drains(void)
{
    g_autofree char *path = NULL, *server_path = NULL, *where = NULL;
    GPid server = viommud_run(rmt_listen(&server_path), UNIT, "--stay");
    DMARig *rig;
    Relay relay;
    VTD *vtd;

    relay_start(&relay, &path, server_path);
    where = g_strdup_printf("mmio=0x%llx,timeout=60000", VTD_BASE);
    vtd = client_start_with(path, where, DMA_DEVICE);
    rig = dma_of(vtd);
    load_map(rig);
    dma_keep(rig, DMA_IOVA, 1);
    vtd_unmap(vtd, &rig->dom, DMA_IOVA, 1);
    vtd_inv_iotlb_start(vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    viommu_turns(vtd);
    g_assert_false(vtd_inv_done(vtd, VTD_QUEUED));

    qatomic_set(&relay.cut, true);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_DOWN");
    qatomic_set(&relay.cut, false);
    viommu_until(vtd, qatomic_read(&relay.answers) == 2);
    for (unsigned i = 0; i < 20; i++) {
        viommu_turns(vtd);
    }
    g_assert_false(vtd_inv_done(vtd, VTD_QUEUED));
    dma_let_go(rig);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_UP");
    viommu_until(vtd, vtd_inv_done(vtd, VTD_QUEUED));

    /* And goes on as if nothing had been. */
    g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA + VTD_PAGE_SIZE, 64,
                             LOAD_REFUSED), ==, 0);
    g_free(rig->pci);
    g_free(rig);
    vtd_stop(vtd);
    relay_end(&relay);
    rmt_end_server(server);
    unlink(path);
    unlink(server_path);
}

/* A reset while nobody is there: the server hears of it when it is. */
static void test_cut_reset(const void *writes)
{
    g_autofree char *path = NULL, *server_path = NULL;
    GPid server = viommud_run(rmt_listen(&server_path), UNIT, "--stay");
    Relay relay;
    VTD *vtd;

    relay_start(&relay, &path, server_path);
    vtd = client_start(path, "timeout=60000");
    vtd_enable(vtd, VTD_QUEUED);
    g_assert_false(client_dma(vtd));
    qatomic_set(&relay.cut, true);
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_DOWN");
    qtest_system_reset(vtd->qts);
    if (writes) {
        /* What it sets up now nobody hears of. */
        vtd_write32(vtd, VTD_GCMD, 0);
    }
    qatomic_set(&relay.cut, false);
    if (writes) {
        viommu_until(vtd, qatomic_read(&relay.answers) == 2);
        viommu_turns(vtd);
        g_assert_false(client_dma(vtd));
        qtest_system_reset(vtd->qts);
    }
    qtest_qmp_eventwait(vtd->qts, "VIOMMU_REMOTE_UP");
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS), ==, 0);
    viommu_until(vtd, client_dma(vtd));
    vtd_stop(vtd);
    relay_end(&relay);
    rmt_end_server(server);
    unlink(path);
    unlink(server_path);
}

/* What a guest is told of the unit, which its registers agree with */
typedef struct ClientTable {
    const char *name, *unit, *props, *args;
    const char *dmar;        /* in hexadecimal */
} ClientTable;

#define TABLE_FLAGS(length, width, flags)                               \
    "444d4152" length "0100424f4348532042585043202020200100000042585043" \
    "01000000" width flags "00000000000000000000"
#define TABLE_HEAD(length, width) TABLE_FLAGS(length, width, "00")
#define TABLE_Q35 \
    "0108000000001f000108000000001f020108000000001f03"

static const ClientTable client_tables[] = {
    /* Who is behind it: all but the I/O APIC, if interrupts are not */
    { "endpoint", UNIT, "mmio=0xfed90000", "-device edu,addr=04.0",
      TABLE_HEAD("68000000", "2f")
      "0000380000000000" "0000d9fe00000000"
      "0108000000000000" "0108000000000400" TABLE_Q35 },
    /* Elsewhere, and with fewer bits; what bypasses it is not behind it. */
    { "bypass", UNIT ",aw-bits=39", "mmio=0xfed91000",
      "-device virtio-rng-pci,addr=04.0 "
      "-device virtio-rng-pci,addr=05.0,iommu_platform=on,disable-legacy=on "
      "-device pcie-root-port,id=rp0,chassis=1,addr=06.0",
      TABLE_HEAD("70000000", "26")
      "0000400000000000" "0010d9fe00000000"
      "0108000000000000" "0108000000000500" "0208000000000600" TABLE_Q35 },
    /* Devices may have TLBs, below any port; ATSR says so. */
    { "device-tlb", UNIT ",device-iotlb=on", "mmio=0xfed90000",
      "-device edu,addr=04.0",
      TABLE_HEAD("70000000", "2f")
      "0000380000000000" "0000d9fe00000000"
      "0108000000000000" "0108000000000400" TABLE_Q35
      "0200080001000000" },
    /* Interrupts are remapped, and the I/O APIC is who else has some. */
    { "interrupts", UNIT ",intremap=on", "mmio=0xfed90000,intremap=on",
      "-device edu,addr=04.0",
      TABLE_FLAGS("70000000", "2f", "01")
      "0000400000000000" "0000d9fe00000000" "0308000000ff0000"
      "0108000000000000" "0108000000000400" TABLE_Q35 },
    { "interrupts-auto", UNIT ",intremap=on", "mmio=0xfed90000,intremap=auto",
      "",
      TABLE_FLAGS("68000000", "2f", "01")
      "0000380000000000" "0000d9fe00000000" "0308000000ff0000"
      "0108000000000000" TABLE_Q35 },
    { "interrupts-neither", UNIT, "mmio=0xfed90000,intremap=auto", "",
      TABLE_HEAD("60000000", "2f")
      "0000300000000000" "0000d9fe00000000" "0108000000000000" TABLE_Q35 },
    /* Nowhere: there is nothing to tell. */
    { "none", UNIT, "timeout=1000", "", "" },
};

static void test_table(const void *opaque)
{
    const ClientTable *table = opaque;
    g_autofree char *path = NULL;
    GPid server = viommud_run(rmt_listen(&path), table->unit, NULL);
    VTD *vtd = client_start_with(path, table->props, table->args);
    g_autofree char *dmar = vtd_dmar(vtd->qts);

    g_assert_cmpstr(dmar, ==, table->dmar);
    vtd_stop(vtd);
    rmt_end_server(server);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* The rig's machine, too, is one with a server. */
    g_setenv("VIOMMU_UNIT", "remote-vtd", true);
    for (size_t i = 0; i < G_N_ELEMENTS(client_tables); i++) {
        g_autofree char *name = g_strdup_printf("viommu/viommud/table/%s",
                                                client_tables[i].name);

        qtest_add_data_func(name, &client_tables[i], test_table);
    }
    qtest_add_func("viommu/viommud/killed", test_killed);
    qtest_add_func("viommu/viommud/stopped", test_stopped);
    qtest_add_func("viommu/viommud/plain", test_plain);
    qtest_add_func("viommu/viommud/pages", test_pages);
    qtest_add_data_func("viommu/viommud/ahead/shared", "", test_ahead);
    qtest_add_data_func("viommu/viommud/ahead/asked", NULL, test_ahead);
    qtest_add_func("viommu/viommud/monitor", test_monitor);
    qtest_add_data_func("viommu/viommud/saved-later/asked", NULL,
                        test_saved_later);
    qtest_add_data_func("viommu/viommud/saved-later/not-asked", "",
                        test_saved_later);
    qtest_add_func("viommu/viommud/once", test_once);
    qtest_add_func("viommu/viommud/load", test_load);
    qtest_add_data_func("viommu/viommud/client/one", NULL, test_clients);
    qtest_add_data_func("viommu/viommud/client/next", "--stay", test_clients);
    qtest_add_func("viommu/viommud/cut/drains", test_cut_drains);
    qtest_add_data_func("viommu/viommud/cut/reset", NULL, test_cut_reset);
    qtest_add_data_func("viommu/viommud/cut/reset-lost", "writes",
                        test_cut_reset);
    return g_test_run();
}
