// SPDX-License-Identifier: GPL-2.0-or-later
/* What the host pays for a file system that it mounts, and unmounts again. */
#include <sys/mount.h>
#include "measure.h"

static void mount_and_unmount(void)
{
	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) || umount("/mnt"))
		err(1, "/mnt");
}

int main(void)
{
	measure("mount+umount", 21, 1, mount_and_unmount);
	return 0;
}
