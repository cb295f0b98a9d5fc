# Sourced by tools/quickstart and tools/check: which packages are missing, how to install them, how many compilers fit.
# Needs $root (the repository). Changes nothing on the machine but the packages it names.

say() { printf '%s\n' "==> $*"; }

# die WHAT NEXT...: ends the script with what went wrong and, on lines of its own, what to do next.
die() {
  printf '%s\n' "${0##*/}: $1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# packages LIST...: the names in tools/packages/LIST.txt.
packages() {
  local list
  for list in "$@"; do
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$root/tools/packages/$list.txt"
  done
}

# missing_packages LIST...: those of the lists that dpkg does not report as installed.
missing_packages() {
  local name
  for name in $(packages "$@"); do
    case "$(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null)" in
      installed*) ;;
      *) printf '%s\n' "$name" ;;
    esac
  done
}

# as_root COMMAND...: runs it as root, through sudo unless we are.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# install_packages LIST...: installs what is missing of the lists, and says so. Debian's rule that a freshly installed
# server starts at once is switched off meanwhile: nothing here may take a port of the machine.
install_packages() {
  local missing policy=/usr/sbin/policy-rc.d made_policy=no status=0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "this machine has no apt; this script prepares Debian 12 (bookworm)." \
      "Elsewhere install the counterparts of tools/packages/build.txt by hand, then:" \
      "cmake --preset release -DSEALIFT_TESTS=OFF -DSEALIFT_PERF=OFF && cmake --build --preset release"
  fi
  missing=$(missing_packages "$@")
  if [ -z "$missing" ]; then
    say "packages: all there, nothing to install"
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      die "packages are missing, and installing them takes root: this user is not root and there is no sudo." \
        "Run as root: apt-get install --no-install-recommends $(printf '%s' "$missing" | tr '\n' ' ')" \
        "then run $0 again."
    fi
    if [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
      die "packages are missing, and sudo asks for a password but there is no terminal to ask on." \
        "Run: sudo apt-get install --no-install-recommends $(printf '%s' "$missing" | tr '\n' ' ')" \
        "then run $0 again."
    fi
  fi
  say "packages: installing with apt: $(printf '%s' "$missing" | tr '\n' ' ')"
  as_root apt-get update -qq ||
    die "apt-get update failed (see above)." "Check the machine's network and /etc/apt/sources.list*, then run $0 again."
  if ! [ -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  # Postfix asks what kind of site this is; the tests bring configurations of their own.
  if printf '%s\n' "$missing" | grep -qx postfix; then
    echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
  fi
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null || status=$?
  if [ "$made_policy" = yes ]; then
    as_root rm -f "$policy"
  fi
  if [ "$status" -ne 0 ]; then
    die "apt-get could not install the packages (see above)." \
      "They are Debian 12's (bookworm, main). On another release, or without bookworm-security in the sources, some are absent."
  fi
}

# build_jobs: compilers at once; one a core, and no more than memory carries (1.5 GiB each).
build_jobs() {
  local cores memory_kib limit_bytes jobs
  cores=$(nproc)
  memory_kib=$(awk '$1 == "MemAvailable:" {print $2}' /proc/meminfo)
  if [ -r /sys/fs/cgroup/memory.max ]; then
    limit_bytes=$(cat /sys/fs/cgroup/memory.max)
    if [ "$limit_bytes" != max ] && [ "$((limit_bytes / 1024))" -lt "$memory_kib" ]; then
      memory_kib=$((limit_bytes / 1024))
    fi
  fi
  jobs=$((memory_kib / (1536 * 1024)))
  [ "$jobs" -le "$cores" ] || jobs=$cores
  [ "$jobs" -ge 1 ] || jobs=1
  printf '%s\n' "$jobs"
}

# check_build_folder DIR: ends with a sentence when a build folder cannot be used by this user or from this place.
check_build_folder() {
  local folder=$1 home
  if [ -e "$folder" ] && [ -n "$(find "$folder" -maxdepth 1 ! -writable -print -quit)" ]; then
    die "$folder was built by another user ($(stat -c %U "$folder")) and cannot be written." \
      "Run $0 as that user, or hand it over: sudo chown -R $(id -un) $root/build"
  fi
  if [ -f "$folder/CMakeCache.txt" ]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt")
    if [ "$home" != "$root" ]; then
      die "$folder was configured for another checkout ($home)." "Remove it (rm -r $folder) and run $0 again."
    fi
  fi
}
