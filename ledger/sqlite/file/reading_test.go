package file_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/caddypay/caddypay/ledger"
	engine "github.com/caddypay/caddypay/ledger/sqlite"
	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// childTurns records as many events as each line of its input says, and then waits for the next; at the end of its input it closes the ledger.
func childTurns() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open")
	n := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var more int
		if _, err := fmt.Sscan(lines.Text(), &more); err != nil {
			fmt.Println(err)
			return 1
		}
		for range more {
			if _, err := l.Append(context.Background(), newEvent(fmt.Sprintf("evt_%d", n))); err != nil {
				fmt.Println(err)
				return 1
			}
			n++
		}
		fmt.Println(n)
	}
	if err := l.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// childLook reads a ledger and prints how many events wait in it, or why it cannot.
func childLook() int {
	n, err := readPending(context.Background(), os.Getenv("LEDGER_FILE"))
	if err != nil {
		fmt.Println(err)
		return 0
	}
	fmt.Println(n)
	return 0
}

func readPending(ctx context.Context, file string) (n int64, err error) {
	r, err := engine.OpenReading(ctx, file)
	if err != nil {
		return 0, err
	}
	due, err := r.NextDue(ctx, scope)
	return due.Pending, errors.Join(err, r.Close())
}

// writer is another process that has a ledger open.
type writer struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startWriter(t *testing.T, file string) *writer {
	t.Helper()
	w := &writer{cmd: exec.Command(os.Args[0])}
	w.cmd.Env = append(os.Environ(), "LEDGER_CHILD=turns", "LEDGER_FILE="+file)
	var err error
	w.in, err = w.cmd.StdinPipe()
	must(t, err)
	out, err := w.cmd.StdoutPipe()
	must(t, err)
	must(t, w.cmd.Start())
	t.Cleanup(func() { _ = w.cmd.Process.Kill(); _ = w.cmd.Wait() })
	w.lines = bufio.NewScanner(out)
	w.says(t, "open")
	return w
}

func (w *writer) says(t *testing.T, want string) {
	t.Helper()
	if !w.lines.Scan() || w.lines.Text() != want {
		t.Fatalf("the writer says %q, not %q", w.lines.Text(), want)
	}
}

// record has it record so many more; all are how many it has then.
func (w *writer) record(t *testing.T, more, all int) {
	t.Helper()
	_, err := fmt.Fprintln(w.in, more)
	must(t, err)
	w.says(t, fmt.Sprint(all))
}

func (w *writer) kill(t *testing.T) {
	t.Helper()
	must(t, w.cmd.Process.Kill())
	_ = w.cmd.Wait()
}

func (w *writer) close(t *testing.T) {
	t.Helper()
	must(t, w.in.Close())
	for w.lines.Scan() {
		t.Fatal(w.lines.Text())
	}
	must(t, w.cmd.Wait())
}

// folderOf is all that is in a ledger's folder: names, what they are, when they were written, and their bytes.
func folderOf(t *testing.T, file string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		b, err := os.ReadFile(filepath.Join(filepath.Dir(file), e.Name()))
		must(t, err)
		all += fmt.Sprintln(e.Name(), info.Mode(), info.Size(), info.ModTime().UnixNano(), sha256.Sum256(b))
	}
	return all
}

// reads makes sure that so many events are read, and that nothing in the folder is different then.
func reads(t *testing.T, file string, want int) {
	t.Helper()
	before := folderOf(t, file)
	if got, err := readPending(t.Context(), file); err != nil || got != int64(want) {
		t.Errorf("read %d events, %v; there are %d", got, err, want)
	}
	if after := folderOf(t, file); after != before {
		t.Errorf("reading has changed the folder from\n%sto\n%s", before, after)
	}
}

// TestReadingChangesNothing reads the ledger of a process that writes, of one that was killed, of one that was started again after that, and of one that
// has ended: all that was acknowledged is seen, no byte of any file changes by it, none comes or goes, and nothing that the process does fails.
func TestReadingChangesNothing(t *testing.T) {
	file := newFile(t)
	w := startWriter(t, file)
	reads(t, file, 0)
	w.record(t, 100, 100)
	reads(t, file, 100)
	w.record(t, 50, 150)
	reads(t, file, 150)
	w.kill(t)
	if info, err := os.Stat(file + "-wal"); err != nil || info.Size() == 0 {
		t.Fatal("there is nothing to be seen in the -wal file", err)
	}
	reads(t, file, 150)

	r, err := engine.OpenReading(t.Context(), file)
	must(t, err)
	defer r.Close()
	pending := func(want int64) {
		t.Helper()
		if due, err := r.NextDue(t.Context(), scope); err != nil || due.Pending != want {
			t.Errorf("%d pending, not %d: %v", due.Pending, want, err)
		}
	}
	pending(150)
	w = startWriter(t, file) // whose first events have the ids of those that are there
	w.record(t, 151, 151)
	pending(151)
	reads(t, file, 151)
	w.close(t)
	pending(151)
	must(t, r.Close())
	reads(t, file, 151)
	w = startWriter(t, file)
	w.record(t, 152, 152)
	w.close(t)
	if _, err := os.Stat(file + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("the ledger was not closed in order", err)
	}
	reads(t, file, 152)
	openFile(t, file)
}

// TestReadingWhileItWrites: a process that records without a pause is not disturbed by one that reads without a pause, and what it has said that it
// recorded is read.
func TestReadingWhileItWrites(t *testing.T) {
	file := newFile(t)
	cmd, lines := startChild(t, "append", file)
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	said := make(chan string)
	go func() {
		defer close(said)
		for lines.Scan() {
			said <- lines.Text()
		}
	}()
	first, ok := <-said
	if !ok {
		t.Fatal("the writer has ended")
	}
	r, err := engine.OpenReading(t.Context(), file)
	must(t, err)
	defer r.Close()
	look := func(id string) {
		t.Helper()
		if e, err := r.Event(t.Context(), scope, id); err != nil || string(e.Body) != "body of "+id {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
	look(first)
	for n := range 1000 {
		id, ok := <-said
		if !ok {
			t.Fatal("the writer has ended")
		}
		look(id)
		if n%100 == 0 { // a list is many rows at one moment
			if _, err := r.ListEvents(t.Context(), ledger.Filter{Scope: scope, Limit: 100}); err != nil {
				t.Error(err)
			}
			if _, err := readPending(t.Context(), file); err != nil {
				t.Error(err)
			}
		}
	}
	must(t, cmd.Process.Kill())
	var last []string
	for id := range said {
		last = append(last, id)
	}
	_ = cmd.Wait()
	ended = true
	for _, id := range last {
		look(id)
	}
	must(t, r.Close())
	sound(t, openFile(t, file))
}

// TestReadingThatMeetsAStart: a ledger that nobody had open is read rightly also after somebody has opened it and written to it.
func TestReadingThatMeetsAStart(t *testing.T) {
	file := newFile(t)
	w := startWriter(t, file)
	w.record(t, 3, 3)
	w.close(t)
	r, err := engine.OpenReading(t.Context(), file)
	must(t, err)
	defer r.Close()
	for turn := range 3 {
		w := startWriter(t, file)
		w.record(t, 4+turn, 4+turn)
		if due, err := r.NextDue(t.Context(), scope); err != nil || due.Pending != int64(4+turn) {
			t.Errorf("turn %d: %d pending, %v", turn, due.Pending, err)
		}
		w.close(t)
		if due, err := r.NextDue(t.Context(), scope); err != nil || due.Pending != int64(4+turn) {
			t.Errorf("turn %d, closed: %d pending, %v", turn, due.Pending, err)
		}
	}
	must(t, r.Close())
	if _, err := r.NextDue(t.Context(), scope); !errors.Is(err, ledger.ErrClosed) {
		t.Error(err)
	}
}

// TestReadingHoldsUpNobody: whoever reads a ledger that nobody has open, for however long, keeps nobody from opening it, in whatever mode it was left.
func TestReadingHoldsUpNobody(t *testing.T) {
	for _, mode := range []string{"WAL", "DELETE"} {
		path := newFile(t)
		must(t, openFileOnce(t, path))
		c, err := connectWrites(t.Context(), path)
		must(t, err)
		must(t, c.Run("PRAGMA journal_mode = "+mode, nil))
		must(t, c.Close())
		r, err := engine.OpenReading(t.Context(), path)
		must(t, err)
		must(t, openFileOnce(t, path))
		must(t, r.Close())
		reads(t, path, 0)
	}
}

// TestReadingThatIsStirred: what is read of a ledger that nobody had open counts for nothing if somebody writes to it meanwhile.
func TestReadingThatIsStirred(t *testing.T) {
	path := newFile(t)
	w := startWriter(t, path)
	w.record(t, 3, 3)
	w.close(t)
	r, err := engine.OpenReading(t.Context(), path)
	must(t, err)
	defer r.Close()
	inside := (*file.Reading)(reflect.ValueOf(r).Elem().FieldByName("file").UnsafePointer())
	stir := func(with func()) error {
		return inside.Read(t.Context(), func(*conn) error { with(); return nil })
	}
	w = startWriter(t, path)
	must(t, stir(func() {})) // it is open, and nothing was written
	if err := stir(func() { w.record(t, 4, 4) }); err == nil || !strings.Contains(err.Error(), path+": a program began to write to it while it was read; run the command again") {
		t.Error(err)
	}
	must(t, stir(func() { w.record(t, 1, 5) })) // by now it is read beside who writes it
	if due, err := r.NextDue(t.Context(), scope); err != nil || due.Pending != 5 {
		t.Errorf("%d pending, %v", due.Pending, err)
	}
	must(t, r.Close())
	w.close(t)
}

// TestReaderOnlyReads: every call that writes says what to do instead, and writes nothing.
func TestReaderOnlyReads(t *testing.T) {
	file := newFile(t)
	w := startWriter(t, file)
	w.record(t, 1, 1)
	w.kill(t)
	before := folderOf(t, file)
	r, err := engine.OpenReading(t.Context(), file)
	must(t, err)
	defer r.Close()
	if scopes, err := r.Scopes(t.Context()); err != nil || len(scopes) != 1 || scopes[0] != scope {
		t.Errorf("%v, %v", scopes, err)
	}
	_, err = r.Append(t.Context(), newEvent("evt_new"))
	for _, err := range []error{
		err,
		r.Decide(t.Context(), ledger.Decision{Scope: scope, EventID: "evt_0", Action: ledger.ActionDiscard, Reason: "no"}),
		r.Resume(t.Context(), scope),
	} {
		if !errors.Is(err, engine.ErrReadOnly) || !strings.Contains(err.Error(), "start Caddy to act") {
			t.Error(err)
		}
	}
	if after := folderOf(t, file); after != before {
		t.Errorf("from\n%sto\n%s", before, after)
	}
}

// TestReadingRefuses: what cannot be read is left as it is, and the error says why and what to do.
func TestReadingRefuses(t *testing.T) {
	dead := newFile(t)
	w := startWriter(t, dead)
	w.record(t, 5, 5)
	w.kill(t)
	closed := newFile(t)
	must(t, openFileOnce(t, closed))
	take := func(t *testing.T, from string, without ...string) string {
		t.Helper()
		to := filepath.Join(t.TempDir(), "ledger.db")
	endings:
		for _, ending := range endings {
			for _, w := range without {
				if ending == w {
					continue endings
				}
			}
			b, err := os.ReadFile(from + ending)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			must(t, err)
			must(t, os.WriteFile(to+ending, b, 0o600))
		}
		return to
	}
	set := func(t *testing.T, pragma string) string {
		t.Helper()
		to := take(t, closed)
		c, err := connectWrites(t.Context(), to)
		must(t, err)
		must(t, c.Run("PRAGMA "+pragma, nil))
		must(t, c.Close())
		return to
	}
	put := func(t *testing.T, content string) string {
		t.Helper()
		to := filepath.Join(t.TempDir(), "ledger.db")
		must(t, os.WriteFile(to, []byte(content), 0o600))
		return to
	}
	for name, tc := range map[string]struct {
		file func(t *testing.T) string
		want string
	}{
		"missing":        {func(t *testing.T) string { return newFile(t) }, "there is no such file; the ledger is where ledger sqlite <file> says"},
		"folder":         {func(t *testing.T) string { return t.TempDir() }, "not a file; name the file of a ledger"},
		"empty":          {func(t *testing.T) string { return put(t, "") }, "empty: there is no ledger in it"},
		"text":           {func(t *testing.T) string { return put(t, strings.Repeat("not a database\n", 1000)) }, "not an SQLite file; name the file of a ledger"},
		"another's":      {func(t *testing.T) string { return set(t, "application_id = 7") }, "an SQLite file of another program"},
		"newer":          {func(t *testing.T) string { return set(t, "user_version = 99") }, "written by a newer caddypay (schema 99"},
		"older":          {func(t *testing.T) string { return set(t, "user_version = 1") }, "written by an older caddypay (schema 1, this one reads"},
		"without a -shm": {func(t *testing.T) string { return take(t, dead, "-shm") }, "make an empty file with the ending -shm beside them"},
		"in the making": {func(t *testing.T) string {
			to := take(t, closed)
			must(t, os.WriteFile(to+"-journal", []byte("journal"), 0o600))
			return to
		}, "start Caddy once, which puts it in order"},
	} {
		t.Run(name, func(t *testing.T) {
			file := tc.file(t)
			before := stateOf(t, file)
			_, err := readPending(t.Context(), file)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
				t.Error(err)
			}
			if after := stateOf(t, file); after != before {
				t.Errorf("from\n%sto\n%s", before, after)
			}
		})
	}
	t.Run("locked", func(t *testing.T) {
		file := take(t, closed)
		c, err := connect(t.Context(), file, sqlite.OpenReadWrite, "journal_mode = DELETE", "locking_mode = EXCLUSIVE")
		must(t, err)
		must(t, c.Run("BEGIN EXCLUSIVE", nil))
		defer func() { must(t, c.Close()) }()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LEDGER_CHILD=look", "LEDGER_FILE="+file)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "another program holds it locked") {
			t.Errorf("%v %s", err, out)
		}
	})
	// What the error advises works.
	file := take(t, dead, "-shm")
	must(t, os.WriteFile(file+"-shm", nil, 0o600))
	reads(t, file, 5)
	// A link leads to the file and what is beside it.
	link := filepath.Join(t.TempDir(), "ledger.db")
	must(t, os.Symlink(dead, link))
	reads(t, link, 5)
}

// stateOf is folderOf, where there is a file.
func stateOf(t *testing.T, file string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return ""
	}
	return folderOf(t, file)
}
