/*
 * Frames through a TAP interface, each of which says which page it was in
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_TAP_H
#define VIOMMU_TAP_H

#define TAP_NAME "viommu0"
#define TAP_STAMPS 240
/* struct virtio_net_hdr_v1, in front of each frame in guest memory */
#define TAP_HEADER 12

/* All stamps of a frame are the same, or it was torn. */
typedef struct QEMU_PACKED TapFrame {
    uint8_t dst[6], src[6];
    uint16_t type;
    uint32_t stamp[TAP_STAMPS];
} TapFrame;

#define TAP_LEN (TAP_HEADER + sizeof(TapFrame))

/* tap_open: bring up TAP_NAME, which QEMU has made; a socket on it. */
int tap_open(void);
void tap_frame(TapFrame *frame, uint32_t stamp);
/* tap_send: to the guest. */
void tap_send(int tap, uint32_t stamp);
/*
 * tap_receive: what the guest has sent.  Returns false if there is nothing
 * more; fails the test if it is torn.
 */
bool tap_receive(int tap, uint32_t *stamp);

#endif
