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

#define HEAD	"yama-session floor 1\n"
#define UNSET	77

static const char good[] = HEAD "scope 2\nview 1\nend\n";

static int parse(const char *text, size_t len, unsigned int *scope,
		 unsigned int *view)
{
	char *copy = malloc(len ? len : 1);
	int r;

	assert(copy);
	memcpy(copy, text, len);
	*scope = UNSET;
	*view = UNSET;
	r = floor_parse(copy, len, scope, view);
	free(copy);
	/* All or nothing */
	assert(r == 0 || r == -EBADMSG);
	assert((*scope == UNSET) == (r < 0));
	assert((*view == UNSET) == (r < 0));
	return r;
}

static const char *const wrong[] = {
	"",
	HEAD,
	HEAD "end\n",
	HEAD "scope 1\nend\n",
	HEAD "view 1\nscope 1\nend\n",
	HEAD "scope 4\nview 1\nend\n",
	HEAD "scope 1\nview 3\nend\n",
	HEAD "scope 9\nview 9\nend\n",
	HEAD "scope -\nview 1\nend\n",
	HEAD "scope #\nview 1\nend\n",
	HEAD "scope 01\nview 1\nend\n",
	HEAD "scope 1\nview 1\nend",
	HEAD "scope 1\nview 1\nend\n\n",
	HEAD "scope 1\nview 1\nend\nend\n",
	HEAD "scope 1\r\nview 1\nend\n",
	"yama-session floor 2\nscope 1\nview 1\nend\n",
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

static void test_levels(void)
{
	unsigned int scope, view;
	char text[64];

	for (unsigned int s = 0; s <= PR_PTRACE_SCOPE_NO_ATTACH; s++) {
		for (unsigned int v = 0; v <= PR_PTRACE_VIEW_INFERIORS; v++) {
			snprintf(text, sizeof(text),
				 HEAD "scope %u\nview %u\nend\n", s, v);
			assert(parse(text, strlen(text), &scope, &view) == 0);
			assert(scope == s && view == v);
		}
	}
}

static void test_every_cut_is_malformed(void)
{
	unsigned int scope, view;

	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert(parse(good, len, &scope, &view) < 0);
	/* With the NUL that ends it here */
	assert(parse(good, sizeof(good), &scope, &view) < 0);
}

/* Of all texts that differ in one byte, only those with other levels are good */
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
	assert(n == PR_PTRACE_SCOPE_NO_ATTACH + PR_PTRACE_VIEW_INFERIORS);
}

int main(void)
{
	test_table();
	test_levels();
	test_every_cut_is_malformed();
	test_every_change_of_a_byte();
	return 0;
}
