// SPDX-License-Identifier: GPL-2.0-only
/* What protoc-c made of dnstap.proto, compiled with our flags. */
#include "dnstap.pb-c.c"
