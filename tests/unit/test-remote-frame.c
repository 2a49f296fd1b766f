/*
 * Unit tests of the messages of a vIOMMU outside the VMM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "../../hw/iommu/remote/remote-frame.h"
#include "test-common.h"

#define BODY_MAX 128

/* A message of a server, with what it is made of */
typedef struct Message {
    VRPHeader h;
    uint8_t body[BODY_MAX];
} Message;

static Message reply(VRPCommand command, const void *fixed, size_t data)
{
    const VRPShape *shape = vrp_shape(command);
    Message m = { .h = { .id = 7, .command = command,
                         .flags = VRP_TYPE_REPLY } };

    vrp_pack(shape->answer, fixed, m.body);
    m.h.size = sizeof(m.h) + vrp_fields_size(shape->answer) + data;
    return m;
}

static Message order(VRPCommand command, const void *fixed, size_t data)
{
    const VRPShape *shape = vrp_shape(command);
    Message m = { .h = { .id = 7, .command = command } };

    vrp_pack(shape->fields, fixed, m.body);
    m.h.size = sizeof(m.h) + vrp_fields_size(shape->fields) + data;
    return m;
}

/* What is wrong with it while @features are in use, or NULL */
static const char *judge_with(const Message *m, uint32_t features)
{
    uint64_t message[VRP_FIXED_MAX / 8];
    const char *wrong = vrp_check_header(&m->h);

    return wrong ?: vrp_check_server(&m->h, m->body, features, message);
}

static const char *judge(const Message *m)
{
    return judge_with(m, VRP_F_ALL);
}

static void assert_good(Message m)
{
    g_assert_cmpstr(judge(&m), ==, NULL);
}

/* It is good, but only with @feature. */
static void assert_only_with(Message m, uint32_t feature)
{
    g_assert_cmpstr(judge_with(&m, feature), ==, NULL);
    g_assert_nonnull(judge_with(&m, VRP_F_ALL & ~feature));
}

/* @words are in what is said of it. */
static void assert_wrong(Message m, const char *words)
{
    const char *wrong = judge(&m);

    g_assert_nonnull(wrong);
    g_assert_nonnull(strstr(wrong, words));
}

/* The structures are what is on the wire, field by field, without padding. */
static void test_sizes(void)
{
    static const struct {
        VRPCommand command;
        size_t fields, answer;
    } sizes[] = {
        { VRP_VERSION, sizeof(VRPVersion), sizeof(VRPVersion) },
        { VRP_DMA_MAP, sizeof(VRPDMAMap), 0 },
        { VRP_DMA_UNMAP, sizeof(VRPDMAUnmap), 0 },
        { VRP_REGION_INFO, sizeof(VRPRegionInfo), sizeof(VRPRegionInfo) },
        { VRP_REGION_READ, sizeof(VRPRegion), sizeof(VRPRegion) },
        { VRP_REGION_WRITE, sizeof(VRPRegion), sizeof(VRPRegion) },
        { VRP_DMA_READ, sizeof(VRPDMA), sizeof(VRPDMA) },
        { VRP_DMA_WRITE, sizeof(VRPDMA), sizeof(VRPDMA) },
        { VRP_RESET, 0, 0 },
        { VRP_RESOLVE, sizeof(VRPResolve), sizeof(VRPConfig) },
        { VRP_TRANSLATE, sizeof(VRPTranslate), sizeof(VRPAnswer) },
        { VRP_FAULT, sizeof(VRPFault), 0 },
        { VRP_STATE_SAVE, 0, 0 },
        { VRP_STATE_LOAD, 0, 0 },
        { VRP_RUN, sizeof(VRPRun), 0 },
        { VRP_ENDPOINT, sizeof(VRPEndpoint), 0 },
        { VRP_ATS_FAULT, sizeof(VRPFault), sizeof(VRPATSAnswer) },
        { VRP_PAGE_REQUEST, sizeof(VRPPageRequest), 0 },
        { VRP_REMAP, sizeof(VRPRemap), sizeof(VRPRemapped) },
        { VRP_PAGE_RESPONSE, sizeof(VRPPageResponse), 0 },
        { VRP_INVALIDATE, sizeof(VRPInvalidate), sizeof(VRPDrained) },
        { VRP_PREFETCH, sizeof(VRPPrefetch), 0 },
        { VRP_INTERRUPT, sizeof(VRPInterrupt), 0 },
        { VRP_UPDATE, sizeof(VRPUpdate), sizeof(VRPUpdate) },
    };

    g_assert_cmpuint(vrp_fields_size(VRP_HEADER_FIELDS), ==,
                     sizeof(VRPHeader));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const VRPShape *shape = vrp_shape(sizes[i].command);

        g_assert_cmpuint(vrp_fields_size(shape->fields), ==, sizes[i].fields);
        g_assert_cmpuint(vrp_fields_size(shape->answer), ==, sizes[i].answer);
        g_assert_cmpuint(sizes[i].fields, <=, VRP_FIXED_MAX);
        g_assert_cmpuint(sizes[i].answer, <=, VRP_FIXED_MAX);
    }
    g_assert_null(vrp_shape(0));
    g_assert_null(vrp_shape(0xffff));
}

/* Little-endian, and back again */
static void test_bytes(void)
{
    const VRPHeader h = { 0x0201, 0x0403, 0x08070605, 0x0c0b0a09, 0x100f0e0d };
    const VRPDMA dma = { 0x0807060504030201, 0x100f0e0d0c0b0a09 };
    uint8_t bytes[16];
    VRPHeader h2;
    VRPDMA dma2;

    vrp_pack(VRP_HEADER_FIELDS, &h, bytes);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        g_assert_cmphex(bytes[i], ==, i + 1);
    }
    vrp_unpack(VRP_HEADER_FIELDS, bytes, &h2);
    g_assert_cmpint(memcmp(&h, &h2, sizeof(h)), ==, 0);
    vrp_pack("qq", &dma, bytes);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        g_assert_cmphex(bytes[i], ==, i + 1);
    }
    vrp_unpack("qq", bytes, &dma2);
    g_assert_cmpint(memcmp(&dma, &dma2, sizeof(dma)), ==, 0);
}

static void test_header(void)
{
    const VRPAnswer answer = { .verdict = VRP_ABSENT };
    const VRPInvalidate inv = { .kind = VRP_INV_ALL };
    const VRPFault fault = { 0 };
    Message m = reply(VRP_TRANSLATE, &answer, 0);

    assert_good(m);
    m.h.size++;
    assert_wrong(m, "size of its command");
    m.h.size -= 2;
    assert_wrong(m, "size of its command");
    m.h.size = sizeof(m.h) - 1;
    assert_wrong(m, "16 bytes to 1 MiB");
    m.h.size = VRP_MESSAGE_MAX + 1;
    assert_wrong(m, "16 bytes to 1 MiB");

    m = reply(VRP_TRANSLATE, &answer, 0);
    m.h.flags = 2;
    assert_wrong(m, "reserved flags");
    m.h.flags = VRP_TYPE_REPLY | 1u << 6;
    assert_wrong(m, "reserved flags");
    m.h.flags = VRP_FLAG_ERROR;
    assert_wrong(m, "a command is an error");
    m.h.flags = VRP_TYPE_COMMAND;
    assert_wrong(m, "the client's to send");
    m.h.command = 0x8000;
    assert_wrong(m, "a command is unknown");

    /* What is an error says nothing else. */
    m = reply(VRP_TRANSLATE, &answer, 0);
    m.h.flags |= VRP_FLAG_ERROR;
    m.h.size = sizeof(m.h);
    assert_good(m);

    assert_good(order(VRP_INVALIDATE, &inv, 0));
    m = order(VRP_INVALIDATE, &inv, 0);
    m.h.flags = VRP_TYPE_REPLY;
    assert_wrong(m, "a command that has none");
    m = order(VRP_FAULT, &fault, 0);
    m.h.flags = VRP_TYPE_REPLY;
    assert_wrong(m, "a command that has none");
}

static void test_config(void)
{
    VRPConfig c = { .mode = VRP_TRANSLATED, .flags = VRP_CONFIG_FLAGS,
                    .domain = VRP_DOMAINS - 1 };

    assert_good(reply(VRP_RESOLVE, &c, 0));
    c.domain++;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "below 2^24");
    c.domain = 0;
    c.flags = VRP_CONFIG_FLAGS + 1;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "reserved bits");
    c.flags = 0;
    c.reserved = 1;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "reserved bits");
    c.reserved = 0;
    c.mode = 3;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "unknown mode");
    c.mode = VRP_BYPASS;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "12 to 64 bits");
    c.bypass_bits = 65;
    assert_wrong(reply(VRP_RESOLVE, &c, 0), "12 to 64 bits");
    c.bypass_bits = 64;
    assert_good(reply(VRP_RESOLVE, &c, 0));
}

static void test_answer(void)
{
    VRPAnswer a = { .addr = 0x200000, .shift = 21, .perm = VRP_READ };

    assert_good(reply(VRP_TRANSLATE, &a, 0));
    a.addr = 0x201000;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "multiple of its page's size");
    a.shift = 12;
    assert_good(reply(VRP_TRANSLATE, &a, 0));
    a.shift = 11;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "2^12 to 2^52");
    a.addr = 0;
    a.shift = 53;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "2^12 to 2^52");
    a.shift = 255;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "2^12 to 2^52");
    a.shift = 52;
    assert_good(reply(VRP_TRANSLATE, &a, 0));
    a.perm = 0;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "a permission");
    a.perm = VRP_READ | VRP_EXEC;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "a permission");
    a.verdict = VRP_DENIED;
    assert_good(reply(VRP_TRANSLATE, &a, 0));
    a.verdict = VRP_VERDICTS;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "unknown verdict");
    a.verdict = VRP_ABSENT;
    a.flags = 2;
    assert_wrong(reply(VRP_TRANSLATE, &a, 0), "reserved bits");
}

static void test_invalidate(void)
{
    VRPInvalidate inv = { .kind = VRP_INV_RANGE, .first = 5, .last = 4 };

    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "before it begins");
    inv.last = UINT64_MAX;
    assert_good(order(VRP_INVALIDATE, &inv, 0));
    inv.domain = VRP_DOMAINS;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "below 2^24");
    inv.kind = VRP_INV_DOMAIN;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "below 2^24");
    inv.kind = VRP_INV_ALL;
    assert_good(order(VRP_INVALIDATE, &inv, 0));
    inv.kind = VRP_INV_CONFIG_RID;
    inv.rid_mask = 0x10000;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "16 bits");
    inv.rid_mask = 0xffff;
    assert_good(order(VRP_INVALIDATE, &inv, 0));
    inv.kind = VRP_INV_CONFIG_PASID;
    inv.pasid = 0x100000;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "20 bits");
    inv.pasid = 0xfffff;
    assert_good(order(VRP_INVALIDATE, &inv, 0));
    inv.kind = VRP_INV_KINDS;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "unknown kind");
    inv.kind = VRP_INV_NOTHING;
    inv.reserved = 1;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "reserved bits");
}

static void test_prefetch(void)
{
    VRPPrefetch p = { .iova = 0x1000, .addr = 0x2000, .shift = 12,
                      .perm = VRP_WRITE };

    assert_good(order(VRP_PREFETCH, &p, 0));
    p.iova = 0x1001;
    assert_wrong(order(VRP_PREFETCH, &p, 0), "an IOVA is not");
    p.iova = 0x1000;
    p.domain = VRP_DOMAINS;
    assert_wrong(order(VRP_PREFETCH, &p, 0), "below 2^24");
    p.domain = 0;
    p.reserved = 1;
    assert_wrong(order(VRP_PREFETCH, &p, 0), "reserved bits");
    p.shift = 64;
    assert_wrong(order(VRP_PREFETCH, &p, 0), "2^12 to 2^52");
}

static void test_memory(void)
{
    VRPDMA dma = { .addr = UINT64_MAX - 7, .count = 8 };
    VRPUpdate update = { .addr = 16 };
    VRPInterrupt irq = { .addr = 0xfee00000, .rid = 0xffff };

    assert_good(order(VRP_DMA_READ, &dma, 0));
    assert_wrong(order(VRP_DMA_READ, &dma, 1), "size of its command");
    assert_good(order(VRP_DMA_WRITE, &dma, 8));
    assert_wrong(order(VRP_DMA_WRITE, &dma, 7), "as much data as it says");
    assert_wrong(order(VRP_DMA_WRITE, &dma, 9), "as much data as it says");
    dma.count = 9;
    assert_wrong(order(VRP_DMA_READ, &dma, 0), "wraps around");
    dma.count = 0;
    assert_wrong(order(VRP_DMA_READ, &dma, 0), "1 byte to 1 MiB");
    dma.addr = 0;
    dma.count = VRP_DATA_MAX + 1;
    assert_wrong(order(VRP_DMA_READ, &dma, 0), "1 byte to 1 MiB");
    dma.count = VRP_DATA_MAX;
    assert_good(order(VRP_DMA_READ, &dma, 0));

    assert_good(order(VRP_UPDATE, &update, 0));
    update.addr = 17;
    assert_wrong(order(VRP_UPDATE, &update, 0), "no multiple of 8");

    assert_good(order(VRP_INTERRUPT, &irq, 0));
    irq.rid++;
    assert_wrong(order(VRP_INTERRUPT, &irq, 0), "16 bits");
    irq.rid = 0;
    irq.addr += 2;
    assert_wrong(order(VRP_INTERRUPT, &irq, 0), "no multiple of 4");
}

static void test_handshake(void)
{
    VRPVersion version = { .major = VRP_MAJOR, .minor = 9 };
    VRPRegionInfo info = { .size = 0x1000 };

    assert_good(reply(VRP_VERSION, &version, 20));
    version.major++;
    assert_wrong(reply(VRP_VERSION, &version, 20), "another major version");
    assert_good(reply(VRP_REGION_INFO, &info, 0));
    info.index = 1;
    assert_wrong(reply(VRP_REGION_INFO, &info, 0), "another region");
}

static void test_devices(void)
{
    VRPInvalidate inv = { .kind = VRP_INV_DEVICE, .rid_mask = 0xffff,
                          .pasid = VRP_NO_PASID, .last = UINT64_MAX };
    VRPConfig config = { .flags = VRP_CONFIG_ATS };
    VRPATSAnswer answer = { .status = VRP_ATS_CA };
    VRPPageResponse page = { .rid = 0xffff, .pasid = VRP_NO_PASID,
                             .group = VRP_PAGE_GROUPS - 1, .code = 15 };

    assert_only_with(order(VRP_INVALIDATE, &inv, 0), VRP_F_DEVICE_TLB);
    inv.pasid = 0x100000;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "20 bits");
    inv.kind = VRP_INV_DEVICE_ALL;
    assert_only_with(order(VRP_INVALIDATE, &inv, 0), VRP_F_DEVICE_TLB);
    inv.rid = 0x10000;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "16 bits");
    inv.rid = 0;
    inv.first = 5;
    inv.last = 4;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "before it begins");

    assert_only_with(reply(VRP_RESOLVE, &config, 0), VRP_F_DEVICE_TLB);
    config.flags = VRP_CONFIG_ATS_FIRST;
    assert_only_with(reply(VRP_RESOLVE, &config, 0), VRP_F_DEVICE_TLB);

    assert_only_with(reply(VRP_ATS_FAULT, &answer, 0), VRP_F_DEVICE_TLB);
    answer.status++;
    assert_wrong(reply(VRP_ATS_FAULT, &answer, 0), "unknown way");
    answer = (VRPATSAnswer) { .reserved = 1 };
    assert_wrong(reply(VRP_ATS_FAULT, &answer, 0), "unknown way");

    assert_only_with(order(VRP_PAGE_RESPONSE, &page, 0), VRP_F_PAGE_REQUESTS);
    page.code++;
    assert_wrong(order(VRP_PAGE_RESPONSE, &page, 0), "more than 4 bits");
    page.group++;
    assert_wrong(order(VRP_PAGE_RESPONSE, &page, 0), "below 512");
    page.pasid = 0x100000;
    assert_wrong(order(VRP_PAGE_RESPONSE, &page, 0), "20 bits");
    page.rid++;
    assert_wrong(order(VRP_PAGE_RESPONSE, &page, 0), "16 bits");
}

static void test_interrupts(void)
{
    VRPInvalidate inv = { .kind = VRP_INV_INTERRUPT, .last = UINT64_MAX };
    VRPRemapped answer = { .addr = 0x123456fffee01234, .index = VRP_NO_ENTRY,
                           .flags = VRP_REMAPPED_KEEP };

    assert_only_with(order(VRP_INVALIDATE, &inv, 0), VRP_F_INTERRUPTS);
    inv.first = 5;
    inv.last = 4;
    assert_wrong(order(VRP_INVALIDATE, &inv, 0), "before it begins");
    inv.kind = VRP_INV_INTERRUPT_ALL;
    assert_only_with(order(VRP_INVALIDATE, &inv, 0), VRP_F_INTERRUPTS);

    assert_only_with(reply(VRP_REMAP, &answer, 0), VRP_F_INTERRUPTS);
    answer.addr = 0xfed00000;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "to where none are");
    answer.addr = 0xfef00000;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "to where none are");
    answer.addr = VRP_INTERRUPT_ADDR;
    answer.index = VRP_ENTRIES - 1;
    assert_good(reply(VRP_REMAP, &answer, 0));
    answer.index++;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "below 2^16");
    answer.index = 0;
    answer.flags = VRP_REMAPPED_KEEP + 1;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "reserved bits");

    answer = (VRPRemapped) { .verdict = VRP_REMAP_DONE };
    assert_good(reply(VRP_REMAP, &answer, 0));
    answer.flags = VRP_REMAPPED_KEEP;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "may not be kept");
    answer.verdict = VRP_REMAP_BLOCKED;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "may not be kept");
    answer.flags = 0;
    assert_good(reply(VRP_REMAP, &answer, 0));
    answer.verdict = VRP_REMAP_VERDICTS;
    assert_wrong(reply(VRP_REMAP, &answer, 0), "unknown verdict");
}

/* That something is posted is of a feature of its own. */
static void test_posted(void)
{
    const VRPRemapped answer = { .verdict = VRP_REMAP_DONE };
    Message m = reply(VRP_REMAP, &answer, 0);

    g_assert_null(judge_with(&m, VRP_F_INTERRUPTS | VRP_F_POSTED));
    g_assert_nonnull(judge_with(&m, VRP_F_ALL & ~VRP_F_POSTED));
}

/* Each has a name of its own, and a bit. */
static void test_features(void)
{
    const char *name;
    uint32_t all = 0;
    unsigned i;

    for (i = 0; (name = vrp_feature_name(i)); i++) {
        uint32_t feature = vrp_feature(name, strlen(name));

        g_assert_cmphex(feature, ==, 1u << i);
        g_assert_cmphex(vrp_feature(name, strlen(name) - 1), ==, 0);
        all |= feature;
    }
    g_assert_cmphex(all, ==, VRP_F_ALL);
    g_assert_cmphex(vrp_feature(VRP_FEATURE_ENDPOINTS,
                                strlen(VRP_FEATURE_ENDPOINTS)), ==,
                    VRP_F_ENDPOINTS);
    g_assert_cmphex(vrp_feature(VRP_FEATURE_DEVICE_TLB,
                                strlen(VRP_FEATURE_DEVICE_TLB)), ==,
                    VRP_F_DEVICE_TLB);
    g_assert_cmphex(vrp_feature(VRP_FEATURE_PAGE_REQUESTS,
                                strlen(VRP_FEATURE_PAGE_REQUESTS)), ==,
                    VRP_F_PAGE_REQUESTS);
    g_assert_cmphex(vrp_feature("", 0), ==, 0);
    g_assert_cmphex(vrp_feature("endpointz", 9), ==, 0);
}

/* What is of one is none without it. */
static void test_feature(void)
{
    static const VRPCommand commands[] = {
        VRP_RUN, VRP_ENDPOINT, VRP_ATS_FAULT, VRP_PAGE_REQUEST,
        VRP_PAGE_RESPONSE, VRP_REMAP,
    };
    static const uint32_t features[] = {
        0, VRP_F_ENDPOINTS, VRP_F_DEVICE_TLB, VRP_F_PAGE_REQUESTS,
        VRP_F_PAGE_REQUESTS, VRP_F_INTERRUPTS,
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        const VRPShape *shape = vrp_shape(commands[i]);

        g_assert_cmphex(shape->feature, ==, features[i]);
        g_assert_null(vrp_check_feature(shape, features[i]));
        g_assert_cmpint(!vrp_check_feature(shape, ~features[i]), ==,
                        !features[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote-frame/sizes", test_sizes);
    g_test_add_func("/remote-frame/bytes", test_bytes);
    g_test_add_func("/remote-frame/header", test_header);
    g_test_add_func("/remote-frame/config", test_config);
    g_test_add_func("/remote-frame/answer", test_answer);
    g_test_add_func("/remote-frame/invalidate", test_invalidate);
    g_test_add_func("/remote-frame/prefetch", test_prefetch);
    g_test_add_func("/remote-frame/memory", test_memory);
    g_test_add_func("/remote-frame/handshake", test_handshake);
    g_test_add_func("/remote-frame/devices", test_devices);
    g_test_add_func("/remote-frame/interrupts", test_interrupts);
    g_test_add_func("/remote-frame/posted", test_posted);
    g_test_add_func("/remote-frame/features", test_features);
    g_test_add_func("/remote-frame/feature", test_feature);
    return g_test_run();
}
