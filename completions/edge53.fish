# SPDX-License-Identifier: GPL-2.0-only
# fish completion of edge53.

set -l commands run check status clients flows explain attach down help
set -l none "not __fish_seen_subcommand_from $commands"
set -l fields client queries/s queries replies bytes-in bytes-out tcp trunc noerror nxdomain servfail refused other first last

function __fish_edge53_devices
    path basename /sys/class/net/* 2>/dev/null; or command ls /sys/class/net
end

complete -c edge53 -f
complete -c edge53 -s '?' -l help -d 'Print help'
complete -c edge53 -l usage -d 'Print a short usage message'
complete -c edge53 -s V -l version -d 'Print the version'

complete -c edge53 -n $none -l pins -x -a '(__fish_complete_directories)' -d 'Directory of the pinned maps and links'
complete -c edge53 -n $none -s v -l verbose -d 'Say more, libbpf\'s messages included'
complete -c edge53 -n $none -a run -d 'Load the dataplane and keep it as the configuration says'
complete -c edge53 -n $none -a check -d 'Check configuration and host; print the plan'
complete -c edge53 -n $none -a status -d 'What is attached where, health, counters by reason'
complete -c edge53 -n $none -a clients -d 'Counters of each client'
complete -c edge53 -n $none -a flows -d 'UDP queries under way and TCP connections'
complete -c edge53 -n $none -a explain -d 'What would become of a packet'
complete -c edge53 -n $none -a attach -d 'Wait until a device is attached'
complete -c edge53 -n $none -a down -d 'Detach and unpin everything'
complete -c edge53 -n $none -a help -d 'Say what a command does'

complete -c edge53 -n '__fish_seen_subcommand_from run check' -s c -l config -r -F -d 'Configuration'
complete -c edge53 -n '__fish_seen_subcommand_from run' -l attach -x -a 'auto clsact' -d 'How tc programs are attached'
complete -c edge53 -n '__fish_seen_subcommand_from check' -l no-probe -d 'Do not ask backends and resolvers'
complete -c edge53 -n '__fish_seen_subcommand_from check status clients flows explain' -s j -l json -d 'Print JSON'
complete -c edge53 -n '__fish_seen_subcommand_from status' -s a -l all -d 'Also reasons that never occurred, and long lists in full'
complete -c edge53 -n '__fish_seen_subcommand_from clients' -s n -l top -x -d 'Only the first ones'
complete -c edge53 -n '__fish_seen_subcommand_from clients' -s s -l sort -x -a "$fields" -d 'Largest of this column first'
complete -c edge53 -n '__fish_seen_subcommand_from clients' -s w -l watch -d 'Again every second'
complete -c edge53 -n '__fish_seen_subcommand_from clients' -l names -d 'What the busiest clients ask now'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l in -x -a '(__fish_edge53_devices)' -d 'The packet comes in by this device'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l out -x -a '(__fish_edge53_devices)' -d 'The packet is about to leave by this device'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l from -x -d 'Source'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l to -x -d 'Destination'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l udp -d 'UDP'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l tcp -d 'TCP'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l name -x -d 'What is asked'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l type -x -a 'A AAAA CNAME DNSKEY HTTPS MX NS PTR SOA SRV TXT' -d 'Of which type'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l id -x -d 'DNS ID'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l reply -d 'The DNS message is a reply'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l no-edns -d 'The query has no OPT record'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l flags -x -a 'SYN ACK PSH,ACK FIN,ACK RST' -d 'Of TCP'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l seq -x -d 'Sequence number'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l ack -x -d 'Acknowledgement number'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l ttl -x -d 'TTL or hop limit'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l from-mac -x -d 'Source of the Ethernet header'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l to-mac -x -d 'Destination of the Ethernet header'
complete -c edge53 -n '__fish_seen_subcommand_from explain' -l packet -r -F -d 'A recorded packet'
complete -c edge53 -n '__fish_seen_subcommand_from attach' -s w -l wait -x -d 'How many seconds at most'
complete -c edge53 -n '__fish_seen_subcommand_from attach' -a '(__fish_edge53_devices)' -d Device
complete -c edge53 -n '__fish_seen_subcommand_from help' -a "$commands"
