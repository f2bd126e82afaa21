# io_uring set up by a program that has no business with it.
/usr/bin/python3 -IS - <<'PYTHON'
import ctypes
libc = ctypes.CDLL(None)
params = ctypes.create_string_buffer(120)
libc.syscall(425, 4, params)
PYTHON
