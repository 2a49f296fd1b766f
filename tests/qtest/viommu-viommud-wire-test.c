/*
 * qemu-viommud at the other end of its socket: what the guest is told before
 * the client has answered, and what it is not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test is the client, and the guest: an answer comes when it says so.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "hw/iommu/remote/remote-frame.h"
#include "qemu/bswap.h"
#include "viommu-remote.h"
#include "viommu-viommud.h"
#include "viommu-vtd-spec.h"

#define MEMORY      (1u << 20)       /* from address 0 on; in it: */
#define QUEUE       0x1000
#define TABLE       0x2000
#define STATUS      0x3000
#define ENTRIES     8                /* log2 */
#define INDEX       5
#define VECTOR      0x61
#define RID         0x20
#define TICKET      0x1234u
#define DATA_MAX    64

typedef struct Wire {
    char *path;
    GPid server;
    int fd;
    uint8_t *memory;
    uint16_t next_id;
    unsigned tail;           /* of the queue, in descriptors */
    /* What has come */
    unsigned inv_n;          /* invalidations, and the last one */
    VRPHeader inv_header;
    VRPInvalidate inv;
    uint32_t status;         /* what was written at STATUS; 0: nothing */
} Wire;

static void wire_put(Wire *w, VRPHeader h, const char *fields,
                     const void *message, const void *data, size_t len, int fd)
{
    uint8_t bytes[sizeof(h) + VRP_FIXED_MAX + 256];
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    size_t fixed = vrp_fields_size(fields);
    struct iovec iov = { bytes, sizeof(h) + fixed + len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    g_assert_cmpuint(iov.iov_len, <=, sizeof(bytes));
    h.size = iov.iov_len;
    vrp_pack(VRP_HEADER_FIELDS, &h, bytes);
    vrp_pack(fields, message, bytes + sizeof(h));
    memcpy(bytes + sizeof(h) + fixed, data ?: "", len);
    if (fd >= 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    g_assert_cmpint(sendmsg(w->fd, &msg, 0), ==, iov.iov_len);
}

static uint16_t wire_order(Wire *w, VRPCommand command, uint32_t flags,
                           const void *message, const void *data, size_t len)
{
    VRPHeader h = { .id = w->next_id++, .command = command, .flags = flags };

    wire_put(w, h, vrp_shape(command)->fields, message, data, len, -1);
    return h.id;
}

static void wire_take(Wire *w, void *to, size_t size)
{
    g_assert_cmpint(size ? recv(w->fd, to, size, MSG_WAITALL) : 0, ==, size);
}

/* What the server sends of its own accord; memory is written at once. */
static void wire_serve(Wire *w, const VRPHeader *h, const void *message,
                       const uint8_t *data)
{
    VRPHeader back = { .id = h->id, .command = h->command,
                       .flags = VRP_TYPE_REPLY };
    const VRPDMA *dma = message;

    if (h->command == VRP_INVALIDATE) {
        w->inv_n++;
        w->inv_header = back;
        w->inv = *(const VRPInvalidate *)message;
        return;
    }
    g_assert_cmphex(h->command, ==, VRP_DMA_WRITE);
    g_assert_cmphex(dma->addr, ==, STATUS);
    g_assert_cmpuint(dma->count, ==, sizeof(w->status));
    memcpy(&w->status, data, sizeof(w->status));
    if (!(h->flags & VRP_FLAG_NO_REPLY)) {
        wire_put(w, back, vrp_shape(h->command)->answer, dma, NULL, 0, -1);
    }
}

/*
 * Until the answer to @id, which is copied to @answer, of VRP_FIXED_MAX bytes;
 * what follows is returned as a number.
 */
static uint64_t wire_answer(Wire *w, uint16_t id, void *answer)
{
    uint64_t message[VRP_FIXED_MAX / 8], value = 0;
    uint8_t bytes[sizeof(VRPHeader)];
    g_autofree uint8_t *body = NULL;
    const VRPShape *shape;
    size_t fixed, len;
    VRPHeader h;
    bool reply;

    do {
        wire_take(w, bytes, sizeof(bytes));
        vrp_unpack(VRP_HEADER_FIELDS, bytes, &h);
        g_assert_null(vrp_check_header(&h));
        len = h.size - sizeof(h);
        g_free(body);
        body = g_malloc0(len + DATA_MAX);
        wire_take(w, body, len);
        g_assert_cmpstr(vrp_check_server(&h, body, VRP_F_INTERRUPTS, message),
                        ==, NULL);
        g_assert_cmphex(h.flags & VRP_FLAG_ERROR, ==, 0);
        shape = vrp_shape(h.command);
        reply = (h.flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
        fixed = vrp_fields_size(reply ? shape->answer : shape->fields);
        if (!reply) {
            wire_serve(w, &h, message, body + fixed);
        }
    } while (!reply || h.id != id);
    if (answer) {
        memcpy(answer, message, fixed);
    }
    if (h.command == VRP_REGION_READ) {
        memcpy(&value, body + fixed, MIN(len - fixed, sizeof(value)));
    }
    return value;
}

static void wire_ask(Wire *w, VRPCommand command, const void *message,
                     const void *data, size_t len, void *answer)
{
    wire_answer(w, wire_order(w, command, 0, message, data, len), answer);
}

static uint64_t wire_read(Wire *w, unsigned reg, unsigned size)
{
    const VRPRegion region = { .offset = reg, .count = size };

    return wire_answer(w, wire_order(w, VRP_REGION_READ, 0, &region, NULL, 0),
                       NULL);
}

static void wire_write(Wire *w, unsigned reg, uint64_t value, unsigned size)
{
    const VRPRegion region = { .offset = reg, .count = size };

    wire_order(w, VRP_REGION_WRITE, VRP_FLAG_NO_REPLY, &region, &value, size);
}

/* Nobody has any more what the last invalidation was about. */
static void wire_drained(Wire *w)
{
    const VRPDrained drained = { w->inv.seq };

    wire_put(w, w->inv_header, vrp_shape(VRP_INVALIDATE)->answer, &drained,
             NULL, 0, -1);
}

static int wire_memory(Wire *w)
{
    FILE *file = tmpfile();
    int fd;

    g_assert_nonnull(file);
    fd = dup(fileno(file));
    fclose(file);
    g_assert_cmpint(ftruncate(fd, MEMORY), ==, 0);
    w->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(w->memory != MAP_FAILED);
    return fd;
}

static void wire_connect(Wire *w)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    w->server = viommud_run(rmt_listen(&w->path), "intel-iommu,intremap=on",
                            NULL);
    strcpy(addr.sun_path, w->path);
    w->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(w->fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    0);
}

static void wire_greet(Wire *w)
{
    static const char hello[] = "{\"capabilities\": {\"viommu\": {"
                                "\"version\": 1, "
                                "\"features\": [\"interrupts\"]}}}";
    const VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    const VRPDMAMap map = { .argsz = sizeof(map), .size = MEMORY,
                            .flags = VRP_DMA_READABLE | VRP_DMA_WRITEABLE };
    const VRPHeader h = { .command = VRP_DMA_MAP,
                          .flags = VRP_FLAG_NO_REPLY };
    const VRPRun run = { .running = 1 };
    int memory = wire_memory(w);

    wire_ask(w, VRP_VERSION, &version, hello, sizeof(hello), NULL);
    wire_ask(w, VRP_REGION_INFO, &info, NULL, 0, NULL);
    wire_put(w, h, vrp_shape(VRP_DMA_MAP)->fields, &map, NULL, 0, memory);
    close(memory);
    wire_ask(w, VRP_RESET, NULL, NULL, 0, NULL);
    wire_ask(w, VRP_RUN, &run, NULL, 0, NULL);
}

/* The queue is on. */
static Wire *wire_new(void)
{
    Wire *w = g_new0(Wire, 1);

    wire_connect(w);
    wire_greet(w);
    wire_write(w, VTD_IQA, QUEUE, 8);
    wire_write(w, VTD_GCMD, VTD_G_QIE, 4);
    g_assert_cmphex(wire_read(w, VTD_GSTS, 4), ==, VTD_G_QIE);
    g_assert_cmpuint(w->inv_n, ==, 0);
    return w;
}

static void wire_free(Wire *w)
{
    close(w->fd);
    rmt_end_server(w->server);
    munmap(w->memory, MEMORY);
    unlink(w->path);
    g_free(w->path);
    g_free(w);
}

/* A command of GCMD, of which @bit of GSTS says when it is complete */
static void wire_command(Wire *w, uint32_t command, uint32_t bit, bool set)
{
    unsigned before = w->inv_n;
    uint32_t now;

    wire_write(w, VTD_GCMD, command, 4);
    for (int i = 0; i < 2; i++) {
        /* However often it looks */
        now = wire_read(w, VTD_GSTS, 4);
        g_assert_cmpint(!(now & bit), ==, set);
    }
    g_assert_cmpuint(w->inv_n, ==, before + 1);
    g_assert_cmpuint(w->inv.kind, ==, VRP_INV_INTERRUPT_ALL);
    wire_drained(w);
    now = wire_read(w, VTD_GSTS, 4);
    g_assert_cmpint(!(now & bit), ==, !set);
}

static void test_command(void)
{
    Wire *w = wire_new();

    wire_write(w, VTD_IRTA, TABLE | VTD_IRTA_SIZE(ENTRIES), 8);
    wire_command(w, VTD_G_QIE | VTD_G_SIRTP, VTD_G_SIRTP, true);
    wire_command(w, VTD_G_QIE | VTD_G_IRE, VTD_G_IRE, true);
    wire_command(w, VTD_G_QIE, VTD_G_IRE, false);
    wire_free(w);
}

static void wire_descriptor(Wire *w, uint64_t lo, uint64_t hi)
{
    uint64_t *at = (uint64_t *)(w->memory + QUEUE) + 2 * w->tail++;

    at[0] = cpu_to_le64(lo);
    at[1] = cpu_to_le64(hi);
}

/*
 * A wait behind an invalidation of an entry; meanwhile the unit says where a
 * message leads.
 */
static void test_wait(void)
{
    const VRPRemap question = { .addr = VTD_MSI_REMAP(INDEX), .rid = RID,
                                .flags = VRP_REMAP_REQUEST };
    uint64_t message[VRP_FIXED_MAX / 8];
    const VRPRemapped *answer = (const VRPRemapped *)message;
    Wire *w = wire_new();
    uint64_t *entry = (uint64_t *)(w->memory + TABLE) + 2 * INDEX;
    unsigned before;

    wire_write(w, VTD_IRTA, TABLE | VTD_IRTA_SIZE(ENTRIES), 8);
    wire_command(w, VTD_G_QIE | VTD_G_SIRTP, VTD_G_SIRTP, true);
    wire_command(w, VTD_G_QIE | VTD_G_IRE, VTD_G_IRE, true);
    before = w->inv_n;
    wire_descriptor(w, VTD_D_IEC | VTD_D_IEC_INDEX | (uint64_t)INDEX << 32, 0);
    wire_descriptor(w, VTD_D_WAIT | VTD_D_WAIT_SW | VTD_D_WAIT_DATA(TICKET),
                    STATUS);
    *entry = cpu_to_le64(VTD_IRTE_P | VTD_IRTE_VECTOR(VECTOR));
    wire_write(w, VTD_IQT, w->tail * 16, 8);
    wire_ask(w, VRP_REMAP, &question, NULL, 0, message);
    g_assert_cmpuint(answer->verdict, ==, VRP_REMAP_SEND);
    g_assert_cmpuint(answer->index, ==, INDEX);
    g_assert_cmphex(answer->flags, ==, VRP_REMAPPED_KEEP);
    g_assert_cmphex(answer->data & 0xff, ==, VECTOR);
    g_assert_cmpuint(w->inv_n, ==, before + 1);
    g_assert_cmpuint(w->inv.kind, ==, VRP_INV_INTERRUPT);
    g_assert_cmpuint(w->inv.first, ==, INDEX);
    g_assert_cmpuint(w->inv.last, ==, INDEX);
    /* It is not complete, and the queue stands at the wait. */
    g_assert_cmphex(wire_read(w, VTD_IQH, 8), ==, 16);
    g_assert_cmphex(w->status, ==, 0);
    wire_drained(w);
    g_assert_cmphex(wire_read(w, VTD_IQH, 8), ==, 32);
    g_assert_cmphex(w->status, ==, TICKET);
    wire_free(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/viommud/wire/command", test_command);
    qtest_add_func("/viommu/viommud/wire/wait", test_wait);
    return g_test_run();
}
