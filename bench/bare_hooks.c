/*
 * Attaches the programs of bare_hooks.bpf.o (the first argument), or only the one that is named, says "ready", and holds
 * them until standard input ends.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: bare_hooks OBJECT [PROGRAM]\n");
		return 2;
	}
	object = bpf_object__open(argv[1]);
	if (object == NULL || bpf_object__load(object) != 0) {
		fprintf(stderr, "%s: does not load\n", argv[1]);
		return 1;
	}
	bpf_object__for_each_program(program, object) {
		if (argc == 3 && strcmp(bpf_program__name(program), argv[2]) != 0)
			continue;
		if (bpf_program__attach(program) == NULL) {
			fprintf(stderr, "%s: does not attach\n", bpf_program__name(program));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}
