package compiler

import (
	"os"
	"path/filepath"
)

// lineFile is what BASH_ENV names.
const lineFile = toolDir + "/lines.bash"

// linePreludes puts into place what tells the lines of calls where nothing is
// recorded: functions for bash, and for a POSIX shell the copy of the script
// with its prelude.
func (s *stage) linePreludes() error {
	files := map[string]string{lineFile: bashPrelude(s.shims.recordables(), s.shims.tools, false)}
	if len(s.copy) > 0 {
		files[recShell], files[recCopy] = exactPrelude, string(s.copy)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(stagingRoot, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
