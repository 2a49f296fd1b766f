/*
 * VT-d: what a migration stream says of registers, and what is made of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stream is kept in a file, where the test looks at it, and changes what
 * another version of QEMU would have put there.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "viommu-bench.h"

#define ARGS        "-m 256M "
#define IOVA        0x40200000ULL
#define CAP_PI      (1ULL << 59)
#define CAP_ESIRTPS (1ULL << 62)
#define CAP_ESRTPS  (1ULL << 63)
#define CAP_DRAIN   (3ULL << 54)
#define ECAP_C      (1ULL << 0)
#define ECAP_SMTS   (1ULL << 43)
#define LATCHED     "iommu-intel/latched"

typedef struct Stream {
    char *file, *uri;
} Stream;

static void stream_init(Stream *s)
{
    int fd = g_file_open_tmp("viommu-stream-XXXXXX", &s->file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    s->uri = g_strdup_printf("file:%s", s->file);
}

static void stream_fini(Stream *s)
{
    unlink(s->file);
    g_free(s->file);
    g_free(s->uri);
}

/* Returns: true if it succeeded */
static bool migration_ends(QTestState *qts)
{
    for (int tries = 0; tries < VIOMMU_TRIES; tries++) {
        QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        g_autofree char *status = g_strdup(
            qdict_get_try_str(qdict_get_qdict(answer, "return"), "status"));

        qobject_unref(answer);
        if (!g_strcmp0(status, "completed") || !g_strcmp0(status, "failed")) {
            return !strcmp(status, "completed");
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

static void save(VTD *vtd, const Stream *s)
{
    qtest_qmp_assert_success(vtd->qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", s->uri);
    g_assert_true(migration_ends(vtd->qts));
}

/* Another process with the state of @s; NULL: it was refused. */
static VTD *load(const VTD *from, const char *unit, const Stream *s)
{
    g_autofree char *machine = vtd_machine(unit);
    QTestState *qts = qtest_initf("%s " EDU_DEVICE ARGS "-incoming defer",
                                  machine);

    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s,"
                             "               'exit-on-error': false}}", s->uri);
    if (!migration_ends(qts)) {
        qtest_quit(qts);
        return NULL;
    }
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    return vtd_adopt(from, qts);
}

static bool stream_has(const Stream *s, const char *text)
{
    g_autofree char *data = NULL;
    size_t len;

    g_assert_true(g_file_get_contents(s->file, &data, &len, NULL));
    return memmem(data, len, text, strlen(text));
}

/* Change CAP and ECAP where the stream has the registers. */
static void stream_set_caps(const Stream *s, uint64_t cap, uint64_t ecap,
                            uint64_t new_cap, uint64_t new_ecap)
{
    uint64_t regs[2] = { cpu_to_le64(cap), cpu_to_le64(ecap) };
    g_autofree char *data = NULL;
    char *at;
    size_t len;

    g_assert_true(g_file_get_contents(s->file, &data, &len, NULL));
    at = memmem(data, len, regs, sizeof(regs));
    g_assert_nonnull(at);
    g_assert_null(memmem(at + 1, data + len - (at + 1), regs, sizeof(regs)));
    regs[0] = cpu_to_le64(new_cap);
    regs[1] = cpu_to_le64(new_ecap);
    memcpy(at, regs, sizeof(regs));
    g_assert_true(g_file_set_contents(s->file, data, len, NULL));
}

/* The bench in its new process, whose devices are set up anew */
static void bench_moves(Bench *b, VTD *to)
{
    g_assert_nonnull(to);
    edu_free(b->edu);
    vtd_stop(b->vtd);
    b->vtd = to;
    b->edu = edu_new(&to->unit, EDU_SID);
}

static Bench *bench_mapped(VTDForm form, uint64_t *page)
{
    Bench *b = bench_new("", 4, form, ARGS);

    *page = vtd_alloc(b->vtd, 1);
    vtd_map(b->vtd, &b->dom, IOVA, *page, 1, VTD_PTE_RW);
    bench_works(b, IOVA, *page);
    return b;
}

static void test_plain(void)
{
    Stream s;
    uint64_t page;
    Bench *b = bench_mapped(VTD_QUEUED, &page);

    stream_init(&s);
    save(b->vtd, &s);
    /* The stream is the base's, byte for byte. */
    g_assert_false(stream_has(&s, LATCHED));
    bench_moves(b, load(b->vtd, "", &s));
    bench_works(b, IOVA, page);
    bench_free(b);
    stream_fini(&s);
}

/* RTADDR written, and no SRTP: neither address nor mode are in use. */
static void test_latched_root(void)
{
    uint64_t page, rtaddr;
    Bench *b = bench_mapped(VTD_REGISTER, &page);
    Stream s;

    stream_init(&s);
    rtaddr = vtd_read64(b->vtd, VTD_RTADDR) ^ (1 << 10);
    vtd_write64(b->vtd, VTD_RTADDR, rtaddr);
    bench_works(b, IOVA, page);
    save(b->vtd, &s);
    bench_moves(b, load(b->vtd, "", &s));
    bench_works(b, IOVA, page);
    g_assert_cmphex(vtd_read64(b->vtd, VTD_RTADDR), ==, rtaddr);
    bench_free(b);
    stream_fini(&s);
}

/* The same the other way round: latched, and then written back */
static void test_latched_mode(void)
{
    uint64_t page, rtaddr;
    Bench *b = bench_mapped(VTD_REGISTER, &page);
    Stream s;

    stream_init(&s);
    rtaddr = vtd_read64(b->vtd, VTD_RTADDR);
    vtd_set_root(b->vtd, rtaddr ^ (1 << 10));
    vtd_write64(b->vtd, VTD_RTADDR, rtaddr);
    g_assert_false(bench_writes(b, IOVA, page));
    save(b->vtd, &s);
    bench_moves(b, load(b->vtd, "", &s));
    g_assert_false(bench_writes(b, IOVA, page));
    bench_free(b);
    stream_fini(&s);
}

/* IQA.DW written while the queue is on: the width in use is QIE's. */
static void test_latched_width(void)
{
    uint64_t page, iqa;
    Bench *b = bench_mapped(VTD_QUEUED, &page);
    Stream s;

    stream_init(&s);
    iqa = vtd_read64(b->vtd, VTD_IQA) | VTD_IQA_DW;
    vtd_write64(b->vtd, VTD_IQA, iqa);
    vtd_inv_iotlb(b->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    save(b->vtd, &s);
    bench_moves(b, load(b->vtd, "", &s));
    vtd_inv_iotlb(b->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
    bench_works(b, IOVA, page);
    g_assert_cmphex(vtd_read64(b->vtd, VTD_IQA), ==, iqa);
    bench_free(b);
    stream_fini(&s);
}

typedef struct Caps {
    const char *unit;        /* the destination's properties */
    uint64_t cap, ecap;      /* what the source's registers have more */
    bool accepted;
} Caps;

/*
 * Bits that name what is done in any case, and bits that need something which
 * is not there
 */
static void test_caps(const void *opaque)
{
    const Caps *c = opaque;
    uint64_t page, cap, ecap;
    Bench *b = bench_mapped(VTD_QUEUED, &page);
    Stream s;
    VTD *to;

    stream_init(&s);
    cap = vtd_read64(b->vtd, VTD_CAP);
    ecap = vtd_read64(b->vtd, VTD_ECAP);
    save(b->vtd, &s);
    stream_set_caps(&s, cap, ecap, cap | c->cap, ecap | c->ecap);
    to = load(b->vtd, c->unit, &s);
    g_assert_cmpint(!!to, ==, c->accepted);
    if (to) {
        bench_moves(b, to);
        bench_works(b, IOVA, page);
        /* The guest goes on seeing what it saw, until it starts anew. */
        g_assert_cmphex(vtd_read64(to, VTD_CAP), ==, cap | c->cap);
        g_assert_cmphex(vtd_read64(to, VTD_ECAP), ==, ecap | c->ecap);
        vtd_reset(to);
        g_assert_cmphex(vtd_read64(to, VTD_CAP) & CAP_ESRTPS, ==, 0);
    }
    bench_free(b);
    stream_fini(&s);
}

int main(int argc, char **argv)
{
    static const Caps esrtps = { "", CAP_ESRTPS, 0, true };
    static const Caps esirtps = { "", CAP_ESIRTPS, 0, true };
    static const Caps drain = { "dma-drain=off", CAP_DRAIN, 0, true };
    static const Caps coherent = { "", 0, ECAP_C, true };
    static const Caps less = { "page-walk-coherency=on", 0, 0, true };
    static const Caps posted = { "", CAP_PI, 0, false };
    static const Caps scalable = { "", 0, ECAP_SMTS, false };

    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/vtd/migrate/" name, fn)
    ADD("plain", test_plain);
    ADD("latched/root", test_latched_root);
    ADD("latched/mode", test_latched_mode);
    ADD("latched/width", test_latched_width);
#undef ADD
#define ADD(name, c) \
    qtest_add_data_func("/viommu/vtd/migrate/caps/" name, c, test_caps)
    ADD("esrtps", &esrtps);
    ADD("esirtps", &esirtps);
    ADD("drain", &drain);
    ADD("coherent", &coherent);
    ADD("less", &less);
    ADD("posted", &posted);
    ADD("scalable", &scalable);
#undef ADD
    return g_test_run();
}
