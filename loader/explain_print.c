// SPDX-License-Identifier: GPL-2.0-only
/* `edge53 explain` for people. */
#include "explain_print.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <linux/in.h>
#include <linux/in6.h>

#include "dns_message.h"
#include "explain_decode.h"
#include "explain_words.h"

/* --- a packet --------------------------------------------------------------------------------- */

static const char *protocol_text(unsigned int protocol, char buf[static 16])
{
	switch (protocol) {
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		snprintf(buf, 16, "protocol %u", protocol);
		return buf;
	}
}

static void print_end(const struct edge53_addr *address, bool has_port, unsigned int port)
{
	char text[ADDR_TEXT_LEN];

	addr_format(address, text);
	if (!has_port)
		printf("%s", text);
	else
		printf(addr_is_ipv4(address) ? "%s:%u" : "[%s]:%u", text, port);
}

static void print_mac(const unsigned char mac[static 6])
{
	printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_ip(const struct explain_view *view)
{
	char protocol[16];

	printf("    %s ", protocol_text(view->protocol, protocol));
	print_end(&view->from, view->has_ports, view->from_port);
	printf(" -> ");
	print_end(&view->to, view->has_ports, view->to_port);
	printf(", %s %u, %u bytes, checksum %s", view->is_ipv6 ? "hop limit" : "TTL", view->ttl,
	       view->ip_len, explain_check_text(view->check));
	if (view->ip_check == EXPLAIN_CHECK_WRONG)
		printf(", checksum of the IP header wrong");
	if (view->is_fragment)
		printf(", fragment at %u", view->fragment_offset);
	if (view->has_icmp)
		printf(", type %u code %u", view->icmp_type, view->icmp_code);
	putchar('\n');
}

static void print_tcp(const struct explain_view *view)
{
	char flags[EXPLAIN_FLAGS_LEN];

	explain_flags_text(view->tcp_flags, flags);
	printf("    %s seq %u ack %u window %u", *flags ? flags : "no flags", view->tcp_seq,
	       view->tcp_ack, view->tcp_window);
	if (view->tcp_mss)
		printf(" MSS %u", view->tcp_mss);
	printf(", %u bytes of payload\n", view->payload_len);
}

static void print_proxy(const struct explain_proxy *proxy)
{
	printf("    PROXY header: ");
	print_end(&proxy->from, true, proxy->from_port);
	printf(" -> ");
	print_end(&proxy->to, true, proxy->to_port);
	putchar('\n');
}

#define DNS_QR 0x8000
#define DNS_TC 0x0200

static void print_dns(const struct explain_dns *dns)
{
	char type[EXPLAIN_TYPE_LEN];

	printf("    DNS %s, ID %u (0x%04x)", dns->flags & DNS_QR ? "reply" : "query", dns->id,
	       dns->id);
	if (dns->name[0])
		printf(", %s %s", dns->name, explain_type_text(dns->type, type));
	if (dns->flags & DNS_QR)
		printf(", %s%s", dns_rcode_name(dns->flags & 15),
		       dns->flags & DNS_TC ? ", TC" : "");
	putchar('\n');
}

#define PER_LINE 16

static void print_bytes(const unsigned char *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += PER_LINE) {
		printf("    %04zx ", at);
		for (size_t i = at; i < at + PER_LINE; i++)
			i < len ? printf(" %02x", bytes[i]) : printf("   ");
		printf("  ");
		for (size_t i = at; i < at + PER_LINE && i < len; i++)
			putchar(bytes[i] < 127 && isprint(bytes[i]) ? bytes[i] : '.');
		putchar('\n');
	}
}

static void print_packet(const char *title, const unsigned char *bytes, size_t len,
			 bool has_ethernet)
{
	struct explain_view view;

	explain_decode(bytes, len, has_ethernet, &view);
	printf("\n%s, %zu bytes:\n", title, len);
	if (view.has_ethernet) {
		printf("    Ethernet ");
		print_mac(view.eth_from);
		printf(" -> ");
		print_mac(view.eth_to);
		printf(", type 0x%04x\n", view.ethertype);
	}
	if (view.has_ip)
		print_ip(&view);
	if (view.has_tcp)
		print_tcp(&view);
	if (view.has_proxy)
		print_proxy(&view.proxy);
	if (view.has_dns)
		print_dns(&view.dns);
	print_bytes(bytes, len);
}

/* --- hooks ------------------------------------------------------------------------------------ */

static void print_note(const struct edge53_trace_note *note)
{
	if (note->kind == EDGE53_TRACE_CHAIN)
		printf("  %s: %s\n", explain_note_name(note), explain_note_sentence(note));
	else
		printf("    %-24s %-22s %s\n", explain_note_name(note), explain_note_result(note),
		       explain_note_sentence(note));
}

static void print_hook(const struct explain_report *report, const struct explain_hook *hook)
{
	char device[EDGE53_IFNAME_LEN];

	printf("\n%s of %s: %s", hook->place, ifname_text(report->device, device), hook->program);
	if (hook->is_xdp)
		printf(" (%s)", hook->mode);
	putchar('\n');
	if (hook->fate == EXPLAIN_NOT_REACHED) {
		printf("  not reached\n");
		return;
	}
	for (__u32 i = 0; i < hook->trace.n_notes && i < EDGE53_TRACE_NOTES; i++)
		print_note(&hook->trace.notes[i]);
	printf("  => %s: %s\n", explain_verdict_text(hook), reason_name(explain_reason(hook)));
}

/* --- the end ---------------------------------------------------------------------------------- */

static void print_service(const struct explain_report *report, const struct explain_hook *hook)
{
	const struct edge53_service *service = state_service(report->state, hook->trace.service);

	if (hook->trace.reason && service)
		printf("service: %.*s\n", EDGE53_NAME_LEN, service->name);
}

static void print_device(unsigned int ifindex)
{
	char name[IF_NAMESIZE], text[EDGE53_IFNAME_LEN];

	printf("%s (%u)", if_indextoname(ifindex, name) ? ifname_text(name, text) : "a device that is gone",
	       ifindex);
}

static void print_way(const struct explain_report *report, const struct explain_hook *hook)
{
	const struct edge53_trace_way *way = &hook->trace.way;
	const struct edge53_backend *backend =
		way->backend ? state_flow_backend(report->state, way->backend) : NULL;
	static const unsigned char no_mac[6];
	char text[ADDR_TEXT_LEN];

	if (hook->fate != EXPLAIN_SENT)
		return;
	printf("sent by: ");
	if (hook->is_answer) {
		print_device(report->run->ifindex);
		printf(", back to where it came from\n");
		return;
	}
	print_device(way->ifindex);
	if (backend)
		printf(", towards backend %s", addr_format(&backend->address, text));
	if (way->to_ethernet && memcmp(way->dmac, no_mac, sizeof(no_mac))) {
		printf(", to ");
		print_mac(way->dmac);
	}
	if (way->to_ethernet && backend)
		printf(", next hop %s%s", addr_format(&backend->nexthop, text),
		       hook->has_ethernet ? ""
					  : ", for which the kernel makes the Ethernet header");
	putchar('\n');
}

static void print_end_of_way(const struct explain_report *report, const struct explain_hook *last)
{
	if (last->fate != EXPLAIN_GOES_ON)
		return;
	printf("then: %s\n",
	       report->is_egress ? "whatever else is attached to the device, and out of it"
				 : "whatever else is attached to the device, and the host's stack");
}

static void print_outcome(const struct explain_report *report)
{
	const struct explain_hook *last = explain_last_hook(report->run);
	const struct explain_hook *telling = explain_telling_hook(report->run);
	enum edge53_reason reason = explain_reason(telling);

	printf("\nverdict: %s (%s at %s)\n", explain_fate_text(last), explain_verdict_text(last),
	       last->place);
	printf("reason: %s: %s\n", reason_name(reason), reason_sentence(reason));
	print_service(report, telling);
	print_way(report, last);
	print_end_of_way(report, last);
}

int explain_print_text(const struct explain_report *report)
{
	const struct explain_hook *last = explain_last_hook(report->run);
	char device[EDGE53_IFNAME_LEN];

	printf("%s %s, on CPU %u\n", report->is_egress ? "out of" : "in from",
	       ifname_text(report->device, device),
	       report->run->cpu);
	for (size_t i = 0; i < report->run->n_hooks; i++)
		print_hook(report, &report->run->hooks[i]);
	print_outcome(report);
	print_packet("before", report->bytes, report->len, report->has_ethernet);
	if (last->fate == EXPLAIN_DROPPED)
		return 0;
	if (last->len == report->len && !memcmp(last->bytes, report->bytes, last->len))
		printf("\nafter: the same\n");
	else
		print_packet("after", last->bytes, last->len, last->has_ethernet);
	return 0;
}
