#!/bin/sh
# probe.sh CC PKG...: fails with one clear line when the compiler or a library is missing or unfit.
cc=$1
shift
fail() { echo "make: $1" >&2; exit 69; }
command -v "${cc%% *}" >/dev/null || fail "compiler '$cc' not found; run 'make deps'"
command -v pkg-config >/dev/null || fail "pkg-config not found; run 'make deps'"
for package; do
    pkg-config --exists "$package" || fail "library '$package' not found; run 'make deps'"
done
[ -e /usr/include/dnnl.h ] || echo '#include <dnnl.h>' | $cc -E -x c - >/dev/null 2>&1 ||
    fail "oneDNN (dnnl.h) not found; run 'make deps'"
[ -e /usr/include/gif_lib.h ] || echo '#include <gif_lib.h>' | $cc -E -x c - >/dev/null 2>&1 ||
    fail "giflib (gif_lib.h) not found; run 'make deps'"
[ -e /usr/include/libstemmer.h ] || echo '#include <libstemmer.h>' | $cc -E -x c - >/dev/null 2>&1 ||
    fail "libstemmer (libstemmer.h) not found; run 'make deps'"
case $(pkg-config --modversion lmdb) in
    0.9.*) ;;
    *) fail "liblmdb $(pkg-config --modversion lmdb) writes another layout; bt needs 0.9.x" ;;
esac
