// SPDX-License-Identifier: GPL-2.0-only
#include "clients_watch.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "output.h"

#define HEAD_LINES 2 /* of the screen, above the table */

static volatile sig_atomic_t is_over;

static void end_watch(int signal_number)
{
	(void)signal_number;
	is_over = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = end_watch }; /* no SA_RESTART: it ends a wait */

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/*
 * *list becomes what is now, with rates since what it was. The maps are opened each time: another loader may have
 * made new ones. Returns as state_open(), and *list is empty then.
 */
static int read_again(struct client_list *list, const struct client_field *sort)
{
	_cleanup_(state_closep) struct state *state = NULL;
	struct client_list next = { 0 };
	int r = state_open(&state);

	if (!r)
		r = client_list_read(state, list->read_at_s > 0 ? list : NULL, &next);
	client_list_clear(list);
	if (r < 0) {
		client_list_clear(&next);
		return r;
	}
	*list = next;
	client_list_sort(list, sort);
	return 0;
}

/* --- one after the other ---------------------------------------------------------------------- */

static int print_once(const struct clients_watch *watch, struct client_list *list)
{
	size_t n = watch->top ?: SIZE_MAX;
	int r;

	r = watch->as_json ? client_list_print_json(list, n) : client_list_print(list, n, stdout);
	if (!watch->as_json)
		putchar('\n');
	return output_finish(r, "the clients");
}

static int watch_plain(const struct clients_watch *watch)
{
	struct client_list list = { 0 };
	int r = EXIT_FINE;

	while (!is_over && r == EXIT_FINE && !ferror(stdout)) {
		_cleanup_(state_closep) struct state *state = NULL;

		r = output_open_state(&state); /* says why not */
		if (r == EXIT_FINE && read_again(&list, watch->sort) < 0)
			r = EXIT_FAILED;
		if (r == EXIT_FINE)
			r = print_once(watch, &list);
		if (r == EXIT_FINE)
			poll(NULL, 0, (int)watch->interval_s * 1000);
	}
	client_list_clear(&list);
	return r;
}

/* --- a screen --------------------------------------------------------------------------------- */

static void draw_head(const struct client_list *list, const struct client_field *sort, int error)
{
	move(0, 0);
	if (error == -ENOENT)
		addstr("edge53 is not loaded");
	else if (error)
		printw("the clients cannot be read: %s", strerror(-error));
	else
		printw("%zu clients, %.1f queries/s of theirs; by %s (left, right: another column; q: end)",
		       list->n, client_list_rate(list), client_field_title(sort));
	clrtoeol();
	move(1, 0);
	clrtoeol();
}

/* The table as its lines, cut to the screen. */
static int draw_table(const struct client_list *list, size_t n)
{
	_cleanup_(freep) char *text = NULL;
	int line = HEAD_LINES, r;
	char *rest, *next;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	r = client_list_print(list, n, out);
	fclose(out);
	for (rest = text; !r && (next = strsep(&rest, "\n")) && line < LINES; line++) {
		move(line, 0);
		addnstr(next, COLS - 1);
		clrtoeol();
	}
	clrtobot();
	return r;
}

static void draw(const struct clients_watch *watch, const struct client_list *list,
		 const struct client_field *sort, int error)
{
	size_t room = LINES > HEAD_LINES + 2 ? (size_t)LINES - HEAD_LINES - 2 : 1;

	draw_head(list, sort, error);
	if (error)
		clrtobot();
	else
		draw_table(list, watch->top && watch->top < room ? watch->top : room);
	refresh();
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Nothing to read, and it would not be waited for: whoever typed has gone. */
static bool is_input_over(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int n = 0;

	return poll(&input, 1, 0) > 0 && (ioctl(STDIN_FILENO, FIONREAD, &n) || !n);
}

/* Keys until it is time to look again, however many there are. */
static void follow_keys(const struct clients_watch *watch, struct client_list *list,
			const struct client_field **sort, int error)
{
	long long end_ms = now_ms() + watch->interval_s * 1000ll, left_ms;

	while (!is_over && (left_ms = end_ms - now_ms()) > 0) {
		int key;

		timeout((int)left_ms);
		key = getch();
		if (key == 'q' || (key == ERR && is_input_over()))
			is_over = 1;
		if (key == ERR)
			continue;
		if (key == KEY_LEFT || key == '<')
			*sort = client_field_beside(*sort, -1);
		if (key == KEY_RIGHT || key == '>')
			*sort = client_field_beside(*sort, 1);
		client_list_sort(list, *sort);
		draw(watch, list, *sort, error);
	}
}

static int watch_screen(const struct clients_watch *watch)
{
	const struct client_field *sort = watch->sort;
	struct client_list list = { 0 };
	SCREEN *screen = newterm(NULL, stdout, stdin);
	int error;

	if (!screen)
		return watch_plain(watch);
	cbreak();
	noecho();
	keypad(stdscr, true);
	curs_set(0);
	while (!is_over) {
		error = read_again(&list, sort);
		draw(watch, &list, sort, error);
		follow_keys(watch, &list, &sort, error);
	}
	endwin();
	delscreen(screen);
	client_list_clear(&list);
	return EXIT_FINE;
}

int clients_watch(const struct clients_watch *watch)
{
	catch_signals();
	if (!watch->as_json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
		return watch_screen(watch);
	return watch_plain(watch);
}
