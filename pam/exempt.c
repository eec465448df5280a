// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list that the service leaves for the time when it is down: who is
 * unconfined whatever the service, terminal or host.
 *
 *	yama-session exempt 1
 *	uid 1001
 *	uid 0-999
 *	gid 27
 *	service samba
 *	end
 *
 * A line "all" is everybody: the policy is only logged.  A service is one that
 * opens PAM's sessions and is no login.  The last line tells a whole list from
 * one that was cut short.
 */
#include <errno.h>
#include <string.h>

#include "module.h"

#define EXEMPT_MAX	65536

#define FIRST		"yama-session exempt 1\n"
#define LAST		"end\n"

/* (uid_t)-1 means "no change" to chown(2) and setuid(2): nobody has it */
#define ID_LIMIT	0xfffffffeUL

enum who {
	WHO_USER,
	WHO_GROUP,
	WHO_SERVICE,
	WHO_ALL,
};

struct line {
	enum who who;
	id_t first, last;
	const char *name;
	size_t name_len;
};

/* A number in the one way to write it; its length or 0 */
static size_t parse_id(const char *text, size_t len, id_t *ret)
{
	unsigned long id = 0;
	size_t i;

	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		id = id * 10 + (unsigned long)(text[i] - '0');
		if (id > ID_LIMIT)
			return 0;
	}
	if (i > 1 && text[0] == '0')
		return 0;
	*ret = (id_t)id;
	return i;
}

/* "<first>" or "<first>-<last>" */
static bool parse_ids(const char *text, size_t len, struct line *line)
{
	size_t i = parse_id(text, len, &line->first);
	size_t n;

	line->last = line->first;
	if (!i || i == len)
		return i;
	if (text[i++] != '-')
		return false;
	n = parse_id(text + i, len - i, &line->last);
	return n && i + n == len && line->first <= line->last;
}

/* What follows @word and a space in a line, or NULL */
static const char *after(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	if (len <= n + 1 || memcmp(text, word, n) || text[n] != ' ')
		return NULL;
	return text + n + 1;
}

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len > 0;
}

/* One line; its length with the newline, or 0 */
static size_t parse_line(const char *text, size_t len, struct line *ret)
{
	const char *eol = memchr(text, '\n', len), *rest;
	struct line line = { 0 };
	bool good = false;

	if (!eol)
		return 0;
	len = (size_t)(eol - text);
	if (len == 3 && memcmp(text, "all", 3) == 0) {
		line.who = WHO_ALL;
		good = true;
	} else if ((rest = after(text, len, "uid"))) {
		line.who = WHO_USER;
		good = parse_ids(rest, (size_t)(eol - rest), &line);
	} else if ((rest = after(text, len, "gid"))) {
		line.who = WHO_GROUP;
		good = parse_ids(rest, (size_t)(eol - rest), &line) &&
		       line.first == line.last;
	} else if ((rest = after(text, len, "service"))) {
		line.who = WHO_SERVICE;
		line.name = rest;
		line.name_len = (size_t)(eol - rest);
		good = is_name(rest, line.name_len);
	}
	if (!good)
		return 0;
	*ret = line;
	return len + 1;
}

static bool is_exempt(const struct line *line, const struct exempt_ask *ask)
{
	switch (line->who) {
	case WHO_USER:
		return ask->uid >= line->first && ask->uid <= line->last;
	case WHO_GROUP:
		return ask->in_group(line->first, ask->data) == 1;
	case WHO_SERVICE:
		return strlen(ask->service) == line->name_len &&
		       memcmp(ask->service, line->name, line->name_len) == 0;
	case WHO_ALL:
		return true;
	}
	return false;
}

/**
 * exempt_match - is a login on the list?
 * @text: the list, need not end in a NUL
 * @len:  its length
 * @ask:  the login
 *
 * The whole list is read before any of it is believed.
 *
 * Return: 1, 0, or -EBADMSG if the list is malformed anywhere.
 */
int exempt_match(const char *text, size_t len, const struct exempt_ask *ask)
{
	const size_t first = sizeof(FIRST) - 1, last = sizeof(LAST) - 1;
	size_t pos, step, end;
	struct line line;

	if (len < first + last || memcmp(text, FIRST, first) != 0)
		return -EBADMSG;
	end = len - last;
	if (memcmp(text + end, LAST, last) != 0)
		return -EBADMSG;
	for (pos = first; pos < end; pos += step) {
		step = parse_line(text + pos, end - pos, &line);
		if (!step)
			return -EBADMSG;
	}
	for (pos = first; pos < end; pos += step) {
		step = parse_line(text + pos, end - pos, &line);
		if (is_exempt(&line, ask))
			return 1;
	}
	return 0;
}

/**
 * exempt_read - the same for the list of this machine
 * @ask: the login
 *
 * Return: as exempt_match() and trusted_read(): others than root may neither
 * read nor write it.
 */
int exempt_read(const struct exempt_ask *ask)
{
	char text[EXEMPT_MAX];
	ssize_t len;

	len = trusted_read("exempt", 077, text, sizeof(text));
	if (len < 0)
		return (int)len;
	return exempt_match(text, (size_t)len, ask);
}
