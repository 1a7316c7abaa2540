package file_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// lookAsNobody has a user who owns nothing read a ledger; only root can: else it is this one.
func lookAsNobody(t *testing.T, file string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "look") // go test's own folder is closed to others
	must(t, os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755))
	from, err := os.Open(os.Args[0])
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_WRONLY|os.O_CREATE, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "LEDGER_CHILD=look", "LEDGER_FILE="+file)
	cmd.Dir = "/"
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestReadingAsAnother: in a folder that one may only read, as on media that are read-only, a ledger is read, with what is in its -wal file; where one may
// not even do that, the error names the user who may.
func TestReadingAsAnother(t *testing.T) {
	dead := newFile(t)
	w := startWriter(t, dead)
	w.record(t, 7, 7)
	open := func(files, folder os.FileMode) {
		t.Helper()
		for _, ending := range endings {
			if err := os.Chmod(dead+ending, files); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		must(t, os.Chmod(filepath.Dir(dead), folder))
	}
	look := func(want string) {
		t.Helper()
		before := folderOf(t, dead)
		if got := lookAsNobody(t, dead); got != want && !(len(want) > 5 && strings.Contains(got, want)) {
			t.Errorf("%s, not %s", got, want)
		}
		if after := folderOf(t, dead); after != before {
			t.Errorf("from\n%sto\n%s", before, after)
		}
	}
	const forbidden = "cannot be read: %s belongs to the user root; run the command as that user (sudo -u root …) or as root"
	states := []func(){func() {}, func() { w.record(t, 0, 7); w.kill(t) }, func() {
		must(t, openFileOnce(t, dead)) // closed in order
	}}
	for i, become := range states {
		become()
		if os.Getuid() != 0 { // the modes bind the owner too, who is named to nobody
			open(0o400, 0o500)
			look("7")
			open(0o600, 0o700)
			continue
		}
		open(0o644, 0o755)
		look("7")
		open(0o600, 0o755)
		look(fmt.Sprintf(forbidden, dead))
		if i < 2 {
			must(t, os.Chmod(dead, 0o644))
			look(fmt.Sprintf(forbidden, dead+"-wal"))
		}
		open(0o644, 0o700)
		look(fmt.Sprintf(forbidden, filepath.Dir(dead)))
		open(0o600, 0o700)
	}
}
