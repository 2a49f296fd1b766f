/*
 * Unit tests of the library for servers of a vIOMMU outside the VMM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test is the client.  All is in one thread: what the client has to say is
 * written before the server runs, answers to questions of the server's, too.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <unistd.h>
#include "../../hw/iommu/remote/server/vrs-internal.h"
#include "test-common.h"

#define PAGE 4096u

typedef struct Client {
    int fd;
    VRSServer *s;
    /* What the unit was asked, and is to do */
    VRPFault fault;
    uint64_t written, at;
    unsigned resets, drains, runs;
    uint64_t drained;
    uint64_t read_addr;      /* translate: reads 8 bytes there; 0: does not */
    bool read_good;
    uint64_t read_value;
    uint32_t requesters;     /* the last one that came or went */
    int present;             /* how many there are */
    VRPPageRequest page;
    VRPRemap remap;          /* the last message that was asked about */
    VRPRemapVerdict verdict; /* of the next one */
} Client;

static const char hello[] =
    "{\"capabilities\": {\"x\": [1, {\"viommu\": 2}], "
    "\"viommu\": {\"version\": 1}}}";
/* A client that can do all that there is, and what nobody knows yet */
static const char hello_all[] =
    "{\"capabilities\": {\"viommu\": {\"version\": 1, \"features\": "
    "[ \"telepathy\", 3,\"endpoints\" , [\"x\"],\"page-requests\","
    "\"device-tlb\",\"interrupts\", \"posted-interrupts\" ]}}}";

/* The unit */

static void unit_resolve(void *opaque, const VRPResolve *question,
                         VRPConfig *answer)
{
    answer->mode = VRP_TRANSLATED;
    answer->domain = question->rid;
    answer->flags = VRP_CONFIG_KEEP | VRP_CONFIG_ATS;
}

static void unit_translate(void *opaque, const VRPTranslate *question,
                           VRPAnswer *answer)
{
    Client *c = opaque;

    if (c->read_addr) {
        c->read_good = vrs_read(c->s, c->read_addr, &c->read_value, 8);
    }
    answer->addr = question->iova & ~(uint64_t)(PAGE - 1);
    answer->shift = 12;
    answer->perm = VRP_READ;
}

static void unit_fault(void *opaque, const VRPFault *fault)
{
    ((Client *)opaque)->fault = *fault;
}

static uint64_t unit_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0x8877665544332211 + offset;
}

static void unit_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    Client *c = opaque;

    c->at = offset << 8 | size;
    c->written = value;
}

static void unit_reset(void *opaque)
{
    ((Client *)opaque)->resets++;
}

static void unit_run(void *opaque, bool running)
{
    ((Client *)opaque)->runs += running;
}

static void *unit_save(void *opaque, size_t *len)
{
    *len = 5;
    return strdup("1234");
}

static bool unit_load(void *opaque, const void *data, size_t len)
{
    return len == 5 && !memcmp(data, "1234", 5);
}

static void unit_drained(void *opaque, uint64_t seq)
{
    Client *c = opaque;

    g_assert_cmpuint(seq, >, c->drained);
    c->drained = seq;
    c->drains++;
}

static void unit_endpoint(void *opaque, uint16_t rid, bool present)
{
    Client *c = opaque;

    c->requesters = rid;
    c->present += present ? 1 : -1;
}

static VRPATSStatus unit_ats_fault(void *opaque, const VRPFault *fault)
{
    ((Client *)opaque)->fault = *fault;
    return VRP_ATS_CA;
}

static void unit_page_request(void *opaque, const VRPPageRequest *request)
{
    ((Client *)opaque)->page = *request;
}

static void unit_remap(void *opaque, const VRPRemap *question,
                       VRPRemapped *answer)
{
    Client *c = opaque;

    c->remap = *question;
    answer->verdict = c->verdict;
    if (c->verdict == VRP_REMAP_SEND) {
        answer->addr = VRP_INTERRUPT_ADDR;
        answer->data = question->data + 1;
        answer->flags = VRP_REMAPPED_KEEP;
        answer->index = 5;
    }
}

static const VRSOps unit_ops = {
    .region_size = 0x100,
    .resolve = unit_resolve,
    .translate = unit_translate,
    .fault = unit_fault,
    .read = unit_read,
    .write = unit_write,
    .reset = unit_reset,
    .run = unit_run,
    .save = unit_save,
    .load = unit_load,
    .drained = unit_drained,
    .endpoint = unit_endpoint,
    .ats_fault = unit_ats_fault,
    .page_request = unit_page_request,
    .remap = unit_remap,
    .posts = true,
};

/* The client */

static void client_put(Client *c, const VRPHeader *h, const char *fields,
                       const void *message, const void *data, size_t len,
                       int fd)
{
    size_t fixed = vrp_fields_size(fields), size = sizeof(*h) + fixed + len;
    g_autofree uint8_t *bytes = g_malloc(size);
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { bytes, size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    VRPHeader header = *h;

    header.size = header.size ?: size;
    vrp_pack(VRP_HEADER_FIELDS, &header, bytes);
    vrp_pack(fields, message, bytes + sizeof(*h));
    if (len) {
        memcpy(bytes + sizeof(*h) + fixed, data, len);
    }
    if (fd >= 0) {
        struct cmsghdr *cmsg;

        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
    }
    g_assert_cmpint(sendmsg(c->fd, &msg, 0), ==, size);
}

static void client_order(Client *c, VRPCommand command, uint16_t id,
                         const void *message, const void *data, size_t len)
{
    const VRPHeader h = { .id = id, .command = command };

    client_put(c, &h, vrp_shape(command)->fields, message, data, len, -1);
}

static void client_reply(Client *c, VRPCommand command, uint16_t id,
                         const void *message, const void *data, size_t len)
{
    const VRPHeader h = { .id = id, .command = command,
                          .flags = VRP_TYPE_REPLY };

    client_put(c, &h, vrp_shape(command)->answer, message, data, len, -1);
}

static void client_map(Client *c, uint64_t addr, uint64_t size, int fd)
{
    const VRPHeader h = { .command = VRP_DMA_MAP, .flags = VRP_FLAG_NO_REPLY };
    const VRPDMAMap map = { .argsz = sizeof(map), .addr = addr, .size = size,
                            .flags = VRP_DMA_READABLE | VRP_DMA_WRITEABLE };

    client_put(c, &h, vrp_shape(h.command)->fields, &map, NULL, 0, fd);
}

/* The next message of the server; @message is of VRP_FIXED_MAX bytes. */
static VRPHeader client_get(Client *c, void *message, GByteArray *data)
{
    uint8_t bytes[sizeof(VRPHeader)];
    g_autofree uint8_t *body = NULL;
    const char *fields;
    size_t fixed, len;
    VRPHeader h;

    g_assert_cmpint(recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT), ==,
                    sizeof(bytes));
    vrp_unpack(VRP_HEADER_FIELDS, bytes, &h);
    g_assert_null(vrp_check_header(&h));
    len = h.size - sizeof(h);
    body = g_malloc(len + 1);
    g_assert_cmpint(len ? recv(c->fd, body, len, MSG_DONTWAIT) : 0, ==, len);
    g_assert_cmpstr(vrp_check_server(&h, body, c->s->features, message), ==,
                    NULL);
    fields = (h.flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY ?
             vrp_shape(h.command)->answer : vrp_shape(h.command)->fields;
    fixed = h.flags & VRP_FLAG_ERROR ? 0 : vrp_fields_size(fields);
    if (data) {
        g_byte_array_set_size(data, 0);
        g_byte_array_append(data, body + fixed, len - fixed);
    }
    return h;
}

static void client_expect(Client *c, VRPCommand command, uint16_t id,
                          void *message)
{
    VRPHeader h = client_get(c, message, NULL);

    g_assert_cmphex(h.command, ==, command);
    g_assert_cmphex(h.id, ==, id);
    g_assert_cmphex(h.flags, ==, VRP_TYPE_REPLY);
}

static void client_expect_nothing(Client *c)
{
    char byte;

    g_assert_cmpint(recv(c->fd, &byte, 1, MSG_DONTWAIT), <, 0);
}

static void client_begin_with(Client *c, const VRSOps *ops)
{
    int fds[2];

    memset(c, 0, sizeof(*c));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    c->fd = fds[0];
    c->s = vrs_new(fds[1], ops, c);
}

static void client_begin(Client *c)
{
    client_begin_with(c, &unit_ops);
}

/* @text: what it says of itself, @len bytes */
static void client_greet_saying(Client *c, const char *text, size_t len)
{
    const VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    uint64_t message[VRP_FIXED_MAX / 8];
    const VRPRegionInfo *said = (const VRPRegionInfo *)message;

    client_order(c, VRP_VERSION, 1, &version, text, len);
    client_order(c, VRP_REGION_INFO, 2, &info, NULL, 0);
    g_assert_true(vrs_run(c->s));
    client_expect(c, VRP_VERSION, 1, message);
    client_expect(c, VRP_REGION_INFO, 2, message);
    g_assert_cmphex(said->size, ==, unit_ops.region_size);
}

static void client_greet(Client *c)
{
    client_greet_saying(c, hello, sizeof(hello));
}

static void client_end(Client *c)
{
    close(c->fd);
    vrs_run(c->s);
    g_assert_false(vrs_run(c->s));
    g_assert_cmpstr(vrs_why(c->s), ==, NULL);
    vrs_free(c->s);
}

/* The server hangs up; @words are in why. */
static void client_hung_up_on(Client *c, const char *words)
{
    g_assert_false(vrs_run(c->s));
    g_assert_nonnull(vrs_why(c->s));
    g_assert_nonnull(strstr(vrs_why(c->s), words));
    g_assert_false(vrs_run(c->s));
    close(c->fd);
    vrs_free(c->s);
}

/* Tests */

static bool speaks(const char *text)
{
    uint32_t features;

    return vrs_hello_speaks((const uint8_t *)text, strlen(text) + 1, &features);
}

/* The features that the list @list, as it is in the text, is understood as */
static uint32_t features_of(const char *list)
{
    g_autofree char *text = g_strdup_printf(
        "{\"capabilities\": {\"viommu\": {\"features\": %s, \"version\": 1}}}",
        list);
    uint32_t features = UINT32_MAX;

    vrs_hello_speaks((const uint8_t *)text, strlen(text) + 1, &features);
    return features;
}

static void test_features(void)
{
    static const char *const none[] = {
        "[]", "{}", "1", "\"endpoints\"", "[\"endpoint\"]", "[[\"endpoints\"]]",
        "[\"\"]", "[\"endpoints", "[", "[\"endpoints\"}", "[endpoints]",
        "[\"endpoints\\\"\"]",
    };
    Client c;

    g_assert_cmphex(features_of("[\"endpoints\"]"), ==, VRP_F_ENDPOINTS);
    g_assert_cmphex(features_of("[1, \"x\",{}, \"endpoints\", null ]"), ==,
                    VRP_F_ENDPOINTS);
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        g_assert_cmphex(features_of(none[i]), ==, 0);
    }
    client_begin(&c);
    client_greet_saying(&c, hello_all, sizeof(hello_all));
    g_assert_cmphex(c.s->features, ==, VRP_F_ALL);
    client_end(&c);
}

/* What the client can do is in use, and nothing else is. */
static void test_devices(void)
{
    const VRPResolve who = { .rid = 5, .pasid = VRP_NO_PASID };
    const VRPFault fault = { .iova = 0x9000, .rid = 3, .access = VRP_READ };
    const VRPPageRequest page = { .iova = 0x7000, .rid = 3, .group = 511,
                                  .flags = VRP_READ | VRP_PAGE_LAST };
    const VRPPageResponse response = { .rid = 3, .group = 511 };
    const VRPInvalidate inv = { .kind = VRP_INV_DEVICE, .rid = 3 };
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin(&c);
    client_greet_saying(&c, hello_all, sizeof(hello_all));
    client_order(&c, VRP_RESOLVE, 6, &who, NULL, 0);
    client_order(&c, VRP_ATS_FAULT, 7, &fault, NULL, 0);
    client_order(&c, VRP_PAGE_REQUEST, 8, &page, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_RESOLVE, 6, message);
    g_assert_cmphex(((VRPConfig *)message)->flags, ==,
                    VRP_CONFIG_KEEP | VRP_CONFIG_ATS);
    client_expect(&c, VRP_ATS_FAULT, 7, message);
    g_assert_cmpint(((VRPATSAnswer *)message)->status, ==, VRP_ATS_CA);
    client_expect_nothing(&c);
    g_assert_cmphex(c.fault.iova, ==, 0x9000);
    g_assert_cmphex(c.page.iova, ==, 0x7000);
    vrs_page_response(c.s, &response);
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, 1);
    vrs_flush(c.s);
    g_assert_cmphex(client_get(&c, message, NULL).command, ==,
                    VRP_PAGE_RESPONSE);
    g_assert_cmpuint(((VRPPageResponse *)message)->group, ==, 511);
    g_assert_cmphex(client_get(&c, message, NULL).command, ==, VRP_INVALIDATE);
    client_end(&c);

    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_RESOLVE, 6, &who, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_RESOLVE, 6, message);
    g_assert_cmphex(((VRPConfig *)message)->flags, ==, VRP_CONFIG_KEEP);
    vrs_page_response(c.s, &response);
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, 0);
    g_assert_cmpuint(vrs_drained(c.s), ==, 0);
    vrs_flush(c.s);
    client_expect_nothing(&c);
    client_order(&c, VRP_PAGE_REQUEST, 8, &page, NULL, 0);
    client_hung_up_on(&c, "a feature that is not in use");
}

/* What is not there is not offered, and what is needed is said. */
static void assert_offers(const VRSOps *ops, const char *text, size_t len,
                          const char *words)
{
    const VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    g_autoptr(GByteArray) data = g_byte_array_new();
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin_with(&c, ops);
    client_order(&c, VRP_VERSION, 1, &version, text, len);
    vrs_run(c.s);
    client_get(&c, message, data);
    g_assert_cmpuint(data->data[data->len - 1], ==, 0);
    g_assert_nonnull(strstr((const char *)data->data, words));
    if (ops->needs & ~c.s->features) {
        client_hung_up_on(&c, "the features that the unit needs");
    } else {
        client_end(&c);
    }
}

static void test_needs(void)
{
    VRSOps ops = unit_ops;

    assert_offers(&ops, hello, sizeof(hello), "\"needs\":[]");
    ops.needs = VRP_F_INTERRUPTS | VRP_F_POSTED;
    assert_offers(&ops, hello, sizeof(hello),
                  "\"needs\":[\"interrupts\",\"posted-interrupts\"]");
    assert_offers(&ops, hello_all, sizeof(hello_all),
                  "\"interrupts\",\"posted-interrupts\"],\"needs\":[\"int");
    ops.posts = false;
    ops.needs = VRP_F_INTERRUPTS;
    assert_offers(&ops, hello_all, sizeof(hello_all),
                  "\"interrupts\"],\"needs\":[\"interrupts\"]");
    ops = (VRSOps) { .resolve = unit_resolve, .translate = unit_translate,
                     .posts = true };
    assert_offers(&ops, hello_all, sizeof(hello_all),
                  "\"features\":[],\"needs\":[]");
}

/* The answer to @question of a client that says @text of itself */
static VRPRemapped remapped(const char *text, size_t len,
                            VRPRemapVerdict verdict)
{
    const VRPRemap question = { .addr = 0xfee00010, .data = 0x61, .rid = 3,
                                .flags = VRP_REMAP_REQUEST };
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin(&c);
    client_greet_saying(&c, text, len);
    c.verdict = verdict;
    client_order(&c, VRP_REMAP, 6, &question, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_REMAP, 6, message);
    g_assert_cmphex(c.remap.addr, ==, 0xfee00010);
    g_assert_cmphex(c.remap.flags, ==, VRP_REMAP_REQUEST);
    client_end(&c);
    return *(VRPRemapped *)message;
}

/* A client for whom nothing can be posted: it is refused, not let by. */
static void test_interrupts(void)
{
    static const char some[] = "{\"capabilities\": {\"viommu\": {"
        "\"version\": 1, \"features\": [\"interrupts\"]}}}";
    const VRPRemap question = { .addr = 1, .flags = VRP_REMAP_FLAGS + 1 };
    const VRPInvalidate inv = { .kind = VRP_INV_INTERRUPT };
    uint64_t message[VRP_FIXED_MAX / 8];
    VRPRemapped answer;
    Client c;

    answer = remapped(some, sizeof(some), VRP_REMAP_SEND);
    g_assert_cmphex(answer.data, ==, 0x62);
    g_assert_cmpuint(answer.index, ==, 5);
    answer = remapped(some, sizeof(some), VRP_REMAP_BLOCKED);
    g_assert_cmphex(answer.index, ==, VRP_NO_ENTRY);
    answer = remapped(some, sizeof(some), VRP_REMAP_DONE);
    g_assert_cmpint(answer.verdict, ==, VRP_REMAP_BLOCKED);
    answer = remapped(hello_all, sizeof(hello_all), VRP_REMAP_DONE);
    g_assert_cmpint(answer.verdict, ==, VRP_REMAP_DONE);

    client_begin(&c);
    client_greet_saying(&c, some, sizeof(some));
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, 1);
    vrs_flush(c.s);
    g_assert_cmphex(client_get(&c, message, NULL).command, ==, VRP_INVALIDATE);
    client_order(&c, VRP_REMAP, 6, &question, NULL, 0);
    client_hung_up_on(&c, "reserved bits");

    client_begin(&c);
    client_greet(&c);
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, 0);
    client_order(&c, VRP_REMAP, 6, &question, NULL, 0);
    client_hung_up_on(&c, "a feature that is not in use");
}

static void test_endpoint(void)
{
    const VRPEndpoint here = { .rid = 0xffff, .present = 1 };
    const VRPEndpoint gone = { .rid = 0x1234 };
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin(&c);
    client_greet_saying(&c, hello_all, sizeof(hello_all));
    client_order(&c, VRP_ENDPOINT, 7, &here, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_ENDPOINT, 7, message);
    g_assert_cmpint(c.present, ==, 1);
    g_assert_cmphex(c.requesters, ==, 0xffff);
    client_order(&c, VRP_ENDPOINT, 8, &gone, NULL, 0);
    g_assert_true(vrs_run(c.s));
    g_assert_cmpint(c.present, ==, 0);
    g_assert_cmphex(c.requesters, ==, 0x1234);
    client_expect(&c, VRP_ENDPOINT, 8, message);
    client_end(&c);

    /* A client that has not said that it can do it */
    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_ENDPOINT, 7, &here, NULL, 0);
    client_hung_up_on(&c, "a feature that is not in use");
    g_assert_cmpint(c.present, ==, 0);
}

static void test_hello(void)
{
    static const char *const bad[] = {
        "", "{}", "[", "1", "{\"capabilities\": 1}", "{\"capabilities\": {}}",
        "{\"capabilities\": {\"viommu\": {\"version\": 2}}}",
        "{\"capabilities\": {\"viommu\": {\"version\": -1}}}",
        "{\"capabilities\": {\"viommu\": {\"version\": \"1\"}}}",
        "{\"capabilities\": {\"viommu\": {\"versio\": 1}}}",
        "{\"capabilities\": {\"viommu\": {\"version\": 1}}",
        "{\"capabilities\": {\"viommu\" {\"version\": 1}}}",
        "{\"viommu\": {\"version\": 1}}",
        "{\"capabilities\": {\"a\\", "{\"capabilities", "{\"capabilities\":",
        "{\"a\": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]], "
        "\"capabilities\": {\"viommu\": {\"version\": 1}}}",
    };
    uint32_t features;

    g_assert_true(speaks(hello));
    g_assert_true(speaks(" {\"capabilities\":{\"viommu\":{\"a\":[],\"b\":{},"
                         "\"c\":\"\\\"}\",\"version\":1,\"d\":null}}}"));
    /* It has to end with a 0. */
    g_assert_false(vrs_hello_speaks((const uint8_t *)hello, strlen(hello),
                                    &features));
    g_assert_false(vrs_hello_speaks((const uint8_t *)hello, 0, &features));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_false(speaks(bad[i]));
    }
}

static void test_handshake(void)
{
    const VRPVersion version = { VRP_MAJOR, VRP_MINOR }, other = { 1, 0 };
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    const VRPInvalidate inv = { .kind = VRP_INV_ALL };
    Client c;

    client_begin(&c);
    /* Nobody knows anything yet. */
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, vrs_drained(c.s));
    client_greet(&c);
    client_expect_nothing(&c);
    client_end(&c);

    client_begin(&c);
    client_order(&c, VRP_RESET, 1, NULL, NULL, 0);
    client_hung_up_on(&c, "the handshake");
    client_begin(&c);
    client_order(&c, VRP_REGION_INFO, 1, &info, NULL, 0);
    client_hung_up_on(&c, "the handshake");
    client_begin(&c);
    client_order(&c, VRP_VERSION, 1, &other, hello, sizeof(hello));
    client_hung_up_on(&c, "another major version");
    client_begin(&c);
    client_order(&c, VRP_VERSION, 1, &version, "{}", 3);
    client_hung_up_on(&c, "capability viommu");
    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_VERSION, 1, &version, hello, sizeof(hello));
    client_hung_up_on(&c, "the handshake");
}

static void test_questions(void)
{
    const VRPResolve who = { .rid = 0x1234, .pasid = VRP_NO_PASID };
    const VRPTranslate where = { .iova = 0x5678, .pasid = 7 };
    const VRPFault fault = { .iova = 0x9000, .rid = 3, .access = VRP_WRITE };
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_RESOLVE, 7, &who, NULL, 0);
    client_order(&c, VRP_TRANSLATE, 8, &where, NULL, 0);
    client_order(&c, VRP_FAULT, 9, &fault, NULL, 0);
    client_order(&c, VRP_RESET, 10, NULL, NULL, 0);
    client_order(&c, VRP_REGION_INFO, 11, &info, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_RESOLVE, 7, message);
    g_assert_cmphex(((VRPConfig *)message)->domain, ==, 0x1234);
    client_expect(&c, VRP_TRANSLATE, 8, message);
    g_assert_cmphex(((VRPAnswer *)message)->addr, ==, 0x5000);
    client_expect(&c, VRP_RESET, 10, message);
    client_expect(&c, VRP_REGION_INFO, 11, message);
    g_assert_cmphex(((VRPRegionInfo *)message)->size, ==, unit_ops.region_size);
    client_expect_nothing(&c);
    g_assert_cmphex(c.fault.iova, ==, 0x9000);
    g_assert_cmpuint(c.resets, ==, 1);
    client_end(&c);
}

static void test_registers(void)
{
    const VRPRegion last = { .offset = 0xfc, .count = 4 };
    const VRPRegion beyond = { .offset = 0xfd, .count = 4 };
    const VRPRegion far = { .offset = UINT64_MAX - 3, .count = 4 };
    uint64_t message[VRP_FIXED_MAX / 8];
    g_autoptr(GByteArray) data = g_byte_array_new();
    Client c;

    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_REGION_READ, 1, &last, NULL, 0);
    client_order(&c, VRP_REGION_READ, 2, &beyond, NULL, 0);
    client_order(&c, VRP_REGION_READ, 3, &far, NULL, 0);
    client_order(&c, VRP_REGION_WRITE, 4, &last, "\1\2\3\4", 4);
    client_order(&c, VRP_REGION_WRITE, 5, &beyond, "\5\6\7\10", 4);
    g_assert_true(vrs_run(c.s));
    g_assert_cmphex(client_get(&c, message, data).flags, ==, VRP_TYPE_REPLY);
    g_assert_cmpuint(data->len, ==, 4);
    g_assert_cmphex(data->data[0], ==, 0x0d);
    g_assert_cmphex(data->data[3], ==, 0x44);
    for (int i = 0; i < 2; i++) {
        g_assert_cmphex(client_get(&c, message, data).flags, ==,
                        VRP_TYPE_REPLY | VRP_FLAG_ERROR);
        g_assert_cmpuint(data->len, ==, 0);
    }
    client_expect(&c, VRP_REGION_WRITE, 4, message);
    g_assert_cmphex(client_get(&c, message, data).flags, ==,
                    VRP_TYPE_REPLY | VRP_FLAG_ERROR);
    g_assert_cmphex(c.written, ==, 0x04030201);
    g_assert_cmphex(c.at, ==, 0xfc04);
    client_end(&c);
}

static int memory_file(unsigned pages)
{
    FILE *file = tmpfile();
    int fd;

    g_assert_nonnull(file);
    fd = dup(fileno(file));
    fclose(file);
    g_assert_cmpint(ftruncate(fd, pages * PAGE), ==, 0);
    return fd;
}

static void test_memory(void)
{
    const VRPDMAUnmap unmap = { .addr = 2 * PAGE, .size = 2 * PAGE };
    int fd = memory_file(2);
    uint64_t value = 0x1122334455667788;
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    g_assert_cmpint(pwrite(fd, &value, 8, PAGE + 8), ==, 8);
    client_begin(&c);
    client_greet(&c);
    client_map(&c, 8 * PAGE, PAGE, -1);
    client_map(&c, 2 * PAGE, 2 * PAGE, fd);
    g_assert_true(vrs_run(c.s));
    g_assert_cmphex(*(const uint64_t *)vrs_at(c.s, 3 * PAGE + 8, 8), ==, value);
    g_assert_nonnull(vrs_at(c.s, 4 * PAGE - 8, 8));
    g_assert_null(vrs_at(c.s, 4 * PAGE - 7, 8));
    g_assert_null(vrs_at(c.s, 2 * PAGE - 1, 1));
    g_assert_null(vrs_at(c.s, 8 * PAGE, 8));
    g_assert_null(vrs_at(c.s, 3 * PAGE, UINT64_MAX));
    value = 0;
    g_assert_true(vrs_read(c.s, 3 * PAGE + 8, &value, 8));
    g_assert_cmphex(value, ==, 0x1122334455667788);
    /* Where there is none nobody is asked. */
    g_assert_false(vrs_read(c.s, 4 * PAGE - 4, &value, 8));
    client_expect_nothing(&c);

    client_order(&c, VRP_DMA_UNMAP, 1, &unmap, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_DMA_UNMAP, 1, message);
    g_assert_null(vrs_at(c.s, 3 * PAGE, 8));
    client_map(&c, 2 * PAGE, PAGE, fd);
    g_assert_true(vrs_run(c.s));
    g_assert_nonnull(vrs_at(c.s, 2 * PAGE, 8));
    client_end(&c);
    close(fd);
}

/* Nobody waits for it, it comes before what is sent after it, and all of it */
static void test_post(void)
{
    const VRPHeader order = { .command = VRP_DMA_MAP,
                              .flags = VRP_FLAG_NO_REPLY };
    const VRPDMAMap rom = { .argsz = sizeof(rom), .addr = 10 * PAGE,
                            .size = PAGE, .flags = VRP_DMA_READABLE };
    g_autoptr(GByteArray) data = g_byte_array_new();
    const uint64_t value = 0x1122334455667788;
    uint64_t message[VRP_FIXED_MAX / 8];
    const VRPDMA *dma = (const VRPDMA *)message;
    VRPHeader h;
    Client c;

    client_begin(&c);
    g_assert_false(vrs_post(c.s, 8 * PAGE, &value, 8));
    client_greet(&c);
    client_map(&c, 8 * PAGE, PAGE, -1);
    client_map(&c, 9 * PAGE, PAGE, -1);
    client_put(&c, &order, vrp_shape(VRP_DMA_MAP)->fields, &rom, NULL, 0, -1);
    g_assert_true(vrs_run(c.s));
    g_assert_true(vrs_post(c.s, 9 * PAGE - 4, &value, 8));
    vrs_interrupt(c.s, PAGE, 1, 2);
    vrs_flush(c.s);
    h = client_get(&c, message, data);
    g_assert_cmphex(h.command, ==, VRP_DMA_WRITE);
    g_assert_cmphex(h.flags, ==, VRP_FLAG_NO_REPLY);
    g_assert_cmphex(dma->addr, ==, 9 * PAGE - 4);
    g_assert_cmpuint(dma->count, ==, 8);
    g_assert_cmpmem(data->data, data->len, &value, 8);
    g_assert_cmphex(client_get(&c, message, NULL).command, ==, VRP_INTERRUPT);
    /* Memory that is not there, or cannot be written */
    g_assert_false(vrs_post(c.s, 8 * PAGE - 4, &value, 8));
    g_assert_false(vrs_post(c.s, 10 * PAGE - 4, &value, 8));
    g_assert_false(vrs_post(c.s, 10 * PAGE, &value, 8));
    g_assert_false(vrs_post(c.s, 12 * PAGE, &value, 8));
    vrs_flush(c.s);
    client_expect_nothing(&c);
    client_end(&c);
}

static void test_memory_lies(void)
{
    int fd = memory_file(1);
    Client c;

    client_begin(&c);
    client_greet(&c);
    client_map(&c, 0, 2 * PAGE, fd);
    client_hung_up_on(&c, "has not the memory");

    client_begin(&c);
    client_greet(&c);
    client_map(&c, 4 * PAGE, 4 * PAGE, -1);
    client_map(&c, 7 * PAGE, PAGE, -1);
    client_hung_up_on(&c, "there is some already");

    client_begin(&c);
    client_greet(&c);
    client_map(&c, 4 * PAGE, 4 * PAGE, -1);
    client_map(&c, PAGE, 4 * PAGE, -1);
    client_hung_up_on(&c, "there is some already");

    client_begin(&c);
    client_greet(&c);
    client_map(&c, UINT64_MAX, 2, -1);
    client_hung_up_on(&c, "wraps around");
    close(fd);
}

/* In the middle of an answer, and what comes meanwhile is answered, too. */
static void test_ask(void)
{
    const VRPTranslate where = { .iova = 0x5678, .pasid = 7 };
    const VRPResolve who = { .rid = 5, .pasid = VRP_NO_PASID };
    const VRPDMA dma = { .addr = 8 * PAGE, .count = 8 };
    uint64_t value = 0x1122334455667788;
    uint64_t message[VRP_FIXED_MAX / 8];
    Client c;

    client_begin(&c);
    client_greet(&c);
    client_map(&c, 8 * PAGE, PAGE, -1);
    c.read_addr = 8 * PAGE;
    client_order(&c, VRP_TRANSLATE, 8, &where, NULL, 0);
    client_order(&c, VRP_RESOLVE, 9, &who, NULL, 0);
    client_reply(&c, VRP_DMA_READ, 0, &dma, &value, 8);
    g_assert_true(vrs_run(c.s));
    g_assert_true(c.read_good);
    g_assert_cmphex(c.read_value, ==, value);
    g_assert_cmphex(client_get(&c, message, NULL).command, ==, VRP_DMA_READ);
    client_expect(&c, VRP_TRANSLATE, 8, message);
    client_expect(&c, VRP_RESOLVE, 9, message);

    /* Of another size than was asked for */
    client_order(&c, VRP_TRANSLATE, 8, &where, NULL, 0);
    client_reply(&c, VRP_DMA_READ, 1, &dma, &value, 7);
    client_hung_up_on(&c, "as much data");
    g_assert_false(c.read_good);
}

static void drain_reply(Client *c, const VRPHeader *h, uint64_t seq)
{
    const VRPDrained drained = { seq };

    client_reply(c, VRP_INVALIDATE, h->id, &drained, NULL, 0);
    g_assert_true(vrs_run(c->s));
}

/* The unit is told of a number when all up to it have been answered. */
static void test_drain(void)
{
    const VRPInvalidate inv = { .kind = VRP_INV_ALL };
    uint64_t message[VRP_FIXED_MAX / 8];
    VRPHeader h[3];
    Client c;

    client_begin(&c);
    client_greet(&c);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, i + 1);
    }
    g_assert_cmpuint(vrs_drained(c.s), ==, 0);
    vrs_flush(c.s);
    for (unsigned i = 0; i < 3; i++) {
        h[i] = client_get(&c, message, NULL);
        g_assert_cmpuint(((VRPInvalidate *)message)->seq, ==, i + 1);
    }
    drain_reply(&c, &h[1], 2);
    g_assert_cmpuint(c.drains, ==, 0);
    drain_reply(&c, &h[0], 1);
    g_assert_cmpuint(c.drained, ==, 2);
    drain_reply(&c, &h[2], 3);
    g_assert_cmpuint(c.drained, ==, 3);
    g_assert_cmpuint(c.drains, ==, 2);

    vrs_invalidate(c.s, &inv);
    vrs_flush(c.s);
    h[0] = client_get(&c, message, NULL);
    client_reply(&c, VRP_INVALIDATE, h[0].id, &(VRPDrained){ 3 }, NULL, 0);
    client_hung_up_on(&c, "which invalidation");
    g_assert_cmpuint(c.drained, ==, 3);

    client_begin(&c);
    client_greet(&c);
    client_reply(&c, VRP_INVALIDATE, 0, &(VRPDrained){ 0 }, NULL, 0);
    client_hung_up_on(&c, "was not asked");
}

/*
 * A guest that invalidates without end: what is too much becomes a few, which
 * are @text's client's.
 */
static void drain_merged(const char *text, size_t len, unsigned few)
{
    static const VRPInvKind kinds[] = {
        VRP_INV_CONFIG_ALL, VRP_INV_ALL, VRP_INV_DEVICE_ALL,
        VRP_INV_INTERRUPT_ALL,
    };
    const VRPInvalidate inv = { .kind = VRP_INV_DOMAIN, .domain = 1 };
    uint64_t message[VRP_FIXED_MAX / 8], seq = 0, sent = 0;
    const VRPInvalidate *said = (const VRPInvalidate *)message;
    g_autoptr(GArray) ids = g_array_new(false, false, sizeof(VRPHeader));
    Client c;

    client_begin(&c);
    client_greet_saying(&c, text, len);
    for (unsigned i = 0; i < 10000; i++) {
        seq = vrs_invalidate(c.s, &inv);
        vrs_flush(c.s);
        if (i < 2048) {
            VRPHeader h = client_get(&c, message, NULL);

            g_array_append_val(ids, h);
            sent++;
        }
    }
    client_expect_nothing(&c);
    g_assert_cmpuint(sent, ==, 2048);
    g_assert_cmpuint(seq, ==, sent + few);
    for (unsigned i = 0; i < sent; i++) {
        drain_reply(&c, &g_array_index(ids, VRPHeader, i), i + 1);
        g_assert_cmpuint(c.drained, ==, i + 1);
    }
    for (unsigned i = 0; i < few; i++) {
        VRPHeader h = client_get(&c, message, NULL);

        g_assert_cmpuint(said->seq, ==, sent + 1 + i);
        g_assert_cmpuint(said->kind, ==, kinds[i]);
        drain_reply(&c, &h, said->seq);
    }
    g_assert_cmpuint(c.drained, ==, seq);
    g_assert_cmpuint(vrs_invalidate(c.s, &inv), ==, seq + 1);
    client_end(&c);
}

static void test_drain_merged(void)
{
    drain_merged(hello, sizeof(hello), 2);
    drain_merged(hello_all, sizeof(hello_all), 4);
}

static void test_state(void)
{
    const VRPRun stops = { 0 }, runs = { 1 }, neither = { 2 };
    uint64_t message[VRP_FIXED_MAX / 8];
    g_autoptr(GByteArray) data = g_byte_array_new();
    Client c;

    client_begin(&c);
    client_greet(&c);
    client_order(&c, VRP_RUN, 5, &runs, NULL, 0);
    client_order(&c, VRP_RUN, 6, &stops, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_expect(&c, VRP_RUN, 5, message);
    client_expect(&c, VRP_RUN, 6, message);
    g_assert_cmpuint(c.runs, ==, 1);
    client_order(&c, VRP_STATE_SAVE, 1, NULL, NULL, 0);
    client_order(&c, VRP_STATE_LOAD, 2, NULL, "1234", 5);
    client_order(&c, VRP_STATE_LOAD, 3, NULL, "1235", 5);
    client_order(&c, VRP_STATE_LOAD, 4, NULL, NULL, 0);
    g_assert_true(vrs_run(c.s));
    client_get(&c, message, data);
    g_assert_cmpuint(data->len, ==, 5);
    g_assert_cmpint(memcmp(data->data, "1234", 5), ==, 0);
    client_expect(&c, VRP_STATE_LOAD, 2, message);
    for (int i = 0; i < 2; i++) {
        g_assert_cmphex(client_get(&c, message, NULL).flags, ==,
                        VRP_TYPE_REPLY | VRP_FLAG_ERROR);
    }
    client_order(&c, VRP_RUN, 7, &neither, NULL, 0);
    client_hung_up_on(&c, "neither runs");
}

/* What a client may not send; each is the end. */
static void test_lies(void)
{
    const VRPResolve rid = { .rid = 0x10000, .pasid = VRP_NO_PASID };
    const VRPResolve pasid = { .pasid = 0x100000 };
    const VRPTranslate access = { .access = 16 };
    const VRPTranslate domain = { .domain = VRP_DOMAINS };
    const VRPFault fault = { .verdict = VRP_VERDICTS };
    const VRPRegion nothing = { 0 }, nine = { .count = 9 };
    const VRPRegion other = { .count = 4, .region = 1 };
    const VRPRegion four = { .count = 4 };
    const VRPDMA dma = { .count = 8 };
    const VRPUpdate update = { 0 };
    const VRPEndpoint stranger = { .rid = 0x10000 };
    const VRPEndpoint twice = { .present = 2 };
    const VRPFault translated = { .access = VRP_BY_ATS };
    const VRPPageRequest flags = { .flags = 1u << 4 };
    const VRPPageRequest group = { .group = VRP_PAGE_GROUPS };
    const VRPPageResponse response = { 0 };
    const struct {
        VRPCommand command;
        const void *message;
        size_t len;
        const char *words;
    } lies[] = {
        { VRP_RESOLVE, &rid, 0, "16 bits" },
        { VRP_RESOLVE, &pasid, 0, "20 bits" },
        { VRP_RESOLVE, &rid, 1, "size of its command" },
        { VRP_TRANSLATE, &access, 0, "reserved bits" },
        { VRP_TRANSLATE, &domain, 0, "below 2^24" },
        { VRP_FAULT, &fault, 0, "unknown verdict" },
        { VRP_REGION_READ, &nothing, 0, "1 to 8 bytes" },
        { VRP_REGION_READ, &nine, 0, "1 to 8 bytes" },
        { VRP_REGION_READ, &other, 0, "one region" },
        { VRP_REGION_WRITE, &four, 3, "as much data" },
        { VRP_DMA_READ, &dma, 0, "the server's to send" },
        { VRP_UPDATE, &update, 0, "the server's to send" },
        { VRP_ENDPOINT, &stranger, 0, "16 bits" },
        { VRP_ENDPOINT, &twice, 0, "neither there nor gone" },
        { VRP_ATS_FAULT, &fault, 0, "unknown verdict" },
        { VRP_ATS_FAULT, &translated, 0, "reserved bits" },
        { VRP_PAGE_REQUEST, &flags, 0, "reserved bits" },
        { VRP_PAGE_REQUEST, &group, 0, "below 512" },
        { VRP_PAGE_RESPONSE, &response, 0, "the server's to send" },
    };
    Client c;

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        client_begin(&c);
        client_greet_saying(&c, hello_all, sizeof(hello_all));
        client_order(&c, lies[i].command, 1, lies[i].message, "\1\2\3",
                     lies[i].len);
        client_hung_up_on(&c, lies[i].words);
    }
    client_begin(&c);
    client_greet(&c);
    client_reply(&c, VRP_TRANSLATE, 1, &(VRPAnswer){ 0 }, NULL, 0);
    client_hung_up_on(&c, "a command that has none");
    client_begin(&c);
    client_put(&c, &(VRPHeader){ .command = VRP_RESET, .size = 15 }, NULL,
               NULL, NULL, 0, -1);
    client_hung_up_on(&c, "16 bytes to 1 MiB");
    client_begin(&c);
    client_put(&c, &(VRPHeader){ .command = VRP_RESET, .size = 17 }, NULL,
               NULL, NULL, 0, -1);
    shutdown(c.fd, SHUT_WR);
    client_hung_up_on(&c, "ends before its end");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote-server/hello", test_hello);
    g_test_add_func("/remote-server/handshake", test_handshake);
    g_test_add_func("/remote-server/features", test_features);
    g_test_add_func("/remote-server/endpoint", test_endpoint);
    g_test_add_func("/remote-server/devices", test_devices);
    g_test_add_func("/remote-server/needs", test_needs);
    g_test_add_func("/remote-server/interrupts", test_interrupts);
    g_test_add_func("/remote-server/questions", test_questions);
    g_test_add_func("/remote-server/registers", test_registers);
    g_test_add_func("/remote-server/memory", test_memory);
    g_test_add_func("/remote-server/memory-lies", test_memory_lies);
    g_test_add_func("/remote-server/post", test_post);
    g_test_add_func("/remote-server/ask", test_ask);
    g_test_add_func("/remote-server/drain", test_drain);
    g_test_add_func("/remote-server/drain-merged", test_drain_merged);
    g_test_add_func("/remote-server/state", test_state);
    g_test_add_func("/remote-server/lies", test_lies);
    return g_test_run();
}
