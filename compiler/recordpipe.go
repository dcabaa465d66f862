package compiler

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// atomicWrite is how much a write to a pipe puts there in one piece, PIPE_BUF
// in pipe(7). Two that write more at once may mix.
const atomicWrite = 4096

// pipeCall is a call that a script put into the pipe.
type pipeCall struct {
	place, tool string
	args        []string
	long        bool // not written in one piece, for all that is known
	sync        bool // no call: the first process wants all loaded
}

// errSpoilt says that the pipe has something else in it than calls.
var errSpoilt = errors.New("the queue of calls is spoilt")

// pipeReader reads the pipe of the calls.
type pipeReader struct {
	r     *bufio.Reader
	limit uint64 // of all that is read, in bytes
	sync  string // the field that asks for a flush unheard by the script
	last  string // the field that ends it all
}

// next returns a call, or nil for a flush. The error is io.EOF at the end.
func (p *pipeReader) next() (*pipeCall, error) {
	mark, err := p.field()
	if err != nil {
		return nil, err
	}
	switch mark {
	case flushMark:
		return nil, nil
	case p.sync:
		return &pipeCall{sync: true}, nil
	case p.last:
		return nil, io.EOF
	case callMark:
	default:
		return nil, errSpoilt
	}
	count, err := p.field()
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 2 || n > 1<<20 || count != strconv.Itoa(n) {
		return nil, errSpoilt
	}
	c := new(pipeCall)
	size := len(callMark) + len(count) + len(endMark) + 3
	for i := range n {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(f, 0) >= 0 {
			return nil, errSpoilt
		}
		size += len(f) + 1
		switch i {
		case 0:
			c.place = f
		case 1:
			c.tool = f
		default:
			c.args = append(c.args, f)
		}
	}
	if end, err := p.field(); err != nil {
		return nil, err
	} else if end != endMark {
		return nil, errSpoilt
	}
	c.long = size > atomicWrite
	return c, nil
}

// field reads up to the next mark.
func (p *pipeReader) field() (string, error) {
	var text []byte
	for {
		piece, err := p.r.ReadSlice(fieldEnd)
		if uint64(len(piece)) > p.limit {
			return "", fmt.Errorf("the record of the calls is too long")
		}
		p.limit -= uint64(len(piece))
		switch {
		case err == nil && text == nil:
			return string(piece[:len(piece)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
			text = append(text, piece...)
		case errors.Is(err, io.EOF):
			return "", errSpoilt
		case err != nil:
			return "", err
		default:
			return string(append(text, piece[:len(piece)-1]...)), nil
		}
	}
}

// record appends a call as the log has it, see parseLog.
func (c *pipeCall) record(out *bytes.Buffer) {
	for _, f := range []string{"call", "0", "0", c.place, "", c.tool, "", strconv.Itoa(len(c.args))} {
		out.WriteString(f)
		out.WriteByte(0)
	}
	for _, a := range c.args {
		out.WriteString(a)
		out.WriteByte(0)
	}
	out.WriteByte(0)
}
