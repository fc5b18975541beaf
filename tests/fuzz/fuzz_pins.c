// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of devices, which containers and callers of pppd choose, in the names of pins: one name of one file in links/, and
 * the same device again when it is read. And what else might lie there.
 */
#include <stdio.h>

#include "fuzz.h"

#include "pins.h"

#define LINKS PINS_DEFAULT_ROOT "/links/"

/* As the kernel has it (dev_valid_name()), but for the characters that are spaces elsewhere. */
static bool is_device_name(const char *name)
{
	return name[0] && !strchr(name, '/') && !strchr(name, ':') && !strchr(name, ' ') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void check_device(const char *name)
{
	char path[PINS_PATH_LEN], hook[32], ifname[16];
	const char *entry;

	pins_link_path("tcx_ingress", name, path);
	assert(!strncmp(path, LINKS, strlen(LINKS)));
	entry = path + strlen(LINKS);
	assert(!strchr(entry, '/') && !strchr(entry, '.'));
	assert(pins_parse_link(entry, hook, ifname));
	assert(!strcmp(hook, "tcx_ingress") && !strcmp(ifname, name));
}

/* What is taken for one of ours is written the same way again. */
static void check_entry(const char *entry)
{
	char path[PINS_PATH_LEN], hook[32], ifname[16];

	if (!pins_parse_link(entry, hook, ifname))
		return;
	assert(strlen(ifname) > 0 && strlen(ifname) < sizeof(ifname));
	pins_link_path(hook, ifname, path);
	assert(pins_parse_link(path + strlen(LINKS), hook, ifname));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char text[256];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	if (n)
		memcpy(text, bytes, n);
	text[n] = '\0';
	check_entry(text);
	if (n > 15)
		text[15] = '\0';
	if (is_device_name(text))
		check_device(text);
	return 0;
}
