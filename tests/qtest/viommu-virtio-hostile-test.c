/*
 * virtio-iommu: a driver that means harm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rings that lead nowhere, and requests of random numbers.  Whatever it does,
 * the unit answers, keeps to its bounds, and serves the next driver.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-rig.h"
#include "viommu-virtio.h"

#define EP      0x00
#define EP2     0xf8
#define PAGE    0x1000ull
#define RW      (VIO_MAP_F_R | VIO_MAP_F_W)
/* Beyond memory, and the APIC's page, which is no memory */
#define NOWHERE 0x7000000000ull
#define MMIO    0xfee00000ull

typedef struct Chain {
    const char *name;
    struct vring_desc desc[3];
    uint16_t head;
    uint16_t heads;          /* how many the available ring says there are */
} Chain;

#define D(a, l, f, n) { .addr = (a), .len = (l), .flags = (f), .next = (n) }
#define NEXT    VRING_DESC_F_NEXT
#define WRITE   VRING_DESC_F_WRITE
#define TABLE   VRING_DESC_F_INDIRECT

static const Chain chains[] = {
    { "no such descriptor", { }, 5000, 1 },
    { "more than the ring has", { }, 0, 1000 },
    { "loop", { D(0, 4, NEXT, 1), D(0, 4, NEXT, 0) }, 0, 1 },
    { "next is none", { D(0, 4, NEXT, 9999) }, 0, 1 },
    { "nothing", { D(0, 0, 0, 0) }, 0, 1 },
    { "writable first", { D(0, 4, NEXT | WRITE, 1), D(0, 20, 0, 0) }, 0, 1 },
    { "no memory", { D(NOWHERE, 20, NEXT, 1), D(NOWHERE, 4, WRITE, 0) }, 0, 1 },
    { "no memory for the answer",
      { D(0, 20, NEXT, 1), D(NOWHERE, 4, WRITE, 0) }, 0, 1 },
    { "registers", { D(MMIO, 20, NEXT, 1), D(MMIO, 4, WRITE, 0) }, 0, 1 },
    { "end of all addresses",
      { D(-16ull, 64, NEXT, 1), D(-4ull, 64, WRITE, 0) }, 0, 1 },
    { "4 GiB", { D(0, UINT32_MAX, NEXT, 1), D(0, UINT32_MAX, WRITE, 0) }, 0,
      1 },
    { "table of no entries", { D(0, 0, TABLE, 0) }, 0, 1 },
    { "table of half an entry", { D(0, 24, TABLE, 0) }, 0, 1 },
    { "table nowhere", { D(NOWHERE, 32, TABLE, 0) }, 0, 1 },
    { "table that is its own entry", { D(0, 16, TABLE, 0) }, 0, 1 },
};

static void put_chain(VIO *vio, const Chain *chain)
{
    struct vring_desc desc[ARRAY_SIZE(chain->desc)];
    uint64_t ring = vio->requests.gpa;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(desc); i++) {
        const struct vring_desc *d = &chain->desc[i];

        desc[i] = (struct vring_desc) {
            .addr = cpu_to_le64(d->addr ?: ring),
            .len = cpu_to_le32(d->len),
            .flags = cpu_to_le16(d->flags),
            .next = cpu_to_le16(d->next),
        };
    }
    qtest_memwrite(vio->qts, ring, desc, sizeof(desc));
    qtest_writew(vio->qts, ring + VIO_AVAIL_OFF + 4, chain->head);
    qtest_writew(vio->qts, ring + VIO_AVAIL_OFF + 2, chain->heads);
    vio_kick(vio);
}

/* Another driver finds the unit as if nothing had been. */
static void assert_serves(VIO *vio)
{
    vio_setup(vio, VIO_ALL_FEATURES);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "requests-waiting"), ==, 0);
    g_assert_cmphex(vio_wait(vio, vio_put_attach(vio, 1, EP, 0)), ==,
                    VIO_S_OK);
    g_assert_cmphex(vio_wait(vio, vio_put_map(vio, 1, 0, PAGE - 1, 0, RW)), ==,
                    VIO_S_OK);
    g_assert_cmphex(vio_wait(vio, vio_put_detach(vio, 1, EP)), ==, VIO_S_OK);
}

static void test_rings(void)
{
    UnitLog *log = unit_log_new();
    VIO *vio = vio_start("", "");
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(chains); i++) {
        g_test_message("%s", chains[i].name);
        vio_setup(vio, VIO_ALL_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC);
        put_chain(vio, &chains[i]);
        viommu_turns(vio);
        g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
        assert_serves(vio);
    }
    unit_log_rest(log);
    unit_log_free(log);
    vio_stop(vio);
}

#define RANDOM_BATCHES  250
#define RANDOM_BATCH    16
#define RANDOM_MAPPINGS 8
#define RANDOM_DOMAINS  3

static uint64_t random_number(GRand *rand)
{
    static const uint64_t numbers[] = {
        0, 1, 2, 0xfff, 0x1000, 0x1fff, 0x2000, 0x2fff, 0xffffffff,
        0xfee00000, 0xfeefffff, -PAGE, UINT64_MAX, 1ull << 63,
    };
    unsigned i = g_rand_int_range(rand, 0, ARRAY_SIZE(numbers) + 4);

    return i < ARRAY_SIZE(numbers) ? numbers[i] :
           (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

/* Fields as they are in most requests, and now and then what is none */
static unsigned put_random(VIO *vio, GRand *rand)
{
    static const uint8_t sizes[] = { 0, 20, 20, 36, 28, 72 };
    unsigned type = g_rand_int_range(rand, 0, 16) ?
                    g_rand_int_range(rand, 1, 5) : g_rand_int_range(rand, 0, 6);
    unsigned size = sizes[type] ?: g_rand_int_range(rand, 1, 80);
    uint8_t req[80] = { type };
    unsigned at;

    for (at = 4; at + 8 <= size; at += at == 4 ? 4 : 8) {
        stq_le_p(req + at, random_number(rand));
    }
    stl_le_p(req + 4, g_rand_int_range(rand, 0, 5));
    if (type == VIO_T_ATTACH || type == VIO_T_DETACH) {
        stl_le_p(req + 8, g_rand_boolean(rand) ? EP : EP2);
        stq_le_p(req + 12, !g_rand_int_range(rand, 0, 4));
    }
    if (type == VIO_T_MAP) {
        stl_le_p(req + 32, g_rand_int_range(rand, 0, 9));
    }
    if (!g_rand_int_range(rand, 0, 16)) {
        size = g_rand_int_range(rand, 1, size + 1);
    }
    return vio_put(vio, req, size, g_rand_int_range(rand, 0, 16) ? 4 :
                                   g_rand_int_range(rand, 1, 8));
}

static void test_random(void)
{
    g_autofree char *props =
        g_strdup_printf("max-mappings=%u,max-domains=%u", RANDOM_MAPPINGS,
                        RANDOM_DOMAINS);
    GRand *rand = g_rand_new_with_seed(g_test_rand_int());
    VIO *vio = vio_start(props, "");
    unsigned i, k, ok = 0;

    vio_setup(vio, VIO_ALL_FEATURES);
    for (i = 0; i < RANDOM_BATCHES; i++) {
        unsigned slots[RANDOM_BATCH];

        for (k = 0; k < RANDOM_BATCH; k++) {
            slots[k] = put_random(vio, rand);
        }
        vio_kick(vio);
        viommu_until(vio, vio_idle(vio));
        for (k = 0; k < RANDOM_BATCH; k++) {
            uint8_t status = vio_answer(vio, slots[k], 0);

            g_assert_true(status <= VIO_S_NOMEM || status == VIO_S_NONE);
            ok += status == VIO_S_OK;
        }
        g_assert_cmpuint(vio_register(vio, "mappings"), <=, RANDOM_MAPPINGS);
        g_assert_cmpuint(vio_register(vio, "domains"), <=, RANDOM_DOMAINS);
    }
    /* They were not all nonsense. */
    g_test_message("%u succeeded", ok);
    g_assert_cmpuint(ok, >, RANDOM_BATCHES);
    g_rand_free(rand);
    assert_serves(vio);
    vio_stop(vio);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("VIOMMU_UNIT", "virtio", true);
    qtest_add_func("/viommu/virtio/hostile/rings", test_rings);
    qtest_add_func("/viommu/virtio/hostile/random", test_random);
    return g_test_run();
}
