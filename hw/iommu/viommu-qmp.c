/*
 * The vIOMMUs of this machine, for QMP and for PCI bridges
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-registry.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-viommu.h"
#include "qapi/util.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "system/dma-held.h"

/* Of an answer's list: the default, and the largest that may be asked for */
#define ANSWER_ITEMS        256
#define ANSWER_ITEMS_MAX    4096

/* The PASID of DMA that has none */
#define QUERY_NO_PASID      UINT32_MAX
#define QUERY_PASID_MAX     0xfffff

static QTAILQ_HEAD(, VIOMMURegistration) viommus =
    QTAILQ_HEAD_INITIALIZER(viommus);

static QTAILQ_HEAD(, VIOMMUMemoryUser) memory_users =
    QTAILQ_HEAD_INITIALIZER(memory_users);

void viommu_register(VIOMMURegistration *reg)
{
    QTAILQ_INSERT_TAIL(&viommus, reg, next);
}

void viommu_unregister(VIOMMURegistration *reg)
{
    QTAILQ_REMOVE(&viommus, reg, next);
}

void viommu_memory_user_register(VIOMMUMemoryUser *user)
{
    QTAILQ_INSERT_TAIL(&memory_users, user, next);
}

void viommu_bus_numbered(PCIBus *bus)
{
    VIOMMURegistration *reg;

    QTAILQ_FOREACH(reg, &viommus, next) {
        reg->bus_numbered(reg, bus);
    }
}

static bool registered_memory_ok(uint64_t first, uint64_t last,
                                 uint64_t *next, Error **errp)
{
    VIOMMURegistration *reg;
    VIOMMUMemoryUser *user;

    QTAILQ_FOREACH(reg, &viommus, next) {
        if (!reg->memory_ok(reg, first, last, next, errp)) {
            return false;
        }
    }
    QTAILQ_FOREACH(user, &memory_users, next) {
        if (!user->memory_ok(first, last, next, errp)) {
            return false;
        }
    }
    return true;
}

bool viommu_memory_ok(uint64_t first, uint64_t last, Error **errp)
{
    uint64_t next;

    return registered_memory_ok(first, last, &next, errp);
}

bool viommu_memory_moves(Range *range, uint64_t align)
{
    uint64_t next;

    if (range_is_empty(range) ||
        registered_memory_ok(range_lob(range), range_upb(range), &next,
                             NULL)) {
        return false;
    }
    next = QEMU_ALIGN_UP(next, align);
    /* Behind the last address there is no room: let it be refused. */
    return next > range_lob(range) &&
           range_init(range, next, range_size(range)) == 0;
}

void viommu_driver_ok(const VirtIODevice *vdev)
{
    VIOMMURegistration *reg;

    QTAILQ_FOREACH(reg, &viommus, next) {
        reg->driver_ok(reg, vdev);
    }
}

VIOMMUInfoList *qmp_query_viommu(Error **errp)
{
    VIOMMUInfoList *list = NULL, **tail = &list;
    VIOMMURegistration *reg;
    DMA_HELD("question");

    QTAILQ_FOREACH(reg, &viommus, next) {
        QAPI_LIST_APPEND(tail, reg->queries->info(reg));
    }
    return list;
}

VIOMMUUnitWindowsList *qmp_query_viommu_windows(Error **errp)
{
    VIOMMUUnitWindowsList *list = NULL, **tail = &list;
    VIOMMURegistration *reg;
    DMA_HELD("question");

    QTAILQ_FOREACH(reg, &viommus, next) {
        QAPI_LIST_APPEND(tail, reg->queries->windows(reg));
    }
    return list;
}

VIOMMUInfoList *qmp_x_query_viommu(Error **errp)
{
    return qmp_query_viommu(errp);
}

static bool query_any(Error **errp)
{
    if (QTAILQ_EMPTY(&viommus)) {
        error_setg(errp, "this machine has no vIOMMU: neither a device "
                   "(-device help) nor the machine (iommu=) brought one");
        return false;
    }
    return true;
}

/* The endpoint that is called @device; NULL with @errp set if there is none. */
static void *query_device(const char *device, VIOMMURegistration **which,
                          Error **errp)
{
    VIOMMURegistration *reg;
    void *endpoint;

    if (!query_any(errp)) {
        return NULL;
    }
    QTAILQ_FOREACH(reg, &viommus, next) {
        endpoint = reg->queries->find(reg, device);
        if (endpoint) {
            *which = reg;
            return endpoint;
        }
    }
    error_setg(errp, "no vIOMMU knows an endpoint '%s': device takes a "
               "device's ID or QOM path, or its bus, device and function "
               "(00:05.0); query-viommu lists the endpoints", device);
    return NULL;
}

static void *query_tag(uint64_t tag, uint32_t pasid,
                       VIOMMURegistration **which, Error **errp)
{
    VIOMMURegistration *reg;
    void *endpoint;

    if (!query_any(errp)) {
        return NULL;
    }
    QTAILQ_FOREACH(reg, &viommus, next) {
        endpoint = reg->queries->find_tag(reg, tag, pasid);
        if (endpoint) {
            *which = reg;
            return endpoint;
        }
    }
    error_setg(errp, "no endpoint is in a domain with tag %" PRIu64 " now; "
               "query-viommu shows each endpoint's", tag);
    return NULL;
}

static bool query_pasid(bool has_pasid, uint32_t *pasid, Error **errp)
{
    if (!has_pasid) {
        *pasid = QUERY_NO_PASID;
    } else if (*pasid > QUERY_PASID_MAX) {
        error_setg(errp, "pasid is %" PRIu32 ", but must be at most %u",
                   *pasid, QUERY_PASID_MAX);
        return false;
    }
    return true;
}

static bool query_max(bool has_max, uint32_t *max, Error **errp)
{
    if (!has_max) {
        *max = ANSWER_ITEMS;
    } else if (!*max || *max > ANSWER_ITEMS_MAX) {
        error_setg(errp, "max is %" PRIu32 ", but must be 1 to %u", *max,
                   ANSWER_ITEMS_MAX);
        return false;
    }
    return true;
}

VIOMMUTranslation *qmp_viommu_translate(const char *device, uint64_t iova,
                                        bool has_write, bool write,
                                        bool has_pasid, uint32_t pasid,
                                        Error **errp)
{
    VIOMMURegistration *reg;
    void *endpoint = query_device(device, &reg, errp);
    DMA_HELD("question");

    if (!endpoint || !query_pasid(has_pasid, &pasid, errp)) {
        return NULL;
    }
    return reg->queries->translate(endpoint, iova, has_write && write, pasid);
}

VIOMMUMapping *qmp_viommu_map(const char *device, bool has_tag, uint64_t tag,
                              bool has_pasid, uint32_t pasid, bool has_start,
                              uint64_t start, bool has_max, uint32_t max,
                              Error **errp)
{
    VIOMMURegistration *reg;
    void *endpoint;
    DMA_HELD("question");

    if (!device == !has_tag) {
        error_setg(errp, "give one of device and tag: whose map is it?");
        return NULL;
    }
    if (!query_pasid(has_pasid, &pasid, errp) ||
        !query_max(has_max, &max, errp)) {
        return NULL;
    }
    endpoint = device ? query_device(device, &reg, errp) :
                        query_tag(tag, pasid, &reg, errp);
    return endpoint ? reg->queries->map(endpoint, pasid,
                                        has_start ? start : 0, max) : NULL;
}

/* A cursor in an answer: its numbers in hexadecimal, with '-' between them */
#define CURSOR_WORDS (sizeof(VIOMMUFlightCursor) / sizeof(uint64_t))

static char *cursor_print(const VIOMMUFlightCursor *cursor)
{
    const uint64_t *word = &cursor->unit;
    GString *text = g_string_new(NULL);
    unsigned i;

    QEMU_BUILD_BUG_ON(sizeof(*cursor) % sizeof(*word));
    for (i = 0; i < CURSOR_WORDS; i++) {
        g_string_append_printf(text, "%s%" PRIx64, i ? "-" : "", word[i]);
    }
    return g_string_free(text, false);
}

static bool cursor_parse(const char *text, VIOMMUFlightCursor *cursor,
                         Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "-", CURSOR_WORDS + 1);
    uint64_t *word = &cursor->unit;
    unsigned i;

    for (i = 0; i < CURSOR_WORDS && parts[i]; i++) {
        const char *end;

        if (qemu_strtou64(parts[i], &end, 16, &word[i]) < 0 || *end) {
            break;
        }
    }
    if (i < CURSOR_WORDS || parts[i]) {
        error_setg(errp, "start is '%s', but must be what an answer of "
                   "viommu-in-flight had as next", text);
        return false;
    }
    return true;
}

VIOMMUFlights *qmp_viommu_in_flight(const char *device, const char *start,
                                    bool has_max, uint32_t max, Error **errp)
{
    VIOMMUFlightCursor cursor = { 0 };
    VIOMMURegistration *reg, *which = NULL;
    VIOMMUFlightList **tail;
    void *endpoint = NULL;
    VIOMMUFlights *answer;
    uint64_t unit = 0;
    DMA_HELD("question");

    if (!query_max(has_max, &max, errp) ||
        (start && !cursor_parse(start, &cursor, errp))) {
        return NULL;
    }
    if (device) {
        endpoint = query_device(device, &which, errp);
    }
    if (device && !endpoint) {
        return NULL;
    }
    answer = g_new0(VIOMMUFlights, 1);
    tail = &answer->maps;
    QTAILQ_FOREACH(reg, &viommus, next) {
        if (unit++ < cursor.unit || (which && reg != which)) {
            continue;
        }
        if (!reg->queries->in_flight(reg, endpoint, &cursor, &tail, &max)) {
            cursor.unit = unit - 1;
            answer->next = cursor_print(&cursor);
            break;
        }
    }
    return answer;
}
