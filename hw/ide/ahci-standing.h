/*
 * AHCI's standing DMA maps: the command list and the received-FIS area
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_AHCI_STANDING_H
#define HW_IDE_AHCI_STANDING_H

#include "hw/ide/ahci-internal.h"

/*
 * ahci_map_standing: map @wanted bytes at @addr for as long as the port runs.
 * @ptr: &ad->lst or &ad->res_fis; what it held is unmapped first, and it is
 * NULL if the map fails.  A vIOMMU may revoke the map at any time under the
 * BQL: then @ptr becomes NULL although the engine is on.  BQL.
 */
void ahci_map_standing(AHCIDevice *ad, uint8_t **ptr, uint64_t addr,
                       uint32_t wanted);

/* ahci_unmap_standing: end such a map; @ptr becomes NULL.  BQL. */
void ahci_unmap_standing(AHCIDevice *ad, uint8_t **ptr, uint32_t len);

/*
 * ahci_lst, ahci_res_fis: the area for one use now, mapped again if it was
 * revoked; NULL if the engine is off or the address does not translate.  BQL.
 */
uint8_t *ahci_lst(AHCIDevice *ad);
uint8_t *ahci_res_fis(AHCIDevice *ad);

#endif
