/*
 * Soak: two NVMe controllers, one for each space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-nvme.h"
#include "viommu-soak-nvme.h"

#define CONTROLLERS     2        /* by the space: the writers', the reader's */
#define SLOT(c)         (11 + (c))
#define SID(c)          (SLOT(c) << 3)

/* Commands in flight at most, each with a list and a piece of the disk */
#define COMMANDS        4
#define SPARES          2
#define SELDOM          3
#define DATA_PAGES      4
#define PER_PAGE        (UNIT_PAGE / NVME_SECTOR)
#define LONGEST         (DATA_PAGES * PER_PAGE)
#define LAST_ENTRY      (UNIT_PAGE - 8)

/* Below the data: queues, lists, and what lists that are gone lead to */
#define BELOW           (16 * UNIT_PAGE)
#define LISTS           (NVME_QUEUE_PAGES * UNIT_PAGE)
#define TRAP            (LISTS + COMMANDS * UNIT_PAGE)

#define ON_DISK         0x33
#define TRAPPED         0xd5

typedef struct Command {
    bool busy, late;
    unsigned sectors;
} Command;

typedef struct Controller {
    UnitSpace *space;
    char *image;
    int fd;
    uint64_t queues, trap;           /* guest memory, as are these */
    uint64_t lists[COMMANDS], spares[SPARES];
    Nvme *nvme;
    Command commands[COMMANDS];
} Controller;

struct SoakNvme {
    GRand *rand;
    Unit *unit;
    unsigned form;
    uint64_t iova;
    uint8_t allowed, forbidden;
    Controller controllers[CONTROLLERS];
    uint64_t operations, failed, late, moved;
};

static bool writes_disk(const SoakNvme *n, const Controller *c)
{
    return c == &n->controllers[1];
}

static void image_new(Controller *c)
{
    size_t size = COMMANDS * LONGEST * NVME_SECTOR;
    g_autofree char *data = g_malloc(size);

    memset(data, ON_DISK, size);
    c->fd = g_file_open_tmp("viommu-soak-XXXXXX", &c->image, NULL);
    g_assert_cmpint(c->fd, >=, 0);
    g_assert_cmpint(write(c->fd, data, size), ==, size);
}

SoakNvme *soak_nvme_new(GRand *rand)
{
    SoakNvme *n = g_new0(SoakNvme, 1);
    unsigned i;

    n->rand = rand;
    for (i = 0; i < CONTROLLERS; i++) {
        image_new(&n->controllers[i]);
    }
    return n;
}

/* Slow enough that commands are in flight when pages change hands */
char *soak_nvme_args(const SoakNvme *n)
{
    GString *args = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < CONTROLLERS; i++) {
        g_string_append_printf(args,
            "-object throttle-group,id=nvme-slow%u,x-iops-total=150 "
            "-blockdev driver=throttle,node-name=nvme-node%u,"
            "throttle-group=nvme-slow%u,file.driver=file,file.locking=off,"
            "file.filename=%s "
            "-device nvme,addr=%02x.0,serial=soak%u,drive=nvme-node%u ",
            i, i, i, n->controllers[i].image, SLOT(i), i, i);
    }
    return g_string_free(args, false);
}

/* Lists */

static void list_map(SoakNvme *n, Controller *c, unsigned i)
{
    n->unit->ops->map(n->unit, c->space,
                      n->iova - BELOW + LISTS + i * UNIT_PAGE, c->lists[i],
                      UNIT_PAGE, UNIT_RW);
}

/* In nobody's hands any more: whoever goes by it is caught. */
static void list_poison(SoakNvme *n, uint64_t gpa)
{
    uint64_t entries[UNIT_PAGE / 8];
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(entries); i++) {
        entries[i] = cpu_to_le64(n->iova - BELOW + TRAP);
    }
    qtest_memwrite(n->unit->qts, gpa, entries, sizeof(entries));
}

/* The list of a command that may be under way is the same elsewhere. */
void soak_nvme_lists(SoakNvme *n, unsigned side)
{
    uint64_t old, *spare, list[UNIT_PAGE / 8];
    UnitScope scope;
    Controller *c;
    unsigned i;

    if (!n || g_rand_boolean(n->rand)) {
        return;
    }
    c = &n->controllers[side];
    i = g_rand_int_range(n->rand, 0, COMMANDS);
    scope = UNIT_ALL + g_rand_int_range(n->rand, 0, 3);
    spare = &c->spares[g_rand_int_range(n->rand, 0, SPARES)];
    old = c->lists[i];
    qtest_memread(n->unit->qts, old, list, sizeof(list));
    qtest_memwrite(n->unit->qts, *spare, list, sizeof(list));
    c->lists[i] = *spare;
    *spare = old;
    list_map(n, c, i);
    unit_inv(n->unit, n->form, scope, c->space, scope != UNIT_RANGE ? 0 :
             n->iova - BELOW + LISTS + i * UNIT_PAGE, 0);
    list_poison(n, old);
    n->moved++;
}

/* Commands */

/*
 * PRP 2 of command @i, for the pages @prp[1] .. @prp[@pages - 1] (4.1.1).  A
 * list may begin with its page's last entry, which leads to the rest: that is
 * at the beginning of the same page here.
 */
static uint64_t second_prp(SoakNvme *n, const Controller *c, unsigned i,
                           const uint64_t *prp, unsigned pages)
{
    uint64_t iova = n->iova - BELOW + LISTS + i * UNIT_PAGE;
    unsigned j;

    if (pages <= 2) {
        return pages < 2 ? 0 : prp[1];
    }
    for (j = 1; j < pages; j++) {
        qtest_writeq(n->unit->qts, c->lists[i] + (j - 1) * 8, prp[j]);
    }
    if (g_rand_boolean(n->rand)) {
        return iova;
    }
    qtest_writeq(n->unit->qts, c->lists[i] + LAST_ENTRY, iova);
    return iova + LAST_ENTRY;
}

static void command_submit(SoakNvme *n, Controller *c, unsigned i,
                           const uint64_t *prp, unsigned pages)
{
    unsigned skip = g_rand_int_range(n->rand, 0, PER_PAGE);
    unsigned most = pages * PER_PAGE - skip;
    unsigned sectors = most - g_rand_int_range(n->rand, 0, MIN(most, PER_PAGE));
    NvmeRwCmd cmd = {
        .opcode = writes_disk(n, c) ? NVME_CMD_WRITE : NVME_CMD_READ,
        .cid = cpu_to_le16(i),
        .nsid = cpu_to_le32(1),
        .slba = cpu_to_le64(i * LONGEST),
        .nlb = cpu_to_le16(sectors - 1),
    };

    cmd.dptr.prp1 = cpu_to_le64(prp[0] + skip * NVME_SECTOR);
    cmd.dptr.prp2 = cpu_to_le64(second_prp(n, c, i, prp, pages));
    c->commands[i] = (Command) { .busy = true, .sectors = sectors };
    nvme_submit(c->nvme, NVME_IO, (NvmeCmd *)&cmd);
}

/*
 * What was written is what the pages held while they were the controller's.
 * Where a page is changed by taking it away first, there may have been none,
 * and the memory core reads zeroes.
 */
static void command_check(SoakNvme *n, Controller *c, unsigned i, bool ok)
{
    size_t len = c->commands[i].sectors * NVME_SECTOR, j;
    uint8_t data[LONGEST * NVME_SECTOR];

    g_assert_cmpint(pread(c->fd, data, len, i * sizeof(data)), ==, len);
    for (j = 0; j < len; j++) {
        if (data[j] != n->allowed &&
            (data[j] || !n->unit->ops->by_request) &&
            (data[j] != ON_DISK || ok)) {
            g_error("%02x on the disk, at %zx of command %u", data[j], j, i);
        }
    }
}

static void controller_reap(SoakNvme *n, Controller *c)
{
    uint16_t i, status;

    while (nvme_take(c->nvme, NVME_IO, &i, &status)) {
        bool ok = (status & 0x7ff) == NVME_SUCCESS;

        g_assert_cmpuint(i, <, COMMANDS);
        g_assert_true(c->commands[i].busy);
        /* The list was nowhere, but never another one. */
        g_assert_true(ok || (status & 0x7ff) == NVME_DATA_TRAS_ERROR);
        if (writes_disk(n, c)) {
            command_check(n, c, i, ok);
        }
        c->commands[i].busy = false;
        n->operations += ok;
        n->failed += !ok;
    }
}

/*
 * A command to read the disk may be for a page that is not mapped, if it is the
 * only one: the memory core has one page to take its place.
 */
static bool may_be_late(SoakNvme *n, const Controller *c)
{
    unsigned i;

    for (i = 0; i < COMMANDS; i++) {
        if (c->commands[i].busy && c->commands[i].late) {
            return false;
        }
    }
    return !writes_disk(n, c) && !g_rand_int_range(n->rand, 0, SELDOM);
}

static void command_begin(SoakNvme *n, Controller *c, unsigned i, const int *at,
                          unsigned pages)
{
    unsigned want = g_rand_int_range(n->rand, 1, DATA_PAGES + 1), have = 0;
    bool may = may_be_late(n, c), late = false;
    uint64_t prp[DATA_PAGES];

    while (have < want) {
        unsigned page = g_rand_int_range(n->rand, 0, pages);

        if (at[page] < 0 && (late || !may)) {
            break;
        }
        late |= at[page] < 0;
        prp[have++] = n->iova + page * UNIT_PAGE;
    }
    if (have) {
        command_submit(n, c, i, prp, have);
        c->commands[i].late = late;
        n->late += late;
    }
}

void soak_nvme_round(SoakNvme *n, unsigned side, const int *at,
                     unsigned pages)
{
    Controller *c;
    unsigned i;

    if (!n) {
        return;
    }
    c = &n->controllers[side];
    controller_reap(n, c);
    for (i = 0; i < COMMANDS; i++) {
        if (!c->commands[i].busy) {
            command_begin(n, c, i, at, pages);
        }
    }
}

/* The whole */

static void controller_place(SoakNvme *n, Controller *c, UnitSpace *space)
{
    const UnitOps *ops = n->unit->ops;
    uint64_t iova = n->iova - BELOW;
    unsigned i;

    c->space = space;
    c->queues = unit_alloc(n->unit, NVME_QUEUE_PAGES);
    for (i = 0; i < NVME_QUEUE_PAGES; i++) {
        ops->map(n->unit, space, iova + i * UNIT_PAGE,
                 c->queues + i * UNIT_PAGE, UNIT_PAGE, UNIT_RW);
    }
    for (i = 0; i < COMMANDS; i++) {
        c->lists[i] = unit_alloc(n->unit, 1);
        list_map(n, c, i);
    }
    for (i = 0; i < SPARES; i++) {
        c->spares[i] = unit_alloc(n->unit, 1);
        list_poison(n, c->spares[i]);
    }
    c->trap = unit_alloc(n->unit, 1);
    viommu_fill(n->unit, c->trap, writes_disk(n, c) ? n->forbidden : TRAPPED,
                UNIT_PAGE);
    ops->map(n->unit, space, iova + TRAP, c->trap, UNIT_PAGE, UNIT_RW);
}

void soak_nvme_place(SoakNvme *n, Unit *unit, unsigned form,
                     UnitSpace *const spaces[2], uint64_t iova,
                     uint8_t allowed, uint8_t forbidden)
{
    unsigned i;

    n->unit = unit;
    n->form = form;
    n->iova = iova;
    n->allowed = allowed;
    n->forbidden = forbidden;
    for (i = 0; i < CONTROLLERS; i++) {
        controller_place(n, &n->controllers[i], spaces[i]);
    }
}

void soak_nvme_attach(SoakNvme *n)
{
    unsigned i;

    for (i = 0; n && i < CONTROLLERS; i++) {
        n->unit->ops->attach(n->unit, SID(i), n->controllers[i].space);
    }
}

void soak_nvme_open(SoakNvme *n)
{
    unsigned i;

    for (i = 0; n && i < CONTROLLERS; i++) {
        Controller *c = &n->controllers[i];

        if (c->nvme) {
            nvme_free(c->nvme);
        }
        memset(c->commands, 0, sizeof(c->commands));
        c->nvme = nvme_new(n->unit, SID(i), c->queues, n->iova - BELOW);
    }
}

void soak_nvme_check(SoakNvme *n)
{
    if (n) {
        g_assert_true(viommu_is_filled(n->unit, n->controllers[0].trap,
                                       TRAPPED, UNIT_PAGE));
    }
}

void soak_nvme_free(SoakNvme *n)
{
    unsigned i;

    for (i = 0; n && i < CONTROLLERS; i++) {
        Controller *c = &n->controllers[i];

        nvme_free(c->nvme);
        close(c->fd);
        unlink(c->image);
        g_free(c->image);
    }
    g_free(n);
}

uint64_t soak_nvme_operations(const SoakNvme *n)
{
    return n ? n->operations : 0;
}

uint64_t soak_nvme_failed(const SoakNvme *n)
{
    return n ? n->failed : 0;
}

uint64_t soak_nvme_late(const SoakNvme *n)
{
    return n ? n->late : 0;
}

uint64_t soak_nvme_moved(const SoakNvme *n)
{
    return n ? n->moved : 0;
}
