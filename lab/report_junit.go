package lab

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/fwc-dev/fwc/internal/termsafe"
)

// The elements of a JUnit report as CI systems read it: a suite is a spec.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit's XML.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Tests: len(r.Results), Failures: r.Failed, Time: seconds(float64(r.Elapsed.Microseconds()) / 1000)}
	for i := 0; i < len(r.Results); {
		s := junitSuite{Name: r.Results[i].Spec}
		millis := 0.0
		for ; i < len(r.Results) && r.Results[i].Spec == s.Name; i++ {
			t := &r.Results[i]
			c := junitCase{Name: termsafe.String(t.Name), Class: strings.TrimSuffix(strings.TrimSuffix(t.Spec, ".yaml"), ".yml"),
				File: t.Spec, Line: t.Line, Time: seconds(t.Millis)}
			if !t.OK {
				c.Failure = &junitFailure{Message: termsafe.String("expected " + t.Expected + ", got " + t.Got),
					Text: termsafe.Text(fmt.Sprintf("%s:%d\nexpected  %s\ngot       %s\n%s", t.Spec, t.Line, t.Expected, t.Got, t.Trace))}
				s.Failures++
			}
			millis += t.Millis
			s.Cases = append(s.Cases, c)
		}
		s.Tests, s.Time = len(s.Cases), seconds(millis)
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(millis float64) string { return fmt.Sprintf("%.6f", millis/1000) }
