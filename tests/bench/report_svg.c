// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.svg: a bar a figure, its spread as a whisker, grouped by workload. Every group has a scale of its
 * own: what is compared is in one group. Colours are right on white and on black.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

#define WIDTH 860
#define LABEL_WIDTH 170
#define BAR_WIDTH 480 /* of the longest */
#define ROW_HEIGHT 22
#define BAR_HEIGHT 14
#define TITLE_HEIGHT 40

static const char style[] = "<style>\n"
			    "text { font: 13px sans-serif; fill: #24292f; }\n"
			    ".title { font-weight: bold; }\n"
			    ".bar { fill: #8c959f; }\n"
			    ".own { fill: #1f77b4; }\n"
			    ".whisker { stroke: #24292f; stroke-width: 1.5; fill: none; }\n"
			    "@media (prefers-color-scheme: dark) {\n"
			    "text { fill: #e6edf3; }\n"
			    ".bar { fill: #6e7681; }\n"
			    ".own { fill: #58a6ff; }\n"
			    ".whisker { stroke: #e6edf3; }\n"
			    "}\n"
			    "</style>\n";

/* Names are of our own sections, but a file that is no XML helps nobody. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		default:
			fputc(*text, out);
		}
}

static void put_bar(FILE *out, const struct figure *figure, double scale, int y)
{
	struct spread v = figure_values(figure);
	double left = LABEL_WIDTH + scale * v.min, right = LABEL_WIDTH + scale * v.max;
	int middle = y + BAR_HEIGHT / 2;
	char text[QUANTITY_LEN];

	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LABEL_WIDTH - 8, y + 12);
	put_text(out, figure->candidate);
	fprintf(out,
		"</text>\n<rect class=\"bar%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
		strncmp(figure->candidate, "edge53", 6) ? "" : " own", LABEL_WIDTH, y,
		scale * v.median, BAR_HEIGHT);
	fprintf(out, "<path class=\"whisker\" d=\"M%.1f %dH%.1fM%.1f %dv8M%.1f %dv8\"/>\n", left,
		middle, right, left, middle - 4, right, middle - 4);
	fprintf(out, "<text x=\"%.1f\" y=\"%d\">%s", right + 8, y + 12,
		quantity(text, v.median, figure->unit));
	if (figure_lost_much(figure))
		fprintf(out, ", %.3g %% lost", figure_losses(figure).median);
	fputs("</text>\n", out);
}

static double largest_of_group(const struct report *report, const struct figure *first)
{
	double largest = 0, value;

	for (size_t i = 0; i < report->n_figures; i++) {
		if (report->figures[i].refused || !figure_same_group(first, &report->figures[i]))
			continue;
		value = figure_values(&report->figures[i]).max;
		if (value > largest)
			largest = value;
	}
	return largest;
}

/* Returns where the next group begins. */
static int put_group(FILE *out, const struct report *report, const struct figure *first, int y)
{
	double largest = largest_of_group(report, first);

	if (!(largest > 0))
		return y;
	fprintf(out, "<text class=\"title\" x=\"8\" y=\"%d\">", y + 26);
	put_text(out, first->section);
	fputs(" / ", out);
	put_text(out, first->workload);
	fputs(*first->way ? ", " : "", out);
	put_text(out, first->way);
	fputs("</text>\n", out);
	y += TITLE_HEIGHT;
	for (size_t i = 0; i < report->n_figures; i++) {
		const struct figure *figure = &report->figures[i];

		if (figure->refused || !figure_same_group(first, figure))
			continue;
		put_bar(out, figure, BAR_WIDTH / largest, y);
		y += ROW_HEIGHT;
	}
	return y;
}

static int put_groups(FILE *out, const struct report *report)
{
	int y = 0;

	for (size_t i = 0; i < report->n_figures; i++)
		if (!figure_group_began(report, i))
			y = put_group(out, report, &report->figures[i], y);
	return y + ROW_HEIGHT;
}

static int height_of(const struct report *report)
{
	FILE *nowhere = fopen("/dev/null", "we");
	int height = nowhere ? put_groups(nowhere, report) : 0;

	if (nowhere)
		fclose(nowhere);
	return height;
}

int report_write_svg(const struct report *report, const char *path)
{
	int height = height_of(report), failed;
	FILE *out = fopen(path, "we");

	if (!out)
		return -errno;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n%s",
		WIDTH, height, WIDTH, height, style);
	put_groups(out, report);
	fputs("</svg>\n", out);
	failed = ferror(out);
	return fclose(out) || failed ? -EIO : 0;
}
