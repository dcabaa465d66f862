package ruleset

import "fmt"

// SyntaxError says where a dump or another input file cannot be read.
type SyntaxError struct {
	File string
	Line int // from 1; 0 where a line makes no sense
	Msg  string
}

// Error returns file:line: message.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}
