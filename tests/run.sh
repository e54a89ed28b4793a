#!/usr/bin/env bash
# Builds and runs the tests, one group after the other, and adds them up.
#
#   tests/run.sh STEP...      STEP is VARIANT:GROUP (gcc:unit, san:e2e), `static`, or `all` for everything
#
# A program counts by cmocka's own closing lines.  One that crashes, runs no test or takes longer than
# TEST_TIMEOUT seconds counts as a failure.  What could not run counts as skipped, never as passed; with CHECK_STRICT=1 a skip is a
# failure too.  The last line is `N passed, N failed, N skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1

TEST_TIMEOUT=${TEST_TIMEOUT:-300}
STRICT=${CHECK_STRICT:-0}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}
ALL="gcc:unit gcc:tcp gcc:link gcc:sock static gcc:e2e
     san:unit san:tcp san:link san:sock san:e2e clang:unit clang:tcp clang:link clang:sock clang:e2e"

# Our own make calls choose their parallelism; variables given on the command line stay in MAKEFLAGS.
MAKEFLAGS=$(printf '%s' "${MAKEFLAGS:-}" | sed 's/ *-j[0-9]*//g; s/ *--jobserver-[a-z]*=[^ ]*//g')
export MAKEFLAGS

# ---- One program (called through xargs) ------------------------------------------------------------------------
# Sum of the numbers that follow a tag such as `[  PASSED  ]` in a cmocka output.
count() { # FILE TAG
    sed -n "s/^\\[ *$2 *\\] \\([0-9][0-9]*\\) test(s).*/\\1/p" "$1" | awk '{ n += $1 } END { print n + 0 }'
}

# Leaves in OUT/NAME.result: passed failed skipped; prints one line.
run_one() { # OUT PROGRAM
    local out=$1 prog=$2 name log start status passed failed skipped verdict why=
    name=$(basename "$prog")
    log=$out/$name.log
    start=$(date +%s%N)
    # A job of its own (-m), so that the signals of this terminal are passed on by the trap and not ignored in it.
    set -m
    timeout -k 5 "$TEST_TIMEOUT" "$prog" >"$log" 2>&1 </dev/null &
    trap 'kill %1 2>/dev/null; exit 130' INT TERM
    wait $!
    status=$?
    set +m
    passed=$(count "$log" PASSED)
    failed=$(count "$log" FAILED)
    skipped=$(count "$log" SKIPPED)
    verdict=ok
    if [ $status -eq 124 ] || [ $status -eq 137 ]; then
        why="no end within $TEST_TIMEOUT s"
    elif [ $status -gt 128 ]; then
        why="killed by signal $((status - 128))"
    elif [ $status -ne 0 ] && [ "$failed" -eq 0 ]; then
        why="exit status $status"
    elif [ $((passed + failed + skipped)) -eq 0 ]; then
        why="ran no test"
    elif [ $status -eq 0 ] && [ "$failed" -ne 0 ]; then
        why="exit status 0 in spite of failures"
    fi
    [ -n "$why" ] && failed=$((failed + 1))
    [ "$skipped" -gt 0 ] && verdict=SKIP
    [ "$failed" -gt 0 ] && verdict=FAIL
    echo "$passed $failed $skipped" >"$out/$name.result"
    printf '  %-4s %-40s %4d passed%s%s%s  %s s\n' $verdict "$name" "$passed" \
        "$([ "$failed" -gt 0 ] && echo ", $failed failed")" \
        "$([ "$skipped" -gt 0 ] && echo ", $skipped SKIPPED")" "${why:+ ($why)}" \
        "$(awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }')"
}

if [ "${1:-}" = --one ]; then
    run_one "$2" "$3"
    exit 0
fi

# ---- Groups ------------------------------------------------------------------------------------------------------
total_passed=0 total_failed=0 total_skipped=0
notes=() # one line for each thing that did not pass, said again at the end
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

fail() { total_failed=$((total_failed + 1)); notes+=("FAILED   $1"); echo "  FAIL $1"; }
skip() { total_skipped=$((total_skipped + 1)); notes+=("SKIPPED  $1"); echo "  SKIPPED $1"; }

declare -A built=() # variant -> ok, failed or missing
build() { # VARIANT
    local variant=$1
    [ -n "${built[$variant]:-}" ] && return
    built[$variant]=ok
    if [ "$variant" = clang ] && ! command -v clang >/dev/null; then
        built[$variant]=missing
    elif ! make --no-print-directory -k -j"$JOBS" VARIANT="$variant" tests >"$tmp/build.log" 2>&1; then
        built[$variant]=failed
        fail "build of $variant:"
        grep -E -A5 'error|warning|\*\*\*|undefined' "$tmp/build.log" | head -60
    fi
}

run_group() { # VARIANT GROUP
    local variant=$1 group=$2 out list parallel=2 p f s result dir
    build "$variant"
    case ${built[$variant]} in
    missing) skip "$variant:$group: $variant is not installed (tools/setup ci installs it)"; return ;;
    failed) echo "  not run: the build failed"; return ;;
    esac
    list=$(make -s VARIANT="$variant" list-tests | grep "/tests/$group/")
    if [ -z "$list" ]; then
        skip "$variant:$group: there are no test programs in tests/$group"
        return
    fi
    [ "$group" = e2e ] && parallel=1 # some of them measure times
    out=$tmp/$variant-$group
    mkdir -p "$out"
    dir=$(make -s VARIANT="$variant" show-B)
    RILL=$(realpath -m "$dir/rill")
    export RILL TEST_TIMEOUT
    printf '%s\n' "$list" | sed "s|^[^/]|$PWD/&|" | xargs -P $parallel -n 1 tests/run.sh --one "$out"
    for result in $(printf '%s\n' "$list" | sed "s|.*/\(.*\)|$out/\1.result|"); do
        local name=${result##*/}
        name=${name%.result}
        read -r p f s <"$result" 2>/dev/null || { p=0 f=1 s=0; }
        total_passed=$((total_passed + p)) total_failed=$((total_failed + f)) total_skipped=$((total_skipped + s))
        if [ "$f" -gt 0 ]; then
            notes+=("FAILED   $variant:$group $name ($f)")
            echo "---- end of the output of $variant:$group $name"
            grep -v '^\[ *\(RUN\|OK\) *\]' "$out/$name.log" | tail -n 60
            echo "----"
        elif [ "$s" -gt 0 ]; then
            notes+=("SKIPPED  $variant:$group $name ($s)")
            grep -i 'skip' "$out/$name.log" | head -n 10
        fi
    done
}

# Each tests/check-* is one check: exit 0 is passed, 77 is skipped (a tool is missing), anything else failed.
run_static() {
    local check name
    build gcc
    [ "${built[gcc]}" = ok ] || { echo "  not run: the build failed"; return; }
    BUILD=$(make -s VARIANT=gcc show-B)
    export BUILD
    for check in tests/check-*; do
        name=$(basename "$check")
        timeout -k 5 600 "$check" >"$tmp/check.log" 2>&1 </dev/null
        case $? in
        0) total_passed=$((total_passed + 1)); echo "  ok   $name"; sed 's/^/         /' "$tmp/check.log" | tail -n 3 ;;
        77) skip "$name: $(tail -n 1 "$tmp/check.log")" ;;
        *) fail "$name"; tail -n 60 "$tmp/check.log" ;;
        esac
    done
}

# ---- What is needed for anything at all -------------------------------------------------------------------------
for tool in "${CC:-gcc}" make timeout; do
    command -v "$tool" >/dev/null || { echo "tests/run.sh: $tool is not installed; run tools/setup" >&2; exit 1; }
done
if ! printf '#include <stdarg.h>\n#include <stddef.h>\n#include <setjmp.h>\n#include <stdint.h>\n#include <cmocka.h>\n' |
    "${CC:-gcc}" -E - >/dev/null 2>&1; then
    echo "tests/run.sh: cmocka is not installed (libcmocka-dev); run tools/setup" >&2
    exit 1
fi

[ $# -gt 0 ] || set -- all
begin=$SECONDS
# shellcheck disable=SC2046,SC2086  # the steps are words
set -- $(for step in "$@"; do [ "$step" = all ] && echo $ALL || echo "$step"; done)
n=0
for step in "$@"; do
    n=$((n + 1))
    echo "== [$n/$#] $step  ($((SECONDS - begin)) s so far)"
    case $step in
    static) run_static ;;
    *:*) run_group "${step%%:*}" "${step#*:}" ;;
    *) fail "no such step: $step" ;;
    esac
done

echo
for note in ${notes[@]+"${notes[@]}"}; do echo "$note"; done
status=0
[ $total_failed -eq 0 ] || status=1
[ $((total_passed + total_failed)) -gt 0 ] || { echo "nothing ran"; status=1; }
if [ "$STRICT" = 1 ] && [ $total_skipped -gt 0 ]; then
    echo "CHECK_STRICT: a skip counts as a failure here"
    status=1
fi
echo "$((SECONDS - begin)) s"
echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
exit $status
