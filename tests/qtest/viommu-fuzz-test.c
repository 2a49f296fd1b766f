/*
 * What fuzzing found, once more; and some of what it begins with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_FUZZ_CORPUS: where viommu-MODEL is, the directory of its inputs.  The
 * guest and its inputs are those of the fuzz targets (viommu-fuzz.c); here the
 * emulator has a process of its own.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "viommu-fuzz.h"
#include "viommu-viommud.h"

#define GENERATED   8
#define LENGTH      300

static void host_reset(QTestState *qts)
{
    qtest_system_reset(qts);
}

static void host_ask(QTestState *qts, unsigned question, uint64_t iova,
                     uint32_t pasid)
{
    QDict *answer = NULL;
    int64_t at = iova;

    switch (question) {
    case FUZZ_ASK_ALL:
        answer = qtest_qmp(qts, "{'execute': 'query-viommu'}");
        break;
    case FUZZ_ASK_TRANSLATE:
        answer = qtest_qmp(qts, "{'execute': 'viommu-translate', 'arguments':"
                           " {'device': 'sva', 'iova': %" PRId64 "}}", at);
        break;
    case FUZZ_ASK_MAP:
        answer = qtest_qmp(qts, "{'execute': 'viommu-map', 'arguments':"
                           " {'device': 'sva', 'start': %" PRId64 "}}", at);
        break;
    case FUZZ_ASK_IN_FLIGHT:
        answer = qtest_qmp(qts, "{'execute': 'viommu-in-flight'}");
        break;
    }
    qobject_unref(answer);
}

static const FuzzHost fuzz_host = { .reset = host_reset, .ask = host_ask };

static QTestState *fuzz_launch(const FuzzModel *model)
{
    g_autofree char *machine = fuzz_machine(model);

    return qtest_init(machine);
}

static void fuzz_end(QTestState *qts)
{
    unit_use(NULL, NULL);
    qtest_quit(qts);
    /* Its server, if it has one */
    viommud_end();
}

static char *fuzz_corpus(const FuzzModel *model)
{
    return g_strdup_printf("%s/viommu-%s",
                           g_getenv("VIOMMU_FUZZ_CORPUS") ?: "", model->name);
}

/* It answers to the last one, too. */
static void test_replay(const void *opaque)
{
    const FuzzModel *model = opaque;
    g_autofree char *where = fuzz_corpus(model);
    GDir *dir = g_dir_open(where, 0, NULL);
    QTestState *qts = fuzz_launch(model);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(where, name, NULL);
        g_autofree char *data = NULL;
        gsize size;

        g_assert_true(g_file_get_contents(file, &data, &size, NULL));
        g_test_message("%s", name);
        fuzz_run(model, &fuzz_host, qts, (uint8_t *)data, size);
    }
    fuzz_run(model, &fuzz_host, qts, NULL, 0);
    g_dir_close(dir);
    fuzz_end(qts);
}

static void test_generated(const void *opaque)
{
    const FuzzModel *model = opaque;
    QTestState *qts = fuzz_launch(model);
    GRand *rand = g_rand_new_with_seed(4112);
    uint8_t data[LENGTH];
    unsigned i, k;

    for (i = 0; i < GENERATED; i++) {
        for (k = 0; k < LENGTH; k++) {
            data[k] = g_rand_int(rand);
        }
        data[0] = i;             /* each form */
        fuzz_run(model, &fuzz_host, qts, data, sizeof(data));
    }
    fuzz_run(model, &fuzz_host, qts, NULL, 0);
    g_rand_free(rand);
    fuzz_end(qts);
}

static void add_models(const FuzzModel *const *models)
{
    for (; *models; models++) {
        const FuzzModel *model = *models;
        const char *where = "/viommu/fuzz/";
        g_autofree char *generated = g_strconcat(where, model->name,
                                                 "/generated", NULL);
        g_autofree char *replay = g_strconcat(where, model->name, "/replay",
                                              NULL);
        g_autofree char *corpus = fuzz_corpus(model);

        if (!g_str_equal(model->ops->target, qtest_get_arch())) {
            continue;
        }
        qtest_add_data_func(generated, model, test_generated);
        if (g_file_test(corpus, G_FILE_TEST_IS_DIR)) {
            qtest_add_data_func(replay, model, test_replay);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_models(fuzz_models);
    add_models(fuzz_liar_models);
    add_models(fuzz_remote_models);
    return g_test_run();
}
