/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
int main(void) { return 0; }
