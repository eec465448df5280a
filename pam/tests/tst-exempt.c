// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tst-exempt: the list of exempt users, by table and by mutation.
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

#define HEAD	"yama-session exempt 1\n"
#define USER	1001
#define GROUP	27
#define ROUNDS	200000

static int in_group(gid_t gid, void *data)
{
	(void)data;
	return gid == GROUP;
}

static const struct exempt_ask ask = {
	.uid = USER,
	.service = "samba",
	.in_group = in_group,
};

static int match(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int r;

	assert(copy);
	memcpy(copy, text, len);
	r = exempt_match(copy, len, &ask);
	free(copy);
	return r;
}

static const struct {
	int expect;
	const char *text;
} table[] = {
	{ 0, HEAD "end\n" },
	{ 1, HEAD "uid 1001\nend\n" },
	{ 1, HEAD "uid 0\nuid 1001\nend\n" },
	{ 1, HEAD "gid 27\nend\n" },
	{ 1, HEAD "all\nend\n" },
	{ 1, HEAD "uid 0\nall\nend\n" },
	{ 1, HEAD "uid 1001-1001\nend\n" },
	{ 1, HEAD "uid 0-999\nuid 1000-4294967294\nend\n" },
	{ 0, HEAD "uid 0-1000\nuid 1002-1003\nend\n" },
	{ -EBADMSG, HEAD "uid 1001-1000\nend\n" },
	{ -EBADMSG, HEAD "uid 0-\nend\n" },
	{ -EBADMSG, HEAD "uid -1001\nend\n" },
	{ -EBADMSG, HEAD "uid 0-01001\nend\n" },
	{ -EBADMSG, HEAD "uid 0-4294967295\nend\n" },
	{ -EBADMSG, HEAD "uid 0-1-2000\nend\n" },
	{ -EBADMSG, HEAD "gid 0-27\nend\n" },
	{ 1, HEAD "service samba\nend\n" },
	{ 0, HEAD "service sambal\nservice samb\nend\n" },
	{ -EBADMSG, HEAD "service\nend\n" },
	{ -EBADMSG, HEAD "service \nend\n" },
	{ -EBADMSG, HEAD "service samba \nend\n" },
	{ -EBADMSG, HEAD "service sam ba\nend\n" },
	{ -EBADMSG, HEAD "all\n" },
	{ -EBADMSG, HEAD "all \nend\n" },
	{ -EBADMSG, HEAD "alle\nend\n" },
	{ -EBADMSG, HEAD "all 1\nend\n" },
	{ 0, HEAD "uid 27\ngid 1001\nend\n" },
	{ 0, HEAD "uid 10010\nuid 100\nend\n" },
	{ 0, HEAD "uid 4294967294\nend\n" },
	{ -EBADMSG, "" },
	{ -EBADMSG, HEAD },
	{ -EBADMSG, "end\n" },
	{ -EBADMSG, HEAD "uid 1001\n" },
	{ -EBADMSG, HEAD "uid 1001\nend" },
	{ -EBADMSG, HEAD "uid 1001\nend\n\n" },
	{ -EBADMSG, HEAD "uid 1001\nend\nend\n" },
	{ -EBADMSG, HEAD "uid 1001\n\nend\n" },
	{ -EBADMSG, HEAD "uid 1001 \nend\n" },
	{ -EBADMSG, HEAD "uid  1001\nend\n" },
	{ -EBADMSG, HEAD " uid 1001\nend\n" },
	{ -EBADMSG, HEAD "uid 1001\r\nend\n" },
	{ -EBADMSG, HEAD "uid +1001\nend\n" },
	{ -EBADMSG, HEAD "uid -1\nend\n" },
	{ -EBADMSG, HEAD "uid 01001\nend\n" },
	{ -EBADMSG, HEAD "uid 0x3e9\nend\n" },
	{ -EBADMSG, HEAD "uid \nend\n" },
	{ -EBADMSG, HEAD "uid\nend\n" },
	{ -EBADMSG, HEAD "user 1001\nend\n" },
	{ -EBADMSG, HEAD "UID 1001\nend\n" },
	{ -EBADMSG, HEAD "uid 4294967295\nend\n" },
	/* 2^64 + 1001 and 2^32 + 1001 */
	{ -EBADMSG, HEAD "uid 18446744073709552617\nend\n" },
	{ -EBADMSG, HEAD "uid 4294968297\nend\n" },
	/* A match does not excuse what stands behind it */
	{ -EBADMSG, HEAD "uid 1001\nrubbish\nend\n" },
	{ -EBADMSG, "yama-session exempt 2\nuid 1001\nend\n" },
	{ -EBADMSG, "yama-session exempt 1 \nuid 1001\nend\n" },
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int r = match(table[i].text, strlen(table[i].text));

		if (r != table[i].expect) {
			fprintf(stderr, "%d instead of %d for: %s\n", r,
				table[i].expect, table[i].text);
			exit(1);
		}
	}
}

static void test_nul_is_no_end(void)
{
	static const char text[] = HEAD "uid 1001\0\nend\n";

	assert(match(text, sizeof(text) - 1) == -EBADMSG);
}

static void test_every_cut_is_malformed(void)
{
	static const char text[] = HEAD "uid 1001\ngid 27\nend\n";

	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert(match(text, len) == -EBADMSG);
}

/* A fixed seed: a failure comes again */
static void test_mutations(void)
{
	static const char seed[] = HEAD "uid 1002\ngid 28\nuid 7\nend\n";
	static const char bytes[] = "0123456789 \nuidgen\0-+\xff";
	char text[sizeof(seed)];

	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t len = sizeof(seed) - 1;
		int edits = 1 + rand() % 4;
		int r;

		memcpy(text, seed, len);
		while (edits--) {
			size_t at = (size_t)rand() % len;

			if (rand() % 4) {
				text[at] = bytes[(size_t)rand() % sizeof(bytes)];
			} else {
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
			}
		}
		r = match(text, len);
		assert(r == 0 || r == 1 || r == -EBADMSG);
		/* Only these two lines make the account exempt */
		if (r == 1)
			assert(memmem(text, len, "\nuid 1001\n", 10) ||
			       memmem(text, len, "\ngid 27\n", 8));
	}
}

int main(void)
{
	test_table();
	test_nul_is_no_end();
	test_every_cut_is_malformed();
	test_mutations();
	return 0;
}
