package artifact

import (
	"fmt"
	"strings"
	"testing"
)

// TestRejectPayload: a trusted key signed each of these, and none is accepted.
func TestRejectPayload(t *testing.T) {
	payload, members := testParts(t)
	edit := func(old, by string) string { return replaced(t, payload, old, by) }
	many := func(n int) string {
		var s []string
		for i := range n {
			s = append(s, fmt.Sprintf(`{"name":"a%06d","digest":{"sha256":"%064d"}}`, i, 0))
		}
		i, j := strings.Index(payload, `"subject":[`)+11, strings.Index(payload, `],"predicateType"`)
		return payload[:i] + strings.Join(s, ",") + payload[j:]
	}
	for _, c := range []struct {
		name, payload string
		kind          error
		words         string
	}{
		{"WrongStatementType", edit("Statement/v1", "Statement/v0.1"), ErrPayload, "_type is"},
		{"MissingStatementType", edit(`"_type":"https://in-toto.io/Statement/v1",`, ""), ErrPayload, `_type is ""`},
		{"WrongPredicateType", edit("fwc.dev/artifact/v1", "slsa.dev/provenance/v1"), ErrPayload, "predicateType is"},
		{"MissingPredicateType", edit(`"predicateType":"https://fwc.dev/artifact/v1",`, ""), ErrPayload, `predicateType is ""`},
		{"UnknownFormatVersion", edit(`"format":1`, `"format":2`), ErrVersion, `"2", this fwc reads 1`},
		{"FormatVersionAsFloat", edit(`"format":1`, `"format":1.0`), ErrVersion, ""},
		{"MissingFormatVersion", edit(`"format":1,`, ``), ErrVersion, ""},
		{"DuplicateKey", edit(`"epoch":0`, `"epoch":7,"epoch":0`), ErrPayload, "canonical"},
		{"CaseVariantKey", edit(`"serial"`, `"Serial"`), ErrPayload, "canonical"},
		{"CaseVariantType", edit(`"_type"`, `"_Type"`), ErrPayload, "canonical"},
		{"UnknownKey", edit(`"epoch":0`, `"epoch":0,"extra":1`), ErrPayload, `unknown field "extra"`},
		{"UnknownKeyInSubject", edit(`"digest":{`, `"digest":{"sha512":"",`), ErrPayload, `unknown field "sha512"`},
		{"TrailingJSON", payload + "{}", ErrPayload, "after top-level value"},
		{"TrailingSpace", payload + "\n", ErrPayload, "canonical"},
		{"LeadingSpace", " " + payload, ErrPayload, "canonical"},
		{"EscapedCharacter", edit(`"fw.sh"`, `"fw\u002esh"`), ErrPayload, "canonical"},
		{"NullList", edit(`"wanted":[]`, `"wanted":null`), ErrPayload, "canonical"},
		{"NullLabels", edit(`{"role":"web","site":"fra1"}`, `null`), ErrPayload, "canonical"},
		{"LabelsOutOfOrder", edit(`"role":"web","site":"fra1"`, `"site":"fra1","role":"web"`), ErrPayload, "canonical"},
		{"TimeWithOffset", edit("2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"), ErrPayload, "UTC"},
		{"TimeWithFraction", edit("22:13:20Z", "22:13:20.5Z"), ErrPayload, "whole seconds"},
		{"NotAfterBeforeCreated", edit("2027-01-15", "2022-01-15"), ErrPayload, "not valid after"},
		{"NegativeSerial", edit(`"serial":1700000000`, `"serial":-1`), ErrPayload, "-1"},
		{"SerialTooLarge", edit(`"serial":1700000000`, `"serial":9007199254740992`), ErrPayload, "above 9007199254740991"},
		{"SerialOverflow", edit(`"serial":1700000000`, `"serial":18446744073709551616`), ErrPayload, ""},
		{"InvalidUTF8", edit(`"fw.sh"`, "\"fw\xff.sh\""), ErrPayload, ""},
		{"ControlCharacter", edit(`"fw.sh"`, `"fw\u001b.sh"`), ErrPayload, "U+001B"},
		{"BidiCharacter", edit(`"fw.sh"`, "\"fw\u202e.sh\""), ErrPayload, "U+202E"},
		{"LabelKey", edit(`"role":"web"`, `"a b":"web"`), ErrPayload, "label"},
		{"ModuleName", edit(`"ip_set_hash_ip"`, `"-r"`), ErrPayload, "module name"},
		{"ModulesOutOfOrder", edit(`["ip_set_hash_ip","nf_conntrack"]`, `["nf_conntrack","ip_set_hash_ip"]`), ErrPayload, "out of order"},
		{"NoBuilds", payload[:strings.Index(payload, `"builds":[`)+10] + payload[strings.Index(payload, `],"modules"`):], ErrPayload, "0 builds"},
		{"UnknownBackend", edit(`"backend":"nft","ipset"`, `"backend":"bpf","ipset"`), ErrPayload, "backend"},
		{"NoKernel", edit(`"kernel":"6.1.0-28-amd64"`, `"kernel":""`), ErrPayload, "no kernel"},
		{"ScriptDigest", edit(`"sha256":"`+hexDigest([]byte(testScript))+`"},"builds"`, `"sha256":"x"},"builds"`), ErrPayload, "script's sha256"},
		{"OtherScriptThanMember", edit(`"sha256":"`+hexDigest([]byte(testScript))+`"},"builds"`,
			`"sha256":"`+strings.Repeat("0", 64)+`"},"builds"`), ErrDigest, "not the script that was built"},
		{"DumpOfAnotherKind", edit(`"kind":"iptables"`, `"kind":"ip6tables"`), ErrPayload, "cannot be"},
		{"DumpOfAnotherBackend", edit(`"kind":"iptables","backend":"nft"`, `"kind":"iptables","backend":"legacy"`), ErrPayload, "cannot be"},
		{"DumpOfUnknownKind", edit(`"kind":"iptables"`, `"kind":"pf"`), ErrPayload, "cannot be"},
		{"DumpWithoutMember", edit(`"dumps":[`, `"dumps":[{"member":"ip6tables.rules","kind":"ip6tables","backend":"nft"},`), ErrPayload, "is missing"},
		{"DumpNotNamed", edit(`,{"member":"sysctl.conf","kind":"sysctl","backend":""}`, ``), ErrPayload, "no dump of any build"},
		{"TooManySubjects", many(MaxMembers + 1), ErrPayload, "more than 1024 subjects"},
		{"NoSubjects", many(0), ErrPayload, "names no member"},
		{"SubjectTwice", edit(`"subject":[`, `"subject":[`+payload[strings.Index(payload, `{"name":`):strings.Index(payload, `},{"name":`)]+`},`), ErrPayload, "out of order"},
		{"NotJSON", "iptables -F", ErrPayload, ""},
		{"JSONNull", "null", ErrPayload, "_type"},
		{"Empty", "", ErrPayload, ""},
		{"DeepJSON", strings.Repeat("[", 200000), ErrPayload, "depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rejected(t, signed(t, c.payload, members, testKey(t, 1)), c.kind, c.words)
		})
	}
	t.Run("Control", func(t *testing.T) {
		if _, err := Open(signed(t, payload, members, testKey(t, 1)), []PublicKey{testKey(t, 1).Public()}, 1); err != nil {
			t.Errorf("the untouched payload: %v", err)
		}
	})
}

// TestRejectMembers: members that are not those that were signed.
func TestRejectMembers(t *testing.T) {
	payload, _ := testParts(t)
	k := testKey(t, 1)
	for _, c := range []struct {
		name  string
		edit  func(m []Member) []Member
		words string
	}{
		{"MemberWithoutSubject", func(m []Member) []Member { return append(m, Member{"zzz", []byte("x")}) }, "zzz was not signed"},
		{"SubjectWithoutMember", func(m []Member) []Member { return m[1:] }, "ipset.save is missing"},
		{"LastSubjectWithoutMember", func(m []Member) []Member { return m[:len(m)-1] }, "is missing"},
		{"SwappedNames", func(m []Member) []Member { m[0].Data, m[1].Data = m[1].Data, m[0].Data; return m }, "another sha256"},
		{"WrongDigest", func(m []Member) []Member { m[0].Data = append([]byte("#"), m[0].Data...); return m }, "another sha256"},
		{"EmptiedMember", func(m []Member) []Member { m[1].Data = nil; return m }, "another sha256"},
		{"RenamedMember", func(m []Member) []Member { m[0].Name = "ip6tables.rules"; return m }, "ip6tables.rules was not signed"},
		{"NoMembers", func(m []Member) []Member { return nil }, "is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, members := testParts(t)
			rejected(t, signed(t, payload, c.edit(members), k), ErrDigest, c.words)
		})
	}
}
