/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of a world: written, aged, and held against the model. */
#ifndef EDGE53_MODEL_CHECK_H
#define EDGE53_MODEL_CHECK_H

#include "model.h"

void world_write(const struct setup *setup);
void world_write_services(const struct setup *setup);
/* Makes all that is remembered so much older, here and there. */
void world_age(struct model *model, __u64 ns);

/* These say what is wrong. True: the world is as the model says. */
bool same_reason(const struct model *model, const struct result *result);
bool same_flows(const struct model *model);
bool same_everything(const struct model *model);

const char *name_of_reason(enum edge53_reason why);
/* Prints the reasons that were counted more or less often than expected. */
bool same_reasons(const struct model *model);

#endif
