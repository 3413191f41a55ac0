set -eu
umask 077

out=${1:-tickmark-export-$(date -u +%Y%m%dT%H%M%SZ)}
wait=${TICKMARK_RETRY_SECONDS:-10}
graph=${TICKMARK_GRAPH:-https://graph.microsoft.com}
cr=$(printf '\r')
made=

say() { printf '%s\n' "$*" >&2; }
die() {
	say "tickmark export: $*"
	if [ -n "$made" ]; then
		say "tickmark export: stopped. Files that end in .part are unfinished; remove $out before you run this again."
	else
		say "tickmark export: stopped before anything was exported; no file was made or changed."
	fi
	exit 1
}

command -v az >/dev/null 2>&1 || die "the Azure CLI (az) is not installed"
if [ -e "$out" ] && [ -n "$(ls -A "$out" 2>/dev/null)" ]; then
	die "$out exists and is not empty: old and new answers must not be mixed; name another folder"
fi
mkdir -p "$out"
made=yes
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
complete=
gaps=0

# try COMMAND: runs az, its answer to $tmp/page, its complaint to $tmp/error.
# Waits and tries again when the service is busy or away, nothing else.
try() {
	n=1
	while ! az "$@" --output json >"$tmp/page" 2>"$tmp/error" </dev/null; do
		grep -qiE 'too ?many ?requests|throttl|(^|[^0-9a-f-])(429|50[0234])([^0-9a-f-]|$)|timed? ?out|connection (aborted|reset)' "$tmp/error" || return 1
		[ "$n" -lt 4 ] || return 1
		say "  the service is busy; waiting $((n * wait)) s"
		sleep $((n * wait))
		n=$((n + 1))
	done
	if [ ! -s "$tmp/page" ]; then
		printf 'the answer is empty\n' >"$tmp/error"
		return 1
	fi
}

# top KEY: the string that the answer holds under KEY at its top level. The
# Azure CLI indents by two spaces, so nothing deeper can look like it.
top() {
	sed -n "s/^  \"$1\": \"\\(.*\\)\",\\{0,1\\}$cr\\{0,1\\}\$/\\1/p" "$tmp/page"
}

# refused FILE WHAT: notes that WHAT was not given, and why.
refused() {
	gaps=$((gaps + 1))
	why=$(tr '\r\n' '  ' <"$tmp/error" | cut -c1-300)
	say "  NOT EXPORTED: $2: $why"
	printf '%s\t%s\n' "$2" "$why" >>"$out/refused.log"
	printf '%s\n' "$1" >>"$tmp/incomplete"
}

# list FILE HOST URL: adds every page of a list to FILE. Refusal of the first
# page is noted; a later page that fails stops the export.
list() {
	next=$3
	seen=0
	while [ -n "$next" ]; do
		case $next in
		"$2"/* | "$2":443/*) ;;
		*) die "$1: the next page is at another host: $next" ;;
		esac
		if ! try rest --method get --url "$next"; then
			[ "$seen" -eq 0 ] || die "$1: page $((seen + 1)) failed: $(cat "$tmp/error")"
			refused "$1" "$3"
			return 0
		fi
		cat "$tmp/page" >>"$out/$1.json.part"
		seen=$((seen + 1))
		[ "$seen" -lt 100000 ] || die "$1: the list does not end"
		last=$next
		next=$(top nextLink)
		[ -n "$next" ] || next=$(top '@odata\.nextLink')
		[ "$next" != "$last" ] || die "$1: a page leads on to itself"
	done
}

# query FILE KQL SCOPES: adds every page of a Resource Graph query to FILE.
query() {
	token=
	seen=0
	while :; do
		printf '{"subscriptions":[%s],"query":"%s","options":{"resultFormat":"objectArray","authorizationScopeFilter":"%s","$top":1000%s}}' \
			"$subscriptions" "$2" "$3" "$token" >"$tmp/body"
		try rest --method post --url "$arm/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01" --body "@$tmp/body" ||
			die "$1: page $((seen + 1)) of the query failed: $(cat "$tmp/error")"
		cat "$tmp/page" >>"$1"
		seen=$((seen + 1))
		[ "$seen" -lt 100000 ] || die "$1: the query does not end"
		new=$(top '\$skipToken')
		[ -n "$new" ] || break
		[ ",\"\$skipToken\":\"$new\"" != "$token" ] || die "$1: a page leads on to itself"
		token=",\"\$skipToken\":\"$new\""
	done
}

# table FILE KQL [SCOPES]: a whole Resource Graph table.
table() {
	say "$1"
	query "$out/$1.json.part" "$2" "${3:-AtScopeAndBelow}"
}

# parents WHERE: the ids of the resources that match, one a line, to $tmp/ids.
parents() {
	: >"$tmp/idpages"
	query "$tmp/idpages" "$1 | project id | order by id asc" AtScopeAndBelow
	sed -n "s/^      \"id\": \"\\(.*\\)\",\\{0,1\\}$cr\\{0,1\\}\$/\\1/p" "$tmp/idpages" | sed 's/ /%20/g' >"$tmp/ids"
}

# each FILE SUFFIX: the list or object SUFFIX of every id in $tmp/ids.
each() {
	total=$(($(wc -l <"$tmp/ids")))
	say "$1 ($total)"
	at=0
	: >"$out/$1.json.part"
	while IFS= read -r id <&3; do
		at=$((at + 1))
		[ $((at % 50)) -ne 0 ] || say "  $at of $total"
		list "$1" "$arm" "$arm$id$2"
	done 3<"$tmp/ids"
}

# finish FILE TYPES: the file is whole; TYPES are complete unless refused.
finish() {
	if [ -s "$out/$1.json.part" ]; then
		mv "$out/$1.json.part" "$out/$1.json"
	else
		rm -f "$out/$1.json.part"
	fi
	if [ -e "$tmp/incomplete" ] && grep -qxF "$1" "$tmp/incomplete"; then
		return 0
	fi
	for t in $2; do
		complete="$complete${complete:+,}$t"
	done
}
