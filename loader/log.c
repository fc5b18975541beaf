// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* the place in log.c says nothing */
#include <systemd/sd-journal.h>

#include "log.h"
#include "util.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static bool is_verbose;
static bool is_journal; /* stderr is */
static bool has_socket; /* and the journal can be reached directly, for messages with fields */
static void (*sink)(int priority, const char *text);

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream it gave us as stderr. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	/* Else somebody redirected stderr and wants to read it there. */
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(bool verbose)
{
	is_verbose = verbose;
	is_journal = stderr_is_journal();
	/* Asked here because sd_journal_send() reports success when there is no socket. */
	has_socket = access(JOURNAL_SOCKET, W_OK) == 0;
}

void log_set_sink(void (*fn)(int priority, const char *text))
{
	sink = fn;
}

static void emit(int priority, const char *text)
{
	if (sink) {
		sink(priority, text);
		return;
	}
	if (!is_journal) {
		fprintf(stderr, "edge53: %s\n", text);
		return;
	}
	if (has_socket && sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority,
					  "SYSLOG_IDENTIFIER=edge53", NULL) == 0)
		return;
	fprintf(stderr, "<%d>%s\n", priority, text); /* sd-daemon(3) */
}

static void log_at(int priority, const char *fmt, va_list args)
{
	int saved_errno = errno;
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	if (text)
		text_make_harmless(text);
	emit(priority, text ?: fmt); /* out of memory: the bare sentence is better than none */
	free(text);
	errno = saved_errno;
}

#define DEFINE_LOG(name, priority)             \
	void name(const char *fmt, ...)        \
	{                                      \
		va_list args;                  \
                                               \
		va_start(args, fmt);           \
		log_at(priority, fmt, args);   \
		va_end(args);                  \
	}

DEFINE_LOG(log_error, LOG_ERR)
DEFINE_LOG(log_warning, LOG_WARNING)
DEFINE_LOG(log_info, LOG_INFO)

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (!is_verbose)
		return;
	va_start(args, fmt);
	log_at(LOG_DEBUG, fmt, args);
	va_end(args);
}
