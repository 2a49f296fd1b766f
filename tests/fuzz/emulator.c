/*
 * Fuzz targets: the emulator with each vIOMMU, in one process with its guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "viommu-MODEL": the guest is tests/qtest/viommu-fuzz.c; inputs that were once
 * too much are replayed by viommu-fuzz-test.  VIOMMU_FUZZ_TRACE is given to
 * -trace.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qapi/qapi-commands-viommu.h"
#include "qapi/qapi-types-viommu.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "hw/virtio/virtio.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "migration/qemu-file.h"
#include "system/runstate.h"
#include "tests/qtest/viommu-fuzz.h"
#include "tests/qtest/fuzz/fuzz.h"
#include "emulator.h"

#define DEVICE_PATH     "/machine/peripheral/sva"
#define GRACE_INPUTS    64
#define STREAM_REST     64

void emulator_memset(QTestState *qts, uint64_t addr, uint8_t patt,
                     size_t size)
{
    address_space_set(first_cpu->as, addr, patt, size,
                      MEMTXATTRS_UNSPECIFIED);
}

static void host_turn(QTestState *qts)
{
    main_loop_wait(true);
    flush_events(qts);
}

/* What was freed after a grace period is freed now and then. */
static void host_reset(QTestState *qts)
{
    static unsigned inputs;

    fuzz_reset(qts);
    flush_events(qts);
    if (inputs++ % GRACE_INPUTS == 0) {
        drain_call_rcu();
    }
}

static void host_ask(QTestState *qts, unsigned question, uint64_t iova,
                     uint32_t pasid)
{
    switch (question) {
    case FUZZ_ASK_ALL:
        qapi_free_VIOMMUInfoList(qmp_query_viommu(NULL));
        break;
    case FUZZ_ASK_TRANSLATE:
        qapi_free_VIOMMUTranslation(
            qmp_viommu_translate(DEVICE_PATH, iova, true, pasid & 1, pasid > 1,
                                 pasid, NULL));
        break;
    case FUZZ_ASK_MAP:
        qapi_free_VIOMMUMapping(
            qmp_viommu_map(DEVICE_PATH, false, 0, pasid > 1, pasid, true, iova,
                           false, 0, NULL));
        break;
    case FUZZ_ASK_IN_FLIGHT:
        qapi_free_VIOMMUFlights(
            qmp_viommu_in_flight(NULL, NULL, false, 0, NULL));
        break;
    }
}

/* What of a model's state is ours; of a virtio device, what is not virtio's. */
static const VMStateDescription *model_state(const FuzzModel *model,
                                             void **opaque)
{
    bool virtio = model->ops->by_request;
    const char *type = virtio ? "virtio-iommu-device" : model->ops->type;

    *opaque = object_resolve_path_type("", type, NULL);
    return virtio ? VIRTIO_DEVICE_GET_CLASS(*opaque)->vmsd :
                    qdev_get_vmsd(DEVICE(*opaque));
}

/* With what may follow in a stream, which the loader looks at */
static uint8_t *state_save(const VMStateDescription *vmsd, void *opaque,
                           size_t *size)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(UNIT_PAGE);
    QEMUFile *file = qemu_file_new_output(QIO_CHANNEL(buffer));
    uint8_t *data;

    vmstate_save_state(file, vmsd, opaque, NULL);
    qemu_fflush(file);
    *size = buffer->usage;
    data = g_malloc0(*size + STREAM_REST);
    memcpy(data, buffer->data, *size);
    qemu_fclose(file);
    object_unref(OBJECT(buffer));
    return data;
}

static bool state_load(const VMStateDescription *vmsd, void *opaque,
                       const uint8_t *data, size_t size)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(size);
    QEMUFile *file = qemu_file_new_input(QIO_CHANNEL(buffer));
    int ret;

    memcpy(buffer->data, data, size);
    buffer->usage = size;
    ret = vmstate_load_state(file, vmsd, opaque, vmsd->version_id);
    qemu_fclose(file);
    object_unref(OBJECT(buffer));
    return ret == 0;
}

static bool host_migrate(const FuzzModel *model, const FuzzChange *changes,
                         unsigned n)
{
    g_autofree uint8_t *data = NULL;
    const VMStateDescription *vmsd;
    void *opaque;
    size_t size;
    bool ok;

    vmsd = model_state(model, &opaque);
    vm_stop(RUN_STATE_PAUSED);
    data = state_save(vmsd, opaque, &size);
    if (!size) {
        /* It cannot be saved: another process does not say what it is. */
        vm_start();
        return false;
    }
    while (n--) {
        data[changes[n].offset % size] ^= changes[n].flip;
    }
    fuzz_reset(NULL);
    ok = state_load(vmsd, opaque, data, size + STREAM_REST);
    vm_start();
    return ok;
}

/*
 * The watchdog: when a step has had its share of this thread's time it is the
 * end, with the stack of where it is, also if it would never end by itself.
 * fuzz_step() says so of one that ends meanwhile.
 */
static timer_t watchdog_new(void)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGABRT,
    };
    timer_t timer;

    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer)) {
        abort();
    }
    return timer;
}

static void watchdog_set(int64_t ns)
{
    static timer_t timer;
    static bool made;
    struct itimerspec in = {
        .it_value = { ns / NANOSECONDS_PER_SECOND,
                      ns % NANOSECONDS_PER_SECOND },
    };

    if (!made) {
        timer = watchdog_new();
        made = true;
    }
    timer_settime(timer, 0, &in, NULL);
}

static void host_begin(const char *step)
{
    watchdog_set(FUZZ_STEP_NS);
}

/* The longest of each kind so far; latency.c asks. */
static GHashTable *longest;

static void host_took(const char *step, int64_t ns)
{
    int64_t *old;

    watchdog_set(0);
    if (!longest) {
        longest = g_hash_table_new(g_str_hash, g_str_equal);
    }
    old = g_hash_table_lookup(longest, step);
    if (!old) {
        old = g_new0(int64_t, 1);
        g_hash_table_insert(longest, (void *)step, old);
    }
    *old = MAX(*old, ns);
}

GHashTable *emulator_longest(void)
{
    return longest;
}

static const FuzzHost fuzz_host = {
    .begin = host_begin,
    .took = host_took,
    .reset = host_reset,
    .ask = host_ask,
    .turn = host_turn,
    .migrate = host_migrate,
};

/* There is one target in a process. */
static const FuzzModel *fuzz_model;

/* For unit files that ask which unit they are */
const UnitOps *unit_ops(void)
{
    return fuzz_model->ops;
}

static GString *viommu_cmdline(FuzzTarget *target)
{
    GString *line = g_string_new(TARGET_NAME);
    const char *trace = g_getenv("VIOMMU_FUZZ_TRACE");
    g_autofree char *machine = NULL;

    fuzz_model = target->opaque;
    machine = fuzz_machine(fuzz_model);
    g_string_append_printf(line, " %s -accel qtest -display none", machine);
    if (trace) {
        g_string_append_printf(line, " -trace %s", trace);
    }
    return line;
}

static void viommu_fuzz(QTestState *qts, const unsigned char *data,
                        size_t size)
{
    fuzz_run(fuzz_model, &fuzz_host, qts, data, size);
}

static void register_models(const FuzzModel *const *models)
{
    for (; *models; models++) {
        const FuzzModel *model = *models;

        if (g_str_equal(model->ops->target, TARGET_NAME)) {
            fuzz_add_target(&(FuzzTarget) {
                .name = g_strdup_printf("viommu-%s", model->name),
                .description = "a guest of random registers, queues, tables "
                               "and DMA",
                .get_init_cmdline = viommu_cmdline,
                .fuzz = viommu_fuzz,
                .opaque = (void *)model,
            });
        }
    }
}

static void register_viommu_targets(void)
{
    register_models(fuzz_models);
    register_models(fuzz_liar_models);
}

fuzz_target_init(register_viommu_targets);
