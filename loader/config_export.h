/* SPDX-License-Identifier: GPL-2.0-only */
/* `export`: who is told what was seen. */
#ifndef EDGE53_CONFIG_EXPORT_H
#define EDGE53_CONFIG_EXPORT_H

#include "config.h"
#include "config_schema.h"

/* at is the block, which need not be there. Returns whether all is good; if not, it has been said why. */
bool read_export(const struct place *at, const struct raw_export *raw, struct config_export *ret);

#endif
