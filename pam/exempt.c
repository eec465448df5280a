// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list that the service leaves for the time when it is down: who is
 * unconfined whatever the service, terminal or host.
 *
 *	yama-session exempt 1
 *	uid 1001
 *	gid 27
 *	end
 *
 * A line "all" is everybody: the policy is only logged.  The last line tells a
 * whole list from one that was cut short.
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
	WHO_ALL,
};

/*
 * One line "<word> <number>\n", in the one way to write it, or "all\n"; its
 * length or 0.
 */
static size_t parse_line(const char *text, size_t len, enum who *ret_who,
			 id_t *ret_id)
{
	unsigned long id = 0;
	size_t i = 4;

	if (len >= 4 && memcmp(text, "all\n", 4) == 0) {
		*ret_who = WHO_ALL;
		*ret_id = 0;
		return 4;
	}
	if (len < 6)
		return 0;
	if (memcmp(text, "uid ", 4) == 0)
		*ret_who = WHO_USER;
	else if (memcmp(text, "gid ", 4) == 0)
		*ret_who = WHO_GROUP;
	else
		return 0;
	if (text[i] == '0' && text[i + 1] != '\n')
		return 0;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		id = id * 10 + (unsigned long)(text[i] - '0');
		if (id > ID_LIMIT)
			return 0;
	}
	if (i == 4 || i == len || text[i] != '\n')
		return 0;
	*ret_id = (id_t)id;
	return i + 1;
}

/**
 * exempt_match - is an account on the list?
 * @text:     the list, need not end in a NUL
 * @len:      its length
 * @uid:      the account
 * @in_group: tells (1 or 0) whether the account is in a group
 * @data:     for @in_group
 *
 * The whole list is read before any of it is believed.
 *
 * Return: 1, 0, or -EBADMSG if the list is malformed anywhere.
 */
int exempt_match(const char *text, size_t len, uid_t uid,
		 exempt_in_group_t in_group, void *data)
{
	const size_t first = sizeof(FIRST) - 1, last = sizeof(LAST) - 1;
	size_t pos, step, end;
	enum who who;
	id_t id;

	if (len < first + last || memcmp(text, FIRST, first) != 0)
		return -EBADMSG;
	end = len - last;
	if (memcmp(text + end, LAST, last) != 0)
		return -EBADMSG;
	for (pos = first; pos < end; pos += step) {
		step = parse_line(text + pos, end - pos, &who, &id);
		if (!step)
			return -EBADMSG;
	}
	for (pos = first; pos < end; pos += step) {
		step = parse_line(text + pos, end - pos, &who, &id);
		if (who == WHO_ALL || (who == WHO_USER && id == uid) ||
		    (who == WHO_GROUP && in_group(id, data) == 1))
			return 1;
	}
	return 0;
}

/**
 * exempt_read - the same for the list of this machine
 * @uid:      the account
 * @in_group: tells (1 or 0) whether the account is in a group
 * @data:     for @in_group
 *
 * Return: as exempt_match() and trusted_read(): others than root may neither
 * read nor write it.
 */
int exempt_read(uid_t uid, exempt_in_group_t in_group, void *data)
{
	char text[EXEMPT_MAX];
	ssize_t len;

	len = trusted_read("exempt", 077, text, sizeof(text));
	if (len < 0)
		return (int)len;
	return exempt_match(text, (size_t)len, uid, in_group, data);
}
