// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A name service for tests: what the file in $NSS_CASE says about a function,
 * "FUNCTION STATUS ERRNO", it answers; else it knows
 *
 *	bob, also as robert and in any spelling: uid 4001, gid 4001
 *	students, also as pupils: gid 4002, bob in it
 *
 * A member is told by initgroups_dyn() alone, as by directories whose groups
 * are large; built with -DENUMERATES it has no such function, and tells them.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UID	4001
#define GID	4002

/* Whether the file says what @function does; then *ret and *err */
static int told(const char *function, enum nss_status *ret, int *err)
{
	const char *path = getenv("NSS_CASE");
	int status, number, found = 0;
	char name[64];
	FILE *file;

	file = path ? fopen(path, "re") : NULL;
	while (file && fscanf(file, "%63s %d %d", name, &status, &number) == 3) {
		if (strcmp(name, function) && strcmp(name, "all"))
			continue;
		*ret = (enum nss_status)status;
		if (number >= 0)	/* else it sets none, as some do */
			*err = number;
		found = 1;
	}
	if (file)
		fclose(file);
	/* A success with a number in errno is one all the same */
	return found && *ret != NSS_STATUS_SUCCESS;
}

static enum nss_status user(struct passwd *pw, char *buf, size_t size, int *err)
{
	if (size < 64) {
		*err = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	strcpy(buf, "bob");
	strcpy(buf + 8, "/");
	*pw = (struct passwd) {
		.pw_name = buf, .pw_passwd = buf + 3, .pw_uid = UID,
		.pw_gid = UID, .pw_gecos = buf + 3, .pw_dir = buf + 8,
		.pw_shell = buf + 8,
	};
	return NSS_STATUS_SUCCESS;
}

static enum nss_status group(struct group *gr, char *buf, size_t size, int *err)
{
	char **members = (char **)buf;

	if (size < 128) {
		*err = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	memset(buf, 0, 128);
	strcpy(buf + 64, "students");
	strcpy(buf + 80, "bob");
#ifdef ENUMERATES
	members[0] = buf + 80;
#endif
	*gr = (struct group) {
		.gr_name = buf + 64, .gr_passwd = buf + 83, .gr_gid = GID,
		.gr_mem = members,
	};
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_case_getpwnam_r(const char *name, struct passwd *pw,
				     char *buf, size_t size, int *err)
{
	enum nss_status status;

	if (told("getpwnam", &status, err))
		return status;
	if (strcasecmp(name, "bob") && strcmp(name, "robert"))
		return NSS_STATUS_NOTFOUND;
	return user(pw, buf, size, err);
}

enum nss_status _nss_case_getpwuid_r(uid_t uid, struct passwd *pw, char *buf,
				     size_t size, int *err)
{
	enum nss_status status;

	if (told("getpwuid", &status, err))
		return status;
	return uid == UID ? user(pw, buf, size, err) : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_case_getgrnam_r(const char *name, struct group *gr,
				     char *buf, size_t size, int *err)
{
	enum nss_status status;

	if (told("getgrnam", &status, err))
		return status;
	if (strcmp(name, "students") && strcmp(name, "pupils"))
		return NSS_STATUS_NOTFOUND;
	return group(gr, buf, size, err);
}

enum nss_status _nss_case_getgrgid_r(gid_t gid, struct group *gr, char *buf,
				     size_t size, int *err)
{
	enum nss_status status;

	if (told("getgrgid", &status, err))
		return status;
	return gid == GID ? group(gr, buf, size, err) : NSS_STATUS_NOTFOUND;
}

#ifdef ENUMERATES
static int at;

enum nss_status _nss_case_setgrent(int stayopen)
{
	enum nss_status status;

	(void)stayopen;
	at = 0;
	return told("setgrent", &status, &errno) ? status : NSS_STATUS_SUCCESS;
}

enum nss_status _nss_case_getgrent_r(struct group *gr, char *buf, size_t size,
				     int *err)
{
	enum nss_status status;

	if (told("getgrent", &status, err))
		return status;
	if (at)
		return NSS_STATUS_NOTFOUND;
	status = group(gr, buf, size, err);
	at = status == NSS_STATUS_SUCCESS;
	return status;
}
#else
enum nss_status _nss_case_initgroups_dyn(const char *name, gid_t gid,
					 long *start, long *size,
					 gid_t **groups, long limit, int *err)
{
	enum nss_status status;

	(void)gid;
	(void)limit;
	if (told("initgroups", &status, err))
		return status;
	if (strcasecmp(name, "bob") || *start >= *size)
		return NSS_STATUS_NOTFOUND;
	(*groups)[(*start)++] = GID;
	return NSS_STATUS_SUCCESS;
}
#endif
