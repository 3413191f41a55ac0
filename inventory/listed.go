// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"bytes"
	_ "embed" // the list of members that are read
	"strings"
)

// listedText lists the members that somebody reads: fields of checks, what
// joins compare, what questions need to go on and tell rows apart. A test in
// package work writes it and holds it to the catalogue and the sources.
//
//go:embed listed.txt
var listedText string

// memberKind says how the string values of a member, by its name, are judged.
type memberKind uint8

const (
	isKey      memberKind = 1 << iota // kept as they are: they tell records apart and join them
	isRead                            // rules and code read them
	isWritten                         // people write sentences there
	isOpaque                          // ids and digests, which look random and open nothing
	isFree                            // people put anything there, and so in all that is below
	isOutline                         // the structure of what is free: kept if it could be a sentence
	isAddressy                        // an address that lets in whoever knows it
	isStrict                          // as what is free, but not what is below
)

// namesOf are the members whose names say by themselves what they hold; what
// is free wins. doc/spec/input.md lists them.
var namesOf = map[memberKind]string{
	isKey: `@odata.nextlink nextlink @odata.deltalink $skiptoken skiptoken continuationtoken continuation_token @odata.context`,
	isFree: `
		env environmentvariables environmentsettings envvars variables localvariables appsettings connectionstrings
		args arguments argv additionalargs dockerargs commandlinearguments containerrunoptions jvmoptions
		command commands commandline commandtoexecute entrypoint startupcommand startuptask startscript shutdownscript appcommandline
		postbuildcommand prebuildcommand script scriptcontent scripttext cleanupscript installscript cloudinit bootstrapscript
		headers httpheaders requestheaders responseheaders customheaders additionalheaders header headervalue headervalues httpheaderstoinsert
		parameters parametervalues parametervalueset protectedparameters globalparameters deploymentparameters customparameters defaultparameters
		templateparameters runparameters connectionparameters connectionparametersset nonsecretparametervalues configurationparameter
		settings publicsettings configurationsettings configurationprotectedsettings additionalsettings
		inputs input outputs output body content contents payload customwebhookpayload webhookpayload requestbody
		secret defaultvalue defaultvalues value metadata customproperties additionalproperties extendedproperties
		typeproperties definition credential credentials clusterkeys apikeys
		querystring customquerystring sparkconf spark_conf sparkenvvars spark_env_vars hadoopproperties
		consumerinputs publisherinputs templatecontent data stringdata binarydata encodedtaskcontent encodedvaluescontent`,
	isWritten: `
		description displayname title problem solution collation catalogcollation locationname georegion sku offer summary message comment comments details detail reason reasons justification notes note text
		about impact remediation remediationdescription shortdescription longdescription descriptionforusers friendlyname
		rationale resolution query policyrule label labels subject body_text status_message statusmessage errormessage failurereason
		location locations region displaylocation regionaldisplayname timezone timezoneid publisher publisherdisplayname
		publishername organization organisation company companyname department jobtitle office officelocation country city state street
		manufacturer model operatingsystem osname displaystatus localizedvalue failuredescription additionaldetails
		assessmentname productname servicename skuname planname product offer caption category categories tags createdby modifiedby
		fullname owner owners author path filepath
		folder folderpath filename issuer subjectname commonname dn principalname rolename rolenames groupname resourcegroup resourcename
		conditionexpression condition filter rulename resultdescription activity activitydisplayname operationname operationnamevalue
		rows roledefinitionname policydefinitionname policyassignmentname exemptioncategory assignmentscope namespace loggedbyservice assignedto
		mobilephone businessphones faxnumber phone phonenumber telephone vulnerable_version_range`,
	isOpaque: `
		id ids identity @odata.type keyversion homestamp webspace selflink defaultproject associatedprojects etag @odata.etag
		thumbprint thumbprintalgorithm fingerprint sha sha1 sha256 digest hash contenthash oid node_id
		descriptor subjectdescriptor memberdescriptor containerdescriptor guid name type sourceversion commit ref refname sourcerefname targetrefname branch sourcebranch targetbranch head_branch base_branch
		fqdn hostname hostnames dnsname cname domainnamelabel puid
		actions notactions dataactions notdataactions allowedactions scopes`,
	isOutline: `
		name type kind key method runafter operator operator_type frequency schedule timezone $schema contentversion apiversion
		operationid operationoptions isecure category version displayname description`,
	isAddressy: `
		serviceuri httptriggerurl callbackurl callbackuri webhookurl webhookuri webhook_url hookurl changedecisioncallbackurl callingwebhook
		uploadurl downloadurl sasuri sasurl bloburlwithsas acceptinvitationurl inviteredeemurl`,
}

// localizable are the members of the Activity Log that have a value beside a
// localizedValue.
var localizable = []string{"category", "status", "subStatus", "eventName", "operationName", "resourceType", "resourceProviderName"}

// kinds and pairs are what is known of members by the hash of their name, and
// of their name below another.
var kinds, pairs = func() (names, below map[uint64]memberKind) {
	names, below = map[uint64]memberKind{}, map[uint64]memberKind{}
	for p, list := range namesOf {
		for n := range strings.FieldsSeq(list) {
			names[nameHash(n)] |= p
		}
	}
	for _, n := range localizable {
		below[pairHash(nameHash(n), nameHash("value"))] |= isRead
	}
	for line := range strings.Lines(listedText) {
		kind, words := isRead, strings.Fields(line)
		if words[0] == "=" {
			kind, words = isKey, words[1:]
		}
		switch {
		case words[0] == "#":
		case len(words) == 1:
			names[nameHash(words[0])] |= kind
		default:
			below[pairHash(nameHash(words[0]), nameHash(words[1]))] |= kind
		}
	}
	return names, below
}()

// nameHash is FNV-1a over a name, letters folded.
func nameHash[T string | []byte](name T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return h
}

func pairHash(parent, name uint64) uint64 { return parent*0x9E3779B97F4A7C15 ^ name }

// namedLike tells by how a member's name ends what it holds: ids, names,
// hosts and fingerprints, what people write, or secrets; and whether a person
// gave the name.
func namedLike(name []byte) memberKind {
	if ownKey(name) {
		return isStrict
	}
	if n := len(name); n > 0 && name[n-1] == 's' {
		name = name[:n-1]
	}
	if len(name) < 2 || !endingBytes[name[len(name)-1]] {
		return 0
	}
	for _, end := range writtenEndings {
		if len(name) >= len(end) && string(name[len(name)-len(end):]) == end {
			return isWritten
		}
	}
	for _, end := range nameEndings {
		if len(name) >= len(end) && string(name[len(name)-len(end):]) == end {
			return isOpaque
		}
	}
	for _, end := range secretEndings {
		if n := len(name) - len(end); n > 0 && strings.EqualFold(string(name[n:]), end) {
			return isStrict
		}
	}
	return 0
}

// ownKey reports whether a member is named as people name what they put into a
// dictionary of their own, and not as services name members: API_KEY, x-api-key,
// a/b.
func ownKey(name []byte) bool {
	lower, line := false, false
	for _, b := range name {
		switch {
		case b == '-' || b == '/' || b == ' ' || b == ':':
			return true
		case b == '_':
			line = true
		case b >= 'a' && b <= 'z':
			lower = true
		}
	}
	return line && !lower
}

var nameEndings = [...]string{"Id", "ID", "_id", "Name", "_name", "Thumbprint", "Fqdn", "FQDN", "Host", "_sha", "Sha"}

var secretEndings = [...]string{"password", "passwd", "passphrase", "pwd", "secret", "token", "key", "credential", "credentials", "signature"}

var writtenEndings = [...]string{"DisplayName", "Comment", "Description", "Message", "Title", "Reason", "Summary"}

// endingBytes are the last bytes of the endings: a quick no for most names.
var endingBytes = func() (last [256]bool) {
	for _, list := range [][]string{nameEndings[:], writtenEndings[:], secretEndings[:]} {
		for _, end := range list {
			last[end[len(end)-1]] = true
			last[end[len(end)-1]&^0x20] = true
		}
	}
	return last
}()

// opaqueForm knows ids, names and digests: whatever letters they consist of, not
// a link that hands something over, and no JSON.
func opaqueForm(v []byte) bool {
	if !compactForm(v) || bytes.IndexByte(v, '{') > 0 || v[0] == '{' && !isGUID(v) {
		return false
	}
	return !bytes.Contains(v, []byte("://")) || isLink(v) || isServiceURL(v) || isVaultURL(v)
}

// compactForm knows what ids and digests consist of: no space, no quote.
func compactForm(v []byte) bool {
	if len(v) > 2000 {
		return false
	}
	for _, b := range v {
		if b <= ' ' || b == '<' || b == '>' {
			return false
		}
	}
	return true
}
