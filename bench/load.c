/*
 * A steady stream of events: prctl(PR_SET_NAME) RATE times a second for SECONDS seconds, in slices of a millisecond.
 * Prints how many calls were made.
 *
 * usage: load RATE SECONDS
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct timespec next;
	long per_slice, slices, calls = 0;

	if (argc != 3 || atol(argv[1]) < 1000 || atol(argv[2]) < 1) {
		fprintf(stderr, "usage: load RATE SECONDS (RATE at least 1000)\n");
		return 2;
	}
	per_slice = atol(argv[1]) / 1000;
	slices = atol(argv[2]) * 1000;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long slice = 0; slice < slices; ++slice) {
		for (long i = 0; i < per_slice; ++i, ++calls) {
			char name[32];

			snprintf(name, sizeof name, "load-%ld", calls % 1000000000);
			prctl(PR_SET_NAME, name);
		}
		next.tv_nsec += 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			++next.tv_sec;
		}
		/* A late slice is followed at once, so that the rate holds over the whole time. */
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%ld\n", calls);
	return 0;
}
