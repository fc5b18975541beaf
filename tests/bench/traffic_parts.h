/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of `traffic` share. Whatever cannot be done ends the program, with a sentence. */
#ifndef TRAFFIC_PARTS_H
#define TRAFFIC_PARTS_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "traffic.h"
#include "traffic.skel.h"

#define TRAFFIC_MAX_BATCH 128 /* a veth's ring has 256 */

struct socket_address {
	struct in_addr address;
	in_port_t port; /* network order */
};

struct options {
	const char *client_ns, *client_dev;
	const char *backend_ns, *backend_dev;
	struct ether_addr edge_mac;
	struct socket_address service, backend;
	enum traffic_way way;
	enum traffic_workload workload;
	enum traffic_flood flood;
	unsigned int clients, ports, stride;
	unsigned int well_every; /* in a flood */
	double rate;		 /* packets a second of all CPUs; 0: as many as they can */
	unsigned int
		queue_len; /* before the edge, with a rate; 0: no packet is ever dropped there */
	bool proxy, verify;
	unsigned int cpus[TRAFFIC_MAX_CPUS], n_cpus;
	unsigned int batch_len;
	unsigned long packets; /* 0: as many as fit into `seconds` */
	double seconds;
	unsigned long warm_packets;
};

/* Over all CPUs. */
struct totals {
	struct traffic_count sent, arrived, answered;
	unsigned long long well_sent, well_arrived, well_answered, well_truncated;
	unsigned long long flood_arrived, flood_answered, flood_truncated;
	unsigned long long queued_out, well_queued_out, strange;
};

struct result {
	struct totals totals;
	double seconds;	    /* of the clock */
	double cpu_seconds; /* of one CPU, without what others had of it meanwhile */
};

struct ends {
	struct traffic_bpf *skel;
	unsigned int client_ifindex; /* this process is in its namespace */
	int client_link, backend_link, held_link;
};

/* Loads the programs, made for these options, and attaches both ends. */
void attach_ends(const struct options *options, struct ends *ends);

/* Once they have nothing to do. */
void detach_ends(struct ends *ends);

/* Fills the table of draws: client i is drawn as often as 1/rank tells, and ranks are strewn over i. */
void draw_zipf(__u32 *table, unsigned int clients);

/* Says so if this kernel makes the generator lose packets. */
void warn_of_old_kernel(void);

/* Sends, waits until what was sent has come or will not come, and says what was counted. */
void run_traffic(const struct options *options, struct ends *ends, unsigned long packets,
		 struct result *result);

#endif
