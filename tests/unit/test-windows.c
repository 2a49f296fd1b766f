/*
 * Unit tests of the list of windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/windows.h"
#include "test-common.h"

#define R   IOMMU_WINDOW_RESERVED
#define M   IOMMU_WINDOW_MSI
#define D   IOMMU_WINDOW_DIRECT
#define S   IOMMU_WINDOW_SOFTWARE_MSI
#define HOST    IOMMU_WINDOW_HOST
#define MACHINE IOMMU_WINDOW_MACHINE
#define OPER    IOMMU_WINDOW_OPERATOR
#define MODEL   IOMMU_WINDOW_MODEL

static void add(IOMMUWindows *list, uint64_t first, uint64_t last,
                IOMMUWindowKind kind, IOMMUWindowOrigin origin)
{
    const IOMMUWindow w = {
        .first = first, .last = last, .kind = kind, .origin = origin,
    };

    iommu_windows_add(list, &w);
}

static void is(const IOMMUWindows *list, unsigned i, uint64_t first,
               uint64_t last, IOMMUWindowKind kind, IOMMUWindowOrigin origin)
{
    g_assert_cmpuint(i, <, list->n);
    g_assert_cmphex(list->at[i].first, ==, first);
    g_assert_cmphex(list->at[i].last, ==, last);
    g_assert_cmpint(list->at[i].kind, ==, kind);
    g_assert_cmpint(list->at[i].origin, ==, origin);
}

static void test_merge(void)
{
    IOMMUWindows list = { 0 };

    add(&list, 0x3000, 0x3fff, R, OPER);
    add(&list, 0x1000, 0x1fff, R, OPER);
    add(&list, 0x6000, 0x6fff, R, OPER);
    g_assert_cmpuint(list.n, ==, 3);
    is(&list, 0, 0x1000, 0x1fff, R, OPER);
    /* The gap closes. */
    add(&list, 0x2000, 0x2fff, R, OPER);
    g_assert_cmpuint(list.n, ==, 2);
    is(&list, 0, 0x1000, 0x3fff, R, OPER);
    is(&list, 1, 0x6000, 0x6fff, R, OPER);
    /* Neighbours of another kind or origin do not join. */
    add(&list, 0x4000, 0x4fff, D, OPER);
    add(&list, 0x5000, 0x5fff, R, MACHINE);
    g_assert_cmpuint(list.n, ==, 4);
    /* All of it again, and the ends of the address space */
    add(&list, 0x0, 0xfff, R, OPER);
    add(&list, UINT64_MAX - 0xfff, UINT64_MAX, R, OPER);
    g_assert_cmpuint(list.n, ==, 5);
    is(&list, 0, 0, 0x3fff, R, OPER);
    is(&list, 4, UINT64_MAX - 0xfff, UINT64_MAX, R, OPER);
    iommu_windows_clear(&list);
    g_assert_cmpuint(list.n, ==, 0);
}

static void test_stronger(void)
{
    IOMMUWindows list = { 0 };

    /* The host knows nothing but "not usable"; the model knows why. */
    add(&list, 0xfee00000, 0xfeefffff, M, MODEL);
    add(&list, 0xfe000000, 0xffffffff, R, HOST);
    g_assert_cmpuint(list.n, ==, 3);
    is(&list, 0, 0xfe000000, 0xfedfffff, R, HOST);
    is(&list, 1, 0xfee00000, 0xfeefffff, M, MODEL);
    is(&list, 2, 0xfef00000, 0xffffffff, R, HOST);
    iommu_windows_clear(&list);

    /* In the other order it is the same. */
    add(&list, 0xfe000000, 0xffffffff, R, HOST);
    add(&list, 0xfee00000, 0xfeefffff, M, MODEL);
    g_assert_cmpuint(list.n, ==, 3);
    is(&list, 1, 0xfee00000, 0xfeefffff, M, MODEL);
    /* Over all of it, and a bit more on either side */
    add(&list, 0xfd000000, 0x100000fff, D, OPER);
    g_assert_cmpuint(list.n, ==, 3);
    is(&list, 0, 0xfd000000, 0xfedfffff, D, OPER);
    is(&list, 2, 0xfef00000, 0x100000fff, D, OPER);
    /* Of one origin: what is no memory at all wins. */
    add(&list, 0xfdfff000, 0xfe000fff, R, OPER);
    g_assert_cmpuint(list.n, ==, 5);
    is(&list, 1, 0xfdfff000, 0xfe000fff, R, OPER);
    add(&list, 0xfdffe000, 0xfe001fff, S, OPER);
    g_assert_cmpuint(list.n, ==, 5);
    iommu_windows_clear(&list);
}

static void test_find(void)
{
    IOMMUWindows list = { 0 };

    g_assert_null(iommu_windows_find(&list, 0));
    g_assert_null(iommu_windows_next(&list, 0, UINT64_MAX, false));
    add(&list, 0x1000, 0x1fff, D, OPER);
    add(&list, 0x4000, 0x5fff, R, OPER);
    add(&list, 0xfee00000, 0xfeefffff, M, MODEL);
    g_assert_null(iommu_windows_find(&list, 0xfff));
    g_assert_true(iommu_windows_find(&list, 0x1000) == &list.at[0]);
    g_assert_true(iommu_windows_find(&list, 0x1fff) == &list.at[0]);
    g_assert_null(iommu_windows_find(&list, 0x2000));
    g_assert_null(iommu_windows_find(&list, UINT64_MAX));
    g_assert_true(iommu_windows_next(&list, 0, 0x1000, false) ==
                  &list.at[0]);
    g_assert_true(iommu_windows_next(&list, 0, 0x4000, true) == &list.at[1]);
    g_assert_null(iommu_windows_next(&list, 0, 0x3fff, true));
    g_assert_null(iommu_windows_next(&list, 0x6000, 0xfedfffff, false));
    iommu_windows_clear(&list);
}

static void test_cut(void)
{
    IOMMUWindows list = { 0 };
    uint64_t first = 0, last = UINT64_MAX;

    g_assert_true(iommu_windows_cut(&list, 0x5000, &first, &last));
    g_assert_cmphex(first, ==, 0);
    g_assert_cmphex(last, ==, UINT64_MAX);
    add(&list, 0x1000, 0x1fff, R, OPER);
    add(&list, 0x3000, 0x3fff, D, OPER);
    add(&list, 0x7000, 0x7fff, S, OPER);
    add(&list, 0xfee00000, 0xfeefffff, M, MODEL);
    /* Those that are memory, too, cut nothing. */
    iommu_windows_cut(&list, 0x5000, &first, &last);
    g_assert_cmphex(first, ==, 0x2000);
    g_assert_cmphex(last, ==, 0xfedfffff);
    first = 0;
    last = UINT64_MAX;
    iommu_windows_cut(&list, 0x3000, &first, &last);
    g_assert_cmphex(first, ==, 0x2000);
    g_assert_cmphex(last, ==, 0xfedfffff);
    first = 0xfeef0000;
    last = UINT64_MAX;
    iommu_windows_cut(&list, 0xfef00000, &first, &last);
    g_assert_cmphex(first, ==, 0xfef00000);
    g_assert_cmphex(last, ==, UINT64_MAX);
    g_assert_false(iommu_windows_cut(&list, 0x1000, &first, &last));
    g_assert_false(iommu_windows_cut(&list, 0xfeefffff, &first, &last));
    /* It is not made longer. */
    first = 0x2800;
    last = 0x2fff;
    iommu_windows_cut(&list, 0x2900, &first, &last);
    g_assert_cmphex(first, ==, 0x2800);
    g_assert_cmphex(last, ==, 0x2fff);

    g_assert_cmphex(iommu_windows_mask(&list, 0x0, 0x1fffff), ==, 0xfff);
    g_assert_cmphex(iommu_windows_mask(&list, 0x2000, 0x1fffff), ==, 0x1fff);
    g_assert_cmphex(iommu_windows_mask(&list, 0x400000, 0x1fffff), ==,
                    0x1fffff);
    g_assert_cmphex(iommu_windows_mask(&list, 0xfec00000, 0x3fffffff), ==,
                    0x1fffff);
    iommu_windows_clear(&list);
}

typedef struct Gaps {
    uint64_t at[8];
    unsigned n;
} Gaps;

static void gap(uint64_t first, uint64_t last, void *opaque)
{
    Gaps *gaps = opaque;

    g_assert_cmpuint(gaps->n, <=, G_N_ELEMENTS(gaps->at) - 2);
    gaps->at[gaps->n++] = first;
    gaps->at[gaps->n++] = last;
}

static void gaps_are(const IOMMUWindows *list, uint64_t first, uint64_t last,
                     const uint64_t *ought, unsigned n)
{
    Gaps gaps = { .n = 0 };

    iommu_windows_gaps(list, first, last, gap, &gaps);
    g_assert_cmpmem(gaps.at, gaps.n * sizeof(*ought), ought,
                    n * sizeof(*ought));
}

static void test_gaps(void)
{
    static const uint64_t all[] = { 0, UINT64_MAX };
    static const uint64_t some[] = {
        0x1800, 0x1fff, 0x3000, 0x3fff, 0x6000, UINT64_MAX - 0x1000,
    };
    static const uint64_t inner[] = { 0x3000, 0x3fff };
    IOMMUWindows list = { 0 };

    gaps_are(&list, 0, UINT64_MAX, all, 2);
    add(&list, 0x2000, 0x2fff, D, OPER);
    add(&list, 0x4000, 0x4fff, R, OPER);
    add(&list, 0x5000, 0x5fff, D, OPER);
    add(&list, UINT64_MAX - 0xfff, UINT64_MAX, S, OPER);
    gaps_are(&list, 0x1800, UINT64_MAX, some, 6);
    gaps_are(&list, 0x2000, 0x4fff, inner, 2);
    gaps_are(&list, 0x2800, 0x47ff, inner, 2);
    gaps_are(&list, 0x4000, 0x5fff, NULL, 0);
    gaps_are(&list, 0x4800, 0x48ff, NULL, 0);
    iommu_windows_clear(&list);
}

/* Against one byte that says for each page who has it, and which kind */
static void test_random(void)
{
    enum { PAGES = 64, ROUNDS = 3000 };
    Rand r = { .state = 0x77696e };
    unsigned round, i, n;

    for (round = 0; round < ROUNDS; round++) {
        IOMMUWindows list = { 0 };
        uint8_t ought[PAGES] = { 0 };

        for (n = rand_below(&r, 12); n; n--) {
            unsigned first = rand_below(&r, PAGES);
            unsigned last = first + rand_below(&r, PAGES - first);
            IOMMUWindow w = {
                .first = first * 0x1000, .last = last * 0x1000 + 0xfff,
                .kind = rand_below(&r, IOMMU_WINDOW_KINDS),
                .origin = rand_below(&r, IOMMU_WINDOW_ORIGINS),
            };
            bool opaque = iommu_window_is_opaque(&w);
            uint8_t mine = 0x80 | w.origin << 4 | opaque << 3 | w.kind;

            iommu_windows_add(&list, &w);
            for (i = first; i <= last; i++) {
                if (!ought[i] || mine >> 3 > ought[i] >> 3) {
                    ought[i] = mine;
                }
            }
        }
        for (i = 0; i < PAGES; i++) {
            const IOMMUWindow *w = iommu_windows_find(&list, i * 0x1000);

            g_assert_true(w == iommu_windows_find(&list, i * 0x1000 + 0xfff));
            g_assert_cmphex(!w ? 0 : 0x80 | w->origin << 4 |
                            iommu_window_is_opaque(w) << 3 | w->kind, ==,
                            ought[i]);
        }
        for (i = 1; i < list.n; i++) {
            const IOMMUWindow *a = &list.at[i - 1], *b = &list.at[i];

            g_assert_cmphex(a->last, <, b->first);
            g_assert_true(a->last + 1 != b->first || a->kind != b->kind ||
                          a->origin != b->origin);
        }
        iommu_windows_clear(&list);
    }
}

static bool covers(const IOMMUWindows *list, uint64_t first, uint64_t last,
                   IOMMUWindowKind kind, bool exact)
{
    const IOMMUWindow w = { .first = first, .last = last, .kind = kind };

    return iommu_windows_cover(list, &w, exact);
}

static void test_cover(void)
{
    IOMMUWindows list = { 0 };

    g_assert_false(covers(&list, 0x1000, 0x1fff, R, false));
    add(&list, 0x1000, 0x1fff, R, OPER);
    add(&list, 0x2000, 0x2fff, M, OPER);
    add(&list, 0x3000, 0x3fff, D, OPER);
    add(&list, UINT64_MAX - 0xfff, UINT64_MAX, R, HOST);
    g_assert_true(covers(&list, 0x1000, 0x2fff, R, false));
    g_assert_true(covers(&list, 0x1800, 0x27ff, M, false));
    g_assert_false(covers(&list, 0x1000, 0x2fff, R, true));
    g_assert_true(covers(&list, 0x2000, 0x2fff, M, true));
    g_assert_false(covers(&list, 0x1000, 0x3fff, R, false));
    g_assert_true(covers(&list, 0x3000, 0x3fff, D, false));
    g_assert_false(covers(&list, 0x3000, 0x3fff, S, false));
    g_assert_false(covers(&list, 0xfff, 0x1fff, R, false));
    g_assert_false(covers(&list, 0x3000, 0x4000, D, false));
    g_assert_true(covers(&list, UINT64_MAX - 0xff, UINT64_MAX, R, true));
    iommu_windows_clear(&list);
}

static bool expected(const IOMMUWindows *known, uint64_t first, uint64_t last)
{
    const IOMMUWindow w = { first, last, R, HOST };

    return iommu_window_is_expected(&w, known);
}

static void test_expected(void)
{
    IOMMUWindows known = { 0 };

    add(&known, 0xfee00000, 0xfeefffff, M, MODEL);
    g_assert_true(expected(&known, 0xfee00000, 0xfeefffff));
    g_assert_true(expected(&known, 0x8000000, 0x80fffff));
    g_assert_true(expected(&known, 0x10000000, 0x1fffffff));
    g_assert_false(expected(&known, 0x10000000, 0x20000fff));
    g_assert_true(expected(&known, 1ULL << 39, UINT64_MAX));
    g_assert_false(expected(&known, 1ULL << 38, UINT64_MAX));
    /* Who announces some is told of all others. */
    add(&known, 0x8000000, 0x80fffff, R, OPER);
    g_assert_true(expected(&known, 0x8000000, 0x80fffff));
    g_assert_true(expected(&known, 0xfee00000, 0xfeefffff));
    g_assert_false(expected(&known, 0x8000000, 0x81fffff));
    g_assert_false(expected(&known, 0x10000000, 0x10000fff));
    iommu_windows_clear(&known);
}

static void refuses(const char *text, const char *why)
{
    IOMMUWindows list = { 0 };
    g_autofree char *wrong = iommu_windows_parse(text, OPER, &list);

    g_assert_nonnull(wrong);
    g_assert_nonnull(strstr(wrong, why));
    g_assert_cmpuint(list.n, ==, 0);
}

static void test_parse(void)
{
    g_autoptr(GString) many = g_string_new("0:0xfff:0");
    g_autofree char *text = NULL;
    IOMMUWindows list = { 0 };
    unsigned i;

    g_assert_null(iommu_windows_parse("0x80000000:0x8fffffff:0,"
                                      "4096:0x1fff:msi,0x3000:0x4fff:direct,"
                                      "0x6000:0x6fff:direct-relaxable,"
                                      "0x8000000:0x80fffff:software-msi",
                                      OPER, &list));
    g_assert_cmpuint(list.n, ==, 5);
    is(&list, 0, 0x1000, 0x1fff, M, OPER);
    is(&list, 1, 0x3000, 0x4fff, D, OPER);
    is(&list, 2, 0x6000, 0x6fff, IOMMU_WINDOW_DIRECT_RELAXABLE, OPER);
    is(&list, 3, 0x8000000, 0x80fffff, S, OPER);
    is(&list, 4, 0x80000000, 0x8fffffff, R, OPER);
    text = iommu_window_text(&list.at[2]);
    g_assert_cmpstr(text, ==, "direct-relaxable 0x6000 .. 0x6fff (operator)");
    iommu_windows_clear(&list);

    g_assert_null(iommu_windows_parse("0x1000:0xffffffffffffffff:1", HOST,
                                      &list));
    is(&list, 0, 0x1000, UINT64_MAX, M, HOST);
    iommu_windows_clear(&list);

    g_assert_null(iommu_windows_parse("", OPER, &list));
    g_assert_cmpuint(list.n, ==, 0);
    refuses("0x1000:0x1fff", "START:END:TYPE");
    refuses("0x1000:0x1fff:0:", "START:END:TYPE");
    refuses("0x1000:0x1fff:0,", "''");
    refuses("x:0x1fff:0", "numbers");
    refuses("0x1000:-1:0", "numbers");
    refuses("0x1000: 0x1fff:0", "numbers");
    refuses("0x1000:0x10000000000000000:0", "64 bits");
    refuses("0x1000:0x1fff:2", "TYPE");
    refuses("0x1000:0x1fff:", "TYPE");
    refuses("0x2000:0xfff:0", "below START");
    refuses("0x1001:0x1fff:0", "0x1000 bytes");
    refuses("0x1000:0x2000:0", "0x1000 bytes");
    refuses("0:0xffffffffffffffff:0", "no address");
    refuses("0:0xfff:0,0x1000:0xffffffffffffffff:0", "no address");
    refuses("0x1000:0x3fff:0,0x2000:0x2fff:direct", "overlaps");
    for (i = 1; i < IOMMU_WINDOWS_MAX; i++) {
        g_string_append_printf(many, ",0x%x000:0x%xfff:0", 2 * i, 2 * i);
    }
    g_assert_null(iommu_windows_parse(many->str, OPER, &list));
    g_assert_cmpuint(list.n, ==, IOMMU_WINDOWS_MAX);
    iommu_windows_clear(&list);
    g_string_append(many, ",0x1000000:0x1000fff:0");
    refuses(many->str, "more than 64");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/windows/merge", test_merge);
    g_test_add_func("/windows/stronger", test_stronger);
    g_test_add_func("/windows/find", test_find);
    g_test_add_func("/windows/cut", test_cut);
    g_test_add_func("/windows/gaps", test_gaps);
    g_test_add_func("/windows/random", test_random);
    g_test_add_func("/windows/cover", test_cover);
    g_test_add_func("/windows/expected", test_expected);
    g_test_add_func("/windows/parse", test_parse);
    return g_test_run();
}
