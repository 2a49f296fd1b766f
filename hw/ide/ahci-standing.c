/*
 * AHCI's standing DMA maps: the command list and the received-FIS area
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They stay mapped while the port runs, so an invalidation cannot wait for
 * them: it revokes them, and they are translated again on their next use.
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "hw/ide/ahci-standing.h"
#include "system/dma.h"
#include "system/dma-inflight.h"

static void ahci_revoke_lst(void *opaque);
static void ahci_revoke_res_fis(void *opaque);

static DMARevoke *ahci_revoke_of(AHCIDevice *ad, uint8_t **ptr)
{
    return ptr == &ad->lst ? ahci_revoke_lst : ahci_revoke_res_fis;
}

void ahci_unmap_standing(AHCIDevice *ad, uint8_t **ptr, uint32_t len)
{
    address_space_unmap_standing(ad->hba->as, *ptr, len, true, len,
                                 ahci_revoke_of(ad, ptr), ad);
    *ptr = NULL;
}

/*
 * Commands that are running point into the list.  They go on with a copy: the
 * guest has taken the list away from under them, so nobody will look at the
 * byte count that they still store.
 */
static AHCICmdHdr *ahci_header_in_copy(AHCIDevice *ad, AHCICmdHdr *cmd)
{
    uint8_t *at = (uint8_t *)cmd;

    if (at >= ad->lst && at < ad->lst + sizeof(ad->lst_copy)) {
        return (AHCICmdHdr *)(ad->lst_copy + (at - ad->lst));
    }
    return cmd;
}

static void ahci_revoke_lst(void *opaque)
{
    AHCIDevice *ad = opaque;
    int i;

    if (!ad->lst) {
        return;
    }
    memcpy(ad->lst_copy, ad->lst, sizeof(ad->lst_copy));
    ad->cur_cmd = ahci_header_in_copy(ad, ad->cur_cmd);
    for (i = 0; i < AHCI_MAX_CMDS; i++) {
        ad->ncq_tfs[i].cmdh = ahci_header_in_copy(ad, ad->ncq_tfs[i].cmdh);
    }
    ahci_unmap_standing(ad, &ad->lst, sizeof(ad->lst_copy));
}

static void ahci_revoke_res_fis(void *opaque)
{
    AHCIDevice *ad = opaque;

    if (ad->res_fis) {
        ahci_unmap_standing(ad, &ad->res_fis, 256);
    }
}

void ahci_map_standing(AHCIDevice *ad, uint8_t **ptr, uint64_t addr,
                       uint32_t wanted)
{
    hwaddr len = wanted;

    if (*ptr) {
        ahci_unmap_standing(ad, ptr, wanted);
    }
    *ptr = address_space_map_standing(ad->hba->as, addr, &len, true,
                                      MEMTXATTRS_UNSPECIFIED,
                                      ahci_revoke_of(ad, ptr), ad);
    if (*ptr && len < wanted) {
        ahci_unmap_standing(ad, ptr, len);
    }
}

uint8_t *ahci_lst(AHCIDevice *ad)
{
    AHCIPortRegs *pr = &ad->port_regs;

    if (!ad->lst && (pr->cmd & PORT_CMD_LIST_ON)) {
        ahci_map_standing(ad, &ad->lst,
                          ((uint64_t)pr->lst_addr_hi << 32) | pr->lst_addr,
                          sizeof(ad->lst_copy));
    }
    return ad->lst;
}

uint8_t *ahci_res_fis(AHCIDevice *ad)
{
    AHCIPortRegs *pr = &ad->port_regs;

    if (!ad->res_fis && (pr->cmd & PORT_CMD_FIS_ON)) {
        ahci_map_standing(ad, &ad->res_fis,
                          ((uint64_t)pr->fis_addr_hi << 32) | pr->fis_addr,
                          256);
    }
    return ad->res_fis;
}
