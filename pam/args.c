// SPDX-License-Identifier: GPL-2.0-or-later
/* The module's arguments: one table, read alike by open and close. */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "module.h"

static void set_fallback(struct args *args, int value)
{
	args->fallback = (enum fallback)value;
}

static void set_enforcer(struct args *args, int value)
{
	args->enforcer = (enum ys_enforcer)value;
}

static void set_debug(struct args *args, int value)
{
	args->debug = value;
}

static const struct {
	const char *text;
	void (*set)(struct args *args, int value);
	int value;
} known[] = {
	{ "fallback=strict", set_fallback, FALLBACK_STRICT },
	{ "fallback=deny", set_fallback, FALLBACK_DENY },
	{ "fallback=skip", set_fallback, FALLBACK_SKIP },
	{ "enforcer=yama", set_enforcer, YS_YAMA },
	{ "enforcer=bpf", set_enforcer, YS_BPF },
	{ "enforcer=landlock", set_enforcer, YS_LANDLOCK },
	{ "debug", set_debug, true },
};

static int parse_one(const char *text, struct args *args)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i].text) == 0) {
			known[i].set(args, known[i].value);
			return 0;
		}
	}
	return -EINVAL;
}

int args_parse(pam_handle_t *pamh, int argc, const char **argv,
	       struct args *ret)
{
	int r = 0;

	*ret = (struct args) {
		.fallback = FALLBACK_STRICT,
	};
	for (int i = 0; i < argc; i++) {
		if (parse_one(argv[i], ret) == 0)
			continue;
		pam_syslog(pamh, LOG_ERR,
			   "argument \"%s\" is unknown: known are fallback=strict|deny|skip, enforcer=yama|bpf|landlock and debug",
			   argv[i]);
		r = -EINVAL;
	}
	return r;
}
