/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-hw_virtio_viommu.h"
/* Events that the base's model has too */
#include "trace/trace-hw_virtio.h"
