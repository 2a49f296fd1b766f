/*
 * The server's library: what the client asks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages are carried out in the order in which they have come: those first
 * that were put off while an answer was waited for.
 */
#include "qemu/osdep.h"
#include <errno.h>
#include <unistd.h>
#include "vrs-internal.h"

/* Messages in one go */
#define RUN_BUDGET 256

/* What the unit has functions for */
static uint32_t serve_features(const VRSOps *ops)
{
    return (ops->endpoint ? VRP_F_ENDPOINTS : 0) |
           (ops->ats_fault ? VRP_F_DEVICE_TLB : 0) |
           (ops->page_request ? VRP_F_PAGE_REQUESTS : 0) |
           (ops->remap ? VRP_F_INTERRUPTS : 0) |
           (ops->remap && ops->posts ? VRP_F_POSTED : 0);
}

/* @features as a list of JSON */
static char *serve_list(uint32_t features)
{
    g_autoptr(GString) list = g_string_new("[");

    for (unsigned i = 0; vrp_feature_name(i); i++) {
        if (features & 1u << i) {
            g_string_append_printf(list, "%s\"%s\"", list->len > 1 ? "," : "",
                                   vrp_feature_name(i));
        }
    }
    g_string_append_c(list, ']');
    return g_string_free(g_steal_pointer(&list), FALSE);
}

/* What we say of us */
static char *serve_hello(const VRSOps *ops)
{
    g_autofree char *features = serve_list(serve_features(ops));
    g_autofree char *needs = serve_list(serve_features(ops) & ops->needs);
    g_autofree char *unit = ops->unit ?
        g_strdup_printf(",\"unit\":\"%s\",\"address-bits\":%u", ops->unit,
                        ops->address_bits) : g_strdup("");

    return g_strdup_printf(
        "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":%u,"
        "\"viommu\":{\"version\":%u%s,\"features\":%s,\"needs\":%s}}}",
        VRP_DATA_MAX, VRP_VIOMMU_VERSION, unit, features, needs);
}

static const char *serve_version(VRSServer *s, const VRSMessage *m,
                                 const uint8_t *text, size_t len)
{
    const VRPVersion mine = { VRP_MAJOR, VRP_MINOR };
    g_autofree char *said = serve_hello(s->ops);
    uint32_t features;

    if (!vrs_hello_speaks(text, len, &features)) {
        return "it has no capability viommu of version 1";
    }
    s->features = features & serve_features(s->ops);
    s->greeted = true;
    vrs_reply(s, &m->h, 0, &mine, said, strlen(said) + 1);
    /* It is told what it lacks before it is hung up on. */
    vrs_flush(s);
    return s->ops->needs & serve_features(s->ops) & ~s->features ?
           "it has not the features that the unit needs" : NULL;
}

static void serve_region_info(VRSServer *s, const VRSMessage *m,
                              const VRPRegionInfo *asked)
{
    VRPRegionInfo info = {
        .argsz = sizeof(info),
        .flags = 3,          /* vfio-user's: to be read, to be written */
        .index = asked->index,
        .size = asked->index ? 0 : s->ops->region_size,
    };

    vrs_reply(s, &m->h, 0, &info, NULL, 0);
    s->up = true;
}

static bool serve_region_has(const VRSServer *s, const VRPRegion *region)
{
    return region->offset < s->ops->region_size &&
           region->count <= s->ops->region_size - region->offset;
}

static void serve_region_read(VRSServer *s, const VRSMessage *m,
                              const VRPRegion *region)
{
    uint64_t value = 0;
    uint8_t data[8];

    if (!serve_region_has(s, region) || !s->ops->read) {
        vrs_reply(s, &m->h, EINVAL, NULL, NULL, 0);
        return;
    }
    value = s->ops->read(s->opaque, region->offset, region->count);
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = value >> (8 * i);
    }
    vrs_reply(s, &m->h, 0, region, data, region->count);
}

static void serve_region_write(VRSServer *s, const VRSMessage *m,
                               const VRPRegion *region, const uint8_t *data)
{
    uint64_t value = 0;

    if (!serve_region_has(s, region) || !s->ops->write) {
        vrs_reply(s, &m->h, EINVAL, NULL, NULL, 0);
        return;
    }
    for (unsigned i = 0; i < region->count; i++) {
        value |= (uint64_t)data[i] << (8 * i);
    }
    s->ops->write(s->opaque, region->offset, value, region->count);
    vrs_reply(s, &m->h, 0, region, NULL, 0);
}

static void serve_resolve(VRSServer *s, const VRSMessage *m,
                          const VRPResolve *question)
{
    VRPConfig answer = { 0 };

    s->ops->resolve(s->opaque, question, &answer);
    if (!(s->features & VRP_F_DEVICE_TLB)) {
        answer.flags &= ~VRP_CONFIG_ATS_FLAGS;
    }
    vrs_reply(s, &m->h, 0, &answer, NULL, 0);
}

static void serve_translate(VRSServer *s, const VRSMessage *m,
                            const VRPTranslate *question)
{
    VRPAnswer answer = { 0 };

    s->ops->translate(s->opaque, question, &answer);
    vrs_reply(s, &m->h, 0, &answer, NULL, 0);
}

static void serve_save(VRSServer *s, const VRSMessage *m)
{
    size_t len = 0;
    void *state = s->ops->save ? s->ops->save(s->opaque, &len) : NULL;

    if (!state || len > VRP_DATA_MAX) {
        vrs_reply(s, &m->h, state ? E2BIG : ENOTSUP, NULL, NULL, 0);
    } else {
        vrs_reply(s, &m->h, 0, NULL, state, len);
    }
    free(state);
}

static void serve_load(VRSServer *s, const VRSMessage *m, const uint8_t *data,
                       size_t len)
{
    bool good = s->ops->load && s->ops->load(s->opaque, data, len);

    vrs_reply(s, &m->h, good ? 0 : EINVAL, NULL, NULL, 0);
}

/* Of features: the unit has a function, or it would have been refused. */

static void serve_ats_fault(VRSServer *s, const VRSMessage *m,
                            const VRPFault *fault)
{
    const VRPATSAnswer answer = {
        .status = s->ops->ats_fault(s->opaque, fault),
    };

    vrs_reply(s, &m->h, 0, &answer, NULL, 0);
}

static void serve_remap(VRSServer *s, const VRSMessage *m,
                        const VRPRemap *question)
{
    VRPRemapped answer = { .verdict = VRP_REMAP_BLOCKED,
                           .index = VRP_NO_ENTRY };

    s->ops->remap(s->opaque, question, &answer);
    if (answer.verdict == VRP_REMAP_DONE && !(s->features & VRP_F_POSTED)) {
        answer.verdict = VRP_REMAP_BLOCKED;
    }
    vrs_reply(s, &m->h, 0, &answer, NULL, 0);
}

static void serve_endpoint(VRSServer *s, const VRSMessage *m,
                           const VRPEndpoint *endpoint)
{
    s->ops->endpoint(s->opaque, endpoint->rid, endpoint->present);
    vrs_reply(s, &m->h, 0, NULL, NULL, 0);
}

static void serve_run(VRSServer *s, const VRSMessage *m, const VRPRun *run)
{
    if (s->ops->run) {
        s->ops->run(s->opaque, run->running);
    }
    vrs_reply(s, &m->h, 0, NULL, NULL, 0);
}

static const char *serve_dma_map(VRSServer *s, VRSMessage *m,
                                 const VRPDMAMap *map)
{
    int fd = m->fd;

    m->fd = -1;
    return vrs_memory_map(s, map, fd);
}

/* Before the handshake is over nothing else is asked. */
static bool serve_is_early(const VRSServer *s, uint16_t command)
{
    return command == VRP_VERSION ? s->greeted :
           command == VRP_REGION_INFO ? !s->greeted : !s->up;
}

/* Returns: NULL, or what is wrong with it. */
static const char *serve_command(VRSServer *s, VRSMessage *m,
                                 const void *message, const uint8_t *data,
                                 size_t len)
{
    if (serve_is_early(s, m->h.command)) {
        return "a command is not one that the handshake has there";
    }
    switch (m->h.command) {
    case VRP_VERSION:
        return serve_version(s, m, data, len);
    case VRP_REGION_INFO:
        serve_region_info(s, m, message);
        return NULL;
    case VRP_DMA_MAP:
        vrs_reply(s, &m->h, 0, NULL, NULL, 0);
        return serve_dma_map(s, m, message);
    case VRP_DMA_UNMAP:
        vrs_memory_unmap(s, message);
        vrs_reply(s, &m->h, 0, NULL, NULL, 0);
        return NULL;
    case VRP_REGION_READ:
        serve_region_read(s, m, message);
        return NULL;
    case VRP_REGION_WRITE:
        serve_region_write(s, m, message, data);
        return NULL;
    case VRP_RESOLVE:
        serve_resolve(s, m, message);
        return NULL;
    case VRP_TRANSLATE:
        serve_translate(s, m, message);
        return NULL;
    case VRP_FAULT:
        if (s->ops->fault) {
            s->ops->fault(s->opaque, message);
        }
        return NULL;
    case VRP_RESET:
        if (s->ops->reset) {
            s->ops->reset(s->opaque);
        }
        vrs_reply(s, &m->h, 0, NULL, NULL, 0);
        return NULL;
    case VRP_ATS_FAULT:
        serve_ats_fault(s, m, message);
        return NULL;
    case VRP_PAGE_REQUEST:
        s->ops->page_request(s->opaque, message);
        return NULL;
    case VRP_REMAP:
        serve_remap(s, m, message);
        return NULL;
    case VRP_ENDPOINT:
        serve_endpoint(s, m, message);
        return NULL;
    case VRP_RUN:
        serve_run(s, m, message);
        return NULL;
    case VRP_STATE_SAVE:
        serve_save(s, m);
        return NULL;
    default:
        serve_load(s, m, data, len);
        return NULL;
    }
}

void vrs_serve(VRSServer *s, VRSMessage *m)
{
    QEMU_ALIGNED(8) uint8_t message[VRP_FIXED_MAX];
    const char *wrong = vrp_check_client(&m->h, m->body, s->features, message);
    bool reply = (m->h.flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
    size_t fixed;

    if (!wrong && reply) {
        /* An answer that is waited for does not come here. */
        wrong = m->h.command == VRP_INVALIDATE ?
                vrs_drain_replied(s, &m->h, (const VRPDrained *)message) :
                "it answers what it was not asked";
    } else if (!wrong) {
        fixed = vrp_fields_size(vrp_shape(m->h.command)->fields);
        wrong = serve_command(s, m, message, m->body + fixed,
                              m->h.size - sizeof(m->h) - fixed);
    }
    if (wrong) {
        vrs_end(s, wrong);
    }
}

bool vrs_more(const VRSServer *s)
{
    return !g_queue_is_empty((GQueue *)&s->deferred);
}

bool vrs_run(VRSServer *s)
{
    unsigned budget = RUN_BUDGET;

    while (!s->gone && budget--) {
        VRSMessage *m = g_queue_pop_head(&s->deferred) ?:
                        vrs_receive(s, false);

        if (!m) {
            break;
        }
        vrs_serve(s, m);
        vrs_message_free(m);
        vrs_drain_tell(s);
        /* Whoever asks waits. */
        vrs_flush(s);
    }
    vrs_drain_tell(s);
    return !s->gone;
}

const char *vrs_why(const VRSServer *s)
{
    return s->why;
}

void vrs_prefetch(VRSServer *s, const VRPPrefetch *page)
{
    if (s->up) {
        vrs_order(s, VRP_PREFETCH, VRP_FLAG_NO_REPLY, page, NULL, 0);
    }
}

void vrs_page_response(VRSServer *s, const VRPPageResponse *response)
{
    if (s->up && s->features & VRP_F_PAGE_REQUESTS) {
        vrs_order(s, VRP_PAGE_RESPONSE, VRP_FLAG_NO_REPLY, response, NULL, 0);
    }
}

void vrs_interrupt(VRSServer *s, uint64_t addr, uint32_t data, uint32_t rid)
{
    const VRPInterrupt irq = { .addr = addr, .data = data, .rid = rid };

    if (s->up) {
        vrs_order(s, VRP_INTERRUPT, VRP_FLAG_NO_REPLY, &irq, NULL, 0);
    }
}

VRSServer *vrs_new(int fd, const VRSOps *ops, void *opaque)
{
    VRSServer *s = g_new0(VRSServer, 1);

    s->fd = fd;
    s->ops = ops;
    s->opaque = opaque;
    s->out = g_byte_array_new();
    g_queue_init(&s->deferred);
    vrs_memory_init(s);
    vrs_drain_init(s);
    return s;
}

void vrs_free(VRSServer *s)
{
    close(s->fd);
    g_byte_array_unref(s->out);
    g_queue_clear_full(&s->deferred, (GDestroyNotify)vrs_message_free);
    vrs_memory_free(s);
    vrs_drain_free(s);
    g_free(s);
}
