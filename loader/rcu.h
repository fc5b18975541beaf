/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grace periods of RCU. The kernel waits for one, and holds RTNL, each time a tcx link is made or taken away: 8 to
 * 25 ms, and 4,000 devices have 8,000 links. For what else it waits for under RTNL it expedites them itself
 * (synchronize_net()): a fraction of a millisecond, and an interrupt of each CPU.
 */
#ifndef EDGE53_RCU_H
#define EDGE53_RCU_H

/*
 * Lets the kernel expedite all of them (/sys/kernel/rcu_expedited) until rcu_hurry_end(), unless it does so anyway.
 * Where that may not be written, or rcu_normal forbids it, links take their time. Can be called again and again.
 * A directory beside the pins says so meanwhile, for whoever comes after a process that was killed.
 */
void rcu_hurry(void);
void rcu_hurry_end(void);

/* Ends what a process left that was killed in between. Call with the lock of pins.h held. */
void rcu_recover(void);

#endif
