/*
 * Soak: network devices, two for each space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/sockets.h"
#include "viommu-nic.h"
#include "viommu-soak-net.h"

#define SLOT(i)         (13 + (i))
#define SID(i)          (SLOT(i) << 3)

/* Below the data: a ring and the beginnings of frames, of each device */
#define BELOW           (16 * UNIT_PAGE)
#define RING(i)         ((i) * 2 * UNIT_PAGE)
#define HEADS(i)        (RING(i) + UNIT_PAGE)

#define ETHERTYPE       0x7777       /* nobody's */
#define RARP            0x8035       /* the emulator's own, after a migration */
#define FILLER          0x5a
#define FRAME_MAX       1514
#define PIECE_MAX       700          /* of a frame that is sent */
#define FRAMES          64           /* under way, at most */
#define SELDOM          4

/* What a frame begins with; bytes of those that are received are below 0x80. */
typedef struct QEMU_PACKED Head {
    uint8_t dst[6], src[6];
    uint16_t type;
    uint32_t number;
} Head;

#define HEAD_SIZE       64           /* with what a device wants before it */

typedef struct Port {
    const NicOps *ops;
    unsigned side;
    int peer, fd;                    /* our end of the wire, the emulator's */
    UnitSpace *space;
    uint64_t ring, heads;            /* guest memory */
    Nic *nic;
    uint32_t next, seen;             /* numbers: of the next frame, after it */
    unsigned lengths[FRAMES];        /* of what follows the head, by number */
    unsigned pages[NIC_SLOTS][NIC_PIECES];   /* of a frame, without its head */
    unsigned counts[NIC_SLOTS];      /* of its pieces */
    /* When pages began to change: the first frame it had, and how many */
    unsigned first, held;
} Port;

struct SoakNet {
    GRand *rand;
    Unit *unit;
    uint64_t iova;
    uint8_t allowed;
    Port ports[4];
    uint64_t received, sent, broken;
};

static const struct {
    const NicOps *ops;
    unsigned side;
} kinds[] = {
    { &nic_e1000e, 0 }, { &nic_virtio, 0 },
    { &nic_e1000e, 1 }, { &nic_virtio, 1 },
};
QEMU_BUILD_BUG_ON(G_N_ELEMENTS(kinds) != G_N_ELEMENTS(((SoakNet *)0)->ports));

#define FOR_EACH_PORT(n, p) \
    for (Port *p = (n) ? (n)->ports : NULL; \
         p && p < (n)->ports + G_N_ELEMENTS((n)->ports); p++)

/* Devices of the writers' space take frames, those of the reader's send. */
static bool sends(const Port *p)
{
    return p->side == 1;
}

static unsigned index_of(const SoakNet *n, const Port *p)
{
    return p - n->ports;
}

/*
 * The emulator's end goes to every one that is started.  It has room for a few
 * frames: the least that there can be.
 */
static void port_new(Port *p, unsigned i)
{
    int fds[2], room = 1;

    p->ops = kinds[i].ops;
    p->side = kinds[i].side;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    p->peer = fds[0];
    p->fd = fds[1];
    g_assert_cmpint(fcntl(p->peer, F_SETFD, FD_CLOEXEC), ==, 0);
    g_assert_cmpint(fcntl(p->peer, F_SETFL, O_NONBLOCK), ==, 0);
    g_assert_cmpint(setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &room,
                               sizeof(room)), ==, 0);
}

SoakNet *soak_net_new(GRand *rand)
{
    SoakNet *n = g_new0(SoakNet, 1);

    n->rand = rand;
    FOR_EACH_PORT(n, p) {
        port_new(p, index_of(n, p));
    }
    return n;
}

char *soak_net_args(const SoakNet *n)
{
    GString *args = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(n->ports); i++) {
        g_string_append_printf(args,
            "-netdev dgram,id=wire%u,local.type=fd,local.str=%d "
            "-device %s,id=soak-nic%u,addr=%02x.0,netdev=wire%u ",
            i, n->ports[i].fd, n->ports[i].ops->device, i, SLOT(i), i);
    }
    return g_string_free(args, false);
}

/* Frames that are received */

static void frame_send(SoakNet *n, Port *p)
{
    uint8_t frame[FRAME_MAX];
    size_t len = g_rand_int_range(n->rand, sizeof(Head), FRAME_MAX + 1);
    Head head = {
        .dst = { 2 }, .src = { 2, 1 }, .type = cpu_to_be16(ETHERTYPE),
        .number = cpu_to_be32(p->next & 0x7f7f7f7f),
    };

    memset(frame, FILLER, len);
    memcpy(frame, &head, sizeof(head));
    p->next += send(p->peer, frame, len, 0) == len;
}

static void port_receive(SoakNet *n, Port *p, const int *at, unsigned pages)
{
    unsigned i;

    while (nic_room(p->nic)) {
        unsigned page = g_rand_int_range(n->rand, 0, pages);
        NicPiece piece = {
            n->iova + page * UNIT_PAGE +
            (g_rand_boolean(n->rand) ? NIC_RX_LEN : 0), NIC_RX_LEN,
        };

        if (at[page] < 0) {
            break;
        }
        p->ops->put(p->nic, &piece, 1);
    }
    for (i = 0; i < NIC_SLOTS / 2; i++) {
        frame_send(n, p);
    }
}

/* Frames that are sent */

/*
 * What the pages held while they were the device's, or zeroes, as in
 * viommu-soak-nvme.c.
 */
static void frame_check(SoakNet *n, Port *p, const uint8_t *frame, size_t len)
{
    Head head;
    uint32_t number;
    size_t i;

    g_assert_cmpuint(len, >, sizeof(head));
    memcpy(&head, frame, sizeof(head));
    if (be16_to_cpu(head.type) == RARP) {
        return;
    }
    g_assert_cmphex(be16_to_cpu(head.type), ==, ETHERTYPE);
    number = be32_to_cpu(head.number);
    /* In order, and each once; a reset or a move loses some. */
    g_assert_cmpuint(number - p->seen, <, FRAMES);
    g_assert_cmpuint(number, <, p->next);
    p->seen = number + 1;
    g_assert_cmpuint(len - sizeof(head), ==, p->lengths[number % FRAMES]);
    for (i = sizeof(head); i < len; i++) {
        if (frame[i] != n->allowed &&
            (frame[i] || !n->unit->ops->by_request)) {
            g_error("%02x was sent, at %zx of frame %u", frame[i], i, number);
        }
    }
    n->sent++;
}

static void frames_look(SoakNet *n, Port *p)
{
    uint8_t frame[FRAME_MAX + 1];
    ssize_t len;

    while ((len = recv(p->peer, frame, sizeof(frame), 0)) > 0) {
        frame_check(n, p, frame, len);
    }
}

/* The wire is full most of the time, and then a device keeps a frame. */
static void frames_look_seldom(SoakNet *n, Port *p)
{
    if (!g_rand_int_range(n->rand, 0, SELDOM)) {
        frames_look(n, p);
    }
}

/*
 * Pages are different ones: no two maps are of the same memory, which would
 * make one of them a copy.
 */
static void port_send(SoakNet *n, Port *p, const int *at, unsigned pages)
{
    unsigned skip = p->ops->header_len, slot = p->nic->put % NIC_SLOTS, i;
    uint64_t at_head = slot * HEAD_SIZE;
    unsigned count = g_rand_int_range(n->rand, 2, NIC_PIECES + 1);
    Head head = {
        .dst = { 2 }, .src = { 2, 1 }, .type = cpu_to_be16(ETHERTYPE),
        .number = cpu_to_be32(p->next),
    };
    NicPiece pieces[NIC_PIECES];
    unsigned *length = &p->lengths[p->next % FRAMES];

    pieces[0] = (NicPiece) {
        n->iova - BELOW + HEADS(index_of(n, p)) + at_head,
        skip + sizeof(head),
    };
    *length = 0;
    for (i = 1; i < count; i++) {
        unsigned page = g_rand_int_range(n->rand, 0, pages);
        unsigned offset = g_rand_int_range(n->rand, 0, UNIT_PAGE - PIECE_MAX);
        unsigned len = g_rand_int_range(n->rand, 1, PIECE_MAX + 1);

        if (at[page] < 0 || (i == 2 && page == p->pages[slot][1])) {
            return;
        }
        p->pages[slot][i] = page;
        pieces[i] = (NicPiece) { n->iova + page * UNIT_PAGE + offset, len };
        *length += len;
    }
    qtest_memwrite(n->unit->qts, p->heads + at_head + skip, &head,
                   sizeof(head));
    p->next++;
    p->counts[slot] = count;
    p->ops->put(p->nic, pieces, count);
}

/* The whole */

static void port_open(SoakNet *n, Port *p)
{
    unsigned i = index_of(n, p);
    g_autofree char *id = g_strdup_printf("soak-nic%u", i);

    if (p->nic) {
        p->ops->close(p->nic);
    }
    p->held = 0;
    p->nic = p->ops->open(n->unit, id, SID(i), p->ring,
                          n->iova - BELOW + RING(i), sends(p));
}

static void port_reap(SoakNet *n, Port *p)
{
    while (p->ops->take(p->nic)) {
        n->received += !sends(p);
    }
}

static void port_round(SoakNet *n, Port *p, const int *at, unsigned pages)
{
    if (p->ops->broken(p->nic)) {
        port_open(n, p);
        n->broken++;
    }
    port_reap(n, p);
    if (!sends(p)) {
        port_receive(n, p, at, pages);
        return;
    }
    frames_look_seldom(n, p);
    while (nic_room(p->nic) && p->next - p->seen < FRAMES / 2) {
        uint32_t before = p->next;

        port_send(n, p, at, pages);
        if (p->next == before) {
            break;
        }
    }
}

void soak_net_round(SoakNet *n, unsigned side, const int *at, unsigned pages)
{
    FOR_EACH_PORT(n, p) {
        if (p->side == side) {
            port_round(n, p, at, pages);
        }
    }
}

void soak_net_begin(SoakNet *n, unsigned side)
{
    FOR_EACH_PORT(n, p) {
        if (p->side == side && sends(p)) {
            port_reap(n, p);
            p->first = p->nic->taken;
            p->held = p->ops->held(p->nic);
        }
    }
}

/* The content of a frame that is held is a copy; its pages are mapped. */
static void frame_is_gone(SoakNet *n, Port *p, unsigned frame, unsigned first,
                          unsigned order)
{
    unsigned slot = frame % NIC_SLOTS, i;

    for (i = 1; i < p->counts[slot]; i++) {
        if (p->pages[slot][i] - first < 1u << order &&
            (int)(frame - p->nic->taken) >= 0) {
            g_error("soak-nic%u has a frame of page %u, which was taken away",
                    index_of(n, p), p->pages[slot][i]);
        }
    }
}

void soak_net_end(SoakNet *n, unsigned side, unsigned first, unsigned order)
{
    FOR_EACH_PORT(n, p) {
        if (p->side == side && sends(p)) {
            unsigned i;

            port_reap(n, p);
            for (i = 0; i < p->held; i++) {
                frame_is_gone(n, p, p->first + i, first, order);
            }
        }
    }
}

void soak_net_wait(SoakNet *n)
{
    FOR_EACH_PORT(n, p) {
        if (sends(p)) {
            frames_look_seldom(n, p);
        }
    }
}

void soak_net_place(SoakNet *n, Unit *unit, UnitSpace *const spaces[2],
                    uint64_t iova, uint8_t allowed)
{
    n->unit = unit;
    n->iova = iova;
    n->allowed = allowed;
    FOR_EACH_PORT(n, p) {
        uint64_t at = iova - BELOW;
        unsigned i = index_of(n, p);

        p->space = spaces[p->side];
        p->ring = unit_alloc(unit, 1);
        p->heads = unit_alloc(unit, 1);
        unit->ops->map(unit, p->space, at + RING(i), p->ring, UNIT_PAGE,
                       UNIT_RW);
        unit->ops->map(unit, p->space, at + HEADS(i), p->heads, UNIT_PAGE,
                       UNIT_RW);
    }
}

void soak_net_attach(SoakNet *n)
{
    FOR_EACH_PORT(n, p) {
        n->unit->ops->attach(n->unit, SID(index_of(n, p)), p->space);
    }
}

void soak_net_open(SoakNet *n)
{
    FOR_EACH_PORT(n, p) {
        port_open(n, p);
    }
}

void soak_net_adopt(SoakNet *n, Unit *unit)
{
    if (n) {
        n->unit = unit;
    }
    FOR_EACH_PORT(n, p) {
        nic_adopt(p->nic, unit);
    }
}

void soak_net_free(SoakNet *n)
{
    FOR_EACH_PORT(n, p) {
        p->ops->close(p->nic);
        close(p->peer);
        close(p->fd);
    }
    g_free(n);
}

uint64_t soak_net_received(const SoakNet *n)
{
    return n ? n->received : 0;
}

uint64_t soak_net_sent(const SoakNet *n)
{
    return n ? n->sent : 0;
}

uint64_t soak_net_broken(const SoakNet *n)
{
    return n ? n->broken : 0;
}
