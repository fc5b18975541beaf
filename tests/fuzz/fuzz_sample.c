// SPDX-License-Identifier: GPL-2.0-only
/* Events of the dataplane's samples: any packet, cut anywhere, and any message in it. */
#include "fuzz.h"

#include "dns_message.h"
#include "sample.h"

/* What a terminal shows as it is, and cannot be taken for anything else. */
static void check_name(const char *name)
{
	size_t len = strlen(name);

	assert(len > 0 && len < SAMPLE_NAME_TEXT_LEN && name[len - 1] == '.');
	for (size_t i = 0; i < len; i++)
		assert(name[i] > ' ' && name[i] <= '~' && !(name[i] >= 'A' && name[i] <= 'Z'));
}

static void check_message(const struct sample *sample, const unsigned char *message, size_t len)
{
	char type[SAMPLE_TYPE_TEXT_LEN];
	struct sample_question question;

	assert(len >= DNS_MESSAGE_HEADER_LEN);
	assert(message >= sample->payload &&
	       message + len <= sample->payload + sample->payload_len);
	if (sample_question_read(message, len, &question) < 0)
		return;
	check_name(question.name);
	assert(strlen(sample_type_text(question.type, type)) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct edge53_client_prefix prefix = { 24, 56 };
	uint8_t *event = copy_exactly(bytes, len, 0);
	const unsigned char *message;
	size_t offset = 0, n, sum = 0;
	struct sample sample;

	if (sample_read(event, len, &sample) == SAMPLE_HAS_MESSAGES) {
		assert(sample.payload >= event &&
		       sample.payload + sample.payload_len <= event + len);
		while (sample_next_message(&sample, &offset, &message, &n)) {
			check_message(&sample, message, n);
			sum += n + (sample.is_tcp ? 2 : 0);
		}
		assert(sum == sample.payload_len);
		sample_mask_client(&sample, &prefix);
		assert(!sample.client.bytes[15] && !sample.client_port);
	}
	free(event);
	return 0;
}
