#!/usr/bin/python3
"""metrics.py VERB FILE...: what /metrics said, and whether it is what others say.

  same SCRAPE STATUS    the numbers of `edge53 status --json`, each of them
  table SCRAPE MARKDOWN the table of docs/metrics.md: every family, its type, its labels and its help
  names SCRAPE          all names of samples, one a line
  value SCRAPE NAME [LABEL=VALUE]...   the one sample that has these labels
"""
import json
import re
import sys

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def unescape(text):
    return re.sub(r'\\(.)', lambda m: '\n' if m[1] == 'n' else m[1], text)


class Scrape:
    def __init__(self, path):
        self.samples = {}       # (name, labels) -> value
        self.help, self.type = {}, {}
        for line in open(path, encoding='utf-8').read().splitlines():
            if line.startswith('# '):
                _, what, name, text = line.split(' ', 3)
                family = self.help if what == 'HELP' else self.type
                assert name not in family, f'{name} comes twice'
                family[name] = text.replace('\\\\', '\\')
                continue
            name, labels, value = SAMPLE.fullmatch(line).groups()
            key = name, frozenset((k, unescape(v)) for k, v in LABEL.findall(labels or ''))
            assert key not in self.samples, f'{line} comes twice'
            self.samples[key] = float(value)

    def all(self, name):
        return {labels: value for (n, labels), value in self.samples.items() if n == name}


def wanted_of(d):
    """All samples that follow from the status, as (name, labels) -> value."""
    want = {}

    def put(name, value, **labels):
        want[name, frozenset((k, str(v)) for k, v in labels.items())] = float(value)

    def put_reasons(reasons, **labels):
        for r in reasons:
            put('edge53_packets_total', r['packets'], reason=r['reason'], fate=r['fate'], **labels)

    put('edge53_build_info', 1, version=d['loader']['version'])
    put('edge53_loader_start_time_seconds', d['loader']['started'])
    g, ring = d['geometry'], d['ring']
    for table, key in ('slots', 'slots'), ('connections', 'tcp_connections'), ('clients', 'clients'):
        put('edge53_memory_bytes', g[key + '_bytes'], table=table)
    put('edge53_tcp_connections_limit', g['tcp_connections'])
    put('edge53_udp_slots', g['cpus'] * g['slots_per_cpu'])
    put('edge53_udp_slots_used_total', ring['handed_out'])
    put('edge53_udp_slots_unanswered_total', ring['unanswered'])
    put('edge53_udp_slot_age_seconds', ring['overwritten_age_seconds'] or 0)
    put('edge53_refusals_suppressed_total', ring['refusals_suppressed'])
    put('edge53_client_entries_limit', g['cpus'] * g['clients'])
    put('edge53_clients_evicted_total', ring['clients_evicted'])
    put('edge53_client_packets_uncounted_total', ring['client_packets_not_counted'])

    hooks = [h for h in d['hooks'] if not h['gone']]
    put('edge53_attached_devices', len({h['device'] for h in hooks}))
    client_devices = {f['device'] for s in d['services'] if s['kind'] == 'enforce' for f in s['frontends']}
    for h in hooks:
        old = 'old_' if h['hook'].startswith('old_') else ''
        mode, _, hook = h['hook'].removeprefix('old_').partition('_')
        labels = {'hook': old + hook, 'mode': mode} if hook else {'hook': mode, 'mode': h['mode'] or ''}
        key = 'edge53_attached_hooks', frozenset(labels.items())
        want[key] = want.get(key, 0) + 1
        if h['device'] not in client_devices:
            put('edge53_device_hook_info', 1, device=h['device'], **labels)
    put('edge53_guard_devices', d['guard']['devices'])
    put('edge53_guard_unattached_devices', d['guard']['unattached'])

    if d['dnstap']:
        t = d['dnstap']
        put('edge53_dnstap_on', t['on'])
        put('edge53_dnstap_connected', t['connected'])
        put('edge53_dnstap_sampled_total', t['sampled'])
        put('edge53_dnstap_messages_written_total', t['written'])
        for why in 'no_room', 'no_reader', 'no_message', 'not_whole', 'not_dns', 'not_written':
            put('edge53_dnstap_unsent_total', t[why], why=why)
    put_reasons(d['reasons_without_service'], service='', kind='')
    for s in d['services']:
        service = s['name']
        put('edge53_service_info', 1, service=service, kind=s['kind'], on_down=s['on_down'])
        put_reasons(s['reasons'], service=service, kind=s['kind'])
        if s['kind'] != 'return':
            devices = {f['device'] for f in s['frontends']}
            put('edge53_service_frontends', len(s['frontends']), service=service)
            put('edge53_service_devices', len(devices), service=service)
            put('edge53_service_attached_devices', len(devices & {h['device'] for h in hooks}), service=service)
        for b in s['backends']:
            put_backend(put, b, service)
    return want


def put_backend(put, b, service):
    labels = {'service': service, 'backend': b['address'],
              'udp_port': b['udp_port'] or '', 'tcp_port': b['tcp_port'] or ''}
    t, health = b['traffic'], b['health']
    for name, key in (('queries', 'queries'), ('replies', 'replies'), ('truncated_replies', 'truncated'),
                      ('tcp_connections', 'tcp_connections'), ('query_bytes', 'bytes_in'),
                      ('reply_bytes', 'bytes_out')):
        put(f'edge53_backend_{name}_total', t[key], **labels)
    for rcode in 'noerror', 'nxdomain', 'servfail', 'refused', 'other':
        put('edge53_backend_responses_total', t.get(rcode, t.get(rcode + '_rcode')), rcode=rcode, **labels)
    count = 0
    for bucket in b['latency']:
        count += bucket['replies']
        le = '+Inf' if bucket['below_us'] is None else '%.10g' % (bucket['below_us'] / 1e6)
        put('edge53_backend_latency_seconds_bucket', count, le=le, **labels)
    put('edge53_backend_latency_seconds_count', count, **labels)
    for l4proto in 'udp', 'tcp':
        probe = health[l4proto]
        if not b[l4proto + '_port']:
            continue
        put('edge53_backend_usable', b['usable_' + l4proto], l4proto=l4proto, **labels)
        if probe['state'] != 'off':
            put('edge53_backend_probe_failures_total', probe['failed'], l4proto=l4proto, **labels)
        if probe['state'] in ('up', 'unproven', 'dead'):
            put('edge53_backend_up', probe['state'] != 'dead', l4proto=l4proto, **labels)
    put('edge53_backend_window_queries', health['last_window']['queries'], **labels)
    put('edge53_backend_window_unanswered_queries', health['last_window']['unanswered'], **labels)
    put('edge53_backend_clients_unanswered', health['clients_unanswered'], **labels)


# Not in the status: of the scrape itself, and of `edge53 clients`.
NOT_IN_STATUS = ('edge53_collect_seconds', 'edge53_client_entries', 'edge53_top_client_')


def same(scrape_path, status_path):
    got = Scrape(scrape_path).samples
    want = wanted_of(json.load(open(status_path)))
    wrong = []
    for key in sorted(want.keys() | got.keys(), key=lambda k: (k[0], sorted(k[1]))):
        if key not in want and (key[0] in NOT_IN_STATUS or key[0].startswith('edge53_top_client_')):
            continue
        a, b = got.get(key), want.get(key)
        if a is None or b is None or abs(a - b) > 1e-6 * abs(b):
            wrong.append(f'{key[0]}{dict(key[1])}: metrics {a}, status {b}')
    print('\n'.join(wrong[:20]))
    return 1 if wrong else 0


def table(scrape_path, markdown_path):
    """| `name` | type | `label`, `label` | help |"""
    scrape = Scrape(scrape_path)
    rows, wrong = {}, []
    for line in open(markdown_path):
        cells = [c.strip() for c in line.strip().strip('|').split('|')]
        if len(cells) == 4 and re.fullmatch(r'`edge53_\w+`', cells[0]):
            rows[cells[0].strip('`')] = cells[1:]
    for name in sorted(rows.keys() | scrape.type.keys()):
        if name not in rows:
            wrong.append(f'{name} is not in the table')
            continue
        if name not in scrape.type:
            wrong.append(f'{name} is in the table, and not there')
            continue
        kind, labels, text = rows[name]
        help_text = scrape.help[name]
        if not help_text.replace('`', '').startswith(text.replace('`', '')):
            wrong.append(f'{name}: the table says "{text}", HELP "{help_text[:100]}"')
        if kind != scrape.type[name]:
            wrong.append(f'{name}: the table says {kind}, it is a {scrape.type[name]}')
        there = [labels for suffix in ('', '_bucket') for labels in scrape.all(name + suffix)]
        if not there:
            wrong.append(f'{name} has no sample, so nobody knows its labels')
            continue
        names = {k for k, _ in there[0]}
        if names != set(re.findall(r'`(\w+)`', labels)):
            wrong.append(f'{name}: the table has labels {labels}, it has {sorted(names)}')
    print('\n'.join(wrong))
    return 1 if wrong or not rows else 0


def main():
    verb, path, *rest = sys.argv[1:]
    if verb == 'same':
        return same(path, *rest)
    if verb == 'table':
        return table(path, *rest)
    scrape = Scrape(path)
    if verb == 'names':
        print('\n'.join(sorted({name for name, _ in scrape.samples})))
        return 0
    labels = {tuple(pair.split('=', 1)) for pair in rest[1:]}
    values = [value for has, value in scrape.all(rest[0]).items() if labels <= has]
    print(*(f'{v:.10g}' for v in values))
    return 0 if len(values) == 1 else 1


sys.exit(main())
