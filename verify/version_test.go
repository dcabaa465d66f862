package verify

import "testing"

func TestSatisfies(t *testing.T) {
	for _, c := range []struct {
		have, constraint string
		want             bool
	}{
		{"6.1.0-28-amd64", ">= 6.1, < 6.2", true},
		{"6.1.0-28-amd64", "~> 6.1.0", true},
		{"6.1.0-28-amd64", "6.1", true},
		{"6.1.0-28-amd64", "= 6.1.0", true},
		{"6.1.0-28-amd64", "!= 6.1.0", false},
		{"6.1.0-28-amd64", "> 6.1", false},
		{"6.1.0-28-amd64", "= 6.1.0-28-amd64", true},
		{"6.1.0-29-amd64", "= 6.1.0-28-amd64", false},
		{"6.1.0-29-amd64", "!= 6.1.0-28-amd64", true},
		{"6.1.0-29-amd64", ">= 6.1, != 6.1.0-28-amd64", true},
		{"5.14.0-427.el9.x86_64", ">= 5.14, < 5.15", true},
		{"5.14.0-427.el9.x86_64", "5.14.0-427.el9.x86_64", true},
		{"6.18.44-fc-v595", ">= 6.18.40", true},
		{"6.18.44-fc-v595", "< 6.18.44", false},
		{"6.18.44-fc-v595", "~> 6.1", true},
		{"4.9.337+", ">= 4.9.337", true},
		{"6.10.3", "~> 6.9", true},
		{"6.10.3", "> 6.9", true},
		{"1.8.9", ">= 1.8.7, < 1.9", true},
		{"1.8.11", "< 1.8.9", false},
		{"2.0.11", "~> 1.8", false},
		{"", ">= 0", false},
		{"unknown", ">= 0", false},
		{"6.1", "", false},
	} {
		got, err := satisfies(c.have, c.constraint)
		if err != nil || got != c.want {
			t.Errorf("%q against %q: %v, %v", c.have, c.constraint, got, err)
		}
	}
}

func TestRejectConstraint(t *testing.T) {
	for _, s := range []string{
		">= ", "x", ">= 6.1,", ",", ">= 6.1.0-28-amd64", "~> 6.1-rc1", "6.1 || 6.2", "=> 6.1", ">= 6.1 < 6.2",
		"6.1 .0", ">= six", "6.", "6..1", " ",
	} {
		if err := CheckConstraint(s); err == nil {
			t.Errorf("%q is accepted", s)
		} else {
			rejected(t, err, ErrConstraint, "")
		}
	}
	for _, s := range []string{"", "6.1", ">=6.1,<6.2", "= 6.1.0-28-amd64"} {
		if err := CheckConstraint(s); err != nil {
			t.Error(err)
		}
	}
}

func FuzzConstraint(f *testing.F) {
	f.Add("6.1.0-28-amd64", ">= 6.1, < 6.2")
	f.Add("5.14.0-427.el9.x86_64", "= 5.14.0-427.el9.x86_64")
	f.Fuzz(func(t *testing.T, have, constraint string) {
		ok, err := satisfies(have, constraint)
		if ok && err != nil {
			t.Error("satisfied and an error")
		}
		if (CheckConstraint(constraint) == nil) != (err == nil) {
			t.Errorf("%q: %v depends on the version", constraint, err)
		}
	})
}
