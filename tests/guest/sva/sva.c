/*
 * A process whose addresses a device uses, for tests/guest/sva.py
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   sva ROUNDS SEED     all cases; the last one has so many rounds
 *   sva ROUNDS SEED CASE...
 *
 * Each case is a process of its own, which opens the device and is bound to it.
 * One line for each on standard output:
 *
 *   NAME ok|fail pages=N bound=N commands=N detail
 *
 * with how many page requests the device made, how often it was bound, and how
 * many commands it was given.  The processor compares all the data: with what
 * it was before, where nothing may have been written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "svt-ioctl.h"
#include "x-sva-test.h"

#define PAGE            4096ul
#define HUGE            (512 * PAGE)
#define ATC             (SVT_F_ATC | SVT_F_PAGES)
#define NODES           2
/* The address that two processes both use, each for its own memory */
#define SAME_ADDRESS    ((void *)0x510000000000)

/* What the processes of a case have done, together */
static struct {
    atomic_ulong pages, commands, bound;
    char detail[200];
} *sum;

static int device;
static unsigned long rounds;    /* of the case of that name */
static uint64_t random_state = 88172645463325252;

/* xorshift64 */
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t below(uint64_t limit)
{
    return next_random() % limit;
}

/* Ends the process: what went wrong first is told. */
static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list args;

    if (!sum->detail[0]) {
        va_start(args, format);
        vsnprintf(sum->detail, sizeof(sum->detail), format, args);
        va_end(args);
    }
    _exit(1);
}

#define require(condition, format, ...) do {                            \
    if (!(condition)) {                                                 \
        die("line %d: %s: " format, __LINE__, #condition, ##__VA_ARGS__); \
    }                                                                   \
} while (0)

/* Memory */

static uint8_t *map_pages(size_t bytes)
{
    uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    require(p != MAP_FAILED, "%m");
    /* One page request for each page */
    madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

static void scramble(uint8_t *p, size_t bytes)
{
    size_t i;

    for (i = 0; i + 8 <= bytes; i += 8) {
        uint64_t r = next_random();

        memcpy(p + i, &r, 8);
    }
    for (; i < bytes; i++) {
        p[i] = next_random();
    }
}

static bool all_are(const uint8_t *p, uint8_t value, size_t bytes)
{
    return !bytes || (p[0] == value && !memcmp(p, p + 1, bytes - 1));
}

/* How many pages there are that are in swap */
static unsigned long count_swapped(const uint8_t *p, size_t bytes)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    unsigned long found = 0;
    uint64_t entry;
    size_t i;

    for (i = 0; i < bytes / PAGE; i++) {
        off_t at = ((uintptr_t)p / PAGE + i) * sizeof(entry);

        if (pread(pagemap, &entry, sizeof(entry), at) == sizeof(entry)) {
            found += entry >> 62 & 1;
        }
    }
    close(pagemap);
    return found;
}

/* Moves pages to a node of memory; how many are there then */
static unsigned long move(uint8_t *p, size_t bytes, int node)
{
    enum { MOST = 512, MPOL_MF_MOVE = 2 };
    unsigned long i, count = bytes / PAGE, moved = 0;
    int nodes[MOST], status[MOST];
    void *pages[MOST];

    require(count <= MOST, "%lu pages", count);
    for (i = 0; i < count; i++) {
        pages[i] = p + i * PAGE;
        nodes[i] = node;
        status[i] = -1;
    }
    require(syscall(SYS_move_pages, 0, count, pages, nodes, status,
                    MPOL_MF_MOVE) >= 0, "%m");
    for (i = 0; i < count; i++) {
        moved += status[i] == node;
    }
    return moved;
}

/* The device */

static uint32_t open_device(void)
{
    uint32_t pasid = 0;

    device = open(SVT_DEVICE_PATH, O_RDWR | O_CLOEXEC);
    require(device >= 0, "%m");
    require(!ioctl(device, SVT_IOC_BIND, &pasid), "%m");
    require(pasid, "PASID 0");
    atomic_fetch_add(&sum->bound, 1);
    return pasid;
}

static void submit(struct svt_command *c)
{
    require(!ioctl(device, SVT_IOC_SUBMIT, c), "%m");
}

static void await(struct svt_command *c)
{
    require(!ioctl(device, SVT_IOC_WAIT, c), "%m");
    atomic_fetch_add(&sum->pages, c->pages);
    atomic_fetch_add(&sum->commands, 1);
}

static struct svt_command run(uint32_t command, uint32_t flags, const void *src,
                              const void *dst, uint64_t len, uint64_t arg)
{
    struct svt_command c = {
        .command = command,
        .flags = flags,
        .src = (uintptr_t)src,
        .dst = (uintptr_t)dst,
        .len = len,
        .arg = arg,
    };

    submit(&c);
    await(&c);
    return c;
}

/* Returns: page requests */
static uint32_t run_ok(uint32_t command, uint32_t flags, const void *src,
                       const void *dst, uint64_t len, uint64_t arg)
{
    struct svt_command c = run(command, flags, src, dst, len, arg);

    require(c.status == SVT_S_OK && c.done == len,
            "command %u: status %u, %llu of %llu, fault at 0x%llx", command,
            c.status, (unsigned long long)c.done, (unsigned long long)len,
            (unsigned long long)c.fault);
    return c.pages;
}

/* Children of a case */

static pid_t fork_child(void)
{
    pid_t child = fork();

    require(child >= 0, "%m");
    if (!child) {
        random_state ^= (uint64_t)getpid() << 32;
    }
    return child;
}

static void await_child(pid_t child)
{
    int status;

    require(waitpid(child, &status, 0) == child, "%m");
    require(!status, "status 0x%x", status);
}

static void tell(int fd)
{
    require(write(fd, "x", 1) == 1, "%m");
}

static void await_word(int fd)
{
    char c;

    require(read(fd, &c, 1) == 1, "%m");
}

/* The cases */

/* Pointers into the heap, aligned in no way */
static void case_heap(void)
{
    size_t sizes[] = { 1, 100, 4095, 70000, 300001 };
    unsigned i;

    open_device();
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        uint8_t *a = malloc(n + 2), *b = malloc(n + 2);

        scramble(a, n + 2);
        memset(b, 0, n + 2);
        run_ok(SVT_C_COPY, ATC, a + 1, b + 1, n, 0);
        require(!memcmp(a + 1, b + 1, n), "%zu bytes", n);
        require(!b[0] && !b[n + 1], "written outside of %zu bytes", n);
        run_ok(SVT_C_COMPARE, ATC, a + 1, b + 1, n, 0);
        run_ok(SVT_C_FILL, ATC, NULL, b + 1, n, 0x5a);
        require(all_are(b + 1, 0x5a, n) && !b[0] && !b[n + 1], "%zu", n);
        free(a);
        free(b);
    }
}

/* A list whose nodes are anywhere */
static void case_chase(void)
{
    struct node {
        uint64_t payload;
        struct node *next;
    } *first = NULL, **end = &first;
    struct svt_command c;
    unsigned i, nodes = 500;

    open_device();
    for (i = 0; i < nodes; i++) {
        struct node *n = malloc(sizeof(*n) + below(8) * 1024);

        n->next = NULL;
        *end = n;
        end = &n->next;
    }
    c = run(SVT_C_CHASE, ATC, &first, NULL, 2 * nodes,
            offsetof(struct node, next));
    require(c.status == SVT_S_OK && c.done == nodes + 1 && !c.last,
            "status %u after %llu", c.status, (unsigned long long)c.done);
}

/* Pages that nobody has touched: each is asked for. */
static void case_untouched(void)
{
    size_t pages = 64;
    uint8_t *p = map_pages(2 * pages * PAGE), *q = p + pages * PAGE;
    uint8_t *zero = calloc(pages, PAGE);
    uint32_t asked;

    memset(zero, 0, pages * PAGE);
    open_device();
    asked = run_ok(SVT_C_FILL, ATC, NULL, p, pages * PAGE, 0xa5);
    require(asked == pages, "%u page requests for %zu pages", asked, pages);
    require(all_are(p, 0xa5, pages * PAGE), "the fill");
    asked = run_ok(SVT_C_COMPARE, ATC, q, zero, pages * PAGE, 0);
    require(asked >= pages, "%u page requests for %zu pages", asked, pages);
    /* Read only until now: the same pages are asked for again, to write. */
    asked = run_ok(SVT_C_FILL, ATC, NULL, q, pages * PAGE, 0x11);
    require(asked == pages, "%u page requests for %zu pages", asked, pages);
    require(all_are(q, 0x11, pages * PAGE), "the second fill");
}

/* The same in groups: Linux answers one as a whole, once all is there. */
static void case_grouped(void)
{
    size_t pages = 16, count;
    uint8_t *p = map_pages(2 * pages * PAGE);

    open_device();
    for (count = 1; count <= pages; count *= 2) {
        uint8_t *at = p + count * PAGE;

        require(run_ok(SVT_C_ASK, ATC, NULL, at, count, 1) == count, "ask");
        require(!run_ok(SVT_C_FILL, ATC, NULL, at, count * PAGE, count),
                "%zu pages that were asked for are not there", count);
        require(all_are(at, count, count * PAGE), "%zu pages", count);
    }
    /* One page of the group is not the process's: the answer is for all. */
    require(!munmap(p + (pages + 5) * PAGE, PAGE), "%m");
    require(run(SVT_C_ASK, ATC, NULL, p + pages * PAGE, pages, 1).status ==
            SVT_S_FAULT, "a group with a page that is not mapped");
}

/* A page of 2 MiB, which the device has the process touch first */
static void case_huge(void)
{
    uint8_t *base = map_pages(2 * HUGE);
    uint8_t *p = (uint8_t *)(((uintptr_t)base + HUGE - 1) & ~(HUGE - 1));
    uint32_t asked;

    require(!madvise(p, HUGE, MADV_HUGEPAGE), "%m");
    open_device();
    asked = run_ok(SVT_C_FILL, ATC, NULL, p, HUGE, 0x77);
    require(all_are(p, 0x77, HUGE), "the fill");
    require(asked < 512, "%u page requests", asked);
    /* Split while the device knows it as a whole */
    require(!madvise(p + 16 * PAGE, PAGE, MADV_DONTNEED), "%m");
    asked = run_ok(SVT_C_FILL, ATC, NULL, p, HUGE, 0x78);
    require(all_are(p, 0x78, HUGE), "the second fill");
    require(asked, "the page that was dropped is not asked for");
}

static void page_out(uint8_t *p, size_t bytes)
{
    require(!madvise(p, bytes, MADV_PAGEOUT), "%m");
}

/* Pages in swap come back for the device. */
static void case_swapped(void)
{
    size_t bytes = 64 * PAGE;
    uint8_t *p = map_pages(bytes), *to = map_pages(bytes);
    uint8_t *copy = malloc(bytes);
    unsigned long out;
    uint32_t asked;

    scramble(p, bytes);
    memcpy(copy, p, bytes);
    open_device();
    /* So that the device knows them */
    run_ok(SVT_C_COMPARE, ATC, p, copy, bytes, 0);
    page_out(p, bytes);
    out = count_swapped(p, bytes);
    require(out, "nothing is in swap");
    asked = run_ok(SVT_C_COPY, ATC, p, to, bytes, 0);
    require(!memcmp(to, copy, bytes), "the copy");
    require(asked >= out, "%lu in swap, %u page requests", out, asked);
    /* And as what is written to */
    page_out(to, bytes);
    out = count_swapped(to, bytes);
    require(out, "nothing is in swap");
    run_ok(SVT_C_FILL, ATC, NULL, to + 100, bytes - 200, 0x3c);
    require(all_are(to + 100, 0x3c, bytes - 200) && !memcmp(to, copy, 100) &&
            !memcmp(to + bytes - 100, copy + bytes - 100, 100), "the fill");
}

/* Pages change their place while the device copies from them and to them. */
static void case_migrated(void)
{
    size_t bytes = 64 * PAGE;
    uint8_t *p = map_pages(bytes), *to = map_pages(bytes);
    unsigned long moved = 0;
    unsigned i;

    open_device();
    for (i = 0; i < 32; i++) {
        struct svt_command c = {
            .command = SVT_C_COPY,
            .flags = ATC,
            .src = (uintptr_t)p,
            .dst = (uintptr_t)to,
            .len = bytes,
        };

        scramble(p, bytes);
        submit(&c);
        moved += move(p, bytes, i % NODES);
        moved += move(to, bytes, (i + 1) % NODES);
        await(&c);
        require(c.status == SVT_S_OK, "status %u", c.status);
        require(!memcmp(p, to, bytes), "copy %u", i);
    }
    require(moved, "no page was moved");
}

/*
 * Memory that another address still shows is unmapped: the device, which has
 * used it, meets a fault, and nothing is written.
 */
static void case_freed(void)
{
    size_t bytes = 16 * PAGE;
    int file = memfd_create("sva", MFD_CLOEXEC);
    struct svt_command c;
    uint8_t *p, *witness;

    require(file >= 0 && !ftruncate(file, bytes), "%m");
    witness = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(witness != MAP_FAILED && p != MAP_FAILED, "%m");
    open_device();
    run_ok(SVT_C_FILL, ATC, NULL, p, bytes, 0xaa);
    require(all_are(witness, 0xaa, bytes), "the fill");
    /* A hole: as far as that, and no further */
    require(!munmap(p + 8 * PAGE, 4 * PAGE), "%m");
    c = run(SVT_C_FILL, ATC, NULL, p, bytes, 0xbb);
    require(c.status == SVT_S_FAULT && c.done == 8 * PAGE &&
            c.fault == (uintptr_t)p + 8 * PAGE,
            "status %u after %llu at 0x%llx",
            c.status, (unsigned long long)c.done, (unsigned long long)c.fault);
    require(all_are(witness, 0xbb, 8 * PAGE) &&
            all_are(witness + 8 * PAGE, 0xaa, 8 * PAGE), "what was written");
    /* Without page requests, too */
    c = run(SVT_C_FILL, SVT_F_ATC, NULL, p + 8 * PAGE, PAGE, 0xcc);
    require(c.status == SVT_S_FAULT && !c.pages, "status %u", c.status);
    /* To be read only */
    require(!mprotect(p, 8 * PAGE, PROT_READ), "%m");
    c = run(SVT_C_FILL, ATC, NULL, p, PAGE, 0xdd);
    require(c.status == SVT_S_FAULT && !c.done, "status %u", c.status);
    run_ok(SVT_C_COMPARE, ATC, p, witness, 8 * PAGE, 0);
    require(all_are(witness, 0xbb, 8 * PAGE) &&
            all_are(witness + 8 * PAGE, 0xaa, 8 * PAGE), "what was written");
}

static void use_own(uint8_t *p, size_t bytes, uint32_t other)
{
    uint32_t pasid;

    close(device);
    pasid = open_device();
    require(pasid != other, "the same PASID as the other process: %u", pasid);
    run_ok(SVT_C_FILL, ATC, NULL, p, bytes, 0xcc);
    require(all_are(p, 0xcc, bytes), "the child's fill");
}

/* After a fork each has its own, although both had the same. */
static void case_fork(void)
{
    size_t bytes = 32 * PAGE;
    uint8_t *p = map_pages(bytes);
    struct svt_command c = { .command = SVT_C_FILL, .flags = ATC };
    int filled[2], seen[2];
    uint32_t pasid;
    pid_t child;

    pasid = open_device();
    require(!pipe(filled) && !pipe(seen), "%m");
    /* The device knows them, to write. */
    run_ok(SVT_C_FILL, ATC, NULL, p, bytes, 0xaa);
    child = fork_child();
    if (!child) {
        require(ioctl(device, SVT_IOC_SUBMIT, &c) && errno == EPERM, "%m");
        await_word(filled[0]);
        require(all_are(p, 0xaa, bytes), "the parent's device wrote here");
        use_own(p, bytes, pasid);
        tell(seen[1]);
        _exit(0);
    }
    run_ok(SVT_C_FILL, ATC, NULL, p, bytes, 0xbb);
    require(all_are(p, 0xbb, bytes), "the fill");
    tell(filled[1]);
    await_word(seen[0]);
    require(all_are(p, 0xbb, bytes), "the child's device wrote here");
    await_child(child);
}

/* Two processes with two PASIDs, the same addresses, at the same time */
static void case_two(void)
{
    size_t bytes = 16 * PAGE;
    pid_t child[2];
    int ready[2], go[2];
    unsigned i, n;

    require(!pipe(ready) && !pipe(go), "%m");
    for (n = 0; n < 2; n++) {
        uint8_t *p, *q;

        child[n] = fork_child();
        if (child[n]) {
            continue;
        }
        p = mmap(SAME_ADDRESS, 2 * bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        require(p == SAME_ADDRESS, "%m");
        q = p + bytes;
        open_device();
        tell(ready[1]);
        await_word(go[0]);
        for (i = 0; i < 50; i++) {
            scramble(p, bytes);
            run_ok(SVT_C_COPY, ATC, p, q, bytes, 0);
            require(!memcmp(p, q, bytes), "process %u, copy %u", n, i);
        }
        _exit(0);
    }
    await_word(ready[0]);
    await_word(ready[0]);
    tell(go[1]);
    tell(go[1]);
    await_child(child[0]);
    await_child(child[1]);
}

/* What a process that is about to end leaves running */
static void leave_running(size_t bytes)
{
    uint8_t *touched = map_pages(bytes), *untouched = map_pages(bytes);
    void **ring = calloc(1, sizeof(*ring));
    struct svt_command commands[] = {
        /* It would take for ever. */
        { .command = SVT_C_CHASE, .flags = SVT_F_ATC, .src = (uintptr_t)ring,
          .len = 1ul << 30 },
        { .command = SVT_C_FILL, .flags = SVT_F_ATC, .dst = (uintptr_t)touched,
          .len = bytes, .arg = 0xee },
        { .command = SVT_C_FILL, .flags = ATC, .dst = (uintptr_t)untouched,
          .len = bytes, .arg = 0xee },
    };
    unsigned i;

    *ring = ring;
    memset(touched, 0xaa, bytes);
    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        submit(&commands[i]);
    }
}

/* The process ends, or is ended, while its memory is in use; then others. */
static void case_exit(void)
{
    size_t bytes = 2048 * PAGE;
    int running[2], status;
    unsigned i, look;

    require(!pipe(running), "%m");
    for (i = 0; i < 6; i++) {
        pid_t child = fork_child();
        uint8_t *p;

        if (!child) {
            open_device();
            leave_running(bytes);
            tell(running[1]);
            if (i % 2) {
                pause();
            }
            _exit(0);
        }
        await_word(running[0]);
        if (i % 2) {
            kill(child, SIGKILL);
        }
        /* What the process had is given to others: to this one, say. */
        for (look = 0; look < 4; look++) {
            p = map_pages(2 * bytes);
            memset(p, 0, 2 * bytes);
            usleep(1000);
            require(all_are(p, 0, 2 * bytes), "written after the end");
            munmap(p, 2 * bytes);
        }
        require(waitpid(child, &status, 0) == child, "%m");
        require(i % 2 ? WIFSIGNALED(status) : !status, "0x%x", status);
    }
}

/* Bound and let go of, again and again, with the memory known to the device */
static void case_rebind(void)
{
    uint8_t *p = map_pages(8 * PAGE);
    unsigned i;

    for (i = 0; i < 20; i++) {
        open_device();
        run_ok(SVT_C_FILL, ATC, NULL, p, 8 * PAGE, i);
        require(all_are(p, i, 8 * PAGE), "fill %u", i);
        close(device);
        if (i % 2) {
            require(!madvise(p, 8 * PAGE, MADV_DONTNEED), "%m");
        }
    }
}

/* Through the unit, with PASID: it takes what the process has touched. */
static void case_untranslated(void)
{
    size_t bytes = 16 * PAGE;
    uint8_t *p = map_pages(bytes), *q = map_pages(bytes);
    unsigned i;

    open_device();
    for (i = 0; i < 8; i++) {
        scramble(p, bytes);
        memset(q, 0, bytes);
        run_ok(SVT_C_COPY, 0, p, q, bytes, 0);
        require(!memcmp(p, q, bytes), "copy %u", i);
        /* Elsewhere from now on */
        move(q, bytes, i % NODES);
    }
}

/* By way of the device's maps of guest memory */
static void case_maps(void)
{
    size_t bytes = 64 * PAGE;
    uint8_t *p = map_pages(bytes), *q = map_pages(bytes);

    open_device();
    scramble(p, bytes);
    run_ok(SVT_C_COPY, ATC | SVT_F_MAP, p, q, bytes, 0);
    require(!memcmp(p, q, bytes), "the copy");
}

/* The kernel's DMA API beside it, without PASID */
static void case_dma(void)
{
    uint8_t *p = malloc(SVT_DMA_COPY_MAX), *q = malloc(SVT_DMA_COPY_MAX);
    struct svt_dma_copy c = {
        .src = (uintptr_t)p,
        .dst = (uintptr_t)q,
        .len = SVT_DMA_COPY_MAX,
    };
    unsigned i;

    open_device();
    for (i = 0; i < 8; i++) {
        scramble(p, c.len);
        memset(q, 0, c.len);
        require(!ioctl(device, SVT_IOC_DMA_COPY, &c), "%m");
        require(c.status == SVT_S_OK, "status %u", c.status);
        require(!memcmp(p, q, c.len), "copy %u", i);
        run_ok(SVT_C_FILL, ATC, NULL, q, c.len, i);
        require(all_are(q, i, c.len), "fill %u", i);
    }
}

/*
 * Something that happens to memory in use, and keeps what it holds.  No right
 * is taken away, not even for a moment: the device could meet that.
 */
static void disturb(uint8_t *p, size_t bytes)
{
    switch (below(8)) {
    case 0:
        madvise(p, bytes, MADV_PAGEOUT);
        break;
    case 1:
    case 2:
        move(p, bytes, below(NODES));
        break;
    }
}

/* A random copy, with random things done to its pages on the way */
static void one_round(uint8_t *p, uint8_t *q, uint8_t *mirror, size_t bytes)
{
    size_t len = 1 + below(4 * PAGE), from = below(bytes - len);
    size_t to = below(bytes - len), page = below(bytes / PAGE);
    struct svt_command c = {
        .command = SVT_C_COPY,
        .flags = ATC,
        .src = (uintptr_t)p + from,
        .dst = (uintptr_t)q + to,
        .len = len,
    };

    if (!below(8)) {
        /* All zero, and nowhere */
        require(!madvise(q + page * PAGE, PAGE, MADV_DONTNEED), "%m");
        memset(mirror + page * PAGE, 0, PAGE);
    }
    scramble(p + from, len < 64 ? len : 64);
    submit(&c);
    disturb(p + page * PAGE, PAGE);
    disturb(q + page * PAGE, PAGE);
    await(&c);
    require(c.status == SVT_S_OK && c.done == len, "status %u, %llu of %zu",
            c.status, (unsigned long long)c.done, len);
    memcpy(mirror + to, p + from, len);
    require(!memcmp(mirror + to, q + to, len), "%zu bytes at %zu", len, to);
}

static void case_rounds(void)
{
    size_t bytes = 64 * PAGE;
    uint8_t *p = map_pages(bytes), *q = map_pages(bytes);
    uint8_t *mirror = calloc(1, bytes);
    unsigned long i;

    open_device();
    scramble(p, bytes);
    for (i = 0; i < rounds; i++) {
        one_round(p, q, mirror, bytes);
    }
    require(!memcmp(mirror, q, bytes), "somewhere else was written");
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "heap", case_heap },
    { "chase", case_chase },
    { "untouched", case_untouched },
    { "grouped", case_grouped },
    { "huge", case_huge },
    { "swapped", case_swapped },
    { "migrated", case_migrated },
    { "freed", case_freed },
    { "fork", case_fork },
    { "two", case_two },
    { "exit", case_exit },
    { "rebind", case_rebind },
    { "untranslated", case_untranslated },
    { "maps", case_maps },
    { "dma", case_dma },
    { "rounds", case_rounds },
};

static void run_case(unsigned which)
{
    int status = -1;
    pid_t child;

    memset(sum, 0, sizeof(*sum));
    child = fork();
    if (!child) {
        cases[which].run();
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        status = -1;
    }
    printf("%s %s pages=%lu bound=%lu commands=%lu %s\n",
           cases[which].name, status ? "fail" : "ok",
           atomic_load(&sum->pages), atomic_load(&sum->bound),
           atomic_load(&sum->commands),
           status && !sum->detail[0] ? "the process died" : sum->detail);
    fflush(stdout);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    int i;

    for (i = 3; i < argc; i++) {
        if (!strcmp(argv[i], name)) {
            return true;
        }
    }
    return argc == 3;
}

int main(int argc, char **argv)
{
    unsigned i;

    if (argc < 3) {
        fprintf(stderr, "usage: sva ROUNDS SEED [CASE...]\n");
        return 1;
    }
    sum = mmap(NULL, sizeof(*sum), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sum == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    rounds = strtoul(argv[1], NULL, 0);
    random_state ^= strtoull(argv[2], NULL, 0);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (is_wanted(cases[i].name, argc, argv)) {
            run_case(i);
        }
    }
    return 0;
}
