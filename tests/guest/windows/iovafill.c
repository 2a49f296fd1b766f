// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes every I/O virtual address that the kernel will give QEMU's educational
 * device, edu, and keeps it
 *
 * So what is left is what the kernel never gives: tests/guest/windows.py asks
 * the vIOMMU what is mapped.  All of it leads to one place where nothing is; no
 * DMA is done.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#define EDU_VENDOR_ID   0x1234
#define EDU_DEVICE_ID   0x11e8

/* Above all memory and every device of the test's machines */
#define IOVAFILL_PHYS   0x4000000000ULL

static unsigned int bits = 64;
module_param(bits, uint, 0444);
MODULE_PARM_DESC(bits, "of the addresses that are taken");

static unsigned long taken;
module_param(taken, ulong, 0444);
MODULE_PARM_DESC(taken, "how many pieces there were");

static void iovafill_size(struct device *dev, size_t size)
{
    dma_addr_t addr;

    for (;;) {
        addr = dma_map_resource(dev, IOVAFILL_PHYS, size, DMA_FROM_DEVICE, 0);
        if (dma_mapping_error(dev, addr)) {
            return;
        }
        taken++;
    }
}

static int iovafill_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
    size_t size;
    int ret;

    ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(bits));
    if (ret) {
        return ret;
    }
    /* A piece is at a multiple of its size; what is too small waits. */
    for (size = SZ_1G; size >= PAGE_SIZE; size /= 8) {
        iovafill_size(&pdev->dev, size);
    }
    return 0;
}

static const struct pci_device_id iovafill_ids[] = {
    { PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
    { }
};
MODULE_DEVICE_TABLE(pci, iovafill_ids);

static struct pci_driver iovafill_driver = {
    .name = "iovafill",
    .id_table = iovafill_ids,
    .probe = iovafill_probe,
};

static int __init iovafill_init(void)
{
    return pci_register_driver(&iovafill_driver);
}
module_init(iovafill_init);

/* No exit: it does not give anything back. */

MODULE_DESCRIPTION("Takes all of a device's DMA addresses");
MODULE_LICENSE("GPL");
