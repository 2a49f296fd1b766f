/*
 * viommu-remote: a vIOMMU whose translation unit is another process
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/system/viommu-remote.rst says how it is used, and
 * docs/interop/viommu-remote.rst what is spoken.  remote-internal.h lists the
 * files and their jobs.
 */
#include "qemu/osdep.h"
#include "chardev/char.h"
#include "chardev/char-socket.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "hw/qdev-properties-system.h"
#include "migration/vmstate.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-events-viommu.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/dma-held.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "../trace.h"
#include "remote-internal.h"

/*
 * How long the server may take to come, and then the handshake, when the
 * machine is made, at least
 */
#define HANDSHAKE_MS 10000
#define TIMEOUT_MAX 60000
#define REGION_MAX (16ull << 20)
/* With so much to be written yet, a register write waits for its answer. */
#define WRITE_BACKLOG (1u << 16)

/* The link's news.  They come from its thread, and are acted on here. */

static const char *remote_greet(void *opaque, uint64_t region_size,
                                const RemoteUnit *unit)
{
    VIOMMURemote *s = opaque;

    if (region_size > REGION_MAX) {
        return "its registers take more than 16 MiB";
    }
    if (s->known && s->region_size != region_size) {
        return "its registers take another size than those of the server "
               "before it";
    }
    if (s->known && (s->unit.kind != unit->kind ||
                     s->unit.address_bits != unit->address_bits ||
                     s->unit.features != unit->features)) {
        return "it is another unit than the server before it";
    }
    s->known = true;
    s->region_size = region_size;
    s->unit = *unit;
    remote_serve_restart(s);
    remote_endpoint_greet(s, unit);
    remote_memory_greet(s);
    return NULL;
}

/*
 * Not before nobody uses any more what the server before has said: another one,
 * or the same with its registers as they were, knows nothing of that, and
 * would report an invalidation complete without asking.
 */
static bool remote_ready(void *opaque)
{
    VIOMMURemote *s = opaque;

    QEMU_LOCK_GUARD(&s->lock);
    return !s->settling && !qatomic_read(&s->setup_lost);
}

static void remote_up(void *opaque)
{
    VIOMMURemote *s = opaque;

    remote_serve_reset_missed(s);
    qatomic_set(&s->came_up, true);
    qemu_bh_schedule(s->news_bh);
}

static void remote_down(void *opaque, unsigned connection, const char *reason)
{
    VIOMMURemote *s = opaque;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        g_free(s->down_reason);
        s->down_reason = g_strdup(reason);
        s->down_connection = connection;
        s->settling = true;
    }
    qemu_bh_schedule(s->news_bh);
}

static void remote_late(void *opaque)
{
    VIOMMURemote *s = opaque;

    qatomic_set(&s->went_late, true);
    qemu_bh_schedule(s->news_bh);
}

static const RemoteLinkOps remote_link_ops = {
    .greet = remote_greet,
    .ready = remote_ready,
    .up = remote_up,
    .down = remote_down,
    .command = remote_serve,
    .commanded = remote_serve_commanded,
    .reset = remote_serve_was_reset,
    .stopped = remote_serve_was_stopped,
    .late = remote_late,
};

/* What is known of the server's answers is worth nothing any more. */
static void remote_forget_answers(VIOMMURemote *s)
{
    const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };
    const VRPInvalidate devices = {
        .kind = VRP_INV_DEVICE_ALL,
        .rid_mask = 0xffff,
        .last = UINT64_MAX,
    };
    const VRPInvalidate interrupts = { .kind = VRP_INV_INTERRUPT_ALL };

    viommu_invalidate(&s->viommu, &config);
    viommu_invalidate(&s->viommu, &all);
    remote_invalidate_devices(s, &devices);
    remote_irq_invalidate(s, &interrupts);
}

/* BQL */
static void remote_settled(void *opaque)
{
    VIOMMURemote *s = opaque;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->settling = false;
    }
    remote_link_go_on(s->link);
}

static void remote_went_down(VIOMMURemote *s, const char *path,
                             unsigned connection, const char *reason)
{
    warn_report(TYPE_VIOMMU_REMOTE ": no server at chardev '%s': %s; all DMA "
                "of its devices%s is blocked%s",
                qemu_chr_fe_get_driver(&s->chr)->label, reason,
                remote_remaps(s) ? ", and each interrupt," : "",
                s->stop ? ", and the machine stops" : "");
    remote_serve_went_down(s, connection);
    remote_pages_went_down(s, connection);
    remote_forget_answers(s);
    if (viommu_fence(&s->viommu, &s->before, remote_settled, s)) {
        remote_settled(s);
    }
    qapi_event_send_viommu_remote_down(path, reason);
    if (s->stop) {
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_IO_ERROR);
    }
}

static void remote_news_bh(void *opaque)
{
    VIOMMURemote *s = opaque;
    g_autofree char *path = object_get_canonical_path(OBJECT(s));
    g_autofree char *reason = NULL;
    unsigned connection;
    DMA_HELD("news");

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        reason = g_steal_pointer(&s->down_reason);
        connection = s->down_connection;
    }
    if (reason) {
        remote_went_down(s, path, connection, reason);
    }
    remote_memory_settle(s);
    if (qatomic_xchg(&s->went_late, false)) {
        qapi_event_send_viommu_remote_late(path, s->timeout);
    }
    if (qatomic_xchg(&s->came_up, false)) {
        /* What could not be asked about while nobody was there */
        if (remote_remaps(s)) {
            remote_x86_changed(s);
        }
        qapi_event_send_viommu_remote_up(path);
    }
}

/* Registers */

/* A monitor's look at memory (xp) is not worth the wait that a guest's is. */
static RemoteWait remote_mmio_wait(void)
{
    return monitor_cur() ? REMOTE_WAIT_BRIEF : REMOTE_WAIT_USUAL;
}

/*
 * What was written may be complete by the first time that its status is read,
 * as it is with a local unit if nothing is in flight.  There are guests that
 * give up at the second (Linux while it does not know how fast its TSC is, as
 * on a busy host without KVM); and one that goes on reading keeps the main loop
 * from the BQL.  So what the server has sent for it is carried out here: a
 * question that it answers after the write, and has nothing to do for, says
 * that it has sent it.
 */
static void remote_mmio_settle(VIOMMURemote *s)
{
    const VRPRegionInfo question = { .argsz = sizeof(question) };

    if (s->wrote) {
        s->wrote = false;
        remote_link_ask(s->link, VRP_REGION_INFO, &question, NULL, 0, NULL,
                        NULL, REMOTE_WAIT_USUAL);
    }
    remote_serve_invalidations(s);
}

static uint64_t remote_mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    VIOMMURemote *s = opaque;
    VRPRegion question = { .offset = offset, .count = size };
    g_autoptr(GByteArray) data = g_byte_array_new();
    RemoteWait wait = remote_mmio_wait();
    uint64_t value = 0;
    unsigned i;
    DMA_HELD("register read");

    if (wait == REMOTE_WAIT_USUAL) {
        remote_mmio_settle(s);
    }
    if (remote_link_ask(s->link, VRP_REGION_READ, &question, NULL, 0, NULL,
                        data, wait) || data->len != size) {
        /* As on a bus where nobody answers */
        return UINT64_MAX;
    }
    for (i = 0; i < size; i++) {
        value |= (uint64_t)data->data[i] << (8 * i);
    }
    return value;
}

/*
 * What the guest writes reaches nobody.  If it was reset since there was a
 * server, that is how it begins: one that comes now has nothing of it.
 */
static void remote_setup_lost(VIOMMURemote *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    if (s->reset_missed) {
        qatomic_set(&s->setup_lost, true);
    }
}

static void remote_mmio_write(void *opaque, hwaddr offset, uint64_t value,
                              unsigned size)
{
    VIOMMURemote *s = opaque;
    VRPRegion region = { .offset = offset, .count = size };
    uint8_t data[8];
    unsigned i;
    DMA_HELD("register write");

    for (i = 0; i < size; i++) {
        data[i] = value >> (8 * i);
    }
    s->wrote = true;
    if (!remote_link_is_up(s->link)) {
        remote_setup_lost(s);
    }
    if (remote_link_backlog(s->link) > WRITE_BACKLOG) {
        /* The guest is faster than the server. */
        remote_link_ask(s->link, VRP_REGION_WRITE, &region, data, size, NULL,
                        NULL, remote_mmio_wait());
    } else {
        remote_link_post(s->link, VRP_REGION_WRITE, &region, data, size, -1);
    }
}

static const MemoryRegionOps remote_mmio_ops = {
    .read = remote_mmio_read,
    .write = remote_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/*
 * In the exit phase: devices stop their DMA in the enter and hold phases, and
 * until then it goes where the guest directed it.
 */
static void remote_reset_exit(Object *obj, ResetType type)
{
    VIOMMURemote *s = VIOMMU_REMOTE(obj);

    qatomic_set(&s->setup_lost, false);
    remote_serve_reset(s);
    remote_pages_forget(s);
    remote_irq_forget(s);
    if (dma_drain_fence_pending(&s->before)) {
        viommu_fence_cancel(&s->viommu, &s->before);
        remote_settled(s);
    }
    viommu_reset(&s->viommu);
    /* Whether it translates is for the server to say. */
    viommu_set_enabled(&s->viommu, true);
    /* Buses have lost their numbers, and what is behind them its IDs. */
    remote_requesters_changed(&s->viommu);
    remote_link_go_on(s->link);
}

/* Migration: the server's state is the server's */

static int remote_pre_save(void *opaque)
{
    VIOMMURemote *s = opaque;
    g_autoptr(GByteArray) state = g_byte_array_new();
    int error;

    if (s->unsettled) {
        error_report(TYPE_VIOMMU_REMOTE ": the server has not said that it is "
                     "done since the machine stopped, so what it still writes "
                     "would be lost; save the machine when the server answers");
        return -EBUSY;
    }
    error = remote_link_ask(s->link, VRP_STATE_SAVE, NULL, NULL, 0, NULL,
                            state, REMOTE_WAIT_PATIENT);
    if (error) {
        error_report(TYPE_VIOMMU_REMOTE ": the server does not save its state: "
                     "%s", strerror(-error));
        return error;
    }
    s->state_size = state->len;
    g_free(s->state);
    s->state = g_byte_array_free(g_steal_pointer(&state), false);
    return 0;
}

/* Before there is room made for it: the stream may say anything. */
static bool remote_state_fits(void *opaque, int version_id)
{
    VIOMMURemote *s = opaque;

    if (s->state_size > VRP_DATA_MAX) {
        error_report(TYPE_VIOMMU_REMOTE ": the server's state has %u bytes, "
                     "but at most %u can be", s->state_size, VRP_DATA_MAX);
        return false;
    }
    return true;
}

static int remote_post_load(void *opaque, int version_id)
{
    VIOMMURemote *s = opaque;
    const VRPInvalidate interrupts = { .kind = VRP_INV_INTERRUPT_ALL };
    g_autofree uint8_t *state = g_steal_pointer(&s->state);
    int error;

    error = remote_link_ask(s->link, VRP_STATE_LOAD, NULL, state,
                            s->state_size, NULL, NULL, REMOTE_WAIT_PATIENT);
    if (error) {
        error_report(TYPE_VIOMMU_REMOTE ": the server does not load its state: "
                     "%s; it has to be the same kind of server as on the "
                     "source", strerror(-error));
        return error;
    }
    remote_irq_invalidate(s, &interrupts);
    return viommu_post_load(&s->viommu, true) ? 0 : -EINVAL;
}

static const VMStateDescription remote_vmstate = {
    .name = TYPE_VIOMMU_REMOTE,
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_save = remote_pre_save,
    .post_load = remote_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(state_size, VIOMMURemote),
        VMSTATE_VALIDATE("at most 1 MiB", remote_state_fits),
        VMSTATE_VBUFFER_ALLOC_UINT32(state, VIOMMURemote, 1, NULL, state_size),
        VMSTATE_END_OF_LIST()
    },
};

/* The device */

static bool remote_check_properties(VIOMMURemote *s, Error **errp)
{
    s->stop = s->on_disconnect && !strcmp(s->on_disconnect, "stop");
    if (s->on_disconnect && !s->stop && strcmp(s->on_disconnect, "block")) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": on-disconnect is '%s', but must "
                   "be 'block' (the guest runs on, and DMA faults) or 'stop' "
                   "(the machine stops, too)", s->on_disconnect);
        return false;
    }
    if (!s->timeout || s->timeout > TIMEOUT_MAX) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": timeout is %u ms, but must be 1 "
                   "to %u", s->timeout, TIMEOUT_MAX);
        return false;
    }
    if (s->mmio & 0xfff) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": mmio is 0x%" PRIx64 ", but must "
                   "be a multiple of 4096, or 0 for no registers", s->mmio);
        return false;
    }
    if (!qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": there is no server; give "
                   "chardev=ID, and -chardev socket,id=ID,path=... with the "
                   "socket that the server listens on");
        return false;
    }
    if (!object_dynamic_cast(OBJECT(qemu_chr_fe_get_driver(&s->chr)),
                             TYPE_CHARDEV_SOCKET)) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": chardev '%s' is no socket; give "
                   "-chardev socket,id=ID,path=... with the socket that the "
                   "server listens on", qemu_chr_fe_get_driver(&s->chr)->label);
        return false;
    }
    return true;
}

/* The bus that it translates: what primary-bus says, or the only root bus */
static bool remote_find_bus(VIOMMURemote *s, Error **errp)
{
    bool ambiguous = false;
    Object *host;

    if (s->primary_bus) {
        return true;
    }
    host = object_resolve_path_type("", TYPE_PCI_HOST_BRIDGE, &ambiguous);
    if (!host) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the machine has %s; give "
                   "primary-bus=, the QOM path of the one to translate",
                   ambiguous ? "several PCI root buses" : "no PCI root bus");
        return false;
    }
    s->primary_bus = PCI_HOST_BRIDGE(host)->bus;
    return true;
}

/*
 * What we have.  intremap=on: interrupts, or it is an error; auto: if they can
 * be remapped.
 */
static bool remote_features(VIOMMURemote *s, uint32_t *features, Error **errp)
{
    const uint32_t interrupts = VRP_F_INTERRUPTS | VRP_F_POSTED;
    uint32_t able = 0;

    if (s->intremap != ON_OFF_AUTO_OFF &&
        !remote_x86_able(&able, s->intremap == ON_OFF_AUTO_ON ? errp : NULL) &&
        s->intremap == ON_OFF_AUTO_ON) {
        return false;
    }
    *features = (VRP_F_ALL & ~interrupts) | able;
    return true;
}

static unsigned remote_patience(const VIOMMURemote *s)
{
    return MAX(s->timeout, HANDSHAKE_MS);
}

/*
 * With reconnect-ms= the character device would try for ever, before there is a
 * monitor.  Without, a call of it is one try, and so it is here.
 */
static bool remote_await_server(VIOMMURemote *s, Error **errp)
{
    ERRP_GUARD();
    SocketChardev *socket = SOCKET_CHARDEV(qemu_chr_fe_get_driver(&s->chr));
    int64_t pause = socket->reconnect_time_ms;
    int64_t until = g_get_monotonic_time() + remote_patience(s) * 1000ll;

    for (;;) {
        int64_t left = (until - g_get_monotonic_time()) / 1000;
        int error;

        socket->reconnect_time_ms = 0;
        error = qemu_chr_fe_wait_connected(&s->chr, errp);
        socket->reconnect_time_ms = pause;
        if (error >= 0) {
            return true;
        }
        if (!pause) {
            return false;
        }
        if (left <= 0) {
            break;
        }
        error_free(*errp);
        *errp = NULL;
        g_usleep(MIN(pause, left) * 1000);
    }
    error_prepend(errp, TYPE_VIOMMU_REMOTE ": no server has come to chardev "
                  "'%s' in %u ms: ", CHARDEV(socket)->label,
                  remote_patience(s));
    error_append_hint(errp, "Start the server before QEMU, or give a longer "
                      "timeout=.\n");
    return false;
}

static bool remote_connect(VIOMMURemote *s, Error **errp)
{
    uint32_t features;

    if (!remote_features(s, &features, errp)) {
        return false;
    }
    if (!remote_await_server(s, errp)) {
        return false;
    }
    s->link = remote_link_new(&s->chr, s->timeout, features, &remote_link_ops,
                              s, errp);
    if (!s->link) {
        return false;
    }
    if (!remote_link_wait(s->link, remote_patience(s), errp)) {
        return false;
    }
    if (s->mmio && !s->region_size) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the server has no registers; "
                   "leave mmio=0x%" PRIx64 " out", s->mmio);
        return false;
    }
    if (s->intremap == ON_OFF_AUTO_ON &&
        !(s->unit.features & VRP_F_INTERRUPTS)) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the server does not remap "
                   "interrupts; remove intremap=on, or give the server's unit "
                   "remapping (intel-iommu,intremap=on)");
        return false;
    }
    return true;
}

static void remote_disconnect(VIOMMURemote *s)
{
    if (s->link) {
        remote_link_free(s->link);
        s->link = NULL;
    }
}

static void remote_realize(DeviceState *dev, Error **errp)
{
    static const PCIIOMMUOps pci_ops = {
        .get_address_space = viommu_get_address_space,
    };
    VIOMMUModel model = {
        .name = "remote",
        .type = TYPE_VIOMMU_REMOTE,
        .ops = &viommu_remote_ops,
        .pci_ops = &pci_ops,
    };
    VIOMMURemote *s = VIOMMU_REMOTE(dev);
    VMChangeStateEntry *run_state;

    if (!remote_check_properties(s, errp) || !remote_find_bus(s, errp)) {
        return;
    }
    qemu_mutex_init(&s->map_lock);
    s->maps = g_array_new(false, false, sizeof(RemoteMap));
    remote_endpoint_init(s);
    remote_serve_init(s);
    remote_irq_init(s);
    s->news_bh = aio_bh_new(iohandler_get_aio_context(), remote_news_bh, s);
    remote_model_init(s);
    if (!remote_connect(s, errp)) {
        remote_disconnect(s);
        return;
    }
    s->policy.device_iotlb = s->unit.features & VRP_F_DEVICE_TLB;
    s->policy.device_iotlb_fix = "a server whose unit has device TLBs";
    if (remote_acpi_tells(s)) {
        s->policy.follows_tables = true;
        model.direct_kinds = 1u << IOMMU_WINDOW_DIRECT;
        model.direct_align = REMOTE_DIRECT_ALIGN;
    }
    if (s->unit.features & VRP_F_INTERRUPTS && !remote_x86_claim(s, errp)) {
        remote_disconnect(s);
        return;
    }
    run_state = qemu_add_vm_change_state_handler(remote_run_state, s);
    if (!viommu_realize(&s->viommu, &model, OBJECT(s), s->primary_bus,
                        &s->policy, errp)) {
        qemu_del_vm_change_state_handler(run_state);
        remote_x86_release(s);
        remote_disconnect(s);
        return;
    }
    remote_window_init(s);
    if (remote_remaps(s)) {
        remote_x86_start(s);
    }
    remote_memory_init(s);
    remote_endpoint_start(s);
    if (s->mmio) {
        memory_region_init_io(&s->registers, OBJECT(s), &remote_mmio_ops, s,
                              TYPE_VIOMMU_REMOTE, s->region_size);
        memory_region_add_subregion(get_system_memory(), s->mmio,
                                    &s->registers);
    }
    qemu_register_resettable(OBJECT(s));
}

static const Property remote_properties[] = {
    DEFINE_PROP_CHR("chardev", VIOMMURemote, chr),
    DEFINE_PROP_LINK("primary-bus", VIOMMURemote, primary_bus, TYPE_PCI_BUS,
                     PCIBus *),
    DEFINE_PROP_UINT64("mmio", VIOMMURemote, mmio, 0),
    DEFINE_PROP_UINT32("timeout", VIOMMURemote, timeout, 1000),
    DEFINE_PROP_STRING("on-disconnect", VIOMMURemote, on_disconnect),
    DEFINE_PROP_ON_OFF_AUTO("intremap", VIOMMURemote, intremap,
                            ON_OFF_AUTO_OFF),
    DEFINE_PROP_VIOMMU_VIRTIO(VIOMMURemote, policy.virtio),
    DEFINE_VIOMMU_PROPERTIES(VIOMMURemote, viommu),
};

/* What "-device viommu-remote,help" says of each: what it does, and its unit */
static const VIOMMUPropertyHelp remote_property_help[] = {
    { "chardev", "the character device (a socket) at whose other end the "
                 "server is; no machine is made if it is not given" },
    { "primary-bus", "QOM path of the PCI root bus that it translates; the "
                     "machine's only one if it is not given" },
    { "mmio", "guest-physical address of its registers, in bytes; 0: the guest "
              "does not see them" },
    { "timeout", "ms that an access waits for the server's answer until it "
                 "faults, 1 to 60000" },
    { "on-disconnect", "block (all DMA faults) or stop (the machine stops, "
                       "too) when the server goes away; block if it is not "
                       "given" },
    { "intremap", "interrupts are remapped by the server, on a PC: on, off, or "
                  "auto (if the server does that, and it can be done)" },
    { "virtio", "which virtio devices are translated: device (as each says), "
                "translate, bypass, require" },
};

static void remote_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    RESETTABLE_CLASS(klass)->phases.exit = remote_reset_exit;
    dc->realize = remote_realize;
    dc->vmsd = &remote_vmstate;
    dc->desc = "vIOMMU whose translation unit is another process";
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, remote_properties);
    viommu_describe(klass, remote_property_help,
                    ARRAY_SIZE(remote_property_help));
}

static const TypeInfo remote_type = {
    .name = TYPE_VIOMMU_REMOTE,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(VIOMMURemote),
    .class_init = remote_class_init,
};

static void remote_register_types(void)
{
    type_register_static(&remote_type);
}

type_init(remote_register_types)
