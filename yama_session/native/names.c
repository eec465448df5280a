// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The name service, asked so that a failure is no answer.
 *
 * getgrouplist(3) returns what is left when a service is away, and getpwnam_r(3)
 * says "there is none" for one that fails and sets no errno.  So the services
 * in nsswitch.conf(5) are asked here one after the other, as the C library does
 * it, by the functions that the library itself would call, and the status of
 * each is seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "yama_native.h"

#define NSSWITCH	"/etc/nsswitch.conf"
#define FIRST_SIZE	1024
#define LAST_SIZE	(16 << 20)	/* no entry is larger */

/* The error of a service that fails and does not say why */
#define NOT_SET		EREMOTEIO

/* A larger buffer in place of one, or NULL; what was in it is lost */
static char *grow(char *buf, size_t *size)
{
	free(buf);
	*size = *size ? *size * 2 : FIRST_SIZE;
	return *size > LAST_SIZE ? NULL : malloc(*size);
}

/* _nss_SERVICE_FUNCTION; "files" is a part of newer C libraries */
static void *function(void *module, const char *service, const char *name)
{
	char symbol[128];
	int n;

	n = snprintf(symbol, sizeof(symbol), "_nss_%s_%s", service, name);
	if (n < 0 || (size_t)n >= sizeof(symbol))
		return NULL;
	return dlsym(module, symbol);
}

/* Groups found so far; a module may make the array larger */
struct gids {
	const char *user;
	gid_t gid;
	long count;
	long size;
	gid_t *array;
};

typedef enum nss_status (*initgroups_dyn_t)(const char *user, gid_t gid,
					    long *start, long *size,
					    gid_t **groups, long limit,
					    int *errnop);
typedef enum nss_status (*setgrent_t)(int stayopen);
typedef enum nss_status (*getgrent_t)(struct group *ret, char *buf,
				      size_t size, int *errnop);
typedef enum nss_status (*endgrent_t)(void);

static int add_gid(struct gids *gids, gid_t gid)
{
	gid_t *array;

	for (long i = 0; i < gids->count; i++)
		if (gids->array[i] == gid)
			return 0;
	if (gids->count == gids->size) {
		array = reallocarray(gids->array, (size_t)gids->size * 2,
				     sizeof(*array));
		if (!array)
			return -ENOMEM;
		gids->array = array;
		gids->size *= 2;
	}
	gids->array[gids->count++] = gid;
	return 0;
}

static bool has_member(const struct group *gr, const char *user)
{
	for (char **member = gr->gr_mem; *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

/* A module without initgroups_dyn(): all of its groups, one by one */
static enum nss_status enumerate(void *module, const char *service,
				 struct gids *gids, int *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	setgrent_t set = (setgrent_t)function(module, service, "setgrent");
	getgrent_t get = (getgrent_t)function(module, service, "getgrent_r");
	endgrent_t end = (endgrent_t)function(module, service, "endgrent");
	enum nss_status status = NSS_STATUS_SUCCESS;
	struct group gr;
	char *buf = NULL;
	size_t size = 0;

	if (!get)	/* it knows no groups at all */
		return NSS_STATUS_NOTFOUND;
	pthread_mutex_lock(&lock);
	if (set)
		status = set(0);
	buf = grow(buf, &size);
	while (status == NSS_STATUS_SUCCESS && buf) {
		*err = NOT_SET;
		status = get(&gr, buf, size, err);
		if (status == NSS_STATUS_TRYAGAIN && *err == ERANGE) {
			buf = grow(buf, &size);
			status = NSS_STATUS_SUCCESS;
			continue;
		}
		if (status == NSS_STATUS_SUCCESS && has_member(&gr, gids->user) &&
		    add_gid(gids, gr.gr_gid) < 0) {
			free(buf);
			buf = NULL;
		}
	}
	if (!buf) {
		*err = ENOMEM;
		status = NSS_STATUS_TRYAGAIN;
	}
	free(buf);
	if (end)
		end();
	pthread_mutex_unlock(&lock);
	return status;
}

/* Nobody's groups are where no module is; one that cannot be loaded hides them */
static int load(const char *service, void **ret)
{
	char file[128];
	const char *wrong;
	int n;

	n = snprintf(file, sizeof(file), "libnss_%s.so.2", service);
	if (n < 0 || (size_t)n >= sizeof(file) || strchr(service, '/'))
		return -EINVAL;
	*ret = dlopen(file, RTLD_NOW);
	if (*ret)
		return 1;
	wrong = dlerror();
	if (wrong && strstr(wrong, strerror(ENOENT)))
		return 0;
	return -ELIBACC;
}

/* One question to one service; *err is set where it fails and says why */
typedef enum nss_status (*ask_t)(void *module, const char *service, void *data,
				 int *err);

static enum nss_status ask_groups(void *module, const char *service, void *data,
				  int *err)
{
	struct gids *gids = data;
	initgroups_dyn_t ask;

	ask = (initgroups_dyn_t)function(module, service, "initgroups_dyn");
	if (!ask)
		return enumerate(module, service, gids, err);
	return ask(gids->user, gids->gid, &gids->count, &gids->size,
		   &gids->array, -1, err);
}

/* An entry that is looked for by @name, else by @id; the name it has is @found */
struct entry {
	const char *function;
	bool is_group;
	const char *name;
	id_t id;
	id_t found_id;
	gid_t found_gid;
	char *found;
	size_t found_size;
};

typedef enum nss_status (*by_name_t)(const char *name, void *ret, char *buf,
				     size_t size, int *errnop);
typedef enum nss_status (*by_id_t)(id_t id, void *ret, char *buf, size_t size,
				   int *errnop);

/* A name is taken whole or not at all: half of one is another one's */
static enum nss_status take(const struct passwd *pw, const struct group *gr,
			    struct entry *entry, int *err)
{
	const char *name = entry->is_group ? gr->gr_name : pw->pw_name;

	if (entry->found && strlen(name) >= entry->found_size) {
		*err = ENAMETOOLONG;
		return NSS_STATUS_UNAVAIL;
	}
	if (entry->found)
		strcpy(entry->found, name);
	entry->found_id = entry->is_group ? gr->gr_gid : pw->pw_uid;
	entry->found_gid = entry->is_group ? gr->gr_gid : pw->pw_gid;
	return NSS_STATUS_SUCCESS;
}

static enum nss_status ask_entry(void *module, const char *service, void *data,
				 int *err)
{
	struct entry *entry = data;
	void *ask = function(module, service, entry->function);
	enum nss_status status = NSS_STATUS_TRYAGAIN;
	struct passwd pw;
	struct group gr;
	void *ret = entry->is_group ? (void *)&gr : (void *)&pw;
	char *buf = NULL;
	size_t size = 0;

	if (!ask)	/* it knows no entries of this kind */
		return NSS_STATUS_NOTFOUND;
	do {
		buf = grow(buf, &size);
		if (!buf) {
			*err = ENOMEM;
			return NSS_STATUS_TRYAGAIN;
		}
		*err = NOT_SET;
		status = entry->name ?
			((by_name_t)ask)(entry->name, ret, buf, size, err) :
			((by_id_t)ask)(entry->id, ret, buf, size, err);
	} while (status == NSS_STATUS_TRYAGAIN && *err == ERANGE);
	if (status == NSS_STATUS_SUCCESS)
		status = take(&pw, &gr, entry, err);
	free(buf);
	return status;
}

/*
 * The status of one service, and 0; or, where it cannot tell, its error.
 * A module stays loaded: the C library, which has it as well, never lets go.
 */
static int ask_service(const char *service, ask_t ask, void *data,
		       enum nss_status *ret)
{
	void *module = RTLD_DEFAULT;
	int err = NOT_SET, r;

	/* A part of newer C libraries */
	if (!function(module, service, "getpwnam_r")) {
		r = load(service, &module);
		if (r <= 0) {
			*ret = NSS_STATUS_UNAVAIL;
			return r;
		}
	}
	*ret = ask(module, service, data, &err);
	if (*ret == NSS_STATUS_SUCCESS || *ret == NSS_STATUS_NOTFOUND)
		return 0;
	/* How nss-systemd says that no service of userdb is there */
	if (err == ESRCH && strcmp(service, "systemd") == 0)
		return 0;
	return err > 0 ? -err : -NOT_SET;
}

static const struct {
	const char *word;
	enum nss_status status;
} statuses[] = {
	{ "SUCCESS", NSS_STATUS_SUCCESS },
	{ "NOTFOUND", NSS_STATUS_NOTFOUND },
	{ "UNAVAIL", NSS_STATUS_UNAVAIL },
	{ "TRYAGAIN", NSS_STATUS_TRYAGAIN },
};

/* "[!UNAVAIL=return NOTFOUND=continue]": does it end the search at @status? */
static bool ends(const char *actions, enum nss_status status, bool usual)
{
	char words[256], *save, *word;

	snprintf(words, sizeof(words), "%s", actions);
	for (word = strtok_r(words, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		bool negated = *word == '!';
		char *action = strchr(word, '=');

		if (!action)
			continue;
		*action++ = '\0';
		for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
			if (strcasecmp(word + negated, statuses[i].word) == 0 &&
			    (statuses[i].status == status) != negated)
				usual = strcasecmp(action, "return") == 0;
	}
	return usual;
}

/* The next service of a line and what stands in brackets behind it; NULL: none */
static char *next_service(char **line, const char **ret_actions)
{
	char *at = *line + strspn(*line, " \t\n"), *service = at;

	*ret_actions = "";
	if (!*at)
		return NULL;
	at += strcspn(at, " \t\n[");
	if (*at && *at != '[') {
		*at++ = '\0';
		at += strspn(at, " \t\n");
	}
	if (*at == '[') {
		*at++ = '\0';
		*ret_actions = at;
		at += strcspn(at, "]");
		if (*at)
			*at++ = '\0';
	}
	*line = at;
	return service;
}

/*
 * Ask the services of a line until one knows, or, to @collect, all of them that
 * the C library would ask: where there is no line of "initgroups", it goes on
 * after a success, since a user has groups in more than one place.
 *
 * 1: one knew; 0: none did; else the error of one that might have known.
 */
static int ask_line(char *line, bool collect, bool go_on, ask_t ask, void *data)
{
	enum nss_status status;
	const char *actions;
	int found = 0, error = 0, r;
	char *service;

	while ((service = next_service(&line, &actions))) {
		r = ask_service(service, ask, data, &status);
		if (r < 0)
			error = r;
		if (status == NSS_STATUS_SUCCESS)
			found = 1;
		if (found && !collect)
			return 1;
		if (go_on && status == NSS_STATUS_SUCCESS)
			continue;
		if (ends(actions, status, status == NSS_STATUS_SUCCESS))
			break;
	}
	return error ? error : found;
}

/* The line of a database: 1, 0: there is none, or a negative errno */
static int find_line(const char *database, char **ret)
{
	size_t size = 0, len = strlen(database);
	char *line = NULL, *at;
	int r = 0;
	FILE *file;

	file = fopen(NSSWITCH, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (!r && getline(&line, &size, file) >= 0) {
		line[strcspn(line, "#")] = '\0';
		at = line + strspn(line, " \t");
		if (strncmp(at, database, len) != 0)
			continue;
		at += len;
		at += strspn(at, " \t");
		if (*at != ':')
			continue;
		*ret = strdup(at + 1);
		r = *ret ? 1 : -ENOMEM;
	}
	if (!r && ferror(file))
		r = -EIO;
	fclose(file);
	free(line);
	return r;
}

/* The line of the first of two databases that has one, as the library has it */
static int line_of(const char *database, const char *other, char **ret,
		   bool *ret_first)
{
	int r;

	r = find_line(database, ret);
	*ret_first = r != 0;
	if (r == 0 && other)
		r = find_line(other, ret);
	if (r == 0) {
		*ret = strdup("files");
		r = *ret ? 1 : -ENOMEM;
	}
	return r < 0 ? r : 0;
}

static int look_up(struct entry *entry)
{
	char *line = NULL;
	bool first;
	int r;

	r = line_of(entry->is_group ? "group" : "passwd", NULL, &line, &first);
	if (r == 0)
		r = ask_line(line, false, false, ask_entry, entry);
	free(line);
	return r;
}

int ys_user_id(const char *name, uid_t *ret)
{
	struct entry entry = { .function = "getpwnam_r", .name = name };
	int r = look_up(&entry);

	if (r == 1)
		*ret = entry.found_id;
	return r;
}

int ys_user(uid_t uid, char *ret_name, size_t name_size, gid_t *ret_gid)
{
	struct entry entry = {
		.function = "getpwuid_r",
		.id = uid,
		.found = ret_name,
		.found_size = name_size,
	};
	int r = look_up(&entry);

	if (r == 1)
		*ret_gid = entry.found_gid;
	return r;
}

int ys_group_id(const char *name, gid_t *ret)
{
	struct entry entry = {
		.function = "getgrnam_r",
		.is_group = true,
		.name = name,
	};
	int r = look_up(&entry);

	if (r == 1)
		*ret = entry.found_id;
	return r;
}

int ys_group(gid_t gid, char *ret_name, size_t name_size)
{
	struct entry entry = {
		.function = "getgrgid_r",
		.is_group = true,
		.id = gid,
		.found = ret_name,
		.found_size = name_size,
	};

	return look_up(&entry);
}

int ys_groups(const char *user, gid_t gid, gid_t *ret, int size)
{
	struct gids gids = { .user = user, .gid = gid, .size = 64 };
	char *line = NULL;
	bool explicit;
	int r;

	gids.array = malloc((size_t)gids.size * sizeof(*gids.array));
	if (!gids.array)
		return -ENOMEM;
	gids.array[gids.count++] = gid;
	r = line_of("initgroups", "group", &line, &explicit);
	if (r == 0)
		r = ask_line(line, true, !explicit, ask_groups, &gids);
	free(line);
	if (r >= 0) {
		r = gids.count > INT_MAX ? -EOVERFLOW : (int)gids.count;
		for (int i = 0; i < r && i < size; i++)
			ret[i] = gids.array[i];
	}
	free(gids.array);
	return r;
}
