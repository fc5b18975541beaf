// SPDX-License-Identifier: GPL-2.0-only
#include "metrics.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <time.h>

#include "collect.h"
#include "exposition.h"
#include "log.h"

#define US_PER_S 1000000ull

/* Prometheus needs one connection at a time. The rest is for who asks by hand, and for servers beside it. */
#define MAX_CONNECTIONS 32
#define MAX_CONNECTIONS_OF_ONE 16
#define MAX_REQUEST_LEN (16 * 1024) /* with all that MHD keeps of a connection */
#define IDLE_LIMIT_S 5
/* From the first packet to the last; longer than a child may take to collect. Whoever sends a byte now and then is
 * never idle. */
#define CONNECTION_LIMIT_US (40 * US_PER_S)
/* Without a request in that time there will be none. */
#define REQUEST_LIMIT_US (10 * US_PER_S)
/* Of the loop's time: so many events in so long. */
#define RATE_INTERVAL_US (100 * 1000ull)
#define RATE_BURST 200
/*
 * Who asks again soon gets the numbers of before: collecting shall take a tenth of one CPU, however many ask. But
 * Prometheus, which asks every 15 seconds or less often, gets new ones.
 */
#define PAUSE_FACTOR 9
#define MIN_PAUSE_US (100 * 1000ull)
#define MAX_PAUSE_US (10 * US_PER_S)

static const char index_page[] =
	"<!DOCTYPE html>\n<title>edge53</title>\n<p>edge53: <a href=\"/metrics\">metrics</a></p>\n";

/* A socket that is listened at, and the connections it has accepted. */
struct listener {
	struct metrics *metrics;
	struct config_metrics config;
	int fd; /* -1: nobody else is let in, it ends with its last connection */
	struct MHD_Daemon *daemon;
	struct peer *peers;
	sd_event_source *ready; /* MHD's epoll */
	sd_event_source *timer; /* MHD's timeouts */
	bool is_ending;		/* nobody waits for anything any more */
	struct listener *next;	/* of those that let nobody in */
};

/* A connection. */
struct peer {
	struct listener *listener;
	struct MHD_Connection *connection;
	int fd;
	uint64_t since_us;
	bool has_asked;
	bool is_waiting; /* for the child; suspended meanwhile */
	bool is_cut;
	struct peer *next;
};

struct metrics {
	sd_event *event;
	struct config_metrics wanted; /* of the configuration in force */
	struct listener *listener;    /* at wanted; NULL: none */
	struct listener *prepared;
	struct config_metrics prepared_config;
	struct listener *leaving;
	sd_event_source *cutter; /* looks for connections that take too long */
	struct collect *collect;
	bool collects_old; /* began with another configuration */
	uint64_t collect_since_us;
	struct MHD_Response *page; /* the last one that was collected; NULL: that failed */
	uint64_t page_until_us;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

static void listener_text(const struct config_metrics *config, char *buf, size_t size)
{
	char address[ADDR_TEXT_LEN];

	addr_format(&config->address, address);
	snprintf(buf, size, strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, config->port);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* One request a connection: then who keeps one open does so for nothing, and is cut. */
static struct MHD_Response *make_response(size_t len, void *text, enum MHD_ResponseMemoryMode mode,
					  const char *type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, text, mode);

	if (!response)
		return NULL;
	if (MHD_add_response_header(response, "Content-Type", type) == MHD_YES &&
	    MHD_add_response_header(response, "Connection", "close") == MHD_YES)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int code,
			      const char *text, const char *type)
{
	struct MHD_Response *response =
		make_response(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT, type);
	enum MHD_Result r = MHD_NO;

	if (!response)
		return MHD_NO;
	if (code != MHD_HTTP_METHOD_NOT_ALLOWED ||
	    MHD_add_response_header(response, "Allow", "GET, HEAD") == MHD_YES)
		r = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result answer_plain(struct MHD_Connection *connection, unsigned int code,
				    const char *text)
{
	return answer(connection, code, text, "text/plain; charset=utf-8");
}

/* MHD goes on with them when it runs, and wakes nobody for that. */
static void resume_all(struct listener *listener)
{
	for (struct peer *peer = listener ? listener->peers : NULL; peer; peer = peer->next) {
		if (peer->is_waiting) {
			peer->is_waiting = false;
			MHD_resume_connection(peer->connection);
			sd_event_source_set_time(listener->timer, 0);
			sd_event_source_set_enabled(listener->timer, SD_EVENT_ONESHOT);
		}
	}
}

static void drop_page(struct metrics *m)
{
	if (m->page)
		MHD_destroy_response(m->page);
	m->page = NULL;
	m->page_until_us = 0;
}

static void take_page(struct metrics *m, char *text, size_t text_len)
{
	uint64_t now = now_us(), took_us = now - m->collect_since_us;

	drop_page(m);
	m->page_until_us = now + MAX_PAUSE_US;
	if (!text)
		return;
	m->page_until_us = now + MIN(MAX(PAUSE_FACTOR * took_us, MIN_PAUSE_US), MAX_PAUSE_US);
	m->page = make_response(text_len, text, MHD_RESPMEM_MUST_FREE, EXPOSITION_CONTENT_TYPE);
	if (!m->page)
		free(text);
}

static void on_collected(char *text, size_t text_len, int error, void *arg);

static int begin_collecting(struct metrics *m)
{
	int r;

	m->collects_old = false;
	m->collect_since_us = now_us();
	r = collect_start(m->event, m->wanted.top_clients, on_collected, m, &m->collect);
	if (r < 0)
		log_warning("metrics cannot be collected: %s", strerror(-r));
	return r;
}

static void on_collected(char *text, size_t text_len, int error, void *arg)
{
	struct metrics *m = arg;

	m->collect = NULL;
	if (m->collects_old) { /* there may be clients in it that are not to be shown any more */
		free(text);
		text = NULL;
		if (!begin_collecting(m))
			return;
	}
	if (error)
		log_warning("metrics cannot be collected: %s", strerror(-error));
	take_page(m, text, text_len);
	resume_all(m->listener);
	for (struct listener *l = m->leaving; l; l = l->next)
		resume_all(l);
}

/* The page, or none that could be had; else the connection waits for it. */
static enum MHD_Result answer_metrics(struct metrics *m, struct peer *peer, bool has_waited)
{
	if (peer->listener->is_ending)
		return answer_plain(peer->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "ending\n");
	if (!m->collect && (has_waited || now_us() < m->page_until_us)) {
		if (m->page)
			return MHD_queue_response(peer->connection, MHD_HTTP_OK, m->page);
		return answer_plain(peer->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "the numbers cannot be read; the loader's log says why\n");
	}
	if (!m->collect && begin_collecting(m) < 0) {
		take_page(m, NULL, 0);
		return answer_metrics(m, peer, true);
	}
	peer->is_waiting = true;
	MHD_suspend_connection(peer->connection);
	return MHD_YES;
}

/* MHD calls this with a request's head, again when its body has been read, and after a connection has waited. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **request)
{
	static char begun, waited;
	struct listener *listener = arg;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct peer *peer = info ? info->socket_context : NULL;
	bool has_waited = *request == &waited;

	(void)version;
	(void)upload_data;
	if (!peer)
		return MHD_NO;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer_plain(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
	if (!*request) {
		*request = &begun;
		return MHD_YES;
	}
	if (*upload_data_size) { /* a body, that nobody reads */
		*upload_data_size = 0;
		return MHD_YES;
	}
	peer->has_asked = true;
	if (!strcmp(url, "/"))
		return answer(connection, MHD_HTTP_OK, index_page, "text/html; charset=utf-8");
	if (strcmp(url, "/metrics"))
		return answer_plain(connection, MHD_HTTP_NOT_FOUND, "there is /metrics only\n");
	*request = &waited;
	return answer_metrics(listener->metrics, peer, has_waited);
}

/* --- connections ------------------------------------------------------------------------------ */

static void peer_begin(struct listener *listener, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct peer *peer = info ? calloc(1, sizeof(*peer)) : NULL;

	*context = peer; /* without one it is refused with its first request */
	if (!peer)
		return;
	peer->listener = listener;
	peer->connection = connection;
	peer->fd = info->connect_fd;
	peer->since_us = now_us();
	peer->next = listener->peers;
	listener->peers = peer;
	sd_event_source_set_enabled(listener->metrics->cutter, SD_EVENT_ON);
}

static void peer_end(struct listener *listener, struct peer *peer)
{
	struct peer **at = &listener->peers;

	while (*at && *at != peer)
		at = &(*at)->next;
	if (*at)
		*at = peer->next;
	free(peer);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		peer_begin(arg, connection, context);
	else if (*context)
		peer_end(arg, *context);
}

/* MHD then finds that the other end is gone. */
static bool cut_slow(struct listener *listener, uint64_t now)
{
	for (struct peer *peer = listener ? listener->peers : NULL; peer; peer = peer->next) {
		uint64_t limit_us = peer->has_asked ? CONNECTION_LIMIT_US : REQUEST_LIMIT_US;

		if (peer->is_cut || now - peer->since_us < limit_us)
			continue;
		peer->is_cut = true;
		shutdown(peer->fd, SHUT_RDWR);
	}
	return listener && listener->peers;
}

/* Once a second, while there are connections. */
static int on_cutter(sd_event_source *source, uint64_t usec, void *arg)
{
	struct metrics *m = arg;
	uint64_t now = now_us();
	bool has_peers = cut_slow(m->listener, now);

	(void)usec;
	has_peers |= cut_slow(m->prepared, now);
	for (struct listener *l = m->leaving; l; l = l->next)
		has_peers |= cut_slow(l, now);
	sd_event_source_set_time_relative(source, US_PER_S);
	return sd_event_source_set_enabled(source, has_peers ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* --- listeners -------------------------------------------------------------------------------- */

static void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	if (listener->daemon) {
		listener->is_ending = true;
		resume_all(
			listener); /* MHD ends the process, if it is to end with somebody suspended */
		MHD_run(listener->daemon);
		MHD_stop_daemon(listener->daemon);
		listener->fd = -1; /* it was closed, too */
	}
	sd_event_source_disable_unref(listener->ready);
	sd_event_source_disable_unref(listener->timer);
	closep(&listener->fd);
	free(listener);
}

static void listener_freep(struct listener **listener)
{
	listener_free(*listener);
}

/* Ends a listener that lets nobody in any more, once it has answered. */
static void end_if_done(struct listener *listener)
{
	struct listener **at = &listener->metrics->leaving;

	if (listener->fd >= 0 || listener->peers)
		return;
	while (*at && *at != listener)
		at = &(*at)->next;
	if (*at)
		*at = listener->next;
	listener_free(listener);
}

static int run(struct listener *listener)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(listener->daemon);
	if (MHD_get_timeout(listener->daemon, &timeout_ms) == MHD_YES) {
		sd_event_source_set_time_relative(listener->timer, timeout_ms * 1000);
		sd_event_source_set_enabled(listener->timer, SD_EVENT_ONESHOT);
	} else {
		sd_event_source_set_enabled(listener->timer, SD_EVENT_OFF);
	}
	end_if_done(listener);
	return 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	return run(arg);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	return run(arg);
}

static socklen_t make_sockaddr(const struct config_metrics *config, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){ 0 };
	if (addr_is_ipv4(&config->address)) {
		in->sin_family = AF_INET;
		in->sin_port = htons((in_port_t)config->port);
		memcpy(&in->sin_addr, config->address.bytes + 12, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((in_port_t)config->port);
	memcpy(&in6->sin6_addr, config->address.bytes, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

static int set_option(int fd, int level, int option)
{
	int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one));
}

/*
 * The address need not be there yet: at boot the loader comes before the network. besides: the socket of ours that
 * listens at the same port already; -1: none.
 */
static int listen_at(const struct config_metrics *config, int besides)
{
	struct sockaddr_storage address;
	socklen_t len = make_sockaddr(config, &address);
	bool is_ipv4 = address.ss_family == AF_INET;
	_cleanup_(closep) int fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
	    set_option(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
		       is_ipv4 ? IP_FREEBIND : IPV6_FREEBIND) < 0)
		return -errno;
	/* From 127.0.0.1 to 0.0.0.0, and back. */
	if (besides >= 0 && (set_option(fd, SOL_SOCKET, SO_REUSEPORT) < 0 ||
			     set_option(besides, SOL_SOCKET, SO_REUSEPORT) < 0))
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, MAX_CONNECTIONS) < 0)
		return -errno;
	return take_fd(&fd);
}

static struct MHD_Daemon *start_daemon(struct listener *listener)
{
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

	if (!addr_is_ipv4(&listener->config.address))
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, listener,
				MHD_OPTION_LISTEN_SOCKET, listener->fd, MHD_OPTION_CONNECTION_LIMIT,
				MAX_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				MAX_CONNECTIONS_OF_ONE, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_LIMIT_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_REQUEST_LEN,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
				MHD_OPTION_END);
}

/* Whatever else the loader has to do comes first. */
static int watch(struct listener *listener, sd_event *event)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	if (!info)
		return -EIO;
	r = sd_event_add_io(event, &listener->ready, info->epoll_fd, EPOLLIN, on_ready, listener);
	if (r >= 0)
		r = sd_event_source_set_priority(listener->ready, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_ratelimit(listener->ready, RATE_INTERVAL_US, RATE_BURST);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &listener->timer, CLOCK_MONOTONIC, 0, 1000,
					       on_timer, listener);
	if (r >= 0)
		r = sd_event_source_set_priority(listener->timer, SD_EVENT_PRIORITY_IDLE);
	return r;
}

static int listener_new(struct metrics *m, const struct config_metrics *config,
			struct listener **ret)
{
	_cleanup_(listener_freep) struct listener *listener = calloc(1, sizeof(*listener));
	bool has_port = m->listener && m->listener->config.port == config->port;
	int r;

	if (!listener)
		return -ENOMEM;
	listener->metrics = m;
	listener->config = *config;
	listener->fd = listen_at(config, has_port ? m->listener->fd : -1);
	if (listener->fd < 0)
		return listener->fd;
	listener->daemon = start_daemon(listener);
	if (!listener->daemon)
		return -EIO;
	r = watch(listener, m->event);
	if (r < 0)
		return r;
	*ret = take_ptr(listener);
	return 0;
}

/* Lets in who is at the door, and nobody else. */
static void listener_leave(struct listener *listener)
{
	struct metrics *m;

	if (!listener)
		return;
	m = listener->metrics;
	MHD_run(listener->daemon);
	MHD_quiesce_daemon(listener->daemon); /* returns our socket */
	close(listener->fd);
	listener->fd = -1;
	listener->next = m->leaving;
	m->leaving = listener;
	end_if_done(listener);
}

/* --- to the daemon ---------------------------------------------------------------------------- */

int metrics_new(sd_event *event, struct metrics **ret)
{
	_cleanup_(metrics_freep) struct metrics *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->event = sd_event_ref(event);
	r = sd_event_add_time_relative(event, &m->cutter, CLOCK_MONOTONIC, US_PER_S, 0, on_cutter,
				       m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->cutter, SD_EVENT_OFF);
	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN); /* a peer that goes away is MHD's to notice */
	*ret = take_ptr(m);
	return 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	collect_cancel(m->collect);
	m->collect = NULL;
	listener_free(m->listener);
	listener_free(m->prepared);
	while (m->leaving) {
		struct listener *next = m->leaving->next;

		listener_free(m->leaving);
		m->leaving = next;
	}
	drop_page(m);
	sd_event_source_disable_unref(m->cutter);
	sd_event_unref(m->event);
	free(m);
}

static bool is_same_place(const struct config_metrics *a, const struct config_metrics *b)
{
	return a->port == b->port && addr_equal(&a->address, &b->address);
}

static bool is_at(const struct listener *listener, const struct config_metrics *config)
{
	return listener && is_same_place(&listener->config, config);
}

int metrics_prepare(struct metrics *m, const struct config_metrics *config)
{
	char text[ADDR_TEXT_LEN + 16];
	int r;

	metrics_abandon(m);
	m->prepared_config = *config;
	if (!config->port || is_at(m->listener, config))
		return 0;
	/* Taken since long: metrics_retry() goes on, and the rest of a new configuration need not wait. */
	if (!m->listener && is_same_place(&m->wanted, config))
		return 0;
	r = listener_new(m, config, &m->prepared);
	if (r < 0) {
		listener_text(config, text, sizeof(text));
		log_error("export.metrics: cannot listen at %s: %s%s", text, strerror(-r),
			  r == -EADDRINUSE ? "; `ss -ltnp` shows who does" :
			  r == -EACCES	   ? "; the loader keeps no right to ports below 1024" :
					     "");
	}
	return r;
}

void metrics_commit(struct metrics *m)
{
	char text[ADDR_TEXT_LEN + 16];

	m->wanted = m->prepared_config;
	drop_page(m); /* it may have clients that are not to be shown any more */
	m->collects_old = true;
	if (is_at(m->listener, &m->wanted))
		return;
	listener_leave(m->listener);
	m->listener = take_ptr(m->prepared);
	if (!m->listener)
		return;
	listener_text(&m->wanted, text, sizeof(text));
	log_info("metrics are at http://%s/metrics", text);
}

void metrics_abandon(struct metrics *m)
{
	listener_free(m->prepared);
	m->prepared = NULL;
}

void metrics_retry(struct metrics *m)
{
	if (m->listener || !m->wanted.port)
		return;
	if (listener_new(m, &m->wanted, &m->prepared) < 0)
		return;
	m->prepared_config = m->wanted;
	metrics_commit(m);
}
