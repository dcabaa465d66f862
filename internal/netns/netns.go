// Package netns is the only code of fwc that makes namespaces.
package netns

import "errors"

// ErrNotPermitted says that the kernel or its policy refuses to make a
// namespace for this user.
var ErrNotPermitted = errors.New("not permitted to make a namespace")
