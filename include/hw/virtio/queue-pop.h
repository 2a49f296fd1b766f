/*
 * What taking an element off a virtqueue is spared
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU is compiled with -ftrivial-auto-var-init=zero.  virtqueue_pop() has
 * arrays for the longest chain that there can be, 24 KiB, and reads as many
 * entries as it has written.
 */
#ifndef QEMU_VIRTIO_QUEUE_POP_H
#define QEMU_VIRTIO_QUEUE_POP_H

#if __has_attribute(uninitialized)
#define VIRTQUEUE_NOT_CLEARED __attribute__((uninitialized))
#else
#define VIRTQUEUE_NOT_CLEARED
#endif

#endif
