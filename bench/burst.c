/*
 * Short-lived processes as fast as the machine goes: BURSTS trees, each of WIDTH children of one process; every child
 * executes PROGRAM, and the tree is reaped before the next. Prints forks, execs and exits that were made, one JSON line.
 *
 * usage: burst BURSTS WIDTH PROGRAM
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int tree(int width, char *program)
{
	extern char **environ;
	char *arguments[] = {program, "burst", NULL};
	int failed = 0;

	for (int i = 0; i < width; ++i) {
		const pid_t pid = fork();

		if (pid == 0) {
			execve(program, arguments, environ);
			_exit(127);
		}
		if (pid < 0)
			_exit(125);
	}
	for (int i = 0; i < width; ++i) {
		int status;

		if (wait(&status) < 0 || status != 0)
			failed = 1;
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 4 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: burst BURSTS WIDTH PROGRAM\n");
		return 2;
	}
	const int bursts = atoi(argv[1]), width = atoi(argv[2]);

	for (int i = 0; i < bursts; ++i) {
		const pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(tree(width, argv[3]));
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
			fprintf(stderr, "burst %d failed\n", i);
			return 1;
		}
	}
	printf("{\"forks\": %d, \"execs\": %d, \"exits\": %d}\n", bursts * (width + 1), bursts * width, bursts * (width + 1));
	return 0;
}
