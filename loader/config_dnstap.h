/* SPDX-License-Identifier: GPL-2.0-only */
/* export.dnstap, from the text that was written to what it means. Part of config.c. */
#ifndef EDGE53_CONFIG_DNSTAP_H
#define EDGE53_CONFIG_DNSTAP_H

#include "config.h"
#include "config_schema.h"

/* Whether it is good; if not, it has been said why. *ret is config_free()'s. */
bool read_dnstap(const struct place *at, const struct raw_dnstap *raw, struct config_dnstap *ret);

#endif
