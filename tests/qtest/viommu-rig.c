/*
 * A disk behind a vIOMMU whose requests stay in flight until told otherwise
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-plug.h"
#include "viommu-rig.h"

#define IMAGE_SIZE  (64 * 1024)
#define DEVFN       (5 << 3)
#define BEHIND      (1 << 8)           /* bus 1, device 0 */
#define SPACE_ID    7
#define OTHER_ID    9

bool expect_corruption(void)
{
    return g_getenv("VIOMMU_EXPECT_CORRUPTION") != NULL;
}

/* What the model-neutral tests run on: a line for each unit */
static const UnitOps *const units[] = {
    &vtd_unit_ops,
    &vtd_sm_unit_ops,
    &amd_unit_ops,
    &smmu_unit_ops,
    &virtio_unit_ops,
    &virtio_arm_unit_ops,
    &virtio_mmio_unit_ops,
    &remote_unit_ops,
    &vtd_remote_unit_ops,
    &vtd_sm_remote_unit_ops,
    &smmu_remote_unit_ops,
};

const UnitOps *unit_ops(void)
{
    const char *name = g_getenv("VIOMMU_UNIT");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(units[i]->target, qtest_get_arch()) &&
            (!name || g_str_equal(units[i]->name, name))) {
            return units[i];
        }
    }
    g_error("no unit '%s' for %s", name ?: "", qtest_get_arch());
}

void rig_add(const char *group, const char *name, bool iothread,
             void (*fn)(const void *opaque))
{
    const char *const *forms = unit_ops()->forms;
    unsigned i;

    for (i = 0; forms[i]; i++) {
        RigOptions *opt;
        g_autofree char *path = NULL;

        if (!*forms[i]) {
            continue;
        }
        opt = g_new0(RigOptions, 1);
        path = g_strdup_printf("/viommu/%s/%s%s/%s", group, forms[i],
                               iothread ? "-iothread" : "", name);

        opt->form = i;
        opt->iothread = iothread;
        qtest_add_data_func_full(path, opt, fn, g_free);
    }
}

char *rig_make_image(void)
{
    g_autofree char *data = g_malloc(IMAGE_SIZE);
    char *name = NULL;
    int fd = g_file_open_tmp("viommu-disk-XXXXXX", &name, NULL);

    g_assert_cmpint(fd, >=, 0);
    memset(data, RIG_ON_DISK, IMAGE_SIZE);
    g_assert_cmpint(write(fd, data, IMAGE_SIZE), ==, IMAGE_SIZE);
    close(fd);
    return name;
}

char *rig_backend(const char *image, bool fast)
{
    return g_strdup_printf(
        "-object throttle-group,id=early%s "
        "-blockdev driver=file,node-name=file,locking=off,filename=%s "
        "-blockdev driver=raw,node-name=raw,file=file "
        "-blockdev driver=throttle,node-name=slow,file=raw,"
        "throttle-group=early", fast ? ",x-iops-total=400" : "", image);
}

char *rig_args(const RigOptions *opt, const char *image)
{
    g_autofree char *backend = rig_backend(image, opt->fast);

    return g_strdup_printf(
        "%s %s%s "
        "-device virtio-blk-pci,id=disk,%s,drive=slow,disable-legacy=on,"
        "iommu_platform=on%s %s",
        backend, opt->iothread ? "-object iothread,id=io " : "",
        opt->behind_port ? PLUG_PORT_ARGS : "",
        opt->behind_port ? "bus=rp" : "addr=05.0",
        opt->iothread ? ",iothread=io" : "", opt->args ?: "");
}

/* @variable: of the environment, the emulator; NULL: that under test */
static QTestState *rig_wait_in(Rig *rig, const char *variable)
{
    g_autofree char *args = rig_args(&rig->opt, rig->image);
    g_autofree char *machine = unit_ops()->args(rig->opt.form,
                                                 rig->opt.props ?: "");
    g_autofree char *all = g_strdup_printf("%s %s -incoming defer", machine,
                                           args);

    return qtest_init_with_env(variable, all, true);
}

QTestState *rig_target(Rig *rig)
{
    return rig_wait_in(rig, NULL);
}

QTestState *rig_peer(Rig *rig)
{
    return rig_wait_in(rig, "VIOMMU_DRAIN_PEER");
}

/*
 * A throttle group of the command line is made before QEMU knows that it runs
 * under qtest, and goes by the host's clock.  One made now goes by ours.
 */
void rig_throttle(QTestState *qts)
{
    qtest_qmp_assert_success(qts,
        "{'execute': 'object-add', 'arguments': {'id': 'late',"
        " 'qom-type': 'throttle-group', 'limits': {'iops-total': 1}}}");
    qtest_qmp_assert_success(qts,
        "{'execute': 'blockdev-reopen', 'arguments': {'options': ["
        " {'driver': 'throttle', 'node-name': 'slow', 'file': 'raw',"
        "  'throttle-group': 'late'}]}}");
}

static void map(Rig *rig, uint64_t iova, uint64_t gpa)
{
    rig->unit->ops->map(rig->unit, rig->space, iova, gpa, UNIT_PAGE, UNIT_RW);
}

/* What the throttle lets through at once */
static void use_up(Rig *rig)
{
    unsigned request = vblk_submit(rig->blk, false, 0,
                                   rig->opt.untranslated ? rig->spare :
                                   RIG_SPARE_IOVA, RIG_LEN);

    viommu_until(rig->unit, vblk_completed(rig->blk) == rig->blk->submitted);
    g_assert_cmpint(vblk_result(rig->blk, request), ==, 0);
}

static void start(Rig *rig)
{
    Unit *unit = rig->unit;

    if (rig->opt.behind_port) {
        rig->port = unit_open_bridge(unit, PLUG_PORT, BEHIND >> 8);
    }
    unit->ops->attach(unit, rig->sid, rig->space);
    if (!rig->opt.untranslated) {
        map(rig, RIG_RING_IOVA, rig->ring);
        map(rig, RIG_SPARE_IOVA, rig->spare);
        map(rig, rig->data_iova, rig->page);
        unit->ops->enable(unit, rig->opt.form);
    }
    qtest_memset(unit->qts, rig->ring, 0, UNIT_PAGE);
    viommu_fill(unit, rig->page, RIG_BEFORE, RIG_LEN);
    if (rig->opt.used_apart) {
        uint64_t used = unit_alloc(unit, 1);

        map(rig, RIG_USED_IOVA, used);
        rig->blk = vblk_new_used(unit, rig->sid, "disk", rig->ring,
                                 RIG_RING_IOVA, used, RIG_USED_IOVA);
    } else {
        rig->blk = vblk_new(unit, rig->sid, "disk", rig->ring,
                            rig->opt.untranslated ? rig->ring : RIG_RING_IOVA);
    }
    use_up(rig);
    g_assert_true(viommu_is_filled(unit, rig->spare, RIG_ON_DISK, RIG_LEN));
}

Rig *rig_new(const RigOptions *opt)
{
    Rig *rig = g_new0(Rig, 1);
    g_autofree char *args = NULL;
    Unit *unit;

    rig->opt = *opt;
    rig->image = rig_make_image();
    if (opt->image_size) {
        g_assert_cmpint(truncate(rig->image, opt->image_size), ==, 0);
    }
    args = rig_args(opt, rig->image);
    rig->unit = unit = unit_ops()->start(opt->form, opt->props ?: "", args);
    if (!opt->fast) {
        rig_throttle(unit->qts);
    }
    rig->sid = opt->behind_port ? BEHIND : DEVFN;
    rig->ring = unit_alloc(unit, 1);
    rig->spare = unit_alloc(unit, 1);
    rig->page = unit_alloc(unit, 1);
    rig->data_iova = opt->untranslated ? rig->page : RIG_DATA_IOVA;
    rig->space = unit->ops->space(unit, opt->form, SPACE_ID);
    rig->other = unit->ops->space(unit, opt->form, OTHER_ID);
    start(rig);
    return rig;
}

void rig_adopt(Rig *rig, QTestState *to)
{
    Unit *unit = rig->unit->ops->adopt(rig->unit, to);

    rig->unit->ops->stop(rig->unit);
    rig->unit = unit;
    vblk_adopt(rig->blk, unit);
    if (rig->port) {
        rig->port->bus = unit->bus;
    }
}

/* A second of quiet gives the throttle its allowance back. */
static void rest(Rig *rig)
{
    rig_step(rig, 2 * RIG_RELEASE_NS);
}

void rig_restart(Rig *rig)
{
    vblk_free(rig->blk);
    rest(rig);
    start(rig);
}

void rig_again(Rig *rig)
{
    rest(rig);
    use_up(rig);
}

void rig_free(Rig *rig)
{
    vblk_free(rig->blk);
    g_free(rig->port);
    g_free(rig->space);
    g_free(rig->other);
    rig->unit->ops->stop(rig->unit);
    unlink(rig->image);
    g_free(rig->image);
    g_free(rig);
}

unsigned rig_hold(Rig *rig, bool is_write, uint64_t iova)
{
    unsigned request;

    /* Of a thread's last request the guest knows before the queue does. */
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == 0);
    request = vblk_submit(rig->blk, is_write, RIG_SECTOR, iova, RIG_LEN);
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == 1);
    viommu_turns(rig->unit);
    g_assert_cmpint(vblk_completed(rig->blk), ==, request);
    return request;
}

void rig_step(Rig *rig, int64_t ns)
{
    qtest_clock_step(rig->unit->qts, ns);
    viommu_turns(rig->unit);
}

void rig_release(Rig *rig)
{
    qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
    viommu_until(rig->unit,
                 vblk_completed(rig->blk) == rig->blk->submitted);
    g_assert_cmpint(vblk_result(rig->blk, rig->blk->submitted - 1), ==, 0);
}

bool rig_image_is(const char *image, uint8_t byte)
{
    uint8_t data[RIG_LEN];
    int fd = open(image, O_RDONLY);
    int i;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, data, RIG_LEN, RIG_SECTOR * VBLK_SECTOR), ==,
                    RIG_LEN);
    close(fd);
    for (i = 0; i < RIG_LEN; i++) {
        if (data[i] != byte) {
            return false;
        }
    }
    return true;
}

bool rig_disk_is(Rig *rig, uint8_t byte)
{
    return rig_image_is(rig->image, byte);
}

void rig_inv(Rig *rig, UnitScope scope, const UnitSpace *space, uint64_t iova,
             unsigned order)
{
    rig->unit->ops->inv_start(rig->unit, rig->opt.form, scope, space, iova,
                              order);
}

void rig_unmap(Rig *rig, UnitScope scope)
{
    unit_unmap(rig->unit, rig->space, rig->data_iova);
    rig_inv(rig, scope, rig->space,
            scope == UNIT_RANGE ? rig->data_iova : 0, 0);
}

bool rig_inv_done(Rig *rig)
{
    return rig->unit->ops->inv_done(rig->unit, rig->opt.form);
}

void rig_inv_wait(Rig *rig)
{
    unit_inv_wait(rig->unit, rig->opt.form);
}

void rig_assert_pending(Rig *rig)
{
    viommu_turns(rig->unit);
    g_assert_false(rig_inv_done(rig));
    rig_step(rig, RIG_SHORT_NS);
    g_assert_false(rig_inv_done(rig));
    g_assert_cmpint(vblk_completed(rig->blk), <, rig->blk->submitted);
}

void rig_assert_done(Rig *rig)
{
    rig_inv_wait(rig);
    g_assert_cmpint(vblk_completed(rig->blk), <, rig->blk->submitted);
}
