package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fwc-dev/fwc/artifact"
)

// DefaultTrust is where hosts keep the keys they trust.
const DefaultTrust = "/etc/fwc/trusted.d"

const (
	keySuffix   = ".pub"
	maxKeySize  = 16 << 10
	maxKeyFiles = 256
)

// Trust is whom a host believes. The zero Trust believes nobody.
type Trust struct {
	Keys []Key
	// InsecureUnsigned accepts an artifact whoever signed it, or nobody did.
	// Its contents are still held to their digests, and its policy applies.
	InsecureUnsigned bool

	dir string // that it was loaded from, if it was one
}

// Key is a trusted key with the name it goes by: its file's without ".pub".
type Key struct {
	Name   string
	Public artifact.PublicKey
}

// LoadTrust reads a trust root: a directory, of which every file *.pub counts
// and nothing else does, or one file. Each must be a regular file or directory
// and no symlink, owned by root or the effective user, and writable by its
// owner alone; for root, so must the directories above it be. A *.pub file that cannot be used is an error, never passed over:
// a rotation that went wrong must show. So is a root without a key.
//
// Errors are of kind ErrTrustRoot.
func LoadTrust(path string) (Trust, error) {
	f, info, err := openOwned(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Trust{}, errorf(ErrTrustRoot, "%s does not exist", path).
			hint("sudo install -Dm 644 NAME.pub %s", filepath.Join(path, "NAME.pub"))
	}
	if err != nil {
		return Trust{}, trustError(err)
	}
	defer f.Close()
	if !info.IsDir() {
		k, err := loadKey(path)
		if err != nil {
			return Trust{}, err
		}
		return Trust{Keys: []Key{k}}, nil
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return Trust{}, trustError(err)
	}
	slices.Sort(names)
	t := Trust{dir: path}
	for _, name := range names {
		if !strings.HasSuffix(name, keySuffix) {
			continue
		}
		if len(t.Keys) == maxKeyFiles {
			return Trust{}, errorf(ErrTrustRoot, "%s holds more than %d keys", path, maxKeyFiles)
		}
		k, err := loadKey(filepath.Join(path, name))
		if err != nil {
			return Trust{}, err
		}
		t.Keys = append(t.Keys, k)
	}
	if len(t.Keys) == 0 {
		return Trust{}, errorf(ErrTrustRoot, "%s holds no file *%s", path, keySuffix).
			hint("sudo install -m 644 NAME.pub %s", filepath.Join(path, "NAME.pub"))
	}
	return t, nil
}

func loadKey(path string) (Key, error) {
	text, err := readOwned(path, maxKeySize)
	if err != nil {
		return Key{}, trustError(err)
	}
	public, err := artifact.ParsePublicKey(text)
	if err != nil {
		return Key{}, errorf(ErrTrustRoot, "%s: %v", path, err)
	}
	return Key{Name: strings.TrimSuffix(filepath.Base(path), keySuffix), Public: public}, nil
}

func trustError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errorf(ErrTrustRoot, "%v", err).hint("run it as root")
	}
	return errorf(ErrTrustRoot, "%v", err).
		hint("keys are plain files, they and the directories above are root's, and only root can write them: sudo chown root:root, sudo chmod go-w")
}

// Name returns the names under which the trust root holds a key, joined by
// commas, or "".
func (t Trust) Name(k artifact.PublicKey) string {
	var names []string
	for _, c := range t.Keys {
		if c.Public.Equal(k) {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ",")
}

// open returns the artifact if enough keys that are valid now signed it.
func (t Trust) open(data []byte, p Policy, now time.Time) (*artifact.Artifact, error) {
	if t.InsecureUnsigned {
		a, _, err := artifact.Inspect(data)
		return a, err
	}
	valid, notes, err := t.valid(p, now)
	if err != nil {
		return nil, err
	}
	a, err := artifact.Open(data, valid, p.Threshold)
	var e *artifact.Error
	if errors.As(err, &e) && (e.Kind == artifact.ErrUntrusted || e.Kind == artifact.ErrTrust) {
		if e.Kind == artifact.ErrUntrusted && len(valid) > 0 {
			notes = append([]string{t.tried(valid)}, notes...)
		}
		if len(notes) > 0 {
			return nil, &artifact.Error{Kind: e.Kind, Msg: e.Msg + "; " + strings.Join(notes, "; ")}
		}
	}
	return a, err
}

// mostTried is how many keys an error names.
const mostTried = 8

// tried names the keys that count by their files, with what tells them apart in
// the artifact too.
func (t Trust) tried(valid []artifact.PublicKey) string {
	var words []string
	for _, k := range t.Keys {
		if slices.ContainsFunc(valid, k.Public.Equal) {
			words = append(words, k.Name+keySuffix+" is "+k.Public.Hint())
		}
	}
	if n := len(words) - mostTried; n > 0 {
		words = append(words[:mostTried], fmt.Sprintf("and %d more", n))
	}
	return "trusted: " + strings.Join(words, ", ")
}

// valid returns the keys that count now, and why others do not. A key that goes
// by two names counts if it does under both.
func (t Trust) valid(p Policy, now time.Time) (keys []artifact.PublicKey, notes []string, err error) {
	if p.Boot {
		for _, k := range t.Keys {
			keys = append(keys, k.Public)
		}
		return keys, nil, nil
	}
	known, refused := map[string]bool{}, map[string]bool{}
	for _, k := range t.Keys {
		known[k.Name] = true
		if note := p.Keys[k.Name].note(now); note != "" {
			notes = append(notes, "key "+k.Name+" "+note)
			refused[k.Public.Hint()] = true
		}
	}
	for _, k := range t.Keys {
		if !refused[k.Public.Hint()] {
			keys = append(keys, k.Public)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Keys)) {
		if t.dir != "" && !known[name] {
			// A slip in a name must not leave a key valid for ever.
			return nil, nil, errorf(ErrPolicy, "it bounds key %s, and %s holds no %s", name, t.dir, name+keySuffix).
				hint("correct the name in the lines key.%s.…, or remove them with the key", name)
		}
	}
	return keys, notes, nil
}
