/*
 * A slot for devices that come and go while the machine runs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_PLUG_H
#define VIOMMU_PLUG_H

#include "viommu-unit.h"

#define PLUG_PORT       (6 << 3)
/* The root port "rp", whose slot its own registers control */
#define PLUG_PORT_ARGS \
    "-device pcie-root-port,id=rp,addr=06.0,chassis=1 "

/* plug_power: as the guest's hot-plug driver, when a device has come. */
void plug_power(QPCIDevice *port);
/*
 * plug_pull: device_del of what is in the slot; waits until it is gone, and
 * nobody uses its memory.
 * plug_pull_start, plug_pulled: the same without waiting; and is it gone?
 */
void plug_pull(Unit *unit, QPCIDevice *port, const char *id);
void plug_pull_start(Unit *unit, QPCIDevice *port, const char *id);
bool plug_pulled(Unit *unit, const char *id);
/* plug_maps: how many maps are in flight in the whole machine. */
unsigned plug_maps(Unit *unit);
/* plug_set_ats: switch ATS of the PCI Express device @sid on a q35 machine. */
void plug_set_ats(Unit *unit, uint16_t sid, bool on);

#endif
