// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The strictest levels that the policy gives to any user, left by the service
 * for the time when it is down: below them nobody knows who may go.
 *
 *	yama-session floor 1
 *	scope 2
 *	view 1
 *	end
 */
#include <errno.h>

#include "module.h"

#define FLOOR_PATH	"/run/yama-session/floor"

/* Every '#' is one digit; there is no other way to write it */
static const char form[] = "yama-session floor 1\nscope #\nview #\nend\n";

/**
 * floor_parse - the levels in a text
 * @text:      the text, need not end in a NUL
 * @len:       its length
 * @ret_scope: the scope, untouched on failure; as @ret_view
 * @ret_view:  the view
 *
 * Return: 0, or -EBADMSG if the text is anything else.
 */
int floor_parse(const char *text, size_t len, unsigned int *ret_scope,
		unsigned int *ret_view)
{
	unsigned int level[2] = { 0, 0 };
	size_t n = 0;

	if (len != sizeof(form) - 1)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (form[i] == '#' && text[i] >= '0' && text[i] <= '9')
			level[n++] = (unsigned int)(text[i] - '0');
		else if (text[i] != form[i] || form[i] == '#')
			return -EBADMSG;
	}
	if (level[0] > PR_PTRACE_SCOPE_NO_ATTACH ||
	    level[1] > PR_PTRACE_VIEW_INFERIORS)
		return -EBADMSG;
	*ret_scope = level[0];
	*ret_view = level[1];
	return 0;
}

/**
 * floor_read - the same for this machine's file
 *
 * Return: as floor_parse() and trusted_read().
 */
int floor_read(unsigned int *ret_scope, unsigned int *ret_view)
{
	char text[sizeof(form)];
	ssize_t len;

	len = trusted_read(FLOOR_PATH, 022, text, sizeof(text));
	if (len < 0)
		return (int)len;
	return floor_parse(text, (size_t)len, ret_scope, ret_view);
}
