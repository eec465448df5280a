// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tst-dlopen MODULE: it loads with every symbol resolved, it offers the two
 * session functions, and neither the other services nor its own insides.
 */
#include <dlfcn.h>
#include <stdio.h>

static const char *const offered[] = {
	"pam_sm_open_session",
	"pam_sm_close_session",
};

static const char *const withheld[] = {
	"pam_sm_authenticate",
	"pam_sm_setcred",
	"pam_sm_acct_mgmt",
	"pam_sm_chauthtok",
	"args_parse",
	"bus_open_session",
	"plan_carry_out",
	"ys_procfs_attach",
};

#define SIZE(a)	(sizeof(a) / sizeof((a)[0]))

int main(int argc, char **argv)
{
	void *module;
	int bad = 0;

	if (argc != 2)
		return 2;
	module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!module) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	for (size_t i = 0; i < SIZE(offered); i++) {
		if (dlsym(module, offered[i]))
			continue;
		fprintf(stderr, "%s is missing\n", offered[i]);
		bad = 1;
	}
	for (size_t i = 0; i < SIZE(withheld); i++) {
		if (!dlsym(module, withheld[i]))
			continue;
		fprintf(stderr, "%s leaves the module\n", withheld[i]);
		bad = 1;
	}
	dlclose(module);
	return bad;
}
