#!/usr/bin/env bash
# Builds our kernels with CANN for one chip: a library with the C ABI of abi.h.
#
#   bash npu_kernels/cann/build.sh -arch 910b1|910b2|910b3|910b4|910_93|<SOC name>
#        [-o FOLDER] [-by asc|ascendc_library]
#
# The library goes to FOLDER, or $NPU_BUILD_DIR/device, or npu_kernels/_build/device. CANN 9.x is
# taken by its language ASC, 8.x by ascendc_library, unless -by says which. Exit code: 0 built, 1 the
# build failed, 2 the arguments or the chip are refused, 3 a part of CANN or CMake is missing.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=libnpu_flash_attention.so
chips="910b1 910b2 910b2c 910b3 910b4 910b4-1 910_9391 910_9381 910_9372 910_9392 910_9382 910_9362"

refuse() {  # exit code, then one line
  echo "build.sh: $2" >&2
  exit "$1"
}

usage="give -arch 910b1, 910b2, 910b3, 910b4, 910_93 or the SOC name that npu-smi info shows"

arch=
folder=
by=
while [ $# -gt 0 ]; do
  case $1 in
    -arch | -o | -by) [ $# -gt 1 ] && [ -n "$2" ] || refuse 2 "$1 needs a value: $usage" ;;
    *) refuse 2 "unknown argument $1: $usage" ;;
  esac
  case $1 in
    -arch) arch=$2 ;;
    -o) folder=$2 ;;
    -by) by=$2 ;;
  esac
  shift 2
done
case $by in
  "" | asc | ascendc_library) ;;
  *) refuse 2 "-by $by: give asc (CANN 9.x) or ascendc_library (8.x), or leave it out" ;;
esac
[ -n "$arch" ] || refuse 2 "no chip: $usage"

# --- Which chip ---

name=$(echo "$arch" | tr '[:upper:]' '[:lower:]')
name=${name#ascend}
coupled="is of dav-c100, a different core: cube and vector units in one, without Fixpipe, bf16, \
DataCopyPad and flags between cores; these kernels are for dav-c220 (Atlas A2, A3)"
case $name in
  910) [ "$arch" = 910 ] || refuse 2 "$arch is no SOC name: $usage"
    name=910b2
    echo "build.sh: -arch 910 is taken as Ascend910B2 (Atlas A2); that is our choice, 910A is not meant" ;;
  910pro) [ "$arch" = 910pro ] || refuse 2 "$arch is no SOC name: $usage"
    name=910_9391
    echo "build.sh: -arch 910pro is taken as Ascend910_9391 (Atlas A3); that is our choice, 910ProA and 910ProB are not meant" ;;
  910_93) name=910_9391
    echo "build.sh: -arch 910_93 is taken as Ascend910_9391 (Atlas A3); give the SOC name for another" ;;
  910b) refuse 2 "$arch without a digit $coupled: give 910b1, 910b2, 910b3 or 910b4 for an Atlas A2" ;;
  910a | 910proa | 910prob | 910premiuma) refuse 2 "$arch $coupled" ;;
esac
case " $chips " in
  *" $name "*) ;;
  *) refuse 2 "$arch is no chip of dav-c220 (Atlas A2, A3) that we know: $usage" ;;
esac
soc=Ascend$(echo "$name" | tr '[:lower:]' '[:upper:]')

# --- Which CANN ---

root=
for place in "${ASCEND_HOME_PATH:-}" "${ASCEND_TOOLKIT_HOME:-}" \
  /usr/local/Ascend/cann /usr/local/Ascend/ascend-toolkit/latest; do
  if [ -n "$place" ]; then
    root=$place
    [ ! -d "$place" ] || break
  fi
done
[ -d "$root" ] || refuse 3 "no CANN: there is no folder $root: install the CANN toolkit (8.0 or later) and source its set_env.sh"
export ASCEND_HOME_PATH=$root  # the package ASC reads it
cmake=${CMAKE:-cmake}
command -v "$cmake" >/dev/null || refuse 3 "no CMake: there is no command $cmake: pip install cmake, or set CMAKE"

# --- Build ---

folder=${folder:-${NPU_BUILD_DIR:-$here/../_build}/device}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "build.sh: $soc, CANN in $root"

status=0
# The stub generator of CANN 8.5 to 9.1 finds its objects only if make builds them.
"$cmake" -G "Unix Makefiles" -S "$here" -B "$work" -DCMAKE_BUILD_TYPE=Release \
  "-DSOC_VERSION=$soc" "-DASCEND_CANN_PACKAGE_PATH=$root" "-DNPU_BY=$by" >"$work/log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
  missing=$(sed -n 's/^ *missing: //p' "$work/log" | head -n 1)
  [ -z "$missing" ] || refuse 3 "no CANN: $missing"
  cat "$work/log" >&2
  refuse 1 "CMake failed; what it said is above"
fi
"$cmake" --build "$work" >"$work/log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
  cat "$work/log" >&2
  refuse 1 "the build failed; what it said is above"
fi
cp "$work/$library" "$folder/.$library.$$"
mv "$folder/.$library.$$" "$folder/$library"  # whoever has loaded the old one keeps it
echo "build.sh: $folder/$library, for $soc; not run on a device by us"
