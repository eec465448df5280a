// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tst-floor: the levels that the service leaves, by table and by every change.
 *
 * Built with the sanitizers.  Every text is handed over in a heap block of
 * exactly its size, so that one byte too many is seen.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"

#define NEWEST	"yama-session floor 3\n"
#define HEAD	"yama-session floor 2\n"
#define OLDER	"yama-session floor 1\n"
#define UNSET	77

static const char good[] = HEAD "scope 2\nview domain\nend\n";

static int parse(const char *text, size_t len, unsigned int *scope,
		 unsigned int *view)
{
	char *copy = malloc(len ? len : 1);
	struct floor floor = { UNSET, UNSET, PROC_HOST };
	int r;

	assert(copy);
	memcpy(copy, text, len);
	r = floor_parse(copy, len, &floor);
	free(copy);
	*scope = floor.scope;
	*view = floor.view;
	/* All or nothing */
	assert(r == 0 || r == -EBADMSG);
	assert((*scope == UNSET) == (r < 0));
	assert((*view == UNSET) == (r < 0));
	assert((floor.proc == PROC_HOST) == (r < 0));
	return r;
}

static const char *const wrong[] = {
	"",
	HEAD,
	HEAD "end\n",
	HEAD "scope 1\nend\n",
	HEAD "view user\nscope 1\nend\n",
	HEAD "scope 4\nview user\nend\n",
	HEAD "scope 1\nview 1\nend\n",
	HEAD "scope 1\nview 2\nend\n",
	HEAD "scope 1\nview \nend\n",
	HEAD "scope 1\nview users\nend\n",
	HEAD "scope 1\nview use\nend\n",
	HEAD "scope 1\nview USER\nend\n",
	HEAD "scope 9\nview user\nend\n",
	HEAD "scope -\nview user\nend\n",
	HEAD "scope #\nview user\nend\n",
	HEAD "scope 01\nview user\nend\n",
	HEAD "scope 1\nview user",
	HEAD "scope 1\nview user\nend",
	HEAD "scope 1\nview user\nend\n\n",
	HEAD "scope 1\nview user\nend\nend\n",
	HEAD "scope 1\r\nview user\nend\n",
	OLDER "scope 1\nview user\nend\n",
	OLDER "scope 1\nview 3\nend\n",
	OLDER "scope 9\nview 9\nend\n",
	OLDER "scope 1\nview 01\nend\n",
	"yama-session floor 0\nscope 1\nview 1\nend\n",
	"yama-session floor 4\nscope 1\nview user\nproc private\nend\n",
	HEAD "scope 1\nview user\nproc private\nend\n",
	NEWEST "scope 1\nview user\nend\n",
	NEWEST "scope 1\nview user\nproc \nend\n",
	NEWEST "scope 1\nview user\nproc host\nend\n",
	NEWEST "scope 1\nview user\nproc privat\nend\n",
	NEWEST "scope 1\nview user\nproc privates\nend\n",
	NEWEST "scope 1\nview 1\nproc private\nend\n",
};

static void test_table(void)
{
	unsigned int scope, view;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (parse(wrong[i], strlen(wrong[i]), &scope, &view) == 0) {
			fprintf(stderr, "accepted: %s\n", wrong[i]);
			exit(1);
		}
	}
}

static const struct {
	const char *word;
	unsigned int view;
} views[] = {
	{ "all", PR_PTRACE_VIEW_ALL },
	{ "user", PR_PTRACE_VIEW_USER },
	{ "domain", PR_PTRACE_VIEW_DOMAIN },
	{ "inferiors", PR_PTRACE_VIEW_INFERIORS },
}, older_views[] = {
	{ "0", PR_PTRACE_VIEW_ALL },
	{ "1", PR_PTRACE_VIEW_DOMAIN },
	{ "2", PR_PTRACE_VIEW_INFERIORS },
};

static void test_view(const char *head, const char *word, unsigned int expected)
{
	unsigned int scope, view;
	char text[64];

	for (unsigned int s = 0; s <= PR_PTRACE_SCOPE_NO_ATTACH; s++) {
		snprintf(text, sizeof(text), "%sscope %u\nview %s\nend\n",
			 head, s, word);
		assert(parse(text, strlen(text), &scope, &view) == 0);
		assert(scope == s && view == expected);
	}
}

static void test_levels(void)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		test_view(HEAD, views[i].word, views[i].view);
}

static void test_proc(void)
{
	static const char both[] = NEWEST "scope 2\nview user\nproc ptraceable\nend\n";
	static const char plain[] = NEWEST "scope 2\nview user\nproc private\nend\n";
	struct floor floor;

	assert(floor_parse(both, strlen(both), &floor) == 0);
	assert(floor.scope == 2 && floor.view == PR_PTRACE_VIEW_USER);
	assert(floor.proc == PROC_PTRACEABLE);
	assert(floor_parse(plain, strlen(plain), &floor) == 0);
	assert(floor.proc == PROC_PRIVATE);
}

/* What a service has left that had other numbers means what it meant there */
static void test_older_levels(void)
{
	for (size_t i = 0; i < sizeof(older_views) / sizeof(older_views[0]); i++)
		test_view(OLDER, older_views[i].word, older_views[i].view);
}

static void test_every_cut_is_malformed(void)
{
	unsigned int scope, view;

	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert(parse(good, len, &scope, &view) < 0);
	/* With the NUL that ends it here */
	assert(parse(good, sizeof(good), &scope, &view) < 0);
}

/* Of all texts that differ in one byte, only those with another scope are good */
static void test_every_change_of_a_byte(void)
{
	unsigned int scope, view, n = 0;
	char text[sizeof(good) - 1];

	for (size_t i = 0; i < sizeof(text); i++) {
		for (int byte = -128; byte < 128; byte++) {
			memcpy(text, good, sizeof(text));
			text[i] = (char)byte;
			if (parse(text, sizeof(text), &scope, &view) < 0)
				continue;
			if (text[i] != good[i])
				n++;
		}
	}
	assert(n == PR_PTRACE_SCOPE_NO_ATTACH);
}

int main(void)
{
	test_table();
	test_levels();
	test_proc();
	test_older_levels();
	test_every_cut_is_malformed();
	test_every_change_of_a_byte();
	return 0;
}
