// SPDX-License-Identifier: GPL-2.0-only
#include "config_dnstap.h"

#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "built_in.h"
#include "config_values.h"

#define DEFAULT_SAMPLE 100
#define MAX_SAMPLE 1000000
#define MAX_SOCKET_LEN (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define MAX_FILE_LEN (PATH_MAX - 64) /* with the time behind it when it is moved aside */
#define MAX_IDENTITY_LEN 255

/* Where we write depends on nobody's working directory. */
static bool read_path(const struct place *at, const char *text, size_t max_len, char **ret)
{
	if (!text)
		return true;
	if (text[0] != '/' || text[strlen(text) - 1] == '/') {
		wrong_value(at, "is not a path that begins with / and ends with a name");
		return false;
	}
	if (strlen(text) > max_len) {
		wrong_value(at, "is too long; at most %zu bytes are possible", max_len);
		return false;
	}
	return copy_text(at, text, ret);
}

static bool read_identity(const struct place *at, const char *text, char **ret)
{
	if (!text)
		return true;
	if (strlen(text) > MAX_IDENTITY_LEN) {
		wrong_value(at, "is too long; at most %d bytes are possible", MAX_IDENTITY_LEN);
		return false;
	}
	return copy_text(at, text, ret);
}

bool read_dnstap(const struct place *at, const struct raw_dnstap *raw, struct config_dnstap *ret)
{
	struct place socket = place_key(at, "socket"), file = place_key(at, "file");
	struct place sample = place_key(at, "sample"), identity = place_key(at, "identity");

	ret->sample = DEFAULT_SAMPLE;
	if (!at->node)
		return true;
	if (!EDGE53_WITH_DNSTAP) {
		wrong(at,
		      "this edge53 was built without dnstap, as libfstrm, libprotobuf-c or protoc-c was not there");
		return false;
	}
	if (!raw->socket == !raw->file) {
		wrong(raw->socket ? &file : at,
		      raw->socket
			      ? "socket and file are both given; remove one"
			      : "needs one of socket (of a collector, such as /run/dnstap.sock) and file");
		return false;
	}
	return read_path(&socket, raw->socket, MAX_SOCKET_LEN, &ret->socket) &
	       read_path(&file, raw->file, MAX_FILE_LEN, &ret->file) &
	       read_number(&sample, raw->sample, "a number: one message in so many", 1, MAX_SAMPLE,
			   &ret->sample) &
	       read_identity(&identity, raw->identity, &ret->identity);
}
