/*
 * Fuzz target: what a client sends to a remote unit's server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first byte says where the handshake is put before the input (bit 0), and
 * what the unit does on the side; the rest is a stream of messages.
 */
#include "fuzz.h"
#include <sys/socket.h>
#include <unistd.h>
#include "hw/iommu/viommu-server.h"
#include "../../hw/iommu/remote/remote-frame.h"

/* What fits into a socket at once: nobody reads at the other end. */
#define INPUT_MAX 8192

typedef struct FuzzUnit {
    VRSServer *s;
    uint8_t does;
    uint64_t drained;
    int present;
} FuzzUnit;

static void fuzz_resolve(void *opaque, const VRPResolve *question,
                         VRPConfig *answer)
{
    FUZZ_RULE(question->rid <= 0xffff);
    answer->mode = VRP_TRANSLATED;
}

static void fuzz_translate(void *opaque, const VRPTranslate *question,
                           VRPAnswer *answer)
{
    FuzzUnit *unit = opaque;
    uint8_t data[64];
    const uint8_t *at = vrs_at(unit->s, question->iova, sizeof(data));

    if (at) {
        memcpy(data, at, sizeof(data));
    }
    if (unit->does & 2) {
        vrs_read(unit->s, question->iova, data, sizeof(data));
    }
    answer->verdict = VRP_ABSENT;
}

static void fuzz_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    FuzzUnit *unit = opaque;
    const VRPInvalidate inv = { .kind = VRP_INV_ALL };
    uint64_t before = vrs_drained(unit->s);

    FUZZ_RULE(size >= 1 && size <= 8 && offset + size <= 64);
    FUZZ_RULE(vrs_invalidate(unit->s, &inv) >= before);
    if (unit->does & 4) {
        vrs_write(unit->s, value, &value, size);
    }
    if (unit->does & 8) {
        vrs_post(unit->s, value, &value, size);
    }
}

static uint64_t fuzz_read(void *opaque, uint64_t offset, unsigned size)
{
    FUZZ_RULE(size >= 1 && size <= 8 && offset + size <= 64);
    return offset;
}

static bool fuzz_load(void *opaque, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    return len && bytes[0] != bytes[len - 1];
}

static void fuzz_endpoint(void *opaque, uint16_t rid, bool present)
{
    FuzzUnit *unit = opaque;

    unit->present += present ? 1 : -1;
}

static VRPATSStatus fuzz_ats_fault(void *opaque, const VRPFault *fault)
{
    FUZZ_RULE(fault->rid <= 0xffff && fault->verdict < VRP_VERDICTS);
    return VRP_ATS_UR;
}

static void fuzz_page_request(void *opaque, const VRPPageRequest *request)
{
    FuzzUnit *unit = opaque;
    const VRPPageResponse response = { .rid = request->rid,
                                       .pasid = VRP_NO_PASID,
                                       .group = request->group };
    const VRPInvalidate inv = { .kind = VRP_INV_DEVICE, .rid = request->rid };

    FUZZ_RULE(request->rid <= 0xffff && request->group < VRP_PAGE_GROUPS);
    vrs_page_response(unit->s, &response);
    vrs_invalidate(unit->s, &inv);
}

static void fuzz_remap(void *opaque, const VRPRemap *question,
                       VRPRemapped *answer)
{
    FuzzUnit *unit = opaque;
    const VRPInvalidate inv = { .kind = VRP_INV_INTERRUPT,
                                .first = question->data & 0xff, .last = 0xff };

    FUZZ_RULE(question->rid <= 0xffff);
    FUZZ_RULE(!(question->flags & ~VRP_REMAP_FLAGS));
    FUZZ_RULE(answer->verdict == VRP_REMAP_BLOCKED);
    vrs_invalidate(unit->s, &inv);
    answer->verdict = VRP_REMAP_DONE;
    if (unit->does & 2) {
        /* As it is posted */
        uint64_t expected = 0;

        vrs_update(unit->s, question->addr & ~7ull, &expected, 1);
    }
}

static void fuzz_drained(void *opaque, uint64_t seq)
{
    FuzzUnit *unit = opaque;

    FUZZ_RULE(seq > unit->drained);
    unit->drained = seq;
}

static void fuzz_greet(int fd)
{
    static const char text[] = "{\"capabilities\":{\"viommu\":{\"version\":1,"
                               "\"features\":[\"endpoints\",\"device-tlb\","
                               "\"page-requests\",\"interrupts\"]}}}";
    const VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    VRPHeader h = { .command = VRP_VERSION,
                    .size = sizeof(h) + sizeof(version) + sizeof(text) };
    uint8_t bytes[sizeof(h) + sizeof(info)];

    vrp_pack(VRP_HEADER_FIELDS, &h, bytes);
    vrp_pack("hh", &version, bytes + sizeof(h));
    FUZZ_RULE(write(fd, bytes, sizeof(h) + 4) == sizeof(h) + 4);
    FUZZ_RULE(write(fd, text, sizeof(text)) == sizeof(text));
    h = (VRPHeader) { .command = VRP_REGION_INFO, .size = sizeof(bytes) };
    vrp_pack(VRP_HEADER_FIELDS, &h, bytes);
    vrp_pack("iiiiqq", &info, bytes + sizeof(h));
    FUZZ_RULE(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const VRSOps ops = {
        .region_size = 64,
        .resolve = fuzz_resolve,
        .translate = fuzz_translate,
        .read = fuzz_read,
        .write = fuzz_write,
        .load = fuzz_load,
        .drained = fuzz_drained,
        .endpoint = fuzz_endpoint,
        .ats_fault = fuzz_ats_fault,
        .page_request = fuzz_page_request,
        .remap = fuzz_remap,
    };
    FuzzUnit unit = { .does = size ? data[0] : 0 };
    int fds[2];

    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    FUZZ_RULE(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    if (unit.does & 1) {
        fuzz_greet(fds[0]);
    }
    FUZZ_RULE(write(fds[0], data + 1, size - 1) == size - 1);
    shutdown(fds[0], SHUT_WR);
    unit.s = vrs_new(fds[1], &ops, &unit);
    while (vrs_run(unit.s)) {
        /* It is over when the input is. */
    }
    vrs_free(unit.s);
    close(fds[0]);
    return 0;
}
