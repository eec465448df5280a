// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The strictest levels that the policy gives to any user, left by the service
 * for the time when it is down: below them nobody knows who may go.
 *
 *	yama-session floor 3
 *	scope 2
 *	view domain
 *	proc private
 *	end
 *
 * Version 2, which an older service has left, has no line for what stands on
 * /proc, and version 1 a number for the view.
 */
#include <errno.h>
#include <string.h>

#include "module.h"

#define TEXT_MAX	96	/* more than any of them is long */

/* By the numbers of version 1 */
static const unsigned int views_1[] = {
	PR_PTRACE_VIEW_ALL,
	PR_PTRACE_VIEW_DOMAIN,
	PR_PTRACE_VIEW_INFERIORS,
};

/* What is left of the text, if it begins with @word; NULL also stays NULL */
static const char *after(const char *at, const char *end, const char *word)
{
	size_t len = strlen(word);

	if (!at || (size_t)(end - at) < len || memcmp(at, word, len))
		return NULL;
	return at + len;
}

/* One digit; there is no other way to write a number */
static const char *after_digit(const char *at, const char *end,
			       unsigned int *ret)
{
	if (!at || at == end || *at < '0' || *at > '9')
		return NULL;
	*ret = (unsigned int)(*at - '0');
	return at + 1;
}

static const char *after_view(const char *at, const char *end,
			      unsigned int *ret)
{
	const char *eol = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	int view = eol ? ys_view(at, (size_t)(eol - at)) : -EINVAL;

	if (view < 0)
		return NULL;
	*ret = (unsigned int)view;
	return eol;
}

static const char *after_view_1(const char *at, const char *end,
				unsigned int *ret)
{
	at = after_digit(at, end, ret);
	if (!at || *ret >= sizeof(views_1) / sizeof(views_1[0]))
		return NULL;
	*ret = views_1[*ret];
	return at;
}

static const char *after_proc(const char *at, const char *end, enum proc *ret)
{
	const char *past = after(at, end, "ptraceable");

	*ret = past ? PROC_PTRACEABLE : PROC_PRIVATE;
	return past ? past : after(at, end, "private");
}

/**
 * floor_parse - the levels in a text
 * @text: the text, need not end in a NUL
 * @len:  its length
 * @ret:  the levels, untouched on failure
 *
 * Return: 0, or -EBADMSG if the text is anything else.
 */
int floor_parse(const char *text, size_t len, struct floor *ret)
{
	struct floor floor = { .proc = PROC_PRIVATE };
	const char *end = text + len, *at;
	unsigned int version;

	at = after(text, end, "yama-session floor ");
	at = after_digit(at, end, &version);
	at = after(at, end, "\nscope ");
	at = after_digit(at, end, &floor.scope);
	at = after(at, end, "\nview ");
	if (!at || version < 1 || version > 3)
		return -EBADMSG;
	at = version == 1 ? after_view_1(at, end, &floor.view) :
			    after_view(at, end, &floor.view);
	if (version >= 3) {
		at = after(at, end, "\nproc ");
		at = after_proc(at, end, &floor.proc);
	}
	at = after(at, end, "\nend\n");
	if (at != end || floor.scope > PR_PTRACE_SCOPE_NO_ATTACH)
		return -EBADMSG;
	*ret = floor;
	return 0;
}

/**
 * floor_read - the same for this machine's file
 *
 * Return: as floor_parse() and trusted_read().
 */
int floor_read(struct floor *ret)
{
	char text[TEXT_MAX];
	ssize_t len;

	len = trusted_read("floor", 022, text, sizeof(text));
	if (len < 0)
		return (int)len;
	return floor_parse(text, (size_t)len, ret);
}
