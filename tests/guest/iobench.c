/*
 * I/O in the guest, for tests/guest/iobench.py
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   iobench read DEVICE LENGTH COUNT    random reads past the guest's cache
 *   iobench send INTERFACE LENGTH COUNT frames to everybody, as fast as it goes
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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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

static int do_reads(const char *device, size_t length, long count)
{
    int fd = open(device, O_RDONLY | O_DIRECT);
    uint64_t random = 88172645463325252;
    off_t size;
    void *buf;
    long i;

    size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (size < (off_t)length || posix_memalign(&buf, 4096, length)) {
        return fail(device);
    }
    memset(buf, 0, length);
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
    if (argc == 5 && !strcmp(argv[1], "read")) {
        return do_reads(argv[2], atol(argv[3]), atol(argv[4]));
    }
    if (argc == 5 && !strcmp(argv[1], "send")) {
        return do_sends(argv[2], atol(argv[3]), atol(argv[4]));
    }
    printf("IOBENCH-ERROR usage\n");
    return 1;
}
