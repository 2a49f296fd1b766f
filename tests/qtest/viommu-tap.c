/*
 * Frames through a TAP interface, each of which says which page it was in
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include "viommu-tap.h"

/* An EtherType that is free for experiments (IEEE 802) */
#define TYPE 0x88b5

int tap_open(void)
{
    int tap = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(TYPE));
    struct ifreq ifr = { .ifr_name = TAP_NAME };
    struct sockaddr_ll addr = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(TYPE),
    };

    g_assert_cmpint(tap, >=, 0);
    g_assert_cmpint(ioctl(tap, SIOCGIFINDEX, &ifr), ==, 0);
    addr.sll_ifindex = ifr.ifr_ifindex;
    /* A socket that is bound to what is down says so once. */
    g_assert_cmpint(ioctl(tap, SIOCGIFFLAGS, &ifr), ==, 0);
    ifr.ifr_flags |= IFF_UP;
    g_assert_cmpint(ioctl(tap, SIOCSIFFLAGS, &ifr), ==, 0);
    g_assert_cmpint(bind(tap, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    return tap;
}

void tap_frame(TapFrame *frame, uint32_t stamp)
{
    int i;

    memset(frame->dst, 0xff, sizeof(frame->dst));
    memset(frame->src, 0x02, sizeof(frame->src));
    frame->type = htons(TYPE);
    for (i = 0; i < TAP_STAMPS; i++) {
        frame->stamp[i] = stamp;
    }
}

void tap_send(int tap, uint32_t stamp)
{
    TapFrame frame;

    tap_frame(&frame, stamp);
    /* What finds no room is lost, as on any network. */
    (void)!send(tap, &frame, sizeof(frame), 0);
}

bool tap_receive(int tap, uint32_t *stamp)
{
    TapFrame frame;
    ssize_t n = recv(tap, &frame, sizeof(frame), 0);
    int i;

    if (n < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        return false;
    }
    g_assert_cmpint(n, ==, sizeof(frame));
    *stamp = frame.stamp[0];
    for (i = 0; i < TAP_STAMPS; i++) {
        g_assert_cmphex(frame.stamp[i], ==, *stamp);
    }
    return true;
}
