/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs of the command line. Each gets its own arguments (argv[0] is "edge53 VERB") and returns
 * an exit code.
 */
#ifndef EDGE53_COMMANDS_H
#define EDGE53_COMMANDS_H

enum exit_code {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* wrong usage or wrong configuration */
	EXIT_NOT_LOADED = 3,
};

#define DEFAULT_CONFIG_PATH "/etc/edge53/edge53.yaml"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_clients(int argc, char **argv);
int cmd_flows(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_down(int argc, char **argv);

#endif
