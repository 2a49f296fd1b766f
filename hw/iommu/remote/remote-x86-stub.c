/*
 * viommu-remote: interrupt remapping where there is none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * remote_x86_able() says no, and nobody calls the others.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "remote-internal.h"

bool remote_x86_able(uint32_t *features, Error **errp)
{
    *features = 0;
    error_setg(errp, TYPE_VIOMMU_REMOTE ": intremap=on is for x86's PCs "
               "(q35, pc); remove it");
    return false;
}

bool remote_x86_claim(VIOMMURemote *s, Error **errp)
{
    g_assert_not_reached();
}

void remote_x86_release(VIOMMURemote *s)
{
}

void remote_x86_start(VIOMMURemote *s)
{
    g_assert_not_reached();
}

void remote_x86_send(uint64_t addr, uint32_t data)
{
    g_assert_not_reached();
}

void remote_x86_changed(VIOMMURemote *s)
{
    g_assert_not_reached();
}
