// SPDX-License-Identifier: GPL-2.0-or-later
/* What it costs to list the processes in /proc, and how many there are. */
#include "listing.h"
#include "measure.h"

int main(void)
{
	measure("readdir", 21, 1, list);
	print_number("processes", processes);
	return 0;
}
