/*
 * What VFIO would be told behind a virtio-iommu, through x-iommu-listener
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It hears each mapping by itself, whatever is mapped next to it: one that is
 * in use must not go away and come back.
 */
#include "qemu/osdep.h"
#include "viommu-listener.h"
#include "viommu-virtio.h"

#define EP      0                       /* the host bridge */
#define IOVA    0x40000000ULL
#define TARGET  0x10000000ULL
#define PAGE    0xfffULL
#define LARGE   0x1fffffULL
#define RW      (VIO_MAP_F_R | VIO_MAP_F_W)

#define MAPPED(iova, mask, addr, perm) \
    ((Heard) { XIL_MAP, iova, mask, addr, perm })
#define UNMAPPED(iova, mask) \
    ((Heard) { XIL_UNMAP, iova, mask, 0, 0 })

typedef struct Stage {
    VIO *vio;
    Listener *l;
} Stage;

static Stage stage_new(const char *props)
{
    Stage s = { .vio = vio_start(props, LISTENER_DEVICE "map=on") };

    s.l = listener_new(&s.vio->unit, LISTENER_SID);
    /* The machine's reset told that nothing is mapped. */
    listener_clear(s.l);
    vio_setup(s.vio, VIO_ALL_FEATURES);
    return s;
}

static void stage_free(Stage *s)
{
    listener_free(s->l);
    vio_stop(s->vio);
}

#define ok(put) g_assert_cmphex(vio_wait(s.vio, put), ==, VIO_S_OK)

static void test_mappings(void)
{
    Stage s = stage_new("boot-bypass=off");

    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    LISTENER_SILENT(s.l);
    ok(vio_put_map(s.vio, 1, IOVA, IOVA + PAGE, TARGET, RW));
    LISTENER_HEARD(s.l, MAPPED(IOVA, PAGE, TARGET, 3));
    /* Its neighbour, which leads to the memory next to it */
    ok(vio_put_map(s.vio, 1, IOVA + 0x1000, IOVA + 0x1000 + PAGE,
                   TARGET + 0x1000, RW));
    LISTENER_HEARD(s.l, MAPPED(IOVA + 0x1000, PAGE, TARGET + 0x1000, 3));
    ok(vio_put_unmap(s.vio, 1, IOVA, IOVA + PAGE));
    LISTENER_HEARD(s.l, UNMAPPED(IOVA, PAGE));
    /* As large as it is, and with its permission */
    ok(vio_put_map(s.vio, 1, IOVA + LARGE + 1, IOVA + 2 * LARGE + 1,
                   TARGET, VIO_MAP_F_R));
    LISTENER_HEARD(s.l, MAPPED(IOVA + LARGE + 1, LARGE, TARGET, 1));
    /* A device's registers are no memory of the guest's. */
    ok(vio_put_map(s.vio, 1, 0x1000, 0x1fff, 0xfed00000,
                   RW | VIO_MAP_F_MMIO));
    LISTENER_SILENT(s.l);
    /* Refused, and nobody has heard of it */
    g_assert_cmphex(vio_wait(s.vio, vio_put_map(s.vio, 1, IOVA + 0x1000,
                                                IOVA + 0x2fff, TARGET, RW)),
                    ==, VIO_S_INVAL);
    g_assert_cmphex(vio_wait(s.vio, vio_put_unmap(s.vio, 1, 0,
                                                  IOVA + LARGE + 1)),
                    ==, VIO_S_RANGE);
    LISTENER_SILENT(s.l);
    ok(vio_put_unmap(s.vio, 1, 0, UINT64_MAX));
    LISTENER_HEARD(s.l, UNMAPPED(IOVA + 0x1000, PAGE),
                   UNMAPPED(IOVA + LARGE + 1, LARGE));
    listener_is_empty(s.l);
    stage_free(&s);
}

static void test_domains(void)
{
    Stage s = stage_new("boot-bypass=off");

    ok(vio_put_attach(s.vio, 1, EP, 0));
    ok(vio_put_map(s.vio, 1, IOVA, IOVA + PAGE, TARGET, RW));
    LISTENER_SILENT(s.l);
    /* It comes to a domain where something is mapped. */
    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    LISTENER_HEARD(s.l, MAPPED(IOVA, PAGE, TARGET, 3));
    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    LISTENER_SILENT(s.l);
    /* It moves to an empty one, and back, and is detached. */
    ok(vio_put_attach(s.vio, 2, LISTENER_SID, 0));
    LISTENER_HEARD(s.l, UNMAPPED(IOVA, PAGE));
    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    LISTENER_HEARD(s.l, MAPPED(IOVA, PAGE, TARGET, 3));
    ok(vio_put_detach(s.vio, 1, LISTENER_SID));
    LISTENER_HEARD(s.l, UNMAPPED(IOVA, PAGE));
    ok(vio_put_map(s.vio, 1, IOVA + 0x1000, IOVA + 0x1fff, TARGET, RW));
    LISTENER_SILENT(s.l);
    stage_free(&s);
}

/* The driver resets the unit. */
static void test_reset(void)
{
    Stage s = stage_new("boot-bypass=off");

    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    ok(vio_put_map(s.vio, 1, IOVA, IOVA + PAGE, TARGET, RW));
    LISTENER_HEARD(s.l, MAPPED(IOVA, PAGE, TARGET, 3));
    vio_setup(s.vio, VIO_ALL_FEATURES);
    LISTENER_HEARD(s.l, UNMAPPED(IOVA, PAGE));
    listener_is_empty(s.l);
    stage_free(&s);
}

/* In bypass it sees memory itself; a bypass domain is no different. */
static void test_bypass(void)
{
    Stage s = stage_new("");

    g_assert_cmpint(listener_regions(s.l), ==, 0);
    ok(vio_put_attach(s.vio, 1, LISTENER_SID, 0));
    g_assert_cmpint(listener_regions(s.l), >, 0);
    ok(vio_put_map(s.vio, 1, IOVA, IOVA + PAGE, TARGET, RW));
    LISTENER_HEARD(s.l, MAPPED(IOVA, PAGE, TARGET, 3));
    ok(vio_put_attach(s.vio, 2, LISTENER_SID, VIO_ATTACH_F_BYPASS));
    g_assert_cmpint(listener_regions(s.l), ==, 0);
    listener_is_empty(s.l);
    stage_free(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/virtio/notify/mappings", test_mappings);
    qtest_add_func("/viommu/virtio/notify/domains", test_domains);
    qtest_add_func("/viommu/virtio/notify/reset", test_reset);
    qtest_add_func("/viommu/virtio/notify/bypass", test_bypass);
    return g_test_run();
}
