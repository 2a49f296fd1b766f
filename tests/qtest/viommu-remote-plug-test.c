/*
 * Devices that come and go behind a unit in another process, and a backend in
 * a third one, while that unit stands still, dies and is replaced
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-plug.h"
#include "viommu-remote.h"
#include "viommu-rig.h"
#include "viommu-vhost-user.h"
#include "viommu-viommud.h"
#include "viommu-vtd.h"

#define UNIT        "intel-iommu"
#define DID         7
#define BEHIND      (1 << 8)             /* bus 1, device 0 */
#define DEVFN       (5 << 3)
#define WINDOW      0xfee00000ull        /* of interrupts, which no DMA has */

typedef struct Plug {
    char *path, *image;
    GPid server;
    VTD *vtd;
    VTDDomain dom;
    QPCIDevice *port;
    VBlk *blk;
    uint16_t sid;
    uint64_t ring, page, spare;
} Plug;

/* Tables, and translation by them, as after a reset of the machine */
static void plug_setup(Plug *p)
{
    VTD *vtd = p->vtd;

    vtd_domain_init(vtd, &p->dom, DID, 4);
    vtd_map(vtd, &p->dom, RIG_RING_IOVA, p->ring, 1, VTD_PTE_RW);
    vtd_map(vtd, &p->dom, RIG_DATA_IOVA, p->page, 1, VTD_PTE_RW);
    vtd_map(vtd, &p->dom, RIG_SPARE_IOVA, p->spare, 1, VTD_PTE_RW);
    vtd_attach(vtd, p->sid, &p->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(vtd, VTD_QUEUED);
}

/* A server with @option, and a machine that comes back to its next one */
static Plug *plug_new(uint16_t sid, const char *option, const char *timeout,
                      const char *args)
{
    Plug *p = g_new0(Plug, 1);
    g_autofree char *machine = NULL, *backend = NULL, *all = NULL;

    p->sid = sid;
    p->image = rig_make_image();
    p->server = viommud_run(rmt_listen(&p->path), UNIT, option);
    machine = g_strdup_printf(
        "-machine q35,memory-backend=ram -m 256M -nodefaults "
        "-object memory-backend-memfd,id=ram,size=256M,share=on "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-chardev socket,id=remote,path=%s,reconnect-ms=20 "
        "-device viommu-remote,chardev=remote,mmio=0x%llx,timeout=%s",
        p->path, VTD_BASE, timeout);
    backend = rig_backend(p->image, false);
    all = g_strdup_printf("%s -object iothread,id=io " PLUG_PORT_ARGS "%s",
                          backend, args);
    p->vtd = vtd_start_machine(machine, all);
    p->ring = vtd_alloc(p->vtd, 1);
    p->page = vtd_alloc(p->vtd, 1);
    p->spare = vtd_alloc(p->vtd, 1);
    plug_setup(p);
    return p;
}

static void plug_free(Plug *p)
{
    if (p->blk) {
        vblk_free(p->blk);
    }
    g_free(p->port);
    vtd_stop(p->vtd);
    rmt_end_server(p->server);
    unlink(p->path);
    unlink(p->image);
    g_free(p->path);
    g_free(p->image);
    g_free(p);
}

/* The operator puts a disk into the slot, ... */
static void plug_in(Plug *p)
{
    qtest_qmp_device_add(p->vtd->qts, "virtio-blk-pci", "disk",
                         "{'bus': 'rp', 'drive': 'slow', 'iothread': 'io',"
                         " 'disable-legacy': 'on', 'iommu_platform': true}");
}

/* ... the guest finds it, ... */
static void plug_drive(Plug *p)
{
    g_free(p->port);
    p->port = unit_open_bridge(&p->vtd->unit, PLUG_PORT, BEHIND >> 8);
    plug_power(p->port);
    qtest_memset(p->vtd->qts, p->ring, 0, UNIT_PAGE);
    p->blk = vblk_new(&p->vtd->unit, p->sid, "disk", p->ring, RIG_RING_IOVA);
}

/* ... and gives it back. */
static void plug_out(Plug *p)
{
    plug_pull(&p->vtd->unit, p->port, "disk");
    vblk_free(p->blk);
    p->blk = NULL;
}

static void plug_reads(Plug *p, uint64_t iova, uint64_t gpa)
{
    unsigned n;

    viommu_fill(p->vtd, gpa, RIG_BEFORE, RIG_LEN);
    n = vblk_submit(p->blk, false, 0, iova, RIG_LEN);
    viommu_until(p->vtd, vblk_completed(p->blk) > n);
    g_assert_cmpint(vblk_result(p->blk, n), ==, 0);
    g_assert_true(viommu_is_filled(p->vtd, gpa, RIG_ON_DISK, RIG_LEN));
}

static void plug_kill_server(Plug *p)
{
    rmt_end_server(p->server);
    qtest_qmp_eventwait(p->vtd->qts, "VIOMMU_REMOTE_DOWN");
}

static void plug_next_server(Plug *p)
{
    p->server = viommud_run(rmt_listen(&p->path), UNIT, NULL);
    qtest_qmp_eventwait(p->vtd->qts, "VIOMMU_REMOTE_UP");
}

/*
 * The server stands still: a device comes; a thread of one waits for its
 * answer, and nobody else does.  Then all goes on.
 */
static void test_stands_still(void)
{
    Plug *p = plug_new(BEHIND, NULL, "60000", "");
    QTestState *qts = p->vtd->qts;
    unsigned n;

    g_assert_cmpint(kill(p->server, SIGSTOP), ==, 0);
    plug_in(p);
    g_assert_cmpint(kill(p->server, SIGCONT), ==, 0);
    plug_drive(p);
    plug_reads(p, RIG_DATA_IOVA, p->page);

    g_assert_cmpint(kill(p->server, SIGSTOP), ==, 0);
    viommu_fill(p->vtd, p->spare, RIG_BEFORE, RIG_LEN);
    n = vblk_submit(p->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    viommu_turns(p->vtd);
    qtest_qmp_assert_success(qts, "{'execute': 'query-viommu'}");
    g_assert_cmpuint(vblk_completed(p->blk), ==, n);
    g_assert_true(viommu_is_filled(p->vtd, p->spare, RIG_BEFORE, RIG_LEN));
    g_assert_cmpuint(rmt_says(qts, "answers-late"), ==, 0);
    g_assert_cmpint(kill(p->server, SIGCONT), ==, 0);
    viommu_until(p->vtd, vblk_completed(p->blk) > n);
    g_assert_true(viommu_is_filled(p->vtd, p->spare, RIG_ON_DISK, RIG_LEN));

    plug_out(p);
    g_assert_cmpuint(plug_maps(&p->vtd->unit), ==, 0);
    plug_in(p);
    plug_drive(p);
    plug_reads(p, RIG_DATA_IOVA, p->page);
    plug_free(p);
}

/*
 * The server is gone: what comes finds nobody, what goes leaves nothing behind;
 * and with the next one, after a reset, whatever is there works.
 */
static void test_gone(void)
{
    Plug *p = plug_new(BEHIND, NULL, "60000", "");
    unsigned n;

    plug_in(p);
    plug_drive(p);
    plug_reads(p, RIG_DATA_IOVA, p->page);
    plug_kill_server(p);
    viommu_fill(p->vtd, p->page, RIG_BEFORE, RIG_LEN);
    n = vblk_submit(p->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_turns(p->vtd);
    g_assert_cmpuint(vblk_completed(p->blk), ==, n);
    plug_out(p);
    g_assert_cmpuint(plug_maps(&p->vtd->unit), ==, 0);
    plug_in(p);
    g_assert_true(viommu_is_filled(p->vtd, p->page, RIG_BEFORE, RIG_LEN));

    plug_next_server(p);
    vtd_reset(p->vtd);
    plug_setup(p);
    plug_drive(p);
    plug_reads(p, RIG_DATA_IOVA, p->page);
    plug_out(p);
    plug_free(p);
}

/* vhost-user: the ring is what it is told of by itself. */

static VUBackend *backend_new(char **args)
{
    VUBackend *vu = vu_new(VU_WITHOUT_NOTHING);

    *args = g_strdup_printf("-chardev socket,id=vu,path=%s "
                            "-device vhost-user-blk-pci,id=disk,chardev=vu,"
                            "addr=5,num-queues=1,disable-legacy=on,"
                            "iommu_platform=on", vu_path(vu));
    return vu;
}

static void backend_start(Plug *p, VUBackend *vu)
{
    unsigned n = vu_updates(vu);

    qtest_memset(p->vtd->qts, p->ring, 0, UNIT_PAGE);
    p->blk = vblk_new(&p->vtd->unit, p->sid, "disk", p->ring, RIG_RING_IOVA);
    viommu_until(p->vtd, vu_updates(vu) > n);
}

static void backend_misses(Plug *p, VUBackend *vu)
{
    unsigned n = vu_updates(vu);

    vu_miss(vu, RIG_DATA_IOVA);
    viommu_until(p->vtd, vu_updates(vu) > n);
    g_assert_cmphex(vu_last_update(vu).iova, ==, RIG_DATA_IOVA);
}

static void backend_end(Plug *p, VUBackend *vu)
{
    plug_free(p);
    vu_free(vu);
}

/*
 * What it asks meanwhile it is not told; who is asked again later knows.  Here
 * it is the main loop that waits, as long as it was told to.
 */
static void test_backend_late(void)
{
    g_autofree char *args = NULL;
    VUBackend *vu = backend_new(&args);
    Plug *p = plug_new(DEVFN, NULL, "10000", args);
    unsigned n;

    backend_start(p, vu);
    g_assert_cmpint(kill(p->server, SIGSTOP), ==, 0);
    n = vu_updates(vu);
    vu_miss(vu, RIG_DATA_IOVA);
    qtest_qmp_eventwait(p->vtd->qts, "VIOMMU_REMOTE_LATE");
    g_assert_cmpuint(vu_updates(vu), ==, n);
    g_assert_cmpint(kill(p->server, SIGCONT), ==, 0);
    viommu_until(p->vtd, (vu_miss(vu, RIG_DATA_IOVA),
                          viommu_turns(p->vtd), vu_updates(vu) > n));
    g_assert_false(vu_hung_up(vu));
    backend_end(p, vu);
}

/*
 * It has to forget all that came of a server that died, an invalidation that it
 * has not acknowledged included; and it is told anew by the next one.
 */
static void test_backend_gone(void)
{
    g_autofree char *args = NULL;
    VUBackend *vu = backend_new(&args);
    Plug *p = plug_new(DEVFN, NULL, "60000", args);
    unsigned n, kept;

    backend_start(p, vu);
    backend_misses(p, vu);
    vu_keep(vu, true);
    vtd_inv_iotlb_start(p->vtd, VTD_QUEUED, VTD_PAGE, DID, RIG_DATA_IOVA, 0);
    viommu_until(p->vtd, vu_kept(vu) > 0);
    vu_forget(vu);
    plug_kill_server(p);
    vu_keep(vu, false);
    for (kept = vu_kept(vu); kept; kept--) {
        vu_answer(vu, 0);
    }
    viommu_until(p->vtd, vu_covered(vu, 0, WINDOW));
    n = vu_updates(vu);
    vu_miss(vu, RIG_DATA_IOVA);
    viommu_turns(p->vtd);
    g_assert_cmpuint(vu_updates(vu), ==, n);

    plug_next_server(p);
    vtd_reset(p->vtd);
    plug_setup(p);
    vblk_free(p->blk);
    backend_start(p, vu);
    backend_misses(p, vu);
    g_assert_false(vu_hung_up(vu));
    backend_end(p, vu);
}

/* How often what applies to somebody is asked until that is invalidated */
static uint64_t backend_asked(RMT *rmt, RMTInv what, unsigned operand)
{
    uint64_t before = rmt_read(rmt, RMT_RESOLVED);

    rmt_inv(rmt, what, operand);
    viommu_until(rmt, rmt_drained(rmt));
    return rmt_read(rmt, RMT_RESOLVED) - before;
}

/*
 * Somebody else's domain is invalidated.  Whether the backend is in it nobody
 * asks the server: who waits for that answer has the main loop.
 */
static void test_backend_not_asked(void)
{
    g_autofree char *args = NULL, *all = NULL;
    VUBackend *vu = backend_new(&args);
    UnitSpace *space;
    uint64_t ring, nothing;
    VBlk *blk;
    RMT *rmt;

    all = g_strdup_printf("-object memory-backend-memfd,id=ram,size=256M,"
                          "share=on -machine memory-backend=ram %s", args);
    rmt = rmt_start("", all);
    space = rmt_space(rmt, DID);
    ring = unit_alloc(&rmt->unit, 1);
    rmt_map(rmt, space, RIG_RING_IOVA, ring, UNIT_PAGE, UNIT_RW);
    rmt_attach(rmt, DEVFN, space);
    rmt_enable(rmt);
    blk = vblk_new(&rmt->unit, DEVFN, "disk", ring, RIG_RING_IOVA);
    viommu_until(rmt, vu_updates(vu) > 0);

    g_assert_cmpuint(rmt_read(rmt, RMT_RESOLVED), >, 0);
    nothing = backend_asked(rmt, RMT_INV_NOTHING, 0);
    g_assert_cmpuint(backend_asked(rmt, RMT_INV_DOMAIN, DID + 1), ==, nothing);
    g_assert_false(vu_hung_up(vu));
    vblk_free(blk);
    rmt_stop(rmt);
    g_free(space);
    vu_free(vu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/remote/plug/stands-still", test_stands_still);
    qtest_add_func("viommu/remote/plug/gone", test_gone);
    qtest_add_func("viommu/remote/vhost-user/late", test_backend_late);
    qtest_add_func("viommu/remote/vhost-user/gone", test_backend_gone);
    qtest_add_func("viommu/remote/vhost-user/not-asked",
                   test_backend_not_asked);
    return g_test_run();
}
