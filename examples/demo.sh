#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job on the example organisation: assess, then keep and check the
# evidence. Needs no network. `make demo` builds tickmark and runs this.
#   examples/demo.sh [PATH-OF-TICKMARK]
set -eu
cd "$(dirname "$0")/.."
tickmark=${1:-bin/tickmark}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/tickmark-demo.XXXXXX")
data=$tmp/evidence
complete=$(cat examples/acme/complete.txt)

# run WANTED ARGUMENTS… runs tickmark and insists on its exit status, because
# in this tool the status is part of the answer.
run() {
    wanted=$1
    shift
    printf '\n$ tickmark %s\n' "$*"
    status=0
    "$tickmark" "$@" || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "demo: expected exit status $wanted, got $status" >&2
        exit 1
    fi
}

say() { printf '\n# %s\n' "$*"; }

say "1. What do the exported objects show? (exit status 0: everything was read)"
run 0 assess examples/acme --complete "$complete" --html "$tmp/report.html"

say "2. Why does a check fail, and what would change that?"
run 0 assess examples/acme --show check st-tls

say "3. As a gate: exit status 1 says that a check of this severity fails. That is expected here."
run 1 assess examples/acme --show check st-blob-public --fail-on critical

say "4. An export that stops at a nextLink is incomplete: exit status 3, never a silent pass. Expected, too."
run 3 assess examples/incomplete --show problems

say "5. Keep it as evidence. --sample marks the ledger for ever: this is no real organisation."
run 0 init "$data" --organisation "Acme SaaS" --sample
run 0 assess examples/acme --complete "$complete" --record --dir "$data" --show problems
run 0 snapshot list --dir "$data"

say "6. Save the signed head outside of the machine; later it proves that nothing was rewritten."
"$tickmark" ledger head --dir "$data" >"$tmp/head.txt"
run 0 verify --dir "$data" --head "$tmp/head.txt"

say "7. Evaluate the recorded bytes again with the recorded rules."
run 0 reperform --dir "$data"

say "8. Collect from a tenant: a simulated Azure on this machine stands in for one (tickmark sim)."
"$tickmark" sim --quotas off --endpoints "$tmp/sim.json" >"$tmp/sim.log" 2>&1 &
sim=$!
trap 'kill "$sim" 2>/dev/null || true' EXIT
tries=0
while [ ! -s "$tmp/sim.json" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "demo: the simulator did not start" >&2; cat "$tmp/sim.log" >&2; exit 1; }
    sleep 0.1
done
tenant=$tmp/tenant
run 0 init "$tenant" --organisation "Contoso Ledger" --sample
run 0 collect --endpoints "$tmp/sim.json" --auth sim --client 11111111-2222-4333-8444-555555555555 --only arm \
    --exclude 'graph=Azure alone is shown' --exclude 'devops=Azure alone is shown' --exclude 'github=Azure alone is shown' --exclude 'power=Azure alone is shown' --dir "$tenant"
run 0 verify --dir "$tenant"
run 0 reperform --dir "$tenant"
run 0 policy agreement --dir "$tenant"

say "Every exit status was the expected one. The report is $tmp/report.html, the evidence is $data."
