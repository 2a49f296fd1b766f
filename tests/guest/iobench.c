/*
 * I/O in the guest, for tests/guest/iobench.py
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   iobench read DEVICE LENGTH COUNT    random reads past the guest's cache
 *   iobench huge DEVICE LENGTH COUNT    the same, into huge pages
 *   iobench send INTERFACE LENGTH COUNT frames to everybody, as fast as it goes
 *
 * But for "huge", no two pages of the buffer that are neighbours are neighbours
 * in the guest's memory: else its allocator decides, and differently each time,
 * whether a read is one piece or one for each page.
 *
 * One line on standard output: "IOBENCH" and how many there were, or an error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)

/* Linux 6.1; the C library's headers may be older. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static int fail(const char *what)
{
    printf("IOBENCH-ERROR %s: %m\n", what);
    return 1;
}

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/*
 * @length bytes at a multiple of HUGE.  Pages are mostly allocated in a row,
 * upwards or downwards: so first every other one is, then the rest.
 * Returns: NULL with errno set.
 */
static void *make_buffer(size_t length, bool huge)
{
    size_t size = (length + HUGE - 1) & -HUGE;
    uint8_t *space = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *buf;

    if (space == MAP_FAILED) {
        return NULL;
    }
    buf = (uint8_t *)(((uintptr_t)space + HUGE - 1) & -HUGE);
    if (huge) {
        memset(buf, 0, size);
        return madvise(buf, size, MADV_COLLAPSE) ? NULL : buf;
    }
    if (madvise(buf, size, MADV_NOHUGEPAGE)) {
        return NULL;
    }
    for (size_t first = 0; first <= PAGE; first += PAGE) {
        for (size_t at = first; at < length; at += 2 * PAGE) {
            buf[at] = 1;
        }
    }
    return buf;
}

static int do_reads(const char *device, size_t length, long count, bool huge)
{
    int fd = open(device, O_RDONLY | O_DIRECT);
    uint64_t random = 88172645463325252;
    off_t size;
    void *buf;
    long i;

    size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (size < (off_t)length) {
        return fail(device);
    }
    buf = make_buffer(length, huge);
    if (!buf) {
        return fail("memory");
    }
    for (i = 0; i < count; i++) {
        off_t at = next_random(&random) % (size / length) * length;

        if (pread(fd, buf, length, at) != (ssize_t)length) {
            return fail("read");
        }
    }
    printf("IOBENCH %ld\n", i);
    return 0;
}

static int do_sends(const char *interface, size_t length, long count)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_802_3),
        .sll_ifindex = if_nametoindex(interface),
        .sll_halen = ETH_ALEN,
        .sll_addr = { 255, 255, 255, 255, 255, 255 },
    };
    int fd = socket(AF_PACKET, SOCK_RAW, 0), queued;
    uint8_t *frame = calloc(1, length);
    long i;

    if (fd < 0 || !frame || length < ETH_HLEN || !to.sll_ifindex) {
        return fail(interface);
    }
    memset(frame, 255, ETH_ALEN);
    /* A local experimental type: IEEE 802, 9.2.3 */
    frame[12] = 0x88;
    frame[13] = 0xb5;
    for (i = 0; i < count; i++) {
        if (sendto(fd, frame, length, 0, (struct sockaddr *)&to,
                   sizeof(to)) < 0) {
            return fail("send");
        }
    }
    /* It is over when the device has had them all. */
    do {
        if (ioctl(fd, SIOCOUTQ, &queued)) {
            return fail("SIOCOUTQ");
        }
    } while (queued && !usleep(100));
    printf("IOBENCH %ld\n", i);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && (!strcmp(argv[1], "read") || !strcmp(argv[1], "huge"))) {
        return do_reads(argv[2], atol(argv[3]), atol(argv[4]),
                        argv[1][0] == 'h');
    }
    if (argc == 5 && !strcmp(argv[1], "send")) {
        return do_sends(argv[2], atol(argv[3]), atol(argv[4]));
    }
    printf("IOBENCH-ERROR usage\n");
    return 1;
}
