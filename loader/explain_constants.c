// SPDX-License-Identifier: GPL-2.0-only
#include "explain_constants.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "util.h"

#define SECTION ".rodata"
#define MAX_MAPS 128 /* of one program */

static bool is_constants(const char *map_name)
{
	const char *dot = strrchr(map_name, '.');

	return dot && !strcmp(dot, SECTION);
}

/* The program's map of constants, with its description; or negative errno. */
static int open_constants(int program_fd, struct bpf_map_info *ret)
{
	__u32 ids[MAX_MAPS], len;
	struct bpf_prog_info info = { .nr_map_ids = MAX_MAPS,
				      .map_ids = (__u64)(unsigned long)ids };

	len = sizeof(info);
	if (bpf_obj_get_info_by_fd(program_fd, &info, &len))
		return -errno;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAX_MAPS; i++) {
		_cleanup_(closep) int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return -errno;
		memset(ret, 0, sizeof(*ret));
		len = sizeof(*ret);
		if (bpf_obj_get_info_by_fd(fd, ret, &len))
			return -errno;
		if (is_constants(ret->name))
			return take_fd(&fd);
	}
	return -EPROTO;
}

/* A variable of the section of constants; NULL: there is none of this name. */
static const struct btf_var_secinfo *find_variable(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, SECTION, BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_var_secinfo *variables = section ? btf_var_secinfos(section) : NULL;

	for (unsigned int i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_type *variable = btf__type_by_id(btf, variables[i].type);
		const char *its = btf__name_by_offset(btf, variable->name_off);

		if (its && !strcmp(its, name))
			return &variables[i];
	}
	return NULL;
}

struct section {
	const struct btf *btf;
	char *bytes;
	size_t len;
};

/* Settings are global; what is static is a function's own text. */
static int copy_variables(const struct section *to, const struct section *from)
{
	int id = btf__find_by_name_kind(to->btf, SECTION, BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(to->btf, (__u32)id) : NULL;

	if (!section)
		return -EPROTO;
	for (unsigned int i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *mine = &btf_var_secinfos(section)[i], *theirs;
		const struct btf_type *variable = btf__type_by_id(to->btf, mine->type);

		if (btf_var(variable)->linkage == BTF_VAR_STATIC)
			continue;
		theirs = find_variable(from->btf, btf__name_by_offset(to->btf, variable->name_off));
		if (!theirs || theirs->size != mine->size ||
		    (size_t)theirs->offset + theirs->size > from->len ||
		    (size_t)mine->offset + mine->size > to->len)
			return -EPROTO;
		memcpy(to->bytes + mine->offset, from->bytes + theirs->offset, mine->size);
	}
	return 0;
}

static const struct bpf_map *find_constants(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
		if (bpf_map__is_internal(map) && is_constants(bpf_map__name(map)))
			return map;
	return NULL;
}

static void btfp(struct btf **btf)
{
	btf__free(*btf);
}

int explain_constants_copy(struct bpf_object *object, int program_fd)
{
	struct bpf_map_info info;
	_cleanup_(closep) int fd = open_constants(program_fd, &info);
	_cleanup_(btfp) struct btf *btf = fd < 0 ? NULL : btf__load_from_kernel_by_id(info.btf_id);
	_cleanup_(freep) char *live = NULL;
	const struct bpf_map *map = find_constants(object);
	struct section to = { .btf = bpf_object__btf(object) }, from;
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	if (!btf || !map || !to.btf)
		return -EPROTO;
	live = calloc(1, info.value_size);
	if (!live)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &zero, live))
		return -errno;
	from = (struct section){ .btf = btf, .bytes = live, .len = info.value_size };
	to.bytes = (char *)bpf_map__initial_value((struct bpf_map *)map, &to.len);
	return to.bytes ? copy_variables(&to, &from) : -EPROTO;
}
